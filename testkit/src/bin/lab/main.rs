//! The laboratory: experiments that answer in numbers, as CSV and as plots.

#![allow(clippy::print_stdout, reason = "a program that talks to its user")]

mod forks;
mod output;
mod reversal;

use std::{error::Error, path::PathBuf};

use clap::{Parser, Subcommand};

/// Experiments on consensus. Each writes a CSV file and an SVG plot. The same seed gives the same files.
#[derive(Parser)]
#[command(name = "lab", version)]
struct Arguments {
    /// Where the files go.
    #[arg(long, default_value = "lab", global = true)]
    folder: PathBuf,
    /// The seed of everything random.
    #[arg(long, default_value_t = 1, global = true)]
    seed: u64,
    #[command(subcommand)]
    experiment: Experiment,
}

#[derive(Subcommand)]
enum Experiment {
    /// How often an attacker with a share of the hash power reverses a block: measured, against both closed forms.
    Reversal {
        /// Races for each share.
        #[arg(long, default_value_t = 200_000)]
        races: u32,
    },
    /// How many blocks go stale, by delay and block interval: whole nodes under proof of work in the simulator.
    Forks {
        /// Blocks that each run is to last for, on average.
        #[arg(long, default_value_t = 300)]
        blocks: u64,
    },
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.folder)?;
    match arguments.experiment {
        Experiment::Reversal { races } => reversal::run(&arguments.folder, arguments.seed, races),
        Experiment::Forks { blocks } => forks::run(&arguments.folder, arguments.seed, blocks),
    }
}
