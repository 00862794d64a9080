//! What the network wants done, and what it has to say.

use alloc::vec::Vec;

use crate::{
    handshake::Refusal,
    ports::{Address, Direction, Event, PeerId, Priority, Transport, TransportError},
    requests::{RequestFailure, RequestId},
    score::Offence,
};

/// What [`Network`](crate::Network) wants done, in this order. [`carry_out`] does what concerns the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Send this frame.
    Send {
        /// To whom.
        peer: PeerId,
        /// Before or after what else.
        priority: Priority,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Connect to this address.
    Dial(Address),
    /// Close this connection. What was sent before may be lost with it.
    Close(PeerId),
    /// A request of the application has ended.
    Answered {
        /// Which.
        request: RequestId,
        /// Who was asked.
        peer: PeerId,
        /// The answer's body, or why there is none.
        outcome: Result<Vec<u8>, RequestFailure>,
    },
    /// Nothing to do; worth a line in a log.
    Report(Report),
}

/// Something that happened to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Report {
    /// The greeting is done.
    Joined {
        /// The peer.
        peer: PeerId,
        /// Its address, as the transport gave it.
        address: Address,
        /// Who dialled.
        direction: Direction,
    },
    /// A peer that had joined is gone.
    Left {
        /// The peer.
        peer: PeerId,
    },
    /// The connection was closed from here, though the peer broke no rule.
    Refused {
        /// The peer.
        peer: PeerId,
        /// Its address, as the transport gave it.
        address: Address,
        /// Who dialled.
        direction: Direction,
        /// Why.
        reason: Refusal,
    },
    /// The peer broke a rule.
    Penalised {
        /// The peer.
        peer: PeerId,
        /// Which rule.
        offence: Offence,
        /// Whether it was banned for it.
        is_banned: bool,
    },
    /// This node's own application answered a request with a body over
    /// [`MAX_APP_BODY_BYTES`](crate::limits::MAX_APP_BODY_BYTES); it was not sent.
    AnswerTooLong {
        /// Who asked.
        peer: PeerId,
        /// The body's length.
        bytes: usize,
    },
}

/// Lets `transport` do what it can do. Returns what its refusals amount to, to be fed to
/// [`Network::handle`](crate::Network::handle) like any other event, and the actions that are the caller's. A peer that a frame can't be
/// queued for is disconnected: it would miss a part of what it relies on.
pub fn carry_out(transport: &mut dyn Transport, actions: Vec<Action>) -> (Vec<Event>, Vec<Action>) {
    let mut events = Vec::new();
    let mut rest = Vec::new();
    for action in actions {
        match action {
            Action::Send { peer, priority, frame } => match transport.send(&peer, priority, frame) {
                Ok(()) => {}
                Err(TransportError::NotConnected) => events.push(Event::Closed { peer }),
                Err(_) => {
                    transport.close(&peer);
                    events.push(Event::Closed { peer });
                }
            },
            Action::Dial(address) => {
                if transport.dial(&address).is_err() {
                    events.push(Event::DialFailed { address });
                }
            }
            Action::Close(peer) => transport.close(&peer),
            Action::Answered { .. } | Action::Report(_) => rest.push(action),
        }
    }
    (events, rest)
}
