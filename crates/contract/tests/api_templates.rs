//! Every standard lock with what unlocks it and what does not, and an insurance that pays by itself.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use health_chain_consensus::ports::{BlockContext, ExecuteError, Executor};
use health_chain_contract::{
    Contracts, Scripts,
    script::{Fault, Script, lock_time},
    scripts::{
        Escrow, HashLock, Multisig, OraclePayout, ScriptError, Template, data_message, key_hash_witness, key_witness,
        script_hash_witness,
    },
};
use health_chain_data::{
    Amount, ChainId, Genesis, Hash, Height, Input, Kind, Lock, OutPoint, Output, PublicKey, SecretKey, Signature,
    Timestamp, TokenId, Transaction, TxId, Witness,
    ports::{SignatureClaim, SingleVerifier, Verifier},
    sha256,
    state::{MemoryStore, Overlay},
    transaction::spent_outputs_hash,
};
use health_chain_incentive::{
    IncentiveParameters, Issuance, Ledger, Reward, TokenRule, kinds,
    ports::{Spend, SpendCheck},
};

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

fn public(seed: u8) -> PublicKey {
    secret(seed).public_key()
}

fn sign(seed: u8, message: &Hash) -> Signature {
    secret(seed).sign(message, &[0; 32])
}

/// Why a spend fails.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    Script(Fault),
    Signature,
}

use Refused::Script as Because;

/// Spends `lock` in a transaction with this lock time and sequence; the witness is made of the message for `code`.
fn spend_as(
    lock: &Lock,
    code: &[u8],
    (lock_time, sequence): (u32, u32),
    witness: impl FnOnce(&Hash) -> Witness,
) -> Result<(), Refused> {
    assert!(Scripts.check_lock(lock).is_ok(), "the lock can be made");
    let spent = Output { token: TokenId(1), amount: Amount(1), lock: lock.clone() };
    let mut transaction = Transaction::new(Kind(2), vec![]);
    let previous = OutPoint { transaction: TxId::default(), index: 0 };
    transaction.inputs = vec![Input { previous, sequence }];
    transaction.lock_time = lock_time;
    let (chain, id, outputs) = (ChainId::default(), transaction.id(), spent_outputs_hash(std::slice::from_ref(&spent)));
    transaction.witnesses = vec![Witness::default()];
    let spend = |transaction| Spend {
        chain: &chain,
        transaction,
        id: &id,
        input_index: 0,
        spent: &spent,
        spent_outputs: &outputs,
        height: Height(1),
        median_time_past: Timestamp(0),
    };
    let message = spend(&transaction).message(code);
    let mut signed = transaction.clone();
    signed.witnesses = vec![witness(&message)];
    let mut claims = Vec::new();
    let checks = Scripts.signature_checks(lock, &signed.witnesses[0]);
    let verdict = Scripts.check(&spend(&signed), &mut claims);
    verdict.map_err(|rejection| Because(*rejection.source.downcast::<Fault>().unwrap()))?;
    assert!(claims.len() <= checks as usize);
    SingleVerifier.verify(&claims).map_err(|_| Refused::Signature)
}

fn spend(lock: &Lock, times: (u32, u32), witness: impl FnOnce(&Hash) -> Witness) -> Result<(), Refused> {
    spend_as(lock, &lock.0, times, witness)
}

const ANY_TIME: (u32, u32) = (0, Input::FINAL);
const DEADLINE: u32 = 1_800_000_000;
const LATE: (u32, u32) = (DEADLINE, 0);
const EARLY: (u32, u32) = (DEADLINE - 1, 0);

#[test]
fn every_form_is_read_back() {
    let oracles = |threshold, count: u8| Multisig::new(threshold, (10..10 + count).map(public).collect()).unwrap();
    let payout = |oracles| OraclePayout {
        statement: sha256(b"done"),
        oracles,
        beneficiary: public(1),
        payer: public(2),
        refund_from: DEADLINE,
    };
    let hash_lock = HashLock { digest: sha256(&[7; 32]), recipient: public(1), payer: public(2), refund_from: 12 };
    let forms = [
        Template::key_hash(&public(1)),
        Template::script_hash(&[0x51]),
        Template::NotBefore { lock_time: DEADLINE, key: public(1) },
        Template::NotBefore { lock_time: 7, key: public(1) },
        Template::Aged { sequence: lock_time::TIME | 0xffff, key: public(1) },
        Template::Escrow(Escrow::new(public(1), public(2), public(3), 0).unwrap()),
        Template::HashLock(hash_lock),
        Template::OraclePayout(payout(oracles(1, 1))),
        Template::OraclePayout(payout(oracles(3, 5))),
        Template::OraclePayout(payout(oracles(20, 20))),
    ];
    for form in forms {
        let lock = form.lock();
        assert_eq!(Template::parse(&lock), Ok(form), "{}", Script(&lock.0));
        for at in 0..lock.0.len() {
            let mut changed = lock.clone();
            changed.0[at] ^= 1;
            assert!(Template::parse(&changed).is_err() || Template::parse(&changed).unwrap().lock() == changed);
        }
    }
    // The same with a push that is longer than it has to be is another script.
    let lock = Template::NotBefore { lock_time: 7, key: public(1) }.lock();
    let longer = Lock([&[0x01, 0x07], &lock.0[1..]].concat());
    assert_eq!(Template::parse(&longer), Err(ScriptError::UnknownForm));
}

#[test]
fn a_key_behind_its_hash() {
    let lock = Template::key_hash(&public(1)).lock();
    assert_eq!(spend(&lock, ANY_TIME, |message| key_hash_witness(&sign(1, message), &public(1))), Ok(()));
    let stranger = spend(&lock, ANY_TIME, |message| key_hash_witness(&sign(2, message), &public(2)));
    assert_eq!(stranger, Err(Because(Fault::EqualVerify)));
    let forged = spend(&lock, ANY_TIME, |message| key_hash_witness(&sign(2, message), &public(1)));
    assert_eq!(forged, Err(Refused::Signature));
}

#[test]
fn a_script_behind_its_hash() {
    let script = Template::Key(public(1)).lock().0;
    let lock = Template::script_hash(&script).lock();
    let by = |seed, script: &[u8]| {
        spend_as(&lock, script, ANY_TIME, |message| script_hash_witness(key_witness(&sign(seed, message)), script))
    };
    assert_eq!(by(1, &script), Ok(()));
    assert_eq!(by(2, &script), Err(Refused::Signature));
    assert_eq!(by(2, &Template::Key(public(2)).lock().0), Err(Because(Fault::EvaluatedFalse)));
    let lock_as_code = spend(&lock, ANY_TIME, |message| script_hash_witness(key_witness(&sign(1, message)), &script));
    assert_eq!(lock_as_code, Err(Refused::Signature), "the script is signed, and not its hash");
}

#[test]
fn a_delayed_payment() {
    let signed = |message: &Hash| key_witness(&sign(1, message));
    let lock = Template::NotBefore { lock_time: DEADLINE, key: public(1) }.lock();
    assert_eq!(spend(&lock, LATE, signed), Ok(()));
    for early in [EARLY, (DEADLINE, Input::FINAL), (400_000_000, 0), (0, 0)] {
        assert_eq!(spend(&lock, early, signed), Err(Because(Fault::UnsatisfiedLockTime)), "{early:?}");
    }
    assert_eq!(spend(&lock, LATE, |message| key_witness(&sign(2, message))), Err(Refused::Signature));

    let lock = Template::Aged { sequence: 144, key: public(1) }.lock();
    assert_eq!(spend(&lock, (0, 144), signed), Ok(()));
    for young in [143, lock_time::TIME | 144, Input::FINAL] {
        assert_eq!(spend(&lock, (0, young), signed), Err(Because(Fault::UnsatisfiedLockTime)), "{young}");
    }
}

#[test]
fn an_escrow() {
    let lock = Template::Escrow(Escrow::new(public(1), public(2), public(3), DEADLINE).unwrap()).lock();
    let agreed =
        |pair: [u8; 2]| spend(&lock, ANY_TIME, |message| Escrow::agreed_witness(&pair.map(|seed| sign(seed, message))));
    for pair in [[1, 2], [1, 3], [2, 3]] {
        assert_eq!(agreed(pair), Ok(()), "{pair:?}");
    }
    for pair in [[1, 1], [2, 1], [1, 4], [4, 3]] {
        assert_eq!(agreed(pair), Err(Refused::Signature), "{pair:?}");
    }
    let refund = |seed, times| spend(&lock, times, |message| Escrow::refund_witness(&sign(seed, message)));
    assert_eq!(refund(1, LATE), Ok(()));
    assert_eq!(refund(1, EARLY), Err(Because(Fault::UnsatisfiedLockTime)));
    assert_eq!(refund(2, LATE), Err(Refused::Signature));
    assert_eq!(Escrow::new(public(1), public(2), public(1), 0), Err(ScriptError::DuplicateKey { position: 2 }));
}

#[test]
fn a_hash_lock() {
    let secret = [7; 32];
    let hash_lock = HashLock { digest: sha256(&secret), recipient: public(1), payer: public(2), refund_from: DEADLINE };
    let lock = Template::HashLock(hash_lock).lock();
    let claim = |seed, secret| spend(&lock, ANY_TIME, |message| HashLock::claim_witness(&sign(seed, message), &secret));
    assert_eq!(claim(1, secret), Ok(()));
    assert_eq!(claim(1, [8; 32]), Err(Because(Fault::EqualVerify)));
    assert_eq!(claim(2, secret), Err(Refused::Signature));
    let long = spend(&lock, ANY_TIME, |message| Witness::new([&sign(1, message).as_bytes()[..], &[7; 33], &[1]]));
    assert_eq!(long, Err(Because(Fault::EqualVerify)));
    let refund = |seed, times| spend(&lock, times, |message| HashLock::refund_witness(&sign(seed, message)));
    assert_eq!(refund(2, LATE), Ok(()));
    assert_eq!(refund(2, EARLY), Err(Because(Fault::UnsatisfiedLockTime)));
    assert_eq!(refund(1, LATE), Err(Refused::Signature));
}

fn policy(threshold: usize) -> OraclePayout {
    OraclePayout {
        statement: sha256(b"policy 4711: surgery done"),
        oracles: Multisig::new(threshold, vec![public(11), public(12), public(13)]).unwrap(),
        beneficiary: public(1),
        payer: public(2),
        refund_from: DEADLINE,
    }
}

/// What each oracle that is asked says about `statement`.
fn attested(oracles: [Option<u8>; 3], statement: &Hash) -> [Option<Signature>; 3] {
    oracles.map(|oracle| oracle.map(|seed| sign(seed, &data_message(&statement.0))))
}

#[test]
fn an_oracle_payout() {
    let payout = policy(2);
    let lock = Template::OraclePayout(payout.clone()).lock();
    let claim = |seed, oracles, statement: &Hash| {
        let attestations = attested(oracles, statement);
        spend(&lock, ANY_TIME, |message| OraclePayout::claim_witness(&sign(seed, message), &attestations))
    };
    let statement = payout.statement;
    for oracles in [[Some(11), Some(12), None], [None, Some(12), Some(13)], [Some(11), None, Some(13)]] {
        assert_eq!(claim(1, oracles, &statement), Ok(()), "{oracles:?}");
    }
    let too_few = Err(Because(Fault::NumEqualVerify));
    assert_eq!(claim(1, [Some(11), None, None], &statement), too_few);
    assert_eq!(claim(1, [Some(11), Some(12), Some(13)], &statement), too_few, "one more would be a choice for others");
    assert_eq!(claim(1, [Some(11), Some(11), None], &statement), Err(Refused::Signature));
    assert_eq!(claim(1, [Some(11), Some(12), None], &sha256(b"policy 4712: surgery done")), Err(Refused::Signature));
    assert_eq!(claim(3, [Some(11), Some(12), None], &statement), Err(Refused::Signature));
    let refund = |seed, times| spend(&lock, times, |message| OraclePayout::refund_witness(&sign(seed, message)));
    assert_eq!(refund(2, LATE), Ok(()));
    assert_eq!(refund(2, EARLY), Err(Because(Fault::UnsatisfiedLockTime)));
    assert_eq!(refund(1, LATE), Err(Refused::Signature));
}

/// The insurer funds a policy, two oracles attest, the patient is paid without the insurer doing anything, and not twice.
#[test]
fn an_insurance_pays_once_and_without_anyones_hand() {
    const EURO: TokenId = TokenId(1);
    let issuer = secret(100);
    let rule =
        TokenRule { token: EURO, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers: vec![issuer.public_key()] };
    let parameters = IncentiveParameters {
        fee_token: EURO,
        tokens: vec![rule.clone()],
        coinbase_maturity: 1,
        reward: Reward::Immediate,
    };
    let genesis = Genesis::new("insurance", Timestamp(DEADLINE - 1_000), vec![]).with(&parameters);
    let contracts = Contracts::new(Ledger::new(parameters, Arc::new(Scripts)).unwrap(), vec![]).unwrap();
    let store = MemoryStore::default();
    let mut state = Overlay::new(&store);
    contracts.genesis(&mut state, &genesis).unwrap();
    let chain = genesis.chain_id();
    let at = |time| BlockContext { chain, height: Height(1), median_time_past: Timestamp(time) };
    let mut apply = |transaction: &Transaction, time| {
        let mut claims: Vec<SignatureClaim> = Vec::new();
        let effect = contracts.apply(&mut state, transaction, &at(time), &mut claims);
        SingleVerifier.verify(&claims).unwrap();
        effect.map(|effect| effect.signature_checks).map_err(|error| match error {
            ExecuteError::Rejected(rejection) => rejection.rule,
            other => panic!("{other}"),
        })
    };

    let payout = policy(2);
    let promise = Output { token: EURO, amount: Amount(500_000), lock: Template::OraclePayout(payout.clone()).lock() };
    let mut mint = Issuance::mint(EURO, 1, vec![promise.clone()]).unwrap();
    let signature = issuer.sign(&Issuance::message(&chain, &mint).unwrap(), &[0; 32]);
    Issuance::add_signature(&mut mint, &rule, &issuer.public_key(), signature).unwrap();
    assert!(apply(&mint, DEADLINE - 900).is_ok());

    let spent = spent_outputs_hash(std::slice::from_ref(&promise));
    let spending = |fee: u64, lock_time, witness: &dyn Fn(&Hash) -> Witness| {
        let mut transaction = Transaction::new(kinds::TRANSFER, vec![]);
        let previous = OutPoint { transaction: mint.id(), index: 0 };
        transaction.inputs = vec![Input { previous, sequence: 0 }];
        transaction.lock_time = lock_time;
        let (token, amount) = (EURO, Amount(500_000 - fee));
        transaction.outputs = vec![Output { token, amount, lock: Template::Key(public(1)).lock() }];
        let message = health_chain_data::transaction::spend_hash(&chain, &transaction.id(), &spent, 0, &promise.lock.0);
        transaction.witnesses = vec![witness(&message)];
        transaction
    };
    let claim = |fee, oracles| {
        let attestations = attested(oracles, &payout.statement);
        spending(fee, 0, &|message| OraclePayout::claim_witness(&sign(1, message), &attestations))
    };
    let refund = spending(1, DEADLINE, &|message| OraclePayout::refund_witness(&sign(2, message)));

    assert_eq!(apply(&refund, DEADLINE - 800), Err("ledger-lock-time"));
    assert_eq!(apply(&claim(1, [Some(11), None, None]), DEADLINE - 700), Err("script-number-equal-verify"));
    // Three oracles and the patient in one branch, the insurer's check shared with hers.
    assert_eq!(apply(&claim(1, [Some(11), None, Some(13)]), DEADLINE - 600), Ok(4));
    assert_eq!(apply(&claim(2, [Some(11), Some(12), None]), DEADLINE - 500), Err("ledger-missing-coin"));
    assert_eq!(apply(&refund, DEADLINE + 1), Err("ledger-missing-coin"));
}
