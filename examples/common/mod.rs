//! A chain on this machine, for the examples: one authority, one currency, and a block whenever one is asked for.

#![allow(dead_code, reason = "no example needs all of it")]
#![allow(clippy::print_stdout, reason = "examples tell what they do")]

use std::{error::Error, slice, sync::Arc};

use health_chain_consensus::{
    Accepted, Chain, ConsensusParameters, Parts, Solo, SoloParameters,
    verify::{BLOCK_VERSION, BlockError},
};
use health_chain_contract::{Contracts, Scripts, ports::Program, scripts::Template};
use health_chain_data::{
    Amount, Block, Body, ChainId, Genesis, Hash, Header, Height, Input, Lock, Millis, OutPoint, Output, PublicKey,
    SecretKey, Signature, Timestamp, TokenId, Transaction, Witness,
    ports::{ScalarHasher, SingleVerifier, StateView},
    state::MemoryStore,
    transaction::{spend_hash, spent_outputs_hash},
};
use health_chain_incentive::{IncentiveParameters, Issuance, Ledger, Reward, Rewards, SingleKey, TokenRule, kinds};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// When a spend is valid: the transaction's lock time and the input's sequence.
pub(crate) type When = (u32, u32);
pub(crate) const AT_ONCE: When = (0, Input::FINAL);

const EURO: TokenId = TokenId(978);
const AUTHORITY: u8 = 250;
const START: Timestamp = Timestamp(1_800_000_000);
const INTERVAL_SECONDS: u32 = 600;

/// Somebody's key. Real ones come from a wallet.
pub(crate) fn secret(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).expect("a small number is a secret key")
}

pub(crate) fn public(seed: u8) -> PublicKey {
    secret(seed).public_key()
}

pub(crate) fn sign(seed: u8, message: &Hash) -> Signature {
    secret(seed).sign(message, &[0; 32])
}

/// A coin, and the script that spending it signs: its lock, or the script behind its lock.
#[derive(Clone)]
pub(crate) struct Coin {
    pub(crate) point: OutPoint,
    pub(crate) output: Output,
    pub(crate) code: Vec<u8>,
}

/// The chain. The authority seals its blocks and issues its money.
pub(crate) struct Local {
    chain: Chain,
    currency: TokenRule,
    minted: u64,
}

impl Local {
    /// A chain with these programs, whose genesis document has the sections that `sections` adds.
    pub(crate) fn open(
        name: &str,
        programs: Vec<Arc<dyn Program>>,
        sections: impl Fn(Genesis) -> Genesis,
    ) -> Outcome<Self> {
        let (symbol, issuers) = ("EUR".into(), vec![public(AUTHORITY)]);
        let currency = TokenRule { token: EURO, symbol, decimals: 2, threshold: 1, issuers };
        let (tokens, reward) = (vec![currency.clone()], Reward::Immediate);
        let money = IncentiveParameters { fee_token: EURO, tokens, coinbase_maturity: 100, reward };
        let solo = SoloParameters { authority: public(AUTHORITY), interval_seconds: INTERVAL_SECONDS };
        let genesis = Genesis::new(name, START, vec![]).with(&ConsensusParameters::default()).with(&solo).with(&money);
        let ledger = Ledger::new(money, Arc::new(Scripts))?;
        let parts = Parts {
            store: Box::new(MemoryStore::default()),
            engine: Box::new(Solo::follower(solo)),
            reward: Arc::new(Rewards::new(&ledger)),
            executor: Arc::new(Contracts::new(ledger, programs)?),
            verifier: Arc::new(SingleVerifier),
            hasher: Arc::new(ScalarHasher),
        };
        Ok(Self { chain: Chain::open(parts, &sections(genesis))?, currency, minted: 0 })
    }

    pub(crate) const fn chain(&self) -> &Chain {
        &self.chain
    }

    pub(crate) const fn id(&self) -> ChainId {
        self.chain.chain_id()
    }

    pub(crate) fn state(&self) -> &dyn StateView {
        self.chain.state()
    }

    pub(crate) fn height(&self) -> u32 {
        self.chain.tip().height.0
    }

    /// A block with these transactions, offered to the chain.
    pub(crate) fn block(&mut self, transactions: Vec<Transaction>) -> Result<Accepted, BlockError> {
        let tip = self.chain.tip();
        let (body, time) = (Body(transactions), tip.header.time.saturating_add(INTERVAL_SECONDS));
        let root = body.root(&ScalarHasher);
        let mut header = Header { version: BLOCK_VERSION, parent: tip.id, root, time, seal: vec![] };
        header.seal = sign(AUTHORITY, &Solo::message(&header)).as_bytes().to_vec();
        self.chain.accept_block(Millis::from(time), Block { header, body })
    }

    /// Empty blocks up to `height`.
    pub(crate) fn wait_for(&mut self, height: u32) -> Outcome {
        while self.height() < height {
            self.block(vec![])?;
        }
        Ok(())
    }

    /// The transaction belongs into a block, and gets into one.
    pub(crate) fn taken(&mut self, what: &str, transaction: Transaction) -> Outcome {
        let accepted = self.block(vec![transaction]).map_err(|error| format!("{what}: {}", told(&error)))?;
        assert!(matches!(accepted, Accepted::Connected(_)), "{what}: the block extends the tip");
        println!("  taken    {what}");
        Ok(())
    }

    /// The transaction breaks this rule, so no block with it is accepted. Returns what the chain says.
    pub(crate) fn refused(&mut self, what: &str, transaction: Transaction, rule: &str) -> Outcome<String> {
        let error =
            self.block(vec![transaction]).err().ok_or_else(|| format!("{what}: a block with it was accepted"))?;
        assert_eq!(error.rule(), rule, "{what}");
        println!("  refused  {what}: {rule}: {}", told(&error));
        Ok(told(&error))
    }

    /// Issues one coin under each lock, in a block. An issuer would have taken money for them.
    pub(crate) fn coins(&mut self, amount: u64, locks: &[Lock]) -> Outcome<Vec<Coin>> {
        self.minted += 1;
        let output = |lock: &Lock| Output { token: EURO, amount: Amount(amount), lock: lock.clone() };
        let mut mint = Issuance::mint(EURO, self.minted, locks.iter().map(output).collect())?;
        let signature = sign(AUTHORITY, &Issuance::message(&self.id(), &mint)?);
        Issuance::add_signature(&mut mint, &self.currency, &public(AUTHORITY), signature)?;
        let transaction = mint.id();
        let coin = |(index, output): (u32, &Output)| Coin {
            point: OutPoint { transaction, index },
            output: output.clone(),
            code: output.lock.0.clone(),
        };
        let coins = (0..).zip(&mint.outputs).map(coin).collect();
        self.block(vec![mint])?;
        Ok(coins)
    }

    /// One coin under a lock.
    pub(crate) fn coin(&mut self, amount: u64, template: &Template) -> Outcome<Coin> {
        self.coins(amount, &[template.lock()])?.pop().ok_or_else(|| "one lock makes one coin".into())
    }

    /// A transfer of a coin to a key, but for a cent of fee. The witness is made of the message that has to be signed.
    pub(crate) fn spend(&self, coin: &Coin, to: u8, when: When, witness: impl FnOnce(&Hash) -> Witness) -> Transaction {
        self.paid_from(Transaction::new(kinds::TRANSFER, vec![]), coin, &key_lock(to), when, witness)
    }

    /// The same for a transaction that also does something else, and to any lock.
    pub(crate) fn paid_from(
        &self,
        mut transaction: Transaction,
        coin: &Coin,
        to: &Lock,
        (lock_time, sequence): When,
        witness: impl FnOnce(&Hash) -> Witness,
    ) -> Transaction {
        let Output { token, amount, .. } = coin.output;
        transaction.inputs = vec![Input { previous: coin.point, sequence }];
        transaction.outputs = vec![Output { token, amount: Amount(amount.0 - 1), lock: to.clone() }];
        transaction.lock_time = lock_time;
        let spent = spent_outputs_hash(slice::from_ref(&coin.output));
        let message = spend_hash(&self.id(), &transaction.id(), &spent, 0, &coin.code);
        transaction.witnesses = vec![witness(&message)];
        transaction
    }

    /// What a key has, in cents.
    pub(crate) fn balance(&self, key: u8) -> Outcome<u64> {
        let coins = health_chain_incentive::coins(self.state(), &key_lock(key))?;
        Ok(coins.iter().map(|(_, coin)| coin.output.amount.0).sum())
    }

    /// The height from which a coin that is locked for `blocks` blocks from now is free.
    pub(crate) fn in_blocks(&self, blocks: u32) -> Height {
        Height(self.height() + blocks)
    }
}

pub(crate) fn key_lock(seed: u8) -> Lock {
    SingleKey::lock(&public(seed))
}

/// An error's last cause, which says what exactly is wrong.
fn told(mut error: &dyn Error) -> String {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}
