//! Locks and witnesses of any bytes, and m-of-n against its definition.
#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use health_chain_contract::{
    Scripts,
    scripts::{Template, multisig_witness},
};
use health_chain_data::{
    Amount, ChainId, Height, Input, Kind, Lock, OutPoint, Output, PublicKey, SecretKey, Signature, Timestamp, TokenId,
    Transaction, TxId, Witness,
    ports::{SingleVerifier, Verifier},
    transaction::{spend_hash, spent_outputs_hash},
};
use health_chain_incentive::ports::{Spend, SpendCheck};
use proptest::prelude::*;

fn secret(index: usize) -> SecretKey {
    SecretKey::from_bytes(&[index as u8 + 1; 32]).unwrap()
}

fn public(index: usize) -> PublicKey {
    static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| (0..20).map(|key| secret(key).public_key()).collect());
    KEYS[index]
}

fn transaction() -> Transaction {
    let mut transaction = Transaction::new(Kind(2), vec![]);
    let previous = OutPoint { transaction: TxId::default(), index: 0 };
    transaction.inputs = vec![Input { previous, sequence: Input::FINAL }];
    transaction
}

/// Whether the witness opens the lock, the signatures that it claims included.
fn opens(lock: &Lock, witness: Witness) -> bool {
    let spent = Output { token: TokenId(1), amount: Amount(1), lock: lock.clone() };
    let transaction = Transaction { witnesses: vec![witness], ..transaction() };
    let spend = Spend {
        chain: &ChainId::default(),
        transaction: &transaction,
        id: &transaction.id(),
        input_index: 0,
        spent: &spent,
        spent_outputs: &spent_outputs_hash(std::slice::from_ref(&spent)),
        height: Height(1),
        median_time_past: Timestamp(0),
    };
    let mut claims = Vec::new();
    let satisfied = Scripts.check(&spend, &mut claims).is_ok();
    assert!(claims.len() <= Scripts.signature_checks(lock, spend.witness()) as usize);
    satisfied && SingleVerifier.verify(&claims).is_ok()
}

fn sign(lock: &Lock, signer: usize) -> Signature {
    let spent = Output { token: TokenId(1), amount: Amount(1), lock: lock.clone() };
    let outputs = spent_outputs_hash(&[spent]);
    let message = spend_hash(&ChainId::default(), &transaction().id(), &outputs, 0, &lock.0);
    secret(signer).sign(&message, &[0; 32])
}

proptest! {
    /// A lock that is understood is written back with the same bytes; no bytes make the reader panic.
    #[test]
    fn what_is_read_is_written_back(bytes in prop::collection::vec(any::<u8>(), 0..200), multisig: bool) {
        let mut bytes = bytes;
        if multisig {
            bytes.push(0xae);
        }
        let lock = Lock(bytes);
        if let Ok(template) = Template::parse(&lock) {
            prop_assert_eq!(template.lock(), lock);
        }
    }

    /// The same for locks that are nearly right.
    #[test]
    fn a_changed_lock_is_another_one_or_none(keys in 1_usize..=20, at in 0_usize..700, value: u8) {
        let template = Template::multisig(1, (0..keys).map(public).collect()).unwrap();
        let mut lock = template.lock();
        let at = at % lock.0.len();
        let changed = lock.0[at] != value;
        lock.0[at] = value;
        if let Ok(read) = Template::parse(&lock) {
            prop_assert_eq!(read.lock(), lock);
            prop_assert_eq!(read != template, changed);
        }
    }

    /// A witness opens an m-of-n lock exactly where its m signers are m different keys of the lock, in the lock's order.
    #[test]
    fn m_of_n_is_what_it_says(
        keys in 1_usize..=8,
        threshold in 1_usize..=8,
        signers in prop::collection::vec(0_usize..9, 0..6),
    ) {
        let threshold = threshold.min(keys);
        let lock = Template::multisig(threshold, (0..keys).map(public).collect()).unwrap().lock();
        let signatures: Vec<Signature> = signers.iter().map(|signer| sign(&lock, *signer)).collect();
        let ascending = signers.windows(2).all(|pair| pair[0] < pair[1]);
        let expected = signers.len() == threshold && ascending && signers.iter().all(|signer| *signer < keys);
        prop_assert_eq!(opens(&lock, multisig_witness(&signatures)), expected);
    }

    /// No choice of signers in the right order is refused, and no witness of any bytes is taken.
    #[test]
    fn every_quorum_opens_and_no_noise_does(
        chosen in prop::sample::subsequence((0..20).collect::<Vec<usize>>(), 1..=20),
        noise in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70), 0..5),
    ) {
        let lock = Template::multisig(chosen.len(), (0..20).map(public).collect()).unwrap().lock();
        let signatures: Vec<Signature> = chosen.iter().map(|signer| sign(&lock, *signer)).collect();
        prop_assert!(opens(&lock, multisig_witness(&signatures)));
        prop_assert!(!opens(&lock, Witness::new(noise)));
    }
}
