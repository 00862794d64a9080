//! How long it takes until a withdrawal of consent is in force: from the owner's signature until her gateway denies, and, for comparison,
//! until it stands on the gateway's chain, settled.

use std::{collections::BTreeMap, error::Error, fmt::Write as _, fs, path::Path};

use health_chain::{
    application::{
        authorize::{DenySet, Turn},
        kinds::REVOKE,
        node::SteppedNode,
        records::{Revoke, object},
    },
    consensus::ports::Finality,
    data::{BlockId, Height, codec},
};
use health_chain_testkit::sim::{self, Fault, Options, Signed, Watcher};

use super::{
    engines::Studied,
    output::{Curve, Plot, Style, progress, quantile_cells, write},
};

const MINUTE_MILLIS: u64 = 60_000;
const HEALED_MILLIS: u64 = 20 * MINUTE_MILLIS;
const PATIENTS: usize = 20;
/// Patients act this often, so that there is something to withdraw.
const ACT_MILLIS: u64 = 15_000;
const SCENARIOS: [(&str, &[Fault]); 3] = [
    ("calm", &[]),
    ("partitions", &[Fault::Halves, Fault::Ring, Fault::OneWay]),
    (
        "all faults",
        &[
            Fault::Loss,
            Fault::Reordering,
            Fault::Halves,
            Fault::Ring,
            Fault::OneWay,
            Fault::Crash,
            Fault::LostWrite,
            Fault::UnheardWrite,
            Fault::FailedCommit,
            Fault::ClockSkew,
        ],
    ),
];

pub(crate) fn run(folder: &Path, seed: u64, seeds: u64, minutes: u64) -> Result<(), Box<dyn Error>> {
    let bar = progress((Studied::ALL.len() * SCENARIOS.len()) as u64 * seeds);
    let mut csv = String::from(
        "engine,scenario,withdrawals,denied_p50_ms,denied_p99_ms,denied_worst_ms,not_denied,\
         settled_p50_ms,settled_p99_ms,settled_worst_ms,not_settled,blocks_undone,deepest_reorganisation\n",
    );
    let mut plots = Vec::new();
    for (scenario, faults) in SCENARIOS {
        let mut curves = Vec::new();
        for (colour, engine) in Studied::ALL.into_iter().enumerate() {
            let (mut all, mut undone, mut deepest) = (Withdrawals::default(), 0, 0);
            for number in 0..seeds {
                bar.set_message(format!("{}, {scenario}", engine.name()));
                let mut withdrawals = Withdrawals::default();
                let report = sim::run_watched(&options(engine, faults, minutes), seed + number, &mut withdrawals)?;
                undone += report.activity.undone;
                deepest = deepest.max(report.activity.deepest);
                all.signed += withdrawals.signed;
                all.denied.append(&mut withdrawals.denied);
                all.settled.append(&mut withdrawals.settled);
                bar.inc(1);
            }
            all.denied.sort_unstable();
            all.settled.sort_unstable();
            let name = engine.name();
            write!(csv, "{name},{scenario},{}", all.signed)?;
            for found in [&all.denied, &all.settled] {
                write!(csv, "{},{}", quantile_cells(found, &[0.5, 0.99, 1.0]), all.signed - found.len())?;
            }
            writeln!(csv, ",{undone},{deepest}")?;
            let (denied, settled) = (all.left(&all.denied), all.left(&all.settled));
            curves.push(Curve { name: format!("{name}, denied"), points: denied, style: Style::Dots, colour });
            curves.push(Curve { name: format!("{name}, settled"), points: settled, style: Style::Line, colour });
        }
        plots.push(Plot {
            title: scenario,
            labels: ["seconds since the owner signed", "share not in force yet"],
            across: -2.0..400.0,
            up: 1e-3..1.0,
            is_logarithmic: true,
            curves,
        });
    }
    bar.finish_and_clear();
    fs::write(folder.join("revocation.csv"), &csv)?;
    write(&folder.join("revocation.svg"), 2, &plots)?;
    print!("{csv}");
    Ok(())
}

/// So many minutes with faults, and then, without new ones, as long as nodes may wait before they dial again.
fn options(engine: Studied, faults: &[Fault], minutes: u64) -> Options {
    Options {
        faults: faults.to_vec(),
        gateways: 2,
        patients: PATIENTS,
        act_millis: ACT_MILLIS,
        hostile_millis: minutes * MINUTE_MILLIS,
        healed_millis: HEALED_MILLIS,
        fault_millis: 60_000,
        ..engine.options(5)
    }
}

/// Follows every withdrawal.
#[derive(Default)]
struct Withdrawals {
    signed: usize,
    open: Vec<Open>,
    /// Each gateway's tip when it was looked at last.
    tips: BTreeMap<usize, BlockId>,
    /// Milliseconds from the signature until the gateway denies.
    denied: Vec<u64>,
    /// And until the withdrawal stands settled on the gateway's chain.
    settled: Vec<u64>,
}

struct Open {
    revoke: Revoke,
    gateway: usize,
    since: u64,
    is_denied: bool,
    /// The height at which it was first on the gateway's chain.
    height: Option<Height>,
}

impl Withdrawals {
    /// What share was still open when this much time had passed; `found` is ascending.
    fn left(&self, found: &[u64]) -> Vec<(f64, f64)> {
        let share = |done: usize| 1.0 - done as f64 / self.signed as f64;
        found.iter().enumerate().map(|(done, millis)| (*millis as f64 / 1_000.0, share(done))).collect()
    }
}

impl Watcher for Withdrawals {
    fn signed(&mut self, millis: u64, signed: &Signed<'_>) {
        if let Some(gateway) = signed.gateway
            && signed.transaction.kind == REVOKE
            && let Ok(revoke) = codec::decode(&signed.transaction.payload)
        {
            self.signed += 1;
            self.open.push(Open { revoke, gateway, since: millis, is_denied: false, height: None });
        }
    }

    fn turned(&mut self, millis: u64, node: usize, at: &SteppedNode) {
        let chain = at.chain();
        let tip = chain.tip();
        let has_moved = self.tips.insert(node, tip.id) != Some(tip.id);
        let is_awaited = |open: &Open| open.gateway == node && (has_moved || !open.is_denied);
        if !self.open.iter().any(is_awaited) {
            return;
        }
        let depth = match chain.finality() {
            Finality::Depth(depth) => depth,
            _ => 1,
        };
        let denials = DenySet::load(chain.state()).expect("memory can be read");
        let (denied, settled) = (&mut self.denied, &mut self.settled);
        self.open.retain_mut(|open| {
            if !is_awaited(open) {
                return true;
            }
            let position = &open.revoke.position;
            if !open.is_denied && denials.withdrawn(&position.object, &open.revoke.grantee) >= Some(Turn::of(position))
            {
                open.is_denied = true;
                denied.push(millis - open.since);
            }
            let known = object(chain.state(), &position.object).expect("memory can be read");
            let is_on_chain = known.is_some_and(|object| object.seq >= position.seq);
            open.height = if is_on_chain { open.height.or(Some(tip.height)) } else { None };
            let is_settled = open.height.is_some_and(|height| tip.height.0 + 1 >= height.0 + depth);
            if is_settled {
                settled.push(millis - open.since);
            }
            !(is_settled && open.is_denied)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::quantile;

    #[test]
    fn denial_does_not_wait_for_blocks() {
        let mut withdrawals = Withdrawals::default();
        sim::run_watched(&options(Studied::ProofOfWork, &[], 10), 1, &mut withdrawals).unwrap();
        withdrawals.denied.sort_unstable();
        withdrawals.settled.sort_unstable();
        assert!(withdrawals.signed > 5, "{} withdrawals", withdrawals.signed);
        assert_eq!(withdrawals.denied.len(), withdrawals.signed, "all are in force");
        assert!(quantile(&withdrawals.denied, 1.0) < Some(5_000), "within a few frames");
        assert!(quantile(&withdrawals.settled, 0.5) > Some(60_000), "and settled blocks later");
    }
}
