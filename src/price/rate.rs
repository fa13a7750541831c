//! [`Rate`], the price of a token, `Fee`, the price of a search or a request, and [`Ratio`], a factor
//! such as a surcharge.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::money::{Usd, parse_scaled};
use crate::parse::ParseError;

/// The price of one kind of token: a whole number of picodollars **per million tokens**, which is
/// the same number of attodollars (1e-18 USD) per token.
///
/// Vendors publish dollars per million tokens with a few decimals, so that every published price
/// is kept as it was written, and a cost needs one division, at the end of its sum.
///
/// ```
/// use bursar::{Rate, Usd};
///
/// let rate: Rate = "2.50".parse()?;
/// assert_eq!(rate, Rate::per_million(Usd::cents(250))?);
/// assert_eq!(rate.to_string(), "2.5");
/// # Ok::<(), bursar::price::RateError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    /// Free, as written down.
    pub(super) const ZERO: Rate = Rate(0);
    /// The dearest rate that is believed: $10,000 per million tokens, a cent a token. The dearest
    /// real one known is $600; what is above is a price in another unit (litellm #23503).
    pub(super) const MAX: Rate = Rate(10_000_000_000_000_000);

    /// The rate of that price for a million tokens.
    ///
    /// # Errors
    /// Below zero, or above $10,000.
    pub fn per_million(price: Usd) -> Result<Rate, RateError> {
        match u64::try_from(price.pico()) {
            Ok(pico) if pico <= Rate::MAX.0 => Ok(Rate(pico)),
            Err(_) if price.is_negative() => Err(RateError::Negative { price }),
            _ => Err(RateError::TooDear { price }),
        }
    }

    /// Attodollars (1e-18 USD) per token; at most 1e16.
    pub(crate) const fn atto_per_token(self) -> u64 {
        self.0
    }

    pub(super) const fn from_atto(atto: u64) -> Rate {
        Rate(atto)
    }

    /// The rate times `ratio`, if that is a rate and exact.
    pub(super) fn times(self, ratio: Ratio) -> Option<Rate> {
        let product = u128::from(self.0) * u128::from(ratio.numerator);
        if product % u128::from(ratio.denominator) != 0 {
            return None;
        }
        let rate = Rate(u64::try_from(product / u128::from(ratio.denominator)).ok()?);
        (rate <= Rate::MAX).then_some(rate)
    }
}

/// Dollars per million tokens, in full: `2.5`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Usd::from_pico(i128::from(self.0)).exact(), f)
    }
}

impl FromStr for Rate {
    type Err = RateError;

    /// Reads dollars per million tokens: `2.50`, `$0.003625`.
    fn from_str(text: &str) -> Result<Rate, RateError> {
        Rate::per_million(text.parse()?)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From decimal text, and from such numbers as [`Usd`] reads.
impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
        Rate::per_million(Usd::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The price of one thing that is not a token: a search, a request, a second of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fee(u64);

impl Fee {
    pub(super) const ZERO: Fee = Fee(0);
    /// The dearest fee that is believed: a dollar. Real ones are up to 3.5 cents; what is above is
    /// a price in another unit (litellm #12913 took $35 per thousand for $35 each).
    pub(super) const MAX: Fee = Fee(1_000_000_000_000_000_000);

    /// The fee of one thing, of which `count` cost that price; `None` unless each costs from zero
    /// to a dollar.
    pub(super) fn of(price: Usd, count: i128) -> Option<Fee> {
        let atto = price.pico().checked_mul(1_000_000)? / count;
        let fee = Fee(u64::try_from(atto).ok()?);
        (fee <= Fee::MAX).then_some(fee)
    }

    /// Attodollars (1e-18 USD); at most 1e18.
    pub(super) const fn atto_each(self) -> u64 {
        self.0
    }
}

/// A factor such as 1.1, kept exactly: above zero and at most 1000, with at most six decimals.
///
/// ```
/// use bursar::price::Ratio;
/// use bursar::{BudgetManager, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let call = budget.model("gpt-6.1-terra")?.estimate().input(1_000).max_output(100);
/// let safer = call.with_margin("1.25".parse::<Ratio>()?); // a quarter more input
/// assert!("1001".parse::<Ratio>().is_err());
/// # budget.reserve("crawler", &safer)?.release();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ratio {
    numerator: u32,
    denominator: u32,
}

impl Ratio {
    pub(super) const ONE: Ratio = Ratio { numerator: 1, denominator: 1 };
    /// What overheads and margins are unless the user says otherwise.
    pub(crate) const THREE: Ratio = Ratio { numerator: 3, denominator: 1 };
    /// The largest surcharge of a provider that is believed.
    pub(super) const MAX_SURCHARGE: Ratio = Ratio { numerator: 10, denominator: 1 };

    const PLACES: u32 = 6;
    const UNIT: u32 = 10_u32.pow(Ratio::PLACES);
    const MAX: u32 = 1_000 * Ratio::UNIT;

    pub(crate) const fn numerator(self) -> u32 {
        self.numerator
    }

    pub(crate) const fn denominator(self) -> u32 {
        self.denominator
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Ratio) -> Ordering {
        let across = |one: u32, other: u32| u64::from(one) * u64::from(other);
        across(self.numerator, other.denominator).cmp(&across(other.numerator, self.denominator))
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Ratio) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// In full: `1.1`.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pico = 1_000_000_000_000 * i128::from(self.numerator) / i128::from(self.denominator);
        fmt::Display::fmt(&Usd::from_pico(pico).exact(), f)
    }
}

impl FromStr for Ratio {
    type Err = ParseError;

    /// Reads a decimal number: `1.1`.
    fn from_str(text: &str) -> Result<Ratio, ParseError> {
        let scaled = parse_scaled(text.trim(), Ratio::PLACES).ok();
        match scaled.and_then(|scaled| u32::try_from(scaled).ok()) {
            Some(scaled @ 1..=Ratio::MAX) => {
                let divisor = common_divisor(scaled, Ratio::UNIT);
                Ok(Ratio { numerator: scaled / divisor, denominator: Ratio::UNIT / divisor })
            }
            _ => Err(ParseError::new(
                text,
                "a factor; write a number above 0 and up to 1000 with at most six decimals, such \
                 as \"1.1\"",
            )),
        }
    }
}

fn common_divisor(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { common_divisor(other, one % other) }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ratio, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Why a rate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateError {
    /// Not an amount of money.
    #[error(transparent)]
    NotMoney(#[from] ParseError),
    /// Below zero.
    #[error("a price cannot be below zero, and {price} is; write 0 for what is free")]
    Negative {
        /// What was asked for.
        price: Usd,
    },
    /// Above $10,000 for a million tokens.
    #[error(
        "{price} for a million tokens is more than a cent a token; \
         write dollars per million tokens, not per token or per thousand"
    )]
    TooDear {
        /// What was asked for.
        price: Usd,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_as_they_are_published() {
        for (text, atto) in [
            ("2.50", 2_500_000_000_000),
            ("$0.003625", 3_625_000_000),
            ("0", 0),
            ("600", 600_000_000_000_000),
            ("0.000000000001", 1),
            ("10000", Rate::MAX.0),
        ] {
            assert_eq!(text.parse::<Rate>().unwrap(), Rate(atto), "{text}");
        }
        let json = serde_json::to_string(&Rate(3_625_000_000)).unwrap();
        assert_eq!(json, "\"0.003625\"");
        assert_eq!(serde_json::from_str::<Rate>(&json).unwrap(), Rate(3_625_000_000));
    }

    /// litellm #23503 had a model 100,000 times too dear, PR #38167 one 1,000 times.
    #[test]
    fn prices_in_another_unit_are_refused() {
        for (text, hint) in [
            ("10000.000000000001", "per million tokens"),
            ("135000", "per million tokens"),
            ("1e20", "per million tokens"),
            ("-1", "below zero"),
            ("0.0000000000001", "finer than a picodollar"),
            ("cheap", "not an amount"),
        ] {
            let refused = text.parse::<Rate>().unwrap_err().to_string();
            assert!(refused.contains(hint), "{text}: {refused}");
        }
    }

    /// litellm #12913 charged $35 for a search that costs $0.035.
    #[test]
    fn fees_are_for_one_and_at_most_a_dollar() {
        assert_eq!(Fee::of(Usd::dollars(35), 1_000), Some(Fee(35 * 10_u64.pow(15))));
        assert_eq!(Fee::of(Usd::dollars(1), 1), Some(Fee::MAX));
        for (price, count) in [
            (Usd::dollars(35), 1),
            (Usd::cents(101), 1),
            (Usd::dollars(1_001), 1_000),
            (Usd::MAX, 1),
            (Usd::cents(-1), 1),
        ] {
            assert_eq!(Fee::of(price, count), None, "{price}");
        }
    }

    #[test]
    fn ratios_are_exact() {
        let ratio = |text: &str| text.parse::<Ratio>();
        assert_eq!(ratio("1.1").unwrap(), Ratio { numerator: 11, denominator: 10 });
        assert_eq!(ratio("2").unwrap(), Ratio { numerator: 2, denominator: 1 });
        assert_eq!(ratio("1.000000").unwrap(), Ratio::ONE);
        assert_eq!(ratio("2.50").unwrap().to_string(), "2.5");
        for text in ["0", "-1.1", "1000.1", "1.0000001", "", "x"] {
            assert!(ratio(text).is_err(), "{text}");
        }
        assert_eq!(Rate(10).times(ratio("1.1").unwrap()), Some(Rate(11)));
        assert_eq!(Rate(1).times(ratio("1.1").unwrap()), None);
        assert_eq!(Rate::MAX.times(ratio("2").unwrap()), None);
    }
}
