//! Every kernel that this processor has gives what the scalar hasher gives.

use health_chain_data::{
    Hash, merkle,
    ports::{BatchHasher, ScalarHasher},
    pow, sha256, sha256d, tagged_hash,
};
use health_chain_data_simd::{Kernel, LaneHasher, kernels};
use proptest::prelude::*;

/// Every kernel alone, and the one that is detected, which hands what is left over to a narrower one.
fn hashers() -> Vec<LaneHasher> {
    let alone = kernels().into_iter().map(|kernel| LaneHasher::with(kernel).expect("it is among those that can run"));
    alone.chain([LaneHasher::detect()]).collect()
}

/// Bytes without a pattern, the same in every run.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

#[test]
fn the_portable_kernel_is_always_there_and_all_others_are_named() {
    assert!(kernels().contains(&Kernel::Portable));
    for kernel in Kernel::ALL {
        assert_eq!(kernel.name().parse(), Ok(kernel));
        match LaneHasher::with(kernel) {
            Ok(hasher) => assert_eq!((hasher.kernel(), hasher.name()), (kernel, kernel.name())),
            Err(error) => {
                assert_eq!(error.kernel, kernel);
                assert_eq!(error.to_string(), format!("this processor can't run the kernel {kernel}"));
                assert!(!kernels().contains(&kernel));
            }
        }
        eprintln!(
            "{kernel}: {}",
            if kernels().contains(&kernel) { "tested" } else { "NOT TESTED, not on this processor" }
        );
    }
    // No processor has both, so one refusal is always seen.
    assert!(LaneHasher::with(Kernel::ShaNi).is_err() || LaneHasher::with(Kernel::ArmSha2).is_err());
    let unknown = "avx1024".parse::<Kernel>().expect_err("there is none").to_string();
    assert!(Kernel::ALL.iter().all(|kernel| unknown.contains(kernel.name())), "{unknown}");
}

#[test]
fn every_length_to_a_thousand_in_a_batch_wider_than_any_kernel() {
    const MESSAGES: usize = 37;
    let bytes = noise(MESSAGES * 1_000 + 1);
    for hasher in hashers() {
        for length in 0..=1_000 {
            // From an odd address on, so that nothing is aligned.
            let messages = &bytes[1..][..MESSAGES * length];
            let mut digests = [Hash::ZERO; MESSAGES];
            hasher.hash_equal(length, messages, &mut digests);
            for (index, digest) in digests.iter().enumerate() {
                let message = &messages[index * length..][..length];
                assert_eq!(*digest, sha256(message), "{}: message {index} of {length} bytes", hasher.name());
            }
        }
    }
}

#[test]
fn every_number_of_messages_and_nodes() {
    let bytes = noise(100 * 119);
    let hashes: Vec<Hash> = bytes.chunks(32).map(sha256).collect();
    for hasher in hashers() {
        for count in 0..=100 {
            for length in [0, 1, 54, 55, 56, 119] {
                let mut found = vec![Hash::ZERO; count];
                let mut expected = vec![Hash::ZERO; count];
                hasher.hash_equal(length, &bytes[..count * length], &mut found);
                ScalarHasher.hash_equal(length, &bytes[..count * length], &mut expected);
                assert_eq!(found, expected, "{}: {count} messages of {length} bytes", hasher.name());
            }
            let (pairs, _) = hashes.as_chunks::<2>();
            let mut found = vec![Hash::ZERO; count];
            hasher.double_nodes(&pairs[..count], &mut found);
            let expected: Vec<Hash> =
                pairs[..count].iter().map(|[left, right]| sha256d(&[left.0, right.0].concat())).collect();
            assert_eq!(found, expected, "{}: {count} double nodes", hasher.name());
        }
        for leaves in 0..=hashes.len() {
            let expected = merkle::root_of_hashes(&hashes[..leaves]);
            assert_eq!(hasher.merkle_root(&hashes[..leaves]), expected, "{}: {leaves} leaves", hasher.name());
        }
    }
}

#[test]
fn large_trees_and_large_records() {
    let bytes = noise(40_000 * 32);
    let hashes: Vec<Hash> = bytes.chunks(32).map(sha256).collect();
    for hasher in hashers() {
        // On both sides of what is folded at once.
        for leaves in [8_191, 8_192, 8_193, 16_384, 24_577, 40_000] {
            let expected = merkle::root_of_hashes(&hashes[..leaves]);
            assert_eq!(hasher.merkle_root(&hashes[..leaves]), expected, "{}: {leaves} leaves", hasher.name());
        }
        for length in [0, 1, 65_535, 65_536, 65_537, 1_200_000] {
            let expected = merkle::root(bytes[..length].chunks(65_536));
            assert_eq!(hasher.content_root(&bytes[..length]), expected, "{}: {length} bytes", hasher.name());
        }
    }
}

#[test]
fn the_root_over_a_million_leaves() {
    let hashes: Vec<Hash> = (0..1_000_000_u32).map(|index| sha256(&index.to_le_bytes())).collect();
    let expected = ScalarHasher.merkle_root(&hashes);
    for hasher in hashers() {
        assert_eq!(hasher.merkle_root(&hashes), expected, "{}", hasher.name());
    }
}

#[test]
#[should_panic(expected = "one digest per message")]
fn a_wrong_number_of_digests_is_refused() {
    LaneHasher::detect().hash_equal(3, &[0; 7], &mut [Hash::ZERO; 2]);
}

/// The header of the tests, and the hash it has with a nonce.
fn header() -> [u8; 80] {
    core::array::from_fn(|index| (7 * index) as u8)
}

fn hash_with(nonce: u32) -> Hash {
    let mut header = header();
    header[76..].copy_from_slice(&nonce.to_le_bytes());
    sha256d(&header)
}

/// Whether the first hash is the smaller number.
fn below(left: &Hash, right: &Hash) -> bool {
    left.0.iter().rev().lt(right.0.iter().rev())
}

#[test]
fn a_hit_is_found_in_every_lane_of_every_batch_and_nowhere_else() {
    for hasher in hashers() {
        for first in [0, 5, 0x1234_5678, u32::MAX - 40] {
            // The smallest hash of a range is the only hit when it is the target; one less and there is none.
            for count in [1, 2, 3, 31, 32, 33, 64, 97] {
                let nonces = || (0..count).map(|step| first.wrapping_add(step as u32));
                let best = nonces().reduce(|a, b| if below(&hash_with(b), &hash_with(a)) { b } else { a });
                let best = best.expect("no range is empty");
                let target = hash_with(best).0;
                let found = hasher.search_nonce(&header(), &target, first, count);
                assert_eq!(found, Some(best), "{}: {count} from {first}", hasher.name());

                let mut lower = target;
                let digit = lower.iter().position(|byte| *byte > 0).expect("no hash is zero");
                lower[..digit].fill(0xff);
                lower[digit] -= 1;
                assert_eq!(hasher.search_nonce(&header(), &lower, first, count), None);

                // From the hit on, every lane in turn is the one that finds it; a range that ends before it finds nothing.
                for lead in 0..=40 {
                    let start = best.wrapping_sub(lead);
                    let expected = pow::search_nonce(&header(), &target, start, 41);
                    assert_eq!(hasher.search_nonce(&header(), &target, start, 41), expected);
                    let short = pow::search_nonce(&header(), &target, start, u64::from(lead));
                    assert_eq!(hasher.search_nonce(&header(), &target, start, u64::from(lead)), short);
                }
            }
        }
    }
}

#[test]
fn easy_and_impossible_targets() {
    for hasher in hashers() {
        assert_eq!(hasher.search_nonce(&header(), &[0xff; 32], 9, 1), Some(9));
        assert_eq!(hasher.search_nonce(&header(), &[0xff; 32], 9, u64::MAX), Some(9));
        assert_eq!(hasher.search_nonce(&header(), &[0xff; 32], 9, 0), None);
        assert_eq!(hasher.search_nonce(&header(), &[0; 32], 9, 10_000), None);
    }
}

proptest! {
    #[test]
    fn mixed_lengths_equal_the_scalar_hasher(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..60)) {
        let leaves: Vec<&[u8]> = leaves.iter().map(Vec::as_slice).collect();
        let expected = ScalarHasher.hash_leaves(&leaves);
        let tagged: Vec<Hash> = leaves.iter().map(|leaf| tagged_hash("HC/test", &[leaf])).collect();
        for hasher in hashers() {
            prop_assert_eq!(hasher.hash_leaves(&leaves), &expected[..], "{}", hasher.name());
            prop_assert_eq!(hasher.hash_tagged("HC/test", &leaves), &tagged[..], "{}", hasher.name());
        }
    }

    #[test]
    fn searches_equal_the_scalar_search(
        header in any::<[u8; 32]>(), tail in any::<[u8; 16]>(), first in any::<u32>(), count in 0_u64..400,
        low in any::<[u8; 28]>(), top in 0_u32..=u32::MAX, shift in 0_u32..12,
    ) {
        let header: [u8; 80] = [header.as_slice(), header.as_slice(), tail.as_slice()].concat().try_into().expect("80 bytes");
        let mut target = [0; 32];
        target[..28].copy_from_slice(&low);
        target[28..].copy_from_slice(&(top >> shift).to_le_bytes());
        let expected = ScalarHasher.search_nonce(&header, &target, first, count);
        for hasher in hashers() {
            prop_assert_eq!(hasher.search_nonce(&header, &target, first, count), expected, "{}", hasher.name());
        }
    }
}
