//! [`Store`]: the entries of a cache, their bounds, and the choice of what makes place.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::flight::Landed;
use super::key::CacheKey;
use super::stats::Stats;
use super::{Answer, Source};
use crate::clock::Timestamp;
use crate::money::Usd;
use crate::sync::Lock;

/// How many entries are looked at to find the one that makes place.
const SAMPLE: usize = 8;
/// How many entries each insert looks at to let go of expired ones.
const SWEPT_PER_INSERT: usize = 4;
/// The least that a result counts for when the entries are ranked: a microdollar, in nanodollars.
const LEAST_COST: u64 = 1_000;
/// A cache of fewer entries has one shard, and so finds the least of all entries.
const LEAST_SHARDED: usize = 1_024;
/// A power of two, so that a mask finds the shard.
const SHARDS: usize = 16;
const _: () = assert!(SHARDS.is_power_of_two());

/// The most that a cache holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) entries: usize,
    pub(super) weight: u64,
}

/// The entries, in shards by their keys. A call locks one shard at a time.
pub(super) struct Store<V> {
    shards: Box<[Lock<Shard<V>>]>,
    room: Room,
}

/// What all shards hold together. It grows before an entry is put in and shrinks after one has
/// left, so the bounds hold at every moment.
struct Room {
    bounds: Bounds,
    entries: AtomicUsize,
    weight: AtomicU64,
}

struct Shard<V> {
    /// Where the entry of a key is.
    index: HashMap<CacheKey, usize, OwnHash>,
    /// In no order, so that a place can be drawn at random.
    entries: Vec<Entry<V>>,
    /// Where the next insert goes on sweeping.
    hand: usize,
    random: u64,
    /// What the shard has done; its `entries` and `weight` are not kept.
    stats: Stats,
}

/// One result.
pub(super) struct Entry<V> {
    landed: Landed<V>,
    expires: Timestamp,
    used: Timestamp,
    /// How often it was used, the insert included.
    uses: u32,
    /// Its cost by its weight, times a constant.
    density: u64,
    weight: u64,
    key: CacheKey,
}

/// What has left a shard, to be dropped after the lock is free: the destructor of a value is not
/// ours.
type Gone<V> = Vec<Entry<V>>;

impl<V> Store<V> {
    pub(super) fn new(bounds: Bounds) -> Store<V> {
        let count = if bounds.entries < LEAST_SHARDED { 1 } else { SHARDS };
        let shards = (0..count).map(|_| Lock::new(Shard::new())).collect();
        let (entries, weight) = (AtomicUsize::new(0), AtomicU64::new(0));
        Store { shards, room: Room { bounds, entries, weight } }
    }

    /// The shard of a key, by bytes that its hash does not use.
    #[inline]
    fn shard_of(&self, key: &CacheKey) -> usize {
        usize::from(key.as_bytes()[31]) & (self.shards.len() - 1)
    }

    #[inline]
    fn shard(&self, key: &CacheKey) -> &Lock<Shard<V>> {
        &self.shards[self.shard_of(key)]
    }

    /// Looks a result up. If it is not there, that is a miss if the caller `gives_up`.
    pub(super) fn find(&self, key: &CacheKey, now: Timestamp, gives_up: bool) -> Option<Answer<V>> {
        let mut shard = self.shard(key).lock();
        let Shard { index, entries, stats, .. } = &mut *shard;
        let found = index.get(key).and_then(|place| entries.get_mut(*place));
        let Some(entry) = found.filter(|entry| now < entry.expires) else {
            stats.misses += u64::from(gives_up);
            return None;
        };
        entry.uses = entry.uses.saturating_add(1);
        entry.used = now;
        stats.hits += 1;
        stats.add_saved(entry.landed.cost);
        Some(entry.landed.clone().answer(Source::Cached, now))
    }

    /// Keeps a result until that moment, if it may be kept at all.
    pub(super) fn insert(&self, key: CacheKey, landed: Landed<V>, weight: u64, expires: Timestamp) {
        let now = landed.stored;
        let bounds = self.room.bounds;
        if expires <= now || weight > bounds.weight || bounds.entries == 0 {
            self.remove(&key, now);
            return;
        }
        let mut entry = Entry::new(key, landed, weight, expires);
        loop {
            let mut gone = Gone::new();
            let put = self.shard(&key).lock().put(entry, &self.room, &mut gone);
            match put {
                Ok(_replaced) => return,
                Err(back) => entry = back,
            }
            self.evict_elsewhere(&key, now);
        }
    }

    /// Makes place in another shard, because that of the key is empty.
    #[cold]
    fn evict_elsewhere(&self, key: &CacheKey, now: Timestamp) {
        let own = self.shard_of(key);
        let others = (own + 1..self.shards.len()).chain(0..own);
        for shard in others.filter_map(|place| self.shards.get(place)) {
            let mut gone = Gone::new();
            let mut shard = shard.lock();
            if let Some(place) = shard.least_worth(now) {
                shard.note_eviction(place, now);
                shard.take(place, &self.room, &mut gone);
                return;
            }
        }
    }

    pub(super) fn remove(&self, key: &CacheKey, now: Timestamp) -> Option<Arc<V>> {
        let mut gone = Gone::new();
        {
            let mut shard = self.shard(key).lock();
            let place = *shard.index.get(key)?;
            shard.note_removal(place, now);
            shard.take(place, &self.room, &mut gone);
        }
        let entry = gone.pop()?;
        (entry.expires > now).then_some(entry.landed.value)
    }

    pub(super) fn clear(&self, now: Timestamp) {
        for shard in &self.shards {
            let mut gone = Gone::new();
            let mut shard = shard.lock();
            while let Some(last) = shard.entries.len().checked_sub(1) {
                shard.note_removal(last, now);
                shard.take(last, &self.room, &mut gone);
            }
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for shard in &self.shards {
            stats.add(&shard.lock().stats);
        }
        stats.entries = self.room.entries.load(Relaxed);
        stats.weight = self.room.weight.load(Relaxed);
        stats
    }

    /// Counts a call that was served by the run of another.
    pub(super) fn note_wait(&self, key: &CacheKey, cost: Usd) {
        let mut shard = self.shard(key).lock();
        shard.stats.waits += 1;
        shard.stats.add_saved(cost);
    }
}

impl Room {
    /// Takes room for an entry, if there is any.
    fn take(&self, weight: u64) -> bool {
        let one_more = |held: usize| (held < self.bounds.entries).then_some(held + 1);
        if self.entries.fetch_update(Relaxed, Relaxed, one_more).is_err() {
            return false;
        }
        let has_room = self.grow(weight);
        if !has_room {
            self.entries.fetch_sub(1, Relaxed);
        }
        has_room
    }

    /// Takes room for more weight, if there is any.
    fn grow(&self, weight: u64) -> bool {
        let more = |held: u64| held.checked_add(weight).filter(|sum| *sum <= self.bounds.weight);
        self.weight.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// Gives the room of one entry to another that takes its place, if it is enough.
    fn exchange(&self, old: u64, new: u64) -> bool {
        match new.checked_sub(old) {
            Some(0) => true,
            Some(more) => self.grow(more),
            None => {
                self.weight.fetch_sub(old - new, Relaxed);
                true
            }
        }
    }

    fn give_back(&self, weight: u64) {
        self.weight.fetch_sub(weight, Relaxed);
        self.entries.fetch_sub(1, Relaxed);
    }
}

impl<V> Shard<V> {
    fn new() -> Shard<V> {
        let (index, entries) = (HashMap::default(), Vec::new());
        Shard { index, entries, hand: 0, random: 0x9e37_79b9, stats: Stats::default() }
    }

    /// Puts an entry in: over the one of its key, or where there is room, or else over the one
    /// that earns least. Gives back what it replaced, or itself if the shard has nothing to give.
    fn put(
        &mut self,
        entry: Entry<V>,
        room: &Room,
        gone: &mut Gone<V>,
    ) -> Result<Option<Entry<V>>, Entry<V>> {
        let now = entry.landed.stored;
        self.sweep_some(now, room, gone);
        let known = self.index.get(&entry.key).copied();
        if let Some(place) = known {
            self.note_removal(place, now);
            if room.exchange(self.entries[place].weight, entry.weight) {
                return Ok(Some(self.replace(place, entry)));
            }
            self.take(place, room, gone);
        }
        while !room.take(entry.weight) {
            let Some(place) = self.least_worth(now) else { return Err(entry) };
            self.note_eviction(place, now);
            if room.exchange(self.entries[place].weight, entry.weight) {
                return Ok(Some(self.replace(place, entry)));
            }
            self.take(place, room, gone);
        }
        self.stats.inserts += 1;
        self.index.insert(entry.key, self.entries.len());
        self.entries.push(entry);
        Ok(None)
    }

    fn replace(&mut self, place: usize, entry: Entry<V>) -> Entry<V> {
        self.stats.inserts += 1;
        let key = entry.key;
        let old = std::mem::replace(&mut self.entries[place], entry);
        if old.key != key {
            self.index.remove(&old.key);
            self.index.insert(key, place);
        }
        old
    }

    /// Takes an entry out; the last one moves to its place.
    fn take(&mut self, place: usize, room: &Room, gone: &mut Gone<V>) {
        let entry = self.entries.swap_remove(place);
        self.index.remove(&entry.key);
        if let Some(moved) = self.entries.get(place) {
            self.index.insert(moved.key, place);
        }
        room.give_back(entry.weight);
        gone.push(entry);
    }

    /// Counts an entry that leaves, and not to make place, if its time is over.
    fn note_removal(&mut self, place: usize, now: Timestamp) {
        self.stats.expirations += u64::from(self.entries[place].expires <= now);
    }

    /// Counts an entry that leaves to make place.
    fn note_eviction(&mut self, place: usize, now: Timestamp) {
        let is_expired = self.entries[place].expires <= now;
        self.stats.expirations += u64::from(is_expired);
        self.stats.evictions += u64::from(!is_expired);
    }

    /// Moves the hand over a few entries, so that expired ones go although no thread sweeps.
    fn sweep_some(&mut self, now: Timestamp, room: &Room, gone: &mut Gone<V>) {
        for _ in 0..SWEPT_PER_INSERT.min(self.entries.len()) {
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            match self.entries.get(self.hand) {
                Some(entry) if entry.expires <= now => {
                    self.note_removal(self.hand, now);
                    self.take(self.hand, room, gone);
                }
                _ => self.hand += 1,
            }
        }
    }

    /// The place of the entry that makes place next: of a run of neighbours that begins at random,
    /// an expired one, or else the one that earns least. Neighbours have nothing in common, since
    /// each new entry of a full shard takes the place of one that leaves.
    fn least_worth(&mut self, now: Timestamp) -> Option<usize> {
        let len = self.entries.len();
        let mut place = self.draw(len);
        let mut least: Option<(usize, &Entry<V>)> = None;
        for _ in 0..SAMPLE.min(len) {
            let entry = &self.entries[place];
            if entry.expires <= now {
                return Some(place);
            }
            if least.is_none_or(|(_, lowest)| entry.earns_less(lowest, now)) {
                least = Some((place, entry));
            }
            place = if place + 1 < len { place + 1 } else { 0 };
        }
        least.map(|(place, _)| place)
    }

    /// A number below `end`, or 0, drawn by xorshift (Marsaglia 2003).
    fn draw(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let scaled = (u128::from(self.random) * end as u128) >> 64;
        scaled as usize
    }
}

impl<V> Entry<V> {
    fn new(key: CacheKey, landed: Landed<V>, weight: u64, expires: Timestamp) -> Entry<V> {
        let nano = u64::try_from(landed.cost.pico() / 1_000).unwrap_or(u64::MAX).max(LEAST_COST);
        // Costs count up to 281,000 dollars.
        let scaled = nano.min(u64::MAX >> 16) << 16;
        let density = (scaled / weight.max(1)).max(1);
        Entry { expires, used: landed.stored, uses: 1, density, weight, key, landed }
    }

    /// True if it earns less: `uses × cost ÷ (weight × time since it was last used)`. The two
    /// quotients are compared crosswise, in 64 + 32 + 32 bits.
    fn earns_less(&self, other: &Entry<V>, now: Timestamp) -> bool {
        let earned = |entry: &Entry<V>| u128::from(entry.density) * u128::from(entry.uses);
        earned(self) * other.idle(now) < earned(other) * self.idle(now)
    }

    /// The time since it was last used, in units of 1,024 microseconds; at least one, at most 51
    /// days.
    fn idle(&self, now: Timestamp) -> u128 {
        let micros = now.as_micros().saturating_sub(self.used.as_micros()).max(0);
        u128::from(u32::try_from(micros >> 10).unwrap_or(u32::MAX).max(1))
    }
}

/// Hashes nothing: a key is a digest, and hands over its first eight bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct FirstBytes(u64);

pub(super) type OwnHash = BuildHasherDefault<FirstBytes>;

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
impl<V> Store<V> {
    /// Recounts what the shards hold.
    pub(super) fn check(&self) {
        let shards: Vec<_> = self.shards.iter().map(Lock::lock).collect();
        let entries: usize = shards.iter().map(|shard| shard.entries.len()).sum();
        let all = shards.iter().flat_map(|shard| &shard.entries);
        assert_eq!(self.room.entries.load(Relaxed), entries);
        assert_eq!(self.room.weight.load(Relaxed), all.map(|entry| entry.weight).sum::<u64>());
        for shard in &shards {
            assert_eq!(shard.index.len(), shard.entries.len());
            for (place, entry) in shard.entries.iter().enumerate() {
                assert_eq!(shard.index.get(&entry.key), Some(&place));
            }
        }
    }
}
