//! The transaction kinds whose rules this layer owns.

use health_chain_data::Kind;

/// Moves coins and does nothing else.
pub const TRANSFER: Kind = Kind(2);
/// Brings fiat tokens into the chain, signed by their issuers.
pub const MINT: Kind = Kind(3);
/// Takes fiat tokens out of the chain, signed by their issuers.
pub const REDEEM: Kind = Kind(4);
/// All of them: no program of the contract layer may claim one.
pub const ALL: [Kind; 3] = [TRANSFER, MINT, REDEEM];
