//! Which messages of consensus engines each peer has, so that none is passed on to where it came from.

use alloc::collections::BTreeMap;

use health_chain_data::Hash;

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

    /// The peer sent the message with this SHA-256, or was sent it.
    pub(crate) fn note_known(&mut self, peer: PeerId, name: Hash) {
        if let Some(known) = self.known.get_mut(&peer) {
            known.insert(name);
        }
    }

    pub(crate) fn is_known(&self, peer: &PeerId, name: &Hash) -> bool {
        self.known.get(peer).is_some_and(|known| known.contains(name))
    }
}

#[cfg(test)]
mod tests {
    use health_chain_data::sha256;

    use super::*;

    #[test]
    fn a_peer_that_comes_back_knows_nothing() {
        let peer = PeerId(sha256(b"a"));
        let (vote, other) = (sha256(b"vote"), sha256(b"other"));
        let mut messages = EngineMessages::default();
        messages.note_known(peer, vote);
        assert!(!messages.is_known(&peer, &vote), "not joined");
        messages.joined(peer);
        messages.note_known(peer, vote);
        assert!(messages.is_known(&peer, &vote) && !messages.is_known(&peer, &other));
        messages.left(&peer);
        messages.joined(peer);
        assert!(!messages.is_known(&peer, &vote));
    }
}
