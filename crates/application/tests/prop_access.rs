//! Access follows the owner's signed intent, in whatever order and however often her words arrive.
#![allow(clippy::unwrap_used)]

mod common;

use common::{GRANTEE, LATER, Numbers, OWNER, World, chain, gate::Gate, id, key, public, terms};
use health_chain_application::{
    kinds,
    payload::Payload,
    records::{Grant, GrantState, GrantTerms, OwnerSigned, Permissions, Position, Revoke, Store},
    tables::GRANTS,
};
use health_chain_data::{
    Height, Kind, Transaction,
    codec::{decode, encode},
    ports::ChainStore,
    state::Changes,
};
use proptest::prelude::*;

/// Longest sequence of deliveries that is tried.
const LENGTH: usize = 6;

/// A word of the owner: the transaction, its number, and whether the grantee may read if it is her last.
#[derive(Clone)]
struct Word {
    transaction: Transaction,
    seq: u64,
    allows: bool,
}

fn granting(seq: u64) -> Word {
    let grant = Grant::sign(at(seq), terms(), &key(OWNER), &[0; 32]).unwrap();
    Word { transaction: grant.transaction(), seq, allows: true }
}

fn revoking(seq: u64) -> Word {
    let revoke = Revoke::sign(at(seq), public(GRANTEE), &key(OWNER), &[0; 32]).unwrap();
    Word { transaction: revoke.transaction(), seq, allows: false }
}

fn at(seq: u64) -> Position {
    Position { seq, ..World::stored().position() }
}

/// What the gateway permits now.
fn reads(gate: &Gate, world: &World) -> bool {
    gate.denies(world).is_none()
}

/// Delivers a word: the gateway sees it, and the chain takes it if its turn has come.
fn deliver(gate: &mut Gate, world: &mut World, word: &Word) -> bool {
    gate.observe_transaction(&word.transaction, &world.store).unwrap();
    world.apply_transaction(&word.transaction, LATER).is_ok()
}

/// Words are signed as they are needed, every earlier one is replayed at every moment, and nothing but the last one counts.
#[test]
fn all_interleavings_of_signing_and_replaying() {
    struct Case<'a> {
        grants: &'a [Word],
        revocations: &'a [Word],
        world: World,
        gate: Gate,
        signed: Vec<Word>,
    }
    fn explore(case: &Case<'_>, left: usize, visited: &mut usize) {
        *visited += 1;
        let intent = case.signed.last().is_some_and(|word| word.allows);
        assert_eq!(reads(&case.gate, &case.world), intent);
        if left == 0 {
            return;
        }
        let seq = case.signed.len() as u64 + 1;
        // A grant when nothing is granted, a second one when something is; a revocation when there is something to revoke.
        let mut next = vec![case.grants[seq as usize - 1].clone()];
        next.extend(intent.then(|| case.revocations[seq as usize - 1].clone()));
        let fresh = next.len();
        next.extend(case.signed.iter().cloned());
        for (index, word) in next.into_iter().enumerate() {
            let mut branch = Case {
                grants: case.grants,
                revocations: case.revocations,
                world: case.world.clone(),
                gate: case.gate.branch(),
                signed: case.signed.clone(),
            };
            let taken = deliver(&mut branch.gate, &mut branch.world, &word);
            assert_eq!(taken, index < fresh, "what is new is taken, what is replayed is not");
            if index < fresh {
                branch.signed.push(word);
            }
            explore(&branch, left - 1, visited);
        }
    }
    let grants: Vec<Word> = (1..).take(LENGTH).map(granting).collect();
    let revocations: Vec<Word> = (1..).take(LENGTH).map(revoking).collect();
    let case = Case {
        grants: &grants,
        revocations: &revocations,
        world: World::stored(),
        gate: Gate::new(),
        signed: Vec::new(),
    };
    let mut visited = 0;
    explore(&case, LENGTH, &mut visited);
    assert!(visited > 1_000, "only {visited} cases");
}

/// Grant, revoke, grant, revoke, signed one after the other and delivered in every order, with replays and omissions: at no moment is
/// anything readable after a later revocation has been seen, and with everything delivered in its turn, the last word holds.
#[test]
fn all_orders_of_delivery() {
    /// How many words the chain has taken, and the highest revocation that has been seen.
    #[derive(Clone, Copy, Default)]
    struct Model {
        taken: u64,
        highest: u64,
    }
    fn explore(words: &[Word], world: &World, gate: &Gate, model: Model, left: usize, allowed: &mut usize) {
        let last = model.taken.checked_sub(1).map(|index| &words[index as usize]);
        let expected = last.is_some_and(|word| word.allows) && model.taken > model.highest;
        assert_eq!(reads(gate, world), expected);
        *allowed += usize::from(expected);
        if left == 0 {
            return;
        }
        for word in words {
            let (mut world, mut gate, mut model) = (world.clone(), gate.branch(), model);
            let its_turn = word.seq == model.taken + 1;
            assert_eq!(deliver(&mut gate, &mut world, word), its_turn);
            model.taken += u64::from(its_turn);
            model.highest = if word.allows { model.highest } else { word.seq.max(model.highest) };
            explore(words, &world, &gate, model, left - 1, allowed);
        }
    }
    let words = [granting(1), revoking(2), granting(3), revoking(4)];
    let mut allowed = 0;
    explore(&words, &World::stored(), &Gate::new(), Model::default(), LENGTH, &mut allowed);
    assert!(allowed > 100, "only {allowed} cases were ever permitted");
}

/// A revocation seen at any depth of a branch that is then left: denied at once, and after the reorganisation, too.
#[test]
fn a_reorganisation_of_any_depth_lifts_no_revocation() {
    for depth in 1..=LENGTH {
        let (mut world, mut gate) = (World::stored(), Gate::new());
        assert!(deliver(&mut gate, &mut world, &granting(1)));
        let fork = world.store.clone();
        let mut words = vec![revoking(2)];
        words.extend((3..).take(depth - 1).map(|seq| if seq % 2 == 1 { granting(seq) } else { revoking(seq) }));
        for word in &words {
            assert!(deliver(&mut gate, &mut world, word));
        }
        for _ in 0..depth {
            world.disconnect();
        }
        assert!(world.store == fork, "the reorganisation took place");
        gate.restart().unwrap();
        assert!(!reads(&gate, &world));
        // Mined again on the other branch, up to her last word.
        for word in &words {
            assert!(deliver(&mut gate, &mut world, word));
        }
        assert_eq!(reads(&gate, &world), words.last().unwrap().allows);
    }
}

/// 10,000 grants with one bit flipped: none is taken by the chain, and none, put into its state, is honoured by the gateway.
#[test]
fn no_mutated_grant_is_accepted() {
    let world = World::stored();
    let original = world.grant_of(GrantTerms { permissions: Permissions::READ, ..terms() });
    let bytes = encode(&original);
    let mut numbers = Numbers(0x6865_616c_7468);
    let (mut decoded, mut tried) = (0, 0);
    while tried < 10_000 {
        let mut mutated = bytes.clone();
        for _ in 0..=numbers.below(2) {
            let bit = numbers.below(mutated.len() * 8);
            mutated[bit / 8] ^= 1 << (bit % 8);
        }
        if mutated == bytes {
            continue;
        }
        tried += 1;
        let mut after = world.clone();
        after.apply_transaction(&Transaction::new(kinds::GRANT, mutated.clone()), LATER).unwrap_err();
        assert!(after.store == world.store);

        let Ok(grant) = decode::<Grant>(&mutated) else { continue };
        decoded += 1;
        assert!(grant.verify(&public(OWNER)).is_err());
        let mut changes = Changes::default();
        let at = [id().as_bytes(), &public(GRANTEE).as_bytes()[..]].concat();
        changes.put(GRANTS, at, encode(&GrantState { grant, height: Height(20) }));
        after.store.commit(&changes).unwrap();
        assert!(!reads(&Gate::new(), &after));
    }
    assert!(decoded > 5_000, "only {decoded} reached the signature");
}

fn operations() -> impl Strategy<Value = u16> {
    prop_oneof![16_u16..=23, 32_u16..=34]
}

proptest! {
    /// Hostile bytes are refused with an error, as any operation, and by the gateway, too.
    #[test]
    fn hostile_payloads_are_refused(kind in operations(), payload in prop::collection::vec(any::<u8>(), 0..600)) {
        let transaction = Transaction::new(Kind(kind), payload);
        let mut world = World::stored();
        let before = world.store.clone();
        prop_assert!(world.apply_transaction(&transaction, LATER).is_err());
        prop_assert!(world.store == before);
        let seen = Gate::new().observe_transaction(&transaction, &world.store);
        prop_assert!(!seen.is_ok_and(|new| new));
    }

    /// Operations cut, overwritten or taken for another kind are refused likewise.
    #[test]
    fn damaged_operations_are_refused(kind in operations(), cut in 0_usize..400, at in 0_usize..400, value: u8) {
        let world = World::stored();
        let grant = world.grant();
        let store = Store::sign(chain(), grant.position.gateway, [8; 32], world.object().content, &key(OWNER), &[0; 32]);
        for valid in [grant.transaction(), world.revoke().transaction(), store.unwrap().transaction()] {
            let mut damaged = Transaction { kind: Kind(kind), ..valid.clone() };
            damaged.payload.truncate(damaged.payload.len().saturating_sub(cut));
            if let Some(byte) = damaged.payload.get_mut(at) {
                *byte = value;
            }
            if damaged != valid {
                prop_assert!(world.clone().apply_transaction(&damaged, LATER).is_err());
            }
        }
    }
}
