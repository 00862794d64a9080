//! Published vectors through every kernel that this processor has: NIST's CAVP, and blocks and headers of Bitcoin.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "the helpers of tests are tests")]

use std::{fs, path::Path};

use health_chain_data::{BlockId, Hash, ports::BatchHasher, pow, sha256d};
use health_chain_data_simd::{LaneHasher, kernels};

fn hashers() -> Vec<LaneHasher> {
    let alone = kernels().into_iter().map(|kernel| LaneHasher::with(kernel).unwrap());
    alone.chain([LaneHasher::detect()]).collect()
}

/// A file of the published vectors, which lie beside the checkout; says so where they don't.
fn published(path: &str) -> Option<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors").join(path);
    let bytes = fs::read(&file).ok();
    if bytes.is_none() {
        eprintln!("SKIPPED: no {}", file.display());
    }
    bytes
}

/// The values behind `name = ` in a file of the CAVP's form, in order.
fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let value =
        |line: &'a str| line.split_once('=').filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    text.lines().filter_map(value).collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2).map(|index| u8::from_str_radix(&digits[2 * index..][..2], 16).unwrap()).collect()
}

#[test]
fn cavp_short_messages() {
    let Some(text) = published("crypto/sha256/SHA256ShortMsg.rsp") else { return };
    let text = String::from_utf8(text).unwrap();
    let (lengths, messages, digests) = (values(&text, "Len"), values(&text, "Msg"), values(&text, "MD"));
    assert_eq!((lengths.len(), messages.len(), digests.len()), (65, 65, 65));
    for hasher in hashers() {
        for ((bits, message), digest) in lengths.iter().zip(&messages).zip(&digests) {
            let bytes = bits.parse::<usize>().unwrap() / 8;
            // In every lane of a wide batch, and alone.
            for copies in [33, 1] {
                let batch = unhex(message)[..bytes].repeat(copies);
                let mut found = vec![Hash::ZERO; copies];
                hasher.hash_equal(bytes, &batch, &mut found);
                assert!(found.iter().all(|hash| hash.to_hex() == *digest), "{}: {bits} bits", hasher.name());
            }
        }
    }
}

#[test]
fn cavp_chains_side_by_side() {
    let Some(text) = published("crypto/sha256/SHA256Monte.rsp") else { return };
    let text = String::from_utf8(text).unwrap();
    let digests: Vec<Hash> = values(&text, "MD").into_iter().map(|digits| Hash::from_hex(digits).unwrap()).collect();
    let seed = Hash::from_hex(values(&text, "Seed")[0]).unwrap();
    assert_eq!(digests.len(), 100);
    // Each of the hundred chains of a thousand begins with the end of the one before: all can be followed at once.
    for hasher in hashers() {
        let seeds: Vec<Hash> = [&[seed], &digests[..99]].concat();
        let (mut oldest, mut middle, mut newest) = (seeds.clone(), seeds.clone(), seeds);
        for _ in 0..1000 {
            let batch: Vec<u8> =
                (0..100).flat_map(|chain| [oldest[chain].0, middle[chain].0, newest[chain].0].concat()).collect();
            let mut next = vec![Hash::ZERO; 100];
            hasher.hash_equal(96, &batch, &mut next);
            (oldest, middle, newest) = (middle, newest, next);
        }
        assert_eq!(newest, digests, "{}", hasher.name());
    }
}

/// The target that a header's compact form stands for, little-endian (all published headers have exponents above 3).
fn target_of(header: &[u8; 80]) -> [u8; 32] {
    let exponent = usize::from(header[75]);
    let mut target = [0; 32];
    target[exponent - 3..exponent].copy_from_slice(&header[72..75]);
    target
}

fn nonce_of(header: &[u8; 80]) -> u32 {
    u32::from_le_bytes(*header.last_chunk().unwrap())
}

#[test]
fn bitcoin_headers_meet_their_targets_at_their_nonces_and_not_before() {
    let Some(bytes) = published("bitcoin/headers/mainnet_0_10236.bin") else { return };
    let Some(late) = published("bitcoin/headers/mainnet_822528_826560.bin") else { return };
    let (headers, rest) = bytes.as_chunks::<80>();
    let (late, late_rest) = late.as_chunks::<80>();
    assert_eq!((headers.len(), late.len(), rest.len() + late_rest.len()), (10_237, 4_033, 0));
    for hasher in hashers() {
        for (index, header) in headers.iter().chain(late).enumerate().step_by(7) {
            let (target, nonce) = (target_of(header), nonce_of(header));
            assert!(pow::meets_target(&sha256d(header), &target));
            // The hit moves through the lanes from header to header.
            let lead = (index / 7 % 67) as u32;
            let found = hasher.search_nonce(header, &target, nonce.wrapping_sub(lead), 100);
            assert_eq!(found, Some(nonce), "{}: header {index}", hasher.name());
            assert_eq!(hasher.search_nonce(header, &target, nonce.wrapping_sub(lead), u64::from(lead)), None);
        }
    }
}

#[test]
fn bitcoin_headers_hash_to_the_ids_that_their_successors_name() {
    let Some(bytes) = published("bitcoin/headers/mainnet_0_10236.bin") else { return };
    let (headers, _) = bytes.as_chunks::<80>();
    for hasher in hashers() {
        for (index, pair) in headers.windows(2).enumerate().step_by(11) {
            let (nonce, lead) = (nonce_of(&pair[0]), (index / 11 % 67) as u32);
            // With the id itself as the target, the header's hash is at most that; with one less, it is no less.
            let mut target: [u8; 32] = *pair[1][4..].first_chunk().unwrap();
            let found = hasher.search_nonce(&pair[0], &target, nonce.wrapping_sub(lead), 100);
            assert_eq!(found, Some(nonce), "{}: header {index}", hasher.name());
            let digit = target.iter().position(|byte| *byte > 0).unwrap();
            target[..digit].fill(0xff);
            target[digit] -= 1;
            assert_eq!(hasher.search_nonce(&pair[0], &target, nonce.wrapping_sub(lead), 100), None);
        }
    }
}

#[test]
fn the_nonce_of_the_genesis_block_is_found() {
    let Some(bytes) = published("bitcoin/headers/mainnet_0_10236.bin") else { return };
    let genesis: &[u8; 80] = bytes.first_chunk().unwrap();
    let mut unsolved = *genesis;
    unsolved[76..].fill(0);
    for hasher in hashers() {
        let found = hasher.search_nonce(&unsolved, &target_of(genesis), 2_083_236_893 - 100_000, 1 << 32).unwrap();
        assert_eq!(found, 2_083_236_893, "{}", hasher.name());
        unsolved[76..].copy_from_slice(&found.to_le_bytes());
        let mut digest = sha256d(&unsolved).0;
        digest.reverse();
        let id = BlockId(Hash(digest));
        assert_eq!(id.to_string(), "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    }
}

/// The hashes in a JSON array of 64-digit strings under `name`.
fn hashes(json: &str, name: &str) -> Vec<Hash> {
    let list = json.split_once(&format!("\"{name}\"")).unwrap().1;
    list[list.find('[').unwrap()..list.find(']').unwrap()].split('"').filter_map(Hash::from_hex).collect()
}

/// Bitcoin's tree: SHA-256d of pairs, an odd node paired with itself.
fn bitcoin_root(hasher: &LaneHasher, mut nodes: Vec<Hash>) -> Hash {
    while nodes.len() > 1 {
        if nodes.len() % 2 == 1 {
            nodes.extend(nodes.last().copied());
        }
        let mut above = vec![Hash::ZERO; nodes.len() / 2];
        hasher.double_nodes(nodes.as_chunks().0, &mut above);
        nodes = above;
    }
    nodes[0]
}

#[test]
fn double_nodes_give_the_roots_of_bitcoin_blocks() {
    for height in [169_482, 227_835, 300_025, 413_567, 482_683] {
        let Some(json) = published(&format!("bitcoin/blocks/{height}.json")) else { return };
        let Some(raw) = published(&format!("bitcoin/blocks/{height}.raw")) else { return };
        let ids = hashes(&String::from_utf8(json).unwrap(), "txids_internal_order");
        assert!(ids.len() > 1, "block {height} has many transactions");
        for hasher in hashers() {
            assert_eq!(bitcoin_root(&hasher, ids.clone()).0, raw[36..68], "{}: block {height}", hasher.name());
        }
    }
}
