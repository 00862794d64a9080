//! One validator's engine between its start and its end, at the first height of a chain, in the hands of the three others.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::LazyLock,
};

use health_chain_consensus::ports::{Action, Ancestry, Engine, Input};
use health_chain_consensus_bft::{Bft, Choice, Claim, Signed, Statement, proposal_message, statements, vote_message};
use health_chain_data::{Block, BlockId, Genesis, Hash, Header, Height, Millis, PublicKey, state::MemoryStore};

use crate::common::{self, Random, START, secret};

const HEIGHT: Height = Height(1);
const VALIDATORS: usize = 4;
/// Longer than all timeouts of a round.
const ROUND_MILLIS: u64 = 4_000;
const ROUNDS: u32 = 3;

static GENESIS: LazyLock<Genesis> = LazyLock::new(|| common::genesis(&common::parameters(VALIDATORS)));

/// What happens to the validator.
#[derive(Clone)]
pub enum Event {
    Message(Vec<u8>),
    /// So many milliseconds pass.
    Wait(u64),
    /// The driver says again where the chain stands.
    Tip,
}

/// A branch of the genesis block alone.
struct Root;

impl Ancestry for Root {
    fn height(&self) -> Height {
        Height::ZERO
    }

    fn header(&self, height: Height) -> Option<Header> {
        (height == Height::ZERO).then(|| block(0).header)
    }
}

pub struct Life {
    engine: Bft,
    now: Millis,
    wake_at: Option<Millis>,
    /// Which block it proposes.
    mark: u8,
    /// Everything that the engine wanted done, in order.
    pub done: Vec<Action>,
}

impl Life {
    /// Starts validator `me` over a journal.
    pub fn begin(me: usize, mark: u8, journal: &[Vec<u8>]) -> Self {
        Self::of(Bft::validator(&GENESIS, Box::new(secret(me))).unwrap(), mark, journal)
    }

    /// Starts a node that only follows and passes on.
    pub fn follow() -> Self {
        Self::of(Bft::follower(&GENESIS).unwrap(), 0, &[])
    }

    fn of(engine: Bft, mark: u8, journal: &[Vec<u8>]) -> Self {
        let mut life = Self { engine, now: Millis::from(START), wake_at: None, mark, done: Vec::new() };
        journal.iter().for_each(|entry| life.step(Input::Journal(entry.clone())));
        life.meet(Event::Tip);
        life
    }

    pub fn meet(&mut self, event: Event) {
        let state = &MemoryStore::default();
        match event {
            Event::Message(bytes) => self.step(Input::Message { bytes, branch: &Root, state }),
            Event::Tip => {
                self.step(Input::Tip { branch: &Root, state });
                self.meet(Event::Wait(0));
            }
            Event::Wait(millis) => {
                let until = self.now.saturating_add(millis);
                while let Some(at) = self.wake_at.take_if(|at| *at <= until) {
                    self.now = self.now.max(at);
                    self.step(Input::Tick);
                }
                self.now = until;
            }
        }
    }

    fn step(&mut self, input: Input<'_>) {
        let mut pending = VecDeque::from(self.engine.step(self.now, input));
        while let Some(action) = pending.pop_front() {
            self.done.push(action.clone());
            let more = match action {
                Action::Judge(block) => self.engine.step(self.now, Input::Judged { id: block.id(), is_valid: true }),
                Action::Propose => {
                    self.engine.step(self.now, Input::Proposal { block: block(self.mark), branch: &Root })
                }
                Action::WakeAt(at) => {
                    self.wake_at = Some(at);
                    continue;
                }
                _ => continue,
            };
            pending.extend(more);
        }
    }
}

/// What the journal holds once all this is done.
pub fn journal_of(done: &[Action]) -> Vec<Vec<u8>> {
    let mut journal = Vec::new();
    for action in done {
        match action {
            Action::Persist(entry) => journal.push(entry.clone()),
            Action::Forget => journal.clear(),
            _ => {}
        }
    }
    journal
}

/// What a validator has sent.
pub struct Record {
    me: PublicKey,
    said: BTreeMap<(Height, u32, u8), Statement>,
    /// How many statements, repeated ones too.
    pub sent: usize,
}

impl Record {
    pub fn of(me: usize) -> Self {
        Self { me: secret(me).public_key(), said: BTreeMap::new(), sent: 0 }
    }

    /// Notes what an action sends.
    ///
    /// # Errors
    /// Where it contradicts what was sent before.
    pub fn note(&mut self, action: &Action) -> Result<(), String> {
        let Action::Broadcast(bytes) = action else { return Ok(()) };
        for Signed { statement, .. } in statements(bytes).into_iter().filter(|signed| signed.validator == self.me) {
            self.sent += 1;
            let slot = (statement.height, statement.round, common::kind(&statement.claim));
            let before = *self.said.entry(slot).or_insert(statement);
            if before != statement {
                return Err(format!("{before:?} and then {statement:?}"));
            }
        }
        Ok(())
    }
}

/// What the three others, who are of one mind and keep no rule, do to validator `me` who itself proposes block `mark`: rounds in which
/// they propose one of two blocks, as new or as one that had its quorum before, and vote for it, for the other, or for none.
pub fn script(me: usize, mark: u8, random: &mut Random) -> Vec<Event> {
    let others: Vec<usize> = (0..VALIDATORS).filter(|other| *other != me).collect();
    let mut events = Vec::new();
    for round in 0..ROUNDS {
        let proposer = (HEIGHT.0 + round) as usize % VALIDATORS;
        let favoured = if proposer == me { mark } else { 1 + random.below(2) as u8 };
        if proposer != me && random.below(4) > 0 {
            let is_old = round > 0 && random.below(2) == 0;
            let valid_round = is_old.then(|| random.below(round.into()) as u32);
            let claim = Claim::Proposal { choice: choice(favoured), valid_round };
            events.push(Event::Message(proposal_message(signed(proposer, round, claim), block(favoured))));
        }
        let mut vote = |generosity: u64| match random.below(8) {
            lot if lot < generosity => Some(choice(favoured)),
            7 => Some(choice(1)),
            _ => None,
        };
        let prevotes: Vec<_> = others.iter().map(|other| (*other, Claim::Prevote(vote(6)))).collect();
        let precommits: Vec<_> = others.iter().map(|other| (*other, Claim::Precommit(vote(2)))).collect();
        for (other, claim) in prevotes.into_iter().chain(precommits) {
            events.push(Event::Message(vote_message(signed(other, round, claim))));
        }
        events.push(Event::Tip);
        events.push(Event::Wait(ROUND_MILLIS));
    }
    events
}

pub fn signed(number: usize, round: u32, claim: Claim) -> Signed {
    common::signed(GENESIS.chain_id(), number, Statement { height: HEIGHT, round, claim })
}

pub fn choice(mark: u8) -> Choice {
    block(mark).id().into()
}

pub fn block(mark: u8) -> Block {
    common::proposed(BlockId(Hash::ZERO), mark, START)
}
