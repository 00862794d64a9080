//! Validators of whom up to a third lie, under many seeds: nobody decides differently, and whoever says two things in one place is
//! named within three heights, and nobody else. One liar more, and agreement is lost; the evidence then names them all.
//!
//! `HEALTH_CHAIN_BFT_SEEDS` sets how many seeds are run for each number of liars.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod common;

use std::{collections::BTreeSet, env};

use common::{Conduct, Random, World, secret};
use health_chain_data::{Height, PublicKey};

const MINUTE: u64 = 60_000;
const SEEDS: u64 = 5;
const SEEDS_VARIABLE: &str = "HEALTH_CHAIN_BFT_SEEDS";
/// Heights within which evidence is at hand.
const EVIDENCE_HEIGHTS: u32 = 3;
/// Heights within which the deceived find out: the two halves are not always at the same round of the same height.
const HEALING_HEIGHTS: u32 = 20;
const CONDUCTS: [Conduct; 5] =
    [Conduct::Equivocates, Conduct::Equivocates, Conduct::Contrary, Conduct::Partial, Conduct::Silent];

fn seeds() -> u64 {
    env::var(SEEDS_VARIABLE).map_or(SEEDS, |seeds| seeds.parse().unwrap())
}

fn keys_of(world: &World, conduct: Conduct) -> BTreeSet<PublicKey> {
    let nodes = world.nodes.iter().filter(|node| node.conduct == conduct);
    nodes.map(|node| secret(node.key).public_key()).collect()
}

#[test]
fn up_to_a_third_of_liars_change_nothing_and_those_who_contradict_themselves_are_named() {
    let (mut named, mut kinds) = (0, [0; CONDUCTS.len()]);
    for faults in 1..=3 {
        for seed in 0..seeds() {
            let case = format!("{faults} liars, seed {seed}");
            let mut random = Random(seed * 3 + faults as u64);
            let mut world = World::new(3 * faults + 1, seed);
            for _ in 0..faults {
                let honest = world.nodes.iter().filter(|node| node.conduct == Conduct::Honest).map(|node| node.key);
                let honest: Vec<usize> = honest.collect();
                let kind = random.below(CONDUCTS.len() as u64) as usize;
                kinds[kind] += 1;
                world.nodes[honest[random.below(honest.len() as u64) as usize]].conduct = CONDUCTS[kind];
            }
            world.start_all();
            assert!(world.run_to(EVIDENCE_HEIGHTS + 2, 20 * MINUTE), "{case}: they stand still");
            world.check_agreement();
            world.check_evidence();
            let equivocators = keys_of(&world, Conduct::Equivocates);
            let accused: BTreeSet<PublicKey> = world.named.keys().copied().collect();
            assert_eq!(accused, equivocators, "{case}");
            for (key, lied) in &world.lied {
                let delay = world.named[key] - lied;
                assert!(delay <= EVIDENCE_HEIGHTS, "{case}: {key} lied at {lied} and was named {delay} heights later");
            }
            named += accused.len();
        }
    }
    println!("{} seeds for 1, 2 and 3 liars each, {named} equivocators named, liars by kind {kinds:?}", seeds());
    assert!(kinds.iter().all(|count| *count > 0), "liars of every kind: {kinds:?}");
}

#[test]
fn one_equivocator_too_many_is_named_with_all_the_others() {
    for faults in 1..=3 {
        for seed in 0..seeds() {
            let mut world = World::new(3 * faults + 1, seed);
            world.may_fork = true;
            let first = seed as usize;
            for liar in first..=first + faults {
                world.nodes[liar % (3 * faults + 1)].conduct = Conduct::Equivocates;
            }
            world.start_all();
            // Whether they get anywhere is up to the liars.
            world.run_to(EVIDENCE_HEIGHTS, MINUTE / 4);
            world.check_evidence();
            let accused: BTreeSet<PublicKey> = world.named.keys().copied().collect();
            assert_eq!(accused, keys_of(&world, Conduct::Equivocates), "{faults} + 1 liars, seed {seed}");
        }
    }
}

#[test]
fn those_who_break_agreement_are_named_once_the_deceived_speak_to_each_other() {
    let (mut forks, mut worst) = (0, 0);
    for faults in 1..=3 {
        for seed in 0..seeds() {
            let case = format!("{faults} + 1 with two faces, seed {seed}");
            let mut world = World::two_faced(faults, seed);
            world.start_all();
            assert!(world.run_to(1, 10 * MINUTE), "{case}: each half has a quorum");
            let first = |node: usize| world.nodes[node].chain.as_ref().unwrap().block_id_at(Height(1)).unwrap();
            forks += usize::from(first(0) != first(1));
            let before = world.lowest();
            world.heal();
            (before + 1..before + HEALING_HEIGHTS).find(|height| {
                world.run_to(*height, MINUTE);
                world.named.len() > faults
            });
            world.check_evidence();
            let accused: BTreeSet<PublicKey> = world.named.keys().copied().collect();
            assert_eq!(accused, keys_of(&world, Conduct::TwoFaced), "{case}");
            let delay = world.named.values().max().unwrap() - before;
            worst = worst.max(delay);
        }
    }
    println!("{} seeds for 1, 2 and 3 liars tolerated each: agreement was broken {forks} times", seeds());
    println!("all were named after {worst} heights of the slower half at most");
    assert_eq!(forks as u64, 3 * seeds(), "two faces make two chains");
}
