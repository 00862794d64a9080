//! Every limit of this engine. The unit stands last in each name.

pub use health_chain_consensus::limits::MAX_VALIDATORS;
use health_chain_data::limits::{MAX_BLOCK_BYTES, MAX_SEAL_BYTES};

/// Heights above the next one of which messages are kept.
pub const MAX_FUTURE_HEIGHTS: u32 = 2;
/// Heights below the next one of which statements are remembered: whoever was deceived may be that much behind or ahead.
pub const MAX_PAST_HEIGHTS: u32 = 8;
/// Rounds of a height not yet begun of which messages are kept.
pub const MAX_FUTURE_ROUNDS: u32 = 2;
/// Rounds beyond the one under way of which messages are taken: malachite takes no others.
pub const MAX_ROUNDS_AHEAD: u32 = 10;
/// Messages of heights not yet begun that are kept: proposal, prevote and precommit of everyone.
pub const MAX_FUTURE_MESSAGES: usize =
    3 * MAX_VALIDATORS * (MAX_FUTURE_HEIGHTS as usize + 1) * MAX_FUTURE_ROUNDS as usize;
/// Signed statements remembered, the newest ones, so that none is relayed twice and two that conflict are noticed.
pub const MAX_STATEMENTS: usize = 3 * MAX_VALIDATORS * 64;
/// Rounds of one height whose prevotes of a quorum are remembered to be passed on, the latest ones.
pub const MAX_POLKAS: usize = 64;
/// Blocks remembered of one height, those of the latest rounds.
pub const MAX_BLOCKS: usize = 64;
/// The longest signed statement, in bytes: key, signature, height, round, claim with a block and its successors.
pub const MAX_SIGNED_BYTES: usize = 32 + 64 + 5 + 5 + 73;
/// The longest message between engines, in bytes: a proposal with its block, or a certificate of votes.
pub const MAX_MESSAGE_BYTES: usize = MAX_BLOCK_BYTES + MAX_SIGNED_BYTES + 16;
/// The longest successors in a seal, in bytes: a count, keys, powers.
pub const MAX_SUCCESSORS_BYTES: usize = 1 + MAX_VALIDATORS * (32 + 4);
/// The longest entry of the journal, in bytes.
pub const MAX_ENTRY_BYTES: usize = MAX_MESSAGE_BYTES;

const _: () = {
    assert!(MAX_SUCCESSORS_BYTES + 4 + MAX_VALIDATORS.div_ceil(8) + MAX_VALIDATORS * 64 <= MAX_SEAL_BYTES);
    assert!(MAX_VALIDATORS <= u8::MAX as usize);
    assert!(MAX_VALIDATORS * MAX_SIGNED_BYTES < MAX_MESSAGE_BYTES);
};
