//! What happens, in order.

mod attacks;
mod chain;
mod records;

use std::path::Path;

use health_chain::{
    application::{
        identities::{Approval, Register, institution_key_at},
        payload::Payload,
    },
    data::{Amount, Output, Transaction, codec},
    incentive::{Issuance, supply},
};

use crate::{
    Failure, Record, ensure,
    people::{Party, agree, mine_blocks, mine_until, wait_until},
    report::Report,
    setup::{Consensus, EURO, Network, Role, entropy},
};

/// Steps of the whole example.
const STEPS: u64 = 18;
/// Cents that everybody gets, in coins.
const COINS: u64 = 12;
const COIN: Amount = Amount(500);

/// Those who take part.
pub(crate) struct Cast {
    pub(crate) network: Network,
    pub(crate) hospital: Party,
    pub(crate) patient: Party,
    pub(crate) institute: Party,
}

impl Cast {
    fn all(&self) -> [&Party; 3] {
        [&self.hospital, &self.patient, &self.institute]
    }
}

pub(crate) fn play(record: Record, consensus: Consensus) -> Result<(), Failure> {
    let home = tempfile::tempdir()?;
    let mut report = Report::new(STEPS);
    let mut cast = raise_the_curtain(home.path(), consensus, &mut report)?;
    accredit(&cast, &mut report)?;
    mint(&cast, &mut report)?;
    let object = records::issue_and_store(&cast, &record, &mut report)?;
    let mut shared = records::share_for_a_price(&cast, object, &record, &mut report)?;
    records::show_who_has_read(&cast, &shared, &mut report)?;
    attacks::cheat(&cast, &shared, &mut report)?;
    match consensus {
        Consensus::Pow => chain::compete(&cast, &mut shared, &mut report)?,
        Consensus::Bft | Consensus::Pos => chain::compete_in_vain(&cast, &mut shared, &mut report)?,
    }
    records::revoke(&cast, &shared, &mut report)?;
    records::rotate(&cast, &shared, &record, &mut report)?;
    chain::kill_and_reopen(&mut cast, &mut report)?;
    chain::join_late(&cast, &home.path().join("late"), &mut report)?;
    balance(&cast, &mut report)?;
    println!("\nrecord: {}, {} bytes, {}", record.name, record.bytes.len(), record.media_type);
    report.print();
    Ok(())
}

fn raise_the_curtain(home: &Path, consensus: Consensus, report: &mut Report) -> Result<Cast, Failure> {
    report.step("three nodes on QUIC, each with its own store");
    let network = Network::new(consensus)?;
    let hospital = Party::start(&network, home.join("hospital"), Role::Miner, &[])?;
    let patient = Party::start(&network, home.join("patient"), Role::Follower, &[hospital.address()])?;
    let peers = [hospital.address(), patient.address()];
    let institute = Party::start(&network, home.join("institute"), Role::Follower, &peers)?;
    let cast = Cast { network, hospital, patient, institute };
    wait_until("everybody is connected to everybody", || {
        let peers = cast.all().map(|party| party.node().status().map(|status| status.peers.len()));
        Ok(peers.into_iter().collect::<Result<Vec<_>, _>>()?.iter().all(|peers| *peers == 2))
    })?;
    let genesis = codec::encode(&cast.network.genesis).len();
    report.done("connected and authenticated", Some(genesis));
    Ok(cast)
}

/// Two of three accreditors admit the hospital.
fn accredit(cast: &Cast, report: &mut Report) -> Result<(), Failure> {
    report.step("accreditation registers the hospital");
    let chain = cast.network.genesis.chain_id();
    let mut register = Register::sign(chain, "General Hospital", cast.hospital.wallet().identity(), &entropy()?)?;
    let message = register.message();
    for (index, accreditor) in (0..).zip(&cast.network.accreditors[..2]) {
        register.approvals.push(Approval::sign(index, &message, accreditor, &entropy()?)?);
    }
    let transaction = register.transaction();
    let bytes = codec::encode(&transaction).len();
    cast.institute.node().submit(transaction)??;
    let key = register.key;
    mine_until(&cast.hospital, &cast.network, "the hospital is registered", || {
        cast.patient.look(move |chain, _| Ok(institution_key_at(chain.state(), &key, chain.tip().height)?.is_some()))
    })?;
    report.done("2 of 3 signed", Some(bytes));
    Ok(())
}

/// Both issuers put euros on the chain.
fn mint(cast: &Cast, report: &mut Report) -> Result<(), Failure> {
    report.step("tokens are minted");
    let mut outputs = Vec::new();
    for party in cast.all() {
        for _ in 0..COINS {
            outputs.push(Output { token: EURO, amount: COIN, lock: party.wallet().new_lock()? });
        }
    }
    let total = outputs.iter().map(|output| output.amount.0).sum::<u64>();
    let mut mint: Transaction = Issuance::mint(EURO, 1, outputs)?;
    let message = Issuance::message(&cast.network.genesis.chain_id(), &mint)?;
    for issuer in &cast.network.issuers {
        let signature = issuer.sign(&message, &entropy()?);
        Issuance::add_signature(&mut mint, cast.network.euro(), &issuer.public_key(), signature)?;
    }
    let bytes = codec::encode(&mint).len();
    cast.patient.node().submit(mint)??;
    mine_until(&cast.hospital, &cast.network, "everybody sees the tokens", || {
        let minted = |party: &Party| {
            party.look(|chain, _| Ok(supply(chain.state(), EURO)?.is_some_and(|supply| supply.minted > Amount::ZERO)))
        };
        Ok(cast.all().into_iter().map(minted).collect::<Result<Vec<_>, _>>()?.into_iter().all(|has| has))
    })?;
    agree(&cast.all())?;
    report.done(&format!("{}.{:02} EUR, 2 of 2 signed", total / 100, total % 100), Some(bytes));
    Ok(())
}

/// What was minted is what is there.
fn balance(cast: &Cast, report: &mut Report) -> Result<(), Failure> {
    report.step("the books are balanced and the state is what a replay gives");
    mine_blocks(&cast.hospital, &cast.network, 1)?;
    agree(&cast.all())?;
    let parameters = cast.network.incentive.clone();
    let (height, chain_bytes) = cast.patient.look(move |chain, _| {
        health_chain::incentive::supply::audit(chain.state(), &parameters)?;
        ensure(
            chain.replay()? == health_chain::data::state::state_hash(chain.state())?,
            "state = replay from genesis",
        )?;
        let mut bytes = 0;
        for height in 0..=chain.tip().height.0 {
            let id = chain.block_id_at(health_chain::data::Height(height)).ok_or("a block is missing")?;
            bytes += chain.block(&id)?.map_or(0, |block| codec::encode(&block).len());
        }
        Ok((chain.tip().height, bytes))
    })?;
    report.done(&format!("{} blocks, {chain_bytes} bytes in all", height.0 + 1), None);
    Ok(())
}
