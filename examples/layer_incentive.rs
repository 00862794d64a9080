//! The incentive layer without a network and without scripts: a ledger of two currencies, waiting payments in order of what they
//! pay, and a block's worth of them.
//!
//! The task: a clearing house settles bills between clinics in euro and yuan. Coins are claims on an issuer: they come in by a
//! signed MINT, leave by a signed REDEEM, and never appear out of nothing. Fees are in euro.
//!
//! Run it with `cargo run --release --example layer_incentive`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::{error::Error, sync::Arc};

use health_chain_consensus::{
    ConsensusParameters,
    ports::{BlockContext, Effect, ExecuteError, Executor, RewardRule},
};
use health_chain_data::{
    Amount, Block, BlockId, ChainId, Genesis, Header, Height, Input, Millis, OutPoint, Output, SecretKey, Timestamp,
    TokenId, Transaction, Witness,
    limits::MAX_HEADER_BYTES,
    ports::{ChainStore, ScalarHasher, SignatureClaim, SingleVerifier},
    state::{MemoryStore, Overlay},
};
use health_chain_incentive::{
    Funding, IncentiveParameters, Issuance, Ledger, Mempool, MempoolError, MempoolPolicy, Payout, Reward, Rewards,
    SingleKey, TipState, TokenRule, coins, kinds, supply, template,
};

const EURO: TokenId = TokenId(978);
const YUAN: TokenId = TokenId(156);

/// The port that the layer below calls, over the ledger alone. The contract layer has one that also runs programs by kind.
struct MoneyOnly(Ledger);

impl Executor for MoneyOnly {
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
        self.0.apply(state, transaction, &transaction.id(), context, Funding::Required, claims)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let key = |seed: u8| SecretKey::from_bytes(&[seed; 32]);
    let (bank, clinic, laboratory, maker) = (key(1)?, key(2)?, key(3)?, key(4)?);
    let lock = |key: &SecretKey| SingleKey::lock(&key.public_key());
    let pay = |token, amount, to: &SecretKey| Output { token, amount: Amount(amount), lock: lock(to) };

    // What the genesis document fixes: the currencies, who issues them, and what a block's maker may take.
    let token = |token, symbol: &str| TokenRule {
        token,
        symbol: symbol.into(),
        decimals: 2,
        threshold: 1,
        issuers: vec![bank.public_key()],
    };
    let parameters = IncentiveParameters {
        fee_token: EURO,
        tokens: vec![token(YUAN, "CNY"), token(EURO, "EUR")],
        coinbase_maturity: 10,
        reward: Reward::Immediate,
    };
    let genesis = Genesis::new("clearing", Timestamp(1_800_000_000), vec![]).with(&parameters);
    let chain = genesis.chain_id();
    let ledger = Ledger::new(parameters.clone(), Arc::new(SingleKey))?;
    let rewards = Rewards::new(&ledger);
    let executor = Arc::new(MoneyOnly(ledger));

    // Genesis, and block 1 in which the bank brings in four euro coins and one of yuan for the clinic.
    let mut store = MemoryStore::default();
    let mut state = Overlay::new(&store);
    executor.genesis(&mut state, &genesis)?;
    let context = |height| BlockContext { chain, height: Height(height), median_time_past: Timestamp(1_800_000_000) };
    let mut claims = vec![];
    for (token, amounts) in [(EURO, &[1000, 1000, 1000, 500][..]), (YUAN, &[9000])] {
        let outputs = amounts.iter().map(|amount| pay(token, *amount, &clinic)).collect();
        let mut mint = Issuance::mint(token, 1, outputs)?;
        let signature = bank.sign(&Issuance::message(&chain, &mint)?, &[0; 32]);
        let rule = parameters.token(token).ok_or("declared above")?;
        Issuance::add_signature(&mut mint, rule, &bank.public_key(), signature)?;
        executor.apply(&mut state, &mint, &context(1), &mut claims)?;
    }
    health_chain_data::ports::Verifier::verify(&SingleVerifier, &claims)?;
    let changes = state.into_changes()?;
    store.commit(&changes)?;

    // The clinic pays bills. A fee is what the outputs leave of the inputs in euro; every other currency balances exactly.
    let found = coins(&store, &lock(&clinic))?;
    let coin = |token, amount| found.iter().find(|(_, c)| c.output.token == token && c.output.amount == Amount(amount));
    let thousands: Vec<_> = found.iter().filter(|(_, c)| c.output.amount == Amount(1000)).cloned().collect();
    let (small, yuan) = (coin(EURO, 500).ok_or("minted")?, coin(YUAN, 9000).ok_or("minted")?);
    let spend = |coins: &[&(OutPoint, health_chain_incentive::coin::Coin)], outputs| {
        let spent: Vec<Output> = coins.iter().map(|(_, coin)| coin.output.clone()).collect();
        transfer(&chain, coins.iter().map(|(point, _)| *point).collect(), &spent, outputs, &clinic)
    };
    let cheap = spend(&[&thousands[0]], vec![pay(EURO, 995, &laboratory)])?;
    let dear = spend(&[&thousands[1]], vec![pay(EURO, 900, &laboratory)])?;
    let both = spend(&[small, yuan], vec![pay(YUAN, 9000, &laboratory), pay(EURO, 470, &clinic)])?;

    // They wait in the order of what they pay per byte. The second spender of a coin is refused with the first one's id.
    let tip = TipState { id: BlockId(chain.0), context: context(2), state: &store };
    let mut pool = Mempool::new(MempoolPolicy::default(), executor.clone(), Arc::new(SingleVerifier), tip.id);
    for payment in [&cheap, &both, &dear] {
        pool.submit(Millis(0), payment.clone(), &tip)?;
    }
    let order: Vec<_> = pool.iter().map(|(id, _)| *id).collect();
    assert_eq!(order, [dear.id(), both.id(), cheap.id()]);
    let again = spend(&[&thousands[1]], vec![pay(EURO, 1, &maker)])?;
    let refused = pool.submit(Millis(1), again, &tip).err().ok_or("a coin was spent twice")?;
    assert!(matches!(refused, MempoolError::Conflict { with, .. } if with == dear.id()));
    println!("waiting: {} payments, best first; a second spender is refused", pool.len());

    // A block that has room for two and the maker's coinbase: the two that pay most, and their fees for the maker. Room for the
    // longest header is kept.
    let max_block_bytes = MAX_HEADER_BYTES as u32 + 600;
    let limits = ConsensusParameters { max_block_bytes, ..ConsensusParameters::default() };
    let makers_lock = lock(&maker);
    let template = template::build(&pool, &tip, &limits, Some(Payout { rewards: &rewards, lock: &makers_lock }))?;
    let chosen: Vec<_> = template.body.0.iter().skip(1).map(Transaction::id).collect();
    assert_eq!((chosen, template.fees), (vec![dear.id(), both.id()], Amount(100 + 30)));
    println!("block: {} transactions, fees of {} cents", template.body.0.len(), template.fees);

    // Whoever receives the block checks it the same way: apply everything, verify the claims, settle the coinbase.
    let header = Header {
        version: 1,
        parent: tip.id,
        root: template.body.root(&ScalarHasher),
        time: Timestamp(0),
        seal: vec![],
    };
    let block = Block { header, body: template.body };
    let (mut state, mut claims, mut fees) = (Overlay::new(&store), vec![], Amount::ZERO);
    for transaction in &block.transactions()[1..] {
        let effect = executor.apply(&mut state, transaction, &context(2), &mut claims)?;
        fees = fees.checked_add(effect.fee.0).ok_or("fees overflow")?;
    }
    health_chain_data::ports::Verifier::verify(&SingleVerifier, &claims)?;
    rewards.settle(&mut state, &block, fees, &context(2))?;
    let changes = state.into_changes()?;
    store.commit(&changes)?;

    // Nothing has appeared and nothing is lost: minted - redeemed = unspent + pool, in each currency.
    for (token, supply) in supply::audit(&store, &parameters)? {
        println!("{token:?}: minted {}, unspent {}, in the pool {}", supply.minted, supply.unspent, supply.pool);
    }
    let reward = coins(&store, &makers_lock)?;
    assert_eq!(reward[0].1.output.amount, Amount(130));
    assert_eq!(reward[0].1.spendable_from(parameters.coinbase_maturity), Height(12));
    Ok(())
}

/// A signed payment out of coins of one key.
fn transfer(
    chain: &ChainId,
    points: Vec<OutPoint>,
    spent: &[Output],
    outputs: Vec<Output>,
    signer: &SecretKey,
) -> Result<Transaction, Box<dyn Error>> {
    let mut transaction = Transaction { outputs, ..Transaction::new(kinds::TRANSFER, vec![]) };
    transaction.witnesses = vec![Witness::default(); points.len()];
    transaction.inputs = points.into_iter().map(|previous| Input { previous, sequence: Input::FINAL }).collect();
    SingleKey::sign(&mut transaction, chain, spent, signer, &[0; 32])?;
    Ok(transaction)
}
