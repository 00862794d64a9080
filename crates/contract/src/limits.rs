//! Every limit of the contract layer. The unit stands last in each name.

use health_chain_data::state::Table;

/// Keys of one m-of-n lock (Bitcoin's limit on `OP_CHECKMULTISIG`).
pub const MAX_MULTISIG_KEYS: usize = 20;
/// The first table that a program may own; the state tables below it belong to the ledger.
pub const FIRST_PROGRAM_TABLE: Table = Table(80);

const _: () = assert!(FIRST_PROGRAM_TABLE.0 > Table::FIRST_STATE.0);
