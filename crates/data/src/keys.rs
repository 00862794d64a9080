//! Keys over secp256k1: signing after BIP340, words after BIP39, derivation after BIP32, one-time keys in the
//! manner of BIP352, and the contact card by which people find each other's keys.

pub mod contact;
pub mod derivation;
pub mod mnemonic;
pub mod one_time;
mod public;
mod secret;
mod signature;

pub use contact::ContactCard;
pub use derivation::MasterKey;
pub use mnemonic::{Mnemonic, Seed};
pub use one_time::OneTime;
pub use public::{PUBLIC_KEY_BYTES, PublicKey};
pub use secret::{SECRET_KEY_BYTES, SecretKey};
pub use signature::{SIGNATURE_BYTES, Signature};

use thiserror::Error;

/// Why bytes are not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A secret key is zero, or not below the order of the group.
    #[error("secret key is zero or not below the group order")]
    SecretOutOfRange,
    /// A public key is not the x coordinate of a point of the curve.
    #[error("public key is not the x coordinate of a curve point")]
    NotOnCurve,
}

/// Why a signature was refused (BIP340, verification).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// `r` is not below the field's size, or `s` is zero or not below the group order.
    #[error("signature is out of range")]
    OutOfRange,
    /// The equation does not hold: another key, another message, or a forgery.
    #[error("signature does not belong to this key and message")]
    Mismatch,
}
