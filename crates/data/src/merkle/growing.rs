//! A growing tree in memory.

use alloc::vec::Vec;
use core::ops::Range;

use super::{ConsistencyProof, InclusionProof, node_hash};
use crate::{Hash, sha256};

/// A growing tree that answers for every size that it ever had, at a cost that hardly depends on how large it is: the roots of all its perfect
/// subtrees are kept, 64 bytes a leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrowingTree {
    /// Level `k` holds the roots over leaves `[i * 2^k, (i + 1) * 2^k)`.
    levels: Vec<Vec<Hash>>,
}

impl GrowingTree {
    /// An empty tree.
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, Vec::len) as u64
    }

    /// Adds a leaf by its hash.
    pub fn append(&mut self, leaf_hash: Hash) {
        let mut node = leaf_hash;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(node);
            match nodes.as_chunks::<2>() {
                ([.., [left, right]], []) => node = node_hash(left, right),
                _ => break,
            }
        }
    }

    /// The root over the first `size` leaves; `None` where there are fewer.
    pub fn root(&self, size: u64) -> Option<Hash> {
        match self.first(size)? {
            0 => Some(sha256(b"")),
            size => Some(self.root_of(0..size)),
        }
    }

    /// That the leaf at `leaf_index` is under the root of the first `tree_size` leaves; `None` where it is not among them, or there are fewer.
    pub fn inclusion_proof(&self, leaf_index: u64, tree_size: u64) -> Option<InclusionProof> {
        let mut rest = 0..self.first(tree_size)?;
        let index = usize::try_from(leaf_index).ok().filter(|index| rest.contains(index))?;
        let mut path = Vec::new();
        while rest.len() > 1 {
            let (left, right) = halves(&rest);
            let (inside, sibling) = if left.contains(&index) { (left, right) } else { (right, left) };
            path.push(self.root_of(sibling));
            rest = inside;
        }
        path.reverse();
        Some(InclusionProof { leaf_index, tree_size, path })
    }

    /// That the first `old_size` leaves are the beginning of the first `new_size`; `None` where there are not that many.
    pub fn consistency_proof(&self, old_size: u64, new_size: u64) -> Option<ConsistencyProof> {
        let mut rest = 0..self.first(new_size)?;
        let old = usize::try_from(old_size).ok().filter(|old| *old <= rest.end)?;
        let mut path = Vec::new();
        // RFC 6962's SUBPROOF: down to where the earlier tree ends with a whole subtree, whose root is known where it is all of that tree.
        while old > 0 && old < rest.end {
            let (left, right) = halves(&rest);
            let (inside, sibling) = if old <= left.end { (left, right) } else { (right, left) };
            path.push(self.root_of(sibling));
            rest = inside;
        }
        if old > 0 && rest.start > 0 {
            path.push(self.root_of(rest));
        }
        path.reverse();
        Some(ConsistencyProof { old_size, new_size, path })
    }

    /// `size`, where there are as many leaves.
    fn first(&self, size: u64) -> Option<usize> {
        usize::try_from(size).ok().filter(|_| size <= self.size())
    }

    /// The root over a range of leaves that is not empty and begins where a subtree of its size can.
    fn root_of(&self, range: Range<usize>) -> Hash {
        if range.len().is_power_of_two() {
            return self.levels[range.len().ilog2() as usize][range.start / range.len()];
        }
        let (left, right) = halves(&range);
        node_hash(&self.root_of(left), &self.root_of(right))
    }
}

impl FromIterator<Hash> for GrowingTree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaf_hashes: I) -> Self {
        let mut tree = Self::new();
        leaf_hashes.into_iter().for_each(|leaf| tree.append(leaf));
        tree
    }
}

/// The largest perfect subtree to the left that is not all, and what is left: RFC 6962's `k`. There are at least two leaves.
fn halves(range: &Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = range.start + range.len().next_power_of_two() / 2;
    (range.start..middle, middle..range.end)
}
