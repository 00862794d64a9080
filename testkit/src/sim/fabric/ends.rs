//! A node's ends of the fabric: its transport, and its search for nonces.

use std::{iter, sync::Arc, time::Duration};

use health_chain::{
    consensus::ports::{SearchTask, Searcher},
    network::{Address, Event, PeerId, Priority, Transport, TransportError, ports::Waker},
};

use super::{Fabric, NodeIndex, Search, Wake, pair, peer};
use crate::sim::{byzantine::Tamper, disk::Disk, fault::Fault};

/// How long a dial waits for an answer, in milliseconds.
const DIAL_MILLIS: u64 = 5_000;

/// One node's end of the fabric.
pub(in crate::sim) struct SimulatedTransport {
    pub(super) fabric: Fabric,
    pub(super) node: NodeIndex,
    pub(super) life: u64,
    pub(super) disk: Disk,
    pub(super) tamper: Option<Tamper>,
}

impl Transport for SimulatedTransport {
    fn local(&self) -> PeerId {
        peer(self.node)
    }

    fn dial(&mut self, address: &Address) -> Result<(), TransportError> {
        let (from, life, address) = (self.node, self.life, address.clone());
        self.fabric.with(|shared| {
            let to = shared.addresses.get(&address).copied();
            let (least, most) = shared.rules.delay_millis;
            let delay = shared.random.between(least, most);
            if to.is_some_and(|to| shared.walls.contains(&pair(from, to))) {
                shared.count(Fault::Firewalls);
            }
            match to.filter(|to| *to != from && shared.is_open(from, *to)) {
                Some(to) => shared.after(2 * delay, Wake::Dialled { from, life, to, address }),
                None => shared.after(DIAL_MILLIS, Wake::DialFailed { node: from, life, address }),
            }
        });
        Ok(())
    }

    fn send(&mut self, id: &PeerId, priority: Priority, frame: Vec<u8>) -> Result<(), TransportError> {
        // The dead send nothing, even if their turn has not ended.
        if self.disk.is_dead() {
            return Ok(());
        }
        let from = self.node;
        let tamper = &mut self.tamper;
        self.fabric.with(|shared| {
            let to = shared.indexes.get(id).copied().ok_or(TransportError::NotConnected)?;
            let Some(tamper) = tamper else { return shared.send(from, to, priority, frame) };
            let (frames, fired) = tamper.send(to, priority, frame, shared.now, &mut shared.random);
            for (fault, times) in fired {
                *shared.counts.entry(fault).or_default() += times;
            }
            frames.into_iter().try_for_each(|(priority, frame)| shared.send(from, to, priority, frame))
        })
    }

    fn close(&mut self, id: &PeerId) {
        let node = self.node;
        self.fabric.with(|shared| {
            let Some(other) = shared.indexes.get(id).copied() else { return };
            if shared.links.remove(&pair(node, other)).is_some() {
                shared.tell(other, Event::Closed { peer: shared.peers[node] });
            }
        });
    }

    /// Never waits.
    fn poll(&mut self, _: Duration) -> Option<Event> {
        let node = self.node;
        self.fabric.with(|shared| {
            let Some(tamper) = &self.tamper else { return shared.inboxes[node].pop_front() };
            for (to, priority, frame) in tamper.overdue() {
                // Who has left since hears of it from others.
                let _ = shared.send(node, to, priority, frame);
            }
            if let Some((fault, times)) = tamper.take_fired() {
                *shared.counts.entry(fault).or_default() += times;
            }
            iter::from_fn(|| shared.inboxes[node].pop_front()).find_map(|event| tamper.hears(event))
        })
    }

    /// There is no wait to end.
    fn waker(&self) -> Waker {
        Arc::new(|| ())
    }
}

/// Finds nonces when the odds say so, not when a processor does.
pub(in crate::sim) struct SimulatedSearcher {
    pub(super) fabric: Fabric,
    pub(super) node: NodeIndex,
}

impl Searcher for SimulatedSearcher {
    fn search(&self, task: SearchTask) {
        self.fabric.with(|shared| {
            // Half of all hashes meet the easiest target; a harder one takes longer in proportion.
            let mean = shared.mean_search_millis[self.node] * expected_hashes(&task.target) / 2.0;
            let after = shared.random.exponential(mean) as u64;
            shared.sequence += 1;
            let serial = shared.sequence;
            shared.searches[self.node] = Some(Search { serial, task });
            shared.after(after, Wake::Found { node: self.node, search: serial });
        });
    }

    fn stop(&self) {
        self.fabric.with(|shared| shared.searches[self.node] = None);
    }

    fn hashes(&self) -> u64 {
        0
    }
}

/// How many hashes it takes on average to find one of at most `target`, a little-endian number.
fn expected_hashes(target: &[u8; 32]) -> f64 {
    let share = target.iter().fold(0.0, |share, byte| (share + f64::from(*byte)) / 256.0);
    if share > 0.0 { 1.0 / share } else { f64::INFINITY }
}
