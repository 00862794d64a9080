//! A program that follows serial units (packs of a drug, devices, goods) from who made them to who used them up.
//!
//! A unit is known by [`UnitId`], a hash of its product's code and its serial number: who holds the pack can ask for it, and the
//! chain is no list of valid serial numbers, which is what a counterfeiter needs. Serial numbers therefore have to be unpredictable.
//! Papers (delivery notes, certificates) are on the chain by their digest only.
//!
//! Who may make a product is decided by the registrars of the genesis document ([`Assign`]). From then on every operation is signed
//! by whom it concerns: [`Make`] by the maker, [`HandOver`] by giver and receiver, [`Consume`] by the holder, [`Recall`] by the
//! maker. What is signed holds the chain's id, the kind and for each unit the number of the step, so nothing works twice or elsewhere.
//!
//! A serial number can be copied, a unit's place in this chain can't: what a copy is used for is refused, and the error names both
//! the holder that the chain knows and the one who claims.

mod code;
mod error;
mod operations;
mod program;
mod state;

pub use code::{Code, CodeError};
pub use error::CustodyError;
pub use operations::{Assign, Consume, HandOver, Make, Move, Operation, Recall, Scope};
pub use program::{Custody, CustodyParameters};
pub use state::{Action, Fate, Product, RecalledUnit, Step, Unit};

use core::fmt;

use health_chain_data::{Hash, Kind, state::Table, tagged_hash};
use serde::{Deserialize, Serialize};

/// Gives a product to a maker.
pub const ASSIGN: Kind = Kind(49);
/// Makes units known.
pub const MAKE: Kind = Kind(50);
/// Hands units over.
pub const HAND_OVER: Kind = Kind(51);
/// Ends units: used, or destroyed.
pub const CONSUME: Kind = Kind(52);
/// Calls a lot or single units back.
pub const RECALL: Kind = Kind(53);

/// Unit to what it is now.
pub const UNITS: Table = Table(81);
/// Unit and number of a step (4 bytes, big-endian) to the step.
pub const STEPS: Table = Table(82);
/// Product to its maker; product and lot, and product, lot and unit, to when they were recalled. Codes carry their length in front.
pub const CATALOGUE: Table = Table(83);

/// A serial number, for whoever does not know it: `TH("HC/custody/serial/v1", E(product) || serial number)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SerialDigest(pub Hash);

impl SerialDigest {
    /// The digest of a serial number of `product`.
    pub fn of(product: &Code, serial: &str) -> Self {
        Self(tagged_hash("HC/custody/serial/v1", &[&product.key(), serial.as_bytes()]))
    }

    /// The unit of `product` with this serial number.
    pub fn unit(&self, product: &Code) -> UnitId {
        UnitId(tagged_hash("HC/custody/unit/v1", &[&product.key(), self.0.as_bytes()]))
    }
}

/// Identifies a unit: `TH("HC/custody/unit/v1", E(product) || digest of the serial number)`. The chain hashes the product itself when
/// a unit is made, so nobody can take the place of another product's unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct UnitId(pub Hash);

impl UnitId {
    /// The unit of `product` with this serial number.
    pub fn of(product: &Code, serial: &str) -> Self {
        SerialDigest::of(product, serial).unit(product)
    }
}

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
