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

/// Makes types payloads of their kinds, within the limit of operations on objects and identities.
macro_rules! operations {
    ($($name:ident = $kind:ident),+ $(,)?) => {$(
        impl health_chain_data::codec::Wire for $name {
            const MAX_BYTES: usize = $crate::limits::MAX_OPERATION_BYTES;
        }

        impl $crate::payload::Payload for $name {
            const KIND: health_chain_data::Kind = $crate::kinds::$kind;
        }
    )+};
}
pub(crate) use operations;
