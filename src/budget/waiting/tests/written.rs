//! Tests of the line with a journal: when outcomes are reported, and what a transaction that fails, a
//! task that is dropped and a clock leave behind.

use super::*;

struct Scene {
    tape: Tape,
    clock: ManualClock,
    budget: BudgetManager,
}

impl Scene {
    /// A limit of ten cents, of which a call holds eight.
    fn new() -> (Scene, Reservation) {
        let (tape, clock) = (Tape::default(), ManualClock::at(Timestamp::from_secs(0)));
        let budget = BudgetManager::builder()
            .clock(clock.clone())
            .limit("", Limit::spend(Usd::cents(10)))
            .lease(HOUR * 24)
            .journal(tape.clone())
            .build()
            .unwrap();
        let hold = budget.reserve("x", &cents(8)).unwrap();
        (Scene { tape, clock, budget }, hold)
    }

    /// A task that stands in line.
    fn wait(&self, amount: i64, at_most: Duration) -> Task {
        let account = self.budget.account("a").unwrap();
        let (task, answer) = Task::new(account.request(cents(amount)).wait(at_most));
        assert!(answer.is_none());
        self.budget.flush().unwrap();
        assert!(!task.is_woken());
        task
    }

    fn sums(&self) -> (Usd, Usd, usize) {
        (self.budget.spent(), self.budget.held(), self.budget.waiting())
    }

    /// All that was dropped is done with.
    fn end(self) {
        self.budget.flush().unwrap();
        assert!(is_clean(&self.budget));
        assert_eq!(self.budget.held(), Usd::ZERO);
    }
}

fn answer(mut task: Task) -> Result<Reservation, ReserveError> {
    until(|| task.is_woken());
    task.poll().unwrap()
}

#[test]
fn a_thousand_who_wait_make_one_transaction_for_each_commit() {
    let tape = Tape::default();
    let budget = BudgetManager::builder().limit("", Limit::in_flight(1)).journal(tape.clone());
    let budget = budget.clock(ManualClock::at(Timestamp::from_secs(0))).build().unwrap();
    let account = budget.account("a").unwrap();
    let mut hold = account.reserve(&cents(1)).unwrap();
    let wait = |_| Task::new(account.request(cents(1)).wait(HOUR)).0;
    let mut tasks: BTreeMap<usize, Task> = (0..1_000).map(|at| (at, wait(at))).collect();
    budget.flush().unwrap();
    assert_eq!((budget.waiting(), attempts(&budget)), (1_000, 1_000));
    assert!(matches!(account.reserve(&cents(1)), Err(ReserveError::Queued(_))));
    assert!(!account.can_afford(&cents(1)));
    let begun = tape.begun();
    for served in 0..500 {
        hold.settle_cost(Usd::cents(1));
        hold = answer(tasks.remove(&served).unwrap()).unwrap();
    }
    // The one that is served, and the one that is first then.
    assert_eq!((budget.waiting(), attempts(&budget), tape.begun() - begun), (500, 2_000, 500));
    drop((tasks, hold));
    budget.flush().unwrap();
    assert!(is_clean(&budget));
}

/// No call is admitted before that is written, and a commit that fails takes no place away.
#[test]
fn a_commit_that_fails_leaves_everybody_where_they_were() {
    for fault in [Fault::Begin, Fault::Commit] {
        let (scene, hold) = Scene::new();
        let (first, second) = (scene.wait(7, HOUR), scene.wait(3, HOUR));
        scene.tape.fail(Some(fault));
        hold.settle_cost(Usd::ZERO);
        assert_eq!(scene.sums(), (Usd::ZERO, Usd::cents(8), 2));
        assert!(!first.is_woken() && !second.is_woken());
        // Who comes now stands behind them, though nothing can be written.
        scene.budget.account("x").unwrap();
        assert!(scene.budget.flush().is_err());
        scene.tape.fail(None);
        let third = scene.wait(1, HOUR);
        let (first, second) = (answer(first).unwrap(), answer(second).unwrap());
        assert_eq!(scene.sums(), (Usd::ZERO, Usd::cents(10), 1));
        drop((first, second));
        drop(answer(third).unwrap());
        scene.end();
    }
}

/// A call that comes while nothing can be written has its place, and is examined when that is over:
/// a second later, if no transaction is written before.
#[test]
fn who_comes_in_a_bad_moment_waits_it_out() {
    let (scene, hold) = Scene::new();
    let account = scene.budget.account("a").unwrap();
    scene.tape.fail(Some(Fault::Begin));
    let (task, _) = Task::new(account.request(cents(2)).wait(HOUR));
    assert!(scene.budget.flush().is_err());
    assert!(!task.is_woken());
    scene.tape.fail(None);
    until(|| scene.clock.alarms() == 1);
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(answer(task).unwrap().held(), Usd::cents(2));

    // An error that will not pass by itself, and a deadline, end the wait with the error.
    let waits = scene.wait(3, HOUR);
    let late = scene.wait(3, Duration::from_secs(5));
    scene.tape.fail(Some(Fault::Begin));
    scene.clock.advance(Duration::from_secs(5));
    assert!(matches!(answer(late), Err(ReserveError::Journal(_))));
    assert!(!waits.is_woken());
    scene.tape.fail_for_good();
    until(|| scene.clock.alarms() == 1);
    scene.clock.advance(Duration::from_secs(1));
    assert!(matches!(answer(waits), Err(ReserveError::Journal(_))));
    assert_eq!(scene.budget.waiting(), 0);
    scene.tape.fail(None);
    drop(hold);
    scene.end();
}

#[test]
fn a_deadline_says_what_was_in_the_way_and_one_alarm_serves_all() {
    let (scene, hold) = Scene::new();
    let first = scene.wait(5, Duration::from_secs(90));
    let second = scene.wait(1, HOUR);
    for _ in 0..90 {
        until(|| scene.clock.alarms() == 1);
        assert!(!first.is_woken());
        scene.clock.advance(Duration::from_secs(1));
        scene.budget.flush().unwrap();
    }
    assert!(matches!(answer(first), Err(ReserveError::Denied(_))));
    drop(answer(second).unwrap());
    let account = scene.budget.account("a").unwrap();
    let (once, _) = Task::new(account.request(cents(5)).wait(Duration::ZERO));
    assert!(matches!(answer(once), Err(ReserveError::Denied(_))));
    drop(hold);
    scene.end();
}

/// Dropped after each number of polls, before and after it was served.
#[test]
fn a_wait_that_is_dropped_leaves_no_trace() {
    for served in [false, true] {
        for polls in 0..4 {
            let (scene, hold) = Scene::new();
            let account = scene.budget.account("a").unwrap();
            let mut waiting = Box::pin(account.request(cents(9)).wait(HOUR));
            for _ in 0..polls {
                let mut context = Context::from_waker(Waker::noop());
                assert!(waiting.as_mut().poll(&mut context).is_pending());
            }
            let behind = scene.wait(3, HOUR);
            let mut hold = Some(hold);
            if served {
                drop(hold.take());
                scene.budget.flush().unwrap();
            }
            drop(waiting);
            scene.budget.flush().unwrap();
            drop(hold);
            assert_eq!(answer(behind).unwrap().held(), Usd::cents(3));
            scene.end();
        }
    }
}

/// The worst moment: it has been given room, and the commit is under way.
#[test]
fn a_wait_that_is_dropped_in_the_middle_of_a_commit_gives_back() {
    for fault in [None, Some(Fault::Commit)] {
        let (scene, hold) = Scene::new();
        let (first, second) = (scene.wait(9, HOUR), scene.wait(8, HOUR));
        scene.tape.fail(fault);
        let (budget, woken) = (scene.budget.clone(), Arc::clone(&first.woken));
        scene.tape.at_commit(move || {
            assert_eq!(woken.0.load(Ordering::SeqCst), 0, "told before it is written");
            assert_eq!((budget.held(), budget.waiting()), (Usd::cents(8), 1));
            drop((first, budget));
        });
        hold.settle_cost(Usd::ZERO);
        scene.tape.fail(None);
        scene.budget.flush().unwrap();
        let second = answer(second).unwrap();
        assert_eq!(scene.sums(), (Usd::ZERO, Usd::cents(8), 0));
        drop(second);
        scene.end();
    }
}
