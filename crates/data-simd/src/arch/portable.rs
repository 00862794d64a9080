//! Plain Rust: runs everywhere, and is what the other kernels are compared with where two of them disagree. One lane only:
//! of several, compilers make scalar code with all variables in memory.

use health_chain_data::Hash;

use super::{
    engine::{ROW_BLOCKS, Row, States, as_block, vector_engine},
    rounds,
    vector::{Vector, vectors},
};
use crate::{
    search::Puzzle,
    sha256::{Block, big_endian_words},
};

/// Needs nothing of the processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

/// A word of one message.
#[derive(Clone, Copy)]
struct Word(u32);

impl Vector<1> for Word {
    type Token = Portable;

    #[inline(always)]
    fn splat(_: Portable, word: u32) -> Self {
        Self(word)
    }
    #[inline(always)]
    fn from_words(_: Portable, words: &[u32; 1]) -> Self {
        Self(words[0])
    }
    #[inline(always)]
    fn to_words(self) -> [u32; 1] {
        [self.0]
    }
    #[inline(always)]
    fn load_blocks(_: Portable, blocks: [&Block; 1]) -> [Self; 16] {
        big_endian_words(blocks[0]).map(Self)
    }
    #[inline(always)]
    fn store_digests(state: [Self; 8], digests: &mut [Hash; 1]) {
        for (bytes, word) in digests[0].0.chunks_exact_mut(4).zip(state) {
            bytes.copy_from_slice(&word.0.to_be_bytes());
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        Self(self.0 ^ second.0 ^ third.0)
    }
    #[inline(always)]
    fn rotate<const RIGHT: i32, const LEFT: i32>(self) -> Self {
        Self(self.0.rotate_left(LEFT as u32))
    }
    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        Self(self.0 >> BITS)
    }
    #[inline(always)]
    fn shift_left<const BITS: i32>(self) -> Self {
        Self(self.0 << BITS)
    }
    #[inline(always)]
    fn choose(self, yes: Self, no: Self) -> Self {
        Self(no.0 ^ (self.0 & (yes.0 ^ no.0)))
    }
    #[inline(always)]
    fn majority(self, second: Self, third: Self) -> Self {
        Self((self.0 & second.0) | (third.0 & (self.0 | second.0)))
    }
    #[inline(always)]
    fn swap_bytes(self) -> Self {
        Self(self.0.swap_bytes())
    }
    #[inline(always)]
    fn at_most(self, limit: Self) -> u32 {
        u32::from(self.0 <= limit.0)
    }
}

vector_engine!(Portable, 1, Word);
