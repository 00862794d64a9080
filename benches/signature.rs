//! Verifying the signatures of a block: one by one, in batches, in lanes, on all cores, and what other libraries take.
//!
//! All keys of a block are different, which is the worst case for a batch. Run it pinned to one core
//! (`taskset -c 1`) for the lines without threads, and unpinned for the others.

mod turns;

use std::{hint::black_box, num::NonZeroUsize};

use ed25519_dalek::{Signer, SigningKey};
use health_chain::{
    application::node::ParallelVerifier,
    data::{
        SecretKey,
        batch::BatchVerifier,
        ports::{SignatureClaim, SingleVerifier, Verifier},
        sha256,
    },
    data_simd::LaneVerifier,
};
use secp256k1::{XOnlyPublicKey, schnorr};

use self::turns::{compare, contestant};

fn claims(count: usize) -> Vec<SignatureClaim> {
    let claim = |index: usize| {
        let message = sha256(&index.to_le_bytes());
        let key = SecretKey::from_bytes(message.as_bytes()).expect("a hash is a secret key");
        SignatureClaim { key: key.public_key(), message, signature: key.sign(&message, &[1; 32]) }
    };
    (0..count).map(claim).collect()
}

fn one_core(count: usize) {
    let claims = claims(count);
    let thousands = count as f64 / 1e3;
    let lanes = LaneVerifier::detect();
    let ed25519: Vec<_> = (claims.iter())
        .map(|claim| {
            let key = SigningKey::from_bytes(&claim.message.0);
            (key.verifying_key().to_bytes(), key.sign(claim.message.as_bytes()))
        })
        .collect();
    let ed25519_key = |bytes: &[u8; 32]| ed25519_dalek::VerifyingKey::from_bytes(bytes).expect("a key");
    compare(
        &format!("{count} signatures, one core"),
        "thousands/s",
        vec![
            contestant("k256, one by one", thousands, || {
                assert_eq!(SingleVerifier.verify(black_box(&claims)), Ok(()));
            }),
            contestant("batch", thousands, || assert_eq!(BatchVerifier.verify(black_box(&claims)), Ok(())))
                .aiming_at("S1", 1.6),
            contestant("lanes", thousands, || assert_eq!(lanes.verify(black_box(&claims)), Ok(()))),
            contestant("libsecp256k1, one by one", thousands, || {
                for claim in black_box(&claims) {
                    let key = XOnlyPublicKey::from_byte_array(*claim.key.as_bytes()).expect("a key");
                    let signature = schnorr::Signature::from_byte_array(*claim.signature.as_bytes());
                    schnorr::verify(&signature, claim.message.as_bytes(), &key).expect("signed");
                }
            }),
            contestant("ed25519-dalek, one by one (another curve)", thousands, || {
                for (claim, (key, signature)) in claims.iter().zip(black_box(&ed25519)) {
                    ed25519_key(key).verify_strict(claim.message.as_bytes(), signature).expect("signed");
                }
            }),
            contestant("ed25519-dalek, its batch (another curve)", thousands, || {
                let keys: Vec<_> = black_box(&ed25519).iter().map(|(key, _)| ed25519_key(key)).collect();
                let signatures: Vec<_> = ed25519.iter().map(|(_, signature)| *signature).collect();
                let messages: Vec<&[u8]> = claims.iter().map(|claim| &claim.message.as_bytes()[..]).collect();
                ed25519_dalek::verify_batch(&messages, &signatures, &keys).expect("signed");
            }),
        ],
    );
}

fn all_cores(count: usize) {
    let claims = claims(count);
    let thousands = count as f64 / 1e3;
    let threads = |threads: usize| NonZeroUsize::new(threads).expect("not zero");
    let (one, two) = (threads(1), threads(2));
    let claims = &claims;
    let of = |verifier: Box<dyn Verifier>| move || assert_eq!(verifier.verify(black_box(claims)), Ok(()));
    let lanes = LaneVerifier::detect();
    compare(
        &format!("{count} signatures, threads, batches"),
        "thousands/s",
        vec![
            contestant("batch, one thread", thousands, of(Box::new(ParallelVerifier::new(one)))),
            contestant("batch, two threads", thousands, of(Box::new(ParallelVerifier::new(two))))
                .aiming_at("S1 on two cores", 1.9),
        ],
    );
    compare(
        &format!("{count} signatures, threads, lanes"),
        "thousands/s",
        vec![
            contestant("lanes, one thread", thousands, of(Box::new(ParallelVerifier::over(lanes, one)))),
            contestant("lanes, two threads", thousands, of(Box::new(ParallelVerifier::over(lanes, two))))
                .aiming_at("S1 on two cores", 1.9),
        ],
    );
}

fn one_false(count: usize) {
    let mut claims = claims(count);
    let thousands = count as f64 / 1e3;
    let good = claims.clone();
    let lanes = LaneVerifier::detect();
    claims[count - 1].message = sha256(b"another");
    compare(
        &format!("{count} signatures, the last one false, one core"),
        "thousands/s",
        vec![
            contestant("batch, all true", thousands, || assert_eq!(BatchVerifier.verify(black_box(&good)), Ok(()))),
            contestant("batch, one false", thousands, || assert!(BatchVerifier.verify(black_box(&claims)).is_err())),
            contestant("lanes, all true", thousands, || assert_eq!(lanes.verify(black_box(&good)), Ok(()))),
            contestant("lanes, one false", thousands, || assert!(lanes.verify(black_box(&claims)).is_err())),
            contestant("k256, one by one", thousands, || assert!(SingleVerifier.verify(black_box(&claims)).is_err())),
        ],
    );
}

fn main() {
    for count in [8, 64, 512] {
        one_core(count);
    }
    one_false(512);
    all_cores(128);
    all_cores(1_024);
}
