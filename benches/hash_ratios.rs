//! The ratios of `docs/benchmarks.md`, measured in turns, and the targets P1, M1, H1 and H2. Arguments choose among the
//! comparisons: pow, merkle, double, content, txid.

mod turns;

use std::hint::black_box;

use health_chain::{
    data::{
        Hash, merkle,
        ports::{BatchHasher, ScalarHasher},
        sha256, sha256d, tagged_hash,
    },
    data_simd::{LaneHasher, kernels},
};
use ring::digest::{SHA256, digest};
use rs_merkle::{Hasher, MerkleTree, algorithms::Sha256};

use self::turns::{Contestant, compare};

const TAG: &str = "HC/tx/v1";

/// One that does `work` items in a turn, to be told in millions.
fn contestant<'a>(name: impl Into<String>, work: usize, turn: impl FnMut() + 'a) -> Contestant<'a> {
    turns::contestant(name, work as f64 / 1e6, turn)
}

/// Every kernel alone, and the one that is detected.
fn hashers() -> impl Iterator<Item = (String, LaneHasher)> {
    let alone = kernels()
        .into_iter()
        .map(|kernel| (kernel.name().to_owned(), LaneHasher::with(kernel).expect("it is among those that can run")));
    alone.chain([("detected".to_owned(), LaneHasher::detect())])
}

/// Gives `contestant` the target, where it is the one that a user gets.
fn aim<'a>(contestant: Contestant<'a>, name: &str, target: &'static str, ratio: f64) -> Contestant<'a> {
    if name == "detected" { contestant.aiming_at(target, ratio) } else { contestant }
}

/// RFC 6962 hashes for rs_merkle, without the allocations of its own.
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

fn pow() {
    let header: [u8; 80] = std::array::from_fn(|index| index as u8);
    let search = |hasher: &dyn BatchHasher, count: usize| {
        black_box(hasher.search_nonce(black_box(&header), &[0; 32], 0, count as u64));
    };
    let mut all = vec![
        contestant("sha2 with midstate", 5_000, || search(&ScalarHasher, 5_000)),
        contestant("sha2, whole header", 5_000, || {
            let mut header = header;
            for nonce in 0..5_000_u32 {
                header[76..].copy_from_slice(&nonce.to_le_bytes());
                black_box(sha256d(&header));
            }
        }),
        contestant("bitcoin_hashes, whole header", 5_000, || {
            let mut header = header;
            for nonce in 0..5_000_u32 {
                header[76..].copy_from_slice(&nonce.to_le_bytes());
                black_box(<bitcoin_hashes::sha256d::Hash as bitcoin_hashes::Hash>::hash(&header));
            }
        }),
    ];
    all.extend(
        hashers()
            .map(|(name, hasher)| aim(contestant(&*name, 20_000, move || search(&hasher, 20_000)), &name, "P1", 6.0)),
    );
    compare("Nonces of an 80-byte header", "M/s", all);
}

fn tree() {
    const LEAVES: usize = 100_000;
    let hashes: Vec<Hash> = (0..LEAVES as u32).map(|index| sha256(&index.to_le_bytes())).collect();
    let bytes: Vec<[u8; 32]> = hashes.iter().map(|hash| hash.0).collect();
    let mut all = vec![
        contestant("rs_merkle, its SHA-256", LEAVES, || {
            black_box(MerkleTree::<Sha256>::from_leaves(black_box(&bytes)).root());
        }),
        contestant("rs_merkle, RFC 6962 over sha2", LEAVES, || {
            black_box(MerkleTree::<Rfc6962>::from_leaves(black_box(&bytes)).root());
        }),
        contestant("scalar hasher", LEAVES, || {
            black_box(ScalarHasher.merkle_root(black_box(&hashes)));
        }),
    ];
    let hashes = &hashes;
    all.extend(hashers().map(|(name, hasher)| {
        let root = contestant(&*name, LEAVES, move || {
            black_box(hasher.merkle_root(black_box(hashes)));
        });
        let root = if name == "sha-ni" { root.aiming_at("M1 on machines with SHA-NI only", 6.0) } else { root };
        aim(root, &name, "M1", 12.0)
    }));
    compare("Root over 100,000 leaf hashes", "M/s", all);
}

fn double() {
    const PAIRS: usize = 4_000;
    let pairs: Vec<[Hash; 2]> = (0..PAIRS as u32).map(|index| [sha256(&index.to_le_bytes()); 2]).collect();
    let pairs = &pairs;
    let mut all = vec![contestant("sha2, one by one", PAIRS, || {
        for [left, right] in pairs {
            let mut block = [0; 64];
            block[..32].copy_from_slice(left.as_bytes());
            block[32..].copy_from_slice(right.as_bytes());
            black_box(sha256d(black_box(&block)));
        }
    })];
    all.extend(hashers().map(|(name, hasher)| {
        let mut digests = vec![Hash::ZERO; PAIRS];
        contestant(name, PAIRS, move || hasher.double_nodes(black_box(pairs), black_box(&mut digests)))
    }));
    compare("SHA-256d of 64 bytes", "M/s", all);
}

/// Something to be done with a record.
type OfRecord = Box<dyn Fn(&[u8])>;

fn content() {
    for (title, length, target, ratio) in
        [("Record of 1 MiB", 1 << 20, "H1 at 1 MiB", 3.5), ("Record of 64 MiB", 64 << 20, "H1 at 64 MiB", 2.5)]
    {
        let record: Vec<u8> = (0..length).map(|index: usize| (index % 251) as u8).collect();
        let record = record.as_slice();
        let of_record = |name: &str, hash: OfRecord| contestant(name, length, move || hash(black_box(record)));
        let mut all = vec![
            of_record("sha2", Box::new(|record| _ = black_box(sha256(record)))),
            of_record("ring", Box::new(|record| _ = black_box(digest(&SHA256, record)))),
            of_record("blake3 (another function)", Box::new(|record| _ = black_box(blake3::hash(record)))),
        ];
        all.extend(hashers().map(|(name, hasher)| {
            let id = of_record(&name, Box::new(move |record| _ = black_box(hasher.content_root(record))));
            aim(id, &name, target, ratio)
        }));
        compare(title, "MB/s", all);
    }
}

fn transactions() {
    const COUNT: usize = 1_000;
    const LENGTH: usize = 320;
    let bytes: Vec<u8> = (0..COUNT * LENGTH).map(|index| (index % 251) as u8).collect();
    let messages: Vec<&[u8]> = bytes.chunks_exact(LENGTH).collect();
    let (bytes, messages) = (&bytes, &messages);
    let mut all = vec![
        contestant("sha2, one by one", COUNT, || {
            for message in messages {
                black_box(sha256(black_box(message)));
            }
        }),
        contestant("tagged_hash, one by one", COUNT, || {
            for message in messages {
                black_box(tagged_hash(TAG, &[black_box(message)]));
            }
        }),
    ];
    for (name, hasher) in hashers() {
        let mut digests = vec![Hash::ZERO; COUNT];
        let plain = contestant(format!("{name}, plain"), COUNT, move || {
            hasher.hash_equal(LENGTH, black_box(bytes), black_box(&mut digests));
        });
        all.push(aim(plain, &name, "H2", 3.5));
        all.push(contestant(format!("{name}, tagged"), COUNT, move || {
            black_box(hasher.hash_tagged(TAG, black_box(messages)));
        }));
    }
    compare("Transactions of 320 bytes", "M/s", all);
}

fn main() {
    let comparisons: [(&str, fn()); 5] =
        [("pow", pow), ("merkle", tree), ("double", double), ("content", content), ("txid", transactions)];
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, run) in comparisons {
        if chosen.is_empty() || chosen.iter().any(|wanted| wanted == name) {
            run();
        }
    }
}
