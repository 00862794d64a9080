//! The rules of the council.

use health_chain_consensus::ports::{ExecuteError, Rejection};
use health_chain_data::{ChainId, Height, Kind, PublicKey, codec::CodecError, genesis::GenesisError};
use thiserror::Error;

use super::ParametersError;
use crate::{identities::InstitutionId, limits::MAX_SEATS};

/// A rule of the council that a genesis document or a transaction breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CouncilError {
    /// The genesis section is missing or malformed.
    #[error("the section of the council can't be read")]
    Genesis(#[from] GenesisError),
    /// The genesis section contradicts itself.
    #[error("the section of the council contradicts itself")]
    Parameters(#[from] ParametersError),
    /// The genesis document names other founders than the program was made with.
    #[error("the genesis document names other founders than this program knows")]
    OtherFounders,
    /// Not a kind of this program.
    #[error("transactions of {kind:?} do not concern the council")]
    OtherKind {
        /// The kind.
        kind: Kind,
    },
    /// The payload is not the canonical form of the kind's decision.
    #[error("malformed payload")]
    Payload(#[from] CodecError),
    /// Signed for another chain.
    #[error("signed for chain {found}")]
    WrongChain {
        /// The chain it was signed for.
        found: ChainId,
    },
    /// Replayed, or one before it is missing.
    #[error("decision {found}, where {expected} is next")]
    Sequence {
        /// The number that is next.
        expected: u64,
        /// The number given.
        found: u64,
    },
    /// The registry has no such institution, or has dismissed it.
    #[error("institution {} is not in the registry", institution.0)]
    NoInstitution {
        /// The institution.
        institution: InstitutionId,
    },
    /// The institution has a seat, or another one has it under this key.
    #[error("institution {} or its key {key} has a seat already", institution.0)]
    Seated {
        /// The institution.
        institution: InstitutionId,
        /// The key.
        key: PublicKey,
    },
    /// The institution has no seat.
    #[error("institution {} has no seat", institution.0)]
    NotSeated {
        /// The institution.
        institution: InstitutionId,
    },
    /// A seat without votes.
    #[error("a seat without votes")]
    NoPower,
    /// More than [`MAX_SEATS`].
    #[error("all {MAX_SEATS} seats are taken")]
    Full,
    /// The last seat with votes: nobody would decide any more.
    #[error("the last seat stays")]
    LastSeat,
    /// The key has been found to have broken the engine's rules.
    #[error("key {key} was called to account for height {height}")]
    Struck {
        /// The key.
        key: PublicKey,
        /// The height of the offence.
        height: Height,
    },
    /// Not more than two thirds of the votes.
    #[error("{found} votes of {total}, which is no quorum")]
    Quorum {
        /// Votes given.
        found: u64,
        /// All votes.
        total: u64,
    },
    /// Ballots are not in strictly ascending order of seats, so that one could count twice.
    #[error("the ballot of seat {seat} does not stand in strictly ascending order")]
    BallotOrder {
        /// The seat whose ballot stands wrong.
        seat: u8,
    },
    /// A ballot of nobody.
    #[error("there is no seat {seat}")]
    NoSeat {
        /// The position given.
        seat: u8,
    },
}

impl CouncilError {
    const fn rule(&self) -> &'static str {
        match self {
            Self::Genesis(_) | Self::Parameters(_) | Self::OtherFounders => "council-genesis",
            Self::OtherKind { .. } => "council-kind",
            Self::Payload(_) => "council-payload",
            Self::WrongChain { .. } => "council-chain",
            Self::Sequence { .. } => "council-sequence",
            Self::NoInstitution { .. } => "council-institution",
            Self::Seated { .. } => "council-seated",
            Self::NotSeated { .. } => "council-not-seated",
            Self::NoPower => "council-power",
            Self::Full => "council-full",
            Self::LastSeat => "council-last-seat",
            Self::Struck { .. } => "council-struck",
            Self::Quorum { .. } => "council-quorum",
            Self::BallotOrder { .. } => "council-ballot-order",
            Self::NoSeat { .. } => "council-no-seat",
        }
    }
}

impl From<CouncilError> for ExecuteError {
    fn from(error: CouncilError) -> Self {
        Rejection { rule: error.rule(), source: Box::new(error) }.into()
    }
}
