//! How often a settled block is reversed: races, against Nakamoto's closed form and Rosenfeld's.

use std::{error::Error, fmt::Write as _, fs, path::Path};

use health_chain::consensus::reversal::{depth_for, reversal_probability};
use health_chain_testkit::sim::Random;

use super::output::{Curve, Plot, Style, progress, write};

const SHARES_PERCENT: [u32; 10] = [5, 10, 15, 20, 25, 30, 35, 40, 45, 50];
/// The attacker is as strong as all others.
const EQUAL_PERCENT: u32 = 50;
const PLOTTED_PERCENT: [u32; 4] = [10, 20, 30, 40];
const MAX_DEPTH: u32 = 60;
/// An attacker less likely than this to catch up gives up.
const HOPELESS: f64 = 1e-9;
const RISK: f64 = 1e-5;

pub(crate) fn run(folder: &Path, seed: u64, races: u32) -> Result<(), Box<dyn Error>> {
    let mut random = Random::new(seed);
    let bar = progress(SHARES_PERCENT.len() as u64);
    let mut csv = String::from("attacker_share,depth_blocks,races,measured,rosenfeld,nakamoto\n");
    let mut curves = Vec::new();
    let mut worst: f64 = 0.0;
    for percent in SHARES_PERCENT {
        let share = f64::from(percent) / 100.0;
        bar.set_message(format!("share {share}"));
        if percent == EQUAL_PERCENT {
            // Won with certainty, but in no finite time on average: computed only.
            for depth in 1..=MAX_DEPTH {
                let (exact, nakamoto) = (rosenfeld(share, depth), reversal_probability(share, depth));
                writeln!(csv, "{share},{depth},0,,{exact:.6e},{nakamoto:.6e}")?;
            }
            bar.inc(1);
            continue;
        }
        let measured = measure(share, races, &mut random);
        let mut points = [Vec::new(), Vec::new(), Vec::new()];
        for depth in 1..=MAX_DEPTH {
            let values = [measured[depth as usize - 1], rosenfeld(share, depth), reversal_probability(share, depth)];
            let [measured, exact, nakamoto] = values;
            writeln!(csv, "{share},{depth},{races},{measured:.6e},{exact:.6e},{nakamoto:.6e}")?;
            let spread = (exact * (1.0 - exact) / f64::from(races)).sqrt();
            if exact * f64::from(races) > 10.0 {
                worst = worst.max((measured - exact).abs() / spread);
            }
            for (points, value) in points.iter_mut().zip(values) {
                points.push((f64::from(depth), value));
            }
        }
        if let Some(colour) = PLOTTED_PERCENT.iter().position(|plotted| *plotted == percent) {
            let names = ["measured", "Rosenfeld", "Nakamoto"];
            for (index, (points, name)) in points.into_iter().zip(names).enumerate() {
                let style = if index == 0 { Style::Dots } else { Style::Line };
                let colour = if index == 2 { colour + PLOTTED_PERCENT.len() } else { colour };
                curves.push(Curve { name: format!("{percent} %, {name}"), points, style, colour });
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    fs::write(folder.join("reversal.csv"), csv)?;
    let labels = ["depth (blocks)", "probability of a reversal"];
    let across = 0.0..f64::from(MAX_DEPTH) + 0.5;
    write(&folder.join("reversal.svg"), 1, &[Plot::of_probabilities(labels, across, 1e-5, curves)])?;
    println!("largest distance from Rosenfeld's form: {worst:.2} standard deviations");
    for percent in SHARES_PERCENT {
        let share = f64::from(percent) / 100.0;
        let exact = (1..=2_000).find(|depth| rosenfeld(share, *depth) <= RISK);
        let name = |depth: Option<u32>| depth.map_or_else(|| "over 2000".to_owned(), |depth| depth.to_string());
        let depths = [name(exact), name(depth_for(share, RISK))];
        println!("share {share:.2}: risk {RISK} at depth {} (Rosenfeld), {} (Nakamoto)", depths[0], depths[1]);
    }
    Ok(())
}

/// For each depth from 1 the share of races in which the attacker drew level at that depth or later.
fn measure(share: f64, races: u32, random: &mut Random) -> Vec<f64> {
    let ratio: f64 = share / (1.0 - share);
    let hopeless = (HOPELESS.ln() / ratio.ln()).ceil() as i64;
    let mut level = vec![0_u32; MAX_DEPTH as usize + 1];
    for _ in 0..races {
        level[last_level(share, hopeless, random)] += 1;
    }
    let mut reversed = 0;
    let mut measured: Vec<f64> = Vec::new();
    for count in level.iter().skip(1).rev() {
        reversed += count;
        measured.push(f64::from(reversed) / f64::from(races));
    }
    measured.reverse();
    measured
}

/// How many honest blocks there were when the attacker was last level or ahead, at most [`MAX_DEPTH`].
fn last_level(share: f64, hopeless: i64, random: &mut Random) -> usize {
    let (mut honest, mut behind, mut last) = (0_usize, 0_i64, 0);
    while behind < hopeless && last < MAX_DEPTH as usize {
        if random.fraction() <= share {
            behind -= 1;
        } else {
            honest += 1;
            behind += 1;
        }
        if behind <= 0 {
            last = honest.min(MAX_DEPTH as usize);
        }
    }
    last
}

/// Rosenfeld (2014), equation 1, written as a sum of what the attacker wins, so that small risks keep their size: level or ahead
/// when the depth is reached, or behind with `m` blocks, and level later, `C(m + z - 1, m) p^m q^z`.
fn rosenfeld(share: f64, depth: u32) -> f64 {
    let (q, p, z) = (share, 1.0 - share, f64::from(depth));
    let (mut log_choose, mut caught) = (0.0, 0.0);
    for m in (0..depth).map(f64::from) {
        if m > 0.0 {
            log_choose += ((m + z - 1.0) / m).ln();
        }
        caught += (log_choose + m * p.ln() + z * q.ln()).exp();
    }
    ahead(q, p, depth) + caught
}

/// The probability that the attacker has mined `z` blocks or more when the others have mined `z`.
fn ahead(q: f64, p: f64, depth: u32) -> f64 {
    let z = f64::from(depth);
    let mut log_choose: f64 = (1..=depth).map(|m| ((f64::from(m) + z - 1.0) / f64::from(m)).ln()).sum();
    let (mut sum, mut m) = (0.0, z);
    loop {
        let term = (log_choose + z * p.ln() + m * q.ln()).exp();
        sum += term;
        if term <= sum * f64::EPSILON {
            return sum;
        }
        m += 1.0;
        log_choose += ((m + z - 1.0) / m).ln();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenfeld (2014), table 1: percent of success at 10 % and 30 % of the hash power.
    #[test]
    fn the_table_of_the_paper() {
        for (share, depth, percent) in
            [(0.1, 1, 20.0), (0.1, 2, 5.6), (0.1, 6, 0.059), (0.3, 1, 60.0), (0.3, 6, 15.645), (0.3, 10, 6.511)]
        {
            let found = 100.0 * rosenfeld(share, depth);
            assert!((found - percent).abs() < 0.001, "share {share}, depth {depth}: {found}");
        }
    }

    #[test]
    fn races_give_what_the_form_says() {
        let measured = measure(0.3, 20_000, &mut Random::new(1));
        for depth in [1, 6, 10] {
            let exact = rosenfeld(0.3, depth);
            let spread = (exact * (1.0 - exact) / 20_000.0).sqrt();
            assert!((measured[depth as usize - 1] - exact).abs() < 4.0 * spread, "depth {depth}");
        }
    }
}
