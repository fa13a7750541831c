//! [`Limit`]: one cap, the [`Period`] it counts over, and the models it is for.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::amounts::{Measure, Quantity};
use crate::calendar::{CalendarUnit, Zone};
use crate::money::Usd;
use crate::parse::ParseError;

/// The time over which a limit counts.
///
/// ```
/// use bursar::Period;
/// use std::time::Duration;
///
/// assert_eq!(Period::MONTH.to_string(), "month");
/// assert_eq!(Period::day_in("Europe/Berlin")?.to_string(), "day (Europe/Berlin)");
/// assert_eq!(Period::month_in("UTC")?, Period::MONTH);
/// assert_eq!(Period::rolling(Duration::from_secs(90)).to_string(), "rolling 90s");
/// # Ok::<(), bursar::parse::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From the beginning, without an end.
    Lifetime,
    /// A unit of the calendar in a time zone.
    Calendar(CalendarUnit, Zone),
    /// The time just past, one second at least. It is kept in 60 slots, and a charge leaves when
    /// its slot is wholly outside: late by at most a sixtieth, never early.
    Rolling(Duration),
}

impl Period {
    /// The calendar hour in UTC.
    pub const HOUR: Period = Period::Calendar(CalendarUnit::Hour, Zone::UTC);
    /// The calendar day in UTC.
    pub const DAY: Period = Period::Calendar(CalendarUnit::Day, Zone::UTC);
    /// The week from Monday, in UTC.
    pub const WEEK: Period = Period::Calendar(CalendarUnit::Week, Zone::UTC);
    /// The calendar month in UTC.
    pub const MONTH: Period = Period::Calendar(CalendarUnit::Month, Zone::UTC);
    /// The calendar quarter in UTC.
    pub const QUARTER: Period = Period::Calendar(CalendarUnit::Quarter, Zone::UTC);
    /// The calendar year in UTC.
    pub const YEAR: Period = Period::Calendar(CalendarUnit::Year, Zone::UTC);

    /// The calendar day in a time zone of the IANA database.
    ///
    /// # Errors
    /// [`ParseError`] if there is none of that name.
    pub fn day_in(zone: &str) -> Result<Period, ParseError> {
        Period::calendar(CalendarUnit::Day, zone)
    }

    /// The calendar month in a time zone of the IANA database.
    ///
    /// # Errors
    /// [`ParseError`] if there is none of that name.
    pub fn month_in(zone: &str) -> Result<Period, ParseError> {
        Period::calendar(CalendarUnit::Month, zone)
    }

    /// Any unit of the calendar in a time zone of the IANA database.
    ///
    /// # Errors
    /// [`ParseError`] if there is none of that name.
    pub fn calendar(unit: CalendarUnit, zone: &str) -> Result<Period, ParseError> {
        Ok(Period::Calendar(unit, Zone::named(zone)?))
    }

    /// The time just past, one second at least.
    pub const fn rolling(span: Duration) -> Period {
        Period::Rolling(span)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Period::Lifetime => "lifetime".to_owned(),
            Period::Calendar(unit, zone) if *zone == Zone::UTC => unit.as_str().to_owned(),
            Period::Calendar(unit, zone) => format!("{} ({zone})", unit.as_str()),
            Period::Rolling(span) if span.subsec_nanos() == 0 => {
                format!("rolling {}s", span.as_secs())
            }
            Period::Rolling(span) => format!("rolling {span:?}"),
        };
        f.pad(&text)
    }
}

/// A cap on one measure over one period.
///
/// ```
/// use bursar::{Limit, Period, Usd};
///
/// let daily = Limit::spend(Usd::dollars(20))
///     .per(Period::day_in("Europe/Berlin")?)
///     .alert_at([50, 80, 95])
///     .keep_for_wrap_up(Usd::cents(50));
/// assert_eq!(daily.to_string(), "$20.00 per day (Europe/Berlin)");
/// assert_eq!(daily.kept_for_wrap_up(), Some(Usd::cents(50).into()));
/// # Ok::<(), bursar::parse::ParseError>(())
/// ```
///
/// A limit is known by what it is for: the account or pattern, the measure, the period and the
/// models. Setting it again with another amount keeps what has been counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub(crate) measure: Measure,
    pub(crate) amount: Quantity,
    pub(crate) period: Period,
    pub(crate) only_model: Option<ModelPattern>,
    #[serde(deserialize_with = "in_order")]
    pub(crate) alert_at: Vec<u16>,
    pub(crate) observe: bool,
    pub(crate) wrap_up: Option<Quantity>,
    pub(crate) opening: Option<Quantity>,
}

/// What a limit is for: on one account or pattern, a second one of the same is that limit changed.
pub(crate) type Identity<'a> = (Measure, &'a Period, Option<&'a ModelPattern>);

impl Limit {
    /// A cap on money.
    pub fn spend(amount: Usd) -> Limit {
        Limit::new(Measure::Cost, amount.into())
    }

    /// A cap on what one call may hold. It counts nothing and has no period: the cap is the same for
    /// each call, whatever was spent before.
    ///
    /// A call that asks for more is refused or, with
    /// [`ReserveRequest::at_least`](crate::budget::ReserveRequest::at_least), made
    /// with a shorter output; it never waits, because no other call is in its way. A hold that grows
    /// is measured as a whole, and a call inside another by what it holds itself, wherever that comes
    /// from. A bill beyond the cap is
    /// booked in full and raises an [`Alert::Overrun`](crate::Alert::Overrun), once for each such
    /// call; later calls are not refused for it.
    ///
    /// ```
    /// use bursar::{BudgetManager, Estimate, Limit, Usd};
    ///
    /// let budget = BudgetManager::builder()
    ///     .limit("*", Limit::per_call(Usd::cents(50))) // each agent
    ///     .limit("", Limit::per_call(Usd::cents(5)).only_model("gpt-6-luna"))
    ///     .build()?;
    /// let refused = budget.reserve("crawler", &Estimate::fixed(Usd::cents(60))).unwrap_err();
    /// assert_eq!(
    ///     refused.to_string(),
    ///     "`crawler` asks for $0.60, but its limit is $0.50 per call; it can never pass unless the \
    ///      limit is raised",
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn per_call(amount: Usd) -> Limit {
        Limit::new(Measure::PerCall, amount.into())
    }

    /// A cap on all tokens, in and out.
    pub fn tokens(count: u64) -> Limit {
        Limit::new(Measure::Tokens, count.into())
    }

    /// A cap on input tokens, those read from a prompt cache included.
    pub fn input_tokens(count: u64) -> Limit {
        Limit::new(Measure::InputTokens, count.into())
    }

    /// A cap on input tokens, those read from a prompt cache not counted. A hold counts its whole
    /// input, because what the cache will have is not known beforehand.
    pub fn uncached_input_tokens(count: u64) -> Limit {
        Limit::new(Measure::UncachedInputTokens, count.into())
    }

    /// A cap on output tokens: visible, reasoning and audio.
    pub fn output_tokens(count: u64) -> Limit {
        Limit::new(Measure::OutputTokens, count.into())
    }

    /// A cap on calls. A call that makes calls of its own inside its hold counts for nothing, they
    /// count.
    pub fn requests(count: u64) -> Limit {
        Limit::new(Measure::Requests, count.into())
    }

    /// A cap on calls that are under way at once. It has no period and no alerts.
    pub fn in_flight(count: u32) -> Limit {
        Limit::new(Measure::InFlight, u64::from(count).into())
    }

    fn new(measure: Measure, amount: Quantity) -> Limit {
        Limit {
            measure,
            amount,
            period: Period::Lifetime,
            only_model: None,
            alert_at: Vec::new(),
            observe: false,
            wrap_up: None,
            opening: None,
        }
    }

    /// Counts over this period; the default is the lifetime. A limit on [calls in
    /// flight](Limit::in_flight) and one [for each call](Limit::per_call) have no period.
    #[must_use]
    pub fn per(mut self, period: Period) -> Limit {
        self.period = period;
        self
    }

    /// Counts only calls reserved for a model whose `provider/id`, or id, matches. `*` stands for
    /// any characters: `gpt-6*`, `anthropic/*`.
    #[must_use]
    pub fn only_model(mut self, pattern: impl AsRef<str>) -> Limit {
        self.only_model = Some(ModelPattern(pattern.as_ref().to_owned()));
        self
    }

    /// Raises an alert when *spent* reaches these percentages, once for each window. A charge
    /// counts in the window in which its call was reserved: one that comes after the end of that
    /// window still raises what is due there, if it is the window just before the present one. No
    /// window before that is kept; what comes later than that counts in the totals alone.
    #[must_use]
    pub fn alert_at(mut self, percents: impl IntoIterator<Item = u16>) -> Limit {
        self.alert_at = ordered(percents.into_iter().collect());
        self
    }

    /// Only watches: admits every call, and says once for each window that it would have refused; a
    /// limit [for each call](Limit::per_call) says so of each call.
    #[must_use]
    pub fn observe(mut self) -> Limit {
        self.observe = true;
        self
    }

    /// Keeps the last part of the amount for calls that wrap up: ordinary calls see the amount
    /// less this.
    #[must_use]
    pub fn keep_for_wrap_up(mut self, amount: impl Into<Quantity>) -> Limit {
        self.wrap_up = Some(amount.into());
        self
    }

    /// Starts from this amount as spent, when the limit is new. Without it, an unfiltered lifetime
    /// limit starts from what the account has spent, any other from zero.
    #[must_use]
    pub fn opening(mut self, amount: impl Into<Quantity>) -> Limit {
        self.opening = Some(amount.into());
        self
    }

    /// What is counted.
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// The cap.
    pub fn amount(&self) -> Quantity {
        self.amount
    }

    /// The time over which it counts.
    pub fn period(&self) -> &Period {
        &self.period
    }

    /// True if it counts calls of any model.
    pub(crate) fn binds_every_model(&self) -> bool {
        self.only_model.is_none() && !self.observe
    }

    /// The thresholds in percent, the lowest first.
    pub fn alerts(&self) -> &[u16] {
        &self.alert_at
    }

    /// The part that is kept for wrapping up.
    pub fn kept_for_wrap_up(&self) -> Option<Quantity> {
        self.wrap_up
    }

    /// The models that are counted; `None` for all.
    pub fn only_models(&self) -> Option<&ModelPattern> {
        self.only_model.as_ref()
    }

    /// True if it only watches.
    pub fn is_observing(&self) -> bool {
        self.observe
    }

    /// What it is for, whatever the amount.
    pub(crate) fn identity(&self) -> Identity<'_> {
        (self.measure, &self.period, self.only_model.as_ref())
    }

    /// Checks that the limit makes sense.
    pub(crate) fn check(&self) -> Result<(), LimitError> {
        use LimitProblem as P;
        let problem = |problem| Err(LimitError { limit: self.to_string(), problem });
        let most = Limit::MAX_AMOUNT;
        let money = self.measure.is_money();
        // The amounts.
        let parts = [Some(self.amount), self.wrap_up, self.opening];
        for part in parts.into_iter().flatten() {
            if matches!(part, Quantity::Money(_)) != money {
                return problem(P::WrongUnit);
            }
            if part.value() < 0 {
                return problem(P::Negative);
            }
            if part.value() > most {
                return problem(P::TooLarge);
            }
        }
        if self.wrap_up.is_some_and(|slice| slice.value() > self.amount.value()) {
            return problem(P::WrapUpTooLarge);
        }
        // The thresholds and the period.
        if self.alert_at.iter().any(|percent| *percent == 0 || *percent > 1_000) {
            return problem(P::Threshold);
        }
        if let Period::Rolling(span) = self.period {
            if span < Duration::from_secs(1) || span > Limit::LONGEST_ROLLING {
                return problem(P::Rolling);
            }
        }
        // What calls in flight and a cap for each call cannot have.
        let windowed = self.period != Period::Lifetime || self.opening.is_some();
        if self.measure == Measure::InFlight && (windowed || !self.alert_at.is_empty()) {
            return problem(P::InFlight);
        }
        let counts = windowed || !self.alert_at.is_empty() || self.wrap_up.is_some();
        if self.measure == Measure::PerCall && counts {
            return problem(P::PerCall);
        }
        if self.only_model.as_ref().is_some_and(|pattern| pattern.0.trim().is_empty()) {
            return problem(P::EmptyPattern);
        }
        Ok(())
    }

    /// About 1e18 dollars, or 1e30 tokens.
    const MAX_AMOUNT: i128 = 10_i128.pow(30);
    const LONGEST_ROLLING: Duration = Duration::from_secs(3_660 * 86_400);
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.measure {
            Measure::Cost => write!(f, "{}", self.amount)?,
            Measure::PerCall => write!(f, "{} per call", self.amount)?,
            measure => write!(f, "{} {measure}", self.amount)?,
        }
        match &self.period {
            Period::Lifetime if !self.measure.has_period() => {}
            Period::Lifetime => f.write_str(" in all")?,
            Period::Rolling(span) => write!(f, " in any {}", spelled(*span))?,
            period => write!(f, " per {period}")?,
        }
        match &self.only_model {
            Some(pattern) => write!(f, " on {pattern}"),
            None => Ok(()),
        }
    }
}

/// Thresholds, the lowest first, each once.
fn ordered(mut percents: Vec<u16>) -> Vec<u16> {
    percents.sort_unstable();
    percents.dedup();
    percents
}

fn in_order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    Vec::deserialize(deserializer).map(ordered)
}

/// A span in the largest unit that divides it: `90s`, `5min`, `2h`, `30d`.
pub(crate) fn spelled(span: Duration) -> String {
    let seconds = span.as_secs();
    if span.subsec_nanos() != 0 || seconds == 0 {
        return format!("{span:?}");
    }
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("min", 60)] {
        if seconds % length == 0 {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

/// A pattern for model names, where `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelPattern(String);

impl ModelPattern {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if the whole `provider/id` matches, or the id alone.
    pub fn matches(&self, name: &str) -> bool {
        let id = name.split_once('/').map_or(name, |(_, id)| id);
        glob(&self.0, name) || glob(&self.0, id)
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Matches the whole text; `*` stands for any characters, none included.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(head) else { return false };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return left.ends_with(piece);
        }
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    true
}

/// A limit that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit \"{limit}\" cannot be set: {problem}")]
pub struct LimitError {
    limit: String,
    problem: LimitProblem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum LimitProblem {
    #[error("a spend limit takes amounts in dollars, every other limit takes counts")]
    WrongUnit,
    #[error("an amount is negative; use 0 to admit nothing")]
    Negative,
    #[error("an amount is above 1e18 dollars or 1e30 tokens; leave the limit out instead")]
    TooLarge,
    #[error("keep_for_wrap_up is more than the limit itself")]
    WrapUpTooLarge,
    #[error("an alert_at is outside 1 to 1000 percent")]
    Threshold,
    #[error("a rolling period is between one second and ten years long")]
    Rolling,
    #[error("a limit on calls in flight has no period, no opening amount and no alerts")]
    InFlight,
    #[error(
        "a limit for each call has no period, no opening amount, no alerts and no part that is kept for wrapping up"
    )]
    PerCall,
    #[error("only_model is empty; leave it out to mean every model")]
    EmptyPattern,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_name_or_the_id() {
        for (pattern, name, expected) in [
            ("gpt-6*", "openai/gpt-6.1-terra", true),
            ("gpt-6*", "openai/gpt-5.6-sol", false),
            ("openai/*", "openai/gpt-5", true),
            ("*", "x/y", true),
            ("gpt-5", "openai/gpt-5", true),
            ("gpt-5", "openai/gpt-5-mini", false),
            ("*sonnet*5", "anthropic/claude-sonnet-4-5", true),
            ("*sonnet*5", "anthropic/claude-sonnet-4-6", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("llama*", "groq/meta/llama-3", false),
            ("meta/*", "groq/meta/llama-3", true),
        ] {
            assert_eq!(ModelPattern(pattern.into()).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn limits_that_make_no_sense_say_why() {
        let day = |limit: Limit| limit.per(Period::DAY);
        for (limit, word) in [
            (Limit::spend(Usd::cents(-1)), "negative"),
            (Limit::spend(Usd::MAX), "above"),
            (Limit::spend(Usd::dollars(1)).keep_for_wrap_up(Usd::dollars(2)), "more than"),
            (Limit::spend(Usd::dollars(1)).keep_for_wrap_up(1), "counts"),
            (Limit::tokens(5).opening(Usd::dollars(1)), "counts"),
            (Limit::tokens(5).alert_at([0]), "percent"),
            (Limit::tokens(5).alert_at([1_001]), "percent"),
            (Limit::tokens(5).per(Period::rolling(Duration::ZERO)), "one second"),
            (Limit::tokens(5).per(Period::rolling(Duration::MAX)), "ten years"),
            (day(Limit::in_flight(5)), "no period"),
            (Limit::in_flight(5).alert_at([50]), "no alerts"),
            (day(Limit::per_call(Usd::dollars(1))), "no period"),
            (Limit::per_call(Usd::dollars(1)).alert_at([50]), "no alerts"),
            (Limit::per_call(Usd::dollars(1)).opening(Usd::ZERO), "no opening"),
            (Limit::per_call(Usd::dollars(1)).keep_for_wrap_up(Usd::ZERO), "wrapping up"),
            (Limit::per_call(Usd::cents(-1)), "negative"),
            (Limit::tokens(5).only_model(" "), "empty"),
        ] {
            let error = limit.check().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(Limit::spend(Usd::ZERO).check().is_ok());
        assert!(Limit::tokens(u64::MAX).check().is_ok());
    }

    #[test]
    fn thresholds_are_in_order_wherever_they_come_from() {
        let limit = Limit::tokens(5).alert_at([95, 50, 95]);
        let json = serde_json::to_string(&limit).unwrap();
        let shuffled = json.replace("[50,95]", "[95,50,50]");
        assert_ne!(json, shuffled);
        assert_eq!(serde_json::from_str::<Limit>(&shuffled).unwrap(), limit);
    }

    #[test]
    fn a_limit_reads_as_words() {
        let minute = Period::rolling(Duration::from_secs(60));
        for (limit, text) in [
            (Limit::spend(Usd::dollars(100)), "$100.00 in all"),
            (Limit::tokens(200_000).per(minute), "200,000 tokens in any 1min"),
            (Limit::requests(5).per(Period::DAY).only_model("gpt*"), "5 requests per day on gpt*"),
            (Limit::in_flight(8), "8 calls in flight"),
            (Limit::per_call(Usd::cents(50)), "$0.50 per call"),
            (Limit::per_call(Usd::cents(50)).only_model("gpt*"), "$0.50 per call on gpt*"),
        ] {
            assert_eq!(limit.to_string(), text);
        }
    }
}
