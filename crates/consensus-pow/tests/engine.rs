//! The engine at work on a chain: blocks are mined, weighed and retargeted, and nothing stale is sealed.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use health_chain_consensus::{
    Accepted, Chain, ConsensusParameters, EngineInput, OpenError, Parts,
    ports::{AcceptAll, Action, NoReward, SearchTask},
    verify::BLOCK_VERSION,
};
use health_chain_consensus_pow::{ParametersError, PowParameters, ProofOfWork, Retarget, Seal, Target};
use health_chain_data::{
    Block, Body, Genesis, Header, Kind, Millis, Timestamp, Transaction,
    ports::{BatchHasher, ScalarHasher, SingleVerifier},
    state::MemoryStore,
};

const START: u32 = 1_000_000;
const EASY: PowParameters = PowParameters {
    interval_seconds: 600,
    retarget: Retarget::Asert { half_life_seconds: 3_600 },
    limit_bits: PowParameters::EASIEST_LIMIT_BITS,
};

/// A little below the limit, so that the target can move both ways.
const FIRST_BITS: u32 = 0x2007_ffff;

fn genesis(seal: Vec<u8>) -> Genesis {
    Genesis::new("pow", Timestamp(START), seal).with(&ConsensusParameters::default()).with(&EASY)
}

fn try_open(engine: ProofOfWork, genesis: &Genesis) -> Result<Chain, OpenError> {
    let parts = Parts {
        store: Box::new(MemoryStore::default()),
        engine: Box::new(engine),
        executor: Arc::new(AcceptAll),
        reward: Arc::new(NoReward),
        verifier: Arc::new(SingleVerifier),
        hasher: Arc::new(ScalarHasher),
    };
    Chain::open(parts, genesis)
}

fn open() -> Chain {
    let seal = Seal { bits: FIRST_BITS, nonce: 0 }.to_bytes();
    try_open(ProofOfWork::miner(EASY).unwrap(), &genesis(seal)).unwrap()
}

fn body(mark: u32) -> Body {
    Body(vec![Transaction::new(Kind(100), mark.to_le_bytes().to_vec())])
}

fn candidate(chain: &Chain, time: u32, mark: u32) -> Header {
    Header {
        version: BLOCK_VERSION,
        parent: chain.tip().id,
        root: body(mark).root(&ScalarHasher),
        time: Timestamp(time),
        seal: vec![],
    }
}

fn task(mut actions: Vec<Action>) -> SearchTask {
    match actions.pop() {
        Some(Action::Search(task)) if actions.is_empty() => task,
        other => panic!("{other:?} after {actions:?}"),
    }
}

fn solve(task: &SearchTask) -> u32 {
    ScalarHasher.search_nonce(&task.header, &task.target, 0, 1 << 32).unwrap()
}

fn now(time: u32) -> Millis {
    Millis::from(Timestamp(time))
}

fn mine(chain: &mut Chain, time: u32, mark: u32) -> Block {
    let task = task(chain.step_engine(now(time), EngineInput::Candidate(candidate(chain, time, mark))));
    let nonce = solve(&task);
    let actions = chain.step_engine(now(time), EngineInput::Solved { task, nonce });
    let [Action::Sealed(header)] = &actions[..] else { panic!("{actions:?}") };
    Block { header: header.clone(), body: body(mark) }
}

fn bits(block: &Block) -> u32 {
    Seal::from_bytes(&block.header.seal).unwrap().bits
}

/// Mines `count` blocks, `interval` seconds apart, and returns the last one.
fn extend(chain: &mut Chain, count: u32, interval: u32, mark: u32) -> Block {
    let mut last = None;
    for _ in 0..count {
        let time = chain.tip().header.time.0 + interval;
        let block = mine(chain, time, mark);
        assert!(matches!(chain.accept_block(now(time), block.clone()).unwrap(), Accepted::Connected(_)));
        last = Some(block);
    }
    last.unwrap()
}

#[test]
fn the_target_follows_the_hash_power() {
    let mut chain = open();
    let target = |block: &Block| Target::from_compact(bits(block)).unwrap();
    let on_time = extend(&mut chain, 5, 600, 0);
    assert_eq!(bits(&on_time), FIRST_BITS);
    // One half-life ahead of the schedule after 12 blocks of 300 seconds; the 13th shows it.
    let fast = extend(&mut chain, 13, 300, 0);
    assert_eq!(bits(&fast), 0x2003_ffff);
    assert!(target(&fast) < target(&on_time));
    // A long silence, and the next but one is as easy as can be.
    let slow = extend(&mut chain, 2, 600 + 8 * 3_600, 0);
    assert_eq!(bits(&slow), PowParameters::EASIEST_LIMIT_BITS);
}

#[test]
fn most_work_wins_and_not_most_blocks() {
    let mut many = open();
    let first = extend(&mut many, 2, 600, 1);
    let slow: Vec<Block> = (0..3).map(|_| extend(&mut many, 1, 4 * 3_600, 1)).collect();
    let mut few = open();
    let fast: Vec<Block> = (0..4).map(|_| extend(&mut few, 1, 1, 2)).collect();
    assert!(many.tip().height > few.tip().height && many.weight() < few.weight());
    assert!(bits(&slow[2]) > bits(&first));
    let later = now(many.tip().header.time.0);
    for block in &fast[..3] {
        many.accept_block(later, block.clone()).unwrap();
    }
    many.accept_block(later, fast[3].clone()).unwrap();
    assert_eq!(many.tip(), few.tip());
}

#[test]
fn nothing_stale_is_sealed() {
    let mut chain = open();
    let time = START + 600;
    assert_eq!(chain.step_engine(now(time), EngineInput::Tip), [Action::StopSearch, Action::Build]);
    let old = task(chain.step_engine(now(time), EngineInput::Candidate(candidate(&chain, time, 0))));
    let old_nonce = solve(&old);
    let new = task(chain.step_engine(now(time), EngineInput::Candidate(candidate(&chain, time, 1))));
    assert_eq!(chain.step_engine(now(time), EngineInput::Solved { task: old.clone(), nonce: old_nonce }), []);
    assert_eq!(chain.step_engine(now(time), EngineInput::Exhausted { task: old }), []);

    // A nonce that does not meet the target is no seal; another candidate is.
    let wrong = (0..).find(|nonce| ScalarHasher.search_nonce(&new.header, &new.target, *nonce, 1).is_none()).unwrap();
    assert_eq!(chain.step_engine(now(time), EngineInput::Solved { task: new, nonce: wrong }), [Action::Build]);

    // A new tip makes the search void, and a candidate on the old tip is not sealed.
    let void = task(chain.step_engine(now(time), EngineInput::Candidate(candidate(&chain, time, 2))));
    let stale = candidate(&chain, time, 3);
    let block = mine(&mut open(), time, 4);
    chain.accept_block(now(time), block).unwrap();
    chain.step_engine(now(time), EngineInput::Tip);
    assert_eq!(chain.step_engine(now(time), EngineInput::Solved { nonce: solve(&void), task: void }), []);
    assert_eq!(chain.step_engine(now(time), EngineInput::Candidate(stale)), []);
}

#[test]
fn an_exhausted_search_goes_on_with_another_time_or_another_candidate() {
    let mut chain = open();
    let time = START + 600;
    let first = task(chain.step_engine(now(time), EngineInput::Candidate(candidate(&chain, time, 0))));
    let second = task(chain.step_engine(now(time + 60), EngineInput::Exhausted { task: first.clone() }));
    assert_eq!(second.header[..68], first.header[..68]);
    assert_eq!(second.header[68..72], (time + 60).to_le_bytes());
    assert_eq!(second.target, first.target);
    assert_eq!(chain.step_engine(now(time + 60), EngineInput::Exhausted { task: second }), [Action::Build]);

    // Another candidate keeps its time, and the same one again is searched a second ahead of the clock.
    let other = task(chain.step_engine(now(time + 60), EngineInput::Candidate(candidate(&chain, time + 60, 1))));
    assert_eq!(other.header[68..72], (time + 60).to_le_bytes());
    assert_eq!(chain.step_engine(now(time + 60), EngineInput::Exhausted { task: other }), [Action::Build]);
    let same = task(chain.step_engine(now(time + 60), EngineInput::Candidate(candidate(&chain, time + 60, 1))));
    assert_eq!(same.header[68..72], (time + 61).to_le_bytes());
}

#[test]
fn a_follower_does_nothing_but_check() {
    let seal = Seal { bits: FIRST_BITS, nonce: 0 }.to_bytes();
    let mut follower = try_open(ProofOfWork::follower(EASY).unwrap(), &genesis(seal)).unwrap();
    assert_eq!(follower.step_engine(now(START), EngineInput::Tip), []);
    assert_eq!(follower.step_engine(now(START), EngineInput::Candidate(candidate(&follower, START + 1, 0))), []);
    let block = mine(&mut open(), START + 600, 0);
    let mut forged = block.clone();
    while forged.header.id().as_bytes()[31] <= 0x07 {
        forged.header.seal[4] = forged.header.seal[4].wrapping_add(1);
    }
    assert_eq!(follower.accept_block(now(START + 600), forged).unwrap_err().rule(), "pow-work");
    assert!(matches!(follower.accept_block(now(START + 600), block).unwrap(), Accepted::Connected(_)));
}

#[test]
fn a_chain_without_a_first_target_does_not_open() {
    let engine = || ProofOfWork::follower(EASY).unwrap();
    for seal in [vec![], vec![0; 8], vec![1; 7], Seal { bits: 0x2080_ffff, nonce: 0 }.to_bytes()] {
        assert!(matches!(try_open(engine(), &genesis(seal)), Err(OpenError::GenesisSeal)));
    }
    let refused = |parameters| ProofOfWork::follower(parameters).unwrap_err();
    assert_eq!(refused(PowParameters { interval_seconds: 0, ..EASY }), ParametersError::ZeroInterval);
    let no_half_life = Retarget::Asert { half_life_seconds: 0 };
    assert_eq!(refused(PowParameters { retarget: no_half_life, ..EASY }), ParametersError::ZeroHalfLife);
    assert!(matches!(refused(PowParameters { limit_bits: 0, ..EASY }), ParametersError::Limit(_)));
}
