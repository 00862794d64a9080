//! Unspent outputs, as the state keeps them.

use alloc::{collections::BTreeSet, vec::Vec};

use health_chain_data::{
    Hash, Height, Lock, OutPoint, Output, Timestamp, TxId,
    codec::{self, Wire},
    ports::{StateView, StoreError},
    state::{self, Overlay},
};
use serde::{Deserialize, Serialize};

use crate::{limits::MAX_COIN_BYTES, tables};

/// An unspent output, with what the rules on spending it ask about its origin.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Coin {
    /// The output.
    pub output: Output,
    /// Height of the block that made it.
    pub height: Height,
    /// Median time past of that block, from which relative locks count (BIP68).
    pub median_time_past: Timestamp,
    /// Whether a coinbase made it.
    pub coinbase: bool,
}

impl Wire for Coin {
    const MAX_BYTES: usize = MAX_COIN_BYTES;
}

impl Coin {
    /// The first height at which a block may spend it, where coinbase outputs mature over `coinbase_maturity` blocks.
    pub const fn spendable_from(&self, coinbase_maturity: u32) -> Height {
        if self.coinbase { self.height.saturating_add(coinbase_maturity) } else { self.height }
    }

    /// The unspent output at `point`.
    ///
    /// # Errors
    /// Where the state can't be read.
    pub fn read(view: &dyn StateView, point: &OutPoint) -> Result<Option<Self>, StoreError> {
        state::read(view, tables::COINS, &key(point))
    }

    pub(crate) fn write(&self, state: &mut Overlay<'_>, point: &OutPoint) {
        state.put(tables::COINS, key(point), codec::encode(self));
    }

    pub(crate) fn remove(state: &mut Overlay<'_>, point: &OutPoint) {
        state.delete(tables::COINS, key(point));
    }
}

/// Every unspent output under exactly `lock`, in the order of their keys. Reads all coins of the chain: for wallets that have no
/// index of their own, and for tools.
///
/// # Errors
/// Where the state can't be read.
pub fn coins(view: &dyn StateView, lock: &Lock) -> Result<Vec<(OutPoint, Coin)>, StoreError> {
    let mut found = Vec::new();
    each(view, &mut |point, coin| {
        if coin.output.lock == *lock {
            found.push((point, coin));
        }
    })?;
    Ok(found)
}

/// Every unspent output under one of `locks`, in the order of their keys: [`coins`] for many locks in one reading.
///
/// # Errors
/// Where the state can't be read.
pub fn coins_under(view: &dyn StateView, locks: &BTreeSet<Lock>) -> Result<Vec<(OutPoint, Coin)>, StoreError> {
    let mut found = Vec::new();
    each(view, &mut |point, coin| {
        if locks.contains(&coin.output.lock) {
            found.push((point, coin));
        }
    })?;
    Ok(found)
}

/// Shows every unspent output of the chain to `visit`.
pub(crate) fn each(view: &dyn StateView, visit: &mut dyn FnMut(OutPoint, Coin)) -> Result<(), StoreError> {
    let mut damaged = false;
    view.scan(tables::COINS, &[], &mut |key, value| match (point(key), codec::decode(value)) {
        (Some(point), Ok(coin)) => {
            visit(point, coin);
            true
        }
        _ => {
            damaged = true;
            false
        }
    })?;
    if damaged { Err(StoreError::Damaged { table: tables::COINS }) } else { Ok(()) }
}

fn key(point: &OutPoint) -> Vec<u8> {
    [point.transaction.as_bytes().as_slice(), &point.index.to_be_bytes()].concat()
}

fn point(key: &[u8]) -> Option<OutPoint> {
    let (transaction, index) = key.split_first_chunk()?;
    Some(OutPoint { transaction: TxId(Hash(*transaction)), index: u32::from_be_bytes(index.try_into().ok()?) })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_data::ports::ChainStore;
    use health_chain_data::{
        Amount, TokenId,
        limits::MAX_LOCK_BYTES,
        state::{Changes, MemoryStore},
    };

    use super::*;

    fn coin(lock: usize) -> Coin {
        let output = Output { token: TokenId(u32::MAX), amount: Amount::MAX, lock: Lock(vec![0xff; lock]) };
        Coin { output, height: Height::MAX, median_time_past: Timestamp::MAX, coinbase: true }
    }

    fn at(index: u32) -> OutPoint {
        OutPoint { transaction: TxId(Hash([7; 32])), index }
    }

    #[test]
    fn the_largest_coin_fits_its_limit() {
        let mut store = MemoryStore::default();
        let mut overlay = Overlay::new(&store);
        coin(MAX_LOCK_BYTES).write(&mut overlay, &at(1));
        let changes = overlay.into_changes().unwrap();
        store.commit(&changes).unwrap();
        assert_eq!(Coin::read(&store, &at(1)).unwrap(), Some(coin(MAX_LOCK_BYTES)));
        assert_eq!(Coin::read(&store, &at(2)).unwrap(), None);
    }

    #[test]
    fn coins_are_found_by_lock_and_damage_is_reported() {
        let mut store = MemoryStore::default();
        let mut overlay = Overlay::new(&store);
        for (index, lock) in [3, 4, 3].into_iter().enumerate() {
            coin(lock).write(&mut overlay, &at(index as u32));
        }
        let changes = overlay.into_changes().unwrap();
        store.commit(&changes).unwrap();
        let found = coins(&store, &coin(3).output.lock).unwrap();
        assert_eq!(found, vec![(at(0), coin(3)), (at(2), coin(3))]);

        let mut damage = Changes::default();
        damage.put(tables::COINS, key(&at(1)), [1]);
        store.commit(&damage).unwrap();
        assert!(matches!(coins(&store, &Lock::default()), Err(StoreError::Damaged { table: tables::COINS })));
        assert!(matches!(Coin::read(&store, &at(1)), Err(StoreError::Damaged { table: tables::COINS })));
    }

    #[test]
    fn only_coinbase_outputs_mature() {
        let mut coin = Coin { height: Height(5), ..coin(1) };
        assert_eq!(coin.spendable_from(100), Height(105));
        coin.coinbase = false;
        assert_eq!(coin.spendable_from(100), Height(5));
    }
}
