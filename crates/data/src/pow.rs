//! The scalar nonce search over an 80-byte header: what every faster kernel must agree with.

use sha2::block_api::compress256;

use crate::hash::Hash;

const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The first nonce in `first..first + count` (wrapping at 2^32) whose header hashes to at most `target`, both compared as
/// little-endian numbers. The first 64 bytes are compressed once ("midstate"); each nonce costs two compressions.
pub fn search_nonce(header: &[u8; 80], target: &[u8; 32], first: u32, count: u64) -> Option<u32> {
    let (head, tail) = header.split_at(64);
    let mut midstate = INITIAL;
    let mut block: [u8; 64] = head.try_into().expect("a split at 64 leaves 64 bytes");
    compress256(&mut midstate, &[block]);

    // The second block: 16 bytes of header, padding, and the length of 640 bits.
    block = [0; 64];
    block[..16].copy_from_slice(tail);
    block[16] = 0x80;
    block[62..].copy_from_slice(&640_u16.to_be_bytes());
    // The second hash: 32 bytes of digest, padding, and the length of 256 bits.
    let mut outer = [0; 64];
    outer[32] = 0x80;
    outer[62..].copy_from_slice(&256_u16.to_be_bytes());

    for step in 0..count {
        let nonce = first.wrapping_add(step as u32);
        block[12..16].copy_from_slice(&nonce.to_le_bytes());
        let mut state = midstate;
        compress256(&mut state, &[block]);
        write_digest(&state, &mut outer);
        let mut state = INITIAL;
        compress256(&mut state, &[outer]);
        let mut digest = [0; 64];
        write_digest(&state, &mut digest);
        let digest: &[u8; 32] = digest.first_chunk().expect("64 bytes begin with 32");
        if at_most(digest, target) {
            return Some(nonce);
        }
    }
    None
}

/// Whether a digest, read as a little-endian number, is at most `target`.
pub fn meets_target(digest: &Hash, target: &[u8; 32]) -> bool {
    at_most(digest.as_bytes(), target)
}

fn at_most(number: &[u8; 32], limit: &[u8; 32]) -> bool {
    number.iter().rev().le(limit.iter().rev())
}

fn write_digest(state: &[u32; 8], bytes: &mut [u8; 64]) {
    for (word, chunk) in state.iter().zip(bytes.chunks_exact_mut(4)) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256d;

    fn header() -> [u8; 80] {
        core::array::from_fn(|index| index as u8)
    }

    fn naive(target: &[u8; 32], first: u32, count: u64) -> Option<u32> {
        (0..count).map(|step| first.wrapping_add(step as u32)).find(|nonce| {
            let mut header = header();
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            meets_target(&sha256d(&header), target)
        })
    }

    #[test]
    fn finds_what_a_naive_loop_finds() {
        let mut target = [0xff; 32];
        target[31] = 0x03;
        for first in [0, 1, 1000, u32::MAX - 20] {
            let found = search_nonce(&header(), &target, first, 2000);
            assert_eq!(found, naive(&target, first, 2000));
            assert!(found.is_some(), "one in 64 hashes meets this target");
        }
        assert_eq!(search_nonce(&header(), &[0; 32], 0, 100), None);
        assert_eq!(search_nonce(&header(), &[0xff; 32], 5, 0), None);
    }
}
