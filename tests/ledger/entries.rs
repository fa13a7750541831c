//! The entries of the naive ledger: accounts, holds, charges, limits, and what a call asks.

use std::collections::BTreeMap;

use bursar::clock::Timestamp;
use bursar::ledger::{Measure, Period};

/// Names of models, the first being none, and what the filters make of them.
pub(crate) const MODELS: [&str; 3] = ["", "p/big", "p/small"];
pub(crate) const FILTERS: [(Option<&str>, [bool; 3]); 3] =
    [(None, [true; 3]), (Some("p/*"), [false, true, true]), (Some("*big"), [false, true, false])];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) cost: i128,
    pub(crate) input: i128,
    pub(crate) cached: i128,
    pub(crate) output: i128,
    pub(crate) requests: i128,
    pub(crate) flight: i128,
}

impl Amount {
    pub(crate) fn of(&self, measure: Measure) -> i128 {
        match measure {
            Measure::Cost => self.cost,
            Measure::Tokens => self.input + self.output,
            Measure::InputTokens => self.input,
            Measure::UncachedInputTokens => self.input - self.cached,
            Measure::OutputTokens => self.output,
            Measure::Requests => self.requests,
            Measure::InFlight => self.flight,
            Measure::PerCall => 0,
            _ => unreachable!(),
        }
    }

    fn each(&self, other: &Amount, f: impl Fn(i128, i128) -> i128) -> Amount {
        Amount {
            cost: f(self.cost, other.cost),
            input: f(self.input, other.input),
            cached: f(self.cached, other.cached),
            output: f(self.output, other.output),
            requests: f(self.requests, other.requests),
            flight: f(self.flight, other.flight),
        }
    }

    pub(crate) fn plus(&self, other: &Amount) -> Amount {
        self.each(other, |a, b| a + b)
    }

    pub(crate) fn minus(&self, other: &Amount) -> Amount {
        self.each(other, |a, b| a - b)
    }

    pub(crate) fn least(&self, other: &Amount) -> Amount {
        self.each(other, i128::min)
    }

    pub(crate) fn is_none(&self) -> bool {
        *self == Amount::default()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) path: String,
    pub(crate) parent: Option<usize>,
    pub(crate) alive: bool,
    pub(crate) closing: bool,
    pub(crate) frozen: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) at: Timestamp,
    pub(crate) depth: u32,
    pub(crate) held: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Life {
    Open,
    /// Charged as assumed at that tick.
    Late(u64),
    /// Given back.
    Lapsed,
    Ended,
}

#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) node: usize,
    pub(crate) tags: Vec<usize>,
    pub(crate) model: usize,
    pub(crate) outer: Option<usize>,
    pub(crate) parts: Vec<Part>,
    pub(crate) lease: Timestamp,
    pub(crate) life: Life,
}

impl Hold {
    pub(crate) fn add(&mut self, part: Part) {
        match self.parts.iter_mut().find(|own| own.at == part.at && own.depth == part.depth) {
            Some(own) => own.held = own.held.plus(&part.held),
            None => self.parts.push(part),
        }
    }

    pub(crate) fn total(&self) -> Amount {
        self.parts.iter().fold(Amount::default(), |sum, part| sum.plus(&part.held))
    }

    pub(crate) fn charged(&self) -> Vec<usize> {
        [self.node].into_iter().chain(self.tags.iter().copied()).collect()
    }
}

/// Something that was booked.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub(crate) nodes: Vec<usize>,
    pub(crate) model: usize,
    pub(crate) at: Timestamp,
    pub(crate) amount: Amount,
    /// What was assumed before, and of which model: it is reversed.
    pub(crate) assumed: (usize, Amount),
    /// When it was booked; a correction counts from when the assumption was.
    pub(crate) tick: u64,
}

impl Charge {
    /// What a filter counts of it.
    pub(crate) fn counted(&self, filter: usize) -> Amount {
        let part = |model: usize, amount: Amount| match FILTERS[filter].1[model] {
            true => amount,
            false => Amount::default(),
        };
        part(self.model, self.amount).minus(&part(self.assumed.0, self.assumed.1))
    }
}

/// What limits are set for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) scope: String,
    pub(crate) measure: Measure,
    pub(crate) period: Period,
    pub(crate) filter: usize,
    pub(crate) amount: i128,
    pub(crate) slice: i128,
    pub(crate) observe: bool,
    pub(crate) alerts: Vec<u16>,
    pub(crate) opening: Option<i128>,
}

impl Rule {
    pub(crate) fn same(&self, other: &Rule) -> bool {
        self.scope == other.scope
            && self.measure == other.measure
            && self.period == other.period
            && self.filter == other.filter
    }

    pub(crate) fn means(&self, path: &str) -> bool {
        let (wanted, its): (Vec<_>, Vec<_>) =
            (self.scope.split(['/', ':']).collect(), path.split(['/', ':']).collect());
        self.scope.contains(':') == path.contains(':')
            && wanted.len() == its.len()
            && wanted.iter().zip(&its).all(|(w, i)| w == i || (*w == "*" && !i.is_empty()))
    }
}

/// A rule on one account.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) rule: Rule,
    pub(crate) node: usize,
    /// When it was made: its opening amount counts there, and nothing that was charged before.
    pub(crate) tick: u64,
    /// How many charges there were then.
    pub(crate) after: usize,
    pub(crate) made: Timestamp,
    pub(crate) base: i128,
    pub(crate) from_totals: bool,
    /// The alerts it has raised for each window, by its start; `None` for a lifetime.
    pub(crate) told: BTreeMap<Option<Timestamp>, Told>,
    pub(crate) over: bool,
}

/// The alerts that a limit has raised for one window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// What was spent in it when it was last looked at.
    pub(crate) spent: i128,
    pub(crate) fired: u16,
    pub(crate) over: bool,
}

/// An alert that is due: of which account and measure, the threshold or 0 for an overrun, and
/// whether it is about the window before the present one.
pub(crate) type Due = (String, Measure, u16, bool);

/// A call that wants in: what it asks for with some output cap.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) node: usize,
    pub(crate) tags: Vec<usize>,
    pub(crate) model: usize,
    pub(crate) fixed_atto: i128,
    pub(crate) per_atto: i128,
    pub(crate) input: i128,
    pub(crate) choices: i128,
    pub(crate) floor: u64,
    pub(crate) cap: u64,
    pub(crate) wrap_up: bool,
    pub(crate) outer: Option<usize>,
    pub(crate) lease: Timestamp,
    /// The hold that this is a growth of.
    pub(crate) grows: Option<usize>,
}

impl Ask {
    pub(crate) fn amount(&self, cap: u64) -> Amount {
        let atto = self.fixed_atto + self.per_atto * i128::from(cap);
        let whole = atto / 1_000_000;
        Amount {
            cost: if whole * 1_000_000 == atto { whole } else { whole + 1 },
            input: self.input,
            cached: 0,
            output: self.choices * i128::from(cap),
            requests: i128::from(self.grows.is_none()),
            flight: i128::from(self.grows.is_none() && self.outer.is_none()),
        }
    }
}
