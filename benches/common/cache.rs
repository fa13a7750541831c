//! What the benchmarks of the cache measure: three caches of one shape, and requests.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bursar::Usd;
use bursar::cache::{CacheKey, Namespace, ResultCache};
use serde::Serialize;

/// The entries that a cache holds.
pub const HELD: usize = 10_000;
/// The keys that are put into a full one, in turn.
const STREAM: usize = 1 << 16;
const TTL: Duration = Duration::from_secs(3_600);

pub type Value = Arc<String>;
pub type Moka = moka::sync::Cache<CacheKey, Value>;
pub type Quick = quick_cache::sync::Cache<CacheKey, Value>;
pub type Call = Box<dyn FnMut()>;

/// A cache that can be measured.
pub trait Measured {
    fn new() -> Self;
    fn hit(&self, key: &CacheKey) -> Option<Value>;
    fn put(&self, key: CacheKey, value: Value);
}

impl Measured for ResultCache<String> {
    fn new() -> Self {
        ResultCache::builder().max_entries(HELD).ttl(TTL).build()
    }

    fn hit(&self, key: &CacheKey) -> Option<Value> {
        self.get(key).map(|answer| answer.value)
    }

    fn put(&self, key: CacheKey, value: Value) {
        self.insert(key, value, Usd::cents(1));
    }
}

impl Measured for Moka {
    fn new() -> Self {
        moka::sync::Cache::builder().max_capacity(HELD as u64).time_to_live(TTL).build()
    }

    fn hit(&self, key: &CacheKey) -> Option<Value> {
        self.get(key)
    }

    fn put(&self, key: CacheKey, value: Value) {
        self.insert(key, value);
    }
}

/// `quick_cache` has no time to live: none at all, then.
impl Measured for Quick {
    fn new() -> Self {
        quick_cache::sync::Cache::new(HELD)
    }

    fn hit(&self, key: &CacheKey) -> Option<Value> {
        self.get(key)
    }

    fn put(&self, key: CacheKey, value: Value) {
        self.insert(key, value);
    }
}

/// `quick_cache` with the time to live that its users build.
pub struct QuickTtl(quick_cache::sync::Cache<CacheKey, (Value, Instant)>);

impl Measured for QuickTtl {
    fn new() -> Self {
        QuickTtl(quick_cache::sync::Cache::new(HELD))
    }

    fn hit(&self, key: &CacheKey) -> Option<Value> {
        let (value, stored) = self.0.get(key)?;
        (stored.elapsed() < TTL).then_some(value)
    }

    fn put(&self, key: CacheKey, value: Value) {
        self.0.insert(key, (value, Instant::now()));
    }
}

/// A cache that is full, or half full, and keys that are taken in turn.
pub struct Bench<C> {
    cache: C,
    keys: Vec<CacheKey>,
    next: usize,
    value: Value,
}

impl<C: Measured> Bench<C> {
    /// Finds what is there.
    pub fn hits() -> Bench<C> {
        // Half full, so that nobody has let go of any.
        Bench::filled(HELD / 2, HELD / 2)
    }

    /// Looks for what is not there.
    pub fn misses() -> Bench<C> {
        let mut bench = Bench::filled(HELD, HELD);
        bench.keys = keys(STREAM).split_off(STREAM - HELD);
        bench
    }

    /// Puts what is there again.
    pub fn replaces() -> Bench<C> {
        Bench::filled(HELD / 2, HELD / 2)
    }

    /// Puts what is new into a full cache.
    pub fn evicts() -> Bench<C> {
        Bench::filled(STREAM, STREAM)
    }

    fn filled(held: usize, used: usize) -> Bench<C> {
        let (cache, value) = (C::new(), Arc::new("x".repeat(1_000)));
        let keys = keys(used);
        keys.iter().take(held).for_each(|key| cache.put(*key, Value::clone(&value)));
        Bench { cache, keys, next: 0, value }
    }

    fn key(&mut self) -> CacheKey {
        self.next = if self.next + 1 < self.keys.len() { self.next + 1 } else { 0 };
        self.keys[self.next]
    }

    #[inline]
    pub fn get(&mut self) -> bool {
        let key = self.key();
        black_box(self.cache.hit(&key)).is_some()
    }

    #[inline]
    pub fn put(&mut self) {
        let key = self.key();
        self.cache.put(key, Value::clone(&self.value));
    }
}

/// What a cache is asked for.
#[derive(Clone, Copy)]
pub enum Kind {
    Hit,
    Miss,
    Replace,
    Evict,
}

/// One call of a cache, which checks whether it finds what it should.
pub fn call<C: Measured + 'static>(kind: Kind) -> Call {
    let (mut bench, expected) = match kind {
        Kind::Hit => (Bench::<C>::hits(), true),
        Kind::Miss => (Bench::<C>::misses(), false),
        Kind::Replace => (Bench::<C>::replaces(), true),
        Kind::Evict => (Bench::<C>::evicts(), true),
    };
    match kind {
        Kind::Hit | Kind::Miss => Box::new(move || assert_eq!(bench.get(), expected)),
        Kind::Replace | Kind::Evict => Box::new(move || bench.put()),
    }
}

fn keys(count: usize) -> Vec<CacheKey> {
    let space = Namespace::shared_by_all();
    (0..count).map(|n| space.key(&n).unwrap()).collect()
}

/// A request as clients send it: keys not in order, one map without an order.
#[derive(Serialize)]
pub struct Request {
    model: &'static str,
    messages: Vec<Message>,
    temperature: f64,
    max_completion_tokens: u32,
    tools: serde_json::Value,
    metadata: std::collections::HashMap<&'static str, &'static str>,
}

#[derive(Serialize)]
pub struct Message {
    role: &'static str,
    content: String,
}

impl Request {
    pub fn of(bytes: usize) -> Request {
        let text = "The quick brown fox said \"jumps\" over the lazy dog,\nand paid 3 cents. ";
        let message = |n: usize| Message {
            role: if n % 2 == 0 { "user" } else { "assistant" },
            content: text.repeat(1 + n % 5),
        };
        let mut request = Request {
            model: "gpt-6.1-terra",
            messages: Vec::new(),
            temperature: 0.7,
            max_completion_tokens: 800,
            tools: serde_json::json!([{"type": "function", "function": {
                "name": "search", "parameters": {"type": "object", "required": ["query"],
                "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}}}}}]),
            metadata: [("user", "42"), ("session", "7f3a"), ("app", "bench")].into(),
        };
        while request.to_vec().len() < bytes {
            request.messages.push(message(request.messages.len()));
        }
        request
    }

    pub fn to_vec(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap()
    }

    /// What a key costs at least: no order, no namespace.
    pub fn plain(&self) -> blake3::Hash {
        blake3::hash(&self.to_vec())
    }
}
