//! How far a height has got, as its validators' votes show.

use std::collections::BTreeMap;

use health_chain_consensus::Validator;
use health_chain_data::PublicKey;

use crate::{certificate::total_power, message::Votes, statement::Signed};

/// What the validators said last about the height to be decided next.
#[derive(Default)]
pub(crate) struct Rounds {
    /// Each one's vote in the highest round in which it has voted.
    latest: BTreeMap<PublicKey, Signed>,
    /// The highest round that more than a third of the power has spoken in: an honest validator is there.
    reached: u32,
}

impl Rounds {
    pub(crate) const fn reached(&self) -> u32 {
        self.reached
    }

    /// Whether the vote is in a higher round than its validator's others.
    pub(crate) fn is_latest(&self, vote: &Signed) -> bool {
        self.latest.get(&vote.validator).is_none_or(|before| before.statement.round < vote.statement.round)
    }

    /// Takes a genuine vote of one of `validators`. Where its round is thereby reached, the votes that show it.
    pub(crate) fn take(&mut self, vote: Signed, validators: &[Validator]) -> Option<Votes> {
        let round = vote.statement.round;
        if round <= self.reached || !self.is_latest(&vote) {
            return None;
        }
        self.latest.insert(vote.validator, vote);
        let is_there = |validator: &&Validator| {
            self.latest.get(&validator.key).is_some_and(|latest| latest.statement.round == round)
        };
        let there = || validators.iter().filter(is_there);
        let power: u64 = there().map(|validator| u64::from(validator.power)).sum();
        if power * 3 <= total_power(validators) {
            return None;
        }
        self.reached = round;
        Some(Votes(there().map(|validator| self.latest[&validator.key]).collect()))
    }
}
