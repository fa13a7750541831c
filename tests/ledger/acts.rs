//! The random commands of the oracle, and what they are in the words of the real ledger.

use std::time::Duration;

use bursar::Usd;
use bursar::calendar::{CalendarUnit, Zone};
use bursar::ledger::{CostBound, Limit, Measure, Period, Quantity, Scope};
use bursar::usage::Usage;
use proptest::prelude::*;

use crate::entries::{Ask, FILTERS, Rule};

pub(crate) const PATHS: [&str; 11] =
    ["a", "a/x", "a/y", "a/x/r", "b", "b/x", "user:", "user:1", "user:2", "team:", "team:1"];
pub(crate) const SCOPES: [&str; 12] =
    ["", "a", "a/x", "a/*", "*", "*/x", "a/*/r", "b", "user:", "user:*", "user:1", "team:1"];
pub(crate) const STARTS: [&str; 5] = [
    "2026-03-28T22:59:00Z", // an hour before a short day in Berlin
    "2026-10-24T21:59:00Z", // a long one
    "2026-12-31T14:59:00Z", // the last day of a year
    "2028-02-29T22:00:00Z",
    "2011-12-29T09:00:00Z", // a day before the day that Apia left out
];

pub(crate) fn periods() -> Vec<Period> {
    let zoned = |unit, zone| Period::Calendar(unit, Zone::named(zone).unwrap());
    vec![
        Period::Lifetime,
        Period::DAY,
        zoned(CalendarUnit::Day, "Europe/Berlin"),
        zoned(CalendarUnit::Month, "America/New_York"),
        zoned(CalendarUnit::Hour, "Asia/Kolkata"),
        zoned(CalendarUnit::Week, "Pacific/Apia"),
        Period::rolling(Duration::from_secs(60)),
        Period::rolling(Duration::from_secs(3_601)),
    ]
}

/// One random command; numbers that pick something are taken modulo what there is.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Pass(i64),
    /// To a window's end, or a few microseconds beside it.
    PassTo(usize, i64),
    Open(usize),
    Set(Rule),
    Lift(usize),
    Reserve {
        ask: Call,
        inside: Option<usize>,
    },
    Grow {
        hold: usize,
        ask: Call,
    },
    Settle {
        hold: usize,
        cost: Option<i128>,
        usage: Option<(u64, u64, u64)>,
    },
    Release(usize),
    Renew(usize, u64),
    Record {
        ask: Call,
        key: Option<u128>,
    },
    /// `by` picodollars, about a moment so many microseconds before the present.
    Adjust {
        ask: Call,
        by: i128,
        ago: i64,
    },
    Freeze(usize),
    Thaw(usize),
    Close(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) account: usize,
    pub(crate) tags: Vec<usize>,
    pub(crate) model: usize,
    pub(crate) cost: i128,
    pub(crate) per: i128,
    pub(crate) input: u64,
    pub(crate) output: (u64, u64),
    pub(crate) wrap_up: bool,
    pub(crate) lease: Option<u64>,
}

pub(crate) fn call() -> impl Strategy<Value = Call> {
    let tags = prop_oneof![4 => Just(vec![]), 2 => prop::collection::vec(6_usize..11, 1..3)];
    let account = prop_oneof![12 => 0_usize..6, 1 => 6_usize..11];
    let lease = prop_oneof![3 => Just(None), 1 => (0_u64..200).prop_map(Some)];
    let output = (0_u64..8, 0_u64..9).prop_map(|(floor, more)| (floor, floor + more));
    let money = (0_i128..40_000_000, 0_i128..3_000_000);
    let rest = (0_u64..20, output, any::<bool>(), lease);
    (account, tags, 0_usize..3, money, rest).prop_map(
        |(account, tags, model, (cost, per), (input, output, wrap_up, lease))| Call {
            account,
            tags,
            model,
            // Now and then free.
            cost: if cost % 5 == 0 { 0 } else { cost },
            per: if cost % 5 == 0 { 0 } else { per },
            input,
            output,
            wrap_up,
            lease,
        },
    )
}

pub(crate) fn rule() -> impl Strategy<Value = Rule> {
    let measure = prop::sample::select(vec![
        Measure::Cost,
        Measure::Cost,
        Measure::Tokens,
        Measure::InputTokens,
        Measure::UncachedInputTokens,
        Measure::OutputTokens,
        Measure::Requests,
        Measure::InFlight,
        Measure::PerCall,
    ]);
    let alerts = prop::sample::select(vec![vec![], vec![50], vec![30, 80, 100], vec![1, 150]]);
    let opening = prop_oneof![4 => Just(None), 1 => (0_i128..30).prop_map(Some)];
    let what = (prop::sample::select(&SCOPES[..]), measure, 0_usize..8, 0_usize..3);
    let much = (0_i128..100, 0_i128..30, prop::bool::weighted(0.1), alerts, opening);
    (what, much).prop_map(|((scope, measure, period, filter), much)| {
        let (amount, slice, observe, alerts, opening) = much;
        let calls = matches!(measure, Measure::Requests | Measure::InFlight);
        let flight = matches!(measure, Measure::InFlight | Measure::PerCall);
        let slice = if measure == Measure::PerCall { 0 } else { slice };
        let amount = if calls { amount / 12 } else { amount };
        Rule {
            scope: scope.to_owned(),
            measure,
            period: if flight { Period::Lifetime } else { periods()[period].clone() },
            filter: if amount % 3 == 0 { filter } else { 0 },
            amount,
            slice: if slice > 20 { (slice - 20).min(amount) } else { 0 },
            observe,
            alerts: if flight { vec![] } else { alerts },
            opening: opening.filter(|_| !flight),
        }
    })
}

pub(crate) fn act() -> impl Strategy<Value = Act> {
    let usage = (0_u64..30, 0_u64..30, 0_u64..30)
        .prop_map(|(input, read, output)| (input.max(read), read, output));
    prop_oneof![
        3 => (0_i64..70_000_000).prop_map(Act::Pass),
        1 => (0_i64..200_000_000_000).prop_map(Act::Pass),
        1 => (-5_000_000_i64..0).prop_map(Act::Pass),
        2 => (1_usize..6, -1_i64..2).prop_map(|(period, beside)| Act::PassTo(period, beside)),
        4 => (0_usize..11).prop_map(Act::Open),
        5 => rule().prop_map(Act::Set),
        1 => (0_usize..20).prop_map(Act::Lift),
        12 => (call(), prop::option::weighted(0.3, 0_usize..100))
            .prop_map(|(ask, inside)| Act::Reserve { ask, inside }),
        3 => (0_usize..100, call()).prop_map(|(hold, ask)| Act::Grow { hold, ask }),
        7 => (0_usize..100, prop::option::of(0_i128..60), prop::option::of(usage))
            .prop_map(|(hold, cost, usage)| Act::Settle { hold, cost, usage }),
        2 => (0_usize..100).prop_map(Act::Release),
        1 => (0_usize..100, 0_u64..200).prop_map(|(hold, lease)| Act::Renew(hold, lease)),
        3 => (call(), prop::option::of(0_u128..4)).prop_map(|(ask, key)| Act::Record { ask, key }),
        3 => (call(), -60_i128..60, ago()).prop_map(|(ask, by, ago)| Act::Adjust { ask, by, ago }),
        1 => (0_usize..11).prop_map(Act::Freeze),
        2 => (0_usize..11).prop_map(Act::Thaw),
        1 => (0_usize..11).prop_map(Act::Close),
    ]
}

/// Now, a while ago, days ago, or to come.
fn ago() -> impl Strategy<Value = i64> {
    prop_oneof![2 => Just(0), 2 => 0_i64..90_000_000, 2 => 0_i64..300_000_000_000, 1 => Just(-60_000_000_i64)]
}

pub(crate) fn pick<T>(from: &[T], index: usize) -> Option<&T> {
    from.get(index.checked_rem(from.len())?)
}

pub(crate) fn charged(ask: &Ask) -> Vec<usize> {
    [ask.node].into_iter().chain(ask.tags.iter().copied()).collect()
}

pub(crate) fn bound(call: &Call) -> CostBound {
    let (floor, cap) = call.output;
    let (fixed, per_output) = (call.cost, call.per);
    CostBound { fixed, per_output, input: call.input, choices: 2, floor, cap }
}

pub(crate) fn used((input, read, output): (u64, u64, u64)) -> Usage {
    Usage { cache_read: read, ..Usage::tokens(input - read, output) }
}

pub(crate) fn scope(rule: &Rule) -> Scope {
    Scope::new(&rule.scope).unwrap()
}

pub(crate) fn limit(rule: &Rule) -> Limit {
    let quantity = |value: i128| match rule.measure {
        Measure::Cost | Measure::PerCall => Quantity::Money(Usd::from_pico(value)),
        _ => Quantity::Count(value),
    };
    let count = u64::try_from(rule.amount).unwrap();
    let mut limit = match rule.measure {
        Measure::Cost => Limit::spend(Usd::from_pico(rule.amount)),
        Measure::PerCall => Limit::per_call(Usd::from_pico(rule.amount)),
        Measure::Tokens => Limit::tokens(count),
        Measure::InputTokens => Limit::input_tokens(count),
        Measure::UncachedInputTokens => Limit::uncached_input_tokens(count),
        Measure::OutputTokens => Limit::output_tokens(count),
        Measure::Requests => Limit::requests(count),
        _ => Limit::in_flight(count.try_into().unwrap()),
    };
    limit = limit.per(rule.period.clone()).alert_at(rule.alerts.clone());
    if let Some(pattern) = FILTERS[rule.filter].0 {
        limit = limit.only_model(pattern);
    }
    if rule.slice > 0 {
        limit = limit.keep_for_wrap_up(quantity(rule.slice));
    }
    if let Some(opening) = rule.opening {
        limit = limit.opening(quantity(opening));
    }
    if rule.observe { limit.observe() } else { limit }
}
