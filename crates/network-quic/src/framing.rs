//! Frames on a stream: a length of four bytes, big endian, then that many bytes; one frame behind the other, for as long
//! as the connection lives.

use std::{convert::Infallible, ops::Range, sync::Arc, time::Duration};

use quinn::{ReadExactError, RecvStream, SendStream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

use crate::{
    error::LinkError,
    limits::{
        MAX_FRAME_BYTES, MAX_SHORT_FRAME_BYTES, MIN_FRAME_COST_BYTES, READ_BUFFER_BYTES, STREAM_ALLOWANCE_BYTES,
        WRITE_BATCH_BYTES,
    },
    outlet::Outgoing,
};

/// Bytes of a frame's length.
const LENGTH_BYTES: usize = 4;

/// Frames taken from a queue at once.
const BATCH_FRAMES: usize = 64;

/// Writes what is queued, until the connection ends. Short frames that wait together leave in one write.
pub(crate) async fn write_frames(
    stream: &mut SendStream,
    mut queue: mpsc::UnboundedReceiver<Outgoing>,
    deadline: Duration,
) -> Result<Infallible, LinkError> {
    let mut waiting = Vec::with_capacity(BATCH_FRAMES);
    let mut batch = Vec::with_capacity(WRITE_BATCH_BYTES);
    while queue.recv_many(&mut waiting, BATCH_FRAMES).await > 0 {
        for Outgoing { frame, .. } in &waiting {
            if batch.len() + LENGTH_BYTES + frame.len() > WRITE_BATCH_BYTES {
                flush(stream, &mut batch, deadline).await?;
            }
            batch.extend(length(frame));
            if frame.len() > MAX_SHORT_FRAME_BYTES / 2 {
                flush(stream, &mut batch, deadline).await?;
                write(stream, frame, deadline).await?;
            } else {
                batch.extend_from_slice(frame);
            }
        }
        flush(stream, &mut batch, deadline).await?;
        waiting.clear();
    }
    Err(LinkError::Closed)
}

fn length(frame: &[u8]) -> [u8; LENGTH_BYTES] {
    u32::try_from(frame.len()).expect("over-long frames do not enter the queue").to_be_bytes()
}

async fn flush(stream: &mut SendStream, batch: &mut Vec<u8>, deadline: Duration) -> Result<(), LinkError> {
    if !batch.is_empty() {
        write(stream, batch, deadline).await?;
        batch.clear();
    }
    Ok(())
}

async fn write(stream: &mut SendStream, bytes: &[u8], deadline: Duration) -> Result<(), LinkError> {
    timeout(deadline, stream.write_all(bytes)).await.map_err(|_| LinkError::Deadline)??;
    Ok(())
}

/// How much of a stream may be read ahead of whoever polls.
pub(crate) struct Allowance {
    /// Bytes of short frames of this stream.
    short: Arc<Semaphore>,
    /// One longer frame of the whole connection.
    long: Arc<Semaphore>,
}

impl Allowance {
    /// One per stream of a connection.
    pub(crate) fn of_a_connection<const STREAMS: usize>() -> [Self; STREAMS] {
        let long = Arc::new(Semaphore::new(1));
        std::array::from_fn(|_| Self {
            short: Arc::new(Semaphore::new(STREAM_ALLOWANCE_BYTES)),
            long: Arc::clone(&long),
        })
    }

    async fn take(&self, frame_bytes: usize) -> OwnedSemaphorePermit {
        let (semaphore, cost) = if frame_bytes > MAX_SHORT_FRAME_BYTES {
            (&self.long, 1)
        } else {
            (&self.short, frame_bytes.max(MIN_FRAME_COST_BYTES) as u32)
        };
        Arc::clone(semaphore).acquire_many_owned(cost).await.expect("allowances are never closed")
    }
}

/// Reads frames and hands each on with its permit, until the connection ends.
pub(crate) async fn read_frames(
    stream: &mut RecvStream,
    allowance: &Allowance,
    deadline: Duration,
    deliver: impl Fn(Vec<u8>, OwnedSemaphorePermit),
) -> Result<Infallible, LinkError> {
    let mut reader = Reader { stream, buffer: vec![0; READ_BUFFER_BYTES], unread: 0..0, deadline };
    loop {
        let bytes = reader.length().await?;
        if bytes > MAX_FRAME_BYTES {
            return Err(LinkError::FrameTooLong { bytes });
        }
        let permit = allowance.take(bytes).await;
        deliver(reader.body(bytes).await?, permit);
    }
}

/// Takes a stream apart. Short frames are read many at a time.
struct Reader<'a> {
    stream: &'a mut RecvStream,
    buffer: Vec<u8>,
    /// Where in the buffer there is something unread.
    unread: Range<usize>,
    deadline: Duration,
}

impl Reader<'_> {
    /// The next frame's length. For a frame to begin there is no deadline; once it has begun, it has to go on.
    async fn length(&mut self) -> Result<usize, LinkError> {
        if self.unread.is_empty() {
            self.refill().await?;
        }
        if self.unread.len() < LENGTH_BYTES {
            let deadline = self.deadline;
            let more = async {
                while self.unread.len() < LENGTH_BYTES {
                    self.refill().await?;
                }
                Ok::<_, LinkError>(())
            };
            timeout(deadline, more).await.map_err(|_| LinkError::Deadline)??;
        }
        let length = self.buffer[self.unread.clone()].first_chunk().expect("as many bytes were waited for");
        self.unread.start += LENGTH_BYTES;
        Ok(u32::from_be_bytes(*length) as usize)
    }

    /// A frame's bytes. Memory is taken as they arrive, not as they are announced.
    async fn body(&mut self, bytes: usize) -> Result<Vec<u8>, LinkError> {
        let mut frame = Vec::with_capacity(bytes.min(MAX_SHORT_FRAME_BYTES));
        self.take(&mut frame, bytes);
        if frame.len() < bytes {
            let deadline = self.deadline;
            timeout(deadline, self.rest(&mut frame, bytes)).await.map_err(|_| LinkError::Deadline)??;
        }
        Ok(frame)
    }

    /// Appends to `frame` until it is `bytes` long.
    async fn rest(&mut self, frame: &mut Vec<u8>, bytes: usize) -> Result<(), LinkError> {
        while frame.len() < bytes {
            let missing = bytes - frame.len();
            if missing > READ_BUFFER_BYTES {
                let chunk = self.stream.read_chunk(missing, true).await?.ok_or(LinkError::StreamEnded)?;
                frame.extend_from_slice(&chunk.bytes);
            } else {
                self.refill().await?;
                self.take(frame, bytes);
            }
        }
        Ok(())
    }

    /// Moves what the buffer has of a frame of `bytes` bytes.
    fn take(&mut self, frame: &mut Vec<u8>, bytes: usize) {
        let taken = self.unread.len().min(bytes - frame.len());
        let end = self.unread.start + taken;
        frame.extend_from_slice(&self.buffer[self.unread.start..end]);
        self.unread.start = end;
    }

    /// Waits for more bytes and puts them behind what is unread, which is less than a frame's length.
    async fn refill(&mut self) -> Result<(), LinkError> {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        let read = self.stream.read(&mut self.buffer[self.unread.end..]).await?.ok_or(LinkError::StreamEnded)?;
        self.unread.end += read;
        Ok(())
    }
}

/// Fills `buffer` from the stream.
pub(crate) async fn read_exact(stream: &mut RecvStream, buffer: &mut [u8]) -> Result<(), LinkError> {
    stream.read_exact(buffer).await.map_err(|error| match error {
        ReadExactError::FinishedEarly(_) => LinkError::StreamEnded,
        ReadExactError::ReadError(error) => LinkError::Read(error),
    })
}
