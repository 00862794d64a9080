//! BIP39 words and BIP32 derivation against published vectors, refusals included.

mod common;

use common::{published, unhex};
use health_chain_data::keys::{
    Mnemonic, Seed,
    derivation::{DerivationError, ExtendedKey},
    mnemonic::MnemonicError,
};
use serde_json::Value;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

/// The first of BIP39's and BIP32's own vectors, for a checkout without the published files.
#[test]
fn first_of_each() {
    let mnemonic = Mnemonic::from_entropy(&[0; 16]).unwrap();
    assert_eq!(mnemonic.phrase().split(' ').filter(|word| *word == "abandon").count(), 11);
    assert_eq!(
        hex::encode(mnemonic.to_seed("TREZOR").as_bytes()),
        "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04"
    );
    let root = ExtendedKey::from_seed(&Seed::from_bytes(&unhex("000102030405060708090a0b0c0d0e0f")).unwrap()).unwrap();
    assert_eq!(
        *root.derive("m/0'").unwrap().to_xprv(),
        "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7"
    );
}

#[test]
fn bip39() {
    let Some(file) = published("crypto/bip32/bip39_english.json") else { return };
    let cases: Value = serde_json::from_str(&file).unwrap();
    let cases = cases["english"].as_array().unwrap();
    assert_eq!(cases.len(), 24);
    let mut refused = 0;
    for case in cases {
        let [entropy, phrase, seed, xprv] = [0, 1, 2, 3].map(|field| case[field].as_str().unwrap());
        let mnemonic = Mnemonic::from_entropy(&unhex(entropy)).unwrap();
        assert_eq!(*mnemonic.phrase(), phrase);
        let wallet = Mnemonic::from_phrase(phrase).unwrap().to_seed("TREZOR");
        assert_eq!(hex::encode(wallet.as_bytes()), seed);
        assert_eq!(*ExtendedKey::from_seed(&wallet).unwrap().to_xprv(), xprv);
        let last = phrase.rsplit(' ').next().unwrap();
        let other = phrase.replace(last, if last == "zoo" { "abandon" } else { "zoo" });
        refused += usize::from(Mnemonic::from_phrase(&other).err() == Some(MnemonicError::Checksum));
    }
    // Of 12 words with a wrong one, one in 16 still has the right checksum by chance; of 24, one in 256.
    assert_eq!(refused, 24);
}

#[test]
fn bip32_accepts() {
    let Some(file) = published("crypto/bip32/bip32.json") else { return };
    let cases: Value = serde_json::from_str(&file).unwrap();
    let mut checked = 0;
    for case in cases["valid"].as_array().unwrap() {
        let (master, bitcoin) = (&case["master"], case["network"] == "bitcoin");
        let root = match master["seed"].as_str() {
            Some(seed) => ExtendedKey::from_seed(&Seed::from_bytes(&unhex(seed)).unwrap()).unwrap(),
            None => ExtendedKey::from_xprv(text(master, "base58Priv")).unwrap(),
        };
        check(&root, master, bitcoin);
        for child in case["children"].as_array().unwrap() {
            check(&root.derive(text(child, "path")).unwrap(), child, bitcoin);
            checked += 1;
        }
    }
    assert_eq!(checked, 13);
}

fn check(key: &ExtendedKey, expected: &Value, bitcoin: bool) {
    assert_eq!(hex::encode(*key.secret_bytes()), text(expected, "privKey"));
    assert_eq!(key.secret_key().public_key().to_string(), text(expected, "pubKey")[2..]);
    if bitcoin {
        assert_eq!(*key.to_xprv(), text(expected, "base58Priv"));
        assert_eq!(ExtendedKey::from_xprv(text(expected, "base58Priv")).expect("a valid key").to_xprv(), key.to_xprv());
        assert_eq!(ExtendedKey::from_xprv(text(expected, "base58")).err(), Some(DerivationError::Text), "a public key");
    }
}

#[test]
fn bip32_refuses() {
    let Some(file) = published("crypto/bip32/bip32.json") else { return };
    let cases: Value = serde_json::from_str(&file).unwrap();
    let invalid = |kind: &str| cases["invalid"][kind].as_array().unwrap().clone();
    for case in invalid("fromBase58") {
        assert_eq!(ExtendedKey::from_xprv(text(&case, "string")).err(), Some(DerivationError::Text), "{case}");
    }
    for case in invalid("fromSeed") {
        let seed = unhex(text(&case, "seed"));
        assert_eq!(Seed::from_bytes(&seed).err(), Some(MnemonicError::SeedLength { found_bytes: seed.len() }));
    }
    let root = ExtendedKey::from_seed(&Seed::from_bytes(&[1; 16]).unwrap()).unwrap();
    // The other indices are of types that do not compile here.
    let index = 1 << 31;
    assert_eq!(root.child(index, true).err(), Some(DerivationError::IndexOutOfRange { index }));
    let paths = invalid("derivePath");
    let paths: Vec<&str> = paths.iter().filter_map(|case| case["derivationPath"].as_str()).collect();
    assert_eq!(paths.len(), 5);
    for path in paths {
        assert_eq!(root.derive(path).err(), Some(DerivationError::Path), "{path}");
    }
}
