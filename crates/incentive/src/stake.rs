//! Stake: tokens that a validator stands to lose, what makes them count, and how they are lost.
//!
//! A BOND takes tokens out of circulation and puts them behind a validator's key; an UNBOND gives notice, after which they count no more but
//! stay where they are for as long as the validator can be called to account; a WITHDRAW then pays them out. EVIDENCE of an offence
//! takes a share of all that is still there, for good, and the validator's office with it. What counts as an offence the engine says
//! ([`EvidenceCheck`]); who was a validator at the time, the state ([`validators::validators_at`]).
//!
//! What is lost is burnt and counted ([`crate::Supply::slashed`]), and not paid to those who make blocks: an offender with a share of the
//! blocks would get that share back.

mod error;
mod operations;
mod parameters;
mod rules;

use alloc::{sync::Arc, vec::Vec};

pub use error::StakeError;
use health_chain_consensus::{
    Epochs, Validator,
    ports::{EvidenceCheck, StakeView},
    validators,
};
use health_chain_data::{
    Amount, Height, PublicKey,
    codec::{self, Wire},
    ports::{StateView, StoreError},
    state::{self, Overlay},
};
pub use operations::{Deposit, Notice, StakeSigningError, Withdrawal};
pub use parameters::{StakeParameters, StakeParametersError};
pub(crate) use rules::{Flow, Operation};
use serde::{Deserialize, Serialize};

use crate::{
    limits::{MAX_BOND_BYTES, MAX_LEAVING},
    tables::BONDS,
};

/// What stands behind a validator's key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bond {
    /// Who may take it back.
    pub owner: PublicKey,
    /// What counts.
    pub amount: Amount,
    /// What counts no more, in the order in which notice was given.
    #[serde(deserialize_with = "codec::at_most::<MAX_LEAVING, _, _>")]
    pub leaving: Vec<Leaving>,
    /// The height of the offence after which the key decides nothing any more, ever.
    pub jailed: Option<Height>,
}

/// A part of a bond that is on its way out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Leaving {
    /// Height of the block that gave notice.
    pub since: Height,
    /// How much.
    pub amount: Amount,
}

/// Who decides by stake: the [`StakeView`] of chains with a section `stake`.
#[derive(Debug, Clone)]
pub struct BondedStake {
    parameters: StakeParameters,
}

/// Stake as the ledger needs it.
pub(crate) struct Stake {
    pub(crate) parameters: StakeParameters,
    pub(crate) evidence: Arc<dyn EvidenceCheck>,
}

impl Wire for Bond {
    const MAX_BYTES: usize = MAX_BOND_BYTES;
}

impl Bond {
    /// What stands behind `validator`, if anything does or did before it was jailed.
    ///
    /// # Errors
    /// Where the state can't be read.
    pub fn read(view: &dyn StateView, validator: &PublicKey) -> Result<Option<Self>, StoreError> {
        state::read(view, BONDS, validator.as_bytes())
    }

    /// All that is there, what is leaving included.
    pub fn total(&self) -> Amount {
        self.leaving.iter().fold(self.amount, |sum, leaving| sum.saturating_add(leaving.amount.0))
    }

    /// Writes the bond, or takes it away where there is nothing left to be said.
    pub(crate) fn write(&self, state: &mut Overlay<'_>, validator: &PublicKey) {
        if self.total() == Amount::ZERO && self.jailed.is_none() {
            state.delete(BONDS, *validator.as_bytes());
        } else {
            state.put(BONDS, *validator.as_bytes(), codec::encode(self));
        }
    }

    fn power(&self, unit: Amount) -> u32 {
        let votes = if self.jailed.is_some() { 0 } else { self.amount.0.checked_div(unit.0).unwrap_or(0) };
        u32::try_from(votes).unwrap_or(u32::MAX)
    }
}

impl Leaving {
    /// The first height at which it may be withdrawn: when nothing that was said while it counted can be held against it any more. Later where
    /// the key has stayed in office nevertheless, because nobody else was left.
    pub fn free_from(&self, epochs: Epochs) -> Height {
        epochs.last_in_office(self.since).saturating_add(epochs.evidence_blocks)
    }
}

impl BondedStake {
    /// The stake of a chain with these parameters.
    pub const fn new(parameters: StakeParameters) -> Self {
        Self { parameters }
    }
}

impl StakeView for BondedStake {
    /// One vote for each whole unit bonded; nobody, as long as all together have fewer than the chain asks for.
    fn validators(&self, state: &dyn StateView) -> Result<Vec<Validator>, StoreError> {
        let mut list = Vec::new();
        each(state, &mut |key, bond| {
            let power = bond.power(self.parameters.unit);
            if power > 0 {
                list.push(Validator { key, power });
            }
        })?;
        let total: u64 = list.iter().map(|validator| u64::from(validator.power)).sum();
        if total < self.parameters.least_power {
            list.clear();
        }
        Ok(list)
    }

    /// Nothing for those who were called to account, and for those who gave notice no more than what they leave there counts for. Who has bonded
    /// nothing was there before there was stake.
    fn power_kept(&self, state: &dyn StateView, in_office: Validator) -> Result<u32, StoreError> {
        let power = in_office.power;
        Ok(match Bond::read(state, &in_office.key)? {
            Some(bond) if bond.jailed.is_some() || !bond.leaving.is_empty() => {
                power.min(bond.power(self.parameters.unit))
            }
            _ => power,
        })
    }
}

/// Every bond, with the validator's key, in the order of these keys.
///
/// # Errors
/// Where the state can't be read.
pub fn bonds(view: &dyn StateView) -> Result<Vec<(PublicKey, Bond)>, StoreError> {
    let mut found = Vec::new();
    each(view, &mut |key, bond| found.push((key, bond)))?;
    Ok(found)
}

/// Shows every bond to `visit`, in the order of the validators' keys.
pub(crate) fn each(view: &dyn StateView, visit: &mut dyn FnMut(PublicKey, Bond)) -> Result<(), StoreError> {
    let mut damaged = false;
    view.scan(BONDS, &[], &mut |key, value| {
        let key = key.try_into().ok().and_then(|key| PublicKey::from_bytes(key).ok());
        match (key, codec::decode(value)) {
            (Some(key), Ok(bond)) => {
                visit(key, bond);
                true
            }
            _ => {
                damaged = true;
                false
            }
        }
    })?;
    if damaged { Err(StoreError::Damaged { table: BONDS }) } else { Ok(()) }
}

/// The chain's epochs, which say how long stake stays.
fn epochs(view: &dyn StateView) -> Result<Option<Epochs>, StoreError> {
    validators::epochs(view)
}
