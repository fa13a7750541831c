//! [`Countdown`]: what is left to an account, in calls of its usual size.

use std::fmt;

use serde::Serialize;

use super::account::Account;
use crate::clock::Timestamp;
use crate::ledger::{Amounts, CostBound, LimitView, Measure};
use crate::money::Usd;
use crate::price::Estimate;
use crate::usage::Usage;

/// What is left to an agent in its own terms, so that it can pace itself: made by
/// [`Account::countdown`]. Advice, like [`Account::can_afford`].
///
/// Each number is what the tightest limit of the line leaves to an ordinary call, not counting what
/// is kept for wrapping up; `None` where there is no limit. Its `Display` can stand in a prompt:
///
/// ```
/// use bursar::{BudgetManager, Limit, Usage, Usd};
///
/// let budget = BudgetManager::new(Usd::cents(5))?;
/// let crawler = budget.account("crawler")?;
/// let call = budget.model("gpt-6.1-terra")?.estimate().input(1_200).max_output(800);
/// crawler.reserve(&call)?.settle(Usage::tokens(1_150, 340));
///
/// let left = crawler.countdown(&call);
/// assert_eq!(left.calls, Some(16)); // of $0.00285, as the one so far; the estimate is $0.0055
/// assert_eq!(left.to_string(), "about 16 calls of the usual size, $0.0472");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Countdown {
    /// Calls of the usual size: the mean of what the account has booked directly, or before its
    /// first call, the estimate. The next call is admitted if its *estimate* fits.
    pub calls: Option<u64>,
    /// Tokens; of limits on input, output or all tokens, the least.
    pub tokens: Option<u64>,
    /// Money.
    pub money: Option<Usd>,
    /// When the limit that allows the fewest calls resets, if it does.
    pub resets_at: Option<Timestamp>,
}

impl Account {
    /// What is left to it for calls like `usual`.
    pub fn countdown(&self, usual: &Estimate) -> Countdown {
        self.countdown_inside(usual, Usd::ZERO)
    }

    /// What is left to it for calls like `usual`, made inside a hold that has so much left.
    pub(crate) fn countdown_inside(&self, usual: &Estimate, held: Usd) -> Countdown {
        self.core.read(|ledger, now| {
            let Some(view) = ledger.account(self.nearest(ledger)) else {
                return Countdown::default();
            };
            let size = Size::seen(
                view.direct
                    .iter()
                    .map(|(_, totals)| (totals.requests, totals.total_cost(), totals.usage)),
            );
            let size = size.or_else(|| usual.bound(now).ok().map(|bound| Size::bounded(&bound)));
            let mut left = Countdown::default();
            for limit in
                ledger.limits_of(self.nearest(ledger), now).filter(|view| binds(view, usual))
            {
                left.take_in(&limit, held, size.as_ref());
            }
            left
        })
    }
}

impl Countdown {
    fn take_in(&mut self, view: &LimitView<'_>, held: Usd, size: Option<&Size>) {
        let measure = view.limit.measure();
        let held = if measure == Measure::Cost { held.pico() } else { 0 };
        let available = view.available().max(0).saturating_add(held);
        match measure {
            Measure::Cost => lower(&mut self.money, Usd::from_pico(available)),
            Measure::Requests | Measure::InFlight | Measure::PerCall => {}
            _ => lower(&mut self.tokens, u64::try_from(available).unwrap_or(u64::MAX)),
        }
        let calls = size.and_then(|size| size.calls_in(available, measure));
        if let Some(calls) = calls.filter(|calls| self.calls.is_none_or(|least| *calls < least)) {
            self.calls = Some(calls);
            self.resets_at = view.resets_at;
        }
    }
}

impl fmt::Display for Countdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grouped = |count: u64| crate::ledger::grouped(i128::from(count));
        let calls = self.calls.map(|calls| {
            let s = if calls == 1 { "" } else { "s" };
            format!("about {} call{s} of the usual size", grouped(calls))
        });
        let tokens = self.tokens.map(|tokens| format!("{} tokens", grouped(tokens)));
        let money = self.money.map(|money| money.to_string());
        let parts: Vec<String> = [calls, tokens, money].into_iter().flatten().collect();
        if parts.is_empty() { f.write_str("no limit") } else { f.write_str(&parts.join(", ")) }?;
        match self.resets_at {
            Some(at) => write!(f, "; more at {at}"),
            None => Ok(()),
        }
    }
}

/// What a number of calls took together.
struct Size {
    calls: u64,
    together: Amounts,
}

impl Size {
    /// The size of calls so far; `None` if there were none.
    fn seen(totals: impl Iterator<Item = (u64, i128, Usage)>) -> Option<Size> {
        let none = (0_u64, 0_i128, Usage::NONE);
        let (calls, cost, usage) = totals.fold(none, |sum, (calls, cost, usage)| {
            let calls = sum.0.saturating_add(calls);
            (calls, sum.1.saturating_add(cost), sum.2.saturating_add(&usage))
        });
        let together = Amounts {
            cost,
            input: usage.input_tokens(),
            cache_read: usage.cache_read_tokens(),
            output: usage.output_tokens(),
            requests: u32::try_from(calls).unwrap_or(u32::MAX),
            in_flight: 0,
        };
        (calls > 0).then_some(Size { calls, together })
    }

    fn bounded(bound: &CostBound) -> Size {
        let atto = bound.per_output.saturating_mul(i128::from(bound.cap));
        let together = Amounts {
            cost: crate::money::div_up(atto.saturating_add(bound.fixed), 1_000_000),
            input: bound.input,
            cache_read: 0,
            output: bound.choices.saturating_mul(bound.cap),
            requests: 1,
            in_flight: 0,
        };
        Size { calls: 1, together }
    }

    /// How many calls of this size fit; `None` if they take nothing of it.
    fn calls_in(&self, available: i128, measure: Measure) -> Option<u64> {
        let taken = self.together.get(measure);
        let calls = available.saturating_mul(i128::from(self.calls));
        (taken > 0).then(|| u64::try_from(calls.div_euclid(taken)).unwrap_or(u64::MAX))
    }
}

/// True if the limit can refuse calls of the model of that estimate.
fn binds(view: &LimitView<'_>, usual: &Estimate) -> bool {
    let models = view.limit.only_models();
    let counts = models
        .is_none_or(|pattern| usual.model().is_some_and(|model| pattern.matches(model.name())));
    counts && !view.limit.is_observing()
}

fn lower<T: PartialOrd>(least: &mut Option<T>, value: T) {
    if least.as_ref().is_none_or(|least| value < *least) {
        *least = Some(value);
    }
}
