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
    consensus::{Chain, ConsensusParameters, Parts, ports::Engine},
    consensus_pow::{Miner, PowParameters, ProofOfWork, Retarget, Seal},
    contract::{Contracts, Scripts},
    data::{
        Genesis, PublicKey, SecretKey, TokenId,
        keys::Mnemonic,
        ports::{ChainStore, ScalarHasher, SingleVerifier},
        state::MemoryStore,
    },
    data_sled::SledStore,
    incentive::{IncentiveParameters, Ledger, Reward, Rewards, TokenRule},
    network::Address,
    network_quic::{QuicConfig, QuicTransport},
};

use crate::{Failure, now};

/// The currency of the example.
pub(crate) const EURO: TokenId = TokenId(978);

/// About half a million hashes for a block: a twentieth of a second on one core of a present machine.
const BITS: u32 = 0x1e1f_ffff;

/// Everything that the nodes agree on before the first block.
pub(crate) struct Network {
    /// The document.
    pub(crate) genesis: Genesis,
    /// Two of these three admit institutions.
    pub(crate) accreditors: Vec<SecretKey>,
    /// Both of these mint.
    pub(crate) issuers: Vec<SecretKey>,
    pub(crate) incentive: IncentiveParameters,
    application: ApplicationParameters,
    pow: PowParameters,
}

impl Network {
    pub(crate) fn new() -> Result<Self, Failure> {
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
        // Blocks are made when they are needed, so the target must not follow their times within a few minutes.
        let retarget = Retarget::Asert { half_life_seconds: 60 * 60 * 24 * 30 };
        let pow = PowParameters { interval_seconds: 1, retarget, limit_bits: BITS };
        let seal = Seal { bits: BITS, nonce: 0 }.to_bytes();
        let genesis = Genesis::new("health chain example", now()?.timestamp(), seal)
            .with(&ConsensusParameters::default())
            .with(&pow)
            .with(&incentive)
            .with(&application);
        Ok(Self { genesis, accreditors, issuers, incentive, application, pow })
    }

    /// The network that a genesis document describes, without anybody's keys.
    pub(crate) fn join(genesis: Genesis) -> Result<Self, Failure> {
        Ok(Self {
            incentive: genesis.section()?,
            application: genesis.section()?,
            pow: genesis.section()?,
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
        let ledger = Ledger::new(self.incentive.clone(), Arc::new(Scripts))?;
        let rewards = Arc::new(Rewards::new(&ledger));
        let identities = Identities::new(self.application.clone())?;
        Ok((Arc::new(Contracts::new(ledger, vec![Arc::new(Records), Arc::new(identities)])?), rewards))
    }

    /// A chain without a network: what a miner who works alone has.
    pub(crate) fn chain(&self, store: Box<dyn ChainStore>) -> Result<Chain, Failure> {
        let (executor, reward) = self.contracts()?;
        let parts = Parts {
            store,
            engine: Box::new(ProofOfWork::miner(self.pow)?),
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
        let engine: Box<dyn Engine> = match role {
            Role::Miner => Box::new(ProofOfWork::miner(self.pow)?),
            Role::Follower => Box::new(ProofOfWork::follower(self.pow)?),
        };
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
