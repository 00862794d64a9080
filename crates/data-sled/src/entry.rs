//! How a value becomes entries of sled: a head under the key, and for long values chunks under keys of their own.
//!
//! | key | value |
//! |---|---|
//! | `00` | schema version u64, checksum |
//! | `00 01` | number of commits u64, checksum |
//! | `01, table, key` | checksum (16 bytes), length u32, and the value where it fits |
//! | `02, table, key, index u32 big-endian` | one chunk of a value that does not fit |
//!
//! Numbers in values are little-endian. The heads of a table alone stand in the order of its keys, so a scan meets
//! no chunk. The index has a fixed length, so no two keys share a chunk.

use health_chain_data::{hash::tagged_hash, state::Table};

use crate::{MAX_ENTRY_BYTES, MAX_VALUE_BYTES};

/// Where the schema version stands.
pub(crate) const SCHEMA_KEY: [u8; 1] = [0];
/// Where the number of commits stands.
pub(crate) const COMMITS_KEY: [u8; 2] = [0, 1];

const HEADS: u8 = 1;
const CHUNKS: u8 = 2;
const CHECKSUM_BYTES: usize = 16;
const HEAD_BYTES: usize = CHECKSUM_BYTES + size_of::<u32>();
/// The longest value that stands in its head, and the length of all chunks but the last.
pub(crate) const CHUNK_BYTES: usize = MAX_ENTRY_BYTES - HEAD_BYTES;

/// The key of a head; of a prefix, the prefix of the heads' keys.
pub(crate) fn head_key(table: Table, key: &[u8]) -> Vec<u8> {
    [&[HEADS, table.0], key].concat()
}

/// The key whose head stands under `head_key`.
pub(crate) fn key_of_head(head_key: &[u8]) -> &[u8] {
    &head_key[2..]
}

pub(crate) fn chunk_key(table: Table, key: &[u8], index: u32) -> Vec<u8> {
    [&[CHUNKS, table.0], key, &index.to_be_bytes()].concat()
}

/// The head of `value` and the chunks that it does not hold; `None` for a value that is too long.
pub(crate) fn split<'a>(
    table: Table,
    key: &[u8],
    value: &'a [u8],
) -> Option<(Vec<u8>, impl Iterator<Item = &'a [u8]> + use<'a>)> {
    let length = u32::try_from(value.len()).ok().filter(|length| *length as usize <= MAX_VALUE_BYTES)?;
    let (inline, chunked) = if value.len() <= CHUNK_BYTES { (value, &[][..]) } else { (&[][..], value) };
    let head = [&checksum(table, key, value)[..], &length.to_le_bytes(), inline].concat();
    Some((head, chunked.chunks(CHUNK_BYTES)))
}

/// What a head says.
pub(crate) struct Head<'a> {
    checksum: &'a [u8],
    length: usize,
    pub(crate) inline: &'a [u8],
}

impl<'a> Head<'a> {
    /// Reads a head; `None` where it can't be one.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (checksum, rest) = bytes.split_at_checked(CHECKSUM_BYTES)?;
        let (length, inline) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        let inline_bytes = if length <= CHUNK_BYTES { length } else { 0 };
        (inline.len() == inline_bytes).then_some(Self { checksum, length, inline })
    }

    /// How many chunks the value has beside its head.
    pub(crate) fn chunks(&self) -> u32 {
        if self.length <= CHUNK_BYTES { 0 } else { self.length.div_ceil(CHUNK_BYTES) as u32 }
    }

    /// Whether `value` is what was written under this table and key.
    pub(crate) fn matches(&self, table: Table, key: &[u8], value: &[u8]) -> bool {
        value.len() == self.length && checksum(table, key, value) == self.checksum
    }
}

/// `number || checksum`, for an entry about the store itself.
pub(crate) fn write_number(key: &[u8], number: u64) -> Vec<u8> {
    let number = number.to_le_bytes();
    [&number[..], &checksum(Table::META, key, &number)].concat()
}

/// The number; `None` where the entry is damaged.
pub(crate) fn read_number(key: &[u8], entry: &[u8]) -> Option<u64> {
    let (number, found) = entry.split_first_chunk()?;
    (checksum(Table::META, key, number) == found).then_some(u64::from_le_bytes(*number))
}

/// Bound to table and key, so that a value that turns up in another's place is noticed too.
fn checksum(table: Table, key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let key_bytes = (key.len() as u64).to_le_bytes();
    let digest = tagged_hash("HC/store/v1", &[&[table.0], &key_bytes, key, value]);
    *digest.as_bytes().first_chunk().expect("a digest is longer than a checksum")
}
