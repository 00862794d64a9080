//! A validator whose process ends after each single thing that its engine wants done, with its journal cut at every byte of the
//! last record: started again among others who do their best to make it vote otherwise, it never contradicts what it sent. The same
//! validator without its journal does.
//!
//! `HEALTH_CHAIN_BFT_RESTARTS` sets how often it is started again; from 10,000 on every byte is a cut, below that one in sixteen.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod common;
mod lives;

use std::env;

use common::Random;
use health_chain_consensus::ports::Action;
use lives::{Event, Life, Record, journal_of, script};

const RESTARTS: usize = 1_000;
const RESTARTS_VARIABLE: &str = "HEALTH_CHAIN_BFT_RESTARTS";
/// From so many restarts on, no byte is left out.
const EVERY_BYTE: usize = 10_000;
/// Different ways in which a validator that was started again is treated, in turn.
const SCRIPTS: usize = 13;
const VALIDATORS: u64 = 4;

/// What the first life of a validator was, and who it is.
struct First {
    me: usize,
    seed: u64,
    done: Vec<Action>,
    /// What may happen to it when it is started again.
    others: Vec<Vec<Event>>,
}

impl First {
    fn live(seed: u64) -> Self {
        let mut random = Random(seed);
        let me = random.below(VALIDATORS) as usize;
        let mut life = Life::begin(me, 3, &[]);
        script(me, 3, &mut random).into_iter().for_each(|event| life.meet(event));
        let others = (0..SCRIPTS).map(|_| script(me, 4, &mut random)).collect();
        Self { me, seed, done: life.done, others }
    }

    /// What left the validator before the `count`th thing was done, and it.
    fn sent(&self, count: usize) -> Record {
        let mut record = Record::of(self.me);
        self.done[..count].iter().for_each(|action| record.note(action).expect("one life knows what it said"));
        record
    }

    /// Another life over this journal: what it sends is added to `record`, up to the first contradiction.
    fn live_again(&self, journal: &[Vec<u8>], number: usize, record: &mut Record) -> Result<usize, String> {
        let mut life = Life::begin(self.me, 4, journal);
        self.others[number % SCRIPTS].iter().for_each(|event| life.meet(event.clone()));
        let before = record.sent;
        for action in &life.done {
            record.note(action).map_err(|pair| format!("seed {}, life {number}: {pair}", self.seed))?;
        }
        Ok(record.sent - before)
    }
}

#[derive(Debug, Default)]
struct Counts {
    seeds: u64,
    restarts: usize,
    /// The last record was cut within.
    torn: usize,
    /// The last record was not there at all, though what followed it had not left either.
    lost: usize,
    /// Nothing was missing.
    whole: usize,
    /// Restarts of the latter two kinds after which the validator had something to say.
    spoke: usize,
}

impl Counts {
    fn restart(&mut self, first: &First, count: usize, cut: usize) {
        let mut journal = journal_of(&first.done[..count]);
        let mut record = first.sent(count);
        self.restarts += 1;
        let length = journal.last().map_or(0, Vec::len);
        match cut {
            _ if cut == length => self.whole += 1,
            0 => {
                self.lost += 1;
                journal.pop();
            }
            _ => {
                self.torn += 1;
                journal.last_mut().unwrap().truncate(cut);
            }
        }
        let said = first.live_again(&journal, self.restarts, &mut record).unwrap();
        if cut == 0 || cut == length {
            self.spoke += usize::from(said > 0);
        } else {
            assert_eq!(said, 0, "seed {}: over a torn record (byte {cut} of {length}) it is silent", first.seed);
        }
    }
}

#[test]
fn a_validator_killed_between_signing_keeping_and_sending_never_contradicts_itself() {
    let wanted = env::var(RESTARTS_VARIABLE).map_or(RESTARTS, |wanted| wanted.parse().unwrap());
    let stride = if wanted < EVERY_BYTE { 16 } else { 1 };
    let mut counts = Counts::default();
    while counts.restarts < wanted {
        let first = First::live(counts.seeds);
        for count in 1..=first.done.len() {
            let length = journal_of(&first.done[..count]).last().map_or(0, Vec::len);
            // Only what is being written when the process ends may be missing altogether.
            let lowest = usize::from(!matches!(first.done[count - 1], Action::Persist(_))).min(length);
            let is_chosen = |cut: &usize| {
                *cut == 0 || *cut == length || (*cut + count + first.seed as usize).is_multiple_of(stride)
            };
            (lowest..=length).filter(is_chosen).for_each(|cut| counts.restart(&first, count, cut));
        }
        counts.seeds += 1;
    }
    println!("{counts:?}");
    assert!(counts.torn > wanted / 2 && counts.lost > 0 && counts.whole > 0, "{counts:?}");
    assert_eq!(counts.spoke, counts.whole + counts.lost, "it goes on with what it knows: {counts:?}");
}

#[test]
fn without_its_journal_it_does() {
    let (mut restarts, mut contradictions) = (0, 0);
    for seed in 0..6 {
        let first = First::live(seed);
        for count in 1..=first.done.len() {
            if matches!(first.done[count - 1], Action::Broadcast(_)) {
                restarts += 1;
                let mut record = first.sent(count);
                contradictions += usize::from(first.live_again(&[], restarts, &mut record).is_err());
            }
        }
    }
    println!("{restarts} restarts without a journal, {contradictions} contradictions");
    assert!(contradictions * 4 > restarts, "{contradictions} of {restarts}: the test sees what a journal prevents");
}
