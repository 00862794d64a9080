//! The engine: that of `consensus-bft`, under another name and with stake for a vote.

use std::sync::Arc;

use health_chain_consensus::{
    Founding, Validator, Weight,
    ports::{Action, Ancestry, Engine, ExecuteError, Finality, Input, SealError, StakeView},
};
use health_chain_consensus_bft::{Bft, BftError};
use health_chain_data::{
    Genesis, Header, Millis,
    genesis::GenesisError,
    ports::{Signer, StateView, Verifier},
};
use thiserror::Error;

use crate::parameters::{ParametersError, PosParameters};

/// The engine of a chain where stake decides.
#[derive(Debug)]
pub struct ProofOfStake(Bft);

/// Why there is no engine.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PosError {
    /// The genesis document has no usable section.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// Its parameters are of no use.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// The engine underneath does not take the signer.
    #[error(transparent)]
    Bft(#[from] BftError),
}

impl ProofOfStake {
    /// The engine of a node that checks blocks and passes messages on. `stakes` reads what is bonded: incentive's `BondedStake`.
    ///
    /// # Errors
    /// Where the genesis document's section is missing or of no use.
    pub fn follower(genesis: &Genesis, stakes: Arc<dyn StakeView>) -> Result<Self, PosError> {
        let parameters: PosParameters = genesis.section()?;
        parameters.check()?;
        let engine = Bft::new(genesis.chain_id(), parameters.0).map_err(ParametersError::Bft)?;
        Ok(Self(engine.with_stakes(stakes)))
    }

    /// The engine of the validator with this signer's key, which decides along as long as something is bonded for it. One process only
    /// may run it at a time, over a store that is never set back: what it has signed stands in the journal there.
    ///
    /// # Errors
    /// Where the genesis document's section is missing or of no use.
    pub fn validator(genesis: &Genesis, stakes: Arc<dyn StakeView>, signer: Box<dyn Signer>) -> Result<Self, PosError> {
        let Self(engine) = Self::follower(genesis, stakes)?;
        Ok(Self(engine.with_signer(signer)?))
    }

    /// Lets `verifier` verify what validators sign ([`Bft::with_verifier`]).
    #[must_use]
    pub fn with_verifier(self, verifier: Arc<dyn Verifier>) -> Self {
        Self(self.0.with_verifier(verifier))
    }
}

impl Engine for ProofOfStake {
    fn name(&self) -> &'static str {
        "pos"
    }

    fn finality(&self) -> Finality {
        self.0.finality()
    }

    fn check_seal(&self, header: &Header, branch: &dyn Ancestry) -> Result<(), SealError> {
        self.0.check_seal(header, branch)
    }

    fn weight(&self, header: &Header) -> Weight {
        self.0.weight(header)
    }

    fn founding(&self) -> Option<Founding> {
        self.0.founding()
    }

    fn succession(
        &self,
        header: &Header,
        branch: &dyn Ancestry,
        state: &dyn StateView,
    ) -> Result<Option<Vec<Validator>>, ExecuteError> {
        self.0.succession(header, branch, state)
    }

    fn step(&mut self, now: Millis, input: Input<'_>) -> Vec<Action> {
        self.0.step(now, input)
    }
}
