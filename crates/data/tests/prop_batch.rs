//! The batch verifier has the verdicts of the verifier that takes one claim after the other.

use health_chain_data::{
    Hash, PublicKey, SecretKey, Signature,
    batch::BatchVerifier,
    limits::MAX_BATCH_CLAIMS,
    ports::{FalseClaim, SignatureClaim, SingleVerifier, Verifier},
    sha256,
};
use proptest::prelude::*;

/// The order of the group, and the size of the field.
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const FIELD: &str = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";

fn number(digits: &str) -> [u8; 32] {
    Hash::from_hex(digits).expect("64 digits").0
}

fn claim(key: u8, message: u8) -> SignatureClaim {
    let key = SecretKey::from_bytes(&[key; 32]).expect("a secret key");
    let message = sha256(&[message]);
    SignatureClaim { key: key.public_key(), message, signature: key.sign(&message, &[1; 32]) }
}

/// A way to make a claim false.
#[derive(Debug, Clone)]
enum Fault {
    OtherMessage,
    OtherKey,
    FlippedBit(usize),
    R([u8; 32]),
    S([u8; 32]),
    /// The signature's `s` replaced by minus `s`.
    NegatedS,
}

impl Fault {
    fn put_into(&self, claim: &mut SignatureClaim) {
        let [r, s] = claim.signature.into();
        match self {
            Self::OtherMessage => claim.message = sha256(b"other"),
            Self::OtherKey => claim.key = SecretKey::from_bytes(&[0xee; 32]).expect("a secret key").public_key(),
            Self::FlippedBit(bit) => claim.signature.0[bit / 8] ^= 1 << (bit % 8),
            Self::R(r) => claim.signature = Signature::from([*r, s]),
            Self::S(s) => claim.signature = Signature::from([r, *s]),
            Self::NegatedS => claim.signature = Signature::from([r, minus(&s)]),
        }
    }
}

/// The order of the group minus a number.
fn minus(number_below: &[u8; 32]) -> [u8; 32] {
    let (mut difference, mut borrow) = (number(ORDER), false);
    for (byte, less) in difference.iter_mut().zip(number_below).rev() {
        let (first, one) = byte.overflowing_sub(*less);
        let (second, two) = first.overflowing_sub(u8::from(borrow));
        (*byte, borrow) = (second, one || two);
    }
    difference
}

fn fault() -> impl Strategy<Value = Fault> {
    let out_of_range = prop::sample::select(vec![[0; 32], number(ORDER), number(FIELD), [0xff; 32]]);
    prop_oneof![
        Just(Fault::OtherMessage),
        Just(Fault::OtherKey),
        (0_usize..512).prop_map(Fault::FlippedBit),
        out_of_range.clone().prop_map(Fault::R),
        out_of_range.prop_map(Fault::S),
        any::<[u8; 32]>().prop_map(Fault::R),
        any::<[u8; 32]>().prop_map(Fault::S),
        Just(Fault::NegatedS),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Few keys and messages, so that keys, nonces and whole claims occur several times in a batch.
    #[test]
    fn verdicts_are_those_of_single_verification(
        chosen in prop::collection::vec((1_u8..6, 0_u8..4), 0..24),
        faults in prop::collection::vec((any::<prop::sample::Index>(), fault()), 0..3),
    ) {
        let mut claims: Vec<SignatureClaim> = chosen.into_iter().map(|(key, message)| claim(key, message)).collect();
        prop_assert_eq!(BatchVerifier.verify(&claims), Ok(()));
        for (at, fault) in faults {
            if !claims.is_empty() {
                let at = at.index(claims.len());
                fault.put_into(&mut claims[at]);
            }
        }
        prop_assert_eq!(BatchVerifier.verify(&claims), SingleVerifier.verify(&claims));
    }
}

#[test]
fn errors_that_cancel_in_a_plain_sum_are_found() {
    // Two signatures whose values of s are exchanged: the sums of s, of R and of e·P are those of two true ones.
    for (first, second) in [(0, 1), (2, 7)] {
        let mut claims: Vec<SignatureClaim> = (0..8).map(|message| claim(5, message)).collect();
        let ([r1, s1], [r2, s2]) = (claims[first].signature.into(), claims[second].signature.into());
        claims[first].signature = Signature::from([r1, s2]);
        claims[second].signature = Signature::from([r2, s1]);
        assert_eq!(BatchVerifier.verify(&claims), Err(FalseClaim { index: first }));
    }
}

#[test]
fn one_claim_many_times_is_one_claim() {
    let claims = vec![claim(1, 1); 300];
    assert_eq!(BatchVerifier.verify(&claims), Ok(()));
}

#[test]
fn every_position_of_a_false_claim_is_named() {
    let good: Vec<SignatureClaim> = (0..40).map(|index| claim(index + 1, index)).collect();
    for fault in [Fault::OtherMessage, Fault::R([0xff; 32])] {
        for index in 0..good.len() {
            let mut claims = good.clone();
            fault.put_into(&mut claims[index]);
            fault.put_into(&mut claims[39]);
            assert_eq!(BatchVerifier.verify(&claims), Err(FalseClaim { index }), "{fault:?}");
        }
    }
}

#[test]
fn more_claims_than_one_batch_holds() {
    let true_claims: Vec<SignatureClaim> = (0..64).map(|index| claim(index + 1, index)).collect();
    let mut claims: Vec<SignatureClaim> = true_claims.into_iter().cycle().take(MAX_BATCH_CLAIMS + 70).collect();
    assert_eq!(BatchVerifier.verify(&claims), Ok(()));
    for index in [MAX_BATCH_CLAIMS + 69, MAX_BATCH_CLAIMS, MAX_BATCH_CLAIMS - 1] {
        Fault::OtherMessage.put_into(&mut claims[index]);
        assert_eq!(BatchVerifier.verify(&claims), Err(FalseClaim { index }));
    }
}

#[test]
fn published_vectors_have_their_verdicts_inside_a_batch() {
    let (mut accepted, mut refused) = (0, 0);
    for line in include_str!("data/bip340.csv").lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [index, _, public, _, message, signature, valid, comment] = fields[..] else {
            panic!("eight fields: {line}")
        };
        // A claim has a message of 32 bytes and a key that is a point; the other vectors don't get that far.
        let Some(message) = Hash::from_hex(message) else { continue };
        let Ok(key) = PublicKey::from_bytes(&number(public)) else { continue };
        let signature = Signature(hex::decode(signature).expect("digits").try_into().expect("64 bytes"));
        for place in 0..9 {
            let mut claims: Vec<SignatureClaim> = (0..8).map(|index| claim(index + 1, index)).collect();
            claims.insert(place, SignatureClaim { key, message, signature });
            let expected = if valid == "TRUE" { Ok(()) } else { Err(FalseClaim { index: place }) };
            assert_eq!(BatchVerifier.verify(&claims), expected, "{index}: {comment}");
        }
        accepted += usize::from(valid == "TRUE");
        refused += usize::from(valid != "TRUE");
    }
    assert_eq!((accepted, refused), (5, 8));
}
