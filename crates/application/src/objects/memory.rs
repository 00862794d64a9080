//! Objects in memory.

use std::{
    collections::BTreeMap,
    io::Read,
    ops::Range,
    sync::{Mutex, MutexGuard},
};

use super::{bounded, check_length, check_range};
use crate::ports::{ObjectError, ObjectName, ObjectStore};

/// Keeps objects in memory: for tests, simulations and tools.
#[derive(Debug, Default)]
pub struct MemoryObjects(Mutex<BTreeMap<ObjectName, Vec<u8>>>);

impl MemoryObjects {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<ObjectName, Vec<u8>>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl ObjectStore for MemoryObjects {
    fn put(&self, name: &ObjectName, content: &mut dyn Read) -> Result<u64, ObjectError> {
        let mut bytes = Vec::new();
        bounded(content).read_to_end(&mut bytes).map_err(ObjectError::Content)?;
        let length = check_length(bytes.len() as u64)?;
        self.objects().insert(*name, bytes);
        Ok(length)
    }

    fn get(&self, name: &ObjectName, range: Range<u64>) -> Result<Vec<u8>, ObjectError> {
        let objects = self.objects();
        let bytes = objects.get(name).ok_or(ObjectError::NotFound { name: *name })?;
        check_range(&range, bytes.len() as u64)?;
        // A range within a slice fits the platform's word.
        Ok(bytes[range.start as usize..range.end as usize].to_vec())
    }

    fn length(&self, name: &ObjectName) -> Result<Option<u64>, ObjectError> {
        Ok(self.objects().get(name).map(|bytes| bytes.len() as u64))
    }

    fn delete(&self, name: &ObjectName) -> Result<bool, ObjectError> {
        Ok(self.objects().remove(name).is_some())
    }
}
