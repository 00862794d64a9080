//! Opening.

use alloc::vec::Vec;
use core::fmt;

use aead_stream::{StreamBE32, StreamPrimitive};
use chacha20poly1305::ChaCha20Poly1305;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    CHUNK_BYTES, LENGTH_BYTES, MAX_PLAINTEXT_BYTES, OpeningKey, SEALED_CHUNK_BYTES,
    buffer::Tail,
    content_bytes,
    header::{HEADER_BYTES, Header, associated_data, derive},
};
use crate::{Hash, ObjectId};

/// Why an object was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The object ends inside its header.
    #[error("{found_bytes} bytes are no sealed object")]
    HeaderTruncated {
        /// Length of the object.
        found_bytes: usize,
    },
    /// The object does not begin as a sealed object does.
    #[error("no sealed object")]
    Magic,
    /// The object was sealed by algorithms that this version does not know.
    #[error("unknown suite {found}")]
    Suite {
        /// The suite it names.
        found: u16,
    },
    /// The object is another one than was asked for.
    #[error("sealed as object {found}")]
    OtherObject {
        /// The object it says it is.
        found: ObjectId,
    },
    /// The object is another version than was asked for: an old one put back, say.
    #[error("sealed as version {found}")]
    OtherVersion {
        /// The version it says it is.
        found: u32,
    },
    /// The object was sealed with another key, or its header was changed.
    #[error("sealed with another key")]
    KeyCommitment,
    /// A chunk is not what was sealed at this place: it was changed, cut short or moved.
    #[error("chunk {index} does not authenticate")]
    Chunk {
        /// Its place, from 0.
        index: u32,
    },
    /// The object ends before its final chunk.
    #[error("object ends after chunk {index}, which is not the final one")]
    Truncated {
        /// The last chunk that is there.
        index: u32,
    },
    /// Something follows the final chunk.
    #[error("bytes follow chunk {index}, which is the final one")]
    TrailingBytes {
        /// The final chunk.
        index: u32,
    },
    /// The content is not a length, that many bytes, and zeros up to the padded length.
    #[error("padding is wrong")]
    Padding,
}

/// Opens an object that is in memory.
///
/// # Errors
/// The rule of [`OpenError`] that is broken.
pub fn open(key: &OpeningKey, object: &ObjectId, version: u32, bytes: &[u8]) -> Result<Vec<u8>, OpenError> {
    let (header, chunks) = bytes.split_first_chunk().ok_or(OpenError::HeaderTruncated { found_bytes: bytes.len() })?;
    let mut opener = Opener::new(key, object, version, header)?;
    let mut plaintext = Vec::with_capacity(chunks.len());
    opener.write(chunks, &mut plaintext)?;
    opener.finish(&mut plaintext)?;
    Ok(plaintext)
}

/// Opens an object of any size in constant memory: the caller brings the object's bytes in order, in pieces of any
/// size, and carries away the plaintext that is appended to `out`.
///
/// Plaintext of a chunk is appended only once that chunk has authenticated. That the object is whole is known only when
/// [`finish`](Self::finish) succeeds: after any error, what was carried away must be discarded. After an error the
/// opener refuses everything.
pub struct Opener {
    stream: StreamBE32<ChaCha20Poly1305>,
    associated_data: Hash,
    index: u32,
    /// Bytes of the chunk that is being collected, opened as an inner chunk once a byte of the next is there. It grows
    /// while it holds ciphertext only, so that moving it leaves no plaintext behind.
    chunk: Zeroizing<Vec<u8>>,
    content: Content,
    failed: Option<OpenError>,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl Opener {
    /// Reads the header, and checks that this is the object and version that was asked for, sealed with this key.
    ///
    /// # Errors
    /// The rule of [`OpenError`] that is broken.
    pub fn new(
        key: &OpeningKey,
        object: &ObjectId,
        version: u32,
        header: &[u8; HEADER_BYTES],
    ) -> Result<Self, OpenError> {
        let found = Header::from_bytes(header)?;
        if found.object != *object {
            return Err(OpenError::OtherObject { found: found.object });
        }
        if found.version != version {
            return Err(OpenError::OtherVersion { found: found.version });
        }
        let derived = derive(key, object, version, &found.nonce);
        if derived.commitment != found.commitment {
            return Err(OpenError::KeyCommitment);
        }
        Ok(Self {
            stream: derived.stream,
            associated_data: associated_data(header),
            index: 0,
            chunk: Zeroizing::new(Vec::new()),
            content: Content::default(),
            failed: None,
        })
    }

    /// Takes the next bytes behind the header, and appends the plaintext that is certain to `out`.
    ///
    /// # Errors
    /// The rule of [`OpenError`] that is broken.
    pub fn write(&mut self, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.take(sealed, out).inspect_err(|error| self.failed = Some(*error))
    }

    /// Opens the final chunk, and appends the rest of the plaintext to `out`. Only now is the whole object known to be
    /// as it was sealed.
    ///
    /// # Errors
    /// The rule of [`OpenError`] that is broken.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), OpenError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.open_chunk(true)?;
        self.content.take(&self.chunk, out)?;
        self.content.finish()
    }

    fn take(&mut self, mut sealed: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        while !sealed.is_empty() {
            if self.chunk.is_empty()
                && sealed.len() > SEALED_CHUNK_BYTES
                && self.content.is_plaintext_for(CHUNK_BYTES as u64)
            {
                // An inner chunk that is here as a whole and holds nothing but plaintext needs no collecting.
                let (chunk, rest) = sealed.split_at(SEALED_CHUNK_BYTES);
                let start = out.len();
                out.extend_from_slice(chunk);
                let tail = &mut Tail::new(out, start);
                let associated_data = self.associated_data.as_bytes();
                if self.stream.decrypt_in_place(self.index, false, associated_data, tail).is_ok() {
                    self.content.seen += CHUNK_BYTES as u64;
                    self.index = self.index.checked_add(1).ok_or(OpenError::Padding)?;
                    sealed = rest;
                    continue;
                }
                // Nothing was decrypted. The way below finds out what is wrong.
                out.truncate(start);
            }
            if self.chunk.len() == SEALED_CHUNK_BYTES {
                self.open_chunk(false)?;
                self.content.take(&self.chunk, out)?;
                self.chunk.clear();
                self.index = self.index.checked_add(1).ok_or(OpenError::Padding)?;
            }
            let (now, later) = sealed.split_at(sealed.len().min(SEALED_CHUNK_BYTES - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            sealed = later;
        }
        Ok(())
    }

    /// Turns the collected chunk into its content. Where that fails, looks whether the chunk would have been right at
    /// the other kind of place, only to name the fault.
    fn open_chunk(&mut self, last: bool) -> Result<(), OpenError> {
        if self.decrypt(last) {
            return Ok(());
        }
        let index = self.index;
        let misplaced = self.decrypt(!last);
        self.chunk.clear();
        Err(match (misplaced, last) {
            (false, _) => OpenError::Chunk { index },
            (true, true) => OpenError::Truncated { index },
            (true, false) => OpenError::TrailingBytes { index },
        })
    }

    fn decrypt(&mut self, last: bool) -> bool {
        self.stream.decrypt_in_place(self.index, last, self.associated_data.as_bytes(), &mut *self.chunk).is_ok()
    }
}

/// The encrypted content as it comes: a length, the plaintext, zeros.
#[derive(Default)]
struct Content {
    length: Option<u64>,
    /// Bytes seen, the length included.
    seen: u64,
}

impl Content {
    /// Takes the content of one chunk, and appends what is plaintext of it to `out`.
    fn take(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        let mut rest = chunk;
        self.seen = self.seen.saturating_add(chunk.len() as u64);
        let length = match self.length {
            Some(length) => length,
            None => {
                let (first, behind) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or(OpenError::Padding)?;
                rest = behind;
                let length = u64::from_le_bytes(*first);
                if length > MAX_PLAINTEXT_BYTES {
                    return Err(OpenError::Padding);
                }
                self.length = Some(length);
                length
            }
        };
        let before = self.seen - LENGTH_BYTES as u64 - rest.len() as u64;
        let plaintext = usize::try_from(length.saturating_sub(before)).unwrap_or(usize::MAX).min(rest.len());
        let (plaintext, padding) = rest.split_at(plaintext);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(OpenError::Padding);
        }
        out.extend_from_slice(plaintext);
        Ok(())
    }

    /// Whether the next bytes, so many, are plaintext, with neither length nor padding among them.
    fn is_plaintext_for(&self, bytes: u64) -> bool {
        self.length.is_some_and(|length| self.seen - LENGTH_BYTES as u64 + bytes <= length)
    }

    fn finish(&self) -> Result<(), OpenError> {
        match self.length {
            Some(length) if self.seen == content_bytes(length) => Ok(()),
            _ => Err(OpenError::Padding),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;
    use crate::seal::NONCE_BYTES;

    const OBJECT: ObjectId = ObjectId(Hash([7; 32]));

    /// Opens an object that somebody with the key made of arbitrary content.
    fn open_content(content: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (key, nonce) = (OpeningKey::from_bytes(&[1; 32]), [2; NONCE_BYTES]);
        let derived = derive(&key, &OBJECT, 1, &nonce);
        let header = Header { object: OBJECT, version: 1, nonce, commitment: derived.commitment }.to_bytes();
        let mut object = header.to_vec();
        let chunks: Vec<&[u8]> = content.chunks(CHUNK_BYTES).collect();
        for (index, chunk) in chunks.iter().enumerate() {
            let (mut chunk, last) = (chunk.to_vec(), index + 1 == chunks.len());
            derived
                .stream
                .encrypt_in_place(index as u32, last, associated_data(&header).as_bytes(), &mut chunk)
                .unwrap();
            object.extend(chunk);
        }
        open(&key, &OBJECT, 1, &object)
    }

    fn content(length: u64, plaintext: &[u8], zeros: usize) -> Vec<u8> {
        [&length.to_le_bytes(), plaintext, &vec![0; zeros]].concat()
    }

    #[test]
    fn content_has_one_form() {
        // 8 + 9 bytes are padded to 18.
        assert_eq!(open_content(&content(9, b"plaintext", 1)), Ok(b"plaintext".to_vec()));
        for (case, content) in [
            ("no padding", content(9, b"plaintext", 0)),
            ("too much padding", content(9, b"plaintext", 2)),
            ("padding that is not zero", content(9, b"plaintext\x01", 0)),
            ("a length beyond the content", content(12, b"plaintext", 1)),
            ("a length beyond any limit", content(u64::MAX, b"plaintext", 1)),
            ("a length that wraps", content(u64::MAX - 7, b"plaintext", 1)),
            ("less than a length", vec![0; 7]),
            ("a chunk too many", content(9, b"plaintext", 2 * CHUNK_BYTES)),
        ] {
            assert_eq!(open_content(&content), Err(OpenError::Padding), "{case}");
        }
    }
}
