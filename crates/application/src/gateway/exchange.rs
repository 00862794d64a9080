//! What applications on two nodes say to each other.

use health_chain_data::{
    ChainId, Hash, ObjectId, PublicKey, Signature, Transaction,
    codec::{self, CodecError, Wire},
    wrap::KeyWrap,
};
use serde::{Deserialize, Serialize};

use crate::{
    audit::{Answer, Checkpoint, Growth, ReadReceipt, ReceiptTerms},
    authorize::AccessRequest,
    limits::{MAX_ANSWERED_ENTRIES, MAX_EXCHANGE_BYTES, MAX_LETTER_BYTES},
    records::{Content, GatewayId},
};

/// Asked of a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Which gateway is this, and where does it stand?
    About,
    /// A piece of a message that waits here for whoever knows its hash. It is sealed to its addressee.
    Collect {
        /// SHA-256 of the message.
        message: Hash,
        /// Where the piece begins.
        offset: u64,
    },
    /// A letter to the node's owner, who reads it when it suits: a signed request for access, say.
    Letter(#[serde(with = "codec::bytes")] Vec<u8>),
    /// Leave to read an object.
    Open(AccessRequest),
    /// A piece of an object that was opened.
    Read {
        /// What [`Response::Opened`] said.
        session: Hash,
        /// Where the piece begins.
        offset: u64,
    },
    /// What was read has arrived.
    Confirm {
        /// What [`Response::Opened`] said.
        session: Hash,
        /// What the reader confirms.
        terms: ReceiptTerms,
        /// The reader's signature.
        signature: Signature,
    },
    /// A withdrawal of consent, pushed past the network: the encoded transaction. Once it is [`Response::Taken`], it is remembered
    /// for good.
    Withdraw(#[serde(with = "codec::bytes")] Vec<u8>),
    /// Who has read the object? Of the request's permission bits, the history's is needed; the owner has it.
    History {
        /// Signed by who asks.
        request: AccessRequest,
        /// Events of the log before this are known already.
        from: u64,
    },
    /// Does the audit log still begin with the events that it had?
    Growth {
        /// How many it had.
        size: u64,
    },
}

/// A node's answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Response {
    /// To [`Request::About`].
    About(About),
    /// A piece of a message or object.
    Piece {
        /// Length of the whole, in bytes.
        length: u64,
        /// The bytes from the offset asked for.
        #[serde(with = "codec::bytes")]
        bytes: Vec<u8>,
    },
    /// It was taken in, durably where that matters.
    Taken,
    /// To [`Request::Open`].
    Opened(Opened),
    /// To [`Request::Confirm`].
    Receipt(Box<ReadReceipt>),
    /// To [`Request::History`].
    History(Box<Answer>),
    /// It was refused.
    Refused {
        /// The rule's name.
        rule: String,
        /// What the rule says, for people.
        reason: String,
    },
    /// To [`Request::Growth`].
    Growth(Box<Growth>),
}

/// A gateway about itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct About {
    /// The chain it serves.
    pub chain: ChainId,
    /// Its id.
    pub gateway: GatewayId,
    /// The key with which it countersigns.
    pub key: PublicKey,
    /// Height of its tip.
    pub height: u32,
    /// Id of its tip.
    pub tip: Hash,
    /// Transactions that wait there.
    pub waiting: u32,
    /// Its signed word on its audit log.
    pub checkpoint: Checkpoint,
}

/// Leave to read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Opened {
    /// Names the leave in [`Request::Read`]. Good for the connection on which it was given.
    pub session: Hash,
    /// The object.
    pub object: ObjectId,
    /// What the chain knows of its sealed bytes.
    pub content: Content,
    /// The wrapped key that was stored with the grant; the owner needs none.
    pub wrap: Option<KeyWrap>,
}

impl Wire for Request {
    const MAX_BYTES: usize = MAX_EXCHANGE_BYTES;
}

impl Wire for Response {
    const MAX_BYTES: usize = MAX_EXCHANGE_BYTES;
}

const _: () = assert!(MAX_LETTER_BYTES < MAX_EXCHANGE_BYTES && MAX_ANSWERED_ENTRIES > 0);

impl Request {
    /// Pushes a withdrawal.
    pub fn withdraw(transaction: &Transaction) -> Self {
        Self::Withdraw(codec::encode(transaction))
    }

    /// Reads a request.
    ///
    /// # Errors
    /// Where the bytes are not one.
    pub fn read(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes)
    }
}
