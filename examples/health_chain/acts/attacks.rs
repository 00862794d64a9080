//! What cheats try, and the rule that each of them breaks.

use health_chain::{
    application::{
        flows::{Log, OpenRecordError},
        payload::Payload,
        records::{Grant, OwnerSigned},
    },
    data::{Timestamp, Transaction, codec},
};

use super::{
    Cast,
    records::{Shared, open_as, share_with_clinic},
};
use crate::{
    Failure, ensure,
    people::FEE,
    report::Report,
    setup::{entropy, fresh_key},
};

/// Each is refused with its rule's name.
pub(crate) fn cheat(cast: &Cast, shared: &Shared, report: &mut Report) -> Result<(), Failure> {
    flip_a_byte(cast, shared, report)?;
    replay_a_grant(cast, shared, report)?;
    grant_as_a_stranger(cast, shared, report)?;
    extend_an_expiry(cast, shared, report)
}

fn flip_a_byte(cast: &Cast, shared: &Shared, report: &mut Report) -> Result<(), Failure> {
    report.step("a flipped byte is refused");
    let mut sealed = shared.sealed.clone();
    let middle = sealed.len() / 2;
    sealed[middle] ^= 1;
    let refused = open_as(&cast.institute, shared.object, &shared.opened, &sealed);
    let error = refused.err().ok_or("a flipped byte must be noticed")?;
    let is_other_content = matches!(error.downcast_ref(), Some(OpenRecordError::OtherContent { .. }));
    ensure(is_other_content, &format!("the rule is that of the tree hash, and not: {error}"))?;
    report.done("not the tree hash on the chain", None);
    Ok(())
}

/// The grant as it stands on the chain, in a transaction that is paid for anew.
fn replay_a_grant(cast: &Cast, shared: &Shared, report: &mut Report) -> Result<(), Failure> {
    report.step("a replayed grant is refused");
    let mut again = shared.grant.clone();
    again.inputs.clear();
    again.witnesses.clear();
    again.outputs.truncate(1);
    refuse(cast, again, "record-replayed", report)
}

/// Somebody else grants the patient's record.
fn grant_as_a_stranger(cast: &Cast, shared: &Shared, report: &mut Report) -> Result<(), Failure> {
    report.step("a stranger's grant is refused");
    let grant: Grant = codec::decode(&shared.grant.payload)?;
    let object = shared.object;
    let position =
        cast.patient.look(move |chain, _| Ok(*Log::open(chain.state(), chain.chain_id(), object)?.next()))?;
    let terms = health_chain::application::records::GrantTerms { payment: None, ..grant.terms };
    let forged = Grant::sign(position, terms, &fresh_key()?, &entropy()?)?;
    refuse(cast, forged.transaction(), "false-signature", report)
}

/// A grant that the patient has signed, with another end.
fn extend_an_expiry(cast: &Cast, shared: &Shared, report: &mut Report) -> Result<(), Failure> {
    report.step("an extended expiry is refused");
    let mut grant = share_with_clinic(cast, shared)?.operation;
    grant.terms.not_after = Timestamp(grant.terms.not_after.0 + 365 * 24 * 60 * 60);
    ensure(grant.signature() != &health_chain::data::Signature([0; 64]), "the patient has signed it")?;
    refuse(cast, grant.transaction(), "false-signature", report)
}

fn refuse(cast: &Cast, transaction: Transaction, expected: &str, report: &mut Report) -> Result<(), Failure> {
    let funded = cast.institute.fund(&cast.network, transaction)?;
    let rule = cast.institute.rule_against(funded.clone())?;
    // Its coins are free again.
    cast.institute.wallet().release(&funded);
    ensure(rule == expected, &format!("the rule is {expected}, and not {rule} (fee {})", FEE))?;
    report.done(rule, None);
    Ok(())
}
