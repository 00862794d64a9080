//! The whole cycle on a real chain with one authority: transactions wait, enter blocks, pay the maker, and return after a
//! reorganisation.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{EUR, LedgerOnly, MATURITY, World, key, lock, owned, parameters, pay};
use health_chain_consensus::{
    chain::{Accepted, Chain, EngineInput, Parts},
    parameters::ConsensusParameters,
    ports::Action,
    solo::{Solo, SoloParameters},
};
use health_chain_data::{
    Amount, Genesis, Millis, Timestamp, Transaction,
    ports::{ScalarHasher, SingleVerifier},
    state::{MemoryStore, state_hash},
};
use health_chain_incentive::{
    Ledger, Mempool, MempoolPolicy, Mining, MiningCycle, Reward, Rewards, SingleKey, Step, TipState, coins,
    supply::audit,
};

const START: Timestamp = Timestamp(1_800_000_000);

struct Node {
    chain: Chain,
    ledger: Arc<Ledger>,
    pool: Mempool,
    cycle: MiningCycle,
    now: Millis,
}

impl Node {
    /// A node of the authority, whose rewards go to `maker`.
    fn new(reward: Reward, maker: u8) -> Self {
        let solo = SoloParameters { authority: key(50).public_key(), interval_seconds: 10 };
        let consensus = ConsensusParameters::default();
        let genesis = Genesis::new("cycle", START, vec![]).with(&parameters(reward)).with(&solo).with(&consensus);
        let ledger = Arc::new(Ledger::new(parameters(reward), Arc::new(SingleKey)).unwrap());
        let rewards = Arc::new(Rewards::new(&ledger));
        let executor = Arc::new(LedgerOnly(ledger.clone()));
        let parts = Parts {
            store: Box::<MemoryStore>::default(),
            engine: Box::new(Solo::authority(solo, Box::new(key(50)))),
            executor: executor.clone(),
            reward: rewards.clone(),
            verifier: Arc::new(SingleVerifier),
            hasher: Arc::new(ScalarHasher),
        };
        let chain = Chain::open(parts, &genesis).unwrap();
        let pool = Mempool::new(MempoolPolicy::default(), executor, Arc::new(SingleVerifier), chain.tip().id);
        let mining = Mining { limits: consensus, payout: Some((rewards, lock(maker))), refresh_millis: 1000 };
        let cycle = MiningCycle::new(mining, Arc::new(ScalarHasher));
        Self { chain, ledger, pool, cycle, now: Millis::from(START) }
    }

    fn submit(&mut self, transaction: Transaction) {
        self.pool.submit(self.now, transaction, &TipState::of(&self.chain)).unwrap();
    }

    /// Runs the cycle until it has published a block, and returns it after this node has taken it.
    fn mine(&mut self) -> health_chain_data::Block {
        let mut actions = self.chain.step_engine(self.now, EngineInput::Tip);
        loop {
            let tip = TipState::of(&self.chain);
            let steps = self.cycle.handle(self.now, std::mem::take(&mut actions), &self.pool, &tip);
            for step in steps {
                match step.unwrap() {
                    Step::Candidate(header) => {
                        actions.extend(self.chain.step_engine(self.now, EngineInput::Candidate(header)));
                    }
                    Step::Engine(Action::WakeAt(time)) => {
                        self.now = self.now.max(time);
                        actions.extend(self.chain.step_engine(self.now, EngineInput::Tick));
                    }
                    Step::Engine(action) => panic!("one authority does not search: {action:?}"),
                    Step::Proposal(block) => panic!("one authority proposes to nobody: {block:?}"),
                    Step::Publish(block) => {
                        self.accept(block.clone());
                        return block;
                    }
                }
            }
        }
    }

    fn accept(&mut self, block: health_chain_data::Block) {
        if let Accepted::Connected(change) = self.chain.accept_block(self.now, block).unwrap() {
            self.cycle.tip_changed();
            self.pool.follow(self.now, &change, &self.chain).unwrap();
        }
        audit(self.chain.state(), self.ledger.parameters()).unwrap();
    }

    /// A world over this chain's state, to make transactions with.
    fn world(&self) -> World {
        let mut world = World::new(self.ledger.parameters().reward);
        world.context = self.chain.next_context();
        world
    }
}

#[test]
fn fees_go_from_payers_to_the_maker_and_can_be_spent_once_mature() {
    let mut node = Node::new(Reward::Immediate, 5);
    let mint = node.world().mint(vec![pay(EUR, 1000, 1)]);
    node.submit(mint.clone());
    let first = node.mine();
    assert_eq!(first.transactions(), std::slice::from_ref(&mint));
    assert!(node.pool.is_empty());

    let transfer = node.world().transfer(&owned(&mint), vec![pay(EUR, 900, 2)]);
    node.submit(transfer.clone());
    let second = node.mine();
    assert_eq!(second.transactions()[1..], [transfer]);
    let [(point, coin)] = coins(node.chain.state(), &lock(5)).unwrap().try_into().unwrap();
    assert_eq!((coin.output.amount, coin.coinbase), (Amount(100), true));

    let spend = node.world().transfer(&[(point, coin.output)], vec![pay(EUR, 100, 3)]);
    let submit = |node: &mut Node| node.pool.submit(node.now, spend.clone(), &TipState::of(&node.chain));
    for _ in 1..MATURITY {
        assert!(submit(&mut node).is_err());
        assert!(node.mine().transactions().is_empty());
    }
    submit(&mut node).unwrap();
    node.mine();
    assert_eq!(coins(node.chain.state(), &lock(3)).unwrap().len(), 1);
    assert_eq!(node.chain.replay().unwrap(), state_hash(node.chain.state()).unwrap());
}

#[test]
fn a_reorganisation_returns_transactions_to_the_pool() {
    let smoothed = Reward::Smoothed { alpha_per_mille: 500, window_blocks: 10 };
    let mut node = Node::new(smoothed, 5);
    let mut rival = Node::new(smoothed, 6);
    let mint = node.world().mint(vec![pay(EUR, 1000, 1)]);
    node.submit(mint.clone());
    let shared = node.mine();
    rival.now = node.now;
    rival.accept(shared);

    // The node's branch has two payments, the rival's one other and more blocks.
    let first = node.world().transfer(&owned(&mint), vec![pay(EUR, 400, 1), pay(EUR, 500, 1)]);
    node.submit(first.clone());
    node.mine();
    let [left, right] = owned(&first).try_into().unwrap();
    let second = node.world().transfer(&[left], vec![pay(EUR, 390, 2)]);
    let third = node.world().transfer(&[right], vec![pay(EUR, 490, 2)]);
    node.submit(second.clone());
    node.mine();
    node.submit(third.clone());
    rival.submit(first.clone());
    let branch = [rival.mine(), rival.mine(), rival.mine()];
    node.now = node.now.max(rival.now);
    for block in branch {
        node.accept(block);
    }
    assert_eq!(node.chain.tip(), rival.chain.tip());
    let waiting: Vec<_> = node.pool.iter().map(|(id, _)| *id).collect();
    assert_eq!(waiting.len(), 2);
    assert!(waiting.contains(&second.id()) && waiting.contains(&third.id()));
    let block = node.mine();
    assert_eq!(block.transactions().len(), 3);
    rival.now = node.now;
    rival.accept(block);
    assert_eq!(state_hash(node.chain.state()).unwrap(), state_hash(rival.chain.state()).unwrap());
}
