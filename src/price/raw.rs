//! Numbers and objects read from the text of a JSON price list: never through a float,
//! and the same whatever features of `serde_json` a build has switched on.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::money::{Usd, parse_scaled};

use super::listing::Problem;
use super::rate::{Fee, Rate};

/// In which unit a list writes a price of a token.
#[derive(Clone, Copy)]
pub(super) enum Per {
    Token,
    Million,
}

impl Per {
    /// Decimal places of an attodollar per token.
    fn places(self) -> u32 {
        match self {
            Per::Token => 18,
            Per::Million => 12,
        }
    }
}

/// A rate that a list may name, and whether it had to be rounded up to a whole one.
///
/// Above $0.002 a token it is a price in another unit: the dearest real one is $0.0006.
pub(super) fn rate(raw: &RawValue, per: Per) -> Result<(Rate, bool), Problem> {
    const DEAREST: i128 = 2_000_000_000_000_000;
    let text = decimal(raw)?;
    match whole(text, per.places()) {
        Some((atto, _)) if atto < 0 => Err(Problem::Negative(shown(text))),
        Some((atto, is_rounded)) if atto <= DEAREST => match u64::try_from(atto) {
            Ok(atto) => Ok((Rate::from_atto(atto), is_rounded)),
            Err(_) => Err(Problem::TooDear(shown(text))),
        },
        Some(_) => Err(Problem::TooDear(shown(text))),
        None => Err(Problem::Unreadable(shown(text))),
    }
}

/// The fee of one search or request, of which `per` cost the amount in the list, and whether it had
/// to be rounded up.
pub(super) fn fee(raw: &RawValue, per_thousand: bool) -> Result<(Fee, bool), Problem> {
    let text = decimal(raw)?;
    let (pico, is_rounded) = whole(text, 12).ok_or_else(|| Problem::Unreadable(shown(text)))?;
    match Fee::of(Usd::from_pico(pico), if per_thousand { 1_000 } else { 1 }) {
        Some(fee) => Ok((fee, is_rounded)),
        None if pico < 0 => Err(Problem::Negative(shown(text))),
        None => Err(Problem::TooDear(shown(text))),
    }
}

/// The digits of a number, in quotes or not.
pub(super) fn decimal(raw: &RawValue) -> Result<&str, Problem> {
    let text = raw.get();
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    match inner.as_bytes().first() {
        Some(b'0'..=b'9' | b'-') => Ok(inner),
        _ => Err(Problem::Unreadable(shown(text))),
    }
}

/// A count, also where a list writes it as `128000.0`.
pub(super) fn count(raw: &RawValue) -> Result<u64, Problem> {
    let text = decimal(raw)?;
    let whole = parse_scaled(text, 0).ok().and_then(|count| u64::try_from(count).ok());
    whole.ok_or_else(|| Problem::Unreadable(shown(text)))
}

/// A text.
pub(super) fn text(raw: &RawValue) -> Result<Cow<'_, str>, Problem> {
    let read: Result<Text<'_>, _> = serde_json::from_str(raw.get());
    read.map(|text| text.0).map_err(|_| Problem::Unreadable(shown(raw.get())))
}

/// An object, its keys in the order of the text.
pub(super) fn object(raw: &RawValue) -> Result<Object<'_>, Problem> {
    serde_json::from_str(raw.get()).map_err(|_| Problem::Unreadable(shown(raw.get())))
}

/// A list.
pub(super) fn list(raw: &RawValue) -> Result<Vec<&RawValue>, Problem> {
    serde_json::from_str(raw.get()).map_err(|_| Problem::Unreadable(shown(raw.get())))
}

/// The beginning of a text, for an error.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The decimal `text` times `10^places`, and whether that had to be rounded up.
///
/// Lists are written by programs that calculate in floats: `4.9999999999999996e-08`. Rounded to 14
/// significant digits, such debris is the whole number that was meant. What is none even then (a
/// third of something) is rounded up, so that a budget never charges less than the list says.
fn whole(text: &str, places: u32) -> Option<(i128, bool)> {
    const MORE: u32 = 12;
    const UNIT: i128 = 10_i128.pow(MORE);
    const SIGNIFICANT: u32 = 14;
    if let Ok(exact) = parse_scaled(text, places) {
        return Some((exact, false));
    }
    let fine = parse_scaled(text, places + MORE).ok()?;
    let digits = fine.unsigned_abs().checked_ilog10()? + 1;
    let debris = 10_i128.pow(digits.saturating_sub(SIGNIFICANT));
    let cleaned = (fine.checked_add(debris / 2)?).div_euclid(debris) * debris;
    match cleaned % UNIT {
        0 => Some((cleaned / UNIT, false)),
        _ => Some((fine.div_euclid(UNIT) + i128::from(fine.rem_euclid(UNIT) != 0), true)),
    }
}

/// A JSON object as it is written: keys in their order, values as text.
pub(super) struct Object<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// The value of a key; of the last one, if it is there twice. `null` counts as missing.
    pub(super) fn get(&self, key: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, raw)| *raw).filter(|raw| !is_null(raw))
    }
}

pub(super) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<'a>, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Text(key), raw)) = map.next_entry()? {
                    pairs.push((key, raw));
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Pairs).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_read_from_their_text() {
        for (text, places, expected) in [
            ("2.5e-06", 18, Some((2_500_000_000_000, false))),
            ("1.71875e-7", 18, Some((171_875_000_000, false))),
            ("4.9999999999999996e-08", 18, Some((50_000_000_000, false))), // a float's debris
            ("1.2499999999999999e-06", 18, Some((1_250_000_000_000, false))),
            ("0.30000000000000004", 12, Some((300_000_000_000, false))),
            ("0.08333333333333334", 12, Some((83_333_333_334, true))), // a third stays one
            ("8.333333333333334e-08", 18, Some((83_333_333_334, true))),
            ("1e-40", 18, None),
            ("-1e-6", 18, Some((-1_000_000_000_000, false))),
            ("-0.08333333333333334", 12, Some((-83_333_333_333, true))),
            ("1e30", 18, None),
            ("0", 18, Some((0, false))),
            ("1.5.2", 18, None),
        ] {
            assert_eq!(whole(text, places), expected, "{text}");
        }
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_rate_in_another_unit_is_none() {
        let read = |text: &str, per| rate(&raw(text), per).map(|(rate, _)| rate.to_string());
        assert_eq!(read("2e-3", Per::Token).unwrap(), "2000");
        assert_eq!(read("2000", Per::Million).unwrap(), "2000");
        assert_eq!(read("\"3e-06\"", Per::Token).unwrap(), "3");
        for (text, hint) in [
            ("0.00200001", "another unit"),
            ("9.71e-03", "another unit"),
            ("-1e-6", "below zero"),
            ("true", "`true`"),
            ("\"\"", "`\"\"`"),
            ("[1]", "`[1]`"),
            ("{}", "`{}`"),
        ] {
            let refused = read(text, Per::Token).unwrap_err().to_string();
            assert!(refused.contains(hint), "{text}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn a_float_that_was_written_comes_back(nano in 0_u64..2_000_000_000) {
            let (float, exact) = (nano as f64 * 1e-9, format!("{nano}e-9"));
            let text = format!("{float:?}");
            let expected = parse_scaled(&exact, 12).unwrap();
            prop_assert_eq!(whole(&text, 12), Some((expected, false)), "{}", text);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}", number in "-?[0-9]{1,40}(\\.[0-9]{1,40})?(e-?[0-9]{1,11})?") {
            let _ = whole(&text, 18);
            let _ = whole(&number, 18);
        }
    }
}
