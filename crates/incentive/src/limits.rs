//! Every limit of the incentive layer. The unit stands last in each name.

use health_chain_data::{
    keys::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES},
    limits::{MAX_GENESIS_BYTES, MAX_INPUTS, MAX_LOCK_BYTES, MAX_PAYLOAD_BYTES},
};

/// Tokens of one chain.
pub const MAX_TOKENS: usize = 32;
/// Issuers of one token.
pub const MAX_ISSUERS: usize = 16;
/// The longest symbol of a token, in bytes.
pub const MAX_SYMBOL_BYTES: usize = 12;
/// Decimal places of a token's major unit: 10^18 minor units are the most that fit an amount with room to spare.
pub const MAX_DECIMALS: u8 = 18;
/// Signature checks of one transaction, counted before any is done, so that a transaction can't cost more than this before a block's own
/// cap is compared.
pub const MAX_TRANSACTION_SIGNATURE_CHECKS: u32 = 2_000;
/// The longest encoded [`crate::IncentiveParameters`], in bytes.
pub const MAX_PARAMETERS_BYTES: usize = 32 * 1024;
/// The longest encoded [`crate::Issuance`], in bytes: two varints of 64 bits, one of 32, a count, the signatures.
pub const MAX_ISSUANCE_BYTES: usize = 10 + 10 + 5 + 1 + MAX_ISSUERS * (1 + SIGNATURE_BYTES);
/// The longest encoded [`crate::Coin`], in bytes: its lock, and six numbers at their longest.
pub const MAX_COIN_BYTES: usize = MAX_LOCK_BYTES + 40;
/// The longest encoded [`crate::Supply`], in bytes: seven varints of 64 bits.
pub const MAX_SUPPLY_BYTES: usize = 70;
/// Parts of one bond that are on their way out at once.
pub const MAX_LEAVING: usize = 16;
/// The longest encoded [`crate::Bond`], in bytes: the owner's key, an amount, a count, the parts, a height.
pub const MAX_BOND_BYTES: usize = PUBLIC_KEY_BYTES + 10 + 1 + MAX_LEAVING * (5 + 10) + 6;
/// The longest payload of a coinbase, in bytes: a height and an extra nonce.
pub const MAX_COINBASE_PAYLOAD_BYTES: usize = 5 + 5;

const _: () = {
    // A token costs its keys, its symbol and at most 16 bytes of numbers and counts.
    assert!(MAX_TOKENS * (MAX_ISSUERS * PUBLIC_KEY_BYTES + MAX_SYMBOL_BYTES + 16) + 32 <= MAX_PARAMETERS_BYTES);
    assert!(MAX_PARAMETERS_BYTES < MAX_GENESIS_BYTES);
    assert!(MAX_ISSUANCE_BYTES < MAX_PAYLOAD_BYTES);
    // As many inputs as a transaction may have can be spent, each with a key or with one of two.
    assert!(MAX_TRANSACTION_SIGNATURE_CHECKS as usize >= 2 * MAX_INPUTS);
    // An issuer's index is one byte.
    assert!(MAX_ISSUERS <= u8::MAX as usize);
};
