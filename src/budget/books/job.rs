//! [`Job`]: a change through a journal, which runs again after a transaction that has failed;
//! [`Ticket`]: awaits its answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::super::core::Core;
use super::super::queue::Queue;
use crate::clock::{Timestamp, wake_all};
use crate::journal::JournalError;
use crate::ledger::Ledger;
use crate::sync::Lock;

/// Notifications after all locks are free and the leader has stepped down.
pub(in crate::budget) type After = Box<dyn FnOnce(&Core) + Send>;

/// Something that is to be done to the ledger. It can be run again after a transaction that failed.
pub(in crate::budget) trait Job: Send {
    fn run(&mut self, core: &Core, ledger: &mut Ledger, queue: &mut Queue, now: Timestamp);
    /// Says how it ended. After an error it may be run again and end better.
    fn answer(&mut self, outcome: Result<(), &JournalError>) -> Option<After>;
    /// True if it has to be booked, sooner or later.
    fn must_commit(&self) -> bool;
}

/// A job whose caller waits.
pub(super) struct AwaitedJob<F, R, G, T> {
    work: F,
    result: Option<R>,
    make: Option<G>,
    slot: Arc<Slot<T>>,
}

impl<F, R, G, T> AwaitedJob<F, R, G, T>
where
    F: FnMut(&mut Ledger, &mut Queue, Timestamp) -> R + Send + 'static,
    G: FnOnce(R) -> T + Send + 'static,
    R: Send + 'static,
    T: Send + 'static,
{
    pub(super) fn with_ticket(work: F, make: G) -> (Box<dyn Job>, Ticket<T>) {
        let slot = Arc::new(Slot(Lock::new(SlotState::Waits(None))));
        let ticket = Ticket(Arc::clone(&slot));
        (Box::new(AwaitedJob { work, result: None, make: Some(make), slot }), ticket)
    }
}

impl<F, R, G, T> Job for AwaitedJob<F, R, G, T>
where
    F: FnMut(&mut Ledger, &mut Queue, Timestamp) -> R + Send,
    G: FnOnce(R) -> T + Send + 'static,
    R: Send + 'static,
    T: Send + 'static,
{
    fn run(&mut self, _: &Core, ledger: &mut Ledger, queue: &mut Queue, now: Timestamp) {
        self.result = Some((self.work)(ledger, queue, now));
    }

    fn answer(&mut self, outcome: Result<(), &JournalError>) -> Option<After> {
        let make = self.make.take()?;
        let result = match (outcome, self.result.take()) {
            (Ok(()), Some(result)) => Ok(result),
            (Ok(()), None) => Err(never_run()),
            (Err(error), _) => Err(error.clone()),
        };
        // After what was done before has been announced. A result that no caller waits for may be a hold: it is
        // dropped with all locks free.
        let slot = Arc::clone(&self.slot);
        Some(Box::new(move |_| drop(slot.put(result.map(make)))))
    }

    fn must_commit(&self) -> bool {
        false
    }
}

impl<F, R, G, T> Drop for AwaitedJob<F, R, G, T> {
    fn drop(&mut self) {
        if self.make.is_some() {
            self.slot.put(Err(never_run()));
        }
    }
}

#[cold]
pub(super) fn never_run() -> JournalError {
    JournalError::new("whoever wrote to the journal has panicked; nothing was written")
}

/// A job whose caller does not wait.
pub(super) struct DetachedJob<F> {
    work: F,
    after: Option<After>,
}

impl<F> DetachedJob<F> {
    pub(super) fn new(work: F) -> DetachedJob<F> {
        DetachedJob { work, after: None }
    }
}

impl<F: FnMut(&mut Ledger, Timestamp) -> Option<After> + Send> Job for DetachedJob<F> {
    fn run(&mut self, _: &Core, ledger: &mut Ledger, _: &mut Queue, now: Timestamp) {
        self.after = (self.work)(ledger, now);
    }

    fn answer(&mut self, outcome: Result<(), &JournalError>) -> Option<After> {
        self.after.take().filter(|_| outcome.is_ok())
    }

    fn must_commit(&self) -> bool {
        true
    }
}

/// A job that makes the one who writes look at those who wait for room.
pub(super) struct ServeJob;

impl Job for ServeJob {
    fn run(&mut self, _: &Core, _: &mut Ledger, _: &mut Queue, _: Timestamp) {}

    fn answer(&mut self, _: Result<(), &JournalError>) -> Option<After> {
        None
    }

    fn must_commit(&self) -> bool {
        false
    }
}

struct Slot<T>(Lock<SlotState<T>>);

enum SlotState<T> {
    Waits(Option<Waker>),
    Done(Result<T, JournalError>),
    Gone,
}

impl<T> Slot<T> {
    /// Answers the caller; if it has gone, the result comes back.
    fn put(&self, result: Result<T, JournalError>) -> Option<T> {
        let mut state = self.0.lock();
        match std::mem::replace(&mut *state, SlotState::Gone) {
            SlotState::Waits(waker) => {
                *state = SlotState::Done(result);
                drop(state);
                wake_all(waker.into_iter().collect());
                None
            }
            other => {
                *state = other;
                drop(state);
                result.ok()
            }
        }
    }
}

/// The answer of a change, when it is written.
#[must_use = "a change is written when somebody waits for it"]
pub(crate) struct Ticket<T>(Arc<Slot<T>>);

impl<T> Ticket<T> {
    pub(super) fn of(value: T) -> Ticket<T> {
        Ticket(Arc::new(Slot(Lock::new(SlotState::Done(Ok(value))))))
    }

    /// Waits no longer; an answer that has come and was not fetched is here.
    fn give_up(&self) -> Option<T> {
        let state = std::mem::replace(&mut *self.0.0.lock(), SlotState::Gone);
        match state {
            SlotState::Done(result) => result.ok(),
            _ => None,
        }
    }
}

impl<T> fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").finish_non_exhaustive()
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<T, JournalError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // No foreign code under the lock: not even a waker's clone or drop (law 7).
        let waker = context.waker().clone();
        let mut state = self.0.0.lock();
        match std::mem::replace(&mut *state, SlotState::Gone) {
            SlotState::Done(result) => Poll::Ready(result),
            SlotState::Waits(before) => {
                *state = SlotState::Waits(Some(waker));
                drop(state);
                drop(before);
                Poll::Pending
            }
            SlotState::Gone => Poll::Ready(Err(never_run())),
        }
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        drop(self.give_up());
    }
}
