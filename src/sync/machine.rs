//! The lock, the atomics and the threads of the operating system.

use std::io;
use std::time::Duration;

pub(crate) use std::sync::atomic;
pub(crate) use std::thread::{Thread, current, park, park_timeout, yield_now};

/// The lock of the crate. It is not poisoned by a panic: what it guards changes in steps that
/// cannot fail ([law 5](crate::guide::laws)).
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

    /// The lock, if it is free.
    pub(crate) fn try_lock(&self) -> Option<Held<'_, T>> {
        self.0.try_lock()
    }
}

/// Calls a thread that waits for a change under a lock.
#[derive(Debug, Default)]
pub(crate) struct Signal(parking_lot::Condvar);

impl Signal {
    pub(crate) fn notify(&self) {
        self.0.notify_one();
    }

    /// Releases the lock until it is notified or `span` has passed; true if it timed out.
    pub(crate) fn wait<T>(&self, held: &mut Held<'_, T>, span: Duration) -> bool {
        self.0.wait_for(held, span).timed_out()
    }
}

/// Starts a detached thread.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
    Ok(started.thread().clone())
}
