//! The gateway's decision: every rule and its denial, and the set of revocations seen.
#![allow(clippy::unwrap_used)]

mod common;

use common::{
    GRANTEE, OWNER, STORED, STRANGER, World, chain, content,
    gate::{Gate, access, request, request_of},
    gateway, id, key, public, terms,
};
use health_chain_application::{
    authorize::{Access, AccessRequest, Basis, Denial, DenySet, GatewayRules, ObserveError, SeenRequests, Turn},
    limits::{
        MAX_DENIALS_PER_OBJECT, MAX_PENDING_OPERATIONS, MAX_REQUEST_AGE_SECONDS, MAX_REQUEST_AHEAD_SECONDS,
        MAX_SEEN_REQUESTS,
    },
    payload::Payload,
    ports::{AccessPolicy, PolicyRefusal},
    records::{
        Delete, GatewayId, Grant, GrantState, GrantTerms, NewVersion, ObjectState, Permissions, Position, Purpose,
        RecordError, Revoke, RevokeAll, RotateOwner,
    },
    tables::{DENIALS, GRANTS, OBJECTS},
};
use health_chain_consensus::ports::Finality;
use health_chain_data::{
    ChainId, Hash, Height, Millis, ObjectId, Output, SecretKey, Timestamp, Transaction,
    codec::{decode, encode},
    ports::{ChainStore, StateView, StoreError},
    sha256,
    state::{Changes, MemoryStore, Table},
};

use crate::common::NOW;

/// The object has been stored, and granted to the grantee.
fn granted() -> World {
    let mut world = World::stored();
    world.apply(&world.grant()).unwrap();
    world
}

fn revoke_at(world: &World, seq: u64, grantee: u8) -> Revoke {
    let position = Position { seq, ..world.position() };
    Revoke::sign(position, public(grantee), &key(OWNER), &[0; 32]).unwrap()
}

/// The denial of the grantee's request after a change to it that is signed again.
fn denial_of(change: impl FnOnce(&mut AccessRequest)) -> Denial {
    let mut request = request();
    change(&mut request);
    let AccessRequest { chain, gateway, access, time, nonce, .. } = request;
    let signed = AccessRequest::sign(chain, gateway, access, time, nonce, &key(GRANTEE), &[0; 32]).unwrap();
    Gate::new().authorize(&signed, &granted().store).unwrap_err()
}

#[test]
fn a_granted_request_is_permitted() {
    let (gate, world) = (Gate::new(), granted());
    let permit = gate.authorize(&request(), &world.store).unwrap();
    assert_eq!((permit.access, permit.content), (access(), content(0)));
    assert_eq!(permit.basis, Basis::Grant { seq: 1, wrap_commit: terms().wrap_commit });
    assert_eq!(permit.not_after, terms().not_after);
    assert_eq!(gate.reauthorize(&permit, &world.store).unwrap(), permit);
    assert_eq!(decode(&encode(&request())), Ok(request()));
}

#[test]
fn the_owner_needs_no_grant() {
    let own = Access { requester: public(OWNER), ..access() };
    let permit = Gate::new().authorize(&request_of(own, OWNER), &World::stored().store).unwrap();
    assert_eq!((permit.basis, permit.not_after), (Basis::Owner, Timestamp::MAX));
    let posing = Gate::new().authorize(&request_of(own, STRANGER), &World::stored().store);
    assert!(matches!(posing, Err(Denial::RequestSignature)));
}

#[test]
fn a_request_is_bound_to_chain_gateway_and_moment() {
    let elsewhere = ChainId(sha256(b"elsewhere"));
    let other = GatewayId::of(&public(STRANGER));
    assert!(
        matches!(denial_of(|request| request.chain = elsewhere), Denial::WrongChain { found } if found == elsewhere)
    );
    assert!(matches!(denial_of(|request| request.gateway = other), Denial::WrongGateway { found } if found == other));
    let late = Timestamp(NOW.0 - MAX_REQUEST_AGE_SECONDS - 1);
    assert!(
        matches!(denial_of(|request| request.time = late), Denial::RequestTooOld { time, now: NOW } if time == late)
    );
    let early = Timestamp(NOW.0 + MAX_REQUEST_AHEAD_SECONDS + 1);
    assert!(
        matches!(denial_of(|request| request.time = early), Denial::RequestAhead { time, now: NOW } if time == early)
    );
    for unknown in [Permissions::NONE, Permissions(4), Permissions::READ | Permissions(4)] {
        let denial = denial_of(|request| request.access.permission = unknown);
        assert!(matches!(denial, Denial::UnknownPermission { bits } if bits == unknown.0));
    }
}

#[test]
fn every_part_of_a_request_is_signed() {
    let world = granted();
    let changes: [fn(&mut AccessRequest); 5] = [
        |request| request.nonce[0] ^= 1,
        |request| request.time = Timestamp(NOW.0 - 1),
        |request| request.access.version = 1,
        |request| request.access.permission = Permissions::HISTORY,
        |request| request.access.purpose = Purpose::RESEARCH,
    ];
    for change in changes {
        let mut request = request();
        change(&mut request);
        assert!(matches!(Gate::new().authorize(&request, &world.store), Err(Denial::RequestSignature)));
    }
}

#[test]
fn a_request_is_answered_once() {
    let (mut gate, world) = (Gate::new(), granted());
    gate.authorize(&request(), &world.store).unwrap();
    gate.seen.remember(&request()).unwrap();
    assert!(matches!(gate.authorize(&request(), &world.store), Err(Denial::RequestReplayed)));
    // Forgotten when it is too old, and then too old.
    gate.seen.expire(Timestamp(NOW.0 + MAX_REQUEST_AGE_SECONDS + 1));
    assert!(!gate.seen.contains(&request()));
    assert!(matches!(gate.authorize(&request(), &world.store), Err(Denial::RequestTooOld { .. })));
    // After a restart, what an earlier run could have answered is too old, too.
    gate.seen = SeenRequests::new(Timestamp(NOW.0 - MAX_REQUEST_AHEAD_SECONDS));
    assert!(matches!(gate.authorize(&request(), &world.store), Err(Denial::RequestTooOld { .. })));
    gate.seen = SeenRequests::new(Timestamp(NOW.0 - MAX_REQUEST_AHEAD_SECONDS - 1));
    gate.authorize(&request(), &world.store).unwrap();
}

#[test]
fn a_full_memory_answers_nobody() {
    let (mut gate, world) = (Gate::new(), granted());
    let mut other = request();
    for number in 0..MAX_SEEN_REQUESTS as u32 {
        other.nonce[..4].copy_from_slice(&number.to_le_bytes());
        gate.seen.remember(&other).unwrap();
    }
    gate.seen.remember(&request()).unwrap_err();
    assert!(matches!(gate.authorize(&request(), &world.store), Err(Denial::Busy)));
}

#[test]
fn a_chain_that_may_not_be_relied_on_serves_nothing() {
    let world = granted();
    let mut gate = Gate::new();
    gate.uncleared_reorganisation = 12;
    assert_eq!(gate.denies(&world), None);
    gate.uncleared_reorganisation = 13;
    let denial = gate.authorize(&request(), &world.store);
    assert!(matches!(denial, Err(Denial::DeepReorganisation { blocks: 13 })));
    let mut gate = Gate::new();
    gate.tip_time = Timestamp(NOW.0 - gate.rules.max_tip_age_seconds);
    assert_eq!(gate.denies(&world), None);
    gate.tip_time = gate.tip_time.saturating_sub(1);
    assert_eq!(gate.denies(&world), Some("access-stale-tip"));
    // The owner, too: what she sees may not be what the chain says.
    let own = request_of(Access { requester: public(OWNER), ..access() }, OWNER);
    assert!(matches!(gate.authorize(&own, &world.store), Err(Denial::StaleTip { .. })));
}

#[test]
fn the_object_must_be_here_and_of_this_version() {
    let gate = Gate::new();
    let unknown = Access { object: ObjectId(sha256(b"unknown")), ..access() };
    let denial = gate.authorize(&request_of(unknown, GRANTEE), &granted().store);
    assert!(matches!(denial, Err(Denial::UnknownObject)));
    let newer = Access { version: 1, ..access() };
    let denial = gate.authorize(&request_of(newer, GRANTEE), &granted().store);
    assert!(matches!(denial, Err(Denial::OtherVersion { at_hand: 0, found: 1 })));

    let mut world = granted();
    world.apply(&Delete::sign(world.position(), &key(OWNER), &[0; 32]).unwrap()).unwrap();
    assert_eq!(gate.denies(&world), Some("access-object-deleted"));

    let mut world = granted();
    let away = GatewayId::of(&public(STRANGER));
    let commitment = content(0).commitment;
    let moved = NewVersion::sign(world.position(), content(1), commitment, away, &key(OWNER), &[0; 32]);
    world.apply(&moved.unwrap()).unwrap();
    let denial = gate.authorize(&request(), &world.store);
    assert!(matches!(denial, Err(Denial::HeldElsewhere { by }) if by == away));
}

#[test]
fn without_a_grant_in_force_nobody_reads() {
    let gate = Gate::new();
    assert_eq!(gate.denies(&World::stored()), Some("access-no-grant"));
    let strange = request_of(Access { requester: public(STRANGER), ..access() }, STRANGER);
    assert!(matches!(gate.authorize(&strange, &granted().store), Err(Denial::NoGrant)));

    let mut world = granted();
    world.apply(&world.revoke()).unwrap();
    assert_eq!(gate.denies(&world), Some("access-no-grant"));
    let mut world = granted();
    world.apply(&RevokeAll::sign(world.position(), &key(OWNER), &[0; 32]).unwrap()).unwrap();
    assert_eq!(gate.denies(&world), Some("access-grant-ended"));
    let mut world = granted();
    let rotation = RotateOwner::sign(world.position(), &key(OWNER), &key(STRANGER), &[0; 32]).unwrap();
    world.apply(&rotation).unwrap();
    assert_eq!(gate.denies(&world), Some("access-grant-ended"));
    let mut world = granted();
    let (content, commitment) = (content(1), content(0).commitment);
    let amended = NewVersion::sign(world.position(), content, commitment, gateway(), &key(OWNER), &[0; 32]);
    world.apply(&amended.unwrap()).unwrap();
    let newer = request_of(Access { version: 1, ..access() }, GRANTEE);
    assert!(matches!(gate.authorize(&newer, &world.store), Err(Denial::GrantEnded { seq: 1 })));
}

#[test]
fn the_gateway_checks_the_owners_signature_itself() {
    let mut world = granted();
    let signed = world.grant();
    let mut place = |grant: Grant| {
        let mut changes = Changes::default();
        let at = [id().as_bytes(), &public(GRANTEE).as_bytes()[..]].concat();
        changes.put(GRANTS, at, encode(&GrantState { grant, height: Height(20) }));
        world.store.commit(&changes).unwrap();
        Gate::new().denies(&world)
    };
    assert_eq!(place(signed), None);
    let wider = GrantTerms { permissions: Permissions::READ | Permissions::HISTORY, ..terms() };
    assert_eq!(place(Grant { terms: wider, ..signed }), Some("access-grant-signature"));
    let for_another = GrantTerms { grantee: public(STRANGER), ..terms() };
    let misplaced = Grant::sign(signed.position, for_another, &key(OWNER), &[0; 32]).unwrap();
    assert_eq!(place(misplaced), Some("access-grant-signature"));
    let of_another = Position { object: ObjectId(sha256(b"another")), ..signed.position };
    let misplaced = Grant::sign(of_another, terms(), &key(OWNER), &[0; 32]).unwrap();
    assert_eq!(place(misplaced), Some("access-grant-signature"));
}

#[test]
fn permission_and_purpose_must_fit() {
    let (gate, world) = (Gate::new(), granted());
    let history = Access { permission: Permissions::READ | Permissions::HISTORY, ..access() };
    let denial = gate.authorize(&request_of(history, GRANTEE), &world.store);
    assert!(matches!(denial, Err(Denial::NotPermitted { granted: Permissions::READ })));
    let research = Access { purpose: Purpose::RESEARCH, ..access() };
    let denial = gate.authorize(&request_of(research, GRANTEE), &world.store);
    assert!(matches!(denial, Err(Denial::OtherPurpose { granted: Purpose::TREATMENT })));
}

#[test]
fn depth_is_counted_with_the_block_itself() {
    let mut gate = Gate::new();
    let world = granted();
    gate.height = Height(19);
    let denial = gate.authorize(&request(), &world.store);
    assert!(matches!(denial, Err(Denial::GrantTooShallow { found: 0, needed: 1 })));
    gate.height = Height(20);
    assert_eq!(gate.denies(&world), None);

    let mut world = World::stored();
    world.apply_at(&world.grant(), STORED).unwrap();
    gate.height = Height(STORED.0 + 4);
    let denial = gate.authorize(&request(), &world.store);
    assert!(matches!(denial, Err(Denial::StoreTooShallow { found: 5, needed: 6 })));
    gate.height = Height(STORED.0 + 5);
    assert_eq!(gate.denies(&world), None);
    gate.rules = GatewayRules::for_finality(Finality::Certificate);
    gate.height = STORED;
    assert_eq!(gate.denies(&world), None, "under certificates a block is settled at once");
    assert_eq!(GatewayRules::for_finality(Finality::Depth(6)), GatewayRules::default());
}

#[test]
fn a_priced_grant_needs_more_depth() {
    let mut world = World::stored();
    let price = Output {
        token: health_chain_data::TokenId(1),
        amount: health_chain_data::Amount(5),
        lock: health_chain_data::Lock(vec![1]),
    };
    let payment = Some(health_chain_application::records::payment_hash(&price));
    let mut transaction = world.grant_of(GrantTerms { payment, ..terms() }).transaction();
    transaction.outputs = vec![price];
    world.apply_transaction(&transaction, Height(20)).unwrap();
    let mut gate = Gate::new();
    gate.height = Height(30);
    let denial = gate.authorize(&request(), &world.store);
    assert!(matches!(denial, Err(Denial::GrantTooShallow { found: 11, needed: 12 })));
    gate.height = Height(31);
    assert_eq!(gate.denies(&world), None);
}

#[test]
fn no_clock_set_back_revives_a_grant() {
    let world = granted();
    let mut gate = Gate::new();
    gate.median_time_past = terms().not_before;
    assert_eq!(gate.denies(&world), None);
    gate.median_time_past = terms().not_before.saturating_sub(1);
    assert_eq!(gate.denies(&world), Some("access-not-yet"));

    let end: Millis = terms().not_after.into();
    let before = Timestamp(terms().not_after.0 - 1);
    let over = |wall: Millis, high_water: Millis, median_time_past: Timestamp| {
        let mut gate = Gate::new();
        (gate.tip_time, gate.median_time_past) = (terms().not_after, median_time_past);
        (gate.clock.wall, gate.clock.high_water) = (wall, high_water);
        let latest = gate.clock.now();
        let access = Access { ..access() };
        let request =
            AccessRequest::sign(chain(), gateway(), access, latest, [9; 32], &key(GRANTEE), &[0; 32]).unwrap();
        gate.authorize(&request, &world.store).err().map(|denial| denial.rule())
    };
    assert_eq!(over(before.into(), Millis(0), NOW), None);
    assert_eq!(over(end, Millis(0), NOW), Some("access-over"), "by the wall clock");
    assert_eq!(over(NOW.into(), end, NOW), Some("access-over"), "by the high-water mark");
    assert_eq!(over(NOW.into(), NOW.into(), terms().not_after), Some("access-over"), "by the chain");
}

#[test]
fn a_policy_refuses_and_never_permits() {
    struct NoResearch;
    impl AccessPolicy for NoResearch {
        fn check(&self, access: &Access, _: &ObjectState, grant: Option<&GrantState>) -> Result<(), PolicyRefusal> {
            assert!(grant.is_some_and(|grant| grant.grant.terms.purpose == access.purpose));
            if access.purpose == Purpose::RESEARCH { Err(PolicyRefusal { rule: "no-research" }) } else { Ok(()) }
        }
    }
    let mut world = granted();
    let mut gate = Gate::new();
    gate.policy = Box::new(NoResearch);
    assert_eq!(gate.denies(&world), None);
    let research = request_of(Access { purpose: Purpose::RESEARCH, ..access() }, GRANTEE);
    assert!(matches!(gate.authorize(&research, &world.store), Err(Denial::OtherPurpose { .. })));
    world.apply(&world.grant_of(GrantTerms { purpose: Purpose::RESEARCH, ..terms() })).unwrap();
    assert_eq!(gate.authorize(&research, &world.store).unwrap_err().rule(), "no-research");
}

#[test]
fn what_cannot_be_read_is_denied() {
    struct Unreadable;
    impl StateView for Unreadable {
        fn get(&self, table: Table, _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            Err(StoreError::Damaged { table })
        }
        fn scan(&self, table: Table, _: &[u8], _: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
            Err(StoreError::Damaged { table })
        }
    }
    let denial = Gate::new().authorize(&request(), &Unreadable).unwrap_err();
    assert!(matches!(denial, Denial::State(StoreError::Damaged { table: OBJECTS })));
}

#[test]
fn a_revocation_denies_at_first_sight_and_for_good() {
    let mut world = granted();
    let mut gate = Gate::new();
    let revoke = world.revoke();
    // In the mempool only.
    assert!(gate.observe(&revoke, &world.store).unwrap());
    let denial = gate.authorize(&request(), &world.store);
    assert!(matches!(denial, Err(Denial::Withdrawn { seq: 1, by: 2 })));
    assert!(!gate.observe(&revoke, &world.store).unwrap(), "seen before");
    // Mined, and taken back by a reorganisation, and the process started again.
    world.apply(&revoke).unwrap();
    assert_eq!(gate.denies(&world), Some("access-no-grant"));
    world.disconnect();
    assert_eq!(gate.denies(&world), Some("access-withdrawn"));
    gate.restart().unwrap();
    assert_eq!(gate.denies(&world), Some("access-withdrawn"));
    // Even the grant itself, mined again, does not lift it; a later one does.
    world.disconnect();
    world.apply(&world.grant()).unwrap();
    assert_eq!(gate.denies(&world), Some("access-withdrawn"));
    world.apply(&revoke).unwrap();
    world.apply(&world.grant()).unwrap();
    assert_eq!(gate.denies(&world), None);
}

#[test]
fn of_two_words_with_one_number_the_withdrawal_holds() {
    let mut world = World::stored();
    let mut gate = Gate::new();
    // Signed for the same turn: the chain can take only one of them, and takes the grant.
    gate.observe(&world.revoke(), &world.store).unwrap();
    world.apply(&world.grant()).unwrap();
    let denial = gate.authorize(&request(), &world.store);
    assert!(matches!(denial, Err(Denial::Withdrawn { seq: 1, by: 1 })));
    world.apply(&world.grant()).unwrap();
    assert_eq!(gate.denies(&world), None);
}

#[test]
fn a_permit_ends_with_the_sight_of_a_revocation() {
    let (mut gate, world) = (Gate::new(), granted());
    let permit = gate.authorize(&request(), &world.store).unwrap();
    gate.observe(&world.revoke(), &world.store).unwrap();
    assert!(matches!(gate.reauthorize(&permit, &world.store), Err(Denial::Withdrawn { .. })));
}

#[test]
fn everything_that_withdraws_is_seen() {
    let world = granted();
    let emptied = GrantTerms { permissions: Permissions::NONE, ..terms() };
    let seen = |transaction: Transaction| {
        let mut gate = Gate::new();
        assert!(gate.observe_transaction(&transaction, &world.store).unwrap());
        gate.restart().unwrap();
        assert_eq!(gate.denies(&world), Some("access-withdrawn"));
    };
    seen(world.revoke().transaction());
    seen(world.grant_of(emptied).transaction());
    seen(RevokeAll::sign(world.position(), &key(OWNER), &[0; 32]).unwrap().transaction());
    seen(Delete::sign(world.position(), &key(OWNER), &[0; 32]).unwrap().transaction());
    let supersedes = world.object().content.commitment;
    let (position, owner) = (world.position(), key(OWNER));
    let version = NewVersion::sign(position, common::content(2), supersedes, common::gateway(), &owner, &[0; 32]);
    seen(version.unwrap().transaction());
    seen(RotateOwner::sign(world.position(), &key(OWNER), &key(STRANGER), &[0; 32]).unwrap().transaction());
    let mut gate = Gate::new();
    assert!(!gate.observe(&world.grant(), &world.store).unwrap());
    assert!(!gate.observe(&common::store_operation(), &world.store).unwrap());
    // Somebody else's revocation is not hers.
    assert!(gate.observe(&revoke_at(&world, 2, STRANGER), &world.store).unwrap());
    assert_eq!(gate.denies(&world), None);
}

#[test]
fn only_the_owners_word_denies() {
    let world = granted();
    let mut gate = Gate::new();
    let mut refused = |payload: &Revoke| match gate.observe(payload, &world.store).unwrap_err() {
        ObserveError::Record(error) => error,
        other => panic!("refused otherwise: {other}"),
    };
    let ours = world.revoke();
    let forged = Revoke::sign(ours.position, ours.grantee, &key(STRANGER), &[0; 32]).unwrap();
    assert_eq!(refused(&forged), RecordError::NotTheOwner { owner: public(OWNER) });
    let mut at = |change: fn(&mut Position)| {
        let mut position = ours.position;
        change(&mut position);
        refused(&Revoke::sign(position, ours.grantee, &key(OWNER), &[0; 32]).unwrap())
    };
    assert_eq!(
        at(|position| position.chain = ChainId(Hash::ZERO)),
        RecordError::WrongChain { found: ChainId(Hash::ZERO) }
    );
    let unknown = RecordError::UnknownObject { object: ObjectId(Hash::ZERO) };
    assert_eq!(at(|position| position.object = ObjectId(Hash::ZERO)), unknown);
    let early = RecordError::WrongOwnerEpoch { expected: 0, found: 1 };
    assert_eq!(at(|position| position.owner_epoch = 1), early);
    let far = RecordError::Skipped { expected: 2, found: 2 + MAX_PENDING_OPERATIONS };
    assert_eq!(at(|position| position.seq = 2 + MAX_PENDING_OPERATIONS), far);
    let mut long = ours.transaction();
    long.payload.push(0);
    let error = gate.observe_transaction(&long, &world.store).unwrap_err();
    assert!(matches!(error, ObserveError::Record(RecordError::Payload(_))));
    assert_eq!(gate.denies(&world), None);
}

#[test]
fn an_old_owner_denies_nothing_to_a_new_one() {
    let mut world = granted();
    let mut gate = Gate::new();
    let spite = revoke_at(&world, 1 + MAX_PENDING_OPERATIONS, GRANTEE);
    gate.observe(&spite, &world.store).unwrap();
    let rotation = RotateOwner::sign(world.position(), &key(OWNER), &key(STRANGER), &[0; 32]).unwrap();
    world.apply(&rotation).unwrap();
    let theirs = Grant::sign(world.position(), terms(), &key(STRANGER), &[0; 32]).unwrap();
    world.apply(&theirs).unwrap();
    assert_eq!(gate.denies(&world), None);
}

#[test]
fn an_entry_that_could_not_be_written_is_written_with_the_next() {
    let world = granted();
    let mut denials = DenySet::default();
    let revoke = world.revoke().transaction();
    denials.observe(&revoke, &chain(), &world.store).unwrap();
    denials.write(|_| Err(StoreError::Damaged { table: DENIALS })).unwrap_err();
    assert_eq!(denials.withdrawn(&id(), &public(GRANTEE)), Some(Turn { owner_epoch: 0, seq: 2 }));
    // Seen again, it is nothing new, and still to be written.
    assert!(!denials.observe(&revoke, &chain(), &world.store).unwrap());
    let mut local = MemoryStore::default();
    denials.write(|changes| local.commit(changes)).unwrap();
    denials.write(|_| unreachable!("nothing is left to be written")).unwrap();
    let kept = DenySet::load(&local).unwrap();
    assert_eq!(kept.withdrawn(&id(), &public(GRANTEE)), Some(Turn { owner_epoch: 0, seq: 2 }));
}

#[test]
fn a_crowd_of_revocations_denies_the_whole_object() {
    let world = granted();
    let mut gate = Gate::new();
    for number in 0..MAX_DENIALS_PER_OBJECT as u16 {
        let mut bytes = [7; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        let someone = SecretKey::from_bytes(&bytes).unwrap().public_key();
        let revoke = Revoke::sign(world.position(), someone, &key(OWNER), &[0; 32]).unwrap();
        assert!(gate.observe(&revoke, &world.store).unwrap());
    }
    assert_eq!(gate.denies(&world), None);
    assert!(gate.observe(&revoke_at(&world, 3, STRANGER), &world.store).unwrap());
    assert_eq!(gate.denies(&world), Some("access-withdrawn"));
    assert_eq!(common::entries(&gate.local, DENIALS).len(), MAX_DENIALS_PER_OBJECT + 1);
    gate.restart().unwrap();
    assert_eq!(gate.denies(&world), Some("access-withdrawn"));
    // Known ones are raised on their own, and a further one raises the whole.
    assert!(gate.observe(&revoke_at(&world, 4, STRANGER), &world.store).unwrap());
    assert_eq!(gate.denials.withdrawn(&id(), &public(GRANTEE)), Some(Turn { owner_epoch: 0, seq: 4 }));
}

#[test]
fn a_damaged_table_is_noticed() {
    for (key, value) in
        [(&[1; 31][..], &[0; 12][..]), (&[1; 33], &[0; 12]), (&[0xff; 64], &[0; 12]), (&[1; 32], &[0; 8])]
    {
        let mut local = MemoryStore::default();
        let mut changes = Changes::default();
        changes.put(DENIALS, key, value);
        local.commit(&changes).unwrap();
        assert!(matches!(DenySet::load(&local), Err(StoreError::Damaged { table: DENIALS })));
    }
}
