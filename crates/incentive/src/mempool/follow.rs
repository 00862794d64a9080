//! Following the chain: a pool belongs to one tip, and moves with it.

use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;

use health_chain_consensus::{
    chain::{Chain, TipChange},
    ports::{BlockContext, ExecuteError},
};
use health_chain_data::{
    Block, BlockId, Kind, Millis, Transaction, TxId, codec,
    ports::{StateView, StoreError},
    state::Table,
};

use super::{Candidate, Entry, Layer, Mempool, MempoolError};

/// The chain's tip, as the pool and the block template see it.
#[derive(Clone, Copy)]
pub struct TipState<'a> {
    /// The tip's id.
    pub id: BlockId,
    /// The context of the next block.
    pub context: BlockContext,
    /// The state at the tip.
    pub state: &'a dyn StateView,
}

impl fmt::Debug for TipState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TipState").field("id", &self.id).field("context", &self.context).finish_non_exhaustive()
    }
}

impl<'a> TipState<'a> {
    /// The tip of `chain`.
    pub fn of(chain: &'a Chain) -> Self {
        Self { id: chain.tip_id(), context: chain.next_context(), state: chain.state() }
    }
}

impl Mempool {
    /// Moves the pool to a new tip: what the connected blocks include leaves, what the disconnected ones included comes back in front,
    /// and everything is executed again in its old order, without verifying signatures a second time. `disconnected` stands highest
    /// first, as consensus reports it. Returns what is no longer valid, or found no room.
    ///
    /// # Errors
    /// Where the state can't be read; the pool then holds what had been looked at until then.
    pub fn tip_changed<'b>(
        &mut self,
        now: Millis,
        disconnected: impl IntoIterator<Item = &'b Block, IntoIter: DoubleEndedIterator>,
        connected: impl IntoIterator<Item = &'b Block>,
        tip: &TipState<'_>,
    ) -> Result<Vec<TxId>, StoreError> {
        let included = connected.into_iter().flat_map(Block::transactions).map(Transaction::id).collect();
        self.rebuild(now, disconnected.into_iter().rev().map(|block| Ok(block.clone())), &included, tip)
    }

    /// [`Mempool::tip_changed`] after a change that `chain` reported. However long the reorganisation, one block at a time is loaded.
    ///
    /// # Errors
    /// As for [`Mempool::tip_changed`], or where a block can't be read.
    pub fn follow(&mut self, now: Millis, change: &TipChange, chain: &Chain) -> Result<Vec<TxId>, StoreError> {
        let load = |id: &BlockId| chain.block(id)?.ok_or(StoreError::Damaged { table: Table::BODIES });
        let mut included = BTreeSet::new();
        for id in &change.connected {
            included.extend(load(id)?.transactions().iter().map(Transaction::id));
        }
        self.rebuild(now, change.disconnected.iter().rev().map(load), &included, &TipState::of(chain))
    }

    /// Empties the pool and fills it again on a new tip, `returning` blocks (lowest first) before what was there.
    fn rebuild(
        &mut self,
        now: Millis,
        returning: impl Iterator<Item = Result<Block, StoreError>>,
        included: &BTreeSet<TxId>,
        tip: &TipState<'_>,
    ) -> Result<Vec<TxId>, StoreError> {
        let kept = self.drain();
        self.tip = tip.id;
        let mut dropped = Vec::new();
        for block in returning {
            for transaction in block?.body.0.into_iter().filter(|transaction| transaction.kind != Kind::COINBASE) {
                let bytes = codec::encode(&transaction).len();
                let id = transaction.id();
                self.readmit(
                    Candidate { id, transaction, bytes, received: now, verified: None },
                    included,
                    tip,
                    &mut dropped,
                )?;
            }
        }
        for candidate in kept {
            self.readmit(candidate, included, tip, &mut dropped)?;
        }
        Ok(dropped)
    }

    fn readmit(
        &mut self,
        candidate: Candidate,
        included: &BTreeSet<TxId>,
        tip: &TipState<'_>,
        dropped: &mut Vec<TxId>,
    ) -> Result<(), StoreError> {
        let id = candidate.id;
        if included.contains(&id) {
            return Ok(());
        }
        match self.admit(candidate, tip) {
            Ok(evicted) => dropped.extend(evicted),
            Err(MempoolError::Execute(ExecuteError::Store(error))) => return Err(error),
            Err(_) => dropped.push(id),
        }
        Ok(())
    }

    /// Empties the pool, oldest first.
    fn drain(&mut self) -> Vec<Candidate> {
        let mut entries: Vec<(TxId, Entry)> = core::mem::take(&mut self.entries).into_iter().collect();
        entries.sort_unstable_by_key(|(_, entry)| entry.sequence);
        self.ranks.clear();
        self.spenders.clear();
        self.layer = Layer::default();
        (self.paid, self.protected) = Default::default();
        let candidate = |(id, entry): (TxId, Entry)| Candidate {
            id,
            bytes: entry.rate.bytes as usize,
            transaction: entry.transaction,
            received: entry.received,
            verified: Some(entry.claims),
        };
        entries.into_iter().map(candidate).collect()
    }
}
