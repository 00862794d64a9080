//! How long payments take until they are settled, and how many are: whole nodes in the simulator.

use std::{collections::BTreeMap, error::Error, fmt::Write as _, fs, path::Path, time::Instant};

use health_chain::{
    application::node::SteppedNode,
    consensus::ports::Finality,
    data::{BlockId, Height, TxId},
};
use health_chain_testkit::sim::{self, Options, Signed, Watcher};

use super::{
    engines::Studied,
    output::{Curve, Plot, Style, progress, quantile, write},
};

const NODES: [usize; 3] = [4, 7, 13];
/// One way, for every frame.
const DELAYS_MILLIS: [u64; 4] = [10, 50, 150, 400];
const PAYERS: usize = 20;
/// Nodes and delay of the experiment on load.
const LOADED_NODES: usize = 4;
const LOADED_DELAY_MILLIS: u64 = 50;
const LOADED_PAYERS: usize = 200;

/// What a run gave.
struct Measured {
    offered: usize,
    /// From signature to finality at the payer's own node, ascending, in milliseconds.
    settled: Vec<u64>,
    seconds: f64,
    height: u32,
}

impl Measured {
    fn per_second(&self) -> f64 {
        self.settled.len() as f64 / self.seconds
    }

    fn quantile_seconds(&self, share: f64) -> f64 {
        quantile(&self.settled, share).map_or(f64::NAN, |millis| millis as f64 / 1_000.0)
    }
}

/// Engine by nodes by delay: time to finality under a light load.
pub(crate) fn finality(folder: &Path, seed: u64, payments: u32, blocks: u64) -> Result<(), Box<dyn Error>> {
    let bar = progress((Studied::ALL.len() * NODES.len() * DELAYS_MILLIS.len()) as u64);
    let mut csv =
        String::from("engine,interval_seconds,nodes,delay_millis,offered,settled,p50_seconds,p99_seconds,blocks\n");
    let mut plots = Vec::new();
    for engine in Studied::ALL {
        let mut curves = Vec::new();
        for (colour, nodes) in NODES.into_iter().enumerate() {
            let mut points = [Vec::new(), Vec::new()];
            for delay in DELAYS_MILLIS {
                bar.set_message(format!("{}, {nodes} nodes, {delay} ms", engine.name()));
                let millis = blocks * u64::from(engine.interval_seconds()) * 1_000;
                let pay_millis = millis * PAYERS as u64 / u64::from(payments);
                let measured = measure(&loaded(engine, nodes, delay, PAYERS, pay_millis, millis), seed)?;
                let [median, late] = [0.5, 0.99].map(|share| measured.quantile_seconds(share));
                writeln!(
                    csv,
                    "{},{},{nodes},{delay},{},{},{median:.3},{late:.3},{}",
                    engine.name(),
                    engine.interval_seconds(),
                    measured.offered,
                    measured.settled.len(),
                    measured.height
                )?;
                points[0].push((delay as f64, median));
                points[1].push((delay as f64, late));
                bar.inc(1);
            }
            let [median, late] = points;
            curves.push(Curve {
                name: format!("{nodes} nodes, p50"),
                points: median,
                style: Style::JoinedDots,
                colour,
            });
            curves.push(Curve { name: format!("{nodes} nodes, p99"), points: late, style: Style::Line, colour });
        }
        let top = curves.iter().flat_map(|curve| &curve.points).map(|(_, y)| *y).fold(1.0, f64::max);
        plots.push(Plot {
            title: engine.name(),
            labels: ["delay of a frame, one way (ms)", "seconds to finality"],
            across: 0.0..420.0,
            up: 0.0..top * 1.1,
            is_logarithmic: false,
            curves,
        });
    }
    bar.finish_and_clear();
    fs::write(folder.join("finality.csv"), csv)?;
    write(&folder.join("finality.svg"), 2, &plots)?;
    println!("about {payments} payments for each point");
    Ok(())
}

/// Engine by load: how many payments are settled, and how long they take.
pub(crate) fn throughput(folder: &Path, seed: u64, loads: &[u32], seconds: u32) -> Result<(), Box<dyn Error>> {
    let bar = progress((Studied::ALL.len() * loads.len()) as u64);
    let mut csv = String::from(
        "engine,interval_seconds,nodes,delay_millis,offered_per_second,settled_per_second,p50_seconds,p99_seconds\n",
    );
    let mut curves = Vec::new();
    let mut costs = String::new();
    for (colour, engine) in Studied::ALL.into_iter().enumerate() {
        let mut points = Vec::new();
        for load in loads {
            bar.set_message(format!("{}, {load} a second", engine.name()));
            // Long enough for blocks to come, and to be settled at the depth that the engine asks for.
            let millis = u64::from(seconds.max(12 * engine.interval_seconds())) * 1_000;
            let pay_millis = LOADED_PAYERS as u64 * 1_000 / u64::from(*load);
            let options = loaded(engine, LOADED_NODES, LOADED_DELAY_MILLIS, LOADED_PAYERS, pay_millis, millis);
            let began = Instant::now();
            let measured = measure(&options, seed)?;
            let cost = began.elapsed().as_secs_f64() * 1e6 / (measured.offered * LOADED_NODES) as f64;
            writeln!(costs, "{} at {load} a second: {cost:.0} us of this machine per payment and node", engine.name())?;
            let [median, late] = [0.5, 0.99].map(|share| measured.quantile_seconds(share));
            let (name, interval, settled) = (engine.name(), engine.interval_seconds(), measured.per_second());
            writeln!(
                csv,
                "{name},{interval},{LOADED_NODES},{LOADED_DELAY_MILLIS},{:.1},{settled:.1},{median:.3},{late:.3}",
                measured.offered as f64 / measured.seconds
            )?;
            points.push((f64::from(*load), settled));
            bar.inc(1);
        }
        curves.push(Curve { name: engine.name().into(), points, style: Style::JoinedDots, colour });
    }
    bar.finish_and_clear();
    fs::write(folder.join("throughput.csv"), csv)?;
    let most = f64::from(loads.iter().copied().max().unwrap_or(1));
    curves.push(Curve { name: "all".into(), points: vec![(0.0, 0.0), (most, most)], style: Style::Line, colour: 6 });
    let plot = Plot {
        title: "",
        labels: ["payments offered a second", "payments settled a second"],
        across: 0.0..most * 1.05,
        up: 0.0..most * 1.05,
        is_logarithmic: false,
        curves,
    };
    write(&folder.join("throughput.svg"), 1, &[plot])?;
    print!("{costs}");
    Ok(())
}

fn loaded(engine: Studied, nodes: usize, delay: u64, payers: usize, pay_millis: u64, millis: u64) -> Options {
    Options {
        payers,
        pay_millis: pay_millis.max(1),
        delay_millis: (delay, delay),
        turn_millis: 100,
        hostile_millis: millis,
        ..engine.options(nodes)
    }
}

fn measure(options: &Options, seed: u64) -> Result<Measured, Box<dyn Error>> {
    let mut settling = Settling { nodes: vec![Seen::default(); options.nodes], ..Settling::default() };
    let report = sim::run_watched(options, seed, &mut settling)?;
    settling.settled.sort_unstable();
    Ok(Measured {
        offered: settling.offered,
        settled: settling.settled,
        seconds: report.simulated_millis as f64 / 1_000.0,
        height: report.activity.height.0,
    })
}

/// Notes when each payment is settled at its payer's node.
#[derive(Default)]
struct Settling {
    /// When each was signed, and where.
    open: BTreeMap<TxId, (u64, usize)>,
    nodes: Vec<Seen>,
    offered: usize,
    settled: Vec<u64>,
}

/// How far a node has been looked at.
#[derive(Debug, Clone, Default)]
struct Seen {
    tip: BlockId,
    settled: Height,
}

impl Watcher for Settling {
    fn signed(&mut self, millis: u64, signed: &Signed<'_>) {
        self.offered += 1;
        self.open.insert(signed.transaction.id(), (millis, signed.home));
    }

    fn turned(&mut self, millis: u64, node: usize, at: &SteppedNode) {
        let chain = at.chain();
        let tip = chain.tip();
        let seen = &mut self.nodes[node];
        if seen.tip == tip.id {
            return;
        }
        seen.tip = tip.id;
        let depth = match chain.finality() {
            Finality::Depth(depth) => depth,
            _ => 1,
        };
        let Some(deepest) = tip.height.checked_sub(depth.saturating_sub(1)) else { return };
        for height in (seen.settled.0 + 1..=deepest.0).map(Height) {
            let id = chain.block_id_at(height).expect("every height up to the tip has a block");
            let block = chain.block(&id).expect("memory can be read").expect("a connected block is here");
            for transaction in block.transactions() {
                let id = transaction.id();
                if let Some((signed, home)) = self.open.get(&id)
                    && *home == node
                {
                    self.settled.push(millis - signed);
                    self.open.remove(&id);
                }
            }
        }
        seen.settled = seen.settled.max(deepest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_are_settled_after_the_blocks_that_the_engine_asks_for() {
        for engine in Studied::ALL {
            let interval = u64::from(engine.interval_seconds());
            let options = loaded(engine, 4, 50, 5, interval * 500, interval * 40_000);
            let measured = measure(&options, 1).unwrap();
            assert!(measured.height > 15, "{engine:?} makes blocks: {}", measured.height);
            assert!(measured.settled.len() * 2 > measured.offered, "{engine:?} settles payments");
            let median = measured.quantile_seconds(0.5);
            let blocks = if engine == Studied::ProofOfWork { 3.0..12.0 } else { 0.2..4.0 };
            assert!(blocks.contains(&(median / interval as f64)), "{engine:?}: {median} s");
        }
    }
}
