//! Virtual time, the links between nodes, and everything that waits to happen.

mod ends;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use health_chain::{
    application::node::Report,
    consensus::ports::SearchTask,
    data::{Millis, sha256},
    network::{
        Address, Direction, Event, PeerId, Priority, TransportError,
        limits::{MAX_FRAME_BYTES, PEER_QUEUE_BYTES},
    },
};

use self::ends::{SimulatedSearcher, SimulatedTransport};

use super::{
    byzantine::Tamper,
    disk::Disk,
    fault::{Counts, Fault},
    random::Random,
    trace::Trace,
};

/// How long a connection lives on when nothing comes through any more, at most, in milliseconds.
const IDLE_MILLIS: u64 = 30_000;
/// Bytes that a link carries in a millisecond.
const BYTES_PER_MILLI: u64 = 1_250;

/// A node's place in the simulation, from 0.
pub(super) type NodeIndex = usize;

/// What happens at some moment.
pub(super) enum Wake {
    /// A node has a turn because time has passed. Void if the node has been started again since, or has another turn before.
    Turn { node: NodeIndex, life: u64 },
    /// A node has a turn because its engine wants one, or something has arrived. Void if the node has been started again since.
    Engine { node: NodeIndex, life: u64 },
    /// Something arrives at a node over a connection; void if that has ended before.
    Deliver { link: u64, from: NodeIndex, to: NodeIndex, event: Event, bytes: usize },
    /// A dial has failed.
    DialFailed { node: NodeIndex, life: u64, address: Address },
    /// A dial reaches its node.
    Dialled { from: NodeIndex, life: u64, to: NodeIndex, address: Address },
    /// A connection through which nothing comes is given up by both.
    IdleTimeout { link: u64 },
    /// A search has found something, if it is still the same one.
    Found { node: NodeIndex, search: u64 },
    /// A fault begins.
    Fault,
    /// The network is whole again.
    Mend,
    /// A node is started again.
    Restart(NodeIndex),
    /// A disk has room again.
    Room(NodeIndex),
    /// A patient does something.
    Patient(usize),
    /// An institute wants to read.
    Reader(usize),
    /// Somebody pays.
    Payer(usize),
    /// Who bonds for a validator does something.
    Owner(usize),
    /// The checkers look.
    Check,
    /// From now on there are no faults.
    Heal,
}

/// Which nodes reach which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Partition {
    None,
    Halves(Vec<bool>),
    Ring,
    OneWay(NodeIndex),
}

struct Link {
    serial: u64,
    /// Per direction (from the lower index, from the higher) and priority: when the last frame arrives.
    last: [[u64; 3]; 2],
    queued_bytes: [usize; 2],
    /// A frame was lost; nothing comes through until the connection is given up.
    is_broken: [bool; 2],
}

struct Search {
    serial: u64,
    task: SearchTask,
}

/// How links behave.
#[derive(Debug, Clone)]
pub(super) struct LinkRules {
    pub(super) delay_millis: (u64, u64),
    pub(super) loss_one_in: u64,
    pub(super) reorders: bool,
}

/// Something that waits to happen.
struct Waiting {
    /// The moment, and of one moment when it was planned: the first of all is the greatest.
    at: Reverse<(u64, u64)>,
    /// Behind a pointer, because the queue moves it about.
    wake: Box<Wake>,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

/// The time, and by how much each node's clock is off: nodes look often.
struct Clocks {
    now: AtomicU64,
    skews: Vec<AtomicI64>,
}

/// Everything that nodes share. One lock, held for the length of one call.
#[derive(Clone)]
pub(super) struct Fabric {
    shared: Arc<Mutex<Shared>>,
    clocks: Arc<Clocks>,
}

pub(super) struct Shared {
    clocks: Arc<Clocks>,
    pub(super) now: u64,
    pub(super) random: Random,
    pub(super) partition: Partition,
    /// Who never reaches each other, the lower index first.
    pub(super) walls: BTreeSet<(NodeIndex, NodeIndex)>,
    pub(super) counts: Counts,
    pub(super) rules: LinkRules,
    pub(super) trace: Trace,
    pub(super) frames: u64,
    pub(super) peak_queued_bytes: usize,
    /// By moment, and of one moment by when it was planned. Behind a pointer each: they are moved about.
    wakes: BinaryHeap<Waiting>,
    sequence: u64,
    links: BTreeMap<(NodeIndex, NodeIndex), Link>,
    inboxes: Vec<VecDeque<Event>>,
    lives: Vec<Option<u64>>,
    /// When each node's next turn because time has passed is planned.
    turns: Vec<u64>,
    peers: Vec<PeerId>,
    indexes: BTreeMap<PeerId, NodeIndex>,
    addresses: BTreeMap<Address, NodeIndex>,
    searches: Vec<Option<Search>>,
    reports: Vec<Option<Arc<Report>>>,
    /// How long each node searches at the easiest target, on average.
    mean_search_millis: Vec<f64>,
}

impl Fabric {
    /// As many nodes as there are times in `mean_search_millis`.
    pub(super) fn new(start: Millis, random: Random, rules: LinkRules, mean_search_millis: Vec<f64>) -> Self {
        let nodes = mean_search_millis.len();
        let skews = (0..nodes).map(|_| AtomicI64::new(0)).collect();
        let clocks = Arc::new(Clocks { now: AtomicU64::new(start.0), skews });
        let shared = Shared {
            clocks: clocks.clone(),
            now: start.0,
            random,
            partition: Partition::None,
            walls: BTreeSet::new(),
            counts: Counts::new(),
            rules,
            trace: Trace::default(),
            frames: 0,
            peak_queued_bytes: 0,
            wakes: BinaryHeap::new(),
            sequence: 0,
            links: BTreeMap::new(),
            inboxes: (0..nodes).map(|_| VecDeque::new()).collect(),
            lives: vec![None; nodes],
            turns: vec![0; nodes],
            peers: (0..nodes).map(peer).collect(),
            indexes: (0..nodes).map(|node| (peer(node), node)).collect(),
            addresses: (0..nodes).map(|node| (address(node), node)).collect(),
            searches: (0..nodes).map(|_| None).collect(),
            reports: (0..nodes).map(|_| None).collect(),
            mean_search_millis,
        };
        Self { shared: Arc::new(Mutex::new(shared)), clocks }
    }

    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Shared) -> R) -> R {
        act(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A node's end; it counts as alive from now on.
    pub(super) fn join(&self, node: NodeIndex, disk: Disk, tamper: Option<Tamper>) -> SimulatedTransport {
        let life = self.with(|shared| {
            shared.sequence += 1;
            shared.lives[node] = Some(shared.sequence);
            shared.sequence
        });
        SimulatedTransport { fabric: self.clone(), node, life, disk, tamper }
    }

    /// A node's clock.
    pub(super) fn clock(&self, node: NodeIndex) -> Millis {
        let now = self.clocks.now.load(Ordering::Relaxed);
        Millis(now.saturating_add_signed(self.clocks.skews[node].load(Ordering::Relaxed)))
    }

    pub(super) fn searcher(&self, node: NodeIndex, report: Report) -> SimulatedSearcher {
        self.with(|shared| shared.reports[node] = Some(Arc::new(report)));
        SimulatedSearcher { fabric: self.clone(), node }
    }

    /// The task of a search that has found something, and whom to tell; none if the search was given up.
    pub(super) fn found(&self, node: NodeIndex, search: u64) -> Option<(SearchTask, Arc<Report>)> {
        self.with(|shared| {
            let found = shared.searches[node].take_if(|current| current.serial == search)?;
            Some((found.task, shared.reports[node].clone()?))
        })
    }
}

/// The name under which a node is known and reached.
pub(super) fn peer(node: NodeIndex) -> PeerId {
    PeerId(sha256(&(node as u64).to_le_bytes()))
}

/// Where a node is reached.
pub(super) fn address(node: NodeIndex) -> Address {
    Address(format!("10.0.{node}.1:7070"))
}

impl Shared {
    pub(super) fn after(&mut self, millis: u64, wake: Wake) {
        self.sequence += 1;
        let at = self.now.saturating_add(millis);
        self.wakes.push(Waiting { at: Reverse((at, self.sequence)), wake: Box::new(wake) });
    }

    /// The next thing to happen; time moves on to it.
    pub(super) fn next(&mut self) -> Option<Wake> {
        let Waiting { at: Reverse((at, _)), wake } = self.wakes.pop()?;
        self.now = at;
        self.clocks.now.store(at, Ordering::Relaxed);
        Some(*wake)
    }

    /// Plans a node's next turn because time has passed, unless an earlier one is planned.
    pub(super) fn plan_turn(&mut self, node: NodeIndex, after: u64) {
        let (at, planned) = (self.now.saturating_add(after), self.turns[node]);
        if let Some(life) = self.lives[node].filter(|_| planned <= self.now || at < planned) {
            self.turns[node] = at;
            self.after(after, Wake::Turn { node, life });
        }
    }

    /// Whether this turn is still the one that is planned.
    pub(super) fn is_planned(&self, node: NodeIndex, life: u64) -> bool {
        self.lives[node] == Some(life) && self.turns[node] == self.now
    }

    pub(super) fn life(&self, node: NodeIndex) -> Option<u64> {
        self.lives[node]
    }

    pub(super) fn count(&mut self, fault: Fault) {
        *self.counts.entry(fault).or_default() += 1;
    }

    pub(super) fn note(&mut self, what: &[u8]) {
        self.trace.note(self.now, &[what]);
    }

    pub(super) fn set_skew(&mut self, node: NodeIndex, skew_millis: i64) {
        self.clocks.skews[node].store(skew_millis, Ordering::Relaxed);
    }

    /// Hands over what arrives. Returns the node that has something to do now.
    pub(super) fn deliver(
        &mut self,
        link: u64,
        from: NodeIndex,
        to: NodeIndex,
        event: Event,
        bytes: usize,
    ) -> Option<NodeIndex> {
        let found = self.links.get_mut(&pair(from, to)).filter(|found| found.serial == link)?;
        found.queued_bytes[side(from, to)] -= bytes;
        if let Event::Received { frame, .. } = &event {
            self.trace.note(self.now, &[&(to as u64).to_le_bytes(), frame]);
            self.frames += 1;
        }
        self.inboxes[to].push_back(event);
        Some(to)
    }

    /// Connects two nodes, where that is possible.
    pub(super) fn dialled(&mut self, from: NodeIndex, life: u64, to: NodeIndex, address: Address) {
        if self.lives[from] != Some(life) {
            return;
        }
        if self.lives[to].is_none() || self.links.contains_key(&pair(from, to)) || !self.is_open(from, to) {
            return self.tell(from, Event::DialFailed { address });
        }
        self.sequence += 1;
        let serial = self.sequence;
        let link = Link { serial, last: [[0; 3]; 2], queued_bytes: [0; 2], is_broken: [false; 2] };
        self.links.insert(pair(from, to), link);
        let seen = Address(format!("10.0.{from}.1:{}", 40_000 + serial % 20_000));
        let event = Event::Connected { peer: self.peers[from], address: seen, direction: Direction::Inbound };
        let peer = self.peers[to];
        self.tell(from, Event::Connected { peer, address, direction: Direction::Outbound });
        self.tell(to, event);
    }

    /// Something that its transport has to tell a node, in a turn of its own.
    fn tell(&mut self, node: NodeIndex, event: Event) {
        if let Some(life) = self.lives[node] {
            self.inboxes[node].push_back(event);
            self.after(0, Wake::Engine { node, life });
        }
    }

    pub(super) fn dial_failed(&mut self, node: NodeIndex, life: u64, address: Address) {
        if self.lives[node] == Some(life) {
            self.tell(node, Event::DialFailed { address });
        }
    }

    /// Gives up a connection on both sides.
    pub(super) fn time_out(&mut self, link: u64) {
        let found = self.links.iter().find(|(_, found)| found.serial == link).map(|(pair, _)| *pair);
        if let Some((low, high)) = found {
            self.links.remove(&(low, high));
            self.tell(low, Event::Closed { peer: self.peers[high] });
            self.tell(high, Event::Closed { peer: self.peers[low] });
        }
    }

    /// Whether a search of the node's is under way.
    pub(super) fn is_searching(&self, node: NodeIndex) -> bool {
        self.searches[node].is_some()
    }

    /// Takes a node off the network: its peers hear of it in a while.
    pub(super) fn leave(&mut self, node: NodeIndex) {
        self.lives[node] = None;
        self.turns[node] = 0;
        self.inboxes[node].clear();
        self.searches[node] = None;
        self.reports[node] = None;
        let gone: Vec<_> = self.links.keys().filter(|(low, high)| *low == node || *high == node).copied().collect();
        for (low, high) in gone {
            self.links.remove(&(low, high));
            let other = if low == node { high } else { low };
            self.tell(other, Event::Closed { peer: self.peers[node] });
        }
    }

    /// Cuts what the new partition does not let through: such connections are given up after a while.
    pub(super) fn divide(&mut self, partition: Partition) {
        self.partition = partition;
        let pairs: Vec<_> = self.links.keys().copied().collect();
        for (low, high) in pairs {
            let open = [self.reaches(low, high), self.reaches(high, low)];
            if open == [true, true] {
                continue;
            }
            let patience = self.random.between(IDLE_MILLIS / 3, IDLE_MILLIS);
            let Some(link) = self.links.get_mut(&(low, high)) else { continue };
            for (broken, open) in link.is_broken.iter_mut().zip(open) {
                *broken |= !open;
            }
            let link = link.serial;
            self.after(patience, Wake::IdleTimeout { link });
        }
    }

    /// Whether nothing keeps the first `count` nodes from hearing each other: all of them run, no part of the network is cut off, and each reaches
    /// every other over connections between them.
    pub(super) fn is_calm(&self, count: usize) -> bool {
        if self.partition != Partition::None || self.lives[..count].contains(&None) {
            return false;
        }
        let mut reached = vec![0];
        let mut looked_at = 0;
        while let Some(one) = reached.get(looked_at).copied() {
            let is_linked =
                |other: &NodeIndex| self.links.get(&pair(one, *other)).is_some_and(|link| link.is_broken == [false; 2]);
            let new: Vec<_> = (0..count).filter(|other| !reached.contains(other)).filter(is_linked).collect();
            reached.extend(new);
            looked_at += 1;
        }
        reached.len() == count
    }

    fn is_open(&self, one: NodeIndex, other: NodeIndex) -> bool {
        self.reaches(one, other) && self.reaches(other, one)
    }

    fn reaches(&self, from: NodeIndex, to: NodeIndex) -> bool {
        if self.walls.contains(&pair(from, to)) {
            return false;
        }
        match &self.partition {
            Partition::None => true,
            Partition::Halves(sides) => sides[from] == sides[to],
            Partition::Ring => {
                let count = self.lives.len();
                (from + 1) % count == to || (to + 1) % count == from
            }
            Partition::OneWay(mute) => from != *mute,
        }
    }

    fn send(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        priority: Priority,
        frame: Vec<u8>,
    ) -> Result<(), TransportError> {
        if frame.len() > MAX_FRAME_BYTES {
            return Err(TransportError::FrameTooLong { bytes: frame.len() });
        }
        let (bytes, side) = (frame.len(), side(from, to));
        let (least, most) = self.rules.delay_millis;
        let delay = self.random.between(least, most) + bytes as u64 / BYTES_PER_MILLI;
        let is_lost = self.random.one_in(self.rules.loss_one_in);
        let patience = self.random.between(least, IDLE_MILLIS / 10);
        let link = self.links.get_mut(&pair(from, to)).ok_or(TransportError::NotConnected)?;
        if link.queued_bytes[side] + bytes > PEER_QUEUE_BYTES {
            return Err(TransportError::QueueFull);
        }
        let serial = link.serial;
        if link.is_broken[side] {
            return Ok(());
        }
        if is_lost {
            link.is_broken = [true; 2];
            self.count(Fault::Loss);
            self.after(patience, Wake::IdleTimeout { link: serial });
            return Ok(());
        }
        link.queued_bytes[side] += bytes;
        self.peak_queued_bytes = self.peak_queued_bytes.max(link.queued_bytes[side]);
        let last = &mut link.last[side];
        let newest = last.iter().copied().max().unwrap_or(0);
        // Each priority is a stream of its own: in order in itself, and in no order with the others.
        let behind = if self.rules.reorders { last[priority as usize] } else { newest };
        let at = (self.now + delay).max(behind);
        last[priority as usize] = at;
        if at < newest {
            self.count(Fault::Reordering);
        }
        let event = Event::Received { peer: self.peers[from], frame };
        self.after(at - self.now, Wake::Deliver { link: serial, from, to, event, bytes });
        Ok(())
    }
}

/// How two nodes are named together: the lower index first.
pub(super) fn pair(one: NodeIndex, other: NodeIndex) -> (NodeIndex, NodeIndex) {
    (one.min(other), one.max(other))
}

/// Which direction of the link between the two.
const fn side(from: NodeIndex, to: NodeIndex) -> usize {
    if from < to { 0 } else { 1 }
}
