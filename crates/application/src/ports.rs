//! The seams of the application layer: where sealed objects are kept, who may read them, what a record's format says about
//! itself, and where randomness comes from.

use std::{
    fmt,
    io::{self, Read},
    ops::Range,
};

use health_chain_data::{ObjectId, tagged_hash};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    authorize::Access,
    records::{GrantState, ObjectState},
};

/// Names one version of one object. Made of an id, never of a caller's string, so no name leads out of a store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectName {
    /// The object.
    pub object: ObjectId,
    /// Its version, from 0.
    pub version: u32,
}

impl fmt::Display for ObjectName {
    /// 64 hexadecimal digits, a full stop, the version.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.object, self.version)
    }
}

/// Keeps sealed objects. What it holds is ciphertext, so it is not trusted with more than keeping it.
pub trait ObjectStore: Send + Sync {
    /// Keeps everything that `content` gives under `name`, in place of what was there, and returns its length in bytes. All of it
    /// becomes readable at once and stays so after a crash, or, where anything fails, nothing of it.
    ///
    /// # Errors
    /// Where `content` fails, is longer than [`MAX_OBJECT_BYTES`](crate::limits::MAX_OBJECT_BYTES), or can't be kept.
    fn put(&self, name: &ObjectName, content: &mut dyn Read) -> Result<u64, ObjectError>;

    /// The bytes of `range`, exactly.
    ///
    /// # Errors
    /// [`ObjectError::NotFound`], [`ObjectError::OutOfRange`], or where the store can't be read.
    fn get(&self, name: &ObjectName, range: Range<u64>) -> Result<Vec<u8>, ObjectError>;

    /// The length of an object in bytes, or `None` where there is none.
    ///
    /// # Errors
    /// Where the store can't be read.
    fn length(&self, name: &ObjectName) -> Result<Option<u64>, ObjectError>;

    /// Removes an object for good; says whether there was one.
    ///
    /// # Errors
    /// Where it can't be removed.
    fn delete(&self, name: &ObjectName) -> Result<bool, ObjectError>;
}

/// Why an object store did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// Another handle has the store open.
    #[error("the objects are in use by another process")]
    Locked,
    /// Nothing is kept under this name.
    #[error("no object {name}")]
    NotFound {
        /// The name.
        name: ObjectName,
    },
    /// The range does not lie within the object.
    #[error("bytes {}..{} of an object of {length} bytes", range.start, range.end)]
    OutOfRange {
        /// The range asked for.
        range: Range<u64>,
        /// Length of the object.
        length: u64,
    },
    /// The content is longer than any object may be.
    #[error("more than {limit} bytes for one object")]
    TooLong {
        /// The limit.
        limit: u64,
    },
    /// The content could not be read to its end.
    #[error("the content of an object could not be read")]
    Content(#[source] io::Error),
    /// The storage underneath failed.
    #[error("object storage failed")]
    Backend(#[source] io::Error),
}

/// A format of records: says whether a document is one of it. Documents themselves stay as they are, byte for byte.
pub trait RecordFormat: Send + Sync {
    /// The media type of its documents.
    fn media_type(&self) -> &str;

    /// Whether `document` is well formed.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check(&self, document: &[u8]) -> Result<(), FormatError>;
}

/// A document is not what its media type says. `rule` names what it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("document breaks rule {rule} at byte {offset}")]
pub struct FormatError {
    /// The format's name for the rule.
    pub rule: &'static str,
    /// Where, in bytes.
    pub offset: usize,
}

/// The format of documents that nobody looks into: every string of bytes is one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Opaque;

impl RecordFormat for Opaque {
    fn media_type(&self) -> &str {
        "application/octet-stream"
    }

    fn check(&self, _: &[u8]) -> Result<(), FormatError> {
        Ok(())
    }
}

/// Where keys, nonces and blinding values come from.
pub trait Entropy {
    /// 32 fresh random bytes, never given before.
    ///
    /// # Errors
    /// Where the source fails.
    fn draw(&mut self) -> Result<Zeroizing<[u8; 32]>, EntropyError>;
}

/// The source of randomness failed.
#[derive(Debug, Error)]
#[error("the source of randomness failed")]
pub struct EntropyError(#[source] pub getrandom::Error);

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn draw(&mut self) -> Result<Zeroizing<[u8; 32]>, EntropyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(EntropyError)?;
        Ok(bytes)
    }
}

/// Bytes that follow from a seed: for tests and simulations that must run twice alike. Whoever knows the seed knows them all.
#[derive(Debug, Clone, Copy, Default)]
pub struct SeededEntropy {
    seed: u64,
    drawn: u64,
}

impl SeededEntropy {
    /// The sequence of this seed, from its beginning.
    pub const fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }
}

impl Entropy for SeededEntropy {
    fn draw(&mut self) -> Result<Zeroizing<[u8; 32]>, EntropyError> {
        self.drawn += 1;
        let bytes = tagged_hash("HC/seeded/v1", &[&self.seed.to_le_bytes(), &self.drawn.to_le_bytes()]);
        Ok(Zeroizing::new(bytes.0))
    }
}

/// A house's own rules on access. Asked last, where everything else permits: it may refuse what the owner has granted, and can't
/// permit what the owner has not.
pub trait AccessPolicy: Send + Sync {
    /// Whether the house allows it, too. `grant` is `None` where the owner asks.
    ///
    /// # Errors
    /// The rule that forbids it.
    fn check(&self, access: &Access, object: &ObjectState, grant: Option<&GrantState>) -> Result<(), PolicyRefusal>;
}

/// A house's own rule forbids access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("refused by rule {rule}")]
pub struct PolicyRefusal {
    /// The rule's name, for the audit log.
    pub rule: &'static str,
}

/// No rules beyond the owner's grants.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnerGrants;

impl AccessPolicy for OwnerGrants {
    fn check(&self, _: &Access, _: &ObjectState, _: Option<&GrantState>) -> Result<(), PolicyRefusal> {
        Ok(())
    }
}
