//! What a chain does not go back behind: the block that its owner names, and, under an engine with certificates, its own tip.

use health_chain_data::{BlockId, Height};

use super::{Chain, open::OpenError};
use crate::{ports::Finality, tree::Slot, verify::HeaderError};

/// A block that the chain's branch has to go through, as its owner was told by somebody trustworthy.
///
/// Where those who decide are trusted for what they have at stake, a node that was away for longer than stake stays locked
/// ([`crate::Epochs::evidence_blocks`]) can't tell the chain from one that former validators, who have nothing to lose any more, make up
/// afterwards. It is told by a block that is younger than that ("weak subjectivity"). Proof of work needs no checkpoint.
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
        if self.finality() == Finality::Certificate && on_branch(at) != Some(block) {
            return Err(HeaderError::Final { height: at, block });
        }
        Ok(())
    }

    /// Takes no branch from the store that contradicts the checkpoint.
    pub(super) fn keep_to_checkpoint(&mut self) -> Result<(), OpenError> {
        let Some(Checkpoint { height, block }) = self.checkpoint else { return Ok(()) };
        if self.block_id_at(height).is_some_and(|connected| connected != block) {
            return Err(OpenError::Checkpoint { height, block });
        }
        for slot in self.tree.others_at(height, &block) {
            self.tree.invalidate(slot);
        }
        Ok(())
    }
}
