//! Looking on while a run goes on: for measurements.

use health_chain::{application::node::SteppedNode, data::Transaction};

/// Sees what happens in a run, and changes nothing.
pub trait Watcher {
    /// Somebody has signed a transaction, `millis` after the run's beginning, and is about to offer it to a node.
    fn signed(&mut self, millis: u64, signed: &Signed<'_>);

    /// An honest node has had a turn.
    fn turned(&mut self, millis: u64, node: usize, at: &SteppedNode);
}

/// A transaction, and for whom it matters.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The transaction.
    pub transaction: &'a Transaction,
    /// The node that its signer uses.
    pub home: usize,
    /// The node whose gateway keeps the record that it is about; none if it is a payment.
    pub gateway: Option<usize>,
}
