//! What the genesis document says to this layer.

use health_chain_data::{codec::Wire, genesis::Parameters, limits::MAX_BLOCK_BYTES};
use serde::{Deserialize, Serialize};

/// The limits that every block of a chain keeps: section `consensus` of the genesis document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConsensusParameters {
    /// The longest encoded block, in bytes; at most [`MAX_BLOCK_BYTES`].
    pub max_block_bytes: u32,
    /// The most signature checks in one block.
    pub max_signature_checks: u32,
    /// How far a header's time may be ahead of a node's clock, in seconds.
    pub max_future_seconds: u32,
}

/// Two mebibytes, twenty thousand signature checks (a second of one core) and Bitcoin's two hours.
impl Default for ConsensusParameters {
    fn default() -> Self {
        Self { max_block_bytes: 2 * 1024 * 1024, max_signature_checks: 20_000, max_future_seconds: 7200 }
    }
}

impl ConsensusParameters {
    /// Whether the limits are ones that this software can keep.
    pub const fn are_possible(&self) -> bool {
        self.max_block_bytes as usize <= MAX_BLOCK_BYTES
    }
}

impl Wire for ConsensusParameters {
    // Three varints of at most five bytes.
    const MAX_BYTES: usize = 15;
}

impl Parameters for ConsensusParameters {
    const SECTION: &'static str = "consensus";
}
