//! What is counted: [`Measure`], [`Quantity`] of a measure, and [`Amounts`] of one call.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::compact::is_nothing;
use crate::money::Usd;
use crate::parse::{ParseError, named};
use crate::price::bound::CostBound;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Measure {
    /// Money.
    Cost,
    /// Money of one call. Has no period: nothing is counted from one call to the next.
    PerCall,
    /// All tokens, in and out.
    Tokens,
    /// All input tokens, those read from a prompt cache included.
    InputTokens,
    /// Input tokens without those read from a prompt cache.
    UncachedInputTokens,
    /// All output tokens: visible, reasoning, audio.
    OutputTokens,
    /// Leaf calls: a call that makes calls of its own inside its hold is not counted.
    Requests,
    /// Calls that are under way now. Has no period.
    InFlight,
}

impl Measure {
    /// Every one, in order.
    const ALL: [Measure; 8] = [
        Measure::Cost,
        Measure::PerCall,
        Measure::Tokens,
        Measure::InputTokens,
        Measure::UncachedInputTokens,
        Measure::OutputTokens,
        Measure::Requests,
        Measure::InFlight,
    ];

    /// The measure as words: `spend`, `spend per call`, `tokens`, `input tokens`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Measure::Cost => "spend",
            Measure::PerCall => "spend per call",
            Measure::Tokens => "tokens",
            Measure::InputTokens => "input tokens",
            Measure::UncachedInputTokens => "uncached input tokens",
            Measure::OutputTokens => "output tokens",
            Measure::Requests => "requests",
            Measure::InFlight => "calls in flight",
        }
    }

    /// `value` of this measure, with its unit.
    pub(crate) fn quantity(self, value: i128) -> Quantity {
        if self.is_money() {
            Quantity::Money(Usd::from_pico(value))
        } else {
            Quantity::Count(value)
        }
    }

    /// False of what is not counted over a time.
    pub(crate) const fn has_period(self) -> bool {
        !matches!(self, Measure::InFlight | Measure::PerCall)
    }

    /// True if its amounts are dollars.
    pub(crate) const fn is_money(self) -> bool {
        matches!(self, Measure::Cost | Measure::PerCall)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// By its name, as [`as_str`](Measure::as_str) and serde have it.
impl FromStr for Measure {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Measure, ParseError> {
        match text {
            "cost" => Ok(Measure::Cost),
            "per_call" => Ok(Measure::PerCall),
            "in_flight" => Ok(Measure::InFlight),
            text => named(text, "a measure", &Measure::ALL, Measure::as_str),
        }
    }
}

/// An amount of a [`Measure`]: money, or a number of tokens, requests or calls.
///
/// Two of one kind have an order; money and a number have none.
///
/// ```
/// use bursar::{Quantity, Usd};
///
/// let (asked, available) = (Quantity::from(Usd::cents(150)), Quantity::from(Usd::cents(15)));
/// assert_eq!(asked.to_string(), "$1.50");
/// assert!(asked > available);
/// assert_eq!(asked.partial_cmp(&Quantity::from(200_000)), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// An amount of money.
    Money(Usd),
    /// A number of tokens, requests or calls.
    Count(i128),
}

impl Quantity {
    /// The bare number: picodollars, or a count.
    pub(crate) fn value(self) -> i128 {
        match self {
            Quantity::Money(usd) => usd.pico(),
            Quantity::Count(count) => count,
        }
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        match (self, other) {
            (Quantity::Money(own), Quantity::Money(other)) => Some(own.cmp(other)),
            (Quantity::Count(own), Quantity::Count(other)) => Some(own.cmp(other)),
            _ => None,
        }
    }
}

impl From<Usd> for Quantity {
    fn from(usd: Usd) -> Quantity {
        Quantity::Money(usd)
    }
}

impl From<u64> for Quantity {
    fn from(count: u64) -> Quantity {
        Quantity::Count(i128::from(count))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quantity::Money(usd) => fmt::Display::fmt(usd, f),
            Quantity::Count(count) => f.pad(&grouped(*count)),
        }
    }
}

/// A whole number with its thousands apart: `1,234,567`.
pub(crate) fn grouped(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What one call asks for, holds or has used, in every measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Amounts {
    /// Money, in picodollars.
    #[serde(skip_serializing_if = "is_nothing")]
    pub cost: i128,
    /// Input tokens, cache reads included.
    #[serde(skip_serializing_if = "is_nothing")]
    pub input: u64,
    /// The part of `input` that came from a prompt cache.
    #[serde(skip_serializing_if = "is_nothing")]
    pub cache_read: u64,
    /// Output tokens.
    #[serde(skip_serializing_if = "is_nothing")]
    pub output: u64,
    /// Leaf calls.
    #[serde(skip_serializing_if = "is_nothing")]
    pub requests: u32,
    /// Calls in flight.
    #[serde(skip_serializing_if = "is_nothing")]
    pub in_flight: u32,
}

impl Amounts {
    /// The largest cost of one charge: 1e23 picodollars, a hundred billion dollars.
    ///
    /// With at most [`Ledger::MAX_EVENTS`](super::Ledger::MAX_EVENTS) events, no sum of charges
    /// can reach the end of an `i128`: that is why the ledger can add without checking.
    pub const MAX_COST: i128 = CostBound::MAX_COST;
    /// The largest number of tokens of one charge.
    pub const MAX_TOKENS: u64 = crate::usage::Usage::MAX_COUNT;

    /// Nothing.
    pub const NONE: Amounts =
        Amounts { cost: 0, input: 0, cache_read: 0, output: 0, requests: 0, in_flight: 0 };

    /// The amount in one measure, as it is counted; 0 for [`Measure::PerCall`], of which nothing is.
    #[inline]
    pub fn get(&self, measure: Measure) -> i128 {
        match measure {
            Measure::Cost => self.cost,
            Measure::PerCall => 0,
            Measure::Tokens => i128::from(self.input) + i128::from(self.output),
            Measure::InputTokens => i128::from(self.input),
            Measure::UncachedInputTokens => i128::from(self.input) - i128::from(self.cache_read),
            Measure::OutputTokens => i128::from(self.output),
            Measure::Requests => i128::from(self.requests),
            Measure::InFlight => i128::from(self.in_flight),
        }
    }

    /// True if one charge can be this large.
    pub(crate) fn is_possible(&self) -> bool {
        self.cost.unsigned_abs() <= Amounts::MAX_COST.unsigned_abs()
            && self.input <= Amounts::MAX_TOKENS
            && self.cache_read <= self.input
            && self.output <= Amounts::MAX_TOKENS
    }

    pub(super) fn is_none(&self) -> bool {
        *self == Amounts::NONE
    }

    /// The smaller of the two in each measure.
    pub(super) fn min(&self, other: &Amounts) -> Amounts {
        Amounts {
            cost: self.cost.min(other.cost),
            input: self.input.min(other.input),
            cache_read: self.cache_read.min(other.cache_read),
            output: self.output.min(other.output),
            requests: self.requests.min(other.requests),
            in_flight: self.in_flight.min(other.in_flight),
        }
    }
}

/// Possible amounts stay far from the end of their types.
impl Add for Amounts {
    type Output = Amounts;

    fn add(self, other: Amounts) -> Amounts {
        Amounts {
            cost: self.cost.saturating_add(other.cost),
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            output: self.output.saturating_add(other.output),
            requests: self.requests.saturating_add(other.requests),
            in_flight: self.in_flight.saturating_add(other.in_flight),
        }
    }
}

/// Of amounts of which the second is not larger in any measure.
impl Sub for Amounts {
    type Output = Amounts;

    fn sub(self, other: Amounts) -> Amounts {
        Amounts {
            cost: self.cost.saturating_sub(other.cost),
            input: self.input.saturating_sub(other.input),
            cache_read: self.cache_read.saturating_sub(other.cache_read),
            output: self.output.saturating_sub(other.output),
            requests: self.requests.saturating_sub(other.requests),
            in_flight: self.in_flight.saturating_sub(other.in_flight),
        }
    }
}

impl CostBound {
    /// The amounts of one request with this output cap; `None` if they are more than one charge can
    /// be.
    #[inline]
    pub(super) fn amounts(&self, cap: u64) -> Option<Amounts> {
        let cost = self.cost(cap)?;
        let (input, output) = (self.input, self.choices.checked_mul(cap)?);
        let possible = input <= Amounts::MAX_TOKENS && output <= Amounts::MAX_TOKENS;
        let amounts = Amounts { cost, input, cache_read: 0, output, requests: 1, in_flight: 1 };
        possible.then_some(amounts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_bids_are_no_amounts() {
        let most = CostBound::fixed(Amounts::MAX_COST);
        assert_eq!(most.amounts(0).unwrap().cost, Amounts::MAX_COST);
        assert_eq!(CostBound::fixed(Amounts::MAX_COST + 1).amounts(0), None);
        assert_eq!(CostBound::fixed(-1).amounts(0), None);
        let long = CostBound { per_output: i128::MAX, choices: 1, cap: 2, ..CostBound::default() };
        assert_eq!(long.amounts(2), None);
        let wide = CostBound { choices: u64::MAX, cap: 2, ..CostBound::default() };
        assert_eq!(wide.amounts(2), None);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
    }
}
