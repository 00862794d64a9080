//! The seams of the data layer: where blocks and state are kept, who hashes, who signs, who verifies.

use alloc::{boxed::Box, vec::Vec};
use core::error::Error as StdError;

use thiserror::Error;

use crate::{
    hash::{Hash, sha256},
    keys::{PublicKey, SecretKey, Signature},
    merkle, pow,
    state::{Changes, Table},
};

/// Read access to the tables of a chain. Implemented by stores, and by [`crate::state::Overlay`] on top of one.
pub trait StateView {
    /// The value under `key`, if there is one.
    ///
    /// # Errors
    /// Where the store can't be read or what it holds is damaged.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Shows `visit` every entry whose key starts with `prefix` in ascending order of keys, until it returns `false`.
    ///
    /// # Errors
    /// As for [`StateView::get`].
    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError>;
}

/// Keeps a chain: tables of keys and values, changed only by whole batches.
pub trait ChainStore: StateView + Send + Sync {
    /// Applies `changes` as one atomic batch: after a crash at any moment either all of them are there or none.
    /// When it returns, they are durable.
    ///
    /// # Errors
    /// Where the batch could not be written; then nothing of it was.
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError>;
}

/// Why a store can't serve.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the store open.
    #[error("the store is in use by another process")]
    Locked,
    /// The store was written by another version of this software.
    #[error("the store has schema version {found}, where {expected} is needed")]
    SchemaVersion {
        /// The version of the store.
        found: u32,
        /// The version this software reads.
        expected: u32,
    },
    /// An entry does not match its checksum, or does not decode.
    #[error("damaged entry in table {table:?}")]
    Damaged {
        /// The table of the entry.
        table: Table,
    },
    /// The storage underneath failed.
    #[error("storage failed")]
    Backend(#[source] Box<dyn StdError + Send + Sync>),
}

/// Hashes many messages at once. All methods have scalar defaults, so an implementation overrides what it can do faster;
/// every implementation returns the same digests.
pub trait BatchHasher: Send + Sync {
    /// The implementation's name, as a user would force it.
    fn name(&self) -> &'static str;

    /// SHA-256 of each message of `message_bytes` bytes in `messages`, laid end to end, into `digests`.
    ///
    /// # Panics
    /// If `messages` is not exactly `digests.len() * message_bytes` bytes long.
    fn hash_equal(&self, message_bytes: usize, messages: &[u8], digests: &mut [Hash]) {
        assert_eq!(messages.len(), digests.len() * message_bytes, "one digest per message");
        for (index, digest) in digests.iter_mut().enumerate() {
            *digest = sha256(&messages[index * message_bytes..][..message_bytes]);
        }
    }

    /// RFC 6962 leaf hashes of messages of any lengths.
    fn hash_leaves(&self, leaves: &[&[u8]]) -> Vec<Hash> {
        leaves.iter().map(|leaf| merkle::leaf_hash(leaf)).collect()
    }

    /// RFC 6962 tree hash over leaf hashes.
    fn merkle_root(&self, leaf_hashes: &[Hash]) -> Hash {
        merkle::root_of_hashes(leaf_hashes)
    }

    /// The first nonce in `first..first + count` (wrapping at 2^32) for which SHA-256d of the 80-byte header, the nonce
    /// little-endian in its last four bytes, is at most `target`; both are compared as little-endian 256-bit numbers.
    fn search_nonce(&self, header: &[u8; 80], target: &[u8; 32], first: u32, count: u64) -> Option<u32> {
        pow::search_nonce(header, target, first, count)
    }
}

/// The batch hasher without any batching: sha2, one message after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScalarHasher;

impl BatchHasher for ScalarHasher {
    fn name(&self) -> &'static str {
        "scalar"
    }
}

/// Holds a secret key and signs with it: in memory, or in hardware.
pub trait Signer: Send {
    /// The key that verifies this signer's signatures.
    fn public_key(&self) -> PublicKey;

    /// A BIP340 signature of `message`; `entropy` is its auxiliary randomness.
    ///
    /// # Errors
    /// Where the device refuses or can't be reached.
    fn sign(&self, message: &Hash, entropy: &[u8; 32]) -> Result<Signature, SignerError>;
}

/// The signer in memory.
impl Signer for SecretKey {
    fn public_key(&self) -> PublicKey {
        Self::public_key(self)
    }

    fn sign(&self, message: &Hash, entropy: &[u8; 32]) -> Result<Signature, SignerError> {
        Ok(Self::sign(self, message, entropy))
    }
}

/// Why a signer did not sign.
#[derive(Debug, Error)]
#[error("the signer did not sign")]
pub struct SignerError(#[source] pub Box<dyn StdError + Send + Sync>);

/// That `key` signed `message`: claimed, and still to be verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignatureClaim {
    /// Who is said to have signed.
    pub key: PublicKey,
    /// What.
    pub message: Hash,
    /// The signature given as evidence.
    pub signature: Signature,
}

/// Verifies the signatures of a block or a transaction, collected so that they can be verified together.
pub trait Verifier: Send + Sync {
    /// Verifies all claims (BIP340).
    ///
    /// # Errors
    /// Names the first claim that does not hold.
    fn verify(&self, claims: &[SignatureClaim]) -> Result<(), FalseClaim>;
}

/// A claim does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("signature {index} does not verify")]
pub struct FalseClaim {
    /// Its position among the claims.
    pub index: usize,
}

/// Verifies one claim after the other with k256.
#[derive(Debug, Clone, Copy, Default)]
pub struct SingleVerifier;

impl Verifier for SingleVerifier {
    fn verify(&self, claims: &[SignatureClaim]) -> Result<(), FalseClaim> {
        for (index, claim) in claims.iter().enumerate() {
            claim.key.verify(&claim.message, &claim.signature).map_err(|_| FalseClaim { index })?;
        }
        Ok(())
    }
}
