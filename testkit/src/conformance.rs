//! The suites, one per port.

mod engine;
mod hasher;
mod objects;
mod signer;
mod store;
mod transport;

pub use engine::engine;
pub use hasher::hasher;
pub use objects::objects;
pub use signer::{signer, verifier};
pub use store::store;
pub use transport::transport;
