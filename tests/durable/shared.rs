//! Owns several managers on one file, as several processes would have them.

use std::sync::{Arc, Mutex};
use std::thread;

use bursar::clock::ManualClock;
use bursar::journal::SqliteJournal;
use bursar::{Alert, BudgetManager, Estimate, Limit, Usd};

use crate::Folder;

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
