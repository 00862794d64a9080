//! The greeting: both sides send a [`Hello`] at once, read the other's, and say [`Ready`](crate::Message::Ready). Only then
//! does anything else leave, so that no frame of another priority can overtake the greeting.

use alloc::string::String;

use health_chain_data::{BlockId, ChainId, Height, Millis};
use thiserror::Error;

use crate::{
    limits::HANDSHAKE_TIMEOUT_MILLIS,
    message::{Hello, PROTOCOL_VERSION},
    ports::Address,
};

/// Why this node does not keep a connection, though the peer did nothing wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The peer speaks another version.
    #[error("protocol version {found}, where {PROTOCOL_VERSION} is spoken here")]
    Version {
        /// Its version.
        found: u32,
    },
    /// The peer belongs to another network.
    #[error("network {found:?} is another one")]
    Network {
        /// Its network.
        found: String,
    },
    /// The peer's chain has another genesis block.
    #[error("chain {found} is another one")]
    Genesis {
        /// Its chain.
        found: ChainId,
    },
    /// The peer is this node.
    #[error("connected to itself")]
    SelfConnection,
    /// The peer is banned.
    #[error("banned")]
    Banned,
    /// There are as many inbound connections as there may be.
    #[error("no room for another inbound connection")]
    Full,
    /// A peer of a less crowded group of addresses needs the place.
    #[error("gave way to a peer from elsewhere")]
    GaveWay,
    /// The greeting did not come in time.
    #[error("no greeting in time")]
    HandshakeTimeout,
    /// The answer to a ping did not come in time.
    #[error("no answer to a ping in time")]
    PingTimeout,
    /// Too many requests were left unanswered.
    #[error("too many requests left unanswered")]
    Stalled,
}

impl Refusal {
    /// Whether dialling the same address again is pointless for a long time.
    pub(crate) const fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Version { .. } | Self::Network { .. } | Self::Genesis { .. } | Self::SelfConnection | Self::Banned
        )
    }
}

/// Who this node is, as its greetings say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) network: String,
    pub(crate) genesis: ChainId,
    pub(crate) listen: Option<Address>,
    pub(crate) nonce: u64,
}

impl Identity {
    pub(crate) fn hello(&self, (tip, height): (BlockId, Height)) -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            network: self.network.clone(),
            genesis: self.genesis,
            tip,
            height,
            listen: self.listen.clone(),
            nonce: self.nonce,
        }
    }

    /// Whether the greeting comes from another node of the same network.
    pub(crate) fn check(&self, theirs: &Hello) -> Result<(), Refusal> {
        if theirs.version != PROTOCOL_VERSION {
            return Err(Refusal::Version { found: theirs.version });
        }
        if theirs.nonce == self.nonce {
            return Err(Refusal::SelfConnection);
        }
        if theirs.network != self.network {
            return Err(Refusal::Network { found: theirs.network.clone() });
        }
        if theirs.genesis != self.genesis {
            return Err(Refusal::Genesis { found: theirs.genesis });
        }
        Ok(())
    }
}

/// How far the greeting with one peer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its greeting has not come yet.
    AwaitHello { until: Millis },
    /// Its greeting is in order; it has not said so of ours yet.
    AwaitReady { until: Millis },
    /// Both have.
    Ready,
}

impl Stage {
    pub(crate) const fn begin(now: Millis) -> Self {
        Self::AwaitHello { until: now.saturating_add(HANDSHAKE_TIMEOUT_MILLIS) }
    }

    pub(crate) fn is_overdue(&self, now: Millis) -> bool {
        match self {
            Self::AwaitHello { until } | Self::AwaitReady { until } => *until <= now,
            Self::Ready => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use health_chain_data::sha256;

    use super::*;

    fn identity(nonce: u64) -> Identity {
        Identity { network: "test".into(), genesis: ChainId(sha256(b"genesis")), listen: None, nonce }
    }

    fn hello() -> Hello {
        identity(2).hello((BlockId::default(), Height(0)))
    }

    #[test]
    fn a_node_of_the_same_network_is_welcome() {
        assert_eq!(identity(1).check(&hello()), Ok(()));
    }

    #[test]
    fn another_version_is_refused() {
        assert_eq!(identity(1).check(&Hello { version: 2, ..hello() }), Err(Refusal::Version { found: 2 }));
    }

    #[test]
    fn another_network_is_refused() {
        let found = String::from("other");
        let theirs = Hello { network: found.clone(), ..hello() };
        assert_eq!(identity(1).check(&theirs), Err(Refusal::Network { found }));
    }

    #[test]
    fn another_genesis_is_refused() {
        let found = ChainId(sha256(b"other"));
        assert_eq!(identity(1).check(&Hello { genesis: found, ..hello() }), Err(Refusal::Genesis { found }));
    }

    #[test]
    fn a_connection_to_itself_is_refused() {
        assert_eq!(identity(2).check(&hello()), Err(Refusal::SelfConnection));
    }

    #[test]
    fn a_greeting_has_a_deadline() {
        let stage = Stage::begin(Millis(1));
        assert!(!stage.is_overdue(Millis(HANDSHAKE_TIMEOUT_MILLIS)));
        assert!(stage.is_overdue(Millis(1 + HANDSHAKE_TIMEOUT_MILLIS)));
        assert!(!Stage::Ready.is_overdue(Millis::MAX));
    }
}
