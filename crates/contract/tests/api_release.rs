//! The life of a deposit on the executor: who can open it when, who hands out what when, and that none of it outlives its block.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use health_chain_consensus::ports::{BlockContext, ExecuteError, Executor};
use health_chain_contract::{
    Contracts, Scripts,
    ports::Program,
    release::{
        Beneficiary, Condition, Deposit, DepositId, HandOverError, HandedOver, LetterError, Moment, Open, Refusal,
        Release, Renew, Stage, Withdraw, attestations, either_first, either_second, hand_over, together,
    },
    scripts::{Multisig, Template, data_message, key_witness, multisig_witness},
    sharing::{Dealt, Share, SharingError, deal},
};
use health_chain_data::{
    Amount, ChainId, Genesis, Hash, Height, Input, OutPoint, Output, SecretKey, Signature, Timestamp, TokenId,
    Transaction, Witness,
    keys::SignatureError,
    ports::{ChainStore, SingleVerifier, Verifier},
    sha256,
    state::{Changes, MemoryStore, Overlay, state_hash},
    transaction::{spend_hash, spent_outputs_hash},
    wrap::{KemPublicKey, KemSecretKey, WrapError},
};
use health_chain_incentive::{IncentiveParameters, Issuance, Ledger, Reward, TokenRule};

const EURO: TokenId = TokenId(1);
const START: Timestamp = Timestamp(1_800_000_000);
const COINS: u32 = 20;
const BANK: u8 = 1;
const PAYER: u8 = 2;
const OWNER: u8 = 3;
const HEIR: u8 = 4;
const STAKEHOLDERS: [u8; 3] = [11, 12, 13];
const ORACLES: [u8; 3] = [21, 22, 23];

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

fn kem(seed: u8) -> KemSecretKey {
    KemSecretKey::from_seed(&[seed; 32])
}

/// A chain, and the coins that pay its fees.
struct World {
    contracts: Contracts,
    store: MemoryStore,
    chain: ChainId,
    now: Moment,
    coins: Vec<OutPoint>,
}

/// What a block changed, and what takes it back.
struct Block {
    changes: Changes,
    undo: Changes,
}

impl World {
    fn new() -> Self {
        let rule = TokenRule {
            token: EURO,
            symbol: "EUR".into(),
            decimals: 2,
            threshold: 1,
            issuers: vec![secret(BANK).public_key()],
        };
        let parameters = IncentiveParameters {
            fee_token: EURO,
            tokens: vec![rule.clone()],
            coinbase_maturity: 1,
            reward: Reward::Immediate,
        };
        let genesis = Genesis::new("release", START, vec![]).with(&parameters);
        let ledger = Ledger::new(parameters, Arc::new(Scripts)).unwrap();
        let contracts = Contracts::new(ledger, vec![Arc::new(Release)]).unwrap();
        let store = MemoryStore::default();
        let mut state = Overlay::new(&store);
        contracts.genesis(&mut state, &genesis).unwrap();
        let changes = state.into_changes().unwrap();
        let chain = genesis.chain_id();
        let now = Moment { height: Height(0), time: START };
        let mut world = Self { contracts, store, chain, now, coins: vec![] };
        world.store.commit(&changes).unwrap();

        let mut mint = Issuance::mint(EURO, 1, vec![coin(); COINS as usize]).unwrap();
        let signature = secret(BANK).sign(&Issuance::message(&chain, &mint).unwrap(), &[0; 32]);
        Issuance::add_signature(&mut mint, &rule, &secret(BANK).public_key(), signature).unwrap();
        world.coins = (0..COINS).map(|index| OutPoint { transaction: mint.id(), index }).collect();
        world.block(&mint).unwrap();
        world
    }

    /// The transaction with a fee.
    fn funded(&mut self, mut transaction: Transaction) -> Transaction {
        let previous = self.coins.pop().unwrap();
        transaction.inputs = vec![Input { previous, sequence: Input::FINAL }];
        let lock = coin().lock;
        let message = spend_hash(&self.chain, &transaction.id(), &spent_outputs_hash(&[coin()]), 0, &lock.0);
        transaction.witnesses = vec![key_witness(&secret(PAYER).sign(&message, &[0; 32]))];
        transaction
    }

    /// A block ten minutes later, or the rule that its transaction breaks.
    fn block(&mut self, transaction: &Transaction) -> Result<Block, &'static str> {
        let now = Moment { height: Height(self.now.height.0 + 1), time: Timestamp(self.now.time.0 + 600) };
        let context = BlockContext { chain: self.chain, height: now.height, median_time_past: now.time };
        let (mut state, mut claims) = (Overlay::new(&self.store), Vec::new());
        let effect = match self.contracts.apply(&mut state, transaction, &context, &mut claims) {
            Ok(effect) => effect,
            Err(ExecuteError::Rejected(rejection)) => return Err(rejection.rule),
            Err(other) => panic!("{other}"),
        };
        assert!(claims.len() <= effect.signature_checks as usize);
        if SingleVerifier.verify(&claims).is_err() {
            return Err("signature");
        }
        let changes = state.into_changes().unwrap();
        let undo = changes.undo(&self.store).unwrap();
        self.store.commit(&changes).unwrap();
        self.now = now;
        Ok(Block { changes, undo })
    }

    /// The transaction with a fee, in a block.
    fn pay(&mut self, transaction: Transaction) -> Result<Block, &'static str> {
        let funded = self.funded(transaction);
        self.block(&funded)
    }

    /// Time passes without a block, or with empty ones.
    fn wait(&mut self, blocks: u32) {
        self.now.height.0 += blocks;
        self.now.time.0 += blocks * 600;
    }

    fn stage(&self, id: &DepositId) -> Stage {
        Release::standing(&self.store, id).unwrap().unwrap().stage
    }
}

fn coin() -> Output {
    Output { token: EURO, amount: Amount(5), lock: Template::Key(secret(PAYER).public_key()).lock() }
}

/// A dealing of 2 of 3, and its deposit under a condition.
fn deposit(condition: &Condition, entropy: u8) -> (Dealt, Deposit) {
    let dealt = deal(2, 3, &[entropy; 32]).unwrap();
    let deposit = Deposit {
        owner: secret(OWNER).public_key(),
        beneficiary: Beneficiary { key: secret(HEIR).public_key(), kem: kem(HEIR).public_key() },
        stakeholders: STAKEHOLDERS.map(|seed| secret(seed).public_key()).to_vec(),
        commitments: dealt.commitments.clone(),
        condition: condition.hash(),
    };
    (dealt, deposit)
}

/// A world with that deposit in it.
fn deposited(condition: &Condition) -> (World, DepositId, Dealt, Deposit) {
    let mut world = World::new();
    let (dealt, deposit) = deposit(condition, 5);
    let signed = deposit.clone().sign(&world.chain, &secret(OWNER), &[0; 32]);
    assert!(world.pay(signed.transaction()).is_ok());
    let id = deposit.id(&world.chain);
    (world, id, dealt, deposit)
}

fn open(id: DepositId, condition: &Condition, witness: Witness) -> Transaction {
    Open::new(id, condition, witness).transaction()
}

const DEATH: &[u8] = b"the owner has died";

fn oracles() -> Multisig {
    Multisig::new(2, ORACLES.map(|seed| secret(seed).public_key()).to_vec()).unwrap()
}

fn death() -> Condition {
    Condition::attested(&sha256(DEATH), &oracles())
}

/// What the oracles at these places attest to.
fn attested(statement: &[u8], by: &[usize]) -> Witness {
    let message = data_message(&sha256(statement).0);
    let sign = |place| by.contains(&place).then(|| secret(ORACLES[place]).sign(&message, &[0; 32]));
    attestations(&[0, 1, 2].map(sign))
}

fn handed(world: &World, id: &DepositId, share: &Share, depth: u32) -> Result<HandedOver, Refusal> {
    let stakeholder = secret(STAKEHOLDERS[usize::from(share.position()) - 1]);
    hand_over(&world.store, world.now.height, depth, id, share, &stakeholder, &[share.position(); 32])
}

#[test]
fn a_time_lock_opens_in_the_first_block_past_it() {
    let condition = Condition::not_before(10);
    let (mut world, id, _, _) = deposited(&condition);
    assert_eq!(world.now.height, Height(2));
    let early = open(id, &condition, Witness::default());
    while world.now.height < Height(10) {
        assert_eq!(world.pay(early.clone()).err(), Some("release-does-not-hold"));
        world.wait(1);
    }
    assert!(world.pay(early.clone()).is_ok());
    assert_eq!(world.stage(&id), Stage::Opened(Moment { height: Height(11), time: Timestamp(START.0 + 6_600) }));
    assert_eq!(world.pay(early).err(), Some("release-over"), "once is enough");

    // In time: the median of the block must be above it, as for a transaction.
    let condition = Condition::not_before(START.0 + 1_800);
    let (mut world, id, _, _) = deposited(&condition);
    assert_eq!(world.pay(open(id, &condition, Witness::default())).err(), Some("release-does-not-hold"));
    world.wait(1);
    assert!(world.pay(open(id, &condition, Witness::default())).is_ok());
}

#[test]
fn enough_oracles_open_and_fewer_do_not() {
    let (mut world, id, _, _) = deposited(&death());
    let mut outcome = |witness| world.pay(open(id, &death(), witness)).err();
    assert_eq!(outcome(attested(DEATH, &[])), Some("release-does-not-hold"));
    for one in 0..3 {
        assert_eq!(outcome(attested(DEATH, &[one])), Some("release-does-not-hold"));
    }
    assert_eq!(outcome(attested(DEATH, &[0, 1, 2])), Some("release-does-not-hold"), "exactly as many as the threshold");
    assert_eq!(outcome(attested(b"the owner is ill", &[0, 2])), Some("signature"), "another statement");
    assert_eq!(outcome(Witness::default()), Some("release-does-not-hold"));
    let alone = Multisig::new(1, oracles().keys().to_vec()).unwrap();
    let easier = Condition::attested(&sha256(DEATH), &alone);
    assert_eq!(world.pay(open(id, &easier, attested(DEATH, &[1]))).err(), Some("release-condition"));
    assert_eq!(world.stage(&id), Stage::Waiting);
    assert!(world.pay(open(id, &death(), attested(DEATH, &[0, 2]))).is_ok());
    assert!(matches!(world.stage(&id), Stage::Opened(_)));
}

#[test]
fn conditions_combine() {
    // The owner has died and a day has come, or nothing has been heard of her for a hundred blocks.
    let condition = death().and(Condition::not_before(50)).or(Condition::silent_for_blocks(100));
    let died = |by: &[usize]| either_first(together(attested(DEATH, by), Witness::default()));
    let (mut world, id, _, _) = deposited(&condition);
    let early = open(id, &condition, died(&[0, 1]));
    assert_eq!(world.pay(early.clone()).err(), Some("release-does-not-hold"));
    world.wait(50);
    assert_eq!(world.pay(open(id, &condition, died(&[1]))).err(), Some("release-does-not-hold"));
    let silent = open(id, &condition, either_second(Witness::default()));
    assert_eq!(world.pay(silent.clone()).err(), Some("release-does-not-hold"));
    assert!(world.pay(early).is_ok());

    let (mut world, id, _, _) = deposited(&condition);
    let silent_from = world.now.height.0 + 100;
    world.wait(98);
    let silent = open(id, &condition, either_second(Witness::default()));
    assert_eq!(world.pay(silent.clone()).err(), Some("release-does-not-hold"));
    world.wait(1);
    assert!(world.pay(silent).is_ok());
    assert_eq!(world.now.height.0, silent_from);
}

#[test]
fn a_living_owner_pushes_the_time_on() {
    // Two units of 512 seconds are two blocks of this chain.
    let condition = Condition::silent_for_time(2);
    let (mut world, id, _, _) = deposited(&condition);
    let silent = open(id, &condition, Witness::default());
    for renewals in 0..3 {
        world.wait(2);
        let renew = Renew::sign(&world.chain, id, renewals, condition.hash(), &secret(OWNER), &[0; 32]);
        assert!(world.pay(renew.transaction()).is_ok());
        assert_eq!(world.pay(renew.transaction()).err(), Some("release-renewals"), "a replay");
        assert_eq!(world.pay(silent.clone()).err(), Some("release-does-not-hold"));
    }
    let stranger = Renew::sign(&world.chain, id, 3, condition.hash(), &secret(HEIR), &[0; 32]);
    assert_eq!(world.pay(stranger.transaction()).err(), Some("signature"));
    let other = Renew::sign(&ChainId(Hash::ZERO), id, 3, condition.hash(), &secret(OWNER), &[0; 32]);
    assert_eq!(world.pay(other.transaction()).err(), Some("signature"), "for another chain");

    // She may also say another condition; the old one opens nothing then.
    let renew = Renew::sign(&world.chain, id, 3, death().hash(), &secret(OWNER), &[0; 32]);
    assert!(world.pay(renew.transaction()).is_ok());
    world.wait(10);
    assert_eq!(world.pay(silent).err(), Some("release-condition"));
    assert!(world.pay(open(id, &death(), attested(DEATH, &[1, 2]))).is_ok());
    let late = Renew::sign(&world.chain, id, 4, condition.hash(), &secret(OWNER), &[0; 32]);
    assert_eq!(world.pay(late.transaction()).err(), Some("release-over"));
}

#[test]
fn what_was_withdrawn_is_never_opened() {
    let (mut world, id, dealt, deposit) = deposited(&death());
    let forged = Withdraw::sign(&world.chain, id, &secret(HEIR), &[0; 32]).transaction();
    assert_eq!(world.block(&forged).err(), Some("signature"));
    let withdraw = Withdraw::sign(&world.chain, id, &secret(OWNER), &[0; 32]).transaction();
    assert!(withdraw.inputs.is_empty(), "withdrawing needs no fee");
    assert!(world.block(&withdraw).is_ok());
    let at = world.now.height;
    assert!(matches!(world.stage(&id), Stage::Withdrawn(Moment { height, .. }) if height == at));
    assert_eq!(world.pay(open(id, &death(), attested(DEATH, &[0, 1]))).err(), Some("release-over"));
    assert_eq!(world.block(&withdraw).err(), Some("release-over"));
    assert!(matches!(handed(&world, &id, &dealt.shares[0], 0), Err(Refusal::Withdrawn { at: found }) if found == at));
    let again = deposit.sign(&world.chain, &secret(OWNER), &[0; 32]);
    assert_eq!(world.pay(again.transaction()).err(), Some("release-already-deposited"));
}

#[test]
fn signatures_open_one_deposit_on_one_chain_once() {
    let custodians = Template::multisig(2, STAKEHOLDERS.map(|seed| secret(seed).public_key()).to_vec()).unwrap();
    let condition = Condition::script(custodians.lock().0).unwrap();
    let (mut world, id, _, _) = deposited(&condition);
    let agreed = |chain: &ChainId, id: &DepositId, renewals| {
        let message = Open::message(chain, id, renewals, condition.as_bytes());
        let signatures: Vec<Signature> = [11, 13].map(|seed| secret(seed).sign(&message, &[0; 32])).to_vec();
        multisig_witness(&signatures)
    };
    let refused = |outcome: Option<&'static str>| matches!(outcome, Some("signature" | "release-does-not-hold"));
    let here = world.chain;
    assert!(refused(world.pay(open(id, &condition, agreed(&ChainId(Hash::ZERO), &id, 0))).err()));
    assert!(refused(world.pay(open(id, &condition, agreed(&here, &DepositId(Hash::ZERO), 0))).err()));
    let renew = Renew::sign(&here, id, 0, condition.hash(), &secret(OWNER), &[0; 32]);
    assert!(world.pay(renew.transaction()).is_ok());
    assert!(refused(world.pay(open(id, &condition, agreed(&here, &id, 0))).err()), "the owner was heard of since");
    assert!(world.pay(open(id, &condition, agreed(&here, &id, 1))).is_ok());
}

#[test]
fn each_rule_of_deposits_has_its_refusal() {
    let mut world = World::new();
    let (_, sound) = deposit(&death(), 5);
    let chain = world.chain;
    let mut outcome = |change: fn(&mut Deposit)| {
        let mut changed = sound.clone();
        change(&mut changed);
        let signed = changed.sign(&chain, &secret(OWNER), &[0; 32]);
        world.pay(signed.transaction()).err()
    };
    assert_eq!(outcome(|deposit| deposit.stakeholders.truncate(1)), Some("release-stakeholders"));
    assert_eq!(outcome(|deposit| deposit.stakeholders[2] = deposit.stakeholders[0]), Some("release-stakeholders"));
    assert_eq!(outcome(|deposit| deposit.owner = deposit.beneficiary.key), Some("signature"));
    assert_eq!(outcome(|_| {}), None);
    assert_eq!(outcome(|_| {}), Some("release-already-deposited"));
    let elsewhere = sound.clone().sign(&ChainId(Hash::ZERO), &secret(OWNER), &[0; 32]);
    let (_, other) = deposit(&death(), 6);
    let moved = health_chain_contract::release::SignedDeposit { deposit: other, ..elsewhere };
    assert_eq!(world.pay(moved.transaction()).err(), Some("signature"));
    let nowhere = DepositId(Hash::ZERO);
    assert_eq!(world.pay(open(nowhere, &death(), attested(DEATH, &[0, 1]))).err(), Some("release-unknown"));
    let unknown = Withdraw::sign(&chain, nowhere, &secret(OWNER), &[0; 32]).transaction();
    assert_eq!(world.block(&unknown).err(), Some("release-unknown"));
    assert_eq!(world.block(&Transaction { payload: vec![1], ..unknown }).err(), Some("release-payload"));
}

#[test]
fn an_honest_stakeholder_hands_over_when_it_is_open_and_deep_enough() {
    let (mut world, id, dealt, deposit) = deposited(&death());
    let share = &dealt.shares[0];
    assert!(matches!(handed(&world, &id, share, 0), Err(Refusal::NotOpen)));
    assert!(matches!(handed(&world, &DepositId(Hash::ZERO), share, 0), Err(Refusal::Unknown)));
    assert!(world.pay(open(id, &death(), attested(DEATH, &[0, 2]))).is_ok());
    assert!(matches!(handed(&world, &id, share, 3), Err(Refusal::TooShallow { found: 1, needed: 3 })));
    world.wait(2);
    let given = handed(&world, &id, share, 3).unwrap();
    let opened = given.open(&id, &deposit, &kem(HEIR)).unwrap();
    assert_eq!(opened.to_bytes(), share.to_bytes());

    let (tip, entropy) = (world.now.height, [0; 32]);
    let not_his = hand_over(&world.store, tip, 1, &id, share, &secret(STAKEHOLDERS[1]), &entropy);
    assert!(matches!(not_his, Err(Refusal::OtherStakeholder { position: 1 })));
    let other = deal(2, 3, &[9; 32]).unwrap();
    assert!(matches!(handed(&world, &id, &other.shares[0], 1), Err(Refusal::OtherSharing { position: 1 })));
}

#[test]
fn a_false_share_names_its_stakeholder() {
    let (mut world, id, dealt, deposit) = deposited(&death());
    assert!(world.pay(open(id, &death(), attested(DEATH, &[0, 2]))).is_ok());
    let honest = handed(&world, &id, &dealt.shares[0], 1).unwrap();
    let heir = kem(HEIR);
    let stranger = honest.open(&id, &deposit, &kem(9)).unwrap_err();
    assert!(matches!(stranger, HandOverError::Wrap { source: WrapError::Refused, .. }));

    // The second stakeholder keeps his share to himself, and signs one of another dealing that names the same people.
    let lie = deal(2, 3, &[9; 32]).unwrap();
    let mut lying = World::new();
    let false_deposit = Deposit { commitments: lie.commitments.clone(), ..deposit.clone() };
    let false_id = false_deposit.id(&lying.chain);
    let signed = false_deposit.sign(&lying.chain, &secret(OWNER), &[0; 32]);
    assert!(lying.pay(signed.transaction()).is_ok());
    assert!(lying.pay(open(false_id, &death(), attested(DEATH, &[0, 2]))).is_ok());
    let other = handed(&lying, &false_id, &lie.shares[1], 1).unwrap();
    assert_eq!(other.open(&id, &deposit, &heir).err(), Some(HandOverError::OtherDeposit));
    let renamed = HandedOver { deposit: id, ..other };
    let unsigned = HandOverError::Signature { position: 2, source: SignatureError::Mismatch };
    assert_eq!(renamed.open(&id, &deposit, &heir).err(), Some(unsigned), "nobody else can lie in his name");
    let forged = id.send(&lie.shares[1], &heir.public_key(), &[3; 32]).unwrap();
    let signature = secret(STAKEHOLDERS[1]).sign(&HandedOver::message(&id, 2, &forged), &[0; 32]);
    let signed = HandedOver { deposit: id, position: 2, wrap: forged, signature };
    let named = HandOverError::False {
        stakeholder: secret(STAKEHOLDERS[1]).public_key(),
        source: SharingError::False { position: 2 },
    };
    assert_eq!(signed.open(&id, &deposit, &heir).err(), Some(named));
    let nobody = HandedOver { position: 4, ..honest.clone() };
    assert_eq!(nobody.open(&id, &deposit, &heir).err(), Some(HandOverError::NoStakeholder { position: 4 }));

    // The honest ones are enough.
    let shares = [honest, handed(&world, &id, &dealt.shares[2], 1).unwrap()];
    let shares = shares.map(|given| given.open(&id, &deposit, &heir).unwrap());
    assert_eq!(deposit.commitments.combine(&shares).unwrap().public_key(), dealt.key);
    let few = deposit.commitments.combine(&shares[..1]).err();
    assert_eq!(few, Some(SharingError::TooFew { found: 1, threshold: 2 }));
}

#[test]
fn a_stakeholder_checks_the_share_that_he_is_sent() {
    let chain = World::new().chain;
    let (dealt, deposit) = deposit(&death(), 5);
    let id = deposit.id(&chain);
    let (first, second) = (kem(11), kem(12));
    let letter = id.send(&dealt.shares[0], &first.public_key(), &[1; 32]).unwrap();
    let share = deposit.receive(&chain, 1, &first, &letter).unwrap();
    assert_eq!((share.position(), share.to_bytes()), (1, dealt.shares[0].to_bytes()));
    let refused = |position, key: &KemSecretKey, chain| deposit.receive(chain, position, key, &letter).err();
    let closed = Some(LetterError::Wrap(WrapError::Refused));
    assert_eq!(refused(1, &second, &chain), closed);
    assert_eq!(refused(2, &first, &chain), closed);
    assert_eq!(refused(1, &first, &ChainId(Hash::ZERO)), closed);
    let lie = deal(2, 3, &[9; 32]).unwrap();
    let letter = id.send(&lie.shares[0], &first.public_key(), &[1; 32]).unwrap();
    let uncommitted = Some(LetterError::Share(SharingError::False { position: 1 }));
    assert_eq!(deposit.receive(&chain, 1, &first, &letter).err(), uncommitted);
    let weak = id.send(&dealt.shares[0], &KemPublicKey([0; 32]), &[1; 32]).err();
    assert_eq!(weak, Some(WrapError::RecipientKey));
}

#[test]
fn a_reorganisation_closes_what_it_opened() {
    let (mut world, id, dealt, _) = deposited(&death());
    let before = state_hash(&world.store).unwrap();
    let opening = world.funded(open(id, &death(), attested(DEATH, &[0, 2])));
    let block = world.block(&opening).unwrap_or_else(|rule| panic!("{rule}"));
    let after = state_hash(&world.store).unwrap();
    assert!(handed(&world, &id, &dealt.shares[0], 1).is_ok());
    world.store.commit(&block.undo).unwrap();
    assert_eq!(state_hash(&world.store).unwrap(), before);
    assert!(matches!(handed(&world, &id, &dealt.shares[0], 1), Err(Refusal::NotOpen)));
    world.store.commit(&block.changes).unwrap();
    assert_eq!(state_hash(&world.store).unwrap(), after);

    // On the other branch the owner takes it back.
    world.store.commit(&block.undo).unwrap();
    assert!(world.block(&Withdraw::sign(&world.chain, id, &secret(OWNER), &[0; 32]).transaction()).is_ok());
    assert_eq!(world.block(&opening).err(), Some("release-over"));
}

#[test]
fn opening_announces_what_its_script_may_cost() {
    let announced =
        |condition: &Condition, witness| Release.signature_checks(&open(DepositId(Hash::ZERO), condition, witness));
    assert_eq!(announced(&death(), attested(DEATH, &[0, 2])), 3);
    assert_eq!(announced(&Condition::not_before(7), Witness::default()), 1, "as any spend");
    let costly = Condition::script([0xac].repeat(200)).unwrap();
    assert_eq!(announced(&costly, Witness::default()), 200);
}
