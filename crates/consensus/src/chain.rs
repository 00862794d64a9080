//! A chain on a store: takes headers and blocks in any order, keeps the tip on the best valid branch, and survives a crash
//! between any two batches.
//!
//! Every block is connected and disconnected by one batch of its own, which also moves the tip; a reorganisation is a row
//! of such batches, so it needs no more memory than one block, and one that was cut short is taken up again by
//! [`Chain::open`]. What the store holds beside the blocks: in which order headers and bodies were seen (ties depend on it), and which
//! blocks are invalid.

mod accept;
mod checkpoint;
mod engine;
mod open;
mod query;
mod records;
mod reorganise;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::fmt;

use health_chain_data::{
    BlockId, ChainId, Genesis, Hash, Header, Height,
    ports::{BatchHasher, ChainStore, StateView, StoreError, Verifier},
    state::{Changes, MemoryStore, Table, state_hash},
};

pub use checkpoint::Checkpoint;
pub use engine::EngineInput;
use engine::Journal;
pub use open::OpenError;

use crate::{
    parameters::ConsensusParameters,
    ports::{BlockContext, Engine, Executor, Finality, RewardRule},
    tree::{HeaderTree, Slot},
    verify::{self, BlockError, Rules},
};

/// What a chain is made of.
pub struct Parts {
    /// Where it is kept.
    pub store: Box<dyn ChainStore>,
    /// Who may make blocks.
    pub engine: Box<dyn Engine>,
    /// What transactions do.
    pub executor: Arc<dyn Executor>,
    /// What a block's maker may take.
    pub reward: Arc<dyn RewardRule>,
    /// Verifies signatures.
    pub verifier: Arc<dyn Verifier>,
    /// Computes Merkle roots.
    pub hasher: Arc<dyn BatchHasher>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("engine", &self.engine.name()).finish_non_exhaustive()
    }
}

/// A chain.
pub struct Chain {
    parts: Parts,
    parameters: ConsensusParameters,
    genesis: Genesis,
    chain_id: ChainId,
    tree: HeaderTree,
    /// How many headers and bodies have been seen.
    seen: u64,
    /// The tip that the last [`TipChange`] led to.
    reported: Slot,
    journal: Journal,
    checkpoint: Option<Checkpoint>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (network, engine) = (self.genesis.network(), self.parts.engine.name());
        f.debug_struct("Chain")
            .field("network", &network)
            .field("engine", &engine)
            .field("tip", &self.tip())
            .finish_non_exhaustive()
    }
}

/// The last block of the connected chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Its id.
    pub id: BlockId,
    /// Its height.
    pub height: Height,
    /// Its header.
    pub header: Header,
}

/// What became of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accepted {
    /// It was here already; nothing changed.
    Known,
    /// Stored; a body below it is still missing.
    Waiting,
    /// Stored; another branch is better, or was there first.
    Side,
    /// Not stored: on a lighter branch, and too far below the tip to be likely to matter; or below a [`Checkpoint`] that is not known yet. Its
    /// header is known, and it will be among [`Chain::missing_bodies`] should its branch become the heaviest.
    Stale,
    /// The tip changed.
    Connected(TipChange),
}

/// How the tip moved. Ids only, however long the reorganisation: [`Chain::block`] loads the blocks, disconnected ones too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TipChange {
    /// Blocks that are not connected any more, highest first.
    pub disconnected: Vec<BlockId>,
    /// Blocks that are now connected, lowest first.
    pub connected: Vec<BlockId>,
}

impl Chain {
    /// The last connected block.
    pub fn tip(&self) -> Tip {
        let slot = self.tree.tip();
        Tip { id: self.tree.id_at(slot), height: self.tree.height_at(slot), header: self.tree.header_at(slot) }
    }

    /// Id of the last connected block.
    pub fn tip_id(&self) -> BlockId {
        self.tree.id_at(self.tree.tip())
    }

    /// Height of the last connected block.
    pub fn tip_height(&self) -> Height {
        self.tree.height_at(self.tree.tip())
    }

    /// The genesis document.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The id of the genesis block.
    pub const fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// The limits that blocks keep.
    pub const fn parameters(&self) -> &ConsensusParameters {
        &self.parameters
    }

    /// The state at the tip, and the node-local tables.
    pub fn state(&self) -> &dyn StateView {
        &*self.parts.store
    }

    /// Where a block on top of the tip takes effect.
    pub fn next_context(&self) -> BlockContext {
        verify::context_on(&self.tree.branch_at(self.tree.tip()), self.chain_id)
    }

    /// What transactions do on this chain.
    pub fn executor(&self) -> &Arc<dyn Executor> {
        &self.parts.executor
    }

    /// What a block's maker may take.
    pub fn reward(&self) -> &Arc<dyn RewardRule> {
        &self.parts.reward
    }

    /// Verifies signatures.
    pub fn verifier(&self) -> &Arc<dyn Verifier> {
        &self.parts.verifier
    }

    /// Computes Merkle roots.
    pub fn hasher(&self) -> &Arc<dyn BatchHasher> {
        &self.parts.hasher
    }

    /// Who may make blocks.
    pub fn engine(&self) -> &dyn Engine {
        &*self.parts.engine
    }

    /// When a block counts as settled.
    pub fn finality(&self) -> Finality {
        self.parts.engine.finality()
    }

    /// Writes to tables of this node that no block touches: one atomic batch, durable on return.
    ///
    /// # Errors
    /// Where the store fails; then nothing was written.
    ///
    /// # Panics
    /// If a change is in a table of the chain itself: state, or one of the data and consensus layers.
    pub fn put_local(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let is_free = |table: Table| table >= records::FIRST_FREE && !table.is_state();
        assert!(changes.iter().all(|(table, ..)| is_free(table)), "tables of the chain change by blocks only");
        self.parts.store.commit(changes)
    }

    /// Runs every connected block again, from the genesis block, on a store in memory, and returns the hash of the state that
    /// results: equal to [`state_hash`] of [`Chain::state`], or the store is damaged.
    ///
    /// # Errors
    /// The rule that a connected block breaks, or [`BlockError::Store`] where a block can't be read or the genesis state can't
    /// be made again.
    pub fn replay(&self) -> Result<Hash, BlockError> {
        let mut state = MemoryStore::default();
        let genesis = open::genesis_state(&state, &self.parts, &self.genesis)
            .map_err(|_| StoreError::Damaged { table: Table::BODIES })?;
        state.commit(&genesis)?;
        let tip = self.tree.height_at(self.tree.tip());
        for height in 1..=tip.0 {
            let slot = self.tree.connected_at(Height(height)).expect("every height up to the tip is connected");
            let block = self.load(slot)?;
            let branch = self.tree.branch_at(self.tree.parent_of(slot));
            let verified = verify::verify(block, &branch, &state, &self.rules())?;
            state.commit(verified.changes())?;
        }
        Ok(state_hash(&state)?)
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            chain: self.chain_id,
            parameters: &self.parameters,
            engine: &*self.parts.engine,
            executor: &*self.parts.executor,
            reward: &*self.parts.reward,
            verifier: &*self.parts.verifier,
            hasher: &*self.parts.hasher,
        }
    }
}
