#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

pub mod batch;
pub mod block;
pub mod codec;
pub mod commitment;
pub mod genesis;
pub mod hash;
pub mod header;
pub mod keys;
pub mod limits;
pub mod merkle;
pub mod ports;
pub mod pow;
pub mod seal;
pub mod state;
pub mod transaction;
pub mod units;
pub mod wrap;

pub use block::{Block, Body};
pub use commitment::Commitment;
pub use genesis::Genesis;
pub use hash::{BlockId, ChainId, Hash, ObjectId, TxId, sha256, sha256d, tagged_hash};
pub use header::Header;
pub use keys::{PublicKey, SecretKey, Signature};
pub use transaction::{Input, Kind, Lock, OutPoint, Output, TokenId, Transaction, Witness};
pub use units::{Amount, Height, Millis, Timestamp};
