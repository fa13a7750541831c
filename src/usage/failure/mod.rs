//! [`Outcome`]: how a call ended, and [`FailedCalls`]: what a failed call costs, by provider and
//! status.
//!
//! All wrappers judge their answers here, so that they book failures alike. [`form`] recognises the
//! error bodies of the providers, [`rules`] is the table of documented costs, [`head`] keeps the
//! beginning of a stream in case it is an error.

mod form;
mod head;
mod rules;

use std::ops::{Bound, RangeBounds};

use super::body::Body;
use super::{Bill, Doubt, Usage};

use form::{ErrorBody, has_output};
pub(crate) use head::Head;

/// How a call ended. A wrapper around a client passes it to
/// [`Reservation::finish`](crate::Reservation::finish).
///
/// | the call | outcome | what is booked |
/// |---|---|---|
/// | came with counts or a cost | `Billed` | the bill |
/// | was rejected without a charge | `Free` | a call of $0 |
/// | never left the machine: no connection, no key | `Unsent` | nothing |
/// | ended without a known result: a timeout, a reset, an error page | `Lost` | what was held, as assumed, unless [`LostCall`](crate::budget::LostCall) says otherwise |
///
/// ```
/// use bursar::usage::Outcome;
/// use bursar::{BudgetManager, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let call = budget.model("gpt-6.1-terra")?.estimate().input(1_200).max_output(800);
/// let hold = budget.reserve("crawler", &call)?;
/// // … the provider answers 503 …
/// let body = r#"{"error": {"message": "Slow down.", "type": "service_unavailable_error"}}"#;
/// let outcome = hold.judge(503, body);
/// assert_eq!(outcome, Outcome::Free);
/// hold.finish(outcome);
/// assert_eq!(budget.spent(), Usd::ZERO);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The provider stated its usage or its cost.
    Billed(Bill),
    /// The provider answered, and charges nothing.
    Free,
    /// The request was never sent.
    Unsent,
    /// The result of the request is unknown. It has usually been billed.
    Lost,
}

impl Outcome {
    fn of_failed(what: FailedCall) -> Outcome {
        match what {
            FailedCall::Free => Outcome::Free,
            FailedCall::Input => Outcome::Billed(input_alone()),
            FailedCall::Lost => Outcome::Lost,
        }
    }
}

/// An empty bill is that of a free call; `None` is that of a lost one.
impl From<Option<Bill>> for Outcome {
    fn from(bill: Option<Bill>) -> Outcome {
        match bill {
            Some(bill) if bill.is_of_nothing() => Outcome::Free,
            Some(bill) => Outcome::Billed(bill),
            None => Outcome::Lost,
        }
    }
}

impl Bill {
    /// True if it has no counts, no cost and no doubt, as an agent's bill of a free call.
    pub(crate) fn is_of_nothing(&self) -> bool {
        self.usage.is_none()
            && self.extra.is_empty()
            && self.doubts.is_empty()
            && self.reported_cost.is_none_or(|cost| cost.is_zero())
    }
}

/// What a call costs whose answer is an error without usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailedCall {
    /// Nothing: it is booked as a call of $0.
    Free,
    /// The input that was set aside, as estimated: the provider has read the prompt and written
    /// nothing.
    Input,
    /// Unknown: the call counts as lost, see [`LostCall`](crate::budget::LostCall).
    Lost,
}

/// What failed calls cost, by provider and status: your own rules, and under them what the
/// providers document.
///
/// An answer is judged in this order:
///
/// 1. It states its usage or its cost: that is booked, whatever the status is.
/// 2. You have a rule for its provider and status: the rule, whatever the body is.
/// 3. The body has the provider's own error form, and no part of an answer was delivered: the
///    provider's row below.
/// 4. Anything else is lost: an error page in HTML, an empty body, another form, an error after
///    the answer had begun.
///
/// A success (2xx) whose body has an error form is judged by the status in the form.
///
/// | provider | status | booked | source (read 2026-11-30) |
/// |---|---|---|---|
/// | any | 4xx but 408 and 499 | nothing | the request was rejected; the only documents that charge for it are those below |
/// | any | 503, 529 | nothing | turned away before any work: RFC 9110 §15.6.4; Anthropic, "Errors": the API is overloaded |
/// | any | 408, 499, 504, 52x, 500 and other 5xx | lost | not documented as free |
/// | OpenAI | 429 | nothing | "Flex processing": a 429 for lack of resources is not charged |
/// | Google | 4xx, 500 to 503 | nothing | Gemini API, "Billing": a request that fails with a 400 or 500 error is not charged |
/// | Azure | 400 by the content filter, 400 for too long an input | the input | "Manage costs": charged if the service has processed the request, such as these two |
/// | Azure | 401, 429 | nothing | the same page: not charged if it has not |
/// | OpenRouter | all | nothing | "Zero completion insurance": an answer without output that has an error is not charged |
/// | Novita | 400 to 498, 500, 503, 504 | nothing | "LLM API billing": 200 and 499 (the client has left) are charged, 4xx, 500, 503 and 504 are not |
/// | fal | 5xx | nothing | FAQ: server errors are never charged |
/// | fal | 422 | lost | FAQ: it may be charged if a runner had begun |
/// | xAI | 403 for a violation of its guidelines | lost | "Models": such a request costs a fee |
///
/// The provider is that of the requested model if the error has its form, and else the one whose
/// form the error has, because many models are called through a relay.
///
/// ```
/// use bursar::usage::{FailedCall, FailedCalls, Outcome};
///
/// let calls = FailedCalls::documented();
/// let overloaded = r#"{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}"#;
/// assert_eq!(calls.judge(Some("anthropic"), 529, overloaded), Outcome::Free);
/// assert_eq!(calls.judge(Some("anthropic"), 529, "<html>"), Outcome::Lost);
///
/// let calls = calls.on("anthropic", 500..=503, FailedCall::Free);
/// assert_eq!(calls.judge(Some("anthropic"), 502, "<html>"), Outcome::Free);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedCalls {
    own: Vec<OwnRule>,
}

/// A rule that the user has added.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OwnRule {
    /// `*` is any.
    provider: String,
    first: u16,
    last: u16,
    what: FailedCall,
}

impl FailedCalls {
    /// The rules that the providers document, by the table above.
    pub fn documented() -> FailedCalls {
        FailedCalls::default()
    }

    /// Adds a rule: what calls to a provider (`openai`, `azure`, …; `*` is every provider) cost if
    /// they fail with one of these HTTP statuses, such as `500..=503` or `429..=429`. It covers
    /// every body without usage, error pages included. The rule that was added last wins.
    #[must_use]
    pub fn on(
        mut self,
        provider: impl AsRef<str>,
        statuses: impl RangeBounds<u16>,
        what: FailedCall,
    ) -> FailedCalls {
        let first = match statuses.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let last = match statuses.end_bound() {
            Bound::Included(last) => *last,
            Bound::Excluded(0) => return self, // no status at all
            Bound::Excluded(behind) => behind.saturating_sub(1),
            Bound::Unbounded => u16::MAX,
        };
        let provider = rules::known_as(provider.as_ref()).to_owned();
        self.own.push(OwnRule { provider, first, last, what });
        self
    }

    /// Judges how a call ended, by the HTTP status and the body of its answer. `provider` is that
    /// of the requested model, [`ModelPrice::provider`](crate::ModelPrice::provider); with `None`,
    /// the form of the error decides.
    ///
    /// It takes every answer, a success too. Pass the whole body, or `""` if none came.
    pub fn judge<'b>(
        &self,
        provider: Option<&str>,
        status: u16,
        body: impl Into<Body<'b>>,
    ) -> Outcome {
        let body = body.into();
        let error = ErrorBody::of(body);
        let is_success = (200..300).contains(&status);
        let is_failure = error.is_some() || !is_success;
        let read = Bill::from_response(body);
        let bill = match read {
            // Zero counts beside an error are not a bill.
            Ok(Some(bill)) if is_failure && bill.is_of_nothing() => None,
            // The answer was cut by an error: keep what was counted before it.
            Ok(Some(bill)) if is_failure && bill.doubts.contains(&Doubt::CutShort) => Some(bill),
            Ok(Some(bill)) => return Outcome::Billed(bill),
            // No usage, or none that can be trusted.
            Ok(None) | Err(_) => None,
        };
        // Without output, the rules decide.
        let outcome = if is_failure && !has_output(body) {
            self.of_error(provider, status, error)
        } else {
            Outcome::Lost
        };
        match (outcome, bill) {
            (Outcome::Lost, Some(bill)) => Outcome::Billed(bill),
            (outcome, _) => outcome,
        }
    }

    /// Judges an answer whose body was not read: a rejection (4xx) is free, as if the body were the
    /// provider's own.
    pub(crate) fn judge_unread(&self, provider: Option<&str>, status: u16) -> Outcome {
        let provider = provider.map(rules::known_as).unwrap_or_default();
        let own = self.own_rule(provider, status);
        let what = own.unwrap_or_else(|| rules::cost_unread(provider, status));
        Outcome::of_failed(what)
    }

    /// Judges a stream that has ended, by its beginning. `None` if it is not an error, or if a part
    /// of an answer was delivered.
    pub(crate) fn judge_head(
        &self,
        provider: Option<&str>,
        status: u16,
        head: &Head,
    ) -> Option<Outcome> {
        let body = Body::from(head.bytes());
        let error = ErrorBody::of(body);
        let is_failure = error.is_some() || !(200..300).contains(&status);
        (is_failure && !has_output(body)).then(|| self.of_error(provider, status, error))
    }

    fn of_error(&self, provider: Option<&str>, status: u16, error: Option<ErrorBody>) -> Outcome {
        let provider = provider.map(rules::known_as);
        let status = match &error {
            Some(error) if status < 400 => error.status,
            _ => status,
        };
        let answering = error.as_ref().and_then(|error| rules::answering(provider, error));
        let asked = provider.unwrap_or_default();
        let own = self.own_rule(asked, status);
        let own = own.or_else(|| self.own_rule(answering?, status));
        let what = own.unwrap_or_else(|| match (answering, &error) {
            (Some(provider), Some(error)) => rules::cost(provider, status, error),
            _ => FailedCall::Lost,
        });
        Outcome::of_failed(what)
    }

    fn own_rule(&self, provider: &str, status: u16) -> Option<FailedCall> {
        let names = |rule: &&OwnRule| {
            (rule.provider == "*" || rule.provider == provider)
                && (rule.first..=rule.last).contains(&status)
        };
        self.own.iter().rev().find(names).map(|rule| rule.what)
    }
}

/// The bill of a call whose input alone is charged. Booking fills in the input of the hold.
fn input_alone() -> Bill {
    let missing = Doubt::Missing { side: "input".to_owned() };
    Bill::new(Usage::NONE).estimated().doubt(missing)
}
