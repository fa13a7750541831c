//! Owns the plan as a table for a person, at 80 columns.

use std::fmt;

use super::{Figures, Plan};
use crate::money::Usd;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<21} {:>6} {:>12} {:>12} {:>12} {:>12}",
            "agents", "count", "a day, base", "a day", "30 days", "set aside"
        )?;
        let mut all = 0_u64;
        for agents in &self.agents {
            all = all.saturating_add(u64::from(agents.count));
            row(f, &agents.name, u64::from(agents.count), agents.day, agents.month())?;
        }
        row(f, "all", all, self.day(), self.month())?;
        write!(
            f,
            "{} in 365 days. Overhead {}; set aside: 30 days, with a margin of {}.",
            self.year().expected,
            self.overhead,
            self.margin
        )
    }
}

fn row(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    count: u64,
    day: Figures,
    month: Figures,
) -> fmt::Result {
    let name: String = match name.chars().count() {
        ..=21 => name.to_owned(),
        _ => name.chars().take(20).chain(['…']).collect(),
    };
    let [base, expected, month, set_aside]: [Usd; 4] =
        [day.base, day.expected, month.expected, month.set_aside];
    writeln!(f, "{name:<21} {count:>6} {base:>12} {expected:>12} {month:>12} {set_aside:>12}")
}
