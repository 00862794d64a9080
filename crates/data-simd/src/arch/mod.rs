//! The kernels: a file per instruction set, and the only place of the workspace where `unsafe` compiles.
//!
//! Each instruction set has a token type that only run-time detection can make. Vectors are made from tokens, so that
//! whoever holds either has proof that the processor can run the instructions.
#![allow(unsafe_code)]
#![allow(
    clippy::needless_range_loop,
    reason = "an iterator over vectors goes through functions that are not compiled for the instruction set"
)]

#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
pub(crate) mod engine;
pub(crate) mod portable;
mod rounds;
mod vector;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;

/// Has bytes fetched that will be read soon: of many messages at a time, the processor does not foresee the next part.
#[inline(always)]
pub(crate) fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(64) {
        // SAFETY: a hint, which reads nothing; every x86-64 processor has it.
        unsafe { core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}
