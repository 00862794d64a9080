//! The dearest valid blocks that the rules on size and on signature checks let anybody build, verified as a node does before it agrees
//! to one, at a quarter, a half and the whole of what fits. Not criterion: a block is verified in turns and printed with what it
//! costs for each check that was counted, so that work which the rules count too low shows.
//!
//! Arguments choose among the blocks, by the beginnings of their names.
#![allow(clippy::print_stdout, clippy::type_complexity, reason = "this is what the program is for; one-line closures")]

use std::{env, sync::Arc, time::Instant};

use health_chain::{
    application::{
        identities::{ApplicationParameters, Identities},
        records::Records,
    },
    consensus::{Chain, ConsensusParameters, Parts, Solo, SoloParameters, verify::BLOCK_VERSION},
    contract::{
        Contracts, Scripts,
        notary::{NOTARIZE, Notarization, Notary},
        quorum::SignerSignature,
        script::assemble,
        scripts::{Template, key_witness, multisig_witness},
    },
    data::{
        Amount, Block, Body, ChainId, Genesis, Hash, Header, Input, Lock, Millis, OutPoint, Output, SecretKey,
        Timestamp, TokenId, Transaction, Witness,
        batch::BatchVerifier,
        codec,
        limits::{MAX_INPUTS, MAX_OUTPUTS, MAX_TRANSACTION_BYTES},
        ports::BatchHasher,
        sha256,
        state::{MemoryStore, Overlay},
        transaction::{spend_hash, spent_outputs_hash},
    },
    data_simd::LaneHasher,
    incentive::{
        IncentiveParameters, Issuance, Ledger, Reward, Rewards, TokenRule, kinds::TRANSFER,
        limits::MAX_TRANSACTION_SIGNATURE_CHECKS, ports::SpendCheck,
    },
};

const TOKEN: TokenId = TokenId(1);
const START: Timestamp = Timestamp(1_800_000_000);
const NOW: Millis = Millis((START.0 as u64 + 10_000) * 1_000);
/// How often each block is verified.
const TURNS: usize = 5;
/// Bytes of a block that are kept free for its header and for what stands around inputs in a transaction.
const AROUND_BYTES: usize = 32_000;

/// A lock for each number, and what unlocks it.
struct Spends {
    lock: Box<dyn Fn(usize) -> Lock>,
    witness: Box<dyn Fn(usize, &Hash) -> Witness>,
}

fn key(number: usize) -> SecretKey {
    SecretKey::from_bytes(&sha256(&number.to_le_bytes()).0).expect("a hash is a secret key")
}

fn signature(number: usize, message: &Hash) -> Witness {
    key_witness(&key(number).sign(message, &[1; 32]))
}

/// Whoever signs, after what `script` does, which leaves the stack as it was.
fn signed(script: &str) -> Spends {
    let script = assemble(script).expect("a script");
    Spends {
        lock: Box::new(move |number| Lock([&script[..], &Template::Key(key(number).public_key()).lock().0].concat())),
        witness: Box::new(signature),
    }
}

/// Anybody.
fn open(script: &str) -> Spends {
    let lock = Lock(assemble(&format!("{script} 1")).expect("a script"));
    Spends { lock: Box::new(move |_| lock.clone()), witness: Box::new(|_, _| Witness::default()) }
}

/// The key that is tried last.
fn last_of(keys: usize) -> Spends {
    let lock = Template::multisig(1, (0..keys).map(|number| key(number).public_key()).collect())
        .expect("as many as may be")
        .lock();
    Spends {
        lock: Box::new(move |_| lock.clone()),
        witness: Box::new(|_, message| multisig_witness(&[key(0).sign(message, &[1; 32])])),
    }
}

/// Work beside signatures that a spend can have without its being counted as one more check.
fn beside() -> [(&'static str, String); 4] {
    let long = format!("<{}>", "ab".repeat(520));
    [
        ("copies of long items", format!("{long} DUP DUP {} 2DROP DROP", "3DUP 2DROP DROP ".repeat(65))),
        ("hashes of long items", format!("{long} {} DROP", "DUP RIPEMD160 DROP ".repeat(8))),
        ("rolled stack", format!("{} {} {}", "1 ".repeat(200), "199 ROLL ".repeat(98), "2DROP ".repeat(100))),
        ("small numbers", format!("{} {}", "1 ".repeat(398), "2DROP ".repeat(199))),
    ]
}

fn main() {
    let chosen: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|beginning| name.starts_with(beginning));
    println!(
        "| block | bytes | checks | quarter, ms | half, ms | whole, ms | whole / 4 quarters | µs a check | µs a KB |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    let mut spends = vec![
        ("key".to_owned(), signed("")),
        ("1 of 20, the last one tried".to_owned(), last_of(20)),
        ("nothing".to_owned(), open("")),
    ];
    for (name, script) in beside() {
        spends.push((format!("key, {name}"), signed(&script)));
        spends.push((format!("nothing, {name}"), open(&script)));
    }
    let long = format!("<{}>", "ab".repeat(520));
    let longest = format!("{} {long} {} DROP", format!("{long} DROP ").repeat(17), "DUP RIPEMD160 DROP ".repeat(60));
    spends.push(("key, longest lock".to_owned(), signed(&longest)));
    for (name, spends) in spends.into_iter().filter(|(name, _)| wanted(name)) {
        let mut world = World::new();
        let coins = world.coins(&spends);
        measure(&world, &name, |world, part| world.spend(&spends, &coins[..coins.len() * part / 4]));
    }
    let outputs: [(&str, fn(usize) -> Lock); 2] = [
        ("outputs to keys", |number| Template::Key(key(number).public_key()).lock()),
        ("outputs to 20 keys each", |number| {
            let keys = (0..20).map(|of| key(20 * number + of).public_key()).collect();
            Template::multisig(10, keys).expect("as many as may be").lock()
        }),
    ];
    for (name, lock) in outputs.into_iter().filter(|(name, _)| wanted(name)) {
        let mut world = World::new();
        let output = |number| Output { token: TOKEN, amount: Amount(1), lock: lock(number) };
        let outputs: Vec<Output> = (0..world.fitting(codec::encode(&output(0)).len(), 0)).map(output).collect();
        let source = world.funds();
        measure(&world, name, |world, part| world.fan_out(source.clone(), &outputs[..outputs.len() * part / 4]));
    }
    if wanted("notarizations of 20") {
        let mut world = World::new();
        let coins = world.coins(&open(""));
        let notarizations = world.notarizations(&coins);
        measure(&world, "notarizations of 20", |_, part| notarizations[..notarizations.len() * part / 4].to_vec());
    }
}

/// Prints one row.
fn measure(world: &World, name: &str, transactions: impl Fn(&World, usize) -> Vec<Transaction>) {
    let blocks = [1, 2, 4].map(|part| world.block(transactions(world, part)));
    let mut turns = [const { Vec::new() }; 3];
    for _ in 0..TURNS {
        for (block, turns) in blocks.iter().zip(&mut turns) {
            let start = Instant::now();
            world.chain.judge(NOW, block).expect("a valid block");
            turns.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let [quarter, half, whole] = turns.map(|mut turns| {
        turns.sort_by(f64::total_cmp);
        turns[TURNS / 2]
    });
    let bytes = codec::encode(&blocks[2]).len();
    let checks = world.checks(&blocks[2]);
    let (each, kilobyte) = (1e3 * whole / f64::from(checks), 1e6 * whole / bytes as f64);
    let linear = whole / (4.0 * quarter);
    println!(
        "| {name} | {bytes} | {checks} | {quarter:.0} | {half:.0} | {whole:.0} | {linear:.2} | {each:.1} | {kilobyte:.0} |"
    );
}

/// An output that can be spent, with where it stands.
type Coin = (OutPoint, Output);

struct World {
    chain: Chain,
    id: ChainId,
    serial: u64,
    consensus: ConsensusParameters,
}

impl World {
    fn new() -> Self {
        let authority = key(0).public_key();
        let (consensus, solo) = (ConsensusParameters::default(), SoloParameters { authority, interval_seconds: 1 });
        let people = ApplicationParameters { accreditors: vec![authority], threshold: 1, institutions: vec![] };
        let genesis = Genesis::new("worst", START, vec![]).with(&consensus).with(&solo).with(&money()).with(&people);
        let ledger = Ledger::new(money(), Arc::new(Scripts)).expect("possible parameters");
        let reward = Arc::new(Rewards::new(&ledger));
        let identities = Identities::new(people).expect("possible parameters");
        let programs = vec![Arc::new(Notary) as _, Arc::new(Records) as _, Arc::new(identities) as _];
        let executor = Arc::new(Contracts::new(ledger, programs).expect("no two claim the same"));
        let parts = Parts {
            store: Box::<MemoryStore>::default(),
            engine: Box::new(Solo::follower(solo)),
            executor,
            reward,
            verifier: Arc::new(BatchVerifier),
            hasher: Arc::new(LaneHasher::detect()),
        };
        let chain = Chain::open(parts, &genesis).expect("its own genesis");
        Self { id: chain.chain_id(), chain, serial: 0, consensus }
    }

    /// How many things of so many bytes and checks fit into a block.
    fn fitting(&self, bytes: usize, checks: u32) -> usize {
        let by_bytes = (self.consensus.max_block_bytes as usize - AROUND_BYTES) / bytes;
        let by_checks = self.consensus.max_signature_checks.checked_div(checks).map_or(usize::MAX, |fit| fit as usize);
        by_bytes.min(by_checks)
    }

    /// As many coins as a block can spend.
    fn coins(&mut self, spends: &Spends) -> Vec<Coin> {
        let (lock, witness) = ((spends.lock)(0), (spends.witness)(0, &Hash::ZERO));
        let input =
            Input { previous: OutPoint { transaction: Default::default(), index: 200 }, sequence: Input::FINAL };
        let bytes = codec::encode(&input).len() + codec::encode(&witness).len();
        let count = self.fitting(bytes, Scripts.signature_checks(&lock, &witness));
        let output = |number| Output { token: TOKEN, amount: Amount(1), lock: (spends.lock)(number) };
        self.mint((0..count).map(output).collect())
    }

    /// One coin that pays for everything.
    fn funds(&mut self) -> Coin {
        let lock = Template::Key(key(0).public_key()).lock();
        let coins = self.mint(vec![Output { token: TOKEN, amount: Amount(1_000_000), lock }]);
        coins.into_iter().next().expect("one was minted")
    }

    /// Puts coins of these outputs onto the chain.
    fn mint(&mut self, outputs: Vec<Output>) -> Vec<Coin> {
        let length = codec::encode(&outputs[0]).len();
        let mut coins = Vec::new();
        for of_block in outputs.chunks(self.fitting(length, 0)) {
            let mut mints = Vec::new();
            for of_mint in of_block.chunks(MAX_OUTPUTS.min((MAX_TRANSACTION_BYTES - 1_000) / length)) {
                self.serial += 1;
                let mut mint = Issuance::mint(TOKEN, self.serial, of_mint.to_vec()).expect("amounts fit");
                let message = Issuance::message(&self.id, &mint).expect("a mint");
                let signature = key(0).sign(&message, &[0; 32]);
                Issuance::add_signature(&mut mint, &money().tokens[0], &key(0).public_key(), signature)
                    .expect("its own");
                let id = mint.id();
                coins.extend(
                    of_mint
                        .iter()
                        .enumerate()
                        .map(|(index, output)| (OutPoint { transaction: id, index: index as u32 }, output.clone())),
                );
                mints.push(mint);
            }
            let mut block = self.block(mints);
            block.header.seal = key(0).sign(&Solo::message(&block.header), &[0; 32]).as_bytes().to_vec();
            self.chain.accept_block(NOW, block).expect("a valid block");
        }
        coins
    }

    fn block(&self, transactions: Vec<Transaction>) -> Block {
        let body = Body(transactions);
        let tip = self.chain.tip();
        let root = body.root(self.chain.hasher().as_ref() as &dyn BatchHasher);
        let time = Timestamp(tip.header.time.0 + 1);
        Block { header: Header { version: BLOCK_VERSION, parent: tip.header.id(), root, time, seal: vec![] }, body }
    }

    /// What the rules count, as the executor says.
    fn checks(&self, block: &Block) -> u32 {
        let (mut state, mut claims) = (Overlay::new(self.chain.state()), Vec::new());
        let context = self.chain.next_context();
        let effect = |transaction| {
            let effect = self.chain.executor().apply(&mut state, transaction, &context, &mut claims);
            effect.expect("a valid transaction").signature_checks
        };
        block.transactions().iter().map(effect).sum()
    }

    /// Spends the coins, with as many inputs in a transaction as there may be.
    fn spend(&self, spends: &Spends, coins: &[Coin]) -> Vec<Transaction> {
        let witness = (spends.witness)(0, &Hash::ZERO);
        let checks = Scripts.signature_checks(&coins[0].1.lock, &witness);
        let by_bytes = (MAX_TRANSACTION_BYTES - 1_000) / (40 + codec::encode(&witness).len());
        let by_checks = (MAX_TRANSACTION_SIGNATURE_CHECKS / checks.max(1)) as usize;
        let mut transactions = Vec::new();
        let mut done = 0;
        for coins in coins.chunks(MAX_INPUTS.min(by_bytes).min(by_checks)) {
            transactions.push(self.transfer(coins, vec![], |index, message| (spends.witness)(done + index, message)));
            done += coins.len();
        }
        transactions
    }

    /// Makes all the outputs, each transaction paid for by a coin that the one before left.
    fn fan_out(&self, mut source: Coin, outputs: &[Output]) -> Vec<Transaction> {
        let mut transactions = Vec::new();
        let most = MAX_OUTPUTS.min((MAX_TRANSACTION_BYTES - 1_000) / codec::encode(&outputs[0]).len());
        for outputs in outputs.chunks(most - 1) {
            let rest = Output { amount: Amount(source.1.amount.0 - outputs.len() as u64), ..source.1.clone() };
            let all = [outputs, std::slice::from_ref(&rest)].concat();
            let transfer = self.transfer(&[source], all, |_, message| signature(0, message));
            source = (OutPoint { transaction: transfer.id(), index: outputs.len() as u32 }, rest);
            transactions.push(transfer);
        }
        transactions
    }

    fn transfer(&self, coins: &[Coin], outputs: Vec<Output>, witness: impl Fn(usize, &Hash) -> Witness) -> Transaction {
        let mut transfer = Transaction::new(TRANSFER, vec![]);
        transfer.inputs =
            coins.iter().map(|(previous, _)| Input { previous: *previous, sequence: Input::FINAL }).collect();
        transfer.outputs = outputs;
        let spent: Vec<Output> = coins.iter().map(|(_, output)| output.clone()).collect();
        let (id, spent_outputs) = (transfer.id(), spent_outputs_hash(&spent));
        transfer.witnesses = (coins.iter().enumerate())
            .map(|(index, (_, output))| {
                witness(index, &spend_hash(&self.id, &id, &spent_outputs, index as u32, &output.lock.0))
            })
            .collect();
        transfer
    }

    /// Statements of twenty signers each, paid for by coins that anybody may spend.
    fn notarizations(&self, coins: &[Coin]) -> Vec<Transaction> {
        let signers: Vec<_> = (0..20).map(|number| key(number).public_key()).collect();
        let statement = |number: usize| {
            let commitment = sha256(&number.to_le_bytes());
            let mut payload = Notarization { commitment, threshold: 20, signers: signers.clone(), signatures: vec![] };
            let message = payload.message(&self.id);
            let signature =
                |signer: u8| SignerSignature { signer, signature: key(usize::from(signer)).sign(&message, &[1; 32]) };
            payload.signatures = (0..20).map(signature).collect();
            let mut transaction = Transaction::new(NOTARIZE, codec::encode(&payload));
            transaction.inputs = vec![Input { previous: coins[number].0, sequence: Input::FINAL }];
            transaction.witnesses = vec![Witness::default()];
            transaction
        };
        let count = self.fitting(codec::encode(&statement(0)).len(), 21);
        (0..count).map(statement).collect()
    }
}

fn money() -> IncentiveParameters {
    let issuers = vec![key(0).public_key()];
    let rule = TokenRule { token: TOKEN, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers };
    IncentiveParameters { fee_token: TOKEN, tokens: vec![rule], coinbase_maturity: 1, reward: Reward::Immediate }
}
