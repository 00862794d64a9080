//! Merkle trees after RFC 6962.

use alloc::vec::Vec;

use crate::hash::{Hash, sha256};

/// The hash of a leaf: `SHA-256(0x00 || bytes)`.
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    sha256(&[&[0], bytes].concat())
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left.as_ref(), right.as_ref()].concat())
}

/// The tree hash over leaf hashes; an odd node is promoted. Of no leaves: SHA-256 of nothing.
pub fn root_of_hashes(leaves: &[Hash]) -> Hash {
    let mut level: Vec<Hash> = leaves.to_vec();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node_hash(left, right),
                [odd, ..] => *odd,
                [] => unreachable!("chunks are never empty"),
            })
            .collect();
    }
    level.first().copied().unwrap_or_else(|| sha256(b""))
}
