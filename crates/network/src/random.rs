//! Random choices from a secret seed, so that a node's choices can't be foretold and a test's can be repeated.

use health_chain_data::tagged_hash;

/// A generator: tagged hashes of the seed and a counter, each of them four numbers.
#[derive(Clone)]
pub(crate) struct Random {
    seed: [u8; 32],
    counter: u64,
    block: [u8; 32],
    /// Bytes of the block that are still to be used.
    left: usize,
}

impl Random {
    pub(crate) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0, block: [0; 32], left: 0 }
    }

    pub(crate) fn number(&mut self) -> u64 {
        if self.left == 0 {
            self.block = tagged_hash("HC/random/v1", &[&self.seed, &self.counter.to_le_bytes()]).0;
            self.counter += 1;
            self.left = self.block.len();
        }
        let bytes = self.block[..self.left].last_chunk().expect("whole numbers are left");
        self.left -= bytes.len();
        u64::from_le_bytes(*bytes)
    }

    /// A number below `bound`; 0 where `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.number() % (bound.max(1) as u64)) as usize
    }
}
