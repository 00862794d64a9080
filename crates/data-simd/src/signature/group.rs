//! Eight claims side by side, made ready for vectors.

use health_chain_data::{
    Hash,
    batch::factor::{decompose, digits, places},
    ports::SignatureClaim,
};
use k256::{
    FieldBytes, Scalar,
    elliptic_curve::{ff::PrimeField, ops::Reduce},
};

use super::limbs::{LIMBS, limbs};

/// Claims of a group.
pub(crate) const LANES: usize = 8;
/// Bits of a digit that a key is multiplied by. Each group makes the multiples of its keys: few, then.
pub(crate) const KEY_DIGIT_BITS: usize = 5;
/// The greatest digit that a key is multiplied by.
pub(crate) const KEY_MULTIPLES: usize = 1 << (KEY_DIGIT_BITS - 1);
/// Digits of a key's factor.
pub(crate) const KEY_PLACES: usize = places(KEY_DIGIT_BITS);
/// Places of a key's factor in a place of the generator's.
pub(crate) const KEY_PLACES_IN_GENERATOR_PLACE: usize = 2;
/// Bits of a digit that the generator is multiplied by. Its multiples are made once.
pub(crate) const GENERATOR_DIGIT_BITS: usize = KEY_DIGIT_BITS * KEY_PLACES_IN_GENERATOR_PLACE;
/// The greatest digit that the generator is multiplied by.
pub(crate) const GENERATOR_MULTIPLES: usize = 1 << (GENERATOR_DIGIT_BITS - 1);
/// Digits of the generator's factor.
pub(crate) const GENERATOR_PLACES: usize = places(GENERATOR_DIGIT_BITS);

/// `p`, below which `r` has to be.
const FIELD_SIZE: [u8; 32] = {
    let mut bytes = [0xff; 32];
    (bytes[27], bytes[30], bytes[31]) = (0xfe, 0xfc, 0x2f);
    bytes
};

/// A digit for each lane.
pub(crate) type Digits = [i16; LANES];

/// What the equation needs of eight claims. A lane without a claim is all zeros.
pub(crate) struct Group {
    /// `P`'s x coordinate, limb by limb.
    pub(crate) key: [[u64; LANES]; LIMBS],
    /// `r`, limb by limb.
    pub(crate) nonce: [[u64; LANES]; LIMBS],
    /// `-e` in two halves, of which the second counts `λ` times, each from the lowest digit up.
    pub(crate) key_digits: [[Digits; KEY_PLACES]; 2],
    /// `s` in two halves, of which the second counts `2¹²⁸` times, each from the lowest digit up.
    pub(crate) generator_digits: [[Digits; GENERATOR_PLACES]; 2],
    /// In which lanes `r` and `s` are in range. The others have no digits, and are false: bit `i` is that of lane `i`.
    pub(crate) in_range: u8,
}

/// What was found out about a group's claims: bit `i` is that of lane `i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdicts {
    /// The claim holds.
    pub(crate) holds: u8,
    /// It could not be found out: `R` is the point at infinity, or the formulas don't apply.
    pub(crate) unknown: u8,
}

impl Group {
    /// Of at most [`LANES`] claims, with the digests of which their challenges are made.
    pub(crate) fn new(claims: &[SignatureClaim], challenges: &[Hash]) -> Self {
        let mut group = Self {
            key: [[0; LANES]; LIMBS],
            nonce: [[0; LANES]; LIMBS],
            key_digits: [[[0; LANES]; KEY_PLACES]; 2],
            generator_digits: [[[0; LANES]; GENERATOR_PLACES]; 2],
            in_range: 0,
        };
        for (lane, (claim, challenge)) in claims.iter().zip(challenges).enumerate() {
            let [r, s] = claim.signature.into();
            let (key, nonce) = (limbs(claim.key.as_bytes()), limbs(&r));
            for limb in 0..LIMBS {
                group.key[limb][lane] = key[limb];
                group.nonce[limb][lane] = nonce[limb];
            }
            let Some(of_generator) = in_range(&r, &s) else { continue };
            group.in_range |= 1 << lane;
            let of_key = -<Scalar as Reduce<FieldBytes>>::reduce(&challenge.0.into());
            for (half, digits_of_half) in decompose(&of_key).into_iter().zip(&mut group.key_digits) {
                write(digits_of_half, lane, KEY_DIGIT_BITS, half);
            }
            for (half, digits_of_half) in of_generator.into_iter().zip(&mut group.generator_digits) {
                write(digits_of_half, lane, GENERATOR_DIGIT_BITS, (false, half));
            }
        }
        group
    }
}

/// The low and the high half of `s`, where both numbers of a signature are in range.
fn in_range(r: &[u8; 32], s: &[u8; 32]) -> Option<[u128; 2]> {
    let is_zero = *s == [0; 32];
    if *r >= FIELD_SIZE || is_zero || Scalar::from_repr((*s).into()).is_none().into() {
        return None;
    }
    let (high, low) = s.split_first_chunk().expect("half of 32 bytes");
    Some([u128::from_be_bytes(low.try_into().expect("half of 32 bytes")), u128::from_be_bytes(*high)])
}

/// Writes the digits of a sign (true: negative) and a magnitude.
fn write(all: &mut [Digits], lane: usize, bits: usize, (is_negative, magnitude): (bool, u128)) {
    for (digits, digit) in all.iter_mut().zip(digits(magnitude, bits)) {
        digits[lane] = if is_negative { -digit } else { digit };
    }
}
