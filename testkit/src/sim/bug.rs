//! Bugs that nodes can be given, through the seams: each is one that somebody might write, and one that a checker has to catch.

use std::sync::Arc;

use health_chain::{
    application::{gateway::Gateway, node::Service},
    consensus::{
        Chain,
        ports::{Action, BlockContext, Engine, EvidenceCheck, ExecuteError, Input, NoEvidence, RewardRule},
    },
    consensus_bft::Equivocation,
    data::{
        Amount, Block, Millis, Transaction,
        ports::{FalseClaim, SignatureClaim, StoreError, Verifier},
        state::Overlay,
    },
    network::PeerId,
};

use crate::SteeredEngine;

/// A bug that all nodes of a run have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A store says that a batch is durable before it is: a crash takes the last one away.
    EarlyAcknowledgement,
    /// The counters of the supply are not undone with a block.
    ForgottenUndo,
    /// Fees are booked twice.
    DoubleFees,
    /// Signatures are taken for true.
    ForgottenSignatures,
    /// A store says of a gateway's audit log that it is durable before it is: a crash takes the last event away.
    VolatileLog,
    /// The same of withdrawals that a gateway has seen.
    VolatileDenials,
    /// A store keeps nothing of a gateway's audit log.
    ForgottenLog,
    /// A gateway learns of a withdrawal with its block, not at first sight.
    LateDenial,
    /// A validator keeps no journal.
    ForgottenJournal,
    /// A validator votes for whatever is proposed.
    BlindVote,
    /// The chain was put together without a judge: evidence is refused, whatever it proves.
    ForgottenEvidence,
    /// A validator that contradicts another statement of its own is not accused.
    ForgottenAccusation,
    /// A validator passes on nothing that others say.
    ForgottenRelay,
    /// A validator that was started again in the middle of a height takes no part in anything any more.
    LastingSilence,
    /// An engine is woken half an interval later than it wants.
    LateWake,
}

/// How late [`Bug::LateWake`] is, in milliseconds.
const LATE_MILLIS: u64 = 15_000;

/// [`Bug::DoubleFees`].
pub(super) struct DoubleFees(pub(super) Arc<dyn RewardRule>);

impl RewardRule for DoubleFees {
    fn settle(
        &self,
        state: &mut Overlay<'_>,
        block: &Block,
        fees: Amount,
        context: &BlockContext,
    ) -> Result<(), ExecuteError> {
        self.0.settle(state, block, fees.checked_add(fees.0).unwrap_or(fees), context)
    }
}

/// [`Bug::ForgottenSignatures`].
pub(super) struct ForgottenSignatures;

impl Verifier for ForgottenSignatures {
    fn verify(&self, _: &[SignatureClaim]) -> Result<(), FalseClaim> {
        Ok(())
    }
}

/// The engine with a bug of engines; other bugs are not its own.
pub(super) fn engine_with(bug: Bug, engine: Box<dyn Engine>) -> Box<dyn Engine> {
    match bug {
        Bug::ForgottenJournal => Box::new(without(engine, |action| matches!(action, Action::Persist(_)))),
        Bug::ForgottenAccusation => Box::new(without(engine, |action| matches!(action, Action::Accuse(_)))),
        Bug::ForgottenRelay => Box::new(without(engine, |action| matches!(action, Action::Relay(_)))),
        Bug::LastingSilence => {
            let mut has_begun_before = false;
            Box::new(SteeredEngine::new(engine, move |engine, now, input| {
                has_begun_before |= matches!(input, Input::Journal(_));
                let mut actions = engine.step(now, input);
                actions.retain(|_| !has_begun_before);
                actions
            }))
        }
        Bug::LateWake => Box::new(SteeredEngine::new(engine, |engine, now, input| {
            let late = |action| match action {
                Action::WakeAt(at) => Action::WakeAt(at.saturating_add(LATE_MILLIS)),
                action => action,
            };
            engine.step(now, input).into_iter().map(late).collect()
        })),
        Bug::BlindVote => Box::new(SteeredEngine::new(engine, |engine, now, input| match input {
            Input::Judged { id, .. } => engine.step(now, Input::Judged { id, is_valid: true }),
            input => engine.step(now, input),
        })),
        _ => engine,
    }
}

/// An engine that never wants what `is_forgotten` says.
fn without(engine: Box<dyn Engine>, is_forgotten: fn(&Action) -> bool) -> SteeredEngine {
    SteeredEngine::new(engine, move |engine, now, input| {
        let mut actions = engine.step(now, input);
        actions.retain(|action| !is_forgotten(action));
        actions
    })
}

/// What evidence proves: nothing, under [`Bug::ForgottenEvidence`].
pub(super) fn evidence_check(bug: Option<Bug>) -> Arc<dyn EvidenceCheck> {
    match bug {
        Some(Bug::ForgottenEvidence) => Arc::new(NoEvidence),
        _ => Arc::new(Equivocation),
    }
}

/// [`Bug::LateDenial`].
pub(super) struct LateDenial(pub(super) Gateway);

impl Service for LateDenial {
    fn opened(&mut self, chain: &mut Chain) -> Result<(), StoreError> {
        self.0.opened(chain)
    }

    fn request(
        &mut self,
        now: Millis,
        chain: &mut Chain,
        waiting: usize,
        peer: &PeerId,
        body: &[u8],
    ) -> Option<Vec<u8>> {
        self.0.request(now, chain, waiting, peer, body)
    }

    fn saw_transaction(&mut self, _: &mut Chain, _: &Transaction) -> Result<(), StoreError> {
        Ok(())
    }

    fn saw_block(&mut self, chain: &mut Chain, block: &Block) -> Result<(), StoreError> {
        self.0.saw_block(chain, block)
    }

    fn took_block(&mut self, chain: &mut Chain) -> Result<(), StoreError> {
        self.0.took_block(chain)
    }

    fn tip_moved(&mut self, chain: &mut Chain, disconnected: usize) -> Result<(), StoreError> {
        self.0.tip_moved(chain, disconnected)
    }

    fn left(&mut self, peer: &PeerId) {
        self.0.left(peer);
    }
}
