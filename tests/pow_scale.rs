//! Proof of work at scale: reorganisations over thousands of blocks, and peers that send headers and bodies made at next to no cost.
//! What they hold is counted for the thread that verifies them, which is the test's own.
//!
//! `HEALTH_CHAIN_SPAM_HEADERS=5000000` sends that many headers instead of 100,000: 18.3 MB are held at most then, for which
//! 68 seconds were needed.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod common;
#[path = "pow_scale/spammer.rs"]
mod spammer;
#[path = "pow_scale/world.rs"]
mod world;

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use allocation_counter::measure;
use common::{START, mint};
use health_chain::{
    application::node::{NodeBuilder, SteppedNode},
    consensus::Accepted,
    data::{
        Header, Millis,
        ports::SingleVerifier,
        sha256,
        state::{MemoryStore, state_hash},
    },
    network::{Address, MemoryHub, PeerId, limits::MAX_HEADERS},
};
use spammer::{Manner, Spammer};
use world::{INTERVAL_SECONDS, Line, engine, genesis, light_branch, open, transfers};

/// What a reorganisation of any length may hold beyond what is kept.
const MAX_REORGANISATION_BYTES: u64 = 8 << 20;
/// What headers made at no cost may hold.
const MAX_SPAM_BYTES: u64 = 32 << 20;
const DEFAULT_SPAM_HEADERS: usize = 100_000;
const PEERS: u64 = 10;

#[test]
fn reorganisations_of_a_thousand_and_of_seven_thousand_blocks() {
    for blocks in [1_088, 7_000] {
        reorganise(blocks);
    }
}

/// A branch of `blocks` payments is connected, and then one that is longer by one and spends other coins.
fn reorganise(blocks: usize) {
    let genesis = genesis();
    let mut chain = open(MemoryStore::default());
    let now = Millis::from(START).saturating_add(u64::from(INTERVAL_SECONDS) * 1_000 * (blocks as u64 + 10));
    let mint = mint(genesis.chain_id(), 1, &[1_000_000, 1_000_000]);
    let fork = world::mined(&genesis.block().header, 1, vec![mint.clone()]);
    let first = transfers(&fork.header, &mint, 0, blocks);
    let second = transfers(&fork.header, &mint, 1, blocks + 1);
    for block in std::iter::once(&fork).chain(&first) {
        connected(chain.accept_block(now, block.clone()).unwrap());
    }
    let headers: Vec<Header> = second.iter().map(|block| block.header.clone()).collect();
    for some in headers.chunks(MAX_HEADERS) {
        assert_eq!(chain.accept_headers(now, some).unwrap(), some.len());
    }
    let (last, others) = second.split_last().unwrap();
    for block in others {
        assert_eq!(chain.accept_block(now, block.clone()).unwrap(), Accepted::Side);
    }
    assert_eq!(chain.tip().id, first.last().unwrap().id(), "as many blocks, and later: it stays aside");

    let (began, mut accepted) = (Instant::now(), None);
    let held = measure(|| accepted = Some(chain.accept_block(now, last.clone()).unwrap())).bytes_max;
    println!("{blocks} blocks back, {} on: {held} bytes at most, {:?}", blocks + 1, began.elapsed());
    let Some(Accepted::Connected(change)) = accepted else { panic!("the heavier branch is connected: {accepted:?}") };
    assert_eq!((change.disconnected.len(), change.connected.len()), (blocks, blocks + 1));
    assert!(held <= MAX_REORGANISATION_BYTES, "{held} bytes held for {blocks} blocks");

    let state = state_hash(chain.state()).unwrap();
    assert_eq!(chain.replay().unwrap(), state, "the state is what the blocks give");
    let mut straight = open(MemoryStore::default());
    for block in std::iter::once(&fork).chain(&second) {
        connected(straight.accept_block(now, block.clone()).unwrap());
    }
    assert_eq!(state_hash(straight.state()).unwrap(), state, "and what a node has that never saw the other branch");
}

fn connected(accepted: Accepted) {
    assert!(matches!(accepted, Accepted::Connected(_)), "{accepted:?}");
}

/// Headers of the least difficulty, on branches of many lengths that begin where the chain was easy.
#[test]
fn headers_made_at_no_cost_hold_no_more_than_their_share_of_memory() {
    let count = env::var("HEALTH_CHAIN_SPAM_HEADERS").map_or(DEFAULT_SPAM_HEADERS, |text| text.parse().unwrap());
    let mut chain = open(MemoryStore::default());
    let mut line = Line::hardened(300);
    let now = spam_time();
    for block in line.blocks() {
        connected(chain.accept_block(now, block.clone()).unwrap());
    }
    let (tip, weight) = (chain.tip(), chain.weight());

    let (began, mut sent, mut number) = (Instant::now(), 0, 0);
    let spam = || {
        while sent < count {
            let (peer, length) = (number % PEERS, [1, 20, 200, MAX_HEADERS][(number / PEERS % 4) as usize]);
            let headers = light_branch(peer, number, length);
            assert_eq!(chain.accept_headers(now, &headers).unwrap(), length, "they break no rule");
            (sent, number) = (sent + length, number + 1);
        }
    };
    let held = measure(spam).bytes_max;
    println!("{sent} headers from {PEERS} peers: {held} bytes at most, store included, {:?}", began.elapsed());
    assert!(held <= MAX_SPAM_BYTES, "{held} bytes held for {sent} headers");

    assert_eq!((chain.tip(), chain.weight(), chain.best_header().0), (tip.clone(), weight, tip.id));
    let next = line.next();
    connected(chain.accept_block(now, next.clone()).unwrap());
    assert_eq!(chain.tip().id, next.id(), "the chain goes on");
}

/// When branches of [`MAX_HEADERS`] easy blocks are not ahead of the time.
fn spam_time() -> Millis {
    let blocks = u64::from(INTERVAL_SECONDS) * 1_000 * (MAX_HEADERS as u64 + 10);
    Millis::from(START).saturating_add(blocks)
}

/// Ten peers claim to be far ahead and answer every question with headers that lead nowhere or not at all, or send such headers
/// and stale or false blocks unasked; one honest peer keeps making blocks.
#[test]
fn spam_harms_its_sender_only() {
    const SECONDS: u64 = 60;
    const TICK_MILLIS: u64 = 100;
    let hub = MemoryHub::new();
    let clock = Arc::new(AtomicU64::new(spam_time().0));
    let (victim_id, honest_id) = (peer("victim"), peer("honest"));
    let mut line = Line::hardened(300);
    let mut honest = node(&hub, "honest", &[], &clock);
    for block in line.blocks() {
        connected(honest.submit_block(block.clone()).unwrap());
    }
    let manners = [Manner::Headers, Manner::Silent, Manner::UnaskedHeaders, Manner::StaleBlocks, Manner::FalseBlock];
    let mut spammers: Vec<Spammer> = (0..PEERS)
        .map(|number| Spammer::join(&hub, number, manners[number as usize % manners.len()], line.blocks()))
        .collect();
    let mut victim = node(&hub, "victim", &["honest"], &clock);
    for spammer in &mut spammers {
        spammer.dial("victim");
    }

    let mut behind = 0;
    let spam = || {
        for tick in 0..SECONDS * 1_000 / TICK_MILLIS {
            clock.fetch_add(TICK_MILLIS, Ordering::SeqCst);
            if tick % 50 == 0 && tick > 100 {
                assert_eq!(victim.chain().tip().id, honest.chain().tip().id, "within five seconds, at tick {tick}");
                connected(honest.submit_block(line.next()).unwrap());
            }
            spammers.iter_mut().for_each(Spammer::turn);
            victim.turn();
            honest.turn();
            behind += u64::from(victim.chain().tip().id != honest.chain().tip().id);
        }
    };
    let held = measure(spam).bytes_max;
    let sent: usize = spammers.iter().map(|spammer| spammer.headers).sum();
    println!("{sent} headers and {} blocks from spammers: {held} bytes, {behind} ticks behind", blocks_of(&spammers));
    assert!(sent > 50_000 && blocks_of(&spammers) > 100, "there was spam");
    assert!(held <= MAX_SPAM_BYTES, "{held} bytes held");

    let banned: Vec<PeerId> = victim.network().bans().into_iter().map(|(peer, _)| peer).collect();
    let mut liars: Vec<PeerId> =
        spammers.iter().filter(|spammer| spammer.manner == Manner::FalseBlock).map(|spammer| spammer.id).collect();
    liars.sort();
    assert_eq!(banned, liars, "who breaks rules is banned, and nobody else");
    assert!(victim.network().peers().iter().any(|info| info.id == honest_id), "the honest peer is still served");
    assert!(hub.is_connected(&victim_id, &honest_id));
}

fn blocks_of(spammers: &[Spammer]) -> usize {
    spammers.iter().map(|spammer| spammer.blocks).sum()
}

fn peer(name: &str) -> PeerId {
    PeerId(sha256(name.as_bytes()))
}

fn node(hub: &MemoryHub, name: &str, peers: &[&str], clock: &Arc<AtomicU64>) -> SteppedNode {
    let (executor, rewards) = common::contracts();
    let transport = Box::new(hub.join(peer(name), Address(name.into())));
    let clock = Arc::clone(clock);
    NodeBuilder::new(genesis(), Box::<MemoryStore>::default(), engine(), executor, rewards, transport)
        .verifier(Arc::new(SingleVerifier))
        .peers(peers.iter().map(|name| Address((*name).into())).collect())
        .listen(Address(name.into()))
        .clock(Arc::new(move || Millis(clock.load(Ordering::SeqCst))))
        .stepped(sha256(name.as_bytes()).0)
        .unwrap()
}
