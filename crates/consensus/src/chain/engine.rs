//! Driving the engine: the chain adds the branch to what the engine is told, keeps its journal, and judges what it asks about.

use alloc::{collections::VecDeque, vec::Vec};

use health_chain_data::{
    Block, Header, Millis,
    ports::{StateView, StoreError},
    state::Changes,
};

use super::{Chain, records};
use crate::{
    ports::{Action, Engine, Input, SearchTask},
    verify::{self, BlockError},
};

/// What the engine is told. The branch that [`Input`] speaks of is added by the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineInput {
    /// The chain has a new tip, or has just been opened.
    Tip,
    /// A candidate to seal; void if it does not extend the tip.
    Candidate(Header),
    /// A nonce that meets the target.
    Solved {
        /// The task that it answers.
        task: SearchTask,
        /// The nonce.
        nonce: u32,
    },
    /// No nonce of the task meets the target.
    Exhausted {
        /// The task.
        task: SearchTask,
    },
    /// The moment named by [`Action::WakeAt`] has come.
    Tick,
    /// A candidate to propose, as asked for by [`Action::Propose`]; void if it does not extend the tip.
    Proposal(Block),
    /// What another node's engine says.
    Message(Vec<u8>),
}

/// What the engine has had persisted: entries by their count.
#[derive(Debug, Default)]
pub(super) struct Journal {
    first: u64,
    next: u64,
    /// Why it could not be written once; from then on the engine rests.
    failure: Option<StoreError>,
}

impl Journal {
    /// The journal as it was left; `engine` is told of its entries.
    pub(super) fn open(store: &dyn StateView, engine: &mut dyn Engine) -> Result<Self, StoreError> {
        let mut entries = Vec::new();
        store.scan(records::JOURNAL, &[], &mut |key, entry| {
            entries.push((key.to_vec(), entry.to_vec()));
            true
        })?;
        let mut journal = Self::default();
        for (index, (key, entry)) in entries.into_iter().enumerate() {
            let damaged = StoreError::Damaged { table: records::JOURNAL };
            let count = u64::from_be_bytes(key.as_slice().try_into().map_err(|_| damaged)?);
            if index == 0 {
                journal.first = count;
            }
            journal.next = count + 1;
            engine.step(Millis::ZERO, Input::Journal(entry));
        }
        Ok(journal)
    }

    fn append(&mut self, changes: &mut Changes, entry: Vec<u8>) {
        changes.put(records::JOURNAL, self.next.to_be_bytes(), entry);
        self.next += 1;
    }

    fn clear(&mut self, changes: &mut Changes) {
        for count in self.first..self.next {
            changes.delete(records::JOURNAL, count.to_be_bytes());
        }
        self.first = self.next;
    }
}

impl Chain {
    /// One step of the engine, with the branch that the input is about. What the engine wants persisted is durable on return, and
    /// what it wants judged has been: the actions returned are the driver's.
    ///
    /// Should the store fail, nothing of this step leaves the node, and the engine rests until the chain is opened again
    /// ([`Chain::engine_failure`]).
    pub fn step_engine(&mut self, now: Millis, input: EngineInput) -> Vec<Action> {
        if self.journal.failure.is_some() {
            return Vec::new();
        }
        let tip = self.tree.id_at(self.tree.tip());
        let branch = self.tree.branch_at(self.tree.tip());
        let state: &dyn StateView = &*self.parts.store;
        let input = match input {
            EngineInput::Tip => Input::Tip { branch: &branch, state },
            EngineInput::Candidate(header) if header.parent != tip => return Vec::new(),
            EngineInput::Candidate(header) => Input::Candidate { header, branch: &branch },
            EngineInput::Proposal(block) if block.header.parent != tip => return Vec::new(),
            EngineInput::Proposal(block) => Input::Proposal { block, branch: &branch },
            EngineInput::Message(bytes) => Input::Message { bytes, branch: &branch, state },
            EngineInput::Solved { task, nonce } => Input::Solved { task, nonce },
            EngineInput::Exhausted { task } => Input::Exhausted { task },
            EngineInput::Tick => Input::Tick,
        };
        let actions = self.parts.engine.step(now, input);
        self.carry_out(now, actions)
    }

    /// Why the engine rests: its journal could not be written.
    pub const fn engine_failure(&self) -> Option<&StoreError> {
        self.journal.failure.as_ref()
    }

    /// Whether a block may follow the tip: every rule but the engine's. Nothing is stored.
    ///
    /// # Errors
    /// The first rule broken, or [`BlockError::Store`] where the state can't be read.
    pub fn judge(&self, now: Millis, block: &Block) -> Result<(), BlockError> {
        let branch = self.tree.branch_at(self.tree.tip());
        if block.header.parent != self.tree.id_at(self.tree.tip()) {
            return Err(verify::HeaderError::UnknownParent { parent: block.header.parent }.into());
        }
        verify::proposal(block, &branch, self.state(), &self.rules(), now)
    }

    /// Does what is the chain's to do, and returns the rest in its order. What a verdict leads to comes after all that the engine wanted
    /// before it had the verdict: the journal has to say what it knew when.
    fn carry_out(&mut self, now: Millis, actions: Vec<Action>) -> Vec<Action> {
        let mut pending = VecDeque::from(actions);
        let mut rest = Vec::new();
        let mut changes = Changes::default();
        while let Some(action) = pending.pop_front() {
            match action {
                Action::Persist(entry) => self.journal.append(&mut changes, entry),
                Action::Forget => self.journal.clear(&mut changes),
                Action::Judge(block) => {
                    let is_valid = match self.judge(now, &block) {
                        Ok(()) => true,
                        Err(error) if error.is_senders_fault() => false,
                        // This node can't tell: it has no opinion.
                        Err(_) => continue,
                    };
                    pending.extend(self.parts.engine.step(now, Input::Judged { id: block.id(), is_valid }));
                }
                other => rest.push(other),
            }
        }
        if !changes.is_empty()
            && let Err(failure) = self.parts.store.commit(&changes)
        {
            self.journal.failure = Some(failure);
            return Vec::new();
        }
        rest
    }
}
