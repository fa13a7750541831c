//! How a scene is played: depth first through all orders with a bounded number of preemptions.

use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bursar::budget::Waiting;
use bursar::clock::{ManualClock, Timestamp};
use bursar::{BudgetManager, Reservation, ReserveError};
use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, Runner};

/// No bound: every order that there is.
pub const ALL: usize = usize::MAX;

/// Plays a scene in every order with at most so many preemptions.
#[track_caller]
pub fn explore(preemptions: usize, scene: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.silence_warnings = true; // that atomics are seen in one order: src/sync/model.rs says so
    config.stack_size = 1 << 18;
    let orders = Runner::new(Explorer::new(preemptions), config).run(scene);
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    println!("{name}: {orders} orders");
    assert!(orders > 1, "the threads of this scene never meet: {orders} orders");
}

/// A thread of a scene.
pub fn thread<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Thread<T> {
    let thread = Thread(shuttle::thread::spawn(run));
    step();
    thread
}

/// A moment at which another thread may go on, where the library has none: before an `Arc` is dropped.
pub fn step() {
    shuttle::thread::sleep(Duration::ZERO);
}

pub struct Thread<T>(shuttle::thread::JoinHandle<T>);

impl<T> Thread<T> {
    #[track_caller]
    pub fn join(self) -> T {
        self.0.join().unwrap()
    }
}

pub fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_secs(1_000_000))
}

/// What holds when nobody is under way: nothing is held, and the books balance.
#[track_caller]
pub fn at_rest(budget: &BudgetManager) {
    assert!(budget.held().is_zero(), "{} is held by nobody", budget.held());
    assert_eq!(budget.check(), Ok(()));
}

/// Counts how often it is woken.
#[derive(Default)]
pub struct Bell(pub AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Bell {
    /// Polls once.
    pub fn poll(
        self: &Arc<Bell>,
        waiting: &mut Waiting,
    ) -> Option<Result<Reservation, ReserveError>> {
        let waker = Waker::from(Arc::clone(self));
        match pin!(waiting).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }
}

/// The value of what cannot fail here.
pub trait Sure<T> {
    fn sure(self) -> T;
}

impl<T, E: Debug> Sure<T> for Result<T, E> {
    #[track_caller]
    fn sure(self) -> T {
        self.unwrap()
    }
}

struct Explorer {
    bound: usize,
    /// The choices of the present order, from its start.
    path: Vec<Choice>,
    step: usize,
    preemptions: usize,
    /// How many have been woken without a reason.
    disturbed: usize,
    begun: bool,
}

/// Who could go on, and who does.
struct Choice {
    among: Vec<TaskId>,
    taken: usize,
}

impl Explorer {
    fn new(bound: usize) -> Explorer {
        Explorer { bound, path: Vec::new(), step: 0, preemptions: 0, disturbed: 0, begun: false }
    }
}

impl Scheduler for Explorer {
    fn new_execution(&mut self) -> Option<Schedule> {
        while self.path.last().is_some_and(|last| last.taken + 1 == last.among.len()) {
            self.path.pop();
        }
        match self.path.last_mut() {
            Some(last) => last.taken += 1,
            None if self.begun => return None,
            None => {}
        }
        (self.step, self.preemptions, self.disturbed, self.begun) = (0, 0, 0, true);
        Some(Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        yields: bool,
    ) -> Option<TaskId> {
        // Who sleeps may wake without a reason: once in an order, and that counts.
        let may_disturb = self.disturbed == 0 && self.preemptions < self.bound;
        let (asleep, mut awake): (Vec<&Task>, Vec<&Task>) =
            runnable.iter().copied().partition(|task| task.blocked());
        // Who yields waits for others: else it could spin for ever.
        if yields && awake.len() > 1 {
            awake.retain(|task| Some(task.id()) != current);
        }
        let goes_on = current.filter(|current| awake.iter().any(|task| task.id() == *current));
        if self.step == self.path.len() {
            let mut among: Vec<TaskId> = awake.iter().map(|task| task.id()).collect();
            if let Some(task) = goes_on {
                among.retain(|other| *other != task && self.preemptions < self.bound);
                among.insert(0, task);
            }
            if may_disturb {
                among.extend(asleep.iter().map(|task| task.id()));
            }
            self.path.push(Choice { among, taken: 0 });
        }
        let choice = &self.path[self.step];
        let next = choice.among[choice.taken];
        assert!(runnable.iter().any(|task| task.id() == next), "the scene is not the same again");
        let disturbs = asleep.iter().any(|task| task.id() == next);
        self.disturbed += usize::from(disturbs);
        self.preemptions += usize::from(disturbs || goes_on.is_some_and(|task| task != next));
        self.step += 1;
        Some(next)
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("a scene draws no lots")
    }
}
