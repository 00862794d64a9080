//! The proof that a holder keeps.

use alloc::vec::Vec;

use health_chain_data::{
    Block, BlockId, ChainId, Hash, Header, PublicKey, Timestamp, Transaction,
    codec::{self, Wire},
    keys::SignatureError,
    limits::{MAX_HEADER_BYTES, MAX_TRANSACTION_BYTES},
    merkle::{InclusionProof, ProofError, leaf_hash},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{NOTARIZE, Notarization, NotaryError};

/// A notarization with its way into a block: all that has to be kept beside the document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bundle {
    /// The chain.
    pub chain: ChainId,
    /// The header of the block.
    pub header: Header,
    /// The transaction that carries the notarization.
    pub transaction: Transaction,
    /// Its way to the header's root.
    pub proof: InclusionProof,
}

impl Wire for Bundle {
    const MAX_BYTES: usize = 32 + 2 + MAX_HEADER_BYTES + MAX_TRANSACTION_BYTES + InclusionProof::MAX_BYTES;
}

/// What a bundle proves to whoever knows that [`Evidence::block`] is a block of the chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// The block, to be compared with one that is trusted.
    pub block: BlockId,
    /// When it was made, as its maker says.
    pub time: Timestamp,
    /// What was dated.
    pub commitment: Hash,
    /// Who signed.
    pub signed_by: Vec<PublicKey>,
}

/// Why a bundle proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The transaction is of another kind.
    #[error("the transaction is no notarization")]
    Kind,
    /// The transaction is not in the block.
    #[error("the transaction is not in the block")]
    Inclusion(#[source] ProofError),
    /// The notarization breaks a rule.
    #[error("the notarization breaks a rule")]
    Rule(#[source] NotaryError),
    /// A signature does not hold.
    #[error("signature {position} does not hold")]
    Signature {
        /// Its position.
        position: usize,
        /// What is wrong with it.
        source: SignatureError,
    },
}

impl Bundle {
    /// The bundle for the transaction at `index` of a block; nothing where there is none.
    pub fn of(chain: ChainId, block: &Block, index: usize) -> Option<Self> {
        let transaction = block.transactions().get(index)?.clone();
        let leaves: Vec<Hash> = block.transactions().iter().map(|each| leaf_hash(&codec::encode(each))).collect();
        let proof = InclusionProof::build(&leaves, index as u64)?;
        Some(Self { chain, header: block.header.clone(), transaction, proof })
    }

    /// Checks everything but whether the block belongs to the chain, without a node.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self) -> Result<Evidence, BundleError> {
        if self.transaction.kind != NOTARIZE {
            return Err(BundleError::Kind);
        }
        let leaf = leaf_hash(&codec::encode(&self.transaction));
        self.proof.verify(&leaf, &self.header.root).map_err(BundleError::Inclusion)?;
        let notarization = Notarization::read(&self.transaction).map_err(BundleError::Rule)?;
        let claims = notarization.claims(&self.chain).map_err(BundleError::Rule)?;
        for (position, claim) in claims.iter().enumerate() {
            let outcome = claim.key.verify(&claim.message, &claim.signature);
            outcome.map_err(|source| BundleError::Signature { position, source })?;
        }
        Ok(Evidence {
            block: self.header.id(),
            time: self.header.time,
            commitment: notarization.commitment,
            signed_by: claims.into_iter().map(|claim| claim.key).collect(),
        })
    }
}
