//! [`Stats`]: what a cache holds and what it has done.

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
    /// Results that are held, expired ones included until a later insert frees them.
    pub entries: usize,
    /// What they weigh together: their number, unless the cache weighs them.
    pub weight: u64,
    /// What the hits and the waits would have cost.
    pub saved: Usd,
}

impl Stats {
    /// Adds what another shard has done.
    pub(super) fn add(&mut self, other: &Stats) {
        self.hits += other.hits;
        self.waits += other.waits;
        self.misses += other.misses;
        self.inserts += other.inserts;
        self.evictions += other.evictions;
        self.expirations += other.expirations;
        self.add_saved(other.saved);
    }

    pub(super) fn add_saved(&mut self, saved: Usd) {
        self.saved = self.saved.checked_add(saved).unwrap_or(Usd::MAX);
    }
}
