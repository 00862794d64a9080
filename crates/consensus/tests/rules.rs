//! Every rule on blocks has its refusal, by name, and a refused block leaves the state as it was.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::*;
use health_chain_consensus::{Accepted, BlockError, Chain, HeaderError};
use health_chain_data::{
    Block, BlockId, Body, Hash, Header, Kind, Millis, Timestamp, Transaction,
    ports::ScalarHasher,
    sha256,
    state::{MemoryStore, state_hash},
};

fn refusal(chain: &mut Chain, block: &Block) -> BlockError {
    let before = (chain.tip(), chain.weight(), state_hash(chain.state()).unwrap());
    let error = offer(chain, block).unwrap_err();
    assert_eq!((chain.tip(), chain.weight(), state_hash(chain.state()).unwrap()), before);
    assert_eq!(chain.block(&block.id()).unwrap(), None, "a refused block is not kept");
    error
}

fn chain() -> (Chain, Header) {
    let mut chain = open(MemoryStore::default());
    let first = block_on(&chain.tip().header, 1, 0, vec![transaction(ADD, 1, 1)]);
    assert!(matches!(offer(&mut chain, &first), Ok(Accepted::Connected(_))));
    (chain, first.header)
}

fn with(transactions: Vec<Transaction>) -> Body {
    Body(transactions)
}

#[test]
fn rules_on_the_content() {
    let ordinary = || transaction(ADD, 1, 2);
    let coinbase = |fees: u64| Transaction::new(Kind::COINBASE, fees.to_le_bytes().to_vec());
    let other_version = Transaction { version: 9, ..ordinary() };
    let huge = Transaction::new(KIND, vec![0; 100_000]);
    let filled = |mark| Transaction::new(KIND, [&[ADD, 1, mark][..], &[0; 60_000]].concat());
    let cases = [
        ("genesis-kind", with(vec![Transaction::new(Kind::GENESIS, vec![])])),
        ("coinbase-not-first", with(vec![ordinary(), coinbase(1)])),
        ("second-coinbase", with(vec![coinbase(0), Transaction::new(Kind::COINBASE, vec![])])),
        ("duplicate-transaction", with(vec![ordinary(), ordinary()])),
        ("transaction-too-long", with(vec![huge])),
        ("malformed-transaction", with(vec![ordinary(), other_version])),
        ("toy-refused", with(vec![ordinary(), transaction(REFUSED, 0, 0)])),
        ("too-many-signature-checks", with(vec![transaction(COSTLY, 0, 0), transaction(COSTLY, 0, 1)])),
        ("fee-overflow", with(vec![ordinary(), transaction(RICH, 0, 0)])),
        ("toy-reward", with(vec![coinbase(7), ordinary()])),
        ("block-too-long", with((0..40).map(filled).collect())),
        ("too-many-transactions", with((0..50_001).map(|mark| transaction(ADD, 0, mark)).collect())),
    ];
    for (rule, body) in cases {
        let (mut chain, tip) = chain();
        let block = sealed(&tip, 1, body);
        let error = refusal(&mut chain, &block);
        assert_eq!(error.rule(), rule, "{error:?}");
        assert!(error.is_senders_fault());
        // Such a block is invalid for good; only one of too many transactions can't have come from anywhere.
        let again = refusal(&mut chain, &block);
        assert_eq!(again.rule(), if rule == "too-many-transactions" { rule } else { "invalid-block" });
        // The chain goes on as if nothing had been.
        assert!(matches!(offer(&mut chain, &block_on(&tip, 1, 3, vec![])), Ok(Accepted::Connected(_))));
        assert_replays(&chain);
    }
    let (mut chain, tip) = chain();
    assert!(matches!(
        offer(&mut chain, &sealed(&tip, 1, with(vec![coinbase(1), ordinary()]))),
        Ok(Accepted::Connected(_))
    ));
}

#[test]
fn a_false_signature_is_traced_to_its_transaction() {
    let (mut chain, tip) = chain();
    let good = |mark| transaction(SIGNED, 0, mark);
    let block = sealed(
        &tip,
        1,
        with(vec![good(0), transaction(ADD, 0, 0), good(1), transaction(FALSELY_SIGNED, 0, 0), good(2)]),
    );
    assert!(matches!(refusal(&mut chain, &block), BlockError::FalseSignature { index: 3 }));
    let first = sealed(&tip, 1, with(vec![transaction(FALSELY_SIGNED, 0, 0), good(0)]));
    assert!(matches!(refusal(&mut chain, &first), BlockError::FalseSignature { index: 0 }));
    assert!(matches!(offer(&mut chain, &sealed(&tip, 1, with(vec![good(0)]))), Ok(Accepted::Connected(_))));
}

#[test]
fn rules_on_headers() {
    type Case = (&'static str, bool, fn(&mut Header));
    let cases: [Case; 6] = [
        ("unknown-parent", false, |header| header.parent = BlockId(sha256(b"nowhere"))),
        ("block-version", true, |header| header.version = 2),
        ("seal-too-long", true, |header| header.seal = vec![0; 10_021]),
        ("time-not-after-median", true, |header| header.time = Timestamp(1_000)),
        ("toy-seal", true, |header| header.seal = vec![1, 2, 3]),
        ("weightless", true, |header| header.seal = vec![0; 4]),
    ];
    for (rule, is_fault, change) in cases {
        let (mut chain, tip) = chain();
        let mut block = block_on(&tip, 1, 1, vec![]);
        change(&mut block.header);
        let error = refusal(&mut chain, &block);
        assert_eq!((error.rule(), error.is_senders_fault()), (rule, is_fault));
        assert_eq!(chain.header(&block.id()), None, "a refused header is not kept");
        let error = chain.accept_headers(NOW, &[block.header]).unwrap_err();
        assert_eq!((error.rule(), error.is_senders_fault()), (rule, is_fault));
    }
}

#[test]
fn a_header_from_the_future_is_accepted_when_its_time_comes() {
    let (mut chain, tip) = chain();
    let mut block = block_on(&tip, 1, 1, vec![]);
    block.header.time = Timestamp(20_000);
    let early = Millis::from(Timestamp(20_000 - 7_201));
    let error = chain.accept_block(early, block.clone()).unwrap_err();
    assert!(matches!(error, BlockError::Header(HeaderError::TimeTooFarAhead { .. })));
    assert!(!error.is_senders_fault());
    let in_time = early.saturating_add(1_000);
    assert!(matches!(chain.accept_block(in_time, block), Ok(Accepted::Connected(_))));
}

#[test]
fn other_transactions_than_the_headers_do_not_condemn_the_header() {
    let (mut chain, tip) = chain();
    let block = block_on(&tip, 1, 1, vec![transaction(ADD, 3, 3)]);
    let swapped = Block { body: with(vec![transaction(ADD, 4, 4)]), ..block.clone() };
    assert_eq!(refusal(&mut chain, &swapped).rule(), "root-mismatch");
    assert!(matches!(offer(&mut chain, &block), Ok(Accepted::Connected(_))));
}

#[test]
fn an_invalid_block_is_remembered() {
    let disk = Disk::default();
    let mut chain = open(disk.clone());
    let bad = block_on(&chain.tip().header, 5, 1, vec![transaction(REFUSED, 0, 0)]);
    let above = block_on(&bad.header, 5, 1, vec![]);
    let first = refusal(&mut chain, &bad);
    assert!(first.rule() == "toy-refused" && first.is_senders_fault());
    assert_eq!(refusal(&mut chain, &bad).rule(), "invalid-block");
    let header = chain.accept_headers(Millis(u64::MAX), std::slice::from_ref(&above.header)).unwrap_err();
    assert!(header.rule() == "invalid-block" && !header.is_senders_fault(), "headers travel before their blocks");
    assert_eq!(refusal(&mut chain, &above).rule(), "invalid-block");
    drop(chain);
    let mut chain = open(disk);
    assert_eq!(refusal(&mut chain, &bad).rule(), "invalid-block");
    assert_eq!(refusal(&mut chain, &above).rule(), "invalid-block");
    assert_eq!(chain.best_header().0, chain.tip().id);
}

#[test]
fn a_failure_of_the_store_condemns_nothing() {
    let (mut chain, tip) = chain();
    let block = block_on(&tip, 1, 1, vec![transaction(UNREADABLE, 0, 0)]);
    for _ in 0..2 {
        let error = refusal(&mut chain, &block);
        assert!(matches!(error, BlockError::Store(_)) && !error.is_senders_fault());
    }
}

#[test]
fn an_empty_block_is_a_block() {
    let (mut chain, tip) = chain();
    let block = sealed(&tip, 1, Body::default());
    assert_eq!(block.header.root, Body::default().root(&ScalarHasher));
    assert_ne!(block.header.root, Hash::ZERO);
    assert!(matches!(offer(&mut chain, &block), Ok(Accepted::Connected(_))));
    assert_eq!(chain.state().get(ENTRIES, b"network").unwrap().unwrap(), b"toy");
}
