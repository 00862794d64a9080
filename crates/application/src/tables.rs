//! The tables that this layer owns.

use health_chain_data::state::Table;

/// Node-local: [`crate::audit::AuditEvent`] by index (8 bytes, big-endian), and the extent of the log.
pub const AUDIT_EVENTS: Table = Table(40);
/// Node-local: object id and index of each event (40 bytes), with nothing under them.
pub const AUDIT_BY_OBJECT: Table = Table(41);

/// Node-local: letters to the node's owner, by the order of arrival (8 bytes, big-endian): the sender's id (32 bytes), then the letter.
pub const LETTERS: Table = Table(38);
/// Node-local: the hash of each object's last receipt, by object id.
pub const AUDIT_RECEIPTS: Table = Table(37);

/// Node-local: revocations that this gateway has seen ([`crate::authorize::DenySet`]).
pub const DENIALS: Table = Table(32);
/// Of a wallet's own store: whose it is, and how many keys were handed out.
pub const WALLET: Table = Table(42);
/// Of a wallet's own store: [`crate::wallet::OwnedRecord`] by object id and version (36 bytes, big-endian).
pub const WALLET_RECORDS: Table = Table(43);
/// Of a wallet's own store: [`crate::wallet::Reader`] by object id and grantee's key (64 bytes).
pub const WALLET_READERS: Table = Table(44);

/// State: [`crate::records::ObjectState`] by object id (32 bytes).
pub const OBJECTS: Table = Table(96);
/// State: [`crate::records::GrantState`] by object id and grantee's key (64 bytes).
pub const GRANTS: Table = Table(97);
/// State: [`crate::records::IssueState`] by root (32 bytes).
pub const ISSUES: Table = Table(98);
/// State: [`crate::identities::Institution`] by its id (32 bytes).
pub const INSTITUTIONS: Table = Table(99);
/// State: since when and until when a key speaks for an institution, by key (32 bytes).
pub const INSTITUTION_KEYS: Table = Table(100);
/// State: [`crate::council::Council`], under no key.
pub const COUNCIL: Table = Table(101);
/// State: keys that lost their seats for an offence, with its height (by key, 32 bytes).
pub const STRUCK_KEYS: Table = Table(102);

/// Node-local: what a gateway itself must remember, under a name each: numbers of eight bytes, and the id of the tip.
pub const GATEWAY: Table = Table(33);
/// Node-local: transactions of blocks that may withdraw from an object that is not known yet, by a number (8 bytes, big-endian).
pub const UNPLACED_WITHDRAWALS: Table = Table(34);
/// Node-local: whom the node knew when it was last up.
pub const COMPANY: Table = Table(35);
/// Node-local: evidence that the chain has not acted upon yet, by the offender's key (32 bytes).
pub const ACCUSATIONS: Table = Table(36);
