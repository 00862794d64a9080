//! What a validator must remember over a restart, so that it never says two things where it may say one.

use arc_malachitebft_core_consensus::{Input, ProposedValue};
use arc_malachitebft_core_types::{Round, Timeout, TimeoutKind, Validity, ValueOrigin};
use health_chain_data::{Block, Height, PublicKey, codec::Wire};
use serde::{Deserialize, Serialize};

use crate::{
    context::{Address, At, Health, Heard, Value, from_proposal, from_vote, number, round},
    limits::MAX_ENTRY_BYTES,
    message::Votes,
    statement::{Choice, Signed},
};

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) height: Height,
    pub(crate) record: Record,
}

/// What malachite was told, or a block that it was told of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Record {
    Said(Signed),
    Block(Block),
    Value { choice: Choice, round: u32, valid_round: Option<u32>, proposer: PublicKey, is_valid: bool },
    Timeout { step: Step, round: u32 },
    Polka(Votes),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Step {
    Propose,
    Prevote,
    Precommit,
}

impl Wire for Entry {
    const MAX_BYTES: usize = MAX_ENTRY_BYTES;
}

impl Record {
    /// What is to be kept of an input; malachite asks for nothing else to be kept.
    pub(crate) fn of(input: &Input<Health>) -> Option<Self> {
        Some(match input {
            Input::Vote(vote) => Self::Said(from_vote(vote)),
            Input::Proposal(proposal) => Self::Said(from_proposal(proposal)),
            Input::ProposedValue(value, _) => Self::Value {
                choice: value.value.0,
                round: number(value.round),
                valid_round: value.valid_round.as_u32(),
                proposer: value.proposer.0,
                is_valid: value.validity.is_valid(),
            },
            Input::TimeoutElapsed(timeout) => {
                let step = match timeout.kind {
                    TimeoutKind::Propose => Step::Propose,
                    TimeoutKind::Prevote => Step::Prevote,
                    TimeoutKind::Precommit => Step::Precommit,
                    TimeoutKind::Rebroadcast | TimeoutKind::FinalizeHeight(_) => return None,
                };
                Self::Timeout { step, round: number(timeout.round) }
            }
            Input::PolkaCertificate(certificate) => Self::Polka(Votes::of_polka(certificate)),
            _ => return None,
        })
    }

    /// The input that was kept; a block is none.
    pub(crate) fn input(&self, height: Height) -> Option<Input<Health>> {
        Some(match self {
            Self::Said(signed) => match Heard::from(signed) {
                Heard::Vote(vote) => Input::Vote(vote),
                Heard::Proposal(proposal) => Input::Proposal(proposal),
            },
            Self::Block(_) => return None,
            Self::Value { choice, round: at, valid_round, proposer, is_valid } => {
                let value = ProposedValue {
                    height: At(height),
                    round: Round::new(*at),
                    valid_round: round(*valid_round),
                    proposer: Address(*proposer),
                    value: Value(*choice),
                    validity: Validity::from_bool(*is_valid),
                };
                Input::ProposedValue(value, ValueOrigin::Consensus)
            }
            Self::Timeout { step, round } => {
                let round = Round::new(*round);
                Input::TimeoutElapsed(match step {
                    Step::Propose => Timeout::propose(round),
                    Step::Prevote => Timeout::prevote(round),
                    Step::Precommit => Timeout::precommit(round),
                })
            }
            Self::Polka(votes) => Input::PolkaCertificate(votes.polka()?),
        })
    }
}
