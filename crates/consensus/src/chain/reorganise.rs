//! Moving the tip to the best valid branch, block by block.

use alloc::vec::Vec;

use health_chain_data::{
    Block,
    ports::StoreError,
    state::{Changes, Table},
};

use super::{Chain, TipChange, records};
use crate::{
    ports::Finality,
    tree::Slot,
    verify::{self, BlockError, VerifiedBlock},
};

/// A block that turned out to be invalid when it was to be connected.
pub(super) struct Refused {
    pub(super) slot: Slot,
    pub(super) error: BlockError,
}

impl Chain {
    /// Moves the tip to the best block whose branch is here and valid, by one batch per block. Blocks that turn out to be invalid
    /// are marked, and the best of the rest is taken; the first of them is returned. Moves nothing as long as the checkpoint is not known.
    ///
    /// # Errors
    /// Where the store fails. The tip is then wherever it came to; the next call goes on from there.
    pub(super) fn reorganise(&mut self) -> Result<Option<Refused>, StoreError> {
        if self.awaits_checkpoint() {
            return Ok(None);
        }
        let mut first_refused = None;
        loop {
            let best = self.tree.best_candidate();
            if best == self.tree.tip() {
                break;
            }
            let fork = self.tree.fork_of(self.tree.tip(), best);
            if fork != self.tree.tip() && self.finality() == Finality::Certificate {
                // More than a third of the validators must have lied for that, and what is connected is final.
                break;
            }
            while self.tree.tip() != fork {
                self.disconnect_tip()?;
            }
            for slot in self.tree.path(fork, best) {
                if let Err(error) = self.connect_stored(slot) {
                    let refused = self.set_aside(slot, error)?;
                    first_refused = first_refused.or(refused);
                    break;
                }
            }
        }
        self.tree.settle();
        Ok(first_refused)
    }

    /// Connects a verified block on top of the tip by one batch, to which `with` is added.
    pub(super) fn connect(&mut self, slot: Slot, verified: VerifiedBlock, with: Changes) -> Result<(), StoreError> {
        let id = self.tree.id_at(slot);
        let height = verified.height();
        let (mut changes, undo) = verified.into_changes();
        changes.append(with);
        records::put_undo(&mut changes, &id, &undo);
        records::put_connected(&mut changes, &id, height);
        self.parts.store.commit(&changes)?;
        self.tree.push_connected(slot);
        Ok(())
    }

    /// How the tip moved since this was last asked.
    pub(super) fn take_tip_change(&mut self) -> TipChange {
        let (from, to) = (self.reported, self.tree.tip());
        let fork = self.tree.fork_of(from, to);
        let ids = |path: Vec<Slot>| path.into_iter().map(|slot| self.tree.id_at(slot)).collect();
        let mut disconnected = self.tree.path(fork, from);
        disconnected.reverse();
        let change = TipChange { disconnected: ids(disconnected), connected: ids(self.tree.path(fork, to)) };
        self.reported = to;
        change
    }

    /// Marks a block and what is on top of it as invalid, for good, and drops their bodies.
    pub(super) fn condemn(&mut self, slot: Slot, rule: &str, mut with: Changes) -> Result<(), StoreError> {
        records::put_invalid(&mut with, &self.tree.id_at(slot), rule);
        self.drop_bodies(slot, &mut with);
        self.parts.store.commit(&with)?;
        self.tree.invalidate(slot);
        Ok(())
    }

    /// Takes the bodies of a block and of what is on top of it out of the store.
    pub(super) fn drop_bodies(&self, slot: Slot, changes: &mut Changes) {
        for above in self.tree.with_descendants(slot) {
            if let (_, Some(seen)) = self.tree.seen_at(above) {
                records::delete_body(changes, &self.tree.id_at(above), seen);
            }
        }
    }

    /// The block of a slot whose body is here.
    pub(super) fn load(&self, slot: Slot) -> Result<Block, StoreError> {
        let block = records::block(&*self.parts.store, self.tree.header_at(slot))?;
        block.ok_or(StoreError::Damaged { table: Table::BODIES })
    }

    fn connect_stored(&mut self, slot: Slot) -> Result<(), BlockError> {
        let block = self.load(slot)?;
        let branch = self.tree.branch_at(self.tree.tip());
        let verified = verify::verify(block, &branch, self.state(), &self.rules())?;
        Ok(self.connect(slot, verified, Changes::default())?)
    }

    fn disconnect_tip(&mut self) -> Result<(), StoreError> {
        let slot = self.tree.tip();
        let (id, parent) = (self.tree.id_at(slot), self.tree.id_at(self.tree.parent_of(slot)));
        let mut changes = records::undo(&*self.parts.store, &id)?;
        records::put_disconnected(&mut changes, &id, self.tree.height_at(slot), &parent);
        self.parts.store.commit(&changes)?;
        self.tree.pop_connected();
        Ok(())
    }

    /// What becomes of a stored block that could not be connected: an invalid one is marked, and one whose stored body is
    /// damaged loses it, so that it is asked for again. Other failures of the store are passed on.
    fn set_aside(&mut self, slot: Slot, error: BlockError) -> Result<Option<Refused>, StoreError> {
        match error {
            BlockError::Store(StoreError::Damaged { table: Table::BODIES }) | BlockError::RootMismatch { .. } => {
                let (_, seen) = self.tree.seen_at(slot);
                let mut changes = Changes::default();
                let seen = seen.expect("only blocks whose bodies are here are connected");
                records::delete_body(&mut changes, &self.tree.id_at(slot), seen);
                self.parts.store.commit(&changes)?;
                self.tree.drop_body(slot);
                Ok(None)
            }
            BlockError::Store(error) => Err(error),
            error => {
                self.condemn(slot, error.rule(), Changes::default())?;
                Ok(Some(Refused { slot, error }))
            }
        }
    }
}
