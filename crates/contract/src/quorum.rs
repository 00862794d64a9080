//! m of n keys that sign a statement outside of a script.

use alloc::vec::Vec;

use health_chain_data::{Hash, Signature, ports::SignatureClaim};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::scripts::Multisig;

/// One signer's signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignerSignature {
    /// The signer's position among those who may sign.
    pub signer: u8,
    /// Its signature of the statement.
    pub signature: Signature,
}

/// Why signatures are not those that a statement needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QuorumError {
    /// Not as many signatures as the threshold says.
    #[error("{found} signatures, where {threshold} are needed")]
    Count {
        /// How many.
        found: usize,
        /// How many are needed.
        threshold: usize,
    },
    /// Signatures out of order, or one signer's twice.
    #[error("the signatures are not in strictly ascending order of their signers")]
    Order,
    /// A signature of somebody who is not listed.
    #[error("no signer {signer} is listed")]
    UnknownSigner {
        /// The position named.
        signer: u8,
    },
}

impl Multisig {
    /// What has to be verified for `signatures` to be this quorum's of `message`: as many as the threshold, in strictly ascending
    /// order of their signers.
    ///
    /// # Errors
    /// The rule that they break.
    pub fn claims(&self, signatures: &[SignerSignature], message: Hash) -> Result<Vec<SignatureClaim>, QuorumError> {
        let (found, threshold) = (signatures.len(), self.threshold());
        if found != threshold {
            return Err(QuorumError::Count { found, threshold });
        }
        if !signatures.is_sorted_by(|left, right| left.signer < right.signer) {
            return Err(QuorumError::Order);
        }
        let claim = |entry: &SignerSignature| {
            let signer = entry.signer;
            let key = *self.keys().get(usize::from(signer)).ok_or(QuorumError::UnknownSigner { signer })?;
            Ok(SignatureClaim { key, message, signature: entry.signature })
        };
        signatures.iter().map(claim).collect()
    }
}
