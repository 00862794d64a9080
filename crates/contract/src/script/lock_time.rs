//! When a transaction's lock time, and an input's sequence, satisfy what a script asks for.

/// Below it, a lock time is a height; from it on, a time in seconds.
const THRESHOLD: i64 = 500_000_000;
/// The sequence that makes a transaction ignore its lock time.
const FINAL: u32 = u32::MAX;
/// BIP68: the sequence asks for nothing.
const DISABLED: u32 = 1 << 31;
/// BIP68: the length counts units of 512 seconds and not blocks.
pub const TIME: u32 = 1 << 22;
/// BIP68: the bits that carry the length.
const LENGTH: u32 = 0xffff;

/// Whether a transaction with `lock_time`, spent by an input with `sequence`, can't be valid before `asked` (BIP65).
pub const fn is_reached(asked: i64, lock_time: u32, sequence: u32) -> bool {
    let lock_time = lock_time as i64;
    let same_unit = (asked < THRESHOLD) == (lock_time < THRESHOLD);
    same_unit && asked <= lock_time && sequence != FINAL
}

/// Whether an input with `sequence` can't be valid before its output has the age that `asked` says (BIP112).
pub const fn is_old_enough(asked: i64, sequence: u32) -> bool {
    if sequence & DISABLED != 0 {
        return false;
    }
    let asked = (asked & (TIME | LENGTH) as i64) as u32;
    let sequence = sequence & (TIME | LENGTH);
    (asked & TIME) == (sequence & TIME) && asked <= sequence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_times_compare_within_one_unit() {
        assert!(is_reached(100, 100, 0) && !is_reached(101, 100, 0));
        assert!(is_reached(THRESHOLD, 500_000_000, 0) && !is_reached(THRESHOLD - 1, 500_000_000, 0));
        assert!(!is_reached(THRESHOLD, 499_999_999, 0));
        assert!(!is_reached(1, 100, FINAL), "a final input ignores its lock time");
    }

    #[test]
    fn ages_compare_within_one_unit() {
        assert!(is_old_enough(10, 10) && !is_old_enough(11, 10));
        assert!(!is_old_enough(10, TIME | 10) && !is_old_enough(i64::from(TIME | 10), 10));
        assert!(is_old_enough(i64::from(TIME | 10), TIME | 11));
        assert!(!is_old_enough(0, DISABLED));
        assert!(is_old_enough(0x0020_0001, 1), "bits without a meaning are left out");
    }
}
