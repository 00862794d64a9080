//! Whether a sum of many multiples of points is the point at infinity.
//!
//! Pippenger's method: with multiples written in digits, the points that have the same digit at the same place are
//! added first, so that a point costs one addition for each digit of its factor, and no doubling.

use alloc::vec::Vec;

use k256::{ProjectivePoint, Scalar, elliptic_curve::group::Group};

use super::{
    factor::{decompose, digits, places},
    field::Point,
    sums::Groups,
};

/// Points that are sorted into buckets at a time: few enough to stay in a core's cache, many enough to share inversions.
const SORTED_POINTS: usize = 8192;
/// The widest digit considered, in bits.
pub(super) const MAX_DIGIT_BITS: usize = 12;

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

#[cfg(test)]
mod tests {
    use k256::{AffinePoint, elliptic_curve::point::AffineCoordinates};

    use super::*;
    use crate::batch::factor::tests::scalars;

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
