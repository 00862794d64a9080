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
        self.header_count() - self.connected.len() - ahead as usize
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

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_data::{BlockId, Hash, Header, Height, Timestamp};

    use super::*;
    use crate::weight::Weight;

    fn header(parent: BlockId, mark: u32) -> Header {
        Header { version: 1, parent, root: Hash::ZERO, time: Timestamp(mark), seal: vec![] }
    }

    /// Adds a row of headers and returns their slots.
    fn row(tree: &mut HeaderTree, parent: Slot, weight: u64, mark: u32, count: usize) -> Vec<Slot> {
        let mut parent = parent;
        (0..count)
            .map(|_| {
                let header = header(tree.id_at(parent), mark);
                let seen = tree.header_count() as u64;
                tree.insert(&header, Weight::from(weight), seen).unwrap();
                parent = tree.slot(&header.id()).unwrap();
                parent
            })
            .collect()
    }

    #[test]
    fn the_lightest_branches_are_forgotten_first() {
        let mut tree = HeaderTree::rooted(&header(BlockId::default(), 0), Height::ZERO, Weight::ZERO);
        let root = tree.tip();
        let connected = row(&mut tree, root, 10, 1, 4);
        connected.iter().for_each(|slot| tree.push_connected(*slot));
        let best = row(&mut tree, connected[1], 10, 2, 6);
        let heavy = row(&mut tree, connected[2], 9, 3, 1);
        let light = row(&mut tree, root, 1, 4, 5);
        let twig = row(&mut tree, light[1], 1, 5, 1);
        assert_eq!(tree.best_header_slot(), best[5]);
        assert_eq!(tree.side_headers(), heavy.len() + light.len() + twig.len());

        let forgotten = tree.lightest_side_headers(3);
        assert_eq!(forgotten, [twig[0], light[4], light[3], light[2]], "from the ends of the lightest");
        tree.remove(forgotten);
        assert_eq!(tree.side_headers(), 3);
        assert_eq!(tree.lightest_side_headers(0), [light[1], light[0], heavy[0]]);
        let all = tree.lightest_side_headers(0);
        tree.remove(all);
        assert_eq!(tree.side_headers(), 0);
        assert_eq!(tree.header_count(), 1 + connected.len() + best.len());
        assert_eq!(tree.best_header_slot(), best[5]);

        // Slots are used again.
        let again = row(&mut tree, root, 1, 6, 3);
        assert_eq!(tree.side_headers(), 3);
        assert!(again.iter().all(|slot| tree.height_at(*slot) > Height::ZERO));
        assert_eq!(tree.nodes.len(), 1 + connected.len() + best.len() + 7);
    }

    #[test]
    fn the_best_header_is_found_again_when_it_is_removed() {
        let mut tree = HeaderTree::rooted(&header(BlockId::default(), 0), Height::ZERO, Weight::ZERO);
        let root = tree.tip();
        let second = row(&mut tree, root, 2, 1, 3);
        let best = row(&mut tree, root, 3, 2, 3);
        tree.remove(best.into_iter().rev());
        assert_eq!(tree.best_header_slot(), second[2]);
    }
}
