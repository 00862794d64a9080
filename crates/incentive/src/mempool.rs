//! Transactions that wait for a block: collected from the network, verified by kind, ordered by what they pay (paper 2.4, Algorithm 1).
//!
//! Every transaction in the pool is valid on the state at the tip with those before it applied. The pool keeps what each of them
//! writes as a layer over that state, so a newcomer is executed once and nothing else with it; and it notes whose writes
//! a transaction has read, so that whatever depends on another leaves with it and enters a block behind it, be it a coin
//! spent again or the next entry of a record's log.
//!
//! What the pool does not do: replace. Of two transactions that spend the same coin the first one seen stays, and the other is refused with the
//! first one's id. Nor does a child's fee speak for its parent: each is ranked by its own.

mod error;
mod follow;
mod layer;
mod policy;
#[cfg(test)]
mod tests;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use core::{cmp::Reverse, fmt};

use health_chain_consensus::ports::{ExecuteError, Executor};
use health_chain_data::{
    BlockId, Kind, Millis, OutPoint, Transaction, TxId, codec,
    limits::MAX_TRANSACTION_BYTES,
    ports::{SignatureClaim, Verifier},
    state::{Changes, Overlay},
};

pub use error::{MempoolError, OtherTip};
pub use follow::TipState;
pub use layer::PoolView;
use layer::{Layer, Recorder};
pub use policy::{FeeRate, MempoolPolicy};

/// A transaction in the pool.
#[derive(Debug)]
pub struct Entry {
    transaction: Transaction,
    rate: FeeRate,
    signature_checks: u32,
    protected: bool,
    sequence: u64,
    received: Millis,
    claims: Vec<SignatureClaim>,
    changes: Changes,
    parents: BTreeSet<TxId>,
    children: BTreeSet<TxId>,
}

impl Entry {
    /// The transaction.
    pub const fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// Its fee over its encoded length.
    pub const fn rate(&self) -> FeeRate {
        self.rate
    }

    /// Whether it has room of its own and stays until it is in a block: it has no inputs, and so pays no fee (a withdrawal of
    /// consent, a MINT), or it is of one of [`MempoolPolicy::protected_kinds`].
    pub const fn is_protected(&self) -> bool {
        self.protected
    }

    /// What it counts towards a block's cap on signature checks.
    pub const fn signature_checks(&self) -> u32 {
        self.signature_checks
    }

    /// When it came.
    pub const fn received(&self) -> Millis {
        self.received
    }

    /// Transactions of the pool whose writes it has read: they must enter a block before it, or with it in front.
    pub const fn parents(&self) -> &BTreeSet<TxId> {
        &self.parents
    }

    /// Transactions of the pool that have read its writes.
    pub const fn children(&self) -> &BTreeSet<TxId> {
        &self.children
    }

    /// The signatures that were verified when it came in.
    pub(crate) fn claims(&self) -> &[SignatureClaim] {
        &self.claims
    }

    /// Where it ranks, best last: protected ones first, then by fee rate, then by age.
    pub(crate) fn rank(&self) -> Rank {
        (self.is_protected(), self.rate, Reverse(self.sequence))
    }
}

pub(crate) type Rank = (bool, FeeRate, Reverse<u64>);

/// What one class of transactions takes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// How many there are.
    pub count: usize,
    /// Their encoded bytes.
    pub bytes: usize,
}

/// The pool. It belongs to one tip at a time: [`Mempool::tip_changed`] moves it to the next.
pub struct Mempool {
    policy: MempoolPolicy,
    executor: Arc<dyn Executor>,
    verifier: Arc<dyn Verifier>,
    tip: BlockId,
    next_sequence: u64,
    entries: BTreeMap<TxId, Entry>,
    ranks: BTreeMap<Rank, TxId>,
    spenders: BTreeMap<OutPoint, TxId>,
    layer: Layer,
    paid: Usage,
    protected: Usage,
}

impl fmt::Debug for Mempool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mempool")
            .field("tip", &self.tip)
            .field("transactions", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// A transaction on its way into the pool.
struct Candidate {
    id: TxId,
    transaction: Transaction,
    bytes: usize,
    received: Millis,
    /// The claims that were verified before, if it has been in the pool already.
    verified: Option<Vec<SignatureClaim>>,
}

impl Mempool {
    /// An empty pool on the tip `tip`.
    pub fn new(policy: MempoolPolicy, executor: Arc<dyn Executor>, verifier: Arc<dyn Verifier>, tip: BlockId) -> Self {
        Self {
            policy,
            executor,
            verifier,
            tip,
            next_sequence: 0,
            entries: BTreeMap::new(),
            ranks: BTreeMap::new(),
            spenders: BTreeMap::new(),
            layer: Layer::default(),
            paid: Usage::default(),
            protected: Usage::default(),
        }
    }

    /// Takes a transaction in, if it is valid on top of `tip` and of the pool, and pays enough. Returns what was evicted to make room.
    ///
    /// # Errors
    /// Why it was not taken; the pool is then as it was.
    pub fn submit(
        &mut self,
        now: Millis,
        transaction: Transaction,
        tip: &TipState<'_>,
    ) -> Result<Vec<TxId>, MempoolError> {
        self.check_tip(tip)?;
        transaction.check().map_err(MempoolError::Malformed)?;
        let bytes = codec::encode(&transaction).len();
        if bytes > MAX_TRANSACTION_BYTES {
            return Err(MempoolError::TooLong { bytes });
        }
        let id = transaction.id();
        self.admit(Candidate { id, transaction, bytes, received: now, verified: None }, tip)
    }

    /// Removes what has waited longer than the policy allows, with all that depends on it, and returns the ids. What is protected
    /// does not expire, nor does what it depends on.
    pub fn expire(&mut self, now: Millis) -> Vec<TxId> {
        let old = |entry: &Entry| now.saturating_sub(entry.received.0).0 >= self.policy.expiry_millis;
        let expired: Vec<TxId> = self.entries.iter().filter(|(_, entry)| old(entry)).map(|(id, _)| *id).collect();
        let mut removed = Vec::new();
        for id in expired {
            // It may have left with one before it.
            if let Some(family) = self.evictable(&id) {
                self.remove_all(&family);
                removed.extend(family);
            }
        }
        removed
    }

    /// The transaction with this id.
    pub fn transaction(&self, id: &TxId) -> Option<&Transaction> {
        self.entries.get(id).map(Entry::transaction)
    }

    /// What the pool knows of the transaction with this id.
    pub fn entry(&self, id: &TxId) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// The transaction of the pool that spends this output.
    pub fn spender(&self, previous: &OutPoint) -> Option<&TxId> {
        self.spenders.get(previous)
    }

    /// Everything in the pool, best first: protected transactions, then by fee rate, then by age.
    pub fn iter(&self) -> impl Iterator<Item = (&TxId, &Entry)> {
        self.ranks.values().rev().map(|id| (id, self.entries.get(id).expect("every ranked transaction is in the pool")))
    }

    /// The state at the tip with the whole pool applied: for wallets that build on what they have sent.
    pub fn view<'a>(&'a self, tip: &TipState<'a>) -> PoolView<'a> {
        self.layer.over(tip.state)
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What those that pay take up.
    pub const fn paid(&self) -> Usage {
        self.paid
    }

    /// What the protected ones take up.
    pub const fn protected(&self) -> Usage {
        self.protected
    }

    /// The policy.
    pub const fn policy(&self) -> &MempoolPolicy {
        &self.policy
    }

    pub(crate) fn executor(&self) -> &dyn Executor {
        &*self.executor
    }

    pub(crate) fn verifier(&self) -> &dyn Verifier {
        &*self.verifier
    }

    /// Grows with every transaction that comes in.
    pub(crate) const fn arrivals(&self) -> u64 {
        self.next_sequence
    }

    pub(crate) fn check_tip(&self, tip: &TipState<'_>) -> Result<(), OtherTip> {
        if tip.id == self.tip { Ok(()) } else { Err(OtherTip { pool: self.tip, given: tip.id }) }
    }

    fn admit(&mut self, candidate: Candidate, tip: &TipState<'_>) -> Result<Vec<TxId>, MempoolError> {
        let Candidate { id, transaction, bytes, received, verified } = candidate;
        if self.entries.contains_key(&id) {
            return Err(MempoolError::Known);
        }
        if let kind @ (Kind::GENESIS | Kind::COINBASE) = transaction.kind {
            return Err(MempoolError::ReservedKind { kind });
        }
        for &previous in transaction.inputs.iter().map(|input| &input.previous) {
            if let Some(&with) = self.spenders.get(&previous) {
                return Err(MempoolError::Conflict { previous, with });
            }
        }

        let view = self.layer.over(tip.state);
        let recorder = Recorder::new(&view);
        let mut state = Overlay::new(&recorder);
        let mut claims = Vec::new();
        let effect = self.executor.apply(&mut state, &transaction, &tip.context, &mut claims)?;
        let changes = state.into_changes().map_err(ExecuteError::Store)?;
        let parents = recorder.into_writers();

        let entry = Entry {
            rate: FeeRate { fee: effect.fee, bytes: bytes as u32 },
            signature_checks: effect.signature_checks,
            protected: self.policy.protects(&transaction),
            sequence: self.next_sequence,
            children: BTreeSet::new(),
            transaction,
            received,
            claims,
            changes,
            parents,
        };
        self.policy.check(&entry)?;
        let ancestors = self.ancestors(&entry)?;
        let evicted = self.room(&entry, &ancestors)?;
        if verified.as_ref() != Some(&entry.claims) {
            self.verifier.verify(&entry.claims).map_err(MempoolError::FalseSignature)?;
        }
        self.remove_all(&evicted);
        self.insert(id, entry);
        Ok(evicted)
    }

    /// Everything in the pool that `entry` depends on.
    fn ancestors(&self, entry: &Entry) -> Result<BTreeSet<TxId>, MempoolError> {
        let limit = self.policy.max_ancestors;
        let mut found = entry.parents.clone();
        let mut ahead: Vec<TxId> = found.iter().copied().collect();
        while let Some(id) = ahead.pop() {
            if found.len() > limit {
                return Err(MempoolError::TooManyAncestors { limit });
            }
            ahead.extend(self.entries[&id].parents.iter().filter(|parent| found.insert(**parent)));
        }
        Ok(found)
    }

    /// Whom to evict so that `entry` fits: those that pay the lowest rates, each with all that depends on it, as long as they pay less
    /// than it does. Never a protected transaction, nor what `entry` itself depends on.
    fn room(&self, entry: &Entry, ancestors: &BTreeSet<TxId>) -> Result<Vec<TxId>, MempoolError> {
        let bytes = entry.rate.bytes as usize;
        if entry.is_protected() {
            let fits = self.protected.count < self.policy.max_protected_count
                && self.protected.bytes.saturating_add(bytes) <= self.policy.max_protected_bytes;
            return if fits { Ok(Vec::new()) } else { Err(MempoolError::ProtectedFull) };
        }
        let mut usage = self.paid;
        let mut evicted = Vec::new();
        let mut chosen = BTreeSet::new();
        let mut lowest = self.ranks.range(..entry.rank());
        while usage.count >= self.policy.max_count || usage.bytes.saturating_add(bytes) > self.policy.max_bytes {
            let (_, id) = (lowest.next())
                .filter(|((_, rate, _), _)| *rate < entry.rate)
                .ok_or(MempoolError::Full { rate: entry.rate })?;
            if ancestors.contains(id) || chosen.contains(id) {
                continue;
            }
            for member in self.evictable(id).unwrap_or_default() {
                if chosen.insert(member) {
                    usage.count -= 1;
                    usage.bytes -= self.entries[&member].rate.bytes as usize;
                    evicted.push(member);
                }
            }
        }
        Ok(evicted)
    }

    /// The transaction and all that depends on it, or `None` where it is not in the pool or something among them is
    /// protected.
    fn evictable(&self, id: &TxId) -> Option<Vec<TxId>> {
        let mut family = Vec::new();
        let mut seen = BTreeSet::from([*id]);
        let mut ahead = Vec::from([*id]);
        while let Some(id) = ahead.pop() {
            let entry = self.entries.get(&id).filter(|entry| !entry.is_protected())?;
            family.push(id);
            ahead.extend(entry.children.iter().filter(|child| seen.insert(**child)));
        }
        Some(family)
    }

    fn insert(&mut self, id: TxId, entry: Entry) {
        self.next_sequence += 1;
        for parent in &entry.parents {
            self.entries.get_mut(parent).expect("a writer is in the pool").children.insert(id);
        }
        self.spenders.extend(entry.transaction.inputs.iter().map(|input| (input.previous, id)));
        self.layer.push(id, &entry.changes);
        self.ranks.insert(entry.rank(), id);
        let usage = if entry.is_protected() { &mut self.protected } else { &mut self.paid };
        usage.count += 1;
        usage.bytes += entry.rate.bytes as usize;
        self.entries.insert(id, entry);
    }

    /// Removes transactions of which none is the parent of one that stays.
    fn remove_all(&mut self, ids: &[TxId]) {
        for id in ids {
            let entry = self.entries.remove(id).expect("only what is in the pool is removed");
            for input in &entry.transaction.inputs {
                self.spenders.remove(&input.previous);
            }
            for parent in &entry.parents {
                // The parent may have been removed before it.
                if let Some(parent) = self.entries.get_mut(parent) {
                    parent.children.remove(id);
                }
            }
            self.layer.remove(id, &entry.changes);
            self.ranks.remove(&entry.rank());
            let usage = if entry.is_protected() { &mut self.protected } else { &mut self.paid };
            usage.count -= 1;
            usage.bytes -= entry.rate.bytes as usize;
        }
    }
}
