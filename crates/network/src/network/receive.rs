//! What happens with each message.

use alloc::{collections::BTreeSet, vec::Vec};
use core::mem;

use health_chain_data::{BlockId, Hash, Header, Millis, Transaction, codec, sha256};

use super::Network;
use crate::{
    action::{Action, Report},
    address_book::reachable,
    handshake::Stage,
    limits::{
        HEADERS_COST_BYTES, MAX_ANSWER_BYTES, MAX_APP_BODY_BYTES, MAX_BATCH_BYTES, MAX_FETCHES_PER_PEER, MAX_HEADERS,
        MAX_SHARED_ADDRESSES, SHARE_ADDRESSES_MILLIS,
    },
    message::{EncodedTransaction, Hello, Item, Message, block_id},
    ports::{Address, Direction, Inbound, Local, PeerId, Priority, TipView, Verdict},
    requests::RequestId,
    score::Offence,
};

impl Network {
    pub(super) fn received(&mut self, now: Millis, peer: PeerId, frame: &[u8], local: &mut dyn Local) {
        let Some(stage) = self.peers.get(&peer).map(|peer| peer.stage) else { return };
        let message = match Message::decode(frame) {
            Ok(message) => message,
            Err(error) => return self.punish(now, peer, error.into()),
        };
        match (stage, message) {
            (Stage::AwaitHello { until }, Message::Hello(hello)) => self.greeted(now, peer, until, hello),
            (Stage::AwaitHello { .. }, _) => self.punish(now, peer, Offence::BeforeHello),
            (_, Message::Hello(_)) => self.punish(now, peer, Offence::SecondHello),
            (Stage::AwaitReady { .. }, message) => {
                // A frame of a higher priority may overtake the peer's `Ready`, and means the same.
                self.join(peer, local);
                self.dispatch(now, peer, message, frame.len(), local);
            }
            (Stage::Ready, message) => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.ping.heard(now);
                }
                self.dispatch(now, peer, message, frame.len(), local);
            }
        }
    }

    fn greeted(&mut self, now: Millis, id: PeerId, until: Millis, hello: Hello) {
        if let Err(refusal) = self.identity.check(&hello) {
            return self.refuse(now, id, refusal);
        }
        let peer = self.peers.get_mut(&id).expect("it sent this message");
        peer.stage = Stage::AwaitReady { until };
        peer.height = hello.height;
        peer.listen = hello.listen.map(|listen| reachable(&listen, &peer.address));
        self.send(id, &Message::Ready);
    }

    fn join(&mut self, id: PeerId, view: &dyn TipView) {
        let peer = self.peers.get_mut(&id).expect("it sent this message");
        peer.stage = Stage::Ready;
        let (address, direction, height) = (peer.address.clone(), peer.direction, peer.height);
        let listen = peer.listen.clone();
        match direction {
            Direction::Outbound => self.outbound.greeted(&address),
            Direction::Inbound => {
                if let Some(listen) = listen {
                    self.outbound.hear_of(&listen, &address);
                }
            }
        }
        self.engine_messages.joined(id);
        self.fetches.joined(id);
        self.relay.joined(id);
        self.relay.offer(&id, view.waiting(MAX_FETCHES_PER_PEER));
        self.sync.joined(id, height);
        self.actions.push(Action::Report(Report::Joined { peer: id, address, direction }));
    }

    fn dispatch(&mut self, now: Millis, peer: PeerId, message: Message, bytes: usize, local: &mut dyn Local) {
        // These may have been asked for; they are charged, if at all, where that is known.
        let may_be_free = match &message {
            Message::Transactions(batch) => !batch.is_empty(),
            Message::Block(_) | Message::Headers(_) | Message::AppResponse { .. } => true,
            _ => false,
        };
        if !may_be_free && !self.charge(now, peer, message.cost_messages(), bytes) {
            return;
        }
        match message {
            Message::Hello(_) | Message::Ready => {}
            Message::Announce(items) => self.announced(now, peer, &items, local),
            Message::Request(items) => self.serve(now, peer, items, local),
            Message::NotFound(items) => self.not_found(now, peer, &items),
            Message::Transactions(batch) => {
                batch.iter().for_each(|transaction| self.transaction(now, peer, &transaction.0, local));
            }
            Message::Block(bytes) => self.block(now, peer, &bytes, local),
            Message::GetHeaders { locator } => {
                if self.may_serve(now, &peer) {
                    self.served(now, &peer, HEADERS_COST_BYTES);
                    let headers = local.headers_after(&locator, MAX_HEADERS);
                    self.send(peer, &Message::Headers(headers));
                }
            }
            Message::Headers(headers) => self.headers(now, peer, &headers, bytes, local),
            Message::GetPeers => self.share_addresses(now, peer),
            Message::Peers(addresses) => self.addresses_heard(peer, &addresses),
            Message::Ping { nonce } => self.send(peer, &Message::Pong { nonce }),
            Message::Pong { nonce } => {
                let is_answer = self.peers.get_mut(&peer).is_some_and(|peer| peer.ping.answered(now, nonce));
                if !is_answer {
                    self.punish(now, peer, Offence::UnaskedPong);
                }
            }
            Message::AppRequest { id, body } => self.app_requested(now, peer, id, &body, local),
            Message::AppResponse { id, body } => self.app_answered(now, peer, RequestId(id), body),
            Message::Engine(bytes) => {
                if self.engine_messages.brought(now, &peer, sha256(&bytes)) {
                    self.send(peer, &Message::EngineEnough);
                }
                local.engine(bytes);
            }
            Message::EngineNames(names) => self.engine_messages.named(now, &peer, &names),
            Message::EngineWanted(names) => self.bring(now, peer, &names),
            Message::EngineEnough => self.engine_messages.enough(&peer),
        }
    }

    /// Counts something that was not asked for. `false` if it is to be dropped.
    fn charge(&mut self, now: Millis, peer: PeerId, messages: usize, bytes: usize) -> bool {
        let is_within = self.peers.get_mut(&peer).is_some_and(|peer| peer.budget.receive(now, messages, bytes));
        if !is_within {
            self.punish(now, peer, Offence::OverBudget);
        }
        is_within
    }

    fn announced(&mut self, now: Millis, peer: PeerId, items: &[Item], local: &dyn Local) {
        items.iter().for_each(|item| self.relay.note_known(&peer, *item));
        let outbox = self.fetches.announced(now, &peer, items, |id| local.has_transaction(id));
        self.send_all(outbox);
        for item in items {
            if let Item::Block(id) = item {
                let outbox = self.sync.announced(now, peer, *id, local);
                self.send_all(outbox);
            }
        }
    }

    /// Sends what was requested, up to [`MAX_ANSWER_BYTES`] and the peer's budget: blocks one by one, transactions together.
    fn serve(&mut self, now: Millis, peer: PeerId, items: Vec<Item>, local: &dyn Local) {
        let mut sent_bytes = 0;
        let mut batch = Batch::default();
        let mut missing = Vec::new();
        let mut seen = BTreeSet::new();
        for item in items.into_iter().filter(|item| seen.insert(*item)) {
            let found = match item {
                _ if sent_bytes >= MAX_ANSWER_BYTES || !self.may_serve(now, &peer) => None,
                Item::Block(id) => TipView::block(local, &id),
                Item::Transaction(id) | Item::Revocation(id) => TipView::transaction(local, &id),
            };
            let Some(bytes) = found else {
                if sent_bytes >= MAX_ANSWER_BYTES && is_here(local, &item) {
                    self.relay.announce_again(&peer, item);
                }
                missing.push(item);
                continue;
            };
            sent_bytes += bytes.len();
            self.served(now, &peer, bytes.len());
            self.relay.note_known(&peer, item);
            if let Item::Block(_) = item {
                self.send(peer, &Message::Block(bytes));
                continue;
            }
            if batch.bytes >= MAX_BATCH_BYTES || batch.priority != item.priority() {
                self.send_batch(peer, &mut batch);
            }
            batch.priority = item.priority();
            batch.bytes += bytes.len();
            batch.transactions.push(EncodedTransaction(bytes));
        }
        self.send_batch(peer, &mut batch);
        if !missing.is_empty() {
            self.send(peer, &Message::NotFound(missing));
        }
    }

    fn send_batch(&mut self, peer: PeerId, batch: &mut Batch) {
        let batch = mem::take(batch);
        if !batch.transactions.is_empty() {
            self.send_as(peer, batch.priority, &Message::Transactions(batch.transactions));
        }
    }

    /// Brings the messages of engines that the peer asks for, up to [`MAX_ANSWER_BYTES`] and the peer's budget.
    fn bring(&mut self, now: Millis, peer: PeerId, names: &[Hash]) {
        self.engine_messages.wants(&peer);
        let mut sent_bytes = 0;
        for name in names {
            if sent_bytes >= MAX_ANSWER_BYTES || !self.may_serve(now, &peer) {
                break;
            }
            let Some(bytes) = self.engine_messages.message(name).map(<[u8]>::to_vec) else { continue };
            sent_bytes += bytes.len();
            self.served(now, &peer, bytes.len());
            self.send(peer, &Message::Engine(bytes));
        }
    }

    fn may_serve(&mut self, now: Millis, peer: &PeerId) -> bool {
        self.peers.get_mut(peer).is_some_and(|peer| peer.budget.may_be_served(now))
    }

    fn served(&mut self, now: Millis, peer: &PeerId, bytes: usize) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.budget.served(now, bytes);
        }
    }

    fn not_found(&mut self, now: Millis, peer: PeerId, items: &[Item]) {
        for item in items {
            match item {
                Item::Block(id) => self.sync.not_found(now, &peer, id),
                Item::Transaction(id) | Item::Revocation(id) => {
                    let outbox = self.fetches.failed(now, &peer, id);
                    self.send_all(outbox);
                }
            }
        }
    }

    fn transaction(&mut self, now: Millis, peer: PeerId, bytes: &[u8], local: &mut dyn Local) {
        if !self.peers.contains_key(&peer) {
            return; // Banned for an earlier one of the same batch.
        }
        let id = match codec::decode::<Transaction>(bytes) {
            Ok(transaction) => transaction.id(),
            Err(error) => return self.punish(now, peer, error.into()),
        };
        if !self.fetches.is_requested(&peer, &id) && !self.charge(now, peer, 1, bytes.len()) {
            return;
        }
        if self.fetches.is_settled(&id) {
            return self.fetches.settle(&peer, id);
        }
        match Inbound::transaction(local, bytes) {
            Verdict::Accepted(priority) => {
                let item = Item::transaction(id, priority);
                self.relay.note_known(&peer, item);
                self.fetches.settle(&peer, id);
                self.announce_with_ancestors(id, priority, local);
            }
            Verdict::Known => self.fetches.settle(&peer, id),
            Verdict::Ignored => self.fetches.refuse(now, &peer, id),
            Verdict::Invalid { rule } => {
                let outbox = self.fetches.failed(now, &peer, &id);
                self.send_all(outbox);
                self.punish(now, peer, Offence::InvalidTransaction { rule });
            }
        }
    }

    fn block(&mut self, now: Millis, peer: PeerId, bytes: &[u8], local: &mut dyn Local) {
        let Some(id) = block_id(bytes) else {
            return self.punish(now, peer, Offence::InvalidBlock { rule: "header" });
        };
        if !self.sync.is_asked_for_block(&peer, &id) && !self.charge(now, peer, 1, bytes.len()) {
            return;
        }
        let verdict = Inbound::block(local, bytes);
        let is_orphan = verdict == Verdict::Ignored && !local.has_header(&id);
        self.sync.block(now, &peer, id, verdict, is_orphan);
        match verdict {
            Verdict::Accepted(_) => {
                self.relay.note_known(&peer, Item::Block(id));
                self.announce_tip(now, local);
            }
            Verdict::Known | Verdict::Ignored => {}
            Verdict::Invalid { rule } => self.punish(now, peer, Offence::InvalidBlock { rule }),
        }
    }

    fn headers(&mut self, now: Millis, peer: PeerId, headers: &[Header], bytes: usize, local: &mut dyn Local) {
        let is_asked = self.sync.is_asked_for_headers(&peer);
        // Each header is hashed, checked and kept for a while, so each unasked one counts as a message.
        if !is_asked && !self.charge(now, peer, headers.len(), bytes) {
            return;
        }
        let verdict = match headers {
            [] => Verdict::Known,
            _ if !is_linked(headers) => Verdict::Invalid { rule: "headers-linked" },
            _ => local.headers(headers),
        };
        self.sync.headers(now, &peer, headers, verdict, local);
        match verdict {
            Verdict::Invalid { rule } => self.punish(now, peer, Offence::InvalidHeaders { rule }),
            // Nothing new: asked for or not, it is charged, so that the same can't be sent for ever.
            Verdict::Known if is_asked => {
                self.charge(now, peer, 1, bytes);
            }
            Verdict::Accepted(_) | Verdict::Known | Verdict::Ignored => {}
        }
    }

    fn share_addresses(&mut self, now: Millis, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.shared_at.is_some_and(|at| now < at.saturating_add(SHARE_ADDRESSES_MILLIS)) {
            return;
        }
        peer.shared_at = Some(now);
        let addresses = self.outbound.book.sample(&mut self.random, MAX_SHARED_ADDRESSES);
        self.send(id, &Message::Peers(addresses));
    }

    /// Notes addresses, if they were asked for: nobody fills the address book unasked.
    fn addresses_heard(&mut self, id: PeerId, addresses: &[Address]) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.awaits_addresses) else { return };
        peer.awaits_addresses = false;
        for address in addresses {
            self.outbound.hear_of(address, &peer.address);
        }
    }

    fn app_requested(&mut self, now: Millis, peer: PeerId, id: u64, body: &[u8], local: &mut dyn Local) {
        if !self.may_serve(now, &peer) {
            return;
        }
        let Some(body) = local.request(&peer, body) else { return };
        let bytes = body.len();
        if bytes > MAX_APP_BODY_BYTES {
            self.actions.push(Action::Report(Report::AnswerTooLong { peer, bytes }));
            return;
        }
        self.served(now, &peer, bytes);
        self.send(peer, &Message::AppResponse { id, body });
    }

    fn app_answered(&mut self, now: Millis, peer: PeerId, request: RequestId, body: Vec<u8>) {
        if self.requests.answered(&peer, request) {
            self.actions.push(Action::Answered { request, peer, outcome: Ok(body) });
        } else {
            self.charge(now, peer, 1, body.len());
        }
    }
}

/// Whether the item is a transaction that waits here.
fn is_here(view: &dyn TipView, item: &Item) -> bool {
    matches!(item, Item::Transaction(id) | Item::Revocation(id) if view.has_transaction(id))
}

/// Transactions of one priority that leave in one frame.
struct Batch {
    priority: Priority,
    bytes: usize,
    transactions: Vec<EncodedTransaction>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { priority: Priority::Bulk, bytes: 0, transactions: Vec::new() }
    }
}

/// Whether each header stands on the one before.
fn is_linked(headers: &[Header]) -> bool {
    let ids: Vec<BlockId> = headers.iter().map(Header::id).collect();
    headers.iter().skip(1).zip(&ids).all(|(header, below)| header.parent == *below)
}
