//! The suite of [`BatchHasher`].

use health_chain::data::{
    Hash,
    ports::{BatchHasher, ScalarHasher},
    sha256, sha256d,
};

/// Checks that a batch hasher returns exactly what the scalar one does, at every count around the widths of its lanes and every
/// length around the ends of blocks.
///
/// # Panics
/// With the rule that the hasher breaks.
pub fn hasher(hasher: &dyn BatchHasher) {
    assert!(!hasher.name().is_empty(), "a hasher has a name");
    equal_messages(hasher);
    leaves_and_roots(hasher);
    nonces(hasher);
}

fn equal_messages(hasher: &dyn BatchHasher) {
    for message_bytes in [0, 1, 31, 32, 33, 55, 56, 63, 64, 65, 119, 120, 128, 320] {
        for count in (0..=35).chain([64, 100]) {
            let messages = bytes(message_bytes * count);
            let mut digests = vec![Hash::ZERO; count];
            hasher.hash_equal(message_bytes, &messages, &mut digests);
            for (index, digest) in digests.iter().enumerate() {
                let message = &messages[index * message_bytes..][..message_bytes];
                assert_eq!(*digest, sha256(message), "message {index} of {count}, {message_bytes} bytes each");
            }
        }
    }
}

fn leaves_and_roots(hasher: &dyn BatchHasher) {
    for count in (0..=70).chain([127, 128, 129, 1_000]) {
        let messages: Vec<Vec<u8>> = (0..count).map(|index| bytes(index * 37 % 200)).collect();
        let leaves: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let hashes = hasher.hash_leaves(&leaves);
        assert_eq!(hashes, ScalarHasher.hash_leaves(&leaves), "leaf hashes of {count} leaves");
        assert_eq!(hasher.merkle_root(&hashes), ScalarHasher.merkle_root(&hashes), "root over {count} leaves");
    }
}

fn nonces(hasher: &dyn BatchHasher) {
    let mut header: [u8; 80] = bytes(80).try_into().expect("80 bytes were asked for");
    // About one hash in 256 counts.
    let mut target = [0xff; 32];
    target[31] = 0;
    for first in [0, 1, 7, u32::MAX - 300] {
        for count in [0, 1, 15, 16, 17, 600, 5_000] {
            let found = hasher.search_nonce(&header, &target, first, count);
            assert_eq!(found, ScalarHasher.search_nonce(&header, &target, first, count), "{count} nonces from {first}");
            if let Some(nonce) = found {
                header[76..].copy_from_slice(&nonce.to_le_bytes());
                assert_eq!(sha256d(&header).0[31], 0, "a nonce that is found meets the target");
            }
        }
    }
    assert_eq!(hasher.search_nonce(&header, &[0; 32], 0, 2_000), None, "no hash is zero");
    assert_eq!(hasher.search_nonce(&header, &[0xff; 32], 9, 2_000), Some(9), "the first nonce that counts is returned");
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 131 + at / 256) as u8).collect()
}
