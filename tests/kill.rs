//! Killing the process (SIGKILL) at random moments while blocks are connected and branches are reorganised: what was acknowledged
//! is there when the chain is opened again, and its state is what a replay from genesis gives.
//!
//! The test runs itself as the victim: a child that works on a chain in sled and says on its standard output what it is
//! about and what it has been told is done.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use health_chain::{
    consensus::{Accepted, Chain, ConsensusParameters, Parts, Solo, SoloParameters, verify::BLOCK_VERSION},
    contract::{Contracts, Scripts, scripts::Template},
    data::{
        Amount, Block, BlockId, Body, Genesis, Hash, Header, Height, Millis, Output, SecretKey, Timestamp, TokenId,
        ports::{ScalarHasher, SingleVerifier},
        state::state_hash,
    },
    data_sled::SledStore,
    incentive::{IncentiveParameters, Issuance, Ledger, Reward, Rewards, TokenRule, supply},
};

const KILLS: u64 = 100;
const FOLDER: &str = "HEALTH_CHAIN_KILL_FOLDER";
const SEED: &str = "HEALTH_CHAIN_KILL_SEED";
/// The chain starts anew after this many kills, so that replays stay short.
const KILLS_PER_CHAIN: u64 = 20;

const TOKEN: TokenId = TokenId(1);
const START: Timestamp = Timestamp(1_800_000_000);

/// xorshift64*: the same seed gives the same run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

fn authority() -> SecretKey {
    SecretKey::from_bytes(&[1; 32]).unwrap()
}

fn rule() -> TokenRule {
    let issuers = vec![authority().public_key()];
    TokenRule { token: TOKEN, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers }
}

fn open(folder: &Path) -> Chain {
    let solo = SoloParameters { authority: authority().public_key(), interval_seconds: 1 };
    let incentive =
        IncentiveParameters { fee_token: TOKEN, tokens: vec![rule()], coinbase_maturity: 1, reward: Reward::Immediate };
    let genesis =
        Genesis::new("kill", START, vec![]).with(&ConsensusParameters::default()).with(&solo).with(&incentive);
    let ledger = Ledger::new(incentive, Arc::new(Scripts)).unwrap();
    let reward = Arc::new(Rewards::new(&ledger));
    let parts = Parts {
        store: Box::new(SledStore::open(folder).unwrap()),
        engine: Box::new(Solo::follower(solo)),
        executor: Arc::new(Contracts::new(ledger, vec![]).unwrap()),
        reward,
        verifier: Arc::new(SingleVerifier),
        hasher: Arc::new(ScalarHasher),
    };
    Chain::open(parts, &genesis).unwrap()
}

/// A block on `parent` that mints, so that every block changes state and two branches change it differently.
fn block(chain: &Chain, parent: &Header, height: Height, serial: u64, random: &mut Random) -> Block {
    let lock = Template::Key(authority().public_key()).lock();
    let outputs = (0..1 + random.below(3))
        .map(|_| Output { token: TOKEN, amount: Amount(1 + random.below(1000)), lock: lock.clone() })
        .collect();
    let mut mint = Issuance::mint(TOKEN, serial, outputs).unwrap();
    let signature = authority().sign(&Issuance::message(&chain.chain_id(), &mint).unwrap(), &[0; 32]);
    Issuance::add_signature(&mut mint, &rule(), &authority().public_key(), signature).unwrap();
    let body = Body(vec![mint]);
    let mut header = Header {
        version: BLOCK_VERSION,
        parent: parent.id(),
        root: body.root(&ScalarHasher),
        time: Timestamp(START.0 + height.0),
        seal: vec![],
    };
    header.seal = authority().sign(&Solo::message(&header), &[0; 32]).as_bytes().to_vec();
    Block { header, body }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the parent reads");
}

/// Not a test of its own: what the child process does until it is killed.
#[test]
fn victim() {
    let Ok(folder) = env::var(FOLDER) else { return };
    let mut random = Random(env::var(SEED).unwrap().parse().unwrap());
    say("opening");
    let mut chain = open(Path::new(&folder));
    say("open");
    loop {
        let tip = chain.tip();
        // One round in four builds a branch that forks off below the tip and outgrows it.
        let depth = if random.below(4) == 0 { 1 + random.below(8) as u32 } else { 0 };
        let base = Height(tip.height.0.saturating_sub(depth));
        let base_id = chain.block_id_at(base).unwrap();
        let mut parent = chain.header(&base_id).unwrap();
        // Each block has minted once, so the next serial is the height.
        for height in base.0 + 1..=tip.height.0 + 1 {
            let block = block(&chain, &parent, Height(height), height.into(), &mut random);
            parent = block.header.clone();
            let id = block.id();
            let reorganises = depth > 0 && height == tip.height.0 + 1;
            if reorganises {
                say("reorganising");
            }
            let now = Millis::from(Timestamp(START.0 + height));
            let accepted = chain.accept_block(now, block).expect("the victim's blocks are valid");
            if let Accepted::Connected(change) = &accepted
                && reorganises
            {
                assert_eq!(change.disconnected.len() as u32, tip.height.0 - base.0);
            }
            let tip = chain.tip();
            say(&format!("ack {id} {} {}", tip.id, tip.height.0));
        }
    }
}

struct Victim {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Victim {
    fn start(folder: &Path, seed: u64) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["victim", "--exact", "--nocapture"])
            .env(FOLDER, folder)
            .env(SEED, seed.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// Waits for a line that begins with `word`, noting everything acknowledged on the way.
    fn wait_for(&self, word: &str, acknowledged: &mut Vec<String>) {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60)).expect("the victim is at work");
            if line.starts_with("ack ") {
                acknowledged.push(line.clone());
            }
            if line.contains(word) {
                return;
            }
        }
    }

    /// SIGKILL. Whatever the victim had said by then counts as acknowledged.
    fn kill(mut self, acknowledged: &mut Vec<String>) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.code().is_none(), "the victim died of the signal, not of itself: {status}");
        // Ends when the reader has seen the end of the pipe. The last line may have been cut.
        acknowledged.extend(self.lines.iter().filter(|line| line.starts_with("ack ")));
    }
}

#[derive(Default)]
struct Counts {
    kills: u64,
    while_opening: u64,
    while_reorganising: u64,
    acknowledged: u64,
}

#[test]
fn nothing_acknowledged_is_lost_to_sigkill() {
    let seed = 0x5eed_0000;
    let mut random = Random(seed);
    let mut counts = Counts::default();
    println!("seed {seed:#x}");
    for round in 0..KILLS / KILLS_PER_CHAIN {
        let folder = tempfile::tempdir().unwrap();
        for kill in 0..KILLS_PER_CHAIN {
            let mut acknowledged = Vec::new();
            let victim = Victim::start(folder.path(), seed + round * KILLS_PER_CHAIN + kill + 1);
            match kill % 10 {
                // A tenth while the chain is being opened.
                9 => {
                    victim.wait_for("opening", &mut acknowledged);
                    counts.while_opening += 1;
                    thread::sleep(Duration::from_micros(random.below(15_000)));
                }
                // A third and more in the middle of a reorganisation.
                1 | 3 | 5 | 7 => {
                    for _ in 0..=random.below(3) {
                        victim.wait_for("reorganising", &mut acknowledged);
                    }
                    counts.while_reorganising += 1;
                    thread::sleep(Duration::from_micros(random.below(3_000)));
                }
                _ => {
                    victim.wait_for("open", &mut acknowledged);
                    thread::sleep(Duration::from_micros(random.below(200_000)));
                }
            }
            victim.kill(&mut acknowledged);
            counts.kills += 1;
            check(folder.path(), &acknowledged, &mut counts);
        }
    }
    println!(
        "{} kills: {} while opening, {} while reorganising, {} blocks acknowledged and found",
        counts.kills, counts.while_opening, counts.while_reorganising, counts.acknowledged
    );
    assert_eq!(counts.kills, KILLS);
    assert!(counts.while_reorganising >= KILLS / 3 && counts.while_opening >= KILLS / 10);
    assert!(counts.acknowledged > KILLS, "the victims got some work done");
}

fn check(folder: &Path, acknowledged: &[String], counts: &mut Counts) {
    let chain = open(folder);
    for line in acknowledged {
        let mut words = line.split(' ').skip(1);
        let mut id = || words.next().and_then(Hash::from_hex).map(BlockId);
        // A line that was cut off is no acknowledgement.
        let (Some(block), Some(_tip)) = (id(), id()) else { continue };
        assert!(chain.block(&block).unwrap().is_some(), "acknowledged block {block} is gone");
        counts.acknowledged += 1;
    }
    // The chain has not fallen behind any tip it acknowledged: weight is height under one authority.
    let highest = acknowledged.iter().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).max().unwrap_or(0);
    assert!(chain.tip().height >= Height(highest), "tip {} behind {highest}", chain.tip().height);
    assert_eq!(state_hash(chain.state()).unwrap(), chain.replay().unwrap(), "state = replay");
    assert_eq!(supply(chain.state(), TOKEN).unwrap().unwrap().serial, chain.tip().height.0.into());
}
