//! Institutions: every rule and its refusal, and which key speaks for whom at which height.
#![allow(clippy::unwrap_used)]

mod common;

use common::{
    ACCREDITORS, HOSPITAL, LATER, NOW, OWNER, Refusal, STRANGER, World, chain, genesis, key, parameters, public,
};
use health_chain_application::{
    identities::{
        ApplicationParameters, Approval, Authority, Identities, IdentityError, InstitutionId, Register, Retire,
        RotateKey, institution, institution_key_at, institution_of_key,
    },
    limits::{MAX_ACCREDITORS, MAX_INSTITUTION_NAME_BYTES},
    payload::Payload,
    records::{Issue, RecordError},
};
use health_chain_consensus::ports::ExecuteError;
use health_chain_contract::ports::Program;
use health_chain_data::{
    ChainId, Genesis, Hash, Height, Kind, Signature, Transaction,
    codec::{CodecError, decode, encode},
    sha256,
    state::{MemoryStore, Overlay, state_hash},
};

/// Keys that the tests register.
const CLINIC: u8 = 21;
const NEXT: u8 = 22;

fn approvals(message: Hash, of: &[u8]) -> Vec<Approval> {
    let sign = |accreditor: &u8| {
        let signer = key(ACCREDITORS[usize::from(*accreditor)]);
        Approval::sign(*accreditor, &message, &signer, &[0; 32]).unwrap()
    };
    of.iter().map(sign).collect()
}

fn register(name: &str, seed: u8) -> Register {
    let mut register = Register::sign(chain(), name, &key(seed), &[0; 32]).unwrap();
    register.approvals = approvals(register.message(), &[0, 2]);
    register
}

fn hospital() -> InstitutionId {
    InstitutionId::of(&chain(), &public(HOSPITAL))
}

fn rotate(seq: u64, from: u8, to: u8) -> RotateKey {
    RotateKey::sign(chain(), hospital(), seq, &key(from), &key(to), &[0; 32]).unwrap()
}

fn retire(seq: u64) -> Retire {
    let mut retire = Retire { chain: chain(), institution: hospital(), seq, approvals: Vec::new() };
    retire.approvals = approvals(retire.message(), &[1, 2]);
    retire
}

fn refused(world: &World, payload: &impl Payload) -> Refusal {
    let mut after = world.clone();
    let refusal = after.apply(payload).unwrap_err();
    assert!(after.store == world.store, "a refused transaction left a trace");
    refusal
}

fn rule(world: &World, payload: &impl Payload) -> IdentityError {
    match refused(world, payload) {
        Refusal::Identity(error) => error,
        other => panic!("refused otherwise: {other:?}"),
    }
}

/// Whether the key speaks for an institution at the height.
fn speaks(world: &World, seed: u8, height: u32) -> bool {
    institution_key_at(&world.store, &public(seed), Height(height)).unwrap().is_some()
}

#[test]
fn genesis_admits_its_institutions() {
    let world = World::empty();
    let found = institution(&world.store, &hospital()).unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.key, found.seq), ("a hospital", public(HOSPITAL), 0));
    assert!(speaks(&world, HOSPITAL, 0) && speaks(&world, HOSPITAL, u32::MAX));
    assert!(!speaks(&world, STRANGER, 0));
}

#[test]
fn a_genesis_document_of_other_accreditors_is_refused() {
    let refusal = |genesis: Genesis| {
        let store = MemoryStore::default();
        let error = Identities::new(parameters()).unwrap().genesis(&mut Overlay::new(&store), &genesis).unwrap_err();
        let ExecuteError::Rejected(rejection) = error else { panic!("the store failed: {error}") };
        *rejection.source.downcast::<IdentityError>().unwrap()
    };
    assert!(matches!(refusal(Genesis::new("test", NOW, vec![])), IdentityError::Genesis(_)));
    let other = ApplicationParameters { threshold: 1, ..parameters() };
    assert_eq!(refusal(genesis().with(&other)), IdentityError::OtherAccreditors);
    let none = ApplicationParameters { threshold: 0, ..parameters() };
    assert!(matches!(refusal(genesis().with(&none)), IdentityError::Parameters(_)));
    assert!(Identities::new(none).is_err());
}

#[test]
fn accreditors_admit_an_institution_from_the_next_block_on() {
    let mut world = World::empty();
    let clinic = register("a clinic", CLINIC);
    world.apply_at(&clinic, Height(7)).unwrap();
    assert!(!speaks(&world, CLINIC, 7));
    assert!(speaks(&world, CLINIC, 8));
    let found = institution_of_key(&world.store, &public(CLINIC)).unwrap().unwrap();
    assert_eq!((found.id, found.registered_at), (InstitutionId::of(&chain(), &public(CLINIC)), Height(7)));
    assert_eq!(rule(&world, &clinic), IdentityError::KeyKnown { key: public(CLINIC) });
    assert_eq!(rule(&world, &register("again", HOSPITAL)), IdentityError::KeyKnown { key: public(HOSPITAL) });
}

#[test]
fn approvals_are_counted_once_and_verified() {
    let world = World::empty();
    let clinic = register("a clinic", CLINIC);
    let with = |of: Vec<Approval>| Register { approvals: of, ..clinic.clone() };
    let by = |of: &[u8]| approvals(clinic.message(), of);
    assert_eq!(rule(&world, &with(by(&[1]))), IdentityError::TooFewApprovals { found: 1, threshold: 2 });
    assert_eq!(rule(&world, &with(vec![])), IdentityError::TooFewApprovals { found: 0, threshold: 2 });
    assert_eq!(rule(&world, &with(by(&[1, 1]))), IdentityError::ApprovalOrder { accreditor: 1 });
    assert_eq!(rule(&world, &with(by(&[2, 0]))), IdentityError::ApprovalOrder { accreditor: 0 });
    let nobody = Approval { accreditor: 3, ..by(&[0])[0] };
    let unknown = [by(&[0]), vec![nobody]].concat();
    assert_eq!(rule(&world, &with(unknown)), IdentityError::UnknownAccreditor { accreditor: 3 });
    let passed_off = Approval { accreditor: 1, ..by(&[0])[0] };
    assert_eq!(refused(&world, &with([by(&[0]), vec![passed_off]].concat())), Refusal::Signature);
    let renamed = Register { name: "another clinic".into(), ..clinic.clone() };
    assert_eq!(refused(&world, &renamed), Refusal::Signature);
    let not_held = Register { possession: Signature([1; 64]), ..clinic.clone() };
    assert_eq!(refused(&world, &not_held), Refusal::Signature);
    world.clone().apply(&with(by(&[0, 1, 2]))).unwrap();
}

#[test]
fn names_and_chains_are_checked() {
    let world = World::empty();
    assert_eq!(rule(&world, &register("", CLINIC)), IdentityError::NameLength { bytes: 0 });
    let long = "n".repeat(MAX_INSTITUTION_NAME_BYTES + 1);
    assert_eq!(rule(&world, &register(&long, CLINIC)), IdentityError::NameLength { bytes: long.len() });
    let found = ChainId(sha256(b"elsewhere"));
    assert_eq!(rule(&world, &Register { chain: found, ..register("a", CLINIC) }), IdentityError::WrongChain { found });
    assert_eq!(
        rule(&world, &RotateKey { chain: found, ..rotate(1, HOSPITAL, NEXT) }),
        IdentityError::WrongChain { found }
    );
    assert_eq!(rule(&world, &Retire { chain: found, ..retire(1) }), IdentityError::WrongChain { found });
}

#[test]
fn an_institution_changes_its_key_itself() {
    let mut world = World::empty();
    assert_eq!(refused(&world, &rotate(1, STRANGER, NEXT)), Refusal::Signature);
    let not_held = RotateKey { possession: Signature([1; 64]), ..rotate(1, HOSPITAL, NEXT) };
    assert_eq!(refused(&world, &not_held), Refusal::Signature);
    assert_eq!(rule(&world, &rotate(2, HOSPITAL, NEXT)), IdentityError::Sequence { expected: 1, found: 2 });
    assert_eq!(rule(&world, &rotate(1, HOSPITAL, HOSPITAL)), IdentityError::KeyKnown { key: public(HOSPITAL) });
    let nobody = InstitutionId(sha256(b"nobody"));
    let unknown = RotateKey { institution: nobody, ..rotate(1, HOSPITAL, NEXT) };
    assert_eq!(rule(&world, &unknown), IdentityError::UnknownInstitution { institution: nobody });

    world.apply_at(&rotate(1, HOSPITAL, NEXT), Height(7)).unwrap();
    for (height, old) in [(0, true), (7, true), (8, false), (100, false)] {
        assert_eq!(speaks(&world, HOSPITAL, height), old, "old key at {height}");
        assert_eq!(speaks(&world, NEXT, height), !old, "new key at {height}");
    }
    assert_eq!(rule(&world, &rotate(1, NEXT, CLINIC)), IdentityError::Sequence { expected: 2, found: 1 });
    // The old key's word counts no more, and it never comes back.
    assert_eq!(refused(&world, &rotate(2, HOSPITAL, CLINIC)), Refusal::Signature);
    assert_eq!(rule(&world, &rotate(2, NEXT, HOSPITAL)), IdentityError::KeyKnown { key: public(HOSPITAL) });
    assert_eq!(institution_of_key(&world.store, &public(HOSPITAL)).unwrap().unwrap().id, hospital());
}

#[test]
fn two_changes_in_one_block_leave_one_key() {
    let mut world = World::empty();
    world.apply_at(&rotate(1, HOSPITAL, NEXT), Height(7)).unwrap();
    world.apply_at(&rotate(2, NEXT, CLINIC), Height(7)).unwrap();
    for height in 0..20 {
        let speaking = [HOSPITAL, NEXT, CLINIC].map(|seed| speaks(&world, seed, height));
        assert_eq!(speaking, [height <= 7, false, height > 7], "at {height}");
    }
}

#[test]
fn accreditors_replace_a_lost_key() {
    let mut world = World::empty();
    let mut rotation = RotateKey::sign_new(chain(), hospital(), 1, &key(NEXT), &[0; 32]).unwrap();
    assert_eq!(rule(&world, &rotation), IdentityError::TooFewApprovals { found: 0, threshold: 2 });
    rotation.authority = Authority::Accreditors(approvals(rotation.message(), &[0, 1]));
    world.apply(&rotation).unwrap();
    assert!(speaks(&world, NEXT, LATER.0 + 1));
}

#[test]
fn a_retired_institution_issues_no_more() {
    let mut world = World::empty();
    let few = Retire { approvals: approvals(retire(1).message(), &[0]), ..retire(1) };
    assert_eq!(rule(&world, &few), IdentityError::TooFewApprovals { found: 1, threshold: 2 });
    assert_eq!(rule(&world, &retire(0)), IdentityError::Sequence { expected: 1, found: 0 });
    world.apply_at(&retire(1), Height(7)).unwrap();
    assert!(speaks(&world, HOSPITAL, 7) && !speaks(&world, HOSPITAL, 8));
    let institution = hospital();
    assert_eq!(rule(&world, &retire(2)), IdentityError::Retired { institution });
    assert_eq!(rule(&world, &rotate(2, HOSPITAL, NEXT)), IdentityError::Retired { institution });

    let issue = Issue::sign(chain(), sha256(b"root"), 1, &key(HOSPITAL), &[0; 32]).unwrap();
    let inactive = RecordError::InactiveIssuer { issuer: public(HOSPITAL) };
    assert_eq!(world.apply_at(&issue, Height(8)), Err(inactive.into()));
    // In the block that dismissed it, wherever it stands there, its key still holds.
    world.apply_at(&issue, Height(7)).unwrap();
}

#[test]
fn disconnecting_and_connecting_leaves_the_tables_identical() {
    let mut world = World::empty();
    let before = state_hash(&world.store).unwrap();
    let connect = |world: &mut World| {
        world.apply(&register("a clinic", CLINIC)).unwrap();
        world.apply(&rotate(1, HOSPITAL, NEXT)).unwrap();
        world.apply(&retire(2)).unwrap();
        state_hash(&world.store).unwrap()
    };
    let after = connect(&mut world);
    (0..3).for_each(|_| world.disconnect());
    assert_eq!(state_hash(&world.store).unwrap(), before);
    assert_eq!(connect(&mut world), after);
}

#[test]
fn other_kinds_and_payloads_are_refused() {
    let mut world = World::empty();
    let kind = Kind(35);
    let foreign = world.apply_transaction(&Transaction::new(kind, vec![]), LATER);
    assert_eq!(foreign, Err(Refusal::Identity(IdentityError::OtherKind { kind })));
    let mut long = retire(1).transaction();
    long.payload.push(0);
    let refused = world.apply_transaction(&long, LATER);
    let trailing = IdentityError::Payload(CodecError::TrailingBytes { count: 1 });
    assert_eq!(refused, Err(Refusal::Identity(trailing)));
}

#[test]
fn the_longest_operation_fits_its_limit() {
    let approval = Approval { accreditor: u8::MAX, signature: Signature([0xff; 64]) };
    let mut longest = register(&"n".repeat(MAX_INSTITUTION_NAME_BYTES), OWNER);
    longest.approvals = vec![approval; MAX_ACCREDITORS];
    assert_eq!(decode(&encode(&longest)), Ok(longest.clone()));
    longest.approvals.push(approval);
    assert_eq!(decode::<Register>(&encode(&longest)), Err(CodecError::OutOfRange));
}
