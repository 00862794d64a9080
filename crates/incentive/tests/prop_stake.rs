//! Whatever is bonded, unbonded, withdrawn, slashed and undone, no money appears or vanishes, and nobody gets at stake that must stay.
#![allow(clippy::unwrap_used)]

mod common;

use common::{CNY, Confession, EPOCHS, EUR, Owned, STAKE, UNIT, World, inputs, key, pay};
use health_chain_consensus::ports::StakeView;
use health_chain_data::{
    Amount, Height, Transaction, Witness,
    state::{Changes, state_hash},
};
use health_chain_incentive::{
    Bond, BondedStake, StakeParameters, coins, kinds,
    stake::{Deposit, Notice, Withdrawal},
    supply,
    supply::audit,
};
use proptest::prelude::*;

/// One thing that somebody tries, each in a block of its own.
#[derive(Debug, Clone)]
enum Attempt {
    Bond { validator: u8, owner: u8, amount: u64, off: i8 },
    Unbond { validator: u8, owner: u8, amount: u64 },
    Withdraw { validator: u8, owner: u8, notice: usize, off: i8 },
    Evidence { validator: u8, age: u32 },
    Wait { blocks: u32 },
    Disconnect { blocks: usize },
}

fn attempt() -> impl Strategy<Value = Attempt> {
    // Validators 1 to 3, each with one owner, and one that is not theirs.
    let (validator, off) = (1..=3_u8, prop_oneof![8 => Just(0_i8), 1 => Just(-1), 1 => Just(1)]);
    let owner = prop_oneof![8 => Just(7_u8), 1 => Just(8)];
    let amount = prop_oneof![1 => 1..UNIT, 8 => UNIT..20 * UNIT, 1 => Just(u64::MAX)];
    prop_oneof![
        6 => (validator.clone(), owner.clone(), amount.clone(), off.clone())
            .prop_map(|(validator, owner, amount, off)| Attempt::Bond { validator, owner, amount, off }),
        4 => (validator.clone(), owner.clone(), amount)
            .prop_map(|(validator, owner, amount)| Attempt::Unbond { validator, owner, amount }),
        4 => (validator.clone(), owner, 0..4_usize, off)
            .prop_map(|(validator, owner, notice, off)| Attempt::Withdraw { validator, owner, notice, off }),
        1 => (validator, 0..20_u32).prop_map(|(validator, age)| Attempt::Evidence { validator, age }),
        3 => (1..8_u32).prop_map(|blocks| Attempt::Wait { blocks }),
        1 => (1..6_usize).prop_map(|blocks| Attempt::Disconnect { blocks }),
    ]
}

struct Run {
    world: World,
    stake: StakeParameters,
    /// The way back from each block, and the block.
    past: Vec<(Changes, Vec<Transaction>)>,
    accepted: usize,
}

impl Run {
    fn new(stake: StakeParameters) -> Self {
        let mut world = World::staking(stake, &[1, 2, 3]);
        world.fund(vec![pay(EUR, 5_000, 9)]);
        world.fund(vec![pay(CNY, 5_000, 9)]);
        Self { world, stake, past: vec![], accepted: 0 }
    }

    fn bond(&self, validator: u8) -> Option<Bond> {
        Bond::read(&self.world.store, &key(validator).public_key()).unwrap()
    }

    fn is_owner(&self, validator: u8, owner: u8) -> bool {
        self.bond(validator).is_none_or(|bond| bond.owner == key(owner).public_key())
    }

    /// Coins in the token of stake and in the one of fees: all of them.
    fn spend(&self, transaction: &mut Transaction) -> Vec<Owned> {
        let all = coins(&self.world.store, &common::lock(9)).unwrap();
        let spent: Vec<Owned> = all.into_iter().map(|(point, coin)| (point, coin.output)).collect();
        transaction.inputs = inputs(&spent);
        transaction.witnesses = vec![Witness::default(); spent.len()];
        spent
    }

    /// Everything comes back but `taken` of the stake's token, and a fee of one.
    fn change(&self, spent: &[Owned], taken: u64) -> Option<Vec<health_chain_data::Output>> {
        let sum = |token| spent.iter().filter(|(_, o)| o.token == token).map(|(_, o)| o.amount.0).sum::<u64>();
        let out = [EUR, CNY].map(|token| {
            let taken = if token == self.stake.token { taken } else { 0 };
            Some((token, sum(token).checked_sub(taken)?.checked_sub(u64::from(token == EUR))?))
        });
        let [first, second] = out;
        Some(
            [first?, second?]
                .into_iter()
                .filter(|(_, left)| *left > 0)
                .map(|(token, left)| pay(token, left, 9))
                .collect(),
        )
    }

    fn attempt(&mut self, attempt: &Attempt) {
        let chain = self.world.chain();
        match *attempt {
            Attempt::Bond { validator, owner, amount, off } => {
                let mut bond =
                    Deposit::transaction(key(validator).public_key(), key(owner).public_key(), Amount(amount));
                let spent = self.spend(&mut bond);
                let Some(outputs) = self.change(&spent, amount.saturating_add_signed(off.into())) else { return };
                bond.outputs = outputs;
                Deposit::sign(&mut bond, &chain, &key(validator), &[0; 32]).unwrap();
                let bond = self.world.sign(bond, &spent);
                self.offer(bond);
            }
            Attempt::Unbond { validator, owner, amount } => {
                let mut unbond = Notice::transaction(key(validator).public_key(), Amount(amount));
                let spent = self.spend(&mut unbond);
                let Some(outputs) = self.change(&spent, 0) else { return };
                unbond.outputs = outputs;
                Notice::sign(&mut unbond, &chain, &key(owner), &[0; 32]).unwrap();
                // Whose signature it is the block's verification finds out; here that is not looked at twice.
                if self.is_owner(validator, owner) {
                    let unbond = self.world.sign(unbond, &spent);
                    self.offer(unbond);
                }
            }
            Attempt::Withdraw { validator, owner, notice, off } => {
                let Some(bond) = self.bond(validator) else { return };
                let Some(leaving) = bond.leaving.get(notice) else { return };
                let mut withdraw = Withdrawal::transaction(key(validator).public_key(), leaving.since);
                let paid = leaving.amount.0.saturating_add_signed(off.into());
                withdraw.outputs = if paid == 0 { vec![] } else { vec![pay(self.stake.token, paid, 9)] };
                Withdrawal::sign(&mut withdraw, &chain, &key(owner), &[0; 32]).unwrap();
                let next = self.world.context.height;
                if self.is_owner(validator, owner) && self.offer(withdraw) {
                    assert!(next >= leaving.free_from(EPOCHS), "stake leaves before its time");
                    assert!(off == 0 || off == -1 && self.stake.token == EUR, "all of it and no more");
                }
            }
            Attempt::Evidence { validator, age } => {
                let height = self.world.context.height.0.saturating_sub(age);
                let before = self.bond(validator);
                let now = self.world.context.height;
                if self.offer(Transaction::new(kinds::EVIDENCE, Confession::of(validator, height))) {
                    let (before, after) = (before.unwrap(), self.bond(validator).unwrap());
                    assert!(height > 0 && EPOCHS.is_answerable(Height(height), now));
                    assert_eq!((before.jailed, after.jailed), (None, Some(Height(height))));
                    assert!(after.amount.0 == before.amount.0 - before.amount.0 * 300 / 1000);
                }
            }
            Attempt::Wait { blocks } => (0..blocks).for_each(|_| self.connect(vec![])),
            Attempt::Disconnect { blocks } => self.disconnect_and_back(blocks),
        }
    }

    fn offer(&mut self, transaction: Transaction) -> bool {
        let is_valid = self.world.check(&transaction).is_ok();
        if is_valid {
            self.accepted += 1;
            self.connect(vec![transaction]);
        }
        is_valid
    }

    fn connect(&mut self, transactions: Vec<Transaction>) {
        let undo = self.world.connect(transactions.clone());
        self.past.push((undo, transactions));
        audit(&self.world.store, self.world.ledger.parameters()).unwrap();
        let decide = BondedStake::new(self.stake).validators(&self.world.store).unwrap();
        for validator in decide {
            let bond = Bond::read(&self.world.store, &validator.key).unwrap().unwrap();
            assert!(bond.jailed.is_none() && u64::from(validator.power) == bond.amount.0 / UNIT);
        }
    }

    /// Back and forth again leads to where it was.
    fn disconnect_and_back(&mut self, blocks: usize) {
        let before = state_hash(&self.world.store).unwrap();
        let mut again = vec![];
        for _ in 0..blocks {
            let Some((undo, transactions)) = self.past.pop() else { break };
            self.world.disconnect(&undo);
            audit(&self.world.store, self.world.ledger.parameters()).unwrap();
            again.push(transactions);
        }
        again.into_iter().rev().for_each(|transactions| self.connect(transactions));
        assert_eq!(state_hash(&self.world.store).unwrap(), before);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn stake_is_conserved_and_stays_where_it_must(
        attempts in prop::collection::vec(attempt(), 1..24),
        token in prop_oneof![Just(EUR), Just(CNY)],
    ) {
        let mut run = Run::new(StakeParameters { token, ..STAKE });
        let before = state_hash(&run.world.store).unwrap();
        attempts.iter().for_each(|attempt| run.attempt(attempt));
        while let Some((undo, _)) = run.past.pop() {
            run.world.disconnect(&undo);
        }
        prop_assert_eq!(state_hash(&run.world.store).unwrap(), before);
    }
}

/// The random runs above are worth something only if a good part of what they try is valid.
#[test]
fn many_attempts_are_valid() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut slashed, mut withdrawn) = (0, 0, 0);
    for _ in 0..20 {
        let mut run = Run::new(STAKE);
        for _ in 0..40 {
            run.attempt(&attempt().new_tree(&mut runner).unwrap().current());
        }
        accepted += run.accepted;
        slashed += supply(&run.world.store, EUR).unwrap().unwrap().slashed.0;
        withdrawn += run.past.iter().flat_map(|(_, block)| block).filter(|one| one.kind == kinds::WITHDRAW).count();
    }
    assert!(accepted > 150, "{accepted} of 800 were valid");
    assert!(slashed > 0 && withdrawn > 3, "{slashed} was lost, {withdrawn} times somebody got something back");
}
