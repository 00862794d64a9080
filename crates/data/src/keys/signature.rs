//! A signature's 64 bytes.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// A BIP340 signature: `r` and `s`, 32 bytes each, big endian. Any 64 bytes are a value of this type; only
/// [`PublicKey::verify`](super::PublicKey::verify) says whether they sign something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "[[u8; 32]; 2]", into = "[[u8; 32]; 2]")]
pub struct Signature(pub [u8; SIGNATURE_BYTES]);

impl Signature {
    /// `r` and `s`, one behind the other.
    pub const fn as_bytes(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.0
    }
}

impl From<[[u8; 32]; 2]> for Signature {
    fn from([r, s]: [[u8; 32]; 2]) -> Self {
        let mut bytes = [0; SIGNATURE_BYTES];
        bytes[..32].copy_from_slice(&r);
        bytes[32..].copy_from_slice(&s);
        Self(bytes)
    }
}

impl From<Signature> for [[u8; 32]; 2] {
    fn from(signature: Signature) -> Self {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        r.copy_from_slice(&signature.0[..32]);
        s.copy_from_slice(&signature.0[32..]);
        [r, s]
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encode;

    #[test]
    fn is_encoded_as_its_64_bytes() {
        let bytes = core::array::from_fn(|index| index as u8);
        assert_eq!(encode(&Signature(bytes)), bytes);
        assert_eq!(postcard::from_bytes::<Signature>(&bytes), Ok(Signature(bytes)));
    }
}
