//! ChaCha20-Poly1305 against Wycheproof and BoringSSL.

mod common;

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use common::{published, unhex};
use wycheproof::TestResult;

struct Case<'a> {
    key: &'a [u8],
    nonce: &'a [u8],
    aad: &'a [u8],
    plaintext: &'a [u8],
    ciphertext: &'a [u8],
}

impl Case<'_> {
    /// Whether the ciphertext opens to the plaintext; if so, sealing must give it back.
    fn holds(&self) -> bool {
        let (Ok(cipher), Ok(nonce)) = (ChaCha20Poly1305::new_from_slice(self.key), Nonce::try_from(self.nonce)) else {
            return false;
        };
        let opened = cipher.decrypt(&nonce, Payload { msg: self.ciphertext, aad: self.aad });
        if opened.as_deref().ok() != Some(self.plaintext) {
            return false;
        }
        let sealed = cipher.encrypt(&nonce, Payload { msg: self.plaintext, aad: self.aad });
        assert_eq!(sealed.as_deref(), Ok(self.ciphertext));
        true
    }
}

#[test]
fn wycheproof_of_the_registry() {
    use wycheproof::aead::{TestName, TestSet};
    let mut run = 0;
    for group in TestSet::load(TestName::ChaCha20Poly1305).unwrap().test_groups {
        for test in group.tests {
            let ciphertext = [&test.ct[..], &test.tag[..]].concat();
            let case = Case {
                key: &test.key,
                nonce: &test.nonce,
                aad: &test.aad,
                plaintext: &test.pt,
                ciphertext: &ciphertext,
            };
            assert_eq!(case.holds(), test.result != TestResult::Invalid, "test {}: {}", test.tc_id, test.comment);
            run += 1;
        }
    }
    assert!(run >= 203, "{run} tests");
}

#[test]
fn wycheproof_as_published() {
    let Some(file) = published("crypto/wycheproof/chacha20_poly1305.json") else { return };
    let set: serde_json::Value = serde_json::from_str(&file).unwrap();
    let mut run = 0;
    for test in set["testGroups"].as_array().unwrap().iter().flat_map(|group| group["tests"].as_array().unwrap()) {
        let field = |name: &str| unhex(test[name].as_str().unwrap());
        let ciphertext = [field("ct"), field("tag")].concat();
        let case = Case {
            key: &field("key"),
            nonce: &field("iv"),
            aad: &field("aad"),
            plaintext: &field("msg"),
            ciphertext: &ciphertext,
        };
        assert_eq!(case.holds(), test["result"] == "valid", "{}", test["tcId"]);
        run += 1;
    }
    assert_eq!(run, 203);
}

#[test]
fn boringssl() {
    let Some(file) = published("crypto/aead/boringssl_chacha20poly1305.txt") else { return };
    let values = |name: &str| -> Vec<Vec<u8>> {
        let value = |line: &str| {
            let (key, value) = line.split_once('=')?;
            let value = value.trim();
            (key.trim() == name).then(|| match value.strip_prefix('"') {
                Some(text) => text.trim_end_matches('"').as_bytes().to_vec(),
                None => unhex(value),
            })
        };
        file.lines().filter_map(value).collect()
    };
    let [keys, nonces, aads, plaintexts, ciphertexts, tags] = ["KEY", "NONCE", "AD", "IN", "CT", "TAG"].map(values);
    assert_eq!(keys.len(), 66);
    for index in 0..keys.len() {
        let case = Case {
            key: &keys[index],
            nonce: &nonces[index],
            aad: &aads[index],
            plaintext: &plaintexts[index],
            ciphertext: &[&ciphertexts[index][..], &tags[index]].concat(),
        };
        assert!(case.holds(), "case {}", index + 1);
    }
}
