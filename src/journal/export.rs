//! Owns the export of charges: CSV for accountants, JSON lines for machines.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use super::{Charges, JournalError};
use crate::ledger::Posting;
use crate::money::Usd;
use crate::price::Date;

/// Why an export stopped. What was written before stays written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The ledger file cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The export cannot be written.
    #[error("the export cannot be written")]
    Write(#[from] io::Error),
}

impl Charges {
    /// Writes them as CSV, with a header, and says how many there were. Lines end in `\n`.
    ///
    /// | column | what it has |
    /// |---|---|
    /// | `day` | the day in UTC that it counts in: that of `reserved_at` |
    /// | `at`, `reserved_at` | when it was booked, and when the call was made or what moment a correction is about: RFC 3339, UTC |
    /// | `account`, `tags`, `model` | whom it was charged to: `tags` is a JSON array, empty for none |
    /// | `kind` | `settled`, `recorded`, `expired`, `taken back`, `adjusted` |
    /// | `cost_usd` | dollars as exact decimal text: reads back as the same [`Usd`], also from its sums |
    /// | `confidence` | `exact`, `reported`, `estimated`, `assumed` |
    /// | `input_uncached` … `web_search_requests` | a column for each bucket of [`Usage`](crate::Usage) |
    /// | `why` | the reason that was given for a correction |
    ///
    /// What is `taken back` has a negative cost and negative counts, so that each column adds up.
    ///
    /// Names and reasons are written by people, and a spreadsheet takes a cell for a formula that
    /// begins with `=`, `+`, `-` or `@`. Such a text, and one that begins with white space or `'`, gets a
    /// `'` in front ([OWASP, CSV injection](https://owasp.org/www-community/attacks/CSV_Injection));
    /// whoever reads the file by program takes one `'` off. Numbers and times are left alone.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn write_csv(self, to: impl Write) -> Result<u64, ExportError> {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
        writer.write_record(COLUMNS).map_err(into_io)?;
        let mut written = 0_u64;
        for charge in self {
            let charge = charge?;
            let tags = match charge.tags.is_empty() {
                true => String::new(),
                false => serde_json::to_string(&charge.tags).map_err(io::Error::from)?,
            };
            let line = Line::of(&charge, tags, guarded);
            writer.serialize(line).map_err(into_io)?;
            written = written.saturating_add(1);
        }
        writer.flush()?;
        Ok(written)
    }

    /// Writes them as JSON, an object to a line, and says how many there were. The keys are the columns of
    /// [`write_csv`](Charges::write_csv); `cost_usd` is a text, because many readers take a number for
    /// a float; `tags` is an array; `model` and `why` are null where there is none; no text is changed.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn write_json_lines(self, to: impl Write) -> Result<u64, ExportError> {
        let mut writer = io::BufWriter::new(to);
        let mut written = 0_u64;
        for charge in self {
            let charge = charge?;
            let line = Line::of(&charge, &*charge.tags, Cow::Borrowed);
            serde_json::to_writer(&mut writer, &line).map_err(io::Error::from)?;
            writer.write_all(b"\n")?;
            written = written.saturating_add(1);
        }
        writer.flush()?;
        Ok(written)
    }
}

/// The fields of [`Line`].
const COLUMNS: [&str; 23] = [
    "day",
    "at",
    "reserved_at",
    "account",
    "tags",
    "model",
    "kind",
    "cost_usd",
    "confidence",
    "input_uncached",
    "input_audio",
    "cache_read",
    "cache_read_audio",
    "cache_write_5m",
    "cache_write_30m",
    "cache_write_1h",
    "cache_write_12h",
    "output",
    "reasoning",
    "output_audio",
    "requests",
    "web_search_requests",
    "why",
];

/// A charge as it is exported.
#[derive(Serialize)]
struct Line<'a, Tags> {
    day: String,
    at: String,
    reserved_at: String,
    account: Cow<'a, str>,
    tags: Tags,
    model: Option<Cow<'a, str>>,
    kind: &'static str,
    cost_usd: String,
    confidence: &'static str,
    input_uncached: i64,
    input_audio: i64,
    cache_read: i64,
    cache_read_audio: i64,
    cache_write_5m: i64,
    cache_write_30m: i64,
    cache_write_1h: i64,
    cache_write_12h: i64,
    output: i64,
    reasoning: i64,
    output_audio: i64,
    requests: i64,
    web_search_requests: i64,
    why: Option<Cow<'a, str>>,
}

impl<'a, Tags> Line<'a, Tags> {
    fn of(charge: &'a Posting, tags: Tags, text: fn(&'a str) -> Cow<'a, str>) -> Line<'a, Tags> {
        let count = |count| charge.signed(count);
        let usage = &charge.usage;
        Line {
            day: Date::of(charge.reserved_at).to_string(),
            at: charge.at.to_string(),
            reserved_at: charge.reserved_at.to_string(),
            account: text(charge.account.as_str()),
            tags,
            model: Some(&*charge.model).filter(|model| !model.is_empty()).map(text),
            kind: charge.kind.as_str(),
            cost_usd: Usd::from_pico(charge.cost).exact().to_string(),
            confidence: charge.confidence.as_str(),
            input_uncached: count(usage.input_uncached),
            input_audio: count(usage.input_audio),
            cache_read: count(usage.cache_read),
            cache_read_audio: count(usage.cache_read_audio),
            cache_write_5m: count(usage.cache_write_5m),
            cache_write_30m: count(usage.cache_write_30m),
            cache_write_1h: count(usage.cache_write_1h),
            cache_write_12h: count(usage.cache_write_12h),
            output: count(usage.output),
            reasoning: count(usage.reasoning),
            output_audio: count(usage.output_audio),
            requests: count(usage.requests),
            web_search_requests: count(usage.web_search_requests),
            why: charge.why.as_deref().map(text),
        }
    }
}

/// The text, so that no spreadsheet takes it for a formula.
fn guarded(text: &str) -> Cow<'_, str> {
    let formula = ['=', '+', '-', '@', '\'', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    match text.starts_with(formula) {
        true => Cow::Owned(format!("'{text}")),
        false => Cow::Borrowed(text),
    }
}

fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
