//! What people do with records: issue, store, share, open, revoke, delete (paper 2.6).
//!
//! Each step is a function over what it needs: keys, a view of the chain's state, an object store, randomness. It returns the
//! operation for the chain and what is to be handed to somebody, and sends nothing itself. Every
//! check has an error variant of its own, so that who discards a record can say why.

mod delete;
mod issue;
mod open;
mod provenance;
mod revoke;
mod share;
mod store;

pub use delete::{DeletionReceipt, ShredError, delete, shred};
pub use issue::{IssueError, Issued, NewRecord, RecordMessage, RecordRequest, issue};
pub use open::{OpenRecordError, Opened, open, open_own};
pub use provenance::{ProvenanceError, verify_provenance};
pub use revoke::{Rotation, RotationError, revoke, rotate};
pub use share::{Share, ShareError, ShareRequest, ShareRequestTerms, share};
pub use store::{Destination, ReceiveError, Received, StoreRecordError, receive, store};

use health_chain_data::{
    ChainId, ObjectId, PublicKey,
    ports::{StateView, StoreError},
    wrap::WrapContext,
};
use thiserror::Error;

use crate::records::{self, ObjectState, Position};

/// The places at which an owner's next operations on an object stand, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Log {
    next: Position,
}

/// Why there is no next operation on an object.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The chain has no such object.
    #[error("{object} is unknown")]
    UnknownObject {
        /// Its id.
        object: ObjectId,
    },
    /// The object has been deleted.
    #[error("{object} is deleted")]
    Deleted {
        /// Its id.
        object: ObjectId,
    },
    /// A counter of the object is used up.
    #[error("a counter of {object} is used up")]
    Exhausted {
        /// Its id.
        object: ObjectId,
    },
    /// The chain's state can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Log {
    /// The log of an object, from behind everything that the chain has. Operations that are on their way to the chain must be
    /// made from one value, or they would take the same places.
    ///
    /// # Errors
    /// Where there is no such object, it is deleted, or its counters are used up.
    pub fn open(view: &dyn StateView, chain: ChainId, object: ObjectId) -> Result<Self, LogError> {
        let state = live_object(view, &object)?;
        let next = Position::next(chain, object, &state).ok_or(LogError::Exhausted { object })?;
        Ok(Self { next })
    }

    /// The next place.
    pub const fn next(&self) -> &Position {
        &self.next
    }

    /// Takes the next place.
    fn take(&mut self) -> Result<Position, LogError> {
        let position = self.next;
        let exhausted = LogError::Exhausted { object: position.object };
        self.next.seq = position.seq.checked_add(1).ok_or(exhausted)?;
        Ok(position)
    }

    /// Takes the next place for an operation that makes a new version, at which all later ones aim.
    fn take_for_version(&mut self) -> Result<(Position, u32), LogError> {
        let position = self.take()?;
        let exhausted = LogError::Exhausted { object: position.object };
        self.next.version = position.version.checked_add(1).ok_or(exhausted)?;
        Ok((position, self.next.version))
    }
}

fn live_object(view: &dyn StateView, object: &ObjectId) -> Result<ObjectState, LogError> {
    match records::object(view, object)? {
        None => Err(LogError::UnknownObject { object: *object }),
        Some(state) if state.deleted_at.is_some() => Err(LogError::Deleted { object: *object }),
        Some(state) => Ok(state),
    }
}

/// What the owner's own wrap of a data key is bound to: it is no grant, so it has no epoch.
const fn own_context(chain: ChainId, object: ObjectId, version: u32, owner: PublicKey) -> WrapContext {
    WrapContext { chain, object, version, epoch: 0, owner, grantee: owner }
}

#[cfg(test)]
mod tests;
