//! Locks in time: `lock_time` as Bitcoin has it, relative locks after BIP68.

use health_chain_consensus::ports::BlockContext;
use health_chain_data::{Height, Input, Timestamp, Transaction};

use super::LedgerError;
use crate::coin::Coin;

/// Below it, a lock time is a height; from it on, a time in seconds (Bitcoin).
pub(super) const LOCK_TIME_THRESHOLD: u32 = 500_000_000;
/// BIP68: the sequence asks for no relative lock.
pub(super) const SEQUENCE_DISABLED: u32 = 1 << 31;
/// BIP68: the relative lock counts time and not blocks.
pub(super) const SEQUENCE_TIME: u32 = 1 << 22;
/// BIP68: the bits that carry the relative lock's length.
pub(super) const SEQUENCE_MASK: u32 = 0xffff;
/// BIP68: a relative lock in time counts units of 2^9 seconds.
pub(super) const SEQUENCE_GRANULARITY: u32 = 9;

/// A transaction may enter a block whose height, or median time past, is above its lock time. As in Bitcoin, a transaction all of whose
/// inputs are final ignores it; one without inputs has nothing to say so with, and never does.
pub(super) fn check_lock_time(transaction: &Transaction, context: &BlockContext) -> Result<(), LedgerError> {
    let lock_time = transaction.lock_time;
    let reached = if lock_time < LOCK_TIME_THRESHOLD {
        lock_time < context.height.0
    } else {
        lock_time < context.median_time_past.0
    };
    let mut inputs = transaction.inputs.iter();
    let ignored = !transaction.inputs.is_empty() && inputs.all(|input| input.sequence == Input::FINAL);
    if lock_time == 0 || reached || ignored { Ok(()) } else { Err(LedgerError::LockTime { lock_time }) }
}

/// An input's relative lock: the spending block stands at least that many blocks, or that much median time past, behind the coin's.
pub(super) fn check_sequence(input: &Input, coin: &Coin, context: &BlockContext) -> Result<(), LedgerError> {
    let (previous, sequence) = (input.previous, input.sequence);
    let length = sequence & SEQUENCE_MASK;
    if sequence & SEQUENCE_DISABLED != 0 {
        return Ok(());
    }
    if sequence & SEQUENCE_TIME != 0 {
        let from: Timestamp = coin.median_time_past.saturating_add(length << SEQUENCE_GRANULARITY);
        if context.median_time_past < from {
            return Err(LedgerError::RelativeTime { previous, from });
        }
    } else {
        let from: Height = coin.height.saturating_add(length);
        if context.height < from {
            return Err(LedgerError::RelativeHeight { previous, from });
        }
    }
    Ok(())
}
