//! What every seam that writes state has to keep.

use std::fmt::Debug;

use health_chain::{
    consensus::ports::{BlockContext, ExecuteError},
    data::{
        Genesis, Height,
        ports::{ChainStore, SignatureClaim, StateView, StoreError},
        state::{Changes, MemoryStore, Overlay, Table},
    },
};

/// A store that fails whenever it is asked.
pub(super) struct Broken;

impl StateView for Broken {
    fn get(&self, table: Table, _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Err(StoreError::Damaged { table })
    }

    fn scan(&self, table: Table, _: &[u8], _: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        Err(StoreError::Damaged { table })
    }
}

/// What one attempt has left behind.
pub(super) struct Attempt<R> {
    pub(super) outcome: Result<R, ExecuteError>,
    pub(super) changes: Changes,
    pub(super) claims: Vec<SignatureClaim>,
}

/// The first block on top of genesis.
pub(super) fn context(genesis: &Genesis) -> BlockContext {
    let median_time_past = genesis.block().header.time;
    BlockContext { chain: genesis.chain_id(), height: Height(1), median_time_past }
}

pub(super) fn attempt<R>(
    base: &dyn StateView,
    run: impl Fn(&mut Overlay<'_>, &mut Vec<SignatureClaim>) -> Result<R, ExecuteError>,
) -> Attempt<R> {
    let (mut state, mut claims) = (Overlay::new(base), Vec::new());
    let outcome = run(&mut state, &mut claims);
    Attempt { outcome, changes: state.into_changes().expect("an overlay that was only written to"), claims }
}

/// Runs what must be accepted: twice alike, in state tables only, and so that it can be undone. Then commits it.
pub(super) fn accepted<R: PartialEq + Debug>(
    store: &mut MemoryStore,
    run: impl Fn(&mut Overlay<'_>, &mut Vec<SignatureClaim>) -> Result<R, ExecuteError>,
) -> Attempt<R> {
    let (first, again) = (attempt(store, &run), attempt(store, &run));
    let effect = first.outcome.as_ref().expect("what is sound is accepted");
    assert_eq!(Some(effect), again.outcome.as_ref().ok(), "equal inputs have equal effects");
    assert!(first.changes == again.changes && first.claims == again.claims, "equal inputs write and claim the same");
    assert!(first.changes.iter().all(|(table, ..)| table.is_state()), "a node's own tables are not written");
    let before = store.clone();
    let undo = first.changes.undo(store).expect("memory does not fail");
    store.commit(&first.changes).expect("memory does not fail");
    let mut undone = store.clone();
    undone.commit(&undo).expect("memory does not fail");
    assert!(undone == before, "undoing leads back to the same state, bit by bit");
    first
}

/// The store of another node: what belongs to the node itself is not what it is here.
pub(super) fn elsewhere() -> MemoryStore {
    let (mut store, mut own) = (MemoryStore::default(), Changes::default());
    (0..Table::FIRST_STATE.0).for_each(|table| own.put(Table(table), *b"another node's", *b"own"));
    store.commit(&own).expect("memory does not fail");
    store
}

/// Runs at another node what was accepted here, with the same outcome. Then commits it there.
pub(super) fn accepted_elsewhere<R: PartialEq + Debug>(
    there: &mut MemoryStore,
    here: &Attempt<R>,
    run: impl Fn(&mut Overlay<'_>, &mut Vec<SignatureClaim>) -> Result<R, ExecuteError>,
) {
    let attempt = attempt(there, run);
    assert_eq!(here.outcome.as_ref().ok(), attempt.outcome.as_ref().ok(), "another node comes to the same effect");
    assert!(here.changes == attempt.changes, "another node writes the same");
    assert!(here.claims == attempt.claims, "another node claims the same");
    there.commit(&attempt.changes).expect("memory does not fail");
}

/// Runs what must be refused: by the same rule each time, and without a trace.
pub(super) fn refused<R: Debug>(
    store: &MemoryStore,
    run: impl Fn(&mut Overlay<'_>, &mut Vec<SignatureClaim>) -> Result<R, ExecuteError>,
) -> Attempt<R> {
    let rule = || {
        let attempt = attempt(store, &run);
        assert!(attempt.changes.is_empty(), "what is refused writes nothing");
        match &attempt.outcome {
            Err(ExecuteError::Rejected(rejection)) => {
                assert!(!rejection.rule.is_empty(), "a rule has a name");
                (rejection.rule, attempt)
            }
            other => panic!("what breaks a rule is refused by a rule: {other:?}"),
        }
    };
    let ((first, _), (again, attempt)) = (rule(), rule());
    assert_eq!(first, again, "the same thing breaks the same rule");
    attempt
}

/// Runs on a store that fails: that is nobody's fault.
pub(super) fn blames_nobody<R: Debug>(
    run: impl Fn(&mut Overlay<'_>, &mut Vec<SignatureClaim>) -> Result<R, ExecuteError>,
) {
    let outcome = run(&mut Overlay::new(&Broken), &mut Vec::new());
    assert!(matches!(outcome, Ok(_) | Err(ExecuteError::Store(_))), "a failing store breaks no rule: {outcome:?}");
}
