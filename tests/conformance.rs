//! Every implementation of a seam goes through the suite of that seam.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    net::Ipv4Addr,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
        mpsc,
    },
};

use common::{
    ACCREDITOR, GRANTEE, HOSPITAL, OWNER, START, block_on, contracts, fund, key, mint, output, point, public,
    sign_spend, store_operation,
};
use health_chain::{
    application::{
        authorize::{Access, AccessRequest},
        council::{Admit, Ballot, CouncilParameters, CouncilProgram, CouncilStake, Founder, Remove},
        gateway::{Gateway, GatewayParts, Request},
        identities::{ApplicationParameters, Approval, Identities, InitialInstitution, InstitutionId, Register},
        node::{NoService, NodeBuilder, ParallelVerifier},
        objects::{FolderObjects, MemoryObjects},
        payload::Payload,
        ports::{Opaque, OwnerGrants, SeededEntropy, SystemEntropy},
        records::{FIRST_VERSION, Grant, GrantTerms, Issue, Permissions, Position, Purpose, Records, Revoke},
    },
    consensus::{
        ConsensusParameters, Epochs, Solo, SoloParameters, Validator,
        ports::{AcceptAll, BlockContext, ExecuteError, Executor, FixedStake, NoEvidence, NoReward, NoSearch, Offence},
    },
    consensus_bft::{Bft, BftParameters, Choice, Claim, Equivocation, Evidence, Signed, Statement},
    consensus_pos::{PosParameters, ProofOfStake},
    consensus_pow::{Miner, PowParameters, ProofOfWork, Retarget, Seal},
    contract::{
        Scripts,
        custody::{
            Assign, Code, Consume, Custody, CustodyParameters, Fate, HandOver, Make, Move, Operation, Recall, Scope,
            SerialDigest,
        },
        notary::{NOTARIZE, Notarization, Notary},
        ports::{NoProgram, NoSignatures, Program, SignatureCheck},
        quorum::SignerSignature,
        release::{Beneficiary, Condition, Deposit, Open, Release, Renew, Withdraw},
        scripts::{SpendSignatures, Template, data_message},
        sharing::deal,
    },
    data::{
        Amount, Block, BlockId, ChainId, Genesis, Hash, Header, Height, Input, Kind, Lock, Millis, Output, SecretKey,
        Signature, Timestamp, Transaction, TxId, Witness,
        batch::BatchVerifier,
        codec::encode,
        ports::{ChainStore, ScalarHasher, SignatureClaim, SingleVerifier, StateView, Verifier},
        sha256,
        state::{Changes, MemoryStore, Overlay, Table},
        transaction::spent_outputs_hash,
        wrap::KemSecretKey,
    },
    data_simd::{LaneHasher, LaneVerifier, kernels, signature_kernels},
    data_sled::SledStore,
    incentive::{Bond, BondedStake, SingleKey, StakeParameters, kinds::TRANSFER, ports::Spend, tables::BONDS},
    network::{
        Address, MemoryHub, PeerId,
        ports::{FixedTip, NoInbound},
    },
    network_quic::{QuicConfig, QuicTransport},
};
use health_chain_testkit::conformance;

#[test]
fn memory_store() {
    conformance::store(|| Box::<MemoryStore>::default());
}

#[test]
fn sled_store() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut stores = 0;
    conformance::store(|| {
        stores += 1;
        Box::new(SledStore::open(&folder.path().join(stores.to_string())).expect("a new store opens"))
    });
}

#[test]
fn scalar_hasher() {
    conformance::hasher(&ScalarHasher);
}

#[test]
fn lane_hashers() {
    conformance::hasher(&LaneHasher::detect());
    for kernel in kernels() {
        conformance::hasher(&LaneHasher::with(kernel).expect("a kernel that this processor has"));
    }
}

#[test]
fn single_verifier() {
    conformance::verifier(&SingleVerifier);
}

#[test]
fn batch_verifier() {
    conformance::verifier(&BatchVerifier);
}

#[test]
fn lane_verifiers() {
    for kernel in signature_kernels() {
        conformance::verifier(&LaneVerifier::with(kernel).expect("a kernel that this processor has"));
    }
}

#[test]
fn parallel_verifier() {
    for threads in [1, 2, 5] {
        let threads = NonZeroUsize::new(threads).expect("not zero");
        conformance::verifier(&ParallelVerifier::new(threads));
        conformance::verifier(&ParallelVerifier::over(LaneVerifier::detect(), threads));
    }
}

#[test]
fn memory_objects() {
    conformance::objects(&MemoryObjects::default());
}

#[test]
fn folder_objects() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    conformance::objects(&FolderObjects::open(folder.path()).expect("a new store opens"));
}

#[test]
fn secret_key_signer() {
    let key = SecretKey::from_bytes(&[7; 32]).expect("a small number is a secret key");
    conformance::signer(&key);
}

#[test]
fn solo_engine() {
    let key = || SecretKey::from_bytes(&[7; 32]).expect("a small number is a secret key");
    let parameters = SoloParameters { authority: key().public_key(), interval_seconds: 5 };
    let genesis =
        Genesis::new("solo", Timestamp(1_000), vec![]).with(&ConsensusParameters::default()).with(&parameters);
    let maker = || Box::new(Solo::authority(parameters, Box::new(key()))) as _;
    conformance::engine(&genesis, maker, || Box::new(Solo::follower(parameters)));
}

/// With one set for ever, and with epochs that end on the way.
#[test]
fn bft_engine() {
    let key = || SecretKey::from_bytes(&[7; 32]).expect("a small number is a secret key");
    for blocks in [0, 1, 2] {
        let epochs = Epochs { blocks, evidence_blocks: 10 };
        let genesis = Genesis::new("bft", Timestamp(1_000), vec![])
            .with(&ConsensusParameters::default())
            .with(&BftParameters { epochs, ..BftParameters::equal([key().public_key()]) });
        let maker = || Box::new(Bft::validator(&genesis, Box::new(key())).expect("it is the only validator")) as _;
        let follower = || Box::new(Bft::follower(&genesis).expect("the document names a validator")) as _;
        conformance::engine(&genesis, maker, follower);
    }
}

#[test]
fn proof_of_stake_engine() {
    let key = || SecretKey::from_bytes(&[7; 32]).expect("a small number is a secret key");
    let epochs = Epochs { blocks: 2, evidence_blocks: 10 };
    let genesis = Genesis::new("pos", Timestamp(1_000), vec![])
        .with(&ConsensusParameters::default())
        .with(&PosParameters::founded_by([key().public_key()], epochs));
    let stakes = || Arc::new(FixedStake(vec![Validator { key: key().public_key(), power: 3 }]));
    let maker = || Box::new(ProofOfStake::validator(&genesis, stakes(), Box::new(key())).unwrap()) as _;
    conformance::engine(&genesis, maker, || Box::new(ProofOfStake::follower(&genesis, stakes()).unwrap()));
}

#[test]
fn stake_views() {
    let validators = [1, 2, 3].map(|seed| Validator { key: public(seed), power: u32::from(seed) });
    conformance::stake_view(&FixedStake(validators.to_vec()), &MemoryStore::default(), &validators);

    let mut state = MemoryStore::default();
    let mut changes = Changes::default();
    let bond = |units| Bond { owner: public(OWNER), amount: Amount(units * 10 + 9), leaving: vec![], jailed: None };
    for seed in 1..=3 {
        changes.put(BONDS, *public(seed).as_bytes(), encode(&bond(u64::from(seed))));
    }
    changes.put(BONDS, *public(4).as_bytes(), encode(&bond(0)));
    let jailed = Bond { jailed: Some(Height(1)), ..bond(9) };
    changes.put(BONDS, *public(5).as_bytes(), encode(&jailed));
    state.commit(&changes).unwrap();
    let stake = StakeParameters { token: common::TOKEN, unit: Amount(10), least_power: 6, slash_per_mille: 1 };
    conformance::stake_view(&BondedStake::new(stake), &state, &validators);
    conformance::stake_view(&BondedStake::new(StakeParameters { least_power: 7, ..stake }), &state, &[]);

    conformance::stake_view(&CouncilStake, &MemoryStore::default(), &[]);
    let (genesis, program) = council();
    let mut overlay = Overlay::new(&state);
    Identities::new(common::application()).unwrap().genesis(&mut overlay, &genesis).unwrap();
    program.genesis(&mut overlay, &genesis).unwrap();
    let changes = overlay.into_changes().unwrap();
    state.commit(&changes).unwrap();
    conformance::stake_view(&CouncilStake, &state, &[Validator { key: public(OWNER), power: 4 }]);
}

/// A council of the one institution that there is.
fn council() -> (Genesis, CouncilProgram) {
    let founder = Founder { institution: public(HOSPITAL), key: public(OWNER), power: 4 };
    let parameters = CouncilParameters { founders: vec![founder] };
    let program = CouncilProgram::new(parameters.clone(), Arc::new(Equivocation)).unwrap();
    (genesis().with(&parameters), program)
}

#[test]
fn evidence_checks() {
    let chain = genesis().chain_id();
    let vote = |seed: u8, round, block: Option<BlockId>| {
        let statement = Statement { height: Height(7), round, claim: Claim::Prevote(block.map(Choice::from)) };
        let signature = key(seed).sign(&statement.message(chain), &[0; 32]);
        Signed { statement, validator: public(seed), signature }
    };
    let (nil, block) = (vote(OWNER, 0, None), vote(OWNER, 0, Some(BlockId::default())));
    let pair = |one, other| encode(&Evidence(one, other));
    let offence = Offence { offender: public(OWNER), height: Height(7) };
    let proven = [(pair(nil, block), offence), (pair(block, nil), offence)];
    let worthless = [
        vec![],
        pair(nil, nil),
        pair(nil, vote(OWNER, 1, Some(BlockId::default()))),
        pair(nil, vote(GRANTEE, 0, Some(BlockId::default()))),
        pair(nil, Signed { signature: nil.signature, ..block }),
        pair(nil, Signed { validator: public(GRANTEE), ..block }),
    ];
    conformance::evidence_check(&Equivocation, chain, &proven, &worthless);
    conformance::evidence_check(&NoEvidence, chain, &[], &[vec![], pair(nil, block)]);
}

#[test]
fn proof_of_work_engine() {
    // One hash in 2^16: few enough to find, too many for a changed header to meet it by chance.
    let limit_bits = 0x1f00_ffff;
    for retarget in [Retarget::Asert { half_life_seconds: 3_600 }, Retarget::Bitcoin2016 { bip54: true }] {
        let parameters = PowParameters { interval_seconds: 60, retarget, limit_bits };
        let seal = Seal { bits: limit_bits, nonce: 0 }.to_bytes();
        let genesis =
            Genesis::new("pow", Timestamp(1_000), seal).with(&ConsensusParameters::default()).with(&parameters);
        let follower = || Box::new(ProofOfWork::follower(parameters).expect("sound parameters")) as _;
        let maker = || Box::new(ProofOfWork::miner(parameters).expect("sound parameters")) as _;
        conformance::engine(&genesis, maker, follower);
    }
}

#[test]
fn memory_transport() {
    let hub = MemoryHub::new();
    conformance::transport(|number| {
        let address = Address(format!("node {number}"));
        (Box::new(hub.join(PeerId(sha256(&[number])), address.clone())), address)
    });
}

#[test]
fn quic_transport() {
    conformance::transport(|number| {
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        let node_key = SecretKey::from_bytes(&[number; 32]).expect("a small number is a secret key");
        let transport = QuicTransport::bind(QuicConfig { listen, node_key }).expect("loopback has a free port");
        let address = Address(transport.local_address().to_string());
        (Box::new(transport), address)
    });
}

fn genesis() -> Genesis {
    common::genesis("conformance", ConsensusParameters::default())
}

/// Mints coins; then an object is stored, granted and revoked.
fn records_and_money() -> Vec<Transaction> {
    let chain = genesis().chain_id();
    let coins = mint(chain, 1, &[1_000; 4]);
    let [store, grant, revoke] = record_operations(chain);
    let funded = |operation, index| fund(operation, chain, &coins, index, 10);
    vec![coins.clone(), funded(store, 0), funded(grant, 1), revoke]
}

fn record_operations(chain: ChainId) -> [Transaction; 3] {
    let store = store_operation(chain);
    let at = |seq| Position { seq, ..store.position };
    let terms = GrantTerms {
        grantee: public(GRANTEE),
        permissions: Permissions::READ,
        purpose: Purpose::TREATMENT,
        not_before: START,
        not_after: Timestamp(START.0 + 1_000),
        wrap_commit: sha256(b"wrap"),
        payment: None,
    };
    let grant = Grant::sign(at(1), terms, &key(OWNER), &[0; 32]).unwrap();
    let revoke = Revoke::sign(at(2), public(GRANTEE), &key(OWNER), &[0; 32]).unwrap();
    [store.transaction(), grant.transaction(), revoke.transaction()]
}

fn register(chain: ChainId) -> Transaction {
    let mut register = Register::sign(chain, "a clinic", &key(9), &[0; 32]).unwrap();
    register.approvals = vec![Approval::sign(0, &register.message(), &key(ACCREDITOR), &[0; 32]).unwrap()];
    register.transaction()
}

#[test]
fn accept_all_executor() {
    let anything = [Transaction::new(Kind(7), vec![1]), Transaction::new(Kind(60_000), vec![])];
    conformance::executor(|| Arc::new(AcceptAll), &genesis(), &anything, &[]);
}

#[test]
fn contracts_executor() {
    let chain = genesis().chain_id();
    let sound = records_and_money();
    let mut unsound = sound.clone();
    unsound.push(fund(Transaction::new(Kind(60_000), vec![]), chain, &sound[0], 2, 10));
    unsound.push(fund(Transaction::new(TRANSFER, vec![1]), chain, &sound[0], 2, 10));
    // Refused by the program when the ledger has taken it already.
    unsound.push(fund(record_operations(chain)[1].clone(), chain, &sound[0], 2, 10));
    conformance::executor(|| contracts().0, &genesis(), &sound, &unsound);
}

#[test]
fn no_program() {
    conformance::program(|| Arc::new(NoProgram), &genesis(), &[], &[]);
}

#[test]
fn records_program() {
    let chain = genesis().chain_id();
    let sound = record_operations(chain);
    let mut unsound = sound.to_vec();
    unsound.push(Issue::sign(chain, sha256(b"root"), 1, &key(HOSPITAL), &[0; 32]).unwrap().transaction());
    conformance::program(|| Arc::new(Records), &genesis(), &sound, &unsound);
}

#[test]
fn identities_program() {
    let chain = genesis().chain_id();
    let unsound = [register(chain), register(ChainId(sha256(b"another")))];
    let program = || Arc::new(Identities::new(common::application()).unwrap()) as _;
    conformance::program(program, &genesis(), &[register(chain)], &unsound);
}

/// Two of three keys date a commitment.
fn notarization(chain: ChainId, signers: [u8; 2]) -> Transaction {
    let keys = [OWNER, GRANTEE, HOSPITAL];
    let (commitment, signers_of) = (sha256(b"a will"), keys.map(public).to_vec());
    let mut notarization = Notarization { commitment, threshold: 2, signers: signers_of, signatures: vec![] };
    let message = notarization.message(&chain);
    let sign = |signer| SignerSignature { signer, signature: key(keys[usize::from(signer)]).sign(&message, &[0; 32]) };
    notarization.signatures = signers.map(sign).to_vec();
    Transaction::new(NOTARIZE, encode(&notarization))
}

#[test]
fn notary_program() {
    let chain = genesis().chain_id();
    let unsound = [notarization(chain, [1, 2]), notarization(chain, [1, 0])];
    conformance::program(|| Arc::new(Notary), &genesis(), &[notarization(chain, [0, 2])], &unsound);
}

#[test]
fn custody_program() {
    let parameters = CustodyParameters { threshold: 1, registrars: vec![public(ACCREDITOR)] };
    let genesis = genesis().with(&parameters);
    let chain = genesis.chain_id();
    let (product, lot, document) = (Code::new("04012345678901").unwrap(), Code::new("A7").unwrap(), None);
    let (maker, receiver) = (public(HOSPITAL), public(GRANTEE));
    let serial = SerialDigest::of(&product, "21X4");
    let unit = serial.unit(&product);
    let at = |step| vec![Move { unit, step }];
    let hand_over = |step| HandOver { units: at(step), giver: maker, receiver, document };
    let consume = |step, fate| Consume { units: at(step), holder: receiver, fate, document };
    let make = Make { product: product.clone(), lot: lot.clone(), maker, serials: vec![serial], document };
    let recall = Recall { maker, scope: Scope::Lot { product: product.clone(), lot }, document };
    fn signed<O: Operation>(operation: &O, chain: &ChainId, seeds: &[u8]) -> Transaction {
        let message = operation.message(chain);
        let signatures: Vec<Signature> = seeds.iter().map(|seed| key(*seed).sign(&message, &[0; 32])).collect();
        operation.transaction(&signatures)
    }
    let sound = [
        signed(&Assign { product, step: 0, maker }, &chain, &[ACCREDITOR]),
        signed(&make, &chain, &[HOSPITAL]),
        signed(&hand_over(1), &chain, &[HOSPITAL, GRANTEE]),
        signed(&recall, &chain, &[HOSPITAL]),
        signed(&consume(2, Fate::Destroyed), &chain, &[GRANTEE]),
    ];
    let mut unsound = sound.to_vec();
    unsound.push(signed(&hand_over(3), &chain, &[HOSPITAL, GRANTEE]));
    unsound.push(signed(&consume(3, Fate::Used), &chain, &[GRANTEE]));
    conformance::program(|| Arc::new(Custody::new(parameters.clone()).unwrap()), &genesis, &sound, &unsound);
}

/// A program that gives an answer of its own on this node, in one of two ways.
#[derive(Default)]
struct NotDeterministic {
    /// It counts in memory what it has applied; otherwise it looks at what only this node keeps.
    remembers: bool,
    applied: AtomicU8,
}

impl Program for NotDeterministic {
    fn name(&self) -> &'static str {
        "not deterministic"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind(1000)]
    }

    fn tables(&self) -> &'static [Table] {
        &[Table(200)]
    }

    fn genesis(&self, _: &mut Overlay<'_>, _: &Genesis) -> Result<(), ExecuteError> {
        Ok(())
    }

    fn is_free(&self, _: &Transaction) -> bool {
        true
    }

    fn signature_checks(&self, _: &Transaction) -> u32 {
        0
    }

    fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        _: &TxId,
        _: &BlockContext,
        _: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        let mut answer = 0;
        if self.remembers {
            // Three times for the first transaction, and so the same each time that one is tried.
            answer = self.applied.fetch_add(1, Ordering::Relaxed) / 3;
        } else {
            state.scan(Table::META, &[], &mut |_, _| {
                answer += 1;
                true
            })?;
        }
        state.put(Table(200), transaction.payload.clone(), vec![answer]);
        Ok(())
    }
}

fn not_deterministic(remembers: bool) {
    let sound = [1, 2].map(|payload| Transaction::new(Kind(1000), vec![payload]));
    let program = || Arc::new(NotDeterministic { remembers, ..NotDeterministic::default() }) as _;
    conformance::program(program, &genesis(), &sound, &[]);
}

#[test]
#[should_panic(expected = "another node writes the same")]
fn a_program_with_a_memory_is_found_out() {
    not_deterministic(true);
}

#[test]
#[should_panic(expected = "another node writes the same")]
fn a_program_that_looks_at_its_node_is_found_out() {
    not_deterministic(false);
}

/// One institution has the only seat; another one is given a seat and loses it again.
#[test]
fn council_program() {
    let institution = |seed| InitialInstitution { name: "an institution".into(), key: public(seed) };
    let application = ApplicationParameters {
        institutions: vec![institution(HOSPITAL), institution(GRANTEE)],
        ..common::application()
    };
    let genesis = council().0.with(&application);
    let chain = genesis.chain_id();
    let id = InstitutionId::of(&chain, &public(GRANTEE));
    let ballot = |message: Hash| vec![Ballot::sign(0, &message, &key(OWNER), &[0; 32]).unwrap()];
    let mut admit = Admit::sign(chain, 1, id, 1, &key(9), &[0; 32]).unwrap();
    admit.ballots = ballot(admit.message());
    let mut remove = Remove { chain, seq: 2, institution: id, ballots: vec![] };
    let unsupported = remove.transaction();
    remove.ballots = ballot(remove.message());
    let sound = [admit.transaction(), remove.transaction()];
    let unsound = [admit.transaction(), remove.transaction(), unsupported];
    let registry = Identities::new(application).unwrap();
    conformance::program_after(&[&registry], || Arc::new(council().1), &genesis, &sound, &unsound);
}

/// Two deposits: one is renewed and opened, the other withdrawn.
#[test]
fn release_program() {
    let chain = genesis().chain_id();
    let condition = Condition::not_before(0);
    let deposit = |entropy| Deposit {
        owner: public(OWNER),
        beneficiary: Beneficiary { key: public(GRANTEE), kem: KemSecretKey::from_seed(&[GRANTEE; 32]).public_key() },
        stakeholders: vec![public(OWNER), public(HOSPITAL), public(ACCREDITOR)],
        commitments: deal(2, 3, &[entropy; 32]).unwrap().commitments,
        condition: condition.hash(),
    };
    let deposits = [1, 2].map(|entropy| deposit(entropy).sign(&chain, &key(OWNER), &[0; 32]).transaction());
    let [opened, withdrawn] = [1, 2].map(|entropy| deposit(entropy).id(&chain));
    let renew = |renewals| Renew::sign(&chain, opened, renewals, condition.hash(), &key(OWNER), &[0; 32]).transaction();
    let open = Open::new(opened, &condition, Witness::default()).transaction();
    let withdraw = Withdraw::sign(&chain, withdrawn, &key(OWNER), &[0; 32]).transaction();
    let sound = [&deposits[..], &[renew(0), open, withdraw]].concat();
    let late = Open::new(withdrawn, &condition, Witness::default()).transaction();
    let unsound = [&sound[..], &[renew(1), late]].concat();
    conformance::program(|| Arc::new(Release), &genesis(), &sound, &unsound);
}

#[test]
fn no_reward() {
    let genesis = genesis();
    let context = BlockContext { chain: genesis.chain_id(), height: Height(1), median_time_past: START };
    let block = |transactions| block_on(&genesis.block().header, Timestamp(START.0 + 1), transactions);
    let coinbase = block(vec![Transaction::new(Kind::COINBASE, vec![])]);
    let state = MemoryStore::default();
    conformance::reward(&NoReward, &state, Amount::ZERO, &context, &block(vec![]), &[coinbase]);
}

/// A block whose one transfer pays a fee, which is the maker's.
#[test]
fn rewards() {
    const FEE: u64 = 30;
    let (genesis, (executor, rewards)) = (genesis(), contracts());
    let chain = genesis.chain_id();
    let context = BlockContext { chain, height: Height(1), median_time_past: START };
    let mint = mint(chain, 1, &[1_000]);
    let mut transfer = Transaction::new(TRANSFER, vec![]);
    transfer.inputs = vec![Input { previous: point(&mint, 0), sequence: Input::FINAL }];
    transfer.witnesses = vec![Witness::default()];
    transfer.outputs = vec![output(1_000 - FEE)];
    sign_spend(&mut transfer, chain, &[output(1_000)]);
    let mut state = MemoryStore::default();
    let mut overlay = Overlay::new(&state);
    executor.genesis(&mut overlay, &genesis).unwrap();
    for transaction in [&mint, &transfer] {
        executor.apply(&mut overlay, transaction, &context, &mut vec![]).unwrap();
    }
    let changes = overlay.into_changes().unwrap();
    state.commit(&changes).unwrap();

    let block = |coinbase: Vec<Transaction>| {
        let transactions = [coinbase, vec![mint.clone(), transfer.clone()]].concat();
        block_on(&genesis.block().header, Timestamp(START.0 + 1), transactions)
    };
    let coinbase = |height, amount| rewards.coinbase(Height(height), Amount(amount), common::lock());
    let greedy = [
        block(vec![coinbase(1, FEE + 1)]),
        block(vec![coinbase(2, FEE)]),
        block(vec![coinbase(1, 1), coinbase(1, 2)]),
        block(vec![Transaction { outputs: vec![], ..coinbase(1, 1) }]),
        block(vec![Transaction { payload: vec![], ..coinbase(1, 1) }]),
        block(vec![Transaction { outputs: vec![output(u64::MAX), output(1)], ..coinbase(1, 1) }]),
    ];
    for honest in [block(vec![coinbase(1, FEE)]), block(vec![coinbase(1, 1)]), block(vec![])] {
        conformance::reward(&*rewards, &state, Amount(FEE), &context, &honest, &greedy);
    }
}

#[test]
fn no_inbound_and_fixed_tip() {
    conformance::inbound(&mut NoInbound);
    conformance::tip_view(&FixedTip(genesis().block().header));
}

/// A node's chain and pool, which are what the network sees of it.
#[test]
fn node_as_the_network_sees_it() {
    let genesis = genesis();
    let chain = genesis.chain_id();
    let (executor, rewards) = contracts();
    let transport = MemoryHub::new().join(PeerId(sha256(b"node")), Address("node".into()));
    let engine = Box::new(Solo::follower(common::solo()));
    let store = Box::<MemoryStore>::default();
    let builder = NodeBuilder::new(genesis.clone(), store, engine, executor, rewards, Box::new(transport))
        .clock(Arc::new(|| Millis::from(Timestamp(START.0 + 100))));
    let mut node = builder.stepped([7; 32]).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    let mut parent = genesis.block().header;
    for seconds in 1..=4 {
        let transactions = if seconds == 1 { vec![mint(chain, 1, &[1_000])] } else { vec![] };
        blocks.push(block_on(&parent, Timestamp(START.0 + seconds), transactions));
        parent = blocks[blocks.len() - 1].header.clone();
    }
    let unknown_kind = Transaction::new(Kind(60_000), vec![]);
    let offers = conformance::Offers {
        false_header: Header { seal: vec![1; 64], ..blocks[0].header.clone() },
        false_block: block_on(&parent, Timestamp(START.0 + 5), vec![unknown_kind]),
        transaction: mint(chain, 2, &[5]),
        false_transaction: Transaction::new(Kind::COINBASE, vec![]),
        blocks,
    };
    conformance::local(node.local(), &offers);
}

#[test]
fn no_search() {
    let (_report, outcomes) = mpsc::channel();
    conformance::searcher(&NoSearch, &outcomes, false);
}

#[test]
fn mining_threads() {
    for threads in [1, 3] {
        let (report, outcomes) = mpsc::channel();
        let miner = Miner::start(threads, Arc::new(ScalarHasher), move |outcome| drop(report.send(outcome)));
        conformance::searcher(&miner, &outcomes, true);
    }
}

#[test]
fn no_signatures() {
    let ask = |question: &mut dyn FnMut(&mut dyn SignatureCheck) -> bool| {
        let at_once = question(&mut NoSignatures);
        conformance::Answer { at_once, settled: at_once }
    };
    conformance::signature_check(&ask, None, None);
}

/// The check that scripts of this chain are run with, for one spend.
#[test]
fn spend_signatures() {
    let lock = Template::Key(public(OWNER)).lock();
    let spent = Output { lock: lock.clone(), ..output(7) };
    let mut transaction = Transaction::new(TRANSFER, vec![]);
    transaction.inputs = vec![Input { previous: point(&mint(genesis().chain_id(), 1, &[7]), 0), sequence: 5 }];
    transaction.lock_time = 50;
    transaction.witnesses = vec![Witness::default()];
    let spend = Spend {
        chain: &genesis().chain_id(),
        id: &transaction.id(),
        transaction: &transaction,
        input_index: 0,
        spent: &spent,
        spent_outputs: &spent_outputs_hash(std::slice::from_ref(&spent)),
        height: Height(100),
        median_time_past: START,
    };
    let ask = |question: &mut dyn FnMut(&mut dyn SignatureCheck) -> bool| {
        let mut claims = Vec::new();
        let at_once = question(&mut SpendSignatures::new(&spend, &mut claims));
        conformance::Answer { at_once, settled: at_once && SingleVerifier.verify(&claims).is_ok() }
    };
    let genuine = |about: &[u8], signature: Signature| conformance::Genuine {
        key: public(OWNER).as_bytes().to_vec(),
        signature: signature.0.to_vec(),
        about: about.to_vec(),
    };
    let statement = b"the patient has agreed";
    let spending = genuine(&lock.0, signature(OWNER, &spend));
    let saying = genuine(statement, key(OWNER).sign(&data_message(statement), &[0; 32]));
    conformance::signature_check(&ask, Some(&spending), Some(&saying));
}

/// A chain on which an object is stored, granted and revoked, and what a gateway is asked about it.
#[test]
fn services() {
    let genesis = genesis();
    let chain = genesis.chain_id();
    let mut blocks: Vec<Block> = Vec::new();
    let mut parent = genesis.block().header;
    for (seconds, transaction) in (1..).zip(records_and_money()) {
        blocks.push(block_on(&parent, Timestamp(START.0 + seconds), vec![transaction]));
        parent = blocks[blocks.len() - 1].header.clone();
    }
    let revoke = &blocks[blocks.len() - 1].transactions()[0];
    let access = Access {
        object: store_operation(chain).position.object,
        version: FIRST_VERSION,
        requester: public(GRANTEE),
        permission: Permissions::READ,
        purpose: Purpose::TREATMENT,
    };
    let request = |seconds: u32, nonce| {
        let time = Timestamp(START.0 + seconds);
        let signed =
            AccessRequest::sign(chain, common::gateway_id(), access, time, [nonce; 32], &key(GRANTEE), &[0; 32]);
        Request::Open(signed.unwrap())
    };
    let requests = [Request::About, request(3, 1), request(5, 2), Request::Letter(vec![1]), Request::withdraw(revoke)];
    let requests = requests.map(|request| encode(&request));
    let open = |store| common::open(store, &genesis);
    conformance::service(open, || Box::new(NoService), &blocks, &requests);
    let gateway = || {
        let objects = Arc::<MemoryObjects>::default();
        let parts = GatewayParts::new(Box::new(key(common::GATEWAY)), objects, Box::new(SeededEntropy::new(1)));
        Box::new(Gateway::new(parts)) as _
    };
    conformance::service(open, gateway, &blocks, &requests);
}

fn signature(seed: u8, spend: &Spend<'_>) -> Signature {
    key(seed).sign(&spend.message(&spend.spent.lock.0), &[0; 32])
}

#[test]
fn single_key_spend_check() {
    let unlock = |spend: &Spend<'_>| Witness::new([signature(OWNER, spend).0]);
    let refused = [Lock(vec![]), Lock(vec![0x51]), Lock(vec![0x20; 34])];
    conformance::spend_check(&SingleKey, &SingleKey::lock(&public(OWNER)), unlock, &refused);
}

#[test]
fn scripts_spend_check() {
    let refused = [Lock(vec![]), Lock(vec![0x6a]), Lock(vec![0x20; 3])];
    let one = |spend: &Spend<'_>| Witness::new([signature(OWNER, spend).0]);
    conformance::spend_check(&Scripts, &Template::Key(public(OWNER)).lock(), one, &refused);
    let two_of_three = Template::multisig(2, vec![public(OWNER), public(GRANTEE), public(HOSPITAL)]).unwrap();
    let two = |spend: &Spend<'_>| {
        Witness::new([vec![], signature(OWNER, spend).0.to_vec(), signature(HOSPITAL, spend).0.to_vec()])
    };
    conformance::spend_check(&Scripts, &two_of_three.lock(), two, &refused);
}

#[test]
fn owner_grants_policy() {
    conformance::access_policy(&OwnerGrants);
}

#[test]
fn opaque_format() {
    conformance::record_format(&Opaque, &[b"", b"anything", &[0xff; 300]], &[]);
}

#[test]
fn system_entropy() {
    conformance::entropy(&mut SystemEntropy);
}

#[test]
fn seeded_entropy() {
    for seed in [0, 1, u64::MAX] {
        conformance::entropy(&mut SeededEntropy::new(seed));
    }
}
