//! [`ResultCache`]: answers that were paid for once, given again for nothing.
//!
//! Around an agent, [`BudgetConstrained::cache`](crate::BudgetConstrained::cache) does all of it; by
//! hand, [`Namespace::key`] names a request and [`ResultCache::get_or_run`] runs it once. A cache
//! knows no budget: [`Account::note_saved`](crate::Account::note_saved) shows its savings in the
//! report.

mod account;
mod canonical;
mod flight;
mod key;
mod stats;
mod store;

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::money::Usd;
use flight::{Flights, Landed, Turn};
pub use key::{CacheKey, KeyError, Namespace};
pub use stats::Stats;
use store::{Bounds, Store};

/// Keeps results for a while, and knows what each of them cost.
///
/// A result that is found again is handed out as an [`Arc`], with the dollars that it saved. A call
/// that is made many times at once runs once ([`get_or_run`](ResultCache::get_or_run)), and its
/// result serves all.
///
/// ```
/// use bursar::cache::{Namespace, ResultCache};
/// use bursar::Usd;
///
/// let cache: ResultCache<String> = ResultCache::new(10_000);
/// let space = Namespace::tenant("acme").with("model", "gpt-6.1-terra");
/// let key = space.key(&("summarise", "chapter one"))?;
///
/// assert!(cache.get(&key).is_none());
/// cache.insert(key, "It was a dark and stormy night.".to_owned(), Usd::cents(3));
///
/// let answer = cache.get(&key).expect("it was just put there");
/// assert_eq!(*answer.value, "It was a dark and stormy night.");
/// assert_eq!(answer.saved, Usd::cents(3));
/// assert_eq!(cache.stats().saved, Usd::cents(3));
/// # Ok::<(), bursar::cache::KeyError>(())
/// ```
///
/// # What is kept
///
/// A result lives for an hour, unless the cache or the result has a time of its own. It is gone at
/// the very instant at which that time is over; its memory is freed by later inserts, each of which
/// looks at a few entries. There is no thread.
///
/// A cache never holds more entries than its bound, nor more weight. When it is full, the entry
/// that **earns least** makes place: of some entries taken at random, as Redis does it, the one
/// with the lowest
///
/// ```text
/// (hits + 1) × cost ÷ (weight × time since it was last used)
/// ```
///
/// which is to say, the dollars that it saves for each byte and second. A costly result outlives a
/// cheap one, a small one a large one, and nothing lives on its merits for ever, because the time
/// in the divisor grows until it is used again. A result that cost less than a microdollar counts
/// as a microdollar, so that free ones are ranked by their use. A test compares the rule with
/// letting go of what was used longest ago, on a mixed stream of requests whose costs differ: it
/// saves at least a quarter more money.
///
/// # Sharing
///
/// A cache is a handle; its clones share one store. It never calls a clock, a weigher, a waker or
/// the destructor of a value while it holds a lock, and it knows nothing of budgets: the caller
/// may credit [`Answer::saved`] to an account.
pub struct ResultCache<V> {
    shared: Arc<Shared<V>>,
}

struct Shared<V> {
    store: Store<V>,
    flights: Flights<V>,
    settings: Settings<V>,
}

type Weigher<V> = Box<dyn Fn(&V) -> u64 + Send + Sync>;

struct Settings<V> {
    ttl: Duration,
    clock: Arc<dyn Clock>,
    weigher: Option<Weigher<V>>,
}

impl<V> ResultCache<V> {
    /// A cache of at most `max_entries`, each of which lives for an hour.
    pub fn new(max_entries: usize) -> ResultCache<V> {
        ResultCache::builder().max_entries(max_entries).build()
    }

    /// A cache with other bounds, another time to live, another clock.
    pub fn builder() -> Builder<V> {
        let bounds = Bounds { entries: 10_000, weight: u64::MAX };
        let clock = Arc::new(SystemClock::new());
        Builder {
            bounds,
            settings: Settings { ttl: Duration::from_secs(3_600), clock, weigher: None },
        }
    }

    /// The result of that key, if it is there and its time is not over.
    pub fn get(&self, key: &CacheKey) -> Option<Answer<V>> {
        self.shared.find(key, true)
    }

    /// The result of that key, or else what `run` brings, which is then kept.
    ///
    /// While one call runs, others with the same key wait for its result and pay nothing. If the
    /// running call fails, panics or is dropped, one of those that wait runs its own future
    /// instead; an error goes to the caller whose future returned it and is not kept. `run` gives
    /// the value and what it cost, or a [`Computed`] that also has a time to live of its own.
    ///
    /// The future can be dropped at any point, and works under any executor. `run` is not polled
    /// unless it is needed; it must not ask the same cache for the same key, for it would wait for
    /// itself.
    ///
    /// ```
    /// use bursar::cache::{Namespace, ResultCache, Source};
    /// use bursar::Usd;
    ///
    /// # async fn ask(_: &str) -> Result<(String, Usd), std::io::Error> {
    /// #     Ok(("Paris".to_owned(), Usd::cents(2)))
    /// # }
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = ResultCache::new(10_000);
    /// let space = Namespace::tenant("acme").with("model", "gpt-6.1-terra");
    /// let question = "What is the capital of France?";
    ///
    /// let answer = cache.get_or_run(space.key(question)?, ask(question)).await?;
    /// assert_eq!((answer.source, answer.saved), (Source::Ran, Usd::ZERO));
    /// let again = cache.get_or_run(space.key(question)?, ask(question)).await?;
    /// assert_eq!((again.source, again.saved), (Source::Cached, Usd::cents(2)));
    /// # Ok(())
    /// # }
    /// # let mut future = std::pin::pin!(example());
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert!(matches!(future.as_mut().poll(&mut context), std::task::Poll::Ready(Ok(()))));
    /// ```
    ///
    /// # Errors
    /// The error of `run`, to the caller that ran it; nothing is kept, and one of the waiting callers
    /// runs its own future.
    pub async fn get_or_run<T: Into<Computed<V>>, E>(
        &self,
        key: CacheKey,
        run: impl Future<Output = Result<T, E>>,
    ) -> Result<Answer<V>, E> {
        // What is there is handed out.
        let shared = &*self.shared;
        if let Some(answer) = shared.find(&key, false) {
            return Ok(answer);
        }
        // One call runs; the others wait for it.
        let mut seat = shared.flights.join(key);
        if let Turn::Landed(landed) = poll_fn(|context| seat.poll_turn(context)).await {
            shared.store.note_wait(&key, landed.cost);
            return Ok(landed.answer(Source::Coalesced, shared.settings.clock.now()));
        }
        // The flight may have landed after the look-up and before the seat was taken.
        if let Some(answer) = shared.find(&key, true) {
            return Ok(answer);
        }
        let computed = run.await?.into();
        let landed = shared.keep(key, computed);
        let now = landed.stored;
        let answer = landed.clone().answer(Source::Ran, now);
        seat.land(landed);
        Ok(answer)
    }

    /// Keeps a result and what it cost, in place of an older one.
    pub fn insert(&self, key: CacheKey, value: impl Into<Arc<V>>, cost: Usd) {
        self.shared.keep(key, Computed::new(value, cost));
    }

    /// Forgets a result, and gives it back unless its time was over.
    ///
    /// A call that runs at that moment is not affected: its result will be kept.
    pub fn remove(&self, key: &CacheKey) -> Option<Arc<V>> {
        self.shared.store.remove(key, self.shared.settings.clock.now())
    }

    /// Forgets everything but the statistics.
    pub fn clear(&self) {
        self.shared.store.clear(self.shared.settings.clock.now());
    }

    /// What the cache holds and what it has done.
    pub fn stats(&self) -> Stats {
        self.shared.store.stats()
    }
}

impl<V> Shared<V> {
    fn find(&self, key: &CacheKey, gives_up: bool) -> Option<Answer<V>> {
        self.store.find(key, self.settings.clock.now(), gives_up)
    }

    fn keep(&self, key: CacheKey, computed: Computed<V>) -> Landed<V> {
        let now = self.settings.clock.now();
        let cost = if computed.cost.is_negative() { Usd::ZERO } else { computed.cost };
        let weight = self.settings.weigher.as_ref().map_or(1, |weigh| weigh(&computed.value));
        let expires = now.plus(computed.ttl.unwrap_or(self.settings.ttl));
        let landed = Landed { value: computed.value, cost, stored: now };
        self.store.insert(key, landed.clone(), weight, expires);
        landed
    }
}

impl<V> Clone for ResultCache<V> {
    fn clone(&self) -> ResultCache<V> {
        ResultCache { shared: Arc::clone(&self.shared) }
    }
}

impl<V> fmt::Debug for ResultCache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultCache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Sets up a [`ResultCache`]; made by [`ResultCache::builder`].
///
/// ```
/// use bursar::cache::ResultCache;
/// use std::time::Duration;
///
/// let cache: ResultCache<String> = ResultCache::builder()
///     .max_entries(100_000)
///     .max_weight(64 << 20, |text: &String| text.len() as u64)
///     .ttl(Duration::from_secs(24 * 3_600))
///     .build();
/// assert_eq!(cache.stats().entries, 0);
/// ```
#[must_use]
pub struct Builder<V> {
    bounds: Bounds,
    settings: Settings<V>,
}

impl<V> Builder<V> {
    /// The most entries that the cache holds; 10,000 by default, and with zero it keeps nothing.
    pub fn max_entries(mut self, max_entries: usize) -> Builder<V> {
        self.bounds.entries = max_entries;
        self
    }

    /// The most that all entries may weigh together, and what one weighs, such as its bytes. An
    /// entry that is heavier than the whole cache may be is not kept.
    ///
    /// The weight also counts in the choice of what makes place; without it, all weigh the same.
    pub fn max_weight(
        mut self,
        max_weight: u64,
        weigh: impl Fn(&V) -> u64 + Send + Sync + 'static,
    ) -> Builder<V> {
        self.bounds.weight = max_weight;
        self.settings.weigher = Some(Box::new(weigh));
        self
    }

    /// How long a result lives: an hour by default; with zero the cache keeps nothing.
    pub fn ttl(mut self, ttl: Duration) -> Builder<V> {
        self.settings.ttl = ttl;
        self
    }

    /// Where the time comes from, if not from the machine.
    pub fn clock(mut self, clock: impl Clock) -> Builder<V> {
        self.settings.clock = Arc::new(clock);
        self
    }

    /// The cache.
    pub fn build(self) -> ResultCache<V> {
        let Builder { bounds, settings } = self;
        let store = Store::new(bounds);
        ResultCache { shared: Arc::new(Shared { store, flights: Flights::new(), settings }) }
    }
}

impl<V> fmt::Debug for Builder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("bounds", &self.bounds)
            .field("ttl", &self.settings.ttl)
            .finish_non_exhaustive()
    }
}

/// A result that has just been paid for.
#[derive(Debug)]
pub struct Computed<V> {
    value: Arc<V>,
    cost: Usd,
    ttl: Option<Duration>,
}

impl<V> Computed<V> {
    /// A result and what it cost. A negative cost counts as none.
    pub fn new(value: impl Into<Arc<V>>, cost: Usd) -> Computed<V> {
        Computed { value: value.into(), cost, ttl: None }
    }

    /// Gives it a time to live of its own; with zero it is handed out, to those who wait as well,
    /// and not kept.
    #[must_use]
    pub fn keep_for(self, ttl: Duration) -> Computed<V> {
        Computed { ttl: Some(ttl), ..self }
    }
}

impl<V> From<(V, Usd)> for Computed<V> {
    fn from((value, cost): (V, Usd)) -> Computed<V> {
        Computed::new(value, cost)
    }
}

/// A result from the cache, and what it saved.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer<V> {
    /// The result.
    pub value: Arc<V>,
    /// What it would have cost to run the call: zero if it was run.
    pub saved: Usd,
    /// How old the result is.
    pub age: Duration,
    /// How it was come by.
    pub source: Source,
}

impl<V> Clone for Answer<V> {
    fn clone(&self) -> Answer<V> {
        Answer { value: Arc::clone(&self.value), ..*self }
    }
}

/// How a result was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// It was in the cache.
    Cached,
    /// Another call was running, and its result serves this one too.
    Coalesced,
    /// The caller's own future brought it.
    Ran,
}

impl<V> Landed<V> {
    fn answer(self, source: Source, now: Timestamp) -> Answer<V> {
        let saved = if source == Source::Ran { Usd::ZERO } else { self.cost };
        Answer { value: self.value, saved, age: now.since(self.stored), source }
    }
}

#[cfg(test)]
mod tests;
