//! What a chain answers, and what it does with blocks in the order in which they come.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::*;
use health_chain_consensus::{Accepted, Chain, Checkpoint, OpenError, TipChange, limits::SIDE_BODY_DEPTH_BLOCKS};
use health_chain_data::{
    Block, BlockId, Genesis, Header, Height, Timestamp,
    ports::{ChainStore, StateView},
    state::{Changes, MemoryStore, Table},
};

/// A row of blocks on `parent`, each of `weight`.
fn row(parent: &Header, weight: u32, mark: u32, count: u32) -> Vec<Block> {
    let mut parent = parent.clone();
    (0..count)
        .map(|index| {
            let block = block_on(&parent, weight, mark, vec![transaction(ADD, mark as u8, index)]);
            parent = block.header.clone();
            block
        })
        .collect()
}

fn ids(blocks: &[Block]) -> Vec<BlockId> {
    blocks.iter().map(Block::id).collect()
}

fn offer_all(chain: &mut Chain, blocks: &[Block]) {
    for block in blocks {
        offer(chain, block).unwrap();
    }
}

#[test]
fn most_weight_wins_and_not_most_blocks() {
    let mut chain = open(MemoryStore::default());
    let root = chain.tip().header;
    let (many, heavy) = (row(&root, 1, 1, 9), row(&root, 5, 2, 2));
    offer_all(&mut chain, &many);
    assert_eq!(offer(&mut chain, &heavy[0]).unwrap(), Accepted::Side);
    let mut disconnected = ids(&many);
    disconnected.reverse();
    let change = TipChange { disconnected, connected: ids(&heavy) };
    assert_eq!(offer(&mut chain, &heavy[1]).unwrap(), Accepted::Connected(change));
    assert_eq!(chain.tip().height, Height(2));
    assert_eq!(offer(&mut chain, &heavy[1]).unwrap(), Accepted::Known);
    assert_replays(&chain);
}

#[test]
fn of_equal_branches_the_first_one_stays_also_after_a_restart() {
    let disk = Disk::default();
    let mut chain = open(disk.clone());
    let root = chain.tip().header;
    let (early, late) = (row(&root, 2, 1, 2), row(&root, 2, 2, 2));
    // The late branch's headers come first, but its bodies last.
    chain.accept_headers(NOW, &[late[0].header.clone(), late[1].header.clone()]).unwrap();
    offer_all(&mut chain, &early);
    offer_all(&mut chain, &late);
    assert_eq!(chain.tip().id, early[1].id());
    drop(chain);
    assert_eq!(open(disk).tip().id, early[1].id());
}

#[test]
fn bodies_may_come_in_any_order() {
    let mut chain = open(MemoryStore::default());
    let blocks = row(&chain.tip().header, 1, 1, 5);
    let headers: Vec<Header> = blocks.iter().map(|block| block.header.clone()).collect();
    assert_eq!(chain.accept_headers(NOW, &headers).unwrap(), 5);
    assert_eq!(chain.accept_headers(NOW, &headers).unwrap(), 0);
    assert_eq!(chain.best_header(), (blocks[4].id(), Height(5)));
    assert_eq!(chain.tip().height, Height(0));
    assert_eq!(chain.missing_bodies(3), ids(&blocks[..3]));
    for index in [4, 1, 3, 2] {
        assert_eq!(offer(&mut chain, &blocks[index]).unwrap(), Accepted::Waiting);
    }
    assert_eq!(chain.missing_bodies(9), ids(&blocks[..1]));
    let change = TipChange { disconnected: vec![], connected: ids(&blocks) };
    assert_eq!(offer(&mut chain, &blocks[0]).unwrap(), Accepted::Connected(change));
    assert_eq!(chain.missing_bodies(9), []);
}

#[test]
fn an_invalid_block_on_the_heavier_branch_leads_back_to_the_best_valid_one() {
    let mut chain = open(MemoryStore::default());
    let root = chain.tip().header;
    let best = row(&root, 10, 1, 3);
    offer_all(&mut chain, &best);
    let mut other = row(&root, 1, 2, 2);
    other.push(block_on(&other[1].header, 1, 2, vec![transaction(REFUSED, 0, 0)]));
    other.extend(row(&other[2].header, 20, 3, 2));
    for block in &other[..4] {
        assert_eq!(offer(&mut chain, block).unwrap(), Accepted::Side);
    }
    let error = offer(&mut chain, &other[4]).unwrap_err();
    assert_eq!(error.rule(), "invalid-ancestor");
    assert!(!error.is_senders_fault());
    assert_eq!(main_chain(&chain)[1..], ids(&best));
    assert_eq!(chain.best_header().0, best[2].id(), "headers above an invalid block do not count");
    for block in &other[2..] {
        assert_eq!(chain.block(&block.id()).unwrap(), None);
        assert_eq!(offer(&mut chain, block).unwrap_err().rule(), "invalid-block");
    }
    assert!(chain.block(&other[1].id()).unwrap().is_some(), "the valid part stays");
    assert_replays(&chain);
}

#[test]
fn questions() {
    let mut chain = open(MemoryStore::default());
    let root = chain.tip().header;
    let (blocks, side) = (row(&root, 1, 1, 100), row(&root, 1, 2, 3));
    offer_all(&mut chain, &blocks);
    offer_all(&mut chain, &side);

    assert_eq!(chain.block_id_at(Height(100)), Some(blocks[99].id()));
    assert_eq!(chain.block_id_at(Height(101)), None);
    assert_eq!(chain.block(&side[1].id()).unwrap().as_ref(), Some(&side[1]));
    assert!(chain.is_on_main_chain(&blocks[0].id()) && !chain.is_on_main_chain(&side[0].id()));
    assert_eq!(chain.height_of(&side[2].id()), Some(Height(3)));
    assert_eq!(chain.confirmations(&blocks[99].id()), 1);
    assert_eq!(chain.confirmations(&root.id()), 101);
    assert_eq!(chain.confirmations(&side[2].id()), 0);
    assert_eq!(chain.next_context().height, Height(101));
    assert_eq!(chain.next_context().median_time_past, blocks[94].header.time);

    let locator = chain.locator();
    assert_eq!(locator[..10], blocks[90..].iter().rev().map(Block::id).collect::<Vec<_>>());
    assert_eq!(locator[10..12], [blocks[88].id(), blocks[84].id()]);
    assert_eq!(locator.last(), Some(&root.id()));

    let headers = |range: &[Block]| range.iter().map(|block| block.header.clone()).collect::<Vec<_>>();
    assert_eq!(chain.headers_after(&locator, 10), []);
    assert_eq!(chain.headers_after(&[side[2].id(), blocks[49].id()], 3), headers(&blocks[50..53]));
    assert_eq!(chain.headers_after(&[], 2), headers(&blocks[..2]));
    assert_eq!(chain.headers_after(&[blocks[97].id()], 100), headers(&blocks[98..]));
}

#[test]
fn blocks_far_below_the_tip_are_not_stored() {
    let mut chain = open(MemoryStore::default());
    let root = chain.tip().header;
    offer_all(&mut chain, &row(&root, 1, 1, SIDE_BODY_DEPTH_BLOCKS + 2));
    let side = row(&root, 1, 2, 2);
    assert_eq!(offer(&mut chain, &side[0]).unwrap(), Accepted::Stale);
    assert_eq!(chain.block(&side[0].id()).unwrap(), None);
    assert_eq!(offer(&mut chain, &side[1]).unwrap(), Accepted::Waiting);
    // Should the branch become the heaviest, they are asked for and stored.
    let heavy = block_on(&side[1].header, 1_000, 3, vec![]);
    chain.accept_headers(NOW, std::slice::from_ref(&heavy.header)).unwrap();
    assert_eq!(chain.missing_bodies(9), [side[0].id(), heavy.id()]);
    offer_all(&mut chain, &[side[0].clone(), heavy.clone()]);
    assert_eq!(chain.tip().id, heavy.id());
    assert_replays(&chain);
}

#[test]
fn only_what_leads_to_the_checkpoint_is_connected_however_heavy_the_rest_is() {
    let disk = Disk::default();
    let root = genesis().block().header;
    let (heavy, mut told) = (row(&root, 9, 1, 3), row(&root, 1, 2, 3));
    told.extend(row(&told[2].header, 1, 3, 2));
    let high = row(&told[0].header, 9, 4, 2);
    // Before its owner was told, the node has taken what there was.
    let mut chain = open(disk.clone());
    offer_all(&mut chain, &[told[0].clone(), high[0].clone()]);
    offer_all(&mut chain, &told[1..2]);
    assert_eq!(chain.tip().id, high[0].id());
    drop(chain);
    let checkpoint = Checkpoint { height: Height(4), block: told[3].id() };
    let open_told = |disk: &Disk| Chain::open_at(parts(disk.clone(), ToyEngine), &genesis(), Some(checkpoint));
    let mut chain = open_told(&disk).unwrap();
    assert_eq!(offer(&mut chain, &heavy[0]).unwrap(), Accepted::Stale);
    assert_eq!(offer(&mut chain, &high[1]).unwrap(), Accepted::Stale);
    assert_eq!((chain.tip().id, chain.missing_bodies(9)), (high[0].id(), vec![]));
    // Then it is told to take a branch that it has left.
    for block in &told[2..4] {
        chain.accept_headers(NOW, std::slice::from_ref(&block.header)).unwrap();
    }
    assert!(matches!(open_told(&disk), Err(OpenError::Checkpoint { height: Height(4), .. })));

    let disk = Disk::default();
    let mut chain = open_told(&disk).unwrap();
    offer_all(&mut chain, &heavy);
    offer_all(&mut chain, &told[..3]);
    assert_eq!(chain.tip().height, Height::ZERO);
    chain.accept_headers(NOW, std::slice::from_ref(&told[3].header)).unwrap();
    assert_eq!(chain.best_header().0, told[3].id());
    assert_eq!(chain.missing_bodies(9), ids(&told[..4]));
    offer_all(&mut chain, &told);
    assert_eq!(chain.tip().id, told[4].id());
    assert_eq!(offer(&mut chain, &heavy[0]).unwrap_err().rule(), "invalid-block");
    let late = block_on(&told[1].header, 99, 5, vec![]);
    assert_eq!(offer(&mut chain, &late).unwrap_err().rule(), "checkpoint");
    assert_replays(&chain);
    drop(chain);
    assert_eq!(open_told(&disk).unwrap().tip().id, told[4].id());
}

#[test]
fn bodies_of_branches_that_the_checkpoint_excludes_are_dropped() {
    let disk = Disk::default();
    let root = genesis().block().header;
    let (told, other) = (row(&root, 9, 1, 2), row(&root, 1, 2, 2));
    let mut chain = open(disk.clone());
    offer_all(&mut chain, &told);
    offer_all(&mut chain, &other);
    drop(chain);
    let checkpoint = Checkpoint { height: Height(1), block: told[0].id() };
    let chain = Chain::open_at(parts(disk.clone(), ToyEngine), &genesis(), Some(checkpoint)).unwrap();
    assert_eq!((chain.tip().id, chain.block(&other[1].id()).unwrap()), (told[1].id(), None));
    assert_eq!(disk.get(Table::BODIES, other[1].id().as_bytes()).unwrap(), None);
    drop(chain);
    // Who takes the checkpoint back can have them again.
    let mut chain = open(disk);
    assert_eq!(chain.tip().id, told[1].id());
    offer_all(&mut chain, &other);
    assert_eq!(chain.block(&other[1].id()).unwrap().as_ref(), Some(&other[1]));
}

#[test]
fn a_damaged_body_is_asked_for_again() {
    let disk = Disk::default();
    let mut chain = open(disk.clone());
    let root = chain.tip().header;
    let (first, second) = (row(&root, 1, 1, 3), row(&root, 1, 2, 4));
    offer_all(&mut chain, &first);
    offer_all(&mut chain, &second[..3]);
    let mut damage = Changes::default();
    damage.put(Table::BODIES, *second[1].id().as_bytes(), [1]);
    disk.store.lock().unwrap().commit(&damage).unwrap();
    assert_eq!(offer(&mut chain, &second[3]).unwrap(), Accepted::Waiting);
    assert_eq!(chain.tip().id, first[2].id(), "back on the best branch that is whole");
    assert_eq!(chain.missing_bodies(9), [second[1].id()]);
    offer(&mut chain, &second[1]).unwrap();
    assert_eq!(chain.tip().id, second[3].id());
    assert_replays(&chain);
}

#[test]
fn a_store_of_another_chain_is_refused() {
    let disk = Disk::default();
    let other = Genesis::new("other", Timestamp(1_000), 1_u32.to_le_bytes().to_vec());
    let mut changes = Changes::default();
    changes.put(Table::META, *b"chain", *other.chain_id().as_bytes());
    disk.clone().commit(&changes).unwrap();
    let before = disk.snapshot();
    assert!(matches!(
        try_open(disk.clone()),
        Err(OpenError::OtherChain { found, expected }) if found == other.chain_id() && expected == genesis().chain_id()
    ));
    assert_eq!(disk.snapshot(), before);
}

#[test]
fn local_tables_are_kept_apart_from_the_chain() {
    let disk = Disk::default();
    let mut chain = open(disk.clone());
    let mut changes = Changes::default();
    changes.put(Table(40), *b"seen", *b"yes");
    chain.put_local(&changes).unwrap();
    offer_all(&mut chain, &row(&genesis().block().header, 1, 1, 2));
    drop(chain);
    assert_eq!(open(disk).state().get(Table(40), b"seen").unwrap().unwrap(), b"yes");
}

#[test]
#[should_panic(expected = "tables of the chain change by blocks only")]
fn local_writes_can_not_touch_the_state() {
    let mut changes = Changes::default();
    changes.put(ENTRIES, *b"x", *b"y");
    let _ = open(MemoryStore::default()).put_local(&changes);
}
