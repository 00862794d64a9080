//! Nonces per second over an 80-byte header: the project's search against a plain `sha2` loop, in one run.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use health_chain::{
    data::ports::{BatchHasher, ScalarHasher},
    data_simd::{LaneHasher, kernels},
};
use sha2::{Digest, Sha256};

const NONCES: u64 = 20_000;

/// What a newcomer would write: two full hashes of the header per nonce.
fn plain_loop(header: &[u8; 80], target: &[u8; 32]) -> Option<u32> {
    (0..NONCES as u32).find(|nonce| {
        let mut header = *header;
        header[76..].copy_from_slice(&nonce.to_le_bytes());
        let digest: [u8; 32] = Sha256::digest(Sha256::digest(header)).into();
        digest.iter().rev().le(target.iter().rev())
    })
}

fn pow_search(criterion: &mut Criterion) {
    let header: [u8; 80] = std::array::from_fn(|index| index as u8);
    let unreachable = [0; 32];
    let mut group = criterion.benchmark_group("pow_search");
    group.throughput(Throughput::Elements(NONCES));
    group.bench_function("sha2, plain loop", |bencher| {
        bencher.iter(|| plain_loop(black_box(&header), black_box(&unreachable)));
    });
    group.bench_function("scalar hasher, midstate", |bencher| {
        bencher.iter(|| ScalarHasher.search_nonce(black_box(&header), black_box(&unreachable), 0, NONCES));
    });
    for kernel in kernels() {
        let hasher = LaneHasher::with(kernel).expect("it is among those that can run");
        group.bench_function(kernel.name(), |bencher| {
            bencher.iter(|| hasher.search_nonce(black_box(&header), black_box(&unreachable), 0, NONCES));
        });
    }
    group.finish();
}

criterion_group!(benches, pow_search);
criterion_main!(benches);
