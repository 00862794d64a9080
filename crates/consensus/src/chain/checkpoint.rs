//! What a chain does not go back behind: the block that its owner names, and, under an engine with certificates, its own tip.

use health_chain_data::{BlockId, Height, state::Changes};

use super::{Chain, open::OpenError};
use crate::{ports::Finality, tree::Slot, verify::HeaderError};

/// A block that the chain's branch has to go through, as its owner was told by somebody trustworthy.
///
/// Where those who decide are trusted for what they have at stake, a node that was away for longer than stake stays locked
/// ([`crate::Epochs::evidence_blocks`]) can't tell the chain from one that former validators, who have nothing to lose any more, make up
/// afterwards. It is told by a block that is younger than that ("weak subjectivity"). Proof of work needs no checkpoint.
///
/// As long as the block's header is not known, nobody can say which of the branches below lead to it: their headers are taken, and none of
/// their blocks. From then on only what leads to it, or stands on it, counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its height.
    pub height: Height,
    /// The block.
    pub block: BlockId,
}

impl Chain {
    /// Whether a block on top of `parent` is on a branch that this chain may still take.
    pub(super) fn check_settled(&self, id: &BlockId, parent: Slot) -> Result<(), HeaderError> {
        let height = self.tree.height_at(parent).next();
        let on_branch = |at: Height| {
            if at == height { Some(*id) } else { self.tree.ancestor(parent, at).map(|slot| self.tree.id_at(slot)) }
        };
        if let Some(Checkpoint { height: at, block }) = self.checkpoint {
            // What is below a block that is known, and not known itself, is not on its branch.
            let may_lead = if height < at { !self.tree.contains(&block) } else { on_branch(at) == Some(block) };
            if !may_lead {
                return Err(HeaderError::Checkpoint { height: at, block });
            }
        }
        let tip = self.tree.tip();
        let (at, block) = (self.tree.height_at(tip), self.tree.id_at(tip));
        // A tip that the checkpoint may yet contradict is not held against the branch that leads there.
        let is_final = self.finality() == Finality::Certificate && !self.awaits_checkpoint();
        if is_final && on_branch(at) != Some(block) {
            return Err(HeaderError::Final { height: at, block });
        }
        Ok(())
    }

    /// Whether it can't be told yet which blocks lead to the checkpoint. Nothing is connected meanwhile.
    pub(super) fn awaits_checkpoint(&self) -> bool {
        self.checkpoint.is_some_and(|checkpoint| !self.tree.contains(&checkpoint.block))
    }

    /// Gives up the branches that neither lead to the checkpoint nor stand on it, once it is known. What is connected stays: the store is
    /// looked at when it is opened.
    pub(super) fn leave_other_branches(&mut self, changes: &mut Changes) {
        let Some(slot) = self.checkpoint.and_then(|checkpoint| self.tree.slot(&checkpoint.block)) else { return };
        for other in self.tree.beside(slot) {
            self.drop_bodies(other, changes);
            self.tree.invalidate(other);
        }
    }

    /// Takes no branch from the store that contradicts the checkpoint.
    pub(super) fn keep_to_checkpoint(&mut self) -> Result<(), OpenError> {
        let Some(Checkpoint { height, block }) = self.checkpoint else { return Ok(()) };
        let contradicts = match self.tree.slot(&block) {
            Some(slot) => !self.tree.are_in_line(self.tree.tip(), slot),
            None => self.block_id_at(height).is_some(),
        };
        if contradicts {
            return Err(OpenError::Checkpoint { height, block });
        }
        let mut changes = Changes::default();
        self.leave_other_branches(&mut changes);
        Ok(self.commit_admitted(&changes, &[])?)
    }
}
