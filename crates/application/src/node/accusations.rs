//! What this node can prove against others and the chain has not acted upon yet. Evidence that is refused today may be taken tomorrow: a
//! contradiction about an epoch that has not begun is nobody's yet, and room in the pool comes and goes.

use std::collections::BTreeMap;

use health_chain_consensus::{
    ports::{ExecuteError, Rejection},
    validators::AnswerError,
};
use health_chain_data::{
    PublicKey,
    ports::{StateView, StoreError},
    state::Changes,
};
use health_chain_incentive::{StakeError, mempool::MempoolError};

use super::SubmitError;
use crate::{council::CouncilError, limits::MAX_ACCUSATIONS, tables::ACCUSATIONS};

/// Evidence by offender, one for each: who is called to account answers once and for good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Accusations(BTreeMap<PublicKey, Vec<u8>>);

impl Accusations {
    /// What was left when the node was last up.
    pub(super) fn load(view: &dyn StateView) -> Result<Self, StoreError> {
        let mut found = BTreeMap::new();
        let mut is_damaged = false;
        view.scan(ACCUSATIONS, &[], &mut |key, evidence| {
            let offender = key.try_into().ok().and_then(|key| PublicKey::from_bytes(key).ok());
            is_damaged |= offender.is_none();
            found.extend(offender.map(|offender| (offender, evidence.to_vec())));
            !is_damaged
        })?;
        if is_damaged { Err(StoreError::Damaged { table: ACCUSATIONS }) } else { Ok(Self(found)) }
    }

    /// Keeps the first evidence against each offender, as long as there is room. Returns what the store is to learn.
    pub(super) fn keep(&mut self, offender: PublicKey, evidence: Vec<u8>) -> Changes {
        let mut changes = Changes::default();
        if self.0.len() < MAX_ACCUSATIONS && !self.0.contains_key(&offender) {
            changes.put(ACCUSATIONS, *offender.as_bytes(), evidence.clone());
            self.0.insert(offender, evidence);
        }
        changes
    }

    /// Nothing more comes of it. Returns what the store is to learn.
    pub(super) fn drop(&mut self, offender: &PublicKey) -> Changes {
        let mut changes = Changes::default();
        self.0.remove(offender);
        changes.delete(ACCUSATIONS, *offender.as_bytes());
        changes
    }

    pub(super) const fn all(&self) -> &BTreeMap<PublicKey, Vec<u8>> {
        &self.0
    }
}

/// Whether evidence that was refused like this may be taken at another tip.
pub(super) fn may_be_taken_later(error: &SubmitError) -> bool {
    match error {
        SubmitError::Transaction(MempoolError::Execute(ExecuteError::Rejected(Rejection { source, .. }))) => {
            let is_nobodys_yet = matches!(source.downcast_ref(), Some(AnswerError::NoValidator { .. }));
            let is_the_last = matches!(source.downcast_ref(), Some(CouncilError::LastSeat));
            is_nobodys_yet || is_the_last || matches!(source.downcast_ref(), Some(StakeError::NoBond { .. }))
        }
        SubmitError::Transaction(MempoolError::Execute(ExecuteError::Store(_))) | SubmitError::Store(_) => true,
        SubmitError::Transaction(error) => {
            matches!(error, MempoolError::Known | MempoolError::Full { .. } | MempoolError::ProtectedFull)
        }
        SubmitError::Block(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use health_chain_data::{SecretKey, ports::ChainStore, state::MemoryStore};

    use super::*;

    fn offender(number: u8) -> PublicKey {
        SecretKey::from_bytes(&[number; 32]).unwrap().public_key()
    }

    #[test]
    fn accusations_outlast_the_process_one_for_each_and_not_without_bound() {
        let (mut store, mut accusations) = (MemoryStore::default(), Accusations::default());
        for (number, evidence) in [(1, b"first"), (1, b"other"), (2, b"third")] {
            store.commit(&accusations.keep(offender(number), evidence.to_vec())).unwrap();
        }
        assert_eq!(Accusations::load(&store).unwrap(), accusations);
        assert_eq!(accusations.all()[&offender(1)], b"first");
        store.commit(&accusations.drop(&offender(1))).unwrap();
        assert_eq!(Accusations::load(&store).unwrap(), accusations);
        assert_eq!(accusations.all().keys().copied().collect::<Vec<_>>(), [offender(2)]);
        for number in 1..=200 {
            store.commit(&accusations.keep(offender(number), vec![number])).unwrap();
        }
        assert_eq!(accusations.all().len(), MAX_ACCUSATIONS);
        assert_eq!(Accusations::load(&store).unwrap(), accusations);

        let mut damage = Changes::default();
        damage.put(ACCUSATIONS, *b"nobody", *b"evidence");
        store.commit(&damage).unwrap();
        assert!(matches!(Accusations::load(&store), Err(StoreError::Damaged { table: ACCUSATIONS })));
    }
}
