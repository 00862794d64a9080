//! Units from their maker to their user, copies on the way, and recalls.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use health_chain_consensus::ports::{BlockContext, ExecuteError, Executor};
use health_chain_contract::{
    Contracts, Scripts,
    custody::{
        Action, Assign, Code, Consume, Custody, CustodyError, CustodyParameters, Fate, HandOver, Make, Move, Operation,
        RECALL, Recall, Scope, SerialDigest, Step, Unit, UnitId,
    },
    limits::{MAX_CODE_BYTES, MAX_CUSTODY_UNITS},
    notary::Dated,
    ports::Program,
    quorum::{QuorumError, SignerSignature},
    scripts::{ScriptError, Template},
};
use health_chain_data::{
    Amount, ChainId, Genesis, Hash, Height, Input, Kind, OutPoint, Output, PublicKey, SecretKey, Signature, Timestamp,
    TokenId, Transaction, Witness,
    codec::CodecError,
    ports::{ChainStore, SignatureClaim, SingleVerifier, Verifier},
    sha256,
    state::{MemoryStore, Overlay},
};
use health_chain_incentive::{IncentiveParameters, Issuance, Ledger, Reward, SingleKey, TokenRule};

const REGISTRARS: [u8; 3] = [1, 2, 3];
const MAKER: u8 = 11;
const WHOLESALER: u8 = 12;
const PHARMACY: u8 = 13;
const THIEF: u8 = 14;
const CHAIN: ChainId = ChainId(Hash([7; 32]));

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

fn public(seed: u8) -> PublicKey {
    secret(seed).public_key()
}

fn code(text: &str) -> Code {
    Code::new(text).unwrap()
}

fn product() -> Code {
    code("04012345678901")
}

/// Units of the product with these serial numbers, in the order that operations ask for.
fn units(serials: &[&str]) -> Vec<UnitId> {
    let mut units: Vec<UnitId> = serials.iter().map(|serial| UnitId::of(&product(), serial)).collect();
    units.sort();
    units
}

fn moves(units: &[UnitId], step: u32) -> Vec<Move> {
    units.iter().map(|unit| Move { unit: *unit, step }).collect()
}

fn parameters() -> CustodyParameters {
    CustodyParameters { threshold: 2, registrars: REGISTRARS.map(public).to_vec() }
}

fn custody() -> Custody {
    Custody::new(parameters()).unwrap()
}

fn signed<O: Operation>(operation: &O, seeds: &[u8]) -> Transaction {
    let message = operation.message(&CHAIN);
    let signatures: Vec<Signature> = seeds.iter().map(|seed| secret(*seed).sign(&message, &[0; 32])).collect();
    operation.transaction(&signatures)
}

fn assign(step: u32, maker: u8, registrars: &[u8]) -> Transaction {
    let operation = Assign { product: product(), step, maker: public(maker) };
    let message = operation.message(&CHAIN);
    let sign = |signer: &u8| {
        let seed = REGISTRARS.get(usize::from(*signer)).copied().unwrap_or(9);
        SignerSignature { signer: *signer, signature: secret(seed).sign(&message, &[0; 32]) }
    };
    operation.transaction_by(&registrars.iter().map(sign).collect::<Vec<_>>())
}

fn make(maker: u8, lot: &str, serials: &[&str]) -> Transaction {
    let mut serials: Vec<SerialDigest> = serials.iter().map(|serial| SerialDigest::of(&product(), serial)).collect();
    serials.sort();
    let (product, lot, document) = (product(), code(lot), Some(sha256(b"certificate of analysis")));
    signed(&Make { product, lot, maker: public(maker), serials, document }, &[maker])
}

fn hand_over(units: &[UnitId], step: u32, giver: u8, receiver: u8) -> Transaction {
    let (giver_key, receiver_key, document) = (public(giver), public(receiver), Some(sha256(b"delivery note")));
    let operation = HandOver { units: moves(units, step), giver: giver_key, receiver: receiver_key, document };
    signed(&operation, &[giver, receiver])
}

fn consume(units: &[UnitId], step: u32, holder: u8, fate: Fate) -> Transaction {
    signed(&Consume { units: moves(units, step), holder: public(holder), fate, document: None }, &[holder])
}

fn recall(maker: u8, scope: Scope) -> Transaction {
    signed(&Recall { maker: public(maker), scope, document: Some(sha256(b"safety notice")) }, &[maker])
}

fn recall_lot(maker: u8, lot: &str) -> Transaction {
    recall(maker, Scope::Lot { product: product(), lot: code(lot) })
}

fn recall_units(maker: u8, serials: &[&str]) -> Transaction {
    recall(maker, Scope::Units(units(serials)))
}

/// A state to which transactions are applied, one a block.
struct Blocks {
    store: MemoryStore,
    height: u32,
}

impl Blocks {
    /// The product is the maker's; lot A has the units 1 to 3, lot B unit 4.
    fn begun() -> Self {
        let mut blocks = Self { store: MemoryStore::default(), height: 0 };
        blocks.taken(&assign(0, MAKER, &[0, 2]));
        blocks.taken(&make(MAKER, "A", &["1", "2", "3"]));
        blocks.taken(&make(MAKER, "B", &["4"]));
        blocks
    }

    fn now(&self) -> Dated {
        Dated { height: Height(self.height), time: Timestamp(1_000 + self.height) }
    }

    fn attempt(&self, transaction: &Transaction) -> Result<(MemoryStore, Vec<SignatureClaim>), CustodyError> {
        let Dated { height, time } = self.now();
        let context = BlockContext { chain: CHAIN, height, median_time_past: time };
        let (custody, mut state, mut claims) = (custody(), Overlay::new(&self.store), vec![]);
        match custody.apply(&mut state, transaction, &transaction.id(), &context, &mut claims) {
            Ok(()) => {
                assert_eq!(claims.len(), custody.signature_checks(transaction) as usize, "announced exactly");
                let changes = state.into_changes().unwrap();
                let mut store = self.store.clone();
                store.commit(&changes).unwrap();
                Ok((store, claims))
            }
            Err(ExecuteError::Rejected(rejection)) => {
                assert!(claims.is_empty() && state.into_changes().unwrap().is_empty());
                let error: CustodyError = *rejection.source.downcast().unwrap();
                assert_eq!(error.rule(), rejection.rule);
                Err(error)
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn taken(&mut self, transaction: &Transaction) {
        self.height += 1;
        let (store, claims) = self.attempt(transaction).unwrap();
        SingleVerifier.verify(&claims).unwrap();
        self.store = store;
    }

    fn refusal(&self, transaction: &Transaction) -> CustodyError {
        self.attempt(transaction).expect_err("it breaks a rule")
    }

    fn unit(&self, serial: &str) -> Unit {
        Custody::unit(&self.store, &units(&[serial])[0]).unwrap().unwrap()
    }
}

#[test]
fn a_unit_goes_from_its_maker_to_its_user() {
    let mut blocks = Blocks::begun();
    let made = Dated { height: Height(2), time: Timestamp(1_002) };
    blocks.taken(&hand_over(&units(&["1", "2"]), 1, MAKER, WHOLESALER));
    let handed = blocks.now();
    blocks.taken(&hand_over(&units(&["1"]), 2, WHOLESALER, PHARMACY));
    blocks.taken(&consume(&units(&["1"]), 3, PHARMACY, Fate::Used));
    let end = blocks.now();

    let expected = |holder, step, fate| Unit { product: product(), lot: code("A"), holder: public(holder), step, fate };
    assert_eq!(blocks.unit("1"), expected(PHARMACY, 3, Some(Fate::Used)));
    assert_eq!(blocks.unit("2"), expected(WHOLESALER, 1, None));
    assert_eq!(blocks.unit("3"), expected(MAKER, 0, None));
    let history = Custody::history(&blocks.store, &units(&["1"])[0]).unwrap();
    let step = |action, holder, document: Option<&[u8]>, at| Step {
        action,
        holder: public(holder),
        document: document.map(sha256),
        at,
    };
    assert_eq!(history.len(), 4);
    assert_eq!(history[0], step(Action::Made, MAKER, Some(b"certificate of analysis"), made));
    assert_eq!(history[1], step(Action::HandedOver, WHOLESALER, Some(b"delivery note"), handed));
    assert_eq!(history[3], step(Action::Consumed(Fate::Used), PHARMACY, None, end));
    assert_eq!(Custody::history(&blocks.store, &units(&["5"])[0]).unwrap(), []);
    assert_eq!(Custody::unit(&blocks.store, &units(&["5"])[0]).unwrap(), None);
}

/// A second copy shows when it is made, handed over, given on by a former holder, or used; the error names both holders.
#[test]
fn a_copied_serial_number_is_caught_with_both_names() {
    let mut blocks = Blocks::begun();
    blocks.taken(&hand_over(&units(&["1"]), 1, MAKER, WHOLESALER));
    blocks.taken(&hand_over(&units(&["1"]), 2, WHOLESALER, PHARMACY));
    let unit = units(&["1"])[0];
    let names = |error: CustodyError, claimed_by| {
        let text = error.to_string();
        for named in [unit.to_string(), public(PHARMACY).to_string(), public(claimed_by).to_string()] {
            assert!(text.contains(&named), "{text} names {named}");
        }
        error
    };
    let held_by = public(PHARMACY);
    for claimed in [MAKER, THIEF] {
        let error = names(blocks.refusal(&make(claimed, "A", &["1"])), claimed);
        assert_eq!(error, CustodyError::AlreadyMade { unit, held_by, claimed_by: public(claimed) });
    }
    for (claimed, step) in [(THIEF, 3), (WHOLESALER, 2), (WHOLESALER, 3), (MAKER, 1)] {
        let expected = CustodyError::NotTheHolder { unit, held_by, claimed_by: public(claimed) };
        assert_eq!(names(blocks.refusal(&hand_over(&[unit], step, claimed, 20)), claimed), expected);
        assert_eq!(names(blocks.refusal(&consume(&[unit], step, claimed, Fate::Used)), claimed), expected);
    }
    blocks.taken(&consume(&[unit], 3, PHARMACY, Fate::Used));
    for claimed in [THIEF, PHARMACY] {
        let expected = CustodyError::AlreadyConsumed { unit, held_by, claimed_by: public(claimed) };
        assert_eq!(names(blocks.refusal(&consume(&[unit], 4, claimed, Fate::Used)), claimed), expected);
        assert_eq!(names(blocks.refusal(&hand_over(&[unit], 4, claimed, 20)), claimed), expected);
    }
}

#[test]
fn each_rule_has_its_refusal() {
    let blocks = Blocks::begun();
    let refusal = |transaction: Transaction| blocks.refusal(&transaction);
    let one = units(&["1"]);

    assert_eq!(refusal(assign(0, THIEF, &[0, 1])), CustodyError::Assignment { expected: 1, found: 0 });
    assert_eq!(refusal(assign(2, THIEF, &[0, 1])), CustodyError::Assignment { expected: 1, found: 2 });
    let signatures = |error| CustodyError::Signatures(error);
    let count = |found, threshold| signatures(QuorumError::Count { found, threshold });
    assert_eq!(refusal(assign(1, MAKER, &[0])), count(1, 2));
    assert_eq!(refusal(assign(1, MAKER, &[0, 1, 2])), count(3, 2));
    assert_eq!(refusal(assign(1, MAKER, &[1, 0])), signatures(QuorumError::Order));
    assert_eq!(refusal(assign(1, MAKER, &[0, 3])), signatures(QuorumError::UnknownSigner { signer: 3 }));
    let given = HandOver { units: moves(&one, 1), giver: public(MAKER), receiver: public(THIEF), document: None };
    assert_eq!(refusal(signed(&given, &[MAKER])), count(1, 2), "nobody is given what he did not take");

    let claimed_by = public(THIEF);
    let not_the_maker = CustodyError::NotTheMaker { product: product(), made_by: public(MAKER), claimed_by };
    assert_eq!(refusal(make(THIEF, "A", &["9"])), not_the_maker);
    let other = code("other");
    let unknown = Make {
        product: other.clone(),
        lot: code("A"),
        maker: claimed_by,
        serials: vec![SerialDigest(Hash::ZERO)],
        document: None,
    };
    assert_eq!(refusal(signed(&unknown, &[THIEF])), CustodyError::UnknownProduct { product: other });
    assert_eq!(refusal(make(MAKER, "A", &[])), CustodyError::NoUnits);
    assert_eq!(refusal(make(MAKER, "A", &["8", "8"])), CustodyError::UnitOrder);
    let mut reversed = units(&["1", "2"]);
    reversed.reverse();
    assert_eq!(refusal(hand_over(&reversed, 1, MAKER, PHARMACY)), CustodyError::UnitOrder);
    assert_eq!(refusal(consume(&reversed, 1, MAKER, Fate::Used)), CustodyError::UnitOrder);
    assert_eq!(refusal(recall(MAKER, Scope::Units(reversed))), CustodyError::UnitOrder);

    let holder = public(MAKER);
    assert_eq!(refusal(hand_over(&one, 1, MAKER, MAKER)), CustodyError::ToItself { holder });
    let unit = one[0];
    for found in [0, 2] {
        let expected = CustodyError::Step { unit, expected: 1, found };
        assert_eq!(refusal(hand_over(&one, found, MAKER, PHARMACY)), expected);
        assert_eq!(refusal(consume(&one, found, MAKER, Fate::Destroyed)), expected);
    }
    let unknown = units(&["9"])[0];
    let never_made = CustodyError::UnknownUnit { unit: unknown, claimed_by: public(MAKER) };
    assert_eq!(refusal(hand_over(&[unknown], 1, MAKER, PHARMACY)), never_made);
    // One that is wrong keeps the whole shipment where it is.
    let mut mixed = vec![unit, unknown];
    mixed.sort();
    assert_eq!(refusal(consume(&mixed, 1, MAKER, Fate::Used)), never_made);

    assert_eq!(refusal(recall_lot(THIEF, "A")), not_the_maker);
    assert_eq!(refusal(recall_units(THIEF, &["1"])), not_the_maker);
    assert_eq!(refusal(recall_lot(MAKER, "C")), CustodyError::UnknownLot { lot: code("C") });
    assert_eq!(refusal(recall_units(MAKER, &["9"])), CustodyError::NothingToRecall { unit: unknown });
    assert_eq!(refusal(recall_units(MAKER, &[])), CustodyError::NoUnits);

    for kind in 49..=53 {
        let noise = refusal(Transaction::new(Kind(kind), vec![1, 2, 3]));
        assert!(matches!(noise, CustodyError::Payload(_)), "{noise}");
    }
    let many = vec![units(&["1"])[0]; MAX_CUSTODY_UNITS + 1];
    assert_eq!(refusal(hand_over(&many, 1, MAKER, PHARMACY)), CustodyError::Payload(CodecError::OutOfRange));
    assert_eq!(refusal(recall(MAKER, Scope::Units(many))), CustodyError::Payload(CodecError::OutOfRange));
    let long = vec!["1"; MAX_CUSTODY_UNITS + 1];
    assert_eq!(refusal(make(MAKER, "A", &long)), CustodyError::Payload(CodecError::OutOfRange));
}

#[test]
fn a_product_can_be_given_to_another_maker() {
    let mut blocks = Blocks::begun();
    blocks.taken(&assign(1, WHOLESALER, &[1, 2]));
    let refused = blocks.refusal(&make(MAKER, "A", &["5"]));
    let (made_by, claimed_by) = (public(WHOLESALER), public(MAKER));
    assert_eq!(refused, CustodyError::NotTheMaker { product: product(), made_by, claimed_by });
    blocks.taken(&make(WHOLESALER, "A", &["5"]));
    // The units that there are stay where they are, and the new maker answers for them.
    blocks.taken(&hand_over(&units(&["1"]), 1, MAKER, PHARMACY));
    blocks.taken(&recall_lot(WHOLESALER, "A"));
    assert_eq!(Custody::product(&blocks.store, &product()).unwrap().unwrap().step, 1);
}

#[test]
fn a_recall_says_who_holds_what() {
    let mut blocks = Blocks::begun();
    blocks.taken(&hand_over(&units(&["1", "2"]), 1, MAKER, WHOLESALER));
    blocks.taken(&consume(&units(&["1"]), 2, WHOLESALER, Fate::Used));
    let recalled = |blocks: &Blocks| {
        let list = Custody::recalled(&blocks.store, &product()).unwrap();
        let mut list: Vec<_> = list.into_iter().map(|found| (found.id, found.since, found.unit)).collect();
        list.sort_by_key(|(id, ..)| *id);
        list
    };
    assert_eq!(recalled(&blocks), []);

    blocks.taken(&recall_units(MAKER, &["2", "4"]));
    let first = blocks.now();
    let expected: Vec<_> = units(&["2", "4"])
        .into_iter()
        .map(|id| (id, first, Custody::unit(&blocks.store, &id).unwrap().unwrap()))
        .collect();
    assert_eq!(recalled(&blocks), expected);

    blocks.taken(&recall_lot(MAKER, "A"));
    let second = blocks.now();
    assert_eq!(recalled(&blocks).len(), 4);
    let since = |serial| Custody::recalled_since(&blocks.store, &units(&[serial])[0]).unwrap();
    assert_eq!(["1", "2", "3", "4", "5"].map(since), [Some(second), Some(first), Some(second), Some(first), None]);
    let used = recalled(&blocks).into_iter().find(|(id, ..)| *id == units(&["1"])[0]).unwrap();
    assert_eq!((used.2.holder, used.2.fate), (public(WHOLESALER), Some(Fate::Used)), "used ones are found as well");

    // Recalled is recalled, and once. Units go back, or are destroyed, and are not used.
    assert_eq!(blocks.refusal(&recall_lot(MAKER, "A")), CustodyError::AlreadyRecalled { since: second });
    assert_eq!(blocks.refusal(&recall_units(MAKER, &["4"])), CustodyError::AlreadyRecalled { since: first });
    let (unit, new) = (units(&["2"])[0], units(&["6"]));
    let refused = blocks.refusal(&consume(&[unit], 2, WHOLESALER, Fate::Used));
    assert_eq!(refused, CustodyError::Recalled { unit, since: first });
    let refused = blocks.refusal(&make(MAKER, "A", &["6"]));
    assert_eq!(refused, CustodyError::Recalled { unit: new[0], since: second });
    blocks.taken(&hand_over(&[unit], 2, WHOLESALER, MAKER));
    blocks.taken(&consume(&[unit], 3, MAKER, Fate::Destroyed));
    // Lot B goes on, but for the unit that was called back by itself.
    blocks.taken(&make(MAKER, "B", &["6"]));
    blocks.taken(&consume(&new, 1, MAKER, Fate::Used));
}

/// A code that begins like another one is another one: products, lots and units don't run into each other.
#[test]
fn codes_that_begin_alike_stay_apart() {
    let mut blocks = Blocks::begun();
    blocks.taken(&make(MAKER, "AA", &["5"]));
    blocks.taken(&recall_lot(MAKER, "A"));
    assert_eq!(Custody::recalled_since(&blocks.store, &units(&["5"])[0]).unwrap(), None);
    assert_eq!(Custody::recalled(&blocks.store, &product()).unwrap().len(), 3);
    for product in ["0401234567890", "040123456789011", "0"] {
        assert_eq!(Custody::recalled(&blocks.store, &code(product)).unwrap(), []);
    }
    assert_ne!(UnitId::of(&code("12"), "3"), UnitId::of(&code("1"), "23"));
}

#[test]
fn a_signature_holds_for_one_operation_on_one_chain() {
    let blocks = Blocks::begun();
    let holds = |transaction: &Transaction| {
        let (_, claims) = blocks.attempt(transaction).unwrap();
        SingleVerifier.verify(&claims).is_ok()
    };
    let operation =
        HandOver { units: moves(&units(&["1"]), 1), giver: public(MAKER), receiver: public(PHARMACY), document: None };
    assert!(holds(&signed(&operation, &[MAKER, PHARMACY])));
    assert!(!holds(&signed(&operation, &[PHARMACY, MAKER])));
    assert!(!holds(&signed(&operation, &[MAKER, THIEF])));
    let sign = |message: Hash| [MAKER, PHARMACY].map(|seed| secret(seed).sign(&message, &[0; 32]));
    let elsewhere = operation.message(&ChainId(Hash([8; 32])));
    assert!(!holds(&operation.transaction(&sign(elsewhere))));
    let another = |change: fn(&mut HandOver)| {
        let mut other = operation.clone();
        change(&mut other);
        operation.transaction(&sign(other.message(&CHAIN)))
    };
    assert!(holds(&another(|_| ())));
    assert!(!holds(&another(|other| other.units[0].step = 2)));
    assert!(!holds(&another(|other| other.document = Some(Hash::ZERO))));
    assert!(!holds(&another(|other| other.receiver = public(THIEF))));
    // The same bytes under another kind are another statement.
    let consume =
        |fate| Consume { units: moves(&units(&["1"]), 1), holder: public(MAKER), fate, document: None }.message(&CHAIN);
    assert_ne!(consume(Fate::Used), consume(Fate::Destroyed));
}

#[test]
fn the_genesis_document_names_the_registrars() {
    let with = |parameters: &CustodyParameters| Genesis::new("test", Timestamp(1), vec![]).with(parameters);
    let refusal = |genesis: &Genesis| {
        let store = MemoryStore::default();
        match custody().genesis(&mut Overlay::new(&store), genesis) {
            Err(ExecuteError::Rejected(rejection)) => *rejection.source.downcast::<CustodyError>().unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let store = MemoryStore::default();
    assert!(custody().genesis(&mut Overlay::new(&store), &with(&parameters())).is_ok());
    let bare = Genesis::new("test", Timestamp(1), vec![]);
    assert!(matches!(refusal(&bare), CustodyError::Genesis(_)));
    let of = |threshold, seeds: &[u8]| CustodyParameters {
        threshold,
        registrars: seeds.iter().copied().map(public).collect(),
    };
    assert_eq!(refusal(&with(&of(1, &REGISTRARS))), CustodyError::OtherRegistrars);
    assert_eq!(refusal(&with(&of(2, &[1, 2, 4]))), CustodyError::OtherRegistrars);
    let twice = ScriptError::DuplicateKey { position: 1 };
    assert_eq!(refusal(&with(&of(2, &[1, 1]))), CustodyError::Registrars(twice));
    assert_eq!(Custody::new(of(0, &[])).err(), Some(ScriptError::Threshold { threshold: 0, keys: 0 }));
}

/// Through the executor, with money: the largest operations and the smallest stay within what a transaction may write, and a
/// recall takes no money.
#[test]
fn operations_of_every_size_fit() {
    const EURO: TokenId = TokenId(1);
    let bank = secret(100);
    let (symbol, issuers) = ("EUR".into(), vec![bank.public_key()]);
    let rule = TokenRule { token: EURO, symbol, decimals: 2, threshold: 1, issuers };
    let (tokens, reward) = (vec![rule.clone()], Reward::Immediate);
    let money = IncentiveParameters { fee_token: EURO, tokens, coinbase_maturity: 1, reward };
    let genesis = Genesis::new("custody", Timestamp(1_000), vec![]).with(&money).with(&parameters());
    let chain = genesis.chain_id();
    let contracts = Contracts::new(Ledger::new(money, Arc::new(Scripts)).unwrap(), vec![Arc::new(custody())]).unwrap();
    let store = MemoryStore::default();
    let mut state = Overlay::new(&store);
    contracts.genesis(&mut state, &genesis).unwrap();
    let coin = Output { token: EURO, amount: Amount(1), lock: Template::Key(public(MAKER)).lock() };
    let mut mint = Issuance::mint(EURO, 1, vec![coin.clone(); 20]).unwrap();
    let signature = bank.sign(&Issuance::message(&chain, &mint).unwrap(), &[0; 32]);
    Issuance::add_signature(&mut mint, &rule, &bank.public_key(), signature).unwrap();

    let context = BlockContext { chain, height: Height(1), median_time_past: Timestamp(1_000) };
    let mut claims = vec![];
    let mut apply = |transaction: &Transaction| contracts.apply(&mut state, transaction, &context, &mut claims);
    apply(&mint).unwrap();
    let mut coins = 0..;
    let mut paid = |mut transaction: Transaction| {
        if transaction.kind != RECALL {
            let previous = OutPoint { transaction: mint.id(), index: coins.next().unwrap() };
            transaction.inputs = vec![Input { previous, sequence: Input::FINAL }];
            transaction.witnesses = vec![Witness::default()];
            let spent = std::slice::from_ref(&coin);
            SingleKey::sign(&mut transaction, &chain, spent, &secret(MAKER), &[0; 32]).unwrap();
        }
        apply(&transaction).map(|effect| effect.signature_checks).unwrap()
    };
    // Whether signatures hold is the block's question; here they only take up their room.
    let nobody = Signature([0; 64]);
    let registrars = [0, 1].map(|signer| SignerSignature { signer, signature: nobody });
    for text in ["x".repeat(MAX_CODE_BYTES), "y".into()] {
        let (product, lot, maker) = (code(&text), code(&text), public(MAKER));
        let document = None;
        paid(Assign { product: product.clone(), step: 0, maker }.transaction_by(&registrars));
        let many: Vec<String> = (0..MAX_CUSTODY_UNITS).map(|serial| serial.to_string()).collect();
        for names in [many, vec!["alone".into()]] {
            let mut serials: Vec<_> = names.iter().map(|name| SerialDigest::of(&product, name)).collect();
            serials.sort();
            let mut units: Vec<_> = serials.iter().map(|serial| serial.unit(&product)).collect();
            units.sort();
            let make = Make { product: product.clone(), lot: lot.clone(), maker, serials, document };
            paid(make.transaction(&[nobody]));
            let given = HandOver { units: moves(&units, 1), giver: maker, receiver: public(PHARMACY), document };
            assert_eq!(paid(given.transaction(&[nobody; 2])), 3);
            let scope = Scope::Units(units.clone());
            assert_eq!(paid(Recall { maker, scope, document }.transaction(&[nobody])), 1);
            let (units, holder, fate) = (moves(&units, 2), public(PHARMACY), Fate::Destroyed);
            paid(Consume { units, holder, fate, document }.transaction(&[nobody]));
        }
        paid(Recall { maker, scope: Scope::Lot { product, lot }, document }.transaction(&[nobody]));
    }
}
