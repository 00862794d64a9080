//! Which addresses to dial, and when: anchors of the last run, peers named by the settings, then the address book; never two
//! outbound peers of one group of addresses; failed addresses are left alone for longer and longer.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use health_chain_data::Millis;

use crate::{
    address_book::{AddressBook, group},
    limits::{
        BAN_MILLIS, DIAL_REST_MILLIS, DIAL_TIMEOUT_MILLIS, MAX_ANCHORS, MAX_BACKOFF_MILLIS, MAX_BACKOFFS, MAX_DIALS,
        MAX_FIXED_PEERS, MIN_BACKOFF_MILLIS, STABLE_MILLIS,
    },
    ports::Address,
    random::Random,
};

/// How often the address book is asked for somebody suitable, per tick.
const MAX_PICKS: usize = 16;

pub(crate) struct Outbound {
    target: usize,
    /// Dialled first, and whatever the target: anchors and the settings' peers.
    fixed: Vec<Address>,
    dialling: BTreeMap<Address, Millis>,
    backoffs: BTreeMap<Address, Backoff>,
    pub(crate) book: AddressBook,
    /// Until then there is nobody to dial, unless something happens.
    rests_until: Millis,
}

#[derive(Clone, Copy)]
struct Backoff {
    failures: u32,
    until: Millis,
}

impl Outbound {
    pub(crate) fn new(book: AddressBook, target: usize, peers: &[Address], anchors: &[Address]) -> Self {
        let mut fixed: Vec<Address> = anchors.iter().take(MAX_ANCHORS).cloned().collect();
        for peer in peers.iter().take(MAX_FIXED_PEERS) {
            if !fixed.contains(peer) {
                fixed.push(peer.clone());
            }
        }
        Self { target, fixed, dialling: BTreeMap::new(), backoffs: BTreeMap::new(), book, rests_until: Millis::ZERO }
    }

    /// Somebody named an address.
    pub(crate) fn hear_of(&mut self, address: &Address, source: &Address) {
        self.book.hear_of(address, source);
        self.rests_until = Millis::ZERO;
    }

    /// A dial succeeded in connecting; whether the other side is of use is seen later.
    pub(crate) fn connected(&mut self, address: &Address) {
        self.rests_until = Millis::ZERO;
        self.dialling.remove(address);
    }

    /// The greeting with a dialled peer is done.
    pub(crate) fn greeted(&mut self, address: &Address) {
        self.book.succeeded(address);
    }

    /// A dial failed.
    pub(crate) fn failed(&mut self, now: Millis, address: &Address, random: &mut Random) {
        self.rests_until = Millis::ZERO;
        if self.dialling.remove(address).is_some() {
            self.book.failed(address);
            self.back_off(now, address, random);
        }
    }

    /// A dialled connection has ended.
    pub(crate) fn closed(&mut self, now: Millis, since: Millis, address: &Address, random: &mut Random) {
        if now.saturating_sub(since.0).0 >= STABLE_MILLIS {
            self.backoffs.remove(address);
        }
        self.rests_until = Millis::ZERO;
        self.back_off(now, address, random);
    }

    /// The address leads to nobody of use: another version or network, this node itself, somebody banned. That may change where the owner has
    /// named it: nodes are upgraded one after the other, and mistakes are mended.
    pub(crate) fn useless(&mut self, now: Millis, address: &Address) {
        self.book.forget(address);
        self.rests_until = Millis::ZERO;
        let wait = if self.fixed.contains(address) { MAX_BACKOFF_MILLIS } else { BAN_MILLIS };
        self.remember(address, Backoff { failures: 1, until: now.saturating_add(wait) });
    }

    /// Whether there was nobody to dial when this node last looked, and nothing has changed since.
    pub(crate) fn is_resting(&self, now: Millis) -> bool {
        now < self.rests_until
    }

    /// When there may be somebody to dial.
    pub(crate) const fn due(&self) -> Millis {
        self.rests_until
    }

    /// Addresses to dial now. `outbound` are those of the connections that this node dialled, `connected` all that lead to
    /// connected peers.
    pub(crate) fn dial(
        &mut self,
        now: Millis,
        outbound: &[Address],
        connected: &BTreeSet<Address>,
        random: &mut Random,
    ) -> Vec<Address> {
        let overdue: Vec<Address> =
            self.dialling.iter().filter(|(_, until)| **until <= now).map(|(address, _)| address.clone()).collect();
        overdue.iter().for_each(|address| self.failed(now, address, random));

        let mut chosen: Vec<Address> = Vec::new();
        for address in &self.fixed {
            if self.dialling.len() + chosen.len() < MAX_DIALS && self.is_free(now, address, connected) {
                chosen.push(address.clone());
            }
        }
        let mut groups: BTreeSet<String> =
            outbound.iter().chain(self.dialling.keys()).chain(&chosen).map(group).collect();
        for _ in 0..MAX_PICKS {
            let dialling = self.dialling.len() + chosen.len();
            if dialling >= MAX_DIALS || outbound.len() + dialling >= self.target {
                break;
            }
            let Some(address) = self.book.pick(random) else { break };
            let is_free = self.is_free(now, address, connected) && !chosen.contains(address);
            if is_free && groups.insert(group(address)) {
                chosen.push(address.clone());
            }
        }
        for address in &chosen {
            self.dialling.insert(address.clone(), now.saturating_add(DIAL_TIMEOUT_MILLIS));
        }
        self.rests_until = if chosen.is_empty() { self.rest(now) } else { Millis::ZERO };
        chosen
    }

    /// When to look again after looking in vain: when a dial is given up, when a fixed address may be dialled again, or after a while.
    fn rest(&self, now: Millis) -> Millis {
        let backoffs = self.fixed.iter().filter_map(|address| self.backoffs.get(address));
        let backoffs = backoffs.map(|backoff| backoff.until).filter(|until| now < *until);
        let ends = backoffs.chain(self.dialling.values().copied());
        ends.fold(now.saturating_add(DIAL_REST_MILLIS), Millis::min)
    }

    fn is_free(&self, now: Millis, address: &Address, connected: &BTreeSet<Address>) -> bool {
        !connected.contains(address)
            && !self.dialling.contains_key(address)
            && self.backoffs.get(address).is_none_or(|backoff| backoff.until <= now)
    }

    /// Doubles the wait, up to its limit, and adds up to a quarter at random, so that two nodes don't dial in step.
    fn back_off(&mut self, now: Millis, address: &Address, random: &mut Random) {
        let failures = self.backoffs.get(address).map_or(0, |backoff| backoff.failures);
        let wait = MIN_BACKOFF_MILLIS.saturating_mul(1 << failures.min(20)).min(MAX_BACKOFF_MILLIS);
        let wait = wait + random.number() % (wait / 4);
        let until = now.saturating_add(wait);
        // What was found useless stays so.
        if self.backoffs.get(address).is_none_or(|backoff| backoff.until < until) {
            self.remember(address, Backoff { failures: failures.saturating_add(1), until });
        }
    }

    fn remember(&mut self, address: &Address, backoff: Backoff) {
        if self.backoffs.len() >= MAX_BACKOFFS && !self.backoffs.contains_key(address) {
            let first =
                self.backoffs.iter().min_by_key(|(_, backoff)| backoff.until).map(|(address, _)| address.clone());
            first.and_then(|first| self.backoffs.remove(&first));
        }
        self.backoffs.insert(address.clone(), backoff);
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec};

    use super::*;

    fn address(text: &str) -> Address {
        Address(text.into())
    }

    fn outbound(peers: &[Address]) -> (Outbound, Random) {
        (Outbound::new(AddressBook::new([1; 32]), 8, peers, &[]), Random::new([2; 32]))
    }

    #[test]
    fn failed_addresses_wait_longer_and_longer() {
        let (mut outbound, mut random) = outbound(&[address("a")]);
        let mut now = Millis(0);
        let mut waits = vec![];
        for _ in 0..14 {
            let failed_at = now;
            while outbound.dial(now, &[], &BTreeSet::new(), &mut random).is_empty() {
                now = now.saturating_add(100);
            }
            waits.push(now.0 - failed_at.0);
            outbound.failed(now, &address("a"), &mut random);
        }
        assert_eq!(waits[0], 0);
        assert!((MIN_BACKOFF_MILLIS..=MIN_BACKOFF_MILLIS * 5 / 4 + 100).contains(&waits[1]), "{waits:?}");
        assert!(waits[2] > waits[1] && waits[5] > waits[4], "{waits:?}");
        assert!(waits[13] <= MAX_BACKOFF_MILLIS * 5 / 4 + 100, "{waits:?}");
    }

    #[test]
    fn a_dial_that_nobody_answers_ends() {
        let (mut outbound, mut random) = outbound(&[address("a")]);
        assert_eq!(outbound.dial(Millis(0), &[], &BTreeSet::new(), &mut random), [address("a")]);
        assert_eq!(outbound.dial(Millis(1), &[], &BTreeSet::new(), &mut random), []);
        let end = Millis(DIAL_TIMEOUT_MILLIS);
        assert_eq!(outbound.dial(end, &[], &BTreeSet::new(), &mut random), [], "it backs off first");
        let later = end.saturating_add(2 * MIN_BACKOFF_MILLIS);
        assert_eq!(outbound.dial(later, &[], &BTreeSet::new(), &mut random), [address("a")]);
    }

    #[test]
    fn a_useless_address_stays_alone_even_when_its_connection_closes() {
        let (mut outbound, mut random) = outbound(&[]);
        outbound.book.hear_of(&address("a"), &address("s"));
        assert_eq!(outbound.dial(Millis(0), &[], &BTreeSet::new(), &mut random), [address("a")]);
        outbound.connected(&address("a"));
        outbound.useless(Millis(0), &address("a"));
        outbound.closed(Millis(1), Millis(0), &address("a"), &mut random);
        outbound.book.hear_of(&address("a"), &address("s"));
        assert_eq!(outbound.dial(Millis(MAX_BACKOFF_MILLIS * 2), &[], &BTreeSet::new(), &mut random), []);
    }

    #[test]
    fn who_is_named_in_the_settings_is_dialled_again_though_it_was_of_no_use() {
        let (mut outbound, mut random) = outbound(&[address("a")]);
        outbound.dial(Millis(0), &[], &BTreeSet::new(), &mut random);
        outbound.connected(&address("a"));
        outbound.useless(Millis(0), &address("a"));
        outbound.closed(Millis(1), Millis(0), &address("a"), &mut random);
        assert_eq!(outbound.dial(Millis(MAX_BACKOFF_MILLIS - 1), &[], &BTreeSet::new(), &mut random), []);
        assert_eq!(outbound.dial(Millis(MAX_BACKOFF_MILLIS), &[], &BTreeSet::new(), &mut random), [address("a")]);
    }

    #[test]
    fn one_group_gets_one_outbound_connection_from_the_book() {
        let (mut outbound, mut random) = outbound(&[]);
        for number in 1..200 {
            outbound.book.hear_of(&address(&format!("81.2.3.{number}:70")), &address("s"));
        }
        let held = [address("81.2.9.9:70")];
        assert_eq!(outbound.dial(Millis(0), &held, &BTreeSet::new(), &mut random), []);
        assert_eq!(outbound.dial(Millis(0), &[], &BTreeSet::new(), &mut random).len(), 1);
    }

    #[test]
    fn who_finds_nobody_to_dial_rests_until_there_may_be_somebody() {
        let (mut outbound, mut random) = outbound(&[address("a")]);
        assert!(!outbound.is_resting(Millis(0)));
        outbound.dial(Millis(0), &[], &BTreeSet::new(), &mut random);
        assert!(!outbound.is_resting(Millis(0)), "there may be more");
        assert_eq!(outbound.dial(Millis(1), &[], &BTreeSet::new(), &mut random), []);
        assert!(outbound.is_resting(Millis(DIAL_TIMEOUT_MILLIS - 1)));
        assert!(!outbound.is_resting(Millis(DIAL_TIMEOUT_MILLIS)), "a dial is given up");
        outbound.failed(Millis(2), &address("a"), &mut random);
        assert!(!outbound.is_resting(Millis(2)));
        assert_eq!(outbound.dial(Millis(3), &[], &BTreeSet::new(), &mut random), []);
        let backoff = outbound.backoffs[&address("a")].until;
        assert!(outbound.is_resting(Millis(backoff.0 - 1)) && !outbound.is_resting(backoff));
        outbound.hear_of(&address("81.2.3.4:70"), &address("s"));
        assert!(!outbound.is_resting(Millis(4)));
        let (mut nobody, _) = self::outbound(&[]);
        assert_eq!(nobody.dial(Millis(1), &[], &BTreeSet::new(), &mut random), []);
        assert!(nobody.is_resting(Millis(DIAL_REST_MILLIS)) && !nobody.is_resting(Millis(1 + DIAL_REST_MILLIS)));
    }

    #[test]
    fn no_more_dials_than_the_limit_and_none_to_the_connected() {
        let peers: Vec<Address> = (0..20).map(|number| address(&format!("node-{number}"))).collect();
        let (mut outbound, mut random) = outbound(&peers);
        let connected = BTreeSet::from([address("node-0")]);
        let dialled = outbound.dial(Millis(0), &[], &connected, &mut random);
        assert_eq!(dialled, peers[1..=MAX_DIALS]);
    }

    #[test]
    fn anchors_come_first() {
        let anchors = [address("anchor")];
        let mut outbound = Outbound::new(AddressBook::new([1; 32]), 8, &[address("a"), address("anchor")], &anchors);
        let dialled = outbound.dial(Millis(0), &[], &BTreeSet::new(), &mut Random::new([2; 32]));
        assert_eq!(dialled, [address("anchor"), address("a")]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut outbound, mut random) = outbound(&[]);
        for number in 0..MAX_BACKOFFS + 10 {
            outbound.back_off(Millis(0), &address(&format!("node-{number}")), &mut random);
        }
        assert_eq!(outbound.backoffs.len(), MAX_BACKOFFS);
    }
}
