//! Owns what a journal writes down: each event as it is applied, and what it charged, by name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::command::{Change, Event, Target};
use super::path::Path;
use super::settle::held_tokens;
use super::{HoldId, Ledger, ModelId};
use crate::clock::Timestamp;
use crate::parse::{ParseNameError, named};
use crate::usage::{Confidence, Usage};

/// An event, and what it charged.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The event.
    pub event: Event,
    /// What it charged, for people to query: nothing, one line, or two where a charge that was
    /// assumed before is taken back.
    pub charges: Vec<Posting>,
}

/// Why something was charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Charging {
    /// A call was settled.
    Settled,
    /// A call was recorded that had no hold.
    Recorded,
    /// A lease ended, and what was held was charged.
    Expired,
    /// What an ended lease had charged is taken back: its amounts are negative.
    TakenBack,
    /// A correction with a reason.
    Adjusted,
}

impl Charging {
    /// Every kind.
    pub(crate) const ALL: [Charging; 5] = [
        Charging::Settled,
        Charging::Recorded,
        Charging::Expired,
        Charging::TakenBack,
        Charging::Adjusted,
    ];

    /// As a word: `settled`, `recorded`, `expired`, `taken back`, `adjusted`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Charging::Settled => "settled",
            Charging::Recorded => "recorded",
            Charging::Expired => "expired",
            Charging::TakenBack => "taken back",
            Charging::Adjusted => "adjusted",
        }
    }
}

impl fmt::Display for Charging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// By its name, as [`as_str`](Charging::as_str) has it.
impl FromStr for Charging {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Charging, ParseNameError> {
        named(text, "a kind of charge", &Charging::ALL, Charging::as_str)
    }
}

/// One line of what was charged. Where it is [taken back](Charging::TakenBack), the cost is negative
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
    pub kind: Charging,
    /// Picodollars.
    pub cost: i128,
    /// What was used, by bucket.
    pub usage: Usage,
    /// How sure we are.
    pub confidence: Confidence,
    /// The reason that was given for a correction.
    pub why: Option<Arc<str>>,
}

#[cfg(feature = "sqlite")]
impl Posting {
    /// A count of its usage as it adds up with others: less than nothing where it is taken back.
    pub(crate) fn signed(&self, count: u64) -> i64 {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        if self.kind == Charging::TakenBack { count.saturating_neg() } else { count }
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
    pub fn keep_entries(&mut self, keep: bool) {
        self.tape.runs = keep;
    }

    /// What was applied since the last call, if it is kept.
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
                    let line = self.assumed(settled.hold, at, Charging::TakenBack);
                    lines.extend(line);
                }
                let line = self.line(at, hold.first.at, &hold.target, settled.model);
                lines.push(Posting {
                    kind: Charging::Settled,
                    cost: settled.booked.cost,
                    usage: settled.usage,
                    confidence: settled.confidence,
                    ..line
                });
                lines
            }
            Change::Released { hold } => {
                let expired = self.holds.get(*hold).filter(|hold| hold.is_expired());
                let line = expired.and_then(|_| self.assumed(*hold, at, Charging::TakenBack));
                line.into_iter().collect()
            }
            Change::Expired { hold } => {
                self.assumed(*hold, at, Charging::Expired).into_iter().collect()
            }
            Change::Recorded(recorded) => vec![Posting {
                kind: Charging::Recorded,
                cost: recorded.booked.cost,
                usage: recorded.usage,
                confidence: recorded.confidence,
                ..self.line(at, at, &recorded.target, recorded.model)
            }],
            Change::Adjusted(adjusted) => vec![Posting {
                kind: Charging::Adjusted,
                cost: adjusted.cost,
                why: Some(Arc::clone(&adjusted.why)),
                ..self.line(at, adjusted.about, &adjusted.target, adjusted.target.model)
            }],
            _ => Vec::new(),
        }
    }

    /// What the end of a lease charges, or what is taken back of it.
    fn assumed(&self, id: HoldId, at: Timestamp, kind: Charging) -> Option<Posting> {
        let hold = self.holds.get(id)?;
        let total = hold.total();
        let cost = match kind {
            Charging::TakenBack => total.cost.saturating_neg(),
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
            kind: Charging::Adjusted,
            cost: 0,
            usage: Usage::NONE,
            confidence: Confidence::Reported,
            why: None,
        }
    }
}
