//! Proof that a validator said two things where it may say one.

use health_chain_data::{ChainId, PublicKey, codec::Wire};
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
        if one.is_genuine(chain) && other.is_genuine(chain) { Ok(one.validator) } else { Err(EvidenceError::Signature) }
    }
}

impl Wire for Evidence {
    const MAX_BYTES: usize = 2 * MAX_SIGNED_BYTES;
}

#[cfg(test)]
mod tests {
    use health_chain_data::{BlockId, Hash, Height, SecretKey};

    use super::*;
    use crate::{Claim, Statement};

    const CHAIN: ChainId = ChainId(Hash([7; 32]));

    fn vote(key: u8, round: u32, block: Option<BlockId>) -> Signed {
        let secret = SecretKey::from_bytes(&[key; 32]).unwrap();
        let statement = Statement { height: Height(5), round, claim: Claim::Prevote(block) };
        let signature = secret.sign(&statement.message(CHAIN), &[0; 32]);
        Signed { statement, validator: secret.public_key(), signature }
    }

    #[test]
    fn only_two_genuine_conflicting_statements_name_an_offender() {
        let (one, other) = (vote(1, 0, None), vote(1, 0, Some(BlockId::default())));
        assert_eq!(Evidence(one, other).offender(CHAIN), Ok(one.validator));
        assert_eq!(Evidence(one, one).offender(CHAIN), Err(EvidenceError::Agree));
        assert_eq!(Evidence(one, vote(1, 1, None)).offender(CHAIN), Err(EvidenceError::Unrelated));
        assert_eq!(Evidence(one, vote(2, 0, Some(BlockId::default()))).offender(CHAIN), Err(EvidenceError::Unrelated));
        let forged = Signed { signature: one.signature, ..other };
        assert_eq!(Evidence(one, forged).offender(CHAIN), Err(EvidenceError::Signature));
        assert_eq!(Evidence(one, other).offender(ChainId(Hash([8; 32]))), Err(EvidenceError::Signature));
    }
}
