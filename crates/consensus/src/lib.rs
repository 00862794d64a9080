#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod chain;
pub mod limits;
pub mod parameters;
pub mod ports;
pub mod reversal;
pub mod solo;
pub mod tree;
pub mod validators;
pub mod verify;
pub mod weight;

pub use chain::{Accepted, Chain, Checkpoint, EngineInput, OpenError, Parts, Tip, TipChange};
pub use parameters::ConsensusParameters;
pub use solo::{Solo, SoloParameters};
pub use validators::{Epochs, Founding, Validator};
pub use verify::{BlockError, HeaderError, VerifiedBlock};
pub use weight::Weight;
