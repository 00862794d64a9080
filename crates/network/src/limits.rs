//! Every limit of the network layer. The unit stands last in each name.

/// The longest address, in bytes.
pub const MAX_ADDRESS_BYTES: usize = 256;
