//! One validator, the first of four, at a height of many rounds: whatever one other says of rounds that nobody has come to, it goes on;
//! and when the others are many rounds ahead, it finds them, and again after a restart.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;
mod lives;

use common::secret;
use health_chain_consensus::ports::Action;
use health_chain_consensus_bft::{
    Claim, Signed, Statement,
    limits::{MAX_BLOCKS, MAX_ROUNDS_AHEAD},
    proposal, proposal_message, statements, vote_message,
};
use lives::{Event, Life, block, choice, journal_of, signed};

const ME: usize = 0;
/// Proposes in the first round.
const FIRST: usize = 1;
const LIAR: usize = 3;
const VALIDATORS: u32 = 4;
const OWN_MARK: u8 = 3;
/// Longer than all timeouts of a round.
const ROUND_MILLIS: u64 = 4_000;
/// Further ahead than a validator looks.
const FAR: u32 = MAX_ROUNDS_AHEAD + 2;

fn begin(journal: &[Vec<u8>]) -> Life {
    Life::begin(ME, OWN_MARK, journal)
}

fn hear(life: &mut Life, message: Vec<u8>) {
    life.meet(Event::Message(message));
}

fn vote(life: &mut Life, number: usize, round: u32, claim: Claim) {
    hear(life, vote_message(signed(number, round, claim)));
}

fn propose(life: &mut Life, number: usize, round: u32, mark: u8) {
    let claim = Claim::Proposal { choice: choice(mark), valid_round: None };
    hear(life, proposal_message(signed(number, round, claim), block(mark)));
}

fn proposer(round: u32) -> usize {
    ((1 + round) % VALIDATORS) as usize
}

/// What the validator itself has sent.
fn said(life: &Life) -> Vec<Statement> {
    let me = secret(ME).public_key();
    let sent = life.done.iter().filter_map(|action| match action {
        Action::Broadcast(bytes) => Some(statements(bytes)),
        _ => None,
    });
    sent.flatten().filter(|signed: &Signed| signed.validator == me).map(|signed| signed.statement).collect()
}

fn says(life: &Life, round: u32, claim: Claim) -> bool {
    said(life).iter().any(|statement| statement.round == round && statement.claim == claim)
}

#[test]
fn proposals_of_far_rounds_take_no_room_from_those_of_this_one() {
    let mut life = begin(&[]);
    let rounds = (0..u32::MAX).filter(|round| proposer(*round) == LIAR && *round > MAX_ROUNDS_AHEAD);
    for (round, mark) in rounds.zip(100..100 + MAX_BLOCKS as u8) {
        propose(&mut life, LIAR, round, mark);
    }
    propose(&mut life, FIRST, 0, 1);
    assert!(says(&life, 0, Claim::Prevote(Some(choice(1)))));
    // And after a restart, in the next round.
    let mut again = begin(&journal_of(&life.done));
    [FIRST, LIAR].into_iter().for_each(|number| vote(&mut again, number, 1, Claim::Prevote(None)));
    propose(&mut again, proposer(1), 1, 2);
    assert!(says(&again, 1, Claim::Prevote(Some(choice(2)))));
}

/// Two others are in the next round already.
fn fail(life: &mut Life, round: u32) {
    [1, 2].into_iter().for_each(|number| vote(life, number, round + 1, Claim::Prevote(None)));
}

/// More rounds than there is room for blocks, each with another one, but where it is this validator's turn.
fn fail_again_and_again(life: &mut Life, mut each: impl FnMut(&Life, u32)) -> u32 {
    let rounds = MAX_BLOCKS as u32 * 3 / 2;
    for round in 0..rounds {
        if proposer(round) != ME {
            propose(life, proposer(round), round, mark(round));
        }
        each(life, round);
        fail(life, round);
    }
    rounds
}

const fn mark(round: u32) -> u8 {
    10 + round as u8
}

#[test]
fn however_many_rounds_a_height_takes_new_blocks_are_voted_for() {
    let prevotes = |life: &Life, round: u32| {
        let mark = if proposer(round) == ME { OWN_MARK } else { mark(round) };
        assert!(says(life, round, Claim::Prevote(Some(choice(mark)))), "round {round}");
    };
    let mut life = begin(&[]);
    let round = fail_again_and_again(&mut life, prevotes);
    // After a restart, too.
    let mut again = begin(&journal_of(&life.done));
    assert_ne!(proposer(round), LIAR);
    propose(&mut again, proposer(round), round, mark(round));
    prevotes(&again, round);
    // A block that was forgotten is decided after all: it comes with the chain.
    (1..4).for_each(|number| vote(&mut life, number, 0, Claim::Precommit(Some(choice(mark(0))))));
    assert!(!life.done.iter().any(|action| matches!(action, Action::Decided(_))));
}

#[test]
fn however_many_rounds_a_height_takes_the_block_with_a_quorum_is_proposed_again() {
    let proposes_again = |life: &Life, round: u32| {
        let proposals = life.done.iter().filter_map(|action| match action {
            Action::Broadcast(bytes) => proposal(bytes),
            _ => None,
        });
        let claim = Claim::Proposal { choice: choice(mark(0)), valid_round: Some(0) };
        let is_it = |(signed, sent): (Signed, _)| {
            signed.statement.round == round && signed.statement.claim == claim && sent == block(mark(0))
        };
        assert!(proposals.into_iter().any(is_it), "round {round}");
    };
    let mut life = begin(&[]);
    propose(&mut life, FIRST, 0, mark(0));
    [1, 2].into_iter().for_each(|number| vote(&mut life, number, 0, Claim::Prevote(Some(choice(mark(0))))));
    assert!(says(&life, 0, Claim::Precommit(Some(choice(mark(0))))), "it is locked");
    let rounds = fail_again_and_again(&mut life, |life, round| {
        if proposer(round) == ME {
            proposes_again(life, round);
        }
    });
    let mut again = begin(&journal_of(&life.done));
    let turn = (rounds + 1..).find(|round| proposer(*round) == ME).unwrap();
    fail(&mut again, turn - 1);
    proposes_again(&again, turn);
}

/// What one validator says of far rounds takes no room either, and alone it shows nobody the way.
#[test]
fn votes_of_a_far_round_by_one_validator_are_not_passed_on() {
    let mut life = begin(&[]);
    let relayed = |life: &Life| life.done.iter().filter(|action| matches!(action, Action::Relay(_))).count();
    for round in 0..10 * FAR {
        vote(&mut life, LIAR, round, Claim::Prevote(None));
        vote(&mut life, LIAR, round, Claim::Precommit(None));
    }
    assert_eq!(relayed(&life), 2 * (MAX_ROUNDS_AHEAD as usize + 1));
    life.meet(Event::Wait(ROUND_MILLIS));
    assert!(!said(&life).is_empty() && said(&life).iter().all(|statement| statement.round == 0));
}

/// It was away while the others went on, and nobody sends it the certificate that leads to their round: their votes do.
#[test]
fn votes_of_a_far_round_lead_there_once_more_than_a_third_says_them() {
    let mut life = begin(&[]);
    for _ in 0..2 {
        (1..4).for_each(|number| vote(&mut life, number, FAR, Claim::Prevote(None)));
    }
    life.meet(Event::Wait(ROUND_MILLIS));
    assert!(says(&life, FAR, Claim::Prevote(None)) && says(&life, FAR, Claim::Precommit(None)));
}

/// It was too early for a vote, and then a certificate leads to its round: it counts when it is said again.
#[test]
fn votes_that_came_too_early_count_when_they_are_said_again() {
    let mut life = begin(&[]);
    vote(&mut life, 1, FAR, Claim::Precommit(None));
    hear(&mut life, certificate());
    vote(&mut life, 1, FAR, Claim::Precommit(None));
    goes_on(&mut life);
}

/// The certificate is not in the journal, the votes in it are.
#[test]
fn who_came_to_a_far_round_by_a_certificate_goes_on_after_a_restart() {
    let mut life = begin(&[]);
    hear(&mut life, certificate());
    life.meet(Event::Wait(ROUND_MILLIS));
    assert!(says(&life, FAR, Claim::Precommit(None)));
    let mut again = begin(&journal_of(&life.done));
    vote(&mut again, 1, FAR, Claim::Precommit(None));
    goes_on(&mut again);
}

/// With another one's second vote there is a quorum to leave the far round.
fn goes_on(life: &mut Life) {
    life.meet(Event::Wait(ROUND_MILLIS));
    assert!(!says(life, FAR + 1, Claim::Prevote(None)));
    vote(life, 2, FAR, Claim::Precommit(None));
    (0..2).for_each(|_| life.meet(Event::Wait(ROUND_MILLIS)));
    assert!(says(life, FAR + 1, Claim::Prevote(None)));
}

/// Two others are locked on a block, and the third will not vote for it again. One of them proposes it again, and says the certificate of its quorum to its own
/// peers. Nobody says the prevotes themselves again, so whoever missed them and hears of the others through one node only needs them from
/// there: without it there would never be another quorum at this height. That node may be a follower, or a validator whose own prevote is
/// among them and who has lost its journal; and the third may have heard one of the prevotes contradicted before.
#[test]
fn the_quorum_of_a_past_round_reaches_who_is_connected_through_others() {
    const LOCKED: usize = 2;
    assert_eq!(proposer(1), LOCKED);
    let mut locked = Life::begin(LOCKED, OWN_MARK, &[]);
    propose(&mut locked, FIRST, 0, 1);
    [FIRST, LIAR].into_iter().for_each(|number| vote(&mut locked, number, 0, Claim::Prevote(Some(choice(1)))));
    assert!(locked.done.iter().any(|action| matches!(action, Action::Broadcast(bytes) if statements(bytes)
        .iter()
        .any(|signed| signed.statement.claim == Claim::Precommit(Some(choice(1)))))));
    let before = locked.done.len();
    [FIRST, LIAR].into_iter().for_each(|number| vote(&mut locked, number, 1, Claim::Prevote(None)));

    let silent = || Life::begin(FIRST, OWN_MARK, &[vec![9]]);
    for (mut between, is_contradicted) in [(Life::follow(), false), (Life::follow(), true), (silent(), false)] {
        let mut late = begin(&[]);
        if is_contradicted {
            vote(&mut late, LIAR, 0, Claim::Prevote(None));
        }
        (1..3).for_each(|number| vote(&mut late, number, 1, Claim::Prevote(None)));
        for action in &locked.done[before..] {
            if let Action::Broadcast(bytes) = action {
                hear(&mut between, bytes.clone());
            }
        }
        for action in &between.done {
            if let Action::Relay(bytes) = action {
                hear(&mut late, bytes.clone());
            }
        }
        assert!(says(&late, 1, Claim::Prevote(Some(choice(1)))));
    }
}

/// Two processes have one key, by mistake. The one that hears the other say what it has not said itself is silent from then on, and says why.
#[test]
fn who_hears_its_own_key_say_something_new_says_nothing_more() {
    let (mut one, mut other) = (begin(&[]), begin(&[]));
    propose(&mut one, FIRST, 0, 1);
    let sent: Vec<Vec<u8>> = one
        .done
        .iter()
        .filter_map(|action| match action {
            Action::Broadcast(bytes) => Some(bytes.clone()),
            _ => None,
        })
        .collect();
    assert!(says(&one, 0, Claim::Prevote(Some(choice(1)))));
    for bytes in &sent {
        hear(&mut one, bytes.clone());
        hear(&mut other, bytes.clone());
    }
    let reasons = |life: &Life| {
        life.done.iter().filter(|action| matches!(action, Action::Silent { reason: "bft-key-elsewhere", .. })).count()
    };
    for life in [&mut one, &mut other] {
        (2..4).for_each(|number| vote(life, number, 0, Claim::Prevote(None)));
        life.meet(Event::Wait(ROUND_MILLIS));
    }
    assert_eq!((reasons(&one), reasons(&other)), (0, 1));
    assert!(says(&one, 0, Claim::Precommit(None)), "its own words are nothing new");
    assert_eq!(said(&other), []);

    // Over its journal it knows what it has said, before it has begun and after.
    let mut again = begin(&journal_of(&one.done));
    sent.into_iter().for_each(|bytes| hear(&mut again, bytes));
    assert_eq!(reasons(&again), 0);
}

/// That validators 2 and 3 are in a far round, as another one says it that they have led there.
fn certificate() -> Vec<u8> {
    let mut other = Life::begin(1, OWN_MARK, &[]);
    for round in [MAX_ROUNDS_AHEAD, FAR] {
        [2, 3].into_iter().for_each(|number| vote(&mut other, number, round, Claim::Prevote(None)));
    }
    let mut sent = other.done.into_iter().filter_map(|action| match action {
        Action::Broadcast(bytes) => Some(bytes),
        _ => None,
    });
    sent.rfind(|bytes| statements(bytes).len() == 2).unwrap()
}
