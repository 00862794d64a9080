//! The rules of access.

use health_chain_data::{ChainId, Timestamp, ports::StoreError};
use thiserror::Error;

use crate::{
    ports::PolicyRefusal,
    records::{GatewayId, Permissions, Purpose},
};

/// The rule that forbids access.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Denial {
    /// The request is for another chain.
    #[error("requested on chain {found}")]
    WrongChain {
        /// The chain it names.
        found: ChainId,
    },
    /// The request is for another gateway.
    #[error("requested from another gateway")]
    WrongGateway {
        /// The gateway it names.
        found: GatewayId,
    },
    /// The request is too old, or older than this gateway's memory.
    #[error("requested at {time}, and it is {now}")]
    RequestTooOld {
        /// When it was made.
        time: Timestamp,
        /// The gateway's time.
        now: Timestamp,
    },
    /// The request is dated ahead of the gateway's clock.
    #[error("requested at {time}, and it is only {now}")]
    RequestAhead {
        /// When it says it was made.
        time: Timestamp,
        /// The gateway's time.
        now: Timestamp,
    },
    /// The request has been answered before.
    #[error("this request has been answered before")]
    RequestReplayed,
    /// Too many requests are being remembered to take another one.
    #[error("too many requests at a time")]
    Busy,
    /// Not signed by the requester that it names.
    #[error("not signed by the requester")]
    RequestSignature,
    /// Nothing was asked for, or something without a meaning.
    #[error("permission bits {bits:#x} can't be asked for")]
    UnknownPermission {
        /// The bits asked for.
        bits: u32,
    },

    /// A reorganisation took more blocks away than any may, and nobody has cleared it.
    #[error("a reorganisation of {blocks} blocks has not been cleared")]
    DeepReorganisation {
        /// How many blocks.
        blocks: u32,
    },
    /// No block for too long: the gateway may be cut off from revocations.
    #[error("the last block is of {tip_time}, and it is {now}")]
    StaleTip {
        /// Time of the tip.
        tip_time: Timestamp,
        /// The gateway's time.
        now: Timestamp,
    },
    /// The state could not be read; what can't be read is denied.
    #[error("the state can't be read")]
    State(#[from] StoreError),

    /// No such object.
    #[error("unknown object")]
    UnknownObject,
    /// The object has been deleted.
    #[error("the object is deleted")]
    Deleted,
    /// Another gateway holds the object.
    #[error("another gateway holds the object")]
    HeldElsewhere {
        /// Which.
        by: GatewayId,
    },
    /// Not the version at hand.
    #[error("version {found} was asked for, and {at_hand} is at hand")]
    OtherVersion {
        /// The version at hand.
        at_hand: u32,
        /// The version asked for.
        found: u32,
    },
    /// The version at hand is not settled yet.
    #[error("the object has depth {found}, where {needed} is needed")]
    StoreTooShallow {
        /// Blocks since it was recorded, that one included.
        found: u32,
        /// Blocks needed.
        needed: u32,
    },

    /// The owner has granted this key nothing, or withdrawn it.
    #[error("no grant to this key")]
    NoGrant,
    /// The grant was for an earlier version, epoch or owner.
    #[error("grant {seq} has ended")]
    GrantEnded {
        /// Its sequence number.
        seq: u64,
    },
    /// The grant in the state is not what the owner signed for this key, object and gateway.
    #[error("grant {seq} is not the owner's")]
    GrantNotTheOwners {
        /// Its sequence number.
        seq: u64,
    },
    /// The owner has signed a revocation after the grant, wherever it was seen.
    #[error("grant {seq} was withdrawn by operation {by}")]
    Withdrawn {
        /// The grant's sequence number.
        seq: u64,
        /// The revocation's.
        by: u64,
    },
    /// The grant does not permit what was asked for.
    #[error("granted is {granted:?} only")]
    NotPermitted {
        /// What it permits.
        granted: Permissions,
    },
    /// The grant is for another purpose.
    #[error("granted for {granted:?} only")]
    OtherPurpose {
        /// What it is for.
        granted: Purpose,
    },
    /// The grant is not settled yet.
    #[error("the grant has depth {found}, where {needed} is needed")]
    GrantTooShallow {
        /// Blocks since it was recorded, that one included.
        found: u32,
        /// Blocks needed.
        needed: u32,
    },
    /// The grant has not begun.
    #[error("granted from {not_before} on, and it is {median_time_past}")]
    NotYet {
        /// Its begin.
        not_before: Timestamp,
        /// The chain's time.
        median_time_past: Timestamp,
    },
    /// The grant is over.
    #[error("granted until {not_after}, and it is {now}")]
    Over {
        /// Its end.
        not_after: Timestamp,
        /// The latest of all clocks.
        now: Timestamp,
    },
    /// The house's own rules forbid it.
    #[error("the gateway's policy forbids it")]
    Policy(#[from] PolicyRefusal),
}

impl Denial {
    /// Whether it says of the request itself that it is not one for this gateway, made just now by whom it names, and not answered yet. Nobody
    /// has asked for access then, so the audit log is owed no entry.
    pub const fn is_of_request(&self) -> bool {
        matches!(
            self,
            Self::WrongChain { .. }
                | Self::WrongGateway { .. }
                | Self::RequestTooOld { .. }
                | Self::RequestAhead { .. }
                | Self::RequestReplayed
                | Self::Busy
                | Self::RequestSignature
        )
    }

    /// The rule's name in the audit log, stable across versions. A policy's own rules carry the name that it gives them.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::WrongChain { .. } => "access-chain",
            Self::WrongGateway { .. } => "access-gateway",
            Self::RequestTooOld { .. } => "access-request-age",
            Self::RequestAhead { .. } => "access-request-ahead",
            Self::RequestReplayed => "access-request-replayed",
            Self::Busy => "access-busy",
            Self::RequestSignature => "access-request-signature",
            Self::UnknownPermission { .. } => "access-permission-unknown",
            Self::DeepReorganisation { .. } => "access-reorganisation",
            Self::StaleTip { .. } => "access-stale-tip",
            Self::State(_) => "access-state",
            Self::UnknownObject => "access-object-unknown",
            Self::Deleted => "access-object-deleted",
            Self::HeldElsewhere { .. } => "access-held-elsewhere",
            Self::OtherVersion { .. } => "access-version",
            Self::StoreTooShallow { .. } => "access-store-depth",
            Self::NoGrant => "access-no-grant",
            Self::GrantEnded { .. } => "access-grant-ended",
            Self::GrantNotTheOwners { .. } => "access-grant-signature",
            Self::Withdrawn { .. } => "access-withdrawn",
            Self::NotPermitted { .. } => "access-not-permitted",
            Self::OtherPurpose { .. } => "access-purpose",
            Self::GrantTooShallow { .. } => "access-grant-depth",
            Self::NotYet { .. } => "access-not-yet",
            Self::Over { .. } => "access-over",
            Self::Policy(refusal) => refusal.rule,
        }
    }
}
