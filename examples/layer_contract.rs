//! The contract layer alone: a drug's way from its maker to the patient, paid for as it goes. No record and no patient's name is in it.
//!
//! The task: packs are made known once, every hand-over is signed by who gives and who takes, a copied serial number is found out,
//! and a recall finds whoever holds a pack. `Custody` is the program for that, and comes with the layer; goods and price change
//! hands in one transaction, because the hand-over is what the escrow's coin is spent with.
//!
//! Run it with `cargo run --release --example layer_contract`. A program of one's own is in `own_program.rs`, the locks are in `locks.rs`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

mod common;

use std::sync::Arc;

use common::{AT_ONCE, Local, Outcome, key_lock, public, sign};
use health_chain_contract::{
    custody::{
        Assign, Code, Consume, Custody, CustodyParameters, Fate, HandOver, Make, Move, Operation, Recall, Scope,
        SerialDigest, UnitId,
    },
    scripts::{Escrow, Template, key_witness},
};
use health_chain_data::{Amount, Signature, Transaction, sha256, state::state_hash};

const REGISTRAR: u8 = 1;
const MAKER: u8 = 2;
const WHOLESALER: u8 = 3;
const PHARMACY: u8 = 4;
const ARBITER: u8 = 5;
const THIEF: u8 = 9;
const CENTS: u64 = 2;

fn signed<O: Operation>(local: &Local, operation: &O, signers: &[u8]) -> Transaction {
    let message = operation.message(&local.id());
    let signatures: Vec<Signature> = signers.iter().map(|signer| sign(*signer, &message)).collect();
    operation.transaction(&signatures)
}

fn hand_over(local: &Local, unit: UnitId, step: u32, giver: u8, receiver: u8) -> Transaction {
    let (units, document) = (vec![Move { unit, step }], Some(sha256(b"delivery note")));
    let operation = HandOver { units, giver: public(giver), receiver: public(receiver), document };
    signed(local, &operation, &[giver, receiver])
}

fn used(local: &Local, unit: UnitId, step: u32, holder: u8) -> Transaction {
    let (units, fate) = (vec![Move { unit, step }], Fate::Used);
    signed(local, &Consume { units, holder: public(holder), fate, document: None }, &[holder])
}

fn main() -> Outcome {
    // The registrars of the genesis document say whose product is whose; the program stands beside the ledger.
    let parameters = CustodyParameters { threshold: 1, registrars: vec![public(REGISTRAR)] };
    let custody = Custody::new(parameters.clone())?;
    let mut local = Local::open("custody", vec![Arc::new(custody)], |genesis| genesis.with(&parameters))?;

    // Anybody may pay a fee: the signatures that count for the packs are in the payload. Here the maker pays all.
    let mut fees = local.coins(CENTS, &vec![key_lock(MAKER); 12])?.into_iter();
    let mut paid = move |local: &Local, transaction: Transaction| {
        let coin = fees.next().ok_or("no coin left for a fee")?;
        let witness = |message: &_| key_witness(&sign(MAKER, message));
        Outcome::Ok(local.paid_from(transaction, &coin, &key_lock(MAKER), AT_ONCE, witness))
    };

    println!("three packs of one lot are made, and go their ways");
    let (product, lot) = (Code::new("04012345678901")?, Code::new("A7")?);
    let assign = Assign { product: product.clone(), step: 0, maker: public(MAKER) };
    let assign = paid(&local, signed(&local, &assign, &[REGISTRAR]))?;
    local.taken("the registrar gives the product to its maker", assign)?;
    // Serial numbers are random, and on the chain by their digests only.
    let serials = ["K4X9ZP2M7Q", "W81TC5RNJD", "H3VB6YE0SA"];
    let [first, second, third] = serials.map(|serial| UnitId::of(&product, serial));
    let mut digests = serials.map(|serial| SerialDigest::of(&product, serial)).to_vec();
    digests.sort();
    let document = Some(sha256(b"certificate of analysis"));
    let make = Make { product: product.clone(), lot: lot.clone(), maker: public(MAKER), serials: digests, document };
    let transaction = paid(&local, signed(&local, &make, &[MAKER]))?;
    local.taken("the maker makes three packs", transaction)?;

    // The wholesaler's price waits in an escrow. What spends it, signed by both, is the hand-over itself.
    let escrow = Escrow::new(public(WHOLESALER), public(MAKER), public(ARBITER), local.in_blocks(100).0)?;
    let price = local.coin(9_001, &Template::Escrow(escrow))?;
    let agreed = |message: &_| Escrow::agreed_witness(&[sign(WHOLESALER, message), sign(MAKER, message)]);
    let delivery = hand_over(&local, first, 1, MAKER, WHOLESALER);
    let delivery = local.paid_from(delivery, &price, &key_lock(MAKER), AT_ONCE, agreed);
    assert_eq!(delivery.outputs[0].amount, Amount(9_000), "the maker's price");
    local.taken("one pack for its price, in one transaction", delivery)?;
    for (what, unit, step, giver, receiver) in [
        ("the same pack to the pharmacy", first, 2, WHOLESALER, PHARMACY),
        ("a second one to the wholesaler", second, 1, MAKER, WHOLESALER),
    ] {
        let transaction = paid(&local, hand_over(&local, unit, step, giver, receiver))?;
        local.taken(what, transaction)?;
    }

    println!("a counterfeit carries the first pack's serial number");
    let known = public(PHARMACY).to_string();
    let copies = [
        ("sold again by who gave it away", hand_over(&local, first, 3, WHOLESALER, THIEF), "custody-holder"),
        ("used by who never had it", used(&local, first, 3, THIEF), "custody-holder"),
        ("made once more", signed(&local, &make, &[MAKER]), "custody-already-made"),
        ("never made at all", used(&local, UnitId::of(&product, "FAKE"), 1, THIEF), "custody-unknown-unit"),
    ];
    for (what, copy, rule) in copies {
        let copy = paid(&local, copy)?;
        let told = local.refused(what, copy, rule)?;
        assert!(rule != "custody-holder" || told.contains(&known), "the error names who really holds it");
    }
    let transaction = paid(&local, used(&local, first, 3, PHARMACY))?;
    local.taken("the pharmacy dispenses the real one", transaction)?;

    println!("the maker calls the lot back");
    let recall = Recall { maker: public(MAKER), scope: Scope::Lot { product: product.clone(), lot }, document: None };
    let recall = signed(&local, &recall, &[MAKER]);
    local.taken("a recall, which costs nothing", recall)?;
    let transaction = paid(&local, used(&local, second, 2, WHOLESALER))?;
    local.refused("a recalled pack is not used", transaction, "custody-recalled")?;
    let mut found = Custody::recalled(local.state(), &product)?;
    found.sort_by_key(|recalled| [first, second, third].iter().position(|unit| *unit == recalled.id));
    let holders: Vec<_> = found.iter().map(|recalled| (recalled.unit.holder, recalled.unit.fate)).collect();
    let expected = [(public(PHARMACY), Some(Fate::Used)), (public(WHOLESALER), None), (public(MAKER), None)];
    assert_eq!(holders, expected);
    for (holder, fate) in holders {
        println!("  {} {holder}", if fate.is_some() { "was used by " } else { "is held by  " });
    }

    println!("the first pack's way");
    let history = Custody::history(local.state(), &first)?;
    assert_eq!(history.len(), 4);
    for (number, step) in history.iter().enumerate() {
        println!("  step {number}, block {}: {:?}, then with {}", step.at.height, step.action, step.holder);
    }
    // Whoever replays the chain from its first block comes to the same state.
    assert_eq!(local.chain().replay()?, state_hash(local.state())?);
    Ok(())
}
