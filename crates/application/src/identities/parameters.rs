//! What the genesis document says about institutions.

use std::collections::BTreeSet;

use health_chain_data::{
    PublicKey,
    codec::{self, Wire},
    genesis::Parameters,
    limits::MAX_GENESIS_BYTES,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{MAX_ACCREDITORS, MAX_INITIAL_INSTITUTIONS, MAX_INSTITUTION_NAME_BYTES};

/// The genesis section "application".
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ApplicationParameters {
    /// Who admits and dismisses institutions. An approval names its key by the position here.
    #[serde(deserialize_with = "codec::at_most::<MAX_ACCREDITORS, _, _>")]
    pub accreditors: Vec<PublicKey>,
    /// How many of them must sign.
    pub threshold: u8,
    /// Institutions admitted from the start.
    #[serde(deserialize_with = "codec::at_most::<MAX_INITIAL_INSTITUTIONS, _, _>")]
    pub institutions: Vec<InitialInstitution>,
}

/// An institution admitted by the genesis document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InitialInstitution {
    /// Its name.
    pub name: String,
    /// Its first key.
    pub key: PublicKey,
}

impl Wire for ApplicationParameters {
    const MAX_BYTES: usize = MAX_GENESIS_BYTES;
}

impl Parameters for ApplicationParameters {
    const SECTION: &'static str = "application";
}

/// A rule that the parameters break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParametersError {
    /// More than [`MAX_ACCREDITORS`] accreditation keys.
    #[error("{count} accreditation keys, where at most {MAX_ACCREDITORS} are allowed")]
    TooManyAccreditors {
        /// How many.
        count: usize,
    },
    /// The threshold is zero or above the number of accreditation keys.
    #[error("{threshold} of {accreditors} accreditation keys can't be asked for")]
    Threshold {
        /// Signatures asked for.
        threshold: u8,
        /// Keys given.
        accreditors: usize,
    },
    /// An accreditation key occurs twice, so that one holder would count as two.
    #[error("accreditation key {key} occurs twice")]
    DuplicateAccreditor {
        /// The key.
        key: PublicKey,
    },
    /// More than [`MAX_INITIAL_INSTITUTIONS`] institutions.
    #[error("{count} institutions, where at most {MAX_INITIAL_INSTITUTIONS} are allowed")]
    TooManyInstitutions {
        /// How many.
        count: usize,
    },
    /// Two institutions share a key.
    #[error("key {key} belongs to two institutions")]
    DuplicateKey {
        /// The key.
        key: PublicKey,
    },
    /// The name of an institution is empty or longer than [`MAX_INSTITUTION_NAME_BYTES`].
    #[error("name of {bytes} bytes, where 1 to {MAX_INSTITUTION_NAME_BYTES} are allowed")]
    NameLength {
        /// Its length.
        bytes: usize,
    },
}

impl ApplicationParameters {
    /// Checks the parameters against each other.
    ///
    /// # Errors
    /// The first rule of [`ParametersError`] that they break.
    pub fn check(&self) -> Result<(), ParametersError> {
        let (threshold, accreditors) = (self.threshold, self.accreditors.len());
        if accreditors > MAX_ACCREDITORS {
            return Err(ParametersError::TooManyAccreditors { count: accreditors });
        }
        if threshold == 0 || usize::from(threshold) > accreditors {
            return Err(ParametersError::Threshold { threshold, accreditors });
        }
        let mut seen = BTreeSet::new();
        if let Some(key) = self.accreditors.iter().find(|key| !seen.insert(**key)) {
            return Err(ParametersError::DuplicateAccreditor { key: *key });
        }
        if self.institutions.len() > MAX_INITIAL_INSTITUTIONS {
            return Err(ParametersError::TooManyInstitutions { count: self.institutions.len() });
        }
        let mut seen = BTreeSet::new();
        for InitialInstitution { name, key } in &self.institutions {
            check_name(name).map_err(|bytes| ParametersError::NameLength { bytes })?;
            if !seen.insert(*key) {
                return Err(ParametersError::DuplicateKey { key: *key });
            }
        }
        Ok(())
    }
}

/// Whether an institution may have this name; otherwise the length that is wrong.
pub(super) fn check_name(name: &str) -> Result<(), usize> {
    if (1..=MAX_INSTITUTION_NAME_BYTES).contains(&name.len()) { Ok(()) } else { Err(name.len()) }
}

#[cfg(test)]
mod tests {
    use health_chain_data::SecretKey;

    use super::*;

    fn key(seed: u16) -> PublicKey {
        let mut bytes = [1; 32];
        bytes[..2].copy_from_slice(&seed.to_be_bytes());
        SecretKey::from_bytes(&bytes).unwrap().public_key()
    }

    fn sample() -> ApplicationParameters {
        let institution = |seed| InitialInstitution { name: "a hospital".into(), key: key(seed) };
        ApplicationParameters {
            accreditors: vec![key(1), key(2), key(3)],
            threshold: 2,
            institutions: vec![institution(4), institution(5)],
        }
    }

    #[test]
    fn each_rule_has_its_refusal() {
        let refusal = |change: fn(&mut ApplicationParameters)| {
            let mut parameters = sample();
            change(&mut parameters);
            parameters.check().unwrap_err()
        };
        assert_eq!(sample().check(), Ok(()));
        assert_eq!(
            refusal(|p| p.accreditors = vec![key(1); MAX_ACCREDITORS + 1]),
            ParametersError::TooManyAccreditors { count: MAX_ACCREDITORS + 1 }
        );
        assert_eq!(refusal(|p| p.threshold = 0), ParametersError::Threshold { threshold: 0, accreditors: 3 });
        assert_eq!(refusal(|p| p.threshold = 4), ParametersError::Threshold { threshold: 4, accreditors: 3 });
        assert_eq!(refusal(|p| p.accreditors[2] = key(1)), ParametersError::DuplicateAccreditor { key: key(1) });
        assert_eq!(
            refusal(|p| p.institutions = vec![p.institutions[0].clone(); MAX_INITIAL_INSTITUTIONS + 1]),
            ParametersError::TooManyInstitutions { count: MAX_INITIAL_INSTITUTIONS + 1 }
        );
        assert_eq!(refusal(|p| p.institutions[1].key = key(4)), ParametersError::DuplicateKey { key: key(4) });
        assert_eq!(refusal(|p| p.institutions[0].name.clear()), ParametersError::NameLength { bytes: 0 });
    }

    #[test]
    fn the_largest_parameters_read_back() {
        let large = ApplicationParameters {
            accreditors: (0..MAX_ACCREDITORS as u16).map(key).collect(),
            threshold: MAX_ACCREDITORS as u8,
            institutions: (0..MAX_INITIAL_INSTITUTIONS as u16)
                .map(|seed| InitialInstitution { name: "n".repeat(MAX_INSTITUTION_NAME_BYTES), key: key(seed) })
                .collect(),
        };
        assert_eq!(large.check(), Ok(()));
        assert_eq!(codec::decode(&codec::encode(&large)), Ok(large));
    }
}
