//! [`resolve`] and [`Place`]: the file that a name stands for, and whether it is still the one that
//! was opened. [`explain`] turns SQLite's errors into sentences.

use std::fs;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use rusqlite::ffi::SQLITE_IOERR_WRITE;
use rusqlite::{Connection, ErrorCode as Code, OpenFlags};

use super::super::JournalError;
use super::log;

/// How long another process may take to open or close a file.
const OPENING: Duration = Duration::from_millis(200);
/// How long after its creation an empty file may have been modified and still count as new: `touch`
/// creates a file and then sets its time.
const MADE: Duration = Duration::from_secs(1);

/// Resolves a name to the absolute path without symbolic links that SQLite will use, so that SQLite
/// does not take it for a URI or a database in memory. Refuses names that SQLite would
/// misunderstand.
pub(super) fn resolve(name: &FilePath) -> Result<PathBuf, JournalError> {
    let shown = name.display();
    let refused = |what: String| Err(JournalError::new(what));
    let text = name.as_os_str().as_encoded_bytes();
    if text.is_empty() {
        return refused("the name of the ledger's file is empty; name a file".to_owned());
    }
    if text == b":memory:" || text.starts_with(b"file:") {
        return refused(format!(
            "`{shown}` is SQLite's way to name a database in memory or by a URI, and a ledger is a file, \
             named by its path: a budget without a journal is kept in memory, and a file that is really \
             called so is named `./{shown}`"
        ));
    }
    let file = match fs::canonicalize(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return missing(name),
        // SQLite says what is wrong with it.
        Err(_) => return Ok(absolute(name)),
    };
    let Ok(there) = fs::metadata(&file) else { return Ok(file) };
    if there.is_dir() {
        return refused(format!("{shown} is a folder; name a file in it"));
    }
    if !there.is_file() {
        return refused(format!(
            "{shown} is a device or a pipe, which keeps nothing; name an ordinary file"
        ));
    }
    if there.len() == 0 {
        let made = there.created().and_then(|made| Ok(there.modified()?.duration_since(made)));
        let was_cut = made.is_ok_and(|later| later.is_ok_and(|later| later > MADE));
        let is_link = fs::symlink_metadata(name).is_ok_and(|name| name.is_symlink());
        let log = log::beside(&file);
        // SQLite would take it for a new file and discard the log.
        if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            return refused(format!(
                "{shown} is empty, and {} beside it is not: it has been cut off; put back a copy, or \
                 remove both to begin a new ledger",
                log.display()
            ));
        }
        if was_cut || is_link {
            let why =
                if was_cut { "was emptied after it was made" } else { "is reached by a link" };
            return refused(format!(
                "{shown} is empty and {why}, so that it may have been a ledger: put back a copy, or \
                 remove {} to begin a new one",
                file.display()
            ));
        }
    }
    Ok(file)
}

/// Resolves the name of a missing file, which may be created unless there are signs that it
/// existed.
fn missing(name: &FilePath) -> Result<PathBuf, JournalError> {
    let shown = name.display();
    if let Ok(target) = fs::read_link(name) {
        return Err(JournalError::new(format!(
            "{shown} is a link to {}, which is not there: put that file back, or open it by its own name \
             to begin a new ledger",
            target.display()
        )));
    }
    // The folder as SQLite sees it. If there is none, SQLite's error says so.
    let file = absolute(name);
    let folder = file.parent().and_then(|folder| fs::canonicalize(folder).ok());
    let file =
        folder.zip(file.file_name()).map_or(file.clone(), |(folder, name)| folder.join(name));
    let log = log::beside(&file);
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(JournalError::new(format!(
            "{shown} is not there, and {} is: the ledger was moved or removed without its log; put it \
             back beside it, or remove the log to begin a new ledger",
            log.display()
        )));
    }
    Ok(file)
}

/// Refuses a file that another process has open and whose log has been removed since: opening it
/// now would begin a second log, without the transactions in the first. A file has a log from its
/// first transaction to the last close.
pub(super) fn check_log(name: &FilePath, file: &FilePath) -> Result<(), JournalError> {
    let log = log::beside(file);
    if log.exists() || fs::metadata(file).map_or(0, |file| file.len()) == 0 {
        return Ok(());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let probe = || -> rusqlite::Result<()> {
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(OPENING)?;
        // Then the first query locks the whole file, which fails while another process has it open.
        connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
    };
    let is_open = probe().is_err_and(|error| error.sqlite_error_code() == Some(Code::DatabaseBusy));
    if is_open && !log.exists() {
        Err(JournalError::new(format!(
            "{} is open in another process, and its log {} was moved or removed meanwhile: put the log \
             back, or end that process to go on without what is in it",
            name.display(),
            log.display()
        )))
    } else {
        Ok(())
    }
}

fn absolute(name: &FilePath) -> PathBuf {
    std::path::absolute(name).unwrap_or_else(|_| name.to_path_buf())
}

/// A file, its log and the index of the log, and which ones they were when they were opened.
///
/// Writes to an unlinked file are lost with the process, and two processes with separate logs are
/// two ledgers under one limit. A file is known by its device and number; where a system has no
/// such numbers (it is not Unix), it is taken to be the same.
#[derive(Debug)]
pub(super) struct Place {
    spots: [Spot; 3],
}

impl Place {
    /// The present place of an open file. Its log and index exist from the first transaction to the
    /// last close.
    pub(super) fn of(file: &FilePath) -> Place {
        let spot = |end| Spot::of(log::with_end(file, end), end);
        Place { spots: [spot(""), spot("-wal"), spot("-shm")] }
    }

    /// How long the log is.
    pub(super) fn log_length(&self) -> u64 {
        fs::metadata(&self.spots[1].path).map_or(0, |log| log.len())
    }

    /// An error if one of them is gone or another has its name.
    pub(super) fn check(&self, name: &FilePath) -> Result<(), JournalError> {
        match self.spots.iter().find(|spot| !spot.is_same()) {
            None => Ok(()),
            Some(spot) => Err(spot.explain(name)),
        }
    }
}

/// Marks that this process has a ledger open: a shared lock (`flock`) on the log, which SQLite does
/// not lock. The system releases it when the process ends, however it ends.
#[derive(Debug, Default)]
pub(super) struct Presence {
    #[cfg(target_os = "linux")]
    log: Option<fs::File>,
}

#[cfg(target_os = "linux")]
impl Presence {
    /// Of a file that is open.
    pub(super) fn of(file: &FilePath) -> Presence {
        use rustix::fs::{FlockOperation, flock};
        let log = fs::File::open(log::beside(file)).ok();
        Presence { log: log.filter(|log| flock(log, FlockOperation::LockShared).is_ok()) }
    }

    /// True if no other process has such a lock; false where that is unknown. Call it while holding
    /// SQLite's write lock, so that no two processes check at a time.
    pub(super) fn is_alone(&self) -> bool {
        use rustix::fs::{FlockOperation, flock};
        let Some(log) = &self.log else { return false };
        let is_alone = flock(log, FlockOperation::NonBlockingLockExclusive).is_ok();
        let _ = flock(log, FlockOperation::LockShared);
        is_alone
    }
}

/// Unknown on other systems: the standard library of the oldest supported compiler has no such
/// lock.
#[cfg(not(target_os = "linux"))]
impl Presence {
    pub(super) fn of(_: &FilePath) -> Presence {
        Presence::default()
    }

    pub(super) fn is_alone(&self) -> bool {
        false
    }
}

/// A path, and the file that it named.
#[derive(Debug)]
struct Spot {
    path: PathBuf,
    end: &'static str,
    number: Option<Number>,
}

/// Device and inode, which identify a file.
type Number = (u64, u64);

impl Spot {
    fn of(path: PathBuf, end: &'static str) -> Spot {
        Spot { number: number(&path), path, end }
    }

    fn is_same(&self) -> bool {
        self.number.is_none() || number(&self.path) == self.number
    }

    #[cold]
    fn explain(&self, name: &FilePath) -> JournalError {
        let (name, end) = (name.display(), self.end);
        let what = if self.path.exists() {
            "another file was put in its place"
        } else {
            "it was moved or removed"
        };
        JournalError::new(format!(
            "{name}{end} is not the file that was opened: {what} while it was in use; put that one \
             back, or restart the process to go on with what is there"
        ))
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
