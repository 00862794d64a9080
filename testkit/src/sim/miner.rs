//! Miners with a strategy. Each is a real node that makes its blocks as any other does; what it says of them is kept back, or what it hears
//! of the blocks of others.

use std::{
    collections::BTreeSet,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use health_chain::{
    application::node::Service,
    consensus::{
        Chain,
        ports::{Action, Engine},
    },
    data::{Block, BlockId, Height, Millis, Transaction, TxId, ports::StoreError},
    incentive::MempoolPolicy,
    network::{Event, Item, Message, PeerId, Priority},
};

use super::{fabric::NodeIndex, fault::Fault};
use crate::SteeredEngine;

/// How many of the transactions that pay a fee an undercutting miner takes, and so leaves the rest to the next.
const TAKEN_BY_UNDERCUTTER: usize = 1;

/// The mind of one such miner, shared by the parts of its node: the engine says which blocks are its own, the service shows all of them, and
/// the transport is told what may pass.
#[derive(Clone)]
pub(super) struct Miner(Arc<Mutex<Mind>>);

struct Mind {
    strategy: Strategy,
    own: BTreeSet<BlockId>,
    /// The block that is about to be taken, and its parent.
    shown: (BlockId, BlockId),
    /// How often the strategy fired since it was last asked.
    fired: u64,
}

enum Strategy {
    Selfish(Selfish),
    Undercutting(Undercutting),
}

/// Eyal and Sirer 2014, algorithm 1: own blocks are kept back, and published when others come so near that they would be lost, or win.
#[derive(Default)]
struct Selfish {
    /// Height of the last published block, own or not.
    public: Height,
    /// Height of the own branch's head, as long as it competes.
    head: Option<Height>,
    /// What of the branch nobody knows yet, lowest first.
    withheld: Vec<(BlockId, Height)>,
    /// The block below that.
    base: BlockId,
    /// To whom which withheld block would have been announced.
    kept: Vec<(NodeIndex, BlockId)>,
    /// What is to be announced now.
    due: Vec<(NodeIndex, BlockId)>,
}

/// Carlsten et al. 2016: instead of going on from a block that took what there was, mine beside it, and leave something to whoever follows.
/// It does not hear of such a block before the next one, so its own candidate stays beside it, and its pool has room for little.
#[derive(Default)]
struct Undercutting {
    /// Transactions with a fee that have come since the tip last moved.
    waiting: BTreeSet<TxId>,
    /// The block beside which it mines.
    ignored: Option<BlockId>,
    known: BTreeSet<BlockId>,
}

impl Miner {
    /// The miner of this kind; nobody, where the fault is none of a miner's.
    pub(super) fn of(fault: Fault) -> Option<Self> {
        let strategy = match fault {
            Fault::SelfishMiner => Strategy::Selfish(Selfish::default()),
            Fault::Undercutter => Strategy::Undercutting(Undercutting::default()),
            _ => return None,
        };
        let (own, shown) = (BTreeSet::new(), <(BlockId, BlockId)>::default());
        Some(Self(Arc::new(Mutex::new(Mind { strategy, own, shown, fired: 0 }))))
    }

    /// The engine, which tells of every block that it seals.
    pub(super) fn engine(&self, engine: Box<dyn Engine>) -> Box<dyn Engine> {
        let miner = self.clone();
        Box::new(SteeredEngine::new(engine, move |engine, now, input| {
            let actions = engine.step(now, input);
            for action in &actions {
                if let Action::Sealed(header) = action {
                    miner.with(|mind| mind.own.insert(header.id()));
                }
            }
            actions
        }))
    }

    pub(super) fn policy(&self) -> MempoolPolicy {
        let is_undercutting = self.with(|mind| matches!(mind.strategy, Strategy::Undercutting(_)));
        let max_count = if is_undercutting { TAKEN_BY_UNDERCUTTER } else { MempoolPolicy::default().max_count };
        MempoolPolicy { max_count, ..MempoolPolicy::default() }
    }

    /// What is said to a peer instead of `message`; `None` where that may pass.
    pub(super) fn says(&self, to: NodeIndex, message: Message) -> Option<Vec<Message>> {
        self.with(|mind| match &mut mind.strategy {
            Strategy::Selfish(selfish) => selfish.says(to, message),
            Strategy::Undercutting(_) => None,
        })
    }

    /// What is said now that was kept back before, and to whom.
    pub(super) fn overdue(&self) -> Vec<(NodeIndex, Priority, Vec<u8>)> {
        let due = self.with(|mind| match &mut mind.strategy {
            Strategy::Selfish(selfish) => mem::take(&mut selfish.due),
            Strategy::Undercutting(_) => Vec::new(),
        });
        let announced = |(to, id)| (to, Priority::Chain, Message::Announce(vec![Item::Block(id)]).encode());
        due.into_iter().map(announced).collect()
    }

    /// What the node hears of `event`, if anything.
    pub(super) fn hears(&self, event: Event) -> Option<Event> {
        let Event::Received { peer, frame } = event else { return Some(event) };
        let heard = self.with(|mind| match &mut mind.strategy {
            Strategy::Selfish(_) => Some(frame),
            Strategy::Undercutting(undercutting) => undercutting.hears(frame),
        });
        heard.map(|frame| Event::Received { peer, frame })
    }

    /// How often the strategy fired since this was last asked: a block was withheld, or a fork made on purpose.
    pub(super) fn take_fired(&self) -> u64 {
        self.with(|mind| mem::take(&mut mind.fired))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Mind) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Selfish {
    /// An own block was found, on top of the node's tip. Says whether it is kept back.
    fn found(&mut self, id: BlockId, parent: BlockId, height: Height) -> bool {
        if self.head == Some(self.public) {
            // Two branches of equal length, both published: this decides between them.
            (self.public, self.head) = (height, None);
            return false;
        }
        if self.withheld.is_empty() {
            self.base = parent;
        }
        self.withheld.push((id, height));
        self.head = Some(height);
        true
    }

    /// Somebody else's block has come.
    fn heard(&mut self, height: Height) {
        if height <= self.public {
            return;
        }
        self.public = height;
        let Some(head) = self.head else { return };
        match head.0.checked_sub(height.0) {
            None => {
                self.head = None;
                self.withheld.clear();
                self.kept.clear();
            }
            // Level: the race is on.
            Some(0) => self.publish(head),
            // One ahead: it has won.
            Some(1) => {
                self.publish(head);
                (self.public, self.head) = (head, None);
            }
            // Far ahead: as much as there is of the others.
            Some(_) => self.publish(height),
        }
    }

    fn publish(&mut self, up_to: Height) {
        let count = self.withheld.iter().filter(|(_, height)| *height <= up_to).count();
        for (id, _) in self.withheld.drain(..count) {
            self.base = id;
            self.due.extend(self.kept.extract_if(.., |(_, kept)| *kept == id));
        }
    }

    fn hides(&self, id: &BlockId) -> bool {
        self.withheld.iter().any(|(withheld, _)| withheld == id)
    }

    fn says(&mut self, to: NodeIndex, message: Message) -> Option<Vec<Message>> {
        match message {
            Message::Announce(mut items) => {
                let hidden: Vec<Item> =
                    items.extract_if(.., |item| matches!(item, Item::Block(id) if self.hides(id))).collect();
                let ids = hidden.iter().filter_map(|item| if let Item::Block(id) = item { Some(*id) } else { None });
                self.kept.extend(ids.map(|id| (to, id)));
                Some(if items.is_empty() { Vec::new() } else { vec![Message::Announce(items)] })
            }
            Message::Headers(mut headers) => {
                let known = headers.iter().position(|header| self.hides(&header.id())).unwrap_or(headers.len());
                headers.truncate(known);
                Some(vec![Message::Headers(headers)])
            }
            Message::Hello(mut hello) if self.hides(&hello.tip) => {
                hello.tip = self.base;
                hello.height = Height(self.withheld[0].1.0 - 1);
                Some(vec![Message::Hello(hello)])
            }
            _ => None,
        }
    }
}

impl Undercutting {
    fn hears(&mut self, frame: Vec<u8>) -> Option<Vec<u8>> {
        match Message::decode(&frame) {
            Ok(Message::Announce(mut items)) => {
                items.retain(|item| !matches!(item, Item::Block(id) if self.ignores(*id)));
                (!items.is_empty()).then(|| Message::Announce(items).encode())
            }
            Ok(Message::Headers(mut headers)) => {
                let is_ignored = |id: BlockId| self.ignored == Some(id);
                headers.truncate(headers.iter().position(|one| is_ignored(one.id())).unwrap_or(headers.len()));
                Some(Message::Headers(headers).encode())
            }
            _ => Some(frame),
        }
    }

    /// Whether the node is not to hear of this block yet.
    fn ignores(&mut self, id: BlockId) -> bool {
        if self.known.contains(&id) {
            return false;
        }
        if self.ignored.is_none() && self.waiting.len() > TAKEN_BY_UNDERCUTTER {
            self.ignored = Some(id);
        }
        if self.ignored == Some(id) {
            return true;
        }
        self.known.extend(self.ignored.take());
        self.known.insert(id);
        false
    }
}

/// What the node shows to its service: all blocks, own ones too, and all transactions.
impl Service for Miner {
    fn opened(&mut self, _: &mut Chain) -> Result<(), StoreError> {
        Ok(())
    }

    fn request(&mut self, _: Millis, _: &mut Chain, _: usize, _: &PeerId, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn saw_transaction(&mut self, _: &mut Chain, transaction: &Transaction) -> Result<(), StoreError> {
        self.with(|mind| {
            if let Strategy::Undercutting(undercutting) = &mut mind.strategy
                && !transaction.inputs.is_empty()
            {
                undercutting.waiting.insert(transaction.id());
            }
        });
        Ok(())
    }

    fn saw_block(&mut self, _: &mut Chain, block: &Block) -> Result<(), StoreError> {
        self.with(|mind| mind.shown = (block.id(), block.header.parent));
        Ok(())
    }

    fn took_block(&mut self, chain: &mut Chain) -> Result<(), StoreError> {
        self.with(|mind| {
            let (id, parent) = mind.shown;
            let Some(height) = chain.height_of(&id) else { return };
            let is_own = mind.own.contains(&id);
            let has_fired = match &mut mind.strategy {
                Strategy::Selfish(selfish) if is_own => selfish.found(id, parent, height),
                Strategy::Selfish(selfish) => {
                    selfish.heard(height);
                    false
                }
                Strategy::Undercutting(undercutting) => {
                    undercutting.known.insert(id);
                    is_own && undercutting.ignored.is_some()
                }
            };
            mind.fired += u64::from(has_fired);
        });
        Ok(())
    }

    fn tip_moved(&mut self, _: &mut Chain, _: usize) -> Result<(), StoreError> {
        self.with(|mind| {
            if let Strategy::Undercutting(undercutting) = &mut mind.strategy {
                undercutting.waiting.clear();
            }
        });
        Ok(())
    }

    fn left(&mut self, _: &PeerId) {}
}

#[cfg(test)]
mod tests {
    use health_chain::data::Hash;

    use super::*;

    fn id(number: u8) -> BlockId {
        BlockId(Hash([number; 32]))
    }

    /// Own blocks from height 6 on, on top of a public chain of height 5.
    fn selfish(own: u8) -> Selfish {
        let mut selfish = Selfish { public: Height(5), ..Selfish::default() };
        for number in 6..6 + own {
            assert!(selfish.found(id(number), id(number - 1), Height(number.into())));
            let announced = Message::Announce(vec![Item::Block(id(number))]);
            assert_eq!(selfish.says(1, announced), Some(vec![]), "nobody hears of it");
        }
        selfish
    }

    fn published(selfish: &mut Selfish) -> Vec<BlockId> {
        mem::take(&mut selfish.due).into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn a_lead_of_one_is_published_for_a_race_and_the_next_own_block_decides_it() {
        let mut one = selfish(1);
        one.heard(Height(6));
        assert_eq!(published(&mut one), [id(6)]);
        assert!(!one.found(id(7), id(6), Height(7)), "published at once");
        assert_eq!((one.public, one.head), (Height(7), None));
        assert!(one.found(id(8), id(7), Height(8)), "and from there it begins anew");
    }

    #[test]
    fn a_lead_of_two_wins() {
        let mut two = selfish(2);
        two.heard(Height(6));
        assert_eq!(published(&mut two), [id(6), id(7)]);
        assert_eq!((two.public, two.head), (Height(7), None));
    }

    #[test]
    fn of_a_longer_lead_as_much_is_published_as_the_others_have() {
        let mut four = selfish(4);
        four.heard(Height(6));
        assert_eq!(published(&mut four), [id(6)]);
        assert!(four.hides(&id(7)) && four.head == Some(Height(9)));
        four.heard(Height(7));
        four.heard(Height(8));
        assert_eq!(published(&mut four), [id(7), id(8), id(9)], "one ahead is the end of it");
    }

    #[test]
    fn who_falls_behind_gives_up() {
        let mut one = selfish(1);
        one.heard(Height(7));
        assert!(published(&mut one).is_empty() && one.withheld.is_empty() && one.head.is_none());
        let mut raced = selfish(1);
        raced.heard(Height(6));
        raced.heard(Height(7));
        assert!(raced.found(id(8), id(7), Height(8)), "the next one is the first of a new branch");
    }

    #[test]
    fn an_undercutter_hears_of_a_rich_block_with_the_next_one() {
        let mut miner = Undercutting::default();
        assert!(!miner.ignores(id(1)), "there is nothing to be had");
        miner.waiting.extend((0..2).map(|number| TxId(Hash([number; 32]))));
        assert!(miner.ignores(id(2)) && miner.ignores(id(2)), "whoever says so");
        assert!(!miner.ignores(id(1)), "what is known is no news");
        assert!(!miner.ignores(id(3)), "the race is lost");
        assert!(!miner.ignores(id(2)));
    }
}
