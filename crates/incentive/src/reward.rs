//! What a block's maker may take, and the booking of it (paper 2.4).

use alloc::{boxed::Box, sync::Arc, vec};
use core::fmt;

use health_chain_consensus::ports::{BlockContext, ExecuteError, Rejection, RewardRule};
use health_chain_data::{
    Amount, Block, Height, Kind, Lock, OutPoint, Output, TokenId, Transaction, TxId,
    codec::{self, CodecError, Wire},
    ports::{StateView, StoreError},
    state::Overlay,
    transaction::TransactionError,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    coin::Coin,
    ledger::{Ledger, make_coins},
    limits::MAX_COINBASE_PAYLOAD_BYTES,
    parameters::{IncentiveParameters, Reward},
    ports::SpendCheck,
    supply::{self, DAMAGED, Supply},
};

/// The reward rule of a chain whose fees a [`Ledger`] takes. A block may carry one coinbase, as its first transaction; its outputs are
/// in the fee token and add up to at most [`Rewards::limit`]. What a maker leaves, or all of it where there is no coinbase, stays
/// in the pool.
pub struct Rewards {
    parameters: IncentiveParameters,
    spends: Arc<dyn SpendCheck>,
}

impl fmt::Debug for Rewards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewards").field("parameters", &self.parameters).finish_non_exhaustive()
    }
}

/// The payload of a coinbase: the height makes its id unique (the reason for Bitcoin's BIP34).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoinbasePayload {
    /// Height of the block.
    pub height: Height,
    /// Anything: another one makes another block of the same transactions, once all nonces of a header have been tried.
    pub extra_nonce: u32,
}

impl Wire for CoinbasePayload {
    const MAX_BYTES: usize = MAX_COINBASE_PAYLOAD_BYTES;
}

/// A rule on rewards that a block breaks.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RewardError {
    /// A coinbase that is not the block's first transaction.
    #[error("transaction {position} is a coinbase, which may only come first")]
    NotFirst {
        /// Where it stands.
        position: usize,
    },
    /// The coinbase is wrong by itself.
    #[error("the coinbase is malformed")]
    Malformed(#[source] TransactionError),
    /// A coinbase with inputs.
    #[error("the coinbase has inputs")]
    Inputs,
    /// A coinbase with a lock time.
    #[error("the coinbase has a lock time")]
    LockTime,
    /// A coinbase without outputs: where nothing is taken, it is left out.
    #[error("the coinbase takes nothing")]
    Empty,
    /// The payload does not decode.
    #[error("the coinbase carries no height")]
    Payload(#[source] CodecError),
    /// The payload names another height.
    #[error("the coinbase is for height {found}, in a block of height {height}")]
    Height {
        /// The block's height.
        height: Height,
        /// The height given.
        found: Height,
    },
    /// An output in another token than the fee token.
    #[error("output {index} of the coinbase is in token {token:?}, which is not the fee token")]
    Token {
        /// Which output.
        index: usize,
        /// Its token.
        token: TokenId,
    },
    /// An output whose lock the spend check refuses.
    #[error("the lock of output {index} of the coinbase is refused")]
    Lock {
        /// Which output.
        index: usize,
        /// By which rule.
        #[source]
        source: Rejection,
    },
    /// The outputs add up to more than fits.
    #[error("the coinbase's outputs overflow")]
    Overflow,
    /// More is taken than the rule allows.
    #[error("the coinbase takes {taken}, where at most {limit} may be taken")]
    TooHigh {
        /// What the outputs add up to.
        taken: Amount,
        /// What may be taken.
        limit: Amount,
    },
    /// The same coinbase again, while an output of it is unspent: it would overwrite that output.
    #[error("output {previous:?} of the coinbase exists already")]
    Duplicate {
        /// The output.
        previous: OutPoint,
    },
    /// Fees that no ledger took: the block's transactions were not applied by one.
    #[error("fees of {fees} were not taken from coins")]
    Fees {
        /// The fees claimed.
        fees: Amount,
    },
}

impl RewardError {
    /// The rule's name, stable across versions. Where the spend check refused, the name that it gave.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::NotFirst { .. } => "reward-not-first",
            Self::Malformed(_) => "reward-malformed",
            Self::Inputs => "reward-inputs",
            Self::LockTime => "reward-lock-time",
            Self::Empty => "reward-empty",
            Self::Payload(_) => "reward-payload",
            Self::Height { .. } => "reward-height",
            Self::Token { .. } => "reward-token",
            Self::Lock { source, .. } => source.rule,
            Self::Overflow => "reward-overflow",
            Self::TooHigh { .. } => "reward-too-high",
            Self::Duplicate { .. } => "reward-duplicate",
            Self::Fees { .. } => "reward-fees",
        }
    }
}

impl From<RewardError> for ExecuteError {
    fn from(error: RewardError) -> Self {
        Self::Rejected(Rejection { rule: error.rule(), source: Box::new(error) })
    }
}

impl Rewards {
    /// The reward rule that belongs to `ledger`.
    pub fn new(ledger: &Ledger) -> Self {
        Self { parameters: ledger.parameters().clone(), spends: ledger.spends().clone() }
    }

    /// The most that the maker of a block with these fees may take on top of `view`, the state before the block.
    ///
    /// # Errors
    /// Where the state can't be read.
    pub fn limit(&self, view: &dyn StateView, fees: Amount) -> Result<Amount, StoreError> {
        Ok(limit(&self.parameters.reward, fees, supply::declared(view, self.parameters.fee_token)?.pool))
    }

    /// Whether a coinbase may pay to `lock`.
    ///
    /// # Errors
    /// The rule of the spend check that refuses it.
    pub fn check_lock(&self, lock: &Lock) -> Result<(), Rejection> {
        self.spends.check_lock(lock)
    }

    /// A coinbase for the block at `height` that pays `amount`, which is not zero, to `lock`.
    pub fn coinbase(&self, height: Height, amount: Amount, lock: Lock) -> Transaction {
        let mut coinbase = Transaction::new(Kind::COINBASE, codec::encode(&CoinbasePayload { height, extra_nonce: 0 }));
        coinbase.outputs = vec![Output { token: self.parameters.fee_token, amount, lock }];
        coinbase
    }

    /// What a well-formed coinbase takes.
    fn taken(&self, coinbase: &Transaction, context: &BlockContext) -> Result<Amount, RewardError> {
        coinbase.check().map_err(RewardError::Malformed)?;
        if !coinbase.inputs.is_empty() {
            return Err(RewardError::Inputs);
        }
        if coinbase.lock_time != 0 {
            return Err(RewardError::LockTime);
        }
        if coinbase.outputs.is_empty() {
            return Err(RewardError::Empty);
        }
        let payload: CoinbasePayload = codec::decode(&coinbase.payload).map_err(RewardError::Payload)?;
        if payload.height != context.height {
            return Err(RewardError::Height { height: context.height, found: payload.height });
        }
        let mut taken = Amount::ZERO;
        for (index, output) in coinbase.outputs.iter().enumerate() {
            if output.token != self.parameters.fee_token {
                return Err(RewardError::Token { index, token: output.token });
            }
            self.spends.check_lock(&output.lock).map_err(|source| RewardError::Lock { index, source })?;
            taken = taken.checked_add(output.amount.0).ok_or(RewardError::Overflow)?;
        }
        Ok(taken)
    }

    /// That the supply of every token is conserved, where `fee_token` are the fee token's counters once the block is settled.
    fn check_supplies(&self, view: &dyn StateView, fee_token: Supply) -> Result<(), StoreError> {
        for rule in &self.parameters.tokens {
            let is_fee_token = rule.token == self.parameters.fee_token;
            let supply = if is_fee_token { fee_token } else { supply::declared(view, rule.token)? };
            if !supply.is_balanced() {
                return Err(DAMAGED);
            }
        }
        Ok(())
    }
}

impl RewardRule for Rewards {
    fn settle(
        &self,
        state: &mut Overlay<'_>,
        block: &Block,
        fees: Amount,
        context: &BlockContext,
    ) -> Result<(), ExecuteError> {
        let mut others = block.transactions().iter().enumerate().skip(1);
        if let Some((position, _)) = others.find(|(_, transaction)| transaction.kind == Kind::COINBASE) {
            return Err(RewardError::NotFirst { position }.into());
        }
        let token = self.parameters.fee_token;
        let before = supply::declared(state, token)?;
        let coinbase = block.transactions().first().filter(|first| first.kind == Kind::COINBASE);
        let taken = coinbase.map_or(Ok(Amount::ZERO), |coinbase| self.taken(coinbase, context))?;
        let limit = limit(&self.parameters.reward, fees, before.pool);
        if taken > limit {
            return Err(RewardError::TooHigh { taken, limit }.into());
        }
        let after = book(before, fees, taken).ok_or(RewardError::Fees { fees })?;
        self.check_supplies(state, after)?;
        let made = coinbase.map(|coinbase| (coinbase, coinbase.id()));
        if let Some((coinbase, id)) = made {
            check_new(state, coinbase, id)?;
            make_coins(state, coinbase, &id, context, true);
        }
        after.write(state, token);
        Ok(())
    }
}

/// No output of the coinbase exists already.
fn check_new(view: &dyn StateView, coinbase: &Transaction, id: TxId) -> Result<(), ExecuteError> {
    for index in 0..coinbase.outputs.len() as u32 {
        let previous = OutPoint { transaction: id, index };
        if Coin::read(view, &previous)?.is_some() {
            return Err(RewardError::Duplicate { previous }.into());
        }
    }
    Ok(())
}

/// Fees leave the coins for the pool, and what the maker takes leaves the pool for new coins.
fn book(before: Supply, fees: Amount, taken: Amount) -> Option<Supply> {
    let unspent = before.unspent.checked_sub(fees.0)?.checked_add(taken.0)?;
    let pool = before.pool.checked_add(fees.0)?.checked_sub(taken.0)?;
    Some(Supply { unspent, pool, ..before })
}

/// Both quotients round down, so a limit is never above what there is: `alpha <= 1` and `window >= 1` keep it within fees + pool.
fn limit(reward: &Reward, fees: Amount, pool: Amount) -> Amount {
    match *reward {
        Reward::Immediate => fees,
        Reward::Smoothed { alpha_per_mille, window_blocks } => {
            let share = u128::from(fees.0) * u128::from(alpha_per_mille) / 1000;
            let share = Amount(u64::try_from(share).expect("at most the fees: alpha was checked to be at most one"));
            share.saturating_add(pool.0 / u64::from(window_blocks))
        }
    }
}

#[cfg(test)]
mod tests {
    use health_chain_data::{TxId, state::MemoryStore};

    use super::*;
    use crate::common::{CNY, EUR, World, lock, owned, pay, rule};

    const SMOOTHED: Reward = Reward::Smoothed { alpha_per_mille: 300, window_blocks: 7 };

    /// A world whose next block holds one transfer that pays a fee of 60.
    fn funded(reward: Reward) -> (World, Transaction) {
        let mut world = World::new(reward);
        let coins = world.fund(vec![pay(EUR, 100, 1)]);
        let transfer = world.transfer(&coins, vec![pay(EUR, 40, 2)]);
        (world, transfer)
    }

    #[test]
    fn each_rule_on_coinbases_has_its_refusal() {
        let (world, transfer) = funded(Reward::Immediate);
        let outcome = |change: &dyn Fn(&mut Transaction)| {
            let mut coinbase = world.rewards.coinbase(world.context.height, Amount(60), lock(5));
            change(&mut coinbase);
            rule(world.check_block(&world.block(vec![coinbase, transfer.clone()])))
        };
        assert_eq!(outcome(&|_| ()), "accepted");
        assert_eq!(outcome(&|c| c.outputs[0].amount = Amount(59)), "accepted");
        assert_eq!(outcome(&|c| c.outputs[0].amount = Amount(61)), "reward-too-high");
        assert_eq!(outcome(&|c| c.outputs[0].amount = Amount::ZERO), "reward-malformed");
        assert_eq!(outcome(&|c| c.outputs[0].token = CNY), "reward-token");
        assert_eq!(outcome(&|c| c.outputs[0].lock = Lock::default()), "single-key-lock-form");
        assert_eq!(outcome(&|c| c.outputs.clear()), "reward-empty");
        assert_eq!(outcome(&|c| c.outputs = vec![pay(EUR, u64::MAX, 5), pay(EUR, 61, 5)]), "reward-overflow");
        assert_eq!(outcome(&|c| c.outputs = vec![pay(EUR, 30, 5), pay(EUR, 31, 5)]), "reward-too-high");
        assert_eq!(outcome(&|c| c.outputs = vec![pay(EUR, 30, 5), pay(EUR, 30, 6)]), "accepted");
        assert_eq!(outcome(&|c| c.lock_time = 1), "reward-lock-time");
        let payload = CoinbasePayload { height: world.context.height, extra_nonce: u32::MAX };
        assert_eq!(outcome(&|c| c.payload = codec::encode(&payload)), "accepted");
        assert_eq!(outcome(&|c| c.payload.push(0)), "reward-payload");
        assert_eq!(outcome(&|c| c.payload.clear()), "reward-payload");
        assert_eq!(
            outcome(&|c| c.payload = codec::encode(&CoinbasePayload { height: Height(3), extra_nonce: 0 })),
            "reward-height"
        );
        assert_eq!(
            outcome(&|c| {
                c.inputs = transfer.inputs.clone();
                c.witnesses = transfer.witnesses.clone();
            }),
            "reward-inputs"
        );
        let coinbase = world.rewards.coinbase(world.context.height, Amount(60), lock(5));
        let block = world.block(vec![transfer.clone(), coinbase]);
        let settled = world.rewards.settle(&mut Overlay::new(&world.store), &block, Amount(60), &world.context);
        assert_eq!(rule(settled), "reward-not-first");
    }

    #[test]
    fn a_coinbase_can_not_overwrite_a_coin() {
        let (world, transfer) = funded(Reward::Immediate);
        let coinbase = world.rewards.coinbase(world.context.height, Amount(60), lock(5));
        let mut state = Overlay::new(&world.store);
        make_coins(&mut state, &coinbase, &coinbase.id(), &world.context, true);
        let block = world.block(vec![coinbase, transfer]);
        let settled = world.rewards.settle(&mut state, &block, Amount(60), &world.context);
        assert_eq!(rule(settled), "reward-duplicate");
    }

    #[test]
    fn ids_of_coinbases_differ_by_height() {
        let (world, _) = funded(Reward::Immediate);
        let ids: [TxId; 2] = [1, 2].map(|height| world.rewards.coinbase(Height(height), Amount(60), lock(5)).id());
        assert_ne!(ids[0], ids[1]);
    }

    #[test]
    fn fees_that_nobody_took_from_coins_are_refused() {
        let (world, _) = funded(Reward::Immediate);
        let block = world.block(vec![]);
        let settle = |fees| world.rewards.settle(&mut Overlay::new(&world.store), &block, Amount(fees), &world.context);
        assert_eq!(rule(settle(101)), "reward-fees");
        assert_eq!(rule(settle(u64::MAX)), "reward-fees");
    }

    #[test]
    fn what_is_left_stays_in_the_pool_and_is_paid_out_later() {
        let (mut world, transfer) = funded(SMOOTHED);
        // 30 % of 60, and nothing from an empty pool.
        assert_eq!(world.rewards.limit(&world.store, Amount(60)).unwrap(), Amount(18));
        let coinbase = world.rewards.coinbase(world.context.height, Amount(18), lock(5));
        let made = owned(&coinbase);
        world.connect(vec![coinbase, transfer]);
        assert!(Coin::read(&world.store, &made[0].0).unwrap().is_some_and(|coin| coin.coinbase));
        assert_eq!(supply::declared(&world.store, EUR).unwrap().pool, Amount(42));
        // A seventh of 42 from a block without fees.
        assert_eq!(world.rewards.limit(&world.store, Amount::ZERO).unwrap(), Amount(6));
        let coinbase = |amount| world.rewards.coinbase(world.context.height, Amount(amount), lock(5));
        assert_eq!(rule(world.check_block(&world.block(vec![coinbase(7)]))), "reward-too-high");
        let coinbase = coinbase(6);
        world.connect(vec![coinbase]);
        world.connect(vec![]);
        assert_eq!(supply::declared(&world.store, EUR).unwrap().pool, Amount(36));
        assert!(supply::audit(&world.store, world.ledger.parameters()).is_ok());
    }

    #[test]
    fn limits_round_down_and_never_exceed_what_there_is() {
        let smoothed = |alpha_per_mille, window_blocks| Reward::Smoothed { alpha_per_mille, window_blocks };
        assert_eq!(limit(&SMOOTHED, Amount(9), Amount(6)), Amount(2));
        assert_eq!(limit(&SMOOTHED, Amount(10), Amount(7)), Amount(4));
        assert_eq!(limit(&smoothed(0, u32::MAX), Amount::MAX, Amount::ZERO), Amount::ZERO);
        assert_eq!(limit(&smoothed(1000, 1), Amount(u64::MAX - 5), Amount(5)), Amount::MAX);
        assert_eq!(limit(&smoothed(999, 1), Amount::MAX, Amount::ZERO), Amount(18_428_297_329_635_842_063));
        assert_eq!(limit(&Reward::Immediate, Amount::MAX, Amount(9)), Amount::MAX);
    }

    #[test]
    fn contradicting_counters_are_damage() {
        let (mut world, transfer) = funded(Reward::Immediate);
        let mut state = Overlay::new(&world.store);
        Supply { minted: Amount(1), ..Supply::default() }.write(&mut state, CNY);
        let changes = state.into_changes().unwrap();
        health_chain_data::ports::ChainStore::commit(&mut world.store, &changes).unwrap();
        let outcome = world.check_block(&world.block(vec![transfer]));
        assert!(matches!(outcome, Err(ExecuteError::Store(StoreError::Damaged { .. }))));
        let empty = MemoryStore::default();
        assert!(world.rewards.limit(&empty, Amount::ZERO).is_err());
    }
}
