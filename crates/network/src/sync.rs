//! Headers first, then bodies: how a node catches up. Headers are asked of few peers, bodies of many, one request per peer at a
//! time; what does not come in time is asked of another peer.

mod link;

use alloc::{collections::BTreeMap, vec::Vec};
use core::cmp::Reverse;

use health_chain_data::{BlockId, Header, Height, Millis};

use self::link::{Link, is_slow};
use crate::{
    limits::{
        HEADERS_TIMEOUT_MILLIS, MAX_BLOCKS_IN_FLIGHT, MAX_HEADER_REQUESTS, MAX_HEADERS, MAX_LOCATOR_IDS,
        MAX_POSTPONED_BLOCKS, MAX_REQUESTED_BLOCKS, MAX_STALLS, PAUSE_MILLIS, POSTPONE_MILLIS, REFRESH_MILLIS,
    },
    message::{Item, Message},
    ports::{PeerId, TipView, Verdict},
    relay::Outbox,
};

pub(crate) struct Sync {
    links: BTreeMap<PeerId, Link>,
    fetching: BTreeMap<BlockId, PeerId>,
    /// Blocks that came and were not taken, and until when they are left alone.
    postponed: BTreeMap<BlockId, Millis>,
    refresh_at: Millis,
    last_refreshed: Option<PeerId>,
    /// Something happened that may allow a further request.
    is_due: bool,
}

impl Sync {
    pub(crate) const fn new() -> Self {
        Self {
            links: BTreeMap::new(),
            fetching: BTreeMap::new(),
            postponed: BTreeMap::new(),
            refresh_at: Millis::ZERO,
            last_refreshed: None,
            is_due: false,
        }
    }

    pub(crate) fn joined(&mut self, peer: PeerId, claimed: Height) {
        self.links.insert(peer, Link::new(claimed));
        self.is_due = true;
    }

    pub(crate) fn left(&mut self, peer: &PeerId) {
        if self.links.remove(peer).is_some() {
            self.fetching.retain(|_, from| from != peer);
            self.is_due = true;
        }
    }

    /// Whether nothing is under way and nothing more is known to fetch. Without peers there is nothing to be in step with.
    pub(crate) fn is_in_step(&self, view: &dyn TipView) -> bool {
        let quiet = |link: &Link| link.is_fruitless() || !link.wants_headers && link.headers_until.is_none();
        !self.links.is_empty() && self.links.values().all(quiet) && view.missing_bodies(1).is_empty()
    }

    /// The peer has a block. If this node keeps up otherwise, the block is requested at once: most often its parent is here.
    pub(crate) fn announced(&mut self, now: Millis, peer: PeerId, id: BlockId, view: &dyn TipView) -> Outbox {
        let is_at_rest =
            |link: &Link| link.is_fruitless() || link.headers_until.is_none_or(|until| is_slow(until, now));
        let keeps_up = self.fetching.is_empty() && self.links.values().all(is_at_rest);
        let Some(link) = self.links.get_mut(&peer) else { return Vec::new() };
        link.paused_until = now;
        link.shown = Some(id);
        self.is_due = true;
        if view.has_header(&id) {
            return Vec::new();
        }
        link.announced = Some(id);
        if !keeps_up || link.undelivered > 0 || !link.can_be_asked_for_blocks(now) || !view.missing_bodies(1).is_empty()
        {
            return Vec::new();
        }
        Vec::from([self.request_blocks(now, peer, &[id], true)])
    }

    pub(crate) fn is_asked_for_headers(&self, peer: &PeerId) -> bool {
        self.links.get(peer).is_some_and(|link| link.headers_until.is_some())
    }

    /// Headers came and were judged.
    pub(crate) fn headers(
        &mut self,
        now: Millis,
        peer: &PeerId,
        headers: &[Header],
        verdict: Verdict,
        view: &dyn TipView,
    ) {
        let Some(link) = self.links.get_mut(peer) else { return };
        link.headers_until = None;
        link.wants_headers = false;
        link.announced = None;
        self.is_due = true;
        let Some(last) = headers.last().map(Header::id) else { return };
        let more = headers.len() == MAX_HEADERS && matches!(verdict, Verdict::Accepted(_) | Verdict::Known);
        // A peer that sends the same again has no more to say.
        link.wants_headers = more && link.last_header != Some(last);
        link.last_header = Some(last);
        link.shown = Some(last);
        link.stalls = 0;
        if view.locator().first() == Some(&last) {
            link.fruitless_headers = 0;
        } else {
            link.add_fruitless(now, headers.len());
        }
    }

    /// Whether the peer was asked for the block and may still send it, even if others have been asked, too.
    pub(crate) fn is_asked_for_block(&self, peer: &PeerId, id: &BlockId) -> bool {
        self.links.get(peer).is_some_and(|link| link.batch.contains(id))
    }

    /// A block came and was judged. `is_orphan`: its header does not fit on anything here.
    pub(crate) fn block(&mut self, now: Millis, peer: &PeerId, id: BlockId, verdict: Verdict, is_orphan: bool) {
        self.is_due = true;
        self.release(peer, &id);
        if verdict == Verdict::Ignored && !is_orphan && self.postponed.len() < MAX_POSTPONED_BLOCKS {
            self.postponed.insert(id, now.saturating_add(POSTPONE_MILLIS));
        }
        let Some(link) = self.links.get_mut(peer) else { return };
        link.wants_headers |= is_orphan;
        if link.batch.remove(&id) {
            link.batch_delivered = true;
            link.undelivered = 0;
            link.end_batch();
        }
    }

    /// The peer does not send this one. Having sent none of its batch, it is left alone for a while: nothing worse, unless it had claimed
    /// to have it. A block that is new is often asked of peers that have not heard of it yet.
    pub(crate) fn not_found(&mut self, now: Millis, peer: &PeerId, id: &BlockId) {
        self.release(peer, id);
        let Some(link) = self.links.get_mut(peer) else { return };
        if !link.batch.remove(id) {
            return;
        }
        self.is_due = true;
        if link.announced == Some(*id) {
            link.announced = None;
        }
        link.end_batch();
        if link.batch.is_empty() && !link.batch_delivered {
            link.undelivered += u32::from(link.batch_claimed);
            link.paused_until = now.saturating_add(PAUSE_MILLIS);
        }
    }

    /// The block does not come from this peer any more, or has come.
    fn release(&mut self, peer: &PeerId, id: &BlockId) {
        if self.fetching.get(id) == Some(peer) {
            self.fetching.remove(id);
        }
    }

    /// Takes back what did not come in time. Returns the peers that have left too much unanswered.
    pub(crate) fn tick(&mut self, now: Millis) -> Vec<PeerId> {
        let before = self.postponed.len();
        self.postponed.retain(|_, until| now < *until);
        self.is_due |= self.postponed.len() < before;
        self.refresh(now);
        let mut stalled = Vec::new();
        for (peer, link) in &mut self.links {
            let headers_overdue = link.headers_until.is_some_and(|until| until <= now);
            let silent = !link.batch.is_empty() && !link.batch_delivered && link.first_until <= now;
            let blocks_overdue = !link.batch.is_empty() && link.batch_until <= now;
            if headers_overdue {
                link.headers_until = None;
                link.announced = None;
                link.add_fruitless(now, MAX_HEADERS);
            }
            if silent || blocks_overdue {
                self.fetching.retain(|_, from| from != peer);
                self.is_due = true;
            }
            if silent {
                // A whole block may take longer. Others are asked meanwhile, and what it sends then still counts.
                link.undelivered += 1;
                link.first_until = Millis::MAX;
            }
            if blocks_overdue {
                link.batch.clear();
                link.paused_until = now.saturating_add(PAUSE_MILLIS);
            }
            self.is_due |= headers_overdue || blocks_overdue;
            // Headers may be waiting behind the blocks.
            if headers_overdue && link.batch.is_empty() || blocks_overdue {
                link.stalls += 1;
                if link.stalls >= MAX_STALLS {
                    stalled.push(*peer);
                }
            }
            if link.paused_until != Millis::ZERO && link.paused_until <= now {
                link.paused_until = Millis::ZERO;
                self.is_due = true;
            }
            if link.headers_from != Millis::ZERO && link.headers_from <= now {
                link.headers_from = Millis::ZERO;
                self.is_due = true;
            }
            self.is_due |= link.headers_until.is_some_and(|until| is_slow(until, now));
        }
        stalled
    }

    /// When time alone makes a difference.
    pub(crate) fn due(&self) -> Millis {
        if self.is_due {
            return Millis::ZERO;
        }
        let links = self.links.values().map(Link::due);
        links.chain(self.postponed.values().copied()).fold(self.refresh_at, Millis::min)
    }

    /// The requests that are possible now.
    pub(crate) fn pump(&mut self, now: Millis, view: &dyn TipView) -> Outbox {
        if !self.is_due {
            return Vec::new();
        }
        self.is_due = false;
        let mut outbox = self.request_headers(now, view);
        outbox.extend(self.request_bodies(now, view));
        outbox
    }

    /// Asks one peer after the other for headers, so that a lost announcement or a healed partition is noticed.
    fn refresh(&mut self, now: Millis) {
        if now < self.refresh_at {
            return;
        }
        self.refresh_at = now.saturating_add(REFRESH_MILLIS);
        let after_last = self.links.keys().find(|peer| Some(**peer) > self.last_refreshed);
        let Some(next) = after_last.or_else(|| self.links.keys().next()).copied() else { return };
        self.last_refreshed = Some(next);
        self.links.get_mut(&next).expect("a key of the map").wants_headers = true;
        self.is_due = true;
    }

    fn request_headers(&mut self, now: Millis, view: &dyn TipView) -> Outbox {
        let is_waited_for = |until: Millis| !is_slow(until, now);
        let asked = self.links.values().filter(|link| link.headers_until.is_some_and(is_waited_for)).count();
        let mut wanting: Vec<(usize, Reverse<Height>, Reverse<PeerId>)> = Vec::new();
        for (peer, link) in &mut self.links {
            link.announced = link.announced.filter(|id| !view.has_header(id));
            let announced = link.announced.is_some_and(|id| !self.fetching.contains_key(&id));
            let may_be_asked = link.headers_until.is_none() && link.headers_from <= now;
            if may_be_asked && (link.wants_headers || announced) {
                wanting.push((link.fruitless_headers, Reverse(link.claimed), Reverse(*peer)));
            }
        }
        wanting.sort_unstable();
        wanting.truncate(MAX_HEADER_REQUESTS.saturating_sub(asked));
        let mut outbox = Vec::new();
        for (.., Reverse(peer)) in wanting {
            let link = self.links.get_mut(&peer).expect("a key of the map");
            link.wants_headers = false;
            link.headers_until = Some(now.saturating_add(HEADERS_TIMEOUT_MILLIS));
            let mut locator: Vec<BlockId> = link.last_header.into_iter().chain(view.locator()).collect();
            locator.truncate(MAX_LOCATOR_IDS);
            outbox.push((peer, Message::GetHeaders { locator }));
        }
        outbox
    }

    fn request_bodies(&mut self, now: Millis, view: &dyn TipView) -> Outbox {
        if self.fetching.len() >= MAX_BLOCKS_IN_FLIGHT {
            return Vec::new();
        }
        let mut missing = view.missing_bodies(MAX_BLOCKS_IN_FLIGHT);
        missing.retain(|id| !self.fetching.contains_key(id) && !self.postponed.contains_key(id));
        missing.truncate(MAX_BLOCKS_IN_FLIGHT - self.fetching.len());
        // Who has just announced a missing block or sent its header has it, with those below, and is alive; a height is a mere claim.
        let shown = |link: &Link| missing.iter().rposition(|id| link.shown == Some(*id));
        let may_deliver = self.links.values().filter(|link| link.paused_until <= now);
        let fewest = may_deliver.map(|link| link.undelivered).min().unwrap_or(0);
        let mut idle: Vec<(Option<usize>, Height, PeerId)> = self
            .links
            .iter()
            .filter(|(_, link)| link.undelivered == fewest && link.can_be_asked_for_blocks(now))
            .map(|(peer, link)| (shown(link), link.claimed, *peer))
            .collect();
        if idle.is_empty() {
            return Vec::new();
        }
        idle.sort_by_key(|(shown, claimed, peer)| Reverse((shown.is_some(), *claimed, *peer)));
        // An equal share for everyone, so that all links work; the lowest blocks go to the first.
        let share = missing.len().div_ceil(idle.len()).clamp(1, MAX_REQUESTED_BLOCKS);
        // A block is at least as high as its place above the tip, and higher where others are under way.
        let Height(tip) = view.tip().1;
        let mut outbox = Vec::new();
        for (number, (batch, (shown, claimed, peer))) in missing.chunks(share).zip(idle).enumerate() {
            let first = number * share;
            let is_claimed = shown >= Some(first) || claimed.0 as usize > tip as usize + first;
            outbox.push(self.request_blocks(now, peer, batch, is_claimed));
        }
        outbox
    }

    fn request_blocks(&mut self, now: Millis, peer: PeerId, ids: &[BlockId], is_claimed: bool) -> (PeerId, Message) {
        let link = self.links.get_mut(&peer).expect("only joined peers are asked");
        link.begin_batch(now, ids, is_claimed);
        self.fetching.extend(ids.iter().map(|id| (*id, peer)));
        (peer, Message::Request(ids.iter().copied().map(Item::Block).collect()))
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, format, string::String, vec};
    use core::ops::Range;

    use health_chain_data::{Timestamp, TxId, sha256};

    use super::*;
    use crate::{
        limits::{BLOCKS_TIMEOUT_MILLIS, FIRST_BLOCK_TIMEOUT_MILLIS, FRUITLESS_PAUSE_MILLIS, MAX_FRUITLESS_HEADERS},
        ports::{FixedTip, Priority},
    };

    const NOW: Millis = Millis(1_000_000);

    /// Knows the headers of blocks 0 to `headers`, and misses the bodies listed.
    struct View {
        headers: u32,
        missing: Vec<BlockId>,
    }

    impl TipView for View {
        fn tip(&self) -> (BlockId, Height) {
            (id(0), Height(0))
        }

        fn has_header(&self, wanted: &BlockId) -> bool {
            (0..=self.headers).any(|number| id(number) == *wanted)
        }

        fn locator(&self) -> Vec<BlockId> {
            vec![id(self.headers), id(0)]
        }

        fn headers_after(&self, _: &[BlockId], _: usize) -> Vec<Header> {
            vec![]
        }

        fn missing_bodies(&self, max_blocks: usize) -> Vec<BlockId> {
            self.missing.iter().copied().take(max_blocks).collect()
        }

        fn block(&self, _: &BlockId) -> Option<Vec<u8>> {
            None
        }

        fn transaction(&self, _: &TxId) -> Option<Vec<u8>> {
            None
        }
    }

    fn id(number: u32) -> BlockId {
        BlockId(sha256(&number.to_le_bytes()))
    }

    fn peer(name: &str) -> PeerId {
        PeerId(sha256(name.as_bytes()))
    }

    fn view(missing: Range<u32>) -> View {
        View { headers: missing.end, missing: missing.map(id).collect() }
    }

    /// A sync whose peers have all answered that they have no further headers.
    fn sync(peers: &[&str]) -> Sync {
        let mut sync = Sync::new();
        sync.refresh_at = Millis::MAX;
        for name in peers {
            sync.joined(peer(name), Height(0));
            sync.headers(NOW, &peer(name), &[], Verdict::Known, &view(0..0));
        }
        sync
    }

    fn requested(outbox: &Outbox) -> BTreeMap<PeerId, Vec<BlockId>> {
        let blocks = |items: &[Item]| items.iter().map(|item| BlockId(item.hash())).collect();
        let request = |(peer, message): &(PeerId, Message)| match message {
            Message::Request(items) => Some((*peer, blocks(items))),
            _ => None,
        };
        outbox.iter().filter_map(request).collect()
    }

    fn is_for_headers(outbox: &Outbox, to: &PeerId) -> bool {
        matches!(&outbox[..], [(peer, Message::GetHeaders { .. })] if peer == to)
    }

    #[test]
    fn bodies_are_asked_of_everybody_once() {
        let view = view(1..101);
        let mut sync = sync(&["a", "b", "c"]);
        let asked = requested(&sync.pump(NOW, &view));
        assert_eq!(asked.len(), 3);
        let all: Vec<BlockId> = asked.into_values().flatten().collect();
        assert_eq!(all.len(), 100);
        assert_eq!(BTreeSet::from_iter(all), BTreeSet::from_iter(view.missing.clone()));
        sync.is_due = true;
        assert_eq!(sync.pump(NOW, &view), [], "one request per peer");
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let names: Vec<String> = (0..20).map(|number| format!("{number}")).collect();
        let mut sync = sync(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let asked = requested(&sync.pump(NOW, &view(1..10_000)));
        assert!(asked.values().all(|blocks| blocks.len() <= MAX_REQUESTED_BLOCKS));
        assert_eq!(sync.fetching.len(), MAX_BLOCKS_IN_FLIGHT);
    }

    #[test]
    fn a_peer_that_has_none_of_them_is_left_alone_and_the_next_is_asked() {
        let view = view(1..2);
        let mut sync = sync(&["a", "b"]);
        let first = *requested(&sync.pump(NOW, &view)).keys().next().unwrap();
        sync.not_found(NOW, &first, &id(1));
        let second = *requested(&sync.pump(NOW, &view)).keys().next().unwrap();
        assert_ne!(first, second);
        sync.not_found(NOW, &second, &id(1));
        assert_eq!(sync.pump(NOW, &view), []);
        let later = NOW.saturating_add(PAUSE_MILLIS);
        assert_eq!(sync.tick(later), []);
        assert_eq!(requested(&sync.pump(later, &view)).len(), 1);
    }

    /// Many blocks, each announced by somebody else while another one is under way: who did not have one yet is asked for the next as ever.
    #[test]
    fn who_has_not_heard_of_a_new_block_has_withheld_nothing() {
        let names = ["a", "b", "c"];
        let mut sync = sync(&names);
        let mut now = NOW;
        for number in 1..100 {
            let owner = peer(names[number as usize % names.len()]);
            // Others are asked: the owner is busy.
            let (old, new) = (2 * number, 2 * number + 1);
            let known = View { headers: old, missing: vec![id(old)] };
            sync.links.get_mut(&owner).unwrap().batch.insert(id(0));
            for _ in 1..names.len() {
                let asked = *requested(&sync.pump(now, &known)).keys().next().expect("somebody is asked");
                assert_ne!(asked, owner);
                sync.not_found(now, &asked, &id(old));
            }
            sync.block(now, &owner, id(0), Verdict::Known, false);
            let outbox = requested(&sync.pump(now, &known));
            assert_eq!(outbox.into_keys().collect::<Vec<_>>(), [owner], "block {old}");
            sync.block(now, &owner, id(old), Verdict::Accepted(Priority::Chain), false);
            // The next one comes to a node at rest, from somebody who did not have this one.
            let other = peer(names[(number as usize + 1) % names.len()]);
            let known = View { headers: old, missing: vec![] };
            let outbox = requested(&sync.announced(now, other, id(new), &known));
            assert_eq!(outbox.into_keys().collect::<Vec<_>>(), [other], "block {new}");
            sync.block(now, &other, id(new), Verdict::Accepted(Priority::Chain), false);
            assert!(sync.links.values().all(|link| link.undelivered == 0));
            now = now.saturating_add(PAUSE_MILLIS);
            sync.tick(now);
        }
    }

    #[test]
    fn who_does_not_send_what_it_has_claimed_comes_last() {
        let view = view(1..2);
        for claimed in [Height(0), Height(1_000)] {
            let mut sync = sync(&["honest"]);
            sync.joined(peer("liar"), claimed);
            sync.headers(NOW, &peer("liar"), &[], Verdict::Known, &view);
            if claimed == Height(0) {
                assert_eq!(sync.announced(NOW, peer("liar"), id(1), &view), [], "its header is here");
            }
            let asked = |sync: &mut Sync, now| requested(&sync.pump(now, &view)).into_keys().collect::<Vec<_>>();
            assert_eq!(asked(&mut sync, NOW), [peer("liar")]);
            sync.not_found(NOW, &peer("liar"), &id(1));
            assert_eq!(asked(&mut sync, NOW), [peer("honest")]);
            sync.not_found(NOW, &peer("honest"), &id(1));
            let later = NOW.saturating_add(PAUSE_MILLIS);
            sync.tick(later);
            assert_eq!(asked(&mut sync, later), [peer("honest")], "and its share of no other request waits for it");
        }
    }

    #[test]
    fn a_missing_block_is_asked_of_who_sent_its_header() {
        let mut sync = sync(&["a", "b"]);
        for (name, claimed) in [("liar", 1_000), ("dead", 900)] {
            sync.joined(peer(name), Height(claimed));
            sync.headers(NOW, &peer(name), &[], Verdict::Known, &view(0..0));
        }
        let header = Header { version: 1, parent: id(0), root: sha256(b""), time: Timestamp(1), seal: vec![] };
        let view = View { headers: 1, missing: vec![header.id()] };
        let verdict = Verdict::Accepted(Priority::Chain);
        sync.headers(NOW, &peer("a"), core::slice::from_ref(&header), verdict, &view);
        assert_eq!(requested(&sync.pump(NOW, &view)).into_keys().collect::<Vec<_>>(), [peer("a")]);
    }

    #[test]
    fn who_sends_nothing_of_a_request_is_not_waited_for_as_long_as_for_all_of_it() {
        let view = view(1..2);
        let mut sync = sync(&["a", "b"]);
        let first = *requested(&sync.pump(NOW, &view)).keys().next().unwrap();
        let late = NOW.saturating_add(FIRST_BLOCK_TIMEOUT_MILLIS);
        assert_eq!(sync.tick(Millis(late.0 - 1)), []);
        assert_eq!(sync.pump(Millis(late.0 - 1), &view), []);
        sync.tick(late);
        let second = *requested(&sync.pump(late, &view)).keys().next().unwrap();
        assert_ne!(first, second);
    }

    #[test]
    fn a_block_that_comes_late_counts_for_who_sends_it() {
        let view = view(1..3);
        let mut sync = sync(&["slow"]);
        let mut now = NOW;
        for _ in 0..2 * MAX_STALLS {
            assert_eq!(requested(&sync.pump(now, &view)).len(), 1);
            let half = now.saturating_add(BLOCKS_TIMEOUT_MILLIS / 2);
            assert_eq!(sync.tick(half), []);
            assert_eq!(sync.pump(half, &view), [], "it is not asked for the same again");
            now = now.saturating_add(BLOCKS_TIMEOUT_MILLIS - 1);
            assert!(sync.is_asked_for_block(&peer("slow"), &id(1)));
            sync.block(now, &peer("slow"), id(1), Verdict::Accepted(Priority::Chain), false);
            // The answer had no room for more.
            sync.not_found(now, &peer("slow"), &id(2));
            assert_eq!(sync.tick(now), []);
            let link = &sync.links[&peer("slow")];
            assert_eq!((link.undelivered, link.stalls), (0, 0));
        }
    }

    #[test]
    fn what_others_were_asked_for_meanwhile_stays_theirs() {
        let view = view(1..2);
        let mut sync = sync(&["a", "b"]);
        let first = *requested(&sync.pump(NOW, &view)).keys().next().unwrap();
        let late = NOW.saturating_add(FIRST_BLOCK_TIMEOUT_MILLIS);
        sync.tick(late);
        let second = *requested(&sync.pump(late, &view)).keys().next().unwrap();
        sync.not_found(late, &first, &id(1));
        assert_eq!(sync.pump(late, &view), [], "it is under way from the second");
        assert!(sync.is_asked_for_block(&second, &id(1)));
    }

    #[test]
    fn a_trickle_ends_with_the_whole_request() {
        let mut view = view(1..65);
        let mut sync = sync(&["a"]);
        sync.pump(NOW, &view);
        let late = NOW.saturating_add(BLOCKS_TIMEOUT_MILLIS);
        sync.block(Millis(late.0 - 1), &peer("a"), id(1), Verdict::Accepted(Priority::Chain), false);
        view.missing.remove(0);
        sync.joined(peer("b"), Height(0));
        assert_eq!(sync.tick(late), []);
        let asked = requested(&sync.pump(late, &view));
        assert_eq!(asked.keys().collect::<Vec<_>>(), [&peer("b")]);
        assert_eq!(asked[&peer("b")].len(), 63);
    }

    #[test]
    fn a_peer_that_leaves_too_much_unanswered_is_named() {
        let view = view(1..2);
        let mut sync = sync(&["a"]);
        let mut now = NOW;
        for round in 1..=MAX_STALLS {
            assert_eq!(sync.pump(now, &view).len(), 1);
            now = now.saturating_add(BLOCKS_TIMEOUT_MILLIS);
            assert_eq!(sync.tick(now).len(), usize::from(round == MAX_STALLS));
            now = now.saturating_add(PAUSE_MILLIS);
            sync.is_due = true;
        }
    }

    #[test]
    fn headers_are_asked_of_few_and_those_who_claim_most_come_first() {
        let view = view(0..0);
        let mut sync = Sync::new();
        for (name, height) in [("a", 5), ("b", 9), ("c", 7)] {
            sync.joined(peer(name), Height(height));
        }
        let asked: Vec<PeerId> = sync.pump(NOW, &view).into_iter().map(|(peer, _)| peer).collect();
        assert_eq!(asked, [peer("b"), peer("c")]);
        sync.headers(NOW, &peer("b"), &[], Verdict::Known, &view);
        assert!(is_for_headers(&sync.pump(NOW, &view), &peer("a")));
    }

    #[test]
    fn headers_that_lead_nowhere_keep_nobody_else_from_being_asked() {
        let view = view(0..0);
        let mut sync = sync(&["honest"]);
        for (name, claimed) in [("spammer", u32::MAX), ("other", u32::MAX - 1)] {
            sync.joined(peer(name), Height(claimed));
        }
        let light = |mark: usize| -> Vec<Header> {
            let root = sha256(&mark.to_le_bytes());
            let header = |time| Header { version: 1, parent: id(0), root, time: Timestamp(time), seal: vec![] };
            (0..MAX_HEADERS as u32).map(header).collect()
        };
        let mut answers = 0;
        while let outbox = sync.pump(NOW, &view)
            && !outbox.is_empty()
        {
            for (asked, _) in outbox {
                answers += 1;
                sync.headers(NOW, &asked, &light(answers), Verdict::Accepted(Priority::Chain), &view);
            }
            // Whoever has not been asked in vain comes before them.
            sync.links.get_mut(&peer("honest")).unwrap().wants_headers = true;
            let outbox = sync.pump(NOW, &view);
            assert!(outbox.iter().any(|(asked, _)| *asked == peer("honest")), "after {answers} answers");
            sync.headers(NOW, &peer("honest"), &[], Verdict::Known, &view);
            for (asked, _) in outbox.into_iter().filter(|(asked, _)| *asked != peer("honest")) {
                answers += 1;
                sync.headers(NOW, &asked, &light(answers), Verdict::Accepted(Priority::Chain), &view);
            }
        }
        assert_eq!(answers, 2 * MAX_FRUITLESS_HEADERS / MAX_HEADERS, "and they are not asked without an end");
        assert!(sync.is_in_step(&view), "they hold nothing up");

        let later = NOW.saturating_add(FRUITLESS_PAUSE_MILLIS);
        sync.tick(later);
        assert_eq!(sync.pump(later, &view).len(), 2, "after a while they are heard again");
        let best = Header { version: 1, parent: id(0), root: sha256(b"best"), time: Timestamp(1), seal: vec![] };
        let ahead = FixedTip(best.clone());
        sync.headers(later, &peer("other"), &[best], Verdict::Accepted(Priority::Chain), &ahead);
        assert_eq!(sync.links[&peer("other")].fruitless_headers, 0, "what led to the best branch was worth it");
    }

    #[test]
    fn an_announced_block_is_requested_at_once_where_the_node_keeps_up() {
        let view = view(0..0);
        let mut sync = sync(&["a", "b"]);
        let outbox = sync.announced(NOW, peer("a"), id(7), &view);
        assert_eq!(outbox, [(peer("a"), Message::Request(vec![Item::Block(id(7))]))]);
        assert_eq!(sync.announced(NOW, peer("b"), id(7), &view), [], "under way");
        assert_eq!(sync.pump(NOW, &view), [], "and no headers are needed");
        sync.not_found(NOW, &peer("a"), &id(7));
        assert!(is_for_headers(&sync.pump(NOW, &view), &peer("b")));
    }

    #[test]
    fn a_block_that_was_not_taken_is_left_alone_for_a_while() {
        let view = view(1..2);
        let mut sync = sync(&["a"]);
        sync.pump(NOW, &view);
        sync.block(NOW, &peer("a"), id(1), Verdict::Ignored, false);
        assert_eq!(sync.pump(NOW, &view), []);
        let later = NOW.saturating_add(POSTPONE_MILLIS);
        sync.tick(later);
        assert_eq!(requested(&sync.pump(later, &view)).len(), 1);
    }

    #[test]
    fn an_orphan_leads_to_a_request_for_headers() {
        let mut sync = sync(&["a"]);
        sync.block(NOW, &peer("a"), id(50), Verdict::Ignored, true);
        assert!(is_for_headers(&sync.pump(NOW, &view(0..0)), &peer("a")));
    }
}
