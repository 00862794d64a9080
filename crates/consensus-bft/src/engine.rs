//! The engine: what reaches the validator, what is passed on, and what the chain asks about seals.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use health_chain_consensus::{
    Founding, Validator, Weight,
    ports::{
        Accusation, Action, Ancestry, Engine, ExecuteError, Finality, FixedStake, Input, Rejection, SealError,
        StakeView,
    },
    verify::CERTIFIED_BLOCK_VERSION,
};
use health_chain_data::{
    Block, ChainId, Genesis, Hash, Header, Height, Millis, PublicKey, codec,
    genesis::GenesisError,
    ports::{FalseClaim, ScalarHasher, SignatureClaim, Signer, SingleVerifier, StateView, Verifier},
    sha256,
};
use thiserror::Error;

use crate::{
    certificate::{Certificate, CertificateError, is_quorum},
    context::{number, proposer},
    evidence::Evidence,
    host::{FALSE_SIGNATURE, Machine, Office},
    limits::{MAX_FUTURE_HEIGHTS, MAX_FUTURE_ROUNDS, MAX_PAST_HEIGHTS, MAX_POLKAS, MAX_ROUNDS_AHEAD, MAX_STATEMENTS},
    message::{self, Message, Votes, vote_message},
    parameters::{BftParameters, ParametersError},
    rounds::Rounds,
    seat::{Seat, contains},
    statement::{Choice, Claim, Signed, Slot, Statement},
    successors::{Successors, SuccessorsError},
};

/// The engine of a consortium: its validators agree on every block before it exists (Tendermint), so a block is final at once. A
/// header's seal is the [`Certificate`] of the agreement, with the [`Successors`] in front of it where an epoch ends; the genesis
/// block's is empty.
///
/// Who decides can thus be followed from header to header, without any state. The state has the last word when the block is connected: it
/// says who should follow ([`StakeView`]), as of the block below the epoch's last one, so that all who vote on that one know it.
pub struct Bft {
    chain: ChainId,
    parameters: BftParameters,
    stakes: Arc<dyn StakeView>,
    verifier: Arc<dyn Verifier>,
    /// The height to be decided next.
    next: Height,
    /// Who decides on it. Nobody, as far as this node knows, where it can't read its state.
    office: Office,
    /// What was said at heights from `next` on, and at some before it.
    statements: BTreeMap<Slot, Signed>,
    /// Hashes of the votes taken at this height, as they came: each comes from every peer, and to decode one costs many times as much.
    taken: BTreeSet<Hash>,
    /// The message that carried a quorum's prevotes for one block first, by their round at this height.
    polkas: BTreeMap<u32, Vec<u8>>,
    rounds: Rounds,
    accused: BTreeSet<PublicKey>,
    validator: Option<Seat>,
}

impl fmt::Debug for Bft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bft")
            .field("chain", &self.chain)
            .field("next", &self.next)
            .field("is_validator", &self.validator.is_some())
            .finish_non_exhaustive()
    }
}

/// Why there is no engine.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BftError {
    /// The genesis document does not name validators.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The validators or times that it names are of no use.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// The signer's key is not a validator's, and never will be: the set does not change.
    #[error("{key} is no validator of this chain")]
    NoValidator {
        /// The key.
        key: PublicKey,
    },
}

impl Bft {
    /// The engine of a node that checks blocks and passes messages on.
    ///
    /// # Errors
    /// Where the genesis document's section is missing or of no use.
    pub fn follower(genesis: &Genesis) -> Result<Self, BftError> {
        Ok(Self::new(genesis.chain_id(), genesis.section()?)?)
    }

    /// The engine of a node that checks blocks and passes messages on, for an engine that keeps these parameters elsewhere in the
    /// genesis document.
    ///
    /// # Errors
    /// Where the parameters are of no use.
    pub fn new(chain: ChainId, parameters: BftParameters) -> Result<Self, ParametersError> {
        parameters.check()?;
        Ok(Self {
            chain,
            stakes: Arc::new(FixedStake(parameters.validators.clone())),
            verifier: Arc::new(SingleVerifier),
            parameters,
            next: Height::ZERO,
            office: Office::default(),
            statements: BTreeMap::new(),
            taken: BTreeSet::new(),
            polkas: BTreeMap::new(),
            rounds: Rounds::default(),
            accused: BTreeSet::new(),
            validator: None,
        })
    }

    /// The engine of the validator with this signer's key. One process only may run it at a time, over a store that is never set
    /// back: what it has signed stands in the journal there.
    ///
    /// # Errors
    /// Where the genesis document's section is missing or of no use, or names other validators for good.
    pub fn validator(genesis: &Genesis, signer: Box<dyn Signer>) -> Result<Self, BftError> {
        Self::follower(genesis)?.with_signer(signer)
    }

    /// Decides along whenever the signer's key is a validator's: on the same terms as [`Bft::validator`].
    ///
    /// # Errors
    /// Where it never will be.
    pub fn with_signer(mut self, signer: Box<dyn Signer>) -> Result<Self, BftError> {
        let key = signer.public_key();
        if self.parameters.epochs.blocks == 0 && !contains(&self.parameters.validators, &key) {
            return Err(BftError::NoValidator { key });
        }
        let machine = Machine::new(self.chain, &self.parameters, signer, Arc::clone(&self.verifier));
        self.validator = Some(Seat::new(machine));
        Ok(self)
    }

    /// Lets `stakes` say who decides in epochs to come, instead of the validators of the first one for ever. All nodes of a chain have
    /// to ask alike.
    #[must_use]
    pub fn with_stakes(mut self, stakes: Arc<dyn StakeView>) -> Self {
        self.stakes = stakes;
        self
    }

    /// Lets `verifier` verify what validators sign, instead of one signature after the other: it is given those of a certificate together.
    #[must_use]
    pub fn with_verifier(mut self, verifier: Arc<dyn Verifier>) -> Self {
        if let Some(seat) = &mut self.validator {
            seat.machine.verify_by(Arc::clone(&verifier));
        }
        self.verifier = verifier;
        self
    }

    /// Who proposes in a round of a height; `None` where it is not known yet who decides there.
    pub fn proposer(&self, height: Height, round: u32) -> Option<PublicKey> {
        let validators = self.office_at(height).filter(|validators| !validators.is_empty())?;
        Some(validators[proposer(height, round, validators)].key)
    }

    fn certify(&self, header: &Header, branch: &dyn Ancestry) -> Result<(), CertificateError> {
        let height = branch.height().next();
        let validators = self.validators_on(branch).ok_or(CertificateError::Unreachable)?;
        let mut choice = Choice::from(header.id());
        let mut certificate = header.seal.as_slice();
        if self.parameters.epochs.is_last(height) {
            let (successors, rest) = Successors::split(certificate)?;
            choice.successors = Some(successors.hash());
            certificate = rest;
        }
        Certificate::from_bytes(certificate, validators.len())?.verify(
            self.chain,
            height,
            choice,
            &validators,
            &*self.verifier,
        )
    }

    /// Who decides on the block on top of `branch`: those whom the last header of the epoch before it names.
    fn validators_on(&self, branch: &dyn Ancestry) -> Option<Vec<Validator>> {
        let before = self.parameters.epochs.first(branch.height().next()).checked_sub(1)?;
        if before == Height::ZERO {
            return Some(self.parameters.validators.clone());
        }
        let (successors, _) = Successors::split(&branch.header(before)?.seal).ok()?;
        Some(successors.into_validators())
    }

    /// Who decides on the block on top of `branch`, whose state is `state`, and who after it.
    fn office_on(&self, branch: &dyn Ancestry, state: &dyn StateView) -> Option<Office> {
        let validators = self.validators_on(branch)?;
        let successors = if self.parameters.epochs.is_last(branch.height().next()) {
            Some(Successors::elect(&*self.stakes, state, &validators).ok()?)
        } else {
            None
        };
        Some(Office { validators, successors })
    }

    /// Who decides at `height`, as far as that is known: in this epoch, or, where its last block is the next one, in the one after it.
    fn office_at(&self, height: Height) -> Option<&[Validator]> {
        let epochs = self.parameters.epochs;
        if epochs.first(height) == epochs.first(self.next) {
            return Some(&self.office.validators);
        }
        let successors = self.office.successors.as_ref()?;
        (epochs.first(height) == self.next.next()).then_some(successors.validators())
    }

    /// The chain is where `branch` ends.
    fn move_to(&mut self, branch: &dyn Ancestry, state: &dyn StateView) {
        let next = branch.height().next();
        if self.next != next {
            self.next = next;
            self.statements.retain(|(height, ..), _| height.saturating_add(MAX_PAST_HEIGHTS) >= next);
            self.taken.clear();
            self.polkas.clear();
            self.rounds = Rounds::default();
            self.accused.clear();
            self.office = self.office_on(branch, state).unwrap_or_default();
            if let Some(seat) = &mut self.validator {
                seat.leave(next);
            }
        }
    }

    fn tip(&mut self, now: Millis) {
        if let Some(seat) = &mut self.validator {
            seat.tip(now, self.next, self.parameters.interval_millis.into());
        }
    }

    fn message(&mut self, now: Millis, bytes: Vec<u8>) -> Vec<Action> {
        let name = sha256(&bytes);
        if self.taken.contains(&name) {
            // Said again: somebody may have missed it.
            return vec![Action::Relay(bytes)];
        }
        let mut actions = Vec::new();
        match message::read(&bytes, &self.office.validators) {
            Ok(Message::Vote(signed)) => self.vote(now, signed, name, bytes, &mut actions),
            Ok(Message::Proposal(signed, block)) => {
                if !is_block_of(&signed, &block) {
                    actions.push(Action::Blame { rule: "bft-proposal" });
                } else if self.admit(&signed, &mut actions) {
                    actions.push(Action::Relay(bytes));
                    self.deliver(now, signed.statement.height, Message::Proposal(signed, block));
                }
            }
            Ok(certificate) => self.certificate(now, certificate, bytes, &mut actions),
            Err(_) => actions.push(Action::Blame { rule: "bft-message" }),
        }
        actions
    }

    fn vote(&mut self, now: Millis, signed: Signed, name: Hash, bytes: Vec<u8>, actions: &mut Vec<Action>) {
        if is_proposal(&signed) {
            return;
        }
        self.catch_up(now, &signed, actions);
        let is_new = self.admit(&signed, actions);
        let is_first = signed.statement.height >= self.next && self.statements.get(&signed.slot()) == Some(&signed);
        if is_first {
            if self.taken.len() == MAX_STATEMENTS {
                self.taken.clear();
            }
            self.taken.insert(name);
        }
        if is_new || is_first {
            actions.push(Action::Relay(bytes));
        }
        if is_new {
            if signed.statement.height == self.next {
                self.rounds.take(signed, &self.office.validators);
            }
            self.deliver(now, signed.statement.height, Message::Vote(signed));
        }
    }

    /// Takes what a certificate consists of, vote by vote, and then the whole. The votes are passed on: nobody says those of past rounds again.
    /// Of certificates only those for a block are. Everybody makes his own of a round that ends, and of a vote that contradicts another one
    /// the first counts; but for a block the second may have counted elsewhere, and whoever does not know of it would never follow.
    fn certificate(&mut self, now: Millis, certificate: Message, bytes: Vec<u8>, actions: &mut Vec<Action>) {
        let (Message::Polka(Votes(votes)) | Message::Round { votes: Votes(votes), .. }) = &certificate else { return };
        for vote in votes {
            let bytes = vote_message(*vote);
            let name = sha256(&bytes);
            if self.taken.contains(&name) {
                actions.push(Action::Relay(bytes));
                continue;
            }
            self.vote(now, *vote, name, bytes, actions);
            if actions.iter().any(|action| matches!(action, Action::Blame { .. })) {
                return;
            }
        }
        if let Message::Polka(votes) = &certificate {
            match self.pass_on_polka(votes, bytes) {
                Ok(bytes) => actions.extend(bytes.map(Action::Relay)),
                Err(FalseClaim { .. }) => return actions.push(Action::Blame { rule: FALSE_SIGNATURE }),
            }
        }
        self.deliver(now, self.next, certificate);
    }

    /// What to pass on for a quorum's prevotes: the message that came first of this round, since others say no more. `None` where it is no
    /// certificate, or of another height.
    fn pass_on_polka(&mut self, votes: &Votes, bytes: Vec<u8>) -> Result<Option<Vec<u8>>, FalseClaim> {
        let Some(polka) = votes.polka().filter(|polka| polka.height.0 == self.next) else { return Ok(None) };
        let round = number(polka.round);
        if let Some(first) = self.polkas.get(&round) {
            return Ok(Some(first.clone()));
        }
        if votes.check(&self.office.validators, is_quorum).is_err() {
            return Ok(None);
        }
        // What is remembered was verified. Others are its own, and those of validators that contradict themselves.
        let is_known = |vote: &&Signed| self.statements.get(&vote.slot()) == Some(vote);
        let unknown = votes.0.iter().filter(|vote| !is_known(vote));
        let claims: Vec<SignatureClaim> = unknown.map(|vote| vote.claim(self.chain)).collect();
        self.verifier.verify(&claims)?;
        if self.polkas.len() == MAX_POLKAS {
            self.polkas.pop_first();
        }
        self.polkas.insert(round, bytes.clone());
        Ok(Some(bytes))
    }

    /// Whether a statement is a validator's, timely, genuine and new. One that contradicts another is taken once, with an accusation; of
    /// heights that are decided, nothing else is of interest.
    fn admit(&mut self, signed: &Signed, actions: &mut Vec<Action>) -> bool {
        let Signed { statement, validator, .. } = *signed;
        if self.validator.as_ref().is_some_and(|seat| seat.machine.me() == validator) {
            self.hear_own(signed, actions);
            return false;
        }
        let is_past = statement.height < self.next;
        let may_be_new = || self.is_timely(statement.height, statement.round) && self.may_say(signed);
        if !(is_past || may_be_new()) {
            return false;
        }
        let Some(before) = self.statements.get(&signed.slot()).copied() else {
            return !is_past && self.remember(signed, actions);
        };
        if before.statement == statement || self.accused.contains(&validator) || !self.is_genuine(signed, actions) {
            return false;
        }
        self.accused.insert(validator);
        let evidence = codec::encode(&Evidence(before, *signed));
        actions.push(Action::Accuse(Accusation { offender: validator, rule: "bft-equivocation", evidence }));
        !is_past
    }

    /// Its own key comes back with what this validator did not say: another process has the key, too, or its store was set back. What it says
    /// from now on might contradict that.
    fn hear_own(&mut self, signed: &Signed, actions: &mut Vec<Action>) {
        let next = self.next;
        let is_news =
            |seat: &Seat| signed.statement.height >= next && seat.remembers(next) && !seat.has_said(&signed.statement);
        if self.validator.as_ref().is_some_and(is_news)
            && self.is_genuine(signed, actions)
            && let Some(seat) = &mut self.validator
        {
            seat.be_doubled(next);
        }
    }

    /// Keeps a statement in mind if it is genuine, in the place of the oldest one where there are too many. What is older than all of
    /// them may have been among them.
    fn remember(&mut self, signed: &Signed, actions: &mut Vec<Action>) -> bool {
        let is_full = self.statements.len() == MAX_STATEMENTS;
        let is_older = is_full && self.statements.keys().next() > Some(&signed.slot());
        if is_older || !self.is_genuine(signed, actions) {
            return false;
        }
        if is_full {
            self.statements.pop_first();
        }
        self.statements.insert(signed.slot(), *signed);
        true
    }

    /// Whether the validator has signed this. Everybody finds out before passing it on.
    fn is_genuine(&self, signed: &Signed, actions: &mut Vec<Action>) -> bool {
        let is_genuine = signed.is_genuine(self.chain, &*self.verifier);
        if !is_genuine {
            actions.push(Action::Blame { rule: FALSE_SIGNATURE });
        }
        is_genuine
    }

    /// Whether a statement may be of use yet. One that is too far ahead is not kept in mind: when it is said again it may be.
    fn is_timely(&self, height: Height, round: u32) -> bool {
        let is_near = height >= self.next && height <= self.next.saturating_add(MAX_FUTURE_HEIGHTS);
        is_near
            && (round < MAX_FUTURE_ROUNDS || height == self.next && self.last_round().is_some_and(|last| round <= last))
    }

    /// The last round of the next height of which anything is taken. `None` where this validator has not begun the height.
    fn last_round(&self) -> Option<u32> {
        let reached = self.rounds.reached();
        let takes_part =
            |seat: &&Seat| contains(&self.office.validators, &seat.machine.me()) && seat.may_speak(self.next);
        let own = match self.validator.as_ref().filter(takes_part) {
            Some(seat) => seat.machine.round_of(self.next)?,
            None => reached,
        };
        Some(own.max(reached).saturating_add(MAX_ROUNDS_AHEAD))
    }

    /// Where votes that are too far ahead show that honest validators are there, this node goes on to their round: whoever was away, or
    /// apart from the others, may never be sent the certificate that leads there.
    fn catch_up(&mut self, now: Millis, signed: &Signed, actions: &mut Vec<Action>) {
        let Statement { height, round, .. } = signed.statement;
        let is_ahead = height == self.next && self.last_round().is_some_and(|last| round > last);
        let is_news = || self.rounds.is_latest(signed) && self.may_say(signed);
        if !is_ahead || !is_news() || !self.is_genuine(signed, actions) {
            return;
        }
        if let Some(votes) = self.rounds.take(*signed, &self.office.validators) {
            self.deliver(now, height, Message::Round { skips: true, votes });
        }
    }

    fn may_say(&self, signed: &Signed) -> bool {
        let Statement { height, round, .. } = signed.statement;
        if is_proposal(signed) {
            return self.proposer(height, round) == Some(signed.validator);
        }
        self.office_at(height).is_some_and(|validators| contains(validators, &signed.validator))
    }

    fn deliver(&mut self, now: Millis, height: Height, message: Message) {
        if let Some(seat) = &mut self.validator {
            seat.hear(now, height, message);
        }
    }
}

impl Engine for Bft {
    fn name(&self) -> &'static str {
        "bft"
    }

    fn finality(&self) -> Finality {
        Finality::Certificate
    }

    fn check_seal(&self, header: &Header, branch: &dyn Ancestry) -> Result<(), SealError> {
        self.certify(header, branch).map_err(|error| {
            let rule = match error {
                CertificateError::Unreachable => "bft-validators-unreachable",
                CertificateError::Successors(_) => "bft-successors",
                CertificateError::Length { .. } => "bft-certificate-length",
                CertificateError::Signer { .. } => "bft-certificate-signer",
                CertificateError::Quorum { .. } => "bft-certificate-quorum",
                CertificateError::Signature { .. } => "bft-certificate-signature",
            };
            SealError { rule, source: Box::new(error) }
        })
    }

    fn weight(&self, _: &Header) -> Weight {
        Weight::from(1)
    }

    fn founding(&self) -> Option<Founding> {
        Some(self.parameters.founding())
    }

    fn succession(
        &self,
        header: &Header,
        branch: &dyn Ancestry,
        state: &dyn StateView,
    ) -> Result<Option<Vec<Validator>>, ExecuteError> {
        if !self.parameters.epochs.is_last(branch.height().next()) {
            return Ok(None);
        }
        let (named, _) = Successors::split(&header.seal).map_err(SuccessionError::Seal)?;
        let in_office = self.validators_on(branch).ok_or(SuccessionError::Unreachable)?;
        let elected = Successors::elect(&*self.stakes, state, &in_office)?;
        if named != elected {
            return Err(SuccessionError::Others { named: named.hash(), elected: elected.hash() }.into());
        }
        Ok(Some(elected.into_validators()))
    }

    fn step(&mut self, now: Millis, input: Input<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Tip { branch, state } => {
                self.move_to(branch, state);
                self.tip(now);
            }
            Input::Message { bytes, branch, state } => {
                self.move_to(branch, state);
                actions = self.message(now, bytes);
            }
            Input::Journal(entry) => {
                if let Some(seat) = &mut self.validator {
                    seat.read(codec::decode(&entry));
                }
            }
            input => {
                let next = self.next;
                if let Some(seat) = &mut self.validator {
                    match input {
                        Input::Proposal { mut block, .. } => {
                            block.header.version = CERTIFIED_BLOCK_VERSION;
                            block.header.seal.clear();
                            seat.machine.propose(now, block);
                        }
                        Input::Judged { id, is_valid } => seat.machine.judged(now, id, is_valid),
                        Input::Tick => seat.tick(now, next, &self.office),
                        _ => {}
                    }
                }
            }
        }
        if let Some(seat) = &mut self.validator {
            actions.extend(seat.take_actions());
        }
        actions
    }
}

/// Why an epoch's last block does not lead to the next epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SuccessionError {
    /// The seal names nobody.
    #[error("the seal names no successors")]
    Seal(#[source] SuccessorsError),
    /// The branch does not say who decides at this height.
    #[error("the branch does not reach back to the header that names the validators")]
    Unreachable,
    /// A quorum has certified others than the state has.
    #[error("the seal names successors {named}, the state has {elected}")]
    Others {
        /// Hash of those in the seal.
        named: Hash,
        /// Hash of those that the state has.
        elected: Hash,
    },
}

impl From<SuccessionError> for ExecuteError {
    fn from(error: SuccessionError) -> Self {
        let rule = match error {
            SuccessionError::Seal(_) => "bft-successors",
            SuccessionError::Unreachable => "bft-validators-unreachable",
            SuccessionError::Others { .. } => "bft-successors-others",
        };
        Rejection { rule, source: Box::new(error) }.into()
    }
}

const fn is_proposal(signed: &Signed) -> bool {
    matches!(signed.statement.claim, Claim::Proposal { .. })
}

/// Whether this is the block that the proposal names, whole: what a relay changes is held against the relay, and not against the proposer.
fn is_block_of(signed: &Signed, block: &Block) -> bool {
    matches!(signed.statement.claim, Claim::Proposal { choice, .. } if choice.block == block.id())
        && block.header.is_certified()
        && block.header.seal.is_empty()
        && block.header.root == block.body.root(&ScalarHasher)
}
