//! The engine: what reaches the validator, what is passed on, and what the chain asks about seals.

use std::collections::{BTreeMap, BTreeSet};

use health_chain_consensus::{
    Weight,
    ports::{Accusation, Action, Ancestry, Engine, Finality, Input, SealError},
    verify::CERTIFIED_BLOCK_VERSION,
};
use health_chain_data::{
    Block, ChainId, Genesis, Header, Height, Millis, PublicKey,
    codec::{self, CodecError},
    genesis::GenesisError,
    ports::{ScalarHasher, Signer},
};
use thiserror::Error;

use crate::{
    certificate::{Certificate, CertificateError},
    context::proposer,
    evidence::Evidence,
    host::Machine,
    journal::{Entry, Record},
    limits::{MAX_FUTURE_HEIGHTS, MAX_FUTURE_MESSAGES, MAX_FUTURE_ROUNDS, MAX_STATEMENTS},
    message::{Message, Votes},
    parameters::{BftParameters, ParametersError},
    statement::{Claim, Signed, Slot},
};

/// The engine of a consortium: its validators agree on every block before it exists (Tendermint), so a block is final at once. A
/// header's seal is the [`Certificate`] of the agreement; the genesis block's is empty.
pub struct Bft {
    chain: ChainId,
    parameters: BftParameters,
    /// The height to be decided next.
    next: Height,
    /// What was said at heights from `next` on.
    statements: BTreeMap<Slot, Signed>,
    accused: BTreeSet<PublicKey>,
    validator: Option<Seat>,
}

/// A validator's part.
struct Seat {
    machine: Machine,
    /// Messages of heights that this validator has not begun yet, in the order in which they came.
    held: Vec<Message>,
    /// When to begin the next height.
    begin_at: Option<Millis>,
    journal: Vec<Entry>,
    /// The journal can't be read: this validator does not know what it said at the height it is at.
    is_journal_damaged: bool,
    has_begun: bool,
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
    /// The signer's key is not a validator's.
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
        let parameters: BftParameters = genesis.section()?;
        parameters.check()?;
        Ok(Self {
            chain: genesis.chain_id(),
            parameters,
            next: Height::ZERO,
            statements: BTreeMap::new(),
            accused: BTreeSet::new(),
            validator: None,
        })
    }

    /// The engine of the validator with this signer's key. One process only may run it at a time, over a store that is never set
    /// back: what it has signed stands in the journal there.
    ///
    /// # Errors
    /// Where the genesis document's section is missing or of no use, or names other validators.
    pub fn validator(genesis: &Genesis, signer: Box<dyn Signer>) -> Result<Self, BftError> {
        let mut engine = Self::follower(genesis)?;
        let key = signer.public_key();
        if !engine.parameters.validators.iter().any(|validator| validator.key == key) {
            return Err(BftError::NoValidator { key });
        }
        engine.validator = Some(Seat {
            machine: Machine::new(engine.chain, &engine.parameters, signer),
            held: Vec::new(),
            begin_at: None,
            journal: Vec::new(),
            is_journal_damaged: false,
            has_begun: false,
        });
        Ok(engine)
    }

    /// Who proposes in a round of a height: each validator in turn.
    pub fn proposer(&self, height: Height, round: u32) -> PublicKey {
        let validators = &self.parameters.validators;
        validators[proposer(height, round, validators.len())].key
    }

    fn certify(&self, header: &Header, height: Height) -> Result<(), CertificateError> {
        let validators = &self.parameters.validators;
        Certificate::from_bytes(&header.seal, validators.len())?.verify(self.chain, height, header.id(), validators)
    }

    /// The chain is at the height below `next`.
    fn move_to(&mut self, next: Height) {
        if self.next != next {
            self.next = next;
            self.statements.retain(|(height, ..), _| *height >= next);
            self.accused.clear();
        }
    }

    fn tip(&mut self, now: Millis, next: Height) {
        self.move_to(next);
        if let Some(seat) = &mut self.validator {
            seat.tip(now, next, self.parameters.interval_millis.into());
        }
    }

    fn message(&mut self, now: Millis, bytes: Vec<u8>) -> Vec<Action> {
        let mut actions = Vec::new();
        match codec::decode::<Message>(&bytes) {
            Ok(Message::Vote(signed)) if !is_proposal(&signed) => {
                if self.admit(&signed, &mut actions) {
                    actions.push(Action::Relay(bytes));
                    self.deliver(now, signed.statement.height, Message::Vote(signed));
                } else if self.statements.get(&signed.slot()) == Some(&signed) {
                    // Said again: somebody may have missed it.
                    actions.push(Action::Relay(bytes));
                }
            }
            Ok(Message::Proposal(signed, block)) => {
                if is_block_of(&signed, &block) && self.admit(&signed, &mut actions) {
                    actions.push(Action::Relay(bytes));
                    self.deliver(now, signed.statement.height, Message::Proposal(signed, block));
                }
            }
            // Whoever needs one of these is sent one by everybody who has it.
            Ok(certificate @ (Message::Polka(_) | Message::Round { .. })) => self.deliver(now, self.next, certificate),
            Ok(Message::Vote(_)) | Err(_) => {}
        }
        actions
    }

    /// Whether a statement is a validator's, timely, genuine and new. One that contradicts another is taken once, with an accusation.
    fn admit(&mut self, signed: &Signed, actions: &mut Vec<Action>) -> bool {
        let Signed { statement, validator, .. } = *signed;
        let is_own = self.validator.as_ref().is_some_and(|seat| seat.machine.me() == validator);
        if is_own || !self.is_timely(statement.height, statement.round) || !self.may_say(signed) {
            return false;
        }
        let Some(before) = self.statements.get(&signed.slot()).copied() else {
            let is_genuine = signed.is_genuine(self.chain);
            if is_genuine && self.statements.len() < MAX_STATEMENTS {
                self.statements.insert(signed.slot(), *signed);
            }
            return is_genuine;
        };
        if before.statement == statement || self.accused.contains(&validator) || !signed.is_genuine(self.chain) {
            return false;
        }
        self.accused.insert(validator);
        let evidence = codec::encode(&Evidence(before, *signed));
        actions.push(Action::Accuse(Accusation { offender: validator, rule: "bft-equivocation", evidence }));
        true
    }

    fn is_timely(&self, height: Height, round: u32) -> bool {
        let has_begun = self.validator.as_ref().is_none_or(|seat| seat.machine.is_at(height));
        let is_near = height >= self.next && height <= self.next.saturating_add(MAX_FUTURE_HEIGHTS);
        is_near && (round < MAX_FUTURE_ROUNDS || height == self.next && has_begun)
    }

    fn may_say(&self, signed: &Signed) -> bool {
        if is_proposal(signed) {
            return self.proposer(signed.statement.height, signed.statement.round) == signed.validator;
        }
        self.parameters.validators.iter().any(|validator| validator.key == signed.validator)
    }

    fn deliver(&mut self, now: Millis, height: Height, message: Message) {
        if let Some(seat) = &mut self.validator {
            seat.hear(now, height, message);
        }
    }
}

impl Seat {
    fn tip(&mut self, now: Millis, next: Height, interval: u64) {
        self.machine.leave(next);
        self.held.retain(|message| height_of(message) >= next);
        if self.machine.is_at(next) {
            self.machine.repeat_wish();
        } else if !self.has_begun {
            self.begin_at = Some(now);
        } else {
            self.begin_at = Some(now.saturating_add(interval));
        }
    }

    fn hear(&mut self, now: Millis, height: Height, message: Message) {
        if !self.machine.is_at(height) {
            if self.held.len() < MAX_FUTURE_MESSAGES && !matches!(message, Message::Polka(_) | Message::Round { .. }) {
                self.held.push(message);
            }
            return;
        }
        match message {
            Message::Vote(signed) => self.machine.hear(now, signed),
            Message::Proposal(signed, block) => self.machine.hear_proposal(now, signed, block),
            Message::Polka(votes) => self.machine.hear_polka(now, &votes),
            Message::Round { skips, votes } => self.machine.hear_round(now, &votes, skips),
        }
    }

    fn tick(&mut self, now: Millis, next: Height) {
        if self.begin_at.take_if(|at| *at <= now).is_some() {
            self.begin(now, next);
        }
        self.machine.tick(now);
    }

    fn begin(&mut self, now: Millis, next: Height) {
        self.has_begun = true;
        let journal = std::mem::take(&mut self.journal);
        if std::mem::take(&mut self.is_journal_damaged) {
            // The next height is a clean one.
            return;
        }
        let records: Vec<Record> =
            journal.into_iter().filter(|entry| entry.height == next).map(|entry| entry.record).collect();
        self.machine.begin(now, next, records);
        let (ready, held) = std::mem::take(&mut self.held).into_iter().partition(|message| height_of(message) == next);
        self.held = held;
        let ready: Vec<Message> = ready;
        for message in ready {
            self.hear(now, next, message);
        }
    }

    fn read(&mut self, entry: Result<Entry, CodecError>) {
        match entry {
            Ok(entry) => self.journal.push(entry),
            Err(_) => self.is_journal_damaged = true,
        }
    }

    /// What is to be done, and when to wake.
    fn take_actions(&mut self) -> Vec<Action> {
        let mut actions = self.machine.take_actions();
        let wake_at = self.begin_at.into_iter().chain(self.machine.wake_at()).min();
        actions.extend(wake_at.map(Action::WakeAt));
        actions
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
        self.certify(header, branch.height().next()).map_err(|error| {
            let rule = match error {
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

    fn step(&mut self, now: Millis, input: Input<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Tip { branch } => self.tip(now, branch.height().next()),
            Input::Message { bytes, branch } => {
                self.move_to(branch.height().next());
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
                        Input::Tick => seat.tick(now, next),
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

const fn is_proposal(signed: &Signed) -> bool {
    matches!(signed.statement.claim, Claim::Proposal { .. })
}

/// Whether this is the block that the proposal names, whole: what a relay changes is not held against the proposer.
fn is_block_of(signed: &Signed, block: &Block) -> bool {
    matches!(signed.statement.claim, Claim::Proposal { block: id, .. } if id == block.id())
        && block.header.is_certified()
        && block.header.seal.is_empty()
        && block.header.root == block.body.root(&ScalarHasher)
}

fn height_of(message: &Message) -> Height {
    match message {
        Message::Vote(signed) | Message::Proposal(signed, _) => signed.statement.height,
        Message::Polka(Votes(votes)) | Message::Round { votes: Votes(votes), .. } => {
            votes.first().map_or(Height::ZERO, |vote| vote.statement.height)
        }
    }
}
