//! Random choices from a secret seed, so that a node's choices can't be foretold and a test's can be repeated.

use health_chain_data::tagged_hash;

/// A generator: the tagged hash of the seed and a counter.
#[derive(Clone)]
pub(crate) struct Random {
    seed: [u8; 32],
    counter: u64,
}

impl Random {
    pub(crate) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    pub(crate) fn number(&mut self) -> u64 {
        let hash = tagged_hash("HC/random/v1", &[&self.seed, &self.counter.to_le_bytes()]);
        self.counter += 1;
        u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a digest has more than eight bytes"))
    }

    /// A number below `bound`; 0 where `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.number() % (bound.max(1) as u64)) as usize
    }
}
