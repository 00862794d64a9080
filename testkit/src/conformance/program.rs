//! The suite of [`Program`].

use std::{collections::BTreeSet, sync::Arc};

use health_chain::{
    contract::{limits::FIRST_PROGRAM_TABLE, ports::Program},
    data::{Genesis, Kind, Transaction, state::MemoryStore},
    incentive::kinds,
};

use super::effects::{Attempt, accepted, accepted_elsewhere, blames_nobody, context, elsewhere, refused};

/// Checks a program: from `genesis` on it applies the payloads of `sound`, one after the other, and then refuses each of
/// `unsound`; `make` makes another one that is alike. An implementation must
///
/// - claim kinds and tables of its own, and write no other tables;
/// - give equal results for equal inputs, and apply a payload whole or not at all;
/// - come to the same at another node, which was started again before each transaction and has other tables of its own;
/// - claim no more signatures than it announces, whatever the payload;
/// - refuse payloads that are none of its own by a rule, and blame none for a store that fails.
///
/// # Panics
/// With the rule that the program breaks.
pub fn program(make: impl Fn() -> Arc<dyn Program>, genesis: &Genesis, sound: &[Transaction], unsound: &[Transaction]) {
    program_after(&[], make, genesis, sound, unsound);
}

/// Like [`program`], for one that reads what `others` have written, which stand in front of it on a chain.
///
/// # Panics
/// With the rule that the program breaks.
pub fn program_after(
    others: &[&dyn Program],
    make: impl Fn() -> Arc<dyn Program>,
    genesis: &Genesis,
    sound: &[Transaction],
    unsound: &[Transaction],
) {
    let (made, context) = (make(), context(genesis));
    let program = &*made;
    claims_its_own(program);
    let (mut store, mut there) = (MemoryStore::default(), elsewhere());
    for other in others {
        let first = accepted(&mut store, |state, _| other.genesis(state, genesis));
        accepted_elsewhere(&mut there, &first, |state, _| other.genesis(state, genesis));
    }
    let first = accepted(&mut store, |state, _| program.genesis(state, genesis));
    writes_its_own(program, &first);
    accepted_elsewhere(&mut there, &first, |state, _| make().genesis(state, genesis));
    for transaction in sound {
        let id = transaction.id();
        assert!(program.kinds().contains(&transaction.kind), "a program is given its own kinds");
        blames_nobody(|state, claims| program.apply(state, transaction, &id, &context, claims));
        let attempt = accepted(&mut store, |state, claims| program.apply(state, transaction, &id, &context, claims));
        writes_its_own(program, &attempt);
        accepted_elsewhere(&mut there, &attempt, |state, claims| {
            make().apply(state, transaction, &id, &context, claims)
        });
        let announced = program.signature_checks(transaction) as usize;
        assert!(attempt.claims.len() <= announced, "no more signatures are claimed than announced");
    }
    for transaction in unsound {
        let id = transaction.id();
        refused(&store, |state, claims| program.apply(state, transaction, &id, &context, claims));
    }
    for kind in program.kinds() {
        for payload in [vec![], vec![0xff; 1], vec![0; 300], vec![0xff; 300], vec![0x80; 60_000]] {
            let transaction = Transaction::new(*kind, payload);
            let id = transaction.id();
            let attempt = refused(&store, |state, claims| program.apply(state, &transaction, &id, &context, claims));
            let announced = program.signature_checks(&transaction) as usize;
            assert!(attempt.claims.len() <= announced, "no more signatures are claimed than announced");
        }
    }
}

fn claims_its_own(program: &dyn Program) {
    assert!(!program.name().is_empty(), "a program has a name");
    let unique: BTreeSet<_> = program.kinds().iter().collect();
    assert_eq!(unique.len(), program.kinds().len(), "each kind once");
    for kind in program.kinds() {
        let reserved = [Kind::GENESIS, Kind::COINBASE].contains(kind) || kinds::ALL.contains(kind);
        assert!(!reserved, "{kind:?} belongs to a layer below");
    }
    assert!(program.tables().iter().all(|table| *table >= FIRST_PROGRAM_TABLE), "tables below belong to the ledger");
}

fn writes_its_own<R>(program: &dyn Program, attempt: &Attempt<R>) {
    let mut tables = attempt.changes.iter().map(|(table, ..)| table);
    assert!(tables.all(|table| program.tables().contains(&table)), "a program writes its own tables");
}
