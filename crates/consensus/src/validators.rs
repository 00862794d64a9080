//! Who decides at which height, on chains whose engine has validators: kept in the state, so that every layer above can ask, long after
//! the fact, whether somebody was one of them.
//!
//! Sets change at the end of an epoch only. Headers are verified before their blocks, so the next set stands in the seal of an
//! epoch's last header ([`Engine::check_seal`](crate::ports::Engine::check_seal) can follow it without any state); what the state makes
//! of it is checked when that block is connected ([`Engine::succession`](crate::ports::Engine::succession)), and is then recorded here.

use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};
use core::cmp::Reverse;

use health_chain_data::{
    Height, PublicKey,
    codec::{self, Wire},
    ports::{SignatureClaim, StateView, StoreError},
    state::{self, Overlay, Table},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    limits::MAX_VALIDATORS,
    ports::{BlockContext, EvidenceCheck, ExecuteError, Offence, Rejection},
};

/// The validators of each epoch by its first height (4 bytes, big-endian), and under no key at all the chain's [`Epochs`].
pub const VALIDATORS: Table = Table(72);

/// One who decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Validator {
    /// The key that signs its votes.
    pub key: PublicKey,
    /// What its vote counts.
    pub power: u32,
}

/// When sets of validators change, and for how long they answer for what they said. All nodes of a chain have the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Epochs {
    /// Heights of one epoch; 0 where the set never changes. The first epoch begins with the block on genesis.
    pub blocks: u32,
    /// For how many heights a validator can be called to account for a statement, and so how long what it answers with stays locked.
    pub evidence_blocks: u32,
}

/// Those who decide from the first block on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Founding {
    /// When they may be replaced.
    pub epochs: Epochs,
    /// The first set.
    pub validators: Vec<Validator>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Set(#[serde(deserialize_with = "codec::at_most::<MAX_VALIDATORS, _, _>")] Vec<Validator>);

/// A [`Set`] whose keys are compared only: whether they are points would be most of the work.
#[derive(PartialEq, Serialize, Deserialize)]
struct Powers(#[serde(deserialize_with = "codec::at_most::<MAX_VALIDATORS, _, _>")] Vec<([u8; 32], u32)>);

impl Wire for Epochs {
    const MAX_BYTES: usize = 10;
}

impl Wire for Set {
    const MAX_BYTES: usize = 1 + MAX_VALIDATORS * (32 + 5);
}

impl Wire for Powers {
    const MAX_BYTES: usize = Set::MAX_BYTES;
}

impl Epochs {
    /// Whether the block at `height` is its epoch's last, whose seal names the next set.
    pub const fn is_last(self, height: Height) -> bool {
        self.blocks > 0 && height.0 > 0 && height.0.is_multiple_of(self.blocks)
    }

    /// The first height of the epoch with `height`. Genesis belongs to none; its answer is 1, too.
    pub const fn first(self, height: Height) -> Height {
        match height.0.saturating_sub(1).checked_div(self.blocks) {
            Some(epochs) => Height(epochs * self.blocks + 1),
            None => Height(1),
        }
    }

    /// The last height at which somebody still decides whom the block at `height` has removed: the end of the epoch, unless that is
    /// this very block, whose seal is about the state below it.
    pub const fn last_in_office(self, height: Height) -> Height {
        match height.0.checked_div(self.blocks) {
            Some(epochs) => Height(epochs.saturating_add(1).saturating_mul(self.blocks)),
            None => height,
        }
    }

    /// Whether a block at `now` may still call to account for a statement about `height`.
    pub const fn is_answerable(self, height: Height, now: Height) -> bool {
        now.0 < height.saturating_add(self.evidence_blocks).0
    }
}

/// The heaviest [`MAX_VALIDATORS`] of those with power, each once, in the order of their keys: a set as a seal can carry it.
pub fn ranked(candidates: impl IntoIterator<Item = Validator>) -> Vec<Validator> {
    let mut list: Vec<Validator> = candidates.into_iter().filter(|candidate| candidate.power > 0).collect();
    list.sort_by_key(|candidate| (Reverse(candidate.power), candidate.key));
    let mut seen = BTreeSet::new();
    list.retain(|candidate| seen.insert(candidate.key));
    list.truncate(MAX_VALIDATORS);
    list.sort_by_key(|validator| validator.key);
    list
}

/// The chain's epochs; `None` where its engine has no validators.
///
/// # Errors
/// Where the state can't be read.
pub fn epochs(view: &dyn StateView) -> Result<Option<Epochs>, StoreError> {
    state::read(view, VALIDATORS, &[])
}

/// Who decides on the block at `height`; `None` where that is not known yet, not known any more, or not for validators to decide.
///
/// # Errors
/// Where the state can't be read.
pub fn validators_at(view: &dyn StateView, height: Height) -> Result<Option<Vec<Validator>>, StoreError> {
    let Some(epochs) = epochs(view)?.filter(|_| height > Height::ZERO) else { return Ok(None) };
    let set: Option<Set> = state::read(view, VALIDATORS, &key(epochs.first(height)))?;
    Ok(set.map(|set| set.0))
}

/// The most power that `key` has at any height for which a block at `now` may still call it to account.
///
/// # Errors
/// Where the state can't be read.
pub fn answerable_power(view: &dyn StateView, key: &PublicKey, now: Height) -> Result<u32, StoreError> {
    let Some(epochs) = epochs(view)? else { return Ok(0) };
    let (mut most, mut last) = (0, now);
    loop {
        let first = epochs.first(last);
        let set: Option<Powers> = state::read(view, VALIDATORS, &self::key(first))?;
        let powers = set.iter().flat_map(|set| &set.0);
        most = powers.filter(|(other, _)| other == key.as_bytes()).map(|(_, power)| *power).fold(most, u32::max);
        last = Height(first.0.saturating_sub(1));
        if last == Height::ZERO || !epochs.is_answerable(last, now) {
            return Ok(most);
        }
    }
}

/// Why nobody is called to account, whatever the evidence proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The chain's engine has no validators.
    #[error("this chain's engine has no validators")]
    NoValidators,
    /// The offence is too old.
    #[error("nobody is called to account any more for what was said about height {height}")]
    TooLate {
        /// The height of the offence.
        height: Height,
    },
    /// The key did not decide at that height: what it signs is its own business.
    #[error("{offender} was no validator at height {height}")]
    NoValidator {
        /// The key.
        offender: PublicKey,
        /// The height.
        height: Height,
    },
}

impl From<AnswerError> for ExecuteError {
    fn from(error: AnswerError) -> Self {
        let rule = match error {
            AnswerError::NoValidators => "evidence-no-validators",
            AnswerError::TooLate { .. } => "evidence-too-late",
            AnswerError::NoValidator { .. } => "evidence-no-validator",
        };
        Rejection { rule, source: Box::new(error) }.into()
    }
}

/// The offence that `evidence` proves, of a validator who can still be called to account for it, and the chain's epochs. The signatures
/// that it depends on are pushed to `claims`; the caller verifies them before the outcome counts.
///
/// # Errors
/// Where it proves nothing, by a rule of [`AnswerError`], or where the state can't be read.
pub fn offence(
    view: &dyn StateView,
    check: &dyn EvidenceCheck,
    evidence: &[u8],
    context: &BlockContext,
    claims: &mut Vec<SignatureClaim>,
) -> Result<(Offence, Epochs), ExecuteError> {
    let offence = check.offence(evidence, context.chain, claims).map_err(ExecuteError::Rejected)?;
    let Offence { offender, height } = offence;
    let epochs = epochs(view)?.ok_or(AnswerError::NoValidators)?;
    if !epochs.is_answerable(height, context.height) {
        return Err(AnswerError::TooLate { height }.into());
    }
    let set = validators_at(view, height)?.unwrap_or_default();
    if set.iter().all(|validator| validator.key != offender) {
        return Err(AnswerError::NoValidator { offender, height }.into());
    }
    Ok((offence, epochs))
}

/// Writes down who decides from the first block on.
pub(crate) fn found(state: &mut Overlay<'_>, founding: &Founding) {
    state.put(VALIDATORS, [], codec::encode(&founding.epochs));
    put(state, Height(1), &founding.validators);
}

/// Writes down who decides from `first` on, and forgets the sets that answer for nothing any more.
pub(crate) fn succeed(state: &mut Overlay<'_>, first: Height, validators: &[Validator]) -> Result<(), StoreError> {
    let epochs = epochs(state)?.ok_or(StoreError::Damaged { table: VALIDATORS })?;
    put(state, first, validators);
    if let Some(expired) = expired(epochs, first) {
        state.delete(VALIDATORS, key(expired));
    }
    Ok(())
}

/// The first height of the epoch whose last statements need not be answered for from `first` on.
fn expired(epochs: Epochs, first: Height) -> Option<Height> {
    let kept = epochs.evidence_blocks.div_ceil(epochs.blocks.max(1)).saturating_add(1);
    first.checked_sub(kept.saturating_mul(epochs.blocks)).filter(|expired| *expired > Height::ZERO)
}

fn put(state: &mut Overlay<'_>, first: Height, validators: &[Validator]) {
    state.put(VALIDATORS, key(first), codec::encode(&Set(validators.to_vec())));
}

fn key(first: Height) -> [u8; 4] {
    first.0.to_be_bytes()
}
