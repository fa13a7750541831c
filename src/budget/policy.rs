//! [`Policy`]: limits as a person writes them down, in TOML or JSON.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::calendar::{CalendarUnit, Zone};
use crate::ledger::{Limit, Measure, Period, Quantity, Scope};
use crate::money::Usd;

/// A list of limits, as a file says them.
///
/// ```
/// use bursar::{BudgetManager, Policy};
///
/// let policy = Policy::from_toml(r#"
///     [[limit]]
///     account = "research/*"        # "" is the root, the whole tree
///     spend = "5.00"                # or tokens, input_tokens, output_tokens, requests, in_flight = N
///     per = "day"                   # lifetime, hour, day, week, month, quarter, year, "rolling 60s"
///     time_zone = "Europe/Berlin"   # UTC when absent
///     alert_at = [50, 80, 95]       # percent
///     only_model = "gpt-6*"
///
///     [[limit]]
///     account = "user:*"
///     per_call = "0.50"             # for each call: no period, no alert_at
/// "#)?;
/// let budget = BudgetManager::builder().policy(policy).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An entry may also have `uncached_input_tokens` for its measure, `observe = true` (only watch),
/// `keep_for_wrap_up` and `opening` (amounts in its measure). Unknown keys are errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    limits: Vec<(Scope, Limit)>,
}

impl Policy {
    /// Reads TOML.
    ///
    /// # Errors
    /// [`PolicyError`], which names the place and the remedy.
    pub fn from_toml(text: &str) -> Result<Policy, PolicyError> {
        toml::from_str(text).map_err(|error| PolicyError(error.to_string().trim_end().to_owned()))
    }

    /// Reads JSON: `{"limit": [{"account": "", "spend": "5.00", "per": "day"}]}`.
    ///
    /// # Errors
    /// [`PolicyError`], which names the place and the remedy.
    pub fn from_json(text: &str) -> Result<Policy, PolicyError> {
        serde_json::from_str(text).map_err(|error| PolicyError(error.to_string()))
    }

    /// Writes TOML, which reads back as the same policy. Amounts are in full; a rolling time is in
    /// whole seconds, rounded up.
    ///
    /// ```
    /// use bursar::Policy;
    ///
    /// let policy = Policy::from_toml("[[limit]]\naccount = ''\nspend = 90\nper = 'month'")?;
    /// assert_eq!(
    ///     policy.to_toml(),
    ///     "[[limit]]\naccount = \"\"\nspend = \"90.00\"\nper = \"month\"\n",
    /// );
    /// # Ok::<(), bursar::budget::PolicyError>(())
    /// ```
    pub fn to_toml(&self) -> String {
        let entries = self.limits.iter().map(|(scope, limit)| written(scope, limit));
        entries.collect::<Vec<_>>().join("\n")
    }

    /// The limits, with the accounts that each is for.
    pub fn limits(&self) -> impl Iterator<Item = (&Scope, &Limit)> {
        self.limits.iter().map(|(scope, limit)| (scope, limit))
    }

    pub(super) fn into_limits(self) -> impl Iterator<Item = (String, Limit)> {
        self.limits.into_iter().map(|(scope, limit)| (scope.as_str().to_owned(), limit))
    }
}

/// From limits that were made in code, such as those of a [`Plan`](crate::Plan).
impl FromIterator<(Scope, Limit)> for Policy {
    fn from_iter<T: IntoIterator<Item = (Scope, Limit)>>(limits: T) -> Policy {
        Policy { limits: limits.into_iter().collect() }
    }
}

/// One `[[limit]]`, as text.
fn written(scope: &Scope, limit: &Limit) -> String {
    let measure = limit.measure();
    let cap = match measure {
        Measure::Cost => "spend",
        Measure::PerCall => "per_call",
        Measure::Tokens => "tokens",
        Measure::InputTokens => "input_tokens",
        Measure::UncachedInputTokens => "uncached_input_tokens",
        Measure::OutputTokens => "output_tokens",
        Measure::Requests => "requests",
        Measure::InFlight => "in_flight",
    };
    // The account and the cap.
    let account = quoted(scope.as_str());
    let mut text = format!("[[limit]]\naccount = {account}\n{cap} = {}\n", figure(limit.amount()));
    let mut line = |key: &str, value: String| text.extend([key, " = ", &value, "\n"]);
    // The period.
    match limit.period() {
        Period::Lifetime => {}
        Period::Calendar(unit, zone) => {
            line("per", quoted(unit.as_str()));
            if *zone != Zone::UTC {
                line("time_zone", quoted(zone.name()));
            }
        }
        Period::Rolling(span) => {
            let seconds = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
            line("per", format!("\"rolling {seconds}s\""));
        }
    }
    // The options that are set.
    if !limit.alert_at.is_empty() {
        line("alert_at", format!("{:?}", limit.alert_at));
    }
    if let Some(pattern) = limit.only_models() {
        line("only_model", quoted(pattern.as_str()));
    }
    if limit.is_observing() {
        line("observe", "true".to_owned());
    }
    let amounts = [("keep_for_wrap_up", limit.wrap_up), ("opening", limit.opening)];
    for (key, amount) in amounts {
        amount.into_iter().for_each(|amount| line(key, figure(amount)));
    }
    text
}

/// Money in quotes and with cents at least, a count bare.
fn figure(quantity: Quantity) -> String {
    let exact = match quantity {
        Quantity::Count(count) => return count.to_string(),
        Quantity::Money(amount) => amount.exact().to_string(),
    };
    match exact.split_once('.') {
        None => format!("\"{exact}.00\""),
        Some((_, decimals)) if decimals.len() == 1 => format!("\"{exact}0\""),
        Some(_) => format!("\"{exact}\""),
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            _ if letter.is_control() => quoted += &format!("\\u{:04X}", u32::from(letter)),
            _ => quoted.push(letter),
        }
    }
    quoted + "\""
}

/// A policy file that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy cannot be read: {0}")]
pub struct PolicyError(String);

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Policy, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            limit: Vec<Entry>,
        }
        let entries = File::deserialize(deserializer)?.limit.into_iter().enumerate();
        let limits = entries.map(|(place, entry)| {
            let account = entry.account.clone();
            entry.read().map_err(|problem| {
                let number = place.saturating_add(1);
                de::Error::custom(format_args!("limit {number}, for `{account}`: {problem}"))
            })
        });
        let limits: Vec<(Scope, Limit)> = limits.collect::<Result<_, _>>()?;
        match first_double(&limits) {
            None => Ok(Policy { limits }),
            Some((first, second)) => Err(de::Error::custom(format_args!(
                "limits {first} and {second} are for the same account, measure, period and models; \
                 keep one"
            ))),
        }
    }
}

/// The numbers, from 1, of two limits that are for the same thing: the later would undo the earlier.
pub(super) fn first_double<S: Eq + Hash>(limits: &[(S, Limit)]) -> Option<(usize, usize)> {
    let mut seen = HashMap::with_capacity(limits.len());
    (1..).zip(limits).find_map(|(number, (scope, limit))| {
        let first = seen.insert((scope, limit.identity()), number)?;
        Some((first, number))
    })
}

/// One `[[limit]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    account: String,
    spend: Option<Usd>,
    per_call: Option<Usd>,
    tokens: Option<u64>,
    input_tokens: Option<u64>,
    uncached_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    requests: Option<u64>,
    in_flight: Option<u32>,
    per: Option<String>,
    time_zone: Option<String>,
    #[serde(default)]
    alert_at: Vec<u16>,
    only_model: Option<String>,
    #[serde(default)]
    observe: bool,
    keep_for_wrap_up: Option<Usd>,
    opening: Option<Usd>,
}

impl Entry {
    fn read(self) -> Result<(Scope, Limit), String> {
        let scope = Scope::new(&self.account).map_err(|error| error.to_string())?;
        let mut limit = self.cap()?.per(self.period()?).alert_at(self.alert_at);
        if let Some(pattern) = &self.only_model {
            limit = limit.only_model(pattern);
        }
        if self.observe {
            limit = limit.observe();
        }
        let measure = limit.measure();
        if let Some(amount) = self.keep_for_wrap_up {
            limit = limit.keep_for_wrap_up(quantity(measure, amount, "keep_for_wrap_up")?);
        }
        if let Some(amount) = self.opening {
            limit = limit.opening(quantity(measure, amount, "opening")?);
        }
        limit.check().map_err(|error| error.to_string())?;
        Ok((scope, limit))
    }

    /// The one cap that is set.
    fn cap(&self) -> Result<Limit, String> {
        let caps = [
            self.spend.map(Limit::spend),
            self.per_call.map(Limit::per_call),
            self.tokens.map(Limit::tokens),
            self.input_tokens.map(Limit::input_tokens),
            self.uncached_input_tokens.map(Limit::uncached_input_tokens),
            self.output_tokens.map(Limit::output_tokens),
            self.requests.map(Limit::requests),
            self.in_flight.map(Limit::in_flight),
        ];
        let mut caps = caps.into_iter().flatten();
        match (caps.next(), caps.next()) {
            (Some(limit), None) => Ok(limit),
            _ => Err("give one of spend, per_call, tokens, input_tokens, uncached_input_tokens, \
                      output_tokens, requests and in_flight, and one only"
                .to_owned()),
        }
    }

    fn period(&self) -> Result<Period, String> {
        let per = self.per.as_deref().unwrap_or("lifetime");
        let unit = match per {
            "hour" => CalendarUnit::Hour,
            "day" => CalendarUnit::Day,
            "week" => CalendarUnit::Week,
            "month" => CalendarUnit::Month,
            "quarter" => CalendarUnit::Quarter,
            "year" => CalendarUnit::Year,
            _ if self.time_zone.is_some() => {
                return Err(format!(
                    "time_zone has no meaning for `per = \"{per}\"`; leave it out"
                ));
            }
            "lifetime" => return Ok(Period::Lifetime),
            _ => {
                let span = per.strip_prefix("rolling ").and_then(span);
                return span.map(Period::rolling).ok_or_else(|| {
                    format!(
                        "per is `{per}`; write lifetime, hour, day, week, month, quarter, year, or \
                         a rolling time such as \"rolling 60s\", \"rolling 5min\", \"rolling 24h\", \
                         \"rolling 30d\""
                    )
                });
            }
        };
        let zone = self.time_zone.as_deref().unwrap_or("UTC");
        Period::calendar(unit, zone).map_err(|error| format!("time_zone: {error}"))
    }
}

/// `60s`, `5min`, `24h`, `30d`.
fn span(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let seconds = match unit.trim_start() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

/// A figure of an entry in the entry's measure: a number of tokens is read like whole dollars.
fn quantity(measure: Measure, figure: Usd, field: &str) -> Result<Quantity, String> {
    if measure.is_money() {
        return Ok(figure.into());
    }
    let whole = figure.exact().to_string().parse::<u64>();
    whole.map(Quantity::from).map_err(|_| format!("{field} is not a whole number of {measure}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entry: &str) -> Result<String, String> {
        let policy = Policy::from_toml(&format!("[[limit]]\n{entry}"));
        let policy = policy.map_err(|error| error.to_string())?;
        let limits = policy.limits().map(|(scope, limit)| format!("{scope}: {limit}"));
        Ok(limits.collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn an_entry_is_a_limit() {
        for (entry, limit) in [
            ("account = \"\"\nspend = \"5.00\"", ": $5.00 in all"),
            ("account = \"a\"\nspend = 5", "a: $5.00 in all"),
            ("account = \"a\"\nspend = 0.0125\nper = \"day\"", "a: $0.0125 per day"),
            (
                "account = \"a/*\"\ntokens = 9000\nper = \"month\"\ntime_zone = \"Asia/Tokyo\"",
                "a/*: 9,000 tokens per month (Asia/Tokyo)",
            ),
            ("account = \"a\"\nrequests = 3\nper = \"rolling 60s\"", "a: 3 requests in any 1min"),
            ("account = \"a\"\nrequests = 3\nper = \"rolling 5min\"", "a: 3 requests in any 5min"),
            ("account = \"user:*\"\nin_flight = 4", "user:*: 4 calls in flight"),
            ("account = \"user:*\"\nper_call = 0.5", "user:*: $0.50 per call"),
            (
                "account = \"a\"\noutput_tokens = 4\nonly_model = \"gpt*\"\nkeep_for_wrap_up = 2",
                "a: 4 output tokens in all on gpt*",
            ),
        ] {
            assert_eq!(read(entry).as_deref(), Ok(limit), "{entry}");
        }
    }

    #[test]
    fn a_bad_entry_names_the_field_and_the_remedy() {
        for (entry, words) in [
            ("account = \"a\"", "give one of spend"),
            ("account = \"a\"\nspend = 1\ntokens = 5", "one only"),
            ("spend = 1", "missing field `account`"),
            ("account = \"a\"\nspend = -1", "negative"),
            ("account = \"a\"\nspend = \"1e40\"", "too large"),
            ("account = \"a\"\nspend = 1\nspent = 2", "unknown field `spent`"),
            ("account = \"a//b\"\nspend = 1", "empty segment"),
            ("account = \"a\"\ntokens = -1", "invalid value"),
            ("account = \"a\"\nspend = 1\nper = \"fortnight\"", "write lifetime, hour"),
            ("account = \"a\"\nspend = 1\nper = \"rolling 0s\"", "one second"),
            ("account = \"a\"\nspend = 1\nper = \"rolling\"", "rolling 60s"),
            ("account = \"a\"\nspend = 1\nper = \"rolling 99999999999999999999d\"", "rolling 60s"),
            (
                "account = \"a\"\nspend = 1\nper = \"day\"\ntime_zone = \"Mars\"",
                "is not a time zone",
            ),
            ("account = \"a\"\nspend = 1\ntime_zone = \"UTC\"", "no meaning"),
            ("account = \"a\"\nspend = 1\nalert_at = [0]", "percent"),
            ("account = \"a\"\nin_flight = 1\nper = \"day\"", "no period"),
            ("account = \"a\"\nper_call = 1\nper = \"day\"", "no period"),
            ("account = \"a\"\nper_call = 1\nspend = 1", "one only"),
            ("account = \"a\"\nspend = 1\nkeep_for_wrap_up = 2", "keep_for_wrap_up"),
            ("account = \"a\"\ntokens = 10\nkeep_for_wrap_up = 0.5", "whole number of tokens"),
        ] {
            let error = read(entry).unwrap_err();
            assert!(error.contains(words), "{entry:?}: {error}");
        }
        for (file, words) in [
            ("", "missing field `limit`"),
            (
                "[[limit]]\naccount = 'a'\nspend = 5\nper = 'day'\n[[limit]]\naccount = 'a'\nspend = 9\nper = 'day'",
                "limits 1 and 2 are for the same",
            ),
        ] {
            let error = Policy::from_toml(file).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let error = Policy::from_toml("limits = []").unwrap_err().to_string();
        assert!(error.contains("unknown field `limits`"), "{error}");
    }

    /// Each limit was held against all before it: 20,000 took more than a second.
    #[test]
    fn a_double_is_found_without_comparing_each_with_each() {
        use std::cell::Cell;
        use std::hash::Hasher;

        thread_local! { static COMPARED: Cell<usize> = const { Cell::new(0) }; }

        #[derive(Eq)]
        struct Counted(usize);
        impl PartialEq for Counted {
            fn eq(&self, other: &Counted) -> bool {
                COMPARED.with(|compared| compared.set(compared.get() + 1));
                self.0 == other.0
            }
        }
        impl Hash for Counted {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        let limit = || Limit::spend(Usd::dollars(1)).per(Period::DAY);
        let mut limits: Vec<_> = (0..20_000).map(|place| (Counted(place), limit())).collect();
        assert_eq!(first_double(&limits), None);
        limits.push((Counted(4), limit().only_model("x")));
        limits.push((Counted(4), Limit::spend(Usd::ZERO).per(Period::DAY)));
        assert_eq!(first_double(&limits), Some((5, 20_002)));
        assert!(COMPARED.get() < 40_000, "{} comparisons", COMPARED.get());
    }

    #[test]
    fn what_is_written_reads_back() {
        let rolling = Period::rolling(Duration::from_secs(90));
        let berlin = Period::day_in("Europe/Berlin").unwrap();
        let limits = [
            ("", Limit::spend(Usd::from_pico(1)).per(Period::YEAR).alert_at([50, 120])),
            ("a/*", Limit::spend(Usd::cents(150)).per(berlin).keep_for_wrap_up(Usd::cents(5))),
            ("user:*", Limit::tokens(9_000).per(rolling).only_model("gpt-6*").opening(7)),
            ("a\\\"b", Limit::input_tokens(1).per(Period::HOUR).observe()),
            ("ü", Limit::output_tokens(2).per(Period::WEEK).keep_for_wrap_up(1)),
            ("q", Limit::uncached_input_tokens(3).per(Period::QUARTER)),
            ("r", Limit::requests(4).per(Period::MONTH).only_model("\"\t\u{7f}")),
            ("f", Limit::in_flight(5)),
            ("p", Limit::per_call(Usd::cents(7)).only_model("gpt*").observe()),
        ];
        let read = |(to, limit): (&str, Limit)| (Scope::new(to).unwrap(), limit);
        let policy: Policy = limits.into_iter().map(read).collect();
        let text = policy.to_toml();
        assert_eq!(Policy::from_toml(&text).map_err(|e| format!("{e}{text}")), Ok(policy));
    }

    #[test]
    fn json_and_toml_say_the_same() {
        let json = r#"{"limit":[{"account":"a","spend":"0.10","per":"hour","alert_at":[50]}]}"#;
        let toml = "[[limit]]\naccount = 'a'\nspend = '0.10'\nper = 'hour'\nalert_at = [50]";
        assert_eq!(Policy::from_json(json).unwrap(), Policy::from_toml(toml).unwrap());
    }
}
