//! Handing a record's key to one reader: HPKE (RFC 9180), base mode, single shot, DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256, ChaCha20-Poly1305.
//!
//! A wrap opens for its recipient only, and only for the chain, object, version, epoch, owner and grantee it was made
//! for. It does not say who made it: that is the owner's signature over the grant, which holds [`KeyWrap::commitment`].

mod kem;

pub use kem::{KEM_PUBLIC_KEY_BYTES, KemPublicKey, KemSecretKey};

use alloc::vec::Vec;
use core::fmt;

use hpke::{Deserializable, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    ChainId, Hash, ObjectId, PublicKey,
    codec::{self, Wire},
    commitment::BLINDING_BYTES,
    seal::{DATA_KEY_BYTES, OpeningKey},
    tagged_hash,
};

/// The one suite there is: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
pub const SUITE_X25519_CHACHA20: u16 = 1;
/// The longest encoded wrap that is read, in bytes: room for a hybrid post-quantum suite.
pub const MAX_WRAP_BYTES: usize = 2048;

/// The longest secret that [`wrap_secret`] wraps, in bytes.
pub const MAX_SECRET_BYTES: usize = 1024;

const SECRETS_BYTES: usize = DATA_KEY_BYTES + BLINDING_BYTES + 32;
const TAG_BYTES: usize = 16;
const INFO_TAG: &[u8] = b"HC/wrap/v1";
const INFO_BYTES: usize = INFO_TAG.len() + 32 + 32 + 4 + 4 + 32 + 32;

/// What a wrap is bound to. A wrap opened in another context is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrapContext {
    /// The chain on which the grant stands.
    pub chain: ChainId,
    /// The record.
    pub object: ObjectId,
    /// The record's version, whose data key is wrapped.
    pub version: u32,
    /// The record's epoch, which "revoke all" increases.
    pub epoch: u32,
    /// The owner's key.
    pub owner: PublicKey,
    /// The grantee's key, as it stands in the grant.
    pub grantee: PublicKey,
}

/// What a reader needs: the data key, and what opens the commitment. Key and blinding value are wiped when dropped.
#[derive(Clone)]
pub struct WrappedSecrets {
    /// Opens the sealed object.
    pub key: OpeningKey,
    /// The commitment's blinding value.
    pub blinding: Zeroizing<[u8; BLINDING_BYTES]>,
    /// SHA-256 of the document.
    pub document_digest: Hash,
}

/// A wrapped key, as it is stored and sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyWrap {
    /// Which algorithms were used.
    pub suite: u16,
    /// The encapsulated key; 32 bytes in [`SUITE_X25519_CHACHA20`].
    #[serde(with = "codec::bytes")]
    pub enc: Vec<u8>,
    /// The encrypted secrets, in [`SUITE_X25519_CHACHA20`] 16 bytes longer than they are: 112 for a record's.
    #[serde(with = "codec::bytes")]
    pub ciphertext: Vec<u8>,
}

impl Wire for KeyWrap {
    const MAX_BYTES: usize = MAX_WRAP_BYTES;
}

impl KeyWrap {
    /// What the chain holds of the wrap: the tagged hash of `enc || ciphertext`. Within a suite the first has one length.
    pub fn commitment(&self) -> Hash {
        tagged_hash("HC/wrapc/v1", &[&self.enc, &self.ciphertext])
    }
}

/// Why a key was not wrapped or unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WrapError {
    /// The recipient's key is a point of low order, with which anybody could open the wrap.
    #[error("recipient's key has low order")]
    RecipientKey,
    /// The wrap uses algorithms that this version does not know.
    #[error("unknown suite {found}")]
    Suite {
        /// The suite it names.
        found: u16,
    },
    /// The encapsulated key or the ciphertext has another length than the suite gives it for this kind of secret.
    #[error(
        "encapsulated key of {enc_bytes} and ciphertext of {ciphertext_bytes} bytes are no wrap of this suite and kind"
    )]
    Length {
        /// Length of the encapsulated key.
        enc_bytes: usize,
        /// Length of the ciphertext.
        ciphertext_bytes: usize,
    },
    /// The wrap does not open: it was made for another key or in another context, or it was changed.
    #[error("wrap does not open with this key in this context")]
    Refused,
}

/// Wraps a record's secrets for one recipient. `entropy` must be fresh random bytes for every wrap.
///
/// # Errors
/// [`WrapError::RecipientKey`].
pub fn wrap(
    recipient: &KemPublicKey,
    context: &WrapContext,
    secrets: &WrappedSecrets,
    entropy: &[u8; 32],
) -> Result<KeyWrap, WrapError> {
    wrap_secret(recipient, &context.info(), &secrets.to_bytes(), entropy)
}

/// Opens a wrap of a record's secrets.
///
/// # Errors
/// [`WrapError::Suite`], [`WrapError::Length`], [`WrapError::Refused`].
pub fn unwrap(recipient: &KemSecretKey, context: &WrapContext, wrap: &KeyWrap) -> Result<WrappedSecrets, WrapError> {
    let secrets = unwrap_secret::<SECRETS_BYTES>(recipient, &context.info(), wrap)?;
    WrappedSecrets::from_bytes(&*secrets).ok_or(WrapError::Refused)
}

/// Wraps a short secret that is no record's, a share of a key say. `info` begins with a tag of its own and says all that the secret
/// is bound to: it opens under the same one only. `entropy` must be fresh random bytes for every wrap.
///
/// # Errors
/// [`WrapError::RecipientKey`].
pub fn wrap_secret<const BYTES: usize>(
    recipient: &KemPublicKey,
    info: &[u8],
    secret: &[u8; BYTES],
    entropy: &[u8; 32],
) -> Result<KeyWrap, WrapError> {
    const { assert!(BYTES <= MAX_SECRET_BYTES, "a wrap of it could not be read") };
    let (enc, ciphertext) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, kem::X25519>(
        &OpModeS::Base,
        &recipient.point(),
        info,
        secret,
        &[],
        &mut kem::OneShot::new(entropy),
    )
    .map_err(|_| WrapError::RecipientKey)?;
    Ok(KeyWrap { suite: SUITE_X25519_CHACHA20, enc: enc.to_bytes().to_vec(), ciphertext })
}

/// Opens what [`wrap_secret`] wrapped.
///
/// # Errors
/// [`WrapError::Suite`], [`WrapError::Length`], [`WrapError::Refused`].
pub fn unwrap_secret<const BYTES: usize>(
    recipient: &KemSecretKey,
    info: &[u8],
    wrap: &KeyWrap,
) -> Result<Zeroizing<[u8; BYTES]>, WrapError> {
    if wrap.suite != SUITE_X25519_CHACHA20 {
        return Err(WrapError::Suite { found: wrap.suite });
    }
    let (enc_bytes, ciphertext_bytes) = (wrap.enc.len(), wrap.ciphertext.len());
    if enc_bytes != KEM_PUBLIC_KEY_BYTES || ciphertext_bytes != BYTES + TAG_BYTES {
        return Err(WrapError::Length { enc_bytes, ciphertext_bytes });
    }
    let enc = <kem::X25519 as hpke::Kem>::EncappedKey::from_bytes(&wrap.enc).map_err(|_| WrapError::Refused)?;
    let plaintext = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, kem::X25519>(
        &OpModeR::Base,
        recipient.scalar(),
        &enc,
        info,
        &wrap.ciphertext,
        &[],
    )
    .map(Zeroizing::new)
    .map_err(|_| WrapError::Refused)?;
    let mut secret = Zeroizing::new([0; BYTES]);
    secret.copy_from_slice(&plaintext);
    Ok(secret)
}

impl WrapContext {
    /// The context as HPKE's `info`: a tag, then every field at its fixed place, integers little endian.
    fn info(&self) -> [u8; INFO_BYTES] {
        let mut info = [0; INFO_BYTES];
        let mut rest = &mut info[..];
        for part in [
            INFO_TAG,
            self.chain.as_bytes(),
            self.object.as_bytes(),
            &self.version.to_le_bytes(),
            &self.epoch.to_le_bytes(),
            self.owner.as_bytes(),
            self.grantee.as_bytes(),
        ] {
            let (place, behind) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = behind;
        }
        info
    }
}

impl WrappedSecrets {
    /// `DEK || r || SHA256(M)`.
    fn to_bytes(&self) -> Zeroizing<[u8; SECRETS_BYTES]> {
        let mut bytes = Zeroizing::new([0; SECRETS_BYTES]);
        bytes[..32].copy_from_slice(self.key.expose());
        bytes[32..64].copy_from_slice(&*self.blinding);
        bytes[64..].copy_from_slice(self.document_digest.as_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [key, blinding, digest] = bytes.as_chunks::<32>().0 else { return None };
        Some(Self {
            key: OpeningKey::from_bytes(key),
            blinding: Zeroizing::new(*blinding),
            document_digest: Hash(*digest),
        })
    }
}

impl fmt::Debug for WrappedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappedSecrets(hidden)")
    }
}
