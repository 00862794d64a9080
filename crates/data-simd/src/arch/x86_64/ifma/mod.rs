//! AVX-512 IFMA: the equation of BIP340 for eight signatures at a time, one in each lane.
//!
//! Nothing here is secret, so what is looked up where may depend on keys and signatures.

mod field;
mod point;
mod roots;
mod table;

use self::{
    field::Field,
    point::{Affine, Point},
    table::{Half, multiples, of_generator, of_keys},
};
use crate::signature::{
    generator::Generator,
    group::{Group, KEY_DIGIT_BITS, KEY_PLACES, KEY_PLACES_IN_GENERATOR_PLACE, Verdicts},
    limbs::{LIMBS, ONE},
};

/// Proof that the processor has AVX-512 with its multiplication of 52 bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ifma(());

impl Ifma {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512ifma");
        found.then_some(Self(()))
    }

    /// Which claims of which groups hold.
    pub(crate) fn verdicts(self, generator: &Generator, groups: &[Group]) -> Vec<Verdicts> {
        // SAFETY: the token proves that the processor has these instructions.
        unsafe { verdicts(generator, groups) }
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn verdicts(generator: &Generator, groups: &[Group]) -> Vec<Verdicts> {
    let mut nonces: Vec<Point<1>> = Vec::with_capacity(groups.len());
    let (pairs, last) = groups.as_chunks();
    for [first, second] in pairs {
        let Point { x, y, z } = nonce(generator, [first, second]);
        for n in 0..2 {
            nonces.push(Point { x: Field([x.0[n]]), y: Field([y.0[n]]), z: Field([z.0[n]]) });
        }
    }
    if let [last] = last {
        nonces.push(nonce(generator, [last]));
    }
    compare(groups, &nonces)
}

/// `R = s·G - e·P` for every claim, where it can be had: with `Z = 0`, it is the point at infinity or was not found.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn nonce<const N: usize>(generator: &Generator, groups: [&Group; N]) -> Point<N> {
    let (tables, unit) = multiples(&lift(&Field::load(groups.map(|group| &group.key))));
    // The sum begins with a point that nobody knows a factor of. So it does not meet the point at infinity, nor one that is
    // added to it, and no formula needs a second case.
    let square_unit = unit.square();
    let offset = Affine::splat(&generator.offset);
    let (x, y) = (offset.x.mul(&square_unit), offset.y.mul(&square_unit.mul(&unit)));
    let mut sum = Point { x, y, z: Field::splat(&ONE) };
    for place in (0..KEY_PLACES).rev() {
        if place < KEY_PLACES - 1 {
            for _ in 0..KEY_DIGIT_BITS {
                sum = sum.doubled();
            }
        }
        for (half, index) in [(Half::Point, 0), (Half::Endomorphism, 1)] {
            let found = of_keys(&tables, half, groups.map(|group| &group.key_digits[index][place]));
            sum = sum.plus_found(&found, &sum.z);
        }
        if place.is_multiple_of(KEY_PLACES_IN_GENERATOR_PLACE) {
            let place = place / KEY_PLACES_IN_GENERATOR_PLACE;
            for half in 0..2 {
                let digits = groups.map(|group| &group.generator_digits[half][place]);
                let found = of_generator(&generator.multiples[half], digits);
                sum = sum.plus_found(&found, &sum.z.mul(&unit));
            }
        }
    }
    let offset = Affine::splat(&generator.negative_of_grown_offset);
    let Point { x, y, z } = sum.plus(&offset, [0; N], &sum.z.mul(&unit)).point;
    Point { x, y, z: z.mul(&unit) }
}

/// The points with these x coordinates and an even y. Public keys are coordinates of points, so there are such points.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn lift<const N: usize>(x: &Field<N>) -> Affine<N> {
    let seven = Field::splat(&[7, 0, 0, 0, 0]);
    let square = x.square().mul_add(x, &seven.sum());
    let root = square.square_root().canonical();
    Affine { x: *x, y: root.or(root.is_odd(), &root.negative().carried()) }
}

/// Which claims have the nonce that was found for them.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn compare(groups: &[Group], nonces: &[Point<1>]) -> Vec<Verdicts> {
    // Montgomery's trick: one inversion of the product of all Z, and three products for each.
    let (zero, one) = (Field::splat(&[0; LIMBS]), Field::splat(&ONE));
    let mut product = one;
    let mut before = Vec::with_capacity(nonces.len());
    for nonce in nonces {
        let is_zero = nonce.z.canonical().equals(&zero);
        let z = nonce.z.or(is_zero, &one);
        before.push((is_zero, z, product));
        product = product.mul(&z);
    }
    let mut inverse = product.inverse();
    let mut verdicts = Vec::with_capacity(nonces.len());
    for ((group, nonce), (is_zero, z, before)) in groups.iter().zip(nonces).zip(before).rev() {
        let inverse_z = inverse.mul(&before);
        inverse = inverse.mul(&z);
        let square = inverse_z.square();
        let x = nonce.x.mul(&square).canonical();
        let y = nonce.y.mul(&square.mul(&inverse_z)).canonical();
        let [same_x] = x.equals(&Field::load([&group.nonce]));
        let ([odd_y], [unknown]) = (y.is_odd(), is_zero);
        // A lane without digits has nothing to find out.
        let (holds, unknown) = (same_x & !odd_y & group.in_range & !unknown, unknown & group.in_range);
        verdicts.push(Verdicts { holds, unknown });
    }
    verdicts.reverse();
    verdicts
}
