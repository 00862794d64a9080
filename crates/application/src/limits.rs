//! Every limit of the application layer. The unit stands last in each name.

use health_chain_consensus::limits::MAX_VALIDATORS;
use health_chain_data::{limits::MAX_GENESIS_BYTES, wrap::MAX_WRAP_BYTES};
use health_chain_network::limits::MAX_APP_BODY_BYTES;

/// The longest sealed object that a store keeps, in bytes.
pub const MAX_OBJECT_BYTES: u64 = 1 << 40;

/// The longest name of a rule in an audit event, in bytes.
pub const MAX_RULE_BYTES: usize = 128;
/// The longest encoded audit event, in bytes.
pub const MAX_AUDIT_EVENT_BYTES: usize = 512;
/// Events in one answer about an object.
pub const MAX_ANSWER_ENTRIES: usize = 1_000;
/// The longest encoded answer, in bytes: each event with the longest proof.
pub const MAX_ANSWER_BYTES: usize = 1024 + MAX_ANSWER_ENTRIES * (MAX_AUDIT_EVENT_BYTES + 3 * 1024);

/// Attestations under one issued root.
pub const MAX_ATTESTATIONS: u32 = 1 << 20;
/// The longest name of a kind of record, in bytes.
pub const MAX_RECORD_TYPE_BYTES: usize = 64;
/// The longest encoded attestation, in bytes.
pub const MAX_ATTESTATION_BYTES: usize = 320;
/// The longest media type of a record, in bytes.
pub const MAX_MEDIA_TYPE_BYTES: usize = 127;
/// The longest encoded description of a document, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 4 * 1024;

/// The longest encoded record of a wallet, in bytes.
pub const MAX_OWNED_RECORD_BYTES: usize = 32 + 2 * 5 + MAX_WRAP_BYTES;
/// The longest encoded reader of a wallet, in bytes.
pub const MAX_READER_BYTES: usize = 1024;

/// The longest message from an institution to a patient, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024 * 1024;
/// The longest encoded request for a grant, in bytes.
pub const MAX_SHARE_REQUEST_BYTES: usize = 512;

/// Accreditation keys of one chain.
pub const MAX_ACCREDITORS: usize = 32;
/// Institutions that a genesis document may register.
pub const MAX_INITIAL_INSTITUTIONS: usize = 256;
/// The longest name of an institution, in bytes of UTF-8.
pub const MAX_INSTITUTION_NAME_BYTES: usize = 128;

/// How far after the median time past a grant may end, in seconds: 25 years. A grant that outlives its reason is a mistake, and a
/// number that large is most often a wrong unit.
pub const MAX_GRANT_AHEAD_SECONDS: u32 = 25 * 365 * 24 * 60 * 60;

/// Seats of the council: as many as an engine has validators.
pub const MAX_SEATS: usize = MAX_VALIDATORS;
/// The longest payload of a decision of the council, in bytes.
pub const MAX_COUNCIL_OPERATION_BYTES: usize = 7 * 1024;
/// The longest payload of an operation on an object or an identity, in bytes.
pub const MAX_OPERATION_BYTES: usize = 4 * 1024;

/// How old an access request may be, in seconds.
pub const MAX_REQUEST_AGE_SECONDS: u32 = 120;
/// How far ahead of the gateway's clock an access request may be dated, in seconds.
pub const MAX_REQUEST_AHEAD_SECONDS: u32 = 30;
/// Requests whose nonces a gateway remembers at a time.
pub const MAX_SEEN_REQUESTS: usize = 100_000;
/// How far a revocation may be ahead of the object's sequence on the chain, in operations.
pub const MAX_PENDING_OPERATIONS: u64 = 1_024;
/// Withdrawals seen in blocks of branches whose objects are not known yet, kept until they are; beyond them the oldest is forgotten.
pub const MAX_UNPLACED_WITHDRAWALS: usize = 256;
/// Grantees of one object whose revocations are kept apart; beyond them the whole object is denied.
pub const MAX_DENIALS_PER_OBJECT: usize = 1_024;

/// The most bytes of a message or object in one answer.
pub const PIECE_BYTES: u64 = 256 * 1024;
/// The longest encoded request or answer between two nodes' applications, in bytes.
pub const MAX_EXCHANGE_BYTES: usize = MAX_APP_BODY_BYTES;
/// The longest letter to a node's owner, in bytes.
pub const MAX_LETTER_BYTES: usize = 16 * 1024;
/// Letters that wait to be read.
pub const MAX_LETTERS: usize = 256;
/// Letters of one peer that wait to be read.
pub const MAX_PEER_LETTERS: usize = 16;
/// Objects being read from one gateway at a time.
pub const MAX_SESSIONS: usize = 1_024;
/// Objects being read by one requester; the next one takes the place of the oldest.
pub const MAX_REQUESTER_SESSIONS: usize = 32;
/// Objects being read over one connection.
pub const MAX_PEER_SESSIONS: usize = 256;
/// The time for which decisions written into the audit log are counted, in milliseconds.
pub const DECISIONS_MILLIS: u64 = 60_000;
/// Permits that one requester is given in that time. Beyond them it is told that the gateway is busy.
pub const MAX_REQUESTER_PERMITS: usize = 600;
/// Denials of one peer's requests that are written down in that time. Beyond them it is told that the gateway is busy.
pub const MAX_PEER_WRITTEN_DENIALS: usize = 60;
/// Denials that are written down in that time, whoever asks. Nobody with a grant is held up by them.
pub const MAX_WRITTEN_DENIALS: usize = 600;
/// How long an object may be read before leave must be asked for again, in milliseconds.
pub const SESSION_MILLIS: u64 = 60 * 60 * 1000;
/// Bytes of an object that are served before the decision is made again.
pub const MAX_UNCHECKED_BYTES: u64 = 4 * 1024 * 1024;
/// How long an object is served before the decision is made again, in milliseconds.
pub const MAX_UNCHECKED_MILLIS: u64 = 2_000;
/// Events in one answer of a gateway about an object's history.
pub const MAX_ANSWERED_ENTRIES: usize = 64;
/// Offenders against whom a node keeps evidence that the chain has not acted upon yet: as many as decide at a time.
pub const MAX_ACCUSATIONS: usize = MAX_VALIDATORS;

const _: () = {
    // A piece, a letter or a history with what stands around it.
    assert!(PIECE_BYTES as usize + 16 <= MAX_EXCHANGE_BYTES);
    assert!(MAX_LETTER_BYTES + 16 <= MAX_EXCHANGE_BYTES);
    assert!(1024 + MAX_ANSWERED_ENTRIES * (MAX_AUDIT_EVENT_BYTES + 3 * 1024) <= MAX_EXCHANGE_BYTES);
    let name_and_key_bytes = MAX_INSTITUTION_NAME_BYTES + 2 + 32;
    assert!(MAX_INITIAL_INSTITUTIONS * name_and_key_bytes + MAX_ACCREDITORS * 32 < MAX_GENESIS_BYTES);
    // Each ballot: a seat of at most two bytes and a signature.
    assert!(MAX_SEATS * 66 + 256 < MAX_COUNCIL_OPERATION_BYTES);
    assert!(MAX_SEATS <= u8::MAX as usize);
    // Each approval: an index of at most two bytes and a signature.
    assert!(MAX_ACCREDITORS * 66 + MAX_INSTITUTION_NAME_BYTES + 512 < MAX_OPERATION_BYTES);
};
