//! The words of a line of a table, and the limits, bounds and amounts that they spell.

use std::time::Duration;

use bursar::Usd;
use bursar::calendar::{CalendarUnit, Zone};
use bursar::ledger::{Amounts, CostBound, Limit, Period, Quantity};
use bursar::usage::Usage;

/// The words of a line after its verb.
pub(crate) struct Words<'a>(pub(crate) Vec<&'a str>);

impl<'a> Words<'a> {
    pub(crate) fn at(&self, place: usize) -> &'a str {
        match self.0[place] {
            "/" => "",
            word => word,
        }
    }

    /// The word at a place, if it is an amount.
    pub(crate) fn positional(&self, place: usize) -> Option<&'a str> {
        let word = self.0.get(place)?;
        let amount = word.starts_with(|c: char| c.is_ascii_digit()) || word.starts_with("max");
        amount.then_some(*word)
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    pub(crate) fn values<'b>(&'b self, key: &'b str) -> impl Iterator<Item = &'a str> + 'b {
        let value = move |word: &&'a str| word.strip_prefix(key)?.strip_prefix('=');
        self.0.iter().filter_map(value)
    }

    pub(crate) fn value(&self, key: &str) -> Option<&'a str> {
        self.values(key).next()
    }

    pub(crate) fn count(&self, key: &str) -> u64 {
        self.value(key).map_or(0, number)
    }

    pub(crate) fn bound(&self, place: usize) -> CostBound {
        let atto = |dollars: &str| money(dollars).saturating_mul(1_000_000);
        let (floor, cap) = match self.value("out") {
            None => (0, 0),
            Some(range) => {
                let (floor, cap) = range.split_once("..").unwrap_or((range, range));
                (number(floor), number(cap))
            }
        };
        CostBound {
            fixed: atto(self.positional(place).unwrap_or("0")),
            per_output: self.value("per").map_or(0, atto),
            input: self.count("in"),
            choices: self.value("n").map_or(1, number),
            floor,
            cap,
        }
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        let (input, read, output) = (self.value("in"), self.value("read"), self.value("out"));
        input.or(read).or(output)?;
        let mut usage = Usage::tokens(self.count("in") - self.count("read"), self.count("out"));
        usage.cache_read = self.count("read");
        usage.web_search_requests = self.count("search");
        Some(usage)
    }

    /// The limit of a `limit` line.
    pub(crate) fn limit(&self) -> Limit {
        let measure = self.at(1);
        let amount = |text: &str| -> Quantity {
            match measure {
                "spend" => Quantity::Money(Usd::from_pico(money(text))),
                _ => Quantity::Count(number(text).into()),
            }
        };
        let mut limit = new_limit(measure, self.at(2)).per(self.period());
        if let Some(pattern) = self.value("only") {
            limit = limit.only_model(pattern);
        }
        if let Some(percents) = self.value("alert") {
            limit = limit.alert_at(percents.split(',').map(|percent| percent.parse().unwrap()));
        }
        if let Some(slice) = self.value("slice") {
            limit = limit.keep_for_wrap_up(amount(slice));
        }
        if let Some(opening) = self.value("opening") {
            limit = limit.opening(amount(opening));
        }
        if self.has("observe") { limit.observe() } else { limit }
    }

    /// The limit that a `see` or `lift` line means, whatever its amount.
    pub(crate) fn limit_on(&self) -> Limit {
        let limit = new_limit(self.at(1), "0").per(self.period());
        match self.value("only") {
            Some(pattern) => limit.only_model(pattern),
            None => limit,
        }
    }

    fn period(&self) -> Period {
        if let Some(seconds) = self.value("rolling") {
            return Period::rolling(Duration::from_secs(number(seconds)));
        }
        for word in &self.0 {
            let (unit, zone) = word.split_once('@').unwrap_or((word, "UTC"));
            let unit = match unit {
                "hour" => CalendarUnit::Hour,
                "day" => CalendarUnit::Day,
                "week" => CalendarUnit::Week,
                "month" => CalendarUnit::Month,
                "quarter" => CalendarUnit::Quarter,
                "year" => CalendarUnit::Year,
                _ => continue,
            };
            return Period::Calendar(unit, Zone::named(zone).unwrap());
        }
        Period::Lifetime
    }
}

fn new_limit(measure: &str, amount: &str) -> Limit {
    match measure {
        "spend" => Limit::spend(Usd::from_pico(money(amount))),
        "tokens" => Limit::tokens(number(amount)),
        "input" => Limit::input_tokens(number(amount)),
        "uncached" => Limit::uncached_input_tokens(number(amount)),
        "output" => Limit::output_tokens(number(amount)),
        "requests" => Limit::requests(number(amount)),
        "flight" => Limit::in_flight(number(amount).try_into().unwrap()),
        other => panic!("there is no measure `{other}`"),
    }
}

/// Dollars as picodollars; `max` and `max+1` are the end of one charge.
pub(crate) fn money(text: &str) -> i128 {
    match text {
        "max" => Amounts::MAX_COST,
        "max+1" => Amounts::MAX_COST + 1,
        text => text.replace('_', "").parse::<Usd>().unwrap().pico(),
    }
}

pub(crate) fn number(text: &str) -> u64 {
    match text {
        "max" => Amounts::MAX_TOKENS,
        "max+1" => Amounts::MAX_TOKENS + 1,
        "u64" => u64::MAX,
        text => text.replace('_', "").parse().unwrap(),
    }
}
