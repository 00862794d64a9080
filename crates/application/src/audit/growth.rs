//! The answer to "has the log only grown?", checked without the gateway.

use health_chain_data::{
    PublicKey,
    codec::Wire,
    keys::SignatureError,
    merkle::{ConsistencyProof, ProofError},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Checkpoint;

/// The log as it is now, proven to begin with what it was at an earlier checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Growth {
    /// The state of the log now.
    pub checkpoint: Checkpoint,
    /// That it begins with what it was.
    pub proof: ConsistencyProof,
}

impl Wire for Growth {
    const MAX_BYTES: usize = Checkpoint::MAX_BYTES + ConsistencyProof::MAX_BYTES;
}

/// Why an answer does not prove that a log has only grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrowthError {
    /// The checkpoint is by another gateway than the earlier one, or about another chain.
    #[error("the checkpoint is by {found}, or about another chain")]
    OtherLog {
        /// The key it names.
        found: PublicKey,
    },
    /// The gateway did not sign the checkpoint.
    #[error("the checkpoint's signature does not verify")]
    Checkpoint(#[from] SignatureError),
    /// The proof is about other sizes than those of the two checkpoints.
    #[error("proven from {old} events to {new}, which are not the checkpoints' sizes")]
    OtherSizes {
        /// The earlier size in the proof.
        old: u64,
        /// The later one.
        new: u64,
    },
    /// The log does not begin with what it was. With both signed checkpoints, this is for everybody to see.
    #[error("the log does not begin with what it was")]
    Rewritten(#[from] ProofError),
}

impl Growth {
    /// Checks that the gateway of `known`, an earlier checkpoint whose signature has been verified, signed this one, too, and that its log has
    /// only grown since.
    ///
    /// # Errors
    /// The first rule of [`GrowthError`] that is broken.
    pub fn verify(&self, known: &Checkpoint) -> Result<(), GrowthError> {
        let (now, before) = (&self.checkpoint.terms, &known.terms);
        if (now.gateway, now.chain) != (before.gateway, before.chain) {
            return Err(GrowthError::OtherLog { found: now.gateway });
        }
        self.checkpoint.verify()?;
        let (old, new) = (self.proof.old_size, self.proof.new_size);
        if (old, new) != (before.size, now.size) {
            return Err(GrowthError::OtherSizes { old, new });
        }
        Ok(self.proof.verify(&before.root, &now.root)?)
    }
}
