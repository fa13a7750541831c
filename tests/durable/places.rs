//! Tests of file names and of what may be there: opening never begins a new ledger in place of an
//! old one.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bursar::clock::ManualClock;
use bursar::journal::{Charges, SqliteJournal};
use bursar::{BudgetManager, Estimate, Usd};

use crate::Folder;

fn open(file: impl AsRef<Path>) -> Result<BudgetManager, String> {
    let journal = SqliteJournal::open(file).map_err(|error| error.to_string())?;
    let clock = ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap());
    let budget = BudgetManager::builder().clock(clock).wait_for_disk(true).journal(journal).build();
    budget.map_err(|error| error.to_string())
}

fn spend(budget: &BudgetManager, cents: i64) {
    budget
        .reserve("a", &Estimate::fixed(Usd::cents(cents)))
        .unwrap()
        .settle_cost(Usd::cents(cents));
}

/// A ledger that one process has left, and one that a process has been killed over: with its log.
fn make(folder: &Folder, name: &str, killed: bool) -> PathBuf {
    let file = folder.file(name);
    let budget = open(&file).unwrap();
    spend(&budget, 7);
    if killed {
        // What `kill -9` leaves: the files as they are, and no locks.
        for end in ["", "-wal"] {
            fs::copy(with(&file, end), with(&file, &format!("{end}.kept"))).unwrap();
        }
        drop(budget);
        fs::rename(with(&file, ".kept"), &file).unwrap();
        fs::rename(with(&file, "-wal.kept"), with(&file, "-wal")).unwrap();
    }
    file
}

fn with(file: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", file.display()))
}

#[test]
fn a_name_is_a_path_and_never_a_database_in_memory() {
    for (name, says) in [
        ("", "the name of the ledger's file is empty"),
        (":memory:", "SQLite's way to name a database in memory"),
        ("file:budget?mode=memory", "SQLite's way to name a database in memory or by a URI"),
        ("file::memory:?cache=shared", "is named `./file::memory:?cache=shared`"),
        ("file:/tmp/bursar-uri.db", "or by a URI"),
        ("/dev/null", "is a device or a pipe"),
    ] {
        let errors = [
            SqliteJournal::open(name).unwrap_err(),
            SqliteJournal::verify(name).unwrap_err(),
            Charges::open(name).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains(says), "{name}: {error}");
        }
    }
}

/// In a folder such names are those of files, with all that SQLite would read out of them.
#[test]
fn a_file_may_be_called_anything() {
    let folder = Folder::new("names");
    for name in [":memory:", "file:x?mode=memory", "a%20b?mode=ro#c", "file::memory:", " ", "'x'"] {
        let file = folder.file(name);
        spend(&open(&file).unwrap(), 7);
        assert!(fs::metadata(&file).unwrap().len() > 0, "{name}");
        assert_eq!(open(&file).unwrap().spent(), Usd::cents(7), "{name}");
        assert_eq!(Charges::open(&file).unwrap().count(), 1, "{name}");
        SqliteJournal::verify(&file).unwrap();
    }
}

#[test]
fn a_link_is_the_file_that_it_names() {
    let folder = Folder::new("links");
    let file = make(&folder, "budget.db", true);
    let link = folder.file("link.db");
    symlink(&file, &link).unwrap();
    let budget = open(&link).unwrap();
    assert_eq!(budget.spent(), Usd::cents(7));
    spend(&budget, 2);
    assert_eq!(open(&file).unwrap().spent(), Usd::cents(9));
}

/// Emptied while its log was there, or after it was closed; by its name, by a link, and by a link to
/// the folder.
#[test]
fn an_emptied_file_is_no_new_ledger_by_any_name() {
    for killed in [true, false] {
        let folder = Folder::new(&format!("emptied-{killed}"));
        let file = make(&folder, "budget.db", killed);
        let (link, chain) = (folder.file("link.db"), folder.file("chain.db"));
        symlink("budget.db", &link).unwrap();
        symlink(&link, &chain).unwrap();
        symlink(folder.file("."), folder.file("here")).unwrap();
        let emptied = fs::File::options().write(true).truncate(true).open(&file).unwrap();
        // The test is too quick: a ledger is emptied long after it was made.
        emptied.set_modified(SystemTime::now() + Duration::from_secs(3_600)).unwrap();
        drop(emptied);
        for name in [&file, &link, &chain, &folder.file("here/budget.db")] {
            let error = open(name).unwrap_err();
            assert!(error.contains("is empty") && error.contains("put back a copy"), "{error}");
            assert!(error.contains(&*name.to_string_lossy()), "{error}");
        }
        assert_eq!(fs::metadata(&file).unwrap().len(), 0);
        assert_eq!(fs::metadata(with(&file, "-wal")).is_ok(), killed, "the log is left alone");
    }
}

#[test]
fn a_file_that_is_gone_is_no_new_ledger_where_a_link_or_a_log_says_that_it_was() {
    let folder = Folder::new("gone");
    let link = folder.file("link.db");
    symlink("budget.db", &link).unwrap();
    let error = open(&link).unwrap_err();
    assert!(error.contains("is a link to budget.db, which is not there"), "{error}");
    let file = make(&folder, "budget.db", true);
    fs::remove_file(&file).unwrap();
    let error = open(&file).unwrap_err();
    assert!(error.contains("is not there, and ") && error.contains("budget.db-wal is"), "{error}");
    assert!(!file.exists());
    fs::remove_file(with(&file, "-wal")).unwrap();
    assert_eq!(open(&file).unwrap().spent(), Usd::ZERO);
}
