//! A node as a library: chain, pool, network and services on one thread of their own, behind a handle that any thread may use.
//!
//! [`NodeBuilder`] takes the parts (each a port, so each can be swapped) and starts the thread. Nothing here names a concrete store,
//! transport or engine.

mod accusations;
mod clock;
mod company;
mod core;
mod local;
mod service;
mod stepped;
mod verifier;
mod waiting;

use std::{
    fmt,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use health_chain_consensus::{
    Accepted, Chain, Checkpoint, OpenError, Parts,
    ports::{Accusation, Engine, Executor, NoSearch, RewardRule, SearchOutcome, Searcher},
};
use health_chain_data::{
    Block, BlockId, ChainId, Genesis, Hash, Height, Lock, Transaction, TxId,
    ports::{BatchHasher, ChainStore, ScalarHasher, StoreError, Verifier},
    state::state_hash,
};
use health_chain_incentive::{
    Rewards,
    mempool::{Mempool, MempoolPolicy},
};
use health_chain_network::{
    Address, Network, PeerId, PeerInfo, RequestFailure, Settings, Transport, limits::MAX_OUTBOUND_PEERS, ports::Waker,
};
use thiserror::Error;

use self::{
    accusations::Accusations,
    company::Company,
    core::{Command, Core},
    local::Local,
};
pub use self::{
    clock::Clock,
    local::SubmitError,
    service::{NoService, Service},
    stepped::{Answer, SteppedNode},
    verifier::ParallelVerifier,
};
use crate::kinds;

/// The parts of a node. Everything but the chain's own parts and the transport has a default.
pub struct NodeBuilder {
    genesis: Genesis,
    parts: Parts,
    transport: Box<dyn Transport>,
    service: Box<dyn Service>,
    searcher: MakeSearcher,
    policy: MempoolPolicy,
    peers: Vec<Address>,
    listen: Option<Address>,
    clock: Clock,
    checkpoint: Option<Checkpoint>,
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder")
            .field("parts", &self.parts)
            .field("peers", &self.peers)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// Takes the outcome of a search, on any thread.
pub type Report = Box<dyn Fn(SearchOutcome) + Send + Sync>;

type MakeSearcher = Box<dyn FnOnce(Report) -> Box<dyn Searcher>>;

/// What has happened on a node, for those who listen ([`Node::events`]).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeEvent {
    /// The chain has a new tip.
    Tip {
        /// Its id.
        id: BlockId,
        /// Its height.
        height: Height,
        /// How many blocks were disconnected on the way.
        undone: usize,
    },
    /// A transaction was taken into the pool.
    Transaction {
        /// Its id.
        id: TxId,
    },
    /// A transaction has left the pool and is in no block: expired, evicted, or no longer valid.
    Dropped {
        /// Its id.
        id: TxId,
    },
    /// This node made a block, or was among those who agreed on it.
    Mined {
        /// Its id.
        id: BlockId,
        /// Its height.
        height: Height,
    },
    /// Somebody is proven to have broken the rules of the consensus engine.
    Accused {
        /// Who, and the proof.
        accusation: Accusation,
    },
    /// This node's validator says nothing more at a height: it can't, or it would contradict itself.
    Silent {
        /// The height.
        height: Height,
        /// The engine's name for the reason.
        reason: &'static str,
    },
    /// A peer's handshake is done.
    PeerJoined {
        /// The peer.
        peer: PeerId,
    },
    /// A peer's connection has ended.
    PeerLeft {
        /// The peer.
        peer: PeerId,
    },
    /// A peer has broken a rule.
    PeerPenalised {
        /// The peer.
        peer: PeerId,
        /// Whether it is banned now.
        is_banned: bool,
    },
}

/// Where a node stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The chain.
    pub chain: ChainId,
    /// The tip's id.
    pub tip: BlockId,
    /// The tip's height.
    pub height: Height,
    /// The height of the best header known.
    pub best_header: Height,
    /// Whether nothing more is known to fetch.
    pub is_in_step: bool,
    /// Peers whose handshake is done.
    pub peers: Vec<PeerInfo>,
    /// Peers that are banned.
    pub bans: usize,
    /// Transactions that wait.
    pub waiting: usize,
    /// Nonces tried since the start. The difference over time is the hash rate.
    pub hashes: u64,
    /// Whether this node's validator says nothing at the next height. The log says why.
    pub is_silent: bool,
}

/// Why a node did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The chain can't be opened.
    #[error("the chain can't be opened")]
    Chain(#[from] OpenError),
    /// What the node and its service kept beside the chain can't be read.
    #[error("what the node kept beside the chain can't be read")]
    Kept(#[from] StoreError),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
    /// The system gives no thread.
    #[error("the system gives no thread")]
    Thread(#[source] std::io::Error),
}

/// The node's thread has ended: it was told to, or its storage has failed, which stands in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the node has stopped")]
pub struct Stopped;

/// Why there is no answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AskError {
    /// This node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The other one did not answer.
    #[error(transparent)]
    Failed(#[from] RequestFailure),
}

impl NodeBuilder {
    /// A node of the chain that grows from `genesis`. The reward rule is consulted for verification; who takes the rewards of
    /// blocks made here is said to [`Node::mine`].
    pub fn new(
        genesis: Genesis,
        store: Box<dyn ChainStore>,
        engine: Box<dyn Engine>,
        executor: Arc<dyn Executor>,
        reward: Arc<dyn RewardRule>,
        transport: Box<dyn Transport>,
    ) -> Self {
        let parts = Parts {
            store,
            engine,
            executor,
            reward,
            verifier: Arc::new(ParallelVerifier::default()),
            hasher: Arc::new(ScalarHasher),
        };
        Self {
            genesis,
            parts,
            transport,
            service: Box::new(NoService),
            searcher: Box::new(|_| Box::new(NoSearch)),
            // A withdrawal of consent is not to be outbid, even where somebody sponsors a fee for it.
            policy: MempoolPolicy { protected_kinds: &[kinds::REVOKE, kinds::REVOKE_ALL], ..MempoolPolicy::default() },
            peers: Vec::new(),
            listen: None,
            clock: clock::system_clock(),
            checkpoint: None,
        }
    }

    /// Verifies signatures with `verifier` instead of in batches on all cores ([`ParallelVerifier`]).
    #[must_use]
    pub fn verifier(mut self, verifier: Arc<dyn Verifier>) -> Self {
        self.parts.verifier = verifier;
        self
    }

    /// Hashes with `hasher` instead of one message after the other.
    #[must_use]
    pub fn hasher(mut self, hasher: Arc<dyn BatchHasher>) -> Self {
        self.parts.hasher = hasher;
        self
    }

    /// Serves other nodes' requests with `service`.
    #[must_use]
    pub fn service(mut self, service: Box<dyn Service>) -> Self {
        self.service = service;
        self
    }

    /// Searches for blocks, where the engine searches, with what `make` gives; its outcomes go to the [`Report`].
    #[must_use]
    pub fn searcher(mut self, make: impl FnOnce(Report) -> Box<dyn Searcher> + 'static) -> Self {
        self.searcher = Box::new(make);
        self
    }

    /// Keeps transactions waiting by `policy`.
    #[must_use]
    pub fn policy(mut self, policy: MempoolPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Keeps connected to these nodes.
    #[must_use]
    pub fn peers(mut self, peers: Vec<Address>) -> Self {
        self.peers = peers;
        self
    }

    /// Tells others that this node accepts connections at `address`.
    #[must_use]
    pub fn listen(mut self, address: Address) -> Self {
        self.listen = Some(address);
        self
    }

    /// Takes no branch that contradicts `checkpoint`: for a node that is new, or was away for longer than validators answer for what they
    /// said.
    #[must_use]
    pub const fn checkpoint(mut self, checkpoint: Checkpoint) -> Self {
        self.checkpoint = Some(checkpoint);
        self
    }

    /// Reads the time from `clock` instead of the system.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the chain and starts the node's thread.
    ///
    /// # Errors
    /// Where the chain can't be opened, or the system gives no random bytes or no thread.
    pub fn start(self) -> Result<Node, StartError> {
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).map_err(StartError::Random)?;
        let id = self.transport.local();
        let waker = self.transport.waker();
        let (core, commands) = self.assemble(entropy)?;
        let thread = thread::Builder::new().name("node".into()).spawn(|| core.run()).map_err(StartError::Thread)?;
        Ok(Node { id, commands, waker, thread: Some(thread) })
    }

    /// Opens the chain, and leaves it to the caller when the node has its turns: for simulations. `entropy` stands for the system's
    /// random bytes; equal ones, an equal clock and equal events give equal runs.
    ///
    /// # Errors
    /// Where the chain can't be opened.
    pub fn stepped(self, entropy: [u8; 32]) -> Result<SteppedNode, StartError> {
        let (core, commands) = self.assemble(entropy)?;
        Ok(SteppedNode::new(core, commands))
    }

    fn assemble(self, entropy: [u8; 32]) -> Result<(Core, mpsc::Sender<Command>), StartError> {
        let (executor, verifier) = (Arc::clone(&self.parts.executor), Arc::clone(&self.parts.verifier));
        let mut chain = Chain::open_at(self.parts, &self.genesis, self.checkpoint)?;
        let Company { anchors, addresses } = Company::load(chain.state())?;
        let accusations = Accusations::load(chain.state())?;
        let settings = Settings {
            network: self.genesis.network().into(),
            genesis: chain.chain_id(),
            listen: self.listen,
            peers: self.peers,
            anchors,
            addresses,
            outbound_peers: MAX_OUTBOUND_PEERS,
            entropy,
        };
        let mut service = self.service;
        service.opened(&mut chain)?;
        let pool = Mempool::new(self.policy, executor, verifier, chain.tip().id);
        let local = Local::new(chain, pool, service, (self.clock)());
        let (sender, commands) = mpsc::channel();
        let searcher = (self.searcher)(report_to(sender.clone(), self.transport.waker()));
        let network = Network::new(settings);
        Ok((Core::new(local, network, self.transport, searcher, self.clock, commands, accusations), sender))
    }
}

/// A running node. Dropping it stops it and waits until everything is on disk. Where its storage fails, it stops by itself.
pub struct Node {
    id: PeerId,
    commands: mpsc::Sender<Command>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Node {
    /// The id by which peers know this node.
    pub const fn id(&self) -> PeerId {
        self.id
    }

    /// Where the node stands.
    ///
    /// # Errors
    /// Where it has stopped.
    pub fn status(&self) -> Result<Status, Stopped> {
        self.call(|core| {
            let chain = &core.local.chain;
            let tip = chain.tip();
            Status {
                chain: chain.chain_id(),
                tip: tip.id,
                height: tip.height,
                best_header: chain.best_header().1,
                is_in_step: core.network.is_in_step(&core.local),
                peers: core.network.peers(),
                bans: core.network.bans().len(),
                waiting: core.local.pool.len(),
                hashes: core.searcher.hashes(),
                is_silent: core.silent_at == Some(tip.height.next()),
            }
        })
    }

    /// One hash over the whole state at the tip ([`state_hash`]), and the tip's id.
    ///
    /// # Errors
    /// Where the node has stopped; within, where its store can't be read.
    pub fn state_hash(&self) -> Result<Result<(BlockId, Hash), StoreError>, Stopped> {
        self.read(|chain, _| Ok((chain.tip().id, state_hash(chain.state())?)))
    }

    /// Reads whatever is wanted of the chain and the pool, at one moment.
    ///
    /// # Errors
    /// Where the node has stopped.
    pub fn read<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Chain, &Mempool) -> R + Send + 'static,
    ) -> Result<R, Stopped> {
        self.call(move |core| look(&core.local.chain, &core.local.pool))
    }

    /// Takes a transaction into the pool and tells the peers. The pool lives in memory: who wants to be sure looks whether the transaction has
    /// come onto the chain, and submits it again where the node has died before. What a gateway denies from then on is kept on its disk.
    ///
    /// # Errors
    /// Where the node has stopped; within, why the transaction was not taken.
    pub fn submit(&self, transaction: Transaction) -> Result<Result<TxId, SubmitError>, Stopped> {
        self.call(move |core| core.submit(transaction))
    }

    /// Takes a block and tells the peers, if it leads to a new tip.
    ///
    /// # Errors
    /// Where the node has stopped; within, why the block was not taken.
    pub fn submit_block(&self, block: Block) -> Result<Result<Accepted, SubmitError>, Stopped> {
        self.call(move |core| core.submit_block(block))
    }

    /// Makes blocks from now on, whose rewards go to `payout`; `None` leaves them to the chain's pool.
    ///
    /// # Errors
    /// Where the node has stopped.
    pub fn mine(&self, payout: Option<(Arc<Rewards>, Lock)>) -> Result<(), Stopped> {
        self.call(move |core| {
            let cycle = core.mining_cycle(payout);
            core.set_mining(Some(cycle), None);
        })
    }

    /// Makes `blocks` blocks and no more. A block that another one forestalled does not count.
    ///
    /// # Errors
    /// Where the node has stopped.
    pub fn mine_blocks(&self, blocks: u64, payout: Option<(Arc<Rewards>, Lock)>) -> Result<(), Stopped> {
        self.call(move |core| {
            let cycle = (blocks > 0).then(|| core.mining_cycle(payout));
            core.set_mining(cycle, Some(blocks));
        })
    }

    /// Makes no more blocks.
    ///
    /// # Errors
    /// Where the node has stopped.
    pub fn stop_mining(&self) -> Result<(), Stopped> {
        self.call(|core| core.set_mining(None, None))
    }

    /// Connects to another node once, without keeping the connection up.
    ///
    /// # Errors
    /// Where the node has stopped.
    pub fn dial(&self, address: Address) -> Result<(), Stopped> {
        self.call(move |core| core.dial(address))
    }

    /// Asks the application of a connected peer, and waits for its answer.
    ///
    /// # Errors
    /// Where this node has stopped, the peer is not connected, or it does not answer in time.
    pub fn ask(&self, peer: PeerId, body: Vec<u8>) -> Result<Vec<u8>, AskError> {
        let (sender, answer) = mpsc::channel();
        self.call(move |core| core.request(peer, body, sender))?;
        Ok(answer.recv().map_err(|_| Stopped)??)
    }

    /// What happens from now on.
    ///
    /// # Errors
    /// Where the node has stopped.
    pub fn events(&self) -> Result<mpsc::Receiver<NodeEvent>, Stopped> {
        let (sender, events) = mpsc::channel();
        self.call(move |core| core.listeners.push(sender))?;
        Ok(events)
    }

    /// Stops the node and waits until its thread has ended and its store is closed.
    pub fn stop(self) {
        drop(self);
    }

    /// Runs `work` on the node's thread and waits for what it gives.
    fn call<R: Send + 'static>(&self, work: impl FnOnce(&mut Core) -> R + Send + 'static) -> Result<R, Stopped> {
        let (sender, result) = mpsc::channel();
        let run = Box::new(move |core: &mut Core| {
            // Fails where the caller is gone.
            let _ = sender.send(work(core));
        });
        self.commands.send(Command::Run(run)).map_err(|_| Stopped)?;
        (self.waker)();
        result.recv().map_err(|_| Stopped)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Fails where the thread has ended already.
        let _ = self.commands.send(Command::Stop);
        (self.waker)();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the node's thread has panicked");
        }
    }
}

/// Hands outcomes of searches to the node's thread and wakes it up.
fn report_to(commands: mpsc::Sender<Command>, waker: Waker) -> Report {
    Box::new(move |outcome| {
        // Fails where the node has stopped, and then nobody waits for it.
        let _ = commands.send(Command::Searched(outcome));
        waker();
    })
}
