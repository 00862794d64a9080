//! Every limit of the data layer. The unit stands last in each name.

/// The longest seal an engine may put into a header, in bytes: a certificate signed by each of 100 validators, and the 100 that follow them.
pub const MAX_SEAL_BYTES: usize = 10_020;
/// The longest encoded header: 72 fixed bytes and the seal.
pub const MAX_HEADER_BYTES: usize = crate::header::FIXED_BYTES + MAX_SEAL_BYTES;
/// The longest encoded transaction, in bytes.
pub const MAX_TRANSACTION_BYTES: usize = 100_000;
/// Inputs of one transaction.
pub const MAX_INPUTS: usize = 1_000;
/// Outputs of one transaction.
pub const MAX_OUTPUTS: usize = 1_000;
/// The longest lock script, in bytes (Bitcoin's limit on a script).
pub const MAX_LOCK_BYTES: usize = 10_000;
/// Items of one witness (Bitcoin's limit on a script's stack).
pub const MAX_WITNESS_ITEMS: usize = 1_000;
/// The longest payload of a transaction, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;
/// The longest encoded block, in bytes. A genesis document may set a lower limit, never a higher one.
pub const MAX_BLOCK_BYTES: usize = 4 * 1024 * 1024;
/// Transactions of one block, so that a block of the smallest transactions can't take many times its size in memory.
pub const MAX_BLOCK_TRANSACTIONS: usize = 50_000;
/// The longest encoded genesis document, in bytes.
pub const MAX_GENESIS_BYTES: usize = MAX_PAYLOAD_BYTES;
/// The longest name of a network or of a genesis section, in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// The longest encoded batch of changes, in bytes: what undoing the largest block takes, many times over.
pub const MAX_CHANGES_BYTES: usize = 64 * MAX_BLOCK_BYTES;
/// Sections of one genesis document.
pub const MAX_GENESIS_SECTIONS: usize = 16;
/// Claims that are verified together. More than this are verified in several batches, so that memory stays small.
pub const MAX_BATCH_CLAIMS: usize = 2_048;

const _: () = {
    assert!(MAX_PAYLOAD_BYTES < MAX_TRANSACTION_BYTES);
    assert!(MAX_LOCK_BYTES < MAX_TRANSACTION_BYTES);
    assert!(MAX_TRANSACTION_BYTES < MAX_BLOCK_BYTES);
};
