//! Announce, request, deliver: how transactions spread, and how blocks are announced. Nothing is announced that was not
//! accepted first; a transaction is requested from one peer at a time, and from the next only if that one fails.

use alloc::{collections::BTreeMap, vec::Vec};
use core::mem;

use health_chain_data::{Hash, Millis, TxId};

use crate::{
    limits::{
        ANNOUNCE_MILLIS, MAX_FETCHES, MAX_FETCHES_PER_PEER, MAX_ITEMS, MAX_KNOWN_ITEMS, MAX_RECENT_ITEMS, MAX_SOURCES,
        TRANSACTION_TIMEOUT_MILLIS,
    },
    message::{Item, Message},
    ports::{PeerId, Priority},
    recent::RecentSet,
};

/// Messages to send, in order.
pub(crate) type Outbox = Vec<(PeerId, Message)>;

pub(crate) struct Relay {
    links: BTreeMap<PeerId, Link>,
    fetches: BTreeMap<TxId, Fetch>,
    /// Taken or already here: never requested again while remembered.
    settled: RecentSet<TxId>,
    /// Not taken, for a reason that the next block may remove.
    ignored: RecentSet<TxId>,
    announce_at: Millis,
}

/// One peer.
struct Link {
    known: RecentSet<Hash>,
    /// Blocks and revocations: announced at the end of the current step.
    urgent: Vec<Item>,
    /// Other transactions: announced together with those of the next moments.
    queue: Vec<Item>,
    fetching: usize,
}

impl Link {
    const fn new() -> Self {
        Self { known: RecentSet::new(MAX_KNOWN_ITEMS), urgent: Vec::new(), queue: Vec::new(), fetching: 0 }
    }

    fn announce(&mut self, item: Item) {
        if self.known.insert(item.hash()) {
            let queue = if item.priority() == Priority::Bulk { &mut self.queue } else { &mut self.urgent };
            queue.push(item);
        }
    }
}

/// A transaction under way.
struct Fetch {
    item: Item,
    from: PeerId,
    until: Millis,
    others: Vec<PeerId>,
}

impl Relay {
    pub(crate) const fn new() -> Self {
        Self {
            links: BTreeMap::new(),
            fetches: BTreeMap::new(),
            settled: RecentSet::new(MAX_RECENT_ITEMS),
            ignored: RecentSet::new(MAX_RECENT_ITEMS),
            announce_at: Millis::ZERO,
        }
    }

    pub(crate) fn joined(&mut self, peer: PeerId) {
        self.links.insert(peer, Link::new());
    }

    /// Forgets the peer; what was under way from it is requested from others.
    pub(crate) fn left(&mut self, now: Millis, peer: &PeerId) -> Outbox {
        if self.links.remove(peer).is_none() {
            return Vec::new();
        }
        let lost: Vec<TxId> = self.fetches.iter().filter(|(_, fetch)| fetch.from == *peer).map(|(id, _)| *id).collect();
        self.retry_all(now, &lost)
    }

    /// Announces to everyone who is not known to have it: [`Relay::flush`] and [`Relay::tick`] send the announcements.
    pub(crate) fn announce(&mut self, item: Item) {
        if let Item::Transaction(id) | Item::Revocation(id) = item {
            self.settled.insert(id);
        }
        self.links.values_mut().for_each(|link| link.announce(item));
    }

    /// Announces what waits here to a peer that has just joined.
    pub(crate) fn offer(&mut self, peer: &PeerId, items: Vec<Item>) {
        if let Some(link) = self.links.get_mut(peer) {
            items.into_iter().for_each(|item| link.announce(item));
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

    /// Reads an announcement of transactions; `is_here` says whether one waits here already. Returns what to request.
    pub(crate) fn announced(
        &mut self,
        now: Millis,
        peer: &PeerId,
        items: &[Item],
        is_here: impl Fn(&TxId) -> bool,
    ) -> Outbox {
        let mut wanted = Vec::new();
        for item in items {
            let (Item::Transaction(id) | Item::Revocation(id)) = *item else { continue };
            self.note_known(peer, *item);
            if self.settled.contains(&id) || self.ignored.contains(&id) || is_here(&id) {
                continue;
            }
            if let Some(fetch) = self.fetches.get_mut(&id) {
                if fetch.from != *peer && fetch.others.len() < MAX_SOURCES && !fetch.others.contains(peer) {
                    fetch.others.push(*peer);
                }
            } else if self.begin(now, *peer, *item, id) {
                wanted.push(*item);
            }
        }
        requests(*peer, wanted)
    }

    /// Whether the transaction is under way from this peer.
    pub(crate) fn is_requested(&self, peer: &PeerId, id: &TxId) -> bool {
        self.fetches.get(id).is_some_and(|fetch| fetch.from == *peer)
    }

    /// Whether the transaction has been dealt with, so that a further copy needs no look.
    pub(crate) fn is_settled(&self, id: &TxId) -> bool {
        self.settled.contains(id)
    }

    /// The transaction came from this peer and was taken, or was here already.
    pub(crate) fn settle(&mut self, peer: &PeerId, id: TxId) {
        self.settled.insert(id);
        self.end(peer, &id);
    }

    /// The transaction came from this peer and was not taken.
    pub(crate) fn ignore(&mut self, peer: &PeerId, id: TxId) {
        self.ignored.insert(id);
        self.end(peer, &id);
    }

    /// The peer sent something invalid under this id, or does not have it: the next peer is asked. The id itself is not held
    /// against anybody, since witnesses are not part of it.
    pub(crate) fn failed(&mut self, now: Millis, peer: &PeerId, id: &TxId) -> Outbox {
        if self.is_requested(peer, id) { self.retry_all(now, &[*id]) } else { Vec::new() }
    }

    /// What was not taken may be welcome on top of a new block.
    pub(crate) fn tip_changed(&mut self) {
        self.ignored.clear();
    }

    /// Sends the announcements that waited, and requests from others what did not come in time.
    pub(crate) fn tick(&mut self, now: Millis) -> Outbox {
        let overdue: Vec<TxId> =
            self.fetches.iter().filter(|(_, fetch)| fetch.until <= now).map(|(id, _)| *id).collect();
        let mut outbox = self.retry_all(now, &overdue);
        if self.announce_at <= now {
            self.announce_at = now.saturating_add(ANNOUNCE_MILLIS);
            for (peer, link) in self.links.iter_mut().filter(|(_, link)| !link.queue.is_empty()) {
                outbox.extend(announcements(*peer, &mut link.queue));
            }
        }
        outbox
    }

    /// When something that is under way is overdue, or what waits is to be announced.
    pub(crate) fn due(&self) -> Millis {
        let overdue = self.fetches.values().map(|fetch| fetch.until).fold(Millis::MAX, Millis::min);
        let waits = self.links.values().any(|link| !link.queue.is_empty());
        if waits { overdue.min(self.announce_at) } else { overdue }
    }

    fn begin(&mut self, now: Millis, from: PeerId, item: Item, id: TxId) -> bool {
        let Some(link) = self.links.get_mut(&from) else { return false };
        if link.fetching >= MAX_FETCHES_PER_PEER || self.fetches.len() >= MAX_FETCHES {
            return false;
        }
        link.fetching += 1;
        let until = now.saturating_add(TRANSACTION_TIMEOUT_MILLIS);
        self.fetches.insert(id, Fetch { item, from, until, others: Vec::new() });
        true
    }

    fn end(&mut self, peer: &PeerId, id: &TxId) {
        if self.is_requested(peer, id) {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: &TxId) -> Option<Fetch> {
        let fetch = self.fetches.remove(id)?;
        if let Some(link) = self.links.get_mut(&fetch.from) {
            link.fetching -= 1;
        }
        Some(fetch)
    }

    /// Requests each transaction from the next peer that announced it, if there is one and it is still wanted.
    fn retry_all(&mut self, now: Millis, ids: &[TxId]) -> Outbox {
        let mut wanted: BTreeMap<PeerId, Vec<Item>> = BTreeMap::new();
        for id in ids {
            let Some(fetch) = self.remove(id) else { continue };
            if self.settled.contains(id) {
                continue;
            }
            let mut others = fetch.others.into_iter();
            if let Some(next) = others.by_ref().find(|next| self.begin(now, *next, fetch.item, *id)) {
                wanted.entry(next).or_default().push(fetch.item);
                let fetch = self.fetches.get_mut(id).expect("begun just now");
                fetch.others = others.collect();
            }
        }
        wanted.into_iter().flat_map(|(peer, items)| requests(peer, items)).collect()
    }
}

/// Requests for the items: revocations in a message of their own, so that they leave first, and no message over its limit.
fn requests(peer: PeerId, items: Vec<Item>) -> Outbox {
    let (urgent, other): (Vec<Item>, Vec<Item>) =
        items.into_iter().partition(|item| item.priority() == Priority::Revocation);
    let chunks = urgent.chunks(MAX_ITEMS).chain(other.chunks(MAX_ITEMS));
    chunks.map(|chunk| (peer, Message::Request(chunk.to_vec()))).collect()
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

    use health_chain_data::{BlockId, sha256};

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

    fn request(name: &str, item: Item) -> (PeerId, Message) {
        (peer(name), Message::Request(vec![item]))
    }

    #[test]
    fn a_transaction_is_requested_once() {
        let mut relay = relay();
        let item = Item::Transaction(id(1));
        assert_eq!(relay.announced(NOW, &peer("a"), &[item], |_| false), [request("a", item)]);
        assert_eq!(relay.announced(NOW, &peer("a"), &[item], |_| false), []);
        assert_eq!(relay.announced(NOW, &peer("b"), &[item], |_| false), []);
        relay.settle(&peer("a"), id(1));
        assert_eq!(relay.announced(NOW, &peer("b"), &[item], |_| false), []);
        assert_eq!(relay.announced(NOW, &peer("b"), &[Item::Transaction(id(2))], |_| true), [], "it is here");
    }

    #[test]
    fn the_next_peer_is_asked_after_a_timeout() {
        let mut relay = relay();
        let item = Item::Transaction(id(1));
        relay.announced(NOW, &peer("a"), &[item], |_| false);
        relay.announced(NOW, &peer("b"), &[item], |_| false);
        let late = NOW.saturating_add(TRANSACTION_TIMEOUT_MILLIS);
        assert_eq!(relay.tick(late), [request("b", item)]);
        assert!(relay.is_requested(&peer("b"), &id(1)));
        assert_eq!(relay.tick(late.saturating_add(TRANSACTION_TIMEOUT_MILLIS)), [], "nobody is left");
        assert!(relay.fetches.is_empty());
        assert!(relay.links.values().all(|link| link.fetching == 0));
    }

    #[test]
    fn the_next_peer_is_asked_when_one_leaves_or_sends_rubbish() {
        let mut relay = relay();
        let item = Item::Revocation(id(1));
        relay.announced(NOW, &peer("a"), &[item], |_| false);
        relay.announced(NOW, &peer("b"), &[item], |_| false);
        assert_eq!(relay.failed(NOW, &peer("b"), &id(1)), [], "nothing was asked of it");
        assert_eq!(relay.left(NOW, &peer("a")), [request("b", item)]);
        assert_eq!(relay.failed(NOW, &peer("b"), &id(1)), []);
        relay.joined(peer("a"));
        assert_eq!(
            relay.announced(NOW, &peer("a"), &[item], |_| false),
            [request("a", item)],
            "the id is not held against a"
        );
    }

    #[test]
    fn revocations_are_requested_in_a_message_of_their_own() {
        let mut relay = relay();
        let (bulk, revocation) = (Item::Transaction(id(1)), Item::Revocation(id(2)));
        let outbox = relay.announced(NOW, &peer("a"), &[bulk, revocation], |_| false);
        assert_eq!(outbox, [request("a", revocation), request("a", bulk)]);
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
    fn an_ignored_transaction_is_welcome_again_with_a_new_tip() {
        let mut relay = relay();
        let item = Item::Transaction(id(1));
        relay.announced(NOW, &peer("a"), &[item], |_| false);
        relay.ignore(&peer("a"), id(1));
        assert_eq!(relay.announced(NOW, &peer("b"), &[item], |_| false), []);
        relay.tip_changed();
        assert_eq!(relay.announced(NOW, &peer("b"), &[item], |_| false), [request("b", item)]);
    }

    #[test]
    fn what_is_under_way_and_what_waits_is_bounded() {
        let mut relay = relay();
        let items: Vec<Item> =
            (0..MAX_FETCHES_PER_PEER as u32 + 5).map(|number| Item::Transaction(id(number))).collect();
        relay.announced(NOW, &peer("a"), &items, |_| false);
        assert_eq!(relay.fetches.len(), MAX_FETCHES_PER_PEER);
        for item in &items {
            relay.announce(*item);
            relay.flush();
            assert!(relay.links.values().all(|link| link.queue.len() < MAX_ITEMS));
        }
    }
}
