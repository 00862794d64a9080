//! Every implementation of a seam goes through the suite of that seam.

use std::{net::Ipv4Addr, num::NonZeroUsize};

use health_chain::{
    application::{
        node::ParallelVerifier,
        objects::{FolderObjects, MemoryObjects},
    },
    consensus::{ConsensusParameters, Solo, SoloParameters},
    consensus_pow::{PowParameters, ProofOfWork, Retarget, Seal},
    data::{
        Genesis, SecretKey, Timestamp,
        batch::BatchVerifier,
        ports::{ScalarHasher, SingleVerifier},
        sha256,
        state::MemoryStore,
    },
    data_sled::SledStore,
    network::{Address, MemoryHub, PeerId},
    network_quic::{QuicConfig, QuicTransport},
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
fn batch_verifier() {
    conformance::verifier(&BatchVerifier);
}

#[test]
fn parallel_verifier() {
    for threads in [1, 2, 5] {
        conformance::verifier(&ParallelVerifier::new(NonZeroUsize::new(threads).expect("not zero")));
    }
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

#[test]
fn solo_engine() {
    let key = || SecretKey::from_bytes(&[7; 32]).expect("a small number is a secret key");
    let parameters = SoloParameters { authority: key().public_key(), interval_seconds: 5 };
    let genesis =
        Genesis::new("solo", Timestamp(1_000), vec![]).with(&ConsensusParameters::default()).with(&parameters);
    let maker = || Box::new(Solo::authority(parameters, Box::new(key()))) as _;
    conformance::engine(&genesis, maker, || Box::new(Solo::follower(parameters)));
}

#[test]
fn proof_of_work_engine() {
    // One hash in 2^16: few enough to find, too many for a changed header to meet it by chance.
    let limit_bits = 0x1f00_ffff;
    for retarget in [Retarget::Asert { half_life_seconds: 3_600 }, Retarget::Bitcoin2016 { bip54: true }] {
        let parameters = PowParameters { interval_seconds: 60, retarget, limit_bits };
        let seal = Seal { bits: limit_bits, nonce: 0 }.to_bytes();
        let genesis =
            Genesis::new("pow", Timestamp(1_000), seal).with(&ConsensusParameters::default()).with(&parameters);
        let follower = || Box::new(ProofOfWork::follower(parameters).expect("sound parameters")) as _;
        let maker = || Box::new(ProofOfWork::miner(parameters).expect("sound parameters")) as _;
        conformance::engine(&genesis, maker, follower);
    }
}

#[test]
fn memory_transport() {
    let hub = MemoryHub::new();
    conformance::transport(|number| {
        let address = Address(format!("node {number}"));
        (Box::new(hub.join(PeerId(sha256(&[number])), address.clone())), address)
    });
}

#[test]
fn quic_transport() {
    conformance::transport(|number| {
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        let node_key = SecretKey::from_bytes(&[number; 32]).expect("a small number is a secret key");
        let transport = QuicTransport::bind(QuicConfig { listen, node_key }).expect("loopback has a free port");
        let address = Address(transport.local_address().to_string());
        (Box::new(transport), address)
    });
}
