//! The contract layer with transaction kinds of one's own: a chain of custody for boxes of a drug.
//!
//! The task: a manufacturer registers each box once, every hand-over is signed by who gives it away, and a copied serial
//! number is found out. The rules are one `Program`. Blocks, fees, undoing and the protection of everybody else's tables come
//! with the layer; no record and no patient is in it.
//!
//! Run it with `cargo run --release --example layer_contract`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::{error::Error, slice, sync::Arc};

use health_chain_consensus::ports::{BlockContext, ExecuteError, Executor, Rejection};
use health_chain_contract::{Contracts, Scripts, ports::Program, scripts::Template};
use health_chain_data::{
    Amount, ChainId, Genesis, Hash, Height, Input, Kind, OutPoint, Output, PublicKey, SecretKey, Signature, Timestamp,
    TokenId, Transaction, TxId, Witness,
    codec::{CodecError, Wire, decode, encode},
    ports::{ChainStore, SignatureClaim, SingleVerifier, StateView, StoreError, Verifier},
    state::{MemoryStore, Overlay, Table, read, state_hash},
    tagged_hash,
};
use health_chain_incentive::{IncentiveParameters, Issuance, Ledger, Reward, SingleKey, TokenRule};
use serde::{Deserialize, Serialize};

const MOVE: Kind = Kind(1000);
/// Who holds a box, by its serial number.
const HELD: Table = Table(200);

/// What the chain knows of a box: who holds it, and how often it has moved.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Held {
    by: PublicKey,
    moves: u32,
}

impl Wire for Held {
    const MAX_BYTES: usize = 32 + 5;
}

/// The payload of a MOVE: `from` gives the box to `to`. The manufacturer's first move makes it known.
#[derive(Serialize, Deserialize)]
struct Move {
    serial: u64,
    /// Moves of this box so far, so that none can be replayed.
    step: u32,
    from: PublicKey,
    to: PublicKey,
    signature: Signature,
}

impl Wire for Move {
    const MAX_BYTES: usize = 10 + 5 + 32 + 32 + 64;
}

impl Move {
    fn sign(chain: &ChainId, serial: u64, step: u32, from: &SecretKey, to: &SecretKey) -> Transaction {
        let (from_key, to) = (from.public_key(), to.public_key());
        let mut payload = Self { serial, step, from: from_key, to, signature: Signature([0; 64]) };
        payload.signature = from.sign(&payload.message(chain), &[0; 32]);
        Transaction::new(MOVE, encode(&payload))
    }

    fn message(&self, chain: &ChainId) -> Hash {
        let (serial, step) = (self.serial.to_le_bytes(), self.step.to_le_bytes());
        let parts = [chain.as_bytes(), &serial[..], &step, self.from.as_bytes(), self.to.as_bytes()];
        tagged_hash("example/move/v1", &parts)
    }
}

#[derive(Debug, thiserror::Error)]
enum CustodyError {
    #[error("malformed payload")]
    Payload(#[from] CodecError),
    #[error("{found} is not who holds the box")]
    NotTheHolder { found: PublicKey },
    #[error("step {found} of this box, where {expected} is next: a copied serial number, or a replay")]
    Step { expected: u32, found: u32 },
}

impl From<CustodyError> for ExecuteError {
    fn from(error: CustodyError) -> Self {
        Rejection { rule: "custody", source: Box::new(error) }.into()
    }
}

struct Custody {
    manufacturer: PublicKey,
}

impl Program for Custody {
    fn name(&self) -> &'static str {
        "custody"
    }
    fn kinds(&self) -> &'static [Kind] {
        &[MOVE]
    }
    fn tables(&self) -> &'static [Table] {
        &[HELD]
    }
    fn genesis(&self, _: &mut Overlay<'_>, _: &Genesis) -> Result<(), ExecuteError> {
        Ok(())
    }
    fn is_free(&self, _: &Transaction) -> bool {
        false // nothing bounds how often boxes move, so each move pays a fee
    }
    fn signature_checks(&self, _: &Transaction) -> u32 {
        1
    }

    fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        _: &TxId,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        let payload: Move = decode(&transaction.payload).map_err(CustodyError::from)?;
        let Held { by, moves } = held(state, payload.serial)?.unwrap_or(Held { by: self.manufacturer, moves: 0 });
        if payload.step != moves {
            return Err(CustodyError::Step { expected: moves, found: payload.step }.into());
        }
        if payload.from != by {
            return Err(CustodyError::NotTheHolder { found: payload.from }.into());
        }
        let message = payload.message(&context.chain);
        claims.push(SignatureClaim { key: by, message, signature: payload.signature });
        let now = Held { by: payload.to, moves: moves.saturating_add(1) };
        state.put(HELD, payload.serial.to_be_bytes(), encode(&now));
        Ok(())
    }
}

fn held(view: &dyn StateView, serial: u64) -> Result<Option<Held>, StoreError> {
    read(view, HELD, &serial.to_be_bytes())
}

fn main() -> Result<(), Box<dyn Error>> {
    let key = |seed: u8| SecretKey::from_bytes(&[seed; 32]);
    let (bank, maker, wholesaler, pharmacy, thief) = (key(1)?, key(2)?, key(3)?, key(4)?, key(5)?);

    // One currency for the fees, the program beside the ledger.
    let euro = TokenId(978);
    let issuers = vec![bank.public_key()];
    let rule = TokenRule { token: euro, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers };
    let tokens = vec![rule.clone()];
    let parameters = IncentiveParameters { fee_token: euro, tokens, coinbase_maturity: 100, reward: Reward::Immediate };
    let genesis = Genesis::new("custody", Timestamp(1_800_000_000), vec![]).with(&parameters);
    let chain = genesis.chain_id();
    let ledger = Ledger::new(parameters, Arc::new(Scripts))?;
    let contracts = Contracts::new(ledger, vec![Arc::new(Custody { manufacturer: maker.public_key() })])?;

    // Genesis, and ten coins of one cent for the fees.
    let mut store = MemoryStore::default();
    let mut state = Overlay::new(&store);
    contracts.genesis(&mut state, &genesis)?;
    let context = BlockContext { chain, height: Height(1), median_time_past: Timestamp(1_800_000_000) };
    let cent = Output { token: euro, amount: Amount(1), lock: Template::Key(maker.public_key()).lock() };
    let mut mint = Issuance::mint(euro, 1, vec![cent.clone(); 10])?;
    let signature = bank.sign(&Issuance::message(&chain, &mint)?, &[0; 32]);
    Issuance::add_signature(&mut mint, &rule, &bank.public_key(), signature)?;
    let mut claims = vec![];
    contracts.apply(&mut state, &mint, &context, &mut claims)?;
    let changes = state.into_changes()?;
    store.commit(&changes)?;

    // Anybody may pay for a transaction: here the manufacturer does for all. The holder's signature is in the payload.
    let paid = |mut transaction: Transaction, coin: u32| {
        let previous = OutPoint { transaction: mint.id(), index: coin };
        transaction.inputs = vec![Input { previous, sequence: Input::FINAL }];
        transaction.witnesses = vec![Witness::default()];
        SingleKey::sign(&mut transaction, &chain, slice::from_ref(&cent), &maker, &[0; 32]).map(|()| transaction)
    };

    // Box 7 goes from the manufacturer over the wholesaler to a pharmacy.
    let mut state = Overlay::new(&store);
    contracts.apply(&mut state, &paid(Move::sign(&chain, 7, 0, &maker, &wholesaler), 0)?, &context, &mut claims)?;
    contracts.apply(&mut state, &paid(Move::sign(&chain, 7, 1, &wholesaler, &pharmacy), 1)?, &context, &mut claims)?;
    SingleVerifier.verify(&claims)?;
    assert_eq!(held(&state, 7)?, Some(Held { by: pharmacy.public_key(), moves: 2 }));
    println!("box 7 is held by the pharmacy after two moves");

    // A counterfeit with a copied serial, a box that was not the thief's, a box that nobody made: each refused without a trace.
    for (what, attempt) in [
        ("copied serial", Move::sign(&chain, 7, 1, &wholesaler, &thief)),
        ("not the holder", Move::sign(&chain, 7, 2, &thief, &wholesaler)),
        ("never made", Move::sign(&chain, 8, 0, &thief, &pharmacy)),
    ] {
        let error = contracts.apply(&mut state, &paid(attempt, 2)?, &context, &mut claims).err().ok_or(what)?;
        println!("{what}: {error}: {}", error.source().ok_or("a rejection has a source")?);
    }
    assert_eq!(claims.len(), 1 + 2 * 2, "the bank's, and two of each move: nothing of the refused ones");

    // The block is written, and a reorganisation takes it back: the program has no code for that, and needs none.
    let before = state_hash(&store)?;
    let changes = state.into_changes()?;
    let undo = changes.undo(&store)?;
    store.commit(&changes)?;
    assert!(held(&store, 7)?.is_some());
    store.commit(&undo)?;
    assert_eq!((held(&store, 7)?, state_hash(&store)?), (None, before));
    println!("undone: every table is as it was before the block");
    Ok(())
}
