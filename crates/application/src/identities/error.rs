//! The rules of institutions.

use health_chain_consensus::ports::{ExecuteError, Rejection};
use health_chain_data::{ChainId, Kind, PublicKey, codec::CodecError, genesis::GenesisError};
use thiserror::Error;

use super::{InstitutionId, ParametersError};
use crate::limits::MAX_INSTITUTION_NAME_BYTES;

/// A rule of institutions that a genesis document or a transaction breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The genesis section is missing or malformed.
    #[error("the section of institutions can't be read")]
    Genesis(#[from] GenesisError),
    /// The genesis section contradicts itself.
    #[error("the section of institutions contradicts itself")]
    Parameters(#[from] ParametersError),
    /// The genesis document names other accreditors than the program was made with.
    #[error("the genesis document names other accreditors than this program knows")]
    OtherAccreditors,
    /// Not a kind of this program.
    #[error("transactions of {kind:?} concern no institution")]
    OtherKind {
        /// The kind.
        kind: Kind,
    },
    /// The payload is not the canonical form of the kind's operation.
    #[error("malformed payload")]
    Payload(#[from] CodecError),
    /// Signed for another chain.
    #[error("signed for chain {found}")]
    WrongChain {
        /// The chain it was signed for.
        found: ChainId,
    },
    /// The name is empty or longer than [`MAX_INSTITUTION_NAME_BYTES`].
    #[error("name of {bytes} bytes, where 1 to {MAX_INSTITUTION_NAME_BYTES} are allowed")]
    NameLength {
        /// Its length.
        bytes: usize,
    },
    /// The key speaks or spoke for an institution; a key is never registered twice.
    #[error("key {key} has been registered before")]
    KeyKnown {
        /// The key.
        key: PublicKey,
    },
    /// No such institution.
    #[error("institution {} is unknown", institution.0)]
    UnknownInstitution {
        /// The id given.
        institution: InstitutionId,
    },
    /// The institution has been dismissed.
    #[error("institution {} is retired", institution.0)]
    Retired {
        /// The institution.
        institution: InstitutionId,
    },
    /// Replayed, or one before it is missing.
    #[error("sequence number {found}, where {expected} is next")]
    Sequence {
        /// The number that is next.
        expected: u64,
        /// The number given.
        found: u64,
    },
    /// Fewer approvals than the threshold.
    #[error("{found} approvals, where {threshold} are needed")]
    TooFewApprovals {
        /// Approvals given.
        found: usize,
        /// Approvals needed.
        threshold: u8,
    },
    /// Approvals are not in strictly ascending order of accreditors, so that one could count twice.
    #[error("the approval of accreditor {accreditor} does not stand in strictly ascending order")]
    ApprovalOrder {
        /// The accreditor whose approval stands wrong.
        accreditor: u8,
    },
    /// An approval names no accreditation key.
    #[error("there is no accreditor {accreditor}")]
    UnknownAccreditor {
        /// The position given.
        accreditor: u8,
    },
}

impl IdentityError {
    const fn rule(&self) -> &'static str {
        match self {
            Self::Genesis(_) | Self::Parameters(_) | Self::OtherAccreditors => "identity-genesis",
            Self::OtherKind { .. } => "identity-kind",
            Self::Payload(_) => "identity-payload",
            Self::WrongChain { .. } => "identity-chain",
            Self::NameLength { .. } => "identity-name",
            Self::KeyKnown { .. } => "identity-key-known",
            Self::UnknownInstitution { .. } => "identity-unknown",
            Self::Retired { .. } => "identity-retired",
            Self::Sequence { .. } => "identity-sequence",
            Self::TooFewApprovals { .. } => "identity-threshold",
            Self::ApprovalOrder { .. } => "identity-approval-order",
            Self::UnknownAccreditor { .. } => "identity-accreditor",
        }
    }
}

impl From<IdentityError> for ExecuteError {
    fn from(error: IdentityError) -> Self {
        Rejection { rule: error.rule(), source: Box::new(error) }.into()
    }
}
