//! A process that commits is killed at random moments: nothing it acknowledged may be missing, and no batch may be half there.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use health_chain_data::{
    ports::{ChainStore, StateView},
    sha256,
    state::{Changes, Table},
};
use health_chain_data_sled::SledStore;

const FOLDER: &str = "HEALTH_CHAIN_KILL_FOLDER";
const ROUNDS: u64 = 30;
const TABLE: Table = Table(70);
const LAST: &[u8] = b"last";

/// The child: commits batch after batch and says the number of each once it is acknowledged. Alone it does nothing.
#[test]
fn child_that_commits() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let mut store = SledStore::open(Path::new(&folder)).unwrap();
    let mut out = std::io::stdout();
    for number in last(&store) + 1.. {
        store.commit(&batch(number)).unwrap();
        writeln!(out, "acknowledged {number}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut killed_at_work = 0;
    let mut caught_between = 0;
    for round in 0..ROUNDS {
        let acknowledged = run_and_kill(folder.path(), Duration::from_micros(500 + round * 7_919 % 40_000));
        let store = SledStore::open(folder.path()).unwrap();
        let found = last(&store);
        let Some(acknowledged) = acknowledged else { continue };
        assert!(found >= acknowledged, "{acknowledged} was acknowledged, {found} is there");
        assert!(found <= acknowledged + 1, "the child says each number before it goes on");
        killed_at_work += 1;
        caught_between += u32::from(found > acknowledged);
        check(&store, found);
    }
    assert!(killed_at_work >= ROUNDS / 2, "only {killed_at_work} of {ROUNDS} kills met a child at work");
    println!("{killed_at_work} kills at work, {caught_between} of them between commit and acknowledgement");
}

/// Runs the child until `delay` after its first acknowledgement, kills it, and returns the last number that it acknowledged.
fn run_and_kill(folder: &Path, delay: Duration) -> Option<u64> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child_that_commits", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let number = |line: String| line.split_once("acknowledged ").map(|(_, number)| number.parse().unwrap());
    let first = lines.by_ref().find_map(number);
    thread::sleep(delay);
    assert!(child.try_wait().unwrap().is_none(), "the child must still be running");
    child.kill().unwrap();
    child.wait().unwrap();
    // What it wrote to the pipe before it died; each line is one write, so none is cut short.
    lines.filter_map(number).last().or(first)
}

fn last(store: &SledStore) -> u64 {
    store.get(TABLE, LAST).unwrap().map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
}

/// Batch `number`: a counter, an entry of its own, a value of several chunks and a short one that every batch overwrites,
/// and the removal of an entry that the batch before made.
fn batch(number: u64) -> Changes {
    let mut changes = Changes::default();
    changes.put(TABLE, LAST, number.to_le_bytes());
    changes.put(TABLE, [b"each", &number.to_be_bytes()[..]].concat(), small(number));
    changes.put(TABLE, *b"long", long(number));
    changes.put(TABLE, *b"short", small(number));
    changes.put(TABLE, [b"passing", &number.to_be_bytes()[..]].concat(), small(number));
    changes.delete(TABLE, [b"passing", &(number - 1).to_be_bytes()[..]].concat());
    changes
}

fn check(store: &SledStore, last: u64) {
    assert_eq!(store.get(TABLE, b"long").unwrap(), Some(long(last)));
    assert_eq!(store.get(TABLE, b"short").unwrap(), Some(small(last)));
    let mut expected = 1;
    store
        .scan(TABLE, b"each", &mut |key, value| {
            assert_eq!(key[4..], u64::to_be_bytes(expected));
            assert_eq!(value, small(expected));
            expected += 1;
            true
        })
        .unwrap();
    assert_eq!(expected, last + 1);
    let mut passing = Vec::new();
    store
        .scan(TABLE, b"passing", &mut |key, _| {
            passing.push(key.to_vec());
            true
        })
        .unwrap();
    assert_eq!(passing, [[b"passing", &last.to_be_bytes()[..]].concat()]);
}

fn small(number: u64) -> Vec<u8> {
    sha256(&number.to_le_bytes()).0.to_vec()
}

/// Between one and five chunks, so that values of different numbers of chunks overwrite each other.
fn long(number: u64) -> Vec<u8> {
    small(number).repeat(1_000 + number as usize % 4 * 1_000)
}
