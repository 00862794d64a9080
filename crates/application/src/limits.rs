//! Every limit of the application layer. The unit stands last in each name.

/// The longest sealed object that a store keeps, in bytes.
pub const MAX_OBJECT_BYTES: u64 = 1 << 40;

/// The longest name of a rule in an audit event, in bytes.
pub const MAX_RULE_BYTES: usize = 128;
/// The longest encoded audit event, in bytes.
pub const MAX_AUDIT_EVENT_BYTES: usize = 512;
/// Events in one answer about an object.
pub const MAX_ANSWER_ENTRIES: usize = 1_000;
/// The longest encoded answer, in bytes: each event with the longest proof.
pub const MAX_ANSWER_BYTES: usize = 1024 + MAX_ANSWER_ENTRIES * (MAX_AUDIT_EVENT_BYTES + 3 * 1024);

/// Attestations under one issued root.
pub const MAX_ATTESTATIONS: u32 = 1 << 20;
/// The longest name of a kind of record, in bytes.
pub const MAX_RECORD_TYPE_BYTES: usize = 64;
/// The longest encoded attestation, in bytes.
pub const MAX_ATTESTATION_BYTES: usize = 320;
