//! What a chain does of what its engine wants.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::sync::{Arc, Mutex};

use common::*;
use health_chain_consensus::{
    Chain, EngineInput, Weight,
    ports::{Action, Ancestry, Engine, Finality, Input, SealError},
};
use health_chain_data::{Block, Header, Millis};

/// Wants a block judged, and other things in the same step; and more once it has the verdict.
struct Asker {
    block: Block,
    /// What stood in its journal.
    journal: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Engine for Asker {
    fn name(&self) -> &'static str {
        "asker"
    }

    fn finality(&self) -> Finality {
        ToyEngine.finality()
    }

    fn check_seal(&self, header: &Header, branch: &dyn Ancestry) -> Result<(), SealError> {
        ToyEngine.check_seal(header, branch)
    }

    fn weight(&self, header: &Header) -> Weight {
        ToyEngine.weight(header)
    }

    fn step(&mut self, _: Millis, input: Input<'_>) -> Vec<Action> {
        let says = |word: &[u8], at| vec![Action::Persist(word.to_vec()), Action::WakeAt(Millis(at))];
        match input {
            Input::Tip { .. } => [vec![Action::Judge(self.block.clone())], says(b"asked", 1)].concat(),
            Input::Judged { is_valid: true, .. } => says(b"valid", 2),
            Input::Judged { is_valid: false, .. } => says(b"invalid", 2),
            Input::Journal(entry) => {
                self.journal.lock().unwrap().push(entry);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }
}

/// The engine knew what it asked before it had the answer: its journal says so, and of two times to be woken the later wish counts.
#[test]
fn what_a_verdict_leads_to_comes_after_what_was_wanted_before_it() {
    let disk = Disk::default();
    let journal = Arc::new(Mutex::new(Vec::new()));
    let root = genesis().block().header;
    let open = |block: &Block| {
        let engine = Asker { block: block.clone(), journal: journal.clone() };
        Chain::open(parts(disk.clone(), engine), &genesis()).unwrap()
    };
    let good = block_on(&root, 1, 1, vec![]);
    let wakes = [Action::WakeAt(Millis(1)), Action::WakeAt(Millis(2))];
    assert_eq!(open(&good).step_engine(NOW, EngineInput::Tip), wakes);
    let bad = block_on(&root, 1, 2, vec![transaction(REFUSED, 0, 0)]);
    assert_eq!(open(&bad).step_engine(NOW, EngineInput::Tip), wakes);
    journal.lock().unwrap().clear();
    open(&good);
    assert_eq!(*journal.lock().unwrap(), [&b"asked"[..], b"valid", b"asked", b"invalid"]);
}
