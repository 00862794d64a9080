//! One object of one owner on a chain in memory, and what happens to it. Shared by the tests of this folder, of which none uses all
//! of it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod gate;

use std::sync::LazyLock;

use health_chain_application::{
    identities::{ApplicationParameters, Identities, InitialInstitution},
    kinds,
    payload::Payload,
    records::{
        Content, GatewayId, Grant, GrantTerms, ObjectState, Permissions, Position, Purpose, RecordError, Records,
        Revoke, Store, object,
    },
};
use health_chain_consensus::ports::{BlockContext, ExecuteError};
use health_chain_contract::ports::Program;
use health_chain_data::{
    ChainId, Commitment, Genesis, Height, ObjectId, PublicKey, SecretKey, Timestamp, Transaction,
    ports::{ChainStore, SingleVerifier, StateView, Verifier},
    sha256,
    state::{Changes, MemoryStore, Overlay},
};

pub const OWNER: u8 = 1;
pub const GRANTEE: u8 = 2;
pub const STRANGER: u8 = 3;
pub const GATEWAY: u8 = 4;
pub const HOSPITAL: u8 = 5;
pub const ACCREDITORS: [u8; 3] = [11, 12, 13];

/// The median time past of every block.
pub const NOW: Timestamp = Timestamp(1_800_000_000);
/// The height of the block in which the object is stored; what follows comes at [`LATER`].
pub const STORED: Height = Height(10);
pub const LATER: Height = Height(20);

pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

pub fn public(seed: u8) -> PublicKey {
    static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| (1..=32).map(|seed| key(seed).public_key()).collect());
    KEYS[usize::from(seed) - 1]
}

pub fn gateway() -> GatewayId {
    GatewayId::of(&public(GATEWAY))
}

pub fn parameters() -> ApplicationParameters {
    ApplicationParameters {
        accreditors: ACCREDITORS.map(public).to_vec(),
        threshold: 2,
        institutions: vec![InitialInstitution { name: "a hospital".into(), key: public(HOSPITAL) }],
    }
}

pub fn genesis() -> Genesis {
    Genesis::new("test", NOW, vec![]).with(&parameters())
}

pub fn chain() -> ChainId {
    static CHAIN: LazyLock<ChainId> = LazyLock::new(|| genesis().chain_id());
    *CHAIN
}

pub fn content(number: u8) -> Content {
    Content { commitment: Commitment(sha256(&[number, 1])), ct_root: sha256(&[number, 2]), length: 1_000 }
}

pub fn store_operation() -> Store {
    Store::sign(chain(), gateway(), [7; 32], content(0), &key(OWNER), &[0; 32]).unwrap()
}

pub fn id() -> ObjectId {
    static ID: LazyLock<ObjectId> = LazyLock::new(|| store_operation().position.object);
    *ID
}

pub fn terms() -> GrantTerms {
    GrantTerms {
        grantee: public(GRANTEE),
        permissions: Permissions::READ,
        purpose: Purpose::TREATMENT,
        not_before: Timestamp(NOW.0 - 100),
        not_after: Timestamp(NOW.0 + 10_000),
        wrap_commit: sha256(b"wrap"),
        payment: None,
    }
}

/// Why a transaction did not take effect.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    Record(RecordError),
    Identity(health_chain_application::identities::IdentityError),
    /// A signature that it depends on does not verify.
    Signature,
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

/// A chain's state, changed by one transaction at a time.
#[derive(Clone)]
pub struct World {
    pub store: MemoryStore,
    /// What undoes each transaction, the last one last.
    pub undo: Vec<Changes>,
}

impl World {
    /// The state after genesis.
    pub fn empty() -> Self {
        let mut store = MemoryStore::default();
        let mut state = Overlay::new(&store);
        Identities::new(parameters()).unwrap().genesis(&mut state, &genesis()).unwrap();
        let changes = state.into_changes().unwrap();
        store.commit(&changes).unwrap();
        Self { store, undo: Vec::new() }
    }

    /// The object has been stored.
    pub fn stored() -> Self {
        static WORLD: LazyLock<World> = LazyLock::new(|| {
            let mut world = World::empty();
            world.apply_at(&store_operation(), STORED).unwrap();
            world
        });
        WORLD.clone()
    }

    pub fn object(&self) -> ObjectState {
        object(&self.store, &id()).unwrap().unwrap()
    }

    pub fn position(&self) -> Position {
        Position::next(chain(), id(), &self.object()).unwrap()
    }

    pub fn grant(&self) -> Grant {
        self.grant_of(terms())
    }

    pub fn grant_of(&self, terms: GrantTerms) -> Grant {
        Grant::sign(self.position(), terms, &key(OWNER), &[0; 32]).unwrap()
    }

    pub fn revoke(&self) -> Revoke {
        Revoke::sign(self.position(), public(GRANTEE), &key(OWNER), &[0; 32]).unwrap()
    }

    pub fn apply(&mut self, payload: &impl Payload) -> Result<(), Refusal> {
        self.apply_at(payload, LATER)
    }

    pub fn apply_at(&mut self, payload: &impl Payload, height: Height) -> Result<(), Refusal> {
        self.apply_transaction(&payload.transaction(), height)
    }

    /// Applies a transaction's payload by its program, and checks the signatures that it depends on, as a block would.
    pub fn apply_transaction(&mut self, transaction: &Transaction, height: Height) -> Result<(), Refusal> {
        let context = BlockContext { chain: chain(), height, median_time_past: NOW };
        static IDENTITIES: LazyLock<Identities> = LazyLock::new(|| Identities::new(parameters()).unwrap());
        let program: &dyn Program = if transaction.kind < kinds::REGISTER { &Records } else { &*IDENTITIES };
        let (mut state, mut claims) = (Overlay::new(&self.store), Vec::new());
        program.apply(&mut state, transaction, &transaction.id(), &context, &mut claims).map_err(refusal)?;
        assert!(claims.len() <= program.signature_checks(transaction) as usize, "more claims than announced");
        SingleVerifier.verify(&claims).map_err(|_| Refusal::Signature)?;
        let changes = state.into_changes().unwrap();
        assert!(changes.iter().all(|(table, ..)| program.tables().contains(&table)), "wrote a foreign table");
        self.undo.push(changes.undo(&self.store).unwrap());
        self.store.commit(&changes).unwrap();
        Ok(())
    }

    /// Takes the last transaction back.
    pub fn disconnect(&mut self) {
        let undo = self.undo.pop().unwrap();
        self.store.commit(&undo).unwrap();
    }
}

fn refusal(error: ExecuteError) -> Refusal {
    let ExecuteError::Rejected(rejection) = error else { panic!("the store failed: {error}") };
    match rejection.source.downcast::<RecordError>() {
        Ok(error) => {
            assert_eq!(rejection.rule, error.rule());
            Refusal::Record(*error)
        }
        Err(source) => Refusal::Identity(*source.downcast().unwrap()),
    }
}

/// Numbers that look random and are the same every time (xorshift).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// All entries of a table.
pub fn entries(view: &dyn StateView, table: health_chain_data::state::Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    view.scan(table, &[], &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        true
    })
    .unwrap();
    found
}
