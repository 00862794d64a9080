//! Token buckets: how much one peer may send, and may have sent to it.

use health_chain_data::Millis;

use crate::limits::{
    MAX_BURST_MESSAGES, MAX_FRAME_BYTES, MAX_RECEIVED_BURST_BYTES, MAX_SERVED_BURST_BYTES, MESSAGES_PER_SECOND,
    RECEIVED_PER_SECOND_BYTES, SERVED_PER_SECOND_BYTES,
};

/// Fills at a fixed rate up to a fixed level.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    per_second: u64,
    capacity: u64,
    /// In thousandths, so that no time is lost to rounding.
    level_thousandths: u64,
    filled_at: Millis,
}

impl Bucket {
    pub(crate) const fn full(now: Millis, per_second: u64, capacity: u64) -> Self {
        Self { per_second, capacity, level_thousandths: capacity * 1_000, filled_at: now }
    }

    /// Whether there is at least `amount` in it.
    pub(crate) fn holds(&mut self, now: Millis, amount: u64) -> bool {
        self.fill(now);
        self.level_thousandths >= amount.saturating_mul(1_000)
    }

    /// Takes `amount` out, or nothing if there is less.
    pub(crate) fn take(&mut self, now: Millis, amount: u64) -> bool {
        self.fill(now);
        match self.level_thousandths.checked_sub(amount.saturating_mul(1_000)) {
            Some(rest) => {
                self.level_thousandths = rest;
                true
            }
            None => false,
        }
    }

    /// Takes `amount` out, or all that there is.
    pub(crate) fn draw(&mut self, now: Millis, amount: u64) {
        self.fill(now);
        self.level_thousandths = self.level_thousandths.saturating_sub(amount.saturating_mul(1_000));
    }

    fn fill(&mut self, now: Millis) {
        let elapsed = now.saturating_sub(self.filled_at.0).0;
        let level = self.level_thousandths.saturating_add(elapsed.saturating_mul(self.per_second));
        self.level_thousandths = level.min(self.capacity * 1_000);
        self.filled_at = now.max(self.filled_at);
    }
}

/// The budgets of one peer.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    messages: Bucket,
    received_bytes: Bucket,
    served_bytes: Bucket,
}

impl Budget {
    pub(crate) const fn new(now: Millis) -> Self {
        Self {
            messages: Bucket::full(now, MESSAGES_PER_SECOND, MAX_BURST_MESSAGES),
            received_bytes: Bucket::full(now, RECEIVED_PER_SECOND_BYTES, MAX_RECEIVED_BURST_BYTES),
            served_bytes: Bucket::full(now, SERVED_PER_SECOND_BYTES, MAX_SERVED_BURST_BYTES),
        }
    }

    /// Whether something that was not asked for, and counts as that many messages, is still within the budget.
    pub(crate) fn receive(&mut self, now: Millis, messages: usize, bytes: usize) -> bool {
        self.messages.take(now, messages as u64) && self.received_bytes.take(now, bytes as u64)
    }

    /// Whether an answer of any size is still within the budget: asked before anything is done for it, since looking something up may cost
    /// more than sending it.
    pub(crate) fn may_be_served(&mut self, now: Millis) -> bool {
        self.served_bytes.holds(now, MAX_FRAME_BYTES as u64)
    }

    /// Notes what was sent in answer.
    pub(crate) fn served(&mut self, now: Millis, bytes: usize) {
        self.served_bytes.draw(now, bytes as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_runs_dry_and_fills_again() {
        let mut bucket = Bucket::full(Millis(0), 10, 20);
        assert!(bucket.take(Millis(0), 20));
        assert!(!bucket.take(Millis(0), 1));
        assert!(!bucket.take(Millis(99), 1), "a tenth of a second for one");
        assert!(bucket.take(Millis(100), 1));
        assert!(!bucket.take(Millis(1_000_000), 21), "never above its capacity");
        assert!(bucket.take(Millis(1_000_000), 20));
    }

    #[test]
    fn a_clock_that_goes_back_fills_nothing() {
        let mut bucket = Bucket::full(Millis(1_000), 10, 10);
        assert!(bucket.take(Millis(1_000), 10));
        assert!(!bucket.take(Millis(0), 1));
        assert!(!bucket.take(Millis(1_000), 1));
    }

    #[test]
    fn messages_and_bytes_are_counted_apart() {
        let mut budget = Budget::new(Millis(0));
        assert!(budget.receive(Millis(0), 1, MAX_RECEIVED_BURST_BYTES as usize));
        assert!(!budget.receive(Millis(0), 1, 1));
        assert!(budget.may_be_served(Millis(0)));
        let mut budget = Budget::new(Millis(0));
        assert!((0..MAX_BURST_MESSAGES).all(|_| budget.receive(Millis(0), 1, 0)));
        assert!(!budget.receive(Millis(0), 1, 0));
    }
}
