//! Owns why a journal cannot do what it should.

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
    /// An error that lasts until somebody mends its cause.
    pub fn new(what: impl Into<Arc<str>>) -> JournalError {
        JournalError { what: what.into(), is_temporary: false }
    }

    /// An error that may be over in a moment: another process has the file, say.
    pub fn temporary(what: impl Into<Arc<str>>) -> JournalError {
        JournalError { what: what.into(), is_temporary: true }
    }

    /// True if it may be over in a moment.
    pub fn is_temporary(&self) -> bool {
        self.is_temporary
    }
}
