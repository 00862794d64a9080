//! The program of records.

use health_chain_consensus::ports::{BlockContext, ExecuteError};
use health_chain_contract::ports::Program;
use health_chain_data::{
    Genesis, Kind, ObjectId, PublicKey, Transaction, TxId,
    codec::{Wire, decode},
    ports::SignatureClaim,
    state::{Overlay, Table},
};

use super::{
    Delete, Grant, GrantState, Issue, IssueState, NewVersion, ObjectState, OwnerSigned, Position, RecordError, Revoke,
    RevokeAll, RotateOwner, Store, grant, issue, object, object_id, payment_hash,
    state::{delete_grant, put_grant, put_issue, put_object},
};
use crate::{
    identities::{institution_key_at, institution_of_key},
    kinds,
    limits::MAX_ATTESTATIONS,
    tables::{GRANTS, ISSUES, OBJECTS},
};

/// Applies ISSUE, STORE, GRANT, REVOKE, REVOKE_ALL, NEW_VERSION, ROTATE_OWNER and DELETE. Needs
/// [`Identities`](crate::identities::Identities) beside it, which says who may issue.
#[derive(Debug, Clone, Copy, Default)]
pub struct Records;

impl Program for Records {
    fn name(&self) -> &'static str {
        "records"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[
            kinds::ISSUE,
            kinds::STORE,
            kinds::GRANT,
            kinds::REVOKE,
            kinds::REVOKE_ALL,
            kinds::NEW_VERSION,
            kinds::ROTATE_OWNER,
            kinds::DELETE,
        ]
    }

    fn tables(&self) -> &'static [Table] {
        &[OBJECTS, GRANTS, ISSUES]
    }

    fn genesis(&self, _: &mut Overlay<'_>, _: &Genesis) -> Result<(), ExecuteError> {
        Ok(())
    }

    /// What withdraws is free: each takes a live grant with it, and making one costs a fee.
    fn is_free(&self, transaction: &Transaction) -> bool {
        match transaction.kind {
            kinds::REVOKE | kinds::REVOKE_ALL => true,
            kinds::GRANT => decode::<Grant>(&transaction.payload).is_ok_and(|grant| grant.terms.permissions.is_empty()),
            _ => false,
        }
    }

    fn signature_checks(&self, transaction: &Transaction) -> u32 {
        if transaction.kind == kinds::ROTATE_OWNER { 2 } else { 1 }
    }

    fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        _: &TxId,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        match transaction.kind {
            kinds::ISSUE => apply_issue(state, &payload(transaction)?, context, claims),
            kinds::STORE => apply_store(state, &payload(transaction)?, context, claims),
            kinds::GRANT => apply_grant(state, &payload(transaction)?, transaction, context, claims),
            kinds::REVOKE => apply_revoke(state, &payload(transaction)?, context, claims),
            kinds::REVOKE_ALL => apply_revoke_all(state, &payload(transaction)?, context, claims),
            kinds::NEW_VERSION => apply_new_version(state, &payload(transaction)?, context, claims),
            kinds::ROTATE_OWNER => apply_rotate_owner(state, &payload(transaction)?, context, claims),
            kinds::DELETE => apply_delete(state, &payload(transaction)?, context, claims),
            kind => Err(RecordError::OtherKind { kind }.into()),
        }
    }
}

fn payload<T: Wire>(transaction: &Transaction) -> Result<T, RecordError> {
    Ok(decode(&transaction.payload)?)
}

fn apply_issue(
    state: &mut Overlay<'_>,
    operation: &Issue,
    context: &BlockContext,
    claims: &mut Vec<SignatureClaim>,
) -> Result<(), ExecuteError> {
    let Issue { chain, root, count, issuer, signature } = *operation;
    if chain != context.chain {
        return Err(RecordError::WrongChain { found: chain }.into());
    }
    if !(1..=MAX_ATTESTATIONS).contains(&count) {
        return Err(RecordError::RootSize { count }.into());
    }
    let Some(institution) = institution_key_at(state, &issuer, context.height)? else {
        let known = institution_of_key(state, &issuer)?.is_some();
        let error = if known { RecordError::InactiveIssuer { issuer } } else { RecordError::UnknownIssuer { issuer } };
        return Err(error.into());
    };
    if issue(state, &root)?.is_some() {
        return Err(RecordError::RootExists { root }.into());
    }
    claims.push(SignatureClaim { key: issuer, message: operation.message(), signature });
    put_issue(state, &root, &IssueState { institution: institution.id, issuer, count, height: context.height });
    Ok(())
}

fn apply_store(
    state: &mut Overlay<'_>,
    operation: &Store,
    context: &BlockContext,
    claims: &mut Vec<SignatureClaim>,
) -> Result<(), ExecuteError> {
    let Store { position, owner, nonce, content, .. } = *operation;
    if position.chain != context.chain {
        return Err(RecordError::WrongChain { found: position.chain }.into());
    }
    let expected = object_id(&context.chain, &owner, &nonce);
    if position.object != expected {
        return Err(RecordError::ForeignObject { expected, found: position.object }.into());
    }
    if object(state, &position.object)?.is_some() {
        return Err(RecordError::ObjectExists { object: position.object }.into());
    }
    content.check()?;
    let first = ObjectState {
        owner,
        owner_epoch: 0,
        version: super::FIRST_VERSION,
        epoch: 0,
        seq: 0,
        content,
        gateway: position.gateway,
        stored_at: context.height,
        deleted_at: None,
        live_grants: 0,
    };
    check_counters(&position, &first, 0)?;
    claim(operation, &owner, claims);
    put_object(state, &position.object, &first);
    Ok(())
}

fn apply_grant(
    state: &mut Overlay<'_>,
    operation: &Grant,
    transaction: &Transaction,
    context: &BlockContext,
    claims: &mut Vec<SignatureClaim>,
) -> Result<(), ExecuteError> {
    let terms = &operation.terms;
    let mut object = admit(state, operation, context, claims)?;
    terms.check(context.median_time_past)?;
    if terms.permissions.is_empty() {
        return withdraw(state, object, &operation.position, &terms.grantee);
    }
    if let Some(payment) = terms.payment
        && !transaction.outputs.iter().any(|output| payment_hash(output) == payment)
    {
        return Err(RecordError::NotPaid { payment }.into());
    }
    if !is_live(state, &object, &operation.position.object, &terms.grantee)? {
        object.live_grants = object.live_grants.checked_add(1).ok_or(RecordError::CounterExhausted)?;
    }
    put_grant(state, &GrantState { grant: *operation, height: context.height });
    put_object(state, &operation.position.object, &object);
    Ok(())
}

fn apply_revoke(
    state: &mut Overlay<'_>,
    operation: &Revoke,
    context: &BlockContext,
    claims: &mut Vec<SignatureClaim>,
) -> Result<(), ExecuteError> {
    let object = admit(state, operation, context, claims)?;
    withdraw(state, object, &operation.position, &operation.grantee)
}

fn apply_revoke_all(
    state: &mut Overlay<'_>,
    operation: &RevokeAll,
    context: &BlockContext,
    claims: &mut Vec<SignatureClaim>,
) -> Result<(), ExecuteError> {
    let mut object = admit(state, operation, context, claims)?;
    if object.live_grants == 0 {
        return Err(RecordError::NothingToRevoke.into());
    }
    object.epoch = object.epoch.checked_add(1).ok_or(RecordError::CounterExhausted)?;
    object.live_grants = 0;
    put_object(state, &operation.position.object, &object);
    Ok(())
}

fn apply_new_version(
    state: &mut Overlay<'_>,
    operation: &NewVersion,
    context: &BlockContext,
    claims: &mut Vec<SignatureClaim>,
) -> Result<(), ExecuteError> {
    let mut object = admit(state, operation, context, claims)?;
    let NewVersion { content, supersedes, gateway, .. } = *operation;
    let expected = object.content.commitment;
    if supersedes != expected {
        return Err(RecordError::WrongSupersedes { expected, found: supersedes }.into());
    }
    if content.ct_root == object.content.ct_root {
        return Err(RecordError::SameContent.into());
    }
    content.check()?;
    object.version = object.version.checked_add(1).ok_or(RecordError::CounterExhausted)?;
    object.content = content;
    object.gateway = gateway;
    object.stored_at = context.height;
    object.live_grants = 0;
    put_object(state, &operation.position.object, &object);
    Ok(())
}

fn apply_rotate_owner(
    state: &mut Overlay<'_>,
    operation: &RotateOwner,
    context: &BlockContext,
    claims: &mut Vec<SignatureClaim>,
) -> Result<(), ExecuteError> {
    let mut object = admit(state, operation, context, claims)?;
    let RotateOwner { new_owner, acceptance, .. } = *operation;
    if new_owner == object.owner {
        return Err(RecordError::SameOwner.into());
    }
    claims.push(SignatureClaim { key: new_owner, message: operation.message(), signature: acceptance });
    object.owner = new_owner;
    object.owner_epoch = object.owner_epoch.checked_add(1).ok_or(RecordError::CounterExhausted)?;
    object.live_grants = 0;
    put_object(state, &operation.position.object, &object);
    Ok(())
}

fn apply_delete(
    state: &mut Overlay<'_>,
    operation: &Delete,
    context: &BlockContext,
    claims: &mut Vec<SignatureClaim>,
) -> Result<(), ExecuteError> {
    let mut object = admit(state, operation, context, claims)?;
    object.deleted_at = Some(context.height);
    object.live_grants = 0;
    put_object(state, &operation.position.object, &object);
    Ok(())
}

/// What every operation after STORE has to pass. Returns the object with the operation's sequence number taken.
fn admit<T: OwnerSigned>(
    state: &Overlay<'_>,
    operation: &T,
    context: &BlockContext,
    claims: &mut Vec<SignatureClaim>,
) -> Result<ObjectState, ExecuteError> {
    let position = operation.position();
    if position.chain != context.chain {
        return Err(RecordError::WrongChain { found: position.chain }.into());
    }
    let id = position.object;
    let mut object = object(state, &id)?.ok_or(RecordError::UnknownObject { object: id })?;
    if object.deleted_at.is_some() {
        return Err(RecordError::Deleted { object: id }.into());
    }
    let next = object.seq.checked_add(1).ok_or(RecordError::CounterExhausted)?;
    check_counters(position, &object, next)?;
    claim(operation, &object.owner, claims);
    object.seq = next;
    Ok(object)
}

fn check_counters(position: &Position, object: &ObjectState, expected: u64) -> Result<(), RecordError> {
    let found = position.seq;
    if found < expected {
        return Err(RecordError::Replayed { expected, found });
    }
    if found > expected {
        return Err(RecordError::Skipped { expected, found });
    }
    if position.gateway != object.gateway {
        return Err(RecordError::WrongGateway { expected: object.gateway, found: position.gateway });
    }
    let (expected, found) = (object.owner_epoch, position.owner_epoch);
    if found != expected {
        return Err(RecordError::WrongOwnerEpoch { expected, found });
    }
    let (expected, found) = (object.version, position.version);
    if found != expected {
        return Err(RecordError::WrongVersion { expected, found });
    }
    let (expected, found) = (object.epoch, position.epoch);
    if found != expected {
        return Err(RecordError::WrongEpoch { expected, found });
    }
    Ok(())
}

fn claim<T: OwnerSigned>(operation: &T, owner: &PublicKey, claims: &mut Vec<SignatureClaim>) {
    claims.push(SignatureClaim { key: *owner, message: operation.message(), signature: *operation.signature() });
}

fn withdraw(
    state: &mut Overlay<'_>,
    mut object: ObjectState,
    position: &Position,
    grantee: &PublicKey,
) -> Result<(), ExecuteError> {
    if !is_live(state, &object, &position.object, grantee)? {
        return Err(RecordError::NothingToRevoke.into());
    }
    object.live_grants = object.live_grants.checked_sub(1).ok_or(RecordError::NothingToRevoke)?;
    delete_grant(state, &position.object, grantee);
    put_object(state, &position.object, &object);
    Ok(())
}

fn is_live(
    state: &Overlay<'_>,
    object: &ObjectState,
    id: &ObjectId,
    grantee: &PublicKey,
) -> Result<bool, ExecuteError> {
    Ok(grant(state, id, grantee)?.is_some_and(|entry| object.honours(&entry.grant)))
}
