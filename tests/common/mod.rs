//! A chain under one authority, with a token and with records, and the transactions and blocks that its tests are made of. Shared by
//! the tests of this folder, of which none uses all of it.

#![allow(dead_code, clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use health_chain::{
    application::{
        authorize::GatewayRules,
        gateway::{Gateway, GatewayParts},
        identities::{ApplicationParameters, Identities, InitialInstitution},
        node::Service,
        objects::MemoryObjects,
        payload::Payload,
        ports::SeededEntropy,
        records::{Content, GatewayId, Grant, GrantTerms, Permissions, Position, Purpose, Records, Store},
    },
    consensus::{Chain, ConsensusParameters, Parts, Solo, SoloParameters, verify::BLOCK_VERSION},
    contract::{Contracts, Scripts},
    data::{
        Amount, Block, Body, ChainId, Commitment, Genesis, Header, Input, Lock, Millis, OutPoint, Output, PublicKey,
        SecretKey, Timestamp, TokenId, Transaction, Witness,
        ports::{ChainStore, ScalarHasher, SingleVerifier},
        sha256,
        state::MemoryStore,
    },
    incentive::{IncentiveParameters, Issuance, Ledger, Reward, Rewards, SingleKey, TokenRule},
};

/// Seals blocks and mints.
pub(crate) const AUTHORITY: u8 = 1;
/// Owns coins and a record.
pub(crate) const OWNER: u8 = 2;
pub(crate) const GRANTEE: u8 = 3;
pub(crate) const GATEWAY: u8 = 4;
pub(crate) const HOSPITAL: u8 = 5;
pub(crate) const ACCREDITOR: u8 = 6;

pub(crate) const TOKEN: TokenId = TokenId(1);
pub(crate) const START: Timestamp = Timestamp(1_800_000_000);

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

pub(crate) fn public(seed: u8) -> PublicKey {
    key(seed).public_key()
}

pub(crate) fn gateway_id() -> GatewayId {
    GatewayId::of(&public(GATEWAY))
}

pub(crate) fn solo() -> SoloParameters {
    SoloParameters { authority: public(AUTHORITY), interval_seconds: 1 }
}

pub(crate) fn token_rule() -> TokenRule {
    TokenRule { token: TOKEN, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers: vec![public(AUTHORITY)] }
}

pub(crate) fn incentive() -> IncentiveParameters {
    IncentiveParameters {
        fee_token: TOKEN,
        tokens: vec![token_rule()],
        coinbase_maturity: 1,
        reward: Reward::Immediate,
    }
}

pub(crate) fn application() -> ApplicationParameters {
    let institutions = vec![InitialInstitution { name: "a hospital".into(), key: public(HOSPITAL) }];
    ApplicationParameters { accreditors: vec![public(ACCREDITOR)], threshold: 1, institutions }
}

pub(crate) fn genesis(network: &str, consensus: ConsensusParameters) -> Genesis {
    Genesis::new(network, START, vec![]).with(&consensus).with(&solo()).with(&incentive()).with(&application())
}

pub(crate) fn contracts() -> (Arc<Contracts>, Arc<Rewards>) {
    let ledger = Ledger::new(incentive(), Arc::new(Scripts)).unwrap();
    let rewards = Arc::new(Rewards::new(&ledger));
    let identities = Identities::new(application()).unwrap();
    (Arc::new(Contracts::new(ledger, vec![Arc::new(Records), Arc::new(identities)]).unwrap()), rewards)
}

pub(crate) fn open(store: Box<dyn ChainStore>, genesis: &Genesis) -> Chain {
    let (executor, reward) = contracts();
    let (verifier, hasher) = (Arc::new(SingleVerifier), Arc::new(ScalarHasher));
    let engine = Box::new(Solo::follower(solo()));
    Chain::open(Parts { store, engine, executor, reward, verifier, hasher }, genesis).unwrap()
}

/// A block on `parent`, sealed by the authority.
pub(crate) fn block_on(parent: &Header, time: Timestamp, transactions: Vec<Transaction>) -> Block {
    let body = Body(transactions);
    let root = body.root(&ScalarHasher);
    let header = Header { version: BLOCK_VERSION, parent: parent.id(), root, time, seal: vec![] };
    Block { header: seal(header), body }
}

pub(crate) fn seal(mut header: Header) -> Header {
    header.seal = key(AUTHORITY).sign(&Solo::message(&header), &[0; 32]).as_bytes().to_vec();
    header
}

/// What the owner of coins locks them with.
pub(crate) fn lock() -> Lock {
    SingleKey::lock(&public(OWNER))
}

pub(crate) fn output(amount: u64) -> Output {
    Output { token: TOKEN, amount: Amount(amount), lock: lock() }
}

/// Mints one coin for each of `amounts` to the owner.
pub(crate) fn mint(chain: ChainId, serial: u64, amounts: &[u64]) -> Transaction {
    let mut mint = Issuance::mint(TOKEN, serial, amounts.iter().map(|amount| output(*amount)).collect()).unwrap();
    sign_mint(&mut mint, chain);
    mint
}

pub(crate) fn sign_mint(mint: &mut Transaction, chain: ChainId) {
    let signature = key(AUTHORITY).sign(&Issuance::message(&chain, mint).unwrap(), &[0; 32]);
    Issuance::add_signature(mint, &token_rule(), &public(AUTHORITY), signature).unwrap();
}

pub(crate) fn point(transaction: &Transaction, index: u32) -> OutPoint {
    OutPoint { transaction: transaction.id(), index }
}

/// Lets `transaction` spend the output `index` of `source` and get back all of it but the fee.
pub(crate) fn fund(
    mut transaction: Transaction,
    chain: ChainId,
    source: &Transaction,
    index: u32,
    fee: u64,
) -> Transaction {
    let spent = source.outputs[index as usize].clone();
    transaction.inputs.push(Input { previous: point(source, index), sequence: Input::FINAL });
    transaction.witnesses.push(Witness::default());
    transaction.outputs.push(output(spent.amount.0 - fee));
    sign_spend(&mut transaction, chain, &[spent]);
    transaction
}

pub(crate) fn sign_spend(transaction: &mut Transaction, chain: ChainId, spent: &[Output]) {
    SingleKey::sign(transaction, &chain, spent, &key(OWNER), &[0; 32]).unwrap();
}

/// The owner's object, as it is first recorded.
pub(crate) fn store_operation(chain: ChainId) -> Store {
    let content = Content { commitment: Commitment(sha256(b"record")), ct_root: sha256(b"sealed"), length: 1_000 };
    Store::sign(chain, gateway_id(), [7; 32], content, &key(OWNER), &[0; 32]).unwrap()
}

/// The grant ends this many seconds after the chain's start.
pub(crate) const GRANT_SECONDS: u32 = 1_000;

/// A chain on which the grantee has a grant until [`GRANT_SECONDS`].
pub(crate) fn granted() -> Chain {
    let mut chain = open(Box::<MemoryStore>::default(), &genesis("clock", ConsensusParameters::default()));
    let id = chain.chain_id();
    let store = store_operation(id);
    let terms = GrantTerms {
        grantee: public(GRANTEE),
        permissions: Permissions::READ,
        purpose: Purpose::TREATMENT,
        not_before: START,
        not_after: START.saturating_add(GRANT_SECONDS),
        // The gateway has no such key to hand out: a request that is permitted fails at that, and not before.
        wrap_commit: sha256(b"no wrap"),
        payment: None,
    };
    let grant = Grant::sign(Position { seq: 1, ..store.position }, terms, &key(OWNER), &[0; 32]).unwrap();
    let coins = mint(id, 1, &[10, 10]);
    let operations = [store.transaction(), grant.transaction()];
    let funded = operations.into_iter().zip(0..).map(|(operation, index)| fund(operation, id, &coins, index, 0));
    let transactions = [coins.clone()].into_iter().chain(funded).collect();
    let block = block_on(&chain.tip().header, START.saturating_add(1), transactions);
    chain.accept_block(Millis::from(block.header.time), block).unwrap();
    chain
}

pub(crate) fn gateway(chain: &mut Chain) -> Gateway {
    let parts =
        GatewayParts::new(Box::new(key(GATEWAY)), Arc::new(MemoryObjects::default()), Box::new(SeededEntropy::new(1)));
    let rules = GatewayRules { store_depth: 1, ..GatewayRules::default() };
    let mut gateway = Gateway::new(GatewayParts { rules, ..parts });
    gateway.opened(chain).unwrap();
    gateway
}
