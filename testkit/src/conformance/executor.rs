//! The suite of [`Executor`].

use std::sync::Arc;

use health_chain::{
    consensus::ports::Executor,
    data::{Genesis, Transaction, state::MemoryStore},
};

use super::effects::{accepted, accepted_elsewhere, blames_nobody, context, elsewhere, refused};

/// Checks an executor: from `genesis` on it applies `sound`, one after the other, and then refuses each of `unsound`; `make` makes
/// another one that is alike. An implementation must
///
/// - give equal results for equal inputs, and write state tables only;
/// - come to the same at another node, which was started again before each transaction and has other tables of its own;
/// - apply a transaction whole or not at all: what it refuses leaves neither writes nor claims;
/// - name the rule where it refuses, and blame no transaction for a store that fails.
///
/// # Panics
/// With the rule that the executor breaks.
pub fn executor(
    make: impl Fn() -> Arc<dyn Executor>,
    genesis: &Genesis,
    sound: &[Transaction],
    unsound: &[Transaction],
) {
    let (executor, context) = (make(), context(genesis));
    let (mut store, mut there) = (MemoryStore::default(), elsewhere());
    let first = accepted(&mut store, |state, _| executor.genesis(state, genesis));
    accepted_elsewhere(&mut there, &first, |state, _| make().genesis(state, genesis));
    for transaction in sound {
        blames_nobody(|state, claims| executor.apply(state, transaction, &context, claims));
        let here = accepted(&mut store, |state, claims| executor.apply(state, transaction, &context, claims));
        accepted_elsewhere(&mut there, &here, |state, claims| make().apply(state, transaction, &context, claims));
    }
    for transaction in unsound {
        let attempt = refused(&store, |state, claims| executor.apply(state, transaction, &context, claims));
        assert_eq!(attempt.claims, [], "what is refused claims nothing");
    }
}
