//! The sealed object: the form in which a record lies in a store that is not trusted.
//!
//! ```text
//! magic "HCSO" 4 | suite u16 | object id 32 | version u32 | nonce 24 | key commitment 32      header, 98 bytes
//! chunk 0 | chunk 1 | ... | final chunk                                                       64 KiB + 16 bytes each,
//!                                                                                             the final one may be shorter
//! ```
//!
//! Integers are little endian. What is encrypted is `length u64 | plaintext | zeros`, padded to the length that
//! [`padme`] gives, so that the size of an object says little about the size of the record.
//!
//! Keys: `PRK = HKDF-Extract(salt = nonce, DEK)`; the key commitment is `HKDF-Expand(PRK, "HC/kc/v1" || object id ||
//! version, 32)`; the key (32 bytes) and the nonce prefix (7 bytes) of STREAM are `HKDF-Expand(PRK, "HC/stream/v1" ||
//! object id || version, 39)`. Chunk `i` is encrypted by ChaCha20-Poly1305 under the nonce `prefix 7 | i u32, big endian
//! | 1 if final, else 0`, with the tagged hash of the header as associated data.
//!
//! Without the key commitment one object could open under two keys to two different documents.
//!
//! `ct_root` is the root of a Merkle tree whose first leaf is the header and whose others are the chunks, in order, so
//! that every byte of the object is under it: a store can be checked, scrubbed, and asked for one chunk with a proof.

mod buffer;
mod header;
mod key;
mod open;
mod sealing;

pub use header::{HEADER_BYTES, SUITE_CHACHA20_STREAM};
pub use key::{DATA_KEY_BYTES, OpeningKey, SealingKey};
pub use open::{OpenError, Opener, open};
pub use sealing::{Receipt, SealError, Sealed, Sealer, seal};

use alloc::vec::Vec;
use core::iter;

use crate::{Hash, merkle, ports::BatchHasher};

/// Content bytes of every chunk but the final one.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes by which encryption lengthens a chunk.
pub const CHUNK_TAG_BYTES: usize = 16;
/// Bytes of every chunk but the final one, as they lie in the object.
pub const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + CHUNK_TAG_BYTES;
/// The longest plaintext of one object, in bytes: one tebibyte.
pub const MAX_PLAINTEXT_BYTES: u64 = 1 << 40;
/// Bytes of the header's nonce.
pub const NONCE_BYTES: usize = 24;

/// Bytes of the length that stands before the plaintext.
const LENGTH_BYTES: usize = 8;

const _: () = {
    // STREAM counts chunks in 32 bits and keeps the last count for itself.
    assert!(content_bytes(MAX_PLAINTEXT_BYTES) / (CHUNK_BYTES as u64) < u32::MAX as u64);
};

/// The Merkle leaves of an object: its header, then its chunks. An object cut inside the header is one short leaf.
pub fn leaves(object: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (header, chunks) = object.split_at(HEADER_BYTES.min(object.len()));
    iter::once(header).chain(chunks.chunks(SEALED_CHUNK_BYTES))
}

/// The Merkle root over an object's bytes.
pub fn ct_root(object: &[u8]) -> Hash {
    merkle::root(leaves(object))
}

/// The Merkle root over an object's bytes, with the chunks hashed by `hasher`.
pub fn ct_root_by(hasher: &dyn BatchHasher, object: &[u8]) -> Hash {
    let leaves: Vec<&[u8]> = leaves(object).collect();
    hasher.merkle_root(&hasher.hash_leaves(&leaves))
}

/// The length of the object that a plaintext of this length is sealed into, in bytes.
///
/// # Errors
/// [`SealError::TooLong`].
pub const fn sealed_bytes(plaintext_bytes: u64) -> Result<u64, SealError> {
    if plaintext_bytes > MAX_PLAINTEXT_BYTES {
        return Err(SealError::TooLong { plaintext_bytes });
    }
    let content = content_bytes(plaintext_bytes);
    let chunks = content.div_ceil(CHUNK_BYTES as u64);
    Ok(HEADER_BYTES as u64 + content + chunks * CHUNK_TAG_BYTES as u64)
}

/// The padded length for a length (Nikitin et al. 2019, "Reducing Metadata Leakage from Encrypted Files and
/// Communication with PURBs", algorithm 1): at most 12 % more, so that the length of an object tells only
/// O(log log length) bits of the length of its plaintext.
pub const fn padme(length: u64) -> u64 {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    let kept = exponent.ilog2() + 1;
    let mask = (1_u64 << exponent.saturating_sub(kept)) - 1;
    length.saturating_add(mask) & !mask
}

/// Bytes that are encrypted for a plaintext of this length, which must not be above the limit.
const fn content_bytes(plaintext_bytes: u64) -> u64 {
    padme(LENGTH_BYTES as u64 + plaintext_bytes)
}
