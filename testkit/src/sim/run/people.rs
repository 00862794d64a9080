//! What people want of nodes, what nodes answer, and whether they may.

use std::sync::mpsc;

use health_chain::{
    application::{
        gateway::{Request, Response},
        node::Answer,
    },
    data::{Hash, Transaction, codec},
};

use super::Simulation;
use crate::sim::{
    Broken, Violation,
    durable::Permitted,
    fabric::{NodeIndex, Wake, peer},
    users::{Operation, Wish},
    watch::Signed,
};

/// The time between two looks of a patient who only makes sure that what she signed is on the chain, at most, in milliseconds.
const RESTING_MILLIS: u64 = 60_000;
/// How much of the healed time patients act on: afterwards they only make sure that what they signed is on the chain.
const ACTIVE_SHARE: u64 = 4;

/// Something asked of a gateway.
pub(super) struct Question {
    /// The node that asked for her.
    asker: NodeIndex,
    patient: usize,
    about: About,
    answer: Answer,
}

enum About {
    /// Leave to read, by this request; what the gateway had acknowledged when it was asked.
    Read { request: Hash, acknowledged: Option<u64> },
    /// The withdrawal with this number.
    Withdrawal { seq: u64 },
}

impl Simulation<'_> {
    pub(super) fn patient(&mut self, index: usize) -> Result<(), Box<Violation>> {
        let millis = self.millis();
        let until_rest = self.rests_at_millis().saturating_sub(millis);
        let mut next = self.random.exponential(self.options.act_millis as f64) as u64;
        // Who wanted to come later than that comes, too: a node that died since may have lost what she gave it.
        if next >= until_rest {
            let mean = self.options.act_millis.min(RESTING_MILLIS);
            next = until_rest + self.random.exponential(mean as f64) as u64;
        }
        self.after(next.max(1), Wake::Patient(index));
        let rests = until_rest == 0;
        let patient = &mut self.patients[index];
        let home = patient.home;
        let Some(running) = &mut self.nodes[home] else { return Ok(()) };
        let before = patient.log.len();
        let wish = patient.wish(running.node.chain().state(), rests, &mut self.random);
        let gateway = Some(patient.gateway);
        if let Some(watcher) = &mut self.watcher {
            for signed in &patient.log[before..] {
                watcher.signed(millis, &Signed { transaction: &signed.transaction, home, gateway });
            }
        }
        match wish.expect("memory can be read") {
            Wish::Nothing => Ok(()),
            Wish::Coin => {
                let mint = self.world.mint();
                self.signed.insert(mint.id());
                // Known, or on the chain already, where another patient was first.
                let _ = running.node.submit(mint);
                self.after_step(home)
            }
            Wish::Submit(operations) => {
                operations.into_iter().try_for_each(|(seq, transaction)| self.submit(index, seq, transaction))
            }
        }
    }

    pub(super) fn payer(&mut self, index: usize) -> Result<(), Box<Violation>> {
        let next = self.random.exponential(self.options.pay_millis as f64) as u64;
        self.after(next.max(1), Wake::Payer(index));
        let millis = self.millis();
        let payer = &mut self.payers[index];
        let home = payer.home;
        let Some(running) = &mut self.nodes[home] else { return Ok(()) };
        match payer.pay(running.node.chain().state()) {
            Some(payment) => {
                if let Some(watcher) = &mut self.watcher {
                    watcher.signed(millis, &Signed { transaction: &payment, home, gateway: None });
                }
                self.signed.insert(payment.id());
                if running.node.submit(payment.clone()).is_ok() {
                    payer.paid(&payment);
                    self.activity.paid += 1;
                }
            }
            None => {
                // Known, or on the chain already, where somebody else was first.
                let mint = self.world.mint();
                self.signed.insert(mint.id());
                let _ = running.node.submit(mint);
            }
        }
        self.after_step(home)
    }

    fn submit(&mut self, index: usize, seq: u64, transaction: Transaction) -> Result<(), Box<Violation>> {
        let (home, gateway) = (self.patients[index].home, self.patients[index].gateway);
        let Some(running) = &mut self.nodes[home] else { return Ok(()) };
        self.signed.insert(transaction.id());
        let is_revocation = self.patients[index].log[seq as usize].what == Operation::Revoke;
        if is_revocation && home != gateway {
            let answer = running.node.ask(peer(gateway), codec::encode(&Request::withdraw(&transaction)));
            self.questions.push(Question { asker: home, patient: index, about: About::Withdrawal { seq }, answer });
        }
        let taken = running.node.submit(transaction).is_ok();
        self.after_step(home)?;
        if taken && is_revocation && home == gateway && self.nodes[home].is_some() {
            self.acknowledge(index, seq);
        }
        Ok(())
    }

    fn acknowledge(&mut self, patient: usize, seq: u64) {
        self.activity.acknowledged += 1;
        let known = &mut self.patients[patient].acknowledged;
        *known = (*known).max(Some(seq));
    }

    pub(super) fn reader(&mut self, index: usize) {
        let next = self.random.exponential(self.options.act_millis as f64) as u64;
        self.after(next.max(1), Wake::Reader(index));
        let asker = self.random.index(self.options.nodes);
        let nonce = self.random.bytes();
        let patient = &self.patients[index];
        if asker == patient.gateway || patient.log.is_empty() {
            return;
        }
        let Some(running) = &mut self.nodes[asker] else { return };
        let time = self.fabric.clock(asker).timestamp();
        let request = patient.read_request(time, nonce);
        let answer = running.node.ask(peer(patient.gateway), codec::encode(&Request::Open(request)));
        let about = About::Read { request: request.message(), acknowledged: patient.acknowledged };
        self.questions.push(Question { asker, patient: index, about, answer });
    }

    /// Answers come in a step of the node that asked, and are taken before another one has a step.
    pub(super) fn take_answers(&mut self, node: NodeIndex) -> Result<(), Box<Violation>> {
        if !self.questions.iter().any(|question| question.asker == node) {
            return Ok(());
        }
        let mut waiting = Vec::new();
        for question in std::mem::take(&mut self.questions) {
            if question.asker != node {
                waiting.push(question);
                continue;
            }
            match question.answer.try_recv() {
                Err(mpsc::TryRecvError::Empty) => waiting.push(question),
                Err(mpsc::TryRecvError::Disconnected) | Ok(Err(_)) => {}
                Ok(Ok(body)) => self.answered(&question, &body)?,
            }
        }
        self.questions = waiting;
        Ok(())
    }

    fn answered(&mut self, question: &Question, body: &[u8]) -> Result<(), Box<Violation>> {
        let patient = question.patient;
        match (&question.about, codec::decode::<Response>(body)) {
            (About::Withdrawal { seq }, Ok(Response::Taken)) => self.acknowledge(patient, *seq),
            (About::Read { request, acknowledged }, Ok(Response::Opened(_))) => {
                self.activity.permitted += 1;
                let gateway = self.patients[patient].gateway;
                let permitted = Permitted { object: self.patients[patient].object, request: *request };
                let chain = self.nodes[gateway].as_ref().map(|running| running.node.chain());
                let recorded = self.durable[gateway].permitted(gateway, chain, permitted);
                recorded.map_err(|broken| self.violation(broken))?;
                // Only a grant signed after the withdrawal makes the answer right.
                if let Some(withdrawn) = *acknowledged
                    && self.patients[patient].last_grant() < Some(withdrawn)
                {
                    return Err(self.violation(Broken::Revocation { patient, withdrawn }));
                }
            }
            (_, Ok(Response::Refused { rule, .. })) => *self.activity.refused.entry(rule).or_default() += 1,
            _ => {}
        }
        Ok(())
    }

    /// When patients sign nothing new any more.
    const fn rests_at_millis(&self) -> u64 {
        self.options.hostile_millis + self.options.healed_millis / ACTIVE_SHARE
    }
}
