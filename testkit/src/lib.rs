#![doc = include_str!("../README.md")]

pub mod conformance;
pub mod sim;
mod steered;

pub use steered::{Steer, SteeredEngine};
