//! What the genesis document says about stake.

use health_chain_data::{Amount, TokenId, codec::Wire, genesis::Parameters};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::parameters::IncentiveParameters;

/// The genesis section "stake". For how long stake stays locked after notice stands with the engine
/// ([`health_chain_consensus::Epochs::evidence_blocks`]): as long as a validator can be called to account, and no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StakeParameters {
    /// The token that is bonded.
    pub token: TokenId,
    /// What one vote costs, and the least that can be bonded at once.
    pub unit: Amount,
    /// The votes that all bonds together must have for them to decide. As long as they have fewer, those in office stay: the validators
    /// of the genesis document, before there are tokens; so the first one to bond does not take the chain.
    pub least_power: u64,
    /// What an offender loses of all that is bonded, in thousandths.
    pub slash_per_mille: u16,
}

/// A rule that the parameters break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StakeParametersError {
    /// The chain does not have the token.
    #[error("token {token:?}, which is to be bonded, is not declared")]
    UnknownToken {
        /// The token.
        token: TokenId,
    },
    /// Votes for nothing.
    #[error("a vote costs nothing")]
    ZeroUnit,
    /// Less than nothing or more than all.
    #[error("an offender loses {slash_per_mille} thousandths, where 1 to 1000 are possible")]
    Share {
        /// The share.
        slash_per_mille: u16,
    },
}

impl Wire for StakeParameters {
    const MAX_BYTES: usize = 5 + 10 + 10 + 3;
}

impl Parameters for StakeParameters {
    const SECTION: &'static str = "stake";
}

impl StakeParameters {
    /// Checks the parameters against those of the chain's tokens.
    ///
    /// # Errors
    /// The first rule of [`StakeParametersError`] that they break.
    pub fn check(&self, incentive: &IncentiveParameters) -> Result<(), StakeParametersError> {
        let Self { token, unit, slash_per_mille, .. } = *self;
        if incentive.token(token).is_none() {
            return Err(StakeParametersError::UnknownToken { token });
        }
        if unit == Amount::ZERO {
            return Err(StakeParametersError::ZeroUnit);
        }
        if slash_per_mille == 0 || slash_per_mille > 1000 {
            return Err(StakeParametersError::Share { slash_per_mille });
        }
        Ok(())
    }
}
