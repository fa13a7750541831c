//! Several managers on one file, as several processes would have them.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use bursar::budget::{LostCall, Waiting};
use bursar::clock::ManualClock;
use bursar::journal::SqliteJournal;
use bursar::{Alert, BudgetManager, Estimate, Limit, Period, Reservation, Usd};

use crate::Folder;

fn cents(cents: i64) -> Estimate {
    Estimate::fixed(Usd::cents(cents))
}

/// Polls until it is done: another thread is about to answer.
fn answer(waiting: &mut Pin<Box<Waiting>>) -> Reservation {
    let done = (0..10_000_000).find_map(|_| {
        thread::yield_now();
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    });
    done.expect("an answer").unwrap()
}

#[test]
fn a_limit_is_shared_to_the_cent_and_each_alert_comes_once() {
    let folder = Folder::new("shared");
    let alerts = Arc::new(Mutex::new(Vec::new()));
    let open = || {
        let heard = Arc::clone(&alerts);
        BudgetManager::builder()
            .limit("", Limit::spend(Usd::dollars(3)).alert_at([25, 50, 75, 100]))
            .clock(ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap()))
            .on_alert(move |alert: &Alert| heard.lock().unwrap().push(alert.to_string()))
            .wait_for_disk(true)
            .journal(SqliteJournal::open(folder.file("budget.db")).unwrap())
            .build()
            .unwrap()
    };
    let budgets = [open(), open(), open()];
    thread::scope(|scope| {
        for budget in &budgets {
            for worker in 0..3 {
                scope.spawn(move || {
                    let account = budget.account(&format!("team/{worker}")).unwrap();
                    while let Ok(hold) = account.reserve(&Estimate::fixed(Usd::cents(2))) {
                        hold.settle_cost(Usd::cents(1));
                    }
                });
            }
        }
    });
    let mut seen = alerts.lock().unwrap().clone();
    seen.sort();
    let all = seen.len();
    seen.dedup();
    assert_eq!((all, seen.len()), (3, 3), "{seen:?}");
    for budget in &budgets {
        budget.flush().unwrap();
        // The last cent is too little for a call of two.
        assert_eq!((budget.spent(), budget.held()), (Usd::cents(299), Usd::ZERO));
    }
    let reports: Vec<_> = budgets.iter().map(|budget| budget.report().accounts).collect();
    assert!(reports.iter().all(|report| *report == reports[0]));
}

/// In each process those who wait stand in line, and its first looks again when the other has written,
/// at the latest after a second. Between the processes there is no line.
#[test]
fn two_processes_have_a_line_each() {
    let (folder, clock) =
        (Folder::new("lines"), ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap()));
    let open = || {
        BudgetManager::builder()
            .limit("", Limit::spend(Usd::cents(10)))
            .clock(clock.clone())
            .wait_for_disk(true)
            .journal(SqliteJournal::open(folder.file("budget.db")).unwrap())
            .build()
            .unwrap()
    };
    let (here, there) = (open(), open());
    let hold = there.reserve("x", &cents(9)).unwrap();
    let wait = |budget: &BudgetManager, amount| {
        let account = budget.account("a").unwrap();
        let mut waiting = Box::pin(account.request(cents(amount)).wait(Duration::from_secs(3_600)));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        budget.flush().unwrap();
        waiting
    };
    let (mut first, mut second) = (wait(&here, 6), wait(&here, 2));
    let mut over_there = wait(&there, 3);
    assert_eq!((here.waiting(), there.waiting()), (2, 1));
    // Ten cents, nine held: one cent is for nobody who comes after those who wait.
    assert!(here.reserve("a", &cents(1)).unwrap_err().queued().is_some());
    assert!(!here.can_afford("a", &cents(1)));

    // Room there goes to the line there; the first here would fit no more.
    hold.settle_cost(Usd::cents(1));
    let third = answer(&mut over_there);
    assert_eq!(there.held(), Usd::cents(3));
    clock.advance(Duration::from_secs(1)); // the line here looks again
    let first = answer(&mut first);
    here.flush().unwrap();
    assert_eq!((here.held(), here.waiting()), (Usd::cents(9), 1));
    third.release();
    here.flush().unwrap(); // any transaction here sees what the other has written
    let second = answer(&mut second);
    assert_eq!(here.held(), Usd::cents(8));
    drop((first, second));
    here.flush().unwrap();
    there.flush().unwrap();
    assert_eq!((there.held(), there.spent(), here.waiting()), (Usd::ZERO, Usd::cents(1), 0));
}

/// A call that outlives its lease, beside a process whose policy gives back: the truth is booked all the
/// same, in the day of the call, once, and though that process has started anew in between.
#[test]
fn a_late_word_is_booked_though_another_process_has_given_the_hold_back() {
    let (folder, clock) =
        (Folder::new("lapsed"), ManualClock::at("2026-11-24T23:30:00Z".parse().unwrap()));
    let alerts = Arc::new(Mutex::new(Vec::new()));
    let open = |lost| {
        let heard = Arc::clone(&alerts);
        BudgetManager::builder()
            .limit("", Limit::spend(Usd::dollars(2)).per(Period::DAY))
            .clock(clock.clone())
            .on_lost_call(lost)
            .on_alert(move |alert: &Alert| heard.lock().unwrap().push(alert.to_string()))
            .wait_for_disk(true)
            .journal(SqliteJournal::open(folder.file("budget.db")).unwrap())
            .build()
            .unwrap()
    };
    let (here, there) = (open(LostCall::ChargeHold), open(LostCall::Release));
    // The other process sees it, and from then on watches it.
    let call = |there: &BudgetManager| {
        let hold = here.reserve("a/b", &Estimate::fixed(Usd::dollars(2))).unwrap();
        hold.mark_sent();
        there.flush().unwrap();
        hold
    };
    let settled = call(&there);
    clock.advance(Duration::from_secs(15 * 60));
    there.flush().unwrap();
    assert_eq!((there.spent(), there.held()), (Usd::ZERO, Usd::ZERO));
    let told = "a call of `a/b` that had been sent was released, $2.00 uncharged: its lease has ended \
                without a word of it";
    assert_eq!(*alerts.lock().unwrap(), [told]);
    drop(there);
    clock.advance(Duration::from_secs(86_400));
    let there = open(LostCall::Release);

    assert_eq!(settled.settle_cost(Usd::dollars(3)).cost, Usd::dollars(3));
    for budget in [&here, &there, &open(LostCall::ChargeHold)] {
        budget.flush().unwrap();
        assert_eq!((budget.spent(), budget.held()), (Usd::dollars(3), Usd::ZERO));
        let limit = &budget.report().limits[0];
        assert_eq!(limit.spent, Usd::ZERO.into(), "it is yesterday's");
    }

    // Lost, after it was given back: the policy of the process that lost it.
    let lost = call(&there);
    clock.advance(Duration::from_secs(15 * 60));
    there.flush().unwrap();
    assert_eq!(there.held(), Usd::ZERO);
    drop(lost);
    here.flush().unwrap();
    assert_eq!((here.spent(), here.held()), (Usd::dollars(5), Usd::ZERO));
    // Never sent, after all.
    clock.advance(Duration::from_secs(86_400));
    let unsent = here.reserve("a", &Estimate::fixed(Usd::dollars(1))).unwrap();
    there.flush().unwrap();
    clock.advance(Duration::from_secs(15 * 60));
    there.flush().unwrap();
    assert_eq!(there.held(), Usd::ZERO);
    unsent.release();
    assert_eq!((here.spent(), here.held()), (Usd::dollars(5), Usd::ZERO));
    drop((here, there));
    let again = open(LostCall::ChargeHold);
    assert_eq!((again.spent(), again.held()), (Usd::dollars(5), Usd::ZERO));
    let file = rusqlite::Connection::open(folder.file("budget.db")).unwrap();
    let kinds = "SELECT group_concat(kind || ' ' || cost, ', ') FROM charges";
    let lines: String = file.query_row(kinds, [], |row| row.get(0)).unwrap();
    assert_eq!(lines, "settled 3, settled 2");
}

/// Whoever crossed a threshold has told of it: not those who read of it later, few events or many.
#[test]
fn what_another_has_told_is_not_told_again() {
    for calls in [60, 700] {
        let folder = Folder::new(&format!("told-{calls}"));
        let open = |alerts: &Arc<Mutex<Vec<String>>>| {
            let heard = Arc::clone(alerts);
            BudgetManager::builder()
                .limit("", Limit::spend(Usd::cents(calls)).alert_at([50]))
                .clock(ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap()))
                .on_alert(move |alert: &Alert| heard.lock().unwrap().push(alert.to_string()))
                .wait_for_disk(true)
                .journal(SqliteJournal::open(folder.file("budget.db")).unwrap())
                .build()
                .unwrap()
        };
        let (here, there) = (Arc::default(), Arc::default());
        let (idle, busy) = (open(&here), open(&there));
        for _ in 0..calls - 1 {
            let hold = busy.reserve("a", &Estimate::fixed(Usd::cents(1))).unwrap();
            hold.settle_cost(Usd::cents(1));
        }
        assert_eq!(there.lock().unwrap().len(), 1);
        idle.reserve("a", &Estimate::fixed(Usd::cents(1))).unwrap().release();
        assert_eq!(idle.spent(), Usd::cents(calls - 1));
        assert_eq!(*here.lock().unwrap(), Vec::<String>::new(), "{calls}");
    }
}
