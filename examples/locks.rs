//! Every standard lock, what opens it, and the refusal that it exists for: each spend stands in a block that the chain accepts, or
//! in one that it does not.
//!
//! Run it with `cargo run --release --example locks`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

mod common;

use common::{AT_ONCE, Local, Outcome, public, secret, sign};
use health_chain_contract::scripts::{
    Escrow, HashLock, Multisig, OraclePayout, Template, data_message, key_hash_witness, key_witness, multisig_witness,
    script_hash_witness,
};
use health_chain_data::{Signature, sha256};

const PATIENT: u8 = 1;
const CLINIC: u8 = 2;
const INSURER: u8 = 3;
const ARBITER: u8 = 4;
const THIEF: u8 = 9;
const PRICE: u64 = 5_000;
/// A signature that does not hold is found when those of the whole block are verified.
const FORGED: &str = "false-signature";
const TOO_EARLY: &str = "script-lock-time";

fn main() -> Outcome {
    let mut local = Local::open("locks", vec![], |genesis| genesis)?;
    keys(&mut local)?;
    hashes(&mut local)?;
    several_keys(&mut local)?;
    delays(&mut local)?;
    escrow(&mut local)?;
    hash_lock(&mut local)?;
    oracles(&mut local)?;
    println!("every lock held: block {}", local.height());
    Ok(())
}

fn keys(local: &mut Local) -> Outcome {
    println!("pay to a key");
    let coin = local.coin(PRICE, &Template::Key(public(PATIENT)))?;
    let by = |local: &Local, key| local.spend(&coin, CLINIC, AT_ONCE, |message| key_witness(&sign(key, message)));
    local.refused("another key", by(local, THIEF), FORGED)?;
    local.taken("its key", by(local, PATIENT))?;
    local.refused("its key a second time", by(local, PATIENT), "ledger-missing-coin")?;
    Ok(())
}

fn hashes(local: &mut Local) -> Outcome {
    println!("pay to the hash of a key: the key shows when it spends");
    let coin = local.coin(PRICE, &Template::key_hash(&public(PATIENT)))?;
    let by = |local: &Local, signer, shown| {
        local.spend(&coin, CLINIC, AT_ONCE, |message| key_hash_witness(&sign(signer, message), &public(shown)))
    };
    local.refused("another key", by(local, THIEF, THIEF), "script-equal-verify")?;
    local.refused("the key, signed by another", by(local, THIEF, PATIENT), FORGED)?;
    local.taken("the key", by(local, PATIENT, PATIENT))?;

    println!("pay to the hash of a script: what it asks for shows when it is run");
    let script = Template::Key(public(PATIENT)).lock().0;
    let mut coin = local.coin(PRICE, &Template::script_hash(&script))?;
    coin.code = script.clone(); // what is signed is the script, not its hash
    let by = |local: &Local, key, script: &[u8]| {
        local.spend(&coin, CLINIC, AT_ONCE, |message| script_hash_witness(key_witness(&sign(key, message)), script))
    };
    let own = Template::Key(public(THIEF)).lock().0;
    local.refused("another script", by(local, THIEF, &own), "script-false")?;
    local.refused("the script, not satisfied", by(local, THIEF, &script), FORGED)?;
    local.taken("the script, satisfied", by(local, PATIENT, &script))
}

fn several_keys(local: &mut Local) -> Outcome {
    println!("pay to two of three");
    let coin = local.coin(PRICE, &Template::multisig(2, vec![public(PATIENT), public(CLINIC), public(INSURER)])?)?;
    let by = |local: &Local, signers: &[u8]| {
        local.spend(&coin, CLINIC, AT_ONCE, |message| {
            multisig_witness(&signers.iter().map(|signer| sign(*signer, message)).collect::<Vec<_>>())
        })
    };
    local.refused("one of them", by(local, &[PATIENT]), "script-stack")?;
    local.refused("one of them and a stranger", by(local, &[PATIENT, THIEF]), FORGED)?;
    local.refused("two of them, in the wrong order", by(local, &[INSURER, PATIENT]), FORGED)?;
    local.taken("two of them", by(local, &[PATIENT, INSURER]))
}

fn delays(local: &mut Local) -> Outcome {
    println!("pay later: not before a height");
    let due = local.in_blocks(4).0;
    let coin = local.coin(PRICE, &Template::NotBefore { lock_time: due, key: public(CLINIC) })?;
    let by = |local: &Local, lock_time| {
        local.spend(&coin, CLINIC, (lock_time, 0), |message| key_witness(&sign(CLINIC, message)))
    };
    local.refused("a transaction that may come at once", by(local, 0), TOO_EARLY)?;
    local.refused("the right one, too early", by(local, due), "ledger-lock-time")?;
    local.wait_for(due)?;
    local.taken("the right one, when it is due", by(local, due))?;

    println!("pay later: when the coin has an age of 3 blocks");
    let coin = local.coin(PRICE, &Template::Aged { sequence: 3, key: public(CLINIC) })?;
    let made = local.height();
    let by = |local: &Local, sequence| {
        local.spend(&coin, CLINIC, (0, sequence), |message| key_witness(&sign(CLINIC, message)))
    };
    local.refused("a transaction for a coin of any age", by(local, 0), TOO_EARLY)?;
    local.refused("the right one, too early", by(local, 3), "ledger-relative-height")?;
    local.wait_for(made + 2)?;
    local.taken("the right one, three blocks on", by(local, 3))
}

fn escrow(local: &mut Local) -> Outcome {
    println!("escrow: two of buyer, seller and arbiter, or the buyer after a deadline");
    let (buyer, seller) = (PATIENT, CLINIC);
    let deadline = local.in_blocks(8).0;
    let template = Template::Escrow(Escrow::new(public(buyer), public(seller), public(ARBITER), deadline)?);
    let coins = local.coins(PRICE, &vec![template.lock(); 4])?;
    let agreed = |local: &Local, coin: usize, to, pair: [u8; 2]| {
        local.spend(&coins[coin], to, AT_ONCE, |message| Escrow::agreed_witness(&pair.map(|key| sign(key, message))))
    };
    let refund = |local: &Local, key, lock_time| {
        local.spend(&coins[3], buyer, (lock_time, 0), |message| Escrow::refund_witness(&sign(key, message)))
    };
    local.refused("the seller alone, twice", agreed(local, 0, seller, [seller, seller]), FORGED)?;
    local.refused("the seller and a stranger", agreed(local, 0, seller, [seller, THIEF]), FORGED)?;
    local.taken("delivered: buyer and seller pay the seller", agreed(local, 0, seller, [buyer, seller]))?;
    local.taken("a quarrel won by the seller: with the arbiter", agreed(local, 1, seller, [seller, ARBITER]))?;
    local.taken("a quarrel won by the buyer: with the arbiter", agreed(local, 2, buyer, [buyer, ARBITER]))?;
    local.refused("the buyer takes it back early", refund(local, buyer, 0), TOO_EARLY)?;
    local.wait_for(deadline)?;
    local.refused("the seller takes it after the deadline", refund(local, seller, deadline), FORGED)?;
    local.taken("nobody agrees: the buyer after the deadline", refund(local, buyer, deadline))
}

fn hash_lock(local: &mut Local) -> Outcome {
    println!("hash lock: who knows the secret, or the payer after a deadline");
    let known = [7; 32];
    let refund_from = local.in_blocks(5).0;
    let (digest, recipient, payer) = (sha256(&known), public(CLINIC), public(PATIENT));
    let template = Template::HashLock(HashLock { digest, recipient, payer, refund_from });
    let coins = local.coins(PRICE, &vec![template.lock(); 2])?;
    let claim = |local: &Local, key, known: [u8; 32]| {
        local.spend(&coins[0], CLINIC, AT_ONCE, |message| HashLock::claim_witness(&sign(key, message), &known))
    };
    let refund = |local: &Local, lock_time| {
        local.spend(&coins[1], PATIENT, (lock_time, 0), |message| HashLock::refund_witness(&sign(PATIENT, message)))
    };
    local.refused("another secret", claim(local, CLINIC, [8; 32]), "script-equal-verify")?;
    local.refused("the secret, seen and used by a thief", claim(local, THIEF, known), FORGED)?;
    local.taken("the recipient with the secret", claim(local, CLINIC, known))?;
    local.refused("the payer takes it back early", refund(local, 0), TOO_EARLY)?;
    local.wait_for(refund_from)?;
    local.taken("the payer after the deadline", refund(local, refund_from))
}

fn oracles(local: &mut Local) -> Outcome {
    println!("oracle payout: who it is promised to, if two of three oracles attest; or the payer after a deadline");
    let oracles = [21, 22, 23];
    let refund_from = local.in_blocks(6).0;
    let payout = OraclePayout {
        statement: sha256(b"delivery 815: arrived below 8 degrees"),
        oracles: Multisig::new(2, oracles.map(public).to_vec())?,
        beneficiary: public(CLINIC),
        payer: public(PATIENT),
        refund_from,
    };
    let attestation = data_message(&payout.statement.0);
    let coins = local.coins(PRICE, &vec![Template::OraclePayout(payout).lock(); 2])?;
    let claim = |local: &Local, signers: [Option<u8>; 3]| {
        let given: [Option<Signature>; 3] =
            signers.map(|oracle| oracle.map(|oracle| secret(oracle).sign(&attestation, &[0; 32])));
        local.spend(&coins[0], CLINIC, AT_ONCE, |message| OraclePayout::claim_witness(&sign(CLINIC, message), &given))
    };
    let refund = |local: &Local, lock_time| {
        local.spend(&coins[1], PATIENT, (lock_time, 0), |message| OraclePayout::refund_witness(&sign(PATIENT, message)))
    };
    local.refused("one attestation", claim(local, [Some(21), None, None]), "script-number-equal-verify")?;
    local.refused("one oracle for another", claim(local, [Some(21), Some(21), None]), FORGED)?;
    local.taken("two attestations", claim(local, [Some(21), None, Some(23)]))?;
    local.refused("the payer takes it back early", refund(local, 0), TOO_EARLY)?;
    local.wait_for(refund_from)?;
    local.taken("the payer after the deadline", refund(local, refund_from))
}
