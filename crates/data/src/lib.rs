#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

pub mod codec;
pub mod hash;
pub mod units;

pub use hash::{Hash, sha256, sha256d, tagged_hash};
pub use units::{Amount, Height, Millis, Timestamp};
