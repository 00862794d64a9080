//! A curve point on the wire.

use k256::{AffinePoint, CompressedPoint, elliptic_curve::group::GroupEncoding};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A point of the curve, never that at infinity, which has no such form: 33 bytes as SEC1 compresses it. Holding one means that the point exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Compressed", into = "Compressed")]
pub(super) struct Point(pub(super) AffinePoint);

/// The byte that says which of the two, and the x coordinate.
type Compressed = (u8, [u8; 32]);

/// No point of the curve is written so.
#[derive(Debug, Clone, Copy, Error)]
#[error("not a point of the curve")]
pub(super) struct NotOnCurve;

impl TryFrom<Compressed> for Point {
    type Error = NotOnCurve;

    fn try_from((parity, x): Compressed) -> Result<Self, NotOnCurve> {
        let mut bytes = CompressedPoint::default();
        bytes[0] = parity;
        bytes[1..].copy_from_slice(&x);
        // Infinity is written as zeros.
        if parity == 0 {
            return Err(NotOnCurve);
        }
        AffinePoint::from_bytes(&bytes).into_option().map(Self).ok_or(NotOnCurve)
    }
}

impl From<Point> for Compressed {
    fn from(point: Point) -> Self {
        let bytes = point.0.to_bytes();
        let (parity, x) = bytes.split_first().expect("33 bytes");
        (*parity, x.try_into().expect("33 bytes"))
    }
}
