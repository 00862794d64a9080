//! How many denials are written down: each is kept for good, and anybody can ask for what is denied.

use std::collections::BTreeMap;

use health_chain_data::Millis;
use health_chain_network::PeerId;

use crate::limits::{DENIALS_MILLIS, MAX_PEER_WRITTEN_DENIALS, MAX_WRITTEN_DENIALS};

/// The denials written down since `since`.
#[derive(Debug, Default)]
pub(super) struct WrittenDenials {
    since: Millis,
    count: usize,
    by_peer: BTreeMap<PeerId, usize>,
}

impl WrittenDenials {
    /// Whether one more of this peer's may be written down now; it is counted then.
    pub(super) fn take_place(&mut self, now: Millis, peer: &PeerId) -> bool {
        if now < self.since || now.saturating_sub(self.since.0).0 >= DENIALS_MILLIS {
            *self = Self { since: now, ..Self::default() };
        }
        let of_peer = self.by_peer.get(peer).copied().unwrap_or(0);
        if self.count >= MAX_WRITTEN_DENIALS || of_peer >= MAX_PEER_WRITTEN_DENIALS {
            return false;
        }
        self.count += 1;
        self.by_peer.insert(*peer, of_peer + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use health_chain_data::sha256;

    use super::*;

    fn peer(number: usize) -> PeerId {
        PeerId(sha256(&number.to_le_bytes()))
    }

    #[test]
    fn each_peer_has_some_and_all_together_have_more() {
        let mut written = WrittenDenials::default();
        let start = Millis(1_000_000_000);
        for number in 0..MAX_WRITTEN_DENIALS {
            assert!(written.take_place(start, &peer(number / MAX_PEER_WRITTEN_DENIALS)));
        }
        assert!(!written.take_place(start, &peer(usize::MAX)), "as many as are kept in the time");
        let next = start.saturating_add(DENIALS_MILLIS);
        for number in 0..2 * MAX_PEER_WRITTEN_DENIALS {
            assert_eq!(written.take_place(next, &peer(0)), number < MAX_PEER_WRITTEN_DENIALS);
        }
        assert!(written.take_place(next, &peer(1)), "another one's");
        assert!(written.take_place(start, &peer(0)), "the clock was set back");
    }
}
