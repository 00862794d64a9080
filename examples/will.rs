//! A will for medical records: they open for the heir when the owner has died, and for nobody before.
//!
//! The task: a patient keeps sealed records whose keys nobody else has. Her daughter is to read them after her death, without a notary who could
//! read them today. So five people whom she trusts guard a key in shares, three of which it takes. They hand them out when two of three
//! offices attest to the death, or when nothing has been heard of the patient for a year, and the chain is what tells them.
//!
//! What is shown: the honest stakeholder's refusal, two colluding ones who learn nothing, a false share that names its giver, three
//! records under one sharing, one of them added later; then a will that was withdrawn in time.
//!
//! Run it with `cargo run --release --example will`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::{error::Error, sync::Arc};

use health_chain_consensus::ports::{BlockContext, ExecuteError, Executor};
use health_chain_contract::{
    Contracts, Scripts,
    release::{
        Beneficiary, Condition, Deposit, DepositId, HandOverError, HandedOver, Open, Refusal, Release, Renew, Stage,
        Withdraw, attestations, either_first, either_second, hand_over,
    },
    scripts::{Multisig, Template, data_message, key_witness},
    sharing::{Share, SharingError, deal},
};
use health_chain_data::{
    Amount, ChainId, Genesis, Height, Input, ObjectId, OutPoint, Output, PublicKey, SecretKey, Timestamp, TokenId,
    Transaction, Witness,
    ports::{ChainStore, SingleVerifier, Verifier},
    seal::{Sealed, SealingKey, open, seal},
    sha256,
    state::{MemoryStore, Overlay},
    transaction::{spend_hash, spent_outputs_hash},
    wrap::{KemPublicKey, KemSecretKey, KeyWrap, WrapContext, WrapError, WrappedSecrets, unwrap, wrap},
};
use health_chain_incentive::{IncentiveParameters, Issuance, Ledger, Reward, TokenRule};
use k256::{Scalar, elliptic_curve::PrimeField};
use zeroize::Zeroizing;

const EURO: TokenId = TokenId(978);
const STAKEHOLDERS: usize = 5;
const THRESHOLD: usize = 3;
/// How deep an opening has to be before the stakeholders act on it.
const DEPTH: u32 = 6;
const BLOCK_SECONDS: u32 = 600;
/// A year in units of 512 seconds.
const YEAR: u16 = 61_594;

/// Somebody with a key that signs and one that decrypts.
struct Person {
    key: SecretKey,
    kem: KemSecretKey,
}

/// A record as it lies in a store, and the wrap of its key that the heir keeps beside it.
struct Bequest {
    document: Vec<u8>,
    context: WrapContext,
    sealed: Sealed,
    wrap: KeyWrap,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut chain = Chain::new()?;
    let [patient, daughter] = [person()?, person()?];
    let stakeholders = people(STAKEHOLDERS)?;
    let offices = people(3)?;
    let oracles = Multisig::new(2, keys(&offices))?;

    // The patient shares a key, wraps two records' data keys to it, and deposits the rest on the chain.
    let dealt = deal(THRESHOLD, STAKEHOLDERS, &fresh()?)?;
    let will = Will { patient: &patient, daughter: &daughter, key: dealt.key };
    let mut records = vec![
        will.bequeath(chain.id, "genome", &b"BRCA1 c.5266dupC, pathogenic\n".repeat(10_000))?,
        will.bequeath(chain.id, "letters", b"To be read when I am gone.")?,
    ];
    let death = sha256(b"the holder of passport 4711 has died");
    let condition = Condition::attested(&death, &oracles).or(Condition::silent_for_time(YEAR));
    let deposit = Deposit {
        owner: patient.key.public_key(),
        beneficiary: Beneficiary { key: daughter.key.public_key(), kem: daughter.kem.public_key() },
        stakeholders: keys(&stakeholders),
        commitments: dealt.commitments.clone(),
        condition: condition.hash(),
    };
    let id = deposit.id(&chain.id);
    chain.accept(deposit.clone().sign(&chain.id, &patient.key, &fresh()?).transaction())?;
    println!("deposited: {THRESHOLD} of {STAKEHOLDERS} shares; the chain holds {THRESHOLD} commitments and a hash");

    // Each stakeholder gets a share in a letter, and checks it against the chain.
    let mut shares = Vec::new();
    for (position, (share, stakeholder)) in (1..).zip(dealt.shares.iter().zip(&stakeholders)) {
        let letter = id.send(share, &stakeholder.kem.public_key(), &fresh()?)?;
        shares.push(deposit.receive(&chain.id, position, &stakeholder.kem, &letter)?);
    }
    println!("sent: every stakeholder has checked the own share");

    // Too early. An honest stakeholder asks the chain.
    let refusal = chain.hand_over(&id, &shares[0], &stakeholders[0])?;
    assert!(matches!(refusal, Err(Refusal::NotOpen)));
    println!("early, by asking: {}", Refusal::NotOpen);
    // Nobody opens it on the chain either: neither one office's word nor the short silence are enough.
    let signed = |by: &[usize]| -> Result<Witness, Box<dyn Error>> {
        let mut given = vec![None; offices.len()];
        for office in by {
            given[*office] = Some(offices[*office].key.sign(&data_message(&death.0), &fresh()?));
        }
        Ok(either_first(attestations(&given)))
    };
    let silent = Open::new(id, &condition, either_second(Witness::default())).transaction();
    assert_eq!(chain.refuse(Open::new(id, &condition, signed(&[1])?).transaction())?, "release-does-not-hold");
    assert_eq!(chain.refuse(silent.clone())?, "release-does-not-hold");
    println!("early, on the chain: neither 1 of 2 offices nor a short silence opens it");
    // Two dishonest ones put their shares together and do the arithmetic themselves.
    collude(&shares[3..], &deposit, &records)?;

    // Eleven months later the patient is alive and says so. She adds a record; no stakeholder has to be asked.
    chain.wait(334 * 24 * 3_600 / BLOCK_SECONDS);
    let renew = Renew::sign(&chain.id, id, 0, condition.hash(), &patient.key, &fresh()?);
    chain.accept(renew.transaction())?;
    chain.wait(60 * 24 * 3_600 / BLOCK_SECONDS);
    assert_eq!(chain.refuse(silent)?, "release-does-not-hold");
    records.push(will.bequeath(chain.id, "last scan", &[0x42; 1_000_000])?);
    println!("renewed: 13 months after the deposit the silence is 2 months long; a third record was added");

    // She dies; two of the three offices attest to it.
    chain.accept(Open::new(id, &condition, signed(&[0, 2])?).transaction())?;
    assert_eq!(chain.refuse(Open::new(id, &condition, signed(&[0, 2])?).transaction())?, "release-over");
    let refusal = chain.hand_over(&id, &shares[0], &stakeholders[0])?;
    assert!(matches!(refusal, Err(Refusal::TooShallow { found: 1, needed: DEPTH })));
    chain.wait(DEPTH - 1);
    println!("opened by 2 of 3 offices, and {DEPTH} blocks deep: only now are shares handed out");

    // The second stakeholder lies. The daughter sees it, and who it was.
    let lie = deal(THRESHOLD, STAKEHOLDERS, &fresh()?)?;
    let false_share = id.send(&lie.shares[1], &daughter.kem.public_key(), &fresh()?)?;
    let signature = stakeholders[1].key.sign(&HandedOver::message(&id, 2, &false_share), &fresh()?);
    let lied = HandedOver { deposit: id, position: 2, wrap: false_share, signature };
    let caught = lied.open(&id, &deposit, &daughter.kem).expect_err("the share is of another dealing");
    let liar = stakeholders[1].key.public_key();
    assert!(matches!(caught, HandOverError::False { stakeholder, .. } if stakeholder == liar));
    println!("a lie: {caught}");

    // Three honest ones are enough, and open every record, byte for byte.
    let mut received = Vec::new();
    for honest in [0, 2, 4] {
        let handed = chain.hand_over(&id, &shares[honest], &stakeholders[honest])??;
        received.push(handed.open(&id, &deposit, &daughter.kem)?);
    }
    let few = deposit.commitments.combine(&received[1..]).err();
    assert_eq!(few, Some(SharingError::TooFew { found: THRESHOLD - 1, threshold: THRESHOLD }));
    let key = deposit.commitments.combine(&received)?;
    for record in &records {
        let secrets = unwrap(&key, &record.context, &record.wrap)?;
        let opened = open(&secrets.key, &record.context.object, 1, &record.sealed.bytes)?;
        assert!(opened == record.document, "the very bytes that were sealed");
        assert_eq!(sha256(&opened), secrets.document_digest);
    }
    println!("read: {} records with {THRESHOLD} shares, identical to what was sealed", records.len());

    withdrawn(&mut chain, &patient, &daughter, &stakeholders)
}

/// Second scene. A will that the owner takes back is never opened, though its day comes.
fn withdrawn(
    chain: &mut Chain,
    patient: &Person,
    daughter: &Person,
    stakeholders: &[Person],
) -> Result<(), Box<dyn Error>> {
    let dealt = deal(THRESHOLD, STAKEHOLDERS, &fresh()?)?;
    let condition = Condition::not_before(chain.height.0 + 100);
    let deposit = Deposit {
        owner: patient.key.public_key(),
        beneficiary: Beneficiary { key: daughter.key.public_key(), kem: daughter.kem.public_key() },
        stakeholders: keys(stakeholders),
        commitments: dealt.commitments.clone(),
        condition: condition.hash(),
    };
    let id = deposit.id(&chain.id);
    chain.accept(deposit.sign(&chain.id, &patient.key, &fresh()?).transaction())?;
    let day = Open::new(id, &condition, Witness::default()).transaction();
    assert_eq!(chain.refuse(day.clone())?, "release-does-not-hold");
    chain.accept(Withdraw::sign(&chain.id, id, &patient.key, &fresh()?).transaction())?;
    chain.wait(200);
    assert_eq!(chain.refuse(day)?, "release-over");
    let standing = Release::standing(&chain.store, &id)?.ok_or("the deposit stays on the chain")?;
    assert!(matches!(standing.stage, Stage::Withdrawn(_)));
    let refusal = chain.hand_over(&id, &dealt.shares[0], &stakeholders[0])?;
    assert!(matches!(refusal, Err(Refusal::Withdrawn { .. })));
    println!("withdrawn: another deposit's day came, and it stays closed");
    Ok(())
}

/// What one stakeholder too few can do: interpolate what they have, and guess.
fn collude(shares: &[Share], deposit: &Deposit, records: &[Bequest]) -> Result<(), Box<dyn Error>> {
    let [first, second] = shares else { return Err("two of three collude".into()) };
    let few = deposit.commitments.combine(shares).err();
    assert_eq!(few, Some(SharingError::TooFew { found: THRESHOLD - 1, threshold: THRESHOLD }));

    // The line through their two points meets zero somewhere, but what is shared is no line.
    let number = |bytes: &[u8]| -> Result<Scalar, Box<dyn Error>> {
        let bytes: [u8; 32] = bytes.try_into()?;
        Scalar::from_repr(bytes.into()).into_option().ok_or_else(|| "a share is a scalar".into())
    };
    let (x1, y1) = (Scalar::from(u64::from(first.position())), number(&first.to_bytes()[..32])?);
    let (x2, y2) = (Scalar::from(u64::from(second.position())), number(&second.to_bytes()[..32])?);
    let inverse = (x2 - x1).invert().into_option().ok_or("two positions")?;
    let guess = (y1 * x2 - y2 * x1) * inverse;
    let key = KemSecretKey::from_seed(&guess.to_repr().into());
    for record in records {
        assert_eq!(unwrap(&key, &record.context, &record.wrap).err(), Some(WrapError::Refused));
    }

    // Nor can they make up a third share: every secret fits what they have, and the commitments take one of them only.
    for position in 1..=3 {
        let mut invented = [0; 64];
        invented[..32].copy_from_slice(&fresh()?);
        invented[32..].copy_from_slice(&fresh()?);
        let refused = deposit.commitments.share(position, &invented).err();
        assert_eq!(refused, Some(SharingError::False { position }));
    }
    println!("early, by colluding: {} shares open none of {} records", shares.len(), records.len());
    Ok(())
}

/// Whose records they are, and what their keys are wrapped to.
struct Will<'a> {
    patient: &'a Person,
    daughter: &'a Person,
    key: KemPublicKey,
}

impl Will<'_> {
    /// Seals a document under a data key of its own, and wraps that one to the shared key.
    fn bequeath(&self, chain: ChainId, name: &str, document: &[u8]) -> Result<Bequest, Box<dyn Error>> {
        let object = ObjectId(sha256(name.as_bytes()));
        let nonce = *fresh()?.first_chunk().ok_or("32 bytes hold 24")?;
        let sealed = seal(SealingKey::new(&fresh()?), &object, 1, &nonce, document)?;
        let secrets = WrappedSecrets {
            key: sealed.receipt.key.clone(),
            blinding: Zeroizing::new(fresh()?),
            document_digest: sha256(document),
        };
        let (owner, grantee) = (self.patient.key.public_key(), self.daughter.key.public_key());
        let context = WrapContext { chain, object, version: 1, epoch: 0, owner, grantee };
        let wrap = wrap(&self.key, &context, &secrets, &fresh()?)?;
        Ok(Bequest { document: document.to_vec(), context, sealed, wrap })
    }
}

/// A chain as far as its executor goes, with coins for the fees.
struct Chain {
    contracts: Contracts,
    store: MemoryStore,
    id: ChainId,
    height: Height,
    time: Timestamp,
    payer: SecretKey,
    coins: Vec<OutPoint>,
}

impl Chain {
    fn new() -> Result<Self, Box<dyn Error>> {
        let (bank, payer) = (person()?.key, person()?.key);
        let issuers = vec![bank.public_key()];
        let rule = TokenRule { token: EURO, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers };
        let tokens = vec![rule.clone()];
        let parameters =
            IncentiveParameters { fee_token: EURO, tokens, coinbase_maturity: 100, reward: Reward::Immediate };
        let (height, time) = (Height(0), Timestamp(1_800_000_000));
        let genesis = Genesis::new("will", time, vec![]).with(&parameters);
        let ledger = Ledger::new(parameters, Arc::new(Scripts))?;
        let contracts = Contracts::new(ledger, vec![Arc::new(Release)])?;
        let mut store = MemoryStore::default();
        let mut state = Overlay::new(&store);
        contracts.genesis(&mut state, &genesis)?;
        let changes = state.into_changes()?;
        store.commit(&changes)?;

        let mut chain = Self { contracts, store, id: genesis.chain_id(), height, time, payer, coins: vec![] };
        let mut mint = Issuance::mint(EURO, 1, vec![chain.coin(); 20])?;
        let signature = bank.sign(&Issuance::message(&chain.id, &mint)?, &fresh()?);
        Issuance::add_signature(&mut mint, &rule, &bank.public_key(), signature)?;
        chain.block(&mint)?;
        chain.coins = (0..20).map(|index| OutPoint { transaction: mint.id(), index }).collect();
        Ok(chain)
    }

    fn coin(&self) -> Output {
        Output { token: EURO, amount: Amount(2), lock: Template::Key(self.payer.public_key()).lock() }
    }

    /// Pays the transaction's fee and puts it into a block.
    fn accept(&mut self, transaction: Transaction) -> Result<(), Box<dyn Error>> {
        let transaction = self.funded(transaction)?;
        Ok(self.block(&transaction)?)
    }

    /// The rule by which a transaction, its fee paid, does not get into a block.
    fn refuse(&mut self, transaction: Transaction) -> Result<&'static str, Box<dyn Error>> {
        let transaction = self.funded(transaction)?;
        self.coins.extend(transaction.inputs.iter().map(|input| input.previous));
        match self.block(&transaction) {
            Err(ExecuteError::Rejected(rejection)) => Ok(rejection.rule),
            Err(other) => Err(other.into()),
            Ok(()) => Err("what had to be refused was accepted".into()),
        }
    }

    fn funded(&mut self, mut transaction: Transaction) -> Result<Transaction, Box<dyn Error>> {
        let (previous, coin) = (self.coins.pop().ok_or("coins are left")?, self.coin());
        transaction.inputs = vec![Input { previous, sequence: Input::FINAL }];
        let spent = spent_outputs_hash(std::slice::from_ref(&coin));
        let message = spend_hash(&self.id, &transaction.id(), &spent, 0, &coin.lock.0);
        transaction.witnesses = vec![key_witness(&self.payer.sign(&message, &fresh()?))];
        Ok(transaction)
    }

    fn block(&mut self, transaction: &Transaction) -> Result<(), ExecuteError> {
        let (height, median_time_past) = (Height(self.height.0 + 1), Timestamp(self.time.0 + BLOCK_SECONDS));
        let context = BlockContext { chain: self.id, height, median_time_past };
        let (mut state, mut claims) = (Overlay::new(&self.store), Vec::new());
        self.contracts.apply(&mut state, transaction, &context, &mut claims)?;
        SingleVerifier.verify(&claims).expect("every signature here is sound");
        let changes = state.into_changes()?;
        self.store.commit(&changes)?;
        (self.height, self.time) = (height, median_time_past);
        Ok(())
    }

    /// So many blocks without a transaction.
    const fn wait(&mut self, blocks: u32) {
        self.height.0 += blocks;
        self.time.0 += blocks * BLOCK_SECONDS;
    }

    /// What an honest stakeholder does who is asked for a share.
    fn hand_over(
        &self,
        id: &DepositId,
        share: &Share,
        stakeholder: &Person,
    ) -> Result<Result<HandedOver, Refusal>, Box<dyn Error>> {
        Ok(hand_over(&self.store, self.height, DEPTH, id, share, &stakeholder.key, &fresh()?))
    }
}

fn person() -> Result<Person, Box<dyn Error>> {
    Ok(Person { key: SecretKey::from_bytes(&fresh()?)?, kem: KemSecretKey::from_seed(&fresh()?) })
}

fn people(count: usize) -> Result<Vec<Person>, Box<dyn Error>> {
    (0..count).map(|_| person()).collect()
}

fn keys(people: &[Person]) -> Vec<PublicKey> {
    people.iter().map(|person| person.key.public_key()).collect()
}

/// Fresh random bytes of the operating system.
fn fresh() -> Result<[u8; 32], Box<dyn Error>> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
