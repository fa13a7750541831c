//! Tests of single flight: one caller runs, all are served, and no caller waits for ever.

use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::{SECOND, cache, check, key, read};
use crate::cache::*;

/// Runs a future on this thread, with nothing but the standard library.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A waker that remembers whether it was woken.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

type Outcome = Result<Answer<String>, &'static str>;

/// A call that is polled by hand.
struct Task<'a> {
    future: Pin<Box<dyn Future<Output = Outcome> + 'a>>,
    bell: Arc<Bell>,
}

impl<'a> Task<'a> {
    fn new(
        cache: &'a ResultCache<String>,
        run: impl Future<Output = Result<(String, Usd), &'static str>> + 'a,
    ) -> Task<'a> {
        Task { future: Box::pin(cache.get_or_run(key("k"), run)), bell: Arc::default() }
    }

    fn poll(&mut self) -> Poll<Result<(String, Source), &'static str>> {
        self.bell.0.store(false, SeqCst);
        let waker = Waker::from(Arc::clone(&self.bell));
        let poll = self.future.as_mut().poll(&mut Context::from_waker(&waker));
        poll.map_ok(|answer| (answer.value.to_string(), answer.source))
    }

    fn is_woken(&self) -> bool {
        self.bell.0.load(SeqCst)
    }
}

/// A run that is pending for `polls` polls and then ends as given.
async fn run(
    polls: usize,
    outcome: Result<&'static str, &'static str>,
) -> Result<(String, Usd), &'static str> {
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    outcome.map(|value| (value.to_owned(), Usd::cents(4)))
}

fn ready(value: &str, source: Source) -> Poll<Result<(String, Source), &'static str>> {
    Poll::Ready(Ok((value.to_owned(), source)))
}

/// The table of flights is empty.
fn check_empty(cache: &ResultCache<String>) {
    assert!(cache.shared.flights.is_empty());
}

#[test]
fn a_thousand_threads_run_one_call() {
    let cache: ResultCache<String> = ResultCache::new(10);
    let runs = AtomicUsize::new(0);
    let barrier = Barrier::new(1_000);
    thread::scope(|scope| {
        for _ in 0..1_000 {
            let spawned = thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, || {
                barrier.wait();
                let answer = block_on(cache.get_or_run(key("k"), async {
                    runs.fetch_add(1, SeqCst);
                    run(3, Ok("v")).await
                }));
                assert_eq!(*answer.unwrap().value, "v");
            });
            spawned.unwrap();
        }
    });
    assert_eq!(runs.load(SeqCst), 1);
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.hits + stats.waits, stats.inserts), (1, 999, 1));
    assert_eq!(stats.saved, Usd::cents(4 * 999));
    check_empty(&cache);
}

#[tokio::test]
async fn a_thousand_tasks_run_one_call() {
    let cache: ResultCache<String> = ResultCache::new(10);
    let runs = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..1_000)
        .map(|_| {
            let (cache, runs) = (cache.clone(), Arc::clone(&runs));
            tokio::spawn(async move {
                let paid = async {
                    runs.fetch_add(1, SeqCst);
                    tokio::task::yield_now().await;
                    Ok::<_, Infallible>(("v".to_owned(), Usd::cents(4)))
                };
                cache.get_or_run(key("k"), paid).await
            })
        })
        .collect();
    let mut sources: HashMap<Source, usize> = HashMap::new();
    for task in tasks {
        let Ok(answer) = task.await.unwrap();
        *sources.entry(answer.source).or_default() += 1;
    }
    assert_eq!(runs.load(SeqCst), 1);
    assert_eq!((sources[&Source::Ran], sources[&Source::Coalesced]), (1, 999));
    assert_eq!(cache.stats().saved, Usd::cents(4 * 999));
}

#[test]
fn when_the_leader_is_dropped_at_any_poll_the_next_takes_over() {
    for polls in 0..5 {
        let (cache, _) = cache(10, 100);
        let mut leader = Task::new(&cache, run(5, Ok("first")));
        let mut waiters = [0, 1, 2].map(|_| Task::new(&cache, run(1, Ok("second"))));
        for _ in 0..polls {
            assert!(leader.poll().is_pending());
        }
        if polls > 0 {
            assert!(waiters.iter_mut().all(|waiter| waiter.poll().is_pending()));
            assert!(!waiters.iter().any(Task::is_woken));
        }
        drop(leader);
        if polls > 0 {
            assert!(waiters.iter().any(Task::is_woken), "after {polls} polls");
        }
        let [a, b, c] = &mut waiters;
        assert!(a.poll().is_pending() && b.poll().is_pending() && c.poll().is_pending());
        assert_eq!(a.poll(), ready("second", Source::Ran));
        assert!(b.is_woken() && c.is_woken());
        assert_eq!(b.poll(), ready("second", Source::Coalesced));
        assert_eq!(c.poll(), ready("second", Source::Coalesced));
        check_empty(&cache);
        let stats = cache.stats();
        assert_eq!((stats.waits, stats.inserts), (2, 1));
        assert_eq!(stats.misses, 1 + u64::from(polls > 0));
    }
}

#[test]
fn an_error_goes_to_its_caller_and_is_not_kept() {
    let (cache, _) = cache(10, 100);
    let mut leader = Task::new(&cache, run(1, Err("overloaded")));
    let mut waiter = Task::new(&cache, run(1, Err("still overloaded")));
    let mut last = Task::new(&cache, run(1, Ok("v")));
    assert!(leader.poll().is_pending() && waiter.poll().is_pending() && last.poll().is_pending());
    assert_eq!(leader.poll(), Poll::Ready(Err("overloaded")));
    assert!(waiter.is_woken());
    assert!(waiter.poll().is_pending() && last.poll().is_pending());
    assert_eq!(waiter.poll(), Poll::Ready(Err("still overloaded")));
    assert!(last.is_woken());
    assert!(last.poll().is_pending());
    assert_eq!(last.poll(), ready("v", Source::Ran));
    assert_eq!((cache.stats().misses, cache.stats().inserts), (3, 1));
    check_empty(&cache);
}

#[test]
fn when_the_leader_panics_the_next_takes_over() {
    let (cache, _) = cache(10, 100);
    let mut leader = Task::new(&cache, async {
        run(1, Ok("")).await?;
        panic!("the client broke");
    });
    let mut waiter = Task::new(&cache, run(0, Ok("v")));
    assert!(leader.poll().is_pending() && waiter.poll().is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| leader.poll())).is_err());
    assert!(waiter.is_woken(), "although the broken call has not been dropped");
    assert_eq!(waiter.poll(), ready("v", Source::Ran));
    drop(leader);
    assert_eq!(read(&cache, &key("k")).as_deref(), Some("v"));
    check_empty(&cache);
}

#[test]
fn a_waiter_that_is_dropped_is_forgotten_and_stops_nobody() {
    let (cache, _) = cache(10, 100);
    let mut leader = Task::new(&cache, run(1, Err("down")));
    let mut first = Task::new(&cache, run(0, Ok("first")));
    let mut second = Task::new(&cache, run(0, Ok("second")));
    assert!(leader.poll().is_pending() && first.poll().is_pending() && second.poll().is_pending());
    let bell = Arc::downgrade(&first.bell);
    assert!(leader.poll().is_ready());
    drop(first); // woken, but never polled again
    assert!(bell.upgrade().is_none(), "its waker is kept");
    assert!(second.is_woken());
    assert_eq!(second.poll(), ready("second", Source::Ran));
    check_empty(&cache);
}

#[test]
fn a_waiter_that_gives_up_takes_its_waker_along() {
    let (cache, _) = cache(10, 100);
    let mut leader = Task::new(&cache, run(1, Ok("v")));
    let mut waiter = Task::new(&cache, run(0, Ok("not run")));
    assert!(leader.poll().is_pending() && waiter.poll().is_pending());
    let bell = Arc::downgrade(&waiter.bell);
    drop(waiter);
    assert!(bell.upgrade().is_none());
    assert_eq!(leader.poll(), ready("v", Source::Ran));
    check_empty(&cache);
}

#[test]
fn a_waiter_of_a_flight_that_has_landed_leaves_the_next_flight_alone() {
    let (cache, _) = cache(0, 100);
    let mut leader = Task::new(&cache, run(1, Ok("first")));
    let mut waiter = Task::new(&cache, run(0, Ok("not run")));
    assert!(leader.poll().is_pending() && waiter.poll().is_pending());
    assert_eq!(leader.poll(), ready("first", Source::Ran));
    let mut next = Task::new(&cache, run(1, Ok("next")));
    assert!(next.poll().is_pending());
    drop((leader, waiter));
    let mut joined = Task::new(&cache, run(0, Ok("not run")));
    assert!(joined.poll().is_pending(), "it waits for the flight that is under way");
    assert_eq!(next.poll(), ready("next", Source::Ran));
    assert_eq!(joined.poll(), ready("next", Source::Coalesced));
    check_empty(&cache);
}

#[test]
fn all_of_a_flight_may_be_dropped() {
    let (cache, _) = cache(10, 100);
    let mut tasks = [0, 1, 2].map(|_| Task::new(&cache, run(9, Ok("v"))));
    tasks.iter_mut().for_each(|task| assert!(task.poll().is_pending()));
    drop(tasks);
    check_empty(&cache);
    let mut next = Task::new(&cache, run(0, Ok("v")));
    assert_eq!(next.poll(), ready("v", Source::Ran));
}

#[test]
fn a_newcomer_takes_over_if_those_who_were_woken_sleep() {
    let (cache, _) = cache(10, 100);
    let mut leader = Task::new(&cache, run(1, Err("down")));
    let mut sleeper = Task::new(&cache, run(0, Ok("sleeper")));
    assert!(leader.poll().is_pending() && sleeper.poll().is_pending());
    assert!(leader.poll().is_ready());
    let mut newcomer = Task::new(&cache, run(1, Ok("newcomer")));
    assert!(newcomer.poll().is_pending());
    assert!(sleeper.poll().is_pending());
    assert_eq!(newcomer.poll(), ready("newcomer", Source::Ran));
    assert_eq!(sleeper.poll(), ready("newcomer", Source::Coalesced));
    check_empty(&cache);
}

#[test]
fn those_who_wait_are_served_even_if_the_result_is_not_kept() {
    let (cache, _) = cache(0, 100);
    let mut leader = Task::new(&cache, run(1, Ok("v")));
    let mut waiter = Task::new(&cache, run(0, Ok("other")));
    assert!(leader.poll().is_pending() && waiter.poll().is_pending());
    assert_eq!(leader.poll(), ready("v", Source::Ran));
    let mut late = Task::new(&cache, run(0, Ok("late")));
    assert_eq!(late.poll(), ready("late", Source::Ran), "a flight that has landed takes nobody");
    assert_eq!(waiter.poll(), ready("v", Source::Coalesced));
    assert_eq!(cache.stats().saved, Usd::cents(4));
    check_empty(&cache);
}

#[test]
fn a_result_that_is_put_there_by_hand_serves_the_one_who_takes_over() {
    let (cache, _) = cache(10, 100);
    let mut leader = Task::new(&cache, run(1, Err("down")));
    let mut waiter = Task::new(&cache, run(0, Ok("not run")));
    assert!(leader.poll().is_pending() && waiter.poll().is_pending());
    cache.insert(key("k"), "by hand".to_owned(), Usd::cents(1));
    assert!(leader.poll().is_ready());
    assert_eq!(waiter.poll(), ready("by hand", Source::Cached));
    check_empty(&cache);
}

#[test]
fn a_task_that_moves_to_another_executor_is_woken_there() {
    let (cache, _) = cache(10, 100);
    let mut leader = Task::new(&cache, run(1, Ok("v")));
    let mut waiter = Task::new(&cache, run(0, Ok("not run")));
    assert!(leader.poll().is_pending() && waiter.poll().is_pending());
    let old = std::mem::take(&mut waiter.bell);
    assert!(waiter.poll().is_pending());
    assert!(leader.poll().is_ready());
    assert!(waiter.is_woken() && !old.0.load(SeqCst));
}

#[test]
fn the_future_can_be_sent_and_need_not_be() {
    fn sendable<T: Send>(value: T) -> T {
        value
    }
    let cache: ResultCache<String> = ResultCache::new(10);
    drop(sendable(cache.get_or_run(key("k"), run(0, Ok("v")))));
    let local = Cell::new(0);
    let answer = block_on(cache.get_or_run(key("k"), async {
        local.set(1);
        Ok::<_, Infallible>(Computed::new("v".to_owned(), Usd::ZERO).keep_for(SECOND))
    }));
    let Ok(answer) = answer;
    assert_eq!((answer.value.as_str(), local.get()), ("v", 1));
}

#[test]
fn many_threads_that_fail_and_give_up_leave_nothing_behind() {
    let (cache, _) = cache(4, 100);
    let running = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..4_usize {
            let (cache, running) = (&cache, &running);
            scope.spawn(move || {
                for n in 0..2_000 {
                    let outcome = if (n + thread) % 3 == 0 { Err("down") } else { Ok("v") };
                    let mut future = Box::pin(cache.get_or_run(key("k"), async move {
                        assert_eq!(running.fetch_add(1, SeqCst), 0, "two run at once");
                        let leave = OnDrop(running);
                        let outcome = run(n % 3, outcome).await;
                        drop(leave);
                        outcome
                    }));
                    if n % 4 == 0 {
                        let mut context = Context::from_waker(Waker::noop());
                        let _ = future.as_mut().poll(&mut context);
                    } else {
                        let _ = block_on(future);
                    }
                    cache.remove(&key("k"));
                }
            });
        }
    });
    check_empty(&cache);
    check(&cache, 4, 100);
}

/// Counts a run as over when it ends, however it ends.
struct OnDrop<'a>(&'a AtomicUsize);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
