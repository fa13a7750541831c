//! The schema: creates the tables of a new file, and checks the version of an existing one.

use std::path::Path as FilePath;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::super::JournalError;
use super::place::explain;
use crate::usage::Bucket;

/// The version of the tables and of the events inside.
pub(super) const VERSION: i64 = 1;
/// What a file of ours says in its header: "bsar".
const APPLICATION: i64 = 0x6273_6172;

const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE events (number INTEGER PRIMARY KEY, event TEXT NOT NULL, seal INTEGER NOT NULL);
CREATE TABLE snapshots (number INTEGER PRIMARY KEY, ledger TEXT NOT NULL, seal INTEGER NOT NULL);
CREATE TABLE charges (
    id INTEGER PRIMARY KEY,
    event INTEGER NOT NULL,
    at TEXT NOT NULL,
    reserved_at TEXT NOT NULL,
    account TEXT NOT NULL,
    tags TEXT NOT NULL,
    model TEXT NOT NULL,
    kind TEXT NOT NULL,
    cost TEXT NOT NULL,
    confidence TEXT NOT NULL,
    why TEXT,
    seal INTEGER
);
INSERT INTO meta (name, value) VALUES ('charges_from', 1);
CREATE VIEW spend_by_day AS
    SELECT substr(reserved_at, 1, 10) AS day, round(sum(cost), 6) AS dollars,
           sum(kind IN ('settled', 'recorded')) AS calls
    FROM charges GROUP BY day ORDER BY day;
CREATE VIEW spend_by_account AS
    SELECT account, round(sum(cost), 6) AS dollars, sum(kind IN ('settled', 'recorded')) AS calls
    FROM charges GROUP BY account ORDER BY dollars DESC;
CREATE VIEW spend_by_model AS
    SELECT model, round(sum(cost), 6) AS dollars, sum(kind IN ('settled', 'recorded')) AS calls
    FROM charges GROUP BY model ORDER BY dollars DESC;
";

/// Makes the tables of a new file, or refuses one that is not ours or newer than we are.
pub(super) fn prepare(connection: &Connection, file: &FilePath) -> Result<(), JournalError> {
    let told = |error: rusqlite::Error| explain(file, &error);
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(told)?;
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
            .map_err(told)?;
    let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id").map_err(told)?;
    let tables: i64 = transaction
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(told)?;
    if application == 0 && tables == 0 {
        transaction.execute_batch(TABLES).map_err(told)?;
        add_buckets(&transaction).map_err(told)?;
        transaction
            .execute("INSERT INTO meta (name, value) VALUES ('schema', ?1)", [VERSION])
            .map_err(told)?;
        transaction.pragma_update(None, "application_id", APPLICATION).map_err(told)?;
        return transaction.commit().map_err(told);
    }
    recognise(&transaction, application, file)?;
    add_buckets(&transaction).map_err(told)?;
    transaction.commit().map_err(told)
}

/// Adds to `charges` a column for each bucket of usage that it lacks: all of them in a new file, and
/// in an existing one those that this version is the first to know. Existing lines count 0 of them.
fn add_buckets(connection: &Connection) -> rusqlite::Result<()> {
    let mut ask = connection.prepare("SELECT name FROM pragma_table_info('charges')")?;
    let known: Vec<String> = ask.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for bucket in Bucket::ALL.iter().map(|bucket| bucket.as_str()) {
        if known.iter().all(|column| column != bucket) {
            let column = format!("{bucket} INTEGER NOT NULL DEFAULT 0");
            connection.execute_batch(&format!("ALTER TABLE charges ADD COLUMN {column}"))?;
        }
    }
    Ok(())
}

/// Refuses a file that is not ours or newer than we are. Reads, and changes nothing.
pub(super) fn check(connection: &Connection, file: &FilePath) -> Result<(), JournalError> {
    let application = connection.pragma_query_value(None, "application_id", |row| row.get(0));
    recognise(connection, application.map_err(|error| explain(file, &error))?, file)
}

fn recognise(
    connection: &Connection,
    application: i64,
    file: &FilePath,
) -> Result<(), JournalError> {
    let name = file.display();
    if application != APPLICATION {
        return Err(JournalError::new(format!(
            "{name} is a database of something else; name another file"
        )));
    }
    let version: Option<i64> = connection
        .query_row("SELECT value FROM meta WHERE name = 'schema'", [], |row| row.get(0))
        .optional()
        .map_err(|error| explain(file, &error))?;
    match version {
        Some(VERSION) => Ok(()),
        Some(newer) if newer > VERSION => Err(JournalError::new(format!(
            "{name} was written by a newer bursar (schema {newer}, this one knows {VERSION}); \
             use that version or a newer one"
        ))),
        _ => Err(JournalError::new(format!(
            "{name} does not say which schema it has; put back a copy"
        ))),
    }
}
