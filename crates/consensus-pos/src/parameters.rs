//! Who begins, and how long stake stays.

use health_chain_consensus::Epochs;
use health_chain_consensus_bft::{self as bft, BftParameters};
use health_chain_data::{PublicKey, codec::Wire, genesis::Parameters};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Section `consensus-pos` of the genesis document: the parameters of the engine underneath. Its validators are the founders, who decide
/// until there is stake enough; its epochs say when stake begins to count and for how long it stays locked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PosParameters(pub BftParameters);

/// Why the parameters are of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParametersError {
    /// Stake would never count.
    #[error("epochs without end, so that stake never counts")]
    NoEpochs,
    /// Those of the engine underneath are not.
    #[error(transparent)]
    Bft(#[from] bft::ParametersError),
}

impl PosParameters {
    /// Founders with one vote each, and times for a network that spans a continent.
    pub fn founded_by(founders: impl IntoIterator<Item = PublicKey>, epochs: Epochs) -> Self {
        Self(BftParameters { epochs, ..BftParameters::equal(founders) })
    }

    /// Checks what the encoding itself does not.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn check(&self) -> Result<(), ParametersError> {
        if self.0.epochs.blocks == 0 {
            return Err(ParametersError::NoEpochs);
        }
        Ok(self.0.check()?)
    }
}

impl Wire for PosParameters {
    const MAX_BYTES: usize = BftParameters::MAX_BYTES;
}

impl Parameters for PosParameters {
    const SECTION: &'static str = "consensus-pos";
}
