//! The laboratory: experiments that answer in numbers, as CSV and as plots.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

mod engines;
mod forks;
mod incentive;
mod output;
mod retarget;
mod reversal;
mod revocation;
mod settling;

use std::{
    error::Error,
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
};

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
        #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..))]
        races: u32,
    },
    /// How many blocks go stale, by delay and block interval: whole nodes under proof of work in the simulator.
    Forks {
        /// Blocks that each run is to last for, on average.
        #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..))]
        blocks: u64,
    },
    /// How the interval follows the hash power under both retarget rules: steps, hopping miners, dates that are made up.
    Retarget {
        /// Runs over which each day is averaged.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
    },
    /// What selfish and undercutting miners earn under both reward rules, against the closed form.
    Incentive {
        /// Blocks found for each point.
        #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..))]
        blocks: u32,
    },
    /// How long a payment takes until it is final, by engine, nodes and delay: whole nodes in the simulator.
    Finality {
        /// Payments for each point, on average.
        #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        payments: u32,
        /// Blocks that each run is to last for, on average.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
        blocks: u64,
    },
    /// How many payments are settled a second, by engine and load: whole nodes in the simulator, whose processors take no time.
    Throughput {
        /// Payments offered a second.
        #[arg(long, value_delimiter = ',', default_values_t = [5, 10, 20, 40], value_parser = clap::value_parser!(u32).range(1..=200_000))]
        loads: Vec<u32>,
        /// Seconds that each run lasts for, at least: engines with slow blocks run longer.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// How long a withdrawal of consent takes until the gateway denies, with partitions and reorganisations: whole nodes in the
    /// simulator.
    Revocation {
        /// Seeds for each engine and kind of faults.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
        seeds: u64,
        /// Minutes with faults; twenty without come after them.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
        minutes: u64,
    },
}

impl Experiment {
    /// What its files are called.
    const fn name(&self) -> &'static str {
        match self {
            Self::Reversal { .. } => "reversal",
            Self::Forks { .. } => "forks",
            Self::Retarget { .. } => "retarget",
            Self::Incentive { .. } => "incentive",
            Self::Finality { .. } => "finality",
            Self::Throughput { .. } => "throughput",
            Self::Revocation { .. } => "revocation",
        }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let Arguments { folder, seed, experiment } = arguments;
    std::fs::create_dir_all(folder).map_err(|error| format!("{} can't be made: {error}", folder.display()))?;
    let (folder, seed) = (folder.as_path(), *seed);
    may_be_written(folder, experiment.name())?;
    match *experiment {
        Experiment::Reversal { races } => reversal::run(folder, seed, races),
        Experiment::Forks { blocks } => forks::run(folder, seed, blocks),
        Experiment::Retarget { runs } => retarget::run(folder, seed, runs),
        Experiment::Incentive { blocks } => incentive::run(folder, seed, blocks),
        Experiment::Finality { payments, blocks } => settling::finality(folder, seed, payments, blocks),
        Experiment::Throughput { ref loads, seconds } => settling::throughput(folder, seed, loads, seconds),
        Experiment::Revocation { seeds, minutes } => revocation::run(folder, seed, seeds, minutes),
    }
}

/// Some experiments take hours: that nobody can write down what they find is told before.
fn may_be_written(folder: &Path, name: &str) -> Result<(), String> {
    for kind in ["csv", "svg"] {
        let file = folder.join(name).with_extension(kind);
        let opened = File::options().append(true).create(true).open(&file);
        opened.map_err(|error| format!("{} can't be written: {error}", file.display()))?;
    }
    Ok(())
}
