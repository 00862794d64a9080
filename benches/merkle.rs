//! Merkle root over 10^5 leaves of 320 bytes: the project's against rs_merkle's own root, with the same RFC 6962 hashes.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use health_chain::{
    data::{
        Hash, merkle,
        ports::{BatchHasher, ScalarHasher},
    },
    data_simd::{LaneHasher, kernels},
};
use rs_merkle::{Hasher, MerkleTree};

const LEAVES: usize = 100_000;
const LEAF_BYTES: usize = 320;

/// RFC 6962 hashes for rs_merkle, written against its interface alone.
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        merkle::leaf_hash(data).0
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        right.map_or(*left, |right| merkle::node_hash(&Hash(*left), &Hash(*right)).0)
    }
}

fn merkle_root(criterion: &mut Criterion) {
    let bytes: Vec<u8> = (0..LEAVES * LEAF_BYTES).map(|index| (index % 251) as u8).collect();
    let leaves: Vec<&[u8]> = bytes.chunks_exact(LEAF_BYTES).collect();
    let mut group = criterion.benchmark_group("merkle");
    group.throughput(Throughput::Elements(LEAVES as u64)).sample_size(10);
    group.bench_function("rs_merkle, own root", |bencher| {
        bencher.iter(|| {
            let hashes: Vec<[u8; 32]> = black_box(&leaves).iter().map(|leaf| Rfc6962::hash(leaf)).collect();
            MerkleTree::<Rfc6962>::from_leaves(&hashes).root()
        });
    });
    group.bench_function("scalar hasher", |bencher| {
        bencher.iter(|| ScalarHasher.merkle_root(&ScalarHasher.hash_leaves(black_box(&leaves))));
    });
    for kernel in kernels() {
        let hasher = LaneHasher::with(kernel).expect("it is among those that can run");
        group.bench_function(kernel.name(), |bencher| {
            bencher.iter(|| hasher.merkle_root(&hasher.hash_leaves(black_box(&leaves))));
        });
    }
    group.finish();
}

criterion_group!(benches, merkle_root);
criterion_main!(benches);
