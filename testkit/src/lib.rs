//! What implementations and networks are tested with. Not a dependency of any layer.
//!
//! [`conformance`]: one suite per seam, what every implementation of a port must do, whoever wrote it; each is a function that panics with
//! the rule that an implementation breaks. [`sim`]: the whole network in one process under one seed, with faults and checkers.

pub mod conformance;
pub mod sim;
