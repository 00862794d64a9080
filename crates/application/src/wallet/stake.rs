//! Stake: bonding, giving notice, and taking back. What is bonded by a wallet is its identity's to take back.

use health_chain_consensus::{ports::BlockContext, validators};
use health_chain_data::{
    Amount, Output, PublicKey, Transaction,
    ports::{Signer, StateView},
};
use health_chain_incentive::{
    Bond, StakeError, StakeParameters,
    stake::{Deposit, Notice, Withdrawal},
};

use super::{Spending, Wallet, WalletError};
use crate::ports::Entropy;

impl Wallet {
    /// A BOND that puts `amount` of this wallet's coins behind the key of `validator`, who need not be this wallet's owner.
    ///
    /// # Errors
    /// Where the coins don't suffice, or a key, a signature or randomness can't be had.
    pub fn bond(
        &mut self,
        validator: &dyn Signer,
        amount: Amount,
        stake: &StakeParameters,
        spending: &Spending<'_>,
        entropy: &mut dyn Entropy,
    ) -> Result<Transaction, WalletError> {
        let mut transaction = Deposit::transaction(validator.public_key(), self.identity.public_key(), amount);
        let chosen = self.add_inputs(&mut transaction, &[(stake.token, amount)], spending)?;
        Deposit::sign(&mut transaction, &spending.context.chain, validator, &*entropy.draw()?)?;
        self.sign(&mut transaction, &chosen, spending.context, entropy)?;
        Ok(transaction)
    }

    /// An UNBOND: from its block on `amount` counts no more, and [`Wallet::withdraw`] pays it out once it is locked no longer. It takes an
    /// input, so the fee can't be nothing.
    ///
    /// # Errors
    /// Where this wallet has no such bond, the coins don't suffice for the fee, or a key, a signature or randomness can't be had.
    pub fn unbond(
        &mut self,
        validator: &PublicKey,
        amount: Amount,
        spending: &Spending<'_>,
        entropy: &mut dyn Entropy,
    ) -> Result<Transaction, WalletError> {
        let bond = self.own_bond(spending.view, validator)?;
        if amount > bond.amount {
            return Err(StakeError::BeyondBond { validator: *validator, bonded: bond.amount, amount }.into());
        }
        let mut transaction = Notice::transaction(*validator, amount);
        let chosen = self.add_inputs(&mut transaction, &[], spending)?;
        Notice::sign(&mut transaction, &spending.context.chain, &self.identity, &*entropy.draw()?)?;
        self.sign(&mut transaction, &chosen, spending.context, entropy)?;
        Ok(transaction)
    }

    /// A WITHDRAW for each notice whose part of the bond the block of `context` may pay out, to new keys of this wallet. They cost nothing.
    ///
    /// # Errors
    /// [`StakeError::StillLocked`] with the first height that pays out something, where the next block does not, and
    /// [`WalletError::NothingLeaving`] where none will; or where this wallet has no such bond, or a key, a signature or randomness can't be had.
    pub fn withdraw(
        &mut self,
        validator: &PublicKey,
        stake: &StakeParameters,
        view: &dyn StateView,
        context: &BlockContext,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<Transaction>, WalletError> {
        let validator = *validator;
        let bond = self.own_bond(view, &validator)?;
        let epochs = validators::epochs(view)?.ok_or(StakeError::NoValidators)?;
        let first = bond.leaving.iter().map(|leaving| leaving.free_from(epochs)).min();
        let first = first.ok_or(WalletError::NothingLeaving { validator })?;
        if context.height < first {
            return Err(StakeError::StillLocked { validator, from: first }.into());
        }
        let mut withdrawals = Vec::new();
        for leaving in bond.leaving.iter().filter(|leaving| leaving.free_from(epochs) <= context.height) {
            let mut transaction = Withdrawal::transaction(validator, leaving.since);
            transaction.outputs = vec![Output { token: stake.token, amount: leaving.amount, lock: self.new_lock()? }];
            Withdrawal::sign(&mut transaction, &context.chain, &self.identity, &*entropy.draw()?)?;
            withdrawals.push(transaction);
        }
        Ok(withdrawals)
    }

    /// What stands behind `validator`, if it is this wallet's to take back.
    fn own_bond(&self, view: &dyn StateView, validator: &PublicKey) -> Result<Bond, WalletError> {
        let validator = *validator;
        let bond = Bond::read(view, &validator)?.ok_or(StakeError::NoBond { validator })?;
        if bond.owner != self.identity.public_key() {
            return Err(StakeError::OtherOwner { validator }.into());
        }
        Ok(bond)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use health_chain_consensus::{Epochs, ports::NoEvidence, validators::VALIDATORS};
    use health_chain_data::{
        ChainId, Genesis, Height, SecretKey, Timestamp, TokenId, codec,
        keys::Mnemonic,
        ports::{ChainStore, SingleVerifier, Verifier},
        state::{MemoryStore, Overlay},
    };
    use health_chain_incentive::{Funding, IncentiveParameters, Issuance, Ledger, Reward, SingleKey, TokenRule};

    use super::*;
    use crate::ports::SeededEntropy;

    const EURO: TokenId = TokenId(978);
    const EPOCHS: Epochs = Epochs { blocks: 10, evidence_blocks: 30 };
    const STAKE: StakeParameters =
        StakeParameters { token: EURO, unit: Amount(100), least_power: 1, slash_per_mille: 500 };

    /// A chain where stake decides, and a wallet with a thousand euros on it.
    struct World {
        ledger: Ledger,
        parameters: IncentiveParameters,
        chain: ChainId,
        state: MemoryStore,
        height: Height,
        wallet: Wallet,
        entropy: SeededEntropy,
    }

    fn wallet(seed: u8) -> Wallet {
        Wallet::open(Box::<MemoryStore>::default(), &Mnemonic::from_entropy(&[seed; 16]).unwrap(), "").unwrap()
    }

    impl World {
        fn new() -> Self {
            let issuer = SecretKey::from_bytes(&[9; 32]).unwrap();
            let issuers = vec![issuer.public_key()];
            let rule = TokenRule { token: EURO, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers };
            let parameters = IncentiveParameters {
                fee_token: EURO,
                tokens: vec![rule.clone()],
                coinbase_maturity: 10,
                reward: Reward::Immediate,
            };
            let genesis = Genesis::new("test", Timestamp(1), vec![]).with(&parameters).with(&STAKE);
            let ledger = Ledger::new(parameters.clone(), Arc::new(SingleKey)).unwrap();
            let ledger = ledger.with_stake(STAKE, Arc::new(NoEvidence)).unwrap();
            let mut state = MemoryStore::default();
            let mut overlay = Overlay::new(&state);
            ledger.genesis(&mut overlay, &genesis).unwrap();
            overlay.put(VALIDATORS, [], codec::encode(&EPOCHS));
            let changes = overlay.into_changes().unwrap();
            state.commit(&changes).unwrap();
            let (chain, height, entropy) = (genesis.chain_id(), Height(1), SeededEntropy::new(1));
            let mut world = Self { ledger, parameters, chain, state, height, wallet: wallet(1), entropy };

            let output = Output { token: EURO, amount: Amount(1_000), lock: world.wallet.new_lock().unwrap() };
            let mut mint = Issuance::mint(EURO, 1, vec![output]).unwrap();
            let signature = issuer.sign(&Issuance::message(&chain, &mint).unwrap(), &[0; 32]);
            Issuance::add_signature(&mut mint, &rule, &issuer.public_key(), signature).unwrap();
            world.apply(&mint);
            world
        }

        fn context(&self) -> BlockContext {
            BlockContext { chain: self.chain, height: self.height, median_time_past: Timestamp(1) }
        }

        fn apply(&mut self, transaction: &Transaction) {
            let (mut overlay, mut claims) = (Overlay::new(&self.state), vec![]);
            let (id, context) = (transaction.id(), self.context());
            self.ledger
                .apply(&mut overlay, transaction, &id, &context, Funding::Required, &mut claims)
                .expect("the ledger takes what the wallet makes");
            SingleVerifier.verify(&claims).expect("what the wallet signs verifies");
            let changes = overlay.into_changes().unwrap();
            self.state.commit(&changes).unwrap();
            self.height = self.height.next();
        }

        /// Has `work` done with the wallet, its coins and a fee of two cents.
        fn with<R>(&mut self, work: impl FnOnce(&mut Wallet, &Spending<'_>, &mut dyn Entropy) -> R) -> R {
            let context = self.context();
            let spending =
                Spending { view: &self.state, parameters: &self.parameters, context: &context, fee: Amount(2) };
            work(&mut self.wallet, &spending, &mut self.entropy)
        }

        fn withdraw(&mut self, validator: &PublicKey) -> Result<Vec<Transaction>, WalletError> {
            self.with(|wallet, spending, entropy| {
                wallet.withdraw(validator, &STAKE, spending.view, spending.context, entropy)
            })
        }

        /// What the wallet has in coins.
        fn coins(&self) -> u64 {
            let coins = self.wallet.coins(&self.state, &self.parameters, &self.context()).unwrap();
            coins.iter().map(|(_, coin)| coin.output.amount.0).sum()
        }
    }

    #[test]
    fn what_is_bonded_comes_back_after_notice_when_it_is_locked_no_longer() {
        let mut world = World::new();
        let server = SecretKey::from_bytes(&[7; 32]).unwrap();
        let validator = server.public_key();
        let bond = world.with(|wallet, spending, entropy| wallet.bond(&server, Amount(600), &STAKE, spending, entropy));
        world.apply(&bond.unwrap());
        let bonded = Bond::read(&world.state, &validator).unwrap().unwrap();
        assert_eq!((bonded.amount, bonded.owner), (Amount(600), world.wallet.identity().public_key()));
        assert_eq!(world.coins(), 1_000 - 600 - 2);
        assert!(matches!(world.withdraw(&validator), Err(WalletError::NothingLeaving { .. })));

        let mut first = None;
        for amount in [200, 400] {
            let unbond = world
                .with(|wallet, spending, entropy| wallet.unbond(&validator, Amount(amount), spending, entropy))
                .unwrap();
            world.apply(&unbond);
            let bond = Bond::read(&world.state, &validator).unwrap().unwrap();
            first.get_or_insert(bond.leaving[0].free_from(EPOCHS));
            // The next notice is one of a later epoch.
            world.height = Height(world.height.0 + EPOCHS.blocks);
        }
        let first = first.unwrap();
        world.height = Height(first.0 - 1);
        let refused = world.withdraw(&validator).unwrap_err();
        assert!(matches!(refused, WalletError::Stake(StakeError::StillLocked { from, .. }) if from == first));
        world.height = first;
        let withdrawals = world.withdraw(&validator).unwrap();
        assert_eq!(withdrawals.len(), 1, "the second notice is locked for longer");
        world.apply(&withdrawals[0]);
        world.height = Height(first.0 + EPOCHS.blocks);
        for withdrawal in world.withdraw(&validator).unwrap() {
            world.apply(&withdrawal);
        }
        assert_eq!(world.coins(), 1_000 - 3 * 2, "all but the fees");
        assert_eq!(Bond::read(&world.state, &validator).unwrap(), None);
    }

    #[test]
    fn nobody_bonds_what_is_not_there_or_takes_back_what_is_somebody_elses() {
        let mut world = World::new();
        let server = SecretKey::from_bytes(&[7; 32]).unwrap();
        let validator = server.public_key();
        let refused = world
            .with(|wallet, spending, entropy| wallet.bond(&server, Amount(999), &STAKE, spending, entropy))
            .unwrap_err();
        let is_short = matches!(
            refused,
            WalletError::Insufficient { token: EURO, needed: Amount(1_001), available: Amount(1_000) }
        );
        assert!(is_short, "{refused}");
        let none = world.withdraw(&validator).unwrap_err();
        assert!(matches!(none, WalletError::Stake(StakeError::NoBond { .. })), "{none}");

        let bond = world.with(|wallet, spending, entropy| wallet.bond(&server, Amount(500), &STAKE, spending, entropy));
        world.apply(&bond.unwrap());
        let more = world
            .with(|wallet, spending, entropy| wallet.unbond(&validator, Amount(501), spending, entropy))
            .unwrap_err();
        assert!(matches!(more, WalletError::Stake(StakeError::BeyondBond { bonded: Amount(500), .. })), "{more}");
        world.wallet = wallet(2);
        let foreign = world
            .with(|wallet, spending, entropy| wallet.unbond(&validator, Amount(1), spending, entropy))
            .unwrap_err();
        assert!(matches!(foreign, WalletError::Stake(StakeError::OtherOwner { .. })), "{foreign}");
    }
}
