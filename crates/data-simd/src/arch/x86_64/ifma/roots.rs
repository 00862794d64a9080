//! Square roots and inverses: powers whose exponents are nearly all ones, by libsecp256k1's chain.

use super::field::Field;

/// Powers by `2^k - 1`, from which both chains go on.
struct Ones<const N: usize> {
    two: Field<N>,
    twenty_two: Field<N>,
    two_hundred_twenty_three: Field<N>,
}

impl<const N: usize> Field<N> {
    /// A square root where there is one, by the power `(p + 1) / 4`; elsewhere a root of minus the number.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn square_root(&self) -> Self {
        let ones = self.ones();
        let power = ones.two_hundred_twenty_three.squared(23).mul(&ones.twenty_two);
        power.squared(6).mul(&ones.two).squared(2)
    }

    /// The inverse, by the power `p - 2`; that of zero is zero.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn inverse(&self) -> Self {
        let ones = self.ones();
        let power = ones.two_hundred_twenty_three.squared(23).mul(&ones.twenty_two);
        power.squared(5).mul(self).squared(3).mul(&ones.two).squared(2).mul(self)
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn ones(&self) -> Ones<N> {
        let two = self.squared(1).mul(self);
        let three = two.squared(1).mul(self);
        let six = three.squared(3).mul(&three);
        let nine = six.squared(3).mul(&three);
        let eleven = nine.squared(2).mul(&two);
        let twenty_two = eleven.squared(11).mul(&eleven);
        let forty_four = twenty_two.squared(22).mul(&twenty_two);
        let eighty_eight = forty_four.squared(44).mul(&forty_four);
        let all_but = eighty_eight.squared(88).mul(&eighty_eight).squared(44).mul(&forty_four);
        Ones { two, twenty_two, two_hundred_twenty_three: all_but.squared(3).mul(&three) }
    }

    /// Squared so many times.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn squared(&self, times: usize) -> Self {
        let mut power = *self;
        for _ in 0..times {
            power = power.square();
        }
        power
    }
}
