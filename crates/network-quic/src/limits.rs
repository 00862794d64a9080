//! Every limit of this transport. The unit stands last in each name.
//!
//! Together they bound what strangers can make a node hold: see the section on limits in the crate's documentation.

use std::time::Duration;

use health_chain_network::limits::{
    MAX_DIALS, MAX_FIXED_PEERS, MAX_INBOUND_PEERS, MAX_OUTBOUND_PEERS, PEER_QUEUE_BYTES,
};

/// The longest frame, in bytes, as the network layer says.
pub use health_chain_network::limits::MAX_FRAME_BYTES;

/// Frames up to this length are counted against their stream's allowance, [`STREAM_ALLOWANCE_BYTES`]. A connection may
/// hold one longer frame at a time, so that a long frame never holds back a short one of another priority.
pub const MAX_SHORT_FRAME_BYTES: usize = 64 << 10;

/// Short frames of one stream that are read but not yet polled, in bytes; then the stream is read no further.
pub const STREAM_ALLOWANCE_BYTES: usize = 256 << 10;

/// What an arrived frame counts for at least, in bytes, so that empty frames are bounded too.
pub const MIN_FRAME_COST_BYTES: usize = 512;

/// Bytes that wait to be sent to one peer with one priority.
pub const MAX_QUEUED_BYTES: usize = PEER_QUEUE_BYTES;

/// What a frame that waits to be sent counts for at least, in bytes.
pub const MIN_QUEUED_COST_BYTES: usize = 64;

/// Short frames are gathered into writes of about this length, in bytes.
pub const WRITE_BATCH_BYTES: usize = 64 << 10;

/// What is read from a stream at once, in bytes.
pub const READ_BUFFER_BYTES: usize = 16 << 10;

/// Bytes of one stream in flight: the flow control window of a stream.
pub const STREAM_WINDOW_BYTES: u32 = 512 << 10;

/// Bytes of all streams of a connection in flight. Every stream can fill its own window, so that none starves another.
pub const CONNECTION_WINDOW_BYTES: u32 = STREAMS * STREAM_WINDOW_BYTES;

/// Streams in each direction of a connection: one per priority.
pub const STREAMS: u32 = 3;

/// Connections that others opened, newcomers included.
pub const MAX_INBOUND_CONNECTIONS: usize = MAX_INBOUND_PEERS + MAX_NEWCOMERS;

/// Connections beyond those that the network layer keeps, so that it hears of newcomers when all its places are taken: whether one of
/// them takes the place of another peer is its decision.
pub const MAX_NEWCOMERS: usize = 8;

/// Connections that this node opened, dials under way included.
pub const MAX_OUTBOUND_CONNECTIONS: usize = MAX_OUTBOUND_PEERS + MAX_FIXED_PEERS + MAX_DIALS;

/// Inbound handshakes under way. From half of them on, a stranger has to prove its address first (QUIC Retry, RFC 9000,
/// section 8.1.2).
pub const MAX_HANDSHAKES: usize = 32;

/// Inbound handshakes under way with one host: an IPv4 address, or /64 of an IPv6 address.
pub const MAX_HANDSHAKES_PER_HOST: usize = 8;

/// A connection whose handshake takes longer is given up, in seconds.
pub const HANDSHAKE_SECONDS: u64 = 5;

/// A frame whose transfer takes longer ends its connection, in seconds.
pub const FRAME_SECONDS: u64 = 120;

/// A connection on which nothing arrives for so long is dead, in seconds.
pub const IDLE_SECONDS: u64 = 20;

/// An idle connection is kept alive with a ping this often, in seconds.
pub const KEEP_ALIVE_SECONDS: u64 = 5;

/// First packets of one connection that are held until it is accepted, in bytes.
pub const MAX_EARLY_BYTES: u64 = 16 << 10;

/// First packets of all connections together that are held until they are accepted, in bytes.
pub const MAX_EARLY_TOTAL_BYTES: u64 = 1 << 20;

/// How long dropping the transport waits at most for its farewells to leave, in milliseconds.
pub const FAREWELL_MILLISECONDS: u64 = 200;

const _: () = assert!(MAX_SHORT_FRAME_BYTES <= STREAM_ALLOWANCE_BYTES, "a short frame fits the allowance");
const _: () = assert!(MAX_FRAME_BYTES <= MAX_QUEUED_BYTES, "the longest frame fits an empty queue");
const _: () = assert!(MAX_INBOUND_CONNECTIONS > MAX_INBOUND_PEERS, "the network layer hears of newcomers");
const _: () = assert!(MAX_QUEUED_BYTES <= u32::MAX as usize, "budgets are counted in 32 bits");
const _: () = assert!(KEEP_ALIVE_SECONDS * 2 < IDLE_SECONDS, "one lost ping does not end a connection");

/// The deadlines of a transport; other values than [`Deadlines::default`] serve the tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    pub(crate) handshake: Duration,
    pub(crate) frame: Duration,
    pub(crate) idle: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(HANDSHAKE_SECONDS),
            frame: Duration::from_secs(FRAME_SECONDS),
            idle: Duration::from_secs(IDLE_SECONDS),
        }
    }
}
