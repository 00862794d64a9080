//! AVX2: eight lanes. It has no rotation and no three-way logic, so a round with its share of the schedule is 56
//! instructions of arithmetic, twice those of AVX-512 for half the lanes: 14 cycles at four in a cycle, 112 for a block.

use core::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_ps, _mm256_cmpeq_epi32, _mm256_loadu_si256,
    _mm256_min_epu32, _mm256_movemask_ps, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi32,
    _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256,
    _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64, _mm256_xor_si256,
};

use health_chain_data::Hash;

use crate::{
    arch::{
        engine::{ROW_BLOCKS, Row, States, as_block, vector_engine},
        rounds,
        vector::{Vector, vectors},
    },
    search::Puzzle,
    sha256::Block,
};

/// Proof that the processor has AVX2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

/// Words of eight messages.
#[derive(Clone, Copy)]
struct Words(__m256i);

// SAFETY of every block below: AVX2 is all that these intrinsics need, and `Words` come only from `splat`, `from_words`
// and `load_blocks`, which are shown an `Avx2`.
impl Vector<8> for Words {
    type Token = Avx2;

    #[inline(always)]
    fn splat(_: Avx2, word: u32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_set1_epi32(word.cast_signed()) })
    }
    #[inline(always)]
    fn from_words(_: Avx2, words: &[u32; 8]) -> Self {
        // SAFETY: see above; eight words are 32 readable bytes.
        Self(unsafe { _mm256_loadu_si256(words.as_ptr().cast()) })
    }
    #[inline(always)]
    fn to_words(self) -> [u32; 8] {
        let mut words = [0; 8];
        // SAFETY: see above; eight words are 32 writable bytes.
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), self.0) };
        words
    }
    #[inline(always)]
    fn load_blocks(_: Avx2, blocks: [&Block; 8]) -> [Self; 16] {
        // SAFETY: see above; both halves of a block are 32 readable bytes.
        let [low, high] = unsafe {
            [
                transpose(
                    vectors!(_mm256_loadu_si256(blocks[0].as_ptr().cast()); |lane| _mm256_loadu_si256(blocks[lane].as_ptr().cast())),
                ),
                transpose(
                    vectors!(_mm256_loadu_si256(blocks[0][32..].as_ptr().cast()); |lane| _mm256_loadu_si256(blocks[lane][32..].as_ptr().cast())),
                ),
            ]
        };
        vectors!(Self(low[0]); |word| Self(if word < 8 { low[word] } else { high[word - 8] }).swap_bytes())
    }
    #[inline(always)]
    fn store_digests(state: [Self; 8], digests: &mut [Hash; 8]) {
        // SAFETY: see above; a digest is 32 writable bytes.
        unsafe {
            let rows = transpose(vectors!(state[0].0; |word| state[word].swap_bytes().0));
            for lane in 0..digests.len() {
                _mm256_storeu_si256(digests[lane].0.as_mut_ptr().cast(), rows[lane]);
            }
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_add_epi32(self.0, other.0) })
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_or_si256(self.0, other.0) })
    }
    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_xor_si256(_mm256_xor_si256(self.0, second.0), third.0) })
    }
    #[inline(always)]
    fn rotate<const RIGHT: i32, const LEFT: i32>(self) -> Self {
        const { assert!(RIGHT + LEFT == 32) };
        // SAFETY: see above.
        Self(unsafe { _mm256_or_si256(_mm256_srli_epi32::<RIGHT>(self.0), _mm256_slli_epi32::<LEFT>(self.0)) })
    }
    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_srli_epi32::<BITS>(self.0) })
    }
    #[inline(always)]
    fn shift_left<const BITS: i32>(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_slli_epi32::<BITS>(self.0) })
    }
    #[inline(always)]
    fn choose(self, yes: Self, no: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_xor_si256(no.0, _mm256_and_si256(self.0, _mm256_xor_si256(yes.0, no.0))) })
    }
    #[inline(always)]
    fn majority(self, second: Self, third: Self) -> Self {
        // Of the three, the second and third were the first and second of the round before: what they have in common
        // is found again rather than made again.
        // SAFETY: see above.
        Self(unsafe {
            let differ = _mm256_xor_si256(self.0, second.0);
            let differed = _mm256_xor_si256(second.0, third.0);
            _mm256_xor_si256(second.0, _mm256_and_si256(differ, differed))
        })
    }
    #[inline(always)]
    fn swap_bytes(self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let order = _mm256_setr_epi8(
                3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13,
                12,
            );
            _mm256_shuffle_epi8(self.0, order)
        })
    }
    #[inline(always)]
    fn at_most(self, limit: Self) -> u32 {
        // SAFETY: see above.
        unsafe {
            let lanes = _mm256_cmpeq_epi32(_mm256_min_epu32(self.0, limit.0), self.0);
            _mm256_movemask_ps(_mm256_castsi256_ps(lanes)).cast_unsigned()
        }
    }
}

/// Turns each four rows into columns, half by half of 128 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn four_by_four(rows: [__m256i; 4]) -> [__m256i; 4] {
    let (a, b) = (_mm256_unpacklo_epi32(rows[0], rows[1]), _mm256_unpacklo_epi32(rows[2], rows[3]));
    let (c, d) = (_mm256_unpackhi_epi32(rows[0], rows[1]), _mm256_unpackhi_epi32(rows[2], rows[3]));
    [_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b), _mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d)]
}

/// Turns eight rows of eight words into eight columns.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(rows: [__m256i; 8]) -> [__m256i; 8] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    let (low, high) = (four_by_four([r0, r1, r2, r3]), four_by_four([r4, r5, r6, r7]));
    let mut columns = rows;
    for index in 0..4 {
        columns[index] = _mm256_permute2x128_si256::<0x20>(low[index], high[index]);
        columns[index + 4] = _mm256_permute2x128_si256::<0x31>(low[index], high[index]);
    }
    columns
}

vector_engine!(
    #[target_feature(enable = "avx2")]
    Avx2,
    8,
    Words
);
