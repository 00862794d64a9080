//! A program that releases keys when a condition holds: wills, records that stay closed until a day, keys that several people guard.
//!
//! The owner shares a key among stakeholders ([`crate::sharing`]), wraps her records' data keys to it, and deposits commitments, people and
//! the hash of a condition on the chain. Whoever shows that the condition holds opens the deposit; stakeholders who follow the rules hand
//! out their shares then, to the beneficiary only, and not before (`hand_over`). Until then the owner, while she lives, can renew the
//! deposit or withdraw it.
//!
//! The chain holds no key and no wrap. What keeps the records closed is that fewer than the threshold's stakeholders know nothing; what
//! the chain adds is when the honest ones act, and that all of them see the same answer.
//!
//! Whoever deals, guards or gets shares needs the feature `sharing`; the program itself does not.

mod condition;
mod deposit;
mod error;
#[cfg(feature = "sharing")]
mod hand_over;
#[cfg(feature = "sharing")]
mod letter;
mod open;
mod operation;

pub use condition::{Condition, attestations, either_first, either_second, together};
pub use deposit::{Beneficiary, Deposit, DepositId, SignedDeposit};
pub use error::ReleaseError;
#[cfg(feature = "sharing")]
pub use hand_over::{HandOverError, HandedOver, Refusal, hand_over};
#[cfg(feature = "sharing")]
pub use letter::LetterError;
pub use open::Open;
pub use operation::{Renew, Withdraw};

use alloc::vec::Vec;

use health_chain_consensus::ports::{BlockContext, ExecuteError};
use health_chain_data::{
    Genesis, Hash, Height, Kind, PublicKey, Timestamp, Transaction, TxId,
    codec::{self, Wire},
    ports::{SignatureClaim, StateView, StoreError},
    state::{Overlay, Table, read},
};
use serde::{Deserialize, Serialize};

use crate::{limits::MAX_STANDING_BYTES, ports::Program};

/// Puts a deposit on the chain.
pub const DEPOSIT: Kind = Kind(56);
/// Shows that a deposit's condition holds.
pub const OPEN: Kind = Kind(57);
/// The owner says that she is alive, and under which condition from now on.
pub const RENEW: Kind = Kind(58);
/// The owner takes a deposit back.
pub const TAKE_BACK: Kind = Kind(59);

/// Deposit to what was deposited, which never changes.
pub const DEPOSITS: Table = Table(84);
/// Deposit to how it stands.
pub const STANDINGS: Table = Table(85);

/// How a deposit stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// Whose signature renews and withdraws it.
    pub owner: PublicKey,
    /// The hash of its condition: of the deposit's, until a renewal gives another one.
    pub condition: Hash,
    /// How often it has been renewed.
    pub renewals: u32,
    /// When the owner was last heard of: in the deposit, or in its last renewal.
    pub since: Moment,
    /// What has become of it.
    pub stage: Stage,
}

/// What has become of a deposit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Stage {
    /// Neither opened nor withdrawn.
    Waiting,
    /// The condition has been shown to hold.
    Opened(Moment),
    /// The owner has taken it back.
    Withdrawn(Moment),
}

/// A block's place in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Moment {
    /// Its height.
    pub height: Height,
    /// Its median time past.
    pub time: Timestamp,
}

impl Wire for Standing {
    const MAX_BYTES: usize = MAX_STANDING_BYTES;
}

impl From<&BlockContext> for Moment {
    fn from(context: &BlockContext) -> Self {
        Self { height: context.height, time: context.median_time_past }
    }
}

/// The program of [`DEPOSIT`], [`OPEN`], [`RENEW`] and [`TAKE_BACK`]. Withdrawing needs no fee: each takes a deposit with it, for which
/// one was paid.
#[derive(Debug, Clone, Copy, Default)]
pub struct Release;

impl Release {
    /// What was deposited under this name.
    ///
    /// # Errors
    /// Where the state can't be read.
    pub fn deposit(state: &dyn StateView, id: &DepositId) -> Result<Option<Deposit>, StoreError> {
        read(state, DEPOSITS, id.0.as_bytes())
    }

    /// How a deposit stands.
    ///
    /// # Errors
    /// Where the state can't be read.
    pub fn standing(state: &dyn StateView, id: &DepositId) -> Result<Option<Standing>, StoreError> {
        read(state, STANDINGS, id.0.as_bytes())
    }
}

impl Program for Release {
    fn name(&self) -> &'static str {
        "release"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[DEPOSIT, OPEN, RENEW, TAKE_BACK]
    }

    fn tables(&self) -> &'static [Table] {
        &[DEPOSITS, STANDINGS]
    }

    fn genesis(&self, _: &mut Overlay<'_>, _: &Genesis) -> Result<(), ExecuteError> {
        Ok(())
    }

    fn is_free(&self, transaction: &Transaction) -> bool {
        transaction.kind == TAKE_BACK
    }

    fn signature_checks(&self, transaction: &Transaction) -> u32 {
        match transaction.kind {
            DEPOSIT => payload::<SignedDeposit>(transaction).map_or(0, |signed| signed.signature_checks()),
            OPEN => payload::<Open>(transaction).map_or(0, |open| open.signature_checks()),
            _ => 1,
        }
    }

    fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        _: &TxId,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        match transaction.kind {
            DEPOSIT => payload::<SignedDeposit>(transaction)?.apply(state, context, claims),
            OPEN => payload::<Open>(transaction)?.apply(state, context, claims),
            RENEW => payload::<Renew>(transaction)?.apply(state, context, claims),
            _ => payload::<Withdraw>(transaction)?.apply(state, context, claims),
        }
    }
}

fn payload<T: Wire>(transaction: &Transaction) -> Result<T, ReleaseError> {
    codec::decode(&transaction.payload).map_err(ReleaseError::Payload)
}

/// How a deposit stands that something can still be done with.
fn waiting(state: &dyn StateView, id: &DepositId) -> Result<Standing, ExecuteError> {
    let standing = Release::standing(state, id)?.ok_or(ReleaseError::Unknown)?;
    match standing.stage {
        Stage::Waiting => Ok(standing),
        stage => Err(ReleaseError::Over { stage }.into()),
    }
}

fn put(state: &mut Overlay<'_>, id: &DepositId, standing: &Standing) {
    state.put(STANDINGS, id.0.as_bytes().to_vec(), codec::encode(standing));
}
