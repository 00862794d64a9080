//! The operations of SHA-256 on a vector of 32-bit words, one word from each of `LANES` messages.

use health_chain_data::Hash;

use crate::{search::Puzzle, sha256::Block};

/// An array of vectors, one for each index. A loop rather than `array::from_fn`: its closure would be a function of its own,
/// not compiled for the instruction set, and called for every vector where the compiler does not inline it.
macro_rules! vectors {
    ($first:expr; |$index:ident| $vector:expr) => {{
        let mut all = [$first; _];
        for $index in 0..all.len() {
            all[$index] = $vector;
        }
        all
    }};
}
pub(super) use vectors;

/// `LANES` 32-bit words, worked on together. A value can only be made from a token that proves the instructions exist.
pub(crate) trait Vector<const LANES: usize>: Copy {
    /// Proof that the processor has the instructions.
    type Token: Copy;

    /// The same word in every lane.
    fn splat(token: Self::Token, word: u32) -> Self;
    /// The given words, one per lane.
    fn from_words(token: Self::Token, words: &[u32; LANES]) -> Self;
    /// The words of all lanes.
    fn to_words(self) -> [u32; LANES];
    /// One block of each message as sixteen vectors of big-endian words.
    fn load_blocks(token: Self::Token, blocks: [&Block; LANES]) -> [Self; 16];
    /// The digests that the states of all lanes stand for.
    fn store_digests(state: [Self; 8], digests: &mut [Hash; LANES]);

    /// Sum modulo 2^32.
    fn add(self, other: Self) -> Self;
    /// Bitwise or.
    fn or(self, other: Self) -> Self;
    /// Bitwise exclusive or of three.
    fn xor3(self, second: Self, third: Self) -> Self;
    /// Rotation towards the low bit by `RIGHT`, which is towards the high bit by `LEFT`: together 32.
    fn rotate<const RIGHT: i32, const LEFT: i32>(self) -> Self;
    /// Shift towards the low bit.
    fn shift_right<const BITS: i32>(self) -> Self;
    /// Shift towards the high bit.
    fn shift_left<const BITS: i32>(self) -> Self;
    /// Ch(self, yes, no): bits of `yes` where `self` has ones, else of `no`.
    fn choose(self, yes: Self, no: Self) -> Self;
    /// Maj: what at least two of three have.
    fn majority(self, second: Self, third: Self) -> Self;
    /// The bytes of every word in reverse.
    fn swap_bytes(self) -> Self;
    /// One bit per lane, the lowest for the first: whether the unsigned word is at most `limit`.
    fn at_most(self, limit: Self) -> u32;

    /// Σ0 of FIPS 180-4.
    #[inline(always)]
    fn big_sigma0(self) -> Self {
        self.rotate::<2, 30>().xor3(self.rotate::<13, 19>(), self.rotate::<22, 10>())
    }
    /// Σ1 of FIPS 180-4.
    #[inline(always)]
    fn big_sigma1(self) -> Self {
        self.rotate::<6, 26>().xor3(self.rotate::<11, 21>(), self.rotate::<25, 7>())
    }
    /// σ0 of FIPS 180-4.
    #[inline(always)]
    fn small_sigma0(self) -> Self {
        self.rotate::<7, 25>().xor3(self.rotate::<18, 14>(), self.shift_right::<3>())
    }
    /// σ1 of FIPS 180-4.
    #[inline(always)]
    fn small_sigma1(self) -> Self {
        self.rotate::<17, 15>().xor3(self.rotate::<19, 13>(), self.shift_right::<10>())
    }

    /// Sixteen rounds of which every one first makes its word from the sixteen before it.
    #[inline(always)]
    fn scheduled_rounds(token: Self::Token, state: &mut [Self; 8], words: &mut [Self; 16], rows: &[[u32; 16]]) {
        for constants in rows {
            super::rounds::scheduled(token, state, words, constants);
        }
    }

    /// All 64 rounds over one block, of which no word is known beforehand.
    #[inline(always)]
    fn all_rounds(token: Self::Token, state: &mut [Self; 8], words: [Self; 16]) {
        super::rounds::all_rounds(token, state, words);
    }

    /// Tries nonces, as [`super::engine::Engine::search`] says.
    #[inline(always)]
    fn search(token: Self::Token, puzzle: &Puzzle, first: u32, batches: u64) -> Option<(u32, u32)> {
        super::rounds::search::<Self, LANES>(token, puzzle, first, batches)
    }
}
