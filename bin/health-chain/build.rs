//! Tells the binary which compiler it is built by: `health-chain bench` says so with its figures.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let compiler = env::var_os("RUSTC").expect("cargo names the compiler to build scripts");
    // A compiler that does not answer is no reason not to build.
    if let Ok(output) = Command::new(compiler).arg("--version").output()
        && let Ok(version) = String::from_utf8(output.stdout)
    {
        println!("cargo::rustc-env=HEALTH_CHAIN_COMPILER={}", version.trim());
    }
}
