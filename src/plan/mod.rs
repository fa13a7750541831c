//! How much to set aside: [`Plan`], before anything is spent, and [`Forecast`], from what is.
//!
//! A plan turns agents and tasks into [`Limit`]s; a report's
//! [`forecast`](crate::budget::LimitReport::forecast) says where they lead.

mod agents;
mod error;
mod factor;
mod forecast;
mod report;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::calendar::{CalendarUnit, Zone};
use crate::clock::Timestamp;
use crate::ledger::{Limit, Period, Scope};
use crate::money::Usd;

pub use agents::Agents;
pub use error::PlanError;
use error::Problem;
pub use factor::{Factor, FactorError};
use factor::{Fraction, part_of};
pub use forecast::{BurnRate, Forecast};

/// What a system of agents will cost in a day, a month, a year, and which limits that makes.
///
/// The rule is that of the document which this project grew from: what a single agent costs, times
/// the agents, times an **overhead** of 2 to 5 for what they say to each other, share and try
/// again, times a **margin** of 3 to 5 for safety. Both are 3 unless told otherwise. Its example,
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
/// The plan of a day is exact until it is rounded, once for each figure of each kind of agent, up
/// to a picodollar; all other figures are whole multiples and sums of those. Its `Display` is a
/// table of 80 columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    agents: Vec<Planned>,
    overhead: Factor,
    margin: Factor,
}

impl Plan {
    /// Begins a plan.
    pub fn builder() -> Builder {
        let three = Factor::per_mille(3_000);
        Builder { agents: Vec::new(), overhead: three, margin: three }
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
        self.days(MONTH_DAYS)
    }

    /// What 365 days cost.
    pub fn year(&self) -> Figures {
        self.days(365)
    }

    /// What so many days cost.
    pub fn days(&self, days: u32) -> Figures {
        self.day().times(days)
    }

    /// What the week, month, quarter or year around a moment costs, by its days in UTC.
    ///
    /// ```
    /// # use bursar::plan::Agents;
    /// # use bursar::{Plan, PriceBook};
    /// use bursar::calendar::CalendarUnit;
    ///
    /// # let luna = PriceBook::builtin().find("gpt-6-luna")?;
    /// # let agents = Agents::new("agents", 5).tasks_per_day(100).tokens(800, 200).model(&luna, 1);
    /// # let plan = Plan::builder().agents(agents).build("2026-11-24T00:00:00Z".parse()?)?;
    /// let february = "2027-02-10T00:00:00Z".parse()?;
    /// assert_eq!(plan.calendar(CalendarUnit::Month, february), plan.days(28));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn calendar(&self, unit: CalendarUnit, around: Timestamp) -> Figures {
        let (start, end) = unit.window_around(&Zone::UTC, around);
        let days = end.since(start).as_secs().div_ceil(86_400);
        self.days(u32::try_from(days).unwrap_or(u32::MAX))
    }

    /// The overhead that is planned with.
    pub fn overhead(&self) -> Factor {
        self.overhead
    }

    /// The margin that is planned with.
    pub fn margin(&self) -> Factor {
        self.margin
    }

    /// The overhead that agents really have: what they have spent over that time, by what the plan
    /// says without overhead, rounded up to a thousandth. Plan with it the next time, and with a
    /// smaller margin. `None` if the plan costs nothing, or no time has passed.
    pub fn learned_overhead(&self, spent: Usd, over: Duration) -> Option<Factor> {
        learned(self.day().base, spent, over)
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
        let spend = |amount: Usd| Limit::spend(cents_up(amount));
        let all = spend(self.month().set_aside).per(Period::MONTH).alert_at([50, 80, 95]);
        let mut limits = vec![(Scope::from(&crate::ledger::Path::root()), all)];
        for agents in &self.agents {
            let month = agents.day.times(MONTH_DAYS).set_aside;
            let month = spend(month).per(Period::MONTH).alert_at([80]);
            limits.push((agents.scope.clone(), month));
            limits.push((agents.scope.clone(), spend(agents.day.set_aside).per(Period::DAY)));
            let each = Limit::spend(agents.each_set_aside).per(Period::DAY);
            limits.push((agents.each.clone(), each));
        }
        limits
    }
}

/// The days of a month that a plan speaks of.
const MONTH_DAYS: u32 = 30;
/// A cent in picodollars.
const CENT: u128 = 10_000_000_000;

fn cents_up(amount: Usd) -> Usd {
    let pico = u128::try_from(amount.pico()).unwrap_or(0);
    Fraction::new(pico, 1).dollars_up(CENT).unwrap_or(Usd::MAX)
}

fn learned(base_day: Usd, spent: Usd, over: Duration) -> Option<Factor> {
    let base = u128::try_from(base_day.pico()).ok().filter(|base| *base > 0)?;
    let spent = u128::try_from(spent.pico()).unwrap_or(0);
    let planned = part_of(base, over.as_micros(), 86_400_000_000);
    let thousandths = Fraction::new(spent, (planned > 0).then_some(planned)?).times(1_000, 1)?;
    let thousandths = thousandths.dollars_up(1)?.pico();
    Some(Factor::per_mille(u32::try_from(thousandths).unwrap_or(u32::MAX)))
}

/// Puts a [`Plan`] together; made by [`Plan::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    agents: Vec<Agents>,
    overhead: Factor,
    margin: Factor,
}

impl Builder {
    /// Adds a kind of agent.
    pub fn agents(mut self, agents: Agents) -> Builder {
        self.agents.push(agents);
        self
    }

    /// How many times more agents cost than their tasks alone, because they share context,
    /// coordinate and try again: 2 to 5 as a rule, 3 unless told otherwise.
    pub fn overhead(mut self, overhead: Factor) -> Builder {
        self.overhead = overhead;
        self
    }

    /// How many times more is set aside than is expected: 3 to 5 for a first plan, 3 unless told
    /// otherwise; less once the overhead has been learned.
    pub fn margin(mut self, margin: Factor) -> Builder {
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
    /// The daily limit of a single agent, in whole cents.
    each_set_aside: Usd,
}

impl Planned {
    fn of(
        kind: &Agents,
        overhead: Factor,
        margin: Factor,
        at: Timestamp,
    ) -> Result<Planned, PlanError> {
        let base = kind.base_day(at)?;
        let too_large = || PlanError::about(&kind.name, Problem::TooLarge);
        let name = |error| PlanError::about(&kind.name, Problem::Name(error));
        let expected = base.by(overhead).ok_or_else(too_large)?;
        let set_aside = expected.by(margin).ok_or_else(too_large)?;
        let each = set_aside.times(1, u128::from(kind.count)).ok_or_else(too_large)?;
        let pico = |figure: Fraction| figure.dollars_up(1).filter(|usd| *usd <= MOST_A_DAY);
        Ok(Planned {
            name: kind.name.clone(),
            count: kind.count,
            day: Figures {
                base: pico(base).ok_or_else(too_large)?,
                expected: pico(expected).ok_or_else(too_large)?,
                set_aside: pico(set_aside).ok_or_else(too_large)?,
            },
            scope: Scope::new(&kind.name).map_err(name)?,
            each: Scope::new(&format!("{}/*", kind.name)).map_err(name)?,
            each_set_aside: each.dollars_up(CENT).ok_or_else(too_large)?,
        })
    }

    /// What they cost in 30 days.
    pub fn month(&self) -> Figures {
        self.day.times(MONTH_DAYS)
    }

    /// As [`Plan::learned_overhead`], for these agents alone.
    pub fn learned_overhead(&self, spent: Usd, over: Duration) -> Option<Factor> {
        learned(self.day.base, spent, over)
    }
}

/// A trillion dollars a day: what no plan is, and what leaves room for sums.
const MOST_A_DAY: Usd = Usd::dollars(1_000_000_000_000);

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
    fn plus(self, other: Figures) -> Figures {
        let sum = |one: Usd, other| one.checked_add(other).unwrap_or(Usd::MAX);
        Figures {
            base: sum(self.base, other.base),
            expected: sum(self.expected, other.expected),
            set_aside: sum(self.set_aside, other.set_aside),
        }
    }

    fn times(self, days: u32) -> Figures {
        let times = |amount: Usd| amount.checked_mul(i128::from(days)).unwrap_or(Usd::MAX);
        Figures {
            base: times(self.base),
            expected: times(self.expected),
            set_aside: times(self.set_aside),
        }
    }
}
