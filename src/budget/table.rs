//! The report as a table for a terminal of 80 columns.

use std::fmt;
use std::time::Duration;

use super::report::{AccountReport, LimitReport, ModelReport, Report};
use crate::clock::Timestamp;
use crate::ledger::{Measure, Path, Quantity};
use crate::money::Usd;
use crate::table::{WIDTH, count, cut, money, padded, rounded};

/// The most rows of one table; the dearest are kept.
const ROWS: usize = 40;
/// The most limits; the fullest are kept.
const LIMITS: usize = 12;
const BAR: u64 = 16;
/// How old what is known of other processes may be before the table says so.
const STALE: Duration = Duration::from_secs(60);
/// Days after which the report asks for a newer price list.
const OLD_PRICES: u64 = 60;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The head: the time, and how old the prices are.
        let prices = match (&self.prices_as_of, self.prices_age_days) {
            (Some(day), Some(age)) if age > OLD_PRICES => {
                format!("prices as of {day}: {age} days old, load newer")
            }
            (Some(day), _) => format!("prices as of {day}"),
            (None, _) => String::new(),
        };
        let left = format!("Budget at {}", moment(self.at));
        let head = format!("{left}{prices:>width$}", width = WIDTH.saturating_sub(left.len()));
        writeln!(f, "{}", head.trim_end())?;
        // The tables.
        limits(f, &self.limits)?;
        accounts(f, "ACCOUNTS", &self.accounts)?;
        accounts(f, "TAGS", &self.tags)?;
        models(f, &self.models)?;
        // What other processes hold, and when they were last read.
        if let Some(other) = &self.elsewhere {
            let s = if other.calls == 1 { "" } else { "s" };
            let (calls, held, end) = (other.calls, other.held, moment(other.first_lease_ends));
            writeln!(
                f,
                "\n{held} is held by {calls} call{s} of other processes, running or dead;"
            )?;
            writeln!(f, "what a dead one held is settled when its lease ends, from {end} on")?;
        }
        if let Some(read) = self.as_of.filter(|read| self.at.since(*read) > STALE) {
            writeln!(
                f,
                "\nOther processes as of {}: the journal was not read since.",
                moment(read)
            )?;
        }
        // Frozen accounts, with the reason.
        let frozen = self.accounts.iter().chain(&self.tags);
        for (account, why) in frozen.filter_map(|a| Some((&a.account, a.frozen.as_ref()?))) {
            let line = format!("frozen: {}, because {why}", shown(account));
            writeln!(f, "\n{}", cut(&line, WIDTH))?;
        }
        Ok(())
    }
}

fn limits(f: &mut fmt::Formatter<'_>, limits: &[LimitReport]) -> fmt::Result {
    if limits.is_empty() {
        return writeln!(f, "\nNo limits are set: nothing is refused.");
    }
    writeln!(f, "\n{:<38} {:>6} {:>11} {:>10} {:>11}", "LIMITS", "used", "spent", "held", "left")?;
    let mut fullest: Vec<&LimitReport> = limits.iter().collect();
    if fullest.len() > LIMITS {
        fullest.sort_by_key(|limit| std::cmp::Reverse(limit.used_percent));
    }
    for limit in fullest.iter().take(LIMITS) {
        let name = cut(&shown(&limit.account), 38);
        // A cap for each call counts nothing.
        let counts = limit.measure != Measure::PerCall;
        let dash = |text: String| if counts { text } else { "-".to_owned() };
        let used = dash(cut(&format!("{}%", limit.used_percent), 6));
        let (spent, held) = (quantity(limit.spent, 11), quantity(limit.held, 10));
        let (spent, held) = (dash(spent), dash(held));
        let left = quantity(limit.available, 11);
        writeln!(f, "{} {used:>6} {spent:>11} {held:>10} {left:>11}", padded(&name, 38))?;
        let until = match limit.resets_at {
            Some(end) => format!(", until {}", moment(end)),
            None => String::new(),
        };
        let watches = if limit.observe { ", only watched" } else { "" };
        let what = format!("{}{watches}{until}", limit.limit);
        let what = cut(&what, WIDTH.saturating_sub(20));
        writeln!(f, "  {}  {what}", bar(limit.used_percent))?;
    }
    more(f, limits.len(), LIMITS)
}

fn accounts(f: &mut fmt::Formatter<'_>, title: &str, accounts: &[AccountReport]) -> fmt::Result {
    if accounts.is_empty() {
        return Ok(());
    }
    writeln!(
        f,
        "\n{title:<22} {:>6} {:>11} {:>10} {:>9} {:>9} {:>7}",
        "calls", "tokens", "spent", "held", "assumed", "saved"
    )?;
    // The dearest rows, if there are too many to show.
    let mut dearest: Vec<&AccountReport> = accounts.iter().collect();
    if dearest.len() > ROWS {
        dearest.sort_by_key(|account| std::cmp::Reverse(account.spent));
    }
    for account in dearest.iter().take(ROWS) {
        let name = if accounts.len() > ROWS {
            shown(&account.account)
        } else {
            indented(&account.account)
        };
        writeln!(
            f,
            "{} {:>6} {:>11} {:>10} {:>9} {:>9} {:>7}",
            padded(&cut(&name, 22), 22),
            count(account.requests, 6),
            count(account.usage.total_tokens(), 11),
            money(account.spent, 10),
            money_or_dash(account.held, 9),
            money_or_dash(account.assumed, 9),
            money_or_dash(account.saved, 7),
        )?;
    }
    more(f, accounts.len(), ROWS)
}

fn models(f: &mut fmt::Formatter<'_>, models: &[ModelReport]) -> fmt::Result {
    if models.is_empty() {
        return Ok(());
    }
    writeln!(
        f,
        "\n{:<33} {:>7} {:>13} {:>13} {:>10}",
        "MODELS", "calls", "input", "output", "cost"
    )?;
    for model in models.iter().take(ROWS) {
        writeln!(
            f,
            "{} {:>7} {:>13} {:>13} {:>10}",
            padded(&cut(model.model.as_deref().unwrap_or("(no model)"), 33), 33),
            count(model.requests, 7),
            count(model.usage.input_tokens(), 13),
            count(model.usage.output_tokens(), 13),
            money(model.cost, 10),
        )?;
    }
    more(f, models.len(), ROWS)
}

fn more(f: &mut fmt::Formatter<'_>, rows: usize, shown: usize) -> fmt::Result {
    match rows.saturating_sub(shown) {
        0 => Ok(()),
        left => writeln!(f, "… and {left} more"),
    }
}

fn bar(percent: u64) -> String {
    let filled = percent.min(100).saturating_mul(BAR) / 100;
    let cell = |place| if place < filled { '█' } else { '░' };
    (0..BAR).map(cell).collect()
}

fn shown(account: &Path) -> String {
    match account.as_str() {
        "" => "(all)".to_owned(),
        path => path.to_owned(),
    }
}

/// The last segment, set in by its depth.
fn indented(account: &Path) -> String {
    let path = account.as_str();
    let depth = path.matches('/').count() + usize::from(!path.is_empty() && !account.is_tag());
    let name = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("(all)");
    format!("{}{name}", "  ".repeat(depth))
}

fn money_or_dash(amount: Usd, width: usize) -> String {
    if amount.is_zero() { "-".to_owned() } else { money(amount, width) }
}

fn quantity(quantity: Quantity, width: usize) -> String {
    match quantity {
        Quantity::Money(amount) => money(amount, width),
        Quantity::Count(number) => match u64::try_from(number) {
            Ok(number) => count(number, width),
            Err(_) => format!("-{}", rounded(number.unsigned_abs(), width.saturating_sub(1))),
        },
    }
}

/// To the minute.
fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) if text.ends_with('Z') => format!("{day} {time} UTC"),
        _ => text,
    }
}
