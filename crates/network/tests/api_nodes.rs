//! Several nodes on one hub: they sync, relay, order and heal.

mod common;

use common::{REVOKE, World, peer_id, transaction};
use health_chain_data::{Kind, TxId};
use health_chain_network::{Action, RequestError, RequestFailure};

#[test]
fn late_joiners_sync() {
    let mut world = World::new();
    let first = world.add("a", &[]);
    (0..4_500).for_each(|salt| drop(world.nodes[first].chain.mine(salt)));
    let second = world.add("b", &["a"]);
    let third = world.add("c", &["a", "b"]);
    world.run(5_000);
    assert_eq!(world.nodes[second].chain.height(), 4_500);
    assert_eq!(world.nodes[third].chain.height(), 4_500);
    // The last one knows only the second, who got everything from others.
    let last = world.add("d", &["b"]);
    world.run(3_000);
    assert_eq!(world.nodes[last].chain.height(), 4_500);
    for node in &world.nodes {
        assert!(node.network.is_in_step(&node.chain));
        assert_eq!(node.was_penalised(), []);
    }
}

#[test]
fn a_new_block_reaches_everybody() {
    let mut world = World::new();
    world.add("a", &[]);
    for (name, peer) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d")] {
        world.add(name, &[peer]);
    }
    world.run(1_000);
    for salt in 0..20 {
        let now = world.now;
        world.nodes[salt as usize % 5].mine(now, salt);
        world.settle();
        assert_eq!(world.tips().len(), 1, "no time has to pass");
        assert_eq!(world.nodes[0].chain.height(), salt + 1);
    }
}

#[test]
fn nodes_find_each_other_through_one_they_know() {
    let mut world = World::new();
    world.add("a", &[]);
    for name in ["b", "c", "d", "e", "f"] {
        world.add(name, &["a"]);
    }
    world.run(15 * 60 * 1_000);
    for node in &world.nodes {
        assert!(node.network.peers().len() >= 4, "{} peers", node.network.peers().len());
    }
    assert!(world.hub.is_connected(&peer_id("b"), &peer_id("f")));
}

#[test]
fn a_transaction_is_relayed_once() {
    let mut world = World::new();
    let names = ["a", "b", "c", "d", "e", "f"];
    for (index, name) in names.iter().enumerate() {
        world.add(name, &names[..index]);
    }
    world.run(3_000);
    let sent: Vec<TxId> = (0..300)
        .map(|number| {
            let transaction = transaction(Kind(2), &format!("payment {number}"));
            let now = world.now;
            world.nodes[number % 6].submit(now, &transaction);
            transaction.id()
        })
        .collect();
    world.run(2_000);
    for node in &world.nodes {
        assert_eq!(node.chain.pool.len(), sent.len());
        assert_eq!(node.chain.deliveries, sent.len(), "each exactly once");
    }
}

#[test]
fn a_revocation_overtakes_what_was_announced_before_it() {
    let mut world = World::new();
    world.add("a", &[]);
    world.add("b", &["a"]);
    world.run(1_000);
    let now = world.now;
    for number in 0..3_000 {
        world.nodes[0].submit(now, &transaction(Kind(2), &format!("payment {number}")));
    }
    world.now = world.now.saturating_add(1_000);
    world.tick();
    let revocation = transaction(REVOKE, "no more");
    let now = world.now;
    world.nodes[0].submit(now, &revocation);
    world.settle();
    assert_eq!(world.nodes[1].chain.accepted.first(), Some(&revocation.id()));
    assert_eq!(world.nodes[1].chain.accepted.len(), 3_001, "and nothing is lost");
}

#[test]
fn a_revocation_made_apart_reaches_who_joins_later() {
    let mut world = World::new();
    world.add("a", &[]);
    let now = world.now;
    for number in 0..100 {
        world.nodes[0].submit(now, &transaction(Kind(2), &format!("payment {number}")));
    }
    let revocation = transaction(REVOKE, "no more");
    world.nodes[0].submit(now, &revocation);
    world.add("b", &["a"]);
    world.run(1_000);
    assert_eq!(world.nodes[1].chain.accepted.first(), Some(&revocation.id()));
    assert_eq!(world.nodes[1].chain.accepted.len(), 101);
}

#[test]
fn a_partition_heals_to_the_longer_branch() {
    let mut world = World::new();
    world.add("a", &[]);
    world.add("b", &["a"]);
    world.run(1_000);
    world.hub.sever(&peer_id("a"), &peer_id("b"));
    for salt in 0..30 {
        let now = world.now;
        world.nodes[0].mine(now, salt);
        if salt < 20 {
            world.nodes[1].mine(now, 1_000 + salt);
        }
        world.run(1_000);
    }
    assert_eq!(world.tips().len(), 2, "the partition happened");
    world.hub.mend(&peer_id("a"), &peer_id("b"));
    world.run(60_000);
    assert_eq!(world.tips().len(), 1);
    assert_eq!(world.nodes[1].chain.height(), 30);
    assert!(world.nodes.iter().all(|node| node.was_penalised().is_empty()));
}

#[test]
fn a_branch_longer_than_one_answer_is_found() {
    let mut world = World::new();
    world.add("a", &[]);
    world.add("b", &[]);
    (0..2_100).for_each(|salt| drop(world.nodes[0].chain.mine(salt)));
    (0..4_300).for_each(|salt| drop(world.nodes[1].chain.mine(10_000 + salt)));
    let last = world.add("c", &["a"]);
    world.run(3_000);
    assert_eq!(world.nodes[last].chain.height(), 2_100);
    let bridge = world.add("d", &["c", "b"]);
    world.run(10_000);
    assert_eq!(world.nodes[bridge].chain.height(), 4_300);
    assert_eq!(world.nodes[last].chain.height(), 4_300);
}

#[test]
fn applications_ask_each_other() {
    let mut world = World::new();
    world.add("a", &[]);
    world.add("b", &["a"]);
    let now = world.now;
    let early = world.nodes[0].network.app_request(now, peer_id("b"), b"abc".to_vec());
    assert_eq!(early.err(), Some(RequestError::NotConnected));
    world.run(1_000);
    let ask = |world: &mut World, body: &[u8]| {
        let now = world.now;
        let (id, actions) = world.nodes[0].network.app_request(now, peer_id("b"), body.to_vec()).expect("connected");
        world.nodes[0].perform(now, actions);
        id
    };
    let answer = |world: &World, request| {
        world.nodes[0].rest.iter().find_map(|action| match action {
            Action::Answered { request: found, peer, outcome } if *found == request && *peer == peer_id("b") => {
                Some(outcome.clone())
            }
            _ => None,
        })
    };
    let spoken = ask(&mut world, b"abc");
    let silent = ask(&mut world, b"silence");
    world.settle();
    assert_eq!(answer(&world, spoken), Some(Ok(b"cba".to_vec())));
    assert_eq!(answer(&world, silent), None);
    world.run(31_000);
    assert_eq!(answer(&world, silent), Some(Err(RequestFailure::TimedOut)));
    let cut = ask(&mut world, b"abc");
    world.hub.sever(&peer_id("a"), &peer_id("b"));
    world.settle();
    assert_eq!(answer(&world, cut), Some(Err(RequestFailure::Disconnected)));
}

#[test]
fn the_same_world_runs_the_same_way_twice() {
    let run = || {
        let mut world = World::new();
        let names = ["a", "b", "c", "d"];
        for (index, name) in names.iter().enumerate() {
            world.add(name, &names[..index]);
        }
        (0..50).for_each(|salt| drop(world.nodes[0].chain.mine(salt)));
        world.run(2_000);
        for number in 0..40 {
            let now = world.now;
            world.nodes[number % 4].submit(now, &transaction(Kind(2), &format!("payment {number}")));
        }
        world.run(2_000);
        let trace = |node: &common::Node| (node.chain.accepted.clone(), format!("{:?}", node.rest));
        world.nodes.iter().map(trace).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

/// Lets one node after the other say something, and demands that it reaches everybody. Returns how often anything was brought to anybody.
fn say_in_turn(world: &mut World, names: std::ops::Range<usize>) -> usize {
    let before: usize = world.nodes.iter().flat_map(|node| node.chain.heard.values()).sum();
    for number in names.clone() {
        let (maker, now) = (number % world.nodes.len(), world.now);
        world.nodes[maker].say(now, &number.to_le_bytes());
        world.run(1_500);
        for (index, node) in world.nodes.iter().enumerate().filter(|(index, _)| *index != maker) {
            assert!(node.chain.heard.contains_key(&number.to_le_bytes()[..]), "{index} has not heard {number}");
        }
    }
    let after: usize = world.nodes.iter().flat_map(|node| node.chain.heard.values()).sum();
    after - before
}

#[test]
fn what_an_engine_says_is_brought_to_each_about_once() {
    let mut world = World::new();
    let names = ["a", "b", "c", "d", "e", "f"];
    for (index, name) in names.iter().enumerate() {
        world.add(name, &names[..index]);
    }
    world.run(3_000);
    let first = say_in_turn(&mut world, 0..6);
    let later = say_in_turn(&mut world, 30..60);
    assert!(first > 2 * 6 * 5, "at first everybody brings everything: {first}");
    assert!(later < 30 * 5 * 11 / 10, "five of six need it: {later}");
    for node in &world.nodes {
        assert_eq!(node.was_penalised(), []);
    }
}

#[test]
fn what_an_engine_says_reaches_those_who_lost_who_brought_it() {
    let mut world = World::new();
    let names = ["a", "b", "c", "d", "e", "f"];
    for (index, name) in names.iter().enumerate() {
        // Everybody knows the two before.
        world.add(name, &names[index.saturating_sub(2)..index]);
    }
    world.run(3_000);
    say_in_turn(&mut world, 0..30);
    world.hub.sever(&peer_id("a"), &peer_id("b"));
    world.hub.sever(&peer_id("c"), &peer_id("e"));
    say_in_turn(&mut world, 30..60);
}
