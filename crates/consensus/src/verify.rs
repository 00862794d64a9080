//! What makes a block valid, in the order in which it is checked: header, structure, seal, succession, execution, reward. One function per
//! step, one error variant per rule; [`BlockError`] and [`HeaderError`] read as the list of rules.
//!
//! [`header`] comes first and alone, because headers travel ahead of their blocks. [`structure`] needs the block only, and is
//! checked before anything is stored. [`verify`] runs everything that does not depend on the node's clock on the state
//! below the block, and is the only place where a [`VerifiedBlock`] is made.

mod error;
mod stages;

use core::fmt;
pub use error::{BlockError, HeaderError};

use health_chain_data::{
    Amount, Block, ChainId, Header, Height, Millis,
    header::CERTIFIED_VERSION_BIT,
    ports::{BatchHasher, StateView, Verifier},
    state::Changes,
};
use stages::place;
pub use stages::{Executed, execution, reward, seal, structure, succession};

use crate::{
    parameters::ConsensusParameters,
    ports::{Ancestry, BlockContext, Engine, Executor, RewardRule},
    tree::median_time_past,
    validators,
};

/// The version of block headers under an engine whose seal is part of the id.
pub const BLOCK_VERSION: u32 = 1;
/// The version of block headers under an engine whose blocks are final by a certificate.
pub const CERTIFIED_BLOCK_VERSION: u32 = BLOCK_VERSION | CERTIFIED_VERSION_BIT;

/// Everything that decides whether a block is valid, except the branch below it and that branch's state.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// The chain.
    pub chain: ChainId,
    /// The chain's limits.
    pub parameters: &'a ConsensusParameters,
    /// Checks seals.
    pub engine: &'a dyn Engine,
    /// Applies transactions.
    pub executor: &'a dyn Executor,
    /// Settles the coinbase.
    pub reward: &'a dyn RewardRule,
    /// Verifies the signatures.
    pub verifier: &'a dyn Verifier,
    /// Computes the root.
    pub hasher: &'a dyn BatchHasher,
}

impl fmt::Debug for Rules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("chain", &self.chain).field("engine", &self.engine.name()).finish_non_exhaustive()
    }
}

/// A block that keeps every rule on the state it was verified against, with what it changes there.
#[derive(Debug, Clone)]
pub struct VerifiedBlock {
    block: Block,
    height: Height,
    fees: Amount,
    changes: Changes,
    undo: Changes,
}

impl VerifiedBlock {
    /// The block.
    pub const fn block(&self) -> &Block {
        &self.block
    }

    /// Its height.
    pub const fn height(&self) -> Height {
        self.height
    }

    /// What its transactions pay together, in the fee token.
    pub const fn fees(&self) -> Amount {
        self.fees
    }

    /// What it changes in the state below it.
    pub const fn changes(&self) -> &Changes {
        &self.changes
    }

    /// What leads back.
    pub const fn undo(&self) -> &Changes {
        &self.undo
    }

    /// The changes and what leads back, taken out.
    pub(crate) fn into_changes(self) -> (Changes, Changes) {
        (self.changes, self.undo)
    }
}

/// Checks a header on top of `branch`, as far as that goes without its block. `now` is the node's clock.
///
/// # Errors
/// The rule broken. Of them, only [`HeaderError::TimeTooFarAhead`] may stop being broken.
pub fn header(header: &Header, branch: &dyn Ancestry, rules: &Rules<'_>, now: Millis) -> Result<(), HeaderError> {
    time(header, rules, now)?;
    seal(header, branch, rules)
}

/// Checks a block that is to be agreed upon: all rules but the engine's, since the seal comes with the agreement. `now` is the
/// node's clock.
///
/// # Errors
/// The first rule broken, or [`BlockError::Store`] where the state can't be read.
pub fn proposal(
    block: &Block,
    branch: &dyn Ancestry,
    state: &dyn StateView,
    rules: &Rules<'_>,
    now: Millis,
) -> Result<(), BlockError> {
    time(&block.header, rules, now)?;
    structure(block, rules)?;
    place(&block.header, branch, rules)?;
    let context = context_on(branch, rules.chain);
    let mut executed = execution(block, &context, state, rules)?;
    reward(block, &context, &mut executed, rules)
}

/// Verifies `block` on top of `branch`, whose state is `state`: all rules but the one about the node's clock.
///
/// # Errors
/// The first rule broken, or [`BlockError::Store`] where the state can't be read.
pub fn verify(
    block: Block,
    branch: &dyn Ancestry,
    state: &dyn StateView,
    rules: &Rules<'_>,
) -> Result<VerifiedBlock, BlockError> {
    structure(&block, rules)?;
    seal(&block.header, branch, rules)?;
    effects(block, branch, state, rules)
}

/// As [`verify`], for a block whose header has just been checked on top of the same branch.
pub(crate) fn admitted(
    block: Block,
    branch: &dyn Ancestry,
    state: &dyn StateView,
    rules: &Rules<'_>,
) -> Result<VerifiedBlock, BlockError> {
    structure(&block, rules)?;
    effects(block, branch, state, rules)
}

fn effects(
    block: Block,
    branch: &dyn Ancestry,
    state: &dyn StateView,
    rules: &Rules<'_>,
) -> Result<VerifiedBlock, BlockError> {
    let successors = succession(&block.header, branch, state, rules)?;
    let context = context_on(branch, rules.chain);
    let mut executed = execution(&block, &context, state, rules)?;
    reward(&block, &context, &mut executed, rules)?;
    if let Some(successors) = successors {
        validators::succeed(&mut executed.state, context.height.next(), &successors)?;
    }
    let changes = executed.state.into_changes()?;
    assert!(changes.iter().all(|(table, ..)| table.is_state()), "an executor writes state tables only");
    let undo = changes.undo(state)?;
    Ok(VerifiedBlock { height: context.height, fees: executed.fees, changes, undo, block })
}

fn time(header: &Header, rules: &Rules<'_>, now: Millis) -> Result<(), HeaderError> {
    let latest = now.timestamp().saturating_add(rules.parameters.max_future_seconds);
    if header.time > latest { Err(HeaderError::TimeTooFarAhead { time: header.time, latest }) } else { Ok(()) }
}

/// Where a block on top of `branch` takes effect.
pub fn context_on(branch: &dyn Ancestry, chain: ChainId) -> BlockContext {
    BlockContext { chain, height: branch.height().next(), median_time_past: median_time_past(branch) }
}
