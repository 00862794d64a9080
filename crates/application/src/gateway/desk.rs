//! The gateway's own state, and how it answers.

use std::collections::BTreeMap;

use health_chain_consensus::Chain;
use health_chain_data::{
    Block, BlockId, Hash, Millis, ObjectId, PublicKey, Signature, Timestamp, Transaction, codec, ports::StoreError,
    state::Changes, tagged_hash, wrap::KeyWrap,
};
use health_chain_network::PeerId;

use super::{About, GatewayParts, Opened, Request, Response, mailbox::Mailbox, message_name, rate::Rate, wrap_name};
use crate::{
    audit::{Access as AuditedAccess, AuditEvent, AuditLog, Checkpoint, Growth, Outcome, ReadReceipt, ReceiptTerms},
    authorize::{
        Access, AccessRequest, Basis, Clock, Denial, DenySet, Gateway as Decider, ObserveError, Permit, SeenRequests,
        Snapshot, authorize, reauthorize,
    },
    limits::{
        MAX_ANSWERED_ENTRIES, MAX_LETTER_BYTES, MAX_PEER_SESSIONS, MAX_PEER_WRITTEN_DENIALS, MAX_REQUESTER_PERMITS,
        MAX_REQUESTER_SESSIONS, MAX_SESSIONS, MAX_UNCHECKED_BYTES, MAX_UNCHECKED_MILLIS, MAX_WRITTEN_DENIALS,
        PIECE_BYTES, SESSION_MILLIS,
    },
    ports::{ObjectError, ObjectName},
    records::{GatewayId, Permissions},
    tables::GATEWAY,
};

const HIGH_WATER_KEY: &[u8] = b"high-water";
const REORGANISATION_KEY: &[u8] = b"reorganisation";
/// Under it stands the id of the tip at which the gateway last answered for reorganisations.
const TIP_KEY: &[u8] = b"tip";

pub(super) struct Desk {
    id: GatewayId,
    parts: GatewayParts,
    denials: DenySet,
    seen: SeenRequests,
    /// Anybody can ask for what is denied.
    written_denials: Rate<PeerId>,
    permits: Rate<PublicKey>,
    audit: AuditLog,
    /// The latest time at which something was permitted, or denied because its grant was over. Kept durably. Other denials don't count: the
    /// clock may be far ahead by mistake, which a stale tip shows, and that must not last.
    high_water: Millis,
    /// Blocks that a deep reorganisation took away, until somebody clears it. Kept durably.
    uncleared: u32,
    /// The clearing has not been written yet.
    clearing: bool,
    sessions: BTreeMap<Hash, Session>,
    letters: Mailbox,
}

/// Leave to read one object on one connection.
struct Session {
    peer: PeerId,
    /// Names the request in the audit log.
    request: Hash,
    permit: Permit,
    name: ObjectName,
    opened: Millis,
    /// When the decision was last made; none where something has happened since that may change it.
    checked: Option<Millis>,
    unchecked_bytes: u64,
}

/// Why a request was refused: the rule's name, and what it says.
struct Refusal {
    rule: String,
    reason: String,
}

impl Session {
    /// Whether the decision must be made again before the next piece.
    fn is_due(&self, now: Millis) -> bool {
        let age = self.checked.map(|checked| now.0.abs_diff(checked.0));
        age.is_none_or(|age| age >= MAX_UNCHECKED_MILLIS) || self.unchecked_bytes + PIECE_BYTES > MAX_UNCHECKED_BYTES
    }
}

impl Refusal {
    fn new(rule: &str, reason: impl ToString) -> Self {
        Self { rule: rule.into(), reason: reason.to_string() }
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self::new(denial.rule(), denial)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::new("gateway-store", error)
    }
}

impl From<ObjectError> for Refusal {
    fn from(error: ObjectError) -> Self {
        let rule = match error {
            ObjectError::NotFound { .. } => "object-not-found",
            ObjectError::OutOfRange { .. } => "object-range",
            _ => "object-store",
        };
        Self::new(rule, error)
    }
}

impl Desk {
    pub(super) fn new(id: GatewayId, parts: GatewayParts) -> Self {
        Self {
            id,
            parts,
            denials: DenySet::default(),
            seen: SeenRequests::new(Timestamp::ZERO),
            written_denials: Rate::new(MAX_PEER_WRITTEN_DENIALS, MAX_WRITTEN_DENIALS),
            permits: Rate::new(MAX_REQUESTER_PERMITS, usize::MAX),
            audit: AuditLog::default(),
            high_water: Millis::ZERO,
            uncleared: 0,
            clearing: false,
            sessions: BTreeMap::new(),
            letters: Mailbox::default(),
        }
    }

    pub(super) fn load(&mut self, chain: &mut Chain) -> Result<(), StoreError> {
        let view = chain.state();
        let number = |key: &[u8]| -> Result<u64, StoreError> {
            let Some(bytes) = view.get(GATEWAY, key)? else { return Ok(0) };
            bytes.try_into().map(u64::from_be_bytes).map_err(|_| StoreError::Damaged { table: GATEWAY })
        };
        self.high_water = Millis(number(HIGH_WATER_KEY)?);
        self.uncleared = u32::try_from(number(REORGANISATION_KEY)?).unwrap_or(u32::MAX);
        self.denials = DenySet::load(view)?;
        self.audit = AuditLog::load(view)?;
        self.letters = Mailbox::load(view)?;
        // Nothing was permitted after the high-water mark, so no request dated later can have been answered.
        self.seen = SeenRequests::new(self.high_water.timestamp());
        // The process may have died after the tip had moved, and before this was told of it.
        let undone = self.undone(chain)?;
        self.tip_moved(chain, undone)
    }

    /// How many blocks have been undone since the tip was last noted.
    fn undone(&self, chain: &Chain) -> Result<usize, StoreError> {
        let Some(noted) = chain.state().get(GATEWAY, TIP_KEY)? else { return Ok(0) };
        let noted = noted.try_into().map_err(|_| StoreError::Damaged { table: GATEWAY })?;
        let (mut block, mut undone) = (BlockId(Hash(noted)), 0);
        while !chain.is_on_main_chain(&block) {
            // A header that was forgotten since lies on a branch of many blocks.
            let Some(header) = chain.header(&block) else { return Ok(usize::MAX) };
            (block, undone) = (header.parent, undone + 1);
        }
        Ok(undone)
    }

    pub(super) fn take_letters(&mut self) -> Vec<(PeerId, Vec<u8>)> {
        self.letters.hand_out()
    }

    pub(super) const fn uncleared_reorganisation(&self) -> u32 {
        self.uncleared
    }

    pub(super) fn clear_reorganisation(&mut self) {
        self.uncleared = 0;
        self.clearing = true;
    }

    pub(super) fn left(&mut self, peer: &PeerId) {
        self.sessions.retain(|_, session| session.peer != *peer);
    }

    pub(super) fn tip_moved(&mut self, chain: &mut Chain, disconnected: usize) -> Result<(), StoreError> {
        self.doubt_sessions();
        self.denials.place(&chain.chain_id(), chain.state())?;
        self.denials.write(|changes| chain.put_local(changes))?;
        let (blocks, limit) =
            (u32::try_from(disconnected).unwrap_or(u32::MAX), self.parts.rules.max_reorganisation_depth);
        // Where no reorganisation is too deep, none has to be remembered.
        if limit == u32::MAX {
            return Ok(());
        }
        let mut changes = Changes::default();
        changes.put(GATEWAY, TIP_KEY, *chain.tip_id().0.as_bytes());
        if blocks > limit.max(self.uncleared) {
            self.uncleared = blocks;
            self.clearing = false;
            changes.append(number(REORGANISATION_KEY, blocks.into()));
        }
        chain.put_local(&changes)
    }

    /// Remembers a withdrawal, durably. What is none, or not the word of an object's owner, leaves no trace.
    pub(super) fn saw(&mut self, chain: &mut Chain, transaction: &Transaction) -> Result<(), StoreError> {
        // What waits in the pool is shown again at every tip: its signature is verified once.
        if self.denials.covers(transaction) {
            return self.denials.write(|changes| chain.put_local(changes));
        }
        match self.observe(chain, transaction) {
            Err(ObserveError::Store(error)) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Remembers the withdrawals of a block on whatever branch, durably.
    pub(super) fn saw_block(&mut self, chain: &mut Chain, block: &Block) -> Result<(), StoreError> {
        self.doubt_sessions();
        self.denials.observe_block(block, &chain.chain_id(), chain.state())?;
        self.denials.write(|changes| chain.put_local(changes))
    }

    /// The block seen last is in the chain's store: what of it could not be judged yet is remembered, too.
    pub(super) fn took_block(&mut self, chain: &mut Chain) -> Result<(), StoreError> {
        self.denials.keep_unplaced();
        self.denials.write(|changes| chain.put_local(changes))
    }

    fn observe(&mut self, chain: &mut Chain, transaction: &Transaction) -> Result<bool, ObserveError> {
        let new = self.denials.observe(transaction, &chain.chain_id(), chain.state())?;
        if new {
            self.doubt_sessions();
        }
        self.denials.write(|changes| chain.put_local(changes))?;
        Ok(new)
    }

    /// Lets no piece be read any more without another decision: what is denied from now on is denied to those who are reading, too.
    fn doubt_sessions(&mut self) {
        self.sessions.values_mut().for_each(|session| session.checked = None);
    }

    pub(super) fn answer(
        &mut self,
        now: Millis,
        chain: &mut Chain,
        waiting: usize,
        peer: &PeerId,
        request: Request,
    ) -> Response {
        let answer = self.keep_up(now, chain).and_then(|()| match request {
            Request::About => self.about(now, chain, waiting),
            Request::Collect { message, offset } => self.piece(&message_name(&message), offset),
            Request::Letter(letter) => self.take_letter(chain, peer, letter),
            Request::Open(request) => self.open(now, chain, peer, &request),
            Request::Read { session, offset } => self.read(now, chain, peer, &session, offset),
            Request::Confirm { session, terms, signature } => self.confirm(chain, peer, &session, terms, signature),
            Request::Withdraw(transaction) => self.withdraw(chain, &transaction),
            Request::History { request, from } => self.history(now, chain, peer, &request, from),
            Request::Growth { size } => self.growth(now, chain, size),
        });
        answer.unwrap_or_else(|Refusal { rule, reason }| Response::Refused { rule, reason })
    }

    /// What is due before any answer.
    fn keep_up(&mut self, now: Millis, chain: &mut Chain) -> Result<(), Refusal> {
        self.sessions.retain(|_, session| now.0.abs_diff(session.opened.0) < SESSION_MILLIS);
        self.seen.expire(now.max(self.high_water).timestamp());
        if self.clearing {
            chain.put_local(&number(REORGANISATION_KEY, 0))?;
            self.clearing = false;
        }
        self.letters.forget_read(|changes| chain.put_local(changes))?;
        Ok(())
    }

    fn about(&mut self, now: Millis, chain: &Chain, waiting: usize) -> Result<Response, Refusal> {
        let checkpoint = self.checkpoint(now, chain)?;
        let tip = chain.tip();
        Ok(Response::About(About {
            chain: chain.chain_id(),
            gateway: self.id,
            key: self.parts.signer.public_key(),
            height: tip.height.0,
            tip: tip.id.0,
            waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
            checkpoint,
        }))
    }

    fn piece(&self, name: &ObjectName, offset: u64) -> Result<Response, Refusal> {
        let objects = &self.parts.objects;
        let length = objects.length(name)?.ok_or(ObjectError::NotFound { name: *name })?;
        let end = length.min(offset.saturating_add(PIECE_BYTES));
        if offset > end {
            return Err(ObjectError::OutOfRange { range: offset..end, length }.into());
        }
        Ok(Response::Piece { length, bytes: objects.get(name, offset..end)? })
    }

    fn take_letter(&mut self, chain: &mut Chain, peer: &PeerId, letter: Vec<u8>) -> Result<Response, Refusal> {
        if letter.len() > MAX_LETTER_BYTES {
            let reason = format!("{} bytes, where a letter has at most {MAX_LETTER_BYTES}", letter.len());
            return Err(Refusal::new("letter-too-long", reason));
        }
        if !self.letters.has_room(peer) {
            return Err(Refusal::new("letters-full", "too many letters have not been read"));
        }
        self.letters.take_in(*peer, letter, |changes| chain.put_local(changes))?;
        Ok(Response::Taken)
    }

    /// Decides, writes the decision down, and only then acts on it. Few of each peer's denials and of each requester's permits are written down
    /// in a while, and the other requests not answered; and none twice.
    fn decide(
        &mut self,
        now: Millis,
        chain: &mut Chain,
        peer: &PeerId,
        request: &AccessRequest,
    ) -> Result<Permit, Refusal> {
        let clock = Clock { wall: now, high_water: self.high_water };
        let decision = authorize(request, &self.decider(), &snapshot(chain, self.uncleared), &clock);
        let has_place = match &decision {
            Err(denial) if denial.is_of_request() => return Ok(decision?),
            Err(_) => self.written_denials.take_place(now, peer),
            Ok(permit) => self.permits.take_place(now, &permit.access.requester),
        };
        if !has_place {
            return Err(Denial::Busy.into());
        }
        self.seen.remember(request).map_err(|error| Refusal::new("access-busy", error))?;
        self.write_down(now, chain, request.message(), &request.access, decision.as_ref().err())?;
        Ok(decision?)
    }

    /// Writes down what follows from a request, `None` for a permit.
    fn write_down(
        &mut self,
        now: Millis,
        chain: &mut Chain,
        request: Hash,
        access: &Access,
        denial: Option<&Denial>,
    ) -> Result<(), Refusal> {
        if matches!(denial, None | Some(Denial::Over { .. })) {
            self.high_water = self.high_water.max(now);
        }
        let event = AuditEvent::Access(AuditedAccess {
            object: access.object,
            version: access.version,
            requester: access.requester,
            permission: access.permission,
            purpose: access.purpose,
            at: now.timestamp(),
            request,
            outcome: denial.map_or(Outcome::Permit, |denial| Outcome::deny(denial.rule())),
        });
        let high_water = self.high_water;
        self.audit.append(&event, |changes| {
            let mut batch = changes.clone();
            batch.append(number(HIGH_WATER_KEY, high_water.0));
            chain.put_local(&batch)
        })?;
        Ok(())
    }

    fn open(
        &mut self,
        now: Millis,
        chain: &mut Chain,
        peer: &PeerId,
        request: &AccessRequest,
    ) -> Result<Response, Refusal> {
        if !request.access.permission.contains(Permissions::READ) {
            return Err(Refusal::new("access-permission-unknown", "reading was not asked for"));
        }
        let of_peer = self.sessions.values().filter(|session| session.peer == *peer).count();
        if self.sessions.len() >= MAX_SESSIONS || of_peer >= MAX_PEER_SESSIONS {
            return Err(Refusal::new("access-busy", "too many objects are being read"));
        }
        let permit = self.decide(now, chain, peer, request)?;
        let wrap = match permit.basis {
            Basis::Owner => None,
            Basis::Grant { wrap_commit, .. } => Some(self.wrap(&permit.access.object, &wrap_commit)?),
        };
        let (access, message) = (&permit.access, request.message());
        let session = tagged_hash("HC/session/v1", &[message.as_bytes(), &self.entropy()?]);
        let name = ObjectName { object: access.object, version: access.version };
        let opened = Opened { session, object: access.object, content: permit.content, wrap };
        self.make_place(&access.requester);
        let (peer, checked) = (*peer, Some(now));
        let leave = Session { peer, request: message, permit, name, opened: now, checked, unchecked_bytes: 0 };
        self.sessions.insert(session, leave);
        Ok(Response::Opened(opened))
    }

    /// Gives up the oldest of a requester's sessions where it has as many as it may: those that it did not end can't lock it out.
    fn make_place(&mut self, requester: &PublicKey) {
        let own = self.sessions.iter().filter(|(_, session)| session.permit.access.requester == *requester);
        if own.clone().count() >= MAX_REQUESTER_SESSIONS
            && let Some(oldest) = own.min_by_key(|(_, session)| session.opened).map(|(id, _)| *id)
        {
            self.sessions.remove(&oldest);
        }
    }

    fn wrap(&self, object: &ObjectId, commitment: &Hash) -> Result<KeyWrap, Refusal> {
        let name = wrap_name(object, commitment);
        let length = self.parts.objects.length(&name)?.ok_or(ObjectError::NotFound { name })?;
        let bytes = self.parts.objects.get(&name, 0..length)?;
        let wrap: KeyWrap = codec::decode(&bytes).map_err(|error| Refusal::new("wrap-damaged", error))?;
        if wrap.commitment() != *commitment {
            return Err(Refusal::new("wrap-damaged", "the wrapped key is not the one that was granted"));
        }
        Ok(wrap)
    }

    fn read(
        &mut self,
        now: Millis,
        chain: &mut Chain,
        peer: &PeerId,
        session: &Hash,
        offset: u64,
    ) -> Result<Response, Refusal> {
        let leave = self.sessions.get(session).filter(|leave| leave.peer == *peer);
        let leave = leave.ok_or_else(|| Refusal::new("session-unknown", "nothing was opened on this connection"))?;
        let (due, name, request, permit) = (leave.is_due(now), leave.name, leave.request, leave.permit);
        if due {
            let clock = Clock { wall: now, high_water: self.high_water };
            let decision = reauthorize(&permit, &self.decider(), &snapshot(chain, self.uncleared), &clock);
            if let Err(denial) = decision {
                // As many of these as there were permits.
                self.sessions.remove(session);
                self.write_down(now, chain, request, &permit.access, Some(&denial))?;
                return Err(denial.into());
            }
        }
        let answer = self.piece(&name, offset)?;
        if let (Some(leave), Response::Piece { bytes, .. }) = (self.sessions.get_mut(session), &answer) {
            if due {
                (leave.checked, leave.unchecked_bytes) = (Some(now), 0);
            }
            leave.unchecked_bytes += bytes.len() as u64;
        }
        Ok(answer)
    }

    fn confirm(
        &mut self,
        chain: &mut Chain,
        peer: &PeerId,
        session: &Hash,
        terms: ReceiptTerms,
        signature: Signature,
    ) -> Result<Response, Refusal> {
        let leave = self.sessions.get(session).filter(|leave| leave.peer == *peer);
        let access = leave.map(|leave| leave.permit.access);
        let access = access.ok_or_else(|| Refusal::new("session-unknown", "nothing was opened on this connection"))?;
        let named = (terms.chain, terms.object, terms.version, terms.reader);
        if named != (chain.chain_id(), access.object, access.version, access.requester) {
            return Err(Refusal::new("receipt-terms", "the receipt is not for what was opened"));
        }
        let previous = self.audit.last_receipt(chain.state(), &access.object)?;
        let entropy = self.entropy()?;
        let receipt = ReadReceipt::countersign(terms, signature, previous, &*self.parts.signer, &entropy)
            .map_err(|error| Refusal::new("receipt-signature", error))?;
        self.audit.append(&AuditEvent::Receipt(receipt.clone()), |changes| chain.put_local(changes))?;
        self.sessions.remove(session);
        Ok(Response::Receipt(Box::new(receipt)))
    }

    fn withdraw(&mut self, chain: &mut Chain, transaction: &[u8]) -> Result<Response, Refusal> {
        let transaction: Transaction =
            codec::decode(transaction).map_err(|error| Refusal::new("transaction-encoding", error))?;
        match self.observe(chain, &transaction) {
            Ok(_) => Ok(Response::Taken),
            Err(ObserveError::Store(error)) => Err(error.into()),
            Err(ObserveError::Record(error)) => Err(Refusal::new(error.rule(), error)),
        }
    }

    fn history(
        &mut self,
        now: Millis,
        chain: &mut Chain,
        peer: &PeerId,
        request: &AccessRequest,
        from: u64,
    ) -> Result<Response, Refusal> {
        if !request.access.permission.contains(Permissions::HISTORY) {
            return Err(Refusal::new("access-permission-unknown", "the history was not asked for"));
        }
        let permit = self.decide(now, chain, peer, request)?;
        let checkpoint = self.checkpoint(now, chain)?;
        let object = permit.access.object;
        let answer = self.audit.answer(chain.state(), &object, checkpoint, from, MAX_ANSWERED_ENTRIES)?;
        Ok(Response::History(Box::new(answer)))
    }

    fn growth(&mut self, now: Millis, chain: &Chain, size: u64) -> Result<Response, Refusal> {
        let checkpoint = self.checkpoint(now, chain)?;
        let proof = self.audit.consistency_proof(size, checkpoint.terms.size);
        let reason = || format!("{size} events, where the log has {}", checkpoint.terms.size);
        let proof = proof.ok_or_else(|| Refusal::new("audit-size", reason()))?;
        Ok(Response::Growth(Box::new(Growth { checkpoint, proof })))
    }

    fn checkpoint(&mut self, now: Millis, chain: &Chain) -> Result<Checkpoint, Refusal> {
        let entropy = self.entropy()?;
        Checkpoint::sign(&self.audit, chain.chain_id(), now.timestamp(), &*self.parts.signer, &entropy)
            .map_err(|error| Refusal::new("gateway-signer", error))
    }

    fn decider(&self) -> Decider<'_> {
        Decider {
            id: self.id,
            rules: &self.parts.rules,
            denials: &self.denials,
            seen: &self.seen,
            policy: &*self.parts.policy,
        }
    }

    fn entropy(&mut self) -> Result<[u8; 32], Refusal> {
        let drawn = self.parts.entropy.draw().map_err(|error| Refusal::new("gateway-entropy", error))?;
        Ok(*drawn)
    }
}

fn snapshot(chain: &Chain, uncleared_reorganisation: u32) -> Snapshot<'_> {
    let tip = chain.tip();
    Snapshot {
        chain: chain.chain_id(),
        height: tip.height,
        tip_time: tip.header.time,
        median_time_past: chain.next_context().median_time_past,
        uncleared_reorganisation,
        state: chain.state(),
    }
}

fn number(key: &[u8], number: u64) -> Changes {
    let mut changes = Changes::default();
    changes.put(GATEWAY, key, number.to_be_bytes());
    changes
}
