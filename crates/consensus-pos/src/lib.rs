#![doc = include_str!("../README.md")]

mod engine;
mod parameters;

pub use engine::{PosError, ProofOfStake};
pub use parameters::{ParametersError, PosParameters};
