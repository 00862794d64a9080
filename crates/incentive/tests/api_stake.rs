//! Each rule on stake has its refusal, and what it protects.
#![allow(clippy::unwrap_used)]

mod common;

use common::{CNY, Confession, EPOCHS, EUR, Owned, STAKE, UNIT, World, inputs, key, owned, parameters, pay, rule};
use health_chain_consensus::{
    Validator,
    ports::{Executor, StakeView},
    validators::VALIDATORS,
};
use health_chain_data::{
    Amount, Height, Transaction, Witness, codec,
    ports::{ChainStore, SingleVerifier, Verifier},
    state::{Changes, Overlay},
};
use health_chain_incentive::{
    Bond, BondedStake, Ledger, Reward, SingleKey, StakeParameters, kinds,
    limits::MAX_LEAVING,
    stake::{Deposit, Notice, StakeParametersError, Withdrawal},
    supply,
};

const OWNER: u8 = 7;

fn deposit(world: &World, coin: &Owned, validator: u8, amount: u64) -> Transaction {
    deposit_with(world, coin, validator, amount, amount)
}

/// Bonds `amount`, and leaves `taken` out of what comes back.
fn deposit_with(world: &World, coin: &Owned, validator: u8, amount: u64, taken: u64) -> Transaction {
    let mut bond = Deposit::transaction(key(validator).public_key(), key(OWNER).public_key(), Amount(amount));
    fill(&mut bond, coin, taken);
    Deposit::sign(&mut bond, &world.chain(), &key(validator), &[0; 32]).unwrap();
    world.sign(bond, std::slice::from_ref(coin))
}

fn notice(world: &World, coin: &Owned, validator: u8, amount: u64) -> Transaction {
    let mut unbond = Notice::transaction(key(validator).public_key(), Amount(amount));
    fill(&mut unbond, coin, 0);
    Notice::sign(&mut unbond, &world.chain(), &key(OWNER), &[0; 32]).unwrap();
    world.sign(unbond, std::slice::from_ref(coin))
}

fn withdrawal(world: &World, validator: u8, since: u32, amount: u64) -> Transaction {
    let mut withdraw = Withdrawal::transaction(key(validator).public_key(), Height(since));
    withdraw.outputs = vec![pay(EUR, amount, 9)];
    Withdrawal::sign(&mut withdraw, &world.chain(), &key(OWNER), &[0; 32]).unwrap();
    withdraw
}

fn evidence(validator: u8, height: u32) -> Transaction {
    Transaction::new(kinds::EVIDENCE, Confession::of(validator, height))
}

fn fill(transaction: &mut Transaction, coin: &Owned, taken: u64) {
    transaction.inputs = inputs(std::slice::from_ref(coin));
    transaction.witnesses = vec![Witness::default()];
    let left = coin.1.amount.0 - taken;
    transaction.outputs = if left == 0 { vec![] } else { vec![pay(coin.1.token, left, 9)] };
}

fn bond(world: &World, validator: u8) -> Bond {
    Bond::read(&world.store, &key(validator).public_key()).unwrap().unwrap()
}

/// Validator 1 has bonded 500, and there is change.
fn bonded() -> (World, Owned) {
    let mut world = World::staking(STAKE, &[1, 2]);
    let coin = world.fund(vec![pay(EUR, 1_000, 9)]).remove(0);
    let bond = deposit(&world, &coin, 1, 500);
    let change = owned(&bond).remove(0);
    world.connect(vec![bond]);
    (world, change)
}

fn wait_until(world: &mut World, height: u32) {
    while world.context.height < Height(height) {
        world.connect(vec![]);
    }
}

#[test]
fn what_is_bonded_is_brought_and_decides_by_the_unit() {
    let (world, coin) = bonded();
    assert_eq!(bond(&world, 1).amount, Amount(500));
    let counted = supply(&world.store, EUR).unwrap().unwrap();
    assert_eq!((counted.unspent, counted.bonded), (Amount(500), Amount(500)));
    let decide = BondedStake::new(STAKE).validators(&world.store).unwrap();
    assert_eq!(decide.iter().map(|one| u64::from(one.power)).collect::<Vec<_>>(), [500 / UNIT]);

    assert_eq!(world.rule(&deposit(&world, &coin, 1, UNIT)), "accepted");
    assert_eq!(world.rule(&deposit(&world, &coin, 1, UNIT - 1)), "stake-below-unit");
    assert_eq!(world.rule(&deposit_with(&world, &coin, 2, 600, 500)), "stake-beyond-supply");
    assert_eq!(world.rule(&deposit_with(&world, &coin, 2, 100, 99)), "ledger-outputs-exceed-inputs");
    let mut stranger = Deposit::transaction(key(1).public_key(), key(8).public_key(), Amount(100));
    fill(&mut stranger, &coin, 100);
    assert_eq!(world.rule(&stranger), "stake-other-owner");
    let mut bare = deposit(&world, &coin, 1, 100);
    bare.inputs.clear();
    bare.witnesses.clear();
    assert_eq!(world.rule(&bare), "ledger-no-inputs");
    bare.payload.push(0);
    bare.inputs = inputs(&[coin]);
    bare.witnesses = vec![Witness::default()];
    assert_eq!(world.rule(&bare), "stake-payload");
}

#[test]
fn too_little_stake_decides_nothing() {
    let (world, _) = bonded();
    let asked = StakeParameters { least_power: 500 / UNIT + 1, ..STAKE };
    assert_eq!(BondedStake::new(asked).validators(&world.store).unwrap(), []);
}

#[test]
fn stake_comes_back_when_nothing_can_be_held_against_it_any_more() {
    let (mut world, coin) = bonded();
    assert_eq!(world.rule(&notice(&world, &coin, 1, 501)), "stake-beyond-bond");
    assert_eq!(world.rule(&notice(&world, &coin, 1, 0)), "stake-nothing");
    assert_eq!(world.rule(&notice(&world, &coin, 2, 1)), "stake-no-bond");
    let since = world.context.height.0;
    let unbond = notice(&world, &coin, 1, 200);
    world.connect(vec![unbond]);
    assert_eq!((bond(&world, 1).amount, bond(&world, 1).total()), (Amount(300), Amount(500)));

    let from = bond(&world, 1).leaving[0].free_from(EPOCHS).0;
    assert_eq!(from, EPOCHS.last_in_office(Height(since)).0 + EPOCHS.evidence_blocks);
    wait_until(&mut world, from - 1);
    assert_eq!(world.rule(&withdrawal(&world, 1, since, 200)), "stake-locked");
    wait_until(&mut world, from);
    assert_eq!(world.rule(&withdrawal(&world, 1, since, 201)), "ledger-outputs-exceed-inputs");
    assert_eq!(world.rule(&withdrawal(&world, 1, since + 1, 200)), "stake-no-notice");
    assert_eq!(world.rule(&withdrawal(&world, 2, since, 200)), "stake-no-bond");
    let mut foreign = withdrawal(&world, 1, since, 200);
    foreign.outputs[0].token = CNY;
    assert_eq!(world.rule(&foreign), "stake-withdrawn-outputs");
    let withdraw = withdrawal(&world, 1, since, 200);
    world.connect(vec![withdraw.clone()]);
    assert_eq!(world.rule(&withdraw), "stake-no-notice", "once");
    assert_eq!(supply(&world.store, EUR).unwrap().unwrap().bonded, Amount(300));
}

/// What `validator` may go on with, who decides with `power`, where stake is too little to decide.
fn kept(world: &World, validator: u8, power: u32) -> u32 {
    let in_office = Validator { key: key(validator).public_key(), power };
    BondedStake::new(STAKE).power_kept(&world.store, in_office).unwrap()
}

#[test]
fn those_in_office_stay_with_what_they_still_answer_with() {
    let (mut world, coin) = bonded();
    assert_eq!((kept(&world, 1, 50), kept(&world, 1, 7)), (50, 7));
    assert_eq!(kept(&world, 2, 7), 7, "who was there before there was stake");
    let unbond = notice(&world, &coin, 1, 470);
    let coin = owned(&unbond).remove(0);
    world.connect(vec![unbond]);
    assert_eq!((kept(&world, 1, 50), kept(&world, 1, 2)), (3, 2), "notice counts, whoever else is in office");
    let now = world.context.height.0;
    let undo = world.connect(vec![evidence(1, now)]);
    assert_eq!(kept(&world, 1, 50), 0, "who was called to account decides nothing any more");
    world.disconnect(&undo);
    let unbond = notice(&world, &coin, 1, 30);
    world.connect(vec![unbond]);
    assert_eq!(kept(&world, 1, 50), 0);
}

#[test]
fn stake_stays_as_long_as_its_validator_does() {
    let (mut world, coin) = bonded();
    // In this world validator 1 has a vote in every epoch, whatever it has bonded.
    let (first, now) = (notice(&world, &coin, 1, 490), world.context.height.0);
    let coin = owned(&first).remove(0);
    world.connect(vec![first]);
    let second = notice(&world, &coin, 1, 10);
    world.connect(vec![second]);
    let from = bond(&world, 1).leaving[1].free_from(EPOCHS).0;
    wait_until(&mut world, from);
    let free = withdrawal(&world, 1, now, 490);
    assert_eq!(world.rule(&free), "accepted", "the rest backs one vote");
    world.connect(vec![free]);
    assert_eq!(world.rule(&withdrawal(&world, 1, now + 1, 10)), "stake-in-office");
    // It still answers with that, though notice was given of it long ago.
    let offence = evidence(1, world.context.height.0);
    world.connect(vec![offence]);
    assert_eq!(bond(&world, 1).leaving[0].amount, Amount(7));
    assert_eq!(world.rule(&withdrawal(&world, 1, now + 1, 7)), "accepted", "and for nothing more");
}

#[test]
fn an_office_is_answered_for_some_time_after_it_ended() {
    let (mut world, coin) = bonded();
    let (unbond, since) = (notice(&world, &coin, 1, 500), world.context.height.0);
    world.connect(vec![unbond]);
    let last = EPOCHS.last_in_office(Height(since + 20)).0;
    wait_until(&mut world, last + 1);
    // From here on it is out of office.
    let mut changes = Changes::default();
    for epoch in 0..20 {
        changes.delete(VALIDATORS, (last + 1 + epoch * EPOCHS.blocks).to_be_bytes());
    }
    world.store.commit(&changes).unwrap();
    wait_until(&mut world, last + EPOCHS.evidence_blocks - 1);
    assert_eq!(world.rule(&evidence(1, last)), "accepted");
    assert_eq!(world.rule(&withdrawal(&world, 1, since, 500)), "stake-in-office");
    wait_until(&mut world, last + EPOCHS.evidence_blocks);
    assert_eq!(world.rule(&evidence(1, last)), "evidence-too-late");
    assert_eq!(world.rule(&withdrawal(&world, 1, since, 500)), "accepted");
}

#[test]
fn nobody_but_key_and_owner_can_sign() {
    let (mut world, coin) = bonded();
    let holds = |world: &World, transaction: &Transaction| {
        let (mut state, mut claims) = (Overlay::new(&world.store), vec![]);
        world.executor.apply(&mut state, transaction, &world.context, &mut claims).unwrap();
        SingleVerifier.verify(&claims).is_ok()
    };
    let unbond = notice(&world, &coin, 1, 100);
    let signed_by = |world: &World, seed: u8| {
        let mut transaction = unbond.clone();
        Notice::sign(&mut transaction, &world.chain(), &key(seed), &[0; 32]).unwrap();
        world.sign(transaction, std::slice::from_ref(&coin))
    };
    assert!(holds(&world, &signed_by(&world, OWNER)));
    assert!(!holds(&world, &signed_by(&world, 1)), "the validator's key takes nothing back");
    let mut more = deposit(&world, &coin, 1, 100);
    Deposit::sign(&mut more, &world.chain(), &key(OWNER), &[0; 32]).unwrap();
    assert!(!holds(&world, &world.sign(more, std::slice::from_ref(&coin))), "nobody is made a validator unasked");

    let since = world.context.height.0;
    world.connect(vec![unbond]);
    let from = bond(&world, 1).leaving[0].free_from(EPOCHS).0;
    wait_until(&mut world, from);
    let withdraw = withdrawal(&world, 1, since, 100);
    assert!(holds(&world, &withdraw));
    let mut elsewhere = withdraw;
    elsewhere.outputs[0] = pay(EUR, 100, 3);
    assert!(!holds(&world, &elsewhere), "the owner's signature covers where it goes");
}

#[test]
fn notices_are_few() {
    let (mut world, mut coin) = bonded();
    for _ in 0..MAX_LEAVING {
        let unbond = notice(&world, &coin, 1, 1);
        coin = owned(&unbond).remove(0);
        world.connect(vec![unbond]);
    }
    assert_eq!(world.rule(&notice(&world, &coin, 1, 1)), "stake-notices");
    assert_eq!(codec::decode(&codec::encode(&bond(&world, 1))), Ok(bond(&world, 1)), "and fit their limit");
}

#[test]
fn an_offence_costs_a_share_of_all_that_is_there_and_the_office_once() {
    let (mut world, coin) = bonded();
    let unbond = notice(&world, &coin, 1, 100);
    let coin = owned(&unbond).remove(0);
    world.connect(vec![unbond]);
    let now = world.context.height.0;
    assert_eq!(world.rule(&evidence(3, now)), "evidence-no-validator");
    assert_eq!(world.rule(&evidence(2, now)), "stake-no-bond", "one of the document's validators has nothing to lose");
    assert_eq!(world.rule(&evidence(1, 0)), "evidence-no-validator", "nobody decided on genesis");
    assert_eq!(world.rule(&Transaction::new(kinds::EVIDENCE, vec![1; 99])), "no-confession");
    let mut forged = evidence(1, now);
    forged.payload[40] ^= 1;
    let (mut state, mut claims) = (Overlay::new(&world.store), vec![]);
    world.executor.apply(&mut state, &forged, &world.context, &mut claims).unwrap();
    assert!(SingleVerifier.verify(&claims).is_err(), "whoever takes the effect has verified the offender's signature");

    let undo = world.connect(vec![evidence(1, now)]);
    let after = bond(&world, 1);
    assert_eq!((after.amount, after.leaving[0].amount, after.jailed), (Amount(280), Amount(70), Some(Height(now))));
    let counted = supply(&world.store, EUR).unwrap().unwrap();
    assert_eq!((counted.bonded, counted.slashed), (Amount(350), Amount(150)));
    assert_eq!(BondedStake::new(STAKE).validators(&world.store).unwrap(), []);
    assert_eq!(world.rule(&evidence(1, now)), "stake-jailed", "once");
    assert_eq!(world.rule(&evidence(1, now - 1)), "stake-jailed", "whatever it did besides");
    assert_eq!(world.rule(&deposit(&world, &coin, 1, 100)), "stake-jailed");
    // The rest is still the owner's.
    assert_eq!(world.rule(&notice(&world, &coin, 1, 280)), "accepted");
    world.disconnect(&undo);
    assert_eq!(bond(&world, 1).jailed, None);
    wait_until(&mut world, now + EPOCHS.evidence_blocks);
    assert_eq!(world.rule(&evidence(1, now)), "evidence-too-late");
}

#[test]
fn chains_without_stake_take_none() {
    let mut world = World::new(Reward::Immediate);
    let coin = world.fund(vec![pay(EUR, 1_000, 9)]).remove(0);
    assert_eq!(world.rule(&deposit(&world, &coin, 1, 500)), "stake-none");
    assert_eq!(world.rule(&evidence(1, 1)), "ledger-no-inputs", "nothing that the ledger decides");
    // The section and the ledger go together.
    let other = World::staking(STAKE, &[]);
    let mut state = Overlay::new(&world.store);
    assert_eq!(rule(world.ledger.genesis(&mut state, &other.genesis)), "ledger-other-parameters");
}

#[test]
fn impossible_parameters_are_refused() {
    let refusal = |stake: StakeParameters| {
        let ledger = Ledger::new(parameters(Reward::Immediate), std::sync::Arc::new(SingleKey)).unwrap();
        ledger.with_stake(stake, std::sync::Arc::new(Confession)).err()
    };
    assert_eq!(refusal(STAKE), None);
    let token = health_chain_data::TokenId(9);
    assert_eq!(refusal(StakeParameters { token, ..STAKE }), Some(StakeParametersError::UnknownToken { token }));
    assert_eq!(refusal(StakeParameters { unit: Amount::ZERO, ..STAKE }), Some(StakeParametersError::ZeroUnit));
    for slash_per_mille in [0, 1001] {
        let stake = StakeParameters { slash_per_mille, ..STAKE };
        assert_eq!(refusal(stake), Some(StakeParametersError::Share { slash_per_mille }));
    }
}
