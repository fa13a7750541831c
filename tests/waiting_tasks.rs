//! Tests of many tasks that wait at once: on a runtime with threads, on bare threads, and
//! on the machine's clock.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar::agent::testing::block_on;
use bursar::{BudgetManager, Estimate, Limit, ReserveError, Usd};

const TASKS: usize = 64;
const AT_ONCE: u32 = 4;
const LONG: Duration = Duration::from_secs(86_400);

/// One account with a limit on calls in flight, and what is seen of it.
struct Scene {
    budget: BudgetManager,
    under_way: AtomicI64,
    most: AtomicI64,
    finished: AtomicUsize,
    order: Mutex<Vec<usize>>,
}

impl Scene {
    fn new() -> Arc<Scene> {
        let budget = BudgetManager::builder()
            .limit("", Limit::spend(Usd::dollars(10)))
            .limit("crawler", Limit::in_flight(AT_ONCE))
            .build()
            .unwrap();
        Arc::new(Scene {
            budget,
            under_way: AtomicI64::new(0),
            most: AtomicI64::new(0),
            finished: AtomicUsize::new(0),
            order: Mutex::new(Vec::new()),
        })
    }

    /// One call that yields in the middle.
    async fn call(&self, number: usize, pause: impl AsyncFn()) {
        let account = self.budget.account("crawler").unwrap();
        let hold = account.request(Estimate::fixed(Usd::cents(1))).wait(LONG).await.unwrap();
        self.order.lock().unwrap().push(number);
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(under_way, Ordering::SeqCst);
        pause().await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        hold.settle_cost(Usd::cents(1));
        self.finished.fetch_add(1, Ordering::SeqCst);
    }

    fn check(&self, calls: usize) {
        assert_eq!(self.finished.load(Ordering::SeqCst), calls);
        assert!(self.most.load(Ordering::SeqCst) <= i64::from(AT_ONCE));
        assert_eq!(self.budget.spent(), Usd::cents(i64::try_from(calls).unwrap()));
        assert_eq!((self.budget.held(), self.budget.waiting()), (Usd::ZERO, 0));
        let report = self.budget.report();
        let limit = report.limits.iter().find(|limit| limit.account.as_str() == "crawler").unwrap();
        assert_eq!(limit.peak, u64::from(AT_ONCE).into(), "all places were used, and no more");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tasks_share_four_places() {
    let scene = Scene::new();
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let scene = Arc::clone(&scene);
            tokio::spawn(async move {
                scene.call(number, async || tokio::task::yield_now().await).await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    scene.check(TASKS);
}

/// On one thread the order of arrival is known: that is the order of the grants.
#[tokio::test(flavor = "current_thread")]
async fn on_one_thread_they_are_served_in_the_order_they_came() {
    let scene = Scene::new();
    let pause = async || tokio::task::yield_now().await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let scene = Arc::clone(&scene);
            tokio::spawn(async move { scene.call(number, pause).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    scene.check(TASKS);
    assert_eq!(*scene.order.lock().unwrap(), (0..TASKS).collect::<Vec<_>>());
}

/// Without any runtime: each thread parks until it is woken.
#[test]
fn sixty_four_threads_share_four_places() {
    let scene = Scene::new();
    std::thread::scope(|threads| {
        for number in 0..TASKS {
            let scene = &scene;
            threads.spawn(move || block_on(scene.call(number, async || std::thread::yield_now())));
        }
    });
    scene.check(TASKS);
}

/// Tasks that are dropped while they wait, or just when they were served, from another thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_that_are_aborted_leave_their_places_to_others() {
    let scene = Scene::new();
    let spawn = |number| {
        let scene = Arc::clone(&scene);
        tokio::spawn(
            async move { scene.call(number, async || tokio::task::yield_now().await).await },
        )
    };
    let tasks: Vec<_> = (0..TASKS * 8).map(spawn).collect();
    for (number, task) in tasks.iter().enumerate() {
        if number % 3 == 0 {
            task.abort();
        }
        tokio::task::yield_now().await;
    }
    for task in tasks {
        let _ = task.await;
    }
    // An aborted call gives back what it holds, because it was never sent.
    assert_eq!((scene.budget.held(), scene.budget.waiting()), (Usd::ZERO, 0));
    let finished = scene.finished.load(Ordering::SeqCst);
    assert!(finished >= TASKS * 8 * 2 / 3);
    assert_eq!(scene.budget.spent(), Usd::cents(i64::try_from(finished).unwrap()));
}

#[test]
fn on_the_machines_clock_a_wait_ends_at_its_deadline() {
    let scene = Scene::new();
    let account = scene.budget.account("crawler").unwrap();
    let call = || account.request(Estimate::fixed(Usd::cents(1)));
    let holds: Vec<_> = (0..AT_ONCE).map(|_| call().reserve().unwrap()).collect();
    let answer = block_on(call().wait(Duration::from_millis(20)));
    assert!(matches!(answer, Err(ReserveError::Denied(_))));
    drop(holds);
    assert!(block_on(call().wait(Duration::from_millis(20))).is_ok());
}

/// A future can be kept anywhere: it owns what it needs.
#[test]
fn a_wait_is_send_and_static() {
    fn is_send_and_static(_: &(impl Send + 'static)) {}
    let waiting = {
        let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
        let (account, tag) = (budget.account("a").unwrap(), budget.tag("user:1").unwrap());
        let outer = account.reserve(&Estimate::fixed(Usd::cents(5))).unwrap();
        let inner = account.request(Estimate::fixed(Usd::cents(2))).tag(&tag).inside(&outer);
        let waiting = inner.wait(LONG);
        drop(outer);
        waiting
    };
    is_send_and_static(&waiting);
    assert!(block_on(waiting).is_err(), "the outer call has ended");
}
