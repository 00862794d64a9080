//! The program of institutions.

use health_chain_consensus::ports::{BlockContext, ExecuteError};
use health_chain_contract::ports::Program;
use health_chain_data::{
    ChainId, Genesis, Hash, Height, Kind, PublicKey, Transaction, TxId,
    codec::{self, decode},
    ports::{SignatureClaim, StoreError},
    state::{Overlay, Table},
};

use super::{
    ApplicationParameters, Approval, Authority, IdentityError, Institution, InstitutionId, KeyPeriod, ParametersError,
    Register, Retire, RotateKey, institution, parameters::check_name, period,
};
use crate::{
    kinds,
    limits::MAX_ACCREDITORS,
    tables::{INSTITUTION_KEYS, INSTITUTIONS},
};

/// Applies REGISTER, ROTATE_KEY and RETIRE.
#[derive(Debug, Clone)]
pub struct Identities {
    parameters: ApplicationParameters,
}

impl Identities {
    /// The program of a chain whose genesis document has these parameters.
    ///
    /// # Errors
    /// Where they contradict themselves.
    pub fn new(parameters: ApplicationParameters) -> Result<Self, ParametersError> {
        parameters.check()?;
        Ok(Self { parameters })
    }

    fn register(
        &self,
        state: &mut Overlay<'_>,
        register: &Register,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        check_chain(&register.chain, context)?;
        check_name(&register.name).map_err(|bytes| IdentityError::NameLength { bytes })?;
        refuse_known(state, &register.key)?;
        let message = register.message();
        claims.push(SignatureClaim { key: register.key, message, signature: register.possession });
        self.check_approvals(&register.approvals, message, claims)?;
        admit(state, &context.chain, &register.name, register.key, context.height, context.height.next());
        Ok(())
    }

    fn rotate(
        &self,
        state: &mut Overlay<'_>,
        rotation: &RotateKey,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        check_chain(&rotation.chain, context)?;
        let mut institution = active(state, &rotation.institution)?;
        check_sequence(&institution, rotation.seq)?;
        refuse_known(state, &rotation.new_key)?;
        let message = rotation.message();
        claims.push(SignatureClaim { key: rotation.new_key, message, signature: rotation.possession });
        match &rotation.authority {
            Authority::OldKey(signature) => {
                claims.push(SignatureClaim { key: institution.key, message, signature: *signature });
            }
            Authority::Accreditors(approvals) => self.check_approvals(approvals, message, claims)?,
        }
        end_period(state, &institution.key, context.height)?;
        institution.key = rotation.new_key;
        institution.seq = rotation.seq;
        put_period(state, &institution, context.height.next());
        put(state, &institution);
        Ok(())
    }

    fn retire(
        &self,
        state: &mut Overlay<'_>,
        retirement: &Retire,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        check_chain(&retirement.chain, context)?;
        let mut institution = active(state, &retirement.institution)?;
        check_sequence(&institution, retirement.seq)?;
        self.check_approvals(&retirement.approvals, retirement.message(), claims)?;
        end_period(state, &institution.key, context.height)?;
        institution.retired_at = Some(context.height);
        institution.seq = retirement.seq;
        put(state, &institution);
        Ok(())
    }

    fn check_approvals(
        &self,
        approvals: &[Approval],
        message: Hash,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), IdentityError> {
        let threshold = self.parameters.threshold;
        if approvals.len() < usize::from(threshold) {
            return Err(IdentityError::TooFewApprovals { found: approvals.len(), threshold });
        }
        if let Some(pair) = approvals.windows(2).find(|pair| pair[0].accreditor >= pair[1].accreditor) {
            return Err(IdentityError::ApprovalOrder { accreditor: pair[1].accreditor });
        }
        for Approval { accreditor, signature } in approvals.iter().copied() {
            let key = self.parameters.accreditors.get(usize::from(accreditor));
            let key = *key.ok_or(IdentityError::UnknownAccreditor { accreditor })?;
            claims.push(SignatureClaim { key, message, signature });
        }
        Ok(())
    }
}

impl Program for Identities {
    fn name(&self) -> &'static str {
        "identities"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[kinds::REGISTER, kinds::ROTATE_KEY, kinds::RETIRE]
    }

    fn tables(&self) -> &'static [Table] {
        &[INSTITUTIONS, INSTITUTION_KEYS]
    }

    fn genesis(&self, state: &mut Overlay<'_>, genesis: &Genesis) -> Result<(), ExecuteError> {
        let parameters: ApplicationParameters = genesis.section().map_err(IdentityError::Genesis)?;
        parameters.check().map_err(IdentityError::Parameters)?;
        if parameters != self.parameters {
            return Err(IdentityError::OtherAccreditors.into());
        }
        let chain = genesis.chain_id();
        for initial in &parameters.institutions {
            admit(state, &chain, &initial.name, initial.key, Height::ZERO, Height::ZERO);
        }
        Ok(())
    }

    /// What the accreditors decide is free: it takes their signatures, so its number is theirs to bound. An institution that
    /// changes its own key pays for it.
    fn is_free(&self, transaction: &Transaction) -> bool {
        matches!(transaction.kind, kinds::REGISTER | kinds::RETIRE)
    }

    fn signature_checks(&self, transaction: &Transaction) -> u32 {
        let payload = &transaction.payload;
        let approvals = match transaction.kind {
            kinds::REGISTER => decode::<Register>(payload).map(|register| register.approvals.len()),
            kinds::ROTATE_KEY => decode::<RotateKey>(payload).map(|rotation| match rotation.authority {
                Authority::OldKey(_) => 1,
                Authority::Accreditors(approvals) => approvals.len(),
            }),
            _ => decode::<Retire>(payload).map(|retirement| retirement.approvals.len()),
        };
        // One more for the key's own. What does not decode is refused before any signature is looked at.
        approvals.unwrap_or(MAX_ACCREDITORS) as u32 + 1
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
            kinds::REGISTER => self.register(state, &decode(payload).map_err(IdentityError::Payload)?, context, claims),
            kinds::ROTATE_KEY => self.rotate(state, &decode(payload).map_err(IdentityError::Payload)?, context, claims),
            kinds::RETIRE => self.retire(state, &decode(payload).map_err(IdentityError::Payload)?, context, claims),
            kind => Err(IdentityError::OtherKind { kind }.into()),
        }
    }
}

fn check_chain(chain: &ChainId, context: &BlockContext) -> Result<(), IdentityError> {
    if *chain == context.chain { Ok(()) } else { Err(IdentityError::WrongChain { found: *chain }) }
}

fn check_sequence(institution: &Institution, found: u64) -> Result<(), IdentityError> {
    let expected = institution.seq.saturating_add(1);
    if found == expected { Ok(()) } else { Err(IdentityError::Sequence { expected, found }) }
}

fn refuse_known(state: &Overlay<'_>, key: &PublicKey) -> Result<(), ExecuteError> {
    match period(state, key)? {
        Some(_) => Err(IdentityError::KeyKnown { key: *key }.into()),
        None => Ok(()),
    }
}

fn active(state: &Overlay<'_>, id: &InstitutionId) -> Result<Institution, ExecuteError> {
    let found = institution(state, id)?.ok_or(IdentityError::UnknownInstitution { institution: *id })?;
    match found.retired_at {
        Some(_) => Err(IdentityError::Retired { institution: *id }.into()),
        None => Ok(found),
    }
}

fn admit(state: &mut Overlay<'_>, chain: &ChainId, name: &str, key: PublicKey, registered_at: Height, first: Height) {
    let id = InstitutionId::of(chain, &key);
    let institution = Institution { id, name: name.into(), key, seq: 0, registered_at, retired_at: None };
    put_period(state, &institution, first);
    put(state, &institution);
}

fn put(state: &mut Overlay<'_>, institution: &Institution) {
    state.put(INSTITUTIONS, *institution.id.0.as_bytes(), codec::encode(institution));
}

fn put_period(state: &mut Overlay<'_>, institution: &Institution, first: Height) {
    let period = KeyPeriod { institution: institution.id, first, last: None };
    state.put(INSTITUTION_KEYS, *institution.key.as_bytes(), codec::encode(&period));
}

fn end_period(state: &mut Overlay<'_>, key: &PublicKey, last: Height) -> Result<(), ExecuteError> {
    let mut period = period(state, key)?.ok_or(StoreError::Damaged { table: INSTITUTION_KEYS })?;
    period.last = Some(last);
    state.put(INSTITUTION_KEYS, *key.as_bytes(), codec::encode(&period));
    Ok(())
}
