//! How much to set aside: [`Plan`], before anything is spent, and [`Forecast`], from what is.
//!
//! A plan turns agents and tasks into [`Limit`]s; a report's
//! [`forecast`](crate::budget::LimitReport::forecast) says where they lead.

mod agents;
mod error;
mod forecast;
mod report;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::clock::Timestamp;
use crate::ledger::{Limit, Period, Scope};
use crate::money::{Usd, div_up};
use crate::price::Ratio;
use crate::table;

pub use agents::Agents;
pub use error::PlanError;
use error::Problem;
pub use forecast::Forecast;

/// What a system of agents will cost in a day, a month, a year, and which limits that makes.
///
/// The rule is that of the document which this project grew from: what a single agent costs, times
/// the agents, times an **overhead** of 2 to 5 for what they say to each other, share and try
/// again, times a **margin** of 3 to 5 for safety. Both are 3 by default. Its example,
/// with real arithmetic: 5 agents, 100 tasks a day, 1,000 tokens a task, $0.002 per 1,000 tokens:
///
/// ```
/// use bursar::plan::Agents;
/// use bursar::{ModelPrice, Plan, PriceBook, Rate, Usd};
///
/// let rate: Rate = "2".parse()?; // dollars per million tokens
/// let mut book = PriceBook::empty();
/// book.insert(ModelPrice::new("seed", "model", rate, rate))?;
/// let model = book.find("model")?;
///
/// let plan = Plan::builder()
///     .agents(Agents::new("agents", 5).tasks_per_day(100).tokens(800, 200).model(&model, 1))
///     .overhead("3".parse()?)
///     .build("2026-11-24T00:00:00Z".parse()?)?;
/// assert_eq!(plan.day().base, Usd::dollars(1));
/// assert_eq!(plan.day().expected, Usd::dollars(3));
/// assert_eq!(plan.month().expected, Usd::dollars(90));
/// assert_eq!(plan.month().set_aside, Usd::dollars(270)); // the margin, 3 as well
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Each figure of a day of one kind of agent is rounded up to a picodollar; all other figures are
/// whole multiples and sums of those. Its `Display` is a table of 80 columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    agents: Vec<Planned>,
    overhead: Ratio,
    margin: Ratio,
}

impl Plan {
    /// Begins a plan.
    pub fn builder() -> Builder {
        Builder { agents: Vec::new(), overhead: Ratio::THREE, margin: Ratio::THREE }
    }

    /// The kinds of agents, in the order in which they were named.
    pub fn agents(&self) -> &[Planned] {
        &self.agents
    }

    /// What a day costs, all agents together.
    pub fn day(&self) -> Figures {
        self.agents.iter().fold(Figures::default(), |sum, agents| sum.plus(agents.day))
    }

    /// What 30 days cost.
    pub fn month(&self) -> Figures {
        self.day().times(MONTH_DAYS)
    }

    /// The plan as limits: what is set aside, rounded up to a cent.
    ///
    /// | accounts | limit |
    /// |---|---|
    /// | everybody, `""` | a calendar month (the plan's 30 days), with alerts at 50, 80 and 95 percent |
    /// | each kind, `research` | a calendar month, with an alert at 80 percent; a day |
    /// | each agent of a kind, `research/*` | a day |
    ///
    /// All are in UTC. With a margin of 1 the limit of the month is tight in months of 31 days.
    ///
    /// Collected into a [`Policy`](crate::Policy) they set up a budget, or become a
    /// policy file by [`Policy::to_toml`](crate::Policy::to_toml).
    pub fn limits(&self) -> Vec<(Scope, Limit)> {
        let spend = |amount: Usd| Limit::spend(up_to(CENT, amount));
        let all = spend(self.month().set_aside).per(Period::MONTH).alert_at([50, 80, 95]);
        let mut limits = vec![(Scope::from(&crate::ledger::Path::root()), all)];
        for agents in &self.agents {
            let month = spend(agents.month().set_aside).per(Period::MONTH).alert_at([80]);
            limits.push((agents.scope.clone(), month));
            limits.push((agents.scope.clone(), spend(agents.day.set_aside).per(Period::DAY)));
            let share = div_up(agents.day.set_aside.pico(), i128::from(agents.count));
            limits.push((agents.each.clone(), spend(Usd::from_pico(share)).per(Period::DAY)));
        }
        limits
    }
}

/// The days of a month that a plan speaks of.
const MONTH_DAYS: i128 = 30;
/// A cent in picodollars.
const CENT: i128 = 10_000_000_000;
/// A trillion dollars a day: more than any plan, and it leaves room for sums.
const MOST_A_DAY: Usd = Usd::dollars(1_000_000_000_000);

/// An amount rounded up to a multiple of `unit` picodollars.
fn up_to(unit: i128, amount: Usd) -> Usd {
    Usd::from_pico(div_up(amount.pico(), unit).saturating_mul(unit))
}

/// An amount of a day times a ratio, rounded up.
fn times(amount: Usd, ratio: Ratio) -> Option<Usd> {
    let product = amount.pico().checked_mul(i128::from(ratio.numerator()))?;
    let amount = Usd::from_pico(div_up(product, i128::from(ratio.denominator())));
    (amount <= MOST_A_DAY).then_some(amount)
}

/// A table of 80 columns.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<21} {:>6} {:>12} {:>12} {:>12} {:>12}",
            "agents", "count", "a day, base", "a day", "30 days", "set aside"
        )?;
        let mut row = |name: &str, count: u64, day: Figures| {
            let (name, month) = (table::padded(&table::cut(name, 21), 21), day.times(MONTH_DAYS));
            let [base, expected] = [day.base, day.expected];
            let [in_month, aside] = [month.expected, month.set_aside];
            writeln!(f, "{name} {count:>6} {base:>12} {expected:>12} {in_month:>12} {aside:>12}")
        };
        for agents in &self.agents {
            row(&agents.name, u64::from(agents.count), agents.day)?;
        }
        row("all", self.agents.iter().map(|agents| u64::from(agents.count)).sum(), self.day())?;
        write!(
            f,
            "{} in 365 days. Overhead {}; set aside: 30 days, with a margin of {}.",
            self.day().times(365).expected,
            self.overhead,
            self.margin
        )
    }
}

/// Puts a [`Plan`] together; made by [`Plan::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    agents: Vec<Agents>,
    overhead: Ratio,
    margin: Ratio,
}

impl Builder {
    /// Adds a kind of agent.
    pub fn agents(mut self, agents: Agents) -> Builder {
        self.agents.push(agents);
        self
    }

    /// How many times more agents cost than their tasks alone, because they share context,
    /// coordinate and try again: 2 to 5 as a rule; the default is 3.
    pub fn overhead(mut self, overhead: Ratio) -> Builder {
        self.overhead = overhead;
        self
    }

    /// How many times more is set aside than is expected: 3 to 5 for a first plan, less once the
    /// overhead is known; the default is 3.
    pub fn margin(mut self, margin: Ratio) -> Builder {
        self.margin = margin;
        self
    }

    /// The plan, at the prices of the moment `at`.
    ///
    /// # Errors
    /// [`PlanError`], which names the agents and the remedy.
    pub fn build(self, at: Timestamp) -> Result<Plan, PlanError> {
        let Builder { agents: kinds, overhead, margin } = self;
        if kinds.is_empty() {
            return Err(PlanError::about("", Problem::Empty));
        }
        let mut agents: Vec<Planned> = Vec::new();
        for kind in &kinds {
            if agents.iter().any(|known| known.name == kind.name) {
                return Err(PlanError::about(&kind.name, Problem::Twice));
            }
            agents.push(Planned::of(kind, overhead, margin, at)?);
        }
        Ok(Plan { agents, overhead, margin })
    }
}

/// What one kind of agent costs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Planned {
    /// Its name, which is its account.
    pub name: String,
    /// How many there are.
    pub count: u32,
    /// What all of them cost in a day.
    pub day: Figures,
    scope: Scope,
    /// The pattern of the single agents.
    each: Scope,
}

impl Planned {
    fn of(
        kind: &Agents,
        overhead: Ratio,
        margin: Ratio,
        at: Timestamp,
    ) -> Result<Planned, PlanError> {
        let base = kind.base_day(at)?;
        let expected = times(base, overhead);
        let set_aside = expected.and_then(|expected| times(expected, margin));
        let (Some(expected), Some(set_aside)) = (expected, set_aside) else {
            return Err(PlanError::about(&kind.name, Problem::TooLarge));
        };
        let scope = |text: &str| {
            Scope::new(text).map_err(|error| PlanError::about(&kind.name, Problem::Name(error)))
        };
        Ok(Planned {
            name: kind.name.clone(),
            count: kind.count,
            day: Figures { base, expected, set_aside },
            scope: scope(&kind.name)?,
            each: scope(&format!("{}/*", kind.name))?,
        })
    }

    /// What they cost in 30 days.
    pub fn month(&self) -> Figures {
        self.day.times(MONTH_DAYS)
    }
}

/// Three amounts for the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// The tasks alone.
    pub base: Usd,
    /// With the overhead: what is likely to be spent.
    pub expected: Usd,
    /// With the margin: what to set as a limit.
    pub set_aside: Usd,
}

impl Figures {
    fn map2(self, other: Figures, of: impl Fn(Usd, Usd) -> Option<Usd>) -> Figures {
        let of = |one, other| of(one, other).unwrap_or(Usd::MAX);
        Figures {
            base: of(self.base, other.base),
            expected: of(self.expected, other.expected),
            set_aside: of(self.set_aside, other.set_aside),
        }
    }

    fn plus(self, other: Figures) -> Figures {
        self.map2(other, Usd::checked_add)
    }

    fn times(self, days: i128) -> Figures {
        self.map2(self, |amount, _| amount.checked_mul(days))
    }
}
