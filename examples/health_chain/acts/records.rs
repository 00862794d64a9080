//! The record's own life: issued, stored, shared, read, revoked, encrypted anew.

use std::sync::Arc;

use health_chain::{
    application::{
        audit::{Checkpoint, ReceiptTerms},
        document::Document,
        flows::{
            self, Destination, Log, NewRecord, RecordMessage, RecordRequest, Share, ShareRequest, ShareRequestTerms,
        },
        gateway::{ClientError, Opened},
        objects::MemoryObjects,
        payload::Payload,
        ports::{FormatError, ObjectName, ObjectStore, RecordFormat, SystemEntropy},
        records::{self, FIRST_VERSION, GrantState, Permissions, Purpose},
        wallet::Wallet,
    },
    data::{
        Amount, Hash, Height, ObjectId, Output, PublicKey, SecretKey, Timestamp, Transaction, codec,
        keys::OneTime,
        seal,
        wrap::{self, KeyWrap, WrapContext},
    },
};

use super::Cast;
use crate::{
    Failure, Record, ensure, now,
    people::{Party, access_request, agree, mine_blocks, mine_until},
    report::Report,
    setup::{EURO, entropy, wallet},
};

/// What the patient asks of the institute.
const PRICE: Amount = Amount(2_000);
/// How long the institute may read.
const MONTH_SECONDS: u32 = 30 * 24 * 60 * 60;
/// Other patients whose records are issued under the same root.
const OTHERS: usize = 7;

/// Any document is one, if it says what it is.
struct AsGiven(String);

impl RecordFormat for AsGiven {
    fn media_type(&self) -> &str {
        &self.0
    }

    fn check(&self, _: &[u8]) -> Result<(), FormatError> {
        Ok(())
    }
}

/// A record that somebody may read.
pub(crate) struct Shared {
    pub(crate) object: ObjectId,
    /// The institute's grant as it went on the chain, with its payment.
    pub(crate) grant: Transaction,
    /// The institute's one-time key for this record.
    pub(crate) reader: SecretKey,
    /// What the gateway gave the institute.
    pub(crate) opened: Opened,
    /// The sealed bytes that it fetched.
    pub(crate) sealed: Vec<u8>,
    /// A clinic that the patient lets read for nothing.
    pub(crate) clinic: Wallet,
}

/// Algorithms 2 and 3 of the paper.
pub(crate) fn issue_and_store(cast: &Cast, record: &Record, report: &mut Report) -> Result<ObjectId, Failure> {
    report.step("the hospital issues the record");
    let chain = cast.network.genesis.chain_id();
    let institution = cast.hospital.wallet().identity().public_key();
    let mut requests = Vec::new();
    let (index, request) = ask_for_record(&mut cast.patient.wallet(), chain, institution)?;
    requests.push(request);
    for _ in 0..OTHERS {
        requests.push(ask_for_record(&mut wallet()?, chain, institution)?.1);
    }
    let new = |request| NewRecord {
        request,
        media_type: record.media_type.clone(),
        document: record.bytes.clone(),
        record_type: "patient summary".into(),
        supersedes: None,
    };
    let new: Vec<NewRecord> = requests.into_iter().map(new).collect();
    let issued_at = now()?.timestamp();
    let issued = flows::issue(chain, cast.hospital.wallet().identity(), issued_at, new, &mut SystemEntropy)?;
    let root = issued.operation.root;
    let bytes = cast.hospital.publish(&cast.network, issued.operation.transaction())?;
    // Sealed to the patient, so it may wait anywhere until it is collected.
    let message = codec::encode(&issued.messages[0]);
    let ticket = cast.hospital.gateway().keep_message(&message)?;
    mine_until(&cast.hospital, &cast.network, "the patient sees the issued root", || {
        cast.patient.look(move |chain, _| Ok(records::issue(chain.state(), &root)?.is_some()))
    })?;
    report.done(&format!("one root for {} attestations", OTHERS + 1), Some(bytes));

    report.step("the patient collects, verifies, re-encrypts and stores it");
    let collected = cast.patient.client(&cast.hospital).collect(ticket, message.len() as u64)?;
    let message: RecordMessage = codec::decode(&collected)?;
    let format = AsGiven(record.media_type.clone());
    let gateway = cast.patient.gateway().clone();
    let operation = cast.patient.look(move |chain, wallet| {
        let owner = wallet.record_key(index)?.public_key();
        let (view, id) = (chain.state(), chain.chain_id());
        let received = flows::receive(&message, view, id, &owner, wallet.kem_key(), &format)?;
        ensure(received.institution.name == "General Hospital", "the record is the hospital's")?;
        let destination = Destination { chain: id, gateway: gateway.id(), objects: &**gateway.objects() };
        let (document, blinding) = (&received.document, &received.blinding);
        Ok(flows::store(wallet, index, document, blinding, destination, &mut SystemEntropy)?)
    })?;
    let object = operation.position.object;
    let bytes = cast.patient.publish(&cast.network, operation.transaction())?;
    mine_until(&cast.hospital, &cast.network, "the object is on the chain", || {
        cast.institute.look(move |chain, _| Ok(records::object(chain.state(), &object)?.is_some()))
    })?;
    report.done(&format!("{} sealed bytes off the chain", operation.content.length), Some(bytes));
    Ok(object)
}

fn ask_for_record(
    wallet: &mut Wallet,
    chain: health_chain::data::ChainId,
    institution: PublicKey,
) -> Result<(u32, RecordRequest), Failure> {
    let key = wallet.new_record_key()?;
    let card = wallet.contact_card(&mut SystemEntropy)?;
    Ok((key.index, RecordRequest::sign(chain, institution, card, &key.key, &entropy()?)?))
}

/// Algorithm 4, with a price: payment and grant are one transaction.
pub(crate) fn share_for_a_price(
    cast: &Cast,
    object: ObjectId,
    record: &Record,
    report: &mut Report,
) -> Result<Shared, Failure> {
    report.step("the institute asks, the patient grants against payment");
    let request = share_request(cast, object, &cast.institute.wallet())?;
    cast.institute.client(&cast.patient).send_letter(&request)?;
    let letters = cast.patient.gateway().take_letters();
    let [(sender, letter)] = &letters[..] else { return Err("the patient should have one letter".into()) };
    ensure(*sender == cast.institute.node().id(), "the letter is the institute's")?;
    let request: ShareRequest = codec::decode(letter)?;
    let price = Output { token: EURO, amount: PRICE, lock: cast.patient.wallet().new_lock()? };
    let share = share(cast, object, request, Some(price))?;
    // The patient's answer goes back as a letter; the institute pays, and only so the grant takes effect.
    cast.patient.client(&cast.institute).send_letter(&share.transaction())?;
    let letters = cast.institute.gateway().take_letters();
    let answer: Transaction = codec::decode(&letters.first().ok_or("the patient has not answered")?.1)?;
    ensure(answer.outputs.iter().all(|output| output.amount <= PRICE), "the price is the one agreed")?;
    let grant = cast.institute.fund(&cast.network, answer)?;
    let bytes = codec::encode(&grant).len();
    cast.institute.node().submit(grant.clone())??;
    let grantee = share.operation.terms.grantee;
    mine_until(&cast.hospital, &cast.network, "the grant is settled", || {
        Ok(depth_of_grant(&cast.patient, object, grantee)? >= 12)
    })?;
    report.done(&format!("{} cents for a month", PRICE.0), Some(bytes));

    report.step("the institute fetches through the gateway and decrypts");
    let reader = recover_reader(&cast.institute, object)?;
    ensure(reader.public_key() == grantee, "only the institute recognises the one-time key")?;
    let (opened, sealed) = fetch(cast, &cast.institute, object, FIRST_VERSION, &reader)?;
    let document = open_as(&cast.institute, object, &opened, &sealed)?;
    ensure(document.bytes == record.bytes, "the institute reads the identical bytes")?;
    confirm(cast, &opened, &reader, sealed.len() as u64)?;
    report.done(&format!("{} identical bytes, receipt signed by both", record.bytes.len()), None);
    Ok(Shared { object, grant, reader, opened, sealed, clinic: wallet()? })
}

fn share_request(cast: &Cast, object: ObjectId, reader: &Wallet) -> Result<ShareRequest, Failure> {
    let from = cast.network.genesis.block().header.time;
    let terms = ShareRequestTerms {
        chain: cast.network.genesis.chain_id(),
        object,
        card: reader.contact_card(&mut SystemEntropy)?,
        permissions: Permissions::READ,
        purpose: Purpose::RESEARCH,
        not_before: from,
        not_after: Timestamp(from.0 + MONTH_SECONDS),
    };
    Ok(ShareRequest::sign(terms, reader.spend_key(), &entropy()?)?)
}

/// The patient's answer; the wrapped key waits at the gateway.
fn share(cast: &Cast, object: ObjectId, request: ShareRequest, price: Option<Output>) -> Result<Share, Failure> {
    let share = cast.patient.look(move |chain, wallet| {
        let mut log = Log::open(chain.state(), chain.chain_id(), object)?;
        Ok(flows::share(wallet, &mut log, &request, price, &mut SystemEntropy)?)
    })?;
    cast.patient.gateway().keep_wrap(&object, &share.wrap)?;
    Ok(share)
}

/// A grant to the clinic, for nothing; not sent yet.
pub(crate) fn share_with_clinic(cast: &Cast, shared: &Shared) -> Result<Share, Failure> {
    let request = share_request(cast, shared.object, &shared.clinic)?;
    share(cast, shared.object, request, None)
}

pub(crate) fn grant_state(party: &Party, object: ObjectId, grantee: PublicKey) -> Result<Option<GrantState>, Failure> {
    party.look(move |chain, _| Ok(records::grant(chain.state(), &object, &grantee)?))
}

fn depth_of_grant(party: &Party, object: ObjectId, grantee: PublicKey) -> Result<u32, Failure> {
    let (_, tip) = party.tip()?;
    let depth = |height: Height| tip.0.saturating_sub(height.0) + 1;
    Ok(grant_state(party, object, grantee)?.map_or(0, |grant| depth(grant.height)))
}

/// The secret of the one-time key under which an object was granted to a party.
fn recover_reader(party: &Party, object: ObjectId) -> Result<SecretKey, Failure> {
    party.look(move |chain, wallet| recover(chain.state(), wallet, object))
}

fn recover(
    view: &dyn health_chain::data::ports::StateView,
    wallet: &Wallet,
    object: ObjectId,
) -> Result<SecretKey, Failure> {
    let owner = records::object(view, &object)?.ok_or("the object is not on the chain")?.owner;
    Ok(OneTime::recover(wallet.scan_key(), wallet.spend_key(), &owner, &object.0))
}

/// Asks the patient's gateway, and fetches.
pub(crate) fn fetch(
    cast: &Cast,
    from: &Party,
    object: ObjectId,
    version: u32,
    reader: &SecretKey,
) -> Result<(Opened, Vec<u8>), ClientOrOther> {
    let gateway = cast.patient.gateway().id();
    let request = access_request(&cast.network, gateway, object, version, Permissions::READ, reader)?;
    let client = from.client(&cast.patient);
    let opened = client.open(request)?;
    let sealed = client.read(&opened)?;
    Ok((opened, sealed))
}

/// A gateway's refusal is an outcome that the example looks at.
#[derive(Debug)]
pub(crate) enum ClientOrOther {
    Client(ClientError),
    Other(Failure),
}

impl From<ClientError> for ClientOrOther {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<Failure> for ClientOrOther {
    fn from(error: Failure) -> Self {
        Self::Other(error)
    }
}

impl From<ClientOrOther> for Failure {
    fn from(error: ClientOrOther) -> Self {
        match error {
            ClientOrOther::Client(error) => error.into(),
            ClientOrOther::Other(error) => error,
        }
    }
}

/// The rule by which the gateway refuses a reader.
fn refusal(cast: &Cast, shared: &Shared, version: u32) -> Result<String, Failure> {
    match fetch(cast, &cast.institute, shared.object, version, &shared.reader) {
        Err(ClientOrOther::Client(ClientError::Refused { rule, .. })) => Ok(rule),
        Err(error) => Err(error.into()),
        Ok(_) => Err("the gateway should have refused".into()),
    }
}

/// Unwraps, checks against the chain, decrypts, checks commitment and attestation.
pub(crate) fn open_as(party: &Party, object: ObjectId, opened: &Opened, sealed: &[u8]) -> Result<Document, Failure> {
    let (wrap, sealed) = (opened.wrap.clone().ok_or("the gateway gave no key")?, sealed.to_vec());
    party.look(move |chain, wallet| open_with(chain, wallet, object, &wrap, &sealed))
}

fn open_with(
    chain: &health_chain::consensus::Chain,
    wallet: &Wallet,
    object: ObjectId,
    wrap: &KeyWrap,
    sealed: &[u8],
) -> Result<Document, Failure> {
    let version = records::object(chain.state(), &object)?.ok_or("the object is not on the chain")?.version;
    let objects = MemoryObjects::default();
    objects.put(&ObjectName { object, version }, &mut &*sealed)?;
    let opened = flows::open(wallet, chain.state(), chain.chain_id(), &object, wrap, &objects)?;
    ensure(opened.institution.is_some_and(|by| by.name == "General Hospital"), "the record is the hospital's")?;
    Ok(opened.document)
}

fn confirm(cast: &Cast, opened: &Opened, reader: &SecretKey, bytes: u64) -> Result<(), Failure> {
    let client = cast.institute.client(&cast.patient);
    let terms = ReceiptTerms {
        chain: cast.network.genesis.chain_id(),
        object: opened.object,
        version: FIRST_VERSION,
        reader: reader.public_key(),
        gateway: client.about()?.key,
        at: now()?.timestamp(),
        bytes,
    };
    let signature = reader.sign(&terms.message(), &entropy()?);
    Ok(client.confirm(opened, terms, signature)?.verify()?)
}

/// The owner asks who has read, and checks the answer's proofs.
pub(crate) fn show_who_has_read(cast: &Cast, shared: &Shared, report: &mut Report) -> Result<(), Failure> {
    report.step("the patient sees who has read");
    let object = shared.object;
    let owner = cast
        .patient
        .look(move |_, wallet| Ok(Arc::new(wallet.record_key(wallet.record(&object, FIRST_VERSION)?.key_index)?)))?;
    let gateway = cast.patient.gateway().id();
    let request = access_request(&cast.network, gateway, object, FIRST_VERSION, Permissions::HISTORY, &owner)?;
    // From another node, over the network: the owner need not sit at the gateway.
    let client = cast.hospital.client(&cast.patient);
    let answer = client.history(request, 0)?;
    let trusted: Checkpoint = client.about()?.checkpoint;
    answer.verify(&trusted.terms.gateway, Hash::ZERO)?;
    ensure(answer.entries.len() >= 3, "permit, receipt and this question are in the log")?;
    report.done(&format!("{} entries, each with its proof", answer.entries.len()), None);
    Ok(())
}

/// The next fetch is refused at once, and stays so.
pub(crate) fn revoke(cast: &Cast, shared: &Shared, report: &mut Report) -> Result<(), Failure> {
    report.step("the patient revokes, and the next fetch is refused");
    let (object, grantee) = (shared.object, shared.reader.public_key());
    fetch(cast, &cast.institute, object, FIRST_VERSION, &shared.reader)?;
    let revoke = cast.patient.look(move |chain, wallet| {
        let mut log = Log::open(chain.state(), chain.chain_id(), object)?;
        Ok(flows::revoke(wallet, &mut log, &grantee, &mut SystemEntropy)?.transaction())
    })?;
    let bytes = codec::encode(&revoke).len();
    // It costs nothing, and the gateway need not wait for a block.
    cast.patient.node().submit(revoke)??;
    let at_once = refusal(cast, shared, FIRST_VERSION)?;
    ensure(at_once == "access-withdrawn", "the gateway has seen the withdrawal")?;
    mine_until(&cast.hospital, &cast.network, "the revocation is on the chain", || {
        Ok(grant_state(&cast.patient, object, grantee)?.is_none())
    })?;
    let afterwards = refusal(cast, shared, FIRST_VERSION)?;
    ensure(afterwards == "access-no-grant", "the chain has it, too")?;
    report.done(&format!("{at_once} at once, {afterwards} in the chain"), Some(bytes));
    Ok(())
}

/// A new key for the record, and wraps for those who may go on reading.
pub(crate) fn rotate(cast: &Cast, shared: &Shared, record: &Record, report: &mut Report) -> Result<(), Failure> {
    report.step("rotation makes the old key useless, and the clinic reads on");
    let (object, gateway) = (shared.object, cast.patient.gateway().clone());
    let rotation = cast.patient.look(move |chain, wallet| {
        let mut log = Log::open(chain.state(), chain.chain_id(), object)?;
        let chain_id = chain.chain_id();
        let destination = Destination { chain: chain_id, gateway: gateway.id(), objects: &**gateway.objects() };
        let now = now()?.timestamp();
        Ok(flows::rotate(wallet, &mut log, chain.state(), destination, now, &mut SystemEntropy)?)
    })?;
    ensure(rotation.shares.len() == 1, "the clinic is the only reader left")?;
    let mut bytes = cast.patient.publish(&cast.network, rotation.operation.transaction())?;
    for share in &rotation.shares {
        cast.patient.gateway().keep_wrap(&object, &share.wrap)?;
        bytes += cast.patient.publish(&cast.network, share.transaction())?;
    }
    let version = rotation.version;
    mine_until(&cast.hospital, &cast.network, "the new version is on the chain", || {
        cast.patient.look(move |chain, _| {
            Ok(records::object(chain.state(), &object)?.is_some_and(|object| object.version == version))
        })
    })?;
    // As deep as the gateway asks for.
    mine_blocks(&cast.hospital, &cast.network, 6)?;
    agree(&cast.all())?;
    cast.patient.gateway().objects().delete(&ObjectName { object, version: FIRST_VERSION })?;
    let old_wrap = shared.opened.wrap.clone().ok_or("the gateway gave no key")?;
    ensure(cast.patient.gateway().forget_wrap(&object, &old_wrap.commitment())?, "the old key was there")?;

    let view = cast.patient.node();
    let clinic = view.read({
        let (scan, spend) = (shared.clinic.scan_key().to_bytes(), shared.clinic.spend_key().to_bytes());
        move |chain, _| -> Result<SecretKey, Failure> {
            let owner = records::object(chain.state(), &object)?.ok_or("the object is not on the chain")?.owner;
            let (scan, spend) = (SecretKey::from_bytes(&scan)?, SecretKey::from_bytes(&spend)?);
            Ok(OneTime::recover(&scan, &spend, &owner, &object.0))
        }
    })??;
    // The clinic has no node of its own, and comes in through the hospital's.
    let (opened, sealed) = fetch(cast, &cast.hospital, object, version, &clinic)?;
    let wrap = opened.wrap.clone().ok_or("the gateway gave no key")?;
    let context = context_of(cast, shared, version, clinic.public_key())?;
    let secrets = wrap::unwrap(shared.clinic.kem_key(), &context, &wrap)?;
    let inner = seal::open(&secrets.key, &object, version, &sealed)?;
    ensure(inner.ends_with(&record.bytes), "the clinic reads the identical bytes")?;

    let context = context_of(cast, shared, FIRST_VERSION, shared.reader.public_key())?;
    let old = wrap::unwrap(cast.institute.wallet().kem_key(), &context, &old_wrap)?;
    ensure(seal::open(&old.key, &object, FIRST_VERSION, &shared.sealed).is_ok(), "the old key opens what it opened")?;
    ensure(seal::open(&old.key, &object, version, &sealed).is_err(), "the old key does not open the new version")?;
    let rule = refusal(cast, shared, version)?;
    report.done(&format!("old key refused, {rule}"), Some(bytes));
    Ok(())
}

fn context_of(cast: &Cast, shared: &Shared, version: u32, grantee: PublicKey) -> Result<WrapContext, Failure> {
    let object = shared.object;
    let state = cast.patient.look(move |chain, _| Ok(records::object(chain.state(), &object)?))?;
    let state = state.ok_or("the object is not on the chain")?;
    let chain = cast.network.genesis.chain_id();
    Ok(WrapContext { chain, object, version, epoch: state.epoch, owner: state.owner, grantee })
}
