//! Integers modulo `p = 2²⁵⁶ - 2³² - 977`, one in each of eight lanes.
//!
//! A number is five limbs of 52 bits, because AVX-512 IFMA multiplies the low 52 bits of a lane by those of another and adds
//! the low or the high half of the product to a third. So what is multiplied must have carried: a [`Field`] has, a [`Sum`]
//! has not yet. Sums cost nothing but their additions, and most are added to a product before it carries anyhow.
//!
//! A product takes about twice as long to arrive as it occupies the processor. So a [`Field`] is `N` groups of eight lanes,
//! and with two of them one's wait is the other's work.

use core::arch::x86_64::{
    __m512i, __mmask8, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask, _mm512_cmplt_epu64_mask,
    _mm512_loadu_si512, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_blend_epi64, _mm512_mask_sub_epi64,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_slli_epi64, _mm512_srli_epi64, _mm512_sub_epi64,
    _mm512_test_epi64_mask,
};

use crate::signature::limbs::{LIMB, LIMB_BITS, LIMBS, Limbs, TOP, TOP_BITS};

/// `2²⁵⁶` modulo `p`.
const FOLD: u64 = 0x1_0000_03d1;
/// `2²⁶⁰` modulo `p`: what a limb behind the fifth weighs.
const FOLD_LIMB: u64 = FOLD << (LIMBS as u32 * LIMB_BITS - 256);
/// `4p` in limbs each of which is above the one that it has carried.
const FOUR_P: [u64; LIMBS] = [4 * (LIMB - FOLD + 1), 4 * LIMB, 4 * LIMB, 4 * LIMB, 4 * TOP];
/// No limb of a sum reaches this many bits, so that no addition within a product overflows.
const SUM_BITS: u32 = 59;

/// The limbs of eight numbers.
type Lanes = [__m512i; LIMBS];
/// The limbs of eight products.
type Wide = [__m512i; 2 * LIMBS];

/// Numbers that have carried: limbs below `2⁵²`, the top one below `2⁴⁹`. Their values are below `2²⁵⁶` and a bit, so
/// that not each is the least of its class; [`Field::canonical`] makes it so.
#[derive(Clone, Copy)]
pub(super) struct Field<const N: usize>(pub(super) [Lanes; N]);

/// Sums and multiples of numbers that have not carried: limbs below `2⁵⁹`.
#[derive(Clone, Copy)]
pub(super) struct Sum<const N: usize>([Lanes; N]);

impl<const N: usize> Field<N> {
    /// The same number in all lanes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn splat(limbs: &Limbs) -> Self {
        let mut lanes = zero();
        for limb in 0..LIMBS {
            lanes[limb] = splat(limbs[limb]);
        }
        Self([lanes; N])
    }

    /// A number for each lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn load(numbers: [&[[u64; 8]; LIMBS]; N]) -> Self {
        let mut all = [zero(); N];
        for n in 0..N {
            for limb in 0..LIMBS {
                // SAFETY: eight words are 64 readable bytes.
                all[n][limb] = unsafe { _mm512_loadu_si512(numbers[n][limb].as_ptr().cast()) };
            }
        }
        Self(all)
    }

    /// The product.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn mul(&self, other: &Self) -> Self {
        let mut all = [zero(); N];
        for n in 0..N {
            all[n] = reduce(product(&self.0[n], &other.0[n]), &zero());
        }
        Self(all)
    }

    /// The product, doubled.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn mul_twice(&self, other: &Self) -> Self {
        let mut all = [zero(); N];
        for n in 0..N {
            all[n] = reduce(doubled(product(&self.0[n], &other.0[n])), &zero());
        }
        Self(all)
    }

    /// The product, and the addend.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn mul_add(&self, other: &Self, addend: &Sum<N>) -> Self {
        let mut all = [zero(); N];
        for n in 0..N {
            all[n] = reduce(product(&self.0[n], &other.0[n]), &addend.0[n]);
        }
        Self(all)
    }

    /// The sum of two products, `self * other + third * fourth`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn mul_and_mul(&self, other: &Self, third: &Self, fourth: &Self) -> Self {
        let mut all = [zero(); N];
        for n in 0..N {
            let first = product(&self.0[n], &other.0[n]);
            all[n] = reduce(accumulate(first, &third.0[n], &fourth.0[n]), &zero());
        }
        Self(all)
    }

    /// The square.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn square(&self) -> Self {
        let mut all = [zero(); N];
        for n in 0..N {
            all[n] = reduce(square(&self.0[n]), &zero());
        }
        Self(all)
    }

    /// The square, and the addend.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn square_add(&self, addend: &Sum<N>) -> Self {
        let mut all = [zero(); N];
        for n in 0..N {
            all[n] = reduce(square(&self.0[n]), &addend.0[n]);
        }
        Self(all)
    }

    /// A sum of this one number.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn sum(&self) -> Sum<N> {
        Sum(self.0)
    }

    /// Minus the number, as a sum: `4p` less it. Its limbs are below `2⁵⁴`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn negative(&self) -> Sum<N> {
        let mut all = [zero(); N];
        for n in 0..N {
            for limb in 0..LIMBS {
                all[n][limb] = _mm512_sub_epi64(splat(FOUR_P[limb]), self.0[n][limb]);
            }
        }
        Sum(all)
    }

    /// Minus the number, or where the mask has a one, the number.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn negative_unless(&self, masks: [__mmask8; N]) -> Sum<N> {
        let mut all = [zero(); N];
        for n in 0..N {
            for limb in 0..LIMBS {
                let number = self.0[n][limb];
                all[n][limb] = _mm512_mask_sub_epi64(number, masks[n] ^ 0xff, splat(FOUR_P[limb]), number);
            }
        }
        Sum(all)
    }

    /// The number less another one; where the mask has a one, the other one less this.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn less(&self, other: &Self, swapped: [__mmask8; N]) -> Sum<N> {
        let mut all = [zero(); N];
        for n in 0..N {
            for limb in 0..LIMBS {
                let difference = _mm512_sub_epi64(self.0[n][limb], other.0[n][limb]);
                let bound = splat(FOUR_P[limb]);
                let sum = _mm512_add_epi64(bound, difference);
                all[n][limb] = _mm512_mask_sub_epi64(sum, swapped[n], bound, difference);
            }
        }
        Sum(all)
    }

    /// This number where the mask has a zero, and the other where it has a one.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn or(&self, masks: [__mmask8; N], other: &Self) -> Self {
        let mut all = self.0;
        for n in 0..N {
            for limb in 0..LIMBS {
                all[n][limb] = _mm512_mask_blend_epi64(masks[n], self.0[n][limb], other.0[n][limb]);
            }
        }
        Self(all)
    }

    /// The least numbers of their classes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn canonical(&self) -> Self {
        let mut all = [zero(); N];
        for n in 0..N {
            // Now below 2²⁵⁶: what was above it had zeros behind its top.
            let below = carry(self.0[n]);
            let mut above = below;
            above[0] = _mm512_add_epi64(above[0], splat(FOLD));
            carry_limbs(&mut above);
            // With 2²⁵⁶ - p more it reaches 2²⁵⁶ if it is p or more, and then the rest is what it is above p.
            let is_above = _mm512_test_epi64_mask(above[LIMBS - 1], splat(1 << TOP_BITS));
            above[LIMBS - 1] = _mm512_and_si512(above[LIMBS - 1], splat(TOP));
            for limb in 0..LIMBS {
                all[n][limb] = _mm512_mask_blend_epi64(is_above, below[limb], above[limb]);
            }
        }
        Self(all)
    }

    /// In which lanes two numbers are the same, both of them [canonical](Field::canonical).
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn equals(&self, other: &Self) -> [__mmask8; N] {
        let mut masks = [0xff; N];
        for n in 0..N {
            for limb in 0..LIMBS {
                masks[n] &= _mm512_cmpeq_epi64_mask(self.0[n][limb], other.0[n][limb]);
            }
        }
        masks
    }

    /// In which lanes the number, which is [canonical](Field::canonical), is odd.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn is_odd(&self) -> [__mmask8; N] {
        let mut masks = [0; N];
        for n in 0..N {
            masks[n] = _mm512_test_epi64_mask(self.0[n][0], splat(1));
        }
        masks
    }
}

impl<const N: usize> Sum<N> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn add(&self, other: &Self) -> Self {
        let mut all = self.0;
        for n in 0..N {
            for limb in 0..LIMBS {
                all[n][limb] = _mm512_add_epi64(self.0[n][limb], other.0[n][limb]);
            }
        }
        Self(all)
    }

    /// The sum, `2^BITS` times.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn shifted<const BITS: u32>(&self) -> Self {
        let mut all = self.0;
        for n in 0..N {
            for limb in 0..LIMBS {
                all[n][limb] = _mm512_slli_epi64::<BITS>(self.0[n][limb]);
            }
        }
        Self(all)
    }

    /// The number that the sum is.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn carried(&self) -> Field<N> {
        let mut all = self.0;
        for n in 0..N {
            all[n] = carry(self.0[n]);
        }
        Field(all)
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn splat(word: u64) -> __m512i {
    _mm512_set1_epi64(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn zero() -> Lanes {
    [_mm512_setzero_si512(); LIMBS]
}

/// Adds the product of two limbs at its place.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn add_product(wide: &mut Wide, place: usize, left: __m512i, right: __m512i) {
    wide[place] = _mm512_madd52lo_epu64(wide[place], left, right);
    wide[place + 1] = _mm512_madd52hi_epu64(wide[place + 1], left, right);
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn product(left: &Lanes, right: &Lanes) -> Wide {
    accumulate([_mm512_setzero_si512(); 2 * LIMBS], left, right)
}

/// Adds a product. A limb gets ten halves of at most 52 bits: less than `2⁵⁶` from one product, `2⁵⁷` from two.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn accumulate(mut wide: Wide, left: &Lanes, right: &Lanes) -> Wide {
    for i in 0..LIMBS {
        for j in 0..LIMBS {
            add_product(&mut wide, i + j, left[i], right[j]);
        }
    }
    wide
}

/// Every product of two different limbs is there twice.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn square(number: &Lanes) -> Wide {
    let mut wide = [_mm512_setzero_si512(); 2 * LIMBS];
    for i in 0..LIMBS {
        for j in i + 1..LIMBS {
            add_product(&mut wide, i + j, number[i], number[j]);
        }
    }
    let mut wide = doubled(wide);
    for i in 0..LIMBS {
        add_product(&mut wide, 2 * i, number[i], number[i]);
    }
    wide
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn doubled(mut wide: Wide) -> Wide {
    for limb in 0..2 * LIMBS {
        wide[limb] = _mm512_add_epi64(wide[limb], wide[limb]);
    }
    wide
}

/// The number that a product and a sum are together.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn reduce(mut wide: Wide, addend: &Lanes) -> Lanes {
    // The upper half carries. Its limbs are multiplied next, which looks at 52 bits of each: the others may stay.
    for limb in LIMBS..2 * LIMBS - 1 {
        wide[limb + 1] = _mm512_add_epi64(wide[limb + 1], _mm512_srli_epi64::<LIMB_BITS>(wide[limb]));
    }
    let mut low = *addend;
    let mut above = _mm512_setzero_si512();
    for limb in 0..LIMBS {
        low[limb] = _mm512_add_epi64(low[limb], wide[limb]);
    }
    let fold = splat(FOLD_LIMB);
    for limb in 0..LIMBS {
        low[limb] = _mm512_madd52lo_epu64(low[limb], wide[LIMBS + limb], fold);
        if limb + 1 < LIMBS {
            low[limb + 1] = _mm512_madd52hi_epu64(low[limb + 1], wide[LIMBS + limb], fold);
        } else {
            // The top limb of a product is below 2⁴⁸, so this is below 2³³.
            above = _mm512_madd52hi_epu64(above, wide[LIMBS + limb], fold);
        }
    }
    let above = _mm512_slli_epi64::<{ LIMB_BITS - TOP_BITS }>(above);
    fold_top(low, above)
}

/// The number that limbs of less than 2⁶⁰ are.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn carry(mut lanes: Lanes) -> Lanes {
    debug_assert_below(&lanes, SUM_BITS);
    let top = _mm512_srli_epi64::<TOP_BITS>(lanes[LIMBS - 1]);
    lanes[LIMBS - 1] = _mm512_and_si512(lanes[LIMBS - 1], splat(TOP));
    // At most 12 bits by 33: the product has no high half.
    lanes[0] = _mm512_madd52lo_epu64(lanes[0], top, splat(FOLD));
    carry_limbs(&mut lanes);
    lanes
}

/// The number that limbs of less than 2⁶⁰ and `above` times 2²⁵⁶ are, with `above` below 2³⁸.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn fold_top(mut lanes: Lanes, above: __m512i) -> Lanes {
    debug_assert_below(&lanes, SUM_BITS + 1);
    let top = _mm512_add_epi64(above, _mm512_srli_epi64::<TOP_BITS>(lanes[LIMBS - 1]));
    lanes[LIMBS - 1] = _mm512_and_si512(lanes[LIMBS - 1], splat(TOP));
    lanes[0] = _mm512_madd52lo_epu64(lanes[0], top, splat(FOLD));
    lanes[1] = _mm512_madd52hi_epu64(lanes[1], top, splat(FOLD));
    carry_limbs(&mut lanes);
    lanes
}

/// Carries from limb to limb; the top limb keeps what comes to it.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn carry_limbs(lanes: &mut Lanes) {
    for limb in 0..LIMBS - 1 {
        lanes[limb + 1] = _mm512_add_epi64(lanes[limb + 1], _mm512_srli_epi64::<LIMB_BITS>(lanes[limb]));
        lanes[limb] = _mm512_and_si512(lanes[limb], splat(LIMB));
    }
}

/// In builds with debug assertions, that every limb has at most so many bits.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn debug_assert_below(lanes: &Lanes, bits: u32) {
    if cfg!(debug_assertions) {
        for limb in 0..LIMBS {
            let is_below = _mm512_cmplt_epu64_mask(lanes[limb], splat(1 << bits));
            assert_eq!(is_below, 0xff, "limb {limb} is below 2^{bits}");
        }
    }
}

#[cfg(test)]
mod tests;
