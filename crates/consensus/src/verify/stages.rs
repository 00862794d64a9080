//! One function per step of verification.

use alloc::{collections::BTreeSet, vec::Vec};

use health_chain_data::{
    Amount, Block, Header, Kind,
    codec::{self, Wire},
    limits::{MAX_BLOCK_TRANSACTIONS, MAX_SEAL_BYTES, MAX_TRANSACTION_BYTES},
    ports::{FalseClaim, StateView},
    state::Overlay,
};

use super::{BLOCK_VERSION, BlockError, CERTIFIED_BLOCK_VERSION, HeaderError, Rules};
use crate::{
    ports::{Ancestry, BlockContext, Finality},
    tree::median_time_past,
    validators::Validator,
    weight::Weight,
};

/// The block's effects so far, not yet written anywhere.
#[derive(Debug)]
pub struct Executed<'a> {
    /// The state with the effects on top.
    pub state: Overlay<'a>,
    /// What the transactions pay together.
    pub fees: Amount,
}

/// Step one: what the block shows by itself. The root comes first, because only what it commits to is the header's fault;
/// hashing costs little, since no block is decoded beyond [`health_chain_data::limits::MAX_BLOCK_BYTES`].
///
/// # Errors
/// The rule broken.
pub fn structure(block: &Block, rules: &Rules<'_>) -> Result<(), BlockError> {
    let transactions = block.transactions();
    let count = transactions.len();
    if count > MAX_BLOCK_TRANSACTIONS {
        return Err(BlockError::TooManyTransactions { count });
    }
    let encoded: Vec<Vec<u8>> = transactions.iter().map(codec::encode).collect();
    let leaves: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
    let body = rules.hasher.merkle_root(&rules.hasher.hash_leaves(&leaves));
    if body != block.header.root {
        return Err(BlockError::RootMismatch { header: block.header.root, body });
    }
    let max_bytes = rules.parameters.max_block_bytes;
    // A certificate comes when the block has been judged: it counts as the longest one.
    let header = if block.header.is_certified() { Header::MAX_BYTES } else { codec::encode(&block.header).len() };
    let around = header + codec::encode(&count).len();
    let bytes = around + encoded.iter().map(Vec::len).sum::<usize>();
    if bytes > max_bytes as usize {
        return Err(BlockError::TooLong { bytes, max_bytes });
    }
    kinds(block)?;
    for (index, (transaction, encoded)) in transactions.iter().zip(&encoded).enumerate() {
        if encoded.len() > MAX_TRANSACTION_BYTES {
            return Err(BlockError::TransactionTooLong { index, bytes: encoded.len() });
        }
        transaction.check().map_err(|source| BlockError::Transaction { index, source })?;
    }
    let mut seen = BTreeSet::new();
    for (index, transaction) in transactions.iter().enumerate() {
        let id = transaction.id();
        if !seen.insert(id) {
            return Err(BlockError::DuplicateTransaction { index, id });
        }
    }
    Ok(())
}

/// Step two: the header on its branch, and the seal that the engine demands there.
///
/// # Errors
/// The rule broken.
pub fn seal(header: &Header, branch: &dyn Ancestry, rules: &Rules<'_>) -> Result<(), HeaderError> {
    place(header, branch, rules)?;
    rules.engine.check_seal(header, branch)?;
    if rules.engine.weight(header) == Weight::ZERO { Err(HeaderError::Weightless) } else { Ok(()) }
}

/// What step two asks of a header whatever its seal says.
pub(super) fn place(header: &Header, branch: &dyn Ancestry, rules: &Rules<'_>) -> Result<(), HeaderError> {
    let expected = match rules.engine.finality() {
        Finality::Certificate => CERTIFIED_BLOCK_VERSION,
        Finality::Depth(_) => BLOCK_VERSION,
    };
    if header.version != expected {
        return Err(HeaderError::Version { found: header.version, expected });
    }
    if header.seal.len() > MAX_SEAL_BYTES {
        return Err(HeaderError::SealTooLong { bytes: header.seal.len() });
    }
    let median = median_time_past(branch);
    if header.time <= median { Err(HeaderError::TimeNotAfterMedian { time: header.time, median }) } else { Ok(()) }
}

/// Step three: who decides from the next block on, if the seal says so and the state agrees.
///
/// # Errors
/// Where they contradict each other.
pub fn succession(
    header: &Header,
    branch: &dyn Ancestry,
    state: &dyn StateView,
    rules: &Rules<'_>,
) -> Result<Option<Vec<Validator>>, BlockError> {
    rules.engine.succession(header, branch, state).map_err(BlockError::succession)
}

/// Step four: applies every transaction but the coinbase, in order, and verifies all signatures at once at the end.
///
/// # Errors
/// The rule broken, with the transaction that breaks it.
pub fn execution<'a>(
    block: &Block,
    context: &BlockContext,
    state: &'a dyn StateView,
    rules: &Rules<'_>,
) -> Result<Executed<'a>, BlockError> {
    let max = rules.parameters.max_signature_checks;
    let mut executed = Executed { state: Overlay::new(state), fees: Amount::ZERO };
    let mut count: u32 = 0;
    let mut claims = Vec::new();
    // How many claims had been made when each transaction was done.
    let mut claims_up_to = Vec::with_capacity(block.transactions().len());
    for (index, transaction) in block.transactions().iter().enumerate() {
        if transaction.kind != Kind::COINBASE {
            let effect = rules
                .executor
                .apply(&mut executed.state, transaction, context, &mut claims)
                .map_err(|error| BlockError::execution(index, error))?;
            count = count.saturating_add(effect.signature_checks);
            if count > max {
                return Err(BlockError::TooManySignatureChecks { index, count, max });
            }
            executed.fees = executed.fees.checked_add(effect.fee.0).ok_or(BlockError::FeeOverflow { index })?;
        }
        claims_up_to.push(claims.len());
    }
    match rules.verifier.verify(&claims) {
        Ok(()) => Ok(executed),
        Err(FalseClaim { index }) => {
            Err(BlockError::FalseSignature { index: claims_up_to.partition_point(|up_to| *up_to <= index) })
        }
    }
}

/// Step five: settles the coinbase against the fees.
///
/// # Errors
/// The rule broken.
pub fn reward(
    block: &Block,
    context: &BlockContext,
    executed: &mut Executed<'_>,
    rules: &Rules<'_>,
) -> Result<(), BlockError> {
    rules.reward.settle(&mut executed.state, block, executed.fees, context).map_err(BlockError::reward)
}

/// A coinbase stands first or nowhere; a genesis transaction stands in the genesis block only, which is not verified.
fn kinds(block: &Block) -> Result<(), BlockError> {
    let transactions = block.transactions();
    if let Some(index) = transactions.iter().position(|transaction| transaction.kind == Kind::GENESIS) {
        return Err(BlockError::GenesisKind { index });
    }
    match transactions.iter().skip(1).position(|transaction| transaction.kind == Kind::COINBASE) {
        None => Ok(()),
        Some(after_first) if transactions[0].kind == Kind::COINBASE => {
            Err(BlockError::SecondCoinbase { index: after_first + 1 })
        }
        Some(after_first) => Err(BlockError::CoinbaseNotFirst { index: after_first + 1 }),
    }
}
