//! The cells of an invoice: a day, a count, an amount, a model.

use bursar::Usd;
use bursar::clock::Timestamp;
use bursar::price::Date;

const SEPARATED: &str = "has a comma; write numbers without thousands separators and with a decimal point, such as \
                         `1234.5`";

/// The day in UTC: of a date, of a moment with or without its offset from UTC, of seconds since 1970.
pub(super) fn day(text: &str) -> Result<Date, &'static str> {
    if let Ok(date) = text.parse() {
        return Ok(date);
    }
    if (9..=11).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.parse().map_err(|_| "is too late a moment")?;
        return Ok(Date::of(Timestamp::from_secs(seconds)));
    }
    // A moment without an offset is one of UTC.
    let moment = text.parse().or_else(|_| format!("{text}Z").parse());
    moment.map(Date::of).map_err(|_| {
        "is no day; a day is written `2026-11-24`, a moment `2026-11-24T09:30:00Z` or in seconds since 1970"
    })
}

/// A count of tokens or calls, `0` if the cell is empty. OpenAI writes `59200.0`.
pub(super) fn count(text: &str) -> Result<i64, &'static str> {
    if text.is_empty() {
        return Ok(0);
    }
    if text.contains(',') {
        return Err(SEPARATED);
    }
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        _ => text,
    };
    let count = whole.parse().ok().filter(|count| *count >= 0);
    count.ok_or("is no count; a count is a whole number, not below zero")
}

/// An amount of dollars; nothing if the cell is empty. What is finer than a picodollar, the debris of a
/// provider's floats, is rounded half to even.
pub(super) fn money(text: &str) -> Result<Usd, &'static str> {
    if text.is_empty() {
        return Ok(Usd::ZERO);
    }
    if text.contains(',') {
        return Err(SEPARATED);
    }
    Usd::parse_rounded(text)
        .map_err(|_| "is no amount; an amount is written `12.5`, `$12.50` or `1.25e-5`")
}

/// Refuses amounts of anything but dollars.
pub(super) fn is_dollars(currency: &str) -> Result<(), &'static str> {
    match currency.eq_ignore_ascii_case("usd") {
        true => Ok(()),
        false => Err("is not `usd`, and a ledger counts in US dollars; convert the amounts first"),
    }
}

/// How a column writes the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Spelling {
    /// By its id, as calls do.
    #[default]
    Id,
    /// OpenAI's line items: `gpt-6.1-terra-2026-09-01, cached input`, `priority | gpt-6.1-sol, output, long
    /// context`, `gpt-audio-3 audio, input`. What has no comma is no model: `web search tool calls`.
    LineItem,
    /// Anthropic's display names: `Claude Opus 4.8` is `claude-opus-4-8`.
    Title,
}

/// The model that a cell names; empty for none.
pub(super) fn model(text: &str, spelling: Spelling) -> String {
    match spelling {
        Spelling::Id => text.to_owned(),
        Spelling::LineItem => match text.split_once(", ") {
            None => text.to_owned(),
            Some((model, _)) => {
                let model = model.rsplit_once(" | ").map_or(model, |(_, model)| model);
                model.split(' ').next().unwrap_or(model).to_owned()
            }
        },
        Spelling::Title => text.to_lowercase().replace([' ', '.'], "-"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_utc() {
        for (text, expected) in [
            ("2026-11-24", "2026-11-24"),
            ("2026-11-24T23:59:59Z", "2026-11-24"),
            ("2026-11-24T00:30:00+08:00", "2026-11-23"),
            ("2026-11-24T00:00:00", "2026-11-24"),
            ("2026-11-24 23:46:57.713", "2026-11-24"),
            ("2026-11-24 00:00:00+00:00", "2026-11-24"),
            ("1795478400", "2026-11-24"),
            ("1795478399", "2026-11-23"),
        ] {
            assert_eq!(day(text).unwrap().to_string(), expected, "{text}");
        }
        for text in [
            "",
            "soon",
            "24.11.2026",
            "11/24/2026",
            "20261124",
            "2026-13-01",
            "2026-11-24T25:00:00",
            "-1",
        ] {
            assert!(day(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_whole() {
        assert_eq!(count("59200.0"), Ok(59_200));
        assert_eq!(count("0"), Ok(0));
        assert_eq!(count(""), Ok(0));
        for text in ["1,000", "1.5", "1e3", "-1", "many", "99999999999999999999", "0x10", " 1"] {
            assert!(count(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_exact() {
        for (text, expected) in [
            ("0.003835980000000000000000000000", "0.00383598"),
            ("0E-6176", "0"),
            ("1.25e-5", "0.0000125"),
            ("$12.50", "12.5"),
            ("-$0.25", "-0.25"),
            ("-0.25", "-0.25"),
            ("0.00014135999999999998", "0.00014136"), // a float's debris
            ("0.0000000000005", "0"),                 // half to even
            ("0.0000000000015", "0.000000000002"),
            ("", "0"),
        ] {
            assert_eq!(money(text).unwrap().exact().to_string(), expected, "{text}");
        }
        for text in ["1,234.56", "1.234,56", "€5", "5 USD", "--1", "-", "$", "nan", "1e40", "(5)"]
        {
            assert!(money(text).is_err(), "{text}");
        }
        assert!(money("1,234.56").unwrap_err().contains("thousands separators"));
    }

    #[test]
    fn models_are_spelled_in_three_ways() {
        for (text, spelling, expected) in [
            ("gpt-4o-mini-2024-07-18, cached input", Spelling::LineItem, "gpt-4o-mini-2024-07-18"),
            ("priority | gpt-5.6-sol, output, long context", Spelling::LineItem, "gpt-5.6-sol"),
            (
                "gpt-audio-mini-2025-12-15 audio, input",
                Spelling::LineItem,
                "gpt-audio-mini-2025-12-15",
            ),
            ("web search tool calls", Spelling::LineItem, "web search tool calls"),
            ("Claude Haiku 4.5", Spelling::Title, "claude-haiku-4-5"),
            ("gpt-4o, input", Spelling::Id, "gpt-4o, input"),
        ] {
            assert_eq!(model(text, spelling), expected);
        }
    }
}
