//! Verifying in lanes says what verifying one claim after the other says.

use health_chain_data::{
    Hash, PublicKey, SecretKey, Signature,
    ports::{FalseClaim, SignatureClaim, SingleVerifier, Verifier},
    sha256,
};
use health_chain_data_simd::{LaneVerifier, signature_kernels};
use proptest::prelude::*;

/// The order of the group, and the size of the field.
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const FIELD: &str = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";

fn verifiers() -> Vec<LaneVerifier> {
    let with = |kernel| LaneVerifier::with(kernel).expect("it is among those that can run");
    signature_kernels().into_iter().map(with).collect()
}

fn number(digits: &str) -> [u8; 32] {
    Hash::from_hex(digits).expect("64 digits").0
}

fn claim(key: u8, message: u8) -> SignatureClaim {
    let key = SecretKey::from_bytes(&[key; 32]).expect("a secret key");
    let message = sha256(&[message]);
    SignatureClaim { key: key.public_key(), message, signature: key.sign(&message, &[1; 32]) }
}

/// A change to the 64 bytes of a signature: another number for one of its halves, or another bit.
fn changed(signature: Signature) -> impl Strategy<Value = Signature> {
    let [r, s] = signature.into();
    let edges = prop::sample::select(vec![[0; 32], number(ORDER), number(FIELD), [0xff; 32]]);
    let other = prop_oneof![edges, any::<[u8; 32]>()];
    prop_oneof![
        (any::<bool>(), other).prop_map(move |(first, other)| Signature::from(if first {
            [other, s]
        } else {
            [r, other]
        })),
        (0_usize..512).prop_map(move |bit| {
            let mut bytes = *signature.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            Signature(bytes)
        }),
    ]
}

/// A claim that is true, or one with another message, another key, or another signature.
fn any_claim() -> impl Strategy<Value = SignatureClaim> {
    (1_u8..20, 0_u8..20, 0_u8..30).prop_flat_map(|(key, message, what)| {
        let truth = claim(key, message);
        match what {
            0 => Just(SignatureClaim { message: sha256(b"other"), ..truth }).boxed(),
            1 => Just(SignatureClaim { key: claim(30, 0).key, ..truth }).boxed(),
            2 => changed(truth.signature).prop_map(move |signature| SignatureClaim { signature, ..truth }).boxed(),
            _ => Just(truth).boxed(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn verdicts_are_those_of_single_verification(claims in prop::collection::vec(any_claim(), 0..40)) {
        for verifier in verifiers() {
            prop_assert_eq!(verifier.verify(&claims), SingleVerifier.verify(&claims), "{}", verifier.kernel());
        }
    }
}

#[test]
fn every_number_of_claims_and_every_position_of_a_false_one() {
    let all: Vec<SignatureClaim> = (0..41).map(|index| claim(index + 1, index)).collect();
    let verifier = LaneVerifier::detect();
    for count in 0..all.len() {
        let mut claims = all[..count].to_vec();
        assert_eq!(verifier.verify(&claims), Ok(()), "{count}");
        for index in (0..count).rev() {
            claims[index].message = sha256(b"other");
            if index % 8 == 0 || count == 40 {
                assert_eq!(verifier.verify(&claims), Err(FalseClaim { index }), "{count}");
            }
        }
    }
}

#[test]
fn more_claims_than_are_worked_on_together() {
    let some: Vec<SignatureClaim> = (0..64).map(|index| claim(index + 1, index)).collect();
    let mut claims: Vec<SignatureClaim> = some.into_iter().cycle().take(1_030).collect();
    for verifier in verifiers() {
        assert_eq!(verifier.verify(&claims), Ok(()));
    }
    for index in [1_029, 512, 511] {
        claims[index].message = sha256(b"other");
        for verifier in verifiers() {
            assert_eq!(verifier.verify(&claims), Err(FalseClaim { index }));
        }
    }
}

#[test]
fn published_vectors_have_their_verdicts_in_every_lane() {
    let (mut accepted, mut refused) = (0, 0);
    for line in include_str!("../../data/tests/data/bip340.csv").lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [index, _, public, _, message, signature, valid, comment] = fields[..] else {
            panic!("eight fields: {line}")
        };
        // A claim has a message of 32 bytes and a key that is a point; the other vectors don't get that far.
        let Some(message) = Hash::from_hex(message) else { continue };
        let Ok(key) = PublicKey::from_bytes(&number(public)) else { continue };
        let signature = Signature::from([number(&signature[..64]), number(&signature[64..])]);
        for verifier in verifiers() {
            for place in 0..9 {
                let mut claims: Vec<SignatureClaim> = (0..8).map(|index| claim(index + 1, index)).collect();
                claims.insert(place, SignatureClaim { key, message, signature });
                let expected = if valid == "TRUE" { Ok(()) } else { Err(FalseClaim { index: place }) };
                assert_eq!(verifier.verify(&claims), expected, "{index}: {comment}, with {}", verifier.kernel());
            }
        }
        accepted += usize::from(valid == "TRUE");
        refused += usize::from(valid != "TRUE");
    }
    assert_eq!((accepted, refused), (5, 8));
}
