//! The `Display` of a [`Comparison`]: a table of 80 columns.

use std::collections::BTreeSet;
use std::fmt;

use bursar::Usd;
use bursar::ledger::Quantity;
use bursar::table::{WIDTH, count, cut, money, padded};

use super::{Comparison, Excluded, Presence, Row, Sides};

/// The most lines; those that differ most are kept.
const ROWS: usize = 40;
const MONEY: usize = 9;
const TOKENS: usize = 9;

/// A column: its title, its width, and what stands in it.
type Column = (&'static str, usize, fn(&Sides, Presence) -> String);

const COSTS: [Column; 4] = [
    ("ledger", MONEY, |sides, presence| {
        dash(presence != Presence::OnInvoice, cost(sides.ledger.cost))
    }),
    ("invoice", MONEY, |sides, presence| {
        dash(presence != Presence::InLedger, cost(sides.invoice.cost))
    }),
    ("differs", MONEY, |sides, _| match sides.difference.cost {
        Some(difference) if !difference.is_zero() => signed(difference),
        _ => "=".to_owned(),
    }),
    ("%", 7, |sides, _| percent(sides)),
];
const TOKEN_DIFFERENCES: [Column; 2] = [
    ("± input", TOKENS, |sides, _| differing(sides.difference.input_tokens)),
    ("± output", TOKENS, |sides, _| differing(sides.difference.output_tokens)),
];
const TOKEN_COUNTS: [Column; 6] = [
    ("input", TOKENS, |sides, presence| {
        dash(presence != Presence::OnInvoice, tokens(sides.ledger.input_tokens))
    }),
    ("invoice", TOKENS, |sides, presence| {
        dash(presence != Presence::InLedger, tokens(sides.invoice.input_tokens))
    }),
    ("differs", TOKENS, |sides, _| differing(sides.difference.input_tokens)),
    ("output", TOKENS, |sides, presence| {
        dash(presence != Presence::OnInvoice, tokens(sides.ledger.output_tokens))
    }),
    ("invoice", TOKENS, |sides, presence| {
        dash(presence != Presence::InLedger, tokens(sides.invoice.output_tokens))
    }),
    ("differs", TOKENS, |sides, _| differing(sides.difference.output_tokens)),
];

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = match self.days {
            Some((first, last)) if first == last => format!("{first}, UTC"),
            Some((first, last)) => format!("{first} to {last}, UTC"),
            None => "no day".to_owned(),
        };
        writeln!(f, "{}", cut(&format!("Ledger and {}: {days}", self.source), WIDTH))?;
        let columns = self.columns();
        let widths = columns.iter().map(|(_, width, _)| width.saturating_add(1));
        let name = WIDTH.saturating_sub(widths.sum());
        let mut day = None;
        let shown = self.shown();
        for line in &shown {
            if day != Some(line.day) {
                day = Some(line.day);
                write!(f, "\n{}", padded(&line.day.to_string(), name))?;
                for (title, width, _) in &columns {
                    write!(f, " {title:>width$}")?;
                }
                writeln!(f)?;
            }
            row(f, self.called(line), name, &columns, &line.sides, line.presence)?;
        }
        let more = self.rows.len().saturating_sub(shown.len());
        if more > 0 {
            writeln!(f, "… and {more} more that differ less")?;
        }
        writeln!(f)?;
        row(f, "total", name, &columns, &self.total, Presence::InBoth)?;
        self.unmatched(f)?;
        left_out(f, "of other providers or of no model", self.other_providers)?;
        left_out(f, "on other days", self.other_days)
    }
}

impl Comparison {
    fn columns(&self) -> Vec<Column> {
        let figures = &self.total.invoice;
        let has_tokens = figures.input_tokens.is_some() || figures.output_tokens.is_some();
        match (figures.cost.is_some(), has_tokens) {
            (true, true) => TOKEN_DIFFERENCES.into_iter().chain(COSTS).collect(),
            (true, false) => COSTS.to_vec(),
            (false, _) => TOKEN_COUNTS.to_vec(),
        }
    }

    /// All lines if there are few, else those that differ most; by day in any case.
    fn shown(&self) -> Vec<&Row> {
        if self.rows.len() <= ROWS {
            return self.rows.iter().collect();
        }
        let much = |line: &Row| {
            let tokens = [line.sides.difference.input_tokens, line.sides.difference.output_tokens];
            let tokens = tokens.into_iter().flatten().map(i64::unsigned_abs);
            (line.correction().pico().unsigned_abs(), tokens.fold(0, u64::saturating_add))
        };
        let mut places: Vec<usize> = (0..self.rows.len()).collect();
        places.sort_by_key(|place| std::cmp::Reverse(self.rows.get(*place).map(much)));
        let kept: BTreeSet<usize> = places.into_iter().take(ROWS).collect();
        kept.into_iter().filter_map(|place| self.rows.get(place)).collect()
    }

    /// The model, without the provider that all of them have.
    fn called<'a>(&self, line: &'a Row) -> &'a str {
        let id = self
            .provider
            .as_ref()
            .and_then(|provider| line.model.strip_prefix(provider.as_str())?.strip_prefix('/'));
        if *line.model != *self.provider.as_deref().unwrap_or_default() {
            return id.unwrap_or(&line.model);
        }
        match self.rows.iter().all(|other| other.model == line.model) {
            true => "(all models)",
            false => "(no model)",
        }
    }

    fn unmatched(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for unmatched in &self.unmatched_on_invoice {
            let name = &unmatched.name;
            match unmatched.could_be.is_empty() {
                true => said(f, &format!("`{name}` is on the invoice alone"))?,
                false => {
                    let models = unmatched.could_be.join("`, `");
                    said(f, &format!("`{name}` is not matched: it could be `{models}`"))?;
                }
            }
        }
        for model in &self.unmatched_in_ledger {
            said(f, &format!("`{model}` is in the ledger alone"))?;
        }
        match self.unmatched_on_invoice.is_empty() || self.unmatched_in_ledger.is_empty() {
            true => Ok(()),
            false => said(f, "if two of these are one model, say so: `Invoice::same_model`"),
        }
    }
}

fn row(
    f: &mut fmt::Formatter<'_>,
    called: &str,
    name: usize,
    columns: &[Column],
    sides: &Sides,
    presence: Presence,
) -> fmt::Result {
    let cells =
        columns.iter().map(|(_, width, cell)| format!(" {:>width$}", cell(sides, presence)));
    let row = padded(&cut(called, name), name) + &cells.collect::<String>();
    writeln!(f, "{}", row.trim_end())
}

/// A remark below the table, broken where it has to be.
fn said(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut width = 0;
    for word in text.split(' ') {
        let word = cut(word, WIDTH);
        let length = word.chars().count();
        match width {
            0 => write!(f, "{word}")?,
            _ if width + 1 + length > WIDTH => {
                write!(f, "\n  {word}")?;
                width = 1;
            }
            _ => write!(f, " {word}")?,
        }
        width += length + 1;
    }
    writeln!(f)
}

fn left_out(f: &mut fmt::Formatter<'_>, which: &str, left_out: Excluded) -> fmt::Result {
    match left_out.charges {
        0 => Ok(()),
        charges => {
            let s = if charges == 1 { "" } else { "s" };
            let charges = Quantity::Count(charges.into());
            said(f, &format!("not compared: {charges} charge{s} {which}, {}", left_out.cost))
        }
    }
}

fn dash(is_there: bool, text: String) -> String {
    if is_there { text } else { "-".to_owned() }
}

fn cost(amount: Option<Usd>) -> String {
    amount.map_or_else(|| "-".to_owned(), |amount| money(amount, MONEY))
}

fn tokens(number: Option<i64>) -> String {
    match number {
        Some(number) if number < 0 => {
            format!("-{}", count(number.unsigned_abs(), TOKENS.saturating_sub(1)))
        }
        Some(number) => count(number.unsigned_abs(), TOKENS),
        None => "-".to_owned(),
    }
}

fn differing(number: Option<i64>) -> String {
    match number {
        None => "-".to_owned(),
        Some(0) => "=".to_owned(),
        Some(number) => {
            let sign = if number < 0 { '-' } else { '+' };
            format!("{sign}{}", count(number.unsigned_abs(), TOKENS.saturating_sub(1)))
        }
    }
}

fn signed(amount: Usd) -> String {
    match amount.is_negative() {
        true => money(amount, MONEY),
        false => format!("+{}", money(amount, MONEY.saturating_sub(1))),
    }
}

/// Hundredths of a percent: `+0.05`, `+12.5`, `-100`.
fn percent(sides: &Sides) -> String {
    let Some(points) = sides.basis_points.filter(|points| *points != 0) else {
        return String::new();
    };
    let sign = if points < 0 { '-' } else { '+' };
    let (whole, part) = (points.unsigned_abs() / 100, points.unsigned_abs() % 100);
    match whole {
        0..10 => format!("{sign}{whole}.{part:02}"),
        10..100 => format!("{sign}{whole}.{}", part / 10),
        _ => format!("{sign}{}", count(whole, 6)),
    }
}
