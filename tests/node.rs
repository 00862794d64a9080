//! Nodes in one process over a hub in memory: blocks and transactions travel, late joiners catch up, branches are resolved.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use health_chain::{
    application::node::{Node, NodeBuilder, NodeEvent, Stopped},
    consensus::{ConsensusParameters, Solo, SoloParameters, ports::Engine},
    contract::{Contracts, Scripts, scripts::Template},
    data::{
        Amount, Genesis, Output, SecretKey, Timestamp, TokenId, Transaction,
        ports::{ChainStore, StateView, StoreError},
        sha256,
        state::{Changes, MemoryStore, Table},
    },
    data_sled::SledStore,
    incentive::{IncentiveParameters, Issuance, Ledger, Reward, Rewards, TokenRule, supply, tables::SUPPLY},
    network::{Address, MemoryHub, PeerId},
};

const TOKEN: TokenId = TokenId(1);

fn authority() -> SecretKey {
    SecretKey::from_bytes(&[1; 32]).unwrap()
}

fn rule() -> TokenRule {
    let issuers = vec![authority().public_key()];
    TokenRule { token: TOKEN, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers }
}

fn incentive() -> IncentiveParameters {
    IncentiveParameters { fee_token: TOKEN, tokens: vec![rule()], coinbase_maturity: 1, reward: Reward::Immediate }
}

fn solo() -> SoloParameters {
    SoloParameters { authority: authority().public_key(), interval_seconds: 1 }
}

fn genesis() -> Genesis {
    Genesis::new("node test", Timestamp(1_700_000_000), vec![])
        .with(&ConsensusParameters::default())
        .with(&solo())
        .with(&incentive())
}

fn node(hub: &MemoryHub, name: &str, makes_blocks: bool, peers: &[&str]) -> Node {
    start(hub, name, makes_blocks, peers, Box::new(MemoryStore::default()))
}

fn start(hub: &MemoryHub, name: &str, makes_blocks: bool, peers: &[&str], store: Box<dyn ChainStore>) -> Node {
    let ledger = Ledger::new(incentive(), Arc::new(Scripts)).unwrap();
    let rewards = Arc::new(Rewards::new(&ledger));
    let engine: Box<dyn Engine> = if makes_blocks {
        Box::new(Solo::authority(solo(), Box::new(authority())))
    } else {
        Box::new(Solo::follower(solo()))
    };
    let address = Address(name.into());
    let transport = hub.join(PeerId(sha256(name.as_bytes())), address.clone());
    let executor = Arc::new(Contracts::new(ledger, vec![]).unwrap());
    let node = NodeBuilder::new(genesis(), store, engine, executor, rewards, Box::new(transport))
        .listen(address)
        .peers(peers.iter().map(|peer| Address((*peer).into())).collect())
        .start()
        .unwrap();
    if makes_blocks {
        node.mine(None).unwrap();
    }
    node
}

fn mint(serial: u64, amount: u64) -> Transaction {
    let lock = Template::Key(authority().public_key()).lock();
    let output = Output { token: TOKEN, amount: Amount(amount), lock };
    let mut mint = Issuance::mint(TOKEN, serial, vec![output]).unwrap();
    let message = Issuance::message(&genesis().chain_id(), &mint).unwrap();
    let signature = authority().sign(&message, &[0; 32]);
    Issuance::add_signature(&mut mint, &rule(), &authority().public_key(), signature).unwrap();
    mint
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "in 30 seconds it has not come about that {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn minted(node: &Node) -> u64 {
    node.read(|chain, _| supply(chain.state(), TOKEN).unwrap().unwrap().minted.0).unwrap()
}

#[test]
fn a_transaction_reaches_every_node_and_its_block_too() {
    let hub = MemoryHub::new();
    let maker = node(&hub, "maker", true, &[]);
    let middle = node(&hub, "middle", false, &["maker"]);
    let far = node(&hub, "far", false, &["middle"]);
    wait_until("all are connected", || {
        [&maker, &middle, &far].iter().all(|node| !node.status().unwrap().peers.is_empty())
            && middle.status().unwrap().peers.len() == 2
    });
    far.submit(mint(1, 700)).unwrap().unwrap();
    wait_until("everybody has the tokens", || [&maker, &middle, &far].iter().all(|node| minted(node) == 700));

    let late = node(&hub, "late", false, &["far"]);
    wait_until("the late joiner has caught up", || minted(&late) == 700);
    maker.stop_mining().unwrap();
    wait_until("all state hashes are equal", || {
        let hashes: Vec<_> =
            [&maker, &middle, &far, &late].iter().map(|node| node.state_hash().unwrap().unwrap()).collect();
        hashes.iter().all(|hash| *hash == hashes[0])
    });
}

#[test]
fn as_many_blocks_are_made_as_were_asked_for() {
    let hub = MemoryHub::new();
    let node = node(&hub, "alone", true, &[]);
    node.stop_mining().unwrap();
    let height = || node.status().unwrap().height.0;
    let (before, events) = (height(), node.events().unwrap());
    node.mine_blocks(2, None).unwrap();
    let mined = |event| if let NodeEvent::Mined { height, .. } = event { Some(height.0) } else { None };
    let heights: Vec<u32> = events.iter().filter_map(mined).take(2).collect();
    assert_eq!(heights, [before + 1, before + 2]);
    // A third would be due after a second.
    std::thread::sleep(Duration::from_millis(1500));
    node.mine_blocks(0, None).unwrap();
    assert_eq!(height(), before + 2);
}

#[test]
fn commands_without_end_leave_the_network_its_turn() {
    let hub = MemoryHub::new();
    let busy = Arc::new(node(&hub, "busy", false, &[]));
    let over = Arc::new(AtomicBool::new(false));
    // While one runs, the others queue up: the queue is never empty.
    let callers: Vec<_> = (0..32)
        .map(|_| {
            let (busy, over) = (Arc::clone(&busy), Arc::clone(&over));
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    busy.read(|_, _| std::thread::sleep(Duration::from_millis(1))).unwrap();
                }
            })
        })
        .collect();
    let other = node(&hub, "other", false, &["busy"]);
    other.submit(mint(1, 5)).unwrap().unwrap();
    wait_until("the transaction has arrived", || busy.status().unwrap().waiting == 1);
    over.store(true, Ordering::Relaxed);
    callers.into_iter().for_each(|caller| caller.join().unwrap());
}

/// Fails from a commit on, as a full disk does.
struct FailingStore {
    inner: MemoryStore,
    commits_left: u32,
}

impl StateView for FailingStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.inner.scan(table, prefix, visit)
    }
}

impl ChainStore for FailingStore {
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let full = || StoreError::Backend(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
        self.commits_left = self.commits_left.checked_sub(1).ok_or_else(full)?;
        self.inner.commit(changes)
    }
}

#[test]
fn a_node_whose_storage_fails_stops() {
    let hub = MemoryHub::new();
    // Enough for the genesis block and a few more.
    let store = FailingStore { inner: MemoryStore::default(), commits_left: 4 };
    let node = start(&hub, "alone", true, &[], Box::new(store));
    let events = node.events().unwrap();
    let seen: Vec<NodeEvent> = events.iter().collect();
    assert!(seen.iter().any(|event| matches!(event, NodeEvent::Mined { .. })), "it worked before: {seen:?}");
    assert_eq!(node.status(), Err(Stopped));
}

/// Can't read the counters of tokens for a while, and counts how often that was tried.
#[derive(Default)]
struct Unreadable {
    inner: MemoryStore,
    is_off: Arc<AtomicBool>,
    failures: Arc<AtomicUsize>,
}

impl StateView for Unreadable {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if table == SUPPLY && self.is_off.load(Ordering::SeqCst) {
            self.failures.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::Damaged { table });
        }
        self.inner.get(table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.inner.scan(table, prefix, visit)
    }
}

impl ChainStore for Unreadable {
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        self.inner.commit(changes)
    }
}

#[test]
fn a_block_that_could_not_be_built_is_tried_again() {
    let hub = MemoryHub::new();
    let store = Unreadable::default();
    let (is_off, failures) = (Arc::clone(&store.is_off), Arc::clone(&store.failures));
    let node = start(&hub, "alone", true, &[], Box::new(store));
    // What its maker may take is read from the state.
    let rewards = Arc::new(Rewards::new(&Ledger::new(incentive(), Arc::new(Scripts)).unwrap()));
    node.mine(Some((rewards, Template::Key(authority().public_key()).lock()))).unwrap();
    wait_until("it makes blocks", || node.status().unwrap().height.0 > 0);
    is_off.store(true, Ordering::SeqCst);
    wait_until("no block can be built", || failures.load(Ordering::SeqCst) > 0);
    let before = node.status().unwrap().height.0;
    is_off.store(false, Ordering::SeqCst);
    wait_until("it makes blocks again", || node.status().unwrap().height.0 > before);
}

#[test]
fn a_stopped_node_says_so() {
    let hub = MemoryHub::new();
    let node = node(&hub, "alone", true, &[]);
    let events = node.events().unwrap();
    node.submit(mint(1, 5)).unwrap().unwrap();
    wait_until("it makes a block", || node.status().unwrap().height.0 > 1);
    node.stop();
    // The channel ends with the node, so this does too.
    let seen: Vec<NodeEvent> = events.iter().collect();
    assert!(seen.contains(&NodeEvent::Transaction { id: mint(1, 5).id() }));
    assert!(seen.iter().any(|event| matches!(event, NodeEvent::Mined { .. })));
}

#[test]
fn a_node_that_comes_back_meets_its_old_company() {
    let hub = MemoryHub::new();
    let folder = tempfile::tempdir().unwrap();
    let store = || Box::new(SledStore::open(folder.path()).unwrap());
    let _maker = node(&hub, "maker", false, &[]);
    let first = start(&hub, "guest", false, &["maker"], store());
    wait_until("the guest is connected", || !first.status().unwrap().peers.is_empty());
    first.stop();
    let second = start(&hub, "guest", false, &[], store());
    wait_until("it has found the maker, though nobody named it", || !second.status().unwrap().peers.is_empty());
}
