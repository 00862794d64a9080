//! A node without a thread: whoever holds it says when it has its turn, so that many of them run in one thread and in one order.

use std::{
    fmt,
    sync::{Arc, mpsc},
};

use health_chain_consensus::{Accepted, Chain};
use health_chain_data::{Block, Lock, Millis, Transaction, TxId};
use health_chain_incentive::{Mempool, Rewards};
use health_chain_network::{Network, PeerId, RequestFailure, ports::Local};

use super::{
    NodeEvent, SubmitError,
    core::{Command, Core},
};

/// Where the answer to [`SteppedNode::ask`] will arrive, in some later turn.
pub type Answer = mpsc::Receiver<Result<Vec<u8>, RequestFailure>>;

/// A node that does nothing except in its turns. Everything else is as in [`Node`](super::Node): it is the same driver.
pub struct SteppedNode {
    core: Core,
    /// Held so that the node does not take itself for abandoned; searchers report over clones.
    _commands: mpsc::Sender<Command>,
}

impl fmt::Debug for SteppedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SteppedNode").field("chain", &self.chain()).finish_non_exhaustive()
    }
}

impl SteppedNode {
    pub(super) const fn new(core: Core, commands: mpsc::Sender<Command>) -> Self {
        Self { core, _commands: commands }
    }

    /// Takes what the transport and the searcher have for the node, and what is due. Returns when the next turn is due even if
    /// nothing arrives, by the node's own clock.
    pub fn turn(&mut self) -> Millis {
        self.core.turn();
        self.due()
    }

    /// When the next turn is due, by the node's own clock, unless something arrives before.
    pub fn due(&self) -> Millis {
        self.core.due()
    }

    /// When the engine, or the making of blocks, needs a turn, by the node's own clock: who gives turns less often than they are due
    /// misses no such moment.
    pub fn wakes_at(&self) -> Option<Millis> {
        self.core.wakes_at()
    }

    /// Whether storage has failed, so that nothing can be promised to anybody: a [`Node`](super::Node) stops here, and so has whoever
    /// holds this one to drop it.
    pub const fn has_failed(&self) -> bool {
        self.core.local.is_store_lost
    }

    /// The chain.
    pub const fn chain(&self) -> &Chain {
        &self.core.local.chain
    }

    /// The chain and what waits for it, in the roles in which the network knows them. What is offered here reaches no peer.
    pub const fn local(&mut self) -> &mut dyn Local {
        &mut self.core.local
    }

    /// What waits for the chain.
    pub const fn pool(&self) -> &Mempool {
        &self.core.local.pool
    }

    /// The peers, and what is held against them.
    pub const fn network(&self) -> &Network {
        &self.core.network
    }

    /// What happens from now on.
    pub fn events(&mut self) -> mpsc::Receiver<NodeEvent> {
        let (sender, events) = mpsc::channel();
        self.core.listeners.push(sender);
        events
    }

    /// Takes a transaction into the pool and tells the peers. The pool lives in memory: who wants to be sure looks whether the transaction has
    /// come onto the chain, and submits it again where the node has died before. What a gateway denies from then on is kept on its disk.
    ///
    /// # Errors
    /// Why the transaction was not taken.
    pub fn submit(&mut self, transaction: Transaction) -> Result<TxId, SubmitError> {
        self.core.submit(transaction)
    }

    /// Takes a block and tells the peers, if it leads to a new tip.
    ///
    /// # Errors
    /// Why the block was not taken.
    pub fn submit_block(&mut self, block: Block) -> Result<Accepted, SubmitError> {
        self.core.submit_block(block)
    }

    /// Makes blocks from now on, whose rewards go to `payout`; `None` leaves them to the chain's pool.
    pub fn mine(&mut self, payout: Option<(Arc<Rewards>, Lock)>) {
        let cycle = self.core.mining_cycle(payout);
        self.core.set_mining(Some(cycle), None);
    }

    /// Asks the application of a connected peer.
    pub fn ask(&mut self, peer: PeerId, body: Vec<u8>) -> Answer {
        let (sender, answer) = mpsc::channel();
        self.core.request(peer, body, sender);
        answer
    }
}
