//! A paper that goes round among the members of a council, until there are votes enough under it to send it to the chain.

use health_chain::{
    application::{
        council::{Admit, Ballot, Remove},
        identities::{Approval, InstitutionId, Register},
        limits::{MAX_COUNCIL_OPERATION_BYTES, MAX_OPERATION_BYTES},
        payload::Payload,
    },
    data::{
        ChainId, Hash, PublicKey, Transaction,
        codec::{self, CodecError, Wire},
    },
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What is to be decided, with the votes so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Paper {
    /// An institution asks for a seat, and, where it is not in the registry, to be admitted there first.
    Admit { register: Option<Register>, admit: Box<Admit> },
    /// An institution is to lose its seat.
    Remove(Remove),
}

/// Why a file holds no paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum PaperError {
    /// Not hexadecimal digits.
    #[error("beside lines that begin with #, a paper is one line of hexadecimal digits")]
    Digits,
    /// The digits are no paper.
    #[error("the paper is damaged")]
    Malformed(#[from] CodecError),
    /// One institution asks for a seat, and another one to be in the registry.
    #[error("the seat and the place in the registry are asked for different institutions or keys")]
    TwoInstitutions,
    /// Whoever asks does not hold the key.
    #[error("who asks for a seat with the key {key} has not signed with it")]
    NotSigned {
        /// The key.
        key: PublicKey,
    },
}

impl Wire for Paper {
    const MAX_BYTES: usize = 2 + MAX_OPERATION_BYTES + MAX_COUNCIL_OPERATION_BYTES;
}

impl Paper {
    /// The chain whose council is to decide.
    pub(crate) fn chain(&self) -> ChainId {
        match self {
            Self::Admit { admit, .. } => admit.chain,
            Self::Remove(remove) => remove.chain,
        }
    }

    /// Which of the council's decisions it is to be.
    pub(crate) fn seq(&self) -> u64 {
        match self {
            Self::Admit { admit, .. } => admit.seq,
            Self::Remove(remove) => remove.seq,
        }
    }

    /// What the members sign.
    pub(crate) fn message(&self) -> Hash {
        match self {
            Self::Admit { admit, .. } => admit.message(),
            Self::Remove(remove) => remove.message(),
        }
    }

    pub(crate) fn ballots(&self) -> &[Ballot] {
        match self {
            Self::Admit { admit, .. } => &admit.ballots,
            Self::Remove(remove) => &remove.ballots,
        }
    }

    pub(crate) fn add_ballot(&mut self, ballot: Ballot) {
        match self {
            Self::Admit { admit, .. } => ballot.add_to(&mut admit.ballots),
            Self::Remove(remove) => ballot.add_to(&mut remove.ballots),
        }
    }

    /// Whom it is about.
    pub(crate) fn institution(&self) -> InstitutionId {
        match self {
            Self::Admit { admit, .. } => admit.institution,
            Self::Remove(remove) => remove.institution,
        }
    }

    /// The council's decision, with its votes.
    pub(crate) fn transaction(&self) -> Transaction {
        match self {
            Self::Admit { admit, .. } => admit.transaction(),
            Self::Remove(remove) => remove.transaction(),
        }
    }

    /// The wish to be in the registry, if there is one.
    pub(crate) const fn register(&self) -> Option<&Register> {
        match self {
            Self::Admit { register, .. } => register.as_ref(),
            Self::Remove(_) => None,
        }
    }

    pub(crate) fn add_approval(&mut self, approval: Approval) {
        if let Self::Admit { register: Some(register), .. } = self {
            approval.add_to(&mut register.approvals);
        }
    }

    /// The file: what it is about, for people, and itself.
    pub(crate) fn to_file(&self, about: &str) -> String {
        let about: String = about.lines().map(|line| format!("# {line}\n")).collect();
        format!("{about}{}\n", hex::encode(codec::encode(self)))
    }

    /// Reads a file.
    pub(crate) fn from_file(text: &str) -> Result<Self, PaperError> {
        let digits: String = text.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect();
        let bytes = hex::decode(digits).map_err(|_| PaperError::Digits)?;
        let paper: Self = codec::decode(&bytes)?;
        paper.check()?;
        Ok(paper)
    }

    /// What nobody should be asked to vote on: members read the seat's part, and sign all of it.
    fn check(&self) -> Result<(), PaperError> {
        let Self::Admit { register, admit } = self else { return Ok(()) };
        if let Some(Register { chain, key, .. }) = register
            && (*chain, *key, InstitutionId::of(chain, key)) != (admit.chain, admit.key, admit.institution)
        {
            return Err(PaperError::TwoInstitutions);
        }
        let is_signed = admit.key.verify(&admit.message(), &admit.possession).is_ok();
        if is_signed { Ok(()) } else { Err(PaperError::NotSigned { key: admit.key }) }
    }
}

#[cfg(test)]
mod tests {
    use health_chain::data::SecretKey;

    use super::*;

    #[test]
    fn a_file_reads_back_and_anything_else_is_refused() {
        let chain = ChainId::default();
        let key = SecretKey::from_bytes(&[7; 32]).unwrap();
        let institution = InstitutionId::of(&chain, &key.public_key());
        let register = Some(Register::sign(chain, "fifth", &key, &[0; 32]).unwrap());
        let admit = Box::new(Admit::sign(chain, 1, institution, 1, &key, &[0; 32]).unwrap());
        let mut paper = Paper::Admit { register, admit };
        for seat in [2, 0, 2] {
            paper.add_ballot(Ballot::sign(seat, &paper.message(), &key, &[0; 32]).unwrap());
            paper.add_approval(Approval::sign(seat, &paper.message(), &key, &[0; 32]).unwrap());
        }
        assert_eq!(paper.ballots().iter().map(|ballot| ballot.seat).collect::<Vec<_>>(), [0, 2]);
        let text = paper.to_file("what it is about\nin two lines");
        assert!(text.starts_with("# what it is about\n# in two lines\n"));
        assert_eq!(Paper::from_file(&text), Ok(paper));
        assert_eq!(Paper::from_file("# nothing\nbut words"), Err(PaperError::Digits));
        assert!(matches!(Paper::from_file(&text[..text.len() - 3]), Err(PaperError::Malformed(_))));
    }

    #[test]
    fn nobody_asks_for_two_institutions_or_with_somebody_elses_key() {
        let chain = ChainId::default();
        let [key, other] = [7, 8].map(|seed| SecretKey::from_bytes(&[seed; 32]).unwrap());
        let admit = |institution: &SecretKey| {
            let institution = InstitutionId::of(&chain, &institution.public_key());
            Box::new(Admit::sign(chain, 1, institution, 1, &key, &[0; 32]).unwrap())
        };
        let register = |key: &SecretKey| Some(Register::sign(chain, "fifth", key, &[0; 32]).unwrap());
        let read = |register, admit| Paper::from_file(&Paper::Admit { register, admit }.to_file("")).map(drop);
        assert_eq!(read(register(&key), admit(&key)), Ok(()));
        assert_eq!(read(register(&other), admit(&key)), Err(PaperError::TwoInstitutions));
        assert_eq!(read(register(&key), admit(&other)), Err(PaperError::TwoInstitutions));
        let mut stronger = admit(&key);
        stronger.power = 9;
        assert_eq!(read(None, stronger), Err(PaperError::NotSigned { key: key.public_key() }));
    }
}
