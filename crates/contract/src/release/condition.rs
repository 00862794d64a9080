//! When a deposit may be opened.

use alloc::vec::Vec;

use health_chain_consensus::ports::Rejection;
use health_chain_data::{Hash, Lock, Signature, Witness, tagged_hash};
use health_chain_incentive::ports::SpendCheck;

use crate::{
    Scripts,
    script::{Builder, Opcode, lock_time},
    scripts::{Multisig, attestation_items, count_attestations},
};

/// A script that takes items off the stack and leaves one, true or false. It is run under the rules of locks, with these answers:
/// `CHECKLOCKTIMEVERIFY` compares with the block's own height and median time past, `CHECKSEQUENCEVERIFY` with the deposit's age since the
/// owner was last heard of, `CHECKSIG` takes signatures of [`super::Open::message`].
///
/// ```
/// use health_chain_contract::{release::Condition, scripts::Multisig};
/// use health_chain_data::{SecretKey, sha256};
///
/// let [clinic, registry, notary] = [1, 2, 3].map(|seed| SecretKey::from_bytes(&[seed; 32]).map(|key| key.public_key()));
/// let oracles = Multisig::new(2, vec![clinic?, registry?, notary?])?;
/// // Two of the three attest to the death, or the owner has been silent for a year.
/// let died = Condition::attested(&sha256(b"the holder of passport 4711 has died"), &oracles);
/// let condition = died.or(Condition::silent_for_time(61_594));
/// assert_eq!(condition, Condition::script(condition.as_bytes().to_vec())?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition(Vec<u8>);

impl Condition {
    /// Any script.
    ///
    /// # Errors
    /// Where it can be seen that nothing ever meets it.
    pub fn script(script: Vec<u8>) -> Result<Self, Rejection> {
        let lock = Lock(script);
        Scripts.check_lock(&lock)?;
        Ok(Self(lock.0))
    }

    /// In a block above this height, or whose median time past is above this time, as a transaction's lock time says either.
    pub fn not_before(lock_time: u32) -> Self {
        Self::timed(lock_time, Opcode::CHECKLOCKTIMEVERIFY)
    }

    /// Once so many blocks have come since the owner was last heard of.
    pub fn silent_for_blocks(blocks: u16) -> Self {
        Self::timed(u32::from(blocks), Opcode::CHECKSEQUENCEVERIFY)
    }

    /// Once so much time has passed since the owner was last heard of, in units of 512 seconds (BIP68): 388 days are the most.
    pub fn silent_for_time(units: u16) -> Self {
        Self::timed(lock_time::TIME | u32::from(units), Opcode::CHECKSEQUENCEVERIFY)
    }

    /// Once as many oracles as the threshold says have signed [`crate::scripts::data_message`] of a statement. It should be a digest that names
    /// case and outcome; who attests to it need not know of any deposit. Met by [`attestations`].
    pub fn attested(statement: &Hash, oracles: &Multisig) -> Self {
        let script = count_attestations(Builder::default(), statement, oracles.keys());
        Self(script.number(oracles.threshold() as i64).opcode(Opcode::NUMEQUAL).into_bytes())
    }

    /// Both of them. Met by [`together`].
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(Builder::default().raw(&self.0).opcode(Opcode::VERIFY).raw(&other.0).into_bytes())
    }

    /// One of them. Met by [`either_first`] or [`either_second`].
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let script = Builder::default().opcode(Opcode::IF).raw(&self.0).opcode(Opcode::ELSE);
        Self(script.raw(&other.0).opcode(Opcode::ENDIF).into_bytes())
    }

    /// What stands in a deposit for the condition: `TH("HC/condition/v1", script)`.
    pub fn hash(&self) -> Hash {
        hash_of(&self.0)
    }

    /// The script.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn timed(number: u32, opcode: Opcode) -> Self {
        Self(Builder::default().number(i64::from(number)).opcodes(&[opcode, Opcode::DROP]).number(1).into_bytes())
    }
}

pub(super) fn hash_of(script: &[u8]) -> Hash {
    tagged_hash("HC/condition/v1", &[script])
}

/// Meets [`Condition::attested`]: one place for each oracle in order, exactly as many filled as the threshold says. What time alone
/// meets takes [`Witness::default`].
pub fn attestations(attestations: &[Option<Signature>]) -> Witness {
    Witness::new(attestation_items(attestations))
}

/// Meets [`Condition::and`].
pub fn together(first: Witness, second: Witness) -> Witness {
    Witness(second.0.into_iter().chain(first.0).collect())
}

/// Meets [`Condition::or`] by the first.
pub fn either_first(first: Witness) -> Witness {
    together(Witness::new([[1]]), first)
}

/// Meets [`Condition::or`] by the second.
pub fn either_second(second: Witness) -> Witness {
    together(Witness::new([[0_u8; 0]]), second)
}
