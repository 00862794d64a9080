//! The gateway: serves sealed objects to those whom [`authorize`](crate::authorize::authorize) permits, writes every decision into the audit log before it acts
//! on it, and remembers every withdrawal that it has seen.
//!
//! [`Gateway`] is a [`Service`] of a node, and a handle for the node's owner at the same time: its clones are one gateway.

mod client;
mod desk;
mod exchange;
mod mailbox;
mod rate;

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use health_chain_consensus::Chain;
use health_chain_data::{
    Block, Hash, Millis, ObjectId, Transaction, codec,
    ports::{Signer, StoreError},
    sha256, tagged_hash,
    wrap::KeyWrap,
};
use health_chain_network::PeerId;

pub use self::client::{ClientError, GatewayClient};
use self::desk::Desk;
pub use self::exchange::{About, Opened, Request, Response};
use crate::{
    authorize::GatewayRules,
    node::Service,
    ports::{AccessPolicy, Entropy, ObjectError, ObjectName, ObjectStore, OwnerGrants},
    records::GatewayId,
};

/// Stands for a version where a wrapped key is kept: under its object and its commitment, beside the objects.
const WRAP_VERSION: u32 = u32::MAX;
/// Stands for a version where a message is kept until it is collected: under its hash, beside the objects.
const MESSAGE_VERSION: u32 = u32::MAX - 1;

/// What a gateway is made of.
pub struct GatewayParts {
    /// Countersigns receipts and checkpoints; its key is the gateway's identity.
    pub signer: Box<dyn Signer>,
    /// Where sealed objects are kept.
    pub objects: Arc<dyn ObjectStore>,
    /// How careful it is.
    pub rules: GatewayRules,
    /// The house's own rules.
    pub policy: Box<dyn AccessPolicy>,
    /// Names of sessions, and randomness of signatures.
    pub entropy: Box<dyn Entropy + Send>,
}

impl fmt::Debug for GatewayParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayParts")
            .field("key", &self.signer.public_key())
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// A gateway. Clones are handles of the same one.
#[derive(Clone)]
pub struct Gateway {
    id: GatewayId,
    objects: Arc<dyn ObjectStore>,
    desk: Arc<Mutex<Desk>>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway that has served nobody yet. What it must remember is read when its node opens the chain.
    pub fn new(parts: GatewayParts) -> Self {
        let id = GatewayId::of(&parts.signer.public_key());
        let objects = Arc::clone(&parts.objects);
        Self { id, objects, desk: Arc::new(Mutex::new(Desk::new(id, parts))) }
    }

    /// Which gateway this is.
    pub const fn id(&self) -> GatewayId {
        self.id
    }

    /// Where its objects are kept.
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// Keeps a wrapped key of `object` until the gateway hands it out with its grant.
    ///
    /// # Errors
    /// Where it can't be kept.
    pub fn keep_wrap(&self, object: &ObjectId, wrap: &KeyWrap) -> Result<(), ObjectError> {
        let name = wrap_name(object, &wrap.commitment());
        self.objects.put(&name, &mut codec::encode(wrap).as_slice()).map(drop)
    }

    /// Destroys a wrapped key whose grant has ended; says whether there was one. A reader whose key leaks later has then nothing to open with
    /// it.
    ///
    /// # Errors
    /// Where it can't be removed.
    pub fn forget_wrap(&self, object: &ObjectId, commitment: &Hash) -> Result<bool, ObjectError> {
        self.objects.delete(&wrap_name(object, commitment))
    }

    /// Keeps a sealed message until its addressee collects it; returns the hash to ask for.
    ///
    /// # Errors
    /// Where it can't be kept.
    pub fn keep_message(&self, message: &[u8]) -> Result<Hash, ObjectError> {
        let hash = sha256(message);
        self.objects.put(&message_name(&hash), &mut io::Cursor::new(message))?;
        Ok(hash)
    }

    /// Letters that have arrived since this was last asked, oldest first, each with its sender. What has been handed out is forgotten durably
    /// with the next answer that the gateway gives: where it dies before, it hands the same letters out again.
    pub fn take_letters(&self) -> Vec<(PeerId, Vec<u8>)> {
        self.desk().take_letters()
    }

    /// Blocks that a reorganisation took away which was so deep that nobody is served until somebody clears it; 0 for none.
    pub fn uncleared_reorganisation(&self) -> u32 {
        self.desk().uncleared_reorganisation()
    }

    /// Serves again after a deep reorganisation: somebody has looked at what it undid. Becomes durable with the next answer.
    pub fn clear_reorganisation(&self) {
        self.desk().clear_reorganisation();
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // What the desk holds is changed by whole steps only, so a panic of another holder leaves it sound.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a wrapped key of `object` with this commitment is kept. Commitments are on the chain for everybody to see: whoever puts another
/// record's into a grant of his own gets nothing for it.
pub(crate) fn wrap_name(object: &ObjectId, commitment: &Hash) -> ObjectName {
    let name = tagged_hash("HC/wrap-name/v1", &[object.as_bytes(), commitment.as_bytes()]);
    ObjectName { object: ObjectId(name), version: WRAP_VERSION }
}

/// Where a message with this hash is kept.
const fn message_name(hash: &Hash) -> ObjectName {
    ObjectName { object: ObjectId(*hash), version: MESSAGE_VERSION }
}

impl Service for Gateway {
    fn opened(&mut self, chain: &mut Chain) -> Result<(), StoreError> {
        self.desk().load(chain)
    }

    fn request(
        &mut self,
        now: Millis,
        chain: &mut Chain,
        waiting: usize,
        peer: &PeerId,
        body: &[u8],
    ) -> Option<Vec<u8>> {
        let answer = match Request::read(body) {
            Ok(request) => self.desk().answer(now, chain, waiting, peer, request),
            Err(error) => Response::Refused { rule: "exchange-encoding".into(), reason: error.to_string() },
        };
        Some(codec::encode(&answer))
    }

    fn saw_transaction(&mut self, chain: &mut Chain, transaction: &Transaction) -> Result<(), StoreError> {
        self.desk().saw(chain, transaction)
    }

    fn saw_block(&mut self, chain: &mut Chain, block: &Block) -> Result<(), StoreError> {
        self.desk().saw_block(chain, block)
    }

    fn took_block(&mut self, chain: &mut Chain) -> Result<(), StoreError> {
        self.desk().took_block(chain)
    }

    fn tip_moved(&mut self, chain: &mut Chain, disconnected: usize) -> Result<(), StoreError> {
        self.desk().tip_moved(chain, disconnected)
    }

    fn left(&mut self, peer: &PeerId) {
        self.desk().left(peer);
    }
}

impl GatewayParts {
    /// A gateway with the default rules that keeps its objects in `objects`.
    pub fn new(signer: Box<dyn Signer>, objects: Arc<dyn ObjectStore>, entropy: Box<dyn Entropy + Send>) -> Self {
        Self { signer, objects, rules: GatewayRules::default(), policy: Box::new(OwnerGrants), entropy }
    }
}
