//! Proof of work behind the engine seam.

use alloc::{boxed::Box, vec, vec::Vec};

use health_chain_consensus::{
    ports::{Action, Ancestry, Engine, Finality, Input, SealError, SearchTask},
    weight::Weight,
};
use health_chain_data::{Header, Millis, pow::meets_target};

use crate::{
    parameters::{ParametersError, PowParameters, Retarget},
    retarget::{check_period_times, next_bits},
    seal::{PowSealError, Seal},
    target::Target,
};

/// How many blocks deep a block counts as settled. At 10 % of the hash power in the wrong hands the risk of a reversal is 0.02 %
/// then; see [`health_chain_consensus::reversal`] for others.
const SETTLED_DEPTH_BLOCKS: u32 = 6;

/// The engine: the header's SHA-256d, read as a little-endian number, must not exceed the target that the branch calls for.
/// The branch with the most expected hashes wins.
#[derive(Debug)]
pub struct ProofOfWork {
    parameters: PowParameters,
    limit: Target,
    mines: bool,
    /// What is being searched for.
    candidate: Option<Candidate>,
    /// The header all of whose nonces were tried last.
    exhausted: Option<Header>,
}

#[derive(Debug)]
struct Candidate {
    header: Header,
    target: Target,
    task: SearchTask,
}

impl ProofOfWork {
    /// The engine of a node that only checks.
    ///
    /// # Errors
    /// Where the parameters are of no use.
    pub fn follower(parameters: PowParameters) -> Result<Self, ParametersError> {
        Ok(Self { limit: parameters.limit()?, parameters, mines: false, candidate: None, exhausted: None })
    }

    /// The engine of a node that also makes blocks. The search itself is the driver's: see [`Action::Search`].
    ///
    /// # Errors
    /// Where the parameters are of no use.
    pub fn miner(parameters: PowParameters) -> Result<Self, ParametersError> {
        Ok(Self { mines: true, ..Self::follower(parameters)? })
    }

    fn check(&self, header: &Header, branch: &dyn Ancestry) -> Result<(), PowSealError> {
        let found = Seal::from_bytes(&header.seal)?.bits;
        let expected = next_bits(branch, &self.parameters, self.limit)?;
        if found != expected {
            return Err(PowSealError::Bits { found, expected });
        }
        if self.parameters.retarget == (Retarget::Bitcoin2016 { bip54: true }) {
            check_period_times(header, branch)?;
        }
        let target = Target::from_compact(found)?;
        let hash = header.id();
        if meets_target(&hash.0, &target.to_le_bytes()) { Ok(()) } else { Err(PowSealError::Work { hash, target }) }
    }

    fn begin(&mut self, mut header: Header, branch: &dyn Ancestry) -> Vec<Action> {
        self.candidate = None;
        let Ok(bits) = next_bits(branch, &self.parameters, self.limit) else { return vec![Action::StopSearch] };
        let Ok(target) = Target::from_compact(bits) else { return vec![Action::StopSearch] };
        header.seal = Seal { bits, nonce: 0 }.to_bytes();
        if let Some(exhausted) = self.exhausted.take()
            && (exhausted.parent, exhausted.root) == (header.parent, header.root)
        {
            // A candidate without anything that could be changed: its time runs ahead of the clock instead.
            header.time = header.time.max(exhausted.time.saturating_add(1));
        }
        self.search(header, target)
    }

    fn search(&mut self, header: Header, target: Target) -> Vec<Action> {
        let bytes = header.to_bytes().try_into().expect("72 fixed bytes and a seal of 8");
        let task = SearchTask { header: bytes, target: target.to_le_bytes() };
        self.candidate = Some(Candidate { header, target, task: task.clone() });
        vec![Action::Search(task)]
    }

    /// The candidate that `task` searched for; none if another has taken its place.
    fn take(&mut self, task: &SearchTask) -> Option<Candidate> {
        self.candidate.take_if(|candidate| candidate.task == *task)
    }

    fn solved(&mut self, task: &SearchTask, nonce: u32) -> Vec<Action> {
        let Some(Candidate { mut header, target, .. }) = self.take(task) else { return vec![] };
        header.seal = Seal { bits: target.to_compact(), nonce }.to_bytes();
        // A search that errs must not cost more than its answer.
        if meets_target(&header.id().0, &target.to_le_bytes()) {
            vec![Action::Sealed(header)]
        } else {
            vec![Action::Build]
        }
    }

    /// Another time makes another header, at no cost: the first 64 bytes stay as they are. While the clock still shows the same second,
    /// only another candidate does.
    fn exhausted(&mut self, task: &SearchTask, now: Millis) -> Vec<Action> {
        let Some(Candidate { mut header, target, .. }) = self.take(task) else { return vec![] };
        if now.timestamp() <= header.time {
            self.exhausted = Some(header);
            return vec![Action::Build];
        }
        header.time = now.timestamp();
        self.search(header, target)
    }
}

impl Engine for ProofOfWork {
    fn name(&self) -> &'static str {
        "pow"
    }

    fn finality(&self) -> Finality {
        Finality::Depth(SETTLED_DEPTH_BLOCKS)
    }

    fn check_seal(&self, header: &Header, branch: &dyn Ancestry) -> Result<(), SealError> {
        self.check(header, branch).map_err(|error| SealError { rule: error.rule(), source: Box::new(error) })
    }

    fn weight(&self, header: &Header) -> Weight {
        let target = Seal::from_bytes(&header.seal).and_then(|seal| Ok(Target::from_compact(seal.bits)?));
        target.map_or(Weight::ZERO, |target| Weight::of_target(&target.to_le_bytes()))
    }

    fn step(&mut self, now: Millis, input: Input<'_>) -> Vec<Action> {
        match input {
            _ if !self.mines => vec![],
            Input::Tip { .. } => {
                self.candidate = None;
                vec![Action::StopSearch, Action::Build]
            }
            Input::Candidate { header, branch } => self.begin(header, branch),
            Input::Solved { task, nonce } => self.solved(&task, nonce),
            Input::Exhausted { task } => self.exhausted(&task, now),
            _ => vec![],
        }
    }
}
