//! Owns what the cache holds: the map, its bounds, and the choice of what makes place.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

use dashmap::DashMap;

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
/// The least that a result counts for when the entries are ranked: a microdollar.
const LEAST_COST: u64 = 1_000_000;

/// The most that a cache holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) entries: usize,
    pub(super) weight: u64,
}

/// The entries. Whoever adds or removes one holds the books; a look-up needs only the map.
///
/// The books are locked before a shard of the map, never the other way round.
pub(super) struct Store<V> {
    map: DashMap<CacheKey, Entry<V>, OwnHash>,
    books: Lock<Books>,
    misses: AtomicU64,
    bounds: Bounds,
}

/// One result.
pub(super) struct Entry<V> {
    landed: Landed<V>,
    expires: Timestamp,
    hits: AtomicU64,
    /// When it was last used, in microseconds.
    used: AtomicI64,
    /// Its place in the books; written by whoever holds them.
    slot: AtomicUsize,
}

impl<V> Entry<V> {
    fn new(landed: Landed<V>, expires: Timestamp, slot: usize) -> Entry<V> {
        let used = AtomicI64::new(landed.stored.as_micros());
        let (hits, slot) = (AtomicU64::new(0), AtomicUsize::new(slot));
        Entry { landed, expires, hits, used, slot }
    }

    /// What it earns: `(hits + 1) × cost ÷ (weight × milliseconds since it was last used)`, times
    /// a constant.
    fn worth(&self, weight: u64, now: Timestamp) -> u128 {
        let cost = u64::try_from(self.landed.cost.pico()).unwrap_or(u64::MAX).max(LEAST_COST);
        let uses = self.hits.load(Relaxed).min(u64::from(u32::MAX)) + 1;
        let idle = now.since(Timestamp::from_micros(self.used.load(Relaxed))).as_millis();
        let space = u128::from(weight.max(1)).saturating_mul(idle.max(1));
        // At most 64 + 33 bits, and 31 more for the fraction.
        ((u128::from(cost) * u128::from(uses)) << 31) / space
    }
}

/// Where all entries are, in no order, so that one can be drawn at random; and the totals.
struct Books {
    slots: Vec<Slot>,
    /// What all entries weigh together.
    weight: u64,
    /// Where the next insert goes on sweeping.
    hand: usize,
    random: u64,
    /// The totals of entries that are gone, and of what is not counted in an entry.
    past: Stats,
}

struct Slot {
    key: CacheKey,
    expires: Timestamp,
    weight: u64,
}

/// What has left the store. Declared before the books are locked and so dropped after they are
/// free: the destructor of a value is somebody else's code.
type Gone<V> = Vec<Entry<V>>;

impl<V> Store<V> {
    pub(super) fn new(bounds: Bounds) -> Store<V> {
        let past = Stats::default();
        let books = Books { slots: Vec::new(), weight: 0, hand: 0, random: 0x9e37_79b9, past };
        let (map, misses) = (DashMap::default(), AtomicU64::new(0));
        Store { map, books: Lock::new(books), misses, bounds }
    }

    pub(super) fn find(&self, key: &CacheKey, now: Timestamp) -> Option<Answer<V>> {
        let entry = self.map.get(key)?;
        if now >= entry.expires {
            return None;
        }
        entry.hits.fetch_add(1, Relaxed);
        // A coarse clock stands still for thousands of hits; most of them need not write.
        if entry.used.load(Relaxed) != now.as_micros() {
            entry.used.store(now.as_micros(), Relaxed);
        }
        Some(entry.landed.clone().answer(Source::Cached, now))
    }

    /// Keeps a result until that moment, if it may be kept at all.
    pub(super) fn insert(&self, key: CacheKey, landed: Landed<V>, weight: u64, expires: Timestamp) {
        let now = landed.stored;
        let mut gone = Gone::new();
        let books = &mut *self.books.lock();
        self.sweep_some(books, now, &mut gone);
        if let Some(slot) = self.slot_of(&key) {
            self.take(books, slot, now, &mut gone);
        }
        if expires <= now || weight > self.bounds.weight || self.bounds.entries == 0 {
            return;
        }
        let room = self.bounds.weight - weight;
        while books.weight > room || books.slots.len() >= self.bounds.entries {
            let Some(slot) = self.least_worth(books, now) else { break };
            books.past.evictions += u64::from(books.slots[slot].expires > now);
            self.take(books, slot, now, &mut gone);
        }
        books.weight += weight;
        books.past.inserts += 1;
        self.map.insert(key, Entry::new(landed, expires, books.slots.len()));
        books.slots.push(Slot { key, expires, weight });
    }

    pub(super) fn remove(&self, key: &CacheKey, now: Timestamp) -> Option<Arc<V>> {
        let mut gone = Gone::new();
        {
            let books = &mut *self.books.lock();
            self.take(books, self.slot_of(key)?, now, &mut gone);
        }
        let entry = gone.pop()?;
        (entry.expires > now).then_some(entry.landed.value)
    }

    pub(super) fn clear(&self, now: Timestamp) {
        let mut gone = Gone::new();
        let books = &mut *self.books.lock();
        while let Some(last) = books.slots.len().checked_sub(1) {
            self.take(books, last, now, &mut gone);
        }
    }

    pub(super) fn sweep(&self, now: Timestamp) -> usize {
        let mut gone = Gone::new();
        let books = &mut *self.books.lock();
        let mut slot = 0;
        while let Some(at) = books.slots.get(slot) {
            if at.expires <= now {
                self.take(books, slot, now, &mut gone);
            } else {
                slot += 1;
            }
        }
        gone.len()
    }

    pub(super) fn stats(&self) -> Stats {
        let books = self.books.lock();
        let mut stats = books.past;
        for entry in &self.map {
            stats.add_hits(entry.hits.load(Relaxed), entry.landed.cost);
        }
        stats.misses = self.misses.load(Relaxed);
        stats.entries = books.slots.len();
        stats.weight = books.weight;
        stats
    }

    pub(super) fn note_miss(&self) {
        self.misses.fetch_add(1, Relaxed);
    }

    pub(super) fn note_wait(&self, cost: Usd) {
        self.books.lock().past.add_wait(cost);
    }

    fn slot_of(&self, key: &CacheKey) -> Option<usize> {
        self.map.get(key).map(|entry| entry.slot.load(Relaxed))
    }

    /// Takes one entry out of the map and the books.
    fn take(&self, books: &mut Books, slot: usize, now: Timestamp, gone: &mut Gone<V>) {
        let taken = books.slots.swap_remove(slot);
        if let Some(moved) = books.slots.get(slot).and_then(|moved| self.map.get(&moved.key)) {
            moved.slot.store(slot, Relaxed);
        }
        if let Some((_, entry)) = self.map.remove(&taken.key) {
            books.weight -= taken.weight;
            books.past.expirations += u64::from(entry.expires <= now);
            books.past.add_hits(entry.hits.load(Relaxed), entry.landed.cost);
            gone.push(entry);
        }
    }

    /// Moves the hand over a few entries, so that expired ones go although no thread sweeps.
    fn sweep_some(&self, books: &mut Books, now: Timestamp, gone: &mut Gone<V>) {
        for _ in 0..SWEPT_PER_INSERT.min(books.slots.len()) {
            if books.hand >= books.slots.len() {
                books.hand = 0;
            }
            match books.slots.get(books.hand) {
                Some(at) if at.expires <= now => self.take(books, books.hand, now, gone),
                _ => books.hand += 1,
            }
        }
    }

    /// The place of the entry that makes place next: of a few that are drawn, an expired one, or
    /// else the one that earns least.
    fn least_worth(&self, books: &mut Books, now: Timestamp) -> Option<usize> {
        let mut least = None;
        let len = books.slots.len();
        for draw in 0..SAMPLE.min(len) {
            let slot = if len <= SAMPLE { draw } else { books.draw(len) };
            let at = &books.slots[slot];
            if at.expires <= now {
                return Some(slot);
            }
            let worth = self.map.get(&at.key).map_or(0, |entry| entry.worth(at.weight, now));
            if least.is_none_or(|(_, lowest)| worth < lowest) {
                least = Some((slot, worth));
            }
        }
        least.map(|(slot, _)| slot)
    }
}

impl Books {
    /// A number below `len`, drawn by xorshift (Marsaglia 2003).
    fn draw(&mut self, len: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let scaled = (u128::from(self.random) * len as u128) >> 64;
        scaled as usize
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
    /// Recounts what the books say.
    pub(super) fn check(&self) {
        let books = self.books.lock();
        assert_eq!(books.slots.len(), self.map.len());
        let weight: u64 = books.slots.iter().map(|slot| slot.weight).sum();
        assert_eq!(books.weight, weight);
        for (place, slot) in books.slots.iter().enumerate() {
            let entry = self.map.get(&slot.key).expect("each slot has an entry");
            assert_eq!((entry.slot.load(Relaxed), entry.expires), (place, slot.expires));
        }
    }
}
