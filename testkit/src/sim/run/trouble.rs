//! What goes wrong, and when it ends.

use std::collections::BTreeSet;

use super::Simulation;
use crate::sim::{
    Violation,
    disk::JOURNAL,
    fabric::{NodeIndex, Partition, Wake, pair},
    fault::Fault,
    random::Random,
};

/// How far clocks jump at most, in milliseconds.
const MAX_SKEW_MILLIS: u64 = 45_000;

impl Simulation<'_> {
    pub(super) fn fault(&mut self) -> Result<(), Box<Violation>> {
        if self.is_healed {
            return Ok(());
        }
        let next = self.random.exponential(self.options.fault_millis as f64) as u64;
        self.after(next, Wake::Fault);
        let kinds: Vec<Fault> = self.options.faults.iter().copied().filter(|fault| fault.is_scheduled()).collect();
        let fault = kinds[self.random.index(kinds.len())];
        let node = self.random.index(self.options.nodes);
        let outage = self.random.between(5_000, self.options.max_outage_millis);
        match fault {
            Fault::Halves | Fault::Ring | Fault::OneWay => {
                if self.fabric.with(|shared| shared.partition != Partition::None) {
                    return Ok(());
                }
                let partition = match fault {
                    Fault::Halves => Partition::Halves((0..self.nodes.len()).map(|_| self.random.one_in(2)).collect()),
                    Fault::Ring => Partition::Ring,
                    _ => Partition::OneWay(node),
                };
                self.fabric.with(|shared| {
                    shared.count(fault);
                    shared.divide(partition);
                });
                self.after(outage, Wake::Mend);
            }
            Fault::Crash if self.nodes[node].is_some() => {
                self.fabric.with(|shared| shared.count(fault));
                self.die(node);
            }
            Fault::TornJournal if !self.has_spoken_again() => {}
            Fault::TornJournal | Fault::LostWrite | Fault::UnheardWrite | Fault::FailedCommit => {
                self.disks[node].arm(fault)
            }
            Fault::FullDisk => {
                self.disks[node].set_full(true);
                self.after(outage, Wake::Room(node));
            }
            Fault::ClockSkew => {
                let skew = self.random.between(0, 2 * MAX_SKEW_MILLIS) as i64 - MAX_SKEW_MILLIS as i64;
                self.fabric.with(|shared| {
                    shared.count(fault);
                    shared.set_skew(node, skew);
                });
                self.plan_turn(node);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether no journal is about to be torn, and whose was torn last has begun another height than that at which it is silent. Two such at one height would be
    /// a third of all together with the liars, and the chain would stand still for ever.
    fn has_spoken_again(&self) -> bool {
        let has_forgotten = |(node, record): &(NodeIndex, Vec<u8>)| {
            let state = self.nodes[*node].as_ref().map(|running| running.node.chain().state());
            state.is_some_and(|state| state.get(JOURNAL, record).expect("memory can be read").is_none())
        };
        self.torn.as_ref().is_none_or(has_forgotten)
            && !self.disks.iter().any(|disk| disk.is_armed_with(Fault::TornJournal))
    }

    pub(super) fn heal(&mut self) {
        self.is_healed = true;
        for (node, disk) in self.disks.iter().enumerate() {
            disk.set_full(false);
            disk.disarm();
            self.fabric.with(|shared| shared.set_skew(node, 0));
            self.plan_turn(node);
        }
        self.fabric.with(|shared| {
            shared.divide(Partition::None);
            shared.rules.loss_one_in = 0;
        });
        self.checks.healed_at = self.nodes.iter().flatten().map(|running| running.node.chain().tip().height).max();
    }
}

/// Who can't reach each other where connections are as few as they can be: the `honest` nodes stand in a line, in any order, and each of the liars
/// behind them knows two, to tell each another story.
pub(super) fn firewalls(honest: usize, total: usize, random: &mut Random) -> BTreeSet<(NodeIndex, NodeIndex)> {
    let mut left: Vec<NodeIndex> = (0..honest).collect();
    let line: Vec<_> = (0..honest).map(|_| left.swap_remove(random.index(left.len()))).collect();
    let mut open: BTreeSet<_> = line.windows(2).map(|two| pair(two[0], two[1])).collect();
    for liar in honest..total {
        open.insert((2 * random.index(honest.div_ceil(2)), liar));
        open.insert((2 * random.index(honest / 2) + 1, liar));
    }
    let pairs = (0..total).flat_map(|high| (0..high).map(move |low| (low, high)));
    pairs.filter(|pair| !open.contains(pair)).collect()
}
