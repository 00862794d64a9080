//! Nodes in one process over a hub in memory: blocks and transactions travel, late joiners catch up, branches are resolved.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use health_chain::{
    application::node::{Node, NodeBuilder, NodeEvent},
    consensus::{ConsensusParameters, Solo, SoloParameters, ports::Engine},
    contract::{Contracts, Scripts, scripts::Template},
    data::{Amount, Genesis, Output, SecretKey, Timestamp, TokenId, Transaction, sha256, state::MemoryStore},
    incentive::{IncentiveParameters, Issuance, Ledger, Reward, Rewards, TokenRule, supply},
    network::{Address, MemoryHub, PeerId},
};

const TOKEN: TokenId = TokenId(1);

fn authority() -> SecretKey {
    SecretKey::from_bytes(&[1; 32]).unwrap()
}

fn rule() -> TokenRule {
    let issuers = vec![authority().public_key()];
    TokenRule { token: TOKEN, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers }
}

fn incentive() -> IncentiveParameters {
    IncentiveParameters { fee_token: TOKEN, tokens: vec![rule()], coinbase_maturity: 1, reward: Reward::Immediate }
}

fn solo() -> SoloParameters {
    SoloParameters { authority: authority().public_key(), interval_seconds: 1 }
}

fn genesis() -> Genesis {
    Genesis::new("node test", Timestamp(1_700_000_000), vec![])
        .with(&ConsensusParameters::default())
        .with(&solo())
        .with(&incentive())
}

fn node(hub: &MemoryHub, name: &str, makes_blocks: bool, peers: &[&str]) -> Node {
    let ledger = Ledger::new(incentive(), Arc::new(Scripts)).unwrap();
    let rewards = Arc::new(Rewards::new(&ledger));
    let engine: Box<dyn Engine> = if makes_blocks {
        Box::new(Solo::authority(solo(), Box::new(authority())))
    } else {
        Box::new(Solo::follower(solo()))
    };
    let address = Address(name.into());
    let transport = hub.join(PeerId(sha256(name.as_bytes())), address.clone());
    let executor = Arc::new(Contracts::new(ledger, vec![]).unwrap());
    let node =
        NodeBuilder::new(genesis(), Box::new(MemoryStore::default()), engine, executor, rewards, Box::new(transport))
            .listen(address)
            .peers(peers.iter().map(|peer| Address((*peer).into())).collect())
            .start()
            .unwrap();
    if makes_blocks {
        node.mine(None).unwrap();
    }
    node
}

fn mint(serial: u64, amount: u64) -> Transaction {
    let lock = Template::Key(authority().public_key()).lock();
    let output = Output { token: TOKEN, amount: Amount(amount), lock };
    let mut mint = Issuance::mint(TOKEN, serial, vec![output]).unwrap();
    let message = Issuance::message(&genesis().chain_id(), &mint).unwrap();
    let signature = authority().sign(&message, &[0; 32]);
    Issuance::add_signature(&mut mint, &rule(), &authority().public_key(), signature).unwrap();
    mint
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "in 30 seconds it has not come about that {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn minted(node: &Node) -> u64 {
    node.read(|chain, _| supply(chain.state(), TOKEN).unwrap().unwrap().minted.0).unwrap()
}

#[test]
fn a_transaction_reaches_every_node_and_its_block_too() {
    let hub = MemoryHub::new();
    let maker = node(&hub, "maker", true, &[]);
    let middle = node(&hub, "middle", false, &["maker"]);
    let far = node(&hub, "far", false, &["middle"]);
    wait_until("all are connected", || {
        [&maker, &middle, &far].iter().all(|node| !node.status().unwrap().peers.is_empty())
            && middle.status().unwrap().peers.len() == 2
    });
    far.submit(mint(1, 700)).unwrap().unwrap();
    wait_until("everybody has the tokens", || [&maker, &middle, &far].iter().all(|node| minted(node) == 700));

    let late = node(&hub, "late", false, &["far"]);
    wait_until("the late joiner has caught up", || minted(&late) == 700);
    maker.stop_mining().unwrap();
    wait_until("all state hashes are equal", || {
        let hashes: Vec<_> =
            [&maker, &middle, &far, &late].iter().map(|node| node.state_hash().unwrap().unwrap()).collect();
        hashes.iter().all(|hash| *hash == hashes[0])
    });
}

#[test]
fn as_many_blocks_are_made_as_were_asked_for() {
    let hub = MemoryHub::new();
    let node = node(&hub, "alone", true, &[]);
    node.stop_mining().unwrap();
    let height = || node.status().unwrap().height.0;
    let (before, events) = (height(), node.events().unwrap());
    node.mine_blocks(2, None).unwrap();
    let mined = |event| if let NodeEvent::Mined { height, .. } = event { Some(height.0) } else { None };
    let heights: Vec<u32> = events.iter().filter_map(mined).take(2).collect();
    assert_eq!(heights, [before + 1, before + 2]);
    // A third would be due after a second.
    std::thread::sleep(Duration::from_millis(1500));
    node.mine_blocks(0, None).unwrap();
    assert_eq!(height(), before + 2);
}

#[test]
fn a_stopped_node_says_so() {
    let hub = MemoryHub::new();
    let node = node(&hub, "alone", true, &[]);
    let events = node.events().unwrap();
    node.submit(mint(1, 5)).unwrap().unwrap();
    wait_until("it makes a block", || node.status().unwrap().height.0 > 1);
    node.stop();
    // The channel ends with the node, so this does too.
    let seen: Vec<NodeEvent> = events.iter().collect();
    assert_eq!(seen.first(), Some(&NodeEvent::Transaction { id: mint(1, 5).id() }));
    assert!(seen.iter().any(|event| matches!(event, NodeEvent::Mined { .. })));
}
