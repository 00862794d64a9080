//! Chooses what goes into the next block.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use health_chain_consensus::{
    parameters::ConsensusParameters,
    ports::{ExecuteError, Rejection},
};
use health_chain_data::{
    Amount, Body, Lock, Transaction, TxId, codec,
    limits::{MAX_BLOCK_TRANSACTIONS, MAX_HEADER_BYTES},
    ports::StoreError,
    state::Overlay,
};
use thiserror::Error;

use crate::{
    mempool::{Entry, Mempool, OtherTip, TipState},
    reward::Rewards,
};

/// Bytes of an encoded block beside its transactions, at most: the header with its length, and the transactions' count.
const FRAME_BYTES: usize = MAX_HEADER_BYTES + 2 + 3;

/// Who takes the reward of a block, by which rule.
#[derive(Debug, Clone, Copy)]
pub struct Payout<'a> {
    /// The chain's reward rule.
    pub rewards: &'a Rewards,
    /// The lock that the coinbase pays to.
    pub lock: &'a Lock,
}

/// What goes into a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The transactions; a coinbase, where there is something to take, is the first.
    pub body: Body,
    /// Fees of the transactions.
    pub fees: Amount,
    /// What the coinbase takes.
    pub reward: Amount,
    /// What the transactions count towards the cap on signature checks.
    pub signature_checks: u32,
}

/// Why there is no template.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The pool has not been told of a change of the tip.
    #[error(transparent)]
    OtherTip(#[from] OtherTip),
    /// Nothing can be paid to the maker's lock.
    #[error("the lock of the block's maker is refused")]
    Lock(#[source] Rejection),
    /// The state could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fills a block on top of `tip` from the pool: protected transactions first, then by fee rate, each behind all it depends on. Each is executed
/// again in the order of the block, and one that does not hold in that order is left for a later block. Without `payout`
/// the fees stay in the pool of the chain.
///
/// # Errors
/// Where the pool belongs to another tip, the lock can't be paid to, or the state can't be read.
pub fn build(
    pool: &Mempool,
    tip: &TipState<'_>,
    limits: &ConsensusParameters,
    payout: Option<Payout<'_>>,
) -> Result<Template, TemplateError> {
    pool.check_tip(tip)?;
    let mut filling = Filling {
        state: Overlay::new(tip.state),
        transactions: Vec::new(),
        // Room for the coinbase is kept from the start.
        bytes: FRAME_BYTES + payout.map_or(0, |payout| coinbase_bytes(&payout, tip)),
        count: usize::from(payout.is_some()),
        fees: Amount::ZERO,
        signature_checks: 0,
    };

    let ready = pool.iter().filter(|(_, entry)| entry.parents().is_empty());
    let mut ready: BTreeSet<_> = ready.map(|(id, entry)| (entry.rank(), *id)).collect();
    let mut missing_parents: BTreeMap<TxId, usize> = BTreeMap::new();
    while let Some((_, id)) = ready.pop_last() {
        let entry = pool.entry(&id).expect("ids come from the pool");
        if !filling.add(pool, tip, limits, entry)? {
            continue;
        }
        for child in entry.children() {
            let child_entry = pool.entry(child).expect("a child is in the pool");
            let missing = missing_parents.entry(*child).or_insert_with(|| child_entry.parents().len());
            *missing -= 1;
            if *missing == 0 {
                ready.insert((child_entry.rank(), *child));
            }
        }
    }

    let Filling { mut transactions, fees, signature_checks, .. } = filling;
    let mut reward = Amount::ZERO;
    if let Some(Payout { rewards, lock }) = payout {
        rewards.check_lock(lock).map_err(TemplateError::Lock)?;
        reward = rewards.limit(tip.state, fees)?;
        if reward != Amount::ZERO {
            transactions.insert(0, rewards.coinbase(tip.context.height, reward, lock.clone()));
        }
    }
    Ok(Template { body: Body(transactions), fees, reward, signature_checks })
}

/// A block in the making.
struct Filling<'a> {
    state: Overlay<'a>,
    transactions: Vec<Transaction>,
    bytes: usize,
    count: usize,
    fees: Amount,
    signature_checks: u32,
}

impl Filling<'_> {
    /// Adds a transaction if it fits and holds.
    fn add(
        &mut self,
        pool: &Mempool,
        tip: &TipState<'_>,
        limits: &ConsensusParameters,
        entry: &Entry,
    ) -> Result<bool, StoreError> {
        let bytes = self.bytes + entry.rate().bytes as usize;
        let within = |checks: u32| checks <= limits.max_signature_checks;
        let expected_checks = self.signature_checks.saturating_add(entry.signature_checks());
        if bytes > limits.max_block_bytes as usize || self.count == MAX_BLOCK_TRANSACTIONS || !within(expected_checks) {
            return Ok(false);
        }
        let mut state = Overlay::new(&self.state);
        let mut claims = Vec::new();
        let effect = match pool.executor().apply(&mut state, entry.transaction(), &tip.context, &mut claims) {
            Ok(effect) => effect,
            Err(ExecuteError::Store(error)) => return Err(error),
            Err(_) => return Ok(false),
        };
        // In another order than the pool's, a program might ask for other signatures than those verified.
        let verified = claims == entry.claims() || pool.verifier().verify(&claims).is_ok();
        let signature_checks = self.signature_checks.saturating_add(effect.signature_checks);
        let Some(fees) = self.fees.checked_add(effect.fee.0).filter(|_| verified && within(signature_checks)) else {
            return Ok(false);
        };
        let changes = state.into_changes()?;
        self.state.absorb(changes);
        self.transactions.push(entry.transaction().clone());
        (self.bytes, self.fees, self.signature_checks) = (bytes, fees, signature_checks);
        self.count += 1;
        Ok(true)
    }
}

fn coinbase_bytes(payout: &Payout<'_>, tip: &TipState<'_>) -> usize {
    codec::encode(&payout.rewards.coinbase(tip.context.height, Amount::MAX, payout.lock.clone())).len()
}

#[cfg(test)]
mod tests {
    use alloc::{sync::Arc, vec};

    use health_chain_data::{BlockId, Kind, Millis, ports::SingleVerifier};

    use super::*;
    use crate::{
        MempoolPolicy, Reward,
        common::{EUR, FREE, Owned, World, lock, owned, pay},
    };

    fn tip(world: &World) -> TipState<'_> {
        TipState { id: BlockId::default(), context: world.context, state: &world.store }
    }

    fn pool(world: &World, transactions: &[&Transaction]) -> Mempool {
        let verifier = Arc::new(SingleVerifier);
        let mut pool = Mempool::new(MempoolPolicy::default(), world.executor.clone(), verifier, BlockId::default());
        for transaction in transactions {
            pool.submit(Millis(0), (*transaction).clone(), &tip(world)).unwrap();
        }
        pool
    }

    fn world() -> (World, Vec<Owned>) {
        let mut world = World::new(Reward::Immediate);
        let coins = world.fund(vec![pay(EUR, 1000, 1); 3]);
        (world, coins)
    }

    fn paying(world: &World, coin: &Owned, fee: u64) -> Transaction {
        world.transfer(core::slice::from_ref(coin), vec![pay(EUR, coin.1.amount.0 - fee, 1)])
    }

    fn limits(max_block_bytes: usize, max_signature_checks: u32) -> ConsensusParameters {
        let max_block_bytes = max_block_bytes as u32;
        ConsensusParameters { max_block_bytes, max_signature_checks, ..ConsensusParameters::default() }
    }

    #[test]
    fn the_best_go_first_but_behind_what_they_depend_on() {
        let (world, coins) = world();
        let parent = paying(&world, &coins[0], 1);
        let child = paying(&world, &owned(&parent)[0], 100);
        let middle = paying(&world, &coins[1], 50);
        let free = Transaction::new(FREE, vec![1]);
        let pool = pool(&world, &[&parent, &child, &middle, &free]);
        let template = build(&pool, &tip(&world), &ConsensusParameters::default(), None).unwrap();
        assert_eq!(template.body.0, vec![free, middle, parent, child]);
        assert_eq!((template.fees, template.reward, template.signature_checks), (Amount(151), Amount::ZERO, 3));
    }

    #[test]
    fn caps_are_kept_to_the_byte_and_to_the_check() {
        let (world, coins) = world();
        let [high, low] = [paying(&world, &coins[0], 100), paying(&world, &coins[1], 10)];
        let child = paying(&world, &owned(&high)[0], 5);
        let pool = pool(&world, &[&high, &low, &child]);
        let rewards = &world.rewards;
        let lock = lock(5);
        let count = |limits| {
            let template = build(&pool, &tip(&world), &limits, Some(Payout { rewards, lock: &lock })).unwrap();
            let block = world.block(template.body.0);
            assert!(codec::encode(&block).len() <= limits.max_block_bytes as usize);
            assert!(world.check_block(&block).is_ok());
            block.transactions().iter().filter(|transaction| transaction.kind != Kind::COINBASE).count()
        };
        let coinbase = coinbase_bytes(&Payout { rewards, lock: &lock }, &tip(&world));
        let bytes = [&high, &low, &child].map(|transaction| codec::encode(transaction).len());
        let room = FRAME_BYTES + coinbase;
        assert_eq!(count(limits(room + bytes.iter().sum::<usize>(), 3)), 3);
        assert_eq!(count(limits(room + bytes.iter().sum::<usize>() - 1, 3)), 2);
        assert_eq!(count(limits(room + bytes[0], 3)), 1);
        assert_eq!(count(limits(room, 3)), 0);
        assert_eq!(count(limits(room + 100_000, 2)), 2);
        assert_eq!(count(limits(room + 100_000, 0)), 0);
    }

    #[test]
    fn without_fees_there_is_no_coinbase() {
        let (world, _) = world();
        let pool = pool(&world, &[]);
        let (rewards, own, bad) = (&world.rewards, lock(5), Lock::default());
        let build_for =
            |lock| build(&pool, &tip(&world), &ConsensusParameters::default(), Some(Payout { rewards, lock }));
        assert_eq!(build_for(&own).unwrap().body.0, vec![]);
        assert!(matches!(build_for(&bad), Err(TemplateError::Lock(_))));
        let other = TipState { id: BlockId(health_chain_data::Hash([1; 32])), ..tip(&world) };
        let refused = build(&pool, &other, &ConsensusParameters::default(), None);
        assert!(matches!(refused, Err(TemplateError::OtherTip(_))));
    }
}
