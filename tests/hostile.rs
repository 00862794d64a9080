//! Hostile bytes: 100,000 mutations of each kind of input that reaches a node. Each either decodes to a value whose canonical
//! bytes are exactly the input, or is a typed error; none panics, and none makes the decoder hold more than twice the input
//! and 64 KiB.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use health_chain::data::{
    Amount, Block, BlockId, Body, Header, Input, Kind, Lock, OutPoint, Output, Timestamp, TokenId, Transaction, TxId,
    Witness,
    codec::{self, CodecError, Wire},
    sha256,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MUTATIONS: u64 = 100_000;
const SLACK_BYTES: usize = 64 * 1024;

/// A small deterministic generator (xorshift64*): the same seed gives the same mutations.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// One to four changes: a bit flipped, a byte set, a cut, an insertion, a run copied elsewhere, a huge length planted.
fn mutate(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => bytes.insert(at, random.next() as u8),
            4 => {
                let run = bytes[at..(at + random.below(64)).min(bytes.len())].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, run);
            }
            5 => drop(bytes.splice(at..at, [0xff, 0xff, 0xff, 0xff, 0x0f])),
            _ if !bytes.is_empty() => bytes[at] = [0x00, 0x01, 0x7f, 0x80, 0xff][random.below(5)],
            _ => bytes.push(random.next() as u8),
        }
    }
    bytes
}

/// Feeds mutations of `seeds` to the decoder of `T`; returns how many were accepted and how many refused.
fn attack<T: Wire>(name: &str, seeds: &[Vec<u8>]) -> (u64, u64) {
    for seed in seeds {
        assert!(codec::decode::<T>(seed).is_ok(), "{name}: the seed itself decodes");
    }
    let seed = 0x9e37_79b9_7f4a_7c15;
    let mut random = Random(seed);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..MUTATIONS {
        let bytes = mutate(&seeds[round as usize % seeds.len()], &mut random);
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let outcome: Result<T, CodecError> = codec::decode(&bytes);
        let held = MEMORY.peak_usage().saturating_sub(before);
        let allowed = 2 * bytes.len() + SLACK_BYTES;
        assert!(held <= allowed, "{name}, seed {seed:#x}, round {round}: {held} bytes held for {} bytes", bytes.len());
        match outcome {
            Ok(value) => {
                assert_eq!(codec::encode(&value), bytes, "{name}, seed {seed:#x}, round {round}: not canonical");
                accepted += 1;
            }
            Err(_) => refused += 1,
        }
    }
    (accepted, refused)
}

fn transaction() -> Transaction {
    let mut transaction = Transaction::new(Kind(2), vec![7; 120]);
    transaction.inputs = (0..3)
        .map(|index| Input {
            previous: OutPoint { transaction: TxId(sha256(b"spent")), index },
            sequence: Input::FINAL,
        })
        .collect();
    transaction.witnesses = vec![Witness::new([[5_u8; 64]]); 3];
    transaction.outputs = vec![Output { token: TokenId(1), amount: Amount(900), lock: Lock(vec![0x20; 34]) }; 2];
    transaction
}

fn block() -> Block {
    let header = Header {
        version: 1,
        parent: BlockId(sha256(b"parent")),
        root: sha256(b"root"),
        time: Timestamp(1_800_000_000),
        seal: vec![1; 8],
    };
    Block { header, body: Body(vec![transaction(); 20]) }
}

/// One test, because it measures the memory of the whole process.
#[test]
fn mutated_input_is_refused_in_bounded_memory() {
    let block = block();
    println!("{:<14} {:>9} {:>9}", "input", "accepted", "refused");
    let row = |name: &str, (accepted, refused): (u64, u64)| {
        println!("{name:<14} {accepted:>9} {refused:>9}");
        assert!(refused > MUTATIONS / 10, "{name}: mutations that change nothing test nothing");
    };
    row("header", attack::<Header>("header", &[codec::encode(&block.header)]));
    row("transaction", attack::<Transaction>("transaction", &[codec::encode(&transaction())]));
    row("block", attack::<Block>("block", &[codec::encode(&block)]));
}
