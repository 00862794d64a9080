//! What is known about one connection.

use health_chain_data::{Height, Millis};

use crate::{
    budget::Budget,
    handshake::Stage,
    limits::{PING_INTERVAL_MILLIS, PING_TIMEOUT_MILLIS},
    ports::{Address, Direction, PeerId},
};

/// A peer, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Its id.
    pub id: PeerId,
    /// Its address, as the transport gave it.
    pub address: Address,
    /// Where it accepts connections, if it says so.
    pub listen: Option<Address>,
    /// Who dialled.
    pub direction: Direction,
    /// When the connection began.
    pub since: Millis,
    /// The height of its chain when it greeted.
    pub height: Height,
    /// How long its last answer to a ping took, in milliseconds.
    pub round_trip_millis: Option<u64>,
}

pub(crate) struct Peer {
    pub(crate) address: Address,
    pub(crate) listen: Option<Address>,
    pub(crate) direction: Direction,
    pub(crate) since: Millis,
    pub(crate) height: Height,
    pub(crate) stage: Stage,
    pub(crate) budget: Budget,
    pub(crate) ping: Ping,
    /// When addresses were last shared with it.
    pub(crate) shared_at: Option<Millis>,
    /// When it is asked for addresses next.
    pub(crate) ask_addresses_at: Millis,
    pub(crate) awaits_addresses: bool,
}

impl Peer {
    pub(crate) const fn new(now: Millis, address: Address, direction: Direction) -> Self {
        Self {
            address,
            listen: None,
            direction,
            since: now,
            height: Height::ZERO,
            stage: Stage::begin(now),
            budget: Budget::new(now),
            ping: Ping::new(now),
            shared_at: None,
            ask_addresses_at: now,
            awaits_addresses: false,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// When it is to be asked for a sign of life or for addresses, or has taken too long.
    pub(crate) fn due(&self) -> Millis {
        match self.stage {
            Stage::AwaitHello { until } | Stage::AwaitReady { until } => until,
            Stage::Ready if self.direction == Direction::Outbound => self.ping.due().min(self.ask_addresses_at),
            Stage::Ready => self.ping.due(),
        }
    }

    pub(crate) fn info(&self, id: PeerId) -> PeerInfo {
        PeerInfo {
            id,
            address: self.address.clone(),
            listen: self.listen.clone(),
            direction: self.direction,
            since: self.since,
            height: self.height,
            round_trip_millis: self.ping.round_trip_millis,
        }
    }
}

pub(crate) struct Ping {
    next_at: Millis,
    waiting: Option<(u64, Millis)>,
    round_trip_millis: Option<u64>,
}

impl Ping {
    const fn new(now: Millis) -> Self {
        Self { next_at: now, waiting: None, round_trip_millis: None }
    }

    /// The peer is alive: it sent something. There is no need to ask for a while.
    pub(crate) fn heard(&mut self, now: Millis) {
        self.next_at = self.next_at.max(now.saturating_add(PING_INTERVAL_MILLIS));
    }

    pub(crate) fn due(&self) -> Millis {
        self.waiting.map_or(self.next_at, |(_, sent_at)| sent_at.saturating_add(PING_TIMEOUT_MILLIS))
    }

    pub(crate) fn is_due(&self, now: Millis) -> bool {
        self.waiting.is_none() && self.next_at <= now
    }

    pub(crate) fn is_overdue(&self, now: Millis) -> bool {
        self.waiting.is_some_and(|(_, sent_at)| sent_at.saturating_add(PING_TIMEOUT_MILLIS) <= now)
    }

    pub(crate) const fn sent(&mut self, now: Millis, nonce: u64) {
        self.waiting = Some((nonce, now));
        self.next_at = now.saturating_add(PING_INTERVAL_MILLIS);
    }

    /// `false` where no ping with this nonce waits.
    pub(crate) fn answered(&mut self, now: Millis, nonce: u64) -> bool {
        let Some((_, sent_at)) = self.waiting.take_if(|(waiting, _)| *waiting == nonce) else { return false };
        self.round_trip_millis = Some(now.saturating_sub(sent_at.0).0);
        true
    }
}
