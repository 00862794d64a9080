#![allow(clippy::unwrap_used, reason = "a test")]

use health_chain_consensus::ConsensusParameters;
use health_chain_data::{SecretKey, Signature, Timestamp, ports::SignerError, state::MemoryStore};

use super::*;
use crate::{
    journal::{Entry, Record, Step},
    seat::DOUBLED,
};

/// A branch that ends at this height.
struct Branch(u32);

impl Ancestry for Branch {
    fn height(&self) -> Height {
        Height(self.0)
    }

    fn header(&self, _: Height) -> Option<Header> {
        None
    }
}

fn secret(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number + 1; 32]).unwrap()
}

fn genesis() -> Genesis {
    Genesis::new("bft", Timestamp(1_000), vec![])
        .with(&ConsensusParameters::default())
        .with(&BftParameters::equal((0..4).map(|number| secret(number).public_key())))
}

fn vote(number: u8, height: u32, round: u32, claim: Claim) -> Signed {
    let statement = Statement { height: Height(height), round, claim };
    let signature = secret(number).sign(&statement.message(genesis().chain_id()), &[0; 32]);
    Signed { statement, validator: secret(number).public_key(), signature }
}

fn hear(engine: &mut Bft, tip: u32, signed: Signed) -> Vec<Action> {
    let bytes = message::vote_message(signed);
    engine.step(Millis(0), Input::Message { bytes, branch: &Branch(tip), state: &MemoryStore::default() })
}

#[test]
fn where_there_is_no_room_for_more_statements_the_oldest_are_forgotten() {
    let mut engine = Bft::follower(&genesis()).unwrap();
    hear(&mut engine, 0, vote(0, 1, 0, Claim::Prevote(None)));
    // As if the height had had very many rounds.
    let first = 1_000;
    for round in first..first + MAX_STATEMENTS as u32 - 1 {
        let statement = Statement { height: Height(1), round, claim: Claim::Prevote(None) };
        let signed = Signed { statement, validator: secret(0).public_key(), signature: Signature([0; 64]) };
        engine.statements.insert(signed.slot(), signed);
    }
    let round = first + MAX_STATEMENTS as u32;
    for number in 1..3 {
        hear(&mut engine, 0, vote(number, 1, round, Claim::Prevote(None)));
    }
    assert_eq!(engine.statements.len(), MAX_STATEMENTS);
    let other = Claim::Prevote(Some(Choice::from(health_chain_data::BlockId(Hash::ZERO))));
    let actions = hear(&mut engine, 0, vote(2, 1, round, other));
    let accused = |action: &Action| matches!(action, Action::Accuse(one) if one.offender == secret(2).public_key());
    assert!(actions.iter().any(accused), "{actions:?}");
    // What was forgotten is not passed on as if it were new.
    engine.taken.clear();
    assert_eq!(hear(&mut engine, 0, vote(0, 1, 0, Claim::Prevote(None))), []);
}

/// Its driver lets it follow only: nobody tells it that a height may begin.
#[test]
fn what_waits_for_a_height_goes_when_the_chain_has_passed_it() {
    let mut engine = Bft::validator(&genesis(), Box::new(secret(0))).unwrap();
    let mut held = 0;
    for tip in 0..10 {
        for number in 1..4 {
            hear(&mut engine, tip, vote(number, tip + 1, 0, Claim::Prevote(None)));
        }
        held = engine.validator.as_ref().unwrap().held.len();
    }
    assert_eq!(held, 3, "those of the last height");
}

#[test]
fn who_has_to_be_silent_passes_on_what_others_say_in_any_round() {
    let mut engine = Bft::validator(&genesis(), Box::new(secret(0))).unwrap();
    let state = &MemoryStore::default();
    engine.step(Millis(0), Input::Journal(vec![9]));
    engine.step(Millis(0), Input::Tip { branch: &Branch(0), state });
    engine.step(Millis(0), Input::Tick);
    for round in [0, 9, 18] {
        let relayed = (1..4).map(|number| hear(&mut engine, 0, vote(number, 1, round, Claim::Prevote(None))).len());
        assert_eq!(relayed.sum::<usize>(), 3, "round {round}");
    }
    assert!(engine.validator.as_ref().unwrap().held.is_empty());
}

/// Whoever runs the validator is told, once.
#[test]
fn who_says_nothing_more_says_why() {
    let nil = vote(0, 1, 0, Claim::Prevote(None));
    let block = Claim::Prevote(Some(Choice::from(health_chain_data::BlockId(Hash::ZERO))));
    let entry = |record| codec::encode(&Entry { height: Height(1), record });
    let elapsed = entry(Record::Timeout { step: Step::Propose, round: 0 });
    for (journal, reason) in [
        (vec![vec![9]], Some("bft-journal-damaged")),
        // Nobody has proposed the block that it voted for.
        (vec![entry(Record::Said(vote(0, 1, 0, block))), elapsed.clone()], Some("bft-journal-divergence")),
        (vec![entry(Record::Said(nil)), elapsed], None),
    ] {
        let mut engine = Bft::validator(&genesis(), Box::new(secret(0))).unwrap();
        journal.into_iter().for_each(|entry| drop(engine.step(Millis(0), Input::Journal(entry))));
        let mut silent = Vec::new();
        for _ in 0..2 {
            engine.step(Millis(0), Input::Tip { branch: &Branch(0), state: &MemoryStore::default() });
            silent.extend(silences(engine.step(Millis(0), Input::Tick)));
        }
        assert_eq!(silent.first().copied(), reason);
        assert!(silent.len() < 2);
    }
}

/// Gives no signature.
struct Unplugged;

impl Signer for Unplugged {
    fn public_key(&self) -> PublicKey {
        secret(0).public_key()
    }

    fn sign(&self, _: &Hash, _: &[u8; 32]) -> Result<Signature, SignerError> {
        Err(SignerError("unplugged".into()))
    }
}

#[test]
fn who_can_not_sign_says_so() {
    let mut engine = Bft::validator(&genesis(), Box::new(Unplugged)).unwrap();
    engine.step(Millis(0), Input::Tip { branch: &Branch(0), state: &MemoryStore::default() });
    assert!(silences(engine.step(Millis(0), Input::Tick)).is_empty());
    assert_eq!(silences(engine.step(Millis(10_000), Input::Tick)), ["bft-signer"]);
}

#[test]
fn what_stands_in_the_journal_is_known_before_its_height_is_begun() {
    let (said, other) = (vote(0, 1, 0, Claim::Prevote(None)), vote(0, 1, 1, Claim::Prevote(None)));
    let mut engine = Bft::validator(&genesis(), Box::new(secret(0))).unwrap();
    let entry = Entry { height: Height(1), record: Record::Said(said) };
    engine.step(Millis(0), Input::Journal(codec::encode(&entry)));
    engine.step(Millis(0), Input::Tip { branch: &Branch(0), state: &MemoryStore::default() });
    assert!(silences(hear(&mut engine, 0, said)).is_empty());
    let forged = Signed { signature: Signature([0; 64]), ..other };
    assert_eq!(hear(&mut engine, 0, forged)[0], Action::Blame { rule: FALSE_SIGNATURE });
    assert_eq!(silences(hear(&mut engine, 0, other)), [DOUBLED]);
    assert_eq!(silences(engine.step(Millis(0), Input::Tick)), [DOUBLED], "at every height");
}

fn silences(actions: Vec<Action>) -> Vec<&'static str> {
    let reason = |action| if let Action::Silent { height: Height(1), reason } = action { Some(reason) } else { None };
    actions.into_iter().filter_map(reason).collect()
}

#[test]
fn what_nobody_honest_says_or_passes_on_is_blamed_on_its_bringer() {
    let mut engine = Bft::validator(&genesis(), Box::new(secret(0))).unwrap();
    let state = &MemoryStore::default();
    engine.step(Millis(0), Input::Tip { branch: &Branch(0), state });
    engine.step(Millis(0), Input::Tick);
    let mut blamed = |bytes: Vec<u8>| {
        let actions = engine.step(Millis(0), Input::Message { bytes, branch: &Branch(0), state });
        let mut rules = actions.iter().filter_map(|action| match action {
            Action::Blame { rule } => Some(*rule),
            _ => None,
        });
        (rules.next(), rules.next())
    };
    let false_vote = |round, claim| Signed { signature: Signature([0; 64]), ..vote(1, 1, round, claim) };
    let nil = Claim::Prevote(None);
    assert_eq!(blamed(vec![9]), (Some("bft-message"), None));
    assert_eq!(blamed(message::vote_message(vote(1, 1, 0, nil))), (None, None));
    assert_eq!(blamed(message::vote_message(false_vote(0, nil))), (None, None), "nobody has to verify it");
    for round in [1, 100] {
        assert_eq!(blamed(message::vote_message(false_vote(round, nil))), (Some(FALSE_SIGNATURE), None));
    }
    let block = Claim::Prevote(Some(Choice::from(health_chain_data::BlockId(Hash::ZERO))));
    let polka = |first| Message::Polka(Votes(vec![first, vote(2, 1, 3, block), vote(3, 1, 3, block)]));
    let round = |first| Message::Round { skips: true, votes: Votes(vec![first, vote(2, 1, 4, nil)]) };
    let proposed = crate::proposal_message;
    let root = health_chain_data::Body::default().root(&ScalarHasher);
    let header = Header { version: CERTIFIED_BLOCK_VERSION, root, ..genesis().block().header };
    let whole = Block { header, body: health_chain_data::Body::default() };
    let claim = Claim::Proposal { choice: whole.id().into(), valid_round: None };
    let other = Block { body: genesis().block().body, ..whole.clone() };
    assert_eq!(blamed(proposed(vote(1, 1, 0, claim), other)), (Some("bft-proposal"), None));
    assert_eq!(blamed(proposed(vote(1, 1, 0, claim), whole)), (None, None));
    for (genuine, forged) in [
        (polka(vote(1, 1, 3, block)), polka(false_vote(3, block))),
        (round(vote(1, 1, 4, nil)), round(false_vote(4, nil))),
    ] {
        assert_eq!(blamed(codec::encode(&forged)), (Some(FALSE_SIGNATURE), None));
        assert_eq!(blamed(codec::encode(&genuine)), (None, None));
    }
}

#[test]
fn what_contradicts_a_vote_inside_a_certificate_is_found() {
    let mut engine = Bft::follower(&genesis()).unwrap();
    let block = Claim::Prevote(Some(Choice::from(health_chain_data::BlockId(Hash::ZERO))));
    hear(&mut engine, 0, vote(3, 1, 0, Claim::Prevote(None)));
    let polka = Message::Polka(Votes((1..4).map(|number| vote(number, 1, 0, block)).collect()));
    let input = Input::Message { bytes: codec::encode(&polka), branch: &Branch(0), state: &MemoryStore::default() };
    let actions = engine.step(Millis(0), input);
    let accused = actions.iter().filter_map(|action| match action {
        Action::Accuse(accusation) => Some(accusation.offender),
        _ => None,
    });
    assert_eq!(accused.collect::<Vec<_>>(), [secret(3).public_key()]);
    // All but the first of its own, and the whole.
    assert_eq!(actions.iter().filter(|action| matches!(action, Action::Relay(_))).count(), 4);
}

/// Of one that contradicts itself the first vote counts. Where that is the other one, the votes alone never make a quorum.
#[test]
fn the_quorum_for_a_block_is_passed_on_whole() {
    let mut engine = Bft::follower(&genesis()).unwrap();
    let block = Claim::Prevote(Some(Choice::from(health_chain_data::BlockId(Hash::ZERO))));
    let polka = |round, numbers: &[u8]| numbers.iter().map(|number| vote(*number, 1, round, block)).collect();
    let mut tell = |votes: Vec<Signed>| {
        let bytes = codec::encode(&Message::Polka(Votes(votes)));
        let input = Input::Message { bytes, branch: &Branch(0), state: &MemoryStore::default() };
        let actions = engine.step(Millis(0), input);
        let is_blamed = actions.iter().any(|action| matches!(action, Action::Blame { .. }));
        let whole = |action| match action {
            Action::Relay(bytes) => match codec::decode(&bytes) {
                Ok(Message::Polka(Votes(votes))) => Some(votes),
                _ => None,
            },
            _ => None,
        };
        (actions.into_iter().find_map(whole), is_blamed)
    };
    let first: Vec<Signed> = polka(0, &[1, 2, 3]);
    for again in [&[1, 2, 3][..], &[0, 1, 2], &[1, 2, 3]] {
        assert_eq!(tell(polka(0, again)), (Some(first.clone()), false), "others say no more");
    }
    assert_eq!(tell(polka(1, &[0, 2, 3])), (Some(polka(1, &[0, 2, 3])), false));

    assert_eq!(tell(polka(2, &[1, 2])), (None, false), "too few");
    assert_eq!(tell(polka(2, &[1, 2, 2])), (None, false), "too few, and one of them twice");
    assert_eq!(
        tell(polka(2, &[1, 2, 3, 9])),
        (None, false),
        "one of them is nobody's, so that no engine would take it"
    );
    // This one was heard to say something else before, so that its votes are looked at no more.
    let nil = Claim::Prevote(None);
    tell(vec![vote(3, 1, 2, nil)]);
    let forged = Signed { signature: Signature([1; 64]), ..vote(3, 1, 2, block) };
    assert_eq!(tell([polka(2, &[1, 2]), vec![forged]].concat()), (None, true));
    assert_eq!(tell(polka(2, &[1, 2, 3])), (Some(polka(2, &[1, 2, 3])), false));
}
