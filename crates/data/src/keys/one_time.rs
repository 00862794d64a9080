//! One-time keys in the manner of BIP352 (silent payments): the owner of a record makes up a key for the grantee, the
//! grantee finds it and can sign with it, and nobody else can tell whose it is.
//!
//! With the sender's secret `a` and public key `A`, the card's scan key `B` (secret `b`) and spend key `C` (secret `c`):
//! `t = TH("HC/onetime/v1", x(a * B) || A || B || C || context)`, the one-time public key is `C + t * G`, its secret
//! `c + t`. Both sides know `x(a * B) = x(b * A)`; only the grantee knows `c`. The context (the object's id, say) makes
//! the key differ for each use of the same two parties.

use k256::{FieldBytes, ProjectivePoint, Scalar, elliptic_curve::ops::Reduce, schnorr::VerifyingKey};
use zeroize::Zeroizing;

use super::{PublicKey, SecretKey};
use crate::{Hash, tagged_hash};

/// The three steps of the scheme; there is no value of this type.
#[derive(Debug, Clone, Copy)]
pub enum OneTime {}

impl OneTime {
    /// The sender's step: the key to write on chain for the owner of a contact card with these keys.
    pub fn derive(sender: &SecretKey, spend: &PublicKey, scan: &PublicKey, context: &Hash) -> PublicKey {
        let tweak = tweak(sender, scan, &[&sender.public_key(), scan, spend], context);
        public(spend, &tweak)
    }

    /// The grantee's first step, without the spend secret: the key that this sender would have written.
    pub fn recognise(scan: &SecretKey, spend: &PublicKey, sender: &PublicKey, context: &Hash) -> PublicKey {
        let tweak = tweak(scan, sender, &[sender, &scan.public_key(), spend], context);
        public(spend, &tweak)
    }

    /// The grantee's second step: the secret of that key.
    pub fn recover(scan: &SecretKey, spend: &SecretKey, sender: &PublicKey, context: &Hash) -> SecretKey {
        let tweak = tweak(scan, sender, &[sender, &scan.public_key(), &spend.public_key()], context);
        spend.plus(&tweak)
    }
}

/// `t`, from one side's secret and the other's public key, and sender, scan and spend key in this order.
fn tweak(secret: &SecretKey, public: &PublicKey, parties: &[&PublicKey; 3], context: &Hash) -> Zeroizing<Scalar> {
    let shared = secret.shared_x(public);
    let [sender, scan, spend] = parties.map(PublicKey::as_bytes);
    let digest = tagged_hash("HC/onetime/v1", &[&*shared, sender, scan, spend, context.as_bytes()]);
    Zeroizing::new(Scalar::reduce(&FieldBytes::from(digest.0)))
}

fn public(spend: &PublicKey, tweak: &Scalar) -> PublicKey {
    let point = ProjectivePoint::from(*spend.point().as_affine()) + ProjectivePoint::mul_by_generator(tweak);
    let key = VerifyingKey::try_from(point.to_affine());
    PublicKey::from(&key.expect("the tweak, a hash of the spend key, is not minus its secret"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sha256;

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes(&[byte; 32]).unwrap()
    }

    #[test]
    fn the_grantee_can_sign_with_the_key_that_the_owner_wrote() {
        let (sender, scan, spend) = (key(1), key(2), key(3));
        let context = sha256(b"object");
        let written = OneTime::derive(&sender, &spend.public_key(), &scan.public_key(), &context);
        assert_eq!(OneTime::recognise(&scan, &spend.public_key(), &sender.public_key(), &context), written);
        let secret = OneTime::recover(&scan, &spend, &sender.public_key(), &context);
        assert_eq!(secret.public_key(), written);
        let signature = secret.sign(&sha256(b"read"), &[0; 32]);
        assert_eq!(written.verify(&sha256(b"read"), &signature), Ok(()));
    }

    #[test]
    fn every_party_and_the_context_change_the_key() {
        let (sender, scan, spend) = (key(1), key(2), key(3));
        let context = sha256(b"object");
        let written = OneTime::derive(&sender, &spend.public_key(), &scan.public_key(), &context);
        let other = key(4).public_key();
        assert_ne!(OneTime::derive(&key(4), &spend.public_key(), &scan.public_key(), &context), written);
        assert_ne!(OneTime::derive(&sender, &other, &scan.public_key(), &context), written);
        assert_ne!(OneTime::derive(&sender, &spend.public_key(), &other, &context), written);
        assert_ne!(OneTime::derive(&sender, &spend.public_key(), &scan.public_key(), &sha256(b"b")), written);
        assert_ne!(written, spend.public_key());
    }
}
