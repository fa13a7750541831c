//! Tests of several processes on one file: what each sees of the others, and wrong clocks.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar::budget::Builder;
use bursar::clock::{Clock, ManualClock};
use bursar::journal::SqliteJournal;
use bursar::{Alert, BudgetManager, Estimate, Limit, Period, Usd};
use rusqlite::Connection;

use crate::Folder;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn clock_at(time: &str) -> ManualClock {
    ManualClock::at(format!("2026-11-24T{time}Z").parse().unwrap())
}

fn builder(file: &Path, clock: &ManualClock) -> Builder {
    let journal = SqliteJournal::open(file).unwrap();
    BudgetManager::builder().clock(clock.clone()).wait_for_disk(true).journal(journal)
}

fn open(file: &Path, clock: &ManualClock) -> BudgetManager {
    builder(file, clock).build().unwrap()
}

fn spend(budget: &BudgetManager, cents: i64) {
    budget
        .reserve("a", &Estimate::fixed(Usd::cents(cents)))
        .unwrap()
        .settle_cost(Usd::cents(cents));
}

#[test]
fn who_only_reads_sees_what_others_spend() {
    let (folder, clock) = (Folder::new("reads"), clock_at("09:30:00"));
    let file = folder.file("budget.db");
    let (reader, writer) = (open(&file, &clock), open(&file, &clock));
    let eager = builder(&file, &clock).refresh_every(Duration::ZERO).build().unwrap();
    let lazy = builder(&file, &clock).refresh_every(MINUTE).build().unwrap();
    spend(&writer, 7);
    assert_eq!(eager.spent(), Usd::cents(7));
    assert_eq!(reader.spent(), Usd::ZERO, "it was read this second");
    assert_eq!(reader.report().as_of, Some(clock.now()));
    clock.advance(SECOND);
    assert_eq!(reader.report().accounts[0].spent, Usd::cents(7));
    assert_eq!(reader.report().as_of, Some(clock.now()));
    spend(&writer, 2);
    let hold = writer.reserve("a", &Estimate::fixed(Usd::cents(4))).unwrap();
    clock.advance(SECOND);
    assert_eq!((reader.held(), reader.spent()), (Usd::cents(4), Usd::cents(9)));
    hold.release();

    // Beside one who writes, and without waiting for it.
    let other = Connection::open(&file).unwrap();
    spend(&writer, 1);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    clock.advance(SECOND);
    assert_eq!((reader.held(), reader.spent()), (Usd::ZERO, Usd::cents(10)));
    other.execute_batch("ROLLBACK").unwrap();

    assert_eq!(lazy.spent(), Usd::ZERO);
    clock.advance(MINUTE);
    assert_eq!(lazy.spent(), Usd::cents(10));
    assert_eq!(BudgetManager::new(Usd::dollars(1)).unwrap().report().as_of, None);
}

/// What a report is worth while the file cannot be read is written on it.
#[cfg(unix)]
#[test]
fn a_report_says_as_of_when_it_is() {
    let (folder, clock) = (Folder::new("as-of"), clock_at("09:30:00"));
    let file = folder.file("budget.db");
    let (reader, writer) = (open(&file, &clock), open(&file, &clock));
    spend(&writer, 7);
    let read = clock.now();
    fs::rename(&file, folder.file("away.db")).unwrap();
    clock.advance(2 * MINUTE);
    let report = reader.report();
    assert_eq!((report.as_of, report.at), (Some(read), clock.now()));
    assert!(report.to_string().contains("Other processes as of 2026-11-24 09:30"), "{report}");
    fs::rename(folder.file("away.db"), &file).unwrap();
    clock.advance(SECOND);
    let report = reader.report();
    assert_eq!((report.as_of, report.accounts[0].spent), (Some(clock.now()), Usd::cents(7)));
    assert!(!report.to_string().contains("Other processes"), "{report}");
}

/// One process is three hours ahead, and writes once.
#[test]
fn a_clock_that_is_ahead_raises_an_alert_and_ends_no_call_of_others() {
    let (folder, clock) = (Folder::new("ahead"), clock_at("09:30:00"));
    let file = folder.file("budget.db");
    let alerts = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&alerts);
    let here = builder(&file, &clock)
        .limit("", Limit::spend(Usd::dollars(9)).per(Period::DAY))
        .on_alert(move |alert: &Alert| heard.lock().unwrap().push(alert.to_string()))
        .build()
        .unwrap();
    let third = open(&file, &clock);
    let hold = here.reserve("a", &Estimate::fixed(Usd::dollars(2))).unwrap();
    let other = third.reserve("b", &Estimate::fixed(Usd::dollars(1))).unwrap();
    here.flush().unwrap();

    let wrong = clock_at("12:30:00");
    let ahead = open(&file, &wrong);
    spend(&ahead, 1);
    for budget in [&ahead, &here, &third] {
        budget.flush().unwrap();
        assert_eq!((budget.spent(), budget.held()), (Usd::cents(1), Usd::dollars(3)));
    }
    here.flush().unwrap();
    let raised = alerts.lock().unwrap().clone();
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert!(raised[0].contains("last event is of 2026-11-24T12:30:00Z"), "{raised:?}");
    assert!(raised[0].contains("clock of this process says 2026-11-24T09:30:00Z"), "{raised:?}");

    // While a call goes on, at most as long as its lease.
    for budget in [&clock, &wrong] {
        budget.advance(14 * MINUTE);
    }
    for budget in [&ahead, &here, &third] {
        budget.flush().unwrap();
        assert_eq!(budget.held(), Usd::dollars(3));
    }
    hold.settle_cost(Usd::cents(50));
    assert_eq!(here.spent(), Usd::cents(51));
    // What its owner does not end, ends with its lease by whichever clock has watched it so long.
    for budget in [&clock, &wrong] {
        budget.advance(MINUTE);
    }
    ahead.flush().unwrap();
    assert_eq!((ahead.spent(), ahead.held()), (Usd::cents(151), Usd::ZERO));
    here.flush().unwrap();
    assert_eq!((here.spent(), here.held()), (Usd::cents(151), Usd::ZERO));
    // It was never sent, and so costs nothing.
    drop(other);
    third.flush().unwrap();
    here.flush().unwrap();
    assert_eq!((here.spent(), here.held()), (Usd::cents(51), Usd::ZERO));
    assert_eq!(alerts.lock().unwrap().len(), 1);
}

/// A process whose clock is ahead leaves a time that the others have not: calls of their own end by
/// their own clock.
#[test]
fn the_time_that_another_has_written_ends_no_call_here() {
    let (folder, clock) = (Folder::new("written"), clock_at("09:30:00"));
    let file = folder.file("budget.db");
    let here = open(&file, &clock);
    let _hold = here.reserve("a", &Estimate::fixed(Usd::dollars(2))).unwrap();
    let ahead = open(&file, &clock_at("12:30:00"));
    spend(&ahead, 1);
    drop(ahead);
    for minutes in [1, 13] {
        clock.advance(minutes * MINUTE);
        here.flush().unwrap();
        assert_eq!(here.held(), Usd::dollars(2));
    }
    clock.advance(MINUTE);
    here.flush().unwrap();
    assert_eq!((here.held(), here.spent()), (Usd::ZERO, Usd::cents(201)));
}

/// A process that has died is recognised by its lock, without waiting for its leases.
#[cfg(target_os = "linux")]
#[test]
fn the_calls_of_a_process_that_died_end_when_their_leases_do() {
    let (folder, clock) = (Folder::new("died"), clock_at("09:30:00"));
    let file = folder.file("budget.db");
    let owner = open(&file, &clock);
    let _hold = owner.reserve("a", &Estimate::fixed(Usd::dollars(2))).unwrap();
    let copy = folder.file("copy.db");
    for end in ["", "-wal"] {
        let name = |file: &Path| format!("{}{end}", file.display());
        fs::copy(name(&file), name(&copy)).unwrap();
    }
    clock.advance(15 * MINUTE);
    // Two at once: neither knows that it is not the other's.
    let (one, two) = (open(&copy, &clock), open(&copy, &clock));
    one.flush().unwrap();
    assert_eq!((one.held(), one.spent()), (Usd::dollars(2), Usd::ZERO));
    drop(two);
    one.flush().unwrap();
    assert_eq!(
        (one.held(), one.spent()),
        (Usd::dollars(2), Usd::ZERO),
        "it is looked at each second"
    );
    clock.advance(SECOND);
    one.flush().unwrap();
    assert_eq!((one.held(), one.spent()), (Usd::ZERO, Usd::dollars(2)));
}
