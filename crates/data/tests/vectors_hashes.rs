//! SHA-256 (NIST CAVP), HKDF (RFC 5869) and HMAC, HKDF (Wycheproof) against published vectors.

mod common;

use common::{published, unhex};
use health_chain_data::sha256;
use hkdf::{
    Hkdf,
    hmac::{Hmac, KeyInit, Mac},
};
use sha2::Sha256;
use wycheproof::TestResult;

/// The values behind `name = ` in a file of the CAVP's form, in order.
fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let value =
        |line: &'a str| line.split_once('=').filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    text.lines().filter_map(value).collect()
}

#[test]
fn sha256_of_short_messages() {
    let Some(text) = published("crypto/sha256/SHA256ShortMsg.rsp") else { return };
    let (lengths, messages, digests) = (values(&text, "Len"), values(&text, "Msg"), values(&text, "MD"));
    assert_eq!((lengths.len(), messages.len(), digests.len()), (65, 65, 65));
    for ((bits, message), digest) in lengths.iter().zip(messages).zip(digests) {
        let bytes = bits.parse::<usize>().unwrap() / 8;
        assert_eq!(sha256(&unhex(message)[..bytes]).to_hex(), digest, "{bits} bits");
    }
}

#[test]
fn sha256_chained_a_hundred_thousand_times() {
    let Some(text) = published("crypto/sha256/SHA256Monte.rsp") else { return };
    let digests = values(&text, "MD");
    assert_eq!(digests.len(), 100);
    let mut seed = unhex(values(&text, "Seed")[0]);
    for digest in digests {
        let mut last = [seed.clone(), seed.clone(), seed];
        for _ in 0..1000 {
            let next = sha256(&last.concat()).0.to_vec();
            last.rotate_left(1);
            last[2] = next;
        }
        seed = last[2].clone();
        assert_eq!(hex::encode(&seed), digest);
    }
}

#[test]
fn hkdf_of_its_rfc() {
    let Some(text) = published("crypto/hkdf/rfc5869.txt") else { return };
    let field = |name| values(&text, name).into_iter().map(unhex).collect::<Vec<_>>();
    let [ikm, salt, info, prk, okm] = ["IKM", "salt", "info", "PRK", "OKM"].map(field);
    assert_eq!(okm.len(), 3);
    for case in 0..okm.len() {
        let (extracted, kdf) = Hkdf::<Sha256>::extract(Some(&salt[case]), &ikm[case]);
        assert_eq!(extracted.as_slice(), prk[case]);
        let mut output = vec![0; okm[case].len()];
        kdf.expand(&info[case], &mut output).unwrap();
        assert_eq!(output, okm[case]);
    }
}

fn hkdf(ikm: &[u8], salt: &[u8], info: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut output = vec![0; size];
    Hkdf::<Sha256>::new(Some(salt), ikm).expand(info, &mut output).ok().map(|()| output)
}

fn mac_fits(key: &[u8], message: &[u8], tag: &[u8]) -> bool {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length").chain_update(message);
    mac.verify_truncated_left(tag).is_ok()
}

#[test]
fn hkdf_of_wycheproof() {
    use wycheproof::hkdf::{TestName, TestSet};
    let mut run = 0;
    for group in TestSet::load(TestName::HkdfSha256).unwrap().test_groups {
        for test in group.tests {
            let output = hkdf(&test.ikm, &test.salt, &test.info, test.size);
            let expected = (test.result != TestResult::Invalid).then(|| test.okm.to_vec());
            assert_eq!(output, expected, "test {}: {}", test.tc_id, test.comment);
            run += 1;
        }
    }
    assert!(run >= 54, "{run} tests");
}

#[test]
fn hmac_of_wycheproof() {
    use wycheproof::mac::{TestName, TestSet};
    let mut run = 0;
    for group in TestSet::load(TestName::HmacSha256).unwrap().test_groups {
        for test in group.tests {
            let fits = mac_fits(&test.key, &test.msg, &test.tag);
            assert_eq!(fits, test.result != TestResult::Invalid, "test {}: {}", test.tc_id, test.comment);
            run += 1;
        }
    }
    assert!(run >= 97, "{run} tests");
}

#[test]
fn hkdf_and_hmac_of_wycheproof_as_published() {
    for (file, count) in [("hkdf_sha256", 54), ("hmac_sha256", 97)] {
        let Some(text) = published(&format!("crypto/wycheproof/{file}.json")) else { return };
        let set: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut run = 0;
        for test in set["testGroups"].as_array().unwrap().iter().flat_map(|group| group["tests"].as_array().unwrap()) {
            let field = |name: &str| unhex(test[name].as_str().unwrap());
            let accepted = if file == "hkdf_sha256" {
                let size = test["size"].as_u64().unwrap() as usize;
                hkdf(&field("ikm"), &field("salt"), &field("info"), size) == Some(field("okm"))
            } else {
                mac_fits(&field("key"), &field("msg"), &field("tag"))
            };
            assert_eq!(accepted, test["result"] == "valid", "{file} {}", test["tcId"]);
            run += 1;
        }
        assert_eq!(run, count);
    }
}
