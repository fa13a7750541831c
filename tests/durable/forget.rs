//! Tests of `Tag::forget` with a journal: after a restart, and what the file still has.

use std::time::Duration;

use bursar::clock::ManualClock;
use bursar::journal::{Journal, SqliteJournal};
use bursar::{BudgetManager, Estimate, Limit, Usd};
use rusqlite::Connection;

use crate::Folder;

fn open(folder: &Folder, clock: &ManualClock) -> BudgetManager {
    let journal = SqliteJournal::options().keep_charges(Duration::from_secs(30 * 86_400));
    BudgetManager::builder()
        .limit("user:", Limit::spend(Usd::dollars(10)))
        .limit("user:*", Limit::spend(Usd::dollars(3)))
        .clock(clock.clone())
        .wait_for_disk(true)
        .journal(journal.open(folder.file("budget.db")).unwrap())
        .build()
        .unwrap()
}

/// The manager makes a snapshot after ten thousand events at the earliest: here one is made at once.
fn snapshot(folder: &Folder) {
    let options = SqliteJournal::options().keep_charges(Duration::from_secs(30 * 86_400));
    let mut journal = options.open(folder.file("budget.db")).unwrap();
    let news = journal.begin(0).unwrap();
    let mut ledger = news.snapshot.unwrap_or_default();
    news.events.iter().for_each(|event| ledger.apply(event));
    journal.keep(&ledger).unwrap();
    journal.commit().unwrap();
}

/// In how many rows of each table the name stands.
fn rows_with_ada(folder: &Folder) -> [u32; 3] {
    let file = Connection::open(folder.file("budget.db")).unwrap();
    let count = |table: &str, column: &str| {
        let ask = format!("SELECT count(*) FROM {table} WHERE {column} LIKE '%ada%'");
        file.query_row(&ask, [], |row| row.get(0)).unwrap()
    };
    [count("events", "event"), count("snapshots", "ledger"), count("charges", "tags")]
}

#[test]
fn a_tag_is_forgotten_over_a_restart_and_in_the_end_in_the_file() {
    let folder = Folder::new("forget");
    let clock = ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap());
    let budget = open(&folder, &clock);
    let (support, ada) =
        (budget.account("support").unwrap(), budget.tag_for("user", "ada").unwrap());
    ada.set_limit(Limit::requests(10)).unwrap();
    let fixed = |cents| Estimate::fixed(Usd::cents(cents));
    support.request(fixed(7)).tag(&ada).reserve().unwrap().settle_cost(Usd::cents(5));
    let hold = support.request(fixed(7)).tag(&ada).reserve().unwrap();
    assert!(ada.forget().is_err(), "a call is under way");
    hold.settle_cost(Usd::cents(6));
    ada.forget().unwrap();
    let before = budget.report();
    drop((budget, support, ada));

    let budget = open(&folder, &clock);
    let after = budget.report();
    assert_eq!((&after.tags, &after.limits), (&before.tags, &before.limits));
    assert_eq!(after.account("user:").unwrap().spent, Usd::cents(11));
    assert!(!serde_json::to_string(&after).unwrap().contains("ada"));

    // What the documentation of `Tag::forget` says of the file.
    assert!(rows_with_ada(&folder)[0] > 0, "the history names it");
    for _ in 0..2 {
        drop(budget.reserve("support", &fixed(1)).unwrap());
        budget.flush().unwrap();
        snapshot(&folder);
    }
    assert_eq!(rows_with_ada(&folder), [0, 0, 2], "two snapshots later it does not");
    clock.advance(Duration::from_secs(31 * 86_400));
    drop(budget.reserve("support", &fixed(1)).unwrap());
    budget.flush().unwrap();
    snapshot(&folder);
    assert_eq!(rows_with_ada(&folder), [0; 3], "a month later the charges are gone");
    assert_eq!(budget.report().account("user:").unwrap().spent, Usd::cents(11));
    assert_eq!(SqliteJournal::verify(folder.file("budget.db")).unwrap().charges, 0);

    // The lines go on after the number of the last one that was forgotten, and none may be missing.
    budget.reserve("support", &fixed(1)).unwrap().settle_cost(Usd::cents(1));
    budget.reserve("support", &fixed(1)).unwrap().settle_cost(Usd::cents(1));
    budget.flush().unwrap();
    assert_eq!(SqliteJournal::verify(folder.file("budget.db")).unwrap().charges, 2);
    let file = Connection::open(folder.file("budget.db")).unwrap();
    let first = file.query_row("SELECT min(id) FROM charges", [], |row| row.get::<_, i64>(0));
    assert_eq!(first, Ok(3));
    file.execute("DELETE FROM charges WHERE id = 3", []).unwrap();
    let error = SqliteJournal::verify(folder.file("budget.db")).unwrap_err().to_string();
    assert!(error.contains("the charge with the id 3 is not there"), "{error}");
}
