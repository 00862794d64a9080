//! Looking back along a branch, in steps that grow with the distance.

use alloc::vec::Vec;

use health_chain_data::{Header, Height, Timestamp};

use super::{HeaderTree, ROOT, Slot};
use crate::{limits::MEDIAN_TIME_BLOCKS, ports::Ancestry};

/// The branch that ends in one header of a tree.
#[derive(Debug, Clone, Copy)]
pub struct Branch<'a> {
    tree: &'a HeaderTree,
    last: Slot,
}

impl Ancestry for Branch<'_> {
    fn height(&self) -> Height {
        self.tree.height_at(self.last)
    }

    fn header(&self, height: Height) -> Option<Header> {
        self.tree.ancestor(self.last, height).map(|slot| self.tree.header_at(slot))
    }

    fn time(&self, height: Height) -> Option<Timestamp> {
        self.tree.ancestor(self.last, height).map(|slot| self.tree.time_at(slot))
    }
}

/// The median of the times of the branch's last eleven headers, or of as many as there are: half of a branch's makers have
/// to lie to move it, and it never runs backwards. The next header's time must be later.
pub fn median_time_past(branch: &dyn Ancestry) -> Timestamp {
    let mut times: Vec<Timestamp> = Vec::with_capacity(MEDIAN_TIME_BLOCKS);
    let mut height = Some(branch.height());
    while let Some(at) = height
        && times.len() < MEDIAN_TIME_BLOCKS
        && let Some(time) = branch.time(at)
    {
        times.push(time);
        height = at.checked_sub(1);
    }
    times.sort_unstable();
    times[times.len() / 2]
}

impl HeaderTree {
    pub(crate) fn branch_at(&self, slot: Slot) -> Branch<'_> {
        Branch { tree: self, last: slot }
    }

    /// The ancestor of `slot` at `height`: itself, or one below it. Takes O(log n) steps.
    pub(crate) fn ancestor(&self, slot: Slot, height: Height) -> Option<Slot> {
        if height > self.height_at(slot) || height < self.height_at(ROOT) {
            return None;
        }
        let mut at = slot;
        while self.height_at(at) > height {
            let node = self.node(at);
            let skip = self.height_at(node.skip).0;
            let parents_skip = self.height_at(self.node(node.parent).skip).0;
            // Skip, unless that goes too far or the parent's skip, which reaches lower, is the better one to take.
            let parent_is_better = parents_skip + 2 < skip && parents_skip >= height.0;
            at = if skip == height.0 || (skip > height.0 && !parent_is_better) { node.skip } else { node.parent };
        }
        Some(at)
    }

    /// The last block that two branches share.
    pub(crate) fn fork_of(&self, one: Slot, other: Slot) -> Slot {
        let height = self.height_at(one).min(self.height_at(other));
        let level = |slot| self.ancestor(slot, height).expect("a height between the root and both");
        let (mut one, mut other) = (level(one), level(other));
        while one != other {
            let (a, b) = (self.node(one), self.node(other));
            // Of nodes at one height the skips, too, are at one height.
            (one, other) = if a.skip == b.skip { (a.parent, b.parent) } else { (a.skip, b.skip) };
        }
        one
    }

    /// Whether one of two blocks leads to the other.
    pub(crate) fn are_in_line(&self, one: Slot, other: Slot) -> bool {
        [one, other].contains(&self.fork_of(one, other))
    }

    /// Where the branches begin that neither lead to `slot` nor stand on it, and are not connected.
    pub(crate) fn beside(&self, slot: Slot) -> Vec<Slot> {
        let is_beside = |at: Slot| !self.is_connected(at) && !self.are_in_line(at, slot);
        self.slots().filter(|at| is_beside(*at) && !is_beside(self.parent_of(*at))).collect()
    }

    /// The blocks above `fork` up to `slot`, lowest first.
    pub(crate) fn path(&self, fork: Slot, slot: Slot) -> Vec<Slot> {
        let mut path = Vec::new();
        let mut at = slot;
        while at != fork {
            path.push(at);
            at = self.parent_of(at);
        }
        path.reverse();
        path
    }

    /// Where a node at `height` on top of `parent` skips to (the heights that Bitcoin Core's block index uses).
    pub(super) fn skip_for(&self, parent: Slot, height: Height) -> Slot {
        let wanted = Height(skip_height(height.0)).max(self.height_at(ROOT));
        self.ancestor(parent, wanted).expect("a skip height is below the node's own")
    }
}

/// Any height below `height` would be correct; these make every ancestor reachable in about two steps per doubling.
const fn skip_height(height: u32) -> u32 {
    if height < 2 {
        return 0;
    }
    if height & 1 == 1 { clear_lowest_bit(clear_lowest_bit(height - 1)) + 1 } else { clear_lowest_bit(height) }
}

const fn clear_lowest_bit(number: u32) -> u32 {
    number & number.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_data::{BlockId, Hash};
    use proptest::{prelude::*, sample::Index};

    use super::*;
    use crate::weight::Weight;

    fn header(parent: BlockId, mark: u32) -> Header {
        Header { version: 1, parent, root: Hash::ZERO, time: Timestamp(mark), seal: vec![] }
    }

    /// A tree of mostly long branches on a root at `height`.
    fn grow(height: u32, parents: &[Index]) -> (HeaderTree, Vec<Slot>) {
        let root = header(BlockId::default(), 0);
        let mut tree = HeaderTree::rooted(&root, Height(height), Weight::ZERO);
        let mut slots = vec![tree.tip()];
        for (mark, parent) in (1..).zip(parents) {
            let reach = slots.len().min(3);
            let parent = slots[slots.len() - 1 - parent.index(reach)];
            let header = header(tree.id_at(parent), mark);
            tree.insert(&header, Weight::from(1), u64::from(mark)).unwrap();
            slots.push(tree.slot(&header.id()).unwrap());
        }
        (tree, slots)
    }

    /// From `slot` down to the root, parent by parent.
    fn walk(tree: &HeaderTree, slot: Slot) -> Vec<Slot> {
        let mut walk = vec![slot];
        while *walk.last().unwrap() != ROOT {
            walk.push(tree.parent_of(*walk.last().unwrap()));
        }
        walk
    }

    proptest! {
        #[test]
        fn skips_lead_where_parents_lead(
            height in prop_oneof![Just(0_u32), 0_u32..5_000],
            parents in prop::collection::vec(any::<Index>(), 1..300),
            one in any::<Index>(),
            other in any::<Index>(),
        ) {
            let (tree, slots) = grow(height, &parents);
            let (one, other) = (*one.get(&slots), *other.get(&slots));
            let (below_one, below_other) = (walk(&tree, one), walk(&tree, other));
            for slot in &below_one {
                prop_assert_eq!(tree.ancestor(one, tree.height_at(*slot)), Some(*slot));
            }
            prop_assert_eq!(tree.ancestor(one, tree.height_at(one).next()), None);
            prop_assert_eq!(height.checked_sub(1).and_then(|below| tree.ancestor(one, Height(below))), None);
            let fork = below_one.iter().find(|slot| below_other.contains(slot)).copied();
            prop_assert_eq!(Some(tree.fork_of(one, other)), fork);
        }
    }

    #[test]
    fn a_long_way_takes_few_steps() {
        let root = header(BlockId::default(), 0);
        let mut tree = HeaderTree::rooted(&root, Height::ZERO, Weight::ZERO);
        let mut last = tree.tip();
        for mark in 1..=20_000 {
            let header = header(tree.id_at(last), mark);
            last = tree.attach(header.id(), &header, last, Weight::from(1), u64::from(mark));
        }
        for height in [0, 1, 9_999, 16_384, 19_999] {
            let (mut at, mut steps) = (last, 0);
            while tree.height_at(at) > Height(height) {
                at = if tree.height_at(tree.node(at).skip) >= Height(height) {
                    tree.node(at).skip
                } else {
                    tree.parent_of(at)
                };
                steps += 1;
            }
            assert!(steps < 200, "{steps} steps to height {height}");
            assert_eq!(tree.ancestor(last, Height(height)), Some(at));
        }
    }

    #[test]
    fn the_median_is_of_the_last_eleven() {
        let times = [5, 3, 9, 7, 1];
        let mut tree = HeaderTree::rooted(&header(BlockId::default(), 5), Height::ZERO, Weight::ZERO);
        let mut last = tree.tip();
        let mut medians = vec![median_time_past(&tree.branch_at(last)).0];
        for time in times[1..].iter().copied().chain(100..=110) {
            let header = header(tree.id_at(last), time);
            last = tree.attach(header.id(), &header, last, Weight::from(1), 0);
            medians.push(median_time_past(&tree.branch_at(last)).0);
        }
        assert_eq!(medians[..5], [5, 5, 5, 7, 5]);
        assert_eq!(medians[15], 105, "only the last eleven count");
    }
}
