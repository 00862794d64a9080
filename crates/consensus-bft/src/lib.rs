#![doc = include_str!("../README.md")]

mod certificate;
mod context;
mod engine;
mod evidence;
mod host;
mod journal;
pub mod limits;
mod message;
mod parameters;
mod statement;

pub use certificate::{Certificate, CertificateError};
pub use engine::{Bft, BftError};
pub use evidence::{Evidence, EvidenceError};
pub use message::{statements, vote_message};
pub use parameters::{BftParameters, ParametersError, Validator};
pub use statement::{Claim, Signed, Statement};
