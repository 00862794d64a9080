//! Validators under a seed: whatever is late, lost, silent or lying, no two of them decide differently, and they go on deciding.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Conduct, World, secret};

const MINUTE: u64 = 60_000;

#[test]
fn honest_validators_agree_in_the_first_round() {
    for (count, seeds) in [(1, 1), (4, 20), (7, 5)] {
        for seed in 0..seeds {
            let mut world = World::new(count, seed);
            world.start_all();
            assert!(world.run_to(4, MINUTE), "{count} validators under seed {seed} stand still");
            world.check_agreement();
            assert!(
                world.nodes.iter().all(|node| node.accusations.is_empty()),
                "seed {seed}: an honest one is accused"
            );
        }
    }
}

#[test]
fn one_silent_validator_of_four_holds_nothing_up() {
    for seed in 0..8 {
        let mut world = World::new(4, seed);
        world.nodes[(seed % 4) as usize].conduct = Conduct::Silent;
        world.start_all();
        assert!(world.run_to(6, 2 * MINUTE), "seed {seed}");
        world.check_agreement();
        assert!(world.said.keys().any(|(_, round, ..)| *round > 0), "the silent one's turn was passed over");
    }
}

#[test]
fn without_a_quorum_nobody_decides_and_with_it_again_everybody_does() {
    let mut world = World::new(4, 1);
    world.start_all();
    assert!(world.run_to(2, MINUTE));
    world.stop(0);
    world.stop(1);
    let before = (2..4).map(|node| world.height(node)).max().unwrap();
    assert!(!world.run_to(before + 2, MINUTE), "two of four are no quorum");
    world.start(0);
    assert!(world.run_to(before + 3, MINUTE));
    world.start(1);
    assert!(world.run_to(before + 5, MINUTE), "the last one catches up by certificates");
    world.check_agreement();
}

#[test]
fn lost_messages_cost_time_and_no_agreement() {
    let mut lost = 0;
    for seed in 0..8 {
        let mut world = World::new(4, seed);
        world.lost_per_mille = 200;
        world.start_all();
        assert!(world.run_to(4, 10 * MINUTE), "seed {seed}");
        world.check_agreement();
        lost += world.lost;
    }
    assert!(lost > 100, "messages were lost: {lost}");
}

#[test]
fn who_votes_twice_is_named_by_the_evidence_and_nobody_else() {
    for (count, seeds) in [(4, 8), (7, 3)] {
        for seed in 0..seeds {
            let mut world = World::new(count, seed);
            let liar = (seed as usize) % count;
            world.nodes[liar].conduct = Conduct::Equivocates;
            world.start_all();
            assert!(world.run_to(5, 5 * MINUTE), "seed {seed}");
            world.check_agreement();
            assert!(world.double_votes_sent > 0, "there was something to find");
            let key = secret(liar).public_key();
            let honest = world.nodes.iter().enumerate().filter(|(node, _)| *node != liar);
            let accusations: Vec<_> = honest.flat_map(|(_, node)| &node.accusations).collect();
            assert!(!accusations.is_empty(), "seed {seed}: the others compare what they were told");
            assert!(accusations.iter().all(|accusation| accusation.offender == key), "seed {seed}");
            world.check_evidence();
        }
    }
}
