//! Integers modulo `p` as five limbs, lowest first, for vectors of 64-bit words of which 52 are multiplied.

use health_chain_data::batch::factor;

/// Limbs of a number.
pub(crate) const LIMBS: usize = 5;
/// Bits of a limb.
pub(crate) const LIMB_BITS: u32 = 52;
/// Bits of the top limb.
pub(crate) const TOP_BITS: u32 = 256 - (LIMBS as u32 - 1) * LIMB_BITS;
/// The greatest limb.
pub(crate) const LIMB: u64 = (1 << LIMB_BITS) - 1;
/// The greatest top limb.
pub(crate) const TOP: u64 = (1 << TOP_BITS) - 1;

/// A number below `2²⁵⁶`.
pub(crate) type Limbs = [u64; LIMBS];

/// One.
pub(crate) const ONE: Limbs = [1, 0, 0, 0, 0];
/// `β`, of which the endomorphism is made.
pub(crate) const BETA: Limbs = limbs(&factor::BETA);

/// The limbs of 32 bytes, big endian.
pub(crate) const fn limbs(bytes: &[u8; 32]) -> Limbs {
    let ([high, low], []) = bytes.as_chunks::<16>() else { unreachable!() };
    let (high, low) = (u128::from_be_bytes(*high), u128::from_be_bytes(*low));
    [
        low as u64 & LIMB,
        (low >> LIMB_BITS) as u64 & LIMB,
        ((low >> (2 * LIMB_BITS)) | (high << (128 - 2 * LIMB_BITS))) as u64 & LIMB,
        (high >> (3 * LIMB_BITS - 128)) as u64 & LIMB,
        (high >> (4 * LIMB_BITS - 128)) as u64,
    ]
}
