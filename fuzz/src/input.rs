//! Cutting an input into parts. Nothing is refused: what is missing reads as zero, so that every input means something.

/// What is left of an input.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or_default()
    }

    /// Little-endian, as all numbers are here.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let bytes = self.bytes(N);
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }

    /// As many bytes, or those that are left.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Bytes behind their number.
    pub fn prefixed(&mut self) -> &'a [u8] {
        let count = usize::from(self.u16());
        self.bytes(count)
    }

    /// Everything that is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The items of a stack, each behind its length, until nothing is left; as many and as long as a stack may have.
    pub fn stack(mut self) -> Vec<Vec<u8>> {
        let mut items = Vec::new();
        while !self.is_empty() && items.len() < 1_000 {
            let item = self.prefixed();
            items.push(item[..item.len().min(520)].to_vec());
        }
        items
    }
}
