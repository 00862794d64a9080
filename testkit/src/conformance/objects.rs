//! The suite of [`ObjectStore`].

use std::io::{self, Read};

use health_chain::{
    application::ports::{ObjectError, ObjectName, ObjectStore},
    data::{ObjectId, sha256},
};

/// Checks an object store, which must be empty.
///
/// # Panics
/// With the rule that the store breaks.
pub fn objects(store: &dyn ObjectStore) {
    missing_objects(store);
    ranges(store);
    versions_are_apart(store);
    a_put_is_all_or_nothing(store);
    readers_see_whole_objects(store);
    deletion(store);
}

fn missing_objects(store: &dyn ObjectStore) {
    let name = name(b"missing", 0);
    assert_eq!(store.length(&name).expect("the store can be read"), None, "nothing has no length");
    assert!(matches!(store.get(&name, 0..0), Err(ObjectError::NotFound { .. })), "nothing can't be read");
    assert!(!store.delete(&name).expect("the store can be written"), "nothing can't be deleted");
}

fn ranges(store: &dyn ObjectStore) {
    let name = name(b"ranges", 0);
    let content: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    assert_eq!(put(store, &name, &content), 300_000, "put says how long the object is");
    assert_eq!(store.length(&name).expect("the store can be read"), Some(300_000));
    for range in [0..300_000, 0..0, 300_000..300_000, 0..1, 299_999..300_000, 65_535..65_537, 100_000..200_000] {
        let expected = &content[range.start as usize..range.end as usize];
        assert_eq!(store.get(&name, range.clone()).expect("within the object"), expected, "{range:?}");
    }
    #[expect(clippy::reversed_empty_ranges, reason = "a reversed range is what is tested")]
    for range in [0..300_001, 300_001..300_001, 5..4, 0..u64::MAX, u64::MAX..0] {
        let refused = store.get(&name, range.clone());
        assert!(matches!(refused, Err(ObjectError::OutOfRange { length: 300_000, .. })), "{range:?} is refused");
    }
    put(store, &name, b"");
    assert_eq!(store.length(&name).expect("the store can be read"), Some(0), "an empty object is an object");
}

fn versions_are_apart(store: &dyn ObjectStore) {
    for (object, version) in [(b"one", 0), (b"one", 1), (b"one", u32::MAX), (b"two", 0)] {
        put(store, &name(object, version), &[&object[..], &version.to_le_bytes()].concat());
    }
    for (object, version) in [(b"one", 0), (b"one", 1), (b"one", u32::MAX), (b"two", 0)] {
        let expected = [&object[..], &version.to_le_bytes()].concat();
        assert_eq!(store.get(&name(object, version), 0..7).expect("it was put"), expected, "version {version}");
    }
}

fn a_put_is_all_or_nothing(store: &dyn ObjectStore) {
    let name = name(b"broken", 0);
    let mut broken = b"half of it".chain(Broken);
    assert!(matches!(store.put(&name, &mut broken), Err(ObjectError::Content(_))), "the content's failure is told");
    assert_eq!(store.length(&name).expect("the store can be read"), None, "half an object is none");
    put(store, &name, b"whole");
    assert!(store.put(&name, &mut b"half of it".chain(Broken)).is_err());
    assert_eq!(store.get(&name, 0..5).expect("it was put"), b"whole", "a put that fails leaves what was there");
    put(store, &name, b"other");
    assert_eq!(store.get(&name, 0..5).expect("it was put"), b"other", "a later put replaces");
}

fn readers_see_whole_objects(store: &dyn ObjectStore) {
    let name = name(b"contended", 0);
    put(store, &name, &[0; 100_000]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..30 {
                put(store, &name, &[round; 100_000]);
            }
        });
        for _ in 0..100 {
            let bytes = store.get(&name, 0..100_000).expect("it is always there");
            assert!(bytes.iter().all(|byte| *byte == bytes[0]), "a reader never sees half an object");
        }
    });
}

fn deletion(store: &dyn ObjectStore) {
    let (first, second) = (name(b"deleted", 0), name(b"deleted", 1));
    put(store, &first, b"first");
    put(store, &second, b"second");
    assert!(store.delete(&first).expect("the store can be written"), "there was one");
    assert_eq!(store.length(&first).expect("the store can be read"), None, "it is gone");
    assert_eq!(store.length(&second).expect("the store can be read"), Some(6), "other versions stay");
    assert!(!store.delete(&first).expect("the store can be written"), "there is none any more");
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

fn put(store: &dyn ObjectStore, name: &ObjectName, mut content: &[u8]) -> u64 {
    store.put(name, &mut content).expect("the store can be written")
}

fn name(object: &[u8], version: u32) -> ObjectName {
    ObjectName { object: ObjectId(sha256(object)), version }
}
