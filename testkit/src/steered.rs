//! An engine that somebody stands beside: for bugs, liars and strategies that go through the engine's seam.

use std::fmt;

use health_chain::{
    consensus::{
        Founding, Validator, Weight,
        ports::{Action, Ancestry, Engine, ExecuteError, Finality, Input, SealError},
    },
    data::{Header, Millis, ports::StateView},
};

/// Makes one step of the engine that it is given, and changes what that is told, or what it answers.
pub type Steer = Box<dyn FnMut(&mut dyn Engine, Millis, Input<'_>) -> Vec<Action> + Send>;

/// An engine whose steps are made by somebody else. Everything that it is asked about blocks it answers itself.
pub struct SteeredEngine {
    engine: Box<dyn Engine>,
    steer: Steer,
}

impl fmt::Debug for SteeredEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SteeredEngine").field("engine", &self.engine.name()).finish_non_exhaustive()
    }
}

impl SteeredEngine {
    /// `engine`, whose steps `steer` makes.
    pub fn new(
        engine: Box<dyn Engine>,
        steer: impl FnMut(&mut dyn Engine, Millis, Input<'_>) -> Vec<Action> + Send + 'static,
    ) -> Self {
        Self { engine, steer: Box::new(steer) }
    }
}

impl Engine for SteeredEngine {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn finality(&self) -> Finality {
        self.engine.finality()
    }

    fn check_seal(&self, header: &Header, branch: &dyn Ancestry) -> Result<(), SealError> {
        self.engine.check_seal(header, branch)
    }

    fn weight(&self, header: &Header) -> Weight {
        self.engine.weight(header)
    }

    fn founding(&self) -> Option<Founding> {
        self.engine.founding()
    }

    fn succession(
        &self,
        header: &Header,
        branch: &dyn Ancestry,
        state: &dyn StateView,
    ) -> Result<Option<Vec<Validator>>, ExecuteError> {
        self.engine.succession(header, branch, state)
    }

    fn step(&mut self, now: Millis, input: Input<'_>) -> Vec<Action> {
        (self.steer)(&mut *self.engine, now, input)
    }
}
