//! The ledger's rules, one variant each.

use alloc::boxed::Box;

use health_chain_consensus::ports::{ExecuteError, Rejection};
use health_chain_data::{
    Amount, Height, Kind, OutPoint, Timestamp, TokenId, codec::CodecError, genesis::GenesisError,
    transaction::TransactionError,
};
use thiserror::Error;

use crate::limits::MAX_TRANSACTION_SIGNATURE_CHECKS;

/// A rule of the ledger that a transaction, or a genesis document, breaks.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The genesis document has no usable section.
    #[error("the genesis document has no usable section")]
    Genesis(#[source] GenesisError),
    /// The genesis document has other parameters than the ledger was made with.
    #[error("the ledger was made with other parameters than the genesis document has")]
    OtherParameters,
    /// The transaction is wrong by itself.
    #[error("the transaction is malformed")]
    Malformed(#[source] TransactionError),
    /// The kind is not applied as a transaction: genesis and coinbase.
    #[error("a transaction of kind {kind:?} can't be applied by itself")]
    ReservedKind {
        /// The kind.
        kind: Kind,
    },
    /// No inputs, where they are required.
    #[error("the transaction has no inputs")]
    NoInputs,
    /// A TRANSFER with a payload, which nobody would read: a chain of medical records takes no bytes without meaning.
    #[error("a transfer carries {bytes} bytes of payload")]
    TransferPayload {
        /// How many.
        bytes: usize,
    },
    /// An input spends what was never made or is spent already.
    #[error("input {previous:?} is missing or spent")]
    MissingCoin {
        /// The output asked for.
        previous: OutPoint,
    },
    /// A coinbase output is spent before its maturity.
    #[error("coinbase output {previous:?} is spendable from height {from}")]
    ImmatureCoinbase {
        /// The output.
        previous: OutPoint,
        /// The first height that may spend it.
        from: Height,
    },
    /// More than [`MAX_TRANSACTION_SIGNATURE_CHECKS`] signature checks.
    #[error("{found} signature checks, where at most {MAX_TRANSACTION_SIGNATURE_CHECKS} are allowed")]
    TooManySignatureChecks {
        /// How many.
        found: u32,
    },
    /// The lock time has not passed.
    #[error("lock time {lock_time} has not passed")]
    LockTime {
        /// The lock time.
        lock_time: u32,
    },
    /// A relative lock in blocks has not passed (BIP68).
    #[error("the relative lock on {previous:?} ends at height {from}")]
    RelativeHeight {
        /// The output.
        previous: OutPoint,
        /// The first height that may spend it.
        from: Height,
    },
    /// A relative lock in time has not passed (BIP68).
    #[error("the relative lock on {previous:?} ends at median time {from}")]
    RelativeTime {
        /// The output.
        previous: OutPoint,
        /// The first median time past that may spend it.
        from: Timestamp,
    },
    /// A token that the chain does not have.
    #[error("token {token:?} does not exist")]
    UnknownToken {
        /// The token.
        token: TokenId,
    },
    /// An output whose lock the spend check refuses.
    #[error("the lock of output {index} is refused")]
    Lock {
        /// Which output.
        index: usize,
        /// By which rule.
        #[source]
        source: Rejection,
    },
    /// An input whose witness does not open the lock.
    #[error("input {index} does not open its lock")]
    Unlock {
        /// Which input.
        index: usize,
        /// By which rule.
        #[source]
        source: Rejection,
    },
    /// Inputs or outputs of one token add up to more than fits.
    #[error("amounts of token {token:?} overflow")]
    AmountOverflow {
        /// The token.
        token: TokenId,
    },
    /// More is made than spent.
    #[error("outputs of {outputs} exceed inputs of {inputs} in token {token:?}")]
    OutputsExceedInputs {
        /// The token.
        token: TokenId,
        /// What is spent, less what is redeemed.
        inputs: Amount,
        /// What is made, less what is minted.
        outputs: Amount,
    },
    /// A token in which no fees are paid does not balance.
    #[error("inputs of {inputs} and outputs of {outputs} differ in token {token:?}, in which no fees are paid")]
    TokenImbalance {
        /// The token.
        token: TokenId,
        /// What is spent, less what is redeemed.
        inputs: Amount,
        /// What is made, less what is minted.
        outputs: Amount,
    },
    /// The payload of a MINT or REDEEM does not decode.
    #[error("the payload is no issuance")]
    IssuancePayload(#[source] CodecError),
    /// A MINT or REDEEM of nothing.
    #[error("nothing of token {token:?} is issued")]
    ZeroIssuance {
        /// The token.
        token: TokenId,
    },
    /// A serial that does not follow the last one: replayed, or out of turn.
    #[error("serial {found} of token {token:?} does not follow {last}")]
    Serial {
        /// The token.
        token: TokenId,
        /// The last serial.
        last: u64,
        /// The serial given.
        found: u64,
    },
    /// Not exactly as many signatures as the threshold.
    #[error("{found} issuers of token {token:?} sign, where exactly {threshold} are asked for")]
    IssuerSignatures {
        /// The token.
        token: TokenId,
        /// Its threshold.
        threshold: u8,
        /// How many sign.
        found: usize,
    },
    /// Issuers are not in strictly ascending order: one may occur twice.
    #[error("issuers of token {token:?} are not in strictly ascending order")]
    IssuerOrder {
        /// The token.
        token: TokenId,
    },
    /// A position at which the token has no issuer.
    #[error("token {token:?} has no issuer {issuer}")]
    UnknownIssuer {
        /// The token.
        token: TokenId,
        /// The position given.
        issuer: u8,
    },
    /// A MINT does not pay out all that it mints.
    #[error("{amount} of token {token:?} is minted, but outputs are {outputs}")]
    MintedOutputs {
        /// The token.
        token: TokenId,
        /// What is minted.
        amount: Amount,
        /// The token's outputs.
        outputs: Amount,
    },
    /// A REDEEM does not bring all that it redeems.
    #[error("{amount} of token {token:?} is redeemed, but inputs are {inputs}")]
    RedeemedInputs {
        /// The token.
        token: TokenId,
        /// What is redeemed.
        amount: Amount,
        /// The token's inputs.
        inputs: Amount,
    },
    /// All that was ever minted would be more than fits.
    #[error("minting {amount} of token {token:?} overflows its counter")]
    MintOverflow {
        /// The token.
        token: TokenId,
        /// What is minted.
        amount: Amount,
    },
}

impl LedgerError {
    /// The rule's name, stable across versions. Where the spend check refused, the name that it gave.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "ledger-genesis",
            Self::OtherParameters => "ledger-other-parameters",
            Self::Malformed(_) => "ledger-malformed",
            Self::ReservedKind { .. } => "ledger-reserved-kind",
            Self::NoInputs => "ledger-no-inputs",
            Self::TransferPayload { .. } => "ledger-transfer-payload",
            Self::MissingCoin { .. } => "ledger-missing-coin",
            Self::ImmatureCoinbase { .. } => "ledger-immature-coinbase",
            Self::TooManySignatureChecks { .. } => "ledger-signature-checks",
            Self::LockTime { .. } => "ledger-lock-time",
            Self::RelativeHeight { .. } => "ledger-relative-height",
            Self::RelativeTime { .. } => "ledger-relative-time",
            Self::UnknownToken { .. } => "ledger-unknown-token",
            Self::Lock { source, .. } | Self::Unlock { source, .. } => source.rule,
            Self::AmountOverflow { .. } => "ledger-amount-overflow",
            Self::OutputsExceedInputs { .. } => "ledger-outputs-exceed-inputs",
            Self::TokenImbalance { .. } => "ledger-token-imbalance",
            Self::IssuancePayload(_) => "ledger-issuance-payload",
            Self::ZeroIssuance { .. } => "ledger-zero-issuance",
            Self::Serial { .. } => "ledger-serial",
            Self::IssuerSignatures { .. } => "ledger-issuer-signatures",
            Self::IssuerOrder { .. } => "ledger-issuer-order",
            Self::UnknownIssuer { .. } => "ledger-unknown-issuer",
            Self::MintedOutputs { .. } => "ledger-minted-outputs",
            Self::RedeemedInputs { .. } => "ledger-redeemed-inputs",
            Self::MintOverflow { .. } => "ledger-mint-overflow",
        }
    }
}

impl From<LedgerError> for Rejection {
    fn from(error: LedgerError) -> Self {
        Self { rule: error.rule(), source: Box::new(error) }
    }
}

impl From<LedgerError> for ExecuteError {
    fn from(error: LedgerError) -> Self {
        Self::Rejected(error.into())
    }
}
