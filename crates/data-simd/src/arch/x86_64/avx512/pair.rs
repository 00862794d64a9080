//! Thirty-two lanes: two vectors side by side, so that one's wait is the other's work. An instruction takes two cycles to
//! answer, and four can begin in each.

use health_chain_data::Hash;

use super::{Avx512, Words, assembly};
use crate::{
    arch::vector::{Vector, vectors},
    search::Puzzle,
    sha256::Block,
};

/// Words of two times sixteen messages.
#[derive(Clone, Copy)]
pub(super) struct Pair(Words, Words);

/// Halves of what there is one of per lane.
#[inline(always)]
fn halves<T>(all: &[T; 32]) -> (&[T; 16], &[T; 16]) {
    let (low, high) = all.split_at(16);
    (low.try_into().expect("half of the lanes"), high.try_into().expect("half of the lanes"))
}

impl Vector<32> for Pair {
    type Token = Avx512;

    #[inline(always)]
    fn splat(token: Avx512, word: u32) -> Self {
        let half = Words::splat(token, word);
        Self(half, half)
    }
    #[inline(always)]
    fn from_words(token: Avx512, words: &[u32; 32]) -> Self {
        let (low, high) = halves(words);
        Self(Words::from_words(token, low), Words::from_words(token, high))
    }
    #[inline(always)]
    fn to_words(self) -> [u32; 32] {
        let (low, high) = (self.0.to_words(), self.1.to_words());
        let mut words = [0; 32];
        words[..16].copy_from_slice(&low);
        words[16..].copy_from_slice(&high);
        words
    }
    #[inline(always)]
    fn load_blocks(token: Avx512, blocks: [&Block; 32]) -> [Self; 16] {
        let (low, high) = halves(&blocks);
        let (low, high) = (Words::load_blocks(token, *low), Words::load_blocks(token, *high));
        vectors!(Self(low[0], high[0]); |word| Self(low[word], high[word]))
    }
    #[inline(always)]
    fn store_digests(state: [Self; 8], digests: &mut [Hash; 32]) {
        let (low, high) = digests.split_at_mut(16);
        let (first, second) = (vectors!(state[0].0; |word| state[word].0), vectors!(state[0].1; |word| state[word].1));
        Words::store_digests(first, low.try_into().expect("half of the lanes"));
        Words::store_digests(second, high.try_into().expect("half of the lanes"));
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0.add(other.0), self.1.add(other.1))
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0), self.1.or(other.1))
    }
    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        Self(self.0.xor3(second.0, third.0), self.1.xor3(second.1, third.1))
    }
    #[inline(always)]
    fn rotate<const RIGHT: i32, const LEFT: i32>(self) -> Self {
        Self(self.0.rotate::<RIGHT, LEFT>(), self.1.rotate::<RIGHT, LEFT>())
    }
    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        Self(self.0.shift_right::<BITS>(), self.1.shift_right::<BITS>())
    }
    #[inline(always)]
    fn shift_left<const BITS: i32>(self) -> Self {
        Self(self.0.shift_left::<BITS>(), self.1.shift_left::<BITS>())
    }
    #[inline(always)]
    fn choose(self, yes: Self, no: Self) -> Self {
        Self(self.0.choose(yes.0, no.0), self.1.choose(yes.1, no.1))
    }
    #[inline(always)]
    fn majority(self, second: Self, third: Self) -> Self {
        Self(self.0.majority(second.0, third.0), self.1.majority(second.1, third.1))
    }
    #[inline(always)]
    fn swap_bytes(self) -> Self {
        Self(self.0.swap_bytes(), self.1.swap_bytes())
    }
    #[inline(always)]
    fn at_most(self, limit: Self) -> u32 {
        self.0.at_most(limit.0) | self.1.at_most(limit.1) << 16
    }
    #[inline(always)]
    fn scheduled_rounds(token: Avx512, state: &mut [Self; 8], words: &mut [Self; 16], rows: &[[u32; 16]]) {
        let mut vectors = vectors!([state[0].0.0; 2]; |word| [state[word].0.0, state[word].1.0]);
        let mut schedule = vectors!([words[0].0.0; 2]; |word| [words[word].0.0, words[word].1.0]);
        assembly::scheduled_rounds(token, &mut vectors, &mut schedule, rows);
        for word in 0..state.len() {
            state[word] = Self(Words(vectors[word][0]), Words(vectors[word][1]));
        }
        for word in 0..words.len() {
            words[word] = Self(Words(schedule[word][0]), Words(schedule[word][1]));
        }
    }
    #[inline(always)]
    fn all_rounds(token: Avx512, state: &mut [Self; 8], words: [Self; 16]) {
        let mut vectors = vectors!([state[0].0.0; 2]; |word| [state[word].0.0, state[word].1.0]);
        let mut schedule = vectors!([words[0].0.0; 2]; |word| [words[word].0.0, words[word].1.0]);
        assembly::all_rounds(token, &mut vectors, &mut schedule);
        *state = vectors!(state[0]; |word| Self(Words(vectors[word][0]), Words(vectors[word][1])));
    }
    #[inline(always)]
    fn search(token: Avx512, puzzle: &Puzzle, first: u32, batches: u64) -> Option<(u32, u32)> {
        assembly::search(token, puzzle, first, batches)
    }
}
