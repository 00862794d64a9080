//! The network as one state machine: events and time in, actions out.

mod receive;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::{fmt, mem};

use health_chain_data::{BlockId, ChainId, Millis, TxId, sha256, tagged_hash};

use crate::{
    action::{Action, Report},
    address_book::{AddressBook, group, is_same_host},
    engine_messages::EngineMessages,
    fetches::Fetches,
    handshake::{Identity, Refusal, Stage},
    limits::{ASK_ADDRESSES_MILLIS, CATCHING_UP_MILLIS, MAX_ANCHORS, MAX_INBOUND_PEERS, MAX_OUTBOUND_PEERS},
    message::{Item, Message},
    outbound::Outbound,
    peer::{Peer, PeerInfo},
    ports::{Address, Direction, Event, Local, PeerId, Priority, TipView},
    random::Random,
    relay::{Outbox, Relay},
    requests::{RequestError, RequestFailure, RequestId, Requests},
    score::{Offence, Scores},
    sync::Sync,
};

/// What a node's network is made with.
#[derive(Clone)]
pub struct Settings {
    /// The network's name, as the genesis document gives it.
    pub network: String,
    /// The chain.
    pub genesis: ChainId,
    /// Where this node accepts connections, if it does. A socket address may leave the host open (`0.0.0.0:7070`).
    pub listen: Option<Address>,
    /// Peers to be connected with whenever they can be reached.
    pub peers: Vec<Address>,
    /// What [`Network::anchors`] gave before the last end of the node.
    pub anchors: Vec<Address>,
    /// What [`Network::addresses`] gave before the last end of the node.
    pub addresses: Vec<Address>,
    /// Connections to open and keep, at most [`MAX_OUTBOUND_PEERS`].
    pub outbound_peers: usize,
    /// Fresh random bytes: whoever knows them can foretell whom the node dials.
    pub entropy: [u8; 32],
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("network", &self.network)
            .field("genesis", &self.genesis)
            .field("listen", &self.listen)
            .field("peers", &self.peers)
            .field("outbound_peers", &self.outbound_peers)
            .finish_non_exhaustive()
    }
}

/// A node's side of the network: greets, relays, syncs, exchanges addresses and keeps count of who does what. Feed it with events
/// and with [`Network::tick`] every [`TICK_MILLIS`](crate::limits::TICK_MILLIS), and do what it returns.
pub struct Network {
    identity: Identity,
    peers: BTreeMap<PeerId, Peer>,
    relay: Relay,
    fetches: Fetches,
    engine_messages: EngineMessages,
    sync: Sync,
    requests: Requests,
    scores: Scores,
    outbound: Outbound,
    random: Random,
    announced_tip: Option<BlockId>,
    /// When the next one may be announced while bodies are missing.
    next_tip_at: Millis,
    actions: Vec<Action>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("peers", &self.peers()).field("bans", &self.bans()).finish_non_exhaustive()
    }
}

impl Network {
    /// A network without connections. It dials at the first tick.
    pub fn new(settings: Settings) -> Self {
        let secret = |purpose: &str| tagged_hash("HC/network/v1", &[purpose.as_bytes(), &settings.entropy]).0;
        let mut random = Random::new(secret("random"));
        let mut book = AddressBook::new(secret("address book"));
        let own = settings.listen.clone().unwrap_or_else(|| Address(String::new()));
        settings.addresses.iter().for_each(|address| book.hear_of(address, &own));
        let target = settings.outbound_peers.min(MAX_OUTBOUND_PEERS);
        let nonce = random.number();
        Self {
            identity: Identity { network: settings.network, genesis: settings.genesis, listen: settings.listen, nonce },
            peers: BTreeMap::new(),
            relay: Relay::new(),
            fetches: Fetches::new(),
            engine_messages: EngineMessages::new(),
            sync: Sync::new(),
            requests: Requests::default(),
            scores: Scores::default(),
            outbound: Outbound::new(book, target, &settings.peers, &settings.anchors),
            random,
            announced_tip: None,
            next_tip_at: Millis::ZERO,
            actions: Vec::new(),
        }
    }

    /// Takes what the transport reports.
    pub fn handle(&mut self, now: Millis, event: Event, local: &mut dyn Local) -> Vec<Action> {
        match event {
            Event::Connected { peer, address, direction } => self.connected(now, peer, address, direction, local),
            Event::Received { peer, frame } => self.received(now, peer, &frame, local),
            Event::Closed { peer } => self.forget(now, &peer),
            Event::DialFailed { address } => self.outbound.failed(now, &address, &mut self.random),
        }
        self.finish(now, local)
    }

    /// Lets time pass: deadlines, pings, announcements that waited, dials. Costs next to nothing where there is none of these.
    pub fn tick(&mut self, now: Millis, local: &mut dyn Local) -> Vec<Action> {
        if now < self.due() && self.announced_tip == Some(local.tip().0) {
            return Vec::new();
        }
        self.check_deadlines(now);
        self.scores.expire(now);
        for (request, peer) in self.requests.expire(now) {
            self.actions.push(Action::Answered { request, peer, outcome: Err(RequestFailure::TimedOut) });
        }
        let outbox = self.fetches.tick(now);
        self.send_all(outbox);
        let outbox = self.relay.tick(now);
        self.send_all(outbox);
        let outbox = self.engine_messages.tick(now);
        self.send_all(outbox);
        self.keep_company(now);
        self.announce_tip(now, local);
        self.dial(now);
        self.finish(now, local)
    }

    /// When the next tick has something to do, unless something happens before.
    pub fn due(&self) -> Millis {
        let parts = [
            self.scores.due(),
            self.requests.due(),
            self.relay.due(),
            self.fetches.due(),
            self.engine_messages.due(),
            self.sync.due(),
            self.outbound.due(),
        ];
        self.peers.values().map(Peer::due).chain(parts).fold(Millis::MAX, Millis::min)
    }

    /// Announces a block that this node made itself. What came from a peer is announced when it was accepted.
    pub fn announce_block(&mut self, id: BlockId) -> Vec<Action> {
        self.announced_tip = Some(id);
        self.announce(Item::Block(id));
        self.flush()
    }

    /// Announces a transaction of this node's own user. What came from a peer is announced when it was accepted.
    /// Before a revocation goes what it builds on, with the same priority: elsewhere it is worth nothing without that.
    pub fn announce_transaction(&mut self, id: TxId, priority: Priority, view: &dyn TipView) -> Vec<Action> {
        self.announce_with_ancestors(id, priority, view);
        self.flush()
    }

    /// Sends what this node's consensus engine says to every peer, again if it says so again.
    pub fn broadcast_engine(&mut self, bytes: &[u8]) -> Vec<Action> {
        let peers = self.engine_messages.say(sha256(bytes), bytes);
        self.send_engine(peers, bytes)
    }

    /// Passes on what another node's engine said, to the peers that are not known to have it; to all others once more where it is said
    /// again after [`ENGINE_AGAIN_MILLIS`](crate::limits::ENGINE_AGAIN_MILLIS). Those whom others reach before this node are only told
    /// its name, in a later tick, and ask for it if it does not reach them.
    pub fn relay_engine(&mut self, now: Millis, bytes: &[u8]) -> Vec<Action> {
        let peers = self.engine_messages.pass_on(now, sha256(bytes), bytes);
        self.send_engine(peers, bytes)
    }

    /// Punishes a peer for an engine's message that nobody honest says or passes on.
    pub fn blame_engine(&mut self, now: Millis, peer: PeerId, rule: &'static str) -> Vec<Action> {
        if self.peers.contains_key(&peer) {
            self.punish(now, peer, Offence::InvalidEngineMessage { rule });
        }
        mem::take(&mut self.actions)
    }

    /// Asks a peer's application. The outcome comes as [`Action::Answered`], in any case.
    ///
    /// # Errors
    /// Where the peer is not connected, the body is too long, or too many requests wait for the peer.
    pub fn app_request(
        &mut self,
        now: Millis,
        peer: PeerId,
        body: Vec<u8>,
    ) -> Result<(RequestId, Vec<Action>), RequestError> {
        if !self.peers.get(&peer).is_some_and(Peer::is_ready) {
            return Err(RequestError::NotConnected);
        }
        let id = self.requests.begin(now, peer, &body)?;
        self.send(peer, &Message::AppRequest { id: id.0, body });
        Ok((id, mem::take(&mut self.actions)))
    }

    /// The peers that have been greeted, by id.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.ready().map(|(id, peer)| peer.info(*id)).collect()
    }

    /// Banned peers, and until when.
    pub fn bans(&self) -> Vec<(PeerId, Millis)> {
        self.scores.bans().collect()
    }

    /// Whether at least one peer is there and, as far as the peers say, this node has all they have.
    pub fn is_in_step(&self, view: &dyn TipView) -> bool {
        self.sync.is_in_step(view)
    }

    /// Addresses of other nodes, to be kept over a restart.
    pub fn addresses(&self) -> Vec<Address> {
        self.outbound.book.addresses().cloned().collect()
    }

    /// The peers to come back to after a restart, before anybody else gets a chance: those dialled that stayed longest.
    pub fn anchors(&self) -> Vec<Address> {
        let mut dialled: Vec<&Peer> =
            self.ready().map(|(_, peer)| peer).filter(|peer| peer.direction == Direction::Outbound).collect();
        dialled.sort_by_key(|peer| peer.since);
        dialled.into_iter().take(MAX_ANCHORS).map(|peer| peer.address.clone()).collect()
    }

    fn ready(&self) -> impl Iterator<Item = (&PeerId, &Peer)> {
        self.peers.iter().filter(|(_, peer)| peer.is_ready())
    }

    fn connected(&mut self, now: Millis, peer: PeerId, address: Address, direction: Direction, local: &dyn Local) {
        self.forget(now, &peer);
        if direction == Direction::Outbound {
            self.outbound.connected(&address);
        }
        self.peers.insert(peer, Peer::new(now, address, direction));
        if self.scores.is_banned(now, &peer) {
            return self.refuse(now, peer, Refusal::Banned);
        }
        if direction == Direction::Inbound && !self.make_room(now, peer) {
            return self.refuse(now, peer, Refusal::Full);
        }
        let hello = self.identity.hello(local.tip());
        self.send(peer, &Message::Hello(hello));
    }

    /// Whether there is a place for this new inbound peer. If all are taken, the youngest peer of the most crowded group of
    /// addresses gives way, unless the newcomer's own group would be as crowded.
    fn make_room(&mut self, now: Millis, newcomer: PeerId) -> bool {
        let mut groups: BTreeMap<String, Vec<(Millis, PeerId)>> = BTreeMap::new();
        let mut own = String::new();
        let mut count = 0;
        for (id, peer) in self.peers.iter().filter(|(_, peer)| peer.direction == Direction::Inbound) {
            let group = group(&peer.address);
            if *id == newcomer {
                own.clone_from(&group);
            }
            groups.entry(group).or_default().push((peer.since, *id));
            count += 1;
        }
        if count <= MAX_INBOUND_PEERS {
            return true;
        }
        let own_size = groups.get(&own).map_or(0, Vec::len);
        let crowd = groups.into_values().max_by_key(Vec::len).expect("the newcomer is in a group");
        if crowd.len() <= own_size {
            return false;
        }
        let youngest = crowd.into_iter().max().expect("a group has a member");
        self.refuse(now, youngest.1, Refusal::GaveWay);
        true
    }

    fn check_deadlines(&mut self, now: Millis) {
        let mut refused: Vec<(PeerId, Refusal)> = Vec::new();
        for (id, peer) in &self.peers {
            if peer.stage.is_overdue(now) {
                refused.push((*id, Refusal::HandshakeTimeout));
            } else if peer.ping.is_overdue(now) {
                refused.push((*id, Refusal::PingTimeout));
            }
        }
        refused.extend(self.sync.tick(now).into_iter().map(|peer| (peer, Refusal::Stalled)));
        for (peer, refusal) in refused {
            self.refuse(now, peer, refusal);
        }
    }

    /// Pings everybody now and then, and asks the peers that this node chose itself for addresses.
    fn keep_company(&mut self, now: Millis) {
        let mut outbox = Outbox::new();
        for (id, peer) in self.peers.iter_mut().filter(|(_, peer)| peer.is_ready()) {
            if peer.ping.is_due(now) {
                let nonce = self.random.number();
                peer.ping.sent(now, nonce);
                outbox.push((*id, Message::Ping { nonce }));
            }
            if peer.direction == Direction::Outbound && peer.ask_addresses_at <= now {
                peer.ask_addresses_at = now.saturating_add(ASK_ADDRESSES_MILLIS);
                peer.awaits_addresses = true;
                outbox.push((*id, Message::GetPeers));
            }
        }
        self.send_all(outbox);
    }

    fn dial(&mut self, now: Millis) {
        if self.outbound.is_resting(now) {
            return;
        }
        let outbound: Vec<Address> = self
            .peers
            .values()
            .filter(|peer| peer.direction == Direction::Outbound)
            .map(|peer| peer.address.clone())
            .collect();
        // Claims about other hosts don't count: they would keep this node from dialling those.
        let believed = |peer: &Peer| peer.listen.clone().filter(|listen| is_same_host(listen, &peer.address));
        let listeners = self.peers.values().filter_map(believed);
        let connected: BTreeSet<Address> =
            outbound.iter().cloned().chain(listeners).chain(self.identity.listen.clone()).collect();
        let dials = self.outbound.dial(now, &outbound, &connected, &mut self.random);
        self.actions.extend(dials.into_iter().map(Action::Dial));
    }

    fn announce_with_ancestors(&mut self, id: TxId, priority: Priority, view: &dyn TipView) {
        if priority == Priority::Revocation {
            for ancestor in view.ancestors(&id) {
                self.announce(Item::Revocation(ancestor));
            }
        }
        self.announce(Item::transaction(id, priority));
    }

    fn announce(&mut self, item: Item) {
        self.fetches.changed(item);
        self.relay.announce(item);
    }

    fn flush(&mut self) -> Vec<Action> {
        let outbox = self.relay.flush();
        self.send_all(outbox);
        mem::take(&mut self.actions)
    }

    /// Announces the tip if it is new. While the node catches up nobody needs each of its tips, so one in a while will do; but not none:
    /// what is missing may be withheld from everybody, on a branch that is the best by its headers alone.
    fn announce_tip(&mut self, now: Millis, view: &dyn TipView) {
        let (tip, _) = view.tip();
        if self.announced_tip == Some(tip) || now < self.next_tip_at && !view.missing_bodies(1).is_empty() {
            return;
        }
        self.announced_tip = Some(tip);
        self.next_tip_at = now.saturating_add(CATCHING_UP_MILLIS);
        self.announce(Item::Block(tip));
    }

    fn finish(&mut self, now: Millis, view: &dyn TipView) -> Vec<Action> {
        let announcements = self.relay.flush();
        self.send_all(announcements);
        let requests = self.sync.pump(now, view);
        self.send_all(requests);
        mem::take(&mut self.actions)
    }

    fn send_engine(&mut self, peers: Vec<PeerId>, bytes: &[u8]) -> Vec<Action> {
        if !peers.is_empty() {
            let message = Message::Engine(bytes.to_vec());
            let (priority, frame) = (message.priority(), message.encode());
            let send = |peer| Action::Send { peer, priority, frame: frame.clone() };
            self.actions.extend(peers.into_iter().map(send));
        }
        mem::take(&mut self.actions)
    }

    fn send_all(&mut self, outbox: Outbox) {
        for (peer, message) in outbox {
            self.send(peer, &message);
        }
    }

    fn send(&mut self, peer: PeerId, message: &Message) {
        self.send_as(peer, message.priority(), message);
    }

    fn send_as(&mut self, peer: PeerId, priority: Priority, message: &Message) {
        if self.peers.contains_key(&peer) {
            self.actions.push(Action::Send { peer, priority, frame: message.encode() });
        }
    }

    /// Books what the peer did wrong, and closes the connection if it is banned for it.
    fn punish(&mut self, now: Millis, peer: PeerId, offence: Offence) {
        let is_banned = self.scores.punish(now, peer, offence);
        self.actions.push(Action::Report(Report::Penalised { peer, offence, is_banned }));
        if is_banned {
            self.close(now, peer, true);
        }
    }

    /// Closes a connection for a reason that is not the peer's fault.
    fn refuse(&mut self, now: Millis, peer: PeerId, reason: Refusal) {
        let is_lasting = reason.is_lasting();
        if let Some(Peer { address, direction, .. }) = self.peers.get(&peer) {
            let (address, direction) = (address.clone(), *direction);
            self.actions.push(Action::Report(Report::Refused { peer, address, direction, reason }));
        }
        self.close(now, peer, is_lasting);
    }

    fn close(&mut self, now: Millis, peer: PeerId, is_useless: bool) {
        let dialled = self.peers.get(&peer).filter(|peer| peer.direction == Direction::Outbound);
        if let Some(address) = dialled.filter(|_| is_useless).map(|peer| peer.address.clone()) {
            self.outbound.useless(now, &address);
        }
        self.forget(now, &peer);
        self.actions.push(Action::Close(peer));
    }

    /// Drops everything about a connection; what was under way over it is asked of others.
    fn forget(&mut self, now: Millis, id: &PeerId) {
        let Some(peer) = self.peers.remove(id) else { return };
        if peer.direction == Direction::Outbound {
            self.outbound.closed(now, peer.since, &peer.address, &mut self.random);
        }
        if peer.stage != Stage::Ready {
            return;
        }
        self.sync.left(id);
        self.engine_messages.left(id);
        self.relay.left(id);
        let outbox = self.fetches.left(now, id);
        self.send_all(outbox);
        for request in self.requests.left(id) {
            let outcome = Err(RequestFailure::Disconnected);
            self.actions.push(Action::Answered { request, peer: *id, outcome });
        }
        self.actions.push(Action::Report(Report::Left { peer: *id }));
    }
}
