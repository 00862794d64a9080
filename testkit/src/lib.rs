//! One conformance suite per seam: what every implementation of a port must do, whoever wrote it. Each suite is a function
//! that panics with the rule that an implementation breaks. Not a dependency of any layer.

pub mod conformance;
