//! Requests that have been answered, so that none is answered twice.

use std::collections::BTreeSet;

use health_chain_data::{Hash, Timestamp};
use thiserror::Error;

use super::AccessRequest;
use crate::limits::{MAX_REQUEST_AGE_SECONDS, MAX_REQUEST_AHEAD_SECONDS, MAX_SEEN_REQUESTS};

/// The requests answered of late. Kept in memory only: what was permitted before a restart is too old afterwards, and what was denied is
/// denied again.
#[derive(Debug, Clone)]
pub struct SeenRequests {
    earliest: Timestamp,
    requests: BTreeSet<(Timestamp, Hash)>,
}

/// [`MAX_SEEN_REQUESTS`] requests are being remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{MAX_SEEN_REQUESTS} requests are being remembered")]
pub struct SeenFull;

impl SeenRequests {
    /// Remembers nothing yet, at the time at which the gateway starts. Requests that an earlier run could have answered are
    /// refused: those dated before the start, and up to [`MAX_REQUEST_AHEAD_SECONDS`] after it.
    pub const fn new(start: Timestamp) -> Self {
        Self { earliest: start.saturating_add(MAX_REQUEST_AHEAD_SECONDS + 1), requests: BTreeSet::new() }
    }

    /// Requests dated before this may have been answered and forgotten.
    pub const fn earliest(&self) -> Timestamp {
        self.earliest
    }

    /// Whether the request has been answered.
    pub fn contains(&self, request: &AccessRequest) -> bool {
        self.requests.contains(&key(request))
    }

    /// Whether no other request can be remembered.
    pub fn is_full(&self) -> bool {
        self.requests.len() >= MAX_SEEN_REQUESTS
    }

    /// Remembers a request that is about to be answered.
    ///
    /// # Errors
    /// [`SeenFull`]; the request must then not be answered.
    pub fn remember(&mut self, request: &AccessRequest) -> Result<(), SeenFull> {
        if self.is_full() {
            return Err(SeenFull);
        }
        self.requests.insert(key(request));
        Ok(())
    }

    /// Forgets the requests that are too old to be answered at `now` anyway.
    pub fn expire(&mut self, now: Timestamp) {
        let oldest = now.saturating_sub(MAX_REQUEST_AGE_SECONDS);
        self.requests = self.requests.split_off(&(oldest, Hash::ZERO));
        self.earliest = self.earliest.max(oldest);
    }
}

fn key(request: &AccessRequest) -> (Timestamp, Hash) {
    (request.time, request.message())
}
