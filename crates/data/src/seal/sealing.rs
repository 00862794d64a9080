//! Sealing.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, mem};

use aead_stream::{StreamBE32, StreamPrimitive};
use chacha20poly1305::ChaCha20Poly1305;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    CHUNK_BYTES, CHUNK_TAG_BYTES, LENGTH_BYTES, MAX_PLAINTEXT_BYTES, NONCE_BYTES, OpeningKey, SEALED_CHUNK_BYTES,
    SealingKey,
    buffer::Tail,
    content_bytes,
    header::{HEADER_BYTES, Header, associated_data, derive},
    sealed_bytes,
};
use crate::{
    Hash, ObjectId,
    merkle::{Frontier, leaf_hash},
    ports::{BatchHasher, ScalarHasher},
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

/// Seals a plaintext that is in memory. `nonce` must be fresh random bytes. [`Sealer::hash_by`] makes it faster.
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
///
/// The chunks that one call seals are hashed together, so that a hasher with several lanes is best brought a megabyte or
/// more at a time.
pub struct Sealer {
    key: OpeningKey,
    stream: StreamBE32<ChaCha20Poly1305>,
    /// Place of the next chunk.
    index: u32,
    associated_data: Hash,
    announced: u64,
    taken: u64,
    /// Content of the chunk that is being filled; never empty once the length has been written, never sealed before
    /// more content is there, so that the final chunk is known as such.
    chunk: Zeroizing<Vec<u8>>,
    leaves: Frontier,
    hasher: Arc<dyn BatchHasher>,
    sealed_bytes: u64,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("announced", &self.announced).field("taken", &self.taken).finish_non_exhaustive()
    }
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
        // Room for all that is ever in it, so that no plaintext is left behind by moving; no more, since all is wiped.
        let chunk =
            Vec::with_capacity(CHUNK_BYTES.min(usize::try_from(content_bytes(plaintext_bytes)).unwrap_or(CHUNK_BYTES)));
        let mut sealer = Self {
            key,
            stream: derived.stream,
            index: 0,
            associated_data: associated_data(&header),
            announced: plaintext_bytes,
            taken: 0,
            chunk: Zeroizing::new(chunk),
            leaves: Frontier::from_iter([leaf_hash(&header)]),
            hasher: Arc::new(ScalarHasher),
            sealed_bytes: HEADER_BYTES as u64,
        };
        sealer.content(&plaintext_bytes.to_le_bytes(), out);
        Ok(sealer)
    }

    /// Hashes chunks with `hasher` instead of one after the other. The object is the same.
    #[must_use]
    pub fn hash_by(mut self, hasher: Arc<dyn BatchHasher>) -> Self {
        self.hasher = hasher;
        self
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
        let start = out.len();
        let chunk = mem::take(&mut self.chunk);
        self.seal_chunk(&chunk, true, out);
        self.hash_chunks(&out[start..]);
        Ok(Receipt { ct_root: self.leaves.root(), sealed_bytes: self.sealed_bytes, key: self.key })
    }

    /// Takes content, and seals every chunk that is full and not the last.
    fn content(&mut self, mut content: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        if self.chunk.len() + content.len() > CHUNK_BYTES {
            let (fill, rest) = content.split_at(CHUNK_BYTES - self.chunk.len());
            self.chunk.extend_from_slice(fill);
            let mut chunk = mem::take(&mut self.chunk);
            self.seal_chunk(&chunk, false, out);
            chunk.clear();
            self.chunk = chunk;
            content = rest;
            // What follows at once needs no collecting.
            while content.len() > CHUNK_BYTES {
                let (chunk, rest) = content.split_at(CHUNK_BYTES);
                self.seal_chunk(chunk, false, out);
                content = rest;
            }
        }
        self.chunk.extend_from_slice(content);
        self.hash_chunks(&out[start..]);
    }

    /// Appends a sealed chunk to `out`.
    fn seal_chunk(&mut self, content: &[u8], is_last: bool, out: &mut Vec<u8>) {
        out.reserve(content.len() + CHUNK_TAG_BYTES);
        let start = out.len();
        out.extend_from_slice(content);
        self.stream
            .encrypt_in_place(self.index, is_last, self.associated_data.as_bytes(), &mut Tail::new(out, start))
            .expect("a chunk is short enough");
        self.index = self.index.checked_add(1).expect("the longest object has fewer than 2^32 chunks");
    }

    /// Takes the chunks that have been sealed together into the tree.
    fn hash_chunks(&mut self, sealed: &[u8]) {
        let chunks: Vec<&[u8]> = sealed.chunks(SEALED_CHUNK_BYTES).collect();
        self.hasher.hash_leaves(&chunks).into_iter().for_each(|leaf| self.leaves.append(leaf));
        self.sealed_bytes += sealed.len() as u64;
    }
}

static ZEROS: [u8; 4096] = [0; 4096];
