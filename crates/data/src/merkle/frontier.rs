//! The right edge of a growing tree.

use alloc::vec::Vec;

use super::node_hash;
use crate::{Hash, sha256};

/// The roots of the perfect subtrees that make up a tree, largest first: all that is needed to append leaves and to
/// say the root. Holds at most 64 hashes. It has no bytes of its own: whoever keeps the leaves appends their hashes again at the start, and
/// compares the root with the one that was signed last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// An empty tree.
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf by its hash.
    pub fn append(&mut self, leaf_hash: Hash) {
        let mut node = leaf_hash;
        // Every trailing one of the size is a perfect subtree that the new leaf completes to the next larger.
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("one peak for every bit of the size");
            node = node_hash(&left, &node);
        }
        self.peaks.push(node);
        self.size += 1;
        debug_assert_eq!(self.peaks.len(), self.size.count_ones() as usize);
    }

    /// The root; of no leaves, the hash of the empty string.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(smallest) = peaks.next() else { return sha256(b"") };
        peaks.fold(*smallest, |right, left| node_hash(left, &right))
    }
}

impl FromIterator<Hash> for Frontier {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaf_hashes: I) -> Self {
        let mut frontier = Self::new();
        leaf_hashes.into_iter().for_each(|leaf| frontier.append(leaf));
        frontier
    }
}
