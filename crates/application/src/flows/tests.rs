//! The whole way of a record in one process: issued, received, stored, shared, opened, revoked, deleted, over the real executor.

use std::sync::Arc;

use health_chain_consensus::ports::{BlockContext, ExecuteError, Executor};
use health_chain_contract::Contracts;
use health_chain_data::{
    Amount, Genesis, Hash, Height, Output, SecretKey, Timestamp, TokenId, Transaction,
    keys::Mnemonic,
    ports::{ChainStore, SingleVerifier, Verifier},
    state::{Changes, MemoryStore, Overlay},
    wrap::{KeyWrap, WrapError},
};
use health_chain_incentive::{IncentiveParameters, Issuance, Ledger, Reward, SingleKey, TokenRule, coins};

use super::*;
use crate::{
    document::{Description, Document},
    gateway::wrap_name,
    identities::{ApplicationParameters, Identities, InitialInstitution},
    objects::MemoryObjects,
    payload::Payload,
    ports::{Entropy, ObjectName, ObjectStore, Opaque, SeededEntropy},
    records::{FIRST_VERSION, GatewayId, Permissions, Purpose, Records},
    tables::INSTITUTION_KEYS,
    wallet::{Spending, Wallet, WalletError},
};

const EURO: TokenId = TokenId(978);
const NOW: Timestamp = Timestamp(1_700_000_000);
const FEE: Amount = Amount(2);

/// A chain without blocks: each transaction is applied as if it stood alone in the next one.
struct World {
    state: MemoryStore,
    executor: Contracts,
    parameters: IncentiveParameters,
    chain: ChainId,
    height: Height,
    objects: MemoryObjects,
    entropy: SeededEntropy,
    gateway: SecretKey,
    hospital: Wallet,
    patient: Wallet,
    institute: Wallet,
}

fn wallet(seed: u8) -> Wallet {
    Wallet::open(Box::<MemoryStore>::default(), &Mnemonic::from_entropy(&[seed; 16]).unwrap(), "").unwrap()
}

impl World {
    fn new() -> Self {
        let issuer = SecretKey::from_bytes(&[9; 32]).unwrap();
        let rule = TokenRule {
            token: EURO,
            symbol: "EUR".into(),
            decimals: 2,
            threshold: 1,
            issuers: vec![issuer.public_key()],
        };
        let parameters = IncentiveParameters {
            fee_token: EURO,
            tokens: vec![rule.clone()],
            coinbase_maturity: 10,
            reward: Reward::Immediate,
        };
        let hospital = wallet(1);
        let application = ApplicationParameters {
            accreditors: vec![issuer.public_key()],
            threshold: 1,
            institutions: vec![InitialInstitution {
                name: "General Hospital".into(),
                key: hospital.identity().public_key(),
            }],
        };
        let genesis = Genesis::new("flows", NOW, Vec::new()).with(&parameters).with(&application);
        let ledger = Ledger::new(parameters.clone(), Arc::new(SingleKey)).unwrap();
        let identities = Identities::new(application).unwrap();
        let executor = Contracts::new(ledger, vec![Arc::new(Records), Arc::new(identities)]).unwrap();
        let mut state = MemoryStore::default();
        let mut overlay = Overlay::new(&state);
        executor.genesis(&mut overlay, &genesis).unwrap();
        let changes = overlay.into_changes().unwrap();
        state.commit(&changes).unwrap();
        let mut world = Self {
            state,
            executor,
            parameters,
            chain: genesis.chain_id(),
            height: Height(1),
            objects: MemoryObjects::default(),
            entropy: SeededEntropy::new(1),
            gateway: SecretKey::from_bytes(&[8; 32]).unwrap(),
            hospital,
            patient: wallet(2),
            institute: wallet(3),
        };
        let mut locks = vec![world.hospital.new_lock().unwrap()];
        locks.extend((0..8).map(|_| world.patient.new_lock().unwrap()));
        locks.push(world.institute.new_lock().unwrap());
        let outputs = locks.into_iter().map(|lock| Output { token: EURO, amount: Amount(1_000), lock }).collect();
        let mut mint = Issuance::mint(EURO, 1, outputs).unwrap();
        let message = Issuance::message(&world.chain, &mint).unwrap();
        let signature = issuer.sign(&message, &[0; 32]);
        Issuance::add_signature(&mut mint, &rule, &issuer.public_key(), signature).unwrap();
        world.apply(&mint).unwrap();
        world
    }

    fn context(&self) -> BlockContext {
        BlockContext { chain: self.chain, height: self.height, median_time_past: NOW }
    }

    fn apply(&mut self, transaction: &Transaction) -> Result<(), ExecuteError> {
        let mut overlay = Overlay::new(&self.state);
        let mut claims = Vec::new();
        self.executor.apply(&mut overlay, transaction, &self.context(), &mut claims)?;
        SingleVerifier.verify(&claims).expect("what the wallet signs verifies");
        let changes = overlay.into_changes()?;
        self.state.commit(&changes)?;
        self.height = self.height.next();
        Ok(())
    }

    /// Pays with `payer`'s coins and applies.
    fn publish(&mut self, mut transaction: Transaction, payer: fn(&mut Self) -> &mut Wallet) {
        let (state, parameters, context) = (self.state.clone(), self.parameters.clone(), self.context());
        let mut entropy = self.entropy;
        let payer = payer(self);
        let spending = Spending { view: &state, parameters: &parameters, context: &context, fee: FEE };
        payer.fund(&mut transaction, &spending, &mut entropy).unwrap();
        self.entropy = entropy;
        self.apply(&transaction).unwrap();
    }

    fn draw(&mut self) -> [u8; 32] {
        *self.entropy.draw().unwrap()
    }

    fn destination<'a>(objects: &'a MemoryObjects, chain: ChainId, gateway: &SecretKey) -> Destination<'a> {
        Destination { chain, gateway: GatewayId::of(&gateway.public_key()), objects }
    }

    /// A new record key of the patient, and the request that names it.
    fn request(&mut self) -> (u32, RecordRequest) {
        let key = self.patient.new_record_key().unwrap();
        let card = self.patient.contact_card(&mut self.entropy).unwrap();
        let institution = self.hospital.identity().public_key();
        let entropy = self.draw();
        (key.index, RecordRequest::sign(self.chain, institution, card, &key.key, &entropy).unwrap())
    }

    /// Issues one record for each document; they are on the chain on return.
    fn issued(&mut self, documents: &[&[u8]]) -> Vec<(u32, RecordMessage)> {
        let mut records = Vec::new();
        let mut indexes = Vec::new();
        for document in documents {
            let (index, request) = self.request();
            indexes.push(index);
            records.push(NewRecord {
                request,
                media_type: "application/octet-stream".into(),
                document: document.to_vec(),
                record_type: "LOINC 18842-5".into(),
                supersedes: None,
            });
        }
        let issued = issue(self.chain, self.hospital.identity(), NOW, records, &mut self.entropy).unwrap();
        self.publish(issued.operation.transaction(), |world| &mut world.hospital);
        indexes.into_iter().zip(issued.messages).collect()
    }

    fn receive(&self, index: u32, message: &RecordMessage) -> Result<Received, ReceiveError> {
        let owner = self.patient.record_key(index).unwrap().public_key();
        receive(message, &self.state, self.chain, &owner, self.patient.kem_key(), &Opaque)
    }

    /// Issues and stores a record.
    fn stored(&mut self, document: &[u8]) -> ObjectId {
        let (index, message) = self.issued(&[document]).remove(0);
        let received = self.receive(index, &message).unwrap();
        let destination = Self::destination(&self.objects, self.chain, &self.gateway);
        let Received { document, blinding, .. } = &received;
        let operation = store(&mut self.patient, index, document, blinding, destination, &mut self.entropy).unwrap();
        self.publish(operation.transaction(), |world| &mut world.patient);
        operation.position.object
    }

    fn share_request(&mut self, object: ObjectId) -> ShareRequest {
        let terms = ShareRequestTerms {
            chain: self.chain,
            object,
            card: self.institute.contact_card(&mut self.entropy).unwrap(),
            permissions: Permissions::READ,
            purpose: Purpose::RESEARCH,
            not_before: NOW,
            not_after: Timestamp(NOW.0 + 1_000),
        };
        let entropy = self.draw();
        ShareRequest::sign(terms, self.institute.spend_key(), &entropy).unwrap()
    }

    /// Shares an object with the institute.
    fn shared(&mut self, object: ObjectId) -> Share {
        let request = self.share_request(object);
        let mut log = Log::open(&self.state, self.chain, object).unwrap();
        let share = share(&mut self.patient, &mut log, &request, None, &mut self.entropy).unwrap();
        self.publish(share.transaction(), |world| &mut world.patient);
        share
    }

    fn open(&self, reader: &Wallet, object: &ObjectId, wrap: &KeyWrap) -> Result<Opened, OpenRecordError> {
        open(reader, &self.state, self.chain, object, wrap, &self.objects)
    }
}

#[test]
fn a_record_goes_from_hospital_to_patient_to_institute_unchanged() {
    let mut world = World::new();
    let document = b"a line of a record, ".repeat(5_000);
    let object = world.stored(&document);
    let share = world.shared(object);
    let opened = world.open(&world.institute, &object, &share.wrap).unwrap();
    assert_eq!(opened.document.bytes, document);
    assert_eq!(opened.institution.unwrap().name, "General Hospital");
    let own = open_own(&world.patient, &world.state, world.chain, &object, &world.objects).unwrap();
    assert_eq!(own.document.bytes, document);
    let sealed = world.objects.get(&ObjectName { object, version: FIRST_VERSION }, 0..1_000).unwrap();
    assert!(!sealed.windows(4).any(|window| window == b"line"), "what is stored is ciphertext");
}

#[test]
fn each_of_a_batch_is_received_by_its_patient_only() {
    let mut world = World::new();
    let messages = world.issued(&[b"one", b"two", b"three", b"four", b"five"]);
    for (number, (index, message)) in messages.iter().enumerate() {
        let received = world.receive(*index, message).unwrap();
        assert_eq!(received.document.bytes, [&b"one"[..], b"two", b"three", b"four", b"five"][number]);
        assert_eq!(received.institution.name, "General Hospital");
    }
    let refused = world.receive(messages[0].0, &messages[1].1).unwrap_err();
    assert!(matches!(refused, ReceiveError::OtherOwner { .. }));
    let stranger = wallet(7);
    let owner = messages[0].1.owner;
    let refused = receive(&messages[0].1, &world.state, world.chain, &owner, stranger.kem_key(), &Opaque).unwrap_err();
    assert!(matches!(refused, ReceiveError::Wrap(WrapError::Refused)));
}

/// The document of a message, to be changed and sealed again: what a dishonest institution could send.
fn forged(world: &mut World, message: &RecordMessage, change: fn(&mut Document, &mut [u8; 32])) -> RecordMessage {
    let context = issue::message_context(world.chain, message.institution, message.owner);
    let secrets = health_chain_data::wrap::unwrap(world.patient.kem_key(), &context, &message.wrap).unwrap();
    let mut document = Document::open(&secrets, &context.object, issue::MESSAGE_VERSION, &message.sealed).unwrap();
    let mut blinding = secrets.blinding;
    change(&mut document, &mut blinding);
    let sealed = document.seal(&context.object, issue::MESSAGE_VERSION, &blinding, &mut world.entropy).unwrap();
    let kem = world.patient.kem_key().public_key();
    let wrap = health_chain_data::wrap::wrap(&kem, &context, &sealed.secrets, &[5; 32]).unwrap();
    RecordMessage { wrap, sealed: sealed.object, ..message.clone() }
}

#[test]
fn each_failed_check_discards_and_says_why() {
    let mut world = World::new();
    let messages = world.issued(&[b"first", b"second"]);
    let (index, message) = messages[0].clone();
    let mut refusal = |change: fn(&mut Document, &mut [u8; 32])| {
        let message = forged(&mut world, &message, change);
        world.receive(index, &message).unwrap_err()
    };
    fn provenance(document: &mut Document) -> &mut crate::document::Provenance {
        document.description.provenance.as_mut().unwrap()
    }
    assert!(matches!(refusal(|d, _| d.description.provenance = None), ReceiveError::NoAttestation));
    let refused = refusal(|d, _| provenance(d).attestation.institution = wallet(7).identity().public_key());
    assert!(matches!(refused, ReceiveError::OtherInstitution { .. }));
    let refused = refusal(|d, _| provenance(d).attestation.terms.owner = wallet(7).identity().public_key());
    assert!(matches!(refused, ReceiveError::AttestedForOther { .. }));
    let refused = refusal(|d, _| d.description.owner = wallet(7).identity().public_key());
    assert!(matches!(refused, ReceiveError::AttestedForOther { .. }));
    let refused = refusal(|d, _| provenance(d).attestation.terms.chain = ChainId::default());
    assert!(matches!(refused, ReceiveError::Provenance(ProvenanceError::OtherChain { .. })));
    let refused = refusal(|d, _| provenance(d).root = Hash::ZERO);
    assert!(matches!(refused, ReceiveError::Provenance(ProvenanceError::NotIssued { root: Hash::ZERO })));
    let refused = refusal(|d, _| provenance(d).attestation.terms.issued_at = Timestamp(1));
    assert!(matches!(refused, ReceiveError::Provenance(ProvenanceError::Attestation(_))));
    let refused = refusal(|d, _| provenance(d).proof.tree_size = 3);
    assert!(matches!(refused, ReceiveError::Provenance(ProvenanceError::TreeSize { found: 3, issued: 2 })));
    let refused = refusal(|d, _| provenance(d).proof.leaf_index = 1);
    assert!(matches!(refused, ReceiveError::Provenance(ProvenanceError::NotIncluded(_))));
    assert!(matches!(refusal(|d, _| d.bytes.push(0)), ReceiveError::Commitment { .. }));
    assert!(matches!(refusal(|_, blinding| blinding[0] ^= 1), ReceiveError::Commitment { .. }));
    let refused = refusal(|d, _| d.description.media_type = "text/plain".into());
    assert!(matches!(refused, ReceiveError::Commitment { .. }));

    let mut cut = message.clone();
    cut.sealed.pop();
    assert!(matches!(world.receive(index, &cut), Err(ReceiveError::Document(_))));
    let mut changes = Changes::default();
    changes.delete(INSTITUTION_KEYS, *message.institution.as_bytes());
    world.state.commit(&changes).unwrap();
    let refused = world.receive(index, &message).unwrap_err();
    assert!(matches!(refused, ReceiveError::Provenance(ProvenanceError::IssuerInactive { .. })));
}

#[test]
fn a_request_that_is_not_the_patients_own_issues_nothing() {
    let mut world = World::new();
    let refusal = |world: &mut World, change: fn(&mut RecordRequest)| {
        let (_, mut request) = world.request();
        change(&mut request);
        let record = NewRecord {
            request,
            media_type: "text/plain".into(),
            document: b"record".to_vec(),
            record_type: String::new(),
            supersedes: None,
        };
        issue(world.chain, world.hospital.identity(), NOW, vec![record], &mut world.entropy).unwrap_err()
    };
    let stranger = wallet(7).identity().public_key();
    assert_ne!(stranger, world.patient.identity().public_key());
    let refused = refusal(&mut world, |request| request.chain = ChainId::default());
    assert!(matches!(refused, IssueError::OtherAddressee { index: 0 }));
    let refused = refusal(&mut world, |request| request.owner = wallet(7).identity().public_key());
    assert!(matches!(refused, IssueError::Request { index: 0, .. }));
    let refused = refusal(&mut world, |request| request.card.kem = wallet(7).kem_key().public_key());
    assert!(matches!(refused, IssueError::Card { index: 0, .. }));
}

#[test]
fn what_the_reader_gets_is_what_the_owner_granted() {
    let mut world = World::new();
    let object = world.stored(b"record");
    let share = world.shared(object);
    assert!(matches!(world.open(&wallet(7), &object, &share.wrap), Err(OpenRecordError::NoGrant { .. })));
    let swapped = KeyWrap { enc: vec![9; 32], ..share.wrap.clone() };
    assert!(matches!(world.open(&world.institute, &object, &swapped), Err(OpenRecordError::OtherWrap)));

    let name = ObjectName { object, version: FIRST_VERSION };
    let length = world.objects.length(&name).unwrap().unwrap();
    let mut sealed = world.objects.get(&name, 0..length).unwrap();
    *sealed.last_mut().unwrap() ^= 1;
    world.objects.put(&name, &mut sealed.as_slice()).unwrap();
    let refused = world.open(&world.institute, &object, &share.wrap).unwrap_err();
    assert!(matches!(refused, OpenRecordError::OtherContent { .. }));
    world.objects.delete(&name).unwrap();
    assert!(matches!(world.open(&world.institute, &object, &share.wrap), Err(OpenRecordError::Fetch(_))));
}

#[test]
fn a_request_names_what_it_is_for() {
    let mut world = World::new();
    let (object, other) = (world.stored(b"record"), world.stored(b"other"));
    let mut log = Log::open(&world.state, world.chain, object).unwrap();
    let before = log;
    let (request, elsewhere) = (world.share_request(object), world.share_request(other));
    let entropy = &mut world.entropy;
    let refused = share(&mut world.patient, &mut log, &elsewhere, None, entropy).unwrap_err();
    assert!(matches!(refused, ShareError::OtherObject { found } if found == other));
    let mut longer = request.clone();
    longer.terms.not_after = Timestamp::MAX;
    let refused = share(&mut world.patient, &mut log, &longer, None, entropy).unwrap_err();
    assert!(matches!(refused, ShareError::Request(_)));
    let mut empty = request.clone();
    empty.terms.permissions = Permissions::NONE;
    assert!(matches!(share(&mut world.patient, &mut log, &empty, None, entropy), Err(ShareError::NothingAsked)));
    let mut redirected = request.clone();
    redirected.terms.card.kem = wallet(7).kem_key().public_key();
    assert!(matches!(share(&mut world.patient, &mut log, &redirected, None, entropy), Err(ShareError::Card(_))));
    let refused = share(&mut world.institute, &mut log, &request, None, entropy).unwrap_err();
    assert!(matches!(refused, ShareError::Wallet(WalletError::UnknownRecord { .. })));
    assert_eq!(log, before, "what was refused takes no place");
}

#[test]
fn a_priced_grant_is_paid_or_does_not_happen() {
    let mut world = World::new();
    let object = world.stored(b"record");
    let request = world.share_request(object);
    let lock = world.patient.new_lock().unwrap();
    let price = Output { token: EURO, amount: Amount(300), lock: lock.clone() };
    let mut log = Log::open(&world.state, world.chain, object).unwrap();
    let share = share(&mut world.patient, &mut log, &request, Some(price), &mut world.entropy).unwrap();

    let (state, parameters, context) = (world.state.clone(), world.parameters.clone(), world.context());
    let mut unpaid = Transaction { outputs: Vec::new(), ..share.transaction() };
    let spending = Spending { view: &state, parameters: &parameters, context: &context, fee: FEE };
    world.institute.fund(&mut unpaid, &spending, &mut world.entropy).unwrap();
    let refused = world.apply(&unpaid).unwrap_err();
    assert!(matches!(refused, ExecuteError::Rejected(rejection) if rejection.rule == "record-payment"));
    world.institute.release(&unpaid);

    world.publish(share.transaction(), |world| &mut world.institute);
    let paid: Vec<Amount> = coins(&world.state, &lock).unwrap().iter().map(|(_, coin)| coin.output.amount).collect();
    assert_eq!(paid, [Amount(300)]);
    assert_eq!(world.open(&world.institute, &object, &share.wrap).unwrap().document.bytes, b"record");
}

#[test]
fn a_revocation_costs_nothing_and_rotation_makes_the_old_key_useless() {
    let mut world = World::new();
    let object = world.stored(b"record");
    let first = world.shared(object);
    // A second reader, who stays.
    let mut stays = wallet(5);
    std::mem::swap(&mut world.institute, &mut stays);
    world.shared(object);
    std::mem::swap(&mut world.institute, &mut stays);

    let mut log = Log::open(&world.state, world.chain, object).unwrap();
    let grantee = first.operation.terms.grantee;
    let revocation = revoke(&mut world.patient, &mut log, &grantee, &mut world.entropy).unwrap();
    let destination = World::destination(&world.objects, world.chain, &world.gateway);
    let rotation = rotate(&mut world.patient, &mut log, &world.state, destination, NOW, &mut world.entropy).unwrap();
    world.apply(&revocation.transaction()).unwrap();
    assert!(matches!(world.open(&world.institute, &object, &first.wrap), Err(OpenRecordError::NoGrant { .. })));

    world.publish(rotation.operation.transaction(), |world| &mut world.patient);
    assert_eq!(rotation.shares.len(), 1, "only who stays is granted the new version");
    let share = &rotation.shares[0];
    world.publish(share.transaction(), |world| &mut world.patient);
    assert_eq!(world.open(&stays, &object, &share.wrap).unwrap().document.bytes, b"record");
    assert!(world.open(&world.institute, &object, &first.wrap).is_err());
    assert!(world.open(&world.institute, &object, &share.wrap).is_err());

    // Even with the new object's bytes at hand, the old key opens nothing.
    let state = records::object(&world.state, &object).unwrap().unwrap();
    let name = ObjectName { object, version: rotation.version };
    let sealed = world.objects.get(&name, 0..state.content.length).unwrap();
    let position = &first.operation.position;
    let owner = world.patient.record_key(0).unwrap().public_key();
    let context =
        WrapContext { chain: world.chain, object, version: position.version, epoch: position.epoch, owner, grantee };
    let old = health_chain_data::wrap::unwrap(world.institute.kem_key(), &context, &first.wrap).unwrap();
    assert!(Document::open(&old, &object, rotation.version, &sealed).is_err());

    world.patient.remove_versions_below(&object, rotation.version).unwrap();
    assert!(world.patient.record(&object, FIRST_VERSION).is_err());
    let own = open_own(&world.patient, &world.state, world.chain, &object, &world.objects).unwrap();
    assert_eq!(own.document.bytes, b"record");
    assert!(own.institution.is_some(), "the attestation still holds");
}

#[test]
fn rotation_renews_only_what_is_in_force() {
    let mut world = World::new();
    let object = world.stored(b"record");
    world.shared(object);
    // Offered to somebody else for a price, and never paid.
    let mut buyer = wallet(5);
    std::mem::swap(&mut world.institute, &mut buyer);
    let request = world.share_request(object);
    let price = Output { token: EURO, amount: Amount(300), lock: world.patient.new_lock().unwrap() };
    let mut offered = Log::open(&world.state, world.chain, object).unwrap();
    share(&mut world.patient, &mut offered, &request, Some(price), &mut world.entropy).unwrap();
    assert_eq!(world.patient.readers(&object).unwrap().len(), 2);
    for (now, renewed) in [(NOW, 1), (Timestamp(NOW.0 + 999), 1), (Timestamp(NOW.0 + 1_000), 0)] {
        let mut log = Log::open(&world.state, world.chain, object).unwrap();
        let destination = World::destination(&world.objects, world.chain, &world.gateway);
        let entropy = &mut world.entropy;
        let rotation = rotate(&mut world.patient, &mut log, &world.state, destination, now, entropy).unwrap();
        assert_eq!(rotation.shares.len(), renewed, "at {now}");

        let mut log = Log::open(&world.state, world.chain, object).unwrap();
        let entropy = &mut world.entropy;
        let again = rotate(&mut world.patient, &mut log, &world.state, destination, now, entropy).unwrap_err();
        assert!(matches!(again, RotationError::Pending { version } if version == rotation.version));
        let unused = Log::open(&world.state, world.chain, object).unwrap();
        assert_eq!(log, unused, "what was not made takes no place");
        world.patient.abandon_version(&object, rotation.version).unwrap();
    }
}

#[test]
fn deletion_destroys_ciphertext_and_keys_and_leaves_a_receipt() {
    let mut world = World::new();
    let object = world.stored(b"record");
    let share = world.shared(object);
    let shredded =
        |world: &World| shred(&world.state, world.chain, &object, &world.objects, NOW, &world.gateway, &[0; 32]);
    assert!(matches!(shredded(&world), Err(ShredError::NotDeleted { .. })));
    let mut log = Log::open(&world.state, world.chain, object).unwrap();
    let operation = delete(&world.patient, &mut log, &mut world.entropy).unwrap();
    world.publish(operation.transaction(), |world| &mut world.patient);
    let kept = [
        ObjectName { object, version: FIRST_VERSION },
        // Of a rotation that never came on the chain.
        ObjectName { object, version: FIRST_VERSION + 1 },
        wrap_name(&object, &share.wrap.commitment()),
    ];
    for name in &kept {
        world.objects.put(name, &mut &b"ciphertext"[..]).unwrap();
    }
    let receipt = shredded(&world).unwrap();
    receipt.verify().unwrap();
    for name in kept {
        assert_eq!(world.objects.length(&name).unwrap(), None, "{name}");
    }
    assert!(DeletionReceipt { at: Timestamp(1), ..receipt }.verify().is_err());
    world.patient.remove_object(&object).unwrap();
    assert!(world.patient.records().unwrap().is_empty() && world.patient.readers(&object).unwrap().is_empty());
    let refused = world.open(&world.institute, &object, &share.wrap).unwrap_err();
    assert!(matches!(refused, OpenRecordError::Object(LogError::Deleted { .. })));
    assert!(matches!(Log::open(&world.state, world.chain, object), Err(LogError::Deleted { .. })));
}

#[test]
fn what_passes_through_is_not_printed() {
    let mut world = World::new();
    let (_, request) = world.request();
    let record = NewRecord {
        request,
        media_type: "application/octet-stream".into(),
        document: vec![171; 99],
        record_type: "LOINC 18842-5".into(),
        supersedes: None,
    };
    let (index, message) = world.issued(&[&[171; 99]]).remove(0);
    let received = world.receive(index, &message).unwrap();
    let blinding = format!("{:?}", *received.blinding);
    for printed in [format!("{record:?}"), format!("{received:?}")] {
        assert!(printed.contains("99 bytes, hidden") && !printed.contains("171, 171"), "{printed}");
        assert!(!printed.contains(blinding.trim_matches(['[', ']'])), "{printed}");
    }
}

#[test]
fn a_patients_own_record_needs_no_institution() {
    let mut world = World::new();
    let key = world.patient.new_record_key().unwrap();
    let description = Description { media_type: "text/plain".into(), owner: key.key.public_key(), provenance: None };
    let document = Document { description, bytes: b"diary".to_vec() };
    let blinding = world.entropy.draw().unwrap();
    let destination = World::destination(&world.objects, world.chain, &world.gateway);
    let other = world.patient.new_record_key().unwrap().index;
    let refused = store(&mut world.patient, other, &document, &blinding, destination, &mut world.entropy).unwrap_err();
    assert!(matches!(refused, StoreRecordError::OtherOwner { .. }));
    let operation =
        store(&mut world.patient, key.index, &document, &blinding, destination, &mut world.entropy).unwrap();
    // Somebody else pays.
    world.publish(operation.transaction(), |world| &mut world.hospital);
    let own = open_own(&world.patient, &world.state, world.chain, &operation.position.object, &world.objects).unwrap();
    assert_eq!((own.document, own.institution.is_none()), (document, true));
}
