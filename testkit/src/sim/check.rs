//! What must hold all the time, and what must hold at the end.

use std::collections::BTreeMap;

use health_chain::{
    application::{node::SteppedNode, records},
    data::{BlockId, Height, state::state_hash},
    incentive::supply,
};

use super::{Broken, Fault, fabric::peer, run::Simulation};

/// Transactions that may wait per patient: her open operations, and what lying peers make of them.
const MAX_WAITING_PER_PATIENT: usize = 16;
/// Of the blocks due after healing, one in so many must have come about.
const PROGRESS_SHARE: u64 = 4;
/// How far honest nodes may be apart at the end, in blocks.
const MAX_APART_BLOCKS: u32 = 3;

/// What the checkers remember.
#[derive(Default)]
pub(super) struct Checks {
    /// The block settled at each height, whoever said so first.
    settled: BTreeMap<Height, BlockId>,
    /// The last settled height of each node.
    looked: Vec<Height>,
    /// The height of the best node when the faults ended.
    pub(super) healed_at: Option<Height>,
}

impl Checks {
    pub(super) fn new(nodes: usize) -> Self {
        Self { looked: vec![Height::ZERO; nodes], ..Self::default() }
    }

    pub(super) fn look(&mut self, simulation: &mut Simulation<'_>) -> Result<(), Broken> {
        let options = simulation.options;
        let mut bans = 0;
        for (node, running) in honest(simulation) {
            self.agrees(node, running, options.settled_blocks)?;
            let audited = supply::audit(running.chain().state(), &simulation.world.incentive);
            audited.map_err(|error| Broken::Supply { node, reason: error.to_string() })?;
            for (banned, _) in running.network().bans() {
                let found = (0..options.nodes).find(|other| peer(*other) == banned);
                let is_honest = |other: &usize| *other != 0 || !options.has(Fault::Equivocation);
                if let Some(banned) = found.filter(is_honest) {
                    return Err(Broken::Honesty { by: node, banned });
                }
                bans += 1;
            }
            let count = running.pool().len();
            if count > MAX_WAITING_PER_PATIENT * (options.patients + 1) {
                return Err(Broken::Memory { node, count });
            }
        }
        let heights = honest(simulation).map(|(_, running)| running.chain().tip().height).max();
        let waiting = honest(simulation).map(|(_, running)| running.pool().len()).max();
        let activity = &mut simulation.activity;
        activity.height = activity.height.max(heights.unwrap_or(Height::ZERO));
        activity.peak_waiting = activity.peak_waiting.max(waiting.unwrap_or(0));
        activity.bans = bans;
        Ok(())
    }

    fn agrees(&mut self, node: usize, running: &SteppedNode, settled_blocks: u32) -> Result<(), Broken> {
        let chain = running.chain();
        let Some(deepest) = chain.tip().height.checked_sub(settled_blocks.saturating_sub(1)) else { return Ok(()) };
        // From the last height looked at: if the block there has changed, the node contradicts itself.
        for height in (self.looked[node].0..=deepest.0).map(Height) {
            let found = chain.block_id_at(height).expect("every height up to the tip has a block");
            if *self.settled.entry(height).or_insert(found) != found {
                return Err(Broken::Agreement { node, height });
            }
        }
        self.looked[node] = self.looked[node].max(deepest);
        Ok(())
    }

    /// After healing: everybody is there, has come along, and has everything.
    pub(super) fn look_at_end(&self, simulation: &Simulation<'_>) -> Result<(), Broken> {
        let options = simulation.options;
        let due = options.healed_millis / (u64::from(options.interval_seconds) * 1_000) / PROGRESS_SHARE;
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        let progress = self.healed_at.unwrap_or(Height::ZERO).saturating_add(due);
        let best = honest(simulation).map(|(_, running)| running.chain().tip().height).max();
        let needed = progress.max(best.unwrap_or(Height::ZERO).saturating_sub(MAX_APART_BLOCKS));
        for node in 0..options.nodes {
            let Some(running) = &simulation.nodes[node] else {
                return Err(Broken::Progress { node, found: Height::ZERO, needed });
            };
            let chain = running.node.chain();
            let found = chain.tip().height;
            if found < needed {
                return Err(Broken::Progress { node, found, needed });
            }
            for (patient, one) in simulation.patients.iter().enumerate() {
                let object = records::object(chain.state(), &one.object).expect("memory can be read");
                let (found, signed) = (object.map_or(0, |object| object.seq + 1), one.log.len() as u64);
                if found < signed {
                    return Err(Broken::Presence { node, patient, found, signed });
                }
            }
        }
        if options.replays {
            let (node, running) = honest(simulation).next().expect("all nodes are there");
            let chain = running.chain();
            let state = state_hash(chain.state()).expect("memory can be read");
            if chain.replay().ok() != Some(state) {
                return Err(Broken::Replay { node });
            }
        }
        Ok(())
    }
}

fn honest<'a>(simulation: &'a Simulation<'_>) -> impl Iterator<Item = (usize, &'a SteppedNode)> {
    let nodes = simulation.nodes.iter().take(simulation.options.nodes).enumerate();
    nodes.filter_map(|(node, running)| running.as_ref().map(|running| (node, &running.node)))
}
