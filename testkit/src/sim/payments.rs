//! People who pay all the time: a load that depends on nothing but the time.

use health_chain::{
    data::{ChainId, Input, OutPoint, Output, SecretKey, Transaction, Witness, ports::StateView},
    incentive::{SingleKey, coins, kinds::TRANSFER},
};

use super::{fabric::NodeIndex, world};

const FEE: u64 = 1;

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
        let (previous, spent) = match self.coin.take() {
            Some(coin) => coin,
            None => known().map(|(point, coin)| (point, coin.output))?,
        };
        let mut payment = Transaction::new(TRANSFER, vec![]);
        let amount = spent.amount.checked_sub(FEE).expect("coins are large");
        payment.inputs = vec![Input { previous, sequence: Input::FINAL }];
        payment.witnesses = vec![Witness::default()];
        payment.outputs = vec![Output { amount, ..spent.clone() }];
        SingleKey::sign(&mut payment, &self.chain, &[spent], &self.key, &[0; 32]).expect("keys in memory sign");
        Some(payment)
    }

    /// The node has taken the payment: the next one spends what it paid out. Otherwise the chain's coin is looked up again.
    pub(super) fn paid(&mut self, payment: &Transaction) {
        let previous = OutPoint { transaction: payment.id(), index: 0 };
        self.coin = Some((previous, payment.outputs[0].clone()));
    }
}
