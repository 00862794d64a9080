//! Targets: 256-bit numbers that a header's hash must not exceed, and the compact form in which headers carry them.

use core::fmt;

use thiserror::Error;

/// Bytes of a target.
pub const TARGET_BYTES: usize = 32;

/// The largest hash that counts. Ordered as a number: the larger, the easier.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Target {
    /// Least significant word first.
    words: [u64; 4],
}

/// Why a compact form is not a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CompactError {
    /// The sign bit is set.
    #[error("compact target {bits:#010x} is negative")]
    Negative {
        /// The compact form.
        bits: u32,
    },
    /// It does not fit into 256 bits.
    #[error("compact target {bits:#010x} overflows")]
    Overflow {
        /// The compact form.
        bits: u32,
    },
    /// No hash is that small.
    #[error("compact target {bits:#010x} is zero")]
    Zero {
        /// The compact form.
        bits: u32,
    },
}

const SIGN_BIT: u32 = 0x0080_0000;
const MANTISSA: u32 = 0x007f_ffff;

impl Target {
    /// Zero, which no hash meets.
    pub const ZERO: Self = Self { words: [0; 4] };
    /// One, the hardest target that a retarget rule gives.
    pub const ONE: Self = Self { words: [1, 0, 0, 0] };
    /// All ones, which every hash meets.
    pub const MAX: Self = Self { words: [u64::MAX; 4] };

    /// Reads Bitcoin's compact form: the first byte is the length of the number in bytes, the other three, a signed number, are
    /// its most significant ones.
    ///
    /// # Errors
    /// Where the number is negative, zero, or too large.
    pub fn from_compact(bits: u32) -> Result<Self, CompactError> {
        let (bytes, mantissa) = (bits >> 24, bits & MANTISSA);
        let mantissa = if bytes <= 3 { mantissa >> (8 * (3 - bytes)) } else { mantissa };
        if mantissa == 0 {
            return Err(CompactError::Zero { bits });
        }
        if bits & SIGN_BIT != 0 {
            return Err(CompactError::Negative { bits });
        }
        let shift = 8 * bytes.saturating_sub(3);
        if 32 - mantissa.leading_zeros() + shift > 256 {
            return Err(CompactError::Overflow { bits });
        }
        Ok(Wide::from(Self { words: [u64::from(mantissa), 0, 0, 0] }).shifted_left(shift).held_at(Self::MAX))
    }

    /// The compact form, rounded down to its three bytes (of which one bit is the sign).
    pub fn to_compact(self) -> u32 {
        let bytes = self.bits().div_ceil(8);
        let mantissa = if bytes <= 3 {
            (self.words[0] as u32) << (8 * (3 - bytes))
        } else {
            Wide::from(self).shifted_right(8 * (bytes - 3)).words[0] as u32
        };
        if mantissa & SIGN_BIT == 0 { bytes << 24 | mantissa } else { (bytes + 1) << 24 | mantissa >> 8 }
    }

    /// Little-endian bytes, as hashes are compared.
    pub fn to_le_bytes(self) -> [u8; TARGET_BYTES] {
        let mut bytes = [0; TARGET_BYTES];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads little-endian bytes.
    pub fn from_le_bytes(bytes: &[u8; TARGET_BYTES]) -> Self {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(chunk.try_into().expect("chunks of eight bytes"));
        }
        Self { words }
    }

    /// How many bits the number has, without leading zeros.
    pub const fn bits(self) -> u32 {
        Wide::of(self).bits()
    }
}

impl PartialOrd for Target {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Target {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.words.iter().rev().cmp(other.words.iter().rev())
    }
}

/// 64 hexadecimal digits, most significant first.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words.iter().rev().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// A product of a target and a word, least significant word first: what retargeting computes with, so that nothing is lost
/// on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wide {
    words: [u64; 5],
}

impl Wide {
    const fn of(target: Target) -> Self {
        let [a, b, c, d] = target.words;
        Self { words: [a, b, c, d, 0] }
    }

    /// A target times `factor`.
    pub(crate) fn product(target: Target, factor: u64) -> Self {
        let mut words = [0; 5];
        let mut carry: u128 = 0;
        for (word, digit) in words.iter_mut().zip(target.words) {
            carry += u128::from(digit) * u128::from(factor);
            *word = carry as u64;
            carry >>= 64;
        }
        words[4] = carry as u64;
        Self { words }
    }

    /// The quotient by `divisor`, rounded down.
    pub(crate) fn divided_by(mut self, divisor: u64) -> Self {
        let mut remainder: u128 = 0;
        for word in self.words.iter_mut().rev() {
            let dividend = remainder << 64 | u128::from(*word);
            *word = (dividend / u128::from(divisor)) as u64;
            remainder = dividend % u128::from(divisor);
        }
        self
    }

    pub(crate) const fn bits(self) -> u32 {
        let mut index = 5;
        while index > 0 {
            index -= 1;
            if self.words[index] != 0 {
                return 64 * (index as u32 + 1) - self.words[index].leading_zeros();
            }
        }
        0
    }

    /// Shifted towards the most significant bit; bits beyond the width are lost.
    pub(crate) fn shifted_left(self, count: u32) -> Self {
        let (whole, part) = ((count / 64) as usize, count % 64);
        let word = |index: usize| self.words.get(index).copied().unwrap_or(0);
        let shifted = |index: usize| {
            let Some(from) = index.checked_sub(whole) else { return 0 };
            let below = if part == 0 || from == 0 { 0 } else { word(from - 1) >> (64 - part) };
            word(from) << part | below
        };
        Self { words: core::array::from_fn(shifted) }
    }

    /// Shifted towards the least significant bit.
    pub(crate) fn shifted_right(self, count: u32) -> Self {
        let (whole, part) = ((count / 64) as usize, count % 64);
        let word = |index: usize| self.words.get(index).copied().unwrap_or(0);
        let shifted = |index: usize| {
            let above = if part == 0 { 0 } else { word(index + whole + 1) << (64 - part) };
            word(index + whole) >> part | above
        };
        Self { words: core::array::from_fn(shifted) }
    }

    /// As a target, at most `limit`.
    pub(crate) fn held_at(self, limit: Target) -> Target {
        let [a, b, c, d, over] = self.words;
        let target = Target { words: [a, b, c, d] };
        if over != 0 || target > limit { limit } else { target }
    }
}

impl From<Target> for Wide {
    fn from(target: Target) -> Self {
        Self::of(target)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn compact_forms_of_bitcoin() {
        let genesis = Target::from_compact(0x1d00_ffff).unwrap();
        assert_eq!(genesis.to_string(), "00000000ffff0000000000000000000000000000000000000000000000000000");
        assert_eq!(genesis.to_compact(), 0x1d00_ffff);
        assert_eq!(Target::from_compact(0x0112_3456).unwrap().to_compact(), 0x0112_0000, "two bytes are cut off");
        assert_eq!(Target::from_compact(0x0500_9234).unwrap().to_string(), alloc::format!("{:064x}", 0x9234_0000_u64));
        assert_eq!(Target::from_compact(0x2000_ffff).unwrap().bits(), 256 - 8);
        assert_eq!(Target::from_compact(0x0492_3456), Err(CompactError::Negative { bits: 0x0492_3456 }));
        assert_eq!(Target::from_compact(0x01fe_dcba), Err(CompactError::Negative { bits: 0x01fe_dcba }));
        assert_eq!(Target::from_compact(0xff12_3456), Err(CompactError::Overflow { bits: 0xff12_3456 }));
        assert_eq!(Target::from_compact(0x0092_3456), Err(CompactError::Zero { bits: 0x0092_3456 }));
        assert_eq!(Target::from_compact(0x1d00_0000), Err(CompactError::Zero { bits: 0x1d00_0000 }));
        assert_eq!(Target::ZERO.to_compact(), 0);
        assert_eq!(Target::MAX.to_compact(), 0x2100_ffff);
    }

    #[test]
    fn products_and_quotients_lose_nothing() {
        let wide = Wide::product(Target::MAX, u64::MAX);
        assert_eq!(wide.bits(), 320);
        assert_eq!(wide.divided_by(u64::MAX).held_at(Target::MAX), Target::MAX);
        assert_eq!(wide.held_at(Target::ONE), Target::ONE);
        assert_eq!(wide.shifted_right(64).shifted_left(64).bits(), 320);
        assert_eq!(wide.shifted_right(320).bits(), 0);
        assert_eq!(Wide::from(Target::ONE).shifted_left(200).shifted_right(200).held_at(Target::MAX), Target::ONE);
    }

    #[test]
    fn the_order_is_numeric() {
        let easy = Target::from_compact(0x1d00_ffff).unwrap();
        let hard = Target::from_compact(0x1c7f_ffff).unwrap();
        assert!(easy > hard && hard > Target::ONE && Target::ONE > Target::ZERO);
        assert_eq!(Target::from_le_bytes(&easy.to_le_bytes()), easy);
    }
}
