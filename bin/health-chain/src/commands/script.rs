//! `script`: spending conditions as text, and what becomes of them step by step.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use health_chain::contract::{
    ports::NoSignatures,
    script::{Flags, Script, assemble, verify_observed},
};

use crate::failure::Failure;

/// What `script` takes.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a lock in assembly, and say whether it is unlocked. No signature and no lock time holds here.
    Run {
        /// The lock, such as "ADD 5 NUMEQUAL".
        #[arg(allow_hyphen_values = true)]
        lock: String,
        /// What is to unlock it, such as "2 3".
        #[arg(long, default_value = "", allow_hyphen_values = true)]
        unlock: String,
        /// Rules by their names in Bitcoin, such as P2SH,MINIMALDATA; the chain's own unless given.
        #[arg(long, value_delimiter = ',', value_parser = rule)]
        rules: Vec<Flags>,
        /// Show each step with the stack after it.
        #[arg(long)]
        trace: bool,
    },
    /// Print a script's bytes as assembly, an instruction to a line.
    Show {
        /// The script in hexadecimal digits.
        #[arg(value_parser = bytes)]
        script: Bytes,
    },
    /// Print the bytes of assembly in hexadecimal digits.
    Assemble {
        /// The assembly.
        #[arg(allow_hyphen_values = true)]
        assembly: String,
    },
}

/// A script given in hexadecimal digits.
#[derive(Clone)]
struct Bytes(Vec<u8>);

pub(crate) fn run(options: &Options, out: &mut impl Write) -> Result<(), Failure> {
    match &options.command {
        Command::Run { lock, unlock, rules, trace } => {
            let rules = rules.iter().copied().reduce(|all, rule| all | rule).unwrap_or(Flags::CONSENSUS);
            let (unlock, lock) = (assemble(unlock)?, assemble(lock)?);
            let mut written: io::Result<()> = Ok(());
            let verdict = verify_observed(&unlock, &lock, rules, &mut NoSignatures, &mut |step| {
                if *trace && written.is_ok() {
                    written = writeln!(out, "{step}");
                }
            });
            written?;
            verdict?;
            writeln!(out, "unlocked")?;
        }
        Command::Show { script } => writeln!(out, "{:#}", Script(&script.0))?,
        Command::Assemble { assembly } => writeln!(out, "{}", hex::encode(assemble(assembly)?))?,
    }
    Ok(())
}

fn bytes(digits: &str) -> Result<Bytes, NotHexadecimal> {
    hex::decode(digits).map(Bytes).map_err(|_| NotHexadecimal)
}

/// Something else than bytes in hexadecimal digits.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("not an even number of hexadecimal digits")]
struct NotHexadecimal;

fn rule(name: &str) -> Result<Flags, UnknownRule> {
    Flags::named(name).ok_or(UnknownRule)
}

/// A rule that the script machine doesn't have.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the script machine has no rule of that name")]
struct UnknownRule;
