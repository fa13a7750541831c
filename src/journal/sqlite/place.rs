//! Owns the file as a thing on a disk: what may stand in its place, whether it is still the one that
//! was opened, and what is said when SQLite cannot use it.

use std::fs;
use std::path::{Path as FilePath, PathBuf};

use rusqlite::ErrorCode as Code;
use rusqlite::ffi::SQLITE_IOERR_WRITE;

use super::super::JournalError;

/// Refuses what SQLite would misunderstand.
pub(super) fn check(file: &FilePath) -> Result<(), JournalError> {
    let name = file.display();
    let Ok(there) = fs::metadata(file) else { return Ok(()) };
    if there.is_dir() {
        return Err(JournalError::new(format!("{name} is a folder; name a file in it")));
    }
    let log = log_of(file);
    // SQLite would take it for a new file, and throw away what is in the log.
    if there.len() == 0 && fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(JournalError::new(format!(
            "{name} is empty, and {} beside it is not: it has been cut off; put back a copy, or \
             remove both to begin a new ledger",
            log.display()
        )));
    }
    Ok(())
}

/// Where SQLite writes first.
fn log_of(file: &FilePath) -> PathBuf {
    let mut log = file.as_os_str().to_os_string();
    log.push("-wal");
    PathBuf::from(log)
}

/// Where a file and its log were when they were opened, and which ones they were.
#[derive(Debug)]
pub(super) struct Place {
    file: Spot,
    log: Spot,
    /// The file was away; then its log may have been thrown away too.
    was_away: bool,
}

impl Place {
    /// The present place of a file that is open.
    pub(super) fn of(file: &FilePath) -> Place {
        let path = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
        Place { log: Spot::of(log_of(&path)), file: Spot::of(path), was_away: false }
    }

    /// Says so if the file is gone or another has its name: what is written to a file without a name is
    /// lost with the process, and two ledgers would share one limit.
    pub(super) fn check(&mut self, name: &FilePath) -> Result<(), JournalError> {
        if self.file.is_same() && (!self.was_away || self.log.is_same()) {
            self.was_away = false;
            return Ok(());
        }
        self.was_away = true;
        let name = name.display();
        let log = self.file.is_same();
        let (which, spot) = if log { ("-wal", &self.log) } else { ("", &self.file) };
        let what = match spot.path.exists() {
            true => "another file was put in its place",
            false => "it was moved or removed",
        };
        Err(JournalError::new(format!(
            "{name}{which} is not the file that was opened: {what} while it was in use; put that one \
             back, or restart the process to go on with what is there"
        )))
    }
}

/// A path, and the file that it named.
#[derive(Debug)]
struct Spot {
    path: PathBuf,
    number: Option<Number>,
}

/// What tells a file from another that later has its name. Where a system has none, or for what is
/// only in memory, there is nothing to compare.
type Number = (u64, u64);

impl Spot {
    fn of(path: PathBuf) -> Spot {
        Spot { number: number(&path), path }
    }

    fn is_same(&self) -> bool {
        self.number.is_none() || number(&self.path) == self.number
    }
}

#[cfg(unix)]
fn number(path: &FilePath) -> Option<Number> {
    use std::os::unix::fs::MetadataExt;
    let there = fs::metadata(path).ok()?;
    Some((there.dev(), there.ino()))
}

#[cfg(not(unix))]
fn number(_: &FilePath) -> Option<Number> {
    None
}

#[cold]
pub(super) fn not_writable(file: &FilePath) -> JournalError {
    let name = file.display();
    JournalError::new(format!(
        "{name}: it cannot be written; let this user write the file and its folder"
    ))
}

/// An error of SQLite as a sentence that says what to do.
#[cold]
pub(super) fn explain(file: &FilePath, error: &rusqlite::Error) -> JournalError {
    let name = file.display();
    let extended = error.sqlite_error().map(|error| error.extended_code);
    let remedy = match error.sqlite_error_code() {
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => {
            return JournalError::temporary(format!(
                "{name} is being written by another process, for longer than this one waits: end \
                 that process, or raise `SqliteOptions::patience`"
            ));
        }
        Some(Code::DiskFull) => {
            return JournalError::temporary(format!(
                "{name} cannot grow: the disk is full; free some space"
            ));
        }
        Some(Code::SystemIoFailure) if extended == Some(SQLITE_IOERR_WRITE) => {
            return JournalError::temporary(format!(
                "{name} cannot be written on: look at the disk, and at the limits on the size of \
                 files (a quota, `ulimit -f`) ({error})"
            ));
        }
        Some(Code::NotADatabase) => "it is no SQLite database; name another file",
        Some(Code::ReadOnly | Code::PermissionDenied) => return not_writable(file),
        Some(Code::CannotOpen) => {
            "it cannot be opened; see that the folder is there, and that this user may write both"
        }
        Some(Code::DatabaseCorrupt) => {
            "it is damaged; put back a copy, or save what is left with `sqlite3 FILE .recover`"
        }
        Some(Code::SystemIoFailure) => "the disk does not answer as it should; look at the disk",
        Some(Code::Unknown) => "its tables are not as they should be; put back a copy",
        _ => "see what SQLite says",
    };
    JournalError::new(format!("{name}: {remedy} ({error})"))
}
