//! What the pool's transactions write, as a layer over the state at the tip.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::{cell::RefCell, fmt};

use health_chain_data::{
    TxId,
    ports::{StateView, StoreError},
    state::{Changes, Table},
};

/// For each key the transactions that write it, in the order of their execution, each with the value it writes. A later one has
/// read what the earlier wrote, so it leaves before or with it, and the value under it comes to light again.
#[derive(Default)]
pub(super) struct Layer(BTreeMap<(Table, Vec<u8>), Vec<Write>>);

struct Write {
    writer: TxId,
    value: Option<Vec<u8>>,
}

impl Layer {
    pub(super) fn push(&mut self, writer: TxId, changes: &Changes) {
        for (table, key, value) in changes.iter() {
            let write = Write { writer, value: value.map(<[u8]>::to_vec) };
            self.0.entry((table, key.to_vec())).or_default().push(write);
        }
    }

    pub(super) fn remove(&mut self, writer: &TxId, changes: &Changes) {
        for (table, key, _) in changes.iter() {
            let place = (table, key.to_vec());
            let writes = self.0.get_mut(&place).expect("what a transaction wrote is in the layer");
            writes.retain(|write| write.writer != *writer);
            if writes.is_empty() {
                self.0.remove(&place);
            }
        }
    }

    pub(super) fn over<'a>(&'a self, base: &'a dyn StateView) -> PoolView<'a> {
        PoolView { base, layer: self }
    }

    fn last(&self, table: Table, key: &[u8]) -> Option<&Write> {
        self.0.get(&(table, key.to_vec()))?.last()
    }

    fn starting_with(&self, table: Table, prefix: &[u8]) -> impl Iterator<Item = (&[u8], &Write)> {
        let prefix = prefix.to_vec();
        (self.0.range((table, prefix.clone())..))
            .take_while(move |((of, key), _)| *of == table && key.starts_with(&prefix))
            .filter_map(|((_, key), writes)| Some((key.as_slice(), writes.last()?)))
    }
}

/// The state at the tip with the pool's transactions applied.
pub struct PoolView<'a> {
    base: &'a dyn StateView,
    layer: &'a Layer,
}

impl fmt::Debug for PoolView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolView").finish_non_exhaustive()
    }
}

impl StateView for PoolView<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.layer.last(table, key) {
            Some(write) => Ok(write.value.clone()),
            None => self.base.get(table, key),
        }
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        let mut own = self.layer.starting_with(table, prefix).peekable();
        let mut wanted = true;
        let mut show = |key: &[u8], value: Option<&[u8]>| value.is_none_or(|value| visit(key, value));
        self.base.scan(table, prefix, &mut |key, value| {
            while let Some((own_key, write)) = own.next_if(|(own_key, _)| *own_key < key) {
                wanted = show(own_key, write.value.as_deref());
                if !wanted {
                    return false;
                }
            }
            let value = match own.next_if(|(own_key, _)| *own_key == key) {
                Some((_, write)) => write.value.as_deref(),
                None => Some(value),
            };
            wanted = show(key, value);
            wanted
        })?;
        while wanted && let Some((key, write)) = own.next() {
            wanted = show(key, write.value.as_deref());
        }
        Ok(())
    }
}

/// A view that notes whose writes are read through it.
pub(super) struct Recorder<'a> {
    view: &'a PoolView<'a>,
    writers: RefCell<BTreeSet<TxId>>,
}

impl<'a> Recorder<'a> {
    pub(super) const fn new(view: &'a PoolView<'a>) -> Self {
        Self { view, writers: RefCell::new(BTreeSet::new()) }
    }

    pub(super) fn into_writers(self) -> BTreeSet<TxId> {
        self.writers.into_inner()
    }
}

impl StateView for Recorder<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(write) = self.view.layer.last(table, key) {
            self.writers.borrow_mut().insert(write.writer);
        }
        self.view.get(table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        let writers = self.view.layer.starting_with(table, prefix).map(|(_, write)| write.writer);
        self.writers.borrow_mut().extend(writers);
        self.view.scan(table, prefix, visit)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_data::{
        Hash,
        ports::ChainStore,
        state::{MemoryStore, Overlay},
    };

    use super::*;

    const TABLE: Table = Table(100);

    fn id(byte: u8) -> TxId {
        TxId(Hash([byte; 32]))
    }

    fn writes(entries: &[(&str, Option<&str>)]) -> Changes {
        let mut changes = Changes::default();
        for (key, value) in entries {
            match value {
                Some(value) => changes.put(TABLE, *key, *value),
                None => changes.delete(TABLE, *key),
            }
        }
        changes
    }

    fn entries(view: &dyn StateView, most: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut seen = Vec::new();
        view.scan(TABLE, b"k", &mut |key, value| {
            seen.push((key.to_vec(), value.to_vec()));
            seen.len() < most
        })
        .unwrap();
        seen
    }

    #[test]
    fn reads_as_an_overlay_would() {
        let mut store = MemoryStore::default();
        store.commit(&writes(&[("k2", Some("a")), ("k4", Some("b")), ("k6", Some("c")), ("x", Some("d"))])).unwrap();
        let first = writes(&[("k1", Some("1")), ("k4", None), ("k7", Some("7")), ("a", Some("0"))]);
        let second = writes(&[("k2", Some("2")), ("k4", Some("4")), ("k7", None)]);
        let mut layer = Layer::default();
        layer.push(id(1), &first);
        layer.push(id(2), &second);
        let mut overlay = Overlay::new(&store);
        overlay.absorb(first.clone());
        overlay.absorb(second.clone());
        for most in 1..6 {
            assert_eq!(entries(&layer.over(&store), most), entries(&overlay, most));
        }
        layer.remove(&id(2), &second);
        let mut overlay = Overlay::new(&store);
        overlay.absorb(first.clone());
        assert_eq!(entries(&layer.over(&store), 9), entries(&overlay, 9));
        layer.remove(&id(1), &first);
        assert!(layer.0.is_empty());
    }

    #[test]
    fn the_recorder_names_the_last_writers() {
        let store = MemoryStore::default();
        let mut layer = Layer::default();
        layer.push(id(1), &writes(&[("k1", Some("1")), ("k2", Some("1"))]));
        layer.push(id(2), &writes(&[("k2", Some("2"))]));
        let view = layer.over(&store);
        let read = |keys: &[&str]| {
            let recorder = Recorder::new(&view);
            keys.iter().for_each(|key| drop(recorder.get(TABLE, key.as_bytes()).unwrap()));
            recorder.into_writers().into_iter().collect::<Vec<_>>()
        };
        assert_eq!(read(&["k3"]), vec![]);
        assert_eq!(read(&["k2"]), vec![id(2)]);
        assert_eq!(read(&["k1", "k2"]), vec![id(1), id(2)]);
        let recorder = Recorder::new(&view);
        assert_eq!(entries(&recorder, 1).len(), 1);
        assert_eq!(recorder.into_writers().len(), 2);
    }
}
