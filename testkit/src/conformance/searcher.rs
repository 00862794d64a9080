//! The suite of [`Searcher`].

use std::{sync::mpsc::Receiver, time::Duration};

use health_chain::{
    consensus::ports::{SearchOutcome, SearchTask, Searcher},
    data::{pow::meets_target, sha256d},
};

/// How long an outcome may take that every searcher has in no time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Tasks in a row.
const TASKS: u8 = 20;

/// Checks a searcher whose outcomes arrive at `outcomes`; `finds` says whether it looks for anything at all. An implementation must
///
/// - solve what has a solution, with a nonce that meets the target, and name the task that it solved;
/// - give up a task when another comes, or when it is told to stop, and report nothing for it;
/// - never count backwards.
///
/// # Panics
/// With the rule that the searcher breaks.
pub fn searcher(searcher: &dyn Searcher, outcomes: &Receiver<SearchOutcome>, finds: bool) {
    searcher.stop();
    let before = searcher.hashes();
    for mark in 0..TASKS {
        // Nothing meets this one, so that its outcome would be a wrong one.
        searcher.search(task(mark, 0));
        if mark % 2 == 0 {
            searcher.stop();
        }
        searcher.search(task(mark, 0x0f));
        if !finds {
            continue;
        }
        let outcome = outcomes.recv_timeout(PATIENCE).expect("a task with many solutions is solved");
        let SearchOutcome::Solved { task: solved, nonce } = outcome else { panic!("it has a solution: {outcome:?}") };
        assert_eq!(solved, task(mark, 0x0f), "what was replaced is not reported");
        let mut header = solved.header;
        header[76..].copy_from_slice(&nonce.to_le_bytes());
        assert!(meets_target(&sha256d(&header), &solved.target), "the nonce meets the target");
    }
    assert!(searcher.hashes() >= before, "nonces are counted upwards");
    assert_eq!(searcher.hashes() > before, finds, "what was tried is counted");
    searcher.stop();
    assert!(outcomes.try_recv().is_err(), "a task has one outcome");
}

/// A header of its own for each mark; about `share` of 256 nonces solve it.
fn task(mark: u8, share: u8) -> SearchTask {
    let mut target = [0; 32];
    if share > 0 {
        target = [0xff; 32];
        target[31] = share;
    }
    SearchTask { header: [mark; 80], target }
}
