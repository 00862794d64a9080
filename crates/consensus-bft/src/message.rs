//! What engines say to each other.

use std::collections::BTreeSet;

use arc_malachitebft_core_types as malachite;
use health_chain_consensus::Validator;
use health_chain_data::{
    Block,
    codec::{self, CodecError, Wire},
};
use malachite::{CertificateError, PolkaCertificate, PolkaSignature, RoundCertificate, RoundCertificateType};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    certificate::total_power,
    context::{Address, Health, Heard, SignedVote, from_vote},
    limits::{MAX_MESSAGE_BYTES, MAX_VALIDATORS},
    statement::{Said, Signed},
};

/// What engines say to each other; each signed statement is an `S`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
pub(crate) enum Message<S = Signed> {
    /// A vote.
    Vote(S),
    /// A proposal and its block.
    Proposal(S, Block),
    /// Prevotes of a quorum for one block in one round.
    Polka(Votes<S>),
    /// Votes that allow to enter a round: precommits of a quorum in the round before, or votes of more than a third in the round itself.
    Round {
        /// The latter.
        skips: bool,
        /// The votes.
        votes: Votes<S>,
    },
}

/// What became of a certificate.
pub(crate) type Checked = Result<(), Box<CertificateError<Health>>>;

/// Votes of one height and round.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
pub(crate) struct Votes<S = Signed>(
    #[serde(deserialize_with = "codec::at_most::<MAX_VALIDATORS, _, _>")] pub(crate) Vec<S>,
);

impl<S: Serialize + DeserializeOwned> Wire for Message<S> {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;
}

/// Reads a message. Keys that are none of `known` cost a square root each.
pub(crate) fn read(message: &[u8], known: &[Validator]) -> Result<Message, CodecError> {
    let signed = |said: Said| said.signed(known).map_err(|_| CodecError::OutOfRange);
    let all = |Votes(votes): Votes<Said>| votes.into_iter().map(signed).collect::<Result<_, _>>().map(Votes);
    Ok(match codec::decode::<Message<Said>>(message)? {
        Message::Vote(said) => Message::Vote(signed(said)?),
        Message::Proposal(said, block) => Message::Proposal(signed(said)?, block),
        Message::Polka(votes) => Message::Polka(all(votes)?),
        Message::Round { skips, votes } => Message::Round { skips, votes: all(votes)? },
    })
}

impl Votes {
    pub(crate) fn of_polka(certificate: &PolkaCertificate<Health>) -> Self {
        Self(certificate.votes(&Health).map(|vote| from_vote(&vote)).collect())
    }

    pub(crate) fn of_round(certificate: &RoundCertificate<Health>) -> Self {
        Self(certificate.votes(&Health).map(|vote| from_vote(&vote)).collect())
    }

    /// The certificate of a quorum that these prevotes are, if they are for one block in one round.
    pub(crate) fn polka(&self) -> Option<PolkaCertificate<Health>> {
        use malachite::{NilOrVal, Vote};
        let votes = self.votes()?;
        let first = votes.first()?;
        let NilOrVal::Val(choice) = *first.value() else { return None };
        let (height, round) = (first.height(), first.round());
        let is_part = |vote: &SignedVote| {
            vote.vote_type() == malachite::VoteType::Prevote
                && (vote.height(), vote.round(), vote.value()) == (height, round, &NilOrVal::Val(choice))
        };
        let signature = |vote: &SignedVote| PolkaSignature::new(*vote.validator_address(), vote.signature);
        votes.iter().all(is_part).then(|| PolkaCertificate {
            height,
            round,
            value_id: choice,
            polka_signatures: votes.iter().map(signature).collect(),
        })
    }

    /// The certificate of a round that these votes are, if they are all of one.
    pub(crate) fn round(&self, skips: bool) -> Option<RoundCertificate<Health>> {
        use malachite::Vote;
        let votes = self.votes()?;
        let first = votes.first()?;
        let (height, round) = (first.height(), first.round());
        let kind = if skips { RoundCertificateType::Skip } else { RoundCertificateType::Precommit };
        let is_part = |vote: &SignedVote| (vote.height(), vote.round()) == (height, round);
        votes.iter().all(is_part).then(|| RoundCertificate::new_from_votes(height, round, kind, votes))
    }

    /// Whether they are of different ones of `validators`, who have enough power together. Nobody has looked at the signatures.
    pub(crate) fn check(&self, validators: &[Validator], enough: fn(u64, u64) -> bool) -> Checked {
        let mut seen = BTreeSet::new();
        let mut signed = 0;
        for vote in &self.0 {
            let address = Address(vote.validator);
            let validator = validators.iter().find(|validator| validator.key == vote.validator);
            let validator = validator.ok_or(CertificateError::UnknownValidator(address))?;
            if !seen.insert(vote.validator) {
                return Err(Box::new(CertificateError::DuplicateVote(address)));
            }
            signed += u64::from(validator.power);
        }
        let total = total_power(validators);
        if !enough(signed, total) {
            let expected = total * 2 / 3 + 1;
            return Err(Box::new(CertificateError::NotEnoughVotingPower { signed, total, expected }));
        }
        Ok(())
    }

    fn votes(&self) -> Option<Vec<SignedVote>> {
        let vote = |signed| match Heard::from(signed) {
            Heard::Vote(vote) => Some(vote),
            Heard::Proposal(_) => None,
        };
        self.0.iter().map(vote).collect()
    }
}

/// The signed statements in a message between engines, unverified; none where it is not a message. For who watches a network.
pub fn statements(message: &[u8]) -> Vec<Signed> {
    match codec::decode::<Message>(message) {
        Ok(Message::Vote(signed) | Message::Proposal(signed, _)) => vec![signed],
        Ok(Message::Polka(votes) | Message::Round { votes, .. }) => votes.0,
        Err(_) => Vec::new(),
    }
}

/// The proposal in a message between engines and its block, unverified; none where it is another message. For who watches a network.
pub fn proposal(message: &[u8]) -> Option<(Signed, Block)> {
    match codec::decode::<Message>(message) {
        Ok(Message::Proposal(signed, block)) => Some((signed, block)),
        _ => None,
    }
}

/// The message that carries a proposal. For who plays a validator that does not keep the rules.
pub fn proposal_message(proposal: Signed, block: Block) -> Vec<u8> {
    codec::encode(&Message::Proposal(proposal, block))
}

/// The message that carries a vote. For who plays a validator that does not keep the rules.
pub fn vote_message(vote: Signed) -> Vec<u8> {
    codec::encode(&Message::Vote(vote))
}
