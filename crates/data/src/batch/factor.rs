//! Factors of points: cut into halves by the curve's endomorphism, and written in digits.
//!
//! On this curve `λ·(x, y) = (βx, y)` for a `λ` with `λ³ = 1`, and every factor is `k₁ + k₂λ` with both below 2¹²⁸, which
//! halves the number of places (Guide to Elliptic Curve Cryptography, algorithm 3.74).

use k256::{
    Scalar, U256,
    elliptic_curve::{ff::PrimeField, scalar::IsHigh},
};

/// `β`, a cube root of one in the field: `(βx, y)` is the multiple of `(x, y)` by `λ`. 32 bytes, big endian.
pub const BETA: [u8; 32] = [
    0x7a, 0xe9, 0x6a, 0x2b, 0x65, 0x7c, 0x07, 0x10, 0x6e, 0x64, 0x47, 0x9e, 0xac, 0x34, 0x34, 0xe9, 0x9c, 0xf0, 0x49,
    0x75, 0x12, 0xf5, 0x89, 0x95, 0xc1, 0x39, 0x6c, 0x28, 0x71, 0x95, 0x01, 0xee,
];
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

/// Places of a factor of 128 bits, and room for a last carry.
pub const fn places(bits: usize) -> usize {
    128 / bits + 1
}

/// The digits of a factor, lowest place first, from `1 - 2^(bits - 1)` to `2^(bits - 1)`.
pub fn digits(factor: u128, bits: usize) -> impl Iterator<Item = i16> {
    let mut carry = 0;
    (0..places(bits)).map(move |place| {
        let shifted = u32::try_from(place * bits).ok().and_then(|shift| factor.checked_shr(shift)).unwrap_or(0);
        let digit = (shifted & ((1 << bits) - 1)) as i16 + carry;
        carry = i16::from(digit > 1 << (bits - 1));
        digit - (carry << bits)
    })
}

/// `k₁` and `k₂` with `k = k₁ + k₂λ`, as sign (true: negative) and magnitude.
pub fn decompose(factor: &Scalar) -> [(bool, u128); 2] {
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
pub(super) mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::batch::multi_scalar::MAX_DIGIT_BITS;

    pub(crate) fn scalars() -> impl Iterator<Item = Scalar> {
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
}
