//! The transaction kinds whose rules this layer owns.

use health_chain_data::Kind;

/// Moves coins and does nothing else.
pub const TRANSFER: Kind = Kind(2);
/// Brings fiat tokens into the chain, signed by their issuers.
pub const MINT: Kind = Kind(3);
/// Takes fiat tokens out of the chain, signed by their issuers.
pub const REDEEM: Kind = Kind(4);
/// Puts tokens behind a validator ([`crate::stake::Deposit`]).
pub const BOND: Kind = Kind(5);
/// Gives notice of a bond ([`crate::stake::Notice`]).
pub const UNBOND: Kind = Kind(6);
/// Pays out what notice was given of ([`crate::stake::Withdrawal`]).
pub const WITHDRAW: Kind = Kind(7);
/// Kinds that chains without stake refuse.
pub const STAKE: [Kind; 3] = [BOND, UNBOND, WITHDRAW];
/// All of them: no program of the contract layer may claim one.
pub const ALL: [Kind; 6] = [TRANSFER, MINT, REDEEM, BOND, UNBOND, WITHDRAW];
/// Calls a validator to account. Its payload is evidence as the engine makes it; it brings no inputs and pays no fee. Decided here on chains
/// with stake; on others, a program may.
pub const EVIDENCE: Kind = Kind(8);
