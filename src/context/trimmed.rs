//! Owns [`Trimmed`], what is kept of a conversation and what fell out, and [`TrimReport`].

use std::fmt;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::money::Usd;
use crate::price::{Model, PriceError, Terms};
use crate::usage::Usage;

use super::cut::Cut;
use super::error::TrimError;
use super::message::{Messages, Render};
use super::unit::Side;
use super::walk::{Gap, Picked};
use super::{ChatMessage, ContextTrimmer, Oversize};

/// What is kept of a conversation: a view, nothing is copied until [`render`](Trimmed::render).
#[must_use]
pub struct Trimmed<'a, C: ?Sized> {
    messages: &'a C,
    trimmer: ContextTrimmer,
    picked: Picked,
    summary: Option<String>,
}

impl<'a, C: Messages + ?Sized> Trimmed<'a, C> {
    pub(super) fn new(messages: &'a C, trimmer: ContextTrimmer, picked: Picked) -> Trimmed<'a, C> {
        Trimmed { messages, trimmer, picked, summary: None }
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
        &self.picked.cuts
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

    /// The tokens of what is kept, the summary and what is around the request included: at most
    /// what was given.
    pub fn tokens(&self) -> u64 {
        self.picked.tokens
    }

    /// The tokens of the messages that fell out. Counts them, each time that it is asked.
    pub fn dropped_tokens(&self) -> u64 {
        let count = |index| self.trimmer.counting.at(self.messages, index, u64::MAX);
        self.dropped().map(|index| count(index).unwrap_or(u64::MAX)).fold(0, u64::saturating_add)
    }

    /// Puts a summary where the first messages fell out. If none fell out, there is nothing to sum
    /// up, and it is left away; so is a second one, and a blank one, which providers refuse.
    ///
    /// Where turns must alternate, [`render`](Trimmed::render) adds it to the message of the user
    /// beside the place; else it is a message of the user of its own.
    ///
    /// # Errors
    /// [`TrimError::SummaryTooLarge`], if it does not fit and must not be cut.
    pub fn with_summary(mut self, summary: impl Into<String>) -> Result<Trimmed<'a, C>, TrimError> {
        let message = ChatMessage::user(summary);
        let is_left_away = self.picked.gap.is_none() || self.summary.is_some();
        if is_left_away || super::cut::is_blank(message.text()) {
            return Ok(self);
        }
        let room_tokens = self.trimmer.max_tokens.saturating_sub(self.picked.tokens);
        let tokens = self.trimmer.count(&message);
        let fitting = match self.trimmer.oversize {
            _ if tokens <= room_tokens => Some((message.text().to_owned(), tokens)),
            Oversize::Cut => super::cut::one(&self.trimmer, &message, room_tokens),
            Oversize::Refuse => None,
        };
        let (text, tokens) = fitting.ok_or(TrimError::SummaryTooLarge { tokens, room_tokens })?;
        self.picked.tokens = self.picked.tokens.saturating_add(tokens);
        self.summary = Some(text);
        Ok(self)
    }

    /// The summary, and the number of kept messages before it.
    pub fn summary(&self) -> Option<(usize, &str)> {
        Some((self.picked.gap?.before, self.summary.as_deref()?))
    }

    /// What trimming saves on this call: the price of the whole conversation as fresh input, less
    /// that of what is kept. Exact for the counts, at the standard rates of the moment `at`; where
    /// input above some length is dearer, the fall of the rate is part of it.
    ///
    /// It counts what fell out.
    ///
    /// # Errors
    /// [`PriceError`]: the model had no price then.
    pub fn saved(&self, model: &Model, at: Timestamp) -> Result<Usd, PriceError> {
        self.report().saved_at(model, at)
    }

    /// The numbers. It counts what fell out.
    pub fn report(&self) -> TrimReport {
        let of_cuts = self.picked.cuts.iter().map(Cut::message);
        let mut messages_cut: Vec<usize> = of_cuts.collect();
        messages_cut.dedup();
        let whole = |index: usize| {
            self.trimmer.counting.at(self.messages, index, u64::MAX).unwrap_or(u64::MAX)
        };
        let cut_away = messages_cut.iter().fold(0_u64, |sum, &index| {
            let kept = super::cut::tokens_of(&self.trimmer, self.messages, index, self.cuts());
            sum.saturating_add(whole(index).saturating_sub(kept))
        });
        let summary =
            self.summary.as_deref().map_or(0, |text| self.trimmer.count(&ChatMessage::user(text)));
        let tokens_dropped = self.dropped_tokens().saturating_add(cut_away);
        let kept = self.tokens().saturating_sub(summary);
        TrimReport {
            messages_kept: self.picked.kept.len(),
            messages_dropped: self.messages.len().saturating_sub(self.picked.kept.len()),
            messages_cut: messages_cut.len(),
            tokens_before: kept.saturating_add(tokens_dropped),
            tokens_kept: self.tokens(),
            tokens_dropped,
            saved: None,
        }
    }

    /// The numbers, with the dollars that are [saved](Trimmed::saved).
    ///
    /// # Errors
    /// [`PriceError`]: the model had no price then.
    pub fn report_for(&self, model: &Model, at: Timestamp) -> Result<TrimReport, PriceError> {
        let report = self.report();
        Ok(TrimReport { saved: Some(report.saved_at(model, at)?), ..report })
    }
}

impl<C: Render + ?Sized> Trimmed<'_, C> {
    /// The list to send: copies of what is kept, cut where it is cut, with the summary.
    pub fn render(&self) -> Vec<C::Owned> {
        let mut written = Vec::with_capacity(self.picked.kept.len().saturating_add(1));
        for (number, &index) in self.picked.kept.iter().enumerate() {
            let cuts = super::cut::of_message(&self.picked.cuts, index);
            let replace = |text: usize, whole: &str| {
                let cut = super::cut::of_text(cuts, text)?;
                Some(cut.apply(whole, &self.trimmer.mark))
            };
            let Some(mut message) = self.messages.owned(index, &replace) else { continue };
            if let Some((gap, summary)) = self.gap_before(number) {
                self.write_summary(summary, gap, &mut written, &mut message);
            }
            written.push(message);
        }
        written
    }

    fn gap_before(&self, number: usize) -> Option<(Gap, &str)> {
        let gap = self.picked.gap.filter(|gap| gap.before == number)?;
        Some((gap, self.summary.as_deref()?))
    }

    fn write_summary(
        &self,
        summary: &str,
        gap: Gap,
        written: &mut Vec<C::Owned>,
        next: &mut C::Owned,
    ) {
        let rules = self.trimmer.rules.unwrap_or_else(|| self.messages.rules());
        match written.last_mut() {
            Some(before) if rules.alternate && gap.closes == Some(Side::User) => {
                self.messages.join(before, summary, true);
            }
            _ if rules.alternate && gap.opens == Some(Side::User) => {
                self.messages.join(next, summary, false);
            }
            _ => written.push(self.messages.user(summary)),
        }
    }
}

impl<C: ?Sized> fmt::Debug for Trimmed<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trimmed").field("picked", &self.picked).finish_non_exhaustive()
    }
}

/// What trimming did, in numbers.
///
/// The tokens are upper bounds of one counter; `before` is `kept` and `dropped` together, less a
/// summary.
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
    /// Tokens of what is sent, the summary included.
    pub tokens_kept: u64,
    /// Tokens of what is not sent, of messages and of the middles that were cut out.
    pub tokens_dropped: u64,
    /// What this one call costs less, if a price was asked for.
    pub saved: Option<Usd>,
}

impl TrimReport {
    fn saved_at(&self, model: &Model, at: Timestamp) -> Result<Usd, PriceError> {
        let cost = |tokens| model.price().cost(&Usage::tokens(tokens, 0), &Terms::default(), at);
        let (before, after) = (cost(self.tokens_before)?, cost(self.tokens_kept)?);
        Ok(before.checked_sub(after).unwrap_or(Usd::ZERO))
    }
}
