//! The rows of the file: how events, charges and lines of usage become columns.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::fmt::temporal::DateTimePrinter;
use rusqlite::{Connection, Row, Statement, ToSql, params};
use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};

use super::seals;
use crate::clock::Timestamp;
use crate::ledger::{Entry, Path, Posting, PostingKind};
use crate::money::Usd;
use crate::usage::{Bucket, Confidence, Usage};

/// Writes events and what they charged.
pub(super) fn append(
    connection: &Connection,
    first: u64,
    entries: &[Entry],
) -> rusqlite::Result<()> {
    let text = "INSERT INTO events (number, event, seal) VALUES (?1, ?2, ?3)";
    let mut insert = connection.prepare_cached(text)?;
    for (number, entry) in (signed(first)..).zip(entries) {
        let event = json(&entry.event)?;
        insert.execute(params![number, event, seal(number, &event)])?;
        for posting in &entry.charges {
            charge(connection, number, posting)?;
            seals::seal(connection, connection.last_insert_rowid())?;
        }
    }
    Ok(())
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn charge(connection: &Connection, event: i64, posting: &Posting) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(&INSERT)?;
    let tags = if posting.tags.is_empty() {
        Cow::Borrowed("[]")
    } else {
        Cow::Owned(json(&posting.tags)?)
    };
    // The columns in the order of `INSERT`.
    let others: [&dyn ToSql; 10] = [
        &event,
        &moment(posting.at),
        &moment(posting.reserved_at),
        &posting.account.as_str(),
        &tags,
        &&*posting.model,
        &posting.kind.as_str(),
        &dollars(posting.cost),
        &posting.confidence.as_str(),
        &posting.why.as_deref(),
    ];
    let mut place = 0;
    let mut bind = |insert: &mut Statement<'_>, value: &dyn ToSql| {
        place += 1;
        insert.raw_bind_parameter(place, value)
    };
    for value in others {
        bind(&mut insert, value)?;
    }
    for bucket in Bucket::ALL {
        bind(&mut insert, &posting.signed(posting.usage.get(*bucket)))?;
    }
    insert.raw_execute()?;
    Ok(())
}

/// Writes a line of `charges`: first the other columns, then the buckets.
static INSERT: LazyLock<String> = LazyLock::new(|| {
    let others = "event, at, reserved_at, account, tags, model, kind, cost, confidence, why";
    let buckets = Bucket::ALL.iter().map(|bucket| bucket.as_str());
    let columns: Vec<&str> = others.split(", ").chain(buckets).collect();
    let places = vec!["?"; columns.len()].join(", ");
    format!("INSERT INTO charges ({}) VALUES ({places})", columns.join(", "))
});

/// A charge, of the line that [`charge`] has written. A file that was last written by an older
/// version lacks the columns of newer buckets: it has counted none of them.
pub(super) fn posting(row: &Row<'_>) -> Result<Posting, Box<dyn std::error::Error>> {
    let text = |column: &str| row.get_ref(column).and_then(|cell| Ok(cell.as_str()?));
    let word = text("kind")?;
    let kind = PostingKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    let kind = kind.ok_or_else(|| format!("`{word}` is no kind of charge"))?;
    // The buckets, as far as the file has their columns.
    let mut usage = Usage::NONE;
    for bucket in Bucket::ALL {
        match row.get::<_, i64>(bucket.as_str()) {
            Ok(count) => usage.set(*bucket, count.unsigned_abs()),
            Err(rusqlite::Error::InvalidColumnName(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let confidence: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        text("confidence")?.into_deserializer();
    Ok(Posting {
        at: text("at")?.parse()?,
        reserved_at: text("reserved_at")?.parse()?,
        account: Path::new(text("account")?)?,
        tags: serde_json::from_str(text("tags")?)?,
        model: text("model")?.into(),
        kind,
        cost: text("cost")?.parse::<Usd>()?.pico(),
        usage,
        confidence: Confidence::deserialize(confidence)?,
        why: row.get_ref("why")?.as_str_or_null()?.map(Arc::from),
    })
}

/// Dollars as plain decimal text: `-0.25`.
fn dollars(pico: i128) -> String {
    Usd::from_pico(pico).exact().to_string()
}

/// Always as long, so that text sorts as time.
const MOMENTS: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// UTC to the microsecond: `2026-11-24T09:30:00.000000Z`.
pub(super) fn moment(at: Timestamp) -> String {
    match jiff::Timestamp::from_microsecond(at.as_micros()) {
        Ok(moment) => MOMENTS.timestamp_to_string(&moment),
        Err(_) => at.to_string(),
    }
}

/// `None` if that is before all moments that sort as text: nothing is older.
pub(super) fn moment_before(now: Timestamp, span: Duration) -> Option<String> {
    let micros = now.as_micros().checked_sub(crate::clock::micros(span))?;
    jiff::Timestamp::from_microsecond(micros).ok().map(|at| MOMENTS.timestamp_to_string(&at))
}

/// A checksum of an event or snapshot and its number.
pub(super) fn seal(number: i64, text: &str) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes()).update(text.as_bytes());
    first_half(&hasher)
}

/// The first 64 bits of a hash.
pub(super) fn first_half(hasher: &blake3::Hasher) -> i64 {
    let mut half = [0; 8];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    i64::from_le_bytes(half)
}

/// A number of an event, which is at most 2^50.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(signed: i64) -> u64 {
    u64::try_from(signed).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_moments_read_as_they_are() {
        assert_eq!(dollars(2_850_000_000), "0.00285");
        assert_eq!(dollars(-12_000_000_000_000), "-12");
        assert_eq!(dollars(0), "0");
        assert_eq!(moment(Timestamp::from_micros(1_500_000)), "1970-01-01T00:00:01.500000Z");
        assert_eq!(moment(Timestamp::from_secs(0)), "1970-01-01T00:00:00.000000Z");
        let now = Timestamp::from_secs(86_400);
        let day = moment_before(now, Duration::from_secs(86_400));
        assert_eq!(day.as_deref(), Some("1970-01-01T00:00:00.000000Z"));
        assert_eq!(moment_before(now, Duration::MAX), None);
    }
}
