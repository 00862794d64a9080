//! A validator's part: which height it is at, what waits for the next ones, and when it may not speak.

use health_chain_consensus::{Validator, ports::Action};
use health_chain_data::{Height, Millis, PublicKey, codec::CodecError};

use crate::{
    host::{Machine, Office},
    journal::{Entry, Record},
    limits::MAX_FUTURE_MESSAGES,
    message::{Message, Votes},
    statement::Statement,
};

/// Why a validator says nothing more: somebody else speaks with its key.
pub(crate) const DOUBLED: &str = "bft-key-elsewhere";

/// A validator's part.
pub(crate) struct Seat {
    pub(crate) machine: Machine,
    /// Messages of heights that this validator has not begun yet, in the order in which they came.
    pub(crate) held: Vec<Message>,
    /// When to begin the next height.
    begin_at: Option<Millis>,
    journal: Vec<Entry>,
    /// The journal can't be read: this validator does not know what it said at the height it is at.
    is_journal_damaged: bool,
    /// The height at which it therefore says nothing.
    silent_at: Option<Height>,
    /// Somebody else speaks with its key, so it says nothing until it is started again.
    is_doubled: bool,
    has_begun: bool,
}

impl Seat {
    pub(crate) const fn new(machine: Machine) -> Self {
        Self {
            machine,
            held: Vec::new(),
            begin_at: None,
            journal: Vec::new(),
            is_journal_damaged: false,
            silent_at: None,
            is_doubled: false,
            has_begun: false,
        }
    }

    pub(crate) fn may_speak(&self, height: Height) -> bool {
        !self.is_doubled && self.silent_at != Some(height)
    }

    /// Whether it may speak at `next`, and knows what it has said there.
    pub(crate) fn remembers(&self, next: Height) -> bool {
        self.may_speak(next) && !self.is_journal_damaged
    }

    /// Whether it has said this itself, as it knows from its journal before it has begun the height.
    pub(crate) fn has_said(&self, statement: &Statement) -> bool {
        let me = self.machine.me();
        let is_it = |entry: &Entry| matches!(&entry.record, Record::Said(signed) if signed.validator == me && signed.statement == *statement);
        self.machine.has_said(statement) || self.journal.iter().any(is_it)
    }

    /// Says nothing more until it is started again: somebody else speaks with its key.
    pub(crate) fn be_doubled(&mut self, next: Height) {
        self.is_doubled = true;
        self.machine.leave();
        self.machine.stay_silent(next, DOUBLED);
    }

    /// Leaves the height under way, and what was held for it: the chain has moved on.
    pub(crate) fn leave(&mut self, next: Height) {
        self.machine.leave();
        self.held.retain(|message| height_of(message) >= next);
    }

    pub(crate) fn tip(&mut self, now: Millis, next: Height, interval: u64) {
        if self.machine.is_at(next) {
            self.machine.repeat_wish();
        } else if !self.has_begun {
            self.begin_at = Some(now);
        } else {
            self.begin_at = Some(now.saturating_add(interval));
        }
    }

    pub(crate) fn hear(&mut self, now: Millis, height: Height, message: Message) {
        if !self.machine.is_at(height) {
            if self.may_speak(height)
                && self.held.len() < MAX_FUTURE_MESSAGES
                && !matches!(message, Message::Polka(_) | Message::Round { .. })
            {
                self.held.push(message);
            }
            return;
        }
        match message {
            Message::Vote(signed) => self.machine.hear(now, signed),
            Message::Proposal(signed, block) => self.machine.hear_proposal(now, signed, block),
            Message::Polka(votes) => self.machine.hear_polka(now, &votes),
            Message::Round { skips, votes } => self.machine.hear_round(now, &votes, skips),
        }
    }

    pub(crate) fn tick(&mut self, now: Millis, next: Height, office: &Office) {
        if self.begin_at.take_if(|at| *at <= now).is_some() {
            self.begin(now, next, office);
        }
        self.machine.tick(now);
    }

    fn begin(&mut self, now: Millis, next: Height, office: &Office) {
        self.has_begun = true;
        let journal = std::mem::take(&mut self.journal);
        if !contains(&office.validators, &self.machine.me()) {
            return;
        }
        if std::mem::take(&mut self.is_journal_damaged) {
            self.silent_at = Some(next);
            self.machine.stay_silent(next, "bft-journal-damaged");
        }
        if self.is_doubled {
            return self.machine.stay_silent(next, DOUBLED);
        }
        if self.silent_at == Some(next) {
            // However often the height is begun. The next one is a clean one.
            return;
        }
        let records: Vec<Record> =
            journal.into_iter().filter(|entry| entry.height == next).map(|entry| entry.record).collect();
        self.machine.begin(now, next, office, records);
        let (ready, held) = std::mem::take(&mut self.held).into_iter().partition(|message| height_of(message) == next);
        self.held = held;
        let ready: Vec<Message> = ready;
        for message in ready {
            self.hear(now, next, message);
        }
    }

    pub(crate) fn read(&mut self, entry: Result<Entry, CodecError>) {
        match entry {
            Ok(entry) => self.journal.push(entry),
            Err(_) => self.is_journal_damaged = true,
        }
    }

    /// What is to be done, and when to wake.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        let mut actions = self.machine.take_actions();
        let wake_at = self.begin_at.into_iter().chain(self.machine.wake_at()).min();
        actions.extend(wake_at.map(Action::WakeAt));
        actions
    }
}

fn height_of(message: &Message) -> Height {
    match message {
        Message::Vote(signed) | Message::Proposal(signed, _) => signed.statement.height,
        Message::Polka(Votes(votes)) | Message::Round { votes: Votes(votes), .. } => {
            votes.first().map_or(Height::ZERO, |vote| vote.statement.height)
        }
    }
}

pub(crate) fn contains(validators: &[Validator], key: &PublicKey) -> bool {
    validators.iter().any(|validator| validator.key == *key)
}
