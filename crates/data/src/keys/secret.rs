//! The secret half of a key pair.

use core::fmt;

use k256::{NonZeroScalar, Scalar, ecdh::diffie_hellman, schnorr::SigningKey};
use zeroize::Zeroizing;

use super::{KeyError, PublicKey, Signature};
use crate::Hash;

/// Bytes of a secret key.
pub const SECRET_KEY_BYTES: usize = 32;

/// A secret key of secp256k1 with its public key beside it, so that signing computes no point twice. Wiped when
/// dropped, never printed, neither cloned nor serialised.
///
/// Of the two secrets that belong to one x coordinate it is always the one whose point has the even y (BIP340).
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// Reads a secret scalar, big endian.
    ///
    /// # Errors
    /// [`KeyError::SecretOutOfRange`] for zero and for values not below the group order.
    pub fn from_bytes(bytes: &[u8; SECRET_KEY_BYTES]) -> Result<Self, KeyError> {
        SigningKey::from_bytes(bytes.into()).map(Self).map_err(|_| KeyError::SecretOutOfRange)
    }

    /// The secret scalar, big endian. It differs from what [`from_bytes`](Self::from_bytes) was given where that
    /// one's point had the odd y; the public key is the same.
    pub fn to_bytes(&self) -> Zeroizing<[u8; SECRET_KEY_BYTES]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::from(self.0.verifying_key())
    }

    /// Signs a digest (BIP340). `entropy` is the standard's `aux_rand`: fresh random bytes harden against fault and
    /// side channel attacks; with constant bytes the signature is deterministic and still safe.
    pub fn sign(&self, message: &Hash, entropy: &[u8; 32]) -> Signature {
        self.sign_bytes(message.as_bytes(), entropy)
    }

    /// Signs a message of any length, as BIP340 allows. This project itself signs digests only.
    pub fn sign_bytes(&self, message: &[u8], entropy: &[u8; 32]) -> Signature {
        let signature = self.0.sign_raw(message, entropy).expect("a nonce of zero is a broken SHA-256");
        Signature(signature.to_bytes())
    }

    /// The x coordinate of this secret times the other's point, which is the same from both sides.
    pub(super) fn shared_x(&self, other: &PublicKey) -> Zeroizing<[u8; 32]> {
        let shared = diffie_hellman(self.0.as_nonzero_scalar(), other.point().as_affine());
        Zeroizing::new((*shared.raw_secret_bytes()).into())
    }

    /// The key whose secret is the sum of this one and `tweak`, a hash that this secret went into.
    pub(super) fn plus(&self, tweak: &Scalar) -> Self {
        let sum = Zeroizing::new(**self.0.as_nonzero_scalar() + tweak);
        let sum = NonZeroScalar::new(*sum).into_option();
        Self(SigningKey::from(sum.expect("the tweak, a hash of the public key, is not minus the secret")))
    }
}

impl From<SigningKey> for SecretKey {
    fn from(key: SigningKey) -> Self {
        Self(key)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public_key())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::{keys::SignatureError, sha256};

    #[test]
    fn refuses_zero_and_the_group_order() {
        let mut order = [0; 32];
        hex::decode_to_slice("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", &mut order).unwrap();
        assert_eq!(SecretKey::from_bytes(&[0; 32]).err(), Some(KeyError::SecretOutOfRange));
        assert_eq!(SecretKey::from_bytes(&order).err(), Some(KeyError::SecretOutOfRange));
        order[31] -= 1;
        assert!(SecretKey::from_bytes(&order).is_ok());
    }

    #[test]
    fn a_signature_binds_key_and_message() {
        let key = SecretKey::from_bytes(&[7; 32]).unwrap();
        let signature = key.sign(&sha256(b"message"), &[1; 32]);
        assert_eq!(key.public_key().verify(&sha256(b"message"), &signature), Ok(()));
        assert_eq!(key.public_key().verify(&sha256(b"other"), &signature), Err(SignatureError::Mismatch));
        let stranger = SecretKey::from_bytes(&[8; 32]).unwrap().public_key();
        assert_eq!(stranger.verify(&sha256(b"message"), &signature), Err(SignatureError::Mismatch));
        assert_eq!(
            key.public_key().verify(&sha256(b"message"), &Signature([0xff; 64])),
            Err(SignatureError::OutOfRange)
        );
    }

    #[test]
    fn the_bytes_of_a_key_make_the_same_key() {
        for seed in 1..9 {
            let key = SecretKey::from_bytes(&[seed; 32]).unwrap();
            let again = SecretKey::from_bytes(&key.to_bytes()).unwrap();
            assert_eq!(again.public_key(), key.public_key());
            assert_eq!(again.to_bytes(), key.to_bytes());
        }
    }

    #[test]
    fn is_not_printed() {
        let key = SecretKey::from_bytes(&[0xab; 32]).unwrap();
        assert!(!format!("{key:?}").contains("abab"));
    }
}
