//! The mining cycle (paper 2.4, Algorithm 1) as a state machine between the consensus engine and whoever drives the node.
//!
//! | Algorithm 1 | here |
//! |---|---|
//! | while the period lasts, collect transactions from the network | [`Mempool::submit`], at any time; [`MiningCycle::refresh`] |
//! | verify by kind, discard what fails | the pool's executor |
//! | add what is valid to the candidate block | [`template::build`], when the engine asks for a block |
//! | search a nonce that meets the target | the engine, through [`Action::Search`] |
//! | no competitor came: broadcast the block | [`Step::Publish`] |
//! | else: verify the competitor, add it to the chain | [`MiningCycle::tip_changed`]; the own candidate is void |

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use health_chain_consensus::{parameters::ConsensusParameters, ports::Action, verify::BLOCK_VERSION};
use health_chain_data::{
    Block, Body, Hash, Header, Kind, Lock, Millis, Timestamp, codec,
    merkle::{self, InclusionProof},
    ports::BatchHasher,
};

use crate::{
    mempool::{Mempool, TipState},
    reward::{CoinbasePayload, Rewards},
    template::{self, Payout, TemplateError},
};

/// How this node makes blocks.
#[derive(Debug, Clone)]
pub struct Mining {
    /// What a block may hold, as the genesis document says.
    pub limits: ConsensusParameters,
    /// Who takes the rewards, and by which rule; `None` leaves them to the chain's pool.
    pub payout: Option<(Arc<Rewards>, Lock)>,
    /// How long a search runs before its candidate is built anew with what has arrived meanwhile.
    pub refresh_millis: u64,
}

/// One node's mining cycle. The driver passes it what the engine wants and does what it answers.
pub struct MiningCycle {
    mining: Mining,
    hasher: Arc<dyn BatchHasher>,
    candidate: Option<Candidate>,
    searching: bool,
}

impl fmt::Debug for MiningCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiningCycle")
            .field("mining", &self.mining)
            .field("is_searching", &self.searching)
            .finish_non_exhaustive()
    }
}

struct Candidate {
    block: Block,
    built: Millis,
    arrivals: u64,
    /// The coinbase's way to the root, once its extra nonce has been changed.
    path: Option<InclusionProof>,
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Feed the engine this candidate ([`health_chain_consensus::ports::Input::Candidate`]), and hand back what it then wants.
    Candidate(Header),
    /// Feed the engine this candidate whole ([`health_chain_consensus::ports::Input::Proposal`]), and hand back what it then wants.
    Proposal(Block),
    /// What the engine wants of the driver itself: to search, to stop, to wake it.
    Engine(Action),
    /// A sealed block: verify and store it like anybody's, and announce it.
    Publish(Block),
}

impl MiningCycle {
    /// A cycle that has no candidate yet.
    pub const fn new(mining: Mining, hasher: Arc<dyn BatchHasher>) -> Self {
        Self { mining, hasher, candidate: None, searching: false }
    }

    /// The candidate being sealed, if there is one.
    pub fn candidate(&self) -> Option<&Block> {
        self.candidate.as_ref().map(|candidate| &candidate.block)
    }

    /// A valid block came in, own or not: the candidate is void. The driver tells the pool ([`Mempool::tip_changed`]) and the engine too.
    pub fn tip_changed(&mut self) {
        self.candidate = None;
        self.searching = false;
    }

    /// Turns what the engine wants into what the driver is to do, each step by itself: an error stands where a candidate was asked for and
    /// can't be built, and concerns no other step. The engine waits for that candidate, so it is to be told of the tip once more after a while. A
    /// header sealed for a candidate that is void by now leads to nothing.
    pub fn handle(
        &mut self,
        now: Millis,
        actions: Vec<Action>,
        pool: &Mempool,
        tip: &TipState<'_>,
    ) -> Vec<Result<Step, TemplateError>> {
        let mut steps = Vec::with_capacity(actions.len());
        for action in actions {
            match action {
                Action::Build => {
                    let header = match self.roll(now, pool, tip) {
                        Some(header) => Ok(header),
                        None => self.build(now, pool, tip).map(|block| block.header.clone()),
                    };
                    steps.push(header.map(Step::Candidate));
                }
                Action::Propose => steps.push(self.build(now, pool, tip).cloned().map(Step::Proposal)),
                Action::Sealed(header) => steps.extend(self.publish(header).map(Ok)),
                other => {
                    self.searching = match other {
                        Action::Search(_) => true,
                        Action::StopSearch => false,
                        _ => self.searching,
                    };
                    steps.push(Ok(Step::Engine(other)));
                }
            }
        }
        steps
    }

    /// Whether [`MiningCycle::refresh`] builds something.
    pub fn is_stale(&self, now: Millis, pool: &Mempool) -> bool {
        self.stale_at(pool).is_some_and(|at| at <= now)
    }

    /// When [`MiningCycle::refresh`] is to be called next, as far as can be told now.
    pub fn stale_at(&self, pool: &Mempool) -> Option<Millis> {
        let candidate = self.candidate.as_ref().filter(|candidate| candidate.arrivals != pool.arrivals())?;
        self.searching.then(|| candidate.built.saturating_add(self.mining.refresh_millis))
    }

    /// Builds the candidate anew if its search has run long enough and something has arrived since. To be called now and then.
    ///
    /// # Errors
    /// Where the candidate can't be built; the old one stays.
    pub fn refresh(&mut self, now: Millis, pool: &Mempool, tip: &TipState<'_>) -> Result<Option<Step>, TemplateError> {
        if self.is_stale(now, pool) {
            Ok(Some(Step::Candidate(self.build(now, pool, tip)?.header.clone())))
        } else {
            Ok(None)
        }
    }

    fn build(&mut self, now: Millis, pool: &Mempool, tip: &TipState<'_>) -> Result<&Block, TemplateError> {
        let payout = self.mining.payout.as_ref().map(|(rewards, lock)| Payout { rewards, lock });
        let body = template::build(pool, tip, &self.mining.limits, payout)?.body;
        let header = Header {
            version: BLOCK_VERSION,
            parent: tip.id,
            root: body.root(&*self.hasher),
            time: time(now, tip),
            seal: Vec::new(),
        };
        let candidate = Candidate { block: Block { header, body }, built: now, arrivals: pool.arrivals(), path: None };
        Ok(&self.candidate.insert(candidate).block)
    }

    /// The candidate with another extra nonce, where it is asked for again and there is nothing new to put in: nothing is hashed but its
    /// coinbase and the way from there to the root.
    fn roll(&mut self, now: Millis, pool: &Mempool, tip: &TipState<'_>) -> Option<Header> {
        let is_current = |candidate: &&mut Candidate| {
            candidate.block.header.parent == tip.id && candidate.arrivals == pool.arrivals()
        };
        let Candidate { block: Block { header, body }, path, .. } = self.candidate.as_mut().filter(is_current)?;
        if body.0.first()?.kind != Kind::COINBASE {
            return None;
        }
        let path = match path {
            Some(path) => path,
            None => path.insert(coinbase_path(body)?),
        };
        let coinbase = body.0.first_mut()?;
        let mut payload: CoinbasePayload = codec::decode(&coinbase.payload).ok()?;
        payload.extra_nonce = payload.extra_nonce.checked_add(1)?;
        coinbase.payload = codec::encode(&payload);
        header.root = path.root(&merkle::leaf_hash(&codec::encode(coinbase))).ok()?;
        header.time = time(now, tip);
        Some(header.clone())
    }

    /// The sealed block, if the header is the candidate's; seal and time are the engine's to set.
    fn publish(&mut self, header: Header) -> Option<Step> {
        let is_for = |candidate: &Candidate| {
            let own = &candidate.block.header;
            (own.version, own.parent, own.root) == (header.version, header.parent, header.root)
        };
        let candidate = self.candidate.take_if(|candidate| is_for(candidate))?;
        self.searching = false;
        Some(Step::Publish(Block { header, body: candidate.block.body }))
    }
}

/// What the header of a candidate says: later than the median of the last eleven, whatever this node's clock says.
fn time(now: Millis, tip: &TipState<'_>) -> Timestamp {
    now.timestamp().max(tip.context.median_time_past.saturating_add(1))
}

/// The way from the first leaf to the root.
fn coinbase_path(body: &Body) -> Option<InclusionProof> {
    let leaves: Vec<Hash> = body.0.iter().map(|transaction| merkle::leaf_hash(&codec::encode(transaction))).collect();
    InclusionProof::build(&leaves, 0)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_consensus::ports::SearchTask;
    use health_chain_data::{
        Amount, BlockId, Kind,
        ports::{ScalarHasher, SingleVerifier},
    };

    use super::*;
    use crate::{
        MempoolPolicy, Reward,
        common::{EUR, World, lock, pay},
    };

    const NOW: Millis = Millis(2_000_000_000_000);

    fn tip(world: &World) -> TipState<'_> {
        TipState { id: BlockId::default(), context: world.context, state: &world.store }
    }

    fn cycle(world: &World) -> (MiningCycle, Mempool) {
        let payout = Some((Arc::new(Rewards::new(&world.ledger)), lock(5)));
        let mining = Mining { limits: ConsensusParameters::default(), payout, refresh_millis: 1000 };
        let pool = Mempool::new(
            MempoolPolicy::default(),
            world.executor.clone(),
            Arc::new(SingleVerifier),
            BlockId::default(),
        );
        (MiningCycle::new(mining, Arc::new(ScalarHasher)), pool)
    }

    /// Every step, where every candidate can be built.
    fn handle(
        cycle: &mut MiningCycle,
        now: Millis,
        actions: Vec<Action>,
        pool: &Mempool,
        tip: &TipState<'_>,
    ) -> Vec<Step> {
        cycle.handle(now, actions, pool, tip).into_iter().map(Result::unwrap).collect()
    }

    fn search() -> Action {
        Action::Search(SearchTask { header: [0; 80], target: [0xff; 32] })
    }

    fn candidate(steps: Vec<Step>) -> Header {
        match steps.as_slice() {
            [Step::Candidate(header)] => header.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_candidate_is_built_sealed_and_published() {
        let mut world = World::new(Reward::Immediate);
        let coins = world.fund(vec![pay(EUR, 100, 1)]);
        let (mut cycle, mut pool) = cycle(&world);
        let transfer = world.transfer(&coins, vec![pay(EUR, 90, 2)]);
        pool.submit(NOW, transfer.clone(), &tip(&world)).unwrap();

        let mut header = candidate(handle(&mut cycle, NOW, vec![Action::Build], &pool, &tip(&world)));
        assert_eq!((header.time, header.seal.len()), (NOW.timestamp(), 0));
        assert_eq!(
            handle(&mut cycle, NOW, vec![search(), Action::WakeAt(NOW)], &pool, &tip(&world)),
            vec![Step::Engine(search()), Step::Engine(Action::WakeAt(NOW))]
        );
        header.seal = vec![1, 2, 3];
        let steps = handle(&mut cycle, NOW, vec![Action::Sealed(header.clone())], &pool, &tip(&world));
        let [Step::Publish(block)] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!(block.header, header);
        assert_eq!(block.transactions()[0].kind, Kind::COINBASE);
        assert_eq!(block.transactions()[0].outputs[0].amount, Amount(10));
        assert_eq!(block.transactions()[1], transfer);
        assert!(world.check_block(block).is_ok());
        // The same seal twice publishes nothing twice.
        assert_eq!(handle(&mut cycle, NOW, vec![Action::Sealed(header)], &pool, &tip(&world)), vec![]);
    }

    #[test]
    fn a_candidate_asked_for_again_has_another_root_of_the_same_transactions() {
        let mut world = World::new(Reward::Immediate);
        let coins = world.fund(vec![pay(EUR, 100, 1)]);
        let (mut cycle, mut pool) = cycle(&world);
        let transfer = world.transfer(&coins, vec![pay(EUR, 90, 2)]);
        pool.submit(NOW, transfer.clone(), &tip(&world)).unwrap();
        let mut headers = Vec::new();
        for second in 0..3 {
            let now = Millis(NOW.0 + second * 1000);
            let header = candidate(handle(&mut cycle, now, vec![Action::Build], &pool, &tip(&world)));
            assert_eq!(header.time, now.timestamp());
            assert!(headers.iter().all(|other: &Header| other.root != header.root));
            headers.push(header);
        }
        let block = cycle.candidate().unwrap().clone();
        assert_eq!(block.header.root, block.body.root(&ScalarHasher));
        assert_eq!(block.transactions()[1..], [transfer]);
        assert!(world.check_block(&block).is_ok());
        // The last one only can be sealed.
        let [first, .., last] = &headers[..] else { panic!("three were made") };
        assert_eq!(handle(&mut cycle, NOW, vec![Action::Sealed(first.clone())], &pool, &tip(&world)), vec![]);
        let steps = handle(&mut cycle, NOW, vec![Action::Sealed(last.clone())], &pool, &tip(&world));
        assert_eq!(steps, vec![Step::Publish(block)]);
    }

    #[test]
    fn without_a_coinbase_a_candidate_asked_for_again_is_the_same() {
        let world = World::new(Reward::Immediate);
        let (mut cycle, pool) = cycle(&world);
        let first = candidate(handle(&mut cycle, NOW, vec![Action::Build], &pool, &tip(&world)));
        let second = candidate(handle(&mut cycle, NOW, vec![Action::Build], &pool, &tip(&world)));
        assert_eq!(first, second);
    }

    #[test]
    fn a_candidate_that_can_not_be_built_takes_no_other_step_with_it() {
        let world = World::new(Reward::Immediate);
        let (mut cycle, pool) = cycle(&world);
        let elsewhere = TipState { id: BlockId(health_chain_data::sha256(b"elsewhere")), ..tip(&world) };
        let said = [b"one", b"two"].map(|bytes| Action::Broadcast(bytes.to_vec()));
        for asked in [Action::Build, Action::Propose] {
            let actions = vec![said[0].clone(), asked, said[1].clone()];
            let steps = cycle.handle(NOW, actions, &pool, &elsewhere);
            let [Ok(first), Err(TemplateError::OtherTip(_)), Ok(last)] = steps.as_slice() else { panic!("{steps:?}") };
            assert_eq!([first, last].map(Clone::clone), said.clone().map(Step::Engine));
        }
    }

    #[test]
    fn a_competitor_voids_the_candidate() {
        let world = World::new(Reward::Immediate);
        let (mut cycle, pool) = cycle(&world);
        let header = candidate(handle(&mut cycle, NOW, vec![Action::Build], &pool, &tip(&world)));
        let other = Header { parent: BlockId(header.root), ..header.clone() };
        assert_eq!(handle(&mut cycle, NOW, vec![Action::Sealed(other)], &pool, &tip(&world)), vec![]);
        assert!(cycle.candidate().is_some());
        cycle.tip_changed();
        assert!(cycle.candidate().is_none());
        assert_eq!(handle(&mut cycle, NOW, vec![Action::Sealed(header)], &pool, &tip(&world)), vec![]);
    }

    #[test]
    fn a_long_search_takes_up_what_has_arrived() {
        let mut world = World::new(Reward::Immediate);
        let coins = world.fund(vec![pay(EUR, 100, 1)]);
        let (mut cycle, mut pool) = cycle(&world);
        let (later, late) = (Millis(NOW.0 + 999), Millis(NOW.0 + 1000));
        let first = candidate(handle(&mut cycle, NOW, vec![Action::Build], &pool, &tip(&world)));
        assert_eq!(cycle.refresh(late, &pool, &tip(&world)).unwrap(), None);
        handle(&mut cycle, NOW, vec![search()], &pool, &tip(&world));
        assert_eq!(cycle.refresh(late, &pool, &tip(&world)).unwrap(), None);
        pool.submit(NOW, world.transfer(&coins, vec![]), &tip(&world)).unwrap();
        assert_eq!(cycle.refresh(later, &pool, &tip(&world)).unwrap(), None);
        let second = candidate(cycle.refresh(late, &pool, &tip(&world)).unwrap().into_iter().collect());
        assert_ne!(second.root, first.root);
        assert_eq!(cycle.refresh(late, &pool, &tip(&world)).unwrap(), None);
        handle(&mut cycle, NOW, vec![Action::StopSearch], &pool, &tip(&world));
        assert_eq!(cycle.refresh(Millis::MAX, &pool, &tip(&world)).unwrap(), None);
    }

    #[test]
    fn a_clock_behind_the_chain_does_not_make_void_blocks() {
        let world = World::new(Reward::Immediate);
        let (mut cycle, pool) = cycle(&world);
        let header = candidate(handle(&mut cycle, Millis(0), vec![Action::Build], &pool, &tip(&world)));
        assert_eq!(header.time, world.context.median_time_past.saturating_add(1));
    }
}
