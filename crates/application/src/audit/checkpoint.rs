//! A gateway's word on the state of its log.

use health_chain_data::{
    ChainId, Hash, PublicKey, Signature, Timestamp,
    codec::Wire,
    keys::SignatureError,
    ports::{Signer, SignerError},
    tagged_hash,
};
use serde::{Deserialize, Serialize};

use super::AuditLog;

/// What a checkpoint says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckpointTerms {
    /// The chain that the gateway serves.
    pub chain: ChainId,
    /// The gateway's key.
    pub gateway: PublicKey,
    /// Events of the log.
    pub size: u64,
    /// Tree hash over them.
    pub root: Hash,
    /// When, by the gateway's clock.
    pub at: Timestamp,
}

/// A signed statement that the log had these events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The statement.
    pub terms: CheckpointTerms,
    /// The gateway's signature.
    pub signature: Signature,
}

impl Wire for Checkpoint {
    const MAX_BYTES: usize = 32 + 32 + 10 + 32 + 5 + 64;
}

impl Checkpoint {
    /// Signs the present state of `log`.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(
        log: &AuditLog,
        chain: ChainId,
        at: Timestamp,
        gateway: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, SignerError> {
        let terms = CheckpointTerms { chain, gateway: gateway.public_key(), size: log.size(), root: log.root(), at };
        Ok(Self { terms, signature: gateway.sign(&terms.message(), entropy)? })
    }

    /// Checks the signature under the key that the checkpoint names. Whether that is the gateway's is for the caller to know.
    ///
    /// # Errors
    /// The rule of [`SignatureError`] that is broken.
    pub fn verify(&self) -> Result<(), SignatureError> {
        self.terms.gateway.verify(&self.terms.message(), &self.signature)
    }
}

impl CheckpointTerms {
    /// What the gateway signs: `TH("HC/checkpoint/v1", chain | gateway | size u64 | root | at u32)`, integers little-endian.
    pub fn message(&self) -> Hash {
        tagged_hash(
            "HC/checkpoint/v1",
            &[
                self.chain.as_bytes(),
                self.gateway.as_bytes(),
                &self.size.to_le_bytes(),
                self.root.as_bytes(),
                &self.at.0.to_le_bytes(),
            ],
        )
    }
}
