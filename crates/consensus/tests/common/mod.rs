//! A toy chain: blocks weigh what their seal says, and transactions write a few state entries whose values depend on what was
//! there before, so that any slip of order or undo shows.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "shared by several tests, none of which uses all of it"
)]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use health_chain_consensus::{
    Accepted, BlockError, Chain, ConsensusParameters, Parts, Weight,
    ports::{
        Action, Ancestry, BlockContext, Effect, Engine, ExecuteError, Executor, Finality, Input, Rejection, RewardRule,
        SealError,
    },
    verify::BLOCK_VERSION,
};
use health_chain_data::{
    Amount, Block, BlockId, Body, Genesis, Header, Height, Kind, Millis, SecretKey, Timestamp, Transaction,
    ports::{ChainStore, ScalarHasher, SignatureClaim, SingleVerifier, StateView, StoreError},
    sha256,
    state::{Changes, MemoryStore, Overlay, Table, state_hash},
};

pub const NOW: Millis = Millis(10_000_000_000);
pub const ENTRIES: Table = Table(70);
pub const EVENTS: Table = Table(71);

/// A transaction of the toy chain: `operation | key | mark`.
pub const KIND: Kind = Kind(100);
pub const ADD: u8 = 0;
pub const DELETE: u8 = 1;
pub const REFUSED: u8 = 2;
pub const SIGNED: u8 = 3;
pub const FALSELY_SIGNED: u8 = 4;
pub const RICH: u8 = 5;
pub const COSTLY: u8 = 6;
pub const UNREADABLE: u8 = 7;

pub fn transaction(operation: u8, key: u8, mark: u32) -> Transaction {
    let mut payload = vec![operation, key];
    payload.extend_from_slice(&mark.to_le_bytes());
    Transaction::new(KIND, payload)
}

#[derive(Debug, thiserror::Error)]
#[error("toy rule")]
pub struct ToyRule;

pub struct ToyExecutor;

impl Executor for ToyExecutor {
    fn genesis(&self, state: &mut Overlay<'_>, genesis: &Genesis) -> Result<(), ExecuteError> {
        state.put(ENTRIES, *b"network", genesis.network().as_bytes());
        Ok(())
    }

    fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Effect, ExecuteError> {
        let (operation, key) = (transaction.payload[0], [transaction.payload[1]]);
        let mut effect = Effect { fee: Amount(1), signature_checks: 1 };
        match operation {
            ADD => {
                let before = state.get(ENTRIES, &key)?.unwrap_or_default();
                let after =
                    sha256(&[before.as_slice(), &transaction.payload, &context.height.0.to_be_bytes()].concat());
                state.put(ENTRIES, key, *after.as_bytes());
                state.put(EVENTS, *transaction.id().as_bytes(), context.median_time_past.0.to_be_bytes());
            }
            DELETE => state.delete(ENTRIES, key),
            REFUSED => return Err(Rejection { rule: "toy-refused", source: Box::new(ToyRule) }.into()),
            SIGNED | FALSELY_SIGNED => {
                let signer = SecretKey::from_bytes(&[7; 32]).unwrap();
                let (message, signed) = (sha256(b"this"), if operation == SIGNED { b"this" } else { b"that" });
                let signature = signer.sign(&sha256(signed), &[0; 32]);
                claims.extend([SignatureClaim { key: signer.public_key(), message, signature }; 2]);
            }
            RICH => effect.fee = Amount::MAX,
            COSTLY => effect.signature_checks = 15_000,
            _ => return Err(StoreError::Damaged { table: ENTRIES }.into()),
        }
        Ok(effect)
    }
}

/// A coinbase must say in its payload how much was paid in fees.
pub struct ToyReward;

impl RewardRule for ToyReward {
    fn settle(
        &self,
        state: &mut Overlay<'_>,
        block: &Block,
        fees: Amount,
        context: &BlockContext,
    ) -> Result<(), ExecuteError> {
        let Some(coinbase) = block.transactions().first().filter(|first| first.kind == Kind::COINBASE) else {
            return Ok(());
        };
        if coinbase.payload != fees.0.to_le_bytes() {
            return Err(Rejection { rule: "toy-reward", source: Box::new(ToyRule) }.into());
        }
        state.put(EVENTS, context.height.0.to_be_bytes(), coinbase.payload.clone());
        Ok(())
    }
}

/// The seal is the block's weight, four bytes, little-endian.
pub struct ToyEngine;

impl Engine for ToyEngine {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn finality(&self) -> Finality {
        Finality::Depth(1)
    }

    fn check_seal(&self, header: &Header, branch: &dyn Ancestry) -> Result<(), SealError> {
        assert_eq!(branch.parent().id(), header.parent);
        if header.seal.len() == 4 { Ok(()) } else { Err(SealError { rule: "toy-seal", source: Box::new(ToyRule) }) }
    }

    fn weight(&self, header: &Header) -> Weight {
        Weight::from(u64::from(u32::from_le_bytes(header.seal.as_slice().try_into().unwrap())))
    }

    fn step(&mut self, _: Millis, _: Input<'_>) -> Vec<Action> {
        Vec::new()
    }
}

pub fn genesis() -> Genesis {
    Genesis::new("toy", Timestamp(1_000), 1_u32.to_le_bytes().to_vec()).with(&ConsensusParameters::default())
}

pub fn open(store: impl ChainStore + 'static) -> Chain {
    try_open(store).unwrap()
}

pub fn try_open(store: impl ChainStore + 'static) -> Result<Chain, health_chain_consensus::OpenError> {
    Chain::open(parts(store, ToyEngine), &genesis())
}

pub fn parts(store: impl ChainStore + 'static, engine: impl Engine + 'static) -> Parts {
    Parts {
        store: Box::new(store),
        engine: Box::new(engine),
        executor: Arc::new(ToyExecutor),
        reward: Arc::new(ToyReward),
        verifier: Arc::new(SingleVerifier),
        hasher: Arc::new(ScalarHasher),
    }
}

/// A block on `parent`; blocks of other marks are other blocks.
pub fn block_on(parent: &Header, weight: u32, mark: u32, mut transactions: Vec<Transaction>) -> Block {
    transactions.push(transaction(ADD, 255, mark));
    sealed(parent, weight, Body(transactions))
}

pub fn sealed(parent: &Header, weight: u32, body: Body) -> Block {
    let header = Header {
        version: BLOCK_VERSION,
        parent: parent.id(),
        root: body.root(&ScalarHasher),
        time: Timestamp(parent.time.0 + 1),
        seal: weight.to_le_bytes().to_vec(),
    };
    Block { header, body }
}

pub fn offer(chain: &mut Chain, block: &Block) -> Result<Accepted, BlockError> {
    chain.accept_block(NOW, block.clone())
}

/// That the chain's state is what running its blocks from genesis gives.
pub fn assert_replays(chain: &Chain) {
    assert_eq!(chain.replay().unwrap(), state_hash(chain.state()).unwrap());
}

/// The ids of the connected chain, from genesis.
pub fn main_chain(chain: &Chain) -> Vec<BlockId> {
    (0..=chain.tip().height.0).map(|height| chain.block_id_at(Height(height)).unwrap()).collect()
}

/// A store in memory that outlives the chain on it, and fails from a chosen commit on.
#[derive(Clone, Default)]
pub struct Disk {
    pub store: Arc<Mutex<MemoryStore>>,
    /// How many commits there were, failed ones included.
    pub commits: Arc<AtomicUsize>,
    /// Commits that fail: from the first number up to, not including, the second.
    pub failing: Arc<Mutex<(usize, usize)>>,
    /// How many did fail.
    pub failed: Arc<AtomicUsize>,
}

#[derive(Debug, thiserror::Error)]
#[error("the power is out")]
pub struct PowerCut;

impl Disk {
    pub fn failing(from: usize, to: usize) -> Self {
        let disk = Self::default();
        *disk.failing.lock().unwrap() = (from, to);
        disk
    }

    pub fn count(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }

    /// How many commits failed; from here on none does.
    pub fn repair(&self) -> usize {
        *self.failing.lock().unwrap() = (0, 0);
        self.failed.load(Ordering::SeqCst)
    }

    pub fn snapshot(&self) -> MemoryStore {
        self.store.lock().unwrap().clone()
    }

    /// Everything that depends on the connected chain only: state, undo data, heights and the tip.
    pub fn connected(&self) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
        let store = self.snapshot();
        let mut entries = Vec::new();
        let tables = [Table::META, Table::UNDO, Table::HEIGHTS].into_iter().chain((64..=255).map(Table));
        for table in tables {
            store
                .scan(table, &[], &mut |key, value| {
                    entries.push((table, key.to_vec(), value.to_vec()));
                    true
                })
                .unwrap();
        }
        entries
    }
}

impl StateView for Disk {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.lock().unwrap().get(table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.snapshot().scan(table, prefix, visit)
    }
}

impl ChainStore for Disk {
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let (from, to) = *self.failing.lock().unwrap();
        let number = self.commits.fetch_add(1, Ordering::SeqCst);
        if (from..to).contains(&number) {
            self.failed.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::Backend(Box::new(PowerCut)));
        }
        self.store.lock().unwrap().commit(changes)
    }
}
