//! Owns the lock: the one place that names a mutex, so that a model checker can take its place; and
//! how a thread waits for a future.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

/// The lock of the crate. It is not poisoned by a panic: what it guards changes in steps that
/// cannot fail (law 5).
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(
    #[allow(clippy::disallowed_types, reason = "the one place that names it")]
    parking_lot::Mutex<T>,
);

/// The lock while it is held.
pub(crate) type Held<'a, T> = parking_lot::MutexGuard<'a, T>;

impl<T> Lock<T> {
    #[allow(clippy::disallowed_types, reason = "the one place that names it")]
    pub(crate) const fn new(value: T) -> Lock<T> {
        Lock(parking_lot::Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> Held<'_, T> {
        self.0.lock()
    }
}

/// Calls a thread that waits for a change under a lock.
#[derive(Debug, Default)]
pub(crate) struct Signal(parking_lot::Condvar);

impl Signal {
    pub(crate) fn notify(&self) {
        self.0.notify_one();
    }

    /// Lets go of the lock until it is called or `span` has passed; true if nobody has called.
    pub(crate) fn wait<T>(&self, held: &mut Held<'_, T>, span: Duration) -> bool {
        self.0.wait_for(held, span).timed_out()
    }
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
