//! Validators that change while the chain goes on: admitted, removed, out of turn or in it, away meanwhile, or with nothing to lose.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{collections::BTreeSet, sync::Arc};

use common::{SharedStore, World, follower, follower_on, parts, secret, validator};
use health_chain_consensus::{
    Accepted, BlockError, Chain, Checkpoint, HeaderError, OpenError,
    ports::FixedStake,
    validators::{epochs, validators_at},
};
use health_chain_consensus_bft::{Bft, BftParameters, Claim};
use health_chain_data::{
    Block, Header, Height, Millis, PublicKey,
    state::{MemoryStore, state_hash},
};

const MINUTE: u64 = 60_000;
/// Heights of an epoch.
const EPOCH: u32 = 5;

/// Whose precommits are on record at a height.
fn deciders(world: &World, height: u32) -> BTreeSet<usize> {
    let decides = |claim: &Claim| matches!(claim, Claim::Precommit(Some(_)));
    let said = world.said.iter().filter(|((at, ..), statement)| at.0 == height && decides(&statement.claim));
    said.map(|((.., node), _)| *node).collect()
}

fn chain(world: &World, node: usize) -> &Chain {
    world.nodes[node].chain.as_ref().unwrap()
}

fn blocks(chain: &Chain) -> Vec<Block> {
    let at = |height| chain.block(&chain.block_id_at(Height(height)).unwrap()).unwrap().unwrap();
    (1..=chain.tip().height.0).map(at).collect()
}

fn headers(chain: &Chain) -> Vec<Header> {
    blocks(chain).into_iter().map(|block| block.header).collect()
}

fn now(world: &World) -> Millis {
    Millis(world.now)
}

/// Two are admitted and two removed, the first of them the one whose turn comes first in the next epoch.
fn changed(seed: u64) -> World {
    let mut world = World::changing(6, 4, EPOCH, seed);
    world.appointment = Some((2, vec![(2, 1), (3, 1), (4, 1), (5, 1)]));
    world.start_all();
    assert!(world.run_to(3 * EPOCH + 2, 5 * MINUTE), "seed {seed}");
    world
}

#[test]
fn sets_change_at_the_end_of_an_epoch_and_nowhere_else() {
    for seed in 0..6 {
        let world = changed(seed);
        world.check_agreement();
        assert!(world.nodes.iter().all(|node| node.accusations.is_empty()), "seed {seed}: an honest one is accused");
        for height in 1..=EPOCH {
            assert!(deciders(&world, height).iter().all(|node| *node < 4), "seed {seed}, height {height}");
        }
        for height in EPOCH + 1..=3 * EPOCH {
            assert!(deciders(&world, height).iter().all(|node| *node >= 2), "seed {seed}, height {height}");
            assert!(deciders(&world, height).len() >= 3, "seed {seed}, height {height}");
        }
        // The state knows it, too, on all nodes alike.
        let state = chain(&world, 0).state();
        let keys = |height| -> BTreeSet<PublicKey> {
            validators_at(state, Height(height)).unwrap().unwrap().iter().map(|one| one.key).collect()
        };
        let expected = |numbers: [usize; 4]| numbers.map(|number| secret(number).public_key()).into_iter().collect();
        assert_eq!(epochs(state).unwrap().unwrap().blocks, EPOCH);
        assert_eq!((keys(1), keys(EPOCH)), (expected([0, 1, 2, 3]), expected([0, 1, 2, 3])));
        assert_eq!((keys(EPOCH + 1), keys(3 * EPOCH)), (expected([2, 3, 4, 5]), expected([2, 3, 4, 5])));
        assert_eq!(validators_at(state, Height(4 * EPOCH + 1)).unwrap(), None, "nobody knows yet");
        let shared = chain(&world, 0).replay().unwrap();
        assert_eq!(shared, state_hash(state).unwrap(), "what was recorded is made again from the blocks");
    }
}

#[test]
fn sets_that_nobody_answers_for_any_more_are_forgotten() {
    let mut world = World::changing(4, 4, 2, 1);
    world.start_all();
    assert!(world.run_to(20, 5 * MINUTE));
    let state = chain(&world, 0).state();
    let known = |height| validators_at(state, Height(height)).unwrap().is_some();
    let answerable = |height| epochs(state).unwrap().unwrap().is_answerable(Height(height), Height(20));
    assert!(!known(1) && (1..=20).all(|height| known(height) || !answerable(height)));
}

#[test]
fn all_but_one_leave_and_power_decides() {
    let mut world = World::changing(5, 4, EPOCH, 3);
    world.appointment = Some((1, vec![(3, 1), (4, 9)]));
    world.start_all();
    assert!(world.run_to(EPOCH + 6, 5 * MINUTE));
    world.check_agreement();
    // Nine of ten votes are a quorum, so the last of the old ones is not needed.
    world.stop(3);
    let before = world.height(4);
    assert!(world.run_to(before + 4, 5 * MINUTE));
    assert!(world.said.iter().any(|((height, ..), _)| height.0 > before + 1));
}

#[test]
fn changes_and_losses_together_cost_time_and_no_agreement() {
    let mut lost = 0;
    for seed in 0..4 {
        let mut world = World::changing(5, 4, 3, seed);
        world.lost_per_mille = 150;
        world.start_all();
        // Another set in every epoch.
        for (epoch, absent) in (1..).zip([0, 3, 1, 4, 2]) {
            let set = (0..5).filter(|number| *number != absent).map(|number| (number, 1 + number as u32)).collect();
            world.appointment = Some((0, set));
            assert!(world.run_to(3 * epoch, 20 * MINUTE), "seed {seed}, epoch {epoch}");
        }
        world.check_agreement();
        assert!(world.nodes.iter().all(|node| node.accusations.is_empty()), "seed {seed}: an honest one is accused");
        lost += world.lost;
    }
    assert!(lost > 100, "messages were lost: {lost}");
}

#[test]
fn one_that_joins_late_catches_up_over_all_epochs_and_decides() {
    let mut world = World::changing(5, 4, EPOCH, 7);
    world.appointment = Some((2, vec![(1, 1), (2, 1), (3, 1), (4, 1)]));
    (0..4).for_each(|node| world.start(node));
    // Three of four are a quorum, so it goes on while the new one is not there.
    assert!(world.run_to(3 * EPOCH, 5 * MINUTE));
    world.start(4);
    let before = world.height(1);
    assert!(world.run_to(before + 6, 5 * MINUTE));
    world.check_agreement();
    assert!((before..before + 6).any(|height| deciders(&world, height).contains(&4)), "it votes");
    // Without it there is no quorum any more.
    world.stop(1);
    let before = world.height(2);
    assert!(world.run_to(before + 3, 5 * MINUTE));
}

#[test]
fn headers_alone_show_who_decided_across_epochs() {
    let world = changed(11);
    let headers = headers(chain(&world, 0));
    let mut light = follower(&world.genesis, None).unwrap();
    assert_eq!(light.accept_headers(now(&world), &headers).unwrap(), headers.len());
    assert_eq!(light.tip().height, Height::ZERO, "no block was run");

    // A set that nobody voted for is refused at the header that names it, and one of its own at the next.
    let last = EPOCH as usize - 1;
    let mut forged = headers[..=last].to_vec();
    forged[last].seal[1..37].rotate_left(1);
    let mut light = follower(&world.genesis, None).unwrap();
    let error = light.accept_headers(now(&world), &forged).unwrap_err();
    assert!(["bft-successors", "bft-certificate-signature"].contains(&error.rule()), "{}", error.rule());
    forged[last].seal = headers[last].seal[1 + 4 * 36..].to_vec();
    let error = light.accept_headers(now(&world), &forged[last..]).unwrap_err();
    assert_eq!(error.rule(), "bft-successors", "an epoch does not end without successors");
}

#[test]
fn a_quorum_that_lies_about_the_state_is_found_out() {
    let world = changed(12);
    let engine = Bft::follower(&world.genesis).unwrap();
    // This node's state has other successors: as if the quorum had made them up.
    let engine = engine.with_stakes(Arc::new(FixedStake(vec![validator(0, 1)])));
    let mut honest = Chain::open(parts(engine, Box::<MemoryStore>::default()), &world.genesis).unwrap();
    let blocks = blocks(chain(&world, 0));
    let last = EPOCH as usize - 1;
    for block in &blocks[..last] {
        honest.accept_block(now(&world), block.clone()).unwrap();
    }
    let error = honest.accept_block(now(&world), blocks[last].clone()).unwrap_err();
    assert!(matches!(error, BlockError::Succession(_)), "{error}");
    assert_eq!((error.rule(), honest.tip().height), ("bft-successors-others", Height(EPOCH - 1)));
    let above = honest.accept_headers(now(&world), &[blocks[last + 1].header.clone()]).unwrap_err();
    assert!(matches!(above, HeaderError::Invalid { .. }));
}

/// Two histories that the same founders have signed: what they did, and what they make up when they have nothing to lose any more.
#[test]
fn a_made_up_past_convinces_nobody_who_was_there_or_was_told() {
    let (world, mut other) = (changed(1), World::changing(6, 4, EPOCH, 2));
    other.now += 1_000;
    other.start_all();
    assert!(other.run_to(4 * EPOCH, 5 * MINUTE), "it is longer");
    assert_eq!(world.genesis.chain_id(), other.genesis.chain_id());
    let (real, made_up) = (blocks(chain(&world, 0)), headers(chain(&other, 0)));
    assert!(made_up.len() > real.len() && made_up[0].id() != real[0].id());

    // Whoever has followed the chain is not impressed.
    let mut present = follower(&world.genesis, None).unwrap();
    for block in &real {
        present.accept_block(now(&world), block.clone()).unwrap();
    }
    let error = present.accept_headers(now(&other), &made_up).unwrap_err();
    assert!(
        matches!(error, HeaderError::Final { height, block } if height.0 as usize == real.len() && block == present.tip().id)
    );

    // A newcomer can't tell, unless it is told one block.
    let mut newcomer = follower(&world.genesis, None).unwrap();
    assert_eq!(newcomer.accept_headers(now(&other), &made_up).unwrap(), made_up.len());
    let checkpoint = Checkpoint { height: Height(EPOCH + 2), block: real[EPOCH as usize + 1].id() };
    let mut told = follower(&world.genesis, Some(checkpoint)).unwrap();
    let error = told.accept_headers(now(&other), &made_up).unwrap_err();
    assert!(matches!(error, HeaderError::Checkpoint { height, .. } if height == checkpoint.height), "{error}");
    // Up to there the headers are as good as the real ones, so their blocks have to wait.
    assert_eq!((told.best_header().1, told.missing_bodies(9)), (Height(checkpoint.height.0 - 1), vec![]));
    let made_up_blocks = blocks(chain(&other, 0));
    for block in &made_up_blocks[..checkpoint.height.0 as usize - 1] {
        assert_eq!(told.accept_block(now(&other), block.clone()).unwrap(), Accepted::Stale);
    }
    assert_eq!(told.tip().height, Height::ZERO, "nothing is final that may be made up");
    assert_eq!(told.accept_headers(now(&world), &headers(chain(&world, 0))).unwrap(), real.len());
    assert_eq!(told.missing_bodies(1), [real[0].id()]);
    for block in &real {
        told.accept_block(now(&world), block.clone()).unwrap();
    }
    assert_eq!(told.tip().id, real[real.len() - 1].id());
    let error = told.accept_block(now(&other), made_up_blocks[0].clone()).unwrap_err();
    assert_eq!(error.rule(), "invalid-block");

    // A store that was led astray does not open under the checkpoint.
    let opened = follower_on(&other.nodes[0].disk, &world.genesis, Some(checkpoint));
    assert!(matches!(opened, Err(OpenError::Checkpoint { .. })));
}

#[test]
fn a_store_that_was_led_astray_below_the_checkpoint_is_found_out_once_that_is_known() {
    let (world, mut other) = (changed(1), World::changing(6, 4, EPOCH, 2));
    other.now += 1_000;
    other.start_all();
    assert!(other.run_to(4, 5 * MINUTE));
    let (real, made_up) = (blocks(chain(&world, 0)), blocks(chain(&other, 0)));
    let checkpoint = Checkpoint { height: Height(EPOCH + 2), block: real[EPOCH as usize + 1].id() };
    let disk = SharedStore::default();
    let mut astray = follower_on(&disk, &world.genesis, None).unwrap();
    for block in &made_up[..3] {
        astray.accept_block(now(&other), block.clone()).unwrap();
    }
    drop(astray);
    // As long as nothing is known of the checkpoint, the branch may lead there. No further step is taken on it.
    let mut told = follower_on(&disk, &world.genesis, Some(checkpoint)).unwrap();
    assert_eq!(told.accept_block(now(&other), made_up[3].clone()).unwrap(), Accepted::Stale);
    assert_eq!(told.tip().height, Height(3));
    let lead = EPOCH as usize + 2;
    assert_eq!(told.accept_headers(now(&world), &headers(chain(&world, 0))[..lead]).unwrap(), lead);
    drop(told);
    let opened = follower_on(&disk, &world.genesis, Some(checkpoint));
    assert!(matches!(opened, Err(OpenError::Checkpoint { height, .. }) if height == checkpoint.height));
}

#[test]
fn one_that_can_never_decide_is_told_so() {
    let genesis = common::genesis(&BftParameters::equal([secret(0).public_key()]));
    assert!(Bft::validator(&genesis, Box::new(secret(1))).is_err());
    let world = World::changing(1, 1, EPOCH, 0);
    assert!(Bft::validator(&world.genesis, Box::new(secret(1))).is_ok(), "it may be appointed");
}
