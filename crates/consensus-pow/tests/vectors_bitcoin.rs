//! Bitcoin's own headers and test vectors against the engine. The files are read from `shared/vectors` beside the checkout;
//! where that is missing, only the values in the code are checked, and the tests say so.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::{fs, path::PathBuf};

use health_chain_consensus::{
    Weight,
    ports::{Ancestry, Engine},
    tree::{HeaderTree, median_time_past},
};
use health_chain_consensus_pow::{
    CompactError, PowParameters, PowSealError, ProofOfWork, Retarget, Seal, Target,
    retarget::{self, PERIOD_BLOCKS},
};
use health_chain_data::{BlockId, Hash, Header, Height, Timestamp};
use serde_json::Value;

const BITCOIN: PowParameters = PowParameters {
    interval_seconds: 600,
    retarget: Retarget::Bitcoin2016 { bip54: false },
    limit_bits: PowParameters::BITCOIN_LIMIT_BITS,
};

/// The headers of Bitcoin's first three blocks.
const FIRST: [&str; 3] = [
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c",
    "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299",
    "010000004860eb18bf1b1620e37e9490fc8a427514416fd75159ab86688e9a8300000000d5fdcc541e25de1c7a5addedf24858b8bb665c9f36ef744ee42c316022c90f9bb0bc6649ffff001d08d2bd61",
];

fn file(name: &str) -> Option<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/bitcoin");
    let bytes = fs::read(root.join(name)).ok();
    if bytes.is_none() {
        eprintln!("SKIPPED: {name} is not beside this checkout");
    }
    bytes
}

fn cases(name: &str) -> Vec<Value> {
    file(name).map(|bytes| serde_json::from_slice(&bytes).unwrap()).unwrap_or_default()
}

fn headers(name: &str) -> Vec<Header> {
    file(name).unwrap_or_default().chunks(80).map(|bytes| Header::from_bytes(bytes).unwrap()).collect()
}

fn header(value: &Value) -> Header {
    Header::from_bytes(&hex::decode(value.as_str().unwrap()).unwrap()).unwrap()
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

fn weight(value: &Value) -> Weight {
    Weight::from_be_bytes(&hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap())
}

fn engine() -> ProofOfWork {
    ProofOfWork::follower(BITCOIN).unwrap()
}

/// Grows a tree header by header, every one checked: time, target, work.
fn grow(tree: &mut HeaderTree, headers: &[Header]) {
    let engine = engine();
    for header in headers {
        let branch = tree.branch(&header.parent).expect("headers stand in the order of the chain");
        assert!(header.time > median_time_past(&branch), "{}", header.id());
        engine.check_seal(header, &branch).unwrap_or_else(|error| panic!("{}: {:?}", header.id(), error.source));
        let seen = tree.header_count() as u64;
        assert!(tree.insert(header, engine.weight(header), seen).unwrap());
    }
}

fn rooted(header: &Header, height: u32, below: Weight) -> HeaderTree {
    HeaderTree::rooted(header, Height(height), below.saturating_add(engine().weight(header)))
}

#[test]
fn the_first_three_blocks() {
    let first = FIRST.map(|digits| header(&Value::from(digits)));
    let mut tree = rooted(&first[0], 0, Weight::ZERO);
    grow(&mut tree, &first[1..]);
    assert_eq!(tree.weight(&first[2].id()), Some(Weight::from(3 * 0x1_0001_0001)));

    let branch = tree.branch(&first[1].id()).unwrap();
    let refusal = |change: fn(&mut Header)| {
        let mut header = first[2].clone();
        change(&mut header);
        let error = engine().check_seal(&header, &branch).unwrap_err();
        assert_eq!(error.rule, error.source.downcast_ref::<PowSealError>().unwrap().rule());
        error.rule
    };
    assert_eq!(refusal(|header| header.time = Timestamp(header.time.0 + 1)), "pow-work");
    assert_eq!(refusal(|header| header.seal[7] ^= 1), "pow-work");
    assert_eq!(refusal(|header| header.seal[0] ^= 1), "pow-bits");
    assert_eq!(refusal(|header| header.seal.push(0)), "pow-seal-length");
    assert_eq!(refusal(|header| header.seal.truncate(7)), "pow-seal-length");
}

#[test]
fn ten_thousand_headers_of_the_main_chain() {
    let headers = headers("headers/mainnet_0_10236.bin");
    let Some(genesis) = headers.first() else { return };
    assert_eq!(headers.len(), 10_237);
    let mut tree = rooted(genesis, 0, Weight::ZERO);
    grow(&mut tree, &headers[1..]);
    let last = headers.last().unwrap().id();
    assert_eq!(tree.best_header(), last);
    assert_eq!(tree.height(&last), Some(Height(10_236)));

    // Every height can be looked up from the end, and the joint of any two branches is where they part.
    let branch = tree.branch(&last).unwrap();
    for (height, header) in headers.iter().enumerate() {
        assert_eq!(branch.header(Height(height as u32)).as_ref(), Some(header));
    }
    assert_eq!(branch.header(Height(10_237)), None);
}

#[test]
fn headers_from_the_middle_of_the_main_chain() {
    let headers = headers("headers/mainnet_822528_826560.bin");
    let Some(first) = headers.first() else { return };
    assert_eq!(headers.len(), 4_033);
    assert_eq!(822_528 % PERIOD_BLOCKS, 0, "the range begins with a period, so its retargets can be checked");
    let mut tree = rooted(first, 822_528, Weight::ZERO);
    grow(&mut tree, &headers[1..]);
    assert_eq!(tree.height(&tree.best_header()), Some(Height(826_560)));
    let branch = tree.branch(&tree.best_header()).unwrap();
    assert_eq!(branch.header(Height(822_528)).as_ref(), Some(first));
    assert_eq!(branch.header(Height(822_527)), None);
    let bits = |header: &Header| Seal::from_bytes(&header.seal).unwrap().bits;
    assert_ne!(bits(&headers[2015]), bits(&headers[2016]), "there are retargets in the range");
}

/// Two chains from one genesis block. The alternative one retargets at its end, by the factor of four at which the rule is
/// clamped; at equal heights the main chain was first, and what decides between them is the work.
#[test]
fn the_heavier_of_two_chains_wins() {
    let main = headers("headers/mainnet_0_10236.bin");
    let other = headers("headers/altmainnet_0_2016.bin");
    let (Some(genesis), Some(last)) = (main.first(), other.last()) else { return };
    assert_eq!(&other[0], genesis);
    assert_eq!(other.len(), 2_017);
    let mut tree = rooted(genesis, 0, Weight::ZERO);
    grow(&mut tree, &main[1..=2_016]);
    grow(&mut tree, &other[1..2_016]);
    assert_eq!(tree.best_header(), main[2_016].id(), "more blocks of equal work, and seen first");
    grow(&mut tree, &other[2_016..]);
    let target = |header: &Header| Target::from_compact(Seal::from_bytes(&header.seal).unwrap().bits).unwrap();
    assert_eq!(target(last).to_compact(), 0x1c3f_ffc0, "a quarter of 0x1d00ffff");
    assert_eq!(tree.best_header(), last.id(), "as many blocks, but the last one weighs four times as much");

    // 2,016 easy blocks and one of the quarter target, against 2,020 easy ones: fewer blocks, about equal work.
    grow(&mut tree, &main[2_017..=2_019]);
    assert_eq!(tree.best_header(), last.id(), "three more blocks do not outweigh it");
    grow(&mut tree, &main[2_020..=2_021]);
    assert_eq!(tree.best_header(), main[2_021].id());
}

#[test]
fn compact_targets() {
    for case in cases("pow/compact_targets.json") {
        let bits = number(&case["compact"]);
        match Target::from_compact(bits) {
            Ok(target) => {
                assert_eq!(target.to_string(), case["target_hex"].as_str().unwrap(), "{bits:#010x}");
                assert_eq!(target.to_compact(), number(&case["recompact"]), "{bits:#010x}");
                assert!(!case["negative"].as_bool().unwrap() && !case["overflow"].as_bool().unwrap());
            }
            Err(CompactError::Negative { .. }) => assert!(case["negative"].as_bool().unwrap(), "{bits:#010x}"),
            Err(CompactError::Overflow { .. }) => assert!(case["overflow"].as_bool().unwrap(), "{bits:#010x}"),
            Err(_) => assert_eq!(case["target_hex"].as_str().unwrap(), "0".repeat(64), "{bits:#010x}"),
        }
    }
}

#[test]
fn retargets_as_bitcoin_core_tests_them() {
    let limit = BITCOIN.limit().unwrap();
    for case in cases("pow/next_work_core.json") {
        let target = Target::from_compact(number(&case["last_bits"])).unwrap();
        let (first, last) = (Timestamp(number(&case["first_time"])), Timestamp(number(&case["last_time"])));
        let next = retarget::bitcoin(target, first, last, 600, limit).to_compact();
        assert_eq!(next, number(&case["expected_bits"]), "{}", case["name"]);
    }
}

/// A branch of which only the last header and the first of the last one's period are known.
struct Period {
    height: Height,
    first: Header,
    last: Header,
}

impl Ancestry for Period {
    fn height(&self) -> Height {
        self.height
    }

    fn header(&self, height: Height) -> Option<Header> {
        if height == self.height {
            Some(self.last.clone())
        } else {
            (height.0 == self.height.0 / PERIOD_BLOCKS * PERIOD_BLOCKS).then(|| self.first.clone())
        }
    }
}

#[test]
fn every_retarget_of_the_main_chain_up_to_height_399168() {
    let engine = engine();
    let cases = cases("pow/retarget_epochs.json");
    assert!(cases.is_empty() || cases.len() == 198);
    let mut before: Option<(Weight, u32)> = None;
    for case in &cases {
        let height = number(&case["height"]);
        let next = header(&case["next"]);
        let branch =
            Period { height: Height(height - 1), first: header(&case["first_prev"]), last: header(&case["last_prev"]) };
        assert_eq!(next.parent, branch.last.id());
        engine.check_seal(&next, &branch).unwrap_or_else(|error| panic!("height {height}: {:?}", error.source));

        let (below, with) = (weight(&case["chainwork_prev_be"]), weight(&case["chainwork_next_be"]));
        assert_eq!(below.checked_add(engine.weight(&next)), Some(with), "height {height}");
        // All 2,015 blocks between two retargets weigh the same.
        if let Some((at_first, first_height)) = before {
            let blocks = height - 1 - first_height;
            let sum = (0..blocks).fold(at_first, |sum, _| sum.saturating_add(engine.weight(&branch.first)));
            assert_eq!(sum, below, "height {height}");
        }
        before = Some((with, height));
    }
}

#[test]
fn the_time_rules_of_bip54() {
    let easy = |bip54| PowParameters {
        retarget: Retarget::Bitcoin2016 { bip54 },
        limit_bits: PowParameters::EASIEST_LIMIT_BITS,
        ..BITCOIN
    };
    let at = |time: u32| Header {
        version: 1,
        parent: BlockId::default(),
        root: Hash::ZERO,
        time: Timestamp(time),
        seal: Seal { bits: PowParameters::EASIEST_LIMIT_BITS, nonce: 0 }.to_bytes(),
    };
    // The rule that a header breaks: it is mined, and valid where the two rules do not hold.
    let verdict = |branch: &Period, time: u32| {
        let without = ProofOfWork::follower(easy(false)).unwrap();
        let bits = retarget::next_bits(branch, &easy(false), easy(false).limit().unwrap()).unwrap();
        let sealed = |nonce| Header { seal: Seal { bits, nonce }.to_bytes(), ..at(time) };
        let header = (0..).map(sealed).find(|header| without.check_seal(header, branch).is_ok()).unwrap();
        ProofOfWork::follower(easy(true)).unwrap().check_seal(&header, branch).map_err(|error| error.rule)
    };
    // A period's first header: at most two hours before the one below it.
    let start = Period { height: Height(2015), first: at(1_000_000), last: at(2_000_000) };
    assert_eq!(verdict(&start, 2_000_000 - 7200), Ok(()));
    assert_eq!(verdict(&start, 2_000_000 - 7201), Err("pow-period-start"));
    // A period's last header: not before the first.
    let end = Period { height: Height(2014), first: at(1_000_000), last: at(2_000_000) };
    assert_eq!(verdict(&end, 1_000_000), Ok(()));
    assert_eq!(verdict(&end, 999_999), Err("pow-period-end"));
    // All others are free.
    let middle = Period { height: Height(2013), first: at(1_000_000), last: at(2_000_000) };
    assert_eq!(verdict(&middle, 1), Ok(()));
}
