//! The suites of [`Signer`] and [`Verifier`].

use health_chain::data::{
    SecretKey, Signature,
    ports::{FalseClaim, SignatureClaim, Signer, Verifier},
    sha256,
};

/// Checks a signer: its signatures verify under its key, over the message given, whatever the entropy.
///
/// # Panics
/// With the rule that the signer breaks.
pub fn signer(signer: &dyn Signer) {
    let key = signer.public_key();
    for (message, entropy) in [(sha256(b"one"), [0; 32]), (sha256(b"one"), [7; 32]), (sha256(b"two"), [7; 32])] {
        let signature = signer.sign(&message, &entropy).expect("the signer is ready");
        assert_eq!(key.verify(&message, &signature), Ok(()), "a signature verifies under the signer's key");
        assert!(key.verify(&sha256(b"three"), &signature).is_err(), "and over no other message");
    }
    assert_eq!(signer.public_key(), key, "a signer keeps its key");
}

/// Checks a verifier: it accepts what is signed, in any number, and names the first claim that does not hold.
///
/// # Panics
/// With the rule that the verifier breaks.
pub fn verifier(verifier: &dyn Verifier) {
    for count in [0, 1, 2, 3, 17, 64, 130] {
        let claims: Vec<SignatureClaim> = (0..count).map(claim).collect();
        assert_eq!(verifier.verify(&claims), Ok(()), "{count} true claims");
        for index in [0, count / 2, count.saturating_sub(1)].into_iter().filter(|index| *index < count) {
            for (what, change) in FALSIFICATIONS {
                let mut claims = claims.clone();
                change(&mut claims[index]);
                assert_eq!(verifier.verify(&claims), Err(FalseClaim { index }), "{what} at {index} of {count}");
                claims.push(SignatureClaim { signature: Signature([0; 64]), ..claim(count) });
                assert_eq!(verifier.verify(&claims), Err(FalseClaim { index }), "the first false claim is named");
            }
        }
    }
}

type Change = fn(&mut SignatureClaim);
const FALSIFICATIONS: [(&str, Change); 5] = [
    ("another message", |claim| claim.message = sha256(b"another")),
    ("another key", |claim| claim.key = key(200).public_key()),
    ("a flipped bit in r", |claim| claim.signature.0[0] ^= 1),
    ("a flipped bit in s", |claim| claim.signature.0[63] ^= 1),
    ("a signature out of range", |claim| claim.signature.0 = [0xff; 64]),
];

fn claim(index: usize) -> SignatureClaim {
    let message = sha256(&index.to_le_bytes());
    let key = key(1 + index as u8 % 100);
    SignatureClaim { key: key.public_key(), message, signature: key.sign(&message, &[1; 32]) }
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).expect("a small number is a secret key")
}
