//! The tables that this layer owns.

use health_chain_data::state::Table;

/// Node-local: [`crate::audit::AuditEvent`] by index (8 bytes, big-endian), and the extent of the log.
pub const AUDIT_EVENTS: Table = Table(40);
/// Node-local: object id and index of each event (40 bytes), with nothing under them.
pub const AUDIT_BY_OBJECT: Table = Table(41);
