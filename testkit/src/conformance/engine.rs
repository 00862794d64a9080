//! The suite of [`Engine`].

use std::sync::Arc;

use health_chain::{
    consensus::{
        Accepted, Chain, EngineInput, Parts, Weight,
        ports::{AcceptAll, Action, Engine, NoReward},
        verify::BLOCK_VERSION,
    },
    data::{
        Block, Body, Genesis, Header, Kind, Millis, Transaction,
        ports::{BatchHasher, ScalarHasher, SingleVerifier},
        state::MemoryStore,
    },
};

/// How many blocks the engine has to make.
const BLOCKS: u32 = 3;
/// How many steps it may take for one block.
const MAX_STEPS: usize = 100;

/// Lets the engine that `maker` returns make blocks, one after the other, on the chain of `genesis`, and the one that `follower`
/// returns check them. Both are asked for several times, and each time for a new engine. Under proof of work, take a
/// target that a header is unlikely to meet by chance, such as one in 2^16. An implementation must
///
/// - make blocks alone, each within a hundred steps: where others have to agree, `genesis` names one validator;
/// - make equal blocks for equal inputs, and give what it sealed some weight;
/// - take at every node what one has sealed, and refuse a header in which a bit has changed, or that is longer or shorter;
/// - ask for nothing where it only checks, but that somebody answers for bytes that are no message;
/// - seal nothing that does not extend the tip.
///
/// What engines say to each other goes nowhere here: that is for the simulator.
///
/// # Panics
/// With the rule that the engine breaks.
pub fn engine(genesis: &Genesis, maker: impl Fn() -> Box<dyn Engine>, follower: impl Fn() -> Box<dyn Engine>) {
    let mut making = open(genesis, maker());
    let mut again = open(genesis, maker());
    let mut following = open(genesis, follower());
    let mut now = Millis::from(genesis.block().header.time);
    for mark in 0..BLOCKS {
        let started = now;
        let block = make(&mut making, &mut now, mark);
        assert_eq!(make(&mut again, &mut started.clone(), mark), block, "equal inputs make equal blocks");
        assert!(making.engine().weight(&block.header) > Weight::ZERO, "a sealed header carries weight");
        refuses_every_other_header(&mut following, &block, now);
        for chain in [&mut making, &mut again, &mut following] {
            connects(chain, &block, now);
        }
        makes_nothing(&mut following, now);
        seals_no_stale_candidate(&mut making, &block, now);
    }
    assert_eq!(following.tip(), making.tip());
}

fn open(genesis: &Genesis, engine: Box<dyn Engine>) -> Chain {
    let parts = Parts {
        store: Box::<MemoryStore>::default(),
        engine,
        executor: Arc::new(AcceptAll),
        reward: Arc::new(NoReward),
        verifier: Arc::new(SingleVerifier),
        hasher: Arc::new(ScalarHasher),
    };
    Chain::open(parts, genesis).expect("the genesis document fits the engine")
}

/// Does what the engine asks for, in order, until it has sealed a block; `now` moves on to when it wants to be woken.
fn make(chain: &mut Chain, now: &mut Millis, mark: u32) -> Block {
    let body = Body(vec![Transaction::new(Kind(100), mark.to_le_bytes().to_vec())]);
    let mut inputs = vec![EngineInput::Tip];
    let mut wake_at = None;
    for _ in 0..MAX_STEPS {
        let input = if inputs.is_empty() {
            *now = wake_at.take().map_or(*now, |at: Millis| at.max(*now));
            EngineInput::Tick
        } else {
            inputs.remove(0)
        };
        for action in chain.step_engine(*now, input) {
            match action {
                Action::Build => inputs.push(EngineInput::Candidate(candidate(chain, &body, *now))),
                Action::Search(task) => {
                    let found = ScalarHasher.search_nonce(&task.header, &task.target, 0, 1 << 32);
                    inputs.push(match found {
                        Some(nonce) => EngineInput::Solved { task, nonce },
                        None => EngineInput::Exhausted { task },
                    });
                }
                Action::WakeAt(at) => wake_at = Some(at),
                Action::Sealed(header) => return Block { header, body },
                Action::Propose => {
                    let header = candidate(chain, &body, *now);
                    inputs.push(EngineInput::Proposal(Block { header, body: body.clone() }));
                }
                Action::Decided(block) => return block,
                _ => {}
            }
        }
    }
    panic!("an engine that makes blocks has sealed none after {MAX_STEPS} steps");
}

fn candidate(chain: &Chain, body: &Body, now: Millis) -> Header {
    let earliest = chain.next_context().median_time_past.saturating_add(1);
    Header {
        version: BLOCK_VERSION,
        parent: chain.tip().id,
        root: body.root(&ScalarHasher),
        time: now.timestamp().max(earliest),
        seal: Vec::new(),
    }
}

fn connects(chain: &mut Chain, block: &Block, now: Millis) {
    let accepted = chain.accept_block(now, block.clone()).expect("every node accepts a sealed block");
    assert!(matches!(accepted, Accepted::Connected(_)), "a block on top of the tip outweighs it");
}

/// A seal stands for one header: no bit of either can be changed, and nothing can be added or left out.
fn refuses_every_other_header(chain: &mut Chain, block: &Block, now: Millis) {
    let bytes = block.header.to_bytes();
    let mut others: Vec<Vec<u8>> = (0..bytes.len() * 8)
        .map(|bit| {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            other
        })
        .collect();
    others.push(bytes[..bytes.len() - 1].to_vec());
    others.push([&bytes[..], &[0]].concat());
    for other in others {
        let header = Header::from_bytes(&other).expect("a header of about the same length");
        assert!(chain.accept_headers(now, &[header]).is_err(), "a header that was not sealed");
    }
}

fn makes_nothing(chain: &mut Chain, now: Millis) {
    let stray = candidate(chain, &Body::default(), now);
    let whole = Block { header: stray.clone(), body: Body::default() };
    let inputs = [
        EngineInput::Tip,
        EngineInput::Tick,
        EngineInput::Candidate(stray),
        EngineInput::Proposal(whole),
        EngineInput::Message(b"no message".to_vec()),
    ];
    for input in inputs {
        let may_blame = matches!(input, EngineInput::Message(_));
        let mut actions = chain.step_engine(now, input);
        actions.retain(|action| !(may_blame && matches!(action, Action::Blame { .. })));
        assert_eq!(actions, [], "an engine that only checks asks for nothing");
    }
}

/// `block` has just been connected: its header as a candidate does not extend the tip any more.
fn seals_no_stale_candidate(chain: &mut Chain, block: &Block, now: Millis) {
    let stale = Header { seal: Vec::new(), ..block.header.clone() };
    let whole = Block { header: stale.clone(), body: block.body.clone() };
    for input in [EngineInput::Candidate(stale), EngineInput::Proposal(whole)] {
        let actions = chain.step_engine(now, input);
        let seals = |action: &Action| matches!(action, Action::Sealed(_) | Action::Decided(_));
        assert!(!actions.iter().any(seals), "nothing below the tip is sealed");
    }
}
