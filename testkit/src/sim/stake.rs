//! What stands behind validators where stake decides, and the people who put it there.

use health_chain::{
    consensus::{Epochs, ports::BlockContext},
    data::{
        Amount, ChainId, OutPoint, Output, PublicKey, SecretKey, Transaction,
        ports::{StateView, StoreError},
    },
    incentive::{
        Bond, Coin, StakeParameters, coins,
        stake::{Deposit, Notice, Withdrawal},
    },
};

use super::{
    Violation,
    fabric::{NodeIndex, Wake},
    payments,
    random::Random,
    run::Simulation,
    world::{TOKEN, lock_of, patient_key, validator},
};

/// Sets change every few minutes; who can be called to account, or has given notice, waits for as long as a short run has blocks for.
pub(super) const EPOCHS: Epochs = Epochs { blocks: 6, evidence_blocks: 30 };
/// What a vote costs.
const UNIT: u64 = 50_000;
/// Votes that are bonded for an honest validator.
const HONEST_UNITS: u64 = 16;
/// What is bonded for a lying validator: a fourth of that, as among founders.
pub(super) const LIARS_BOND: u64 = HONEST_UNITS / 4 * UNIT;
/// What an offender loses, in thousandths.
pub(super) const SLASH_PER_MILLE: u16 = 500;
/// One of so many visits to a bond that is complete gives notice of one of its votes.
const NOTICE_ONE_IN: u64 = 4;

/// The section `stake` of a chain with so many honest validators. Stake takes over when there is as much of it as they bond together: with
/// three liars, none of them may be late, so that those are as few as among founders.
pub(super) const fn parameters(honest: usize) -> StakeParameters {
    StakeParameters {
        token: TOKEN,
        unit: Amount(UNIT),
        least_power: HONEST_UNITS * honest as u64,
        slash_per_mille: SLASH_PER_MILLE,
    }
}

/// Who bonds for a validator, at the validator's own node.
pub(super) struct Owner {
    /// Which of those who are given coins she is.
    person: usize,
    key: SecretKey,
    chain: ChainId,
    validator: SecretKey,
    pub(super) home: NodeIndex,
    is_honest: bool,
}

/// What an owner does.
pub(super) enum Act {
    Nothing,
    /// She asks for her coin.
    Coin,
    Submit(Transaction),
}

impl Simulation<'_> {
    /// Lets who bonds for a validator do something, and comes back for more.
    pub(super) fn owner(&mut self, index: usize) -> Result<(), Box<Violation>> {
        let next = self.random.exponential(self.options.act_millis as f64) as u64;
        self.after(next.max(1), Wake::Owner(index));
        let owner = &self.owners[index];
        let home = owner.home;
        let Some(running) = &mut self.nodes[home] else { return Ok(()) };
        let chain = running.node.chain();
        let act = owner.act(chain.state(), &chain.next_context(), &mut self.random).expect("memory can be read");
        let transaction = match act {
            Act::Nothing => return Ok(()),
            Act::Coin => self.world.mint(),
            Act::Submit(transaction) => transaction,
        };
        self.signed.insert(transaction.id());
        // Known, or on the chain already.
        let _ = running.node.submit(transaction);
        self.after_step(home)
    }
}

impl Owner {
    /// `person` counts those who are given coins.
    pub(super) fn new(person: usize, chain: ChainId, home: NodeIndex, is_honest: bool) -> Self {
        Self { person, key: patient_key(person), chain, validator: validator(home), home, is_honest }
    }

    /// What comes next, as her node sees the chain: all of the bond, and once that is there, now and then a vote less and a vote more, so
    /// that the validators' power changes from epoch to epoch. Those of liars have nothing more to do with theirs.
    pub(super) fn act(
        &self,
        state: &dyn StateView,
        next: &BlockContext,
        random: &mut Random,
    ) -> Result<Act, StoreError> {
        let validator = self.validator.public_key();
        let bond = Bond::read(state, &validator)?;
        let wanted = if self.is_honest { HONEST_UNITS * UNIT } else { LIARS_BOND };
        let bonded = bond.as_ref().map_or(0, |bond| bond.amount.0);
        if bond.as_ref().is_some_and(|bond| bond.jailed.is_some() || !self.is_honest) {
            return Ok(Act::Nothing);
        }
        if let Some(left) =
            bond.iter().flat_map(|bond| &bond.leaving).find(|left| left.free_from(EPOCHS) <= next.height)
        {
            let mut withdrawal = Withdrawal::transaction(validator, left.since);
            withdrawal.outputs = vec![Output { token: TOKEN, amount: left.amount, lock: lock_of(self.person) }];
            Withdrawal::sign(&mut withdrawal, &self.chain, &self.key, &[0; 32]).expect("keys in memory sign");
            return Ok(Act::Submit(withdrawal));
        }
        let richest = coins(state, &lock_of(self.person))?.into_iter().max_by_key(|(_, coin)| coin.output.amount);
        let Some((point, Coin { output: coin, .. })) = richest else {
            return Ok(if bond.is_none() { Act::Coin } else { Act::Nothing });
        };
        if bonded < wanted {
            let missing = Amount(wanted - bonded);
            return Ok(self.deposit(validator, missing, point, coin).map_or(Act::Nothing, Act::Submit));
        }
        let is_whole = bond.is_some_and(|bond| bond.leaving.is_empty());
        if !is_whole || !random.one_in(NOTICE_ONE_IN) {
            return Ok(Act::Nothing);
        }
        let mut notice = Notice::transaction(validator, Amount(UNIT));
        if !payments::spend(&mut notice, Amount::ZERO, point, &coin) {
            return Ok(Act::Nothing);
        }
        Notice::sign(&mut notice, &self.chain, &self.key, &[0; 32]).expect("keys in memory sign");
        payments::sign(&mut notice, &self.chain, coin, &self.key);
        Ok(Act::Submit(notice))
    }

    fn deposit(&self, validator: PublicKey, amount: Amount, point: OutPoint, coin: Output) -> Option<Transaction> {
        let mut deposit = Deposit::transaction(validator, self.key.public_key(), amount);
        if !payments::spend(&mut deposit, amount, point, &coin) {
            return None;
        }
        Deposit::sign(&mut deposit, &self.chain, &self.validator, &[0; 32]).expect("keys in memory sign");
        payments::sign(&mut deposit, &self.chain, coin, &self.key);
        Some(deposit)
    }
}
