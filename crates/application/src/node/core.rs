//! The node's one thread: takes events, commands and outcomes of searches one after the other, and hands out what follows.

mod engine;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use health_chain_consensus::{
    Accepted, EngineInput,
    ports::{SearchOutcome, Searcher},
};
use health_chain_data::{Block, BlockId, Height, Millis, Transaction, TxId};
use health_chain_incentive::MiningCycle;
use health_chain_network::{
    Action, Address, Direction, Event, Network, PeerId, Report, RequestFailure, RequestId, TipView, Transport,
    carry_out, limits::BAN_MILLIS,
};
use tracing::{debug, error, info, warn};

use super::{
    NodeEvent,
    accusations::Accusations,
    clock::Clock,
    company::Company,
    local::{Local, SubmitError},
    waiting::priority,
};

/// How often deadlines are looked at, in milliseconds.
const TICK_MILLIS: u64 = 100;
/// How often the peers are noted for the next start, in milliseconds.
const NOTE_MILLIS: u64 = 60_000;
/// How often the pool is looked through for what has waited too long, in milliseconds.
const EXPIRY_MILLIS: u64 = 10_000;
/// The longest wait for something to happen, in milliseconds.
const PATIENCE_MILLIS: u64 = 50;
/// How long to rest where nothing happens and the transport does not wait.
const PAUSE: Duration = Duration::from_millis(1);
/// Events taken from the transport before commands get their turn.
const EVENTS_PER_ROUND: usize = 256;
/// Commands run before the transport gets its turn, however many threads keep sending more.
const COMMANDS_PER_ROUND: usize = 32;

/// What another thread wants of the node's.
pub(super) enum Command {
    /// Run this on the node's thread.
    Run(Box<dyn FnOnce(&mut Core) + Send>),
    /// A search has ended.
    Searched(SearchOutcome),
    /// Stop.
    Stop,
}

/// What is left of the commands after a round.
enum Queue {
    Empty,
    /// There may be more.
    Waiting,
    /// The node is to stop.
    Over,
}

/// Waits for the answer to a request.
type Answer = mpsc::Sender<Result<Vec<u8>, RequestFailure>>;

pub(super) struct Core {
    pub(super) local: Local,
    pub(super) network: Network,
    pub(super) transport: Box<dyn Transport>,
    pub(super) searcher: Box<dyn Searcher>,
    cycle: Option<MiningCycle>,
    /// How many blocks are still to be made; `None` for no end.
    blocks_left: Option<u64>,
    pub(super) listeners: Vec<mpsc::Sender<NodeEvent>>,
    pub(super) clock: Clock,
    commands: mpsc::Receiver<Command>,
    requests: BTreeMap<RequestId, Answer>,
    wake_engine_at: Option<Millis>,
    /// The height at which this node's validator was last silent.
    pub(super) silent_at: Option<Height>,
    /// An own block could not be built, or was refused: no change of the tip will start the next one.
    retry_mining_at: Option<Millis>,
    next_tick: Millis,
    next_note: Millis,
    next_expiry: Millis,
    accusations: Accusations,
    /// The tip at which they were last offered to the chain.
    accused_at: Option<BlockId>,
}

impl Core {
    pub(super) fn new(
        local: Local,
        network: Network,
        transport: Box<dyn Transport>,
        searcher: Box<dyn Searcher>,
        clock: Clock,
        commands: mpsc::Receiver<Command>,
        accusations: Accusations,
    ) -> Self {
        let next_note = local.now.saturating_add(NOTE_MILLIS);
        Self {
            local,
            network,
            transport,
            searcher,
            cycle: None,
            blocks_left: None,
            listeners: Vec::new(),
            clock,
            commands,
            requests: BTreeMap::new(),
            wake_engine_at: None,
            silent_at: None,
            retry_mining_at: None,
            next_tick: Millis::ZERO,
            next_note,
            next_expiry: Millis::ZERO,
            accusations,
            accused_at: None,
        }
    }

    /// Runs until it is told to stop, nobody is left to tell it, or storage has failed.
    pub(super) fn run(mut self) {
        loop {
            self.local.now = (self.clock)();
            let patience = match self.take_commands() {
                Queue::Empty => self.patience(),
                Queue::Waiting => Duration::ZERO,
                Queue::Over => break,
            };
            let waiting_since = Instant::now();
            // A transport in memory does not wait.
            if !self.take_events(patience) && patience > PAUSE && waiting_since.elapsed() < PAUSE {
                thread::sleep(PAUSE);
            }
            self.finish_turn();
            if self.local.is_store_lost {
                error!("nothing more can be promised to anybody: the node stops");
                break;
            }
        }
        self.searcher.stop();
        if !self.local.is_store_lost {
            self.keep_company();
        }
        info!("stopped");
    }

    /// Notes whom the node knows, for its next start. Worth no more than a warning where it fails.
    fn keep_company(&mut self) {
        self.next_note = self.local.now.saturating_add(NOTE_MILLIS);
        let company = Company::of(&self.network);
        // Nobody at hand is no reason to forget those that there were.
        if company.anchors.is_empty() {
            return;
        }
        if let Err(error) = self.local.chain.put_local(&company.to_changes()) {
            warn!(%error, "the peers could not be noted");
        }
    }

    /// Takes what waits, without waiting for more.
    pub(super) fn turn(&mut self) {
        self.local.now = (self.clock)();
        self.take_commands();
        self.take_events(Duration::ZERO);
        self.finish_turn();
    }

    /// When there is something to do even if nothing arrives.
    pub(super) fn due(&self) -> Millis {
        let refresh = self.cycle.as_ref().and_then(|cycle| cycle.stale_at(&self.local.pool));
        let deadlines = self.network.due().min(self.next_note).min(refresh.unwrap_or(Millis::MAX));
        let tick = deadlines.max(self.next_tick);
        self.wakes_at().map_or(tick, |at| at.min(tick))
    }

    /// When the engine has something to do, or a block is to be made anew. Unlike deadlines of the network, this is not a matter of
    /// ticks.
    pub(super) fn wakes_at(&self) -> Option<Millis> {
        self.wake_engine_at.into_iter().chain(self.retry_mining_at).min()
    }

    /// Takes what the transport reports, and says whether there was anything.
    fn take_events(&mut self, mut patience: Duration) -> bool {
        for taken in 0..EVENTS_PER_ROUND {
            let Some(event) = self.transport.poll(patience) else { return taken > 0 };
            patience = Duration::ZERO;
            self.local.now = (self.clock)();
            self.take_event(event);
        }
        true
    }

    fn finish_turn(&mut self) {
        self.local.now = (self.clock)();
        self.tick();
        self.accuse_again();
        self.publish_events();
    }

    fn take_commands(&mut self) -> Queue {
        for _ in 0..COMMANDS_PER_ROUND {
            match self.commands.try_recv() {
                Ok(Command::Run(run)) => run(self),
                Ok(Command::Searched(SearchOutcome::Solved { task, nonce })) => {
                    self.step_engine(EngineInput::Solved { task, nonce });
                }
                Ok(Command::Searched(SearchOutcome::Exhausted { task })) => {
                    self.step_engine(EngineInput::Exhausted { task });
                }
                Ok(Command::Stop) | Err(mpsc::TryRecvError::Disconnected) => return Queue::Over,
                Err(mpsc::TryRecvError::Empty) => return Queue::Empty,
            }
        }
        Queue::Waiting
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.due().saturating_sub(self.local.now.0).0.min(PATIENCE_MILLIS))
    }

    fn take_event(&mut self, event: Event) {
        let before = self.local.tip();
        let bringer = if let Event::Received { peer, .. } = &event { Some(*peer) } else { None };
        let actions = self.network.handle(self.local.now, event, &mut self.local);
        self.carry_out(actions);
        if self.local.tip() != before {
            self.restart_mining();
        }
        for bytes in self.local.take_engine_messages() {
            let actions = self.drive(EngineInput::Message(bytes));
            if let Some(peer) = bringer {
                self.blame(peer, &actions);
            }
            self.advance(actions);
        }
    }

    fn tick(&mut self) {
        let now = self.local.now;
        if self.wake_engine_at.is_some_and(|at| at <= now) {
            self.wake_engine_at = None;
            self.step_engine(EngineInput::Tick);
        }
        if self.retry_mining_at.is_some_and(|at| at <= now) {
            self.restart_mining();
        }
        if self.next_tick > now {
            return;
        }
        self.next_tick = now.saturating_add(TICK_MILLIS);
        let actions = self.network.tick(now, &mut self.local);
        self.carry_out(actions);
        if self.next_expiry <= now {
            self.next_expiry = now.saturating_add(EXPIRY_MILLIS);
            self.local.expire();
        }
        self.refresh_candidate();
        if self.next_note <= now {
            self.keep_company();
        }
    }

    /// Does what the network wants, and tells it at once what came of it.
    pub(super) fn carry_out(&mut self, actions: Vec<Action>) {
        let mut pending = VecDeque::from([actions]);
        while let Some(actions) = pending.pop_front() {
            let (events, rest) = carry_out(&mut *self.transport, actions);
            for action in rest {
                self.note(action);
            }
            pending.extend(events.into_iter().map(|event| self.network.handle(self.local.now, event, &mut self.local)));
        }
    }

    fn note(&mut self, action: Action) {
        match action {
            Action::Answered { request, outcome, .. } => {
                if let Some(answer) = self.requests.remove(&request) {
                    // Fails where the asker has given up.
                    let _ = answer.send(outcome);
                }
            }
            Action::Report(Report::Joined { peer, address, .. }) => {
                info!(%peer, %address, "peer joined");
                self.publish(vec![NodeEvent::PeerJoined { peer }]);
            }
            Action::Report(Report::Left { peer }) => {
                info!(%peer, "peer left");
                self.local.service.left(&peer);
                self.publish(vec![NodeEvent::PeerLeft { peer }]);
            }
            Action::Report(Report::Penalised { peer, offence, is_banned }) => {
                if is_banned {
                    warn!(%peer, %offence, hours = BAN_MILLIS / 3_600_000, "peer banned");
                } else {
                    debug!(%peer, %offence, "peer penalised");
                }
                self.publish(vec![NodeEvent::PeerPenalised { peer, is_banned }]);
            }
            // Strangers may be of any network; whom this node dialled, its owner or a peer has named.
            Action::Report(Report::Refused { peer, address, direction: Direction::Outbound, reason }) => {
                info!(%peer, %address, %reason, "connection given up");
            }
            Action::Report(report) => debug!(?report, "network"),
            _ => {}
        }
    }

    /// Asks another node's application.
    pub(super) fn request(&mut self, peer: PeerId, body: Vec<u8>, answer: Answer) {
        match self.network.app_request(self.local.now, peer, body) {
            Ok((request, actions)) => {
                self.requests.insert(request, answer);
                self.carry_out(actions);
            }
            Err(error) => {
                debug!(%peer, %error, "request not sent");
                // Fails where the asker has given up.
                let _ = answer.send(Err(RequestFailure::Disconnected));
            }
        }
    }

    /// Takes a transaction of this node's own, and tells the others.
    pub(super) fn submit(&mut self, transaction: Transaction) -> Result<TxId, SubmitError> {
        let priority = priority(&transaction);
        let id = self.local.accept_transaction(transaction)?;
        let actions = self.network.announce_transaction(id, priority, &self.local);
        self.carry_out(actions);
        self.refresh_candidate();
        self.publish_events();
        Ok(id)
    }

    /// Takes a block of this node's own, and tells the others.
    pub(super) fn submit_block(&mut self, block: Block) -> Result<Accepted, SubmitError> {
        let id = block.id();
        let accepted = self.local.accept_block(block)?;
        if matches!(accepted, Accepted::Connected(_)) {
            let actions = self.network.announce_block(id);
            self.carry_out(actions);
            self.restart_mining();
        }
        self.publish_events();
        Ok(accepted)
    }

    pub(super) fn dial(&mut self, address: Address) {
        self.carry_out(vec![Action::Dial(address)]);
    }

    fn publish_events(&mut self) {
        let events = self.local.take_events();
        self.publish(events);
    }

    fn publish(&mut self, events: Vec<NodeEvent>) {
        for event in events {
            self.listeners.retain(|listener| listener.send(event.clone()).is_ok());
        }
    }
}
