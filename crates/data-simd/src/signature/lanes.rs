//! Claims of any number through the kernel, eight to a group.

use health_chain_data::{
    Hash,
    ports::{FalseClaim, SignatureClaim},
};

use super::{
    generator::Generator,
    group::{Group, LANES, Verdicts},
};
use crate::{LaneHasher, arch::x86_64::ifma::Ifma};

/// Claims that are worked on together. More than this share hardly more, and take memory.
const MAX_CHUNK_CLAIMS: usize = 512;

/// Verifies all claims, or names the first that does not hold.
pub(super) fn verify(token: Ifma, claims: &[SignatureClaim]) -> Result<(), FalseClaim> {
    for (number, chunk) in claims.chunks(MAX_CHUNK_CLAIMS).enumerate() {
        if let Some(index) = Chunk::new(token, Generator::shared(), chunk).first_false() {
            return Err(FalseClaim { index: number * MAX_CHUNK_CLAIMS + index });
        }
    }
    Ok(())
}

/// Claims and what the kernel says of them.
struct Chunk<'a> {
    claims: &'a [SignatureClaim],
    verdicts: Vec<Verdicts>,
}

impl<'a> Chunk<'a> {
    fn new(token: Ifma, generator: &Generator, claims: &'a [SignatureClaim]) -> Self {
        let challenges = challenges(claims);
        let groups = claims.chunks(LANES).zip(challenges.chunks(LANES));
        let groups: Vec<Group> = groups.map(|(claims, challenges)| Group::new(claims, challenges)).collect();
        Self { claims, verdicts: token.verdicts(generator, &groups) }
    }

    fn first_false(&self) -> Option<usize> {
        (0..self.claims.len()).find(|index| !self.holds(*index))
    }

    fn holds(&self, index: usize) -> bool {
        if self.is_unknown(index) {
            let claim = &self.claims[index];
            return claim.key.verify(&claim.message, &claim.signature).is_ok();
        }
        self.verdicts[index / LANES].holds >> (index % LANES) & 1 == 1
    }

    fn is_unknown(&self, index: usize) -> bool {
        self.verdicts[index / LANES].unknown >> (index % LANES) & 1 == 1
    }
}

/// For each claim the digest of which its `e` is made.
fn challenges(claims: &[SignatureClaim]) -> Vec<Hash> {
    let parts = claims.iter().map(|claim| {
        let [r, _] = claim.signature.into();
        [r, *claim.key.as_bytes(), claim.message.0]
    });
    let parts: Vec<[[u8; 32]; 3]> = parts.collect();
    let messages: Vec<&[u8]> = parts.iter().map(|parts| parts.as_flattened()).collect();
    LaneHasher::detect().hash_tagged("BIP0340/challenge", &messages)
}

#[cfg(test)]
#[allow(clippy::print_stderr, reason = "says what is skipped")]
mod tests {
    use health_chain_data::{PublicKey, SecretKey, Signature, sha256};
    use k256::{
        AffinePoint, FieldBytes, Scalar,
        elliptic_curve::{
            ff::PrimeField,
            ops::Reduce,
            point::{AffineCoordinates, DecompressPoint},
        },
    };

    use super::*;

    fn detected() -> Option<Ifma> {
        let token = Ifma::detect();
        if token.is_none() {
            eprintln!("SKIPPED: this processor has no AVX-512 IFMA");
        }
        token
    }

    fn claims_of(key: &SecretKey, count: usize) -> Vec<SignatureClaim> {
        let claim = |index: usize| {
            let message = sha256(&index.to_le_bytes());
            SignatureClaim { key: key.public_key(), message, signature: key.sign(&message, &[1; 32]) }
        };
        (0..count).map(claim).collect()
    }

    fn unknown(chunk: &Chunk<'_>) -> Vec<usize> {
        (0..chunk.claims.len()).filter(|index| chunk.is_unknown(*index)).collect()
    }

    #[test]
    fn what_the_formulas_do_not_apply_to_is_found_out_by_k256() {
        let Some(token) = detected() else { return };
        let mut one = [0; 32];
        one[31] = 1;
        let key = SecretKey::from_bytes(&one).unwrap();
        let mut claims = claims_of(&key, 64);
        // Sums that begin with G meet G, the key's own point, where the first digit is one or minus one.
        let generator = Generator::with_offset(AffinePoint::GENERATOR);
        let chunk = Chunk::new(token, &generator, &claims);
        let met = unknown(&chunk);
        assert!(!met.is_empty() && met.len() < claims.len(), "some of {} meet: {met:?}", claims.len());
        assert_eq!(chunk.first_false(), None);
        for index in met {
            let message = core::mem::replace(&mut claims[index].message, sha256(b"other"));
            let chunk = Chunk::new(token, &generator, &claims);
            assert_eq!(chunk.first_false(), Some(index));
            claims[index].message = message;
        }
        // With the point that is taken otherwise they don't.
        assert_eq!(unknown(&Chunk::new(token, Generator::shared(), &claims)), Vec::<usize>::new());
    }

    #[test]
    fn a_key_made_from_the_offset_is_no_exception() {
        let Some(token) = detected() else { return };
        let offset: AffinePoint = super::super::generator::offset();
        let key = PublicKey::from_bytes(&offset.x().into()).unwrap();
        let mut claims = claims_of(&SecretKey::from_bytes(&[7; 32]).unwrap(), 64);
        claims.iter_mut().for_each(|claim| claim.key = key);
        let chunk = Chunk::new(token, Generator::shared(), &claims);
        assert!(!unknown(&chunk).is_empty());
        assert!((0..claims.len()).all(|index| !chunk.holds(index)));
    }

    #[test]
    fn a_nonce_at_infinity_is_refused_in_every_lane() {
        let Some(token) = detected() else { return };
        let secret = Scalar::from(0x1234_5678_u64);
        let key = SecretKey::from_bytes(&secret.to_repr().into()).unwrap();
        let public = key.public_key();
        let point = (k256::ProjectivePoint::GENERATOR * secret).to_affine();
        let secret = if point.y_is_odd().into() { -secret } else { secret };
        let claims = claims_of(&key, 24);
        for at in 8..16 {
            let mut claims = claims.clone();
            // s = e·d, so that s·G - e·P is nothing, whatever r says.
            let r = *claims[at].message.as_bytes();
            claims[at].signature = Signature::from([r, [0; 32]]);
            let digest = challenges(&claims)[at];
            let s = <Scalar as Reduce<FieldBytes>>::reduce(&digest.0.into()) * secret;
            claims[at].signature = Signature::from([r, s.to_repr().into()]);
            let chunk = Chunk::new(token, Generator::shared(), &claims);
            assert_eq!((unknown(&chunk), chunk.first_false()), (vec![at], Some(at)));
            assert!(public.verify(&claims[at].message, &claims[at].signature).is_err());
        }
    }

    #[test]
    fn the_offset_is_a_point_with_an_even_y() {
        let offset = super::super::generator::offset();
        let found = AffinePoint::decompress(&offset.x(), 0.into()).unwrap();
        assert_eq!(found, offset);
    }
}
