//! Which part stands behind which seam. To swap a part, change it here; a new engine also takes its rules in `genesis_file` and its name in
//! `commands::init`.

use std::{net::SocketAddr, num::NonZeroUsize, path::Path, sync::Arc, thread::available_parallelism};

use health_chain::{
    application::{
        council::{self, CouncilParameters, CouncilProgram, CouncilStake},
        gateway::{Gateway, GatewayParts},
        identities::{self, ApplicationParameters, Identities},
        node::{Node, NodeBuilder, ParallelVerifier},
        objects::FolderObjects,
        ports::SystemEntropy,
        records::Records,
        wallet::Wallet,
    },
    consensus::{
        Chain, OpenError, Parts, Solo, SoloParameters, Validator,
        ports::{Engine, StakeView},
    },
    consensus_bft::{self, Bft, BftError, BftParameters, Equivocation},
    consensus_pos::{self, PosError, PosParameters, ProofOfStake},
    consensus_pow::{self, Miner, PowParameters, ProofOfWork, Retarget, Seal, Target},
    contract::{Contracts, RegistryError, Scripts, ports::Program},
    data::{
        Genesis, Lock, PublicKey, SecretKey, Timestamp,
        ports::{BatchHasher, ChainStore, Verifier},
        state::MemoryStore,
    },
    data_simd::{LaneHasher, LaneVerifier},
    data_sled::SledStore,
    incentive::{
        self, BondedStake, IncentiveParameters, Ledger, Rewards, StakeParameters, stake::StakeParametersError,
    },
    network::{Address, PeerId, Transport},
    network_quic::{QuicConfig, QuicTransport, peer_id},
};
use thiserror::Error;

use crate::{
    config::Config,
    failure::Failure,
    folder::{self, Folder},
    genesis_file::{ConsensusRules, FounderEntry, GenesisFile},
    secrets,
    text::{CompactText, KeyText},
};

/// Time between blocks of a development chain, in seconds.
const DEVELOPMENT_INTERVAL_SECONDS: u32 = 10;
/// Short, so that a chain which nobody has worked on for a day becomes easy again.
const DEVELOPMENT_HALF_LIFE_SECONDS: u32 = 3600;
/// 2^26 hashes for a block: from less than a second to some, by the machine.
const DEVELOPMENT_TARGET: u32 = 0x1e00_3fff;

/// The rules of one chain, with the parts that keep them.
pub(crate) struct Rules {
    pub(crate) genesis: Genesis,
    pub(crate) incentive: IncentiveParameters,
    application: ApplicationParameters,
    engine: EngineRules,
    executor: Arc<Contracts>,
    rewards: Arc<Rewards>,
}

/// Why a genesis document does not describe a chain.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ComposeError {
    /// Tokens, fees or rewards.
    #[error("tokens or fees")]
    Incentive(#[from] incentive::ParametersError),
    /// Accreditation or institutions.
    #[error("accreditation or institutions")]
    Application(#[from] identities::ParametersError),
    /// Proof of work.
    #[error("consensus")]
    Pow(#[from] consensus_pow::ParametersError),
    /// Validators.
    #[error("consensus")]
    Bft(#[from] consensus_bft::ParametersError),
    /// Validators by stake.
    #[error("consensus")]
    Pos(#[from] consensus_pos::ParametersError),
    /// What is bonded.
    #[error("consensus: stake")]
    Stake(#[from] StakeParametersError),
    /// The first seats.
    #[error("consensus: the council")]
    Council(#[from] council::ParametersError),
    /// The first block is easier than any block may be.
    #[error("consensus: the first target is easier than the easiest one")]
    FirstTarget,
    /// Programs that get in each other's way.
    #[error("programs")]
    Programs(#[from] RegistryError),
    /// The genesis block can't be made.
    #[error("the genesis block")]
    Open(#[from] OpenError),
}

/// A running node.
pub(crate) struct Site {
    pub(crate) node: Node,
    /// The node's.
    pub(crate) gateway: Gateway,
    pub(crate) rules: Rules,
    /// Where it accepts connections.
    pub(crate) address: SocketAddr,
    /// The chain's rule for rewards, and a lock of the owner's wallet: what blocks made here pay to.
    pub(crate) payout: Option<(Arc<Rewards>, Lock)>,
}

/// Proof of work that a single machine does in seconds.
pub(crate) fn development_pow() -> ConsensusRules {
    ConsensusRules::Pow {
        interval_seconds: DEVELOPMENT_INTERVAL_SECONDS,
        half_life_seconds: DEVELOPMENT_HALF_LIFE_SECONDS,
        first_target: CompactText(DEVELOPMENT_TARGET),
        easiest_target: CompactText(DEVELOPMENT_TARGET),
    }
}

/// The owner makes every block.
pub(crate) const fn development_solo(owner: PublicKey) -> ConsensusRules {
    ConsensusRules::Solo { authority: KeyText(owner), interval_seconds: DEVELOPMENT_INTERVAL_SECONDS }
}

/// The engine that a genesis document names, with its parameters.
enum EngineRules {
    Pow(PowParameters),
    Solo(SoloParameters),
    Bft(BftParameters, CouncilParameters),
    Pos(PosParameters, StakeParameters),
}

impl Rules {
    /// The rules that a genesis document describes, tried out on its first block.
    pub(crate) fn new(file: &GenesisFile) -> Result<Self, ComposeError> {
        let (limits, incentive, application) = (file.limits(), file.incentive(), file.application());
        let (engine, seal) = EngineRules::read(&file.consensus)?;
        let genesis =
            Genesis::new(&file.network, Timestamp(file.time), seal).with(&limits).with(&incentive).with(&application);
        let genesis = match &engine {
            EngineRules::Pow(parameters) => genesis.with(parameters),
            EngineRules::Solo(parameters) => genesis.with(parameters),
            EngineRules::Bft(parameters, council) => genesis.with(parameters).with(council),
            EngineRules::Pos(parameters, stake) => genesis.with(parameters).with(stake),
        };
        let mut ledger = Ledger::new(incentive.clone(), Arc::new(Scripts))?;
        let identities = Identities::new(application.clone())?;
        let mut programs: Vec<Arc<dyn Program>> = vec![Arc::new(Records), Arc::new(identities)];
        match &engine {
            EngineRules::Pow(_) | EngineRules::Solo(_) => {}
            EngineRules::Bft(_, council) => {
                programs.push(Arc::new(CouncilProgram::new(council.clone(), Arc::new(Equivocation))?));
            }
            EngineRules::Pos(_, stake) => ledger = ledger.with_stake(*stake, Arc::new(Equivocation))?,
        }
        let rewards = Arc::new(Rewards::new(&ledger));
        let executor = Arc::new(Contracts::new(ledger, programs)?);
        let rules = Self { genesis, incentive, application, engine, executor, rewards };
        rules.chain(Box::new(MemoryStore::default()))?;
        Ok(rules)
    }

    /// The rules that the folder's genesis document describes.
    pub(crate) fn read(folder: &Folder) -> Result<Self, Failure> {
        let path = folder.genesis();
        let file = folder::read_toml(&path)?;
        Self::new(&file).map_err(|source| Failure::Genesis { path, source })
    }

    /// What is bonded, on chains where stake decides.
    pub(crate) const fn stake(&self) -> Option<StakeParameters> {
        match self.engine {
            EngineRules::Pos(_, stake) => Some(stake),
            _ => None,
        }
    }

    /// Whether a council of institutions decides.
    pub(crate) const fn has_council(&self) -> bool {
        matches!(self.engine, EngineRules::Bft(..))
    }

    /// Who admits institutions, and how many of them it takes.
    pub(crate) fn accreditation(&self) -> (&[PublicKey], u8) {
        (&self.application.accreditors, self.application.threshold)
    }

    /// Who elects validators, on chains that have some.
    pub(crate) fn stakes(&self) -> Option<Arc<dyn StakeView>> {
        match &self.engine {
            EngineRules::Pow(_) | EngineRules::Solo(_) => None,
            EngineRules::Bft(..) => Some(Arc::new(CouncilStake)),
            EngineRules::Pos(_, stake) => Some(bonded(stake)),
        }
    }

    /// The chain in `store`, without a node.
    pub(crate) fn chain(&self, store: Box<dyn ChainStore>) -> Result<Chain, OpenError> {
        let parts = Parts {
            store,
            engine: self.engine.follower(&self.genesis),
            executor: Arc::clone(&self.executor) as _,
            reward: Arc::clone(&self.rewards) as _,
            verifier: verifier(),
            hasher: hasher(),
        };
        Chain::open(parts, &self.genesis)
    }
}

impl EngineRules {
    /// The engine's parameters, and the genesis block's seal in the form that the engine expects.
    fn read(rules: &ConsensusRules) -> Result<(Self, Vec<u8>), ComposeError> {
        match *rules {
            ConsensusRules::Bft { pace, epochs, ref founders } => {
                let parameters = pace.parameters(epochs, founders.iter().map(FounderEntry::validator).collect());
                parameters.check()?;
                let council = CouncilParameters { founders: founders.iter().map(FounderEntry::founder).collect() };
                Ok((Self::Bft(parameters, council), Vec::new()))
            }
            ConsensusRules::Pos { pace, epochs, stake, ref founders } => {
                let founders = founders.iter().map(|founder| Validator { key: founder.0, power: 1 }).collect();
                let parameters = PosParameters(pace.parameters(epochs, founders));
                parameters.check()?;
                Ok((Self::Pos(parameters, stake.parameters()), Vec::new()))
            }
            ConsensusRules::Solo { authority, interval_seconds } => {
                Ok((Self::Solo(SoloParameters { authority: authority.0, interval_seconds }), Vec::new()))
            }
            ConsensusRules::Pow { interval_seconds, half_life_seconds, first_target, easiest_target } => {
                let retarget = Retarget::Asert { half_life_seconds };
                let parameters = PowParameters { interval_seconds, retarget, limit_bits: easiest_target.0 };
                let limit = parameters.limit()?;
                if Target::from_compact(first_target.0).map_err(consensus_pow::ParametersError::from)? > limit {
                    return Err(ComposeError::FirstTarget);
                }
                Ok((Self::Pow(parameters), Seal { bits: first_target.0, nonce: 0 }.to_bytes()))
            }
        }
    }

    /// An engine that judges blocks and makes none.
    fn follower(&self, genesis: &Genesis) -> Box<dyn Engine> {
        match self {
            Self::Pow(parameters) => Box::new(pow(ProofOfWork::follower(*parameters))),
            Self::Solo(parameters) => Box::new(Solo::follower(*parameters)),
            Self::Bft(..) => Box::new(bft(Bft::follower(genesis))),
            Self::Pos(_, stake) => Box::new(pos(ProofOfStake::follower(genesis, bonded(stake)))),
        }
    }

    /// An engine that makes blocks in the name of `owner`.
    fn maker(&self, genesis: &Genesis, owner: &SecretKey) -> Result<Box<dyn Engine>, Failure> {
        let signer = Box::new(copy(owner));
        match self {
            Self::Pow(parameters) => Ok(Box::new(pow(ProofOfWork::miner(*parameters)))),
            Self::Solo(parameters) if parameters.authority == owner.public_key() => {
                Ok(Box::new(Solo::authority(*parameters, signer)))
            }
            Self::Solo(SoloParameters { authority, .. }) => {
                Err(Failure::NotTheAuthority { authority: *authority, owner: owner.public_key() })
            }
            Self::Bft(..) => match Bft::validator(genesis, signer) {
                Err(BftError::NoValidator { key }) => Err(Failure::NotAValidator { owner: key }),
                engine => Ok(Box::new(bft(engine))),
            },
            Self::Pos(_, stake) => Ok(Box::new(pos(ProofOfStake::validator(genesis, bonded(stake), signer)))),
        }
    }
}

/// Parameters that were checked when they were read.
const CHECKED: &str = "the parameters were checked when they were read";

fn bft(engine: Result<Bft, BftError>) -> Bft {
    engine.expect(CHECKED).with_stakes(Arc::new(CouncilStake)).with_verifier(verifier())
}

fn pos(engine: Result<ProofOfStake, PosError>) -> ProofOfStake {
    engine.expect(CHECKED).with_verifier(verifier())
}

fn bonded(stake: &StakeParameters) -> Arc<BondedStake> {
    Arc::new(BondedStake::new(*stake))
}

fn pow(engine: Result<ProofOfWork, consensus_pow::ParametersError>) -> ProofOfWork {
    engine.expect(CHECKED)
}

/// Opens everything in the folder and starts its node, with an engine that makes blocks if it is to.
pub(crate) fn start(folder: &Folder, config: &Config, makes_blocks: bool) -> Result<Site, Failure> {
    folder.check()?;
    let rules = Rules::read(folder)?;
    let words = secrets::read_words(&folder.words())?;
    let owner = secrets::identity(&words)?;
    // First of all, so that a second process on the folder is told just that.
    let store = open_store(&folder.chain())?;
    let engine =
        if makes_blocks { rules.engine.maker(&rules.genesis, &owner)? } else { rules.engine.follower(&rules.genesis) };
    let payout = if makes_blocks {
        let lock = Wallet::open(open_store(&folder.wallet())?, &words, "")?.new_lock()?;
        Some((Arc::clone(&rules.rewards), lock))
    } else {
        None
    };
    let path = folder.objects();
    let objects = Arc::new(FolderObjects::open(&path).map_err(|source| Failure::Objects { path, source })?);
    // The owner's identity countersigns: who is registered as an institution is known as a gateway under the same key.
    let gateway = Gateway::new(GatewayParts::new(Box::new(owner), objects, Box::new(SystemEntropy)));
    let (transport, address) = transport(config.listen, secrets::node_key(folder)?)?;
    let (genesis, executor, rewards) = (rules.genesis.clone(), Arc::clone(&rules.executor), Arc::clone(&rules.rewards));
    let builder = NodeBuilder::new(genesis, store, engine, executor, rewards, transport)
        .hasher(hasher())
        .verifier(verifier())
        .listen(Address(address.to_string()))
        .peers(config.connect.iter().map(|peer| Address(peer.to_string())).collect())
        .service(Box::new(gateway.clone()));
    let builder = match config.checkpoint {
        Some(checkpoint) => builder.checkpoint(checkpoint.0),
        None => builder,
    };
    let builder = if makes_blocks {
        let threads = match config.mining_threads {
            0 => available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        builder.searcher(move |report| Box::new(Miner::start(threads, hasher(), report)))
    } else {
        builder
    };
    Ok(Site { node: builder.start()?, gateway, rules, address, payout })
}

/// The chain as a node left it that does not run. One that never ran has no store, and looking at it makes none.
pub(crate) fn stored_chain(folder: &Folder, rules: &Rules) -> Result<Chain, Failure> {
    let store = if folder.chain().exists() { open_store(&folder.chain())? } else { memory_store() };
    Ok(rules.chain(store)?)
}

/// The store in `folder`, made if it is not there.
pub(crate) fn open_store(folder: &Path) -> Result<Box<dyn ChainStore>, Failure> {
    match SledStore::open(folder) {
        Ok(store) => Ok(Box::new(store)),
        Err(source) => Err(Failure::Store { path: folder.into(), source }),
    }
}

/// A store that is gone when it is dropped.
pub(crate) fn memory_store() -> Box<dyn ChainStore> {
    Box::new(MemoryStore::default())
}

/// Links to other nodes, and the address where they can connect.
pub(crate) fn transport(listen: SocketAddr, node_key: SecretKey) -> Result<(Box<dyn Transport>, SocketAddr), Failure> {
    let transport = QuicTransport::bind(QuicConfig { listen, node_key })
        .map_err(|error| Failure::Listen { listen, source: Box::new(error) })?;
    let address = transport.local_address();
    Ok((Box::new(transport), address))
}

/// The id by which peers know the node with this key.
pub(crate) fn node_id(node_key: &PublicKey) -> PeerId {
    peer_id(node_key)
}

/// What hashes many messages at a time: the fastest that this processor has.
fn hasher() -> Arc<dyn BatchHasher> {
    Arc::new(LaneHasher::detect())
}

/// What verifies the signatures of a block: on every core the fastest that this processor has.
fn verifier() -> Arc<dyn Verifier> {
    let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Arc::new(ParallelVerifier::over(LaneVerifier::detect(), cores))
}

/// Parts own their keys.
fn copy(key: &SecretKey) -> SecretKey {
    SecretKey::from_bytes(&key.to_bytes()).expect("taken from a key")
}
