//! Validators in one process, under one seed: virtual time, random delays, and every statement that leaves a node on record.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    sync::{Arc, Mutex},
};

use health_chain_consensus::{
    Accepted, Chain, Checkpoint, ConsensusParameters, EngineInput, Epochs, OpenError, Parts, Validator,
    ports::{Accusation, Action, BlockContext, Effect, EvidenceCheck, ExecuteError, Executor, NoReward, StakeView},
    verify::{BLOCK_VERSION, CERTIFIED_BLOCK_VERSION},
};
use health_chain_consensus_bft::{
    Bft, BftParameters, Choice, Claim, Equivocation, Signed, Statement, proposal, proposal_message, statements,
    vote_message,
};
use health_chain_data::{
    Block, BlockId, Body, ChainId, Genesis, Hash, Header, Height, Kind, Millis, PublicKey, SecretKey, Timestamp,
    Transaction,
    ports::{ChainStore, ScalarHasher, SignatureClaim, SingleVerifier, StateView, StoreError, Verifier},
    sha256,
    state::{Changes, MemoryStore, Overlay, Table},
};

pub const START: Timestamp = Timestamp(1_700_000_000);

pub fn secret(number: usize) -> SecretKey {
    SecretKey::from_bytes(&[u8::try_from(number).unwrap() + 1; 32]).unwrap()
}

pub fn parameters(count: usize) -> BftParameters {
    BftParameters {
        interval_millis: 100,
        propose_millis: 1_000,
        vote_millis: 300,
        round_millis: 200,
        rebroadcast_millis: 500,
        ..BftParameters::equal((0..count).map(|number| secret(number).public_key()))
    }
}

pub fn genesis(parameters: &BftParameters) -> Genesis {
    Genesis::new("bft", START, vec![]).with(&ConsensusParameters::default()).with(parameters)
}

/// Carries the validators that should be, two bytes each: whose key, and its power.
pub const APPOINT: Kind = Kind(101);
/// Does nothing.
pub const NOTE: Kind = Kind(100);
const APPOINTED: Table = Table(200);

/// The chain's rules here: who is appointed stands in the state.
#[derive(Clone, Copy)]
pub struct Appointments;

impl Executor for Appointments {
    fn genesis(&self, _: &mut Overlay<'_>, _: &Genesis) -> Result<(), ExecuteError> {
        Ok(())
    }

    fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        _: &BlockContext,
        _: &mut Vec<SignatureClaim>,
    ) -> Result<Effect, ExecuteError> {
        if transaction.kind == APPOINT {
            state.put(APPOINTED, [], transaction.payload.clone());
        }
        Ok(Effect::default())
    }
}

impl StakeView for Appointments {
    fn validators(&self, state: &dyn StateView) -> Result<Vec<Validator>, StoreError> {
        Ok(appointed(state).iter().map(|(number, power)| validator(*number, *power)).collect())
    }
}

/// Who is appointed, and with what power; nobody as long as nobody was.
pub fn appointed(state: &dyn StateView) -> Vec<(usize, u32)> {
    let bytes = state.get(APPOINTED, &[]).unwrap().unwrap_or_default();
    bytes.chunks(2).map(|pair| (usize::from(pair[0]), u32::from(pair[1]))).collect()
}

pub fn validator(number: usize, power: u32) -> Validator {
    Validator { key: secret(number).public_key(), power }
}

/// The parts of a chain under `engine` in a store of its own.
pub fn parts(engine: Bft, store: Box<dyn ChainStore>) -> Parts {
    Parts {
        store,
        engine: Box::new(engine),
        executor: Arc::new(Appointments),
        reward: Arc::new(NoReward),
        verifier: Arc::new(SingleVerifier),
        hasher: Arc::new(ScalarHasher),
    }
}

/// An empty chain that only follows.
pub fn follower(genesis: &Genesis, checkpoint: Option<Checkpoint>) -> Result<Chain, OpenError> {
    follower_on(&SharedStore::default(), genesis, checkpoint)
}

/// A chain that only follows, on what is in the store.
pub fn follower_on(store: &SharedStore, genesis: &Genesis, checkpoint: Option<Checkpoint>) -> Result<Chain, OpenError> {
    let engine = Bft::follower(genesis).unwrap().with_stakes(Arc::new(Appointments));
    Chain::open_at(parts(engine, Box::new(store.clone())), genesis, checkpoint)
}

/// What a validator says.
pub fn signed(chain: ChainId, number: usize, statement: Statement) -> Signed {
    let signature = secret(number).sign(&statement.message(chain), &[0; 32]);
    Signed { statement, validator: secret(number).public_key(), signature }
}

/// A block as it is proposed; blocks of other marks are other blocks.
pub fn proposed(parent: BlockId, mark: u8, time: Timestamp) -> Block {
    let body = Body(vec![Transaction::new(NOTE, vec![mark])]);
    let root = body.root(&ScalarHasher);
    Block { header: Header { version: CERTIFIED_BLOCK_VERSION, parent, root, time, seal: vec![] }, body }
}

/// When a node's process ends: at which write to its store, and whether that write still happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    pub write: usize,
    pub is_written: bool,
}

/// What stays when a process ends.
#[derive(Default)]
pub struct Disk {
    store: MemoryStore,
    pub writes: usize,
    pub crash: Option<Crash>,
    pub has_crashed: bool,
}

#[derive(Clone, Default)]
pub struct SharedStore(pub Arc<Mutex<Disk>>);

impl StateView for SharedStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.lock().unwrap().store.get(table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.0.lock().unwrap().store.scan(table, prefix, visit)
    }
}

impl ChainStore for SharedStore {
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let mut disk = self.0.lock().unwrap();
        let crash = disk.crash.filter(|crash| crash.write == disk.writes);
        disk.writes += 1;
        if crash.is_none_or(|crash| crash.is_written) {
            disk.store.commit(changes)?;
        }
        if crash.is_some() {
            disk.has_crashed = true;
            return Err(StoreError::Damaged { table: Table::META });
        }
        Ok(())
    }
}

pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conduct {
    #[default]
    Honest,
    /// Never runs.
    Silent,
    /// Tells one half of the others something else, votes and proposals alike.
    Equivocates,
    /// Tells everybody another vote than the rules ask of it, but all the same.
    Contrary,
    /// Tells one half of the others nothing.
    Partial,
    /// One of two nodes with the same key, each of which keeps the rules.
    TwoFaced,
}

pub struct Node {
    /// Whose key it signs with.
    pub key: usize,
    pub chain: Option<Chain>,
    pub disk: SharedStore,
    pub conduct: Conduct,
    pub accusations: Vec<Accusation>,
    pub restarts: usize,
    wake_at: Option<u64>,
    /// Who is known to have which message.
    known: BTreeSet<(usize, Hash)>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Message { from: usize, bytes: Vec<u8> },
    Announce { from: usize },
    Tick,
    Restart,
}

pub struct World {
    pub genesis: Genesis,
    pub nodes: Vec<Node>,
    pub now: u64,
    pub max_delay: u64,
    /// Of a thousand messages, so many are lost.
    pub lost_per_mille: u64,
    pub lost: usize,
    /// What honest validators have signed and sent: never two statements in one place.
    pub said: BTreeMap<(Height, u32, u8, usize), Statement>,
    pub double_votes_sent: usize,
    /// Who told some another thing than others, and first at which height.
    pub lied: BTreeMap<PublicKey, u32>,
    /// Whom an honest node has accused, and the height that the slowest honest one was at when the first did.
    pub named: BTreeMap<PublicKey, u32>,
    /// Who said nothing more at which height, and why.
    pub silences: Vec<(usize, Height, &'static str)>,
    /// Where it is given, nothing gets from one side to another: for each node its side.
    pub sides: Vec<usize>,
    /// Whether nodes may come to different blocks, and then take none from each other.
    pub may_fork: bool,
    /// Whether what was heard is passed on. Where everybody hears everything from its source, it makes no difference but to the time.
    pub is_relayed: bool,
    /// Who is to decide: whoever proposes from this height on says so, until the state has it.
    pub appointment: Option<(u32, Vec<(usize, u32)>)>,
    /// How many nodes are to be started again.
    restarting: usize,
    random: Random,
    queue: BinaryHeap<Reverse<(u64, u64, usize, Event)>>,
    sequence: u64,
}

impl World {
    pub fn new(count: usize, seed: u64) -> Self {
        Self::with(count, &parameters(count), seed)
    }

    /// `count` nodes, of which the first `validators` decide at first, and epochs of `blocks`.
    pub fn changing(count: usize, validators: usize, blocks: u32, seed: u64) -> Self {
        let epochs = Epochs { blocks, evidence_blocks: 3 * blocks };
        Self::with(count, &BftParameters { epochs, ..parameters(validators) }, seed)
    }

    /// `3 * faults + 1` validators of whom one too many, `faults + 1`, have two faces, one for each half of the honest ones; the halves
    /// know nothing of each other.
    pub fn two_faced(faults: usize, seed: u64) -> Self {
        let validators = 3 * faults + 1;
        let mut world = Self::with(validators + faults + 1, &parameters(validators), seed);
        let honest = 2 * faults;
        for (number, node) in world.nodes.iter_mut().enumerate().skip(honest) {
            node.conduct = Conduct::TwoFaced;
            node.key = if number < validators { number } else { number - (faults + 1) };
        }
        let side = |node| if node < honest { node % 2 } else { usize::from(node >= validators) };
        world.sides = (0..world.nodes.len()).map(side).collect();
        world.may_fork = true;
        world
    }

    fn with(count: usize, parameters: &BftParameters, seed: u64) -> Self {
        let genesis = genesis(parameters);
        let node = |key| Node {
            key,
            chain: None,
            disk: SharedStore::default(),
            conduct: Conduct::Honest,
            accusations: Vec::new(),
            restarts: 0,
            wake_at: None,
            known: BTreeSet::new(),
        };
        Self {
            genesis,
            nodes: (0..count).map(node).collect(),
            now: Millis::from(START).0 + 10_000,
            max_delay: 80,
            lost_per_mille: 0,
            lost: 0,
            said: BTreeMap::new(),
            double_votes_sent: 0,
            lied: BTreeMap::new(),
            named: BTreeMap::new(),
            silences: Vec::new(),
            sides: Vec::new(),
            may_fork: false,
            is_relayed: true,
            restarting: 0,
            appointment: None,
            random: Random(seed),
            queue: BinaryHeap::new(),
            sequence: 0,
        }
    }

    pub fn start_all(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].conduct != Conduct::Silent {
                self.start(node);
            }
        }
    }

    pub fn start(&mut self, node: usize) {
        let engine = Bft::validator(&self.genesis, Box::new(secret(self.nodes[node].key))).unwrap();
        let engine = engine.with_stakes(Arc::new(Appointments));
        let parts = parts(engine, Box::new(self.nodes[node].disk.clone()));
        self.nodes[node].known.clear();
        self.nodes.iter_mut().for_each(|other| other.known.retain(|(peer, _)| *peer != node));
        match Chain::open(parts, &self.genesis) {
            Ok(chain) => {
                self.nodes[node].chain = Some(chain);
                self.step(node, EngineInput::Tip);
                // Whoever connects says where its chain stands.
                for other in (0..self.nodes.len()).filter(|other| *other != node) {
                    self.announce(node, other);
                    self.announce(other, node);
                }
            }
            // The store failed while it was opened: as planned.
            Err(_) => self.crashed(node),
        }
    }

    pub fn stop(&mut self, node: usize) {
        self.nodes[node].chain = None;
    }

    /// Everybody reaches everybody again, and says where its chain stands.
    pub fn heal(&mut self) {
        self.sides.clear();
        self.lost_per_mille = 0;
        for node in 0..self.nodes.len() {
            (0..self.nodes.len()).filter(|to| *to != node).for_each(|to| self.announce(node, to));
        }
    }

    pub fn height(&self, node: usize) -> u32 {
        self.nodes[node].chain.as_ref().map_or(0, |chain| chain.tip().height.0)
    }

    /// The height that every honest node that runs has reached.
    pub fn lowest(&self) -> u32 {
        let is_honest =
            |node: &usize| self.nodes[*node].chain.is_some() && self.nodes[*node].conduct == Conduct::Honest;
        (0..self.nodes.len()).filter(is_honest).map(|node| self.height(node)).min().unwrap()
    }

    /// The height that the first of all has reached.
    pub fn highest(&self) -> u32 {
        (0..self.nodes.len()).map(|node| self.height(node)).max().unwrap()
    }

    /// Runs until every running node has reached `height`, for `limit` milliseconds at most.
    pub fn run_to(&mut self, height: u32, limit: u64) -> bool {
        let end = self.now + limit;
        loop {
            let running = || (0..self.nodes.len()).filter(|node| self.nodes[*node].chain.is_some());
            if self.restarting == 0 && running().count() > 0 && running().all(|node| self.height(node) >= height) {
                return true;
            }
            if self.queue.peek().is_none_or(|Reverse((at, ..))| *at > end) {
                self.now = end;
                return false;
            }
            let Some(Reverse((at, _, node, event))) = self.queue.pop() else { return false };
            self.now = at;
            self.handle(node, event);
        }
    }

    /// Every block that any node has is the same as everybody's at that height.
    pub fn check_agreement(&self) {
        let mut decided: BTreeMap<u32, BlockId> = BTreeMap::new();
        for chain in self.nodes.iter().filter_map(|node| node.chain.as_ref()) {
            for height in 1..=chain.tip().height.0 {
                let id = chain.block_id_at(Height(height)).unwrap();
                assert_eq!(*decided.entry(height).or_insert(id), id, "two blocks at height {height}");
            }
        }
    }

    /// Every accusation is proof against its offender to anybody.
    pub fn check_evidence(&self) {
        for accusation in self.nodes.iter().flat_map(|node| &node.accusations) {
            let mut claims = Vec::new();
            let offence = Equivocation.offence(&accusation.evidence, self.genesis.chain_id(), &mut claims).unwrap();
            assert_eq!(offence.offender, accusation.offender);
            assert_eq!(SingleVerifier.verify(&claims), Ok(()));
        }
    }

    fn handle(&mut self, node: usize, event: Event) {
        if event == Event::Restart {
            self.nodes[node].restarts += 1;
            self.restarting -= 1;
            return self.start(node);
        }
        if self.nodes[node].chain.is_none() {
            return;
        }
        match event {
            Event::Message { from, bytes } => {
                self.nodes[node].known.insert((from, sha256(&bytes)));
                // Who lies is not surprised at its own words.
                let own = secret(self.nodes[node].key).public_key();
                let is_honest = self.nodes[node].conduct == Conduct::Honest;
                if is_honest || statements(&bytes).iter().all(|signed| signed.validator != own) {
                    self.step(node, EngineInput::Message(bytes));
                }
            }
            Event::Announce { from } => self.fetch(node, from),
            Event::Tick if self.nodes[node].wake_at.is_some_and(|at| at <= self.now) => {
                self.nodes[node].wake_at = None;
                self.step(node, EngineInput::Tick);
            }
            Event::Tick | Event::Restart => {}
        }
    }

    /// Takes what the other has and this one lacks: headers first, each with its certificate, then blocks.
    fn fetch(&mut self, node: usize, from: usize) {
        let Some(mut chain) = self.nodes[node].chain.take() else { return };
        let Some(other) = &self.nodes[from].chain else {
            self.nodes[node].chain = Some(chain);
            return;
        };
        let now = Millis(self.now);
        let headers = other.headers_after(&chain.locator(), 100);
        let outcome = (|| {
            chain.accept_headers(now, &headers).ok()?;
            let mut is_new = false;
            for block in chain.missing_bodies(100).iter().filter_map(|id| other.block(id).unwrap()) {
                is_new |= matches!(chain.accept_block(now, block).ok()?, Accepted::Connected(_));
            }
            Some(is_new)
        })();
        self.nodes[node].chain = Some(chain);
        match outcome {
            _ if self.nodes[node].disk.0.lock().unwrap().has_crashed => self.crashed(node),
            Some(true) => self.step(node, EngineInput::Tip),
            Some(false) => {}
            None if self.may_fork => {}
            None => panic!("a block that another node took is refused"),
        }
    }

    fn step(&mut self, node: usize, input: EngineInput) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let Some(chain) = &mut self.nodes[node].chain else { return };
            let actions = chain.step_engine(Millis(self.now), input);
            if chain.engine_failure().is_some() {
                assert!(actions.is_empty(), "nothing leaves where the journal was not written");
                return self.crashed(node);
            }
            for action in actions {
                match action {
                    Action::Propose => inputs.push(EngineInput::Proposal(self.candidate(node))),
                    Action::Broadcast(bytes) => self.broadcast(node, bytes),
                    Action::Relay(_) if !self.is_relayed => {}
                    Action::Relay(bytes) => {
                        let hash = sha256(&bytes);
                        for to in (0..self.nodes.len()).filter(|to| *to != node) {
                            if self.nodes[node].known.insert((to, hash)) {
                                self.send(node, to, bytes.clone());
                            }
                        }
                    }
                    Action::WakeAt(at) => {
                        let at = at.0.max(self.now);
                        self.nodes[node].wake_at = Some(at);
                        self.push(at, node, Event::Tick);
                    }
                    Action::Decided(block) => {
                        let chain = self.nodes[node].chain.as_mut().unwrap();
                        let outcome = chain.accept_block(Millis(self.now), block);
                        if self.nodes[node].disk.0.lock().unwrap().has_crashed {
                            return self.crashed(node);
                        }
                        outcome.expect("what was decided is valid");
                        (0..self.nodes.len()).filter(|to| *to != node).for_each(|to| self.announce(node, to));
                        inputs.push(EngineInput::Tip);
                    }
                    Action::Accuse(accusation) => {
                        let height = self.lowest() + 1;
                        if self.nodes[node].conduct == Conduct::Honest {
                            self.named.entry(accusation.offender).or_insert(height);
                        }
                        self.nodes[node].accusations.push(accusation);
                    }
                    Action::Silent { height, reason } => self.silences.push((node, height, reason)),
                    other => panic!("not for this driver: {other:?}"),
                }
            }
        }
    }

    fn are_apart(&self, one: usize, other: usize) -> bool {
        self.sides.get(one) != self.sides.get(other)
    }

    fn announce(&mut self, from: usize, to: usize) {
        if self.are_apart(from, to) {
            return;
        }
        let at = self.now + 1 + self.random.below(self.max_delay);
        self.push(at, to, Event::Announce { from });
    }

    fn crashed(&mut self, node: usize) {
        self.nodes[node].chain = None;
        self.nodes[node].wake_at = None;
        let mut disk = self.nodes[node].disk.0.lock().unwrap();
        disk.crash = None;
        disk.has_crashed = false;
        drop(disk);
        let at = self.now + 1 + self.random.below(1_500);
        self.restarting += 1;
        self.push(at, node, Event::Restart);
    }

    fn candidate(&self, node: usize) -> Block {
        let chain = self.nodes[node].chain.as_ref().unwrap();
        let mark = [&self.now.to_le_bytes()[..], &[u8::try_from(node).unwrap()]].concat();
        let mut transactions = vec![Transaction::new(NOTE, mark)];
        if let Some((from, list)) = &self.appointment
            && chain.tip().height.0 + 1 >= *from
            && appointed(chain.state()) != *list
        {
            let bytes = list.iter().flat_map(|(number, power)| [*number as u8, *power as u8]).collect();
            transactions.push(Transaction::new(APPOINT, bytes));
        }
        let body = Body(transactions);
        let time = Millis(self.now).timestamp().max(chain.next_context().median_time_past.saturating_add(1));
        let header = Header {
            version: BLOCK_VERSION,
            parent: chain.tip().id,
            root: body.root(&ScalarHasher),
            time,
            seal: vec![],
        };
        Block { header, body }
    }

    fn broadcast(&mut self, node: usize, bytes: Vec<u8>) {
        let own = secret(self.nodes[node].key).public_key();
        let said: Vec<Signed> = statements(&bytes).into_iter().filter(|signed| signed.validator == own).collect();
        // Who has two faces passes on with a certificate what the other one said.
        for Signed { statement, .. } in said.iter().filter(|_| self.nodes[node].conduct != Conduct::TwoFaced) {
            let slot = (statement.height, statement.round, kind(&statement.claim), node);
            let before = *self.said.entry(slot).or_insert(*statement);
            assert_eq!(before, *statement, "validator {node} contradicts itself");
        }
        let conduct = self.nodes[node].conduct;
        let lie = match (conduct, &said[..]) {
            (Conduct::Equivocates, [signed]) => Some(self.other_statement(node, &bytes, signed)),
            (Conduct::Contrary, [signed]) if !matches!(signed.statement.claim, Claim::Proposal { .. }) => {
                Some(self.other_statement(node, &bytes, signed))
            }
            _ => None,
        };
        if conduct == Conduct::Equivocates
            && let [signed] = &said[..]
        {
            self.lied.entry(own).or_insert(signed.statement.height.0);
        }
        for to in (0..self.nodes.len()).filter(|to| *to != node) {
            match &lie {
                Some(lie) if to % 2 == 0 || conduct == Conduct::Contrary => {
                    self.double_votes_sent += 1;
                    self.send(node, to, lie.clone());
                }
                _ if to % 2 == 0 && conduct == Conduct::Partial => {}
                _ => self.send(node, to, bytes.clone()),
            }
        }
    }

    /// Nil instead of a block, a block that nobody has instead of nil, and another block than the one proposed.
    fn other_statement(&self, node: usize, message: &[u8], signed: &Signed) -> Vec<u8> {
        let nothing = Choice::from(BlockId(sha256(b"none")));
        let other = |choice: Option<Choice>| if choice.is_some() { None } else { Some(nothing) };
        let mut other_block = None;
        let claim = match signed.statement.claim {
            Claim::Proposal { choice, valid_round } => {
                let (_, mut block) = proposal(message).unwrap();
                block.body.0.push(Transaction::new(NOTE, b"the other one".to_vec()));
                block.header.root = block.body.root(&ScalarHasher);
                let choice = Choice { block: block.id(), ..choice };
                other_block = Some(block);
                Claim::Proposal { choice, valid_round }
            }
            Claim::Prevote(choice) => Claim::Prevote(other(choice)),
            Claim::Precommit(choice) => Claim::Precommit(other(choice)),
        };
        let statement = Statement { claim, ..signed.statement };
        let lie = self::signed(self.genesis.chain_id(), self.nodes[node].key, statement);
        match other_block {
            Some(block) => proposal_message(lie, block),
            None => vote_message(lie),
        }
    }

    fn send(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        self.nodes[from].known.insert((to, sha256(&bytes)));
        if self.are_apart(from, to) || self.random.below(1000) < self.lost_per_mille {
            self.lost += 1;
            return;
        }
        let at = self.now + 1 + self.random.below(self.max_delay);
        self.push(at, to, Event::Message { from, bytes });
    }

    fn push(&mut self, at: u64, node: usize, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse((at, self.sequence, node, event)));
    }
}

pub fn kind(claim: &Claim) -> u8 {
    match claim {
        Claim::Proposal { .. } => 0,
        Claim::Prevote(_) => 1,
        Claim::Precommit(_) => 2,
    }
}
