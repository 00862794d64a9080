//! The connections in use, at most one per peer.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use health_chain_network::ports::PeerId;
use quinn::Connection;
use tokio::sync::oneshot;

use crate::{error::LinkError, handshake::Instance};

/// What the registry holds of a connection.
pub(crate) struct Link {
    pub(crate) connection: Connection,
    /// The peer's instance.
    pub(crate) instance: Instance,
    /// Resolves once the end of this link has been reported.
    pub(crate) ended: oneshot::Receiver<()>,
}

/// The links by peer.
#[derive(Default)]
pub(crate) struct Registry(Mutex<BTreeMap<PeerId, Link>>);

impl Registry {
    /// Takes a link in. `decides` says whether this node decides between its connections with the peer: then a live link to
    /// the same run of the peer stays; otherwise the new one is what the peer has chosen. A link that has to give way is
    /// closed; the new one may be reported when what is returned resolves.
    ///
    /// # Errors
    /// [`LinkError::Duplicate`] where the link that is there stays.
    pub(crate) fn admit(
        &self,
        peer: PeerId,
        link: Link,
        decides: bool,
    ) -> Result<Option<oneshot::Receiver<()>>, LinkError> {
        let mut links = self.links();
        if let Some(old) = links.get(&peer) {
            let is_alive = old.connection.close_reason().is_none();
            if decides && is_alive && old.instance == link.instance {
                return Err(LinkError::Duplicate);
            }
            let reason = LinkError::Replaced;
            old.connection.close(reason.code(), reason.to_string().as_bytes());
        }
        Ok(links.insert(peer, link).map(|old| old.ended))
    }

    /// Removes a peer's link if it is still the one over this connection, and reports its end before another can take its
    /// place.
    pub(crate) fn remove(&self, peer: &PeerId, connection: &Connection, report: impl FnOnce()) {
        let mut links = self.links();
        if links.get(peer).is_some_and(|link| link.connection.stable_id() == connection.stable_id()) {
            links.remove(peer);
        }
        report();
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<PeerId, Link>> {
        self.0.lock().expect("nothing panics while it holds the links")
    }
}
