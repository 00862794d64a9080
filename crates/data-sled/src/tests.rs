use std::{fs, path::PathBuf};

use health_chain_data::state::MemoryStore;
use proptest::{collection::vec, option, prelude::*};
use tempfile::{TempDir, tempdir};

use super::*;

const TABLE: Table = Table(70);

fn changes(entries: &[(&[u8], Option<Vec<u8>>)]) -> Changes {
    let mut changes = Changes::default();
    for (key, value) in entries {
        match value {
            Some(value) => changes.put(TABLE, *key, value.clone()),
            None => changes.delete(TABLE, *key),
        }
    }
    changes
}

fn filled(entries: &[(&[u8], Option<Vec<u8>>)]) -> (TempDir, SledStore) {
    let folder = tempdir().unwrap();
    let mut store = SledStore::open(folder.path()).unwrap();
    store.commit(&changes(entries)).unwrap();
    (folder, store)
}

fn everything(view: &dyn StateView, prefix: &[u8]) -> Vec<(u8, Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    for table in 0..=u8::MAX {
        view.scan(Table(table), prefix, &mut |key, value| {
            entries.push((table, key.to_vec(), value.to_vec()));
            true
        })
        .unwrap();
    }
    entries
}

/// Few keys, some of them prefixes of others or full of the bytes that chunk keys use, so that batches overwrite each other.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0), Just(1), Just(2), Just(0xff)], 0..6)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        6 => 0_usize..100,
        1 => entry::CHUNK_BYTES - 1..entry::CHUNK_BYTES + 2,
        1 => 2 * entry::CHUNK_BYTES - 1..3 * entry::CHUNK_BYTES,
    ];
    (length, any::<u8>()).prop_map(|(length, seed)| (0..length).map(|at| (at as u8).wrapping_mul(seed)).collect())
}

#[test]
fn a_store_whose_making_was_cut_short_is_made_again() {
    let whole = tempdir().unwrap();
    drop(SledStore::open(whole.path()).unwrap());
    let settings = fs::read(whole.path().join(SLED_SETTINGS_FILE)).unwrap();
    let mut refused = 0;
    for length in 0..=settings.len() {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join(SLED_LOG_FILE), []).unwrap();
        fs::write(folder.path().join(SLED_SETTINGS_FILE), &settings[..length]).unwrap();
        refused += usize::from(sled::open(folder.path()).is_err());
        fs::write(folder.path().join(SLED_LOG_FILE), []).unwrap();
        fs::write(folder.path().join(SLED_SETTINGS_FILE), &settings[..length]).unwrap();
        let mut store = SledStore::open(folder.path()).unwrap_or_else(|error| panic!("{length} bytes: {error}"));
        store.commit(&changes(&[(b"key", Some(vec![1]))])).unwrap();
    }
    assert!(refused > 0, "sled alone takes some of these for corrupted");
}

/// sled sums up its log whenever it is opened, in a new file that replaces the one before.
#[test]
fn a_store_whose_opening_was_cut_short_opens_with_all_it_has() {
    let (folder, mut store) = filled(&[(b"key", Some(vec![7; 100]))]);
    let summary = || files(folder.path()).find(|path| path.to_str().unwrap().contains("/snap.")).unwrap();
    let unfinished = folder.path().join(format!("snap.{:016X}{SLED_UNFINISHED_SUFFIX}", u64::MAX));
    let mut refused = 0;
    for number in 1..=10 {
        store.commit(&changes(&[(&[number], Some(vec![number]))])).unwrap();
        drop(store);
        drop(SledStore::open(folder.path()).unwrap());
        let summary = fs::read(summary()).unwrap();
        fs::write(&unfinished, &summary[..summary.len() * usize::from(number - 1) / 10]).unwrap();
        refused += usize::from(sled::open(folder.path()).is_err());
        store = SledStore::open(folder.path()).unwrap_or_else(|error| panic!("{number} tenths: {error}"));
        assert_eq!(store.get(TABLE, b"key").unwrap(), Some(vec![7; 100]));
        assert!((1..=number).all(|at| store.get(TABLE, &[at]).unwrap() == Some(vec![at])));
    }
    assert_eq!(refused, 10, "sled alone takes a summary that is not whole for a corrupted database");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn does_what_the_store_in_memory_does(
        batches in vec(vec((prop_oneof![Just(3_u8), Just(70)], key(), option::of(value())), 0..8), 1..6),
        prefix in key(),
    ) {
        let folder = tempdir().unwrap();
        let mut memory = MemoryStore::default();
        let mut store = SledStore::open(folder.path()).unwrap();
        for batch in &batches {
            let mut changes = Changes::default();
            for (table, key, value) in batch {
                match value {
                    Some(value) => changes.put(Table(*table), key.clone(), value.clone()),
                    None => changes.delete(Table(*table), key.clone()),
                }
            }
            memory.commit(&changes).unwrap();
            store.commit(&changes).unwrap();
            prop_assert_eq!(everything(&store, &prefix), everything(&memory, &prefix));
        }
        drop(store);
        let store = SledStore::open(folder.path()).unwrap();
        prop_assert_eq!(everything(&store, &[]), everything(&memory, &[]));
        let heads = everything(&memory, &[]);
        let expected: u64 = heads.iter().map(|(_, _, value)| match value.len() {
            length if length <= entry::CHUNK_BYTES => 1,
            length => 1 + length.div_ceil(entry::CHUNK_BYTES) as u64,
        }).sum();
        prop_assert_eq!(store.database.len() as u64, expected + 2, "no chunk is left behind");
    }
}

#[test]
fn a_big_value_reads_back_and_takes_about_its_size() {
    let value: Vec<u8> = (0..10_000_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let (folder, store) = filled(&[(b"big", Some(value.clone()))]);
    assert_eq!(store.get(TABLE, b"big").unwrap(), Some(value.clone()));
    assert!(store.size_on_disk().unwrap() < 3 * value.len() as u64, "{} bytes", store.size_on_disk().unwrap());
    drop(store);
    let store = SledStore::open(folder.path()).unwrap();
    assert_eq!(store.get(TABLE, b"big").unwrap(), Some(value));
}

#[test]
fn a_second_handle_is_refused_until_the_first_is_gone() {
    let (folder, store) = filled(&[(b"key", Some(b"value".to_vec()))]);
    assert!(matches!(SledStore::open(folder.path()), Err(StoreError::Locked)));
    drop(store);
    for _ in 0..20 {
        assert!(SledStore::open(folder.path()).is_ok());
    }
}

#[test]
fn a_folder_that_sled_itself_has_open_is_refused() {
    let folder = tempdir().unwrap();
    let _other = sled::open(folder.path()).unwrap();
    assert!(matches!(SledStore::open(folder.path()), Err(StoreError::Locked)));
}

#[test]
fn another_schema_is_refused() {
    let (folder, store) = filled(&[]);
    store.database.insert(SCHEMA_KEY, entry::write_number(&SCHEMA_KEY, 7)).unwrap();
    drop(store);
    let refusal = SledStore::open(folder.path()).err();
    assert!(matches!(refusal, Some(StoreError::SchemaVersion { found: 7, expected: SCHEMA_VERSION })), "{refusal:?}");
}

#[test]
fn a_damaged_schema_entry_and_a_foreign_database_are_refused() {
    let (folder, store) = filled(&[]);
    store.database.insert(SCHEMA_KEY, b"rubbish").unwrap();
    drop(store);
    assert!(matches!(SledStore::open(folder.path()), Err(StoreError::Damaged { table: Table::META })));

    let folder = tempdir().unwrap();
    let other = sled::open(folder.path()).unwrap();
    other.insert(b"somebody", b"else's").unwrap();
    drop(other);
    assert!(matches!(SledStore::open(folder.path()), Err(StoreError::SchemaVersion { found: 0, .. })));
}

#[test]
fn what_does_not_match_its_checksum_is_not_served() {
    let long = vec![9; 3 * entry::CHUNK_BYTES];
    let entries: [(&[u8], _); 3] =
        [(b"a", Some(b"short".to_vec())), (b"b", Some(long)), (b"c", Some(b"other".to_vec()))];
    let damages: [fn(&Db); 6] = [
        // A flipped bit, a cut value, another entry's value, a head that can't be one, a changed and a lost chunk.
        |database| {
            let mut head = database.get(head_key(TABLE, b"a")).unwrap().unwrap().to_vec();
            *head.last_mut().unwrap() ^= 1;
            database.insert(head_key(TABLE, b"a"), head).unwrap();
        },
        |database| {
            let head = database.get(head_key(TABLE, b"a")).unwrap().unwrap();
            database.insert(head_key(TABLE, b"a"), &head[..head.len() - 1]).unwrap();
        },
        |database| {
            let other = database.get(head_key(TABLE, b"c")).unwrap().unwrap();
            database.insert(head_key(TABLE, b"a"), other).unwrap();
        },
        |database| drop(database.insert(head_key(TABLE, b"a"), b"rubbish").unwrap()),
        |database| drop(database.insert(chunk_key(TABLE, b"b", 1), vec![8; entry::CHUNK_BYTES]).unwrap()),
        |database| drop(database.remove(chunk_key(TABLE, b"b", 2)).unwrap()),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let (_folder, mut store) = filled(&entries);
        damage(&store.database);
        let key: &[u8] = if number < 4 { b"a" } else { b"b" };
        assert!(matches!(store.get(TABLE, key), Err(StoreError::Damaged { table: TABLE })), "damage {number}");
        let scanned = store.scan(TABLE, &[], &mut |_, _| true);
        assert!(matches!(scanned, Err(StoreError::Damaged { table: TABLE })), "damage {number}");
        assert_eq!(store.get(TABLE, b"c").unwrap(), Some(b"other".to_vec()), "what is whole is served");
        store.commit(&changes(&[(key, Some(b"again".to_vec()))])).unwrap();
        assert_eq!(store.get(TABLE, key).unwrap(), Some(b"again".to_vec()), "a damaged entry can be written again");
    }
}

#[test]
fn corrupted_files_are_refused_and_nothing_acknowledged_is_missed_in_silence() {
    let folder = tempdir().unwrap();
    let mut store = SledStore::open(folder.path()).unwrap();
    for at in 0..60_u8 {
        store.commit(&changes(&[(&[at], Some(vec![at; 20_000]))])).unwrap();
    }
    drop(store);
    let sound: Vec<(PathBuf, Vec<u8>)> =
        files(folder.path()).map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    let database = folder.path().join("db");
    let bytes = &sound.iter().find(|(path, _)| *path == database).unwrap().1;
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refused = 0;
    for round in 0..40 {
        files(folder.path()).for_each(|path| fs::remove_file(path).unwrap());
        sound.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        let mut bytes = bytes.clone();
        bytes[..used].iter_mut().skip(round * used / 40).take(64).for_each(|byte| *byte ^= 0x55);
        fs::write(&database, &bytes).unwrap();
        let Ok(store) = SledStore::open(folder.path()) else {
            refused += 1;
            continue;
        };
        for at in 0..60_u8 {
            if let Ok(found) = store.get(TABLE, &[at]) {
                assert_eq!(found, Some(vec![at; 20_000]), "round {round}");
            }
        }
    }
    assert!(refused > 0, "no flip did any harm");
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
}
