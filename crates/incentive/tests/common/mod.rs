//! A small chain of coins to test against: one ledger with two tokens on a store in memory. Shared by the unit tests and by the
//! tests in this folder, of which none uses all of it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

extern crate alloc;

use alloc::{sync::Arc, vec, vec::Vec};
use std::sync::OnceLock;

use health_chain_consensus::{
    Epochs, Validator,
    ports::{BlockContext, Effect, EvidenceCheck, ExecuteError, Executor, Offence, Rejection, RewardRule},
    validators::VALIDATORS,
};
use health_chain_data::{
    Amount, Block, BlockId, Body, ChainId, Genesis, Header, Height, Input, Kind, Lock, OutPoint, Output, PublicKey,
    SecretKey, Signature, Timestamp, TokenId, Transaction, Witness, codec,
    ports::{ChainStore, ScalarHasher, SignatureClaim, SingleVerifier, Verifier},
    state::{Changes, MemoryStore, Overlay},
};
use health_chain_incentive::{
    Funding, IncentiveParameters, Issuance, Ledger, Reward, Rewards, SingleKey, StakeParameters, TokenRule, kinds,
    supply,
};

pub const EUR: TokenId = TokenId(1);
pub const CNY: TokenId = TokenId(2);
pub const MATURITY: u32 = 10;
/// A kind that needs no inputs, as a withdrawal of consent does.
pub const FREE: Kind = Kind(19);

pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

/// The lock of key `seed`, 1 to 9; kept, because a key costs more than all else in these tests.
pub fn lock(seed: u8) -> Lock {
    static LOCKS: OnceLock<Vec<Lock>> = OnceLock::new();
    let locks = LOCKS.get_or_init(|| (1..=9).map(|seed| SingleKey::lock(&key(seed).public_key())).collect());
    locks[usize::from(seed) - 1].clone()
}

fn issuers() -> Vec<PublicKey> {
    static ISSUERS: OnceLock<Vec<PublicKey>> = OnceLock::new();
    ISSUERS.get_or_init(|| [101, 102, 103].map(|seed| key(seed).public_key()).to_vec()).clone()
}

pub fn pay(token: TokenId, amount: u64, seed: u8) -> Output {
    Output { token, amount: Amount(amount), lock: lock(seed) }
}

pub fn parameters(reward: Reward) -> IncentiveParameters {
    let rule =
        |token, symbol: &str| TokenRule { token, symbol: symbol.into(), decimals: 2, threshold: 2, issuers: issuers() };
    IncentiveParameters {
        fee_token: EUR,
        tokens: vec![rule(EUR, "EUR"), rule(CNY, "CNY")],
        coinbase_maturity: MATURITY,
        reward,
    }
}

/// The executor of these tests: a ledger, and one free kind without rules of its own.
pub struct LedgerOnly(pub Arc<Ledger>);

impl Executor for LedgerOnly {
    fn genesis(&self, state: &mut Overlay<'_>, genesis: &Genesis) -> Result<(), ExecuteError> {
        self.0.genesis(state, genesis)
    }

    fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Effect, ExecuteError> {
        let funding = if transaction.kind == FREE { Funding::Free } else { Funding::Required };
        self.0.apply(state, transaction, &transaction.id(), context, funding, claims)
    }
}

/// Epochs of the worlds with stake.
pub const EPOCHS: Epochs = Epochs { blocks: 4, evidence_blocks: 10 };
/// What a vote costs there.
pub const UNIT: u64 = 10;
pub const STAKE: StakeParameters =
    StakeParameters { token: EUR, unit: Amount(UNIT), least_power: 5, slash_per_mille: 300 };

/// The evidence of these tests: a height, and the offender's signature of it.
pub struct Confession;

impl Confession {
    pub fn of(seed: u8, height: u32) -> Vec<u8> {
        let signature = key(seed).sign(&health_chain_data::sha256(&height.to_le_bytes()), &[0; 32]);
        [&key(seed).public_key().as_bytes()[..], &height.to_le_bytes(), signature.as_bytes()].concat()
    }
}

impl EvidenceCheck for Confession {
    fn offence(&self, evidence: &[u8], _: ChainId, claims: &mut Vec<SignatureClaim>) -> Result<Offence, Rejection> {
        let no_evidence = || Rejection { rule: "no-confession", source: "no key, height and signature".into() };
        let (offender, rest) = evidence.split_first_chunk::<32>().ok_or_else(no_evidence)?;
        let (height, signature) = rest.split_first_chunk::<4>().ok_or_else(no_evidence)?;
        let offender = PublicKey::from_bytes(offender).map_err(|_| no_evidence())?;
        let signature = Signature(signature.try_into().map_err(|_| no_evidence())?);
        claims.push(SignatureClaim { key: offender, message: health_chain_data::sha256(height), signature });
        Ok(Offence { offender, height: Height(u32::from_le_bytes(*height)) })
    }

    fn signature_checks(&self) -> u32 {
        1
    }
}

/// An unspent output and where it is.
pub type Owned = (OutPoint, Output);

pub struct World {
    pub store: MemoryStore,
    pub ledger: Arc<Ledger>,
    pub rewards: Rewards,
    pub executor: Arc<LedgerOnly>,
    pub genesis: Genesis,
    pub context: BlockContext,
}

impl World {
    pub fn new(reward: Reward) -> Self {
        let parameters = parameters(reward);
        let genesis = Genesis::new("test", Timestamp(1_000_000_000), vec![]).with(&parameters);
        Self::with(genesis, Ledger::new(parameters, Arc::new(SingleKey)).unwrap())
    }

    /// A world with stake, in which the keys with these seeds decide in the first hundred epochs.
    pub fn staking(stake: StakeParameters, seeds: &[u8]) -> Self {
        let parameters = parameters(Reward::Immediate);
        let genesis = Genesis::new("test", Timestamp(1_000_000_000), vec![]).with(&parameters).with(&stake);
        let ledger = Ledger::new(parameters, Arc::new(SingleKey)).unwrap();
        let mut world = Self::with(genesis, ledger.with_stake(stake, Arc::new(Confession)).unwrap());
        let set: Vec<Validator> =
            seeds.iter().map(|seed| Validator { key: key(*seed).public_key(), power: 1 }).collect();
        let mut changes = Changes::default();
        changes.put(VALIDATORS, [], codec::encode(&EPOCHS));
        for epoch in 0..100 {
            changes.put(VALIDATORS, (epoch * EPOCHS.blocks + 1).to_be_bytes(), codec::encode(&set));
        }
        world.store.commit(&changes).unwrap();
        world
    }

    fn with(genesis: Genesis, ledger: Ledger) -> Self {
        let ledger = Arc::new(ledger);
        let rewards = Rewards::new(&ledger);
        let mut store = MemoryStore::default();
        let mut state = Overlay::new(&store);
        ledger.genesis(&mut state, &genesis).unwrap();
        let changes = state.into_changes().unwrap();
        store.commit(&changes).unwrap();
        let context =
            BlockContext { chain: genesis.chain_id(), height: Height(1), median_time_past: Timestamp(1_000_000_000) };
        let executor = Arc::new(LedgerOnly(ledger.clone()));
        Self { store, ledger, rewards, executor, genesis, context }
    }

    pub fn chain(&self) -> ChainId {
        self.context.chain
    }

    /// Applies one transaction and verifies what it claims; commits nothing.
    pub fn check(&self, transaction: &Transaction) -> Result<(Effect, Changes), ExecuteError> {
        let mut state = Overlay::new(&self.store);
        let mut claims = Vec::new();
        let effect = self.executor.apply(&mut state, transaction, &self.context, &mut claims);
        if effect.is_err() {
            assert!(claims.is_empty(), "a refused transaction leaves no claims");
        } else {
            SingleVerifier.verify(&claims).expect("signatures in tests are made well");
        }
        let changes = state.into_changes().unwrap();
        if effect.is_err() {
            assert!(changes.is_empty(), "a refused transaction leaves no changes");
        }
        Ok((effect?, changes))
    }

    /// The rule that refuses the transaction.
    pub fn rule(&self, transaction: &Transaction) -> &'static str {
        rule(self.check(transaction).map(drop))
    }

    /// A block of these transactions at the next height.
    pub fn block(&self, transactions: Vec<Transaction>) -> Block {
        let body = Body(transactions);
        let header = Header {
            version: 1,
            parent: BlockId::default(),
            root: body.root(&ScalarHasher),
            time: self.context.median_time_past.saturating_add(1),
            seal: self.context.height.0.to_le_bytes().to_vec(),
        };
        Block { header, body }
    }

    /// What the block changes, all of its rules checked.
    pub fn check_block(&self, block: &Block) -> Result<Changes, ExecuteError> {
        let mut state = Overlay::new(&self.store);
        let mut fees = Amount::ZERO;
        let mut claims = Vec::new();
        let coinbases = usize::from(block.transactions().first().is_some_and(|first| first.kind == Kind::COINBASE));
        for transaction in block.transactions().iter().skip(coinbases) {
            let effect = self.executor.apply(&mut state, transaction, &self.context, &mut claims)?;
            fees = fees.checked_add(effect.fee.0).expect("fees are within the supply");
        }
        SingleVerifier.verify(&claims).expect("signatures in tests are made well");
        self.rewards.settle(&mut state, block, fees, &self.context)?;
        Ok(state.into_changes()?)
    }

    /// Connects a block of these transactions and returns how to disconnect it.
    pub fn connect(&mut self, transactions: Vec<Transaction>) -> Changes {
        let changes = self.check_block(&self.block(transactions)).unwrap();
        let undo = changes.undo(&self.store).unwrap();
        self.store.commit(&changes).unwrap();
        self.context.height = self.context.height.next();
        self.context.median_time_past = self.context.median_time_past.saturating_add(600);
        undo
    }

    pub fn disconnect(&mut self, undo: &Changes) {
        self.store.commit(undo).unwrap();
        self.context.height = self.context.height.checked_sub(1).unwrap();
        self.context.median_time_past = self.context.median_time_past.checked_sub(600).unwrap();
    }

    /// Has issuers 0 and 2 sign.
    pub fn issue(&self, mut transaction: Transaction, token: TokenId) -> Transaction {
        let rule = self.ledger.parameters().token(token).unwrap();
        let message = Issuance::message(&self.chain(), &transaction).unwrap();
        for seed in [103, 101] {
            let issuer = key(seed);
            let signature = issuer.sign(&message, &[0; 32]);
            Issuance::add_signature(&mut transaction, rule, &issuer.public_key(), signature).unwrap();
        }
        transaction
    }

    pub fn mint(&self, outputs: Vec<Output>) -> Transaction {
        let token = outputs[0].token;
        let serial = supply(&self.store, token).unwrap().unwrap().serial + 1;
        self.issue(Issuance::mint(token, serial, outputs).unwrap(), token)
    }

    /// Connects a block that mints these outputs.
    pub fn fund(&mut self, outputs: Vec<Output>) -> Vec<Owned> {
        let mint = self.mint(outputs);
        let owned = owned(&mint);
        self.connect(vec![mint]);
        owned
    }

    /// A signed transfer of all of `spent`.
    pub fn transfer(&self, spent: &[Owned], outputs: Vec<Output>) -> Transaction {
        self.sign(unsigned(spent, outputs), spent)
    }

    pub fn sign(&self, mut transaction: Transaction, spent: &[Owned]) -> Transaction {
        let outputs: Vec<Output> = spent.iter().map(|(_, output)| output.clone()).collect();
        for seed in 1..=9 {
            if outputs.iter().any(|output| output.lock == lock(seed)) {
                SingleKey::sign(&mut transaction, &self.chain(), &outputs, &key(seed), &[0; 32]).unwrap();
            }
        }
        transaction
    }
}

pub fn rule<T>(outcome: Result<T, ExecuteError>) -> &'static str {
    match outcome {
        Ok(_) => "accepted",
        Err(ExecuteError::Rejected(rejection)) => rejection.rule,
        Err(other) => panic!("{other}"),
    }
}

/// The outputs of a transaction, as they will be spent.
pub fn owned(transaction: &Transaction) -> Vec<Owned> {
    let id = transaction.id();
    (0..)
        .zip(&transaction.outputs)
        .map(|(index, output)| (OutPoint { transaction: id, index }, output.clone()))
        .collect()
}

pub fn inputs(spent: &[Owned]) -> Vec<Input> {
    spent.iter().map(|(previous, _)| Input { previous: *previous, sequence: Input::FINAL }).collect()
}

pub fn unsigned(spent: &[Owned], outputs: Vec<Output>) -> Transaction {
    let mut transaction = Transaction::new(kinds::TRANSFER, vec![]);
    transaction.inputs = inputs(spent);
    transaction.witnesses = vec![Witness::default(); spent.len()];
    transaction.outputs = outputs;
    transaction
}
