//! The kernels: a file per instruction set, and the only place of the workspace where `unsafe` compiles.
//!
//! Each instruction set has a token type that only run-time detection can make. Vectors are made from tokens, so that
//! whoever holds either has proof that the processor can run the instructions.
#![allow(unsafe_code)]
#![allow(
    clippy::needless_range_loop,
    reason = "an iterator over vectors goes through functions that are not compiled for the instruction set"
)]

pub(crate) mod engine;
pub(crate) mod portable;
mod rounds;
mod vector;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;
