//! The export of charges as CSV and JSON lines.

use std::borrow::Cow;
use std::io::{self, Write};

use bursar::Usd;
use bursar::journal::JournalError;
use bursar::ledger::Posting;
use bursar::price::Date;
use bursar::usage::Bucket;
use serde::{Serialize, Serializer};

/// Why an export stopped. What was written before stays written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The ledger file cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The export cannot be written.
    #[error("the export cannot be written: {0}")]
    Write(io::Error),
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> ExportError {
        ExportError::Write(error)
    }
}

/// Writes charges as CSV with a header, and returns how many there were. Lines end in `\n`. The charges are those of
/// [`Charges`](bursar::journal::Charges); memory does not grow with their number.
///
/// | column | what it has |
/// |---|---|
/// | `day` | the day in UTC that it counts in: that of `reserved_at` |
/// | `at`, `reserved_at` | when it was booked, and when the call was made or what moment a correction is about: RFC 3339, UTC |
/// | `account`, `tags`, `model` | whom it was charged to: `tags` is a JSON array, empty for none |
/// | `kind` | `settled`, `recorded`, `expired`, `reversed`, `adjusted` |
/// | `cost_usd` | dollars as exact decimal text: reads back as the same [`Usd`], also from its sums |
/// | `confidence` | `exact`, `reported`, `estimated`, `assumed` |
/// | `input_uncached` … `maps_requests` | a column for each [bucket](bursar::usage::Bucket) of [`Usage`](bursar::Usage) |
/// | `why` | the reason that was given for a correction |
///
/// What is `reversed` has a negative cost and negative counts, so that each column adds up.
///
/// Names and reasons are written by people, and a spreadsheet takes a cell for a formula that
/// begins with `=`, `+`, `-` or `@`. Such a text, and one that begins with white space or `'`, gets a
/// `'` in front ([OWASP, CSV injection](https://owasp.org/www-community/attacks/CSV_Injection));
/// a program that reads the file removes one `'` off. Numbers and times are left alone.
///
/// # Errors
/// [`ExportError`].
pub fn write_csv(
    charges: impl IntoIterator<Item = Result<Posting, JournalError>>,
    to: impl Write,
) -> Result<u64, ExportError> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
    let buckets = Bucket::ALL.iter().map(|bucket| bucket.as_str());
    writer.write_record(HEAD.into_iter().chain(buckets).chain(["why"])).map_err(into_io)?;
    let mut written = 0_u64;
    for charge in charges {
        let charge = charge?;
        let tags = match charge.tags.is_empty() {
            true => String::new(),
            false => serde_json::to_string(&charge.tags).map_err(io::Error::from)?,
        };
        let Line { head, counts, why } = Line::of(&charge, tags, guarded);
        writer.serialize((head, counts.0, why)).map_err(into_io)?;
        written = written.saturating_add(1);
    }
    writer.flush()?;
    Ok(written)
}

/// Writes charges as JSON, an object to a line, and returns how many there were. The keys are the columns of
/// [`write_csv`]; `cost_usd` is a text, because many readers take a number for
/// a float; `tags` is an array; `model` and `why` are null where there is none; no text is changed.
///
/// # Errors
/// [`ExportError`].
pub fn write_json_lines(
    charges: impl IntoIterator<Item = Result<Posting, JournalError>>,
    to: impl Write,
) -> Result<u64, ExportError> {
    let mut writer = io::BufWriter::new(to);
    let mut written = 0_u64;
    for charge in charges {
        let charge = charge?;
        let line = Line::of(&charge, &*charge.tags, Cow::Borrowed);
        serde_json::to_writer(&mut writer, &line).map_err(io::Error::from)?;
        writer.write_all(b"\n")?;
        written = written.saturating_add(1);
    }
    writer.flush()?;
    Ok(written)
}

/// The fields of [`Head`]: the columns before those of the buckets.
const HEAD: [&str; 9] =
    ["day", "at", "reserved_at", "account", "tags", "model", "kind", "cost_usd", "confidence"];

/// A charge as it is exported.
#[derive(Serialize)]
struct Line<'a, Tags> {
    #[serde(flatten)]
    head: Head<'a, Tags>,
    #[serde(flatten)]
    counts: Counts,
    why: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Head<'a, Tags> {
    day: String,
    at: String,
    reserved_at: String,
    account: Cow<'a, str>,
    tags: Tags,
    model: Option<Cow<'a, str>>,
    kind: &'static str,
    cost_usd: String,
    confidence: &'static str,
}

/// A count for each bucket, in their order.
struct Counts(Vec<i64>);

/// By the names of the buckets.
impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Bucket::ALL.iter().map(|bucket| bucket.as_str()).zip(&self.0))
    }
}

impl<'a, Tags> Line<'a, Tags> {
    fn of(charge: &'a Posting, tags: Tags, text: fn(&'a str) -> Cow<'a, str>) -> Line<'a, Tags> {
        let head = Head {
            day: Date::of(charge.reserved_at).to_string(),
            at: charge.at.to_string(),
            reserved_at: charge.reserved_at.to_string(),
            account: text(charge.account.as_str()),
            tags,
            model: Some(&*charge.model).filter(|model| !model.is_empty()).map(text),
            kind: charge.kind.as_str(),
            cost_usd: Usd::from_pico(charge.cost).exact().to_string(),
            confidence: charge.confidence.as_str(),
        };
        let count = |bucket: &Bucket| charge.signed(charge.usage.get(*bucket));
        let counts = Counts(Bucket::ALL.iter().map(count).collect());
        Line { head, counts, why: charge.why.as_deref().map(text) }
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
