//! The suite of [`ChainStore`].

use health_chain::data::{
    ports::{ChainStore, StateView},
    state::{Changes, MemoryStore, Table},
};

const TABLES: [Table; 3] = [Table(0), Table(70), Table(255)];

/// Checks a store against the one in memory. `make` returns a new and empty store each time.
///
/// # Panics
/// With the rule that the store breaks.
pub fn store(mut make: impl FnMut() -> Box<dyn ChainStore>) {
    starts_empty(make().as_ref());
    the_last_write_counts(make().as_mut());
    tables_are_apart(make().as_mut());
    scans_are_ordered_bounded_and_stoppable(make().as_mut());
    long_values_come_back(make().as_mut());
    an_empty_batch_changes_nothing(make().as_mut());
    does_what_memory_does(make().as_mut());
}

fn starts_empty(store: &dyn ChainStore) {
    for table in (0..=u8::MAX).map(Table) {
        assert!(all(store, table, &[]).is_empty(), "a new store holds nothing");
    }
    assert_eq!(value(store, TABLES[0], b"key"), None, "a key that was never written has no value");
}

fn the_last_write_counts(store: &mut dyn ChainStore) {
    commit(store, &[(TABLES[1], b"key", Some(b"first")), (TABLES[1], b"gone", Some(b"value"))]);
    commit(store, &[(TABLES[1], b"key", Some(b"second")), (TABLES[1], b"gone", None), (TABLES[1], b"never", None)]);
    assert_eq!(value(store, TABLES[1], b"key").as_deref(), Some(&b"second"[..]), "a later commit overwrites");
    assert_eq!(value(store, TABLES[1], b"gone"), None, "a deleted entry is gone");
    commit(store, &[(TABLES[1], b"key", Some(b""))]);
    assert_eq!(value(store, TABLES[1], b"key").as_deref(), Some(&b""[..]), "an empty value is a value");
    commit(store, &[(TABLES[1], b"", Some(b"value"))]);
    assert_eq!(value(store, TABLES[1], b"").as_deref(), Some(&b"value"[..]), "the empty key is a key");
}

fn tables_are_apart(store: &mut dyn ChainStore) {
    for table in TABLES {
        commit(store, &[(table, b"key", Some(&[table.0]))]);
    }
    for table in TABLES {
        assert_eq!(value(store, table, b"key"), Some(vec![table.0]), "the same key in each table");
        assert_eq!(all(store, table, &[]).len(), 1, "a scan stays in its table");
    }
}

fn scans_are_ordered_bounded_and_stoppable(store: &mut dyn ChainStore) {
    let keys: [&[u8]; 8] = [b"b\xff\xff", b"a", b"b", b"b\x00", b"c", b"b\x00\x00\x00\x00", b"b\xff", b""];
    for key in keys {
        commit(store, &[(TABLES[1], key, Some(key))]);
    }
    let mut sorted = keys.map(<[u8]>::to_vec);
    sorted.sort();
    let found = all(store, TABLES[1], &[]);
    assert_eq!(found.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), sorted, "ascending order of keys");
    assert!(found.iter().all(|(key, value)| key == value), "each key with its own value");
    assert_eq!(all(store, TABLES[1], b"b").len(), 5, "exactly the keys that start with the prefix");
    assert_eq!(all(store, TABLES[1], b"b\xff").len(), 2, "a prefix that ends in 0xff");
    for wanted in 1..=3 {
        let mut seen = 0;
        let scanned = store.scan(TABLES[1], b"b", &mut |_, _| {
            seen += 1;
            seen < wanted
        });
        scanned.expect("the store can be read");
        assert_eq!(seen, wanted, "a scan ends when the visitor says so");
    }
}

fn long_values_come_back(store: &mut dyn ChainStore) {
    for bytes in [32_767, 32_768, 32_769, 200_000, 4_000_000, 65_536, 10] {
        let long: Vec<u8> = (0..bytes).map(|at: u32| (at ^ (at >> 8)) as u8).collect();
        commit(store, &[(TABLES[0], b"long", Some(&long)), (TABLES[0], b"longer", Some(b"neighbour"))]);
        assert_eq!(value(store, TABLES[0], b"long").as_ref(), Some(&long), "a value of {bytes} bytes");
        let found = all(store, TABLES[0], b"long");
        assert_eq!(found.len(), 2, "a long value is one entry");
        assert_eq!(found[0].1, long, "a scan shows the whole value");
    }
}

fn an_empty_batch_changes_nothing(store: &mut dyn ChainStore) {
    commit(store, &[(TABLES[0], b"key", Some(b"value"))]);
    store.commit(&Changes::default()).expect("an empty batch is a batch");
    assert_eq!(all(store, TABLES[0], &[]).len(), 1, "an empty batch changes nothing");
}

/// Random batches over few keys, the same for every implementation.
fn does_what_memory_does(store: &mut dyn ChainStore) {
    let mut memory = MemoryStore::default();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for _ in 0..60 {
        let mut changes = Changes::default();
        for _ in 0..next(12) {
            let table = TABLES[next(3) as usize];
            let key: Vec<u8> = (0..next(4)).map(|_| [0, 1, 0xff][next(3) as usize]).collect();
            match next(3) {
                0 => changes.delete(table, key),
                _ => changes.put(table, key, vec![next(256) as u8; [3, 40_000][usize::from(next(8) == 0)]]),
            }
        }
        memory.commit(&changes).expect("memory does not fail");
        store.commit(&changes).expect("the store can be written");
        for table in TABLES {
            for prefix in [&[][..], &[0], &[0xff], &[1, 0xff]] {
                assert_eq!(all(store, table, prefix), all(&memory, table, prefix), "as the store in memory");
            }
        }
    }
}

/// The new value of an entry, or `None` where it goes.
type Entry<'a> = (Table, &'a [u8], Option<&'a [u8]>);

fn commit(store: &mut dyn ChainStore, entries: &[Entry<'_>]) {
    let mut changes = Changes::default();
    for (table, key, value) in entries {
        match value {
            Some(value) => changes.put(*table, *key, *value),
            None => changes.delete(*table, *key),
        }
    }
    store.commit(&changes).expect("the store can be written");
}

fn value(store: &dyn ChainStore, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    store.get(table, key).expect("the store can be read")
}

fn all(view: &dyn StateView, table: Table, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    view.scan(table, prefix, &mut |key, value| {
        entries.push((key.to_vec(), value.to_vec()));
        true
    })
    .expect("the store can be read");
    entries
}
