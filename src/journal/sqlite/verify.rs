//! [`SqliteJournal::verify`]: looks through a whole file.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path as FilePath;

use super::super::JournalError;
use super::seals::{self, Seals};
use super::{SqliteJournal, read_only, rows};
use crate::clock::Timestamp;
use crate::ledger::{Ledger, Posting};

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
    /// in order, each event, snapshot and line of `charges` is what was written, each snapshot is what the
    /// events before it make, and the lines of `charges` are what the events that are kept have charged.
    /// Of the write-ahead log it finds damage that has lost transactions; damage in its last
    /// transaction, and a log that was cut off or removed when no process had it open, leave what a process
    /// leaves that dies while it writes, and go unnoticed. Other processes may go on working meanwhile;
    /// nothing is changed.
    ///
    /// # Errors
    /// [`JournalError`]: there is no such file, it cannot be opened, or what is damaged in it.
    pub fn verify(file: impl AsRef<FilePath>) -> Result<Verified, JournalError> {
        let file = file.as_ref().to_path_buf();
        let (connection, found) = read_only(&file)?;
        SqliteJournal::over(connection, file, &found).look_through()
    }

    fn look_through(&self) -> Result<Verified, JournalError> {
        let told = |error: rusqlite::Error| self.told(&error);
        let ask = |text: &str| self.connection.query_row(text, [], |row| row.get::<_, String>(0));
        // SQLite's pages.
        let pages = ask("PRAGMA integrity_check(1)").map_err(told)?;
        if pages != "ok" {
            return Err(self.damaged(&pages.replace('\n', " ")));
        }
        // The events, replayed from the first or from the oldest snapshot.
        let (first, last) = self.range().map_err(told)?;
        self.check_end(last)?;
        let snapshots = self.all_snapshots()?;
        let mut waiting = snapshots.iter();
        let mut ledger = Ledger::new();
        if first > 1 {
            // The events before the oldest snapshot were deleted.
            let oldest = waiting.next();
            ledger = oldest.ok_or_else(|| self.damaged("no snapshot is there"))?.clone();
        }
        let begun = ledger.events();
        let mut next = waiting.next();
        let mut charged = VecDeque::new();
        self.each_event(begun, |event| {
            ledger.keep_entries(true);
            ledger.apply(&event);
            let _ = ledger.take_notices();
            let charges = ledger.take_entries().into_iter().flat_map(|entry| entry.charges);
            charged.extend(charges.map(|charge| (ledger.events(), charge)));
            ledger.keep_entries(false);
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
        // The ledger that they make, and its charges.
        ledger.check_invariants().map_err(|error| self.damaged(&error.to_string()))?;
        let charges = self.check_charges(begun, charged)?;
        Ok(Verified {
            events: last,
            replayed: last.saturating_sub(begun),
            snapshots: snapshots.len(),
            charges,
            last: ledger.now(),
        })
    }

    /// Checks each line of `charges` by its seal, and the lines of kept events by what the events
    /// charged. Returns how many there are.
    fn check_charges(
        &self,
        begun: u64,
        mut charged: VecDeque<(u64, Posting)>,
    ) -> Result<u64, JournalError> {
        let told = |error: rusqlite::Error| self.told(&error);
        let mut seals = Seals::of(&self.connection).map_err(told)?;
        let mut ask = self.connection.prepare("SELECT * FROM charges ORDER BY id").map_err(told)?;
        let mut lines = ask.query([]).map_err(told)?;
        let mut count = 0_u64;
        while let Some(line) = lines.next().map_err(told)? {
            if let Some(wrong) = seals.check(line).map_err(told)? {
                return Err(self.damaged(&wrong));
            }
            let event = rows::number(line.get("event").map_err(told)?);
            if count == 0 {
                // Forgotten with the lines before this one.
                charged.retain(|(charging, _)| *charging >= event);
            }
            count = count.saturating_add(1);
            let found = rows::posting(line).ok();
            let is_charged = match charged.front() {
                _ if event <= begun => found.is_some(),
                Some((charging, charge)) => {
                    *charging == event && found.is_some_and(|found| is_same(&found, charge))
                }
                None => false,
            };
            if !is_charged {
                let id: i64 = line.get("id").map_err(told)?;
                return Err(self.damaged(&format!(
                    "the charge with the id {id} is not what event {event} charged"
                )));
            }
            if event > begun {
                charged.pop_front();
            }
        }
        if count == 0 {
            // All of them may have been forgotten.
            let forgotten = seals::newest_event(&self.connection).map_err(told)?;
            charged.retain(|(charging, _)| *charging > forgotten);
        }
        match charged.front() {
            Some((event, _)) => {
                Err(self.damaged(&format!("what event {event} charged is not there")))
            }
            None => Ok(count),
        }
    }

    fn check_snapshot(&self, snapshot: &Ledger, made: &Ledger) -> Result<(), JournalError> {
        if snapshot == made {
            Ok(())
        } else {
            Err(self.damaged(&format!(
                "the snapshot after event {} is not what the events make",
                made.events()
            )))
        }
    }
}

/// Whether a line says what an event charged, in all that a later version counts as this one does.
fn is_same(found: &Posting, charge: &Posting) -> bool {
    let of = |charge: &Posting| (charge.at, charge.kind, charge.cost);
    of(found) == of(charge) && found.account == charge.account
}
