//! Requests between the applications of two nodes: ids, limits and deadlines. What the bodies mean is the application's.

use alloc::{collections::BTreeMap, vec::Vec};

use health_chain_data::Millis;
use thiserror::Error;

use crate::{
    limits::{APP_TIMEOUT_MILLIS, MAX_APP_BODY_BYTES, MAX_APP_REQUESTS},
    ports::PeerId,
};

/// Names a request of this node, once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// Why a request was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No connection to the peer, or the greeting is not done.
    #[error("not connected")]
    NotConnected,
    /// The body is over [`MAX_APP_BODY_BYTES`].
    #[error("a body of {bytes} bytes is over the limit of {MAX_APP_BODY_BYTES}")]
    BodyTooLong {
        /// Its length.
        bytes: usize,
    },
    /// [`MAX_APP_REQUESTS`] await this peer's answer already.
    #[error("{MAX_APP_REQUESTS} requests await this peer's answer")]
    TooMany,
}

/// Why there is no answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestFailure {
    /// It did not come within [`APP_TIMEOUT_MILLIS`]. A peer that does not serve such requests says nothing.
    #[error("no answer in time")]
    TimedOut,
    /// The connection ended first.
    #[error("the connection ended")]
    Disconnected,
}

#[derive(Debug, Default)]
pub(crate) struct Requests {
    next: u64,
    waiting: BTreeMap<RequestId, (PeerId, Millis)>,
}

impl Requests {
    pub(crate) fn begin(&mut self, now: Millis, peer: PeerId, body: &[u8]) -> Result<RequestId, RequestError> {
        if body.len() > MAX_APP_BODY_BYTES {
            return Err(RequestError::BodyTooLong { bytes: body.len() });
        }
        if self.waiting.values().filter(|(other, _)| *other == peer).count() >= MAX_APP_REQUESTS {
            return Err(RequestError::TooMany);
        }
        let id = RequestId(self.next);
        self.next += 1;
        self.waiting.insert(id, (peer, now.saturating_add(APP_TIMEOUT_MILLIS)));
        Ok(id)
    }

    pub(crate) fn is_awaited(&self, peer: &PeerId, id: RequestId) -> bool {
        self.waiting.get(&id).is_some_and(|(other, _)| other == peer)
    }

    /// Ends a request that this peer was asked. `false` where there is none.
    pub(crate) fn answered(&mut self, peer: &PeerId, id: RequestId) -> bool {
        self.is_awaited(peer, id) && self.waiting.remove(&id).is_some()
    }

    /// The requests that died with the connection.
    pub(crate) fn left(&mut self, peer: &PeerId) -> Vec<RequestId> {
        self.waiting.extract_if(.., |_, (other, _)| other == peer).map(|(id, _)| id).collect()
    }

    /// When the time of the next one is over.
    pub(crate) fn due(&self) -> Millis {
        self.waiting.values().map(|(_, until)| *until).fold(Millis::MAX, Millis::min)
    }

    /// The requests whose time is over.
    pub(crate) fn expire(&mut self, now: Millis) -> Vec<(RequestId, PeerId)> {
        self.waiting.extract_if(.., |_, (_, until)| *until <= now).map(|(id, (peer, _))| (id, peer)).collect()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_data::sha256;

    use super::*;

    fn peer(name: &str) -> PeerId {
        PeerId(sha256(name.as_bytes()))
    }

    #[test]
    fn an_answer_counts_once_and_from_the_asked_peer_only() {
        let mut requests = Requests::default();
        let id = requests.begin(Millis(0), peer("a"), b"?").unwrap();
        assert!(!requests.answered(&peer("b"), id));
        assert!(requests.answered(&peer("a"), id));
        assert!(!requests.answered(&peer("a"), id));
    }

    #[test]
    fn a_body_over_the_limit_is_refused() {
        let bytes = MAX_APP_BODY_BYTES + 1;
        let refused = Requests::default().begin(Millis(0), peer("a"), &vec![0; bytes]);
        assert_eq!(refused, Err(RequestError::BodyTooLong { bytes }));
    }

    #[test]
    fn too_many_at_once_are_refused() {
        let mut requests = Requests::default();
        assert!((0..MAX_APP_REQUESTS).all(|_| requests.begin(Millis(0), peer("a"), b"?").is_ok()));
        assert_eq!(requests.begin(Millis(0), peer("a"), b"?"), Err(RequestError::TooMany));
        assert!(requests.begin(Millis(0), peer("b"), b"?").is_ok());
    }

    #[test]
    fn requests_end_with_their_time_or_their_connection() {
        let mut requests = Requests::default();
        let first = requests.begin(Millis(0), peer("a"), b"?").unwrap();
        let second = requests.begin(Millis(1), peer("b"), b"?").unwrap();
        assert_eq!(requests.expire(Millis(APP_TIMEOUT_MILLIS)), [(first, peer("a"))]);
        assert_eq!(requests.left(&peer("b")), [second]);
        assert_eq!(requests.left(&peer("b")), []);
    }
}
