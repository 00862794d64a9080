#![doc = include_str!("../README.md")]

mod arch;
mod hasher;
mod kernel;
mod messages;
mod search;
mod sha256;
mod signature;
mod tree;
mod work;

pub use hasher::{CHUNK_BYTES, LaneHasher};
pub use kernel::{Kernel, UnknownKernel, UnsupportedKernel, kernels};
pub use signature::{
    LaneVerifier, SignatureKernel, UnknownSignatureKernel, UnsupportedSignatureKernel, signature_kernels,
};
