//! An insurance that pays by itself: the money lies on the chain under a lock that opens when two of three oracles attest to the
//! outcome. The insurer has signed once, when the policy was bought, and can neither delay nor refuse; if nothing happens, it has its
//! money back after the deadline. Oracles sign a statement, and know neither policy nor payment.
//!
//! Run it with `cargo run --release --example insurance`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

mod common;

use common::{AT_ONCE, Coin, Local, Outcome, public, sign};
use health_chain_contract::scripts::{Multisig, OraclePayout, Template, data_message, key_witness};
use health_chain_data::{Hash, Height, OutPoint, Signature, Transaction, sha256};
use health_chain_incentive::kinds::TRANSFER;

const INSURER: u8 = 1;
const PATIENT: u8 = 2;
const THIEF: u8 = 9;
/// Two hospitals and the transplant registry.
const ORACLES: [u8; 3] = [21, 22, 23];
const SUM: u64 = 500_000;

/// A promise: whom to pay if enough oracles sign `statement` before `deadline`.
struct Policy {
    statement: Hash,
    deadline: Height,
    coin: Coin,
}

impl Policy {
    /// The insurer puts the sum under the lock: the one thing it ever does.
    fn buy(local: &mut Local, statement: &str, deadline: Height) -> Outcome<Self> {
        let payout = OraclePayout {
            statement: sha256(statement.as_bytes()),
            oracles: Multisig::new(2, ORACLES.map(public).to_vec())?,
            beneficiary: public(PATIENT),
            payer: public(INSURER),
            refund_from: deadline.0,
        };
        let (statement, lock) = (payout.statement, Template::OraclePayout(payout).lock());
        let money = local.coin(SUM + 1, &Template::Key(public(INSURER)))?;
        let transfer = Transaction::new(TRANSFER, vec![]);
        let funding = local.paid_from(transfer, &money, &lock, AT_ONCE, |message| key_witness(&sign(INSURER, message)));
        let point = OutPoint { transaction: funding.id(), index: 0 };
        let coin = Coin { point, output: funding.outputs[0].clone(), code: lock.0 };
        local.taken("the insurer funds the policy", funding)?;
        Ok(Self { statement, deadline, coin })
    }

    /// The patient's claim, with the attestations that she was given; who has none leaves a gap.
    fn claim(&self, local: &Local, by: u8, attestations: [Option<Signature>; 3]) -> Transaction {
        let witness = |message: &Hash| OraclePayout::claim_witness(&sign(by, message), &attestations);
        local.spend(&self.coin, by, AT_ONCE, witness)
    }

    fn refund(&self, local: &Local, by: u8, lock_time: u32) -> Transaction {
        local.spend(&self.coin, by, (lock_time, 0), |message| OraclePayout::refund_witness(&sign(by, message)))
    }
}

/// What an oracle signs when it has seen the outcome. It takes part in nothing else.
fn attest(oracle: u8, statement: &Hash) -> Option<Signature> {
    Some(sign(oracle, &data_message(&statement.0)))
}

fn main() -> Outcome {
    let mut local = Local::open("insurance", vec![], |genesis| genesis)?;

    println!("the case happens");
    let deadline = local.in_blocks(12);
    let policy = Policy::buy(&mut local, "policy 4711: kidney transplanted", deadline)?;
    let [first, second, registry] = ORACLES.map(|oracle| attest(oracle, &policy.statement));
    let too_few = "script-number-equal-verify";
    local.refused("one attestation of three", policy.claim(&local, PATIENT, [first, None, None]), too_few)?;
    let other = sha256(b"policy 4712: kidney transplanted");
    let foreign = policy.claim(&local, PATIENT, [first, attest(ORACLES[1], &other), None]);
    local.refused("an attestation for another policy", foreign, "false-signature")?;
    let stolen = policy.claim(&local, THIEF, [first, second, None]);
    local.refused("a thief with two attestations", stolen, "false-signature")?;
    let early = policy.refund(&local, INSURER, deadline.0);
    local.refused("the insurer takes the money back before the deadline", early, "ledger-lock-time")?;
    local.taken("two attestations of three", policy.claim(&local, PATIENT, [first, None, registry]))?;
    assert_eq!(local.balance(PATIENT)?, SUM - 1, "paid, but for the fee");
    let again = policy.claim(&local, PATIENT, [first, second, None]);
    local.refused("the same claim with other attestations", again, "ledger-missing-coin")?;
    local.wait_for(deadline.0)?;
    let late = policy.refund(&local, INSURER, deadline.0);
    local.refused("the insurer takes back what was paid out", late, "ledger-missing-coin")?;

    println!("the case does not happen");
    let deadline = local.in_blocks(6);
    let policy = Policy::buy(&mut local, "policy 4712: kidney transplanted", deadline)?;
    let alone = [None, attest(ORACLES[1], &policy.statement), None];
    local.refused("one oracle alone", policy.claim(&local, PATIENT, alone), too_few)?;
    let early = policy.refund(&local, INSURER, 0);
    local.refused("the insurer with a transaction that may come at once", early, "script-lock-time")?;
    local.wait_for(policy.deadline.0)?;
    local.taken("the insurer after the deadline", policy.refund(&local, INSURER, deadline.0))?;
    assert_eq!((local.balance(PATIENT)?, local.balance(INSURER)?), (SUM - 1, SUM - 1));
    println!("paid once, and given back once: block {}", local.height());
    Ok(())
}
