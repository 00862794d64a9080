//! Payloads: what a transaction of one kind carries.

use health_chain_data::{
    Kind, Transaction,
    codec::{self, Wire},
};

/// The payload of one transaction kind.
pub trait Payload: Wire {
    /// The kind.
    const KIND: Kind;

    /// A transaction that carries this payload and moves nothing yet. Whoever pays its fee adds inputs and outputs; what the
    /// payload's signers signed does not depend on them.
    fn transaction(&self) -> Transaction {
        Transaction::new(Self::KIND, codec::encode(self))
    }
}
