//! The whole network under seeds: every fault, every checker, each engine. By default as many seeds as half a minute holds; more, longer ones, or
//! one again:
//!
//! | variable | what it says |
//! |---|---|
//! | `HEALTH_CHAIN_SIM_SEEDS` | how many seeds, each of two simulated hours |
//! | `HEALTH_CHAIN_SIM_FIRST_SEED` | the first of them |
//! | `HEALTH_CHAIN_SIM_THREADS` | how many run at once; all cores where it is not set |
//!
//! ```text
//! HEALTH_CHAIN_SIM_SEEDS=1000 cargo test --release -p health-chain-tests --test sim -- --nocapture --test-threads 1 under_
//! ```

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::{
    collections::BTreeMap,
    env,
    num::NonZeroUsize,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use health_chain_testkit::sim::{self, Broken, Bug, Counts, Fault, Options, Report, fault};

/// How long the seeds of one engine may take where nobody asks for a number.
const BUDGET: Duration = Duration::from_secs(30);
/// Fewer seeds than this would not show every fault.
const MIN_SEEDS: u64 = 4;
/// Of many seeds, how many lie between two lines that say how far they are.
const SEEDS_PER_LINE: usize = 100;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// The bug that the features of this crate give the nodes.
fn bug() -> Option<Bug> {
    let bugs = [
        (cfg!(feature = "bug-early-acknowledgement"), Bug::EarlyAcknowledgement),
        (cfg!(feature = "bug-forgotten-undo"), Bug::ForgottenUndo),
        (cfg!(feature = "bug-double-fees"), Bug::DoubleFees),
        (cfg!(feature = "bug-forgotten-signatures"), Bug::ForgottenSignatures),
        (cfg!(feature = "bug-volatile-log"), Bug::VolatileLog),
        (cfg!(feature = "bug-volatile-denials"), Bug::VolatileDenials),
        (cfg!(feature = "bug-forgotten-log"), Bug::ForgottenLog),
        (cfg!(feature = "bug-late-denial"), Bug::LateDenial),
        (cfg!(feature = "bug-forgotten-journal"), Bug::ForgottenJournal),
        (cfg!(feature = "bug-blind-vote"), Bug::BlindVote),
        (cfg!(feature = "bug-forgotten-evidence"), Bug::ForgottenEvidence),
        (cfg!(feature = "bug-forgotten-accusation"), Bug::ForgottenAccusation),
        (cfg!(feature = "bug-forgotten-relay"), Bug::ForgottenRelay),
        (cfg!(feature = "bug-lasting-silence"), Bug::LastingSilence),
        (cfg!(feature = "bug-late-wake"), Bug::LateWake),
    ];
    bugs.into_iter().find(|(is_wanted, _)| *is_wanted).map(|(_, bug)| bug)
}

/// Runs the seeds on all cores, until the time is up or as many as were asked for. On a violation it says how to see it again.
fn run_all(test: &str, options: &Options, first: u64, count: Option<u64>) -> Vec<Report> {
    let threads = number("HEALTH_CHAIN_SIM_THREADS").map(|threads| threads as usize);
    let threads = threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZeroUsize::get));
    let started = Instant::now();
    let (next, has_failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let outcomes = Mutex::new(BTreeMap::new());
    let work = || {
        while !has_failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let is_enough = match count {
                Some(count) => index >= count,
                None => index >= MIN_SEEDS && started.elapsed() >= BUDGET,
            };
            if is_enough {
                break;
            }
            let outcome = sim::run(options, first + index);
            has_failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
            let mut outcomes = outcomes.lock().unwrap();
            outcomes.insert(first + index, outcome);
            if outcomes.len() % SEEDS_PER_LINE == 0 {
                println!("{test}: {} seeds in {:.0} s", outcomes.len(), started.elapsed().as_secs_f64());
            }
        }
    };
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    let report = |(seed, outcome): (u64, Result<Report, _>)| {
        let seeds = count.map_or_else(String::new, |_| "HEALTH_CHAIN_SIM_SEEDS=1 ".into());
        outcome.unwrap_or_else(|violation: Box<sim::Violation>| {
            panic!(
                "{violation}\n{options:?}\nagain: {seeds}HEALTH_CHAIN_SIM_FIRST_SEED={seed} \
                 cargo test -p health-chain-tests --test sim -- {test}"
            )
        })
    };
    outcomes.into_inner().unwrap().into_iter().map(report).collect()
}

/// Demands that no checker has anything to say, and that every fault fired.
fn seeds(test: &str, options: &Options) {
    let first = number("HEALTH_CHAIN_SIM_FIRST_SEED").unwrap_or(1);
    let count = number("HEALTH_CHAIN_SIM_SEEDS");
    let options = Options { bug: bug(), ..options.clone() };
    let options = if count.is_some() { options.for_two_hours() } else { options };
    let started = Instant::now();
    let reports = run_all(test, &options, first, count);
    let real = started.elapsed().as_secs_f64();
    let simulated: u64 = reports.iter().map(|report| report.simulated_millis).sum();
    println!(
        "{test}: {} seeds of {} minutes in {real:.1} s, simulated : real = {:.0} : 1",
        reports.len(),
        reports[0].simulated_millis / 60_000,
        simulated as f64 / 1_000.0 / real
    );
    let mut faults = Counts::new();
    for (fault, times) in reports.iter().flat_map(|report| &report.faults) {
        *faults.entry(*fault).or_default() += times;
    }
    println!("  faults: {faults:?}");
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    for (rule, times) in reports.iter().flat_map(|report| &report.activity.refused) {
        *refused.entry(rule).or_default() += times;
    }
    println!(
        "  height {}, blocks made {}, undone {}, deepest {}, frames {}, signed {}, withdrawals acknowledged {}, \
         reads permitted {}, accusations {}, answered {}, refused {refused:?}",
        sum(|report| report.activity.height.0.into()),
        sum(|report| report.activity.made),
        sum(|report| report.activity.undone),
        reports.iter().map(|report| report.activity.deepest).max().unwrap(),
        sum(|report| report.activity.frames),
        sum(|report| report.activity.signed),
        sum(|report| report.activity.acknowledged),
        sum(|report| report.activity.permitted),
        sum(|report| report.activity.accusations),
        sum(|report| report.activity.answered),
    );
    if count.is_none_or(|count| count >= MIN_SEEDS) {
        assert_eq!(fault::silent(&options.faults, &faults), [], "{test}: enabled, and never fired");
        assert!(sum(|report| report.activity.permitted) > 0, "{test}: who reads nothing tests no refusal");
        assert!(refused.contains_key("access-withdrawn"), "{test}: no withdrawal was tested");
        assert!(sum(|report| report.activity.acknowledged) > 0, "{test}: no withdrawal was acknowledged");
        let lies = options.faults.contains(&Fault::DoubleVote);
        assert!(!lies || sum(|report| report.activity.answered) > 0, "{test}: nobody answered for a lie");
    }
}

#[test]
fn under_one_authority() {
    seeds("under_one_authority", &Options::default());
}

#[test]
fn under_proof_of_work() {
    seeds("under_proof_of_work", &Options::proof_of_work());
}

#[test]
fn under_agreement() {
    seeds("under_agreement", &Options::bft());
}

#[test]
fn under_stake() {
    seeds("under_stake", &Options::pos());
}

#[test]
fn the_same_seed_is_the_same_run() {
    for options in [Options::default(), Options::proof_of_work(), Options::bft(), Options::pos()] {
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
