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
}

/// The median of the times of the branch's last eleven headers, or of as many as there are: half of a branch's makers have
/// to lie to move it, and it never runs backwards. The next header's time must be later.
pub fn median_time_past(branch: &dyn Ancestry) -> Timestamp {
    let mut times: Vec<Timestamp> = Vec::with_capacity(MEDIAN_TIME_BLOCKS);
    let mut height = Some(branch.height());
    while let Some(at) = height
        && times.len() < MEDIAN_TIME_BLOCKS
        && let Some(header) = branch.header(at)
    {
        times.push(header.time);
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
