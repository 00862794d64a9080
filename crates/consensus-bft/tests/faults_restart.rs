//! A validator whose process ends at every write to its store, before the write or after it and before anything left: started
//! again, it never contradicts what it said.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Crash, World};

const MINUTE: u64 = 60_000;

#[test]
fn a_validator_that_restarts_at_any_write_never_contradicts_itself() {
    let mut world = World::new(4, 5);
    world.start_all();
    assert!(world.run_to(3, MINUTE));
    let writes = world.nodes[1].disk.0.lock().unwrap().writes;
    assert!(writes > 20, "its journal is written: {writes}");
    for write in 1..writes {
        for is_written in [false, true] {
            // The sender of conflicting statements is noticed by `World::broadcast`.
            let mut world = World::new(4, 5);
            world.nodes[1].disk.0.lock().unwrap().crash = Some(Crash { write, is_written });
            world.start_all();
            assert!(world.run_to(4, 2 * MINUTE), "write {write}, {is_written}");
            world.check_agreement();
            assert_eq!(world.nodes[1].restarts, 1, "write {write}, {is_written}: it crashed once");
            assert!(world.nodes.iter().all(|node| node.accusations.is_empty()), "write {write}, {is_written}");
        }
    }
}

#[test]
fn all_validators_restart_again_and_again() {
    let mut restarts = 0;
    for seed in 0..10 {
        let mut world = World::new(4, seed);
        for node in 0..4 {
            let write = 3 + (seed as usize * 7 + node * 5) % 40;
            world.nodes[node].disk.0.lock().unwrap().crash = Some(Crash { write, is_written: node % 2 == 0 });
        }
        world.start_all();
        assert!(world.run_to(5, 5 * MINUTE), "seed {seed}");
        world.check_agreement();
        assert!(world.nodes.iter().all(|node| node.accusations.is_empty()), "seed {seed}");
        restarts += world.nodes.iter().map(|node| node.restarts).sum::<usize>();
    }
    assert!(restarts > 30, "nearly every one of 40 has crashed: {restarts}");
}
