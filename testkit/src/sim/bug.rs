//! Bugs that nodes can be given, through the seams: each is one that somebody might write, and one that a checker has to catch.

use std::sync::Arc;

use health_chain::{
    application::{gateway::Gateway, node::Service},
    consensus::{
        Chain, Founding, Validator, Weight,
        ports::{Action, Ancestry, BlockContext, Engine, ExecuteError, Finality, Input, RewardRule, SealError},
    },
    data::{
        Amount, Block, Header, Millis, Transaction,
        ports::{FalseClaim, SignatureClaim, StateView, StoreError, Verifier},
        state::Overlay,
    },
    network::PeerId,
};

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
    /// A gateway learns of a withdrawal with its block, not at first sight.
    LateDenial,
    /// A validator keeps no journal.
    ForgottenJournal,
    /// A validator votes for whatever is proposed.
    BlindVote,
}

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

/// [`Bug::ForgottenJournal`] and [`Bug::BlindVote`].
pub(super) struct FaultyEngine {
    pub(super) engine: Box<dyn Engine>,
    pub(super) bug: Bug,
}

impl Engine for FaultyEngine {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn finality(&self) -> Finality {
        self.engine.finality()
    }

    fn check_seal(&self, header: &Header, branch: &dyn Ancestry) -> Result<(), SealError> {
        self.engine.check_seal(header, branch)
    }

    fn weight(&self, header: &Header) -> Weight {
        self.engine.weight(header)
    }

    fn founding(&self) -> Option<Founding> {
        self.engine.founding()
    }

    fn succession(
        &self,
        header: &Header,
        branch: &dyn Ancestry,
        state: &dyn StateView,
    ) -> Result<Option<Vec<Validator>>, ExecuteError> {
        self.engine.succession(header, branch, state)
    }

    fn step(&mut self, now: Millis, input: Input<'_>) -> Vec<Action> {
        let input = match input {
            Input::Judged { id, .. } if self.bug == Bug::BlindVote => Input::Judged { id, is_valid: true },
            input => input,
        };
        let mut actions = self.engine.step(now, input);
        if self.bug == Bug::ForgottenJournal {
            actions.retain(|action| !matches!(action, Action::Persist(_)));
        }
        actions
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
