//! Coins: finding, choosing and spending them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use health_chain_consensus::ports::BlockContext;
use health_chain_data::{
    Amount, Input, Lock, OutPoint, Output, TokenId, Transaction, Witness, limits::MAX_INPUTS, ports::StateView,
};
use health_chain_incentive::{Coin, IncentiveParameters, SingleKey, coins_under, kinds};

use super::{Branch, Wallet, WalletError};
use crate::ports::Entropy;

pub(super) type Found = (OutPoint, Coin);

/// What a transaction is paid from, and how much for.
#[derive(Clone, Copy)]
pub struct Spending<'a> {
    /// The state whose coins there are: the chain's, or the pool's on top of it ([`health_chain_incentive::Mempool::view`]).
    pub view: &'a dyn StateView,
    /// The chain's rules on money.
    pub parameters: &'a IncentiveParameters,
    /// The block that the transaction is for.
    pub context: &'a BlockContext,
    /// The fee. Nothing but a fee makes inputs for a transaction without outputs, and most kinds need some.
    pub fee: Amount,
}

impl fmt::Debug for Spending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spending").field("context", &self.context).field("fee", &self.fee).finish_non_exhaustive()
    }
}

impl Wallet {
    /// A lock that only this wallet opens, under a key never used before.
    ///
    /// # Errors
    /// As for [`Wallet::new_relationship_key`].
    pub fn new_lock(&mut self) -> Result<Lock, WalletError> {
        Ok(SingleKey::lock(&self.new_relationship_key()?.key.public_key()))
    }

    /// The coins that a transaction in the next block can spend. Reads all coins of the chain.
    ///
    /// # Errors
    /// Where the wallet's store or the chain's state can't be read.
    pub fn coins(
        &self,
        view: &dyn StateView,
        parameters: &IncentiveParameters,
        context: &BlockContext,
    ) -> Result<Vec<Found>, WalletError> {
        let mut found = coins_under(view, &self.locks()?.into_keys().collect())?;
        found.retain(|(point, coin)| {
            coin.spendable_from(parameters.coinbase_maturity) <= context.height && !self.reserved.contains(point)
        });
        Ok(found)
    }

    /// A payment of `outputs`, not yet funded.
    pub fn payment(outputs: Vec<Output>) -> Transaction {
        Transaction { outputs, ..Transaction::new(kinds::TRANSFER, Vec::new()) }
    }

    /// Pays for `transaction`: adds inputs for its outputs and the fee, the change under a new key, and signs. The transaction may be
    /// anybody's, so this is also how a fee is sponsored. Its coins are not used again until [`Wallet::release`].
    ///
    /// # Errors
    /// Where it spends something already, the coins don't suffice, or a key or randomness can't be had; then it is as it was.
    pub fn fund(
        &mut self,
        transaction: &mut Transaction,
        spending: &Spending<'_>,
        entropy: &mut dyn Entropy,
    ) -> Result<(), WalletError> {
        let mut funded = transaction.clone();
        let outputs: Vec<(TokenId, Amount)> =
            transaction.outputs.iter().map(|output| (output.token, output.amount)).collect();
        let chosen = self.add_inputs(&mut funded, &outputs, spending)?;
        self.sign(&mut funded, &chosen, spending.context, entropy)?;
        *transaction = funded;
        Ok(())
    }

    /// Adds inputs for `amounts` and the fee, not yet signed, and the change; returns what they spend.
    pub(super) fn add_inputs(
        &mut self,
        transaction: &mut Transaction,
        amounts: &[(TokenId, Amount)],
        spending: &Spending<'_>,
    ) -> Result<Vec<Found>, WalletError> {
        let Spending { view, parameters, context, fee } = *spending;
        if !transaction.inputs.is_empty() {
            return Err(WalletError::HasInputs { inputs: transaction.inputs.len() });
        }
        let mut chosen = Vec::new();
        let available = self.coins(view, parameters, context)?;
        for (token, needed) in needs(amounts, parameters.fee_token, fee)? {
            let (coins, change) = choose(&available, token, needed)?;
            chosen.extend(coins);
            if change > Amount::ZERO {
                transaction.outputs.push(Output { token, amount: change, lock: self.new_lock()? });
            }
        }
        if chosen.len() > MAX_INPUTS {
            return Err(WalletError::TooManyCoins { limit: MAX_INPUTS });
        }
        transaction.inputs =
            chosen.iter().map(|(previous, _)| Input { previous: *previous, sequence: Input::FINAL }).collect();
        transaction.witnesses = vec![Witness::default(); chosen.len()];
        Ok(chosen)
    }

    /// Makes the coins of a transaction that came to nothing available again.
    pub fn release(&mut self, transaction: &Transaction) {
        for input in &transaction.inputs {
            self.reserved.remove(&input.previous);
        }
    }

    /// Signs the inputs, which spend what was `chosen`, and promises these coins to nobody else.
    pub(super) fn sign(
        &mut self,
        transaction: &mut Transaction,
        chosen: &[Found],
        context: &BlockContext,
        entropy: &mut dyn Entropy,
    ) -> Result<(), WalletError> {
        let spent: Vec<Output> = chosen.iter().map(|(_, coin)| coin.output.clone()).collect();
        let locks = self.locks()?;
        let signers: BTreeSet<u32> = spent.iter().filter_map(|output| locks.get(&output.lock).copied()).collect();
        for index in signers {
            let key = self.relationship_key(index)?;
            SingleKey::sign(transaction, &context.chain, &spent, &key, &*entropy.draw()?)?;
        }
        self.reserved.extend(chosen.iter().map(|(point, _)| *point));
        Ok(())
    }

    /// The lock of every relationship key, with the key's number.
    fn locks(&self) -> Result<BTreeMap<Lock, u32>, WalletError> {
        (0..self.handed_out(Branch::Relationship)?)
            .map(|index| Ok((SingleKey::lock(&self.relationship_key(index)?.public_key()), index)))
            .collect()
    }
}

/// How much of each token the amounts and the fee take.
fn needs(
    amounts: &[(TokenId, Amount)],
    fee_token: TokenId,
    fee: Amount,
) -> Result<BTreeMap<TokenId, Amount>, WalletError> {
    let mut needs = BTreeMap::from([(fee_token, fee)]);
    for (token, amount) in amounts.iter().copied() {
        let need = needs.entry(token).or_default();
        *need = need.checked_add(amount.0).ok_or(WalletError::Overflow { token })?;
    }
    needs.retain(|_, need| *need > Amount::ZERO);
    Ok(needs)
}

/// The fewest coins that suffice, and the change: largest first.
fn choose(available: &[Found], token: TokenId, needed: Amount) -> Result<(Vec<Found>, Amount), WalletError> {
    let mut candidates: Vec<&Found> = available.iter().filter(|(_, coin)| coin.output.token == token).collect();
    candidates.sort_by_key(|(point, coin)| (std::cmp::Reverse(coin.output.amount), *point));
    let mut chosen = Vec::new();
    let mut sum = Amount::ZERO;
    for (point, coin) in candidates {
        if sum >= needed {
            break;
        }
        sum = sum.checked_add(coin.output.amount.0).ok_or(WalletError::Overflow { token })?;
        chosen.push((*point, coin.clone()));
    }
    match sum.checked_sub(needed.0) {
        Some(change) => Ok((chosen, change)),
        None => Err(WalletError::Insufficient { token, needed, available: sum }),
    }
}
