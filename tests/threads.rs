//! The tests under real threads: never over, nothing lost, each alert once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use bursar::{Alert, BudgetManager, Estimate, Limit, Period, Usd};

const THREADS: u64 = 16;
const CALLS: u64 = 2_000;

/// A deterministic spread of amounts, without a random number in sight.
fn spread(thread: u64, call: u64, most: u64) -> i64 {
    let mixed = (thread * 7_919 + call * 104_729 + 12_345) * 2_654_435_761 % 4_294_967_296;
    i64::try_from(mixed % most).unwrap()
}

/// Law 1 and law 4 under contention: sixteen threads on a tree of four levels.
#[test]
fn never_over_nothing_lost_each_alert_once() {
    let alerts = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&alerts);
    let budget = BudgetManager::builder()
        .limit("", Limit::spend(Usd::dollars(24)).alert_at([25, 50, 75, 90, 99]))
        .limit("org/*", Limit::spend(Usd::dollars(8)).per(Period::MONTH).alert_at([50, 90]))
        .limit("org/*/*", Limit::requests(2_500))
        .limit("org/*/*", Limit::in_flight(3))
        .limit("user:*", Limit::spend(Usd::dollars(2)))
        .on_alert(move |alert: &Alert| heard.lock().unwrap().push(alert.to_string()))
        .build()
        .unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (budget, done) = (budget.clone(), Arc::clone(&done));
        thread::spawn(move || {
            while !done.load(Ordering::SeqCst) {
                for limit in budget.report().limits {
                    let whole = format!("{limit:?}");
                    assert!(!limit.available.to_string().starts_with('-'), "{whole}");
                }
            }
        })
    };
    let spent: Vec<Usd> = thread::scope(|scope| {
        let workers = (0..THREADS).map(|thread| {
            let budget = &budget;
            scope.spawn(move || work(budget, thread))
        });
        workers.collect::<Vec<_>>().into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    done.store(true, Ordering::SeqCst);
    watcher.join().unwrap();

    let report = budget.report();
    assert_eq!(budget.held(), Usd::ZERO);
    assert_eq!(budget.spent(), Usd::checked_sum(spent).unwrap());
    for limit in &report.limits {
        assert!(limit.peak_is_within(), "{limit:?}");
    }
    let mut seen = alerts.lock().unwrap().clone();
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "an alert came twice: {seen:?}");
    let denied = Usd::dollars(24).checked_sub(budget.spent()).unwrap();
    assert!(denied < Usd::cents(1), "the last cents were asked for, and {denied} is left");
    for percent in [25, 50, 75, 90, 99] {
        let wanted = format!("the whole budget has spent {percent} %");
        assert!(seen.iter().any(|alert| alert.starts_with(&wanted)), "{seen:?}");
    }
    assert!(seen.iter().all(|alert| !alert.contains("over its limit")), "{seen:?}");
}

trait Within {
    fn peak_is_within(&self) -> bool;
}

impl Within for bursar::budget::LimitReport {
    fn peak_is_within(&self) -> bool {
        use bursar::Quantity::{Count, Money};
        match (self.peak, self.amount) {
            (Money(peak), Money(amount)) => peak <= amount,
            (Count(peak), Count(amount)) => peak <= amount,
            _ => false,
        }
    }
}

/// Calls of one thread, ended in all the ways there are; returns what it knows to be booked.
fn work(budget: &BudgetManager, thread: u64) -> Usd {
    let account = budget.account(&format!("org/team-{}/agent-{}", thread % 4, thread % 8)).unwrap();
    let tag = budget.tag(&format!("user:{}", thread % 5)).unwrap();
    let mut booked = Usd::ZERO;
    for call in 0..CALLS {
        let asked = Usd::from_pico(i128::from(spread(thread, call, 9_000_000_000)) + 1);
        let ask = account.request(Estimate::fixed(asked));
        let ask = if call % 3 == 0 { ask.tag(&tag) } else { ask };
        let Ok(hold) = ask.reserve() else { continue };
        let cost = match call % 5 {
            0 => {
                hold.release();
                Usd::ZERO
            }
            1 => {
                hold.mark_sent();
                drop(hold);
                asked
            }
            2 => {
                let inner = account.request(Estimate::fixed(asked)).inside(&hold);
                let inner = if call % 3 == 0 { inner.tag(&tag) } else { inner };
                let part = Usd::from_pico(asked.pico() / 3);
                let inner = inner.reserve().map(|inner| inner.settle_cost(part).cost);
                let outer = hold.settle_cost(part).cost;
                inner.unwrap_or_default().checked_add(outer).unwrap()
            }
            _ => hold.settle_cost(Usd::from_pico(asked.pico() * 3 / 4)).cost,
        };
        booked = booked.checked_add(cost).unwrap();
    }
    booked
}

/// litellm #32597, PR #32011: concurrent calls that cross a threshold together raise one alert.
#[test]
fn many_threads_over_one_threshold_raise_one_alert() {
    for _ in 0..50 {
        let alerts = Arc::new(Mutex::new(0));
        let heard = Arc::clone(&alerts);
        let budget = BudgetManager::builder()
            .limit("", Limit::spend(Usd::dollars(1)).alert_at([50]))
            .on_alert(move |_| *heard.lock().unwrap() += 1)
            .build()
            .unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let hold = budget.reserve("a", &Estimate::fixed(Usd::cents(10))).unwrap();
                    hold.settle_cost(Usd::cents(10));
                });
            }
        });
        assert_eq!((*alerts.lock().unwrap(), budget.spent()), (1, Usd::cents(80)));
    }
}

/// litellm #34732, #40095: the last cent goes to one of all those who ask at once.
#[test]
fn the_last_cent_goes_to_one() {
    for _ in 0..200 {
        let budget = BudgetManager::new(Usd::cents(1)).unwrap();
        let admitted: usize = thread::scope(|scope| {
            let asked = (0..8).map(|_| {
                scope.spawn(|| {
                    let hold = budget.reserve("new user", &Estimate::fixed(Usd::cents(1)));
                    hold.map(|hold| hold.settle_cost(Usd::cents(1))).is_ok()
                })
            });
            let asked: Vec<_> = asked.collect();
            asked.into_iter().map(|one| usize::from(one.join().unwrap())).sum()
        });
        assert_eq!((admitted, budget.spent()), (1, Usd::cents(1)));
    }
}
