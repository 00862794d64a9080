//! Whole nodes, one of which votes twice: its evidence is on the chain three heights later at most, and it answers for it once, with its
//! stake where stake decides, with its seat in a council.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use health_chain::{
    application::{
        council::{CouncilParameters, CouncilProgram, CouncilStake, Founder, struck},
        identities::{ApplicationParameters, Identities, InitialInstitution},
        node::{Node, NodeBuilder},
    },
    consensus::{
        ConsensusParameters, Epochs,
        ports::{Accusation, Action, Engine, StakeView},
        validators::validators_at,
    },
    consensus_bft::{
        Bft, BftParameters, Choice, Claim, Equivocation, Evidence, Signed, Statement, statements, vote_message,
    },
    consensus_pos::{PosParameters, ProofOfStake},
    contract::{Contracts, Scripts, ports::Program},
    data::{
        Amount, BlockId, ChainId, Genesis, Height, Input as Spent, PublicKey, SecretKey, Timestamp, Witness, codec,
        ports::StateView, sha256, state::MemoryStore,
    },
    incentive::{
        Bond, BondedStake, Ledger, Rewards, StakeParameters, kinds::EVIDENCE, stake::Deposit, supply, supply::audit,
    },
    network::{Address, MemoryHub, PeerId},
};
use health_chain_testkit::SteeredEngine;

use crate::common::{OWNER, START, TOKEN, incentive, key, mint, point, public, sign_spend};

/// Validators have the keys from here on.
const FIRST: u8 = 11;
const COUNT: u8 = 4;
const LIAR: u8 = FIRST + 2;
const EPOCHS: Epochs = Epochs { blocks: 6, evidence_blocks: 60 };
/// All of it is needed for stake to decide, so that those in office stay when one was called to account.
const STAKE: StakeParameters =
    StakeParameters { token: TOKEN, unit: Amount(10), least_power: 40, slash_per_mille: 250 };
const BONDED: u64 = 100;

/// A validator that also says the opposite of every vote, once it is told to.
fn liar(engine: Box<dyn Engine>, key: SecretKey, chain: ChainId, lies: Arc<AtomicBool>) -> Box<dyn Engine> {
    let own = key.public_key();
    Box::new(SteeredEngine::new(engine, move |engine, now, input| {
        let mut actions = engine.step(now, input);
        if lies.load(Ordering::Relaxed) {
            let said = actions.iter().filter_map(|action| match action {
                Action::Broadcast(bytes) => statements(bytes).into_iter().find(|signed| signed.validator == own),
                _ => None,
            });
            let lies: Vec<Action> =
                said.filter_map(|said| opposite(&said, &key, chain)).map(Action::Broadcast).collect();
            actions.extend(lies);
        }
        actions
    }))
}

fn opposite(said: &Signed, key: &SecretKey, chain: ChainId) -> Option<Vec<u8>> {
    let claim = match said.statement.claim {
        Claim::Prevote(Some(_)) => Claim::Prevote(None),
        Claim::Precommit(Some(_)) => Claim::Precommit(None),
        _ => return None,
    };
    let statement = Statement { claim, ..said.statement };
    let signature = key.sign(&statement.message(chain), &[0; 32]);
    Some(vote_message(Signed { statement, signature, ..*said }))
}

/// A validator that accuses the liar once, of a contradiction about the first height of the epoch after this one.
fn witness(engine: Box<dyn Engine>, chain: ChainId) -> Box<dyn Engine> {
    let claims = [None, Some(Choice::from(BlockId::default()))].map(Claim::Prevote);
    let [one, other] = claims.map(|claim| {
        let statement = Statement { height: Height(EPOCHS.blocks + 1), round: 0, claim };
        Signed { statement, validator: public(LIAR), signature: key(LIAR).sign(&statement.message(chain), &[0; 32]) }
    });
    let evidence = codec::encode(&Evidence(one, other));
    let mut accusation = Some(Accusation { offender: public(LIAR), rule: "bft-equivocation", evidence });
    Box::new(SteeredEngine::new(engine, move |engine, now, input| {
        let mut actions = engine.step(now, input);
        actions.extend(accusation.take().map(Action::Accuse));
        actions
    }))
}

/// A chain of four validators, one of them a liar to be.
struct World {
    genesis: Genesis,
    stakes: Arc<dyn StakeView>,
    /// Makes the executor and the reward rule of one node.
    rules: fn() -> (Arc<Contracts>, Arc<Rewards>),
    is_stake: bool,
    has_witness: bool,
}

fn bft() -> BftParameters {
    BftParameters {
        epochs: EPOCHS,
        interval_millis: 150,
        rebroadcast_millis: 500,
        ..BftParameters::equal((FIRST..FIRST + COUNT).map(public))
    }
}

fn application() -> ApplicationParameters {
    let institution = |seed| InitialInstitution { name: format!("institution {seed}"), key: public(seed + 10) };
    ApplicationParameters {
        accreditors: vec![public(OWNER)],
        threshold: 1,
        institutions: (FIRST..FIRST + COUNT).map(institution).collect(),
    }
}

fn founders() -> CouncilParameters {
    let founder = |seed| Founder { institution: public(seed + 10), key: public(seed), power: 1 };
    CouncilParameters { founders: (FIRST..FIRST + COUNT).map(founder).collect() }
}

fn stake_rules() -> (Arc<Contracts>, Arc<Rewards>) {
    let ledger = Ledger::new(incentive(), Arc::new(Scripts)).unwrap();
    let ledger = ledger.with_stake(STAKE, Arc::new(Equivocation)).unwrap();
    let rewards = Arc::new(Rewards::new(&ledger));
    (Arc::new(Contracts::new(ledger, vec![]).unwrap()), rewards)
}

fn council_rules() -> (Arc<Contracts>, Arc<Rewards>) {
    let ledger = Ledger::new(incentive(), Arc::new(Scripts)).unwrap();
    let rewards = Arc::new(Rewards::new(&ledger));
    let programs: Vec<Arc<dyn Program>> = vec![
        Arc::new(Identities::new(application()).unwrap()),
        Arc::new(CouncilProgram::new(founders(), Arc::new(Equivocation)).unwrap()),
    ];
    (Arc::new(Contracts::new(ledger, programs).unwrap()), rewards)
}

impl World {
    fn new(is_stake: bool) -> Self {
        let genesis = Genesis::new("stake", Timestamp(START.0 - 100_000_000), vec![])
            .with(&ConsensusParameters::default())
            .with(&incentive());
        if is_stake {
            let genesis = genesis.with(&PosParameters(bft())).with(&STAKE);
            Self {
                genesis,
                stakes: Arc::new(BondedStake::new(STAKE)),
                rules: stake_rules,
                is_stake,
                has_witness: false,
            }
        } else {
            let genesis = genesis.with(&bft()).with(&application()).with(&founders());
            Self { genesis, stakes: Arc::new(CouncilStake), rules: council_rules, is_stake, has_witness: false }
        }
    }

    fn engine(&self, seed: u8, lies: &Arc<AtomicBool>) -> Box<dyn Engine> {
        let stakes = Arc::clone(&self.stakes);
        let signer = Box::new(key(seed));
        let engine: Box<dyn Engine> = if self.is_stake {
            Box::new(ProofOfStake::validator(&self.genesis, stakes, signer).unwrap())
        } else {
            Box::new(Bft::validator(&self.genesis, signer).unwrap().with_stakes(stakes))
        };
        if seed == LIAR {
            let (chain, lies) = (self.genesis.chain_id(), Arc::clone(lies));
            return liar(engine, key(seed), chain, lies);
        }
        if self.has_witness && seed == FIRST {
            return witness(engine, self.genesis.chain_id());
        }
        engine
    }

    fn start(&self, lies: &Arc<AtomicBool>) -> Vec<Node> {
        let hub = MemoryHub::default();
        let name = |seed: u8| Address(format!("node-{seed}"));
        let start = |seed: u8| {
            let (executor, rewards) = (self.rules)();
            let transport = hub.join(PeerId(sha256(name(seed).0.as_bytes())), name(seed));
            let (genesis, store) = (self.genesis.clone(), Box::<MemoryStore>::default());
            let engine = self.engine(seed, lies);
            let node = NodeBuilder::new(genesis, store, engine, executor, rewards, Box::new(transport))
                .listen(name(seed))
                .peers((FIRST..FIRST + COUNT).filter(|other| *other != seed).map(name).collect())
                .start()
                .unwrap();
            node.mine(None).unwrap();
            node
        };
        (FIRST..FIRST + COUNT).map(start).collect()
    }
}

fn height(node: &Node) -> u32 {
    node.status().unwrap().height.0
}

/// Waits until `holds`, and returns the height at which it was seen to.
fn wait_for(node: &Node, what: &str, holds: impl Fn(&dyn StateView) -> bool + Send + Sync + 'static) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(90);
    let holds = Arc::new(holds);
    loop {
        let holds = Arc::clone(&holds);
        let found = node.read(move |chain, _| holds(chain.state()).then(|| chain.tip().height.0)).unwrap();
        if let Some(height) = found {
            return height;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}, at height {}", height(node));
        thread::sleep(Duration::from_millis(20));
    }
}

fn wait_for_height(node: &Node, wanted: u32) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while height(node) < wanted {
        assert!(Instant::now() < deadline, "waited in vain for height {wanted}: {}", height(node));
        thread::sleep(Duration::from_millis(20));
    }
}

/// The heights at which evidence stands.
fn evidence_at(node: &Node) -> Vec<u32> {
    node.read(|chain, _| {
        let block = |height| chain.block(&chain.block_id_at(Height(height)).unwrap()).unwrap().unwrap();
        let with = |height: &u32| block(*height).transactions().iter().filter(|one| one.kind == EVIDENCE).count();
        (1..=chain.tip().height.0).flat_map(|height| vec![height; with(&height)]).collect()
    })
    .unwrap()
}

/// Bonds the same for each validator, out of one coin each.
fn bond_all(node: &Node, chain: ChainId) {
    let coins = mint(chain, 1, &[BONDED + 5; COUNT as usize]);
    node.submit(coins.clone()).unwrap().unwrap();
    for (index, seed) in (0..).zip(FIRST..FIRST + COUNT) {
        let mut bond = Deposit::transaction(public(seed), public(OWNER), Amount(BONDED));
        bond.inputs = vec![Spent { previous: point(&coins, index), sequence: Spent::FINAL }];
        bond.witnesses = vec![Witness::default()];
        Deposit::sign(&mut bond, &chain, &key(seed), &[0; 32]).unwrap();
        sign_spend(&mut bond, chain, &coins.outputs[index as usize..][..1]);
        node.submit(bond).unwrap().unwrap();
    }
}

fn keys_at(view: &dyn StateView, height: u32) -> Vec<PublicKey> {
    let set = validators_at(view, Height(height)).unwrap().unwrap_or_default();
    set.iter().map(|validator| validator.key).collect()
}

#[test]
fn who_votes_twice_loses_stake_once_within_three_heights() {
    let world = World::new(true);
    let lies = Arc::new(AtomicBool::new(false));
    let nodes = world.start(&lies);
    let honest = &nodes[0];
    bond_all(honest, world.genesis.chain_id());
    // Founders have one vote each, stake has ten.
    wait_for(honest, "the stake to decide", |state| {
        (1..200).any(|height| {
            let set = validators_at(state, Height(height)).unwrap().unwrap_or_default();
            set.len() == 4 && set.iter().all(|one| u64::from(one.power) == BONDED / STAKE.unit.0)
        })
    });
    let bond = |state: &dyn StateView| Bond::read(state, &public(LIAR)).unwrap().unwrap();
    assert!(evidence_at(honest).is_empty(), "honest validators are never accused");
    lies.store(true, Ordering::Relaxed);
    wait_for(honest, "the bond to be slashed", move |state| bond(state).jailed.is_some());
    let offence = honest.read(move |chain, _| bond(chain.state()).jailed.unwrap().0).unwrap();

    // It goes on lying until it is out of office, and a while longer.
    let office = EPOCHS.last_in_office(Height(height(honest))).0;
    wait_for_height(honest, office + EPOCHS.blocks);
    let found = evidence_at(honest);
    assert_eq!(found.len(), 1, "once: {found:?}");
    assert!(found[0] <= offence + 3, "an offence at height {offence} is on chain at {found:?}");
    let lost = BONDED * 250 / 1000;
    honest
        .read(move |chain, _| {
            let state = chain.state();
            let counted = supply(state, TOKEN).unwrap().unwrap();
            assert_eq!((counted.slashed, counted.bonded), (Amount(lost), Amount(4 * BONDED - lost)));
            assert_eq!(bond(state).amount, Amount(BONDED - lost));
            audit(state, &incentive()).unwrap();
            for seed in (FIRST..FIRST + COUNT).filter(|seed| *seed != LIAR) {
                let bond = Bond::read(state, &public(seed)).unwrap().unwrap();
                assert_eq!((bond.amount, bond.jailed), (Amount(BONDED), None), "an honest one loses nothing");
            }
            let last = keys_at(state, chain.tip().height.0);
            assert!(last.len() == 3 && !last.contains(&public(LIAR)), "and three of them go on");
            chain.replay().unwrap();
        })
        .unwrap();
}

#[test]
fn who_votes_twice_loses_its_seat_without_a_vote() {
    let world = World::new(false);
    let lies = Arc::new(AtomicBool::new(false));
    let nodes = world.start(&lies);
    let honest = &nodes[1];
    wait_for_height(honest, 3);
    lies.store(true, Ordering::Relaxed);
    wait_for(honest, "the key to be struck", |state| struck(state, &public(LIAR)).unwrap().is_some());
    let offence = honest.read(|chain, _| struck(chain.state(), &public(LIAR)).unwrap().unwrap().0).unwrap();
    let office = EPOCHS.last_in_office(Height(height(honest))).0;
    wait_for_height(honest, office + 2);
    let found = evidence_at(honest);
    assert!(found.len() == 1 && found[0] <= offence + 3, "an offence at {offence} is on chain at {found:?}");
    let last = honest.read(|chain, _| keys_at(chain.state(), chain.tip().height.0)).unwrap();
    assert!(last.len() == 3 && !last.contains(&public(LIAR)));
}

#[test]
fn who_contradicts_itself_before_an_epoch_begins_answers_in_it() {
    let world = World { has_witness: true, ..World::new(false) };
    let nodes = world.start(&Arc::default());
    wait_for(&nodes[1], "the key to be struck", |state| struck(state, &public(LIAR)).unwrap().is_some());
    let offence = nodes[1].read(|chain, _| struck(chain.state(), &public(LIAR)).unwrap().unwrap()).unwrap();
    assert_eq!(offence, Height(EPOCHS.blocks + 1));
    let found = evidence_at(&nodes[1]);
    assert!(found.len() == 1 && found[0] > EPOCHS.blocks, "nobody answers for an epoch that has not begun: {found:?}");
}
