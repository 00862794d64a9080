//! Places for inbound handshakes: few, and none for those who hold many already.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard},
};

use crate::limits::{MAX_HANDSHAKES, MAX_HANDSHAKES_PER_HOST};

/// Handshakes under way, by the host that has shown that the address is its own: `None` for those that have not yet. Anybody can write a
/// sender's address on a packet, so what has not been shown counts against nobody.
#[derive(Default)]
pub(crate) struct Places(Mutex<BTreeMap<Option<IpAddr>, usize>>);

/// A handshake's place, given back when this is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    host: Option<IpAddr>,
}

impl Places {
    /// Whether strangers have to show that their addresses are their own.
    pub(crate) fn are_half_taken(&self) -> bool {
        self.taken().values().sum::<usize>() >= MAX_HANDSHAKES / 2
    }

    /// Takes a place, if there is one for the host at this address.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr, is_shown: bool) -> Option<Place> {
        let host = is_shown.then(|| host(address));
        let mut taken = self.taken();
        let is_crowd = host.is_some() && taken.get(&host).is_some_and(|count| *count >= MAX_HANDSHAKES_PER_HOST);
        if is_crowd || taken.values().sum::<usize>() >= MAX_HANDSHAKES {
            return None;
        }
        *taken.entry(host).or_default() += 1;
        Some(Place { places: Arc::clone(self), host })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<Option<IpAddr>, usize>> {
        self.0.lock().expect("nothing panics while it holds the places")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.host);
            }
        }
    }
}

/// What one operator certainly has as a whole: an IPv4 address, /64 of an IPv6 address.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_few_places_and_all_together_have_no_more_than_there_are() {
        let places = Arc::new(Places::default());
        let take = |address: &str, is_shown| places.take(address.parse().unwrap(), is_shown);
        let mut held: Vec<Place> = (0..MAX_HANDSHAKES_PER_HOST).filter_map(|_| take("192.0.2.1", true)).collect();
        assert_eq!(held.len(), MAX_HANDSHAKES_PER_HOST);
        assert!(take("192.0.2.1", true).is_none() && take("::ffff:192.0.2.1", true).is_none());
        held.extend(take("192.0.2.1", false));
        held.extend(take("192.0.2.2", true));
        assert_eq!(held.len(), MAX_HANDSHAKES_PER_HOST + 2, "others are not concerned, nor who may be somebody else");
        let subnet = (0..).map_while(|host: u16| take(&format!("2001:db8::{host:x}"), true));
        held.extend(subnet);
        assert_eq!(held.len(), 2 * MAX_HANDSHAKES_PER_HOST + 2);
        held.extend((0..).map_while(|_| take("192.0.2.3", false)));
        assert_eq!(held.len(), MAX_HANDSHAKES);
        assert!(take("192.0.2.4", true).is_none());
        drop(held);
        assert!(!places.are_half_taken() && places.taken().is_empty());
        assert!(take("192.0.2.1", true).is_some());
    }
}
