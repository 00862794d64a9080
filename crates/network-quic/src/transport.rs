//! The transport: a handle in front of a background thread.

use std::{
    collections::BTreeMap,
    fmt,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use health_chain_data::SecretKey;
use health_chain_network::{
    limits::MAX_ADDRESS_BYTES,
    ports::{Address, Event, PeerId, Priority, Transport, TransportError, Waker},
};
use quinn::{Endpoint, EndpointConfig, TokioRuntime, VarInt};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{Semaphore, oneshot},
    time::timeout,
};

use crate::{
    error::QuicError,
    handshake::Instance,
    identity::Identity,
    limits::{Deadlines, FAREWELL_MILLISECONDS, MAX_INBOUND_CONNECTIONS, MAX_OUTBOUND_CONNECTIONS},
    link::{Shared, accept_all, dial},
    outlet::Outlet,
    registry::Registry,
    reports::{Report, Reports, reports},
    settings, tls,
};

/// What a transport is made with.
#[derive(Debug)]
pub struct QuicConfig {
    /// The UDP address to listen on and to dial from. Port 0 takes a free port; `[::]` serves IPv4 too where the system does.
    pub listen: SocketAddr,
    /// The node's key: its public half is the node's identity. It must serve nothing else, and no two nodes may share it.
    pub node_key: SecretKey,
}

/// [`Transport`] over QUIC. See the crate's documentation for what it promises.
///
/// Dropping it closes all connections and the socket, and waits for the background thread, a fraction of a second at most.
pub struct QuicTransport {
    shared: Arc<Shared>,
    reports: Reports,
    /// Where frames for the peers go in. A peer is here from the moment its `Connected` is polled until its `Closed` is, or until it is
    /// closed from here: what is sent never ends up in a later connection to the same peer.
    outlets: BTreeMap<PeerId, Outlet>,
    local_address: SocketAddr,
    /// Connections that this node opens. A slot is given back when the end of its connection is polled.
    outbound: Arc<Semaphore>,
    runtime: Handle,
    /// The background thread and what tells it to end; `None` only while dropped.
    background: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl QuicTransport {
    /// Listens, and starts the background thread.
    ///
    /// # Errors
    /// Where the operating system refuses the address, the thread, or random bytes.
    pub fn bind(config: QuicConfig) -> Result<Self, QuicError> {
        Self::bind_with(Identity::new(config.node_key), config.listen, Deadlines::default())
    }

    pub(crate) fn bind_with(identity: Identity, listen: SocketAddr, deadlines: Deadlines) -> Result<Self, QuicError> {
        let mut instance = Instance::default();
        getrandom::fill(&mut instance).map_err(QuicError::Entropy)?;
        let identity = Arc::new(identity);
        let socket = UdpSocket::bind(listen).map_err(QuicError::Listen)?;
        let local_address = socket.local_addr().map_err(QuicError::Listen)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(QuicError::EventLoop)?;
        let mut endpoint = {
            let _context = runtime.enter();
            let server = settings::server(tls::server(&identity), deadlines);
            Endpoint::new(EndpointConfig::default(), Some(server), socket, Arc::new(TokioRuntime))
                .map_err(QuicError::Listen)?
        };
        endpoint.set_default_client_config(settings::client(tls::client(&identity), deadlines));
        let (reporter, reports) = reports();
        let shared = Arc::new(Shared {
            local: identity.peer,
            instance,
            endpoint,
            deadlines,
            registry: Registry::default(),
            reporter,
            handshakes: Arc::default(),
            inbound: Arc::new(Semaphore::new(MAX_INBOUND_CONNECTIONS)),
        });
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("health-chain-quic".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || run(&runtime, &shared, ended)
            })
            .map_err(QuicError::Thread)?;
        Ok(Self {
            shared,
            reports,
            outlets: BTreeMap::new(),
            local_address,
            outbound: Arc::new(Semaphore::new(MAX_OUTBOUND_CONNECTIONS)),
            runtime: handle,
            background: Some((end, thread)),
        })
    }

    /// The address listened on, with the port that was taken.
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }
}

/// The background thread: serves until the transport is dropped, then says farewell.
fn run(runtime: &Runtime, shared: &Arc<Shared>, ended: oneshot::Receiver<()>) {
    runtime.block_on(async {
        tokio::select! {
            () = accept_all(Arc::clone(shared)) => {}
            _ = ended => {}
        }
        shared.endpoint.close(VarInt::from_u32(0), b"");
        // Whoever does not answer in time finds out by his idle timeout.
        let _ = timeout(Duration::from_millis(FAREWELL_MILLISECONDS), shared.endpoint.wait_idle()).await;
    });
}

impl fmt::Debug for QuicTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicTransport").field("local_address", &self.local_address).finish_non_exhaustive()
    }
}

impl Drop for QuicTransport {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.background.take() {
            drop(end);
            // A thread that panicked has ended, too.
            let _ = thread.join();
        }
    }
}

impl Transport for QuicTransport {
    fn local(&self) -> PeerId {
        self.shared.local
    }

    fn dial(&mut self, address: &Address) -> Result<(), TransportError> {
        let remote = parse(address).ok_or(TransportError::Address)?;
        match Arc::clone(&self.outbound).try_acquire_owned() {
            Ok(slot) => {
                self.runtime.spawn(dial(Arc::clone(&self.shared), remote, address.clone(), slot));
            }
            Err(_) => self.shared.reporter.report(Report::DialFailed { address: address.clone() }),
        }
        Ok(())
    }

    fn send(&mut self, peer: &PeerId, priority: Priority, frame: Vec<u8>) -> Result<(), TransportError> {
        self.outlets.get(peer).ok_or(TransportError::NotConnected)?.send(priority, frame)
    }

    fn close(&mut self, peer: &PeerId) {
        if let Some(outlet) = self.outlets.remove(peer) {
            outlet.close();
        }
    }

    fn poll(&mut self, patience: Duration) -> Option<Event> {
        // No deadline is as good as one that the clock can't express.
        let deadline = Instant::now().checked_add(patience);
        loop {
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            let report = self.reports.next(left)?;
            if let Some(event) = self.event(report) {
                return Some(event);
            }
        }
    }

    fn waker(&self) -> Waker {
        self.reports.waker()
    }
}

impl QuicTransport {
    /// What a report means to the caller; nothing, where it concerns a connection that was closed from here.
    fn event(&mut self, report: Report) -> Option<Event> {
        match report {
            Report::Connected { peer, address, direction, outlet } => {
                self.outlets.insert(peer, outlet);
                Some(Event::Connected { peer, address, direction })
            }
            Report::Received { peer, frame, .. } => {
                self.outlets.contains_key(&peer).then_some(Event::Received { peer, frame })
            }
            Report::Closed { peer, .. } => self.outlets.remove(&peer).map(|_| Event::Closed { peer }),
            Report::DialFailed { address } => Some(Event::DialFailed { address }),
        }
    }
}

/// Reads an IP address with a port, and refuses those at which no node can be.
fn parse(address: &Address) -> Option<SocketAddr> {
    if address.0.len() > MAX_ADDRESS_BYTES {
        return None;
    }
    let remote: SocketAddr = address.0.parse().ok()?;
    let reachable = remote.port() != 0 && !remote.ip().is_unspecified() && !remote.ip().is_multicast();
    reachable.then_some(remote)
}
