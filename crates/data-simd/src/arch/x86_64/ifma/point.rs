//! Points of secp256k1, `y² = x³ + 7`, in Jacobian coordinates: `(X, Y, Z)` is the point `(X/Z², Y/Z³)`.
//!
//! The formulas are those of libsecp256k1, which hold for points other than the one at infinity, and for sums of points
//! with different x coordinates. A sum to which they don't apply has `Z = 0`, and whatever is made of it has `Z = 0` as well, because the
//! old `Z` is a factor of every new one. So it is enough to look at `Z` once, at the end.

use core::arch::x86_64::__mmask8;

use super::{field::Field, table::Found};
use crate::signature::generator::Coordinates;

/// Points by their coordinates.
#[derive(Clone, Copy)]
pub(super) struct Affine<const N: usize> {
    pub(super) x: Field<N>,
    pub(super) y: Field<N>,
}

impl<const N: usize> Affine<N> {
    /// The same point in all lanes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn splat(coordinates: &Coordinates) -> Self {
        let [x, y] = coordinates;
        Self { x: Field::splat(x), y: Field::splat(y) }
    }
}

/// Points in Jacobian coordinates.
#[derive(Clone, Copy)]
pub(super) struct Point<const N: usize> {
    pub(super) x: Field<N>,
    pub(super) y: Field<N>,
    pub(super) z: Field<N>,
}

impl<const N: usize> Point<N> {
    /// The points, doubled: 3 products and 4 squares.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn doubled(&self) -> Self {
        let square_x = self.x.square().sum();
        let slope = square_x.add(&square_x.shifted::<1>()).carried();
        let square_y = self.y.square();
        let middle = self.x.mul(&square_y);
        let x = slope.square_add(&middle.negative().shifted::<3>());
        let to_middle = middle.sum().shifted::<2>().add(&x.negative()).carried();
        let minus_eight_squares = square_y.negative().shifted::<3>().carried();
        let y = slope.mul_and_mul(&to_middle, &square_y, &minus_eight_squares);
        Self { x, y, z: self.y.mul_twice(&self.z) }
    }

    /// The sums with other points, or with their negatives where the mask has a one: 8 products and 3 squares.
    ///
    /// `z` is this point's `Z`; where the other points' coordinates are those of another curve `y² = x³ + 7u⁶` than this
    /// point's, it is the product with `u`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn plus(&self, other: &Affine<N>, is_negative: [__mmask8; N], z: &Field<N>) -> Addition<N> {
        let square_z = z.square();
        let step = other.x.mul_add(&square_z, &self.x.negative());
        let cube_z = square_z.mul(z);
        // The slope's numerator, or where the other point is negative, minus that.
        let rise = other.y.mul_add(&cube_z, &self.y.negative_unless(is_negative));
        let square_step = step.square();
        let cube_step = step.mul(&square_step);
        let middle = self.x.mul(&square_step);
        let x = rise.square_add(&middle.negative().shifted::<1>().add(&cube_step.negative()));
        let to_middle = middle.less(&x, is_negative).carried();
        let y = rise.mul_and_mul(&to_middle, &cube_step, &self.y.negative().carried());
        Addition { point: Self { x, y, z: self.z.mul(&step) }, step }
    }

    /// The sums with what was looked up, `z` as for [`Point::plus`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn plus_found(&self, found: &Found<N>, z: &Field<N>) -> Self {
        let sum = self.plus(&found.points, found.is_negative, z).point;
        Self {
            x: sum.x.or(found.is_zero, &self.x),
            y: sum.y.or(found.is_zero, &self.y),
            z: sum.z.or(found.is_zero, &self.z),
        }
    }
}

/// A sum of points.
pub(super) struct Addition<const N: usize> {
    pub(super) point: Point<N>,
    /// How many times greater its `Z` is than the one of the point to which the other was added.
    pub(super) step: Field<N>,
}
