//! What the chain knows of a record: a commitment that binds the document and hides it.

use core::fmt;

use hkdf::hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{Hash, PublicKey};

/// Bytes of the random value that hides the document.
pub const BLINDING_BYTES: usize = 32;

const TAG: &[u8] = b"HC/com/v1";

/// A commitment to one document of one owner. Without the blinding value it says nothing about the document, not even
/// whether two documents are equal; with it, it fits this document, media type and owner only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Commitment(pub Hash);

impl Commitment {
    /// The commitment's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

/// Commits to a document of `length` bytes with the SHA-256 digest `document_digest`.
///
/// It is HMAC-SHA256 under the key `blinding` over, one after the other: the ASCII bytes `HC/com/v1`, the digest
/// (32 bytes), the length (u64, little endian), the media type's length in bytes (u64, little endian), the media type,
/// the owner's public key (32 bytes). The media type is the only part of varying length, and its length stands before
/// it, so no two inputs give one string.
///
/// `blinding` must be fresh random bytes for every commitment: medical values are few, and a bare hash of one can be
/// found by trying them all. Opening means to commit again and to compare.
pub fn commit(
    blinding: &[u8; BLINDING_BYTES],
    document_digest: &Hash,
    length: u64,
    media_type: &str,
    owner: &PublicKey,
) -> Commitment {
    let mut mac = Hmac::<Sha256>::new_from_slice(blinding).expect("HMAC takes keys of any length");
    for part in [
        TAG,
        document_digest.as_bytes(),
        &length.to_le_bytes(),
        &(media_type.len() as u64).to_le_bytes(),
        media_type.as_bytes(),
        owner.as_bytes(),
    ] {
        mac.update(part);
    }
    Commitment(Hash(mac.finalize().into_bytes().into()))
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, vec::Vec};

    use super::*;
    use crate::{SecretKey, sha256};

    /// HMAC after RFC 2104, word by word.
    fn hmac(key: &[u8; 32], message: &[u8]) -> Hash {
        let pad = |byte: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ byte).collect() };
        let inner = sha256(&[&pad(0x36), message].concat());
        sha256(&[&pad(0x5c)[..], inner.as_bytes()].concat())
    }

    #[test]
    fn equals_its_definition() {
        let owner = SecretKey::from_bytes(&[5; 32]).unwrap().public_key();
        let digest = sha256(b"HbA1c 6.1 %");
        let message = [
            b"HC/com/v1",
            &digest.0[..],
            &[11, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0],
            b"text/plain",
            owner.as_bytes(),
        ]
        .concat();
        assert_eq!(commit(&[7; 32], &digest, 11, "text/plain", &owner), Commitment(hmac(&[7; 32], &message)));
    }

    #[test]
    fn every_part_is_bound() {
        let [one, two] = [5, 6].map(|byte| SecretKey::from_bytes(&[byte; 32]).unwrap().public_key());
        let digest = sha256(b"document");
        let commitments = BTreeSet::from([
            commit(&[7; 32], &digest, 8, "text/plain", &one),
            commit(&[8; 32], &digest, 8, "text/plain", &one),
            commit(&[7; 32], &sha256(b"other"), 8, "text/plain", &one),
            commit(&[7; 32], &digest, 9, "text/plain", &one),
            commit(&[7; 32], &digest, 8, "text/plain2", &one),
            commit(&[7; 32], &digest, 8, "", &one),
            commit(&[7; 32], &digest, 8, "text/plain", &two),
        ]);
        assert_eq!(commitments.len(), 7);
    }
}
