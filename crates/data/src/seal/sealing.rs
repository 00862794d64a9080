//! Sealing.

use alloc::vec::Vec;

use aead_stream::{Encryptor, StreamBE32};
use chacha20poly1305::ChaCha20Poly1305;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    CHUNK_BYTES, LENGTH_BYTES, MAX_PLAINTEXT_BYTES, NONCE_BYTES, OpeningKey, SEALED_CHUNK_BYTES, SealingKey,
    content_bytes,
    header::{HEADER_BYTES, Header, associated_data, derive},
    sealed_bytes,
};
use crate::{
    Hash, ObjectId,
    merkle::{Frontier, leaf_hash},
};

/// Why something was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The plaintext is beyond [`MAX_PLAINTEXT_BYTES`].
    #[error("plaintext of {plaintext_bytes} bytes, where at most {MAX_PLAINTEXT_BYTES} are allowed")]
    TooLong {
        /// Its length.
        plaintext_bytes: u64,
    },
    /// More or fewer bytes came than were announced.
    #[error("{found_bytes} bytes or more of plaintext, where {announced_bytes} were announced")]
    LengthMismatch {
        /// The length given to [`Sealer::new`].
        announced_bytes: u64,
        /// Bytes that came.
        found_bytes: u64,
    },
}

/// A sealed object.
#[derive(Debug)]
pub struct Sealed {
    /// The object, as it is stored.
    pub bytes: Vec<u8>,
    /// What the chain holds of it, and the key that opens it.
    pub receipt: Receipt,
}

/// What sealing leaves with the owner.
#[derive(Debug)]
pub struct Receipt {
    /// Root of the Merkle tree over header and chunks.
    pub ct_root: Hash,
    /// Length of the object, in bytes.
    pub sealed_bytes: u64,
    /// Opens the object.
    pub key: OpeningKey,
}

/// Seals a plaintext that is in memory. `nonce` must be fresh random bytes.
///
/// # Errors
/// [`SealError::TooLong`].
pub fn seal(
    key: SealingKey,
    object: &ObjectId,
    version: u32,
    nonce: &[u8; NONCE_BYTES],
    plaintext: &[u8],
) -> Result<Sealed, SealError> {
    let total = sealed_bytes(plaintext.len() as u64)?;
    let mut bytes = Vec::with_capacity(usize::try_from(total).unwrap_or(0));
    let mut sealer = Sealer::new(key, object, version, nonce, plaintext.len() as u64, &mut bytes)?;
    sealer.write(plaintext, &mut bytes)?;
    let receipt = sealer.finish(&mut bytes)?;
    Ok(Sealed { bytes, receipt })
}

/// Seals a plaintext of any size in constant memory: the caller brings plaintext and carries away what is appended to
/// `out`, which is at most one chunk more than it brought.
pub struct Sealer {
    key: OpeningKey,
    stream: Encryptor<ChaCha20Poly1305, StreamBE32<ChaCha20Poly1305>>,
    associated_data: Hash,
    announced: u64,
    taken: u64,
    /// Content of the chunk that is being filled; never empty once the length has been written, never sealed before
    /// more content is there, so that the final chunk is known as such.
    chunk: Zeroizing<Vec<u8>>,
    leaves: Frontier,
    sealed_bytes: u64,
}

impl Sealer {
    /// Begins an object for a plaintext of exactly `plaintext_bytes`, and appends its header to `out`. `nonce` must be
    /// fresh random bytes.
    ///
    /// # Errors
    /// [`SealError::TooLong`].
    pub fn new(
        key: SealingKey,
        object: &ObjectId,
        version: u32,
        nonce: &[u8; NONCE_BYTES],
        plaintext_bytes: u64,
        out: &mut Vec<u8>,
    ) -> Result<Self, SealError> {
        if plaintext_bytes > MAX_PLAINTEXT_BYTES {
            return Err(SealError::TooLong { plaintext_bytes });
        }
        let key = key.into_opening();
        let derived = derive(&key, object, version, nonce);
        let header = Header { object: *object, version, nonce: *nonce, commitment: derived.commitment }.to_bytes();
        out.extend_from_slice(&header);
        let mut sealer = Self {
            key,
            stream: Encryptor::from_stream_primitive(derived.stream),
            associated_data: associated_data(&header),
            announced: plaintext_bytes,
            taken: 0,
            chunk: Zeroizing::new(Vec::with_capacity(SEALED_CHUNK_BYTES)),
            leaves: Frontier::from_iter([leaf_hash(&header)]),
            sealed_bytes: HEADER_BYTES as u64,
        };
        sealer.content(&plaintext_bytes.to_le_bytes(), out);
        Ok(sealer)
    }

    /// Takes the next bytes of the plaintext, and appends what is sealed of them to `out`.
    ///
    /// # Errors
    /// [`SealError::LengthMismatch`] where these are more bytes than announced; then nothing is taken.
    pub fn write(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        let found_bytes = self.taken.saturating_add(plaintext.len() as u64);
        if found_bytes > self.announced {
            return Err(SealError::LengthMismatch { announced_bytes: self.announced, found_bytes });
        }
        self.taken = found_bytes;
        self.content(plaintext, out);
        Ok(())
    }

    /// Pads, and appends the final chunk to `out`, with what padding fills before it.
    ///
    /// # Errors
    /// [`SealError::LengthMismatch`] where bytes are missing: what was appended so far is no object.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<Receipt, SealError> {
        if self.taken != self.announced {
            return Err(SealError::LengthMismatch { announced_bytes: self.announced, found_bytes: self.taken });
        }
        let mut padding = content_bytes(self.announced) - LENGTH_BYTES as u64 - self.announced;
        while padding > 0 {
            let step = padding.min(ZEROS.len() as u64);
            self.content(&ZEROS[..step as usize], out);
            padding -= step;
        }
        let Self { key, stream, associated_data, mut chunk, mut leaves, sealed_bytes, .. } = self;
        stream.encrypt_last_in_place(associated_data.as_bytes(), &mut *chunk).expect("a chunk is short enough");
        leaves.append(leaf_hash(&chunk));
        out.extend_from_slice(&chunk);
        Ok(Receipt { ct_root: leaves.root(), sealed_bytes: sealed_bytes + chunk.len() as u64, key })
    }

    /// Takes content, and seals every chunk that is full and not the last.
    fn content(&mut self, mut content: &[u8], out: &mut Vec<u8>) {
        while !content.is_empty() {
            if self.chunk.len() == CHUNK_BYTES {
                self.seal_chunk(out);
            }
            let (now, later) = content.split_at(content.len().min(CHUNK_BYTES - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            content = later;
        }
    }

    fn seal_chunk(&mut self, out: &mut Vec<u8>) {
        self.stream
            .encrypt_next_in_place(self.associated_data.as_bytes(), &mut *self.chunk)
            .expect("a chunk is short enough, and the longest object has fewer than 2^32 of them");
        self.leaves.append(leaf_hash(&self.chunk));
        self.sealed_bytes += self.chunk.len() as u64;
        out.extend_from_slice(&self.chunk);
        self.chunk.clear();
    }
}

static ZEROS: [u8; 4096] = [0; 4096];
