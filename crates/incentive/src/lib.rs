#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate self as health_chain_incentive;
#[cfg(test)]
extern crate std;

#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;

pub mod coin;
pub mod cycle;
pub mod issuance;
pub mod kinds;
pub mod ledger;
pub mod limits;
pub mod mempool;
pub mod parameters;
pub mod ports;
pub mod reward;
pub mod spend;
pub mod stake;
pub mod supply;
pub mod tables;
pub mod template;

pub use coin::{Coin, coins, coins_under};
pub use cycle::{Mining, MiningCycle, Step};
pub use issuance::Issuance;
pub use ledger::{Funding, Ledger, LedgerError};
pub use mempool::{Mempool, MempoolError, MempoolPolicy, TipState};
pub use parameters::{IncentiveParameters, ParametersError, Reward, TokenRule};
pub use reward::{RewardError, Rewards};
pub use spend::SingleKey;
pub use stake::{Bond, BondedStake, StakeError, StakeParameters};
pub use supply::{Supply, supply};
pub use template::{Payout, Template, TemplateError};
