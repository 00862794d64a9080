//! Four validators as whole nodes, in one process, over QUIC on loopback and with stores on disk: how many heights they decide in a
//! second, and how long one takes. Blocks are empty but for the coinbase, and there is no rest between two heights.

use std::{
    error::Error,
    fs,
    net::Ipv4Addr,
    path::Path,
    process,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use health_chain::{
    application::node::{Node, NodeBuilder, NodeEvent},
    consensus::ConsensusParameters,
    consensus_bft::{Bft, BftParameters},
    contract::{Contracts, Scripts},
    data::{Genesis, SecretKey, Timestamp, TokenId},
    data_sled::SledStore,
    incentive::{IncentiveParameters, Ledger, Reward, Rewards, TokenRule},
    network::Address,
    network_quic::{QuicConfig, QuicTransport},
};

const VALIDATORS: u8 = 4;
/// Heights before the clock runs: connections are made, stores grow.
const WARM_UP: usize = 20;
/// Heights measured.
const HEIGHTS: usize = 500;
/// Longer than any height takes.
const PATIENCE: Duration = Duration::from_secs(60);

type Failure = Box<dyn Error>;

#[allow(clippy::print_stdout, reason = "this is what the program is for")]
fn main() -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("health-chain-bft-heights-{}", process::id()));
    let measured = measure(&folder);
    fs::remove_dir_all(&folder)?;
    let mut times = measured?;
    let total: Duration = times.iter().sum();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3;
    println!("| validators | heights | heights/s | median ms | p99 ms | longest ms |");
    println!("|---|---|---|---|---|---|");
    let rate = times.len() as f64 / total.as_secs_f64();
    let (median, p99, longest) = (at(0.5), at(0.99), at(1.0));
    println!("| {VALIDATORS} | {} | {rate:.1} | {median:.1} | {p99:.1} | {longest:.1} |", times.len());
    Ok(())
}

/// The times between one tip of the first node and the next.
fn measure(folder: &Path) -> Result<Vec<Duration>, Failure> {
    let nodes = start(folder)?;
    let events = nodes[0].events()?;
    (0..WARM_UP).try_for_each(|_| next_tip(&events))?;
    let mut times = Vec::with_capacity(HEIGHTS);
    let mut before = Instant::now();
    for _ in 0..HEIGHTS {
        next_tip(&events)?;
        let now = Instant::now();
        times.push(now - before);
        before = now;
    }
    Ok(times)
}

fn next_tip(events: &Receiver<NodeEvent>) -> Result<(), Failure> {
    while !matches!(events.recv_timeout(PATIENCE)?, NodeEvent::Tip { .. }) {}
    Ok(())
}

fn secret(number: u8) -> Result<SecretKey, Failure> {
    Ok(SecretKey::from_bytes(&[number; 32])?)
}

fn start(folder: &Path) -> Result<Vec<Node>, Failure> {
    let keys = (1..=VALIDATORS).map(secret).collect::<Result<Vec<_>, _>>()?;
    let issuers = vec![keys[0].public_key()];
    let rule = TokenRule { token: TokenId(1), symbol: "EUR".into(), decimals: 2, threshold: 1, issuers };
    let reward = Reward::Immediate;
    let incentive = IncentiveParameters { fee_token: TokenId(1), tokens: vec![rule], coinbase_maturity: 1, reward };
    let validators = BftParameters::equal(keys.iter().map(SecretKey::public_key));
    let genesis = Genesis::new("bft heights", Timestamp(1_700_000_000), vec![])
        .with(&ConsensusParameters::default())
        .with(&BftParameters { interval_millis: 0, ..validators })
        .with(&incentive);

    let mut addresses = Vec::new();
    let mut nodes = Vec::new();
    for (number, key) in (1..=VALIDATORS).zip(keys) {
        let config = QuicConfig { listen: (Ipv4Addr::LOCALHOST, 0).into(), node_key: secret(100 + number)? };
        let transport = QuicTransport::bind(config)?;
        let address = Address(transport.local_address().to_string());
        let ledger = Ledger::new(incentive.clone(), Arc::new(Scripts))?;
        let rewards = Arc::new(Rewards::new(&ledger));
        let executor = Arc::new(Contracts::new(ledger, vec![])?);
        let store = Box::new(SledStore::open(&folder.join(number.to_string()))?);
        let engine = Box::new(Bft::validator(&genesis, Box::new(key))?);
        let node = NodeBuilder::new(genesis.clone(), store, engine, executor, rewards, Box::new(transport))
            .listen(address.clone())
            .peers(addresses.clone())
            .start()?;
        node.mine(None)?;
        nodes.push(node);
        addresses.push(address);
    }
    Ok(nodes)
}
