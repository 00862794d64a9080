//! The suite of [`Service`].

use std::{
    iter,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use health_chain::{
    application::node::Service,
    consensus::Chain,
    data::{
        Block, Hash, Kind, Millis, Transaction,
        ports::{ChainStore, StateView, StoreError},
        sha256,
        state::{Changes, MemoryStore, Table, state_hash},
    },
    network::{PeerId, limits::MAX_APP_BODY_BYTES},
};

/// Checks a service on a chain that `open` opens and that `blocks` follow on, lowest first; `requests` are such as the service
/// answers. `make` makes it anew each time. An implementation must
///
/// - open on a new chain and on one that another of its kind has left;
/// - leave the chain's state and its tip alone, whatever it is shown or asked;
/// - answer nothing that does not fit into an answer, and take nonsense for what it is;
/// - see any transaction and any block, once or often, in the order in which a node shows them;
/// - pass on what the store says where it fails, and go on where that was for a while.
///
/// # Panics
/// With the rule that the service breaks.
pub fn service(
    open: impl Fn(Box<dyn ChainStore>) -> Chain,
    make: impl Fn() -> Box<dyn Service>,
    blocks: &[Block],
    requests: &[Vec<u8>],
) {
    let store = Store::default();
    let fails = Arc::clone(&store.fails);
    let mut chain = open(Box::new(store));
    let mut service = make();
    service.opened(&mut chain).expect("a new chain can be opened");
    let asked: Vec<Vec<u8>> = requests.iter().cloned().chain(nonsense()).collect();
    for block in blocks {
        sees(&mut *service, &mut chain, block.transactions());
        service.saw_block(&mut chain, block).expect("a block can be seen");
        let now = Millis::from(block.header.time);
        chain.accept_block(now, block.clone()).expect("the blocks are valid");
        service.took_block(&mut chain).expect("a block can be taken");
        service.tip_moved(&mut chain, 0).expect("the tip can move");
        answers(&mut *service, &mut chain, now, &asked);
    }
    sees(&mut *service, &mut chain, &strangers());

    let mut again = make();
    again.opened(&mut chain).expect("what one has kept, another can read");
    let now = Millis::from(chain.tip().header.time);
    answers(&mut *again, &mut chain, now, &asked);

    fails.store(true, Ordering::SeqCst);
    let seen = blocks.iter().flat_map(|block| block.transactions()).cloned().chain(strangers());
    for transaction in seen.clone() {
        let outcome = again.saw_transaction(&mut chain, &transaction);
        assert!(matches!(outcome, Ok(()) | Err(StoreError::Backend(_))), "a failing store is told of: {outcome:?}");
    }
    answers(&mut *again, &mut chain, now, &asked);
    fails.store(false, Ordering::SeqCst);
    sees(&mut *again, &mut chain, &seen.collect::<Vec<_>>());
    again.tip_moved(&mut chain, usize::MAX).expect("even a reorganisation without an end");
    answers(&mut *again, &mut chain, now, &asked);
    again.left(&peer());
    again.left(&PeerId(sha256(b"somebody who was never here")));
    answers(&mut *again, &mut chain, now, &asked);
}

fn answers(service: &mut dyn Service, chain: &mut Chain, now: Millis, requests: &[Vec<u8>]) {
    let before = shared(chain);
    for request in requests {
        let answer = service.request(now, chain, 0, &peer(), request).unwrap_or_default();
        assert!(answer.len() <= MAX_APP_BODY_BYTES, "an answer that travels");
    }
    assert_eq!(shared(chain), before, "a question changes nothing that nodes share");
}

fn sees(service: &mut dyn Service, chain: &mut Chain, transactions: &[Transaction]) {
    let before = shared(chain);
    for transaction in transactions.iter().chain(transactions) {
        service.saw_transaction(chain, transaction).expect("any transaction can be seen, and again");
    }
    assert_eq!(shared(chain), before, "what is seen changes nothing that nodes share");
}

fn shared(chain: &Chain) -> (Hash, health_chain::data::BlockId) {
    (state_hash(chain.state()).expect("memory can be read"), chain.tip().id)
}

fn peer() -> PeerId {
    PeerId(sha256(b"somebody"))
}

fn nonsense() -> impl Iterator<Item = Vec<u8>> {
    let lengths = [0, 1, 2, 40, 300, MAX_APP_BODY_BYTES];
    lengths.into_iter().flat_map(|length| [0, 1, 0x80, 0xff].map(|byte| vec![byte; length]))
}

/// Transactions of every kind up to those of applications, with payloads that mean nothing.
fn strangers() -> Vec<Transaction> {
    let kinds = (0..80).chain(iter::once(u16::MAX));
    let payloads = |kind| [vec![], vec![0; 300], vec![0xff; 300]].map(|payload| Transaction::new(Kind(kind), payload));
    kinds.flat_map(payloads).collect()
}

/// A store in memory that can fail for a while.
#[derive(Default)]
struct Store {
    memory: MemoryStore,
    fails: Arc<AtomicBool>,
}

#[derive(Debug, thiserror::Error)]
#[error("the store fails")]
struct Failure;

impl StateView for Store {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory.get(table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.memory.scan(table, prefix, visit)
    }
}

impl ChainStore for Store {
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Backend(Box::new(Failure)));
        }
        self.memory.commit(changes)
    }
}
