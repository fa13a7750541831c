//! What may stand where a ledger file should be: opening never guesses.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bursar::clock::ManualClock;
use bursar::journal::SqliteJournal;
use bursar::{BudgetManager, Estimate, Usd};
use rusqlite::Connection;

use crate::Folder;

/// Opens a manager on the file; the error as a sentence.
fn refusal(file: &Path) -> String {
    let options = SqliteJournal::options().patience(Duration::ZERO);
    let journal = match options.open(file) {
        Ok(journal) => journal,
        Err(error) => return error.to_string(),
    };
    let clock = ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap());
    match BudgetManager::builder().clock(clock).wait_for_disk(true).journal(journal).build() {
        Ok(_) => "it opens".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A file with some hundred calls.
fn make(folder: &Folder, name: &str) -> PathBuf {
    let file = folder.file(name);
    let clock = ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap());
    let journal = SqliteJournal::open(&file).unwrap();
    let budget =
        BudgetManager::builder().clock(clock).wait_for_disk(true).journal(journal).build().unwrap();
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

    let ends = make(&folder, "ends.db");
    let delete = "DELETE FROM events WHERE number > 500";
    Connection::open(&ends).unwrap().execute_batch(delete).unwrap();
    let cut = folder.file("cut.db");
    fs::write(&cut, "").unwrap();
    fs::write(folder.file("cut.db-wal"), "a log that was left alone").unwrap();

    for (file, says) in [
        (ends, "it has charges of event 601, and no event after 500"),
        (text, "it is no SQLite database; name another file"),
        (other, "is a database of something else; name another file"),
        (newer, "was written by a newer bursar (schema 99, this one knows 1)"),
        (changed, "event 7 is not what was written"),
        (gap, "event 10 is not what was written"),
        (short, "it is damaged; put back a copy"),
        (torn, "damaged"),
        (cut, "is empty, and "),
        (folder.file(""), "is a folder; name a file in it"),
        (folder.file("no/such/folder/budget.db"), "see that the folder is there"),
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

/// As `touch` makes it, and `mktemp`. One that was emptied is told by its times, its log or a link.
#[test]
fn an_empty_file_is_a_new_ledger() {
    let folder = Folder::new("empty");
    let file = folder.file("empty.db");
    fs::write(&file, "").unwrap();
    assert_eq!(refusal(&file), "it opens");
}

#[test]
fn a_file_that_another_has_to_itself_is_explained() {
    let folder = Folder::new("exclusive");
    let file = make(&folder, "exclusive.db");
    let other = Connection::open(&file).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT").unwrap();
    assert!(refusal(&file).contains("is being written by another process"), "{}", refusal(&file));
    drop(other);
    assert_eq!(refusal(&file), "it opens");
}

/// What a damaged file says: nothing, and then it has all of some moment and takes a call more, or
/// that it is damaged. Returns how many of the 300 calls are there.
fn calls_of(file: &Path) -> Result<i128, String> {
    let clock = ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap());
    let journal = SqliteJournal::open(file).map_err(|error| error.to_string())?;
    let budget = BudgetManager::builder().clock(clock).wait_for_disk(true).journal(journal).build();
    let budget = budget.map_err(|error| error.to_string())?;
    let (cents, held) = (budget.spent().pico() / Usd::cents(1).pico(), budget.held());
    assert_eq!(budget.spent(), Usd::cents(i64::try_from(cents).unwrap()));
    assert!(held == Usd::ZERO || held == Usd::cents(2), "{held:?}");
    let hold = budget.reserve("a", &Estimate::fixed(Usd::cents(2))).map_err(|e| e.to_string())?;
    hold.settle_cost(Usd::cents(1));
    budget.flush().map_err(|error| error.to_string())?;
    assert_eq!(budget.spent(), Usd::cents(i64::try_from(cents + 1).unwrap()));
    Ok(cents)
}

/// Every page of a file, with noise and with nothing in it.
#[test]
fn a_page_that_was_overwritten_is_found_or_does_no_harm() {
    let folder = Folder::new("pages");
    let bytes = fs::read(make(&folder, "whole.db")).unwrap();
    let (mut found, mut harmless) = (0, 0);
    for page in 0..bytes.len() / 4_096 {
        for fill in [0xA5, 0] {
            let mut bytes = bytes.clone();
            bytes[page * 4_096..(page + 1) * 4_096].fill(fill);
            let file = folder.file(&format!("{page}-{fill}.db"));
            fs::write(&file, bytes).unwrap();
            match calls_of(&file) {
                // Only old charges were on it.
                Ok(calls) => {
                    assert_eq!(calls, 300, "page {page}");
                    harmless += 1;
                }
                Err(sentence) => {
                    assert!(sentence.contains(&*file.to_string_lossy()), "{sentence}");
                    let known = ["damaged", "put back a copy", "name another file"];
                    assert!(known.iter().any(|known| sentence.contains(known)), "{sentence}");
                    found += 1;
                }
            }
        }
    }
    assert!(found > 40 && harmless > 10, "{found} found, {harmless} harmless");
}

/// What a power cut leaves of the log: its transactions up to the first that is not whole. Where whole
/// ones lie behind, opening says so.
#[test]
fn a_log_that_was_cut_off_or_changed_gives_all_of_an_earlier_moment() {
    let folder = Folder::new("log");
    let file = folder.file("whole.db");
    let clock = ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap());
    let journal = SqliteJournal::open(&file).unwrap();
    let budget =
        BudgetManager::builder().clock(clock).wait_for_disk(true).journal(journal).build().unwrap();
    for _ in 0..60 {
        budget.reserve("a", &Estimate::fixed(Usd::cents(2))).unwrap().settle_cost(Usd::cents(1));
    }
    let (bytes, log) = (fs::read(&file).unwrap(), fs::read(folder.file("whole.db-wal")).unwrap());
    assert!(log.len() > 400_000, "{}", log.len());
    let (mut last, mut found) = (0, 0);
    for part in 0..=42 {
        for cut in [true, false] {
            let place = (log.len() * part / 42).saturating_sub(7 * (part % 3));
            let mut log = log.clone();
            match cut {
                true => log.truncate(place),
                false => log.iter_mut().skip(place).take(16).for_each(|byte| *byte ^= 0x20),
            }
            let copy = folder.file(&format!("{part}-{cut}.db"));
            fs::write(&copy, &bytes).unwrap();
            fs::write(folder.file(&format!("{part}-{cut}.db-wal")), log).unwrap();
            let calls = match calls_of(&copy) {
                Ok(calls) => calls,
                // Not what a process leaves that died: see `log`.
                Err(sentence) if !cut && sentence.contains("-wal is damaged at its frame") => {
                    found += 1;
                    continue;
                }
                Err(sentence) => panic!("{part} {cut}: {sentence}"),
            };
            assert!(calls <= 60 && (part < 42 || calls == 60), "{part} {cut}: {calls}");
            if cut {
                assert!(calls >= last, "{part}: {calls} after {last}");
                last = calls;
            }
        }
    }
    assert!(found >= 40, "{found}");
}

#[test]
fn a_clock_that_jumped_back_is_explained() {
    let folder = Folder::new("clock");
    let file = make(&folder, "clock.db");
    let clock = ManualClock::at("2026-11-24T08:29:00Z".parse().unwrap());
    let journal = SqliteJournal::open(&file).unwrap();
    let error = BudgetManager::builder()
        .clock(clock)
        .wait_for_disk(true)
        .journal(journal)
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("set the machine's clock right"), "{error}");
}
