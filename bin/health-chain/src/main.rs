//! The health chain node and its command line.

fn main() {}
