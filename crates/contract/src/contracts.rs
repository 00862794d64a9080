//! The executor: the ledger, and beside it the program of each transaction's kind.

use alloc::{boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};
use core::fmt;

use health_chain_consensus::ports::{BlockContext, Effect, ExecuteError, Executor, Rejection};
use health_chain_data::{
    Genesis, Kind, Transaction, codec,
    ports::SignatureClaim,
    state::{Changes, Overlay, Table},
};
use health_chain_incentive::{Funding, Ledger};
use thiserror::Error;

use crate::{
    limits::{ENTRY_BYTES, FIRST_PROGRAM_TABLE, STATE_BYTES_PER_TRANSACTION_BYTE},
    ports::Program,
};

/// Applies every transaction of a chain: its inputs and outputs by the ledger, its payload by the program of its kind.
///
/// A transaction takes effect as a whole or not at all: both write to overlays of their own, which are dropped at the first rule
/// that is broken. A program writes its own tables only.
pub struct Contracts {
    ledger: Ledger,
    programs: BTreeMap<Kind, Arc<dyn Program>>,
    /// Every program once, in the order given, which is the order in which their genesis states are written.
    ordered: Vec<Arc<dyn Program>>,
}

/// Why a set of programs can't work together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The ledger or the block structure decides this kind.
    #[error("program {program} claims the reserved kind {kind:?}")]
    KindReserved {
        /// The program.
        program: &'static str,
        /// The kind.
        kind: Kind,
    },
    /// Two programs claim the same kind.
    #[error("programs {first} and {second} both claim {kind:?}")]
    KindTaken {
        /// The program that claimed it first.
        first: &'static str,
        /// The program that claimed it again.
        second: &'static str,
        /// The kind.
        kind: Kind,
    },
    /// The table belongs to the node or to the ledger.
    #[error("program {program} claims the reserved table {table:?}")]
    TableReserved {
        /// The program.
        program: &'static str,
        /// The table.
        table: Table,
    },
    /// Two programs claim the same table.
    #[error("programs {first} and {second} both claim {table:?}")]
    TableTaken {
        /// The program that claimed it first.
        first: &'static str,
        /// The program that claimed it again.
        second: &'static str,
        /// The table.
        table: Table,
    },
}

/// A rule of the executor itself that a transaction, or the program that judged it, breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContractError {
    /// No program decides the kind.
    #[error("no program decides transactions of {kind:?}")]
    UnknownKind {
        /// The kind.
        kind: Kind,
    },
    /// A program wrote a table that isn't its own.
    #[error("program {program} wrote {table:?}, which is not its own")]
    ForeignTable {
        /// The program.
        program: &'static str,
        /// The table.
        table: Table,
    },
    /// A program asked for more signature checks than it had announced, past the block's cap.
    #[error("program {program} claimed {claimed} signatures, where it had announced {announced}")]
    TooManyClaims {
        /// The program.
        program: &'static str,
        /// Signatures that it claimed.
        claimed: usize,
        /// Signatures that it had announced.
        announced: u32,
    },
    /// A program wrote, or overwrote, more state than the transaction has bytes for.
    #[error("program {program} wrote {bytes} bytes of state, where the transaction has bytes for {max_bytes}")]
    TooMuchState {
        /// The program.
        program: &'static str,
        /// Bytes that it wrote or overwrote, whichever is more.
        bytes: usize,
        /// [`STATE_BYTES_PER_TRANSACTION_BYTE`] for each byte of the transaction.
        max_bytes: usize,
    },
}

impl From<ContractError> for ExecuteError {
    fn from(error: ContractError) -> Self {
        let rule = match error {
            ContractError::UnknownKind { .. } => "contract-kind",
            ContractError::ForeignTable { .. } => "contract-table",
            ContractError::TooManyClaims { .. } => "contract-claims",
            ContractError::TooMuchState { .. } => "contract-state",
        };
        Rejection { rule, source: Box::new(error) }.into()
    }
}

impl Contracts {
    /// An executor over `ledger` and `programs`.
    ///
    /// # Errors
    /// Where two programs claim the same kind or table, or one claims what belongs to a layer below.
    pub fn new(ledger: Ledger, ordered: Vec<Arc<dyn Program>>) -> Result<Self, RegistryError> {
        let mut programs: BTreeMap<Kind, Arc<dyn Program>> = BTreeMap::new();
        let mut owners: BTreeMap<Table, &'static str> = BTreeMap::new();
        for program in &ordered {
            let name = program.name();
            for kind in program.kinds().iter().copied() {
                if [Kind::GENESIS, Kind::COINBASE].contains(&kind) || ledger.decides(kind) {
                    return Err(RegistryError::KindReserved { program: name, kind });
                }
                if let Some(first) = programs.insert(kind, Arc::clone(program)) {
                    return Err(RegistryError::KindTaken { first: first.name(), second: name, kind });
                }
            }
            for table in program.tables().iter().copied() {
                if table < FIRST_PROGRAM_TABLE {
                    return Err(RegistryError::TableReserved { program: name, table });
                }
                if let Some(first) = owners.insert(table, name) {
                    return Err(RegistryError::TableTaken { first, second: name, table });
                }
            }
        }
        Ok(Self { ledger, programs, ordered })
    }

    /// The ledger underneath.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn try_apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Effect, ExecuteError> {
        let (id, kind) = (transaction.id(), transaction.kind);
        if self.ledger.decides(kind) {
            return self.ledger.apply(state, transaction, &id, context, Funding::Required, claims);
        }
        let program = self.programs.get(&kind).ok_or(ContractError::UnknownKind { kind })?;
        let announced = program.signature_checks(transaction);
        let funding = if program.is_free(transaction) { Funding::Free } else { Funding::Required };
        let mut effect = self.ledger.apply(state, transaction, &id, context, funding, claims)?;
        effect.signature_checks = effect.signature_checks.saturating_add(announced);

        let before = claims.len();
        let mut own = Overlay::new(state);
        program.apply(&mut own, transaction, &id, context, claims)?;
        let changes = checked_changes(program.as_ref(), own)?;
        let claimed = claims.len() - before;
        if claimed > announced as usize {
            return Err(ContractError::TooManyClaims { program: program.name(), claimed, announced }.into());
        }
        let bytes = state_bytes(&changes).max(state_bytes(&changes.undo(state)?));
        let max_bytes = codec::encode(transaction).len() * STATE_BYTES_PER_TRANSACTION_BYTE;
        if bytes > max_bytes {
            return Err(ContractError::TooMuchState { program: program.name(), bytes, max_bytes }.into());
        }
        state.absorb(changes);
        Ok(effect)
    }
}

impl fmt::Debug for Contracts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let programs: Vec<&str> = self.ordered.iter().map(|program| program.name()).collect();
        f.debug_struct("Contracts").field("programs", &programs).finish_non_exhaustive()
    }
}

impl Executor for Contracts {
    fn genesis(&self, state: &mut Overlay<'_>, genesis: &Genesis) -> Result<(), ExecuteError> {
        self.ledger.genesis(state, genesis)?;
        for program in &self.ordered {
            let mut own = Overlay::new(state);
            program.genesis(&mut own, genesis)?;
            let changes = checked_changes(program.as_ref(), own)?;
            state.absorb(changes);
        }
        Ok(())
    }

    fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Effect, ExecuteError> {
        let before = claims.len();
        let mut own = Overlay::new(state);
        let outcome = self.try_apply(&mut own, transaction, context, claims);
        match outcome.and_then(|effect| Ok((effect, own.into_changes()?))) {
            Ok((effect, changes)) => {
                state.absorb(changes);
                Ok(effect)
            }
            Err(error) => {
                claims.truncate(before);
                Err(error)
            }
        }
    }
}

/// What `program` wrote to `own`, if it kept to its tables.
fn checked_changes(program: &dyn Program, own: Overlay<'_>) -> Result<Changes, ExecuteError> {
    let changes = own.into_changes()?;
    let foreign = changes.iter().map(|(table, ..)| table).find(|table| !program.tables().contains(table));
    match foreign {
        Some(table) => Err(ContractError::ForeignTable { program: program.name(), table }.into()),
        None => Ok(changes),
    }
}

fn state_bytes(changes: &Changes) -> usize {
    changes.iter().map(|(_, key, value)| ENTRY_BYTES + key.len() + value.map_or(0, <[u8]>::len)).sum()
}
