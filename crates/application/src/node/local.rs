//! The chain and what waits for it, as the network sees them.

use std::{collections::BTreeSet, error::Error, mem};

use health_chain_consensus::{Accepted, BlockError, Chain, HeaderError, TipChange, ports::ExecuteError};
use health_chain_data::{Block, BlockId, Header, Height, Millis, Transaction, TxId, codec, ports::StoreError};
use health_chain_incentive::mempool::{Entry, Mempool, MempoolError, TipState};
use health_chain_network::{
    Item, PeerId, Priority, Verdict,
    ports::{Inbound, TipView},
};
use tracing::{info, warn};

use super::{NodeEvent, Service};
use crate::{
    authorize::DenySet,
    kinds::{GRANT, REVOKE, REVOKE_ALL},
    records::Grant,
};

/// Everything that lives on the node's thread, except its links to others.
pub(super) struct Local {
    pub(super) chain: Chain,
    pub(super) pool: Mempool,
    pub(super) service: Box<dyn Service>,
    /// The node's clock, as of the input being handled.
    pub(super) now: Millis,
    /// What has happened since it was last asked.
    events: Vec<NodeEvent>,
    /// Set once storage has failed: from then on nothing can be promised to anybody.
    pub(super) is_store_lost: bool,
    /// What other nodes' engines have said since it was last asked.
    engine_messages: Vec<Vec<u8>>,
}

/// Why a block or transaction offered to this node was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The block breaks a rule.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The transaction was not taken into the pool.
    #[error(transparent)]
    Transaction(#[from] MempoolError),
    /// This node's storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SubmitError {
    /// Whether the storage underneath has failed. A damaged entry is another matter: it may be fetched again.
    const fn is_lost_store(&self) -> bool {
        let (Self::Store(error)
        | Self::Block(BlockError::Store(error) | BlockError::Header(HeaderError::Store(error)))
        | Self::Transaction(MempoolError::Execute(ExecuteError::Store(error)))) = self
        else {
            return false;
        };
        matches!(error, StoreError::Backend(_))
    }
}

impl Local {
    pub(super) fn new(chain: Chain, pool: Mempool, service: Box<dyn Service>, now: Millis) -> Self {
        let (events, engine_messages) = (Vec::new(), Vec::new());
        Self { chain, pool, service, now, events, is_store_lost: false, engine_messages }
    }

    pub(super) fn take_events(&mut self) -> Vec<NodeEvent> {
        mem::take(&mut self.events)
    }

    pub(super) fn take_engine_messages(&mut self) -> Vec<Vec<u8>> {
        mem::take(&mut self.engine_messages)
    }

    /// Verifies, stores and connects a block.
    pub(super) fn accept_block(&mut self, block: Block) -> Result<Accepted, SubmitError> {
        let outcome = self.connect(block);
        self.is_store_lost |= outcome.as_ref().is_err_and(SubmitError::is_lost_store);
        outcome
    }

    /// Takes a transaction into the pool.
    pub(super) fn accept_transaction(&mut self, transaction: Transaction) -> Result<TxId, SubmitError> {
        let outcome = self.admit(transaction);
        self.is_store_lost |= outcome.as_ref().is_err_and(SubmitError::is_lost_store);
        outcome
    }

    fn connect(&mut self, block: Block) -> Result<Accepted, SubmitError> {
        self.service.saw_block(&mut self.chain, &block)?;
        let accepted = self.chain.accept_block(self.now, block)?;
        self.service.took_block(&mut self.chain)?;
        if let Accepted::Connected(change) = &accepted {
            self.tip_moved(change)?;
        }
        Ok(accepted)
    }

    fn admit(&mut self, transaction: Transaction) -> Result<TxId, SubmitError> {
        self.service.saw_transaction(&mut self.chain, &transaction)?;
        let id = transaction.id();
        let evicted = self.pool.submit(self.now, transaction, &TipState::of(&self.chain))?;
        self.events.push(NodeEvent::Transaction { id });
        self.events.extend(evicted.into_iter().map(|id| NodeEvent::Dropped { id }));
        Ok(id)
    }

    fn tip_moved(&mut self, change: &TipChange) -> Result<(), StoreError> {
        // They have been acknowledged, also those that the pool is about to drop, and the service may not have been able to judge them before.
        let waiting = self.pool.iter().map(|(_, entry)| entry.transaction());
        let withdrawals: Vec<Transaction> = waiting.filter(|waiting| DenySet::concerns(waiting)).cloned().collect();
        let dropped = self.pool.follow(self.now, change, &self.chain)?;
        self.service.tip_moved(&mut self.chain, change.disconnected.len())?;
        for withdrawal in &withdrawals {
            self.service.saw_transaction(&mut self.chain, withdrawal)?;
        }
        let tip = self.chain.tip();
        info!(height = tip.height.0, id = %tip.id, undone = change.disconnected.len(), "new tip");
        self.events.extend(dropped.into_iter().map(|id| NodeEvent::Dropped { id }));
        self.events.push(NodeEvent::Tip { id: tip.id, height: tip.height, undone: change.disconnected.len() });
        Ok(())
    }

    /// The transaction of the pool and all that it builds on, each behind what it builds on itself, but for what has been `seen`.
    fn line(&self, id: &TxId, seen: &mut BTreeSet<TxId>) -> Vec<TxId> {
        let (mut line, mut ahead) = (Vec::new(), vec![(*id, false)]);
        while let Some((id, is_behind)) = ahead.pop() {
            if is_behind {
                line.push(id);
            } else if seen.insert(id)
                && let Some(entry) = self.pool.entry(&id)
            {
                ahead.push((id, true));
                ahead.extend(entry.parents().iter().map(|parent| (*parent, false)));
            }
        }
        line
    }

    fn block_verdict(&mut self, block: Block) -> Verdict {
        match self.accept_block(block) {
            Ok(Accepted::Known) => Verdict::Known,
            Ok(Accepted::Connected(_)) => Verdict::Accepted(Priority::Chain),
            Ok(_) => Verdict::Ignored,
            Err(SubmitError::Block(error)) => verdict(error.is_senders_fault(), error.rule(), &error),
            Err(error) => verdict(false, "", &error),
        }
    }
}

/// How fast a transaction travels: withdrawals of consent before everything else.
pub(super) fn priority(transaction: &Transaction) -> Priority {
    let withdraws = match transaction.kind {
        REVOKE | REVOKE_ALL => true,
        GRANT => codec::decode::<Grant>(&transaction.payload).is_ok_and(|grant| grant.terms.permissions.is_empty()),
        _ => false,
    };
    if withdraws { Priority::Revocation } else { Priority::Bulk }
}

/// What something refused says about its sender.
fn verdict(is_senders_fault: bool, rule: &'static str, error: &(dyn Error + 'static)) -> Verdict {
    warn!(error, "not taken");
    if is_senders_fault { Verdict::Invalid { rule } } else { Verdict::Ignored }
}

impl TipView for Local {
    fn tip(&self) -> (BlockId, Height) {
        (self.chain.tip_id(), self.chain.tip_height())
    }

    fn has_header(&self, id: &BlockId) -> bool {
        self.chain.header(id).is_some()
    }

    fn locator(&self) -> Vec<BlockId> {
        self.chain.locator()
    }

    fn headers_after(&self, locator: &[BlockId], max_headers: usize) -> Vec<Header> {
        self.chain.headers_after(locator, max_headers)
    }

    fn missing_bodies(&self, max_blocks: usize) -> Vec<BlockId> {
        self.chain.missing_bodies(max_blocks)
    }

    fn block(&self, id: &BlockId) -> Option<Vec<u8>> {
        match self.chain.block(id) {
            Ok(block) => block.map(|block| codec::encode(&block)),
            Err(error) => {
                warn!(%error, "a block can't be read");
                None
            }
        }
    }

    fn transaction(&self, id: &TxId) -> Option<Vec<u8>> {
        self.pool.transaction(id).map(codec::encode)
    }

    fn has_transaction(&self, id: &TxId) -> bool {
        self.pool.transaction(id).is_some()
    }

    fn ancestors(&self, id: &TxId) -> Vec<TxId> {
        let mut line = self.line(id, &mut BTreeSet::new());
        line.pop();
        line
    }

    fn waiting(&self, max_items: usize) -> Vec<Item> {
        let key = |(id, entry): (&TxId, &Entry)| (priority(entry.transaction()), entry.received(), *id);
        let mut waiting: Vec<(Priority, Millis, TxId)> = self.pool.iter().map(key).collect();
        waiting.sort_unstable();
        let (mut items, mut seen) = (Vec::new(), BTreeSet::new());
        for (priority, _, id) in waiting {
            items.extend(self.line(&id, &mut seen).into_iter().map(|id| Item::transaction(id, priority)));
            if items.len() >= max_items {
                break;
            }
        }
        items.truncate(max_items);
        items
    }
}

impl Inbound for Local {
    fn headers(&mut self, headers: &[Header]) -> Verdict {
        match self.chain.accept_headers(self.now, headers) {
            Ok(0) => Verdict::Known,
            Ok(_) => Verdict::Accepted(Priority::Chain),
            Err(error) => {
                self.is_store_lost |= matches!(error, HeaderError::Store(StoreError::Backend(_)));
                verdict(error.is_senders_fault(), error.rule(), &error)
            }
        }
    }

    fn block(&mut self, bytes: &[u8]) -> Verdict {
        match codec::decode(bytes) {
            Ok(block) => self.block_verdict(block),
            Err(_) => Verdict::Invalid { rule: "block-encoding" },
        }
    }

    fn transaction(&mut self, bytes: &[u8]) -> Verdict {
        let Ok(transaction) = codec::decode::<Transaction>(bytes) else {
            return Verdict::Invalid { rule: "transaction-encoding" };
        };
        let priority = priority(&transaction);
        match self.accept_transaction(transaction) {
            Ok(_) => Verdict::Accepted(priority),
            Err(SubmitError::Transaction(MempoolError::Known)) => Verdict::Known,
            // Whether a signature holds may depend on who owns an object, and so on the branch.
            Err(SubmitError::Transaction(MempoolError::FalseSignature(_))) => Verdict::Ignored,
            Err(SubmitError::Transaction(error)) => {
                error.fault().map_or(Verdict::Ignored, |rule| Verdict::Invalid { rule })
            }
            Err(error) => verdict(false, "", &error),
        }
    }

    fn engine(&mut self, bytes: Vec<u8>) {
        self.engine_messages.push(bytes);
    }

    fn request(&mut self, peer: &PeerId, body: &[u8]) -> Option<Vec<u8>> {
        self.service.request(self.now, &mut self.chain, self.pool.len(), peer, body)
    }
}
