#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "miner"))]
extern crate std;

pub mod engine;
#[cfg(feature = "miner")]
pub mod miner;
pub mod parameters;
pub mod retarget;
pub mod seal;
pub mod target;

pub use engine::ProofOfWork;
#[cfg(feature = "miner")]
pub use miner::Miner;
pub use parameters::{ParametersError, PowParameters, Retarget};
pub use seal::{PowSealError, Seal};
pub use target::{CompactError, Target};
