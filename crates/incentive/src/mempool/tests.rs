//! What the pool takes, in which order, and what leaves it.

use alloc::{vec, vec::Vec};

use health_chain_consensus::ports::ExecuteError;
use health_chain_data::{
    Amount, BlockId, Hash, Kind, Millis, OutPoint, Transaction, TxId, Witness, codec, limits::MAX_WITNESS_ITEMS,
    ports::SingleVerifier,
};

use super::*;
use crate::{
    Coin, Reward,
    common::{CNY, EUR, FREE, Owned, World, lock, owned, pay},
};

const NOW: Millis = Millis(1_000_000);

fn tip(world: &World) -> TipState<'_> {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&world.context.height.0.to_le_bytes());
    TipState { id: BlockId(Hash(id)), context: world.context, state: &world.store }
}

fn pool(world: &World, policy: MempoolPolicy) -> Mempool {
    Mempool::new(policy, world.executor.clone(), Arc::new(SingleVerifier), tip(world).id)
}

/// A world with `count` coins of 1,000.
fn world(count: usize) -> (World, Vec<Owned>) {
    let mut world = World::new(Reward::Immediate);
    let coins = world.fund(vec![pay(EUR, 1000, 1); count]);
    (world, coins)
}

fn paying(world: &World, coin: &Owned, fee: u64) -> Transaction {
    world.transfer(core::slice::from_ref(coin), vec![pay(EUR, coin.1.amount.0 - fee, 1)])
}

fn free(number: u8) -> Transaction {
    Transaction::new(FREE, vec![number])
}

fn order(pool: &Mempool) -> Vec<TxId> {
    pool.iter().map(|(id, _)| *id).collect()
}

#[test]
fn the_best_come_first() {
    let (world, coins) = world(4);
    let mut pool = pool(&world, MempoolPolicy::default());
    let fees = [10, 30, 20, 30];
    let mut ids = Vec::new();
    for (coin, fee) in coins.iter().zip(fees) {
        let transaction = paying(&world, coin, fee);
        ids.push(transaction.id());
        assert_eq!(pool.submit(NOW, transaction, &tip(&world)).unwrap(), vec![]);
    }
    pool.submit(NOW, free(1), &tip(&world)).unwrap();
    assert_eq!(order(&pool), vec![free(1).id(), ids[1], ids[3], ids[2], ids[0]]);
    assert_eq!((pool.len(), pool.paid().count, pool.protected().count), (5, 4, 1));
    assert!(pool.transaction(&ids[0]).is_some());
    assert_eq!(pool.spender(&coins[1].0), Some(&ids[1]));
}

#[test]
fn each_refusal_has_its_reason_and_changes_nothing() {
    let (world, coins) = world(2);
    let policy =
        MempoolPolicy { minimum_fee_per_kilobyte: Amount(100), max_signature_checks: 1, ..MempoolPolicy::default() };
    let mut pool = pool(&world, policy);
    let good = paying(&world, &coins[0], 100);
    pool.submit(NOW, good.clone(), &tip(&world)).unwrap();
    let mut refusal = |transaction: Transaction| {
        let error = pool.submit(NOW, transaction, &tip(&world)).unwrap_err();
        assert_eq!(order(&pool), vec![good.id()]);
        error
    };

    assert!(matches!(refusal(good.clone()), MempoolError::Known));
    let double = paying(&world, &coins[0], 900);
    assert!(matches!(
        refusal(double),
        MempoolError::Conflict { previous, with } if previous == coins[0].0 && with == good.id()
    ));
    assert!(matches!(refusal(paying(&world, &coins[1], 1)), MempoolError::FeeTooLow { .. }));
    let mut forged = paying(&world, &coins[1], 100);
    forged.witnesses[0] = Witness::new([[1_u8; 64]]);
    let error = refusal(forged);
    assert!(matches!(error, MempoolError::FalseSignature(_)) && error.fault().is_some());
    let mut malformed = paying(&world, &coins[1], 100);
    malformed.version = 0;
    let error = refusal(malformed);
    assert!(matches!(error, MempoolError::Malformed(_)) && error.fault().is_some());
    let mut long = paying(&world, &coins[1], 100);
    long.witnesses[0] = Witness::new(vec![[0_u8; 200]; MAX_WITNESS_ITEMS]);
    assert!(matches!(refusal(long), MempoolError::TooLong { .. }));
    let coinbase = world.rewards.coinbase(world.context.height, Amount(1), lock(1));
    assert!(matches!(refusal(coinbase), MempoolError::ReservedKind { kind: Kind::COINBASE }));
    let nowhere: Owned = (OutPoint { transaction: TxId::default(), index: 0 }, pay(EUR, 1000, 1));
    let error = refusal(paying(&world, &nowhere, 100));
    assert!(matches!(&error, MempoolError::Execute(ExecuteError::Rejected(r)) if r.rule == "ledger-missing-coin"));
    assert_eq!(error.fault(), None);
    let child = owned(&good)[0].clone();
    let both = world.transfer(&[child, coins[1].clone()], vec![pay(EUR, 1000, 2)]);
    assert!(matches!(refusal(both), MempoolError::TooManySignatureChecks { found: 2, limit: 1 }));
    let other = TipState { id: BlockId::default(), ..tip(&world) };
    assert!(matches!(pool.submit(NOW, free(1), &other), Err(MempoolError::OtherTip(_))));
}

#[test]
fn the_lowest_are_evicted_with_their_children() {
    let (world, coins) = world(4);
    let mut pool = pool(&world, MempoolPolicy { max_count: 3, ..MempoolPolicy::default() });
    let low = paying(&world, &coins[0], 10);
    let child = paying(&world, &owned(&low)[0], 40);
    let high = paying(&world, &coins[1], 30);
    for transaction in [&low, &child, &high] {
        pool.submit(NOW, transaction.clone(), &tip(&world)).unwrap();
    }
    assert!(matches!(pool.submit(NOW, paying(&world, &coins[2], 10), &tip(&world)), Err(MempoolError::Full { .. })));
    let newcomer = paying(&world, &coins[2], 20);
    let evicted = pool.submit(NOW, newcomer.clone(), &tip(&world)).unwrap();
    assert_eq!(evicted, vec![low.id(), child.id()]);
    assert_eq!(order(&pool), vec![high.id(), newcomer.id()]);
    // Their coin is free again, and their effects are gone.
    assert_eq!(pool.spender(&coins[0].0), None);
    let view = pool.view(&tip(&world));
    assert!(Coin::read(&view, &coins[0].0).unwrap().is_some());
    assert!(Coin::read(&view, &owned(&child)[0].0).unwrap().is_none());
    pool.submit(NOW, low, &tip(&world)).unwrap();
}

#[test]
fn nobody_evicts_what_it_depends_on() {
    let (world, coins) = world(2);
    let mut pool = pool(&world, MempoolPolicy { max_count: 2, ..MempoolPolicy::default() });
    let parent = paying(&world, &coins[0], 1);
    let other = paying(&world, &coins[1], 5);
    pool.submit(NOW, parent.clone(), &tip(&world)).unwrap();
    pool.submit(NOW, other.clone(), &tip(&world)).unwrap();
    let child = paying(&world, &owned(&parent)[0], 50);
    assert_eq!(pool.submit(NOW, child.clone(), &tip(&world)).unwrap(), vec![other.id()]);
    assert_eq!(pool.entry(&child.id()).unwrap().parents().len(), 1);
    assert_eq!(pool.entry(&parent.id()).unwrap().children().len(), 1);
}

#[test]
fn free_transactions_have_room_of_their_own_and_stay() {
    let (mut world, coins) = world(3);
    let policy = MempoolPolicy { max_count: 1, max_protected_count: 2, expiry_millis: 10, ..MempoolPolicy::default() };
    let mut pool = pool(&world, policy);
    let mint = world.mint(vec![pay(CNY, 5, 1)]);
    pool.submit(NOW, mint.clone(), &tip(&world)).unwrap();
    pool.submit(NOW, free(1), &tip(&world)).unwrap();
    assert!(matches!(pool.submit(NOW, free(2), &tip(&world)), Err(MempoolError::ProtectedFull)));
    pool.submit(NOW, paying(&world, &coins[0], 1), &tip(&world)).unwrap();
    let second = paying(&world, &coins[1], 2);
    assert_eq!(pool.submit(NOW, second.clone(), &tip(&world)).unwrap().len(), 1);
    assert_eq!(pool.expire(Millis(NOW.0 + 9)), vec![]);
    assert_eq!(pool.expire(Millis(NOW.0 + 10)), vec![second.id()]);
    assert_eq!(pool.len(), 2);
    // A clock that runs backwards expires nothing.
    pool.submit(NOW, second, &tip(&world)).unwrap();
    assert_eq!(pool.expire(Millis(0)), vec![]);
    world.context.height = world.context.height.next();
    assert!(matches!(pool.submit(NOW, free(3), &tip(&world)), Err(MempoolError::OtherTip(_))));
}

#[test]
fn what_a_free_transaction_depends_on_is_not_evicted() {
    let (world, coins) = world(2);
    let mut pool = pool(&world, MempoolPolicy { max_count: 1, expiry_millis: 10, ..MempoolPolicy::default() });
    // A paid MINT, and a free one that follows its serial.
    let mut first = crate::Issuance::mint(CNY, 1, vec![pay(CNY, 5, 1)]).unwrap();
    first.inputs = crate::common::inputs(&coins[..1]);
    first.witnesses = vec![Witness::default()];
    let first = world.sign(world.issue(first, CNY), &coins[..1]);
    let second = world.issue(crate::Issuance::mint(CNY, 2, vec![pay(CNY, 6, 1)]).unwrap(), CNY);
    pool.submit(NOW, first.clone(), &tip(&world)).unwrap();
    pool.submit(NOW, second.clone(), &tip(&world)).unwrap();
    assert!(pool.entry(&second.id()).unwrap().parents().contains(&first.id()));
    // The newcomer pays as much over fewer bytes, so it would evict the first, if that stood alone.
    let newcomer = world.transfer(&coins[1..], vec![]);
    assert!(
        pool.entry(&first.id()).unwrap().rate()
            < FeeRate { fee: Amount(1000), bytes: codec::encode(&newcomer).len() as u32 }
    );
    assert!(matches!(pool.submit(NOW, newcomer, &tip(&world)), Err(MempoolError::Full { .. })));
    assert_eq!(pool.expire(Millis(NOW.0 + 10)), vec![]);
    assert_eq!(pool.len(), 2);
}

#[test]
fn long_chains_are_refused() {
    let (world, coins) = world(1);
    let mut pool = pool(&world, MempoolPolicy { max_ancestors: 3, ..MempoolPolicy::default() });
    let mut coin = coins[0].clone();
    for _ in 0..4 {
        let next = paying(&world, &coin, 1);
        coin = owned(&next)[0].clone();
        pool.submit(NOW, next, &tip(&world)).unwrap();
    }
    let refused = pool.submit(NOW, paying(&world, &coin, 1), &tip(&world));
    assert!(matches!(refused, Err(MempoolError::TooManyAncestors { limit: 3 })));
}

#[test]
fn a_block_takes_its_transactions_and_their_rivals_out() {
    let (mut world, coins) = world(3);
    let mut pool = pool(&world, MempoolPolicy::default());
    let included = paying(&world, &coins[0], 10);
    let child = paying(&world, &owned(&included)[0], 10);
    let beaten = paying(&world, &coins[1], 10);
    let orphan = paying(&world, &owned(&beaten)[0], 10);
    for transaction in [&included, &child, &beaten, &orphan] {
        pool.submit(NOW, transaction.clone(), &tip(&world)).unwrap();
    }
    let rival = paying(&world, &coins[1], 5);
    let block = world.block(vec![included.clone(), rival.clone()]);
    let undo = world.connect(block.body.0.clone());
    let dropped = pool.tip_changed(NOW, [], [&block], &tip(&world)).unwrap();
    assert_eq!(dropped, vec![beaten.id(), orphan.id()]);
    assert_eq!(order(&pool), vec![child.id()]);
    assert!(pool.entry(&child.id()).unwrap().parents().is_empty());

    // And back: the block's transactions return in front of what was built on them; its coinbase does not.
    world.disconnect(&undo);
    let mut block = block;
    block.body.0.insert(0, world.rewards.coinbase(world.context.height, Amount(15), lock(3)));
    assert_eq!(pool.tip_changed(NOW, [&block], [], &tip(&world)).unwrap(), vec![]);
    assert_eq!(pool.len(), 3);
    assert!(pool.entry(&child.id()).unwrap().parents().contains(&included.id()));
    assert!(pool.transaction(&rival.id()).is_some());
}

#[test]
fn a_longer_reorganisation_returns_blocks_lowest_first() {
    let (mut world, coins) = world(1);
    let mut pool = pool(&world, MempoolPolicy::default());
    let mut blocks = Vec::new();
    let mut undos = Vec::new();
    let mut coin = coins[0].clone();
    for _ in 0..3 {
        let next = paying(&world, &coin, 10);
        coin = owned(&next)[0].clone();
        let block = world.block(vec![next]);
        undos.push(world.connect(block.body.0.clone()));
        pool.tip_changed(NOW, [], [&block], &tip(&world)).unwrap();
        blocks.push(block);
    }
    undos.iter().rev().for_each(|undo| world.disconnect(undo));
    assert_eq!(pool.tip_changed(NOW, blocks.iter().rev(), [], &tip(&world)).unwrap(), vec![]);
    assert_eq!(pool.len(), 3);
    // One of them is in the new branch already: the others follow it.
    let shared = blocks[0].body.0[0].clone();
    let block = world.block(vec![shared]);
    world.connect(block.body.0.clone());
    assert_eq!(pool.tip_changed(NOW, [], [&block], &tip(&world)).unwrap(), vec![]);
    assert_eq!(pool.len(), 2);
}

#[test]
fn signatures_are_not_verified_twice() {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use health_chain_data::ports::{FalseClaim, SignatureClaim, Verifier};

    #[derive(Default)]
    struct Counting(AtomicUsize);
    impl Verifier for Counting {
        fn verify(&self, claims: &[SignatureClaim]) -> Result<(), FalseClaim> {
            self.0.fetch_add(claims.len(), Ordering::Relaxed);
            SingleVerifier.verify(claims)
        }
    }

    let (mut world, coins) = world(2);
    let verifier = Arc::new(Counting::default());
    let mut pool = Mempool::new(MempoolPolicy::default(), world.executor.clone(), verifier.clone(), tip(&world).id);
    pool.submit(NOW, paying(&world, &coins[0], 10), &tip(&world)).unwrap();
    let block = world.block(vec![]);
    world.connect(vec![]);
    pool.tip_changed(NOW, [], [&block], &tip(&world)).unwrap();
    assert_eq!((pool.len(), verifier.0.load(Ordering::Relaxed)), (1, 1));
    // What can't be afforded is refused before its signatures are looked at.
    let mut unaffordable = paying(&world, &coins[1], 0);
    unaffordable.inputs.clear();
    unaffordable.witnesses.clear();
    assert!(pool.submit(NOW, unaffordable, &tip(&world)).is_err());
    assert_eq!(verifier.0.load(Ordering::Relaxed), 1);
}

#[test]
fn a_protected_kind_is_protected_though_it_pays() {
    let (world, coins) = world(2);
    let policy = MempoolPolicy {
        protected_kinds: &[FREE],
        minimum_fee_per_kilobyte: Amount(100),
        max_count: 1,
        expiry_millis: 10,
        ..MempoolPolicy::default()
    };
    let mut pool = pool(&world, policy);
    let mut sponsored = crate::common::unsigned(&coins[..1], vec![pay(EUR, 999, 1)]);
    sponsored.kind = FREE;
    let sponsored = world.sign(sponsored, &coins[..1]);
    pool.submit(NOW, sponsored.clone(), &tip(&world)).unwrap();
    let payment = paying(&world, &coins[1], 900);
    assert_eq!(pool.submit(NOW, payment.clone(), &tip(&world)).unwrap(), vec![]);
    assert_eq!(order(&pool), vec![sponsored.id(), payment.id()]);
    assert_eq!(pool.expire(Millis(NOW.0 + 10)), vec![payment.id()]);
}
