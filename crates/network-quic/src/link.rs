//! One connection from its first packet to its end.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use health_chain_network::ports::{Address, Direction, PeerId};
use quinn::{Connecting, Connection, Endpoint, Incoming};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};
use tracing::debug;

use crate::{
    error::LinkError,
    framing::{Allowance, read_frames, write_frames},
    handshake::{Greeted, Instance, STREAMS, decides, greet},
    limits::Deadlines,
    outlet::{Outgoing, Outlet},
    places::{Place, Places},
    registry::{Link, Registry},
    reports::{Report, Reporter},
};

/// The name that QUIC's interface wants for a server; it is neither sent nor checked.
const NO_NAME: &str = "node.invalid";

/// What all connections of a transport share.
pub(crate) struct Shared {
    pub(crate) local: PeerId,
    pub(crate) instance: Instance,
    pub(crate) endpoint: Endpoint,
    pub(crate) deadlines: Deadlines,
    pub(crate) registry: Registry,
    pub(crate) reporter: Reporter,
    /// Inbound handshakes under way.
    pub(crate) handshakes: Arc<Places>,
    /// Inbound connections. A slot is given back when the end of its connection is polled.
    pub(crate) inbound: Arc<Semaphore>,
}

/// Accepts connections until the endpoint closes.
pub(crate) async fn accept_all(shared: Arc<Shared>) {
    while let Some(incoming) = shared.endpoint.accept().await {
        if shared.handshakes.are_half_taken() && incoming.may_retry() {
            // An address that can't answer costs no more than this packet.
            let _ = incoming.retry();
            continue;
        }
        let (address, is_shown) = (incoming.remote_address().ip(), incoming.remote_address_validated());
        match shared.handshakes.take(address, is_shown) {
            Some(place) => {
                tokio::spawn(accept(Arc::clone(&shared), incoming, place));
            }
            None => incoming.refuse(),
        }
    }
}

async fn accept(shared: Arc<Shared>, incoming: Incoming, place: Place) {
    let remote = incoming.remote_address();
    let address = Address(SocketAddr::new(remote.ip().to_canonical(), remote.port()).to_string());
    let slot = || Arc::clone(&shared.inbound).try_acquire_owned().map_err(|_| LinkError::Full);
    let established = match incoming.accept() {
        Ok(connecting) => establish(&shared, connecting, slot).await,
        Err(error) => Err(error.into()),
    };
    drop(place);
    match established {
        Ok(established) => serve(&shared, established, address, Direction::Inbound).await,
        Err(error) => debug!(%remote, %error, "inbound connection failed"),
    }
}

/// Dials an address and serves the connection.
pub(crate) async fn dial(shared: Arc<Shared>, remote: SocketAddr, address: Address, slot: OwnedSemaphorePermit) {
    let established = match shared.endpoint.connect(remote, NO_NAME) {
        Ok(connecting) => establish(&shared, connecting, || Ok(slot)).await,
        Err(error) => Err(error.into()),
    };
    match established {
        Ok(established) => serve(&shared, established, address, Direction::Outbound).await,
        Err(error) => {
            debug!(%remote, %error, "dial failed");
            shared.reporter.report(Report::DialFailed { address });
        }
    }
}

/// A connection that both sides keep.
struct Established {
    greeted: Greeted,
    /// Whether it is this node that tells the peer so.
    decides: bool,
    /// Dropped when this link's end has been reported.
    ended: oneshot::Sender<()>,
    /// Resolves when the end of the link whose place this one takes has been reported.
    predecessor: Option<oneshot::Receiver<()>>,
    slot: OwnedSemaphorePermit,
}

async fn establish(
    shared: &Shared,
    connecting: Connecting,
    slot: impl FnOnce() -> Result<OwnedSemaphorePermit, LinkError>,
) -> Result<Established, LinkError> {
    let deadline = Instant::now() + shared.deadlines.handshake;
    let connection = timeout_at(deadline, connecting).await.map_err(|_| LinkError::Deadline)??;
    let settled = timeout_at(deadline, settle(shared, connection.clone(), slot)).await;
    settled.unwrap_or(Err(LinkError::Deadline)).inspect_err(|error| hang_up(&connection, error))
}

/// Comes to an agreement with the peer. The last step is the admission: what has been admitted is served.
async fn settle(
    shared: &Shared,
    connection: Connection,
    slot: impl FnOnce() -> Result<OwnedSemaphorePermit, LinkError>,
) -> Result<Established, LinkError> {
    let mut greeted = greet(connection, &shared.instance).await?;
    let slot = slot()?;
    let decides = decides(&shared.local, &greeted.peer);
    if !decides {
        greeted.kept().await?;
    }
    let (ended, end) = oneshot::channel();
    let link = Link { connection: greeted.connection.clone(), instance: greeted.instance, ended: end };
    let predecessor = shared.registry.admit(greeted.peer, link, decides)?;
    Ok(Established { greeted, decides, ended, predecessor, slot })
}

/// Reports the peer, moves frames until the connection ends, and reports that.
async fn serve(shared: &Shared, established: Established, address: Address, direction: Direction) {
    let Established { greeted, decides, ended, predecessor, slot } = established;
    let (peer, connection) = (greeted.peer, greeted.connection.clone());
    if let Some(predecessor) = predecessor {
        // Its task ends because its connection was closed; an error means the same.
        let _ = predecessor.await;
    }
    let (outlet, outgoing) = Outlet::new(connection.clone());
    shared.reporter.report(Report::Connected { peer, address, direction, outlet });
    let Err(error) = exchange(shared, greeted, decides, outgoing).await;
    debug!(%peer, %error, "connection ended");
    hang_up(&connection, &error);
    let end = Report::Closed { peer, _slot: slot };
    shared.registry.remove(&peer, &connection, || shared.reporter.report(end));
    drop(ended);
}

/// Moves frames in both directions. It returns as soon as anything fails, and by then nothing reads any more.
async fn exchange(
    shared: &Shared,
    mut greeted: Greeted,
    decides: bool,
    [revocations, chain, bulk]: [mpsc::UnboundedReceiver<Outgoing>; STREAMS],
) -> Result<Infallible, LinkError> {
    let deadline = shared.deadlines.frame;
    if decides {
        timeout(deadline, greeted.keep()).await.map_err(|_| LinkError::Deadline)??;
    }
    let Greeted { peer, outgoing: [mut out_0, mut out_1, mut out_2], incoming: [mut in_0, mut in_1, mut in_2], .. } =
        greeted;
    let [allowance_0, allowance_1, allowance_2] = Allowance::of_a_connection();
    let deliver = |frame, share| shared.reporter.report(Report::Received { peer, frame, _share: share });
    let ended = tokio::try_join!(
        write_frames(&mut out_0, revocations, deadline),
        write_frames(&mut out_1, chain, deadline),
        write_frames(&mut out_2, bulk, deadline),
        read_frames(&mut in_0, &allowance_0, deadline, deliver),
        read_frames(&mut in_1, &allowance_1, deadline, deliver),
        read_frames(&mut in_2, &allowance_2, deadline, deliver),
    );
    ended.map(|(endless, ..)| endless)
}

/// Closes a connection and tells the peer why. Where it is closed already, nothing happens.
fn hang_up(connection: &Connection, reason: &LinkError) {
    connection.close(reason.code(), reason.to_string().as_bytes());
}
