//! The program of records: every rule and its refusal, and what each operation changes.
#![allow(clippy::unwrap_used)]

mod common;

use common::{
    GRANTEE, HOSPITAL, LATER, NOW, OWNER, Refusal, STORED, STRANGER, World, chain, content, gateway, id, key, public,
    store_operation, terms,
};
use health_chain_application::{
    kinds,
    limits::{MAX_ATTESTATIONS, MAX_GRANT_AHEAD_SECONDS, MAX_OBJECT_BYTES},
    payload::Payload,
    records::{
        Content, Delete, GatewayId, Grant, GrantTerms, Issue, NewVersion, OwnerSigned, Permissions, Position,
        RecordError, Records, Revoke, RevokeAll, RotateOwner, Store, grant, grants, issue, object_id, payment_hash,
    },
};
use health_chain_contract::ports::Program;
use health_chain_data::{
    Amount, ChainId, Commitment, Kind, Lock, Output, Signature, Timestamp, TokenId, Transaction,
    codec::{CodecError, decode, encode},
    sha256,
    state::state_hash,
};

/// Applies and expects a refusal that leaves no trace.
fn refused(world: &World, payload: &impl Payload) -> Refusal {
    let mut after = world.clone();
    let refusal = after.apply(payload).unwrap_err();
    assert!(after.store == world.store, "a refused transaction left a trace");
    refusal
}

fn rule(world: &World, payload: &impl Payload) -> RecordError {
    match refused(world, payload) {
        Refusal::Record(error) => error,
        other => panic!("refused otherwise: {other:?}"),
    }
}

fn at(change: impl FnOnce(&mut Position), world: &World) -> Grant {
    let mut position = world.position();
    change(&mut position);
    Grant::sign(position, terms(), &key(OWNER), &[0; 32]).unwrap()
}

fn issued(count: u32, signer: u8) -> Issue {
    Issue::sign(chain(), sha256(b"root"), count, &key(signer), &[0; 32]).unwrap()
}

fn new_version(world: &World, content: Content, supersedes: Commitment) -> NewVersion {
    NewVersion::sign(world.position(), content, supersedes, gateway(), &key(OWNER), &[0; 32]).unwrap()
}

fn revoke_all(world: &World) -> RevokeAll {
    RevokeAll::sign(world.position(), &key(OWNER), &[0; 32]).unwrap()
}

fn delete(world: &World) -> Delete {
    Delete::sign(world.position(), &key(OWNER), &[0; 32]).unwrap()
}

fn rotate(world: &World, from: u8, to: u8) -> RotateOwner {
    RotateOwner::sign(world.position(), &key(from), &key(to), &[0; 32]).unwrap()
}

#[test]
fn issuing_records_who_when_and_how_many() {
    let mut world = World::empty();
    for count in [0, MAX_ATTESTATIONS + 1, u32::MAX] {
        assert_eq!(rule(&world, &issued(count, HOSPITAL)), RecordError::RootSize { count });
    }
    let unknown = RecordError::UnknownIssuer { issuer: public(STRANGER) };
    assert_eq!(rule(&world, &issued(1, STRANGER)), unknown);
    let passed_off = Issue { issuer: public(HOSPITAL), ..issued(1, STRANGER) };
    assert_eq!(refused(&world, &passed_off), Refusal::Signature);
    let elsewhere = ChainId(sha256(b"elsewhere"));
    let foreign = Issue { chain: elsewhere, ..issued(1, HOSPITAL) };
    assert_eq!(rule(&world, &foreign), RecordError::WrongChain { found: elsewhere });
    let recounted = Issue { count: 2, ..issued(1, HOSPITAL) };
    assert_eq!(refused(&world, &recounted), Refusal::Signature);

    world.apply(&issued(MAX_ATTESTATIONS, HOSPITAL)).unwrap();
    let root = sha256(b"root");
    let found = issue(&world.store, &root).unwrap().unwrap();
    assert_eq!((found.issuer, found.count, found.height), (public(HOSPITAL), MAX_ATTESTATIONS, LATER));
    assert_eq!(rule(&world, &issued(1, HOSPITAL)), RecordError::RootExists { root });
}

#[test]
fn only_the_owner_of_an_id_stores_under_it() {
    let mut world = World::empty();
    let ours = store_operation();

    // A stranger who names the victim's object: as the owner without the key, and as an owner of another id.
    let without_key = Store { signature: Signature([1; 64]), ..ours };
    assert_eq!(refused(&world, &without_key), Refusal::Signature);
    let theirs = Store::sign(chain(), gateway(), ours.nonce, content(0), &key(STRANGER), &[0; 32]).unwrap();
    let taken = Store { position: ours.position, ..theirs };
    let expected = object_id(&chain(), &public(STRANGER), &ours.nonce);
    assert_eq!(rule(&world, &taken), RecordError::ForeignObject { expected, found: id() });

    for length in [0, MAX_OBJECT_BYTES + 1] {
        let content = Content { length, ..content(0) };
        let store = Store::sign(chain(), gateway(), [7; 32], content, &key(OWNER), &[0; 32]).unwrap();
        assert_eq!(rule(&world, &store), RecordError::Length { length });
    }
    let swapped = Store { content: content(1), ..ours };
    assert_eq!(refused(&world, &swapped), Refusal::Signature);
    let elsewhere = ChainId(sha256(b"elsewhere"));
    let foreign = Store::sign(elsewhere, gateway(), [7; 32], content(0), &key(OWNER), &[0; 32]).unwrap();
    assert_eq!(rule(&world, &foreign), RecordError::WrongChain { found: elsewhere });
    let mut numbered = ours;
    numbered.position.seq = 1;
    assert_eq!(rule(&world, &numbered), RecordError::Skipped { expected: 0, found: 1 });

    world.apply_at(&ours, STORED).unwrap();
    let object = world.object();
    assert_eq!((object.owner, object.seq, object.version), (public(OWNER), 0, 0));
    assert_eq!((object.content, object.gateway, object.stored_at), (content(0), gateway(), STORED));
    assert_eq!(rule(&world, &ours), RecordError::ObjectExists { object: id() });
}

#[test]
fn every_counter_of_the_position_is_checked() {
    let world = World::stored();
    let elsewhere = ChainId(sha256(b"elsewhere"));
    let unknown = health_chain_data::ObjectId(sha256(b"unknown"));
    let other = GatewayId::of(&public(STRANGER));
    let check = |change: &dyn Fn(&mut Position), expected: RecordError| {
        let operation = at(change, &world);
        assert_eq!(rule(&world, &operation), expected);
    };
    check(&|position| position.chain = elsewhere, RecordError::WrongChain { found: elsewhere });
    check(&|position| position.object = unknown, RecordError::UnknownObject { object: unknown });
    check(&|position| position.gateway = other, RecordError::WrongGateway { expected: gateway(), found: other });
    check(&|position| position.owner_epoch = 1, RecordError::WrongOwnerEpoch { expected: 0, found: 1 });
    check(&|position| position.version = 1, RecordError::WrongVersion { expected: 0, found: 1 });
    check(&|position| position.epoch = 1, RecordError::WrongEpoch { expected: 0, found: 1 });
    check(&|position| position.seq = 0, RecordError::Replayed { expected: 1, found: 0 });
    check(&|position| position.seq = 2, RecordError::Skipped { expected: 1, found: 2 });
    check(&|position| position.seq = u64::MAX, RecordError::Skipped { expected: 1, found: u64::MAX });
}

#[test]
fn a_used_up_counter_is_refused() {
    let mut world = World::stored();
    let mut object = world.object();
    object.seq = u64::MAX;
    assert_eq!(Position::next(chain(), id(), &object), None);
    let operation = world.grant();
    let mut changes = health_chain_data::state::Changes::default();
    changes.put(health_chain_application::tables::OBJECTS, *id().as_bytes(), encode(&object));
    health_chain_data::ports::ChainStore::commit(&mut world.store, &changes).unwrap();
    assert_eq!(rule(&world, &operation), RecordError::CounterExhausted);
}

#[test]
fn a_grant_is_recorded_as_it_was_signed() {
    let mut world = World::stored();
    let operation = world.grant();
    world.apply(&operation).unwrap();
    let entry = grant(&world.store, &id(), &public(GRANTEE)).unwrap().unwrap();
    assert_eq!((entry.grant, entry.height), (operation, LATER));
    entry.grant.verify(&world.object().owner).unwrap();
    assert_eq!((world.object().seq, world.object().live_grants), (1, 1));
    // A second one to the same key replaces it.
    let wider = GrantTerms { permissions: Permissions::READ | Permissions::HISTORY, ..terms() };
    world.apply(&world.grant_of(wider)).unwrap();
    assert_eq!((world.object().seq, world.object().live_grants), (2, 1));
    let found = grants(&world.store, &id()).unwrap();
    assert_eq!(found.iter().map(|entry| entry.grant.terms).collect::<Vec<_>>(), [wider]);
}

#[test]
fn only_the_owner_grants() {
    let mut world = World::stored();
    let forged = Grant::sign(world.position(), terms(), &key(STRANGER), &[0; 32]).unwrap();
    assert_eq!(refused(&world, &forged), Refusal::Signature);
    assert_eq!(forged.verify(&public(OWNER)), Err(RecordError::NotTheOwner { owner: public(OWNER) }));
    let by_grantee = Revoke::sign(world.position(), public(GRANTEE), &key(GRANTEE), &[0; 32]).unwrap();
    world.apply(&world.grant()).unwrap();
    let by_grantee = Revoke { position: world.position(), ..by_grantee };
    assert_eq!(refused(&world, &by_grantee), Refusal::Signature);
}

#[test]
fn terms_are_checked() {
    let mut world = World::stored();
    let check = |terms: GrantTerms, expected: RecordError| {
        let operation = world.grant_of(terms);
        assert_eq!(rule(&world, &operation), expected);
    };
    let (begin, end) = (terms().not_before, terms().not_after);
    for bits in [4, 1 << 31, 4 | 8] {
        let permissions = Permissions(bits | Permissions::READ.0);
        check(GrantTerms { permissions, ..terms() }, RecordError::UnknownPermissions { bits });
    }
    for not_before in [end, Timestamp(end.0 + 1)] {
        let expected = RecordError::EmptyValidity { not_before, not_after: end };
        check(GrantTerms { not_before, ..terms() }, expected);
    }
    let expected = RecordError::Expired { not_after: NOW, median_time_past: NOW };
    check(GrantTerms { not_after: NOW, ..terms() }, expected);
    let latest = Timestamp(NOW.0 + MAX_GRANT_AHEAD_SECONDS);
    for not_after in [Timestamp(latest.0 + 1), Timestamp::MAX] {
        check(GrantTerms { not_after, ..terms() }, RecordError::TooFarAhead { not_after, latest });
    }
    let widest = GrantTerms { not_before: begin, not_after: latest, ..terms() };
    world.apply(&world.grant_of(widest)).unwrap();
}

#[test]
fn a_priced_grant_is_paid_or_void() {
    let mut world = World::stored();
    let price = Output { token: TokenId(1), amount: Amount(500), lock: Lock(vec![1, 2, 3]) };
    let payment = payment_hash(&price);
    let operation = world.grant_of(GrantTerms { payment: Some(payment), ..terms() });
    assert_eq!(rule(&world, &operation), RecordError::NotPaid { payment });
    let mut transaction = operation.transaction();
    transaction.outputs = vec![Output { amount: Amount(499), ..price.clone() }];
    let short = world.apply_transaction(&transaction, LATER);
    assert_eq!(short, Err(RecordError::NotPaid { payment }.into()));
    // The grantee can't drop the price either: it is signed.
    let freed = Grant { terms: GrantTerms { payment: None, ..operation.terms }, ..operation };
    assert_eq!(refused(&world, &freed), Refusal::Signature);
    transaction.outputs.push(price);
    world.apply_transaction(&transaction, LATER).unwrap();
}

#[test]
fn withdrawing_needs_something_to_withdraw() {
    let mut world = World::stored();
    let emptied = GrantTerms { permissions: Permissions::NONE, ..terms() };
    assert_eq!(rule(&world, &world.revoke()), RecordError::NothingToRevoke);
    assert_eq!(rule(&world, &revoke_all(&world)), RecordError::NothingToRevoke);
    assert_eq!(rule(&world, &world.grant_of(emptied)), RecordError::NothingToRevoke);

    world.apply(&world.grant()).unwrap();
    world.apply(&world.revoke()).unwrap();
    assert_eq!(grant(&world.store, &id(), &public(GRANTEE)).unwrap(), None);
    assert_eq!(rule(&world, &world.revoke()), RecordError::NothingToRevoke);

    // The empty permission withdraws, too; its times mean nothing.
    world.apply(&world.grant()).unwrap();
    world.apply(&world.grant_of(GrantTerms { not_after: Timestamp(0), ..emptied })).unwrap();
    assert_eq!(grants(&world.store, &id()).unwrap(), []);
    assert_eq!(world.object().live_grants, 0);

    world.apply(&world.grant()).unwrap();
    let stale = world.grant();
    world.apply(&revoke_all(&world)).unwrap();
    assert_eq!((world.object().epoch, world.object().live_grants), (1, 0));
    assert_eq!(grants(&world.store, &id()).unwrap(), []);
    assert_eq!(rule(&world, &stale), RecordError::Replayed { expected: 7, found: 6 });
    assert_eq!(rule(&world, &world.revoke()), RecordError::NothingToRevoke);
    world.apply(&world.grant()).unwrap();
    assert_eq!(world.object().live_grants, 1);
}

#[test]
fn only_withdrawing_is_free() {
    let world = World::stored();
    let free = |transaction: Transaction| Records.is_free(&transaction);
    assert!(free(world.revoke().transaction()));
    assert!(free(revoke_all(&world).transaction()));
    assert!(free(world.grant_of(GrantTerms { permissions: Permissions::NONE, ..terms() }).transaction()));
    assert!(!free(world.grant().transaction()));
    assert!(!free(store_operation().transaction()));
    assert!(!free(issued(1, HOSPITAL).transaction()));
    assert!(!free(delete(&world).transaction()));
    assert!(!free(Transaction::new(kinds::GRANT, vec![1, 2, 3])));
}

#[test]
fn a_new_version_replaces_the_old_one_and_its_grants() {
    let mut world = World::stored();
    world.apply(&world.grant()).unwrap();
    let current = content(0).commitment;
    let other = content(9).commitment;
    let refused_for = RecordError::WrongSupersedes { expected: current, found: other };
    assert_eq!(rule(&world, &new_version(&world, content(1), other)), refused_for);
    let same = Content { commitment: content(1).commitment, ..content(0) };
    assert_eq!(rule(&world, &new_version(&world, same, current)), RecordError::SameContent);
    let empty = Content { length: 0, ..content(1) };
    assert_eq!(rule(&world, &new_version(&world, empty, current)), RecordError::Length { length: 0 });

    world.apply(&new_version(&world, content(1), current)).unwrap();
    let object = world.object();
    assert_eq!((object.version, object.content, object.stored_at), (1, content(1), LATER));
    assert_eq!(object.live_grants, 0);
    assert_eq!(grants(&world.store, &id()).unwrap(), [], "the old version's grants have ended with it");
    world.apply(&world.grant()).unwrap();
    assert_eq!(grants(&world.store, &id()).unwrap().len(), 1);
}

#[test]
fn an_object_changes_hands_with_both_signatures() {
    let mut world = World::stored();
    world.apply(&world.grant()).unwrap();
    let ours = rotate(&world, OWNER, STRANGER);
    assert_eq!(rule(&world, &rotate(&world, OWNER, OWNER)), RecordError::SameOwner);
    assert_eq!(refused(&world, &rotate(&world, STRANGER, GRANTEE)), Refusal::Signature);
    let not_accepted = RotateOwner { acceptance: ours.signature, ..ours };
    assert_eq!(refused(&world, &not_accepted), Refusal::Signature);

    world.apply(&ours).unwrap();
    let object = world.object();
    assert_eq!((object.owner, object.owner_epoch, object.live_grants), (public(STRANGER), 1, 0));
    assert_eq!(grants(&world.store, &id()).unwrap(), []);
    // The old owner's word counts no more.
    assert_eq!(refused(&world, &world.grant()), Refusal::Signature);
    let theirs = Grant::sign(world.position(), terms(), &key(STRANGER), &[0; 32]).unwrap();
    world.apply(&theirs).unwrap();
}

#[test]
fn a_deleted_object_stays_deleted() {
    let mut world = World::stored();
    world.apply(&world.grant()).unwrap();
    world.apply(&delete(&world)).unwrap();
    assert_eq!(world.object().deleted_at, Some(LATER));
    assert_eq!(grants(&world.store, &id()).unwrap(), []);
    let deleted = RecordError::Deleted { object: id() };
    assert_eq!(rule(&world, &world.grant()), deleted);
    assert_eq!(rule(&world, &world.revoke()), deleted);
    assert_eq!(rule(&world, &revoke_all(&world)), deleted);
    assert_eq!(rule(&world, &new_version(&world, content(1), content(0).commitment)), deleted);
    assert_eq!(rule(&world, &rotate(&world, OWNER, STRANGER)), deleted);
    assert_eq!(rule(&world, &delete(&world)), deleted);
    assert_eq!(rule(&world, &store_operation()), RecordError::ObjectExists { object: id() });
}

#[test]
fn other_kinds_and_payloads_are_refused() {
    let mut world = World::stored();
    let kind = Kind(24);
    let foreign = world.apply_transaction(&Transaction::new(kind, vec![]), LATER);
    assert_eq!(foreign, Err(RecordError::OtherKind { kind }.into()));
    let mut long = world.grant().transaction();
    long.payload.push(0);
    let refused = world.apply_transaction(&long, LATER);
    assert_eq!(refused, Err(RecordError::Payload(CodecError::TrailingBytes { count: 1 }).into()));
}

#[test]
fn operations_read_back_and_fit_their_limits() {
    let world = World::stored();
    let grant = world.grant_of(GrantTerms { payment: Some(sha256(b"price")), ..terms() });
    let mut widest = grant;
    (widest.position.owner_epoch, widest.position.version) = (u32::MAX, u32::MAX);
    (widest.position.epoch, widest.position.seq) = (u32::MAX, u64::MAX);
    assert_eq!(decode::<Grant>(&encode(&widest)), Ok(widest));
    assert!(encode(&widest).len() < 450, "a grant is a few hundred bytes");
    assert_eq!(decode(&encode(&store_operation())), Ok(store_operation()));
}

#[test]
fn disconnecting_and_connecting_leaves_the_tables_identical() {
    let mut world = World::empty();
    let mut hashes = vec![state_hash(&world.store).unwrap()];
    let mut transactions = Vec::new();
    let mut connect = |world: &mut World, transaction: Transaction| {
        world.apply_transaction(&transaction, LATER).unwrap();
        hashes.push(state_hash(&world.store).unwrap());
        transactions.push(transaction);
    };
    connect(&mut world, issued(3, HOSPITAL).transaction());
    connect(&mut world, store_operation().transaction());
    for step in 0..7 {
        let next = match step {
            0 | 2 | 4 => world.grant().transaction(),
            1 => world.revoke().transaction(),
            3 => revoke_all(&world).transaction(),
            5 => new_version(&world, content(1), content(0).commitment).transaction(),
            _ => rotate(&world, OWNER, STRANGER).transaction(),
        };
        connect(&mut world, next);
    }
    let last = Delete::sign(world.position(), &key(STRANGER), &[0; 32]).unwrap();
    connect(&mut world, last.transaction());

    for depth in 1..=transactions.len() {
        let kept = transactions.len() - depth;
        for _ in 0..depth {
            world.disconnect();
        }
        assert_eq!(state_hash(&world.store).unwrap(), hashes[kept]);
        for transaction in &transactions[kept..] {
            world.apply_transaction(transaction, LATER).unwrap();
        }
        assert_eq!(state_hash(&world.store).unwrap(), hashes[transactions.len()]);
    }
}
