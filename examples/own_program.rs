//! A transaction kind of one's own in one file: hours of an MRI scanner are booked on the chain, and none twice. It goes through the
//! suite that every program goes through, and then into blocks: `cargo run --release --example own_program`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

mod common;

use std::sync::Arc;

use common::{Local, Outcome, secret};
use health_chain::{
    consensus::ports::{BlockContext, ExecuteError, Rejection},
    contract::ports::Program,
    data::{
        ChainId, Genesis, Hash, Kind, PublicKey, SecretKey, Signature, Transaction, TxId,
        codec::{CodecError, Wire, decode, encode},
        ports::SignatureClaim,
        state::{Overlay, Table, read},
        tagged_hash,
    },
};
use health_chain_testkit::conformance;
use serde::{Deserialize, Serialize};

const BOOK: Kind = Kind(1000);
/// Hour to its booking.
const BOOKED: Table = Table(200);

/// The payload: an hour since 1970, who takes it, and that it was him.
#[derive(Debug, Serialize, Deserialize)]
struct Booking(u32, PublicKey, Signature);

impl Wire for Booking {
    const MAX_BYTES: usize = 5 + 32 + 64;
}

fn message(chain: &ChainId, hour: u32) -> Hash {
    tagged_hash("example/booking/v1", &[chain.as_bytes(), &hour.to_le_bytes()])
}

fn book(chain: &ChainId, hour: u32, by: &SecretKey) -> Transaction {
    Transaction::new(BOOK, encode(&Booking(hour, by.public_key(), by.sign(&message(chain, hour), &[0; 32]))))
}

#[derive(Debug, thiserror::Error)]
enum BookingError {
    #[error("the payload is no booking")]
    Payload(#[from] CodecError),
    #[error("hour {0} is not within a week from now")]
    NotSoon(u32),
    #[error("hour {0} is booked by {1}")]
    Taken(u32, PublicKey),
}

impl From<BookingError> for ExecuteError {
    fn from(error: BookingError) -> Self {
        Rejection { rule: "booking", source: Box::new(error) }.into()
    }
}

struct Bookings;

#[rustfmt::skip]
impl Program for Bookings {
    fn name(&self) -> &'static str { "bookings" }
    fn kinds(&self) -> &'static [Kind] { &[BOOK] }
    fn tables(&self) -> &'static [Table] { &[BOOKED] }
    fn genesis(&self, _: &mut Overlay<'_>, _: &Genesis) -> Result<(), ExecuteError> { Ok(()) }
    fn is_free(&self, _: &Transaction) -> bool { true } // a week has 168 hours, which bounds it
    fn signature_checks(&self, _: &Transaction) -> u32 { 1 }

    fn apply(
        &self, state: &mut Overlay<'_>, transaction: &Transaction, _: &TxId, context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        let Booking(hour, by, signature) = decode(&transaction.payload).map_err(BookingError::from)?;
        let (key, this_hour) = (hour.to_be_bytes(), context.median_time_past.0 / 3_600);
        if !(this_hour..this_hour + 168).contains(&hour) { return Err(BookingError::NotSoon(hour).into()); }
        if let Some(Booking(_, other, _)) = read(state, BOOKED, &key)? {
            return Err(BookingError::Taken(hour, other).into());
        }
        state.put(BOOKED, key, transaction.payload.clone());
        claims.push(SignatureClaim { key: by, message: message(&context.chain, hour), signature });
        Ok(())
    }
}

fn main() -> Outcome {
    let mut local = Local::open("bookings", vec![Arc::new(Bookings)], |genesis| genesis)?;
    let (chain, soon) = (local.id(), local.chain().tip().header.time.0 / 3_600 + 24);
    let [clinic, practice] = [1, 2].map(|hour| book(&chain, soon + hour, &secret(1)));
    let (again, far) = (book(&chain, soon + 1, &secret(2)), book(&chain, soon + 1_000, &secret(2)));
    let (sound, unsound) = ([clinic.clone(), practice], [again.clone(), far]);
    conformance::program(|| Arc::new(Bookings), local.chain().genesis(), &sound, &unsound);
    println!("the suite of programs passes");
    local.taken("the first one in an hour", clinic)?;
    local.refused("the second one in the same hour", again, "booking").map(drop)
}
