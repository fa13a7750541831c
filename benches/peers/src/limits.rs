//! The rows of what others limit: money (`llm-budget`), rates (`governor`), calls under way
//! (tokio's `Semaphore`).

use std::hint::black_box;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bursar::{Account, BudgetManager, Estimate, Limit, Model, Period, Usage, Usd};
use governor::{Quota, RateLimiter};
use llm_budget::budget::AtomicBudget;
use llm_budget::{AgentBudget, ModelTier};
use tokio::sync::Semaphore;

use crate::table::{Call, Floor, Row, Table};

/// Both have it, at the same prices.
const MODEL: &str = "gpt-4o";
const KEYS: usize = 1_000;

pub fn rows(table: &mut Table) {
    atomic(table);
    usage(table);
    rate(table);
    rate_by_name(table);
    in_flight(table);
}

fn wide() -> Usd {
    Usd::dollars(1_000_000_000)
}

/// One account under one limit.
fn account(limit: Limit) -> Account {
    BudgetManager::builder().limit("", limit).build().unwrap().account("").unwrap()
}

fn pair(account: Account) -> impl FnMut() -> bool {
    let estimate = Estimate::fixed(Usd::cents(2));
    move || match account.reserve(&estimate) {
        Ok(hold) => {
            black_box(hold.settle_cost(Usd::cents(2)));
            true
        }
        Err(_) => false,
    }
}

/// A call that must go through each time.
fn sure(mut call: impl FnMut() -> bool + 'static) -> Call {
    Box::new(move || assert!(call()))
}

/// How often it goes through.
fn passes(times: usize, mut call: impl FnMut() -> bool) -> usize {
    (0..times).filter(|_| call()).count()
}

fn atomic(table: &mut Table) {
    let charge = |dollars| {
        let budget = AtomicBudget::new(dollars).unwrap();
        move || black_box(budget.charge(0.02)).is_ok()
    };
    let ours = passes(100, pair(account(Limit::spend(Usd::dollars(1)))));
    assert_eq!((ours, passes(100, charge(1.0))), (50, 50));

    table.add(Row {
        work: "a known amount under one limit",
        ours: sure(pair(account(Limit::spend(wide())))),
        peer: "`llm-budget`, its atomic alone",
        theirs: sure(charge(1e9)),
        floor: Some(Floor::add()),
        note: "one counter; no reservation: asked after the call, it drops what would be over",
    });
}

/// What a provider reports, a part of it read from its cache.
fn used() -> Usage {
    Usage { cache_read: 4_096, ..Usage::tokens(1_180, 340) }
}

fn priced() -> (Account, Model) {
    let budget = BudgetManager::builder().limit("", Limit::spend(wide())).build().unwrap();
    (budget.account("researcher").unwrap(), budget.model(MODEL).unwrap())
}

fn charge_usage(agent: &AgentBudget) {
    let usage = llm_budget::Usage {
        input_tokens: 1_180 + 4_096,
        cached_input_tokens: 4_096,
        cache_write_tokens: 0,
        output_tokens: 340,
    };
    let charge = agent.charge_usage(MODEL, black_box(&usage), None, None);
    // Nobody else holds its locks, so it is ready at once: no runtime is measured.
    match pin!(charge).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(receipt) => drop(black_box(receipt.unwrap())),
        Poll::Pending => panic!("charge_usage waits"),
    }
}

fn reserve_and_settle(account: &Account, model: &Model) {
    let estimate = model.estimate().input(1_180 + 4_096).max_output(800);
    let hold = account.reserve(&estimate).unwrap();
    black_box(hold.settle(black_box(used())));
}

fn usage(table: &mut Table) {
    let agent = || AgentBudget::new("researcher", 1e9, ModelTier::Standard, 0.2).unwrap();
    let (theirs, (account, model)) = (agent(), priced());
    for _ in 0..1_000 {
        charge_usage(&theirs);
        reserve_and_settle(&account, &model);
    }
    let (ours, theirs) = (account.spent().pico() as f64 / 1e12, theirs.spent_usd());
    assert!(ours > 1.0 && (ours - theirs).abs() < 1e-9, "{ours} and {theirs}");

    let note = "no reservation, no window; looks prices up by name, and keeps each charge in a log \
                that only grows";
    let (peer, charged) = ("`llm-budget`, `charge_usage`", |agent: AgentBudget| -> Call {
        Box::new(move || charge_usage(&agent))
    });
    table.add(Row {
        work: "a usage of three kinds, priced and booked after the call",
        ours: Box::new(move || {
            black_box(account.record_usage(&model, black_box(used())).unwrap());
        }),
        peer,
        theirs: charged(agent()),
        floor: Some(Floor::lock()),
        note,
    });
    let (account, model) = priced();
    table.add(Row {
        work: "the same, and reserved before it",
        ours: Box::new(move || reserve_and_settle(&account, &model)),
        peer,
        theirs: charged(agent()),
        floor: Some(Floor::lock()),
        note,
    });
}

const MINUTE: Period = Period::rolling(Duration::from_secs(60));

/// A cell comes back each nanosecond: more than any machine asks.
fn endless() -> Quota {
    Quota::with_period(Duration::from_nanos(1)).unwrap().allow_burst(NonZeroU32::MAX)
}

/// None comes back while it is tried.
fn hundred() -> Quota {
    Quota::per_hour(NonZeroU32::new(100).unwrap())
}

const RATE_NOTE: &str =
    "calls alone, refilled evenly: no money, nothing to settle, one limit a call";

fn rate(table: &mut Table) {
    let direct = |quota| {
        let limiter = RateLimiter::direct(quota);
        move || black_box(limiter.check()).is_ok()
    };
    let requests = |count| pair(account(Limit::requests(count).per(MINUTE)));
    assert_eq!((passes(150, requests(100)), passes(150, direct(hundred()))), (100, 100));

    table.add(Row {
        work: "calls in a rolling minute",
        ours: sure(requests(u64::MAX >> 1)),
        peer: "`governor`, direct",
        theirs: sure(direct(endless())),
        floor: Some(Floor::add()),
        note: RATE_NOTE,
    });
}

fn rate_by_name(table: &mut Table) {
    fn names() -> Vec<String> {
        (0..KEYS).map(|n| format!("agent-{n}")).collect()
    }
    let keyed = |quota| {
        let (limiter, mut next, names) = (RateLimiter::keyed(quota), 0, names());
        move || {
            next = (next + 7) % KEYS;
            black_box(limiter.check_key(&names[next])).is_ok()
        }
    };
    let by_name = |count| {
        let limit = Limit::requests(count).per(MINUTE);
        let budget = BudgetManager::builder().limit("*", limit).build().unwrap();
        let (estimate, mut next, names) = (Estimate::fixed(Usd::cents(2)), 0, names());
        move || {
            next = (next + 7) % KEYS;
            match budget.reserve(&names[next], &estimate) {
                Ok(hold) => {
                    black_box(hold.settle_cost(Usd::cents(2)));
                    true
                }
                Err(_) => false,
            }
        }
    };
    let times = 150 * KEYS;
    let both = (passes(times, by_name(100)), passes(times, keyed(hundred())));
    assert_eq!(both, (100 * KEYS, 100 * KEYS));

    table.add(Row {
        work: "calls in a rolling minute of each of 1,000 agents, by name",
        ours: sure(by_name(u64::MAX >> 1)),
        peer: "`governor`, keyed",
        theirs: sure(keyed(endless())),
        floor: Some(Floor::lock()),
        note: RATE_NOTE,
    });
}

fn in_flight(table: &mut Table) {
    let (four, estimate) = (account(Limit::in_flight(4)), Estimate::fixed(Usd::ZERO));
    let semaphore = Arc::new(Semaphore::new(4));
    let ours: Vec<_> = (0..10).flat_map(|_| four.reserve(&estimate)).collect();
    let theirs: Vec<_> = (0..10).flat_map(|_| semaphore.clone().try_acquire_owned()).collect();
    assert_eq!((ours.len(), theirs.len()), (4, 4));
    drop((ours, theirs));

    let hold = || pair(account(Limit::in_flight(4)));
    let note = "counts permits alone: no money, no books";
    let of_loan = Semaphore::new(4);
    table.add(Row {
        work: "a call under way, of four at most",
        ours: sure(hold()),
        peer: "tokio's `Semaphore`, owned permit",
        theirs: sure(move || black_box(semaphore.clone().try_acquire_owned()).is_ok()),
        floor: Some(Floor::lock()),
        note,
    });
    table.add(Row {
        work: "the same",
        ours: sure(hold()),
        peer: "tokio's `Semaphore`, borrowed permit",
        theirs: sure(move || black_box(of_loan.try_acquire()).is_ok()),
        floor: Some(Floor::lock()),
        note,
    });
}
