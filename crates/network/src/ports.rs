//! The seams of the network layer: how frames travel, what the chain above knows, and who takes what arrives.

use alloc::{string::String, sync::Arc, vec, vec::Vec};
use core::{fmt, time::Duration};

use health_chain_data::{BlockId, Hash, Header, Height, TxId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    limits::MAX_ADDRESS_BYTES,
    message::{Item, text_at_most},
};

/// Identifies a node: SHA-256 of its public node key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct PeerId(pub Hash);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Where a node can be reached: text that the transport understands (`127.0.0.1:7070` over QUIC), at most
/// [`MAX_ADDRESS_BYTES`] long.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Address(#[serde(deserialize_with = "text_at_most::<MAX_ADDRESS_BYTES, _>")] pub String);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which frames leave first when a link is busy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Priority {
    /// Withdrawals of consent, and signs of life: before everything else.
    Revocation,
    /// Control and chain traffic.
    Chain,
    /// Transactions, peer exchange, records.
    Bulk,
}

/// Who opened a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The other side did.
    Inbound,
    /// We did.
    Outbound,
}

/// Moves whole frames between authenticated peers. Frames of one priority arrive in order, each once or not at all; a
/// connection that loses one is closed.
pub trait Transport: Send {
    /// This node's id.
    fn local(&self) -> PeerId;

    /// Starts connecting. The outcome arrives as an event.
    ///
    /// # Errors
    /// Where the address is not one of this transport's.
    fn dial(&mut self, address: &Address) -> Result<(), TransportError>;

    /// Queues a frame.
    ///
    /// # Errors
    /// Where the peer is not connected, the frame is over the limit, or the peer's queue is full.
    fn send(&mut self, peer: &PeerId, priority: Priority, frame: Vec<u8>) -> Result<(), TransportError>;

    /// Closes a connection; what is queued for it is lost.
    fn close(&mut self, peer: &PeerId);

    /// The next event, waiting for it at most `patience` (a transport in memory need not wait). `None` where there is none, or
    /// where a [`Waker`] cut the wait short.
    fn poll(&mut self, patience: Duration) -> Option<Event>;

    /// Something that ends a wait in [`Transport::poll`] from another thread.
    fn waker(&self) -> Waker;
}

/// Ends a wait for the next event.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// What a transport reports.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A peer is connected, and both sides have proven their keys.
    Connected {
        /// The peer.
        peer: PeerId,
        /// Where this node dialled: the address that it dialled, letter by letter. Else the peer's address as seen from here.
        address: Address,
        /// Who dialled.
        direction: Direction,
    },
    /// A whole frame arrived.
    Received {
        /// From whom.
        peer: PeerId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// A connection has ended; nothing more arrives from it.
    Closed {
        /// The peer.
        peer: PeerId,
    },
    /// A dial has failed.
    DialFailed {
        /// The address dialled.
        address: Address,
    },
}

/// Why a transport does not take something.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The address has another form than this transport's.
    #[error("not an address of this transport")]
    Address,
    /// No connection to the peer.
    #[error("not connected")]
    NotConnected,
    /// The frame is over the limit.
    #[error("frame of {bytes} bytes is over the limit")]
    FrameTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The peer does not read fast enough; its queue is full.
    #[error("the peer's queue is full")]
    QueueFull,
}

/// What the network asks the chain above, so that it can sync and relay without knowing consensus.
pub trait TipView {
    /// Id and height of the best chain's last block whose body is here.
    fn tip(&self) -> (BlockId, Height);

    /// Whether the header is known.
    fn has_header(&self, id: &BlockId) -> bool;

    /// Ids on the best header chain from its last one downwards, dense at first, then exponentially sparse, down to genesis.
    fn locator(&self) -> Vec<BlockId>;

    /// Headers of the best chain that follow the first id of `locator` known here, at most `max_headers`.
    fn headers_after(&self, locator: &[BlockId], max_headers: usize) -> Vec<Header>;

    /// Ids of blocks to fetch next, lowest first: on the best header chain, body missing.
    fn missing_bodies(&self, max_blocks: usize) -> Vec<BlockId>;

    /// An encoded block, if its body is here.
    fn block(&self, id: &BlockId) -> Option<Vec<u8>>;

    /// An encoded transaction that waits here.
    fn transaction(&self, id: &TxId) -> Option<Vec<u8>>;

    /// Whether the transaction waits here. Asked for everything that peers announce, so it should cost less than encoding it.
    fn has_transaction(&self, id: &TxId) -> bool {
        self.transaction(id).is_some()
    }

    /// What waits here and has to be elsewhere before the transaction `id` can be taken there, each behind what it builds on itself. A chain
    /// without a pool has none.
    fn ancestors(&self, _id: &TxId) -> Vec<TxId> {
        Vec::new()
    }

    /// What waits here and is worth telling a peer that has just joined, the most urgent first, at most `max_items`: so a
    /// revocation made while two nodes were apart reaches the other one. What a revocation builds on is as urgent, and stands before it. A
    /// chain without a pool has none.
    fn waiting(&self, _max_items: usize) -> Vec<Item> {
        Vec::new()
    }
}

/// Takes what arrives, verifies it at once and says what it was worth. The network relays what is new and valid, and scores
/// exactly the peer that sent what is invalid.
pub trait Inbound {
    /// Headers, lowest first, each on top of the one before.
    fn headers(&mut self, headers: &[Header]) -> Verdict;

    /// An encoded block.
    fn block(&mut self, bytes: &[u8]) -> Verdict;

    /// An encoded transaction.
    fn transaction(&mut self, bytes: &[u8]) -> Verdict;

    /// What another node's consensus engine says. Judged by this node's engine, which says what is to be relayed
    /// ([`crate::Network::relay_engine`]), and what somebody has to answer for ([`crate::Network::blame_engine`]): an engine alone
    /// knows which of its messages are worth it. A chain whose engine says
    /// nothing to others takes none.
    fn engine(&mut self, _bytes: Vec<u8>) {}

    /// A request between applications of two nodes; the answer goes back to `peer` alone. `None` answers nothing.
    fn request(&mut self, peer: &PeerId, body: &[u8]) -> Option<Vec<u8>>;
}

/// The chain above, in both roles. Usually one object is both, so it is borrowed as one.
pub trait Local: TipView + Inbound {}

impl<T: TipView + Inbound> Local for T {}

/// What something that arrived was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// New and valid: kept, and worth relaying to others with this priority.
    Accepted(Priority),
    /// Valid as far as can be told, and already here.
    Known,
    /// Not taken, through no fault of the sender: a parent is missing, the pool is full, it conflicts with something that was
    /// here first, this node's storage failed.
    Ignored,
    /// It breaks a rule that every node checks, whatever its tip. The sender did not verify before it relayed, and is banned.
    Invalid {
        /// The rule.
        rule: &'static str,
    },
}

/// A chain that never grows beyond the header it was made with: for nodes that only relay addresses, and for tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedTip(pub Header);

impl TipView for FixedTip {
    fn tip(&self) -> (BlockId, Height) {
        (self.0.id(), Height::ZERO)
    }

    fn has_header(&self, id: &BlockId) -> bool {
        self.0.id() == *id
    }

    fn locator(&self) -> Vec<BlockId> {
        vec![self.0.id()]
    }

    fn headers_after(&self, _: &[BlockId], _: usize) -> Vec<Header> {
        Vec::new()
    }

    fn missing_bodies(&self, _: usize) -> Vec<BlockId> {
        Vec::new()
    }

    fn block(&self, _: &BlockId) -> Option<Vec<u8>> {
        None
    }

    fn transaction(&self, _: &TxId) -> Option<Vec<u8>> {
        None
    }
}

/// Takes nothing: for nodes that only relay addresses, and for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoInbound;

impl Inbound for NoInbound {
    fn headers(&mut self, _: &[Header]) -> Verdict {
        Verdict::Ignored
    }

    fn block(&mut self, _: &[u8]) -> Verdict {
        Verdict::Ignored
    }

    fn transaction(&mut self, _: &[u8]) -> Verdict {
        Verdict::Ignored
    }

    fn request(&mut self, _: &PeerId, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
