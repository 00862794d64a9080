//! The proof that a list only grew.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{MAX_PROOF_HASHES, ProofError, node_hash, root_of_hashes};
use crate::{
    Hash,
    codec::{self, Wire},
    sha256,
};

/// The proof that the first `old_size` leaves of a tree are those of an earlier tree (RFC 9162, section 2.1.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// Leaves of the earlier tree.
    pub old_size: u64,
    /// Leaves of the later tree.
    pub new_size: u64,
    /// Nodes from which both roots follow.
    #[serde(deserialize_with = "codec::at_most::<MAX_PROOF_HASHES, _, _>")]
    pub path: Vec<Hash>,
}

impl Wire for ConsistencyProof {
    const MAX_BYTES: usize = 10 + 10 + 1 + MAX_PROOF_HASHES * 32;
}

impl ConsistencyProof {
    /// The proof from the list's first `old_size` leaves to all of them; `None` where there are not that many.
    /// Hashes every leaf of the list once.
    pub fn build(leaf_hashes: &[Hash], old_size: u64) -> Option<Self> {
        let old = usize::try_from(old_size).ok().filter(|old| *old <= leaf_hashes.len())?;
        let mut path = Vec::new();
        if old > 0 {
            subproof(old, leaf_hashes, true, &mut path);
        }
        Some(Self { old_size, new_size: leaf_hashes.len() as u64, path })
    }

    /// Checks that the tree with the root `new_root` begins with the leaves of the tree with the root `old_root`.
    /// Everything begins with the empty tree: that proof has an empty path, and any `new_root` fits.
    ///
    /// # Errors
    /// The rule of [`ProofError`] that is broken.
    pub fn verify(&self, old_root: &Hash, new_root: &Hash) -> Result<(), ProofError> {
        let &Self { old_size, new_size, .. } = self;
        if old_size > new_size {
            return Err(ProofError::Shrunk { old_size, new_size });
        }
        let expected = self.path_length();
        if self.path.len() != expected {
            return Err(ProofError::PathLength { found: self.path.len(), expected });
        }
        if old_size == 0 && *old_root != sha256(b"") {
            return Err(ProofError::OldRootMismatch);
        }
        if old_size == new_size {
            return if old_root == new_root { Ok(()) } else { Err(ProofError::RootMismatch) };
        }
        if old_size == 0 {
            return Ok(());
        }
        let (old, new) = self.roots(old_root);
        match (old == *old_root, new == *new_root) {
            (false, _) => Err(ProofError::OldRootMismatch),
            (_, false) => Err(ProofError::RootMismatch),
            (true, true) => Ok(()),
        }
    }

    /// Both roots, from a path of the right length between two trees of different sizes, the earlier not empty.
    fn roots(&self, old_root: &Hash) -> (Hash, Hash) {
        let mut path = self.path.iter();
        let mut next = || path.next().expect("the length was checked");
        // The largest perfect subtree at the end of the earlier tree: where both ways begin.
        let skip = self.old_size.trailing_zeros();
        let (mut index, mut last) = ((self.old_size - 1) >> skip, (self.new_size - 1) >> skip);
        let first = if self.old_size.is_power_of_two() { *old_root } else { *next() };
        let (mut old, mut new) = (first, first);
        while last > 0 {
            if index % 2 == 1 {
                let left = next();
                (old, new) = (node_hash(left, &old), node_hash(left, &new));
            } else if index < last {
                new = node_hash(&new, next());
            }
            (index, last) = (index / 2, last / 2);
        }
        (old, new)
    }

    /// Hashes that a path between trees of these sizes has.
    fn path_length(&self) -> usize {
        if self.old_size == 0 || self.old_size >= self.new_size {
            return 0;
        }
        let skip = self.old_size.trailing_zeros();
        let (index, last) = ((self.old_size - 1) >> skip, (self.new_size - 1) >> skip);
        let inner = u64::BITS - (index ^ last).leading_zeros();
        let border = index.checked_shr(inner).unwrap_or(0).count_ones();
        usize::from(!self.old_size.is_power_of_two()) + (inner + border) as usize
    }
}

/// RFC 6962's SUBPROOF(old, leaves, whole): `whole` says that the earlier tree is all of what we stand in, so that its
/// root is known to the verifier.
fn subproof(old: usize, leaves: &[Hash], whole: bool, path: &mut Vec<Hash>) {
    if old == leaves.len() {
        if !whole {
            path.push(root_of_hashes(leaves));
        }
        return;
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    if old <= left.len() {
        subproof(old, left, whole, path);
        path.push(root_of_hashes(right));
    } else {
        subproof(old - left.len(), right, false, path);
        path.push(root_of_hashes(left));
    }
}
