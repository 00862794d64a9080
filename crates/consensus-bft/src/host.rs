//! One height of one validator: malachite's state machine, and what it asks of its host.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
};

use arc_malachitebft_core_consensus as malachite;
use arc_malachitebft_core_types::{
    CertificateError, CommitCertificate, LinearTimeouts, PolkaCertificate, Round, RoundCertificate,
    RoundCertificateType, SignedMessage, Timeout, Validity, ValueOrigin, ValuePayload, VoteExtensionPolicy,
};
use health_chain_consensus::{Validator, ports::Action};
use health_chain_data::{
    Block, BlockId, ChainId, Height, Millis, PublicKey, Signature, codec,
    ports::{SignatureClaim, Signer, Verifier},
};
use malachite::{
    ConsensusMsg, Effect, Error, Input, LivenessMsg, LocallyProposedValue, Params, ProposedValue, Resumable, Resume,
    SignedConsensusMsg, State, ThresholdParams,
};

use crate::{
    certificate::{Certificate, is_quorum, total_power},
    context::{Address, At, Health, Heard, Members, Value, from_proposal, from_vote, number, round},
    journal::{Entry, Record},
    limits::{MAX_BLOCKS, MAX_ROUNDS_AHEAD},
    message::{Checked, Message, Votes},
    parameters::BftParameters,
    statement::{Choice, Claim, Signed, Statement},
    successors::Successors,
};

const _: () = assert!(MAX_ROUNDS_AHEAD == malachite::MAX_FUTURE_ROUND_LOOKAHEAD);

/// The rule that a message breaks with a signature that is none.
pub(crate) const FALSE_SIGNATURE: &str = "bft-signature";
/// Why a validator says nothing more at a height: what it remembers does not lead to what it said, its signer fails, or it was about to say
/// another thing than before.
const DIVERGENCE: &str = "bft-journal-divergence";
const SIGNER_FAILED: &str = "bft-signer";
const CONTRADICTION: &str = "bft-contradiction";
/// Inputs that malachite itself may hold back; what belongs to heights not begun is held back by the engine.
const QUEUE_INPUTS: usize = 16;

/// A validator at work on one height after the other.
pub(crate) struct Machine {
    /// malachite's state of the height under way; a new one for every height.
    state: Option<State<Health>>,
    host: Host,
}

/// What malachite asks for, answered.
struct Host {
    chain: ChainId,
    signer: Box<dyn Signer>,
    verifier: Arc<dyn Verifier>,
    me: PublicKey,
    /// Who decides on the height under way.
    validators: Vec<Validator>,
    /// Who decides after it, where it is its epoch's last.
    successors: Option<Successors>,
    timeouts: LinearTimeouts,
    now: Millis,
    actions: Vec<Action>,
    height: Height,
    /// Why the height is under way without this validator since then.
    silence: Option<&'static str>,
    is_decided: bool,
    timers: Vec<(Timeout, Millis)>,
    blocks: BTreeMap<BlockId, Known>,
    /// The round for which a block was asked for.
    wanted: Option<u32>,
    /// What this validator has signed, by round and kind.
    signed: BTreeMap<(u32, u8), Statement>,
    /// The statement verified last: malachite asks about it once more.
    verified: Option<Signed>,
    /// What stands in the journal already while it is read again.
    replayed: BTreeSet<Vec<u8>>,
}

/// Who decides on a height, and who after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Office {
    pub(crate) validators: Vec<Validator>,
    /// Where the height is its epoch's last.
    pub(crate) successors: Option<Successors>,
}

/// A block proposed.
struct Known {
    block: Block,
    /// The last round it was proposed in.
    round: u32,
    is_valid: Option<bool>,
    is_persisted: bool,
    /// Proposals of it that wait for the verdict.
    proposals: Vec<Signed>,
}

impl Machine {
    pub(crate) fn new(
        chain: ChainId,
        parameters: &BftParameters,
        signer: Box<dyn Signer>,
        verifier: Arc<dyn Verifier>,
    ) -> Self {
        let host = Host {
            chain,
            me: signer.public_key(),
            signer,
            verifier,
            validators: Vec::new(),
            successors: None,
            timeouts: parameters.timeouts(),
            now: Millis::ZERO,
            actions: Vec::new(),
            height: Height::ZERO,
            silence: None,
            is_decided: false,
            timers: Vec::new(),
            blocks: BTreeMap::new(),
            wanted: None,
            signed: BTreeMap::new(),
            verified: None,
            replayed: BTreeSet::new(),
        };
        Self { state: None, host }
    }

    pub(crate) fn verify_by(&mut self, verifier: Arc<dyn Verifier>) {
        self.host.verifier = verifier;
    }

    pub(crate) const fn me(&self) -> PublicKey {
        self.host.me
    }

    /// Whether this validator has said this at the height that was begun last.
    pub(crate) fn has_said(&self, statement: &Statement) -> bool {
        self.host.height == statement.height
            && self.host.signed.get(&(statement.round, statement.claim.kind())) == Some(statement)
    }

    /// Whether `height` is under way.
    pub(crate) fn is_at(&self, height: Height) -> bool {
        self.state.is_some() && self.host.height == height
    }

    /// The round of `height` that is under way, if that height is.
    pub(crate) fn round_of(&self, height: Height) -> Option<u32> {
        self.state.as_ref().filter(|_| self.is_at(height)).map(|state| number(state.round()))
    }

    /// Leaves the height under way.
    pub(crate) fn leave(&mut self) {
        self.state = None;
        self.host.timers.clear();
    }

    /// Lets whoever runs this validator know that it takes no part in a height.
    pub(crate) fn stay_silent(&mut self, height: Height, reason: &'static str) {
        self.host.actions.push(Action::Silent { height, reason });
    }

    /// Begins a height, or takes it up again with what the journal says of it.
    pub(crate) fn begin(&mut self, now: Millis, height: Height, office: &Office, records: Vec<Record>) {
        let members = Members::new(&office.validators);
        let params = Params {
            address: Address(self.host.me),
            threshold_params: ThresholdParams::default(),
            // With proposals alone malachite would take every block for valid.
            value_payload: ValuePayload::ProposalAndParts,
            enabled: true,
        };
        self.state = Some(State::new(Health, At(height), members.clone(), params, QUEUE_INPUTS, QUEUE_INPUTS));
        self.host.reset(now, height, office);
        if records.is_empty() {
            self.host.actions.push(Action::Forget);
        } else {
            self.host.remember(&records);
        }
        let inputs: Vec<Input<Health>> = records.iter().filter_map(|record| record.input(height)).collect();
        if let Some(state) = &mut self.state {
            state.index_wal_entries(&inputs);
        }
        let is_restart = !records.is_empty();
        self.feed(Input::StartHeight(At(height), members, is_restart, None, VoteExtensionPolicy::Disabled));
        for input in inputs {
            self.feed(input);
        }
        if let Some(state) = &mut self.state {
            state.reset_entries_index();
        }
        self.host.replayed.clear();
        self.host.forget_wish_fulfilled();
        self.forget_blocks();
    }

    /// A vote, or a proposal without its block, whose signature was verified.
    pub(crate) fn hear(&mut self, now: Millis, signed: Signed) {
        self.host.now = now;
        self.host.verified = Some(signed);
        self.feed(match Heard::from(&signed) {
            Heard::Vote(vote) => Input::Vote(vote),
            Heard::Proposal(proposal) => Input::Proposal(proposal),
        });
    }

    /// A proposal with its block, whose id and root were checked.
    pub(crate) fn hear_proposal(&mut self, now: Millis, signed: Signed, block: Block) {
        self.hear(now, signed);
        let id = block.id();
        let round = signed.statement.round;
        if let Some(known) = self.host.blocks.get_mut(&id) {
            known.round = known.round.max(round);
            match known.is_valid {
                Some(is_valid) => self.value(&signed, id, is_valid),
                None => {
                    known.proposals.push(signed);
                    self.host.actions.push(Action::Judge(block));
                }
            }
        } else {
            self.host.actions.push(Action::Judge(block.clone()));
            let known = Known { block, round, is_valid: None, is_persisted: false, proposals: vec![signed] };
            self.host.blocks.insert(id, known);
            self.forget_blocks();
        }
    }

    pub(crate) fn judged(&mut self, now: Millis, id: BlockId, is_valid: bool) {
        self.host.now = now;
        let Some(known) = self.host.blocks.get_mut(&id) else { return };
        known.is_valid = Some(is_valid);
        for signed in std::mem::take(&mut known.proposals) {
            self.value(&signed, id, is_valid);
        }
    }

    pub(crate) fn hear_polka(&mut self, now: Millis, votes: &Votes) {
        self.host.now = now;
        if let Some(certificate) = votes.polka() {
            self.feed(Input::PolkaCertificate(certificate));
        }
    }

    pub(crate) fn hear_round(&mut self, now: Millis, votes: &Votes, skips: bool) {
        self.host.now = now;
        if let Some(certificate) = votes.round(skips) {
            self.feed(Input::RoundCertificate(certificate));
        }
    }

    /// The block that was asked for. Its seal is empty and comes with the decision.
    pub(crate) fn propose(&mut self, now: Millis, block: Block) {
        self.host.now = now;
        let Some(round) = self.host.wanted.take() else { return };
        let id = block.id();
        let (height, value) = (At(self.host.height), Value(self.host.choice(id)));
        let known = Known { block, round, is_valid: Some(true), is_persisted: false, proposals: Vec::new() };
        self.host.blocks.entry(id).or_insert(known).round = round;
        self.forget_blocks();
        self.feed(Input::Propose(LocallyProposedValue::new(height, Round::new(round), value)));
    }

    /// Asks for the block to propose again: whoever was asked may have lost it.
    pub(crate) fn repeat_wish(&mut self) {
        if self.host.wanted.is_some() {
            self.host.actions.push(Action::Propose);
        }
    }

    pub(crate) fn tick(&mut self, now: Millis) {
        self.host.now = now;
        while let Some(timeout) = self.host.take_due() {
            self.feed(Input::TimeoutElapsed(timeout));
        }
    }

    /// When to tick next.
    pub(crate) fn wake_at(&self) -> Option<Millis> {
        self.host.timers.iter().map(|(_, at)| *at).min()
    }

    /// What is to be done, in order.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.host.actions)
    }

    /// Forgets the blocks that were last proposed longest ago, where there are too many; never the one that is to be proposed again.
    fn forget_blocks(&mut self) {
        let valid = self.state.as_ref().and_then(|state| state.driver.valid_value()).map(|valid| valid.value.0.block);
        while self.host.blocks.len() > MAX_BLOCKS {
            let others = self.host.blocks.iter().filter(|(id, _)| Some(**id) != valid);
            let Some((oldest, _)) = others.min_by_key(|(_, known)| known.round) else { return };
            let oldest = *oldest;
            self.host.blocks.remove(&oldest);
        }
    }

    fn value(&mut self, signed: &Signed, id: BlockId, is_valid: bool) {
        let Claim::Proposal { choice, valid_round } = signed.statement.claim else { return };
        let has_successors = choice == self.host.choice(id);
        let value = ProposedValue {
            height: At(self.host.height),
            round: Round::new(signed.statement.round),
            valid_round: round(valid_round),
            proposer: Address(signed.validator),
            value: Value(choice),
            validity: Validity::from_bool(is_valid && has_successors),
        };
        self.feed(Input::ProposedValue(value, ValueOrigin::Consensus));
    }

    fn feed(&mut self, input: Input<Health>) {
        let Some(state) = &mut self.state else { return };
        if self.host.silence.is_some() || self.host.is_decided {
            return;
        }
        let host = &mut self.host;
        let before = host.actions.len();
        let outcome: Result<(), Error<Health>> = malachite::process!(
            input: input,
            state: state,
            metrics: &(),
            with: effect => Ok::<_, Infallible>(host.answer(effect))
        );
        if let Err(Error::ReplayDivergence(..)) = outcome {
            host.silence = Some(DIVERGENCE);
        }
        if let Some(reason) = host.silence {
            host.actions.truncate(before);
            host.timers.clear();
            let height = host.height;
            self.stay_silent(height, reason);
        }
    }
}

impl Host {
    fn reset(&mut self, now: Millis, height: Height, office: &Office) {
        self.now = now;
        self.height = height;
        self.validators.clone_from(&office.validators);
        self.successors.clone_from(&office.successors);
        self.silence = None;
        self.is_decided = false;
        self.wanted = None;
        self.timers.clear();
        self.blocks.clear();
        self.signed.clear();
        self.replayed.clear();
    }

    /// Takes back from the journal what this validator knew and signed.
    fn remember(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Said(Signed { statement, validator, .. }) if *validator == self.me => {
                    self.signed.insert((statement.round, statement.claim.kind()), *statement);
                }
                Record::Block(block) => {
                    let known = Known {
                        block: block.clone(),
                        round: 0,
                        is_valid: Some(true),
                        is_persisted: true,
                        proposals: Vec::new(),
                    };
                    self.blocks.insert(block.id(), known);
                }
                Record::Value { choice, round, .. } => {
                    if let Some(known) = self.blocks.get_mut(&choice.block) {
                        known.round = known.round.max(*round);
                    }
                }
                _ => {}
            }
            self.replayed.insert(codec::encode(record));
        }
    }

    /// A proposal found in the journal is not made anew.
    fn forget_wish_fulfilled(&mut self) {
        if self.wanted.is_some_and(|round| self.signed.contains_key(&(round, 0))) {
            self.wanted = None;
            self.actions.retain(|action| *action != Action::Propose);
        }
    }

    fn take_due(&mut self) -> Option<Timeout> {
        let due = |index: &usize| self.timers[*index].1;
        let first = (0..self.timers.len()).min_by_key(due)?;
        (self.timers[first].1 <= self.now).then(|| self.timers.remove(first).0)
    }

    fn answer(&mut self, effect: Effect<Health>) -> Resume<Health> {
        match effect {
            Effect::CancelAllTimeouts(resume) => {
                self.timers.clear();
                resume.resume_with(())
            }
            Effect::CancelTimeout(timeout, resume) => {
                self.timers.retain(|(running, _)| *running != timeout);
                resume.resume_with(())
            }
            Effect::ScheduleTimeout(timeout, resume) => {
                let millis = u64::try_from(self.timeouts.duration_for(timeout).as_millis()).unwrap_or(u64::MAX);
                self.timers.retain(|(running, _)| *running != timeout);
                self.timers.push((timeout, self.now.saturating_add(millis)));
                resume.resume_with(())
            }
            Effect::StartRound(.., resume) => resume.resume_with(()),
            Effect::PublishConsensusMsg(message, resume) => {
                match message {
                    SignedConsensusMsg::Vote(vote) => self.broadcast(&Message::Vote(from_vote(&vote))),
                    SignedConsensusMsg::Proposal(proposal) => self.broadcast_proposal(from_proposal(&proposal)),
                }
                resume.resume_with(())
            }
            Effect::PublishLivenessMsg(message, resume) => {
                self.broadcast(&match message {
                    LivenessMsg::Vote(vote) => Message::Vote(from_vote(&vote)),
                    LivenessMsg::PolkaCertificate(certificate) => Message::Polka(Votes::of_polka(&certificate)),
                    LivenessMsg::SkipRoundCertificate(certificate) => round_message(&certificate),
                });
                resume.resume_with(())
            }
            Effect::RepublishVote(vote, resume) => {
                self.broadcast(&Message::Vote(from_vote(&vote)));
                resume.resume_with(())
            }
            Effect::RepublishRoundCertificate(certificate, resume) => {
                self.broadcast(&round_message(&certificate));
                resume.resume_with(())
            }
            Effect::GetValue(_, round, _, resume) => {
                self.wanted = Some(number(round));
                self.actions.push(Action::Propose);
                resume.resume_with(())
            }
            // The block goes along with the proposal, which malachite publishes next.
            Effect::RestreamProposal(.., resume) => resume.resume_with(()),
            Effect::Decide(certificate, _, resume) => {
                self.decide(&certificate);
                resume.resume_with(())
            }
            Effect::Finalize(.., resume) => resume.resume_with(()),
            Effect::SignVote(vote, resume) => {
                let signature = self.sign(vote.statement());
                resume.resume_with(SignedMessage::new(vote, signature))
            }
            Effect::SignProposal(proposal, resume) => {
                let signature = self.sign(proposal.statement());
                resume.resume_with(SignedMessage::new(proposal, signature))
            }
            Effect::VerifySignature(message, validator, resume) => {
                let statement = match &message.message {
                    ConsensusMsg::Vote(vote) => vote.statement(),
                    ConsensusMsg::Proposal(proposal) => proposal.statement(),
                };
                resume.resume_with(self.is_genuine(&Signed { statement, validator, signature: message.signature }))
            }
            Effect::VerifyCommitCertificate(certificate, .., resume) => {
                let at = (certificate.height, certificate.round);
                let claim = Claim::Precommit(Some(certificate.value_id));
                let signers = certificate.commit_signatures.iter();
                let votes = Votes(signers.map(|one| self.signed_at(at, claim, one.address, one.signature)).collect());
                resume.resume_with(self.check(&votes, is_quorum).map_err(|error| *error))
            }
            // Decided blocks that come late come with the chain, not through malachite.
            Effect::VerifyExtendedCommitCertificate(.., resume) => {
                resume.resume_with(Err(CertificateError::VerificationError(None)))
            }
            Effect::CertVerifiedSyncValue(.., resume) => resume.resume_with(()),
            Effect::CertRejectedSyncValue(.., resume) => resume.resume_with(()),
            Effect::VerifyPolkaCertificate(certificate, .., resume) => {
                resume.resume_with(self.check_polka(&certificate).map_err(|error| *error))
            }
            Effect::VerifyRoundCertificate(certificate, .., resume) => {
                resume.resume_with(self.check_round(&certificate).map_err(|error| *error))
            }
            Effect::WalAppend(_, input, resume) => {
                if let Some(record) = Record::of(&input) {
                    self.persist_block_of(&record);
                    self.persist(record);
                }
                resume.resume_with(())
            }
            Effect::ExtendVote(.., resume) => resume.resume_with(None),
            Effect::VerifyVoteExtension(.., resume) => {
                resume.resume_with(Err(malachite::VoteExtensionError::InvalidVoteExtension))
            }
        }
    }

    fn broadcast(&mut self, message: &Message) {
        self.actions.push(Action::Broadcast(codec::encode(message)));
    }

    fn broadcast_proposal(&mut self, signed: Signed) {
        if let Claim::Proposal { choice, .. } = signed.statement.claim
            && let Some(known) = self.blocks.get(&choice.block)
        {
            self.broadcast(&Message::Proposal(signed, known.block.clone()));
        }
    }

    fn persist(&mut self, record: Record) {
        if !self.replayed.contains(&codec::encode(&record)) {
            self.actions.push(Action::Persist(codec::encode(&Entry { height: self.height, record })));
        }
    }

    /// A valid block is kept before the word that it is valid: whoever votes for it must be able to propose it again.
    fn persist_block_of(&mut self, record: &Record) {
        let Record::Value { choice, is_valid: true, .. } = record else { return };
        let Some(known) = self.blocks.get_mut(&choice.block).filter(|known| !known.is_persisted) else { return };
        known.is_persisted = true;
        let record = Record::Block(known.block.clone());
        self.persist(record);
    }

    /// Signs a statement, unless it contradicts one signed before: then this validator says nothing more at this height, and what
    /// it was about to do is void.
    fn sign(&mut self, statement: Statement) -> Signature {
        let before = self.signed.entry((statement.round, statement.claim.kind())).or_insert(statement);
        if *before != statement {
            self.silence = Some(CONTRADICTION);
            return Signature([0; 64]);
        }
        // Without randomness the signature is deterministic, which BIP340 allows; an engine has no source of it.
        let Ok(signature) = self.signer.sign(&statement.message(self.chain), &[0; 32]) else {
            self.silence = Some(SIGNER_FAILED);
            return Signature([0; 64]);
        };
        self.verified = Some(Signed { statement, validator: self.me, signature });
        signature
    }

    /// The block with the successors that the state has for it.
    fn choice(&self, block: BlockId) -> Choice {
        Choice { block, successors: self.successors.as_ref().map(Successors::hash) }
    }

    fn is_genuine(&mut self, signed: &Signed) -> bool {
        self.verified.as_ref() == Some(signed) || self.verify(&[signed.claim(self.chain)])
    }

    /// Whether all of this was signed. Whoever makes a certificate has found out.
    fn verify(&mut self, claims: &[SignatureClaim]) -> bool {
        let is_genuine = self.verifier.verify(claims).is_ok();
        if !is_genuine {
            self.actions.push(Action::Blame { rule: FALSE_SIGNATURE });
        }
        is_genuine
    }

    fn signed_at(&self, (height, round): (At, Round), claim: Claim, address: Address, signature: Signature) -> Signed {
        let statement = Statement { height: height.0, round: number(round), claim };
        Signed { statement, validator: address.0, signature }
    }

    fn check_polka(&mut self, certificate: &PolkaCertificate<Health>) -> Checked {
        self.check(&Votes::of_polka(certificate), is_quorum)
    }

    fn check_round(&mut self, certificate: &RoundCertificate<Health>) -> Checked {
        let votes = Votes::of_round(certificate);
        if certificate.cert_type == RoundCertificateType::Skip {
            return self.check(&votes, |signed, total| signed * 3 > total);
        }
        match votes.0.iter().find(|vote| !matches!(vote.statement.claim, Claim::Precommit(_))) {
            Some(prevote) => Err(Box::new(CertificateError::InvalidVoteType(Address(prevote.validator)))),
            None => self.check(&votes, is_quorum),
        }
    }

    /// Whether votes are of different validators who have enough power, and genuine.
    fn check(&mut self, votes: &Votes, enough: fn(u64, u64) -> bool) -> Checked {
        votes.check(&self.validators, enough)?;
        let claims: Vec<SignatureClaim> = votes.0.iter().map(|vote| vote.claim(self.chain)).collect();
        if self.verify(&claims) { Ok(()) } else { Err(Box::new(CertificateError::VerificationError(None))) }
    }

    fn decide(&mut self, decision: &CommitCertificate<Health>) {
        self.is_decided = true;
        self.timers.clear();
        // A block that was forgotten comes with the chain: whoever precommitted to it still has it.
        let Some(known) = self.blocks.get(&decision.value_id.block) else { return };
        let mut block = known.block.clone();
        let successors = self.successors.as_ref().map(Successors::to_bytes);
        let certificate = self.certificate(decision).to_bytes(self.validators.len());
        block.header.seal = [successors.unwrap_or_default(), certificate].concat();
        self.actions.push(Action::Decided(block));
    }

    /// The signatures of as few validators as make a quorum.
    fn certificate(&self, decision: &CommitCertificate<Health>) -> Certificate {
        let position = |address: &Address| self.validators.iter().position(|validator| validator.key == address.0);
        let mut signatures: Vec<(usize, Signature)> = decision
            .commit_signatures
            .iter()
            .filter_map(|one| position(&one.address).map(|index| (index, one.signature)))
            .collect();
        let power = |index: usize| u64::from(self.validators[index].power);
        signatures.sort_by_key(|(index, _)| (std::cmp::Reverse(power(*index)), *index));
        let total = total_power(&self.validators);
        let mut signed = 0;
        let needed = signatures.iter().take_while(|(index, _)| {
            let is_needed = !is_quorum(signed, total);
            signed += power(*index);
            is_needed
        });
        let needed = needed.count();
        signatures.truncate(needed);
        signatures.sort_by_key(|(index, _)| *index);
        Certificate { round: number(decision.round), signatures }
    }
}

fn round_message(certificate: &RoundCertificate<Health>) -> Message {
    let skips = certificate.cert_type == RoundCertificateType::Skip;
    Message::Round { skips, votes: Votes::of_round(certificate) }
}
