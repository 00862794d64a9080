//! Verdicts on Bitcoin's scripts from before segwit, ECDSA signatures included: the machine against Bitcoin Core's own interpreter, which
//! the crate `bitcoinconsensus` compiles from its C++ sources.
//!
//! Both get the spending transaction as bytes and parse it each time. Rules are those that both know. Before anything is measured,
//! both have to come to the same verdict on every script. The scripts are a few that are written here, and Bitcoin Core's published cases
//! where they lie beside the checkout.

#[path = "../crates/contract/tests/common/mod.rs"]
mod bitcoin;
mod turns;

use std::{fs, hint::black_box, path::Path};

use bitcoin::{BitcoinCheck, BitcoinTransaction};
use bitcoinconsensus::{
    VERIFY_CHECKLOCKTIMEVERIFY, VERIFY_CHECKSEQUENCEVERIFY, VERIFY_DERSIG, VERIFY_NULLDUMMY, VERIFY_P2SH,
    verify_with_flags,
};
use health_chain::contract::{
    ports::{Need, SignatureCheck, Signed},
    script::{Builder, Flags, Opcode, assemble, hash160, verify},
};
use k256::ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner};
use serde_json::Value;
use turns::{compare, contestant};

/// The rules that both know, in both their forms.
const RULES: [(Flags, u32); 5] = [
    (Flags::P2SH, VERIFY_P2SH),
    (Flags::DERSIG, VERIFY_DERSIG),
    (Flags::NULLDUMMY, VERIFY_NULLDUMMY),
    (Flags::CHECKLOCKTIMEVERIFY, VERIFY_CHECKLOCKTIMEVERIFY),
    (Flags::CHECKSEQUENCEVERIFY, VERIFY_CHECKSEQUENCEVERIFY),
];
/// `SIGHASH_ALL`.
const ALL: u8 = 1;

/// A lock, the transaction whose first input spends it, and the rules.
struct Spend {
    lock: Vec<u8>,
    transaction: Vec<u8>,
    flags: Flags,
    core_flags: u32,
    signatures: u32,
}

impl Spend {
    fn new(lock: &[u8], unlock: &[u8], flags: Flags) -> Self {
        let known = RULES.into_iter().filter(|(flag, _)| flags.contains(*flag));
        let (flags, core_flags) = known.fold((Flags::NONE, 0), |(ours, core), (flag, bit)| (ours | flag, core | bit));
        let transaction = BitcoinTransaction::spending(lock, unlock);
        let mut counting = Counting { check: BitcoinCheck { transaction: &transaction, index: 0 }, signatures: 0 };
        let verdict = verify(unlock, lock, flags, &mut counting).is_ok();
        let signatures = counting.signatures;
        let spend = Self { lock: lock.to_vec(), transaction: transaction.write(), flags, core_flags, signatures };
        assert_eq!(spend.ours(), verdict);
        assert_eq!(spend.core(), verdict, "the verdicts differ on {}", hex::encode(lock));
        spend
    }

    fn ours(&self) -> bool {
        let transaction = BitcoinTransaction::parse(&self.transaction);
        let mut check = BitcoinCheck { transaction: &transaction, index: 0 };
        verify(&transaction.inputs[0].script, &self.lock, self.flags, &mut check).is_ok()
    }

    fn core(&self) -> bool {
        verify_with_flags(&self.lock, 0, &self.transaction, None, 0, self.core_flags).is_ok()
    }
}

struct Counting<'a> {
    check: BitcoinCheck<'a>,
    signatures: u32,
}

impl SignatureCheck for Counting<'_> {
    fn check_signature(&mut self, signed: &Signed<'_>) -> bool {
        self.signatures += 1;
        self.check.check_signature(signed)
    }

    fn check_data(&mut self, key: &[u8], signature: &[u8], message: &[u8], need: Need) -> bool {
        self.check.check_data(key, signature, message, need)
    }

    fn check_lock_time(&mut self, lock_time: i64) -> bool {
        self.check.check_lock_time(lock_time)
    }

    fn check_sequence(&mut self, sequence: i64) -> bool {
        self.check.check_sequence(sequence)
    }
}

fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).expect("small numbers are keys")
}

fn public(seed: u8) -> Vec<u8> {
    signing_key(seed).verifying_key().to_sec1_point(true).as_bytes().to_vec()
}

/// A signature of the spend of `lock`, whose script code is `code`.
fn sign(seed: u8, lock: &[u8], code: &[u8]) -> Vec<u8> {
    let digest = BitcoinTransaction::spending(lock, &[]).signature_hash(code, 0, u32::from(ALL));
    let signature: Signature = signing_key(seed).sign_prehash(&digest).expect("a digest of 32 bytes");
    [signature.normalize_s().to_der().as_bytes(), &[ALL]].concat()
}

/// What people pay into most: a key, the hash of one, two of three, and those behind a hash.
fn with_signatures() -> Vec<Spend> {
    let all = RULES.into_iter().fold(Flags::NONE, |all, (flag, _)| all | flag);
    let push = |items: &[&[u8]]| items.iter().fold(Builder::default(), |script, item| script.data(item)).into_bytes();
    let key = Builder::default().data(&public(1)).opcode(Opcode::CHECKSIG).into_bytes();
    let key_hash = Builder::default()
        .opcodes(&[Opcode::DUP, Opcode::HASH160])
        .data(&hash160(&public(1)))
        .opcodes(&[Opcode::EQUALVERIFY, Opcode::CHECKSIG])
        .into_bytes();
    let keys = (1..=3).fold(Builder::default().number(2), |script, seed| script.data(&public(seed)));
    let two_of_three = keys.number(3).opcode(Opcode::CHECKMULTISIG).into_bytes();
    let behind = |script: &[u8]| {
        let lock = Builder::default().opcode(Opcode::HASH160).data(&hash160(script));
        lock.opcode(Opcode::EQUAL).into_bytes()
    };
    let (hidden, hidden_pair) = (behind(&key_hash), behind(&two_of_three));
    let pair = |lock: &[u8]| [sign(1, lock, &two_of_three), sign(3, lock, &two_of_three)];
    let ([first, second], [hidden_first, hidden_second]) = (pair(&two_of_three), pair(&hidden_pair));
    let spend = |lock: &[u8], items: &[&[u8]]| {
        let spend = Spend::new(lock, &push(items), all);
        assert!(spend.ours(), "a spend that holds");
        spend
    };
    vec![
        spend(&key, &[&sign(1, &key, &key)]),
        spend(&key_hash, &[&sign(1, &key_hash, &key_hash), &public(1)]),
        spend(&two_of_three, &[&[], &first, &second]),
        spend(&hidden, &[&sign(1, &hidden, &key_hash), &public(1), &key_hash]),
        spend(&hidden_pair, &[&[], &hidden_first, &hidden_second, &two_of_three]),
    ]
}

/// Secrets, branches, arithmetic, and what moves much about.
fn without_signatures() -> Vec<Spend> {
    let long = format!("<{}>", "ab".repeat(520));
    let scripts = [
        ("<616263>".to_owned(), format!("SHA256 <{}> EQUAL", hex::encode(health_chain::data::sha256(b"abc").0))),
        ("1 1".to_owned(), "IF IF 5 ELSE 6 ENDIF ELSE 7 ENDIF 5 NUMEQUAL".to_owned()),
        ("2 3".to_owned(), format!("{} ADD 5 NUMEQUAL", "1ADD 1SUB ".repeat(90))),
        (String::new(), format!("{} {} 1", "1 2 3 ".repeat(60), "ROT DROP ".repeat(90))),
        (String::new(), format!("{long} {} DROP 1", "DUP HASH160 DROP ".repeat(60))),
        (String::new(), format!("{long} DUP DUP {} 1", "3DUP 2DROP DROP ".repeat(60))),
        ("1".to_owned(), "VERIFY RETURN".to_owned()),
    ];
    let script = |text: &str| assemble(text).expect("a script");
    scripts.iter().map(|(unlock, lock)| Spend::new(&script(lock), &script(unlock), Flags::P2SH)).collect()
}

/// Bitcoin Core's published cases of before segwit.
#[allow(clippy::print_stderr, reason = "to say what is left out")]
fn published() -> Vec<Spend> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/bitcoin/core");
    let read = |name| fs::read_to_string(folder.join(name)).ok().and_then(|text| serde_json::from_str(&text).ok());
    let (Some(Value::Array(rows)), Some(Value::Array(index))) =
        (read("script_tests.json"), read("script_tests.index.json"))
    else {
        eprintln!("SKIPPED: no vectors at {}", folder.display());
        return Vec::new();
    };
    let text = |row: &Value, field: usize| row[field].as_str().expect("a text").to_owned();
    let of_before = rows.iter().zip(&index).filter(|(_, entry)| entry["class"] == "presegwit");
    of_before
        .map(|(row, _)| {
            let [unlock, lock] = [0, 1].map(|field| assemble(&text(row, field)).expect("a script"));
            let flags = text(row, 2).split(',').filter_map(Flags::named).fold(Flags::NONE, |all, flag| all | flag);
            Spend::new(&lock, &unlock, flags)
        })
        .collect()
}

fn race(title: &str, spends: &[&Spend]) {
    if spends.is_empty() {
        return;
    }
    let signatures: u32 = spends.iter().map(|spend| spend.signatures).sum();
    // Some milliseconds a turn.
    let times = 1 + 3_000 / (spends.len() + 50 * signatures as usize);
    let thousands = (spends.len() * times) as f64 / 1e3;
    let turn = |verdict: fn(&Spend) -> bool| {
        move || (0..times).for_each(|_| spends.iter().for_each(|spend| _ = black_box(verdict(black_box(spend)))))
    };
    compare(
        &format!("{title}: {} scripts, {signatures} signatures checked", spends.len()),
        "thousand verdicts/s",
        vec![
            contestant("bitcoinconsensus (C++)", thousands, turn(Spend::core)),
            contestant("this machine", thousands, turn(Spend::ours)),
        ],
    );
}

fn main() {
    let (signed, unsigned, published) = (with_signatures(), without_signatures(), published());
    race("Written here, with signatures", &signed.iter().collect::<Vec<_>>());
    race("Written here, without", &unsigned.iter().collect::<Vec<_>>());
    let (with, without): (Vec<&Spend>, Vec<&Spend>) = published.iter().partition(|spend| spend.signatures > 0);
    race("Published, with signatures", &with);
    race("Published, without", &without);
    race("Published, all", &published.iter().collect::<Vec<_>>());
}
