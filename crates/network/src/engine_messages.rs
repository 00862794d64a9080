//! How what consensus engines say spreads. Its maker sends it to every peer. Who passes it on sends it to the peers that others' messages
//! reach first through this node, and only names it to the rest, together with what else came in a while; who misses what is
//! named asks for it.
//!
//! Which peers those are, the peers say: at first all; who is brought three messages in a row that are there already says that it has
//! enough, and who had to ask for one is brought the next ones again. So links that bring news carry messages and the others carry
//! names, and nothing reaches fewer nodes for it (Plumtree: Leitão, Pereira, Rodrigues 2007).
//!
//! What is said again, a while later, is passed on anew as if nobody had it: a peer may have it and still have had no use for it then. So
//! whoever is only told its name asks for it once more, though it has it: else it would end there, and whoever is behind miss it.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::mem;

use health_chain_data::{Hash, Millis};

use crate::{
    limits::{
        ENGINE_AGAIN_MILLIS, ENGINE_GRACE_MILLIS, ENGINE_NAMES_MILLIS, ENGINE_PATIENCE_MILLIS, MAX_ITEMS,
        MAX_KEPT_ENGINE_BYTES, MAX_KEPT_ENGINE_MESSAGES, MAX_MISSING_ENGINE_MESSAGES_PER_PEER,
        MAX_SEEN_ENGINE_MESSAGES, MAX_STALE_ENGINE_MESSAGES,
    },
    message::Message,
    ports::PeerId,
    recent::RecentSet,
    relay::Outbox,
};

pub(crate) struct EngineMessages {
    links: BTreeMap<PeerId, Link>,
    /// How many links there have been.
    joined: u32,
    /// What this node has said or passed on, by SHA-256.
    kept: BTreeMap<Hash, Kept>,
    /// The same, oldest first.
    order: VecDeque<Hash>,
    kept_bytes: usize,
    /// What was brought here of late, worth passing on or not: nobody is asked for it.
    seen: RecentSet<Hash>,
    /// When the older half of that is forgotten.
    forget_at: Millis,
    /// What peers have named, and nobody has brought.
    missing: BTreeMap<Hash, Missing>,
    /// When peers are told the names that wait for them.
    name_at: Millis,
}

/// One peer.
struct Link {
    /// No other link has it, not even one to the same peer.
    number: u32,
    /// What it brought last: whether it is worth passing on is the engine's to say.
    brought: Option<Hash>,
    /// Messages in a row that it brought and that were here already.
    stale: u32,
    /// Whether it has enough of what others say.
    has_enough: bool,
    /// What it is to be told the names of.
    names: Vec<Hash>,
    /// What is missing here and it says it has. Bounded per peer, never as a whole: what some have named keeps nobody else from being
    /// heard.
    has: BTreeSet<Hash>,
    /// Messages in a row that it was asked for and did not bring in time.
    lapses: u32,
}

struct Kept {
    bytes: Vec<u8>,
    /// Numbers of the links whose peers have it: they sent it, named it, were sent it, or are being told its name.
    known: Vec<u32>,
    /// Who says it from then on says it again. What this node says, it repeats itself.
    again_at: Millis,
}

struct Missing {
    /// When the next peer is asked.
    ask_at: Millis,
    /// Who was asked last, and has until then.
    asked: Option<PeerId>,
    /// Who else says it has it, in the order in which they said so.
    others: Vec<PeerId>,
}

impl Kept {
    /// The peer has it, and need not be told its name any more.
    fn is_at(&mut self, link: &mut Link, name: &Hash) {
        if !self.known.contains(&link.number) {
            self.known.push(link.number);
        }
        link.names.retain(|waiting| waiting != name);
    }
}

impl EngineMessages {
    pub(crate) const fn new() -> Self {
        Self {
            links: BTreeMap::new(),
            joined: 0,
            kept: BTreeMap::new(),
            order: VecDeque::new(),
            kept_bytes: 0,
            seen: RecentSet::new(MAX_SEEN_ENGINE_MESSAGES),
            forget_at: Millis::ZERO,
            missing: BTreeMap::new(),
            name_at: Millis::ZERO,
        }
    }

    pub(crate) fn joined(&mut self, peer: PeerId) {
        self.joined += 1;
        let link = Link {
            number: self.joined,
            brought: None,
            stale: 0,
            has_enough: false,
            names: Vec::new(),
            has: BTreeSet::new(),
            lapses: 0,
        };
        self.links.insert(peer, link);
    }

    pub(crate) fn left(&mut self, peer: &PeerId) {
        let Some(link) = self.links.remove(peer) else { return };
        for name in &link.has {
            let missing = self.missing.get_mut(name).expect("what a link has is missing");
            missing.others.retain(|other| other != peer);
            missing.asked = missing.asked.filter(|asked| asked != peer);
        }
        // Else whoever comes and goes would make these lists longer and longer.
        self.kept.values_mut().for_each(|kept| kept.known.retain(|number| *number != link.number));
    }

    /// This node's engine says something, perhaps again. Returns whom to send it to: everybody.
    pub(crate) fn say(&mut self, name: Hash, bytes: &[u8]) -> Vec<PeerId> {
        let known = self.links.values().map(|link| link.number).collect();
        self.keep(name, bytes, known, Millis::MAX);
        self.links.keys().copied().collect()
    }

    /// What another node's engine said is worth passing on. Returns whom to send it to; others will be told its name.
    pub(crate) fn pass_on(&mut self, now: Millis, name: Hash, bytes: &[u8]) -> Vec<PeerId> {
        if self.kept.get(&name).is_none_or(|kept| kept.again_at <= now) {
            let brought = self.links.values().filter(|link| link.brought == Some(name));
            let known = brought.map(|link| link.number).collect();
            self.keep(name, bytes, known, now.saturating_add(ENGINE_AGAIN_MILLIS));
        }
        let Some(kept) = self.kept.get_mut(&name) else { return Vec::new() };
        let mut receivers = Vec::new();
        for (peer, link) in &mut self.links {
            if kept.known.contains(&link.number) {
                continue;
            }
            if !link.has_enough {
                receivers.push(*peer);
            } else if link.names.len() < MAX_ITEMS {
                link.names.push(name);
            } else {
                continue;
            }
            kept.known.push(link.number);
        }
        receivers
    }

    /// The peer brings a message. `true` where it is to be told that it is enough.
    pub(crate) fn brought(&mut self, now: Millis, peer: &PeerId, name: Hash) -> bool {
        let was_asked = self.find(&name) == Some(*peer);
        let Some(link) = self.links.get_mut(peer) else { return false };
        link.brought = Some(name);
        if was_asked {
            link.lapses = 0;
        }
        let Some(kept) = self.kept.get_mut(&name) else {
            self.seen.insert(name);
            link.stale = 0;
            return false;
        };
        if kept.again_at <= now {
            return false;
        }
        kept.is_at(link, &name);
        link.stale += 1;
        if link.stale < MAX_STALE_ENGINE_MESSAGES {
            return false;
        }
        link.stale = 0;
        true
    }

    /// The peer has enough of what others say.
    pub(crate) fn enough(&mut self, peer: &PeerId) {
        if let Some(link) = self.links.get_mut(peer) {
            link.has_enough = true;
        }
    }

    /// The peer has these. What is not here soon will be asked for.
    pub(crate) fn named(&mut self, now: Millis, peer: &PeerId, names: &[Hash]) {
        if !self.links.contains_key(peer) {
            return;
        }
        if self.forget_at <= now {
            self.forget_at = now.saturating_add(ENGINE_AGAIN_MILLIS);
            self.seen.forget_older();
        }
        for name in names {
            let link = self.links.get_mut(peer).expect("a key of the map");
            if let Some(kept) = self.kept.get_mut(name).filter(|kept| now < kept.again_at) {
                kept.is_at(link, name);
            } else if !self.seen.contains(name) && link.has.len() < MAX_MISSING_ENGINE_MESSAGES_PER_PEER {
                let (is_new, lapses) = (link.has.insert(*name), link.lapses);
                if is_new {
                    self.add_source(now, peer, lapses, name);
                }
            }
        }
    }

    /// Notes that the peer has what is missing. If somebody is asked who has failed more often, it is asked instead.
    fn add_source(&mut self, now: Millis, peer: &PeerId, lapses: u32, name: &Hash) {
        let ask_at = now.saturating_add(ENGINE_GRACE_MILLIS);
        let new = || Missing { ask_at, asked: None, others: Vec::new() };
        let missing = self.missing.entry(*name).or_insert_with(new);
        missing.others.push(*peer);
        let is_better = |asked: &mut PeerId| self.links.get(asked).is_some_and(|link| link.lapses > lapses);
        if let Some(worse) = missing.asked.take_if(is_better) {
            missing.others.push(worse);
            missing.ask_at = now;
        }
    }

    /// Nothing of this name is missing any more. Says who was asked for it.
    fn find(&mut self, name: &Hash) -> Option<PeerId> {
        let Missing { asked, others, .. } = self.missing.remove(name)?;
        for source in others.iter().chain(&asked) {
            self.links.get_mut(source).expect("sources are connected").has.remove(name);
        }
        asked
    }

    /// The peer has to ask for something: from now on it is brought what others say.
    pub(crate) fn wants(&mut self, peer: &PeerId) {
        if let Some(link) = self.links.get_mut(peer) {
            link.has_enough = false;
        }
    }

    /// The message with this name, if it is still here.
    pub(crate) fn message(&self, name: &Hash) -> Option<&[u8]> {
        self.kept.get(name).map(|kept| kept.bytes.as_slice())
    }

    /// Asks for what was named and has not come, one peer after the other, and tells names.
    pub(crate) fn tick(&mut self, now: Millis) -> Outbox {
        let mut outbox = Outbox::new();
        if !self.missing.is_empty() {
            self.ask(now, &mut outbox);
        }
        if self.name_at <= now {
            self.name_at = now.saturating_add(ENGINE_NAMES_MILLIS);
            for (peer, link) in self.links.iter_mut().filter(|(_, link)| !link.names.is_empty()) {
                outbox.push((*peer, Message::EngineNames(mem::take(&mut link.names))));
            }
        }
        outbox
    }

    /// When something is to be asked for, or names are to be told.
    pub(crate) fn due(&self) -> Millis {
        let asked = self.missing.values().map(|missing| missing.ask_at).fold(Millis::MAX, Millis::min);
        let waits = self.links.values().any(|link| !link.names.is_empty());
        if waits { asked.min(self.name_at) } else { asked }
    }

    /// Asks the source that has failed least often, and gives up what nobody is left to bring.
    fn ask(&mut self, now: Millis, outbox: &mut Outbox) {
        let links = &mut self.links;
        let mut wanted: BTreeMap<PeerId, Vec<Hash>> = BTreeMap::new();
        self.missing.retain(|name, missing| {
            if missing.ask_at > now {
                return true;
            }
            missing.ask_at = now.saturating_add(ENGINE_PATIENCE_MILLIS);
            if let Some(late) = missing.asked.take() {
                let link = links.get_mut(&late).expect("sources are connected");
                link.has.remove(name);
                link.lapses = link.lapses.saturating_add(1);
            }
            let lapses = |position: &usize| links[&missing.others[*position]].lapses;
            let next = (0..missing.others.len()).min_by_key(lapses);
            let Some(next) = next.map(|position| missing.others.remove(position)) else { return false };
            missing.asked = Some(next);
            wanted.entry(next).or_default().push(*name);
            true
        });
        for (peer, names) in wanted {
            outbox.extend(names.chunks(MAX_ITEMS).map(|names| (peer, Message::EngineWanted(names.to_vec()))));
        }
    }

    fn keep(&mut self, name: Hash, bytes: &[u8], known: Vec<u32>, again_at: Millis) {
        if let Some(kept) = self.kept.get_mut(&name) {
            kept.known = known;
            kept.again_at = again_at;
            return;
        }
        self.kept_bytes += bytes.len();
        self.kept.insert(name, Kept { bytes: bytes.to_vec(), known, again_at });
        self.order.push_back(name);
        while self.order.len() > MAX_KEPT_ENGINE_MESSAGES || self.kept_bytes > MAX_KEPT_ENGINE_BYTES {
            let oldest = self.order.pop_front().expect("what takes room is in the order");
            let kept = self.kept.remove(&oldest).expect("what is in the order is kept");
            self.kept_bytes -= kept.bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_data::sha256;

    use super::*;

    const NOW: Millis = Millis(1_000);

    fn peer(name: &str) -> PeerId {
        PeerId(sha256(name.as_bytes()))
    }

    fn name(number: u32) -> Hash {
        sha256(&number.to_le_bytes())
    }

    fn messages(peers: &[&str]) -> EngineMessages {
        let mut messages = EngineMessages::new();
        peers.iter().for_each(|name| messages.joined(peer(name)));
        messages
    }

    /// Messages that come by way of a, and then from b, until b is to be told that it is enough.
    fn bring_stale(messages: &mut EngineMessages) {
        for number in 0..MAX_STALE_ENGINE_MESSAGES {
            assert!(!messages.brought(NOW, &peer("a"), name(number)));
            messages.pass_on(NOW, name(number), b"vote");
            let is_enough = messages.brought(NOW, &peer("b"), name(number));
            assert_eq!(is_enough, number + 1 == MAX_STALE_ENGINE_MESSAGES);
        }
    }

    #[test]
    fn what_is_passed_on_goes_to_those_who_do_not_have_it() {
        let mut messages = messages(&["a", "b", "c"]);
        messages.brought(NOW, &peer("a"), name(1));
        let mut others = vec![peer("b"), peer("c")];
        others.sort_unstable();
        assert_eq!(messages.pass_on(NOW, name(1), b"vote"), others);
        assert_eq!(messages.pass_on(NOW, name(1), b"vote"), [], "another copy: they have it");
        messages.left(&peer("b"));
        messages.joined(peer("b"));
        assert_eq!(messages.pass_on(NOW, name(1), b"vote"), [peer("b")], "who comes back knows nothing");
        assert_eq!(messages.say(name(1), b"vote").len(), 3, "its maker says it to everybody, however often");
    }

    #[test]
    fn who_has_enough_is_told_names() {
        let mut messages = messages(&["a", "b"]);
        bring_stale(&mut messages);
        messages.enough(&peer("b"));
        messages.brought(NOW, &peer("a"), name(10));
        assert_eq!(messages.pass_on(NOW, name(10), b"vote"), []);
        let named = |names: Vec<Hash>| vec![(peer("b"), Message::EngineNames(names))];
        assert_eq!(messages.tick(NOW), named(vec![name(10)]));
        messages.brought(NOW, &peer("a"), name(11));
        messages.pass_on(NOW, name(11), b"vote");
        assert_eq!(messages.tick(NOW), [], "they wait for others");
        let later = NOW.saturating_add(ENGINE_NAMES_MILLIS);
        assert_eq!(messages.tick(later), named(vec![name(11)]));
        // It asks after all.
        messages.wants(&peer("b"));
        assert_eq!(messages.message(&name(11)), Some(&b"vote"[..]));
        messages.brought(NOW, &peer("a"), name(12));
        assert_eq!(messages.pass_on(NOW, name(12), b"vote"), [peer("b")]);
    }

    /// A peer may not have had any use for it then.
    #[test]
    fn what_is_said_again_later_is_passed_on_again_and_is_no_stale_news() {
        let mut messages = messages(&["a", "b", "c"]);
        messages.brought(NOW, &peer("a"), name(1));
        assert_eq!(messages.pass_on(NOW, name(1), b"vote").len(), 2);
        messages.enough(&peer("c"));
        let mut now = NOW;
        for _ in 0..2 * MAX_STALE_ENGINE_MESSAGES {
            now = now.saturating_add(ENGINE_AGAIN_MILLIS);
            let soon = now.saturating_add(1);
            assert!(!messages.brought(now, &peer("a"), name(1)));
            assert_eq!(messages.pass_on(now, name(1), b"vote"), [peer("b")]);
            assert_eq!(messages.pass_on(soon, name(1), b"vote"), [], "once in a while");
            assert_eq!(messages.tick(soon), [(peer("c"), Message::EngineNames(vec![name(1)]))]);
        }
    }

    #[test]
    fn what_was_of_no_use_is_asked_for_when_it_is_named_later() {
        let mut messages = messages(&["a", "b"]);
        messages.named(NOW, &peer("b"), &[]);
        messages.brought(NOW, &peer("a"), name(1));
        messages.named(NOW, &peer("b"), &[name(1)]);
        let mut now = NOW.saturating_add(ENGINE_GRACE_MILLIS);
        assert_eq!(messages.tick(now), [], "it was here just now");
        for _ in 0..2 {
            now = now.saturating_add(ENGINE_AGAIN_MILLIS);
            messages.named(now, &peer("b"), &[name(1)]);
        }
        let later = now.saturating_add(ENGINE_GRACE_MILLIS);
        assert_eq!(messages.tick(later), [(peer("b"), Message::EngineWanted(vec![name(1)]))]);
    }

    #[test]
    fn news_in_between_is_not_enough() {
        let mut messages = messages(&["a", "b"]);
        for number in 0..10 * MAX_STALE_ENGINE_MESSAGES {
            let (first, second) = if number % 2 == 0 { ("a", "b") } else { ("b", "a") };
            messages.brought(NOW, &peer(first), name(number));
            messages.pass_on(NOW, name(number), b"vote");
            assert!(!messages.brought(NOW, &peer(second), name(number)));
        }
    }

    #[test]
    fn what_is_named_and_does_not_come_is_asked_for_one_peer_after_the_other() {
        let mut messages = messages(&["a", "b", "c"]);
        messages.named(NOW, &peer("a"), &[name(1), name(2)]);
        messages.named(NOW, &peer("b"), &[name(1)]);
        messages.named(NOW, &peer("c"), &[name(1)]);
        assert_eq!(messages.tick(NOW), [], "it may be on its way");
        messages.brought(NOW, &peer("c"), name(2));
        messages.named(NOW, &peer("a"), &[name(2)]);
        let wanted = |from| vec![(peer(from), Message::EngineWanted(vec![name(1)]))];
        let mut now = NOW.saturating_add(ENGINE_GRACE_MILLIS);
        assert_eq!(messages.tick(now), wanted("a"));
        assert_eq!(messages.tick(now), []);
        messages.left(&peer("b"));
        now = now.saturating_add(ENGINE_PATIENCE_MILLIS);
        assert_eq!(messages.tick(now), wanted("c"), "b has left");
        now = now.saturating_add(ENGINE_PATIENCE_MILLIS);
        assert_eq!(messages.tick(now), [], "nobody is left");
        assert!(messages.missing.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut messages = messages(&["a"]);
        let long = vec![0; MAX_KEPT_ENGINE_BYTES / 4];
        (0..10).for_each(|number| drop(messages.say(name(number), &long)));
        assert_eq!(messages.kept.len(), 4);
        assert!(messages.kept_bytes <= MAX_KEPT_ENGINE_BYTES);
        (10..20 + MAX_KEPT_ENGINE_MESSAGES as u32).for_each(|number| drop(messages.say(name(number), b"vote")));
        assert_eq!(messages.kept.len(), MAX_KEPT_ENGINE_MESSAGES);
        assert_eq!(messages.kept_bytes, 4 * MAX_KEPT_ENGINE_MESSAGES);
        let names: Vec<Hash> =
            (0..2 * MAX_MISSING_ENGINE_MESSAGES_PER_PEER as u32).map(|number| name(1 << 20 | number)).collect();
        messages.named(NOW, &peer("a"), &names);
        assert_eq!(messages.missing.len(), MAX_MISSING_ENGINE_MESSAGES_PER_PEER);
        messages.left(&peer("a"));
        messages.tick(NOW.saturating_add(ENGINE_GRACE_MILLIS));
        assert!(messages.missing.is_empty());
    }

    #[test]
    fn what_is_said_again_is_asked_for_where_only_its_name_comes() {
        let mut messages = messages(&["a", "b"]);
        messages.brought(NOW, &peer("a"), name(1));
        messages.pass_on(NOW, name(1), b"vote");
        let soon = NOW.saturating_add(ENGINE_AGAIN_MILLIS - 1);
        messages.named(soon, &peer("a"), &[name(1)]);
        assert!(messages.missing.is_empty(), "it is a copy that took another way");
        let later = NOW.saturating_add(2 * ENGINE_AGAIN_MILLIS);
        messages.named(later, &peer("a"), &[name(1)]);
        let asked = later.saturating_add(ENGINE_GRACE_MILLIS);
        assert!(messages.tick(asked).contains(&(peer("a"), Message::EngineWanted(vec![name(1)]))));
        assert!(!messages.brought(asked, &peer("a"), name(1)));
        assert_eq!(messages.pass_on(asked, name(1), b"vote"), [peer("b")]);
        messages.named(asked, &peer("b"), &[name(1)]);
        assert!(messages.missing.is_empty());
    }

    #[test]
    fn who_names_much_keeps_nobody_from_being_asked() {
        let mut messages = messages(&["liar", "honest"]);
        let names: Vec<Hash> = (0..10_000).map(|number| name(1 << 20 | number)).collect();
        messages.named(NOW, &peer("liar"), &names);
        messages.named(NOW, &peer("honest"), &[name(1)]);
        let outbox = messages.tick(NOW.saturating_add(ENGINE_GRACE_MILLIS));
        assert!(outbox.contains(&(peer("honest"), Message::EngineWanted(vec![name(1)]))));
    }

    #[test]
    fn who_names_and_does_not_bring_is_asked_last() {
        let liars = ["a", "b", "c", "d", "e", "f"];
        let mut messages = messages(&[&liars[..], &["honest"]].concat());
        let mut now = NOW;
        let tell = |messages: &mut EngineMessages, now, number| {
            liars.iter().for_each(|liar| messages.named(now, &peer(liar), &[name(number)]));
            messages.named(now, &peer("honest"), &[name(number)]);
        };
        let wanted = |number| vec![(peer("honest"), Message::EngineWanted(vec![name(number)]))];
        tell(&mut messages, now, 1);
        now = now.saturating_add(ENGINE_GRACE_MILLIS);
        for _ in liars {
            assert_ne!(messages.tick(now), wanted(1));
            now = now.saturating_add(ENGINE_PATIENCE_MILLIS);
        }
        assert_eq!(messages.tick(now), wanted(1), "it is not forgotten for how many named it before");
        messages.brought(now, &peer("honest"), name(1));
        tell(&mut messages, now, 2);
        now = now.saturating_add(ENGINE_GRACE_MILLIS);
        assert_eq!(messages.tick(now), wanted(2), "and comes first from then on");
        messages.brought(now, &peer("honest"), name(2));
        messages.named(now, &peer("a"), &[name(3)]);
        now = now.saturating_add(ENGINE_GRACE_MILLIS);
        assert_eq!(messages.tick(now), [(peer("a"), Message::EngineWanted(vec![name(3)]))]);
        messages.named(now, &peer("honest"), &[name(3)]);
        assert_eq!(messages.tick(now), wanted(3), "even where another one was asked before it said so");
    }

    #[test]
    fn who_comes_and_goes_leaves_nothing_behind() {
        let mut messages = messages(&["a", "b"]);
        messages.say(name(1), b"vote");
        for _ in 0..1_000 {
            messages.left(&peer("b"));
            messages.joined(peer("b"));
            messages.named(NOW, &peer("b"), &[name(1)]);
        }
        assert_eq!(messages.kept[&name(1)].known.len(), 2);
    }
}
