//! Who the validators are, and how long they wait.

use std::{collections::BTreeSet, time::Duration};

use arc_malachitebft_core_types::LinearTimeouts;
use health_chain_consensus::{Epochs, Founding, Validator};
use health_chain_data::{
    PublicKey,
    codec::{self, Wire},
    genesis::Parameters,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::MAX_VALIDATORS;

/// Section `consensus-bft` of the genesis document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BftParameters {
    /// The validators of the first epoch, in the order in which they take turns to propose.
    #[serde(deserialize_with = "codec::at_most::<MAX_VALIDATORS, _, _>")]
    pub validators: Vec<Validator>,
    /// When others may take their place, and for how long a validator answers for what it said.
    pub epochs: Epochs,
    /// How long a validator rests after a block before it begins the next height, in milliseconds.
    pub interval_millis: u32,
    /// How long a proposal may take in the first round of a height, in milliseconds.
    pub propose_millis: u32,
    /// How long votes may take after a quorum of any has come, in the first round of a height, in milliseconds.
    pub vote_millis: u32,
    /// How much longer each of these gets with every further round, in milliseconds.
    pub round_millis: u32,
    /// How long until a validator that waits says again what it said last, in milliseconds.
    pub rebroadcast_millis: u32,
}

/// Why validators and times are of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParametersError {
    /// Nobody, or more than [`MAX_VALIDATORS`].
    #[error("{count} validators, where 1 to {MAX_VALIDATORS} are possible")]
    Validators {
        /// How many.
        count: usize,
    },
    /// The same key twice.
    #[error("validator {key} is named twice")]
    Twice {
        /// The key.
        key: PublicKey,
    },
    /// A validator whose vote counts nothing.
    #[error("validator {key} has no power")]
    NoPower {
        /// The key.
        key: PublicKey,
    },
    /// What validators say can't be held against them for as long as they are in office.
    #[error("validators answer for {evidence_blocks} heights, where an epoch has {blocks}")]
    Evidence {
        /// Heights of an epoch.
        blocks: u32,
        /// For how many they answer.
        evidence_blocks: u32,
    },
    /// A time of zero, where somebody must be waited for.
    #[error("a timeout of zero")]
    NoTime,
}

impl BftParameters {
    /// These validators for good, each with the same power, and times for a network that spans a continent: blocks no more often than once a
    /// second, three seconds for a proposal, one for votes.
    pub fn equal(validators: impl IntoIterator<Item = PublicKey>) -> Self {
        Self {
            validators: validators.into_iter().map(|key| Validator { key, power: 1 }).collect(),
            epochs: Epochs::default(),
            interval_millis: 1_000,
            propose_millis: 3_000,
            vote_millis: 1_000,
            round_millis: 500,
            rebroadcast_millis: 2_000,
        }
    }

    /// Checks what the encoding itself does not.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn check(&self) -> Result<(), ParametersError> {
        let count = self.validators.len();
        if count == 0 || count > MAX_VALIDATORS {
            return Err(ParametersError::Validators { count });
        }
        let mut keys = BTreeSet::new();
        for Validator { key, power } in &self.validators {
            if !keys.insert(key) {
                return Err(ParametersError::Twice { key: *key });
            }
            if *power == 0 {
                return Err(ParametersError::NoPower { key: *key });
            }
        }
        let Epochs { blocks, evidence_blocks } = self.epochs;
        if evidence_blocks < blocks {
            return Err(ParametersError::Evidence { blocks, evidence_blocks });
        }
        let times = [self.propose_millis, self.vote_millis, self.rebroadcast_millis];
        if times.contains(&0) { Err(ParametersError::NoTime) } else { Ok(()) }
    }

    pub(crate) fn founding(&self) -> Founding {
        Founding { epochs: self.epochs, validators: self.validators.clone() }
    }

    pub(crate) fn timeouts(&self) -> LinearTimeouts {
        let millis = |millis: u32| Duration::from_millis(millis.into());
        LinearTimeouts {
            propose: millis(self.propose_millis),
            propose_delta: millis(self.round_millis),
            prevote: millis(self.vote_millis),
            prevote_delta: millis(self.round_millis),
            precommit: millis(self.vote_millis),
            precommit_delta: millis(self.round_millis),
            rebroadcast: millis(self.rebroadcast_millis),
            ..LinearTimeouts::default()
        }
    }
}

impl Wire for BftParameters {
    const MAX_BYTES: usize = 2 + MAX_VALIDATORS * (32 + 5) + 7 * 5;
}

impl Parameters for BftParameters {
    const SECTION: &'static str = "consensus-bft";
}

#[cfg(test)]
mod tests {
    use health_chain_data::{Genesis, SecretKey, Timestamp};

    use super::*;

    fn key(number: u8) -> PublicKey {
        SecretKey::from_bytes(&[number; 32]).unwrap().public_key()
    }

    #[test]
    fn the_section_reads_back() {
        let parameters = BftParameters::equal((1..=4).map(key));
        let genesis = Genesis::new("bft", Timestamp(1), vec![]).with(&parameters);
        assert_eq!(genesis.section(), Ok(parameters));
    }

    #[test]
    fn impossible_validators_are_refused() {
        let good = BftParameters::equal((1..=4).map(key));
        assert_eq!(good.check(), Ok(()));
        assert_eq!(BftParameters::equal([]).check(), Err(ParametersError::Validators { count: 0 }));
        let twice = BftParameters::equal([key(1), key(2), key(1)]);
        assert_eq!(twice.check(), Err(ParametersError::Twice { key: key(1) }));
        let mut powerless = good.clone();
        powerless.validators[2].power = 0;
        assert_eq!(powerless.check(), Err(ParametersError::NoPower { key: key(3) }));
        let epochs = Epochs { blocks: 10, evidence_blocks: 9 };
        let unanswerable = BftParameters { epochs, ..good.clone() };
        assert_eq!(unanswerable.check(), Err(ParametersError::Evidence { blocks: 10, evidence_blocks: 9 }));
        assert_eq!(BftParameters { vote_millis: 0, ..good }.check(), Err(ParametersError::NoTime));
    }
}
