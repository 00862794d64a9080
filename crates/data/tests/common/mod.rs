//! Published test vectors that are too large to be kept here: they are read from `shared/vectors` beside the checkout.

use std::path::Path;

/// The text of a file of vectors, or `None`, loudly, where the folder is missing.
#[allow(clippy::print_stderr, reason = "a skipped test must be seen")]
pub(crate) fn published(path: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    if !folder.is_dir() {
        eprintln!("SKIPPED {path}: no folder {}", folder.display());
        return None;
    }
    let text = std::fs::read_to_string(folder.join(path));
    Some(text.unwrap_or_else(|error| panic!("{path}: {error}")))
}

/// The bytes behind hexadecimal digits.
pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    hex::decode(digits).unwrap_or_else(|error| panic!("{digits}: {error}"))
}
