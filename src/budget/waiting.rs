//! [`Waiting`]: the future of a call that waits for room, and `Core::serve`, which tries those that
//! wait.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::books::{After, Job};
use super::call_request::CallRequest;
use super::core::{Core, State};
use super::error::ReserveError;
use super::queue::{Attempt, Outcome, Place, Queue};
use super::request::ReserveRequest;
use super::reservation::Reservation;
use crate::clock::Timestamp;
use crate::journal::JournalError;
use crate::ledger::Ledger;

/// A call that waits for room: made by [`ReserveRequest::wait`], which says how. It asks when it is first
/// polled, and needs no runtime.
///
/// Dropped while it waits, it leaves no trace, and those behind it move up. Dropped after room was
/// found and before the outcome was fetched, it gives the room back.
#[must_use = "nothing is asked for until the future is polled"]
pub struct Waiting {
    core: Arc<Core>,
    request: Arc<CallRequest<'static>>,
    at_most: Duration,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    New,
    Queued(Place),
    Over,
}

impl ReserveRequest<'_> {
    /// Sets the money and the tokens aside as soon as there is room, and waits for it `at_most` so
    /// long from the first poll. With [`Duration::ZERO`] there is one attempt.
    ///
    /// ```
    /// use bursar::agent::testing::block_on;
    /// use bursar::{BudgetManager, Estimate, Usd};
    /// use std::time::Duration;
    ///
    /// let budget = BudgetManager::new(Usd::dollars(1))?;
    /// let (crawler, writer) = (budget.account("crawler")?, budget.account("writer")?);
    /// let call = Estimate::fixed(Usd::cents(60));
    /// let first = crawler.reserve(&call)?;
    ///
    /// std::thread::scope(|threads| {
    ///     let waits = || block_on(writer.request(call.clone()).wait(Duration::from_secs(30)));
    ///     let second = threads.spawn(waits); // or `.await`, on any runtime
    ///     while budget.waiting() == 0 {
    ///         std::thread::yield_now();
    ///     }
    ///     first.settle_cost(Usd::cents(40)); // now sixty cents are left
    ///     assert!(second.join().is_ok_and(|hold| hold.is_ok()));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Who is served when
    ///
    /// **First come, first served, for each limit.** A call that cannot be admitted stands in line
    /// at every limit that is in the way of one of its alternatives, or has a line already, until it
    /// is served. It is tried when it comes, when it is first in a line whose limit has got room or
    /// changed, and when its account or outer call changes. While there is
    /// a line, later calls that need something of that limit stand behind it, or, if they do not
    /// wait, are refused with [`ReserveError::Queued`]; an alternative that needs nothing of it
    /// still goes through. Calls that share no line pass each other. So a large call is not
    /// overtaken by many small ones.
    ///
    /// **The operation that makes room admits the next calls**: a settle, a release, a raised or
    /// lifted limit, a thaw, a new window. The first in line is admitted at once, at the prices of
    /// that moment, even if its task is slow to notice.
    ///
    /// **Refused at once** is what can never fit and what is frozen or closed; later, what can fit
    /// no longer: the limit was lowered, the account closed, the outer call ended. A call that
    /// waits already when the account is frozen keeps its place, blocks no other call meanwhile, and
    /// goes on when the account is thawed.
    ///
    /// **What wraps up** ([`wrap_up`](ReserveRequest::wrap_up)) passes the others where a limit keeps a part for
    /// it, because they can never have that part; elsewhere it stands in the one line. Who comes
    /// after it stands behind it everywhere.
    ///
    /// **Inside another call** only what does not come out of the outer hold stands in line. Those
    /// before it may be waiting for that very outer call to end: then no call moves until a deadline
    /// comes. Keep inner waits short. The growth of a hold never stands in line, for that reason.
    ///
    /// **With a journal** it is the same line, for all of this process: a transaction that
    /// makes room also admits the calls that wait for it, and they return when it is written. If it
    /// cannot be written, nothing is held and every call keeps its place; calls that wait when an
    /// error comes that will not pass by itself, or whose time is up meanwhile, fail with
    /// [`Journal`](ReserveError::Journal). **Between processes there is no line**: each has
    /// its own, the first in it looks again with every transaction of its process and at the latest a
    /// second after another has made room, and the first to write gets it.
    ///
    /// # Errors
    /// [`ReserveError`]. At the deadline it is what is in the way: [`Denied`](ReserveError::Denied) by
    /// a limit, [`Frozen`](ReserveError::Frozen), or [`Queued`](ReserveError::Queued) if others were
    /// still before it. Nothing has been held then.
    pub fn wait(self, at_most: Duration) -> Waiting {
        let ReserveRequest { core, request } = self;
        let (core, request) = (Arc::clone(core), Arc::new(request.into_owned()));
        Waiting { core, request, at_most, stage: Stage::New }
    }
}

impl Future for Waiting {
    type Output = Result<Reservation, ReserveError>;

    /// Once it has been ready it is pending for ever.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let waiting = self.get_mut();
        // No foreign code under the lock: not even a waker's clone or drop (law 7).
        let waker = context.waker().clone();
        let outcome = match waiting.stage {
            Stage::New => waiting.start(waker),
            Stage::Queued(place) => {
                waiting.core.with_queue(|_, queue, _| queue.poll(place, waker)).0
            }
            Stage::Over => None,
        };
        match outcome {
            Some(outcome) => Poll::Ready(waiting.end(outcome)),
            None => Poll::Pending,
        }
    }
}

impl Waiting {
    /// The first attempt; without an outcome it has queued.
    fn start(&mut self, waker: Waker) -> Option<Outcome> {
        let Waiting { core, request, at_most, stage, .. } = self;
        if let Some(invalid) = request.options.invalid {
            return Some(Err(ReserveError::Invalid(invalid)));
        }
        let idle = Waker::noop().clone();
        match core.books() {
            None => {
                let (place, (outcome, _waker)) = core.locked_with_queue(|ledger, queue, now| {
                    let place = queue.join(ledger, Arc::clone(request), idle, now.plus(*at_most));
                    queue.make_ready(place);
                    core.serve(ledger, queue, now);
                    (place, queue.poll(place, waker))
                });
                *stage = Stage::Queued(place);
                outcome
            }
            Some(books) => {
                let place = core.with_queue(|ledger, queue, now| {
                    queue.join(ledger, Arc::clone(request), waker, now.plus(*at_most))
                });
                *stage = Stage::Queued(place);
                books.enqueue_for_thread(Box::new(EnqueueJob(place)));
                None
            }
        }
    }

    /// The wait is over: the guard, and the one word to the observers.
    fn end(&mut self, outcome: Outcome) -> Result<Reservation, ReserveError> {
        self.stage = Stage::Over;
        self.core.finish_reserve(&self.request, outcome)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Stage::Queued(place) = self.stage else { return };
        let (outcome, _waker) = self.core.with_queue(|_, queue, _| queue.leave(place));
        if let Some(Ok(admitted)) = outcome {
            drop(self.end(Ok(admitted))); // was never sent: given back
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("account", &self.request.account.path().as_str())
            .field("at_most", &self.at_most)
            .finish_non_exhaustive()
    }
}

/// With a journal: makes a call that has joined the queue ready, in the order of all jobs.
struct EnqueueJob(Place);

impl Job for EnqueueJob {
    fn run(&mut self, _: &Core, _: &mut Ledger, queue: &mut Queue, _: Timestamp) {
        queue.make_ready(self.0);
    }

    /// The outcome comes through the queue, where the call keeps its place after an error.
    fn answer(&mut self, _: Result<(), &JournalError>) -> Option<After> {
        None
    }

    fn must_commit(&self) -> bool {
        false
    }
}

impl Core {
    /// Looks into the queue. With a journal, the next transaction serves it.
    pub(super) fn with_queue<R>(
        &self,
        look: impl FnOnce(&Ledger, &mut Queue, Timestamp) -> R,
    ) -> R {
        let Some(books) = self.books() else {
            return self.locked_with_queue(|ledger, queue, now| look(ledger, queue, now));
        };
        let mut state = self.view();
        let now = self.time_for(&state.ledger);
        let State { ledger, queue } = &mut *state;
        let (result, needs_service) = (look(ledger, queue, now), queue.needs_service());
        drop(state);
        if needs_service {
            books.request_service();
        }
        result
    }

    /// Tries the waiting calls that are ready, in the order of arrival, until none is: admits those
    /// that fit, and refuses those that never will and those whose time is up.
    #[cold]
    pub(super) fn serve(&self, ledger: &mut Ledger, queue: &mut Queue, now: Timestamp) {
        queue.wake_up(ledger, now);
        while let Some(Attempt { place, request, is_first, is_last }) = queue.next_attempt(now) {
            match self.admit(ledger, queue, now, &request, place) {
                Ok(admitted) => queue.finish(place, Ok(admitted)),
                Err(refused) if refused.has_hope() && !is_last => {
                    queue.stand(place, &refused.limits);
                }
                // It keeps its place until the account is thawed.
                Err(refused) if refused.is_frozen() && !is_first && !is_last => {
                    queue.step_aside(place);
                }
                Err(refused) => {
                    let error = refused.into_error(queue, &request, place);
                    queue.finish(place, Err(error));
                }
            }
            queue.note_changes(ledger);
        }
    }
}

#[cfg(test)]
mod tests;
