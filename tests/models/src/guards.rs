//! The scenes around a hold: who gets the last cent, and in which ways a guard may end while
//! others look, freeze, or let time pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bursar::price::PriceBook;
use bursar::{Alert, BudgetManager, Estimate, Limit, Observer, ReserveError, Usd};

use crate::explore::{ALL, Sure, at_rest, clock, explore, step, thread};

/// A cent.
const C: Usd = Usd::cents(1);

fn cents(cents: i64) -> Usd {
    Usd::cents(cents)
}

fn call(amount: i64) -> Estimate {
    Estimate::fixed(cents(amount))
}

/// Is told of each call, so that none goes the short way.
struct Watcher;

impl Observer for Watcher {}

/// With every call on the short way, and with none.
const WATCHED: [bool; 2] = [false, true];

fn budget(total: i64, watched: bool) -> BudgetManager {
    let budget = BudgetManager::builder()
        .limit("", Limit::spend(cents(total)))
        .prices(PriceBook::empty())
        .clock(clock());
    if watched { budget.observer(Watcher).build().sure() } else { budget.build().sure() }
}

#[test]
fn of_two_who_want_the_last_cent_one_gets_it() {
    for watched in WATCHED {
        explore(ALL, move || {
            let budget = budget(1, watched);
            let (mine, other) = (budget.account("a").sure(), budget.account("b").sure());
            let other = thread(move || other.reserve(&call(1)));
            let mine = mine.reserve(&call(1));
            let other = other.join();

            assert_eq!(budget.held(), C);
            match (mine, other) {
                (Ok(hold), Err(ReserveError::Denied(_))) => drop(hold),
                (Err(ReserveError::Denied(_)), Ok(hold)) => drop(hold.settle_cost(C)),
                both => panic!("{both:?}"),
            }
            at_rest(&budget);
        });
    }
}

#[test]
fn a_cent_that_is_given_back_can_be_had_and_is_never_had_twice() {
    for watched in WATCHED {
        explore(3, move || {
            let budget = budget(1, watched);
            let first = budget.reserve("a", &call(1)).sure();
            let [one, two] = ["b", "c"].map(|name| {
                let account = budget.account(name).sure();
                thread(move || account.reserve(&call(1)).map(|hold| hold.settle_cost(C).cost))
            });
            first.release();
            let spent = [one.join(), two.join()].into_iter().flatten().count();
            assert!(spent <= 1, "{spent} have had it");
            assert_eq!(budget.spent(), cents(spent as i64));
            at_rest(&budget);
        });
    }
}

#[test]
fn two_calls_that_outgrow_their_holds_share_what_is_left() {
    for watched in WATCHED {
        explore(ALL, move || {
            let budget = budget(3, watched);
            let mut mine = budget.reserve("a", &call(1)).sure();
            let mut other = budget.reserve("b", &call(1)).sure();
            let other = thread(move || (other.grow_cost(C).is_ok(), other));
            let grown = mine.grow_cost(C).is_ok();
            let (other_has_grown, other) = other.join();
            assert!(grown != other_has_grown, "one of them gets the third cent");
            assert_eq!(budget.held(), cents(3));
            mine.release();
            drop(other.settle_cost(C));
            at_rest(&budget);
        });
    }
}

#[test]
fn a_report_shows_a_call_before_or_after_its_end_and_nothing_between() {
    for watched in WATCHED {
        explore(ALL, move || {
            let budget = budget(10, watched);
            let hold = budget.reserve("a", &call(4)).sure();
            let ending = thread(move || hold.settle_cost(cents(3)).cost);
            let report = budget.report();
            let sums = report.accounts.iter().map(|account| (account.spent, account.held));
            for (spent, held) in sums {
                assert!(
                    matches!((spent, held), (Usd::ZERO, h) if h == cents(4))
                        || (spent, held) == (cents(3), Usd::ZERO),
                    "{spent} {held}"
                );
            }
            assert!([cents(6), cents(7)].contains(&budget.remaining().unwrap()));
            assert_eq!(ending.join(), cents(3));
            assert_eq!(budget.remaining(), Some(cents(7)));
            at_rest(&budget);
        });
    }
}

#[test]
fn a_guard_that_is_dropped_charges_what_was_sent_and_nothing_else() {
    for (watched, sent) in [(false, false), (false, true), (true, false), (true, true)] {
        explore(ALL, move || {
            let budget = budget(10, watched);
            let hold = budget.reserve("a", &call(4)).sure();
            if sent {
                hold.mark_sent();
            }
            let dropping = thread(move || drop(hold));
            let remaining = budget.remaining().unwrap();
            let afterwards = if sent { cents(6) } else { cents(10) };
            assert!(remaining == cents(6) || remaining == afterwards, "{remaining}");
            dropping.join();
            assert_eq!(budget.remaining(), Some(afterwards));
            at_rest(&budget);
        });
    }
}

#[test]
fn whoever_drops_a_shared_guard_last_knows_that_it_was_sent() {
    explore(ALL, || {
        let budget = budget(10, false);
        let hold = Arc::new(budget.reserve("a", &call(4)).sure());
        let shared = Arc::clone(&hold);
        let sending = thread(move || {
            shared.mark_sent();
            step();
            drop(shared);
        });
        drop(hold);
        sending.join();
        assert_eq!(budget.spent(), cents(4));
        at_rest(&budget);
    });
}

#[test]
fn a_bill_that_comes_as_the_lease_ends_is_booked_once() {
    for watched in WATCHED {
        explore(ALL, move || {
            let clock = clock();
            let budget = BudgetManager::builder()
                .limit("", Limit::spend(cents(10)))
                .lease(Duration::from_secs(60))
                .prices(PriceBook::empty())
                .clock(clock.clone());
            let budget = if watched { budget.observer(Watcher) } else { budget }.build().sure();
            let hold = budget.reserve("a", &call(4)).sure();
            let looks = budget.clone();
            let time = thread(move || {
                clock.advance(Duration::from_secs(61));
                looks.spent()
            });
            let receipt = hold.settle_cost(cents(3));
            assert_eq!(receipt.cost, cents(3));
            let spent = time.join();
            assert!([cents(4), cents(3)].contains(&spent), "{spent}");
            assert_eq!(budget.spent(), cents(3));
            at_rest(&budget);
        });
    }
}

#[test]
fn a_call_given_back_as_its_lease_ends_costs_nothing() {
    explore(ALL, || {
        let clock = clock();
        let budget = BudgetManager::builder()
            .limit("", Limit::spend(cents(10)))
            .lease(Duration::from_secs(60))
            .prices(PriceBook::empty())
            .clock(clock.clone())
            .build()
            .sure();
        let hold = budget.reserve("a", &call(4)).sure();
        let looks = budget.clone();
        let time = thread(move || {
            clock.advance(Duration::from_secs(61));
            looks.spent()
        });
        hold.release();
        let spent = time.join();
        assert!(spent.is_zero() || spent == cents(4), "{spent}");
        assert!(budget.spent().is_zero());
        at_rest(&budget);
    });
}

/// Two settle at once, and the second to do so crosses what alone neither does; or each crosses it.
#[test]
fn an_alert_fires_once_whoever_crosses_its_threshold() {
    for (watched, each) in [(false, 3), (true, 3), (false, 6), (true, 6)] {
        explore(ALL, move || {
            let heard = Arc::new(AtomicUsize::new(0));
            let hears = Arc::clone(&heard);
            let budget = BudgetManager::builder()
                .limit("", Limit::spend(cents(20)).alert_at([25]))
                .on_alert(move |alert: &Alert| {
                    assert!(matches!(alert, Alert::Threshold { percent: 25, .. }), "{alert}");
                    hears.fetch_add(1, SeqCst);
                })
                .prices(PriceBook::empty())
                .clock(clock());
            let budget = if watched { budget.observer(Watcher) } else { budget }.build().sure();
            let mine = budget.reserve("a", &call(each)).sure();
            let other = budget.reserve("b", &call(each)).sure();
            let other = thread(move || drop(other.settle_cost(cents(each))));
            drop(mine.settle_cost(cents(each)));
            other.join();
            assert_eq!(heard.load(SeqCst), 1);
            drop(budget.reserve("a", &call(1)).sure().settle_cost(C));
            assert_eq!(heard.load(SeqCst), 1, "and never again");
            at_rest(&budget);
        });
    }
}

#[test]
fn who_freezes_knows_that_no_call_is_admitted_afterwards() {
    for watched in WATCHED {
        explore(ALL, move || {
            let budget = budget(10, watched);
            let account = budget.account("team/a").sure();
            let team = budget.account("team").sure();
            let calling = thread(move || account.reserve(&call(1)).map(|hold| hold.settle_cost(C)));
            team.freeze("enough").sure();
            let refused = budget.reserve("team/b", &call(1));
            assert!(matches!(refused, Err(ReserveError::Frozen { .. })), "{refused:?}");
            let root = budget.report().accounts.remove(0);
            match calling.join() {
                Ok(receipt) => {
                    assert_eq!(budget.spent(), receipt.cost);
                    assert!(root.spent == C || root.held == C, "admitted while frozen");
                }
                Err(ReserveError::Frozen { .. }) => assert!(budget.spent().is_zero()),
                Err(other) => panic!("{other}"),
            }
            at_rest(&budget);
        });
    }
}

#[test]
fn an_inner_call_may_end_before_or_after_the_one_around_it() {
    for (watched, sent) in [(false, true), (true, true), (false, false)] {
        explore(ALL, move || {
            let budget = budget(5, watched);
            let (outer, inner) = (budget.account("team").sure(), budget.account("team/a").sure());
            let outer = outer.reserve(&call(5)).sure();
            let hold = inner.request(call(3)).inside(&outer).reserve().sure();
            if sent {
                outer.mark_sent();
            }
            let ending = thread(move || hold.settle_cost(cents(2)).cost);
            let was_first = inner.spent() == cents(2);
            drop(outer);
            assert_eq!(ending.join(), cents(2));
            assert_eq!(inner.spent(), cents(2));
            // The cent that was left over inside went back to the outer call, if that was there still.
            let spent = budget.spent();
            match (sent, was_first) {
                (true, true) => assert_eq!(spent, cents(5)),
                (true, false) => assert!([cents(5), cents(4)].contains(&spent), "{spent}"),
                (false, _) => assert_eq!(spent, cents(2)),
            }
            at_rest(&budget);
        });
    }
}

#[test]
fn two_inner_calls_never_take_more_than_the_one_around_them_has() {
    for watched in WATCHED {
        explore(3, move || {
            let budget = budget(5, watched);
            let outer = Arc::new(budget.reserve("team", &call(5)).sure());
            let [one, two] = ["team/a", "team/b"].map(|name| {
                let (account, outer) = (budget.account(name).sure(), Arc::clone(&outer));
                thread(move || account.request(call(3)).inside(&outer).reserve())
            });
            let inner = [one.join(), two.join()];
            // The other would need a cent of the whole budget, which has none.
            assert_eq!(inner.iter().flatten().count(), 1, "{inner:?}");
            assert_eq!(budget.held(), cents(5));
            drop((inner, outer));
            at_rest(&budget);
        });
    }
}

#[test]
fn a_run_that_closes_as_its_last_call_ends_leaves_what_it_cost() {
    for watched in WATCHED {
        explore(ALL, move || {
            let budget = budget(10, watched);
            let mut run = budget.account("team").sure().run("task").sure();
            run.set_limit(Limit::spend(cents(5))).sure();
            let hold = run.reserve(&call(4)).sure();
            let ending = thread(move || hold.settle_cost(cents(3)).cost);
            drop(run);
            assert_eq!(ending.join(), cents(3));
            assert_eq!(budget.account("team").sure().spent(), cents(3));
            let left: Vec<_> = budget.report().accounts.into_iter().map(|a| a.account).collect();
            assert!(left.iter().all(|path| !path.as_str().contains("task")), "{left:?}");
            at_rest(&budget);
        });
    }
}
