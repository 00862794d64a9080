//! The council: every rule and its refusal, and who decides in the end.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use health_chain_application::{
    council::{
        Admit, Ballot, Council, CouncilError, CouncilParameters, CouncilProgram, CouncilStake, Founder,
        ParametersError, Remove, Seat, struck,
    },
    identities::{ApplicationParameters, Approval, Identities, InitialInstitution, InstitutionId, Retire},
    payload::Payload,
};
use health_chain_consensus::{
    Epochs, Validator,
    ports::{BlockContext, EvidenceCheck, ExecuteError, Offence, Rejection, StakeView},
    validators::{AnswerError, VALIDATORS},
};
use health_chain_contract::ports::Program;
use health_chain_data::{
    ChainId, Genesis, Hash, Height, PublicKey, SecretKey, Timestamp, Transaction, codec,
    ports::{ChainStore, SignatureClaim, SingleVerifier, Verifier},
    state::{Changes, MemoryStore, Overlay},
};
use health_chain_incentive::kinds::EVIDENCE;

const EPOCHS: Epochs = Epochs { blocks: 4, evidence_blocks: 8 };
const NOW: Height = Height(10);

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

fn public(seed: u8) -> PublicKey {
    key(seed).public_key()
}

/// Takes a key and a height for evidence that its holder is an offender there. What real evidence is shows the whole system's tests.
struct Denounced;

impl EvidenceCheck for Denounced {
    fn offence(&self, evidence: &[u8], _: ChainId, _: &mut Vec<SignatureClaim>) -> Result<Offence, Rejection> {
        let refused = || Rejection { rule: "not-denounced", source: "no key and height".into() };
        let (offender, height) = evidence.split_first_chunk::<32>().ok_or_else(refused)?;
        let offender = PublicKey::from_bytes(offender).map_err(|_| refused())?;
        Ok(Offence { offender, height: Height(u32::from_le_bytes(height.try_into().map_err(|_| refused())?)) })
    }

    fn signature_checks(&self) -> u32 {
        1
    }
}

/// Institutions 1 to 5, of which 1 to 3 sit in the council with the keys 11 to 13; accreditor 21.
struct World {
    store: MemoryStore,
    chain: ChainId,
    programs: [Arc<dyn Program>; 2],
}

fn application() -> ApplicationParameters {
    let institution = |seed| InitialInstitution { name: format!("institution {seed}"), key: public(seed) };
    let institutions = (1..=5).map(institution).collect();
    ApplicationParameters { accreditors: vec![public(21)], threshold: 1, institutions }
}

fn founders() -> CouncilParameters {
    let founder = |seed| Founder { institution: public(seed), key: public(seed + 10), power: 1 };
    CouncilParameters { founders: (1..=3).map(founder).collect() }
}

impl World {
    fn new() -> Self {
        let genesis = Genesis::new("test", Timestamp(1), vec![]).with(&application()).with(&founders());
        let council = CouncilProgram::new(founders(), Arc::new(Denounced)).unwrap();
        let programs: [Arc<dyn Program>; 2] = [Arc::new(Identities::new(application()).unwrap()), Arc::new(council)];
        let mut store = MemoryStore::default();
        let mut state = Overlay::new(&store);
        programs.iter().for_each(|program| program.genesis(&mut state, &genesis).unwrap());
        let mut changes = state.into_changes().unwrap();
        let set: Vec<Validator> = (11..=13).map(|seed| Validator { key: public(seed), power: 1 }).collect();
        changes.put(VALIDATORS, [], codec::encode(&EPOCHS));
        for first in [1_u32, 5, 9] {
            changes.put(VALIDATORS, first.to_be_bytes(), codec::encode(&set));
        }
        store.commit(&changes).unwrap();
        Self { store, chain: genesis.chain_id(), programs }
    }

    fn institution(&self, seed: u8) -> InstitutionId {
        InstitutionId::of(&self.chain, &public(seed))
    }

    fn ballots(seats: &[u8], message: &Hash, keys: &[u8]) -> Vec<Ballot> {
        let ballot = |(seat, seed): (&u8, &u8)| Ballot::sign(*seat, message, &key(*seed), &[0; 32]).unwrap();
        seats.iter().zip(keys).map(ballot).collect()
    }

    /// All of the founders agree.
    fn admit(&self, seq: u64, seed: u8, power: u32) -> Admit {
        let mut admit = Admit::sign(self.chain, seq, self.institution(seed), power, &key(seed + 10), &[0; 32]).unwrap();
        admit.ballots = Self::ballots(&[0, 1, 2], &admit.message(), &[11, 12, 13]);
        admit
    }

    fn remove(&self, seq: u64, seed: u8) -> Remove {
        let mut remove = Remove { chain: self.chain, seq, institution: self.institution(seed), ballots: vec![] };
        remove.ballots = Self::ballots(&[0, 1, 2], &remove.message(), &[11, 12, 13]);
        remove
    }

    fn try_apply(&self, transaction: &Transaction) -> Result<Changes, Option<Rejection>> {
        self.try_apply_at(NOW, transaction)
    }

    fn try_apply_at(&self, height: Height, transaction: &Transaction) -> Result<Changes, Option<Rejection>> {
        let program = self.programs.iter().find(|program| program.kinds().contains(&transaction.kind)).unwrap();
        let (mut state, mut claims) = (Overlay::new(&self.store), vec![]);
        let context = BlockContext { chain: self.chain, height, median_time_past: Timestamp(1) };
        match program.apply(&mut state, transaction, &transaction.id(), &context, &mut claims) {
            Err(ExecuteError::Rejected(rejection)) => Err(Some(rejection)),
            outcome => {
                outcome.unwrap();
                assert!(claims.len() <= program.signature_checks(transaction) as usize);
                SingleVerifier.verify(&claims).map_err(|_| None)?;
                Ok(state.into_changes().unwrap())
            }
        }
    }

    fn apply(&mut self, transaction: &Transaction) {
        let changes = self.try_apply(transaction).unwrap();
        self.store.commit(&changes).unwrap();
    }

    fn refused(&self, transaction: &Transaction) -> CouncilError {
        self.refused_by(transaction)
    }

    fn refused_by<E: std::error::Error + 'static>(&self, transaction: &Transaction) -> E {
        let rejection = self.try_apply(transaction).unwrap_err().expect("a rule");
        *rejection.source.downcast().expect("a rule of those that are asked for")
    }

    /// The registry dismisses an institution.
    fn retire(&mut self, seed: u8) {
        self.retire_at(seed, NOW);
    }

    fn retire_at(&mut self, seed: u8, height: Height) {
        let mut retire = Retire { chain: self.chain, institution: self.institution(seed), seq: 1, approvals: vec![] };
        retire.approvals = vec![Approval::sign(0, &retire.message(), &key(21), &[0; 32]).unwrap()];
        let changes = self.try_apply_at(height, &retire.transaction()).unwrap();
        self.store.commit(&changes).unwrap();
    }

    fn deciding(&self) -> Vec<PublicKey> {
        CouncilStake.validators(&self.store).unwrap().into_iter().map(|validator| validator.key).collect()
    }
}

fn denounce(seed: u8, height: u32) -> Transaction {
    Transaction::new(EVIDENCE, [&public(seed).as_bytes()[..], &height.to_le_bytes()].concat())
}

#[test]
fn the_council_admits_and_removes_by_more_than_two_thirds() {
    let mut world = World::new();
    assert_eq!(world.deciding(), [11, 12, 13].map(public));
    let admit = world.admit(1, 4, 3);
    let with = |ballots| Admit { ballots, ..admit.clone() }.transaction();
    assert_eq!(
        world.refused(&with(admit.ballots[..2].to_vec())),
        CouncilError::Quorum { found: 2, total: 3 },
        "two of three are no more than two thirds"
    );
    let twice = vec![admit.ballots[0], admit.ballots[1], admit.ballots[1]];
    assert_eq!(world.refused(&with(twice)), CouncilError::BallotOrder { seat: 1 });
    let beyond = [&admit.ballots[..], &[Ballot { seat: 3, ..admit.ballots[0] }]].concat();
    assert_eq!(world.refused(&with(beyond)), CouncilError::NoSeat { seat: 3 });
    let forged = World::ballots(&[0, 1, 2], &admit.message(), &[11, 12, 12]);
    assert!(matches!(world.try_apply(&with(forged)), Err(None)), "a signature that does not verify");
    world.apply(&admit.transaction());
    assert_eq!(world.deciding(), [11, 12, 13, 14].map(public));
    assert_eq!(world.refused(&admit.transaction()), CouncilError::Sequence { expected: 2, found: 1 }, "once");

    // The new one has three of six votes, so nothing goes without it.
    assert_eq!(world.refused(&world.remove(2, 1).transaction()), CouncilError::Quorum { found: 3, total: 6 });
    let mut remove = world.remove(2, 1);
    remove.ballots = World::ballots(&[1, 2, 3], &remove.message(), &[12, 13, 14]);
    world.apply(&remove.transaction());
    assert_eq!(world.deciding(), [12, 13, 14].map(public));
    assert_eq!(Council::read(&world.store).unwrap().seq, 2);
}

#[test]
fn seats_are_for_institutions_of_the_registry_each_with_one() {
    let mut world = World::new();
    let stranger = world.admit(1, 9, 1);
    let institution = world.institution(9);
    assert_eq!(world.refused(&stranger.transaction()), CouncilError::NoInstitution { institution });
    assert!(matches!(world.refused(&world.admit(1, 3, 1).transaction()), CouncilError::Seated { .. }));
    let mut same_key = Admit::sign(world.chain, 1, world.institution(4), 1, &key(11), &[0; 32]).unwrap();
    same_key.ballots = World::ballots(&[0, 1, 2], &same_key.message(), &[11, 12, 13]);
    assert!(matches!(world.refused(&same_key.transaction()), CouncilError::Seated { .. }));
    assert_eq!(world.refused(&world.admit(1, 4, 0).transaction()), CouncilError::NoPower);
    let elsewhere = Admit { chain: ChainId::default(), ..world.admit(1, 4, 1) };
    assert_eq!(world.refused(&elsewhere.transaction()), CouncilError::WrongChain { found: ChainId::default() });
    let institution = world.institution(4);
    assert_eq!(world.refused(&world.remove(1, 4).transaction()), CouncilError::NotSeated { institution });

    // Whom the registry dismisses decides no more, and gets no seat.
    world.retire(2);
    assert_eq!(world.deciding(), [11, 13].map(public));
    world.retire(4);
    let institution = world.institution(4);
    assert_eq!(world.refused(&world.admit(1, 4, 1).transaction()), CouncilError::NoInstitution { institution });
}

#[test]
fn a_seat_whose_institution_is_dismissed_does_not_count() {
    let mut world = World::new();
    world.retire(2);
    let council = Council::read(&world.store).unwrap();
    assert_eq!((council.power(), council.quorum(), council.position(&public(13))), (2, 2, Some(2)));
    let mut remove = world.remove(1, 2);
    assert_eq!(council.votes(&remove.message(), &remove.ballots), 2);
    remove.ballots = World::ballots(&[0, 1], &remove.message(), &[11, 12]);
    assert_eq!(world.refused(&remove.transaction()), CouncilError::Quorum { found: 1, total: 2 });
    remove.ballots = World::ballots(&[0, 2], &remove.message(), &[11, 13]);
    // The other two can do without it: they admit others, or take its seat.
    let mut admit = world.admit(1, 4, 1);
    admit.ballots = World::ballots(&[0, 2], &admit.message(), &[11, 13]);
    assert!(world.try_apply(&admit.transaction()).is_ok());
    world.apply(&remove.transaction());
    assert_eq!(world.deciding(), [11, 13].map(public));

    // Of two seats the one with votes is the last.
    world.retire(1);
    let last = |seed| {
        let mut remove = world.remove(2, seed);
        remove.ballots = World::ballots(&[1], &remove.message(), &[13]);
        remove.transaction()
    };
    assert_eq!(world.refused(&last(3)), CouncilError::LastSeat);
    assert!(world.try_apply(&last(1)).is_ok());
}

#[test]
fn votes_are_those_of_seats_that_have_signed() {
    let world = World::new();
    let council = Council::read(&world.store).unwrap();
    assert_eq!((council.power(), council.quorum()), (3, 3));
    assert_eq!((council.position(&public(12)), council.position(&public(2))), (Some(1), None));
    let admit = world.admit(1, 4, 3);
    assert_eq!(council.votes(&admit.message(), &admit.ballots), 3);
    assert_eq!(council.votes(&world.admit(2, 4, 3).message(), &admit.ballots), 0, "of another decision");
    let mut ballots = admit.ballots.clone();
    ballots[1].seat = 7;
    ballots[2].signature = ballots[0].signature;
    assert_eq!(council.votes(&admit.message(), &ballots), 1);
    // The fewest votes that decide are more than two thirds, whatever the number.
    for power in 1..=50 {
        let seat = Seat { power, ..council.seats[0] };
        let quorum = Council { seq: 0, seats: vec![seat] }.quorum();
        assert!(quorum * 3 > u64::from(power) * 2 && (quorum - 1) * 3 <= u64::from(power) * 2, "{power}");
    }
}

#[test]
fn an_offender_loses_the_seat_and_its_key_for_good() {
    let mut world = World::new();
    let unanswered = |seed, height| world.refused_by::<AnswerError>(&denounce(seed, height));
    assert_eq!(unanswered(4, 9), AnswerError::NoValidator { offender: public(4), height: Height(9) });
    assert_eq!(unanswered(11, 2), AnswerError::TooLate { height: Height(2) });
    assert!(matches!(unanswered(11, 13), AnswerError::NoValidator { .. }), "nobody decides there yet");
    world.apply(&denounce(11, 9));
    assert_eq!(world.deciding(), [12, 13].map(public));
    assert_eq!(struck(&world.store, &public(11)).unwrap(), Some(Height(9)));
    let again = CouncilError::Struck { key: public(11), height: Height(9) };
    assert_eq!(world.refused(&denounce(11, 9)), again, "once");
    assert_eq!(world.refused(&denounce(11, 8)), again, "whatever it did besides");

    // The institution may come back with another key.
    let mut admit = Admit::sign(world.chain, 1, world.institution(1), 1, &key(11), &[0; 32]).unwrap();
    admit.ballots = World::ballots(&[0, 1], &admit.message(), &[12, 13]);
    assert_eq!(world.refused(&admit.transaction()), again);
    let mut admit = Admit::sign(world.chain, 1, world.institution(1), 1, &key(15), &[0; 32]).unwrap();
    admit.ballots = World::ballots(&[0, 1], &admit.message(), &[12, 13]);
    world.apply(&admit.transaction());
    assert_eq!(world.deciding(), [12, 13, 15].map(public));
}

#[test]
fn the_last_seat_stays() {
    let mut world = World::new();
    for (seq, seed, seats, keys) in [(1, 1, vec![0, 1, 2], vec![11, 12, 13]), (2, 2, vec![0, 1], vec![12, 13])] {
        let mut remove = world.remove(seq, seed);
        remove.ballots = World::ballots(&seats, &remove.message(), &keys);
        world.apply(&remove.transaction());
    }
    let mut last = world.remove(3, 3);
    last.ballots = World::ballots(&[0], &last.message(), &[13]);
    assert_eq!(world.refused(&last.transaction()), CouncilError::LastSeat);

    // Whatever it did: nobody else could seat anybody. Those whom it seats are not the last any more, and the evidence counts.
    assert_eq!(world.refused(&denounce(13, 9)), CouncilError::LastSeat);
    let mut admit = world.admit(3, 4, 1);
    admit.ballots = World::ballots(&[0], &admit.message(), &[13]);
    world.apply(&admit.transaction());
    world.apply(&denounce(13, 9));
    assert_eq!(world.deciding(), [14].map(public));
}

#[test]
fn where_all_are_dismissed_the_last_of_them_go_on() {
    let mut world = World::new();
    world.retire(2);
    world.retire_at(1, NOW.next());
    world.retire_at(3, NOW.next());
    assert_eq!(world.deciding(), [11, 13].map(public), "not who was dismissed before");
    let mut admit = world.admit(1, 4, 1);
    admit.ballots = World::ballots(&[0, 2], &admit.message(), &[11, 13]);
    world.apply(&admit.transaction());
    assert_eq!(world.deciding(), [14].map(public));
}

#[test]
fn impossible_founders_are_refused() {
    let refusal = |change: fn(&mut CouncilParameters)| {
        let mut parameters = founders();
        change(&mut parameters);
        parameters.check().unwrap_err()
    };
    assert_eq!(founders().check(), Ok(()));
    assert_eq!(refusal(|p| p.founders.clear()), ParametersError::Seats { count: 0 });
    assert_eq!(refusal(|p| p.founders = vec![p.founders[0]; 101]), ParametersError::Seats { count: 101 });
    assert_eq!(refusal(|p| p.founders[1].institution = public(1)), ParametersError::Twice { key: public(12) });
    assert_eq!(refusal(|p| p.founders[1].key = public(11)), ParametersError::Twice { key: public(11) });
    assert_eq!(refusal(|p| p.founders[2].power = 0), ParametersError::NoPower { key: public(13) });
}
