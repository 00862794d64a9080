//! Encrypting where the result is to stand.

use alloc::vec::Vec;

use aead_stream::aead::{self, Buffer};

/// The end of a vector from a place on, as a buffer that encryption lengthens and decryption shortens.
pub(super) struct Tail<'a> {
    vector: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Tail<'a> {
    /// What stands in `vector` from `start` on.
    pub(super) const fn new(vector: &'a mut Vec<u8>, start: usize) -> Self {
        Self { vector, start }
    }
}

impl AsRef<[u8]> for Tail<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.vector[self.start..]
    }
}

impl AsMut<[u8]> for Tail<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.vector[self.start..]
    }
}

impl Buffer for Tail<'_> {
    fn extend_from_slice(&mut self, other: &[u8]) -> aead::Result<()> {
        self.vector.extend_from_slice(other);
        Ok(())
    }

    fn truncate(&mut self, length: usize) {
        self.vector.truncate(self.start + length);
    }
}
