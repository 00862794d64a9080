//! What the chain knows about records, and how it is asked.

use health_chain_data::{
    Hash, Height, ObjectId, PublicKey,
    codec::{self, Wire},
    ports::{StateView, StoreError},
    state::{Overlay, read},
};
use serde::{Deserialize, Serialize};

use super::{Content, GatewayId, Grant};
use crate::{
    identities::InstitutionId,
    tables::{GRANTS, ISSUES, OBJECTS},
};

/// An object, as it stands now. Kept after deletion, too, so that its id is never used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ObjectState {
    /// Whose it is.
    pub owner: PublicKey,
    /// How often it has changed hands.
    pub owner_epoch: u32,
    /// The version at hand.
    pub version: u32,
    /// How often all grants have been withdrawn at once.
    pub epoch: u32,
    /// Operations so far after STORE; the next one carries the number after it.
    pub seq: u64,
    /// The sealed version at hand.
    pub content: Content,
    /// The gateway that holds it.
    pub gateway: GatewayId,
    /// Height of the block that recorded this version.
    pub stored_at: Height,
    /// Height of the block that deleted the object.
    pub deleted_at: Option<Height>,
    /// Grants that could be withdrawn.
    pub live_grants: u32,
}

impl ObjectState {
    /// Whether `grant` is one that this object still honours: of this owner, version and epoch, and the object is there.
    pub fn honours(&self, grant: &Grant) -> bool {
        let position = &grant.position;
        self.deleted_at.is_none()
            && (position.owner_epoch, position.version, position.epoch) == (self.owner_epoch, self.version, self.epoch)
    }
}

/// A grant, as its owner signed it. Entries of earlier versions, epochs and owners stay behind without effect
/// ([`ObjectState::honours`]), because withdrawing them all must not cost more with their number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GrantState {
    /// The grant with the owner's signature.
    pub grant: Grant,
    /// Height of the block that recorded it.
    pub height: Height,
}

/// A root that an institution has issued.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IssueState {
    /// The institution.
    pub institution: InstitutionId,
    /// The key that signed.
    pub issuer: PublicKey,
    /// Attestations under the root.
    pub count: u32,
    /// Height of the block that recorded it.
    pub height: Height,
}

impl Wire for ObjectState {
    const MAX_BYTES: usize = 32 + 3 * 5 + 10 + (64 + 10) + 32 + 5 + 6 + 5;
}

impl Wire for GrantState {
    const MAX_BYTES: usize = 512;
}

impl Wire for IssueState {
    const MAX_BYTES: usize = 64 + 5 + 5;
}

/// An object by its id.
///
/// # Errors
/// Where the state can't be read.
pub fn object(view: &dyn StateView, id: &ObjectId) -> Result<Option<ObjectState>, StoreError> {
    read(view, OBJECTS, id.as_bytes())
}

/// The last grant of an object to `grantee` that was not withdrawn one by one; whether it is still in force says
/// [`ObjectState::honours`].
///
/// # Errors
/// Where the state can't be read.
pub fn grant(view: &dyn StateView, id: &ObjectId, grantee: &PublicKey) -> Result<Option<GrantState>, StoreError> {
    read(view, GRANTS, &grant_key(id, grantee))
}

/// The grants in force for an object, in ascending order of their grantees' keys.
///
/// # Errors
/// Where the state can't be read.
pub fn grants(view: &dyn StateView, id: &ObjectId) -> Result<Vec<GrantState>, StoreError> {
    let Some(object) = object(view, id)? else { return Ok(Vec::new()) };
    let mut found = all_grants(view, id)?;
    found.retain(|entry| object.honours(&entry.grant));
    Ok(found)
}

/// Commitments to the wrapped keys of all grants that were not withdrawn one by one, in force or not.
pub(crate) fn wrap_commits(view: &dyn StateView, id: &ObjectId) -> Result<Vec<Hash>, StoreError> {
    Ok(all_grants(view, id)?.into_iter().map(|entry| entry.grant.terms.wrap_commit).collect())
}

fn all_grants(view: &dyn StateView, id: &ObjectId) -> Result<Vec<GrantState>, StoreError> {
    let (mut found, mut damaged) = (Vec::new(), false);
    view.scan(GRANTS, id.as_bytes(), &mut |_, value| match codec::decode(value) {
        Ok(entry) => {
            found.push(entry);
            true
        }
        Err(_) => {
            damaged = true;
            false
        }
    })?;
    if damaged { Err(StoreError::Damaged { table: GRANTS }) } else { Ok(found) }
}

/// An issued root.
///
/// # Errors
/// Where the state can't be read.
pub fn issue(view: &dyn StateView, root: &Hash) -> Result<Option<IssueState>, StoreError> {
    read(view, ISSUES, root.as_bytes())
}

pub(super) fn put_object(state: &mut Overlay<'_>, id: &ObjectId, object: &ObjectState) {
    state.put(OBJECTS, *id.as_bytes(), codec::encode(object));
}

pub(super) fn put_grant(state: &mut Overlay<'_>, entry: &GrantState) {
    let Grant { position, terms, .. } = &entry.grant;
    state.put(GRANTS, grant_key(&position.object, &terms.grantee), codec::encode(entry));
}

pub(super) fn delete_grant(state: &mut Overlay<'_>, id: &ObjectId, grantee: &PublicKey) {
    state.delete(GRANTS, grant_key(id, grantee));
}

pub(super) fn put_issue(state: &mut Overlay<'_>, root: &Hash, issue: &IssueState) {
    state.put(ISSUES, *root.as_bytes(), codec::encode(issue));
}

fn grant_key(id: &ObjectId, grantee: &PublicKey) -> [u8; 64] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(id.as_bytes());
    key[32..].copy_from_slice(grantee.as_bytes());
    key
}
