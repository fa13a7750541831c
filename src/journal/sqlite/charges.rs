//! [`Charges`]: reads the charges of a file line by line, while other processes write.

use std::path::{Path as FilePath, PathBuf};
use std::vec;

use rusqlite::{Connection, named_params};

use super::{explain, read_only, rows};
use crate::clock::Timestamp;
use crate::journal::JournalError;
use crate::ledger::Posting;

/// How many lines are read at once.
const PAGE: u32 = 500;

/// The charges of a ledger file, in the order in which they were booked: an iterator that keeps a few
/// hundred of them in memory, however many there are.
///
/// It needs no manager and writes nothing: an accountant may read the file of a budget that is in use. It
/// sees the file as it was when it was opened. While it is open the file's write-ahead log grows, to be
/// cut when it has gone, so that it should not be kept longer than it takes.
///
/// The crate `bursar-cli` exports them as CSV or JSON lines, and compares them with a provider's invoice.
///
/// ```
/// use bursar::journal::{Charges, SqliteJournal};
/// use bursar::{BudgetManager, Usage, Usd};
/// # let folder = std::env::temp_dir().join(format!("bursar-charges-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("budget.db");
/// # let _ = std::fs::remove_file(&file);
///
/// let budget = BudgetManager::builder().journal(SqliteJournal::open(&file)?).build()?;
/// let luna = budget.model("gpt-6-luna")?;
/// budget.account("writer")?.record(Usage::tokens(120_000, 800)).model(&luna).book()?;
///
/// for charge in Charges::open(&file)? {
///     let charge = charge?;
///     assert_eq!((&*charge.model, charge.account.as_str()), ("openai/gpt-6-luna", "writer"));
///     assert_eq!(Usd::from_pico(charge.cost), "0.0124".parse()?);
/// }
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Charges {
    connection: Connection,
    file: PathBuf,
    from: Option<String>,
    until: Option<String>,
    page: vec::IntoIter<Posting>,
    /// The line that was read last; `None` when there is none after it.
    last: Option<i64>,
}

impl Charges {
    /// Opens the file of a ledger, read-only.
    ///
    /// # Errors
    /// [`JournalError`], which names the file and the remedy: it is not there, no ledger, of a
    /// newer version. In a folder that this user cannot write, SQLite reads a file in use only while
    /// another process has it open.
    pub fn open(file: impl AsRef<FilePath>) -> Result<Charges, JournalError> {
        let file = file.as_ref().to_path_buf();
        let (connection, _) = read_only(&file)?;
        let page = Vec::new().into_iter();
        Ok(Charges { connection, file, from: None, until: None, page, last: Some(i64::MIN) })
    }

    /// Only calls that were made from `from` on and before `until`. A call is made when it is
    /// reserved, a correction belongs to the moment that it is about: the windows that they count in.
    #[must_use]
    pub fn between(mut self, from: Timestamp, until: Timestamp) -> Charges {
        // Neither end of time has a text that sorts as time.
        self.from = (from > Timestamp::MIN).then(|| rows::moment(from));
        self.until = (until < Timestamp::MAX).then(|| rows::moment(until));
        self
    }

    fn turn(&mut self, last: i64) -> Result<Option<Posting>, JournalError> {
        let told = |error: rusqlite::Error| explain(&self.file, &error);
        let text = format!(
            "SELECT * FROM charges WHERE id > :last AND (:from IS NULL OR reserved_at >= :from) \
             AND (:until IS NULL OR reserved_at < :until) ORDER BY id LIMIT {PAGE}"
        );
        let mut ask = self.connection.prepare_cached(&text).map_err(told)?;
        let asked = named_params! { ":last": last, ":from": self.from, ":until": self.until };
        let mut found = ask.query(asked).map_err(told)?;
        let mut page = Vec::new();
        let mut end = None;
        while let Some(row) = found.next().map_err(told)? {
            let id: i64 = row.get("id").map_err(told)?;
            page.push(rows::posting(row).map_err(|error| {
                JournalError::new(format!(
                    "{}: the charge with the id {id} is not what was written: {error}; put back a copy",
                    self.file.display()
                ))
            })?);
            end = Some(id);
        }
        self.last = end;
        self.page = page.into_iter();
        Ok(self.page.next())
    }
}

impl Iterator for Charges {
    type Item = Result<Posting, JournalError>;

    fn next(&mut self) -> Option<Result<Posting, JournalError>> {
        if let Some(charge) = self.page.next() {
            return Some(Ok(charge));
        }
        // After an error there is nothing more.
        let last = self.last.take()?;
        self.turn(last).transpose()
    }
}
