//! Checkers that find nothing prove little until they have found something: each of these bugs, put back in through a seam, is caught, and
//! by the checker that is there for it. The same runs without the bug are sound.

#![allow(clippy::unwrap_used, reason = "a test")]

use health_chain_testkit::sim::{self, Broken, Bug, Fault, Options};

/// Seeds tried for each bug.
const SEEDS: u64 = 20;

/// The first thing that goes wrong with the bug, where nothing goes wrong without it.
fn caught(bug: Bug, options: &Options) -> Broken {
    let faulty = Options { bug: Some(bug), ..options.clone() };
    let seen = (1..=SEEDS).find_map(|seed| sim::run(&faulty, seed).err()).expect("the bug shows in one of the runs");
    if let Err(violation) = sim::run(&Options { bug: None, ..options.clone() }, seen.seed) {
        panic!("without the bug: {violation}");
    }
    seen.rule
}

fn options(base: Options, faults: &[Fault]) -> Options {
    Options { faults: faults.to_vec(), fault_millis: 10_000, act_millis: 20_000, hostile_millis: 10 * 60_000, ..base }
}

#[test]
fn a_store_that_acknowledges_before_it_is_durable() {
    let options = Options { healed_millis: 0, ..options(Options::default(), &[Fault::Crash]) };
    let rule = caught(Bug::EarlyAcknowledgement, &options);
    assert!(matches!(rule, Broken::Durability { .. }), "{rule}");
}

#[test]
fn an_audit_log_that_is_acknowledged_before_it_is_durable() {
    let options = Options { healed_millis: 0, ..options(Options::default(), &[Fault::Crash]) };
    let rule = caught(Bug::VolatileLog, &options);
    assert!(matches!(rule, Broken::Log { .. }), "{rule}");
}

#[test]
fn a_withdrawal_that_is_acknowledged_before_it_is_durable() {
    let options = Options { healed_millis: 0, ..options(Options::default(), &[Fault::Crash]) };
    let rule = caught(Bug::VolatileDenials, &options);
    assert!(matches!(rule, Broken::Denial { .. }), "{rule}");
}

#[test]
fn a_gateway_whose_log_is_not_kept() {
    let options = Options { healed_millis: 0, ..options(Options::default(), &[]) };
    let rule = caught(Bug::ForgottenLog, &options);
    assert!(matches!(rule, Broken::Record { .. }), "{rule}");
}

#[test]
fn an_undo_that_forgets_a_table() {
    let base = Options { healed_millis: 0, interval_seconds: 10, ..Options::proof_of_work() };
    // In halves almost from the start, so that the one mint is among what comes undone.
    let options = Options { fault_millis: 1_000, ..options(base, &[Fault::Halves]) };
    let rule = caught(Bug::ForgottenUndo, &options);
    assert!(matches!(rule, Broken::Supply { .. }), "{rule}");
}

#[test]
fn fees_that_are_booked_twice() {
    let options = Options { healed_millis: 0, ..options(Options::default(), &[]) };
    let rule = caught(Bug::DoubleFees, &options);
    assert!(matches!(rule, Broken::Supply { .. }), "{rule}");
}

#[test]
fn a_verifier_that_forgets_to_verify() {
    let base = Options { healed_millis: 0, settled_blocks: 3, interval_seconds: 10, ..Options::proof_of_work() };
    let rule = caught(Bug::ForgottenSignatures, &options(base, &[Fault::InvalidTransaction]));
    assert!(matches!(rule, Broken::Authenticity { .. }), "{rule}");
}

#[test]
fn a_gateway_that_learns_of_withdrawals_with_their_block() {
    let options = Options { healed_millis: 0, ..options(Options::default(), &[]) };
    let rule = caught(Bug::LateDenial, &options);
    assert!(matches!(rule, Broken::Revocation { .. }), "{rule}");
}

/// It says another thing after it has started again, and those who heard both have proof.
#[test]
fn a_validator_without_a_journal() {
    let base = Options { healed_millis: 0, interval_seconds: 1, max_outage_millis: 5_000, ..Options::bft() };
    let rule = caught(Bug::ForgottenJournal, &Options { fault_millis: 3_000, ..options(base, &[Fault::Crash]) });
    assert!(matches!(rule, Broken::Accusation { .. }), "{rule}");
}

/// They decide on what no chain takes, and stand still.
#[test]
fn validators_that_vote_for_whatever_is_proposed() {
    let base = Options { interval_seconds: 10, ..Options::bft() };
    let rule = caught(Bug::BlindVote, &options(base, &[Fault::FalseProposal]));
    assert!(matches!(rule, Broken::Progress { .. }), "{rule}");
}

/// Everybody has proof, and no block takes it.
#[test]
fn a_chain_without_a_judge() {
    for base in [Options::bft(), Options::pos()] {
        let rule = caught(Bug::ForgottenEvidence, &options(base, &[Fault::DoubleVote]));
        assert!(matches!(rule, Broken::Impunity { .. }), "{rule}");
    }
}

/// Everybody hears it, and nobody says so.
#[test]
fn validators_that_accuse_nobody() {
    let rule = caught(Bug::ForgottenAccusation, &options(Options::bft(), &[Fault::DoubleVote]));
    assert!(matches!(rule, Broken::Evidence), "{rule}");
}

/// Where everybody reaches everybody it is not missed.
#[test]
fn validators_that_pass_nothing_on() {
    let rule = caught(Bug::ForgottenRelay, &options(Options::bft(), &[Fault::Firewalls]));
    assert!(matches!(rule, Broken::Progress { .. }), "{rule}");
}

/// The others decide without it, and it takes their blocks: only who looks for its own part sees that it has none.
#[test]
fn a_validator_that_a_restart_silences_for_good() {
    // One crash, as a rule: two silent validators of five would stop the chain.
    let options = Options { fault_millis: 9 * 60_000, ..options(Options::bft(), &[Fault::Crash]) };
    let rule = caught(Bug::LastingSilence, &options);
    assert!(matches!(rule, Broken::Silence { .. }), "{rule}");
}

/// Blocks come, and later than they should.
#[test]
fn an_engine_that_is_woken_late() {
    for base in [Options::default(), Options::bft()] {
        let rule = caught(Bug::LateWake, &options(base, &[]));
        assert!(matches!(rule, Broken::Pace { .. }), "{rule}");
    }
}
