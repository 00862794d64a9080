//! Which messages of consensus engines each peer has, so that none is passed on to where it came from.

use alloc::collections::BTreeMap;

use health_chain_data::{Hash, sha256};

use crate::{limits::MAX_KNOWN_ENGINE_MESSAGES, ports::PeerId, recent::RecentSet};

#[derive(Default)]
pub(crate) struct EngineMessages {
    known: BTreeMap<PeerId, RecentSet<Hash>>,
}

impl EngineMessages {
    pub(crate) fn joined(&mut self, peer: PeerId) {
        self.known.insert(peer, RecentSet::new(MAX_KNOWN_ENGINE_MESSAGES));
    }

    pub(crate) fn left(&mut self, peer: &PeerId) {
        self.known.remove(peer);
    }

    /// The peer sent it, or was sent it.
    pub(crate) fn note_known(&mut self, peer: PeerId, bytes: &[u8]) {
        if let Some(known) = self.known.get_mut(&peer) {
            known.insert(sha256(bytes));
        }
    }

    pub(crate) fn is_known(&self, peer: &PeerId, bytes: &[u8]) -> bool {
        self.known.get(peer).is_some_and(|known| known.contains(&sha256(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_comes_back_knows_nothing() {
        let peer = PeerId(sha256(b"a"));
        let mut messages = EngineMessages::default();
        messages.note_known(peer, b"vote");
        assert!(!messages.is_known(&peer, b"vote"), "not joined");
        messages.joined(peer);
        messages.note_known(peer, b"vote");
        assert!(messages.is_known(&peer, b"vote") && !messages.is_known(&peer, b"other"));
        messages.left(&peer);
        messages.joined(peer);
        assert!(!messages.is_known(&peer, b"vote"));
    }
}
