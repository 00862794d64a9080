//! What must hold all the time, and what must hold at the end.

use std::collections::{BTreeMap, btree_map::Entry};

use health_chain::{
    application::{node::SteppedNode, records},
    consensus::{
        Chain,
        ports::Offence,
        validators::{self, validators_at},
    },
    consensus_bft::{Certificate, Successors},
    data::{BlockId, Header, Height, Kind, Millis, Transaction, state::state_hash},
    incentive::{kinds::EVIDENCE, supply},
};

use super::{Broken, Consensus, Options, run::Simulation, world::START};

/// Transactions that may wait per patient: her open operations, and what lying peers make of them.
const MAX_WAITING_PER_PATIENT: usize = 16;
/// Payments that may wait per payer, where blocks are slow.
const MAX_WAITING_PER_PAYER: usize = 1_000;
/// Of the blocks due after healing, one in so many must have come about.
const PROGRESS_SHARE: u64 = 4;
/// Where it is not chance that makes blocks, so many of the blocks due, in hundredths, must have come about once nodes know each other again.
/// Those that liars should propose come rounds later.
const PACE_PERCENT: u64 = 75;
/// Rounds in which validators must decide, once they have found each other again.
const MAX_ROUNDS: u32 = 10;
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
    /// Blocks that each node has made, or come to with the others, since nodes know each other again.
    pub(super) made: Vec<u64>,
}

impl Checks {
    pub(super) fn new(nodes: usize) -> Self {
        // The genesis block is nobody's.
        Self { looked: vec![Height(1); nodes], made: vec![0; nodes], ..Self::default() }
    }

    pub(super) fn look(&mut self, simulation: &mut Simulation<'_>) -> Result<(), Broken> {
        let options = simulation.options;
        for (node, running) in honest(simulation) {
            let audited = supply::audit(running.chain().state(), &simulation.world.incentive);
            audited.map_err(|error| Broken::Supply { node, reason: error.to_string() })?;
            let count = running.pool().len();
            let payments = MAX_WAITING_PER_PAYER * options.payers;
            if count > MAX_WAITING_PER_PATIENT * (options.patients + 1) + payments {
                return Err(Broken::Memory { node, count });
            }
        }
        let heights = honest(simulation).map(|(_, running)| running.chain().tip().height).max();
        let waiting = honest(simulation).map(|(_, running)| running.pool().len()).max();
        let activity = &mut simulation.activity;
        activity.height = activity.height.max(heights.unwrap_or(Height::ZERO));
        activity.peak_waiting = activity.peak_waiting.max(waiting.unwrap_or(0));
        Ok(())
    }

    /// Whenever the tip of a node moves: what is settled is the same everywhere, stays so, and was signed by whom it names.
    pub(super) fn look_at_tip(&mut self, simulation: &Simulation<'_>, node: usize) -> Result<(), Broken> {
        let Some(running) = &simulation.nodes[node] else { return Ok(()) };
        let chain = running.node.chain();
        let above = simulation.options.settled_blocks.saturating_sub(1);
        let Some(deepest) = chain.tip().height.checked_sub(above) else { return Ok(()) };
        // From the last height looked at: if the block there has changed, the node contradicts itself.
        for height in (self.looked[node].0..=deepest.0).map(Height) {
            let found = chain.block_id_at(height).expect("every height up to the tip has a block");
            match self.settled.entry(height) {
                Entry::Occupied(settled) if *settled.get() != found => return Err(Broken::Agreement { node, height }),
                Entry::Occupied(_) => {}
                Entry::Vacant(first) => {
                    first.insert(found);
                    let block = chain.block(&found).expect("memory can be read").expect("what is settled is here");
                    for transaction in block.transactions() {
                        let id = transaction.id();
                        match transaction.kind {
                            Kind::COINBASE => {}
                            // Whoever has proof may say so.
                            EVIDENCE => check_evidence(simulation, node, transaction)?,
                            _ if simulation.signed.contains(&id) => {}
                            _ => return Err(Broken::Authenticity { node, id }),
                        }
                    }
                }
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
        self.states_agree(simulation)?;
        self.all_take_part(simulation)?;
        keeps_pace(simulation)?;
        decided_soon(simulation)
    }

    /// Whoever should make blocks does, or is at it: that others do it, too, hides nobody who has stopped.
    fn all_take_part(&self, simulation: &Simulation<'_>) -> Result<(), Broken> {
        let takes_part = |node: usize| match simulation.options.consensus {
            Consensus::Solo => node != 0 || self.made[node] > 0,
            Consensus::ProofOfWork => simulation.fabric.with(|shared| shared.is_searching(node)),
            Consensus::Bft | Consensus::Pos => self.made[node] > 0,
            // Who makes blocks when is its own affair.
            Consensus::Own(_) => true,
        };
        match (0..simulation.options.nodes).find(|node| !takes_part(*node)) {
            None => Ok(()),
            Some(node) => Err(Broken::Silence { node }),
        }
    }

    /// Who has the same tip has the same state, and it is what the blocks give.
    fn states_agree(&self, simulation: &Simulation<'_>) -> Result<(), Broken> {
        let mut states = BTreeMap::new();
        for (node, running) in honest(simulation) {
            let chain = running.chain();
            let state = state_hash(chain.state()).expect("memory can be read");
            let is_first = !states.contains_key(&chain.tip().id);
            let replayed = if is_first && simulation.options.replays { chain.replay().ok() } else { Some(state) };
            if replayed != Some(state) || *states.entry(chain.tip().id).or_insert(state) != state {
                return Err(Broken::Replay { node });
            }
        }
        Ok(())
    }
}

/// What is on the chain as evidence proves something, and against somebody who did it.
fn check_evidence(simulation: &Simulation<'_>, node: usize, transaction: &Transaction) -> Result<(), Broken> {
    match simulation.world.offence(&transaction.payload) {
        Some(Offence { offender, .. }) if simulation.world.contradicts_itself(&offender) => Ok(()),
        Some(Offence { offender: accused, .. }) => Err(Broken::Accusation { by: node, accused }),
        None => Err(Broken::Authenticity { node, id: transaction.id() }),
    }
}

/// The blocks since nodes know each other again, from the last one down.
fn since_known_again<'a>(chain: &'a Chain, options: &Options) -> impl Iterator<Item = (Height, Header)> + 'a {
    let known_again = Millis(Millis::from(START).0 + options.known_again_millis()).timestamp();
    let header = |height| {
        let id = chain.block_id_at(height).expect("every height up to the tip has a block");
        (height, chain.header(&id).expect("a block has a header"))
    };
    (1..=chain.tip().height.0)
        .rev()
        .map(move |height| header(Height(height)))
        .take_while(move |(_, header)| header.time >= known_again)
}

/// Blocks come at the interval of the chain, where they don't come by chance.
fn keeps_pace(simulation: &Simulation<'_>) -> Result<(), Broken> {
    let options = simulation.options;
    if matches!(options.consensus, Consensus::ProofOfWork | Consensus::Own(_)) {
        return Ok(());
    }
    let Some((_, running)) = honest(simulation).next() else { return Ok(()) };
    let found = since_known_again(running.chain(), options).count() as u64;
    let time = options.hostile_millis + options.healed_millis - options.known_again_millis();
    let due = time / (u64::from(options.interval_seconds) * 1_000);
    // The first one may have been due before.
    if found * 100 < due * PACE_PERCENT || found > due + 1 { Err(Broken::Pace { found, due }) } else { Ok(()) }
}

/// Once validators know each other again, they decide within a few rounds.
fn decided_soon(simulation: &Simulation<'_>) -> Result<(), Broken> {
    let options = simulation.options;
    let has_validators = options.consensus.has_validators();
    let Some((_, running)) = honest(simulation).next().filter(|_| has_validators) else { return Ok(()) };
    let chain = running.chain();
    let epochs = validators::epochs(chain.state()).expect("memory can be read").expect("there are validators");
    for (height, header) in since_known_again(chain, options) {
        // Sets of long ago are forgotten: with short intervals, what they decided on is not looked at.
        let Some(set) = validators_at(chain.state(), height).expect("memory can be read") else { break };
        let seal = match Successors::split(&header.seal) {
            Ok((_, rest)) if epochs.is_last(height) => rest,
            _ => &header.seal,
        };
        let certificate = Certificate::from_bytes(seal, set.len()).expect("the chain has checked it");
        if certificate.round >= MAX_ROUNDS {
            return Err(Broken::Rounds { height, rounds: certificate.round + 1 });
        }
    }
    Ok(())
}

fn honest<'a>(simulation: &'a Simulation<'_>) -> impl Iterator<Item = (usize, &'a SteppedNode)> {
    let nodes = simulation.nodes.iter().take(simulation.options.nodes).enumerate();
    nodes.filter_map(|(node, running)| running.as_ref().map(|running| (node, &running.node)))
}
