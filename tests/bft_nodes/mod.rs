//! Validators as whole nodes: the chain that they decide on, and one of them over a transport and a folder.
#![allow(clippy::unwrap_used, reason = "a test's part")]

use std::{path::Path, sync::Arc};

use health_chain::{
    application::node::{Node, NodeBuilder},
    consensus::{ConsensusParameters, ports::Engine},
    consensus_bft::{Bft, BftParameters},
    contract::{Contracts, Scripts},
    data::{Genesis, SecretKey, Timestamp, TokenId},
    data_sled::SledStore,
    incentive::{IncentiveParameters, Ledger, Reward, Rewards, TokenRule},
    network::{Address, Transport},
};

/// The first so many nodes are the validators.
pub(crate) const VALIDATORS: u8 = 4;

pub(crate) fn secret(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number + 1; 32]).unwrap()
}

fn incentive() -> IncentiveParameters {
    let issuers = vec![secret(0).public_key()];
    let rule = TokenRule { token: TokenId(1), symbol: "EUR".into(), decimals: 2, threshold: 1, issuers };
    IncentiveParameters { fee_token: TokenId(1), tokens: vec![rule], coinbase_maturity: 1, reward: Reward::Immediate }
}

/// The parameters of validators that are near each other.
pub(crate) fn parameters() -> BftParameters {
    let keys = (0..VALIDATORS).map(|number| secret(number).public_key());
    BftParameters { interval_millis: 100, rebroadcast_millis: 500, ..BftParameters::equal(keys) }
}

pub(crate) fn genesis(parameters: &BftParameters) -> Genesis {
    Genesis::new("bft test", Timestamp(1_700_000_000), vec![])
        .with(&ConsensusParameters::default())
        .with(parameters)
        .with(&incentive())
}

/// What node `number` is made of: a validator, or beyond them a node that only follows.
pub(crate) fn builder(genesis: &Genesis, folder: &Path, number: u8, transport: Box<dyn Transport>) -> NodeBuilder {
    let engine: Box<dyn Engine> = if number < VALIDATORS {
        Box::new(Bft::validator(genesis, Box::new(secret(number))).unwrap())
    } else {
        Box::new(Bft::follower(genesis).unwrap())
    };
    let ledger = Ledger::new(incentive(), Arc::new(Scripts)).unwrap();
    let rewards = Arc::new(Rewards::new(&ledger));
    let executor = Arc::new(Contracts::new(ledger, vec![]).unwrap());
    let store = Box::new(SledStore::open(&folder.join(format!("node-{number}"))).unwrap());
    NodeBuilder::new(genesis.clone(), store, engine, executor, rewards, transport)
}

/// Starts node `number`.
pub(crate) fn start(
    genesis: &Genesis,
    folder: &Path,
    number: u8,
    transport: Box<dyn Transport>,
    address: Address,
    peers: Vec<Address>,
) -> Node {
    let node = builder(genesis, folder, number, transport).listen(address).peers(peers).start().unwrap();
    if number < VALIDATORS {
        node.mine(None).unwrap();
    }
    node
}

pub(crate) fn height(node: &Node) -> u32 {
    node.status().unwrap().height.0
}
