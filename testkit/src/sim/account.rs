//! Whether who contradicts itself answers for it: on the chain, in time, and with what it has to lose.

use std::collections::{BTreeMap, BTreeSet};

use health_chain::{
    application::council::struck,
    consensus::ports::{Accusation, Offence},
    data::{
        Amount, Height, PublicKey,
        ports::{StateView, StoreError},
    },
    incentive::Bond,
};

use super::{
    Broken,
    consensus::Consensus,
    fabric::NodeIndex,
    run::Simulation,
    stake::{EPOCHS, LIARS_BOND, SLASH_PER_MILLE},
};

/// In how many blocks evidence has to be on the chain, from the moment on from which all honest nodes hear each other: one may be under way
/// already, one may be a liar's.
const MAX_EVIDENCE_BLOCKS: u32 = 3;

/// What an offender has left: liars bond once, and give no notice.
const DUE: Amount = Amount(LIARS_BOND - LIARS_BOND * SLASH_PER_MILLE as u64 / 1_000);

/// Who was heard contradicting itself, and who has answered for it.
#[derive(Default)]
pub(super) struct Accounts {
    open: BTreeMap<PublicKey, Case>,
    closed: BTreeSet<PublicKey>,
}

struct Case {
    /// The height that the contradiction was about.
    height: Height,
    /// How far the chain was when evidence was last certain to be on its way to everybody, at the earliest when it was first heard.
    since: Height,
    /// Nodes that have it, by their lives: what waits for the chain is lost when a node dies.
    witnesses: BTreeSet<(NodeIndex, u64)>,
}

impl Accounts {
    /// How many have answered.
    pub(super) fn answered(&self) -> u64 {
        self.closed.len() as u64
    }

    /// An honest node has proof against somebody who has something to lose.
    pub(super) fn heard(
        &mut self,
        simulation: &Simulation<'_>,
        node: NodeIndex,
        accusation: &Accusation,
    ) -> Result<(), StoreError> {
        let Some(running) = &simulation.nodes[node] else { return Ok(()) };
        let offender = accusation.offender;
        let is_accountable = match simulation.world.makers.consensus {
            Consensus::Bft => true,
            // Before it has bonded there is nothing to answer with.
            Consensus::Pos => Bond::read(running.node.chain().state(), &offender)?.is_some(),
            _ => false,
        };
        let life = simulation.fabric.with(|shared| shared.life(node));
        let proven = simulation.world.offence(&accusation.evidence);
        if let (Some(life), Some(Offence { height, .. })) = (life, proven)
            && is_accountable
            && !self.closed.contains(&offender)
        {
            let new = Case { height, since: highest(simulation), witnesses: BTreeSet::new() };
            self.open.entry(offender).or_insert(new).witnesses.insert((node, life));
        }
        Ok(())
    }

    /// After every step of an honest node, as far as there are open cases.
    pub(super) fn look(&mut self, simulation: &Simulation<'_>, node: NodeIndex) -> Result<(), Broken> {
        let Some(running) = simulation.nodes[node].as_ref().filter(|_| !self.open.is_empty()) else { return Ok(()) };
        let (lives, is_calm) = simulation.fabric.with(|shared| {
            let honest = simulation.options.nodes;
            let lives: Vec<_> = (0..honest).map(|node| shared.life(node)).collect();
            (lives, shared.is_calm(honest))
        });
        let (state, tip) = (running.node.chain().state(), running.node.chain().tip().height);
        let best = highest(simulation);
        for (offender, mut case) in std::mem::take(&mut self.open) {
            case.witnesses.retain(|(node, life)| lives[*node] == Some(*life));
            if !is_calm {
                case.since = case.since.max(best);
            }
            if let Some(left) = left_of(simulation, state, &offender).expect("memory can be read") {
                if left != DUE {
                    let due = DUE;
                    return Err(Broken::Penalty { offender, left, due });
                }
                self.closed.insert(offender);
            } else if tip >= case.since.saturating_add(MAX_EVIDENCE_BLOCKS) {
                return Err(Broken::Impunity { node, offender, known: case.since, height: tip });
            } else if !case.witnesses.is_empty() && EPOCHS.is_answerable(case.height, tip.next()) {
                self.open.insert(offender, case);
            }
        }
        Ok(())
    }
}

/// What the offender has left, where it has answered in this state.
fn left_of(
    simulation: &Simulation<'_>,
    state: &dyn StateView,
    offender: &PublicKey,
) -> Result<Option<Amount>, StoreError> {
    if matches!(simulation.world.makers.consensus, Consensus::Pos) {
        let bond = Bond::read(state, offender)?.filter(|bond| bond.jailed.is_some());
        return Ok(bond.map(|bond| bond.total()));
    }
    Ok(struck(state, offender)?.map(|_| DUE))
}

fn highest(simulation: &Simulation<'_>) -> Height {
    let honest = simulation.nodes.iter().take(simulation.options.nodes).flatten();
    honest.map(|running| running.node.chain().tip().height).max().unwrap_or(Height::ZERO)
}
