//! What is known of one peer while this node catches up: what it has said that it has, what it was asked for, and how it kept its word.

use alloc::collections::BTreeSet;

use health_chain_data::{BlockId, Height, Millis};

use crate::limits::{
    BLOCKS_TIMEOUT_MILLIS, FIRST_BLOCK_TIMEOUT_MILLIS, FRUITLESS_PAUSE_MILLIS, HEADERS_PATIENCE_MILLIS,
    HEADERS_TIMEOUT_MILLIS, MAX_FRUITLESS_HEADERS,
};

/// One peer.
pub(super) struct Link {
    /// The height that its greeting claimed: peers that claim more are asked first, and are expected to have the blocks up to there.
    pub(super) claimed: Height,
    /// The last block that it announced or sent the header of.
    pub(super) shown: Option<BlockId>,
    pub(super) wants_headers: bool,
    /// The last id that it announced and that was unknown then.
    pub(super) announced: Option<BlockId>,
    pub(super) headers_until: Option<Millis>,
    /// The last header that it sent: the next request continues there, even on a branch that is not the best one yet.
    pub(super) last_header: Option<BlockId>,
    /// Headers that it has sent, or was waited for in vain, since its headers last were the best: who has the fewest is asked first,
    /// so that headers that lead nowhere keep nobody's that do from being heard of.
    pub(super) fruitless_headers: usize,
    /// Not asked for headers before this moment.
    pub(super) headers_from: Millis,
    pub(super) batch: BTreeSet<BlockId>,
    pub(super) batch_until: Millis,
    /// When the first block of the batch is due. The end of time once it was late: then others are asked, and it may still come.
    pub(super) first_until: Millis,
    pub(super) batch_delivered: bool,
    /// Whether it said, before it was asked, that it has the first block of the batch.
    pub(super) batch_claimed: bool,
    /// Batches of which nothing came, since it last sent a block that it was asked for; those that it said it has not count only where it
    /// had claimed them. Who has the fewest is asked, so that those who never deliver hold up their share of the blocks once.
    pub(super) undelivered: u32,
    pub(super) paused_until: Millis,
    pub(super) stalls: u32,
}

impl Link {
    pub(super) const fn new(claimed: Height) -> Self {
        Self {
            claimed,
            shown: None,
            wants_headers: true,
            announced: None,
            headers_until: None,
            last_header: None,
            fruitless_headers: 0,
            headers_from: Millis::ZERO,
            batch: BTreeSet::new(),
            batch_until: Millis::ZERO,
            first_until: Millis::ZERO,
            batch_delivered: false,
            batch_claimed: false,
            undelivered: 0,
            paused_until: Millis::ZERO,
            stalls: 0,
        }
    }

    /// Whether it has sent more headers to no avail than a branch is likely to be ahead.
    pub(super) const fn is_fruitless(&self) -> bool {
        self.fruitless_headers >= MAX_FRUITLESS_HEADERS
    }

    /// Notes headers that made no branch the best one.
    pub(super) fn add_fruitless(&mut self, now: Millis, headers: usize) {
        self.fruitless_headers = self.fruitless_headers.saturating_add(headers);
        if self.is_fruitless() {
            self.headers_from = now.saturating_add(FRUITLESS_PAUSE_MILLIS);
        }
    }

    pub(super) fn due(&self) -> Millis {
        // From the moment on at which it is slow, others are looked for in every tick.
        let headers =
            self.headers_until.map(|until| until.saturating_sub(HEADERS_TIMEOUT_MILLIS - HEADERS_PATIENCE_MILLIS));
        let first = (!self.batch.is_empty() && !self.batch_delivered).then_some(self.first_until);
        let batch = (!self.batch.is_empty()).then_some(self.batch_until);
        let pauses = [self.paused_until, self.headers_from].into_iter().filter(|until| *until != Millis::ZERO);
        headers.into_iter().chain(first).chain(batch).chain(pauses).fold(Millis::MAX, Millis::min)
    }

    /// Notes that these blocks were asked for. `is_claimed`: the peer has said that it has the first of them.
    pub(super) fn begin_batch(&mut self, now: Millis, ids: &[BlockId], is_claimed: bool) {
        self.batch = ids.iter().copied().collect();
        self.batch_until = now.saturating_add(BLOCKS_TIMEOUT_MILLIS);
        self.first_until = now.saturating_add(FIRST_BLOCK_TIMEOUT_MILLIS);
        self.batch_delivered = false;
        self.batch_claimed = is_claimed;
    }

    /// Notes that a part of the batch is done with. A batch that came to its end with something delivered is no stall.
    pub(super) fn end_batch(&mut self) {
        if self.batch.is_empty() && self.batch_delivered {
            self.stalls = 0;
        }
    }

    pub(super) fn can_be_asked_for_blocks(&self, now: Millis) -> bool {
        self.batch.is_empty() && self.paused_until <= now
    }
}

/// Whether an answer that is due `until` then has taken so long that another peer may be asked in the meantime.
pub(super) const fn is_slow(until: Millis, now: Millis) -> bool {
    now.saturating_add(HEADERS_TIMEOUT_MILLIS - HEADERS_PATIENCE_MILLIS).0 >= until.0
}
