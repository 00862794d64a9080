//! A gateway in front of a [`World`].
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::sync::LazyLock;

use health_chain_application::{
    authorize::{
        Access, AccessRequest, Clock, Denial, DenySet, Gateway, GatewayRules, ObserveError, Permit, SeenRequests,
        Snapshot, authorize, reauthorize,
    },
    payload::Payload,
    ports::{AccessPolicy, OwnerGrants},
    records::{Permissions, Purpose},
};
use health_chain_data::{
    Height, Millis, Timestamp, Transaction,
    ports::{ChainStore, StateView, StoreError},
    state::MemoryStore,
};

use super::{GRANTEE, NOW, World, chain, gateway, id, key, public};

/// Everything that a decision depends on besides the state; each test changes what it is about.
pub struct Gate {
    pub rules: GatewayRules,
    pub denials: DenySet,
    pub seen: SeenRequests,
    pub policy: Box<dyn AccessPolicy>,
    pub height: Height,
    pub tip_time: Timestamp,
    pub median_time_past: Timestamp,
    pub uncleared_reorganisation: u32,
    pub clock: Clock,
    /// The node's own tables.
    pub local: MemoryStore,
}

impl Gate {
    /// In front of a chain whose tip is at height 100.
    pub fn new() -> Self {
        Self {
            rules: GatewayRules::default(),
            denials: DenySet::default(),
            seen: SeenRequests::new(Timestamp(NOW.0 - 1_000)),
            policy: Box::new(OwnerGrants),
            height: Height(100),
            tip_time: NOW,
            median_time_past: NOW,
            uncleared_reorganisation: 0,
            clock: Clock { wall: NOW.into(), high_water: Millis(0) },
            local: MemoryStore::default(),
        }
    }

    /// Another one that has seen the same revocations.
    pub fn branch(&self) -> Self {
        Self { denials: self.denials.clone(), local: self.local.clone(), ..Self::new() }
    }

    pub fn authorize(&self, request: &AccessRequest, state: &dyn StateView) -> Result<Permit, Denial> {
        authorize(request, &self.gateway(), &self.snapshot(state), &self.clock)
    }

    pub fn reauthorize(&self, permit: &Permit, state: &dyn StateView) -> Result<Permit, Denial> {
        reauthorize(permit, &self.gateway(), &self.snapshot(state), &self.clock)
    }

    /// The rule by which the grantee is denied, if so.
    pub fn denies(&self, world: &World) -> Option<&'static str> {
        self.authorize(&request(), &world.store).err().map(|denial| denial.rule())
    }

    /// Sees a transaction, and keeps what follows durably.
    pub fn observe(&mut self, payload: &impl Payload, view: &dyn StateView) -> Result<bool, ObserveError> {
        self.observe_transaction(&payload.transaction(), view)
    }

    pub fn observe_transaction(
        &mut self,
        transaction: &Transaction,
        view: &dyn StateView,
    ) -> Result<bool, ObserveError> {
        let new = self.denials.observe(transaction, &chain(), view)?;
        let local = &mut self.local;
        self.denials.write(|changes| local.commit(changes))?;
        Ok(new)
    }

    /// As after a crash: what was not durable is gone.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        self.denials = DenySet::load(&self.local)?;
        Ok(())
    }

    fn gateway(&self) -> Gateway<'_> {
        Gateway {
            id: gateway(),
            rules: &self.rules,
            denials: &self.denials,
            seen: &self.seen,
            policy: self.policy.as_ref(),
        }
    }

    fn snapshot<'a>(&self, state: &'a dyn StateView) -> Snapshot<'a> {
        Snapshot {
            chain: chain(),
            height: self.height,
            tip_time: self.tip_time,
            median_time_past: self.median_time_past,
            uncleared_reorganisation: self.uncleared_reorganisation,
            state,
        }
    }
}

pub fn access() -> Access {
    Access {
        object: id(),
        version: 0,
        requester: public(GRANTEE),
        permission: Permissions::READ,
        purpose: Purpose::TREATMENT,
    }
}

/// What the grantee asks.
pub fn request() -> AccessRequest {
    static REQUEST: LazyLock<AccessRequest> = LazyLock::new(|| request_of(access(), GRANTEE));
    *REQUEST
}

pub fn request_of(access: Access, signer: u8) -> AccessRequest {
    AccessRequest::sign(chain(), gateway(), access, NOW, [9; 32], &key(signer), &[0; 32]).unwrap()
}
