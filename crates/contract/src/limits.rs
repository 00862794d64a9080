//! Every limit of the contract layer. The unit stands last in each name.

use health_chain_data::{
    hash::HASH_BYTES,
    keys::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES},
    limits::{MAX_BLOCK_BYTES, MAX_CHANGES_BYTES, MAX_LOCK_BYTES, MAX_PAYLOAD_BYTES, MAX_WITNESS_ITEMS},
    state::Table,
};

/// The longest script, in bytes (Bitcoin's limit).
pub const MAX_SCRIPT_BYTES: usize = 10_000;
/// The longest item of a script's stack, in bytes (Bitcoin's limit).
pub const MAX_ELEMENT_BYTES: usize = 520;
/// Operations of one script: everything but pushes, and each key of a `CHECKMULTISIG` (Bitcoin's limit).
pub const MAX_OPERATIONS: usize = 201;
/// Items on both stacks of a script together (Bitcoin's limit).
pub const MAX_STACK_ENTRIES: usize = 1_000;
/// The longest number that a script computes with, in bytes (Bitcoin's limit).
pub const MAX_NUMBER_BYTES: usize = 4;
/// The longest number that is a lock time or a sequence, in bytes (BIP65, BIP112).
pub const MAX_LOCK_TIME_NUMBER_BYTES: usize = 5;
/// Keys of one m-of-n lock (Bitcoin's limit on `OP_CHECKMULTISIG`).
pub const MAX_MULTISIG_KEYS: usize = 20;
/// Hash instructions of a lock that count as one signature check towards a block's cap, since each may hash an item of the full length.
pub const HASHES_PER_SIGNATURE_CHECK: usize = 20;
/// Bytes of script that count as one signature check: a thousand small instructions take about as long.
pub const SCRIPT_BYTES_PER_SIGNATURE_CHECK: usize = 1_000;
/// The longest encoded [`crate::notary::Notarization`], in bytes: a commitment, a threshold, two counts, keys and signatures.
pub const MAX_NOTARIZATION_BYTES: usize = 32 + 1 + 1 + 1 + MAX_MULTISIG_KEYS * (PUBLIC_KEY_BYTES + 1 + SIGNATURE_BYTES);
/// The longest code of a product or lot in [`crate::custody`], in bytes: room for what GS1, HIBCC and ICCBA write.
pub const MAX_CODE_BYTES: usize = 32;
/// Units of one operation of [`crate::custody`].
pub const MAX_CUSTODY_UNITS: usize = 1_000;
/// The longest encoded operation of [`crate::custody`], in bytes: a unit and a step for each unit, two codes, two keys, a digest, four
/// counts and tags, and the signatures of as many registrars as there may be.
pub const MAX_CUSTODY_BYTES: usize = MAX_CUSTODY_UNITS * (HASH_BYTES + 5)
    + 2 * (1 + MAX_CODE_BYTES)
    + 2 * PUBLIC_KEY_BYTES
    + HASH_BYTES
    + 8
    + MAX_MULTISIG_KEYS * (1 + SIGNATURE_BYTES);
/// Bytes of state that a program may write, or overwrite, for each byte of its transaction: keys, values and [`ENTRY_BYTES`] for each
/// entry. A sender pays for his bytes, so this bounds what state costs, and what a block and its undo data can grow to.
pub const STATE_BYTES_PER_TRANSACTION_BYTE: usize = 32;
/// What an entry counts beside its key and value, in bytes: a store keeps more of it than those.
pub const ENTRY_BYTES: usize = 32;
/// The fewest shares that a shared key may take: with one, each holder would have it.
pub const MIN_SHARING_THRESHOLD: usize = 2;
/// Shares of one key.
pub const MAX_SHARES: usize = MAX_MULTISIG_KEYS;
/// The longest encoded [`crate::release::Deposit`], in bytes: owner, beneficiary's two keys, stakeholders, points, a hash, two counts.
pub const MAX_DEPOSIT_BYTES: usize = 32 + 64 + 1 + MAX_SHARES * PUBLIC_KEY_BYTES + 1 + MAX_SHARES * 33 + 32;
/// The longest encoded [`crate::release::Standing`], in bytes: a key, a hash, a count, two moments, a stage.
pub const MAX_STANDING_BYTES: usize = 32 + 32 + 5 + 10 + 1 + 10;
/// The longest encoded [`crate::release::Open`], in bytes.
pub const MAX_OPEN_BYTES: usize = MAX_PAYLOAD_BYTES;
/// The first table that a program may own; the state tables below it belong to the ledger.
pub const FIRST_PROGRAM_TABLE: Table = Table(80);

const _: () = {
    assert!(FIRST_PROGRAM_TABLE.0 > Table::FIRST_STATE.0);
    assert!(MAX_NOTARIZATION_BYTES < MAX_PAYLOAD_BYTES);
    assert!(MAX_CUSTODY_BYTES < MAX_PAYLOAD_BYTES);
    // What the programs of the largest block change can be written and undone, and half of the room is left for its money.
    assert!(2 * STATE_BYTES_PER_TRANSACTION_BYTE * MAX_BLOCK_BYTES <= MAX_CHANGES_BYTES);
    assert!(MAX_DEPOSIT_BYTES + SIGNATURE_BYTES < MAX_PAYLOAD_BYTES);
    // What fits into a transaction is never too much for the machine.
    assert!(MAX_LOCK_BYTES <= MAX_SCRIPT_BYTES);
    assert!(MAX_WITNESS_ITEMS <= MAX_STACK_ENTRIES);
};
