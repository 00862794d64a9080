//! The queues of frames that wait to be sent to one peer. One end is in the hands of whoever sends, the other in those of the
//! task that writes.

use std::sync::Arc;

use health_chain_network::ports::{Priority, TransportError};
use quinn::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{
    error::LinkError,
    handshake::{STREAMS, stream_of},
    limits::{MAX_FRAME_BYTES, MAX_QUEUED_BYTES, MIN_QUEUED_COST_BYTES},
};

/// A frame on its way out, holding its share of the queue's bytes.
pub(crate) struct Outgoing {
    pub(crate) frame: Vec<u8>,
    pub(crate) _share: OwnedSemaphorePermit,
}

/// Sends over one connection.
pub(crate) struct Outlet {
    connection: Connection,
    queues: [Queue; STREAMS],
}

struct Queue {
    /// Bounded by the shares that its frames hold.
    frames: mpsc::UnboundedSender<Outgoing>,
    bytes: Arc<Semaphore>,
}

impl Outlet {
    /// The queues of a connection, and what comes out of them, one per stream.
    pub(crate) fn new(connection: Connection) -> (Self, [mpsc::UnboundedReceiver<Outgoing>; STREAMS]) {
        let [(queue_0, outgoing_0), (queue_1, outgoing_1), (queue_2, outgoing_2)] =
            std::array::from_fn(|_| Queue::new());
        (Self { connection, queues: [queue_0, queue_1, queue_2] }, [outgoing_0, outgoing_1, outgoing_2])
    }

    /// Queues a frame.
    pub(crate) fn send(&self, priority: Priority, frame: Vec<u8>) -> Result<(), TransportError> {
        if frame.len() > MAX_FRAME_BYTES {
            return Err(TransportError::FrameTooLong { bytes: frame.len() });
        }
        self.queues[stream_of(priority)].push(frame)
    }

    /// Closes the connection.
    pub(crate) fn close(self) {
        self.connection.close(LinkError::Closed.code(), b"");
    }
}

impl Queue {
    fn new() -> (Self, mpsc::UnboundedReceiver<Outgoing>) {
        let (frames, receiver) = mpsc::unbounded_channel();
        (Self { frames, bytes: Arc::new(Semaphore::new(MAX_QUEUED_BYTES)) }, receiver)
    }

    fn push(&self, frame: Vec<u8>) -> Result<(), TransportError> {
        let cost = frame.len().max(MIN_QUEUED_COST_BYTES) as u32;
        let share = Arc::clone(&self.bytes).try_acquire_many_owned(cost).map_err(|_| TransportError::QueueFull)?;
        self.frames.send(Outgoing { frame, _share: share }).map_err(|_| TransportError::NotConnected)
    }
}
