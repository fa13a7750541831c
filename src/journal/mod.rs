//! [`Journal`]: the interface between a ledger and the place where its events are stored.
//!
//! A ledger is a sequence of events; event number *n* is the one after which
//! [`Ledger::events`](crate::ledger::Ledger::events) is *n*. A journal keeps that sequence, and now
//! and then a snapshot of the whole ledger, so that it can forget what came before. Several
//! processes may share one: each transaction first reads what the others have appended, then
//! appends its own.
//!
//! `SqliteJournal`, behind the feature `sqlite`, keeps it in a file: give it to
//! [`Builder::journal`](crate::budget::Builder::journal), and a budget survives its process. The trait
//! is for programs that keep their events elsewhere.
//!
//! `Charges` reads what was charged out of such a file while agents run. The crate `bursar-cli` exports it as CSV
//! or JSON lines, and compares it with a provider's invoice.

mod error;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use error::JournalError;
#[cfg(feature = "sqlite")]
pub use sqlite::{Charges, Durability, SqliteJournal, SqliteOptions, Verified};

use crate::ledger::{Entry, Event, Ledger};

/// Where the events of a ledger are kept.
///
/// The manager calls from one thread at a time: [`begin`](Journal::begin), then
/// [`append`](Journal::append) and perhaps [`keep`](Journal::keep), then [`commit`](Journal::commit)
/// or [`roll_back`](Journal::roll_back). What fails has changed nothing that another process can see.
pub trait Journal: Send + 'static {
    /// Locks all other writers out, and reads what they have appended after event number `after`.
    ///
    /// # Errors
    /// [`JournalError`]; then no transaction is open.
    fn begin(&mut self, after: u64) -> Result<News, JournalError>;

    /// Reads the events that others appended after event number `after`, for a reader that does not
    /// write. No transaction is open before or after. The default begins one and rolls it back; a
    /// journal that can read beside a writer should do that instead.
    ///
    /// # Errors
    /// [`JournalError`].
    fn peek(&mut self, after: u64) -> Result<News, JournalError> {
        let news = self.begin(after);
        self.roll_back();
        news
    }

    /// True if no other process has this journal open now. It is called within a transaction, when
    /// the lease of another process's hold has ended by this process's clock. If this process is
    /// alone, the other has died, and the hold ends at once. If not, this process first waits for
    /// as long as the lease had left when it first saw the hold, so that a clock that is ahead ends
    /// no call of others. The default is `true`, which trusts clocks.
    fn is_alone(&mut self) -> bool {
        true
    }

    /// Adds events to the open transaction; the first has the number `first`.
    ///
    /// # Errors
    /// [`JournalError`]; the transaction is rolled back by the caller.
    fn append(&mut self, first: u64, entries: &[Entry]) -> Result<(), JournalError>;

    /// Keeps a snapshot, as part of the open transaction. Events before the snapshot *before* it may
    /// be forgotten, so that other processes can still catch up.
    ///
    /// # Errors
    /// [`JournalError`]; the transaction is rolled back by the caller.
    fn keep(&mut self, ledger: &Ledger) -> Result<(), JournalError>;

    /// Makes the transaction last.
    ///
    /// # Errors
    /// [`JournalError`]; the transaction is rolled back by the caller.
    fn commit(&mut self) -> Result<(), JournalError>;

    /// Ends the transaction as if it had never been; nothing happens if there is none.
    fn roll_back(&mut self);
}

/// What others have appended.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// The whole ledger at a later moment, where the events up to it have been forgotten.
    pub snapshot: Option<Ledger>,
    /// The events after that snapshot, or after the number that was asked for, without a gap.
    pub events: Vec<Event>,
}
