//! Object stores: in memory, and in a local folder.

mod folder;
mod memory;

pub use folder::FolderObjects;
pub use memory::MemoryObjects;

use std::{io::Read, ops::Range};

use crate::{limits::MAX_OBJECT_BYTES, ports::ObjectError};

/// `content`, which ends behind the longest object's last byte: whoever reads that far has read too much.
fn bounded<'a>(content: &'a mut dyn Read) -> impl Read + use<'a> {
    content.take(MAX_OBJECT_BYTES + 1)
}

fn check_length(bytes: u64) -> Result<u64, ObjectError> {
    if bytes > MAX_OBJECT_BYTES { Err(ObjectError::TooLong { limit: MAX_OBJECT_BYTES }) } else { Ok(bytes) }
}

fn check_range(range: &Range<u64>, length: u64) -> Result<(), ObjectError> {
    if range.start <= range.end && range.end <= length {
        Ok(())
    } else {
        Err(ObjectError::OutOfRange { range: range.clone(), length })
    }
}
