//! A disk that outlives its node, and the store on it.

use std::sync::{Arc, Mutex, PoisonError};

use health_chain::{
    application::tables::{AUDIT_BY_OBJECT, AUDIT_EVENTS, DENIALS},
    data::{
        ports::{ChainStore, StateView, StoreError},
        state::{Changes, MemoryStore, Table},
    },
    incentive::tables::SUPPLY,
};
use thiserror::Error;

use super::{
    bug::Bug,
    fault::{Counts, Fault},
    random::Random,
};

/// Where consensus keeps the engine's journal.
pub(super) const JOURNAL: Table = Table(10);

/// A node's disk, shared by the node's store and the simulator.
#[derive(Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// What a store left behind when it was dropped.
    image: MemoryStore,
    /// What happens to the next commit.
    armed: Option<Fault>,
    is_full: bool,
    /// The node has died in a commit, though its turn has not ended yet.
    is_dead: bool,
    is_tearing: bool,
    counts: Counts,
    bug: Option<Bug>,
}

/// Why a commit fails here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("simulated: {0:?}")]
pub(super) struct DiskError(Fault);

/// A store in memory whose content goes back to the disk when it is dropped. Atomic and durable as the port demands: what fails,
/// fails as a whole.
pub(super) struct SimulatedStore {
    disk: Disk,
    content: MemoryStore,
    bug: Option<Bug>,
    /// What takes back the last batch, where that is not durable.
    unsafe_batch: Option<Changes>,
}

impl Disk {
    /// An empty disk, whose store has this bug.
    pub(super) fn new(bug: Option<Bug>) -> Self {
        let disk = Self::default();
        disk.with(|inner| inner.bug = bug);
        disk
    }

    /// Opens the disk. There must be no other store on it.
    pub(super) fn open(&self) -> SimulatedStore {
        let (content, bug) = self.with(|inner| {
            inner.is_dead = false;
            inner.armed = None;
            (std::mem::take(&mut inner.image), inner.bug)
        });
        SimulatedStore { disk: self.clone(), content, bug, unsafe_batch: None }
    }

    /// Lets `fault` happen at the next commit.
    pub(super) fn arm(&self, fault: Fault) {
        self.with(|inner| inner.armed = Some(fault));
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.with(|inner| inner.is_full = is_full);
    }

    /// Takes back what [`Disk::arm`] set up.
    pub(super) fn disarm(&self) {
        self.with(|inner| inner.armed = None);
    }

    pub(super) fn is_full(&self) -> bool {
        self.with(|inner| inner.is_full)
    }

    /// Whether the node has died in a commit.
    pub(super) fn is_dead(&self) -> bool {
        self.with(|inner| inner.is_dead)
    }

    /// Whether this fault is to happen.
    pub(super) fn is_armed_with(&self, fault: Fault) -> bool {
        self.with(|inner| inner.armed == Some(fault))
    }

    /// Whether the node is about to die of [`Fault::TornJournal`]: the record is kept, it has gone on, and [`Disk::tear`] is to follow.
    pub(super) fn is_tearing(&self) -> bool {
        self.with(|inner| inner.is_tearing)
    }

    /// Cuts the last record of the journal, as a validator's node left it, at a random byte, and says which that is. The store must be closed.
    pub(super) fn tear(&self, random: &mut Random) -> Option<Vec<u8>> {
        self.with(|inner| {
            inner.is_tearing = false;
            let mut last = None;
            let scanned = inner.image.scan(JOURNAL, &[], &mut |key, record| {
                last = Some((key.to_vec(), record.to_vec()));
                true
            });
            scanned.expect("memory can be read");
            let (key, mut record) = last.filter(|(_, record)| !record.is_empty())?;
            record.truncate(random.index(record.len()));
            let mut changes = Changes::default();
            changes.put(JOURNAL, key.clone(), record);
            inner.image.commit(&changes).expect("memory takes it");
            *inner.counts.entry(Fault::TornJournal).or_default() += 1;
            Some(key)
        })
    }

    /// What has fired since this was last asked.
    pub(super) fn take_counts(&self) -> Counts {
        self.with(|inner| std::mem::take(&mut inner.counts))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Inner) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SimulatedStore {
    fn write(&mut self, changes: &Changes) -> Result<(), StoreError> {
        match self.bug {
            Some(Bug::EarlyAcknowledgement) => self.unsafe_batch = Some(changes.undo(&self.content)?),
            Some(Bug::VolatileLog) if concerns(changes, AUDIT_EVENTS) => {
                self.unsafe_batch = Some(changes.undo(&self.content)?);
            }
            Some(Bug::VolatileDenials) if concerns(changes, DENIALS) => {
                self.unsafe_batch = Some(changes.undo(&self.content)?);
            }
            Some(Bug::ForgottenLog) => {
                return self.content.commit(&without(changes, &[AUDIT_EVENTS, AUDIT_BY_OBJECT]));
            }
            Some(Bug::ForgottenUndo) if undoes_a_block(changes) => {
                return self.content.commit(&without(changes, &[SUPPLY]));
            }
            _ => {}
        }
        self.content.commit(changes)
    }
}

fn adds_a_record(changes: &Changes) -> bool {
    changes.iter().any(|(table, _, value)| table == JOURNAL && value.is_some())
}

fn undoes_a_block(changes: &Changes) -> bool {
    changes.iter().any(|(table, _, value)| table == Table::UNDO && value.is_none())
}

fn concerns(changes: &Changes, table: Table) -> bool {
    changes.iter().any(|(changed, ..)| changed == table)
}

fn without(changes: &Changes, forgotten: &[Table]) -> Changes {
    let mut kept = Changes::default();
    for (table, key, value) in changes.iter().filter(|(table, ..)| !forgotten.contains(table)) {
        match value {
            Some(value) => kept.put(table, key, value),
            None => kept.delete(table, key),
        }
    }
    kept
}

impl StateView for SimulatedStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.content.get(table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.content.scan(table, prefix, visit)
    }
}

impl ChainStore for SimulatedStore {
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let fault = self.disk.with(|inner| {
            if inner.is_dead {
                return Some(Fault::Crash);
            }
            if inner.armed == Some(Fault::TornJournal) && !inner.is_full {
                // It waits for a record, and shows when the node starts again.
                inner.is_tearing = adds_a_record(changes);
                inner.armed = inner.armed.filter(|_| !inner.is_tearing);
                return None;
            }
            let fault = if inner.is_full { Some(Fault::FullDisk) } else { inner.armed.take() };
            if let Some(fault) = fault {
                *inner.counts.entry(fault).or_default() += 1;
                inner.is_dead = matches!(fault, Fault::LostWrite | Fault::UnheardWrite);
            }
            fault
        });
        if matches!(fault, None | Some(Fault::UnheardWrite)) {
            self.write(changes)?;
        }
        fault.map_or(Ok(()), |fault| Err(StoreError::Backend(Box::new(DiskError(fault)))))
    }
}

impl Drop for SimulatedStore {
    fn drop(&mut self) {
        let mut content = std::mem::take(&mut self.content);
        if let Some(undo) = self.unsafe_batch.take() {
            content.commit(&undo).expect("memory takes it");
        }
        self.disk.with(|inner| inner.image = content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Table = Table(40);

    fn put(store: &mut SimulatedStore, key: &[u8]) -> bool {
        let mut changes = Changes::default();
        changes.put(LOCAL, key, *b"value");
        store.commit(&changes).is_ok()
    }

    fn has(disk: &Disk, key: &[u8]) -> bool {
        disk.open().get(LOCAL, key).expect("memory can be read").is_some()
    }

    #[test]
    fn a_crash_keeps_what_was_committed_and_nothing_else() {
        let disk = Disk::default();
        let mut store = disk.open();
        assert!(put(&mut store, b"kept"));
        disk.arm(Fault::LostWrite);
        assert!(!put(&mut store, b"lost"));
        assert!(disk.is_dead());
        assert!(!put(&mut store, b"after"), "the dead write nothing");
        drop(store);
        assert!(has(&disk, b"kept") && !has(&disk, b"lost") && !has(&disk, b"after"));
        let mut store = disk.open();
        disk.arm(Fault::UnheardWrite);
        assert!(!put(&mut store, b"unheard"));
        drop(store);
        assert!(has(&disk, b"unheard"));
        assert_eq!(disk.take_counts(), Counts::from([(Fault::LostWrite, 1), (Fault::UnheardWrite, 1)]));
    }

    #[test]
    fn of_a_torn_record_the_beginning_is_left() {
        let disk = Disk::default();
        let mut random = Random::new(1);
        let mut store = disk.open();
        for (key, record) in [(1_u8, b"first record"), (2, b"other record")] {
            disk.arm(Fault::TornJournal);
            assert!(put(&mut store, b"beside") && disk.is_armed_with(Fault::TornJournal), "this is no record");
            let mut changes = Changes::default();
            changes.put(JOURNAL, [key], *record);
            store.commit(&changes).expect("as far as the node hears");
            assert!(disk.is_tearing() && !disk.is_armed_with(Fault::TornJournal));
        }
        drop(store);
        assert_eq!(disk.tear(&mut random), Some(vec![2]));
        assert!(!disk.is_tearing());
        let store = disk.open();
        let record = |key: u8| store.get(JOURNAL, &[key]).expect("memory can be read").expect("it is there");
        assert_eq!(record(1), b"first record");
        assert!(record(2).len() < 12 && b"other record".starts_with(&record(2)));
        assert_eq!(disk.take_counts(), Counts::from([(Fault::TornJournal, 1)]));
    }

    #[test]
    fn a_full_disk_and_a_failed_commit_pass() {
        let disk = Disk::default();
        let mut store = disk.open();
        disk.set_full(true);
        assert!(!put(&mut store, b"one") && !put(&mut store, b"one"));
        disk.set_full(false);
        disk.arm(Fault::FailedCommit);
        assert!(!put(&mut store, b"one") && put(&mut store, b"one"));
        assert!(!disk.is_dead());
    }
}
