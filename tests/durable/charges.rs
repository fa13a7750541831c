//! Tests of [`Charges`](bursar::journal::Charges), and of the corrections that it shows after a restart.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar::budget::{Correction, InvalidCall, RecordError};
use bursar::clock::{Clock, ManualClock};
use bursar::journal::{Charges, SqliteJournal};
use bursar::ledger::PostingKind;
use bursar::{BudgetManager, Estimate, Limit, Period, Usage, Usd};
use rusqlite::Connection;

use crate::{Folder, open};

fn clock() -> ManualClock {
    ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap())
}

fn charges(folder: &Folder) -> Charges {
    Charges::open(folder.file("budget.db")).unwrap()
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

#[test]
fn a_range_of_time_is_that_of_the_calls() {
    let (folder, clock) = (Folder::new("range"), clock());
    let budget = open(&folder, &clock);
    // One charge of each kind, the last three of them booked when the lease has ended.
    budget.reserve("a", &Estimate::fixed(Usd::cents(7))).unwrap().settle_cost(Usd::cents(3));
    clock.advance(Duration::from_secs(86_400));
    let luna = budget.model("gpt-6-luna").unwrap();
    budget.account("a").unwrap().record(Usage::tokens(10, 5)).model(&luna).book().unwrap();
    let late = budget.reserve("a", &Estimate::fixed(Usd::cents(7))).unwrap();
    late.mark_sent();
    clock.advance(Duration::from_secs(3_600));
    budget.report();
    late.settle_cost(Usd::cents(3));
    budget.adjust("a", Usd::cents(1), clock.now(), "why").unwrap();
    budget.flush().unwrap();
    let between = |from: &str, until: &str| {
        let (from, until) = (from.parse().unwrap(), until.parse().unwrap());
        let kinds =
            charges(&folder).between(from, until).map(|charge| charge.unwrap().kind.as_str());
        kinds.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(between("2026-11-24T09:30:00Z", "2026-11-25T09:30:00Z"), "settled");
    let late = "expired reversed settled"; // booked an hour later, and made before
    assert_eq!(between("2026-11-25T09:30:00Z", "2026-11-25T10:00:00Z"), format!("recorded {late}"));
    assert_eq!(between("2026-11-25T10:30:00Z", "2027-01-01T00:00:00Z"), "adjusted");
    assert_eq!(between("2026-11-25T10:30:00.000001Z", "2027-01-01T00:00:00Z"), "");
    let ends = bursar::clock::Timestamp::MIN..bursar::clock::Timestamp::MAX;
    assert_eq!(charges(&folder).between(ends.start, ends.end).count(), 6);
}

#[test]
fn a_file_in_use_is_read_as_it_was_and_not_changed() {
    let (folder, clock) = (Folder::new("in-use"), clock());
    let budget = open(&folder, &clock);
    let charge = |times| {
        for _ in 0..times {
            budget
                .reserve("a", &Estimate::fixed(Usd::cents(2)))
                .unwrap()
                .settle_cost(Usd::cents(1));
        }
    };
    charge(700);
    let mut reading = charges(&folder);
    let first = reading.next().unwrap().unwrap();
    assert_eq!((first.kind, first.cost), (PostingKind::Settled, Usd::cents(1).pico()));
    charge(50); // the budget does not wait for whoever reads
    assert_eq!(reading.map(Result::unwrap).count(), 699, "more than one page, and nothing newer");
    assert_eq!(charges(&folder).count(), 750);
    drop(budget);

    let file = folder.file("budget.db");
    let before = fs::read(&file).unwrap();
    assert_eq!(charges(&folder).count(), 750);
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn what_cannot_be_read_is_explained() {
    let (folder, clock) = (Folder::new("unread"), clock());
    drop(open(&folder, &clock).adjust("a", Usd::cents(1), clock.now(), "why"));
    let told = |name: &str| Charges::open(folder.file(name)).unwrap_err().to_string();
    assert!(told("none.db").contains("there is no"), "{}", told("none.db"));
    assert!(!folder.file("none.db").exists(), "and none is made");
    fs::write(folder.file("notes.txt"), "no database ".repeat(200)).unwrap();
    assert!(told("notes.txt").contains("it is no SQLite database"), "{}", told("notes.txt"));
    Connection::open(folder.file("other.db")).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    assert!(told("other.db").contains("database of something else"), "{}", told("other.db"));

    let change = |text: &str| {
        Connection::open(folder.file("budget.db")).unwrap().execute_batch(text).unwrap();
    };
    change("UPDATE charges SET cost = 'much'");
    let mut broken = charges(&folder);
    let error = broken.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("the charge with the id 1 is not what was written: `much`"), "{error}");
    assert!(broken.next().is_none(), "nothing after an error");
    change("UPDATE charges SET cost = '1', kind = 'guessed'");
    let error = charges(&folder).next().unwrap().unwrap_err().to_string();
    assert!(error.contains("`guessed` is no kind of charge"), "{error}");
    change("UPDATE meta SET value = 99 WHERE name = 'schema'");
    assert!(told("budget.db").contains("was written by a newer bursar"), "{}", told("budget.db"));
}

/// A correction over a limit is booked all the same (law 3), told once, and stops calls until there is room.
#[test]
fn a_correction_over_a_limit_is_booked_and_refuses_calls_until_there_is_room() {
    let (folder, clock) = (Folder::new("over"), clock());
    let alerts = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&alerts);
    let budget = BudgetManager::builder()
        .limit("acme", Limit::spend(Usd::dollars(1)).per(Period::DAY))
        .limit("user:*", Limit::spend(Usd::dollars(5)))
        .limit("", Limit::spend(Usd::dollars(9)).only_model("openai/*"))
        .clock(clock.clone())
        .on_alert(move |alert: &bursar::Alert| heard.lock().unwrap().push(alert.to_string()))
        .wait_for_disk(true)
        .journal(SqliteJournal::open(folder.file("budget.db")).unwrap())
        .build()
        .unwrap();
    let call = || budget.reserve("acme", &Estimate::fixed(Usd::cents(50)));
    call().unwrap().settle_cost(Usd::cents(40));
    let yesterday = "2026-11-23T12:00:00Z".parse().unwrap();
    budget.adjust("acme", Usd::dollars(3), yesterday, "the window is closed").unwrap();
    assert!(call().is_ok(), "what is about yesterday does not stand in the way today");
    assert!(alerts.lock().unwrap().is_empty(), "{alerts:?}");

    let correction = Correction::new(Usd::dollars(2)).model("openai/gpt-6-luna").tag("user:42");
    budget.adjust("acme", correction, clock.now(), "invoice 17").unwrap();
    assert_eq!(alerts.lock().unwrap().len(), 1, "{alerts:?}");
    assert!(alerts.lock().unwrap()[0].contains("acme"), "{alerts:?}");
    let denied = call().unwrap_err();
    assert!(denied.to_string().contains("$2.40 spent"), "{denied}");
    let report = budget.report();
    assert_eq!(report.account("user:42").unwrap().spent, Usd::dollars(2));
    assert_eq!(report.account("acme").unwrap().spent, usd("5.40"));
    let filtered = report.limits.iter().find(|limit| limit.only_model.is_some()).unwrap();
    assert_eq!(filtered.spent, Usd::dollars(2).into(), "a limit on the model counts it");

    budget.adjust("acme", usd("-1.50"), clock.now(), "invoice 18 takes back").unwrap();
    assert!(call().is_err(), "$0.90 of $1.00 is spent");
    budget.adjust("acme", usd("-0.40"), clock.now(), "and again").unwrap();
    assert!(call().is_ok(), "there is room again");

    // All of it after a restart.
    drop(budget);
    let budget = open(&folder, &clock);
    assert_eq!(budget.report().account("acme").unwrap().spent, usd("3.50"));
    let reasons: Vec<String> = charges(&folder)
        .filter_map(|charge| charge.unwrap().why.map(|why| why.to_string()))
        .collect();
    assert_eq!(
        reasons,
        ["the window is closed", "invoice 17", "invoice 18 takes back", "and again"]
    );
}

#[test]
fn a_correction_that_cannot_be_is_refused_and_changes_nothing() {
    let (folder, clock) = (Folder::new("refused"), clock());
    let budget = open(&folder, &clock);
    budget.adjust("acme", Usd::dollars(2), clock.now(), "first").unwrap();
    budget.adjust("acme/crawler", Usd::dollars(1), clock.now(), "below").unwrap();
    let refused = |account: &str, correction: Correction| {
        budget.adjust(account, correction, clock.now(), "no").unwrap_err()
    };
    let impossible = RecordError::Invalid(InvalidCall::Impossible);
    assert_eq!(refused("acme/crawler", Correction::new(usd("-1.01"))), impossible);
    assert_eq!(
        refused("acme", Correction::new(usd("-1")).tag("user:42")),
        impossible,
        "the tag has nothing"
    );
    assert_eq!(refused("acme", Correction::new(Usd::MAX)), impossible);
    let two_of_a_tree = Correction::new(Usd::cents(1)).tag("user:1").tag("user:2");
    assert_eq!(refused("acme", two_of_a_tree), RecordError::Invalid(InvalidCall::Tags));
    let tags = ["a:1", "b:1", "c:1", "d:1", "e:1"];
    let five = tags.iter().fold(Correction::new(Usd::cents(1)), |c, tag| c.tag(tag));
    assert_eq!(refused("acme", five), RecordError::Invalid(InvalidCall::Tags));
    assert!(matches!(refused("user:42", Usd::cents(1).into()), RecordError::Account(_)));
    assert!(matches!(
        refused("acme", Correction::new(Usd::cents(1)).tag("acme")),
        RecordError::Account(_)
    ));
    assert_eq!((budget.spent(), charges(&folder).count()), (Usd::dollars(3), 2));
    budget
        .adjust("acme", Usd::dollars(-3), clock.now(), "down to nothing, of all below it")
        .unwrap();
    assert_eq!(budget.spent(), Usd::ZERO);
}
