//! What the engine and the mining cycle want of the node, and what they are told.

use std::{collections::VecDeque, sync::Arc};

use health_chain_consensus::{
    Accepted, EngineInput,
    ports::{Accusation, Action as EngineAction},
};
use health_chain_data::{Block, Lock, Transaction, state::Changes};
use health_chain_incentive::{Mining, MiningCycle, Rewards, Step, TipState, kinds::EVIDENCE};
use health_chain_network::PeerId;
use tracing::{debug, info, warn};

use super::Core;
use crate::node::{NodeEvent, accusations::may_be_taken_later, local::lose_store};

/// How long a candidate block is searched for before it is built anew with what has arrived, in milliseconds.
const REFRESH_MILLIS: u64 = 1000;
/// How long to wait after an own block could not be built or stored before another one is made, in milliseconds.
const RETRY_MILLIS: u64 = 1000;

impl Core {
    /// What makes blocks of this chain.
    pub(in crate::node) fn mining_cycle(&self, payout: Option<(Arc<Rewards>, Lock)>) -> MiningCycle {
        let chain = &self.local.chain;
        let mining = Mining { limits: *chain.parameters(), payout, refresh_millis: REFRESH_MILLIS };
        MiningCycle::new(mining, Arc::clone(chain.hasher()))
    }

    /// Makes blocks from now on, at most `blocks`, or stops to.
    pub(in crate::node) fn set_mining(&mut self, cycle: Option<MiningCycle>, blocks: Option<u64>) {
        self.cycle = cycle;
        self.blocks_left = blocks;
        self.searcher.stop();
        self.wake_engine_at = None;
        self.restart_mining();
    }

    pub(super) fn restart_mining(&mut self) {
        self.retry_mining_at = None;
        if let Some(cycle) = &mut self.cycle {
            cycle.tip_changed();
            self.step_engine(EngineInput::Tip);
        }
    }

    pub(super) fn step_engine(&mut self, input: EngineInput) {
        if self.cycle.is_none() {
            return;
        }
        let actions = self.drive(input);
        self.advance(actions);
    }

    /// One step of the engine, and what it wants besides being woken. That is noted at once: what it wants may lead to its next step,
    /// which may name another time. Without its journal it can't promise anything either.
    pub(super) fn drive(&mut self, input: EngineInput) -> Vec<EngineAction> {
        let mut actions = self.local.chain.step_engine(self.local.now, input);
        if let Some(error) = self.local.chain.engine_failure() {
            lose_store(&mut self.local.is_store_lost, error);
        }
        actions.retain(|action| match action {
            EngineAction::WakeAt(at) => {
                self.wake_engine_at = Some(*at);
                false
            }
            _ => true,
        });
        actions
    }

    pub(super) fn refresh_candidate(&mut self) {
        let (now, pool) = (self.local.now, &self.local.pool);
        let Some(cycle) = self.cycle.as_mut().filter(|cycle| cycle.is_stale(now, pool)) else { return };
        match cycle.refresh(self.local.now, &self.local.pool, &TipState::of(&self.local.chain)) {
            Ok(None) => {}
            Ok(Some(Step::Candidate(header))) => self.step_engine(EngineInput::Candidate(header)),
            Ok(Some(step)) => debug!(?step, "a refreshed candidate leads to nothing else"),
            Err(error) => warn!(%error, "no candidate"),
        }
    }

    /// One turn of the mining cycle after the other, until it waits for the outside again.
    pub(super) fn advance(&mut self, actions: Vec<EngineAction>) {
        let mut pending = VecDeque::from([actions]);
        while let Some(actions) = pending.pop_front() {
            let steps = match &mut self.cycle {
                // Most of what an engine that talks to others wants concerns no block.
                Some(cycle) if actions.iter().any(concerns_a_block) => {
                    cycle.handle(self.local.now, actions, &self.local.pool, &TipState::of(&self.local.chain))
                }
                _ => actions.into_iter().map(|action| Ok(Step::Engine(action))).collect(),
            };
            for step in steps {
                let step = match step {
                    Ok(step) => step,
                    Err(error) => {
                        warn!(%error, "no candidate");
                        self.retry_mining_at = Some(self.local.now.saturating_add(RETRY_MILLIS));
                        continue;
                    }
                };
                match step {
                    Step::Candidate(header) => {
                        pending.push_back(self.drive(EngineInput::Candidate(header)));
                    }
                    Step::Proposal(block) => {
                        pending.push_back(self.drive(EngineInput::Proposal(block)));
                    }
                    Step::Publish(block) | Step::Engine(EngineAction::Decided(block)) => self.publish_block(block),
                    Step::Engine(EngineAction::Broadcast(bytes)) => {
                        let actions = self.network.broadcast_engine(&bytes);
                        self.carry_out(actions);
                    }
                    Step::Engine(EngineAction::Relay(bytes)) => {
                        let actions = self.network.relay_engine(self.local.now, &bytes);
                        self.carry_out(actions);
                    }
                    Step::Engine(EngineAction::Accuse(accusation)) => {
                        self.accuse(accusation);
                    }
                    Step::Engine(EngineAction::Silent { height, reason }) => {
                        warn!(height = height.0, reason, "this validator says nothing more at this height");
                        self.silent_at = Some(height);
                        self.publish(vec![NodeEvent::Silent { height, reason }]);
                    }
                    // Whoever brought it has answered for it.
                    Step::Engine(EngineAction::Blame { .. }) => {}
                    Step::Engine(EngineAction::Search(task)) => self.searcher.search(task),
                    Step::Engine(EngineAction::StopSearch) => self.searcher.stop(),
                    Step::Engine(action) => debug!(?action, "not for the driver"),
                }
            }
        }
    }

    /// Offers the proof to the chain, and keeps it until the offender has answered, or can't be made to any more.
    fn accuse(&mut self, accusation: Accusation) {
        let Accusation { offender, rule, evidence } = &accusation;
        warn!(?offender, rule, "proven misconduct");
        if self.offer_evidence(evidence) {
            let changes = self.accusations.keep(*offender, evidence.clone());
            self.note_accusations(&changes);
        }
        self.publish(vec![NodeEvent::Accused { accusation }]);
    }

    /// Offers once more at each tip what the chain has not acted upon yet.
    pub(super) fn accuse_again(&mut self) {
        let tip = self.local.chain.tip_id();
        if self.accused_at.replace(tip) == Some(tip) {
            return;
        }
        for (offender, evidence) in self.accusations.all().clone() {
            if !self.offer_evidence(&evidence) {
                let changes = self.accusations.drop(&offender);
                self.note_accusations(&changes);
            }
        }
    }

    /// Whether there is something to be waited for. Where nobody answers for anything, or the offender has already, there is not.
    fn offer_evidence(&mut self, evidence: &[u8]) -> bool {
        match self.submit(Transaction::new(EVIDENCE, evidence.to_vec())) {
            Ok(_) => true,
            Err(error) => {
                debug!(%error, "evidence not taken");
                may_be_taken_later(&error)
            }
        }
    }

    /// For the next start. Worth no more than a warning where it fails: others have seen the same.
    fn note_accusations(&mut self, changes: &Changes) {
        if !changes.is_empty()
            && let Err(error) = self.local.chain.put_local(changes)
        {
            warn!(%error, "evidence could not be noted");
        }
    }

    /// Takes a block that the engine has sealed, or that the engines have agreed on: that one may have come from a peer already.
    fn publish_block(&mut self, block: Block) {
        let id = block.id();
        // The cycle begins the next block as soon as the tip has moved, so it is put aside before the last one.
        let paused = if self.blocks_left == Some(1) { self.cycle.take() } else { None };
        match self.submit_block(block) {
            Ok(Accepted::Connected(_)) => {
                if let Some(left) = &mut self.blocks_left {
                    *left = left.saturating_sub(1);
                }
                if paused.is_some() {
                    self.set_mining(None, None);
                }
                let height = self.local.chain.height_of(&id).expect("a block that was connected has a height");
                info!(height = height.0, %id, "block made");
                return self.publish(vec![NodeEvent::Mined { id, height }]);
            }
            Ok(accepted) => debug!(%id, ?accepted, "own block came too late"),
            Err(error) => {
                warn!(%id, %error, "own block refused");
                self.retry_mining_at = Some(self.local.now.saturating_add(RETRY_MILLIS));
            }
        }
        if paused.is_some() {
            self.cycle = paused;
        }
    }

    /// Punishes whoever brought what the engine blames on somebody.
    pub(super) fn blame(&mut self, peer: PeerId, actions: &[EngineAction]) {
        let rules = actions
            .iter()
            .filter_map(|action| if let EngineAction::Blame { rule } = action { Some(rule) } else { None });
        for rule in rules {
            let actions = self.network.blame_engine(self.local.now, peer, rule);
            self.carry_out(actions);
        }
    }
}

/// Whether the mining cycle has a part in it.
const fn concerns_a_block(action: &EngineAction) -> bool {
    use EngineAction::{Build, Propose, Sealed, Search, StopSearch};
    matches!(action, Build | Propose | Sealed(_) | Search(_) | StopSearch)
}
