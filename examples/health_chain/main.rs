//! The main job: a hospital, a patient and a research institute on one health chain, from the medical record's issue to its
//! revocation, and what happens when somebody cheats, branches compete, or a node dies.
//!
//! Three nodes, each with its own folder on disk, talk QUIC on loopback. Run it with
//! `cargo run --release --example health_chain [-- --consensus pow|bft|pos] [--record FILE]`. It exits non-zero if any step is not as it should be.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a person")]

mod acts;
mod people;
mod report;
mod setup;
mod victim;

use std::{env, error::Error, fs, path::PathBuf, process::ExitCode, time::SystemTime};

use health_chain::data::Millis;
use tracing_subscriber::EnvFilter;

use crate::setup::Consensus;

/// Whatever went wrong; the example's own checks say it in words.
type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "\
usage: health_chain [--consensus pow|bft|pos] [--record FILE]

Runs a health chain of three nodes on this machine and takes one medical record through its whole life.

  --consensus ENGINE  pow (proof of work, the default), bft (agreement) or pos (stake)
  --record FILE       the record; without it a synthetic FHIR R4 bundle that comes with the project
  --help              this text

HEALTH_CHAIN_LOG=info shows what the nodes log.";

/// A FHIR R4 bundle about a person who does not exist, written for this project.
const SYNTHETIC_BUNDLE: &[u8] = include_bytes!("../data/synthetic-bundle.json");

/// A record as it was given.
struct Record {
    name: String,
    media_type: String,
    bytes: Vec<u8>,
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("HEALTH_CHAIN_LOG").unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    if let Some(folder) = victim::folder() {
        return exit(victim::run(&folder));
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((file, consensus)) = options(&arguments) else {
        if matches!(&arguments[..], [only] if only == "--help" || only == "-h") {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    exit(read(file).and_then(|record| acts::play(record, consensus)))
}

fn options(arguments: &[String]) -> Option<(Option<PathBuf>, Consensus)> {
    let (pairs, []) = arguments.as_chunks::<2>() else { return None };
    let (mut file, mut consensus) = (None, Consensus::Pow);
    for [option, value] in pairs {
        match (option.as_str(), value.as_str()) {
            ("--record", path) => file = Some(PathBuf::from(path)),
            ("--consensus", "pow") => consensus = Consensus::Pow,
            ("--consensus", "bft") => consensus = Consensus::Bft,
            ("--consensus", "pos") => consensus = Consensus::Pos,
            _ => return None,
        }
    }
    Some((file, consensus))
}

fn read(file: Option<PathBuf>) -> Result<Record, Failure> {
    let Some(file) = file else {
        let (name, media_type) = ("synthetic-bundle.json".into(), "application/fhir+json".into());
        return Ok(Record { name, media_type, bytes: SYNTHETIC_BUNDLE.to_vec() });
    };
    let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let is_json = file.extension().is_some_and(|extension| extension == "json");
    let media_type = if is_json { "application/fhir+json" } else { "application/octet-stream" };
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Record { name, media_type: media_type.into(), bytes })
}

fn exit(outcome: Result<(), Failure>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    eprint!("\nfailed: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprint!(": {error}");
        cause = error.source();
    }
    eprintln!();
    ExitCode::FAILURE
}

/// The system's time.
fn now() -> Result<Millis, Failure> {
    Ok(Millis(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis().try_into()?))
}

/// What must hold for the example to go on.
fn ensure(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(format!("it should be that {what}").into()) }
}
