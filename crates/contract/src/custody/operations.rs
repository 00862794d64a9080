//! What is signed about units, and how it becomes a transaction.

use alloc::{vec, vec::Vec};

use health_chain_data::{
    ChainId, Hash, Kind, PublicKey, Signature, Transaction,
    codec::{self, Wire},
    tagged_hash,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{ASSIGN, CONSUME, Code, Fate, HAND_OVER, MAKE, RECALL, SerialDigest, UnitId};
use crate::{
    limits::{MAX_CUSTODY_BYTES, MAX_CUSTODY_UNITS, MAX_MULTISIG_KEYS},
    quorum::SignerSignature,
};

/// What is signed about units. All that an operation says is signed, by every signer alike.
pub trait Operation: Serialize + DeserializeOwned {
    /// The kind of the transaction that carries it.
    const KIND: Kind;

    /// Who has to sign, in this order; nobody where the registrars do.
    fn signers(&self) -> Vec<PublicKey>;

    /// What they sign: `TH("HC/custody/v1", chain id || kind u16 || E(operation))`.
    fn message(&self, chain: &ChainId) -> Hash {
        let kind = Self::KIND.0.to_le_bytes();
        tagged_hash("HC/custody/v1", &[chain.as_bytes(), &kind, &codec::encode(self)])
    }

    /// The transaction, with a signature of each signer in their order. Whoever pays its fee adds inputs and outputs.
    fn transaction(&self, signatures: &[Signature]) -> Transaction {
        let of = |(signer, signature): (u8, &Signature)| SignerSignature { signer, signature: *signature };
        self.transaction_by(&(0..).zip(signatures).map(of).collect::<Vec<_>>())
    }

    /// The transaction, with the signatures of some of those who may sign: of as many registrars as their threshold says.
    fn transaction_by(&self, signatures: &[SignerSignature]) -> Transaction {
        Transaction::new(Self::KIND, codec::encode(&(self, signatures)))
    }
}

/// The registrars give a product to a maker: for the first time, or because its key is lost or the product sold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Assign {
    /// The product.
    pub product: Code,
    /// One more than the product's last, which starts at 0.
    pub step: u32,
    /// Who may make its units and recall them from now on.
    pub maker: PublicKey,
}

/// The maker makes units known, and holds them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Make {
    /// The product.
    pub product: Code,
    /// The lot.
    pub lot: Code,
    /// The maker.
    pub maker: PublicKey,
    /// The units' serial numbers, in strictly ascending order of their digests.
    #[serde(deserialize_with = "codec::at_most::<MAX_CUSTODY_UNITS, _, _>")]
    pub serials: Vec<SerialDigest>,
    /// Digest of the papers (a certificate of analysis, with the expiry date). What can be guessed needs a
    /// `health_chain_data::commitment`.
    pub document: Option<Hash>,
}

/// A unit and the number of the step that it takes, one more than its last; it is made at step 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Move {
    /// The unit.
    pub unit: UnitId,
    /// The number of the step.
    pub step: u32,
}

/// The holder gives units away, and the receiver takes them: both sign, so nobody is given what he did not take.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HandOver {
    /// The units, in strictly ascending order.
    #[serde(deserialize_with = "codec::at_most::<MAX_CUSTODY_UNITS, _, _>")]
    pub units: Vec<Move>,
    /// Who gives.
    pub giver: PublicKey,
    /// Who takes.
    pub receiver: PublicKey,
    /// Digest of the papers (a delivery note).
    pub document: Option<Hash>,
}

/// The holder ends units.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Consume {
    /// The units, in strictly ascending order.
    #[serde(deserialize_with = "codec::at_most::<MAX_CUSTODY_UNITS, _, _>")]
    pub units: Vec<Move>,
    /// Who holds them.
    pub holder: PublicKey,
    /// What becomes of them.
    pub fate: Fate,
    /// Digest of the papers (a dispensing record, a protocol of destruction).
    pub document: Option<Hash>,
}

/// The maker calls units back. Recalled units can be handed over, since they have to get back, and destroyed, and not used.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Recall {
    /// The maker.
    pub maker: PublicKey,
    /// Which units.
    pub scope: Scope,
    /// Digest of the papers (a field safety notice).
    pub document: Option<Hash>,
}

/// What a recall is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Scope {
    /// A whole lot.
    Lot {
        /// The product.
        product: Code,
        /// The lot.
        lot: Code,
    },
    /// Single units of the maker's products, in strictly ascending order.
    Units(#[serde(deserialize_with = "codec::at_most::<MAX_CUSTODY_UNITS, _, _>")] Vec<UnitId>),
}

impl Operation for Assign {
    const KIND: Kind = ASSIGN;

    fn signers(&self) -> Vec<PublicKey> {
        vec![]
    }
}

impl Operation for Make {
    const KIND: Kind = MAKE;

    fn signers(&self) -> Vec<PublicKey> {
        vec![self.maker]
    }
}

impl Operation for HandOver {
    const KIND: Kind = HAND_OVER;

    fn signers(&self) -> Vec<PublicKey> {
        vec![self.giver, self.receiver]
    }
}

impl Operation for Consume {
    const KIND: Kind = CONSUME;

    fn signers(&self) -> Vec<PublicKey> {
        vec![self.holder]
    }
}

impl Operation for Recall {
    const KIND: Kind = RECALL;

    fn signers(&self) -> Vec<PublicKey> {
        vec![self.maker]
    }
}

/// A payload: an operation and who signed it.
#[derive(Deserialize, Serialize)]
#[serde(bound(serialize = "O: Serialize", deserialize = "O: DeserializeOwned"))]
pub(super) struct Signed<O> {
    pub(super) operation: O,
    #[serde(deserialize_with = "codec::at_most::<MAX_MULTISIG_KEYS, _, _>")]
    pub(super) signatures: Vec<SignerSignature>,
}

impl<O: Operation> Wire for Signed<O> {
    const MAX_BYTES: usize = MAX_CUSTODY_BYTES;
}
