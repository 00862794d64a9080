//! Node keys: how they stand in TLS, and the ids made of them.

use std::{fmt, sync::Arc};

use health_chain_data::{PublicKey, SecretKey, sha256};
use health_chain_network::ports::PeerId;
use thiserror::Error;

/// Everything of a node key's `SubjectPublicKeyInfo` but the x coordinate (RFC 5280, section 4.1; RFC 5480, section 2.1.1;
/// curve and point as in SEC 2 and SEC 1): the algorithm `id-ecPublicKey` on secp256k1, then the point with the even y
/// in compressed form. Nothing else is accepted, so a key has exactly one encoding.
const PREFIX: [u8; 24] = [
    0x30, 0x36, // SEQUENCE, 54 bytes
    0x30, 0x10, // SEQUENCE, 16 bytes
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, // 1.2.840.10045.2.1, id-ecPublicKey
    0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a, // 1.3.132.0.10, secp256k1
    0x03, 0x22, 0x00, // BIT STRING, 34 bytes, no unused bits
    0x02, // compressed point, even y
];

/// The id of the node that holds this key: SHA-256 of the key's 32 bytes, the x coordinate as BIP340 writes it. The
/// encoding that TLS wraps around a raw public key is not part of it.
pub fn peer_id(node_key: &PublicKey) -> PeerId {
    PeerId(sha256(node_key.as_bytes()))
}

/// Why a peer's key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum IdentityError {
    #[error("not the encoding of a node key")]
    Encoding,
    #[error("the node key is no point of the curve")]
    NotOnCurve,
    #[error("one key was expected, not a chain")]
    Chain,
    #[error("the node key is this node's own")]
    Own,
}

/// This node's key and what it shows of it.
pub(crate) struct Identity {
    pub(crate) secret: Arc<SecretKey>,
    pub(crate) public_key_info: Vec<u8>,
    pub(crate) peer: PeerId,
}

impl Identity {
    pub(crate) fn new(secret: SecretKey) -> Self {
        let public = secret.public_key();
        Self { secret: Arc::new(secret), public_key_info: encode(&public), peer: peer_id(&public) }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity(of {})", self.peer)
    }
}

/// A key's `SubjectPublicKeyInfo`.
pub(crate) fn encode(key: &PublicKey) -> Vec<u8> {
    [PREFIX.as_slice(), key.as_bytes()].concat()
}

/// Reads what [`encode`] writes, and nothing else.
pub(crate) fn decode(public_key_info: &[u8]) -> Result<PublicKey, IdentityError> {
    let x = public_key_info.strip_prefix(&PREFIX).ok_or(IdentityError::Encoding)?;
    let x = x.try_into().map_err(|_| IdentityError::Encoding)?;
    PublicKey::from_bytes(x).map_err(|_| IdentityError::NotOnCurve)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_bytes(&[seed; 32]).unwrap().public_key()
    }

    #[test]
    fn reads_back_and_hashes_the_coordinate_alone() {
        assert_eq!(decode(&encode(&key(1))), Ok(key(1)));
        assert_eq!(peer_id(&key(1)).0, sha256(key(1).as_bytes()));
    }

    #[test]
    fn every_changed_byte_of_the_wrapping_is_refused() {
        let good = encode(&key(1));
        for position in 0..PREFIX.len() {
            let mut bad = good.clone();
            bad[position] ^= 1;
            assert_eq!(decode(&bad), Err(IdentityError::Encoding), "byte {position}");
        }
        assert_eq!(decode(&good[..good.len() - 1]), Err(IdentityError::Encoding));
        assert_eq!(decode(&[good.as_slice(), &[0]].concat()), Err(IdentityError::Encoding));
        assert_eq!(decode(&[PREFIX.as_slice(), &[0xff; 32]].concat()), Err(IdentityError::NotOnCurve));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_the_only_encoding(
            tail in proptest::collection::vec(any::<u8>(), 0..40),
            whole in any::<bool>(),
        ) {
            let bytes = if whole { [PREFIX.as_slice(), &tail].concat() } else { tail };
            if let Ok(key) = decode(&bytes) {
                prop_assert_eq!(encode(&key), bytes);
            }
        }
    }
}
