//! The seams of the consensus layer. Upward questions that are immediate and pure are ports ([`Executor`], [`RewardRule`]);
//! what takes time or a CPU leaves the engine as an [`Action`] and comes back as an [`Input`].

use alloc::{boxed::Box, vec::Vec};
use core::{error::Error as StdError, fmt};

use health_chain_data::{
    Amount, Block, BlockId, ChainId, Genesis, Header, Height, Kind, Millis, PublicKey, Timestamp, Transaction,
    ports::{SignatureClaim, StateView, StoreError},
    state::Overlay,
};
use thiserror::Error;

use crate::{
    validators::{Founding, Validator},
    weight::Weight,
};

/// When a block counts as settled under an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finality {
    /// Never for certain: this many blocks deep, itself included, it is taken as settled.
    Depth(u32),
    /// With the certificate that decided it, at once. Such blocks are of version [`crate::verify::CERTIFIED_BLOCK_VERSION`], which the engine gives
    /// those that it proposes, and come by [`Action::Decided`].
    Certificate,
}

/// The branch that a header extends, as far back as the engine asks. Height 0 is the genesis block.
pub trait Ancestry {
    /// Height of the branch's last header: the parent of the one in question.
    fn height(&self) -> Height;

    /// The branch's header at `height`, if it reaches that far.
    fn header(&self, height: Height) -> Option<Header>;

    /// The time of the branch's header at `height`, if it reaches that far.
    fn time(&self, height: Height) -> Option<Timestamp> {
        self.header(height).map(|header| header.time)
    }

    /// The branch's last header.
    fn parent(&self) -> Header {
        self.header(self.height()).expect("a branch has a header at its own height")
    }
}

/// A way to agree on the next block. Pure checks of seals, and a state machine that makes blocks: it takes the time and an
/// input and returns actions, and never waits, sends or searches itself.
pub trait Engine: Send {
    /// The engine's name. Its section of the genesis document, if it has one, is `consensus-` and this.
    fn name(&self) -> &'static str;

    /// When a block counts as settled.
    fn finality(&self) -> Finality;

    /// Whether `header`'s seal is what this engine demands on top of `branch`: difficulty, authority, engine's own time rules.
    ///
    /// # Errors
    /// The rule that the seal breaks.
    fn check_seal(&self, header: &Header, branch: &dyn Ancestry) -> Result<(), SealError>;

    /// What `header` adds to the weight of its branch. Called for headers whose seal has been checked, and for genesis.
    fn weight(&self, header: &Header) -> Weight;

    /// Who decides first, where the engine has validators. Kept in the state ([`crate::validators`]).
    fn founding(&self) -> Option<Founding> {
        None
    }

    /// Who decides from the next block on, where that is for `header` to say, whose seal has been checked on top of `branch`: held
    /// against `state`, which is the state below its block. Called when the block is connected.
    ///
    /// # Errors
    /// Where the seal says something else than the state, or that can't be read.
    fn succession(
        &self,
        _header: &Header,
        _branch: &dyn Ancestry,
        _state: &dyn StateView,
    ) -> Result<Option<Vec<Validator>>, ExecuteError> {
        Ok(None)
    }

    /// One step of the block maker.
    fn step(&mut self, now: Millis, input: Input<'_>) -> Vec<Action>;
}

/// What an engine is told.
#[non_exhaustive]
pub enum Input<'a> {
    /// The chain has a new tip, or has just been opened; work on anything else is void.
    Tip {
        /// The branch up to and including the tip.
        branch: &'a dyn Ancestry,
        /// The state at the tip.
        state: &'a dyn StateView,
    },
    /// A candidate to seal, as asked for by [`Action::Build`]: its seal is empty, its parent is the branch's last header. Its time is that
    /// of the node's clock, or of a second after the median of the last eleven where that is later. Seal and time are the engine's to set,
    /// and nothing else.
    Candidate {
        /// The candidate.
        header: Header,
        /// The branch that it extends.
        branch: &'a dyn Ancestry,
    },
    /// The answer to [`Action::Search`]: a nonce that meets the target.
    Solved {
        /// The task that it answers.
        task: SearchTask,
        /// The nonce.
        nonce: u32,
    },
    /// The answer to [`Action::Search`]: no nonce in the whole range meets the target.
    Exhausted {
        /// The task that it answers.
        task: SearchTask,
    },
    /// Time has passed: the moment named by [`Action::WakeAt`] has come.
    Tick,
    /// A candidate to propose to the other engines, as asked for by [`Action::Propose`]: like [`Input::Candidate`], and whole.
    Proposal {
        /// The candidate.
        block: Block,
        /// The branch that it extends.
        branch: &'a dyn Ancestry,
    },
    /// What another node's engine says ([`Action::Broadcast`]). Nobody has looked at it.
    Message {
        /// The message.
        bytes: Vec<u8>,
        /// The branch up to and including the tip.
        branch: &'a dyn Ancestry,
        /// The state at the tip.
        state: &'a dyn StateView,
    },
    /// The answer to [`Action::Judge`].
    Judged {
        /// The block.
        id: BlockId,
        /// Whether it keeps every rule on top of the tip, but for the seal that it does not have yet.
        is_valid: bool,
    },
    /// Before any other input, once for each in order: what [`Action::Persist`] has kept since the last [`Action::Forget`]. What the
    /// engine answers to it is not carried out; [`Input::Tip`] follows.
    Journal(Vec<u8>),
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tip { branch, .. } => f.debug_struct("Tip").field("height", &branch.height()).finish_non_exhaustive(),
            Self::Candidate { header, .. } => {
                f.debug_struct("Candidate").field("header", header).finish_non_exhaustive()
            }
            Self::Solved { task, nonce } => f.debug_struct("Solved").field("task", task).field("nonce", nonce).finish(),
            Self::Exhausted { task } => f.debug_struct("Exhausted").field("task", task).finish(),
            Self::Tick => f.write_str("Tick"),
            Self::Proposal { block, .. } => {
                f.debug_struct("Proposal").field("block", &block.id()).finish_non_exhaustive()
            }
            Self::Message { bytes, .. } => {
                f.debug_struct("Message").field("bytes", &bytes.len()).finish_non_exhaustive()
            }
            Self::Judged { id, is_valid } => {
                f.debug_struct("Judged").field("id", id).field("is_valid", is_valid).finish()
            }
            Self::Journal(entry) => f.debug_struct("Journal").field("bytes", &entry.len()).finish_non_exhaustive(),
        }
    }
}

/// What an engine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Build a candidate on the current tip and feed it as [`Input::Candidate`].
    Build,
    /// Search for a nonce; whatever search ran before is void.
    Search(SearchTask),
    /// Stop searching.
    StopSearch,
    /// This header is sealed: the candidate's block is ready to be verified, stored and announced. A candidate is published once, and only
    /// where version, parent and root are still its own.
    Sealed(Header),
    /// Feed [`Input::Tick`] at this time; replaces the moment given before. It is to be noted before the rest of the step is carried
    /// out: that may lead to a step that replaces it.
    WakeAt(Millis),
    /// Build a candidate on the current tip and feed it as [`Input::Proposal`].
    Propose,
    /// Keep this durably before anything that follows leaves this node. Carried out by [`crate::Chain::step_engine`].
    Persist(Vec<u8>),
    /// What was persisted so far is of no use any more. Carried out by [`crate::Chain::step_engine`].
    Forget,
    /// Say whether this block may follow the tip: [`Input::Judged`], after all else that the step wants. Carried out by
    /// [`crate::Chain::step_engine`].
    Judge(Block),
    /// Send this to the other engines, all of them.
    Broadcast(Vec<u8>),
    /// Pass on what another engine said, to those that may not have it.
    Relay(Vec<u8>),
    /// The engines have agreed on this block, and its seal is the proof: it is ready to be verified, stored and announced.
    Decided(Block),
    /// Somebody is proven to have broken the engine's rules.
    Accuse(Accusation),
    /// This node's validator says nothing more at this height, for whoever runs it to know: it can't, or it would contradict itself.
    Silent {
        /// The height.
        height: Height,
        /// The engine's name for the reason.
        reason: &'static str,
    },
    /// The message of this step is one that no engine says or passes on that keeps the rules: whoever brought it answers for it.
    Blame {
        /// The engine's name for the rule.
        rule: &'static str,
    },
}

/// Who broke a rule of the engine, and the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accusation {
    /// The key of the one who did.
    pub offender: PublicKey,
    /// The engine's name for the rule.
    pub rule: &'static str,
    /// What proves it to anybody who runs the same engine.
    pub evidence: Vec<u8>,
}

/// A search for a nonce over an 80-byte header, for [`health_chain_data::ports::BatchHasher::search_nonce`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchTask {
    /// The header; its last four bytes are the nonce, little-endian.
    pub header: [u8; 80],
    /// The largest hash that counts, little-endian.
    pub target: [u8; 32],
}

/// How a search ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchOutcome {
    /// This nonce meets the target.
    Solved {
        /// What was searched for.
        task: SearchTask,
        /// The nonce.
        nonce: u32,
    },
    /// No nonce does.
    Exhausted {
        /// What was searched for.
        task: SearchTask,
    },
}

/// Searches for nonces off the driver's thread: carries out [`Action::Search`] and [`Action::StopSearch`] for whoever drives the
/// engine. Outcomes go to whom the searcher was made for.
pub trait Searcher: Send {
    /// Searches for `task` from now on, and for nothing else.
    fn search(&self, task: SearchTask);

    /// Searches for nothing.
    fn stop(&self);

    /// How many nonces have been tried since the start. The difference over time is the hash rate.
    fn hashes(&self) -> u64;
}

/// Searches for nothing: for nodes that make no blocks, and for engines that need no search.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSearch;

impl Searcher for NoSearch {
    fn search(&self, _: SearchTask) {}

    fn stop(&self) {}

    fn hashes(&self) -> u64 {
        0
    }
}

/// Says who should decide, and with what power, as a state has it. Implemented by the incentive layer (bonded stake) and by a program
/// of the application layer (institutions, by vote). What it says counts from the next epoch on ([`crate::validators`]).
pub trait StakeView: Send + Sync {
    /// Everybody with a claim to decide, in any order. An engine takes the heaviest of them ([`crate::validators::ranked`]), and
    /// leaves the office to those who hold it where there is nobody.
    ///
    /// # Errors
    /// Where the state can't be read.
    fn validators(&self, state: &dyn StateView) -> Result<Vec<Validator>, StoreError>;

    /// The power with which one of those in office stays where there is nobody; 0 where it has to go. Where all would have to, all stay: a
    /// set of nobody could never decide on the next one.
    ///
    /// # Errors
    /// Where the state can't be read.
    fn power_kept(&self, _state: &dyn StateView, in_office: Validator) -> Result<u32, StoreError> {
        Ok(in_office.power)
    }
}

/// The same validators, whatever the state is.
#[derive(Debug, Clone, Default)]
pub struct FixedStake(pub Vec<Validator>);

impl StakeView for FixedStake {
    fn validators(&self, _: &dyn StateView) -> Result<Vec<Validator>, StoreError> {
        Ok(self.0.clone())
    }
}

/// Reads the evidence of an [`Accusation`]. Implemented by engines that accuse; asked by the layers above, which make somebody answer
/// for it.
pub trait EvidenceCheck: Send + Sync {
    /// What the evidence proves to anybody on this chain, provided that the signatures hold that it depends on: they are pushed to
    /// `claims`, and the caller verifies them before the outcome counts. Whether the offender was a validator then is not looked at
    /// ([`crate::validators::offence`]).
    ///
    /// # Errors
    /// Why it proves nothing.
    fn offence(&self, evidence: &[u8], chain: ChainId, claims: &mut Vec<SignatureClaim>) -> Result<Offence, Rejection>;

    /// How many signatures evidence depends on, at most.
    fn signature_checks(&self) -> u32;
}

/// What evidence proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offence {
    /// The key of the one who did it.
    pub offender: PublicKey,
    /// The height that it concerned.
    pub height: Height,
}

/// Takes nothing for evidence: for engines that accuse nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvidence;

impl EvidenceCheck for NoEvidence {
    fn offence(&self, _: &[u8], _: ChainId, _: &mut Vec<SignatureClaim>) -> Result<Offence, Rejection> {
        Err(Rejection { rule: "no-evidence", source: Box::new(EvidenceNotTaken) })
    }

    fn signature_checks(&self) -> u32 {
        0
    }
}

/// Evidence on a chain whose engine accuses nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this chain's engine accuses nobody, so nothing is evidence")]
pub struct EvidenceNotTaken;

/// A rule on seals that a header breaks. `rule` names it; the source carries the values.
#[derive(Debug, Error)]
#[error("seal refused by rule {rule}")]
pub struct SealError {
    /// The engine's name for the rule.
    pub rule: &'static str,
    /// What exactly is wrong.
    #[source]
    pub source: Box<dyn StdError + Send + Sync>,
}

/// Where and when a block's transactions take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockContext {
    /// The chain.
    pub chain: ChainId,
    /// The block's height.
    pub height: Height,
    /// Median time of the eleven blocks before it.
    pub median_time_past: Timestamp,
}

/// What one transaction adds to its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effect {
    /// Inputs less outputs, in the fee token.
    pub fee: Amount,
    /// What the transaction counts towards the block's cap on signature checks.
    pub signature_checks: u32,
}

/// Applies transactions to the state. Implemented by the contract layer.
pub trait Executor: Send + Sync {
    /// Writes the state that the genesis document sets out.
    ///
    /// # Errors
    /// Where a section is missing or contradicts itself.
    fn genesis(&self, state: &mut Overlay<'_>, genesis: &Genesis) -> Result<(), ExecuteError>;

    /// Applies one transaction (never a coinbase) to `state`, all of it or nothing. Signatures that it depends on are pushed
    /// to `claims`; the caller verifies them before the outcome counts.
    ///
    /// # Errors
    /// The rule that the transaction breaks.
    fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Effect, ExecuteError>;
}

/// Says what a block's maker may take, and books it. Implemented by the incentive layer.
pub trait RewardRule: Send + Sync {
    /// Checks the coinbase of `block` (its first transaction, if of that kind) against `fees` and writes its outputs; called
    /// last, when all other transactions have been applied to `state`.
    ///
    /// # Errors
    /// The rule that the coinbase breaks.
    fn settle(
        &self,
        state: &mut Overlay<'_>,
        block: &Block,
        fees: Amount,
        context: &BlockContext,
    ) -> Result<(), ExecuteError>;
}

/// Why something was not applied: because of what it is, or because this node failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// It breaks a rule. Every node refuses it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The state could not be read. Says nothing about what was to be applied.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A rule broken, named by the layer above that owns it.
#[derive(Debug, Error)]
#[error("refused by rule {rule}")]
pub struct Rejection {
    /// The rule's name, stable across versions.
    pub rule: &'static str,
    /// What exactly is wrong.
    #[source]
    pub source: Box<dyn StdError + Send + Sync>,
}

/// Accepts every transaction and does nothing: for chains of plain commitments, and for tests of engines.
#[derive(Debug, Clone, Copy, Default)]
pub struct AcceptAll;

impl Executor for AcceptAll {
    fn genesis(&self, _: &mut Overlay<'_>, _: &Genesis) -> Result<(), ExecuteError> {
        Ok(())
    }

    fn apply(
        &self,
        _: &mut Overlay<'_>,
        _: &Transaction,
        _: &BlockContext,
        _: &mut Vec<SignatureClaim>,
    ) -> Result<Effect, ExecuteError> {
        Ok(Effect::default())
    }
}

/// Nobody is paid: a block must not carry a coinbase.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoReward;

impl RewardRule for NoReward {
    fn settle(&self, _: &mut Overlay<'_>, block: &Block, _: Amount, _: &BlockContext) -> Result<(), ExecuteError> {
        match block.transactions().first() {
            Some(first) if first.kind == Kind::COINBASE => {
                Err(Rejection { rule: "no-reward", source: Box::new(CoinbaseNotAllowed) }.into())
            }
            _ => Ok(()),
        }
    }
}

/// A coinbase on a chain that pays nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this chain pays no reward, so a block carries no coinbase")]
pub struct CoinbaseNotAllowed;
