//! [`Denied`]: why a limit has no room for a call, as data and as a sentence.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::amounts::{Measure, Quantity, grouped};
use super::command::Retry;
use super::limit::Limit;
use super::path::Path;
use crate::clock::Timestamp;

/// A refusal as data. Its `Display` is a sentence that says which limit, why, and what would help.
///
/// All amounts are in the measure of the limit.
///
/// ```
/// use bursar::{BudgetManager, Quantity, ReserveError, Usd};
///
/// let budget = BudgetManager::new(Usd::cents(1))?;
/// let call = budget.model("gpt-6.1-terra")?.estimate().input(1_000).max_output(4_000);
/// let Err(ReserveError::Denied(why)) = budget.reserve("crawler", &call) else { unreachable!() };
/// assert_eq!(why.asked, Quantity::Money("0.02125".parse()?));
/// assert_eq!(why.available, Quantity::Money(Usd::cents(1)));
/// assert_eq!(why.max_output_tokens, Some(1_750)); // this output would fit now
/// assert_eq!(why.retry_at(), None); // time alone does not help: the limit has no period
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Denied {
    /// The account that asked.
    pub asked_by: Path,
    /// The account that the limit is on: the one that asked, one above it, or a tag.
    pub account: Path,
    /// The limit; of several that are in the way, the one that stays so longest.
    pub limit: Arc<Limit>,
    /// What was asked for, with the shortest output that is of use.
    pub asked: Quantity,
    /// Of a call inside another, what the outer hold has left of that; `None` if it is no such call,
    /// or the limit does not count the outer one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_outer: Option<Quantity>,
    /// What is spent in the present window.
    pub spent: Quantity,
    /// What is held for calls under way.
    pub held: Quantity,
    /// What a call may take now, what the outer hold gives included; negative when the limit is
    /// overrun.
    pub available: Quantity,
    /// When the call could pass, if nothing else is charged.
    pub retry: Retry,
    /// The largest output cap that would pass every limit now, in tokens; `None` if none would.
    pub max_output_tokens: Option<u64>,
    /// The output cap that was asked for because the call names none: the most that its model can
    /// answer, in tokens. `None` if it names one, or makes do with a shorter output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assumed_output_tokens: Option<u64>,
    /// When it was refused.
    pub at: Timestamp,
}

impl Denied {
    /// When the call could pass by the passing of time alone.
    ///
    /// How long after the refusal that is: [`retry_after`](Denied::retry_after).
    pub fn retry_at(&self) -> Option<Timestamp> {
        match self.retry {
            Retry::At(at) => Some(at),
            _ => None,
        }
    }

    /// How long from the [refusal](Denied::at) to [`retry_at`](Denied::retry_at), see
    /// [`ReserveError::retry_after`](crate::ReserveError::retry_after).
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_at().map(|at| at.since(self.at))
    }

    /// True if a shorter output would have asked for less of the limit.
    fn depends_on_output(&self) -> bool {
        !matches!(
            self.limit.measure(),
            Measure::Requests
                | Measure::InFlight
                | Measure::InputTokens
                | Measure::UncachedInputTokens
        )
    }

    fn write_what_is_left(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Denied { limit, spent, held, available, .. } = self;
        let whose = if self.account == self.asked_by {
            "its limit".to_owned()
        } else {
            format!("the limit of {}", self.account.called())
        };
        if limit.measure() == Measure::PerCall {
            return write!(f, ", but {whose} is {limit}; ");
        }
        match self.from_outer {
            None => write!(f, ", but {whose} ({limit}) has {available} left: ")?,
            Some(given) => {
                let room = available.value().saturating_sub(given.value());
                let room = limit.measure().quantity(room);
                write!(f, " inside a call whose hold has {given} of it left, and for the rest ")?;
                write!(f, "{whose} ({limit}) has {room}: ")?;
            }
        }
        write!(f, "{spent} spent, {held} held; ")
    }
}

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Denied { limit, asked, .. } = self;
        write!(f, "{} asks for {asked}", self.asked_by.called())?;
        if !limit.measure().is_money() {
            write!(f, " {}", limit.measure())?;
        }
        let grouped = |tokens| grouped(i128::from(tokens));
        let assumed = self.assumed_output_tokens.filter(|_| self.depends_on_output());
        if let Some(tokens) = assumed.map(grouped) {
            write!(
                f,
                " ({tokens} output tokens are assumed, because the request names no output cap)"
            )?;
        }
        self.write_what_is_left(f)?;
        match (self.retry, self.from_outer) {
            (Retry::WhenHoldsEnd, Some(_)) => {
                f.write_str(
                    "it could pass inside a call that sets more aside, or when others end",
                )?;
            }
            (Retry::WhenHoldsEnd, None) => f.write_str("it could pass when calls under way end")?,
            (Retry::At(at), _) => write!(f, "it could pass at {at}")?,
            (Retry::Never, _) => {
                let as_asked = if self.max_output_tokens.is_some() { "as asked " } else { "" };
                write!(f, "{as_asked}it can never pass unless the limit is raised")?;
            }
        }
        match self.max_output_tokens {
            Some(tokens) => {
                write!(f, "; with a cap of {} output tokens it passes now", grouped(tokens))
            }
            None => Ok(()),
        }
    }
}
