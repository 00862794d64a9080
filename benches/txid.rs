//! Ids of 1,000 transactions of 320 bytes: a tagged hash each.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use health_chain::{
    data::tagged_hash,
    data_simd::{LaneHasher, kernels},
};
use sha2::{Digest, Sha256};

const TRANSACTIONS: usize = 1_000;
const TRANSACTION_BYTES: usize = 320;
const TAG: &str = "HC/tx/v1";

fn txid(criterion: &mut Criterion) {
    let bytes: Vec<u8> = (0..TRANSACTIONS * TRANSACTION_BYTES).map(|index| (index % 251) as u8).collect();
    let transactions: Vec<&[u8]> = bytes.chunks_exact(TRANSACTION_BYTES).collect();
    let mut group = criterion.benchmark_group("txid");
    group.throughput(Throughput::Elements(TRANSACTIONS as u64)).sample_size(10);
    group.bench_function("sha2, prefix hashed once", |bencher| {
        let tag = Sha256::digest(TAG);
        let prefix = Sha256::new_with_prefix(tag).chain_update(tag);
        bencher.iter(|| {
            for transaction in black_box(&transactions) {
                black_box(prefix.clone().chain_update(transaction).finalize());
            }
        });
    });
    group.bench_function("tagged_hash, one by one", |bencher| {
        bencher.iter(|| {
            for transaction in black_box(&transactions) {
                black_box(tagged_hash(TAG, &[transaction]));
            }
        });
    });
    for kernel in kernels() {
        let hasher = LaneHasher::with(kernel).expect("it is among those that can run");
        group.bench_function(kernel.name(), |bencher| {
            bencher.iter(|| hasher.hash_tagged(TAG, black_box(&transactions)))
        });
    }
    group.finish();
}

criterion_group!(benches, txid);
criterion_main!(benches);
