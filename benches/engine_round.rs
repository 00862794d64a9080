//! What the engine seam costs: rounds of an engine that is called directly, the same through `dyn Engine`, and the same through a chain.
//!
//! A round is everything from a new tip to a sealed header that has been checked. The first two differ in the dispatch alone. The chain does
//! more: it judges what is proposed, keeps the engine's journal, and verifies and stores the block.

mod turns;

use std::sync::Arc;

use health_chain::{
    consensus::{
        Chain, ConsensusParameters, EngineInput, Parts, Solo, SoloParameters,
        ports::{AcceptAll, Action, Engine, Input, NoReward},
        tree::HeaderTree,
        verify::BLOCK_VERSION,
    },
    consensus_bft::{Bft, BftParameters},
    consensus_pow::{PowParameters, ProofOfWork, Retarget, Seal},
    data::{
        Block, BlockId, Body, Genesis, Header, Height, Millis, SecretKey, Timestamp,
        ports::{BatchHasher, ScalarHasher, SingleVerifier},
        state::MemoryStore,
    },
};

use self::turns::{compare, contestant};

/// Rounds of a turn, each on top of the one before.
const ROUNDS: u32 = 50;
const INTERVAL_SECONDS: u32 = 60;

fn key() -> SecretKey {
    SecretKey::from_bytes(&[7; 32]).expect("a small number is a secret key")
}

fn genesis(seal: Vec<u8>) -> Genesis {
    Genesis::new("a round", Timestamp(1_000), seal).with(&ConsensusParameters::default())
}

fn candidate(parent: BlockId, now: Millis) -> Header {
    let root = Body::default().root(&ScalarHasher);
    Header { version: BLOCK_VERSION, parent, root, time: now.timestamp(), seal: Vec::new() }
}

/// What the engine is told next.
enum Told {
    Tip,
    Tick,
    Candidate,
    Proposal,
    Other(Input<'static>),
}

/// Lets the engine make headers, and answers it as a driver would that finds nothing wrong.
fn rounds<E: Engine + ?Sized>(engine: &mut E, genesis: &Genesis) {
    let root = genesis.block().header;
    let mut tree = HeaderTree::rooted(&root, Height::ZERO, engine.weight(&root));
    let state = MemoryStore::default();
    let (mut tip, mut now) = (root.id(), Millis::from(root.time));
    for seen in 0..ROUNDS {
        now = now.saturating_add(u64::from(INTERVAL_SECONDS) * 1_000);
        let header = round(engine, &tree, &state, tip, &mut now);
        let branch = tree.branch(&tip).expect("the tip is in the tree");
        engine.check_seal(&header, &branch).expect("it has just been sealed");
        tree.insert(&header, engine.weight(&header), seen.into()).expect("its parent is there");
        tip = header.id();
    }
}

fn round<E: Engine + ?Sized>(
    engine: &mut E,
    tree: &HeaderTree,
    state: &MemoryStore,
    tip: BlockId,
    now: &mut Millis,
) -> Header {
    let branch = tree.branch(&tip).expect("the tip is in the tree");
    let mut told = vec![Told::Tip];
    let mut wake_at = None;
    loop {
        let header = || candidate(tip, *now);
        let input = match told.pop() {
            Some(Told::Tip) => Input::Tip { branch: &branch, state },
            Some(Told::Tick) => Input::Tick,
            Some(Told::Candidate) => Input::Candidate { header: header(), branch: &branch },
            Some(Told::Proposal) => {
                Input::Proposal { block: Block { header: header(), body: Body::default() }, branch: &branch }
            }
            Some(Told::Other(input)) => input,
            None => {
                *now = wake_at.take().map_or(*now, |at: Millis| at.max(*now));
                told.push(Told::Tick);
                continue;
            }
        };
        for action in engine.step(*now, input) {
            match action {
                Action::Sealed(header) | Action::Decided(Block { header, .. }) => return header,
                Action::Build => told.push(Told::Candidate),
                Action::Propose => told.push(Told::Proposal),
                Action::Judge(block) => told.push(Told::Other(Input::Judged { id: block.id(), is_valid: true })),
                Action::Search(task) => {
                    let nonce = ScalarHasher.search_nonce(&task.header, &task.target, 0, 1 << 32);
                    let nonce = nonce.expect("half of all nonces meet the easiest target");
                    told.push(Told::Other(Input::Solved { task, nonce }));
                }
                Action::WakeAt(at) => wake_at = Some(at),
                _ => {}
            }
        }
    }
}

/// The same on a chain.
fn chain_rounds(engine: Box<dyn Engine>, genesis: &Genesis) {
    let parts = Parts {
        store: Box::<MemoryStore>::default(),
        engine,
        executor: Arc::new(AcceptAll),
        reward: Arc::new(NoReward),
        verifier: Arc::new(SingleVerifier),
        hasher: Arc::new(ScalarHasher),
    };
    let mut chain = Chain::open(parts, genesis).expect("the document fits the engine");
    let mut now = Millis::from(genesis.block().header.time);
    for _ in 0..ROUNDS {
        now = now.saturating_add(u64::from(INTERVAL_SECONDS) * 1_000);
        let block = chain_round(&mut chain, &mut now);
        chain.accept_block(now, block).expect("every node accepts a sealed block");
    }
}

fn chain_round(chain: &mut Chain, now: &mut Millis) -> Block {
    let mut told = vec![EngineInput::Tip];
    let mut wake_at = None;
    loop {
        let Some(input) = told.pop() else {
            *now = wake_at.take().map_or(*now, |at: Millis| at.max(*now));
            told.push(EngineInput::Tick);
            continue;
        };
        for action in chain.step_engine(*now, input) {
            let header = || candidate(chain.tip().id, *now);
            match action {
                Action::Sealed(header) => return Block { header, body: Body::default() },
                Action::Decided(block) => return block,
                Action::Build => told.push(EngineInput::Candidate(header())),
                Action::Propose => told.push(EngineInput::Proposal(Block { header: header(), body: Body::default() })),
                Action::Search(task) => {
                    let nonce = ScalarHasher.search_nonce(&task.header, &task.target, 0, 1 << 32);
                    let nonce = nonce.expect("half of all nonces meet the easiest target");
                    told.push(EngineInput::Solved { task, nonce });
                }
                Action::WakeAt(at) => wake_at = Some(at),
                _ => {}
            }
        }
    }
}

fn measure<E: Engine + 'static>(name: &str, genesis: &Genesis, make: impl Fn() -> E) {
    compare(
        &format!("A round of {name}"),
        "rounds/s",
        vec![
            contestant("called directly", ROUNDS.into(), || rounds(&mut make(), genesis)),
            contestant("through `dyn Engine`", ROUNDS.into(), || {
                let mut engine: Box<dyn Engine> = Box::new(make());
                rounds(&mut *engine, genesis);
            }),
            contestant("through a chain, which also judges, verifies and stores", ROUNDS.into(), || {
                chain_rounds(Box::new(make()), genesis);
            }),
        ],
    );
}

fn main() {
    let solo = SoloParameters { authority: key().public_key(), interval_seconds: INTERVAL_SECONDS };
    measure("Solo", &genesis(vec![]).with(&solo), || Solo::authority(solo, Box::new(key())));

    let pow = PowParameters {
        interval_seconds: INTERVAL_SECONDS,
        retarget: Retarget::Asert { half_life_seconds: 3_600 },
        limit_bits: PowParameters::EASIEST_LIMIT_BITS,
    };
    let seal = Seal { bits: pow.limit_bits, nonce: 0 }.to_bytes();
    measure("proof of work, at the easiest target", &genesis(seal).with(&pow), || {
        ProofOfWork::miner(pow).expect("the parameters are in order")
    });

    let document = genesis(vec![]).with(&BftParameters::equal([key().public_key()]));
    measure("BFT, with one validator", &document, || {
        Bft::validator(&document, Box::new(key())).expect("it is the only validator")
    });
}
