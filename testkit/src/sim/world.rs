//! The chain that is simulated, and how its nodes are made.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use health_chain::{
    application::{
        authorize::GatewayRules,
        gateway::{Gateway, GatewayParts},
        identities::{ApplicationParameters, Identities},
        node::{NodeBuilder, StartError, SteppedNode},
        objects::MemoryObjects,
        ports::SeededEntropy,
        records::{GatewayId, Records},
    },
    consensus::{
        ConsensusParameters, Solo, SoloParameters,
        ports::{Engine, RewardRule},
    },
    consensus_bft::{Bft, BftParameters, Validator},
    consensus_pow::{PowParameters, ProofOfWork, Retarget, Seal},
    contract::Contracts,
    data::{
        Amount, Genesis, Hash, Lock, Output, PublicKey, SecretKey, Timestamp, TokenId, Transaction,
        ports::{FalseClaim, SignatureClaim, Verifier},
        tagged_hash,
        wrap::{KeyWrap, SUITE_X25519_CHACHA20},
    },
    incentive::{IncentiveParameters, Issuance, Ledger, Reward, Rewards, SingleKey, TokenRule},
};

use super::{
    Fault, Options,
    bug::{Bug, DoubleFees, FaultyEngine, ForgottenSignatures, LateDenial},
    byzantine::{Forger, Tamper},
    disk::Disk,
    fabric::{Fabric, NodeIndex, address},
};

const TOKEN: TokenId = TokenId(978);
/// The time at which the chain begins.
pub(super) const START: Timestamp = Timestamp(1_800_000_000);
/// What each patient begins with.
pub(super) const COINS: Amount = Amount(1_000_000);
/// How long until a validator that waits says again what it said last, in milliseconds: partitions last minutes, and every repetition reaches
/// everybody.
const REBROADCAST_MILLIS: u32 = 10_000;
/// How many settled claims are remembered before they are forgotten.
const MAX_REMEMBERED_CLAIMS: usize = 100_000;

/// Who makes blocks, and how.
#[derive(Clone)]
pub enum Consensus {
    /// One authority: node 0.
    Solo,
    /// Every honest node, with equal shares of the hash power.
    ProofOfWork,
    /// Every honest node is a validator, and so are lying ones of that kind. The honest have twice the power of the others each, so that
    /// three liars have less than a third beside five of them.
    Bft,
    /// An engine under study.
    Own(OwnEngine),
}

impl fmt::Debug for Consensus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Solo => "Solo",
            Self::ProofOfWork => "ProofOfWork",
            Self::Bft => "Bft",
            Self::Own(_) => "Own",
        })
    }
}

/// An engine under study.
#[derive(Clone)]
pub struct OwnEngine {
    /// Adds the engine's sections to the genesis document.
    pub genesis: Arc<dyn Fn(Genesis) -> Genesis + Send + Sync>,
    /// The seal of the genesis block.
    pub genesis_seal: Vec<u8>,
    /// The engine of a node, given the whole genesis document; all nodes below the number of honest ones make blocks.
    pub engine: Arc<MakeEngine>,
}

/// Makes a node's engine.
pub type MakeEngine = dyn Fn(usize, &Genesis) -> Box<dyn Engine> + Send + Sync;

/// What all nodes of a run have in common.
pub(super) struct World {
    pub(super) genesis: Genesis,
    pub(super) incentive: IncentiveParameters,
    consensus: Consensus,
    interval_seconds: u32,
    nodes: usize,
    liars: Vec<Fault>,
    bug: Option<Bug>,
    executor: Arc<Contracts>,
    rewards: Arc<Rewards>,
    rule: Arc<dyn RewardRule>,
    verifier: Arc<dyn Verifier>,
    /// Verifies what validators sign.
    statements: Arc<dyn Verifier>,
    objects: BTreeMap<NodeIndex, Arc<MemoryObjects>>,
}

impl World {
    pub(super) fn new(options: &Options, gateways: &[NodeIndex]) -> Self {
        let &Options { interval_seconds, nodes, bug, .. } = options;
        let (consensus, liars) = (options.consensus.clone(), options.liars());
        let issuer = key("issuer", 0).public_key();
        let rule = TokenRule { token: TOKEN, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers: vec![issuer] };
        let incentive = IncentiveParameters {
            fee_token: TOKEN,
            tokens: vec![rule],
            coinbase_maturity: 2,
            reward: Reward::Immediate,
        };
        let application = ApplicationParameters { accreditors: vec![issuer], threshold: 1, institutions: vec![] };
        let seal = match &consensus {
            Consensus::Solo | Consensus::Bft => Vec::new(),
            Consensus::ProofOfWork => Seal { bits: PowParameters::EASIEST_LIMIT_BITS, nonce: 0 }.to_bytes(),
            Consensus::Own(own) => own.genesis_seal.clone(),
        };
        let genesis = Genesis::new("simulation", START, seal)
            .with(&ConsensusParameters::default())
            .with(&incentive)
            .with(&application);
        let genesis = match &consensus {
            Consensus::Solo => genesis.with(&solo(interval_seconds)),
            Consensus::ProofOfWork => genesis.with(&pow(interval_seconds)),
            Consensus::Bft => genesis.with(&bft(interval_seconds, nodes, &liars)),
            Consensus::Own(own) => (own.genesis)(genesis),
        };
        let ledger = Ledger::new(incentive.clone(), Arc::new(SingleKey)).expect("the parameters are in order");
        let rewards = Arc::new(Rewards::new(&ledger));
        let rule: Arc<dyn RewardRule> = match bug {
            Some(Bug::DoubleFees) => Arc::new(DoubleFees(rewards.clone())),
            _ => rewards.clone(),
        };
        let statements: Arc<dyn Verifier> = Arc::new(RememberingVerifier::default());
        let verifier: Arc<dyn Verifier> = match bug {
            Some(Bug::ForgottenSignatures) => Arc::new(ForgottenSignatures),
            _ => statements.clone(),
        };
        let identities = Identities::new(application).expect("the parameters are in order");
        let executor = Contracts::new(ledger, vec![Arc::new(Records), Arc::new(identities)]);
        Self {
            genesis,
            incentive,
            consensus,
            interval_seconds,
            nodes,
            liars,
            bug,
            executor: Arc::new(executor.expect("the programs share no kinds")),
            rewards,
            rule,
            verifier,
            statements,
            objects: gateways.iter().map(|node| (*node, Arc::default())).collect(),
        }
    }

    /// Starts a node on its disk.
    pub(super) fn start(
        &self,
        node: NodeIndex,
        fabric: &Fabric,
        disk: &Disk,
        tamper: Option<Tamper>,
        entropy: [u8; 32],
    ) -> Result<SteppedNode, StartError> {
        let transport = fabric.join(node, disk.clone(), tamper);
        let clock = fabric.clone();
        let searching = fabric.clone();
        let mut builder = NodeBuilder::new(
            self.genesis.clone(),
            Box::new(disk.open()),
            self.engine(node),
            self.executor.clone(),
            self.rule.clone(),
            Box::new(transport),
        )
        .verifier(self.verifier.clone())
        .listen(address(node))
        .peers((0..self.nodes + self.liars.len()).filter(|other| *other != node).map(address).collect())
        .clock(Arc::new(move || clock.clock(node)))
        .searcher(move |report| Box::new(searching.searcher(node, report)));
        if self.objects.contains_key(&node) {
            let gateway = self.gateway(node, &entropy);
            builder = match self.bug {
                Some(Bug::LateDenial) => builder.service(Box::new(LateDenial(gateway))),
                _ => builder.service(Box::new(gateway)),
            };
        }
        let mut started = builder.stepped(entropy)?;
        if self.makes_blocks(node) {
            let lock = SingleKey::lock(&key("node", node).public_key());
            started.mine(Some((self.rewards.clone(), lock)));
        }
        Ok(started)
    }

    pub(super) fn makes_blocks(&self, node: NodeIndex) -> bool {
        match self.consensus {
            Consensus::Solo => node == 0,
            Consensus::ProofOfWork | Consensus::Own(_) => node < self.nodes,
            Consensus::Bft => is_validator(node, self.nodes, &self.liars),
        }
    }

    /// What a node does to what it sends, where it does something.
    pub(super) fn tamper(&self, node: NodeIndex, equivocates: bool) -> Option<Tamper> {
        let forger = |key| Some(Forger { key, chain: self.genesis.chain_id() });
        match node.checked_sub(self.nodes).map(|liar| self.liars[liar]) {
            Some(fault) if fault.is_validators() => Some(Tamper::new(fault, forger(validator(node)))),
            Some(fault) => Some(Tamper::new(fault, None)),
            None => (equivocates && node == 0).then(|| Tamper::new(Fault::Equivocation, forger(authority()))),
        }
    }

    /// How many validators there are; none where blocks come about in another way.
    pub(super) fn validators(&self) -> usize {
        let nodes = 0..self.nodes + self.liars.len();
        if matches!(self.consensus, Consensus::Bft) { nodes.filter(|node| self.makes_blocks(*node)).count() } else { 0 }
    }

    /// Whether the key is that of a validator that contradicts itself.
    pub(super) fn contradicts_itself(&self, key: &PublicKey) -> bool {
        let node = self.liars.iter().position(|fault| *fault == Fault::DoubleVote).map(|liar| self.nodes + liar);
        node.is_some_and(|node| validator(node).public_key() == *key)
    }

    fn engine(&self, node: NodeIndex) -> Box<dyn Engine> {
        let engine = self.sound_engine(node);
        match self.bug {
            Some(bug @ (Bug::ForgottenJournal | Bug::BlindVote)) => Box::new(FaultyEngine { engine, bug }),
            _ => engine,
        }
    }

    fn sound_engine(&self, node: NodeIndex) -> Box<dyn Engine> {
        let makes = self.makes_blocks(node);
        match &self.consensus {
            Consensus::Solo if makes => Box::new(Solo::authority(solo(self.interval_seconds), Box::new(authority()))),
            Consensus::Solo => Box::new(Solo::follower(solo(self.interval_seconds))),
            Consensus::ProofOfWork => {
                let parameters = pow(self.interval_seconds);
                let engine = if makes { ProofOfWork::miner(parameters) } else { ProofOfWork::follower(parameters) };
                Box::new(engine.expect("the parameters are in order"))
            }
            Consensus::Bft => {
                let signer = Box::new(validator(node));
                let engine = if makes { Bft::validator(&self.genesis, signer) } else { Bft::follower(&self.genesis) };
                Box::new(engine.expect("the parameters are in order").with_verifier(self.statements.clone()))
            }
            Consensus::Own(own) => (own.engine)(node, &self.genesis),
        }
    }

    fn gateway(&self, node: NodeIndex, entropy: &[u8; 32]) -> Gateway {
        let seed = u64::from_le_bytes(entropy[..8].try_into().expect("eight of thirty-two bytes"));
        let signer = Box::new(key("gateway", node));
        let objects = self.objects[&node].clone();
        let mut parts = GatewayParts::new(signer, objects, Box::new(SeededEntropy::new(seed)));
        parts.rules = GatewayRules { store_depth: 1, max_reorganisation_depth: u32::MAX, ..GatewayRules::default() };
        let gateway = Gateway::new(parts);
        gateway.keep_wrap(&wrap()).expect("memory takes it");
        gateway
    }

    /// The one issue of tokens: a coin for each patient and payer.
    pub(super) fn mint(&self, people: usize) -> Transaction {
        let output = |patient| Output { token: TOKEN, amount: COINS, lock: lock_of(patient) };
        let outputs = (0..people).map(output).collect();
        let mut mint = Issuance::mint(TOKEN, 1, outputs).expect("the sum is small");
        let message = Issuance::message(&self.genesis.chain_id(), &mint).expect("it is a mint");
        let issuer = key("issuer", 0);
        let signature = issuer.sign(&message, &[0; 32]);
        let rule = &self.incentive.tokens[0];
        Issuance::add_signature(&mut mint, rule, &issuer.public_key(), signature).expect("it is the issuer");
        mint
    }
}

/// The gateway that a node runs.
pub(super) fn gateway_id(node: NodeIndex) -> GatewayId {
    GatewayId::of(&key("gateway", node).public_key())
}

pub(super) fn patient_key(patient: usize) -> SecretKey {
    key("patient", patient)
}

pub(super) fn institute_key() -> SecretKey {
    key("institute", 0)
}

pub(super) fn authority() -> SecretKey {
    key("authority", 0)
}

fn validator(node: NodeIndex) -> SecretKey {
    key("validator", node)
}

fn is_validator(node: NodeIndex, honest: usize, liars: &[Fault]) -> bool {
    node.checked_sub(honest).is_none_or(|liar| liars[liar].is_validators())
}

pub(super) fn lock_of(patient: usize) -> Lock {
    SingleKey::lock(&patient_key(patient).public_key())
}

/// Stands for the wrapped key of every grant: what is inside does not matter to a gateway.
pub(super) fn wrap() -> KeyWrap {
    KeyWrap { suite: SUITE_X25519_CHACHA20, enc: vec![1; 32], ciphertext: vec![2; 112] }
}

fn key(role: &str, index: usize) -> SecretKey {
    let bytes = tagged_hash("HC/simulation/v1", &[role.as_bytes(), &(index as u64).to_le_bytes()]).0;
    SecretKey::from_bytes(&bytes).expect("a hash is hardly ever above the order of the group")
}

fn solo(interval_seconds: u32) -> SoloParameters {
    SoloParameters { authority: authority().public_key(), interval_seconds }
}

fn bft(interval_seconds: u32, honest: usize, liars: &[Fault]) -> BftParameters {
    let seats = (0..honest + liars.len()).filter(|node| is_validator(*node, honest, liars));
    let seat = |node| Validator { key: validator(node).public_key(), power: if node < honest { 2 } else { 1 } };
    BftParameters {
        validators: seats.map(seat).collect(),
        interval_millis: interval_seconds * 1_000,
        rebroadcast_millis: REBROADCAST_MILLIS,
        ..BftParameters::equal([])
    }
}

fn pow(interval_seconds: u32) -> PowParameters {
    let retarget = Retarget::Asert { half_life_seconds: 2 * 24 * 60 * 60 };
    PowParameters { interval_seconds, retarget, limit_bits: PowParameters::EASIEST_LIMIT_BITS }
}

/// A claim's key, message and signature.
type Claim = ([u8; 32], Hash, [u8; 64]);

/// Verifies each claim once for all nodes: the outcome depends on nothing else.
#[derive(Default)]
struct RememberingVerifier(Mutex<HashMap<Claim, bool>>);

impl RememberingVerifier {
    fn holds(&self, claim: &SignatureClaim) -> bool {
        let SignatureClaim { key, message, signature } = claim;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > MAX_REMEMBERED_CLAIMS {
            known.clear();
        }
        let name = (*key.as_bytes(), *message, signature.0);
        *known.entry(name).or_insert_with(|| key.verify(message, signature).is_ok())
    }
}

impl Verifier for RememberingVerifier {
    fn verify(&self, claims: &[SignatureClaim]) -> Result<(), FalseClaim> {
        match claims.iter().position(|claim| !self.holds(claim)) {
            None => Ok(()),
            Some(index) => Err(FalseClaim { index }),
        }
    }
}
