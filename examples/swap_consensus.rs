//! One health chain on three engines: proof of work for a public network, BFT for a consortium, proof of stake for those who have something
//! to lose. What differs is an entry of a table each (`engines`): the genesis block's seal, the engine's section of the genesis document, the
//! engine of a node, and whether stake is bonded. Nothing else of the chain knows.
//!
//! The task, on four nodes each time: a hospital issues a record, the patient stores it encrypted and grants a research institute to read
//! it, the institute reads it, she revokes, and it can't be read again. The records' state in the end is the same, whoever agreed on it.
//!
//! Run it with `cargo run --release --example swap_consensus`. All of it is one thread under a clock of its own.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::{
    error::Error,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use health_chain::{
    application::{
        flows::{self, Destination, Log, NewRecord, OpenRecordError, RecordRequest, ShareRequest, ShareRequestTerms},
        identities::{ApplicationParameters, Identities, InitialInstitution},
        node::{NodeBuilder, Report, SteppedNode},
        objects::MemoryObjects,
        payload::Payload,
        ports::{Entropy, Opaque, SeededEntropy},
        records::{GatewayId, Permissions, Purpose, Records, grants, object},
        wallet::{Spending, Wallet},
    },
    consensus::{
        Chain, ConsensusParameters, Epochs,
        ports::{Engine, Finality, SearchOutcome, SearchTask, Searcher},
        validators::validators_at,
    },
    consensus_bft::{Bft, BftParameters, Equivocation},
    consensus_pos::{PosParameters, ProofOfStake},
    consensus_pow::{PowParameters, ProofOfWork, Retarget, Seal},
    contract::{Contracts, Scripts},
    data::{
        Amount, Commitment, Genesis, Input, Lock, Millis, ObjectId, OutPoint, Output, SecretKey, Timestamp, TokenId,
        Transaction, Witness,
        keys::Mnemonic,
        ports::{BatchHasher, ScalarHasher, StateView},
        sha256,
        state::MemoryStore,
    },
    incentive::{
        BondedStake, IncentiveParameters, Issuance, Ledger, Reward, Rewards, SingleKey, StakeParameters, TokenRule,
        stake::Deposit, supply,
    },
    network::{Address, MemoryHub, PeerId},
};

type Failure = Box<dyn Error>;
/// Makes the engine of one node.
type MakeEngine = fn(&Genesis, u8) -> Result<Box<dyn Engine>, Failure>;

const NODES: u8 = 4;
const START: Timestamp = Timestamp(1_800_000_000);
const EURO: TokenId = TokenId(978);
const DOCUMENT: &[u8] = b"HbA1c 6.1 %, 2026-11-20";
/// One hash in 4,096 makes a block.
const BITS: u32 = 0x1f0f_ffff;
const EPOCHS: Epochs = Epochs { blocks: 4, evidence_blocks: 1_000 };
const STAKE: StakeParameters =
    StakeParameters { token: EURO, unit: Amount(100), least_power: 10, slash_per_mille: 500 };
/// How far the clock goes in one turn of all nodes.
const TURN_MILLIS: u64 = 20;
/// What the validators bond, so that they count differently.
const BONDS: [u64; NODES as usize] = [500, 400, 300, 300];

/// What differs between the three chains.
struct Consensus {
    name: &'static str,
    /// The genesis block's seal, and the engine's section.
    genesis_seal: Vec<u8>,
    section: fn(Genesis) -> Genesis,
    engine: MakeEngine,
    /// Whether stake is bonded, and decides.
    is_staked: bool,
}

fn engines() -> [Consensus; 3] {
    let (pow, none) = (Seal { bits: BITS, nonce: 0 }.to_bytes(), Vec::new());
    [
        Consensus {
            name: "pow",
            genesis_seal: pow,
            section: |g| g.with(&work()),
            engine: pow_engine,
            is_staked: false,
        },
        Consensus {
            name: "bft",
            genesis_seal: none.clone(),
            section: |g| g.with(&bft()),
            engine: bft_engine,
            is_staked: false,
        },
        Consensus {
            name: "pos",
            genesis_seal: none,
            section: |g| g.with(&PosParameters(bft())).with(&STAKE),
            engine: pos_engine,
            is_staked: true,
        },
    ]
}

fn work() -> PowParameters {
    PowParameters { interval_seconds: 1, retarget: Retarget::Asert { half_life_seconds: 86_400 }, limit_bits: BITS }
}

fn bft() -> BftParameters {
    BftParameters { epochs: EPOCHS, ..BftParameters::equal((0..NODES).map(|node| validator(node).public_key())) }
}

/// The first node searches.
fn pow_engine(_: &Genesis, node: u8) -> Result<Box<dyn Engine>, Failure> {
    Ok(Box::new(if node == 0 { ProofOfWork::miner(work())? } else { ProofOfWork::follower(work())? }))
}

fn bft_engine(genesis: &Genesis, node: u8) -> Result<Box<dyn Engine>, Failure> {
    Ok(Box::new(Bft::validator(genesis, Box::new(validator(node)))?))
}

fn pos_engine(genesis: &Genesis, node: u8) -> Result<Box<dyn Engine>, Failure> {
    Ok(Box::new(ProofOfStake::validator(genesis, Arc::new(BondedStake::new(STAKE)), Box::new(validator(node)))?))
}

/// What is left of the records in the end, without what names the chain itself.
#[derive(Debug, PartialEq, Eq)]
struct RecordState {
    commitment: Commitment,
    length: u64,
    version: u32,
    operations: u64,
    live_grants: usize,
}

fn main() -> Result<(), Failure> {
    let mut outcomes = Vec::new();
    for consensus in engines() {
        let mut network = Network::start(&consensus)?;
        let state = life_of_a_record(&mut network)?;
        let (height, settled) = (network.chain(0).tip().height.0, settled(network.chain(0).finality()));
        println!("{}: {NODES} nodes, height {height:>2}, settled {settled:<15} {state:?}", consensus.name);
        outcomes.push(state);
    }
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "the engine makes no difference to the records");
    println!("the records' state is the same on all three");
    Ok(())
}

fn settled(finality: Finality) -> String {
    match finality {
        Finality::Depth(blocks) => format!("after {blocks} blocks"),
        _ => "at once".into(),
    }
}

/// Issued, stored, granted, read, revoked, and not read again.
fn life_of_a_record(network: &mut Network) -> Result<RecordState, Failure> {
    let chain = network.chain(0).chain_id();
    let entropy = &mut SeededEntropy::new(7);
    let mut people = [0_u8, 1, 2].map(|person| wallet(person).expect("sixteen bytes are words"));
    let [hospital, patient, institute] = &mut people;
    network.fund(&[hospital.new_lock()?, patient.new_lock()?])?;
    let (objects, gateway) = (MemoryObjects::default(), GatewayId::of(&validator(0).public_key()));
    let place = Destination { chain, gateway, objects: &objects };

    let key = patient.new_record_key()?;
    let card = patient.contact_card(entropy)?;
    let request = RecordRequest::sign(chain, hospital.identity().public_key(), card, &key.key, &*entropy.draw()?)?;
    let record = NewRecord {
        request,
        media_type: "application/octet-stream".into(),
        document: DOCUMENT.to_vec(),
        record_type: "LOINC 4548-4".into(),
        supersedes: None,
    };
    let issued = flows::issue(chain, hospital.identity(), START, vec![record], entropy)?;
    network.publish(0, issued.operation.transaction(), Some(hospital))?;

    let owner = key.key.public_key();
    let state = network.chain(1).state();
    let received = flows::receive(&issued.messages[0], state, chain, &owner, patient.kem_key(), &Opaque)?;
    let stored = flows::store(patient, key.index, &received.document, &received.blinding, place, entropy)?;
    network.publish(1, stored.transaction(), Some(patient))?;
    let id = stored.position.object;

    let terms = ShareRequestTerms {
        chain,
        object: id,
        card: institute.contact_card(entropy)?,
        permissions: Permissions::READ,
        purpose: Purpose::RESEARCH,
        not_before: START,
        not_after: START.saturating_add(30 * 24 * 3_600),
    };
    let asked = ShareRequest::sign(terms, institute.spend_key(), &*entropy.draw()?)?;
    let mut log = Log::open(network.chain(1).state(), chain, id)?;
    let share = flows::share(patient, &mut log, &asked, None, entropy)?;
    network.publish(1, share.transaction(), Some(patient))?;

    // The institute asks another node than the patient does.
    let read = |network: &Network| flows::open(institute, network.chain(2).state(), chain, &id, &share.wrap, &objects);
    assert_eq!(read(network)?.document.bytes, DOCUMENT);
    let grantee = grants(network.chain(2).state(), &id)?[0].grant.terms.grantee;
    let revocation = flows::revoke(patient, &mut log, &grantee, entropy)?;
    network.publish(1, revocation.transaction(), None)?;
    assert!(matches!(read(network), Err(OpenRecordError::NoGrant { .. })), "it can't be read again");
    network.settle()?;
    record_state(network.chain(3).state(), &id)
}

fn record_state(state: &dyn StateView, id: &ObjectId) -> Result<RecordState, Failure> {
    let record = object(state, id)?.ok_or("the record is on the chain")?;
    let live_grants = grants(state, id)?.len();
    let (content, version, operations) = (record.content, record.version, record.seq);
    Ok(RecordState { commitment: content.commitment, length: content.length, version, operations, live_grants })
}

/// Nodes of one chain, in one thread.
struct Network {
    nodes: Vec<SteppedNode>,
    /// Where the one that works searches, if the engine asks for it.
    desk: Desk,
    now: Arc<AtomicU64>,
    incentive: IncentiveParameters,
}

impl Network {
    fn start(consensus: &Consensus) -> Result<Self, Failure> {
        let bank = bank().public_key();
        let rule = TokenRule { token: EURO, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers: vec![bank] };
        let incentive = IncentiveParameters {
            fee_token: EURO,
            tokens: vec![rule],
            coinbase_maturity: 10,
            reward: Reward::Immediate,
        };
        let hospital = InitialInstitution { name: "General Hospital".into(), key: wallet(0)?.identity().public_key() };
        let application = ApplicationParameters { accreditors: vec![bank], threshold: 1, institutions: vec![hospital] };
        let genesis = Genesis::new("swap", START, consensus.genesis_seal.clone())
            .with(&ConsensusParameters::default())
            .with(&incentive)
            .with(&application);
        let genesis = (consensus.section)(genesis);

        let desk = Desk::default();
        let (hub, now) = (MemoryHub::default(), Arc::new(AtomicU64::new(Millis::from(START).0)));
        let name = |node: u8| Address(format!("node-{node}"));
        let mut nodes = Vec::new();
        for number in 0..NODES {
            let mut ledger = Ledger::new(incentive.clone(), Arc::new(Scripts))?;
            if consensus.is_staked {
                ledger = ledger.with_stake(STAKE, Arc::new(Equivocation))?;
            }
            let rewards = Arc::new(Rewards::new(&ledger));
            let identities = Identities::new(application.clone())?;
            let executor = Arc::new(Contracts::new(ledger, vec![Arc::new(Records), Arc::new(identities)])?);
            let transport = hub.join(PeerId(sha256(&[number])), name(number));
            let (store, engine) = (Box::<MemoryStore>::default(), (consensus.engine)(&genesis, number)?);
            let clock = Arc::clone(&now);
            let mut node = NodeBuilder::new(genesis.clone(), store, engine, executor, rewards, Box::new(transport))
                .listen(name(number))
                .peers((0..NODES).filter(|other| *other != number).map(name).collect())
                .clock(Arc::new(move || Millis(clock.load(Ordering::Relaxed))))
                .searcher({
                    let desk = if number == 0 { desk.clone() } else { Desk::default() };
                    move |report| {
                        desk.0.lock().expect("one thread").1 = Some(report);
                        Box::new(desk)
                    }
                })
                .stepped([number; 32])?;
            node.mine(None);
            nodes.push(node);
        }
        let mut network = Self { nodes, desk, now, incentive };
        if consensus.is_staked {
            network.bond()?;
        }
        Ok(network)
    }

    fn chain(&self, node: usize) -> &Chain {
        self.nodes[node].chain()
    }

    /// Lets time pass until all nodes are at one tip and `holds` on each.
    fn until(&mut self, what: &str, holds: impl Fn(&SteppedNode) -> bool) -> Result<(), Failure> {
        for turn in 0..100_000 {
            self.now.fetch_add(TURN_MILLIS, Ordering::Relaxed);
            if turn % (1_000 / TURN_MILLIS) == 0 {
                self.desk.work();
            }
            for node in &mut self.nodes {
                node.turn();
            }
            let tip = self.chain(0).tip().id;
            if self.nodes.iter().all(|node| node.chain().tip().id == tip && holds(node)) {
                return Ok(());
            }
        }
        Err(format!("waited in vain until {what}").into())
    }

    /// Submits to one node, and waits until it is in a block of all of them.
    fn publish(
        &mut self,
        node: usize,
        mut transaction: Transaction,
        payer: Option<&mut Wallet>,
    ) -> Result<(), Failure> {
        if let Some(wallet) = payer {
            let (chain, entropy) = (self.chain(node), &mut SeededEntropy::new(1));
            let context = chain.next_context();
            let (parameters, fee) = (&self.incentive, Amount(2));
            let spending = Spending { view: chain.state(), parameters, context: &context, fee };
            wallet.fund(&mut transaction, &spending, entropy)?;
        }
        let before = self.chain(node).tip().height;
        self.nodes[node].submit(transaction)?;
        self.until("the transaction is in a block", |node| node.pool().is_empty() && node.chain().tip().height > before)
    }

    /// Waits until nothing so far can come undone.
    fn settle(&mut self) -> Result<(), Failure> {
        let tip = self.chain(0).tip().id;
        let depth = match self.chain(0).finality() {
            Finality::Depth(blocks) => blocks,
            _ => 1,
        };
        self.until("the last block is settled", |node| node.chain().confirmations(&tip) >= depth)
    }

    /// The bank mints a hundred cents to each.
    fn fund(&mut self, locks: &[Lock]) -> Result<(), Failure> {
        let outputs = locks.iter().map(|lock| Output { token: EURO, amount: Amount(100), lock: lock.clone() });
        self.mint(outputs.collect()).map(drop)
    }

    fn mint(&mut self, outputs: Vec<Output>) -> Result<Transaction, Failure> {
        let chain = self.chain(0);
        let serial = supply(chain.state(), EURO)?.map_or(1, |supply| supply.serial + 1);
        let mut mint = Issuance::mint(EURO, serial, outputs)?;
        let signature = bank().sign(&Issuance::message(&chain.chain_id(), &mint)?, &[0; 32]);
        Issuance::add_signature(&mut mint, &self.incentive.tokens[0], &bank().public_key(), signature)?;
        self.publish(0, mint.clone(), None)?;
        Ok(mint)
    }

    /// Each validator bonds its part, and from the next epoch on that is what its vote counts.
    fn bond(&mut self) -> Result<(), Failure> {
        let chain = self.chain(0).chain_id();
        let owner = bank();
        let lock = SingleKey::lock(&owner.public_key());
        let output = |amount| Output { token: EURO, amount: Amount(amount), lock: lock.clone() };
        let mint = self.mint(BONDS.map(output).to_vec())?;
        for (node, index) in (0..NODES).zip(0..) {
            let coin = &mint.outputs[index as usize];
            let mut bond = Deposit::transaction(validator(node).public_key(), owner.public_key(), coin.amount);
            bond.inputs = vec![Input { previous: OutPoint { transaction: mint.id(), index }, sequence: Input::FINAL }];
            bond.witnesses = vec![Witness::default()];
            Deposit::sign(&mut bond, &chain, &validator(node), &[0; 32])?;
            SingleKey::sign(&mut bond, &chain, std::slice::from_ref(coin), &owner, &[0; 32])?;
            self.nodes[0].submit(bond)?;
        }
        self.until("the bonds decide", |node| {
            let next = node.chain().next_context().height;
            let set = validators_at(node.chain().state(), next).ok().flatten().unwrap_or_default();
            set.iter().map(|validator| u64::from(validator.power)).sum::<u64>()
                == BONDS.iter().sum::<u64>() / STAKE.unit.0
        })
    }
}

/// Searches when it is told to: a block per second, as the chain aims at, and no thread.
#[derive(Clone, Default)]
struct Desk(Arc<Mutex<(Option<SearchTask>, Option<Report>)>>);

impl Desk {
    fn work(&self) {
        let mut desk = self.0.lock().expect("one thread");
        let (Some(task), Some(report)) = (desk.0.take(), &desk.1) else { return };
        let found = ScalarHasher.search_nonce(&task.header, &task.target, 0, 1 << 32);
        report(match found {
            Some(nonce) => SearchOutcome::Solved { task, nonce },
            None => SearchOutcome::Exhausted { task },
        });
    }
}

impl Searcher for Desk {
    fn search(&self, task: SearchTask) {
        self.0.lock().expect("one thread").0 = Some(task);
    }

    fn stop(&self) {
        self.0.lock().expect("one thread").0 = None;
    }

    fn hashes(&self) -> u64 {
        0
    }
}

fn wallet(person: u8) -> Result<Wallet, Failure> {
    let words = Mnemonic::from_entropy(&[person + 1; 16])?;
    Ok(Wallet::open(Box::<MemoryStore>::default(), &words, "")?)
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).expect("a small number is a secret key")
}

fn validator(node: u8) -> SecretKey {
    key(10 + node)
}

fn bank() -> SecretKey {
    key(1)
}
