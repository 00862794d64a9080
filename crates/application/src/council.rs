//! The council: institutions that decide together on a consortium's blocks. Who belongs to it the council itself decides.
//!
//! An institution of the registry ([`crate::identities`]) is admitted, with a key for its votes and a number of them, or removed, by signatures of
//! more than two thirds of the votes. One that is proven to have broken the engine's rules loses its seat without a vote, and its key
//! gets none again; the council may admit the institution with another. The last seat with votes stays whatever it did, because nobody else could
//! seat others. All of it counts from the next epoch on, as the engine takes up what [`CouncilStake`] says of the state.

mod error;
mod operations;
mod parameters;
mod program;

pub use error::CouncilError;
use health_chain_consensus::{Validator, ports::StakeView};
use health_chain_data::{
    Hash, Height, PublicKey,
    codec::{self, Wire},
    ports::{StateView, StoreError},
    state::read,
};
pub use operations::{Admit, Ballot, Remove};
pub use parameters::{CouncilParameters, Founder, ParametersError};
pub use program::CouncilProgram;
use serde::{Deserialize, Serialize};

use crate::{
    identities::{InstitutionId, institution},
    limits::MAX_SEATS,
    tables::{COUNCIL, STRUCK_KEYS},
};

/// Who belongs to the council, as it stands now.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Council {
    /// Decisions so far; the next one carries the number after it.
    pub seq: u64,
    /// The seats, in the order in which they were taken. A ballot names its seat by the position here.
    #[serde(deserialize_with = "codec::at_most::<MAX_SEATS, _, _>")]
    pub seats: Vec<Seat>,
}

/// One institution's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Seat {
    /// Whose it is.
    pub institution: InstitutionId,
    /// The key that signs its votes, on blocks and in the council.
    pub key: PublicKey,
    /// How many it has.
    pub power: u32,
}

impl Wire for Council {
    const MAX_BYTES: usize = 10 + 1 + MAX_SEATS * (32 + 32 + 5);
}

impl Council {
    /// The council, empty where the chain has none. Seats of institutions that the registry has dismissed keep their places, without votes;
    /// where all of them are dismissed, those that were last have theirs, since nobody else could seat others.
    ///
    /// # Errors
    /// Where the state can't be read.
    pub fn read(view: &dyn StateView) -> Result<Self, StoreError> {
        let mut council: Self = read(view, COUNCIL, &[])?.unwrap_or_default();
        let ends: Result<Vec<Height>, StoreError> =
            council.seats.iter().map(|seat| end_of(view, &seat.institution)).collect();
        let ends = ends?;
        let last = ends.iter().max().copied();
        for (seat, _) in council.seats.iter_mut().zip(ends).filter(|(_, end)| Some(*end) != last) {
            seat.power = 0;
        }
        Ok(council)
    }

    /// All votes.
    pub fn power(&self) -> u64 {
        self.seats.iter().map(|seat| u64::from(seat.power)).sum()
    }

    /// The fewest votes that decide: more than two thirds of all, as it takes for a block.
    pub fn quorum(&self) -> u64 {
        self.power() * 2 / 3 + 1
    }

    /// Position of the seat whose votes `key` signs.
    pub fn position(&self, key: &PublicKey) -> Option<u8> {
        let position = self.seats.iter().position(|seat| seat.key == *key)?;
        Some(u8::try_from(position).expect("there are fewer seats than bytes"))
    }

    /// How many votes these ballots are for the decision with this message, leaving out those that nobody with a seat has signed.
    pub fn votes(&self, message: &Hash, ballots: &[Ballot]) -> u64 {
        let power = |ballot: &Ballot| {
            let seat = self.seats.get(usize::from(ballot.seat))?;
            seat.key.verify(message, &ballot.signature).ok()?;
            Some(u64::from(seat.power))
        };
        ballots.iter().filter_map(power).sum()
    }
}

/// When the registry dismissed an institution; never, if it has not.
fn end_of(view: &dyn StateView, id: &InstitutionId) -> Result<Height, StoreError> {
    let found = institution(view, id)?.ok_or(StoreError::Damaged { table: COUNCIL })?;
    Ok(found.retired_at.unwrap_or(Height::MAX))
}

/// The height of the offence for which a key lost its seat for good.
///
/// # Errors
/// Where the state can't be read.
pub fn struck(view: &dyn StateView, key: &PublicKey) -> Result<Option<Height>, StoreError> {
    Ok(read::<Struck>(view, STRUCK_KEYS, key.as_bytes())?.map(|struck| struck.0))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Struck(Height);

impl Wire for Struck {
    const MAX_BYTES: usize = 5;
}

/// Who decides by a seat in the council: the [`StakeView`] of consortia. There is always somebody.
#[derive(Debug, Clone, Copy, Default)]
pub struct CouncilStake;

impl StakeView for CouncilStake {
    fn validators(&self, state: &dyn StateView) -> Result<Vec<Validator>, StoreError> {
        let seats = Council::read(state)?.seats.into_iter().filter(|seat| seat.power > 0);
        Ok(seats.map(|Seat { key, power, .. }| Validator { key, power }).collect())
    }
}
