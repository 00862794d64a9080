//! A little chain that is real enough to sync and relay, a node around it, and a world of such nodes on one hub.
#![allow(dead_code, unreachable_pub, reason = "every test file compiles all of it and uses its own part")]

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use health_chain_data::{
    Block, BlockId, Body, ChainId, Header, Height, Kind, Millis, Timestamp, Transaction, TxId, Witness, codec,
    ports::ScalarHasher, sha256,
};
use health_chain_network::{
    Action, Address, Event, Inbound, Item, MemoryHub, MemoryTransport, Message, Network, PeerId, Priority, Report,
    Settings, TipView, Transport, Verdict, carry_out, limits::TICK_MILLIS,
};

pub const NETWORK: &str = "toy";
pub const REVOKE: Kind = Kind(19);

/// The longest chain wins. A block is valid if its root is right, a header if its version is 1, a transaction if its witness
/// repeats its payload and its payload does not begin with "bad".
pub struct ToyChain {
    headers: BTreeMap<BlockId, (Header, Height)>,
    bodies: BTreeMap<BlockId, Vec<u8>>,
    /// The best header chain by height.
    best: Vec<BlockId>,
    tip: BlockId,
    pub pool: BTreeMap<TxId, Vec<u8>>,
    /// Transactions in the order in which they were accepted.
    pub accepted: Vec<TxId>,
    /// How often the network looked up a block or a transaction.
    pub reads: Cell<usize>,
    /// How often the network handed over a transaction.
    pub deliveries: usize,
    /// What engines said and this node has not looked at.
    engine_inbox: Vec<Vec<u8>>,
    /// How often each thing that an engine said was handed over.
    pub heard: BTreeMap<Vec<u8>, usize>,
    /// Takes no transactions, as a full pool would.
    pub is_full: bool,
}

impl ToyChain {
    pub fn new() -> Self {
        let genesis = block_on(BlockId::default(), 0, vec![]);
        let id = genesis.id();
        Self {
            headers: BTreeMap::from([(id, (genesis.header.clone(), Height(0)))]),
            bodies: BTreeMap::from([(id, codec::encode(&genesis))]),
            best: vec![id],
            tip: id,
            pool: BTreeMap::new(),
            accepted: vec![],
            reads: Cell::new(0),
            deliveries: 0,
            engine_inbox: vec![],
            heard: BTreeMap::new(),
            is_full: false,
        }
    }

    pub fn height(&self) -> u32 {
        self.headers[&self.tip].1.0
    }

    /// Makes a block on the tip; `salt` tells branches apart.
    pub fn mine(&mut self, salt: u32) -> Block {
        let block = block_on(self.tip, salt, vec![]);
        assert!(matches!(Inbound::block(self, &codec::encode(&block)), Verdict::Accepted(_)));
        block
    }

    fn add_header(&mut self, header: &Header) -> Verdict {
        let id = header.id();
        if header.version != 1 {
            return Verdict::Invalid { rule: "version" };
        }
        if self.headers.contains_key(&id) {
            return Verdict::Known;
        }
        let Some((_, below)) = self.headers.get(&header.parent) else { return Verdict::Ignored };
        let height = below.next();
        self.headers.insert(id, (header.clone(), height));
        if height.0 as usize >= self.best.len() {
            self.extend_best(id);
        }
        Verdict::Accepted(Priority::Chain)
    }

    /// Makes the branch that ends in this header the best one.
    fn extend_best(&mut self, id: BlockId) {
        let mut branch = vec![];
        let mut id = id;
        loop {
            let (header, height) = &self.headers[&id];
            if self.best.get(height.0 as usize) == Some(&id) {
                self.best.truncate(height.0 as usize + 1);
                self.best.extend(branch.into_iter().rev());
                return;
            }
            branch.push(id);
            id = header.parent;
        }
    }

    /// The ids of the best header chain above its last common block with the connected one, lowest first.
    fn ahead(&self) -> &[BlockId] {
        let mut id = self.tip;
        loop {
            let (header, height) = &self.headers[&id];
            if self.best.get(height.0 as usize) == Some(&id) {
                return &self.best[height.0 as usize + 1..];
            }
            id = header.parent;
        }
    }

    /// Whether the block and all below it are here.
    fn is_complete(&self, id: &BlockId) -> bool {
        let parent = |id: &BlockId| self.headers.get(id).map(|(header, _)| header.parent);
        std::iter::successors(Some(*id), parent)
            .take_while(|id| self.headers.contains_key(id))
            .all(|id| self.bodies.contains_key(&id))
    }

    fn connect(&mut self) {
        let reached = self.ahead().iter().take_while(|id| self.bodies.contains_key(id)).last().copied();
        if let Some(id) = reached.filter(|id| self.headers[id].1 > self.headers[&self.tip].1) {
            self.tip = id;
        }
    }
}

impl TipView for ToyChain {
    fn tip(&self) -> (BlockId, Height) {
        (self.tip, self.headers[&self.tip].1)
    }

    fn has_header(&self, id: &BlockId) -> bool {
        self.headers.contains_key(id)
    }

    fn locator(&self) -> Vec<BlockId> {
        let downwards = |depth: usize| self.best.iter().rev().nth(depth).copied();
        let depths = (0..8).chain((4..).map(|power| 1 << power).take_while(|depth| *depth < self.best.len()));
        depths.filter_map(downwards).chain(self.best.first().copied()).collect()
    }

    fn headers_after(&self, locator: &[BlockId], max_headers: usize) -> Vec<Header> {
        let start = locator.iter().find_map(|id| {
            let height = self.headers.get(id)?.1.0 as usize;
            (self.best.get(height) == Some(id)).then_some(height)
        });
        let after = self.best.iter().skip(start.map_or(0, |height| height + 1));
        after.take(max_headers).map(|id| self.headers[id].0.clone()).collect()
    }

    fn missing_bodies(&self, max_blocks: usize) -> Vec<BlockId> {
        self.ahead().iter().filter(|id| !self.bodies.contains_key(id)).take(max_blocks).copied().collect()
    }

    fn block(&self, id: &BlockId) -> Option<Vec<u8>> {
        self.reads.update(|reads| reads + 1);
        self.bodies.get(id).cloned()
    }

    fn transaction(&self, id: &TxId) -> Option<Vec<u8>> {
        self.reads.update(|reads| reads + 1);
        self.pool.get(id).cloned()
    }

    fn has_transaction(&self, id: &TxId) -> bool {
        self.pool.contains_key(id)
    }

    fn waiting(&self, max_items: usize) -> Vec<Item> {
        let item = |(id, bytes): (&TxId, &Vec<u8>)| {
            let transaction: Transaction = codec::decode(bytes).expect("the pool holds transactions");
            Item::transaction(*id, priority(&transaction))
        };
        let mut items: Vec<Item> = self.pool.iter().map(item).collect();
        items.sort_unstable();
        items.truncate(max_items);
        items
    }
}

impl Inbound for ToyChain {
    fn headers(&mut self, headers: &[Header]) -> Verdict {
        let mut verdict = Verdict::Known;
        for header in headers {
            match self.add_header(header) {
                Verdict::Known => {}
                other @ Verdict::Accepted(_) => verdict = other,
                other => return other,
            }
        }
        self.connect();
        verdict
    }

    fn block(&mut self, bytes: &[u8]) -> Verdict {
        let Ok(block) = codec::decode::<Block>(bytes) else { return Verdict::Invalid { rule: "encoding" } };
        if block.body.root(&ScalarHasher) != block.header.root {
            return Verdict::Invalid { rule: "root" };
        }
        let verdict = self.add_header(&block.header);
        if !matches!(verdict, Verdict::Accepted(_) | Verdict::Known) {
            return verdict;
        }
        let id = block.id();
        if self.bodies.insert(id, bytes.to_vec()).is_some() {
            return Verdict::Known;
        }
        self.connect();
        // As long as the best branch is not here, another one as good will do.
        if self.headers[&id].1 > self.headers[&self.tip].1 && self.is_complete(&id) {
            self.tip = id;
        }
        Verdict::Accepted(Priority::Chain)
    }

    fn transaction(&mut self, bytes: &[u8]) -> Verdict {
        self.deliveries += 1;
        let transaction: Transaction = codec::decode(bytes).expect("the network decodes before it asks");
        if transaction.payload.starts_with(b"bad") {
            return Verdict::Invalid { rule: "payload" };
        }
        if transaction.witnesses != [Witness::new([transaction.payload.clone()])] {
            return Verdict::Invalid { rule: "witness" };
        }
        if self.is_full {
            return Verdict::Ignored;
        }
        if self.pool.insert(transaction.id(), bytes.to_vec()).is_some() {
            return Verdict::Known;
        }
        self.accepted.push(transaction.id());
        Verdict::Accepted(priority(&transaction))
    }

    fn engine(&mut self, bytes: Vec<u8>) {
        self.engine_inbox.push(bytes);
    }

    /// Answers with the body reversed; is silent when asked to be.
    fn request(&mut self, _: &PeerId, body: &[u8]) -> Option<Vec<u8>> {
        (body != b"silence").then(|| body.iter().rev().copied().collect())
    }
}

fn priority(transaction: &Transaction) -> Priority {
    if transaction.kind == REVOKE { Priority::Revocation } else { Priority::Bulk }
}

pub fn block_on(parent: BlockId, salt: u32, transactions: Vec<Transaction>) -> Block {
    let body = Body(transactions);
    let root = body.root(&ScalarHasher);
    Block { header: Header { version: 1, parent, root, time: Timestamp(salt), seal: vec![] }, body }
}

pub fn transaction(kind: Kind, payload: &str) -> Transaction {
    let mut transaction = Transaction::new(kind, payload.into());
    transaction.witnesses = vec![Witness::new([payload])];
    transaction
}

pub fn genesis() -> ChainId {
    ChainId(ToyChain::new().tip.0)
}

pub fn peer_id(name: &str) -> PeerId {
    PeerId(sha256(name.as_bytes()))
}

pub fn address(name: &str) -> Address {
    Address(name.into())
}

pub fn settings(name: &str, peers: &[&str]) -> Settings {
    Settings {
        network: NETWORK.into(),
        genesis: genesis(),
        listen: Some(address(name)),
        peers: peers.iter().map(|peer| address(peer)).collect(),
        anchors: vec![],
        addresses: vec![],
        outbound_peers: 8,
        entropy: peer_id(name).0.0,
    }
}

pub struct Node {
    pub transport: MemoryTransport,
    pub network: Network,
    pub chain: ToyChain,
    /// What the network left for its caller.
    pub rest: Vec<Action>,
}

impl Node {
    pub fn id(&self) -> PeerId {
        self.transport.local()
    }

    pub fn perform(&mut self, now: Millis, actions: Vec<Action>) {
        let (mut events, rest) = carry_out(&mut self.transport, actions);
        self.rest.extend(rest);
        while let Some(event) = events.pop() {
            let actions = self.network.handle(now, event, &mut self.chain);
            let (more, rest) = carry_out(&mut self.transport, actions);
            self.rest.extend(rest);
            events.extend(more);
        }
    }

    /// Handles one event. `false` where there is none.
    fn step(&mut self, now: Millis) -> bool {
        let Some(event) = self.transport.poll(Duration::ZERO) else { return false };
        let actions = self.network.handle(now, event, &mut self.chain);
        self.perform(now, actions);
        for bytes in std::mem::take(&mut self.chain.engine_inbox) {
            let times = self.chain.heard.entry(bytes.clone()).or_default();
            *times += 1;
            if *times == 1 {
                let actions = self.network.relay_engine(now, &bytes);
                self.perform(now, actions);
            }
        }
        true
    }

    /// Lets this node's engine say something.
    pub fn say(&mut self, now: Millis, bytes: &[u8]) {
        let actions = self.network.broadcast_engine(bytes);
        self.perform(now, actions);
    }

    /// Puts a transaction into the pool and announces it, as a wallet of this node would.
    pub fn submit(&mut self, now: Millis, transaction: &Transaction) {
        let verdict = Inbound::transaction(&mut self.chain, &codec::encode(transaction));
        let Verdict::Accepted(priority) = verdict else { panic!("{verdict:?}") };
        let actions = self.network.announce_transaction(transaction.id(), priority, &self.chain);
        self.perform(now, actions);
    }

    pub fn mine(&mut self, now: Millis, salt: u32) {
        let id = self.chain.mine(salt).id();
        let actions = self.network.announce_block(id);
        self.perform(now, actions);
    }

    pub fn was_penalised(&self) -> Vec<PeerId> {
        let penalised = |action: &Action| match action {
            Action::Report(Report::Penalised { peer, .. }) => Some(*peer),
            _ => None,
        };
        self.rest.iter().filter_map(penalised).collect()
    }
}

pub struct World {
    pub hub: MemoryHub,
    pub nodes: Vec<Node>,
    pub now: Millis,
}

impl World {
    pub fn new() -> Self {
        Self { hub: MemoryHub::new(), nodes: vec![], now: Millis(1_000_000) }
    }

    /// Adds a node that knows these others.
    pub fn add(&mut self, name: &str, peers: &[&str]) -> usize {
        let transport = self.hub.join(peer_id(name), address(name));
        let network = Network::new(settings(name, peers));
        self.nodes.push(Node { transport, network, chain: ToyChain::new(), rest: vec![] });
        self.nodes.len() - 1
    }

    /// Delivers everything, one event per node in turn, and lets no time pass.
    pub fn settle(&mut self) {
        let now = self.now;
        // Counted, not asked for any: every node gets its turn.
        while self.nodes.iter_mut().filter_map(|node| node.step(now).then_some(())).count() > 0 {}
    }

    /// Lets time pass in ticks.
    pub fn run(&mut self, millis: u64) {
        for _ in 0..millis.div_ceil(TICK_MILLIS) {
            self.now = self.now.saturating_add(TICK_MILLIS);
            self.tick();
            self.settle();
        }
    }

    pub fn tick(&mut self) {
        for node in &mut self.nodes {
            let actions = node.network.tick(self.now, &mut node.chain);
            node.perform(self.now, actions);
        }
    }

    pub fn tips(&self) -> BTreeSet<BlockId> {
        self.nodes.iter().map(|node| node.chain.tip().0).collect()
    }
}

/// A peer without a node: says exactly what the test makes it say.
pub struct Puppet {
    pub transport: MemoryTransport,
}

impl Puppet {
    pub fn join(hub: &MemoryHub, name: &str) -> Self {
        Self { transport: hub.join(peer_id(name), address(name)) }
    }

    pub fn send(&mut self, to: &PeerId, message: &Message) {
        self.transport.send(to, message.priority(), message.encode()).expect("connected");
    }

    pub fn heard(&mut self) -> Vec<Message> {
        let events = std::iter::from_fn(|| self.transport.poll(Duration::ZERO));
        let frames = events.filter_map(|event| match event {
            Event::Received { frame, .. } => Some(frame),
            _ => None,
        });
        frames.map(|frame| Message::decode(&frame).expect("nodes send messages")).collect()
    }

    /// Connects to a node of `world` and greets it.
    pub fn greet(&mut self, world: &mut World, name: &str) {
        let chain = ToyChain::new();
        let (tip, height) = chain.tip();
        self.transport.dial(&address(name)).expect("an address of the hub");
        let hello = health_chain_network::Hello {
            version: health_chain_network::message::PROTOCOL_VERSION,
            network: NETWORK.into(),
            genesis: genesis(),
            tip,
            height,
            listen: None,
            nonce: 1,
        };
        self.send(&peer_id(name), &Message::Hello(hello));
        self.send(&peer_id(name), &Message::Ready);
        world.settle();
    }
}
