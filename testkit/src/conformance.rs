//! The suites, one per port.

mod hasher;
mod objects;
mod signer;
mod store;

pub use hasher::hasher;
pub use objects::objects;
pub use signer::{signer, verifier};
pub use store::store;
