//! What the genesis document says to proof of work.

use health_chain_data::{codec::Wire, genesis::Parameters};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::target::{CompactError, Target};

/// Section `consensus-pow` of the genesis document. The genesis header's seal carries the first target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PowParameters {
    /// How long a block is to take on average, in seconds.
    pub interval_seconds: u32,
    /// How the target follows the hash power.
    pub retarget: Retarget,
    /// The easiest target ever, in compact form.
    pub limit_bits: u32,
}

/// How the target follows the hash power.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Retarget {
    /// Every 2016 blocks, by the time they took, at most fourfold: Bitcoin's rule with its off-by-one, so that its headers verify.
    Bitcoin2016 {
        /// Whether the two rules of BIP54 on the times of a period's first and last header hold, without which the
        /// off-by-one can be abused. They hold on new chains, and not on Bitcoin's.
        bip54: bool,
    },
    /// Every block, by how far the chain is ahead of its schedule since genesis (aserti3-2d).
    Asert {
        /// How far behind its schedule the chain is when the target has doubled, in seconds.
        half_life_seconds: u32,
    },
}

/// Why parameters are of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParametersError {
    /// Blocks can't take no time.
    #[error("the interval between blocks is zero")]
    ZeroInterval,
    /// A half-life of zero divides by zero.
    #[error("the half-life is zero")]
    ZeroHalfLife,
    /// The easiest target is none.
    #[error("the easiest target is none")]
    Limit(#[from] CompactError),
}

impl PowParameters {
    /// The target limit of Bitcoin's main network.
    pub const BITCOIN_LIMIT_BITS: u32 = 0x1d00_ffff;
    /// The target limit of Bitcoin's regression tests: every other hash meets it.
    pub const EASIEST_LIMIT_BITS: u32 = 0x207f_ffff;

    /// Checks the parameters, and decodes the easiest target.
    ///
    /// # Errors
    /// The first rule of [`ParametersError`] broken.
    pub fn limit(&self) -> Result<Target, ParametersError> {
        if self.interval_seconds == 0 {
            return Err(ParametersError::ZeroInterval);
        }
        if self.retarget == (Retarget::Asert { half_life_seconds: 0 }) {
            return Err(ParametersError::ZeroHalfLife);
        }
        Ok(Target::from_compact(self.limit_bits)?)
    }
}

/// Ten minutes, `Asert` with a half-life of two days as on Bitcoin Cash, and Bitcoin's limit.
impl Default for PowParameters {
    fn default() -> Self {
        Self {
            interval_seconds: 600,
            retarget: Retarget::Asert { half_life_seconds: 2 * 24 * 60 * 60 },
            limit_bits: Self::BITCOIN_LIMIT_BITS,
        }
    }
}

impl Wire for PowParameters {
    // Three varints of at most five bytes and the rule's tag.
    const MAX_BYTES: usize = 3 * 5 + 1;
}

impl Parameters for PowParameters {
    const SECTION: &'static str = "consensus-pow";
}
