//! [`Invoice`]: what a provider states was used and what it costs, read from its export.

mod cells;
mod columns;
mod error;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bursar::Usd;
use bursar::price::Date;
use csv::ByteRecord;
use serde::Serialize;

pub use self::columns::Columns;
use self::columns::Places;
pub use self::error::InvoiceError;

/// What a provider says was used and what it costs, by day and model. It is read from the CSV file
/// that the provider exports, and [compared](Invoice::compare) with a ledger.
///
/// Days are those of UTC, as providers count them. Rows of one day and model are added up, so that
/// memory grows with days and models and not with rows.
#[derive(Clone, Debug)]
pub struct Invoice {
    pub(crate) source: String,
    pub(crate) provider: Option<String>,
    pub(crate) lines: BTreeMap<(Date, Arc<str>), Figures>,
    pub(crate) days: Option<(Date, Date)>,
    /// Nothing used, of what the export has columns for.
    pub(crate) none: Figures,
    /// A name on the invoice, and the one in the ledger.
    pub(crate) same: BTreeMap<String, String>,
}

/// What was used, and what it cost. `None` is what an export has no column for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Figures {
    /// Calls.
    pub requests: Option<i64>,
    /// Input tokens, cached ones included.
    pub input_tokens: Option<i64>,
    /// The part of `input_tokens` that came from a prompt cache.
    pub cached_tokens: Option<i64>,
    /// Output tokens, reasoning included.
    pub output_tokens: Option<i64>,
    /// What it cost.
    pub cost: Option<Usd>,
}

impl Invoice {
    /// Reads an export; its header decides the form:
    ///
    /// | export | has | recognised by | source of the rule |
    /// |---|---|---|---|
    /// | OpenAI, Usage, completions | tokens | `start_time`, `num_model_requests`, `model`, `input_tokens`, `output_tokens` | an export of 2025-10 in `xavierjflanagan/Guardian`, `openai-usage-and-cost-report-2025-10-12.md` |
    /// | OpenAI, Usage, costs | dollars; models if it is grouped by line item | `start_time`, `amount_value`, `amount_currency`, `line_item` | the same file |
    /// | Anthropic, Console, usage | tokens | `usage_date_utc`, `model_version`, `usage_input_tokens_no_cache`, `usage_output_tokens` | `erezgit/my-jarvis-desktop`, `03-anthropic-schema-comparison.md` |
    /// | Anthropic, Console, cost | dollars, each row in whole cents | `usage_date_utc`, `model`, `token_type`, `cost_usd` | the parser of `axigatelabs/axigate-finops` |
    /// | OpenRouter, Activity | dollars and tokens of each call | `generation_id`, `created_at`, `cost_total`, `tokens_prompt`, `tokens_completion`, `model_permaslug` | `CodexClawd/codexclawd`, `aggregate_openrouter_costs.py` |
    ///
    /// No provider documents its files: these are the columns of files that users have published on GitHub, as
    /// they were in November 2026. OpenRouter's cost is `cost_total`, its credits, and `byok_usage_inference`, what the
    /// provider of one's own key bills for the call, as its Activity page adds them
    /// (<https://openrouter.ai/docs/guides/guides/activity-export>). Other columns are ignored. Every other form,
    /// OpenRouter's daily export among them, is read by [`read_columns`](Invoice::read_columns).
    ///
    /// Amounts are taken from their text, also as `1.25e-5`; what is finer than a picodollar is rounded
    /// half to even. A cost in another currency than dollars is refused. An empty cell is nothing; a row that says
    /// nothing but its day makes the invoice [cover](Invoice::days) that day.
    ///
    /// # Errors
    /// [`InvoiceError`]: an unknown header lists its columns; a cell is named by line, column and value.
    ///
    /// ```
    /// use bursar_cli::Invoice;
    ///
    /// let csv = "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd\n\
    ///            2026-11-24,Claude Haiku 4.5,Default,crawler,message,≤ 200k,input_no_cache,0.19\n\
    ///            2026-11-24,Claude Haiku 4.5,Default,crawler,message,≤ 200k,output,0.03\n";
    /// let invoice = Invoice::read(csv.as_bytes())?;
    /// assert_eq!(invoice.source(), "Anthropic's cost export");
    /// let (day, model, figures) = invoice.lines().next().unwrap();
    /// assert_eq!((day.to_string(), model), ("2026-11-24".to_owned(), "claude-haiku-4-5"));
    /// assert_eq!(figures.cost, Some("0.22".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(from: impl io::Read) -> Result<Invoice, InvoiceError> {
        Invoice::read_as(from, |header| {
            Columns::known(header)
                .ok_or_else(|| InvoiceError::UnknownHeader { seen: header.to_vec() })
        })
    }

    /// Reads an export of any form, by the columns that are named.
    ///
    /// # Errors
    /// [`InvoiceError`]: a column that is not there; a cell, named by line, column and value.
    pub fn read_columns(from: impl io::Read, columns: &Columns) -> Result<Invoice, InvoiceError> {
        Invoice::read_as(from, |_| Ok(columns.clone()))
    }

    fn read_as(
        from: impl io::Read,
        columns: impl FnOnce(&[String]) -> Result<Columns, InvoiceError>,
    ) -> Result<Invoice, InvoiceError> {
        // The header, and which column means what.
        let mut rows = Rows::new(from);
        let mut header = Vec::new();
        if let Some(row) = rows.next(&[])? {
            header.extend((0..row.record.len()).map(|place| row.cell(place).to_owned()));
        }
        if header.iter().all(String::is_empty) {
            return Err(InvoiceError::Empty);
        }
        let columns = columns(&header)?;
        let places = columns.places(&header)?;
        // A column that is missing is unknown, not zero.
        let said = |columns: &[usize]| (!columns.is_empty()).then_some(0);
        let mut invoice = Invoice {
            lines: BTreeMap::new(),
            days: None,
            none: Figures {
                requests: places.requests.map(|_| 0),
                input_tokens: said(&places.input),
                cached_tokens: said(&places.cached),
                output_tokens: said(&places.output),
                cost: said(&places.cost).map(|_| Usd::ZERO),
            },
            same: BTreeMap::new(),
            source: columns.source,
            provider: columns.provider,
        };
        // The rows.
        while let Some(row) = rows.next(&header)? {
            invoice.add(&row, &places, columns.spelling)?;
        }
        Ok(invoice)
    }

    fn add(
        &mut self,
        row: &Record<'_>,
        places: &Places,
        spelling: cells::Spelling,
    ) -> Result<(), InvoiceError> {
        let day = row.read(places.day, cells::day)?;
        self.cover(day, day);
        // A row without figures covers its day and adds nothing.
        let said = |place: &usize| !row.cell(*place).is_empty();
        let figures = places.input.iter().chain(&places.cached).chain(&places.output);
        let mut figures = figures.chain(&places.requests).chain(&places.cost).chain(&places.model);
        if !figures.any(said) {
            return Ok(());
        }
        if let Some(currency) = places.currency.filter(|_| places.cost.iter().any(said)) {
            row.read(currency, cells::is_dollars)?;
        }
        // Add its figures to the day and model.
        let model =
            places.model.map_or_else(String::new, |at| cells::model(row.cell(at), spelling));
        let sum = self.lines.entry((day, model.into())).or_insert(self.none);
        let add = |sum: &mut Option<i64>, places: &[usize]| {
            places.iter().try_for_each(|place| {
                let count = row.read(*place, cells::count)?;
                *sum = sum.unwrap_or(0).checked_add(count);
                if sum.is_some() { Ok(()) } else { Err(row.wrong(*place, TOO_MUCH)) }
            })
        };
        add(&mut sum.requests, places.requests.as_slice())?;
        add(&mut sum.input_tokens, &places.input)?;
        add(&mut sum.cached_tokens, &places.cached)?;
        add(&mut sum.output_tokens, &places.output)?;
        for place in &places.cost {
            let cost = row.read(*place, cells::money)?;
            sum.cost = sum.cost.unwrap_or(Usd::ZERO).checked_add(cost);
            sum.cost.ok_or_else(|| row.wrong(*place, TOO_MUCH))?;
        }
        Ok(())
    }

    fn cover(&mut self, first: Date, last: Date) {
        let (from, to) = self.days.unwrap_or((first, last));
        self.days = Some((from.min(first), to.max(last)));
    }

    /// Whose export it is, in words: `OpenAI's cost export`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The first and the last day that it covers; `None` if it has no row.
    pub fn days(&self) -> Option<(Date, Date)> {
        self.days
    }

    /// What it says, by day and model; a model is empty where none is named.
    pub fn lines(&self) -> impl Iterator<Item = (Date, &str, &Figures)> {
        self.lines.iter().map(|((day, model), figures)| (*day, &**model, figures))
    }

    /// Says that it covers these days too, first and last included: exports leave out days without use, on which the
    /// ledger may have charges all the same.
    #[must_use]
    pub fn covering(mut self, first: Date, last: Date) -> Invoice {
        self.cover(first, last);
        self
    }

    /// Says that a name on the invoice is that of a model in the ledger (`openai/gpt-6.1-terra`), where the
    /// [rules](Invoice::compare) do not see it.
    #[must_use]
    pub fn same_model(mut self, invoice: impl Into<String>, ledger: impl Into<String>) -> Invoice {
        self.same.insert(invoice.into(), ledger.into());
        self
    }

    /// Compares with the charges of all providers, and not only with those for the models of the one that bills: for
    /// a gateway whose calls are booked at the names of the models behind it.
    #[must_use]
    pub fn any_provider(mut self) -> Invoice {
        self.provider = None;
        self
    }
}

const TOO_MUCH: &str = "makes the sum of its day and model larger than any amount can be";

/// The rows of a file, the header first.
struct Rows<R> {
    reader: csv::Reader<io::Chain<R, &'static [u8]>>,
    record: ByteRecord,
}

impl<R: io::Read> Rows<R> {
    fn new(from: R) -> Rows<R> {
        // A line ends in `\n`; the `\r` before it is white space at the end of a cell, as is trimmed. Where it
        // could end one too, the line of a row would be unknown.
        let reader = csv::ReaderBuilder::new()
            .terminator(csv::Terminator::Any(b'\n'))
            .has_headers(false)
            .flexible(true)
            .from_reader(from.chain(&b"\n"[..]));
        Rows { reader, record: ByteRecord::new() }
    }

    /// The next row that is not blank.
    fn next<'a>(&'a mut self, header: &'a [String]) -> Result<Option<Record<'a>>, InvoiceError> {
        loop {
            if !self.reader.read_byte_record(&mut self.record).map_err(unreadable)? {
                return Ok(None);
            }
            let is_blank = |cell: &[u8]| cell.trim_ascii().is_empty();
            if self.record.len() > 1 || !self.record.iter().all(is_blank) {
                break;
            }
        }
        let record = &self.record;
        // The reader stands on the line after the row, and a row can have several.
        let within = record.iter().flatten().filter(|byte| **byte == b'\n').count();
        let after = u64::try_from(within).unwrap_or(0).saturating_add(1);
        let line = self.reader.position().line().saturating_sub(after);
        let wrong = |why: String| InvoiceError::Line { line, why };
        if record.iter().any(|cell| std::str::from_utf8(cell).is_err()) {
            return Err(wrong("it is no UTF-8; save the file as CSV in UTF-8".to_owned()));
        }
        if !header.is_empty() && record.len() != header.len() {
            let (cells, columns) = (record.len(), header.len());
            return Err(wrong(format!(
                "it has {cells} cells and the header {columns}; is the file whole?"
            )));
        }
        Ok(Some(Record { header, record, line }))
    }
}

/// A row, the names of its columns, and the line that it begins on.
struct Record<'a> {
    header: &'a [String],
    record: &'a ByteRecord,
    line: u64,
}

impl Record<'_> {
    fn cell(&self, place: usize) -> &str {
        let cell = self.record.get(place).and_then(|cell| std::str::from_utf8(cell).ok());
        cell.unwrap_or_default().trim()
    }

    fn read<T>(
        &self,
        place: usize,
        read: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Result<T, InvoiceError> {
        read(self.cell(place)).map_err(|why| self.wrong(place, why))
    }

    #[cold]
    fn wrong(&self, place: usize, why: &'static str) -> InvoiceError {
        InvoiceError::Cell {
            line: self.line,
            column: self.header.get(place).cloned().unwrap_or_default(),
            value: self.cell(place).to_owned(),
            why,
        }
    }
}

/// A flexible reader of bytes refuses nothing: what fails is the file below it.
#[cold]
fn unreadable(error: csv::Error) -> InvoiceError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => InvoiceError::Read(error),
        other => InvoiceError::Read(io::Error::other(format!("{other:?}"))),
    }
}
