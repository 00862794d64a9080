//! The target that the next header must carry.

use health_chain_consensus::ports::Ancestry;
use health_chain_data::{Header, Height, Timestamp};

use crate::{
    parameters::{PowParameters, Retarget},
    seal::{PowSealError, Seal},
    target::{Target, Wide},
};

/// Blocks between two retargets of Bitcoin's rule.
pub const PERIOD_BLOCKS: u32 = 2016;
/// The most by which Bitcoin's rule changes the target at once.
pub const MAX_PERIOD_FACTOR: u32 = 4;
/// How far before the header below it a period's first header may lie, in seconds (BIP54).
pub const MAX_PERIOD_STEP_BACK_SECONDS: u32 = 7200;

/// The compact target of a header on top of `branch`.
///
/// # Errors
/// Where a header of the branch carries a seal that is none: possible for the genesis header only.
///
/// # Panics
/// If the branch does not reach back as far as the rule asks: to genesis, or to the first header of the period.
pub fn next_bits(branch: &dyn Ancestry, parameters: &PowParameters, limit: Target) -> Result<u32, PowSealError> {
    let parent = branch.parent();
    match parameters.retarget {
        Retarget::Asert { half_life_seconds } => {
            let genesis = at(branch, Height::ZERO);
            let anchor = Target::from_compact(Seal::from_bytes(&genesis.seal)?.bits)?;
            let taken = i128::from(parent.time.0) - i128::from(genesis.time.0);
            let planned = i128::from(parameters.interval_seconds) * i128::from(branch.height().0);
            Ok(asert(anchor, taken - planned, half_life_seconds, limit).to_compact())
        }
        Retarget::Bitcoin2016 { .. } => {
            let bits = Seal::from_bytes(&parent.seal)?.bits;
            if !branch.height().next().0.is_multiple_of(PERIOD_BLOCKS) {
                return Ok(bits);
            }
            let first = at(branch, branch.height().saturating_sub(PERIOD_BLOCKS - 1)).time;
            let target = Target::from_compact(bits)?;
            Ok(bitcoin(target, first, parent.time, parameters.interval_seconds, limit).to_compact())
        }
    }
}

/// The two rules of BIP54 on the time of a header on top of `branch`.
///
/// # Errors
/// [`PowSealError::PeriodStart`] or [`PowSealError::PeriodEnd`].
pub fn check_period_times(header: &Header, branch: &dyn Ancestry) -> Result<(), PowSealError> {
    let height = branch.height().next();
    let time = header.time;
    match height.0 % PERIOD_BLOCKS {
        0 => {
            let earliest = branch.parent().time.saturating_sub(MAX_PERIOD_STEP_BACK_SECONDS);
            if time < earliest { Err(PowSealError::PeriodStart { time, earliest }) } else { Ok(()) }
        }
        place if place == PERIOD_BLOCKS - 1 => {
            let first = at(branch, height.saturating_sub(PERIOD_BLOCKS - 1)).time;
            if time < first { Err(PowSealError::PeriodEnd { time, first }) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// Bitcoin's rule: the target of a period whose first and last headers lie at these times, scaled by what the period took
/// over what it should have. The off-by-one: only 2015 intervals lie between the two.
pub fn bitcoin(target: Target, first: Timestamp, last: Timestamp, interval_seconds: u32, limit: Target) -> Target {
    let planned = i64::from(interval_seconds) * i64::from(PERIOD_BLOCKS);
    let factor = i64::from(MAX_PERIOD_FACTOR);
    let taken = (i64::from(last.0) - i64::from(first.0)).clamp(planned / factor, planned * factor);
    let as_word = |seconds: i64| u64::try_from(seconds).expect("clamped to above zero");
    Wide::product(target, as_word(taken)).divided_by(as_word(planned)).held_at(limit)
}

/// aserti3-2d: the anchor's target times two to the power of `late_seconds / half_life_seconds`, where `late_seconds` is how much
/// longer the chain has taken since its anchor than planned (negative if less). The power is a cubic
/// approximation in integers, exact to the bit among all implementations (Bitcoin Cash, 2020).
pub fn asert(anchor: Target, late_seconds: i128, half_life_seconds: u32, limit: Target) -> Target {
    // In units of 1 / 65536; division rounds towards zero, the shift that follows downwards, as the specification says.
    let exponent = late_seconds * 65_536 / i128::from(half_life_seconds);
    let shifts = exponent >> 16;
    let fraction = (exponent & 0xffff) as u64;
    let cubic = 195_766_423_245_049 * fraction + 971_821_376 * fraction.pow(2) + 5_127 * fraction.pow(3);
    let factor = 65_536 + ((cubic + (1 << 47)) >> 48);
    let product = Wide::product(anchor, factor);

    // The factor carries 16 bits of fraction, which the shift takes back.
    let up = shifts - 16;
    let count = u32::try_from(up.unsigned_abs()).unwrap_or(u32::MAX);
    let target = if up <= 0 {
        product.shifted_right(count).held_at(limit)
    } else if product.bits().saturating_add(count) > 256 {
        limit
    } else {
        product.shifted_left(count).held_at(limit)
    };
    target.max(Target::ONE)
}

fn at(branch: &dyn Ancestry, height: Height) -> Header {
    branch.header(height).expect("the branch reaches back as far as the retarget rule asks")
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const TWO_DAYS: u32 = 172_800;

    fn compact(bits: u32) -> Target {
        Target::from_compact(bits).unwrap()
    }

    /// What block `height` calls for in the published test vectors, where the anchor's parent was made at `anchor_parent`.
    fn run(anchor: (u64, i64, u32), height: u64, time: i64) -> u32 {
        let (anchor_height, anchor_parent, bits) = anchor;
        let late = i128::from(time - anchor_parent) - 600 * i128::from(height - anchor_height + 1);
        asert(compact(bits), late, TWO_DAYS, compact(0x1d00_ffff)).to_compact()
    }

    #[test]
    fn asert_gives_the_published_targets() {
        // From the test vectors that the specification of aserti3-2d links to.
        let steady = (1, 0, 0x1d00_ffff);
        assert_eq!(run(steady, 2, 1200), 0x1d00_ffff, "run 1");
        assert_eq!(run((1, 0, 0x0101_0000), 11, 6600), 0x0101_0000, "run 3");
        // Run 4: from the smallest target, doubling.
        for (height, time, bits) in [
            (2, 174_000, 0x0102_0000),
            (8, 1_214_400, 0x0200_8000),
            (111, 19_074_600, 0x0e40_0000),
            (224, 38_668_800, 0x1d00_8000),
            (225, 38_842_200, 0x1d00_ffff),
        ] {
            assert_eq!(run((1, 0, 0x0101_0000), height, time), bits, "run 4, height {height}");
        }
        // Run 5: from the limit, halving.
        for (height, bits) in [
            (2, 0x1d00_fec5),
            (290, 0x1c7f_62c0),
            (578, 0x1c3f_b160),
            (32_258, 0x0f00_fec5),
            (63_362, 0x010f_0000),
            (64_226, 0x0101_0000),
            (64_514, 0x0101_0000),
        ] {
            assert_eq!(run(steady, height, 0), bits, "run 5, height {height}");
        }
        // Run 9: blocks of 300 seconds.
        let nine = [
            0x1802_ae16,
            0x1802_ad44,
            0x1802_ac71,
            0x1802_ab9e,
            0x1802_aacd,
            0x1802_a9fa,
            0x1802_a929,
            0x1802_a858,
            0x1802_a787,
            0x1802_a6b7,
        ];
        let found: Vec<u32> = (1..=10)
            .map(|step| {
                run(
                    (2_147_483_642, 1_234_567_290, 0x1802_aee8),
                    2_147_483_642 + step,
                    1_234_567_890 + 300 * step as i64,
                )
            })
            .collect();
        assert_eq!(found, nine, "run 9");
        // Run 10: blocks of 900 seconds.
        let ten = [
            0x1802_afbb,
            0x1802_b08f,
            0x1802_b166,
            0x1802_b23a,
            0x1802_b30e,
            0x1802_b3e5,
            0x1802_b4bb,
            0x1802_b592,
            0x1802_b669,
            0x1802_b73d,
        ];
        let start = 9_223_372_036_854_775_802;
        let found: Vec<u32> = (1..=10)
            .map(|step| run((start, 2_147_483_047, 0x1802_aee8), start + step, 2_147_483_647 + 900 * step as i64))
            .collect();
        assert_eq!(found, ten, "run 10");
    }

    #[test]
    fn asert_stays_in_range() {
        let limit = compact(0x1d00_ffff);
        assert_eq!(asert(limit, i128::from(i64::MAX), 1, limit), limit);
        assert_eq!(asert(limit, i128::from(i64::MIN), 1, limit), Target::ONE);
        let easiest = compact(PowParameters::EASIEST_LIMIT_BITS);
        assert_eq!(asert(easiest, 1, TWO_DAYS, easiest), easiest, "a product of more than 256 bits");
    }

    #[test]
    fn bitcoin_scales_by_at_most_four() {
        let (limit, target) = (compact(0x1d00_ffff), compact(0x1c05_a3f4));
        // The values of Bitcoin Core's own tests of the rule.
        let next = |target, first, last| bitcoin(target, Timestamp(first), Timestamp(last), 600, limit).to_compact();
        assert_eq!(next(limit, 1_261_130_161, 1_262_152_739), 0x1d00_d86a);
        assert_eq!(next(limit, 1_231_006_505, 1_233_061_996), 0x1d00_ffff);
        assert_eq!(next(target, 1_279_008_237, 1_279_297_671), 0x1c01_68fd);
        assert_eq!(next(compact(0x1c38_7f6f), 1_263_163_443, 1_269_211_443), 0x1d00_e1fd);
        assert_eq!(next(limit, 100, 50), 0x1c3f_ffc0, "time running backwards counts as a quarter");
    }
}
