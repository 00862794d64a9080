//! The application layer without network, blocks or sockets: the whole way of one medical record.
//!
//! The task: a hospital issues a record, the patient checks it and keeps it encrypted in a store that she does not trust, a
//! research institute asks to read it, she grants that, the gateway decides, the institute reads the same bytes, she revokes,
//! and the next request is refused. What a node does with blocks is one function here: `Chain::apply`.
//!
//! Run it with `cargo run --release --example layer_application`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::{error::Error, sync::Arc};

use health_chain_application::{
    authorize::{
        Access, AccessRequest, Clock, Denial, DenySet, Gateway, GatewayRules, SeenRequests, Snapshot, authorize,
    },
    flows::{self, Destination, Log, NewRecord, RecordRequest, ShareRequest, ShareRequestTerms},
    identities::{ApplicationParameters, Identities, InitialInstitution},
    objects::MemoryObjects,
    payload::Payload,
    ports::{Entropy, Opaque, OwnerGrants, SystemEntropy},
    records::{GatewayId, Permissions, Purpose, Records},
    wallet::{Spending, Wallet},
};
use health_chain_consensus::ports::{BlockContext, Executor};
use health_chain_contract::{Contracts, Scripts};
use health_chain_data::{
    Amount, ChainId, Genesis, Height, Millis, Output, SecretKey, Timestamp, TokenId, Transaction,
    keys::{Mnemonic, OneTime},
    ports::{ChainStore, SingleVerifier, Verifier},
    state::{MemoryStore, Overlay},
};
use health_chain_incentive::{IncentiveParameters, Issuance, Ledger, Reward, TokenRule};

const NOW: Timestamp = Timestamp(1_800_000_000);
const EURO: TokenId = TokenId(978);

/// A chain on which every transaction is a block of its own.
struct Chain {
    id: ChainId,
    state: MemoryStore,
    height: Height,
    executor: Contracts,
    parameters: IncentiveParameters,
}

impl Chain {
    fn context(&self) -> BlockContext {
        BlockContext { chain: self.id, height: self.height.next(), median_time_past: NOW }
    }

    fn apply(&mut self, transaction: &Transaction) -> Result<(), Box<dyn Error>> {
        let (mut state, mut claims) = (Overlay::new(&self.state), vec![]);
        self.executor.apply(&mut state, transaction, &self.context(), &mut claims)?;
        SingleVerifier.verify(&claims)?;
        let changes = state.into_changes()?;
        self.state.commit(&changes)?;
        self.height = self.height.next();
        Ok(())
    }

    /// Has `payer` pay a fee of two cents, and applies.
    fn publish(&mut self, mut transaction: Transaction, payer: &mut Wallet) -> Result<(), Box<dyn Error>> {
        let (context, entropy) = (self.context(), &mut SystemEntropy);
        let (parameters, fee) = (&self.parameters, Amount(2));
        let spending = Spending { view: &self.state, parameters, context: &context, fee };
        payer.fund(&mut transaction, &spending, entropy)?;
        self.apply(&transaction)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Everybody's keys follow from words. What a wallet writes into its store holds no secret.
    let wallet = || -> Result<Wallet, Box<dyn Error>> {
        let words = Mnemonic::from_entropy(&SystemEntropy.draw()?[..16])?;
        Ok(Wallet::open(Box::<MemoryStore>::default(), &words, "passphrase")?)
    };
    let (mut hospital, mut patient, institute, gateway) = (wallet()?, wallet()?, wallet()?, wallet()?);
    let mut chain = start(&mut hospital, &mut patient)?;
    let objects = MemoryObjects::default();
    let gateway = GatewayId::of(&gateway.identity().public_key());
    let at_gateway = Destination { chain: chain.id, gateway, objects: &objects };
    let entropy = &mut SystemEntropy;

    // Issue (Algorithm 2). The patient asks under a key that was never used before; the hospital attests and encrypts to her.
    let key = patient.new_record_key()?;
    let card = patient.contact_card(entropy)?;
    let hospitals_key = hospital.identity().public_key();
    let request = RecordRequest::sign(chain.id, hospitals_key, card, &key.key, &*entropy.draw()?)?;
    let record = NewRecord {
        request,
        media_type: "application/octet-stream".into(),
        document: b"HbA1c 6.1 %, 2026-11-20".to_vec(),
        record_type: "LOINC 4548-4".into(),
        supersedes: None,
    };
    let issued = flows::issue(chain.id, hospital.identity(), NOW, vec![record], entropy)?;
    chain.publish(issued.operation.transaction(), &mut hospital)?;

    // Store (Algorithm 3). She checks issuer, signature, inclusion and hash against the chain; then it is encrypted anew.
    let owner = key.key.public_key();
    let received = flows::receive(&issued.messages[0], &chain.state, chain.id, &owner, patient.kem_key(), &Opaque)?;
    let (document, blinding) = (&received.document, &received.blinding);
    let stored = flows::store(&mut patient, key.index, document, blinding, at_gateway, entropy)?;
    chain.publish(stored.transaction(), &mut patient)?;
    let object = stored.position.object;
    println!("issued by {}, stored as {object}", received.institution.name);

    // Share (Algorithm 4). The institute asks; she grants to a key that nobody else can tell to be the institute's.
    let terms = ShareRequestTerms {
        chain: chain.id,
        object,
        card: institute.contact_card(entropy)?,
        permissions: Permissions::READ,
        purpose: Purpose::RESEARCH,
        not_before: NOW,
        not_after: NOW.saturating_add(30 * 24 * 3600),
    };
    let asked = ShareRequest::sign(terms, institute.spend_key(), &*entropy.draw()?)?;
    let mut log = Log::open(&chain.state, chain.id, object)?;
    let share = flows::share(&mut patient, &mut log, &asked, None, entropy)?;
    chain.publish(share.transaction(), &mut patient)?;

    // The gateway decides: a pure function of a signed request, the chain, what the gateway remembers, and the time.
    let reader = OneTime::recover(institute.scan_key(), institute.spend_key(), &owner, &object.0);
    let access = Access {
        object,
        version: stored.position.version,
        requester: reader.public_key(),
        permission: Permissions::READ,
        purpose: Purpose::RESEARCH,
    };
    let mut denials = DenySet::default();
    let decide = |denials: &DenySet, chain: &Chain| -> Result<Result<_, Denial>, Box<dyn Error>> {
        let nonce = *SystemEntropy.draw()?;
        let request = AccessRequest::sign(chain.id, gateway, access, NOW, nonce, &reader, &[0; 32])?;
        let rules = GatewayRules { store_depth: 1, ..GatewayRules::default() }; // a chain this short has no deeper blocks
        let seen = SeenRequests::new(Timestamp(0));
        let decider = Gateway { id: gateway, rules: &rules, denials, seen: &seen, policy: &OwnerGrants };
        let snapshot = Snapshot {
            chain: chain.id,
            height: chain.height,
            tip_time: NOW,
            median_time_past: NOW,
            uncleared_reorganisation: 0,
            state: &chain.state,
        };
        Ok(authorize(&request, &decider, &snapshot, &Clock { wall: Millis::from(NOW), high_water: Millis(0) }))
    };
    let permit = decide(&denials, &chain)??;
    let read = flows::open(&institute, &chain.state, chain.id, &object, &share.wrap, &objects)?;
    assert_eq!((read.document.bytes.as_slice(), permit.access), (&b"HbA1c 6.1 %, 2026-11-20"[..], access));
    println!("permitted; the institute reads the very bytes that {} issued", received.institution.name);

    // Revoke. The gateway refuses from the moment that it has seen the signed withdrawal, in a block or not.
    let revocation = flows::revoke(&mut patient, &mut log, &access.requester, entropy)?.transaction();
    assert!(denials.observe(&revocation, &chain.id, &chain.state)?);
    let refused = decide(&denials, &chain)?.err().ok_or("read after it was revoked")?;
    assert!(matches!(refused, Denial::Withdrawn { .. }));
    println!("refused before any block has it: {refused}");

    // It costs nothing to publish. Then the record goes under a new key, so that the old one opens nothing to come.
    chain.apply(&revocation)?;
    let rotation = flows::rotate(&mut patient, &mut log, &chain.state, at_gateway, NOW, entropy)?;
    assert!(rotation.shares.is_empty(), "nobody is left to grant the new version to");
    chain.publish(rotation.operation.transaction(), &mut patient)?;
    let refused = decide(&denials, &chain)?.err().ok_or("an old version was served")?;
    println!("refused for good: {refused}");
    let own = flows::open_own(&patient, &chain.state, chain.id, &object, &objects)?;
    assert_eq!(own.document.bytes, read.document.bytes);
    assert!(own.institution.is_some(), "the hospital's attestation still holds");
    Ok(())
}

/// A chain whose genesis document admits the hospital, and on which hospital and patient have coins for fees.
fn start(hospital: &mut Wallet, patient: &mut Wallet) -> Result<Chain, Box<dyn Error>> {
    let bank = SecretKey::from_bytes(&*SystemEntropy.draw()?)?;
    let issuers = vec![bank.public_key()];
    let rule = TokenRule { token: EURO, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers: issuers.clone() };
    let tokens = vec![rule.clone()];
    let parameters = IncentiveParameters { fee_token: EURO, tokens, coinbase_maturity: 10, reward: Reward::Immediate };
    let institution = InitialInstitution { name: "General Hospital".into(), key: hospital.identity().public_key() };
    let application = ApplicationParameters { accreditors: issuers, threshold: 1, institutions: vec![institution] };
    let genesis = Genesis::new("one record", NOW, vec![]).with(&parameters).with(&application);

    let ledger = Ledger::new(parameters.clone(), Arc::new(Scripts))?;
    let executor = Contracts::new(ledger, vec![Arc::new(Records), Arc::new(Identities::new(application)?)])?;
    let mut state = MemoryStore::default();
    let mut overlay = Overlay::new(&state);
    executor.genesis(&mut overlay, &genesis)?;
    let changes = overlay.into_changes()?;
    state.commit(&changes)?;
    let mut chain = Chain { id: genesis.chain_id(), state, height: Height::ZERO, executor, parameters };

    let locks = [hospital.new_lock()?, patient.new_lock()?];
    let outputs = locks.map(|lock| Output { token: EURO, amount: Amount(100), lock }).to_vec();
    let mut mint = Issuance::mint(EURO, 1, outputs)?;
    let signature = bank.sign(&Issuance::message(&chain.id, &mint)?, &[0; 32]);
    Issuance::add_signature(&mut mint, &rule, &bank.public_key(), signature)?;
    chain.apply(&mint)?;
    Ok(chain)
}
