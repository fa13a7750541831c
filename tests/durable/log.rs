//! Tests of the write-ahead log: removed, replaced, damaged, or grown beside a reader.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bursar::clock::ManualClock;
use bursar::journal::{Charges, SqliteJournal};
use bursar::{BudgetManager, Estimate, ReserveError, Usd};
use rusqlite::Connection;

use crate::Folder;

fn try_open(file: &Path) -> Result<BudgetManager, String> {
    let journal = SqliteJournal::open(file).map_err(|error| error.to_string())?;
    let clock = ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap());
    let budget = BudgetManager::builder().clock(clock).wait_for_disk(true).journal(journal).build();
    budget.map_err(|error| error.to_string())
}

fn open(file: &Path) -> BudgetManager {
    try_open(file).unwrap()
}

fn spend(budget: &BudgetManager, cents: i64) -> Result<(), ReserveError> {
    budget.reserve("a", &Estimate::fixed(Usd::cents(cents)))?.settle_cost(Usd::cents(cents));
    Ok(())
}

fn beside(file: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", file.display()))
}

/// The old process admits nothing more, whether another has begun a log of its own or not, and whether
/// it writes or reads.
#[test]
fn a_log_that_was_removed_or_replaced_makes_no_second_ledger() {
    for (ends, replaced) in [
        (&["-wal", "-shm"][..], false),
        (&["-wal"], false),
        (&["-shm"], false),
        (&["-wal", "-shm"], true),
    ] {
        let folder = Folder::new(&format!("log-{}-{replaced}", ends.concat()));
        let file = folder.file("budget.db");
        let budget = open(&file);
        spend(&budget, 5).unwrap();
        for end in ends {
            fs::rename(beside(&file, end), beside(&file, &format!("{end}.away"))).unwrap();
        }
        if replaced {
            // As another process would make them.
            for end in ends {
                fs::copy(beside(&file, &format!("{end}.away")), beside(&file, end)).unwrap();
            }
        }
        let refused = spend(&budget, 5).unwrap_err().to_string();
        assert!(refused.contains(&format!("budget.db{}", ends[0])), "{refused}");
        assert!(refused.contains("is not the file that was opened"), "{refused}");
        assert!(refused.contains("restart the process"), "{refused}");
        assert!(budget.flush().is_err());
        assert_eq!(budget.spent(), Usd::cents(5));
        if !replaced {
            for end in ends {
                fs::rename(beside(&file, &format!("{end}.away")), beside(&file, end)).unwrap();
            }
            spend(&budget, 5).unwrap();
            assert_eq!(budget.spent(), Usd::cents(10));
        }
    }
}

/// Says to this test binary that it is a child, and which file it is to open.
const CHILD: &str = "BURSAR_LOG_CHILD";

/// While the old process lives, a new one does not begin a second log: it would not see the old
/// one's spend.
#[test]
fn a_file_whose_log_was_removed_is_not_opened_by_another_process() {
    let folder = Folder::new("two-ledgers");
    let file = folder.file("budget.db");
    let budget = open(&file);
    spend(&budget, 5).unwrap();
    let child = || {
        let words = ["--ignored", "--exact", "log::another_process", "--nocapture"];
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(words).env(CHILD, &file).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(child().contains("spent $0.05"), "{}", child());
    for end in ["-wal", "-shm"] {
        fs::rename(beside(&file, end), beside(&file, &format!("{end}.away"))).unwrap();
    }
    let refused = [child(), try_open(&file).unwrap_err()];
    for refused in refused {
        assert!(refused.contains("is open in another process, and its log"), "{refused}");
    }
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(beside(&file, end));
        fs::rename(beside(&file, &format!("{end}.away")), beside(&file, end)).unwrap();
    }
    spend(&budget, 5).unwrap();
    assert!(child().contains("spent $0.10"), "{}", child());
    drop(budget);
    assert!(!beside(&file, "-wal").exists());
    assert!(child().contains("spent $0.10"), "{}", child());
}

#[test]
#[ignore = "the child of the test above"]
fn another_process() {
    let Some(file) = std::env::var_os(CHILD) else { return };
    match try_open(Path::new(&file)) {
        Ok(budget) => println!("spent {}", budget.spent()),
        Err(error) => println!("{error}"),
    }
}

/// What a killed process leaves: the file as it was before its first checkpoint, and a log of sixty calls.
fn killed(folder: &Folder) -> (Vec<u8>, Vec<u8>) {
    let file = folder.file("whole.db");
    let budget = open(&file);
    for _ in 0..60 {
        spend(&budget, 1).unwrap();
    }
    (fs::read(&file).unwrap(), fs::read(beside(&file, "-wal")).unwrap())
}

#[test]
fn damage_in_the_log_is_found_before_what_lies_behind_is_lost() {
    let folder = Folder::new("damaged-log");
    let (bytes, log) = killed(&folder);
    let copy = folder.file("copy.db");
    let put = |log: &[u8]| {
        fs::write(&copy, &bytes).unwrap();
        fs::write(beside(&copy, "-wal"), log).unwrap();
        let _ = fs::remove_file(beside(&copy, "-shm"));
    };
    put(&log);
    assert_eq!(open(&copy).spent(), Usd::cents(60));
    let frame = 24 + 4_096;
    let frames = (log.len() - 32) / frame;
    assert!(frames > 120, "{frames}");
    // A byte of the header, of a frame's number, salt, sum and page, at its beginning and its end; and
    // a frame's worth of nothing.
    for place in [3, 20, 32, 32 + 9, 32 + 20, 32 + 7 * frame + 100, 32 + 60 * frame - 1] {
        for length in [1, frame] {
            let mut log = log.clone();
            log[place..place + length].iter_mut().for_each(|byte| *byte ^= 0x40);
            put(&log);
            for error in [
                try_open(&copy).unwrap_err(),
                SqliteJournal::verify(&copy).unwrap_err().to_string(),
                Charges::open(&copy).unwrap_err().to_string(),
            ] {
                assert!(error.contains("copy.db-wal is damaged at its frame"), "{place}: {error}");
                assert!(error.contains("PRAGMA wal_checkpoint(TRUNCATE)"), "{error}");
            }
        }
    }
    // As the sentence says: without them.
    let cut = "PRAGMA wal_checkpoint(TRUNCATE)";
    Connection::open(&copy).unwrap().query_row(cut, [], |_| Ok(())).unwrap();
    let spent = open(&copy).spent();
    assert!(spent > Usd::ZERO && spent < Usd::cents(60), "{spent}");
}

/// A process that dies while it writes leaves a last frame that is not whole: nothing is lost of what was
/// committed. So does a generation of the log whose older frames lie behind the newer ones.
#[test]
fn a_log_that_ends_in_the_middle_of_a_write_is_not_damaged() {
    let folder = Folder::new("torn-log");
    let (bytes, log) = killed(&folder);
    for cut in [1, 24, 4_000, 4_120, 4_121, 9_000] {
        let copy = folder.file(&format!("{cut}.db"));
        fs::write(&copy, &bytes).unwrap();
        fs::write(beside(&copy, "-wal"), &log[..log.len() - cut]).unwrap();
        let calls = open(&copy).spent();
        assert!(calls >= Usd::cents(58), "{cut}: {calls}");
    }
    let file = folder.file("older.db");
    let budget = open(&file);
    for _ in 0..60 {
        spend(&budget, 1).unwrap();
    }
    let other = Connection::open(&file).unwrap();
    other.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())).unwrap();
    spend(&budget, 1).unwrap();
    SqliteJournal::verify(&file).unwrap();
    let (bytes, log) = (fs::read(&file).unwrap(), fs::read(beside(&file, "-wal")).unwrap());
    assert!(log.len() > 400_000, "the older frames are there: {}", log.len());
    let copy = folder.file("copy.db");
    fs::write(&copy, bytes).unwrap();
    fs::write(beside(&copy, "-wal"), log).unwrap();
    assert_eq!(open(&copy).spent(), Usd::cents(61));
}

/// While a reader is open, the log cannot restart; once it is gone, the log is truncated.
#[test]
fn a_log_that_grew_beside_a_reader_is_cut_when_the_reader_has_gone() {
    let folder = Folder::new("grown");
    let file = folder.file("budget.db");
    let budget = open(&file);
    let log = || fs::metadata(beside(&file, "-wal")).unwrap().len();
    spend(&budget, 1).unwrap();
    let mut reader = Charges::open(&file).unwrap();
    assert!(reader.next().is_some());
    while log() < 20 << 20 {
        spend(&budget, 1).unwrap();
    }
    drop(reader);
    for _ in 0..200 {
        spend(&budget, 1).unwrap();
    }
    assert!(log() <= 8 << 20, "{}", log());
    let spent = budget.spent();
    drop(budget);
    assert_eq!(open(&file).spent(), spent);
}
