//! Every limit of the application layer. The unit stands last in each name.

/// The longest sealed object that a store keeps, in bytes.
pub const MAX_OBJECT_BYTES: u64 = 1 << 40;
