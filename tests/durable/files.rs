//! Owns what may stand where a ledger file should be: opening never guesses.

use std::fs;
use std::time::Duration;

use bursar::clock::ManualClock;
use bursar::journal::SqliteJournal;
use bursar::{BudgetManager, Estimate, Usd};
use rusqlite::Connection;

use crate::Folder;

/// Opens a manager on the file; the error as a sentence.
fn refusal(file: &std::path::Path) -> String {
    let options = SqliteJournal::options().patience(Duration::ZERO);
    let journal = match options.open(file) {
        Ok(journal) => journal,
        Err(error) => return error.to_string(),
    };
    let clock = ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap());
    match BudgetManager::builder().clock(clock).journal(journal).build() {
        Ok(_) => "it opens".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A file with some hundred calls.
fn make(folder: &Folder, name: &str) -> std::path::PathBuf {
    let file = folder.file(name);
    let clock = ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap());
    let journal = SqliteJournal::open(&file).unwrap();
    let budget = BudgetManager::builder().clock(clock).journal(journal).build().unwrap();
    for _ in 0..300 {
        budget.reserve("a", &Estimate::fixed(Usd::cents(2))).unwrap().settle_cost(Usd::cents(1));
    }
    file
}

#[test]
fn what_is_no_ledger_is_refused_with_its_name_and_the_remedy() {
    let folder = Folder::new("files");
    let text = folder.file("notes.txt");
    fs::write(&text, "this is no database, whatever it is called ".repeat(100)).unwrap();
    let other = folder.file("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let newer = make(&folder, "newer.db");
    let raise = "UPDATE meta SET value = 99 WHERE name = 'schema'";
    Connection::open(&newer).unwrap().execute_batch(raise).unwrap();
    let changed = make(&folder, "changed.db");
    let change = "UPDATE events SET event = replace(event, '10000000000', '90000000000') \
                  WHERE number = 7";
    assert_eq!(Connection::open(&changed).unwrap().execute(change, []).unwrap(), 1);
    let gap = make(&folder, "gap.db");
    Connection::open(&gap).unwrap().execute_batch("DELETE FROM events WHERE number = 9").unwrap();
    let short = make(&folder, "short.db");
    let bytes = fs::read(&short).unwrap();
    fs::write(&short, &bytes[..bytes.len() / 2]).unwrap();
    let torn = make(&folder, "torn.db");
    let mut bytes = fs::read(&torn).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4_096].fill(0xA5);
    fs::write(&torn, bytes).unwrap();

    for (file, says) in [
        (text, "it is no SQLite database; name another file"),
        (other, "is a database of something else; name another file"),
        (newer, "was written by a newer bursar (schema 99, this one knows 1)"),
        (changed, "event 7 is not what was written"),
        (gap, "event 10 is not what was written"),
        (short, "it is damaged; put back a copy"),
        (torn, "damaged"),
        (folder.file("no/such/folder/budget.db"), "see that the folder is there and writable"),
    ] {
        let sentence = refusal(&file);
        assert!(sentence.contains(&*file.to_string_lossy()), "{sentence}");
        assert!(sentence.contains(says), "{says}: {sentence}");
    }
}

#[test]
fn a_file_that_another_holds_is_waited_for_and_then_explained() {
    let folder = Folder::new("busy");
    let file = make(&folder, "busy.db");
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(refusal(&file).contains("is being written by another process"), "{}", refusal(&file));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(refusal(&file), "it opens");
}

#[test]
fn a_clock_that_jumped_back_is_explained() {
    let folder = Folder::new("clock");
    let file = make(&folder, "clock.db");
    let clock = ManualClock::at("2026-11-24T08:29:00Z".parse().unwrap());
    let journal = SqliteJournal::open(&file).unwrap();
    let error = BudgetManager::builder().clock(clock).journal(journal).build().unwrap_err();
    assert!(error.to_string().contains("set the machine's clock right"), "{error}");
}

/// A file of the first version, as it was written then. It opens as long as there are releases.
#[test]
fn files_of_earlier_versions_open() {
    let folder = Folder::new("old");
    let file = folder.file("v1.db");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ledger-v1.db"), &file).unwrap();
    let clock = ManualClock::at("2026-11-24T09:40:00Z".parse().unwrap());
    let journal = SqliteJournal::open(&file).unwrap();
    let budget = BudgetManager::builder().clock(clock).journal(journal).build().unwrap();
    assert_eq!(budget.spent().to_string(), "$3.00");
}

/// Writes the fixture anew: `cargo test --features sqlite --test durable -- --ignored fixture`.
#[test]
#[ignore = "writes the fixture of the present version"]
fn fixture() {
    let folder = Folder::new("fixture");
    let file = make(&folder, "v1.db");
    Connection::open(&file).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ledger-v1.db");
    fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
    fs::copy(&file, path).unwrap();
}
