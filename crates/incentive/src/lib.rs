#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate self as health_chain_incentive;

#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;

pub mod coin;
pub mod issuance;
pub mod kinds;
pub mod ledger;
pub mod limits;
pub mod parameters;
pub mod ports;
pub mod reward;
pub mod spend;
pub mod supply;
pub mod tables;

pub use coin::{Coin, coins};
pub use issuance::Issuance;
pub use ledger::{Funding, Ledger, LedgerError};
pub use parameters::{IncentiveParameters, ParametersError, Reward, TokenRule};
pub use reward::{RewardError, Rewards};
pub use spend::SingleKey;
pub use supply::{Supply, supply};
