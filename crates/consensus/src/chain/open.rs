//! Opening a chain: making it from its genesis document, or reading it back and finishing what was cut short.

use health_chain_data::{
    BlockId, ChainId, Genesis, Height,
    genesis::GenesisError,
    ports::{StateView, StoreError},
    state::{Changes, Overlay, Table},
};
use thiserror::Error;

use super::{
    Chain, Checkpoint, Parts,
    engine::Journal,
    records::{self, Seen},
};
use crate::{parameters::ConsensusParameters, ports::ExecuteError, tree::HeaderTree, validators, weight::Weight};

/// Why a chain can't be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The genesis document is of no use.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The genesis document asks for limits beyond those of this software.
    #[error("the genesis document asks for blocks of {max_block_bytes} bytes")]
    Parameters {
        /// The limit asked for.
        max_block_bytes: u32,
    },
    /// The engine gives the genesis header no weight: its seal is not in the form that the engine expects.
    #[error("the engine does not take the seal of the genesis header")]
    GenesisSeal,
    /// The executor does not take the genesis document.
    #[error("the state of the genesis block can't be made")]
    GenesisState(#[source] ExecuteError),
    /// The store holds another chain.
    #[error("the store holds chain {found}, not {expected}")]
    OtherChain {
        /// The chain in the store.
        found: ChainId,
        /// The chain that the genesis document makes.
        expected: ChainId,
    },
    /// The store holds a branch that this node is told not to take: it was led astray before.
    #[error(
        "block {block} is the checkpoint at height {height}, and the store has blocks connected that are not on its branch"
    )]
    Checkpoint {
        /// The checkpoint's height.
        height: Height,
        /// The checkpoint's block.
        block: BlockId,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Chain {
    /// Opens the chain that `genesis` makes. An empty store is given the genesis block and its state; in any other, a
    /// reorganisation that was cut short is finished.
    ///
    /// # Errors
    /// Where the document or the store is of no use, or of another chain.
    pub fn open(parts: Parts, genesis: &Genesis) -> Result<Self, OpenError> {
        Self::open_at(parts, genesis, None)
    }

    /// Like [`Chain::open`], and takes no branch that contradicts `checkpoint`.
    ///
    /// # Errors
    /// Where the document or the store is of no use, or of another chain, or the store contradicts the checkpoint.
    pub fn open_at(mut parts: Parts, genesis: &Genesis, checkpoint: Option<Checkpoint>) -> Result<Self, OpenError> {
        genesis.check()?;
        let parameters: ConsensusParameters = genesis.section()?;
        if !parameters.are_possible() {
            return Err(OpenError::Parameters { max_block_bytes: parameters.max_block_bytes });
        }
        if parts.engine.weight(&genesis.block().header) == Weight::ZERO {
            return Err(OpenError::GenesisSeal);
        }
        let expected = genesis.chain_id();
        match records::chain(&*parts.store)? {
            None => create(&mut parts, genesis)?,
            Some(found) if found != expected => return Err(OpenError::OtherChain { found, expected }),
            Some(_) => {}
        }
        let (tree, seen) = read_tree(&parts, genesis)?;
        let journal = Journal::open(&*parts.store, &mut *parts.engine)?;
        let mut chain = Self {
            reported: tree.tip(),
            parts,
            parameters,
            genesis: genesis.clone(),
            chain_id: expected,
            tree,
            seen,
            journal,
            checkpoint,
        };
        chain.keep_to_checkpoint()?;
        chain.reorganise()?;
        Ok(chain)
    }
}

/// The state that the genesis document sets out, as changes to the empty state.
pub(super) fn genesis_state(empty: &dyn StateView, parts: &Parts, genesis: &Genesis) -> Result<Changes, ExecuteError> {
    let mut state = Overlay::new(empty);
    if let Some(founding) = parts.engine.founding() {
        validators::found(&mut state, &founding);
    }
    parts.executor.genesis(&mut state, genesis)?;
    let changes = state.into_changes()?;
    assert!(changes.iter().all(|(table, ..)| table.is_state()), "an executor writes state tables only");
    Ok(changes)
}

fn create(parts: &mut Parts, genesis: &Genesis) -> Result<(), OpenError> {
    let block = genesis.block();
    let id = block.id();
    let mut changes = genesis_state(&*parts.store, parts, genesis).map_err(|error| match error {
        ExecuteError::Store(error) => OpenError::Store(error),
        refused => OpenError::GenesisState(refused),
    })?;
    records::put_chain(&mut changes, &ChainId(id.0));
    records::put_header(&mut changes, &id, &block.header, 0);
    records::put_body(&mut changes, &id, &block.body, 1);
    records::put_connected(&mut changes, &id, Height::ZERO);
    Ok(parts.store.commit(&changes)?)
}

/// The tree as it was left, and how many things have been seen.
fn read_tree(parts: &Parts, genesis: &Genesis) -> Result<(HeaderTree, u64), StoreError> {
    let store = &*parts.store;
    let damaged = |table| StoreError::Damaged { table };
    let root = genesis.block().header;
    let mut tree = HeaderTree::rooted(&root, Height::ZERO, parts.engine.weight(&root));
    let mut next = 0;
    for (seen, what) in records::seen(store)? {
        next = seen + 1;
        match what {
            Seen::Header(id) => {
                let header = records::header(store, &id)?;
                tree.insert(&header, parts.engine.weight(&header), seen).map_err(|_| damaged(Table::HEADERS))?;
            }
            Seen::Body(id) => {
                let slot = tree.slot(&id).ok_or(damaged(records::SEEN))?;
                if !tree.has_body(slot) {
                    tree.add_body(slot, seen);
                }
            }
        }
    }
    for id in records::invalid(store)? {
        let slot = tree.slot(&id).ok_or(damaged(records::INVALID))?;
        if !tree.is_invalid(slot) {
            tree.invalidate(slot);
        }
    }
    let tip = tree.slot(&records::tip(store)?).ok_or(damaged(Table::META))?;
    for slot in tree.path(tree.tip(), tip) {
        tree.push_connected(slot);
    }
    Ok((tree, next))
}
