//! Why the pool did not take a transaction.

use health_chain_consensus::ports::ExecuteError;
use health_chain_data::{
    Amount, BlockId, Kind, OutPoint, TxId, limits::MAX_TRANSACTION_BYTES, ports::FalseClaim,
    transaction::TransactionError,
};
use thiserror::Error;

use super::FeeRate;

/// Why the pool did not take a transaction.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MempoolError {
    /// The pool has not been told of a change.
    #[error(transparent)]
    OtherTip(#[from] OtherTip),
    /// The transaction is wrong by itself.
    #[error("the transaction is malformed")]
    Malformed(#[source] TransactionError),
    /// Longer than any transaction may be.
    #[error("{bytes} bytes, where a transaction has at most {MAX_TRANSACTION_BYTES}")]
    TooLong {
        /// Its encoded length.
        bytes: usize,
    },
    /// Genesis and coinbase travel in blocks only.
    #[error("a transaction of kind {kind:?} travels in a block only")]
    ReservedKind {
        /// The kind.
        kind: Kind,
    },
    /// It is in the pool already.
    #[error("the transaction is in the pool already")]
    Known,
    /// A transaction of the pool spends the same output; the first one seen stays.
    #[error("{previous:?} is spent by {with} already")]
    Conflict {
        /// The output.
        previous: OutPoint,
        /// Who spends it.
        with: TxId,
    },
    /// It breaks a rule of its kind, on the state at the tip with the pool applied (elsewhere it may hold), or the state could not be
    /// read.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// One of its signatures does not verify.
    #[error("a signature of the transaction is false")]
    FalseSignature(#[source] FalseClaim),
    /// More signature checks than this node's policy allows.
    #[error("{found} signature checks, where at most {limit} are taken")]
    TooManySignatureChecks {
        /// How many.
        found: u32,
        /// The policy's limit.
        limit: u32,
    },
    /// It depends on more of the pool than this node's policy allows.
    #[error("the transaction depends on more than {limit} others")]
    TooManyAncestors {
        /// The policy's limit.
        limit: usize,
    },
    /// It pays less than this node's policy asks for.
    #[error("a fee of {} for {} bytes, where {minimum_per_kilobyte} per 1,000 bytes are asked for", rate.fee, rate.bytes)]
    FeeTooLow {
        /// What it pays.
        rate: FeeRate,
        /// The policy's minimum.
        minimum_per_kilobyte: Amount,
    },
    /// The pool is full of transactions that pay as much or more.
    #[error("the pool is full, and a fee of {} for {} bytes evicts nobody", rate.fee, rate.bytes)]
    Full {
        /// What it pays.
        rate: FeeRate,
    },
    /// The room for protected transactions is taken.
    #[error("the room for protected transactions is taken")]
    ProtectedFull,
}

/// The pool belongs to another tip than the one given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the pool belongs to tip {pool}, not to {given}")]
pub struct OtherTip {
    /// The pool's tip.
    pub pool: BlockId,
    /// The tip given.
    pub given: BlockId,
}

impl MempoolError {
    /// The rule that whoever relayed the transaction should have checked, if it is one that holds on every branch, whatever a node's
    /// policy: for scoring a peer.
    pub const fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Malformed(_) => Some("transaction-malformed"),
            Self::TooLong { .. } => Some("transaction-too-long"),
            Self::ReservedKind { .. } => Some("transaction-reserved-kind"),
            Self::FalseSignature(_) => Some("transaction-false-signature"),
            _ => None,
        }
    }
}
