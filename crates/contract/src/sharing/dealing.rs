//! Dealing, checking and combining shares, through the sharing library.

use alloc::vec::Vec;

use health_chain_data::{
    Hash, codec, sha256,
    wrap::{KemPublicKey, KemSecretKey},
};
use k256::{ProjectivePoint, schnorr::VerifyingKey};
use vsss_rs::{
    PedersenResult, PedersenVerifierSet, ReadableShareSet, ShareElement, ValueGroup, VecPedersenVerifierSet,
};
use zeroize::Zeroizing;

use super::{
    Commitments, SHARE_BYTES, Share, SharingError,
    coins::Coins,
    point::Point,
    share::{self, Coordinates, Element},
};
use crate::limits::{MAX_SHARES, MIN_SHARING_THRESHOLD};

type Generator = ValueGroup<ProjectivePoint>;

/// The x coordinate of the generator that blinds: SHA-256 of the uncompressed curve generator, as BIP341 has it. Nobody knows its
/// discrete logarithm.
const BLINDING_GENERATOR: [u8; 32] = [
    0x50, 0x92, 0x9b, 0x74, 0xc1, 0xa0, 0x49, 0x54, 0xb7, 0x8b, 0x4b, 0x60, 0x35, 0xe9, 0x7a, 0x5e, 0x07, 0x8a, 0x5a,
    0x0f, 0x28, 0xec, 0x96, 0xd5, 0x47, 0xbf, 0xee, 0x9a, 0xce, 0x80, 0x3a, 0xc0,
];

/// What a dealer has in hand. The secret itself never leaves [`deal`].
#[derive(Debug)]
pub struct Dealt {
    /// To be published.
    pub commitments: Commitments,
    /// One for each holder, in ascending order of their positions, which begin with 1.
    pub shares: Vec<Share>,
    /// What the shares make up the secret key of: data keys are wrapped to it.
    pub key: KemPublicKey,
}

/// Deals a fresh secret into `shares` shares, `threshold` of which are needed. `entropy` must be fresh random bytes.
///
/// # Errors
/// [`SharingError::Threshold`].
pub fn deal(threshold: usize, shares: usize, entropy: &[u8; 32]) -> Result<Dealt, SharingError> {
    if threshold < MIN_SHARING_THRESHOLD || threshold > shares || shares > MAX_SHARES {
        return Err(SharingError::Threshold { threshold, shares });
    }
    let mut coins = Coins::new(entropy);
    let secret = Zeroizing::new(Element::random(&mut coins));
    let key = key_of(&secret).public_key();
    let (commitments, shares) = split(threshold, shares, &secret, blinding_generator(), &mut coins);
    Ok(Dealt { commitments, shares, key })
}

impl Commitments {
    /// Reads a share and checks it: what comes out is what the dealer committed to.
    ///
    /// # Errors
    /// [`SharingError::False`].
    pub fn share(&self, position: u8, bytes: &[u8; SHARE_BYTES]) -> Result<Share, SharingError> {
        let share = Share::from_bytes(self.digest(), position, bytes).ok_or(SharingError::False { position })?;
        if self.is_committed(&share, blinding_generator()) { Ok(share) } else { Err(SharingError::False { position }) }
    }

    /// The secret key that the shares make up.
    ///
    /// # Errors
    /// [`SharingError::OtherSharing`], [`SharingError::Repeated`], [`SharingError::TooFew`].
    pub fn combine(&self, shares: &[Share]) -> Result<KemSecretKey, SharingError> {
        let digest = self.digest();
        for (index, share) in shares.iter().enumerate() {
            let position = share.position();
            if share.sharing != digest {
                return Err(SharingError::OtherSharing { position });
            }
            if shares[..index].iter().any(|earlier| earlier.position() == position) {
                return Err(SharingError::Repeated { position });
            }
        }
        let (found, threshold) = (shares.len(), self.threshold());
        if found < threshold {
            return Err(SharingError::TooFew { found, threshold });
        }
        let coordinates: Vec<Coordinates> = shares[..threshold].iter().map(|share| share.value.clone()).collect();
        let secret = Zeroizing::new(coordinates.combine().expect("positions that differ, none of them zero"));
        Ok(key_of(&secret))
    }

    /// What a share says which sharing it is of.
    pub(super) fn digest(&self) -> Hash {
        sha256(&codec::encode(self))
    }

    /// Whether `value * G + blinding * H` is the commitments' polynomial at the share's position.
    fn is_committed(&self, share: &Share, blinding_generator: Generator) -> bool {
        let points: Vec<Generator> = self.0.iter().map(|point| ValueGroup(point.0.into())).collect();
        let set = VecPedersenVerifierSet::<Coordinates, Generator>::with_generators_and_verifiers(
            Generator::one(),
            blinding_generator,
            &points,
        );
        set.verify_share_and_blinder(&share.value, &share.blinding).is_ok()
    }
}

fn split(
    threshold: usize,
    shares: usize,
    secret: &Element,
    blinding_generator: Generator,
    coins: &mut Coins,
) -> (Commitments, Vec<Share>) {
    let split = vsss_rs::pedersen::split_secret::<Coordinates, Generator>(
        threshold,
        shares,
        secret,
        None,
        None,
        Some(blinding_generator),
        coins,
    )
    .expect("a threshold within its bounds and two generators");
    let points = PedersenVerifierSet::<Coordinates, Generator>::blind_verifiers(split.pedersen_verifier_set());
    let commitments = Commitments(points.iter().map(|point| Point(point.0.to_affine())).collect());
    let sharing = commitments.digest();
    let values = split.secret_shares().iter().zip(split.blinder_shares());
    let shares = values.map(|(value, blinding)| Share { sharing, value: value.clone(), blinding: blinding.clone() });
    (commitments, shares.collect())
}

fn blinding_generator() -> Generator {
    let point = VerifyingKey::from_bytes(&BLINDING_GENERATOR.into()).expect("a point of the curve, as published");
    ValueGroup((*point.as_affine()).into())
}

/// The key pair whose seed the secret is: RFC 9180's `DeriveKeyPair` takes it from there.
fn key_of(secret: &Element) -> KemSecretKey {
    KemSecretKey::from_seed(&share::to_bytes(secret))
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec};

    use k256::{
        Scalar,
        elliptic_curve::{PrimeField, sec1::ToSec1Point},
    };
    use vsss_rs::Share as _;

    use super::*;
    use serde::{Deserialize, Serialize};

    fn scalar(hexadecimal: &str) -> Scalar {
        let mut bytes = [0; 32];
        hex::decode_to_slice(hexadecimal, &mut bytes).unwrap();
        Scalar::from_repr(bytes.into()).unwrap()
    }

    fn coordinates(x: u64, y: Scalar) -> Coordinates {
        Coordinates::with_identifier_and_value(Scalar::from(x).into(), y.into())
    }

    /// RFC 9591, appendix E.5: the trusted dealer's shares, any two of three.
    #[test]
    fn shares_are_those_of_rfc_9591() {
        let secret = scalar("0d004150d27c3bf2a42f312683d35fac7394b1e9e318249c1bfe7f0795a83114");
        let shares = [
            coordinates(1, scalar("08f89ffe80ac94dcb920c26f3f46140bfc7f95b493f8310f5fc1ea2b01f4254c")),
            coordinates(2, scalar("04f0feac2edcedc6ce1253b7fab8c86b856a797f44d83d82a385554e6e401984")),
            coordinates(3, scalar("00e95d59dd0d46b0e303e500b62b7ccb0e555d49f5b849f5e748c071da8c0dbc")),
        ];
        for pair in [[0, 1], [0, 2], [1, 2], [2, 0]] {
            assert_eq!(pair.map(|index| shares[index].clone()).combine().unwrap().0, secret);
        }
    }

    /// BIP341's construction, by which nobody can know the logarithm of one generator to the other.
    #[test]
    fn nobody_chose_the_blinding_generator() {
        let generator = ProjectivePoint::GENERATOR.to_affine().to_sec1_point(false);
        assert_eq!(sha256(generator.as_bytes()).0, BLINDING_GENERATOR);
    }

    /// Who knew the logarithm of the blinding generator could show, for any secret whatsoever, a dealing with the same commitments and the
    /// same shares in all hands but one too few. So those tell nothing about the secret, to anybody.
    #[test]
    fn one_share_too_few_fits_every_secret() {
        let (threshold, count) = (3, 5);
        let logarithm = Scalar::from(1_234_567_u64);
        let generator = ValueGroup(ProjectivePoint::GENERATOR * logarithm);
        let secret = Element::from(Scalar::from(42_u64));
        let (commitments, shares) = split(threshold, count, &secret, generator, &mut Coins::new(&[7; 32]));
        assert!(shares.iter().all(|share| commitments.is_committed(share, generator)));
        let held = &shares[..threshold - 1];
        for candidate in [Scalar::ZERO, Scalar::ONE, Scalar::from(42_u64), -Scalar::ONE, scalar(&"5a".repeat(32))] {
            // What is added to the polynomial: the difference at zero, nothing where shares are held.
            let difference = |at: u64| {
                held.iter().fold(candidate - secret.0, |product, share| {
                    let held_at = Scalar::from(u64::from(share.position()));
                    product * (held_at - Scalar::from(at)) * held_at.invert().unwrap()
                })
            };
            let other = |share: &Share| {
                let at = u64::from(share.position());
                let blinding = share.blinding.value().0 - difference(at) * logarithm.invert().unwrap();
                Share {
                    value: coordinates(at, share.value.value().0 + difference(at)),
                    blinding: coordinates(at, blinding),
                    ..share.clone()
                }
            };
            let others: Vec<Share> = shares.iter().map(other).collect();
            assert!(others.iter().all(|share| commitments.is_committed(share, generator)));
            for (left, right) in others.iter().zip(held) {
                assert_eq!(left.to_bytes(), right.to_bytes(), "the shares in hand are the same");
            }
            let key = commitments.combine(&others[2..]).unwrap().public_key();
            assert_eq!(key, key_of(&candidate.into()).public_key());
        }
    }

    #[test]
    fn thresholds_that_share_nothing_have_no_form() {
        for (threshold, shares) in [(0, 3), (1, 3), (4, 3), (2, 21), (2, 1)] {
            assert_eq!(deal(threshold, shares, &[1; 32]).err(), Some(SharingError::Threshold { threshold, shares }));
        }
        let dealt = deal(2, 3, &[1; 32]).unwrap();
        for points in [vec![], dealt.commitments.0[..1].to_vec(), vec![dealt.commitments.0[0]; 21]] {
            let bytes = codec::encode(&Commitments(points));
            assert!(postcard_refuses(&bytes), "{bytes:?}");
        }
        assert!(!postcard_refuses(&codec::encode(&dealt.commitments)));
        let mut off_curve = codec::encode(&dealt.commitments);
        off_curve[2..34].fill(0xff);
        let mut infinity = codec::encode(&dealt.commitments);
        infinity[1..34].fill(0);
        assert!(postcard_refuses(&off_curve) && postcard_refuses(&infinity));
    }

    fn postcard_refuses(bytes: &[u8]) -> bool {
        #[derive(Serialize, Deserialize)]
        struct Alone(Commitments);
        impl codec::Wire for Alone {
            const MAX_BYTES: usize = 1_000;
        }
        codec::decode::<Alone>(bytes).is_err()
    }

    #[test]
    fn no_secret_is_printed() {
        let dealt = deal(2, 2, &[1; 32]).unwrap();
        let share = hex::encode(&dealt.shares[0].to_bytes()[..4]);
        let printed = format!("{dealt:?} {:?}", dealt.shares[0].value);
        assert!(printed.contains("Share(1, hidden)") && !printed.contains(&share), "{printed}");
    }
}
