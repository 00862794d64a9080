//! Objects as files of a local folder.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{bounded, check_length, check_range};
use crate::ports::{ObjectError, ObjectName, ObjectStore};

const COPY_BYTES: usize = 64 * 1024;
/// Locked while the store is open.
const LOCK_FILE: &str = "lock";

/// Keeps objects in a folder: `objects/<first two digits>/<object id>.<version>`. An object is written to `incoming`, synced, and
/// renamed, so a file under `objects` is always whole. One handle per folder: opening it clears `incoming`, where two would write into each
/// other's files.
#[derive(Debug)]
pub struct FolderObjects {
    objects: PathBuf,
    incoming: PathBuf,
    /// Numbers the files in `incoming`.
    next: AtomicU64,
    /// Locked as long as the handle lives.
    _lock: File,
}

impl FolderObjects {
    /// Opens the store in `folder`, or makes an empty one. Removes what a crash left half written.
    ///
    /// # Errors
    /// [`ObjectError::Locked`] while another handle has it open, or where the folder can't be used.
    pub fn open(folder: &Path) -> Result<Self, ObjectError> {
        let (objects, incoming) = (folder.join("objects"), folder.join("incoming"));
        let lock = lock(folder)?;
        let prepare = || {
            fs::create_dir_all(&objects)?;
            if incoming.exists() {
                fs::remove_dir_all(&incoming)?;
            }
            fs::create_dir(&incoming)?;
            sync_folder(folder)
        };
        prepare().map_err(ObjectError::Backend)?;
        Ok(Self { objects, incoming, next: AtomicU64::new(0), _lock: lock })
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        let name = name.to_string();
        self.objects.join(&name[..2]).join(name)
    }

    fn file(&self, name: &ObjectName) -> Result<(File, u64), ObjectError> {
        let open = || {
            let file = File::open(self.path(name))?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        open().map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => ObjectError::NotFound { name: *name },
            _ => ObjectError::Backend(error),
        })
    }

    /// Gives the written file its name, durably.
    fn publish(&self, written: &Path, name: &ObjectName) -> io::Result<()> {
        let path = self.path(name);
        let folder = path.parent().expect("an object's path has a folder");
        if !folder.exists() {
            fs::create_dir_all(folder)?;
            sync_folder(&self.objects)?;
        }
        fs::rename(written, &path)?;
        sync_folder(folder)
    }
}

impl ObjectStore for FolderObjects {
    fn put(&self, name: &ObjectName, content: &mut dyn Read) -> Result<u64, ObjectError> {
        let written = self.incoming.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let kept = write_synced(&written, content)
            .and_then(|length| self.publish(&written, name).map(|()| length).map_err(ObjectError::Backend));
        if kept.is_err() {
            // What is left over is cleared when the store is next opened, if not now.
            let _ = fs::remove_file(&written);
        }
        kept
    }

    fn get(&self, name: &ObjectName, range: Range<u64>) -> Result<Vec<u8>, ObjectError> {
        let (mut file, length) = self.file(name)?;
        check_range(&range, length)?;
        let wanted = range.end - range.start;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(range.start))
            .and_then(|_| file.take(wanted).read_to_end(&mut bytes))
            .map_err(ObjectError::Backend)?;
        if bytes.len() as u64 == wanted {
            Ok(bytes)
        } else {
            Err(ObjectError::Backend(io::ErrorKind::UnexpectedEof.into()))
        }
    }

    fn length(&self, name: &ObjectName) -> Result<Option<u64>, ObjectError> {
        match self.file(name) {
            Ok((_, length)) => Ok(Some(length)),
            Err(ObjectError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn delete(&self, name: &ObjectName) -> Result<bool, ObjectError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Ok(()) => {
                sync_folder(path.parent().expect("an object's path has a folder")).map_err(ObjectError::Backend)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(ObjectError::Backend(error)),
        }
    }
}

fn lock(folder: &Path) -> Result<File, ObjectError> {
    let open = || {
        fs::create_dir_all(folder)?;
        File::options().write(true).create(true).truncate(false).open(folder.join(LOCK_FILE))
    };
    let file = open().map_err(ObjectError::Backend)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ObjectError::Locked),
        Err(TryLockError::Error(error)) => Err(ObjectError::Backend(error)),
    }
}

/// Copies by hand, so that a failure of the content is told from one of the disk.
fn write_synced(path: &Path, content: &mut dyn Read) -> Result<u64, ObjectError> {
    let mut content = bounded(content);
    let mut file = File::create_new(path).map_err(ObjectError::Backend)?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut length = 0;
    loop {
        let count = match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ObjectError::Content(error)),
        };
        file.write_all(&buffer[..count]).map_err(ObjectError::Backend)?;
        length = check_length(length + count as u64)?;
    }
    file.sync_all().map_err(ObjectError::Backend)?;
    Ok(length)
}

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder can't be opened as a file, and renames are made durable by the file system.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use health_chain_data::{Hash, ObjectId};

    use super::*;

    const NAME: ObjectName = ObjectName { object: ObjectId(Hash([0xab; 32])), version: 3 };

    /// Gives some bytes and then fails, as a connection does.
    struct Broken(usize);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            let count = buffer.len().min(self.0);
            self.0 -= count;
            Ok(count)
        }
    }

    #[test]
    fn objects_outlive_the_handle() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderObjects::open(folder.path()).unwrap();
        assert_eq!(store.put(&NAME, &mut &b"sealed"[..]).unwrap(), 6);
        drop(store);
        let store = FolderObjects::open(folder.path()).unwrap();
        assert_eq!(store.get(&NAME, 0..6).unwrap(), b"sealed");
        let expected = folder.path().join("objects/ab").join(format!("{}.3", "ab".repeat(32)));
        assert_eq!(fs::read(expected).unwrap(), b"sealed");
    }

    #[test]
    fn half_an_object_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderObjects::open(folder.path()).unwrap();
        assert!(matches!(store.put(&NAME, &mut Broken(200_000)), Err(ObjectError::Content(_))));
        assert_eq!(store.length(&NAME).unwrap(), None);
        assert_eq!(fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
        store.put(&NAME, &mut &b"whole"[..]).unwrap();
        assert!(store.put(&NAME, &mut Broken(200_000)).is_err());
        assert_eq!(store.get(&NAME, 0..5).unwrap(), b"whole", "what was there stays");
    }

    /// Writes an object of its own in the middle of another one's.
    struct Meanwhile<'a>(&'a Path, Option<FolderObjects>, usize);

    impl Read for Meanwhile<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.2 == 1 {
                self.1 = FolderObjects::open(self.0).ok();
            }
            self.2 += 1;
            buffer[0] = b'a';
            Ok(usize::from(self.2 <= 3))
        }
    }

    /// Two would clear each other's files away, and publish what the other one is still writing.
    #[test]
    fn a_folder_has_one_handle_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderObjects::open(folder.path()).unwrap();
        assert!(matches!(FolderObjects::open(folder.path()), Err(ObjectError::Locked)));
        let mut content = Meanwhile(folder.path(), None, 0);
        assert_eq!(store.put(&NAME, &mut content).unwrap(), 3, "nothing was cleared away meanwhile");
        assert!(content.1.is_none());
        assert_eq!(store.get(&NAME, 0..3).unwrap(), b"aaa");
        drop(store);
        FolderObjects::open(folder.path()).unwrap();
    }

    #[test]
    fn what_a_crash_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        drop(FolderObjects::open(folder.path()).unwrap());
        fs::write(folder.path().join("incoming/0"), b"half").unwrap();
        let store = FolderObjects::open(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
        store.put(&NAME, &mut &b"whole"[..]).unwrap();
    }
}
