//! Every key of a wallet from one seed (BIP32).
//!
//! The layout is `m / 18499' / branch' / index'`, hardened on every level, so that neither a leaked record key nor a
//! public key says anything about another. 18499 is "HC" in ASCII. The branches:
//!
//! | branch | key | index |
//! |---|---|---|
//! | 0' | identity, under which an institution is registered | 0 |
//! | 1' | one for every record a patient owns | record |
//! | 2' | one for every relationship | relationship |
//! | 3' | spend key of the contact card | 0 |
//! | 4' | scan key of the contact card | 0 |
//! | 5' | seed of the contact card's key encapsulation key | 0 |

use alloc::string::{String, ToString};
use core::fmt;

use bip32::{ChildNumber, DerivationPath, ExtendedKeyAttrs, ExtendedPrivateKey, Prefix};
use k256::schnorr::SigningKey;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{SecretKey, mnemonic::Seed};

/// The first level of this project's layout.
pub const PURPOSE: u32 = 18_499;

/// Why a key can't be derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DerivationError {
    /// An index is not below 2^31.
    #[error("index {index} is not below 2^31")]
    IndexOutOfRange {
        /// The index.
        index: u32,
    },
    /// A path is not `m`, or `m/` and numbers below 2^31, each with or without `'`.
    #[error("not a derivation path")]
    Path,
    /// A path is deeper than 255 levels.
    #[error("deeper than 255 levels")]
    TooDeep,
    /// The text is not an extended private key: wrong length, checksum, version, key, or a root with a parent.
    #[error("not an extended private key")]
    Text,
    /// No key belongs to this seed or index, which is met once in 2^127: take the next.
    #[error("no key at this place")]
    NoKey,
}

/// A wallet's root, in this project's layout. Never printed. Its key is wiped when dropped; its chain code, which alone derives
/// nothing on hardened levels, is not, because the library that holds it (bip32) does not do so.
#[derive(Debug)]
pub struct MasterKey(ExtendedKey);

impl MasterKey {
    /// The root for a seed.
    ///
    /// # Errors
    /// [`DerivationError::NoKey`].
    pub fn from_seed(seed: &Seed) -> Result<Self, DerivationError> {
        ExtendedKey::from_seed(seed)?.child(PURPOSE, true).map(Self)
    }

    /// The key under which an institution is registered.
    ///
    /// # Errors
    /// [`DerivationError::NoKey`].
    pub fn identity_key(&self) -> Result<SecretKey, DerivationError> {
        self.key(0, 0)
    }

    /// The key that owns the record with this number.
    ///
    /// # Errors
    /// [`DerivationError::IndexOutOfRange`], [`DerivationError::NoKey`].
    pub fn record_key(&self, index: u32) -> Result<SecretKey, DerivationError> {
        self.key(1, index)
    }

    /// The key used towards the institution or person with this number.
    ///
    /// # Errors
    /// [`DerivationError::IndexOutOfRange`], [`DerivationError::NoKey`].
    pub fn relationship_key(&self, index: u32) -> Result<SecretKey, DerivationError> {
        self.key(2, index)
    }

    /// The key that signs the contact card and from which one-time keys are made.
    ///
    /// # Errors
    /// [`DerivationError::NoKey`].
    pub fn spend_key(&self) -> Result<SecretKey, DerivationError> {
        self.key(3, 0)
    }

    /// The key that recognises one-time keys. It may stand on a machine that must not hold the spend key.
    ///
    /// # Errors
    /// [`DerivationError::NoKey`].
    pub fn scan_key(&self) -> Result<SecretKey, DerivationError> {
        self.key(4, 0)
    }

    /// The seed of the key encapsulation key, for [`KemSecretKey::from_seed`](crate::wrap::KemSecretKey::from_seed).
    ///
    /// # Errors
    /// [`DerivationError::NoKey`].
    pub fn kem_seed(&self) -> Result<Zeroizing<[u8; 32]>, DerivationError> {
        Ok(self.extended(5, 0)?.secret_bytes())
    }

    fn key(&self, branch: u32, index: u32) -> Result<SecretKey, DerivationError> {
        Ok(self.extended(branch, index)?.secret_key())
    }

    fn extended(&self, branch: u32, index: u32) -> Result<ExtendedKey, DerivationError> {
        self.0.child(branch, true)?.child(index, true)
    }
}

/// Any private key of a BIP32 tree, with its chain code. Not needed for this project's own layout, but for keys that
/// come from another wallet. Never printed. The key is wiped when dropped, the chain code is not: see [`MasterKey`].
pub struct ExtendedKey(ExtendedPrivateKey<k256::SecretKey>);

impl ExtendedKey {
    /// The root for a seed.
    ///
    /// # Errors
    /// [`DerivationError::NoKey`].
    pub fn from_seed(seed: &Seed) -> Result<Self, DerivationError> {
        ExtendedPrivateKey::new(seed.as_bytes()).map(Self).map_err(|_| DerivationError::NoKey)
    }

    /// Reads the text form (`xprv...`).
    ///
    /// # Errors
    /// [`DerivationError::Text`].
    pub fn from_xprv(text: &str) -> Result<Self, DerivationError> {
        let read: bip32::ExtendedKey = text.parse().map_err(|_| DerivationError::Text)?;
        let ExtendedKeyAttrs { depth, parent_fingerprint, child_number, .. } = read.attrs;
        let orphan = depth == 0 && (parent_fingerprint != [0; 4] || child_number != ChildNumber(0));
        if read.prefix != Prefix::XPRV || orphan {
            return Err(DerivationError::Text);
        }
        ExtendedPrivateKey::try_from(read).map(Self).map_err(|_| DerivationError::Text)
    }

    /// The text form (`xprv...`).
    pub fn to_xprv(&self) -> Zeroizing<String> {
        self.0.to_string(Prefix::XPRV)
    }

    /// The child with this number.
    ///
    /// # Errors
    /// [`DerivationError::IndexOutOfRange`], [`DerivationError::TooDeep`], [`DerivationError::NoKey`].
    pub fn child(&self, index: u32, hardened: bool) -> Result<Self, DerivationError> {
        let number = ChildNumber::new(index, hardened).map_err(|_| DerivationError::IndexOutOfRange { index })?;
        self.0.derive_child(number).map(Self).map_err(|error| match error {
            bip32::Error::Depth => DerivationError::TooDeep,
            _ => DerivationError::NoKey,
        })
    }

    /// The key at the end of a path such as `m/44'/0'/1`, where `m` is this key.
    ///
    /// # Errors
    /// [`DerivationError::Path`], or what [`child`](Self::child) says.
    pub fn derive(&self, path: &str) -> Result<Self, DerivationError> {
        let parsed: DerivationPath = path.parse().map_err(|_| DerivationError::Path)?;
        if parsed.to_string() != path {
            return Err(DerivationError::Path);
        }
        let this = Self(self.0.clone());
        parsed.into_iter().try_fold(this, |key, number| key.child(number.index(), number.is_hardened()))
    }

    /// The key itself, without its chain code.
    pub fn secret_key(&self) -> SecretKey {
        SigningKey::from(self.0.private_key()).into()
    }

    /// The scalar as BIP32 has it, which [`SecretKey::to_bytes`] may negate.
    pub fn secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }
}

impl fmt::Debug for ExtendedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExtendedKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, format};

    use super::*;

    #[test]
    fn the_layout_is_the_documented_one() {
        let seed = Seed::from_bytes(&[9; 32]).unwrap();
        let (root, master) = (ExtendedKey::from_seed(&seed).unwrap(), MasterKey::from_seed(&seed).unwrap());
        let at = |path: &str| root.derive(path).unwrap().secret_key().public_key();
        let keys = [
            (master.identity_key(), "m/18499'/0'/0'"),
            (master.record_key(0), "m/18499'/1'/0'"),
            (master.record_key(7), "m/18499'/1'/7'"),
            (master.relationship_key(7), "m/18499'/2'/7'"),
            (master.spend_key(), "m/18499'/3'/0'"),
            (master.scan_key(), "m/18499'/4'/0'"),
        ];
        let mut seen = BTreeSet::new();
        for (key, path) in keys {
            let public = key.unwrap().public_key();
            assert_eq!(public, at(path), "{path}");
            assert!(seen.insert(public));
        }
        assert_eq!(*master.kem_seed().unwrap(), *root.derive("m/18499'/5'/0'").unwrap().secret_bytes());
        assert_eq!(master.record_key(1 << 31).err(), Some(DerivationError::IndexOutOfRange { index: 1 << 31 }));
    }

    #[test]
    fn a_path_has_one_form_and_an_end() {
        let root = ExtendedKey::from_seed(&Seed::from_bytes(&[9; 32]).unwrap()).unwrap();
        assert_eq!(root.derive("m").unwrap().to_xprv(), root.to_xprv());
        for path in ["", "/", "m/", "0", "m/m/1", "m/+1", "m/01", "m/1h", "m/2147483648", "m/1''", "m/ 1", "m/1.5"] {
            assert_eq!(root.derive(path).err(), Some(DerivationError::Path), "{path}");
        }
        assert!(root.derive(&format!("m{}", "/0".repeat(255))).is_ok());
        assert_eq!(root.derive(&format!("m{}", "/0".repeat(256))).err(), Some(DerivationError::TooDeep));
    }
}
