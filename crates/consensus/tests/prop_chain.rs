//! Properties of the chain on random trees of blocks.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::*;
use health_chain_consensus::{Accepted, Chain};
use health_chain_data::{
    Block, BlockId, Header, Transaction,
    state::{MemoryStore, state_hash},
};
use proptest::{prelude::*, sample::Index};

/// How one block of a random tree is made.
#[derive(Debug, Clone)]
struct Plan {
    parent: Index,
    weight: u32,
    is_invalid: bool,
    writes: Vec<(u8, u8)>,
}

fn plan(invalid_in_ten: u32) -> impl Strategy<Value = Plan> {
    let writes = prop::collection::vec((ADD..=DELETE, 0_u8..4), 0..4);
    (any::<Index>(), 1_u32..4, 0_u32..10, writes).prop_map(move |(parent, weight, invalid, writes)| Plan {
        parent,
        weight,
        is_invalid: invalid < invalid_in_ten,
        writes,
    })
}

fn content(plan: &Plan, mark: u32) -> Vec<Transaction> {
    let write = |(index, (operation, key)): (usize, &(u8, u8))| transaction(*operation, *key, mark << 8 | index as u32);
    let refused = plan.is_invalid.then(|| transaction(REFUSED, 0, mark));
    plan.writes.iter().enumerate().map(write).chain(refused).collect()
}

/// The blocks of a tree, parents before children. A late index as parent makes long branches.
fn grow(plans: &[Plan]) -> Vec<Block> {
    let mut headers = vec![genesis().block().header];
    let mut blocks = Vec::new();
    for (mark, plan) in (0..).zip(plans) {
        let reach = headers.len().min(4);
        let parent = headers[headers.len() - 1 - plan.parent.index(reach)].clone();
        let block = block_on(&parent, plan.weight, mark, content(plan, mark));
        headers.push(block.header.clone());
        blocks.push(block);
    }
    blocks
}

fn shuffled<T: Clone>(items: &[T], order: &[Index]) -> Vec<T> {
    let mut rest = items.to_vec();
    order.iter().take(items.len()).map(|index| rest.swap_remove(index.index(rest.len()))).collect()
}

fn orders() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 24)
}

/// Fork choice as one would write it down: whoever has all bodies below, none of them invalid, and more weight than the tip.
struct Naive {
    headers: Vec<Header>,
    invalid: BTreeSet<BlockId>,
    here: BTreeSet<BlockId>,
    tip: BlockId,
}

impl Naive {
    fn new(blocks: &[Block], plans: &[Plan]) -> Self {
        let invalid = blocks.iter().zip(plans).filter(|(_, plan)| plan.is_invalid).map(|(block, _)| block.id());
        let root = genesis().block().header;
        Self {
            invalid: invalid.collect(),
            here: BTreeSet::from([root.id()]),
            tip: root.id(),
            headers: [root].into_iter().chain(blocks.iter().map(|block| block.header.clone())).collect(),
        }
    }

    /// The weight of a branch, if it is whole and valid.
    fn weight(&self, id: &BlockId) -> Option<u64> {
        let by_id: BTreeMap<BlockId, &Header> = self.headers.iter().map(|header| (header.id(), header)).collect();
        let (mut at, mut sum) = (*id, 0);
        while let Some(header) = by_id.get(&at) {
            if !self.here.contains(&at) || self.invalid.contains(&at) {
                return None;
            }
            sum += u64::from(u32::from_le_bytes(header.seal[..].try_into().unwrap()));
            at = header.parent;
        }
        Some(sum)
    }

    fn arrive(&mut self, id: BlockId) {
        self.here.insert(id);
        let mut best = self.weight(&self.tip).unwrap();
        for header in &self.headers {
            if let Some(weight) = self.weight(&header.id())
                && weight > best
            {
                (best, self.tip) = (weight, header.id());
            }
        }
    }
}

/// Follows the changes of tip that a chain reports.
struct Mirror(Vec<BlockId>);

impl Mirror {
    fn follow(&mut self, accepted: &Accepted) {
        if let Accepted::Connected(change) = accepted {
            for id in &change.disconnected {
                assert_eq!(self.0.pop().as_ref(), Some(id));
            }
            self.0.extend(&change.connected);
        }
    }
}

/// What is left in the state is what the connected blocks wrote: nothing of any other branch, nothing twice, nothing lost.
fn assert_events_are_those_of_the_main_chain(chain: &Chain) {
    let blocks = main_chain(chain).into_iter().skip(1).map(|id| chain.block(&id).unwrap().unwrap());
    let written: BTreeSet<Vec<u8>> = blocks
        .flat_map(|block| block.body.0)
        .filter(|transaction| transaction.payload[0] == ADD)
        .map(|transaction| transaction.id().as_bytes().to_vec())
        .collect();
    let mut found = BTreeSet::new();
    chain.state().scan(EVENTS, &[], &mut |key, _| found.insert(key.to_vec())).unwrap();
    assert_eq!(found, written);
}

fn accept_all_headers(chain: &mut Chain, blocks: &[Block]) {
    let headers: Vec<Header> = blocks.iter().map(|block| block.header.clone()).collect();
    assert_eq!(chain.accept_headers(NOW, &headers).unwrap(), blocks.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Headers first, bodies in any order, some invalid: the tip is always the naive one, the state is always that of a replay,
    /// and after a restart everything is as it was.
    #[test]
    fn fork_choice_is_the_naive_one(plans in prop::collection::vec(plan(1), 1..24), order in orders()) {
        let blocks = grow(&plans);
        let disk = Disk::default();
        let mut chain = open(disk.clone());
        accept_all_headers(&mut chain, &blocks);
        let mut naive = Naive::new(&blocks, &plans);
        let mut mirror = Mirror(vec![genesis().block().id()]);
        for block in shuffled(&blocks, &order) {
            if let Ok(accepted) = offer(&mut chain, &block) {
                mirror.follow(&accepted);
            }
            naive.arrive(block.id());
            prop_assert_eq!(chain.tip().id, naive.tip);
            prop_assert_eq!(&main_chain(&chain), &mirror.0);
        }
        assert_replays(&chain);
        assert_events_are_those_of_the_main_chain(&chain);

        let before = (chain.tip(), chain.weight(), chain.locator(), chain.missing_bodies(100), disk.snapshot());
        drop(chain);
        let chain = open(disk.clone());
        let after = (chain.tip(), chain.weight(), chain.locator(), chain.missing_bodies(100), disk.snapshot());
        prop_assert_eq!(after, before);
    }

    /// Where no two branches weigh the same, the order of arrival does not matter.
    #[test]
    fn the_order_of_arrival_does_not_matter(
        mut plans in prop::collection::vec(plan(1), 1..24),
        orders in [orders(), orders()],
    ) {
        // Powers of two: no two sets of blocks have the same sum.
        for (index, plan) in plans.iter_mut().enumerate() {
            plan.weight = 1 << index;
        }
        let blocks = grow(&plans);
        let ends = orders.map(|order| {
            let mut chain = open(MemoryStore::default());
            accept_all_headers(&mut chain, &blocks);
            for block in shuffled(&blocks, &order) {
                let _ = offer(&mut chain, &block);
            }
            (chain.tip().id, state_hash(chain.state()).unwrap())
        });
        prop_assert_eq!(ends[0], ends[1]);
    }

    /// Away from a branch of 1 to 100 blocks and back: every table that the connected chain determines is bit by bit what it
    /// is where the chain never left the branch.
    #[test]
    fn undo_and_redo_leave_every_table_as_it_was(plans in prop::collection::vec(plan(0), 1..=100), depth in any::<Index>()) {
        let root = genesis().block().header;
        let mut parent = root.clone();
        let branch: Vec<Block> = (0..).zip(&plans).map(|(mark, plan)| {
            let block = block_on(&parent, 1, mark, content(plan, mark));
            parent = block.header.clone();
            block
        }).collect();
        let shared = depth.index(branch.len());
        let fork = if shared == 0 { root } else { branch[shared - 1].header.clone() };
        let away = block_on(&fork, 1_000, 500, vec![transaction(DELETE, 0, 0), transaction(ADD, 1, 0)]);
        let back = block_on(&parent, 2_000, 501, vec![]);

        let run = |blocks: &[&[Block]]| {
            let disk = Disk::default();
            let mut chain = open(disk.clone());
            for block in blocks.concat() {
                offer(&mut chain, &block).unwrap();
            }
            assert_eq!(chain.tip().id, blocks.last().unwrap().last().unwrap().id());
            disk.connected()
        };
        let (away, back) = (&[away][..], &[back][..]);
        prop_assert_eq!(run(&[&branch, away]), run(&[&branch[..shared], away]));
        prop_assert_eq!(run(&[&branch, away, back]), run(&[&branch, back]));
    }
}
