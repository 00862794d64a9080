//! Bitcoin Core's script, transaction and signature-hash vectors.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod common;
#[path = "common/core_names.rs"]
mod core_names;

use std::collections::BTreeMap;

use common::{BitcoinCheck, BitcoinTransaction, vectors};
use core_names::core_name;
use health_chain_contract::script::{Flags, assemble, ecdsa, verify};
use serde_json::Value;

/// The flags named; those of segwit and later, which the machine does not know, are left out.
fn flags(names: &str) -> Flags {
    names.split(',').filter_map(Flags::named).fold(Flags::NONE, |all, flag| all | flag)
}

fn outcome(unlock: &str, lock: &str, names: &str) -> &'static str {
    let (unlock, lock) = (assemble(unlock).unwrap(), assemble(lock).unwrap());
    let transaction = BitcoinTransaction::spending(&lock, &unlock);
    let mut check = BitcoinCheck { transaction: &transaction, index: 0 };
    verify(&unlock, &lock, flags(names), &mut check).err().as_ref().map_or("OK", core_name)
}

#[test]
fn script_tests() {
    let path = "bitcoin/core/script_tests";
    let (Some(cases), Some(index)) = (vectors(&format!("{path}.json")), vectors(&format!("{path}.index.json"))) else {
        return;
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (mut judged, mut alike, mut others, mut differing) = (0, 0, 0, Vec::new());
    for (case, entry) in cases.as_array().unwrap().iter().zip(index.as_array().unwrap()) {
        let mut fields = case.as_array().unwrap().as_slice();
        if fields[0].is_array() {
            fields = &fields[1..];
        }
        let words: Vec<String> = fields.iter().take(4).map(text).collect();
        if entry["class"] != "presegwit" {
            // The form of the witness programs is beyond the machine, and running them must do no harm.
            if let (Ok(unlock), Ok(lock)) = (assemble(&words[0]), assemble(&words[1])) {
                let transaction = BitcoinTransaction::spending(&lock, &unlock);
                let mut check = BitcoinCheck { transaction: &transaction, index: 0 };
                let _ = verify(&unlock, &lock, flags(&words[2]), &mut check);
            }
            others += 1;
            continue;
        }
        let found = outcome(&words[0], &words[1], &words[2]);
        assert_eq!(found == "OK", words[3] == "OK", "{case}: {found}");
        judged += 1;
        if found == words[3] {
            alike += 1;
        } else {
            differing.push(format!("{case}: {found}"));
        }
    }
    eprintln!("{judged} verdicts alike, {alike} reasons alike, {others} of segwit and taproot run");
    eprintln!("{differing:#?}");
    assert_eq!((judged, others), (653, 91));
    assert_eq!(alike, judged, "reasons as well as verdicts");
}

#[test]
fn script_cases_inline() {
    let cases = [
        ("", "DEPTH 0 EQUAL", "P2SH,STRICTENC", "OK"),
        ("2 -2", "ADD", "P2SH,STRICTENC", "EVAL_FALSE"),
        ("0", "IF VERIF ELSE 1 ENDIF", "P2SH,STRICTENC", "BAD_OPCODE"),
        ("0", "IF SUBSTR ENDIF 1", "P2SH,STRICTENC", "DISABLED_OPCODE"),
        ("1 1", "IF IF 1 ELSE 0 ENDIF ENDIF", "P2SH,STRICTENC", "OK"),
        ("'a' 'b' 'c'", "2 PICK 'a' EQUAL", "P2SH,STRICTENC", "OK"),
        ("2147483647", "1ADD 1SUB 1", "P2SH,STRICTENC", "SCRIPTNUM"),
        ("", "0 0 0 CHECKMULTISIG VERIFY DEPTH 0 EQUAL", "P2SH,STRICTENC", "OK"),
        ("0x4c 0x00", "DROP 1", "MINIMALDATA", "MINIMALDATA"),
        ("NOP", "1", "SIGPUSHONLY", "SIG_PUSHONLY"),
        ("1", "NOP10", "P2SH,DISCOURAGE_UPGRADABLE_NOPS", "DISCOURAGE_UPGRADABLE_NOPS"),
        ("1", "0x01 0x51 HASH160 EQUAL", "P2SH", "EVAL_FALSE"),
        ("<51>", "HASH160 <da1745e9b549bd0bfa1a569971c77eba30cd5a4b> EQUAL", "P2SH", "OK"),
        ("1 <51>", "HASH160 <da1745e9b549bd0bfa1a569971c77eba30cd5a4b> EQUAL", "P2SH,CLEANSTACK", "CLEANSTACK"),
        ("<50>", "HASH160 <ece424a6bb6ddf4db592c0faed60685047a361b1> EQUAL", "P2SH", "BAD_OPCODE"),
    ];
    for (unlock, lock, names, expected) in cases {
        assert_eq!(outcome(unlock, lock, names), expected, "{unlock} | {lock}");
    }
}

#[test]
fn tx_valid() {
    let path = "bitcoin/core/tx_valid";
    let (Some(cases), Some(index)) = (vectors(&format!("{path}.json")), vectors(&format!("{path}.index.json"))) else {
        return;
    };
    // All rules of before segwit; each case names those to leave out.
    let all = Flags::ALL.into_iter().map(|(_, flag)| flag).fold(Flags::NONE, |all, flag| all | flag);
    let all = all.without(Flags::BIP340 | Flags::CHECKSIGFROMSTACK);
    let rows: Vec<&Value> = cases.as_array().unwrap().iter().filter(|row| row[0].is_array()).collect();
    let index = index.as_array().unwrap();
    assert_eq!(rows.len(), index.len());
    let (mut valid, mut inputs) = (0, 0);
    for (row, _) in rows.iter().zip(index).filter(|(_, entry)| entry["class"] == "presegwit") {
        let transaction = BitcoinTransaction::parse(&hex::decode(row[1].as_str().unwrap()).unwrap());
        let mut locks = BTreeMap::new();
        for previous in row[0].as_array().unwrap() {
            let mut id = hex::decode(previous[0].as_str().unwrap()).unwrap();
            id.reverse();
            let at = previous[1].as_i64().unwrap() as u32;
            locks.insert([&id[..], &at.to_le_bytes()].concat(), assemble(previous[2].as_str().unwrap()).unwrap());
        }
        let left_out = row[2].as_str().unwrap();
        let flags = if left_out == "NONE" { all } else { all.without(flags(left_out)) };
        for (position, input) in transaction.inputs.iter().enumerate() {
            let mut check = BitcoinCheck { transaction: &transaction, index: position };
            let verdict = verify(&input.script, &locks[&input.previous[..]], flags, &mut check);
            assert_eq!(verdict, Ok(()), "input {position} of {row}");
            inputs += 1;
        }
        valid += 1;
    }
    eprintln!("{valid} transactions with {inputs} inputs");
    assert_eq!(valid, 92);
}

#[test]
fn signature_hashes() {
    let Some(cases) = vectors("bitcoin/core/sighash.json") else { return };
    let cases = cases.as_array().unwrap();
    for case in cases {
        let transaction = BitcoinTransaction::parse(&hex::decode(case[0].as_str().unwrap()).unwrap());
        let script = hex::decode(case[1].as_str().unwrap()).unwrap();
        let (input, hash_type) = (case[2].as_u64().unwrap() as usize, case[3].as_i64().unwrap() as i32);
        let mut hash = transaction.signature_hash(&script, input, hash_type as u32);
        hash.reverse();
        assert_eq!(hex::encode(hash), case[4], "{case}");
    }
    assert_eq!(cases.len(), 302);
}

#[test]
fn canonical_signatures() {
    let (Some(good), Some(bad)) =
        (vectors("bitcoin/core/sig_canonical.json"), vectors("bitcoin/core/sig_noncanonical.json"))
    else {
        return;
    };
    // What Bitcoin calls canonical: strict DER, and a hash type that is known.
    let is_canonical = |signature: &[u8]| {
        let (hash_type, der) = signature.split_last().unwrap();
        ecdsa::is_strict_der(der) && matches!(hash_type & !0x80, 1..=3)
    };
    let signatures = |value: Value| -> Vec<Vec<u8>> {
        value.as_array().unwrap().iter().filter_map(|text| hex::decode(text.as_str()?).ok()).collect()
    };
    let (good, bad) = (signatures(good), signatures(bad));
    assert!(good.len() == 5 && bad.len() > 10);
    good.iter().for_each(|signature| assert!(is_canonical(signature), "{}", hex::encode(signature)));
    bad.iter().for_each(|signature| assert!(!is_canonical(signature), "{}", hex::encode(signature)));
}
