//! The rules, as the errors that name them.

use health_chain_data::{
    BlockId, Hash, Height, Timestamp, TxId,
    limits::{MAX_BLOCK_TRANSACTIONS, MAX_SEAL_BYTES, MAX_TRANSACTION_BYTES},
    ports::StoreError,
    transaction::TransactionError,
};
use thiserror::Error;

use crate::ports::{ExecuteError, Rejection, SealError};

/// Why a header was not accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The header below is not known here; says nothing about this one.
    #[error("parent {parent} is not known")]
    UnknownParent {
        /// The header below.
        parent: BlockId,
    },
    /// The header, or one below it, belongs to a block that broke a rule.
    #[error("block {id} is invalid, or built on an invalid one")]
    Invalid {
        /// The block.
        id: BlockId,
    },
    /// Not the version of this chain's blocks.
    #[error("version {found}, where {expected} is the only one")]
    Version {
        /// The version found.
        found: u32,
        /// The only one.
        expected: u32,
    },
    /// No header has a seal that long.
    #[error("seal of {bytes} bytes, where at most {MAX_SEAL_BYTES} are allowed")]
    SealTooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not later than the median of the eleven headers below.
    #[error("time {time} is not after the median {median} of the headers below")]
    TimeNotAfterMedian {
        /// The header's time.
        time: Timestamp,
        /// The median.
        median: Timestamp,
    },
    /// Further ahead of this node's clock than the chain allows; may be accepted later.
    #[error("time {time} is after {latest}, the latest that this node's clock allows")]
    TimeTooFarAhead {
        /// The header's time.
        time: Timestamp,
        /// The latest time accepted now.
        latest: Timestamp,
    },
    /// The engine refuses the seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Another block at this height, or above it on another branch, is final: under an engine with certificates one is enough.
    #[error("block {block} is final at height {height}, and this header is not on top of it")]
    Final {
        /// The height.
        height: Height,
        /// The block that is final there.
        block: BlockId,
    },
    /// The header is on a branch that this node was told not to take.
    #[error("block {block} is the checkpoint at height {height}, and this header is not on its branch")]
    Checkpoint {
        /// The checkpoint's height.
        height: Height,
        /// The checkpoint's block.
        block: BlockId,
    },
    /// The engine gives the header no weight, so it could be made for nothing.
    #[error("the header carries no weight")]
    Weightless,
    /// This node's store failed; says nothing about the header.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a block was not accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BlockError {
    /// Its header was not.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// More than [`MAX_BLOCK_TRANSACTIONS`] transactions.
    #[error("{count} transactions, where at most {MAX_BLOCK_TRANSACTIONS} are allowed")]
    TooManyTransactions {
        /// How many.
        count: usize,
    },
    /// Longer than the chain allows.
    #[error("{bytes} bytes, where this chain allows {max_bytes}")]
    TooLong {
        /// Length of the encoded block.
        bytes: usize,
        /// The chain's limit.
        max_bytes: u32,
    },
    /// The transactions are not those that the header commits to.
    #[error("the header's root is {header}, the transactions' is {body}")]
    RootMismatch {
        /// The root in the header.
        header: Hash,
        /// The root of the transactions.
        body: Hash,
    },
    /// A genesis transaction in a block that is not the genesis block.
    #[error("transaction {index} is a genesis transaction")]
    GenesisKind {
        /// Its position.
        index: usize,
    },
    /// A coinbase that is not the first transaction.
    #[error("transaction {index} is a coinbase, and not the first transaction")]
    CoinbaseNotFirst {
        /// Its position.
        index: usize,
    },
    /// A second coinbase.
    #[error("transaction {index} is a second coinbase")]
    SecondCoinbase {
        /// Its position.
        index: usize,
    },
    /// The same transaction twice.
    #[error("transaction {index} repeats {id}")]
    DuplicateTransaction {
        /// The position of the second one.
        index: usize,
        /// The transaction.
        id: TxId,
    },
    /// A transaction longer than [`MAX_TRANSACTION_BYTES`].
    #[error("transaction {index} has {bytes} bytes, where at most {MAX_TRANSACTION_BYTES} are allowed")]
    TransactionTooLong {
        /// Its position.
        index: usize,
        /// Its length.
        bytes: usize,
    },
    /// A transaction breaks a rule that needs nothing but itself.
    #[error("transaction {index} is malformed")]
    Transaction {
        /// Its position.
        index: usize,
        /// The rule.
        #[source]
        source: TransactionError,
    },
    /// Those who decided on the block have said who decides after them, and the state has others: a quorum lies.
    #[error("the seal names other successors than the state")]
    Succession(#[source] Rejection),
    /// A transaction can't be applied to the state.
    #[error("transaction {index} is refused")]
    Execution {
        /// Its position.
        index: usize,
        /// The rule, named by the layer that owns it.
        #[source]
        source: Rejection,
    },
    /// More signature checks than the chain allows.
    #[error("{count} or more signature checks up to transaction {index}, where this chain allows {max}")]
    TooManySignatureChecks {
        /// The transaction that went over the limit.
        index: usize,
        /// The checks counted up to it.
        count: u32,
        /// The chain's limit.
        max: u32,
    },
    /// The fees do not fit into an amount.
    #[error("the fees up to transaction {index} overflow")]
    FeeOverflow {
        /// The transaction at which they did.
        index: usize,
    },
    /// A signature does not verify.
    #[error("a signature of transaction {index} does not verify")]
    FalseSignature {
        /// The transaction that depends on it.
        index: usize,
    },
    /// The coinbase takes what it may not.
    #[error("the reward is refused")]
    Reward(#[source] Rejection),
    /// Another block, on which this one builds, has turned out to be invalid.
    #[error("block {ancestor}, below this one, breaks rule {rule}")]
    InvalidAncestor {
        /// The invalid block.
        ancestor: BlockId,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// This node's store failed; says nothing about the block.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl HeaderError {
    /// The broken rule's name, stable across versions.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::UnknownParent { .. } => "unknown-parent",
            Self::Invalid { .. } => "invalid-block",
            Self::Version { .. } => "block-version",
            Self::SealTooLong { .. } => "seal-too-long",
            Self::TimeNotAfterMedian { .. } => "time-not-after-median",
            Self::TimeTooFarAhead { .. } => "time-too-far-ahead",
            Self::Seal(error) => error.rule,
            Self::Final { .. } => "final-block",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Weightless => "weightless",
            Self::Store(_) => "store",
        }
    }

    /// Whether every node would refuse the header, whenever it arrives: the sender did not check before relaying. `false`
    /// where a parent is missing, a clock differs, or this node failed; on top of an invalid block, since headers travel
    /// before their blocks, and the sender may not have seen that one; and on another branch than this node has settled on.
    pub const fn is_senders_fault(&self) -> bool {
        !matches!(
            self,
            Self::UnknownParent { .. }
                | Self::Invalid { .. }
                | Self::TimeTooFarAhead { .. }
                | Self::Final { .. }
                | Self::Checkpoint { .. }
                | Self::Store(_)
        )
    }
}

impl BlockError {
    /// The broken rule's name, stable across versions.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Header(error) => error.rule(),
            Self::TooManyTransactions { .. } => "too-many-transactions",
            Self::TooLong { .. } => "block-too-long",
            Self::RootMismatch { .. } => "root-mismatch",
            Self::GenesisKind { .. } => "genesis-kind",
            Self::CoinbaseNotFirst { .. } => "coinbase-not-first",
            Self::SecondCoinbase { .. } => "second-coinbase",
            Self::DuplicateTransaction { .. } => "duplicate-transaction",
            Self::TransactionTooLong { .. } => "transaction-too-long",
            Self::Transaction { .. } => "malformed-transaction",
            Self::Execution { source, .. } | Self::Reward(source) | Self::Succession(source) => source.rule,
            Self::TooManySignatureChecks { .. } => "too-many-signature-checks",
            Self::FeeOverflow { .. } => "fee-overflow",
            Self::FalseSignature { .. } => "false-signature",
            Self::InvalidAncestor { .. } => "invalid-ancestor",
            Self::Store(_) => "store",
        }
    }

    /// Whether every node would refuse the block, whenever it arrives: the sender did not verify before relaying. `false`
    /// where a parent is missing, a clock differs, or this node failed; and for an invalid ancestor, which was accepted
    /// here before it could be verified and may have been by the sender.
    pub const fn is_senders_fault(&self) -> bool {
        match self {
            Self::Header(error) => error.is_senders_fault(),
            Self::Store(_) | Self::InvalidAncestor { .. } => false,
            _ => true,
        }
    }

    /// Whether the block that this header names is invalid for good, so that nothing on top of it is worth a look. Not so
    /// where the header itself was refused, where the store failed, or where other transactions than the header's
    /// arrived with it.
    pub(crate) const fn condemns_header(&self) -> bool {
        !matches!(
            self,
            Self::Header(_)
                | Self::Store(_)
                | Self::TooManyTransactions { .. }
                | Self::RootMismatch { .. }
                | Self::InvalidAncestor { .. }
        )
    }

    pub(super) fn execution(index: usize, error: ExecuteError) -> Self {
        match error {
            ExecuteError::Rejected(source) => Self::Execution { index, source },
            ExecuteError::Store(error) => Self::Store(error),
        }
    }

    pub(super) fn succession(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Rejected(source) => Self::Succession(source),
            ExecuteError::Store(error) => Self::Store(error),
        }
    }

    pub(super) fn reward(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Rejected(source) => Self::Reward(source),
            ExecuteError::Store(error) => Self::Store(error),
        }
    }
}
