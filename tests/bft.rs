//! Validators as whole nodes, over a hub in memory and with stores on disk: they decide, one is stopped and started again, and they
//! keep deciding. And one that is alone, in virtual time, keeps the interval of its chain.

#![allow(clippy::unwrap_used, reason = "a test")]

mod bft_nodes;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bft_nodes::{VALIDATORS, genesis, height, parameters};
use health_chain::{
    application::node::{Node, SteppedNode},
    consensus_bft::{BftParameters, Claim, Signed, Statement, vote_message},
    data::{BlockId, Height, Millis, Signature, Timestamp, sha256},
    network::{Address, Hello, MemoryHub, Message, PeerId, Transport, limits::TICK_MILLIS, message::PROTOCOL_VERSION},
};

/// Node `number`. All know all validators.
fn start(hub: &MemoryHub, folder: &Path, number: u8) -> Node {
    let name = |number: u8| format!("node-{number}");
    let address = Address(name(number));
    let transport = hub.join(PeerId(sha256(name(number).as_bytes())), address.clone());
    let peers = (0..VALIDATORS).filter(|other| *other != number).map(|other| Address(name(other))).collect();
    bft_nodes::start(&genesis(&parameters()), folder, number, Box::new(transport), address, peers)
}

fn wait_for(nodes: &[&Node], height_wanted: u32) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while nodes.iter().any(|node| height(node) < height_wanted) {
        let heights: Vec<u32> = nodes.iter().map(|node| height(node)).collect();
        assert!(Instant::now() < deadline, "waited in vain for height {height_wanted}: {heights:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn four_nodes_decide_lose_one_and_take_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let hub = MemoryHub::default();
    let mut nodes: Vec<Node> = (0..4).map(|number| start(&hub, folder.path(), number)).collect();
    wait_for(&nodes.iter().collect::<Vec<_>>(), 3);

    nodes.pop().unwrap().stop();
    let before = height(&nodes[0]);
    wait_for(&nodes.iter().collect::<Vec<_>>(), before + 5);

    // The one that comes back, and one that was never there, fetch what was decided and check its certificates.
    nodes.push(start(&hub, folder.path(), 3));
    nodes.push(start(&hub, folder.path(), 4));
    let before = height(&nodes[0]);
    wait_for(&nodes.iter().collect::<Vec<_>>(), before + 5);

    let shared = Height(before + 5);
    let blocks: Vec<_> =
        nodes.iter().map(|node| node.read(move |chain, _| chain.block_id_at(shared)).unwrap().unwrap()).collect();
    assert!(blocks.iter().all(|block| *block == blocks[0]), "one block at one height");
    assert!(nodes.iter().all(|node| node.status().unwrap().peers.len() >= 3), "nobody was banned");
}

/// A validator of a chain of its own hears nobody who could wake it: it has to wake itself, at the interval of its chain and not when
/// it would say again what it said.
#[test]
fn who_decides_alone_keeps_the_interval() {
    const BLOCKS: u32 = 50;
    let folder = tempfile::tempdir().unwrap();
    let parameters =
        BftParameters { interval_millis: 100, ..BftParameters::equal([bft_nodes::secret(0).public_key()]) };
    let genesis = genesis(&parameters);
    let transport = MemoryHub::default().join(PeerId(sha256(b"alone")), Address("alone".into()));
    let start = Millis::from(Timestamp(1_700_000_000));
    let time = Arc::new(AtomicU64::new(start.0));
    let clock = Arc::clone(&time);
    let mut node = bft_nodes::builder(&genesis, folder.path(), 0, Box::new(transport))
        .clock(Arc::new(move || Millis(clock.load(Ordering::Relaxed))))
        .stepped([0; 32])
        .unwrap();
    node.mine(None);
    while node.chain().tip().height < Height(BLOCKS) {
        time.fetch_max(node.due().0, Ordering::Relaxed);
        node.turn();
    }
    let taken = time.load(Ordering::Relaxed) - start.0;
    assert_eq!(taken, u64::from((BLOCKS - 1) * parameters.interval_millis), "from the first block to the last");
}

/// Four validators that reach each other through a node that only follows. One is held up while the others go on, and then needed: what it
/// got too early to have a use for it is said again, and passed on again over a link that never broke.
#[test]
fn who_was_held_up_is_told_again_what_it_could_not_use() {
    const FOLLOWER: u8 = VALIDATORS;
    const STEP_MILLIS: u64 = 10;
    const HELD_UP: usize = 3;
    let folder = tempfile::tempdir().unwrap();
    let genesis = genesis(&parameters());
    let hub = MemoryHub::default();
    let time = Arc::new(AtomicU64::new(Millis::from(Timestamp(1_700_000_000)).0));
    let name = |number: u8| format!("node-{number}");
    let start = |number: u8| {
        let transport = hub.join(PeerId(sha256(name(number).as_bytes())), Address(name(number)));
        let builder = bft_nodes::builder(&genesis, folder.path(), number, Box::new(transport));
        let builder = if number == FOLLOWER {
            builder.listen(Address(name(number)))
        } else {
            builder.peers(vec![Address(name(FOLLOWER))])
        };
        let clock = Arc::clone(&time);
        let clock = Arc::new(move || Millis(clock.load(Ordering::Relaxed)));
        let mut node = builder.clock(clock).stepped([number; 32]).unwrap();
        if number < VALIDATORS {
            node.mine(None);
        }
        node
    };
    let mut nodes: Vec<SteppedNode> = (0..=FOLLOWER).map(start).collect();
    // Lets them run until the first of them has so many blocks, or the time is over.
    let run = |nodes: &mut [SteppedNode], height: u32, millis: u64| {
        let until = time.load(Ordering::Relaxed) + millis;
        while nodes[0].chain().tip().height < Height(height) && time.fetch_add(STEP_MILLIS, Ordering::Relaxed) < until {
            for node in nodes.iter_mut() {
                node.turn();
            }
        }
        nodes[0].chain().tip().height.0
    };
    assert_eq!(run(&mut nodes, 3, 60_000), 3);
    let held_up = nodes.remove(HELD_UP);
    assert_eq!(run(&mut nodes, 13, 20_000), 13);
    drop(nodes.remove(2));
    let height = run(&mut nodes, 20, 10_000);
    assert!(height <= 14, "two of four are no quorum: {height}");
    nodes.push(held_up);
    assert_eq!(run(&mut nodes, height + 3, 60_000), height + 3);
}

/// A vote costs who hears it a verification, and whoever passes it on has verified it.
#[test]
fn who_brings_a_vote_that_nobody_signed_is_banned_and_who_brings_a_vote_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let genesis = genesis(&parameters());
    let hub = MemoryHub::default();
    let transport = |name: &str| hub.join(PeerId(sha256(name.as_bytes())), Address(name.into()));
    let node = bft_nodes::builder(&genesis, folder.path(), 0, Box::new(transport("node")));
    let time = Arc::new(AtomicU64::new(Millis::from(Timestamp(1_700_000_000)).0));
    let clock = Arc::clone(&time);
    let node = node.listen(Address("node".into())).clock(Arc::new(move || Millis(clock.load(Ordering::Relaxed))));
    let mut node = node.stepped([0; 32]).unwrap();
    node.mine(None);
    let mut turns = || {
        (0..3).for_each(|_| {
            node.turn();
            time.fetch_add(TICK_MILLIS, Ordering::Relaxed);
        });
        node.network().bans().into_iter().map(|(peer, _)| peer).collect::<Vec<PeerId>>()
    };

    let statement = Statement { height: Height(1), round: 0, claim: Claim::Prevote(None) };
    let genuine = bft_nodes::secret(1).sign(&statement.message(genesis.chain_id()), &[0; 32]);
    let none = Signature([0; 64]);
    for (nonce, name, maker, signature, expected) in
        [(1, "honest", 1, genuine, vec![]), (2, "liar", 2, none, vec!["liar"])]
    {
        let mut stranger = transport(name);
        stranger.dial(&Address("node".into())).unwrap();
        let hello = Message::Hello(Hello {
            version: PROTOCOL_VERSION,
            network: "bft test".into(),
            genesis: genesis.chain_id(),
            tip: BlockId::default(),
            height: Height::ZERO,
            listen: None,
            nonce,
        });
        let vote = vote_message(Signed { statement, validator: bft_nodes::secret(maker).public_key(), signature });
        for message in [hello, Message::Engine(vote)] {
            stranger.send(&PeerId(sha256(b"node")), message.priority(), message.encode()).unwrap();
        }
        let expected: Vec<PeerId> = expected.iter().map(|name: &&str| PeerId(sha256(name.as_bytes()))).collect();
        assert_eq!(turns(), expected, "after {name}");
    }
}
