//! Validators, few and many, over a network that falls apart: as many as an engine allows agree, and after every partition they
//! decide again within ten rounds.
//!
//! `HEALTH_CHAIN_BFT_SEEDS` sets how many partitions there are.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod common;

use std::env;

use common::{Random, World};
use health_chain_consensus_bft::{Certificate, limits::MAX_VALIDATORS};
use health_chain_data::Height;

const MINUTE: u64 = 60_000;
const SEEDS: u64 = 24;
const SEEDS_VARIABLE: &str = "HEALTH_CHAIN_BFT_SEEDS";
/// Rounds within which validators who hear each other again decide.
const ROUNDS: u32 = 10;

#[test]
fn four_to_a_hundred_validators_agree() {
    for (count, heights) in [(4, 10), (7, 8), (10, 5), (31, 2), (MAX_VALIDATORS, 1)] {
        let mut world = World::new(count, count as u64);
        world.is_relayed = count < MAX_VALIDATORS;
        world.start_all();
        assert!(world.run_to(heights, MINUTE), "{count} validators stand still");
        world.check_agreement();
        assert!(world.named.is_empty(), "{count} validators: an honest one is accused");
        let last = (Height(heights), 0, 2);
        let precommits = world.said.keys().filter(|(height, round, kind, _)| (*height, *round, *kind) == last).count();
        assert!(precommits * 3 > count * 2, "{precommits} of {count} had their say");
    }
}

/// In which round `height` was decided, by the certificate that node 0 has.
fn round_of(world: &World, height: u32) -> u32 {
    let chain = world.nodes[0].chain.as_ref().unwrap();
    let header = chain.header(&chain.block_id_at(Height(height)).unwrap()).unwrap();
    Certificate::from_bytes(&header.seal, world.nodes.len()).unwrap().round
}

#[test]
fn healed_partitions_and_losses_cost_ten_rounds_at_most() {
    let seeds = env::var(SEEDS_VARIABLE).map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let (mut stopped, mut lost, mut worst) = (0, 0, 0);
    for seed in 0..seeds {
        let mut random = Random(seed);
        let count = if seed % 3 == 0 { 7 } else { 4 };
        let mut world = World::new(count, seed);
        world.lost_per_mille = random.below(400);
        world.start_all();
        world.run_to(1 + random.below(3) as u32, MINUTE);
        let sides = 2 + random.below(2);
        world.sides = (0..count).map(|_| random.below(sides) as usize).collect();
        let before = world.highest();
        world.run_to(u32::MAX, 5_000 + random.below(MINUTE));
        stopped += u64::from(world.highest() <= before + 1);
        lost += world.lost;

        let (height, round, ..) = *world.said.keys().next_back().unwrap();
        world.heal();
        let goal = height.0.max(world.highest()) + 2;
        assert!(world.run_to(goal, 10 * MINUTE), "seed {seed}: they stand still after the partition");
        world.check_agreement();
        assert!(world.named.is_empty(), "seed {seed}: an honest one is accused");
        let after =
            |at: u32| if at == height.0 { round_of(&world, at).saturating_sub(round) } else { round_of(&world, at) };
        worst = (height.0..=goal).map(after).max().unwrap().max(worst);
        assert!(worst <= ROUNDS, "seed {seed}: {worst} rounds after healing");
    }
    println!(
        "{seeds} partitions, {stopped} of them without a quorum, {lost} messages lost, at most {worst} rounds to decide after them"
    );
    assert!(stopped > seeds / 4 && lost > 1_000, "something was broken: {stopped} partitions, {lost} messages");
}
