//! Taking headers and blocks in.

use alloc::vec::Vec;

use health_chain_data::{Block, BlockId, Header, Millis, ports::StoreError, state::Changes};

use super::{Accepted, Chain, records, reorganise::Refused};
use crate::{
    limits::{MAX_SIDE_HEADERS, PRUNED_SHARE, SIDE_BODY_DEPTH_BLOCKS},
    tree::Slot,
    verify::{self, BlockError, HeaderError},
};

/// A header on its way into the tree: in memory already, in the store with the next batch.
struct Admitted {
    slot: Slot,
    /// Whether it was not known before.
    is_new: bool,
}

impl Chain {
    /// Takes headers, each on top of a known one or of one before it in the list. `now` is the node's clock. Returns how many
    /// were new; they are durable.
    ///
    /// # Errors
    /// The rule that the first bad header breaks; those before it are kept.
    pub fn accept_headers(&mut self, now: Millis, headers: &[Header]) -> Result<usize, HeaderError> {
        let mut changes = Changes::default();
        let mut new = Vec::new();
        let mut outcome = Ok(());
        for header in headers {
            match self.admit(now, header, &mut changes) {
                Ok(Admitted { slot, is_new }) => new.extend(is_new.then_some(slot)),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        self.commit_admitted(&changes, &new)?;
        self.prune_side_headers()?;
        outcome.map(|()| new.len())
    }

    /// Takes a block. Its header is taken first, if it is not known; then the block is stored, and the tip moves to the best valid
    /// branch. `now` is the node's clock. A block on top of the tip is verified before anything of it is stored.
    ///
    /// # Errors
    /// The rule that the block, or one below it, breaks. The state is then as it was. [`BlockError::Store`] where this node failed:
    /// the block may then be offered again.
    pub fn accept_block(&mut self, now: Millis, block: Block) -> Result<Accepted, BlockError> {
        let mut changes = Changes::default();
        let Admitted { slot, is_new } = self.admit(now, &block.header, &mut changes)?;
        if self.tree.has_body(slot) {
            return Ok(Accepted::Known);
        }
        let new: Vec<Slot> = is_new.then_some(slot).into_iter().collect();
        let awaits_checkpoint = self.awaits_checkpoint();
        if self.tree.parent_of(slot) == self.tree.tip() && !awaits_checkpoint {
            self.extend(slot, block, changes, &new)?;
        } else if let Err(error) = verify::structure(&block, &self.rules()) {
            return Err(self.refuse(slot, error, changes, &new));
        } else if awaits_checkpoint || self.is_stale(slot) {
            self.commit_admitted(&changes, &new)?;
            return Ok(Accepted::Stale);
        } else {
            self.store_body(slot, &block, changes, &new)?;
        }
        let refused = self.reorganise()?;
        self.prune_side_headers()?;
        self.outcome(slot, refused)
    }

    /// Checks a header and puts it into the tree; what the store is to learn of it is added to `changes`.
    fn admit(&mut self, now: Millis, header: &Header, changes: &mut Changes) -> Result<Admitted, HeaderError> {
        let id = header.id();
        if let Some(slot) = self.tree.slot(&id) {
            return if self.tree.is_invalid(slot) {
                Err(HeaderError::Invalid { id })
            } else {
                Ok(Admitted { slot, is_new: false })
            };
        }
        let parent = self.tree.slot(&header.parent).ok_or(HeaderError::UnknownParent { parent: header.parent })?;
        if self.tree.is_invalid(parent) {
            return Err(HeaderError::Invalid { id: header.parent });
        }
        self.check_settled(&id, parent)?;
        verify::header(header, &self.tree.branch_at(parent), &self.rules(), now)?;
        let seen = self.next_seen();
        records::put_header(changes, &id, header, seen);
        let slot = self.tree.attach(id, header, parent, self.parts.engine.weight(header), seen);
        if self.checkpoint.is_some_and(|checkpoint| checkpoint.block == id) {
            self.leave_other_branches(changes);
        }
        Ok(Admitted { slot, is_new: true })
    }

    /// Writes what was admitted, or takes it out of the tree again.
    pub(super) fn commit_admitted(&mut self, changes: &Changes, new: &[Slot]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.parts.store.commit(changes).inspect_err(|_| self.tree.remove(new.iter().rev().copied()))
    }

    /// Verifies a block on top of the tip and connects it, header, body and effects in one batch.
    fn extend(&mut self, slot: Slot, block: Block, mut changes: Changes, new: &[Slot]) -> Result<(), BlockError> {
        let seen = self.next_seen();
        let id = self.tree.id_at(slot);
        // A header that came with its block was checked a moment ago, signatures and all.
        let verify = if new.is_empty() { verify::verify } else { verify::admitted };
        let verified = match verify(block, &self.tree.branch_at(self.tree.tip()), self.state(), &self.rules()) {
            Ok(verified) => verified,
            Err(error) => return Err(self.refuse(slot, error, changes, new)),
        };
        records::put_body(&mut changes, &id, &verified.block().body, seen);
        if let Err(error) = self.connect(slot, verified, changes) {
            self.tree.remove(new.iter().copied());
            return Err(error.into());
        }
        self.tree.add_body(slot, seen);
        Ok(())
    }

    fn store_body(&mut self, slot: Slot, block: &Block, mut changes: Changes, new: &[Slot]) -> Result<(), StoreError> {
        let seen = self.next_seen();
        records::put_body(&mut changes, &self.tree.id_at(slot), &block.body, seen);
        self.commit_admitted(&changes, new)?;
        self.tree.add_body(slot, seen);
        Ok(())
    }

    /// Keeps the header of a block that was refused, marked as invalid if it is to blame, or forgets it. Returns the error.
    fn refuse(&mut self, slot: Slot, error: BlockError, changes: Changes, new: &[Slot]) -> BlockError {
        let kept = if error.condemns_header() {
            self.condemn(slot, error.rule(), changes).inspect_err(|_| self.tree.remove(new.iter().copied()))
        } else {
            self.commit_admitted(&changes, new)
        };
        kept.map_or_else(BlockError::Store, |()| error)
    }

    fn outcome(&mut self, slot: Slot, refused: Option<Refused>) -> Result<Accepted, BlockError> {
        let is_invalid = self.tree.is_invalid(slot);
        match refused {
            Some(refused) if refused.slot == slot => return Err(refused.error),
            Some(refused) if is_invalid => {
                let ancestor = self.tree.id_at(refused.slot);
                return Err(BlockError::InvalidAncestor { ancestor, rule: refused.error.rule() });
            }
            _ => {}
        }
        Ok(if self.reported != self.tree.tip() {
            Accepted::Connected(self.take_tip_change())
        } else if self.tree.is_complete(slot) {
            Accepted::Side
        } else {
            Accepted::Waiting
        })
    }

    /// Whether a block is off the heaviest branch and too far below the tip to be kept.
    fn is_stale(&self, slot: Slot) -> bool {
        let height = self.tree.height_at(slot);
        let tip = self.tree.height_at(self.tree.tip());
        let is_best = self.tree.ancestor(self.tree.best_header_slot(), height) == Some(slot);
        !is_best && height.saturating_add(SIDE_BODY_DEPTH_BLOCKS) < tip
    }

    /// Forgets the lightest side branches if there are too many: more than the chain is long, as far as it is connected or its owner was
    /// told, and than [`MAX_SIDE_HEADERS`].
    fn prune_side_headers(&mut self) -> Result<(), StoreError> {
        let told = self.checkpoint.map_or(0, |checkpoint| checkpoint.height.0 as usize);
        let max = MAX_SIDE_HEADERS.max(self.tree.connected_count()).max(told);
        self.prune(max, max - max / PRUNED_SHARE)
    }

    /// Forgets the lightest side branches if there are more than `max` side headers, down to `keep`.
    fn prune(&mut self, max: usize, keep: usize) -> Result<(), StoreError> {
        // After a failure of the store the tip may be on its way between branches: nothing is forgotten until it has arrived.
        if self.tree.side_headers() <= max || self.reported != self.tree.tip() {
            return Ok(());
        }
        let forgotten = self.tree.lightest_side_headers(keep);
        let mut changes = Changes::default();
        for slot in &forgotten {
            let id: BlockId = self.tree.id_at(*slot);
            let (header, body) = self.tree.seen_at(*slot);
            records::delete_header(&mut changes, &id, header);
            if let Some(body) = body {
                records::delete_body(&mut changes, &id, body);
            }
        }
        self.parts.store.commit(&changes)?;
        self.tree.remove(forgotten);
        Ok(())
    }

    fn next_seen(&mut self) -> u64 {
        let seen = self.seen;
        self.seen += 1;
        seen
    }
}

#[cfg(test)]
mod tests {
    use alloc::{boxed::Box, sync::Arc, vec};

    use health_chain_data::{
        Body, Genesis, Timestamp,
        ports::{ChainStore, ScalarHasher, SingleVerifier, StateView},
        state::{MemoryStore, Table},
    };

    use super::*;
    use crate::{
        ConsensusParameters, Parts, Weight,
        ports::{AcceptAll, Action, Ancestry, Engine, Finality, Input, NoReward, SealError},
    };

    /// Takes every seal; its one byte is the weight.
    struct Any;

    impl Engine for Any {
        fn name(&self) -> &'static str {
            "any"
        }

        fn finality(&self) -> Finality {
            Finality::Depth(1)
        }

        fn check_seal(&self, _: &Header, _: &dyn Ancestry) -> Result<(), SealError> {
            Ok(())
        }

        fn weight(&self, header: &Header) -> Weight {
            Weight::from(u64::from(header.seal[0]))
        }

        fn step(&mut self, _: Millis, _: Input<'_>) -> Vec<Action> {
            vec![]
        }
    }

    fn open(store: MemoryStore) -> Chain {
        let genesis = Genesis::new("any", Timestamp(1), vec![1]).with(&ConsensusParameters::default());
        let parts = Parts {
            store: Box::new(store),
            engine: Box::new(Any),
            executor: Arc::new(AcceptAll),
            reward: Arc::new(NoReward),
            verifier: Arc::new(SingleVerifier),
            hasher: Arc::new(ScalarHasher),
        };
        Chain::open(parts, &genesis).unwrap()
    }

    fn row(parent: &Header, weight: u8, count: usize) -> Vec<Block> {
        let mut parent = parent.clone();
        let block = |_| {
            let root = Body::default().root(&ScalarHasher);
            let time = Timestamp(parent.time.0 + 1);
            parent = Header { version: 1, parent: parent.id(), root, time, seal: vec![weight] };
            Block { header: parent.clone(), body: Body::default() }
        };
        (0..count).map(block).collect()
    }

    /// Copies what the chain's store holds, as if the process ended here.
    fn copy(chain: &Chain) -> MemoryStore {
        let mut changes = Changes::default();
        for table in 0..=u8::MAX {
            let table = Table(table);
            let put = &mut |key: &[u8], value: &[u8]| {
                changes.put(table, key, value);
                true
            };
            chain.state().scan(table, &[], put).unwrap();
        }
        let mut store = MemoryStore::default();
        store.commit(&changes).unwrap();
        store
    }

    #[test]
    fn forgotten_side_branches_leave_the_store_too() {
        let mut chain = open(MemoryStore::default());
        let root = chain.tip().header;
        let (main, light, heavy) = (row(&root, 9, 4), row(&root, 1, 5), row(&root, 5, 3));
        for block in main.iter().chain(&light).chain(&heavy) {
            chain.accept_block(Millis(10_000), block.clone()).unwrap();
        }
        chain.prune(8, 3).unwrap();
        assert_eq!(chain.tree.side_headers(), 8, "not too many");
        chain.prune(7, 4).unwrap();
        assert_eq!(chain.tree.side_headers(), 4);

        let store = copy(&chain);
        for (block, is_kept) in [(&light[0], true), (&light[1], false), (&light[4], false), (&heavy[2], true)] {
            assert_eq!(chain.header(&block.id()).is_some(), is_kept);
            assert_eq!(store.get(Table::HEADERS, block.id().as_bytes()).unwrap().is_some(), is_kept);
            assert_eq!(store.get(Table::BODIES, block.id().as_bytes()).unwrap().is_some(), is_kept);
        }
        let again = open(store);
        assert_eq!((again.tip(), again.tree.header_count()), (chain.tip(), chain.tree.header_count()));

        // What was forgotten is as new.
        assert_eq!(chain.accept_block(Millis(10_000), light[1].clone()).unwrap(), Accepted::Side);
        assert_eq!(chain.tree.side_headers(), 5);
    }

    #[test]
    fn a_genesis_header_without_weight_opens_nothing() {
        let genesis = Genesis::new("any", Timestamp(1), vec![0]).with(&ConsensusParameters::default());
        let parts = open(MemoryStore::default()).parts;
        assert!(matches!(Chain::open(parts, &genesis), Err(crate::OpenError::GenesisSeal)));
    }
}
