//! Tests that the queue serves as its documentation says: beside a naive model after each
//! random step, and counted, so that many who wait cost no more than those who are served.

mod naive;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use proptest::prelude::*;

use super::*;
use crate::Estimate;
use crate::budget::BudgetManager;
use crate::budget::books::tape::{Fault, Tape};
use crate::clock::{Clock, ManualClock};
use crate::ledger::{Limit, Measure, Period};
use crate::money::Usd;
use naive::{ACCOUNTS, Call, Cap, Kind, Model, Said, Stander};

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future and whether it has been woken.
struct Task {
    future: Pin<Box<Waiting>>,
    woken: Arc<Woken>,
}

impl Task {
    /// Polls once; `None` if it waits.
    fn new(waiting: Waiting) -> (Task, Option<Result<Reservation, ReserveError>>) {
        let mut task = Task { future: Box::pin(waiting), woken: Arc::default() };
        let answer = task.poll();
        (task, answer)
    }

    fn poll(&mut self) -> Option<Result<Reservation, ReserveError>> {
        let waker = Waker::from(Arc::clone(&self.woken));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::SeqCst) > 0
    }
}

fn check(budget: &BudgetManager) {
    budget.core.with_queue(|ledger, queue, _| {
        queue.check();
        ledger.check_invariants().unwrap();
    });
}

fn attempts(budget: &BudgetManager) -> u64 {
    budget.core.with_queue(|_, queue, _| queue.counts().attempts)
}

fn visits(budget: &BudgetManager) -> u64 {
    budget.core.with_queue(|_, queue, _| queue.counts().visits)
}

fn is_clean(budget: &BudgetManager) -> bool {
    check(budget);
    budget.core.with_queue(|_, queue, _| queue.is_clean())
}

/// Waits for what another thread is about to do.
fn until(mut done: impl FnMut() -> bool) {
    let found = (0..10_000_000).any(|_| done() || (std::thread::yield_now(), false).1);
    assert!(found, "it does not happen");
}

fn cents(cents: i64) -> Estimate {
    Estimate::fixed(Usd::cents(cents))
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn serving_costs_as_much_as_there_are_served() {
    let budget = BudgetManager::builder().limit("", Limit::in_flight(4)).build().unwrap();
    let account = budget.account("crawler").unwrap();
    let mut holds: Vec<_> = (0..4).map(|_| account.reserve(&cents(1)).unwrap()).collect();
    let ask = || Task::new(account.request(cents(1)).wait(HOUR)).0;
    let mut tasks: Vec<Task> = (0..10_000).map(|_| ask()).collect();
    assert_eq!((budget.waiting(), attempts(&budget)), (10_000, 10_000));

    // A call that counts nothing in the limit examines no waiting call.
    for _ in 0..100 {
        account.record(crate::usage::Bill::free()).book().unwrap();
    }
    assert_eq!((attempts(&budget), visits(&budget)), (10_000, 0));
    for served in 1..=1_000 {
        drop(holds.remove(0));
        let task = &mut tasks[served - 1];
        assert!(task.is_woken());
        holds.push(task.poll().unwrap().unwrap());
    }
    // The one that is served, and the one that is first then.
    assert_eq!((budget.waiting(), attempts(&budget)), (9_000, 10_000 + 2_000));
    assert!(!tasks[1_000].is_woken());
    check(&budget);
    drop(tasks);
    drop(holds);
    assert!(is_clean(&budget));
}

/// Each of `users` users has a call under way and another in line (W1).
fn users_in_line(users: usize) -> (BudgetManager, Vec<Reservation>, Vec<Task>) {
    let budget = BudgetManager::builder()
        .limit("u/*", Limit::in_flight(1))
        .limit("", Limit::spend(Usd::dollars(1_000)))
        .build()
        .unwrap();
    let accounts = (0..users).map(|user| budget.account(&format!("u/{user}")).unwrap());
    let (holds, tasks) = accounts
        .map(|user| {
            let hold = user.reserve(&cents(1)).unwrap();
            (hold, Task::new(user.request(cents(1)).wait(HOUR)).0)
        })
        .unzip();
    (budget, holds, tasks)
}

#[test]
fn a_call_elsewhere_looks_into_no_list() {
    for users in [10, 1_000] {
        let (budget, holds, tasks) = users_in_line(users);
        assert_eq!((budget.waiting(), visits(&budget)), (users, 0));
        let before = attempts(&budget);
        for _ in 0..100 {
            let hold = budget.reserve("elsewhere", &cents(1)).unwrap();
            hold.settle_cost(Usd::cents(1));
        }
        assert_eq!((visits(&budget), attempts(&budget)), (0, before), "of {users}");
        // One that ends in line looks into its own list alone.
        drop(holds);
        assert!(tasks.iter().all(Task::is_woken));
        assert!(visits(&budget) <= 2 * users as u64, "{}", visits(&budget));
        drop(tasks);
        assert!(is_clean(&budget));
    }
}

/// W2.
#[test]
fn a_run_that_closes_and_a_freeze_concern_those_below_them() {
    let budget = BudgetManager::builder().limit("team", Limit::in_flight(1)).build().unwrap();
    let team = budget.account("team").unwrap();
    let hold = team.reserve(&cents(1)).unwrap();
    let tasks: Vec<Task> =
        (0..1_000).map(|_| Task::new(team.request(cents(1)).wait(HOUR)).0).collect();
    let before = (visits(&budget), attempts(&budget));
    for number in 0..100 {
        let mut run = budget.account("other").unwrap().run(&format!("run-{number}")).unwrap();
        run.set_limit(Limit::spend(Usd::cents(10))).unwrap();
        run.reserve(&cents(1)).unwrap().settle_cost(Usd::cents(1));
        run.close();
        budget.freeze("nobody", "a test").unwrap();
        budget.thaw("nobody").unwrap();
        budget.set_limit("other", Limit::requests(1_000 + number)).unwrap();
    }
    assert_eq!((visits(&budget), attempts(&budget)), before);
    // The limit itself concerns all who wait for it, once.
    budget.set_limit("team", Limit::in_flight(3)).unwrap();
    assert_eq!((attempts(&budget) - before.1, budget.waiting()), (1_000, 998));
    budget.freeze("team", "a test").unwrap();
    assert_eq!(attempts(&budget) - before.1, 1_998);
    drop((tasks, hold));
    assert!(is_clean(&budget));
}

#[test]
fn a_hundred_thousand_come_and_go_with_a_few_looks_each() {
    let budget = BudgetManager::builder()
        .limit("", Limit::in_flight(1))
        .limit("", Limit::spend(Usd::dollars(1)).per(Period::DAY))
        .limit("", Limit::requests(500_000).per(Period::rolling(HOUR)))
        .clock(ManualClock::at(Timestamp::from_secs(0)))
        .build()
        .unwrap();
    let account = budget.account("a/b/c").unwrap();
    let mut hold = Some(account.reserve(&cents(1)).unwrap());
    let mut tasks: Vec<Task> =
        (0..100_000).map(|_| Task::new(account.request(cents(1)).wait(HOUR)).0).collect();
    assert_eq!((budget.waiting(), attempts(&budget), visits(&budget)), (100_000, 100_000, 0));
    // Half give up in any order, the others are served in theirs.
    let mut place = 0_usize;
    tasks.retain(|_| {
        place += 1;
        place.wrapping_mul(0x9E37_79B9) & 64 == 0
    });
    let left = tasks.len();
    assert_eq!(budget.waiting(), left);
    for task in &mut tasks {
        drop(hold.take()); // released: costs nothing
        hold = Some(task.poll().expect("served in order").unwrap());
    }
    drop(hold);
    drop(tasks);
    assert!(is_clean(&budget));
    assert!(attempts(&budget) <= 400_000, "{}", attempts(&budget));
    assert!(visits(&budget) <= 600_000, "{}", visits(&budget));
}

#[test]
fn a_deadline_of_many_costs_as_much_as_there_are_of_them() {
    let clock = ManualClock::at(Timestamp::from_secs(0));
    let budget = BudgetManager::builder().clock(clock.clone()).limit("", Limit::in_flight(1));
    let budget = budget.build().unwrap();
    let account = budget.account("crawler").unwrap();
    let hold = account.reserve(&cents(1)).unwrap();
    let ask = |_| Task::new(account.request(cents(1)).wait(HOUR)).0;
    let mut tasks: Vec<Task> = (0..10_000).map(ask).collect();
    assert_eq!(clock.alarms(), 1);
    clock.advance(HOUR);
    assert!(tasks.iter().all(Task::is_woken));
    assert_eq!((budget.waiting(), clock.alarms()), (0, 0));
    assert!(attempts(&budget) <= 30_001, "{}", attempts(&budget));
    assert!(matches!(tasks[9_999].poll(), Some(Err(ReserveError::Denied(_)))));
    drop((tasks, hold));
    assert!(is_clean(&budget));
}

#[test]
fn a_budget_has_one_alarm_however_many_wait_and_however_often() {
    let clock = ManualClock::at(Timestamp::from_secs(0));
    let budget = BudgetManager::builder()
        .clock(clock.clone())
        .limit("", Limit::in_flight(1))
        .limit("b", Limit::spend(Usd::cents(5)).per(Period::rolling(HOUR)))
        .limit("c", Limit::spend(Usd::cents(5)).per(Period::DAY))
        .lease(HOUR * 2)
        .build()
        .unwrap();
    let hold = budget.reserve("a", &cents(1)).unwrap();
    let mut tasks = Vec::new();
    for seconds in (1..1_000).rev() {
        let account = budget.account(["a", "b", "c"][seconds % 3]).unwrap();
        let at_most = Duration::from_secs(u64::try_from(seconds).unwrap());
        tasks.push(Task::new(account.request(cents(1)).wait(at_most)).0);
        assert_eq!(clock.alarms(), 1);
    }
    for left in (0..999).rev() {
        clock.advance(Duration::from_secs(1));
        assert_eq!((budget.waiting(), clock.alarms()), (left, usize::from(left > 0)));
    }
    drop((tasks, hold));
    assert!(is_clean(&budget));
}

#[test]
fn an_alarm_that_is_moved_forward_and_one_that_is_stale_lose_nobody() {
    let clock = ManualClock::at(Timestamp::from_secs(0));
    let budget = BudgetManager::builder().clock(clock.clone()).limit("", Limit::in_flight(1));
    let budget = budget.build().unwrap();
    let account = budget.account("a").unwrap();
    let hold = account.reserve(&cents(1)).unwrap();
    let ask = |secs| Task::new(account.request(cents(1)).wait(Duration::from_secs(secs))).0;
    let (late, early) = (ask(10), ask(5));
    drop(early); // its alarm stays, at 5
    clock.advance(Duration::from_secs(5));
    assert_eq!((late.is_woken(), clock.alarms()), (false, 1));
    clock.advance(Duration::from_secs(5));
    assert_eq!((late.is_woken(), clock.alarms()), (true, 0));
    // An alarm keeps no budget alive.
    let last = ask(10);
    drop((late, last, hold, account, budget));
    clock.advance(HOUR);
    assert_eq!((clock.alarms(), clock.now()), (0, Timestamp::from_secs(3_610)));
}

#[derive(Clone, Debug)]
enum Step {
    Reserve(usize, Vec<i64>, bool),
    Wait(usize, Vec<i64>, bool, i64),
    /// Which hold, and how many percent of it were used.
    Settle(usize, i64),
    Release(usize),
    Cancel(usize),
    Advance(i64),
    SetLimit(usize, i64),
    Freeze(usize),
    Thaw(usize),
    /// With a journal: it fails once before it works.
    Failing(Box<Step>, Fault),
}

fn steps(faults: u32) -> impl Strategy<Value = Vec<Step>> {
    let costs = || prop::collection::vec(prop_oneof![1 => Just(0), 9 => 1_i64..30], 1..=2);
    let wraps = || prop::bool::weighted(0.2);
    let step = prop_oneof![
        3 => (0..3_usize, costs(), wraps()).prop_map(|(a, c, w)| Step::Reserve(a, c, w)),
        9 => (0..3_usize, costs(), wraps(), 0..50_000_i64).prop_map(|(a, c, w, t)| Step::Wait(a, c, w, t)),
        5 => (any::<usize>(), 0..=100_i64).prop_map(|(hold, used)| Step::Settle(hold, used)),
        1 => any::<usize>().prop_map(Step::Release),
        2 => any::<usize>().prop_map(Step::Cancel),
        2 => (1..30_000_i64).prop_map(Step::Advance),
        1 => (0..4_usize, 50..150_i64).prop_map(|(limit, percent)| Step::SetLimit(limit, percent)),
        1 => (0..3_usize).prop_map(Step::Freeze),
        2 => (0..3_usize).prop_map(Step::Thaw),
    ];
    let fault = prop::bool::ANY.prop_map(|begin| if begin { Fault::Begin } else { Fault::Commit });
    let failing = (step.clone(), fault).prop_map(|(step, fault)| Step::Failing(step.into(), fault));
    let step = prop_oneof![10 => step, faults => failing];
    prop::collection::vec(step, 1..120)
}

/// The budget beside the model.
struct Both {
    model: Model,
    clock: ManualClock,
    budget: BudgetManager,
    holds: BTreeMap<usize, Reservation>,
    tasks: BTreeMap<usize, Task>,
    next: usize,
    tape: Option<Tape>,
}

impl Both {
    fn new(tape: Option<Tape>) -> Both {
        let (model, clock) = (Model::new(), ManualClock::at(Timestamp::from_secs(0)));
        let mut builder = BudgetManager::builder().clock(clock.clone());
        for cap in &model.caps {
            builder = builder.limit(cap.on, cap.limit());
        }
        if let Some(tape) = &tape {
            builder = builder.wait_for_disk(true).journal(tape.clone()).lease(HOUR * 100_000);
        }
        let budget = builder.build().unwrap();
        for account in ACCOUNTS {
            budget.account(account).unwrap();
        }
        let (holds, tasks) = (BTreeMap::new(), BTreeMap::new());
        Both { model, clock, budget, holds, tasks, next: 0, tape }
    }

    fn run(&mut self, step: &Step) {
        let nth = |from: Vec<usize>, at: usize| from.get(at % from.len().max(1)).copied();
        let place = self.next;
        self.next += 1;
        match step {
            Step::Reserve(account, costs, wrap_up) => {
                let call = Call { account: *account, costs: costs.clone(), wrap_up: *wrap_up };
                let said = self.model.look(&call, usize::MAX).said;
                let answer = self.with_ask(&call, |ask| ask.reserve());
                if let Said::Admitted(alternative) = said {
                    self.model.admit(&call, place, alternative);
                }
                self.compare(place, answer, said, &call);
            }
            Step::Wait(account, costs, wrap_up, seconds) => {
                let call = Call { account: *account, costs: costs.clone(), wrap_up: *wrap_up };
                let look = self.model.look(&call, usize::MAX);
                let said = look.said;
                let at_most = Duration::from_secs(u64::try_from(*seconds).unwrap());
                let waiting = self.with_ask(&call, |ask| ask.wait(at_most));
                let (mut task, mut answer) = Task::new(waiting);
                let waits =
                    !matches!(said, Said::Admitted(_)) && *seconds > 0 && !look.hope.is_empty();
                if self.tape.is_some() {
                    self.budget.flush().unwrap();
                    until(|| waits || task.is_woken());
                    answer = task.poll();
                }
                match said {
                    Said::Admitted(alternative) => self.model.admit(&call, place, alternative),
                    _ if waits => {
                        assert!(answer.is_none(), "{answer:?} instead of waiting");
                        let (deadline, stands) = (self.model.now + seconds, BTreeSet::new());
                        self.model.waiting.insert(place, Stander { call, deadline, stands });
                        self.model.stand(place, &look);
                        self.tasks.insert(place, task);
                        return;
                    }
                    _ => {}
                }
                self.compare(place, answer.expect("an answer at once"), said, &call);
            }
            Step::Settle(hold, percent) => {
                let Some(place) = nth(self.holds.keys().copied().collect(), *hold) else { return };
                let spent = self.model.holds[&place].cost * percent / 100;
                self.model.end(place, spent);
                self.holds.remove(&place).unwrap().settle_cost(Usd::cents(spent));
            }
            Step::Release(hold) => {
                let Some(place) = nth(self.holds.keys().copied().collect(), *hold) else { return };
                self.model.end(place, 0);
                self.holds.remove(&place).unwrap().release();
            }
            Step::Cancel(task) => {
                let Some(place) = nth(self.tasks.keys().copied().collect(), *task) else { return };
                self.model.leave(place);
                self.tasks.remove(&place);
            }
            Step::Advance(seconds) => {
                self.model.advance(*seconds);
                self.clock.advance(Duration::from_secs(u64::try_from(*seconds).unwrap()));
            }
            Step::SetLimit(limit, percent) => {
                let at = *limit;
                let cap = &mut self.model.caps[at];
                cap.amount = (Model::new().caps[*limit].amount * percent / 100).max(1);
                let (on, limit) = (cap.on, cap.limit());
                self.model.change(at);
                self.budget.set_limit(on, limit).unwrap();
            }
            Step::Freeze(account) => {
                self.model.freeze(*account, true);
                self.budget.freeze(ACCOUNTS[*account], "because").unwrap();
            }
            Step::Thaw(account) => {
                self.model.freeze(*account, false);
                self.budget.thaw(ACCOUNTS[*account]).unwrap();
            }
            Step::Failing(step, fault) => self.fail(step, *fault),
        }
    }

    /// A step that fails first: nothing has changed, every waiting call is examined again; then it is done.
    fn fail(&mut self, step: &Step, fault: Fault) {
        let tape = self.tape.clone().unwrap();
        tape.fail(Some(fault));
        let nth = |from: Vec<usize>, at: usize| from.get(at % from.len().max(1)).copied();
        let mut booked = None;
        match step {
            Step::Settle(hold, percent) if !self.holds.is_empty() => {
                if let Some(place) = nth(self.holds.keys().copied().collect(), *hold) {
                    let spent = self.model.holds[&place].cost * percent / 100;
                    self.holds.remove(&place).unwrap().settle_cost(Usd::cents(spent));
                    booked = Some((place, spent)); // waits in the outbox
                }
            }
            Step::Release(hold) if !self.holds.is_empty() => {
                if let Some(place) = nth(self.holds.keys().copied().collect(), *hold) {
                    self.holds.remove(&place).unwrap().release();
                    booked = Some((place, 0));
                }
            }
            Step::Freeze(account) if fault == Fault::Begin || !self.model.frozen[*account] => {
                assert!(self.budget.freeze(ACCOUNTS[*account], "because").is_err());
            }
            // What has nothing to write cannot fail to write it.
            _ => {
                tape.fail(Some(Fault::Begin));
                assert!(self.budget.flush().is_err());
            }
        }
        tape.fail(None);
        self.model.retry_all();
        self.budget.flush().unwrap();
        match booked {
            Some((place, spent)) => self.model.end(place, spent),
            None => {
                self.settle_down();
                self.run(step);
            }
        }
    }

    fn with_ask<R>(&self, call: &Call, end: impl FnOnce(ReserveRequest<'_>) -> R) -> R {
        let account = self.budget.account(ACCOUNTS[call.account]).unwrap();
        let mut ask = account.request(cents(call.costs[0]));
        for cost in &call.costs[1..] {
            ask = ask.or(cents(*cost));
        }
        end(if call.wrap_up { ask.wrap_up() } else { ask })
    }

    /// The answer is what the model says.
    fn compare(
        &mut self,
        place: usize,
        answer: Result<Reservation, ReserveError>,
        said: Said,
        call: &Call,
    ) {
        let got = match &answer {
            Ok(hold) => Said::Admitted(hold.alternative()),
            Err(ReserveError::Denied(_)) => Said::Denied,
            Err(ReserveError::Queued(queued)) => {
                assert!(queued.ahead > 0);
                Said::Queued
            }
            Err(ReserveError::Frozen { .. }) => Said::Frozen,
            Err(other) => panic!("{other}"),
        };
        // Of several refusals the manager names the one that could pass soonest.
        let refusal = |said| matches!(said, Said::Denied | Said::Queued);
        if call.costs.len() > 1 && refusal(got) && refusal(said) {
            return;
        }
        assert_eq!(got, said, "call {place}");
        if let Ok(hold) = answer {
            self.holds.insert(place, hold);
        }
    }

    /// Fetches what was served, and compares everything that can be seen.
    fn settle_down(&mut self) {
        if self.tape.is_some() {
            self.budget.flush().unwrap();
            until(|| self.model.said.iter().all(|(place, _)| self.tasks[place].is_woken()));
        }
        check(&self.budget);
        let woken: Vec<usize> =
            self.tasks.iter().filter(|(_, task)| task.is_woken()).map(|(at, _)| *at).collect();
        let said: BTreeMap<usize, Said> = self.model.said.drain(..).collect();
        assert_eq!(woken, said.keys().copied().collect::<Vec<_>>(), "who was woken");
        for place in woken {
            let answer = self.tasks.remove(&place).unwrap().poll().expect("woken for nothing");
            let call = Call { account: 0, costs: vec![0, 0], wrap_up: false };
            self.compare(place, answer, said[&place], &call);
        }
        assert_eq!(self.budget.waiting(), self.model.waiting.len());
        assert!(self.clock.alarms() <= 1);
        for view in self.budget.report().limits {
            let in_flight = view.measure == Measure::InFlight;
            let same = |cap: &&Cap| {
                cap.on == view.account.as_str() && in_flight == (cap.kind == Kind::InFlight)
            };
            let cap = self.model.caps.iter().find(same).unwrap();
            let unit = if cap.kind == Kind::InFlight { 1 } else { Usd::cents(1).pico() };
            let seen = (view.spent.value() / unit, view.held.value() / unit);
            assert_eq!(seen, (i128::from(cap.spent), i128::from(cap.held)), "{}", view.limit);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_serves_as_a_naive_queue_does(steps in steps(0)) {
        let mut both = Both::new(None);
        for step in &steps {
            both.run(step);
            both.settle_down();
        }
        both.tasks.clear();
        both.holds.clear();
        prop_assert!(is_clean(&both.budget));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        max_shrink_iters: 100, // each may wait in vain
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// The same with a journal, and with one that fails now and then.
    #[test]
    fn it_serves_as_a_naive_queue_does_with_a_journal(steps in steps(2)) {
        let mut both = Both::new(Some(Tape::default()));
        for step in &steps {
            both.run(step);
            both.settle_down();
        }
        both.tasks.clear();
        both.holds.clear();
        both.budget.flush().unwrap();
        prop_assert!(is_clean(&both.budget));
        prop_assert_eq!(both.budget.held(), Usd::ZERO);
    }
}
