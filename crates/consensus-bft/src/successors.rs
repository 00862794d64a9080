//! Who decides after an epoch, as the seal of its last header carries it.

use health_chain_consensus::{Validator, ports::StakeView, validators};
use health_chain_data::{
    Hash, PublicKey,
    ports::{StateView, StoreError},
    tagged_hash,
};
use thiserror::Error;

use crate::limits::MAX_VALIDATORS;

/// Bytes of one validator: key and power.
const ENTRY_BYTES: usize = 32 + 4;

/// The validators of the next epoch. In a seal, in front of the certificate:
/// `count u8 | for each validator, in ascending order of keys: key 32 | power u32 little-endian`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successors(Vec<Validator>);

/// Why a seal names no successors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SuccessorsError {
    /// It ends before its own count is reached.
    #[error("{bytes} bytes, where the successors alone take {expected}")]
    Length {
        /// The seal's length.
        bytes: usize,
        /// The length that it should have at least.
        expected: usize,
    },
    /// Nobody, or more than [`MAX_VALIDATORS`].
    #[error("{count} successors, where 1 to {MAX_VALIDATORS} are possible")]
    Count {
        /// How many.
        count: usize,
    },
    /// A key that is none, or stands out of order, or a validator without power.
    #[error("successor {index} is no validator, or stands in the wrong place")]
    Entry {
        /// Its position.
        index: usize,
    },
}

impl Successors {
    /// The heaviest of those whom `stakes` names on `state`. Where it names nobody, those in office, as far as they may stay; and where none of
    /// them may, all of them, since nobody else could ever decide on others.
    ///
    /// # Errors
    /// Where the state can't be read.
    pub fn elect(stakes: &dyn StakeView, state: &dyn StateView, in_office: &[Validator]) -> Result<Self, StoreError> {
        let named = validators::ranked(stakes.validators(state)?);
        if !named.is_empty() {
            return Ok(Self(named));
        }
        let kept = |one: &Validator| Ok(Validator { power: stakes.power_kept(state, *one)?, ..*one });
        let staying: Result<Vec<Validator>, StoreError> = in_office.iter().map(kept).collect();
        let staying = validators::ranked(staying?);
        Ok(Self(if staying.is_empty() { validators::ranked(in_office.iter().copied()) } else { staying }))
    }

    /// The validators.
    pub fn validators(&self) -> &[Validator] {
        &self.0
    }

    /// The validators, taken out.
    pub fn into_validators(self) -> Vec<Validator> {
        self.0
    }

    /// The seal's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(self.0.len()).expect("at most as many as a seal can carry")];
        for Validator { key, power } in &self.0 {
            bytes.extend_from_slice(key.as_bytes());
            bytes.extend_from_slice(&power.to_le_bytes());
        }
        bytes
    }

    /// What the votes for the block commit to: `TH("HC/bft-successors/v1", bytes)`.
    pub fn hash(&self) -> Hash {
        tagged_hash("HC/bft-successors/v1", &[&self.to_bytes()])
    }

    /// Reads the front of a seal, and returns what is behind it.
    ///
    /// # Errors
    /// The first rule of [`SuccessorsError`] that it breaks.
    pub fn split(seal: &[u8]) -> Result<(Self, &[u8]), SuccessorsError> {
        let too_short = |expected| SuccessorsError::Length { bytes: seal.len(), expected };
        let (count, rest) = seal.split_first().ok_or(too_short(1))?;
        let count = usize::from(*count);
        if count == 0 || count > MAX_VALIDATORS {
            return Err(SuccessorsError::Count { count });
        }
        let (entries, certificate) =
            rest.split_at_checked(count * ENTRY_BYTES).ok_or(too_short(1 + count * ENTRY_BYTES))?;
        let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
        let validators: Result<Vec<Validator>, SuccessorsError> = (entries.iter().enumerate())
            .map(|(index, bytes)| entry(bytes).ok_or(SuccessorsError::Entry { index }))
            .collect();
        let validators = validators?;
        match validators.windows(2).position(|pair| pair[0].key >= pair[1].key) {
            Some(before) => Err(SuccessorsError::Entry { index: before + 1 }),
            None => Ok((Self(validators), certificate)),
        }
    }
}

fn entry(bytes: &[u8; ENTRY_BYTES]) -> Option<Validator> {
    let (key, power) = bytes.split_first_chunk()?;
    let power = u32::from_le_bytes(power.try_into().ok()?);
    let key = PublicKey::from_bytes(key).ok()?;
    (power > 0).then_some(Validator { key, power })
}

#[cfg(test)]
mod tests {
    use health_chain_consensus::ports::FixedStake;
    use health_chain_data::{SecretKey, state::MemoryStore};

    use super::*;

    /// Names nobody, and lets whoever is listed stay with that power.
    struct Staying(Vec<Validator>);

    impl StakeView for Staying {
        fn validators(&self, _: &dyn StateView) -> Result<Vec<Validator>, StoreError> {
            Ok(vec![])
        }

        fn power_kept(&self, _: &dyn StateView, in_office: Validator) -> Result<u32, StoreError> {
            Ok(self.0.iter().find(|one| one.key == in_office.key).map_or(0, |one| one.power))
        }
    }

    fn elect(candidates: Vec<Validator>, in_office: &[Validator]) -> Successors {
        Successors::elect(&FixedStake(candidates), &MemoryStore::default(), in_office).unwrap()
    }

    fn validator(seed: u8, power: u32) -> Validator {
        Validator { key: SecretKey::from_bytes(&[seed; 32]).unwrap().public_key(), power }
    }

    #[test]
    fn the_front_of_a_seal_reads_back() {
        let list: Vec<Validator> = (1..=MAX_VALIDATORS as u8).map(|seed| validator(seed, u32::from(seed))).collect();
        for count in [1, 2, MAX_VALIDATORS] {
            let successors = elect(list[..count].to_vec(), &[]);
            let seal = [successors.to_bytes(), vec![1, 2, 3]].concat();
            assert_eq!(Successors::split(&seal), Ok((successors.clone(), &[1, 2, 3][..])));
            let bytes = successors.to_bytes();
            for cut in 0..bytes.len() {
                assert!(matches!(Successors::split(&bytes[..cut]), Err(SuccessorsError::Length { .. })), "{cut}");
            }
        }
    }

    #[test]
    fn what_is_no_set_is_refused() {
        let bytes = elect(vec![validator(1, 7), validator(2, 8)], &[]).to_bytes();
        assert_eq!(Successors::split(&[0]), Err(SuccessorsError::Count { count: 0 }));
        assert_eq!(Successors::split(&[101]), Err(SuccessorsError::Count { count: 101 }));
        let changed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = bytes.clone();
            change(&mut bytes);
            Successors::split(&bytes).map(drop)
        };
        assert_eq!(changed(&|_| ()), Ok(()));
        assert_eq!(changed(&|b| b[1..33].fill(0xff)), Err(SuccessorsError::Entry { index: 0 }));
        assert_eq!(changed(&|b| b[33..37].fill(0)), Err(SuccessorsError::Entry { index: 0 }));
        assert_eq!(changed(&|b| b.copy_within(1..37, 37)), Err(SuccessorsError::Entry { index: 1 }));
        assert_eq!(
            changed(&|b| {
                b.rotate_left(37);
                b.rotate_right(1);
                b[0] = 2;
            }),
            Err(SuccessorsError::Entry { index: 1 })
        );
    }

    #[test]
    fn an_office_is_never_empty() {
        let in_office = [validator(2, 1), validator(1, 1)];
        let elected = elect(vec![validator(3, 0)], &in_office);
        assert_eq!(elected, elect(in_office.to_vec(), &[]));
        let double = elect(vec![validator(1, 5), validator(1, 3)], &in_office);
        assert_eq!(double.validators(), [validator(1, 5)]);
    }

    #[test]
    fn who_may_not_stay_does_not_unless_nobody_else_does() {
        let in_office = elect(vec![validator(1, 4), validator(2, 3), validator(3, 3)], &[]);
        let stays = |staying: &[Validator]| {
            let stakes = Staying(staying.to_vec());
            Successors::elect(&stakes, &MemoryStore::default(), in_office.validators()).unwrap()
        };
        assert_eq!(stays(&[validator(1, 4), validator(3, 1)]), elect(vec![validator(1, 4), validator(3, 1)], &[]));
        assert_eq!(stays(&[]), in_office);
    }
}
