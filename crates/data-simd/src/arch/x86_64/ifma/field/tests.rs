//! Every operation on every two of many numbers, and on four in a sum, against k256's field.

#![allow(clippy::print_stderr, reason = "says what is skipped")]

use core::arch::x86_64::_mm512_storeu_si512;

use health_chain_data::sha256;
use k256::{Secp256k1, elliptic_curve::hazmat::FieldArithmetic};

use super::*;
use crate::{arch::x86_64::ifma::Ifma, signature::limbs::limbs};

type Element = <Secp256k1 as FieldArithmetic>::FieldElement;

/// What a test says of the numbers in 16 lanes.
type Check = unsafe fn(&[Limbs; 16], &[Limbs; 16]);

/// The greatest limbs that a number has when it has carried.
const GREATEST: Limbs = [LIMB, LIMB, LIMB, LIMB, TOP + (1 << 8)];

/// Numbers at the edges, and others from all of the range.
fn numbers() -> Vec<Limbs> {
    let p = [LIMB - FOLD + 1, LIMB, LIMB, LIMB, TOP];
    let mut numbers = vec![
        [0; LIMBS],
        [1, 0, 0, 0, 0],
        [LIMB, 0, 0, 0, 0],
        [0, 0, 0, 0, TOP],
        [p[0] - 1, LIMB, LIMB, LIMB, TOP],
        p,
        [p[0] + 1, LIMB, LIMB, LIMB, TOP],
        [LIMB, LIMB, LIMB, LIMB, TOP],
        [0, 0, 0, 0, TOP + 1],
        [LIMB, LIMB, LIMB, LIMB, 1 << 8],
        [p[0], LIMB, 0, LIMB, TOP],
        GREATEST,
    ];
    numbers.extend((0..21_u8).map(|index| limbs(&sha256(&[index]).0)));
    numbers
}

/// Runs `check` on every two numbers.
fn every_two(check: Check) {
    if Ifma::detect().is_none() {
        eprintln!("SKIPPED: this processor has no AVX-512 IFMA");
        return;
    }
    let numbers = numbers();
    let pairs: Vec<[Limbs; 2]> =
        numbers.iter().flat_map(|left| numbers.iter().map(move |right| [*left, *right])).collect();
    for chunk in pairs.chunks(16) {
        let lane = |lane: usize| chunk[lane % chunk.len()];
        let (left, right) =
            (core::array::from_fn(|index| lane(index)[0]), core::array::from_fn(|index| lane(index)[1]));
        // SAFETY: the processor has the instructions.
        unsafe { check(&left, &right) };
    }
}

fn element(limbs: &Limbs) -> Element {
    let base = Element::from_u64(1 << LIMB_BITS);
    let horner = |sum: Element, limb: &u64| (sum.mul(&base) + Element::from_u64(*limb)).normalize();
    limbs.iter().rev().fold(Element::ZERO, horner)
}

fn minus(element: Element) -> Element {
    element.negate(1).normalize()
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn field(numbers: &[Limbs; 16]) -> Field<2> {
    let lanes: [[[u64; 8]; LIMBS]; 2] = core::array::from_fn(|group| {
        core::array::from_fn(|limb| core::array::from_fn(|lane| numbers[8 * group + lane][limb]))
    });
    Field::load([&lanes[0], &lanes[1]])
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn read(field: &Field<2>) -> [Limbs; 16] {
    let mut words = [[[0_u64; 8]; LIMBS]; 2];
    for n in 0..2 {
        for limb in 0..LIMBS {
            // SAFETY: eight words are 64 writable bytes.
            unsafe { _mm512_storeu_si512(words[n][limb].as_mut_ptr().cast(), field.0[n][limb]) };
        }
    }
    core::array::from_fn(|lane| core::array::from_fn(|limb| words[lane / 8][limb][lane % 8]))
}

/// That the numbers are those expected, and have carried.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn expect(found: &Field<2>, expected: impl Fn(usize) -> Element, what: &str) {
    let canonical = read(&found.canonical());
    for (lane, number) in read(found).iter().enumerate() {
        assert!(number[..4].iter().all(|limb| *limb <= LIMB) && number[4] <= GREATEST[4], "{what}: {number:x?}");
        assert_eq!(element(number), expected(lane).normalize(), "{what}, lane {lane}");
        let bytes: [u8; 32] = expected(lane).normalize().to_bytes().into();
        assert_eq!(canonical[lane], limbs(&bytes), "{what}, lane {lane}, the least of its class");
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn products(left: &[Limbs; 16], right: &[Limbs; 16]) {
    let (a, b) = (field(left), field(right));
    let x = |lane: usize| element(&left[lane]);
    let y = |lane: usize| element(&right[lane]);
    expect(&a.mul(&b), |lane| x(lane).mul(&y(lane)), "product");
    expect(&a.mul_twice(&b), |lane| x(lane).mul(&y(lane)).double(), "product, twice");
    expect(&a.square(), |lane| x(lane).square(), "square");
    let two = a.mul_and_mul(&b, &b, &b);
    expect(&two, |lane| (x(lane) + y(lane)).normalize().mul(&y(lane)), "two products");
    // As great as any sum that is added to a product.
    let eight = b.negative().shifted::<3>().add(&b.negative());
    let minus_nine = |lane: usize| minus(y(lane)).mul(&Element::from_u64(9));
    expect(&a.mul_add(&b, &eight), |lane| x(lane).mul(&y(lane)) + minus_nine(lane), "product and sum");
    expect(&a.square_add(&eight), |lane| x(lane).square() + minus_nine(lane), "square and sum");
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn sums(left: &[Limbs; 16], right: &[Limbs; 16]) {
    const MASKS: [__mmask8; 2] = [0b1011_0010, 0b0100_1110];
    let has_one = |lane: usize| MASKS[lane / 8] >> (lane % 8) & 1 == 1;
    let (a, b) = (field(left), field(right));
    let x = |lane: usize| element(&left[lane]);
    let y = |lane: usize| element(&right[lane]);
    expect(&a.sum().add(&b.sum()).carried(), |lane| x(lane) + y(lane), "sum");
    expect(&a.negative().carried(), |lane| minus(x(lane)), "negative");
    expect(&a.sum().shifted::<3>().carried(), |lane| x(lane).mul(&Element::from_u64(8)), "shifted");
    let unless = a.negative_unless(MASKS).carried();
    expect(&unless, |lane| if has_one(lane) { x(lane) } else { minus(x(lane)) }, "negative unless");
    let difference = |lane: usize| x(lane) + minus(y(lane));
    let less = a.less(&b, MASKS).carried();
    expect(&less, |lane| if has_one(lane) { minus(difference(lane).normalize()) } else { difference(lane) }, "less");
    expect(&a.or(MASKS, &b), |lane| if has_one(lane) { y(lane) } else { x(lane) }, "or");
    let (same, odd) = (a.canonical().equals(&b.canonical()), a.canonical().is_odd());
    for lane in 0..16 {
        assert_eq!(same[lane / 8] >> (lane % 8) & 1 == 1, x(lane) == y(lane), "equals");
        assert_eq!(odd[lane / 8] >> (lane % 8) & 1 == 1, bool::from(x(lane).is_odd()), "is odd");
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn roots(left: &[Limbs; 16], _: &[Limbs; 16]) {
    let a = field(left);
    let x = |lane: usize| element(&left[lane]);
    let inverse = |lane: usize| x(lane).invert().into_option().unwrap_or(Element::ZERO);
    expect(&a.inverse(), inverse, "inverse");
    // A square has a root, and minus a square has none: then the root is one of minus that.
    expect(&a.square().square_root().square(), |lane| x(lane).square(), "root of a square");
    expect(&a.square().negative().carried().square_root().square(), |lane| x(lane).square(), "root of minus a square");
}

#[test]
fn products_are_those_of_k256() {
    every_two(products);
}

#[test]
fn sums_are_those_of_k256() {
    every_two(sums);
}

#[test]
fn roots_and_inverses_are_those_of_k256() {
    every_two(roots);
}
