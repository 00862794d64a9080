//! The rules on stake, one variant each.

use alloc::boxed::Box;

use health_chain_consensus::ports::{ExecuteError, Rejection};
use health_chain_data::{Amount, Height, Kind, PublicKey, codec::CodecError};
use thiserror::Error;

use crate::limits::MAX_LEAVING;

/// A rule on stake that a transaction breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StakeError {
    /// The chain has no section `stake`.
    #[error("nothing is bonded on this chain")]
    NoStake,
    /// The chain's engine has no validators.
    #[error("this chain's engine has no validators")]
    NoValidators,
    /// The payload does not decode.
    #[error("the payload is none of {kind:?}")]
    Payload {
        /// The transaction's kind.
        kind: Kind,
        /// What is wrong with it.
        #[source]
        source: CodecError,
    },
    /// Less than a vote costs.
    #[error("{amount} is bonded, where one vote costs {unit}")]
    BelowUnit {
        /// What is bonded.
        amount: Amount,
        /// What a vote costs.
        unit: Amount,
    },
    /// More than there is.
    #[error("{amount} is bonded, which is more than there is")]
    BeyondSupply {
        /// What is bonded.
        amount: Amount,
    },
    /// The key has been found to have broken the engine's rules: it is not made a validator again, nor called to account twice.
    #[error("validator {validator} was called to account before")]
    Jailed {
        /// The validator.
        validator: PublicKey,
    },
    /// What stands behind the validator is somebody else's.
    #[error("what stands behind validator {validator} belongs to another owner")]
    OtherOwner {
        /// The validator.
        validator: PublicKey,
    },
    /// Nothing stands behind the key.
    #[error("nothing is bonded for {validator}")]
    NoBond {
        /// The key.
        validator: PublicKey,
    },
    /// Notice of nothing.
    #[error("nothing of the bond of {validator} is to be unbonded")]
    NothingToUnbond {
        /// The validator.
        validator: PublicKey,
    },
    /// Notice of more than there is.
    #[error("{amount} is to be unbonded for {validator}, where {bonded} is bonded")]
    BeyondBond {
        /// The validator.
        validator: PublicKey,
        /// What is bonded.
        bonded: Amount,
        /// What is asked for.
        amount: Amount,
    },
    /// Too many parts of the bond are on their way out: one has to be withdrawn first.
    #[error("{MAX_LEAVING} parts of the bond of {validator} are leaving already")]
    TooManyNotices {
        /// The validator.
        validator: PublicKey,
    },
    /// No notice was given at that height, or it has been withdrawn.
    #[error("no notice was given for {validator} at height {since}")]
    NoNotice {
        /// The validator.
        validator: PublicKey,
        /// The height asked for.
        since: Height,
    },
    /// The validator can still be called to account.
    #[error("the bond of {validator} is locked until height {from}")]
    StillLocked {
        /// The validator.
        validator: PublicKey,
        /// The first height that may withdraw it.
        from: Height,
    },
    /// The validator was in office within the heights that it answers for, with more power than what would stay behind backs.
    #[error("validator {validator} has been in office with more power than the rest of its bond backs")]
    StillInOffice {
        /// The validator.
        validator: PublicKey,
    },
    /// A BOND that does not bring all that it bonds.
    #[error("{amount} is bonded, but inputs are {inputs}")]
    BondedInputs {
        /// What is bonded.
        amount: Amount,
        /// The token's inputs.
        inputs: Amount,
    },
    /// A WITHDRAW that does not pay out all that it withdraws.
    #[error("{amount} is withdrawn, but outputs are {outputs}")]
    WithdrawnOutputs {
        /// What is withdrawn.
        amount: Amount,
        /// The token's outputs.
        outputs: Amount,
    },
}

impl StakeError {
    /// The rule's name, stable across versions.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::NoStake => "stake-none",
            Self::NoValidators => "stake-no-validators",
            Self::Payload { .. } => "stake-payload",
            Self::BelowUnit { .. } => "stake-below-unit",
            Self::BeyondSupply { .. } => "stake-beyond-supply",
            Self::Jailed { .. } => "stake-jailed",
            Self::OtherOwner { .. } => "stake-other-owner",
            Self::NoBond { .. } => "stake-no-bond",
            Self::NothingToUnbond { .. } => "stake-nothing",
            Self::BeyondBond { .. } => "stake-beyond-bond",
            Self::TooManyNotices { .. } => "stake-notices",
            Self::NoNotice { .. } => "stake-no-notice",
            Self::StillLocked { .. } => "stake-locked",
            Self::StillInOffice { .. } => "stake-in-office",
            Self::BondedInputs { .. } => "stake-bonded-inputs",
            Self::WithdrawnOutputs { .. } => "stake-withdrawn-outputs",
        }
    }
}

impl From<StakeError> for ExecuteError {
    fn from(error: StakeError) -> Self {
        Rejection { rule: error.rule(), source: Box::new(error) }.into()
    }
}
