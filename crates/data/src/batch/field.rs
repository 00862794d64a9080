//! Points by their coordinates, over k256's field.
//!
//! That field normalises lazily: a sum or a negation has a greater magnitude than what it was made of, and what is
//! multiplied must not be above 8. With debug assertions k256 checks this on every operation. Coordinates of a [`Point`]
//! have magnitude 1 always.

use alloc::vec::Vec;
use core::array;

use k256::{
    AffinePoint, Secp256k1,
    elliptic_curve::{hazmat::FieldArithmetic, point::AffineCoordinates},
};

use super::factor::BETA;

/// An integer modulo `2²⁵⁶ - 2³² - 977`.
pub(super) type Element = <Secp256k1 as FieldArithmetic>::FieldElement;

/// Powers and products that wait for their predecessors leave most of a core idle. So many are made side by side.
const LANES: usize = 4;

/// A point of secp256k1 other than the one at infinity.
#[derive(Clone, Copy)]
pub(super) struct Point {
    pub(super) x: Element,
    pub(super) y: Element,
}

impl Point {
    pub(super) fn generator() -> Self {
        let generator = AffinePoint::GENERATOR;
        Self { x: from_canonical(generator.x().into()), y: from_canonical(generator.y().into()) }
    }

    /// The points with these x coordinates (32 bytes, big endian) and an even y, where there is one.
    pub(super) fn lift(coordinates: &[[u8; 32]]) -> Vec<Option<Self>> {
        let mut points = Vec::with_capacity(coordinates.len());
        for chunk in coordinates.chunks(LANES) {
            let x: [_; LANES] =
                array::from_fn(|lane| chunk.get(lane).and_then(|x| Element::from_bytes(&(*x).into()).into_option()));
            let squares = x.map(|x| {
                let x = x.unwrap_or(Element::ZERO);
                (x.square().mul(&x) + Element::from_u64(7)).normalize_weak()
            });
            let roots = square_roots(&squares);
            points.extend((0..chunk.len()).map(|lane| {
                let y = roots[lane]?.normalize();
                let y = if y.is_odd().into() { y.negate(1).normalize_weak() } else { y };
                Some(Self { x: x[lane]?, y })
            }));
        }
        points
    }

    pub(super) fn negated(&self) -> Self {
        Self { x: self.x, y: self.y.negate(1).normalize_weak() }
    }

    /// The multiple by `λ`.
    pub(super) fn endomorphism(&self) -> Self {
        Self { x: self.x.mul(&from_canonical(BETA)), y: self.y }
    }

    /// The point in k256's own form.
    pub(super) fn to_affine(self) -> AffinePoint {
        let (x, y) = (self.x.normalize().to_bytes(), self.y.normalize().to_bytes());
        AffinePoint::from_coordinates(&x, &y).into_option().expect("only sums and multiples of points are made")
    }
}

/// Replaces every element by its inverse. None may be zero.
pub(super) fn invert_all(elements: &mut [Element]) {
    // Montgomery's trick, in lanes: one inversion of the product of all, and three products for each.
    let mut products = [Element::ONE; LANES];
    let mut before = Vec::with_capacity(elements.len());
    for (index, element) in elements.iter().enumerate() {
        let product = &mut products[index % LANES];
        before.push(*product);
        *product = product.mul(element);
    }
    let mut inverses = invert_lanes(&products);
    for (index, element) in elements.iter_mut().enumerate().rev() {
        let inverse = &mut inverses[index % LANES];
        let inverted = inverse.mul(&before[index]);
        *inverse = inverse.mul(element);
        *element = inverted;
    }
}

fn invert_lanes(products: &[Element; LANES]) -> [Element; LANES] {
    let mut before = [Element::ONE; LANES];
    let mut product = Element::ONE;
    for lane in 0..LANES {
        before[lane] = product;
        product = product.mul(&products[lane]);
    }
    let mut inverse = product.normalize().invert_vartime().expect("no factor is zero");
    let mut inverses = [Element::ONE; LANES];
    for lane in (0..LANES).rev() {
        inverses[lane] = inverse.mul(&before[lane]);
        inverse = inverse.mul(&products[lane]);
    }
    inverses
}

/// A square root of each, where there is one: the power `(p + 1) / 4`, by the chain of libsecp256k1.
fn square_roots(squares: &[Element; LANES]) -> [Option<Element>; LANES] {
    let x1 = *squares;
    let x2 = times(&doubled(&x1, 1), &x1);
    let x3 = times(&doubled(&x2, 1), &x1);
    let x6 = times(&doubled(&x3, 3), &x3);
    let x9 = times(&doubled(&x6, 3), &x3);
    let x11 = times(&doubled(&x9, 2), &x2);
    let x22 = times(&doubled(&x11, 11), &x11);
    let x44 = times(&doubled(&x22, 22), &x22);
    let x88 = times(&doubled(&x44, 44), &x44);
    let x176 = times(&doubled(&x88, 88), &x88);
    let x220 = times(&doubled(&x176, 44), &x44);
    let x223 = times(&doubled(&x220, 3), &x3);
    let roots = times(&doubled(&x223, 23), &x22);
    let roots = doubled(&times(&doubled(&roots, 6), &x2), 2);
    array::from_fn(|lane| {
        let difference = roots[lane].square().negate(1) + squares[lane];
        bool::from(difference.normalizes_to_zero()).then_some(roots[lane])
    })
}

/// The powers by `2^times`: exponents doubled so many times.
fn doubled(elements: &[Element; LANES], times: usize) -> [Element; LANES] {
    let mut powers = *elements;
    for _ in 0..times {
        powers = array::from_fn(|lane| powers[lane].square());
    }
    powers
}

fn times(left: &[Element; LANES], right: &[Element; LANES]) -> [Element; LANES] {
    array::from_fn(|lane| left[lane].mul(&right[lane]))
}

fn from_canonical(bytes: [u8; 32]) -> Element {
    Element::from_bytes(&bytes.into()).expect("below the modulus")
}
