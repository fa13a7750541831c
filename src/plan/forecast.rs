//! Owns [`Forecast`]: when a limit is used up and what a period will have cost, from real spend.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::money::Usd;

use super::factor::part_of;

/// Where spending leads, from how fast money went over a short time and over a long one.
///
/// The short time sees what has just changed, the long one is not misled by a quiet hour; when a
/// limit will be used up is reckoned at the **faster** of the two, and what a period will have cost
/// is a range from the slower to the faster.
///
/// ```
/// use bursar::Usd;
/// use bursar::plan::{BurnRate, Forecast};
/// use std::time::Duration;
///
/// let hours = |hours: u64| Duration::from_secs(hours * 3_600);
/// let forecast = Forecast::new(
///     "2026-11-24T12:00:00Z".parse()?,
///     BurnRate::new(Usd::dollars(4), hours(1)),   // the last hour
///     BurnRate::new(Usd::dollars(24), hours(12)), // since midnight
/// )
/// .limit(Usd::dollars(60), Usd::dollars(24))
/// .until("2026-11-25T00:00:00Z".parse()?);
///
/// assert_eq!(forecast.used_up_at(), Some("2026-11-24T21:00:00Z".parse()?));
/// assert_eq!(forecast.at_end(), Some(Usd::dollars(48)..=Usd::dollars(72)));
/// # Ok::<(), bursar::parse::ParseError>(())
/// ```
///
/// A [`LimitReport`](crate::budget::LimitReport) makes one of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    at: Timestamp,
    short: BurnRate,
    long: BurnRate,
    limit: Option<Usd>,
    spent: Usd,
    until: Option<Timestamp>,
}

impl Forecast {
    /// A forecast made at a moment, from the money that went over two stretches of time before it.
    pub fn new(at: Timestamp, short: BurnRate, long: BurnRate) -> Forecast {
        Forecast { at, short, long, limit: None, spent: Usd::ZERO, until: None }
    }

    /// A forecast from samples of what was spent in all, oldest first, made at the moment of the
    /// last one; `None` without a sample.
    ///
    /// Each stretch begins at the last sample that lies at least that far back, or at the first of
    /// all, so that no spending is left out of it.
    pub fn from_samples(
        samples: &[(Timestamp, Usd)],
        short: Duration,
        long: Duration,
    ) -> Option<Forecast> {
        let (at, spent) = *samples.last()?;
        let rate = |span| {
            let far = samples.iter().rev().find(|(time, _)| at.since(*time) >= span);
            let (start, before) = far.or(samples.first()).copied().unwrap_or((at, spent));
            let more = spent.checked_sub(before).unwrap_or(Usd::ZERO);
            BurnRate::new(more, at.since(start))
        };
        Some(Forecast { spent, ..Forecast::new(at, rate(short), rate(long)) })
    }

    /// Says how much may be spent, and how much of that is gone.
    #[must_use]
    pub fn limit(self, limit: Usd, spent: Usd) -> Forecast {
        Forecast { limit: Some(limit), spent, ..self }
    }

    /// Says when the period ends, and the limit starts anew.
    #[must_use]
    pub fn until(self, end: Timestamp) -> Forecast {
        Forecast { until: Some(end), ..self }
    }

    /// How fast money went over the short time.
    pub fn short(&self) -> BurnRate {
        self.short
    }

    /// How fast money went over the long time.
    pub fn long(&self) -> BurnRate {
        self.long
    }

    /// When the limit is used up at the faster rate; `None` if it lasts until the end of its
    /// period, or if nothing is known of a limit.
    pub fn used_up_at(&self) -> Option<Timestamp> {
        let left = self.limit?.checked_sub(self.spent).unwrap_or(Usd::ZERO);
        let times = [self.short, self.long].into_iter().filter_map(|rate| rate.time_for(left));
        let moment = self.at.plus(times.min()?);
        (moment != Timestamp::MAX && self.until.is_none_or(|end| moment < end)).then_some(moment)
    }

    /// What will have been spent at the end of the period, from the slower rate to the faster;
    /// `None` if it has no end.
    pub fn at_end(&self) -> Option<RangeInclusive<Usd>> {
        let rest = self.until?.since(self.at);
        let more = [self.short, self.long].map(|rate| rate.over(rest));
        let sum = |more| self.spent.checked_add(more).unwrap_or(Usd::MAX);
        Some(sum(more[0].min(more[1]))..=sum(more[0].max(more[1])))
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} a day lately, {} over a longer time",
            self.short.per_day(),
            self.long.per_day()
        )?;
        match (self.limit, self.used_up_at()) {
            (Some(limit), Some(moment)) if moment <= self.at => write!(f, "; {limit} is used up")?,
            (Some(limit), Some(moment)) => write!(f, "; {limit} is used up at {moment}")?,
            (Some(limit), None) => write!(f, "; {limit} is enough")?,
            (None, _) => {}
        }
        match (self.at_end(), self.until) {
            (Some(range), Some(end)) => {
                write!(f, "; {} to {} will be spent by {end}", range.start(), range.end())
            }
            _ => Ok(()),
        }
    }
}

/// So much money in so much time.
///
/// ```
/// use std::time::Duration;
///
/// use bursar::Usd;
/// use bursar::plan::BurnRate;
///
/// let rate = BurnRate::new(Usd::dollars(3), Duration::from_secs(3_600));
/// assert_eq!(rate.per_day(), Usd::dollars(72));
/// assert_eq!(rate.time_for(Usd::dollars(1)), Some(Duration::from_secs(1_200)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurnRate {
    spent: Usd,
    over: Duration,
}

impl BurnRate {
    /// What was spent over a stretch of time. Less than nothing counts as nothing, and so does
    /// whatever was spent in no time.
    pub fn new(spent: Usd, over: Duration) -> BurnRate {
        BurnRate { spent: spent.max(Usd::ZERO), over }
    }

    /// What is spent in a day at this rate.
    pub fn per_day(&self) -> Usd {
        self.over(Duration::from_secs(86_400))
    }

    /// What is spent over a time at this rate, rounded down to a picodollar.
    pub fn over(&self, time: Duration) -> Usd {
        let spent = self.spent.pico().unsigned_abs();
        let pico = part_of(spent, time.as_micros(), self.over.as_micros());
        Usd::from_pico(i128::try_from(pico).unwrap_or(i128::MAX))
    }

    /// How long it takes to spend an amount at this rate, rounded down to a microsecond; `None` if
    /// it takes for ever.
    pub fn time_for(&self, amount: Usd) -> Option<Duration> {
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
