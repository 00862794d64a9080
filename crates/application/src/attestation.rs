//! What an institution says about a record, and how any number of such statements go on the chain in one transaction
//! (paper 2.6, Algorithm 2).

use health_chain_data::{
    ChainId, Commitment, Hash, PublicKey, Signature, Timestamp,
    codec::{self, Wire},
    keys::SignatureError,
    merkle::{InclusionProof, Tree, leaf_hash},
    ports::{Signer, SignerError},
    tagged_hash,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{MAX_ATTESTATION_BYTES, MAX_ATTESTATIONS, MAX_RECORD_TYPE_BYTES};

/// What is attested. The statement names the patient's key, so a record can't be passed off as somebody else's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AttestationTerms {
    /// The chain.
    pub chain: ChainId,
    /// Commitment to the record; it too is bound to the owner's key.
    pub commitment: Commitment,
    /// The key under which the patient will store the record.
    pub owner: PublicKey,
    /// When the institution issued it, by its own clock.
    pub issued_at: Timestamp,
    /// What kind of record it is, in a coding that the institution names: `LOINC 18842-5`, say.
    pub record_type: String,
    /// The record that this one corrects, if it does: one of the same institution.
    pub supersedes: Option<Commitment>,
}

/// A signed statement of an institution about one record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attestation {
    /// What is attested.
    pub terms: AttestationTerms,
    /// The institution's key.
    pub institution: PublicKey,
    /// Its signature.
    pub signature: Signature,
}

impl Wire for Attestation {
    const MAX_BYTES: usize = MAX_ATTESTATION_BYTES;
}

/// Why an attestation or a batch of them can't be made, or does not hold.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttestationError {
    /// The record type is longer than [`MAX_RECORD_TYPE_BYTES`].
    #[error("record type of {bytes} bytes, where at most {MAX_RECORD_TYPE_BYTES} are allowed")]
    RecordTypeTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The institution did not sign these terms.
    #[error("the institution's signature does not verify")]
    Signature(#[from] SignatureError),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A batch of nothing.
    #[error("a batch holds at least one attestation")]
    EmptyBatch,
    /// More than [`MAX_ATTESTATIONS`] in one batch.
    #[error("{count} attestations in one batch, where at most {MAX_ATTESTATIONS} are allowed")]
    BatchTooLarge {
        /// How many.
        count: usize,
    },
    /// A batch with attestations of more than one institution.
    #[error("attestation {index} of the batch is by another institution")]
    MixedBatch {
        /// The first of another one.
        index: usize,
    },
}

impl AttestationTerms {
    /// What the institution signs: `TH("HC/issue/v1", chain | commitment | owner | issued_at u32 | length of type u32 | type |
    /// supersedes)`, integers little-endian, zero for nothing superseded.
    pub fn message(&self) -> Hash {
        let superseded = self.supersedes.map_or(Hash::ZERO, |commitment| commitment.0);
        tagged_hash(
            "HC/issue/v1",
            &[
                self.chain.as_bytes(),
                self.commitment.as_bytes(),
                self.owner.as_bytes(),
                &self.issued_at.0.to_le_bytes(),
                &(self.record_type.len() as u32).to_le_bytes(),
                self.record_type.as_bytes(),
                superseded.as_bytes(),
            ],
        )
    }

    fn check(&self) -> Result<(), AttestationError> {
        match self.record_type.len() {
            bytes if bytes > MAX_RECORD_TYPE_BYTES => Err(AttestationError::RecordTypeTooLong { bytes }),
            _ => Ok(()),
        }
    }
}

impl Attestation {
    /// Signs as the institution.
    ///
    /// # Errors
    /// Where the record type is too long, or the signer fails.
    pub fn sign(
        terms: AttestationTerms,
        institution: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, AttestationError> {
        terms.check()?;
        let signature = institution.sign(&terms.message(), entropy)?;
        Ok(Self { institution: institution.public_key(), terms, signature })
    }

    /// Checks the signature under the key that the attestation names. Whose key that is, the chain says.
    ///
    /// # Errors
    /// Where the record type is too long or the signature does not verify.
    pub fn verify(&self) -> Result<(), AttestationError> {
        self.terms.check()?;
        Ok(self.institution.verify(&self.terms.message(), &self.signature)?)
    }

    /// The attestation as a leaf of an issued tree. Says nothing about the record: the commitment in it hides.
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(&codec::encode(self))
    }
}

/// Attestations that are issued together: their tree hash goes on the chain, and each comes with its proof.
#[derive(Debug)]
pub struct Batch {
    attestations: Vec<Attestation>,
    tree: Tree,
}

impl Batch {
    /// A batch of 1 to [`MAX_ATTESTATIONS`] attestations of one institution.
    ///
    /// # Errors
    /// Where there are none, too many, or some of another institution.
    pub fn new(attestations: Vec<Attestation>) -> Result<Self, AttestationError> {
        let first = attestations.first().ok_or(AttestationError::EmptyBatch)?.institution;
        if attestations.len() > MAX_ATTESTATIONS as usize {
            return Err(AttestationError::BatchTooLarge { count: attestations.len() });
        }
        if let Some(index) = attestations.iter().position(|attestation| attestation.institution != first) {
            return Err(AttestationError::MixedBatch { index });
        }
        let leaf_hashes: Vec<Hash> = attestations.iter().map(Attestation::leaf_hash).collect();
        let tree = Tree::new(&leaf_hashes);
        Ok(Self { attestations, tree })
    }

    /// The attestations in the order of the tree's leaves.
    pub fn attestations(&self) -> &[Attestation] {
        &self.attestations
    }

    /// How many there are.
    pub fn size(&self) -> u32 {
        u32::try_from(self.attestations.len()).expect("no more than the limit, which is a u32")
    }

    /// The tree hash that goes on the chain.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// That the attestation at `index` is under the root; `None` where there is none.
    pub fn proof(&self, index: u32) -> Option<InclusionProof> {
        self.tree.inclusion_proof(index.into())
    }
}

#[cfg(test)]
mod tests {
    use health_chain_data::{SecretKey, sha256};

    use super::*;

    fn terms(number: u32) -> AttestationTerms {
        AttestationTerms {
            chain: ChainId(sha256(b"chain")),
            commitment: Commitment(sha256(&number.to_le_bytes())),
            owner: key(2).public_key(),
            issued_at: Timestamp(number),
            record_type: "LOINC 18842-5".into(),
            supersedes: None,
        }
    }

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_bytes(&[seed; 32]).unwrap()
    }

    fn attested(number: u32) -> Attestation {
        Attestation::sign(terms(number), &key(1), &[0; 32]).unwrap()
    }

    #[test]
    fn every_term_is_signed() {
        let changes: [fn(&mut AttestationTerms); 6] = [
            |terms| terms.chain = ChainId(sha256(b"another")),
            |terms| terms.commitment = Commitment(sha256(b"another")),
            |terms| terms.owner = key(3).public_key(),
            |terms| terms.issued_at = Timestamp(8),
            |terms| terms.record_type.push('9'),
            |terms| terms.supersedes = Some(Commitment(sha256(b"earlier"))),
        ];
        let attestation = attested(7);
        attestation.verify().unwrap();
        for change in changes {
            let mut changed = attestation.clone();
            change(&mut changed.terms);
            assert!(matches!(changed.verify(), Err(AttestationError::Signature(_))));
        }
        let passed_off = Attestation { institution: key(3).public_key(), ..attestation };
        assert!(passed_off.verify().is_err());
    }

    #[test]
    fn each_attestation_of_a_batch_is_proven() {
        for size in [1, 2, 3, 7, 8, 33] {
            let batch = Batch::new((0..size).map(attested).collect()).unwrap();
            assert_eq!(batch.size(), size);
            for (index, attestation) in (0..).zip(batch.attestations()) {
                let proof = batch.proof(index).unwrap();
                assert_eq!(proof.verify(&attestation.leaf_hash(), &batch.root()), Ok(()));
                assert!(proof.verify(&attested(99).leaf_hash(), &batch.root()).is_err());
            }
            assert_eq!(batch.proof(size), None);
        }
    }

    #[test]
    fn each_rule_has_its_refusal() {
        assert!(matches!(Batch::new(Vec::new()), Err(AttestationError::EmptyBatch)));
        let foreign = Attestation::sign(terms(2), &key(3), &[0; 32]).unwrap();
        let mixed = Batch::new(vec![attested(0), attested(1), foreign]).err();
        assert!(matches!(mixed, Some(AttestationError::MixedBatch { index: 2 })));
        let too_many = Batch::new(vec![attested(0); MAX_ATTESTATIONS as usize + 1]).err();
        assert!(matches!(too_many, Some(AttestationError::BatchTooLarge { .. })));
        let long = AttestationTerms { record_type: "x".repeat(MAX_RECORD_TYPE_BYTES + 1), ..terms(0) };
        let refused = Attestation::sign(long, &key(1), &[0; 32]).err();
        assert!(matches!(refused, Some(AttestationError::RecordTypeTooLong { .. })));
    }

    #[test]
    fn the_longest_attestation_fits_its_limit() {
        let mut longest = terms(u32::MAX);
        longest.record_type = "x".repeat(MAX_RECORD_TYPE_BYTES);
        longest.supersedes = Some(longest.commitment);
        let attestation = Attestation::sign(longest, &key(1), &[0; 32]).unwrap();
        assert_eq!(codec::decode::<Attestation>(&codec::encode(&attestation)).unwrap(), attestation);
    }
}
