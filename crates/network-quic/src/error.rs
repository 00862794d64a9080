//! Why a transport does not start, and why a connection ends.

use std::io;

use quinn::VarInt;
use thiserror::Error;

/// Why a transport could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QuicError {
    /// The address can't be listened on.
    #[error("cannot listen on the address")]
    Listen(#[source] io::Error),
    /// The operating system refused what the background thread waits with.
    #[error("cannot start the event loop")]
    EventLoop(#[source] io::Error),
    /// The operating system refused a thread.
    #[error("cannot start the background thread")]
    Thread(#[source] io::Error),
    /// The operating system gave no random bytes.
    #[error("no random bytes")]
    Entropy(#[source] getrandom::Error),
}

/// Why a connection did not come about, or has ended.
#[derive(Debug, Error)]
pub(crate) enum LinkError {
    #[error("cannot connect: {0}")]
    Connect(#[from] quinn::ConnectError),
    #[error("{0}")]
    Connection(#[from] quinn::ConnectionError),
    #[error("cannot write: {0}")]
    Write(#[from] quinn::WriteError),
    #[error("cannot read: {0}")]
    Read(#[from] quinn::ReadError),
    #[error("the peer ended a stream")]
    StreamEnded,
    #[error("a deadline has passed")]
    Deadline,
    #[error("frame of {bytes} bytes is over the limit")]
    FrameTooLong { bytes: usize },
    #[error("byte {found} opens stream {expected}")]
    Preface { expected: u8, found: u8 },
    #[error("byte {found} is no verdict")]
    Verdict { found: u8 },
    #[error("connected already")]
    Duplicate,
    #[error("a newer connection to the same peer replaced this one")]
    Replaced,
    #[error("too many inbound connections")]
    Full,
    #[error("closed here")]
    Closed,
}

impl LinkError {
    /// The code that tells the peer why (application error code, RFC 9000, section 20.2).
    pub(crate) fn code(&self) -> VarInt {
        VarInt::from_u32(match self {
            Self::Connect(_) | Self::Connection(_) | Self::Closed => 0,
            Self::Write(_) | Self::Read(_) | Self::StreamEnded => 1,
            Self::Preface { .. } | Self::Verdict { .. } => 2,
            Self::FrameTooLong { .. } => 3,
            Self::Deadline => 4,
            Self::Duplicate => 5,
            Self::Replaced => 6,
            Self::Full => 7,
        })
    }
}
