//! [`Seals`]: checks the lines of `charges` by a checksum of each, and that none is missing.
//!
//! `meta` keeps the first line that is kept (`charges_from`). The lines are numbered without a gap. If all
//! of them are forgotten,
//! `charges_from` is the number of the next one, and `forgotten_event` the event of the last one.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Statement};

use super::rows;

/// Seals the line that was just written.
pub(super) fn seal(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    // SQLite restarts at 1 in an empty table.
    let id = if id == 1 { go_on(connection)? } else { id };
    let mut ask = connection.prepare_cached("SELECT * FROM charges WHERE id = ?1")?;
    let seal = ask.query_row([id], of)?;
    connection
        .prepare_cached("UPDATE charges SET seal = ?2 WHERE id = ?1")?
        .execute([id, seal])
        .map(|_| ())
}

/// Renumbers the only line, to follow the lines that were deleted.
#[cold]
fn go_on(connection: &Connection) -> rusqlite::Result<i64> {
    let id = meta(connection, "charges_from")?.map_or(1, |next| next.max(1));
    connection.execute("UPDATE charges SET id = ?1 WHERE id = 1", [id])?;
    Ok(id)
}

/// Records the first line that is kept, after older ones were deleted. `last` is the number and the
/// event of the last line before that.
pub(super) fn forgot(connection: &Connection, last: (i64, i64)) -> rusqlite::Result<()> {
    let text = "UPDATE meta SET value = coalesce((SELECT min(id) FROM charges), ?1) \
                WHERE name = 'charges_from'";
    connection.execute(text, [last.0.saturating_add(1)])?;
    let text = "INSERT OR REPLACE INTO meta (name, value) \
                SELECT 'forgotten_event', ?1 WHERE NOT EXISTS (SELECT 1 FROM charges)";
    connection.execute(text, [last.1]).map(|_| ())
}

/// The event of the newest charge that the file ever had, if known; else 0.
pub(super) fn newest_event(connection: &Connection) -> rusqlite::Result<u64> {
    let text = "SELECT event FROM charges ORDER BY id DESC LIMIT 1";
    let kept = connection.query_row(text, [], |row| row.get(0)).optional()?;
    let newest = match kept {
        Some(event) => Some(event),
        None => meta(connection, "forgotten_event")?,
    };
    Ok(newest.map_or(0, rows::number))
}

fn meta(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    let text = "SELECT value FROM meta WHERE name = ?1";
    connection.query_row(text, [name], |row| row.get(0)).optional()
}

/// The seal of a line: of its number and of the name and value of each cell that says something. A column
/// that a later version adds, empty or 0 in older lines, changes none.
fn of(row: &Row<'_>) -> rusqlite::Result<i64> {
    let statement: &Statement<'_> = row.as_ref();
    let mut hasher = blake3::Hasher::new();
    for (place, name) in statement.column_names().into_iter().enumerate() {
        let cell = row.get_ref(place)?;
        let number;
        let (kind, bytes): (u8, &[u8]) = match cell {
            _ if name == "seal" => continue,
            ValueRef::Null | ValueRef::Integer(0) => continue,
            ValueRef::Integer(value) => {
                number = value.to_le_bytes();
                (1, &number)
            }
            ValueRef::Real(value) => {
                number = value.to_bits().to_le_bytes();
                (2, &number)
            }
            ValueRef::Text(text) => (3, text),
            ValueRef::Blob(blob) => (4, blob),
        };
        hasher.update(name.as_bytes()).update(&[0, kind]);
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    }
    Ok(rows::first_half(&hasher))
}

/// What is expected of the lines of `charges`, one after the other.
pub(super) struct Seals {
    /// The number of the next line.
    next: i64,
}

impl Seals {
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Seals> {
        Ok(Seals { next: meta(connection, "charges_from")?.unwrap_or(1) })
    }

    /// What is wrong with the next line, if anything is.
    pub(super) fn check(&mut self, row: &Row<'_>) -> rusqlite::Result<Option<String>> {
        let id: i64 = row.get("id")?;
        let expected = self.next;
        self.next = id.saturating_add(1);
        if id != expected {
            return Ok(Some(format!("the charge with the id {expected} is not there")));
        }
        let found: Option<i64> = row.get("seal")?;
        let is_whole = found == Some(of(row)?);
        Ok((!is_whole).then(|| format!("the charge with the id {id} is not what was written")))
    }
}
