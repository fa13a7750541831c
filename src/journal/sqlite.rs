//! [`SqliteJournal`]: a journal in an SQLite database that people can query.

mod log;
mod place;
mod read;
mod charges;
mod rows;
mod schema;
mod seals;
mod verify;

use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

pub use self::charges::Charges;
use super::{Journal, JournalError, News};
use crate::ledger::{Entry, Ledger};
use place::{Place, explain};
pub use verify::Verified;

/// How long a line of `charges` is kept: a year, and time to look at it.
const KEEP_CHARGES: Duration = Duration::from_secs(400 * 86_400);
/// How many of them one snapshot forgets at most, so that no call waits for long.
const FORGET_AT_ONCE: i64 = 20_000;
/// The default of [`SqliteOptions::patience`].
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the write-ahead log may stay, in bytes. SQLite copies it into the file from 4 MB on.
const LOG_LIMIT: u32 = 8 << 20;
/// How many commits lie between attempts to truncate a longer log.
const CUT_EVERY: u32 = 64;

/// What a committed transaction survives. Feature `sqlite`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The death of the process (`kill -9`, a panic). A power cut can lose the last transactions,
    /// never the file: `synchronous=NORMAL`. If it leaves a log in which earlier transactions are
    /// lost and later ones are not, opening fails with the remedy.
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

    /// How long to wait while another process writes; by default 5 seconds.
    pub fn patience(mut self, patience: Duration) -> SqliteOptions {
        self.patience = patience;
        self
    }

    /// Forgets the lines of `charges` that are older than this, bit by bit, when snapshots are made. The
    /// balances stay. By default they are kept for 400 days: a year, and some weeks to audit it.
    ///
    /// A line takes about 120 bytes, and more with tags or a model: ten million were 1.2 GB, opened in
    /// 0.1 s. So 10,000 calls a day come to some 500 MB, and the file grows no more. What is freed is used
    /// again; `VACUUM` in the shell gives it back to the disk.
    pub fn keep_charges(mut self, span: Duration) -> SqliteOptions {
        self.keep_charges = Some(span);
        self
    }

    /// Keeps all lines of `charges`: the file grows as long as it is written to.
    pub fn keep_all_charges(mut self) -> SqliteOptions {
        self.keep_charges = None;
        self
    }

    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`JournalError`], which names the file and the remedy.
    pub fn open(self, file: impl AsRef<FilePath>) -> Result<SqliteJournal, JournalError> {
        let (name, file) = (file.as_ref().to_path_buf(), place::resolve(file.as_ref())?);
        log::check(&file)?;
        place::check_log(&name, &file)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let told = |error: rusqlite::Error| explain(&name, &error);
        let connection = Connection::open_with_flags(&file, flags).map_err(told)?;
        // SQLite opens what it cannot write to for reading, and says so at the first write only.
        if connection.is_readonly("main").map_err(told)? {
            return Err(place::not_writable(&name));
        }
        connection.busy_timeout(self.patience).map_err(told)?;
        let synchronous = match self.durability {
            Durability::ProcessDeath => "NORMAL",
            Durability::PowerLoss => "FULL",
        };
        connection.pragma_update(None, "synchronous", synchronous).map_err(told)?;
        schema::prepare(&connection, &name)?;
        connection.pragma_update(None, "journal_size_limit", LOG_LIMIT / 2).map_err(told)?;
        connection.set_prepared_statement_cache_capacity(32);
        let mut journal = SqliteJournal::over(connection, name, &file);
        journal.keep_charges = self.keep_charges;
        journal.patience = self.patience;
        journal.presence = place::Presence::of(&file);
        Ok(journal)
    }
}

/// The file of a ledger for reading alone, all of it as of one moment, whatever others write; and where
/// it is.
fn read_only(file: &FilePath) -> Result<(Connection, PathBuf), JournalError> {
    let found = place::resolve(file)?;
    if !found.exists() {
        let what = format!("there is no {}; name the file of a ledger", file.display());
        return Err(JournalError::new(what));
    }
    log::check(&found)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let told = |error: rusqlite::Error| explain(file, &error);
    let connection = Connection::open_with_flags(&found, flags).map_err(told)?;
    connection.busy_timeout(PATIENCE).map_err(told)?;
    connection.execute_batch("BEGIN").map_err(told)?;
    schema::check(&connection, file)?;
    Ok((connection, found))
}

/// A journal in a file, which any number of processes of one machine may share. Not for a network
/// file system, whose locks cannot be trusted. Feature `sqlite`.
///
/// **Names.** A file is named by its path, never by a URI, and a symbolic link is the file that it
/// names. Where there is no file, or an empty one as `touch` makes it, a new ledger begins.
/// Anything that may have been a ledger is refused: a file that was emptied after it was made, or
/// that is empty with a log beside it or reached by a link; a link to a missing file; a log without
/// its file; a device.
///
/// **The log.** SQLite writes to `FILE-wal` first and copies it into the file later; `FILE-shm` is
/// its index. They are part of the ledger: move and copy all three together, while no process has
/// them open. If one of the three is removed or replaced under a running process, each call of it
/// is refused until it is put back or the process restarts; and while that process lives, no other
/// opens the file without its log. (Removal is detected on Unix; other systems do not let most
/// programs remove an open file.) Opening refuses a log in which damage has lost whole
/// transactions. Damage in its last transaction, and a log that was cut off or removed while no
/// process had it open, look like a process that died while writing, and go unnoticed. A log that
/// grows past 8 MB beside a reader is truncated when the reader is gone.
///
/// **Other processes.** On Linux each process that has the ledger open holds a shared `flock` on
/// the log, so that a process which is alone knows that other processes with holds have died.
/// Elsewhere it waits for as long as their leases had left, see
/// [`Builder::journal`](crate::budget::Builder::journal).
///
/// The tables `charges` and `meta` and the views are for people; `events` and `snapshots` are what
/// the ledger is made of again.
///
/// | table or view | what it has |
/// |---|---|
/// | `charges` | a line for each amount that was booked: `at` and `reserved_at` (UTC text), `account`, `tags` (a JSON array), `model`, `kind` (`settled`, `recorded`, `expired`, `reversed`, `adjusted`), `cost` (dollars as exact decimal text), `confidence`, a column for each bucket of [`Usage`](crate::Usage), `why`, `seal` (a checksum). The lines of an account add up to what it has spent directly |
/// | `spend_by_day`, `spend_by_account`, `spend_by_model` | sums in dollars, as floating point: to look at. The shell's `decimal_sum(cost)` adds exactly |
/// | `events` | `number`, `event` (JSON), `seal` (a checksum) |
/// | `snapshots` | `number`, `ledger` (JSON), `seal` |
/// | `meta` | `schema`, the version of all this; `charges_from`, the first line of `charges` that is kept |
///
/// `events` and `snapshots` keep what opening and other processes need, at most some 20,000 events or
/// twenty for each thing in the ledger. `charges` is history, kept for 400 days unless
/// [`SqliteOptions::keep_charges`] or [`SqliteOptions::keep_all_charges`] says otherwise.
/// [`SqliteJournal::verify`] looks through all of a file.
///
/// An amount is text because 64 bits of picodollars end at nine million dollars, and a float is not
/// exact.
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
    /// As it was named.
    file: PathBuf,
    /// Where it is, to see that it is there still.
    place: Place,
    keep_charges: Option<Duration>,
    patience: Duration,
    /// How many commits there were since the length of the log was looked at.
    commits: u32,
    open: bool,
    seen: Option<Seen>,
    /// Says to other processes that this one has the file open.
    presence: place::Presence,
}

/// What the last transaction knew: while no other connection writes, there is nothing to read.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    /// SQLite's count of the changes that other connections made.
    version: i64,
    /// The last event.
    number: u64,
}

impl SqliteJournal {
    /// Opens the file, or makes it, with the ordinary [options](SqliteJournal::options).
    ///
    /// # Errors
    /// [`JournalError`], which names the file and the remedy: it is not a database, or of a newer version,
    /// damaged, locked or not to be written.
    pub fn open(file: impl AsRef<FilePath>) -> Result<SqliteJournal, JournalError> {
        SqliteJournal::options().open(file)
    }

    /// The ordinary options: survives the death of the process, waits 5 seconds for others, keeps
    /// charges for 400 days.
    pub fn options() -> SqliteOptions {
        SqliteOptions {
            durability: Durability::default(),
            patience: PATIENCE,
            keep_charges: Some(KEEP_CHARGES),
        }
    }

    /// A journal of the ordinary options; `file` is where it is.
    fn over(connection: Connection, name: PathBuf, file: &FilePath) -> SqliteJournal {
        SqliteJournal {
            connection,
            file: name,
            place: Place::of(file),
            presence: place::Presence::default(),
            keep_charges: Some(KEEP_CHARGES),
            patience: PATIENCE,
            commits: 0,
            open: false,
            seen: None,
        }
    }

    fn told(&self, error: &rusqlite::Error) -> JournalError {
        explain(&self.file, error)
    }

    /// Truncates a log that has grown beside a reader. It works once the reader is gone, so it is
    /// tried now and then, without waiting.
    fn cut_log(&mut self) {
        self.commits = self.commits.wrapping_add(1);
        if self.commits % CUT_EVERY > 0 || self.place.log_length() <= u64::from(LOG_LIMIT) {
            return;
        }
        let cut = || -> rusqlite::Result<()> {
            self.connection.busy_timeout(Duration::ZERO)?;
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        };
        // A reader of the log is in the way; the next commit tries again.
        let _ = cut();
        let _ = self.connection.busy_timeout(self.patience);
    }

    /// Forgets the oldest lines of `charges` that are older than `oldest`. They lie in the order of
    /// time, so that the first says whether there are any.
    fn forget_charges(&self, oldest: &str) -> rusqlite::Result<()> {
        let first = "SELECT at < ?1 FROM charges ORDER BY id LIMIT 1";
        let any: Option<bool> =
            self.connection.query_row(first, [oldest], |row| row.get(0)).optional()?;
        if any == Some(true) {
            let text = "SELECT id, event FROM charges ORDER BY id DESC LIMIT 1";
            let last = self.connection.query_row(text, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            self.connection.execute(
                "DELETE FROM charges WHERE at < ?1 AND id IN \
                 (SELECT id FROM charges ORDER BY id LIMIT ?2)",
                params![oldest, FORGET_AT_ONCE],
            )?;
            seals::forgot(&self.connection, last)?;
        }
        Ok(())
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
        self.place.check(&self.file)?;
        let begun = self.connection.prepare_cached("BEGIN IMMEDIATE");
        begun.and_then(|mut begin| begin.execute([])).map_err(|error| self.told(&error))?;
        self.open = true;
        self.news(after).inspect_err(|_| self.roll_back())
    }

    fn peek(&mut self, after: u64) -> Result<News, JournalError> {
        self.place.check(&self.file)?;
        // What is read is as of one moment, and no writer is locked out.
        let begun = self.connection.prepare_cached("BEGIN").and_then(|mut begin| begin.execute([]));
        begun.map_err(|error| self.told(&error))?;
        self.open = true;
        let news = self.news(after);
        let seen = self.seen.filter(|_| news.is_ok());
        self.roll_back();
        self.seen = seen;
        news
    }

    fn is_alone(&mut self) -> bool {
        self.presence.is_alone()
    }

    fn append(&mut self, first: u64, entries: &[Entry]) -> Result<(), JournalError> {
        rows::append(&self.connection, first, entries).map_err(|error| self.told(&error))?;
        if let Some(seen) = &mut self.seen {
            seen.number = first.saturating_add(entries.len() as u64).saturating_sub(1);
        }
        Ok(())
    }

    fn keep(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        let file = self.file.display();
        let text = serde_json::to_string(ledger)
            .map_err(|error| JournalError::new(format!("{file}: no snapshot: {error}")))?;
        let number = rows::signed(ledger.events());
        let oldest = self.keep_charges.and_then(|span| rows::moment_before(ledger.now(), span));
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
            match &oldest {
                Some(oldest) => self.forget_charges(oldest),
                None => Ok(()),
            }
        };
        keep().map_err(|error: rusqlite::Error| self.told(&error))
    }

    fn commit(&mut self) -> Result<(), JournalError> {
        let committed = self.connection.prepare_cached("COMMIT");
        committed.and_then(|mut commit| commit.execute([])).map_err(|error| self.told(&error))?;
        self.open = false;
        self.cut_log();
        Ok(())
    }

    fn roll_back(&mut self) {
        self.seen = None;
        if std::mem::take(&mut self.open) && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test cannot cut the power; it checks the pragmas that SQLite was given instead.
    #[test]
    fn sqlite_is_told_what_a_transaction_has_to_survive() {
        let folder = std::env::temp_dir().join(format!("bursar-told-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (durability, synchronous) in [(Durability::ProcessDeath, 1), (Durability::PowerLoss, 2)]
        {
            let file = folder.join(format!("{durability:?}.db"));
            let journal = SqliteJournal::options().durability(durability).open(file).unwrap();
            let told = |name: &str| {
                let ask = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
                journal.connection.pragma_query_value(None, name, ask).unwrap()
            };
            assert_eq!(told("synchronous"), rusqlite::types::Value::Integer(synchronous));
            assert_eq!(told("journal_mode"), rusqlite::types::Value::Text("wal".to_owned()));
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
