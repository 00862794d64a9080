//! The suite of [`Executor`].

use health_chain::{
    consensus::ports::Executor,
    data::{Genesis, Transaction, state::MemoryStore},
};

use super::effects::{accepted, blames_nobody, context, refused};

/// Checks an executor: from `genesis` on it applies `sound`, one after the other, and then refuses each of `unsound`. An
/// implementation must
///
/// - give equal results for equal inputs, and write state tables only;
/// - apply a transaction whole or not at all: what it refuses leaves neither writes nor claims;
/// - name the rule where it refuses, and blame no transaction for a store that fails.
///
/// # Panics
/// With the rule that the executor breaks.
pub fn executor(executor: &dyn Executor, genesis: &Genesis, sound: &[Transaction], unsound: &[Transaction]) {
    let context = context(genesis);
    let mut store = MemoryStore::default();
    accepted(&mut store, |state, _| executor.genesis(state, genesis));
    for transaction in sound {
        blames_nobody(|state, claims| executor.apply(state, transaction, &context, claims));
        accepted(&mut store, |state, claims| executor.apply(state, transaction, &context, claims));
    }
    for transaction in unsound {
        let attempt = refused(&store, |state, claims| executor.apply(state, transaction, &context, claims));
        assert_eq!(attempt.claims, [], "what is refused claims nothing");
    }
}
