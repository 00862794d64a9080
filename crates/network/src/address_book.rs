//! Addresses of other nodes, in two tables of buckets: heard of, and tried. Where an address may stand is decided by a hash
//! with a secret seed over its group and the group of whoever named it, so that somebody who controls a few networks can fill
//! a few buckets and no more (the scheme of Bitcoin's addrman, after Heilman et al. 2015, "Eclipse attacks").

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use core::net::{IpAddr, SocketAddr};

use health_chain_data::tagged_hash;

use crate::{
    limits::{
        BUCKET_SLOTS, MAX_ADDRESS_BYTES, NEW_BUCKETS, NEW_BUCKETS_PER_SOURCE, TRIED_BUCKETS, TRIED_BUCKETS_PER_GROUP,
    },
    ports::Address,
    random::Random,
};

/// Bucket and slot.
type Place = (usize, usize);

/// Failed dials after which an address gives way to another one.
const MAX_FAILURES: u32 = 3;

pub(crate) struct AddressBook {
    seed: [u8; 32],
    new: BTreeMap<Place, Entry>,
    tried: BTreeMap<Place, Entry>,
    /// Where each address stands; in one table only.
    places: BTreeMap<Address, (Table, Place)>,
}

struct Entry {
    address: Address,
    failures: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    New,
    Tried,
}

impl AddressBook {
    pub(crate) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, new: BTreeMap::new(), tried: BTreeMap::new(), places: BTreeMap::new() }
    }

    /// Notes an address that `source` named. Dropped where its place is taken by one that has not failed.
    pub(crate) fn hear_of(&mut self, address: &Address, source: &Address) {
        if !is_dialable(address) || self.places.contains_key(address) {
            return;
        }
        let place = self.new_place(address, source);
        self.put(Table::New, place, address.clone());
    }

    /// Notes that a connection to the address succeeded.
    pub(crate) fn succeeded(&mut self, address: &Address) {
        if let Some((Table::Tried, place)) = self.places.get(address) {
            self.tried.get_mut(place).expect("places name entries").failures = 0;
            return;
        }
        let place = self.tried_place(address);
        if is_dialable(address) && self.tried.get(&place).is_none_or(|entry| entry.failures >= MAX_FAILURES) {
            self.forget(address);
            self.put(Table::Tried, place, address.clone());
        }
    }

    /// Notes that a connection to the address failed.
    pub(crate) fn failed(&mut self, address: &Address) {
        if let Some((table, place)) = self.places.get(address).copied() {
            let entry = self.table(table).get_mut(&place).expect("places name entries");
            entry.failures = entry.failures.saturating_add(1);
        }
    }

    pub(crate) fn forget(&mut self, address: &Address) {
        if let Some((table, place)) = self.places.remove(address) {
            self.table(table).remove(&place);
        }
    }

    /// An address to dial: half of the time a tried one, else one heard of.
    pub(crate) fn pick(&self, random: &mut Random) -> Option<&Address> {
        let prefer_tried = random.below(2) == 0;
        let from_tried = !self.tried.is_empty() && (prefer_tried || self.new.is_empty());
        let (table, buckets) = if from_tried { (&self.tried, TRIED_BUCKETS) } else { (&self.new, NEW_BUCKETS) };
        // A random place and the next one taken: places are hashes, so nobody chooses who follows on whom.
        let start = (random.below(buckets), random.below(BUCKET_SLOTS));
        let entry = table.range(start..).next().or_else(|| table.iter().next());
        entry.map(|(_, entry)| &entry.address)
    }

    /// Up to `count` different addresses to share, chosen at random.
    pub(crate) fn sample(&self, random: &mut Random, count: usize) -> Vec<Address> {
        let mut all: Vec<&Address> = self.places.keys().collect();
        let count = count.min(all.len());
        for index in 0..count {
            let other = index + random.below(all.len() - index);
            all.swap(index, other);
        }
        all.into_iter().take(count).cloned().collect()
    }

    /// All addresses, tried ones first.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.tried.values().chain(self.new.values()).map(|entry| &entry.address)
    }

    fn put(&mut self, table: Table, place: Place, address: Address) {
        let entries = self.table(table);
        if entries.get(&place).is_some_and(|entry| entry.failures < MAX_FAILURES) {
            return;
        }
        let displaced = entries.insert(place, Entry { address: address.clone(), failures: 0 });
        if let Some(entry) = displaced {
            self.places.remove(&entry.address);
        }
        self.places.insert(address, (table, place));
    }

    const fn table(&mut self, table: Table) -> &mut BTreeMap<Place, Entry> {
        match table {
            Table::New => &mut self.new,
            Table::Tried => &mut self.tried,
        }
    }

    fn new_place(&self, address: &Address, source: &Address) -> Place {
        let (group, source) = (group(address), group(source));
        let share = self.hash("new share", &[&source, &group]) % NEW_BUCKETS_PER_SOURCE;
        let bucket = self.hash("new bucket", &[&source, &format!("{share}")]) % NEW_BUCKETS;
        (bucket, self.hash("new slot", &[&format!("{bucket}"), &address.0]) % BUCKET_SLOTS)
    }

    fn tried_place(&self, address: &Address) -> Place {
        let share = self.hash("tried share", &[&address.0]) % TRIED_BUCKETS_PER_GROUP;
        let bucket = self.hash("tried bucket", &[&group(address), &format!("{share}")]) % TRIED_BUCKETS;
        (bucket, self.hash("tried slot", &[&format!("{bucket}"), &address.0]) % BUCKET_SLOTS)
    }

    fn hash(&self, purpose: &str, parts: &[&str]) -> usize {
        let mut bytes = Vec::from(self.seed);
        for part in [purpose].iter().chain(parts) {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        let hash = tagged_hash("HC/address-book/v1", &[&bytes]);
        u32::from_le_bytes(*hash.as_bytes().first_chunk().expect("a digest has more than four bytes")) as usize
    }
}

/// What one operator plausibly controls as a whole: /16 of a public IPv4 address, /32 of a public IPv6 address. Private and
/// loopback addresses, and addresses that are no sockets, stand for themselves.
pub(crate) fn group(address: &Address) -> String {
    match address.0.parse::<SocketAddr>().map(|socket| socket.ip().to_canonical()) {
        Ok(IpAddr::V4(ip)) if !(ip.is_private() || ip.is_loopback() || ip.is_link_local()) => {
            let [first, second, ..] = ip.octets();
            format!("{first}.{second}")
        }
        Ok(IpAddr::V6(ip)) if !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()) => {
            let [first, second, ..] = ip.segments();
            format!("{first:x}:{second:x}")
        }
        _ => address.0.clone(),
    }
}

/// Where a peer can be reached that says it listens on `listen` and is seen as `seen`: a node that listens on all of its
/// addresses does not know which one is seen from outside.
pub(crate) fn reachable(listen: &Address, seen: &Address) -> Address {
    match (listen.0.parse::<SocketAddr>(), seen.0.parse::<SocketAddr>()) {
        (Ok(listen), Ok(seen)) if listen.ip().is_unspecified() => {
            Address(format!("{}", SocketAddr::new(seen.ip(), listen.port())))
        }
        _ => listen.clone(),
    }
}

/// Whether a peer seen as `seen` says that it listens on its own host: the only claim of this kind that can be believed.
pub(crate) fn is_same_host(listen: &Address, seen: &Address) -> bool {
    match (listen.0.parse::<SocketAddr>(), seen.0.parse::<SocketAddr>()) {
        (Ok(listen), Ok(seen)) => listen.ip().to_canonical() == seen.ip().to_canonical(),
        _ => false,
    }
}

/// Whether the address can be somebody's: of sane length, and not "everywhere" or port 0.
fn is_dialable(address: &Address) -> bool {
    let is_nowhere =
        |socket: SocketAddr| socket.ip().is_unspecified() || socket.ip().is_multicast() || socket.port() == 0;
    !address.0.is_empty() && address.0.len() <= MAX_ADDRESS_BYTES && !address.0.parse().is_ok_and(is_nowhere)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    fn address(text: &str) -> Address {
        Address(text.into())
    }

    fn book() -> AddressBook {
        AddressBook::new([7; 32])
    }

    #[test]
    fn groups_follow_networks() {
        assert_eq!(group(&address("81.2.3.4:5")), "81.2");
        assert_eq!(group(&address("[2001:db8:1::1]:5")), "2001:db8");
        assert_eq!(group(&address("[::ffff:81.2.3.4]:5")), "81.2");
        for own in ["127.0.0.1:5", "10.0.0.1:5", "[::1]:5", "node-1", "node.example:70"] {
            assert_eq!(group(&address(own)), own);
        }
    }

    #[test]
    fn a_listener_on_every_address_is_reachable_where_it_was_seen() {
        assert_eq!(reachable(&address("0.0.0.0:70"), &address("81.2.3.4:5000")), address("81.2.3.4:70"));
        assert_eq!(reachable(&address("81.9.9.9:70"), &address("81.2.3.4:5000")), address("81.9.9.9:70"));
        assert_eq!(reachable(&address("node-1"), &address("node-1#7")), address("node-1"));
    }

    #[test]
    fn a_peer_is_believed_about_its_own_host_only() {
        assert!(is_same_host(&address("81.2.3.4:70"), &address("81.2.3.4:5000")));
        assert!(!is_same_host(&address("81.9.9.9:70"), &address("81.2.3.4:5000")));
        assert!(!is_same_host(&address("node-1"), &address("node-1#7")));
    }

    #[test]
    fn addresses_that_are_nobodys_are_not_kept() {
        let mut book = book();
        for nobody in ["", "0.0.0.0:70", "[::]:70", "81.2.3.4:0", "224.0.0.1:70", &"x".repeat(MAX_ADDRESS_BYTES + 1)] {
            book.hear_of(&address(nobody), &address("node-1"));
            book.succeeded(&address(nobody));
        }
        assert_eq!(book.addresses().count(), 0);
    }

    #[test]
    fn one_source_fills_its_buckets_and_no_more() {
        let mut book = book();
        let source = address("81.2.3.4:5");
        for number in 0..20_000_u32 {
            let [.., a, b] = number.to_be_bytes();
            book.hear_of(&address(&format!("{}.{}.7.7:70", a % 100 + 11, b)), &source);
        }
        let buckets: BTreeSet<usize> = book.new.keys().map(|(bucket, _)| *bucket).collect();
        assert!(buckets.len() <= NEW_BUCKETS_PER_SOURCE, "{}", buckets.len());
        assert!(book.new.len() > NEW_BUCKETS_PER_SOURCE, "the test did something");
        assert_eq!(book.places.len(), book.new.len());
    }

    #[test]
    fn the_tried_addresses_of_one_group_fill_their_buckets_and_no_more() {
        let mut book = book();
        for number in 0..5_000_u32 {
            let [.., a, b] = number.to_be_bytes();
            book.succeeded(&address(&format!("81.2.{a}.{b}:70")));
        }
        let buckets: BTreeSet<usize> = book.tried.keys().map(|(bucket, _)| *bucket).collect();
        assert!(buckets.len() <= TRIED_BUCKETS_PER_GROUP);
        assert!(book.tried.len() > BUCKET_SLOTS, "the test did something");
    }

    #[test]
    fn a_good_address_is_not_displaced_and_a_failing_one_is() {
        let mut book = book();
        let source = address("node-1");
        let first = address("node-2");
        book.hear_of(&first, &source);
        let place = book.new_place(&first, &source);
        let rival = (0..).map(|number| address(&format!("rival-{number}")));
        let rival = rival.into_iter().find(|rival| book.new_place(rival, &source) == place).unwrap();
        book.hear_of(&rival, &source);
        assert_eq!(book.addresses().collect::<Vec<_>>(), [&first]);
        (0..MAX_FAILURES).for_each(|_| book.failed(&first));
        book.hear_of(&rival, &source);
        assert_eq!(book.addresses().collect::<Vec<_>>(), [&rival]);
    }

    #[test]
    fn an_address_moves_from_heard_of_to_tried() {
        let mut book = book();
        book.hear_of(&address("node-2"), &address("node-1"));
        assert_eq!((book.new.len(), book.tried.len()), (1, 0));
        book.succeeded(&address("node-2"));
        assert_eq!((book.new.len(), book.tried.len()), (0, 1));
        assert_eq!(book.pick(&mut Random::new([0; 32])), Some(&address("node-2")));
        book.forget(&address("node-2"));
        assert_eq!(book.pick(&mut Random::new([0; 32])), None);
    }

    #[test]
    fn a_sample_repeats_nothing_and_another_seed_chooses_otherwise() {
        let mut book = book();
        (0..200).for_each(|number| book.hear_of(&address(&format!("node-{number}")), &address(&format!("s-{number}"))));
        let sample = book.sample(&mut Random::new([0; 32]), 50);
        assert_eq!(sample.iter().collect::<BTreeSet<_>>().len(), 50);
        assert_ne!(sample, book.sample(&mut Random::new([1; 32]), 50));
    }
}
