//! What the transactions of the pool are to others: how fast they travel, and whether they withdraw something. It is read from each
//! once, when it comes in. Their payloads hold keys, and to read a pool of them takes seconds.

use std::collections::{BTreeMap, BTreeSet};

use health_chain_data::{Millis, Transaction, TxId, codec};
use health_chain_incentive::mempool::Mempool;
use health_chain_network::Priority;

use crate::{
    authorize::DenySet,
    kinds::{GRANT, REVOKE, REVOKE_ALL},
    records::Grant,
};

/// The pool's transactions, in the order in which somebody who joins is told of them.
#[derive(Default)]
pub(super) struct Waiting {
    marks: BTreeMap<TxId, (Priority, Millis)>,
    order: BTreeSet<(Priority, Millis, TxId)>,
    withdrawals: BTreeSet<TxId>,
}

impl Waiting {
    /// Takes a transaction in that came at `received`.
    pub(super) fn add(&mut self, id: TxId, transaction: &Transaction, received: Millis) {
        let priority = priority(transaction);
        self.marks.insert(id, (priority, received));
        self.order.insert((priority, received, id));
        if DenySet::concerns(transaction) {
            self.withdrawals.insert(id);
        }
    }

    /// Forgets what has left the pool.
    pub(super) fn remove(&mut self, id: &TxId) {
        if let Some((priority, received)) = self.marks.remove(id) {
            self.order.remove(&(priority, received, *id));
            self.withdrawals.remove(id);
        }
    }

    /// Follows the pool to another tip.
    pub(super) fn follow(&mut self, pool: &Mempool) {
        let gone: Vec<TxId> = self.marks.keys().filter(|id| pool.entry(id).is_none()).copied().collect();
        gone.iter().for_each(|id| self.remove(id));
        if self.marks.len() < pool.len() {
            for (id, entry) in pool.iter() {
                if !self.marks.contains_key(id) {
                    self.add(*id, entry.transaction(), entry.received());
                }
            }
        }
    }

    /// The most urgent first, then the oldest.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (Priority, &TxId)> {
        self.order.iter().map(|(priority, _, id)| (*priority, id))
    }

    /// Those that withdraw something.
    pub(super) fn withdrawals(&self) -> impl Iterator<Item = &TxId> {
        self.withdrawals.iter()
    }
}

/// How fast a transaction travels: withdrawals of consent before everything else.
pub(super) fn priority(transaction: &Transaction) -> Priority {
    let withdraws = match transaction.kind {
        REVOKE | REVOKE_ALL => true,
        GRANT => codec::decode::<Grant>(&transaction.payload).is_ok_and(|grant| grant.terms.permissions.is_empty()),
        _ => false,
    };
    if withdraws { Priority::Revocation } else { Priority::Bulk }
}
