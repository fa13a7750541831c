//! Tests of the cache as a whole: expiry, bounds, eviction.

mod flight;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;

const SECOND: Duration = Duration::from_secs(1);

fn key(request: impl serde::Serialize) -> CacheKey {
    Namespace::shared_by_all().key(&request).unwrap()
}

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_secs(1_795_000_000))
}

/// A cache with these bounds on entries and bytes, and a TTL of ten seconds.
fn cache(entries: usize, bytes: u64) -> (ResultCache<String>, ManualClock) {
    let clock = clock();
    let cache = ResultCache::builder()
        .max_entries(entries)
        .max_weight(bytes, |text: &String| text.len() as u64)
        .ttl(10 * SECOND)
        .clock(clock.clone())
        .build();
    (cache, clock)
}

fn read(cache: &ResultCache<String>, key: &CacheKey) -> Option<String> {
    cache.get(key).map(|answer| answer.value.to_string())
}

#[test]
fn a_hit_tells_its_age_and_what_it_saved() {
    let (cache, clock) = cache(10, 100);
    let k = key("k");
    assert!(cache.get(&k).is_none());
    cache.insert(k, "v".to_owned(), Usd::cents(7));
    clock.advance(3 * SECOND);
    let answer = cache.get(&k).unwrap();
    assert_eq!((answer.value.as_str(), answer.saved), ("v", Usd::cents(7)));
    assert_eq!((answer.age, answer.source), (3 * SECOND, Source::Cached));
    assert!(Arc::ptr_eq(&answer.value, &cache.get(&k).unwrap().value), "no copy is made");

    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.inserts), (2, 1, 1));
    assert_eq!((stats.entries, stats.weight, stats.saved), (1, 1, Usd::cents(14)));

    assert_eq!(cache.remove(&k).unwrap().as_str(), "v");
    assert!(cache.remove(&k).is_none());
    assert_eq!(cache.stats().saved, Usd::cents(14), "what was saved stays saved");
    assert_eq!((cache.stats().entries, cache.stats().evictions), (0, 0));
}

#[test]
fn a_result_is_gone_at_the_very_instant_at_which_its_time_is_over() {
    let micro = Duration::from_micros(1);
    let own = |ttl| move |text: &str| Computed::new(text.to_owned(), Usd::ZERO).keep_for(ttl);
    let cases: &[(Option<Duration>, Duration, bool)] = &[
        (None, 10 * SECOND - micro, true),
        (None, 10 * SECOND, false),
        (Some(SECOND), SECOND - micro, true),
        (Some(SECOND), SECOND, false),
        (Some(20 * SECOND), 20 * SECOND - micro, true),
        (Some(20 * SECOND), 20 * SECOND, false),
        (Some(micro), Duration::ZERO, true),
        (Some(Duration::ZERO), Duration::ZERO, false),
        (Some(Duration::MAX), Duration::from_secs(1 << 40), true),
    ];
    for &(ttl, later, there) in cases {
        let (cache, clock) = cache(10, 100);
        match ttl {
            Some(ttl) => drop(cache.shared.keep(key("k"), own(ttl)("v"))),
            None => cache.insert(key("k"), "v".to_owned(), Usd::ZERO),
        }
        clock.advance(later);
        assert_eq!(cache.get(&key("k")).is_some(), there, "{ttl:?} after {later:?}");
        assert_eq!(cache.remove(&key("k")).is_some(), there, "{ttl:?} after {later:?}");
    }
}

#[test]
fn a_result_that_is_put_again_is_new() {
    let (cache, clock) = cache(2, 100);
    cache.insert(key("k"), "old".to_owned(), Usd::cents(1));
    assert!(cache.get(&key("k")).is_some());
    clock.advance(9 * SECOND);
    cache.insert(key("k"), "newer".to_owned(), Usd::cents(5));
    clock.advance(9 * SECOND);
    let answer = cache.get(&key("k")).unwrap();
    assert_eq!((answer.value.as_str(), answer.saved), ("newer", Usd::cents(5)));
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.weight, stats.evictions, stats.inserts), (1, 5, 0, 2));
    assert_eq!(stats.saved, Usd::cents(6));

    cache.shared.keep(key("k"), Computed::new("x".to_owned(), Usd::ZERO).keep_for(Duration::ZERO));
    assert!(cache.get(&key("k")).is_none(), "and the older one does not come back");
}

#[test]
fn expired_results_are_freed_without_a_thread() {
    let (cache, clock) = cache(1_000, 1_000_000);
    for n in 0..100 {
        cache.insert(key(n), "v".to_owned(), Usd::ZERO);
    }
    clock.advance(10 * SECOND);
    assert_eq!(cache.stats().entries, 100, "no thread has swept them");
    for n in 100..160 {
        cache.insert(key(n), "v".to_owned(), Usd::ZERO);
    }
    assert_eq!((cache.stats().entries, cache.stats().expirations), (60, 100));

    clock.advance(5 * SECOND);
    cache.insert(key("young"), "v".to_owned(), Usd::ZERO);
    clock.advance(5 * SECOND);
    cache.clear();
    assert_eq!((cache.stats().entries, cache.stats().weight), (0, 0));
}

#[test]
fn what_cannot_fit_is_not_kept_and_nothing_makes_place_for_it() {
    let (cache, _) = cache(10, 5);
    cache.insert(key("a"), "1234".to_owned(), Usd::ZERO);
    cache.insert(key("b"), "123456".to_owned(), Usd::dollars(9));
    assert_eq!(read(&cache, &key("a")).as_deref(), Some("1234"));
    assert!(cache.get(&key("b")).is_none());
    cache.insert(key("c"), "12345".to_owned(), Usd::ZERO);
    assert_eq!((cache.stats().entries, cache.stats().evictions), (1, 1));

    let nothing: ResultCache<String> = ResultCache::new(0);
    nothing.insert(key("a"), String::new(), Usd::ZERO);
    assert!(nothing.get(&key("a")).is_none());
}

#[test]
fn what_earns_least_makes_place() {
    struct Case(&'static str, fn(&ResultCache<String>, &ManualClock), &'static str);
    let put = |cache: &ResultCache<String>, name: &str, bytes: usize, cost| {
        cache.insert(key(name), "x".repeat(bytes), cost);
    };
    let cases = [
        Case("the cheap one", |_, _| {}, "cheap"),
        Case(
            "unless it is used",
            |cache, _| {
                (0..200).for_each(|_| drop(cache.get(&key("cheap"))));
            },
            "large",
        ),
        Case(
            "the one that is not used any more",
            |cache, clock| {
                clock.advance(5 * SECOND);
                assert!(["cheap", "large"].iter().all(|name| cache.get(&key(name)).is_some()));
            },
            "plain",
        ),
    ];
    for Case(name, before, gone) in cases {
        let (cache, clock) = cache(3, 10_000);
        put(&cache, "cheap", 10, Usd::from_pico(50_000_000));
        put(&cache, "plain", 10, Usd::cents(1));
        put(&cache, "large", 1_000, Usd::cents(50));
        clock.advance(Duration::from_millis(10));
        before(&cache, &clock);
        put(&cache, "new", 1, Usd::ZERO);
        for kept in ["cheap", "plain", "large", "new"] {
            assert_eq!(cache.get(&key(kept)).is_some(), kept != gone, "{name}: {kept}");
        }
    }
}

#[test]
fn an_expired_result_makes_place_before_one_that_lives() {
    for place in 0..8 {
        let (cache, clock) = cache(8, 100);
        for n in 0..8 {
            let computed = if n == place {
                Computed::new("v".to_owned(), Usd::dollars(5)).keep_for(SECOND)
            } else {
                Computed::new("v".to_owned(), Usd::ZERO)
            };
            cache.shared.keep(key(n), computed);
        }
        clock.advance(SECOND);
        cache.insert(key("new"), "v".to_owned(), Usd::ZERO);
        assert_eq!((cache.stats().evictions, cache.stats().expirations), (0, 1), "{place}");
    }
}

#[test]
fn a_destructor_or_a_weigher_may_use_the_cache() {
    struct Meddler(Weak<ResultCache<Meddler>>, usize);
    impl Drop for Meddler {
        fn drop(&mut self) {
            if let Some(cache) = self.0.upgrade() {
                cache.get(&key(self.1));
                cache.stats();
            }
        }
    }
    let cache = Arc::new_cyclic(|weak: &Weak<ResultCache<Meddler>>| {
        let within = weak.clone();
        ResultCache::builder()
            .max_entries(4)
            .max_weight(100, move |_| within.upgrade().map_or(1, |cache| cache.stats().weight + 1))
            .build()
    });
    for n in 0..20 {
        cache.insert(key(n), Meddler(Arc::downgrade(&cache), n), Usd::ZERO);
        cache.insert(key(n), Meddler(Arc::downgrade(&cache), n), Usd::ZERO);
    }
    cache.remove(&key(19));
    cache.clear();
}

/// A made-up stream of requests: a few are frequent, many are rare, two in five repeat a recent
/// one; costs and sizes spread over two orders of magnitude. Gives the request, cents and bytes.
fn stream(count: usize) -> Vec<(usize, i64, usize)> {
    let mut state = 0x2545_f491_u64;
    let mut below = move |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % end
    };
    let mut asked: Vec<usize> = Vec::new();
    for _ in 0..count {
        let recent = asked.len().min(300);
        let request = if recent > 0 && below(5) < 2 {
            asked[asked.len() - 1 - below(recent)]
        } else {
            let end = 1 + below(3_000); // frequent if its number is low
            below(end)
        };
        asked.push(request);
    }
    let spread = |request: usize, salt: usize| {
        let mixed = (request + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        1 << (mixed % 8)
    };
    asked.iter().map(|&n| (n, spread(n, 1) as i64, spread(n, 77) as usize)).collect()
}

#[test]
fn the_rule_saves_more_than_forgetting_what_was_used_longest_ago() {
    const BYTES: usize = 4_000;
    let clock = clock();
    let cache = ResultCache::builder()
        .max_weight(BYTES as u64, |bytes: &usize| *bytes as u64)
        .clock(clock.clone())
        .build();
    // The other cache: the last one was used last.
    let mut oldest_first: Vec<(usize, usize)> = Vec::new();
    let mut other_saved = 0;
    for (request, cents, bytes) in stream(20_000) {
        clock.advance(Duration::from_millis(50));
        if cache.get(&key(request)).is_none() {
            cache.insert(key(request), bytes, Usd::cents(cents));
        }
        if let Some(at) = oldest_first.iter().position(|(held, _)| *held == request) {
            oldest_first.remove(at);
            other_saved += cents;
        }
        oldest_first.push((request, bytes));
        while oldest_first.iter().map(|(_, bytes)| bytes).sum::<usize>() > BYTES {
            oldest_first.remove(0);
        }
    }
    let (saved, other) = (cache.stats().saved, Usd::cents(other_saved));
    let four_fifths = saved.pico() / 5 * 4;
    assert!(other.pico() < four_fifths, "{saved} beside {other}");
}

/// Recounts what the shards hold, and checks the bounds.
fn check<V>(cache: &ResultCache<V>, entries: usize, weight: u64) {
    cache.shared.store.check();
    let stats = cache.stats();
    assert!(stats.entries <= entries && stats.weight <= weight, "{stats:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Insert { name: u8, bytes: usize, cents: i64, ttl: Option<u64> },
    Get(u8),
    Remove(u8),
    Advance(u64),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..12_u8;
    prop_oneof![
        6 => (name(), 0..9_usize, -1..50_i64, proptest::option::of(0..20_u64))
            .prop_map(|(name, bytes, cents, ttl)| Step::Insert { name, bytes, cents, ttl }),
        6 => name().prop_map(Step::Get),
        2 => name().prop_map(Step::Remove),
        2 => (0..6_u64).prop_map(Step::Advance),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    /// A map that forgets nothing but what is expired or removed: the cache gives what it gives,
    /// or, if something had to make place, nothing.
    #[test]
    fn the_cache_agrees_with_a_naive_one(
        steps in proptest::collection::vec(step(), 1..120),
        entries in 0..14_usize,
        bytes in 0..60_u64,
    ) {
        let (cache, clock) = cache(entries, bytes);
        let mut naive: HashMap<u8, (String, Usd, Timestamp)> = HashMap::new();
        let (mut saved, mut hits, mut misses) = (Usd::ZERO, 0, 0);
        for (number, step) in steps.into_iter().enumerate() {
            let now = clock.now();
            naive.retain(|_, (_, _, expires)| *expires > now);
            match step {
                Step::Insert { name, bytes: length, cents, ttl } => {
                    let value = format!("{number:>length$}");
                    let ttl = ttl.map(Duration::from_secs);
                    let mut computed = Computed::new(value.clone(), Usd::cents(cents));
                    computed.ttl = ttl;
                    cache.shared.keep(key(name), computed);
                    naive.remove(&name);
                    let expires = now.plus(ttl.unwrap_or(10 * SECOND));
                    if expires > now && value.len() as u64 <= bytes && entries > 0 {
                        let held = cache.remove(&key(name));
                        prop_assert_eq!(held.as_deref(), Some(&value), "the newest is kept");
                        let mut computed = Computed::new(value.clone(), Usd::cents(cents));
                        computed.ttl = ttl;
                        cache.shared.keep(key(name), computed);
                        naive.insert(name, (value, Usd::cents(cents.max(0)), expires));
                    }
                }
                Step::Get(name) => match cache.get(&key(name)) {
                    Some(answer) => {
                        let (value, cost, _) = naive.get(&name).expect("it is not expired");
                        prop_assert_eq!((&*answer.value, answer.saved), (value, *cost));
                        saved = saved.checked_add(*cost).unwrap();
                        hits += 1;
                    }
                    None => {
                        let evicted = cache.stats().evictions > 0;
                        prop_assert!(!naive.contains_key(&name) || evicted);
                        misses += 1;
                    }
                },
                Step::Remove(name) => {
                    let removed = cache.remove(&key(name));
                    let known = naive.remove(&name).map(|(value, ..)| value);
                    prop_assert!(removed.is_none() || removed.as_deref() == known.as_ref());
                }
                Step::Advance(seconds) => clock.advance(Duration::from_secs(seconds)),
                Step::Clear => {
                    cache.clear();
                    naive.clear();
                }
            }
            check(&cache, entries, bytes);
        }
        let stats = cache.stats();
        prop_assert_eq!((stats.saved, stats.hits, stats.misses), (saved, hits, misses));
    }
}

#[test]
fn the_bound_holds_under_many_threads() {
    // One shard and several; of the last, most of the weight is in a few of them.
    for (entries, weight, names) in [(50, 400, 120), (2_000, 400, 120), (2_000, 30_000, 5_000)] {
        let (cache, clock) = cache(entries, weight);
        thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (cache, clock) = (cache.clone(), clock.clone());
                scope.spawn(move || {
                    for n in 0..3_000 {
                        let name = (n * 7 + thread * 13) % names;
                        let text = || "x".repeat(name as usize % 30);
                        match n % 5 {
                            0 => cache.insert(key(name), text(), Usd::cents(1)),
                            1 if n % 50 == 1 => clock.advance(SECOND),
                            2 => drop(cache.remove(&key(name))),
                            _ => drop(cache.get(&key(name))),
                        }
                        let stats = cache.stats();
                        let is_within = stats.entries <= entries && stats.weight <= weight;
                        assert!(is_within, "{stats:?}");
                    }
                });
            }
        });
        check(&cache, entries, weight);
    }
}

#[test]
fn a_shard_without_entries_makes_place_in_another() {
    let (cache, _) = cache(2_000, 100);
    for n in 0..300 {
        cache.insert(key(n), "x".repeat(40), Usd::cents(1));
        assert!(cache.get(&key(n)).is_some(), "the newest is kept");
        check(&cache, 2, 100);
    }
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.evictions), (2, 298));
}
