//! Properties of sealed objects: what was sealed opens, and anything else is refused.

use std::sync::{Arc, Mutex};

use health_chain_data::{
    Hash, ObjectId,
    merkle::{InclusionProof, leaf_hash},
    ports::{BatchHasher, ScalarHasher},
    seal::{
        CHUNK_BYTES, CHUNK_TAG_BYTES, HEADER_BYTES, OpenError, Opener, SEALED_CHUNK_BYTES, SealError, Sealed, Sealer,
        SealingKey, ct_root, ct_root_by, leaves, open, padme, seal, sealed_bytes,
    },
    sha256,
};
use proptest::prelude::*;

const OBJECT: ObjectId = ObjectId(Hash([7; 32]));
const VERSION: u32 = 3;

fn plaintext(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 + index / 251) as u8).collect()
}

fn sealed(length: usize) -> Sealed {
    seal(SealingKey::new(&[1; 32]), &OBJECT, VERSION, &[2; 24], &plaintext(length)).expect("short enough")
}

fn opened(sealed: &Sealed, bytes: &[u8]) -> Result<Vec<u8>, OpenError> {
    open(&sealed.receipt.key, &OBJECT, VERSION, bytes)
}

/// A length whose content, padded, is exactly `chunks` full chunks.
fn full(chunks: usize) -> usize {
    let length = chunks * CHUNK_BYTES - 8;
    assert_eq!(padme(length as u64 + 8), (chunks * CHUNK_BYTES) as u64);
    length
}

#[test]
fn lengths_around_every_border_come_back() {
    let borders = [0, 1, 2, 7, 8, 9, 100, CHUNK_BYTES - 9, full(1), full(1) + 1, full(2) - 1, full(2), full(2) + 1];
    for length in borders {
        let sealed = sealed(length);
        assert_eq!(opened(&sealed, &sealed.bytes), Ok(plaintext(length)), "{length}");
        assert_eq!(sealed_bytes(length as u64), Ok(sealed.bytes.len() as u64), "{length}");
        assert_eq!(sealed.receipt.sealed_bytes, sealed.bytes.len() as u64);
        assert_eq!(sealed.receipt.ct_root, ct_root(&sealed.bytes));
    }
}

#[test]
fn every_flipped_bit_of_a_small_object_is_refused() {
    let sealed = sealed(50);
    for bit in 0..sealed.bytes.len() * 8 {
        let mut bytes = sealed.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = opened(&sealed, &bytes).expect_err("a changed object");
        let named = match bit / 8 {
            0..4 => matches!(error, OpenError::Magic),
            4..6 => matches!(error, OpenError::Suite { .. }),
            6..38 => matches!(error, OpenError::OtherObject { .. }),
            38..42 => matches!(error, OpenError::OtherVersion { .. }),
            42..HEADER_BYTES => matches!(error, OpenError::KeyCommitment),
            _ => matches!(error, OpenError::Chunk { index: 0 }),
        };
        assert!(named, "bit {bit}: {error}");
        assert_ne!(ct_root(&bytes), sealed.receipt.ct_root);
    }
}

#[test]
fn every_shorter_and_longer_object_is_refused() {
    let sealed = sealed(50);
    for length in 0..sealed.bytes.len() {
        assert!(opened(&sealed, &sealed.bytes[..length]).is_err(), "{length} bytes");
    }
    for more in 1..40 {
        assert!(opened(&sealed, &[&sealed.bytes[..], &vec![0; more]].concat()).is_err(), "{more} bytes more");
    }
}

#[test]
fn chunks_that_are_cut_added_or_moved_are_named() {
    let sealed = sealed(full(3));
    let (header, chunks) = sealed.bytes.split_at(HEADER_BYTES);
    let chunks: Vec<&[u8]> = chunks.chunks(SEALED_CHUNK_BYTES).collect();
    assert_eq!(chunks.len(), 3);
    let object = |order: &[usize]| {
        let chosen = order.iter().map(|index| chunks[*index]).collect::<Vec<_>>().concat();
        opened(&sealed, &[header, &chosen].concat())
    };
    assert_eq!(object(&[0, 1, 2]), Ok(plaintext(full(3))));
    assert_eq!(object(&[]), Err(OpenError::Chunk { index: 0 }));
    assert_eq!(object(&[0]), Err(OpenError::Truncated { index: 0 }));
    assert_eq!(object(&[0, 1]), Err(OpenError::Truncated { index: 1 }));
    assert_eq!(object(&[0, 1, 2, 2]), Err(OpenError::TrailingBytes { index: 2 }));
    assert_eq!(object(&[0, 1, 1, 2]), Err(OpenError::Chunk { index: 2 }));
    assert_eq!(object(&[1, 0, 2]), Err(OpenError::Chunk { index: 0 }));
    assert_eq!(object(&[0, 2, 1]), Err(OpenError::Chunk { index: 1 }));
    assert_eq!(object(&[0, 2]), Err(OpenError::Chunk { index: 1 }));
}

#[test]
fn a_wrong_key_or_name_is_refused_before_any_chunk() {
    let one = sealed(10);
    let other = seal(SealingKey::new(&[9; 32]), &OBJECT, VERSION, &[2; 24], &plaintext(10)).unwrap();
    assert_eq!(open(&other.receipt.key, &OBJECT, VERSION, &one.bytes), Err(OpenError::KeyCommitment));
    let elsewhere = ObjectId(sha256(b"elsewhere"));
    assert_eq!(open(&one.receipt.key, &elsewhere, VERSION, &one.bytes), Err(OpenError::OtherObject { found: OBJECT }));
    assert_eq!(
        open(&one.receipt.key, &OBJECT, VERSION + 1, &one.bytes),
        Err(OpenError::OtherVersion { found: VERSION })
    );
}

#[test]
fn nothing_of_a_chunk_that_does_not_authenticate_is_released() {
    let sealed = sealed(full(3));
    let mut bytes = sealed.bytes.clone();
    bytes[HEADER_BYTES + SEALED_CHUNK_BYTES + 5] ^= 1;
    let (header, chunks) = bytes.split_first_chunk().unwrap();
    let mut opener = Opener::new(&sealed.receipt.key, &OBJECT, VERSION, header).unwrap();
    let mut out = Vec::new();
    assert_eq!(opener.write(chunks, &mut out), Err(OpenError::Chunk { index: 1 }));
    assert_eq!(out, plaintext(full(3))[..CHUNK_BYTES - 8]);
    assert_eq!(opener.write(&[], &mut out), Err(OpenError::Chunk { index: 1 }), "an opener that failed stays so");
    assert_eq!(opener.finish(&mut out), Err(OpenError::Chunk { index: 1 }));
    assert_eq!(out.len(), CHUNK_BYTES - 8);
}

#[test]
fn a_length_that_was_not_announced_is_refused() {
    let mut out = Vec::new();
    let begin = |out: &mut Vec<u8>| Sealer::new(SealingKey::new(&[1; 32]), &OBJECT, VERSION, &[2; 24], 5, out).unwrap();
    let more = SealError::LengthMismatch { announced_bytes: 5, found_bytes: 6 };
    assert_eq!(begin(&mut out).write(b"sixsix", &mut out), Err(more));
    let mut sealer = begin(&mut out);
    sealer.write(b"four", &mut out).unwrap();
    let fewer = SealError::LengthMismatch { announced_bytes: 5, found_bytes: 4 };
    assert_eq!(sealer.finish(&mut out).err(), Some(fewer));
    assert_eq!(
        Sealer::new(SealingKey::new(&[1; 32]), &OBJECT, VERSION, &[2; 24], u64::MAX, &mut out).err(),
        Some(SealError::TooLong { plaintext_bytes: u64::MAX })
    );
}

#[test]
fn padding_costs_little_and_hides_lengths() {
    for length in 1..100_000_u64 {
        let padded = padme(length);
        assert!(padded >= length && (padded - length) * 100 <= length * 12, "{length}");
        assert_eq!(padme(padded), padded);
    }
    // From the definition: 1000 = 2^9 + ... has exponent 9, of which 4 bits stay: steps of 32.
    assert_eq!((padme(9), padme(1000), padme(1 << 20)), (10, 1024, 1 << 20));
    assert_eq!(padme((1 << 20) + 1), (1 << 20) + (1 << 15));
    assert_eq!(sealed(8_193).bytes.len(), sealed(8_400).bytes.len());
}

/// A hasher that notes how many leaves it was given at a time.
#[derive(Default)]
struct Noting(Mutex<Vec<usize>>);

impl BatchHasher for Noting {
    fn name(&self) -> &'static str {
        "noting"
    }

    fn hash_leaves(&self, leaves: &[&[u8]]) -> Vec<Hash> {
        self.0.lock().expect("no test panics here").push(leaves.len());
        ScalarHasher.hash_leaves(leaves)
    }
}

#[test]
fn chunks_sealed_by_one_call_are_hashed_together() {
    let (hasher, mut out) = (Arc::new(Noting::default()), Vec::new());
    let key = SealingKey::new(&[1; 32]);
    let sealer = Sealer::new(key, &OBJECT, VERSION, &[2; 24], full(9) as u64, &mut out).unwrap();
    let mut sealer = sealer.hash_by(Arc::clone(&hasher) as Arc<dyn BatchHasher>);
    sealer.write(&plaintext(full(9)), &mut out).unwrap();
    let receipt = sealer.finish(&mut out).unwrap();
    assert!(hasher.0.lock().unwrap().contains(&8), "the final chunk is known only at the end");
    assert_eq!(out, sealed(full(9)).bytes);
    assert_eq!(receipt.ct_root, ct_root(&out));
    assert_eq!(ct_root_by(&*hasher, &out), ct_root(&out));
}

#[test]
fn one_chunk_can_be_proven() {
    let sealed = sealed(full(3));
    let hashes: Vec<Hash> = leaves(&sealed.bytes).map(leaf_hash).collect();
    let proof = InclusionProof::build(&hashes, 2).unwrap();
    let range = HEADER_BYTES + SEALED_CHUNK_BYTES..HEADER_BYTES + 2 * SEALED_CHUNK_BYTES;
    assert_eq!(proof.verify(&leaf_hash(&sealed.bytes[range]), &sealed.receipt.ct_root), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_of_any_size_give_the_same_object(
        length in 0_usize..3 * CHUNK_BYTES,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let whole = sealed(length);
        let pieces = |bytes: &[u8]| -> Vec<Vec<u8>> {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            cuts.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
        };
        let mut out = Vec::new();
        let key = SealingKey::new(&[1; 32]);
        let mut sealer = Sealer::new(key, &OBJECT, VERSION, &[2; 24], length as u64, &mut out).unwrap();
        for piece in pieces(&plaintext(length)) {
            sealer.write(&piece, &mut out).unwrap();
        }
        let receipt = sealer.finish(&mut out).unwrap();
        prop_assert_eq!(receipt.ct_root, whole.receipt.ct_root);
        prop_assert!(out == whole.bytes);

        let (header, chunks) = out.split_first_chunk().unwrap();
        let mut opener = Opener::new(&receipt.key, &OBJECT, VERSION, header).unwrap();
        let mut back = Vec::new();
        for piece in pieces(chunks) {
            opener.write(&piece, &mut back).unwrap();
        }
        opener.finish(&mut back).unwrap();
        prop_assert!(back == plaintext(length));
    }

    #[test]
    fn a_changed_object_is_refused(
        length in 0_usize..3 * CHUNK_BYTES,
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
        cut in any::<prop::sample::Index>(),
        more in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let sealed = sealed(length);
        let mut flipped = sealed.bytes.clone();
        flipped[at.index(sealed.bytes.len())] ^= 1 << bit;
        prop_assert!(opened(&sealed, &flipped).is_err());
        prop_assert!(opened(&sealed, &sealed.bytes[..cut.index(sealed.bytes.len())]).is_err());
        let longer = [&sealed.bytes[..], &more].concat();
        prop_assert!(opened(&sealed, &longer).is_err());
        prop_assert!(ct_root(&longer) != sealed.receipt.ct_root);
    }

    #[test]
    fn openers_survive_anything(bytes in prop::collection::vec(any::<u8>(), 0..400), keep in 0_usize..HEADER_BYTES + 1) {
        let sealed = sealed(20);
        let hostile = [&sealed.bytes[..keep], &bytes].concat();
        prop_assert!(opened(&sealed, &hostile).is_err());
        prop_assert_eq!(sealed.bytes.len() % SEALED_CHUNK_BYTES, HEADER_BYTES + 28 + CHUNK_TAG_BYTES);
    }
}
