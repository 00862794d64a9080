//! One holder's share.

use core::fmt;

use health_chain_data::Hash;
use k256::{Scalar, elliptic_curve::PrimeField};
use vsss_rs::{IdentifierPrimeField, ShareElement};
use zeroize::{Zeroize, Zeroizing};

use super::Commitments;

/// Bytes of a share without its position: a value and what blinds it.
pub const SHARE_BYTES: usize = 64;

pub(super) type Element = IdentifierPrimeField<Scalar>;

/// A share that was checked against its commitments. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct Share {
    /// Which sharing it is of: the digest of its commitments.
    pub(super) sharing: Hash,
    pub(super) value: Coordinates,
    pub(super) blinding: Coordinates,
}

/// A point of a polynomial in the library's eyes; of the polynomials themselves it takes one for each coefficient. Its own types stay in memory
/// when they are dropped, this one is wiped.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Coordinates {
    x: Element,
    y: Element,
}

impl Share {
    /// Which share it is, from 1 on.
    pub fn position(&self) -> u8 {
        // Positions are dealt and read as bytes, so only the last one is not zero.
        self.value.x.0.to_repr()[31]
    }

    /// Whether it is of the sharing with these commitments.
    pub fn is_of(&self, commitments: &Commitments) -> bool {
        self.sharing == commitments.digest()
    }

    /// Value and blinding value, big endian. The position goes beside it.
    pub fn to_bytes(&self) -> Zeroizing<[u8; SHARE_BYTES]> {
        let mut bytes = Zeroizing::new([0; SHARE_BYTES]);
        bytes[..32].copy_from_slice(&*to_bytes(&self.value.y));
        bytes[32..].copy_from_slice(&*to_bytes(&self.blinding.y));
        bytes
    }

    pub(super) fn from_bytes(sharing: Hash, position: u8, bytes: &[u8; SHARE_BYTES]) -> Option<Self> {
        let [value, blinding] = bytes.as_chunks::<32>().0 else { return None };
        let coordinates = |bytes: &[u8; 32]| {
            let y = Scalar::from_repr((*bytes).into()).into_option()?;
            Some(Coordinates { x: IdentifierPrimeField(Scalar::from(u64::from(position))), y: IdentifierPrimeField(y) })
        };
        Some(Self { sharing, value: coordinates(value)?, blinding: coordinates(blinding)? })
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({}, hidden)", self.position())
    }
}

impl vsss_rs::Share for Coordinates {
    type Identifier = Element;
    type Value = Element;

    fn with_identifier_and_value(x: Element, y: Element) -> Self {
        Self { x, y }
    }

    fn identifier(&self) -> &Element {
        &self.x
    }

    fn identifier_mut(&mut self) -> &mut Element {
        &mut self.x
    }

    fn value(&self) -> &Element {
        &self.y
    }

    fn value_mut(&mut self) -> &mut Element {
        &mut self.y
    }
}

impl fmt::Debug for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Coordinates(hidden)")
    }
}

impl Drop for Coordinates {
    fn drop(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
    }
}

pub(super) fn to_bytes(element: &Element) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(element.serialize().into())
}
