//! Peers that lie. Each is a real node; what it sends is tampered with on its way out.

use std::collections::BTreeMap;

use health_chain::{
    consensus::Solo,
    consensus_bft::{Choice, Claim, Signed, Statement, proposal, proposal_message, statements, vote_message},
    data::{Block, BlockId, Body, ChainId, Hash, Height, SecretKey, Transaction, codec, ports::ScalarHasher, sha256},
    network::{Event, Item, Message, Priority, message::EncodedTransaction},
};

use super::{fabric::NodeIndex, fault::Fault, miner::Miner, random::Random};

/// How many frames a replaying peer remembers, and how many answers a lying validator.
const REMEMBERED_FRAMES: usize = 256;
/// One frame in so many is followed by an old one.
const REPLAY_ONE_IN: u64 = 4;
/// How far above its own a false tip is claimed to be.
const FALSE_TIP_BLOCKS: u32 = 1_000;
/// One block in so many has a sibling.
const EQUIVOCATE_ONE_IN: u64 = 4;

/// A key that is not kept by the rules, and the chain that it is used on.
pub(super) struct Forger {
    pub(super) key: SecretKey,
    pub(super) chain: ChainId,
}

/// A frame to send.
type Outgoing = (Priority, Vec<u8>);

/// What a lying peer does to what it sends.
pub(super) struct Tamper {
    fault: Fault,
    /// The authority's or a validator's, where the fault is one of theirs.
    forger: Option<Forger>,
    remembered: Vec<Outgoing>,
    /// What is said instead of what an engine wants to say, by its hash: the same to everybody who is told the other thing.
    misspoken: BTreeMap<Hash, Option<Vec<u8>>>,
    /// Whether a block of the authority has a sibling.
    siblings: BTreeMap<BlockId, Option<Vec<u8>>>,
    /// Whose strategy it is, where it is one.
    miner: Option<Miner>,
    /// A validator contradicts itself from this moment on.
    lies_from: u64,
}

impl Tamper {
    pub(super) fn new(fault: Fault, forger: Option<Forger>, lies_from: u64) -> Self {
        let (misspoken, siblings) = (BTreeMap::new(), BTreeMap::new());
        Self { fault, forger, remembered: Vec::new(), misspoken, siblings, miner: Miner::of(fault), lies_from }
    }

    /// The miner whose strategy this carries out, if it is one's.
    pub(super) const fn miner(&self) -> Option<&Miner> {
        self.miner.as_ref()
    }

    /// What its node hears of `event`, if anything.
    pub(super) fn hears(&self, event: Event) -> Option<Event> {
        match (&self.miner, &self.forger) {
            (Some(miner), _) => miner.hears(event),
            // Its engine is not to find out what was said in its name.
            (None, Some(forger)) if forger.has_signed_part_of(&event) => None,
            _ => Some(event),
        }
    }

    /// What leaves now that was kept back before.
    pub(super) fn overdue(&self) -> Vec<(NodeIndex, Priority, Vec<u8>)> {
        self.miner.as_ref().map(Miner::overdue).unwrap_or_default()
    }

    /// What has fired without anything being sent.
    pub(super) fn take_fired(&self) -> Option<(Fault, u64)> {
        let fired = self.miner.as_ref().map_or(0, Miner::take_fired);
        (fired > 0).then_some((self.fault, fired))
    }

    /// What leaves instead of `frame`, and what has fired how often.
    pub(super) fn send(
        &mut self,
        to: NodeIndex,
        priority: Priority,
        frame: Vec<u8>,
        now: u64,
        random: &mut Random,
    ) -> (Vec<Outgoing>, BTreeMap<Fault, u64>) {
        let Ok(message) = Message::decode(&frame) else { return (vec![(priority, frame)], BTreeMap::new()) };
        if let Some(miner) = &self.miner {
            let said = miner.says(to, message);
            let frames = said.map_or_else(
                || vec![(priority, frame)],
                |messages| messages.iter().map(|message| (priority, message.encode())).collect(),
            );
            return (frames, BTreeMap::new());
        }
        let is_first = matches!(message, Message::Hello(_) | Message::Ready);
        let sent = match self.fault {
            Fault::Withhold => withhold(message),
            Fault::FalseTip => claim(message, random),
            Fault::InvalidBlock => spoil_block(message, random),
            Fault::InvalidTransaction => spoil_transactions(message, random),
            Fault::Replay if !is_first => return self.replay(priority, frame, random),
            Fault::DoubleVote if now < self.lies_from => None,
            Fault::DoubleVote | Fault::SilentValidator | Fault::FalseProposal => self.misspeak(to, message),
            Fault::Equivocation => return self.equivocate(to, priority, frame, message, random),
            _ => None,
        };
        match sent {
            None => (vec![(priority, frame)], BTreeMap::new()),
            Some(messages) => {
                let frames = messages.iter().map(|message| (priority, message.encode())).collect();
                (frames, BTreeMap::from([(self.fault, 1)]))
            }
        }
    }

    fn replay(
        &mut self,
        priority: Priority,
        frame: Vec<u8>,
        random: &mut Random,
    ) -> (Vec<Outgoing>, BTreeMap<Fault, u64>) {
        let mut frames = vec![(priority, frame.clone())];
        let mut fired = BTreeMap::new();
        if !self.remembered.is_empty() && random.one_in(REPLAY_ONE_IN) {
            frames.push(self.remembered[random.index(self.remembered.len())].clone());
            fired.insert(Fault::Replay, 1);
        }
        if self.remembered.len() < REMEMBERED_FRAMES {
            self.remembered.push((priority, frame));
        } else {
            let at = random.index(REMEMBERED_FRAMES);
            self.remembered[at] = (priority, frame);
        }
        (frames, fired)
    }

    /// What a validator says instead of what its engine does.
    fn misspeak(&mut self, to: NodeIndex, message: Message) -> Option<Vec<Message>> {
        let (Message::Engine(bytes), Some(forger)) = (message, &self.forger) else { return None };
        if self.fault == Fault::DoubleVote && to.is_multiple_of(2) {
            return None;
        }
        if self.misspoken.len() >= REMEMBERED_FRAMES {
            self.misspoken.clear();
        }
        let instead = self.misspoken.entry(sha256(&bytes)).or_insert_with(|| {
            let said = forger.own(&bytes)?;
            match self.fault {
                Fault::SilentValidator => Some(Vec::new()),
                Fault::DoubleVote => Some(forger.contradict(&said, &bytes)),
                _ => forger.spoil(&said, &bytes),
            }
        });
        let said = |bytes: &Vec<u8>| if bytes.is_empty() { Vec::new() } else { vec![Message::Engine(bytes.clone())] };
        instead.as_ref().map(said)
    }

    /// Half of the peers get a block's sibling before the block.
    fn equivocate(
        &mut self,
        to: NodeIndex,
        priority: Priority,
        frame: Vec<u8>,
        message: Message,
        random: &mut Random,
    ) -> (Vec<Outgoing>, BTreeMap<Fault, u64>) {
        let sibling = match (&message, &self.forger) {
            (Message::Block(bytes), Some(Forger { key: authority, .. })) if to % 2 == 1 => {
                codec::decode::<Block>(bytes).ok().and_then(|block| {
                    let known = self.siblings.entry(block.id());
                    known
                        .or_insert_with(|| random.one_in(EQUIVOCATE_ONE_IN).then(|| sibling(&block, authority)))
                        .clone()
                })
            }
            _ => None,
        };
        match sibling {
            None => (vec![(priority, frame)], BTreeMap::new()),
            Some(bytes) => {
                let first = (priority, Message::Block(bytes).encode());
                (vec![first, (priority, frame)], BTreeMap::from([(Fault::Equivocation, 1)]))
            }
        }
    }
}

impl Forger {
    fn has_signed_part_of(&self, event: &Event) -> bool {
        let Event::Received { frame, .. } = event else { return false };
        let Ok(Message::Engine(bytes)) = Message::decode(frame) else { return false };
        statements(&bytes).iter().any(|said| said.validator == self.key.public_key())
    }

    /// The one statement that the message makes, if it is this validator's own.
    fn own(&self, message: &[u8]) -> Option<Signed> {
        match statements(message)[..] {
            [said] if said.validator == self.key.public_key() => Some(said),
            _ => None,
        }
    }

    fn say(&self, said: &Signed, claim: Claim) -> Signed {
        let statement = Statement { claim, ..said.statement };
        let signature = self.key.sign(&statement.message(self.chain), &[0; 32]);
        Signed { statement, validator: said.validator, signature }
    }

    /// Another proposal or vote where `said` is to be the only one.
    fn contradict(&self, said: &Signed, message: &[u8]) -> Vec<u8> {
        let other =
            |choice: Option<Choice>| if choice.is_some() { None } else { Some(BlockId(Hash([0xff; 32])).into()) };
        match (said.statement.claim, proposal(message)) {
            (Claim::Prevote(choice), _) => vote_message(self.say(said, Claim::Prevote(other(choice)))),
            (Claim::Precommit(choice), _) => vote_message(self.say(said, Claim::Precommit(other(choice)))),
            (Claim::Proposal { choice, valid_round }, Some((_, mut block))) => {
                block.header.time = block.header.time.saturating_add(1);
                let choice = Choice { block: block.id(), ..choice };
                let claim = Claim::Proposal { choice, valid_round };
                proposal_message(self.say(said, claim), block)
            }
            (Claim::Proposal { .. }, None) => message.to_vec(),
        }
    }

    /// The same proposal with a block that takes what nobody may take.
    fn spoil(&self, said: &Signed, message: &[u8]) -> Option<Vec<u8>> {
        let (Claim::Proposal { choice, valid_round }, Some((_, mut block))) = (said.statement.claim, proposal(message))
        else {
            return None;
        };
        block.body.0.push(Transaction::new(health_chain::data::Kind::COINBASE, Vec::new()));
        block.header.root = block.body.root(&ScalarHasher);
        let choice = Choice { block: block.id(), ..choice };
        let claim = Claim::Proposal { choice, valid_round };
        Some(proposal_message(self.say(said, claim), block))
    }
}

/// Another block at the same height, sealed as well as the first: an empty one.
fn sibling(block: &Block, authority: &SecretKey) -> Vec<u8> {
    let body = Body::default();
    let mut header = block.header.clone();
    header.root = body.root(&ScalarHasher);
    header.time = header.time.saturating_add(1);
    header.seal = authority.sign(&Solo::message(&header), &[0; 32]).as_bytes().to_vec();
    codec::encode(&Block { header, body })
}

fn withhold(message: Message) -> Option<Vec<Message>> {
    matches!(message, Message::Block(_) | Message::Transactions(_)).then(Vec::new)
}

fn claim(message: Message, random: &mut Random) -> Option<Vec<Message>> {
    match message {
        Message::Hello(mut hello) => {
            hello.tip = BlockId(Hash(random.bytes()));
            hello.height = Height(hello.height.0 + FALSE_TIP_BLOCKS);
            Some(vec![Message::Hello(hello)])
        }
        Message::Announce(mut items) => {
            items.push(Item::Block(BlockId(Hash(random.bytes()))));
            Some(vec![Message::Announce(items)])
        }
        _ => None,
    }
}

fn spoil_block(message: Message, random: &mut Random) -> Option<Vec<Message>> {
    let Message::Block(bytes) = message else { return None };
    let mut block: Block = codec::decode(&bytes).ok()?;
    match random.below(3) {
        0 => block.header.seal[0] ^= 1,
        1 => block.header.root = Hash(random.bytes()),
        _ => block.body.0.push(Transaction::new(health_chain::data::Kind::COINBASE, Vec::new())),
    }
    Some(vec![Message::Block(codec::encode(&block))])
}

fn spoil_transactions(message: Message, random: &mut Random) -> Option<Vec<Message>> {
    let Message::Transactions(mut batch) = message else { return None };
    for entry in &mut batch {
        let Ok(mut transaction) = codec::decode::<Transaction>(&entry.0) else { continue };
        match random.below(3) {
            0 => transaction.version += 1,
            1 => {
                if let Some(last) = transaction.payload.last_mut() {
                    *last ^= 1;
                }
            }
            _ => transaction.kind = health_chain::data::Kind::COINBASE,
        }
        *entry = EncodedTransaction(codec::encode(&transaction));
    }
    Some(vec![Message::Transactions(batch)])
}
