//! A researcher's own engine: a few keys take turns by the clock. It goes through the suite that every engine goes through, and then
//! through the simulator, with faults: `cargo run --release --example own_engine`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{error::Error, sync::Arc};

use health_chain::{
    consensus::{
        ConsensusParameters, Weight,
        ports::{Action, Ancestry, Engine, Finality, Input, SealError},
    },
    data::{Genesis, Hash, Header, Millis, PublicKey, SecretKey, Signature, Timestamp, tagged_hash},
};
use health_chain_testkit::{
    conformance,
    sim::{self, Consensus, Fault, Options, OwnEngine},
};

const SLOT_SECONDS: u32 = 15;
const KEYS: u32 = 3;
/// Deeper than what may grow on either side of a partition.
const SETTLED_BLOCKS: u32 = 16;

/// Slot `n` belongs to key `n % KEYS`; a block's time says in which slot it was made, and no two of a branch share one.
struct Turns {
    /// Whose turns this node takes; a node beyond the keys only checks.
    own: u32,
    due: Option<Millis>,
}

fn key(number: u32) -> SecretKey {
    SecretKey::from_bytes(&tagged_hash("example", &[&number.to_le_bytes()]).0).expect("a hash is a key")
}

const fn slot(time: Timestamp) -> u32 {
    time.0 / SLOT_SECONDS
}

/// What a block's maker signs, under a tag that means nothing else.
fn message(header: &Header) -> Hash {
    let unsealed = Header { seal: vec![], ..header.clone() };
    tagged_hash("example/turns", &[&unsealed.to_bytes()])
}

impl Turns {
    fn wait(&mut self, now: Millis, branch: &dyn Ancestry) -> Vec<Action> {
        let first = (slot(branch.parent().time) + 1).max(slot(now.timestamp()));
        let next = first + (KEYS + self.own - first % KEYS) % KEYS;
        let due = Millis::from(Timestamp(next * SLOT_SECONDS));
        self.due = Some(due);
        vec![Action::WakeAt(due)]
    }
}

impl Engine for Turns {
    fn name(&self) -> &'static str {
        "turns"
    }

    fn finality(&self) -> Finality {
        Finality::Depth(SETTLED_BLOCKS)
    }

    fn check_seal(&self, header: &Header, branch: &dyn Ancestry) -> Result<(), SealError> {
        let refused = |rule: &'static str| SealError { rule, source: rule.into() };
        if slot(header.time) <= slot(branch.parent().time) {
            return Err(refused("turns-slot-taken"));
        }
        let seal = header.seal.as_slice().try_into().map_err(|_| refused("turns-seal-length"))?;
        let maker: PublicKey = key(slot(header.time) % KEYS).public_key();
        maker.verify(&message(header), &Signature(seal)).map_err(|_| refused("turns-signature"))
    }

    fn weight(&self, _: &Header) -> Weight {
        Weight::from(1)
    }

    fn step(&mut self, now: Millis, input: Input<'_>) -> Vec<Action> {
        match input {
            Input::Tip { branch, .. } if self.own < KEYS => self.wait(now, branch),
            Input::Tick if self.due.take_if(|due| *due <= now).is_some() => vec![Action::Build],
            Input::Candidate { mut header, branch } if slot(header.time) % KEYS == self.own => {
                if slot(header.time) <= slot(branch.parent().time) {
                    return self.wait(now, branch);
                }
                header.seal = key(self.own).sign(&message(&header), &[0; 32]).as_bytes().to_vec();
                vec![Action::Sealed(header)]
            }
            // A late turn is left to the next key.
            Input::Candidate { branch, .. } if self.own < KEYS => self.wait(now, branch),
            _ => vec![],
        }
    }
}

fn engine(own: usize) -> Box<dyn Engine> {
    Box::new(Turns { own: own as u32, due: None })
}

fn main() -> Result<(), Box<dyn Error>> {
    let genesis = Genesis::new("turns", Timestamp(1_800_000_000), vec![]).with(&ConsensusParameters::default());
    conformance::engine(&genesis, || engine(0), || engine(KEYS as usize));
    println!("the suite of engines passes");

    let engine = Arc::new(|own, _: &Genesis| engine(own));
    let own = OwnEngine { genesis: Arc::new(|genesis| genesis), genesis_seal: vec![], engine };
    let faults = vec![Fault::Loss, Fault::Reordering, Fault::Halves, Fault::Crash, Fault::LostWrite, Fault::FullDisk];
    let options = Options {
        consensus: Consensus::Own(own),
        interval_seconds: SLOT_SECONDS,
        settled_blocks: SETTLED_BLOCKS,
        faults,
        ..Options::default()
    };
    for seed in 1..=2 {
        let report = sim::run(&options, seed)?;
        println!("seed {seed}: {:?}\n  faults {:?}", report.activity, report.faults);
    }
    Ok(())
}
