//! Bytes from strangers: refused by a typed error, never by a panic, and never taken for what issuers or owners signed.
#![allow(clippy::unwrap_used)]

mod common;

use common::{EUR, LedgerOnly, World, owned, pay, unsigned};
use health_chain_consensus::ports::Executor;
use health_chain_data::{
    Kind, Lock, Transaction, Witness, codec,
    ports::{SingleVerifier, Verifier},
    state::Overlay,
};
use health_chain_incentive::{Issuance, Reward, SingleKey, kinds, ports::SpendCheck, reward::CoinbasePayload};
use proptest::prelude::*;

/// Whether the world would take it: applied, and every signature true. A refusal must leave nothing behind.
fn is_taken(world: &World, transaction: &Transaction) -> bool {
    let mut state = Overlay::new(&world.store);
    let mut claims = vec![];
    let executor = LedgerOnly(world.ledger.clone());
    match executor.apply(&mut state, transaction, &world.context, &mut claims) {
        Ok(_) => SingleVerifier.verify(&claims).is_ok(),
        Err(_) => {
            assert!(claims.is_empty());
            assert!(state.into_changes().unwrap().is_empty());
            false
        }
    }
}

/// Replaces, inserts or removes one byte.
fn changed(mut bytes: Vec<u8>, position: prop::sample::Index, byte: u8, how: u8) -> Vec<u8> {
    let position = position.index(bytes.len());
    match how {
        0 => bytes[position] ^= byte.max(1),
        1 => bytes.insert(position, byte),
        _ => drop(bytes.remove(position)),
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_payload_of_any_kind_is_refused(payload in prop::collection::vec(any::<u8>(), 0..300), kind in 0..6_u16) {
        let world = World::new(Reward::Immediate);
        prop_assert!(!is_taken(&world, &Transaction::new(Kind(kind), payload.clone())));
        let _ = codec::decode::<CoinbasePayload>(&payload);
        if let Ok(issuance) = codec::decode::<Issuance>(&payload) {
            prop_assert_eq!(codec::encode(&issuance), payload);
        }
    }

    #[test]
    fn a_changed_mint_is_refused(position in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3_u8) {
        let world = World::new(Reward::Immediate);
        let mint = world.mint(vec![pay(EUR, 100, 1)]);
        prop_assert!(is_taken(&world, &mint));
        let payload = changed(mint.payload.clone(), position, byte, how);
        let other = Transaction { payload, ..mint };
        prop_assert!(!is_taken(&world, &other));
    }

    #[test]
    fn a_changed_redemption_is_refused(position in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3_u8) {
        let mut world = World::new(Reward::Immediate);
        let coins = world.fund(vec![pay(EUR, 100, 1)]);
        let redeem = Issuance::redeem(EUR, health_chain_data::Amount(60), 2, common::inputs(&coins), vec![pay(EUR, 40, 1)]);
        let redeem = world.sign(world.issue(redeem, EUR), &coins);
        prop_assert!(is_taken(&world, &redeem));
        let payload = changed(redeem.payload.clone(), position, byte, how);
        // Even if the owner signs again.
        let other = world.sign(Transaction { payload, ..redeem }, &coins);
        prop_assert!(!is_taken(&world, &other));
    }

    #[test]
    fn any_witness_but_the_signature_is_refused(
        items in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4),
        position in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3_u8,
    ) {
        let mut world = World::new(Reward::Immediate);
        let coins = world.fund(vec![pay(EUR, 100, 1)]);
        let signed = world.transfer(&coins, vec![pay(EUR, 90, 2)]);
        prop_assert!(is_taken(&world, &signed));
        let mut other = unsigned(&coins, vec![pay(EUR, 90, 2)]);
        other.witnesses = vec![Witness::new(items)];
        prop_assert!(!is_taken(&world, &other));
        let signature = signed.witnesses[0].0[0].0.clone();
        other.witnesses = vec![Witness::new([changed(signature, position, byte, how)])];
        prop_assert!(!is_taken(&world, &other));
        prop_assert_eq!(owned(&other), owned(&signed));
    }

    #[test]
    fn locks_are_of_the_one_form_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40), form in any::<bool>()) {
        let mut bytes = bytes;
        if form {
            bytes.resize(34, 7);
            (bytes[0], bytes[33]) = (0x20, 0xac);
        }
        let lock = Lock(bytes);
        match SingleKey::key(&lock) {
            Ok(key) => prop_assert_eq!(SingleKey::lock(&key), lock),
            Err(_) => prop_assert!(SingleKey.check_lock(&lock).is_err()),
        }
    }

    #[test]
    fn any_transaction_that_decodes_is_judged_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let world = World::new(Reward::Immediate);
        if let Ok(transaction) = codec::decode::<Transaction>(&bytes) {
            prop_assert!(!is_taken(&world, &transaction) || transaction.kind == common::FREE);
        }
    }
}

#[test]
fn a_signature_for_one_chain_is_worth_nothing_on_another() {
    let mut world = World::new(Reward::Immediate);
    let coins = world.fund(vec![pay(EUR, 100, 1)]);
    let signed = world.transfer(&coins, vec![pay(EUR, 90, 2)]);
    assert!(is_taken(&world, &signed));
    world.context.chain.0.0[0] ^= 1;
    assert!(!is_taken(&world, &signed));
    assert_eq!(signed.kind, kinds::TRANSFER);
}
