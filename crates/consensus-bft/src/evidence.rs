//! Proof that a validator said two things where it may say one.

use health_chain_consensus::ports::{EvidenceCheck, Offence, Rejection};
use health_chain_data::{
    ChainId,
    codec::{self, CodecError, Wire},
    ports::SignatureClaim,
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
}

impl Evidence {
    /// Who did what: proven to anybody who knows the chain, provided that the two signatures hold that are pushed to `claims`. Whether
    /// that was a validator is for the caller to know.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn offence(&self, chain: ChainId, claims: &mut Vec<SignatureClaim>) -> Result<Offence, EvidenceError> {
        let Self(one, other) = self;
        if one.slot() != other.slot() {
            return Err(EvidenceError::Unrelated);
        }
        if one.statement == other.statement {
            return Err(EvidenceError::Agree);
        }
        claims.extend([one.claim(chain), other.claim(chain)]);
        Ok(Offence { offender: one.validator, height: one.statement.height })
    }
}

/// Reads the evidence that this engine accuses by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Equivocation;

impl EvidenceCheck for Equivocation {
    fn offence(&self, evidence: &[u8], chain: ChainId, claims: &mut Vec<SignatureClaim>) -> Result<Offence, Rejection> {
        let decoded = codec::decode::<Evidence>(evidence).map_err(EvidenceError::Malformed);
        decoded.and_then(|evidence| evidence.offence(chain, claims)).map_err(|error| {
            let rule = match error {
                EvidenceError::Malformed(_) => "bft-evidence-malformed",
                EvidenceError::Unrelated => "bft-evidence-unrelated",
                EvidenceError::Agree => "bft-evidence-agree",
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
    use health_chain_data::{
        BlockId, Hash, Height, SecretKey,
        ports::{SingleVerifier, Verifier},
    };

    use super::*;
    use crate::{Choice, Claim, Statement};

    const CHAIN: ChainId = ChainId(Hash([7; 32]));

    fn vote(key: u8, round: u32, choice: Option<Choice>) -> Signed {
        let secret = SecretKey::from_bytes(&[key; 32]).unwrap();
        let statement = Statement { height: Height(5), round, claim: Claim::Prevote(choice) };
        let signature = secret.sign(&statement.message(CHAIN), &[0; 32]);
        Signed { statement, validator: secret.public_key(), signature }
    }

    /// Who is named, and whether by signatures that hold.
    fn offence(evidence: Evidence, chain: ChainId) -> Result<(Offence, bool), EvidenceError> {
        let mut claims = Vec::new();
        let offence = evidence.offence(chain, &mut claims)?;
        assert_eq!(claims.len() as u32, Equivocation.signature_checks());
        Ok((offence, SingleVerifier.verify(&claims).is_ok()))
    }

    #[test]
    fn only_two_genuine_conflicting_statements_name_an_offender() {
        let (one, other) = (vote(1, 0, None), vote(1, 0, Some(BlockId::default().into())));
        let named = Offence { offender: one.validator, height: Height(5) };
        assert_eq!(offence(Evidence(one, other), CHAIN), Ok((named, true)));
        assert_eq!(offence(Evidence(one, one), CHAIN), Err(EvidenceError::Agree));
        assert_eq!(offence(Evidence(one, vote(1, 1, None)), CHAIN), Err(EvidenceError::Unrelated));
        let somebody_elses = vote(2, 0, Some(BlockId::default().into()));
        assert_eq!(offence(Evidence(one, somebody_elses), CHAIN), Err(EvidenceError::Unrelated));
        let forged = Signed { signature: one.signature, ..other };
        assert_eq!(offence(Evidence(one, forged), CHAIN), Ok((named, false)));
        assert_eq!(offence(Evidence(one, other), ChainId(Hash([8; 32]))), Ok((named, false)));
    }
}
