#![doc = include_str!("../README.md")]

mod entry;

use std::{
    fmt,
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    thread,
    time::Duration,
};

use health_chain_data::{
    ports::{ChainStore, StateView, StoreError},
    state::{Changes, Table},
};
use sled::{Batch, Db};
use thiserror::Error;

use crate::entry::{COMMITS_KEY, Head, SCHEMA_KEY, chunk_key, head_key, key_of_head};

/// The layout of the entries that this version writes and reads.
pub const SCHEMA_VERSION: u32 = 1;
/// The longest value handed to sled, in bytes. Longer ones are split: sled moves values above its segment's size into files
/// of their own and grows many times beyond what it holds.
pub const MAX_ENTRY_BYTES: usize = 32 * 1024;
/// The longest value that can be kept, in bytes.
pub const MAX_VALUE_BYTES: usize = u32::MAX as usize;
/// Memory that sled may use for its cache, in bytes.
pub const CACHE_BYTES: u64 = 256 * 1024 * 1024;

/// Locked while the store is open; holds the number of commits acknowledged (u64, little-endian).
const LOCK_FILE: &str = "lock";
/// What sled calls its log.
const SLED_LOG_FILE: &str = "db";
/// What sled calls its settings.
const SLED_SETTINGS_FILE: &str = "conf";
/// How sled names a summary of its log ("snapshot") until it is whole.
const SLED_UNFINISHED_SUFFIX: &str = ".generating";
/// sled's threads may hold its file for a moment after the last handle is gone.
const RELEASE_ATTEMPTS: u32 = 100;
const RELEASE_PAUSE: Duration = Duration::from_millis(20);

/// A [`ChainStore`] in a folder of its own. One handle at a time, in one process.
pub struct SledStore {
    database: Db,
    /// How many commits the database holds.
    commits: u64,
    /// Set once a commit has failed: from then on memory may show what the disk does not hold.
    failed: bool,
    // Released last, when the database is closed.
    lock: File,
}

/// What this crate itself finds wrong; the source of [`StoreError::Backend`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SledStoreError {
    /// sled panicked on what it found in the folder.
    #[error("the database files can't be read")]
    Unreadable,
    /// A value is longer than [`MAX_VALUE_BYTES`].
    #[error("a value of {bytes} bytes, where at most {MAX_VALUE_BYTES} are allowed")]
    ValueTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The database has gone back behind what was acknowledged: sled drops damaged parts of its log without a word.
    #[error("{acknowledged} commits were acknowledged, and {found} are left")]
    CommitsLost {
        /// How many were.
        acknowledged: u64,
        /// How many the database holds.
        found: u64,
    },
    /// An earlier commit failed; open the store again to learn what it holds.
    #[error("an earlier commit failed")]
    EarlierFailure,
}

impl SledStore {
    /// Opens the store in `folder`, or makes an empty one where there is none.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another handle has it open, [`StoreError::SchemaVersion`] where it was written in another
    /// layout (version 0: something else keeps its data there), [`StoreError::Backend`] where the folder can't be used
    /// or sled finds its files corrupted, [`StoreError::Damaged`] where the schema's own entry is.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(folder).map_err(backend)?;
        let mut lock = lock(folder)?;
        let acknowledged = acknowledged(&mut lock)?;
        forget_unfinished(folder)?;
        let database = open_database(folder)?;
        let commits = check_meta(&database)?;
        if commits < acknowledged {
            return Err(backend(SledStoreError::CommitsLost { acknowledged, found: commits }));
        }
        Ok(Self { database, commits, failed: false, lock })
    }

    /// Bytes that the store's files take.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.database.size_on_disk().map_err(backend)
    }

    /// The value whose head is `head`: what stands in it, or what its chunks add up to.
    fn assemble(&self, table: Table, key: &[u8], head: &[u8]) -> Result<Vec<u8>, StoreError> {
        let damaged = || StoreError::Damaged { table };
        let head = Head::read(head).ok_or_else(damaged)?;
        let mut value = head.inline.to_vec();
        for index in 0..head.chunks() {
            let chunk = self.database.get(chunk_key(table, key, index)).map_err(|error| failure(table, error))?;
            value.extend_from_slice(&chunk.ok_or_else(damaged)?);
        }
        if head.matches(table, key, &value) { Ok(value) } else { Err(damaged()) }
    }

    /// Notes the number of commits beside the database. Not synced: after a power failure the note may be older than
    /// the database, never newer, which is all that the comparison at open needs.
    fn acknowledge(&mut self) -> Result<(), StoreError> {
        self.lock.rewind().and_then(|()| self.lock.write_all(&self.commits.to_le_bytes())).map_err(backend)
    }

    fn usable(&self) -> Result<(), StoreError> {
        if self.failed { Err(backend(SledStoreError::EarlierFailure)) } else { Ok(()) }
    }

    fn stage(&self, batch: &mut Batch, table: Table, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        let mut used = 0;
        match value {
            Some(value) => {
                let (head, chunks) = entry::split(table, key, value)
                    .ok_or_else(|| backend(SledStoreError::ValueTooLong { bytes: value.len() }))?;
                batch.insert(head_key(table, key), head);
                for (index, chunk) in (0..).zip(chunks) {
                    batch.insert(chunk_key(table, key, index), chunk);
                    used = index + 1;
                }
            }
            None => batch.remove(head_key(table, key)),
        }
        let before = self.database.get(head_key(table, key)).map_err(|error| failure(table, error))?;
        let before = before.as_deref().and_then(Head::read).map_or(0, |head| head.chunks());
        for index in used..before {
            batch.remove(chunk_key(table, key, index));
        }
        Ok(())
    }
}

impl StateView for SledStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.usable()?;
        match self.database.get(head_key(table, key)).map_err(|error| failure(table, error))? {
            Some(head) => self.assemble(table, key, &head).map(Some),
            None => Ok(None),
        }
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        self.usable()?;
        for item in self.database.scan_prefix(head_key(table, prefix)) {
            let (full_key, head) = item.map_err(|error| failure(table, error))?;
            let key = key_of_head(&full_key);
            if !visit(key, &self.assemble(table, key, &head)?) {
                break;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore")
            .field("commits", &self.commits)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl ChainStore for SledStore {
    /// After a failure that may have left the batch half way (a full disk, say), the handle refuses all further
    /// use; opened again, the store holds all of the batch or nothing.
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        self.usable()?;
        let mut batch = Batch::default();
        for (table, key, value) in changes.iter() {
            self.stage(&mut batch, table, key, value)?;
        }
        let commits = self.commits + 1;
        batch.insert(&COMMITS_KEY, entry::write_number(&COMMITS_KEY, commits));
        let written = self.database.apply_batch(batch).and_then(|()| self.database.flush());
        self.failed = written.is_err();
        written.map_err(backend)?;
        self.commits = commits;
        self.acknowledge().inspect_err(|_| self.failed = true)
    }
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let options = File::options().read(true).write(true).create(true).truncate(false).open(folder.join(LOCK_FILE));
    let file = options.map_err(backend)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked),
        Err(TryLockError::Error(error)) => Err(backend(error)),
    }
}

fn acknowledged(lock: &mut File) -> Result<u64, StoreError> {
    let mut bytes = Vec::new();
    lock.take(16).read_to_end(&mut bytes).map_err(backend)?;
    // Empty in a new folder, or where power failed before the first note reached the disk.
    Ok(<[u8; 8]>::try_from(bytes).map_or(0, u64::from_le_bytes))
}

/// Removes what a process was writing when it died and sled would take for corrupted: the settings of a database without a log,
/// which holds nothing yet, and a summary that was to replace the one before, which is still there with the log behind it.
fn forget_unfinished(folder: &Path) -> Result<(), StoreError> {
    let has_log = fs::metadata(folder.join(SLED_LOG_FILE)).is_ok_and(|log| log.len() > 0);
    for entry in fs::read_dir(folder).map_err(backend)? {
        let entry = entry.map_err(backend)?;
        let name = entry.file_name();
        let unfinished_summary = name.to_str().is_some_and(|name| name.ends_with(SLED_UNFINISHED_SUFFIX));
        if unfinished_summary || (!has_log && name == SLED_SETTINGS_FILE) {
            fs::remove_file(entry.path()).map_err(backend)?;
        }
    }
    Ok(())
}

/// Opens sled, which has a lock of its own and panics on some corrupted files.
fn open_database(folder: &Path) -> Result<Db, StoreError> {
    // Nothing is flushed behind our back: each commit does it.
    let configuration = sled::Config::new().path(folder).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    for _ in 0..RELEASE_ATTEMPTS {
        match catch_unwind(AssertUnwindSafe(|| configuration.open())) {
            Ok(Ok(database)) => return Ok(database),
            Ok(Err(error)) if is_locked(&error) => thread::sleep(RELEASE_PAUSE),
            Ok(Err(error)) => return Err(backend(error)),
            Err(_) => return Err(backend(SledStoreError::Unreadable)),
        }
    }
    Err(StoreError::Locked)
}

/// sled reports its lock as an I/O error of no particular kind, and says so in words only.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error)
        if error.kind() == io::ErrorKind::Other && error.to_string().starts_with("could not acquire lock"))
}

/// Checks the schema, or writes it where the database is new. Returns the number of commits.
fn check_meta(database: &Db) -> Result<u64, StoreError> {
    let number = |key: &[u8]| match database.get(key).map_err(|error| failure(Table::META, error))? {
        Some(entry) => entry::read_number(key, &entry).map(Some).ok_or(StoreError::Damaged { table: Table::META }),
        None => Ok(None),
    };
    let Some(schema) = number(&SCHEMA_KEY)? else {
        if !database.is_empty() {
            return Err(StoreError::SchemaVersion { found: 0, expected: SCHEMA_VERSION });
        }
        let schema = entry::write_number(&SCHEMA_KEY, SCHEMA_VERSION.into());
        database.insert(SCHEMA_KEY, schema).and_then(|_| database.flush()).map_err(backend)?;
        return Ok(0);
    };
    if schema != u64::from(SCHEMA_VERSION) {
        let found = u32::try_from(schema).unwrap_or(u32::MAX);
        return Err(StoreError::SchemaVersion { found, expected: SCHEMA_VERSION });
    }
    Ok(number(&COMMITS_KEY)?.unwrap_or(0))
}

/// An error of sled while it read an entry of `table`.
fn failure(table: Table, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Corruption { .. } => StoreError::Damaged { table },
        other => backend(other),
    }
}

fn backend(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Backend(Box::new(error))
}

#[cfg(test)]
mod tests;
