//! The whole network in one process under one seed: nodes made of the real layers ([`SteppedNode`]: chain, pool, network,
//! gateway, driver), with simulated time, links, disks, clocks and hash power between them, faults of every kind, and checkers
//! that look on.
//!
//! One call is one run: [`run`] with [`Options`] and a seed. The same options and seed give the same trace hash.
//!
//! ```
//! use health_chain_testkit::sim::{self, Options};
//!
//! let options = Options { hostile_millis: 60_000, healed_millis: 0, ..Options::default() };
//! let report = sim::run(&options, 7).unwrap();
//! assert_eq!(report.trace, sim::run(&options, 7).unwrap().trace);
//! ```
//!
//! What is not simulated: threads, a store's own recovery (`data-sled` has tests of its own), the bytes of records.
//!
//! [`SteppedNode`]: health_chain::application::node::SteppedNode

mod account;
mod bug;
mod byzantine;
mod check;
mod claims;
mod consensus;
mod disk;
mod durable;
mod fabric;
pub mod fault;
mod miner;
mod payments;
mod random;
mod run;
mod stake;
mod trace;
mod users;
mod watch;
mod world;

use std::collections::BTreeMap;

use health_chain::data::{Amount, Hash, Height, PublicKey, TxId};
use thiserror::Error;

pub use self::{
    bug::Bug,
    consensus::{Consensus, MakeEngine, OwnEngine},
    fault::{Counts, Fault},
    random::Random,
    watch::{Signed, Watcher},
};

/// Everything that can be chosen about a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who makes blocks.
    pub consensus: Consensus,
    /// How long a block takes, in seconds.
    pub interval_seconds: u32,
    /// Honest nodes; each kind of lying peer in `faults` adds one of its own. At least 3.
    pub nodes: usize,
    /// How many of the honest nodes, counted from the last, have a gateway. At least 1, and fewer than `nodes`.
    pub gateways: usize,
    /// Patients, each with one record.
    pub patients: usize,
    /// People who pass a coin of theirs on to themselves, at nodes picked by chance.
    pub payers: usize,
    /// The time between two payments of one of them, on average, in milliseconds.
    pub pay_millis: u64,
    /// How long a frame travels, least and most, in milliseconds.
    pub delay_millis: (u64, u64),
    /// How often a node that nothing happens to looks at its deadlines, in milliseconds. What its engine waits for comes in time.
    pub turn_millis: u64,
    /// The kinds of faults that may fire.
    pub faults: Vec<Fault>,
    /// A bug that the nodes have, to see that a checker catches it.
    pub bug: Option<Bug>,
    /// One frame in so many is lost with its connection.
    pub loss_one_in: u64,
    /// The time between faults, on average, in milliseconds.
    pub fault_millis: u64,
    /// The longest time that a partition, a full disk or a dead node lasts, in milliseconds.
    pub max_outage_millis: u64,
    /// The time between two acts of one patient, on average, in milliseconds. Institutes read as often.
    pub act_millis: u64,
    /// How many blocks deep (itself included) a block must be for nodes never to disagree about it.
    pub settled_blocks: u32,
    /// The time with faults, in milliseconds.
    pub hostile_millis: u64,
    /// The time without new faults after it, in milliseconds; lying peers go on. With 0, progress is not checked.
    pub healed_millis: u64,
    /// Whether the chain of one node is replayed from genesis at the end.
    pub replays: bool,
}

impl Default for Options {
    /// Five honest nodes under one authority, two of them gateways, with twenty patients and every fault, for twenty minutes and
    /// twenty more to heal: as long as nodes may wait before they dial again.
    fn default() -> Self {
        Self {
            consensus: Consensus::Solo,
            interval_seconds: 30,
            nodes: 5,
            gateways: 2,
            patients: 20,
            payers: 0,
            pay_millis: 60_000,
            delay_millis: (5, 250),
            turn_millis: 1_000,
            faults: Fault::all_under(&Consensus::Solo),
            bug: None,
            loss_one_in: 2_000,
            fault_millis: 30_000,
            max_outage_millis: 120_000,
            act_millis: 60_000,
            settled_blocks: 3,
            hostile_millis: 20 * 60_000,
            healed_millis: 20 * 60_000,
            replays: true,
        }
    }
}

impl Options {
    /// The default, under proof of work. A partition may last four blocks on average, so a block is settled at depth 24.
    pub fn proof_of_work() -> Self {
        Self { settled_blocks: 24, ..Self::under(Consensus::ProofOfWork) }
    }

    /// The default, with the honest nodes as validators that agree on every block: what is on the chain is settled.
    pub fn bft() -> Self {
        Self { settled_blocks: 1, ..Self::under(Consensus::Bft) }
    }

    /// The default, with validators whose stake decides.
    pub fn pos() -> Self {
        Self { settled_blocks: 1, ..Self::under(Consensus::Pos) }
    }

    fn under(consensus: Consensus) -> Self {
        Self { faults: Fault::all_under(&consensus), consensus, ..Self::default() }
    }

    /// The same for two hours, of which the last half an hour is to heal. In the longer time everything comes less often, so that there
    /// is as much of it.
    #[must_use]
    pub fn for_two_hours(self) -> Self {
        Self {
            interval_seconds: 60,
            fault_millis: 60_000,
            act_millis: 5 * 60_000,
            hostile_millis: 90 * 60_000,
            healed_millis: 30 * 60_000,
            ..self
        }
    }

    /// From when on nodes have found each other again: half of the healed time is for dialling.
    pub(crate) const fn known_again_millis(&self) -> u64 {
        self.hostile_millis + self.healed_millis / 2
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// The lying peers, one for each such kind; they stand behind the honest nodes.
    pub(crate) fn liars(&self) -> Vec<Fault> {
        self.faults.iter().copied().filter(|fault| fault.is_byzantine()).collect()
    }
}

/// What a run amounted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Hash over everything that arrived anywhere, in order, with its time.
    pub trace: Hash,
    /// How often each fault fired.
    pub faults: Counts,
    /// What happened besides.
    pub activity: Activity,
    /// Virtual time that passed, in milliseconds.
    pub simulated_millis: u64,
}

/// What happened in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activity {
    /// The height of the honest node that is furthest.
    pub height: Height,
    /// Blocks that honest nodes made.
    pub made: u64,
    /// Blocks that an honest node disconnected.
    pub undone: u64,
    /// The deepest reorganisation of an honest node, in blocks.
    pub deepest: usize,
    /// Frames that arrived.
    pub frames: u64,
    /// Operations that patients signed.
    pub signed: u64,
    /// Payments that nodes took.
    pub paid: u64,
    /// Withdrawals that a gateway acknowledged.
    pub acknowledged: u64,
    /// Reads that were permitted.
    pub permitted: u64,
    /// Reads that were refused, by rule.
    pub refused: BTreeMap<String, u64>,
    /// Bans of lying peers by honest ones.
    pub bans: usize,
    /// Proofs that honest nodes gave of a validator's misconduct.
    pub accusations: u64,
    /// Validators that have answered for theirs on the chain.
    pub answered: u64,
    /// The most transactions that waited at one honest node.
    pub peak_waiting: usize,
    /// The most bytes that were under way in one direction of one link.
    pub peak_queued_bytes: usize,
}

/// What must never happen, and did. With the seed, the run can be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("seed {seed}, after {millis} ms: {rule}")]
pub struct Violation {
    /// The seed of the run.
    pub seed: u64,
    /// Virtual time since the run's beginning, in milliseconds.
    pub millis: u64,
    /// What was violated.
    pub rule: Broken,
}

/// What was violated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Broken {
    /// Two honest nodes, or one at two times, hold different blocks settled at one height.
    #[error("agreement: node {node} has another settled block at height {height:?}")]
    Agreement {
        /// The node.
        node: usize,
        /// The height.
        height: Height,
    },
    /// Coins came from nowhere, or went there.
    #[error("supply: node {node}: {reason}")]
    Supply {
        /// The node.
        node: usize,
        /// What the audit says.
        reason: String,
    },
    /// A node has lost what was durable.
    #[error("durability: node {node} came back with less than it had")]
    Durability {
        /// The node.
        node: usize,
    },
    /// The audit log of a gateway does not begin with what it was.
    #[error(
        "durability: the audit log of node {node} had {had} events, and the {found} that it came back with don't begin with them"
    )]
    Log {
        /// The node.
        node: usize,
        /// Events that it had.
        had: u64,
        /// Events that it came back with.
        found: u64,
    },
    /// A gateway has forgotten a withdrawal that it had acknowledged.
    #[error(
        "durability: node {node} came back without withdrawal {withdrawn} of patient {patient}, which it had acknowledged"
    )]
    Denial {
        /// The node.
        node: usize,
        /// The patient.
        patient: usize,
        /// The sequence number of the withdrawal.
        withdrawn: u64,
    },
    /// A gateway gave leave to read, and its audit log does not say so.
    #[error("record: node {node} gave leave to read and did not write it down")]
    Record {
        /// The node.
        node: usize,
    },
    /// A node did not start on its own disk.
    #[error("durability: node {node} does not start: {reason}")]
    Start {
        /// The node.
        node: usize,
        /// Why.
        reason: String,
    },
    /// A node took a transaction, and after healing it is not on the chain.
    #[error("presence: at node {node}, patient {patient} has {found} of {signed} operations on the chain")]
    Presence {
        /// The node.
        node: usize,
        /// The patient.
        patient: usize,
        /// Operations on the chain.
        found: u64,
        /// Operations signed.
        signed: u64,
    },
    /// A gateway acknowledged a withdrawal and served the record afterwards.
    #[error("revocation: the record of patient {patient} was served after withdrawal {withdrawn} was acknowledged")]
    Revocation {
        /// The patient.
        patient: usize,
        /// The sequence number of the withdrawal.
        withdrawn: u64,
    },
    /// An honest node held something against an honest node.
    #[error("honesty: node {by} penalised node {penalised}")]
    Honesty {
        /// Who penalised.
        by: usize,
        /// Whom.
        penalised: usize,
    },
    /// Something is on the chain that nobody signed.
    #[error("authenticity: node {node} has transaction {id} on the chain, which nobody signed")]
    Authenticity {
        /// The node.
        node: usize,
        /// The transaction.
        id: TxId,
    },
    /// A validator that keeps the rules was proven to have broken them.
    #[error("accusation: node {by} has proof against {accused}, who says one thing only")]
    Accusation {
        /// Who accused.
        by: usize,
        /// Whom.
        accused: PublicKey,
    },
    /// A validator contradicted itself, and nobody has proof of it.
    #[error("evidence: nobody has proof against the validator that contradicts itself")]
    Evidence,
    /// A validator contradicted itself, honest nodes had proof of it, and it did not answer for it on the chain: with its stake where stake
    /// decides, and with its seat in a council.
    ///
    /// Evidence has to be on the chain three blocks, at most, after an honest node first had it. What waits for the chain is in the
    /// memory of nodes, and goes from one to the next, so this can't hold while they don't hear each other: the three blocks are
    /// counted from the last moment at which the network was in parts, an honest node was dead, or connections did not lead from each of
    /// them to all others; and nothing is demanded once all that had evidence have died, or it is too old to be answered for. Under
    /// proof of stake, what is known before anything is bonded for the offender does not count.
    #[error(
        "impunity: at height {known:?} everybody could know that {offender} contradicted itself, and at {height:?} of node {node} it has not answered"
    )]
    Impunity {
        /// Where it has not.
        node: usize,
        /// Who.
        offender: PublicKey,
        /// How far the chain was when the three blocks began.
        known: Height,
        /// How far the node is.
        height: Height,
    },
    /// An offender has lost another part of its stake than the chain demands.
    #[error("penalty: {offender} has {left} left of its stake, and should have {due}")]
    Penalty {
        /// Who.
        offender: PublicKey,
        /// What is left.
        left: Amount,
        /// What should be.
        due: Amount,
    },
    /// Long after healing, validators needed more rounds than they should.
    #[error("rounds: after healing, height {height:?} took {rounds} rounds")]
    Rounds {
        /// The height.
        height: Height,
        /// How many rounds it took to decide on the block.
        rounds: u32,
    },
    /// After healing, a node did not come along.
    #[error("progress: after healing, node {node} is at height {found:?}, where at least {needed:?} is needed")]
    Progress {
        /// The node.
        node: usize,
        /// Its height.
        found: Height,
        /// The least height.
        needed: Height,
    },
    /// Long after healing, a node that should make blocks, or decide on them with others, does not.
    #[error("silence: long after healing, node {node} takes no part in making blocks")]
    Silence {
        /// The node.
        node: usize,
    },
    /// Long after healing, blocks come slower or faster than the interval of the chain says.
    #[error("pace: long after healing, {found} blocks came while {due} were due")]
    Pace {
        /// How many came.
        found: u64,
        /// How many intervals passed.
        due: u64,
    },
    /// More is kept than there can be need for.
    #[error("memory: node {node} keeps {count} transactions")]
    Memory {
        /// The node.
        node: usize,
        /// How many.
        count: usize,
    },
    /// The state is not what the blocks give, or not what another node makes of the same blocks.
    #[error("replay: node {node} has another state than its blocks give")]
    Replay {
        /// The node.
        node: usize,
    },
}

/// Runs the network once.
///
/// # Errors
/// The first violation that a checker sees.
///
/// # Panics
/// Where the options contradict themselves.
pub fn run(options: &Options, seed: u64) -> Result<Report, Box<Violation>> {
    run::Simulation::new(options, seed, None)?.run()
}

/// As [`run`], with somebody who looks on. The run is the same.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
pub fn run_watched(options: &Options, seed: u64, watcher: &mut dyn Watcher) -> Result<Report, Box<Violation>> {
    run::Simulation::new(options, seed, Some(watcher))?.run()
}
