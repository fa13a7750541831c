//! What a journal records: each event as it is applied, and what it charged, by name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::command::{Change, Event, Target};
use super::path::Path;
use super::settle::held_tokens;
use super::{HoldId, Ledger, ModelId};
use crate::clock::Timestamp;
use crate::parse::{ParseError, named};
use crate::usage::{Confidence, Usage};

/// An event, and what it charged.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The event.
    pub event: Event,
    /// What it charged, for people to query: nothing, one line, or two where a charge that was
    /// assumed before is reversed.
    pub charges: Vec<Posting>,
}

/// Why something was charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PostingKind {
    /// A call was settled.
    Settled,
    /// A call was recorded that had no hold.
    Recorded,
    /// A lease ended, and what was held was charged.
    Expired,
    /// What an ended lease had charged is reversed: its amounts are negative.
    Reversed,
    /// A correction with a reason.
    Adjusted,
}

impl PostingKind {
    /// Every kind.
    pub(crate) const ALL: [PostingKind; 5] = [
        PostingKind::Settled,
        PostingKind::Recorded,
        PostingKind::Expired,
        PostingKind::Reversed,
        PostingKind::Adjusted,
    ];

    /// As a word: `settled`, `recorded`, `expired`, `reversed`, `adjusted`.
    pub const fn as_str(self) -> &'static str {
        match self {
            PostingKind::Settled => "settled",
            PostingKind::Recorded => "recorded",
            PostingKind::Expired => "expired",
            PostingKind::Reversed => "reversed",
            PostingKind::Adjusted => "adjusted",
        }
    }
}

impl fmt::Display for PostingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// By its name, as [`as_str`](PostingKind::as_str) has it.
impl FromStr for PostingKind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<PostingKind, ParseError> {
        named(text, "a kind of charge", &PostingKind::ALL, PostingKind::as_str)
    }
}

/// One line of what was charged. Where it is [reversed](PostingKind::Reversed), the cost is negative
/// and the usage is to be subtracted.
#[derive(Clone, Debug, PartialEq)]
pub struct Posting {
    /// When it was booked.
    pub at: Timestamp,
    /// When it was reserved: the windows that it counts in.
    pub reserved_at: Timestamp,
    /// The account.
    pub account: Path,
    /// The tags.
    pub tags: Vec<Path>,
    /// The model; empty for none.
    pub model: Arc<str>,
    /// Why.
    pub kind: PostingKind,
    /// Picodollars.
    pub cost: i128,
    /// What was used, by bucket.
    pub usage: Usage,
    /// How sure we are.
    pub confidence: Confidence,
    /// The reason that was given for a correction.
    pub why: Option<Arc<str>>,
}

impl Posting {
    /// A count of its usage with the sign by which postings add up: negative where it is
    /// [reversed](PostingKind::Reversed).
    pub fn signed(&self, count: u64) -> i64 {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        if self.kind == PostingKind::Reversed { count.saturating_neg() } else { count }
    }
}

/// The entries since they were last taken, if they are kept at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tape {
    runs: bool,
    entries: Vec<Entry>,
}

impl Tape {
    #[inline]
    pub(super) fn runs(&self) -> bool {
        self.runs
    }
}

impl Ledger {
    /// Whether each event is kept from now on, until it is taken by [`take_entries`](Ledger::take_entries).
    #[doc(hidden)]
    pub fn keep_entries(&mut self, keep: bool) {
        self.tape.runs = keep;
    }

    /// What was applied since the last call, if it is kept.
    #[doc(hidden)]
    pub fn take_entries(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.tape.entries)
    }

    /// Writes an event down that is about to be applied.
    #[cold]
    pub(super) fn keep(&mut self, event: &Event) {
        let charges = self.charges_of(event);
        self.tape.entries.push(Entry { event: event.clone(), charges });
    }

    fn charges_of(&self, event: &Event) -> Vec<Posting> {
        let at = event.at;
        match &event.change {
            Change::Settled(settled) => {
                let Some(hold) = self.holds.get(settled.hold) else { return Vec::new() };
                let mut lines = Vec::with_capacity(1);
                if hold.is_expired() {
                    let line = self.assumed(settled.hold, at, PostingKind::Reversed);
                    lines.extend(line);
                }
                let line = self.line(at, hold.first.at, &hold.target, settled.model);
                lines.push(Posting {
                    kind: PostingKind::Settled,
                    cost: settled.booked.cost,
                    usage: settled.usage,
                    confidence: settled.confidence,
                    ..line
                });
                lines
            }
            Change::Released { hold } => {
                let expired = self.holds.get(*hold).filter(|hold| hold.is_expired());
                let line = expired.and_then(|_| self.assumed(*hold, at, PostingKind::Reversed));
                line.into_iter().collect()
            }
            Change::ExpiredCharged { hold } => {
                self.assumed(*hold, at, PostingKind::Expired).into_iter().collect()
            }
            Change::Recorded(recorded) => vec![Posting {
                kind: PostingKind::Recorded,
                cost: recorded.booked.cost,
                usage: recorded.usage,
                confidence: recorded.confidence,
                ..self.line(at, at, &recorded.target, recorded.model)
            }],
            Change::Adjusted(adjusted) => vec![Posting {
                kind: PostingKind::Adjusted,
                cost: adjusted.cost,
                why: Some(Arc::clone(&adjusted.why)),
                ..self.line(at, adjusted.about, &adjusted.target, adjusted.target.model)
            }],
            _ => Vec::new(),
        }
    }

    /// What the end of a lease charges, or what is reversed of it.
    fn assumed(&self, id: HoldId, at: Timestamp, kind: PostingKind) -> Option<Posting> {
        let hold = self.holds.get(id)?;
        let total = hold.total();
        let cost = match kind {
            PostingKind::Reversed => total.cost.saturating_neg(),
            _ => total.cost,
        };
        let usage = held_tokens(&total);
        let line = self.line(at, hold.first.at, &hold.target, hold.target.model);
        Some(Posting { kind, cost, usage, confidence: Confidence::Assumed, ..line })
    }

    fn line(
        &self,
        at: Timestamp,
        reserved_at: Timestamp,
        target: &Target,
        model: ModelId,
    ) -> Posting {
        let path = |index: u32| self.accounts.at(index).path.clone();
        Posting {
            at,
            reserved_at,
            account: path(target.account.index),
            tags: target.tags.as_slice().iter().map(|tag| path(tag.index)).collect(),
            model: self.model_name(model).cloned().unwrap_or_default(),
            kind: PostingKind::Adjusted,
            cost: 0,
            usage: Usage::NONE,
            confidence: Confidence::Reported,
            why: None,
        }
    }
}
