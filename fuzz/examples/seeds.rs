//! Writes the corpora's beginnings: `cargo run --example seeds` in this folder. Scripts of the published vectors are among them where
//! the vectors lie beside the checkout. What the fuzzer found is not made here and stays.

use std::{fs, io, path::Path};

use health_chain::{
    application::{
        identities::{Approval, Register, Retire, RotateKey, institution_of_key},
        payload::Payload,
        records::{
            Delete, Grant, GrantTerms, Issue, NewVersion, Permissions, Position, Revoke, RevokeAll, RotateOwner, Store,
            object,
        },
    },
    contract::{
        notary::{NOTARIZE, Notarization},
        script::{Flags, Script, assemble, hash160},
    },
    data::{Amount, Hash, Input, Kind, Lock, Output, Transaction, Witness, codec, sha256},
    incentive::{Issuance, kinds::TRANSFER},
};
use health_chain_fuzz::{
    TARGETS,
    world::{
        AUTHORITY, COIN, EURO, GRANTEE, HOSPITAL, OWN_COINS, OWNER, WORLD, YEN, chain, content, gateway, grant_terms,
        key, locks, minted, notarization, paid_by, point, public, store_operation, stored_object,
    },
};
use serde_json::Value;

/// Named inputs of one target.
type Seeds = Vec<(String, Vec<u8>)>;

fn main() -> io::Result<()> {
    let scripts = scripts();
    for (target, seeds) in [
        ("hash_lanes", lanes()),
        ("program_dispatch", transactions()),
        ("script_differential", scripts.iter().map(Case::differential).collect()),
        ("script_parse", scripts.iter().flat_map(Case::parse).chain(forms()).collect()),
        ("script_run", scripts.iter().map(Case::run).collect::<Seeds>()),
    ] {
        let (_, body) = TARGETS.into_iter().find(|(name, _)| *name == target).expect("a target");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds {
            println!("{target}/{name}: {} bytes, {}", bytes.len(), body(&bytes));
            fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}

/// A lock with what is to unlock it.
struct Case {
    name: String,
    lock: Vec<u8>,
    unlock: Vec<u8>,
    /// The stack that the lock starts with in the targets that take one.
    stack: Vec<Vec<u8>>,
    flags: u16,
}

impl Case {
    fn new(name: &str, lock: &str, stack: &[&[u8]]) -> Self {
        let lock = assemble(lock).expect("a script");
        let stack: Vec<Vec<u8>> = stack.iter().map(|item| item.to_vec()).collect();
        Self { name: name.into(), lock, unlock: vec![0x51], stack, flags: u16::MAX }
    }

    fn differential(&self) -> (String, Vec<u8>) {
        (self.name.clone(), [&[self.flags as u8][..], &prefixed(&self.lock), &items(&self.stack)].concat())
    }

    fn run(&self) -> (String, Vec<u8>) {
        let parts =
            [&self.flags.to_le_bytes()[..], &prefixed(&self.lock), &prefixed(&self.unlock), &items(&self.stack)];
        (self.name.clone(), parts.concat())
    }

    /// As bytes and, of our own, as text. Rules don't matter there.
    fn parse(&self) -> Seeds {
        let bytes = (self.name.clone(), self.lock.clone());
        let text = (format!("{}-text", self.name), Script(&self.lock).to_string().into_bytes());
        match self.name.as_str() {
            name if name.ends_with("-plain") => vec![],
            name if name.starts_with("core-") => vec![bytes],
            _ => vec![bytes, text],
        }
    }
}

fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_le_bytes()[..], bytes].concat()
}

fn items(stack: &[Vec<u8>]) -> Vec<u8> {
    stack.iter().flat_map(|item| prefixed(item)).collect()
}

/// What each rule of the machine is about, and some of the published cases.
fn scripts() -> Vec<Case> {
    let long = [7_u8; 520];
    let mut cases = vec![
        Case::new("sum", "ADD 5 NUMEQUAL", &[&[2], &[3]]),
        Case::new("branches", "IF IF 1 ELSE 0 ENDIF ELSE 2 ENDIF", &[&[1], &[1]]),
        Case::new("skipped", "0 IF VERIFY RETURN CHECKSIG ENDIF 1", &[]),
        Case::new("unbalanced", "IF 1", &[&[1]]),
        Case::new("alternate", "TOALTSTACK DEPTH TOALTSTACK FROMALTSTACK FROMALTSTACK ADD", &[&[1], &[9]]),
        Case::new("turns", "0 1 2 3 4 5 ROT 2SWAP 2ROT TUCK NIP 2OVER 3DUP IFDUP 2DROP PICK ROLL", &[]),
        Case::new("operations", &"NOP ".repeat(202), &[]),
        Case::new("stack-size", &format!("1 1 1 {}", "3DUP ".repeat(201)), &[&[][..]; 400]),
        Case::new("long-items", "3DUP 3DUP SIZE HASH256 SWAP SHA1 SWAP RIPEMD160 SWAP HASH160 SHA256", &[&long[..]; 3]),
        Case::new("too-long-item", "0x4d0902 0x00", &[]),
        Case::new("cut-push", "1 0x4c", &[]),
        Case::new("long-pushes", "0x4c0105 0x4d010005 0x4e0100000005", &[]),
        Case::new("numbers", "1ADD 1SUB NEGATE ABS NOT 0NOTEQUAL ADD MIN MAX WITHIN", &[&[1, 0], &[0x80], &[5], &[3]]),
        Case::new("number-length", "1ADD", &[&[0, 0, 0, 128, 0]]),
        Case::new("lock-times", "CHECKLOCKTIMEVERIFY DROP CHECKSEQUENCEVERIFY", &[&[6], &[8]]),
        Case::new("negative-lock-time", "-1 CHECKLOCKTIMEVERIFY", &[]),
        Case::new("disabled", "0 IF CAT ENDIF", &[]),
        Case::new("reserved", "0 IF RESERVED ENDIF VER", &[]),
        Case::new("separator", "CODESEPARATOR <07> CHECKSIG", &[&[3]]),
        Case::new("signature-in-code", "<0303> DROP <07> CHECKSIG", &[&[3, 3]]),
        Case::new("multisig", "2 <01> <02> <03> 3 CHECKMULTISIG", &[&[], &[9], &[8]]),
        Case::new("multisig-keys", "21 CHECKMULTISIG", &[]),
        Case::new("multisig-dummy", "0 0 CHECKMULTISIG", &[&[1]]),
        Case::new("null-fail", "<01> CHECKSIG NOT", &[&[2]]),
        Case::new("from-stack", "<aa> SWAP CHECKSIGFROMSTACK", &[&[7; 64], &[8; 32]]),
        Case::new("bip340", &format!("<{}> CHECKSIG", owner_hex()), &[&[7; 64]]),
        Case::new("ecdsa", &format!("<02{}> CHECKSIG", owner_hex()), &[&der()]),
    ];
    // Without the project's own rules, for those that bend them.
    for name in ["separator", "signature-in-code", "null-fail", "ecdsa", "multisig-dummy", "numbers", "long-pushes"] {
        let case = cases.iter().find(|case| case.name == name).expect("one of the above");
        let plain = Case {
            name: format!("{name}-plain"),
            flags: 0,
            lock: case.lock.clone(),
            unlock: vec![],
            stack: case.stack.clone(),
        };
        cases.push(plain);
    }
    let redeem = assemble("ADD 5 NUMEQUAL").expect("a script");
    let lock = [&[0xa9, 20][..], &hash160(&redeem), &[0x87]].concat();
    let stack = vec![vec![2], vec![3], redeem];
    cases.push(Case { name: "script-hash".into(), lock, unlock: vec![], stack, flags: u16::MAX });
    cases.extend(published());
    cases
}

fn owner_hex() -> String {
    Hash(*public(OWNER).as_bytes()).to_hex()
}

/// A signature in strict DER with a hash type, of nothing.
fn der() -> Vec<u8> {
    [&[0x30, 0x44, 0x02, 0x20][..], &[0x11; 32], &[0x02, 0x20], &[0x22; 32], &[0x01]].concat()
}

/// Some of Bitcoin Core's script tests, one for each reason that they name.
fn published() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/bitcoin/core");
    let read = |name| fs::read_to_string(folder.join(name)).ok().and_then(|text| serde_json::from_str(&text).ok());
    let (Some(Value::Array(rows)), Some(Value::Array(index))) =
        (read("script_tests.json"), read("script_tests.index.json"))
    else {
        eprintln!("SKIPPED: no vectors at {}", folder.display());
        return Vec::new();
    };
    let mut cases: Vec<Case> = Vec::new();
    for (row, _) in rows.iter().zip(&index).filter(|(_, entry)| entry["class"] == "presegwit") {
        let [Some(unlock), Some(lock), Some(flags), Some(reason)] = [0, 1, 2, 3].map(|field| row[field].as_str())
        else {
            continue;
        };
        let name = format!("core-{}", reason.to_lowercase().replace('_', "-"));
        let (Ok(unlock), Ok(lock)) = (assemble(unlock), assemble(lock)) else { continue };
        if lock.len() + unlock.len() > 600 || cases.iter().any(|case| case.name == name) {
            continue;
        }
        let bit = |name: &str| Flags::ALL.iter().position(|(known, _)| *known == name).map_or(0, |bit| 1 << bit);
        let flags = flags.split(',').map(bit).sum();
        cases.push(Case { name, stack: vec![vec![1], vec![2]], flags, lock, unlock });
    }
    cases
}

/// The standard locks.
fn forms() -> Seeds {
    let seeds = locks().into_iter().skip(OWN_COINS as usize - 1).enumerate();
    seeds.map(|(index, lock)| (format!("form-{index}"), lock.0)).collect()
}

fn lanes() -> Seeds {
    let filling: Vec<u8> = (0..97_u8).map(|byte| byte.wrapping_mul(41)).collect();
    let seed = |what: u8, count: u8, length: u16, offset: u8| {
        [&[what, count][..], &length.to_le_bytes(), &[offset], &filling].concat()
    };
    let mut seeds: Seeds = Vec::new();
    for (name, what) in [("equal", 0), ("mixed", 1), ("roots", 2), ("double", 3), ("content", 4)] {
        for (count, length, offset) in [(0, 0, 0), (1, 55, 1), (7, 56, 3), (16, 64, 63), (33, 119, 5), (70, 1_000, 17)]
        {
            seeds.push((format!("{name}-{count}"), seed(what, count, length, offset)));
        }
    }
    for (first, count, top) in [(0_u32, 0_u16, 1_u8), (u32::MAX - 7, 200, 1), (1 << 31, 299, 0), (5, 299, 1)] {
        let mut target = [0xff; 32];
        target[31] = top;
        let search = [&seed(5, 0, 0, 0)[..5], &first.to_le_bytes(), &count.to_le_bytes(), &target, &filling].concat();
        seeds.push((format!("search-{first:08x}"), search));
    }
    seeds
}

/// Transactions that apply, and some that each program refuses.
fn transactions() -> Seeds {
    let whole = |transaction: &Transaction| [&[0][..], &prefixed(&codec::encode(transaction))].concat();
    let carried = |kind: Kind, payload: &[u8]| [&[1][..], &kind.0.to_le_bytes(), &prefixed(payload)].concat();
    let operation = |transaction: Transaction| carried(transaction.kind, &transaction.payload);
    let state = object(&WORLD.store, &stored_object()).expect("memory").expect("stored");
    let next = Position::next(chain(), stored_object(), &state).expect("not at the end");
    let owner = key(OWNER);
    let entropy = [0; 32];
    let hospital = institution_of_key(&WORLD.store, &public(HOSPITAL)).expect("memory").expect("in the genesis");
    let issue = |count| Issue::sign(chain(), sha256(b"root"), count, &key(HOSPITAL), &entropy).expect("keys sign");
    let store = Store::sign(chain(), gateway(), [8; 32], content(1), &owner, &entropy).expect("keys sign");
    let grant = |terms| Grant::sign(next, terms, &owner, &entropy).expect("keys sign");
    let version = NewVersion::sign(next, content(1), state.content.commitment, gateway(), &owner, &entropy);
    let rotate = RotateOwner::sign(next, &owner, &key(GRANTEE), &entropy).expect("keys sign");
    let revoke = Revoke::sign(next, public(GRANTEE), &owner, &entropy).expect("keys sign");
    let mut register = Register::sign(chain(), "another hospital", &key(20), &entropy).expect("keys sign");
    let approve = |message| Approval::sign(0, &message, &key(AUTHORITY), &entropy).expect("keys sign");
    register.approvals = vec![approve(register.message())];
    let rotate_key = RotateKey::sign(chain(), hospital.id, hospital.seq + 1, &key(HOSPITAL), &key(21), &entropy);
    let mut retire = Retire { chain: chain(), institution: hospital.id, seq: hospital.seq + 1, approvals: vec![] };
    retire.approvals = vec![approve(retire.message())];

    let mut seeds: Seeds = [
        ("issue", operation(issue(3).transaction())),
        ("issue-none", operation(issue(0).transaction())),
        ("store", operation(store.transaction())),
        ("store-again", operation(store_operation().transaction())),
        ("grant", operation(grant(GrantTerms { grantee: public(20), ..grant_terms() }).transaction())),
        ("grant-nothing", whole(&grant(GrantTerms { permissions: Permissions::NONE, ..grant_terms() }).transaction())),
        ("revoke", whole(&revoke.transaction())),
        ("revoke-all", whole(&RevokeAll::sign(next, &owner, &entropy).expect("keys sign").transaction())),
        ("new-version", operation(version.expect("keys sign").transaction())),
        ("rotate-owner", operation(rotate.transaction())),
        ("delete", operation(Delete::sign(next, &owner, &entropy).expect("keys sign").transaction())),
        ("register", operation(register.transaction())),
        ("rotate-key", operation(rotate_key.expect("keys sign").transaction())),
        ("retire", operation(retire.transaction())),
        ("notarize", operation(notarization(1))),
        ("notarize-again", operation(notarization(0))),
        ("unknown-kind", carried(Kind(999), b"payload")),
        ("coinbase", whole(&Transaction::new(Kind::COINBASE, vec![1]))),
        ("not-a-transaction", [&[0][..], &prefixed(b"rubbish")].concat()),
        ("nothing", vec![]),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .to_vec();
    let twice = [
        operation(grant(GrantTerms { grantee: public(20), ..grant_terms() }).transaction()),
        whole(&revoke.transaction()),
    ];
    seeds.push(("grant-then-replay".into(), twice.concat()));
    let many = Notarization {
        signers: (1..=20).map(public).collect(),
        threshold: 20,
        ..codec::decode(&notarization(2).payload).expect("made above")
    };
    seeds.push(("notarize-unsigned".into(), carried(NOTARIZE, &codec::encode(&many))));
    seeds.extend(payments().into_iter().map(|(name, transaction)| (name, whole(&transaction))));
    seeds
}

/// Transactions that move coins: one out of every form of lock, and what issuers do.
fn payments() -> Vec<(String, Transaction)> {
    let output = |token, amount, lock: &Lock| Output { token, amount: Amount(amount), lock: lock.clone() };
    let locks = locks();
    let signature = [7_u8; 64].to_vec();
    let redeem = assemble("ADD 5 NUMEQUAL").expect("a script");
    let owner = public(OWNER).as_bytes().to_vec();
    let witnesses: [&[Vec<u8>]; 10] = [
        &[vec![], signature.clone(), signature.clone()],
        &[signature.clone(), owner],
        &[vec![2], vec![3], redeem],
        std::slice::from_ref(&signature),
        std::slice::from_ref(&signature),
        &[signature.clone(), vec![]],
        &[signature.clone(), vec![7; 32], vec![1]],
        &[signature.clone(), vec![], signature.clone(), vec![1]],
        &[vec![2], vec![3]],
        &[],
    ];
    let mut payments = Vec::new();
    for (index, items) in witnesses.into_iter().enumerate() {
        let index = index as u32 + OWN_COINS;
        let mut payment = Transaction::new(TRANSFER, vec![]);
        payment.lock_time = 60;
        payment.inputs = vec![Input { previous: point(index), sequence: 20 }];
        payment.witnesses = vec![Witness::new(items.iter().cloned())];
        payment.outputs = vec![output(EURO, COIN - 1, &locks[0]), output(EURO, 1, &locks[index as usize])];
        payments.push((format!("spend-{index}"), payment));
    }
    let mut split = paid_by(Transaction::new(TRANSFER, vec![]), 3);
    split.outputs = locks.iter().map(|lock| output(EURO, 1, lock)).collect();
    payments.push(("split".into(), split));
    let input = Input { previous: point(3), sequence: Input::FINAL };
    let change = output(EURO, 300, &locks[0]);
    let mut redeem = Issuance::redeem(EURO, Amount(600), 2, vec![input], vec![change]);
    redeem.witnesses = vec![Witness::new([signature])];
    payments.push(("redeem-unsigned".into(), redeem));
    payments.push(("mint".into(), minted(YEN, 2, vec![output(YEN, 5, &locks[0])])));
    payments.push(("mint-replayed".into(), minted(YEN, 1, vec![output(YEN, 5, &locks[0])])));
    payments
}
