//! The search for a nonce: what is computed once per header, and the walk over a kernel's batches.

use health_chain_data::{pow, sha256d};

use crate::{
    arch::engine::Engine,
    sha256::{Block, INITIAL, big_endian_words, compress, rounds},
};

/// A header as the kernels take it: everything done that does not depend on the nonce.
pub(crate) struct Puzzle {
    /// The state after the first 64 bytes.
    pub(crate) midstate: [u32; 8],
    /// That state after the first two rounds over the second block.
    #[cfg(target_arch = "x86_64")]
    pub(crate) after_two: [u32; 8],
    /// After the first four, with the nonce taken as zero: the nonce is a term of the words `a` and `e`.
    pub(crate) after_four: [u32; 8],
    /// The first three words of the second block; the fourth is the nonce.
    pub(crate) tail: [u32; 3],
    /// The most that the top 32 bits of a hash may be.
    pub(crate) limit: u32,
}

impl Puzzle {
    pub(crate) fn new(header: &[u8; 80], target: &[u8; 32]) -> Self {
        let (head, rest) = header.split_first_chunk::<64>().expect("80 bytes begin with 64");
        let midstate = compress(&INITIAL, head);
        let mut block: Block = [0; 64];
        block[..12].copy_from_slice(&rest[..12]);
        let words = big_endian_words(&block);
        Self {
            midstate,
            #[cfg(target_arch = "x86_64")]
            after_two: rounds(&midstate, &words[..2]),
            after_four: rounds(&midstate, &words[..4]),
            tail: [words[0], words[1], words[2]],
            limit: u32::from_le_bytes(*target.last_chunk().expect("32 bytes end with four")),
        }
    }
}

/// What [`health_chain_data::ports::BatchHasher::search_nonce`] asks for, by one kernel.
pub(crate) fn search<E: Engine<LANES>, const LANES: usize>(
    engine: E,
    header: &[u8; 80],
    target: &[u8; 32],
    first: u32,
    count: u64,
) -> Option<u32> {
    let puzzle = Puzzle::new(header, target);
    // Beyond 2^32 the same nonces come again.
    let count = count.min(1 << 32);
    let mut done = 0;
    while done < count {
        let start = first.wrapping_add(done as u32);
        let (base, lanes) = engine.search(&puzzle, start, (count - done).div_ceil(LANES as u64))?;
        done += u64::from(base.wrapping_sub(start));
        // The last batch may reach beyond the range.
        let lane_is_hit = |lane: &u32| done + u64::from(*lane) < count && lanes >> lane & 1 == 1;
        let found = (0..LANES as u32).filter(lane_is_hit).map(|lane| base.wrapping_add(lane)).find(|nonce| {
            let mut header = *header;
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            pow::meets_target(&sha256d(&header), target)
        });
        if found.is_some() {
            return found;
        }
        done += LANES as u64;
    }
    None
}
