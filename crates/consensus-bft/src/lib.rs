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
mod rounds;
mod seat;
mod statement;
mod successors;

pub use certificate::{Certificate, CertificateError};
pub use engine::{Bft, BftError, SuccessionError};
pub use evidence::{Equivocation, Evidence, EvidenceError};
pub use health_chain_consensus::{Epochs, Validator};
pub use message::{proposal, proposal_message, statements, vote_message};
pub use parameters::{BftParameters, ParametersError};
pub use statement::{Choice, Claim, Signed, Statement};
pub use successors::{Successors, SuccessorsError};
