//! The scenes of single flight: one caller runs, all are served, and none waits for ever.
//!
//! The table of flights has locks of its own, which the checker does not see. Nothing yields while
//! one of them is held: the count of seats is the machine's.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};

use bursar::Usd;
use bursar::agent::testing::block_on;
use bursar::cache::{Answer, CacheKey, Namespace, ResultCache, Source};

use crate::explore::{ALL, Sure, Thread, clock, explore, thread};

type Cache = ResultCache<&'static str>;
type Outcome = Result<Answer<&'static str>, &'static str>;

fn cache() -> Cache {
    ResultCache::builder().clock(clock()).build()
}

fn key() -> CacheKey {
    Namespace::shared_by_all().key("k").sure()
}

/// How often the call has run to its end.
type Runs = Arc<AtomicUsize>;

/// Asks, and runs the call if nobody else does.
fn ask(cache: &Cache, runs: &Runs, brings: &'static str) -> Outcome {
    block_on(cache.get_or_run(key(), async {
        runs.fetch_add(1, SeqCst);
        Ok::<_, &str>((brings, Usd::cents(1)))
    }))
}

fn asking(cache: &Cache, runs: &Runs, brings: &'static str) -> Thread<Outcome> {
    let (cache, runs) = (cache.clone(), Arc::clone(runs));
    thread(move || ask(&cache, &runs, brings))
}

/// A call that leads and never ends by itself.
fn leader(cache: &Cache) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
    let cache = cache.clone();
    let mut leader: Pin<Box<dyn Future<Output = Outcome> + Send>> =
        Box::pin(
            async move { cache.get_or_run(key(), pending::<Result<(&str, Usd), &str>>()).await },
        );
    assert!(poll(&mut leader).is_none());
    leader
}

fn poll(call: &mut Pin<Box<dyn Future<Output = Outcome> + Send>>) -> Option<Outcome> {
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

#[test]
fn of_two_who_ask_one_runs_and_both_are_served() {
    explore(4, || {
        let (cache, runs) = (cache(), Runs::default());
        let other = asking(&cache, &runs, "theirs");
        let mine = ask(&cache, &runs, "mine").sure();
        let other = other.join().sure();
        assert_eq!(runs.load(SeqCst), 1);
        assert_eq!(mine.value, other.value);
        let ran = [&mine, &other].into_iter().filter(|answer| answer.source == Source::Ran);
        assert_eq!(ran.count(), 1);
        assert_eq!(cache.stats().entries, 1);
    });
}

#[test]
fn of_three_who_ask_one_runs_and_all_are_served() {
    explore(2, || {
        let (cache, runs) = (cache(), Runs::default());
        let others = ["b", "c"].map(|brings| asking(&cache, &runs, brings));
        let mine = ask(&cache, &runs, "a").sure();
        for other in others {
            assert_eq!(other.join().sure().value, mine.value);
        }
        assert_eq!(runs.load(SeqCst), 1);
    });
}

#[test]
fn a_leader_that_is_cancelled_leaves_the_run_to_one_who_waits() {
    explore(ALL, || {
        let (cache, runs) = (cache(), Runs::default());
        let leader = leader(&cache);
        let follower = asking(&cache, &runs, "theirs");
        drop(leader);
        let answer = follower.join().sure();
        assert_eq!((answer.source, *answer.value), (Source::Ran, "theirs"));
        assert_eq!(runs.load(SeqCst), 1);
    });
}

#[test]
fn of_two_who_wait_for_a_cancelled_leader_one_runs_and_serves_the_other() {
    explore(2, || {
        let (cache, runs) = (cache(), Runs::default());
        let leader = leader(&cache);
        let followers = ["b", "c"].map(|brings| asking(&cache, &runs, brings));
        drop(leader);
        let [one, two] = followers.map(|follower| follower.join().sure());
        assert_eq!(one.value, two.value);
        assert_eq!(runs.load(SeqCst), 1);
    });
}

#[test]
fn one_who_was_woken_to_lead_and_leaves_strands_nobody() {
    explore(2, || {
        let (cache, runs) = (cache(), Runs::default());
        let first = leader(&cache);
        let mut leaves = leader_behind(&cache);
        assert!(poll(&mut leaves).is_none(), "it waits");
        let follower = asking(&cache, &runs, "theirs");
        let leaving = thread(move || drop(leaves));
        drop(first);
        assert_eq!(*follower.join().sure().value, "theirs");
        leaving.join();
        assert_eq!(runs.load(SeqCst), 1);
    });
}

/// One who would lead and never end, and has not been polled.
fn leader_behind(cache: &Cache) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
    let cache = cache.clone();
    Box::pin(async move { cache.get_or_run(key(), pending::<Result<(&str, Usd), &str>>()).await })
}

#[test]
fn a_leader_that_fails_has_the_error_and_one_who_waits_runs() {
    explore(4, || {
        let (cache, runs) = (cache(), Runs::default());
        let follower = asking(&cache, &runs, "theirs");
        let mine = block_on(cache.get_or_run(key(), async { Err::<(&str, Usd), _>("no") }));
        let answer = follower.join().sure();
        assert_eq!(*answer.value, "theirs");
        match mine {
            Err(error) => assert_eq!(error, "no"),
            Ok(mine) => assert_ne!(mine.source, Source::Ran),
        }
        assert_eq!(runs.load(SeqCst), 1);
    });
}

#[test]
fn a_leader_that_panics_strands_nobody() {
    explore(4, || {
        let (cache, runs) = (cache(), Runs::default());
        let follower = asking(&cache, &runs, "theirs");
        let mine = catch_unwind(AssertUnwindSafe(|| {
            block_on(cache.get_or_run(key(), async {
                resume_unwind(Box::new("a bug")); // as a panic does, without its report
                #[allow(unreachable_code, reason = "gives the future its type")]
                Ok::<_, &str>(("mine", Usd::ZERO))
            }))
        }));
        let answer = follower.join().sure();
        assert_eq!(*answer.value, "theirs");
        assert!(mine.is_err() || runs.load(SeqCst) == 1);
    });
}

#[test]
fn what_is_forgotten_as_it_lands_is_run_again_or_served_and_never_lost() {
    explore(4, || {
        let (cache, runs) = (cache(), Runs::default());
        let other = asking(&cache, &runs, "theirs");
        cache.clear();
        let mine = ask(&cache, &runs, "mine").sure();
        let other = other.join().sure();
        let have_run = runs.load(SeqCst);
        assert!(have_run == 2 || mine.value == other.value, "{have_run} {mine:?} {other:?}");
        cache.clear();
        assert_eq!(ask(&cache, &runs, "new").sure().source, Source::Ran, "a flight was left");
    });
}
