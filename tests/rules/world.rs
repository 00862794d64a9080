//! What the rules are tried on, and how.

use std::error::Error;

use health_chain::{
    application::{
        authorize::{
            Access, AccessRequest, Clock, Denial, DenySet, Gateway, GatewayRules, SeenRequests, Snapshot, authorize,
        },
        payload::Payload,
        ports::OwnerGrants,
        records::{Grant, GrantTerms, Permissions, Position, Purpose, RecordError},
    },
    consensus::{BlockError, Chain, ConsensusParameters},
    data::{
        Amount, Block, ChainId, Height, Input, Millis, Timestamp, Transaction, Witness, sha256,
        state::{MemoryStore, state_hash},
    },
    incentive::{LedgerError, RewardError, kinds::TRANSFER},
};

use crate::common::{
    self, GRANTEE, OWNER, START, block_on, fund, gateway_id, key, mint, output, point, public, sign_spend,
    store_operation,
};

/// The node's clock, far behind which the blocks are.
pub(crate) const NOW: Millis = Millis((START.0 as u64 + 10_000) * 1_000);
/// The coins that block 1 minted, of which the first paid for storing the owner's object.
pub(crate) const COIN: u64 = 1_000;

/// A chain of one block, in which coins were minted and an object stored.
pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) id: ChainId,
    pub(crate) coins: Transaction,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(ConsensusParameters::default())
    }

    pub(crate) fn with(parameters: ConsensusParameters) -> Self {
        let genesis = common::genesis("rules", parameters);
        let mut chain = common::open(Box::<MemoryStore>::default(), &genesis);
        let id = chain.chain_id();
        let coins = mint(id, 1, &[COIN; 8]);
        let store = fund(store_operation(id).transaction(), id, &coins, 0, 0);
        let block = block_on(&chain.tip().header, Timestamp(START.0 + 1), vec![coins.clone(), store]);
        chain.accept_block(NOW, block).unwrap();
        Self { chain, id, coins }
    }

    /// A block of these on top of the tip.
    pub(crate) fn block(&self, transactions: Vec<Transaction>) -> Block {
        block_on(&self.chain.tip().header, Timestamp(START.0 + 2), transactions)
    }

    pub(crate) fn accept(&mut self, transactions: Vec<Transaction>) {
        let block = self.block(transactions);
        self.chain.accept_block(NOW, block).unwrap();
    }

    /// What a block meets with, which must leave everything as it was.
    pub(crate) fn refuse(&mut self, block: Block) -> BlockError {
        let before = (self.chain.tip(), state_hash(self.chain.state()).unwrap());
        let error = self.chain.accept_block(NOW, block).expect_err("a rule is broken");
        assert_eq!((self.chain.tip(), state_hash(self.chain.state()).unwrap()), before, "a refusal changes nothing");
        error
    }

    pub(crate) fn refusal(&mut self, transactions: Vec<Transaction>) -> BlockError {
        let block = self.block(transactions);
        self.refuse(block)
    }

    /// The rule of the layer above consensus that the last of these transactions breaks.
    pub(crate) fn rule<E: Error + Clone + 'static>(&mut self, transactions: Vec<Transaction>) -> E {
        let last = transactions.len() - 1;
        match self.refusal(transactions) {
            BlockError::Execution { index, source } if index == last => downcast(&*source.source),
            other => panic!("not a rule of the layers above: {other:?}"),
        }
    }

    /// The rule of the ledger, which keeps no copy of an error.
    pub(crate) fn ledger_rule(&mut self, transactions: Vec<Transaction>, is: impl Fn(&LedgerError) -> bool) {
        let error = self.refusal(transactions);
        let BlockError::Execution { source, .. } = &error else { panic!("not a rule of the ledger: {error:?}") };
        assert!(source.source.downcast_ref::<LedgerError>().is_some_and(is), "{error:?}");
    }

    pub(crate) fn reward_rule(&mut self, transactions: Vec<Transaction>, is: impl Fn(&RewardError) -> bool) {
        let error = self.refusal(transactions);
        let BlockError::Reward(source) = &error else { panic!("not a rule of the reward: {error:?}") };
        assert!(source.source.downcast_ref::<RewardError>().is_some_and(is), "{error:?}");
    }

    /// A transfer of coin `index`, changed by `change` and then signed.
    pub(crate) fn transfer(&self, index: u32, change: impl FnOnce(&mut Transaction)) -> Transaction {
        let mut transfer = Transaction::new(TRANSFER, vec![]);
        transfer.inputs = vec![Input { previous: point(&self.coins, index), sequence: Input::FINAL }];
        transfer.witnesses = vec![Witness::default()];
        transfer.outputs = vec![output(COIN)];
        change(&mut transfer);
        if transfer.inputs.len() == 1 {
            sign_spend(&mut transfer, self.id, &[output(COIN)]);
        }
        transfer
    }

    /// An operation whose fee coin 1 pays.
    pub(crate) fn funded(&self, operation: &impl Payload) -> Transaction {
        fund(operation.transaction(), self.id, &self.coins, 1, 10)
    }

    /// The next place in the object's log.
    pub(crate) fn position(&self) -> Position {
        Position { seq: 1, ..store_operation(self.id).position }
    }

    pub(crate) fn grant(&self, change: impl FnOnce(&mut Position, &mut GrantTerms)) -> Grant {
        let mut position = self.position();
        let mut terms = GrantTerms {
            grantee: public(GRANTEE),
            permissions: Permissions::READ,
            purpose: Purpose::TREATMENT,
            not_before: START,
            not_after: Timestamp(START.0 + 1_000),
            wrap_commit: sha256(b"wrap"),
            payment: None,
        };
        change(&mut position, &mut terms);
        Grant::sign(position, terms, &key(OWNER), &[0; 32]).unwrap()
    }

    pub(crate) fn grant_rule(&mut self, change: impl FnOnce(&mut Position, &mut GrantTerms)) -> RecordError {
        let grant = self.funded(&self.grant(change));
        self.rule(vec![grant])
    }

    pub(crate) fn coinbase(&self, height: u32, amounts: &[u64]) -> Transaction {
        let lock = common::lock();
        let mut coinbase = common::contracts().1.coinbase(Height(height), Amount(1), lock);
        coinbase.outputs = amounts.iter().map(|amount| output(*amount)).collect();
        coinbase
    }

    /// The gateway's answer to a request for the owner's object.
    pub(crate) fn denial(&self, change: impl FnOnce(&mut AccessRequest)) -> Denial {
        let access = Access {
            object: store_operation(self.id).position.object,
            version: 0,
            requester: public(OWNER),
            permission: Permissions::READ,
            purpose: Purpose::PATIENT_REQUEST,
        };
        let time = NOW.timestamp();
        let mut request =
            AccessRequest::sign(self.id, gateway_id(), access, time, [1; 32], &key(OWNER), &[0; 32]).unwrap();
        change(&mut request);
        request.signature = key(OWNER).sign(&request.message(), &[0; 32]);
        let (denials, seen) = (DenySet::default(), SeenRequests::new(START));
        let rules = GatewayRules { max_tip_age_seconds: 100_000, ..GatewayRules::default() };
        let gateway = Gateway { id: gateway_id(), rules: &rules, denials: &denials, seen: &seen, policy: &OwnerGrants };
        let tip = self.chain.tip();
        let snapshot = Snapshot {
            chain: self.id,
            height: tip.height,
            tip_time: tip.header.time,
            median_time_past: self.chain.next_context().median_time_past,
            uncleared_reorganisation: 0,
            state: self.chain.state(),
        };
        let clock = Clock { wall: NOW, high_water: Millis::ZERO };
        authorize(&request, &gateway, &snapshot, &clock).expect_err("a rule is broken")
    }
}

fn downcast<E: Error + Clone + 'static>(error: &(dyn Error + Send + Sync + 'static)) -> E {
    error.downcast_ref::<E>().unwrap_or_else(|| panic!("another layer's rule: {error:?}")).clone()
}
