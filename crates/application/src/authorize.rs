//! The gateway's decision: may this key read this object now?
//!
//! Allowing needs proof, denying needs only sight. [`authorize`] is a pure function of a signed [`AccessRequest`], one immutable
//! [`Snapshot`] of the chain, what the gateway remembers ([`Gateway`]) and the time ([`Clock`]). It permits only where every rule
//! holds; each rule has its own [`Denial`], and what can't be read is denied. The caller writes the decision into the audit log,
//! makes it durable, only then serves, and asks [`reauthorize`] again while it serves.
//!
//! A chain can lose its last blocks. What a grant needs is therefore depth; what a revocation needs is to have been seen, anywhere
//! and once: the [`DenySet`].

mod denial;
mod deny_set;
mod request;
mod seen;
mod snapshot;

pub use denial::Denial;
pub use deny_set::{DenySet, ObserveError, Turn};
pub use request::{Access, AccessRequest};
pub use seen::{SeenFull, SeenRequests};
pub use snapshot::{Clock, Gateway, GatewayRules, Snapshot};

use health_chain_data::{Hash, Height, Timestamp};

use crate::{
    limits::{MAX_REQUEST_AGE_SECONDS, MAX_REQUEST_AHEAD_SECONDS},
    records::{self, Content, Grant, GrantState, ObjectState, OwnerSigned},
};

/// Leave to read, as of one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permit {
    /// What is permitted.
    pub access: Access,
    /// The sealed object to serve.
    pub content: Content,
    /// Why.
    pub basis: Basis,
    /// The permit is void from this time on.
    pub not_after: Timestamp,
}

/// Why access is permitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Basis {
    /// The requester is the owner.
    Owner,
    /// The owner's grant.
    Grant {
        /// Its sequence number.
        seq: u64,
        /// Commitment to the wrapped key to hand out.
        wrap_commit: Hash,
    },
}

/// Decides about a fresh request. The caller remembers a request ([`SeenRequests::remember`]) before it answers, unless
/// the request itself was refused ([`Denial::is_of_request`]).
///
/// # Errors
/// The first rule that forbids it.
pub fn authorize(
    request: &AccessRequest,
    gateway: &Gateway<'_>,
    snapshot: &Snapshot<'_>,
    clock: &Clock,
) -> Result<Permit, Denial> {
    check_request(request, gateway, snapshot, clock)?;
    check_access(&request.access, gateway, snapshot, clock)
}

/// Decides again about what was permitted before, on a new snapshot and at a new time. A long answer asks this every
/// few megabytes and seconds, so that a revocation stops it.
///
/// # Errors
/// The first rule that forbids it now.
pub fn reauthorize(
    permit: &Permit,
    gateway: &Gateway<'_>,
    snapshot: &Snapshot<'_>,
    clock: &Clock,
) -> Result<Permit, Denial> {
    check_access(&permit.access, gateway, snapshot, clock)
}

/// Whether the request is one for this gateway, made just now by who it says, and never seen before.
fn check_request(
    request: &AccessRequest,
    gateway: &Gateway<'_>,
    snapshot: &Snapshot<'_>,
    clock: &Clock,
) -> Result<(), Denial> {
    if request.chain != snapshot.chain {
        return Err(Denial::WrongChain { found: request.chain });
    }
    if request.gateway != gateway.id {
        return Err(Denial::WrongGateway { found: request.gateway });
    }
    let (time, now) = (request.time, clock.now());
    if time.saturating_add(MAX_REQUEST_AGE_SECONDS) < now || time < gateway.seen.earliest() {
        return Err(Denial::RequestTooOld { time, now });
    }
    if time > now.saturating_add(MAX_REQUEST_AHEAD_SECONDS) {
        return Err(Denial::RequestAhead { time, now });
    }
    if gateway.seen.contains(request) {
        return Err(Denial::RequestReplayed);
    }
    if gateway.seen.is_full() {
        return Err(Denial::Busy);
    }
    request.verify()
}

/// Everything but the request's own freshness.
fn check_access(
    access: &Access,
    gateway: &Gateway<'_>,
    snapshot: &Snapshot<'_>,
    clock: &Clock,
) -> Result<Permit, Denial> {
    check_snapshot(gateway.rules, snapshot, clock)?;
    let wanted = access.permission;
    if wanted.unknown_bits() != 0 || wanted.is_empty() {
        return Err(Denial::UnknownPermission { bits: wanted.0 });
    }
    let object = records::object(snapshot.state, &access.object)?.ok_or(Denial::UnknownObject)?;
    check_object(access, &object, gateway)?;
    if access.requester == object.owner {
        check_policy(access, &object, None, gateway)?;
        return Ok(Permit { access: *access, content: object.content, basis: Basis::Owner, not_after: Timestamp::MAX });
    }
    let entry = records::grant(snapshot.state, &access.object, &access.requester)?.ok_or(Denial::NoGrant)?;
    check_grant(access, &object, &entry.grant, gateway, snapshot)?;
    check_depths(&object, &entry, gateway.rules, snapshot)?;
    check_times(&entry.grant, snapshot, clock)?;
    check_policy(access, &object, Some(&entry), gateway)?;
    let Grant { position, terms, .. } = entry.grant;
    let basis = Basis::Grant { seq: position.seq, wrap_commit: terms.wrap_commit };
    Ok(Permit { access: *access, content: object.content, basis, not_after: terms.not_after })
}

/// Whether the snapshot may be relied on at all.
fn check_snapshot(rules: &GatewayRules, snapshot: &Snapshot<'_>, clock: &Clock) -> Result<(), Denial> {
    let blocks = snapshot.uncleared_reorganisation;
    if blocks > rules.max_reorganisation_depth {
        return Err(Denial::DeepReorganisation { blocks });
    }
    let (tip_time, now) = (snapshot.tip_time, clock.now());
    if tip_time.saturating_add(rules.max_tip_age_seconds) < now {
        return Err(Denial::StaleTip { tip_time, now });
    }
    Ok(())
}

fn check_object(access: &Access, object: &ObjectState, gateway: &Gateway<'_>) -> Result<(), Denial> {
    if object.deleted_at.is_some() {
        return Err(Denial::Deleted);
    }
    if object.gateway != gateway.id {
        return Err(Denial::HeldElsewhere { by: object.gateway });
    }
    if access.version != object.version {
        return Err(Denial::OtherVersion { at_hand: object.version, found: access.version });
    }
    Ok(())
}

fn check_grant(
    access: &Access,
    object: &ObjectState,
    grant: &Grant,
    gateway: &Gateway<'_>,
    snapshot: &Snapshot<'_>,
) -> Result<(), Denial> {
    let Grant { position, terms, .. } = grant;
    if !object.honours(grant) {
        return Err(Denial::GrantEnded { seq: position.seq });
    }
    // The chain has checked this once; the gateway trusts nobody's check but its own.
    let names = (position.chain, position.gateway, position.object, terms.grantee);
    if names != (snapshot.chain, gateway.id, access.object, access.requester) || grant.verify(&object.owner).is_err() {
        return Err(Denial::GrantNotTheOwners { seq: position.seq });
    }
    if let Some(by) = gateway.denials.withdrawn(&access.object, &access.requester)
        && by >= Turn::of(position)
    {
        return Err(Denial::Withdrawn { seq: position.seq, by: by.seq });
    }
    if !terms.permissions.contains(access.permission) {
        return Err(Denial::NotPermitted { granted: terms.permissions });
    }
    if terms.purpose != access.purpose {
        return Err(Denial::OtherPurpose { granted: terms.purpose });
    }
    Ok(())
}

fn check_depths(
    object: &ObjectState,
    entry: &GrantState,
    rules: &GatewayRules,
    snapshot: &Snapshot<'_>,
) -> Result<(), Denial> {
    let depth = |height: Height| match snapshot.height.checked_sub(height.0) {
        Some(above) => above.next().0,
        None => 0,
    };
    let (found, needed) = (depth(object.stored_at), rules.store_depth);
    if found < needed {
        return Err(Denial::StoreTooShallow { found, needed });
    }
    let priced = entry.grant.terms.payment.is_some();
    let needed = if priced { rules.priced_grant_depth } else { rules.grant_depth };
    let found = depth(entry.height);
    if found < needed {
        return Err(Denial::GrantTooShallow { found, needed });
    }
    Ok(())
}

fn check_times(grant: &Grant, snapshot: &Snapshot<'_>, clock: &Clock) -> Result<(), Denial> {
    let (not_before, not_after) = (grant.terms.not_before, grant.terms.not_after);
    let median_time_past = snapshot.median_time_past;
    if not_before > median_time_past {
        return Err(Denial::NotYet { not_before, median_time_past });
    }
    let now = clock.now().max(median_time_past);
    if now >= not_after {
        return Err(Denial::Over { not_after, now });
    }
    Ok(())
}

fn check_policy(
    access: &Access,
    object: &ObjectState,
    grant: Option<&GrantState>,
    gateway: &Gateway<'_>,
) -> Result<(), Denial> {
    Ok(gateway.policy.check(access, object, grant)?)
}
