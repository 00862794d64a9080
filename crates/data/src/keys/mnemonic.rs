//! The words a person writes down (BIP39, English list).

use alloc::{string::String, vec::Vec};
use core::fmt;

use bip39::Language;
use thiserror::Error;
use zeroize::Zeroizing;

/// Between 12 and 24 words that stand for a wallet's entropy. Wiped when dropped, never printed.
pub struct Mnemonic(bip39::Mnemonic);

/// What a wallet's keys are derived from: 16, 32 or 64 bytes; from words, always 64. Wiped when dropped, never printed.
pub struct Seed(Zeroizing<Vec<u8>>);

/// Why words or bytes are not a wallet's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MnemonicError {
    /// Entropy is not 16, 20, 24, 28 or 32 bytes long.
    #[error("{found_bytes} bytes of entropy, where 16, 20, 24, 28 or 32 are needed")]
    EntropyLength {
        /// Its length.
        found_bytes: usize,
    },
    /// A seed is not 16, 32 or 64 bytes long.
    #[error("a seed of {found_bytes} bytes, where 16, 32 or 64 are needed")]
    SeedLength {
        /// Its length.
        found_bytes: usize,
    },
    /// There are not 12, 15, 18, 21 or 24 words.
    #[error("{found} words, where 12, 15, 18, 21 or 24 are needed")]
    WordCount {
        /// Words found.
        found: usize,
    },
    /// A word is not in the list.
    #[error("word {index} is not in the word list")]
    UnknownWord {
        /// Its place, from 0.
        index: usize,
    },
    /// The last word does not fit the others: a word is wrong, or two are swapped.
    #[error("the words' checksum does not fit")]
    Checksum,
}

impl Mnemonic {
    /// The words for 16, 20, 24, 28 or 32 fresh random bytes.
    ///
    /// # Errors
    /// [`MnemonicError::EntropyLength`].
    pub fn from_entropy(entropy: &[u8]) -> Result<Self, MnemonicError> {
        bip39::Mnemonic::from_entropy(entropy)
            .map(Self)
            .map_err(|_| MnemonicError::EntropyLength { found_bytes: entropy.len() })
    }

    /// Reads words that are separated by white space.
    ///
    /// # Errors
    /// The rule of [`MnemonicError`] that is broken.
    pub fn from_phrase(phrase: &str) -> Result<Self, MnemonicError> {
        bip39::Mnemonic::parse_in(Language::English, phrase).map(Self).map_err(|error| match error {
            bip39::Error::BadWordCount(found) => MnemonicError::WordCount { found },
            bip39::Error::UnknownWord(index) => MnemonicError::UnknownWord { index },
            // The language is given, and entropy is only read by `from_entropy`: a wrong checksum is all that is left.
            _ => MnemonicError::Checksum,
        })
    }

    /// The words, separated by single spaces.
    pub fn phrase(&self) -> Zeroizing<String> {
        let mut phrase = Zeroizing::new(String::with_capacity(24 * 9));
        for word in self.0.words() {
            if !phrase.is_empty() {
                phrase.push(' ');
            }
            phrase.push_str(word);
        }
        phrase
    }

    /// The seed for these words and a passphrase, which may be empty. Deliberately slow (2048 rounds of PBKDF2). Every
    /// passphrase gives a seed, so a mistyped one opens an empty wallet.
    pub fn to_seed(&self, passphrase: &str) -> Seed {
        Seed(Zeroizing::new(Zeroizing::new(self.0.to_seed(passphrase)).to_vec()))
    }
}

impl Seed {
    /// A seed kept as bytes.
    ///
    /// # Errors
    /// [`MnemonicError::SeedLength`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MnemonicError> {
        match bytes.len() {
            16 | 32 | 64 => Ok(Self(Zeroizing::new(bytes.to_vec()))),
            found_bytes => Err(MnemonicError::SeedLength { found_bytes }),
        }
    }

    /// The seed's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Mnemonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mnemonic(hidden)")
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_phrases_are_named() {
        let good = Mnemonic::from_entropy(&[0; 16]).unwrap().phrase();
        assert!(good.ends_with("abandon about"));
        assert!(Mnemonic::from_phrase(&good).is_ok());
        let refused = |phrase: &str| Mnemonic::from_phrase(phrase).err();
        assert_eq!(refused(&good.replace("about", "abandon")), Some(MnemonicError::Checksum));
        assert_eq!(refused(&good.replace("about", "aboutt")), Some(MnemonicError::UnknownWord { index: 11 }));
        assert_eq!(refused("abandon about"), Some(MnemonicError::WordCount { found: 2 }));
        assert_eq!(Mnemonic::from_entropy(&[0; 17]).err(), Some(MnemonicError::EntropyLength { found_bytes: 17 }));
    }
}
