//! Cells of printed tables: amounts, counts and names that fit a number of terminal columns.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::ledger::grouped;
use crate::money::Usd;

/// The width of the tables that this crate prints, in columns.
pub const WIDTH: usize = 80;
const PICO_PER_DOLLAR: u128 = 1_000_000_000_000;

/// An amount in at most `width` columns: in full if it fits, else with fewer decimals, in thousands,
/// millions and so on. An amount that is not zero never looks like zero.
///
/// ```
/// use bursar::{Usd, table};
///
/// assert_eq!(table::money(Usd::dollars(12_345), 9), "$12345.00");
/// assert_eq!(table::money(Usd::dollars(12_345), 8), "$12.3K");
/// assert_eq!(table::money(Usd::from_pico(1), 9), "~$0");
/// ```
pub fn money(amount: Usd, width: usize) -> String {
    let full = amount.to_string();
    if full.len() <= width {
        return full;
    }
    if amount.pico().unsigned_abs() < PICO_PER_DOLLAR {
        let mut texts = (2..=12).rev().map(|places| format!("{amount:.places$}"));
        let fits = texts.find(|text| text.len() <= width);
        let fits = fits.filter(|text| text.contains(|digit| matches!(digit, '1'..='9')));
        return fits.unwrap_or_else(|| "~$0".to_owned());
    }
    let sign = if amount.is_negative() { "-" } else { "" };
    let dollars = amount.pico().unsigned_abs() / PICO_PER_DOLLAR;
    format!("{sign}${}", rounded(dollars, width.saturating_sub(sign.len() + 1)))
}

/// A number in at most `width` columns: in full with its thousands apart if it fits, else in
/// thousands, millions and so on.
pub fn count(number: u64, width: usize) -> String {
    let full = grouped(i128::from(number));
    if full.len() <= width { full } else { rounded(u128::from(number), width) }
}

/// A number shortened to at most `width` columns: `1.2M`, `340B`.
pub(crate) fn rounded(number: u128, width: usize) -> String {
    let mut unit = 1_u128;
    for suffix in ["", "K", "M", "B", "T", "Q"] {
        let whole = number / unit;
        if whole < 1_000 {
            let tenth = number % unit * 10 / unit;
            let fine = format!("{whole}.{tenth}{suffix}");
            let fits = !suffix.is_empty() && fine.len() <= width;
            return if fits { fine } else { format!("{whole}{suffix}") };
        }
        unit = unit.saturating_mul(1_000);
    }
    "very many".chars().take(width).collect()
}

/// The text cut to at most `width` columns, with a space for each control character.
pub fn cut(text: &str, width: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if plain.width() <= width {
        return plain;
    }
    let mut kept = String::new();
    for character in plain.chars() {
        let next = character.width().unwrap_or(0);
        if kept.width() + next + 1 > width {
            break;
        }
        kept.push(character);
    }
    kept + "…"
}

/// The text filled up with spaces to `width` columns. Some characters take two.
pub fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_fit_their_columns() {
        for (number, width, text) in [
            (999, 6, "999"),
            (12_345, 6, "12,345"),
            (123_456, 6, "123.4K"),
            (123_456_789, 6, "123.4M"),
            (u64::MAX, 6, "18446Q"),
            (u64::MAX, 11, "18446Q"),
        ] {
            let shown = count(number, width);
            assert!(shown.len() <= width && (shown == text || number == u64::MAX), "{shown}");
        }
        assert_eq!(money(Usd::dollars(37_038_840_472), 10), "$37.0B");
        assert_eq!(money(Usd::dollars(-37_038_840_472), 10), "-$37.0B");
        assert_eq!(money(Usd::cents(1_250), 10), "$12.50");
        assert_eq!(money(Usd::from_pico(15_000_000), 9), "$0.000015");
        assert_eq!(money(Usd::from_pico(15_400_000), 8), "$0.00002");
        assert_eq!(money(Usd::from_pico(-15_400_000), 9), "-$0.00002");
        assert_eq!(money(Usd::from_pico(15_400_000), 7), "~$0");
        assert_eq!(money(Usd::from_pico(1), 9), "~$0");
        assert!(money(Usd::MAX, 10).len() <= 10);
        assert!(money(Usd::MIN, 7).len() <= 7);
    }

    #[test]
    fn names_are_cut_by_columns_and_cannot_move_the_cursor() {
        assert_eq!(cut("研究チーム", 6), "研究…");
        assert_eq!(padded("研究", 6), "研究  ");
        assert_eq!(cut("a\nb\u{1b}[2J", 20), "a b [2J");
    }
}
