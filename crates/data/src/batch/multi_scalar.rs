//! Whether a sum of many multiples of points is the point at infinity.
//!
//! Pippenger's method: with multiples written in digits, the points that have the same digit at the same place are
//! added first, so that a point costs one addition for each digit of its factor, and no doubling.
//!
//! On this curve `λ·(x, y) = (βx, y)` for a `λ` with `λ³ = 1`, and every factor is `k₁ + k₂λ` with both below 2¹²⁸, which
//! halves the number of places (Guide to Elliptic Curve Cryptography, algorithm 3.74).

use alloc::vec::Vec;

use k256::{
    ProjectivePoint, Scalar, U256,
    elliptic_curve::{ff::PrimeField, group::Group, scalar::IsHigh},
};

use super::{field::Point, sums::Groups};

/// Points that are sorted into buckets at a time: few enough to stay in a core's cache, many enough to share inversions.
const SORTED_POINTS: usize = 8192;
/// The widest digit considered, in bits.
const MAX_DIGIT_BITS: usize = 12;

/// `λ`.
const LAMBDA: [u8; 32] = [
    0x53, 0x63, 0xad, 0x4c, 0xc0, 0x5c, 0x30, 0xe0, 0xa5, 0x26, 0x1c, 0x02, 0x88, 0x12, 0x64, 0x5a, 0x12, 0x2e, 0x22,
    0xea, 0x20, 0x81, 0x66, 0x78, 0xdf, 0x02, 0x96, 0x7c, 0x1b, 0x23, 0xbd, 0x72,
];
/// `-b₁` and `b₂` of the short vectors `(a, b)` with `a + bλ = 0`, and with the group order `n`, `g₁ = 2³⁸⁴·b₂ / n` and
/// `g₂ = 2³⁸⁴·-b₁ / n`, rounded (libsecp256k1).
const MINUS_B1: u128 = 0xe443_7ed6_010e_8828_6f54_7fa9_0abf_e4c3;
const B2: u128 = 0x3086_d221_a7d4_6bcd_e86c_90e4_9284_eb15;
const G1: U256 = U256::from_be_hex("3086d221a7d46bcde86c90e49284eb153daa8a1471e8ca7fe893209a45dbb031");
const G2: U256 = U256::from_be_hex("e4437ed6010e88286f547fa90abfe4c4221208ac9df506c61571b4ae8ac47f71");

/// A sum of multiples of points.
pub(super) struct Combination {
    terms: Vec<(Point, u128)>,
}

impl Combination {
    /// Room for so many claims.
    pub(super) fn with_capacity(claims: usize) -> Self {
        Self { terms: Vec::with_capacity(3 * claims + 2) }
    }

    /// Adds `factor` times `point`.
    pub(super) fn add(&mut self, point: Point, factor: &Scalar) {
        let parts = decompose(factor);
        for ((is_negative, magnitude), point) in parts.into_iter().zip([point, point.endomorphism()]) {
            self.add_short(if is_negative { point.negated() } else { point }, magnitude);
        }
    }

    /// Adds `factor` times `point`, where half of a factor's length suffices.
    pub(super) fn add_short(&mut self, point: Point, factor: u128) {
        if factor != 0 {
            self.terms.push((point, factor));
        }
    }

    /// Whether the sum is the point at infinity. Takes a time that depends on points and factors.
    pub(super) fn is_zero(&self) -> bool {
        let bits = digit_bits(self.terms.len());
        let bit_sums = bit_sums(self.buckets(bits), bits);
        let mut sum = ProjectivePoint::IDENTITY;
        for point in bit_sums.into_iter().rev() {
            sum.double_in_place();
            if let Some(point) = point {
                sum += point.to_affine();
            }
        }
        sum.is_identity().into()
    }

    /// For every place, and every digit from 1 to half the base, the sum of the points with this digit at this place.
    fn buckets(&self, bits: usize) -> Vec<Option<Point>> {
        let half = 1 << (bits - 1);
        let places = places(bits);
        let digits: Vec<i16> = self.terms.iter().flat_map(|(_, factor)| digits(*factor, bits)).collect();
        let at_a_time = (SORTED_POINTS / self.terms.len().max(1)).clamp(1, places);
        let mut buckets = Vec::with_capacity(places * half);
        for first in (0..places).step_by(at_a_time) {
            let chosen = first..places.min(first + at_a_time);
            let entries = || {
                self.terms.iter().zip(digits.chunks_exact(places)).flat_map(|((point, _), digits)| {
                    let digits = digits[chosen.clone()].iter().enumerate().filter(|(_, digit)| **digit != 0);
                    digits.map(move |(place, digit)| {
                        let bucket = place * half + usize::from(digit.unsigned_abs()) - 1;
                        (bucket, if *digit < 0 { point.negated() } else { *point })
                    })
                })
            };
            buckets.extend(Groups::sorted(chosen.len() * half, entries).sum());
        }
        buckets
    }
}

/// For every bit of the factors, lowest first, the sum of the points it stands for: those whose digit has it.
fn bit_sums(buckets: Vec<Option<Point>>, bits: usize) -> Vec<Option<Point>> {
    let places = places(bits);
    let mut sums = Groups::default();
    // Of the buckets for the digits 1 to `size` of each place, those with the highest bit go to its sum, and then also to
    // the bucket of what is left of their digit.
    let (mut rest, mut size) = (buckets, 1 << (bits - 1));
    for bit in (0..bits).rev() {
        let high = 1 << bit;
        let mut folded = Groups::default();
        for digits in rest.chunks_exact(size) {
            sums.push(&digits[high - 1..]);
            for low in 1..high {
                folded.push(&[digits[low - 1], digits.get(high + low - 1).copied().flatten()]);
            }
        }
        (rest, size) = (folded.sum(), high - 1);
        if size == 0 {
            break;
        }
    }
    let sums = sums.sum();
    (0..places)
        .flat_map(|place| (0..bits).map(move |bit| (place, bit)))
        .map(|(place, bit)| sums[(bits - 1 - bit) * places + place])
        .collect()
}

/// The width of digits that takes the fewest additions for so many terms.
fn digit_bits(terms: usize) -> usize {
    let additions = |bits: usize| places(bits) * (terms + (1 << (bits - 1)));
    (2..=MAX_DIGIT_BITS).min_by_key(|bits| additions(*bits)).expect("the range is not empty")
}

/// Places of a factor of 128 bits, and room for a last carry.
const fn places(bits: usize) -> usize {
    128 / bits + 1
}

/// The digits of a factor, lowest place first, from `1 - 2^(bits - 1)` to `2^(bits - 1)`.
fn digits(factor: u128, bits: usize) -> impl Iterator<Item = i16> {
    let mut carry = 0;
    (0..places(bits)).map(move |place| {
        let shifted = u32::try_from(place * bits).ok().and_then(|shift| factor.checked_shr(shift)).unwrap_or(0);
        let digit = (shifted & ((1 << bits) - 1)) as i16 + carry;
        carry = i16::from(digit > 1 << (bits - 1));
        digit - (carry << bits)
    })
}

/// `k₁` and `k₂` with `k = k₁ + k₂λ`, as sign (true: negative) and magnitude.
fn decompose(factor: &Scalar) -> [(bool, u128); 2] {
    let number = U256::from_be_slice(&factor.to_repr());
    let rounded = |g: &U256| {
        // The product divided by 2^384, rounded.
        let high: [u8; 32] = number.widening_mul(g).1.to_be_bytes().into();
        let (quotient, fraction) = high.split_at(16);
        let quotient = u128::from_be_bytes(quotient.try_into().expect("half of 32 bytes"));
        Scalar::from(quotient) + Scalar::from(u64::from(fraction[0] >> 7))
    };
    let second = rounded(&G1) * Scalar::from(MINUS_B1) - rounded(&G2) * Scalar::from(B2);
    let first = *factor - second * Scalar::from_repr(LAMBDA.into()).expect("below the group order");
    [first, second].map(|part| {
        let is_negative = bool::from(part.is_high());
        let magnitude = if is_negative { -part } else { part }.to_repr();
        let (zeros, low) = magnitude.split_at(16);
        assert_eq!(zeros, [0; 16], "the parts of a factor have half of its length");
        (is_negative, u128::from_be_bytes(low.try_into().expect("half of 32 bytes")))
    })
}

#[cfg(test)]
mod tests {
    use k256::{AffinePoint, elliptic_curve::point::AffineCoordinates};

    use super::*;

    fn scalars() -> impl Iterator<Item = Scalar> {
        let edges = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(u128::MAX), -Scalar::from(u128::MAX)];
        // Powers of a number, which go through the whole range.
        let powers = core::iter::successors(Some(Scalar::from(3_u64)), |power| Some(power.square() + Scalar::ONE));
        edges.into_iter().chain(powers.take(60))
    }

    #[test]
    fn parts_make_up_their_factor() {
        let lambda = Scalar::from_repr(LAMBDA.into()).unwrap();
        for factor in scalars() {
            let [first, second] = decompose(&factor).map(|(is_negative, magnitude)| {
                let magnitude = Scalar::from(magnitude);
                if is_negative { -magnitude } else { magnitude }
            });
            assert_eq!(first + second * lambda, factor);
        }
    }

    #[test]
    fn digits_make_up_their_factor() {
        let factors = [0, 1, u128::MAX, u128::MAX / 3, 1 << 127, 0x8080_8080_8080_8080_8080_8080_8080_8080];
        for bits in 2..=MAX_DIGIT_BITS {
            for factor in factors {
                let mut sum = Scalar::ZERO;
                for digit in digits(factor, bits).collect::<Vec<_>>().into_iter().rev() {
                    assert!(i32::from(digit).abs() <= 1 << (bits - 1), "{bits} bits: {digit}");
                    let magnitude = Scalar::from(u64::from(digit.unsigned_abs()));
                    sum = sum * Scalar::from(1_u64 << bits) + if digit < 0 { -magnitude } else { magnitude };
                }
                assert_eq!(sum, Scalar::from(factor), "{bits} bits: {factor}");
            }
        }
    }

    #[test]
    fn sums_are_those_of_the_group() {
        for count in [0, 1, 2, 3, 10, 65] {
            let mut combination = Combination::with_capacity(count);
            let mut expected = ProjectivePoint::IDENTITY;
            for (index, factor) in scalars().take(count).enumerate() {
                // Few points, so that equal ones and opposite ones meet.
                let point = (ProjectivePoint::GENERATOR * Scalar::from(1 + index as u64 % 7)).to_affine();
                combination.add(Point::lift(&[point.x().into()])[0].unwrap(), &factor);
                let even = if point.y_is_odd().into() { -point } else { point };
                expected += ProjectivePoint::from(even) * factor;
            }
            let expected = expected.to_affine();
            if expected == AffinePoint::IDENTITY {
                assert!(combination.is_zero(), "{count}");
                continue;
            }
            assert!(!combination.is_zero(), "{count}");
            let even = Point::lift(&[expected.x().into()])[0].unwrap();
            combination.add_short(if expected.y_is_odd().into() { even } else { even.negated() }, 1);
            assert!(combination.is_zero(), "{count}");
        }
    }
}
