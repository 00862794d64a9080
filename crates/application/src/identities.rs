//! Institutions: who may issue records, and with which key at which height.
//!
//! Institutions are public. They are admitted and dismissed by t of the n accreditation keys in the genesis document, and change
//! their key themselves (old and new key sign) or, where the old one is lost, through the accreditors. Patients are never
//! registered. Every change takes effect with the next block, so that at each height exactly one answer holds, wherever in a block
//! a transaction stands: [`institution_key_at`].

mod error;
mod operations;
mod parameters;
mod program;

pub use error::IdentityError;
pub use operations::{Approval, Authority, Register, Retire, RotateKey};
pub use parameters::{ApplicationParameters, InitialInstitution, ParametersError};
pub use program::Identities;

use health_chain_data::{
    ChainId, Hash, Height, PublicKey,
    codec::Wire,
    ports::{StateView, StoreError},
    state::read,
    tagged_hash,
};
use serde::{Deserialize, Serialize};

use crate::{
    limits::MAX_INSTITUTION_NAME_BYTES,
    tables::{INSTITUTION_KEYS, INSTITUTIONS},
};

/// Identifies an institution through all its keys: `TH("HC/institution/v1", chain_id || first key)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct InstitutionId(pub Hash);

impl InstitutionId {
    /// The id of the institution that was admitted with `first_key`.
    pub fn of(chain: &ChainId, first_key: &PublicKey) -> Self {
        Self(tagged_hash("HC/institution/v1", &[chain.as_bytes(), first_key.as_bytes()]))
    }
}

/// An admitted institution, as it stands now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Institution {
    /// Its id.
    pub id: InstitutionId,
    /// Its name, for people.
    pub name: String,
    /// The key that was last registered for it.
    pub key: PublicKey,
    /// Changes made since it was admitted; the next one carries the number after it.
    pub seq: u64,
    /// Height of the block that admitted it.
    pub registered_at: Height,
    /// Height of the block that dismissed it; its key holds up to and including that height.
    pub retired_at: Option<Height>,
}

impl Wire for Institution {
    const MAX_BYTES: usize = 32 + 2 + MAX_INSTITUTION_NAME_BYTES + 32 + 10 + 5 + 6;
}

/// The heights at which a key speaks for an institution, both inclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct KeyPeriod {
    institution: InstitutionId,
    first: Height,
    last: Option<Height>,
}

impl Wire for KeyPeriod {
    const MAX_BYTES: usize = 32 + 5 + 6;
}

/// The institution for which `key` speaks in the block at `height`; `None` where it speaks for nobody there.
///
/// # Errors
/// Where the state can't be read.
pub fn institution_key_at(
    view: &dyn StateView,
    key: &PublicKey,
    height: Height,
) -> Result<Option<Institution>, StoreError> {
    match period(view, key)? {
        Some(period) if period.first <= height && period.last.is_none_or(|last| height <= last) => {
            institution(view, &period.institution)
        }
        _ => Ok(None),
    }
}

/// The institution for which `key` speaks or ever spoke.
///
/// # Errors
/// Where the state can't be read.
pub fn institution_of_key(view: &dyn StateView, key: &PublicKey) -> Result<Option<Institution>, StoreError> {
    match period(view, key)? {
        Some(period) => institution(view, &period.institution),
        None => Ok(None),
    }
}

/// An institution by its id.
///
/// # Errors
/// Where the state can't be read.
pub fn institution(view: &dyn StateView, id: &InstitutionId) -> Result<Option<Institution>, StoreError> {
    read(view, INSTITUTIONS, id.0.as_bytes())
}

fn period(view: &dyn StateView, key: &PublicKey) -> Result<Option<KeyPeriod>, StoreError> {
    read(view, INSTITUTION_KEYS, key.as_bytes())
}
