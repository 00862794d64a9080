//! The public half of a key pair.

use core::fmt;

use k256::schnorr::VerifyingKey;
use serde::{Deserialize, Serialize};

use super::{KeyError, Signature, SignatureError};
use crate::Hash;

/// Bytes of a public key.
pub const PUBLIC_KEY_BYTES: usize = 32;

/// A public key as BIP340 writes it: the x coordinate of a point of secp256k1, 32 bytes, big endian, standing for
/// the point with the even y. Holding one means that the point exists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "[u8; PUBLIC_KEY_BYTES]", into = "[u8; PUBLIC_KEY_BYTES]")]
pub struct PublicKey([u8; PUBLIC_KEY_BYTES]);

impl PublicKey {
    /// Reads an x coordinate.
    ///
    /// # Errors
    /// [`KeyError::NotOnCurve`] where no point has it.
    pub fn from_bytes(bytes: &[u8; PUBLIC_KEY_BYTES]) -> Result<Self, KeyError> {
        VerifyingKey::from_bytes(bytes.into()).map_err(|_| KeyError::NotOnCurve)?;
        Ok(Self(*bytes))
    }

    /// The x coordinate, big endian.
    pub const fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0
    }

    /// Checks a signature over a digest (BIP340).
    ///
    /// # Errors
    /// The rule of [`SignatureError`] that is broken.
    pub fn verify(&self, message: &Hash, signature: &Signature) -> Result<(), SignatureError> {
        self.verify_bytes(message.as_bytes(), signature)
    }

    /// Checks a signature over a message of any length, as BIP340 allows. This project itself signs digests only.
    ///
    /// # Errors
    /// The rule of [`SignatureError`] that is broken.
    pub fn verify_bytes(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        let signature =
            k256::schnorr::Signature::from_bytes(signature.as_bytes()).map_err(|_| SignatureError::OutOfRange)?;
        self.point().verify_raw(message, &signature).map_err(|_| SignatureError::Mismatch)
    }

    /// The point itself; costs a square root.
    pub(super) fn point(&self) -> VerifyingKey {
        VerifyingKey::from_bytes(&self.0.into()).expect("checked when the key was made")
    }
}

impl From<&VerifyingKey> for PublicKey {
    fn from(key: &VerifyingKey) -> Self {
        Self(key.to_bytes().into())
    }
}

impl TryFrom<[u8; PUBLIC_KEY_BYTES]> for PublicKey {
    type Error = KeyError;

    fn try_from(bytes: [u8; PUBLIC_KEY_BYTES]) -> Result<Self, KeyError> {
        Self::from_bytes(&bytes)
    }
}

impl From<PublicKey> for [u8; PUBLIC_KEY_BYTES] {
    fn from(key: PublicKey) -> Self {
        key.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{CodecError, Wire, decode, encode};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Carrier(PublicKey);

    impl Wire for Carrier {
        const MAX_BYTES: usize = PUBLIC_KEY_BYTES;
    }

    #[test]
    fn only_curve_points_are_decoded() {
        let mut generator = [0; 32];
        hex::decode_to_slice("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", &mut generator)
            .unwrap();
        let key = PublicKey::from_bytes(&generator).unwrap();
        assert_eq!(encode(&Carrier(key)), generator);
        assert_eq!(decode::<Carrier>(&generator), Ok(Carrier(key)));
        // x = 5 is no point's coordinate, and x >= p is no coordinate at all.
        let mut five = [0; 32];
        five[31] = 5;
        assert_eq!(PublicKey::from_bytes(&five), Err(KeyError::NotOnCurve));
        assert_eq!(decode::<Carrier>(&five), Err(CodecError::OutOfRange));
        assert_eq!(decode::<Carrier>(&[0xff; 32]), Err(CodecError::OutOfRange));
        assert_eq!(decode::<Carrier>(&[0; 32]), Err(CodecError::OutOfRange));
    }
}
