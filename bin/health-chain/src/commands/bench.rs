//! `bench`: how fast this machine hashes, searches, verifies and seals, with all that a figure needs to be repeated.

use std::{
    io::{self, Write},
    num::NonZeroUsize,
};

use clap::Args;
use health_chain::data_simd::{Kernel, LaneHasher, kernels};
use serde::Serialize;

use crate::{
    bench::{
        contests::Material,
        machine::{self, Machine, Program},
        turns::{Figure, LAYOUTS, Pace, Spread},
    },
    failure::Failure,
    text,
};

/// What `bench` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Print one JSON object, with speeds per second.
    #[arg(long)]
    json: bool,

    /// Take fewer and shorter turns: seconds instead of a minute, for a look.
    #[arg(long)]
    quick: bool,

    /// Measure this hashing kernel only: portable, avx2, sha-ni, avx512 or arm-sha2. Unless it is given, all that this processor has.
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,

    /// Measure on one thread, on two, and on so many. Unless it is given, as many as run at the same time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_THREADS))]
    threads: Option<u16>,
}

/// More threads than any machine runs at the same time.
const MAX_THREADS: i64 = 1024;
/// The flags that the kernels and the ciphers depend on, of which the table shows those that are there.
const TOLD_FLAGS: [&str; 9] = ["sha_ni", "avx2", "avx512f", "avx512bw", "avx512ifma", "vaes", "aes", "sha2", "asimd"];

/// Figures, and what they are of.
#[derive(Serialize)]
struct Report {
    program: Program,
    machine: Machine,
    load_before: Option<[f64; 3]>,
    load_after: Option<[f64; 3]>,
    is_quick: bool,
    layouts: usize,
    #[serde(flatten)]
    pace: Pace,
    /// The kernels that were measured. Nothing is, unless all has passed its vectors.
    kernels: Vec<&'static str>,
    figures: Vec<Figure>,
}

pub(crate) fn run(options: &Options, out: &mut impl Write) -> Result<(), Failure> {
    let hashers = hashers(options.kernel.as_deref())?;
    let machine = Machine::this();
    let threads = thread_counts(options.threads.map_or(machine.threads, usize::from));
    let pace = if options.quick { Pace::QUICK } else { Pace::THOROUGH };
    let kernels = hashers.iter().map(|hasher| hasher.kernel().name()).collect();
    let load_before = machine::load();
    if Program::THIS.is_debug {
        progress("this is a debug build: its figures say nothing about what the library can do");
    }
    progress("checking vectors");
    let material = Material::new(hashers, threads);
    material.check()?;
    let mut figures = Vec::new();
    for contest in material.contests() {
        progress(&format!("measuring {}", contest.measure));
        figures.extend(contest.run(pace).map_err(Failure::Threads)?);
    }
    let report = Report {
        program: Program::THIS,
        machine,
        load_before,
        load_after: machine::load(),
        is_quick: options.quick,
        layouts: LAYOUTS.len(),
        pace,
        kernels,
        figures,
    };
    if options.json {
        return Ok(writeln!(out, "{}", text::json(&report))?);
    }
    show(&report, out).map_err(Failure::Output)
}

/// The kernel of that name, or all that this processor has.
fn hashers(name: Option<&str>) -> Result<Vec<LaneHasher>, Failure> {
    let chosen = match name {
        Some(name) => vec![name.parse::<Kernel>()?],
        None => kernels(),
    };
    chosen.into_iter().map(|kernel| LaneHasher::with(kernel).map_err(Failure::from)).collect()
}

/// One, two, and the most there are to be.
fn thread_counts(most: usize) -> Vec<NonZeroUsize> {
    let mut counts: Vec<NonZeroUsize> = [1, 2.min(most), most].into_iter().filter_map(NonZeroUsize::new).collect();
    counts.dedup();
    counts
}

/// Says on stderr what is done; results stay alone on stdout.
fn progress(what: &str) {
    // Nothing is lost where nobody reads it.
    let _ = writeln!(io::stderr(), "{what}");
}

fn show(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let Report { program, machine, load_before, load_after, layouts, pace, figures, .. } = report;
    let build = if program.is_debug { "debug build" } else { "release build" };
    writeln!(
        out,
        "program    health-chain {}, {}, {build}",
        program.version,
        program.compiler.unwrap_or("compiler unknown")
    )?;
    writeln!(out, "processor  {}", processor(machine))?;
    let flags: Vec<&str> =
        TOLD_FLAGS.into_iter().filter(|flag| machine.flags.iter().any(|found| found == flag)).collect();
    writeln!(out, "flags      {}", flags.join(" "))?;
    writeln!(out, "load       {} before, {} after", load(load_before), load(load_after))?;
    writeln!(
        out,
        "figures    median and quartiles of {} turns of {} ms, {} on each of {layouts} data layouts; all vectors passed",
        pace.runs * layouts,
        pace.turn.as_millis(),
        pace.runs
    )?;
    let mut measure = "";
    for figure in figures {
        let scale = Scale::of(figure.unit);
        if figure.measure != measure {
            measure = figure.measure;
            writeln!(out, "\n{measure:<20} {:>7} {:>14}   {:<18}", "threads", scale.name, "quartiles")?;
        }
        let Spread { median, lower_quartile, upper_quartile, .. } = figure.per_second;
        let quartiles = format!("{:.2} to {:.2}", lower_quartile / scale.unit, upper_quartile / scale.unit);
        write!(
            out,
            "  {:<18} {:>7} {:>14.2}   {quartiles:<18}",
            figure.contestant,
            figure.threads,
            median / scale.unit
        )?;
        if let Some(Spread { median, lower_quartile, upper_quartile, .. }) = figure.over_one_thread {
            write!(out, "   {median:.2} times one thread ({lower_quartile:.2} to {upper_quartile:.2})")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// How the table writes a speed.
struct Scale {
    name: &'static str,
    /// What is one there, per second.
    unit: f64,
}

impl Scale {
    fn of(unit: &str) -> Self {
        match unit {
            "hashes" => Self { name: "MH/s", unit: 1e6 },
            "leaves" => Self { name: "M leaves/s", unit: 1e6 },
            "signatures" => Self { name: "k signatures/s", unit: 1e3 },
            _ => Self { name: "GB/s", unit: 1e9 },
        }
    }
}

fn processor(machine: &Machine) -> String {
    let mut parts = vec![machine.processor.clone().unwrap_or_else(|| "unknown".into())];
    if let (Some(family), Some(model)) = (machine.family, machine.model) {
        parts.push(format!("family {family} model {model}"));
    }
    if let Some(megahertz) = machine.megahertz {
        parts.push(format!("{megahertz:.0} MHz as the system says"));
    }
    parts.push(format!("{} threads, {} {}", machine.threads, machine.system, machine.architecture));
    parts.join(", ")
}

fn load(load: &Option<[f64; 3]>) -> String {
    load.map_or_else(|| "unknown".into(), |[one, five, fifteen]| format!("{one:.2} {five:.2} {fifteen:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_one_two_and_all() {
        let counts = |most| thread_counts(most).into_iter().map(NonZeroUsize::get).collect::<Vec<_>>();
        assert_eq!(counts(1), [1]);
        assert_eq!(counts(2), [1, 2]);
        assert_eq!(counts(16), [1, 2, 16]);
    }
}
