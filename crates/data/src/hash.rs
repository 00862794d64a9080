//! SHA-256 digests, the tagged hash of BIP340, and the typed identifiers built on them.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Bytes of a SHA-256 digest.
pub const HASH_BYTES: usize = 32;

/// A SHA-256 digest, in the byte order in which it was computed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Hash(pub [u8; HASH_BYTES]);

impl Hash {
    /// The all-zero digest: the parent of a genesis block, never the hash of anything known.
    pub const ZERO: Self = Self([0; HASH_BYTES]);

    /// The digest's bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// Lower-case hexadecimal, 64 digits, in byte order.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Reads 64 hexadecimal digits; `None` for anything else.
    pub fn from_hex(digits: &str) -> Option<Self> {
        let mut bytes = [0; HASH_BYTES];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// SHA-256 of `bytes` (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// SHA-256 of the SHA-256 of `bytes`, as Bitcoin identifies blocks.
pub fn sha256d(bytes: &[u8]) -> Hash {
    sha256(sha256(bytes).as_bytes())
}

/// The tagged hash of BIP340: `SHA256(SHA256(tag) || SHA256(tag) || parts...)`. The parts are hashed
/// as one string, so a caller with two parts of varying length must delimit them itself.
pub fn tagged_hash(tag: &str, parts: &[&[u8]]) -> Hash {
    let prefix = sha256(tag.as_bytes());
    let mut hasher = Sha256::new_with_prefix(prefix.as_bytes());
    hasher.update(prefix.as_bytes());
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// Declares an identifier: a [`Hash`] that only fits where its own kind of thing is named.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub Hash);

        impl $name {
            /// The identifier's bytes.
            pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

identifier! {
    /// Identifies a block: SHA-256d of its header's bytes.
    BlockId
}
identifier! {
    /// Identifies a transaction: tagged hash of everything but its witnesses.
    TxId
}
identifier! {
    /// Identifies a stored record: tagged hash of chain, owner key and a nonce, so that it proves its first owner.
    ObjectId
}
identifier! {
    /// Identifies a chain: the id of its genesis block. Signed into everything, so that nothing can be replayed elsewhere.
    ChainId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tagged_hash_equals_its_definition() {
        let tag = sha256(b"HC/test");
        let mut long = alloc::vec::Vec::new();
        long.extend_from_slice(tag.as_bytes());
        long.extend_from_slice(tag.as_bytes());
        long.extend_from_slice(b"abc");
        assert_eq!(tagged_hash("HC/test", &[b"a", b"bc"]), sha256(&long));
    }

    #[test]
    fn hex_reads_back_and_refuses_other_lengths() {
        let hash = sha256(b"abc");
        assert_eq!(hash.to_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Hash::from_hex(&hash.to_hex()), Some(hash));
        assert_eq!(Hash::from_hex("ba78"), None);
        assert_eq!(Hash::from_hex(&"zz".repeat(32)), None);
    }
}
