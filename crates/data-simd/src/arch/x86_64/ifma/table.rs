//! Multiples of points in tables, and looking them up: in every lane another one.

use core::arch::x86_64::{
    __m512i, __mmask8, _mm_loadu_si128, _mm512_abs_epi64, _mm512_add_epi64, _mm512_cvtepi16_epi64,
    _mm512_i64gather_epi64, _mm512_min_epu64, _mm512_movepi64_mask, _mm512_mul_epu32, _mm512_set1_epi64,
    _mm512_setr_epi64, _mm512_setzero_si512, _mm512_testn_epi64_mask,
};

use super::{
    field::Field,
    point::{Affine, Point},
};
use crate::signature::{
    generator::GeneratorTable,
    group::{Digits, GENERATOR_MULTIPLES, KEY_MULTIPLES, LANES},
    limbs::{BETA, LIMBS, ONE},
};

/// Of an entry: the limbs of `x`, of `βx`, and of `y`.
const ROWS: usize = 3 * LIMBS;
/// Words of a multiple of the generator: the limbs of `x` and of `y`.
const GENERATOR_WORDS: usize = 2 * LIMBS;

/// The first multiples of a point in each lane, all with the same `Z`. What they are multiples of is at 1.
pub(super) struct KeyTable([[__m512i; ROWS]; KEY_MULTIPLES + 1]);

/// Which half of a factor a digit belongs to: that of the point, or that of its multiple by `λ`.
#[derive(Clone, Copy)]
pub(super) enum Half {
    Point,
    Endomorphism,
}

/// Points out of a table.
pub(super) struct Found<const N: usize> {
    pub(super) points: Affine<N>,
    /// Where the digit was negative.
    pub(super) is_negative: [__mmask8; N],
    /// Where the digit was zero, and the point is none.
    pub(super) is_zero: [__mmask8; N],
}

/// Digits as what is looked up by them.
struct Places {
    places: __m512i,
    is_negative: __mmask8,
    is_zero: __mmask8,
}

/// The multiples of `points`, and what all their coordinates are relative to: the coordinates of a multiple `(x, y)` are
/// `(xu², yu³)` in its table. So they can be added like points by their coordinates, without any inversion.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn multiples<const N: usize>(points: &Affine<N>) -> ([Box<KeyTable>; N], Field<N>) {
    let zero = [[_mm512_setzero_si512(); ROWS]; KEY_MULTIPLES + 1];
    let mut tables = [(); N].map(|()| Box::new(KeyTable(zero)));
    let one = Field::splat(&ONE);
    let first = Point { x: points.x, y: points.y, z: one };
    let mut multiple = first.doubled();
    let mut multiples = [multiple; KEY_MULTIPLES + 1];
    multiples[1] = first;
    // By what each one's Z is greater than that of the one before.
    let mut steps = [multiple.z; KEY_MULTIPLES + 1];
    for index in 3..=KEY_MULTIPLES {
        let sum = multiple.plus(points, [0; N], &multiple.z);
        (multiple, steps[index]) = (sum.point, sum.step);
        multiples[index] = multiple;
    }
    let beta = Field::splat(&BETA);
    let mut ratio = one;
    for index in (1..=KEY_MULTIPLES).rev() {
        let Point { x, y, .. } = multiples[index];
        let square = ratio.square();
        let (x, y) = (x.mul(&square), y.mul(&square.mul(&ratio)));
        let other_x = x.mul(&beta);
        for n in 0..N {
            for limb in 0..LIMBS {
                tables[n].0[index][limb] = x.0[n][limb];
                tables[n].0[index][LIMBS + limb] = other_x.0[n][limb];
                tables[n].0[index][2 * LIMBS + limb] = y.0[n][limb];
            }
        }
        ratio = ratio.mul(&steps[index]);
    }
    (tables, multiple.z)
}

/// Looks the digits of a half up among the multiples of keys.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn of_keys<const N: usize>(tables: &[Box<KeyTable>; N], half: Half, digits: [&Digits; N]) -> Found<N> {
    let x_row = match half {
        Half::Point => 0,
        Half::Endomorphism => LIMBS,
    };
    let zero = Field([[_mm512_setzero_si512(); LIMBS]; N]);
    let mut found = Found { points: Affine { x: zero, y: zero }, is_negative: [0; N], is_zero: [0; N] };
    for n in 0..N {
        let Places { places, is_negative, is_zero } = places(digits[n], KEY_MULTIPLES, ROWS * LANES);
        let words = _mm512_add_epi64(places, _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
        let table = tables[n].0.as_flattened();
        for limb in 0..LIMBS {
            let (x, y) = (&table[x_row + limb..], &table[2 * LIMBS + limb..]);
            // SAFETY: a place is that of an entry in the table, of whose `ROWS` rows of eight words each lane reads a word
            // in one.
            unsafe {
                found.points.x.0[n][limb] = _mm512_i64gather_epi64::<8>(words, x.as_ptr().cast());
                found.points.y.0[n][limb] = _mm512_i64gather_epi64::<8>(words, y.as_ptr().cast());
            }
        }
        (found.is_negative[n], found.is_zero[n]) = (is_negative, is_zero);
    }
    found
}

/// Looks digits up among the multiples of the generator.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn of_generator<const N: usize>(table: &GeneratorTable, digits: [&Digits; N]) -> Found<N> {
    let zero = Field([[_mm512_setzero_si512(); LIMBS]; N]);
    let mut found = Found { points: Affine { x: zero, y: zero }, is_negative: [0; N], is_zero: [0; N] };
    let words = table.as_flattened().as_flattened();
    for n in 0..N {
        let Places { places, is_negative, is_zero } = places(digits[n], GENERATOR_MULTIPLES, GENERATOR_WORDS);
        for limb in 0..LIMBS {
            let (x, y) = (&words[limb..], &words[LIMBS + limb..]);
            // SAFETY: a place is that of an entry in the table, of whose words one is read.
            unsafe {
                found.points.x.0[n][limb] = _mm512_i64gather_epi64::<8>(places, x.as_ptr().cast());
                found.points.y.0[n][limb] = _mm512_i64gather_epi64::<8>(places, y.as_ptr().cast());
            }
        }
        (found.is_negative[n], found.is_zero[n]) = (is_negative, is_zero);
    }
    found
}

/// Where the entries for the digits begin in a table with so many multiples and a first entry for zero, in which each
/// takes so many words. Whatever the digits are, it is within the table.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn places(digits: &Digits, multiples: usize, entry_words: usize) -> Places {
    // SAFETY: eight digits are 16 readable bytes.
    let digits = _mm512_cvtepi16_epi64(unsafe { _mm_loadu_si128(digits.as_ptr().cast()) });
    let entries = _mm512_min_epu64(_mm512_abs_epi64(digits), _mm512_set1_epi64(multiples as i64));
    Places {
        places: _mm512_mul_epu32(entries, _mm512_set1_epi64(entry_words as i64)),
        is_negative: _mm512_movepi64_mask(digits),
        is_zero: _mm512_testn_epi64_mask(digits, digits),
    }
}
