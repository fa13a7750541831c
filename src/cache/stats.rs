//! Owns [`Stats`]: what a cache holds and what it has done.

use serde::Serialize;

use crate::money::Usd;

/// What a cache holds, and what it has done since it was made.
///
/// Each look-up that comes to an end is one of `hits`, `waits` and `misses`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Look-ups that found a result.
    pub hits: u64,
    /// Calls that were served by the run of another.
    pub waits: u64,
    /// Look-ups that found nothing, and calls that were run.
    pub misses: u64,
    /// Results that were kept.
    pub inserts: u64,
    /// Results that had to make place before their time was over.
    pub evictions: u64,
    /// Results that were let go because their time was over.
    pub expirations: u64,
    /// Results that are held, expired ones included until they are swept.
    pub entries: usize,
    /// What they weigh together: their number, unless the cache weighs them.
    pub weight: u64,
    /// What the hits and the waits would have cost.
    pub saved: Usd,
}

impl Stats {
    /// Counts look-ups that a result of that cost has served.
    pub(super) fn add_hits(&mut self, hits: u64, cost: Usd) {
        self.hits = self.hits.saturating_add(hits);
        self.add_saved(cost.checked_mul(i128::from(hits)));
    }

    /// Counts a call that was served by the run of another.
    pub(super) fn add_wait(&mut self, cost: Usd) {
        self.waits = self.waits.saturating_add(1);
        self.add_saved(Some(cost));
    }

    fn add_saved(&mut self, saved: Option<Usd>) {
        self.saved = saved.and_then(|saved| self.saved.checked_add(saved)).unwrap_or(Usd::MAX);
    }
}
