//! The rules that outside input runs into, each with its own refusal, all through the public interface of a chain with ledger,
//! scripts, records and institutions. Whatever is refused leaves no trace in the state.
//!
//! In order: sums that overflow; the same thing twice; coinbases; counts and sizes; kinds, versions and bits without a meaning; times
//! out of range; what was signed for another chain.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;
#[path = "rules/world.rs"]
mod world;

use std::sync::Arc;

use common::{
    ACCREDITOR, GATEWAY, GRANTEE, HOSPITAL, OWNER, START, TOKEN, block_on, fund, gateway_id, key, mint, output, point,
    public, seal, sign_mint, sign_spend, store_operation,
};
use health_chain::{
    application::{
        authorize::Denial,
        flows::{Log, ShareError, ShareRequest, ShareRequestTerms, share},
        identities::{Approval, IdentityError, Register},
        limits::{MAX_ACCREDITORS, MAX_ATTESTATIONS, MAX_GRANT_AHEAD_SECONDS, MAX_OBJECT_BYTES},
        payload::Payload,
        ports::SeededEntropy,
        records::{Content, Issue, Permissions, Position, Purpose, RecordError, Revoke, Store},
        wallet::Wallet,
    },
    consensus::{
        BlockError, Chain, ConsensusParameters, HeaderError, OpenError, Parts, Solo,
        ports::{BlockContext, Effect, ExecuteError, Executor, NoReward},
    },
    contract::ContractError,
    data::{
        Amount, BlockId, ChainId, Genesis, Header, Height, Input, Kind, Lock, ObjectId, Output, Timestamp, Transaction,
        Witness,
        codec::{self, CodecError, Wire},
        keys::{ContactCard, Mnemonic},
        limits::{
            MAX_BLOCK_TRANSACTIONS, MAX_INPUTS, MAX_LOCK_BYTES, MAX_OUTPUTS, MAX_PAYLOAD_BYTES, MAX_SEAL_BYTES,
            MAX_WITNESS_ITEMS,
        },
        ports::{ScalarHasher, SignatureClaim, SingleVerifier},
        sha256,
        state::{MemoryStore, Overlay},
        transaction::TransactionError,
        wrap::KemSecretKey,
    },
    data_sled::SledStore,
    incentive::{Issuance, LedgerError, RewardError, issuance::IssuanceError, kinds::TRANSFER},
    network::{
        Address, EncodedTransaction, Item, Message,
        limits::{MAX_FRAME_BYTES, MAX_HEADERS, MAX_ITEMS, MAX_LOCATOR_IDS, MAX_SHARED_ADDRESSES},
    },
};
use world::{COIN, NOW, World};

fn out_of_range<T: Wire>(value: &T) {
    assert_eq!(codec::decode::<T>(&codec::encode(value)).map(drop), Err(CodecError::OutOfRange));
}

fn other_chain() -> ChainId {
    common::genesis("another", ConsensusParameters::default()).chain_id()
}

#[test]
fn the_world_itself_is_in_order() {
    let mut world = World::new();
    let grant = world.funded(&world.grant(|_, _| ()));
    let transfer = world.transfer(2, |_| ());
    let coinbase = world.coinbase(2, &[10]);
    world.accept(vec![coinbase, grant, transfer]);
}

// Sums that overflow.

#[test]
fn outputs_overflow() {
    let mut world = World::new();
    let transfer = world.transfer(1, |transfer| transfer.outputs = vec![output(u64::MAX), output(1)]);
    world.ledger_rule(vec![transfer], |error| matches!(error, LedgerError::AmountOverflow { token: TOKEN }));
}

#[test]
fn minted_outputs_overflow() {
    let refused = Issuance::mint(TOKEN, 2, vec![output(u64::MAX), output(1)]);
    assert_eq!(refused, Err(IssuanceError::AmountOverflow { token: TOKEN }));
}

#[test]
fn all_that_was_minted_overflows() {
    let mut world = World::new();
    let mint = mint(world.id, 2, &[u64::MAX]);
    world.ledger_rule(vec![mint], |error| matches!(error, LedgerError::MintOverflow { .. }));
}

#[test]
fn the_coinbase_overflows() {
    let mut world = World::new();
    let coinbase = world.coinbase(2, &[u64::MAX, 1]);
    world.reward_rule(vec![coinbase], |error| matches!(error, RewardError::Overflow));
}

/// Of a chain with the ledger, fees are coins and thus within the supply; so this takes an executor that is not bound to one.
#[test]
fn fees_overflow() {
    struct Rich;
    impl Executor for Rich {
        fn genesis(&self, _: &mut Overlay<'_>, _: &Genesis) -> Result<(), ExecuteError> {
            Ok(())
        }

        fn apply(
            &self,
            _: &mut Overlay<'_>,
            _: &Transaction,
            _: &BlockContext,
            _: &mut Vec<SignatureClaim>,
        ) -> Result<Effect, ExecuteError> {
            Ok(Effect { fee: Amount::MAX, signature_checks: 0 })
        }
    }
    let genesis = common::genesis("rich", ConsensusParameters::default());
    let parts = Parts {
        store: Box::<MemoryStore>::default(),
        engine: Box::new(Solo::follower(common::solo())),
        executor: Arc::new(Rich),
        reward: Arc::new(NoReward),
        verifier: Arc::new(SingleVerifier),
        hasher: Arc::new(ScalarHasher),
    };
    let mut chain = Chain::open(parts, &genesis).unwrap();
    let transactions = vec![Transaction::new(Kind(9), vec![1]), Transaction::new(Kind(9), vec![2])];
    let block = block_on(&chain.tip().header, Timestamp(START.0 + 1), transactions);
    assert!(matches!(chain.accept_block(NOW, block), Err(BlockError::FeeOverflow { index: 1 })));
}

// The same thing twice.

#[test]
fn an_input_occurs_twice() {
    let mut world = World::new();
    let twice = world.transfer(1, |transfer| {
        transfer.inputs.push(transfer.inputs[0]);
        transfer.witnesses.push(Witness::default());
    });
    let previous = point(&world.coins, 1);
    match world.refusal(vec![twice]) {
        BlockError::Transaction { source, .. } => assert_eq!(source, TransactionError::DuplicateInput { previous }),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_coin_is_spent_by_two_transactions() {
    let mut world = World::new();
    let (one, other) = (world.transfer(1, |_| ()), world.transfer(1, |transfer| transfer.outputs = vec![output(7)]));
    world.ledger_rule(vec![one, other], |error| matches!(error, LedgerError::MissingCoin { .. }));
}

#[test]
fn a_transaction_occurs_twice() {
    let mut world = World::new();
    let transfer = world.transfer(1, |_| ());
    let refused = world.refusal(vec![transfer.clone(), transfer]);
    assert!(matches!(refused, BlockError::DuplicateTransaction { index: 1, .. }), "{refused:?}");
}

#[test]
fn a_mint_is_replayed() {
    let mut world = World::new();
    let again = world.coins.clone();
    world.ledger_rule(vec![again], |error| matches!(error, LedgerError::Serial { last: 1, found: 1, .. }));
}

#[test]
fn an_operation_is_replayed() {
    let mut world = World::new();
    let grant = world.grant(|_, _| ());
    let first = world.funded(&grant);
    world.accept(vec![first]);
    let again = fund(grant.transaction(), world.id, &world.coins, 2, 10);
    assert_eq!(world.rule::<RecordError>(vec![again]), RecordError::Replayed { expected: 2, found: 1 });
}

// Coinbases.

#[test]
fn a_second_coinbase() {
    let mut world = World::new();
    let (one, other) = (world.coinbase(2, &[1]), world.coinbase(2, &[2]));
    assert!(matches!(world.refusal(vec![one, other]), BlockError::SecondCoinbase { index: 1 }));
}

#[test]
fn a_coinbase_behind_something_else() {
    let mut world = World::new();
    let (transfer, coinbase) = (world.transfer(1, |_| ()), world.coinbase(2, &[1]));
    assert!(matches!(world.refusal(vec![transfer, coinbase]), BlockError::CoinbaseNotFirst { index: 1 }));
}

#[test]
fn a_coinbase_replayed_from_another_height() {
    let mut world = World::new();
    let (grant, coinbase) = (world.funded(&world.grant(|_, _| ())), world.coinbase(2, &[10]));
    world.accept(vec![coinbase.clone(), grant]);
    let paying = world.transfer(3, |transfer| transfer.outputs = vec![output(COIN - 10)]);
    world.reward_rule(vec![coinbase, paying], |error| {
        matches!(error, RewardError::Height { height: Height(3), found: Height(2) })
    });
}

#[test]
fn a_coinbase_that_takes_more_than_the_fees() {
    let mut world = World::new();
    let coinbase = world.coinbase(2, &[1]);
    world.reward_rule(vec![coinbase], |error| matches!(error, RewardError::TooHigh { .. }));
}

// Counts and sizes.

/// A transaction is refused where it is decoded, and in a block that never was.
fn oversize(world: &mut World, transfer: Transaction, expected: TransactionError) {
    out_of_range(&transfer);
    malformed(world, transfer, expected);
}

/// A transaction breaks a rule by itself.
fn malformed(world: &mut World, transfer: Transaction, expected: TransactionError) {
    match world.refusal(vec![transfer]) {
        BlockError::Transaction { index: 0, source } => assert_eq!(source, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn too_many_inputs() {
    let mut world = World::new();
    let transfer = world.transfer(1, |transfer| transfer.inputs = vec![transfer.inputs[0]; MAX_INPUTS + 1]);
    oversize(&mut world, transfer, TransactionError::TooManyInputs { count: MAX_INPUTS + 1 });
}

#[test]
fn too_many_outputs() {
    let mut world = World::new();
    let transfer = world.transfer(1, |transfer| transfer.outputs = vec![output(1); MAX_OUTPUTS + 1]);
    oversize(&mut world, transfer, TransactionError::TooManyOutputs { count: MAX_OUTPUTS + 1 });
}

#[test]
fn too_many_witness_items() {
    let mut world = World::new();
    let mut transfer = world.transfer(1, |_| ());
    transfer.witnesses[0] = Witness::new(vec![vec![]; MAX_WITNESS_ITEMS + 1]);
    let expected = TransactionError::TooManyWitnessItems { index: 0, count: MAX_WITNESS_ITEMS + 1 };
    oversize(&mut world, transfer, expected);
}

#[test]
fn more_witnesses_than_inputs() {
    let mut world = World::new();
    let mut transfer = world.transfer(1, |_| ());
    transfer.witnesses.push(Witness::default());
    malformed(&mut world, transfer, TransactionError::WitnessCount { inputs: 1, witnesses: 2 });
}

#[test]
fn a_payload_too_long() {
    let mut world = World::new();
    let transfer = world.transfer(1, |transfer| transfer.payload = vec![0; MAX_PAYLOAD_BYTES + 1]);
    malformed(&mut world, transfer, TransactionError::PayloadTooLong { bytes: MAX_PAYLOAD_BYTES + 1 });
}

#[test]
fn a_lock_too_long() {
    let mut world = World::new();
    let bytes = MAX_LOCK_BYTES + 1;
    let transfer = world.transfer(1, |transfer| transfer.outputs[0].lock = Lock(vec![0; bytes]));
    malformed(&mut world, transfer, TransactionError::LockTooLong { index: 0, bytes });
}

#[test]
fn a_transaction_too_long() {
    let mut world = World::new();
    let locks = vec![Output { lock: Lock(vec![0; MAX_LOCK_BYTES]), ..output(1) }; 11];
    let transfer = world.transfer(1, |transfer| transfer.outputs = locks);
    assert!(matches!(codec::decode::<Transaction>(&codec::encode(&transfer)), Err(CodecError::TooLong { .. })));
    assert!(matches!(world.refusal(vec![transfer]), BlockError::TransactionTooLong { index: 0, .. }));
}

#[test]
fn too_many_transactions() {
    let mut world = World::new();
    let count = MAX_BLOCK_TRANSACTIONS + 1;
    let block = world.block(vec![Transaction::new(TRANSFER, vec![]); count]);
    out_of_range(&block);
    assert!(matches!(world.refuse(block), BlockError::TooManyTransactions { count: found } if found == count));
}

#[test]
fn a_block_over_its_cap_of_bytes() {
    let mut world = World::with(ConsensusParameters { max_block_bytes: 2_000, ..ConsensusParameters::default() });
    let transfer = world.transfer(1, |transfer| transfer.outputs = vec![output(1); 60]);
    assert!(matches!(world.refusal(vec![transfer]), BlockError::TooLong { max_bytes: 2_000, .. }));
}

#[test]
fn a_block_over_its_cap_of_signature_checks() {
    let mut world = World::with(ConsensusParameters { max_signature_checks: 3, ..ConsensusParameters::default() });
    let transfers = (1..=4).map(|index| world.transfer(index, |_| ())).collect();
    let refused = world.refusal(transfers);
    assert!(matches!(refused, BlockError::TooManySignatureChecks { index: 3, count: 4, max: 3 }), "{refused:?}");
}

#[test]
fn a_seal_too_long() {
    let mut world = World::new();
    let mut block = world.block(vec![]);
    block.header.seal = vec![0; MAX_SEAL_BYTES + 1];
    let bytes = block.header.seal.len();
    let refused = world.refuse(block);
    assert!(matches!(refused, BlockError::Header(HeaderError::SealTooLong { bytes: found }) if found == bytes));
}

#[test]
fn messages_with_too_much_in_them() {
    let (id, header) = (BlockId::default(), World::new().chain.tip().header);
    out_of_range(&Message::GetHeaders { locator: vec![id; MAX_LOCATOR_IDS + 1] });
    out_of_range(&Message::Headers(vec![header; MAX_HEADERS + 1]));
    out_of_range(&Message::Announce(vec![Item::Block(id); MAX_ITEMS + 1]));
    out_of_range(&Message::Request(vec![Item::Block(id); MAX_ITEMS + 1]));
    out_of_range(&Message::Transactions(vec![EncodedTransaction(vec![]); MAX_ITEMS + 1]));
    out_of_range(&Message::Peers(vec![Address("a".into()); MAX_SHARED_ADDRESSES + 1]));
    let (found_bytes, max_bytes) = (MAX_FRAME_BYTES + 1, MAX_FRAME_BYTES);
    assert_eq!(Message::decode(&vec![0; found_bytes]), Err(CodecError::TooLong { found_bytes, max_bytes }));
}

#[test]
fn too_many_attestations_under_one_root() {
    let mut world = World::new();
    for count in [0, MAX_ATTESTATIONS + 1] {
        let issue = Issue::sign(world.id, sha256(b"root"), count, &key(HOSPITAL), &[0; 32]).unwrap();
        let issue = world.funded(&issue);
        assert_eq!(world.rule::<RecordError>(vec![issue]), RecordError::RootSize { count });
    }
}

#[test]
fn an_object_too_long() {
    let mut world = World::new();
    for length in [0, MAX_OBJECT_BYTES + 1] {
        let content = Content { length, ..store_operation(world.id).content };
        let store = Store::sign(world.id, gateway_id(), [8; 32], content, &key(OWNER), &[0; 32]).unwrap();
        let store = world.funded(&store);
        assert_eq!(world.rule::<RecordError>(vec![store]), RecordError::Length { length });
    }
}

#[test]
fn too_many_approvals() {
    let mut world = World::new();
    let mut register = Register::sign(world.id, "a clinic", &key(9), &[0; 32]).unwrap();
    let approval = Approval::sign(0, &register.message(), &key(ACCREDITOR), &[0; 32]).unwrap();
    register.approvals = vec![approval; MAX_ACCREDITORS + 1];
    let register = world.funded(&register);
    assert_eq!(world.rule::<IdentityError>(vec![register]), IdentityError::Payload(CodecError::OutOfRange));
}

// Kinds, versions and bits without a meaning.

#[test]
fn an_unknown_kind() {
    let mut world = World::new();
    let kind = Kind(60_000);
    let unknown = fund(Transaction::new(kind, vec![]), world.id, &world.coins, 1, 10);
    assert_eq!(world.rule::<ContractError>(vec![unknown]), ContractError::UnknownKind { kind });
}

#[test]
fn a_genesis_transaction() {
    let mut world = World::new();
    let refused = world.refusal(vec![Transaction::new(Kind::GENESIS, vec![])]);
    assert!(matches!(refused, BlockError::GenesisKind { index: 0 }));
}

#[test]
fn unknown_versions() {
    let mut world = World::new();
    let transfer = world.transfer(1, |transfer| transfer.version = 2);
    malformed(&mut world, transfer, TransactionError::Version { found: 2 });
    let mut block = world.block(vec![]);
    block.header = seal(Header { version: 2, ..block.header });
    assert!(matches!(world.refuse(block), BlockError::Header(HeaderError::Version { found: 2, .. })));
}

#[test]
fn unknown_permission_bits_in_a_grant() {
    let refused = World::new().grant_rule(|_, terms| terms.permissions = Permissions(1 | 1 << 31));
    assert_eq!(refused, RecordError::UnknownPermissions { bits: 1 << 31 });
}

#[test]
fn unknown_permission_bits_in_an_access_request() {
    let refused = World::new().denial(|request| request.access.permission = Permissions(1 | 1 << 31));
    assert!(matches!(refused, Denial::UnknownPermission { bits } if bits == 1 | 1 << 31), "{refused:?}");
}

// Times out of range.

#[test]
fn a_header_that_is_not_after_the_median() {
    let mut world = World::new();
    let block = block_on(&world.chain.tip().header, START, vec![]);
    assert!(matches!(world.refuse(block), BlockError::Header(HeaderError::TimeNotAfterMedian { .. })));
}

#[test]
fn a_header_too_far_ahead_of_the_clock() {
    let mut world = World::new();
    let ahead = ConsensusParameters::default().max_future_seconds;
    let time = Timestamp(NOW.timestamp().0 + ahead + 1);
    let refused = world.refuse(block_on(&world.chain.tip().header, time, vec![]));
    assert!(matches!(refused, BlockError::Header(HeaderError::TimeTooFarAhead { .. })));
    assert!(!refused.is_senders_fault(), "clocks differ");
}

#[test]
fn a_grant_without_duration() {
    let refused = World::new().grant_rule(|_, terms| terms.not_before = terms.not_after);
    assert!(matches!(refused, RecordError::EmptyValidity { .. }));
}

#[test]
fn a_grant_that_is_over() {
    let refused = World::new().grant_rule(|_, terms| {
        (terms.not_before, terms.not_after) = (Timestamp(1), START);
    });
    assert!(matches!(refused, RecordError::Expired { .. }));
}

#[test]
fn a_grant_that_never_ends() {
    let refused =
        World::new().grant_rule(|_, terms| terms.not_after = Timestamp(START.0 + MAX_GRANT_AHEAD_SECONDS + 100));
    assert!(matches!(refused, RecordError::TooFarAhead { .. }));
}

#[test]
fn a_lock_time_that_has_not_passed() {
    let mut world = World::new();
    for lock_time in [2, START.0 + 1_000] {
        let transfer = world.transfer(1, |transfer| {
            transfer.inputs[0].sequence = Input::FINAL - 1;
            transfer.lock_time = lock_time;
        });
        world.ledger_rule(
            vec![transfer],
            |error| matches!(error, LedgerError::LockTime { lock_time: found } if *found == lock_time),
        );
    }
}

#[test]
fn a_relative_lock_that_has_not_passed() {
    let mut world = World::new();
    let transfer = world.transfer(1, |transfer| transfer.inputs[0].sequence = 10);
    world.ledger_rule(vec![transfer], |error| matches!(error, LedgerError::RelativeHeight { from: Height(11), .. }));
    let transfer = world.transfer(1, |transfer| transfer.inputs[0].sequence = 1 << 22 | 1);
    world.ledger_rule(vec![transfer], |error| matches!(error, LedgerError::RelativeTime { .. }));
}

#[test]
fn access_requests_of_another_time() {
    let world = World::new();
    let old = world.denial(|request| request.time = START);
    assert!(matches!(old, Denial::RequestTooOld { .. }), "{old:?}");
    let ahead = world.denial(|request| request.time = request.time.saturating_add(1_000));
    assert!(matches!(ahead, Denial::RequestAhead { .. }), "{ahead:?}");
}

// What was signed for another chain.

#[test]
fn a_spend_for_another_chain() {
    let mut world = World::new();
    let mut transfer = world.transfer(1, |_| ());
    sign_spend(&mut transfer, other_chain(), &[output(COIN)]);
    assert!(matches!(world.refusal(vec![transfer]), BlockError::FalseSignature { index: 0 }));
}

#[test]
fn a_mint_for_another_chain() {
    let mut world = World::new();
    let mut mint = Issuance::mint(TOKEN, 2, vec![output(5)]).unwrap();
    sign_mint(&mut mint, other_chain());
    assert!(matches!(world.refusal(vec![mint]), BlockError::FalseSignature { index: 0 }));
}

#[test]
fn operations_on_records_for_another_chain() {
    let mut world = World::new();
    let found = other_chain();
    let expected = RecordError::WrongChain { found };
    assert_eq!(world.grant_rule(|position, _| position.chain = found), expected);
    let position = Position { chain: found, ..world.position() };
    let revoke = Revoke::sign(position, public(GRANTEE), &key(OWNER), &[0; 32]).unwrap().transaction();
    let store = world.funded(&store_operation(found));
    let issue = world.funded(&Issue::sign(found, sha256(b"root"), 1, &key(HOSPITAL), &[0; 32]).unwrap());
    for operation in [revoke, store, issue] {
        assert_eq!(world.rule::<RecordError>(vec![operation]), expected);
    }
}

#[test]
fn a_registration_for_another_chain() {
    let mut world = World::new();
    let found = other_chain();
    let mut register = Register::sign(found, "a clinic", &key(9), &[0; 32]).unwrap();
    register.approvals = vec![Approval::sign(0, &register.message(), &key(ACCREDITOR), &[0; 32]).unwrap()];
    let register = world.funded(&register);
    assert_eq!(world.rule::<IdentityError>(vec![register]), IdentityError::WrongChain { found });
}

#[test]
fn an_access_request_for_another_chain() {
    let refused = World::new().denial(|request| request.chain = other_chain());
    assert!(matches!(refused, Denial::WrongChain { found } if found == other_chain()), "{refused:?}");
}

#[test]
fn a_share_request_for_another_chain() {
    let world = World::new();
    let object: ObjectId = store_operation(world.id).position.object;
    let kem = KemSecretKey::from_seed(&[1; 32]).public_key();
    let terms = ShareRequestTerms {
        chain: other_chain(),
        object,
        card: ContactCard::sign(&key(GRANTEE), public(GATEWAY), kem, &[0; 32]),
        permissions: Permissions::READ,
        purpose: Purpose::TREATMENT,
        not_before: START,
        not_after: Timestamp(START.0 + 1_000),
    };
    let request = ShareRequest::sign(terms, &key(GRANTEE), &[0; 32]).unwrap();
    let mnemonic = Mnemonic::from_entropy(&[0; 16]).unwrap();
    let mut wallet = Wallet::open(Box::<MemoryStore>::default(), &mnemonic, "").unwrap();
    let mut log = Log::open(world.chain.state(), world.id, object).unwrap();
    let refused = share(&mut wallet, &mut log, &request, None, &mut SeededEntropy::new(1));
    assert!(matches!(refused, Err(ShareError::OtherObject { found }) if found == object));
}

#[test]
fn a_store_of_another_chain() {
    let folder = tempfile::tempdir().unwrap();
    let open = |network: &str| {
        let (executor, reward) = common::contracts();
        let parts = Parts {
            store: Box::new(SledStore::open(folder.path()).unwrap()),
            engine: Box::new(Solo::follower(common::solo())),
            executor,
            reward,
            verifier: Arc::new(SingleVerifier),
            hasher: Arc::new(ScalarHasher),
        };
        Chain::open(parts, &common::genesis(network, ConsensusParameters::default())).map(drop)
    };
    open("rules").unwrap();
    assert!(matches!(open("another"), Err(OpenError::OtherChain { .. })));
    open("rules").unwrap();
}
