//! AVX-512: sixteen lanes to a vector, and two vectors interleaved. A rotation is one instruction and so is any function of
//! three inputs.

mod assembly;
mod pair;

use core::arch::x86_64::{
    __m512i, _mm256_storeu_si256, _mm512_add_epi32, _mm512_castsi512_si256, _mm512_cmple_epu32_mask,
    _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_or_si512, _mm512_permutex2var_epi64, _mm512_ror_epi32,
    _mm512_set1_epi32, _mm512_set4_epi32, _mm512_setr_epi64, _mm512_shuffle_epi8, _mm512_shuffle_i32x4,
    _mm512_sllv_epi32, _mm512_srlv_epi32, _mm512_storeu_si512, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use health_chain_data::Hash;

use self::pair::Pair;

use crate::{
    arch::{
        engine::{ROW_BLOCKS, Row, States, as_block, vector_engine},
        rounds,
        vector::{Vector, vectors},
    },
    search::Puzzle,
    sha256::Block,
};

/// Proof that the processor has AVX-512 with its byte and word instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        found.then_some(Self(()))
    }
}

/// Words of sixteen messages.
#[derive(Clone, Copy)]
struct Words(__m512i);

// SAFETY of every block below: AVX-512 F and BW are all that these intrinsics need, and `Words` come only from `splat`,
// `from_words` and `load_blocks`, which are shown an `Avx512`.
impl Vector<16> for Words {
    type Token = Avx512;

    #[inline(always)]
    fn splat(_: Avx512, word: u32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_set1_epi32(word.cast_signed()) })
    }
    #[inline(always)]
    fn from_words(_: Avx512, words: &[u32; 16]) -> Self {
        // SAFETY: see above; sixteen words are 64 readable bytes.
        Self(unsafe { _mm512_loadu_si512(words.as_ptr().cast()) })
    }
    #[inline(always)]
    fn to_words(self) -> [u32; 16] {
        let mut words = [0; 16];
        // SAFETY: see above; sixteen words are 64 writable bytes.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), self.0) };
        words
    }
    #[inline(always)]
    fn load_blocks(_: Avx512, blocks: [&Block; 16]) -> [Self; 16] {
        // SAFETY: see above; a block is 64 readable bytes.
        unsafe {
            let rows = vectors!(_mm512_loadu_si512(blocks[0].as_ptr().cast()); |lane| {
                Self(_mm512_loadu_si512(blocks[lane].as_ptr().cast())).swap_bytes().0
            });
            let columns = transpose(rows);
            vectors!(Self(columns[0]); |word| Self(columns[word]))
        }
    }
    #[inline(always)]
    fn store_digests(state: [Self; 8], digests: &mut [Hash; 16]) {
        // SAFETY: see above; a digest is 32 writable bytes.
        unsafe {
            let [a, b, c, d, e, f, g, h] = vectors!(state[0].0; |word| state[word].swap_bytes().0);
            let low = four_by_four([a, b, c, d]);
            let high = four_by_four([e, f, g, h]);
            // Quarter q of `low[i]` is the first half of digest 4 q + i, that of `high[i]` the second.
            let front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
            let back = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
            for index in 0..4 {
                let first = _mm512_permutex2var_epi64(low[index], front, high[index]);
                let second = _mm512_permutex2var_epi64(low[index], back, high[index]);
                let quarters = [
                    _mm512_castsi512_si256(first),
                    _mm512_extracti64x4_epi64::<1>(first),
                    _mm512_castsi512_si256(second),
                    _mm512_extracti64x4_epi64::<1>(second),
                ];
                for quarter in 0..4 {
                    _mm256_storeu_si256(digests[4 * quarter + index].0.as_mut_ptr().cast(), quarters[quarter]);
                }
            }
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_add_epi32(self.0, other.0) })
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_or_si512(self.0, other.0) })
    }
    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_ternarylogic_epi32::<0x96>(self.0, second.0, third.0) })
    }
    #[inline(always)]
    fn rotate<const RIGHT: i32, const LEFT: i32>(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_ror_epi32::<RIGHT>(self.0) })
    }
    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_srlv_epi32(self.0, _mm512_set1_epi32(BITS)) })
    }
    #[inline(always)]
    fn shift_left<const BITS: i32>(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_sllv_epi32(self.0, _mm512_set1_epi32(BITS)) })
    }
    #[inline(always)]
    fn choose(self, yes: Self, no: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_ternarylogic_epi32::<0xca>(self.0, yes.0, no.0) })
    }
    #[inline(always)]
    fn majority(self, second: Self, third: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_ternarylogic_epi32::<0xe8>(self.0, second.0, third.0) })
    }
    #[inline(always)]
    fn swap_bytes(self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let order = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
            _mm512_shuffle_epi8(self.0, order)
        })
    }
    #[inline(always)]
    fn at_most(self, limit: Self) -> u32 {
        // SAFETY: see above.
        u32::from(unsafe { _mm512_cmple_epu32_mask(self.0, limit.0) })
    }
    #[inline(always)]
    fn all_rounds(token: Avx512, state: &mut [Self; 8], words: [Self; 16]) {
        let mut vectors = vectors!(state[0].0; |word| state[word].0);
        assembly::all_rounds_of_one(token, &mut vectors, &vectors!(words[0].0; |word| words[word].0));
        *state = vectors!(state[0]; |word| Self(vectors[word]));
    }
}

/// Turns each four rows into columns, quarter by quarter of 128 bits.
#[inline]
#[target_feature(enable = "avx512f")]
fn four_by_four(rows: [__m512i; 4]) -> [__m512i; 4] {
    let (a, b) = (_mm512_unpacklo_epi32(rows[0], rows[1]), _mm512_unpacklo_epi32(rows[2], rows[3]));
    let (c, d) = (_mm512_unpackhi_epi32(rows[0], rows[1]), _mm512_unpackhi_epi32(rows[2], rows[3]));
    [_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b), _mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d)]
}

/// Turns sixteen rows of sixteen words into sixteen columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15] = rows;
    let groups = [
        four_by_four([r0, r1, r2, r3]),
        four_by_four([r4, r5, r6, r7]),
        four_by_four([r8, r9, r10, r11]),
        four_by_four([r12, r13, r14, r15]),
    ];
    // Quarter q of `groups[g][j]` has word 4 q + j of rows 4 g to 4 g + 3.
    let mut columns = rows;
    for j in 0..4 {
        let [a, b, c, d] = [groups[0][j], groups[1][j], groups[2][j], groups[3][j]];
        let (front, back) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0x44>(c, d));
        columns[j] = _mm512_shuffle_i32x4::<0x88>(front, back);
        columns[4 + j] = _mm512_shuffle_i32x4::<0xdd>(front, back);
        let (front, back) = (_mm512_shuffle_i32x4::<0xee>(a, b), _mm512_shuffle_i32x4::<0xee>(c, d));
        columns[8 + j] = _mm512_shuffle_i32x4::<0x88>(front, back);
        columns[12 + j] = _mm512_shuffle_i32x4::<0xdd>(front, back);
    }
    columns
}

vector_engine!(
    #[target_feature(enable = "avx512f,avx512bw")]
    Avx512,
    16,
    Words
);
vector_engine!(
    #[target_feature(enable = "avx512f,avx512bw")]
    Avx512,
    32,
    Pair
);
