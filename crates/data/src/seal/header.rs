//! The header of a sealed object, and what is derived from it and the data key.

use aead_stream::{NewStream, StreamBE32};
use chacha20poly1305::ChaCha20Poly1305;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{NONCE_BYTES, OpenError, OpeningKey};
use crate::{Hash, ObjectId, tagged_hash};

/// Bytes of the header.
pub const HEADER_BYTES: usize = 4 + 2 + 32 + 4 + NONCE_BYTES + COMMITMENT_BYTES;
/// The one suite there is: ChaCha20-Poly1305 in STREAM, HKDF-SHA256, SHA-256.
pub const SUITE_CHACHA20_STREAM: u16 = 1;

const MAGIC: &[u8; 4] = b"HCSO";
const COMMITMENT_BYTES: usize = 32;

/// A header's fields.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) object: ObjectId,
    pub(super) version: u32,
    pub(super) nonce: [u8; NONCE_BYTES],
    pub(super) commitment: [u8; COMMITMENT_BYTES],
}

/// What a data key becomes for one object.
pub(super) struct Derived {
    pub(super) commitment: [u8; COMMITMENT_BYTES],
    pub(super) stream: StreamBE32<ChaCha20Poly1305>,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..6].copy_from_slice(&SUITE_CHACHA20_STREAM.to_le_bytes());
        bytes[6..38].copy_from_slice(self.object.as_bytes());
        bytes[38..42].copy_from_slice(&self.version.to_le_bytes());
        bytes[42..66].copy_from_slice(&self.nonce);
        bytes[66..].copy_from_slice(&self.commitment);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Result<Self, OpenError> {
        if field(bytes, 0) != *MAGIC {
            return Err(OpenError::Magic);
        }
        let suite = u16::from_le_bytes(field(bytes, 4));
        if suite != SUITE_CHACHA20_STREAM {
            return Err(OpenError::Suite { found: suite });
        }
        Ok(Self {
            object: ObjectId(Hash(field(bytes, 6))),
            version: u32::from_le_bytes(field(bytes, 38)),
            nonce: field(bytes, 42),
            commitment: field(bytes, 66),
        })
    }
}

/// The associated data of every chunk.
pub(super) fn associated_data(header: &[u8; HEADER_BYTES]) -> Hash {
    tagged_hash("HC/seal/v1", &[header])
}

pub(super) fn derive(key: &OpeningKey, object: &ObjectId, version: u32, nonce: &[u8; NONCE_BYTES]) -> Derived {
    let kdf = Hkdf::<Sha256>::new(Some(nonce), key.expose());
    let version = version.to_le_bytes();
    let expand = |tag: &[u8], output: &mut [u8]| {
        kdf.expand_multi_info(&[tag, object.as_bytes(), &version], output).expect("far below 255 blocks");
    };
    let mut commitment = [0; COMMITMENT_BYTES];
    expand(b"HC/kc/v1", &mut commitment);
    let mut stream = Zeroizing::new([0; 32 + 7]);
    expand(b"HC/stream/v1", &mut *stream);
    let stream = StreamBE32::new(&field::<32>(&*stream, 0).into(), &field::<7>(&*stream, 32).into());
    Derived { commitment, stream }
}

/// The `N` bytes from `at` on.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a fixed place in a fixed layout")
}
