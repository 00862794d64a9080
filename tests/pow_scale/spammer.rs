//! A peer that greets as everybody does, and then sends what costs it nothing.

use std::time::Duration;

use health_chain::{
    consensus_pow::PowParameters,
    data::{Block, BlockId, Header, Height, Kind, Timestamp, Transaction, codec, sha256},
    network::{
        Address, Event, Hello, Item, MemoryHub, MemoryTransport, Message, PeerId, Priority, Transport,
        limits::MAX_HEADERS, message::PROTOCOL_VERSION,
    },
};

use crate::{
    common::START,
    world::{empty_block, genesis, light_branch},
};

/// Headers that are sent unasked in one turn, of which there are ten a second.
const UNASKED_HEADERS: usize = 60;

/// What a spammer does beside claiming to be far ahead and announcing blocks that nobody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers questions for headers with as many as there may be, all of them light.
    Headers,
    /// Answers nothing.
    Silent,
    /// The same, and sends others unasked.
    UnaskedHeaders,
    /// The same, and sends blocks of light branches.
    StaleBlocks,
    /// The same, and sends a block with another body than its header says.
    FalseBlock,
}

pub(crate) struct Spammer {
    pub(crate) id: PeerId,
    pub(crate) manner: Manner,
    /// How many it has sent.
    pub(crate) headers: usize,
    pub(crate) blocks: usize,
    number: u64,
    branches: u64,
    transport: MemoryTransport,
    victim: Option<PeerId>,
    is_ready: bool,
    false_block: Block,
}

impl Spammer {
    pub(crate) fn join(hub: &MemoryHub, number: u64, manner: Manner, honest: &[Block]) -> Self {
        let id = PeerId(sha256(&number.to_le_bytes()));
        let transport = hub.join(id, Address(format!("spammer {number}")));
        let mut false_block = honest[honest.len() - 1].clone();
        false_block.body.0.push(Transaction::new(Kind(100), vec![]));
        let (headers, blocks, branches) = (0, 0, 0);
        Self { id, manner, headers, blocks, number, branches, transport, victim: None, is_ready: false, false_block }
    }

    pub(crate) fn dial(&mut self, address: &str) {
        self.transport.dial(&Address(address.into())).unwrap();
    }

    pub(crate) fn turn(&mut self) {
        while let Some(event) = self.transport.poll(Duration::ZERO) {
            match event {
                Event::Connected { peer, .. } => {
                    self.victim = Some(peer);
                    self.greet();
                }
                Event::Received { frame, .. } => match Message::decode(&frame).unwrap() {
                    Message::Hello(_) => self.send(&Message::Ready),
                    Message::Ready => self.is_ready = true,
                    Message::GetHeaders { .. } if self.manner != Manner::Silent => self.send_headers(MAX_HEADERS),
                    Message::Ping { nonce } => self.send(&Message::Pong { nonce }),
                    _ => {}
                },
                Event::Closed { .. } => (self.victim, self.is_ready) = (None, false),
                _ => {}
            }
        }
        if !self.is_ready {
            return;
        }
        self.branches += 1;
        let unknown = BlockId(sha256(&[self.number, self.branches].map(u64::to_le_bytes).concat()));
        self.send(&Message::Announce(vec![Item::Block(unknown)]));
        match self.manner {
            Manner::Headers | Manner::Silent => {}
            Manner::UnaskedHeaders => self.send_headers(UNASKED_HEADERS),
            Manner::StaleBlocks => self.send_block(&self.stale_block()),
            Manner::FalseBlock => self.send_block(&self.false_block.clone()),
        }
    }

    /// Another one each time, right above genesis, where two hashes make a block.
    fn stale_block(&self) -> Block {
        let time = Timestamp(START.0 + 1 + 30_000 * self.number as u32 + self.branches as u32);
        empty_block(&genesis().block().header, time, PowParameters::EASIEST_LIMIT_BITS)
    }

    fn greet(&mut self) {
        self.send(&Message::Hello(Hello {
            version: PROTOCOL_VERSION,
            network: genesis().network().into(),
            genesis: genesis().chain_id(),
            tip: genesis().block().id(),
            height: Height(u32::MAX),
            listen: None,
            nonce: self.number,
        }));
    }

    fn send_headers(&mut self, length: usize) {
        self.branches += 1;
        let headers: Vec<Header> = light_branch(1_000 + self.number, self.branches, length);
        self.headers += headers.len();
        self.send(&Message::Headers(headers));
    }

    fn send_block(&mut self, block: &Block) {
        self.blocks += 1;
        self.send(&Message::Block(codec::encode(block)));
    }

    fn send(&mut self, message: &Message) {
        if let Some(victim) = self.victim {
            // Fails where the victim has closed the connection.
            let _ = self.transport.send(&victim, Priority::Chain, codec::encode(message));
        }
    }
}
