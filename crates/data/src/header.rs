//! Block headers: a fixed layout of 72 bytes and the engine's seal. With proof of work's seal of 8 bytes this is
//! exactly Bitcoin's 80-byte header, so every Bitcoin header is a test vector.

use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::{
    codec::{self, Wire},
    hash::{BlockId, HASH_BYTES, Hash, sha256d},
    limits::{MAX_HEADER_BYTES, MAX_SEAL_BYTES},
    units::Timestamp,
};

/// Bytes of a header before the seal: version 4, parent 32, root 32, time 4.
pub const FIXED_BYTES: usize = 4 + HASH_BYTES + HASH_BYTES + 4;

/// In a header's version: the seal is a certificate by which others agreed on the id, so it stands beside the id and not in it.
/// No Bitcoin header has this bit.
pub const CERTIFIED_VERSION_BIT: u32 = 1 << 31;

/// A block header. All integers are little-endian in its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Version of the block's rules.
    pub version: u32,
    /// The block below; zero for a genesis block.
    pub parent: BlockId,
    /// Merkle tree hash (RFC 6962) over the block's transactions, witnesses included.
    pub root: Hash,
    /// When the block was made, as its maker says.
    pub time: Timestamp,
    /// What the consensus engine requires: `bits u32 | nonce u32` under proof of work, a signature under one authority, the
    /// certificate of a quorum of validators (with [`CERTIFIED_VERSION_BIT`]).
    pub seal: Vec<u8>,
}

/// Why bytes are not a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderBytesError {
    /// Fewer than [`FIXED_BYTES`].
    #[error("{bytes} bytes, where a header has at least {FIXED_BYTES}")]
    TooShort {
        /// How many there are.
        bytes: usize,
    },
    /// More than [`MAX_HEADER_BYTES`].
    #[error("{bytes} bytes, where a header has at most {MAX_HEADER_BYTES}")]
    TooLong {
        /// How many there are.
        bytes: usize,
    },
}

impl Header {
    /// The header's bytes: the fixed part and the seal.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.seal.len());
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(self.parent.as_bytes());
        bytes.extend_from_slice(self.root.as_bytes());
        bytes.extend_from_slice(&self.time.0.to_le_bytes());
        bytes.extend_from_slice(&self.seal);
        bytes
    }

    /// Reads a header; whatever follows the fixed part is the seal.
    ///
    /// # Errors
    /// Where there are too few or too many bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeaderBytesError> {
        if bytes.len() > MAX_HEADER_BYTES {
            return Err(HeaderBytesError::TooLong { bytes: bytes.len() });
        }
        let too_short = HeaderBytesError::TooShort { bytes: bytes.len() };
        let (version, rest) = bytes.split_first_chunk().ok_or(too_short)?;
        let (parent, rest) = rest.split_first_chunk().ok_or(too_short)?;
        let (root, rest) = rest.split_first_chunk().ok_or(too_short)?;
        let (time, seal) = rest.split_first_chunk().ok_or(too_short)?;
        Ok(Self {
            version: u32::from_le_bytes(*version),
            parent: BlockId(Hash(*parent)),
            root: Hash(*root),
            time: Timestamp(u32::from_le_bytes(*time)),
            seal: seal.to_vec(),
        })
    }

    /// SHA-256d of the header's bytes; of the fixed part alone where the seal is a certificate of this very id.
    pub fn id(&self) -> BlockId {
        let bytes = self.to_bytes();
        BlockId(sha256d(if self.is_certified() { &bytes[..FIXED_BYTES] } else { &bytes }))
    }

    /// Whether the seal is a certificate, outside the id ([`CERTIFIED_VERSION_BIT`]).
    pub const fn is_certified(&self) -> bool {
        self.version & CERTIFIED_VERSION_BIT != 0
    }
}

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(&codec::bytes::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Wire for Header {
    // Two more for the length prefix.
    const MAX_BYTES: usize = MAX_HEADER_BYTES + 2;
}

const _: () = assert!(FIXED_BYTES + 8 == 80 && MAX_SEAL_BYTES >= 64);

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// Bitcoin's genesis block.
    const BITCOIN_GENESIS: &str = "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";

    #[test]
    fn a_bitcoin_header_keeps_its_bytes_and_its_id() {
        let bytes = hex::decode(BITCOIN_GENESIS).unwrap();
        let header = Header::from_bytes(&bytes).unwrap();
        assert_eq!(header.to_bytes(), bytes);
        assert_eq!(header.time, Timestamp(1_231_006_505));
        let mut id = *header.id().as_bytes();
        id.reverse();
        assert_eq!(hex::encode(id), "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    }

    #[test]
    fn a_certificate_stands_beside_the_id_and_every_other_seal_in_it() {
        let mut header = Header::from_bytes(&hex::decode(BITCOIN_GENESIS).unwrap()).unwrap();
        let with_seal = |header: &Header, seal: u8| Header { seal: vec![seal], ..header.clone() }.id();
        assert_ne!(with_seal(&header, 1), with_seal(&header, 2));
        header.version |= CERTIFIED_VERSION_BIT;
        assert_eq!(with_seal(&header, 1), with_seal(&header, 2));
        assert_eq!(header.id(), BlockId(sha256d(&header.to_bytes()[..FIXED_BYTES])));
    }

    #[test]
    fn lengths_out_of_range_are_refused() {
        assert_eq!(Header::from_bytes(&[0; 71]), Err(HeaderBytesError::TooShort { bytes: 71 }));
        let long = vec![0; MAX_HEADER_BYTES + 1];
        assert_eq!(Header::from_bytes(&long), Err(HeaderBytesError::TooLong { bytes: MAX_HEADER_BYTES + 1 }));
        assert!(Header::from_bytes(&long[1..]).is_ok());
    }
}
