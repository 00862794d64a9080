//! A miner that is killed loses nothing that it has printed.
#![cfg(unix)]

mod common;

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    process::Stdio,
    thread,
    time::Duration,
};

use common::Home;

const KILLS: u64 = 10;
const SIGKILL: i32 = 9;

/// The height in a line that says that a block was made.
fn height(line: &str) -> Option<u64> {
    line.strip_prefix("block ")?.split(' ').next()?.parse().ok()
}

#[test]
fn what_was_printed_as_made_is_there_after_every_kill() {
    let home = Home::easy();
    let mut stored = 0;
    for cycle in 0..KILLS {
        let mut miner = home
            .command(&["mine", "--blocks", "1000000"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(miner.stdout.take().unwrap()).lines();
        let first = height(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(first, stored + 1, "the chain goes on where it stood");
        let mut last = first;
        for line in lines.by_ref().take(cycle as usize) {
            last = height(&line.unwrap()).unwrap();
        }
        // At another point of a block's life each time.
        thread::sleep(Duration::from_micros(cycle * 700));
        miner.kill().unwrap();
        assert_eq!(miner.wait().unwrap().signal(), Some(SIGKILL), "it was running until it was killed");
        // What was printed before the kill and not yet read; the last line may be cut.
        let unread: Vec<String> = lines.map_while(Result::ok).collect();
        last = unread.iter().filter(|line| line.len() > 64).filter_map(|line| height(line)).fold(last, u64::max);
        let status = home.status();
        assert_eq!(status["source"], "store");
        stored = status["height"].as_u64().unwrap();
        assert!(stored >= last, "{last} was printed, and {stored} is there");
    }
    assert!(stored >= KILLS);
}
