//! What stands on a pack.

use alloc::{string::String, vec::Vec};
use core::fmt;

use health_chain_data::codec;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::MAX_CODE_BYTES;

/// The code of a product (a GTIN, the device identifier of a UDI) or of a lot: 1 to [`MAX_CODE_BYTES`] visible ASCII characters, so
/// that no two codes look alike. A product needs one form of it: a GTIN is best written with all its 14 digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Code(String);

/// Why a text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Empty or too long.
    #[error("a code of {bytes} bytes, where 1 to {MAX_CODE_BYTES} are allowed")]
    Length {
        /// Its length.
        bytes: usize,
    },
    /// A space, a control character, or one beyond ASCII.
    #[error("character {position} of the code is none of the visible ones of ASCII")]
    Character {
        /// Its position, in bytes.
        position: usize,
    },
}

impl Code {
    /// Checks a code.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, CodeError> {
        let text = text.into();
        let bytes = text.len();
        if !(1..=MAX_CODE_BYTES).contains(&bytes) {
            return Err(CodeError::Length { bytes });
        }
        match text.bytes().position(|byte| !byte.is_ascii_graphic()) {
            Some(position) => Err(CodeError::Character { position }),
            None => Ok(Self(text)),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its canonical bytes: behind its length, so that what follows can't be taken for a part of it.
    pub(super) fn key(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

impl TryFrom<String> for Code {
    type Error = CodeError;

    fn try_from(text: String) -> Result<Self, CodeError> {
        Self::new(text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_its_refusal() {
        assert!(Code::new("04012345678901").is_ok());
        assert_eq!(Code::new(""), Err(CodeError::Length { bytes: 0 }));
        assert!(Code::new("x".repeat(MAX_CODE_BYTES)).is_ok());
        assert_eq!(Code::new("x".repeat(MAX_CODE_BYTES + 1)), Err(CodeError::Length { bytes: MAX_CODE_BYTES + 1 }));
        for text in ["AB C", "AB\u{7f}", "AB\u{e4}"] {
            assert_eq!(Code::new(text), Err(CodeError::Character { position: 2 }));
        }
    }
}
