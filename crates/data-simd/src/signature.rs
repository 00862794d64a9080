//! Verifying BIP340 signatures in lanes: the verifier, what is done with scalars, and what vectors are made ready from.

#[cfg(target_arch = "x86_64")]
pub(crate) mod generator;
#[cfg(target_arch = "x86_64")]
pub(crate) mod group;
mod kernel;
#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(target_arch = "x86_64")]
pub(crate) mod limbs;
mod verifier;

pub use kernel::{SignatureKernel, UnknownSignatureKernel, UnsupportedSignatureKernel, signature_kernels};
pub use verifier::LaneVerifier;
