//! The whole network under seeds: every fault, every checker, both engines. `HEALTH_CHAIN_SIM_SEEDS` (how many) and
//! `HEALTH_CHAIN_SIM_FIRST_SEED` make a soak of it, or one seed again:
//!
//! ```text
//! HEALTH_CHAIN_SIM_SEEDS=100000 cargo test --release -p health-chain-tests --test sim -- --nocapture
//! ```

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::{
    collections::BTreeMap,
    env,
    time::{Duration, Instant},
};

use health_chain_testkit::sim::{self, Broken, Counts, Options, Report, fault};

/// How long the seeds of one engine may take where nobody asks for a number.
const BUDGET: Duration = Duration::from_secs(25);
/// Fewer seeds than this would not show every fault.
const MIN_SEEDS: u64 = 4;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Runs seeds until the time is up, or as many as were asked for, and demands that every fault fired.
fn seeds(name: &str, options: &Options) {
    let first = number("HEALTH_CHAIN_SIM_FIRST_SEED").unwrap_or(1);
    let count = number("HEALTH_CHAIN_SIM_SEEDS");
    let started = Instant::now();
    let mut faults = Counts::new();
    let mut reports: Vec<Report> = Vec::new();
    for seed in first.. {
        let done = seed - first;
        let is_enough = match count {
            Some(count) => done >= count,
            None => done >= MIN_SEEDS && started.elapsed() >= BUDGET,
        };
        if is_enough {
            break;
        }
        let report = sim::run(options, seed).unwrap_or_else(|violation| panic!("{name}: {violation}\n{options:?}"));
        for (fault, times) in &report.faults {
            *faults.entry(*fault).or_default() += times;
        }
        reports.push(report);
    }
    let real = started.elapsed();
    let simulated: u64 = reports.iter().map(|report| report.simulated_millis).sum();
    let ratio = simulated as f64 / 1_000.0 / real.as_secs_f64();
    println!("{name}: {} seeds in {:.1} s, simulated : real = {ratio:.0} : 1", reports.len(), real.as_secs_f64());
    println!("  faults: {faults:?}");
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    for (rule, times) in reports.iter().flat_map(|report| &report.activity.refused) {
        *refused.entry(rule).or_default() += times;
    }
    println!(
        "  blocks {}, undone {}, deepest {}, frames {}, signed {}, withdrawals acknowledged {}, reads permitted {}, refused {refused:?}",
        sum(|report| report.activity.made),
        sum(|report| report.activity.undone),
        reports.iter().map(|report| report.activity.deepest).max().unwrap(),
        sum(|report| report.activity.frames),
        sum(|report| report.activity.signed),
        sum(|report| report.activity.acknowledged),
        sum(|report| report.activity.permitted),
    );
    if count.is_none_or(|count| count >= MIN_SEEDS) {
        assert_eq!(fault::silent(&options.faults, &faults), [], "{name}: enabled, and never fired");
        assert!(sum(|report| report.activity.permitted) > 0, "{name}: who reads nothing tests no refusal");
        assert!(refused.contains_key("access-withdrawn"), "{name}: no withdrawal was tested");
        assert!(sum(|report| report.activity.acknowledged) > 0, "{name}: no withdrawal was acknowledged");
    }
}

#[test]
fn under_one_authority() {
    seeds("solo", &Options::default());
}

#[test]
fn under_proof_of_work() {
    seeds("proof of work", &Options::proof_of_work());
}

#[test]
fn the_same_seed_is_the_same_run() {
    for options in [Options::default(), Options::proof_of_work()] {
        let options = Options { hostile_millis: 10 * 60_000, healed_millis: 0, ..options };
        let first = sim::run(&options, 42).unwrap();
        assert_eq!(sim::run(&options, 42).unwrap(), first);
        assert_ne!(sim::run(&options, 43).unwrap().trace, first.trace);
    }
}

/// What holds two blocks deep does not hold one block deep where the authority signs twice: the checker has to say so.
#[test]
fn a_disagreement_is_seen() {
    let options = Options { settled_blocks: 1, hostile_millis: 30 * 60_000, healed_millis: 0, ..Options::default() };
    let seen = (1..20).find_map(|seed| sim::run(&options, seed).err()).expect("one of them disagrees");
    assert!(matches!(seen.rule, Broken::Agreement { .. }), "{seen}");
}
