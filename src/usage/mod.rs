//! What was used: [`Usage`], the token counts of one call, and [`Bill`], what the provider said
//! of it; [`tokens`], how many tokens a text has.
//!
//! [`Bill::from_response`] reads a response body, [`UsageMeter`] a stream, [`Request`] what is
//! asked before there is an answer. Each provider's form of answers has a file of its own.
//!
//! Come here when you have a provider's JSON; if your client hands you counts, [`Usage::tokens`] is
//! all you need. What usage costs is the business of [`price`](crate::price).

mod anthropic;
mod bedrock;
mod body;
mod cohere;
mod counts;
mod doubt;
mod error;
mod frames;
mod gemini;
mod heard;
mod json;
mod ollama;
mod openai;
mod request;
mod stream;
pub mod tokens;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::money::Usd;

pub use body::{Api, Body};
pub use doubt::Doubt;
pub use error::UsageError;
pub use request::{Request, RequestError};
pub use stream::UsageMeter;
pub use tokens::TokenCounter;

/// Two usages, bucket by bucket.
macro_rules! combine {
    ($one:ident, $other:ident, $operation:ident) => {
        Usage {
            input_uncached: $one.input_uncached.$operation($other.input_uncached),
            input_audio: $one.input_audio.$operation($other.input_audio),
            cache_read: $one.cache_read.$operation($other.cache_read),
            cache_read_audio: $one.cache_read_audio.$operation($other.cache_read_audio),
            cache_write_5m: $one.cache_write_5m.$operation($other.cache_write_5m),
            cache_write_30m: $one.cache_write_30m.$operation($other.cache_write_30m),
            cache_write_1h: $one.cache_write_1h.$operation($other.cache_write_1h),
            cache_write_12h: $one.cache_write_12h.$operation($other.cache_write_12h),
            output: $one.output.$operation($other.output),
            reasoning: $one.reasoning.$operation($other.reasoning),
            output_audio: $one.output_audio.$operation($other.output_audio),
            requests: $one.requests.$operation($other.requests),
            web_search_requests: $one.web_search_requests.$operation($other.web_search_requests),
        }
    };
}

/// What one call used, in **disjoint** buckets: no token is counted in two of them, so that a cost
/// is a sum over buckets.
///
/// Providers differ in what they include in what (OpenAI's `prompt_tokens` contain the cached
/// ones, Anthropic's `input_tokens` do not); this is the one form after all of that is resolved.
///
/// ```
/// use bursar::Usage;
///
/// let cached = Usage { cache_read: 1_920, reasoning: 576, ..Usage::tokens(86, 236) };
/// assert_eq!(cached.input_tokens(), 2_006);
/// assert_eq!(cached.output_tokens(), 812);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Text and image input that came from no cache and went into none.
    pub input_uncached: u64,
    /// Audio input that came from no cache.
    pub input_audio: u64,
    /// Input read from the provider's prompt cache.
    pub cache_read: u64,
    /// Audio input read from the provider's prompt cache.
    pub cache_read_audio: u64,
    /// Input written to the prompt cache for 5 minutes (Anthropic).
    pub cache_write_5m: u64,
    /// Input written to the prompt cache for 30 minutes (OpenAI).
    pub cache_write_30m: u64,
    /// Input written to the prompt cache for 1 hour (Anthropic).
    pub cache_write_1h: u64,
    /// Input written to the prompt cache for 12 hours (OpenAI).
    pub cache_write_12h: u64,
    /// Visible text output.
    pub output: u64,
    /// Output spent on reasoning ("thinking").
    pub reasoning: u64,
    /// Audio output.
    pub output_audio: u64,
    /// Requests for which the provider takes a fee of their own.
    pub requests: u64,
    /// Web searches that the provider ran.
    pub web_search_requests: u64,
}

impl Usage {
    /// The largest count of tokens, of requests and of searches that one call can have: a trillion
    /// (1e12). More is an impossible count, and never priced.
    pub const MAX_COUNT: u64 = 1_000_000_000_000;

    /// A plain call: so many tokens in, so many out, nothing cached.
    pub const fn tokens(input: u64, output: u64) -> Usage {
        let mut usage = Usage::NONE;
        usage.input_uncached = input;
        usage.output = output;
        usage
    }

    /// Nothing used.
    pub const NONE: Usage = Usage {
        input_uncached: 0,
        input_audio: 0,
        cache_read: 0,
        cache_read_audio: 0,
        cache_write_5m: 0,
        cache_write_30m: 0,
        cache_write_1h: 0,
        cache_write_12h: 0,
        output: 0,
        reasoning: 0,
        output_audio: 0,
        requests: 0,
        web_search_requests: 0,
    };

    /// The buckets of tokens by name.
    pub(crate) const fn kinds(&self) -> [(&'static str, u64); 11] {
        [
            ("input_uncached", self.input_uncached),
            ("input_audio", self.input_audio),
            ("cache_read", self.cache_read),
            ("cache_read_audio", self.cache_read_audio),
            ("cache_write_5m", self.cache_write_5m),
            ("cache_write_30m", self.cache_write_30m),
            ("cache_write_1h", self.cache_write_1h),
            ("cache_write_12h", self.cache_write_12h),
            ("output", self.output),
            ("reasoning", self.reasoning),
            ("output_audio", self.output_audio),
        ]
    }

    /// All input tokens: uncached, audio, cache reads and cache writes. This sum decides the
    /// long-context tier. Saturates at `u64::MAX`.
    pub const fn input_tokens(&self) -> u64 {
        self.input_uncached
            .saturating_add(self.input_audio)
            .saturating_add(self.cache_read_tokens())
            .saturating_add(self.cache_write_tokens())
    }

    /// Input tokens read from the prompt cache, text and audio. Saturates at `u64::MAX`.
    pub const fn cache_read_tokens(&self) -> u64 {
        self.cache_read.saturating_add(self.cache_read_audio)
    }

    /// Input tokens written to the prompt cache, for whichever time. Saturates at `u64::MAX`.
    pub const fn cache_write_tokens(&self) -> u64 {
        self.cache_write_5m
            .saturating_add(self.cache_write_30m)
            .saturating_add(self.cache_write_1h)
            .saturating_add(self.cache_write_12h)
    }

    /// All output tokens: visible, reasoning and audio. Saturates at `u64::MAX`.
    pub const fn output_tokens(&self) -> u64 {
        self.output.saturating_add(self.reasoning).saturating_add(self.output_audio)
    }

    /// All tokens, in and out. Saturates at `u64::MAX`.
    pub const fn total_tokens(&self) -> u64 {
        self.input_tokens().saturating_add(self.output_tokens())
    }

    /// True if nothing was used.
    pub fn is_none(&self) -> bool {
        *self == Usage::NONE
    }

    /// True if the tokens, requests and searches could all be counts of one real call
    /// ([`Usage::MAX_COUNT`]).
    pub const fn is_possible(&self) -> bool {
        self.total_tokens() <= Usage::MAX_COUNT
            && self.requests <= Usage::MAX_COUNT
            && self.web_search_requests <= Usage::MAX_COUNT
    }

    /// Bucket by bucket, saturating.
    #[must_use]
    pub const fn saturating_add(&self, other: &Usage) -> Usage {
        combine!(self, other, saturating_add)
    }

    /// Adds another, bucket by bucket, saturating. Most usages are plain input and output.
    #[inline]
    pub(crate) fn add(&mut self, other: &Usage) {
        if !other.is_plain() {
            *self = self.saturating_add(other);
            return;
        }
        self.input_uncached = self.input_uncached.saturating_add(other.input_uncached);
        self.output = self.output.saturating_add(other.output);
    }

    /// True if nothing but uncached input and visible output was used.
    #[inline]
    fn is_plain(&self) -> bool {
        let others = self.input_audio
            | self.cache_read
            | self.cache_read_audio
            | self.cache_write_5m
            | self.cache_write_30m
            | self.cache_write_1h
            | self.cache_write_12h
            | self.reasoning
            | self.output_audio
            | self.requests
            | self.web_search_requests;
        others == 0
    }

    /// Bucket by bucket, not below zero.
    #[must_use]
    pub const fn saturating_sub(&self, other: &Usage) -> Usage {
        combine!(self, other, saturating_sub)
    }
}

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
    /// A tier that this version does not know. It has no price until somebody writes one down.
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

impl FromStr for Service {
    type Err = std::convert::Infallible;

    fn from_str(name: &str) -> Result<Service, Self::Err> {
        Ok(Service::from(name))
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What other models used for this answer, each priced as its own model: an attempt before a
    /// fallback, an advisor, the transcription of a realtime session. `usage` leaves it out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<ModelUsage>,
    /// True if the answer itself says why another model answered than was asked: it lists its
    /// attempts.
    #[serde(default)]
    pub fell_back: bool,
    /// What is doubtful about the bill. Each doubt raises an alert when the bill is booked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
}

impl Bill {
    /// A bill of the provider's own counts.
    pub fn new(usage: Usage) -> Bill {
        Bill {
            usage,
            model: None,
            service: None,
            regional: None,
            reported_cost: None,
            confidence: Confidence::default(),
            extra: Vec::new(),
            fell_back: false,
            doubts: Vec::new(),
        }
    }

    /// The bill of a call that is known to have cost nothing: the provider did not take it. It
    /// counts as a request.
    pub fn free() -> Bill {
        Bill::new(Usage::NONE).reported_cost(Usd::ZERO)
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

    /// Adds what another model used for the same answer.
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

/// What one model used for an answer that several models worked on.
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
    /// The model, as the provider names it; `None`: the answer does not say.
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
