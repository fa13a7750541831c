//! [`check`]: refuses a write-ahead log that has lost transactions.
//!
//! SQLite reads a log up to the first incomplete frame, which is where a process died while
//! writing, and silently ignores the rest. A process writes frames in order; so a whole transaction
//! after an incomplete frame was committed, and is lost because of damage. (The form of the file:
//! <https://www.sqlite.org/fileformat2.html#walformat>.)
//!
//! Some losses cannot be detected, because a process that dies while writing leaves the same file:
//! damage in the last transaction of a log, a log that was cut off after a whole frame, and one
//! that was removed after the last process died.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path as FilePath, PathBuf};

use super::super::JournalError;

/// The log of a file.
pub(super) fn beside(file: &FilePath) -> PathBuf {
    with_end(file, "-wal")
}

/// A file that SQLite keeps beside another, by the end of its name.
pub(super) fn with_end(file: &FilePath, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_os_string();
    name.push(end);
    PathBuf::from(name)
}

/// How often a log is read before it is called damaged: another process may write it meanwhile.
const LOOKS: usize = 3;

/// Refuses a log that has lost transactions. Reads, and changes nothing; the log has none of SQLite's
/// locks, so that reading it lets go of none.
pub(super) fn check(file: &FilePath) -> Result<(), JournalError> {
    let log = beside(file);
    let mut before = None;
    for _ in 0..LOOKS {
        match look(&log) {
            None => return Ok(()),
            found if found == before => break,
            found => before = found,
        }
    }
    let Some(Loss { frame, .. }) = before else { return Ok(()) };
    let (name, log) = (file.display(), log.display());
    Err(JournalError::new(format!(
        "{log} is damaged at its frame {frame}, and transactions behind it are lost: put back a copy of \
         {name} and of its log, or go on without them after `sqlite3 {name} 'PRAGMA \
         wal_checkpoint(TRUNCATE)'`"
    )))
}

/// Where a log is damaged: the generation of the log, and the first frame that is not whole, from 1; 0 is
/// its header.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Loss {
    salt: [u8; 8],
    frame: u64,
}

/// `None` if nothing is known to be lost. A log that cannot be read is SQLite's to complain of.
fn look(log: &FilePath) -> Option<Loss> {
    let file = File::open(log).ok()?;
    // Frames that are appended meanwhile are left out: one could be whole before the one ahead of
    // it.
    let length = file.metadata().ok()?.len();
    let mut from = BufReader::with_capacity(1 << 16, file.take(length));
    let mut header = [0; HEADER];
    from.read_exact(&mut header).ok()?;
    let mut salt = [0; 8];
    salt.copy_from_slice(&header[16..24]);
    let Some(form) = Form::of(&header) else {
        // SQLite ignores everything after such a header.
        return (length > HEADER as u64).then_some(Loss { salt, frame: 0 });
    };
    let mut sum = [word(&header[24..], true), word(&header[28..], true)];
    let mut frame = vec![0; FRAME.checked_add(form.page)?];
    let (mut number, mut lost_at) = (0_u64, None);
    while from.read_exact(&mut frame).is_ok() {
        number = number.saturating_add(1);
        let stored = [word(&frame[16..], true), word(&frame[20..], true)];
        let is_whole =
            frame[8..16] == salt && form.sum(form.sum(sum, &frame[..8]), &frame[FRAME..]) == stored;
        let commits = word(&frame[4..], true) != 0;
        match lost_at {
            None if !is_whole => lost_at = Some(number),
            Some(frame) if is_whole && commits => return Some(Loss { salt, frame }),
            _ => {}
        }
        // After damage, a frame is checked against the sum that the frame before it states.
        sum = stored;
    }
    None
}

/// How long the header of a log and that of a frame are.
const HEADER: usize = 32;
const FRAME: usize = 24;

/// What the header of a log says of its frames.
struct Form {
    page: usize,
    big_endian: bool,
}

impl Form {
    /// `None` if the header is not one that SQLite wrote.
    fn of(header: &[u8; HEADER]) -> Option<Form> {
        let magic = word(header, true);
        let page = usize::try_from(word(&header[8..], true)).ok()?;
        let form = Form { page, big_endian: magic & 1 == 1 };
        let is_known = magic & !1 == 0x377f_0682
            && word(&header[4..], true) == 3_007_000
            && page.is_power_of_two()
            && (512..=65_536).contains(&page);
        let stored = [word(&header[24..], true), word(&header[28..], true)];
        (is_known && form.sum([0, 0], &header[..24]) == stored).then_some(form)
    }

    /// SQLite's checksum of a log: of pairs of words, each log in the order of the bytes that its writer's
    /// machine had.
    fn sum(&self, sum: [u32; 2], bytes: &[u8]) -> [u32; 2] {
        bytes.chunks_exact(8).fold(sum, |[one, two], pair| {
            let one = one.wrapping_add(word(pair, self.big_endian)).wrapping_add(two);
            let two = two.wrapping_add(word(&pair[4..], self.big_endian)).wrapping_add(one);
            [one, two]
        })
    }
}

/// The first four bytes as a number.
fn word(bytes: &[u8], big_endian: bool) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[..4]);
    if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
}
