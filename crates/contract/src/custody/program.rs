//! The program of custody.

use alloc::vec::Vec;

use health_chain_consensus::ports::{BlockContext, ExecuteError};
use health_chain_data::{
    Genesis, Hash, Kind, PublicKey, Transaction, TxId,
    codec::{self, Wire},
    genesis::Parameters,
    ports::{SignatureClaim, StateView},
    state::{Overlay, Table},
};
use serde::{Deserialize, Serialize};

use super::{
    ASSIGN, Action, Assign, CATALOGUE, CONSUME, Code, Consume, CustodyError, Fate, HAND_OVER, HandOver, MAKE, Make,
    Move, Operation, Product, RECALL, Recall, STEPS, Scope, Step, UNITS, Unit, UnitId,
    operations::Signed,
    state::{Recalled, lot_key, member_key, recall_at, recalled_since, step_key},
};
use crate::{
    limits::MAX_MULTISIG_KEYS,
    notary::Dated,
    ports::Program,
    scripts::{Multisig, ScriptError},
};

/// The genesis section "custody".
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CustodyParameters {
    /// How many registrars have to sign.
    pub threshold: u8,
    /// Who says which maker a product has, no key twice.
    #[serde(deserialize_with = "codec::at_most::<MAX_MULTISIG_KEYS, _, _>")]
    pub registrars: Vec<PublicKey>,
}

impl Wire for CustodyParameters {
    const MAX_BYTES: usize = 2 + MAX_MULTISIG_KEYS * 32;
}

impl Parameters for CustodyParameters {
    const SECTION: &'static str = "custody";
}

/// The program of [`ASSIGN`], [`MAKE`], [`HAND_OVER`], [`CONSUME`] and [`RECALL`]. All but RECALL pay a fee: a recall is free, since
/// each lot and each unit is recalled once at the most, and making them cost one.
#[derive(Debug, Clone)]
pub struct Custody {
    registrars: Multisig,
}

impl Custody {
    /// The program of a chain whose genesis document has these parameters.
    ///
    /// # Errors
    /// Where registrars and threshold don't go together.
    pub fn new(parameters: CustodyParameters) -> Result<Self, ScriptError> {
        let CustodyParameters { threshold, registrars } = parameters;
        Multisig::new(usize::from(threshold), registrars).map(|registrars| Self { registrars })
    }

    fn run<O: Rules>(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        let Signed::<O> { operation, signatures } =
            codec::decode(&transaction.payload).map_err(CustodyError::Payload)?;
        let signers = operation.signers();
        let signers = match signers[..] {
            [] => self.registrars.clone(),
            [holder, ..] => Multisig::new(signers.len(), signers).map_err(|_| CustodyError::ToItself { holder })?,
        };
        let signed =
            signers.claims(&signatures, operation.message(&context.chain)).map_err(CustodyError::Signatures)?;
        operation.apply(state, Dated { height: context.height, time: context.median_time_past })?;
        claims.extend(signed);
        Ok(())
    }
}

impl Program for Custody {
    fn name(&self) -> &'static str {
        "custody"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[ASSIGN, MAKE, HAND_OVER, CONSUME, RECALL]
    }

    fn tables(&self) -> &'static [Table] {
        &[UNITS, STEPS, CATALOGUE]
    }

    fn genesis(&self, _: &mut Overlay<'_>, genesis: &Genesis) -> Result<(), ExecuteError> {
        let parameters: CustodyParameters = genesis.section().map_err(CustodyError::Genesis)?;
        let Self { registrars } = Self::new(parameters).map_err(CustodyError::Registrars)?;
        if registrars == self.registrars { Ok(()) } else { Err(CustodyError::OtherRegistrars.into()) }
    }

    fn is_free(&self, transaction: &Transaction) -> bool {
        transaction.kind == RECALL
    }

    fn signature_checks(&self, transaction: &Transaction) -> u32 {
        fn signatures<O: Operation>(payload: &[u8]) -> u32 {
            codec::decode::<Signed<O>>(payload).map_or(0, |signed| signed.signatures.len() as u32)
        }
        let payload = &transaction.payload;
        match transaction.kind {
            ASSIGN => signatures::<Assign>(payload),
            MAKE => signatures::<Make>(payload),
            HAND_OVER => signatures::<HandOver>(payload),
            CONSUME => signatures::<Consume>(payload),
            _ => signatures::<Recall>(payload),
        }
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
            ASSIGN => self.run::<Assign>(state, transaction, context, claims),
            MAKE => self.run::<Make>(state, transaction, context, claims),
            HAND_OVER => self.run::<HandOver>(state, transaction, context, claims),
            CONSUME => self.run::<Consume>(state, transaction, context, claims),
            _ => self.run::<Recall>(state, transaction, context, claims),
        }
    }
}

/// What an operation does once its signers are known. All is checked before anything is written.
trait Rules: Operation {
    fn apply(&self, state: &mut Overlay<'_>, now: Dated) -> Result<(), ExecuteError>;
}

impl Rules for Assign {
    fn apply(&self, state: &mut Overlay<'_>, _: Dated) -> Result<(), ExecuteError> {
        let expected = Custody::product(state, &self.product)?.map_or(0, |product| product.step.saturating_add(1));
        if self.step != expected {
            return Err(CustodyError::Assignment { expected, found: self.step }.into());
        }
        let product = Product { maker: self.maker, step: self.step };
        state.put(CATALOGUE, self.product.key(), codec::encode(&product));
        Ok(())
    }
}

impl Rules for Make {
    fn apply(&self, state: &mut Overlay<'_>, now: Dated) -> Result<(), ExecuteError> {
        check_order(&self.serials, |serial| serial)?;
        let units: Vec<UnitId> = self.serials.iter().map(|serial| serial.unit(&self.product)).collect();
        for unit in units.iter().copied() {
            if let Some(Unit { holder: held_by, .. }) = Custody::unit(state, &unit)? {
                return Err(CustodyError::AlreadyMade { unit, held_by, claimed_by: self.maker }.into());
            }
        }
        check_maker(state, &self.product, &self.maker)?;
        let lot = lot_key(&self.product, &self.lot);
        if let Some(since) = recall_at(state, &lot)? {
            return Err(CustodyError::Recalled { unit: units[0], since }.into());
        }
        let (product, made_in) = (self.product.clone(), self.lot.clone());
        let unit = Unit { product, lot: made_in, holder: self.maker, step: 0, fate: None };
        state.put(CATALOGUE, lot, codec::encode(&Recalled(None)));
        for id in &units {
            state.put(CATALOGUE, member_key(&unit, id), codec::encode(&Recalled(None)));
            put(state, id, &unit, Action::Made, self.document, now);
        }
        Ok(())
    }
}

impl Rules for HandOver {
    fn apply(&self, state: &mut Overlay<'_>, now: Dated) -> Result<(), ExecuteError> {
        for (id, unit) in held(state, &self.units, &self.giver)? {
            let unit = Unit { holder: self.receiver, ..unit };
            put(state, &id, &unit, Action::HandedOver, self.document, now);
        }
        Ok(())
    }
}

impl Rules for Consume {
    fn apply(&self, state: &mut Overlay<'_>, now: Dated) -> Result<(), ExecuteError> {
        let units = held(state, &self.units, &self.holder)?;
        if self.fate == Fate::Used {
            for (id, unit) in &units {
                if let Some(since) = recalled_since(state, id, unit)? {
                    return Err(CustodyError::Recalled { unit: *id, since }.into());
                }
            }
        }
        for (id, unit) in units {
            let unit = Unit { fate: Some(self.fate), ..unit };
            put(state, &id, &unit, Action::Consumed(self.fate), self.document, now);
        }
        Ok(())
    }
}

impl Rules for Recall {
    fn apply(&self, state: &mut Overlay<'_>, now: Dated) -> Result<(), ExecuteError> {
        let keys = match &self.scope {
            Scope::Lot { product, lot } => {
                check_maker(state, product, &self.maker)?;
                let key = lot_key(product, lot);
                if state.get(CATALOGUE, &key)?.is_none() {
                    return Err(CustodyError::UnknownLot { lot: lot.clone() }.into());
                }
                Vec::from([key])
            }
            Scope::Units(units) => {
                check_order(units, |unit| unit)?;
                let key = |unit: &UnitId| {
                    let known = Custody::unit(state, unit)?.ok_or(CustodyError::NothingToRecall { unit: *unit })?;
                    check_maker(state, &known.product, &self.maker)?;
                    Ok(member_key(&known, unit))
                };
                units.iter().map(key).collect::<Result<_, ExecuteError>>()?
            }
        };
        for key in &keys {
            if let Some(since) = recall_at(state, key)? {
                return Err(CustodyError::AlreadyRecalled { since }.into());
            }
        }
        for key in keys {
            state.put(CATALOGUE, key, codec::encode(&Recalled(Some(now))));
        }
        Ok(())
    }
}

/// The units that `holder` is to give away or end, each taken one step further. A copy of a serial number ends here.
fn held(state: &dyn StateView, moves: &[Move], holder: &PublicKey) -> Result<Vec<(UnitId, Unit)>, ExecuteError> {
    check_order(moves, |step| &step.unit)?;
    let taken = |Move { unit: id, step }: &Move| {
        let (unit, claimed_by, found) = (*id, *holder, *step);
        let known = Custody::unit(state, id)?.ok_or(CustodyError::UnknownUnit { unit, claimed_by })?;
        let (held_by, expected) = (known.holder, known.step.saturating_add(1));
        if known.fate.is_some() {
            return Err(CustodyError::AlreadyConsumed { unit, held_by, claimed_by }.into());
        }
        if held_by != claimed_by {
            return Err(CustodyError::NotTheHolder { unit, held_by, claimed_by }.into());
        }
        if found != expected {
            return Err(CustodyError::Step { unit, expected, found }.into());
        }
        Ok((unit, Unit { step: expected, ..known }))
    };
    moves.iter().map(taken).collect()
}

fn check_order<T, Id: Ord>(units: &[T], id: impl Fn(&T) -> &Id) -> Result<(), CustodyError> {
    if units.is_empty() {
        return Err(CustodyError::NoUnits);
    }
    if units.is_sorted_by(|left, right| id(left) < id(right)) { Ok(()) } else { Err(CustodyError::UnitOrder) }
}

fn check_maker(state: &dyn StateView, product: &Code, claimed_by: &PublicKey) -> Result<(), ExecuteError> {
    let known = Custody::product(state, product)?;
    let Product { maker: made_by, .. } =
        known.ok_or_else(|| CustodyError::UnknownProduct { product: product.clone() })?;
    if made_by == *claimed_by {
        return Ok(());
    }
    Err(CustodyError::NotTheMaker { product: product.clone(), made_by, claimed_by: *claimed_by }.into())
}

fn put(state: &mut Overlay<'_>, id: &UnitId, unit: &Unit, action: Action, document: Option<Hash>, at: Dated) {
    state.put(UNITS, id.0.as_bytes().to_vec(), codec::encode(unit));
    let step = Step { action, holder: unit.holder, document, at };
    state.put(STEPS, step_key(id, unit.step), codec::encode(&step));
}
