//! A node's folder and how its files are read and written.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use thiserror::Error;

/// The longest file of a node's folder that is read whole, in bytes.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Where things are in a node's folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

/// How far a folder is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Made {
    /// Nothing of a node is there.
    Nothing,
    /// Everything that `init` makes is there.
    All,
    /// Something is there and something else is not.
    Half {
        /// A file that is there.
        found: PathBuf,
        /// A file that is not.
        missing: PathBuf,
    },
}

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// The genesis document of the chain that the node is on.
    pub(crate) fn genesis(&self) -> PathBuf {
        self.0.join("genesis.toml")
    }

    /// The words from which all of the owner's keys follow. Readable by the owner alone.
    pub(crate) fn words(&self) -> PathBuf {
        self.0.join("words.secret")
    }

    /// The node's own key, by which peers know it. Readable by the owner alone.
    pub(crate) fn node_key(&self) -> PathBuf {
        self.0.join("node-key.secret")
    }

    /// The chain's store.
    pub(crate) fn chain(&self) -> PathBuf {
        self.0.join("chain")
    }

    /// The wallet's store.
    pub(crate) fn wallet(&self) -> PathBuf {
        self.0.join("wallet")
    }

    /// The sealed records.
    pub(crate) fn objects(&self) -> PathBuf {
        self.0.join("objects")
    }

    /// Where the running node takes orders, and the word that goes with them. Readable by the owner alone.
    pub(crate) fn counter(&self) -> PathBuf {
        self.0.join("orders.secret")
    }

    /// How far the folder is made.
    pub(crate) fn made(&self) -> Made {
        let files = [self.config(), self.genesis(), self.words(), self.node_key()];
        let (found, missing): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.exists());
        match (found.into_iter().next(), missing.into_iter().next()) {
            (Some(found), Some(missing)) => Made::Half { found, missing },
            (Some(_), None) => Made::All,
            (None, _) => Made::Nothing,
        }
    }

    /// Makes sure that `init` has made the folder.
    pub(crate) fn check(&self) -> Result<(), FileError> {
        match self.made() {
            Made::All => Ok(()),
            Made::Nothing => Err(FileError::NoFolder(self.0.clone())),
            Made::Half { found, missing } => Err(FileError::Half { found, missing }),
        }
    }

    /// Makes the folder itself, readable by the owner alone, unless it is there.
    pub(crate) fn create(&self) -> Result<(), FileError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0).map_err(|source| FileError::Write { path: self.0.clone(), source })
    }
}

/// Why a file of the node's folder is of no use.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum FileError {
    /// Nothing of a node is there.
    #[error("{} is not a node's folder", .0.display())]
    NoFolder(PathBuf),
    /// Some of the files are missing.
    #[error("the folder is half made: {} is there and {} is not", .found.display(), .missing.display())]
    Half { found: PathBuf, missing: PathBuf },
    /// The file can't be read.
    #[error("{} can't be read", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file is too long to be what it should be.
    #[error("{} is longer than {MAX_FILE_BYTES} bytes", .0.display())]
    TooLong(PathBuf),
    /// The file is there already, or can't be written.
    #[error("{} can't be written", .path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file does not read as what it should be. Its lines are not shown: whoever names the wrong file may have named one of secrets.
    #[error("{} is malformed at line {line}, column {column}: {message}", .path.display())]
    Toml { path: PathBuf, line: usize, column: usize, message: String },
}

/// Reads a TOML file.
pub(crate) fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    let text = read(path)?;
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let last = before.rsplit('\n').next().unwrap_or_default();
        let (line, column) = (before.matches('\n').count() + 1, last.chars().count() + 1);
        FileError::Toml { path: path.into(), line, column, message: error.message().trim_end().replace('\n', "; ") }
    })
}

/// Reads a text file.
pub(crate) fn read(path: &Path) -> Result<String, FileError> {
    let error = |source| FileError::Read { path: path.into(), source };
    let mut text = String::new();
    let read = File::open(path).map_err(error)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(error)?;
    if read as u64 > MAX_FILE_BYTES { Err(FileError::TooLong(path.into())) } else { Ok(text) }
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    Everybody,
    Owner,
}

/// Writes a new file, durably; never over an old one.
pub(crate) fn write_new(path: &Path, text: &str, readers: Readers) -> Result<(), FileError> {
    let error = |source| FileError::Write { path: path.into(), source };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut file = options.open(path).map_err(error)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(error)
}

/// Writes a file in one step over an old one, durably.
pub(crate) fn write_over(path: &Path, text: &str, readers: Readers) -> Result<(), FileError> {
    let beside = path.with_added_extension("new");
    write_new(&beside, text, readers)?;
    fs::rename(&beside, path).map_err(|source| FileError::Write { path: path.into(), source })
}
