//! The rules of custody.

use alloc::boxed::Box;

use health_chain_consensus::ports::{ExecuteError, Rejection};
use health_chain_data::{PublicKey, codec::CodecError, genesis::GenesisError};
use thiserror::Error;

use super::{Code, UnitId};
use crate::{notary::Dated, quorum::QuorumError, scripts::ScriptError};

/// A rule of custody that a transaction, or a genesis document, breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// The genesis document has no section for custody.
    #[error("the genesis document does not say who the registrars are")]
    Genesis(#[source] GenesisError),
    /// The registrars and their threshold don't go together.
    #[error("the registrars don't go together")]
    Registrars(#[source] ScriptError),
    /// The genesis document names other registrars than this program was made with.
    #[error("the genesis document names other registrars")]
    OtherRegistrars,
    /// The payload is not what its kind asks for.
    #[error("the payload is none of its kind")]
    Payload(#[source] CodecError),
    /// The signatures are not those that the operation needs.
    #[error("the signatures are not those of who has to sign")]
    Signatures(#[source] QuorumError),
    /// Units out of order, or one twice.
    #[error("the units are not in strictly ascending order")]
    UnitOrder,
    /// No unit is named.
    #[error("no unit is named")]
    NoUnits,
    /// Nobody may make the product.
    #[error("product {product} is no one's")]
    UnknownProduct {
        /// The product.
        product: Code,
    },
    /// An assignment that is not the product's next one.
    #[error("assignment {found} of the product, where {expected} is next")]
    Assignment {
        /// The next one.
        expected: u32,
        /// The one given.
        found: u32,
    },
    /// Somebody makes or recalls what is another one's product.
    #[error("product {product} is made by {made_by}, and {claimed_by} claims to make it")]
    NotTheMaker {
        /// The product.
        product: Code,
        /// Who makes it.
        made_by: PublicKey,
        /// Who claims to.
        claimed_by: PublicKey,
    },
    /// A serial number that was used before.
    #[error("unit {unit} is known and held by {held_by}, and {claimed_by} claims to have made it")]
    AlreadyMade {
        /// The unit.
        unit: UnitId,
        /// Who holds it, or did at the end.
        held_by: PublicKey,
        /// Who makes it again.
        claimed_by: PublicKey,
    },
    /// A unit that nobody has made.
    #[error("unit {unit} was never made, and {claimed_by} claims to hold it")]
    UnknownUnit {
        /// The unit.
        unit: UnitId,
        /// Who claims to hold it.
        claimed_by: PublicKey,
    },
    /// Somebody gives away or ends a unit that is held by another one.
    #[error("unit {unit} is held by {held_by}, and {claimed_by} claims to hold it")]
    NotTheHolder {
        /// The unit.
        unit: UnitId,
        /// Who holds it.
        held_by: PublicKey,
        /// Who claims to.
        claimed_by: PublicKey,
    },
    /// A unit that has ended already.
    #[error("unit {unit} was consumed by {held_by}, and {claimed_by} claims to hold it")]
    AlreadyConsumed {
        /// The unit.
        unit: UnitId,
        /// Who held it at the end.
        held_by: PublicKey,
        /// Who claims to hold it.
        claimed_by: PublicKey,
    },
    /// A step that is not the unit's next one: signed for a time when it was elsewhere, or used before.
    #[error("step {found} of unit {unit}, where {expected} is next")]
    Step {
        /// The unit.
        unit: UnitId,
        /// The next one.
        expected: u32,
        /// The one given.
        found: u32,
    },
    /// Giver and receiver are one.
    #[error("{holder} hands over to itself")]
    ToItself {
        /// Who.
        holder: PublicKey,
    },
    /// A recalled unit is used, or made in a recalled lot.
    #[error("unit {unit} is recalled since height {height}", height = .since.height.0)]
    Recalled {
        /// The unit.
        unit: UnitId,
        /// Since when.
        since: Dated,
    },
    /// A lot that has no units.
    #[error("lot {lot} has no units")]
    UnknownLot {
        /// The lot.
        lot: Code,
    },
    /// A unit that is to be recalled and was never made.
    #[error("unit {unit} is to be recalled and was never made")]
    NothingToRecall {
        /// The unit.
        unit: UnitId,
    },
    /// A lot or unit that is recalled already.
    #[error("recalled at height {height} already", height = .since.height.0)]
    AlreadyRecalled {
        /// Since when.
        since: Dated,
    },
}

impl CustodyError {
    /// The rule's name, stable across versions.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "custody-genesis",
            Self::Registrars(_) => "custody-registrars",
            Self::OtherRegistrars => "custody-other-registrars",
            Self::Payload(_) => "custody-payload",
            Self::Signatures(_) => "custody-signatures",
            Self::UnitOrder => "custody-unit-order",
            Self::NoUnits => "custody-no-units",
            Self::UnknownProduct { .. } => "custody-unknown-product",
            Self::Assignment { .. } => "custody-assignment",
            Self::NotTheMaker { .. } => "custody-maker",
            Self::AlreadyMade { .. } => "custody-already-made",
            Self::UnknownUnit { .. } => "custody-unknown-unit",
            Self::NotTheHolder { .. } => "custody-holder",
            Self::AlreadyConsumed { .. } => "custody-already-consumed",
            Self::Step { .. } => "custody-step",
            Self::ToItself { .. } => "custody-to-itself",
            Self::Recalled { .. } => "custody-recalled",
            Self::UnknownLot { .. } => "custody-unknown-lot",
            Self::NothingToRecall { .. } => "custody-nothing-to-recall",
            Self::AlreadyRecalled { .. } => "custody-already-recalled",
        }
    }
}

impl From<CustodyError> for ExecuteError {
    fn from(error: CustodyError) -> Self {
        Rejection { rule: error.rule(), source: Box::new(error) }.into()
    }
}
