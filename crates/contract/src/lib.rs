#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

pub mod contracts;
pub mod custody;
pub mod limits;
pub mod notary;
pub mod ports;
pub mod quorum;
pub mod release;
pub mod script;
pub mod scripts;
pub mod sharing;

pub use contracts::{ContractError, Contracts, RegistryError};
pub use scripts::Scripts;
