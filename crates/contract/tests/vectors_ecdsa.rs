//! Wycheproof's vectors for ECDSA as Bitcoin takes it: strict DER and a low `s`.
#![allow(clippy::unwrap_used)]

mod common;

use health_chain_contract::script::ecdsa;
use health_chain_data::sha256;

fn accepts(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    ecdsa::is_strict_der(signature) && ecdsa::is_low_s(signature) && ecdsa::verify(key, &sha256(message).0, signature)
}

#[test]
fn wycheproof_in_the_bitcoin_flavour() {
    let Some(file) = common::vectors("crypto/wycheproof/ecdsa_secp256k1_sha256_bitcoin.json") else { return };
    let (mut valid, mut invalid) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let key = hex::decode(group["publicKey"]["uncompressed"].as_str().unwrap()).unwrap();
        for test in group["tests"].as_array().unwrap() {
            let [message, signature] = ["msg", "sig"].map(|field| hex::decode(test[field].as_str().unwrap()).unwrap());
            let expected = test["result"] == "valid";
            assert_eq!(accepts(&key, &message, &signature), expected, "{test}");
            *(if expected { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert_eq!((valid, invalid), (106, 178));
}

/// The first two of Wycheproof's cases: the same signature with a high and with a low `s`.
#[test]
fn high_s_is_told_from_low_s() {
    let key = hex::decode(
        "04b838ff44e5bc177bf21189d0766082fc9d843226887fc9760371100b7ee20a6f\
         f0c9d75bfba7b31a6bca1974496eeb56de357071955d83c4b1badaa0b21832e9",
    );
    let key = key.unwrap();
    let high = "3046022100813ef79ccefa9a56f7ba805f0e478584fe5f0dd5f567bc09b5123ccbc9832365\
                022100900e75ad233fcc908509dbff5922647db37c21f4afd3203ae8dc4ae7794b0f87";
    let low = "3045022100813ef79ccefa9a56f7ba805f0e478584fe5f0dd5f567bc09b5123ccbc9832365\
               02206ff18a52dcc0336f7af62400a6dd9b810732baf1ff758000d6f613a556eb31ba";
    let [high, low] = [high, low].map(|digits| hex::decode(digits).unwrap());
    assert!(!accepts(&key, b"123400", &high) && accepts(&key, b"123400", &low));
    assert!(ecdsa::verify(&key, &sha256(b"123400").0, &high), "a high s holds where no rule forbids it");
    assert!(!accepts(&key, b"123401", &low));
}
