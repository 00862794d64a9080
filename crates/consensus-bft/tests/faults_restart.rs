//! A validator whose process ends at every write to its store, before the write or after it and before anything left: started
//! again, it never contradicts what it said. And it goes on from there, whatever it heard at once.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Crash, START, SharedStore, World, genesis, parameters, parts, secret};
use health_chain_consensus::{Chain, EngineInput, ports::Action};
use health_chain_consensus_bft::{Bft, Claim, Statement, proposal_message, vote_message};
use health_chain_data::{Block, BlockId, Genesis, Height, Millis};

const MINUTE: u64 = 60_000;

#[test]
fn a_validator_that_restarts_at_any_write_never_contradicts_itself() {
    let mut world = World::new(4, 5);
    world.start_all();
    assert!(world.run_to(3, MINUTE));
    let writes = world.nodes[1].disk.0.lock().unwrap().writes;
    assert!(writes > 20, "its journal is written: {writes}");
    for write in 1..writes {
        for is_written in [false, true] {
            // The sender of conflicting statements is noticed by `World::broadcast`.
            let mut world = World::new(4, 5);
            world.nodes[1].disk.0.lock().unwrap().crash = Some(Crash { write, is_written });
            world.start_all();
            assert!(world.run_to(4, 2 * MINUTE), "write {write}, {is_written}");
            world.check_agreement();
            assert_eq!(world.nodes[1].restarts, 1, "write {write}, {is_written}: it crashed once");
            assert!(world.nodes.iter().all(|node| node.accusations.is_empty()), "write {write}, {is_written}");
            assert_eq!(world.silences, [], "write {write}, {is_written}");
        }
    }
}

#[test]
fn all_validators_restart_again_and_again() {
    let mut restarts = 0;
    for seed in 0..10 {
        let mut world = World::new(4, seed);
        for node in 0..4 {
            let write = 3 + (seed as usize * 7 + node * 5) % 40;
            world.nodes[node].disk.0.lock().unwrap().crash = Some(Crash { write, is_written: node % 2 == 0 });
        }
        world.start_all();
        assert!(world.run_to(5, 5 * MINUTE), "seed {seed}");
        world.check_agreement();
        assert!(world.nodes.iter().all(|node| node.accusations.is_empty()), "seed {seed}");
        assert_eq!(world.silences, [], "seed {seed}");
        restarts += world.nodes.iter().map(|node| node.restarts).sum::<usize>();
    }
    assert!(restarts > 30, "nearly every one of 40 has crashed: {restarts}");
}

/// Who comes late hears a height of several rounds at once, and decides on its blocks afterwards. What it writes down has to be in the
/// order in which it learned it: over a journal in another order it would have proposed something else, and says nothing more.
#[test]
fn who_heard_several_rounds_at_once_goes_on_after_a_restart() {
    let genesis = genesis(&parameters(4));
    let disk = SharedStore::default();
    let mut late = Late::start(&genesis, &disk);
    for message in first_round_failed(&genesis) {
        assert_eq!(late.step(EngineInput::Message(message)), 0, "it has not begun the height");
    }
    late.tick(0);
    assert_eq!(late.proposed, 1, "the second round is its own");

    let mut again = Late::start(&genesis, &disk);
    again.tick(0);
    assert_eq!(again.proposed, 0, "it has proposed already");
    assert!(again.tick(10_000) > 0, "it still has a say");
}

/// The validator whose turn it is in the second round of the first height.
const LATE: usize = 2;

struct Late {
    chain: Chain,
    now: Millis,
    wake_at: Option<Millis>,
    proposed: usize,
}

impl Late {
    fn start(genesis: &Genesis, disk: &SharedStore) -> Self {
        let engine = Bft::validator(genesis, Box::new(secret(LATE))).unwrap();
        let chain = Chain::open(parts(engine, Box::new(disk.clone())), genesis).unwrap();
        let mut late = Self { chain, now: Millis::from(START), wake_at: None, proposed: 0 };
        late.step(EngineInput::Tip);
        late
    }

    /// One step and what follows from it; how many messages left.
    fn step(&mut self, input: EngineInput) -> usize {
        let mut sent = 0;
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for action in self.chain.step_engine(self.now, input) {
                match action {
                    Action::WakeAt(at) => self.wake_at = Some(at),
                    Action::Propose => {
                        self.proposed += 1;
                        inputs.push(EngineInput::Proposal(block(self.chain.tip().id, LATE)));
                    }
                    Action::Broadcast(_) => sent += 1,
                    _ => {}
                }
            }
        }
        sent
    }

    /// Lets so much time pass; how many messages left meanwhile.
    fn tick(&mut self, millis: u64) -> usize {
        let until = self.now.saturating_add(millis);
        let mut sent = 0;
        while let Some(at) = self.wake_at.take_if(|at| *at <= until) {
            self.now = self.now.max(at);
            sent += self.step(EngineInput::Tick);
        }
        self.now = until;
        sent
    }
}

/// The others have voted for the first proposal and then given it up, and have gone on to the second round.
fn first_round_failed(genesis: &Genesis) -> Vec<Vec<u8>> {
    let signed = |number, round, claim| {
        common::signed(genesis.chain_id(), number, Statement { height: Height(1), round, claim })
    };
    let proposer = 1;
    let block = block(genesis.block().id(), proposer);
    let choice = block.id().into();
    let proposal = signed(proposer, 0, Claim::Proposal { choice, valid_round: None });
    let votes = [(0, Claim::Prevote(Some(choice))), (0, Claim::Precommit(None)), (1, Claim::Prevote(None))];
    let votes = votes.into_iter().flat_map(|(round, claim)| [0, 1, 3].map(|number| signed(number, round, claim)));
    [proposal_message(proposal, block)].into_iter().chain(votes.map(vote_message)).collect()
}

fn block(parent: BlockId, mark: usize) -> Block {
    common::proposed(parent, mark as u8, START.saturating_add(1))
}
