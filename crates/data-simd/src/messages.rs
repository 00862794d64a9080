//! Messages of any length, hashed side by side: prefix, padding, and the cutting into rows of blocks.

use health_chain_data::{Hash, sha256};

use crate::{
    arch::{
        engine::{Engine, ROW_BLOCKS, Scratch, States},
        prefetch,
    },
    kernel::Proof,
    sha256::{BLOCK_BYTES, Block, INITIAL, compress},
    work::{Work, complete},
};

/// What comes before the message.
#[derive(Clone, Copy)]
pub(crate) struct Format {
    /// The state after all whole blocks before the message.
    state: [u32; 8],
    /// Bytes in those blocks.
    hashed_bytes: usize,
    /// What stands between them and the message.
    prefix: &'static [u8],
}

impl Format {
    /// SHA-256.
    pub(crate) const PLAIN: Self = Self { state: INITIAL, hashed_bytes: 0, prefix: &[] };
    /// The leaves of RFC 6962.
    pub(crate) const LEAF: Self = Self { state: INITIAL, hashed_bytes: 0, prefix: &[0x00] };

    /// BIP340's tagged hash: the digest of the tag, twice, fills the first block.
    pub(crate) fn tagged(tag: &str) -> Self {
        let digest = sha256(tag.as_bytes());
        let mut block: Block = [0; BLOCK_BYTES];
        let (low, high) = block.split_at_mut(32);
        low.copy_from_slice(digest.as_bytes());
        high.copy_from_slice(digest.as_bytes());
        Self { state: compress(&INITIAL, &block), hashed_bytes: BLOCK_BYTES, prefix: &[] }
    }

    /// Blocks that a message of this length takes, with prefix, the bit that ends it, and its length.
    const fn blocks(&self, message_bytes: usize) -> usize {
        (self.prefix.len() + message_bytes + 1 + 8).div_ceil(BLOCK_BYTES)
    }

    /// Writes the blocks of a message from `first` on.
    fn write_blocks(&self, message: &[u8], first: usize, blocks: &mut [Block]) {
        let end_of_message = self.prefix.len() + message.len();
        let start = first * BLOCK_BYTES;
        let bytes = blocks.as_flattened_mut();
        let mut written = 0;
        if start == 0 {
            written = self.prefix.len();
            bytes[..written].copy_from_slice(self.prefix);
        }
        if start + written < end_of_message {
            let rest = &message[start + written - self.prefix.len()..];
            let part = &rest[..rest.len().min(bytes.len() - written)];
            bytes[written..written + part.len()].copy_from_slice(part);
            written += part.len();
        }
        let Some((marker, zeros)) = bytes[written..].split_first_mut() else { return };
        *marker = if start + written == end_of_message { 0x80 } else { 0 };
        zeros.fill(0);
        if start + bytes.len() == self.blocks(message.len()) * BLOCK_BYTES {
            let bits = 8 * (self.hashed_bytes + end_of_message) as u64;
            *bytes.last_chunk_mut().expect("a block is longer than eight bytes") = bits.to_be_bytes();
        }
    }
}

/// Hashes `digests.len()` messages, all of which take the same number of blocks.
pub(crate) fn hash_alike<'a>(proof: Proof, format: Format, message: impl Fn(usize) -> &'a [u8], digests: &mut [Hash]) {
    complete(proof, &mut Alike { format, message, digests, done: 0 });
}

/// Hashes messages of any lengths: in groups that take the same number of blocks.
pub(crate) fn hash_mixed(proof: Proof, format: Format, messages: &[&[u8]]) -> Vec<Hash> {
    let blocks = |index: &usize| format.blocks(messages[*index].len());
    let mut digests = vec![Hash::ZERO; messages.len()];
    let mut order: Vec<usize> = (0..messages.len()).collect();
    order.sort_by_key(blocks);
    let mut of_group = Vec::new();
    for group in order.chunk_by(|left, right| blocks(left) == blocks(right)) {
        if group.len() == messages.len() {
            hash_alike(proof, format, |index| messages[index], &mut digests);
            break;
        }
        of_group.clear();
        of_group.resize(group.len(), Hash::ZERO);
        hash_alike(proof, format, |index| messages[group[index]], &mut of_group);
        for (index, digest) in group.iter().zip(&of_group) {
            digests[*index] = *digest;
        }
    }
    digests
}

/// Messages that take the same number of blocks.
struct Alike<'d, M> {
    format: Format,
    message: M,
    digests: &'d mut [Hash],
    done: usize,
}

impl<'a, M: Fn(usize) -> &'a [u8]> Work for Alike<'_, M> {
    fn advance<E: Engine<LANES>, const LANES: usize>(&mut self, engine: E, at_least: usize) {
        if self.digests.len() - self.done < at_least {
            return;
        }
        let blocks = self.format.blocks((self.message)(self.done).len());
        let mut scratch = Scratch::<LANES>::new();
        let mut all_digests = [Hash::ZERO; LANES];
        while self.digests.len() - self.done >= at_least {
            let used = LANES.min(self.digests.len() - self.done);
            let messages: [&[u8]; LANES] = core::array::from_fn(|lane| (self.message)(self.done + lane.min(used - 1)));
            let mut states = States::all(&self.format.state);
            for first in (0..blocks).step_by(ROW_BLOCKS) {
                let count = ROW_BLOCKS.min(blocks - first);
                for (message, row) in messages.iter().zip(&mut scratch.0).take(used) {
                    self.format.write_blocks(message, first, &mut row.blocks[..count]);
                    if let Some(next) = message.get((first + ROW_BLOCKS) * BLOCK_BYTES..) {
                        prefetch(&next[..next.len().min(ROW_BLOCKS * BLOCK_BYTES)]);
                    }
                }
                engine.compress(&mut states, &scratch.0, count);
            }
            engine.digests(&states, &mut all_digests);
            self.digests[self.done..][..used].copy_from_slice(&all_digests[..used]);
            self.done += used;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Padding by its definition.
    fn padded(format: &Format, message: &[u8]) -> Vec<u8> {
        let mut bytes = [format.prefix, message, &[0x80]].concat();
        let bits = 8 * (format.hashed_bytes + format.prefix.len() + message.len()) as u64;
        while bytes.len() % BLOCK_BYTES != BLOCK_BYTES - 8 {
            bytes.push(0);
        }
        bytes.extend_from_slice(&bits.to_be_bytes());
        bytes
    }

    #[test]
    fn blocks_equal_the_padding_of_the_standard_however_they_are_cut() {
        let message: Vec<u8> = (0..400).map(|index| index as u8).collect();
        for format in [Format::PLAIN, Format::LEAF, Format::tagged("HC/test")] {
            for length in 0..message.len() {
                let expected = padded(&format, &message[..length]);
                assert_eq!(format.blocks(length) * BLOCK_BYTES, expected.len());
                for rows in 1..=ROW_BLOCKS {
                    let mut found = vec![[0xee; BLOCK_BYTES]; format.blocks(length)];
                    for (index, blocks) in found.chunks_mut(rows).enumerate() {
                        format.write_blocks(&message[..length], index * rows, blocks);
                    }
                    assert_eq!(found.as_flattened(), expected, "{length} bytes, {rows} blocks at a time");
                }
            }
        }
    }
}
