//! Transactions that peers have and this node has not: each is requested from one peer at a time, and from the next only if that one
//! fails. What came and was not taken is asked for again once something has changed: it may build on what came after it.

use alloc::{collections::BTreeMap, vec::Vec};

use health_chain_data::{Millis, TxId};

use crate::{
    limits::{
        MAX_FETCHES_PER_PEER, MAX_ITEMS, MAX_RECENT_ITEMS, MAX_REFUSALS, MAX_RESERVED_FETCHES_PER_PEER, REST_MILLIS,
        TRANSACTION_TIMEOUT_MILLIS,
    },
    message::{Item, Message},
    ports::{PeerId, Priority},
    recent::RecentSet,
    relay::Outbox,
};

/// Bounded per peer, never as a whole: what some have announced keeps nobody else from being heard.
pub(crate) struct Fetches {
    peers: BTreeMap<PeerId, Share>,
    fetches: BTreeMap<TxId, Fetch>,
    /// Taken or already here: never requested again while remembered.
    settled: RecentSet<TxId>,
    /// How often something has changed that what was not taken may have waited for.
    changes: u64,
    /// Nothing is to be done before this moment. Known without a look at all of them, which may be very many.
    due: Millis,
    /// Something may be resting.
    rests: bool,
}

/// What is kept on one peer's word.
#[derive(Default)]
struct Share {
    /// Transactions of which it is a source.
    count: usize,
    /// Requests in a row that it has not answered in time.
    lapses: u32,
}

impl Share {
    const fn has_room(&self, item: &Item) -> bool {
        let reserved = if is_revocation(item) { MAX_RESERVED_FETCHES_PER_PEER } else { 0 };
        self.count < MAX_FETCHES_PER_PEER + reserved
    }
}

/// A transaction that is wanted.
struct Fetch {
    item: Item,
    /// Whom it was requested from last.
    from: PeerId,
    /// Who else has it, in the order in which they said so.
    others: Vec<PeerId>,
    stage: Stage,
    /// How often it came and was not taken.
    refusals: u32,
}

#[derive(Clone, Copy)]
enum Stage {
    /// On its way, and late from this moment on.
    Requested { until: Millis },
    /// Not taken when there had been so many changes. Requested again after a further one, but not before this moment.
    Resting { changes: u64, until: Millis },
}

impl Fetches {
    pub(crate) const fn new() -> Self {
        Self {
            peers: BTreeMap::new(),
            fetches: BTreeMap::new(),
            settled: RecentSet::new(MAX_RECENT_ITEMS),
            changes: 0,
            due: Millis::MAX,
            rests: false,
        }
    }

    pub(crate) fn joined(&mut self, peer: PeerId) {
        self.peers.insert(peer, Share::default());
    }

    /// Forgets the peer; what was under way from it is requested from others.
    pub(crate) fn left(&mut self, now: Millis, peer: &PeerId) -> Outbox {
        if self.peers.remove(peer).is_none() {
            return Vec::new();
        }
        let mut lost = Vec::new();
        for (id, fetch) in &mut self.fetches {
            fetch.others.retain(|other| other != peer);
            if fetch.from == *peer {
                lost.push(*id);
            }
        }
        self.request_from_next(now, &lost)
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
            if !self.settled.contains(&id) && !is_here(&id) && self.add_source(now, peer, item, id) {
                wanted.push(*item);
            }
        }
        requests(*peer, wanted)
    }

    /// Whether the transaction is under way from this peer.
    pub(crate) fn is_requested(&self, peer: &PeerId, id: &TxId) -> bool {
        let is_requested = |fetch: &Fetch| fetch.from == *peer && matches!(fetch.stage, Stage::Requested { .. });
        self.fetches.get(id).is_some_and(is_requested)
    }

    /// Whether the transaction has been dealt with, so that a further copy needs no look.
    pub(crate) fn is_settled(&self, id: &TxId) -> bool {
        self.settled.contains(id)
    }

    /// The transaction came from this peer and was taken, or was here already.
    pub(crate) fn settle(&mut self, peer: &PeerId, id: TxId) {
        self.settled.insert(id);
        if self.is_requested(peer, &id) {
            self.has_answered(peer);
            self.remove(&id);
        }
    }

    /// Something was taken here: a block, or this node's own transaction or another's. What was not taken before may be welcome now.
    pub(crate) fn changed(&mut self, item: Item) {
        if let Item::Transaction(id) | Item::Revocation(id) = item {
            self.settled.insert(id);
        }
        self.changes += 1;
        if self.rests {
            self.due = Millis::ZERO;
        }
    }

    /// The transaction came from this peer and was not taken. It is asked for again, of another one if there is one, but after ever longer
    /// pauses and only [`MAX_REFUSALS`] times. What rests takes up half of a peer's share at most, except for revocations.
    pub(crate) fn refuse(&mut self, now: Millis, peer: &PeerId, id: TxId) {
        if !self.fetches.contains_key(&id) {
            self.add_source(now, peer, &Item::Transaction(id), id);
        }
        if !self.is_requested(peer, &id) {
            return;
        }
        self.has_answered(peer);
        let is_crowded = self.peers.get(peer).is_none_or(|share| share.count > MAX_FETCHES_PER_PEER / 2);
        let fetch = self.fetches.get_mut(&id).expect("it is requested");
        fetch.refusals += 1;
        if fetch.refusals >= MAX_REFUSALS || is_crowded && !is_revocation(&fetch.item) {
            self.remove(&id);
            return;
        }
        // At once after the first time, when most often only the order was wrong; then after 1, 4, 16 seconds and so on.
        let pause = if fetch.refusals == 1 { 0 } else { REST_MILLIS << (2 * (fetch.refusals - 2)) };
        fetch.stage = Stage::Resting { changes: self.changes, until: now.saturating_add(pause) };
        self.rests = true;
    }

    /// The peer sent something invalid under this id, or does not have it: the next peer is asked. The id itself is not held
    /// against anybody, since witnesses are not part of it.
    pub(crate) fn failed(&mut self, now: Millis, peer: &PeerId, id: &TxId) -> Outbox {
        if self.is_requested(peer, id) { self.request_from_next(now, &[*id]) } else { Vec::new() }
    }

    /// Requests from others what did not come in time, and once more what may be welcome now.
    pub(crate) fn tick(&mut self, now: Millis) -> Outbox {
        if now < self.due {
            return Vec::new();
        }
        let (mut late, mut rested) = (Vec::new(), Vec::new());
        for (id, fetch) in &self.fetches {
            match fetch.stage {
                Stage::Requested { until } if until <= now => {
                    late.push(*id);
                    if let Some(share) = self.peers.get_mut(&fetch.from) {
                        share.lapses = share.lapses.saturating_add(1);
                    }
                }
                Stage::Resting { changes, until } if changes < self.changes && until <= now => rested.push(*id),
                _ => {}
            }
        }
        for id in &rested {
            let fetch = self.fetches.get_mut(id).expect("a key of the map");
            // Whoever brought it may bring it again, if nobody else has it.
            fetch.others.push(fetch.from);
            if let Some(share) = self.peers.get_mut(&fetch.from) {
                share.count += 1;
            }
        }
        late.append(&mut rested);
        let outbox = self.request_from_next(now, &late);
        (self.due, self.rests) = (Millis::MAX, false);
        for fetch in self.fetches.values() {
            match fetch.stage {
                Stage::Requested { until } => self.due = self.due.min(until),
                Stage::Resting { changes, until } => {
                    self.rests = true;
                    if changes < self.changes {
                        self.due = self.due.min(until);
                    }
                }
            }
        }
        outbox
    }

    /// When something that is under way may be late, or something that rests is to be requested again.
    pub(crate) const fn due(&self) -> Millis {
        self.due
    }

    /// Notes that the peer has the transaction. Says whether it is to be requested from it now: nobody else is asked, or only somebody
    /// who has failed more often.
    fn add_source(&mut self, now: Millis, peer: &PeerId, item: &Item, id: TxId) -> bool {
        let Some(share) = self.peers.get(peer).filter(|share| share.has_room(item)) else { return false };
        let until = now.saturating_add(TRANSACTION_TIMEOUT_MILLIS);
        let stage = Stage::Requested { until };
        let is_asked = match self.fetches.get_mut(&id) {
            Some(fetch) if fetch.from == *peer || fetch.others.contains(peer) => return false,
            Some(fetch) => {
                let is_better = self.peers.get(&fetch.from).is_some_and(|other| other.lapses > share.lapses);
                let is_asked = is_better && matches!(fetch.stage, Stage::Requested { .. });
                if is_asked {
                    fetch.others.push(core::mem::replace(&mut fetch.from, *peer));
                    fetch.stage = stage;
                } else {
                    fetch.others.push(*peer);
                }
                is_asked
            }
            None => {
                let fetch = Fetch { item: *item, from: *peer, others: Vec::new(), stage, refusals: 0 };
                self.fetches.insert(id, fetch);
                true
            }
        };
        self.peers.get_mut(peer).expect("it has a share").count += 1;
        self.due = self.due.min(until);
        is_asked
    }

    fn has_answered(&mut self, peer: &PeerId) {
        if let Some(share) = self.peers.get_mut(peer) {
            share.lapses = 0;
        }
    }

    fn remove(&mut self, id: &TxId) {
        let Some(fetch) = self.fetches.remove(id) else { return };
        for source in fetch.others.iter().chain([&fetch.from]) {
            self.release(source);
        }
    }

    fn release(&mut self, source: &PeerId) {
        if let Some(share) = self.peers.get_mut(source) {
            share.count -= 1;
        }
    }

    /// Is done with who was asked last, and requests each transaction from the one of the others that has failed least often, if there is one
    /// and it is still wanted.
    fn request_from_next(&mut self, now: Millis, ids: &[TxId]) -> Outbox {
        let mut wanted: BTreeMap<PeerId, Vec<Item>> = BTreeMap::new();
        let until = now.saturating_add(TRANSACTION_TIMEOUT_MILLIS);
        self.due = self.due.min(until);
        for id in ids {
            let Some(fetch) = self.fetches.get_mut(id) else { continue };
            let lapses = |peer: &PeerId| self.peers.get(peer).map_or(u32::MAX, |share| share.lapses);
            let next = (0..fetch.others.len()).min_by_key(|position| lapses(&fetch.others[*position]));
            let Some(next) = next.filter(|_| !self.settled.contains(id)) else {
                self.remove(id);
                continue;
            };
            let done = core::mem::replace(&mut fetch.from, fetch.others[next]);
            fetch.others.remove(next);
            fetch.stage = Stage::Requested { until };
            wanted.entry(fetch.from).or_default().push(fetch.item);
            self.release(&done);
        }
        wanted.into_iter().flat_map(|(peer, items)| requests(peer, items)).collect()
    }
}

const fn is_revocation(item: &Item) -> bool {
    matches!(item, Item::Revocation(_))
}

/// Requests for the items: revocations in a message of their own, so that they leave first, and no message over its limit.
fn requests(peer: PeerId, items: Vec<Item>) -> Outbox {
    let (urgent, other): (Vec<Item>, Vec<Item>) =
        items.into_iter().partition(|item| item.priority() == Priority::Revocation);
    let chunks = urgent.chunks(MAX_ITEMS).chain(other.chunks(MAX_ITEMS));
    chunks.map(|chunk| (peer, Message::Request(chunk.to_vec()))).collect()
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec};

    use health_chain_data::sha256;

    use super::*;

    const NOW: Millis = Millis(1_000);
    const LATE: Millis = NOW.saturating_add(TRANSACTION_TIMEOUT_MILLIS);

    fn peer(name: &str) -> PeerId {
        PeerId(sha256(name.as_bytes()))
    }

    fn id(number: u32) -> TxId {
        TxId(sha256(&number.to_le_bytes()))
    }

    fn fetches(peers: &[&str]) -> Fetches {
        let mut fetches = Fetches::new();
        peers.iter().for_each(|name| fetches.joined(peer(name)));
        fetches
    }

    fn request(name: &str, item: Item) -> (PeerId, Message) {
        (peer(name), Message::Request(vec![item]))
    }

    impl Fetches {
        fn hears(&mut self, now: Millis, name: &str, item: Item) -> Outbox {
            self.announced(now, &peer(name), &[item], |_| false)
        }

        /// Nothing is kept for anybody.
        fn is_clean(&self) -> bool {
            self.fetches.is_empty() && self.peers.values().all(|share| share.count == 0)
        }
    }

    #[test]
    fn a_transaction_is_requested_once() {
        let mut fetches = fetches(&["a", "b"]);
        let item = Item::Transaction(id(1));
        assert_eq!(fetches.hears(NOW, "a", item), [request("a", item)]);
        assert_eq!(fetches.hears(NOW, "a", item), []);
        assert_eq!(fetches.hears(NOW, "b", item), []);
        fetches.settle(&peer("a"), id(1));
        assert_eq!(fetches.hears(NOW, "b", item), []);
        let here = fetches.announced(NOW, &peer("b"), &[Item::Transaction(id(2))], |_| true);
        assert_eq!(here, [], "it is here");
        assert!(fetches.is_clean());
    }

    #[test]
    fn the_next_peer_is_asked_after_a_timeout() {
        let mut fetches = fetches(&["a", "b"]);
        let item = Item::Transaction(id(1));
        fetches.hears(NOW, "a", item);
        fetches.hears(NOW, "b", item);
        assert_eq!(fetches.tick(LATE), [request("b", item)]);
        assert!(fetches.is_requested(&peer("b"), &id(1)));
        assert_eq!(fetches.tick(LATE.saturating_add(TRANSACTION_TIMEOUT_MILLIS)), [], "nobody is left");
        assert!(fetches.is_clean());
    }

    #[test]
    fn the_next_peer_is_asked_when_one_leaves_or_sends_rubbish() {
        let mut fetches = fetches(&["a", "b"]);
        let item = Item::Revocation(id(1));
        fetches.hears(NOW, "a", item);
        fetches.hears(NOW, "b", item);
        assert_eq!(fetches.failed(NOW, &peer("b"), &id(1)), [], "nothing was asked of it");
        assert_eq!(fetches.left(NOW, &peer("a")), [request("b", item)]);
        assert_eq!(fetches.failed(NOW, &peer("b"), &id(1)), []);
        fetches.joined(peer("a"));
        assert_eq!(fetches.hears(NOW, "a", item), [request("a", item)], "the id is not held against a");
    }

    #[test]
    fn revocations_are_requested_in_a_message_of_their_own() {
        let mut fetches = fetches(&["a"]);
        let (bulk, revocation) = (Item::Transaction(id(1)), Item::Revocation(id(2)));
        let outbox = fetches.announced(NOW, &peer("a"), &[bulk, revocation], |_| false);
        assert_eq!(outbox, [request("a", revocation), request("a", bulk)]);
    }

    #[test]
    fn what_was_not_taken_is_requested_again_once_something_has_changed() {
        let mut fetches = fetches(&["a"]);
        let item = Item::Revocation(id(1));
        fetches.hears(NOW, "a", item);
        fetches.refuse(NOW, &peer("a"), id(1));
        assert_eq!(fetches.tick(NOW), [], "nothing has changed");
        assert_eq!(fetches.tick(LATE), []);
        assert_eq!(fetches.due(), Millis::MAX);
        fetches.changed(Item::Transaction(id(2)));
        assert!(fetches.due() <= NOW);
        assert_eq!(fetches.tick(NOW), [request("a", item)]);
        fetches.settle(&peer("a"), id(1));
        assert!(fetches.is_clean());
    }

    #[test]
    fn what_one_peer_makes_unwelcome_is_requested_from_another() {
        let mut fetches = fetches(&["liar", "honest"]);
        let item = Item::Revocation(id(1));
        fetches.hears(NOW, "liar", item);
        fetches.hears(NOW, "honest", item);
        fetches.refuse(NOW, &peer("liar"), id(1));
        fetches.changed(Item::Block(health_chain_data::BlockId::default()));
        assert_eq!(fetches.tick(NOW), [request("honest", item)]);
    }

    #[test]
    fn what_is_never_taken_is_requested_a_few_times_in_ever_longer_intervals() {
        let mut fetches = fetches(&["a"]);
        let item = Item::Revocation(id(1));
        let (mut now, mut requested) = (NOW, vec![]);
        fetches.hears(now, "a", item);
        fetches.refuse(now, &peer("a"), id(1));
        for number in 0..10_000 {
            fetches.changed(Item::Transaction(id(1_000 + number)));
            // It says so again and again.
            assert_eq!(if fetches.fetches.is_empty() { vec![] } else { fetches.hears(now, "a", item) }, []);
            if !fetches.tick(now).is_empty() {
                requested.push(now.saturating_sub(NOW.0).0);
                fetches.refuse(now, &peer("a"), id(1));
            }
            now = now.saturating_add(100);
        }
        assert_eq!(requested, [0, 1_000, 5_000, 21_000, 85_000]);
        assert_eq!(requested.len() as u32 + 1, MAX_REFUSALS);
        assert!(fetches.is_clean());
    }

    #[test]
    fn what_some_announce_keeps_nobody_else_from_being_heard() {
        let liars: Vec<_> = (0..64).map(|number| format!("liar {number}")).collect();
        let mut fetches = fetches(&["honest"]);
        for (liar, number) in liars.iter().zip(0..) {
            fetches.joined(peer(liar));
            let first = number * MAX_FETCHES_PER_PEER as u32;
            let invented = (first..first + MAX_FETCHES_PER_PEER as u32 + 5).map(|number| Item::Transaction(id(number)));
            fetches.announced(NOW, &peer(liar), &invented.collect::<Vec<_>>(), |_| false);
            assert_eq!(fetches.peers[&peer(liar)].count, MAX_FETCHES_PER_PEER);
        }
        let item = Item::Transaction(id(u32::MAX));
        assert_eq!(fetches.hears(NOW, "honest", item), [request("honest", item)]);
        let revocation = Item::Revocation(id(u32::MAX - 1));
        assert_eq!(fetches.hears(NOW, &liars[0], revocation).len(), 1, "a full share has room for revocations");
    }

    #[test]
    fn however_many_lie_about_a_transaction_who_has_it_is_asked_in_the_end() {
        let mut fetches = fetches(&["honest"]);
        let item = Item::Revocation(id(1));
        for number in 0..64 {
            let liar = format!("liar {number}");
            fetches.joined(peer(&liar));
            fetches.hears(NOW, &liar, item);
        }
        assert_eq!(fetches.hears(NOW, "honest", item), []);
        let mut now = NOW;
        while !fetches.is_requested(&peer("honest"), &id(1)) {
            now = now.saturating_add(TRANSACTION_TIMEOUT_MILLIS);
            assert_eq!(fetches.tick(now).len(), 1, "one is asked after the other");
        }
        fetches.settle(&peer("honest"), id(1));
        assert!(fetches.is_clean());

        // The next time those who did not answer are passed over.
        let item = Item::Revocation(id(2));
        (0..64).for_each(|number| drop(fetches.hears(now, &format!("liar {number}"), item)));
        assert_eq!(fetches.hears(now, "honest", item), [request("honest", item)]);
    }
}
