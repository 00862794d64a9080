//! From a QUIC connection to a link that both sides keep.
//!
//! Each side opens its three streams and writes on each, first, the number of the priority that it carries; behind it, on
//! the first, its instance. A side opens streams only after TLS has judged the other's key, so reading them proves to either
//! side that the other has accepted it: a client could not tell otherwise, because its own handshake ends first.
//!
//! Where two nodes dial each other, both connections come this far. One of the two nodes decides, always the one with the
//! smaller id: it writes a byte behind its instance on the connection that it keeps, and closes the other one. The other node
//! follows. So both keep the same connection, in whatever order things arrive.

use health_chain_data::Hash;
use health_chain_network::ports::{PeerId, Priority};
use quinn::{Connection, RecvStream, SendStream};
use rustls::pki_types::CertificateDer;

use crate::{error::LinkError, framing::read_exact, identity, limits::STREAMS as STREAM_LIMIT};

/// Streams in each direction.
pub(crate) const STREAMS: usize = STREAM_LIMIT as usize;

/// Bytes that tell one run of a node from its next.
pub(crate) const INSTANCE_BYTES: usize = 16;

/// Drawn anew whenever a transport is bound: a peer that comes with another instance has restarted, and what is left of
/// its old connections is dead.
pub(crate) type Instance = [u8; INSTANCE_BYTES];

/// What the deciding side writes on the connection that it keeps.
const KEEP: u8 = 1;

/// The number of the stream that carries a priority.
pub(crate) const fn stream_of(priority: Priority) -> usize {
    match priority {
        Priority::Revocation => 0,
        Priority::Chain => 1,
        Priority::Bulk => 2,
    }
}

/// A connection whose two ends know and accept each other.
pub(crate) struct Greeted {
    pub(crate) connection: Connection,
    pub(crate) peer: PeerId,
    /// The peer's instance.
    pub(crate) instance: Instance,
    pub(crate) outgoing: [SendStream; STREAMS],
    pub(crate) incoming: [RecvStream; STREAMS],
}

/// Exchanges greetings.
pub(crate) async fn greet(connection: Connection, own: &Instance) -> Result<Greeted, LinkError> {
    let peer = authenticated_peer(&connection);
    let outgoing =
        [open(&connection, 0, own).await?, open(&connection, 1, &[]).await?, open(&connection, 2, &[]).await?];
    let mut incoming = [accept(&connection, 0).await?, accept(&connection, 1).await?, accept(&connection, 2).await?];
    let mut instance = Instance::default();
    read_exact(&mut incoming[0], &mut instance).await?;
    Ok(Greeted { connection, peer, instance, outgoing, incoming })
}

impl Greeted {
    /// Tells the peer that this connection is kept.
    pub(crate) async fn keep(&mut self) -> Result<(), LinkError> {
        Ok(self.outgoing[0].write_all(&[KEEP]).await?)
    }

    /// Waits until the peer says that this connection is kept.
    pub(crate) async fn kept(&mut self) -> Result<(), LinkError> {
        let mut verdict = [0];
        read_exact(&mut self.incoming[0], &mut verdict).await?;
        match verdict {
            [KEEP] => Ok(()),
            [found] => Err(LinkError::Verdict { found }),
        }
    }
}

/// The id behind the key that TLS has verified.
fn authenticated_peer(connection: &Connection) -> PeerId {
    let keys = connection.peer_identity().and_then(|keys| keys.downcast::<Vec<CertificateDer<'static>>>().ok());
    let key = keys.as_deref().and_then(|keys| keys.first()).and_then(|key| identity::decode(key).ok());
    identity::peer_id(&key.expect("no handshake ends without a verified node key"))
}

/// Opens the next stream. Streams are numbered in the order in which they are opened (RFC 9000, section 2.1).
async fn open(connection: &Connection, number: u8, greeting: &[u8]) -> Result<SendStream, LinkError> {
    let mut stream = connection.open_uni().await?;
    // The lower the number, the sooner it leaves.
    stream.set_priority(-i32::from(number)).map_err(quinn::WriteError::from)?;
    stream.write_all(&[number]).await?;
    stream.write_all(greeting).await?;
    Ok(stream)
}

/// Accepts the peer's next stream.
async fn accept(connection: &Connection, expected: u8) -> Result<RecvStream, LinkError> {
    let mut stream = connection.accept_uni().await?;
    let mut found = [0];
    read_exact(&mut stream, &mut found).await?;
    match found {
        [found] if found == expected => Ok(stream),
        [found] => Err(LinkError::Preface { expected, found }),
    }
}

/// Which of two nodes decides between their connections.
pub(crate) fn decides(own: &PeerId, peer: &PeerId) -> bool {
    let (Hash(own), Hash(peer)) = (own.0, peer.0);
    own < peer
}
