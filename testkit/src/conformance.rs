//! The suites, one per port.

mod application;
mod effects;
mod engine;
mod executor;
mod hasher;
mod network;
mod objects;
mod program;
mod reward;
mod searcher;
mod service;
mod signatures;
mod signer;
mod spend;
mod store;
mod transport;
mod validators;

pub use application::{access_policy, entropy, record_format};
pub use engine::engine;
pub use executor::executor;
pub use hasher::hasher;
pub use network::{Offers, inbound, local, tip_view};
pub use objects::objects;
pub use program::{program, program_after};
pub use reward::reward;
pub use searcher::searcher;
pub use service::service;
pub use signatures::{Answer, Ask, Genuine, signature_check};
pub use signer::{signer, verifier};
pub use spend::spend_check;
pub use store::store;
pub use transport::transport;
pub use validators::{evidence_check, stake_view};
