//! A process that keeps objects in a folder is killed at random moments: no object may be half there, and none that was acknowledged missing.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use health_chain_application::{
    objects::FolderObjects,
    ports::{ObjectName, ObjectStore},
};
use health_chain_data::{ObjectId, sha256};

const FOLDER: &str = "HEALTH_CHAIN_KILL_OBJECTS";
const ROUNDS: u64 = 30;
const OBJECTS: u64 = 7;

/// The child: replaces objects one after the other and says the number of each once it is kept. Alone it does nothing.
#[test]
fn child_that_puts() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let store = FolderObjects::open(Path::new(&folder)).unwrap();
    let mut out = std::io::stdout();
    let first = (0..OBJECTS).filter_map(|object| number_of(&store, object)).max().map_or(0, |last| last + 1);
    for number in first.. {
        store.put(&name(number), &mut content(number).as_slice()).unwrap();
        writeln!(out, "kept {number}").unwrap();
    }
}

#[test]
fn no_object_is_lost_or_torn_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut half_written = 0;
    for round in 0..ROUNDS {
        let kept = run_and_kill(folder.path(), Duration::from_micros(300 + round * 7_919 % 20_000));
        half_written += fs::read_dir(folder.path().join("incoming")).unwrap().count();
        let store = FolderObjects::open(folder.path()).unwrap();
        let newest = (0..OBJECTS).filter_map(|object| number_of(&store, object)).max().unwrap();
        assert!((kept..=kept + 1).contains(&newest), "{kept} was acknowledged, {newest} is there");
        assert!((kept.saturating_sub(OBJECTS - 1)..=kept).all(|number| number_of(&store, number) >= Some(number)));
    }
    assert!(half_written > 0, "no kill met a put half way");
    println!("{half_written} of {ROUNDS} kills met a put half way");
}

/// Runs the child until `delay` after its first acknowledgement, kills it, and returns the last number that it acknowledged.
fn run_and_kill(folder: &Path, delay: Duration) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child_that_puts", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut numbers = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.split_once("kept ").map(|(_, number)| number.parse().unwrap()));
    let first = numbers.next().unwrap();
    thread::sleep(delay);
    assert!(child.try_wait().unwrap().is_none(), "the child must still be running");
    child.kill().unwrap();
    child.wait().unwrap();
    // Each line is one write to the pipe, so none is cut short.
    numbers.last().unwrap_or(first)
}

/// The number whose content the object has; it must have all of it.
fn number_of(store: &FolderObjects, object: u64) -> Option<u64> {
    let length = store.length(&name(object)).unwrap()?;
    let bytes = store.get(&name(object), 0..length).unwrap();
    let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert!(bytes == content(number), "object {object} is torn");
    Some(number)
}

fn name(number: u64) -> ObjectName {
    ObjectName { object: ObjectId(sha256(&(number % OBJECTS).to_le_bytes())), version: 1 }
}

/// Of a length that depends on the number, up to about 300 KB.
fn content(number: u64) -> Vec<u8> {
    let block = sha256(&number.to_le_bytes()).0.repeat(1 + number as usize * 997 % 9_000);
    [&number.to_le_bytes()[..], &block].concat()
}
