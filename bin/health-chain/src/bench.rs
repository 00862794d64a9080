//! Measuring the parts that the speed of a node hangs on: what is measured, how, and on what machine.

pub(crate) mod contests;
pub(crate) mod machine;
pub(crate) mod self_check;
pub(crate) mod turns;
