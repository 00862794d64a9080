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

/// BIP68: a length in time counts units of 2^9 seconds.
const GRANULARITY: u32 = 9;

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

/// Whether a block stands past `asked`, a height or a time: what may be asked of a transaction in it, asked of the block itself.
pub const fn is_past(asked: i64, height: u32, median_time_past: u32) -> bool {
    if asked < THRESHOLD { asked < height as i64 } else { asked < median_time_past as i64 }
}

/// Whether something that is `blocks` and `seconds` old has the age that `asked` says, in the one or the other unit.
pub const fn is_aged(asked: i64, blocks: u32, seconds: u32) -> bool {
    let length = asked as u32 & LENGTH;
    if asked & TIME as i64 != 0 { length << GRANULARITY <= seconds } else { length <= blocks }
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
    fn a_block_is_past_what_is_below_it() {
        assert!(is_past(9, 10, 0) && !is_past(10, 10, u32::MAX));
        assert!(is_past(THRESHOLD, 0, 500_000_001) && !is_past(THRESHOLD, u32::MAX, 500_000_000));
    }

    #[test]
    fn something_has_an_age_in_either_unit() {
        assert!(is_aged(10, 10, 0) && !is_aged(11, 10, u32::MAX));
        let two = i64::from(TIME | 2);
        assert!(is_aged(two, 0, 1_024) && !is_aged(two, u32::MAX, 1_023));
        assert!(is_aged(0x0020_0001, 1, 0), "bits without a meaning are left out");
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
