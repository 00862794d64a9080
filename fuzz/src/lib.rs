//! What the fuzz targets run: for each a function of any bytes, which panics where a rule does not hold. The targets in
//! `fuzz_targets` hand it what the fuzzer makes up; `tests/fuzz_corpus.rs` of the workspace compiles the same functions and hands
//! them what lies in `corpus`.

#[path = "../../crates/contract/tests/common/compare.rs"]
mod compare;
mod hash_lanes;
mod input;
mod program_dispatch;
mod script_differential;
mod script_parse;
mod script_run;
pub mod world;

pub use hash_lanes::hash_lanes;
pub use program_dispatch::program_dispatch;
pub use script_differential::script_differential;
pub use script_parse::script_parse;
pub use script_run::script_run;

/// What came of an input: the name of a rule, or of the way that it took. Tells whether a corpus reaches what it is there for.
pub type Outcome = &'static str;

/// One target: its name, which is also that of its binary and of its corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]) -> Outcome);

/// Every target.
pub const TARGETS: [Target; 5] = [
    ("hash_lanes", hash_lanes),
    ("program_dispatch", program_dispatch),
    ("script_differential", script_differential),
    ("script_parse", script_parse),
    ("script_run", script_run),
];
