//! Every input of the fuzz targets' corpora through the same functions that the fuzzer runs, without a fuzzer: a bug that was found
//! stays found.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "the library of another workspace")]
mod fuzz;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use fuzz::{Outcome, TARGETS};

/// A corpus is for reading and for `git`: what the fuzzer piles up is minimised before it gets here.
const MAX_FILES: usize = 100;
const MAX_FILE_BYTES: u64 = 16 * 1024;

/// Replays one corpus, and returns what came of it.
fn replay(name: &str) -> BTreeSet<Outcome> {
    let (_, body) = TARGETS.into_iter().find(|(target, _)| *target == name).unwrap();
    let files = children(&folder("corpus").join(name));
    assert!(!files.is_empty(), "the corpus of {name} is empty");
    assert!(files.len() <= MAX_FILES, "the corpus of {name} has {} files", files.len());
    let mut outcomes = BTreeSet::new();
    for file in &files {
        assert!(fs::metadata(file).unwrap().len() <= MAX_FILE_BYTES, "{} is large", file.display());
        // Shown where it panics.
        println!("{}", file.display());
        outcomes.insert(body(&fs::read(file).unwrap()));
    }
    outcomes
}

/// The corpus of a target, which has to come to at least these ends.
macro_rules! corpora {
    ($($name:ident: $($outcome:literal),+;)+) => {
        $(#[test]
        fn $name() {
            let outcomes = replay(stringify!($name));
            for expected in [$($outcome),+] {
                assert!(outcomes.contains(expected), "nothing comes to {expected:?}: {outcomes:?}");
            }
        })+

        #[test]
        fn every_target_has_a_test_a_binary_and_a_corpus() {
            let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
            let tests: BTreeSet<String> = [$(stringify!($name)),+].map(String::from).into();
            assert_eq!(tests, names);
            let stems = |path: &str| -> BTreeSet<String> {
                let files = children(&folder(path));
                files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
            };
            assert_eq!(stems("corpus"), names);
            assert_eq!(stems("fuzz_targets"), names);
            let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
            let binaries: BTreeSet<String> = (manifest.split("[[bin]]\nname = \"").skip(1))
                .filter_map(|section| section.split('"').next())
                .map(String::from)
                .collect();
            assert_eq!(binaries, names);
        }
    };
}

corpora! {
    hash_lanes: "equal", "mixed", "roots", "double", "content", "found", "not found";
    program_dispatch: "applied", "no transaction", "contract-kind", "nothing";
    script_differential: "OK", "OP_COUNT", "STACK_SIZE", "NULLFAIL", "SCRIPTNUM", "UNBALANCED_CONDITIONAL";
    script_parse: "template", "text", "lock", "script-truncated-push";
    script_run: "unlocked", "script-false", "script-operations", "script-stack-size";
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(name)
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
    found.sort();
    found
}
