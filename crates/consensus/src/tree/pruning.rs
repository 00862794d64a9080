//! Forgetting the lightest side branches, so that headers made at no cost can't fill the memory.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::cmp::Reverse;

use super::{HeaderTree, Slot};

impl HeaderTree {
    /// Headers that are neither connected nor on the heaviest branch.
    pub(crate) fn side_headers(&self) -> usize {
        let fork = self.fork_of(self.tip(), self.best_header);
        let ahead = self.height_at(self.best_header).0 - self.height_at(fork).0;
        self.len() - self.connected.len() - ahead as usize
    }

    /// The side headers to forget so that at most `keep` are left: always the end of the lightest branch next, of equal ones
    /// the one seen last. Each stands before its parent.
    pub(crate) fn lightest_side_headers(&self, keep: usize) -> Vec<Slot> {
        let fork = self.fork_of(self.tip(), self.best_header);
        let kept: BTreeSet<Slot> = self.path(fork, self.best_header).into_iter().collect();
        let is_side = |slot: Slot| !self.is_connected(slot) && !kept.contains(&slot);
        let order = |slot: Slot| (self.weight_at(slot), Reverse(self.node(slot).seen), slot);

        let mut ends: BTreeSet<_> =
            self.slots().filter(|slot| is_side(*slot) && self.children_of(*slot).next().is_none()).map(order).collect();
        let mut children_left: BTreeMap<Slot, usize> = BTreeMap::new();
        let mut list = Vec::new();
        for _ in keep..self.side_headers() {
            let Some((.., slot)) = ends.pop_first() else { break };
            list.push(slot);
            let parent = self.parent_of(slot);
            let left = children_left.entry(parent).or_insert_with(|| self.children_of(parent).count());
            *left -= 1;
            if *left == 0 && is_side(parent) {
                ends.insert(order(parent));
            }
        }
        list
    }

    /// Takes headers out of the tree again, each the end of a branch when its turn comes, none of them connected.
    pub(crate) fn remove(&mut self, slots: impl IntoIterator<Item = Slot>) {
        let mut best_is_gone = false;
        for slot in slots {
            assert!(self.children_of(slot).next().is_none(), "only the end of a branch can be removed");
            assert!(!self.is_connected(slot), "a connected block stays");
            self.forget(slot);
            let node = self.nodes[slot.0 as usize].take().expect("slots in use hold nodes");
            self.by_id.remove(&node.id);
            self.children.remove(&(node.parent, slot));
            self.free.push(slot);
            best_is_gone |= self.best_header == slot;
        }
        if best_is_gone {
            self.find_best_header();
        }
    }
}
