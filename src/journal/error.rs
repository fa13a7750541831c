//! [`JournalError`]: why a journal could not be opened, read or written.

use std::sync::Arc;

/// Why something was not written, or a journal not opened. The sentence names the file and the
/// remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct JournalError {
    what: Arc<str>,
    is_temporary: bool,
}

impl JournalError {
    /// A permanent error: it lasts until its cause is removed.
    pub fn new(what: impl Into<Arc<str>>) -> JournalError {
        JournalError { what: what.into(), is_temporary: false }
    }

    /// A temporary error, worth a retry: for example, another process holds the file's lock.
    pub fn temporary(what: impl Into<Arc<str>>) -> JournalError {
        JournalError { what: what.into(), is_temporary: true }
    }

    /// True if a retry may succeed.
    pub fn is_temporary(&self) -> bool {
        self.is_temporary
    }
}
