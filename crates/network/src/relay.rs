//! Announcing: how what is here becomes known to others. Nothing is announced that was not accepted first.

use alloc::{collections::BTreeMap, vec::Vec};
use core::mem;

use health_chain_data::{Hash, Millis};

use crate::{
    limits::{ANNOUNCE_MILLIS, MAX_ITEMS, MAX_KNOWN_ITEMS},
    message::{Item, Message},
    ports::{PeerId, Priority},
    recent::RecentSet,
};

/// Messages to send, in order.
pub(crate) type Outbox = Vec<(PeerId, Message)>;

pub(crate) struct Relay {
    links: BTreeMap<PeerId, Link>,
    announce_at: Millis,
}

/// One peer.
struct Link {
    known: RecentSet<Hash>,
    /// Blocks, revocations and what these build on: announced at the end of the current step.
    urgent: Vec<Item>,
    /// Other transactions: announced together with those of the next moments.
    queue: Vec<Item>,
}

impl Link {
    const fn new() -> Self {
        Self { known: RecentSet::new(MAX_KNOWN_ITEMS), urgent: Vec::new(), queue: Vec::new() }
    }

    fn announce(&mut self, item: Item) {
        if self.known.insert(item.hash()) {
            self.enqueue(item);
        } else if item.priority() == Priority::Revocation
            && let Some(position) = self.queue.iter().position(|queued| queued.hash() == item.hash())
        {
            // It waits as another transaction, and a revocation that builds on it does not.
            self.queue.remove(position);
            self.enqueue(item);
        }
    }

    fn enqueue(&mut self, item: Item) {
        let queue = if item.priority() == Priority::Bulk { &mut self.queue } else { &mut self.urgent };
        queue.push(item);
    }
}

impl Relay {
    pub(crate) const fn new() -> Self {
        Self { links: BTreeMap::new(), announce_at: Millis::ZERO }
    }

    pub(crate) fn joined(&mut self, peer: PeerId) {
        self.links.insert(peer, Link::new());
    }

    pub(crate) fn left(&mut self, peer: &PeerId) {
        self.links.remove(peer);
    }

    /// Announces to everyone who is not known to have it: [`Relay::flush`] and [`Relay::tick`] send the announcements.
    pub(crate) fn announce(&mut self, item: Item) {
        self.links.values_mut().for_each(|link| link.announce(item));
    }

    /// Announces what waits here to a peer that has just joined.
    pub(crate) fn offer(&mut self, peer: &PeerId, items: Vec<Item>) {
        if let Some(link) = self.links.get_mut(peer) {
            items.into_iter().for_each(|item| link.announce(item));
        }
    }

    /// Announces to a peer once more what it has asked for and an answer had no room for.
    pub(crate) fn announce_again(&mut self, peer: &PeerId, item: Item) {
        if let Some(link) = self.links.get_mut(peer) {
            link.enqueue(item);
        }
    }

    /// Sends the announcements that don't wait, and those that have become many. Called after every step, so that no queue
    /// grows beyond what one step adds.
    pub(crate) fn flush(&mut self) -> Outbox {
        let mut outbox = Vec::new();
        for (peer, link) in &mut self.links {
            if !link.urgent.is_empty() {
                // Stable: what depends on something else stays behind it.
                link.urgent.sort_by_key(Item::priority);
                outbox.extend(announcements(*peer, &mut link.urgent));
            }
            if link.queue.len() >= MAX_ITEMS {
                outbox.extend(announcements(*peer, &mut link.queue));
            }
        }
        outbox
    }

    /// Notes that the peer has the item, because it sent or announced it.
    pub(crate) fn note_known(&mut self, peer: &PeerId, item: Item) {
        if let Some(link) = self.links.get_mut(peer) {
            link.known.insert(item.hash());
        }
    }

    /// Sends the announcements that waited.
    pub(crate) fn tick(&mut self, now: Millis) -> Outbox {
        let mut outbox = Vec::new();
        if self.announce_at <= now {
            self.announce_at = now.saturating_add(ANNOUNCE_MILLIS);
            for (peer, link) in self.links.iter_mut().filter(|(_, link)| !link.queue.is_empty()) {
                outbox.extend(announcements(*peer, &mut link.queue));
            }
        }
        outbox
    }

    /// When what waits is to be announced.
    pub(crate) fn due(&self) -> Millis {
        let waits = self.links.values().any(|link| !link.queue.is_empty());
        if waits { self.announce_at } else { Millis::MAX }
    }
}

/// Empties a queue into announcements: those of revocations first, no message over its limit.
fn announcements(peer: PeerId, queue: &mut Vec<Item>) -> Outbox {
    let items = mem::take(queue);
    let by_priority = items.chunk_by(|one, next| one.priority() == next.priority());
    let chunks = by_priority.flat_map(|items| items.chunks(MAX_ITEMS));
    chunks.map(|chunk| (peer, Message::Announce(chunk.to_vec()))).collect()
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_data::{BlockId, TxId, sha256};

    use super::*;

    const NOW: Millis = Millis(1_000);

    fn peer(name: &str) -> PeerId {
        PeerId(sha256(name.as_bytes()))
    }

    fn id(number: u32) -> TxId {
        TxId(sha256(&number.to_le_bytes()))
    }

    fn relay() -> Relay {
        let mut relay = Relay::new();
        relay.joined(peer("a"));
        relay.joined(peer("b"));
        relay
    }

    #[test]
    fn blocks_and_revocations_are_announced_at_once_and_others_together() {
        let mut relay = relay();
        relay.tick(NOW);
        let block = Item::Block(BlockId::default());
        relay.announce(block);
        relay.announce(block);
        relay.announce(Item::Revocation(id(9)));
        let expected = [Item::Revocation(id(9)), block].map(|item| Message::Announce(vec![item]));
        let flushed: Vec<Message> = relay.flush().into_iter().map(|(_, message)| message).collect();
        assert_eq!(flushed, [expected.clone(), expected].concat(), "once to each, revocations first");
        relay.note_known(&peer("a"), Item::Transaction(id(1)));
        relay.announce(Item::Transaction(id(1)));
        relay.announce(Item::Transaction(id(2)));
        assert_eq!(relay.flush(), [], "these wait");
        assert_eq!(relay.tick(NOW), [], "not yet");
        let both = vec![Item::Transaction(id(1)), Item::Transaction(id(2))];
        let mut expected =
            vec![(peer("a"), Message::Announce(vec![Item::Transaction(id(2))])), (peer("b"), Message::Announce(both))];
        expected.sort_by_key(|(peer, _)| *peer);
        assert_eq!(relay.tick(NOW.saturating_add(ANNOUNCE_MILLIS)), expected);
    }

    #[test]
    fn what_a_revocation_builds_on_does_not_wait_either() {
        let mut relay = relay();
        relay.tick(NOW);
        relay.announce(Item::Transaction(id(1)));
        relay.announce(Item::Transaction(id(2)));
        assert_eq!(relay.flush(), []);
        let urgent = [Item::Revocation(id(2)), Item::Revocation(id(3))];
        urgent.iter().for_each(|item| relay.announce(*item));
        let flushed: Vec<Message> = relay.flush().into_iter().map(|(_, message)| message).collect();
        assert_eq!(flushed, vec![Message::Announce(urgent.to_vec()); 2], "in one message, in their order");
        let later = relay.tick(NOW.saturating_add(ANNOUNCE_MILLIS));
        assert!(later.iter().all(|(_, message)| *message == Message::Announce(vec![Item::Transaction(id(1))])));
        assert_eq!(later.len(), 2, "and the rest as ever");
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut relay = relay();
        for number in 0..3 * MAX_ITEMS as u32 {
            relay.announce(Item::Transaction(id(number)));
            relay.flush();
            assert!(relay.links.values().all(|link| link.queue.len() < MAX_ITEMS));
        }
    }
}
