//! The rules of deposits.

use alloc::boxed::Box;

use health_chain_consensus::ports::{ExecuteError, Rejection};
use health_chain_data::codec::CodecError;
use thiserror::Error;

use super::Stage;
use crate::{script::Fault, scripts::ScriptError};

/// A rule of deposits that a transaction breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The payload is not what its kind carries.
    #[error("the payload is none of its kind")]
    Payload(#[source] CodecError),
    /// The stakeholders and the threshold don't go together.
    #[error("the stakeholders don't go together")]
    Stakeholders(#[source] ScriptError),
    /// The same deposit stands on the chain, or has stood there.
    #[error("the deposit is not new")]
    AlreadyDeposited,
    /// There is no such deposit.
    #[error("there is no such deposit")]
    Unknown,
    /// The deposit has been opened or withdrawn.
    #[error("the deposit is over: {stage:?}")]
    Over {
        /// What has become of it.
        stage: Stage,
    },
    /// A renewal out of turn, or one that has been used.
    #[error("renewal after {found} renewals, where there have been {expected}")]
    Renewals {
        /// How many there have been.
        expected: u32,
        /// How many it goes on from.
        found: u32,
    },
    /// The script is not the one whose hash was deposited.
    #[error("the condition is another than the deposit's")]
    Condition,
    /// The condition does not hold.
    #[error("the condition does not hold")]
    DoesNotHold(#[source] Fault),
}

impl ReleaseError {
    /// The rule's name, stable across versions.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Payload(_) => "release-payload",
            Self::Stakeholders(_) => "release-stakeholders",
            Self::AlreadyDeposited => "release-already-deposited",
            Self::Unknown => "release-unknown",
            Self::Over { .. } => "release-over",
            Self::Renewals { .. } => "release-renewals",
            Self::Condition => "release-condition",
            Self::DoesNotHold(_) => "release-does-not-hold",
        }
    }
}

impl From<ReleaseError> for ExecuteError {
    fn from(error: ReleaseError) -> Self {
        Rejection { rule: error.rule(), source: Box::new(error) }.into()
    }
}
