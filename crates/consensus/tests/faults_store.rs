//! The store fails: at any commit, for good (the power is out and the process with it) or for a moment. Every test shows that
//! the fault happened.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::*;
use health_chain_consensus::{Accepted, Chain};
use health_chain_data::{Block, BlockId, Header};
use proptest::{prelude::*, sample::Index};

/// A scene with everything in it: a chain, a heavier branch whose bodies come before their ancestor's, an invalid block on
/// a still heavier one, and a branch that wins in the end.
fn scene() -> Vec<Step> {
    let mut mark = 0;
    let mut row = |parent: &Header, weight: u32, count: usize, invalid: Option<usize>| {
        let mut parent = parent.clone();
        (0..count)
            .map(|index| {
                mark += 1;
                let key = (mark % 5) as u8;
                let mut content = vec![transaction(ADD, key, mark), transaction(DELETE, key + 1, mark)];
                if invalid == Some(index) {
                    content.push(transaction(REFUSED, 0, mark));
                }
                let block = block_on(&parent, weight, mark, content);
                parent = block.header.clone();
                block
            })
            .collect::<Vec<Block>>()
    };
    let root = genesis().block().header;
    let first = row(&root, 2, 4, None);
    let second = row(&first[0].header, 3, 4, None);
    let third = row(&second[0].header, 4, 5, Some(2));
    let fourth = row(&first[1].header, 9, 3, None);
    let mut steps: Vec<Step> = first.iter().cloned().map(Step::Block).collect();
    steps.push(Step::Headers(second.iter().map(|block| block.header.clone()).collect()));
    steps.extend(second.iter().rev().cloned().map(Step::Block));
    steps.push(Step::Headers(third.iter().map(|block| block.header.clone()).collect()));
    steps.extend(third.iter().rev().cloned().map(Step::Block));
    steps.extend(fourth.iter().cloned().map(Step::Block));
    steps
}

#[derive(Debug, Clone)]
enum Step {
    Headers(Vec<Header>),
    Block(Block),
}

fn take(chain: &mut Chain, step: &Step) -> Option<Accepted> {
    match step {
        Step::Headers(headers) => {
            let _ = chain.accept_headers(NOW, headers);
            None
        }
        Step::Block(block) => offer(chain, block).ok(),
    }
}

/// The scene without any fault: its end and how many commits it takes.
fn undisturbed(steps: &[Step]) -> (BlockId, usize) {
    let disk = Disk::default();
    let mut chain = open(disk.clone());
    steps.iter().for_each(|step| drop(take(&mut chain, step)));
    assert_replays(&chain);
    (chain.tip().id, disk.count())
}

/// Runs the scene until the power goes out at commit `cut`, and again at commit `second_cut` after the restart.
fn with_power_cuts(steps: &[Step], cut: usize, second_cut: usize) -> (Chain, Disk) {
    let disk = Disk::failing(cut, usize::MAX);
    if let Ok(mut chain) = try_open(disk.clone()) {
        for step in steps {
            take(&mut chain, step);
        }
        // Whatever the chain in memory believes now, the process is gone.
    }
    assert!(disk.repair() > 0, "the power went out");

    // Another one while starting again: opening finishes what was cut short, which takes commits itself.
    *disk.failing.lock().unwrap() = (disk.count() + second_cut, usize::MAX);
    drop(try_open(disk.clone()));
    disk.repair();
    (open(disk.clone()), disk)
}

#[test]
fn a_power_cut_before_any_commit() {
    let steps = scene();
    let (end, commits) = undisturbed(&steps);
    let mut cut_while_opening = 0;
    for cut in 0..commits {
        for second_cut in 0..4 {
            let (mut chain, disk) = with_power_cuts(&steps, cut, second_cut);
            cut_while_opening += usize::from(disk.failed.load(std::sync::atomic::Ordering::SeqCst) > 1);
            assert_replays(&chain);
            let reached = chain.weight();
            for step in &steps {
                take(&mut chain, step);
                assert!(chain.weight() >= reached, "what was connected is not lost");
            }
            assert_eq!(chain.tip().id, end, "cut before commit {cut}");
            assert_replays(&chain);
        }
    }
    assert!(cut_while_opening > 0, "some cuts hit a recovery");
}

#[test]
fn what_was_acknowledged_is_there_after_a_power_cut() {
    let steps = scene();
    let (_, commits) = undisturbed(&steps);
    for cut in 1..commits {
        let disk = Disk::failing(cut, usize::MAX);
        let mut chain = open(disk.clone());
        let mut acknowledged = chain.weight();
        let mut stored = Vec::new();
        for step in &steps {
            if let (Some(accepted), Step::Block(block)) = (take(&mut chain, step), step) {
                stored.push(block.id());
                if matches!(accepted, Accepted::Connected(_)) {
                    acknowledged = chain.weight();
                }
            }
        }
        drop(chain);
        assert!(disk.repair() > 0);
        let chain = open(disk);
        assert!(chain.weight() >= acknowledged);
        assert!(stored.iter().all(|id| chain.header(id).is_some()));
    }
}

/// One commit fails and the process lives on: the same blocks offered again bring it to the same end, and whoever followed the
/// reported changes of tip is where the chain is.
#[test]
fn a_commit_that_fails_once() {
    let steps = scene();
    let (end, commits) = undisturbed(&steps);
    for fault in 1..commits {
        let disk = Disk::failing(fault, fault + 1);
        let mut chain = open(disk.clone());
        let mut mirror = main_chain(&chain);
        for step in steps.iter().chain(&steps) {
            if let Some(Accepted::Connected(change)) = take(&mut chain, step) {
                for id in &change.disconnected {
                    assert_eq!(mirror.pop().as_ref(), Some(id), "fault at commit {fault}");
                }
                mirror.extend(change.connected);
            }
            assert_replays(&chain);
        }
        assert_eq!(disk.repair(), 1, "the commit failed");
        assert_eq!(chain.tip().id, end, "fault at commit {fault}");
        assert_eq!(main_chain(&chain), mirror, "fault at commit {fault}");
        let before = (chain.tip(), chain.locator());
        drop(chain);
        let chain = open(disk);
        assert_eq!((chain.tip(), chain.locator()), before, "fault at commit {fault}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The same with the steps in any order.
    #[test]
    fn a_power_cut_in_any_order_of_events(order in prop::collection::vec(any::<Index>(), 32), cut in any::<Index>(), second in 0_usize..4) {
        let mut rest = scene();
        let count = rest.len();
        rest.sort_by_key(|step| matches!(step, Step::Block(_)));
        let steps: Vec<Step> = order.iter().take(count).map(|index| rest.swap_remove(index.index(rest.len()))).collect();
        let (_, commits) = undisturbed(&steps);
        let (mut chain, _) = with_power_cuts(&steps, cut.index(commits), second);
        assert_replays(&chain);
        let reached = chain.weight();
        // Blocks without a known parent were refused on the way, and come again.
        let sorted = scene();
        for step in steps.iter().chain(&sorted) {
            take(&mut chain, step);
        }
        let mut clean = open(Disk::default());
        sorted.iter().for_each(|step| drop(take(&mut clean, step)));
        prop_assert!(chain.weight() >= reached);
        prop_assert_eq!(chain.weight(), clean.weight());
        assert_replays(&chain);
    }
}
