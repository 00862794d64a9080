#![doc = include_str!("../README.md")]

mod error;
mod framing;
mod handshake;
mod identity;
pub mod limits;
mod link;
mod outlet;
mod places;
mod registry;
mod reports;
mod settings;
mod tls;
mod transport;

#[cfg(test)]
mod faults;

pub use error::QuicError;
pub use identity::peer_id;
pub use tls::ALPN;
pub use transport::{QuicConfig, QuicTransport};
