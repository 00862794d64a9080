//! What a node's owner has done on the chain, whichever process has it open: this one, where no node runs, or the running node.

use health_chain::{
    application::{
        gateway::Gateway,
        node::{Node, Status},
        wallet::{Spending, Wallet, WalletError},
    },
    consensus::{Chain, ports::BlockContext},
    data::{Amount, SecretKey, Transaction, TxId, ports::StateView},
    incentive::{TipState, TokenRule},
};
use serde::{Deserialize, Serialize};

use crate::{
    commands::{council, peers, resume, stake, wallet},
    compose::{self, Rules},
    counter,
    failure::Failure,
    folder::Folder,
    secrets, text,
};

/// What is to be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Order {
    Peers(peers::Options),
    Wallet(wallet::Command),
    Bond(stake::Bond),
    Unbond(stake::Unbond),
    Withdraw,
    Validators(stake::Validators),
    Council(council::Order),
    Resume,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    /// For the owner to read.
    pub(crate) printed: String,
    /// A paper for the council, to be kept in a file.
    pub(crate) paper: Option<String>,
}

/// Where orders are carried out.
pub(crate) struct Office<'a> {
    folder: &'a Folder,
    pub(crate) rules: &'a Rules,
    chain: Source<'a>,
}

/// Who has the chain.
enum Source<'a> {
    Node(&'a Node, &'a Gateway),
    Store(Box<Chain>),
}

/// Has the node that runs on the folder carry out the order, or does it from what a stopped one left.
pub(crate) fn give(folder: &Folder, order: Order) -> Result<Done, Failure> {
    folder.check()?;
    if let Some(answer) = counter::ask(folder, &order) {
        return answer;
    }
    let rules = Rules::read(folder)?;
    let chain = Source::Store(Box::new(compose::stored_chain(folder, &rules)?));
    Office { folder, rules: &rules, chain }.carry_out(order)
}

impl<'a> Office<'a> {
    /// The office of a running node.
    pub(crate) const fn of(folder: &'a Folder, rules: &'a Rules, node: &'a Node, gateway: &'a Gateway) -> Self {
        Self { folder, rules, chain: Source::Node(node, gateway) }
    }

    pub(crate) fn carry_out(&self, order: Order) -> Result<Done, Failure> {
        let (mut out, mut paper) = (Vec::new(), None);
        match order {
            Order::Peers(options) => peers::carry_out(self, &options, &mut out)?,
            Order::Wallet(command) => wallet::carry_out(self, command, &mut out)?,
            Order::Bond(bond) => stake::bond(self, bond, &mut out)?,
            Order::Unbond(unbond) => stake::unbond(self, unbond, &mut out)?,
            Order::Withdraw => stake::withdraw(self, &mut out)?,
            Order::Validators(options) => stake::validators(self, &options, &mut out)?,
            Order::Council(order) => paper = council::carry_out(self, order, &mut out)?,
            Order::Resume => resume::carry_out(self, &mut out)?,
        }
        Ok(Done { printed: String::from_utf8_lossy(&out).into_owned(), paper })
    }

    /// The key that stands for the owner.
    pub(crate) fn owner(&self) -> Result<SecretKey, Failure> {
        secrets::identity(&secrets::read_words(&self.folder.words())?)
    }

    /// The owner's wallet.
    pub(crate) fn wallet(&self) -> Result<Wallet, Failure> {
        let words = secrets::read_words(&self.folder.words())?;
        Ok(Wallet::open(compose::open_store(&self.folder.wallet())?, &words, "")?)
    }

    /// Looks at the state at the tip; `context` is that of the next block.
    pub(crate) fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&dyn StateView, &BlockContext) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        match &self.chain {
            Source::Node(node, _) => Ok(node.read(move |chain, _| look(chain.state(), &chain.next_context()))?),
            Source::Store(chain) => Ok(look(chain.state(), &chain.next_context())),
        }
    }

    /// Looks at the state as it will be once all that waits is in a block: what a new transaction builds on.
    pub(crate) fn look_ahead<R: Send + 'static>(
        &self,
        look: impl FnOnce(&dyn StateView, &BlockContext) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        let Source::Node(node, _) = &self.chain else { return self.look(look) };
        Ok(node.read(move |chain, pool| {
            let tip = TipState::of(chain);
            look(&pool.view(&tip), &tip.context)
        })?)
    }

    /// Has `make` make a transaction with the wallet's coins.
    pub(crate) fn pay<R: Send + 'static>(
        &self,
        fee: Option<&str>,
        make: impl FnOnce(&mut Wallet, &Spending<'_>) -> Result<R, WalletError> + Send + 'static,
    ) -> Result<R, Failure> {
        let parameters = self.rules.incentive.clone();
        let rule = parameters.token(parameters.fee_token).expect("the chain's rules were checked");
        let fee = match fee {
            Some(text) => text::in_minor_units(text, rule.decimals)?,
            None => LEAST_FEE,
        };
        let mut wallet = self.wallet()?;
        self.look_ahead(move |view, context| {
            make(&mut wallet, &Spending { view, parameters: &parameters, context, fee })
        })?
        .map_err(|error| self.unpaid(error))
    }

    /// What is missing, in words of the token.
    fn unpaid(&self, error: WalletError) -> Failure {
        match error {
            WalletError::Insufficient { token, needed, available } => match self.rules.incentive.token(token) {
                Some(rule) => Failure::TooFewCoins {
                    needed: wallet::amount_of(rule, needed),
                    available: wallet::amount_of(rule, available),
                },
                None => Failure::Payment(error),
            },
            error => Failure::Payment(error),
        }
    }

    /// Sends a transaction.
    pub(crate) fn submit(&self, transaction: Transaction) -> Result<TxId, Failure> {
        self.running()?.0.submit(transaction)?.map_err(Failure::NotTaken)
    }

    /// Where the running node stands.
    pub(crate) fn status(&self) -> Result<Status, Failure> {
        Ok(self.running()?.0.status()?)
    }

    /// The running node's gateway.
    pub(crate) fn gateway(&self) -> Result<&Gateway, Failure> {
        Ok(self.running()?.1)
    }

    /// The running node and its gateway, for what a stopped one can't do.
    fn running(&self) -> Result<(&Node, &Gateway), Failure> {
        match &self.chain {
            Source::Node(node, gateway) => Ok((*node, *gateway)),
            Source::Store(_) => Err(Failure::NoNode(self.folder.path().into())),
        }
    }

    /// The token with this symbol, or that in which fees are paid.
    pub(crate) fn token(&self, symbol: Option<&str>) -> Result<&TokenRule, Failure> {
        let parameters = &self.rules.incentive;
        let found = parameters.tokens.iter().find(|rule| match symbol {
            Some(symbol) => rule.symbol == symbol,
            None => rule.token == parameters.fee_token,
        });
        found.ok_or_else(|| Failure::NoToken { symbol: symbol.unwrap_or_default().into() })
    }
}

/// What a transaction pays where nothing else is said: enough for an input, which most kinds need.
const LEAST_FEE: Amount = Amount(1);
