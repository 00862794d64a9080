//! The audit log of a gateway: every permit and every denial, and the receipts of what was read.
//!
//! A chain sees grants, not reads. A gateway therefore keeps a log of its own as an RFC 6962 tree: whoever holds a
//! [`Checkpoint`] can later check that an event is under it ([`Answer`]) and that the log has only grown ([`Growth`]).
//! What the log can't do is prove that a gateway wrote down everything it did; a reader's copy of a receipt shows what it left out.

mod answer;
mod checkpoint;
mod event;
mod growth;

pub use answer::{Answer, AnswerError, Entry};
pub use checkpoint::{Checkpoint, CheckpointTerms};
pub use event::{Access, AuditEvent, Outcome, ReadReceipt, ReceiptError, ReceiptTerms};
pub use growth::{Growth, GrowthError};

use std::ops::Range;

use health_chain_data::{
    Hash, ObjectId,
    codec::{self, Wire},
    merkle::{self, ConsistencyProof, Frontier, GrowingTree, InclusionProof},
    ports::{StateView, StoreError},
    state::{self, Changes},
};
use serde::{Deserialize, Serialize};

use crate::tables::{AUDIT_BY_OBJECT, AUDIT_EVENTS, AUDIT_RECEIPTS};

/// The log, with its tree in memory (64 bytes an event), so that a proof costs little however long it is; the events stand in the node's
/// own tables.
#[derive(Debug, Default)]
pub struct AuditLog {
    tree: GrowingTree,
    /// The right edge of the tree: from it follows the next root before the event is durable.
    frontier: Frontier,
}

/// How far the log in the tables goes. It is written with each event, so that a lost one is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// How many events there are.
    pub size: u64,
    /// The tree hash over them.
    pub root: Hash,
}

impl Wire for Extent {
    const MAX_BYTES: usize = 10 + 32;
}

/// Bytes of an event's index, as it stands in keys.
const INDEX_BYTES: usize = 8;
/// Where the [`Extent`] stands; events have keys of [`INDEX_BYTES`].
const EXTENT_KEY: &[u8] = b"extent";

impl Extent {
    /// What the tables say, without a look at the events; `None` where there is none yet.
    ///
    /// # Errors
    /// Where the tables can't be read.
    pub fn load(view: &dyn StateView) -> Result<Option<Self>, StoreError> {
        state::read(view, AUDIT_EVENTS, EXTENT_KEY)
    }
}

impl AuditLog {
    /// Reads the log from the tables and checks that it is whole.
    ///
    /// # Errors
    /// Where the tables can't be read, or hold other events than were written ([`StoreError::Damaged`]).
    pub fn load(view: &dyn StateView) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged { table: AUDIT_EVENTS };
        let mut log = Self::default();
        let mut in_order = true;
        view.scan(AUDIT_EVENTS, &[], &mut |key, event| {
            if key != EXTENT_KEY {
                in_order &= key == log.size().to_be_bytes();
                log.push(merkle::leaf_hash(event));
            }
            in_order
        })?;
        let extent = Extent::load(view)?;
        let found = (log.size() > 0).then(|| log.extent());
        if in_order && found == extent { Ok(log) } else { Err(damaged()) }
    }

    /// Adds an event: hands what is to be written to `commit`, which must make it durable, and returns the event's
    /// index. Only then may what the event says be acted upon.
    ///
    /// # Errors
    /// Where `commit` fails; then the log is as it was.
    pub fn append<E>(&mut self, event: &AuditEvent, commit: impl FnOnce(&Changes) -> Result<(), E>) -> Result<u64, E> {
        let bytes = codec::encode(event);
        let leaf = merkle::leaf_hash(&bytes);
        let index = self.size();
        let mut grown = self.frontier.clone();
        grown.append(leaf);
        let mut changes = Changes::default();
        changes.put(AUDIT_EVENTS, index.to_be_bytes(), bytes);
        changes.put(AUDIT_EVENTS, EXTENT_KEY, codec::encode(&Extent { size: grown.size(), root: grown.root() }));
        changes.put(AUDIT_BY_OBJECT, object_key(event.object(), index), []);
        if let AuditEvent::Receipt(receipt) = event {
            changes.put(AUDIT_RECEIPTS, *event.object().as_bytes(), receipt.hash().0);
        }
        commit(&changes)?;
        self.tree.append(leaf);
        self.frontier = grown;
        Ok(index)
    }

    /// How many events there are.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The tree hash over all events.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// That event `index` is under the root of the first `size` events; `None` where it is not among them, or there are fewer.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Option<InclusionProof> {
        self.tree.inclusion_proof(index, size)
    }

    /// That the first `old_size` events are the beginning of the first `new_size`; `None` where there are not that many.
    pub fn consistency_proof(&self, old_size: u64, new_size: u64) -> Option<ConsistencyProof> {
        self.tree.consistency_proof(old_size, new_size)
    }

    /// Who read object X: its events from index `from` on, at most `limit` of them, each with the proof that it is
    /// under `checkpoint`.
    ///
    /// # Errors
    /// Where the tables can't be read, or the checkpoint is of another log ([`StoreError::Damaged`]).
    pub fn answer(
        &self,
        view: &dyn StateView,
        object: &ObjectId,
        checkpoint: Checkpoint,
        from: u64,
        limit: usize,
    ) -> Result<Answer, StoreError> {
        let damaged = || StoreError::Damaged { table: AUDIT_EVENTS };
        let size = checkpoint.terms.size;
        if size > self.size() {
            return Err(damaged());
        }
        let mut entries = Vec::new();
        for index in indexes(view, object, from..size, limit)? {
            let event = state::read(view, AUDIT_EVENTS, &index.to_be_bytes())?.ok_or_else(damaged)?;
            let proof = self.inclusion_proof(index, size).ok_or_else(damaged)?;
            entries.push(Entry { event, proof });
        }
        Ok(Answer { object: *object, checkpoint, entries })
    }

    /// [`ReadReceipt::hash`] of the object's last receipt, behind which the next one is put; zero where there is none.
    ///
    /// # Errors
    /// Where the tables can't be read.
    pub fn last_receipt(&self, view: &dyn StateView, object: &ObjectId) -> Result<Hash, StoreError> {
        let damaged = |_| StoreError::Damaged { table: AUDIT_RECEIPTS };
        match view.get(AUDIT_RECEIPTS, object.as_bytes())? {
            None => Ok(Hash::ZERO),
            Some(hash) => hash.try_into().map(Hash).map_err(damaged),
        }
    }

    fn push(&mut self, leaf: Hash) {
        self.tree.append(leaf);
        self.frontier.append(leaf);
    }

    fn extent(&self) -> Extent {
        Extent { size: self.size(), root: self.root() }
    }
}

fn object_key(object: &ObjectId, index: u64) -> Vec<u8> {
    [&object.as_bytes()[..], &index.to_be_bytes()].concat()
}

/// The first indexes, at most `limit` of them, of an object's events that lie in `range`. Entries are found by their keys' beginnings: those that
/// share the first index's bytes but for the last, then but for the last two, and so on. So nothing far before the range is read.
fn indexes(view: &dyn StateView, object: &ObjectId, range: Range<u64>, limit: usize) -> Result<Vec<u64>, StoreError> {
    let mut found = Vec::new();
    let mut next = range.start & !0xff;
    for bytes in (1..INDEX_BYTES).rev() {
        let step = 1 << (8 * (INDEX_BYTES - bytes));
        while found.len() < limit && next < range.end && (bytes == 1 || !next.is_multiple_of(step << 8)) {
            let prefix = [&object.as_bytes()[..], &next.to_be_bytes()[..bytes]].concat();
            view.scan(AUDIT_BY_OBJECT, &prefix, &mut |key, _| {
                let index = key.last_chunk().map_or(u64::MAX, |index| u64::from_be_bytes(*index));
                found.extend(range.contains(&index).then_some(index));
                found.len() < limit && index < range.end
            })?;
            next = next.saturating_add(step);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
