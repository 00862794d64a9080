#![doc = include_str!("../README.md")]
#![no_std]

pub use health_chain_application as application;
pub use health_chain_consensus as consensus;
pub use health_chain_contract as contract;
pub use health_chain_data as data;
pub use health_chain_incentive as incentive;
pub use health_chain_network as network;
