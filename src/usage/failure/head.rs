//! [`Head`]: the first bytes of a stream, kept in case they are an error.

use super::super::body::Body;
use super::super::json::Json;

/// The beginning of a stream, up to [`Head::MOST`] bytes. An error in place of an answer is short,
/// so a longer stream is not kept.
#[derive(Debug, Default)]
pub(crate) struct Head {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Head {
    const MOST: usize = 16 * 1024;

    /// Appends the next bytes, cut anywhere.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if !self.is_too_long {
            self.keep(bytes);
        }
    }

    /// Appends one whole event.
    pub(crate) fn event(&mut self, event: Body<'_>) {
        if self.is_too_long {
            return;
        }
        match event.0 {
            Json::Text(text) => self.keep(text),
            Json::Tree(tree) => self.keep(tree.to_string().as_bytes()),
        }
        self.keep(b"\n");
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.bytes.len().saturating_add(bytes.len()) > Head::MOST {
            self.is_too_long = true;
            self.bytes = Vec::new();
        } else if !self.is_too_long {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// True if nothing has come.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.is_too_long
    }

    /// All bytes so far; empty if there were more than [`Head::MOST`].
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
