//! [`Trimmed`]: what is kept of a conversation and what fell out; [`TrimReport`]: the numbers.

use std::fmt;

use serde::Serialize;

use super::count::Counting;
use super::cut::Cut;
use super::message::{Messages, Render};
use super::walk::Picked;

/// What is kept of a conversation: a view, nothing is copied until [`render`](Trimmed::render).
#[must_use]
pub struct Trimmed<'a, C: ?Sized> {
    messages: &'a C,
    counting: Counting,
    picked: Picked,
}

impl<'a, C: Messages + ?Sized> Trimmed<'a, C> {
    pub(super) fn new(messages: &'a C, counting: Counting, picked: Picked) -> Trimmed<'a, C> {
        Trimmed { messages, counting, picked }
    }

    /// The indices of what is kept, in order.
    pub fn kept(&self) -> &[usize] {
        &self.picked.kept
    }

    /// What is kept, in order; where a message is [cut](Trimmed::cuts), the whole of it.
    pub fn messages(&self) -> impl Iterator<Item = C::Message<'a>> {
        let messages = self.messages;
        self.picked.kept.iter().filter_map(move |&index| messages.at(index))
    }

    /// The texts of kept messages that lose their middle, in order.
    pub fn cuts(&self) -> &[Cut] {
        self.picked.cut.as_ref().map_or(&[], |cut| &cut.cuts)
    }

    /// The indices of what fell out, in order.
    pub fn dropped(&self) -> impl Iterator<Item = usize> {
        let mut kept = self.picked.kept.iter().peekable();
        (0..self.messages.len()).filter(move |index| kept.next_if_eq(&index).is_none())
    }

    /// What fell out, in order.
    pub fn dropped_messages(&self) -> impl Iterator<Item = C::Message<'a>> {
        let messages = self.messages;
        self.dropped().filter_map(move |index| messages.at(index))
    }

    /// The tokens of what is kept, with those around the request: at most what was given.
    pub fn tokens(&self) -> u64 {
        self.picked.tokens
    }

    /// The tokens of the messages that fell out. Counts them, each time that it is asked.
    pub fn dropped_tokens(&self) -> u64 {
        self.sum(self.dropped())
    }

    fn sum(&self, indices: impl Iterator<Item = usize>) -> u64 {
        let count = |index| self.counting.at(self.messages, index, u64::MAX);
        indices.map(|index| count(index).unwrap_or(u64::MAX)).fold(0, u64::saturating_add)
    }

    /// The numbers. It counts what fell out.
    pub fn report(&self) -> TrimReport {
        let mut messages_cut: Vec<usize> = self.cuts().iter().map(Cut::message).collect();
        messages_cut.dedup();
        let cut_away = self
            .picked
            .cut
            .as_ref()
            .map_or(0, |cut| self.sum(cut.unit.indices()).saturating_sub(cut.tokens));
        let tokens_dropped = self.dropped_tokens().saturating_add(cut_away);
        TrimReport {
            messages_kept: self.picked.kept.len(),
            messages_dropped: self.messages.len().saturating_sub(self.picked.kept.len()),
            messages_cut: messages_cut.len(),
            tokens_before: self.tokens().saturating_add(tokens_dropped),
            tokens_kept: self.tokens(),
            tokens_dropped,
        }
    }
}

impl<C: Render + ?Sized> Trimmed<'_, C> {
    /// The list to send: copies of what is kept, cut where it is cut.
    pub fn render(&self) -> Vec<C::Owned> {
        let owned = |&index: &usize| {
            let cuts = super::cut::of_message(self.cuts(), index);
            let replace =
                |text: usize, whole: &str| Some(super::cut::of_text(cuts, text)?.apply(whole));
            self.messages.owned(index, &replace)
        };
        self.picked.kept.iter().filter_map(owned).collect()
    }
}

impl<C: ?Sized> fmt::Debug for Trimmed<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trimmed").field("picked", &self.picked).finish_non_exhaustive()
    }
}

/// What trimming did, in numbers.
///
/// The tokens are upper bounds of one counter; `before` is `kept` and `dropped` together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TrimReport {
    /// Messages that are sent, whole or cut.
    pub messages_kept: usize,
    /// Messages that are not sent.
    pub messages_dropped: usize,
    /// Messages that lost the middle of a text.
    pub messages_cut: usize,
    /// Tokens of the whole conversation.
    pub tokens_before: u64,
    /// Tokens of what is sent.
    pub tokens_kept: u64,
    /// Tokens of what is not sent, of messages and of the middles that were cut out.
    pub tokens_dropped: u64,
}
