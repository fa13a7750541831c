//! Owns what a public price list comes to: [`Loaded`], the book with a list of what was refused.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::book::PriceBook;
use super::catalogue::BookError;
use super::flaw::Flaw;
use super::model::ModelPrice;
use super::names;

impl PriceBook {
    /// Reads a price list of any format that is known, recognised by its content: LiteLLM's
    /// ([`from_litellm`](PriceBook::from_litellm)), genai-prices'
    /// ([`from_genai_prices`](PriceBook::from_genai_prices)) or this crate's own
    /// ([`from_toml`](PriceBook::from_toml), where nothing is refused one by one).
    ///
    /// # Errors
    /// [`ListError`] if the list cannot be read at all.
    pub fn from_list(list: impl AsRef<[u8]>) -> Result<Loaded, ListError> {
        let list = list.as_ref();
        let mut letters = list.iter().filter(|byte| !byte.is_ascii_whitespace());
        match (letters.next(), letters.next()) {
            (Some(b'{'), _) => PriceBook::from_litellm(list),
            (Some(b'['), Some(b'{' | b']')) => PriceBook::from_genai_prices(list),
            _ => {
                let text = std::str::from_utf8(list).map_err(|_| ListError::Unknown)?;
                Ok(Loaded { book: PriceBook::from_toml(text)?, ..Loaded::default() })
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
/// let list = PriceBook::from_litellm(r#"{
///     "acme/small": {"litellm_provider": "acme", "mode": "chat",
///         "input_cost_per_token": 1e-6, "output_cost_per_token": 4e-6},
///     "acme/odd": {"litellm_provider": "acme", "mode": "chat",
///         "input_cost_per_token": 0.5, "output_cost_per_token": 4e-6}
/// }"#)?;
/// assert!(list.book.find("acme/small").is_ok());
/// assert_eq!(list.refused.len(), 1); // half a dollar for a token is no price
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "the list may have been refused in part: see `refused`"]
pub struct Loaded {
    /// The prices.
    pub book: PriceBook,
    /// Entries that are not in the book, each with its reason.
    pub refused: Vec<Finding>,
    /// What of the entries in the book could not be taken over as it is written, each with what
    /// came of it. Nothing here makes a call cheaper than the list does, but for fees of what
    /// [`Usage`](crate::Usage) does not count (a page, an image by the piece, a second of video),
    /// which come on top.
    pub remarks: Vec<Finding>,
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (models, refused) = (self.book.len(), self.refused.len());
        write!(f, "{models} models loaded, {refused} refused, {} remarks", self.remarks.len())?;
        let mut kinds: BTreeMap<String, (usize, &str)> = BTreeMap::new();
        for finding in &self.refused {
            kinds.entry(finding.reason.kind()).or_insert((0, finding.model.as_ref())).0 += 1;
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
pub struct Finding {
    /// The model, as the list calls it.
    pub model: Arc<str>,
    /// The key in the list; empty if it is the entry as a whole.
    pub field: String,
    /// What is wrong with it, and what can be done.
    pub reason: Reason,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "`{}`: {}", self.model, self.reason),
            field => write!(f, "`{}`, `{field}`: {}", self.model, self.reason),
        }
    }
}

/// Why something in a price list is not taken over as it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// No provider, or none that can stand before a slash.
    #[error("it names no provider; insert a `ModelPrice` that does")]
    NoProvider,
    /// Something else than tokens is billed.
    #[error("it is not billed by the token; ask for its calls with `Estimate::fixed`")]
    OtherUnit,
    /// A price that every model needs is missing.
    #[error("there is no price, and unknown is not free; insert a `ModelPrice`")]
    Missing,
    /// A model that searches at each call, without the fee for it.
    #[error(
        "it searches at each call, and there is no fee for that; insert a `ModelPrice` with one"
    )]
    NoSearchFee,
    /// The list says that it costs nothing, and not that this is meant.
    #[error("its price is 0, which may be a gap; insert `ModelPrice::free` if it costs nothing")]
    Zero,
    /// No value of the kind that belongs here.
    #[error("`{text}` cannot be read here; correct the list, or insert a `ModelPrice`")]
    Unreadable {
        /// Its beginning.
        text: String,
    },
    /// Below zero.
    #[error("`{text}` is below zero; correct the list, or insert a `ModelPrice`")]
    Negative {
        /// As it is written.
        text: String,
    },
    /// Above $0.002 a token, or $1 for a search or request.
    #[error(
        "`{text}` is more than $0.002 a token or $1 a search, so it is in another unit; correct \
         the list, or insert a `ModelPrice`"
    )]
    TooDear {
        /// As it is written.
        text: String,
    },
    /// Two entries of one model contradict each other.
    #[error("another entry gives the same model a different price, and comes first; keep one")]
    Twice,
    /// Tokens of a kind that is not told apart from cheaper ones.
    #[error(
        "such tokens are counted among cheaper ones; insert a `ModelPrice` if you use none of them"
    )]
    Dearer,
    /// Conditions that a `ModelPrice` cannot have.
    #[error("it is bound to conditions that cannot be told; insert a `ModelPrice`")]
    Condition,
    /// Can be read and not used.
    #[error(transparent)]
    Flaw(#[from] Flaw),
    /// Remark: no whole number of picodollars for a million tokens.
    #[error("it is no whole number of picodollars for a million tokens; it is rounded up")]
    Rounded,
    /// Remark: nothing of the kind is counted.
    #[error("nothing of the kind is counted; what it costs comes on top")]
    Uncounted,
    /// Remark: tokens of a kind that is not told apart from dearer ones.
    #[error("such tokens are counted among dearer ones, and charged like those")]
    Cheaper,
    /// Remark: one of several prices.
    #[error("it depends on what no bill says; the largest is charged")]
    Largest,
    /// Remark: a free allowance.
    #[error("a free allowance is not counted; every one is charged")]
    Allowance,
    /// Remark: a service tier that is left out.
    #[error("this service tier is left out, so that its calls have no price")]
    NoService,
    /// Remark: hours that cannot be told.
    #[error("these hours cannot be told; the price of all others is charged")]
    AllHours,
    /// Remark: names that are not matched exactly.
    #[error("only exact names are found; one that merely looks alike may be another version")]
    Greedy,
}

impl Reason {
    /// The sentence without what is particular to one entry.
    fn kind(&self) -> String {
        let text = String::from("…");
        match self {
            Reason::Unreadable { .. } => Reason::Unreadable { text }.to_string(),
            Reason::Negative { .. } => Reason::Negative { text }.to_string(),
            Reason::TooDear { .. } => Reason::TooDear { text }.to_string(),
            other => other.to_string(),
        }
    }
}

/// Why a public price list cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// Not the JSON that was expected.
    #[error("the price list cannot be read as that of {list}: {problem}")]
    Json {
        /// Whose list was expected.
        list: &'static str,
        /// Where and what.
        problem: String,
    },
    /// None of the formats.
    #[error("the price list is of no known format: neither LiteLLM's, genai-prices' nor TOML")]
    Unknown,
    /// As TOML.
    #[error(transparent)]
    Book(#[from] BookError),
}

impl ListError {
    pub(super) fn json(list: &'static str, error: &serde_json::Error) -> ListError {
        ListError::Json { list, problem: error.to_string() }
    }
}

/// A field that keeps its entry out, and why.
pub(super) type Refusal = (String, Reason);

impl Loaded {
    /// Takes an entry in, or lists it as refused. The first of two that contradict each other stays.
    pub(super) fn put(
        &mut self,
        listed: &str,
        entry: Result<ModelPrice, Refusal>,
        remarks: Vec<Refusal>,
    ) {
        let model: Arc<str> = listed.into();
        let finding = |(field, reason)| Finding { model: model.clone(), field, reason };
        let entry = entry.and_then(|price| match names::searches_at_each_call(price.id()) {
            true => price.searching().ok_or_else(|| (String::new(), Reason::NoSearchFee)),
            false => Ok(price),
        });
        let put = entry.and_then(|price| match self.book.same_as(&price) {
            Some(known) if known.costs_like(&price) => {
                let names = |name: &&str| known.aliases().all(|known| known != *name);
                let known = price.aliases().filter(names).fold(known.clone(), ModelPrice::alias);
                self.book.insert_listed(known).map_err(|e| (String::new(), e.flaw().into()))
            }
            Some(_) => Err((String::new(), Reason::Twice)),
            None => self.book.insert_listed(price).map_err(|e| (String::new(), e.flaw().into())),
        });
        match put {
            Ok(_) => self.remarks.extend(remarks.into_iter().map(finding)),
            Err(refusal) => self.refused.push(finding(refusal)),
        }
    }
}
