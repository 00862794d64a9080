//! The health chain node and its command line.

mod bench;
mod commands;
mod compose;
mod config;
mod counter;
mod failure;
mod folder;
mod genesis_file;
mod inquiry;
mod interrupt;
mod office;
mod paper;
mod secrets;
mod text;

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::{failure::Failure, folder::Folder, office::Order};

/// Store and share medical records: run a node, look at it, make keys.
#[derive(Parser)]
#[command(name = "health-chain", version, after_help = FIRST_STEPS)]
struct Arguments {
    /// The node's folder: configuration, keys, chain and records.
    #[arg(long, short, global = true, default_value = "health-chain-data", env = "HEALTH_CHAIN_DIR")]
    dir: PathBuf,

    /// What to log on stderr: a level (error, warn, info, debug, trace) or a filter of the tracing crate. Unless it is given,
    /// `run` logs at info, without single votes, and everything else at warn.
    #[arg(long, global = true, env = "HEALTH_CHAIN_LOG")]
    log: Option<String>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a node's folder: a new chain of one's own, or a place on an existing one.
    Init(commands::init::Options),
    /// Run the node until Ctrl-C.
    Run(commands::run::Options),
    /// Make blocks, then stop.
    Mine(commands::mine::Options),
    /// Show where the chain stands: as a running node says, or as a stopped one left it.
    Status(commands::status::Options),
    /// Show the nodes that the running one is connected with.
    Peers(commands::peers::Options),
    /// Make or show keys.
    Keys(commands::keys::Options),
    /// Receive, send and mint coins.
    Wallet(commands::wallet::Options),
    /// Show who decides on blocks, and what stands behind them.
    Validators(commands::stake::Validators),
    /// Where stake decides: put coins behind this node's key, so that it becomes a validator.
    Bond(commands::stake::Bond),
    /// Where stake decides: give notice, so that what is bonded counts no more and is free later.
    Unbond(commands::stake::Unbond),
    /// Where stake decides: take back what notice was given of, once it is locked no longer.
    Withdraw,
    /// Where institutions decide: show their council, admit to it and remove from it.
    Council(commands::council::Options),
    /// Let the gateway serve again that a deep reorganisation has stopped, once you have looked at what that undid.
    Resume,
    /// Write, read and run spending conditions as text; needs no folder.
    Script(commands::script::Options),
    /// Measure how fast this machine hashes, searches, verifies and seals.
    Bench(commands::bench::Options),
}

const FIRST_STEPS: &str = "First steps:
  health-chain init             make a folder with a development chain of your own
  health-chain mine --blocks 3  make three blocks
  health-chain run --mine       run the node and keep making blocks
  health-chain status           ask it, from another terminal, where it stands";

/// What `run` logs. The core of the agreement says something about every vote: a dozen lines to a block and validator.
const RUNNING: &str = "info,arc_malachitebft=warn";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has enough of it.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to be done where nobody reads stderr.
            let _ = report(&failure);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let level = if matches!(arguments.command, Command::Run(_)) { RUNNING } else { "warn" };
    let filter = EnvFilter::try_new(arguments.log.as_deref().unwrap_or(level)).map_err(Failure::LogFilter)?;
    let is_terminal = io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(is_terminal)
        .with_writer(io::stderr)
        .init();
    let folder = Folder::new(arguments.dir);
    let out = &mut io::stdout().lock();
    match arguments.command {
        Command::Init(options) => commands::init::run(&folder, options, out),
        Command::Run(options) => commands::run::run(&folder, options),
        Command::Mine(options) => commands::mine::run(&folder, &options, out),
        Command::Status(options) => commands::status::run(&folder, &options, out),
        Command::Peers(options) => give(&folder, Order::Peers(options), out),
        Command::Keys(options) => commands::keys::run(&folder, &options, out),
        Command::Wallet(options) => give(&folder, Order::Wallet(options.command), out),
        Command::Validators(options) => give(&folder, Order::Validators(options), out),
        Command::Bond(options) => give(&folder, Order::Bond(options), out),
        Command::Unbond(options) => give(&folder, Order::Unbond(options), out),
        Command::Withdraw => give(&folder, Order::Withdraw, out),
        Command::Council(options) => commands::council::run(&folder, options, out),
        Command::Resume => give(&folder, Order::Resume, out),
        Command::Script(options) => commands::script::run(&options, out),
        Command::Bench(options) => commands::bench::run(&options, out),
    }
}

fn give(folder: &Folder, order: Order, out: &mut impl Write) -> Result<(), Failure> {
    Ok(write!(out, "{}", office::give(folder, order)?.printed)?)
}

fn report(failure: &Failure) -> io::Result<()> {
    writeln!(io::stderr().lock(), "error: {}", describe(failure))
}

/// What failed, why, and what to do next.
fn describe(failure: &Failure) -> String {
    let mut lines = vec![failure.to_string()];
    let mut cause = failure.source();
    while let Some(error) = cause {
        lines.push(format!("  because: {}", error.to_string().trim_end().replace('\n', "\n    ")));
        // Some libraries' errors say what their source says.
        lines.dedup();
        cause = error.source();
    }
    lines.extend(failure.advice().map(|advice| format!("  next: {advice}")));
    lines.join("\n")
}
