//! The tree of all known headers, in memory: parents, heights, cumulative weights, which bodies are here, which blocks are
//! invalid, and which are connected. It knows nothing of stores and rules; [`crate::chain`] keeps it true to the store.

mod ancestry;
mod choice;
mod pruning;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};

use health_chain_data::{BlockId, Hash, Header, Height, Timestamp};
use thiserror::Error;

pub use ancestry::{Branch, median_time_past};
use choice::Rank;

use crate::weight::Weight;

/// The position of a node in the tree, for as long as it is not pruned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Slot(u32);

/// A header and what is known about its block. The parent's id is not kept twice: [`HeaderTree::header`] puts it back.
#[derive(Debug)]
struct Node {
    id: BlockId,
    version: u32,
    root: Hash,
    time: Timestamp,
    seal: Box<[u8]>,
    height: Height,
    /// Of the whole branch up to here.
    weight: Weight,
    parent: Slot,
    skip: Slot,
    /// When the header was first seen, as a count of things seen.
    seen: u64,
    /// When the body was first seen, if it is here.
    body: Option<u64>,
    /// When the last missing body up to here was seen: the block could be connected from then on.
    complete: Option<u64>,
    invalid: bool,
}

/// The parent of a header is not in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("parent {parent} is not known")]
pub struct UnknownParent {
    /// The parent named by the header.
    pub parent: BlockId,
}

/// All known headers above a root that everybody agrees on.
#[derive(Debug)]
pub struct HeaderTree {
    nodes: Vec<Option<Node>>,
    free: Vec<Slot>,
    by_id: BTreeMap<BlockId, Slot>,
    /// Parent and child.
    children: BTreeSet<(Slot, Slot)>,
    root_parent: BlockId,
    best_header: Slot,
    /// The connected chain from the root to the tip.
    connected: Vec<Slot>,
    /// Ends of whole and valid branches, best last; never empty. Those that ranked below the tip when it was last settled are
    /// left out.
    candidates: BTreeSet<Rank>,
}

const ROOT: Slot = Slot(0);

impl HeaderTree {
    /// A tree of one header: the genesis block, or any header that is trusted to be at this height with this weight. Its body
    /// counts as here and connected.
    pub fn rooted(header: &Header, height: Height, weight: Weight) -> Self {
        let root = Node {
            id: header.id(),
            version: header.version,
            root: header.root,
            time: header.time,
            seal: header.seal.clone().into(),
            height,
            weight,
            parent: ROOT,
            skip: ROOT,
            seen: 0,
            body: Some(0),
            complete: Some(0),
            invalid: false,
        };
        let mut tree = Self {
            by_id: BTreeMap::from([(root.id, ROOT)]),
            nodes: vec![Some(root)],
            free: Vec::new(),
            children: BTreeSet::new(),
            root_parent: header.parent,
            best_header: ROOT,
            connected: vec![ROOT],
            candidates: BTreeSet::new(),
        };
        tree.settle();
        tree
    }

    /// Adds a header that weighs `weight` by itself; `seen` counts what was seen before it, for ties. `false` where it is
    /// already there. Checks nothing but that the parent is there.
    ///
    /// # Errors
    /// [`UnknownParent`].
    pub fn insert(&mut self, header: &Header, weight: Weight, seen: u64) -> Result<bool, UnknownParent> {
        let id = header.id();
        if self.by_id.contains_key(&id) {
            return Ok(false);
        }
        let parent = self.slot(&header.parent).ok_or(UnknownParent { parent: header.parent })?;
        self.attach(id, header, parent, weight, seen);
        Ok(true)
    }

    /// Whether the header is known.
    pub fn contains(&self, id: &BlockId) -> bool {
        self.by_id.contains_key(id)
    }

    /// The height of a known header.
    pub fn height(&self, id: &BlockId) -> Option<Height> {
        self.slot(id).map(|slot| self.height_at(slot))
    }

    /// The weight of the branch up to a known header.
    pub fn weight(&self, id: &BlockId) -> Option<Weight> {
        self.slot(id).map(|slot| self.weight_at(slot))
    }

    /// The branch that ends in a known header.
    pub fn branch(&self, id: &BlockId) -> Option<Branch<'_>> {
        self.slot(id).map(|slot| self.branch_at(slot))
    }

    /// The last header of the heaviest branch, whether its bodies are here or not; of equal ones the first seen.
    pub fn best_header(&self) -> BlockId {
        self.id_at(self.best_header)
    }

    /// How many headers are known.
    pub fn header_count(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn attach(&mut self, id: BlockId, header: &Header, parent: Slot, weight: Weight, seen: u64) -> Slot {
        let height = self.height_at(parent).next();
        let node = Node {
            id,
            version: header.version,
            root: header.root,
            time: header.time,
            seal: header.seal.clone().into(),
            height,
            weight: self.weight_at(parent).saturating_add(weight),
            parent,
            skip: self.skip_for(parent, height),
            seen,
            body: None,
            complete: None,
            invalid: self.node(parent).invalid,
        };
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let count = u32::try_from(self.nodes.len()).expect("memory ends long before 2^32 headers");
                self.nodes.push(None);
                Slot(count)
            }
        };
        self.nodes[slot.0 as usize] = Some(node);
        self.by_id.insert(id, slot);
        self.children.insert((parent, slot));
        self.consider_best_header(slot);
        slot
    }

    pub(crate) fn slot(&self, id: &BlockId) -> Option<Slot> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn id_at(&self, slot: Slot) -> BlockId {
        self.node(slot).id
    }

    pub(crate) fn height_at(&self, slot: Slot) -> Height {
        self.node(slot).height
    }

    pub(crate) fn time_at(&self, slot: Slot) -> Timestamp {
        self.node(slot).time
    }

    pub(crate) fn weight_at(&self, slot: Slot) -> Weight {
        self.node(slot).weight
    }

    pub(crate) fn parent_of(&self, slot: Slot) -> Slot {
        self.node(slot).parent
    }

    pub(crate) fn is_invalid(&self, slot: Slot) -> bool {
        self.node(slot).invalid
    }

    pub(crate) fn has_body(&self, slot: Slot) -> bool {
        self.node(slot).body.is_some()
    }

    pub(crate) fn is_complete(&self, slot: Slot) -> bool {
        self.node(slot).complete.is_some()
    }

    /// The counts under which header and body were seen.
    pub(crate) fn seen_at(&self, slot: Slot) -> (u64, Option<u64>) {
        let node = self.node(slot);
        (node.seen, node.body)
    }

    pub(crate) fn header_at(&self, slot: Slot) -> Header {
        let node = self.node(slot);
        let parent = if slot == ROOT { self.root_parent } else { self.id_at(node.parent) };
        Header { version: node.version, parent, root: node.root, time: node.time, seal: node.seal.to_vec() }
    }

    pub(crate) fn tip(&self) -> Slot {
        *self.connected.last().expect("the root is always connected")
    }

    pub(crate) fn connected_at(&self, height: Height) -> Option<Slot> {
        let above_root = height.checked_sub(self.height_at(ROOT).0)?;
        self.connected.get(above_root.0 as usize).copied()
    }

    pub(crate) fn connected_count(&self) -> usize {
        self.connected.len()
    }

    pub(crate) fn is_connected(&self, slot: Slot) -> bool {
        self.connected_at(self.height_at(slot)) == Some(slot)
    }

    pub(crate) fn push_connected(&mut self, slot: Slot) {
        assert_eq!(self.parent_of(slot), self.tip(), "blocks are connected on top of the tip");
        self.connected.push(slot);
    }

    pub(crate) fn pop_connected(&mut self) {
        assert!(self.connected.len() > 1, "the root is never disconnected");
        self.connected.pop();
    }

    fn node(&self, slot: Slot) -> &Node {
        self.nodes[slot.0 as usize].as_ref().expect("slots in use hold nodes")
    }

    fn node_mut(&mut self, slot: Slot) -> &mut Node {
        self.nodes[slot.0 as usize].as_mut().expect("slots in use hold nodes")
    }

    fn children_of(&self, slot: Slot) -> impl Iterator<Item = Slot> + '_ {
        self.children.range((slot, Slot(0))..=(slot, Slot(u32::MAX))).map(|(_, child)| *child)
    }

    fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.by_id.values().copied()
    }
}
