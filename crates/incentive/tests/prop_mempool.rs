//! The pool under random traffic: never beyond its caps, always in order, never with two spenders of one coin, and always good for
//! a template that verifies.
#![allow(clippy::unwrap_used)]

mod common;

use std::{collections::BTreeSet, sync::Arc};

use common::{CNY, EUR, FREE, Owned, World, lock, owned, pay};
use health_chain_consensus::{parameters::ConsensusParameters, ports::Executor};
use health_chain_data::{
    Amount, Block, BlockId, Hash, Kind, Millis, Transaction, codec,
    ports::{SingleVerifier, StateView},
    state::{Changes, Overlay, Table, state_hash},
};
use health_chain_incentive::{Mempool, MempoolPolicy, Payout, Reward, TipState, mempool::Entry, template};
use proptest::prelude::*;

const COINS: usize = 12;
const POLICY: MempoolPolicy = MempoolPolicy {
    protected_kinds: &[],
    max_bytes: 2_000,
    max_count: 7,
    max_protected_bytes: 200,
    max_protected_count: 4,
    max_ancestors: 4,
    max_signature_checks: 3,
    minimum_fee_per_kilobyte: Amount(10),
    expiry_millis: 500,
};

#[derive(Debug, Clone)]
enum Event {
    /// Spends coins, of the state or of the pool, by their positions.
    Pay {
        coins: Vec<usize>,
        fee: u64,
        outputs: usize,
    },
    Free {
        number: u8,
        bytes: usize,
    },
    Mint,
    Pass {
        millis: u64,
    },
    /// A block of what a template with these caps holds.
    Block {
        max_bytes: u32,
        max_checks: u32,
    },
    /// A block of one payment that the pool has not seen.
    Rival {
        coin: usize,
        fee: u64,
    },
    Disconnect {
        blocks: usize,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => (prop::collection::vec(0..30_usize, 1..4), 0..60_u64, 1..4_usize)
            .prop_map(|(coins, fee, outputs)| Event::Pay { coins, fee, outputs }),
        2 => (0..20_u8, 0..60_usize).prop_map(|(number, bytes)| Event::Free { number, bytes }),
        1 => Just(Event::Mint),
        1 => (0..300_u64).prop_map(|millis| Event::Pass { millis }),
        2 => (300..2_500_u32, 0..8_u32).prop_map(|(max_bytes, max_checks)| Event::Block { max_bytes, max_checks }),
        1 => (0..COINS, 1..60_u64).prop_map(|(coin, fee)| Event::Rival { coin, fee }),
        1 => (1..3_usize).prop_map(|blocks| Event::Disconnect { blocks }),
    ]
}

struct Run {
    world: World,
    pool: Mempool,
    now: Millis,
    blocks: Vec<(Block, Changes)>,
    /// Tells one branch's block from another's at the same height.
    branch: u32,
    seen: Seen,
}

#[derive(Default, Debug)]
struct Seen {
    accepted: usize,
    evicted: usize,
    expired: usize,
    dropped: usize,
    returned: usize,
}

fn tip(world: &World, branch: u32) -> TipState<'_> {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&world.context.height.0.to_le_bytes());
    id[4..8].copy_from_slice(&branch.to_le_bytes());
    TipState { id: BlockId(Hash(id)), context: world.context, state: &world.store }
}

impl Run {
    fn new() -> Self {
        let mut world = World::new(Reward::Smoothed { alpha_per_mille: 500, window_blocks: 3 });
        world.fund(vec![pay(EUR, 1000, 1); COINS]);
        let pool = Mempool::new(POLICY, world.executor.clone(), Arc::new(SingleVerifier), tip(&world, 0).id);
        Self { world, pool, now: Millis(1_000_000), blocks: vec![], branch: 0, seen: Seen::default() }
    }

    /// Coins of the state and of the pool, spent or not, that belong to key 1.
    fn coins(&self) -> Vec<Owned> {
        let state = health_chain_incentive::coins(&self.world.store, &lock(1)).unwrap();
        let pool = self.pool.iter().flat_map(|(_, entry)| owned(entry.transaction()));
        state
            .into_iter()
            .map(|(point, coin)| (point, coin.output))
            .chain(pool)
            .filter(|(_, o)| o.token == EUR)
            .collect()
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Pay { coins, fee, outputs } => {
                let all = self.coins();
                let spent: Vec<Owned> = coins
                    .iter()
                    .map(|coin| coin % all.len())
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .map(|i| all[i].clone())
                    .collect();
                let rest = spent.iter().map(|(_, output)| output.amount.0).sum::<u64>().saturating_sub(*fee);
                let part = rest / *outputs as u64;
                if part > 0 {
                    self.submit(self.world.transfer(&spent, vec![pay(EUR, part, 1); *outputs]));
                }
            }
            Event::Free { number, bytes } => self.submit(Transaction::new(FREE, vec![*number; *bytes])),
            Event::Mint => self.submit(self.world.mint(vec![pay(CNY, 1, 1)])),
            Event::Pass { millis } => {
                self.now = self.now.saturating_add(*millis);
                self.seen.expired += self.pool.expire(self.now).len();
            }
            Event::Block { max_bytes, max_checks } => {
                let block = self.template(*max_bytes, *max_checks);
                self.connect(block);
            }
            Event::Rival { coin, fee } => {
                let coins = health_chain_incentive::coins(&self.world.store, &lock(1)).unwrap();
                let (point, coin) = coins[coin % coins.len()].clone();
                if coin.output.token == EUR && coin.output.amount.0 > *fee {
                    let left = coin.output.amount.0 - fee;
                    let rival = self.world.transfer(&[(point, coin.output)], vec![pay(EUR, left, 1)]);
                    let block = self.world.block(vec![rival]);
                    if self.world.check_block(&block).is_ok() {
                        self.connect(block);
                    }
                }
            }
            Event::Disconnect { blocks } => {
                let at = self.blocks.len() - blocks.min(&self.blocks.len());
                let mut gone = self.blocks.split_off(at);
                gone.iter().rev().for_each(|(_, undo)| self.world.disconnect(undo));
                gone.reverse();
                self.branch += 1;
                let before = self.pool.len();
                let tip = tip(&self.world, self.branch);
                let dropped = self.pool.tip_changed(self.now, gone.iter().map(|(block, _)| block), [], &tip).unwrap();
                self.seen.dropped += dropped.len();
                self.seen.returned += self.pool.len().saturating_sub(before);
            }
        }
    }

    fn submit(&mut self, transaction: Transaction) {
        let before: Vec<_> = self.pool.iter().map(|(id, _)| *id).collect();
        let id = transaction.id();
        match self.pool.submit(self.now, transaction, &tip(&self.world, self.branch)) {
            Ok(evicted) => {
                assert!(self.pool.transaction(&id).is_some());
                assert_eq!(self.pool.len(), before.len() + 1 - evicted.len());
                self.seen.accepted += 1;
                self.seen.evicted += evicted.len();
            }
            Err(_) => assert_eq!(self.pool.iter().map(|(id, _)| *id).collect::<Vec<_>>(), before),
        }
    }

    fn template(&self, max_block_bytes: u32, max_signature_checks: u32) -> Block {
        let limits = ConsensusParameters { max_block_bytes, max_signature_checks, ..ConsensusParameters::default() };
        let (rewards, own) = (&self.world.rewards, lock(9));
        let payout = Some(Payout { rewards, lock: &own });
        let template = template::build(&self.pool, &tip(&self.world, self.branch), &limits, payout).unwrap();
        let block = self.world.block(template.body.0);
        assert!(codec::encode(&block).len() <= max_block_bytes as usize || block.transactions().is_empty());
        assert!(template.signature_checks <= max_signature_checks);
        assert!(self.world.check_block(&block).is_ok(), "a template verifies");
        block
    }

    fn connect(&mut self, block: Block) {
        let undo = self.world.connect(block.body.0.clone());
        let tip = tip(&self.world, self.branch);
        let dropped = self.pool.tip_changed(self.now, [], [&block], &tip).unwrap();
        self.seen.dropped += dropped.len();
        self.blocks.push((block, undo));
    }

    fn check(&self) {
        let entries: Vec<&Entry> = self.pool.iter().map(|(_, entry)| entry).collect();
        let (protected, paid): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| entry.is_protected());
        let bytes = |entries: &[&Entry]| entries.iter().map(|e| codec::encode(e.transaction()).len()).sum::<usize>();
        assert_eq!((self.pool.paid().count, self.pool.paid().bytes), (paid.len(), bytes(&paid)));
        assert_eq!((self.pool.protected().count, self.pool.protected().bytes), (protected.len(), bytes(&protected)));
        assert!(paid.len() <= POLICY.max_count && bytes(&paid) <= POLICY.max_bytes);
        assert!(protected.len() <= POLICY.max_protected_count && bytes(&protected) <= POLICY.max_protected_bytes);

        assert!(entries.is_sorted_by_key(|entry| !entry.is_protected()), "protected ones first");
        assert!(paid.is_sorted_by(|left, right| left.rate() >= right.rate()), "then by fee rate");

        let inputs: Vec<_> = entries.iter().flat_map(|e| &e.transaction().inputs).map(|i| i.previous).collect();
        assert_eq!(inputs.iter().collect::<BTreeSet<_>>().len(), inputs.len(), "one spender per coin");
    }

    /// A template takes the whole pool, and what the pool shows is what the template leads to.
    fn check_state(&self) {
        let block = self.template(1_000_000, 1_000);
        let others = || block.transactions().iter().filter(|transaction| transaction.kind != Kind::COINBASE);
        assert_eq!(others().count(), self.pool.len(), "with room enough, everything goes into the block");
        let mut state = Overlay::new(&self.world.store);
        for transaction in others() {
            self.world.executor.apply(&mut state, transaction, &self.world.context, &mut vec![]).unwrap();
        }
        let view = self.pool.view(&tip(&self.world, self.branch));
        assert_eq!(state_hash(&view).unwrap(), state_hash(&state).unwrap());
        assert!(view.get(Table::META, b"nothing").unwrap().is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_pool_keeps_its_promises(events in prop::collection::vec(event(), 1..20)) {
        let mut run = Run::new();
        for (index, event) in events.iter().enumerate() {
            run.event(event);
            run.check();
            if index % 5 == 4 {
                run.check_state();
            }
        }
        run.check_state();
    }
}

/// The random runs above reach every way in which a transaction comes and goes.
#[test]
fn everything_happens() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let mut run = Run::new();
    for _ in 0..600 {
        run.event(&event().new_tree(&mut runner).unwrap().current());
    }
    let Seen { accepted, evicted, expired, dropped, returned } = run.seen;
    assert!([accepted, evicted, expired, dropped, returned].iter().all(|count| *count > 0), "{:?}", run.seen);
}
