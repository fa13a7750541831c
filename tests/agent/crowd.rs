//! The crowd: 64 tasks on one account, under tokio and under an executor of a screen.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bursar::agent::CallError;
use bursar::{BudgetManager, Limit, Usd};

use crate::kit::*;

/// litellm #34732: concurrent requests passed a budget that none of them would have passed alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tasks_on_one_account_under_tokio() {
    let budget = budget([("", Limit::spend(Usd::dollars(1)))]);
    let script = scripted(&budget).reply("done", two_cents()).after(2).fail("500").after(1);
    let agent = Arc::new(constrained(&budget, script));
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let agent = Arc::clone(&agent);
            tokio::spawn(async move {
                let mut count = Count::default();
                for turn in 0..20 {
                    count.add(agent.run(format!("{number}/{turn}")).await);
                    tokio::task::yield_now().await;
                }
                count
            })
        })
        .collect();
    let mut all = Count::default();
    for task in tasks {
        all.join(task.await.unwrap());
    }
    all.check(&budget, &agent.get_ref().calls().len());
}

#[test]
fn sixty_four_tasks_on_one_account_under_a_bare_executor() {
    let budget = budget([("", Limit::spend(Usd::dollars(1)))]);
    let script = scripted(&budget).reply("done", two_cents()).after(2).fail("500").after(1);
    let agent = Arc::new(constrained(&budget, script));
    let tasks = (0..64).map(|number| {
        let agent = Arc::clone(&agent);
        async move {
            let mut count = Count::default();
            for turn in 0..20 {
                count.add(agent.run(format!("{number}/{turn}")).await);
            }
            count
        }
    });
    let mut all = Count::default();
    run_all(tasks).into_iter().for_each(|count| all.join(count));
    all.check(&budget, &agent.get_ref().calls().len());
}

#[derive(Default)]
struct Count {
    answers: usize,
    failures: usize,
    refusals: usize,
}

impl Count {
    fn add<T, E>(&mut self, answer: Result<T, CallError<E>>) {
        match answer {
            Ok(_) => self.answers += 1,
            Err(CallError::Agent(_)) => self.failures += 1,
            Err(_) => self.refusals += 1,
        }
    }

    fn join(&mut self, other: Count) {
        self.answers += other.answers;
        self.failures += other.failures;
        self.refusals += other.refusals;
    }

    /// Two cents an answer, twenty a failure, and never more than the dollar.
    fn check(&self, budget: &BudgetManager, calls: &usize) {
        assert_eq!(self.answers + self.failures + self.refusals, 64 * 20);
        assert_eq!(self.answers + self.failures, *calls);
        assert!(self.answers > 0 && self.failures > 0 && self.refusals > 0);
        let spent = Usd::cents((2 * self.answers + 20 * self.failures) as i64);
        assert_eq!((budget.spent(), budget.held()), (spent, Usd::ZERO));
        assert!(spent <= Usd::dollars(1), "{spent}");
    }
}

/// An executor of a screen: it polls whatever was woken, in turn, until all are done.
pub fn run_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    struct Flag(AtomicUsize);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(1, Ordering::SeqCst);
        }
    }
    let mut tasks: Vec<_> = futures
        .into_iter()
        .map(|future| (Some(Box::pin(future)), Arc::new(Flag(AtomicUsize::new(1)))))
        .collect();
    let mut outputs = Vec::new();
    while outputs.len() < tasks.len() {
        for (future, flag) in &mut tasks {
            if future.is_none() || flag.0.swap(0, Ordering::SeqCst) == 0 {
                continue;
            }
            let waker = Waker::from(Arc::clone(flag));
            let mut context = Context::from_waker(&waker);
            if let Some(Poll::Ready(output)) =
                future.as_mut().map(|future| future.as_mut().poll(&mut context))
            {
                *future = None;
                outputs.push(output);
            }
        }
    }
    outputs
}
