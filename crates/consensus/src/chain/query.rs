//! Questions about the chain that the tree in memory answers, and the blocks that it knows.

use alloc::vec::Vec;

use health_chain_data::{Block, BlockId, Header, Height, ports::StoreError};

use super::{Chain, records};
use crate::{
    limits::{DENSE_LOCATOR_IDS, MAX_LOCATOR_IDS},
    tree::Slot,
    weight::Weight,
};

impl Chain {
    /// A known header, on whatever branch.
    pub fn header(&self, id: &BlockId) -> Option<Header> {
        self.tree.slot(id).map(|slot| self.tree.header_at(slot))
    }

    /// A block whose body is here, on whatever branch.
    ///
    /// # Errors
    /// Where the store can't be read.
    pub fn block(&self, id: &BlockId) -> Result<Option<Block>, StoreError> {
        match self.tree.slot(id) {
            Some(slot) if self.tree.has_body(slot) => records::block(&*self.parts.store, self.tree.header_at(slot)),
            _ => Ok(None),
        }
    }

    /// The connected block at `height`.
    pub fn block_id_at(&self, height: Height) -> Option<BlockId> {
        self.tree.connected_at(height).map(|slot| self.tree.id_at(slot))
    }

    /// Whether the block is connected.
    pub fn is_on_main_chain(&self, id: &BlockId) -> bool {
        self.tree.slot(id).is_some_and(|slot| self.tree.is_connected(slot))
    }

    /// The height of a known header, on whatever branch.
    pub fn height_of(&self, id: &BlockId) -> Option<Height> {
        self.tree.height(id)
    }

    /// The weight of the connected chain.
    pub fn weight(&self) -> Weight {
        self.tree.weight_at(self.tree.tip())
    }

    /// How many connected blocks stand on a connected block, itself included; 0 for any other.
    pub fn confirmations(&self, id: &BlockId) -> u32 {
        match self.tree.slot(id).filter(|slot| self.tree.is_connected(*slot)) {
            Some(slot) => self.tree.height_at(self.tree.tip()).0 - self.tree.height_at(slot).0 + 1,
            None => 0,
        }
    }

    /// Id and height of the last header of the heaviest branch, whether its bodies are here or not.
    pub fn best_header(&self) -> (BlockId, Height) {
        let best = self.tree.best_header_slot();
        (self.tree.id_at(best), self.tree.height_at(best))
    }

    /// Ids on the heaviest header branch from its last one downwards, dense at first, then at doubling distances, down to
    /// genesis; at most [`MAX_LOCATOR_IDS`].
    pub fn locator(&self) -> Vec<BlockId> {
        let best = self.tree.best_header_slot();
        let mut ids = Vec::with_capacity(MAX_LOCATOR_IDS);
        let (mut height, mut step) = (self.tree.height_at(best), 1);
        loop {
            let slot = self.tree.ancestor(best, height).expect("a height on the branch");
            ids.push(self.tree.id_at(slot));
            if height == Height::ZERO {
                return ids;
            }
            if ids.len() >= DENSE_LOCATOR_IDS {
                step *= 2;
            }
            height = height.saturating_sub(step);
        }
    }

    /// Headers of the connected chain above the first block of `locator` that is connected here, or above genesis; at most
    /// `max_headers`.
    pub fn headers_after(&self, locator: &[BlockId], max_headers: usize) -> Vec<Header> {
        let known = locator.iter().take(MAX_LOCATOR_IDS).find(|id| self.is_on_main_chain(id));
        let start = known.and_then(|id| self.height_of(id)).unwrap_or_default();
        let above = (1..).map_while(|offset| start.checked_add(offset));
        above
            .map_while(|height| self.tree.connected_at(height))
            .take(max_headers)
            .map(|slot| self.tree.header_at(slot))
            .collect()
    }

    /// Ids of blocks to ask for next, lowest first: on the heaviest header branch, body missing, at most
    /// [`crate::limits::BODY_WINDOW_BLOCKS`] above the connected chain. None as long as it can't be told which of them lead to the
    /// [`Checkpoint`](super::Checkpoint).
    pub fn missing_bodies(&self, max_blocks: usize) -> Vec<BlockId> {
        if self.awaits_checkpoint() {
            return Vec::new();
        }
        self.tree.missing_bodies(max_blocks).into_iter().map(|slot: Slot| self.tree.id_at(slot)).collect()
    }
}
