//! Those who take part, and what each of them does again and again.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use health_chain::{
    application::{
        authorize::{Access, AccessRequest},
        gateway::{Gateway, GatewayClient},
        node::{Node, SubmitError},
        ports::SystemEntropy,
        records::{GatewayId, Permissions, Purpose},
        wallet::{Spending, Wallet},
    },
    consensus::{Chain, ports::ExecuteError},
    data::{Amount, BlockId, Hash, Height, ObjectId, SecretKey, Transaction, codec},
    incentive::MempoolError,
};

use crate::{
    Failure, ensure, now,
    setup::{self, Network, Role, Site, entropy},
};

/// What each of their transactions pays for its place in a block.
pub(crate) const FEE: Amount = Amount(20);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody with a wallet, a node and a gateway.
pub(crate) struct Party {
    pub(crate) wallet: Arc<Mutex<Wallet>>,
    site: Option<Site>,
    folder: PathBuf,
    node_key: [u8; 32],
    gateway_key: [u8; 32],
    role: Role,
}

impl Party {
    pub(crate) fn start(network: &Network, folder: PathBuf, role: Role, peers: &[SocketAddr]) -> Result<Self, Failure> {
        let wallet = Arc::new(Mutex::new(setup::wallet()?));
        let (node_key, gateway_key) = (entropy()?, entropy()?);
        let mut party = Self { wallet, site: None, folder, node_key, gateway_key, role };
        party.resume(network, peers)?;
        Ok(party)
    }

    /// Opens the node again from its folder.
    pub(crate) fn resume(&mut self, network: &Network, peers: &[SocketAddr]) -> Result<(), Failure> {
        let key = |bytes| SecretKey::from_bytes(bytes);
        let (node_key, gateway_key) = (key(&self.node_key)?, key(&self.gateway_key)?);
        self.site = Some(network.node(&self.folder, node_key, gateway_key, self.role, peers)?);
        Ok(())
    }

    /// Stops the node and gives its folder free.
    pub(crate) fn stop(&mut self) -> &PathBuf {
        self.site = None;
        &self.folder
    }

    fn site(&self) -> &Site {
        self.site.as_ref().expect("the party's node runs")
    }

    pub(crate) fn node(&self) -> &Node {
        &self.site().node
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.site().gateway
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.site().address
    }

    pub(crate) fn wallet(&self) -> MutexGuard<'_, Wallet> {
        self.wallet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This party's line to another one's gateway.
    pub(crate) fn client<'a>(&'a self, gateway: &Party) -> GatewayClient<'a> {
        GatewayClient::new(self.node(), gateway.node().id())
    }

    /// Looks at the chain, with the wallet at hand.
    pub(crate) fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Chain, &mut Wallet) -> Result<R, Failure> + Send + 'static,
    ) -> Result<R, Failure> {
        let wallet = Arc::clone(&self.wallet);
        self.node().read(move |chain, _| look(chain, &mut wallet.lock().unwrap_or_else(PoisonError::into_inner)))?
    }

    /// Pays the fee of a transaction, and whatever it pays to others; returns it ready for the network.
    pub(crate) fn fund(&self, network: &Network, mut transaction: Transaction) -> Result<Transaction, Failure> {
        let parameters = network.incentive.clone();
        self.look(move |chain, wallet| {
            let context = chain.next_context();
            let (view, parameters) = (chain.state(), &parameters);
            let spending = Spending { view, parameters, context: &context, fee: FEE };
            wallet.fund(&mut transaction, &spending, &mut SystemEntropy)?;
            Ok(transaction)
        })
    }

    /// Pays for a transaction and sends it. Returns its length in bytes.
    pub(crate) fn publish(&self, network: &Network, transaction: Transaction) -> Result<usize, Failure> {
        let funded = self.fund(network, transaction)?;
        let bytes = codec::encode(&funded).len();
        self.node().submit(funded)??;
        Ok(bytes)
    }

    /// Sends a transaction that must be refused, and returns the rule's name.
    pub(crate) fn rule_against(&self, transaction: Transaction) -> Result<&'static str, Failure> {
        match self.node().submit(transaction)? {
            Ok(_) => Err("a transaction was accepted that must be refused".into()),
            Err(SubmitError::Transaction(MempoolError::Execute(ExecuteError::Rejected(rejection)))) => {
                Ok(rejection.rule)
            }
            Err(SubmitError::Transaction(MempoolError::FalseSignature(_))) => Ok("false-signature"),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn tip(&self) -> Result<(BlockId, Height), Failure> {
        let status = self.node().status()?;
        Ok((status.tip, status.height))
    }

    pub(crate) fn state_hash(&self) -> Result<(BlockId, Hash), Failure> {
        Ok(self.node().state_hash()??)
    }
}

/// A request to read, signed by the key that was granted.
pub(crate) fn access_request(
    network: &Network,
    gateway: GatewayId,
    object: ObjectId,
    version: u32,
    permission: Permissions,
    reader: &SecretKey,
) -> Result<AccessRequest, Failure> {
    let access = Access { object, version, requester: reader.public_key(), permission, purpose: Purpose::RESEARCH };
    let (chain, time) = (network.genesis.chain_id(), now()?.timestamp());
    Ok(AccessRequest::sign(chain, gateway, access, time, entropy()?, reader, &entropy()?)?)
}

/// Waits until something holds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !holds()? {
        ensure(Instant::now() < deadline, what)?;
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Lets `miner` make blocks until something holds.
pub(crate) fn mine_until(
    miner: &Party,
    network: &Network,
    what: &str,
    holds: impl FnMut() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let lock = miner.wallet().new_lock()?;
    miner.node().mine(Some((network.rewards()?, lock)))?;
    let outcome = wait_until(what, holds);
    miner.node().stop_mining()?;
    outcome
}

/// Lets `miner` make at least this many blocks more.
pub(crate) fn mine_blocks(miner: &Party, network: &Network, blocks: u32) -> Result<(), Failure> {
    let goal = miner.tip()?.1.saturating_add(blocks);
    mine_until(miner, network, "blocks are made", || Ok(miner.tip()?.1 >= goal))
}

/// Waits until all have the same tip, and checks that they have the same state.
pub(crate) fn agree(parties: &[&Party]) -> Result<(), Failure> {
    wait_until("all nodes have the same tip", || {
        let tips = parties.iter().map(|party| party.tip()).collect::<Result<Vec<_>, Failure>>()?;
        Ok(tips.iter().all(|tip| *tip == tips[0]))
    })?;
    let hashes = parties.iter().map(|party| party.state_hash()).collect::<Result<Vec<_>, Failure>>()?;
    ensure(hashes.iter().all(|hash| *hash == hashes[0]), "all nodes have the same state hash")
}
