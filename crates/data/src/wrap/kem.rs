//! Key encapsulation keys (X25519), and the entropy handed to HPKE.

use core::{convert::Infallible, fmt};

use hpke::{Deserializable, Kem, Serializable, kem::X25519HkdfSha256};
use k256::elliptic_curve::rand_core::{TryCryptoRng, TryRng};
use serde::{Deserialize, Serialize};

pub(super) type X25519 = X25519HkdfSha256;

/// Bytes of a public key encapsulation key.
pub const KEM_PUBLIC_KEY_BYTES: usize = 32;

/// A public X25519 key. Any 32 bytes are a value; wrapping refuses the few that are of low order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KemPublicKey(pub [u8; KEM_PUBLIC_KEY_BYTES]);

impl KemPublicKey {
    /// The key's bytes, as RFC 7748 writes them.
    pub const fn as_bytes(&self) -> &[u8; KEM_PUBLIC_KEY_BYTES] {
        &self.0
    }

    pub(super) fn point(&self) -> <X25519 as Kem>::PublicKey {
        Deserializable::from_bytes(&self.0).expect("any 32 bytes are a point's coordinate")
    }
}

impl fmt::Display for KemPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KemPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KemPublicKey({self})")
    }
}

/// A secret X25519 key. Wiped when dropped, never printed.
pub struct KemSecretKey {
    scalar: <X25519 as Kem>::PrivateKey,
    public: KemPublicKey,
}

impl KemSecretKey {
    /// The key pair for 32 secret bytes (RFC 9180's `DeriveKeyPair`).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let (scalar, public) = X25519::derive_keypair(seed);
        Self { scalar, public: KemPublicKey(public.to_bytes().into()) }
    }

    /// The public half.
    pub const fn public_key(&self) -> KemPublicKey {
        self.public
    }

    pub(super) const fn scalar(&self) -> &<X25519 as Kem>::PrivateKey {
        &self.scalar
    }
}

impl fmt::Debug for KemSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KemSecretKey(of {})", self.public)
    }
}

/// The random source that HPKE asks for, over entropy that the caller gave: DHKEM(X25519) draws its ephemeral key
/// from 32 bytes, once.
pub(super) struct OneShot<'a>(Option<&'a [u8; 32]>);

impl<'a> OneShot<'a> {
    pub(super) const fn new(entropy: &'a [u8; 32]) -> Self {
        Self(Some(entropy))
    }

    fn draw<const BYTES: usize>(&mut self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let Ok(()) = self.try_fill_bytes(&mut bytes);
        bytes
    }
}

impl TryRng for OneShot<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.draw()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.draw()))
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        let entropy = self.0.take().expect("DHKEM(X25519) draws once");
        destination.copy_from_slice(&entropy[..destination.len()]);
        Ok(())
    }
}

impl TryCryptoRng for OneShot<'_> {}
