//! Tests of the journal: a restart, `kill -9`, several processes, a failing journal, a broken disk, a
//! damaged file.
//!
//! Each of these faults was put into the code once, and this is who saw it first:
//!
//! | fault | seen by |
//! |---|---|
//! | a commit that rolls back, or is done for each eighth transaction only | nearly all |
//! | an error of the commit is not looked at; the writer goes on with what failed | `faults`, `disk` |
//! | an event is applied twice; half of a batch is not written; a line of `charges` left out or doubled | `disk` |
//! | the outbox is forgotten, or has refused reserves too, or is not tried at the end | `faults`, `disk` |
//! | what failed is told of; no alert, or one each time | `faults`, `disk` |
//! | records without a key share one | `life` |
//! | leases never end; what has a guard here is given back | `life` |
//! | the lead is not passed on | all that use threads: they hang |
//! | `BEGIN DEFERRED`; no patience; the last event of others is lost, or none is read | `shared` |
//! | alerts of others are told again | `shared` |
//! | after a roll-back nothing is read anew | `faults` |
//! | never a snapshot | `life` |
//! | a snapshot numbered or compacted wrongly by one; events never forgotten; old charges kept or lost | `verify` |
//! | seals, gaps, an older copy, charges without events are not looked at | `verify`, `files` |
//! | a clock far behind, a newer schema, a file of others, a folder, an empty file with a log are taken | `files` |
//! | a file that was moved or replaced, its lost log, a file for reading only are not seen | `disk` |
//! | what others write is read by writers alone; a time of theirs, or a clock that is ahead, ends calls; no alert | `others` |
//! | names that are URIs or in memory, a link's empty or missing target are taken | `places` |
//! | a removed log or index, damage in a log are not looked at; a log is never cut | `log` |
//! | a cell of `charges`, a line more or less are not looked at | `verify` |
//!
//! What SQLite is told about the disk (`synchronous`) is looked at beside the code: no test here can cut
//! the power.
#![cfg(feature = "sqlite")]

mod awaited;
mod charges;
mod detached;
mod disk;
mod faults;
mod files;
mod fixtures;
mod forget;
mod kill;
mod life;
mod log;
mod others;
mod places;
mod shared;
mod verify;

use std::path::PathBuf;

use bursar::BudgetManager;
use bursar::clock::ManualClock;
use bursar::journal::SqliteJournal;

/// A folder of its own for each test, gone with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("bursar-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A budget on the ledger in `budget.db`; the end of a call is written when it returns.
pub(crate) fn open(folder: &Folder, clock: &ManualClock) -> BudgetManager {
    let journal = SqliteJournal::open(folder.file("budget.db")).unwrap();
    BudgetManager::builder()
        .clock(clock.clone())
        .wait_for_disk(true)
        .journal(journal)
        .build()
        .unwrap()
}
