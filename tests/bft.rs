//! Validators as whole nodes, over a hub in memory and with stores on disk: they decide, one is stopped and started again, and they
//! keep deciding.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use health_chain::{
    application::node::{Node, NodeBuilder},
    consensus::{ConsensusParameters, ports::Engine},
    consensus_bft::{Bft, BftParameters},
    contract::{Contracts, Scripts},
    data::{Genesis, Height, SecretKey, Timestamp, TokenId, sha256},
    data_sled::SledStore,
    incentive::{IncentiveParameters, Ledger, Reward, Rewards, TokenRule},
    network::{Address, MemoryHub, PeerId},
};

fn secret(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number + 1; 32]).unwrap()
}

fn incentive() -> IncentiveParameters {
    let issuers = vec![secret(0).public_key()];
    let rule = TokenRule { token: TokenId(1), symbol: "EUR".into(), decimals: 2, threshold: 1, issuers };
    IncentiveParameters { fee_token: TokenId(1), tokens: vec![rule], coinbase_maturity: 1, reward: Reward::Immediate }
}

fn genesis() -> Genesis {
    let keys = (0..4).map(|number| secret(number).public_key());
    let parameters = BftParameters { interval_millis: 100, rebroadcast_millis: 500, ..BftParameters::equal(keys) };
    Genesis::new("bft test", Timestamp(1_700_000_000), vec![])
        .with(&ConsensusParameters::default())
        .with(&parameters)
        .with(&incentive())
}

/// Node `number`: a validator, or beyond them a node that only follows. All know all.
fn start(hub: &MemoryHub, folder: &Path, number: u8) -> Node {
    let name = |number: u8| format!("node-{number}");
    let engine: Box<dyn Engine> = if number < 4 {
        Box::new(Bft::validator(&genesis(), Box::new(secret(number))).unwrap())
    } else {
        Box::new(Bft::follower(&genesis()).unwrap())
    };
    let ledger = Ledger::new(incentive(), Arc::new(Scripts)).unwrap();
    let rewards = Arc::new(Rewards::new(&ledger));
    let executor = Arc::new(Contracts::new(ledger, vec![]).unwrap());
    let store = Box::new(SledStore::open(&folder.join(name(number))).unwrap());
    let address = Address(name(number));
    let transport = hub.join(PeerId(sha256(name(number).as_bytes())), address.clone());
    let node = NodeBuilder::new(genesis(), store, engine, executor, rewards, Box::new(transport))
        .listen(address)
        .peers((0..4).filter(|other| *other != number).map(|other| Address(name(other))).collect())
        .start()
        .unwrap();
    if number < 4 {
        node.mine(None).unwrap();
    }
    node
}

fn height(node: &Node) -> u32 {
    node.status().unwrap().height.0
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
