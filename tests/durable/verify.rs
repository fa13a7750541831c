//! Looking through a whole file, and opening one whose snapshots or first events are damaged.

use std::fs;
use std::path::{Path, PathBuf};

use bursar::clock::Timestamp;
use bursar::journal::{Journal, SqliteJournal, SqliteOptions};
use bursar::ledger::{AccountId, Booking, Change, Command, Ledger, Reserve, Settle};
use bursar::{Usd, journal::JournalError};
use rusqlite::Connection;
use std::time::Duration;

use crate::Folder;

/// A file of 60 calls, 120 events, with snapshots after 40 and 80: the manager makes them far more
/// rarely.
fn make(folder: &Folder) -> PathBuf {
    make_with(folder, SqliteJournal::options())
}

/// The same, each call an hour after the one before.
fn make_with(folder: &Folder, options: SqliteOptions) -> PathBuf {
    let file = folder.file("whole.db");
    let mut journal = options.open(&file).unwrap();
    let mut ledger = Ledger::new();
    ledger.keep_entries(true);
    for call in 1..=60 {
        let now = Timestamp::from_secs(1_790_000_000 + 3_600 * call);
        journal.begin(ledger.events()).unwrap();
        let first = ledger.events() + 1;
        let reserve = Command::Reserve(Reserve::fixed(AccountId::ROOT, Usd::cents(2)));
        let Change::Reserved(held) = ledger.execute(now, &reserve).unwrap().change else {
            unreachable!()
        };
        let cost = Booking::Exactly(Usd::cents(1).pico());
        ledger.execute(now, &Command::Settle(Settle::cost(held.hold, cost))).unwrap();
        journal.append(first, &ledger.take_entries()).unwrap();
        if [20, 40].contains(&call) {
            journal.keep(&ledger).unwrap();
        }
        journal.commit().unwrap();
    }
    drop(journal);
    file
}

fn change(file: &Path, sql: &str) {
    assert_eq!(Connection::open(file).unwrap().execute(sql, []).unwrap(), 1, "{sql}");
}

/// The ledger that opening gives.
fn read(file: &Path) -> Result<Ledger, JournalError> {
    let mut journal = SqliteJournal::open(file)?;
    let news = journal.begin(0)?;
    let mut ledger = news.snapshot.unwrap_or_default();
    news.events.iter().for_each(|event| ledger.apply(event));
    Ok(ledger)
}

#[test]
fn a_whole_file_is_said_to_be_whole_while_it_is_in_use() {
    let folder = Folder::new("whole");
    let file = make(&folder);
    let _writer = SqliteJournal::open(&file).unwrap();
    let found = SqliteJournal::verify(&file).unwrap();
    assert_eq!((found.events, found.replayed, found.snapshots, found.charges), (120, 80, 2, 60));
    assert_eq!(
        found.to_string(),
        "whole: 120 events up to 2026-09-24T02:13:20Z, 80 of them kept and made again, 2 snapshots, \
         60 lines of charges"
    );
    assert!(!folder.file("none.db").exists());
    assert!(
        SqliteJournal::verify(folder.file("none.db")).unwrap_err().to_string().contains("no /")
    );
    assert!(!folder.file("none.db").exists());
}

/// What each damage does to opening, which needs only the newest snapshot and what comes after it, and
/// what looking through says of it.
#[test]
fn damage_before_the_newest_snapshot_is_found_by_looking() {
    let folder = Folder::new("verify");
    let whole = make(&folder);
    let file = folder.file("damaged.db");
    let is_whole = read(&whole).unwrap();
    let event = "UPDATE events SET event = replace(event, '10000000000', '90000000000')";
    let snapshot = "UPDATE snapshots SET ledger = replace(ledger,";
    for (sql, opens, says) in [
        (format!("{event} WHERE number = 50"), true, "event 50 is not what was written"),
        ("DELETE FROM events WHERE number = 70".into(), true, "event 71 is not what was written"),
        ("DELETE FROM events WHERE number = 41".into(), true, "event 42 is not what was written"),
        (format!("{event} WHERE number = 90"), false, "event 90 is not what was written"),
        ("DELETE FROM events WHERE number = 81".into(), false, "event 82 is not what was written"),
        (
            "DELETE FROM events WHERE number = 100".into(),
            false,
            "event 101 is not what was written",
        ),
        ("DELETE FROM events WHERE number = 120".into(), false, "it has charges of event 120"),
        (
            format!("{snapshot} '200000000000', '300000000000') WHERE number = 40"),
            true,
            "snapshot 40 is not what was written",
        ),
        // The older one stands in for it.
        (
            format!("{snapshot} '400000000000', '500000000000') WHERE number = 80"),
            true,
            "snapshot 80 is not what was written",
        ),
        ("UPDATE snapshots SET number = 81 WHERE number = 80".into(), true, "snapshot 81 is not"),
    ] {
        fs::copy(&whole, &file).unwrap();
        change(&file, &sql);
        match read(&file) {
            Ok(ledger) => assert!(opens && ledger == is_whole, "{sql}"),
            Err(error) => assert!(!opens && error.to_string().contains(says), "{sql}: {error}"),
        }
        let found = SqliteJournal::verify(&file).unwrap_err().to_string();
        assert!(found.contains(says), "{sql}: {found}");
    }
}

/// What a person or a disk does to a line of `charges`, of an event that is kept and of one that is
/// forgotten: each column, and lines more or less.
#[test]
fn a_line_of_charges_is_what_was_written() {
    let folder = Folder::new("lines");
    let whole = make(&folder);
    let file = folder.file("altered.db");
    let columns: Vec<(String, String)> = {
        let connection = Connection::open(&whole).unwrap();
        let mut ask =
            connection.prepare("SELECT name, type FROM pragma_table_info('charges')").unwrap();
        ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    assert!(columns.len() >= 25, "{columns:?}");
    let mut changes = Vec::new();
    for (column, kind) in &columns {
        for id in [5, 55] {
            let value = match (&**column, &**kind) {
                ("id", _) => "1000".to_owned(),
                ("cost", _) => "'0.02'".to_owned(),
                ("at" | "reserved_at", _) => format!("replace({column}, '2026', '2025')"),
                (_, "INTEGER") => format!("{column} + 1"),
                _ => format!("coalesce({column}, '') || 'x'"),
            };
            changes.push((format!("UPDATE charges SET {column} = {value} WHERE id = {id}"), id));
        }
    }
    for id in [5, 55] {
        changes.push((format!("UPDATE charges SET seal = NULL WHERE id = {id}"), id));
    }
    for id in [1, 5, 20, 21, 55, 60] {
        changes.push((format!("DELETE FROM charges WHERE id = {id}"), id));
    }
    let others = columns.iter().map(|(name, _)| &**name).filter(|name| *name != "id");
    let others = others.collect::<Vec<_>>().join(", ");
    let double = |to| {
        format!(
            "INSERT INTO charges (id, {others}) SELECT {to}, {others} FROM charges WHERE id = 60"
        )
    };
    changes.extend([(double(61), 61), (double(0), 0)]);
    for (sql, id) in changes {
        fs::copy(&whole, &file).unwrap();
        change(&file, &sql);
        let found = SqliteJournal::verify(&file).unwrap_err().to_string();
        let says = [format!("the charge with the id {id} is not"), "what event 120 charged".into()];
        let says =
            says.iter().any(|says| found.contains(says)) || found.contains("the id 1 is not there");
        assert!(says && found.contains("is damaged: "), "{sql}: {found}");
    }
    // All lines at once.
    fs::copy(&whole, &file).unwrap();
    Connection::open(&file).unwrap().execute_batch("DELETE FROM charges").unwrap();
    let found = SqliteJournal::verify(&file).unwrap_err().to_string();
    assert!(found.contains("what event 42 charged is not there"), "{found}");
    assert!(SqliteJournal::verify(&whole).is_ok());
}

/// Events and a snapshot that are each what was written, of two ledgers that are not one.
#[test]
fn a_snapshot_of_another_ledger_is_found() {
    let folder = Folder::new("grafted");
    let file = make(&folder);
    let other = Folder::new("graft");
    let other = make(&other);
    // Another history of as many events.
    let mut ledger = Ledger::new();
    ledger.keep_entries(true);
    for _ in 0..40 {
        let hold = Command::Reserve(Reserve::fixed(AccountId::ROOT, Usd::cents(1)));
        ledger.execute(Timestamp::from_secs(1_790_000_000), &hold).unwrap();
        ledger.execute(Timestamp::from_secs(1_790_000_000), &hold).unwrap();
    }
    fs::remove_file(&other).unwrap();
    let mut journal = SqliteJournal::open(&other).unwrap();
    journal.begin(0).unwrap();
    journal.append(1, &ledger.take_entries()).unwrap();
    journal.keep(&ledger).unwrap();
    journal.commit().unwrap();
    let graft = format!(
        "ATTACH '{}' AS other; INSERT OR REPLACE INTO snapshots SELECT * FROM other.snapshots",
        other.display()
    );
    Connection::open(&file).unwrap().execute_batch(&graft).unwrap();
    let found = SqliteJournal::verify(&file).unwrap_err().to_string();
    assert!(found.contains("the snapshot after event 80 is not what the events make"), "{found}");
}

#[test]
fn a_page_of_old_charges_is_found_by_looking() {
    let folder = Folder::new("page");
    let file = make(&folder);
    let mut bytes = fs::read(&file).unwrap();
    let connection = Connection::open(&file).unwrap();
    let page = "SELECT pageno FROM dbstat WHERE name = 'charges' AND pagetype = 'leaf' LIMIT 1";
    let page = match connection.query_row(page, [], |row| row.get::<_, i64>(0)) {
        Ok(page) => usize::try_from(page).unwrap(),
        Err(error) => return eprintln!("SKIPPED: this SQLite has no dbstat ({error})"),
    };
    drop(connection);
    bytes[(page - 1) * 4_096..page * 4_096].fill(0xA5);
    fs::write(&file, bytes).unwrap();
    assert!(read(&file).is_ok());
    let found = SqliteJournal::verify(&file).unwrap_err().to_string();
    assert!(found.contains("is damaged: "), "{found}");
}

/// Lines of charges are forgotten when a snapshot is made; what they came to is not.
#[test]
fn old_charges_are_forgotten_if_they_are_to_be() {
    let hours =
        |hours: u64| SqliteJournal::options().keep_charges(Duration::from_secs(3_600 * hours));
    // The last snapshot comes after the 40th call: then the 30th is ten hours old.
    for (name, options, left) in [
        ("ten", hours(10), 31),
        ("hundred", hours(100), 60),
        ("ordinary", SqliteJournal::options(), 60),
        ("all", hours(1).keep_all_charges(), 60),
        ("ever", SqliteJournal::options().keep_charges(Duration::MAX), 60),
    ] {
        let folder = Folder::new(name);
        let file = make_with(&folder, options);
        let found = SqliteJournal::verify(&file).unwrap();
        assert_eq!((found.events, found.charges), (120, left), "{name}");
        let spent = read(&file).unwrap().account(AccountId::ROOT).unwrap().balance.spent;
        assert_eq!(spent, Usd::cents(60).pico(), "{name}");
        let oldest = "SELECT min(id) FROM charges";
        let oldest = Connection::open(&file).unwrap().query_row(oldest, [], |row| row.get(0));
        assert_eq!(oldest, Ok(61 - i64::try_from(left).unwrap()), "{name}");
    }
}

/// A copy of an hour ago, written over the file in place: the process knows more than the file.
#[test]
fn a_file_that_ends_before_what_was_seen_is_not_gone_on_with() {
    let folder = Folder::new("older");
    let file = make(&folder);
    let mut journal = SqliteJournal::open(&file).unwrap();
    let error = journal.begin(200).unwrap_err().to_string();
    assert!(error.contains("it ends at event 120, and this process has seen 200"), "{error}");
    assert!(error.contains("restart the process"), "{error}");
    assert!(journal.begin(120).unwrap().events.is_empty(), "nothing was left open");
}

/// Looking changes nothing, and takes nothing for a ledger that is none.
#[test]
fn an_empty_file_is_not_whole_and_stays_empty() {
    let folder = Folder::new("empty");
    let file = folder.file("empty.db");
    fs::write(&file, "").unwrap();
    let error = SqliteJournal::verify(&file).unwrap_err().to_string();
    assert!(error.contains("empty.db is a database of something else"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), b"");
}
