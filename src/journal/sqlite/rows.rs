//! Owns what a row is made of.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::fmt::temporal::DateTimePrinter;
use rusqlite::{Connection, Row, params};
use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ledger::{Charging, Entry, Path, Posting};
use crate::money::Usd;
use crate::usage::{Confidence, Usage};

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
        }
    }
    Ok(())
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn charge(connection: &Connection, event: i64, posting: &Posting) -> rusqlite::Result<()> {
    let text = "INSERT INTO charges (event, at, reserved_at, account, tags, model, kind, cost, \
                confidence, input_uncached, input_audio, cache_read, cache_read_audio, \
                cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h, output, \
                reasoning, output_audio, requests, web_search_requests, why) VALUES (?1, ?2, ?3, \
                ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, \
                ?21, ?22, ?23)";
    let mut insert = connection.prepare_cached(text)?;
    let tags = match posting.tags.is_empty() {
        true => Cow::Borrowed("[]"),
        false => Cow::Owned(json(&posting.tags)?),
    };
    let count = |count| posting.signed(count);
    let usage = &posting.usage;
    insert.execute(params![
        event,
        moment(posting.at),
        moment(posting.reserved_at),
        posting.account.as_str(),
        tags,
        &*posting.model,
        posting.kind.as_str(),
        dollars(posting.cost),
        posting.confidence.as_str(),
        count(usage.input_uncached),
        count(usage.input_audio),
        count(usage.cache_read),
        count(usage.cache_read_audio),
        count(usage.cache_write_5m),
        count(usage.cache_write_30m),
        count(usage.cache_write_1h),
        count(usage.cache_write_12h),
        count(usage.output),
        count(usage.reasoning),
        count(usage.output_audio),
        count(usage.requests),
        count(usage.web_search_requests),
        posting.why.as_deref(),
    ])?;
    Ok(())
}

/// The columns of a charge, as [`posting`] reads them.
pub(super) const COLUMNS: &str = "id, at, reserved_at, account, tags, model, kind, cost, confidence, \
     why, input_uncached, input_audio, cache_read, cache_read_audio, cache_write_5m, \
     cache_write_30m, cache_write_1h, cache_write_12h, output, reasoning, output_audio, requests, \
     web_search_requests";

/// A charge, of the line that [`charge`] has written.
pub(super) fn posting(row: &Row<'_>) -> Result<Posting, Box<dyn std::error::Error>> {
    let text = |column: &str| row.get_ref(column).and_then(|cell| Ok(cell.as_str()?));
    let word = text("kind")?;
    let kind = Charging::ALL.into_iter().find(|kind| kind.as_str() == word);
    let kind = kind.ok_or_else(|| format!("`{word}` is no kind of charge"))?;
    let count = |column: &str| row.get::<_, i64>(column).map(i64::unsigned_abs);
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
        usage: Usage {
            input_uncached: count("input_uncached")?,
            input_audio: count("input_audio")?,
            cache_read: count("cache_read")?,
            cache_read_audio: count("cache_read_audio")?,
            cache_write_5m: count("cache_write_5m")?,
            cache_write_30m: count("cache_write_30m")?,
            cache_write_1h: count("cache_write_1h")?,
            cache_write_12h: count("cache_write_12h")?,
            output: count("output")?,
            reasoning: count("reasoning")?,
            output_audio: count("output_audio")?,
            requests: count("requests")?,
            web_search_requests: count("web_search_requests")?,
        },
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
