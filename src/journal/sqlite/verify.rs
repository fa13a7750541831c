//! Owns looking through a whole file: [`SqliteJournal::verify`].

use std::fmt;
use std::path::Path as FilePath;

use super::super::JournalError;
use super::place::Place;
use super::{SqliteJournal, read_only, rows};
use crate::clock::Timestamp;
use crate::ledger::Ledger;

/// What [`SqliteJournal::verify`] has found whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How many events the ledger has had.
    pub events: u64,
    /// How many of them are kept, and were made again.
    pub replayed: u64,
    /// How many snapshots are kept; each is what the events before it make.
    pub snapshots: usize,
    /// The lines of `charges`.
    pub charges: u64,
    /// When the last event happened.
    pub last: Timestamp,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verified { events, replayed, snapshots, charges, last } = self;
        write!(
            f,
            "whole: {events} events up to {last}, {replayed} of them kept and made again, \
             {snapshots} snapshots, {charges} lines of charges"
        )
    }
}

impl SqliteJournal {
    /// Looks through all of a file, where opening reads what it needs: whether SQLite finds each page
    /// in order, each event and snapshot is what was written, and each snapshot is what the events before
    /// it make. Other processes may go on working meanwhile; nothing is changed.
    ///
    /// # Errors
    /// [`JournalError`]: there is no such file, it cannot be opened, or what is damaged in it.
    pub fn verify(file: impl AsRef<FilePath>) -> Result<Verified, JournalError> {
        let file = file.as_ref().to_path_buf();
        let (connection, place) = (read_only(&file)?, Place::of(&file));
        let (keep_charges, open, seen) = (None, false, None);
        let journal = SqliteJournal { connection, file, place, keep_charges, open, seen };
        journal.look_through()
    }

    fn look_through(&self) -> Result<Verified, JournalError> {
        let told = |error: rusqlite::Error| self.told(&error);
        let ask = |text: &str| self.connection.query_row(text, [], |row| row.get::<_, String>(0));
        let pages = ask("PRAGMA integrity_check(1)").map_err(told)?;
        if pages != "ok" {
            return Err(self.damaged(&pages.replace('\n', " ")));
        }
        let (first, last) = self.range().map_err(told)?;
        self.check_end(last)?;
        let snapshots = self.all_snapshots()?;
        let mut waiting = snapshots.iter();
        let mut ledger = Ledger::new();
        if first > 1 {
            // The oldest is where the events begin; what made it has been forgotten.
            let oldest = waiting.next();
            ledger = oldest.ok_or_else(|| self.damaged("no snapshot is there"))?.clone();
        }
        let begun = ledger.events();
        let mut next = waiting.next();
        self.each_event(begun, |event| {
            ledger.apply(&event);
            let _ = ledger.take_notices();
            match next {
                Some(snapshot) if snapshot.events() == ledger.events() => {
                    next = waiting.next();
                    self.check_snapshot(snapshot, &ledger)
                }
                _ => Ok(()),
            }
        })?;
        if next.is_some() || ledger.events() != last {
            return Err(self.damaged(&format!(
                "the events end at {}, and there should be {last}",
                ledger.events()
            )));
        }
        ledger.check_invariants().map_err(|error| self.damaged(&error.to_string()))?;
        let charges = "SELECT count(*) FROM charges";
        let charges: i64 =
            self.connection.query_row(charges, [], |row| row.get(0)).map_err(told)?;
        Ok(Verified {
            events: last,
            replayed: last.saturating_sub(begun),
            snapshots: snapshots.len(),
            charges: rows::number(charges),
            last: ledger.now(),
        })
    }

    fn check_snapshot(&self, snapshot: &Ledger, made: &Ledger) -> Result<(), JournalError> {
        match snapshot == made {
            true => Ok(()),
            false => Err(self.damaged(&format!(
                "the snapshot after event {} is not what the events make",
                made.events()
            ))),
        }
    }
}
