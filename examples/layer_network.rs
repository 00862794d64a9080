//! The network layer under a chain of one's own: three nodes greet, catch up and relay, in one deterministic process.
//!
//! The task: somebody has a notice board of signed-off notices, ordered in blocks, and wants it to be copied between clinics.
//! The layer asks the board what it has (`TipView`) and hands it what arrives (`Inbound`); it knows nothing else of it.
//! `MemoryHub` carries the frames here; with `health-chain-network-quic` the same code runs over sockets.
//!
//! Run it with `cargo run --release --example layer_network`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::{collections::BTreeMap, error::Error, time::Duration};

use health_chain_data::{
    Block, BlockId, Body, ChainId, Header, Height, Kind, Millis, Timestamp, Transaction, TxId,
    codec::{decode, encode},
    ports::ScalarHasher,
    sha256,
};
use health_chain_network::{
    Address, Inbound, MemoryHub, MemoryTransport, Network, PeerId, Settings, TipView, Transport, Verdict, carry_out,
    limits::TICK_MILLIS, ports::Priority,
};

const NOTICE: Kind = Kind(1000);

/// The chain above the network: blocks in a row (a real one would have branches), and notices that wait for a block.
#[derive(Default)]
struct Board {
    headers: Vec<Header>,
    /// Encoded blocks; never more than headers.
    blocks: Vec<Vec<u8>>,
    waiting: BTreeMap<TxId, Vec<u8>>,
}

impl Board {
    fn new() -> Self {
        let mut board = Self::default();
        board.add(block_on(None, vec![]));
        board
    }

    /// Puts everything that waits into a block.
    fn seal(&mut self) -> Result<BlockId, Box<dyn Error>> {
        let notices = self.waiting.values().map(|bytes| decode(bytes)).collect::<Result<_, _>>()?;
        let block = block_on(self.headers.last(), notices);
        let id = block.id();
        self.add(block);
        Ok(id)
    }

    fn add(&mut self, block: Block) {
        block.transactions().iter().for_each(|notice| drop(self.waiting.remove(&notice.id())));
        self.blocks.push(encode(&block));
        self.headers.resize(self.blocks.len().max(self.headers.len()), block.header);
    }

    fn position(&self, id: &BlockId) -> Option<usize> {
        self.headers.iter().position(|header| header.id() == *id)
    }
}

impl TipView for Board {
    fn tip(&self) -> (BlockId, Height) {
        let top = self.blocks.len() - 1;
        (self.headers[top].id(), Height(top as u32))
    }
    fn has_header(&self, id: &BlockId) -> bool {
        self.position(id).is_some()
    }
    fn locator(&self) -> Vec<BlockId> {
        self.headers.iter().rev().step_by(10).chain(self.headers.first()).map(Header::id).collect()
    }
    fn headers_after(&self, locator: &[BlockId], max: usize) -> Vec<Header> {
        let known = locator.iter().find_map(|id| self.position(id)).map_or(0, |position| position + 1);
        self.headers[known..].iter().take(max).cloned().collect()
    }
    fn missing_bodies(&self, max: usize) -> Vec<BlockId> {
        self.headers[self.blocks.len()..].iter().take(max).map(Header::id).collect()
    }
    fn block(&self, id: &BlockId) -> Option<Vec<u8>> {
        self.blocks.get(self.position(id)?).cloned()
    }
    fn transaction(&self, id: &TxId) -> Option<Vec<u8>> {
        self.waiting.get(id).cloned()
    }
}

/// What arrives is judged at once. `Invalid` bans the peer that sent it, so it is only for what no honest node would send.
impl Inbound for Board {
    fn headers(&mut self, headers: &[Header]) -> Verdict {
        let known = self.headers.len();
        for header in headers {
            if self.headers.last().is_some_and(|last| last.id() == header.parent) {
                self.headers.push(header.clone());
            }
        }
        if self.headers.len() > known { Verdict::Accepted(Priority::Chain) } else { Verdict::Known }
    }
    fn block(&mut self, bytes: &[u8]) -> Verdict {
        let Ok(block) = decode::<Block>(bytes) else { return Verdict::Invalid { rule: "malformed" } };
        if block.header.root != block.body.root(&ScalarHasher) {
            return Verdict::Invalid { rule: "root" };
        }
        let next = self.blocks.len();
        match self.position(&block.id()) {
            Some(position) if position < next => return Verdict::Known,
            Some(position) if position == next => {}
            None if self.headers.len() == next && block.header.parent == self.tip().0 => {}
            _ => return Verdict::Ignored, // not its turn yet: the network asks again
        }
        self.add(block);
        Verdict::Accepted(Priority::Chain)
    }
    fn transaction(&mut self, bytes: &[u8]) -> Verdict {
        match decode::<Transaction>(bytes) {
            Ok(notice) if notice.kind == NOTICE && str::from_utf8(&notice.payload).is_ok() => {
                match self.waiting.insert(notice.id(), bytes.to_vec()) {
                    None => Verdict::Accepted(Priority::Bulk),
                    Some(_) => Verdict::Known,
                }
            }
            _ => Verdict::Invalid { rule: "notice" },
        }
    }
    fn request(&mut self, _: &PeerId, _: &[u8]) -> Option<Vec<u8>> {
        None // questions between applications are answered here; a board has none
    }
}

struct Node {
    board: Board,
    network: Network,
    transport: MemoryTransport,
}

/// Runs all nodes for `seconds` of simulated time. This loop is what a real node does too, with a clock and a socket.
fn run(nodes: &mut [Node], now: &mut Millis, seconds: u64) {
    for _ in 0..seconds * 1000 / TICK_MILLIS {
        *now = now.saturating_add(TICK_MILLIS);
        for Node { board, network, transport } in nodes.iter_mut() {
            let mut actions = network.tick(*now, board);
            loop {
                let (refused, _reports) = carry_out(transport, actions);
                actions = refused.into_iter().flat_map(|event| network.handle(*now, event, board)).collect();
                let Some(event) = transport.poll(Duration::ZERO) else { break };
                actions.extend(network.handle(*now, event, board));
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (hub, mut now) = (MemoryHub::new(), Millis(1_000_000));
    // A line: the practice knows the clinic, the clinic knows the archive, nobody else knows anybody.
    let mut nodes: Vec<Node> = [("archive", None), ("clinic", Some("archive")), ("practice", Some("clinic"))]
        .into_iter()
        .map(|(name, knows)| {
            let (board, id) = (Board::new(), PeerId(sha256(name.as_bytes())));
            let settings = Settings {
                network: "notices".into(),
                genesis: ChainId(board.tip().0.0),
                listen: Some(Address(name.into())),
                peers: knows.map(|peer| Address(peer.into())).into_iter().collect(),
                anchors: vec![],
                addresses: vec![],
                outbound_peers: 1,
                entropy: id.0.0, // a real node draws it from the system, so that nobody can foretell whom it dials
            };
            Node { board, network: Network::new(settings), transport: hub.join(id, Address(name.into())) }
        })
        .collect();

    // The archive has 200 blocks before anybody is there. The others catch up: headers first, then bodies.
    for number in 0..200 {
        let notice = Transaction::new(NOTICE, format!("notice {number}").into_bytes());
        nodes[0].board.waiting.insert(notice.id(), encode(&notice));
        nodes[0].board.seal()?;
    }
    run(&mut nodes, &mut now, 5);
    assert!(nodes.iter().all(|node| node.board.tip() == nodes[0].board.tip()), "all have caught up");
    println!("three nodes, {} connections, all at height {}", connections(&nodes), nodes[2].board.tip().1);

    // A notice from the practice travels over the clinic to the archive.
    let notice = Transaction::new(NOTICE, b"flu vaccine has arrived".to_vec());
    assert!(matches!(Inbound::transaction(&mut nodes[2].board, &encode(&notice)), Verdict::Accepted(_)));
    let practice = &mut nodes[2];
    let actions = practice.network.announce_transaction(notice.id(), Priority::Bulk, &practice.board);
    carry_out(&mut practice.transport, actions);
    run(&mut nodes, &mut now, 5);
    assert!(nodes.iter().all(|node| node.board.waiting.contains_key(&notice.id())), "relayed to all");

    // The archive puts it into a block, which travels back.
    let id = nodes[0].board.seal()?;
    let actions = nodes[0].network.announce_block(id);
    carry_out(&mut nodes[0].transport, actions);
    run(&mut nodes, &mut now, 5);
    assert!(
        nodes.iter().all(|node| node.board.tip().0 == id && node.board.waiting.is_empty()),
        "in a block everywhere"
    );
    println!("a notice went from the practice to the archive and came back in block {id}");
    Ok(())
}

fn connections(nodes: &[Node]) -> usize {
    nodes.iter().map(|node| node.network.peers().len()).sum::<usize>() / 2
}

fn block_on(parent: Option<&Header>, notices: Vec<Transaction>) -> Block {
    let body = Body(notices);
    let (parent, time) = parent.map_or_else(Default::default, |parent| (parent.id(), parent.time.saturating_add(1)));
    Block {
        header: Header { version: 1, parent, root: body.root(&ScalarHasher), time: Timestamp(time.0), seal: vec![] },
        body,
    }
}
