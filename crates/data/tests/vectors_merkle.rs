//! Inclusion and consistency proofs of RFC 6962 against published vectors, refusals included; and Bitcoin's twin trees.

mod common;

use common::{published, unhex};
use health_chain_data::{
    Hash,
    merkle::{ConsistencyProof, InclusionProof, root_of_hashes},
    sha256d,
};
use serde_json::Value;

/// Standard base64 with padding.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for digit in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|known| *known == digit).expect("a base64 digit");
        (bits, count) = (bits << 6 | value as u32, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// A hash, or `None` for bytes of another length, which no hash of ours can be.
fn hash(value: &Value) -> Option<Hash> {
    base64(value.as_str().expect("a string")).try_into().ok().map(Hash)
}

fn path(value: &Value) -> Option<Vec<Hash>> {
    value.as_array().map_or(Some(Vec::new()), |hashes| hashes.iter().map(hash).collect())
}

fn cases(name: &str) -> Option<Vec<Value>> {
    let cases: Value = serde_json::from_str(&published(&format!("merkle/rfc6962_{name}.json"))?).expect("JSON");
    cases.as_array().cloned()
}

#[test]
fn inclusion() {
    let Some(cases) = cases("inclusion") else { return };
    assert_eq!(cases.len(), 61);
    for case in cases {
        let verdict = || {
            let proof = InclusionProof {
                leaf_index: case["leafIdx"].as_u64()?,
                tree_size: case["treeSize"].as_u64()?,
                path: path(&case["proof"])?,
            };
            proof.verify(&hash(&case["leafHash"])?, &hash(&case["root"])?).ok()
        };
        assert_eq!(verdict().is_none(), case["wantErr"] == true, "{}: {}", case["file"], case["desc"]);
    }
}

#[test]
fn consistency() {
    let Some(cases) = cases("consistency") else { return };
    assert_eq!(cases.len(), 51);
    for case in cases {
        let verdict = || {
            let proof = ConsistencyProof {
                old_size: case["size1"].as_u64()?,
                new_size: case["size2"].as_u64()?,
                path: path(&case["proof"])?,
            };
            proof.verify(&hash(&case["root1"])?, &hash(&case["root2"])?).ok()
        };
        assert_eq!(verdict().is_none(), case["wantErr"] == true, "{}: {}", case["file"], case["desc"]);
    }
}

/// Bitcoin's tree: an odd node is hashed with itself.
fn bitcoin_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [root] => *root,
        _ => {
            let pair = |pair: &[Hash]| sha256d(&[pair[0].0, pair[pair.len() - 1].0].concat());
            bitcoin_root(&hashes.chunks(2).map(pair).collect::<Vec<_>>())
        }
    }
}

#[test]
fn lists_that_are_twins_in_bitcoin_are_none_here() {
    let Some(file) = published("bitcoin/merkle/cve_2012_2459.json") else { return };
    let cases: Value = serde_json::from_str(&file).unwrap();
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let block = case["block"].as_str().unwrap();
        let block: Value = serde_json::from_str(&published(&format!("bitcoin/blocks/{block}.json")).unwrap()).unwrap();
        let txids = block["txids_internal_order"].as_array().unwrap();
        let list: Vec<Hash> =
            txids.iter().map(|txid| Hash(unhex(txid.as_str().unwrap()).try_into().unwrap())).collect();
        assert_eq!(list.len() as u64, case["n"].as_u64().unwrap());
        let tail = case["duplicated_tail"].as_u64().unwrap() as usize;
        let twin = [&list[..], &list[list.len() - tail..]].concat();
        assert_eq!(bitcoin_root(&list), bitcoin_root(&twin), "the fault is there");
        assert_eq!(hex::encode(bitcoin_root(&list).0), case["root_internal"].as_str().unwrap());
        assert_ne!(root_of_hashes(&list), root_of_hashes(&twin));
    }
}
