//! [`Head`]: the first bytes of a stream, kept for the case that they are an error and no answer.

use super::super::body::Body;
use super::super::json::Json;

/// The beginning of what a provider streams. An answer that fails before it has begun is short: what
/// is longer than [`Head::MOST`] is an answer, and not kept.
#[derive(Debug, Default)]
pub(crate) struct Head {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Head {
    const MOST: usize = 16 * 1024;

    /// Takes in the next bytes, cut anywhere.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if !self.is_too_long {
            self.keep(bytes);
        }
    }

    /// Takes in one event that somebody else has cut out.
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

    /// All that has come, if that is little; else nothing.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
