//! Multiples of the generator, made once for all signatures.

use std::sync::OnceLock;

use health_chain_data::tagged_hash;
use k256::{
    AffinePoint, ProjectivePoint,
    elliptic_curve::{BatchNormalize, point::AffineCoordinates},
    schnorr::VerifyingKey,
};

use super::{
    group::{GENERATOR_MULTIPLES, KEY_DIGIT_BITS, KEY_PLACES},
    limbs::{Limbs, limbs},
};

/// The x coordinate of the point that sums begin with is a hash of this: the first of a count that is one.
const OFFSET_TAG: &str = "HC/lane-verifier/offset";

/// `x` and `y`.
pub(crate) type Coordinates = [Limbs; 2];
/// The multiples of a point from 1 up. There is none at 0.
pub(crate) type GeneratorTable = [Coordinates; GENERATOR_MULTIPLES + 1];

/// What sums are made of that is the same in all of them.
pub(crate) struct Generator {
    /// Of `G` and of `2¹²⁸·G`.
    pub(crate) multiples: [Box<GeneratorTable>; 2],
    /// What sums begin with.
    pub(crate) offset: Coordinates,
    /// What has to be added to them at last, when this has been doubled as often as the first digit.
    pub(crate) negative_of_grown_offset: Coordinates,
}

impl Generator {
    /// With sums that begin with a point of which nobody knows what multiple of `G` it is.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Generator> = OnceLock::new();
        SHARED.get_or_init(|| Self::with_offset(offset()))
    }

    pub(crate) fn with_offset(offset: AffinePoint) -> Self {
        let generator = ProjectivePoint::GENERATOR;
        let grown = double(offset.into(), KEY_DIGIT_BITS * (KEY_PLACES - 1));
        Self {
            multiples: [generator, double(generator, 128)].map(multiples),
            offset: coordinates(&offset),
            negative_of_grown_offset: coordinates(&(-grown).to_affine()),
        }
    }
}

pub(super) fn offset() -> AffinePoint {
    let candidate = |count: u32| VerifyingKey::from_bytes(&tagged_hash(OFFSET_TAG, &[&count.to_be_bytes()]).0.into());
    let key = (0..).find_map(|count| candidate(count).ok()).expect("every other number is the coordinate of a point");
    *key.as_affine()
}

fn double(point: ProjectivePoint, times: usize) -> ProjectivePoint {
    (0..times).fold(point, |point, _| point.double())
}

fn multiples(point: ProjectivePoint) -> Box<GeneratorTable> {
    let all: Vec<ProjectivePoint> =
        core::iter::successors(Some(point), |multiple| Some(*multiple + point)).take(GENERATOR_MULTIPLES).collect();
    let mut table = Box::new([Coordinates::default(); GENERATOR_MULTIPLES + 1]);
    for (entry, multiple) in table[1..].iter_mut().zip(ProjectivePoint::batch_normalize(all.as_slice())) {
        *entry = coordinates(&multiple);
    }
    table
}

fn coordinates(point: &AffinePoint) -> Coordinates {
    [limbs(&point.x().into()), limbs(&point.y().into())]
}
