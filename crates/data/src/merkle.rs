//! Merkle trees of RFC 6962: a leaf is `SHA256(0x00 || bytes)`, a node `SHA256(0x01 || left || right)`, and an odd node
//! is promoted, never duplicated. Leaves and nodes can't be taken for each other (CVE-2017-12842), and no two lists
//! have one root (CVE-2012-2459).
//!
//! A proof carries its leaf's index and the size of the tree; both are checked. [`Tree`] builds inclusion proofs,
//! [`Frontier`] gives the root of a growing list in logarithmic memory, and [`GrowingTree`] proofs of one in logarithmic time.

mod consistency;
mod frontier;
mod growing;
mod inclusion;
mod tree;

pub use consistency::ConsistencyProof;
pub use frontier::Frontier;
pub use growing::GrowingTree;
pub use inclusion::InclusionProof;
pub use tree::Tree;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::Hash;

/// Hashes of one proof: a tree of 2^63 leaves needs no more.
pub const MAX_PROOF_HASHES: usize = 64;

/// The hash of a leaf.
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    Hash(Sha256::new_with_prefix([0x00]).chain_update(bytes).finalize().into())
}

/// The hash of a node from its two children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut block = [0x01; 65];
    block[1..33].copy_from_slice(left.as_bytes());
    block[33..].copy_from_slice(right.as_bytes());
    Hash(Sha256::digest(block).into())
}

/// The root over leaves given as bytes.
pub fn root<L: AsRef<[u8]>>(leaves: impl IntoIterator<Item = L>) -> Hash {
    leaves.into_iter().map(|leaf| leaf_hash(leaf.as_ref())).collect::<Frontier>().root()
}

/// The root over leaves given by their hashes; of no leaves, the hash of the empty string.
pub fn root_of_hashes(leaf_hashes: &[Hash]) -> Hash {
    leaf_hashes.iter().copied().collect::<Frontier>().root()
}

/// Why a proof was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The leaf stands outside the tree.
    #[error("leaf {leaf_index} of a tree of {tree_size}")]
    IndexOutOfRange {
        /// The leaf's index.
        leaf_index: u64,
        /// Leaves of the tree.
        tree_size: u64,
    },
    /// The earlier tree is larger than the later one.
    #[error("a tree of {old_size} can't grow into one of {new_size}")]
    Shrunk {
        /// Leaves of the earlier tree.
        old_size: u64,
        /// Leaves of the later tree.
        new_size: u64,
    },
    /// The path has another length than index and size ask for.
    #[error("path of {found} hashes, where {expected} are needed")]
    PathLength {
        /// Hashes in the path.
        found: usize,
        /// Hashes needed.
        expected: usize,
    },
    /// The path does not lead to the root; of a consistency proof, to the later one.
    #[error("the path leads to another root")]
    RootMismatch,
    /// The path of a consistency proof does not lead to the earlier root.
    #[error("the path leads to another earlier root")]
    OldRootMismatch,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sha256;

    #[test]
    fn small_trees_equal_their_definition() {
        let leaves: [&[u8]; 3] = [b"a", b"b", b"c"];
        let [a, b, c] = leaves.map(leaf_hash);
        assert_eq!(root::<&[u8]>([]), sha256(b""));
        assert_eq!(root([b"a"]), a);
        assert_eq!(a, sha256(b"\x00a"));
        assert_eq!(root(leaves), node_hash(&node_hash(&a, &b), &c));
        assert_eq!(node_hash(&a, &b), sha256(&[&[1], a.as_bytes().as_slice(), b.as_bytes()].concat()));
    }

    /// The example log of Certificate Transparency's reference implementation.
    #[test]
    fn the_reference_log_has_its_published_roots() {
        let leaves =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
                .map(|digits| hex::decode(digits).unwrap());
        for (size, expected) in [
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(root(&leaves[..size]).to_hex(), expected, "{size} leaves");
        }
    }
}
