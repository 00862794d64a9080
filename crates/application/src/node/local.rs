//! The chain and what waits for it, as the network sees them.

use std::{collections::BTreeSet, error::Error, mem};

use health_chain_consensus::{Accepted, BlockError, Chain, HeaderError, TipChange, ports::ExecuteError};
use health_chain_data::{Block, BlockId, Header, Height, Millis, Transaction, TxId, codec, ports::StoreError};
use health_chain_incentive::mempool::{Mempool, MempoolError, TipState};
use health_chain_network::{
    Item, PeerId, Priority, Verdict,
    ports::{Inbound, TipView},
};
use tracing::{debug, error, info, warn};

use super::{
    NodeEvent, Service,
    waiting::{Waiting, priority},
};

/// How often a clock that seems to be wrong is worth a word, in milliseconds.
const DOUBT_MILLIS: u64 = 60_000;

/// Everything that lives on the node's thread, except its links to others.
pub(super) struct Local {
    pub(super) chain: Chain,
    pub(super) pool: Mempool,
    waiting: Waiting,
    pub(super) service: Box<dyn Service>,
    /// The node's clock, as of the input being handled.
    pub(super) now: Millis,
    /// What has happened since it was last asked.
    events: Vec<NodeEvent>,
    /// Set once storage has failed: from then on nothing can be promised to anybody.
    pub(super) is_store_lost: bool,
    /// When the clock may be doubted again.
    next_doubt: Millis,
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
    /// How the storage underneath has failed, if it has. A damaged entry is another matter: it may be fetched again.
    const fn lost_store(&self) -> Option<&StoreError> {
        let (Self::Store(error)
        | Self::Block(BlockError::Store(error) | BlockError::Header(HeaderError::Store(error)))
        | Self::Transaction(MempoolError::Execute(ExecuteError::Store(error)))) = self
        else {
            return None;
        };
        if matches!(error, StoreError::Backend(_)) { Some(error) } else { None }
    }
}

impl Local {
    pub(super) fn new(chain: Chain, pool: Mempool, service: Box<dyn Service>, now: Millis) -> Self {
        Self {
            chain,
            pool,
            waiting: Waiting::default(),
            service,
            now,
            events: Vec::new(),
            is_store_lost: false,
            next_doubt: Millis::ZERO,
            engine_messages: Vec::new(),
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<NodeEvent> {
        mem::take(&mut self.events)
    }

    pub(super) fn take_engine_messages(&mut self) -> Vec<Vec<u8>> {
        mem::take(&mut self.engine_messages)
    }

    fn note_failure(&mut self, error: &SubmitError) {
        if let Some(error) = error.lost_store() {
            lose_store(&mut self.is_store_lost, error);
        }
    }

    /// Verifies, stores and connects a block.
    pub(super) fn accept_block(&mut self, block: Block) -> Result<Accepted, SubmitError> {
        self.connect(block).inspect_err(|error| self.note_failure(error))
    }

    /// Takes a transaction into the pool.
    pub(super) fn accept_transaction(&mut self, transaction: Transaction) -> Result<TxId, SubmitError> {
        self.admit(transaction).inspect_err(|error| self.note_failure(error))
    }

    /// Drops what has waited too long.
    pub(super) fn expire(&mut self) {
        let expired = self.pool.expire(self.now);
        self.left(expired);
    }

    /// Transactions have left the pool and are in no block.
    fn left(&mut self, ids: Vec<TxId>) {
        ids.iter().for_each(|id| self.waiting.remove(id));
        self.events.extend(ids.into_iter().map(|id| NodeEvent::Dropped { id }));
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
        let entry = self.pool.entry(&id).expect("it was taken");
        self.waiting.add(id, entry.transaction(), entry.received());
        self.events.push(NodeEvent::Transaction { id });
        self.left(evicted);
        Ok(id)
    }

    fn tip_moved(&mut self, change: &TipChange) -> Result<(), StoreError> {
        // They have been acknowledged, also those that the pool is about to drop, and the service may not have been able to judge them before.
        let withdrawals = self.waiting.withdrawals().filter_map(|id| self.pool.transaction(id));
        let withdrawals: Vec<Transaction> = withdrawals.cloned().collect();
        let dropped = self.pool.follow(self.now, change, &self.chain)?;
        self.waiting.follow(&self.pool);
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

    /// Says now and then that what others send is ahead of this node's clock: as likely as not it is the clock that is wrong.
    fn doubt_clock(&mut self, error: &HeaderError) {
        if let HeaderError::TimeTooFarAhead { time, latest } = error
            && self.next_doubt <= self.now
        {
            self.next_doubt = self.now.saturating_add(DOUBT_MILLIS);
            let seconds = time.0.saturating_sub(latest.0);
            warn!(seconds, "a block is further ahead of this node's clock than the chain allows: is the clock right?");
        }
    }

    fn block_verdict(&mut self, block: Block) -> Verdict {
        match self.accept_block(block) {
            Ok(Accepted::Known) => Verdict::Known,
            Ok(Accepted::Connected(_)) => Verdict::Accepted(Priority::Chain),
            Ok(_) => Verdict::Ignored,
            Err(SubmitError::Block(error)) => {
                if let BlockError::Header(error) = &error {
                    self.doubt_clock(error);
                }
                verdict(error.is_senders_fault(), error.rule(), &error)
            }
            Err(error) => verdict(false, "", &error),
        }
    }
}

/// Storage has failed: says why, once, for whoever has to mend it.
pub(super) fn lose_store(is_lost: &mut bool, error: &StoreError) {
    if !mem::replace(is_lost, true) {
        error!(error = error as &dyn Error, "storage has failed");
    }
}

/// What something refused says about its sender. Peers can have much refused that is nobody's fault, so that is no matter for every log.
fn verdict(is_senders_fault: bool, rule: &'static str, error: &(dyn Error + 'static)) -> Verdict {
    debug!(error, "not taken");
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
        let (mut items, mut seen) = (Vec::new(), BTreeSet::new());
        for (priority, id) in self.waiting.in_order() {
            items.extend(self.line(id, &mut seen).into_iter().map(|id| Item::transaction(id, priority)));
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
                if let HeaderError::Store(lost @ StoreError::Backend(_)) = &error {
                    lose_store(&mut self.is_store_lost, lost);
                }
                self.doubt_clock(&error);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use health_chain_consensus::{
        ConsensusParameters, Parts, Solo, SoloParameters,
        ports::{AcceptAll, NoReward},
    };
    use health_chain_data::{
        Body, Genesis, Input, Kind, OutPoint, SecretKey, Timestamp, Witness,
        ports::{ScalarHasher, SingleVerifier},
        sha256,
        state::MemoryStore,
    };
    use health_chain_incentive::mempool::MempoolPolicy;

    use super::*;
    use crate::{kinds::REVOKE_ALL, node::NoService};

    fn authority() -> SecretKey {
        SecretKey::from_bytes(&[7; 32]).unwrap()
    }

    /// A node of a chain on which everything is valid.
    fn local() -> Local {
        let parameters = SoloParameters { authority: authority().public_key(), interval_seconds: 1 };
        let genesis = Genesis::new("all", Timestamp(1), vec![]).with(&ConsensusParameters::default()).with(&parameters);
        let parts = Parts {
            store: Box::new(MemoryStore::default()),
            engine: Box::new(Solo::follower(parameters)),
            executor: Arc::new(AcceptAll),
            reward: Arc::new(NoReward),
            verifier: Arc::new(SingleVerifier),
            hasher: Arc::new(ScalarHasher),
        };
        let chain = Chain::open(parts, &genesis).unwrap();
        let policy = MempoolPolicy { expiry_millis: 1_000, ..MempoolPolicy::default() };
        let pool = Mempool::new(policy, Arc::new(AcceptAll), Arc::new(SingleVerifier), chain.tip_id());
        Local::new(chain, pool, Box::new(NoService), Millis(100_000))
    }

    fn block_on(parent: &Header, transactions: Vec<Transaction>) -> Block {
        let body = Body(transactions);
        let root = body.root(&ScalarHasher);
        let time = Timestamp(parent.time.0 + 1);
        let mut header = Header { version: 1, parent: parent.id(), root, time, seal: vec![] };
        header.seal = authority().sign(&Solo::message(&header), &[0; 32]).as_bytes().to_vec();
        Block { header, body }
    }

    /// Pays, so that it may expire.
    fn paying(number: u32) -> Transaction {
        let previous = OutPoint { transaction: TxId(sha256(&number.to_le_bytes())), index: 0 };
        let mut transaction = Transaction::new(Kind(2), number.to_le_bytes().to_vec());
        transaction.inputs.push(Input { previous, sequence: Input::FINAL });
        transaction.witnesses.push(Witness::default());
        transaction
    }

    #[test]
    fn what_waits_is_told_of_in_order_wherever_the_pool_goes() {
        let mut local = local();
        let genesis = local.chain.tip().header;
        let (first, second) = (paying(1), paying(2));
        let revocation = Transaction::new(REVOKE_ALL, vec![1]);
        let (items, urgent) = (
            [&first, &second].map(|transaction| Item::Transaction(transaction.id())),
            Item::Revocation(revocation.id()),
        );
        for transaction in [&first, &second, &revocation] {
            local.now = local.now.saturating_add(1);
            local.accept_transaction(transaction.clone()).unwrap();
        }
        assert_eq!(local.waiting(9), [urgent, items[0], items[1]]);
        assert_eq!(local.waiting(2), [urgent, items[0]]);
        // A block takes two of them, and a longer branch brings them back.
        let block = block_on(&genesis, vec![first, revocation]);
        local.accept_block(block).unwrap();
        assert_eq!(local.waiting(9), [items[1]]);
        let branch = block_on(&genesis, vec![]);
        let longer = block_on(&branch.header, vec![]);
        local.now = local.now.saturating_add(1);
        local.accept_block(branch).unwrap();
        local.accept_block(longer).unwrap();
        assert_eq!(local.waiting(9), [urgent, items[1], items[0]]);
        // The oldest of those that pay has waited too long.
        local.now = local.now.saturating_add(999);
        local.expire();
        assert_eq!(local.waiting(9), [urgent, items[0]]);
    }
}
