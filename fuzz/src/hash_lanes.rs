//! Every kernel that the processor has against the scalar hasher.

use health_chain::{
    data::{
        Hash, merkle,
        ports::{BatchHasher, ScalarHasher},
        pow::meets_target,
        sha256d, tagged_hash,
    },
    data_simd::{CHUNK_BYTES, LaneHasher, kernels},
};

use super::{Outcome, input::Input};

/// More than any kernel has lanes, twice over.
const MAX_MESSAGES: usize = 70;
const MAX_MESSAGE_BYTES: usize = 1_000;
const MAX_NONCES: u64 = 300;
const TAG: &str = "HC/tx/v1";

/// A byte that says what is to be done, a number of messages, a length, an offset by which nothing is aligned, and what the
/// messages are filled with.
pub fn hash_lanes(data: &[u8]) -> Outcome {
    let mut input = Input::new(data);
    let (what, count) = (input.byte(), usize::from(input.byte()) % (MAX_MESSAGES + 1));
    let (length, offset) = (usize::from(input.u16()) % (MAX_MESSAGE_BYTES + 1), usize::from(input.byte()) % 64);
    match what % 6 {
        0 => equal(count, length, offset, input.rest()),
        1 => mixed(count, length, offset, input),
        2 => roots(count, length, input.rest()),
        3 => double(count, offset, input.rest()),
        4 => content(length, offset, input.rest()),
        _ => search(input),
    }
}

/// Every kernel alone, and the one that is detected.
fn each(mut holds: impl FnMut(LaneHasher)) {
    for kernel in kernels() {
        holds(LaneHasher::with(kernel).expect("it is among those that can run"));
    }
    holds(LaneHasher::detect());
}

/// As many bytes, from the offset on in memory that is aligned to nothing.
fn filled(count: usize, offset: usize, filling: &[u8]) -> Vec<u8> {
    let filling = if filling.is_empty() { &[0xa5] } else { filling };
    filling.iter().copied().cycle().take(offset + count).collect()
}

fn hashes(count: usize, filling: &[u8]) -> Vec<Hash> {
    filled(32 * count, 0, filling).chunks(32).map(|bytes| Hash(bytes.try_into().expect("cut to 32"))).collect()
}

fn equal(count: usize, length: usize, offset: usize, filling: &[u8]) -> Outcome {
    let bytes = filled(count * length, offset, filling);
    let mut expected = vec![Hash::ZERO; count];
    ScalarHasher.hash_equal(length, &bytes[offset..], &mut expected);
    each(|hasher| {
        // What was there before must not matter.
        let mut found = vec![Hash([0xee; 32]); count];
        hasher.hash_equal(length, &bytes[offset..], &mut found);
        assert_eq!(found, expected, "{}: {count} of {length} bytes", hasher.name());
    });
    "equal"
}

fn mixed(count: usize, length: usize, offset: usize, mut input: Input<'_>) -> Outcome {
    let lengths: Vec<usize> = input.bytes(count).iter().map(|byte| usize::from(*byte) * (length + 1) / 64).collect();
    let bytes = filled(lengths.iter().sum(), offset, input.rest());
    let mut rest = &bytes[offset..];
    let messages: Vec<&[u8]> = lengths.iter().map(|length| rest.split_off(..*length).expect("as many")).collect();
    let leaves = ScalarHasher.hash_leaves(&messages);
    let tagged: Vec<Hash> = messages.iter().map(|message| tagged_hash(TAG, &[message])).collect();
    each(|hasher| {
        assert_eq!(hasher.hash_leaves(&messages), leaves, "{}: {lengths:?}", hasher.name());
        assert_eq!(hasher.hash_tagged(TAG, &messages), tagged, "{}: {lengths:?}", hasher.name());
    });
    "mixed"
}

fn roots(count: usize, length: usize, filling: &[u8]) -> Outcome {
    let leaves = hashes(count + length, filling);
    let expected = merkle::root_of_hashes(&leaves);
    each(|hasher| assert_eq!(hasher.merkle_root(&leaves), expected, "{}: {} leaves", hasher.name(), leaves.len()));
    "roots"
}

fn double(count: usize, offset: usize, filling: &[u8]) -> Outcome {
    let hashes = hashes(2 * count + offset % 2, filling);
    let (pairs, _) = hashes[offset % 2..].as_chunks::<2>();
    let expected: Vec<Hash> = pairs.iter().map(|[left, right]| sha256d(&[left.0, right.0].concat())).collect();
    each(|hasher| {
        let mut found = vec![Hash([0xee; 32]); count];
        hasher.double_nodes(pairs, &mut found);
        assert_eq!(found, expected, "{}: {count} pairs", hasher.name());
    });
    "double"
}

/// Around the end of a chunk.
fn content(length: usize, offset: usize, filling: &[u8]) -> Outcome {
    let count = CHUNK_BYTES + length - MAX_MESSAGE_BYTES / 2;
    let record = filled(count, offset, filling);
    let record = &record[offset..];
    let expected = merkle::root(record.chunks(CHUNK_BYTES));
    each(|hasher| assert_eq!(hasher.content_root(record), expected, "{}: {count} bytes", hasher.name()));
    "content"
}

fn search(mut input: Input<'_>) -> Outcome {
    let (first, count) = (input.u32(), u64::from(input.u16()) % MAX_NONCES);
    let mut target: [u8; 32] = input.array();
    // One nonce in some hundred, so that both answers are frequent.
    target[31] &= 0x01;
    let header: [u8; 80] = input.array();
    let expected = (0..count).map(|step| first.wrapping_add(step as u32)).find(|nonce| {
        let mut header = header;
        header[76..].copy_from_slice(&nonce.to_le_bytes());
        meets_target(&sha256d(&header), &target)
    });
    each(|hasher| {
        let found = hasher.search_nonce(&header, &target, first, count);
        assert_eq!(found, expected, "{}: {count} from {first}", hasher.name());
    });
    if expected.is_some() { "found" } else { "not found" }
}
