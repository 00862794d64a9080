//! The rules of records.

use health_chain_consensus::ports::{ExecuteError, Rejection};
use health_chain_data::{ChainId, Commitment, Hash, Kind, ObjectId, PublicKey, Timestamp, codec::CodecError};
use thiserror::Error;

use super::GatewayId;
use crate::limits::{MAX_ATTESTATIONS, MAX_OBJECT_BYTES};

/// A rule of records that an operation breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Not a kind of this program.
    #[error("transactions of {kind:?} concern no record")]
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

    /// The issuing key never spoke for an institution.
    #[error("issuer {issuer} is unknown")]
    UnknownIssuer {
        /// The key.
        issuer: PublicKey,
    },
    /// The issuing key speaks for no institution at this height: not yet, or no longer.
    #[error("issuer {issuer} is not active at this height")]
    InactiveIssuer {
        /// The key.
        issuer: PublicKey,
    },
    /// No attestations, or more than [`MAX_ATTESTATIONS`].
    #[error("{count} attestations under one root, where 1 to {MAX_ATTESTATIONS} are allowed")]
    RootSize {
        /// How many.
        count: u32,
    },
    /// The root has been issued before.
    #[error("root {root} has been issued before")]
    RootExists {
        /// The root.
        root: Hash,
    },

    /// The object's id is not that of this owner and nonce: somebody else's object.
    #[error("{found} is not the id of this owner's object, which is {expected}")]
    ForeignObject {
        /// The id of an object of this owner with this nonce.
        expected: ObjectId,
        /// The id given.
        found: ObjectId,
    },
    /// The object has been recorded before.
    #[error("{object} exists")]
    ObjectExists {
        /// The object.
        object: ObjectId,
    },
    /// No such object.
    #[error("{object} is unknown")]
    UnknownObject {
        /// The id given.
        object: ObjectId,
    },
    /// The object has been deleted.
    #[error("{object} is deleted")]
    Deleted {
        /// The object.
        object: ObjectId,
    },
    /// The sealed object is empty or longer than [`MAX_OBJECT_BYTES`].
    #[error("sealed object of {length} bytes, where 1 to {MAX_OBJECT_BYTES} are allowed")]
    Length {
        /// Its length.
        length: u64,
    },

    /// Not signed by the object's owner.
    #[error("not signed by the owner {owner}")]
    NotTheOwner {
        /// The owner.
        owner: PublicKey,
    },
    /// The sequence number has been used: a replay.
    #[error("sequence number {found} has been used; {expected} is next")]
    Replayed {
        /// The number that is next.
        expected: u64,
        /// The number given.
        found: u64,
    },
    /// An operation before this one is missing.
    #[error("sequence number {found} comes too early; {expected} is next")]
    Skipped {
        /// The number that is next.
        expected: u64,
        /// The number given.
        found: u64,
    },
    /// Signed for another gateway than the one that holds the object.
    #[error("signed for another gateway")]
    WrongGateway {
        /// The gateway that holds the object.
        expected: GatewayId,
        /// The gateway given.
        found: GatewayId,
    },
    /// Signed while the object had another owner.
    #[error("signed in owner epoch {found}, where {expected} holds")]
    WrongOwnerEpoch {
        /// The object's.
        expected: u32,
        /// The one given.
        found: u32,
    },
    /// Signed for another version.
    #[error("signed for version {found}, where {expected} is at hand")]
    WrongVersion {
        /// The object's.
        expected: u32,
        /// The one given.
        found: u32,
    },
    /// Signed before all grants were withdrawn, or for a time after it that has not come.
    #[error("signed in epoch {found}, where {expected} holds")]
    WrongEpoch {
        /// The object's.
        expected: u32,
        /// The one given.
        found: u32,
    },
    /// A counter of the object is at its end.
    #[error("a counter of the object is used up")]
    CounterExhausted,

    /// Permission bits without a meaning.
    #[error("permission bits {bits:#x} have no meaning")]
    UnknownPermissions {
        /// Those bits.
        bits: u32,
    },
    /// The grant ends before it begins.
    #[error("no time lies between {not_before} and {not_after}")]
    EmptyValidity {
        /// Its begin.
        not_before: Timestamp,
        /// Its end.
        not_after: Timestamp,
    },
    /// The grant is over before it takes effect.
    #[error("ended at {not_after}, and it is {median_time_past}")]
    Expired {
        /// Its end.
        not_after: Timestamp,
        /// The median time past.
        median_time_past: Timestamp,
    },
    /// The grant ends further ahead than any grant may
    /// ([`MAX_GRANT_AHEAD_SECONDS`](crate::limits::MAX_GRANT_AHEAD_SECONDS)).
    #[error("ends at {not_after}, where {latest} is the latest")]
    TooFarAhead {
        /// Its end.
        not_after: Timestamp,
        /// The latest end.
        latest: Timestamp,
    },
    /// The transaction does not make the output that the grant is to be paid with.
    #[error("no output of the transaction is the payment {payment}")]
    NotPaid {
        /// The commitment to the output.
        payment: Hash,
    },
    /// There is no grant in force to withdraw.
    #[error("there is no grant to withdraw")]
    NothingToRevoke,

    /// The new version replaces another record than the one at hand.
    #[error("supersedes {found}, where {expected} is at hand")]
    WrongSupersedes {
        /// The commitment at hand.
        expected: Commitment,
        /// The one given.
        found: Commitment,
    },
    /// The new version has the same sealed bytes: nothing was encrypted anew.
    #[error("the new version is the old one")]
    SameContent,
    /// The object is handed to the key that it has.
    #[error("the new owner is the old one")]
    SameOwner,
}

impl RecordError {
    /// The rule's name in a [`Rejection`].
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::OtherKind { .. } => "record-kind",
            Self::Payload(_) => "record-payload",
            Self::WrongChain { .. } => "record-chain",
            Self::UnknownIssuer { .. } => "record-issuer-unknown",
            Self::InactiveIssuer { .. } => "record-issuer-inactive",
            Self::RootSize { .. } => "record-root-size",
            Self::RootExists { .. } => "record-root-exists",
            Self::ForeignObject { .. } => "record-object-foreign",
            Self::ObjectExists { .. } => "record-object-exists",
            Self::UnknownObject { .. } => "record-object-unknown",
            Self::Deleted { .. } => "record-object-deleted",
            Self::Length { .. } => "record-length",
            Self::NotTheOwner { .. } => "record-owner-signature",
            Self::Replayed { .. } => "record-replayed",
            Self::Skipped { .. } => "record-skipped",
            Self::WrongGateway { .. } => "record-gateway",
            Self::WrongOwnerEpoch { .. } => "record-owner-epoch",
            Self::WrongVersion { .. } => "record-version",
            Self::WrongEpoch { .. } => "record-epoch",
            Self::CounterExhausted => "record-counter",
            Self::UnknownPermissions { .. } => "record-permissions",
            Self::EmptyValidity { .. } => "record-validity",
            Self::Expired { .. } => "record-expired",
            Self::TooFarAhead { .. } => "record-too-far-ahead",
            Self::NotPaid { .. } => "record-payment",
            Self::NothingToRevoke => "record-nothing-to-revoke",
            Self::WrongSupersedes { .. } => "record-supersedes",
            Self::SameContent => "record-same-content",
            Self::SameOwner => "record-same-owner",
        }
    }
}

impl From<RecordError> for ExecuteError {
    fn from(error: RecordError) -> Self {
        Rejection { rule: error.rule(), source: Box::new(error) }.into()
    }
}
