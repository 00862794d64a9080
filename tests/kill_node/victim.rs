//! The process that is killed: two nodes at work, and the word on each thing that is begun or done.

use std::{
    fmt,
    io::Write,
    net::Ipv4Addr,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use health_chain::{
    application::{
        audit::ReceiptTerms,
        authorize::{Access, AccessRequest, GatewayRules},
        gateway::{ClientError, Gateway, GatewayClient, GatewayParts},
        node::{Node, NodeBuilder, NodeEvent},
        objects::FolderObjects,
        payload::Payload,
        ports::{ObjectName, ObjectStore, SystemEntropy},
        records::{self, Content, Grant, GrantTerms, Permissions, Position, Purpose, Revoke, Store},
    },
    consensus::{Accepted, Chain, ConsensusParameters, Solo},
    data::{
        Block, ChainId, Commitment, Genesis, Header, Height, Millis, ObjectId, PublicKey, SecretKey, Timestamp,
        seal::{SealingKey, ct_root, seal},
        sha256, tagged_hash,
        wrap::{KemSecretKey, KeyWrap, WrapContext, WrappedSecrets, wrap},
    },
    data_sled::SledStore,
    network::Address,
    network_quic::{QuicConfig, QuicTransport},
};

use crate::{
    NODES, Random,
    common::{GATEWAY, GRANTEE, OWNER, START, block_on, contracts, fund, gateway_id, genesis, key, mint, public, solo},
};

/// How far the clock is ahead with each run: a gateway refuses requests that its last run could have answered.
const RUN_SECONDS: u32 = 120;

pub(crate) fn document() -> Genesis {
    genesis("kill node", ConsensusParameters::default())
}

/// The sealed record, how it is recorded on the chain, and its key as wrapped for the grantee.
fn sealed() -> (Vec<u8>, Store, KeyWrap) {
    let chain = document().chain_id();
    let id = records::object_id(&chain, &public(OWNER), &[7; 32]);
    let sealed = seal(SealingKey::new(&[3; 32]), &id, 0, &[4; 24], &[5; 100_000]).unwrap();
    let content = Content {
        commitment: Commitment(sha256(b"record")),
        ct_root: sealed.receipt.ct_root,
        length: sealed.receipt.sealed_bytes,
    };
    let store = Store::sign(chain, gateway_id(), [7; 32], content, &key(OWNER), &[0; 32]).unwrap();
    let (owner, grantee) = (public(OWNER), public(GRANTEE));
    let context = WrapContext { chain, object: id, version: 0, epoch: 0, owner, grantee };
    let secrets =
        WrappedSecrets { key: sealed.receipt.key, blinding: [6; 32].into(), document_digest: sha256(b"record") };
    let wrap = wrap(&KemSecretKey::from_seed(&[7; 32]).public_key(), &context, &secrets, &[8; 32]).unwrap();
    (sealed.bytes, store, wrap)
}

fn say(line: impl fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the parent reads");
}

/// The victim's two nodes, and what they work on.
struct Site {
    keeper: Arc<Node>,
    reader: Arc<Node>,
    gateway: Gateway,
    now: Arc<dyn Fn() -> Millis + Send + Sync>,
    object: ObjectId,
}

impl Site {
    fn start(folder: &Path, run: u64) -> Self {
        let began = Instant::now();
        let offset = Millis::from(START).saturating_add(run * u64::from(RUN_SECONDS) * 1000);
        let now: Arc<dyn Fn() -> Millis + Send + Sync> =
            Arc::new(move || offset.saturating_add(began.elapsed().as_millis() as u64));
        let objects = Arc::new(FolderObjects::open(&folder.join("objects")).unwrap());
        let (bytes, store, wrap) = sealed();
        let object = store.position.object;
        objects.put(&ObjectName { object, version: 0 }, &mut bytes.as_slice()).unwrap();
        // Everything is served that is granted: this is about what is remembered, and the rules on depth have their own tests.
        let year = 365 * 24 * 60 * 60;
        let rules = GatewayRules {
            store_depth: 1,
            max_reorganisation_depth: 1_000,
            max_tip_age_seconds: year,
            ..GatewayRules::default()
        };
        let parts = GatewayParts::new(Box::new(key(GATEWAY)), objects, Box::new(SystemEntropy));
        let gateway = Gateway::new(GatewayParts { rules, ..parts });
        gateway.keep_wrap(&object, &wrap).unwrap();
        let (keeper, address) = node(folder, 0, Some(gateway.clone()), &now, vec![]);
        let (reader, _) = node(folder, 1, None, &now, vec![address]);
        Self { keeper: Arc::new(keeper), reader: Arc::new(reader), gateway, now, object }
    }

    fn client(&self) -> GatewayClient<'_> {
        GatewayClient::new(&self.reader, self.keeper.id())
    }
}

fn node(
    folder: &Path,
    number: usize,
    gateway: Option<Gateway>,
    now: &Arc<dyn Fn() -> Millis + Send + Sync>,
    peers: Vec<Address>,
) -> (Node, Address) {
    let (executor, rewards) = contracts();
    let store = Box::new(SledStore::open(&folder.join(NODES[number])).unwrap());
    let node_key = key(20 + number as u8);
    let transport = QuicTransport::bind(QuicConfig { listen: (Ipv4Addr::LOCALHOST, 0).into(), node_key }).unwrap();
    let address = Address(transport.local_address().to_string());
    let engine = Box::new(Solo::follower(solo()));
    let mut builder = NodeBuilder::new(document(), store, engine, executor, rewards, Box::new(transport))
        .listen(address.clone())
        .peers(peers)
        .clock(Arc::clone(now));
    if let Some(gateway) = gateway {
        builder = builder.service(Box::new(gateway));
    }
    (builder.start().unwrap(), address)
}

/// The block at `height` on `parent`: it mints, and the coin pays for the record's next operation. The object's sequence number is
/// thus a question of height: stored in block 1, granted in every even block, revoked in every odd one after that.
fn block(chain: ChainId, parent: &Header, height: u32, now: Timestamp, random: &mut Random) -> Block {
    let mint = mint(chain, height.into(), &[1 + random.below(1_000)]);
    let (_, store, wrap) = sealed();
    let position = Position { seq: u64::from(height) - 1, ..store.position };
    let operation = match height {
        1 => store.transaction(),
        _ if height.is_multiple_of(2) => {
            let terms = GrantTerms {
                grantee: public(GRANTEE),
                permissions: Permissions::READ,
                purpose: Purpose::RESEARCH,
                not_before: START,
                not_after: Timestamp(START.0 + 100_000_000),
                wrap_commit: wrap.commitment(),
                payment: None,
            };
            Grant::sign(position, terms, &key(OWNER), &[0; 32]).unwrap().transaction()
        }
        _ => Revoke::sign(position, public(GRANTEE), &key(OWNER), &[0; 32]).unwrap().transaction(),
    };
    let operation = fund(operation, chain, &mint, 0, 0);
    block_on(parent, now.max(parent.time.saturating_add(1)), vec![mint, operation])
}

/// Works in `folder` until the process is killed.
pub(crate) fn run(folder: &Path, run: u64) -> ! {
    say("begin opening");
    let site = Arc::new(Site::start(folder, run));
    say("done opening");
    let events = site.reader.events().unwrap();
    thread::spawn(move || {
        for event in events {
            if let NodeEvent::Tip { id, height, .. } = event {
                say(format_args!("tip {id} {height}"));
            }
        }
    });
    let other = Arc::clone(&site);
    thread::spawn(move || ask(&other, Random(0xa5c ^ (run << 8))));
    work(&site, Random(0xb10c ^ (run << 8)));
}

/// Makes blocks, and branches that outgrow the chain.
fn work(site: &Site, mut random: Random) -> ! {
    let chain = document().chain_id();
    loop {
        // One round in four builds a branch that forks off below the tip and outgrows it.
        let depth = if random.below(4) == 0 { 1 + random.below(6) as u32 } else { 0 };
        let look = move |chain: &Chain, _: &_| {
            let tip = chain.tip();
            let base = Height(tip.height.0.saturating_sub(depth));
            let id = chain.block_id_at(base).unwrap();
            (tip.height.0, base.0, chain.header(&id).unwrap())
        };
        let (tip, base, mut parent) = site.keeper.read(look).unwrap();
        for height in base + 1..=tip + 1 {
            let block = block(chain, &parent, height, (site.now)().timestamp(), &mut random);
            parent = block.header.clone();
            let id = block.id();
            let what = if height <= tip || depth == 0 { "block" } else { "reorganisation" };
            say(format_args!("begin {what} {id}"));
            let accepted = site.keeper.submit_block(block).unwrap().expect("the victim's blocks are valid");
            let is_tip = matches!(accepted, Accepted::Connected(_));
            say(format_args!("done {what} {id} {}", if is_tip { height } else { 0 }));
        }
    }
}

/// Reads the record as its grantee would, and withdraws from it as its owner would: for grantees of the past, so that reading goes on,
/// and for the present one where the chain is about to say so, too.
fn ask(site: &Site, mut random: Random) {
    while site.reader.status().unwrap().peers.is_empty() || site.object_seq().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    loop {
        let seq = site.object_seq().unwrap() + 1;
        match random.below(3) {
            0 => site.withdraw(seq, former_grantee(random.below(100))),
            1 if seq.is_multiple_of(2) => site.withdraw(seq, public(GRANTEE)),
            _ => site.read(&mut random),
        }
        if random.below(4) == 0 {
            let message = random.below(u64::MAX).to_le_bytes().repeat(100);
            say(format_args!("begin keeping {}", sha256(&message)));
            let hash = site.gateway.keep_message(&message).unwrap();
            say(format_args!("done keeping {hash}"));
        }
    }
}

fn former_grantee(number: u64) -> PublicKey {
    let secret = tagged_hash("former grantee", &[&number.to_le_bytes()]);
    SecretKey::from_bytes(secret.as_bytes()).unwrap().public_key()
}

impl Site {
    fn object_seq(&self) -> Option<u64> {
        let object = self.object;
        let found = self.keeper.read(move |chain, _| records::object(chain.state(), &object).unwrap()).unwrap();
        found.map(|object| object.seq)
    }

    fn withdraw(&self, seq: u64, grantee: PublicKey) {
        let position = Position { seq, ..sealed().1.position };
        let revoke = Revoke::sign(position, grantee, &key(OWNER), &[0; 32]).unwrap();
        say(format_args!("begin withdrawal {grantee} {seq}"));
        match self.client().withdraw(&revoke.transaction()) {
            Ok(()) => say(format_args!("done withdrawal {grantee} {seq}")),
            // A reorganisation may be under way, and the object not stored on the branch at hand.
            Err(error) => say(format_args!("refused withdrawal {error}")),
        }
    }

    fn read(&self, random: &mut Random) {
        let chain = document().chain_id();
        let access = Access {
            object: self.object,
            version: 0,
            requester: public(GRANTEE),
            permission: Permissions::READ,
            purpose: Purpose::RESEARCH,
        };
        let time = (self.now)().timestamp();
        let nonce = sha256(&random.below(u64::MAX).to_le_bytes()).0;
        let request =
            AccessRequest::sign(chain, self.gateway.id(), access, time, nonce, &key(GRANTEE), &[0; 32]).unwrap();
        let name = request.message();
        say(format_args!("begin read {name}"));
        let opened = match self.client().open(request) {
            Ok(opened) => opened,
            Err(ClientError::Refused { rule, .. }) => return say(format_args!("done denial {name} {rule}")),
            Err(error) => return say(format_args!("refused read {error}")),
        };
        say(format_args!("done read {name} permit"));
        // Between two requests the grant may have been revoked.
        let Ok(bytes) = self.client().read(&opened) else { return };
        assert_eq!(ct_root(&bytes), opened.content.ct_root, "what is served is what was stored");
        let terms = ReceiptTerms {
            chain,
            object: self.object,
            version: 0,
            reader: public(GRANTEE),
            gateway: public(GATEWAY),
            at: time,
            bytes: bytes.len() as u64,
        };
        say(format_args!("begin receipt {name}"));
        let signature = key(GRANTEE).sign(&terms.message(), &[0; 32]);
        if let Ok(receipt) = self.client().confirm(&opened, terms, signature) {
            say(format_args!("done receipt {}", receipt.hash()));
        }
    }
}
