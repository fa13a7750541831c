//! [`Usd`]: money as a whole number of picodollars, and its decimal text.
//!
//! All amounts of the crate are one. Prices for tokens have a type of their own,
//! [`Rate`](crate::Rate).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::parse::ParseError;

/// Decimal places of a picodollar.
const PLACES: u32 = 12;
const PICO_PER_DOLLAR: i128 = 10_i128.pow(PLACES);
const PICO_PER_CENT: i128 = PICO_PER_DOLLAR / 100;

/// An amount of US dollars, kept as a whole number of picodollars (1e-12 USD).
///
/// No float ever touches it: it is read from decimal text, printed as decimal text, and its
/// arithmetic is checked. Every per-token price that OpenAI, Anthropic, Google and the other large
/// vendors publish is a whole number of picodollars; nanodollars would already be too coarse.
///
/// ```
/// use bursar::Usd;
///
/// let price: Usd = "$0.000363".parse()?;
/// assert_eq!(price.pico(), 363_000_000);
/// assert_eq!(price.to_string(), "$0.000363");
/// assert_eq!(Usd::cents(1_250).to_string(), "$12.50");
/// assert_eq!(Usd::cents(1_250).exact().to_string(), "12.5");
/// assert_eq!(Usd::MAX.checked_add(Usd::cents(1)), None);
/// # Ok::<(), bursar::parse::ParseError>(())
/// ```
///
/// With serde an amount is written as decimal text (`"12.5"`). It is read from text, from an
/// integer (whole dollars), and from a decimal number of at most 15 significant digits, which is
/// what a binary float is sure to carry unchanged; more digits have to be put in quotes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(i128);

impl Usd {
    /// No money.
    pub const ZERO: Usd = Usd(0);
    /// The largest amount, about 1.7e26 dollars.
    pub const MAX: Usd = Usd(i128::MAX);
    /// The smallest (most negative) amount.
    pub const MIN: Usd = Usd(-i128::MAX);

    /// Reads text as [`FromStr`] does, and rounds what is finer than a picodollar half to even: for
    /// amounts that another program has computed with floats.
    ///
    /// ```
    /// use bursar::Usd;
    ///
    /// let amount = "0.00014135999999999998";
    /// assert!(amount.parse::<Usd>().is_err());
    /// assert_eq!(Usd::parse_rounded(amount)?, "0.00014136".parse()?);
    /// # Ok::<(), bursar::parse::ParseError>(())
    /// ```
    ///
    /// # Errors
    /// [`ParseError`] if the text is not a number, or too large.
    pub fn parse_rounded(text: &str) -> Result<Usd, ParseError> {
        if Usd::read(text) != Err(TOO_FINE) {
            return text.parse();
        }
        let digits = text.trim().trim_start_matches(['-', '$']);
        let amount = parse_rounded(digits, i64::from(PLACES)).map(Usd);
        let amount = amount.ok_or_else(|| no_amount(text, TOO_LARGE))?;
        Ok(if text.trim().starts_with('-') { amount.negated() } else { amount })
    }

    /// Reads an amount in picodollars; the error says what is wrong.
    fn read(text: &str) -> Result<i128, &'static str> {
        let trimmed = text.trim();
        let (sign, rest) = match trimmed.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", trimmed),
        };
        let digits = rest.strip_prefix('$').unwrap_or(rest);
        if digits.starts_with(['-', '+']) {
            return Err(NOT_A_NUMBER);
        }
        let pico = parse_scaled(&format!("{sign}{digits}"), PLACES)?;
        if pico == i128::MIN { Err(TOO_LARGE) } else { Ok(pico) }
    }

    /// Whole dollars.
    pub const fn dollars(dollars: i64) -> Usd {
        Usd(dollars as i128 * PICO_PER_DOLLAR)
    }

    /// Whole cents.
    pub const fn cents(cents: i64) -> Usd {
        Usd(cents as i128 * PICO_PER_CENT)
    }

    /// Picodollars (1e-12 USD). `i128::MIN` becomes [`Usd::MIN`], so that every amount has a
    /// negative.
    pub const fn from_pico(pico: i128) -> Usd {
        if pico == i128::MIN { Usd::MIN } else { Usd(pico) }
    }

    /// The amount in picodollars (1e-12 USD).
    pub const fn pico(self) -> i128 {
        self.0
    }

    /// The sum, or `None` if it does not fit.
    pub const fn checked_add(self, other: Usd) -> Option<Usd> {
        match self.0.checked_add(other.0) {
            Some(sum) if sum != i128::MIN => Some(Usd(sum)),
            _ => None,
        }
    }

    /// The difference, or `None` if it does not fit.
    pub const fn checked_sub(self, other: Usd) -> Option<Usd> {
        self.checked_add(other.negated())
    }

    /// The amount taken `times` times, or `None` if it does not fit.
    pub const fn checked_mul(self, times: i128) -> Option<Usd> {
        match self.0.checked_mul(times) {
            Some(product) if product != i128::MIN => Some(Usd(product)),
            _ => None,
        }
    }

    /// The sum of many amounts, or `None` if it does not fit.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Usd>) -> Option<Usd> {
        amounts.into_iter().try_fold(Usd::ZERO, Usd::checked_add)
    }

    /// The same amount with the other sign.
    #[must_use]
    pub const fn negated(self) -> Usd {
        Usd(self.0.wrapping_neg()) // exact: `i128::MIN` is never held
    }

    /// True below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// True at zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Prints every digit that counts and no currency sign: `12.5`, `0.000000003625`, `-3`.
    ///
    /// What it prints reads back as the same amount.
    pub const fn exact(self) -> Exact {
        Exact(self)
    }
}

/// Prints an amount in full; made by [`Usd::exact`].
#[derive(Clone, Copy, Debug)]
pub struct Exact(Usd);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, whole, fraction) = parts(self.0);
        if fraction == 0 {
            return f.pad(&format!("{sign}{whole}"));
        }
        let digits = format!("{fraction:012}");
        f.pad(&format!("{sign}{whole}.{}", digits.trim_end_matches('0')))
    }
}

/// Prints an amount for a person: cents from a dollar up, three significant digits below, and
/// never `$0.00` for money that is not zero. `{:.6}` asks for six decimals. Rounded half to even.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = match f.precision() {
            Some(asked) => u32::try_from(asked).map_or(PLACES, |places| places.min(PLACES)),
            None => pleasant_places(self.0.unsigned_abs()),
        };
        let step = 10_i128.pow(PLACES - places);
        // Beside the ends of the range there is nothing to round up to: cut there.
        let rounded = Usd(div_half_even(self.0, step).checked_mul(step).unwrap_or(self.0));
        let (sign, whole, fraction) =
            parts(if rounded.0 / step == 0 { Usd::ZERO } else { rounded });
        let mut text = format!("{sign}${whole}");
        if places > 0 {
            let digits = format!("{fraction:012}");
            let mut shown = &digits[..places as usize];
            if f.precision().is_none() {
                while shown.len() > 2 && shown.ends_with('0') {
                    shown = &shown[..shown.len() - 1];
                }
            }
            text.push('.');
            text.push_str(shown);
        }
        // `pad` would take the precision for a width to cut at.
        match f.width() {
            Some(width) if f.align() == Some(fmt::Alignment::Left) => write!(f, "{text:<width$}"),
            Some(width) if f.align() == Some(fmt::Alignment::Center) => write!(f, "{text:^width$}"),
            Some(width) => write!(f, "{text:>width$}"),
            None => f.write_str(&text),
        }
    }
}

impl fmt::Debug for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Usd({})", self.exact())
    }
}

/// How many decimals show at least cents, and three significant digits of a small amount.
fn pleasant_places(magnitude: u128) -> u32 {
    if magnitude >= PICO_PER_DOLLAR.unsigned_abs() || magnitude == 0 {
        return 2;
    }
    let digits = magnitude.ilog10() + 1; // at most 12
    (PLACES + 3).saturating_sub(digits).clamp(2, PLACES)
}

fn parts(amount: Usd) -> (&'static str, u128, u128) {
    let magnitude = amount.0.unsigned_abs();
    let unit = PICO_PER_DOLLAR.unsigned_abs();
    (if amount.is_negative() { "-" } else { "" }, magnitude / unit, magnitude % unit)
}

/// `numerator / denominator`, rounded to the nearest whole number, halves to the even one.
/// The denominator is positive.
pub(crate) const fn div_half_even(numerator: i128, denominator: i128) -> i128 {
    let floor = numerator.div_euclid(denominator);
    let twice = numerator.rem_euclid(denominator).saturating_mul(2);
    let up = twice > denominator || (twice == denominator && floor & 1 == 1);
    if up { floor + 1 } else { floor }
}

/// `numerator / denominator`, rounded up. The denominator is positive.
pub(crate) const fn div_up(numerator: i128, denominator: i128) -> i128 {
    let floor = numerator.div_euclid(denominator);
    if numerator.rem_euclid(denominator) == 0 { floor } else { floor + 1 }
}

impl FromStr for Usd {
    type Err = ParseError;

    /// Reads `12.50`, `$12.50`, `-0.5`, `3.625e-9`. An amount that is finer than a
    /// picodollar is refused, not rounded.
    fn from_str(text: &str) -> Result<Usd, ParseError> {
        Usd::read(text).map(Usd).map_err(|why| no_amount(text, why))
    }
}

fn no_amount(text: &str, why: &str) -> ParseError {
    ParseError::new(text, format!("an amount in dollars: {why}"))
}

const NOT_A_NUMBER: &str = "write a decimal number such as `12.50` or `$0.000363`";
const TOO_LARGE: &str = "it is too large; amounts end at about 1.7e26 dollars";
const TOO_FINE: &str = "it is finer than a picodollar (twelve decimals); round it yourself first";

/// Decimal text times `10^places` as a whole number: exactly, or not at all.
///
/// The error says what is wrong. Accepts what JSON and TOML accept as a number: a sign, digits, a
/// fraction, an exponent.
pub(crate) fn parse_scaled(text: &str, places: u32) -> Result<i128, &'static str> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, exponent.parse::<i32>().map_err(|_| NOT_A_NUMBER)?)
        }
        None => (text, 0),
    };
    let (negative, unsigned) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let malformed = whole.is_empty() || (fraction.is_empty() && unsigned.ends_with('.'));
    if malformed || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(NOT_A_NUMBER);
    }
    // Read the digits as one whole number.
    let significant = fraction.trim_end_matches('0');
    let mut value: i128 = 0;
    for digit in whole.bytes().chain(significant.bytes()) {
        let with = |value: i128| value.checked_mul(10)?.checked_add(i128::from(digit - b'0'));
        value = with(value).ok_or(TOO_LARGE)?;
    }
    if value == 0 {
        return Ok(0);
    }
    // Shift it to the places asked for, exactly.
    let fraction_digits = i32::try_from(significant.len()).map_err(|_| TOO_FINE)?;
    let places = i32::try_from(places).map_err(|_| TOO_LARGE)?;
    let mut shift = exponent.saturating_add(places).saturating_sub(fraction_digits);
    while shift > 0 {
        value = value.checked_mul(10).ok_or(TOO_LARGE)?;
        shift -= 1;
    }
    while shift < 0 {
        if value % 10 != 0 {
            return Err(TOO_FINE);
        }
        value /= 10;
        shift += 1;
    }
    Ok(if negative { -value } else { value })
}

/// Decimal text times `10^places`, rounded half to even; `None` if it is not a number, or below zero,
/// or too large.
pub(crate) fn parse_rounded(text: &str, places: i64) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if whole.is_empty() || !digits().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if digits().all(|byte| byte == b'0') {
        return Some(0);
    }
    // How many of the digits stand before the point once it has been moved.
    let kept = i64::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(places)?;
    let Ok(kept) = usize::try_from(kept) else { return Some(0) };
    let mut pico: i128 = 0;
    for digit in digits().chain(std::iter::repeat(b'0')).take(kept) {
        pico = pico.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let mut rest = digits().skip(kept);
    let up = match rest.next().unwrap_or(b'0') {
        b'5' => pico % 2 == 1 || rest.any(|digit| digit != b'0'),
        tenths => tenths > b'5',
    };
    pico.checked_add(i128::from(up))
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.exact())
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Usd, D::Error> {
        deserializer.deserialize_any(UsdVisitor)
    }
}

struct UsdVisitor;

impl de::Visitor<'_> for UsdVisitor {
    type Value = Usd;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount in dollars, such as \"12.50\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Usd, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, dollars: i64) -> Result<Usd, E> {
        Ok(Usd::dollars(dollars))
    }

    fn visit_u64<E: de::Error>(self, dollars: u64) -> Result<Usd, E> {
        Usd(PICO_PER_DOLLAR).checked_mul(i128::from(dollars)).ok_or_else(|| E::custom(TOO_LARGE))
    }

    /// A format that has already made a float of the number: its shortest text is what was
    /// written, as long as that had at most 15 significant digits (C's `DBL_DIG`).
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Usd, E> {
        let text = number.to_string();
        let digits = text.trim_start_matches(['-', '0', '.']).replace('.', "");
        if digits.trim_end_matches('0').len() > 15 {
            return Err(E::custom(format_args!(
                "the amount {text} has more digits than a bare number is sure to keep; \
                 put it in quotes"
            )));
        }
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_exactly_or_refused() {
        let cases: &[(&str, Result<i128, &str>)] = &[
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("12.50", Ok(12_500_000_000_000)),
            ("$12.50", Ok(12_500_000_000_000)),
            ("-$12.50", Ok(-12_500_000_000_000)),
            (" 1 ", Ok(1_000_000_000_000)),
            ("$0.000000003625", Ok(3_625)),
            ("3.625e-9", Ok(3_625)),
            ("3625E-12", Ok(3_625)),
            ("1e3", Ok(1_000_000_000_000_000)),
            ("0.0000000000010", Ok(1)),
            ("0.0000000000001", Err(TOO_FINE)),
            ("1e-13", Err(TOO_FINE)),
            ("0e-99", Ok(0)),
            ("1e99", Err(TOO_LARGE)),
            ("170141183460469231731687303.715884105727", Ok(i128::MAX)),
            ("-170141183460469231731687303.715884105727", Ok(-i128::MAX)),
            ("170141183460469231731687303.715884105728", Err(TOO_LARGE)),
            ("", Err(NOT_A_NUMBER)),
            ("$", Err(NOT_A_NUMBER)),
            (".5", Err(NOT_A_NUMBER)),
            ("5.", Err(NOT_A_NUMBER)),
            ("1,000", Err(NOT_A_NUMBER)),
            ("$-5", Err(NOT_A_NUMBER)),
            ("--5", Err(NOT_A_NUMBER)),
            ("-+5", Err(NOT_A_NUMBER)),
            ("1e", Err(NOT_A_NUMBER)),
            ("NaN", Err(NOT_A_NUMBER)),
            ("inf", Err(NOT_A_NUMBER)),
            ("0x10", Err(NOT_A_NUMBER)),
            ("١٢", Err(NOT_A_NUMBER)),
        ];
        for (text, expected) in cases {
            let got = text.parse::<Usd>().map(Usd::pico);
            let expected = expected
                .map_err(|why| ParseError::new(text, format!("an amount in dollars: {why}")));
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn amounts_print_the_way_a_person_writes_them() {
        for (pico, text) in [
            (0, "$0.00"),
            (12_500_000_000_000, "$12.50"),
            (363_000_000, "$0.000363"),
            (1, "$0.000000000001"),
            (-1, "-$0.000000000001"),
            (250_000_000_000, "$0.25"),
            (12_345_678_901, "$0.0123"),
            (999_999_999_999, "$1.00"),
            (1_005_000_000_000, "$1.00"),
            (1_015_000_000_000, "$1.02"),
            (-2_000_000_000_000, "-$2.00"),
        ] {
            assert_eq!(Usd(pico).to_string(), text);
        }
        assert_eq!(format!("{:.4}", Usd(363_000_000)), "$0.0004");
        assert_eq!(format!("{:.4}", Usd(-3)), "$0.0000");
        assert_eq!(format!("{:.0}", Usd::cents(250)), "$2");
        assert_eq!(format!("[{:>8}|{:<8}]", Usd::cents(250), Usd::cents(5)), "[   $2.50|$0.05   ]");
        assert!(Usd::MAX.to_string().starts_with("$170141183460469231731687303."));
    }

    #[test]
    fn serde_reads_numbers_only_where_they_are_exact() {
        let read = |json: &str| serde_json::from_str::<Usd>(json);
        assert_eq!(read("\"0.002\"").unwrap(), Usd(2_000_000_000));
        assert_eq!(read("0.002").unwrap(), Usd(2_000_000_000));
        assert_eq!(read("1.5e-7").unwrap(), Usd(150_000));
        assert_eq!(read("5").unwrap(), Usd::dollars(5));
        assert_eq!(read("-5").unwrap(), Usd::dollars(-5));
        assert_eq!(read("18446744073709551615").unwrap().exact().to_string(), u64::MAX.to_string());
        let refused = read("0.12345678901234567").unwrap_err().to_string();
        assert!(refused.contains("put it in quotes"), "{refused}");
        assert!(read("true").unwrap_err().to_string().contains("amount in dollars"));
        assert_eq!(serde_json::to_string(&Usd::cents(1_250)).unwrap(), "\"12.5\"");
    }

    #[test]
    fn rounding_is_half_to_even_or_up() {
        for (numerator, half_even, up) in
            [(-15, -2, -1), (-5, 0, 0), (5, 0, 1), (14, 1, 2), (15, 2, 2), (25, 2, 3), (30, 3, 3)]
        {
            assert_eq!(div_half_even(numerator, 10), half_even, "{numerator} half-even");
            assert_eq!(div_up(numerator, 10), up, "{numerator} up");
        }
    }

    proptest! {
        #[test]
        fn exact_text_reads_back(pico in -i128::MAX..=i128::MAX) {
            let amount = Usd(pico);
            prop_assert_eq!(amount.exact().to_string().parse::<Usd>().unwrap(), amount);
            let json = serde_json::to_string(&amount).unwrap();
            prop_assert_eq!(serde_json::from_str::<Usd>(&json).unwrap(), amount);
        }

        #[test]
        fn nothing_that_is_printed_hides_money(pico in 1..i128::MAX) {
            prop_assert!(Usd(pico).to_string().bytes().any(|b| (b'1'..=b'9').contains(&b)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            let _ = text.parse::<Usd>();
        }
    }
}
