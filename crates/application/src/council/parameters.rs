//! What the genesis document says about the council.

use std::collections::BTreeSet;

use health_chain_data::{
    PublicKey,
    codec::{self, Wire},
    genesis::Parameters,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::MAX_SEATS;

/// The genesis section "council": the first seats. The same keys with the same power belong into the engine's section, which is what counts in
/// the first epoch.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CouncilParameters {
    /// Who sits in the council from the start.
    #[serde(deserialize_with = "codec::at_most::<MAX_SEATS, _, _>")]
    pub founders: Vec<Founder>,
}

/// A seat from the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Founder {
    /// First key of an institution that the genesis document admits.
    pub institution: PublicKey,
    /// The key that signs its votes.
    pub key: PublicKey,
    /// How many it has.
    pub power: u32,
}

/// A rule that the parameters break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParametersError {
    /// Nobody, or more than [`MAX_SEATS`].
    #[error("{count} founders, where 1 to {MAX_SEATS} are possible")]
    Seats {
        /// How many.
        count: usize,
    },
    /// Two seats of one institution, or with one key.
    #[error("key {key} takes two seats")]
    Twice {
        /// The key.
        key: PublicKey,
    },
    /// A seat without votes.
    #[error("the founder with key {key} has no power")]
    NoPower {
        /// The key.
        key: PublicKey,
    },
}

impl Wire for CouncilParameters {
    const MAX_BYTES: usize = 1 + MAX_SEATS * (32 + 32 + 5);
}

impl Parameters for CouncilParameters {
    const SECTION: &'static str = "council";
}

impl CouncilParameters {
    /// Checks what the encoding itself does not.
    ///
    /// # Errors
    /// The first rule of [`ParametersError`] that they break.
    pub fn check(&self) -> Result<(), ParametersError> {
        let count = self.founders.len();
        if count == 0 || count > MAX_SEATS {
            return Err(ParametersError::Seats { count });
        }
        let (mut institutions, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for Founder { institution, key, power } in &self.founders {
            if !institutions.insert(institution) || !keys.insert(key) {
                return Err(ParametersError::Twice { key: *key });
            }
            if *power == 0 {
                return Err(ParametersError::NoPower { key: *key });
            }
        }
        Ok(())
    }
}
