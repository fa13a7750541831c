//! Owns the file: [`SqliteJournal`], a journal in an SQLite database that people can query.
//!
//! The tables `charges` and `meta` and the views are for people; `events` and `snapshots` are what
//! the ledger is made of again.
//!
//! | table or view | what it has |
//! |---|---|
//! | `charges` | a line for each amount that was booked: `at` and `reserved_at` (UTC text), `account`, `tags` (a JSON array), `model`, `kind` (`settled`, `recorded`, `expired`, `taken back`, `adjusted`), `cost` (dollars as exact decimal text), `confidence`, a column for each bucket of [`Usage`](crate::Usage), `why`. The lines of an account add up to what it has spent directly |
//! | `spend_by_day`, `spend_by_account`, `spend_by_model` | sums in dollars, as floating point: to look at. The shell's `decimal_sum(cost)` adds exactly |
//! | `events` | `number`, `event` (JSON), `seal` (a checksum) |
//! | `snapshots` | `number`, `ledger` (JSON), `seal` |
//! | `meta` | `schema`, the version of all this |
//!
//! An amount is text because 64 bits of picodollars end at nine million dollars, and a float is not
//! exact.

mod rows;
mod schema;

use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{Journal, JournalError, News};
use crate::ledger::{Entry, Event, Ledger};

/// What a committed transaction survives. Feature `sqlite`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The death of the process (`kill -9`, a panic). A power cut can lose the last transactions,
    /// never the file: `synchronous=NORMAL`.
    #[default]
    ProcessDeath,
    /// A power cut too, at the price of one wait for the disk for each transaction:
    /// `synchronous=FULL`.
    PowerLoss,
}

/// How a file is opened, see [`SqliteJournal::options`]. Feature `sqlite`.
#[derive(Clone, Debug)]
#[must_use = "nothing is opened until `open` is called"]
pub struct SqliteOptions {
    durability: Durability,
    patience: Duration,
    keep_charges: Option<Duration>,
}

impl SqliteOptions {
    /// What a committed transaction survives.
    pub fn durability(mut self, durability: Durability) -> SqliteOptions {
        self.durability = durability;
        self
    }

    /// How long to wait while another process writes; 5 seconds unless told otherwise.
    pub fn patience(mut self, patience: Duration) -> SqliteOptions {
        self.patience = patience;
        self
    }

    /// Forgets the lines of `charges` that are older than this, when a snapshot is made. The balances
    /// stay. Unless told otherwise all lines are kept.
    pub fn keep_charges(mut self, span: Duration) -> SqliteOptions {
        self.keep_charges = Some(span);
        self
    }

    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`JournalError`], which names the file and the remedy.
    pub fn open(self, file: impl AsRef<FilePath>) -> Result<SqliteJournal, JournalError> {
        let file = file.as_ref().to_path_buf();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let told = |error: rusqlite::Error| explain(&file, &error);
        let connection = Connection::open_with_flags(&file, flags).map_err(told)?;
        connection.busy_timeout(self.patience).map_err(told)?;
        let synchronous = match self.durability {
            Durability::ProcessDeath => "NORMAL",
            Durability::PowerLoss => "FULL",
        };
        connection.pragma_update(None, "synchronous", synchronous).map_err(told)?;
        schema::prepare(&connection, &file)?;
        connection.set_prepared_statement_cache_capacity(32);
        let keep_charges = self.keep_charges;
        Ok(SqliteJournal { connection, file, keep_charges, open: false })
    }
}

/// A journal in a file, which any number of processes of one machine may share. Not for a network
/// file system, whose locks cannot be trusted. Feature `sqlite`.
///
/// ```
/// use bursar::journal::{Durability, SqliteJournal};
/// use bursar::{BudgetManager, Limit, Period, Usd};
/// # let file = std::env::temp_dir().join(format!("bursar-doc-{}.db", std::process::id()));
///
/// let journal = SqliteJournal::options().durability(Durability::PowerLoss).open(&file)?;
/// let budget = BudgetManager::builder()
///     .limit("", Limit::spend(Usd::dollars(100)).per(Period::MONTH))
///     .journal(journal)
///     .build()?;
/// # drop(budget);
/// # for end in ["", "-wal", "-shm"] { let _ = std::fs::remove_file(format!("{}{end}", file.display())); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqliteJournal {
    connection: Connection,
    file: PathBuf,
    keep_charges: Option<Duration>,
    open: bool,
}

impl SqliteJournal {
    /// Opens the file, or makes it, with the ordinary [options](SqliteJournal::options).
    ///
    /// # Errors
    /// [`JournalError`], which names the file and the remedy: it is no database, of a newer version,
    /// damaged, locked or not to be written.
    pub fn open(file: impl AsRef<FilePath>) -> Result<SqliteJournal, JournalError> {
        SqliteJournal::options().open(file)
    }

    /// The ordinary options: survives the death of the process, waits 5 seconds for others, keeps
    /// all charges.
    pub fn options() -> SqliteOptions {
        SqliteOptions {
            durability: Durability::default(),
            patience: Duration::from_secs(5),
            keep_charges: None,
        }
    }

    fn told(&self, error: &rusqlite::Error) -> JournalError {
        explain(&self.file, error)
    }

    fn read(&self, after: u64) -> Result<News, JournalError> {
        let told = |error: rusqlite::Error| self.told(&error);
        let (first, last) = self.range().map_err(told)?;
        if last < after {
            return Err(self.damaged(&format!(
                "it ends at event {last}, and this process has seen {after}: an older copy was put \
                 in its place while it was in use; restart the process to go on from that copy"
            )));
        }
        let forgotten = first > after.saturating_add(1);
        let snapshot = match forgotten || (after == 0 && self.has_snapshot().map_err(told)?) {
            true => Some(self.snapshot(after)?),
            false => None,
        };
        let events = self.events(snapshot.as_ref().map_or(after, Ledger::events))?;
        Ok(News { snapshot, events })
    }

    /// The numbers of the first event that is kept and of the last that there ever was.
    fn range(&self) -> rusqlite::Result<(u64, u64)> {
        let text = "SELECT (SELECT min(number) FROM events), (SELECT max(number) FROM events), \
                    (SELECT max(number) FROM snapshots)";
        let mut ask = self.connection.prepare_cached(text)?;
        ask.query_row([], |row| {
            let number = |place| row.get::<_, Option<i64>>(place).map(|n| n.map(rows::number));
            let kept = number(2)?.unwrap_or(0);
            let first = number(0)?.unwrap_or(kept.saturating_add(1));
            Ok((first, number(1)?.unwrap_or(kept)))
        })
    }

    fn has_snapshot(&self) -> rusqlite::Result<bool> {
        self.connection.query_row("SELECT EXISTS (SELECT 1 FROM snapshots)", [], |row| row.get(0))
    }

    fn events(&self, after: u64) -> Result<Vec<Event>, JournalError> {
        let told = |error: rusqlite::Error| self.told(&error);
        let text = "SELECT number, event, seal FROM events WHERE number > ?1 ORDER BY number";
        let mut ask = self.connection.prepare_cached(text).map_err(told)?;
        let mut found = ask.query([rows::signed(after)]).map_err(told)?;
        let mut events = Vec::new();
        let mut expected: Option<i64> = None;
        while let Some(row) = found.next().map_err(told)? {
            let number: i64 = row.get(0).map_err(told)?;
            let event = row.get_ref(1).and_then(|text| Ok(text.as_str()?)).map_err(told)?;
            let seal: i64 = row.get(2).map_err(told)?;
            let in_order = expected.is_none_or(|expected| expected == number);
            if !in_order || seal != rows::seal(number, event) {
                return Err(self.damaged(&format!("event {number} is not what was written")));
            }
            let event = serde_json::from_str(event)
                .map_err(|error| self.damaged(&format!("event {number}: {error}")))?;
            events.push(event);
            expected = number.checked_add(1);
        }
        Ok(events)
    }

    /// The newest snapshot that is whole; an older one if it is not, because the events since the
    /// one before are kept.
    fn snapshot(&self, after: u64) -> Result<Ledger, JournalError> {
        let told = |error: rusqlite::Error| self.told(&error);
        let text = "SELECT number, ledger, seal FROM snapshots WHERE number >= ?1 \
                    ORDER BY number DESC";
        let mut ask = self.connection.prepare_cached(text).map_err(told)?;
        let mut found = ask.query([rows::signed(after)]).map_err(told)?;
        while let Some(row) = found.next().map_err(told)? {
            let number: i64 = row.get(0).map_err(told)?;
            let text = row.get_ref(1).and_then(|text| Ok(text.as_str()?)).map_err(told)?;
            let seal: i64 = row.get(2).map_err(told)?;
            if seal != rows::seal(number, text) {
                continue;
            }
            if let Ok(ledger) = serde_json::from_str(text) {
                return Ok(ledger);
            }
        }
        Err(self.damaged("no snapshot is what was written"))
    }

    #[cold]
    fn damaged(&self, what: &str) -> JournalError {
        let file = self.file.display();
        JournalError::new(format!(
            "{file} is damaged: {what}; put back a copy, or save its charges with \
             `sqlite3 {file} .recover` and begin a new file"
        ))
    }
}

impl Journal for SqliteJournal {
    fn begin(&mut self, after: u64) -> Result<News, JournalError> {
        let begun = self.connection.prepare_cached("BEGIN IMMEDIATE");
        begun.and_then(|mut begin| begin.execute([])).map_err(|error| self.told(&error))?;
        self.open = true;
        self.read(after).inspect_err(|_| self.roll_back())
    }

    fn append(&mut self, first: u64, entries: &[Entry]) -> Result<(), JournalError> {
        rows::append(&self.connection, first, entries).map_err(|error| self.told(&error))
    }

    fn keep(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        let file = self.file.display();
        let text = serde_json::to_string(ledger)
            .map_err(|error| JournalError::new(format!("{file}: no snapshot: {error}")))?;
        let number = rows::signed(ledger.events());
        let oldest = self.keep_charges.map(|span| rows::moment_before(ledger.now(), span));
        let keep = || {
            let before: Option<i64> = self
                .connection
                .query_row("SELECT max(number) FROM snapshots", [], |row| row.get(0))
                .optional()?
                .flatten();
            self.connection.execute(
                "INSERT INTO snapshots (number, ledger, seal) VALUES (?1, ?2, ?3)",
                params![number, text, rows::seal(number, &text)],
            )?;
            if let Some(before) = before {
                self.connection.execute("DELETE FROM snapshots WHERE number < ?1", [before])?;
                self.connection.execute("DELETE FROM events WHERE number <= ?1", [before])?;
            }
            if let Some(oldest) = &oldest {
                self.connection.execute("DELETE FROM charges WHERE at < ?1", [oldest])?;
            }
            Ok(())
        };
        keep().map_err(|error: rusqlite::Error| self.told(&error))
    }

    fn commit(&mut self) -> Result<(), JournalError> {
        let committed = self.connection.prepare_cached("COMMIT");
        committed.and_then(|mut commit| commit.execute([])).map_err(|error| self.told(&error))?;
        self.open = false;
        Ok(())
    }

    fn roll_back(&mut self) {
        if std::mem::take(&mut self.open) && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

/// An error of SQLite as a sentence that says what to do.
#[cold]
fn explain(file: &FilePath, error: &rusqlite::Error) -> JournalError {
    use rusqlite::ErrorCode as Code;
    let name = file.display();
    let code = error.sqlite_error_code();
    let remedy = match code {
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => {
            return JournalError::temporary(format!(
                "{name} is being written by another process, for longer than this one waits: end \
                 that process, or raise `SqliteOptions::patience`"
            ));
        }
        Some(Code::DiskFull) => {
            return JournalError::temporary(format!(
                "{name} cannot grow: the disk is full; free some space"
            ));
        }
        Some(Code::NotADatabase) => "it is no SQLite database; name another file",
        Some(Code::ReadOnly | Code::PermissionDenied) => {
            "it cannot be written; let this user write the file and its folder"
        }
        Some(Code::CannotOpen) => "it cannot be opened; see that the folder is there and writable",
        Some(Code::DatabaseCorrupt) => {
            "it is damaged; put back a copy, or save what is left with `sqlite3 FILE .recover`"
        }
        Some(Code::SystemIoFailure) => "the disk does not answer as it should; look at the disk",
        _ => "see what SQLite says",
    };
    JournalError::new(format!("{name}: {remedy} ({error})"))
}
