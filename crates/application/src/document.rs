//! A record as it lies in a sealed object: the document, what it is, and who vouches for it.

use std::fmt;

use health_chain_data::{
    Commitment, Hash, ObjectId, PublicKey,
    codec::{self, CodecError, Wire},
    commitment::{BLINDING_BYTES, commit},
    merkle::InclusionProof,
    seal::{self, OpenError, OpeningKey, Receipt, SealError, SealingKey},
    sha256,
    wrap::WrappedSecrets,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    attestation::Attestation,
    limits::{MAX_DESCRIPTION_BYTES, MAX_MEDIA_TYPE_BYTES},
    ports::{Entropy, EntropyError},
};

/// A document with its description. The bytes are kept as they are, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub description: Description,
    /// The document itself.
    pub bytes: Vec<u8>,
}

/// What stands before a document in its sealed object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Description {
    /// The document's media type (RFC 6838).
    pub media_type: String,
    /// The key that the commitment names: the record's first owner.
    pub owner: PublicKey,
    /// Who vouches for it; `None` for what a patient recorded without an institution.
    pub provenance: Option<Provenance>,
}

/// An institution's attestation, and where the chain has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Provenance {
    /// The attestation.
    pub attestation: Attestation,
    /// The issued root that it is under.
    pub root: Hash,
    /// That it is.
    pub proof: InclusionProof,
}

impl Wire for Description {
    const MAX_BYTES: usize = MAX_DESCRIPTION_BYTES;
}

/// Why a document was not sealed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealDocumentError {
    /// The media type is longer than [`MAX_MEDIA_TYPE_BYTES`].
    #[error("media type of {bytes} bytes, where at most {MAX_MEDIA_TYPE_BYTES} are allowed")]
    MediaTypeTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The document is too long for one object.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// There is no key to be had.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Why a sealed object gave no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenDocumentError {
    /// The object does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was sealed does not begin with a description.
    #[error("no description before the document")]
    NoDescription,
    /// The description does not decode.
    #[error("the description before the document is malformed")]
    Description(#[from] CodecError),
    /// The document is not the one whose digest came with the key.
    #[error("the document's digest is {found}")]
    Digest {
        /// The digest of what was sealed.
        found: Hash,
    },
}

/// A document in its sealed form.
pub struct SealedDocument {
    /// The object as it is stored.
    pub object: Vec<u8>,
    /// Its tree hash.
    pub ct_root: Hash,
    /// What a reader needs.
    pub secrets: WrappedSecrets,
}

impl fmt::Debug for SealedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedDocument")
            .field("bytes", &self.object.len())
            .field("ct_root", &self.ct_root)
            .finish_non_exhaustive()
    }
}

impl Document {
    /// SHA-256 of the document.
    pub fn digest(&self) -> Hash {
        sha256(&self.bytes)
    }

    /// The commitment to this document for its first owner.
    pub fn commit(&self, blinding: &[u8; BLINDING_BYTES]) -> Commitment {
        let Description { media_type, owner, .. } = &self.description;
        commit(blinding, &self.digest(), self.bytes.len() as u64, media_type, owner)
    }

    /// Seals the document under a new key: description length u32 (little-endian), description, document.
    ///
    /// # Errors
    /// Where the media type or the document is too long, or there is no randomness.
    pub fn seal(
        &self,
        object: &ObjectId,
        version: u32,
        blinding: &[u8; BLINDING_BYTES],
        entropy: &mut dyn Entropy,
    ) -> Result<SealedDocument, SealDocumentError> {
        let bytes = self.description.media_type.len();
        if bytes > MAX_MEDIA_TYPE_BYTES {
            return Err(SealDocumentError::MediaTypeTooLong { bytes });
        }
        let description = codec::encode(&self.description);
        let length = u32::try_from(description.len()).expect("its parts have limits far below").to_le_bytes();
        let plaintext = Zeroizing::new([&length[..], &description, &self.bytes].concat());
        let nonce = entropy.draw()?;
        let nonce = nonce.first_chunk().expect("32 bytes begin with 24");
        let sealed = seal::seal(SealingKey::new(&*entropy.draw()?), object, version, nonce, &plaintext)?;
        let Receipt { ct_root, key, .. } = sealed.receipt;
        let secrets = WrappedSecrets { key, blinding: Zeroizing::new(*blinding), document_digest: self.digest() };
        Ok(SealedDocument { object: sealed.bytes, ct_root, secrets })
    }

    /// Opens a sealed object, and checks that the document is the one whose digest came with the key.
    ///
    /// # Errors
    /// The rule of [`OpenDocumentError`] that is broken.
    pub fn open(
        secrets: &WrappedSecrets,
        object: &ObjectId,
        version: u32,
        sealed: &[u8],
    ) -> Result<Self, OpenDocumentError> {
        let key: &OpeningKey = &secrets.key;
        let plaintext = Zeroizing::new(seal::open(key, object, version, sealed)?);
        let (length, rest) = plaintext.split_first_chunk().ok_or(OpenDocumentError::NoDescription)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (description, bytes) = rest.split_at_checked(length).ok_or(OpenDocumentError::NoDescription)?;
        let document = Self { description: codec::decode(description)?, bytes: bytes.to_vec() };
        match document.digest() {
            found if found == secrets.document_digest => Ok(document),
            found => Err(OpenDocumentError::Digest { found }),
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = format_args!("{} bytes, hidden", self.bytes.len());
        f.debug_struct("Document").field("description", &self.description).field("bytes", &bytes).finish()
    }
}

#[cfg(test)]
mod tests {
    use health_chain_data::SecretKey;

    use super::*;
    use crate::ports::SeededEntropy;

    const OBJECT: ObjectId = ObjectId(Hash([5; 32]));

    fn document(bytes: Vec<u8>) -> Document {
        let owner = SecretKey::from_bytes(&[1; 32]).unwrap().public_key();
        Document { description: Description { media_type: "text/plain".into(), owner, provenance: None }, bytes }
    }

    #[test]
    fn every_document_comes_back_byte_for_byte() {
        for length in [0, 1, 4, 65_535, 65_536, 200_000] {
            let document = document((0..length).map(|at: u32| at as u8).collect());
            let sealed = document.seal(&OBJECT, 1, &[3; 32], &mut SeededEntropy::new(7)).unwrap();
            assert_eq!(sealed.ct_root, seal::ct_root(&sealed.object));
            assert_eq!(Document::open(&sealed.secrets, &OBJECT, 1, &sealed.object), Ok(document));
        }
    }

    #[test]
    fn another_version_another_key_and_another_digest_are_refused() {
        let entropy = &mut SeededEntropy::new(7);
        let first = document(b"first".to_vec()).seal(&OBJECT, 1, &[3; 32], entropy).unwrap();
        let second = document(b"second".to_vec()).seal(&OBJECT, 2, &[3; 32], entropy).unwrap();
        let open =
            |secrets, version, sealed: &SealedDocument| Document::open(secrets, &OBJECT, version, &sealed.object);
        let refused = open(&first.secrets, 1, &second).unwrap_err();
        assert_eq!(refused, OpenDocumentError::Open(OpenError::OtherVersion { found: 2 }));
        assert_eq!(open(&first.secrets, 2, &second), Err(OpenDocumentError::Open(OpenError::KeyCommitment)));
        let lying = WrappedSecrets { document_digest: sha256(b"third"), ..first.secrets.clone() };
        assert_eq!(open(&lying, 1, &first), Err(OpenDocumentError::Digest { found: sha256(b"first") }));
    }

    #[test]
    fn what_has_no_description_is_refused() {
        for (plaintext, expected) in [
            (&b""[..], OpenDocumentError::NoDescription),
            (b"\xff\xff\xff\xff", OpenDocumentError::NoDescription),
            (b"\x01\0\0\0\x05", OpenDocumentError::Description(CodecError::Malformed)),
        ] {
            let sealed = seal::seal(SealingKey::new(&[1; 32]), &OBJECT, 1, &[0; 24], plaintext).unwrap();
            let secrets = WrappedSecrets {
                key: sealed.receipt.key,
                blinding: Zeroizing::new([0; 32]),
                document_digest: sha256(b""),
            };
            assert_eq!(Document::open(&secrets, &OBJECT, 1, &sealed.bytes), Err(expected));
        }
    }

    #[test]
    fn what_is_in_it_is_not_printed() {
        let printed = format!("{:?}", document(b"HIV positive".to_vec()));
        assert!(printed.contains("12 bytes, hidden"), "{printed}");
        assert!(!printed.contains("72, 73, 86") && !printed.contains("HIV"), "{printed}");
    }

    #[test]
    fn a_media_type_has_a_limit() {
        let mut document = document(Vec::new());
        document.description.media_type = "x".repeat(MAX_MEDIA_TYPE_BYTES + 1);
        let refused = document.seal(&OBJECT, 1, &[3; 32], &mut SeededEntropy::new(7)).err();
        assert!(matches!(refused, Some(SealDocumentError::MediaTypeTooLong { bytes: 128 })));
    }
}
