//! How many blocks go stale: whole nodes under proof of work in the simulator, without faults.

use std::{error::Error, fmt::Write as _, fs, path::Path};

use health_chain_testkit::sim::{self, Options};

use super::output::{Curve, Plot, Style, progress, write};

const INTERVALS_SECONDS: [u32; 4] = [10, 30, 60, 120];
/// One way, for every frame.
const DELAYS_MILLIS: [u64; 5] = [100, 300, 1_000, 2_000, 4_000];

pub(crate) fn run(folder: &Path, seed: u64, blocks: u64) -> Result<(), Box<dyn Error>> {
    let bar = progress((INTERVALS_SECONDS.len() * DELAYS_MILLIS.len()) as u64);
    let mut csv = String::from("interval_seconds,delay_millis,made,height,stale_rate,deepest_reorganisation\n");
    let mut curves = Vec::new();
    for (colour, interval_seconds) in INTERVALS_SECONDS.into_iter().enumerate() {
        let mut points = Vec::new();
        for delay in DELAYS_MILLIS {
            bar.set_message(format!("interval {interval_seconds} s, delay {delay} ms"));
            let options = Options {
                interval_seconds,
                delay_millis: (delay, delay),
                turn_millis: 1_000,
                faults: Vec::new(),
                patients: 0,
                settled_blocks: u32::MAX,
                hostile_millis: blocks * u64::from(interval_seconds) * 1_000,
                healed_millis: 0,
                ..Options::proof_of_work()
            };
            let activity = sim::run(&options, seed)?.activity;
            let (made, height) = (activity.made, u64::from(activity.height.0));
            let stale = made.saturating_sub(height) as f64 / made.max(1) as f64;
            writeln!(csv, "{interval_seconds},{delay},{made},{height},{stale:.4},{}", activity.deepest)?;
            points.push((delay as f64 / 1_000.0, stale));
            bar.inc(1);
        }
        let name = format!("{interval_seconds} s per block");
        curves.push(Curve { name, points, style: Style::JoinedDots, colour });
    }
    bar.finish_and_clear();
    fs::write(folder.join("forks.csv"), csv)?;
    let labels = ["delay of a frame, one way (s)", "share of stale blocks"];
    write(&folder.join("forks.svg"), 1, &[Plot::of_probabilities(labels, 0.0..4.5, 1e-3, curves)])?;
    println!("five nodes, about {blocks} blocks for each point");
    Ok(())
}
