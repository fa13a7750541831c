//! [`Forecast`]: when a limit is used up and what a period will have cost, from real spend.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::money::Usd;

/// Where spending leads, from how fast money went over a short time and over a long one.
///
/// The short time sees what has just changed, the long one is not misled by a quiet hour; when a
/// limit will be used up is reckoned at the **faster** of the two, and what a period will have cost
/// is a range from the slower to the faster.
///
/// ```
/// use bursar::clock::ManualClock;
/// use bursar::{BudgetManager, Estimate, Limit, Period, Usd};
/// use std::time::Duration;
///
/// let clock = ManualClock::at("2026-11-24T00:00:00Z".parse()?);
/// let daily = Limit::spend(Usd::dollars(60)).per(Period::DAY);
/// let budget = BudgetManager::builder().clock(clock.clone()).limit("", daily).build()?;
/// budget.reserve("crawler", &Estimate::fixed(Usd::dollars(24)))?.settle_cost(Usd::dollars(24));
/// clock.advance(Duration::from_secs(6 * 3_600));
///
/// let report = budget.report();
/// let forecast = report.limits[0].forecast(report.at).expect("a limit on money in a day");
/// assert_eq!(forecast.lately_per_day(), Usd::dollars(96));
/// assert_eq!(forecast.used_up_at(), Some("2026-11-24T15:00:00Z".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Made by [`LimitReport::forecast`](crate::budget::LimitReport::forecast).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    at: Timestamp,
    short: BurnRate,
    long: BurnRate,
    limit: Usd,
    spent: Usd,
    until: Timestamp,
}

impl Forecast {
    /// A forecast made at a moment, from the money that went over two stretches of time before it,
    /// for a limit and what is spent of it in a period that ends at `until`.
    pub(super) fn new(
        at: Timestamp,
        [short, long]: [BurnRate; 2],
        limit: Usd,
        spent: Usd,
        until: Timestamp,
    ) -> Forecast {
        Forecast { at, short, long, limit, spent, until }
    }

    /// What a day costs at the rate of the short time.
    pub fn lately_per_day(&self) -> Usd {
        self.short.over(DAY)
    }

    /// What a day costs at the rate of the long time.
    pub fn longer_per_day(&self) -> Usd {
        self.long.over(DAY)
    }

    /// When the limit is used up at the faster rate; `None` if it lasts until the end of its
    /// period.
    pub fn used_up_at(&self) -> Option<Timestamp> {
        let left = self.limit.checked_sub(self.spent).unwrap_or(Usd::ZERO);
        let times = [self.short, self.long].into_iter().filter_map(|rate| rate.time_for(left));
        let moment = self.at.plus(times.min()?);
        (moment != Timestamp::MAX && moment < self.until).then_some(moment)
    }

    /// What will have been spent at the end of the period, from the slower rate to the faster.
    pub fn at_end(&self) -> RangeInclusive<Usd> {
        let rest = self.until.since(self.at);
        let more = [self.short, self.long].map(|rate| rate.over(rest));
        let sum = |more| self.spent.checked_add(more).unwrap_or(Usd::MAX);
        sum(more[0].min(more[1]))..=sum(more[0].max(more[1]))
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lately, longer) = (self.lately_per_day(), self.longer_per_day());
        write!(f, "{lately} a day lately, {longer} over a longer time; {} is ", self.limit)?;
        match self.used_up_at() {
            Some(moment) if moment <= self.at => write!(f, "used up")?,
            Some(moment) => write!(f, "used up at {moment}")?,
            None => write!(f, "enough")?,
        }
        let range = self.at_end();
        write!(f, "; {} to {} will be spent by {}", range.start(), range.end(), self.until)
    }
}

const DAY: Duration = Duration::from_secs(86_400);

/// An amount of money spent over a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BurnRate {
    spent: Usd,
    over: Duration,
}

impl BurnRate {
    /// What was spent over a stretch of time. Less than nothing counts as nothing, and so does
    /// what was spent in no time.
    pub(super) fn new(spent: Usd, over: Duration) -> BurnRate {
        BurnRate { spent: spent.max(Usd::ZERO), over }
    }

    /// What is spent over a time at this rate, rounded down to a picodollar.
    fn over(&self, time: Duration) -> Usd {
        let spent = self.spent.pico().unsigned_abs();
        let pico = part_of(spent, time.as_micros(), self.over.as_micros());
        Usd::from_pico(i128::try_from(pico).unwrap_or(i128::MAX))
    }

    /// How long it takes to spend an amount at this rate, rounded down to a microsecond; `None` if
    /// it takes for ever.
    fn time_for(&self, amount: Usd) -> Option<Duration> {
        let amount = u128::try_from(amount.pico()).unwrap_or(0);
        let spent = self.spent.pico().unsigned_abs();
        if amount == 0 {
            return Some(Duration::ZERO);
        }
        if spent == 0 || self.over.is_zero() {
            return None;
        }
        let micros = part_of(amount, self.over.as_micros(), spent);
        Some(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }
}

/// `amount × times ÷ parts`, rounded down; at most `u128::MAX`, and zero for no parts.
fn part_of(amount: u128, times: u128, parts: u128) -> u128 {
    match amount.checked_mul(times) {
        Some(product) => product.checked_div(parts).unwrap_or(0),
        None => amount.checked_div(parts).unwrap_or(0).saturating_mul(times),
    }
}
