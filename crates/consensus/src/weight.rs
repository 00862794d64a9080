//! The weight of a branch: a 256-bit sum, so that no amount of work overflows it in practice.

use core::fmt;

/// Bytes of a weight.
pub const WEIGHT_BYTES: usize = 32;

/// A 256-bit unsigned number, most significant word first, so that the derived order is the numeric one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Weight([u64; 4]);

impl Weight {
    /// No weight at all.
    pub const ZERO: Self = Self([0; 4]);
    /// The largest weight.
    pub const MAX: Self = Self([u64::MAX; 4]);

    /// The expected number of hashes until one is at most `target` (little-endian, as hashes are compared):
    /// `floor(2^256 / (target + 1))`, held at [`Weight::MAX`] for the target zero. Bitcoin's block proof.
    pub fn of_target(target: &[u8; WEIGHT_BYTES]) -> Self {
        let mut bytes = *target;
        bytes.reverse();
        let target = Self::from_be_bytes(&bytes);
        // 2^256 does not fit, but 2^256 / (t + 1) = (2^256 - 1 - t) / (t + 1) + 1 does, except for t = 0.
        match target.checked_add(Self::from(1)) {
            None => Self::from(1),
            Some(divisor) => target.complement().divided_by(divisor).saturating_add(Self::from(1)),
        }
    }

    /// The sum, or `None` where it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let mut sum = [0; 4];
        let mut carry = false;
        for index in (0..4).rev() {
            (sum[index], carry) = add_with_carry(self.0[index], other.0[index], carry);
        }
        (!carry).then_some(Self(sum))
    }

    /// The sum, held at [`Weight::MAX`].
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        self.checked_add(other).unwrap_or(Self::MAX)
    }

    /// The difference, or `None` where it would be negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        (self >= other).then(|| self.wrapping_sub(other))
    }

    /// The number in big-endian bytes, as chain work is written.
    pub fn to_be_bytes(self) -> [u8; WEIGHT_BYTES] {
        let mut bytes = [0; WEIGHT_BYTES];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// Reads big-endian bytes.
    pub fn from_be_bytes(bytes: &[u8; WEIGHT_BYTES]) -> Self {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_be_bytes(chunk.try_into().expect("chunks of eight bytes"));
        }
        Self(words)
    }

    const fn complement(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([!a, !b, !c, !d])
    }

    const fn bit(self, index: usize) -> bool {
        self.0[3 - index / 64] >> (index % 64) & 1 == 1
    }

    /// Long division bit by bit; the divisor is not zero. The remainder stays below the divisor, so doubled it is below
    /// twice that, and one subtraction, with the bit that doubling pushed out, brings it back.
    fn divided_by(self, divisor: Self) -> Self {
        let mut quotient = Self::ZERO;
        let mut remainder = Self::ZERO;
        for index in (0..256).rev() {
            let lost = remainder.bit(255);
            remainder = remainder.doubled(self.bit(index));
            if lost || remainder >= divisor {
                remainder = remainder.wrapping_sub(divisor);
                quotient.0[3 - index / 64] |= 1 << (index % 64);
            }
        }
        quotient
    }

    const fn doubled(self, low_bit: bool) -> Self {
        let [a, b, c, d] = self.0;
        Self([a << 1 | b >> 63, b << 1 | c >> 63, c << 1 | d >> 63, d << 1 | low_bit as u64])
    }

    fn wrapping_sub(self, other: Self) -> Self {
        // a - b = a + !b + 1.
        let mut difference = [0; 4];
        let mut carry = true;
        for index in (0..4).rev() {
            (difference[index], carry) = add_with_carry(self.0[index], !other.0[index], carry);
        }
        Self(difference)
    }
}

impl From<u64> for Weight {
    fn from(number: u64) -> Self {
        Self([0, 0, 0, number])
    }
}

/// 64 hexadecimal digits, most significant first.
impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

impl fmt::Debug for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weight({self})")
    }
}

const fn add_with_carry(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (sum, over) = a.overflowing_add(b);
    let (sum, over_again) = sum.overflowing_add(carry as u64);
    (sum, over || over_again)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn target(words: [u64; 4]) -> [u8; 32] {
        let mut bytes = Weight(words).to_be_bytes();
        bytes.reverse();
        bytes
    }

    #[test]
    fn work_of_known_targets() {
        // Bitcoin's easiest target, 0x1d00ffff: the block proof is 2^32 + 2^16 + 1.
        assert_eq!(Weight::of_target(&target([0xffff_0000, 0, 0, 0])), Weight::from(0x1_0001_0001));
        // The easiest target of its regression test network, 0x207fffff.
        assert_eq!(Weight::of_target(&target([0x7fff_ff00_0000_0000, 0, 0, 0])), Weight::from(2));
        assert_eq!(Weight::of_target(&target([u64::MAX; 4])), Weight::from(1));
        assert_eq!(Weight::of_target(&target([0; 4])), Weight::MAX);
        assert_eq!(Weight::of_target(&target([0, 0, 0, 1])), Weight([1 << 63, 0, 0, 0]));
        assert_eq!(Weight::of_target(&target([0, 0, 0, 2])), Weight([0x5555_5555_5555_5555; 4]));
        assert_eq!(Weight::of_target(&target([1 << 63, 0, 0, 0])), Weight::from(1));
    }

    #[test]
    fn sums_carry_and_refuse_to_wrap() {
        let low = Weight([0, 0, u64::MAX, u64::MAX]);
        let sum = low.checked_add(Weight::from(1)).unwrap();
        assert_eq!(sum, Weight([0, 1, 0, 0]));
        assert_eq!(sum.checked_sub(Weight::from(1)), Some(low));
        assert_eq!(low.checked_sub(sum), None);
        assert_eq!(Weight::MAX.checked_add(Weight::from(1)), None);
        assert_eq!(Weight::MAX.saturating_add(Weight::MAX), Weight::MAX);
        assert!(sum > low);
    }

    #[test]
    fn bytes_are_big_endian() {
        let weight = Weight([1, 2, 3, 4]);
        assert_eq!(Weight::from_be_bytes(&weight.to_be_bytes()), weight);
        assert_eq!(weight.to_be_bytes()[31], 4);
        assert_eq!(Weight::from(0xab).to_string(), "00000000000000000000000000000000000000000000000000000000000000ab");
    }
}
