use std::convert::Infallible;

use health_chain_data::{
    ChainId, SecretKey, Timestamp, merkle::ProofError, ports::ChainStore, sha256, state::MemoryStore,
};
use proptest::prelude::*;

use super::*;
use crate::records::{Permissions, Purpose};

const CHAIN: ChainId = ChainId(Hash([1; 32]));

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

fn object(number: u8) -> ObjectId {
    ObjectId(sha256(&[number]))
}

fn access(number: u8, at: u32, outcome: Outcome) -> AuditEvent {
    let requester = key(9).public_key();
    let request = sha256(&at.to_le_bytes());
    AuditEvent::Access(Access {
        object: object(number),
        version: 1,
        requester,
        permission: Permissions::READ,
        purpose: Purpose::TREATMENT,
        at: Timestamp(at),
        request,
        outcome,
    })
}

fn receipt(number: u8, previous: Hash) -> ReadReceipt {
    let (reader, gateway) = (key(9), key(8));
    let terms = ReceiptTerms {
        chain: CHAIN,
        object: object(number),
        version: 1,
        reader: reader.public_key(),
        gateway: gateway.public_key(),
        at: Timestamp(7),
        bytes: 1_000,
    };
    let signature = reader.sign(&terms.message(), &[0; 32]);
    ReadReceipt::countersign(terms, signature, previous, &gateway, &[0; 32]).unwrap()
}

fn event(at: u32) -> AuditEvent {
    let outcome = if at.is_multiple_of(2) { Outcome::Permit } else { Outcome::deny("grant-expired") };
    access((at % 3) as u8, at, outcome)
}

/// A log of `count` events about the objects 0, 1 and 2 in turn.
fn filled(count: u32) -> (MemoryStore, AuditLog) {
    let mut store = MemoryStore::default();
    let mut log = AuditLog::load(&store).unwrap();
    for at in 0..count {
        let index = log.append(&event(at), |changes| store.commit(changes)).unwrap();
        assert_eq!(index, u64::from(at));
    }
    (store, log)
}

fn checkpoint(log: &AuditLog) -> Checkpoint {
    Checkpoint::sign(log, CHAIN, Timestamp(99), &key(8), &[0; 32]).unwrap()
}

#[test]
fn the_log_reads_back_and_notices_what_is_missing() {
    let (store, log) = filled(20);
    let again = AuditLog::load(&store).unwrap();
    assert_eq!((again.size(), again.root()), (20, log.root()));
    let damages: [fn(&mut Changes); 5] = [
        |changes| changes.delete(AUDIT_EVENTS, 19_u64.to_be_bytes()),
        |changes| changes.delete(AUDIT_EVENTS, 7_u64.to_be_bytes()),
        |changes| changes.delete(AUDIT_EVENTS, EXTENT_KEY),
        |changes| changes.put(AUDIT_EVENTS, 20_u64.to_be_bytes(), *b"invented"),
        |changes| changes.put(AUDIT_EVENTS, 3_u64.to_be_bytes(), codec::encode(&access(0, 3, Outcome::Permit))),
    ];
    for damage in damages {
        let mut store = store.clone();
        let mut changes = Changes::default();
        damage(&mut changes);
        store.commit(&changes).unwrap();
        assert!(matches!(AuditLog::load(&store), Err(StoreError::Damaged { table: AUDIT_EVENTS })));
    }
}

#[test]
fn what_was_not_made_durable_is_not_in_the_log() {
    let (_, mut log) = filled(5);
    let before = log.root();
    assert_eq!(log.append(&access(0, 5, Outcome::Permit), |_| Err("disk full")), Err("disk full"));
    assert_eq!((log.size(), log.root()), (5, before));
    let Ok(index) = log.append(&access(0, 5, Outcome::Permit), |_| Ok::<_, Infallible>(()));
    assert_eq!(index, 5);
}

#[test]
fn who_read_an_object_is_answered_with_proofs() {
    let (mut store, mut log) = filled(30);
    assert_eq!(log.last_receipt(&store, &object(1)).unwrap(), Hash::ZERO);
    let receipt = receipt(1, Hash::ZERO);
    let event = AuditEvent::Receipt(receipt.clone());
    log.append(&event, |changes| store.commit(changes)).unwrap();
    assert_eq!(log.last_receipt(&store, &object(1)).unwrap(), receipt.hash());
    assert_eq!(log.last_receipt(&store, &object(2)).unwrap(), Hash::ZERO);
    let checkpoint = checkpoint(&log);
    log.append(&access(1, 31, Outcome::Permit), |changes| store.commit(changes)).unwrap();

    let answer = log.answer(&store, &object(1), checkpoint, 0, 100).unwrap();
    assert_eq!(answer.entries.len(), 11, "what came after the checkpoint is not under it");
    assert_eq!(answer.entries[10].event, event);
    assert_eq!(answer.verify(&key(8).public_key(), Hash::ZERO).unwrap(), receipt.hash());
    let read_back: Answer = codec::decode(&codec::encode(&answer)).unwrap();
    assert_eq!(read_back, answer);
    let rest = log.answer(&store, &object(1), checkpoint, 20, 2).unwrap();
    assert_eq!(rest.entries.iter().map(|entry| entry.proof.leaf_index).collect::<Vec<_>>(), [22, 25]);
}

#[test]
fn a_false_answer_is_refused() {
    let (store, log) = filled(30);
    let gateway = key(8).public_key();
    let answer = log.answer(&store, &object(1), checkpoint(&log), 0, 100).unwrap();
    let refusal = |change: fn(&mut Answer)| {
        let mut answer = answer.clone();
        change(&mut answer);
        answer.verify(&gateway, Hash::ZERO).unwrap_err()
    };
    let entry = 2;
    assert!(matches!(answer.verify(&key(7).public_key(), Hash::ZERO), Err(AnswerError::OtherGateway { .. })));
    assert!(matches!(refusal(|a| a.checkpoint.terms.size += 1), AnswerError::Checkpoint(_)));
    assert!(matches!(refusal(|a| a.object = object(2)), AnswerError::OtherObject { entry: 0, .. }));
    assert!(matches!(refusal(|a| a.entries.swap(2, 3)), AnswerError::Order { entry: 3 }));
    assert!(matches!(refusal(|a| a.entries[2] = a.entries[1].clone()), AnswerError::Order { entry: 2 }));
    assert!(matches!(refusal(|a| a.entries[2].proof.tree_size = 29), AnswerError::OtherSize { entry: 2, found: 29 }));
    let forged = refusal(|a| a.entries[2].event = access(1, 7, Outcome::Permit));
    assert!(
        matches!(forged, AnswerError::NotIncluded { entry: found, source: ProofError::RootMismatch } if found == entry)
    );
}

/// The gateway has countersigned three, and answers with two of them.
#[test]
fn a_receipt_that_is_left_out_is_missed() {
    let (mut store, mut log) = filled(3);
    let mut last = Hash::ZERO;
    for _ in 0..3 {
        let receipt = receipt(1, last);
        last = receipt.hash();
        log.append(&AuditEvent::Receipt(receipt), |changes| store.commit(changes)).unwrap();
    }
    let gateway = key(8).public_key();
    let answer = log.answer(&store, &object(1), checkpoint(&log), 0, 100).unwrap();
    assert_eq!(answer.verify(&gateway, Hash::ZERO).unwrap(), last);
    for missing in 1..3 {
        let mut answer = answer.clone();
        answer.entries.remove(missing);
        let refused = answer.verify(&gateway, Hash::ZERO).unwrap_err();
        assert!(matches!(refused, AnswerError::ReceiptMissing { entry } if entry == missing), "{refused}");
    }
    // In two answers, of which the second begins behind the first receipt.
    let first = log.answer(&store, &object(1), checkpoint(&log), 0, 2).unwrap();
    let known = first.verify(&gateway, Hash::ZERO).unwrap();
    let second = log.answer(&store, &object(1), checkpoint(&log), 4, 100).unwrap();
    assert_eq!(second.verify(&gateway, known).unwrap(), last);
    assert!(second.verify(&gateway, Hash::ZERO).is_err());
    // Nor is another gateway's among them.
    let mut foreign = second;
    foreign.checkpoint = Checkpoint::sign(&log, CHAIN, Timestamp(99), &key(7), &[0; 32]).unwrap();
    let refused = foreign.verify(&key(7).public_key(), known).unwrap_err();
    let is_foreign = matches!(refused, AnswerError::Receipt { source: ReceiptError::OtherGateway { .. }, .. });
    assert!(is_foreign, "{refused}");
}

/// Wherever it begins, and however many bytes its indexes have.
#[test]
fn an_objects_events_are_found_from_any_index_on() {
    let places = [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 65_792, 1 << 24, (1 << 24) + 1, (1 << 40) + 7];
    let mut store = MemoryStore::default();
    let mut changes = Changes::default();
    for (number, places) in [(1, &places[..]), (2, &[2, 300])] {
        places.iter().for_each(|index| changes.put(AUDIT_BY_OBJECT, object_key(&object(number), *index), []));
    }
    store.commit(&changes).unwrap();
    for start in places.into_iter().flat_map(|place| [place.saturating_sub(1), place, place + 1]) {
        for end in [0, 257, 65_793, (1 << 40) + 8] {
            for limit in [1, 3, 100] {
                let expected = places.into_iter().filter(|place| (start..end).contains(place)).take(limit);
                let found = indexes(&store, &object(1), start..end, limit).unwrap();
                assert_eq!(found, expected.collect::<Vec<_>>(), "{start}..{end}, {limit}");
            }
        }
    }
}

#[test]
fn a_log_that_was_rewritten_is_noticed() {
    let (mut store, mut log) = filled(5);
    let known = checkpoint(&log);
    let grown = |log: &AuditLog| {
        let checkpoint = checkpoint(log);
        let proof = log.consistency_proof(known.terms.size, log.size()).unwrap();
        Growth { checkpoint, proof }
    };
    grown(&log).verify(&known).unwrap();
    log.append(&event(5), |changes| store.commit(changes)).unwrap();
    let growth = grown(&log);
    growth.verify(&known).unwrap();
    assert_eq!(codec::decode(&codec::encode(&growth)), Ok(growth.clone()));

    let (mut other, mut rewritten) = filled(4);
    for at in [7, 5] {
        rewritten.append(&event(at), |changes| other.commit(changes)).unwrap();
    }
    assert!(matches!(grown(&rewritten).verify(&known), Err(GrowthError::Rewritten(_))));
    let refusal = |change: fn(&mut Growth)| {
        let mut growth = growth.clone();
        change(&mut growth);
        growth.verify(&known).unwrap_err()
    };
    assert!(matches!(refusal(|it| it.checkpoint.terms.gateway = key(7).public_key()), GrowthError::OtherLog { .. }));
    assert!(matches!(refusal(|it| it.checkpoint.terms.size = 7), GrowthError::Checkpoint(_)));
    assert!(matches!(refusal(|it| it.proof.old_size = 4), GrowthError::OtherSizes { old: 4, new: 6 }));
}

#[test]
fn a_receipt_needs_both_signatures() {
    let first = receipt(1, Hash::ZERO);
    let second = receipt(1, first.hash());
    second.verify().unwrap();
    assert_eq!(second.previous, first.hash());
    assert_ne!(first.hash(), second.hash());
    let changed = ReadReceipt { terms: ReceiptTerms { bytes: 1, ..first.terms }, ..first.clone() };
    assert!(matches!(changed.verify(), Err(ReceiptError::Reader)));
    let moved = ReadReceipt { previous: sha256(b"elsewhere"), ..first.clone() };
    assert!(matches!(moved.verify(), Err(ReceiptError::Gateway)));
    let unsigned = ReadReceipt::countersign(first.terms, first.gateway_signature, Hash::ZERO, &key(8), &[0; 32]);
    assert!(matches!(unsigned, Err(ReceiptError::Reader)));
    let elsewhere = ReadReceipt::countersign(first.terms, first.reader_signature, Hash::ZERO, &key(7), &[0; 32]);
    assert!(matches!(elsewhere, Err(ReceiptError::OtherGateway { .. })));
}

#[test]
fn the_longest_event_fits_its_limit() {
    let rule = "ü".repeat(200);
    let event = access(0, u32::MAX, Outcome::deny(&rule));
    assert_eq!(codec::decode::<AuditEvent>(&codec::encode(&event)), Ok(event));
    let receipt = AuditEvent::Receipt(receipt(1, Hash::ZERO));
    assert!(codec::encode(&receipt).len() < AuditEvent::MAX_BYTES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_log_only_grows(count in 1_u32..60, old in 0_u64..60, index in 0_u64..60) {
        let (_, log) = filled(count);
        let leaf = |at: u32| merkle::leaf_hash(&codec::encode(&event(at)));
        let leaves: Vec<Hash> = (0..count).map(leaf).collect();
        let roots: Vec<Hash> = (0..=count as usize).map(|size| merkle::root_of_hashes(&leaves[..size])).collect();
        let size = log.size();
        match log.consistency_proof(old, size) {
            Some(proof) => {
                prop_assert!(old <= size);
                prop_assert_eq!(proof.verify(&roots[old as usize], &roots[size as usize]), Ok(()));
            }
            None => prop_assert!(old > size),
        }
        match log.inclusion_proof(index, size) {
            Some(proof) => prop_assert_eq!(proof.verify(&leaves[index as usize], &log.root()), Ok(())),
            None => prop_assert!(index >= size),
        }
        prop_assert_eq!(log.consistency_proof(0, size + 1), None);
    }
}
