//! Whether an institution really said what an attestation says, and was one when it did.

use health_chain_data::{
    ChainId, Hash, Height, PublicKey,
    merkle::ProofError,
    ports::{StateView, StoreError},
};
use thiserror::Error;

use crate::{
    attestation::AttestationError,
    document::Provenance,
    identities::{Institution, institution_key_at},
    records,
};

/// A check that a record's provenance fails.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProvenanceError {
    /// The attestation is for another chain.
    #[error("attested for chain {found}")]
    OtherChain {
        /// The chain it names.
        found: ChainId,
    },
    /// The chain has no such root: not yet, or never.
    #[error("root {root} has not been issued")]
    NotIssued {
        /// The root.
        root: Hash,
    },
    /// Another institution than the one that attests issued the root.
    #[error("the root was issued by {issuer}")]
    OtherIssuer {
        /// Who issued it.
        issuer: PublicKey,
    },
    /// The attesting key was not registered, or not active, at the height at which the root was issued.
    #[error("{key} spoke for no institution at height {height}")]
    IssuerInactive {
        /// The key.
        key: PublicKey,
        /// The height.
        height: Height,
    },
    /// The institution did not sign.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// The proof is of a tree of another size than the one issued.
    #[error("proven in a tree of {found}, where {issued} were issued")]
    TreeSize {
        /// The size in the proof.
        found: u64,
        /// The size on the chain.
        issued: u32,
    },
    /// The attestation is not under the root.
    #[error("the attestation is not under the issued root")]
    NotIncluded(#[from] ProofError),
    /// The chain's state can't be read. Says nothing about the record.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks, against the chain, that an institution that was one at the time attested what `provenance` says.
///
/// # Errors
/// The first check that fails, in the order of Algorithm 3: the issuer's key, its signature, the inclusion.
pub fn verify_provenance(
    view: &dyn StateView,
    chain: ChainId,
    provenance: &Provenance,
) -> Result<Institution, ProvenanceError> {
    let Provenance { attestation, root, proof } = provenance;
    if attestation.terms.chain != chain {
        return Err(ProvenanceError::OtherChain { found: attestation.terms.chain });
    }
    let issued = records::issue(view, root)?.ok_or(ProvenanceError::NotIssued { root: *root })?;
    let (key, height) = (attestation.institution, issued.height);
    if issued.issuer != key {
        return Err(ProvenanceError::OtherIssuer { issuer: issued.issuer });
    }
    let institution = institution_key_at(view, &key, height)?.ok_or(ProvenanceError::IssuerInactive { key, height })?;
    attestation.verify()?;
    if proof.tree_size != u64::from(issued.count) {
        return Err(ProvenanceError::TreeSize { found: proof.tree_size, issued: issued.count });
    }
    proof.verify(&attestation.leaf_hash(), root)?;
    Ok(institution)
}
