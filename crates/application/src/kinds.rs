//! The transaction kinds whose programs this layer owns.

use health_chain_data::Kind;

/// An institution commits to attestations ([`crate::records::Issue`]).
pub const ISSUE: Kind = Kind(16);
/// An owner records a sealed object ([`crate::records::Store`]).
pub const STORE: Kind = Kind(17);
/// An owner lets somebody read ([`crate::records::Grant`]).
pub const GRANT: Kind = Kind(18);
/// An owner withdraws one grant ([`crate::records::Revoke`]).
pub const REVOKE: Kind = Kind(19);
/// An owner withdraws every grant of an object ([`crate::records::RevokeAll`]).
pub const REVOKE_ALL: Kind = Kind(20);
/// An owner replaces the sealed object ([`crate::records::NewVersion`]).
pub const NEW_VERSION: Kind = Kind(21);
/// An owner hands an object to another key ([`crate::records::RotateOwner`]).
pub const ROTATE_OWNER: Kind = Kind(22);
/// An owner gives an object up ([`crate::records::Delete`]).
pub const DELETE: Kind = Kind(23);

/// An institution is admitted ([`crate::identities::Register`]).
pub const REGISTER: Kind = Kind(32);
/// An institution changes its key ([`crate::identities::RotateKey`]).
pub const ROTATE_KEY: Kind = Kind(33);
/// An institution leaves ([`crate::identities::Retire`]).
pub const RETIRE: Kind = Kind(34);
/// An institution is given a seat in the council ([`crate::council::Admit`]).
pub const ADMIT_VALIDATOR: Kind = Kind(35);
/// An institution's seat is taken away ([`crate::council::Remove`]).
pub const REMOVE_VALIDATOR: Kind = Kind(36);
