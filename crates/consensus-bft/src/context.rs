//! This chain's types in the words of malachite.

use std::fmt;

use arc_malachitebft_core_types as malachite;
use health_chain_consensus::Validator;
use health_chain_data::{Height, PublicKey, Signature, tagged_hash};
use malachite::{LinearTimeouts, NilOrVal, Round, SignedMessage, VoteType};

use crate::{
    certificate::total_power,
    statement::{Choice, Claim, Signed, Statement},
};

/// Health chain, as malachite's `Context`.
#[derive(Clone, Debug)]
pub(crate) struct Health;

/// A validator is addressed by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address(pub(crate) PublicKey);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct At(pub(crate) Height);

/// What is agreed on. The block itself travels beside the proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Value(pub(crate) Choice);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    address: Address,
    power: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Members {
    list: Vec<Member>,
    validators: Vec<Validator>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    height: At,
    round: Round,
    value: Value,
    pol_round: Round,
    address: Address,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    kind: VoteType,
    height: At,
    round: Round,
    value: NilOrVal<Choice>,
    address: Address,
}

/// Proposals travel whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoPart {}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bip340;

/// Keys and signatures are decoded by the codec, never here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotDecodedHere;

/// The malachite types of this context.
pub(crate) type SignedVote = malachite::SignedVote<Health>;
pub(crate) type SignedProposal = malachite::SignedProposal<Health>;

impl Members {
    pub(crate) fn new(validators: &[Validator]) -> Self {
        let list = validators.iter().map(|one| Member { address: Address(one.key), power: one.power }).collect();
        Self { list, validators: validators.to_vec() }
    }
}

/// Whose turn it is to propose, by position. Where all count the same, everybody's in order, a step further with each height and each
/// round. Else a draw by power, another one in each round: proposing pays, so what one has at stake must not propose more often in
/// many small parts than as a whole.
pub(crate) fn proposer(height: Height, round: u32, validators: &[Validator]) -> usize {
    let turn = u64::from(height.0) + u64::from(round);
    if validators.iter().all(|validator| validator.power == validators[0].power) {
        return usize::try_from(turn % validators.len() as u64).expect("less than the number of validators");
    }
    let drawn = tagged_hash("HC/bft-turn/v1", &[&height.0.to_le_bytes(), &round.to_le_bytes()]);
    let (ticket, _) = drawn.0.split_first_chunk().expect("a hash has more than eight bytes");
    let mut left = u64::from_le_bytes(*ticket) % total_power(validators);
    let is_drawn = |validator: &Validator| {
        let power = u64::from(validator.power);
        left.checked_sub(power).map(|rest| left = rest).is_none()
    };
    validators.iter().position(is_drawn).expect("a ticket is below the power of all together")
}

/// The number of a round that has begun.
pub(crate) fn number(round: Round) -> u32 {
    round.as_u32().expect("nothing is said before the first round")
}

pub(crate) fn round(number: Option<u32>) -> Round {
    Round::from(number)
}

impl Vote {
    pub(crate) fn statement(&self) -> Statement {
        let choice = match self.value {
            NilOrVal::Nil => None,
            NilOrVal::Val(choice) => Some(choice),
        };
        let claim = match self.kind {
            VoteType::Prevote => Claim::Prevote(choice),
            VoteType::Precommit => Claim::Precommit(choice),
        };
        Statement { height: self.height.0, round: number(self.round), claim }
    }
}

impl Proposal {
    pub(crate) fn statement(&self) -> Statement {
        let claim = Claim::Proposal { choice: self.value.0, valid_round: self.pol_round.as_u32() };
        Statement { height: self.height.0, round: number(self.round), claim }
    }
}

pub(crate) fn from_vote(vote: &SignedVote) -> Signed {
    Signed { statement: vote.message.statement(), validator: vote.message.address.0, signature: vote.signature }
}

pub(crate) fn from_proposal(proposal: &SignedProposal) -> Signed {
    let message = &proposal.message;
    Signed { statement: message.statement(), validator: message.address.0, signature: proposal.signature }
}

/// What malachite makes of a signed statement.
pub(crate) enum Heard {
    Vote(SignedVote),
    Proposal(SignedProposal),
}

impl From<&Signed> for Heard {
    fn from(signed: &Signed) -> Self {
        let Statement { height, round, claim } = signed.statement;
        let (height, round, address) = (At(height), Round::new(round), Address(signed.validator));
        let vote = |kind, choice: Option<Choice>| {
            let value = choice.map_or(NilOrVal::Nil, NilOrVal::Val);
            Self::Vote(SignedMessage::new(Vote { kind, height, round, value, address }, signed.signature))
        };
        match claim {
            Claim::Prevote(choice) => vote(VoteType::Prevote, choice),
            Claim::Precommit(choice) => vote(VoteType::Precommit, choice),
            Claim::Proposal { choice, valid_round } => {
                let pol_round = self::round(valid_round);
                let proposal = Proposal { height, round, value: Value(choice), pol_round, address };
                Self::Proposal(SignedMessage::new(proposal, signed.signature))
            }
        }
    }
}

impl malachite::Context for Health {
    type Address = Address;
    type Height = At;
    type ProposalPart = NoPart;
    type Proposal = Proposal;
    type Validator = Member;
    type ValidatorSet = Members;
    type Timeouts = LinearTimeouts;
    type Value = Value;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Bip340;

    fn select_proposer<'a>(&self, members: &'a Members, height: At, round: Round) -> &'a Member {
        &members.list[proposer(height.0, number(round), &members.validators)]
    }

    fn new_proposal(&self, height: At, round: Round, value: Value, pol_round: Round, address: Address) -> Proposal {
        Proposal { height, round, value, pol_round, address }
    }

    fn new_prevote(&self, height: At, round: Round, value: NilOrVal<Choice>, address: Address) -> Vote {
        Vote { kind: VoteType::Prevote, height, round, value, address }
    }

    fn new_precommit(&self, height: At, round: Round, value: NilOrVal<Choice>, address: Address) -> Vote {
        Vote { kind: VoteType::Precommit, height, round, value, address }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl malachite::Address for Address {}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.fmt(f)
    }
}

impl malachite::Height for At {
    const ZERO: Self = Self(Height::ZERO);
    const INITIAL: Self = Self(Height(1));

    fn increment_by(&self, count: u64) -> Self {
        Self(self.0.saturating_add(u32::try_from(count).unwrap_or(u32::MAX)))
    }

    fn decrement_by(&self, count: u64) -> Option<Self> {
        self.0.checked_sub(u32::try_from(count).ok()?).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0.0.into()
    }
}

impl malachite::Value for Value {
    type Id = Choice;

    fn id(&self) -> Choice {
        self.0
    }
}

impl malachite::ProposalPart<Health> for NoPart {
    fn is_first(&self) -> bool {
        match *self {}
    }

    fn is_last(&self) -> bool {
        match *self {}
    }
}

impl malachite::Validator<Health> for Member {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.address.0
    }

    fn voting_power(&self) -> u64 {
        self.power.into()
    }
}

impl malachite::ValidatorSet<Health> for Members {
    fn count(&self) -> usize {
        self.list.len()
    }

    fn total_voting_power(&self) -> u64 {
        total_power(&self.validators)
    }

    fn get_by_address(&self, address: &Address) -> Option<&Member> {
        self.list.iter().find(|member| member.address == *address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Member> {
        self.list.get(index)
    }
}

impl malachite::Proposal<Health> for Proposal {
    fn height(&self) -> At {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }
}

impl malachite::Vote<Health> for Vote {
    fn height(&self) -> At {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<Choice> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<Choice> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }

    // Votes carry no extensions.

    fn extension(&self) -> Option<&SignedMessage<Health, ()>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedMessage<Health, ()>> {
        None
    }

    fn extend(self, _: SignedMessage<Health, ()>) -> Self {
        self
    }
}

impl fmt::Display for NotDecodedHere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys and signatures are not decoded here")
    }
}

impl malachite::SigningScheme for Bip340 {
    type DecodingError = NotDecodedHere;
    type Signature = Signature;
    type PublicKey = PublicKey;
    /// Only the signer knows it.
    type PrivateKey = ();

    fn decode_signature(_: &[u8]) -> Result<Signature, NotDecodedHere> {
        Err(NotDecodedHere)
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.as_bytes().to_vec()
    }

    fn decode_public_key(_: &[u8]) -> Result<PublicKey, NotDecodedHere> {
        Err(NotDecodedHere)
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.as_bytes().to_vec()
    }
}
