//! The id of a large record: the root over its chunks, many of them at a time, against one SHA-256 over all of it, which no
//! library can split. BLAKE3 is another function, and stands here for the scale only.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use health_chain::data_simd::{LaneHasher, kernels};
use sha2::{Digest, Sha256};

fn content_id(criterion: &mut Criterion) {
    for (name, length) in [("1 MiB", 1 << 20), ("64 MiB", 64 << 20)] {
        let record: Vec<u8> = (0..length).map(|index: usize| (index % 251) as u8).collect();
        let mut group = criterion.benchmark_group(format!("content_id, {name}"));
        group.throughput(Throughput::Bytes(length as u64)).sample_size(10);
        group.bench_function("sha2", |bencher| bencher.iter(|| Sha256::digest(black_box(&record))));
        group.bench_function("ring", |bencher| {
            bencher.iter(|| ring::digest::digest(&ring::digest::SHA256, black_box(&record)));
        });
        group.bench_function("blake3", |bencher| bencher.iter(|| blake3::hash(black_box(&record))));
        for kernel in kernels() {
            let hasher = LaneHasher::with(kernel).expect("it is among those that can run");
            group.bench_function(kernel.name(), |bencher| bencher.iter(|| hasher.content_root(black_box(&record))));
        }
        group.finish();
    }
}

criterion_group!(benches, content_id);
criterion_main!(benches);
