//! Whom a node knew when it was last up. A node that comes back meets its old company first, so that nobody can surround it with
//! strangers by making it start again.

use health_chain_data::{
    codec::{self, Wire},
    ports::{StateView, StoreError},
    state::{self, Changes},
};
use health_chain_network::{Address, Network, limits::MAX_ANCHORS};
use serde::{Deserialize, Serialize};

use crate::tables::COMPANY;

/// Addresses kept over a restart.
const MAX_KEPT_ADDRESSES: usize = 1_024;

const KEY: &[u8] = b"company";

/// What is kept.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Company {
    /// Peers that this node had dialled and known longest.
    #[serde(deserialize_with = "codec::at_most::<MAX_ANCHORS, _, _>")]
    pub(super) anchors: Vec<Address>,
    /// Others that it had heard of.
    #[serde(deserialize_with = "codec::at_most::<MAX_KEPT_ADDRESSES, _, _>")]
    pub(super) addresses: Vec<Address>,
}

impl Wire for Company {
    const MAX_BYTES: usize = 512 * 1024;
}

impl Company {
    pub(super) fn of(network: &Network) -> Self {
        let mut addresses = network.addresses();
        addresses.truncate(MAX_KEPT_ADDRESSES);
        Self { anchors: network.anchors(), addresses }
    }

    /// Nobody, where nothing is kept yet.
    pub(super) fn load(view: &dyn StateView) -> Result<Self, StoreError> {
        Ok(state::read(view, COMPANY, KEY)?.unwrap_or_default())
    }

    pub(super) fn to_changes(&self) -> Changes {
        let mut changes = Changes::default();
        changes.put(COMPANY, KEY, codec::encode(self));
        changes
    }
}

#[cfg(test)]
mod tests {
    use health_chain_data::{ports::ChainStore, state::MemoryStore};

    use super::*;

    #[test]
    fn company_reads_back() {
        let mut store = MemoryStore::default();
        assert_eq!(Company::load(&store).unwrap(), Company::default());
        let address = |name: &str| Address(name.into());
        let company = Company { anchors: vec![address("a")], addresses: vec![address("b"), address("c")] };
        store.commit(&company.to_changes()).unwrap();
        assert_eq!(Company::load(&store).unwrap(), company);
    }
}
