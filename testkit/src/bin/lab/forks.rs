//! How many blocks go stale, and how long they travel: whole nodes under proof of work in the simulator, without faults.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt::Write as _,
    fs,
    path::Path,
};

use health_chain::{application::node::SteppedNode, data::BlockId};
use health_chain_testkit::sim::{self, Options, Signed, Watcher};

use super::output::{Curve, Plot, Style, progress, quantile_cells, write};

const INTERVALS_SECONDS: [u32; 4] = [10, 30, 60, 120];
/// One way, for every frame.
const DELAYS_MILLIS: [u64; 5] = [100, 300, 1_000, 2_000, 4_000];

pub(crate) fn run(folder: &Path, seed: u64, blocks: u64) -> Result<(), Box<dyn Error>> {
    let bar = progress((INTERVALS_SECONDS.len() * DELAYS_MILLIS.len()) as u64);
    let mut csv = String::from(
        "interval_seconds,delay_millis,made,height,stale_rate,deepest_reorganisation,travel_p50_ms,travel_p99_ms\n",
    );
    let mut curves = Vec::new();
    for (colour, interval_seconds) in INTERVALS_SECONDS.into_iter().enumerate() {
        let mut points = Vec::new();
        for delay in DELAYS_MILLIS {
            bar.set_message(format!("interval {interval_seconds} s, delay {delay} ms"));
            let mut travels = Travels::default();
            let activity = sim::run_watched(&options(interval_seconds, delay, blocks), seed, &mut travels)?.activity;
            let (made, height) = (activity.made, u64::from(activity.height.0));
            let stale = made.saturating_sub(height) as f64 / made.max(1) as f64;
            write!(csv, "{interval_seconds},{delay},{made},{height},{stale:.4},{}", activity.deepest)?;
            travels.millis.sort_unstable();
            writeln!(csv, "{}", quantile_cells(&travels.millis, &[0.5, 0.99]))?;
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

fn options(interval_seconds: u32, delay_millis: u64, blocks: u64) -> Options {
    Options {
        interval_seconds,
        delay_millis: (delay_millis, delay_millis),
        turn_millis: 1_000,
        faults: Vec::new(),
        patients: 0,
        settled_blocks: u32::MAX,
        hostile_millis: blocks * u64::from(interval_seconds) * 1_000,
        healed_millis: 0,
        ..Options::proof_of_work()
    }
}

/// Follows every block from the first node that has it as its tip to each of the others that have, too.
#[derive(Default)]
struct Travels {
    /// When a block was somebody's tip first, and whose it has been.
    seen: BTreeMap<BlockId, (u64, BTreeSet<usize>)>,
    millis: Vec<u64>,
}

impl Watcher for Travels {
    fn signed(&mut self, _: u64, _: &Signed<'_>) {}

    fn turned(&mut self, millis: u64, node: usize, at: &SteppedNode) {
        let (since, nodes) = self.seen.entry(at.chain().tip().id).or_insert((millis, BTreeSet::new()));
        if nodes.insert(node) && nodes.len() > 1 {
            self.millis.push(millis - *since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An announcement, a request, the block: however many blocks and forks there have been.
    #[test]
    fn blocks_never_begin_to_travel_slowly() {
        let mut travels = Travels::default();
        sim::run_watched(&options(10, 1_000, 1_000), 1, &mut travels).unwrap();
        assert!(travels.millis.len() > 3_000, "{} arrivals", travels.millis.len());
        let last = travels.millis.split_off(travels.millis.len() - 500);
        let mean = last.iter().sum::<u64>() as f64 / last.len() as f64;
        assert!((3_000.0..4_500.0).contains(&mean), "{mean} ms at the end");
    }
}
