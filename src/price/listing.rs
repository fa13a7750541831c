//! [`ListReport`]: a price list that was read, with what of it could not be used.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::book::PriceBook;
use super::invalid::{Invalid, InvalidPrice};
use super::model::ModelPrice;
use super::{genai, litellm, names};

impl PriceBook {
    /// Reads a price list of any format that is known, recognised by its content:
    ///
    /// | list | prices |
    /// |---|---|
    /// | LiteLLM's `model_prices_and_context_window.json` | dollars per token, with long-context tiers, service tiers, cache kinds, images, hours, fees and surcharges; dollars per second of audio that is transcribed |
    /// | genai-prices' `data.json`, version 2 | dollars per million tokens, with tiers, dates, hours, fees and the variants for batches and service tiers |
    /// | this crate's TOML ([`from_toml`](PriceBook::from_toml)) | as there; no entry is refused by itself |
    ///
    /// An entry `gemini/gemini-2.5-pro` becomes `google/gemini-2.5-pro`, the name of this crate's
    /// own list, and is found by both. A key of LiteLLM's without a provider, such as `gpt-5`, is
    /// what the bare name means; what a list has only of a reseller is found together with the
    /// provider's name, and not by the name alone. Only names that a model must equal are taken
    /// over: what merely begins like `claude-opus-4` may be another version.
    ///
    /// What a list lacks is refused and never read as zero: an entry that has no price, or only
    /// zeros (`:free` at the end of the name says that zero is meant), or a price in another unit,
    /// or tokens at a price above that of the tokens they are counted with, or conditions that a
    /// [`ModelPrice`] cannot have.
    ///
    /// # Errors
    /// [`ListError`] if the list cannot be read at all.
    pub fn from_list(list: impl AsRef<[u8]>) -> Result<ListReport, ListError> {
        let list = list.as_ref();
        let mut letters = list.iter().filter(|byte| !byte.is_ascii_whitespace());
        match (letters.next(), letters.next()) {
            (Some(b'{'), _) => litellm::read(list),
            (Some(b'['), Some(b'{' | b']')) => genai::read(list),
            _ => {
                let text = std::str::from_utf8(list).map_err(|_| ListError(UNKNOWN.to_owned()))?;
                Ok(ListReport { book: PriceBook::from_toml(text)?, ..ListReport::default() })
            }
        }
    }
}

/// A price list that was read: what could be used of it, and what could not.
///
/// Its `Display` sums up what was refused, for a log.
///
/// ```
/// use bursar::PriceBook;
///
/// let list = PriceBook::from_list(r#"{
///     "acme/small": {"litellm_provider": "acme", "mode": "chat",
///         "input_cost_per_token": 1e-6, "output_cost_per_token": 4e-6},
///     "acme/odd": {"litellm_provider": "acme", "mode": "chat",
///         "input_cost_per_token": 0.5, "output_cost_per_token": 4e-6}
/// }"#)?;
/// assert!(list.book.find("acme/small").is_ok());
/// assert_eq!(list.refused.len(), 1); // half a dollar for a token is a price in another unit
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "the list may have been refused in part: see `refused`"]
pub struct ListReport {
    /// The prices.
    pub book: PriceBook,
    /// Entries that are not in the book, each with its reason.
    pub refused: Vec<ListIssue>,
    /// What of the entries in the book could not be taken over as it is written, each with what
    /// came of it. Nothing here makes a call cheaper than the list does, but for fees of what
    /// [`Usage`](crate::Usage) does not count (a page, an image by the piece, a second of video),
    /// which come on top.
    pub remarks: Vec<ListIssue>,
}

impl fmt::Display for ListReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (models, refused) = (self.book.len(), self.refused.len());
        write!(f, "{models} models loaded, {refused} refused, {} remarks", self.remarks.len())?;
        let mut kinds: BTreeMap<String, (usize, &str)> = BTreeMap::new();
        for issue in &self.refused {
            kinds.entry(issue.problem.kind()).or_insert((0, issue.model.as_ref())).0 += 1;
        }
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (kind, (count, model)) in kinds {
            write!(f, "\n  {count} such as `{model}`: {kind}")?;
        }
        Ok(())
    }
}

/// Something in a price list that is not taken over as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListIssue {
    /// The model, as the list calls it.
    pub model: Arc<str>,
    /// The key in the list; empty if it is the entry as a whole.
    pub field: String,
    pub(super) problem: Problem,
}

impl fmt::Display for ListIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "`{}`: {}", self.model, self.problem),
            field => write!(f, "`{}`, `{field}`: {}", self.model, self.problem),
        }
    }
}

/// What is wrong with it, and what can be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("it names no provider; insert a `ModelPrice` that does")]
    NoProvider,
    #[error("it is not billed by the token; ask for its calls with `Estimate::fixed`")]
    OtherUnit,
    #[error("there is no price, and unknown is not free; insert a `ModelPrice`")]
    Missing,
    #[error(
        "it searches at each call, and there is no fee for that; insert a `ModelPrice` with one"
    )]
    NoSearchFee,
    #[error("its price is 0, which may be a gap; insert `ModelPrice::free` if it costs nothing")]
    Zero,
    #[error("`{0}` cannot be read here; correct the list, or insert a `ModelPrice`")]
    Unreadable(String),
    #[error("`{0}` is below zero; correct the list, or insert a `ModelPrice`")]
    Negative(String),
    #[error(
        "`{0}` is more than $0.002 a token or $1 a search, so it is in another unit; correct \
         the list, or insert a `ModelPrice`"
    )]
    TooDear(String),
    #[error("another entry gives the same model a different price, and comes first; keep one")]
    Twice,
    #[error(
        "such tokens are counted among cheaper ones; insert a `ModelPrice` if you use none of them"
    )]
    Dearer,
    #[error("it is bound to conditions that cannot be told; insert a `ModelPrice`")]
    Condition,
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("it is no whole number of picodollars for a million tokens; it is rounded up")]
    Rounded,
    #[error("nothing of the kind is counted; what it costs comes on top")]
    Uncounted,
    #[error("such tokens are counted among dearer ones, and charged like those")]
    Cheaper,
    #[error("it depends on what no bill says; the largest is charged")]
    Largest,
    #[error("a free allowance is not counted; every one is charged")]
    Allowance,
    #[error("this service tier is left out, so that its calls have no price")]
    NoService,
    #[error("these hours cannot be told; the price of all others is charged")]
    AllHours,
    #[error("only exact names are found; one that merely looks alike may be another version")]
    Greedy,
}

impl Problem {
    /// The sentence without what is particular to one entry.
    fn kind(&self) -> String {
        let text = String::from("…");
        match self {
            Problem::Unreadable(_) => Problem::Unreadable(text).to_string(),
            Problem::Negative(_) => Problem::Negative(text).to_string(),
            Problem::TooDear(_) => Problem::TooDear(text).to_string(),
            other => other.to_string(),
        }
    }
}

/// A price list that cannot be read. Its `Display` names the model and the key, or the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ListError(String);

const UNKNOWN: &str =
    "the price list is of no known format: neither LiteLLM's, genai-prices' nor TOML";

impl ListError {
    pub(super) fn of_file(problem: &impl fmt::Display) -> ListError {
        ListError(format!("the price list cannot be read: {}", problem.to_string().trim()))
    }

    pub(super) fn of_json(list: &str, error: &serde_json::Error) -> ListError {
        ListError(format!("the price list cannot be read as that of {list}: {error}"))
    }

    pub(super) fn of_model(model: &str, problem: &str) -> ListError {
        ListError(format!("the price of `{model}` cannot be read: {problem}"))
    }
}

impl From<InvalidPrice> for ListError {
    fn from(invalid: InvalidPrice) -> ListError {
        ListError(invalid.to_string())
    }
}

/// A field that keeps its entry out, and why.
pub(super) type Refusal = (String, Problem);

impl ListReport {
    /// Takes an entry in, or lists it as refused. The first of two that contradict each other stays.
    pub(super) fn put(
        &mut self,
        listed: &str,
        entry: Result<ModelPrice, Refusal>,
        remarks: Vec<Refusal>,
    ) {
        let model: Arc<str> = listed.into();
        let issue = |(field, problem)| ListIssue { model: model.clone(), field, problem };
        let put = entry.and_then(|price| {
            if names::searches_at_each_call(price.id()) {
                return price.searching().ok_or_else(|| (String::new(), Problem::NoSearchFee));
            }
            Ok(price)
        });
        let put = put.and_then(|price| match self.book.same_as(&price) {
            Some(known) if known.costs_like(&price) => {
                let names = |name: &&str| known.aliases().all(|known| known != *name);
                let known = price.aliases().filter(names).fold(known.clone(), ModelPrice::alias);
                self.book.insert_listed(known).map_err(|e| (String::new(), e.why.into()))
            }
            Some(_) => Err((String::new(), Problem::Twice)),
            None => self.book.insert_listed(price).map_err(|e| (String::new(), e.why.into())),
        });
        match put {
            Ok(_) => self.remarks.extend(remarks.into_iter().map(issue)),
            Err(refusal) => self.refused.push(issue(refusal)),
        }
    }
}
