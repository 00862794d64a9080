//! Numbers and truth values as the stack holds them: little endian, the sign in the top bit, zero as the empty item.

use alloc::vec::Vec;

use super::fault::Fault;

const SIGN_BIT: u8 = 0x80;

/// The shortest item for `number`.
pub fn encode(number: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = number.unsigned_abs();
    while rest != 0 {
        bytes.push(rest as u8);
        rest >>= 8;
    }
    match bytes.last_mut() {
        Some(last) if *last & SIGN_BIT != 0 => bytes.push(if number < 0 { SIGN_BIT } else { 0 }),
        Some(last) if number < 0 => *last |= SIGN_BIT,
        _ => {}
    }
    bytes
}

/// Reads a number of at most `max_bytes` (8 at the most), in its shortest form where `minimal` asks for it.
///
/// # Errors
/// [`Fault::NumberTooLong`], [`Fault::NumberNotMinimal`].
pub fn decode(bytes: &[u8], minimal: bool, max_bytes: usize) -> Result<i64, Fault> {
    if bytes.len() > max_bytes.min(8) {
        return Err(Fault::NumberTooLong { bytes: bytes.len(), max: max_bytes });
    }
    if minimal && !is_minimal(bytes) {
        return Err(Fault::NumberNotMinimal);
    }
    let Some((last, lower)) = bytes.split_last() else { return Ok(0) };
    let top = i64::from(last & !SIGN_BIT) << (8 * lower.len());
    let magnitude = lower.iter().enumerate().fold(top, |sum, (place, byte)| sum | i64::from(*byte) << (8 * place));
    Ok(if last & SIGN_BIT == 0 { magnitude } else { -magnitude })
}

/// Whether a number has no shorter form: its last byte carries more than a sign, unless the one below needs its top bit.
fn is_minimal(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [last] => last & !SIGN_BIT != 0,
        [.., below, last] => last & !SIGN_BIT != 0 || below & SIGN_BIT != 0,
    }
}

/// Whether an item counts as true: any byte is set, other than the sign of a zero.
pub fn is_true(bytes: &[u8]) -> bool {
    match bytes.split_last() {
        None => false,
        Some((last, lower)) => lower.iter().any(|byte| *byte != 0) || *last & !SIGN_BIT != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_bytes_of_bitcoin() {
        let pairs: [(i64, &[u8]); 12] = [
            (0, &[]),
            (1, &[1]),
            (-1, &[0x81]),
            (127, &[0x7f]),
            (-127, &[0xff]),
            (128, &[0x80, 0]),
            (-128, &[0x80, 0x80]),
            (255, &[0xff, 0]),
            (256, &[0, 1]),
            (-32_768, &[0, 0x80, 0x80]),
            (2_147_483_647, &[0xff, 0xff, 0xff, 0x7f]),
            (-4_294_967_294, &[0xfe, 0xff, 0xff, 0xff, 0x80]),
        ];
        for (number, bytes) in pairs {
            assert_eq!(encode(number), bytes);
            assert_eq!(decode(bytes, true, 5), Ok(number));
        }
    }

    #[test]
    fn longer_forms_are_told() {
        for bytes in [&[0_u8][..], &[0x80], &[1, 0], &[1, 0x80], &[0, 0, 0]] {
            assert_eq!(decode(bytes, true, 4), Err(Fault::NumberNotMinimal), "{bytes:?}");
            assert!(decode(bytes, false, 4).is_ok());
        }
        assert_eq!(decode(&[1; 5], false, 4), Err(Fault::NumberTooLong { bytes: 5, max: 4 }));
    }

    #[test]
    fn zero_of_any_sign_is_false() {
        for bytes in [&[][..], &[0], &[0x80], &[0, 0, 0x80]] {
            assert!(!is_true(bytes));
        }
        for bytes in [&[1_u8][..], &[0x80, 0], &[0x81]] {
            assert!(is_true(bytes));
        }
    }
}
