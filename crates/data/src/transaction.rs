//! Transactions by kind: inputs, outputs, a payload, and witnesses that no identifier depends on.

use alloc::{collections::BTreeSet, vec::Vec};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    codec::{self, Wire},
    hash::{ChainId, Hash, TxId, tagged_hash},
    limits::{MAX_INPUTS, MAX_LOCK_BYTES, MAX_OUTPUTS, MAX_PAYLOAD_BYTES, MAX_TRANSACTION_BYTES, MAX_WITNESS_ITEMS},
    units::Amount,
};

/// The one transaction version of this protocol.
pub const TRANSACTION_VERSION: u32 = 1;

/// Decides which rules apply to a transaction (paper 2.1: "the type field tells the miner which rules to verify by").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Kind(pub u16);

impl Kind {
    /// Carries the genesis document; only ever the single transaction of a genesis block.
    pub const GENESIS: Self = Self(0);
    /// Pays the miner; only ever the first transaction of a block.
    pub const COINBASE: Self = Self(1);
}

/// Names a token: one per fiat currency, assigned by the genesis document.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TokenId(pub u32);

/// Names one output of one transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct OutPoint {
    /// The transaction that made the output.
    pub transaction: TxId,
    /// Its position among that transaction's outputs.
    pub index: u32,
}

/// Spends an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Input {
    /// The output spent.
    pub previous: OutPoint,
    /// Relative lock and finality flag, as in Bitcoin (BIP68); [`Input::FINAL`] asks for neither.
    pub sequence: u32,
}

impl Input {
    /// The sequence of an input that asks for no lock.
    pub const FINAL: u32 = u32::MAX;
}

/// The condition for spending an output: a script, read by the contract layer only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Lock(#[serde(with = "codec::bytes")] pub Vec<u8>);

/// An amount of one token under a lock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Output {
    /// Which token.
    pub token: TokenId,
    /// How much of it, in minor units.
    pub amount: Amount,
    /// Who may spend it.
    pub lock: Lock,
}

/// One item of a witness.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WitnessItem(#[serde(with = "codec::bytes")] pub Vec<u8>);

/// What satisfies the lock of one input: the stack its script starts with, bottom first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Witness(#[serde(deserialize_with = "codec::at_most::<MAX_WITNESS_ITEMS, _, _>")] pub Vec<WitnessItem>);

impl Witness {
    /// A witness of these items, bottom first.
    pub fn new<I: Into<Vec<u8>>>(items: impl IntoIterator<Item = I>) -> Self {
        Self(items.into_iter().map(|item| WitnessItem(item.into())).collect())
    }
}

/// A transaction. Its identifier covers everything but the witnesses, so nobody else can change it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Transaction {
    /// [`TRANSACTION_VERSION`].
    pub version: u32,
    /// Which rules apply.
    pub kind: Kind,
    /// Outputs spent.
    #[serde(deserialize_with = "codec::at_most::<MAX_INPUTS, _, _>")]
    pub inputs: Vec<Input>,
    /// Outputs made.
    #[serde(deserialize_with = "codec::at_most::<MAX_OUTPUTS, _, _>")]
    pub outputs: Vec<Output>,
    /// What the kind's program reads.
    #[serde(with = "codec::bytes")]
    pub payload: Vec<u8>,
    /// The transaction may enter a block whose height (values below 500,000,000) or median time past is above this, as in
    /// Bitcoin; 0 for any block.
    pub lock_time: u32,
    /// One witness per input, in their order.
    #[serde(deserialize_with = "codec::at_most::<MAX_INPUTS, _, _>")]
    pub witnesses: Vec<Witness>,
}

impl Wire for Transaction {
    const MAX_BYTES: usize = MAX_TRANSACTION_BYTES;
}

/// What the identifier covers, in the order of the encoding.
#[derive(Serialize)]
struct Identified<'a> {
    version: u32,
    kind: Kind,
    inputs: &'a [Input],
    outputs: &'a [Output],
    #[serde(with = "codec::bytes")]
    payload: &'a [u8],
    lock_time: u32,
}

impl Transaction {
    /// A transaction of `kind` that spends and makes nothing yet.
    pub const fn new(kind: Kind, payload: Vec<u8>) -> Self {
        Self {
            version: TRANSACTION_VERSION,
            kind,
            inputs: Vec::new(),
            outputs: Vec::new(),
            payload,
            lock_time: 0,
            witnesses: Vec::new(),
        }
    }

    /// `TH("HC/tx/v1", everything but the witnesses)`.
    pub fn id(&self) -> TxId {
        let identified = Identified {
            version: self.version,
            kind: self.kind,
            inputs: &self.inputs,
            outputs: &self.outputs,
            payload: &self.payload,
            lock_time: self.lock_time,
        };
        TxId(tagged_hash("HC/tx/v1", &[&codec::encode(&identified)]))
    }

    /// Checks the rules that need nothing but the transaction itself.
    ///
    /// # Errors
    /// The first rule of [`TransactionError`] that it breaks.
    pub fn check(&self) -> Result<(), TransactionError> {
        if self.version != TRANSACTION_VERSION {
            return Err(TransactionError::Version { found: self.version });
        }
        at_most(self.inputs.len(), MAX_INPUTS).map_err(|count| TransactionError::TooManyInputs { count })?;
        at_most(self.outputs.len(), MAX_OUTPUTS).map_err(|count| TransactionError::TooManyOutputs { count })?;
        at_most(self.payload.len(), MAX_PAYLOAD_BYTES).map_err(|bytes| TransactionError::PayloadTooLong { bytes })?;
        if self.witnesses.len() != self.inputs.len() {
            return Err(TransactionError::WitnessCount { inputs: self.inputs.len(), witnesses: self.witnesses.len() });
        }
        for (index, witness) in self.witnesses.iter().enumerate() {
            at_most(witness.0.len(), MAX_WITNESS_ITEMS)
                .map_err(|count| TransactionError::TooManyWitnessItems { index, count })?;
        }
        for (index, output) in self.outputs.iter().enumerate() {
            at_most(output.lock.0.len(), MAX_LOCK_BYTES)
                .map_err(|bytes| TransactionError::LockTooLong { index, bytes })?;
            if output.amount == Amount::ZERO {
                return Err(TransactionError::ZeroAmount { index });
            }
        }
        let mut spent = BTreeSet::new();
        match self.inputs.iter().find(|input| !spent.insert(input.previous)) {
            Some(input) => Err(TransactionError::DuplicateInput { previous: input.previous }),
            None => Ok(()),
        }
    }
}

const fn at_most(found: usize, limit: usize) -> Result<(), usize> {
    if found > limit { Err(found) } else { Ok(()) }
}

/// Hash of all outputs that a transaction spends, computed once and shared by the signature hashes of its inputs.
pub fn spent_outputs_hash(spent: &[Output]) -> Hash {
    tagged_hash("HC/spent/v1", &[&codec::encode(spent)])
}

/// The message that a spending signature signs:
/// `TH("HC/spend/v1", chain_id || txid || spent_outputs_hash || input index (u32 LE) || script code)`.
///
/// The txid stands for the transaction's parts, since it commits to all of them but the witnesses; each
/// input thus costs a hash of constant length beyond its script code.
pub fn spend_hash(chain: &ChainId, id: &TxId, spent_outputs: &Hash, input_index: u32, script_code: &[u8]) -> Hash {
    let index = input_index.to_le_bytes();
    tagged_hash("HC/spend/v1", &[chain.as_bytes(), id.as_bytes(), spent_outputs.as_bytes(), &index, script_code])
}

/// A rule that a transaction breaks by itself, whatever the chain's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// An unknown version.
    #[error("transaction version {found} is unknown")]
    Version {
        /// The version given.
        found: u32,
    },
    /// More than [`MAX_INPUTS`] inputs.
    #[error("{count} inputs, where at most {MAX_INPUTS} are allowed")]
    TooManyInputs {
        /// How many.
        count: usize,
    },
    /// More than [`MAX_OUTPUTS`] outputs.
    #[error("{count} outputs, where at most {MAX_OUTPUTS} are allowed")]
    TooManyOutputs {
        /// How many.
        count: usize,
    },
    /// More than [`MAX_PAYLOAD_BYTES`] of payload.
    #[error("payload of {bytes} bytes, where at most {MAX_PAYLOAD_BYTES} are allowed")]
    PayloadTooLong {
        /// How long.
        bytes: usize,
    },
    /// Not one witness per input.
    #[error("{witnesses} witnesses for {inputs} inputs")]
    WitnessCount {
        /// Inputs of the transaction.
        inputs: usize,
        /// Witnesses of the transaction.
        witnesses: usize,
    },
    /// More than [`MAX_WITNESS_ITEMS`] items in one witness.
    #[error("witness {index} has {count} items, where at most {MAX_WITNESS_ITEMS} are allowed")]
    TooManyWitnessItems {
        /// Which witness.
        index: usize,
        /// How many items.
        count: usize,
    },
    /// More than [`MAX_LOCK_BYTES`] of lock script.
    #[error("lock of output {index} has {bytes} bytes, where at most {MAX_LOCK_BYTES} are allowed")]
    LockTooLong {
        /// Which output.
        index: usize,
        /// How long.
        bytes: usize,
    },
    /// An output of nothing.
    #[error("output {index} carries no amount")]
    ZeroAmount {
        /// Which output.
        index: usize,
    },
    /// The same output spent twice.
    #[error("input {previous:?} occurs twice")]
    DuplicateInput {
        /// The output.
        previous: OutPoint,
    },
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn spending(index: u32) -> Input {
        Input { previous: OutPoint { transaction: TxId::default(), index }, sequence: Input::FINAL }
    }

    fn sample() -> Transaction {
        let mut transaction = Transaction::new(Kind(2), vec![1, 2, 3]);
        transaction.inputs = vec![spending(0), spending(1)];
        transaction.witnesses = vec![Witness::new([[9_u8; 64]]), Witness::default()];
        transaction.outputs = vec![Output { token: TokenId(1), amount: Amount(5), lock: Lock(vec![7; 34]) }];
        transaction
    }

    #[test]
    fn witnesses_do_not_change_the_id() {
        let mut other = sample();
        other.witnesses[1] = Witness::new([b"anything"]);
        assert_eq!(other.id(), sample().id());
        other.lock_time = 1;
        assert_ne!(other.id(), sample().id());
    }

    #[test]
    fn bytes_read_back() {
        assert_eq!(codec::decode::<Transaction>(&codec::encode(&sample())), Ok(sample()));
    }

    #[test]
    fn each_rule_has_its_refusal() {
        let refusal = |change: fn(&mut Transaction)| {
            let mut transaction = sample();
            change(&mut transaction);
            transaction.check().unwrap_err()
        };
        assert_eq!(sample().check(), Ok(()));
        assert_eq!(refusal(|t| t.version = 2), TransactionError::Version { found: 2 });
        assert_eq!(
            refusal(|t| t.inputs = vec![spending(0); MAX_INPUTS + 1]),
            TransactionError::TooManyInputs { count: MAX_INPUTS + 1 }
        );
        assert_eq!(
            refusal(|t| t.outputs = vec![t.outputs[0].clone(); MAX_OUTPUTS + 1]),
            TransactionError::TooManyOutputs { count: MAX_OUTPUTS + 1 }
        );
        assert_eq!(
            refusal(|t| t.payload = vec![0; MAX_PAYLOAD_BYTES + 1]),
            TransactionError::PayloadTooLong { bytes: MAX_PAYLOAD_BYTES + 1 }
        );
        assert_eq!(refusal(|t| drop(t.witnesses.pop())), TransactionError::WitnessCount { inputs: 2, witnesses: 1 });
        assert_eq!(
            refusal(|t| t.witnesses[0] = Witness::new(vec![[0_u8; 1]; MAX_WITNESS_ITEMS + 1])),
            TransactionError::TooManyWitnessItems { index: 0, count: MAX_WITNESS_ITEMS + 1 }
        );
        assert_eq!(
            refusal(|t| t.outputs[0].lock = Lock(vec![0; MAX_LOCK_BYTES + 1])),
            TransactionError::LockTooLong { index: 0, bytes: MAX_LOCK_BYTES + 1 }
        );
        assert_eq!(refusal(|t| t.outputs[0].amount = Amount::ZERO), TransactionError::ZeroAmount { index: 0 });
        assert_eq!(
            refusal(|t| t.inputs[1] = t.inputs[0]),
            TransactionError::DuplicateInput { previous: spending(0).previous }
        );
    }
}
