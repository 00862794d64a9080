#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod action;
mod address_book;
mod budget;
mod engine_messages;
mod fetches;
mod handshake;
mod hub;
pub mod limits;
pub mod message;
mod network;
mod outbound;
mod peer;
pub mod ports;
mod random;
mod recent;
mod relay;
mod requests;
mod score;
mod sync;

pub use action::{Action, Report, carry_out};
pub use handshake::Refusal;
pub use hub::{MemoryHub, MemoryTransport};
pub use message::{EncodedTransaction, Hello, Item, Message};
pub use network::{Network, Settings};
pub use peer::PeerInfo;
pub use ports::{
    Address, Direction, Event, Inbound, Local, PeerId, Priority, TipView, Transport, TransportError, Verdict,
};
pub use requests::{RequestError, RequestFailure, RequestId};
pub use score::Offence;
