//! The chain that is simulated, and how its nodes are made.

use std::{collections::BTreeMap, sync::Arc};

use health_chain::{
    application::{
        authorize::GatewayRules,
        council::CouncilProgram,
        gateway::{Gateway, GatewayParts},
        identities::{ApplicationParameters, Identities},
        node::{NodeBuilder, StartError, SteppedNode},
        objects::MemoryObjects,
        ports::SeededEntropy,
        records::{GatewayId, Records},
    },
    consensus::{
        ConsensusParameters,
        ports::{Engine, EvidenceCheck, Offence, RewardRule},
    },
    consensus_bft::Equivocation,
    contract::{Contracts, ports::Program},
    data::{
        Amount, Genesis, Lock, Millis, Output, PublicKey, SecretKey, Timestamp, TokenId, Transaction,
        ports::Verifier,
        tagged_hash,
        wrap::{KeyWrap, SUITE_X25519_CHACHA20},
    },
    incentive::{IncentiveParameters, Issuance, Ledger, Reward, Rewards, SingleKey, TokenRule},
};

use super::{
    Fault, Options,
    bug::{Bug, DoubleFees, ForgottenSignatures, LateDenial, engine_with, evidence_check},
    byzantine::{Forger, Tamper},
    claims::RememberingVerifier,
    consensus::{Consensus, Makers},
    disk::Disk,
    fabric::{Fabric, NodeIndex, address},
    stake,
    users::first_object,
};

pub(super) const TOKEN: TokenId = TokenId(978);
/// The time at which the chain begins.
pub(super) const START: Timestamp = Timestamp(1_800_000_000);
/// What each of the people begins with.
pub(super) const COINS: Amount = Amount(1_000_000);
/// Why parameters that are chosen here are taken.
const IN_ORDER: &str = "the parameters are in order";

/// What all nodes of a run have in common.
pub(super) struct World {
    pub(super) genesis: Genesis,
    pub(super) incentive: IncentiveParameters,
    pub(super) makers: Makers,
    /// How many people are given coins: patients, payers, and who bonds for a validator, in this order.
    people: usize,
    patients: usize,
    /// When a validator that contradicts itself begins to, in virtual time.
    pub(super) lies_from: u64,
    bug: Option<Bug>,
    executor: Arc<Contracts>,
    rewards: Arc<Rewards>,
    rule: Arc<dyn RewardRule>,
    verifier: Arc<dyn Verifier>,
    /// Verifies what validators sign.
    statements: Arc<RememberingVerifier>,
    objects: BTreeMap<NodeIndex, Arc<MemoryObjects>>,
}

impl World {
    pub(super) fn new(options: &Options, gateways: &[NodeIndex]) -> Self {
        let makers = Makers::new(options);
        let bug = options.bug;
        let issuer = key("issuer", 0).public_key();
        let rule = TokenRule { token: TOKEN, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers: vec![issuer] };
        let incentive = IncentiveParameters {
            fee_token: TOKEN,
            tokens: vec![rule],
            coinbase_maturity: 2,
            reward: Reward::Immediate,
        };
        let institutions = makers.institutions();
        let application = ApplicationParameters { accreditors: vec![issuer], threshold: 1, institutions };
        let genesis = Genesis::new("simulation", START, makers.genesis_seal())
            .with(&ConsensusParameters::default())
            .with(&incentive)
            .with(&application);
        let genesis = makers.found(genesis);
        let mut ledger = Ledger::new(incentive.clone(), Arc::new(SingleKey)).expect(IN_ORDER);
        let identities = Identities::new(application).expect(IN_ORDER);
        let mut programs: Vec<Arc<dyn Program>> = vec![Arc::new(Records), Arc::new(identities)];
        let evidence = evidence_check(bug);
        match makers.consensus {
            Consensus::Bft => {
                programs.push(Arc::new(CouncilProgram::new(makers.council(), evidence).expect(IN_ORDER)));
            }
            Consensus::Pos => ledger = ledger.with_stake(stake::parameters(makers.honest), evidence).expect(IN_ORDER),
            _ => {}
        }
        let rewards = Arc::new(Rewards::new(&ledger));
        let rule: Arc<dyn RewardRule> = match bug {
            Some(Bug::DoubleFees) => Arc::new(DoubleFees(rewards.clone())),
            _ => rewards.clone(),
        };
        let statements = Arc::new(RememberingVerifier::default());
        let verifier: Arc<dyn Verifier> = match bug {
            Some(Bug::ForgottenSignatures) => Arc::new(ForgottenSignatures),
            _ => statements.clone(),
        };
        let executor = Contracts::new(ledger, programs).expect("the programs share no kinds");
        let people = options.patients + options.payers + makers.validators().len();
        Self {
            genesis,
            incentive,
            makers,
            people,
            patients: options.patients,
            lies_from: Millis::from(START).0,
            bug,
            executor: Arc::new(executor),
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
        let miner = tamper.as_ref().and_then(Tamper::miner).cloned();
        let engine = match &miner {
            Some(miner) => miner.engine(self.engine(node)),
            None => self.engine(node),
        };
        let transport = fabric.join(node, disk.clone(), tamper);
        let clock = fabric.clone();
        let searching = fabric.clone();
        let mut builder = NodeBuilder::new(
            self.genesis.clone(),
            Box::new(disk.open()),
            engine,
            self.executor.clone(),
            self.rule.clone(),
            Box::new(transport),
        )
        .verifier(self.verifier.clone())
        .listen(address(node))
        .peers((0..self.makers.nodes()).filter(|other| *other != node).map(address).collect())
        .clock(Arc::new(move || clock.clock(node)))
        .searcher(move |report| Box::new(searching.searcher(node, report)));
        if self.objects.contains_key(&node) {
            let gateway = self.gateway(node, &entropy);
            builder = match self.bug {
                Some(Bug::LateDenial) => builder.service(Box::new(LateDenial(gateway))),
                _ => builder.service(Box::new(gateway)),
            };
        }
        if let Some(miner) = miner {
            builder = builder.policy(miner.policy()).service(Box::new(miner));
        }
        let mut started = builder.stepped(entropy)?;
        if self.makers.make_blocks(node) {
            let lock = SingleKey::lock(&key("node", node).public_key());
            started.mine(Some((self.rewards.clone(), lock)));
        }
        Ok(started)
    }

    /// What a node does to what it sends, where it does something.
    pub(super) fn tamper(&self, node: NodeIndex, equivocates: bool) -> Option<Tamper> {
        let forger = |key| Some(Forger { key, chain: self.genesis.chain_id() });
        match self.makers.lie(node) {
            Some(fault) if fault.is_validators() => Some(Tamper::new(fault, forger(validator(node)), self.lies_from)),
            Some(fault) => Some(Tamper::new(fault, None, self.lies_from)),
            None if equivocates && node == 0 => {
                Some(Tamper::new(Fault::Equivocation, forger(authority()), self.lies_from))
            }
            None => None,
        }
    }

    /// Whether tokens stand behind validators.
    pub(super) const fn is_staked(&self) -> bool {
        matches!(self.makers.consensus, Consensus::Pos)
    }

    /// Whether the key is that of a validator that contradicts itself.
    pub(super) fn contradicts_itself(&self, key: &PublicKey) -> bool {
        let is_one = |node: &NodeIndex| self.makers.lie(*node) == Some(Fault::DoubleVote);
        (0..self.makers.nodes()).filter(is_one).any(|node| validator(node).public_key() == *key)
    }

    /// What evidence proves, if it is signed by whom it names. Nodes may have a bug; who checks them has none.
    pub(super) fn offence(&self, evidence: &[u8]) -> Option<Offence> {
        let mut claims = Vec::new();
        let offence = Equivocation.offence(evidence, self.genesis.chain_id(), &mut claims).ok()?;
        self.statements.verify(&claims).is_ok().then_some(offence)
    }

    fn engine(&self, node: NodeIndex) -> Box<dyn Engine> {
        let engine = self.makers.engine(node, &self.genesis, &self.statements);
        match self.bug {
            Some(bug) => engine_with(bug, engine),
            None => engine,
        }
    }

    fn gateway(&self, node: NodeIndex, entropy: &[u8; 32]) -> Gateway {
        let seed = u64::from_le_bytes(entropy[..8].try_into().expect("eight of thirty-two bytes"));
        let signer = Box::new(key("gateway", node));
        let objects = self.objects[&node].clone();
        let mut parts = GatewayParts::new(signer, objects, Box::new(SeededEntropy::new(seed)));
        parts.rules = GatewayRules { store_depth: 1, max_reorganisation_depth: u32::MAX, ..GatewayRules::default() };
        let gateway = Gateway::new(parts);
        for patient in 0..self.patients {
            let (_, object) = first_object(patient, &self.genesis.chain_id());
            gateway.keep_wrap(&object, &wrap()).expect("memory takes it");
        }
        gateway
    }

    /// The one issue of tokens: a coin for each of the people.
    pub(super) fn mint(&self) -> Transaction {
        let output = |patient| Output { token: TOKEN, amount: COINS, lock: lock_of(patient) };
        let outputs = (0..self.people).map(output).collect();
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

pub(super) fn validator(node: NodeIndex) -> SecretKey {
    key("validator", node)
}

pub(super) fn lock_of(patient: usize) -> Lock {
    SingleKey::lock(&patient_key(patient).public_key())
}

/// Stands for the wrapped key of every grant: what is inside does not matter to a gateway.
pub(super) fn wrap() -> KeyWrap {
    KeyWrap { suite: SUITE_X25519_CHACHA20, enc: vec![1; 32], ciphertext: vec![2; 112] }
}

pub(super) fn key(role: &str, index: usize) -> SecretKey {
    let bytes = tagged_hash("HC/simulation/v1", &[role.as_bytes(), &(index as u64).to_le_bytes()]).0;
    SecretKey::from_bytes(&bytes).expect("a hash is hardly ever above the order of the group")
}
