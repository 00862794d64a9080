//! The secrets in a node's folder: the owner's words and the node's key.

use std::path::Path;

use health_chain::{
    application::ports::{Entropy, SystemEntropy},
    data::{
        SecretKey,
        keys::{MasterKey, Mnemonic},
    },
};
use zeroize::Zeroizing;

use crate::{
    failure::Failure,
    folder::{self, Folder},
};

/// Fresh words: 12 of them from 16 random bytes, 24 from 32.
pub(crate) fn new_words(entropy_bytes: usize) -> Result<Mnemonic, Failure> {
    let entropy = SystemEntropy.draw()?;
    Ok(Mnemonic::from_entropy(&entropy[..entropy_bytes])?)
}

/// The words in a file.
pub(crate) fn read_words(path: &Path) -> Result<Mnemonic, Failure> {
    let text = Zeroizing::new(folder::read(path)?);
    warn_of_other_readers(path);
    Mnemonic::from_phrase(&text).map_err(|source| Failure::WordsFile { path: path.into(), source })
}

/// The key that stands for the owner of these words.
pub(crate) fn identity(words: &Mnemonic) -> Result<SecretKey, Failure> {
    Ok(MasterKey::from_seed(&words.to_seed(""))?.identity_key()?)
}

/// A fresh key that follows from no words.
pub(crate) fn new_key() -> Result<SecretKey, Failure> {
    loop {
        // Refused once in 2^127.
        if let Ok(key) = SecretKey::from_bytes(&*SystemEntropy.draw()?) {
            return Ok(key);
        }
    }
}

/// A secret key as it stands in its file.
pub(crate) fn key_to_file(key: &SecretKey) -> Zeroizing<String> {
    Zeroizing::new(format!("{}\n", *Zeroizing::new(hex::encode(*key.to_bytes()))))
}

/// The node's key.
pub(crate) fn node_key(folder: &Folder) -> Result<SecretKey, Failure> {
    let path = folder.node_key();
    let text = Zeroizing::new(folder::read(&path)?);
    warn_of_other_readers(&path);
    let mut bytes = Zeroizing::new([0; 32]);
    let digits = hex::decode_to_slice(text.trim(), &mut *bytes);
    digits.ok().and_then(|()| SecretKey::from_bytes(&bytes).ok()).ok_or(Failure::NodeKeyFile { path })
}

/// Secrets that others can read are secrets no longer.
fn warn_of_other_readers(path: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = path.metadata() {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        if mode & 0o077 != 0 {
            tracing::warn!("{} can be read by others; close it with: chmod 600 {0}", path.display());
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}
