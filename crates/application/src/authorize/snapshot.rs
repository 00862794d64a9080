//! What a decision is made from.

use std::fmt;

use health_chain_consensus::ports::Finality;
use health_chain_data::{ChainId, Height, Millis, Timestamp, ports::StateView};

use super::{DenySet, SeenRequests};
use crate::{ports::AccessPolicy, records::GatewayId};

/// The chain at one tip. Must not change while it is looked at.
#[derive(Clone, Copy)]
pub struct Snapshot<'a> {
    /// The chain.
    pub chain: ChainId,
    /// Height of the tip.
    pub height: Height,
    /// Time in the tip's header.
    pub tip_time: Timestamp,
    /// Median time of the eleven blocks up to the tip.
    pub median_time_past: Timestamp,
    /// Blocks that the deepest reorganisation took away which nobody has cleared yet; 0 for none.
    pub uncleared_reorganisation: u32,
    /// The state at the tip.
    pub state: &'a dyn StateView,
}

impl fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("chain", &self.chain)
            .field("height", &self.height)
            .field("uncleared_reorganisation", &self.uncleared_reorganisation)
            .finish_non_exhaustive()
    }
}

/// What the gateway is, and what it remembers.
#[derive(Clone, Copy)]
pub struct Gateway<'a> {
    /// Which gateway it is.
    pub id: GatewayId,
    /// How careful it is.
    pub rules: &'a GatewayRules,
    /// Revocations that it has seen.
    pub denials: &'a DenySet,
    /// Requests that it has answered.
    pub seen: &'a SeenRequests,
    /// Its house's own rules.
    pub policy: &'a dyn AccessPolicy,
}

impl fmt::Debug for Gateway<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("id", &self.id).field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// The time, as far as a gateway knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// The wall clock.
    pub wall: Millis,
    /// The latest time that this gateway ever acted at, kept durably, so that setting the clock back revives no grant.
    pub high_water: Millis,
}

impl Clock {
    /// The later of the two.
    pub fn now(&self) -> Timestamp {
        self.wall.max(self.high_water).timestamp()
    }
}

/// How many blocks have to lie on what, itself included, and when a chain is not to be relied on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GatewayRules {
    /// Depth of a grant.
    pub grant_depth: u32,
    /// Depth of a grant that was paid for, since the payment can be undone with it.
    pub priced_grant_depth: u32,
    /// Depth of the version to be served.
    pub store_depth: u32,
    /// A reorganisation that takes more blocks away stops serving until somebody clears it.
    pub max_reorganisation_depth: u32,
    /// A tip older than this, in seconds, may mean that the gateway is cut off; it then serves nothing.
    pub max_tip_age_seconds: u32,
}

impl Default for GatewayRules {
    /// For a chain whose blocks settle by depth, at ten minutes a block.
    fn default() -> Self {
        Self {
            grant_depth: 1,
            priced_grant_depth: 12,
            store_depth: 6,
            max_reorganisation_depth: 12,
            max_tip_age_seconds: 2 * 60 * 60,
        }
    }
}

impl GatewayRules {
    /// The rules for a kind of finality: under certificates a block is settled at once, so depth 1 is enough for everything.
    pub fn for_finality(finality: Finality) -> Self {
        match finality {
            Finality::Certificate => Self { priced_grant_depth: 1, store_depth: 1, ..Self::default() },
            _ => Self::default(),
        }
    }
}
