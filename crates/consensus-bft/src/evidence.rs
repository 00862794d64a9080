//! Proof that a validator said two things where it may say one.

use health_chain_consensus::ports::{EvidenceCheck, Offence, Rejection};
use health_chain_data::{
    ChainId, PublicKey,
    codec::{self, CodecError, Wire},
    ports::{SingleVerifier, Verifier},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{limits::MAX_SIGNED_BYTES, statement::Signed};

/// Two statements that no honest validator both signs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Evidence(pub Signed, pub Signed);

/// Why evidence proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The bytes are no [`Evidence`].
    #[error("no evidence of this engine")]
    Malformed(#[from] CodecError),
    /// They are of different validators, heights, rounds or kinds.
    #[error("the statements do not exclude each other")]
    Unrelated,
    /// They say the same.
    #[error("the statements agree")]
    Agree,
    /// One is not signed by its validator.
    #[error("a signature does not verify")]
    Signature,
}

impl Evidence {
    /// Who did it: proven to anybody who knows the chain. Whether that was a validator is for the caller to know.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn offender(&self, chain: ChainId) -> Result<PublicKey, EvidenceError> {
        let Self(one, other) = self;
        if one.slot() != other.slot() {
            return Err(EvidenceError::Unrelated);
        }
        if one.statement == other.statement {
            return Err(EvidenceError::Agree);
        }
        let claims = [one.claim(chain), other.claim(chain)];
        SingleVerifier.verify(&claims).map_err(|_| EvidenceError::Signature)?;
        Ok(one.validator)
    }
}

/// Reads the evidence that this engine accuses by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Equivocation;

impl EvidenceCheck for Equivocation {
    fn offence(&self, evidence: &[u8], chain: ChainId) -> Result<Offence, Rejection> {
        let proven = codec::decode::<Evidence>(evidence).map_err(EvidenceError::Malformed).and_then(|evidence| {
            Ok(Offence { offender: evidence.offender(chain)?, height: evidence.0.statement.height })
        });
        proven.map_err(|error| {
            let rule = match error {
                EvidenceError::Malformed(_) => "bft-evidence-malformed",
                EvidenceError::Unrelated => "bft-evidence-unrelated",
                EvidenceError::Agree => "bft-evidence-agree",
                EvidenceError::Signature => "bft-evidence-signature",
            };
            Rejection { rule, source: Box::new(error) }
        })
    }

    fn signature_checks(&self) -> u32 {
        2
    }
}

impl Wire for Evidence {
    const MAX_BYTES: usize = 2 * MAX_SIGNED_BYTES;
}

#[cfg(test)]
mod tests {
    use health_chain_data::{BlockId, Hash, Height, SecretKey};

    use super::*;
    use crate::{Choice, Claim, Statement};

    const CHAIN: ChainId = ChainId(Hash([7; 32]));

    fn vote(key: u8, round: u32, choice: Option<Choice>) -> Signed {
        let secret = SecretKey::from_bytes(&[key; 32]).unwrap();
        let statement = Statement { height: Height(5), round, claim: Claim::Prevote(choice) };
        let signature = secret.sign(&statement.message(CHAIN), &[0; 32]);
        Signed { statement, validator: secret.public_key(), signature }
    }

    #[test]
    fn only_two_genuine_conflicting_statements_name_an_offender() {
        let (one, other) = (vote(1, 0, None), vote(1, 0, Some(BlockId::default().into())));
        assert_eq!(Evidence(one, other).offender(CHAIN), Ok(one.validator));
        assert_eq!(Evidence(one, one).offender(CHAIN), Err(EvidenceError::Agree));
        assert_eq!(Evidence(one, vote(1, 1, None)).offender(CHAIN), Err(EvidenceError::Unrelated));
        assert_eq!(
            Evidence(one, vote(2, 0, Some(BlockId::default().into()))).offender(CHAIN),
            Err(EvidenceError::Unrelated)
        );
        let forged = Signed { signature: one.signature, ..other };
        assert_eq!(Evidence(one, forged).offender(CHAIN), Err(EvidenceError::Signature));
        assert_eq!(Evidence(one, other).offender(ChainId(Hash([8; 32]))), Err(EvidenceError::Signature));
    }
}
