//! The proof that a block is decided: precommits of a quorum, as a header's seal carries them.

use health_chain_consensus::Validator;
use health_chain_data::{
    ChainId, Height, Signature,
    keys::SIGNATURE_BYTES,
    ports::{FalseClaim, SignatureClaim, Verifier},
};
use thiserror::Error;

use crate::{
    statement::{Choice, Claim, Statement},
    successors::SuccessorsError,
};

/// Precommits for one block in one round. In a header's seal: `round u32 little-endian | one bit for each validator of the set, first one
/// lowest, in whole bytes | the signatures of those whose bit is set, 64 bytes each`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The round of the precommits.
    pub round: u32,
    /// Position in the validator set, and signature: positions strictly ascending.
    pub signatures: Vec<(usize, Signature)>,
}

/// Why a seal is no certificate of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The branch does not say who decides at this height.
    #[error("the branch does not reach back to the header that names the validators")]
    Unreachable,
    /// The seal of an epoch's last header does not begin with the successors.
    #[error(transparent)]
    Successors(#[from] SuccessorsError),
    /// Its length is not what its own signers take.
    #[error("{bytes} bytes, where a certificate with these signers has {expected}")]
    Length {
        /// Its length.
        bytes: usize,
        /// The length it should have.
        expected: usize,
    },
    /// A bit is set that stands for nobody.
    #[error("signer {index} is beyond the {count} validators")]
    Signer {
        /// The bit.
        index: usize,
        /// How many validators there are.
        count: usize,
    },
    /// Not more than two thirds of the power.
    #[error("signers hold {signed} of {total}, which is no quorum")]
    Quorum {
        /// The signers' power.
        signed: u64,
        /// Everybody's.
        total: u64,
    },
    /// A signer did not sign this.
    #[error("validator {index} did not sign this block")]
    Signature {
        /// Its position.
        index: usize,
    },
}

impl Certificate {
    /// The seal's bytes for a set of `count` validators.
    pub fn to_bytes(&self, count: usize) -> Vec<u8> {
        let mut bytes = self.round.to_le_bytes().to_vec();
        let mut bits = vec![0; count.div_ceil(8)];
        for (index, _) in &self.signatures {
            bits[index / 8] |= 1 << (index % 8);
        }
        bytes.extend(bits);
        for (_, signature) in &self.signatures {
            bytes.extend_from_slice(signature.as_bytes());
        }
        bytes
    }

    /// Reads a seal for a set of `count` validators.
    ///
    /// # Errors
    /// [`CertificateError::Length`] or [`CertificateError::Signer`].
    pub fn from_bytes(bytes: &[u8], count: usize) -> Result<Self, CertificateError> {
        let fixed = 4 + count.div_ceil(8);
        let too_short = CertificateError::Length { bytes: bytes.len(), expected: fixed };
        let (round, rest) = bytes.split_first_chunk::<4>().ok_or(too_short)?;
        let (bits, rest) = rest.split_at_checked(count.div_ceil(8)).ok_or(too_short)?;
        let signers: Vec<usize> =
            (0..bits.len() * 8).filter(|index| bits[index / 8] & (1 << (index % 8)) != 0).collect();
        if let Some(index) = signers.last().copied().filter(|index| *index >= count) {
            return Err(CertificateError::Signer { index, count });
        }
        let (signatures, left) = rest.as_chunks::<SIGNATURE_BYTES>();
        if !left.is_empty() || signatures.len() != signers.len() {
            let expected = fixed + signers.len() * SIGNATURE_BYTES;
            return Err(CertificateError::Length { bytes: bytes.len(), expected });
        }
        let signatures = signers.into_iter().zip(signatures.iter().copied().map(Signature)).collect();
        Ok(Self { round: u32::from_le_bytes(*round), signatures })
    }

    /// Checks that a quorum of `validators` decided on `choice` at `height`; `verifier` is given all signatures at once.
    ///
    /// # Errors
    /// [`CertificateError::Signer`], [`CertificateError::Quorum`] or [`CertificateError::Signature`].
    pub fn verify(
        &self,
        chain: ChainId,
        height: Height,
        choice: Choice,
        validators: &[Validator],
        verifier: &dyn Verifier,
    ) -> Result<(), CertificateError> {
        let count = validators.len();
        let mut signed = 0;
        for (index, _) in &self.signatures {
            let validator = validators.get(*index).ok_or(CertificateError::Signer { index: *index, count })?;
            signed += u64::from(validator.power);
        }
        let total = total_power(validators);
        if !is_quorum(signed, total) {
            return Err(CertificateError::Quorum { signed, total });
        }
        let statement = Statement { height, round: self.round, claim: Claim::Precommit(Some(choice)) };
        let message = statement.message(chain);
        let claim = |(index, signature): &(usize, Signature)| {
            let key = validators[*index].key;
            SignatureClaim { key, message, signature: *signature }
        };
        let claims: Vec<SignatureClaim> = self.signatures.iter().map(claim).collect();
        let is_first_false = |FalseClaim { index }| CertificateError::Signature { index: self.signatures[index].0 };
        verifier.verify(&claims).map_err(is_first_false)
    }
}

/// More than two thirds.
pub(crate) const fn is_quorum(signed: u64, total: u64) -> bool {
    signed * 3 > total * 2
}

/// The power of all together. At most a hundred times [`u32::MAX`].
pub(crate) fn total_power(validators: &[Validator]) -> u64 {
    validators.iter().map(|validator| u64::from(validator.power)).sum()
}

#[cfg(test)]
mod tests {
    use health_chain_data::{BlockId, Hash, SecretKey, batch::BatchVerifier, ports::SingleVerifier};

    use super::*;

    const CHAIN: ChainId = ChainId(Hash([7; 32]));
    const BLOCK: Choice = Choice { block: BlockId(Hash([9; 32])), successors: None };

    fn secret(number: usize) -> SecretKey {
        SecretKey::from_bytes(&[number as u8 + 1; 32]).unwrap()
    }

    fn validators(powers: &[u32]) -> Vec<Validator> {
        let keys = (0..powers.len()).map(|number| secret(number).public_key());
        keys.zip(powers).map(|(key, power)| Validator { key, power: *power }).collect()
    }

    fn signed_by(signers: &[usize]) -> Certificate {
        let statement = Statement { height: Height(3), round: 2, claim: Claim::Precommit(Some(BLOCK)) };
        let sign = |index: &usize| (*index, secret(*index).sign(&statement.message(CHAIN), &[0; 32]));
        Certificate { round: 2, signatures: signers.iter().map(sign).collect() }
    }

    #[test]
    fn a_quorum_is_more_than_two_thirds_of_the_power() {
        let check = |signers: &[usize], powers: &[u32]| {
            signed_by(signers).verify(CHAIN, Height(3), BLOCK, &validators(powers), &SingleVerifier)
        };
        assert_eq!(check(&[0, 1, 3], &[1, 1, 1, 1]), Ok(()));
        assert_eq!(check(&[0, 1], &[1, 1, 1, 1]), Err(CertificateError::Quorum { signed: 2, total: 4 }));
        assert_eq!(check(&[0, 1], &[1, 1, 1]), Err(CertificateError::Quorum { signed: 2, total: 3 }));
        assert_eq!(check(&[2], &[1, 1, 5]), Ok(()));
        assert_eq!(check(&[0, 1, 4], &[1; 4]), Err(CertificateError::Signer { index: 4, count: 4 }));
        assert_eq!(check(&[], &[1; 4]), Err(CertificateError::Quorum { signed: 0, total: 4 }));
    }

    #[test]
    fn every_signature_counts_for_one_block_height_round_and_chain() {
        let set = validators(&[1; 4]);
        for verifier in [&SingleVerifier as &dyn Verifier, &BatchVerifier] {
            let verify = |certificate: &Certificate, chain, height, choice| {
                certificate.verify(chain, height, choice, &set, verifier)
            };
            let good = signed_by(&[1, 2, 3]);
            assert_eq!(verify(&good, CHAIN, Height(3), BLOCK), Ok(()));
            let refused = Err(CertificateError::Signature { index: 1 });
            assert_eq!(verify(&good, CHAIN, Height(4), BLOCK), refused);
            assert_eq!(verify(&good, CHAIN, Height(3), BlockId::default().into()), refused);
            let succeeded = Choice { successors: Some(Hash([1; 32])), ..BLOCK };
            assert_eq!(verify(&good, CHAIN, Height(3), succeeded), refused);
            assert_eq!(verify(&good, ChainId::default(), Height(3), BLOCK), refused);
            assert_eq!(verify(&Certificate { round: 1, ..good.clone() }, CHAIN, Height(3), BLOCK), refused);
            let mut swapped = good;
            swapped.signatures[2].1 = swapped.signatures[1].1;
            assert_eq!(verify(&swapped, CHAIN, Height(3), BLOCK), Err(CertificateError::Signature { index: 3 }));
        }
    }

    #[test]
    fn the_bytes_read_back_and_no_others_do() {
        for count in [4, 8, 9, 100] {
            let certificate = signed_by(&[0, 1, 3]);
            let bytes = certificate.to_bytes(count);
            assert_eq!(bytes.len(), 4 + count.div_ceil(8) + 3 * 64);
            assert_eq!(Certificate::from_bytes(&bytes, count), Ok(certificate));
            for cut in 0..bytes.len() {
                assert!(matches!(Certificate::from_bytes(&bytes[..cut], count), Err(CertificateError::Length { .. })));
            }
            let longer = [&bytes[..], &[0]].concat();
            assert!(matches!(Certificate::from_bytes(&longer, count), Err(CertificateError::Length { .. })));
        }
        let stray = [0, 0, 0, 0, 0b1_0000];
        assert_eq!(Certificate::from_bytes(&stray, 4), Err(CertificateError::Signer { index: 4, count: 4 }));
    }
}
