//! Asks a running node where it stands, over the network as any other node would, without taking part in the chain.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use health_chain::{
    application::gateway::{About, Request, Response},
    data::{
        BlockId, Genesis, Header, Height, Millis, TxId,
        codec::{self, CodecError},
    },
    network::{
        Action, Address, Inbound, Item, Network, PeerId, Report, RequestError, RequestFailure, Settings, TipView,
        Transport, Verdict, carry_out,
        ports::{FixedTip, NoInbound},
    },
};
use thiserror::Error;

/// How long the whole inquiry may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(20);

/// Why a node gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum InquiryError {
    /// Nothing was heard in time.
    #[error("nothing was heard in {} seconds", PATIENCE.as_secs())]
    Silence,
    /// Somebody else answers there.
    #[error("{found} answers there, and not {expected}")]
    OtherNode { found: PeerId, expected: PeerId },
    /// The connection was closed.
    #[error("the node closed the connection")]
    Closed,
    /// The question was not sent.
    #[error("the question was not sent")]
    Request(#[from] RequestError),
    /// The question was not answered.
    #[error("the question was not answered")]
    Failed(#[from] RequestFailure),
    /// The answer does not decode.
    #[error("the answer is malformed")]
    Malformed(#[from] CodecError),
    /// The answer is to another question.
    #[error("the answer is not to the question")]
    OtherAnswer,
}

/// Where to reach, from this machine, a node that listens on `listen`.
pub(crate) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// A free port of this machine from which `address` can be reached.
pub(crate) const fn any_port(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        SocketAddr::V6(_) => SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
    }
}

/// Asks the node `expected` at `address`.
pub(crate) fn about(
    mut transport: Box<dyn Transport>,
    genesis: &Genesis,
    address: SocketAddr,
    expected: PeerId,
    entropy: [u8; 32],
) -> Result<About, InquiryError> {
    let mut network = Network::new(Settings {
        network: genesis.network().into(),
        genesis: genesis.chain_id(),
        listen: None,
        peers: vec![Address(address.to_string())],
        anchors: Vec::new(),
        addresses: Vec::new(),
        outbound_peers: 1,
        entropy,
    });
    let mut bystander = Bystander(FixedTip(genesis.block().header), NoInbound);
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let mut actions = network.tick(now(), &mut bystander);
        if let Some(event) = transport.poll(TICK) {
            actions.extend(network.handle(now(), event, &mut bystander));
        }
        while !actions.is_empty() {
            let (events, rest) = carry_out(&mut *transport, std::mem::take(&mut actions));
            for event in events {
                actions.extend(network.handle(now(), event, &mut bystander));
            }
            for action in rest {
                match action {
                    Action::Report(Report::Joined { peer, .. }) if peer == expected => {
                        actions.extend(network.app_request(now(), peer, codec::encode(&Request::About))?.1);
                    }
                    Action::Report(Report::Joined { peer: found, .. }) => {
                        return Err(InquiryError::OtherNode { found, expected });
                    }
                    Action::Report(Report::Left { .. } | Report::Refused { .. }) => return Err(InquiryError::Closed),
                    Action::Answered { outcome, .. } => return read(&outcome?),
                    _ => {}
                }
            }
        }
    }
    Err(InquiryError::Silence)
}

fn read(answer: &[u8]) -> Result<About, InquiryError> {
    match codec::decode(answer)? {
        Response::About(about) => Ok(about),
        _ => Err(InquiryError::OtherAnswer),
    }
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Knows the genesis block and takes nothing.
struct Bystander(FixedTip, NoInbound);

impl TipView for Bystander {
    fn tip(&self) -> (BlockId, Height) {
        self.0.tip()
    }

    fn has_header(&self, id: &BlockId) -> bool {
        self.0.has_header(id)
    }

    fn locator(&self) -> Vec<BlockId> {
        self.0.locator()
    }

    fn headers_after(&self, locator: &[BlockId], max_headers: usize) -> Vec<Header> {
        self.0.headers_after(locator, max_headers)
    }

    fn missing_bodies(&self, max_blocks: usize) -> Vec<BlockId> {
        self.0.missing_bodies(max_blocks)
    }

    fn block(&self, id: &BlockId) -> Option<Vec<u8>> {
        self.0.block(id)
    }

    fn transaction(&self, id: &TxId) -> Option<Vec<u8>> {
        self.0.transaction(id)
    }

    fn waiting(&self, max_items: usize) -> Vec<Item> {
        self.0.waiting(max_items)
    }
}

impl Inbound for Bystander {
    fn headers(&mut self, headers: &[Header]) -> Verdict {
        self.1.headers(headers)
    }

    fn block(&mut self, bytes: &[u8]) -> Verdict {
        Inbound::block(&mut self.1, bytes)
    }

    fn transaction(&mut self, bytes: &[u8]) -> Verdict {
        Inbound::transaction(&mut self.1, bytes)
    }

    fn request(&mut self, peer: &PeerId, body: &[u8]) -> Option<Vec<u8>> {
        self.1.request(peer, body)
    }
}
