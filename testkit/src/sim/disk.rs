//! A disk that outlives its node, and the store on it.

use std::sync::{Arc, Mutex, PoisonError};

use health_chain::data::{
    ports::{ChainStore, StateView, StoreError},
    state::{Changes, MemoryStore, Table},
};
use thiserror::Error;

use super::fault::{Counts, Fault};

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
    counts: Counts,
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
}

impl Disk {
    /// Opens the disk. There must be no other store on it.
    pub(super) fn open(&self) -> SimulatedStore {
        let content = self.with(|inner| {
            inner.is_dead = false;
            inner.armed = None;
            std::mem::take(&mut inner.image)
        });
        SimulatedStore { disk: self.clone(), content }
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

    /// What has fired since this was last asked.
    pub(super) fn take_counts(&self) -> Counts {
        self.with(|inner| std::mem::take(&mut inner.counts))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Inner) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
            let fault = if inner.is_full { Some(Fault::FullDisk) } else { inner.armed.take() };
            if let Some(fault) = fault {
                *inner.counts.entry(fault).or_default() += 1;
                inner.is_dead = matches!(fault, Fault::LostWrite | Fault::UnheardWrite);
            }
            fault
        });
        if matches!(fault, None | Some(Fault::UnheardWrite)) {
            self.content.commit(changes)?;
        }
        fault.map_or(Ok(()), |fault| Err(StoreError::Backend(Box::new(DiskError(fault)))))
    }
}

impl Drop for SimulatedStore {
    fn drop(&mut self) {
        let content = std::mem::take(&mut self.content);
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
