//! What was used: [`Usage`], the token counts of one call, and [`Bill`], what the provider states
//! about it; [`tokens`], how many tokens a text has.
//!
//! [`Bill::from_response`] reads a response body, [`UsageMeter`] a stream, [`Request`] a request
//! body before it is sent. One table, `names`, lists the field names of all providers.
//!
//! Come here when you have a provider's JSON; if your client hands you counts, [`Usage::tokens`] is
//! all you need. What usage costs is the business of [`price`](crate::price).

mod answer;
mod body;
mod content;
mod buckets;
mod doubt;
mod envelope;
mod error;
mod failure;
mod frames;
mod json;
pub(crate) mod messages;
mod names;
mod paid_tools;
mod raw;
mod request;
mod rules;
mod stream;
pub mod tokens;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::money::Usd;
use crate::parse::{ParseError, named};

pub use body::Body;
pub(crate) use buckets::Sums;
pub use buckets::{Bucket, Usage};
pub use doubt::Doubt;
pub use error::UsageError;
pub(crate) use failure::Head;
pub use failure::{FailedCall, FailedCalls, Outcome};
pub use request::{Request, RequestError};
pub use stream::UsageMeter;
pub use tokens::TokenCounter;

/// The service tier of a call, asked for or billed. The default is [`Service::Standard`].
///
/// ```
/// use bursar::{BudgetManager, Service, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let call = budget.model("gpt-6.1-terra")?.estimate().input(1_000).max_output(100);
/// let whole = budget.reserve("crawler", &call.clone())?;
/// let batch = budget.reserve("crawler", &call.service(Service::Batch))?;
/// assert!(batch.held() < whole.held());
/// # (batch.release(), whole.release());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum Service {
    /// The list price.
    #[default]
    Standard,
    /// Answers within a day, at a discount.
    Batch,
    /// Slower, at a discount.
    Flex,
    /// Faster, at a surcharge.
    Priority,
    /// A faster variant of the model, at a surcharge (Anthropic's `speed: fast`).
    Fast,
    /// A tier that this version does not know. It has no price until the user writes one down.
    Other(Arc<str>),
}

impl Service {
    /// The tier as a word: `standard`, `batch`, …
    pub fn as_str(&self) -> &str {
        match self {
            Service::Standard => "standard",
            Service::Batch => "batch",
            Service::Flex => "flex",
            Service::Priority => "priority",
            Service::Fast => "fast",
            Service::Other(name) => name,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<&str> for Service {
    fn from(name: &str) -> Service {
        match name {
            "standard" | "default" => Service::Standard,
            "batch" => Service::Batch,
            "flex" => Service::Flex,
            "priority" => Service::Priority,
            "fast" => Service::Fast,
            other => Service::Other(other.into()),
        }
    }
}

impl From<String> for Service {
    fn from(name: String) -> Service {
        Service::from(name.as_str())
    }
}

impl From<Service> for String {
    fn from(service: Service) -> String {
        service.as_str().to_owned()
    }
}

/// How sure we are of a booked amount.
///
/// They are in order, the surest first.
///
/// ```
/// use bursar::Confidence;
///
/// assert!(Confidence::Exact < Confidence::Assumed);
/// assert_eq!(Confidence::Estimated.to_string(), "estimated");
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Confidence {
    /// The provider's own counts, at the price of the model that answered.
    #[default]
    Exact,
    /// The provider's own cost.
    Reported,
    /// Counts that we estimated, because the provider's never came (a stream that was cut).
    Estimated,
    /// Nothing known: what was held has been charged.
    Assumed,
}

impl Confidence {
    /// Every one, in order.
    const ALL: [Confidence; 4] =
        [Confidence::Exact, Confidence::Reported, Confidence::Estimated, Confidence::Assumed];

    /// The confidence as a word: `exact`, `reported`, `estimated`, `assumed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Confidence::Exact => "exact",
            Confidence::Reported => "reported",
            Confidence::Estimated => "estimated",
            Confidence::Assumed => "assumed",
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// By its name, as [`as_str`](Confidence::as_str) and serde have it.
impl FromStr for Confidence {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Confidence, ParseError> {
        named(text, "a confidence", &Confidence::ALL, Confidence::as_str)
    }
}

/// What the provider answered about one call: what was used, by which model and service tier, and
/// what it says that it costs.
///
/// A bare [`Usage`] is a bill for the model and tier that were reserved:
///
/// ```
/// use bursar::{Bill, Service, Usage};
///
/// let plain: Bill = Usage::tokens(1_200, 340).into();
/// let served = Bill::new(Usage::tokens(1_200, 340)).model("gpt-6.1-terra").service(Service::Priority);
/// assert_eq!(plain.usage, served.usage);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Bill {
    /// What was used.
    pub usage: Usage,
    /// The model that answered, as the provider names it; `None`: the one that was asked.
    pub model: Option<String>,
    /// The service tier that was billed; `None`: the one that was asked for.
    pub service: Option<Service>,
    /// Whether it was processed in one region, at the surcharge that some vendors take for data
    /// residency; `None`: as was asked for.
    pub regional: Option<bool>,
    /// What the provider says that the call costs. It wins over a computed cost.
    pub reported_cost: Option<Usd>,
    /// How sure the counts are.
    pub confidence: Confidence,
    /// The usage of other models for this answer, each at its own price: an attempt before a
    /// fallback, an advisor, the transcription of a realtime session. `usage` does not include it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<ModelUsage>,
    /// The provider does not bill this answer if the call was made at this moment or later, which
    /// is when its billing rule began. The usage in `extra` is billed all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unbilled_since: Option<Timestamp>,
    /// True if the answer lists its attempts, and so explains why another model answered.
    #[serde(default)]
    pub fell_back: bool,
    /// Why the bill may differ from the provider's. Each doubt raises an alert when the bill is
    /// booked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
}

impl Bill {
    /// A bill of the provider's own counts.
    pub fn new(usage: Usage) -> Bill {
        Bill { usage, ..Bill::default() }
    }

    /// True if it says nothing but what was used.
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        self.extra.is_empty()
            && self.doubts.is_empty()
            && self.model.is_none()
            && self.service.is_none()
            && self.regional.is_none()
            && self.reported_cost.is_none()
            && self.unbilled_since.is_none()
    }

    /// The bill of a call that is known to have cost nothing: the provider did not take it. It
    /// counts as a request.
    pub fn free() -> Bill {
        Bill::new(Usage::NONE).reported_cost(Usd::ZERO)
    }

    /// Marks the call as one that the provider counts and does not bill, such as a refusal of
    /// Anthropic's before any output. Its cost is zero and [`Exact`](Confidence::Exact); its counts
    /// are booked, and the usage of [other models](Bill::extra) is billed.
    ///
    /// A stated cost of zero beside counts is not enough: many relays state zero for what they do
    /// not price.
    ///
    /// ```
    /// use bursar::{Bill, BudgetManager, Usage, Usd};
    ///
    /// let budget = BudgetManager::new(Usd::dollars(1))?;
    /// let call = budget.model("claude-opus-4-8")?.estimate().input(1_200).max_output(800);
    /// let hold = budget.reserve("crawler", &call)?;
    /// let receipt = hold.settle(Bill::new(Usage::tokens(1_150, 0)).unbilled());
    /// assert_eq!(receipt.cost, Usd::ZERO);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn unbilled(mut self) -> Bill {
        self.unbilled_since = Some(Timestamp::MIN);
        self
    }

    /// True if the provider does not bill it as a call that was made at this moment.
    pub(crate) fn is_unbilled(&self, at: Timestamp) -> bool {
        self.unbilled_since.is_some_and(|since| at >= since)
    }

    /// Names the model that answered.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Bill {
        self.model = Some(model.into());
        self
    }

    /// Names the service tier that was billed.
    #[must_use]
    pub fn service(mut self, service: Service) -> Bill {
        self.service = Some(service);
        self
    }

    /// Says whether the surcharge for data residency was billed.
    #[must_use]
    pub fn regional(mut self, regional: bool) -> Bill {
        self.regional = Some(regional);
        self
    }

    /// Takes over the provider's own cost.
    #[must_use]
    pub fn reported_cost(mut self, cost: Usd) -> Bill {
        self.reported_cost = Some(cost);
        self
    }

    /// Marks the counts as estimated by us.
    #[must_use]
    pub fn estimated(mut self) -> Bill {
        self.confidence = Confidence::Estimated;
        self
    }

    /// Adds the usage of another model for the same answer.
    #[must_use]
    pub fn extra(mut self, extra: ModelUsage) -> Bill {
        self.extra.push(extra);
        self
    }

    /// Adds a doubt, once.
    #[must_use]
    pub fn doubt(mut self, doubt: Doubt) -> Bill {
        if !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
        self
    }

    /// The usage of all models that worked on the answer, bucket by bucket, saturating.
    pub fn total_usage(&self) -> Usage {
        let extra = self.extra.iter().map(|extra| &extra.usage);
        extra.fold(self.usage, |sum, usage| sum.saturating_add(usage))
    }
}

/// The usage of one model for an answer that several models worked on.
///
/// ```
/// use bursar::usage::ModelUsage;
/// use bursar::{Bill, Usage};
///
/// // A first model declined after 578 tokens of output, and a second one answered.
/// let declined = ModelUsage::new("claude-fable-5", Usage::tokens(2, 578));
/// let bill = Bill::new(Usage::tokens(2, 13_658)).model("claude-opus-4-8").extra(declined);
/// assert_eq!(bill.total_usage().output, 14_236);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelUsage {
    /// The provider's name of the model; `None` if the answer does not name it.
    pub model: Option<String>,
    /// What it used.
    pub usage: Usage,
}

impl ModelUsage {
    /// What the named model used.
    pub fn new(model: impl Into<String>, usage: Usage) -> ModelUsage {
        ModelUsage { model: Some(model.into()), usage }
    }
}

impl From<Usage> for Bill {
    fn from(usage: Usage) -> Bill {
        Bill::new(usage)
    }
}
