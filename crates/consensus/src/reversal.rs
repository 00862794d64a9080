//! How likely a settled block is to be reversed, after Nakamoto (2008, section 11).
//!
//! An attacker with the share `q` of all hash power mines in secret while `z` blocks pile up; the attacker's progress in that
//! time is taken as Poisson distributed with mean `z q / (1 - q)`, and the attacker then catches up from `d` blocks behind
//! with probability `(q / (1 - q))^d`. For a risk of 0.001 % that gives depths of 9, 18 and 40 blocks at q = 0.1, 0.2 and 0.3.
//! The Poisson law is an approximation on the attacker's cost: Rosenfeld's exact one (2014, negative binomial) asks for
//! 10, 23 and 57. Neither holds anything against an attacker with half of the power or more: then no depth is safe.

use crate::limits::MAX_REVERSAL_DEPTH_BLOCKS;

/// The probability that an attacker with the share `attacker_share` (0 to 1) of all hash power reverses a block with
/// `depth_blocks` blocks on top, itself included. 1 at depth 0 and from a share of one half on.
pub fn reversal_probability(attacker_share: f64, depth_blocks: u32) -> f64 {
    if attacker_share <= 0.0 {
        return if depth_blocks == 0 { 1.0 } else { 0.0 };
    }
    if depth_blocks == 0 || attacker_share.is_nan() || attacker_share >= 0.5 {
        return 1.0;
    }
    let ratio = attacker_share / (1.0 - attacker_share);
    let depth = f64::from(depth_blocks);
    let even = even_race(ratio, depth_blocks);

    // The attacker has mined k < z blocks and catches up: from k to k - 1 the Poisson term changes by k / (z ratio) and the
    // chance to catch up by ratio, together by k / z.
    let (mut behind, mut term) = (0.0, even);
    for mined in (1..=depth_blocks).rev() {
        term *= f64::from(mined) / depth;
        behind += term;
    }
    // The attacker has mined k > z blocks and is ahead already.
    let (mut ahead, mut term, mut mined) = (0.0, even, depth);
    while term > (even + ahead) * f64::EPSILON {
        mined += 1.0;
        term *= ratio * depth / mined;
        ahead += term;
    }
    (even + behind + ahead).min(1.0)
}

/// The least depth at which the probability of a reversal is at most `risk`; `None` where no depth up to
/// [`MAX_REVERSAL_DEPTH_BLOCKS`] is enough.
pub fn depth_for(attacker_share: f64, risk: f64) -> Option<u32> {
    let reached = |depth| reversal_probability(attacker_share, depth) <= risk;
    if !reached(MAX_REVERSAL_DEPTH_BLOCKS) {
        return None;
    }
    // The probability falls with the depth: look for the edge by halving.
    let (mut below, mut depth) = (0, MAX_REVERSAL_DEPTH_BLOCKS);
    while depth - below > 1 {
        let middle = below + (depth - below) / 2;
        *(if reached(middle) { &mut depth } else { &mut below }) = middle;
    }
    Some(if reached(below) { below } else { depth })
}

/// The Poisson probability of exactly `z` with mean `z ratio`: the product of `z ratio / i * e^-ratio` for i in 1 to z, taken
/// from both ends so that it neither overflows nor vanishes on the way.
fn even_race(ratio: f64, depth_blocks: u32) -> f64 {
    let mean = f64::from(depth_blocks) * ratio;
    let decay = exp_minus(ratio);
    let (mut low, mut high) = (1, depth_blocks);
    let mut product = 1.0;
    while low <= high {
        let factor = if product < 1.0 { low } else { high };
        if factor == low {
            low += 1
        } else {
            high -= 1
        }
        product *= mean / f64::from(factor) * decay;
    }
    product
}

/// e^-x for x in 0 to 1, by its series: below one unit in the last place after 20 terms.
fn exp_minus(x: f64) -> f64 {
    (1..=20).rev().fold(1.0, |sum, index| 1.0 - x / f64::from(index) * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-7
    }

    #[test]
    fn the_table_of_the_bitcoin_paper() {
        for (depth, expected) in [(0, 1.0), (1, 0.2045873), (5, 0.0009137), (10, 0.0000012)] {
            assert!(close(reversal_probability(0.1, depth), expected), "q = 0.1, z = {depth}");
        }
        for (depth, expected) in [(5, 0.1773523), (10, 0.0416605), (25, 0.0006132), (50, 0.0000006)] {
            assert!(close(reversal_probability(0.3, depth), expected), "q = 0.3, z = {depth}");
        }
        // "Solving for P less than 0.1%".
        for (share, depth) in
            [(0.10, 5), (0.15, 8), (0.20, 11), (0.25, 15), (0.30, 24), (0.35, 41), (0.40, 89), (0.45, 340)]
        {
            assert_eq!(depth_for(share, 0.001), Some(depth), "q = {share}");
        }
    }

    #[test]
    fn the_depths_that_the_protocol_names() {
        assert_eq!(depth_for(0.1, 1e-5), Some(9));
        assert_eq!(depth_for(0.2, 1e-5), Some(18));
        assert_eq!(depth_for(0.3, 1e-5), Some(40));
    }

    #[test]
    fn the_edges() {
        assert_eq!(depth_for(0.5, 0.5), None);
        assert_eq!(depth_for(0.6, 1.0), Some(0));
        assert_eq!(depth_for(0.0, 0.0), Some(1));
        assert!(close(reversal_probability(f64::NAN, 5), 1.0));
        assert!(reversal_probability(0.49, MAX_REVERSAL_DEPTH_BLOCKS).is_finite());
        let rare = reversal_probability(0.1, 100);
        assert!(rare > 0.0 && rare < 1e-40, "small risks keep their size: {rare}");
    }
}
