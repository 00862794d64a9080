//! ECDSA over secp256k1 as Bitcoin takes it: for machines that run Bitcoin's own scripts. This project's transactions are signed
//! after BIP340.

use k256::{
    FieldBytes,
    ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier},
};

const SCALAR_BYTES: usize = 32;
/// Half the group order, big endian: the largest `s` that is low.
const HALF_ORDER: [u8; SCALAR_BYTES] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
    0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];
const SEQUENCE_TAG: u8 = 0x30;
const INTEGER_TAG: u8 = 0x02;

/// Whether `key` (SEC 1, 33 or 65 bytes; hybrid ones too) signed `digest`. Takes signatures in the forms that stand in Bitcoin's
/// chain, which go beyond DER, and a high `s`; [`is_strict_der`] and [`is_low_s`] are the stricter rules.
pub fn verify(key: &[u8], digest: &[u8; 32], signature: &[u8]) -> bool {
    let Some(key) = parse_key(key) else { return false };
    let Some((r, s)) = parse_lax(signature) else { return false };
    let Ok(signature) = Signature::from_scalars(FieldBytes::from(r), FieldBytes::from(s)) else { return false };
    key.verify_prehash(digest, &signature.normalize_s()).is_ok()
}

/// Whether a signature is DER as BIP66 demands, without a hash type behind it.
pub fn is_strict_der(signature: &[u8]) -> bool {
    let [SEQUENCE_TAG, length, body @ ..] = signature else { return false };
    if signature.len() > 72 || usize::from(*length) != body.len() {
        return false;
    }
    let strict = |body| strict_integer(body).and_then(|(_, rest)| strict_integer(rest));
    strict(body).is_some_and(|(_, rest)| rest.is_empty())
}

/// Whether the `s` of a strict signature is in the lower half (BIP62, rule 5).
pub fn is_low_s(signature: &[u8]) -> bool {
    let scalars = || {
        let (_, rest) = strict_integer(signature.get(2..)?)?;
        strict_integer(rest)
    };
    let Some((s, _)) = scalars() else { return false };
    scalar(s).is_some_and(|s| s <= HALF_ORDER)
}

/// Reads an integer that is positive and has no zero in front that it could do without.
fn strict_integer(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [INTEGER_TAG, length, rest @ ..] = bytes else { return None };
    let (integer, rest) = rest.split_at_checked(usize::from(*length))?;
    match integer {
        [] | [0x80..=0xff, ..] | [0, 0..=0x7f, ..] => None,
        _ => Some((integer, rest)),
    }
}

/// A point in the forms that Bitcoin knows. Hybrid ones carry the parity of y as well, and it must be right.
fn parse_key(key: &[u8]) -> Option<VerifyingKey> {
    match (key.first()?, key.len()) {
        (0x02 | 0x03, 33) | (0x04, 65) => VerifyingKey::from_sec1_bytes(key).ok(),
        (tag @ (0x06 | 0x07), 65) => {
            if key[64] & 1 != tag & 1 {
                return None;
            }
            let mut plain: [u8; 65] = key.try_into().ok()?;
            plain[0] = 0x04;
            VerifyingKey::from_sec1_bytes(&plain).ok()
        }
        _ => None,
    }
}

/// Reads `r` and `s` as Bitcoin's `ecdsa_signature_parse_der_lax` does: lengths in any form, zeros in front, anything behind.
/// A scalar that is too long reads as zero, which no signature holds with.
fn parse_lax(signature: &[u8]) -> Option<([u8; SCALAR_BYTES], [u8; SCALAR_BYTES])> {
    let [SEQUENCE_TAG, rest @ ..] = signature else { return None };
    let rest = match rest {
        // The length of the sequence is skipped, whatever it says.
        [length @ 0x80..=0xff, rest @ ..] => rest.get(usize::from(length - 0x80)..)?,
        [_, rest @ ..] => rest,
        [] => return None,
    };
    let (r, rest) = lax_integer(rest)?;
    let (s, _) = lax_integer(rest)?;
    Some((scalar(r).unwrap_or_default(), scalar(s).unwrap_or_default()))
}

fn lax_integer(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [INTEGER_TAG, length, rest @ ..] = bytes else { return None };
    let (length, rest) = if *length < 0x80 {
        (usize::from(*length), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        let digits = &digits[zeros..];
        if digits.len() >= 4 {
            return None;
        }
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    rest.split_at_checked(length)
}

/// An integer of any length as 32 bytes; none where it does not fit.
fn scalar(integer: &[u8]) -> Option<[u8; SCALAR_BYTES]> {
    let zeros = integer.iter().take_while(|byte| **byte == 0).count();
    let digits = &integer[zeros..];
    let mut scalar = [0; SCALAR_BYTES];
    scalar[SCALAR_BYTES.checked_sub(digits.len())?..].copy_from_slice(digits);
    Some(scalar)
}
