//! A transport in memory: any number of nodes in one process, in an order that is the same in every run.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    format,
    sync::Arc,
    vec::Vec,
};
use core::{fmt, mem, time::Duration};

use spin::Mutex;

use crate::{
    limits::{MAX_FRAME_BYTES, PEER_QUEUE_BYTES},
    ports::{Address, Direction, Event, PeerId, Priority, Transport, TransportError, Waker},
};

/// Connects transports in one process. Its handles share it: a clone is the same hub.
#[derive(Clone, Default)]
pub struct MemoryHub {
    shared: Arc<Mutex<Shared>>,
}

impl fmt::Debug for MemoryHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryHub").finish_non_exhaustive()
    }
}

/// One node's end of a [`MemoryHub`].
pub struct MemoryTransport {
    local: PeerId,
    shared: Arc<Mutex<Shared>>,
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTransport").field("local", &self.local).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Shared {
    addresses: BTreeMap<Address, PeerId>,
    inboxes: BTreeMap<PeerId, Inbox>,
    links: BTreeSet<(PeerId, PeerId)>,
    severed: BTreeSet<(PeerId, PeerId)>,
    dials: u64,
}

#[derive(Default)]
struct Inbox {
    /// Connections that came, went or failed: reported before frames.
    events: VecDeque<Event>,
    /// One queue per priority.
    frames: [VecDeque<(PeerId, Vec<u8>)>; 3],
    queued_bytes: BTreeMap<PeerId, usize>,
}

impl MemoryHub {
    /// A hub without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A node's end, reachable by the others at `address`. A node that had this id before must have ended.
    pub fn join(&self, local: PeerId, address: Address) -> MemoryTransport {
        let mut shared = self.shared.lock();
        shared.addresses.insert(address, local);
        shared.inboxes.insert(local, Inbox::default());
        drop(shared);
        MemoryTransport { local, shared: Arc::clone(&self.shared) }
    }

    /// Ends the connection between two nodes, and fails every dial from one to the other until [`MemoryHub::mend`].
    pub fn sever(&self, one: &PeerId, other: &PeerId) {
        let mut shared = self.shared.lock();
        shared.severed.insert(pair(one, other));
        if shared.links.contains(&pair(one, other)) {
            shared.disconnect(one, other);
            shared.report(one, Event::Closed { peer: *other });
        }
    }

    /// Ends the effect of [`MemoryHub::sever`]. The nodes dial again when they see fit.
    pub fn mend(&self, one: &PeerId, other: &PeerId) {
        self.shared.lock().severed.remove(&pair(one, other));
    }

    /// Whether two nodes are connected.
    pub fn is_connected(&self, one: &PeerId, other: &PeerId) -> bool {
        self.shared.lock().links.contains(&pair(one, other))
    }
}

impl Transport for MemoryTransport {
    fn local(&self) -> PeerId {
        self.local
    }

    fn dial(&mut self, address: &Address) -> Result<(), TransportError> {
        self.shared.lock().dial(self.local, address);
        Ok(())
    }

    fn send(&mut self, peer: &PeerId, priority: Priority, frame: Vec<u8>) -> Result<(), TransportError> {
        if frame.len() > MAX_FRAME_BYTES {
            return Err(TransportError::FrameTooLong { bytes: frame.len() });
        }
        let mut shared = self.shared.lock();
        if !shared.links.contains(&pair(&self.local, peer)) {
            return Err(TransportError::NotConnected);
        }
        let inbox = shared.inboxes.get_mut(peer).ok_or(TransportError::NotConnected)?;
        let queued_bytes = inbox.queued_bytes.entry(self.local).or_default();
        if *queued_bytes + frame.len() > PEER_QUEUE_BYTES {
            return Err(TransportError::QueueFull);
        }
        *queued_bytes += frame.len();
        inbox.frames[priority as usize].push_back((self.local, frame));
        Ok(())
    }

    fn close(&mut self, peer: &PeerId) {
        self.shared.lock().disconnect(&self.local, peer);
    }

    /// Never waits.
    fn poll(&mut self, _: Duration) -> Option<Event> {
        let mut shared = self.shared.lock();
        let inbox = shared.inboxes.get_mut(&self.local)?;
        if let Some(event) = inbox.events.pop_front() {
            return Some(event);
        }
        let (peer, frame) = inbox.frames.iter_mut().find_map(VecDeque::pop_front)?;
        let queued_bytes = inbox.queued_bytes.get_mut(&peer).expect("counted when it was queued");
        *queued_bytes -= frame.len();
        Some(Event::Received { peer, frame })
    }

    /// There is no wait to end.
    fn waker(&self) -> Waker {
        Arc::new(|| ())
    }
}

impl Shared {
    fn dial(&mut self, from: PeerId, address: &Address) {
        let target = self.addresses.get(address).copied().filter(|to| {
            self.inboxes.contains_key(to)
                && !self.severed.contains(&pair(&from, to))
                && !self.links.contains(&pair(&from, to))
        });
        let Some(to) = target.filter(|to| *to != from) else {
            return self.report(&from, Event::DialFailed { address: address.clone() });
        };
        self.dials += 1;
        // As with sockets, the dialled side sees another address than the one the dialling side listens on.
        let own = self.addresses.iter().find(|(_, peer)| **peer == from).map(|(address, _)| address.0.clone());
        let seen = Address(format!("{}#{}", own.unwrap_or_default(), self.dials));
        self.links.insert(pair(&from, &to));
        self.report(&from, Event::Connected { peer: to, address: address.clone(), direction: Direction::Outbound });
        self.report(&to, Event::Connected { peer: from, address: seen, direction: Direction::Inbound });
    }

    /// Drops what is queued both ways and tells the other side.
    fn disconnect(&mut self, one: &PeerId, other: &PeerId) {
        if !self.links.remove(&pair(one, other)) {
            return;
        }
        for (to, from) in [(one, other), (other, one)] {
            let Some(inbox) = self.inboxes.get_mut(to) else { continue };
            inbox.queued_bytes.remove(from);
            for queue in &mut inbox.frames {
                *queue = mem::take(queue).into_iter().filter(|(sender, _)| sender != from).collect();
            }
        }
        self.report(other, Event::Closed { peer: *one });
    }

    fn report(&mut self, to: &PeerId, event: Event) {
        if let Some(inbox) = self.inboxes.get_mut(to) {
            inbox.events.push_back(event);
        }
    }
}

impl Drop for MemoryTransport {
    /// A node that ends takes its connections with it.
    fn drop(&mut self) {
        let mut shared = self.shared.lock();
        let peers: Vec<PeerId> = shared.inboxes.keys().copied().collect();
        peers.iter().for_each(|peer| shared.disconnect(&self.local, peer));
        shared.inboxes.remove(&self.local);
        shared.addresses.retain(|_, peer| *peer != self.local);
    }
}

fn pair(one: &PeerId, other: &PeerId) -> (PeerId, PeerId) {
    (*one.min(other), *one.max(other))
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_data::sha256;

    use super::*;

    fn join(hub: &MemoryHub, name: &str) -> MemoryTransport {
        hub.join(PeerId(sha256(name.as_bytes())), Address(name.into()))
    }

    fn poll(transport: &mut MemoryTransport) -> Option<Event> {
        transport.poll(Duration::ZERO)
    }

    fn connected(hub: &MemoryHub) -> (MemoryTransport, MemoryTransport) {
        let (mut a, mut b) = (join(hub, "a"), join(hub, "b"));
        a.dial(&Address("b".into())).unwrap();
        assert!(matches!(poll(&mut a), Some(Event::Connected { direction: Direction::Outbound, .. })));
        assert!(matches!(poll(&mut b), Some(Event::Connected { direction: Direction::Inbound, .. })));
        (a, b)
    }

    #[test]
    fn frames_arrive_by_priority_and_in_order() {
        let hub = MemoryHub::new();
        let (mut a, mut b) = connected(&hub);
        for (priority, frame) in
            [(Priority::Bulk, 1), (Priority::Chain, 2), (Priority::Revocation, 3), (Priority::Bulk, 4)]
        {
            a.send(&b.local(), priority, vec![frame]).unwrap();
        }
        let mut arrived = vec![];
        while let Some(Event::Received { frame, .. }) = poll(&mut b) {
            arrived.extend(frame);
        }
        assert_eq!(arrived, [3, 2, 1, 4]);
    }

    #[test]
    fn closing_tells_the_other_side_and_loses_what_was_queued() {
        let hub = MemoryHub::new();
        let (mut a, mut b) = connected(&hub);
        a.send(&b.local(), Priority::Bulk, vec![1]).unwrap();
        a.close(&b.local());
        assert_eq!(poll(&mut b), Some(Event::Closed { peer: a.local() }));
        assert_eq!(poll(&mut b), None);
        assert_eq!(poll(&mut a), None);
        assert_eq!(a.send(&b.local(), Priority::Bulk, vec![1]), Err(TransportError::NotConnected));
    }

    #[test]
    fn a_severed_link_fails_dials_until_it_is_mended() {
        let hub = MemoryHub::new();
        let (mut a, mut b) = connected(&hub);
        hub.sever(&a.local(), &b.local());
        assert_eq!(poll(&mut a), Some(Event::Closed { peer: b.local() }));
        assert_eq!(poll(&mut b), Some(Event::Closed { peer: a.local() }));
        let address = Address("b".into());
        a.dial(&address).unwrap();
        assert_eq!(poll(&mut a), Some(Event::DialFailed { address: address.clone() }));
        hub.mend(&a.local(), &b.local());
        a.dial(&address).unwrap();
        assert!(hub.is_connected(&a.local(), &b.local()));
    }

    #[test]
    fn frames_and_queues_have_limits() {
        let hub = MemoryHub::new();
        let (mut a, b) = connected(&hub);
        let bytes = MAX_FRAME_BYTES + 1;
        assert_eq!(a.send(&b.local(), Priority::Bulk, vec![0; bytes]), Err(TransportError::FrameTooLong { bytes }));
        for _ in 0..PEER_QUEUE_BYTES / MAX_FRAME_BYTES {
            a.send(&b.local(), Priority::Bulk, vec![0; MAX_FRAME_BYTES]).unwrap();
        }
        assert_eq!(a.send(&b.local(), Priority::Bulk, vec![0; 1]), Err(TransportError::QueueFull));
    }

    #[test]
    fn nobody_dials_itself_or_a_node_that_ended() {
        let hub = MemoryHub::new();
        let (mut a, b) = connected(&hub);
        drop(b);
        assert!(matches!(poll(&mut a), Some(Event::Closed { .. })));
        for address in ["a", "b", "nobody"] {
            let address = Address(address.into());
            a.dial(&address).unwrap();
            assert_eq!(poll(&mut a), Some(Event::DialFailed { address }));
        }
    }
}
