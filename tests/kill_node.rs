//! Killing a process (SIGKILL) in which two whole nodes are at work: over QUIC on loopback, each with its chain in sled, the first
//! with a gateway whose objects stand in a folder. Blocks are connected and branches reorganised, grants and revocations are
//! recorded, withdrawals pushed, a record read. What was acknowledged of all that is there when the folders are opened again, and
//! the state of both chains is what a replay from genesis gives.
//!
//! The test runs itself as the victim: a child that says on its standard output what it begins and what it has been told is
//! done. `HEALTH_CHAIN_KILLS` sets how often it is killed.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod common;
#[path = "kill_node/victim.rs"]
mod work;

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use health_chain::{
    application::{
        audit::{AuditEvent, AuditLog, Outcome},
        authorize::DenySet,
        objects::FolderObjects,
        ports::{ObjectName, ObjectStore},
        tables::AUDIT_EVENTS,
    },
    consensus::Chain,
    data::{
        BlockId, Hash, ObjectId, PublicKey, sha256,
        state::{self, state_hash},
    },
    data_sled::SledStore,
};
use work::document;

const KILLS: u64 = 30;
const KILLS_VARIABLE: &str = "HEALTH_CHAIN_KILLS";
const FOLDER: &str = "HEALTH_CHAIN_KILL_NODE_FOLDER";
const RUN: &str = "HEALTH_CHAIN_KILL_NODE_RUN";
/// The chains start anew after this many kills, so that replays stay short.
const KILLS_PER_CHAIN: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(30);

/// xorshift64*: the same seed gives the same choices.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

/// What the two nodes' folders are called.
const NODES: [&str; 2] = ["keeper", "reader"];

/// Not a test of its own: what the child process does until it is killed.
#[test]
fn victim() {
    let Ok(folder) = env::var(FOLDER) else { return };
    work::run(Path::new(&folder), env::var(RUN).unwrap().parse().unwrap());
}

struct Victim {
    child: Child,
    lines: mpsc::Receiver<String>,
    said: Vec<String>,
}

impl Victim {
    fn start(folder: &Path, run: u64) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["victim", "--exact", "--nocapture"])
            .env(FOLDER, folder)
            .env(RUN, run.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines, said: Vec::new() }
    }

    /// Waits for a line that begins with `words`.
    fn wait_for(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.said.last().is_some_and(|line| line.starts_with(words)) {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("the victim never said {words:?}"));
            self.said.push(line);
        }
    }

    /// SIGKILL. Returns everything that the victim had said by then, whole lines only.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.code().is_none(), "the victim died of the signal, not of itself: {status}");
        self.said.extend(self.lines.iter());
        self.said
    }
}

#[derive(Debug, Default)]
struct Counts {
    kills: u64,
    while_opening: u64,
    while_reorganising: u64,
    while_withdrawing: u64,
    while_reading: u64,
    /// Kills at which something had begun and was not done.
    under_way: u64,
    blocks: u64,
    reorganisations: u64,
    withdrawals: u64,
    permits: u64,
    denials: u64,
    receipts: u64,
    messages: u64,
    /// Kills after which more was there than had been acknowledged: between the writing and the word.
    unannounced: u64,
}

#[test]
fn nothing_that_two_nodes_acknowledged_is_lost_to_sigkill() {
    let kills = env::var(KILLS_VARIABLE).map_or(KILLS, |kills| kills.parse().unwrap());
    let seed = 0x5eed_0001;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let mut counts = Counts::default();
    let mut folder = tempfile::tempdir().unwrap();
    for kill in 0..kills {
        if kill % KILLS_PER_CHAIN == 0 {
            folder = tempfile::tempdir().unwrap();
        }
        let mut victim = Victim::start(folder.path(), kill);
        // A tenth while the stores are being opened; the others at work, a third of them in the middle of a reorganisation. Both are
        // over within a few milliseconds on a fast disk.
        let (words, times, micros) = match kill % 10 {
            9 => ("begin opening", 1, 1_000),
            1 | 4 | 7 => ("begin reorganisation", 1 + random.below(6), 1_000),
            2 | 5 => ("begin withdrawal", 1 + random.below(20), 2_000),
            3 | 8 => ("begin read", 1 + random.below(20), 3_000),
            _ => ("done opening", 1, 400_000),
        };
        for _ in 0..times {
            victim.said.push(String::new());
            victim.wait_for(words);
        }
        thread::sleep(Duration::from_micros(random.below(micros)));
        let said = victim.kill();
        counts.note(&said);
        check(folder.path(), &said, &mut counts);
    }
    println!("{counts:#?}");
    assert_eq!(counts.kills, kills);
    assert!(counts.under_way > kills / 2, "kills hit at work");
    assert!(counts.while_reorganising > kills / 10 && counts.while_opening >= kills / 15, "kills hit where it hurts");
    let done = [counts.blocks, counts.reorganisations, counts.withdrawals, counts.permits, counts.denials];
    assert!(done.iter().all(|count| *count > kills), "there was something to lose: {done:?}");
    assert!(counts.receipts > kills && counts.messages > kills / 2, "there was something to lose");
}

impl Counts {
    /// What was under way when the victim died.
    fn note(&mut self, said: &[String]) {
        self.kills += 1;
        let open = |what: &str| {
            let count = |stage: &str| {
                let words = format!("{stage} {what}");
                said.iter().filter(|line| line.starts_with(&words)).count()
            };
            count("begin") > count("done") + count("refused")
        };
        let denials = said.iter().filter(|line| line.starts_with("done denial")).count();
        let reads = |stage: &str| said.iter().filter(|line| line.starts_with(stage)).count();
        let reading = reads("begin read") > reads("done read") + reads("refused read") + denials;
        let (opening, reorganising, withdrawing) = (open("opening"), open("reorganisation"), open("withdrawal"));
        self.while_opening += u64::from(opening);
        self.while_reorganising += u64::from(reorganising);
        self.while_withdrawing += u64::from(withdrawing);
        self.while_reading += u64::from(reading);
        let other = open("block") || open("receipt") || open("keeping");
        self.under_way += u64::from(opening || reorganising || withdrawing || reading || other);
    }
}

/// Opens both nodes' folders as they were left, and looks for everything that was acknowledged.
fn check(folder: &Path, said: &[String], counts: &mut Counts) {
    let chains = NODES.map(|name| {
        let chain = common::open(Box::new(SledStore::open(&folder.join(name)).unwrap()), &document());
        assert_eq!(state_hash(chain.state()).unwrap(), chain.replay().unwrap(), "{name}: state = replay");
        chain
    });
    let objects = FolderObjects::open(&folder.join("objects")).unwrap();
    let keeper = &chains[0];
    let denials = DenySet::load(keeper.state()).unwrap();
    let audited = Audited::load(keeper);
    let object = common::store_operation(document().chain_id()).position.object;
    let mut highest = 0;
    for line in said {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["done", what @ ("block" | "reorganisation"), id, height] => {
                assert!(keeper.block(&block_id(id)).unwrap().is_some(), "acknowledged block {id} is gone");
                let height: u32 = height.parse().unwrap();
                highest = highest.max(height);
                assert!(keeper.tip().height.0 >= height, "tip {} behind {height}", keeper.tip().height);
                assert!(what == "block" || height > 0, "a branch that outgrows the chain becomes the chain");
                counts.blocks += 1;
                counts.reorganisations += u64::from(what == "reorganisation");
            }
            ["tip", id, height] => {
                assert!(chains[1].block(&block_id(id)).unwrap().is_some(), "the reader's tip {id} is gone");
                assert!(chains[1].tip().height.0 >= height.parse().unwrap(), "the reader's chain fell back");
            }
            ["done", "withdrawal", grantee, seq] => {
                let grantee = PublicKey::from_bytes(&Hash::from_hex(grantee).unwrap().0).unwrap();
                let withdrawn = denials.withdrawn(&object, &grantee).expect("an acknowledged withdrawal is gone");
                assert!(withdrawn.seq >= seq.parse().unwrap(), "a withdrawal fell back");
                counts.withdrawals += 1;
            }
            ["done", "read", request, _] => {
                assert!(audited.permits.contains(&Hash::from_hex(request).unwrap()), "a read is not in the log");
                counts.permits += 1;
            }
            // Of the others nothing is written down: too many at once, and requests that might have been answered before the restart.
            ["done", "denial", request, rule] if rule != "access-busy" && !rule.starts_with("access-request-") => {
                assert!(audited.denials.contains(&Hash::from_hex(request).unwrap()), "a denial is not in the log");
                counts.denials += 1;
            }
            ["done", "receipt", receipt] => {
                assert!(audited.receipts.contains(&Hash::from_hex(receipt).unwrap()), "a receipt is not in the log");
                counts.receipts += 1;
            }
            ["done", "keeping", message] => {
                let hash = Hash::from_hex(message).unwrap();
                let name = ObjectName { object: ObjectId(hash), version: u32::MAX - 1 };
                let length = objects.length(&name).unwrap().expect("a kept message is gone");
                assert_eq!(sha256(&objects.get(&name, 0..length).unwrap()), hash, "a kept message has changed");
                counts.messages += 1;
            }
            _ => {}
        }
    }
    counts.unannounced += u64::from(highest > 0 && keeper.tip().height.0 > highest);
}

fn block_id(hex: &str) -> BlockId {
    BlockId(Hash::from_hex(hex).unwrap())
}

/// What the gateway's log says, which is whole where it loads.
#[derive(Default)]
struct Audited {
    permits: BTreeSet<Hash>,
    denials: BTreeSet<Hash>,
    receipts: BTreeSet<Hash>,
}

impl Audited {
    fn load(chain: &Chain) -> Self {
        let log = AuditLog::load(chain.state()).unwrap();
        let mut audited = Self::default();
        for index in 0..log.size() {
            let event: AuditEvent = state::read(chain.state(), AUDIT_EVENTS, &index.to_be_bytes()).unwrap().unwrap();
            let (list, name) = match &event {
                AuditEvent::Access(access) if access.outcome == Outcome::Permit => {
                    (&mut audited.permits, access.request)
                }
                AuditEvent::Access(access) => (&mut audited.denials, access.request),
                AuditEvent::Receipt(receipt) => (&mut audited.receipts, receipt.hash()),
                _ => continue,
            };
            list.insert(name);
        }
        audited
    }
}
