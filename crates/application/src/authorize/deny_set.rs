//! Revocations seen anywhere, kept for good.

use std::{collections::BTreeMap, mem};

use health_chain_data::{
    Block, ChainId, Hash, ObjectId, PublicKey, Signature, Transaction,
    codec::{decode, encode},
    ports::{StateView, StoreError},
    state::Changes,
};
use thiserror::Error;

use crate::{
    kinds,
    limits::{MAX_DENIALS_PER_OBJECT, MAX_PENDING_OPERATIONS, MAX_UNPLACED_WITHDRAWALS},
    records::{self, Delete, Grant, NewVersion, OwnerSigned, Position, RecordError, Revoke, RevokeAll, RotateOwner},
    tables::{DENIALS, UNPLACED_WITHDRAWALS},
};

/// Every revocation that this gateway has seen with its owner's signature: in a block at any depth, on a branch that was
/// left, in the mempool, or pushed to it. One sight denies for good; only a grant that the owner signs afterwards, with a higher
/// sequence number, counts again. No reorganisation changes it.
///
/// A block may carry a withdrawal from an object that the state at hand does not know, or knows with another owner: on a branch that is
/// not connected, or behind an operation of the same block. It is kept aside, and looked at again whenever the tip has moved.
///
/// Bounded: per object there is one number for the whole, and one for each of at most [`MAX_DENIALS_PER_OBJECT`]
/// grantees. Where an owner signs revocations for more, the whole object is denied.
#[derive(Debug, Clone, Default)]
pub struct DenySet {
    objects: BTreeMap<ObjectId, BTreeMap<Scope, Turn>>,
    /// Withdrawals that have found no object, in the order in which they were seen.
    unplaced: BTreeMap<u64, Transaction>,
    /// Those of the block that was observed last.
    held: Vec<Transaction>,
    /// Entries that stand in memory only, because they could not be written.
    unwritten: Changes,
}

/// Whose access a revocation ends: one grantee's, or everybody's.
type Scope = Option<PublicKey>;

/// When in an object's log a revocation stands. Ordered by owners first, so that what an owner signed, whatever its number, never
/// withdraws what a later owner grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// How often the object had changed hands.
    pub owner_epoch: u32,
    /// The sequence number.
    pub seq: u64,
}

impl Turn {
    /// When an operation at `position` stands.
    pub const fn of(position: &Position) -> Self {
        Self { owner_epoch: position.owner_epoch, seq: position.seq }
    }
}

/// Why a revocation was not taken in.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ObserveError {
    /// It is not the owner's word about an object that this chain knows.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The state can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DenySet {
    /// Reads what has been kept.
    ///
    /// # Errors
    /// Where the table can't be read or is damaged.
    pub fn load(view: &dyn StateView) -> Result<Self, StoreError> {
        let (mut objects, mut whole) = (BTreeMap::<_, BTreeMap<_, _>>::new(), true);
        view.scan(DENIALS, &[], &mut |key, value| {
            match entry(key, value) {
                Some((object, scope, turn)) => drop(objects.entry(object).or_default().insert(scope, turn)),
                None => whole = false,
            }
            whole
        })?;
        let mut unplaced = BTreeMap::new();
        view.scan(UNPLACED_WITHDRAWALS, &[], &mut |key, value| {
            match (key.try_into().map(u64::from_be_bytes), decode(value)) {
                (Ok(number), Ok(transaction)) => drop(unplaced.insert(number, transaction)),
                _ => whole = false,
            }
            whole
        })?;
        if whole {
            Ok(Self { objects, unplaced, ..Self::default() })
        } else {
            Err(StoreError::Damaged { table: DENIALS })
        }
    }

    /// Takes in a transaction seen anywhere, whatever its depth, if it ends grants: REVOKE, REVOKE_ALL, NEW_VERSION, ROTATE_OWNER,
    /// DELETE, or a GRANT of nothing. Others are passed over. It denies at once; [`DenySet::write`] makes it durable, and only then
    /// may it be acknowledged. `view` is a state in which the object is known: that of the tip, or of the block that carried the
    /// revocation. Says whether anything is denied that was not before.
    ///
    /// # Errors
    /// Where the operation is not the word of its object's owner, or `view` can't be read.
    pub fn observe(
        &mut self,
        transaction: &Transaction,
        chain: &ChainId,
        view: &dyn StateView,
    ) -> Result<bool, ObserveError> {
        let Some(withdrawal) = Withdrawal::read(transaction)? else { return Ok(false) };
        withdrawal.check(chain, view)?;
        Ok(self.insert(&withdrawal))
    }

    /// Whether the transaction says that it ends grants, be it true or not.
    pub fn concerns(transaction: &Transaction) -> bool {
        matches!(Withdrawal::read(transaction), Ok(Some(_)))
    }

    /// Whether all that the transaction could withdraw is denied already.
    pub fn covers(&self, transaction: &Transaction) -> bool {
        let Ok(Some(withdrawal)) = Withdrawal::read(transaction) else { return true };
        let scopes = self.objects.get(&withdrawal.position.object);
        let known = scopes.and_then(|scopes| scopes.get(&None).max(scopes.get(&withdrawal.scope)));
        known.is_some_and(|known| *known >= Turn::of(&withdrawal.position))
    }

    /// As [`DenySet::observe`], for all transactions of a block on whatever branch. Withdrawals that are not the word of an owner in `view`
    /// may be one's on the block's own branch: they are held until the block is taken ([`DenySet::keep_unplaced`]).
    ///
    /// # Errors
    /// Where `view` can't be read.
    pub fn observe_block(&mut self, block: &Block, chain: &ChainId, view: &dyn StateView) -> Result<(), StoreError> {
        self.held.clear();
        for transaction in block.transactions() {
            match self.observe(transaction, chain, view) {
                Err(ObserveError::Record(error)) if may_find_its_object(&error) => self.held.push(transaction.clone()),
                Err(ObserveError::Store(error)) => return Err(error),
                Ok(_) | Err(ObserveError::Record(_)) => {}
            }
        }
        Ok(())
    }

    /// The block that was observed last has been taken, so its header at least is sound: what of it has found no object is kept, the
    /// latest [`MAX_UNPLACED_WITHDRAWALS`]. To push one out thus takes as many in sealed blocks.
    pub fn keep_unplaced(&mut self) {
        for transaction in mem::take(&mut self.held) {
            if self.unplaced.values().any(|known| *known == transaction) {
                continue;
            }
            if self.unplaced.len() >= MAX_UNPLACED_WITHDRAWALS
                && let Some((oldest, _)) = self.unplaced.pop_first()
            {
                self.unwritten.delete(UNPLACED_WITHDRAWALS, oldest.to_be_bytes());
            }
            let number = self.unplaced.last_key_value().map_or(0, |(last, _)| last + 1);
            self.unwritten.put(UNPLACED_WITHDRAWALS, number.to_be_bytes(), encode(&transaction));
            self.unplaced.insert(number, transaction);
        }
    }

    /// Looks again at what has found no object, in the state `view` at a new tip.
    ///
    /// # Errors
    /// Where `view` can't be read; then all that has not been looked at is kept.
    pub fn place(&mut self, chain: &ChainId, view: &dyn StateView) -> Result<(), StoreError> {
        let numbers: Vec<u64> = self.unplaced.keys().copied().collect();
        for number in numbers {
            let transaction = self.unplaced[&number].clone();
            match self.observe(&transaction, chain, view) {
                Ok(_) => {
                    self.unplaced.remove(&number);
                    self.unwritten.delete(UNPLACED_WITHDRAWALS, number.to_be_bytes());
                }
                Err(ObserveError::Record(_)) => {}
                Err(ObserveError::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Hands what has not been written yet to `commit`, which must make it durable (node-local tables).
    ///
    /// # Errors
    /// Where `commit` fails. What could not be written denies nevertheless, as long as this process lives, and is handed over
    /// again the next time; it must not be acknowledged.
    pub fn write(&mut self, commit: impl FnOnce(&Changes) -> Result<(), StoreError>) -> Result<(), StoreError> {
        if !self.unwritten.is_empty() {
            commit(&self.unwritten)?;
            self.unwritten = Changes::default();
        }
        Ok(())
    }

    /// The last revocation that concerns `grantee`'s access to `object`. Grants up to it are void.
    pub fn withdrawn(&self, object: &ObjectId, grantee: &PublicKey) -> Option<Turn> {
        let scopes = self.objects.get(object)?;
        scopes.get(&None).max(scopes.get(&Some(*grantee))).copied()
    }

    fn insert(&mut self, withdrawal: &Withdrawal) -> bool {
        let (object, turn) = (withdrawal.position.object, Turn::of(&withdrawal.position));
        let scopes = self.objects.entry(object).or_default();
        let crowded = scopes.len() >= MAX_DENIALS_PER_OBJECT && !scopes.contains_key(&withdrawal.scope);
        let scope = if crowded { None } else { withdrawal.scope };
        if scopes.get(&scope).is_some_and(|known| *known >= turn) {
            return false;
        }
        scopes.insert(scope, turn);
        self.unwritten.put(DENIALS, key(&object, &scope), value(&turn));
        true
    }
}

/// Whether a withdrawal refused in one state may be its object's owner's word in another.
const fn may_find_its_object(error: &RecordError) -> bool {
    matches!(
        error,
        RecordError::UnknownObject { .. } | RecordError::WrongOwnerEpoch { .. } | RecordError::NotTheOwner { .. }
    )
}

/// What all operations that withdraw have in common.
struct Withdrawal {
    position: Position,
    scope: Scope,
    message: Hash,
    signature: Signature,
}

impl Withdrawal {
    fn read(transaction: &Transaction) -> Result<Option<Self>, RecordError> {
        let payload = &transaction.payload;
        Ok(match transaction.kind {
            kinds::REVOKE => {
                let revoke: Revoke = decode(payload)?;
                Some(Self::of(&revoke, Some(revoke.grantee)))
            }
            kinds::REVOKE_ALL => Some(Self::of(&decode::<RevokeAll>(payload)?, None)),
            kinds::DELETE => Some(Self::of(&decode::<Delete>(payload)?, None)),
            // All grants before them end with these two; a reorganisation that undoes them must not bring any back.
            kinds::NEW_VERSION => Some(Self::of(&decode::<NewVersion>(payload)?, None)),
            kinds::ROTATE_OWNER => Some(Self::of(&decode::<RotateOwner>(payload)?, None)),
            kinds::GRANT => {
                let grant: Grant = decode(payload)?;
                grant.terms.permissions.is_empty().then(|| Self::of(&grant, Some(grant.terms.grantee)))
            }
            _ => None,
        })
    }

    fn of(operation: &impl OwnerSigned, scope: Scope) -> Self {
        let (position, signature) = (*operation.position(), *operation.signature());
        Self { position, scope, message: operation.message(), signature }
    }

    /// Whether it is the owner's word. Versions and epochs don't matter, nor does whether its turn has come.
    fn check(&self, chain: &ChainId, view: &dyn StateView) -> Result<(), ObserveError> {
        let Position { chain: found, object: id, seq, .. } = self.position;
        if found != *chain {
            return Err(RecordError::WrongChain { found }.into());
        }
        let object = records::object(view, &id)?.ok_or(RecordError::UnknownObject { object: id })?;
        if self.position.owner_epoch != object.owner_epoch {
            let (expected, found) = (object.owner_epoch, self.position.owner_epoch);
            return Err(RecordError::WrongOwnerEpoch { expected, found }.into());
        }
        if seq > object.seq.saturating_add(MAX_PENDING_OPERATIONS) {
            return Err(RecordError::Skipped { expected: object.seq.saturating_add(1), found: seq }.into());
        }
        let owner = object.owner;
        let verified = owner.verify(&self.message, &self.signature);
        Ok(verified.map_err(|_| RecordError::NotTheOwner { owner })?)
    }
}

/// The object's id, and the grantee's key behind it where only one is meant.
fn key(object: &ObjectId, scope: &Scope) -> Vec<u8> {
    let grantee = scope.as_ref().map_or(&[][..], |grantee| grantee.as_bytes());
    [object.as_bytes(), grantee].concat()
}

/// Owner epoch and sequence number, big-endian.
fn value(turn: &Turn) -> Vec<u8> {
    [&turn.owner_epoch.to_be_bytes()[..], &turn.seq.to_be_bytes()].concat()
}

fn entry(key: &[u8], value: &[u8]) -> Option<(ObjectId, Scope, Turn)> {
    let (object, grantee) = key.split_first_chunk()?;
    let scope = match grantee {
        [] => None,
        bytes => Some(PublicKey::from_bytes(bytes.try_into().ok()?).ok()?),
    };
    let (owner_epoch, seq) = value.split_first_chunk()?;
    let turn = Turn { owner_epoch: u32::from_be_bytes(*owner_epoch), seq: u64::from_be_bytes(seq.try_into().ok()?) };
    Some((ObjectId(Hash(*object)), scope, turn))
}
