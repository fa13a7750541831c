//! A test kit for cost scenarios without a network: agents and streams that follow a script, and
//! functions that run, poll and drop a future without a runtime.
//!
//! Together with [`ManualClock`], which is moved by hand, a scenario is a plain test: who asks for
//! what, when, how each call ends, and what the books say. The crate's own tests are written with
//! it. It is `bursar::testing` at the root, for tests of what an agent costs, with
//! or without [`BudgetConstrained`](super::BudgetConstrained).
//!
//! ```
//! use bursar::agent::BudgetConstrained;
//! use bursar::testing::{ManualClock, ScriptedAgent, block_on, drop_after};
//! use bursar::{BudgetManager, Limit, Period, Usage, Usd};
//!
//! let clock = ManualClock::at("2026-11-24T23:59:00Z".parse()?);
//! let budget = BudgetManager::builder()
//!     .clock(clock.clone())
//!     .limit("", Limit::spend(Usd::cents(1)).per(Period::DAY))
//!     .build()?;
//! let call = budget.model("gpt-6.1-terra")?.estimate().input(1_200).max_output(800);
//! let agent = ScriptedAgent::new("writer", call).reply("done", Usage::tokens(1_150, 340)).hang();
//! let writer = BudgetConstrained::new(agent, budget.account("writer")?);
//!
//! block_on(writer.run("the first task".to_owned()))?;
//! assert_eq!(budget.spent(), "0.00285".parse()?);
//!
//! // The second never answers: it is cancelled, and charged as held.
//! assert!(drop_after(writer.run("the second".to_owned()), 5).is_none());
//! assert_eq!(budget.spent(), "0.00835".parse()?);
//!
//! clock.advance(std::time::Duration::from_secs(60)); // a new day
//! assert!(block_on(writer.run("the third".to_owned())).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use super::{Agent, Call};
pub use crate::clock::ManualClock;
use crate::price::{Estimate, EstimateError, Model};
use crate::sync::Lock;
use crate::usage::{Bill, Outcome};

/// An agent that does as its script says, call by call; after the last step it starts over. An
/// empty script answers with an empty text and no bill.
///
/// The task is a text. What it was asked is kept, see [`calls`](ScriptedAgent::calls).
#[derive(Debug)]
pub struct ScriptedAgent {
    name: String,
    estimate: Estimate,
    steps: Vec<Step>,
    next: AtomicUsize,
    calls: Lock<Vec<SeenCall>>,
}

/// An answer of a [`ScriptedAgent`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScriptedReply {
    /// The text.
    pub text: String,
    /// Its bill, if the script gives one.
    pub bill: Option<Bill>,
}

/// A failure of a [`ScriptedAgent`], or of [`Items`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
#[non_exhaustive]
pub struct Failure {
    /// What went wrong.
    pub why: String,
    /// Its bill, if the script gives one.
    pub bill: Option<Box<Bill>>,
}

impl Failure {
    /// A failure without a bill.
    pub fn new(why: impl Into<String>) -> Failure {
        Failure { why: why.into(), bill: None }
    }
}

/// What a [`ScriptedAgent`] was asked to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SeenCall {
    /// The task.
    pub task: String,
    /// The model that was admitted.
    pub model: Option<Model>,
    /// The output cap that was admitted.
    pub max_output_tokens: Option<u64>,
    /// True if the money came out of what is kept for wrapping up.
    pub wrap_up: bool,
}

const FOREVER: usize = usize::MAX;

#[derive(Clone, Debug)]
struct Step {
    polls: usize,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    Reply(ScriptedReply),
    Fail(Failure),
    Panic(&'static str),
}

impl ScriptedAgent {
    /// An agent of that name, each of whose tasks has that estimate.
    pub fn new(name: impl Into<String>, estimate: Estimate) -> ScriptedAgent {
        ScriptedAgent {
            name: name.into(),
            estimate,
            steps: Vec::new(),
            next: AtomicUsize::new(0),
            calls: Lock::new(Vec::new()),
        }
    }

    /// Then it answers, with a bill.
    #[must_use]
    pub fn reply(self, text: impl Into<String>, bill: impl Into<Bill>) -> ScriptedAgent {
        self.then(End::Reply(ScriptedReply { text: text.into(), bill: Some(bill.into()) }))
    }

    /// Then it answers, and does not say what that has cost.
    #[must_use]
    pub fn reply_without_bill(self, text: impl Into<String>) -> ScriptedAgent {
        self.then(End::Reply(ScriptedReply { text: text.into(), bill: None }))
    }

    /// Then it fails at an unknown cost.
    #[must_use]
    pub fn fail(self, why: impl Into<String>) -> ScriptedAgent {
        self.then(End::Fail(Failure::new(why)))
    }

    /// Then it fails, with a bill; `Bill::free()` is known to be free.
    #[must_use]
    pub fn fail_with_bill(self, why: impl Into<String>, bill: impl Into<Bill>) -> ScriptedAgent {
        self.then(End::Fail(Failure { bill: Some(Box::new(bill.into())), ..Failure::new(why) }))
    }

    /// Then it panics, without the panic hook's message.
    #[must_use]
    pub fn panic(self, message: &'static str) -> ScriptedAgent {
        self.then(End::Panic(message))
    }

    /// Then it never answers.
    #[must_use]
    pub fn hang(self) -> ScriptedAgent {
        self.reply_without_bill("").after(FOREVER)
    }

    /// Makes the last step pending for this many more polls; it wakes its task for each.
    #[must_use]
    pub fn after(mut self, polls: usize) -> ScriptedAgent {
        if let Some(last) = self.steps.last_mut() {
            last.polls = polls;
        }
        self
    }

    /// What it was asked to do, in order.
    pub fn calls(&self) -> Vec<SeenCall> {
        self.calls.lock().clone()
    }

    fn then(mut self, end: End) -> ScriptedAgent {
        self.steps.push(Step { polls: 0, end });
        self
    }

    fn next_step(&self) -> Step {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let place = turn.checked_rem(self.steps.len());
        let empty = ScriptedReply { text: String::new(), bill: None };
        let step = place.and_then(|place| self.steps.get(place)).cloned();
        step.unwrap_or(Step { polls: 0, end: End::Reply(empty) })
    }
}

impl Agent for ScriptedAgent {
    type Task = String;
    type Output = ScriptedReply;
    type Error = Failure;

    fn name(&self) -> &str {
        &self.name
    }

    fn estimate(&self, _task: &String) -> Result<Estimate, EstimateError> {
        Ok(self.estimate.clone())
    }

    async fn execute(&self, call: Call<String>) -> Result<ScriptedReply, Failure> {
        let (model, max_output_tokens) = (call.model().cloned(), call.max_output_tokens());
        let wrap_up = call.is_wrap_up();
        let seen = SeenCall { task: call.into_task(), model, max_output_tokens, wrap_up };
        self.calls.lock().push(seen);
        let step = self.next_step();
        pending(step.polls).await;
        match step.end {
            End::Reply(reply) => Ok(reply),
            End::Fail(failure) => Err(failure),
            End::Panic(message) => std::panic::resume_unwind(Box::new(message)),
        }
    }

    fn outcome(&self, result: &Result<ScriptedReply, Failure>) -> Outcome {
        match result {
            Ok(reply) => reply.bill.clone().into(),
            Err(failure) => failure.bill.as_deref().cloned().into(),
        }
    }
}

/// A stream of items that are there from the start, each of which takes some polls to come.
#[derive(Clone, Debug)]
pub struct Items<T, E> {
    items: VecDeque<Result<T, E>>,
    polls: usize,
    waited: usize,
}

impl<T, E> Items<T, E> {
    /// A stream of these items.
    pub fn new(items: impl IntoIterator<Item = Result<T, E>>) -> Items<T, E> {
        Items { items: items.into_iter().collect(), polls: 0, waited: 0 }
    }

    /// Makes each item, and the end, pending for this many more polls; each wakes the task.
    #[must_use]
    pub fn after(self, polls: usize) -> Items<T, E> {
        Items { polls, ..self }
    }
}

impl<T: Unpin, E: Unpin> Stream for Items<T, E> {
    type Item = Result<T, E>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, E>>> {
        if self.waited < self.polls {
            self.waited = self.waited.saturating_add(1);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.waited = 0;
        Poll::Ready(self.items.pop_front())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.items.len(), Some(self.items.len()))
    }
}

/// Runs a future to its end on this thread, without a runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    crate::sync::block_on(future)
}

/// Polls a future this many times, and drops it if that was not enough: a call that is cancelled at
/// that very point. With zero it is dropped unpolled.
pub fn drop_after<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
    }
    None
}

/// The next item of a stream.
pub async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// Is pending for this many polls and wakes its task for each; at `FOREVER` for ever, without waking.
async fn pending(mut polls: usize) {
    if polls == FOREVER {
        return std::future::pending().await;
    }
    poll_fn(|context| {
        if polls == 0 {
            return Poll::Ready(());
        }
        polls = polls.saturating_sub(1);
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
