//! The suites, one per port.

mod hasher;
mod signer;
mod store;

pub use hasher::hasher;
pub use signer::{signer, verifier};
pub use store::store;
