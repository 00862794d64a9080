//! Issuing: one signature of an institution for any number of attestations.

use health_chain_data::{
    ChainId, Hash, PublicKey, Signature,
    ports::{Signer, SignerError},
    tagged_hash,
};
use serde::{Deserialize, Serialize};

use super::position::UNSIGNED;
use crate::payload::operations;

/// Commits an institution to attestations: the RFC 6962 tree hash over them
/// ([`Batch::root`](crate::attestation::Batch::root)). Each patient gets an inclusion proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Issue {
    /// The chain.
    pub chain: ChainId,
    /// The tree hash.
    pub root: Hash,
    /// How many attestations there are.
    pub count: u32,
    /// The institution's key at the height of the block.
    pub issuer: PublicKey,
    /// Its signature.
    pub signature: Signature,
}

impl Issue {
    /// Signs as the institution.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(
        chain: ChainId,
        root: Hash,
        count: u32,
        issuer: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, SignerError> {
        let mut issue = Self { chain, root, count, issuer: issuer.public_key(), signature: UNSIGNED };
        issue.signature = issuer.sign(&issue.message(), entropy)?;
        Ok(issue)
    }

    /// What the institution signs: `TH("HC/issue-root/v1", chain_id || root || count u32 LE || issuer)`.
    pub fn message(&self) -> Hash {
        let count = self.count.to_le_bytes();
        let parts = [self.chain.as_bytes(), self.root.as_bytes(), &count[..], self.issuer.as_bytes()];
        tagged_hash("HC/issue-root/v1", &parts)
    }
}

operations!(Issue = ISSUE);
