//! Whatever is done and undone, no money appears or vanishes.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::{CNY, EUR, MATURITY, Owned, World, inputs, owned, pay};
use health_chain_data::{
    Amount, TokenId, Transaction,
    state::{Changes, state_hash},
};
use health_chain_incentive::{Coin, Issuance, Reward, coins, supply, supply::audit};
use proptest::prelude::*;

/// One thing that somebody tries. Numbers are reduced to what exists when it is their turn.
#[derive(Debug, Clone)]
enum Attempt {
    Mint {
        token: TokenId,
        amounts: Vec<u64>,
        wrong: Wrong,
    },
    Redeem {
        coin: usize,
        share: u64,
        wrong: Wrong,
    },
    Transfer {
        coins: Vec<usize>,
        fee: u64,
        parts: u64,
        wrong: Wrong,
    },
    /// Ends the block; the maker takes this many thousandths of what it may.
    Block {
        taken_per_mille: u64,
    },
    Disconnect {
        blocks: usize,
    },
}

/// What is done to a transaction before it is signed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    Nothing,
    /// One more comes out than is allowed.
    More,
    /// One less comes out, which in the fee token is a fee.
    Less,
    /// The first output changes its token.
    Token,
    /// An input is there twice.
    Twice,
    /// The payload gets another byte.
    Payload,
}

fn wrong() -> impl Strategy<Value = Wrong> {
    prop_oneof![
        6 => Just(Wrong::Nothing),
        1 => Just(Wrong::More),
        1 => Just(Wrong::Less),
        1 => Just(Wrong::Token),
        1 => Just(Wrong::Twice),
        1 => Just(Wrong::Payload),
    ]
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let token = prop_oneof![Just(EUR), Just(CNY)];
    let amount = prop_oneof![8 => 1..1000_u64, 1 => Just(u64::MAX), 1 => Just(u64::MAX / 2)];
    prop_oneof![
        3 => (token, prop::collection::vec(amount, 1..4), wrong())
            .prop_map(|(token, amounts, wrong)| Attempt::Mint { token, amounts, wrong }),
        2 => (0..100_usize, 1..=1000_u64, wrong())
            .prop_map(|(coin, share, wrong)| Attempt::Redeem { coin, share, wrong }),
        8 => (prop::collection::vec(0..100_usize, 1..4), 0..50_u64, 1..4_u64, wrong())
            .prop_map(|(coins, fee, parts, wrong)| Attempt::Transfer { coins, fee, parts, wrong }),
        4 => (0..=1000_u64).prop_map(|taken_per_mille| Attempt::Block { taken_per_mille }),
        1 => (1..4_usize).prop_map(|blocks| Attempt::Disconnect { blocks }),
    ]
}

fn spoil(transaction: &mut Transaction, wrong: Wrong) {
    match wrong {
        Wrong::Nothing => {}
        Wrong::More => transaction.outputs.iter_mut().take(1).for_each(|o| o.amount = o.amount.saturating_add(1)),
        Wrong::Less => transaction.outputs.iter_mut().take(1).for_each(|o| o.amount = o.amount.saturating_sub(1)),
        Wrong::Token => transaction.outputs.iter_mut().take(1).for_each(|o| o.token = TokenId(3 - o.token.0)),
        Wrong::Twice => transaction.inputs.extend(transaction.inputs.first().copied()),
        Wrong::Payload => transaction.payload.push(7),
    }
}

/// A chain under test, and the way back from each of its blocks.
struct Run {
    world: World,
    block: Vec<Transaction>,
    undo: Vec<(Changes, health_chain_data::Hash)>,
    /// Coins of the state at the tip that no transaction of the block spends, and that are mature.
    available: Vec<Owned>,
    accepted: usize,
}

impl Run {
    fn new(reward: Reward) -> Self {
        Self { world: World::new(reward), block: vec![], undo: vec![], available: vec![], accepted: 0 }
    }

    fn attempt(&mut self, attempt: &Attempt) {
        match attempt {
            Attempt::Mint { token, amounts, wrong } => {
                // At most one per token and block, since the serial is read from the state at the tip.
                let outputs = amounts.iter().map(|amount| pay(*token, *amount, 1)).collect();
                let serial = supply(&self.world.store, *token).unwrap().unwrap().serial + 1;
                let Ok(mut mint) = Issuance::mint(*token, serial, outputs) else { return };
                if *wrong != Wrong::Payload {
                    spoil(&mut mint, *wrong);
                }
                self.offer(self.world.issue(mint, *token));
            }
            Attempt::Redeem { coin, share, wrong } if !self.available.is_empty() => {
                let coin = self.available[coin % self.available.len()].clone();
                let (token, whole) = (coin.1.token, coin.1.amount.0);
                let amount = (u128::from(whole) * u128::from(*share) / 1000).max(1) as u64;
                let change = if amount == whole { vec![] } else { vec![pay(token, whole - amount, 1)] };
                let serial = supply(&self.world.store, token).unwrap().unwrap().serial + 1;
                let spent = [coin];
                let mut redeem = Issuance::redeem(token, Amount(amount), serial, inputs(&spent), change);
                if !matches!(wrong, Wrong::Payload | Wrong::Twice) {
                    spoil(&mut redeem, *wrong);
                }
                let redeem = self.world.sign(self.world.issue(redeem, token), &spent);
                self.offer(redeem);
            }
            Attempt::Transfer { coins, fee, parts, wrong } if !self.available.is_empty() => {
                let mut spent: Vec<Owned> = Vec::new();
                for coin in coins {
                    let coin = &self.available[coin % self.available.len()];
                    if !spent.contains(coin) {
                        spent.push(coin.clone());
                    }
                }
                let mut outputs = Vec::new();
                for token in [EUR, CNY] {
                    let sum: u64 = spent.iter().filter(|(_, o)| o.token == token).map(|(_, o)| o.amount.0).sum();
                    let rest = if token == EUR { sum.saturating_sub(*fee) } else { sum };
                    let part = rest / parts;
                    let amounts = (1..*parts).map(|_| part).chain([rest - part * (parts - 1)]);
                    outputs.extend(amounts.filter(|amount| *amount > 0).map(|amount| pay(token, amount, 2)));
                }
                let mut transaction = common::unsigned(&spent, outputs);
                if *wrong != Wrong::Twice {
                    spoil(&mut transaction, *wrong);
                }
                let mut transaction = self.world.sign(transaction, &spent);
                if *wrong == Wrong::Twice {
                    spoil(&mut transaction, *wrong);
                }
                self.offer(transaction);
            }
            Attempt::Block { taken_per_mille } => self.end_block(*taken_per_mille),
            Attempt::Disconnect { blocks } => self.disconnect(*blocks),
            Attempt::Redeem { .. } | Attempt::Transfer { .. } => {}
        }
    }

    /// Adds the transaction to the block if it is valid on top of it.
    fn offer(&mut self, transaction: Transaction) {
        let mut block = self.block.clone();
        block.push(transaction.clone());
        match self.world.check_block(&self.world.block(block.clone())) {
            Ok(_) => {
                let points: BTreeSet<_> = transaction.inputs.iter().map(|input| input.previous).collect();
                assert_eq!(points.len(), transaction.inputs.len(), "an input twice was accepted");
                let spent = inputs(&self.available);
                assert!(
                    transaction.inputs.iter().all(|input| spent.contains(input)),
                    "a coin that isn't there was spent"
                );
                self.available.retain(|(point, _)| transaction.inputs.iter().all(|input| input.previous != *point));
                self.available.extend(owned(&transaction));
                self.block = block;
                self.accepted += 1;
            }
            // On the tip alone it may be valid or not; where it is not, `check` asserts that nothing is left of it.
            Err(_) => drop(self.world.check(&transaction)),
        }
    }

    fn end_block(&mut self, taken_per_mille: u64) {
        let mut transactions = std::mem::take(&mut self.block);
        let before = state_hash(&self.world.store).unwrap();
        let fees = self.fees(&transactions);
        let limit = self.world.rewards.limit(&self.world.store, fees).unwrap();
        let taken = u128::from(limit.0) * u128::from(taken_per_mille) / 1000;
        if taken > 0 {
            let coinbase =
                self.world.rewards.coinbase(self.world.context.height, Amount(taken as u64), common::lock(1));
            transactions.insert(0, coinbase);
        }
        let undo = self.world.connect(transactions);
        self.undo.push((undo, before));
        self.settled();
    }

    fn fees(&self, transactions: &[Transaction]) -> Amount {
        let value = |outputs: &mut dyn Iterator<Item = health_chain_data::Output>| {
            outputs.filter(|o| o.token == EUR).map(|o| u128::from(o.amount.0)).sum::<u128>()
        };
        let mut made: Vec<Owned> = transactions.iter().flat_map(owned).collect();
        made.extend(transactions.iter().flat_map(|t| &t.inputs).filter_map(|input| {
            Some((input.previous, Coin::read(&self.world.store, &input.previous).unwrap()?.output))
        }));
        let find = |point| made.iter().find(|(at, _)| *at == point).unwrap().1.clone();
        let mut fees = 0;
        for transaction in transactions.iter().filter(|t| t.kind == health_chain_incentive::kinds::TRANSFER) {
            let spent = value(&mut transaction.inputs.iter().map(|input| find(input.previous)));
            fees += spent - value(&mut transaction.outputs.iter().cloned());
        }
        for transaction in transactions.iter().filter(|t| t.kind == health_chain_incentive::kinds::REDEEM) {
            let issuance: Issuance = health_chain_data::codec::decode(&transaction.payload).unwrap();
            if issuance.token == EUR {
                let spent = value(&mut transaction.inputs.iter().map(|input| find(input.previous)));
                fees += spent - value(&mut transaction.outputs.iter().cloned()) - u128::from(issuance.amount.0);
            }
        }
        Amount(u64::try_from(fees).unwrap())
    }

    fn disconnect(&mut self, blocks: usize) {
        self.block.clear();
        for _ in 0..blocks.min(self.undo.len()) {
            let (undo, before) = self.undo.pop().unwrap();
            self.world.disconnect(&undo);
            assert_eq!(state_hash(&self.world.store).unwrap(), before, "undoing leads back to the bit");
        }
        self.settled();
    }

    fn settled(&mut self) {
        audit(&self.world.store, self.world.ledger.parameters()).unwrap();
        let height = self.world.context.height;
        self.available = [1, 2]
            .into_iter()
            .flat_map(|seed| coins(&self.world.store, &common::lock(seed)).unwrap())
            .filter(|(_, coin)| coin.spendable_from(MATURITY) <= height)
            .map(|(point, coin)| (point, coin.output))
            .collect();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn supply_is_conserved(
        attempts in prop::collection::vec(attempt(), 1..25),
        smoothed in any::<bool>(),
    ) {
        let reward =
            if smoothed { Reward::Smoothed { alpha_per_mille: 400, window_blocks: 5 } } else { Reward::Immediate };
        let mut run = Run::new(reward);
        for attempt in &attempts {
            run.attempt(attempt);
        }
        run.end_block(1000);
        run.disconnect(usize::MAX);
        prop_assert_eq!(supply(&run.world.store, EUR).unwrap().unwrap().minted, Amount::ZERO);
    }
}

/// The random runs above are worth something only if a good part of what they try is valid.
#[test]
fn many_attempts_are_valid() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let mut run = Run::new(Reward::Immediate);
    let mut tried = 0;
    for _ in 0..300 {
        let attempt = attempt().new_tree(&mut runner).unwrap().current();
        // Overflowing mints would leave no room for others.
        if matches!(&attempt, Attempt::Mint { amounts, .. } if amounts.iter().any(|amount| *amount > 1000)) {
            continue;
        }
        tried += usize::from(!matches!(attempt, Attempt::Block { .. } | Attempt::Disconnect { .. }));
        run.attempt(&attempt);
    }
    assert!(run.accepted * 4 > tried, "{} of {tried} were valid", run.accepted);
    assert!(run.undo.len() > 10);
}
