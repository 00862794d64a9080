//! Offences, points and bans. A peer answers for what it sent itself, and for nothing else.

use alloc::collections::BTreeMap;

use health_chain_data::{Millis, codec::CodecError};
use thiserror::Error;

use crate::{
    limits::{BAN_MILLIS, BAN_POINTS, FORGIVE_MILLIS, MAX_BANS, MAX_SCORES},
    ports::PeerId,
};

/// What a peer did wrong. Connections authenticate their peers and keep frames whole, so everything here was done by the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Offence {
    /// A frame is no message.
    #[error("a frame is no message")]
    Malformed(#[from] CodecError),
    /// A greeting, where one had come already.
    #[error("a second greeting")]
    SecondHello,
    /// Something else, where the greeting was due.
    #[error("a message before the greeting")]
    BeforeHello,
    /// Headers that break a rule.
    #[error("headers refused by rule {rule}")]
    InvalidHeaders {
        /// The rule.
        rule: &'static str,
    },
    /// A block that breaks a rule.
    #[error("a block refused by rule {rule}")]
    InvalidBlock {
        /// The rule.
        rule: &'static str,
    },
    /// A transaction that breaks a rule.
    #[error("a transaction refused by rule {rule}")]
    InvalidTransaction {
        /// The rule.
        rule: &'static str,
    },
    /// What an engine says that breaks a rule.
    #[error("an engine's message refused by rule {rule}")]
    InvalidEngineMessage {
        /// The rule.
        rule: &'static str,
    },
    /// A pong that answers no ping.
    #[error("a pong that answers no ping")]
    UnaskedPong,
    /// More messages or bytes than the budget allows; the message was dropped.
    #[error("over budget")]
    OverBudget,
}

impl Offence {
    /// What it costs; [`BAN_POINTS`] where an honest peer can't do it.
    pub const fn points(&self) -> u32 {
        match self {
            Self::Malformed(_)
            | Self::SecondHello
            | Self::BeforeHello
            | Self::InvalidHeaders { .. }
            | Self::InvalidBlock { .. }
            | Self::InvalidTransaction { .. }
            | Self::InvalidEngineMessage { .. } => BAN_POINTS,
            Self::UnaskedPong => 10,
            Self::OverBudget => 1,
        }
    }
}

/// Points and bans of all peers, connected or not: closing a connection forgives nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scores {
    points: BTreeMap<PeerId, (u32, Millis)>,
    bans: BTreeMap<PeerId, Millis>,
}

impl Scores {
    /// Books an offence. `true` if the peer is banned now.
    pub(crate) fn punish(&mut self, now: Millis, peer: PeerId, offence: Offence) -> bool {
        let points = self.points_of(now, &peer).saturating_add(offence.points());
        if points < BAN_POINTS {
            make_room(&mut self.points, MAX_SCORES, |(points, _)| u64::from(*points));
            self.points.insert(peer, (points, now));
            return false;
        }
        self.points.remove(&peer);
        make_room(&mut self.bans, MAX_BANS, |until| until.0);
        self.bans.insert(peer, now.saturating_add(BAN_MILLIS));
        true
    }

    pub(crate) fn is_banned(&self, now: Millis, peer: &PeerId) -> bool {
        self.bans.get(peer).is_some_and(|until| now < *until)
    }

    pub(crate) fn bans(&self) -> impl Iterator<Item = (PeerId, Millis)> + '_ {
        self.bans.iter().map(|(peer, until)| (*peer, *until))
    }

    pub(crate) fn expire(&mut self, now: Millis) {
        self.bans.retain(|_, until| now < *until);
        self.points.retain(|_, (points, at)| remaining(now, *points, *at) > 0);
    }

    /// When the next of them ends.
    pub(crate) fn due(&self) -> Millis {
        let forgiven = self.points.values().map(|(points, at)| at.saturating_add(u64::from(*points) * FORGIVE_MILLIS));
        self.bans.values().copied().chain(forgiven).fold(Millis::MAX, Millis::min)
    }

    fn points_of(&self, now: Millis, peer: &PeerId) -> u32 {
        self.points.get(peer).map_or(0, |(points, at)| remaining(now, *points, *at))
    }
}

fn remaining(now: Millis, points: u32, at: Millis) -> u32 {
    let forgiven = now.saturating_sub(at.0).0 / FORGIVE_MILLIS;
    points.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
}

/// Drops the entry that matters least, if the map is full.
fn make_room<V>(map: &mut BTreeMap<PeerId, V>, capacity: usize, weight: impl Fn(&V) -> u64) {
    if map.len() < capacity {
        return;
    }
    if let Some(least) = map.iter().min_by_key(|(_, value)| weight(value)).map(|(peer, _)| *peer) {
        map.remove(&least);
    }
}

#[cfg(test)]
mod tests {
    use health_chain_data::sha256;

    use super::*;

    const INVALID: Offence = Offence::InvalidBlock { rule: "root" };

    #[test]
    fn what_an_honest_peer_cannot_do_bans_at_once_and_the_ban_ends() {
        let mut scores = Scores::default();
        let peer = PeerId(sha256(b"a"));
        assert!(scores.punish(Millis(5), peer, INVALID));
        assert!(scores.is_banned(Millis(5 + BAN_MILLIS - 1), &peer));
        assert!(!scores.is_banned(Millis(5 + BAN_MILLIS), &peer));
        scores.expire(Millis(5 + BAN_MILLIS));
        assert_eq!(scores.bans().count(), 0);
    }

    #[test]
    fn small_offences_add_up_and_are_forgiven() {
        let mut scores = Scores::default();
        let peer = PeerId(sha256(b"a"));
        for _ in 0..BAN_POINTS - 1 {
            assert!(!scores.punish(Millis(0), peer, Offence::OverBudget));
        }
        assert!(!scores.punish(Millis(FORGIVE_MILLIS), peer, Offence::OverBudget), "one was forgiven");
        assert!(scores.punish(Millis(FORGIVE_MILLIS), peer, Offence::OverBudget));
    }

    #[test]
    fn both_lists_are_bounded() {
        let mut scores = Scores::default();
        for number in 0..(MAX_BANS + 10) as u32 {
            let peer = PeerId(sha256(&number.to_le_bytes()));
            scores.punish(Millis(number.into()), peer, INVALID);
            scores.punish(Millis(number.into()), PeerId(sha256(peer.0.as_ref())), Offence::OverBudget);
        }
        assert_eq!(scores.bans.len(), MAX_BANS);
        assert_eq!(scores.points.len(), MAX_SCORES);
        assert!(!scores.bans.contains_key(&PeerId(sha256(&0_u32.to_le_bytes()))), "the oldest left first");
    }
}
