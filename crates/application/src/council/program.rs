//! The program of the council.

use std::{fmt, sync::Arc};

use health_chain_consensus::{
    ports::{BlockContext, EvidenceCheck, ExecuteError, Offence},
    validators,
};
use health_chain_contract::ports::Program;
use health_chain_data::{
    ChainId, Genesis, Hash, Kind, PublicKey, Transaction, TxId,
    codec::{self, decode},
    ports::{SignatureClaim, StateView},
    state::{Overlay, Table},
};
use health_chain_incentive::kinds::EVIDENCE;

use super::{
    Admit, Ballot, Council, CouncilError, CouncilParameters, Founder, ParametersError, Remove, Seat, Struck, struck,
};
use crate::{
    identities::{InstitutionId, institution},
    kinds::{ADMIT_VALIDATOR, REMOVE_VALIDATOR},
    limits::MAX_SEATS,
    tables::{COUNCIL, STRUCK_KEYS},
};

/// Applies ADMIT_VALIDATOR, REMOVE_VALIDATOR and EVIDENCE on chains of a consortium. Stands behind [`crate::identities::Identities`], whose
/// institutions it seats.
pub struct CouncilProgram {
    parameters: CouncilParameters,
    evidence: Arc<dyn EvidenceCheck>,
}

impl fmt::Debug for CouncilProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CouncilProgram").field("parameters", &self.parameters).finish_non_exhaustive()
    }
}

impl CouncilProgram {
    /// The program of a chain whose genesis document has these parameters; `evidence` says what breaks the engine's rules.
    ///
    /// # Errors
    /// Where they contradict themselves.
    pub fn new(parameters: CouncilParameters, evidence: Arc<dyn EvidenceCheck>) -> Result<Self, ParametersError> {
        parameters.check()?;
        Ok(Self { parameters, evidence })
    }

    fn offence(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        let (offence, _) = validators::offence(state, &*self.evidence, &transaction.payload, context, claims)?;
        let Offence { offender, height } = offence;
        check_not_struck(state, &offender)?;
        let mut council = Council::read(state)?;
        check_not_last(&council, |seat| seat.key == offender)?;
        council.seats.retain(|seat| seat.key != offender);
        put(state, &council);
        state.put(STRUCK_KEYS, *offender.as_bytes(), codec::encode(&Struck(height)));
        Ok(())
    }
}

impl Program for CouncilProgram {
    fn name(&self) -> &'static str {
        "council"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[ADMIT_VALIDATOR, REMOVE_VALIDATOR, EVIDENCE]
    }

    fn tables(&self) -> &'static [Table] {
        &[COUNCIL, STRUCK_KEYS]
    }

    fn genesis(&self, state: &mut Overlay<'_>, genesis: &Genesis) -> Result<(), ExecuteError> {
        let parameters: CouncilParameters = genesis.section().map_err(CouncilError::Genesis)?;
        if parameters != self.parameters {
            return Err(CouncilError::OtherFounders.into());
        }
        let chain = genesis.chain_id();
        let mut council = Council::default();
        for Founder { institution: first_key, key, power } in parameters.founders {
            let institution = InstitutionId::of(&chain, &first_key);
            check_registered(state, &institution)?;
            council.seats.push(Seat { institution, key, power });
        }
        put(state, &council);
        Ok(())
    }

    /// What the council decides takes its signatures, so its number is the council's to bound; and nobody is called to account twice.
    fn is_free(&self, _: &Transaction) -> bool {
        true
    }

    fn signature_checks(&self, transaction: &Transaction) -> u32 {
        let payload = &transaction.payload;
        let ballots = match transaction.kind {
            EVIDENCE => return self.evidence.signature_checks(),
            ADMIT_VALIDATOR => decode::<Admit>(payload).map(|admit| admit.ballots.len() + 1),
            _ => decode::<Remove>(payload).map(|remove| remove.ballots.len()),
        };
        // What does not decode is refused before any signature is looked at.
        ballots.unwrap_or(MAX_SEATS) as u32
    }

    fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        _: &TxId,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        let payload = &transaction.payload;
        match transaction.kind {
            ADMIT_VALIDATOR => admit(state, &decode(payload).map_err(CouncilError::Payload)?, context, claims),
            REMOVE_VALIDATOR => remove(state, &decode(payload).map_err(CouncilError::Payload)?, context, claims),
            EVIDENCE => self.offence(state, transaction, context, claims),
            kind => Err(CouncilError::OtherKind { kind }.into()),
        }
    }
}

fn admit(
    state: &mut Overlay<'_>,
    admit: &Admit,
    context: &BlockContext,
    claims: &mut Vec<SignatureClaim>,
) -> Result<(), ExecuteError> {
    let Admit { institution, key, power, .. } = *admit;
    let mut council = next_decision(state, &admit.chain, admit.seq, context)?;
    check_registered(state, &institution)?;
    check_not_struck(state, &key)?;
    if power == 0 {
        return Err(CouncilError::NoPower.into());
    }
    if council.seats.iter().any(|seat| seat.institution == institution || seat.key == key) {
        return Err(CouncilError::Seated { institution, key }.into());
    }
    if council.seats.len() == MAX_SEATS {
        return Err(CouncilError::Full.into());
    }
    let message = admit.message();
    claims.push(SignatureClaim { key, message, signature: admit.possession });
    check_ballots(&council, &admit.ballots, message, claims)?;
    council.seq = admit.seq;
    council.seats.push(Seat { institution, key, power });
    put(state, &council);
    Ok(())
}

fn remove(
    state: &mut Overlay<'_>,
    remove: &Remove,
    context: &BlockContext,
    claims: &mut Vec<SignatureClaim>,
) -> Result<(), ExecuteError> {
    let institution = remove.institution;
    let mut council = next_decision(state, &remove.chain, remove.seq, context)?;
    let seat = council.seats.iter().position(|seat| seat.institution == institution);
    let seat = seat.ok_or(CouncilError::NotSeated { institution })?;
    check_not_last(&council, |seat| seat.institution == institution)?;
    check_ballots(&council, &remove.ballots, remove.message(), claims)?;
    council.seq = remove.seq;
    council.seats.remove(seat);
    put(state, &council);
    Ok(())
}

fn next_decision(
    state: &Overlay<'_>,
    chain: &ChainId,
    found: u64,
    context: &BlockContext,
) -> Result<Council, ExecuteError> {
    if *chain != context.chain {
        return Err(CouncilError::WrongChain { found: *chain }.into());
    }
    let council = Council::read(state)?;
    let expected = council.seq.saturating_add(1);
    if found == expected { Ok(council) } else { Err(CouncilError::Sequence { expected, found }.into()) }
}

fn check_ballots(
    council: &Council,
    ballots: &[Ballot],
    message: Hash,
    claims: &mut Vec<SignatureClaim>,
) -> Result<(), CouncilError> {
    if let Some(pair) = ballots.windows(2).find(|pair| pair[0].seat >= pair[1].seat) {
        return Err(CouncilError::BallotOrder { seat: pair[1].seat });
    }
    let mut found = 0;
    for Ballot { seat, signature } in ballots.iter().copied() {
        let Seat { key, power, .. } = *council.seats.get(usize::from(seat)).ok_or(CouncilError::NoSeat { seat })?;
        found += u64::from(power);
        claims.push(SignatureClaim { key, message, signature });
    }
    if found >= council.quorum() { Ok(()) } else { Err(CouncilError::Quorum { found, total: council.power() }) }
}

/// Somebody has to be left who can seat others.
fn check_not_last(council: &Council, leaves: impl Fn(&Seat) -> bool) -> Result<(), CouncilError> {
    let stays = |seat: &Seat| seat.power > 0 && !leaves(seat);
    if council.seats.iter().any(stays) { Ok(()) } else { Err(CouncilError::LastSeat) }
}

fn check_registered(view: &dyn StateView, id: &InstitutionId) -> Result<(), ExecuteError> {
    match institution(view, id)? {
        Some(institution) if institution.retired_at.is_none() => Ok(()),
        _ => Err(CouncilError::NoInstitution { institution: *id }.into()),
    }
}

fn check_not_struck(view: &dyn StateView, key: &PublicKey) -> Result<(), ExecuteError> {
    match struck(view, key)? {
        Some(height) => Err(CouncilError::Struck { key: *key, height }.into()),
        None => Ok(()),
    }
}

fn put(state: &mut Overlay<'_>, council: &Council) {
    state.put(COUNCIL, [], codec::encode(council));
}
