//! The proof that a leaf is in a tree.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{MAX_PROOF_HASHES, ProofError, Tree, node_hash};
use crate::{
    Hash,
    codec::{self, Wire},
};

/// The way from one leaf to the root (RFC 9162, section 2.1.3; called an audit path in RFC 6962).
///
/// The root does not commit to the number of leaves. Where somebody else could gain from a wrong index or size, both
/// must come from what the verifier trusts, not from the proof alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// The leaf's place, from 0.
    pub leaf_index: u64,
    /// Leaves of the tree.
    pub tree_size: u64,
    /// The siblings, from the leaf up.
    #[serde(deserialize_with = "codec::at_most::<MAX_PROOF_HASHES, _, _>")]
    pub path: Vec<Hash>,
}

impl Wire for InclusionProof {
    const MAX_BYTES: usize = 10 + 10 + 1 + MAX_PROOF_HASHES * 32;
}

impl InclusionProof {
    /// The proof for one leaf of a list; `None` where there is no such leaf. For many leaves of one list, see [`Tree`].
    pub fn build(leaf_hashes: &[Hash], leaf_index: u64) -> Option<Self> {
        Tree::new(leaf_hashes).inclusion_proof(leaf_index)
    }

    /// Checks that the leaf is in the tree with this root, at the index and under the size that the proof names.
    ///
    /// # Errors
    /// The rule of [`ProofError`] that is broken.
    pub fn verify(&self, leaf_hash: &Hash, root: &Hash) -> Result<(), ProofError> {
        if self.root(leaf_hash)? == *root { Ok(()) } else { Err(ProofError::RootMismatch) }
    }

    /// The root of the tree in which the leaf stands at the index and under the size that the proof names.
    ///
    /// # Errors
    /// Where index, size and path don't belong together.
    pub fn root(&self, leaf_hash: &Hash) -> Result<Hash, ProofError> {
        let expected = self.path_length()?;
        if self.path.len() != expected {
            return Err(ProofError::PathLength { found: self.path.len(), expected });
        }
        let mut path = self.path.iter();
        let mut node = *leaf_hash;
        let (mut index, mut last) = (self.leaf_index, self.tree_size - 1);
        while last > 0 {
            if index % 2 == 1 {
                node = node_hash(path.next().expect("the length was checked"), &node);
            } else if index < last {
                node = node_hash(&node, path.next().expect("the length was checked"));
            }
            (index, last) = (index / 2, last / 2);
        }
        Ok(node)
    }

    /// Hashes that a path for this index and size has: one for every level on which the node has a sibling.
    fn path_length(&self) -> Result<usize, ProofError> {
        let &Self { leaf_index, tree_size, .. } = self;
        if leaf_index >= tree_size {
            return Err(ProofError::IndexOutOfRange { leaf_index, tree_size });
        }
        // Below the level where the way of the last leaf is reached every node has a sibling; from there on only
        // right children have one.
        let inner = u64::BITS - (leaf_index ^ (tree_size - 1)).leading_zeros();
        let border = leaf_index.checked_shr(inner).unwrap_or(0).count_ones();
        Ok((inner + border) as usize)
    }
}
