//! The chain that the example runs on, and its nodes: which part stands behind which seam.

use std::{net::SocketAddr, path::Path, sync::Arc, thread::available_parallelism};

use health_chain::{
    application::{
        gateway::{Gateway, GatewayParts},
        identities::{ApplicationParameters, Identities},
        node::{Node, NodeBuilder},
        objects::FolderObjects,
        ports::SystemEntropy,
        records::Records,
        wallet::Wallet,
    },
    consensus::{Chain, ConsensusParameters, Epochs, Parts, ports::Engine},
    consensus_bft::{Bft, BftParameters, Equivocation},
    consensus_pos::{PosParameters, ProofOfStake},
    consensus_pow::{Miner, PowParameters, ProofOfWork, Retarget, Seal},
    contract::{Contracts, Scripts},
    data::{
        Amount, Genesis, PublicKey, SecretKey, TokenId,
        genesis::Parameters,
        keys::Mnemonic,
        ports::{ChainStore, ScalarHasher, SingleVerifier},
        state::MemoryStore,
    },
    data_sled::SledStore,
    incentive::{BondedStake, IncentiveParameters, Ledger, Reward, Rewards, StakeParameters, TokenRule},
    network::Address,
    network_quic::{QuicConfig, QuicTransport},
};

use crate::{Failure, now};

/// The currency of the example.
pub(crate) const EURO: TokenId = TokenId(978);

/// About half a million hashes for a block: a twentieth of a second on one core of a present machine.
const BITS: u32 = 0x1e1f_ffff;

/// What would be bonded under proof of stake; nobody does here, and so the founder stays.
const STAKE: StakeParameters =
    StakeParameters { token: EURO, unit: Amount(100_000), least_power: 1, slash_per_mille: 500 };

/// How blocks come about. Proof of work by the hospital's miner; or by agreement, of which the hospital is the only member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consensus {
    Pow,
    Bft,
    Pos,
}

/// Everything that the nodes agree on before the first block.
pub(crate) struct Network {
    /// The document.
    pub(crate) genesis: Genesis,
    /// Two of these three admit institutions.
    pub(crate) accreditors: Vec<SecretKey>,
    /// Both of these mint.
    pub(crate) issuers: Vec<SecretKey>,
    pub(crate) incentive: IncentiveParameters,
    pub(crate) consensus: Consensus,
    application: ApplicationParameters,
    /// Decides alone, where blocks are agreed on.
    validator: Option<SecretKey>,
}

impl Network {
    pub(crate) fn new(consensus: Consensus) -> Result<Self, Failure> {
        let keys = |count: usize| (0..count).map(|_| fresh_key()).collect::<Result<Vec<SecretKey>, Failure>>();
        let (accreditors, issuers) = (keys(3)?, keys(2)?);
        let public = |keys: &[SecretKey]| keys.iter().map(SecretKey::public_key).collect::<Vec<PublicKey>>();
        let euro =
            TokenRule { token: EURO, symbol: "EUR".into(), decimals: 2, threshold: 2, issuers: public(&issuers) };
        let incentive = IncentiveParameters {
            fee_token: EURO,
            tokens: vec![euro],
            coinbase_maturity: 100,
            reward: Reward::Immediate,
        };
        let application =
            ApplicationParameters { accreditors: public(&accreditors), threshold: 2, institutions: Vec::new() };
        let validator = fresh_key()?;
        let seal = if consensus == Consensus::Pow { Seal { bits: BITS, nonce: 0 }.to_bytes() } else { Vec::new() };
        let genesis = Genesis::new("health chain example", now()?.timestamp(), seal)
            .with(&ConsensusParameters::default())
            .with(&incentive)
            .with(&application);
        let genesis = match consensus {
            Consensus::Pow => genesis.with(&pow()),
            Consensus::Bft => genesis.with(&bft(&validator)),
            Consensus::Pos => genesis.with(&PosParameters(bft(&validator))).with(&STAKE),
        };
        let validator = Some(validator);
        Ok(Self { genesis, accreditors, issuers, incentive, consensus, application, validator })
    }

    /// The network that a genesis document describes, without anybody's keys.
    pub(crate) fn join(genesis: Genesis) -> Result<Self, Failure> {
        let has = |engine: &str| genesis.has_section(engine);
        let consensus = if has(PosParameters::SECTION) {
            Consensus::Pos
        } else if has(BftParameters::SECTION) {
            Consensus::Bft
        } else {
            Consensus::Pow
        };
        Ok(Self {
            incentive: genesis.section()?,
            application: genesis.section()?,
            consensus,
            validator: None,
            genesis,
            accreditors: Vec::new(),
            issuers: Vec::new(),
        })
    }

    /// What the makers of blocks may take.
    pub(crate) fn rewards(&self) -> Result<Arc<Rewards>, Failure> {
        Ok(self.contracts()?.1)
    }

    pub(crate) fn euro(&self) -> &TokenRule {
        &self.incentive.tokens[0]
    }

    fn contracts(&self) -> Result<(Arc<Contracts>, Arc<Rewards>), Failure> {
        let mut ledger = Ledger::new(self.incentive.clone(), Arc::new(Scripts))?;
        if self.consensus == Consensus::Pos {
            ledger = ledger.with_stake(STAKE, Arc::new(Equivocation))?;
        }
        let rewards = Arc::new(Rewards::new(&ledger));
        let identities = Identities::new(self.application.clone())?;
        Ok((Arc::new(Contracts::new(ledger, vec![Arc::new(Records), Arc::new(identities)])?), rewards))
    }

    fn engine(&self, role: Role) -> Result<Box<dyn Engine>, Failure> {
        let signer = self.validator.as_ref().filter(|_| role == Role::Miner);
        let signer = signer.map(|key| SecretKey::from_bytes(&key.to_bytes())).transpose()?;
        let stakes = || Arc::new(BondedStake::new(STAKE));
        Ok(match (self.consensus, signer) {
            (Consensus::Pow, _) if role == Role::Miner => Box::new(ProofOfWork::miner(pow())?),
            (Consensus::Pow, _) => Box::new(ProofOfWork::follower(pow())?),
            (Consensus::Bft, Some(key)) => Box::new(Bft::validator(&self.genesis, Box::new(key))?),
            (Consensus::Bft, None) => Box::new(Bft::follower(&self.genesis)?),
            (Consensus::Pos, Some(key)) => Box::new(ProofOfStake::validator(&self.genesis, stakes(), Box::new(key))?),
            (Consensus::Pos, None) => Box::new(ProofOfStake::follower(&self.genesis, stakes())?),
        })
    }

    /// A chain without a network: what a miner who works alone has.
    pub(crate) fn chain(&self, store: Box<dyn ChainStore>) -> Result<Chain, Failure> {
        let (executor, reward) = self.contracts()?;
        let parts = Parts {
            store,
            engine: self.engine(Role::Miner)?,
            executor,
            reward,
            verifier: Arc::new(SingleVerifier),
            hasher: Arc::new(ScalarHasher),
        };
        Ok(Chain::open(parts, &self.genesis)?)
    }

    /// A node with its store and its objects in `folder`, which connects to `peers`.
    pub(crate) fn node(
        &self,
        folder: &Path,
        node_key: SecretKey,
        gateway_key: SecretKey,
        role: Role,
        peers: &[SocketAddr],
    ) -> Result<Site, Failure> {
        let (executor, rewards) = self.contracts()?;
        let engine = self.engine(role)?;
        let transport = QuicTransport::bind(QuicConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), node_key })?;
        let address = transport.local_address();
        let objects = Arc::new(FolderObjects::open(&folder.join("objects"))?);
        let gateway = Gateway::new(GatewayParts::new(Box::new(gateway_key), objects, Box::new(SystemEntropy)));
        let store = Box::new(SledStore::open(&folder.join("chain"))?);
        let mut builder = NodeBuilder::new(self.genesis.clone(), store, engine, executor, rewards, Box::new(transport))
            .listen(Address(address.to_string()))
            .peers(peers.iter().map(|peer| Address(peer.to_string())).collect())
            .service(Box::new(gateway.clone()));
        if role == Role::Miner {
            let threads = available_parallelism().map_or(1, usize::from);
            builder = builder.searcher(move |report| Box::new(Miner::start(threads, Arc::new(ScalarHasher), report)));
        }
        Ok(Site { node: builder.start()?, gateway, address })
    }
}

/// Blocks are made when they are needed, so the target must not follow their times within a few minutes.
const fn pow() -> PowParameters {
    let retarget = Retarget::Asert { half_life_seconds: 60 * 60 * 24 * 30 };
    PowParameters { interval_seconds: 1, retarget, limit_bits: BITS }
}

fn bft(validator: &SecretKey) -> BftParameters {
    let epochs = Epochs { blocks: 10, evidence_blocks: 1_000 };
    BftParameters { epochs, interval_millis: 50, ..BftParameters::equal([validator.public_key()]) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Miner,
    Follower,
}

/// A running node with its gateway.
pub(crate) struct Site {
    pub(crate) node: Node,
    pub(crate) gateway: Gateway,
    pub(crate) address: SocketAddr,
}

/// A wallet of new words. In memory: the example's people live as long as it runs.
pub(crate) fn wallet() -> Result<Wallet, Failure> {
    let mnemonic = Mnemonic::from_entropy(&entropy()?[..16])?;
    Ok(Wallet::open(Box::new(MemoryStore::default()), &mnemonic, "")?)
}

pub(crate) fn fresh_key() -> Result<SecretKey, Failure> {
    Ok(SecretKey::from_bytes(&entropy()?)?)
}

pub(crate) fn entropy() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
