//! The course of a run: one thing after the other, in virtual time.

mod people;
mod trouble;

use std::{collections::BTreeSet, sync::mpsc};

use health_chain::{
    application::node::{NodeEvent, SteppedNode},
    consensus::ports::{Accusation, SearchOutcome},
    data::{Millis, TxId, ports::BatchHasher, ports::ScalarHasher},
    network::PeerId,
};

use self::people::Question;
use super::{
    Activity, Broken, Options, Report, Violation,
    account::Accounts,
    check::Checks,
    disk::Disk,
    durable::Durable,
    fabric::{Fabric, LinkRules, NodeIndex, Partition, Wake, peer},
    fault::Fault,
    payments::Payer,
    random::Random,
    stake::Owner,
    users::Patient,
    watch::Watcher,
    world::{START, World},
};

/// How often the checkers look, in milliseconds.
const CHECK_MILLIS: u64 = 60_000;
/// How long a node that does not start on a full disk waits before it tries again, in milliseconds.
const RETRY_MILLIS: u64 = 10_000;

pub(super) struct Simulation<'a> {
    pub(super) options: &'a Options,
    seed: u64,
    pub(super) world: World,
    pub(super) fabric: Fabric,
    pub(super) nodes: Vec<Option<Running>>,
    disks: Vec<Disk>,
    /// What each node has had, durably.
    durable: Vec<Durable>,
    /// When each node is woken for its engine.
    woken_at: Vec<u64>,
    /// Every transaction that patients and the issuer have signed.
    pub(super) signed: BTreeSet<TxId>,
    pub(super) patients: Vec<Patient>,
    payers: Vec<Payer>,
    pub(super) owners: Vec<Owner>,
    questions: Vec<Question>,
    pub(super) random: Random,
    pub(super) activity: Activity,
    is_healed: bool,
    checks: Checks,
    accounts: Accounts,
    /// The validator whose journal was torn last, and the torn record.
    torn: Option<(NodeIndex, Vec<u8>)>,
    watcher: Option<&'a mut dyn Watcher>,
}

pub(super) struct Running {
    pub(super) node: SteppedNode,
    events: mpsc::Receiver<NodeEvent>,
}

impl<'a> Simulation<'a> {
    pub(super) fn new(
        options: &'a Options,
        seed: u64,
        watcher: Option<&'a mut dyn Watcher>,
    ) -> Result<Self, Box<Violation>> {
        assert!(options.nodes >= 3, "fewer than three nodes are no network");
        assert!((1..options.nodes).contains(&options.gateways), "some honest nodes are gateways, and some are not");
        let mut random = Random::new(seed);
        let total = options.nodes + options.liars().len();
        let gateways: Vec<NodeIndex> = (options.nodes - options.gateways..options.nodes).collect();
        let mut world = World::new(options, &gateways);
        world.lies_from += random.below(options.hostile_millis / 2);
        let rules = LinkRules {
            delay_millis: options.delay_millis,
            loss_one_in: if options.has(Fault::Loss) { options.loss_one_in } else { 0 },
            reorders: options.has(Fault::Reordering),
        };
        let mean_search_millis = (0..total).map(|node| world.makers.mean_search_millis(node)).collect();
        let fabric = Fabric::new(Millis::from(START), Random::new(random.number()), rules, mean_search_millis);
        if options.has(Fault::Firewalls) && seed % 2 == 1 {
            let walls = trouble::firewalls(options.nodes, total, &mut random);
            fabric.with(|shared| shared.walls = walls);
        }
        let chain = world.genesis.chain_id();
        let patients = (0..options.patients)
            .map(|index| Patient::new(index, chain, random.index(options.nodes), gateways[index % gateways.len()]))
            .collect();
        let payers = (0..options.payers)
            .map(|index| Payer::new(options.patients + index, chain, random.index(options.nodes)))
            .collect();
        let first = options.patients + options.payers;
        let validators = if world.is_staked() { world.makers.validators() } else { Vec::new() };
        let owners = (first..).zip(validators);
        let owners = owners.map(|(person, node)| Owner::new(person, chain, node, node < options.nodes)).collect();
        let mut simulation = Self {
            options,
            seed,
            world,
            fabric,
            nodes: (0..total).map(|_| None).collect(),
            // Who lies has no bug: it would be another lie.
            disks: (0..total).map(|node| Disk::new(options.bug.filter(|_| node < options.nodes))).collect(),
            durable: vec![Durable::default(); total],
            woken_at: vec![0; total],
            signed: BTreeSet::new(),
            patients,
            payers,
            owners,
            questions: Vec::new(),
            random,
            activity: Activity::default(),
            is_healed: false,
            checks: Checks::new(options.nodes),
            accounts: Accounts::default(),
            torn: None,
            watcher,
        };
        for node in 0..total {
            simulation.start(node)?;
        }
        simulation.plan();
        Ok(simulation)
    }

    pub(super) fn run(mut self) -> Result<Report, Box<Violation>> {
        let end = Millis::from(START).0 + self.options.hostile_millis + self.options.healed_millis;
        loop {
            let wake = self.fabric.with(|shared| shared.next()).expect("checks never end");
            if self.fabric.with(|shared| shared.now) > end {
                break;
            }
            self.take(wake)?;
        }
        self.check()?;
        let mut faults = self.fabric.with(|shared| std::mem::take(&mut shared.counts));
        for disk in &self.disks {
            for (fault, times) in disk.take_counts() {
                *faults.entry(fault).or_default() += times;
            }
        }
        if self.options.healed_millis > 0 {
            self.check_end()?;
            if self.activity.accusations == 0 && faults.contains_key(&Fault::DoubleVote) {
                return Err(self.violation(Broken::Evidence));
            }
        }
        let (trace, frames, peak) =
            self.fabric.with(|shared| (shared.trace.hash(), shared.frames, shared.peak_queued_bytes));
        self.activity.frames = frames;
        self.activity.peak_queued_bytes = peak;
        self.activity.signed = self.patients.iter().map(|patient| patient.log.len() as u64).sum();
        let simulated_millis = self.options.hostile_millis + self.options.healed_millis;
        Ok(Report { trace, faults, activity: self.activity, simulated_millis })
    }

    /// What happens without anything leading to it.
    fn plan(&mut self) {
        let act = self.options.act_millis;
        for patient in 0..self.patients.len() {
            let (first, second) = (self.random.below(act), self.random.below(act));
            self.after(first, Wake::Patient(patient));
            self.after(second, Wake::Reader(patient));
        }
        for payer in 0..self.payers.len() {
            let first = self.random.below(self.options.pay_millis);
            self.after(first, Wake::Payer(payer));
        }
        for owner in 0..self.owners.len() {
            let first = self.random.below(act);
            self.after(first, Wake::Owner(owner));
        }
        if self.options.faults.iter().any(|fault| fault.is_scheduled()) {
            self.after(self.options.fault_millis, Wake::Fault);
        }
        self.after(CHECK_MILLIS, Wake::Check);
        self.after(self.options.hostile_millis, Wake::Heal);
    }

    fn take(&mut self, wake: Wake) -> Result<(), Box<Violation>> {
        match wake {
            Wake::Turn { node, life } => {
                if self.fabric.with(|shared| shared.is_planned(node, life)) {
                    self.turn(node)?;
                }
            }
            Wake::Engine { node, life } => {
                if self.fabric.with(|shared| shared.life(node)) == Some(life) {
                    self.turn(node)?;
                }
            }
            Wake::Deliver { link, from, to, event, bytes } => {
                if self.fabric.with(|shared| shared.deliver(link, from, to, event, bytes)).is_some() {
                    self.turn(to)?;
                }
            }
            Wake::DialFailed { node, life, address } => {
                self.fabric.with(|shared| shared.dial_failed(node, life, address));
            }
            Wake::Dialled { from, life, to, address } => {
                self.fabric.with(|shared| shared.dialled(from, life, to, address));
            }
            Wake::IdleTimeout { link } => self.fabric.with(|shared| shared.time_out(link)),
            Wake::Found { node, search } => self.found(node, search)?,
            Wake::Fault => self.fault()?,
            Wake::Mend => self.fabric.with(|shared| shared.divide(Partition::None)),
            Wake::Restart(node) => self.start(node)?,
            Wake::Room(node) => self.disks[node].set_full(false),
            Wake::Patient(patient) => self.patient(patient)?,
            Wake::Reader(patient) => self.reader(patient),
            Wake::Payer(payer) => self.payer(payer)?,
            Wake::Owner(owner) => self.owner(owner)?,
            Wake::Check => {
                self.check()?;
                self.after(CHECK_MILLIS, Wake::Check);
            }
            Wake::Heal => self.heal(),
        }
        Ok(())
    }

    fn start(&mut self, node: NodeIndex) -> Result<(), Box<Violation>> {
        let tamper = self.world.tamper(node, self.options.has(Fault::Equivocation));
        let entropy = self.random.bytes();
        let started = self.world.start(node, &self.fabric, &self.disks[node], tamper, entropy);
        let mut started = match started {
            Ok(started) => started,
            Err(_) if self.disks[node].is_full() => {
                self.fabric.with(|shared| shared.leave(node));
                self.after(RETRY_MILLIS, Wake::Restart(node));
                return Ok(());
            }
            Err(error) => return Err(self.violation(Broken::Start { node, reason: format!("{error:?}") })),
        };
        let checked = self.durable[node].check(node, started.chain(), &self.patients);
        checked.map_err(|broken| self.violation(broken))?;
        let events = started.events();
        self.nodes[node] = Some(Running { node: started, events });
        let life = self.fabric.with(|shared| shared.life(node)).expect("it has joined");
        self.after(0, Wake::Engine { node, life });
        Ok(())
    }

    /// Lets a node take what waits for it.
    fn turn(&mut self, node: NodeIndex) -> Result<(), Box<Violation>> {
        let Some(running) = &mut self.nodes[node] else { return Ok(()) };
        running.node.turn();
        self.after_step(node)
    }

    /// After every step of a node: has it died in it, and what came of it?
    pub(super) fn after_step(&mut self, node: NodeIndex) -> Result<(), Box<Violation>> {
        if self.disks[node].is_tearing() {
            self.die(node);
            self.torn = self.disks[node].tear(&mut self.random).map(|record| (node, record));
            return Ok(());
        }
        let has_failed = self.nodes[node].as_ref().is_some_and(|running| running.node.has_failed());
        if self.disks[node].is_dead() || has_failed {
            self.die(node);
            return Ok(());
        }
        self.wake_for_engine(node);
        self.plan_turn(node);
        let Some(running) = &self.nodes[node] else { return Ok(()) };
        let is_honest = node < self.options.nodes;
        if let Some(watcher) = self.watcher.as_mut().filter(|_| is_honest) {
            let millis = self.fabric.with(|shared| shared.now) - Millis::from(START).0;
            watcher.turned(millis, node, &running.node);
        }
        let (mut moved, mut accusations) = (false, Vec::new());
        for event in running.events.try_iter() {
            match event {
                NodeEvent::Tip { undone, .. } => {
                    moved = true;
                    if is_honest {
                        self.activity.undone += undone as u64;
                        self.activity.deepest = self.activity.deepest.max(undone);
                    }
                }
                NodeEvent::Mined { .. } if is_honest => {
                    self.activity.made += 1;
                    let know_each_other = self.millis() >= self.options.known_again_millis();
                    self.checks.made[node] += u64::from(know_each_other);
                }
                NodeEvent::PeerPenalised { peer, is_banned } if is_honest => {
                    if let Some(penalised) = self.honest_one(&peer) {
                        return Err(self.violation(Broken::Honesty { by: node, penalised }));
                    }
                    self.activity.bans += usize::from(is_banned);
                }
                NodeEvent::Accused { accusation } if is_honest => {
                    let accused = accusation.offender;
                    if !self.world.contradicts_itself(&accused) {
                        return Err(self.violation(Broken::Accusation { by: node, accused }));
                    }
                    self.activity.accusations += 1;
                    accusations.push(accusation);
                }
                _ => {}
            }
        }
        let chain = running.node.chain();
        self.durable[node].note_log(chain);
        if moved {
            self.durable[node].note_tip(chain);
            self.fabric.with(|shared| shared.note(chain.tip().id.as_bytes()));
            if is_honest {
                self.check_tip(node)?;
            }
        }
        if is_honest {
            self.check_accounts(node, &accusations)?;
        }
        self.take_answers(node)
    }

    /// The node with this name, if it is an honest one.
    fn honest_one(&self, name: &PeerId) -> Option<NodeIndex> {
        let is_honest = |node: &NodeIndex| *node != 0 || !self.options.has(Fault::Equivocation);
        (0..self.options.nodes).filter(is_honest).find(|node| peer(*node) == *name)
    }

    /// Gives the node a turn when its engine wants one.
    fn wake_for_engine(&mut self, node: NodeIndex) {
        let Some(at) = self.nodes[node].as_ref().and_then(|running| running.node.wakes_at()) else { return };
        if self.woken_at[node] == at.0 {
            return;
        }
        let now = self.fabric.clock(node);
        if let Some(life) = self.fabric.with(|shared| shared.life(node)) {
            self.woken_at[node] = at.0;
            let after = at.saturating_sub(now.0).0;
            self.fabric.with(|shared| shared.after(after, Wake::Engine { node, life }));
        }
    }

    /// Gives the node a turn when something is due, but not more often than the options say.
    fn plan_turn(&self, node: NodeIndex) {
        let Some(running) = &self.nodes[node] else { return };
        let after = running.node.due().saturating_sub(self.fabric.clock(node).0).0;
        self.fabric.with(|shared| shared.plan_turn(node, after.max(self.options.turn_millis)));
    }

    fn die(&mut self, node: NodeIndex) {
        self.nodes[node] = None;
        self.woken_at[node] = 0;
        self.fabric.with(|shared| shared.leave(node));
        let after = self.random.between(1_000, self.options.max_outage_millis);
        self.after(after, Wake::Restart(node));
    }

    fn found(&mut self, node: NodeIndex, search: u64) -> Result<(), Box<Violation>> {
        let Some((task, report)) = self.fabric.found(node, search) else { return Ok(()) };
        let nonce = ScalarHasher.search_nonce(&task.header, &task.target, 0, 1 << 32);
        report(match nonce {
            Some(nonce) => SearchOutcome::Solved { task, nonce },
            None => SearchOutcome::Exhausted { task },
        });
        self.turn(node)
    }

    fn check(&mut self) -> Result<(), Box<Violation>> {
        let mut checks = std::mem::take(&mut self.checks);
        let result = checks.look(self);
        self.checks = checks;
        result.map_err(|broken| self.violation(broken))
    }

    fn check_tip(&mut self, node: NodeIndex) -> Result<(), Box<Violation>> {
        let mut checks = std::mem::take(&mut self.checks);
        let result = checks.look_at_tip(self, node);
        self.checks = checks;
        result.map_err(|broken| self.violation(broken))
    }

    fn check_accounts(&mut self, node: NodeIndex, new: &[Accusation]) -> Result<(), Box<Violation>> {
        let mut accounts = std::mem::take(&mut self.accounts);
        for accusation in new {
            accounts.heard(self, node, accusation).expect("memory can be read");
        }
        let result = accounts.look(self, node);
        self.activity.answered = accounts.answered();
        self.accounts = accounts;
        result.map_err(|broken| self.violation(broken))
    }

    fn check_end(&mut self) -> Result<(), Box<Violation>> {
        self.checks.look_at_end(self).map_err(|broken| self.violation(broken))
    }

    /// Virtual time since the beginning.
    fn millis(&self) -> u64 {
        self.fabric.with(|shared| shared.now) - Millis::from(START).0
    }

    pub(super) fn after(&self, millis: u64, wake: Wake) {
        self.fabric.with(|shared| shared.after(millis, wake));
    }

    fn violation(&self, rule: Broken) -> Box<Violation> {
        let millis = self.millis();
        Box::new(Violation { seed: self.seed, millis, rule })
    }
}
