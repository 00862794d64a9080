//! 1,024 messages of one length, hashed as a batch by every kernel this processor has, and one by one by other libraries.
//! BLAKE3 is another function, and stands here for the scale only.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use health_chain::{
    data::{
        Hash,
        ports::{BatchHasher, ScalarHasher},
    },
    data_simd::{LaneHasher, kernels},
};
use sha2::{Digest, Sha256};

const MESSAGES: usize = 1_024;

fn hash_lanes(criterion: &mut Criterion) {
    for length in [32, 100, 1_000] {
        let bytes: Vec<u8> = (0..MESSAGES * length).map(|index| (index % 251) as u8).collect();
        let mut digests = vec![Hash::ZERO; MESSAGES];
        let mut group = criterion.benchmark_group(format!("hash_lanes, {length} bytes"));
        group.throughput(Throughput::Elements(MESSAGES as u64)).sample_size(10);
        let mut each = |name: &str, hash: fn(&[u8])| {
            group.bench_function(name, |bencher| bencher.iter(|| black_box(&bytes).chunks(length).for_each(hash)));
        };
        each("sha2", |message| {
            black_box(Sha256::digest(message));
        });
        each("ring", |message| {
            black_box(ring::digest::digest(&ring::digest::SHA256, message));
        });
        each("bitcoin_hashes", |message| {
            black_box(<bitcoin_hashes::sha256::Hash as bitcoin_hashes::Hash>::hash(message));
        });
        each("blake3", |message| {
            black_box(blake3::hash(message));
        });
        let mut batch = |name: &str, hasher: &dyn BatchHasher| {
            group.bench_function(name, |bencher| {
                bencher.iter(|| hasher.hash_equal(length, black_box(&bytes), black_box(&mut digests)));
            });
        };
        batch("scalar hasher", &ScalarHasher);
        for kernel in kernels() {
            batch(kernel.name(), &LaneHasher::with(kernel).expect("it is among those that can run"));
        }
        group.finish();
    }
}

criterion_group!(benches, hash_lanes);
criterion_main!(benches);
