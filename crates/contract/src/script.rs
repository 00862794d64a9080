//! A script machine with Bitcoin's semantics: the legacy rules up to and including `CHECKLOCKTIMEVERIFY` (BIP65) and
//! `CHECKSEQUENCEVERIFY` (BIP112).
//!
//! The machine knows no transaction format: signatures, lock times and sequences are asked of a [`SignatureCheck`], and which rules
//! hold is said by [`Flags`]. Every opcode is a row of one table (`opcode.rs`) and runs as one step. Nothing recurses, a
//! script ends after at most as many steps as it has bytes, and every limit has a name in [`crate::limits`].
//!
//! ```
//! use health_chain_contract::{ports::NoSignatures, script::{Flags, Fault, assemble, verify}};
//!
//! let lock = assemble("ADD 5 NUMEQUAL")?;
//! assert_eq!(verify(&assemble("2 3")?, &lock, Flags::MINIMALDATA, &mut NoSignatures), Ok(()));
//! assert_eq!(verify(&assemble("2 4")?, &lock, Flags::MINIMALDATA, &mut NoSignatures), Err(Fault::EvaluatedFalse));
//! # Ok::<(), health_chain_contract::script::AssemblyError>(())
//! ```

mod builder;
pub mod ecdsa;
mod encoding;
mod fault;
mod flags;
mod instruction;
pub mod lock_time;
mod machine;
pub mod number;
mod opcode;
mod operations;
mod stack;
mod text;
mod verify;

pub use builder::Builder;
pub use fault::Fault;
pub use flags::Flags;
pub use instruction::{Instruction, Instructions, is_push_only};
pub use machine::Machine;
pub use opcode::Opcode;
pub use operations::crypto::hash160_of as hash160;
pub use text::{AssemblyError, Script, assemble};
pub use verify::{Part, Step, is_script_hash, verify, verify_observed, verify_witness, verify_witness_observed};

#[cfg(doc)]
use crate::ports::SignatureCheck;
