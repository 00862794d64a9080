#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

pub mod limits;
pub mod ports;
pub mod scripts;

pub use scripts::Scripts;
