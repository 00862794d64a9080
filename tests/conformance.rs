//! Every implementation of a seam goes through the suite of that seam.

use health_chain::{
    application::objects::{FolderObjects, MemoryObjects},
    data::{
        SecretKey,
        ports::{ScalarHasher, SingleVerifier},
        state::MemoryStore,
    },
    data_sled::SledStore,
};
use health_chain_testkit::conformance;

#[test]
fn memory_store() {
    conformance::store(|| Box::<MemoryStore>::default());
}

#[test]
fn sled_store() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut stores = 0;
    conformance::store(|| {
        stores += 1;
        Box::new(SledStore::open(&folder.path().join(stores.to_string())).expect("a new store opens"))
    });
}

#[test]
fn scalar_hasher() {
    conformance::hasher(&ScalarHasher);
}

#[test]
fn single_verifier() {
    conformance::verifier(&SingleVerifier);
}

#[test]
fn memory_objects() {
    conformance::objects(&MemoryObjects::default());
}

#[test]
fn folder_objects() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    conformance::objects(&FolderObjects::open(folder.path()).expect("a new store opens"));
}

#[test]
fn secret_key_signer() {
    let key = SecretKey::from_bytes(&[7; 32]).expect("a small number is a secret key");
    conformance::signer(&key);
}
