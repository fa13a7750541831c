//! [`Columns`]: which column of an invoice means what, and the forms that are known.

use super::cells::Spelling;
use super::error::InvoiceError;

/// Which column of an export says what, for a form that is not known:
///
/// ```
/// use bursar_cli::{Columns, Invoice};
///
/// let csv = "Date,Slug,Usage,Prompt Tokens,Completion Tokens\n\
///            2026-11-24 00:00:00,anthropic/claude-opus-4.8,430.07,70965665,3009973\n";
/// let columns = Columns::new("Date")
///     .model("Slug")
///     .cost("Usage")
///     .input("Prompt Tokens")
///     .output("Completion Tokens")
///     .provider("openrouter");
/// let invoice = Invoice::read_columns(csv.as_bytes(), &columns)?;
/// assert_eq!(invoice.lines().count(), 1);
/// # Ok::<(), bursar_cli::InvoiceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Columns {
    pub(super) source: String,
    pub(super) provider: Option<String>,
    pub(super) spelling: Spelling,
    day: String,
    model: Option<String>,
    requests: Option<String>,
    input: Vec<String>,
    cached: Vec<String>,
    output: Vec<String>,
    cost: Vec<String>,
    currency: Option<String>,
}

impl Columns {
    /// The column of the day: a date, a moment (without an offset it is taken for UTC), or seconds since 1970.
    pub fn new(day: impl Into<String>) -> Columns {
        Columns {
            source: "the invoice".to_owned(),
            provider: None,
            spelling: Spelling::Id,
            day: day.into(),
            model: None,
            requests: None,
            input: Vec::new(),
            cached: Vec::new(),
            output: Vec::new(),
            cost: Vec::new(),
            currency: None,
        }
    }

    /// The column of the model. Without one, whole days are compared.
    #[must_use]
    pub fn model(mut self, column: impl Into<String>) -> Columns {
        self.model = Some(column.into());
        self
    }

    /// The column of how many calls there were.
    #[must_use]
    pub fn requests(mut self, column: impl Into<String>) -> Columns {
        self.requests = Some(column.into());
        self
    }

    /// A column of input tokens. Where cached ones stand in a column of their own, name all of them: they are
    /// added up.
    #[must_use]
    pub fn input(mut self, column: impl Into<String>) -> Columns {
        self.input.push(column.into());
        self
    }

    /// A column of those among the input tokens that came from a prompt cache. Several are added up.
    #[must_use]
    pub fn cached(mut self, column: impl Into<String>) -> Columns {
        self.cached.push(column.into());
        self
    }

    /// A column of output tokens. Several are added up: reasoning, if it stands apart.
    #[must_use]
    pub fn output(mut self, column: impl Into<String>) -> Columns {
        self.output.push(column.into());
        self
    }

    /// A column of the cost, in dollars. Several are added up: what a provider of yours bills for calls
    /// with your own key, if it stands apart.
    #[must_use]
    pub fn cost(mut self, column: impl Into<String>) -> Columns {
        self.cost.push(column.into());
        self
    }

    /// The column of the currency, which has to be `usd` wherever there is a cost.
    #[must_use]
    pub fn currency(mut self, column: impl Into<String>) -> Columns {
        self.currency = Some(column.into());
        self
    }

    /// The provider that bills: only the ledger's charges for its models are compared (`openai` for
    /// `openai/gpt-6.1-terra`). Without one, all are.
    #[must_use]
    pub fn provider(mut self, provider: impl Into<String>) -> Columns {
        self.provider = Some(provider.into());
        self
    }

    /// The form that a header belongs to, if it is known, as far as the header has its columns.
    pub(super) fn known(header: &[String]) -> Option<Columns> {
        let has = |name: &String| header.contains(name);
        let mut known = known().into_iter();
        let (_, mut columns) =
            known.find(|(marks, _)| marks.iter().all(|mark| has(&mark.to_string())))?;
        // What marks a form is there; the rest came in over the years.
        columns.input.retain(has);
        columns.cached.retain(has);
        columns.output.retain(has);
        columns.cost.retain(has);
        columns.requests = columns.requests.filter(has);
        Some(columns)
    }

    /// Where the columns are.
    pub(super) fn places(&self, header: &[String]) -> Result<Places, InvoiceError> {
        let place = |column: &String| {
            let mut places = header.iter().enumerate().filter(|(_, name)| *name == column);
            match (places.next(), places.next()) {
                (Some((place, _)), None) => Ok(place),
                (Some(_), Some(_)) => Err(InvoiceError::TwoColumns { column: column.clone() }),
                (None, _) => {
                    Err(InvoiceError::NoColumn { column: column.clone(), seen: header.to_vec() })
                }
            }
        };
        let all = |columns: &[String]| columns.iter().map(place).collect::<Result<Vec<_>, _>>();
        Ok(Places {
            day: place(&self.day)?,
            model: self.model.as_ref().map(place).transpose()?,
            requests: self.requests.as_ref().map(place).transpose()?,
            input: all(&self.input)?,
            cached: all(&self.cached)?,
            output: all(&self.output)?,
            cost: all(&self.cost)?,
            currency: self.currency.as_ref().map(place).transpose()?,
        })
    }
}

/// The places of the columns in a header.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) day: usize,
    pub(super) model: Option<usize>,
    pub(super) requests: Option<usize>,
    pub(super) input: Vec<usize>,
    pub(super) cached: Vec<usize>,
    pub(super) output: Vec<usize>,
    pub(super) cost: Vec<usize>,
    pub(super) currency: Option<usize>,
}

/// The forms that are known, and the columns by which each is recognised. [`Invoice::read`](super::Invoice::read)
/// says where they were found.
fn known() -> [(&'static [&'static str], Columns); 5] {
    let form = |source: &str, provider: &str, day: &str| Columns {
        source: source.to_owned(),
        ..Columns::new(day).provider(provider)
    };
    [
        (
            &["start_time", "num_model_requests", "model", "input_tokens", "output_tokens"],
            form("OpenAI's usage export", "openai", "start_time")
                .model("model")
                .requests("num_model_requests")
                .input("input_tokens")
                .cached("input_cached_tokens")
                .output("output_tokens"),
        ),
        (
            &["start_time", "amount_value", "amount_currency", "line_item"],
            Columns {
                spelling: Spelling::LineItem,
                ..form("OpenAI's cost export", "openai", "start_time")
                    .model("line_item")
                    .cost("amount_value")
                    .currency("amount_currency")
            },
        ),
        (
            &[
                "usage_date_utc",
                "model_version",
                "usage_input_tokens_no_cache",
                "usage_output_tokens",
            ],
            form("Anthropic's usage export", "anthropic", "usage_date_utc")
                .model("model_version")
                .input("usage_input_tokens_no_cache")
                .input("usage_input_tokens_cache_write")
                .input("usage_input_tokens_cache_write_5m")
                .input("usage_input_tokens_cache_write_1h")
                .input("usage_input_tokens_cache_read")
                .cached("usage_input_tokens_cache_read")
                .output("usage_output_tokens"),
        ),
        (
            &["usage_date_utc", "model", "token_type", "cost_usd"],
            Columns {
                spelling: Spelling::Title,
                ..form("Anthropic's cost export", "anthropic", "usage_date_utc")
                    .model("model")
                    .cost("cost_usd")
            },
        ),
        (
            &[
                "generation_id",
                "created_at",
                "cost_total",
                "tokens_prompt",
                "tokens_completion",
                "model_permaslug",
            ],
            form("OpenRouter's activity export", "openrouter", "created_at")
                .model("model_permaslug")
                .input("tokens_prompt")
                .cached("tokens_cached")
                .output("tokens_completion")
                .cost("cost_total")
                .cost("byok_usage_inference"),
        ),
    ]
}
