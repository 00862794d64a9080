//! Values as they stand in files that people read and write.

use std::net::SocketAddr;

use health_chain::{
    consensus::Checkpoint,
    data::{Amount, BlockId, Hash, Height, PublicKey},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A public key as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct KeyText(pub(crate) PublicKey);

/// A target of proof of work in Bitcoin's compact form, as `0x` and eight hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct CompactText(pub(crate) u32);

/// A block by height and id, as `HEIGHT:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct CheckpointText(pub(crate) Checkpoint);

/// Why text is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum TextError {
    /// Not the digits of a key.
    #[error("a public key has 64 hexadecimal digits")]
    KeyDigits,
    /// The digits are no key.
    #[error("these digits are not a public key of secp256k1")]
    NotOnCurve,
    /// Not a height and the digits of an id.
    #[error("a checkpoint is written as a height, a colon and the 64 hexadecimal digits of a block's id")]
    Checkpoint,
    /// Not the digits of a target.
    #[error("a target is written as 0x and eight hexadecimal digits")]
    CompactDigits,
    /// Not a name and a key.
    #[error("a founder is written as a name, an equals sign and the 64 hexadecimal digits of a key")]
    Founder,
    /// Not where a node is.
    #[error(
        "an address is an IP address and a port, as in 10.0.0.1:7070 or [2001:db8::1]:7070; names are not looked up"
    )]
    Address,
    /// Not an amount of the token.
    #[error("an amount is written in digits, with at most {decimals} behind a point, and fits 64 bits")]
    Amount {
        /// The token's decimals.
        decimals: u8,
    },
}

impl TryFrom<String> for KeyText {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| TextError::KeyDigits)?;
        PublicKey::from_bytes(&bytes).map(Self).map_err(|_| TextError::NotOnCurve)
    }
}

impl From<KeyText> for String {
    fn from(key: KeyText) -> Self {
        key.0.to_string()
    }
}

impl TryFrom<String> for CheckpointText {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        let (height, id) = text.split_once(':').ok_or(TextError::Checkpoint)?;
        let height = height.parse().map(Height).map_err(|_| TextError::Checkpoint)?;
        let block = Hash::from_hex(id).map(BlockId).ok_or(TextError::Checkpoint)?;
        Ok(Self(Checkpoint { height, block }))
    }
}

impl From<CheckpointText> for String {
    fn from(CheckpointText(Checkpoint { height, block }): CheckpointText) -> Self {
        format!("{height}:{block}")
    }
}

impl TryFrom<String> for CompactText {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        let mut bytes = [0; 4];
        let digits = text.strip_prefix("0x").ok_or(TextError::CompactDigits)?;
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| TextError::CompactDigits)?;
        Ok(Self(u32::from_be_bytes(bytes)))
    }
}

impl From<CompactText> for String {
    fn from(target: CompactText) -> Self {
        format!("{:#010x}", target.0)
    }
}

/// What a command prints with `--json`.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("text and numbers only")
}

/// Where a node is, on the command line.
pub(crate) fn address(text: &str) -> Result<SocketAddr, TextError> {
    text.parse().map_err(|_| TextError::Address)
}

/// A public key on the command line.
pub(crate) fn key(text: &str) -> Result<KeyText, TextError> {
    text.to_owned().try_into()
}

/// `12345` with two decimals is `123.45`.
pub(crate) fn in_major_units(minor: u64, decimals: u8) -> String {
    let places = usize::from(decimals);
    let digits = format!("{minor:0>width$}", width = places + 1);
    match digits.split_at(digits.len() - places) {
        (whole, "") => whole.into(),
        (whole, part) => format!("{whole}.{part}"),
    }
}

/// `123.4` with two decimals is `12340`.
pub(crate) fn in_minor_units(text: &str, decimals: u8) -> Result<Amount, TextError> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<width$}", width = usize::from(decimals));
    let is_written_so = !whole.is_empty()
        && !text.ends_with('.')
        && part.len() <= usize::from(decimals)
        && digits.bytes().all(|digit| digit.is_ascii_digit());
    let minor = digits.parse().ok().filter(|_| is_written_so);
    minor.map(Amount).ok_or(TextError::Amount { decimals })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back_and_anything_else_is_refused() {
        let key = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798".to_owned();
        assert_eq!(KeyText::try_from(key.clone()).map(String::from), Ok(key.clone()));
        assert_eq!(KeyText::try_from(key[1..].to_owned()), Err(TextError::KeyDigits));
        assert_eq!(KeyText::try_from("ff".repeat(32)), Err(TextError::NotOnCurve));
        let checkpoint = format!("12:{key}");
        assert_eq!(CheckpointText::try_from(checkpoint.clone()).map(String::from), Ok(checkpoint.clone()));
        for bad in ["", "12", &checkpoint[1..][1..], &checkpoint[..checkpoint.len() - 1], "-1:00"] {
            assert_eq!(CheckpointText::try_from(bad.to_owned()), Err(TextError::Checkpoint), "{bad}");
        }
        let target = "0x1d00ffff".to_owned();
        assert_eq!(CompactText::try_from(target.clone()), Ok(CompactText(0x1d00_ffff)));
        assert_eq!(String::from(CompactText(0x1d00_ffff)), target);
        for bad in ["1d00ffff", "0x1d00fff", "0x1d00fffff", "0xzz00ffff"] {
            assert_eq!(CompactText::try_from(bad.to_owned()), Err(TextError::CompactDigits), "{bad}");
        }
    }

    #[test]
    fn amounts_have_their_decimals() {
        for (minor, decimals, text) in [
            (12_345, 2, "123.45"),
            (5, 2, "0.05"),
            (0, 2, "0.00"),
            (7, 0, "7"),
            (u64::MAX, 18, "18.446744073709551615"),
        ] {
            assert_eq!(in_major_units(minor, decimals), text);
            assert_eq!(in_minor_units(text, decimals), Ok(Amount(minor)));
        }
        assert_eq!(in_minor_units("12", 2), Ok(Amount(1_200)));
        assert_eq!(in_minor_units("12.5", 2), Ok(Amount(1_250)));
        for bad in ["", ".", ".5", "5.", "1.234", "-1", "+1", "1e3", "1 000", "184467440737095516.16"] {
            assert_eq!(in_minor_units(bad, 2), Err(TextError::Amount { decimals: 2 }), "{bad}");
        }
        assert_eq!(in_minor_units("7.0", 0), Err(TextError::Amount { decimals: 0 }));
    }
}
