//! The envelopes that peers exchange, in their one byte form: a frame is one encoded [`Message`].

use alloc::{string::String, vec::Vec};

use health_chain_data::{
    BlockId, ChainId, Hash, Header, Height, TxId,
    codec::{self, CodecError, Wire},
    limits::{MAX_BLOCK_BYTES, MAX_NAME_BYTES, MAX_TRANSACTION_BYTES},
};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{
    limits::{
        ITEMS_PER_MESSAGE, MAX_APP_BODY_BYTES, MAX_ENGINE_BYTES, MAX_FRAME_BYTES, MAX_HEADERS, MAX_ITEMS,
        MAX_LOCATOR_IDS, MAX_SHARED_ADDRESSES,
    },
    ports::{Address, Priority},
};

/// The version of this protocol. Nodes of different versions don't talk to each other.
pub const PROTOCOL_VERSION: u32 = 1;

/// What one peer says to another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Message {
    /// The first message of both sides.
    Hello(Hello),
    /// The other side's greeting was read and is in order. Everything else may follow once both sides have said so.
    Ready,
    /// These are here.
    Announce(#[serde(deserialize_with = "codec::at_most::<MAX_ITEMS, _, _>")] Vec<Item>),
    /// Send these.
    Request(#[serde(deserialize_with = "codec::at_most::<MAX_ITEMS, _, _>")] Vec<Item>),
    /// Of what was requested, these don't come: they are not here, or the answer was getting too long.
    NotFound(#[serde(deserialize_with = "codec::at_most::<MAX_ITEMS, _, _>")] Vec<Item>),
    /// Transactions, each encoded.
    Transactions(#[serde(deserialize_with = "codec::at_most::<MAX_ITEMS, _, _>")] Vec<EncodedTransaction>),
    /// An encoded block. It stays opaque here, except for its header.
    Block(
        #[serde(serialize_with = "codec::bytes::serialize", deserialize_with = "bytes_at_most::<MAX_BLOCK_BYTES, _>")]
        Vec<u8>,
    ),
    /// Send the headers of your best chain that follow the first id you know.
    GetHeaders {
        /// Ids from the newest to the oldest.
        #[serde(deserialize_with = "codec::at_most::<MAX_LOCATOR_IDS, _, _>")]
        locator: Vec<BlockId>,
    },
    /// Headers, lowest first. As many as [`MAX_HEADERS`] say that more follow.
    Headers(#[serde(deserialize_with = "codec::at_most::<MAX_HEADERS, _, _>")] Vec<Header>),
    /// Send addresses of other nodes.
    GetPeers,
    /// Addresses of other nodes.
    Peers(#[serde(deserialize_with = "codec::at_most::<MAX_SHARED_ADDRESSES, _, _>")] Vec<Address>),
    /// Are you there?
    Ping {
        /// Comes back in the answer.
        nonce: u64,
    },
    /// Yes.
    Pong {
        /// The ping's.
        nonce: u64,
    },
    /// A request between the applications of two nodes.
    AppRequest {
        /// Chosen by the asking side; comes back in the answer.
        id: u64,
        /// Read by the application only.
        #[serde(
            serialize_with = "codec::bytes::serialize",
            deserialize_with = "bytes_at_most::<MAX_APP_BODY_BYTES, _>"
        )]
        body: Vec<u8>,
    },
    /// The answer to an [`Message::AppRequest`].
    AppResponse {
        /// The request's.
        id: u64,
        /// Read by the application only.
        #[serde(
            serialize_with = "codec::bytes::serialize",
            deserialize_with = "bytes_at_most::<MAX_APP_BODY_BYTES, _>"
        )]
        body: Vec<u8>,
    },
    /// What one node's consensus engine says to the others', read by engines only.
    Engine(
        #[serde(serialize_with = "codec::bytes::serialize", deserialize_with = "bytes_at_most::<MAX_ENGINE_BYTES, _>")]
        Vec<u8>,
    ),
    /// These messages of engines are here, by SHA-256.
    EngineNames(#[serde(deserialize_with = "codec::at_most::<MAX_ITEMS, _, _>")] Vec<Hash>),
    /// Bring these messages of engines, and others from now on.
    EngineWanted(#[serde(deserialize_with = "codec::at_most::<MAX_ITEMS, _, _>")] Vec<Hash>),
    /// What other nodes' engines say is here before you bring it: name it only.
    EngineEnough,
}

/// The bytes of one transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EncodedTransaction(
    #[serde(
        serialize_with = "codec::bytes::serialize",
        deserialize_with = "bytes_at_most::<MAX_TRANSACTION_BYTES, _>"
    )]
    pub Vec<u8>,
);

/// Who greets, and where its chain stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`].
    pub version: u32,
    /// The network's name, as the genesis document gives it.
    #[serde(deserialize_with = "text_at_most::<MAX_NAME_BYTES, _>")]
    pub network: String,
    /// The chain.
    pub genesis: ChainId,
    /// The best chain's last block whose body is here.
    pub tip: BlockId,
    /// Its height.
    pub height: Height,
    /// Where the sender accepts connections, if it does.
    pub listen: Option<Address>,
    /// Random, one per start of a node: who reads its own nonce is talking to itself.
    pub nonce: u64,
}

/// Something that is announced and requested by its id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Item {
    /// A transaction that withdraws consent: requested and sent before everything else. That it is one is the sender's word,
    /// and decides about the order only.
    Revocation(TxId),
    /// A block.
    Block(BlockId),
    /// Any other transaction.
    Transaction(TxId),
}

impl Item {
    /// A transaction that was accepted with `priority`.
    pub const fn transaction(id: TxId, priority: Priority) -> Self {
        match priority {
            Priority::Revocation => Self::Revocation(id),
            Priority::Chain | Priority::Bulk => Self::Transaction(id),
        }
    }

    /// The id, whatever kind of thing it names.
    pub const fn hash(&self) -> Hash {
        match self {
            Self::Revocation(id) | Self::Transaction(id) => id.0,
            Self::Block(id) => id.0,
        }
    }

    /// When messages about this item leave.
    pub const fn priority(&self) -> Priority {
        match self {
            Self::Revocation(_) => Priority::Revocation,
            Self::Block(_) => Priority::Chain,
            Self::Transaction(_) => Priority::Bulk,
        }
    }
}

impl Wire for Message {
    const MAX_BYTES: usize = MAX_FRAME_BYTES;
}

impl Message {
    /// The frame.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// Where it is longer than [`MAX_FRAME_BYTES`], is not the canonical encoding of a message, or breaks the limit of a part.
    pub fn decode(frame: &[u8]) -> Result<Self, CodecError> {
        codec::decode(frame)
    }

    /// What it counts as in a budget.
    pub(crate) fn cost_messages(&self) -> usize {
        match self {
            Self::Announce(items) | Self::Request(items) | Self::NotFound(items) => 1 + items.len() / ITEMS_PER_MESSAGE,
            Self::EngineNames(names) | Self::EngineWanted(names) => 1 + names.len() / ITEMS_PER_MESSAGE,
            _ => 1,
        }
    }

    /// When it leaves, unless what it carries decides (which transactions are urgent does not stand in their bytes).
    pub fn priority(&self) -> Priority {
        match self {
            Self::Announce(items) | Self::Request(items) | Self::NotFound(items) => {
                items.iter().map(Item::priority).min().unwrap_or(Priority::Bulk)
            }
            Self::Hello(_)
            | Self::Ready
            | Self::Block(_)
            | Self::Engine(_)
            | Self::EngineNames(_)
            | Self::EngineWanted(_)
            | Self::EngineEnough
            | Self::GetHeaders { .. }
            | Self::Headers(_) => Priority::Chain,
            // Behind a large block on a slow link an answer would come too late.
            Self::Ping { .. } | Self::Pong { .. } => Priority::Revocation,
            Self::Transactions(_)
            | Self::GetPeers
            | Self::Peers(_)
            | Self::AppRequest { .. }
            | Self::AppResponse { .. } => Priority::Bulk,
        }
    }
}

/// The id of an encoded block, read from the header that it begins with.
pub(crate) fn block_id(bytes: &[u8]) -> Option<BlockId> {
    postcard::take_from_bytes::<Header>(bytes).ok().map(|(header, _)| header.id())
}

fn bytes_at_most<'de, const MAX: usize, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let bytes = codec::bytes::deserialize(deserializer)?;
    if bytes.len() > MAX { Err(de::Error::custom("bytes beyond their limit")) } else { Ok(bytes) }
}

/// Reads text of at most `MAX` bytes.
pub(crate) fn text_at_most<'de, const MAX: usize, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() > MAX { Err(de::Error::custom("text beyond its limit")) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn hello() -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            network: "test".into(),
            genesis: ChainId::default(),
            tip: BlockId::default(),
            height: Height(7),
            listen: Some(Address("a:1".into())),
            nonce: 9,
        }
    }

    #[test]
    fn a_maximal_block_and_a_maximal_body_fit() {
        let block = Message::Block(vec![1; MAX_BLOCK_BYTES]);
        assert_eq!(Message::decode(&block.encode()), Ok(block));
        let proposal = Message::Engine(vec![1; MAX_ENGINE_BYTES]);
        assert_eq!(Message::decode(&proposal.encode()), Ok(proposal));
        let body = Message::AppRequest { id: u64::MAX, body: vec![1; MAX_APP_BODY_BYTES] };
        assert_eq!(Message::decode(&body.encode()), Ok(body));
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused() {
        let max_bytes = MAX_FRAME_BYTES;
        let found_bytes = max_bytes + 1;
        assert_eq!(Message::decode(&vec![0; found_bytes]), Err(CodecError::TooLong { found_bytes, max_bytes }));
    }

    #[test]
    fn parts_beyond_their_limits_are_refused() {
        let long = |message: Message| assert_eq!(Message::decode(&message.encode()), Err(CodecError::OutOfRange));
        long(Message::Transactions(vec![EncodedTransaction(vec![0; MAX_TRANSACTION_BYTES + 1])]));
        long(Message::Transactions(vec![EncodedTransaction(vec![]); MAX_ITEMS + 1]));
        long(Message::Block(vec![0; MAX_BLOCK_BYTES + 1]));
        long(Message::Engine(vec![0; MAX_ENGINE_BYTES + 1]));
        long(Message::AppRequest { id: 1, body: vec![0; MAX_APP_BODY_BYTES + 1] });
        long(Message::AppResponse { id: 1, body: vec![0; MAX_APP_BODY_BYTES + 1] });
        let item = Item::Block(BlockId::default());
        long(Message::Announce(vec![item; MAX_ITEMS + 1]));
        long(Message::Request(vec![item; MAX_ITEMS + 1]));
        long(Message::NotFound(vec![item; MAX_ITEMS + 1]));
        long(Message::GetHeaders { locator: vec![BlockId::default(); MAX_LOCATOR_IDS + 1] });
        long(Message::Peers(vec![Address("a".into()); MAX_SHARED_ADDRESSES + 1]));
        long(Message::Peers(vec![Address("a".repeat(crate::limits::MAX_ADDRESS_BYTES + 1))]));
        long(Message::Hello(Hello { network: "n".repeat(MAX_NAME_BYTES + 1), ..hello() }));
    }

    #[test]
    fn what_is_not_a_message_is_refused() {
        assert_eq!(Message::decode(&[]), Err(CodecError::Malformed));
        assert_eq!(Message::decode(&[99]), Err(CodecError::OutOfRange), "no such message");
        let bytes = Message::Hello(hello()).encode();
        assert_eq!(Message::decode(&bytes[..bytes.len() - 1]), Err(CodecError::Malformed));
        assert_eq!(Message::decode(&[1, 0]), Err(CodecError::TrailingBytes { count: 1 }));
        assert_eq!(Message::decode(&[0x81, 0]), Err(CodecError::NotCanonical), "an over-long tag");
    }

    #[test]
    fn one_revocation_makes_an_announcement_urgent() {
        let revocation = Item::transaction(TxId::default(), Priority::Revocation);
        let other = Item::transaction(TxId::default(), Priority::Bulk);
        assert_eq!(Message::Announce(vec![other, revocation]).priority(), Priority::Revocation);
        assert_eq!(Message::Announce(vec![other]).priority(), Priority::Bulk);
    }
}
