//! The consensus layer with an engine of one's own, and what a competing branch does to a chain.
//!
//! The task: three hospitals share a log of commitments and take turns in writing it, with no coin and no mining. The engine
//! for that is the forty lines below. One member then misbehaves and signs two blocks for the same turn; the chain moves to the heavier
//! branch, and the program puts what fell out of it back in line.
//!
//! Run it with `cargo run --release --example layer_consensus`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::{error::Error, sync::Arc};

use health_chain_consensus::{
    Accepted, Chain, ConsensusParameters, EngineInput, Parts, TipChange,
    ports::{AcceptAll, Action, Ancestry, Engine, Finality, Input, NoReward, SealError},
    verify::BLOCK_VERSION,
    weight::Weight,
};
use health_chain_data::{
    Block, Body, Genesis, Hash, Header, Kind, Millis, PublicKey, SecretKey, Signature, Timestamp, Transaction,
    ports::{ScalarHasher, SingleVerifier},
    sha256,
    state::{MemoryStore, state_hash},
    tagged_hash,
};

const COMMITMENT: Kind = Kind(1000);

/// The block at height h is signed by member h modulo their number.
struct TurnTaking {
    members: Vec<PublicKey>,
    key: Option<SecretKey>,
}

#[derive(Debug, thiserror::Error)]
#[error("it is the turn of {0}, who did not sign this header")]
struct NotInTurn(PublicKey);

impl TurnTaking {
    fn due(&self, branch: &dyn Ancestry) -> PublicKey {
        self.members[branch.height().next().0 as usize % self.members.len()]
    }

    fn message(header: &Header) -> Hash {
        tagged_hash("example/turn/v1", &[&Header { seal: vec![], ..header.clone() }.to_bytes()])
    }
}

impl Engine for TurnTaking {
    fn name(&self) -> &'static str {
        "turn-taking"
    }

    fn finality(&self) -> Finality {
        Finality::Depth(self.members.len() as u32)
    }

    // The judging half: looks at a header and its branch only, so all nodes agree.
    fn check_seal(&self, header: &Header, branch: &dyn Ancestry) -> Result<(), SealError> {
        let due = self.due(branch);
        let seal = header.seal.as_slice().try_into().map(Signature).ok();
        match seal.filter(|seal| due.verify(&Self::message(header), seal).is_ok()) {
            Some(_) => Ok(()),
            None => Err(SealError { rule: "turn", source: Box::new(NotInTurn(due)) }),
        }
    }

    fn weight(&self, _: &Header) -> Weight {
        Weight::from(1)
    }

    // The making half: told of a new tip, it asks for a candidate when its turn has come; given one, it signs.
    fn step(&mut self, _: Millis, input: Input<'_>) -> Vec<Action> {
        match (input, &self.key) {
            (Input::Tip { branch, .. }, Some(key)) if self.due(branch) == key.public_key() => vec![Action::Build],
            (Input::Candidate { mut header, .. }, Some(key)) => {
                header.seal = key.sign(&Self::message(&header), &[0; 32]).as_bytes().to_vec();
                vec![Action::Sealed(header)]
            }
            _ => vec![],
        }
    }
}

/// A member's node: a store, the engine, and everything else as it comes with the layer.
fn open(keys: &[[u8; 32]], own: Option<usize>) -> Result<Chain, Box<dyn Error>> {
    let members =
        keys.iter().map(|key| Ok(SecretKey::from_bytes(key)?.public_key())).collect::<Result<_, Box<dyn Error>>>()?;
    let key = own.map(|own| SecretKey::from_bytes(&keys[own])).transpose()?;
    let parts = Parts {
        store: Box::new(MemoryStore::default()),
        engine: Box::new(TurnTaking { members, key }),
        executor: Arc::new(AcceptAll), // commitments change no state: what counts is that they are in the log
        reward: Arc::new(NoReward),
        verifier: Arc::new(SingleVerifier),
        hasher: Arc::new(ScalarHasher),
    };
    let genesis =
        Genesis::new("three hospitals", Timestamp(1_800_000_000), vec![]).with(&ConsensusParameters::default());
    Ok(Chain::open(parts, &genesis)?)
}

/// Has `chain`'s member make a block on its tip.
fn make(chain: &mut Chain, documents: &[&str]) -> Result<Block, Box<dyn Error>> {
    let time = chain.tip().header.time.saturating_add(60);
    let now = Millis::from(time);
    let body =
        Body(documents.iter().map(|text| Transaction::new(COMMITMENT, sha256(text.as_bytes()).0.to_vec())).collect());
    let candidate =
        Header { version: BLOCK_VERSION, parent: chain.tip().id, root: body.root(&ScalarHasher), time, seal: vec![] };
    assert_eq!(chain.step_engine(now, EngineInput::Tip), [Action::Build], "it is this member's turn");
    let [Action::Sealed(header)] = &chain.step_engine(now, EngineInput::Candidate(candidate))[..] else {
        return Err("the engine did not seal".into());
    };
    Ok(Block { header: header.clone(), body })
}

fn main() -> Result<(), Box<dyn Error>> {
    let keys = [[11; 32], [12; 32], [13; 32]];
    let mut members = [open(&keys, Some(0))?, open(&keys, Some(1))?, open(&keys, Some(2))?];
    let mut observer = open(&keys, None)?;
    let now = Millis(1_800_000_600_000);

    // Member 1 signs two blocks for height 1, and shows them to different members.
    let one = make(&mut members[1], &["discharge letter 1", "discharge letter 2"])?;
    let other = make(&mut members[1], &["discharge letter 2"])?;
    assert!(matches!(observer.accept_block(now, one.clone())?, Accepted::Connected(_)));
    assert_eq!(observer.accept_block(now, other.clone())?, Accepted::Side, "of equal branches, the first seen stays");

    // A block out of turn is refused by name.
    let mut stolen = make(&mut members[1], &["not my turn"])?;
    (stolen.header.parent, stolen.header.time) = (one.id(), one.header.time.saturating_add(60));
    let refused = observer.accept_block(now, stolen).err().ok_or("a block out of turn was taken")?;
    println!("refused by rule `{}`: {refused}", refused.rule());

    // Members 2 and 0 saw the other branch and go on with it: it becomes the heavier one.
    members[2].accept_block(now, other.clone())?;
    let second = make(&mut members[2], &["lab result 3"])?;
    members[0].accept_block(now, other.clone())?;
    members[0].accept_block(now, second.clone())?;
    let third = make(&mut members[0], &["lab result 4"])?;

    // The observer gets the third block before the second, and needs no help with that.
    observer.accept_headers(now, &[second.header.clone(), third.header.clone()])?;
    assert_eq!(observer.accept_block(now, third.clone())?, Accepted::Waiting);
    let Accepted::Connected(change) = observer.accept_block(now, second.clone())? else {
        return Err("the heavier branch was not taken".into());
    };
    let expected = TipChange { disconnected: vec![one.id()], connected: vec![other.id(), second.id(), third.id()] };
    assert_eq!(change, expected);
    println!("reorganised: {} block left, {} came, tip is {}", 1, change.connected.len(), observer.tip().height);

    // What stood only in the branch that lost has to be put in line again. Ids tell, and disconnected blocks can still be read.
    let load = |id| observer.block(id)?.ok_or("a block of a reported change is there").map_err(Box::<dyn Error>::from);
    let mut kept = vec![];
    for id in &change.connected {
        kept.extend(load(id)?.transactions().iter().map(Transaction::id));
    }
    let lost: Vec<Transaction> =
        load(&one.id())?.transactions().iter().filter(|t| !kept.contains(&t.id())).cloned().collect();
    assert_eq!(
        lost.iter().map(|t| t.payload.as_slice()).collect::<Vec<_>>(),
        [sha256(b"discharge letter 1").as_bytes()]
    );
    println!("{} commitment fell out and is put in line again", lost.len());

    // A replay from genesis leads to the same state, on every node.
    assert_eq!(observer.replay()?, state_hash(observer.state())?);
    Ok(())
}
