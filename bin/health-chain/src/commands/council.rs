//! `council`: the institutions that decide on a consortium's blocks, and who belongs to them.

use std::{io::Write, path::PathBuf};

use clap::{Args, Subcommand};
use health_chain::{
    application::{
        council::{Admit, Ballot, Council, CouncilError, Remove},
        identities::{Approval, Institution, InstitutionId, Register, institution, institution_of_key},
        payload::Payload,
        ports::{Entropy, SystemEntropy},
        tables::COUNCIL,
    },
    consensus::ports::BlockContext,
    data::{
        PublicKey,
        ports::{StateView, StoreError},
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    folder::{self, Folder, Readers},
    office::{self, Office},
    paper::Paper,
    text::{self, KeyText},
};

/// What `council` takes.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the seats and what it takes to decide, or a paper and its votes.
    Show {
        /// A paper.
        file: Option<PathBuf>,
        /// Print the seats as one JSON object.
        #[arg(long, conflicts_with = "file")]
        json: bool,
    },
    /// Ask for a seat, as the owner of this folder: writes a paper for the members to vote on.
    Apply {
        /// The paper to be written.
        file: PathBuf,
        /// The institution's name, where the registry does not have it yet.
        #[arg(long)]
        name: Option<String>,
        /// How many votes to ask for.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        power: u32,
    },
    /// Propose, as a member, to take a seat away: writes a paper for the members to vote on, this one's vote included.
    Remove {
        /// The key of the seat.
        #[arg(value_parser = text::key)]
        key: KeyText,
        /// The paper to be written.
        file: PathBuf,
    },
    /// Vote, as a member or accreditor, for what a paper says: signs it, and sends it where there are votes enough.
    Vote {
        /// The paper. It is written anew, with this vote; hand it on to the next member.
        file: PathBuf,
    },
}

/// What of it is done where the chain is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Order {
    Show { json: bool },
    ShowPaper(String),
    Apply { name: Option<String>, power: u32 },
    Remove(KeyText),
    Vote(String),
}

pub(crate) fn run(folder: &Folder, options: Options, out: &mut impl Write) -> Result<(), Failure> {
    let (order, file) = match options.command {
        Command::Show { file: None, json } => (Order::Show { json }, None),
        Command::Show { file: Some(file), .. } => (Order::ShowPaper(folder::read(&file)?), None),
        Command::Apply { file, name, power } => (Order::Apply { name, power }, Some(file)),
        Command::Remove { key, file } => (Order::Remove(key), Some(file)),
        Command::Vote { file } => (Order::Vote(folder::read(&file)?), Some(file)),
    };
    let is_new = !matches!(order, Order::Vote(_));
    let done = office::give(folder, office::Order::Council(order))?;
    if let (Some(paper), Some(file)) = (&done.paper, file) {
        let write = if is_new { folder::write_new } else { folder::write_over };
        write(&file, paper, Readers::Everybody)?;
    }
    Ok(write!(out, "{}", done.printed)?)
}

pub(crate) fn carry_out(office: &Office<'_>, order: Order, out: &mut impl Write) -> Result<Option<String>, Failure> {
    if !office.rules.has_council() {
        return Err(Failure::NoCouncil);
    }
    match order {
        Order::Show { json } => show(office, json, out).map(|()| None),
        Order::ShowPaper(text) => {
            let paper = Paper::from_file(&text)?;
            write!(out, "{}", Chamber::of(office, &paper)?.describe(&paper))?;
            Ok(None)
        }
        Order::Apply { name, power } => apply(office, name, power, out).map(Some),
        Order::Remove(key) => {
            let (council, context) = office
                .look_ahead(|view, context| Council::read(view).map(|council| (council, *context)))?
                .map_err(Failure::State)?;
            let seat = council.seats.iter().find(|seat| seat.key == key.0).ok_or(Failure::NoSeat { key: key.0 })?;
            let (chain, seq, institution) = (context.chain, council.seq.saturating_add(1), seat.institution);
            let remove = Remove { chain, seq, institution, ballots: Vec::new() };
            vote(office, Paper::Remove(remove), out).map(Some)
        }
        Order::Vote(text) => vote(office, Paper::from_file(&text)?, out).map(Some),
    }
}

/// The council as far as it concerns one paper.
struct Chamber {
    context: BlockContext,
    council: Council,
    /// Whom the paper is about, if it is in the registry.
    institution: Option<Institution>,
    accreditors: Vec<PublicKey>,
    threshold: usize,
}

impl Chamber {
    /// The council that is to decide what the paper says, if it still can.
    fn of(office: &Office<'_>, paper: &Paper) -> Result<Self, Failure> {
        let id = paper.institution();
        let (context, council, institution) = office
            .look_ahead(move |view, context| {
                Ok::<_, StoreError>((*context, Council::read(view)?, institution(view, &id)?))
            })?
            .map_err(Failure::State)?;
        if paper.chain() != context.chain {
            return Err(CouncilError::WrongChain { found: paper.chain() }.into());
        }
        let (expected, found) = (council.seq.saturating_add(1), paper.seq());
        if found != expected {
            return Err(CouncilError::Sequence { expected, found }.into());
        }
        let may_sit = institution.as_ref().map_or(paper.register().is_some(), |known| known.retired_at.is_none());
        if matches!(paper, Paper::Admit { .. }) && !may_sit {
            return Err(CouncilError::NoInstitution { institution: id }.into());
        }
        let (accreditors, threshold) = office.rules.accreditation();
        Ok(Self { context, council, institution, accreditors: accreditors.to_vec(), threshold: threshold.into() })
    }

    /// The wish to be in the registry, as long as it is not granted.
    fn register<'a>(&self, paper: &'a Paper) -> Option<&'a Register> {
        paper.register().filter(|_| self.institution.is_none())
    }

    fn votes(&self, paper: &Paper) -> u64 {
        self.council.votes(&paper.message(), paper.ballots())
    }

    fn approvals(&self, register: &Register) -> usize {
        let message = register.message();
        let stands = |approval: &&Approval| {
            let key = self.accreditors.get(usize::from(approval.accreditor));
            key.is_some_and(|key| key.verify(&message, &approval.signature).is_ok())
        };
        register.approvals.iter().filter(stands).count()
    }

    fn is_decided(&self, paper: &Paper) -> bool {
        let is_approved = self.register(paper).is_none_or(|register| self.approvals(register) >= self.threshold);
        is_approved && self.votes(paper) >= self.council.quorum()
    }

    /// What the paper says, and how far it has come.
    fn describe(&self, paper: &Paper) -> String {
        let known = self.institution.as_ref().map(|institution| institution.name.as_str());
        let name = known.or(paper.register().map(|register| register.name.as_str())).unwrap_or("unknown");
        // Whoever asks has chosen it, and a terminal would obey it.
        let name = name.escape_debug();
        let mut lines = vec![format!("decision {} of the council of chain {}", paper.seq(), self.context.chain)];
        match paper {
            Paper::Admit { admit, .. } => lines.push(format!("a seat with {} votes for: {name}", admit.power)),
            Paper::Remove(_) => lines.push(format!("no seat any more for: {name}")),
        }
        lines.push(format!("institution  {}", paper.institution().0));
        if let Paper::Admit { admit, .. } = paper {
            lines.push(format!("key          {}", admit.key));
        }
        let (votes, all, quorum) = (self.votes(paper), self.council.power(), self.council.quorum());
        lines.push(format!("votes        {votes} of {all}, where {quorum} decide"));
        if let Some(register) = self.register(paper) {
            let (approvals, needed) = (self.approvals(register), self.threshold);
            lines.push(format!("registry     {approvals} approvals, where {needed} are needed"));
        }
        lines.into_iter().map(|line| line + "\n").collect()
    }
}

fn apply(office: &Office<'_>, name: Option<String>, power: u32, out: &mut impl Write) -> Result<String, Failure> {
    let owner = office.owner()?;
    let key = owner.public_key();
    let (context, council, known) = office
        .look_ahead(move |view, context| {
            Ok::<_, StoreError>((*context, Council::read(view)?, institution_of_key(view, &key)?))
        })?
        .map_err(Failure::State)?;
    let chain = context.chain;
    let (register, institution) = match known {
        Some(institution) => (None, institution.id),
        None => {
            let name = name.ok_or(Failure::NoName)?;
            let register = Register::sign(chain, name, &owner, &*SystemEntropy.draw()?)?;
            (Some(register), InstitutionId::of(&chain, &key))
        }
    };
    if council.position(&key).is_some() {
        return Err(CouncilError::Seated { institution, key }.into());
    }
    let seq = council.seq.saturating_add(1);
    let admit = Admit::sign(chain, seq, institution, power, &owner, &*SystemEntropy.draw()?)?;
    let paper = Paper::Admit { register, admit: Box::new(admit) };
    let about = Chamber::of(office, &paper)?.describe(&paper);
    write!(out, "{about}")?;
    writeln!(out, "Hand the paper to the members: each of them votes for it with: health-chain council vote FILE")?;
    Ok(paper.to_file(&about))
}

/// Adds the owner's vote, and sends the paper where there are votes enough.
fn vote(office: &Office<'_>, mut paper: Paper, out: &mut impl Write) -> Result<String, Failure> {
    let chamber = Chamber::of(office, &paper)?;
    let owner = office.owner()?;
    let key = owner.public_key();
    let accreditor = chamber.accreditors.iter().position(|accreditor| *accreditor == key);
    let approval = chamber.register(&paper).map(Register::message).zip(accreditor);
    let seat = chamber.council.position(&key);
    if approval.is_none() && seat.is_none() {
        return Err(Failure::NoVote { owner: key });
    }
    if let Some((message, position)) = approval {
        let position = u8::try_from(position).expect("there are fewer accreditors than bytes");
        paper.add_approval(Approval::sign(position, &message, &owner, &*SystemEntropy.draw()?)?);
    }
    if let Some(seat) = seat {
        paper.add_ballot(Ballot::sign(seat, &paper.message(), &owner, &*SystemEntropy.draw()?)?);
    }
    let about = chamber.describe(&paper);
    write!(out, "{about}")?;
    if chamber.is_decided(&paper) {
        if let Some(register) = chamber.register(&paper) {
            let id = office.submit(register.transaction())?;
            writeln!(out, "sent to the registry in transaction {id}")?;
        }
        let id = office.submit(paper.transaction())?;
        writeln!(out, "sent to the council in transaction {id}")?;
        writeln!(out, "It counts from the epoch on that begins after its block: see `validators`.")?;
    } else {
        writeln!(out, "Hand the paper on to the next member.")?;
    }
    Ok(paper.to_file(&about))
}

/// The council as it stands.
#[derive(Serialize)]
struct Standing {
    /// Decisions so far.
    seq: u64,
    /// All votes, and how many of them decide.
    power: u64,
    quorum: u64,
    seats: Vec<SeatEntry>,
}

#[derive(Serialize)]
struct SeatEntry {
    name: String,
    institution: String,
    key: String,
    power: u32,
}

fn show(office: &Office<'_>, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let standing = office.look(|view, _| standing(view))?.map_err(Failure::State)?;
    if json {
        return Ok(writeln!(out, "{}", text::json(&standing))?);
    }
    let Standing { seq, power, quorum, seats } = standing;
    writeln!(out, "decisions so far  {seq}")?;
    writeln!(out, "votes             {power}, of which {quorum} decide")?;
    for SeatEntry { name, institution, key, power } in seats {
        writeln!(out, "{key}  votes {power}")?;
        writeln!(out, "    {}, institution {institution}", name.escape_debug())?;
    }
    Ok(())
}

fn standing(view: &dyn StateView) -> Result<Standing, StoreError> {
    let council = Council::read(view)?;
    let mut seats = Vec::new();
    for seat in &council.seats {
        let name = match institution(view, &seat.institution)? {
            Some(Institution { name, retired_at: None, .. }) => name,
            Some(Institution { name, .. }) if seat.power == 0 => format!("{name} (dismissed: does not count)"),
            Some(Institution { name, .. }) => format!("{name} (dismissed: stays until there is another)"),
            None => return Err(StoreError::Damaged { table: COUNCIL }),
        };
        let (institution, key) = (seat.institution.0.to_string(), seat.key.to_string());
        seats.push(SeatEntry { name, institution, key, power: seat.power });
    }
    Ok(Standing { seq: council.seq, power: council.power(), quorum: council.quorum(), seats })
}
