//! How coins pay, and people who pay all the time: a load that depends on nothing but the time.

use health_chain::{
    data::{Amount, ChainId, Input, OutPoint, Output, SecretKey, Transaction, Witness, ports::StateView},
    incentive::{SingleKey, coins, kinds::TRANSFER},
};

use super::{fabric::NodeIndex, world};

/// The fee of what is not free.
const FEE: u64 = 1;

/// Lets a coin pay `amount` and the fee of a transaction, and the rest come back; `false` where it is too small. To be signed.
pub(super) fn spend(transaction: &mut Transaction, amount: Amount, previous: OutPoint, spent: &Output) -> bool {
    let Some(rest) = spent.amount.checked_sub(amount.0 + FEE) else { return false };
    transaction.inputs = vec![Input { previous, sequence: Input::FINAL }];
    transaction.witnesses = vec![Witness::default()];
    transaction.outputs = vec![Output { amount: rest, ..spent.clone() }];
    true
}

/// Signs for the coin that a transaction spends.
pub(super) fn sign(transaction: &mut Transaction, chain: &ChainId, spent: Output, key: &SecretKey) {
    SingleKey::sign(transaction, chain, &[spent], key, &[0; 32]).expect("keys in memory sign");
}

/// Lets a coin pay the fee of a transaction, and signs for it.
pub(super) fn pay_fee(
    transaction: &mut Transaction,
    chain: &ChainId,
    (previous, spent): (OutPoint, Output),
    key: &SecretKey,
) {
    assert!(spend(transaction, Amount::ZERO, previous, &spent), "coins are large");
    sign(transaction, chain, spent, key);
}

/// Somebody with one coin, who passes it on to herself again and again without waiting for a block.
pub(super) struct Payer {
    index: usize,
    key: SecretKey,
    chain: ChainId,
    pub(super) home: NodeIndex,
    coin: Option<(OutPoint, Output)>,
}

impl Payer {
    /// `index` counts those who are given coins: patients first, then payers.
    pub(super) fn new(index: usize, chain: ChainId, home: NodeIndex) -> Self {
        Self { index, key: world::patient_key(index), chain, home, coin: None }
    }

    /// The next payment; none as long as her coin is not on the chain that `state` shows.
    pub(super) fn pay(&mut self, state: &dyn StateView) -> Option<Transaction> {
        let known = || coins(state, &world::lock_of(self.index)).expect("memory can be read").into_iter().next();
        let coin = match self.coin.take() {
            Some(coin) => coin,
            None => known().map(|(point, coin)| (point, coin.output))?,
        };
        let mut payment = Transaction::new(TRANSFER, vec![]);
        pay_fee(&mut payment, &self.chain, coin, &self.key);
        Some(payment)
    }

    /// The node has taken the payment: the next one spends what it paid out. Otherwise the chain's coin is looked up again.
    pub(super) fn paid(&mut self, payment: &Transaction) {
        let previous = OutPoint { transaction: payment.id(), index: 0 };
        self.coin = Some((previous, payment.outputs[0].clone()));
    }
}
