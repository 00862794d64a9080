//! The commands, a file for each.

pub(crate) mod bench;
pub(crate) mod council;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod mine;
pub(crate) mod peers;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod script;
pub(crate) mod stake;
pub(crate) mod status;
pub(crate) mod wallet;
