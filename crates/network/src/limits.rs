//! Every limit of the network layer. The unit stands last in each name; counts have none.

use health_chain_data::limits::{MAX_BLOCK_BYTES, MAX_HEADER_BYTES, MAX_TRANSACTION_BYTES};

// Sizes on the wire.

/// The longest address, in bytes.
pub const MAX_ADDRESS_BYTES: usize = 256;
/// The longest frame, in bytes: a maximal block that an engine proposes, in its envelope.
pub const MAX_FRAME_BYTES: usize = MAX_ENGINE_BYTES + ENVELOPE_BYTES;
/// The longest message between two nodes' engines, in bytes: a proposal of a maximal block, signed.
pub const MAX_ENGINE_BYTES: usize = MAX_BLOCK_BYTES + 512;
/// What an envelope adds to the bytes it carries: tag, request id and length.
pub const ENVELOPE_BYTES: usize = 32;
/// The longest body of a request between applications, or of its answer, in bytes: a range of 256 KiB of a record, and what
/// the application puts around it.
pub const MAX_APP_BODY_BYTES: usize = 256 * 1024 + 4096;
/// Items of one announcement, request, or list of what was not found.
pub const MAX_ITEMS: usize = 2_048;
/// Ids of one locator.
pub const MAX_LOCATOR_IDS: usize = 64;
/// Headers of one answer. An answer with this many says that more follow.
pub const MAX_HEADERS: usize = 400;
/// Addresses of one answer.
pub const MAX_SHARED_ADDRESSES: usize = 128;

// Connections.

/// Connections that this node opens and keeps, unless its settings ask for fewer.
pub const MAX_OUTBOUND_PEERS: usize = 8;
/// Connections that other nodes opened.
pub const MAX_INBOUND_PEERS: usize = 64;
/// Dials under way at once.
pub const MAX_DIALS: usize = 4;
/// Addresses of the settings that are dialled whatever the address book says.
pub const MAX_FIXED_PEERS: usize = 32;
/// Addresses whose failed dials are remembered.
pub const MAX_BACKOFFS: usize = 1_024;
/// How long a dial may take, in milliseconds.
pub const DIAL_TIMEOUT_MILLIS: u64 = 10_000;
/// How long a node that has found nobody to dial in its address book waits before it looks there again, in milliseconds.
pub const DIAL_REST_MILLIS: u64 = 30_000;
/// The wait after the first failed dial, in milliseconds. It doubles with each further one.
pub const MIN_BACKOFF_MILLIS: u64 = 1_000;
/// The longest wait between dials of one address, in milliseconds.
pub const MAX_BACKOFF_MILLIS: u64 = 10 * 60 * 1_000;
/// A connection that lasted this long was no failure, in milliseconds.
pub const STABLE_MILLIS: u64 = 60_000;
/// Outbound peers remembered over a restart, and dialled first.
pub const MAX_ANCHORS: usize = 2;

// Deadlines.

/// How often the caller ticks at least, in milliseconds.
pub const TICK_MILLIS: u64 = 100;
/// How long both sides have for their greetings, in milliseconds.
pub const HANDSHAKE_TIMEOUT_MILLIS: u64 = 10_000;
/// How long a peer may be silent before it is pinged, in milliseconds.
pub const PING_INTERVAL_MILLIS: u64 = 30_000;
/// How long the answer to a ping may take, in milliseconds.
pub const PING_TIMEOUT_MILLIS: u64 = 20_000;
/// How long the answer to a request for headers may take, in milliseconds.
pub const HEADERS_TIMEOUT_MILLIS: u64 = 20_000;
/// How long a peer keeps one of the [`MAX_HEADER_REQUESTS`] places by not answering, in milliseconds.
pub const HEADERS_PATIENCE_MILLIS: u64 = 2_000;
/// How long the answer to a request for blocks may take as a whole, in milliseconds: [`MAX_ANSWER_BYTES`] and a maximal block at
/// 85 kB per second. No peer holds up the sync for longer, however it spaces its blocks.
pub const BLOCKS_TIMEOUT_MILLIS: u64 = 60_000;
/// How long a peer may take for the first block of a request, in milliseconds, before others are asked for its blocks, too.
pub const FIRST_BLOCK_TIMEOUT_MILLIS: u64 = 5_000;
/// How long a requested transaction may take, in milliseconds, before another peer is asked.
pub const TRANSACTION_TIMEOUT_MILLIS: u64 = 10_000;
/// How long the answer to a request between applications may take, in milliseconds.
pub const APP_TIMEOUT_MILLIS: u64 = 30_000;

// Sync.

/// Blocks of one request. One request per peer is under way, so a peer paces itself.
pub const MAX_REQUESTED_BLOCKS: usize = 64;
/// Blocks under way from all peers together.
pub const MAX_BLOCKS_IN_FLIGHT: usize = 256;
/// Requests for headers under way at once, but for slow ones.
pub const MAX_HEADER_REQUESTS: usize = 2;
/// Headers that a peer may send in a row without its branch becoming the heaviest known, before it is asked for more only once in a
/// while: sixteen answers. Nobody honest is as far behind, except in a reorganisation as deep.
pub const MAX_FRUITLESS_HEADERS: usize = 16 * MAX_HEADERS;
/// The time between two requests for headers to a peer that has sent so many, in milliseconds.
pub const FRUITLESS_PAUSE_MILLIS: u64 = 1_000;
/// Blocks that were not taken and are left alone for a while.
pub const MAX_POSTPONED_BLOCKS: usize = 1_024;
/// How long a block that was not taken is left alone, in milliseconds.
pub const POSTPONE_MILLIS: u64 = 1_000;
/// How long a peer that had none of the blocks asked for, or did not send them all in time, is not asked for others, in milliseconds.
pub const PAUSE_MILLIS: u64 = 5_000;
/// How often one of the peers is asked for headers, even if nothing was announced, in milliseconds.
pub const REFRESH_MILLIS: u64 = 30_000;
/// Requests that a peer may leave unanswered before its connection is closed.
pub const MAX_STALLS: u32 = 3;

// Relay.

/// Transactions wanted of which one peer is a source. There is no limit for all peers together, which a few could fill. What is kept on the
/// word of one that lies takes up to 1.5 MB, relay included: measured 172 MB where 116 connections lied, and 223 MB for the moment in which all
/// that did not come is given up.
pub const MAX_FETCHES_PER_PEER: usize = 4_096;
/// What there is room for beyond that, if it is called a revocation.
pub const MAX_RESERVED_FETCHES_PER_PEER: usize = 1_024;
/// How often a transaction may come and not be taken before it is forgotten.
pub const MAX_REFUSALS: u32 = 6;
/// How long a transaction that was not taken twice is left alone at least, in milliseconds. Four times as long after each further time.
pub const REST_MILLIS: u64 = 1_000;
/// Items remembered as known to one peer.
pub const MAX_KNOWN_ITEMS: usize = 8_192;
/// Transactions remembered as dealt with.
pub const MAX_RECENT_ITEMS: usize = 65_536;
/// How long transactions wait to be announced together, in milliseconds. Blocks and revocations don't wait.
pub const ANNOUNCE_MILLIS: u64 = 100;
/// The time between two announcements of tips while a node catches up, in milliseconds.
pub const CATCHING_UP_MILLIS: u64 = 1_000;

// What engines say.

/// Messages of engines kept, so that they can be asked for.
pub const MAX_KEPT_ENGINE_MESSAGES: usize = 4_096;
/// Their bytes, together.
pub const MAX_KEPT_ENGINE_BYTES: usize = 16 * 1024 * 1024;
/// Messages of engines remembered as brought here, whatever they were worth.
pub const MAX_SEEN_ENGINE_MESSAGES: usize = 4_096;
/// Messages that one peer has named and nobody has brought yet. There is no limit for all peers together, which a few could fill.
pub const MAX_MISSING_ENGINE_MESSAGES_PER_PEER: usize = 1_024;
/// Messages in a row that are here already, before their bringer is told that it is enough.
pub const MAX_STALE_ENGINE_MESSAGES: u32 = 3;
/// How long after it was passed on a message that comes once more counts as said again, in milliseconds, and not as a copy that took
/// another way. Every second time that a validator repeats itself (`rebroadcast_millis`, 2,000 unless the chain has another).
pub const ENGINE_AGAIN_MILLIS: u64 = 3_000;
/// How long names of messages wait to be told together, in milliseconds.
pub const ENGINE_NAMES_MILLIS: u64 = 1_000;
/// How long a message that was named may be on its way from somebody else, in milliseconds, before it is asked for.
pub const ENGINE_GRACE_MILLIS: u64 = 200;
/// How long a message that was asked for may take, in milliseconds, before another peer is asked.
pub const ENGINE_PATIENCE_MILLIS: u64 = 2_000;

// Budgets of one peer. What was asked for is free.

/// Messages per second. One that names items counts as one more for every [`ITEMS_PER_MESSAGE`] of them.
pub const MESSAGES_PER_SECOND: u64 = 1_000;
/// Items that cost as much as a message.
pub const ITEMS_PER_MESSAGE: usize = 64;
/// Messages at once.
pub const MAX_BURST_MESSAGES: u64 = 10_000;
/// Bytes per second.
pub const RECEIVED_PER_SECOND_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes at once.
pub const MAX_RECEIVED_BURST_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes per second that a peer is served of what it asks for.
pub const SERVED_PER_SECOND_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes at once that a peer is served of what it asks for.
pub const MAX_SERVED_BURST_BYTES: u64 = 256 * 1024 * 1024;
/// What answering a request for headers counts as, in served bytes.
pub const HEADERS_COST_BYTES: usize = MAX_HEADERS * 80;
/// An answer to one request ends with the item that reaches this, in bytes; the rest is reported as not found.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// Transactions of one answer travel together, in frames that end with the transaction that reaches this, in bytes.
pub const MAX_BATCH_BYTES: usize = 128 * 1024;
/// What a transport has to hold for one peer that reads slowly, in bytes, before it may give up on the peer.
pub const PEER_QUEUE_BYTES: usize = 2 * MAX_FRAME_BYTES;
/// Requests between applications that await one peer's answer.
pub const MAX_APP_REQUESTS: usize = 8;

// Scores.

/// Points at which a peer is banned.
pub const BAN_POINTS: u32 = 100;
/// The time in which one point is forgiven, in milliseconds.
pub const FORGIVE_MILLIS: u64 = 10_000;
/// How long a ban lasts, in milliseconds.
pub const BAN_MILLIS: u64 = 24 * 60 * 60 * 1_000;
/// Bans remembered.
pub const MAX_BANS: usize = 4_096;
/// Peers with points remembered.
pub const MAX_SCORES: usize = 1_024;

// Address book.

/// Buckets of addresses heard of.
pub const NEW_BUCKETS: usize = 256;
/// Buckets of addresses that a connection succeeded to.
pub const TRIED_BUCKETS: usize = 64;
/// Addresses of one bucket.
pub const BUCKET_SLOTS: usize = 32;
/// Buckets that everything heard from one group of sources can reach.
pub const NEW_BUCKETS_PER_SOURCE: usize = 16;
/// Buckets that the tried addresses of one group can reach.
pub const TRIED_BUCKETS_PER_GROUP: usize = 4;
/// The time between two answers to a peer's requests for addresses, in milliseconds.
pub const SHARE_ADDRESSES_MILLIS: u64 = 60_000;
/// The time between two requests to a peer for addresses, in milliseconds.
pub const ASK_ADDRESSES_MILLIS: u64 = 10 * 60 * 1_000;

const _: () = {
    let item = 33;
    let length = 3;
    assert!(MAX_APP_BODY_BYTES + ENVELOPE_BYTES <= MAX_FRAME_BYTES);
    assert!(MAX_ITEMS * item + ENVELOPE_BYTES <= MAX_FRAME_BYTES);
    assert!(MAX_HEADERS * (MAX_HEADER_BYTES + length) + ENVELOPE_BYTES <= MAX_FRAME_BYTES);
    assert!(MAX_SHARED_ADDRESSES * (MAX_ADDRESS_BYTES + length) + ENVELOPE_BYTES <= MAX_FRAME_BYTES);
    // A whole answer, ended by a maximal block, and all answers between applications fit into what the transport holds.
    assert!(MAX_ANSWER_BYTES + MAX_FRAME_BYTES + MAX_APP_REQUESTS * MAX_APP_BODY_BYTES <= PEER_QUEUE_BYTES);
    assert!(MAX_BATCH_BYTES + MAX_TRANSACTION_BYTES + MAX_ITEMS * length + ENVELOPE_BYTES <= MAX_FRAME_BYTES);
    // One frame of any size never exceeds a full budget.
    assert!(MAX_FRAME_BYTES as u64 <= MAX_RECEIVED_BURST_BYTES);
    assert!(MAX_FRAME_BYTES as u64 <= MAX_SERVED_BURST_BYTES);
    assert!(MAX_REQUESTED_BLOCKS <= MAX_ITEMS && MAX_REQUESTED_BLOCKS <= MAX_BLOCKS_IN_FLIGHT);
    assert!(MAX_ITEMS <= MAX_FETCHES_PER_PEER);
    assert!(MIN_BACKOFF_MILLIS <= MAX_BACKOFF_MILLIS);
    assert!(NEW_BUCKETS_PER_SOURCE < NEW_BUCKETS && TRIED_BUCKETS_PER_GROUP < TRIED_BUCKETS);
    assert!(TICK_MILLIS <= ANNOUNCE_MILLIS);
    assert!(MAX_ENGINE_BYTES <= MAX_KEPT_ENGINE_BYTES);
    assert!(HEADERS_PATIENCE_MILLIS < HEADERS_TIMEOUT_MILLIS);
    assert!(FIRST_BLOCK_TIMEOUT_MILLIS <= BLOCKS_TIMEOUT_MILLIS);
};
