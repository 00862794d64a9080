//! Records on the chain: who issued them, who owns them, who may read them.
//!
//! A record itself never touches the chain. The chain keeps, per object, its owner, a commitment to the record, the tree hash of the
//! sealed bytes and the gateway that holds them ([`ObjectState`]), and per grantee the grant with the owner's signature
//! ([`GrantState`]).
//!
//! What an owner signs forms one ordered log per object: each operation names the place at which it stands ([`Position`]), is
//! valid only with the sequence number after the object's, and so can be neither replayed nor reordered. The
//! signature is separate from the transaction's inputs, so anybody may pay the fee, and withdrawing needs no fee at all.

mod error;
mod grant;
mod issue;
mod object;
mod position;
mod program;
mod state;

pub use error::RecordError;
pub use grant::{Grant, GrantTerms, Permissions, Purpose, Revoke, RevokeAll, payment_hash};
pub use issue::Issue;
pub use object::{Content, Delete, GatewayId, NewVersion, RotateOwner, Store, object_id};
pub use position::{FIRST_VERSION, OwnerSigned, Position};
pub use program::Records;
pub(crate) use state::wrap_commits;
pub use state::{GrantState, IssueState, ObjectState, grant, grants, issue, object};
