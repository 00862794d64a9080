//! The counters of each token: what came in, what left, what is out there.

use alloc::{collections::BTreeMap, vec::Vec};

use health_chain_data::{
    Amount, TokenId,
    codec::{self, Wire},
    ports::{StateView, StoreError},
    state::{self, Overlay},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{coin, limits::MAX_SUPPLY_BYTES, parameters::IncentiveParameters, stake, tables};

/// The counters of one token. Between blocks `minted - redeemed = unspent + pool + bonded + slashed`. Inside a block, `unspent` still counts the fees
/// of the block's transactions, until [`crate::Rewards`] moves them when the block is settled: so payments that don't touch each
/// other's coins don't touch each other's state either.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Supply {
    /// All that was ever brought in.
    pub minted: Amount,
    /// All that was ever taken out.
    pub redeemed: Amount,
    /// The sum of all coins.
    pub unspent: Amount,
    /// Fees that nobody has taken yet; only the fee token has any.
    pub pool: Amount,
    /// What stands behind validators, what is on its way out included; only the token of stake has any.
    pub bonded: Amount,
    /// What validators have lost: burnt, and counted for whoever answers for the token.
    pub slashed: Amount,
    /// Serial number of the last mint or redemption.
    pub serial: u64,
}

impl Wire for Supply {
    const MAX_BYTES: usize = MAX_SUPPLY_BYTES;
}

impl Supply {
    /// Whether `minted - redeemed = unspent + pool + bonded + slashed`.
    pub fn is_balanced(&self) -> bool {
        let parts = [self.pool, self.bonded, self.slashed];
        let there = parts.iter().try_fold(self.unspent, |sum, part| sum.checked_add(part.0));
        there.is_some() && there == self.minted.checked_sub(self.redeemed.0)
    }

    pub(crate) fn write(&self, state: &mut Overlay<'_>, token: TokenId) {
        state.put(tables::SUPPLY, key(token), codec::encode(self));
    }
}

/// The counters of `token`, or `None` where the chain has no such token.
///
/// # Errors
/// Where the state can't be read.
pub fn supply(view: &dyn StateView, token: TokenId) -> Result<Option<Supply>, StoreError> {
    state::read(view, tables::SUPPLY, &key(token))
}

/// The counters of a token that the parameters declare: written with the genesis block, so their absence is damage.
pub(crate) fn declared(view: &dyn StateView, token: TokenId) -> Result<Supply, StoreError> {
    supply(view, token)?.ok_or(DAMAGED)
}

/// Counters that contradict each other can only come out of a damaged store.
pub(crate) const DAMAGED: StoreError = StoreError::Damaged { table: tables::SUPPLY };

/// What an audit found wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The counters contradict each other.
    #[error("the counters of token {token:?} contradict each other: {supply:?}")]
    Unbalanced {
        /// The token.
        token: TokenId,
        /// Its counters.
        supply: Supply,
    },
    /// The coins add up to something else than the counter says.
    #[error("coins of token {token:?} add up to {found}, where {counted} were counted")]
    Coins {
        /// The token.
        token: TokenId,
        /// What the counter says.
        counted: Amount,
        /// The sum of the coins.
        found: u128,
    },
    /// Coins of a token that the chain does not have.
    #[error("there are coins of token {token:?}, which the chain does not have")]
    UnknownToken {
        /// The token.
        token: TokenId,
    },
    /// The bonds add up to something else than the counters say.
    #[error("bonds add up to {found}, where {counted} were counted")]
    Bonds {
        /// What the counters of all tokens say.
        counted: u128,
        /// The sum of the bonds.
        found: u128,
    },
    /// Fees are kept in a token that is not the fee token.
    #[error("token {token:?} has a fee pool, but is not the fee token")]
    Pool {
        /// The token.
        token: TokenId,
    },
    /// The state can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds up every coin and every bond of the chain and compares with the counters, token by token. Reads everything: for tests and for an operator's
/// question, not for every block.
///
/// # Errors
/// The first contradiction found, or the state can't be read.
pub fn audit(view: &dyn StateView, parameters: &IncentiveParameters) -> Result<Vec<(TokenId, Supply)>, AuditError> {
    let mut sums: BTreeMap<TokenId, u128> = BTreeMap::new();
    coin::each(view, &mut |_, coin| {
        *sums.entry(coin.output.token).or_default() += u128::from(coin.output.amount.0);
    })?;
    let mut supplies = Vec::with_capacity(parameters.tokens.len());
    for rule in &parameters.tokens {
        let token = rule.token;
        let supply = declared(view, token)?;
        let found = sums.remove(&token).unwrap_or(0);
        if found != u128::from(supply.unspent.0) {
            return Err(AuditError::Coins { token, counted: supply.unspent, found });
        }
        if !supply.is_balanced() {
            return Err(AuditError::Unbalanced { token, supply });
        }
        if token != parameters.fee_token && supply.pool != Amount::ZERO {
            return Err(AuditError::Pool { token });
        }
        supplies.push((token, supply));
    }
    if let Some(token) = sums.into_keys().next() {
        return Err(AuditError::UnknownToken { token });
    }
    let counted = supplies.iter().map(|(_, supply)| u128::from(supply.bonded.0)).sum();
    let mut found = 0;
    stake::each(view, &mut |_, bond| found += u128::from(bond.total().0))?;
    if found == counted { Ok(supplies) } else { Err(AuditError::Bonds { counted, found }) }
}

fn key(token: TokenId) -> Vec<u8> {
    token.0.to_be_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_data::{
        OutPoint, TxId,
        ports::ChainStore,
        state::{Changes, MemoryStore},
    };

    use super::*;
    use crate::{
        Coin, Reward,
        common::{CNY, EUR, World, pay},
    };

    #[test]
    fn the_largest_counters_fit_their_limit() {
        let supply = Supply {
            minted: Amount::MAX,
            redeemed: Amount::MAX,
            unspent: Amount::MAX,
            pool: Amount::MAX,
            bonded: Amount::MAX,
            slashed: Amount::MAX,
            serial: u64::MAX,
        };
        assert_eq!(codec::decode(&codec::encode(&supply)), Ok(supply));
        assert!(!supply.is_balanced());
        let gone = Supply { minted: Amount(9), redeemed: Amount(9), ..Supply::default() };
        assert!(gone.is_balanced());
        assert!(!Supply { minted: Amount::ZERO, ..gone }.is_balanced());
        for part in [
            Supply { unspent: Amount(1), ..gone },
            Supply { pool: Amount(1), ..gone },
            Supply { bonded: Amount(1), ..gone },
            Supply { slashed: Amount(1), ..gone },
        ] {
            assert!(!part.is_balanced());
            assert!(Supply { redeemed: Amount(8), ..part }.is_balanced());
        }
    }

    fn coin_of(view: &dyn StateView) -> (OutPoint, Coin) {
        let mut found = None;
        coin::each(view, &mut |point, coin| found = Some((point, coin))).unwrap();
        found.unwrap()
    }

    #[test]
    fn each_contradiction_is_found() {
        let mut world = World::new(Reward::Immediate);
        world.fund(vec![pay(EUR, 100, 1)]);
        let parameters = world.ledger.parameters().clone();
        let found = audit(&world.store, &parameters).unwrap();
        assert_eq!((found.len(), found[0].1.unspent), (2, Amount(100)));

        let audited = |change: &dyn Fn(&mut Overlay<'_>)| {
            let mut state = Overlay::new(&world.store);
            change(&mut state);
            audit(&state, &parameters)
        };
        let stray = |token| Coin {
            output: pay(token, 7, 1),
            height: Default::default(),
            median_time_past: Default::default(),
            coinbase: false,
        };
        let point = OutPoint { transaction: TxId::default(), index: 0 };
        let supply = supply(&world.store, EUR).unwrap().unwrap();
        assert!(matches!(
            audited(&|state| stray(CNY).write(state, &point)),
            Err(AuditError::Coins { token: CNY, counted: Amount(0), found: 7 })
        ));
        assert!(matches!(
            audited(&|state| stray(TokenId(9)).write(state, &point)),
            Err(AuditError::UnknownToken { token: TokenId(9) })
        ));
        assert!(matches!(
            audited(&|state| Supply { minted: Amount(101), ..supply }.write(state, EUR)),
            Err(AuditError::Unbalanced { token: EUR, .. })
        ));
        assert!(matches!(
            audited(&|state| Supply { minted: Amount(1), pool: Amount(1), ..Supply::default() }.write(state, CNY)),
            Err(AuditError::Pool { token: CNY })
        ));
        let bonded = Supply { unspent: Amount(90), bonded: Amount(10), ..supply };
        let counted = audited(&|state| {
            bonded.write(state, EUR);
            let (point, coin) = coin_of(&world.store);
            Coin { output: pay(EUR, 90, 1), ..coin }.write(state, &point);
        });
        assert!(matches!(counted, Err(AuditError::Bonds { counted: 10, found: 0 })));
        let mut store = MemoryStore::default();
        store.commit(&Changes::default()).unwrap();
        assert!(matches!(audit(&store, &parameters), Err(AuditError::Store(_))));
    }
}
