//! Which block is the best: most weight wins, and of equal branches the one that was first seen whole.

use alloc::{vec, vec::Vec};
use core::cmp::Reverse;

use health_chain_data::Height;

use super::{HeaderTree, ROOT, Slot};
use crate::{limits::BODY_WINDOW_BLOCKS, weight::Weight};

/// The order of blocks as tips, the best one last: by weight, then by when the last missing body was seen, then by when the
/// header was. All of it is kept in the store, so a tie is decided alike after a restart; and since the tip is always the
/// best, a branch of equal weight that comes later never replaces it.
pub(super) type Rank = (Weight, Reverse<u64>, Reverse<u64>, Slot);

impl HeaderTree {
    /// The best block whose branch is all here and not known to be invalid.
    pub(crate) fn best_candidate(&self) -> Slot {
        let (.., slot) = self.candidates.last().expect("the tip or a better block is always a candidate");
        *slot
    }

    /// Notes that the tip is the best: nothing else needs to be remembered until another body arrives.
    pub(crate) fn settle(&mut self) {
        self.candidates.clear();
        self.consider(self.tip());
    }

    /// Notes that the body of `slot` is here, seen as the thing number `seen`; it and what was waiting above it may become
    /// complete.
    pub(crate) fn add_body(&mut self, slot: Slot, seen: u64) {
        self.node_mut(slot).body = Some(seen);
        let mut waiting = vec![slot];
        while let Some(slot) = waiting.pop() {
            let parent = self.parent_of(slot);
            if let (Some(below), Some(body)) = (self.node(parent).complete, self.node(slot).body) {
                self.node_mut(slot).complete = Some(below.max(body));
                self.forget(parent);
                self.consider(slot);
                waiting.extend(self.children_of(slot));
            }
        }
    }

    /// Notes that the body of `slot` is not here after all. Neither it nor anything above it is connected.
    pub(crate) fn drop_body(&mut self, slot: Slot) {
        for above in self.with_descendants(slot) {
            self.forget(above);
            self.node_mut(above).complete = None;
        }
        self.node_mut(slot).body = None;
        self.consider(self.parent_of(slot));
    }

    /// Marks `slot` and everything above it as invalid; none of it is connected. Returns them.
    pub(crate) fn invalidate(&mut self, slot: Slot) -> Vec<Slot> {
        let descendants = self.with_descendants(slot);
        for above in &descendants {
            self.forget(*above);
            let node = self.node_mut(*above);
            (node.invalid, node.body, node.complete) = (true, None, None);
        }
        self.consider(self.parent_of(slot));
        if self.is_invalid(self.best_header) {
            self.find_best_header();
        }
        descendants
    }

    pub(super) fn find_best_header(&mut self) {
        self.best_header = ROOT;
        let all: Vec<Slot> = self.slots().collect();
        all.into_iter().for_each(|slot| self.consider_best_header(slot));
    }

    pub(super) fn consider_best_header(&mut self, slot: Slot) {
        let order = |slot: Slot| (self.weight_at(slot), Reverse(self.node(slot).seen));
        if !self.is_invalid(slot) && order(slot) > order(self.best_header) {
            self.best_header = slot;
        }
    }

    /// The last header of the heaviest branch.
    pub(crate) fn best_header_slot(&self) -> Slot {
        self.best_header
    }

    /// Blocks on the heaviest header branch whose bodies are not here, lowest first, not too far above the connected chain.
    pub(crate) fn missing_bodies(&self, max_blocks: usize) -> Vec<Slot> {
        let fork = self.fork_of(self.tip(), self.best_header);
        let top =
            Height(self.height_at(fork).0.saturating_add(BODY_WINDOW_BLOCKS)).min(self.height_at(self.best_header));
        let top = self.ancestor(self.best_header, top).expect("a height on the branch");
        self.path(fork, top).into_iter().filter(|slot| !self.has_body(*slot)).take(max_blocks).collect()
    }

    fn consider(&mut self, slot: Slot) {
        if let Some(rank) = self.rank(slot) {
            self.candidates.insert(rank);
        }
    }

    pub(super) fn forget(&mut self, slot: Slot) {
        if let Some(rank) = self.rank(slot) {
            self.candidates.remove(&rank);
        }
    }

    fn rank(&self, slot: Slot) -> Option<Rank> {
        let node = self.node(slot);
        let complete = node.complete.filter(|_| !node.invalid)?;
        Some((node.weight, Reverse(complete), Reverse(node.seen), slot))
    }

    pub(crate) fn with_descendants(&self, slot: Slot) -> Vec<Slot> {
        let mut found = vec![slot];
        let mut next = 0;
        while let Some(slot) = found.get(next).copied() {
            found.extend(self.children_of(slot));
            next += 1;
        }
        found
    }
}
