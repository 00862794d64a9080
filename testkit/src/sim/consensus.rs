//! Who makes blocks: the engines of a run, and what the genesis document says of them.

use std::{fmt, sync::Arc};

use health_chain::{
    application::{
        council::{CouncilParameters, Founder},
        identities::InitialInstitution,
    },
    consensus::{Epochs, Solo, SoloParameters, ports::Engine},
    consensus_bft::{Bft, BftParameters, Validator},
    consensus_pos::{PosParameters, ProofOfStake},
    consensus_pow::{PowParameters, ProofOfWork, Retarget, Seal},
    data::{Genesis, SecretKey},
    incentive::BondedStake,
};

use super::{
    Fault, Options,
    claims::{RememberingSigner, RememberingVerifier},
    fabric::NodeIndex,
    stake::{self, EPOCHS},
    world::{authority, key, validator},
};

/// How long until a validator that waits says again what it said last, in milliseconds: partitions last minutes, and every repetition reaches
/// everybody.
const REBROADCAST_MILLIS: u32 = 10_000;
/// What part of all hash power each strategic miner has. Two of them are less than a fourth of the rest: that they get 24 blocks ahead, who
/// begin level and work together, comes once in 10^14 times ((0.2 / 0.8)^24), so that [`Options::proof_of_work`] may take what is as deep for settled.
/// What they add to a partition's reorganisation is a lead before it, a block more in one of nine cases.
const STRATEGIC_SHARE: f64 = 0.1;

/// Who makes blocks, and how.
#[derive(Clone)]
pub enum Consensus {
    /// One authority: node 0.
    Solo,
    /// Every honest node, with equal shares of the hash power, and strategic miners with a tenth each.
    ProofOfWork,
    /// Every honest node is a validator, and so are lying ones of that kind. The honest have four times the power of the others each, so that
    /// three liars, and one of five honest ones that has lost its journal, have less than a third. The set never changes: who
    /// contradicts itself loses its seat in the council, which would decide on other sets, and goes on lying.
    Bft,
    /// The same validators, who begin as founders and bond tokens early on; then their stake decides, in the same proportion, and moves a
    /// little from epoch to epoch. Who contradicts itself loses half of it, and its office.
    Pos,
    /// An engine under study.
    Own(OwnEngine),
}

impl Consensus {
    pub(super) const fn has_validators(&self) -> bool {
        matches!(self, Self::Bft | Self::Pos)
    }
}

impl fmt::Debug for Consensus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Solo => "Solo",
            Self::ProofOfWork => "ProofOfWork",
            Self::Bft => "Bft",
            Self::Pos => "Pos",
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
    /// The engine of a node, given the whole genesis document. All nodes below the number of honest ones are told to make blocks; an engine
    /// may decline, by asking for nothing.
    pub engine: Arc<MakeEngine>,
}

impl fmt::Debug for OwnEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnEngine").field("genesis_seal", &self.genesis_seal).finish_non_exhaustive()
    }
}

/// Makes a node's engine.
pub type MakeEngine = dyn Fn(usize, &Genesis) -> Box<dyn Engine> + Send + Sync;

/// The makers of blocks in a run.
pub(super) struct Makers {
    pub(super) consensus: Consensus,
    interval_seconds: u32,
    /// Honest nodes; the liars stand behind them.
    pub(super) honest: usize,
    pub(super) liars: Vec<Fault>,
}

impl Makers {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            consensus: options.consensus.clone(),
            interval_seconds: options.interval_seconds,
            honest: options.nodes,
            liars: options.liars(),
        }
    }

    pub(super) fn nodes(&self) -> usize {
        self.honest + self.liars.len()
    }

    /// What the node lies about, if it does.
    pub(super) fn lie(&self, node: NodeIndex) -> Option<Fault> {
        node.checked_sub(self.honest).map(|liar| self.liars[liar])
    }

    pub(super) fn make_blocks(&self, node: NodeIndex) -> bool {
        match self.consensus {
            Consensus::Solo => node == 0,
            Consensus::ProofOfWork => self.lie(node).is_none_or(Fault::is_miners),
            Consensus::Own(_) => node < self.honest,
            Consensus::Bft | Consensus::Pos => self.lie(node).is_none_or(Fault::is_validators),
        }
    }

    /// The nodes that have a vote from the first block on, if any has.
    pub(super) fn validators(&self) -> Vec<NodeIndex> {
        let has_vote = |node: &NodeIndex| self.consensus.has_validators() && self.make_blocks(*node);
        (0..self.nodes()).filter(has_vote).collect()
    }

    /// How long a node searches for a block at the difficulty that the chain begins with, on average, in milliseconds.
    pub(super) fn mean_search_millis(&self, node: NodeIndex) -> f64 {
        let miners = self.liars.iter().filter(|lie| lie.is_miners()).count() as f64;
        let share = match self.lie(node) {
            Some(_) => STRATEGIC_SHARE,
            None => (1.0 - miners * STRATEGIC_SHARE) / self.honest as f64,
        };
        f64::from(self.interval_seconds) * 1_000.0 / share
    }

    pub(super) fn genesis_seal(&self) -> Vec<u8> {
        match &self.consensus {
            Consensus::Solo | Consensus::Bft | Consensus::Pos => Vec::new(),
            Consensus::ProofOfWork => Seal { bits: PowParameters::EASIEST_LIMIT_BITS, nonce: 0 }.to_bytes(),
            Consensus::Own(own) => own.genesis_seal.clone(),
        }
    }

    /// The document with the sections that the engine reads, or those who judge by its evidence.
    pub(super) fn found(&self, genesis: Genesis) -> Genesis {
        match &self.consensus {
            Consensus::Solo => genesis.with(&self.solo()),
            Consensus::ProofOfWork => genesis.with(&self.pow()),
            Consensus::Bft => genesis.with(&self.bft()).with(&self.council()),
            Consensus::Pos => genesis.with(&PosParameters(self.bft())).with(&stake::parameters(self.honest)),
            Consensus::Own(own) => (own.genesis)(genesis),
        }
    }

    /// The engine of a node; validators verify what others sign with `statements`.
    pub(super) fn engine(
        &self,
        node: NodeIndex,
        genesis: &Genesis,
        statements: &Arc<RememberingVerifier>,
    ) -> Box<dyn Engine> {
        let makes = self.make_blocks(node);
        let usable = "the parameters are in order";
        match &self.consensus {
            Consensus::Solo if makes => Box::new(Solo::authority(self.solo(), Box::new(authority()))),
            Consensus::Solo => Box::new(Solo::follower(self.solo())),
            Consensus::ProofOfWork => {
                let engine = if makes { ProofOfWork::miner(self.pow()) } else { ProofOfWork::follower(self.pow()) };
                Box::new(engine.expect(usable))
            }
            Consensus::Bft => {
                let signer = Box::new(RememberingSigner { key: validator(node), known: statements.clone() });
                let engine = if makes { Bft::validator(genesis, signer) } else { Bft::follower(genesis) };
                Box::new(engine.expect(usable).with_verifier(statements.clone()))
            }
            Consensus::Pos => {
                let stakes = Arc::new(BondedStake::new(stake::parameters(self.honest)));
                let signer = Box::new(RememberingSigner { key: validator(node), known: statements.clone() });
                let engine = if makes {
                    ProofOfStake::validator(genesis, stakes, signer)
                } else {
                    ProofOfStake::follower(genesis, stakes)
                };
                Box::new(engine.expect(usable).with_verifier(statements.clone()))
            }
            Consensus::Own(own) => (own.engine)(node, genesis),
        }
    }

    /// The institutions of the council, where there is one.
    pub(super) fn institutions(&self) -> Vec<InitialInstitution> {
        if !matches!(self.consensus, Consensus::Bft) {
            return Vec::new();
        }
        let institution =
            |node| InitialInstitution { name: format!("institution {node}"), key: institution_key(node).public_key() };
        self.validators().into_iter().map(institution).collect()
    }

    pub(super) fn council(&self) -> CouncilParameters {
        let founder = |node| Founder {
            institution: institution_key(node).public_key(),
            key: validator(node).public_key(),
            power: self.power(node),
        };
        CouncilParameters { founders: self.validators().into_iter().map(founder).collect() }
    }

    fn power(&self, node: NodeIndex) -> u32 {
        if node < self.honest { 4 } else { 1 }
    }

    fn solo(&self) -> SoloParameters {
        SoloParameters { authority: authority().public_key(), interval_seconds: self.interval_seconds }
    }

    fn bft(&self) -> BftParameters {
        let blocks = if matches!(self.consensus, Consensus::Pos) { EPOCHS.blocks } else { 0 };
        let seat = |node| Validator { key: validator(node).public_key(), power: self.power(node) };
        BftParameters {
            validators: self.validators().into_iter().map(seat).collect(),
            epochs: Epochs { blocks, ..EPOCHS },
            interval_millis: self.interval_seconds * 1_000,
            rebroadcast_millis: REBROADCAST_MILLIS,
            ..BftParameters::equal([])
        }
    }

    fn pow(&self) -> PowParameters {
        let retarget = Retarget::Asert { half_life_seconds: 2 * 24 * 60 * 60 };
        PowParameters {
            interval_seconds: self.interval_seconds,
            retarget,
            limit_bits: PowParameters::EASIEST_LIMIT_BITS,
        }
    }
}

fn institution_key(node: NodeIndex) -> SecretKey {
    key("institution", node)
}
