//! The seal of proof of work, and the rules that it can break.

use alloc::vec::Vec;

use health_chain_data::{BlockId, Timestamp};
use thiserror::Error;

use crate::target::{CompactError, Target};

/// Bytes of a seal.
pub const SEAL_BYTES: usize = 8;

/// `bits u32 | nonce u32`, little-endian: with it a header has the 80 bytes of Bitcoin's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seal {
    /// The target in compact form.
    pub bits: u32,
    /// What the search was for.
    pub nonce: u32,
}

impl Seal {
    /// The seal's bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        [self.bits.to_le_bytes(), self.nonce.to_le_bytes()].concat()
    }

    /// Reads a seal.
    ///
    /// # Errors
    /// [`PowSealError::Length`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PowSealError> {
        let length = PowSealError::Length { bytes: bytes.len() };
        let (bits, nonce) = bytes.split_first_chunk().ok_or(length)?;
        let nonce = nonce.try_into().map_err(|_| length)?;
        Ok(Self { bits: u32::from_le_bytes(*bits), nonce: u32::from_le_bytes(nonce) })
    }
}

/// Why a seal was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PowSealError {
    /// Not [`SEAL_BYTES`] long.
    #[error("seal of {bytes} bytes, where proof of work has {SEAL_BYTES}")]
    Length {
        /// Its length.
        bytes: usize,
    },
    /// Another target than the retarget rule gives.
    #[error("target {found:#010x}, where {expected:#010x} is due")]
    Bits {
        /// The target in the seal.
        found: u32,
        /// The target due.
        expected: u32,
    },
    /// The target is none.
    #[error(transparent)]
    Compact(#[from] CompactError),
    /// The hash is above the target.
    #[error("hash {hash} is above the target {target}")]
    Work {
        /// The header's hash.
        hash: BlockId,
        /// Its target.
        target: Target,
    },
    /// The first header of a retarget period lies too far before the one below it (BIP54).
    #[error("time {time} of a period's first header is before {earliest}")]
    PeriodStart {
        /// The header's time.
        time: Timestamp,
        /// The earliest time allowed.
        earliest: Timestamp,
    },
    /// The last header of a retarget period lies before the period's first (BIP54).
    #[error("time {time} of a period's last header is before {first}, the time of its first")]
    PeriodEnd {
        /// The header's time.
        time: Timestamp,
        /// The time of the period's first header.
        first: Timestamp,
    },
}

impl PowSealError {
    /// The broken rule's name, stable across versions.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Length { .. } => "pow-seal-length",
            Self::Bits { .. } => "pow-bits",
            Self::Compact(_) => "pow-compact-target",
            Self::Work { .. } => "pow-work",
            Self::PeriodStart { .. } => "pow-period-start",
            Self::PeriodEnd { .. } => "pow-period-end",
        }
    }
}
