//! One test per rule of the ledger.

use alloc::{sync::Arc, vec, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};

use health_chain_consensus::ports::{ExecuteError, Rejection};
use health_chain_data::{
    Amount, Genesis, Height, Input, Kind, Lock, Timestamp, Transaction, Witness, codec, state::Overlay,
};

use super::{Funding, Ledger, LedgerError, locks};
use crate::{
    Issuance, Reward, SingleKey, Supply,
    common::{CNY, EUR, FREE, MATURITY, World, inputs, key, owned, parameters, pay, rule, unsigned},
    kinds,
    limits::MAX_TRANSACTION_SIGNATURE_CHECKS,
    ports::{Spend, SpendCheck},
    supply,
};
use health_chain_data::ports::{SignatureClaim, SingleVerifier, StoreError, Verifier};

fn world() -> World {
    World::new(Reward::Immediate)
}

#[test]
fn genesis_wants_its_own_parameters() {
    let world = world();
    let mut state = Overlay::new(&world.store);
    let other = parameters(Reward::Smoothed { alpha_per_mille: 1, window_blocks: 1 });
    let bare = Genesis::new("test", Timestamp(0), vec![]);
    assert_eq!(rule(world.ledger.genesis(&mut state, &bare.clone().with(&other))), "ledger-other-parameters");
    assert_eq!(rule(world.ledger.genesis(&mut state, &bare)), "ledger-genesis");
    let mut wrong = parameters(Reward::Immediate);
    wrong.tokens.clear();
    assert!(Ledger::new(wrong, Arc::new(SingleKey)).is_err());
}

#[test]
fn a_transfer_moves_coins_and_leaves_a_fee() {
    let mut world = world();
    let eur = world.fund(vec![pay(EUR, 100, 1), pay(EUR, 50, 2)]);
    let cny = world.fund(vec![pay(CNY, 70, 1)]);
    let spent = [eur[0].clone(), eur[1].clone(), cny[0].clone()];
    let transfer = world.transfer(&spent, vec![pay(EUR, 140, 3), pay(CNY, 30, 3), pay(CNY, 40, 1)]);
    let (effect, _) = world.check(&transfer).unwrap();
    assert_eq!(effect.fee, Amount(10));
    assert_eq!(effect.signature_checks, 3);
    world.connect(vec![transfer]);
    let expected = Supply {
        minted: Amount(150),
        redeemed: Amount(0),
        unspent: Amount(140),
        pool: Amount(10),
        serial: 1,
        ..Supply::default()
    };
    assert_eq!(supply(&world.store, EUR).unwrap(), Some(expected));
}

#[test]
fn each_rule_on_shape_has_its_refusal() {
    let mut world = world();
    let coins = world.fund(vec![pay(EUR, 100, 1)]);
    let refusal = |change: fn(&mut Transaction)| {
        let mut transaction = unsigned(&coins, vec![pay(EUR, 90, 2)]);
        change(&mut transaction);
        world.rule(&world.sign(transaction, &coins))
    };
    assert_eq!(refusal(|_| ()), "accepted");
    assert_eq!(refusal(|t| t.version = 2), "ledger-malformed");
    assert_eq!(refusal(|t| t.kind = Kind::COINBASE), "ledger-reserved-kind");
    assert_eq!(refusal(|t| t.kind = Kind::GENESIS), "ledger-reserved-kind");
    assert_eq!(refusal(|t| t.payload = vec![1]), "ledger-transfer-payload");
    assert_eq!(refusal(|t| t.outputs[0].token.0 = 9), "ledger-unknown-token");
    assert_eq!(refusal(|t| t.outputs[0].lock = Lock(vec![0; 34])), "single-key-lock-form");
    assert_eq!(refusal(|t| t.inputs[0].previous.index = 7), "ledger-missing-coin");
    assert_eq!(world.rule(&unsigned(&coins, vec![pay(EUR, 90, 2)])), "single-key-witness-items");
    assert_eq!(world.rule(&unsigned(&[], vec![])), "ledger-no-inputs");
    // A count of witnesses that does not match is refused, not indexed into.
    let mut bare = unsigned(&coins, vec![]);
    bare.witnesses.clear();
    assert_eq!(world.rule(&bare), "ledger-malformed");
}

#[test]
fn free_transactions_need_no_inputs_and_make_nothing() {
    let world = world();
    let mut free = Transaction::new(FREE, vec![1, 2, 3]);
    assert_eq!(world.check(&free).unwrap().0.fee, Amount::ZERO);
    free.outputs = vec![pay(EUR, 1, 1)];
    assert_eq!(world.rule(&free), "ledger-outputs-exceed-inputs");
}

#[test]
fn amounts_must_balance_token_by_token() {
    let mut world = world();
    let mut coins = world.fund(vec![pay(EUR, 100, 1)]);
    coins.extend(world.fund(vec![pay(CNY, 100, 1)]));
    let outcome = |outputs| world.rule(&world.transfer(&coins, outputs));
    assert_eq!(outcome(vec![pay(EUR, 1, 2), pay(CNY, 100, 2)]), "accepted");
    assert_eq!(outcome(vec![pay(CNY, 100, 2)]), "accepted");
    assert_eq!(outcome(vec![pay(EUR, 101, 2), pay(CNY, 100, 2)]), "ledger-outputs-exceed-inputs");
    assert_eq!(outcome(vec![pay(EUR, 100, 2), pay(CNY, 101, 2)]), "ledger-outputs-exceed-inputs");
    assert_eq!(outcome(vec![pay(EUR, 100, 2), pay(CNY, 99, 2)]), "ledger-token-imbalance");
    assert_eq!(outcome(vec![pay(EUR, 200, 2)]), "ledger-outputs-exceed-inputs");
    assert_eq!(outcome(vec![pay(EUR, u64::MAX, 2), pay(EUR, 1, 2), pay(CNY, 100, 2)]), "ledger-amount-overflow");
    // 2^64 and a bit would wrap to what the inputs bring.
    assert_eq!(outcome(vec![pay(EUR, u64::MAX, 2), pay(EUR, 91, 2), pay(CNY, 100, 2)]), "ledger-amount-overflow");
}

#[test]
fn a_coin_is_spent_once() {
    let mut world = world();
    let coins = world.fund(vec![pay(EUR, 100, 1)]);
    let first = world.transfer(&coins, vec![pay(EUR, 90, 2)]);
    let second = world.transfer(&coins, vec![pay(EUR, 80, 3)]);
    world.connect(vec![first]);
    assert_eq!(world.rule(&second), "ledger-missing-coin");
}

#[test]
fn a_coinbase_matures() {
    let mut world = world();
    let coins = world.fund(vec![pay(EUR, 100, 1)]);
    let transfer = world.transfer(&coins, vec![pay(EUR, 40, 2)]);
    let coinbase = world.rewards.coinbase(world.context.height, Amount(60), pay(EUR, 1, 5).lock);
    let made = owned(&coinbase);
    world.connect(vec![coinbase, transfer]);
    let spend = world.transfer(&made, vec![pay(EUR, 60, 2)]);
    for _ in 1..MATURITY {
        assert_eq!(world.rule(&spend), "ledger-immature-coinbase");
        world.connect(vec![]);
    }
    assert_eq!(world.rule(&spend), "accepted");
}

#[test]
fn lock_time_counts_height_or_median_time() {
    let mut world = world();
    let coins = world.fund(vec![pay(EUR, 100, 1)]);
    let (height, time) = (world.context.height.0, world.context.median_time_past.0);
    let outcome = |lock_time, sequence| {
        let mut transaction = unsigned(&coins, vec![pay(EUR, 90, 2)]);
        transaction.lock_time = lock_time;
        transaction.inputs[0].sequence = sequence;
        world.rule(&world.sign(transaction, &coins))
    };
    let no_lock = Input::FINAL - 1;
    assert_eq!(outcome(height - 1, no_lock), "accepted");
    assert_eq!(outcome(height, no_lock), "ledger-lock-time");
    assert_eq!(outcome(height, Input::FINAL), "accepted");
    assert_eq!(outcome(locks::LOCK_TIME_THRESHOLD - 1, no_lock), "ledger-lock-time");
    assert_eq!(outcome(locks::LOCK_TIME_THRESHOLD, no_lock), "accepted");
    assert_eq!(outcome(time - 1, no_lock), "accepted");
    assert_eq!(outcome(time, no_lock), "ledger-lock-time");

    let mut free = Transaction::new(FREE, vec![]);
    free.lock_time = height;
    assert_eq!(world.rule(&free), "ledger-lock-time");
}

#[test]
fn relative_locks_count_from_the_coin() {
    let mut world = world();
    let coins = world.fund(vec![pay(EUR, 100, 1)]);
    let outcome = |world: &World, sequence| {
        let mut transaction = unsigned(&coins, vec![pay(EUR, 90, 2)]);
        transaction.inputs[0].sequence = sequence;
        world.rule(&world.sign(transaction, &coins))
    };
    // The coin's block and the next one are one block and 600 seconds apart.
    assert_eq!(outcome(&world, 1), "accepted");
    assert_eq!(outcome(&world, 2), "ledger-relative-height");
    assert_eq!(outcome(&world, locks::SEQUENCE_TIME | 1), "accepted");
    assert_eq!(outcome(&world, locks::SEQUENCE_TIME | 2), "ledger-relative-time");
    assert_eq!(outcome(&world, locks::SEQUENCE_DISABLED | 0xffff), "accepted");
    // Bits beyond the mask mean nothing.
    assert_eq!(outcome(&world, 0x0001_0000 | 2), "ledger-relative-height");
    world.connect(vec![]);
    assert_eq!(outcome(&world, 2), "accepted");
    assert_eq!(outcome(&world, locks::SEQUENCE_TIME | 2), "accepted");
    assert_eq!(outcome(&world, locks::SEQUENCE_TIME | 0xffff), "ledger-relative-time");
    world.context.median_time_past = Timestamp::MAX;
    world.context.height = Height::MAX;
    assert_eq!(outcome(&world, locks::SEQUENCE_TIME | 0xffff), "accepted");
}

/// A mint of 100 EUR after `change` to its payload, signed by the right issuers for what it then says.
fn changed_mint(world: &World, change: impl FnOnce(&mut Issuance)) -> Transaction {
    let mut transaction = Issuance::mint(EUR, 1, vec![pay(EUR, 100, 1)]).unwrap();
    let mut payload: Issuance = codec::decode(&transaction.payload).unwrap();
    change(&mut payload);
    transaction.payload = codec::encode(&payload);
    if payload.signatures.is_empty() { world.issue(transaction, EUR) } else { transaction }
}

#[test]
fn each_rule_on_issuing_has_its_refusal() {
    let world = world();
    let outcome = |change: &dyn Fn(&mut Issuance)| world.rule(&changed_mint(&world, change));
    assert_eq!(outcome(&|_| ()), "accepted");
    assert_eq!(outcome(&|p| p.serial = 0), "ledger-serial");
    assert_eq!(outcome(&|p| p.serial = 2), "ledger-serial");
    assert_eq!(outcome(&|p| p.amount = Amount(101)), "ledger-minted-outputs");
    assert_eq!(outcome(&|p| p.amount = Amount(99)), "ledger-outputs-exceed-inputs");
    assert_eq!(outcome(&|p| p.token = CNY), "ledger-minted-outputs");

    let signed: Issuance = codec::decode(&changed_mint(&world, |_| ()).payload).unwrap();
    let with = |signatures: Vec<_>| outcome(&|p| p.signatures = signatures.clone());
    let [first, third] = [signed.signatures[0], signed.signatures[1]];
    assert_eq!((first.issuer, third.issuer), (0, 2));
    assert_eq!(with(vec![first, third]), "accepted");
    assert_eq!(with(vec![first]), "ledger-issuer-signatures");
    assert_eq!(with(vec![first, third, third]), "ledger-issuer-signatures");
    assert_eq!(with(vec![third, first]), "ledger-issuer-order");
    assert_eq!(with(vec![first, first]), "ledger-issuer-order");
    let mut nobody = third;
    nobody.issuer = 3;
    assert_eq!(with(vec![first, nobody]), "ledger-unknown-issuer");

    let mut garbage = changed_mint(&world, |_| ());
    garbage.payload.push(0);
    assert_eq!(world.rule(&garbage), "ledger-issuance-payload");
    let mut nothing = Issuance::redeem(EUR, Amount::ZERO, 1, vec![], vec![]);
    assert_eq!(world.rule(&nothing), "ledger-no-inputs");
    nothing.kind = kinds::MINT;
    assert_eq!(world.rule(&nothing), "ledger-zero-issuance");
    let mut unknown = Issuance::mint(EUR, 1, vec![]).unwrap();
    let payload = Issuance { token: health_chain_data::TokenId(9), amount: Amount(0), serial: 1, signatures: vec![] };
    unknown.payload = codec::encode(&payload);
    assert_eq!(world.rule(&unknown), "ledger-unknown-token");
}

#[test]
fn what_issuers_signed_can_not_be_changed_or_replayed() {
    let mut world = world();
    let mint = world.mint(vec![pay(EUR, 100, 1)]);
    let verify = |transaction: &Transaction| {
        let mut claims = Vec::new();
        let mut state = Overlay::new(&world.store);
        world
            .ledger
            .apply(&mut state, transaction, &transaction.id(), &world.context, Funding::Required, &mut claims)
            .unwrap();
        SingleVerifier.verify(&claims).is_ok()
    };
    assert!(verify(&mint));
    let mut stolen = mint.clone();
    stolen.outputs[0].lock = pay(EUR, 1, 9).lock;
    assert!(!verify(&stolen));
    let mut split = mint.clone();
    split.outputs = vec![pay(EUR, 60, 1), pay(EUR, 40, 1)];
    assert!(!verify(&split));
    let mut other_chain = World::new(Reward::Smoothed { alpha_per_mille: 1, window_blocks: 1 });
    other_chain.context.chain = other_chain.genesis.chain_id();
    assert_ne!(other_chain.mint(vec![pay(EUR, 100, 1)]).payload, mint.payload);
    world.connect(vec![mint.clone()]);
    assert_eq!(world.rule(&mint), "ledger-serial");
}

#[test]
fn a_redemption_burns_exactly_its_amount() {
    let mut world = world();
    let coins = world.fund(vec![pay(CNY, 100, 1)]);
    let redeem = |amount, outputs| {
        let redeem = Issuance::redeem(CNY, Amount(amount), 2, inputs(&coins), outputs);
        world.sign(world.issue(redeem, CNY), &coins)
    };
    assert_eq!(world.rule(&redeem(101, vec![])), "ledger-redeemed-inputs");
    assert_eq!(world.rule(&redeem(99, vec![])), "ledger-token-imbalance");
    assert_eq!(world.rule(&redeem(60, vec![pay(CNY, 41, 1)])), "ledger-outputs-exceed-inputs");
    let redeem = redeem(60, vec![pay(CNY, 40, 1)]);
    assert_eq!(world.check(&redeem).unwrap().0.signature_checks, 3);
    world.connect(vec![redeem]);
    let expected = Supply {
        minted: Amount(100),
        redeemed: Amount(60),
        unspent: Amount(40),
        pool: Amount(0),
        serial: 2,
        ..Supply::default()
    };
    assert_eq!(supply(&world.store, CNY).unwrap(), Some(expected));
}

/// Announces as many checks as it is told for each input, and remembers whether it was asked to do any.
struct Costly {
    per_input: u32,
    asked: AtomicBool,
}

impl SpendCheck for Costly {
    fn check_lock(&self, _: &Lock) -> Result<(), Rejection> {
        Ok(())
    }

    fn signature_checks(&self, _: &Lock, _: &Witness) -> u32 {
        self.per_input
    }

    fn check(&self, _: &Spend<'_>, _: &mut Vec<SignatureClaim>) -> Result<(), Rejection> {
        self.asked.store(true, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn too_many_signature_checks_are_refused_before_one_is_done() {
    let mut world = world();
    let coins = world.fund(vec![pay(EUR, 100, 1), pay(EUR, 100, 1)]);
    let transfer = unsigned(&coins, vec![pay(EUR, 90, 2)]);
    let half = MAX_TRANSACTION_SIGNATURE_CHECKS / 2;
    for (per_input, expected) in
        [(half + 1, "ledger-signature-checks"), (u32::MAX, "ledger-signature-checks"), (half, "accepted")]
    {
        let costly = Arc::new(Costly { per_input, asked: AtomicBool::new(false) });
        let ledger = Ledger::new(parameters(Reward::Immediate), costly.clone()).unwrap();
        let mut state = Overlay::new(&world.store);
        let id = transfer.id();
        let outcome = ledger.apply(&mut state, &transfer, &id, &world.context, Funding::Required, &mut Vec::new());
        assert_eq!(outcome.map_or_else(|error| rule::<()>(Err(error)), |_| "accepted"), expected);
        assert_eq!(costly.asked.load(Ordering::Relaxed), expected == "accepted");
    }
}

#[test]
fn a_mint_may_pay_a_fee_from_inputs() {
    let mut world = world();
    let coins = world.fund(vec![pay(EUR, 100, 1)]);
    let mut mint = Issuance::mint(EUR, 2, vec![pay(EUR, 50, 2)]).unwrap();
    mint.inputs = inputs(&coins);
    mint.witnesses = vec![Witness::default()];
    mint.outputs.push(pay(EUR, 95, 1));
    let mint = world.sign(world.issue(mint, EUR), &coins);
    assert_eq!(world.check(&mint).unwrap().0.fee, Amount(5));
    world.connect(vec![mint]);
    assert!(crate::supply::audit(&world.store, world.ledger.parameters()).is_ok());
}

#[test]
fn counters_do_not_overflow() {
    let mut world = world();
    let coins = world.fund(vec![pay(EUR, u64::MAX, 1)]);
    assert_eq!(world.rule(&world.mint(vec![pay(EUR, 1, 1)])), "ledger-mint-overflow");
    let transfer = world.transfer(&coins, vec![pay(EUR, u64::MAX - 1, 2)]);
    assert_eq!(world.check(&transfer).unwrap().0.fee, Amount(1));

    let mut state = Overlay::new(&world.store);
    let last = Supply { serial: u64::MAX, ..supply(&world.store, CNY).unwrap().unwrap() };
    last.write(&mut state, CNY);
    let mint = world.issue(Issuance::mint(CNY, 0, vec![pay(CNY, 1, 1)]).unwrap(), CNY);
    let refused = world.ledger.apply(&mut state, &mint, &mint.id(), &world.context, Funding::Required, &mut Vec::new());
    assert_eq!(rule(refused), "ledger-serial");
}

#[test]
fn a_store_without_counters_is_damaged() {
    let world = world();
    let empty = health_chain_data::state::MemoryStore::default();
    let mint = world.mint(vec![pay(EUR, 1, 1)]);
    let outcome = world.ledger.apply(
        &mut Overlay::new(&empty),
        &mint,
        &mint.id(),
        &world.context,
        Funding::Required,
        &mut Vec::new(),
    );
    assert!(matches!(outcome, Err(ExecuteError::Store(StoreError::Damaged { .. }))));
}

#[test]
fn rules_are_named_apart_and_explain_themselves() {
    let error = LedgerError::Serial { token: EUR, last: 3, found: 3 };
    assert_eq!(alloc::format!("{error}"), "serial 3 of token TokenId(1) does not follow 3");
    assert_eq!(error.rule(), "ledger-serial");
    let stranger = key(7);
    let mut mint = Issuance::mint(EUR, 1, vec![pay(EUR, 1, 1)]).unwrap();
    let rules = parameters(Reward::Immediate);
    let signature = stranger.sign(&health_chain_data::Hash::ZERO, &[0; 32]);
    assert!(Issuance::add_signature(&mut mint, &rules.tokens[0], &stranger.public_key(), signature).is_err());
}
