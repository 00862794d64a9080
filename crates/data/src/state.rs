//! State as tables of keys and values: layered views on it, the changes a block makes, and how they are undone.
//!
//! Everything that a block changes goes through an [`Overlay`] and leaves it as [`Changes`]. Undo data are the
//! values that those changes overwrite, so every table can be undone, whoever wrote it, without code of its own.

use alloc::{collections::BTreeMap, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    codec::{self, Wire},
    hash::Hash,
    limits::MAX_CHANGES_BYTES,
    ports::{ChainStore, StateView, StoreError},
};

/// Names a table. The range says who owns it and what happens to it:
/// 0 to 63 belong to this node (blocks, indexes, what it has seen); 64 to 255 are state, which every node of the chain
/// derives alike, which blocks change and reorganisations undo, and which [`state_hash`] covers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Table(pub u8);

impl Table {
    /// Facts about the store itself: the tip, the schema.
    pub const META: Self = Self(0);
    /// Headers by block id.
    pub const HEADERS: Self = Self(1);
    /// Encoded transactions of a block by block id.
    pub const BODIES: Self = Self(2);
    /// Undo data by block id, for connected blocks.
    pub const UNDO: Self = Self(3);
    /// Block ids of the connected chain by height (4 bytes, big-endian).
    pub const HEIGHTS: Self = Self(4);

    /// The first table of the chain's state.
    pub const FIRST_STATE: Self = Self(64);

    /// Whether the table is part of the state that all nodes share.
    pub const fn is_state(self) -> bool {
        self.0 >= Self::FIRST_STATE.0
    }
}

type Entries = BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>;

/// A batch of changes: for each key its new value, or `None` where the entry goes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Changes(Entries);

impl Wire for Changes {
    const MAX_BYTES: usize = MAX_CHANGES_BYTES;
}

impl Changes {
    /// Sets the value under `key`.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.insert((table, key.into()), Some(value.into()));
    }

    /// Removes the entry under `key`.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.0.insert((table, key.into()), None);
    }

    /// Adds `later`, whose values win.
    pub fn append(&mut self, mut later: Self) {
        self.0.append(&mut later.0);
    }

    /// Every change in ascending order of table and key: the new value, or `None` for a removal.
    pub fn iter(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        self.0.iter().map(|((table, key), value)| (*table, key.as_slice(), value.as_deref()))
    }

    /// How many entries change.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The changes that lead back: for each entry the value it has in `base`, on which these changes are about to act.
    ///
    /// # Errors
    /// Where `base` can't be read.
    pub fn undo(&self, base: &dyn StateView) -> Result<Self, StoreError> {
        let mut undo = Entries::new();
        for (table, key) in self.0.keys() {
            undo.insert((*table, key.clone()), base.get(*table, key)?);
        }
        Ok(Self(undo))
    }
}

/// A view with changes on top that nothing below has seen yet. Dropping it forgets them; overlays can be stacked, so that
/// one transaction can fail without a trace while the rest of its block goes on.
pub struct Overlay<'a> {
    base: &'a dyn StateView,
    entries: Entries,
}

impl fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay").field("changes", &self.entries.len()).finish_non_exhaustive()
    }
}

impl<'a> Overlay<'a> {
    /// An overlay that changes nothing yet.
    pub fn new(base: &'a dyn StateView) -> Self {
        Self { base, entries: Entries::new() }
    }

    /// Sets the value under `key`.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.entries.insert((table, key.into()), Some(value.into()));
    }

    /// Removes the entry under `key`.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.entries.insert((table, key.into()), None);
    }

    /// Adds changes made on an overlay of this one.
    pub fn absorb(&mut self, changes: Changes) {
        self.entries.extend(changes.0);
    }

    /// The changes made, without those that leave an entry as it was.
    ///
    /// # Errors
    /// Where the view below can't be read.
    pub fn into_changes(self) -> Result<Changes, StoreError> {
        let mut changes = Entries::new();
        for ((table, key), value) in self.entries {
            if self.base.get(table, &key)? != value {
                changes.insert((table, key), value);
            }
        }
        Ok(Changes(changes))
    }
}

impl StateView for Overlay<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.entries.get(&(table, key.to_vec())) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(table, key),
        }
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        let mut own = self.starting_with(table, prefix).peekable();
        let mut wanted = true;
        self.base.scan(table, prefix, &mut |key, value| {
            while let Some((own_key, own_value)) = own.next_if(|(own_key, _)| *own_key < key) {
                wanted = own_value.is_none_or(|own_value| visit(own_key, own_value));
                if !wanted {
                    return false;
                }
            }
            wanted = match own.next_if(|(own_key, _)| *own_key == key) {
                Some((_, None)) => true,
                Some((_, Some(own_value))) => visit(key, own_value),
                None => visit(key, value),
            };
            wanted
        })?;
        while wanted && let Some((key, value)) = own.next() {
            wanted = value.is_none_or(|value| visit(key, value));
        }
        Ok(())
    }
}

impl Overlay<'_> {
    fn starting_with<'b>(&'b self, table: Table, prefix: &[u8]) -> impl Iterator<Item = (&'b [u8], Option<&'b [u8]>)> {
        let prefix = prefix.to_vec();
        self.entries
            .range((table, prefix.clone())..)
            .take_while(move |((of, key), _)| *of == table && key.starts_with(&prefix))
            .map(|((_, key), value)| (key.as_slice(), value.as_deref()))
    }
}

/// One hash over the whole state that nodes of a chain share: every entry of every state table, in ascending order,
/// each as `table u8 | key length u32 | key | value length u32 | value`, little-endian. Reads everything: for status
/// and tests, not for every block.
///
/// # Errors
/// Where the view can't be read.
pub fn state_hash(view: &dyn StateView) -> Result<Hash, StoreError> {
    let mut hasher = Sha256::new();
    for table in Table::FIRST_STATE.0..=u8::MAX {
        view.scan(Table(table), &[], &mut |key, value| {
            hasher.update([table]);
            for part in [key, value] {
                hasher.update((part.len() as u32).to_le_bytes());
                hasher.update(part);
            }
            true
        })?;
    }
    Ok(Hash(hasher.finalize().into()))
}

/// Reads a typed entry.
///
/// # Errors
/// Where the view can't be read, or the value does not decode ([`StoreError::Damaged`]).
pub fn read<T: Wire>(view: &dyn StateView, table: Table, key: &[u8]) -> Result<Option<T>, StoreError> {
    match view.get(table, key)? {
        Some(bytes) => codec::decode(&bytes).map(Some).map_err(|_| StoreError::Damaged { table }),
        None => Ok(None),
    }
}

/// The store in memory: for tests, simulations and tools. Nothing survives the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStore(BTreeMap<(Table, Vec<u8>), Vec<u8>>);

impl StateView for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        for ((of, key), value) in self.0.range((table, prefix.to_vec())..) {
            if *of != table || !key.starts_with(prefix) || !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}

impl ChainStore for MemoryStore {
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        for (table, key, value) in changes.iter() {
            let key = (table, key.to_vec());
            match value {
                Some(value) => self.0.insert(key, value.to_vec()),
                None => self.0.remove(&key),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::hash::sha256;

    const TABLE: Table = Table(70);

    fn store(entries: &[(&[u8], &[u8])]) -> MemoryStore {
        let mut store = MemoryStore::default();
        let mut changes = Changes::default();
        entries.iter().for_each(|(key, value)| changes.put(TABLE, *key, *value));
        store.commit(&changes).unwrap();
        store
    }

    fn entries(view: &dyn StateView, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut entries = Vec::new();
        view.scan(TABLE, prefix, &mut |key, value| {
            entries.push((key.to_vec(), value.to_vec()));
            true
        })
        .unwrap();
        entries
    }

    #[test]
    fn an_overlay_reads_as_if_it_were_applied() {
        let base = store(&[(b"a1", b"1"), (b"a3", b"3"), (b"b", b"4")]);
        let mut overlay = Overlay::new(&base);
        overlay.put(TABLE, *b"a0", *b"0");
        overlay.put(TABLE, *b"a2", *b"2");
        overlay.put(TABLE, *b"a3", *b"33");
        overlay.put(TABLE, *b"a4", *b"4");
        overlay.delete(TABLE, *b"a1");
        let seen = entries(&overlay, b"a");
        let mut applied = base.clone();
        let changes = overlay.into_changes().unwrap();
        applied.commit(&changes).unwrap();
        assert_eq!(seen, entries(&applied, b"a"));
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn a_scan_ends_where_the_visitor_says() {
        let base = store(&[(b"a", b"1"), (b"c", b"3")]);
        let mut overlay = Overlay::new(&base);
        overlay.put(TABLE, *b"b", *b"2");
        overlay.put(TABLE, *b"d", *b"4");
        for wanted in 1..=4 {
            let mut seen = 0;
            overlay
                .scan(TABLE, &[], &mut |_, _| {
                    seen += 1;
                    seen < wanted
                })
                .unwrap();
            assert_eq!(seen, wanted);
        }
    }

    #[test]
    fn undo_leads_back_bit_by_bit() {
        let before = store(&[(b"kept", b"1"), (b"changed", b"2"), (b"gone", b"3")]);
        let mut overlay = Overlay::new(&before);
        overlay.put(TABLE, *b"kept", *b"1");
        overlay.put(TABLE, *b"changed", *b"9");
        overlay.put(TABLE, *b"new", *b"4");
        overlay.delete(TABLE, *b"gone");
        overlay.delete(TABLE, *b"never there");
        let changes = overlay.into_changes().unwrap();
        assert_eq!(changes.len(), 3, "what stays as it was is no change");
        let undo = changes.undo(&before).unwrap();
        let mut after = before.clone();
        after.commit(&changes).unwrap();
        assert_ne!(state_hash(&after).unwrap(), state_hash(&before).unwrap());
        after.commit(&undo).unwrap();
        assert_eq!(after, before);
    }

    #[test]
    fn only_state_tables_reach_the_state_hash() {
        let mut store = MemoryStore::default();
        let empty = state_hash(&store).unwrap();
        assert_eq!(empty, sha256(b""));
        let mut changes = Changes::default();
        changes.put(Table::META, vec![1], vec![1]);
        store.commit(&changes).unwrap();
        assert_eq!(state_hash(&store).unwrap(), empty);
    }
}
