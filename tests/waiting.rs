//! Tests of waiting for room: what wakes whom, in which order, and what a wait that ends
//! in another way leaves behind. Many tasks at once are in `waiting_tasks.rs`.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bursar::agent::OnRefusal;
use bursar::agent::testing::{ManualClock, ScriptedAgent, block_on, drop_after};
use bursar::budget::{AccountError, InvalidCall, Waiting};
use bursar::{
    Account, BudgetConstrained, BudgetManager, Estimate, Limit, ModelPrice, Observer, Path, Period,
    PriceBook, Receipt, Reservation, ReserveError, Usage, Usd,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

type Answer = Result<Reservation, ReserveError>;

/// A wait as a task, without a runtime: polled when it has been woken.
struct Task {
    future: Pin<Box<Waiting>>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Task {
    /// A wait that has to wait.
    fn new(waiting: Waiting) -> Task {
        let mut task = Task { future: Box::pin(waiting), woken: Arc::default() };
        assert!(task.poll().is_none(), "it need not wait");
        task
    }

    fn poll(&mut self) -> Option<Answer> {
        let waker = Waker::from(Arc::clone(&self.woken));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::SeqCst) > 0
    }

    /// The answer, once; it has been woken for it.
    fn answer(mut self) -> Answer {
        assert!(self.is_woken(), "it has not been woken");
        self.poll().expect("woken for nothing")
    }

    fn hold(self) -> Reservation {
        self.answer().unwrap()
    }

    fn error(self) -> ReserveError {
        self.answer().unwrap_err()
    }
}

fn cents(cents: i64) -> Estimate {
    Estimate::fixed(Usd::cents(cents))
}

fn spend(cents: i64) -> Limit {
    Limit::spend(Usd::cents(cents))
}

struct Scene {
    clock: ManualClock,
    budget: BudgetManager,
}

impl Scene {
    fn new(limits: impl IntoIterator<Item = (&'static str, Limit)>) -> Scene {
        let clock = ManualClock::at("2026-11-24T12:00:00Z".parse().unwrap());
        let mut builder = BudgetManager::builder().clock(clock.clone()).lease(12 * HOUR);
        for (accounts, limit) in limits {
            builder = builder.limit(accounts, limit);
        }
        Scene { clock, budget: builder.build().unwrap() }
    }

    fn account(&self, path: &str) -> Account {
        self.budget.account(path).unwrap()
    }

    fn wait(&self, path: &str, amount: i64) -> Task {
        Task::new(self.account(path).request(cents(amount)).wait(HOUR))
    }

    fn reserve(&self, path: &str, amount: i64) -> Answer {
        self.budget.reserve(path, &cents(amount))
    }
}

/// Each line makes room in its own way; the one who waits is woken and has it already.
#[test]
fn whatever_makes_room_wakes_who_waits() {
    type Free = fn(&Scene, Reservation);
    let ways: &[(&str, Limit, Free)] = &[
        ("settle", spend(10), |_, hold| drop(hold.settle_cost(Usd::cents(1)))),
        ("release", spend(10), |_, hold| hold.release()),
        ("dropped guard", spend(10), |_, hold| drop(hold)),
        ("raised limit", spend(10), |scene, hold| {
            scene.budget.set_limit("a", spend(20)).unwrap();
            std::mem::forget(hold);
        }),
        ("lifted limit", spend(10), |scene, hold| {
            scene.budget.lift_limit("a", &spend(10)).unwrap();
            std::mem::forget(hold);
        }),
        ("calendar window", spend(10).per(Period::DAY), |scene, hold| {
            std::mem::forget(hold); // belongs to yesterday
            scene.clock.advance(12 * HOUR);
        }),
        ("rolling window", spend(10).per(Period::rolling(30 * MINUTE)), |scene, hold| {
            hold.settle_cost(Usd::cents(10));
            scene.clock.advance(31 * MINUTE);
        }),
        ("end of a lease", Limit::in_flight(1), |scene, hold| {
            std::mem::forget(hold);
            scene.clock.advance(12 * HOUR);
        }),
        ("end of a call in flight", Limit::in_flight(1), |_, hold| {
            drop(hold.settle_cost(Usd::cents(10)));
        }),
    ];
    for (way, limit, free) in ways {
        let scene = Scene::new([("a", limit.clone())]);
        let hold = scene.reserve("a", 10).unwrap();
        let account = scene.account("a");
        let task = Task::new(account.request(cents(6)).wait(24 * HOUR));
        free(&scene, hold);
        assert!(task.is_woken(), "{way}");
        assert_eq!(scene.budget.waiting(), 0, "{way}");
        let (held, hold) = (scene.budget.held(), task.hold());
        assert_eq!((hold.held(), scene.budget.held()), (Usd::cents(6), held), "{way}");
    }
}

/// Room that time makes while a hold stays open: nobody settles, and yet it fits.
#[test]
fn enough_of_a_rolling_period_going_by_wakes_even_while_a_call_is_open() {
    let scene = Scene::new([("", spend(10).per(Period::rolling(HOUR)))]);
    scene.reserve("a", 5).unwrap().settle_cost(Usd::cents(5));
    let open = scene.reserve("a", 5).unwrap();
    let task = Task::new(scene.account("b").request(cents(3)).wait(5 * HOUR));
    scene.clock.advance(HOUR);
    assert!(!task.is_woken(), "a slot late, never early");
    scene.clock.advance(2 * MINUTE);
    assert_eq!(task.hold().held(), Usd::cents(3));
    open.release();
}

#[test]
fn a_frozen_waiter_keeps_its_place_and_is_in_nobodys_way() {
    let scene = Scene::new([("", spend(10))]);
    let hold = scene.reserve("x", 10).unwrap();
    let (first, second) = (scene.wait("a", 8), scene.wait("b", 2));
    scene.budget.freeze("a", "too fast").unwrap();
    assert!(!first.is_woken());
    hold.settle_cost(Usd::ZERO);
    assert!(!first.is_woken());
    let second = second.hold();
    let third = scene.wait("b", 10);
    scene.budget.thaw("a").unwrap();
    assert_eq!(first.hold().held(), Usd::cents(8), "before the third, which came later");
    second.release();
    assert_eq!(third.hold().held(), Usd::cents(10));

    // At its deadline it is told why; one that asks then is told at once.
    let hold = scene.reserve("x", 10).unwrap();
    let waits = scene.wait("a", 8);
    scene.budget.freeze("", "enough").unwrap();
    scene.clock.advance(HOUR);
    assert!(matches!(waits.error(), ReserveError::Frozen { why, .. } if &*why == "enough"));
    let asked = block_on(scene.account("a").request(cents(1)).wait(HOUR));
    assert!(matches!(asked, Err(ReserveError::Frozen { .. })));
    hold.release();
}

/// What can never fit is refused at once; what can fit no longer, when that happens.
#[test]
fn nobody_waits_in_vain() {
    let scene = Scene::new([("", spend(10)), ("a", spend(5)), ("run", Limit::in_flight(9))]);
    let hold = scene.reserve("b", 8).unwrap();
    for (path, amount) in [("a", 6), ("b", 11)] {
        let answer = block_on(scene.account(path).request(cents(amount)).wait(HOUR));
        assert!(answer.unwrap_err().to_string().contains("can never pass"), "{path}");
    }
    let either = scene.account("a").request(cents(6)).or(cents(3)).wait(HOUR);
    assert!(drop_after(either, 1).is_none(), "the second alternative can");

    let lowered = scene.wait("a", 4);
    scene.account("a").set_limit(spend(3)).unwrap();
    assert!(lowered.error().denied().is_some());

    let run = scene.account("b").run("run").unwrap();
    let closed = Task::new(run.request(cents(4)).wait(HOUR));
    run.close();
    let error = closed.error();
    assert!(matches!(error, ReserveError::Account(AccountError::Closed(_))), "{error}");

    let outer = scene.reserve("b", 1).unwrap();
    let inner = Task::new(scene.account("b").request(cents(5)).inside(&outer).wait(HOUR));
    outer.settle_cost(Usd::cents(1));
    assert_eq!(inner.error(), ReserveError::Invalid(InvalidCall::OuterEnded));

    // Spent out: those who wait learn it when the money is gone, and not at their deadlines.
    let spent_out = [scene.wait("b", 5), scene.wait("b", 6)];
    hold.settle_cost(Usd::cents(8));
    assert!(spent_out.into_iter().all(|task| task.error().to_string().contains("never pass")));
    assert_eq!((scene.budget.waiting(), scene.budget.held()), (0, Usd::ZERO));
}

/// Three limits, each with a line of its own; calls that share none pass.
#[test]
fn first_come_first_served_for_each_limit() {
    let scene = Scene::new([("a", spend(10)), ("b", spend(10)), ("c", spend(10))]);
    let all = ["a", "b", "c"];
    let mut holds: Vec<_> = all.iter().map(|path| scene.reserve(path, 10).unwrap()).collect();
    let arrivals = ["a", "b", "a", "c", "b", "a", "c", "c", "b"];
    let mut tasks: Vec<_> = arrivals.iter().map(|path| (*path, scene.wait(path, 6))).collect();
    assert_eq!(scene.budget.waiting(), 9);
    for round in 0..3 {
        for (limit, path) in all.iter().enumerate() {
            holds[limit] = {
                let room = scene.account(path);
                drop(std::mem::replace(&mut holds[limit], scene.reserve("other", 0).unwrap()));
                assert_eq!(room.held(), Usd::cents(6), "one fits, and has it");
                let woken: Vec<_> = tasks.iter().map(|(_, task)| task.is_woken()).collect();
                let first = tasks.iter().position(|(on, _)| on == path).unwrap();
                assert_eq!(woken.iter().position(|woken| *woken), Some(first), "{round} {path}");
                assert_eq!(woken.iter().filter(|woken| **woken).count(), 1);
                tasks.remove(first).1.hold()
            };
        }
    }
    assert_eq!(scene.budget.waiting(), 0);
}

#[test]
fn while_others_wait_a_plain_call_is_queued_unless_it_needs_nothing_of_that() {
    let scene = Scene::new([("", Limit::tokens(1_000)), ("a", spend(10)), ("b", spend(10))]);
    let hold = scene.reserve("a", 8).unwrap();
    let (first, second) = (scene.wait("a", 5), scene.wait("a", 2));

    let refused = scene.reserve("a", 1).unwrap_err();
    let queued = refused.queued().unwrap();
    assert_eq!((queued.account.as_str(), queued.ahead), ("a", 2));
    assert_eq!(
        refused.to_string(),
        "`a` comes too early: 2 calls wait for its limit ($0.10 in all) already; ask with `wait` to \
         stand in line, or longer"
    );
    assert!(!scene.account("a").can_afford(&cents(1)));
    assert!(block_on(scene.account("a").request(cents(1)).wait(Duration::ZERO)).is_err());

    assert!(scene.account("a").can_afford(&cents(0)), "it needs none of it");
    drop(scene.reserve("a", 0).unwrap());
    drop(scene.reserve("b", 9).unwrap());
    let either = scene.account("a").request(cents(1)).or(cents(0)).reserve().unwrap();
    assert_eq!(either.alternative(), 1);

    hold.settle_cost(Usd::cents(3));
    let taken = (first.hold(), second.hold());
    assert!(scene.reserve("a", 1).unwrap_err().denied().is_some(), "nobody waits any more");
    drop(taken);
    drop(scene.reserve("a", 1).unwrap());
}

/// A large call at the head is not overtaken by an endless stream of small ones, nor kept out by
/// two limits that take turns at being full.
#[test]
fn nobody_starves() {
    let scene = Scene::new([("", spend(10)), ("a", spend(10))]);
    let mut small: Vec<_> = (0..10).map(|_| scene.reserve("a", 1).unwrap()).collect();
    let large = scene.wait("a", 10);
    let mut behind = Vec::new();
    while let Some(hold) = small.pop() {
        hold.release();
        assert!(scene.reserve("a", 1).unwrap_err().queued().is_some());
        behind.push(scene.wait("a", 1));
        assert_eq!(large.is_woken(), small.is_empty());
    }
    large.hold().release();
    assert!(behind.iter().all(Task::is_woken));
    drop(behind);

    let scene = Scene::new([("", spend(10)), ("a", Limit::in_flight(1))]);
    let (money, place) = (scene.reserve("b", 10).unwrap(), scene.reserve("a", 0).unwrap());
    let waits = scene.wait("a", 10);
    money.release(); // the limit of the root has room now, and stays kept for it
    assert!(scene.reserve("b", 1).unwrap_err().queued().is_some());
    place.release();
    assert_eq!(waits.hold().held(), Usd::cents(10));
}

#[test]
fn a_deadline_says_what_was_in_the_way() {
    let scene = Scene::new([("", spend(10))]);
    let hold = scene.reserve("a", 8).unwrap();
    let first = scene.wait("a", 5);
    scene.clock.advance(Duration::from_secs(3_599));
    let second = scene.wait("b", 1);
    let third = Task::new(scene.account("b").request(cents(1)).wait(Duration::from_secs(1)));
    assert!(!first.is_woken());
    scene.clock.advance(Duration::from_secs(1));
    let error = first.error();
    assert_eq!(error.denied().map(|denied| denied.asked), Some(Usd::cents(5).into()), "{error}");
    assert_eq!(second.hold().held(), Usd::cents(1), "it moved up when the first was gone");
    assert_eq!(third.hold().held(), Usd::cents(1), "there was room at the last moment");

    let waits = scene.wait("a", 5);
    let late = Task::new(scene.account("b").request(cents(1)).wait(MINUTE));
    scene.clock.advance(MINUTE);
    assert_eq!(late.error().queued().map(|queued| queued.ahead), Some(1));
    let once = block_on(scene.account("a").request(cents(5)).wait(Duration::ZERO));
    assert!(once.unwrap_err().queued().is_some());
    hold.release();
    drop(waits);
    let for_ever = scene.account("a").request(cents(5)).wait(Duration::MAX);
    assert!(block_on(for_ever).is_ok());
}

/// Dropped after each number of polls, from each place in line.
#[test]
fn a_cancelled_wait_leaves_no_trace() {
    for place in 0..3 {
        for polls in 0..4 {
            let scene = Scene::new([("", spend(10)), ("a", Limit::in_flight(1))]);
            let hold = scene.reserve("a", 8).unwrap();
            let before = scene.budget.report().to_string();
            let mut tasks: Vec<_> = (0..place).map(|_| scene.wait("a", 3)).collect();
            let mut waiting = Box::pin(scene.account("a").request(cents(9)).wait(HOUR));
            for _ in 0..polls {
                let mut context = Context::from_waker(Waker::noop());
                assert!(waiting.as_mut().poll(&mut context).is_pending());
            }
            tasks.extend((place..2).map(|_| scene.wait("a", 3)));
            assert_eq!(scene.budget.waiting(), 2 + usize::from(polls > 0));
            drop(waiting);
            assert_eq!(scene.budget.waiting(), 2);
            assert_eq!(scene.budget.report().to_string(), before);
            hold.settle_cost(Usd::cents(4));
            let second = tasks.pop().unwrap();
            tasks.pop().unwrap().hold().settle_cost(Usd::cents(3));
            second.hold().settle_cost(Usd::cents(3));
            assert_eq!((scene.budget.spent(), scene.budget.held()), (Usd::cents(10), Usd::ZERO));
        }
    }
}

#[test]
fn those_behind_a_cancelled_one_move_up() {
    let scene = Scene::new([("", spend(10))]);
    let hold = scene.reserve("a", 5).unwrap();
    let (large, small) = (scene.wait("a", 9), scene.wait("b", 5));
    drop(large);
    assert_eq!(small.hold().held(), Usd::cents(5));
    hold.release();
}

#[test]
fn room_that_was_given_and_not_fetched_goes_to_the_next() {
    let scene = Scene::new([("", spend(10))]);
    let hold = scene.reserve("a", 8).unwrap();
    let (first, second) = (scene.wait("a", 7), scene.wait("b", 6));
    hold.settle_cost(Usd::cents(1));
    assert!(first.is_woken() && !second.is_woken());
    assert_eq!(scene.budget.held(), Usd::cents(7));
    drop(first);
    assert_eq!((second.hold().held(), scene.budget.spent()), (Usd::cents(6), Usd::cents(1)));
}

#[test]
fn inside_another_call_only_the_rest_stands_in_line() {
    let scene = Scene::new([("", spend(10))]);
    let outer = scene.reserve("team", 5).unwrap();
    let other = scene.reserve("x", 4).unwrap();
    let first = scene.wait("x", 5);
    let member = scene.account("team/member");
    let part = member.request(cents(3)).inside(&outer).reserve().unwrap(); // passes the line
    let mut longer = Box::pin(member.request(cents(4)).inside(&outer).wait(HOUR)); // 2 too much
    assert!(longer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(scene.budget.waiting(), 2);
    // The outer hold gets something back: now all of it comes out of there.
    part.settle_cost(Usd::cents(1));
    assert_eq!(scene.budget.waiting(), 1);
    assert_eq!(block_on(longer).unwrap().settle_cost(Usd::cents(4)).cost, Usd::cents(4));
    other.release();
    assert_eq!(first.hold().held(), Usd::cents(5));
    outer.settle_cost(Usd::ZERO);
}

/// The growth of a hold does not stand in line: those in it may wait for that very call.
#[test]
fn growth_takes_what_is_there() {
    let scene = Scene::new([("", spend(10))]);
    let mut hold = scene.reserve("a", 5).unwrap();
    let waits = scene.wait("b", 8);
    hold.grow_cost(Usd::cents(3)).unwrap();
    hold.settle_cost(Usd::cents(2));
    assert_eq!(waits.hold().held(), Usd::cents(8));
}

#[test]
fn what_wraps_up_passes_where_a_part_is_kept_for_it_and_only_there() {
    let wrap_up = |scene: &Scene, amount| {
        let account = scene.account("a");
        account.request(cents(amount)).wrap_up().reserve()
    };
    let scene = Scene::new([("", spend(10).keep_for_wrap_up(Usd::cents(4)))]);
    let hold = scene.reserve("a", 6).unwrap();
    let ordinary = scene.wait("a", 3);
    wrap_up(&scene, 2).unwrap().settle_cost(Usd::cents(1));

    // Who comes after a call that wraps up stands behind it.
    let account = scene.account("a");
    let last = Task::new(account.request(cents(9)).wrap_up().wait(HOUR));
    assert!(wrap_up(&scene, 1).unwrap_err().queued().is_some());
    drop(ordinary);
    let behind = scene.wait("a", 1);
    hold.settle_cost(Usd::ZERO);
    assert_eq!(last.hold().held(), Usd::cents(9));
    assert_eq!(behind.hold().held(), Usd::cents(1));

    let scene = Scene::new([("", Limit::in_flight(1))]);
    let hold = scene.reserve("a", 0).unwrap();
    let ordinary = scene.wait("a", 0);
    assert!(wrap_up(&scene, 0).unwrap_err().queued().is_some(), "there is nothing to pass for");
    hold.release();
    assert!(ordinary.answer().is_ok());
}

#[test]
fn a_call_has_the_prices_of_the_moment_it_was_let_in() {
    let rate = |text: &str| text.parse().unwrap();
    let day = "2026-11-25".parse().unwrap();
    let price = ModelPrice::new("acme", "epoch", rate("10"), rate("10"));
    let price = price.from_date(day, rate("1"), rate("1"));
    let mut book = PriceBook::empty();
    book.insert(price).unwrap();
    let clock = ManualClock::at("2026-11-24T23:00:00Z".parse().unwrap());
    let budget = BudgetManager::builder().clock(clock.clone()).prices(book);
    let budget = budget.limit("", Limit::in_flight(1)).build().unwrap();
    let hold = budget.reserve("a", &cents(1)).unwrap();
    let call = budget.model("epoch").unwrap().estimate().input(100_000).max_output(0);
    let task = Task::new(budget.account("a").unwrap().request(call).wait(24 * HOUR));
    clock.advance(2 * HOUR);
    hold.release();
    let hold = task.hold();
    assert_eq!(hold.held(), Usd::cents(10), "not a dollar, as yesterday");
    assert_eq!(hold.settle(Usage::tokens(50_000, 0)).cost, Usd::cents(5));
}

#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn note(&self, account: &Path, what: &str) {
        self.0.lock().unwrap().push(format!("{account} {what}"));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Observer for Diary {
    fn on_reserve(&self, account: &Path, _: &Reservation) {
        self.note(account, "reserved");
    }

    fn on_refuse(&self, account: &Path, error: &ReserveError) {
        let why = if error.queued().is_some() { "queued" } else { "refused" };
        self.note(account, why);
    }

    fn on_settle(&self, account: &Path, _: &Receipt) {
        self.note(account, "settled");
    }

    fn on_release(&self, account: &Path, _: Usd) {
        self.note(account, "released");
    }
}

/// Each wait is told once, with its outcome, on the side of the one who waited.
#[test]
fn observers_hear_of_the_outcome_alone() {
    let (clock, diary) = (ManualClock::at(bursar::clock::Timestamp::from_secs(0)), Arc::default());
    let shared: Arc<Diary> = Arc::clone(&diary);
    let budget = BudgetManager::builder().clock(clock.clone()).shared_observer(shared);
    let budget = budget.limit("", Limit::in_flight(1)).build().unwrap();
    let scene = Scene { clock, budget };
    let hold = scene.reserve("x", 1).unwrap();
    let (given, late) = (scene.wait("a", 1), scene.wait("b", 1));
    assert!(scene.reserve("c", 1).is_err());
    assert_eq!(diary.take(), ["x reserved", "c queued"]);

    drop(hold.settle_cost(Usd::cents(1)));
    assert_eq!(diary.take(), ["x settled"]);
    let hold = given.hold();
    assert_eq!(diary.take(), ["a reserved"]);

    scene.clock.advance(HOUR);
    assert!(late.error().denied().is_some());
    assert_eq!(diary.take(), ["b refused"]);

    let unfetched = scene.wait("d", 1);
    drop(hold);
    drop(unfetched);
    assert_eq!(diary.take(), ["a released", "d reserved", "d released"]);
    drop(scene.reserve("e", 1).unwrap());
    diary.take();

    let hold = scene.reserve("x", 1).unwrap();
    drop(scene.wait("f", 1)); // cancelled: nothing has come of it
    assert_eq!(diary.take(), ["x reserved"]);
    drop(hold);
}

fn writer(scene: &Scene, call: Estimate) -> ScriptedAgent {
    let luna = scene.budget.model("gpt-6-luna").unwrap();
    let bill = bursar::Bill::new(Usage::tokens(100, 10)).model(luna.name().to_string());
    ScriptedAgent::new("writer", call).reply("done", bill)
}

#[test]
fn a_constrained_agent_waits_for_room_and_then_wraps_up() {
    let scene = Scene::new([("", spend(10).keep_for_wrap_up(Usd::cents(5)))]);
    let agent = Arc::new(writer(&scene, cents(4)));
    let agent = BudgetConstrained::new(Arc::clone(&agent), scene.account("team"))
        .on_refusal(OnRefusal::WrapUp)
        .on_refusal(OnRefusal::Wait(HOUR));
    let run = || agent.run("a task".to_owned());

    // Cancelled while it waits: nothing is booked, the agent was not called.
    let hold = scene.reserve("x", 5).unwrap();
    for polls in 0..4 {
        assert!(drop_after(run(), polls).is_none());
        assert_eq!((scene.budget.waiting(), agent.get_ref().calls().len()), (0, 0));
        assert_eq!((scene.budget.spent(), scene.budget.held()), (Usd::ZERO, Usd::cents(5)));
    }

    // There is room in time: an ordinary call.
    let mut context = Context::from_waker(Waker::noop());
    let mut running = Box::pin(run());
    assert!(running.as_mut().poll(&mut context).is_pending());
    hold.release();
    assert!(matches!(running.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
    drop(running);
    assert!(!agent.get_ref().calls()[0].wrap_up);

    // There is none: what is kept for the last answer.
    let hold = scene.reserve("x", 4).unwrap();
    let mut running = Box::pin(run());
    assert!(running.as_mut().poll(&mut context).is_pending());
    scene.clock.advance(HOUR);
    assert!(matches!(running.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
    drop(running);
    assert!(agent.get_ref().calls()[1].wrap_up);

    // Others wait: like a limit without room.
    let ordinary = scene.wait("y", 4);
    let last = BudgetConstrained::new(writer(&scene, cents(1)), scene.account("team"));
    assert!(block_on(last.run("a task".to_owned())).is_err());
    let last = last.on_refusal(OnRefusal::WrapUp);
    assert!(block_on(last.run("a task".to_owned())).is_ok());
    drop((ordinary, hold));
}
