//! The suite of [`Engine`].

use std::sync::Arc;

use health_chain::{
    consensus::{
        Accepted, Chain, EngineInput, Parts, Weight,
        ports::{AcceptAll, Action, Engine, Finality, NoReward},
        verify::BLOCK_VERSION,
    },
    data::{
        Block, Body, Genesis, Header, Kind, Millis, Transaction,
        ports::{BatchHasher, ChainStore, ScalarHasher, SingleVerifier},
        state::{Changes, MemoryStore, Table},
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
/// - say when it is to be woken, where it waits for a time: nothing else wakes it;
/// - seal one block in a step, at most, and of what a candidate to seal says change the seal and the time only;
/// - make equal blocks for equal inputs, and give what it sealed some weight, at every node the same;
/// - take at every node what one has sealed, and refuse a header in which a bit has changed, or that is longer or shorter;
/// - ask for nothing where it only checks, but that somebody answers for bytes that are no message;
/// - seal nothing that does not extend the tip;
/// - where a certificate decides, decide nothing else at a height after a crash: what it is bound by is in its journal before it decides.
///
/// What engines say to each other goes nowhere here: that is for the simulator.
///
/// # Panics
/// With the rule that the engine breaks.
pub fn engine(genesis: &Genesis, maker: impl Fn() -> Box<dyn Engine>, follower: impl Fn() -> Box<dyn Engine>) {
    let [mut making, mut again] = [(); 2].map(|()| open(genesis, maker(), MemoryStore::default()));
    let mut following = open(genesis, follower(), MemoryStore::default());
    let mut now = Millis::from(genesis.block().header.time);
    for mark in 0..BLOCKS {
        let started = now;
        let block = make(&mut making, &mut now, mark);
        assert_eq!(make(&mut again, &mut started.clone(), mark), block, "equal inputs make equal blocks");
        weighs_the_same_everywhere(&[&making, &again, &following], &block);
        if making.engine().finality() == Finality::Certificate {
            decides_once(open(genesis, maker(), copy(&making)), started, &block);
        }
        refuses_every_other_header(&mut following, &block, now);
        for chain in [&mut making, &mut again, &mut following] {
            connects(chain, &block, now);
        }
        makes_nothing(&mut following, now);
        seals_no_stale_candidate(&mut making, &block, now);
    }
    assert_eq!(following.tip(), making.tip());
}

fn open(genesis: &Genesis, engine: Box<dyn Engine>, store: MemoryStore) -> Chain {
    let parts = Parts {
        store: Box::new(store),
        engine,
        executor: Arc::new(AcceptAll),
        reward: Arc::new(NoReward),
        verifier: Arc::new(SingleVerifier),
        hasher: Arc::new(ScalarHasher),
    };
    Chain::open(parts, genesis).expect("the genesis document fits the engine")
}

/// The block that the engine makes; `now` moves on to when it wants to be woken.
fn make(chain: &mut Chain, now: &mut Millis, mark: u32) -> Block {
    try_to_make(chain, now, mark).unwrap_or_else(|rested| panic!("an engine that makes blocks: {rested}"))
}

/// Does what the engine asks for, in order, until it has sealed a block, or says how it came to rest.
fn try_to_make(chain: &mut Chain, now: &mut Millis, mark: u32) -> Result<Block, String> {
    let body = Body(vec![Transaction::new(Kind(100), mark.to_le_bytes().to_vec())]);
    let mut inputs = vec![EngineInput::Tip];
    let (mut wake_at, mut told) = (None, String::new());
    for _ in 0..MAX_STEPS {
        let input = if inputs.is_empty() {
            let at: Option<Millis> = wake_at.take();
            *now = at.ok_or_else(|| format!("told {told}, it waits, and for no time: nothing will wake it"))?.max(*now);
            EngineInput::Tick
        } else {
            inputs.remove(0)
        };
        told = format!("{input:?} at {now:?}");
        let actions = chain.step_engine(*now, input);
        let sealed = actions.iter().filter(|action| matches!(action, Action::Sealed(_) | Action::Decided(_))).count();
        assert!(sealed <= 1, "one step seals one block, at most: a second one of the same candidate goes nowhere");
        for action in actions {
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
                Action::Sealed(header) => {
                    let Header { time, ref seal, .. } = header;
                    let asked = Header { time, seal: seal.clone(), ..candidate(chain, &body, *now) };
                    assert_eq!(
                        header, asked,
                        "of what a candidate to seal says, the seal and the time are the engine's"
                    );
                    return Ok(Block { header, body });
                }
                Action::Propose => {
                    let header = candidate(chain, &body, *now);
                    inputs.push(EngineInput::Proposal(Block { header, body: body.clone() }));
                }
                Action::Decided(block) => return Ok(block),
                _ => {}
            }
        }
    }
    Err(format!("it has sealed none after {MAX_STEPS} steps, of which the last was told {told}"))
}

fn weighs_the_same_everywhere(chains: &[&Chain], block: &Block) {
    let weights: Vec<Weight> = chains.iter().map(|chain| chain.engine().weight(&block.header)).collect();
    assert!(weights[0] > Weight::ZERO, "a sealed header carries weight");
    assert!(weights.iter().all(|weight| *weight == weights[0]), "a header weighs the same at every node: {weights:?}");
}

/// `restarted` has died when it had decided on `block` and nobody had heard of that: another candidate tempts it.
fn decides_once(mut restarted: Chain, mut now: Millis, block: &Block) {
    if let Ok(other) = try_to_make(&mut restarted, &mut now, u32::MAX) {
        assert_eq!(
            other.id(),
            block.id(),
            "what an engine has decided on is in its journal before anybody hears of it"
        );
    }
}

/// What the chain's disk holds.
fn copy(chain: &Chain) -> MemoryStore {
    let mut entries = Changes::default();
    for table in (0..=u8::MAX).map(Table) {
        let note = &mut |key: &[u8], value: &[u8]| {
            entries.put(table, key.to_vec(), value.to_vec());
            true
        };
        chain.state().scan(table, &[], note).expect("memory can be read");
    }
    let mut store = MemoryStore::default();
    store.commit(&entries).expect("memory can be written");
    store
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
        let changed = changes(&block.header, &header);
        assert!(
            chain.accept_headers(now, &[header]).is_err(),
            "a header is taken whose {changed} is not what was sealed"
        );
    }
}

/// In what the two differ.
fn changes(sealed: &Header, other: &Header) -> &'static str {
    match other {
        Header { version, .. } if *version != sealed.version => "version",
        Header { parent, .. } if *parent != sealed.parent => "parent",
        Header { root, .. } if *root != sealed.root => "root",
        Header { time, .. } if *time != sealed.time => "time",
        _ => "seal",
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
