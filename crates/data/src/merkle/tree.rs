//! A whole tree in memory.

use alloc::vec::Vec;
use core::fmt;

use rs_merkle::{Hasher, MerkleTree};

use super::{InclusionProof, node_hash};
use crate::{Hash, sha256};

/// A tree with all its nodes, for building many inclusion proofs. Takes about 160 bytes of memory a leaf.
#[derive(Clone)]
pub struct Tree {
    nodes: MerkleTree<Rfc6962>,
    size: usize,
}

impl Tree {
    /// The tree over leaves given by their hashes.
    pub fn new(leaf_hashes: &[Hash]) -> Self {
        let leaves: Vec<[u8; 32]> = leaf_hashes.iter().map(|hash| hash.0).collect();
        Self { nodes: MerkleTree::from_leaves(&leaves), size: leaves.len() }
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size as u64
    }

    /// The root; of no leaves, the hash of the empty string.
    pub fn root(&self) -> Hash {
        self.nodes.root().map_or_else(|| sha256(b""), Hash)
    }

    /// The proof that the leaf at `leaf_index` is in the tree; `None` where there is no such leaf.
    pub fn inclusion_proof(&self, leaf_index: u64) -> Option<InclusionProof> {
        let index = usize::try_from(leaf_index).ok().filter(|index| *index < self.size)?;
        let path = self.nodes.proof(&[index]).proof_hashes().iter().copied().map(Hash).collect();
        Some(InclusionProof { leaf_index, tree_size: self.size(), path })
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("size", &self.size).field("root", &self.root()).finish()
    }
}

/// RFC 6962's nodes for rs_merkle, which promotes an odd node by itself.
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        super::leaf_hash(data).0
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        right.map_or(*left, |right| node_hash(&Hash(*left), &Hash(*right)).0)
    }
}
