//! Verifiable secret sharing after Pedersen (CRYPTO '91) over secp256k1: a key in `n` shares, any `t` of which make it up.
//!
//! The dealer publishes [`Commitments`], against which each holder checks the share that he is sent, and whoever combines checks what
//! holders hand out. Fewer than `t` shares, with the commitments, leave every secret equally likely, whatever can be computed;
//! Feldman's scheme, which publishes a power of the secret, hides it from bounded adversaries only. What binds is a discrete logarithm: who knew
//! that of the second generator could make false shares that pass. It is a point that nobody chose.
//!
//! What is shared is the seed of a key encapsulation key, not a data key. So one sharing covers any number of records: each data key
//! is wrapped to its public half like to any reader, before the shares are dealt or years later, and no holder is asked again.
//!
//! Dealing, checking and combining take the feature `sharing`; without it there are [`Commitments`] as they stand on the chain.
//!
//! ```
//! # #[cfg(feature = "sharing")] {
//! use health_chain_contract::sharing::deal;
//!
//! let dealt = deal(2, 3, &[7; 32])?; // fresh random bytes
//! let [first, _, third] = &dealt.shares[..] else { unreachable!() };
//! let key = dealt.commitments.combine(&[third.clone(), first.clone()])?;
//! assert_eq!(key.public_key(), dealt.key);
//! # }
//! # Ok::<(), health_chain_contract::sharing::SharingError>(())
//! ```

#[cfg(feature = "sharing")]
mod coins;
#[cfg(feature = "sharing")]
mod dealing;
mod point;
#[cfg(feature = "sharing")]
mod share;

#[cfg(feature = "sharing")]
pub use dealing::{Dealt, deal};
#[cfg(feature = "sharing")]
pub use share::{SHARE_BYTES, Share};

use alloc::vec::Vec;

use health_chain_data::codec;
use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

use crate::limits::{MAX_SHARES, MIN_SHARING_THRESHOLD};
use point::Point;

/// What a dealer publishes: a commitment to each coefficient of the polynomial, as many as shares are needed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Commitments(#[serde(deserialize_with = "thresholds_points")] Vec<Point>);

/// Why nothing is dealt, checked or combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SharingError {
    /// A threshold of less than 2 shares nothing, and none can be above the number of shares, or the number above [`MAX_SHARES`].
    #[error("{threshold} of {shares} shares can't be asked for")]
    Threshold {
        /// Shares needed.
        threshold: usize,
        /// Shares in all.
        shares: usize,
    },
    /// The share is not what the dealer committed to.
    #[error("share {position} is false")]
    False {
        /// Its position.
        position: u8,
    },
    /// The share belongs to other commitments.
    #[error("share {position} is of another sharing")]
    OtherSharing {
        /// Its position.
        position: u8,
    },
    /// One share twice.
    #[error("share {position} is there twice")]
    Repeated {
        /// Its position.
        position: u8,
    },
    /// Not enough shares.
    #[error("{found} shares, where {threshold} are needed")]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many are needed.
        threshold: usize,
    },
}

impl Commitments {
    /// How many shares it takes.
    pub const fn threshold(&self) -> usize {
        self.0.len()
    }
}

/// As many points as a threshold can be.
fn thresholds_points<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Point>, D::Error> {
    let points = codec::at_most::<MAX_SHARES, Point, D>(deserializer)?;
    let enough = points.len() >= MIN_SHARING_THRESHOLD;
    if enough { Ok(points) } else { Err(de::Error::custom("a threshold that shares nothing")) }
}
