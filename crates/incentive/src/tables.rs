//! The state tables that this layer owns.

use health_chain_data::state::Table;

/// Unspent outputs ([`crate::Coin`]) by transaction id (32 bytes) and output index (4 bytes, big-endian).
pub const COINS: Table = Table(64);
/// Counters of each token ([`crate::Supply`]) by token id (4 bytes, big-endian).
pub const SUPPLY: Table = Table(65);
/// What stands behind validators ([`crate::Bond`]) by their keys (32 bytes).
pub const BONDS: Table = Table(66);
/// All of them: no program of the contract layer may claim one.
pub const ALL: [Table; 3] = [COINS, SUPPLY, BONDS];
