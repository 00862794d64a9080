//! What the chain knows of units, and the questions it answers.

use alloc::vec::Vec;

use health_chain_data::{
    Hash, PublicKey,
    codec::{self, Wire},
    keys::PUBLIC_KEY_BYTES,
    ports::{StateView, StoreError},
    state::read,
};
use serde::{Deserialize, Serialize};

use super::{CATALOGUE, Code, Custody, STEPS, UNITS, UnitId};
use crate::{limits::MAX_CODE_BYTES, notary::Dated};

/// A unit as it is now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unit {
    /// Its product.
    pub product: Code,
    /// Its lot.
    pub lot: Code,
    /// Who holds it, or did at the end.
    pub holder: PublicKey,
    /// The number of its last step.
    pub step: u32,
    /// How it ended.
    pub fate: Option<Fate>,
}

impl Wire for Unit {
    const MAX_BYTES: usize = 2 * (1 + MAX_CODE_BYTES) + PUBLIC_KEY_BYTES + 5 + 2;
}

/// What becomes of a unit in the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Fate {
    /// Dispensed, implanted, sold to who uses it.
    Used,
    /// Destroyed, or lost for good.
    Destroyed,
}

/// One step of a unit's way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// What happened.
    pub action: Action,
    /// Who held the unit afterwards.
    pub holder: PublicKey,
    /// Digest of the papers.
    pub document: Option<Hash>,
    /// When.
    pub at: Dated,
}

impl Wire for Step {
    const MAX_BYTES: usize = 2 + PUBLIC_KEY_BYTES + 33 + Dated::MAX_BYTES;
}

/// What a step does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Action {
    /// The unit was made.
    Made,
    /// It was handed over.
    HandedOver,
    /// It ended.
    Consumed(Fate),
}

/// Who may make a product.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Product {
    /// Who makes its units and recalls them.
    pub maker: PublicKey,
    /// The number of the last assignment.
    pub step: u32,
}

impl Wire for Product {
    const MAX_BYTES: usize = PUBLIC_KEY_BYTES + 5;
}

/// A unit that has been recalled, itself or with its lot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecalledUnit {
    /// The unit.
    pub id: UnitId,
    /// The first recall that concerns it.
    pub since: Dated,
    /// What it is now: who holds or used it.
    pub unit: Unit,
}

/// Whether a lot, or a unit by itself, was recalled.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Recalled(pub(super) Option<Dated>);

impl Wire for Recalled {
    const MAX_BYTES: usize = 1 + Dated::MAX_BYTES;
}

impl Custody {
    /// A unit.
    ///
    /// # Errors
    /// Where the state can't be read.
    pub fn unit(view: &dyn StateView, id: &UnitId) -> Result<Option<Unit>, StoreError> {
        read(view, UNITS, id.0.as_bytes())
    }

    /// A unit's way from its maker on: entry `n` is step `n`.
    ///
    /// # Errors
    /// Where the state can't be read.
    pub fn history(view: &dyn StateView, id: &UnitId) -> Result<Vec<Step>, StoreError> {
        let mut steps = Vec::new();
        view.scan(STEPS, id.0.as_bytes(), &mut |_, value| {
            steps.push(codec::decode(value));
            true
        })?;
        steps.into_iter().collect::<Result<_, _>>().map_err(|_| StoreError::Damaged { table: STEPS })
    }

    /// Who makes a product.
    ///
    /// # Errors
    /// Where the state can't be read.
    pub fn product(view: &dyn StateView, product: &Code) -> Result<Option<Product>, StoreError> {
        read(view, CATALOGUE, &product.key())
    }

    /// Since when a unit is recalled, itself or with its lot.
    ///
    /// # Errors
    /// Where the state can't be read.
    pub fn recalled_since(view: &dyn StateView, id: &UnitId) -> Result<Option<Dated>, StoreError> {
        match Self::unit(view, id)? {
            Some(unit) => recalled_since(view, id, &unit),
            None => Ok(None),
        }
    }

    /// Every recalled unit of a product, by lots: who holds it, and whom to ask where it has been used.
    ///
    /// # Errors
    /// Where the state can't be read.
    pub fn recalled(view: &dyn StateView, product: &Code) -> Result<Vec<RecalledUnit>, StoreError> {
        let damaged = || StoreError::Damaged { table: CATALOGUE };
        let prefix = product.key();
        let (mut of_lot, mut found, mut sound) = (None, Vec::new(), true);
        view.scan(CATALOGUE, &prefix, &mut |key, value| {
            let below = &key[prefix.len()..];
            if below.is_empty() {
                return true;
            }
            let lot_bytes = 1 + usize::from(below[0]);
            let unit = below.get(lot_bytes..).and_then(|unit| <[u8; 32]>::try_from(unit).ok());
            match (codec::decode(value), unit) {
                (Ok(Recalled(since)), Some(unit)) => {
                    found.extend(first(of_lot, since).map(|since| (UnitId(Hash(unit)), since)));
                }
                // A lot stands before its units.
                (Ok(Recalled(since)), None) if below.len() == lot_bytes => of_lot = since,
                _ => sound = false,
            }
            sound
        })?;
        if !sound {
            return Err(damaged());
        }
        let with_unit = |(id, since)| {
            let unit = Self::unit(view, &id)?.ok_or_else(damaged)?;
            Ok(RecalledUnit { id, since, unit })
        };
        found.into_iter().map(with_unit).collect()
    }
}

pub(super) fn lot_key(product: &Code, lot: &Code) -> Vec<u8> {
    [product.key(), lot.key()].concat()
}

pub(super) fn member_key(unit: &Unit, id: &UnitId) -> Vec<u8> {
    [&lot_key(&unit.product, &unit.lot)[..], id.0.as_bytes()].concat()
}

pub(super) fn step_key(id: &UnitId, step: u32) -> Vec<u8> {
    [&id.0.as_bytes()[..], &step.to_be_bytes()].concat()
}

/// The first recall that concerns a unit.
pub(super) fn recalled_since(view: &dyn StateView, id: &UnitId, unit: &Unit) -> Result<Option<Dated>, StoreError> {
    let lot = recall_at(view, &lot_key(&unit.product, &unit.lot))?;
    Ok(first(lot, recall_at(view, &member_key(unit, id))?))
}

/// When what stands under `key` of the catalogue was recalled.
pub(super) fn recall_at(view: &dyn StateView, key: &[u8]) -> Result<Option<Dated>, StoreError> {
    Ok(read::<Recalled>(view, CATALOGUE, key)?.and_then(|recalled| recalled.0))
}

fn first(one: Option<Dated>, other: Option<Dated>) -> Option<Dated> {
    [one, other].into_iter().flatten().min_by_key(|dated| dated.height)
}
