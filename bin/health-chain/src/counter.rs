//! Where a running node takes its owner's orders from other processes of this machine.
//!
//! The node has the folder's stores open, and nobody else can. So a command that concerns the chain is carried out by the node, which
//! listens at a port of the loopback interface and answers whoever says the word that lies beside it in the folder, where only the
//! owner can read it.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use health_chain::application::ports::{Entropy, SystemEntropy};
use serde::{Deserialize, Serialize};

use crate::{
    describe,
    failure::Failure,
    folder::{self, Folder, Readers},
    office::{Done, Order},
};

/// The longest order or answer, in bytes.
const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;
/// How long the node waits for an order that somebody has begun to give.
const ORDER_PATIENCE: Duration = Duration::from_secs(2);
/// How long after it was given an order may be begun with.
const ORDER_LIFE: Duration = Duration::from_secs(30);
/// How long a command waits for what comes of its order: longer than anybody may begin with it.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
const _: () = assert!(ORDER_LIFE.as_secs() < ANSWER_PATIENCE.as_secs());

/// The node's side.
pub(crate) struct Counter {
    listener: TcpListener,
    word: String,
    path: PathBuf,
}

/// What goes over the counter, on one line.
#[derive(Serialize, Deserialize)]
struct Slip {
    word: String,
    order: Order,
    /// When it is too late to begin with it, in milliseconds since the Unix epoch: its giver may be about to give up, and to give it again.
    until: u64,
}

impl Counter {
    /// Opens the counter of a node whose stores this process has open.
    pub(crate) fn open(folder: &Folder) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::Counter)?;
        listener.set_nonblocking(true).map_err(Failure::Counter)?;
        let address = listener.local_addr().map_err(Failure::Counter)?;
        let word = hex::encode(*SystemEntropy.draw()?);
        let path = folder.counter();
        // Of a node that was killed.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Failure::Counter(error)),
            _ => {}
        }
        folder::write_new(&path, &format!("{address} {word}\n"), Readers::Owner)?;
        Ok(Self { listener, word, path })
    }

    /// Has `carry_out` do what somebody who waits at the counter orders.
    pub(crate) fn serve(&self, carry_out: impl FnOnce(Order) -> Result<Done, Failure>) {
        // Fails where nobody waits.
        let Ok((stream, _)) = self.listener.accept() else { return };
        if let Err(error) = self.answer(&stream, carry_out) {
            tracing::debug!(%error, "no order");
        }
    }

    fn answer(
        &self,
        stream: &TcpStream,
        carry_out: impl FnOnce(Order) -> Result<Done, Failure>,
    ) -> Result<(), io::Error> {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(ORDER_PATIENCE))?;
        let Slip { word, order, until } = serde_json::from_slice(&read_line(stream, ORDER_PATIENCE)?)?;
        if word != self.word {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let answer = if now_millis() < until { carry_out(order) } else { Err(Failure::TooLate) };
        let answer = answer.map_err(|failure| describe(&failure));
        write_line(stream, &serde_json::to_string(&answer)?)
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // Left behind, it leads to a port where nobody answers.
        let _ = fs::remove_file(&self.path);
    }
}

/// Has the node that runs on the folder carry out the order; `None` where none takes it.
pub(crate) fn ask(folder: &Folder, order: &Order) -> Option<Result<Done, Failure>> {
    let note = folder::read(&folder.counter()).ok()?;
    let (address, word) = note.trim_end().split_once(' ')?;
    let address: SocketAddr = address.parse().ok()?;
    let stream = TcpStream::connect(address).ok()?;
    let until = now_millis().saturating_add(ORDER_LIFE.as_millis() as u64);
    Some(exchange(&stream, Slip { word: word.into(), order: order.clone(), until }))
}

/// Both sides read the same machine's clock.
fn now_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn exchange(stream: &TcpStream, slip: Slip) -> Result<Done, Failure> {
    let answer: Result<Result<Done, String>, io::Error> = (|| {
        write_line(stream, &serde_json::to_string(&slip)?)?;
        Ok(serde_json::from_slice(&read_line(stream, ANSWER_PATIENCE)?)?)
    })();
    answer.map_err(Failure::Unanswered)?.map_err(Failure::Answered)
}

fn write_line(mut stream: &TcpStream, line: &str) -> Result<(), io::Error> {
    stream.write_all(line.as_bytes())?;
    stream.write_all(b"\n")
}

/// Reads on until a line ends or the other side does, however slowly the bytes drip in.
fn read_line(mut stream: &TcpStream, patience: Duration) -> Result<Vec<u8>, io::Error> {
    let deadline = Instant::now() + patience;
    let (mut line, mut piece) = (Vec::new(), [0; 4096]);
    while line.last() != Some(&b'\n') {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || line.len() > MAX_LINE_BYTES {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => break,
            read => line.extend_from_slice(&piece[..read]),
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Gives an order that may be begun with until `until`, and has it served. Says whether it was carried out.
    fn is_carried_out(counter: &Counter, until: u64) -> bool {
        let stream = TcpStream::connect(counter.listener.local_addr().unwrap()).unwrap();
        let slip = Slip { word: counter.word.clone(), order: Order::Withdraw, until };
        let asker = thread::spawn(move || exchange(&stream, slip));
        let mut carried_out = false;
        while !asker.is_finished() {
            counter.serve(|_| {
                carried_out = true;
                Ok(Done { printed: "done".into(), paper: None })
            });
            thread::sleep(Duration::from_millis(1));
        }
        let answer = asker.join().unwrap();
        assert_eq!(answer.is_ok(), carried_out, "the asker is told");
        carried_out
    }

    #[test]
    fn an_order_is_not_begun_with_after_its_time() {
        let root = tempfile::tempdir().unwrap();
        let counter = Counter::open(&Folder::new(root.path().into())).unwrap();
        assert!(is_carried_out(&counter, now_millis() + 60_000));
        assert!(!is_carried_out(&counter, now_millis()));
    }
}
