//! The other side of the desk: asking a gateway.

use health_chain_data::{
    Hash, Signature, Transaction,
    codec::{self, CodecError, Wire},
    sha256,
};
use health_chain_network::PeerId;
use thiserror::Error;

use super::{About, Opened, Request, Response};
use crate::{
    audit::{Answer, Checkpoint, GrowthError, ReadReceipt, ReceiptTerms},
    authorize::AccessRequest,
    node::{AskError, Node},
};

/// A gateway as seen from a node that is connected to it.
#[derive(Debug)]
pub struct GatewayClient<'a> {
    node: &'a Node,
    gateway: PeerId,
}

/// Why a gateway did not give what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There was no answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The gateway refuses.
    #[error("refused by rule {rule}: {reason}")]
    Refused {
        /// The rule's name.
        rule: String,
        /// What the rule says.
        reason: String,
    },
    /// The answer does not decode.
    #[error("the gateway's answer is malformed")]
    Malformed(#[from] CodecError),
    /// The answer is one to another question.
    #[error("the gateway's answer is not one to the question")]
    OtherAnswer,
    /// What came in pieces is not what was asked for.
    #[error("what was fetched is not what was asked for")]
    OtherContent,
    /// The gateway's audit log is not proven to begin with what it was.
    #[error(transparent)]
    Growth(#[from] GrowthError),
    /// What comes in pieces is longer than agreed.
    #[error("{length} bytes are offered, where at most {limit} were expected")]
    TooLong {
        /// The length offered.
        length: u64,
        /// The most expected.
        limit: u64,
    },
}

impl<'a> GatewayClient<'a> {
    /// The gateway `gateway`, to which `node` is connected.
    pub const fn new(node: &'a Node, gateway: PeerId) -> Self {
        Self { node, gateway }
    }

    /// Which gateway it is, and where it stands.
    ///
    /// # Errors
    /// Where there is no usable answer.
    pub fn about(&self) -> Result<About, ClientError> {
        match self.ask(&Request::About)? {
            Response::About(about) => Ok(about),
            _ => Err(ClientError::OtherAnswer),
        }
    }

    /// Collects a message of this hash and of at most `limit` bytes.
    ///
    /// # Errors
    /// Where the gateway refuses, or what it gives has another hash or is too long.
    pub fn collect(&self, message: Hash, limit: u64) -> Result<Vec<u8>, ClientError> {
        let bytes = self.pieces(limit, |offset| Request::Collect { message, offset })?;
        if sha256(&bytes) == message { Ok(bytes) } else { Err(ClientError::OtherContent) }
    }

    /// Leaves a letter for the gateway's owner.
    ///
    /// # Errors
    /// Where the gateway refuses.
    pub fn send_letter(&self, letter: &impl Wire) -> Result<(), ClientError> {
        self.taken(&Request::Letter(codec::encode(letter)))
    }

    /// Asks for leave to read.
    ///
    /// # Errors
    /// Where the gateway refuses: the rule is that of [`crate::authorize::Denial`]. Where it opens another object: a receipt for that one would
    /// have the reader say that it read what it never asked for.
    pub fn open(&self, request: AccessRequest) -> Result<Opened, ClientError> {
        match self.ask(&Request::Open(request))? {
            Response::Opened(opened) if opened.object == request.access.object => Ok(opened),
            _ => Err(ClientError::OtherAnswer),
        }
    }

    /// Fetches the sealed bytes of what was opened. They are checked against the chain when they are opened.
    ///
    /// # Errors
    /// Where the gateway refuses, be it half way.
    pub fn read(&self, opened: &Opened) -> Result<Vec<u8>, ClientError> {
        let session = opened.session;
        self.pieces(opened.content.length, |offset| Request::Read { session, offset })
    }

    /// Confirms what was read, and returns the receipt that both sides have signed.
    ///
    /// # Errors
    /// Where the gateway refuses, or returns another receipt, or one that it has not signed.
    pub fn confirm(
        &self,
        opened: &Opened,
        terms: ReceiptTerms,
        signature: Signature,
    ) -> Result<ReadReceipt, ClientError> {
        match self.ask(&Request::Confirm { session: opened.session, terms, signature })? {
            Response::Receipt(receipt)
                if (receipt.terms, receipt.reader_signature) == (terms, signature) && receipt.verify().is_ok() =>
            {
                Ok(*receipt)
            }
            _ => Err(ClientError::OtherAnswer),
        }
    }

    /// Pushes a withdrawal of consent. When this returns, the gateway has it for good.
    ///
    /// # Errors
    /// Where the gateway refuses.
    pub fn withdraw(&self, transaction: &Transaction) -> Result<(), ClientError> {
        self.taken(&Request::withdraw(transaction))
    }

    /// Who has read the object, from event `from` of the gateway's log on. To be verified ([`Answer::verify`]).
    ///
    /// # Errors
    /// Where the gateway refuses, or answers about another object.
    pub fn history(&self, request: AccessRequest, from: u64) -> Result<Answer, ClientError> {
        match self.ask(&Request::History { request, from })? {
            Response::History(answer) if answer.object == request.access.object => Ok(*answer),
            _ => Err(ClientError::OtherAnswer),
        }
    }

    /// The state of the gateway's audit log now, proven to begin with what it was at `known`, a checkpoint that has been verified. Who keeps the
    /// last checkpoint and asks now and then notices when a gateway rewrites what it wrote down.
    ///
    /// # Errors
    /// Where the gateway refuses, or its answer proves nothing.
    pub fn growth(&self, known: &Checkpoint) -> Result<Checkpoint, ClientError> {
        match self.ask(&Request::Growth { size: known.terms.size })? {
            Response::Growth(growth) => {
                growth.verify(known)?;
                Ok(growth.checkpoint)
            }
            _ => Err(ClientError::OtherAnswer),
        }
    }

    fn taken(&self, request: &Request) -> Result<(), ClientError> {
        match self.ask(request)? {
            Response::Taken => Ok(()),
            _ => Err(ClientError::OtherAnswer),
        }
    }

    fn pieces(&self, limit: u64, request: impl Fn(u64) -> Request) -> Result<Vec<u8>, ClientError> {
        let mut whole = Vec::new();
        loop {
            let Response::Piece { length, bytes } = self.ask(&request(whole.len() as u64))? else {
                return Err(ClientError::OtherAnswer);
            };
            if length > limit {
                return Err(ClientError::TooLong { length, limit });
            }
            whole.extend_from_slice(&bytes);
            match (whole.len() as u64).cmp(&length) {
                std::cmp::Ordering::Equal => return Ok(whole),
                std::cmp::Ordering::Less if !bytes.is_empty() => {}
                _ => return Err(ClientError::OtherContent),
            }
        }
    }

    fn ask(&self, request: &Request) -> Result<Response, ClientError> {
        let answer = self.node.ask(self.gateway, codec::encode(request))?;
        match codec::decode(&answer)? {
            Response::Refused { rule, reason } => Err(ClientError::Refused { rule, reason }),
            answer => Ok(answer),
        }
    }
}
