//! Owns [`Factor`], a multiplier such as 2.5, and the exact fractions that a plan is computed in.

use std::fmt;
use std::str::FromStr;

use crate::money::{Usd, parse_scaled};

/// A multiplier from 0 to 1000 with at most three decimals, kept exactly.
///
/// ```
/// use bursar::plan::Factor;
///
/// let overhead: Factor = "2.5".parse()?;
/// assert_eq!(overhead, Factor::per_mille(2_500));
/// assert_eq!(overhead.to_string(), "2.5");
/// # Ok::<(), bursar::plan::FactorError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Factor(u32);

impl Factor {
    /// Changes nothing.
    pub const ONE: Factor = Factor(1_000);
    /// A thousand times.
    pub const MAX: Factor = Factor(1_000_000);

    /// So many thousandths, at most [`Factor::MAX`].
    pub const fn per_mille(thousandths: u32) -> Factor {
        if thousandths > Factor::MAX.0 { Factor::MAX } else { Factor(thousandths) }
    }

    /// The factor in thousandths.
    pub const fn as_per_mille(self) -> u32 {
        self.0
    }
}

/// In full: `2.5`.
impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pico = i128::from(self.0) * 1_000_000_000;
        fmt::Display::fmt(&Usd::from_pico(pico).exact(), f)
    }
}

impl FromStr for Factor {
    type Err = FactorError;

    fn from_str(text: &str) -> Result<Factor, FactorError> {
        let thousandths = parse_scaled(text.trim(), 3).ok().and_then(|n| u32::try_from(n).ok());
        let known = thousandths.map(Factor).filter(|factor| *factor <= Factor::MAX);
        known.ok_or_else(|| FactorError { text: text.chars().take(40).collect() })
    }
}

/// The text is no factor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a factor; write a number from 0 to 1000 with at most three decimals: `2.5`"
)]
pub struct FactorError {
    text: String,
}

/// An exact fraction, in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fraction {
    numerator: u128,
    denominator: u128,
}

impl Fraction {
    /// `denominator` is not zero.
    pub(super) fn new(numerator: u128, denominator: u128) -> Fraction {
        let common = common_divisor(numerator, denominator).max(1);
        Fraction { numerator: numerator / common, denominator: (denominator / common).max(1) }
    }

    /// `None` if it does not fit.
    pub(super) fn times(self, numerator: u128, denominator: u128) -> Option<Fraction> {
        // Both are in lowest terms crosswise before they are multiplied: the least that can be.
        let other = Fraction::new(numerator, denominator);
        let one = Fraction::new(self.numerator, other.denominator);
        let two = Fraction::new(other.numerator, self.denominator);
        Some(Fraction {
            numerator: one.numerator.checked_mul(two.numerator)?,
            denominator: one.denominator.checked_mul(two.denominator)?,
        })
    }

    pub(super) fn by(self, factor: Factor) -> Option<Fraction> {
        self.times(u128::from(factor.0), 1_000)
    }

    /// Rounded up to a whole multiple of `unit` picodollars; `None` if it does not fit.
    pub(super) fn dollars_up(self, unit: u128) -> Option<Usd> {
        let units = self.times(1, unit)?;
        let whole = units.numerator.div_ceil(units.denominator).checked_mul(unit)?;
        Some(Usd::from_pico(i128::try_from(whole).ok()?))
    }
}

fn common_divisor(mut one: u128, mut other: u128) -> u128 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// `amount × times ÷ parts`, rounded down; at most `u128::MAX`, and zero for no parts.
pub(super) fn part_of(amount: u128, times: u128, parts: u128) -> u128 {
    match amount.checked_mul(times) {
        Some(product) => product.checked_div(parts).unwrap_or(0),
        None => amount.checked_div(parts).unwrap_or(0).saturating_mul(times),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn factors_are_read_exactly_or_refused() {
        for (text, expected) in [
            ("3", Some(3_000)),
            (" 2.5 ", Some(2_500)),
            ("0", Some(0)),
            ("1000", Some(1_000_000)),
            ("1000.001", None),
            ("0.0005", None),
            ("-1", None),
            ("three", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok().map(Factor::as_per_mille), expected, "{text:?}");
        }
        let error = "x".parse::<Factor>().unwrap_err().to_string();
        assert!(error.contains("write a number from 0 to 1000"), "{error}");
    }

    proptest! {
        #[test]
        fn fractions_are_exact(
            a in 0_u128..1_000_000, b in 1_u128..1_000_000,
            c in 0_u128..1_000_000, d in 1_u128..1_000_000, unit in 1_u128..1_000,
        ) {
            let product = Fraction::new(a, b).times(c, d).unwrap();
            prop_assert_eq!(product.numerator * b * d, product.denominator * a * c);
            let up = u128::try_from(product.dollars_up(unit).unwrap().pico()).unwrap();
            prop_assert_eq!(up, (a * c).div_ceil(b * d * unit) * unit);
        }
    }
}
