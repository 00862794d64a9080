//! The miner against the hasher that it drives: it finds what is there, says when nothing is, and lets go of what is replaced.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use health_chain_consensus::ports::{SearchOutcome, SearchTask, Searcher};
use health_chain_consensus_pow::Miner;
use health_chain_data::{
    ports::{BatchHasher, ScalarHasher},
    pow::meets_target,
    sha256d,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn task(mark: u8, zero_bytes: usize) -> SearchTask {
    let mut target = [0xff; 32];
    target[32 - zero_bytes..].fill(0);
    SearchTask { header: [mark; 80], target }
}

/// Finds nothing, at no cost, so that all 2^32 nonces are gone through in no time.
struct Barren;

impl BatchHasher for Barren {
    fn name(&self) -> &'static str {
        "barren"
    }

    fn search_nonce(&self, _: &[u8; 80], _: &[u8; 32], _: u32, _: u64) -> Option<u32> {
        None
    }
}

fn start(threads: usize, hasher: impl BatchHasher + 'static) -> (Miner, mpsc::Receiver<SearchOutcome>) {
    let (sender, outcomes) = mpsc::channel();
    let report = move |outcome| sender.send(outcome).expect("the test listens for as long as the miner lives");
    (Miner::start(threads, Arc::new(hasher), report), outcomes)
}

#[test]
fn what_it_finds_meets_the_target() {
    for threads in [1, 3] {
        let (miner, outcomes) = start(threads, ScalarHasher);
        for mark in 0..4 {
            miner.search(task(mark, 2));
            let SearchOutcome::Solved { task: solved, nonce } = outcomes.recv_timeout(PATIENCE).unwrap() else {
                panic!("one in 65,536 hashes meets this target")
            };
            assert_eq!(solved, task(mark, 2));
            let mut header = solved.header;
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            assert!(meets_target(&sha256d(&header), &solved.target));
        }
        assert!(miner.hashes() > 0);
    }
}

#[test]
fn a_header_without_a_solution_is_exhausted_once() {
    let (miner, outcomes) = start(2, Barren);
    miner.search(task(1, 32));
    assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap(), SearchOutcome::Exhausted { task: task(1, 32) });
    assert_eq!(miner.hashes(), 1 << 32);
    drop(miner);
    assert!(outcomes.recv().is_err(), "one outcome per task");
}

#[test]
fn a_new_task_takes_the_place_of_the_old_one() {
    let (miner, outcomes) = start(2, ScalarHasher);
    miner.search(task(1, 32));
    while miner.hashes() == 0 {
        std::thread::yield_now();
    }
    miner.search(task(2, 1));
    let outcome = outcomes.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(outcome, SearchOutcome::Solved { task: solved, .. } if solved == task(2, 1)));
    miner.search(task(3, 32));
    miner.stop();
    // Whatever a thread had begun is one slice; after that nothing moves.
    drop(miner);
    assert!(outcomes.recv().is_err(), "a stopped task has no outcome");
}
