//! Data keys: one that seals once, and one that opens.

use core::fmt;

use zeroize::Zeroizing;

/// Bytes of a data key.
pub const DATA_KEY_BYTES: usize = 32;

/// A fresh data key. Sealing consumes it and returns the [`OpeningKey`], so that one key never seals two plaintexts.
/// Wiped when dropped, never printed.
pub struct SealingKey(Zeroizing<[u8; DATA_KEY_BYTES]>);

/// A data key that opens what was sealed with it, and can be wrapped for readers. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct OpeningKey(Zeroizing<[u8; DATA_KEY_BYTES]>);

impl SealingKey {
    /// A key from fresh random bytes, which must not be used for anything else.
    pub fn new(entropy: &[u8; DATA_KEY_BYTES]) -> Self {
        Self(Zeroizing::new(*entropy))
    }

    pub(super) fn into_opening(self) -> OpeningKey {
        OpeningKey(self.0)
    }
}

impl OpeningKey {
    pub(crate) fn from_bytes(bytes: &[u8; DATA_KEY_BYTES]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    pub(crate) fn expose(&self) -> &[u8; DATA_KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(hidden)")
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpeningKey(hidden)")
    }
}
